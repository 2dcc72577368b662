//! Exchanges: what each one's protocol means, and the one driver that speaks it.
//!
//! An [`Adapter`] is pure: it builds requests and subscriptions, and decodes what comes back. [`Live`]
//! wraps one with sockets, timers, reconnects and budgets, and is what the engine takes. The path of a
//! tick: `driver/session.rs` reads a frame, the adapter's `wire.rs` and `normalise.rs` make it an event,
//! `engine/task.rs` orders it, `engine/hub.rs` hands it out.
//!
//! Never: an adapter that reads a clock, opens a socket or knows another exchange.

pub mod binance;
pub mod coinbase;
mod driver;
pub mod kraken;
mod literal;
mod live;
pub mod mock;
mod options;
mod protocol;
mod reading;
#[cfg(test)]
mod tests;

pub use driver::{Connection, ConnectionOptions, Connects};
pub use literal::Literal;
pub use live::Live;
pub use options::{LiveOptions, OptionsError};
pub use protocol::{
    Adapter, Ask, DecodeError, Frame, Limits, Message, Output, Profile, Protocol, Reply, Silence,
};

/// Percent-encodes a value for a URL's query. Symbols can be non-ASCII.
pub(crate) fn percent_encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|b| {
            if keep(b) {
                (b as char).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
