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

    /// Of which market.
    pub fn market(&self) -> Market {
        self.market
    }

    /// How long it is.
    pub fn interval(&self) -> Interval {
        self.interval
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
        // One without trades repeats the price before it, at which nothing was traded in it.
        match (is_empty(whole), is_empty(&part)) {
            (false, false) => {
                whole.high = whole.high.max(part.high);
                whole.low = whole.low.min(part.low);
                whole.close = part.close;
            }
            (true, false) => {
                (whole.open, whole.close) = (part.open, part.close);
                (whole.high, whole.low) = (part.high, part.low);
            }
            (_, true) => {}
        }
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

fn is_empty(candle: &Candle) -> bool {
    candle.trades.unwrap_or(0) == 0 && candle.volume.decimal().is_zero()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Exchange;

    fn part(second: i64, price: &str, trades: u64) -> Candle {
        let open_time = Timestamp::from_nanos(second * 1_000_000_000);
        let price: Price = price.parse().unwrap();
        Candle {
            market: Market::new(Exchange::new("binance"), "BTC", "USDT"),
            interval: Interval::S1,
            open_time,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: Decimal::from(trades).into(),
            quote_volume: None,
            trades: Some(trades),
            closed: true,
            complete: true,
            origin: Origin::Stream,
            timestamp: None,
            received_at: open_time,
        }
    }

    #[test]
    fn parts_without_trades_have_no_say_in_the_prices() {
        let folded = |parts: &[(&str, u64)]| {
            let first = part(0, "1", 0);
            let mut building = Building::new(first.market, Interval::S5, first.open_time);
            for (second, &(price, trades)) in (0..).zip(parts) {
                building.add_part(&part(second, price, trades));
            }
            let whole = building.candle().unwrap();
            let prices = [whole.open, whole.high, whole.low, whole.close];
            (
                prices.map(|price| price.to_string()).join(" "),
                whole.trades,
            )
        };
        let (flat, none) = (("9", 0), ("2", 0));
        assert_eq!(
            folded(&[flat, ("2", 1), ("3", 1), ("3", 0)]),
            ("2 3 2 3".into(), Some(2))
        );
        assert_eq!(folded(&[flat, flat]), ("9 9 9 9".into(), Some(0)));
        assert_eq!(
            folded(&[("2", 1), none, ("1", 4)]),
            ("2 2 1 1".into(), Some(5))
        );
    }
}
