//! A WebSocket that cannot be had: REST takes its place, is told, and gives way again.

use futures_util::future::join_all;
use tickwire::sim::{Cut, Sim, Venue};

use crate::ledger::{end, keeps_promise, states, trades};
use crate::support::{Record, Running, VENUES, World, name, quote, start, start_at_rate};

/// REST and the socket are at two names; its list of symbols is known already.
async fn apart(venue: Venue, rate: f64) -> (Sim, World) {
    let sim = start_at_rate(venue, rate).await;
    let world = World::new()
        .with_hosts_apart(venue, &sim)
        .env("TICKWIRE_ENGINE__RECONNECT_MAX_DELAY", "500ms");
    world.run("symbols -o plain").await.exits(0);
    (sim, world)
}

/// Reads on until this state of the whole connection.
async fn state(running: &mut Running, state: &str) -> Record {
    let wanted =
        |r: &Record| r.is("status") && r.raw("symbol") == "null" && r.text("state") == state;
    running.until(wanted).await
}

#[tokio::test]
async fn a_socket_that_is_forbidden_is_replaced_by_rest_at_once() {
    let cases = VENUES
        .into_iter()
        .flat_map(|venue| [403, 451].map(|status| (venue, status)));
    join_all(cases.map(|(venue, status)| async move {
        let (sim, world) = apart(venue, 20.0).await;
        sim.faults().handshake_status = Some(status);
        let mut running = world.spawn("monitor BTC ETH --stream ticker,trades");
        let fallback = running.record().await;
        assert_eq!(
            fallback.text("state"),
            "fallback",
            "{venue:?}: {fallback:?}"
        );
        assert!(
            fallback.text("reason").contains(&format!("HTTP {status}")),
            "{fallback:?}"
        );
        for base in ["BTC", "ETH"] {
            let symbol = format!("{base}/{}", quote(venue));
            running
                .until(|r| r.is("ticker") && r.text("symbol") == symbol)
                .await;
            trades(&mut running, &symbol, 20).await;
        }
        let printed = end(running).await;
        for base in ["BTC", "ETH"] {
            let symbol = format!("{base}/{}", quote(venue));
            let verdict = keeps_promise(&sim, name(venue), &symbol, &printed);
            assert_eq!(verdict.missing, 0, "{venue:?} {symbol}");
        }
        assert_eq!(states(&printed).len(), 1, "{venue:?}");
        assert_eq!(sim.counters().upgrades, 0);
        assert_eq!(sim.counters().rule_violations, [""; 0]);
    }))
    .await;
}

#[tokio::test]
async fn no_trade_is_lost_or_doubled_on_the_way_to_rest_and_back() {
    join_all(VENUES.map(|venue| async move {
        let (sim, world) = apart(venue, 20.0).await;
        let symbol = format!("BTC/{}", quote(venue));
        let mut running = world.spawn("monitor BTC --stream ticker,trades");
        trades(&mut running, &symbol, 20).await;
        sim.faults().handshake_status = Some(503);
        sim.cut_all(Cut::Reset);
        let lost = state(&mut running, "reconnecting").await;
        assert_eq!(lost.number("attempt"), 1);
        state(&mut running, "fallback").await;
        // More than one answer's worth.
        trades(&mut running, &symbol, 100).await;
        running.until(|record| record.is("ticker")).await;
        sim.faults().handshake_status = None;
        state(&mut running, "connected").await;
        let streamed = |r: &Record| r.is("trade") && r.text("origin") == "stream";
        for _ in 0..20 {
            running.until(streamed).await;
        }
        let printed = end(running).await;
        let verdict = keeps_promise(&sim, name(venue), &symbol, &printed);
        assert_eq!(verdict.missing, 0, "{venue:?}");
        let states = states(&printed);
        let last: Vec<_> = states[states.len() - 2..]
            .iter()
            .map(|(_, state)| state)
            .collect();
        assert_eq!(last, ["fallback", "connected"], "{venue:?}: {states:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_port_that_refuses_is_replaced_by_rest_too() {
    let (sim, world) = apart(Venue::Kraken, 20.0).await;
    let world = world.env("TICKWIRE_PROVIDERS__KRAKEN__WS_URL", "ws://127.0.0.1:1/v2");
    let mut running = world.spawn("monitor BTC --stream trades");
    let fallback = state(&mut running, "fallback").await;
    assert!(
        fallback.text("reason").contains("connection refused"),
        "{fallback:?}"
    );
    trades(&mut running, "BTC/USD", 30).await;
    let printed = end(running).await;
    assert_eq!(
        keeps_promise(&sim, "kraken", "BTC/USD", &printed).missing,
        0
    );
}

#[tokio::test]
async fn it_has_failed_only_where_rest_does_not_work_either() {
    join_all([403, 451].map(|status| async move {
        let (sim, world) = apart(Venue::Kraken, 0.0).await;
        sim.faults().handshake_status = Some(status);
        sim.faults().rest_status = Some((500, "{}".into()));
        let done = world.run("monitor BTC").await.exits(3);
        let told: Vec<_> = states(&done.records())
            .into_iter()
            .map(|(_, s)| s)
            .collect();
        assert_eq!(told, ["failed"], "{done:#?}");
        done.says(&format!("HTTP {status}"));
    }))
    .await;
}

#[tokio::test]
async fn what_is_asked_for_ends_well_over_rest() {
    let sim = start(Venue::Binance).await;
    let world = World::new().with_hosts_apart(Venue::Binance, &sim);
    world.run("symbols -o plain").await.exits(0);
    sim.faults().handshake_status = Some(451);
    let done = world
        .run("monitor BTC ETH -1 --field symbol")
        .await
        .exits(0);
    assert_eq!(done.lines(), ["BTC/USDT", "ETH/USDT"]);
    let done = world
        .run("monitor BTC ETH -n 2 --timeout 20s --field symbol")
        .await
        .exits(0);
    assert_eq!(done.lines().len(), 2);
    done.says("fallback");
}

#[tokio::test]
async fn without_any_answer_a_deadline_is_kept_and_the_symbol_named() {
    let (sim, world) = apart(Venue::Kraken, 0.0).await;
    sim.faults().handshake_status = Some(503);
    sim.faults().rest_status = Some((500, "{}".into()));
    let (stream, once) = tokio::join!(
        world.run("monitor BTC --timeout 3s"),
        world.run("monitor BTC -1 --timeout 3s")
    );
    let stream = stream.exits(3);
    let told = states(&stream.records());
    assert!(
        told.iter().all(|(_, state)| state == "reconnecting"),
        "{told:?}"
    );
    stream.says("kraken:BTC/USD ticker: no data within 3s");
    once.exits(3).prints_nothing();
}
