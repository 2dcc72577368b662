//! What the market says, in tickwire's own words: exchanges, symbols, instruments, events.
//!
//! Owns the names and the numbers. Invariants: a price or a size prints the digits that the exchange
//! sent, times are nanoseconds UTC, events are cheap to clone. Never does I/O, never reads a clock.
//!
//! ```
//! use tickwire::model::{DecimalError, Price, parse_decimal};
//!
//! let price: Price = "67234.10".parse()?;
//! assert_eq!(price.to_string(), "67234.10", "no digit is lost and none is added");
//! assert_eq!("1e-08".parse::<Price>()?.to_string(), "0.00000001");
//!
//! // Arithmetic is that of `rust_decimal`, exact.
//! let bid = parse_decimal("67234.05")?;
//! assert_eq!((price.decimal() - bid).to_string(), "0.05");
//!
//! assert_eq!(parse_decimal("NaN"), Err(DecimalError::Syntax));
//! # Ok::<(), DecimalError>(())
//! ```

mod candle;
mod decimal;
mod event;
mod field;
mod fnv;
mod instrument;
mod interval;
mod json;
mod market;
mod notice;
mod signal;
mod time;

pub use candle::Candle;
pub use decimal::{DecimalError, Price, Qty, parse_decimal, write_decimal};
pub(crate) use decimal::{exact_sub, ratio};
pub use event::{Event, Origin, Side, Stream, Ticker, Trade};
pub use field::{Field, Value};
pub(crate) use fnv::fnv1a_64;
pub use instrument::{Instrument, TradingStatus};
pub use interval::Interval;
pub(crate) use json::yes_no;
pub use json::{JsonWriter, write_json_string};
pub use market::{Exchange, Market};
pub use notice::{Gap, GapReason, GapState, Status, StatusState};
pub use rust_decimal::Decimal;
pub use signal::{Signal, SignalSide};
pub use time::{Clock, SystemClock, TimeWriter, Timestamp};
