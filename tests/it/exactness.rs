//! The promise: each trade once, in id order, none silently missing, whatever the line does.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use tickwire::sim::{Cut, LedgerTrade, Sim, SimConfig, Venue};

use crate::support::{Record, Running, VENUES, World, name, quote, same_number, start_at_rate};

const BASES: [&str; 3] = ["BTC", "ETH", "SOL"];

/// What was told of one symbol's holes.
#[derive(Debug, Default, PartialEq)]
struct Holes {
    missing: u64,
    recovered: u64,
}

/// Holds what was printed of one symbol against what the exchange knows: between the first and the last
/// printed id every id is printed once, in order, or told as missing; and what was recovered stands before its gap.
#[track_caller]
fn check(symbol: &str, printed: &[Record], sim: &Sim) -> Holes {
    let ledger: HashMap<u64, LedgerTrade> = sim
        .ledger(symbol)
        .into_iter()
        .map(|trade| (trade.id, trade))
        .collect();
    // The next id, and those that came over REST since the last one that was streamed.
    let (mut next, mut repaired) = (None, Vec::new());
    let mut holes = Holes::default();
    for record in printed
        .iter()
        .filter(|r| r.raw("symbol") == format!("{symbol:?}"))
    {
        match record.text("type").as_str() {
            "trade" => {
                let id = record.number("id");
                equals(record, &ledger[&id]);
                if record.text("origin") == "repair" {
                    repaired.push(id);
                    continue;
                }
                assert!(repaired.is_empty(), "{symbol}: no gap for {repaired:?}");
                assert_eq!(*next.get_or_insert(id), id, "{symbol}: {record:?}");
                next = Some(id + 1);
            }
            "gap" if record.text("stream") == "trades" => {
                let (from, to) = (record.number("from_id"), record.number("to_id"));
                assert_eq!(next, Some(from), "{symbol}: {record:?}");
                assert_eq!(record.number("missing"), to - from + 1, "{record:?}");
                assert!(repaired.is_sorted_by(|a, b| a < b), "{repaired:?}");
                assert!(repaired.iter().all(|id| (from..=to).contains(id)));
                let recovered = repaired.len() as u64;
                assert_eq!(record.number("recovered"), recovered, "{record:?}");
                let state = match to - from + 1 - recovered {
                    0 => "repaired",
                    _ if recovered > 0 => "partial",
                    _ => "unrepairable",
                };
                assert_eq!(record.text("state"), state, "{record:?}");
                holes.missing += to - from + 1 - recovered;
                holes.recovered += recovered;
                repaired.clear();
                next = Some(to + 1);
            }
            _ => {}
        }
    }
    assert!(next.is_some(), "no trades of {symbol}");
    holes
}

/// A printed trade is the exchange's, digit by digit; over REST some exchanges write more zeros.
#[track_caller]
pub fn equals(record: &Record, trade: &LedgerTrade) {
    let is_streamed = record.text("origin") == "stream";
    for (printed, wanted) in [
        (record.raw("price"), &trade.price),
        (record.raw("size"), &trade.size),
    ] {
        assert!(same_number(printed, wanted), "{record:?}");
        assert!(printed == wanted || !is_streamed, "{record:?}");
    }
    assert_eq!(record.text("side"), trade.side.word(), "{record:?}");
    let time: jiff::Timestamp = record.text("timestamp").parse().unwrap();
    let micros = i128::from(trade.time_ns) / 1_000;
    assert_eq!(time.as_nanosecond() / 1_000, micros, "{record:?}");
}

/// Tickers never go back in time, and each price is that of a trade.
#[track_caller]
fn check_tickers(symbol: &str, printed: &[Record], sim: &Sim) {
    let ledger = sim.ledger(symbol);
    let tickers = printed
        .iter()
        .filter(|r| r.is("ticker") && r.text("symbol") == symbol);
    let (mut newest, mut n) = (String::new(), 0);
    for ticker in tickers {
        let time = ticker.raw("timestamp").to_owned();
        assert!(newest <= time, "{ticker:?} after {newest}");
        newest = time;
        let price = ticker.raw("price");
        assert!(
            ledger.iter().any(|trade| same_number(&trade.price, price)),
            "{ticker:?}"
        );
        n += 1;
    }
    assert!(n > 0, "no tickers of {symbol}");
}

fn symbols(venue: Venue) -> [String; 3] {
    BASES.map(|base| format!("{base}/{}", quote(venue)))
}

/// Reads until there are so many more trades of every symbol.
async fn read_trades(running: &mut Running, venue: Venue, n: usize) {
    for symbol in symbols(venue) {
        for _ in 0..n {
            running
                .until(|r| r.is("trade") && r.text("symbol") == symbol)
                .await;
        }
    }
}

async fn end(running: Running) -> Vec<Record> {
    running.signal("INT").await;
    running.end().await.exits(0).records()
}

#[tokio::test]
async fn an_undisturbed_stream_has_every_trade_and_no_gap() {
    join_all(VENUES.map(|venue| async move {
        let sim = start_at_rate(venue, 300.0).await;
        let world = World::with(venue, &sim);
        let mut running = world.spawn("monitor BTC ETH SOL --stream ticker,trades");
        read_trades(&mut running, venue, 200).await;
        let printed = end(running).await;
        for symbol in symbols(venue) {
            assert_eq!(check(&symbol, &printed, &sim), Holes::default());
            check_tickers(&symbol, &printed, &sim);
        }
        assert!(
            printed
                .iter()
                .all(|record| !record.is("gap") && !record.is("status"))
        );
        assert!(sim.counters().rule_violations.is_empty());
    }))
    .await;
}

