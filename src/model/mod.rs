//! What the market says, in tickwire's own words: exchanges, symbols, instruments, events.
//!
//! Owns the names and the numbers. Invariants: a price or a size prints the digits that the exchange
//! sent, times are nanoseconds UTC, events are cheap to clone. Never does I/O, never reads a clock.

mod decimal;
mod event;
mod field;
mod instrument;
mod json;
mod market;
mod notice;
mod time;

pub use decimal::{DecimalError, Price, Qty, parse_decimal, write_decimal};
pub(crate) use decimal::{exact_sub, ratio};
pub use event::{Event, Origin, Side, Stream, Ticker, Trade};
pub use field::{Field, Value};
pub use instrument::{Instrument, TradingStatus};
pub use json::{JsonWriter, write_json_string};
pub use market::{Exchange, Market};
pub use notice::{Gap, GapReason, GapState, Status, StatusState};
pub use rust_decimal::Decimal;
pub use time::{Clock, SystemClock, TimeWriter, Timestamp};
