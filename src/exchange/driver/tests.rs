//! Connections under paused time, over in-memory pipes, against simulated and scripted exchanges.

mod handshake;
mod liveness;
mod lost;
mod scripted;
mod subscribe;
mod support;
