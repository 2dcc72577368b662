//! A silent stream: quiet market or dead subscription, found for each by itself.

use std::time::Duration;

use futures_util::future::join_all;
use tickwire::sim::{Cut, Sim, Stream, Venue};

use crate::ledger::{end, gaps, keeps_promise, state, states, trades};
use crate::support::{
    Record, Running, VENUES, World, eventually, name, quote, start, start_at_rate,
};

/// Silence of a second is odd here.
fn watchful(venue: Venue, sim: &Sim) -> World {
    World::with(venue, sim).config("[engine]\nheartbeat_interval = \"1s\"\n")
}

fn symbols(venue: Venue) -> [String; 2] {
    ["BTC", "ETH"].map(|base| format!("{base}/{}", quote(venue)))
}

/// Nothing was told of this symbol but its trades.
#[track_caller]
fn is_undisturbed(sim: &Sim, venue: Venue, symbol: &str, printed: &[Record]) {
    let verdict = keeps_promise(sim, name(venue), symbol, printed);
    assert_eq!(verdict.gaps, 0, "{venue:?} {symbol}");
    let states = states(printed);
    let concerns = |of: &str| of == symbol || of == "*";
    assert!(
        states.iter().all(|(of, _)| !concerns(of)),
        "{venue:?} {states:?}"
    );
}

#[tokio::test]
async fn a_stream_that_falls_silent_beside_another_is_subscribed_anew_alone_and_mended() {
    join_all(VENUES.map(|venue| async move {
        let sim = start_at_rate(venue, 40.0).await;
        let world = watchful(venue, &sim);
        let [dead, alive] = symbols(venue);
        let mut running = world.spawn("monitor BTC ETH --stream trades");
        trades(&mut running, &dead, 10).await;
        let before = sim.counters();
        sim.faults().stall_symbols.insert(dead.clone());
        let stale = state(&mut running, &dead, "stale").await;
        assert!(stale.text("reason").starts_with("trades: "), "{stale:?}");
        state(&mut running, &dead, "connected").await;
        trades(&mut running, &dead, 10).await;
        let printed = end(running).await;
        let verdict = keeps_promise(&sim, name(venue), &dead, &printed);
        assert_eq!(verdict.missing, 0, "{venue:?}");
        assert!(verdict.recovered > 0, "{venue:?}");
        let gaps = gaps(&printed, &dead);
        assert!(
            gaps.iter()
                .all(|gap| gap.text("reason") == "stall" && gap.text("state") == "repaired"),
            "{venue:?} {gaps:?}"
        );
        is_undisturbed(&sim, venue, &alive, &printed);
        let after = sim.counters();
        assert_eq!(
            after.upgrades, before.upgrades,
            "{venue:?}: no new connection"
        );
        assert_eq!(after.subscribes, before.subscribes + 1, "{venue:?}");
        assert_eq!(after.rule_violations, [""; 0], "{venue:?}");
    }))
    .await;
}

#[tokio::test]
async fn trades_that_stay_away_while_tickers_flow_are_found() {
    let sim = start_at_rate(Venue::Binance, 40.0).await;
    let world = watchful(Venue::Binance, &sim);
    let [symbol, _] = symbols(Venue::Binance);
    let mut running = world.spawn("monitor BTC --stream ticker,trades");
    trades(&mut running, &symbol, 10).await;
    let key = (symbol.clone(), Stream::Trades);
    sim.faults().mute_streams.insert(key.clone());
    let stale = state(&mut running, &symbol, "stale").await;
    assert!(stale.text("reason").starts_with("trades: "), "{stale:?}");
    running.until(|r| r.is("ticker")).await;
    sim.faults().mute_streams.remove(&key);
    state(&mut running, &symbol, "connected").await;
    trades(&mut running, &symbol, 10).await;
    let printed = end(running).await;
    let verdict = keeps_promise(&sim, "binance", &symbol, &printed);
    assert_eq!(verdict.missing, 0);
    assert!(verdict.recovered > 0);
}

#[tokio::test]
async fn a_stream_that_stays_dead_gets_a_connection_of_its_own_and_its_trades_over_rest() {
    let sim = start_at_rate(Venue::Coinbase, 40.0).await;
    let world = watchful(Venue::Coinbase, &sim);
    let [dead, alive] = symbols(Venue::Coinbase);
    let mut running = world.spawn("monitor BTC ETH --stream trades");
    trades(&mut running, &dead, 10).await;
    sim.faults().mute_symbols.insert(dead.clone());
    state(&mut running, &dead, "stale").await;
    // It gets a line of its own; what is told is read meanwhile.
    running.until(|_| sim.counters().open_sockets == 2).await;
    sim.faults().mute_symbols.remove(&dead);
    state(&mut running, &dead, "connected").await;
    trades(&mut running, &dead, 10).await;
    let printed = end(running).await;
    let verdict = keeps_promise(&sim, "coinbase", &dead, &printed);
    assert_eq!(verdict.missing, 0);
    is_undisturbed(&sim, Venue::Coinbase, &alive, &printed);
}

/// REST requests of any kind so far.
fn asked(sim: &Sim) -> u64 {
    sim.counters().rest.values().sum()
}

/// Reads until so many more questions were asked over REST, and what was told by then.
async fn while_asked(sim: &Sim, running: Running, more: u64) -> Vec<Record> {
    let before = asked(sim);
    eventually("it is asked again", || asked(sim) >= before + more).await;
    end(running).await
}

