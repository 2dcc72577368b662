//! Everything that touches a socket: connecting, subscribing, reading, pinging, noticing silence,
//! backing off. Generic over byte stream, wall clock and randomness, so that it runs under paused time
//! over an in-memory pipe.
//!
//! Only the driver stamps arrival times. It knows no exchange: that is behind [`super::Protocol`].

mod backoff;
mod connection;
mod connects;
mod ended;
mod pending;
mod probe;
mod session;
mod socket;
#[cfg(test)]
mod tests;

pub use connection::{Connection, ConnectionOptions};
pub use connects::Connects;
pub(in crate::exchange) use probe::connect_times;
pub(in crate::exchange) use socket::host;
