//! Candles put together from trades, or from shorter candles. Pure.
//!
//! ```
//! use tickwire::candles::Building;
//! use tickwire::model::{Exchange, Interval, Market, Origin, Side, Timestamp, Trade};
//!
//! let market = Market::new(Exchange::new("coinbase"), "BTC", "USD");
//! let mut minute = Building::new(market, Interval::M1, Timestamp::from_nanos(0));
//! for (id, price, size) in [(1, "100.10", "0.5"), (2, "99.90", "0.25")] {
//!     let at = Timestamp::from_nanos(id as i64 * 1_000_000_000);
//!     minute.add_trade(&Trade {
//!         market,
//!         id,
//!         price: price.parse()?,
//!         size: size.parse()?,
//!         side: Side::Buy,
//!         timestamp: at,
//!         received_at: at,
//!         origin: Origin::Stream,
//!         replayed: false,
//!         suspect: false,
//!     });
//! }
//! let candle = minute.candle().expect("it has trades");
//! assert_eq!((candle.open.to_string(), candle.low.to_string()), ("100.10".into(), "99.90".into()));
//! assert_eq!((candle.volume.to_string(), candle.trades), ("0.75".into(), Some(2)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::model::{
    Candle, Decimal, Interval, Market, Origin, Price, Qty, Timestamp, Trade, exact_sub,
};

/// A candle while it is being put together. Its parts come in the order of time.
#[derive(Debug, Clone)]
pub struct Building {
    market: Market,
    interval: Interval,
    open_time: Timestamp,
    whole: Option<Candle>,
    /// Something in it is not known.
    has_hole: bool,
}

impl Building {
    /// Nothing yet.
    pub fn new(market: Market, interval: Interval, open_time: Timestamp) -> Self {
        Self {
            market,
            interval,
            open_time,
            whole: None,
            has_hole: false,
        }
    }

    /// When it begins.
    pub fn open_time(&self) -> Timestamp {
        self.open_time
    }

    /// When it ends.
    pub fn close_time(&self) -> Timestamp {
        self.interval.close_of(self.open_time)
    }

    /// Whether this moment lies in it.
    pub fn includes(&self, at: Timestamp) -> bool {
        (self.open_time..self.close_time()).contains(&at)
    }

    /// Adds the next trade.
    pub fn add_trade(&mut self, trade: &Trade) {
        let (price, size) = (trade.price, trade.size);
        self.add(Candle {
            market: self.market,
            interval: self.interval,
            open_time: self.open_time,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: size,
            quote_volume: product(price, size),
            trades: Some(1),
            closed: false,
            complete: true,
            origin: trade.origin,
            timestamp: Some(trade.timestamp),
            received_at: trade.received_at,
        });
    }

    /// Adds the next shorter candle. A forming one must be the last. One without trades counts only as long as there is
    /// no other.
    pub fn add_part(&mut self, part: &Candle) {
        self.add(part.clone());
    }

    /// Something that belongs into it is not known.
    pub fn add_hole(&mut self) {
        self.has_hole = true;
    }

    /// What it is so far; `None` where nothing was traded. Never `closed`.
    pub fn candle(&self) -> Option<Candle> {
        let whole = self.whole.clone()?;
        Some(Candle {
            market: self.market,
            interval: self.interval,
            open_time: self.open_time,
            closed: false,
            complete: whole.complete && !self.has_hole,
            ..whole
        })
    }

    fn add(&mut self, part: Candle) {
        let Some(whole) = &mut self.whole else {
            self.whole = Some(part);
            return;
        };
        // Without trades its price is that of the last one, which was not in it.
        if part.trades == Some(0) || whole.trades == Some(0) {
            let complete = whole.complete && part.complete;
            let timestamp = whole.timestamp.max(part.timestamp);
            let received_at = whole.received_at.max(part.received_at);
            if whole.trades == Some(0) && part.trades != Some(0) {
                *whole = part;
            }
            (whole.complete, whole.timestamp, whole.received_at) =
                (complete, timestamp, received_at);
            return;
        }
        whole.high = whole.high.max(part.high);
        whole.low = whole.low.min(part.low);
        whole.close = part.close;
        whole.volume = sum(whole.volume, part.volume);
        let volumes = whole.quote_volume.zip(part.quote_volume);
        whole.quote_volume = volumes.and_then(|(one, other)| exact_sum(one, other));
        let counts = whole.trades.zip(part.trades);
        whole.trades = counts.and_then(|(one, other)| one.checked_add(other));
        whole.complete &= part.complete;
        whole.timestamp = whole.timestamp.max(part.timestamp);
        whole.received_at = whole.received_at.max(part.received_at);
        whole.origin = latest(whole.origin, part.origin);
    }
}

/// What is partly live is live; what was partly fetched afterwards was repaired.
fn latest(one: Origin, other: Origin) -> Origin {
    match (one, other) {
        (Origin::Stream, _) | (_, Origin::Stream) => Origin::Stream,
        (Origin::Repair, _) | (_, Origin::Repair) => Origin::Repair,
        (Origin::History, Origin::History) => Origin::History,
    }
}

/// Only where no digit is lost.
fn exact_sum(one: Qty, other: Qty) -> Option<Qty> {
    exact_sub(one.decimal(), -other.decimal()).map(Qty::from)
}

/// The digits that a sum of such sizes cannot have are far below any that is traded.
fn sum(one: Qty, other: Qty) -> Qty {
    let sum = one.decimal().checked_add(other.decimal());
    Qty::from(sum.unwrap_or(Decimal::MAX))
}

/// Only where no digit is lost.
fn product(price: Price, size: Qty) -> Option<Qty> {
    let (price, size) = (price.decimal(), size.decimal());
    let product = price.checked_mul(size)?;
    (product.scale() == price.scale() + size.scale()).then(|| product.into())
}