#[tokio::test]
async fn duplicates_swaps_and_garbage_leave_no_trace() {
    join_all(VENUES.map(|venue| async move {
        let sim = start_at_rate(venue, 200.0).await;
        sim.faults().duplicate_every = 3;
        sim.faults().swap_every = 7;
        sim.faults().garbage_every = 5;
        sim.faults().extra_keys = true;
        let world = World::with(venue, &sim);
        let mut running = world.spawn("monitor BTC ETH SOL --stream ticker,trades");
        read_trades(&mut running, venue, 150).await;
        let printed = end(running).await;
        for symbol in symbols(venue) {
            let holes = check(&symbol, &printed, &sim);
            assert_eq!(holes, Holes::default(), "{}", name(venue));
            check_tickers(&symbol, &printed, &sim);
        }
        assert!(
            printed
                .iter()
                .all(|record| !record.is("gap") && !record.is("status"))
        );
    }))
    .await;
}

#[tokio::test]
async fn every_lost_trade_is_recovered_and_told() {
    join_all(VENUES.map(|venue| async move {
        let sim = start_at_rate(venue, 100.0).await;
        sim.faults().drop_trades_every = 10;
        sim.faults().duplicate_every = 3;
        sim.faults().swap_every = 7;
        sim.faults().garbage_every = 5;
        let world = World::with(venue, &sim);
        let mut running = world.spawn("monitor BTC ETH SOL --stream trades");
        read_trades(&mut running, venue, 100).await;
        // No hole is open at the end: that is not waited for.
        sim.faults().drop_trades_every = 0;
        read_trades(&mut running, venue, 100).await;
        let printed = end(running).await;
        for symbol in symbols(venue) {
            let holes = check(&symbol, &printed, &sim);
            assert!(holes.recovered >= 8 && holes.missing == 0, "{holes:?}");
        }
        for gap in printed.iter().filter(|record| record.is("gap")) {
            assert_eq!(
                gap.keys(),
                [
                    "type",
                    "exchange",
                    "symbol",
                    "stream",
                    "from_id",
                    "to_id",
                    "from",
                    "to",
                    "missing",
                    "recovered",
                    "state",
                    "reason"
                ]
            );
            assert_eq!(gap.text("exchange"), name(venue));
            assert_eq!(gap.text("reason"), "id_hole");
        }
    }))
    .await;
}

#[tokio::test]
async fn repeated_cuts_lose_nothing_silently() {
    join_all(VENUES.map(|venue| async move {
        // Binance's tickers come once a second, which is longer than these connections stand.
        let config = SimConfig {
            rate: 100.0,
            second: Duration::from_millis(100),
            ..SimConfig::new(venue)
        };
        let sim = Sim::start(config).await.unwrap();
        let world = World::with(venue, &sim);
        let mut running = world.spawn("monitor BTC ETH SOL --stream ticker,trades");
        read_trades(&mut running, venue, 20).await;
        sim.faults().drop_trades_every = 31;
        sim.faults().duplicate_every = 3;
        sim.faults().swap_every = 7;
        sim.faults().garbage_every = 5;
        for cut in [Cut::Close(1001), Cut::Reset, Cut::Close(1012)] {
            sim.cut_all(cut);
            running
                .until(|r| r.is("status") && r.text("state") == "reconnecting")
                .await;
            running
                .until(|r| r.is("status") && r.text("state") == "connected")
                .await;
            read_trades(&mut running, venue, 30).await;
        }
        let printed = end(running).await;
        for symbol in symbols(venue) {
            check(&symbol, &printed, &sim);
            check_tickers(&symbol, &printed, &sim);
        }
        let states: Vec<_> = printed
            .iter()
            .filter(|r| r.is("status"))
            .map(|r| r.text("state"))
            .collect();
        assert_eq!(
            states,
            ["reconnecting", "connected"].repeat(3),
            "{}",
            name(venue)
        );
        assert!(
            sim.counters().rule_violations.is_empty(),
            "{:?}",
            sim.counters()
        );
    }))
    .await;
}

#[tokio::test]
async fn an_exchange_that_is_away_for_a_while_is_taken_up_again() {
    join_all(VENUES.map(|venue| async move {
        let sim = start_at_rate(venue, 100.0).await;
        let world = World::with(venue, &sim).env("TICKWIRE_ENGINE__RECONNECT_MAX_DELAY", "300ms");
        let mut running = world.spawn("monitor BTC ETH SOL --stream trades");
        read_trades(&mut running, venue, 20).await;
        sim.stop_listening().await;
        sim.cut_all(Cut::Reset);
        for attempt in 1..=3 {
            let status = running.until(|record| record.is("status")).await;
            assert_eq!(status.text("state"), "reconnecting");
            assert_eq!(status.number("attempt"), attempt);
        }
        sim.resume_listening().await.unwrap();
        running
            .until(|r| r.is("status") && r.text("state") == "connected")
            .await;
        read_trades(&mut running, venue, 20).await;
        let printed = end(running).await;
        for symbol in symbols(venue) {
            check(&symbol, &printed, &sim);
        }
    }))
    .await;
}
