//! The network layer against real loopback peers.

mod dial;
mod http;
mod pure;
mod support;
