//! Connections under paused time, over in-memory pipes, against simulated and scripted exchanges.

mod commands;
mod fallback;
mod handshake;
mod liveness;
mod lost;
mod script;
mod scripted;
mod signs;
mod subscribe;
mod succession;
mod support;
