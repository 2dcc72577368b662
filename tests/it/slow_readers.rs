//! A live feed cannot wait: a reader that does not read is waited for, then told what it missed.

use std::time::Duration;

use tickwire::sim::{Sim, SimConfig, Venue};

use crate::support::{Record, World, eventually, start};

/// Longer than a slow reader is waited for.
const STOPPED: Duration = Duration::from_secs(8);

/// More trades than the queue, the pipe and the program hold.
const MISSED: usize = 4_000;

/// Every id between the first and the last printed one is printed or told, exactly once.
#[track_caller]
fn check(symbol: &str, printed: &[Record], sim: &Sim) -> Vec<Record> {
    let known = sim.ledger(symbol);
    let mut gaps = Vec::new();
    let mut next = None;
    let of_symbol = |r: &&Record| r.raw("symbol") == format!("{symbol:?}");
    for record in printed.iter().filter(of_symbol) {
        if record.is("trade") {
            let id = record.number("id");
            assert_eq!(*next.get_or_insert(id), id, "{record:?}");
            assert!(known.iter().any(|trade| trade.id == id), "{record:?}");
            next = Some(id + 1);
        } else if record.is("gap") && record.text("stream") == "trades" {
            let (from, to) = (record.number("from_id"), record.number("to_id"));
            assert_eq!(next, Some(from), "{record:?}");
            assert_eq!(record.number("missing"), to - from + 1, "{record:?}");
            next = Some(to + 1);
            gaps.push(record.clone());
        }
    }
    gaps
}

#[tokio::test]
async fn a_reader_that_stops_is_told_what_it_missed_and_pings_are_answered_meanwhile() {
    let sim = Sim::start(SimConfig {
        rate: 1_000.0,
        ..SimConfig::new(Venue::Kraken)
    });
    let sim = sim.await.unwrap();
    sim.faults().require_pong = true;
    let world = World::with(Venue::Kraken, &sim).env("TICKWIRE_ENGINE__BUFFER_SIZE", "1000");
    let mut running = world.spawn("monitor BTC ETH --stream ticker,trades");
    for _ in 0..100 {
        running.record().await;
    }
    let made = |symbol| sim.ledger(symbol).len();
    let enough = ["BTC/USD", "ETH/USD"].map(|symbol| (symbol, made(symbol) + MISSED));
    let pongs = sim.counters().pongs_received;
    tokio::time::sleep(STOPPED).await;
    eventually("more is traded than anything holds", || {
        enough
            .iter()
            .all(|(symbol, wanted)| made(symbol) >= *wanted)
    })
    .await;
    // One would do if the socket was not read: it was on its way.
    eventually("pings are answered while nobody reads", || {
        sim.counters().pongs_received >= pongs + 3
    })
    .await;
    let mut open = vec![
        ("BTC/USD", "trades"),
        ("BTC/USD", "ticker"),
        ("ETH/USD", "trades"),
        ("ETH/USD", "ticker"),
    ];
    while !open.is_empty() {
        let gap = running.until(|record| record.is("gap")).await;
        assert_eq!(gap.text("reason"), "slow_consumer");
        let at = (gap.text("symbol"), gap.text("stream"));
        let known = open
            .iter()
            .position(|(symbol, stream)| *symbol == at.0 && *stream == at.1);
        open.remove(known.unwrap_or_else(|| panic!("a second {gap:?}")));
    }
    for _ in 0..2_000 {
        running.record().await;
    }
    running.signal("INT").await;
    let printed = running.end().await.exits(0).records();
    for symbol in ["BTC/USD", "ETH/USD"] {
        let gaps = check(symbol, &printed, &sim);
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert_eq!(gaps[0].text("state"), "unrepairable");
    }
    let counters = sim.counters();
    assert_eq!(
        counters.upgrades, 1,
        "the connection held: {:?}",
        counters.rule_violations
    );
    assert!(printed.iter().all(|record| !record.is("status")));
}

#[tokio::test]
async fn a_reader_that_comes_back_in_time_misses_nothing() {
    let sim = Sim::start(SimConfig {
        rate: 1_000.0,
        ..SimConfig::new(Venue::Coinbase)
    });
    let sim = sim.await.unwrap();
    let world = World::with(Venue::Coinbase, &sim).env("TICKWIRE_ENGINE__BUFFER_SIZE", "1000");
    let mut running = world.spawn("monitor BTC ETH --stream trades");
    for _ in 0..100 {
        running.record().await;
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    for _ in 0..8_000 {
        running.record().await;
    }
    running.signal("INT").await;
    let printed = running.end().await.exits(0).records();
    for symbol in ["BTC/USD", "ETH/USD"] {
        assert_eq!(check(symbol, &printed, &sim), []);
    }
    assert!(printed.iter().all(|record| record.is("trade")));
}

#[tokio::test]
async fn pings_are_answered_also_when_every_frame_comes_alone() {
    let sim = start(Venue::Kraken).await;
    sim.faults().require_pong = true;
    let market = tokio::spawn({
        let sim = sim.clone();
        async move {
            let mut every = tokio::time::interval(Duration::from_millis(1));
            loop {
                every.tick().await;
                sim.trade("BTC/USD", 1);
            }
        }
    });
    let world =
        World::with(Venue::Kraken, &sim).env("TICKWIRE_PROVIDERS__KRAKEN__BUFFER_SIZE", "100");
    let mut running = world.spawn("monitor BTC --stream trades");
    running.record().await;
    tokio::time::sleep(STOPPED).await;
    let gap = running.until(|record| !record.is("trade")).await;
    market.abort();
    assert!(gap.is("gap"), "{gap:?}");
    assert_eq!(sim.counters().upgrades, 1, "{:?}", sim.counters());
    running.signal("INT").await;
    let printed = running.end().await.exits(0).records();
    assert_eq!(check("BTC/USD", &printed, &sim).len(), 1);
}
