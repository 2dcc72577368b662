//! The network layer against real loopback peers.

mod dial;
mod http;
mod post;
mod pure;
mod support;
