//! Exchanges: what each one's protocol means, and the one driver that speaks it.
//!
//! An [`Adapter`] is pure: it builds requests and subscriptions, and decodes what comes back. [`Live`]
//! wraps one with sockets, timers, reconnects and budgets, and is what the engine takes. The path of a
//! tick: `driver/session.rs` reads a frame, the adapter's `wire.rs` and `normalise.rs` make it an event,
//! `engine/task.rs` orders it, `engine/hub.rs` hands it out.
//!
//! Never: an adapter that reads a clock, opens a socket or knows another exchange.
//!
//! An adapter alone needs no network, so that its reading can be tested with recorded answers:
//!
//! ```
//! use tickwire::exchange::{Adapter, coinbase::Coinbase};
//! use tickwire::model::{Instrument, Timestamp};
//!
//! let bitcoin = Instrument::new(Coinbase.exchange(), "BTC", "USD", "BTC-USD");
//! let ask = Coinbase.ask_trades(&bitcoin, 1);
//! assert_eq!(ask.path, "/products/BTC-USD/trades?limit=1");
//!
//! let answer = r#"[{"trade_id":7,"side":"sell","size":"0.015","price":"61000.10","time":"2026-09-21T14:13:20Z"}]"#;
//! let received_at = Timestamp::from_nanos(1_790_000_005_000_000_000);
//! let trades = Coinbase.read_trades(answer, &bitcoin, received_at)?;
//! assert_eq!(trades[0].price.to_string(), "61000.10");
//! // Coinbase tells the maker's side; tickwire's is the taker's, everywhere.
//! assert_eq!(trades[0].side.name(), "buy");
//! # Ok::<(), tickwire::feed::ProviderError>(())
//! ```

pub mod binance;
pub mod coinbase;
pub mod custom;
mod driver;
mod folding;
mod gate;
mod history;
pub mod kraken;
mod literal;
mod live;
pub mod mock;
mod options;
mod past_candles;
mod past_trades;
// Called by the connections that have no WebSocket.
mod poller;
mod protocol;
mod reading;
mod rest;
pub mod server;
#[cfg(test)]
mod tests;
mod tickers;

pub use driver::{Connection, ConnectionOptions, Connects, Fallback, Working};
pub use literal::Literal;
pub use live::Live;
pub use options::{LiveOptions, OptionsError};
pub use protocol::{
    Adapter, AggregatePage, AggregateTrade, Ask, CandleRows, Candles, DecodeError, Frame, Limits,
    Message, Output, Profile, Protocol, Reply, Silence, TradePage, UsedWeight,
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
