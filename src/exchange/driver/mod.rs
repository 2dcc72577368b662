//! Everything that touches a socket: connecting, subscribing, reading, pinging, noticing silence,
//! backing off. Generic over byte stream, wall clock and randomness, so that it runs under paused time
//! over an in-memory pipe.
//!
//! `connection.rs` is the loop that all of it runs in; `succession.rs` says which line serves and when it is
//! replaced, `outage.rs` what is done without one, `session.rs` what happens on one. Of these two lines at
//! most are open at a time.
//!
//! Only the driver stamps arrival times. It knows no exchange: that is behind [`super::Protocol`].

mod backoff;
mod common;
mod connection;
mod connects;
mod ended;
mod liveness;
mod outage;
mod pending;
mod polling;
mod probe;
mod session;
mod socket;
mod subscriptions;
mod succession;
#[cfg(test)]
mod tests;

pub use connection::{Connection, ConnectionOptions};
pub use connects::Connects;
pub use polling::{Fallback, Obstacle, Working};
pub(in crate::exchange) use probe::connect_times;
pub(in crate::exchange) use socket::host;
