//! What one update of an indicator costs, of a forming candle and of the next one. `cargo bench --bench indicator`.

use std::hint::black_box;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use tickwire::indicator::{Indicator, Running};
use tickwire::model::{Candle, Decimal, Exchange, Interval, Market, Origin, Timestamp};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

/// At once, so that what the clock costs does not count.
const BATCH: usize = 1_000;

const INDICATORS: [&str; 12] = [
    "sma 20",
    "sma 200",
    "ema 20",
    "rsi 14",
    "macd 12 26 9",
    "macd_signal 12 26 9",
    "bb_upper 20 2",
    "bb_upper 200 2",
    "atr 14",
    "vwap 20",
    "highest 20",
    "lowest 200",
];

fn main() {
    divan::main();
}

fn candle(minute: i64, cents: i64) -> Candle {
    let price = |cents| Decimal::new(9_712_340 + cents, 2).into();
    let open_time = Timestamp::from_nanos(minute * Interval::M1.nanos());
    Candle {
        market: Market::new(Exchange::new("bench"), "BTC", "USD"),
        interval: Interval::M1,
        open_time,
        open: price(0),
        high: price(cents + 500),
        low: price(cents - 700),
        close: price(cents),
        volume: Decimal::new(150_000_000 + cents, 8).into(),
        quote_volume: None,
        trades: None,
        closed: false,
        complete: true,
        origin: Origin::Stream,
        timestamp: None,
        received_at: open_time,
    }
}

/// Warm.
fn running(text: &str) -> Running {
    let mut words = text.split(' ');
    let name = words.next().expect("a name");
    let arguments: Vec<_> = words.map(|word| word.parse().expect("a number")).collect();
    let mut running = Indicator::new(name, &arguments)
        .expect("an indicator")
        .start();
    for minute in 0..1_000 {
        running.update(&candle(minute, minute * 7_919 % 977));
    }
    running
}

#[divan::bench(args = INDICATORS)]
fn forming(bencher: Bencher<'_, '_>, text: &str) {
    let mut running = running(text);
    let candles: Vec<_> = (0..BATCH as i64)
        .map(|n| candle(1_000, n * 7_919 % 977))
        .collect();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for candle in &candles {
            black_box(running.update(black_box(candle)));
        }
    });
}

#[divan::bench(args = INDICATORS)]
fn next(bencher: Bencher<'_, '_>, text: &str) {
    let mut running = running(text);
    let mut minute = 1_000;
    let mut candles: Vec<_> = (0..BATCH as i64)
        .map(|n| candle(0, n * 7_919 % 977))
        .collect();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for candle in &mut candles {
            candle.open_time = Timestamp::from_nanos(minute * Interval::M1.nanos());
            minute += 1;
            black_box(running.update(black_box(candle)));
        }
    });
}
