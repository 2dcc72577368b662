//! Candles put together from a ledger: what every venue's messages and REST rows are made of.
use super::{
    dec::Dec,
    market::{Info, Side, Trade, VOLUME_SCALE},
    past::Past,
};

/// 1970-01-05, the first Monday, in seconds.
const MONDAY: i64 = 4 * 86_400;
const WEEK: i64 = 7 * 86_400;
const SECOND_NS: i64 = 1_000_000_000;

/// Whole seconds, rounded down.
pub(super) fn seconds(time_ns: i64) -> i64 {
    time_ns.div_euclid(SECOND_NS)
}

/// What was traded within an interval, as the exchange knows it: the truth to compare a client's output with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerCandle {
    /// Canonical, `BTC/USD`.
    pub symbol: String,
    /// When it begins, UTC.
    pub open_time_ns: i64,
    /// When the next begins.
    pub close_time_ns: i64,
    /// The first price, with the digits of [`LedgerTrade::price`](super::LedgerTrade::price).
    pub open: String,
    /// The highest.
    pub high: String,
    /// The lowest.
    pub low: String,
    /// The last.
    pub close: String,
    /// Exact sum of the sizes, without zeros at the end.
    pub volume: String,
    /// Exact sum of price × size, without zeros at the end.
    pub quote_volume: String,
    /// How many trades; 0 where all prices are the close before.
    pub trades: u64,
}

/// Where candles of one length begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// Seconds.
    pub step: i64,
    origin: i64,
}

impl Grid {
    /// At multiples of the length since the epoch: weeks on Thursdays.
    pub fn of_epoch(step: i64) -> Self {
        Self { step, origin: 0 }
    }

    /// The same with weeks from Monday.
    pub fn of_calendar(step: i64) -> Self {
        let origin = if step == WEEK { MONDAY } else { 0 };
        Self { step, origin }
    }

    /// When the candle began in which this second lies.
    pub fn open_of(self, second: i64) -> i64 {
        second - (second - self.origin).rem_euclid(self.step)
    }

    /// When the first candle begins at this second or after it.
    pub fn first_from(self, second: i64) -> i64 {
        self.open_of(second + self.step - 1)
    }
}

/// One candle. Volumes have [`VOLUME_SCALE`] decimals, quote volumes those of the price on top.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bar {
    /// Its first second.
    pub time: i64,
    pub open: Dec,
    pub high: Dec,
    pub low: Dec,
    pub close: Dec,
    pub volume: Dec,
    pub quote_volume: Dec,
    /// What aggressors bought of it.
    pub taker_volume: Dec,
    pub taker_quote: Dec,
    pub count: u64,
    /// The first and last trade in the ledger.
    pub ids: Option<(u64, u64)>,
}

impl Bar {
    /// One in which nothing was traded.
    pub fn flat(time: i64, price: Dec) -> Self {
        let volume = Dec::new(0, VOLUME_SCALE);
        let quote_volume = Dec::new(0, VOLUME_SCALE + price.scale);
        Self {
            time,
            open: price,
            high: price,
            low: price,
            close: price,
            volume,
            quote_volume,
            taker_volume: volume,
            taker_quote: quote_volume,
            count: 0,
            ids: None,
        }
    }

    pub fn add_trade(&mut self, trade: &Trade) {
        let price = trade.price;
        self.add_prices(price, price, price, price);
        let size = trade.size.rescale(VOLUME_SCALE).units;
        self.volume.units += size;
        self.quote_volume.units += size * price.units;
        if trade.side == Side::Buy {
            self.taker_volume.units += size;
            self.taker_quote.units += size * price.units;
        }
        self.count += 1;
        let first = self.ids.map_or(trade.id, |(first, _)| first);
        self.ids = Some((first, trade.id));
    }

    /// Adds a shorter one, which has trades but none of the ledger.
    pub fn add_part(&mut self, part: &Bar) {
        self.add_prices(part.open, part.high, part.low, part.close);
        self.volume.units += part.volume.units;
        self.quote_volume.units += part.quote_volume.units;
        self.taker_volume.units += part.taker_volume.units;
        self.taker_quote.units += part.taker_quote.units;
        self.count += part.count;
    }

    fn add_prices(&mut self, open: Dec, high: Dec, low: Dec, close: Dec) {
        if self.count == 0 {
            (self.open, self.high, self.low) = (open, high, low);
        }
        self.high.units = self.high.units.max(high.units);
        self.low.units = self.low.units.min(low.units);
        self.close = close;
    }

    /// The mean price weighted by size; zero where nothing was traded.
    pub fn vwap(&self, scale: u32) -> Dec {
        let amount = self.quote_volume.rescale(8);
        amount.divide(self.volume.rescale(8), scale)
    }

    pub fn ledger_candle(&self, info: &Info, grid: Grid) -> LedgerCandle {
        LedgerCandle {
            symbol: info.canonical.clone(),
            open_time_ns: self.time * SECOND_NS,
            close_time_ns: (self.time + grid.step) * SECOND_NS,
            open: self.open.to_string(),
            high: self.high.to_string(),
            low: self.low.to_string(),
            close: self.close.to_string(),
            volume: self.volume.trim().to_string(),
            quote_volume: self.quote_volume.trim().to_string(),
            trades: self.count,
        }
    }
}

/// Where candles come from: the trades of a pair, and what was before them.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// Oldest first.
    pub ledger: &'a [Trade],
    pub past: Option<&'a Past>,
    /// The price before all of it.
    pub start: Dec,
}

impl Source<'_> {
    /// The second in which its first trade lies.
    pub fn first(&self) -> Option<i64> {
        let past = self.past.map(Past::begin);
        past.or_else(|| self.ledger.first().map(|trade| seconds(trade.time_ns)))
    }

    /// One per interval that begins from `from` until `until` (seconds), flat where nothing was traded.
    pub fn bars(&self, grid: Grid, from: i64, until: i64) -> Vec<Bar> {
        let from = grid.first_from(from);
        let before = self
            .ledger
            .partition_point(|trade| seconds(trade.time_ns) < from);
        let mut close = match (before.checked_sub(1), self.past) {
            (Some(last), _) => self.ledger[last].price,
            (None, Some(past)) => past.close_before(from),
            (None, None) => self.start,
        };
        let mut trades = self.ledger[before..].iter().peekable();
        let count = (until - from)
            .max(0)
            .unsigned_abs()
            .div_ceil(grid.step.unsigned_abs());
        let mut bars = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        let mut time = from;
        while time < until {
            let mut bar = Bar::flat(time, close);
            if let Some(past) = self.past {
                past.add_to(&mut bar, time + grid.step);
            }
            while let Some(trade) = trades.next_if(|t| seconds(t.time_ns) < time + grid.step) {
                bar.add_trade(trade);
            }
            close = bar.close;
            bars.push(bar);
            time += grid.step;
        }
        bars
    }
}
