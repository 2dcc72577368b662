//! Strategies: when to buy and when to leave, and what that would have brought.
//!
//! Owns what a strategy is ([`Strategy`]), when its conditions give signals ([`Machine`]) and the accounts of a
//! backtest ([`Backtest`]). Invariants:
//!
//! - Conditions are looked at when a candle closes, and never again: live and over history the signals are the
//!   same, and none changes when later candles come.
//! - A signal is filled at the open of a later candle, never at a price that was known when it was given.
//!
//! Long or flat: nothing is sold short, and a buy takes all there is. Where values come from, and how a program
//! that decides is run, is not known here.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//! use tickwire::model::{Candle, Exchange, Interval, Market, Origin, SignalSide, Timestamp, Value};
//! use tickwire::strategy::{Backtest, Costs, Definition, Strategy};
//!
//! let dip = Definition::Conditions {
//!     buy: "price < 100".into(),
//!     sell: "price > 110".into(),
//!     interval: None,
//! };
//! let strategy = Strategy::parse("dip", Interval::M1, &BTreeMap::from([("dip".into(), dip)]))?;
//! let mut machine = strategy.machine().expect("it has conditions");
//! let mut backtest = Backtest::new(&strategy, Costs::default());
//!
//! let market = Market::new(Exchange::new("kraken"), "BTC", "USD");
//! for (minute, (open, close)) in [("101", "99"), ("100", "111"), ("120", "90")].into_iter().enumerate() {
//!     let candle = Arc::new(Candle {
//!         market,
//!         interval: Interval::M1,
//!         open_time: Timestamp::from_nanos(minute as i64 * 60_000_000_000),
//!         open: open.parse()?,
//!         high: "120".parse()?,
//!         low: "90".parse()?,
//!         close: close.parse()?,
//!         volume: "1".parse()?,
//!         quote_volume: None,
//!         trades: None,
//!         closed: true,
//!         complete: true,
//!         origin: Origin::History,
//!         timestamp: None,
//!         received_at: Timestamp::from_nanos(0),
//!     });
//!     backtest.on_candle(&candle);
//!     if let Some(signal) = machine.on_candle(&candle, &|_| Value::Null) {
//!         backtest.on_signal(&signal);
//!     }
//! }
//! let report = backtest.report();
//! // Bought at 100, the open after the close below it, and sold at 120; the buy at the end came too late.
//! assert_eq!(report.markets[0].return_percent.to_string(), "20.0000");
//! assert_eq!((report.markets[0].trades, report.markets[0].unfilled), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod backtest;
mod builtin;
mod definition;
mod position;
mod report;
#[cfg(test)]
mod tests;

pub use account::Costs;
pub use backtest::Backtest;
pub use definition::{Decides, Definition, Strategy, StrategyError};
pub use position::Machine;
pub use report::{Report, Summary};
