//! What was traded, and the candles of it by a way of its own.

use std::collections::BTreeMap;

use crate::exchange::tests::support::NOW;
use crate::model::{Interval, Timestamp};

const SECOND: i64 = 1_000_000_000;
const MILLI: i64 = 1_000_000;

/// Prices in cents, sizes in thousandths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sold {
    pub id: u64,
    pub nanos: i64,
    pub cents: u64,
    pub size: u64,
}

/// What was traded within a candle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    pub open: u64,
    pub high: u64,
    pub low: u64,
    pub close: u64,
    pub volume: u64,
    /// Price times size.
    pub quote: u64,
    pub trades: u64,
}

/// Trades up to [`NOW`], some of them at one moment, with quiet hours between busy ones.
pub fn ledger(seed: u64, trades: u64, days: i64) -> Vec<Sold> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let span = days * 86_400 * SECOND / MILLI;
    let mut moments: Vec<i64> = Vec::new();
    while moments.len() < trades as usize {
        let start = rng.i64(0..span);
        // one in eight is alone, the others come together
        let together = if rng.u8(0..8) == 0 { 1 } else { rng.u32(2..40) };
        let mut at = start;
        for _ in 0..together {
            moments.push(at.min(span - 1));
            at += rng.i64(0..1_500) * i64::from(rng.bool());
        }
    }
    moments.sort_unstable();
    moments.truncate(trades as usize);
    let mut cents = 6_100_000u64;
    let row = |(n, millis): (usize, i64)| {
        cents = (cents + rng.u64(0..400)).saturating_sub(200).max(1);
        Sold {
            id: 5_001 + n as u64,
            nanos: NOW.nanos() - (span - millis) * MILLI,
            cents,
            size: rng.u64(1..5_000),
        }
    };
    moments.into_iter().enumerate().map(row).collect()
}

pub fn bars(ledger: &[Sold], interval: Interval) -> BTreeMap<Timestamp, Bar> {
    let mut bars: BTreeMap<Timestamp, Bar> = BTreeMap::new();
    for sold in ledger {
        let open = interval.open_of(Timestamp::from_nanos(sold.nanos));
        let bar = bars.entry(open).or_insert(Bar {
            open: sold.cents,
            high: sold.cents,
            low: sold.cents,
            close: sold.cents,
            volume: 0,
            quote: 0,
            trades: 0,
        });
        bar.high = bar.high.max(sold.cents);
        bar.low = bar.low.min(sold.cents);
        bar.close = sold.cents;
        bar.volume += sold.size;
        bar.quote += sold.size * sold.cents;
        bar.trades += 1;
    }
    bars
}

/// With a flat one wherever nothing was traded, up to now.
pub fn filled(bars: &BTreeMap<Timestamp, Bar>, interval: Interval) -> BTreeMap<Timestamp, Bar> {
    let mut all = BTreeMap::new();
    let Some((&first, _)) = bars.first_key_value() else {
        return all;
    };
    let (mut at, mut last) = (first, 0);
    while at <= NOW {
        let flat = Bar {
            open: last,
            high: last,
            low: last,
            close: last,
            volume: 0,
            quote: 0,
            trades: 0,
        };
        let bar = bars.get(&at).copied().unwrap_or(flat);
        last = bar.close;
        all.insert(at, bar);
        at = interval.close_of(at);
    }
    all
}

pub fn price(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

pub fn size(thousandths: u64) -> String {
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}
