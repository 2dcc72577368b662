//! Whether a rule fires: on the change from false to true, and not too often.
//!
//! Owns what a rule reads, what it remembers between two looks at the market, and how often it may fire. Pure:
//! time is an argument. Never fetches, never waits, never acts, never writes anything down.
//!
//! - A [`Rule`] is what was asked for: a condition, its [`Policy`], what it says.
//! - [`Memory`] is the machine. An armed rule whose condition is true, for the whole hold where there is one, has
//!   an edge: it fires, or cooldown or max-fires swallow it. Either way it is disarmed until the condition is
//!   false and may be armed again. Unknown neither fires nor arms, and breaks a hold.
//! - A [`Tracker`] is one rule over one market: it takes the values of its operands from [`Views`], evaluates,
//!   and gives an [`Outcome`] with the [`Alert`] for each edge.
//! - A [`Board`] holds all trackers of a program; an event wakes those that read it.
//! - [`Tracker::check`] is a look from time to time instead: first the trades since the [`Mark`]s of the last
//!   check, in their order, then this moment. Where trades are not to be had, candles are judged: see [`Bar`].
//!
//! Invariant: a path that is cut into many runs, with memory and marks written down in between, gives the same
//! verdicts as one run over the whole path.
//!
//! ```
//! use std::sync::Arc;
//! use tickwire::alert::{Board, Policy, Rule, Tracker};
//! use tickwire::expression::Expression;
//! use tickwire::model::{Event, Exchange, Market, Origin, Side, Timestamp, Trade};
//!
//! let rule = Rule {
//!     name: Some("high".into()),
//!     condition: Expression::parse_condition("price > 50_000")?,
//!     rearm: None,
//!     margin: Some("1%".parse()?),
//!     policy: Policy::default(),
//!     message: None,
//! };
//! let market = Market::new(Exchange::new("kraken"), "BTC", "USD");
//! // It names no other market, so none has to be found.
//! let tracker = Tracker::new(Arc::new(rule), market, &|_| None).expect("it reads its own market only");
//! let mut board = Board::default();
//! board.add(tracker);
//!
//! let mut fired = Vec::new();
//! // 49900 is false, but not a fall by one per cent.
//! for (id, price) in [(1, "50000"), (2, "50000.10"), (3, "49900"), (4, "50001"), (5, "49500"), (6, "50002")] {
//!     let at = Timestamp::from_nanos(id as i64 * 1_000_000_000);
//!     let trade = Trade {
//!         market,
//!         id,
//!         price: price.parse()?,
//!         size: "0.1".parse()?,
//!         side: Side::Buy,
//!         timestamp: at,
//!         received_at: at,
//!         origin: Origin::Stream,
//!         replayed: false,
//!         suspect: false,
//!     };
//!     board.apply(&Event::Trade(trade), at, |_, outcome| {
//!         if outcome.verdict.is_fired() {
//!             fired.push(outcome.alert.message);
//!         }
//!     });
//! }
//! assert_eq!(fired, ["BTC/USD: price > 50_000 (price 50000.10)", "BTC/USD: price > 50_000 (price 50002)"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bars;
mod board;
mod check;
mod computed;
mod mark;
mod memory;
mod past;
mod policy;
mod rule;
mod tracker;
mod views;

pub use board::{Board, time_of};
pub use check::{Checked, Evidence, Since};
pub use computed::Bars;
pub use mark::{CLOCKS, Mark};
pub use memory::{Memory, Suppression, Verdict};
pub use past::{Bar, Past};
pub use policy::{MaxFires, Policy};
pub use rule::{Alert, Rule};
pub use tracker::{Outcome, Tracker};
pub use views::{Slot, Views};

#[cfg(test)]
mod tests;
