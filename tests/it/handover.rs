//! Connections that come to their end in good order: nobody notices, and nothing is lost.

use futures_util::future::join_all;
use tickwire::sim::{Cut, Sim, Venue};

use crate::ledger::{end, gaps, keeps_promise, states, trades};
use crate::support::{Record, Running, VENUES, World, name, quote, start_at_rate};

async fn streaming(venue: Venue) -> (Sim, Running, String) {
    let sim = start_at_rate(venue, 50.0).await;
    let world = World::with(venue, &sim);
    let symbol = format!("BTC/{}", quote(venue));
    let mut running = world.spawn("monitor BTC ETH --stream ticker,trades");
    trades(&mut running, &symbol, 10).await;
    (sim, running, symbol)
}

/// Neither of the two symbols has lost or doubled anything, and nothing was told of the change.
#[track_caller]
fn is_seamless(sim: &Sim, venue: Venue, printed: &[Record]) {
    for base in ["BTC", "ETH"] {
        let symbol = format!("{base}/{}", quote(venue));
        let verdict = keeps_promise(sim, name(venue), &symbol, printed);
        assert_eq!(verdict.gaps, 0, "{venue:?} {symbol}");
    }
    assert_eq!(states(printed), [], "{venue:?}");
    assert_eq!(sim.counters().rule_violations, [""; 0], "{venue:?}");
}

/// Reads on until the successor is there and the old line closed.
async fn succeeded(sim: &Sim, running: &mut Running, upgrades: u64) {
    let is_over = |_: &Record| {
        let counters = sim.counters();
        counters.upgrades == upgrades && counters.open_sockets == 1
    };
    running.until(is_over).await;
}

#[tokio::test]
async fn a_shutdown_that_is_announced_is_not_noticed() {
    let (sim, mut running, symbol) = streaming(Venue::Binance).await;
    sim.announce_shutdown();
    succeeded(&sim, &mut running, 2).await;
    trades(&mut running, &symbol, 20).await;
    is_seamless(&sim, Venue::Binance, &end(running).await);
    assert_eq!(sim.counters().upgrades, 2);
}

#[tokio::test]
async fn a_maintenance_that_is_announced_is_not_noticed() {
    let (sim, mut running, symbol) = streaming(Venue::Kraken).await;
    sim.set_system("maintenance");
    succeeded(&sim, &mut running, 2).await;
    sim.set_system("online");
    trades(&mut running, &symbol, 20).await;
    is_seamless(&sim, Venue::Kraken, &end(running).await);
    assert_eq!(sim.counters().upgrades, 2);
}

#[tokio::test]
async fn a_line_that_breaks_while_its_successor_opens_loses_nothing() {
    let (sim, mut running, symbol) = streaming(Venue::Binance).await;
    sim.announce_shutdown();
    running.until(|_| sim.counters().upgrades == 2).await;
    sim.cut_all(Cut::Reset);
    running.until(|_| sim.counters().upgrades == 3).await;
    trades(&mut running, &symbol, 50).await;
    let printed = end(running).await;
    for symbol in ["BTC/USDT", "ETH/USDT"] {
        let verdict = keeps_promise(&sim, "binance", symbol, &printed);
        assert_eq!(verdict.missing, 0, "{symbol}");
    }
}

#[tokio::test]
async fn a_close_in_good_order_is_mended_and_the_line_is_there_again_at_once() {
    let cases = VENUES
        .into_iter()
        .flat_map(|venue| [1001, 1012].map(|code| (venue, code)));
    join_all(cases.map(|(venue, code)| async move {
        let (sim, mut running, symbol) = streaming(venue).await;
        sim.cut_all(Cut::Close(code));
        running
            .until(|r| r.is("status") && r.text("state") == "connected")
            .await;
        trades(&mut running, &symbol, 20).await;
        let printed = end(running).await;
        for base in ["BTC", "ETH"] {
            let symbol = format!("{base}/{}", quote(venue));
            let verdict = keeps_promise(&sim, name(venue), &symbol, &printed);
            assert_eq!(verdict.missing, 0, "{venue:?} {code}");
            let gaps = gaps(&printed, &symbol);
            let reasons: Vec<_> = gaps.iter().map(|gap| gap.text("reason")).collect();
            // None where the line was there again before the next trade.
            let expected = &["reconnect"][..reasons.len().min(1)];
            assert_eq!(reasons, expected, "{venue:?} {code}");
        }
        let told: Vec<_> = states(&printed)
            .into_iter()
            .map(|(_, state)| state)
            .collect();
        assert_eq!(told, ["reconnecting", "connected"], "{venue:?} {code}");
        assert_eq!(sim.counters().upgrades, 2, "{venue:?} {code}");
    }))
    .await;
}

#[tokio::test]
async fn lines_that_live_for_seconds_only_lose_nothing() {
    join_all(VENUES.map(|venue| async move {
        let (sim, mut running, symbol) = streaming(venue).await;
        sim.faults().lifetime = Some(2);
        running.until(|_| sim.counters().upgrades == 3).await;
        sim.faults().lifetime = None;
        trades(&mut running, &symbol, 50).await;
        let printed = end(running).await;
        for base in ["BTC", "ETH"] {
            let symbol = format!("{base}/{}", quote(venue));
            let verdict = keeps_promise(&sim, name(venue), &symbol, &printed);
            assert_eq!(verdict.missing, 0, "{venue:?} {symbol}");
        }
    }))
    .await;
}