#[tokio::test]
async fn a_quiet_market_is_told_once_and_left_alone() {
    join_all([Venue::Kraken, Venue::Binance].map(|venue| async move {
        let sim = start(venue).await;
        let world = watchful(venue, &sim);
        let [symbol, _] = symbols(venue);
        let mut running = world.spawn("monitor BTC --stream trades");
        eventually("it subscribes", || sim.counters().subscribes > 0).await;
        sim.trade(&symbol, 1);
        trades(&mut running, &symbol, 1).await;
        let subscribes = sim.counters().subscribes;
        state(&mut running, &symbol, "quiet").await;
        let printed = while_asked(&sim, running, 2).await;
        assert_eq!(
            states(&printed),
            [(symbol, "quiet".to_owned())],
            "{venue:?}"
        );
        let counters = sim.counters();
        assert_eq!(
            (counters.upgrades, counters.subscribes),
            (1, subscribes),
            "{venue:?}"
        );
    }))
    .await;
}

#[tokio::test]
async fn a_market_that_trades_again_after_a_quiet_time_is_connected_without_a_gap() {
    let sim = start(Venue::Kraken).await;
    let world = watchful(Venue::Kraken, &sim);
    let mut running = world.spawn("monitor BTC --stream trades");
    for n in 0..2 {
        eventually("it subscribes", || sim.counters().subscribes > 0).await;
        sim.trade("BTC/USD", 3);
        trades(&mut running, "BTC/USD", 3).await;
        if n == 0 {
            state(&mut running, "BTC/USD", "quiet").await;
        }
    }
    state(&mut running, "BTC/USD", "connected").await;
    let printed = end(running).await;
    let verdict = keeps_promise(&sim, "kraken", "BTC/USD", &printed);
    assert_eq!((verdict.trades, verdict.gaps), (6, 0));
}

#[tokio::test]
async fn an_exchange_that_says_by_itself_that_nothing_is_newer_is_not_asked() {
    let sim = start(Venue::Coinbase).await;
    let world = watchful(Venue::Coinbase, &sim);
    let mut running = world.spawn("monitor BTC --stream trades");
    eventually("it subscribes", || sim.counters().subscribes > 0).await;
    sim.trade("BTC/USD", 1);
    trades(&mut running, "BTC/USD", 1).await;
    let before = asked(&sim);
    // Several times the silence that is odd.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let printed = end(running).await;
    assert_eq!(asked(&sim), before);
    assert_eq!(states(&printed), []);
}

#[tokio::test]
async fn a_half_open_line_is_found_and_what_was_traded_meanwhile_is_mended() {
    join_all(VENUES.map(|venue| async move {
        let sim = start_at_rate(venue, 40.0).await;
        let world = watchful(venue, &sim);
        let [symbol, _] = symbols(venue);
        let mut running = world.spawn("monitor BTC --stream trades");
        trades(&mut running, &symbol, 10).await;
        sim.cut_all(Cut::Vanish);
        let wanted = |record: &Record| record.is("status") && record.raw("symbol") == "null";
        let stale = running.until(wanted).await;
        assert_eq!(stale.text("state"), "stale", "{venue:?}");
        assert_eq!(stale.text("reason"), "a ping was not answered", "{venue:?}");
        running.until(|record| record.is("gap")).await;
        trades(&mut running, &symbol, 10).await;
        let printed = end(running).await;
        let verdict = keeps_promise(&sim, name(venue), &symbol, &printed);
        assert_eq!(verdict.missing, 0, "{venue:?}");
        assert!(verdict.recovered > 0, "{venue:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_clock_that_stands_still_is_found_though_frames_come() {
    join_all(VENUES.map(|venue| async move {
        let sim = start_at_rate(venue, 40.0).await;
        let world = watchful(venue, &sim);
        let [symbol, _] = symbols(venue);
        let mut running = world.spawn("monitor BTC --stream trades");
        trades(&mut running, &symbol, 10).await;
        sim.faults().freeze_clock = true;
        let stale = state(&mut running, &symbol, "stale").await;
        assert!(
            stale.text("reason").contains("clock stands still"),
            "{stale:?}"
        );
        sim.faults().freeze_clock = false;
        state(&mut running, &symbol, "connected").await;
        trades(&mut running, &symbol, 10).await;
        let printed = end(running).await;
        let verdict = keeps_promise(&sim, name(venue), &symbol, &printed);
        assert_eq!(verdict.missing, 0, "{venue:?}");
    }))
    .await;
}

#[tokio::test]
async fn where_all_is_silent_and_pings_are_answered_every_stream_is_found() {
    join_all(VENUES.map(|venue| async move {
        let sim = start_at_rate(venue, 40.0).await;
        let world = watchful(venue, &sim);
        let symbols = symbols(venue);
        let mut running = world.spawn("monitor BTC ETH --stream trades");
        for symbol in &symbols {
            trades(&mut running, symbol, 5).await;
        }
        sim.faults().stall_symbols.extend(symbols.clone());
        let (mut stale, mut back) = (Vec::new(), Vec::new());
        while stale.len() < 2 || back.len() < 2 {
            let status = running.until(|record| record.is("status")).await;
            match status.text("state").as_str() {
                "stale" => stale.push(status.text("symbol")),
                "connected" => back.push(status.text("symbol")),
                other => panic!("{venue:?}: {other}"),
            }
        }
        for symbol in &symbols {
            trades(&mut running, symbol, 5).await;
        }
        let printed = end(running).await;
        for symbol in &symbols {
            assert!(
                stale.contains(symbol) && back.contains(symbol),
                "{venue:?} {stale:?} {back:?}"
            );
            let verdict = keeps_promise(&sim, name(venue), symbol, &printed);
            assert_eq!(verdict.missing, 0, "{venue:?}");
        }
        assert_eq!(sim.counters().rule_violations, [""; 0], "{venue:?}");
    }))
    .await;
}
