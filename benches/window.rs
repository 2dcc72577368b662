//! Windows of trades: one more trade, and the newest hundred of them. `cargo bench --bench window`.

use std::hint::black_box;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use tickwire::model::{Decimal, Exchange, Market, Origin, Side, Timestamp, Trade};
use tickwire::window::{TradeWindow, Windows};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const CAPACITY: usize = 100_000;
/// At once, so that what the clock costs does not count.
const BATCH: usize = 10_000;

fn main() {
    divan::main();
}

fn trades() -> Vec<Trade> {
    let market = Market::new(Exchange::new("bench"), "BTC", "USD");
    let trade = |n: usize| {
        let time = Timestamp::from_nanos(1_790_000_000_000_000_000 + n as i64 * 1_000_000);
        Trade {
            market,
            id: n as u64,
            price: Decimal::new(9_712_340 + n as i64 % 977, 2).into(),
            size: Decimal::new(150_000 + n as i64 % 7_919, 8).into(),
            side: if n.is_multiple_of(3) {
                Side::Sell
            } else {
                Side::Buy
            },
            timestamp: time,
            received_at: time,
            origin: Origin::Stream,
            replayed: false,
            suspect: false,
        }
    };
    (0..BATCH).map(trade).collect()
}

fn full() -> TradeWindow {
    let trades = trades();
    let mut window = TradeWindow::new(trades[0].market, CAPACITY);
    for trade in trades.iter().cycle().take(CAPACITY + BATCH / 2) {
        window.push(trade);
    }
    window
}

#[divan::bench]
fn append(bencher: Bencher<'_, '_>) {
    let (trades, mut window) = (trades(), full());
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for trade in &trades {
            window.push(black_box(trade));
        }
    });
}

#[divan::bench]
fn append_by_market(bencher: Bencher<'_, '_>) {
    let (trades, mut windows) = (trades(), Windows::new(CAPACITY, 1));
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for trade in &trades {
            windows.push_trade(black_box(trade));
        }
    });
}

#[divan::bench]
fn newest_hundred(bencher: Bencher<'_, '_>) {
    let window = full();
    bencher.bench_local(|| {
        let mut sum = 0;
        for trade in black_box(&window).newest(100) {
            sum += black_box(&trade).id;
        }
        sum
    });
}

#[divan::bench]
fn a_hundred_by_time(bencher: Bencher<'_, '_>) {
    let trades = trades();
    let mut window = TradeWindow::new(trades[0].market, BATCH);
    for trade in &trades {
        window.push(trade);
    }
    let from = trades[BATCH / 2].timestamp;
    let until = from.plus_nanos(100_000_000);
    bencher.bench_local(|| black_box(&window).range(from, until).count());
}
