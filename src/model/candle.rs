//! What was traded within an interval, in one record.

use super::{Interval, Market, Origin, Price, Qty, Timestamp};

/// What was traded from `open_time` until `close_time`, which is not part of it.
///
/// Units: prices in quote per base, volume in base, quote volume in quote.
///
/// A closed one is final, and told once; a forming one is followed by others with the same open time.
#[derive(Debug, Clone, PartialEq)]
pub struct Candle {
    /// Of what.
    pub market: Market,
    /// How long.
    pub interval: Interval,
    /// When it begins, by the exchange's time.
    pub open_time: Timestamp,
    /// The first price.
    pub open: Price,
    /// The highest.
    pub high: Price,
    /// The lowest.
    pub low: Price,
    /// The last, so far where it is forming.
    pub close: Price,
    /// Base that was traded.
    pub volume: Qty,
    /// Quote that was traded, where the exchange tells it or every trade is known.
    pub quote_volume: Option<Qty>,
    /// How many trades, where that is known.
    pub trades: Option<u64>,
    /// Whether it has ended, and this is all of it.
    pub closed: bool,
    /// Whether every trade in it, so far where it is forming, is counted.
    pub complete: bool,
    /// How it came: built or streamed live, fetched for what the stream had missed, or from before it.
    pub origin: Origin,
    /// The exchange's time of this state, where it is known: that of the last trade in it, or of the message. Not
    /// among the fields of an event.
    pub timestamp: Option<Timestamp>,
    /// When the last of it reached us. Not among the fields of an event.
    pub received_at: Timestamp,
}

impl Candle {
    /// When it ends.
    pub fn close_time(&self) -> Timestamp {
        self.interval.close_of(self.open_time)
    }
}
