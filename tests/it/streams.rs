//! `monitor` as a stream: what is counted, when it ends, what it says beside the data.

use std::time::Duration;

use futures_util::future::join_all;
use tickwire::sim::{Cut, Sim, SimConfig, Venue};
use tokio::task::JoinHandle;

use crate::support::{Record, VENUES, World, eventually, name, quote, start, start_at_rate};

fn kinds(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.text("type")).collect()
}

#[tokio::test]
async fn a_count_counts_events_of_all_symbols_and_streams() {
    for venue in VENUES {
        let sim = start_at_rate(venue, 50.0).await;
        let world = World::with(venue, &sim);
        let arguments = "monitor BTC ETH --stream ticker,trades -n 150";
        let done = world.run(arguments).await.exits(0);
        let records = done.records();
        assert_eq!(records.len(), 150, "{}", name(venue));
        for (kind, base) in [
            ("ticker", "BTC"),
            ("trade", "BTC"),
            ("ticker", "ETH"),
            ("trade", "ETH"),
        ] {
            let symbol = format!("{base}/{}", quote(venue));
            let there = |record: &Record| record.is(kind) && record.text("symbol") == symbol;
            assert!(records.iter().any(there), "no {kind} of {symbol}");
        }
    }
}

#[tokio::test]
async fn gaps_and_states_are_not_counted() {
    let sim = start(Venue::Binance).await;
    let world = World::with(Venue::Binance, &sim);
    sim.faults().drop_trades_every = 3;
    let running = world.spawn("monitor BTC --stream trades -n 30");
    let market = keep_trading(&sim, "BTC/USDT");
    let done = running.end().await.exits(0);
    market.abort();
    let kinds = kinds(&done.records());
    assert_eq!(kinds.iter().filter(|kind| *kind == "trade").count(), 30);
    // The third of three trades came over REST, with its gap.
    assert!(
        kinds.iter().filter(|kind| *kind == "gap").count() >= 9,
        "{kinds:?}"
    );
}

#[tokio::test]
async fn gaps_go_to_stderr_where_the_output_has_no_place_for_them() {
    for form in ["csv", "plain"] {
        let sim = start(Venue::Binance).await;
        let world = World::with(Venue::Binance, &sim);
        sim.faults().drop_trades_every = 5;
        let running = world.spawn(&format!("monitor BTC --stream trades -n 10 -q -o {form}"));
        let market = keep_trading(&sim, "BTC/USDT");
        let done = running.end().await.exits(0);
        market.abort();
        let header = usize::from(form == "csv");
        assert_eq!(done.lines().len(), 10 + header);
        assert!(!done.stdout.contains("gap"), "{done:#?}");
        // Also with --quiet: never silent.
        done.says("gap: binance:BTC/USDT trades ").says("1 missing");
    }
}

#[tokio::test]
async fn a_duration_ends_it() {
    let sim = start_at_rate(Venue::Coinbase, 50.0).await;
    let world = World::with(Venue::Coinbase, &sim);
    let done = world.run("monitor BTC -d 700ms").await.exits(0);
    assert!(!done.records().is_empty());
    // Quiet, but in order: nothing happened.
    let quiet = start(Venue::Binance).await;
    let world = World::with(Venue::Binance, &quiet);
    world
        .run("monitor BTC -d 500ms")
        .await
        .exits(0)
        .prints_nothing();
}

#[tokio::test]
async fn a_duration_without_a_connection_is_3() {
    let sim = start(Venue::Coinbase).await;
    let world = World::with(Venue::Coinbase, &sim);
    world.run("symbols -o plain").await.exits(0);
    sim.stop_listening().await;
    let done = world.run("monitor BTC -d 700ms").await.exits(3);
    done.says("tickwire: error: no data: ")
        .says("connection refused");
}

#[tokio::test]
async fn a_clean_connect_says_nothing() {
    for venue in VENUES {
        let sim = start_at_rate(venue, 20.0).await;
        let world = World::with(venue, &sim);
        let done = world
            .run("monitor BTC ETH --stream ticker,trades -n 30 -q")
            .await
            .exits(0);
        assert!(
            !kinds(&done.records()).contains(&"status".into()),
            "{done:#?}"
        );
        assert_eq!(done.stderr, "", "{}", name(venue));
        assert!(sim.counters().rule_violations.is_empty());
    }
}

#[tokio::test]
async fn a_summary_is_told_regularly_and_at_the_end() {
    let world = World::new().config("[providers.mock]\nrate = 100.0\nseed = 3\n");
    let arguments = "monitor BTC ETH -p mock -d 900ms --summary 200ms";
    let done = world.run(arguments).await.exits(0);
    let lines: Vec<_> = done
        .stderr
        .lines()
        .filter(|line| line.starts_with("BTC/USD: "))
        .collect();
    assert!(lines.len() >= 3, "{done:#?}");
    for part in ["events, last ", ", low ", ", high ", ", change ", "%)"] {
        assert!(
            lines.iter().all(|line| line.contains(part)),
            "{part}: {lines:?}"
        );
    }
    let tickers = done
        .records()
        .iter()
        .filter(|r| r.text("symbol") == "BTC/USD")
        .count();
    let last = format!("BTC/USD: {tickers} events, ");
    assert!(
        lines.last().unwrap().starts_with(&last),
        "{tickers}: {lines:?}"
    );
    let quiet = world.run(&format!("{arguments} -q")).await.exits(0);
    assert_eq!(quiet.stderr, "tickwire: mock data, not a market\n");
}

#[tokio::test]
async fn a_lost_connection_is_told_from_the_first_trouble_to_the_recovery() {
    const CUTS: [Cut; 3] = [Cut::Close(1001), Cut::Close(1012), Cut::Reset];
    let cases = VENUES
        .into_iter()
        .flat_map(|venue| CUTS.map(|cut| (venue, cut)));
    join_all(cases.map(|(venue, cut)| async move {
        let sim = start_at_rate(venue, 20.0).await;
        let world = World::with(venue, &sim);
        let mut running = world.spawn("monitor BTC ETH");
        running.until(|record| record.is("ticker")).await;
        sim.cut_all(cut);
        let lost = running.until(|record| record.is("status")).await;
        assert_eq!(lost.text("state"), "reconnecting", "{cut:?}");
        assert_eq!(lost.text("exchange"), name(venue));
        assert_eq!(lost.raw("symbol"), "null");
        assert_eq!(lost.number("attempt"), 1);
        if let Cut::Close(code) = cut {
            assert!(lost.text("reason").contains(&code.to_string()), "{lost:?}");
        }
        let back = running.until(|record| record.is("status")).await;
        assert_eq!(back.text("state"), "connected", "{cut:?}");
        assert_eq!(
            back.keys(),
            [
                "type",
                "exchange",
                "symbol",
                "state",
                "attempt",
                "reason",
                "timestamp"
            ]
        );
        running.until(|record| record.is("ticker")).await;
        running.signal("INT").await;
        running.end().await.exits(0);
    }))
    .await;
}

#[tokio::test]
async fn a_refused_symbol_is_named_and_the_others_run_on() {
    for venue in VENUES {
        let sim = start_at_rate(venue, 20.0).await;
        let world = World::with(venue, &sim);
        let refused = format!("ETH/{}", quote(venue));
        sim.faults().refuse_symbols.insert(refused.clone());
        let mut running = world.spawn("monitor BTC ETH SOL");
        let status = running.until(|record| record.is("status")).await;
        assert_eq!(status.text("state"), "failed", "{status:?}");
        assert_eq!(status.text("symbol"), refused, "{status:?}");
        for base in ["BTC", "SOL"] {
            let symbol = format!("{base}/{}", quote(venue));
            running
                .until(|r| r.is("ticker") && r.text("symbol") == symbol)
                .await;
        }
        running.signal("TERM").await;
        let done = running.end().await.exits(0);
        assert!(
            done.records()
                .iter()
                .all(|r| !r.is("ticker") || r.text("symbol") != refused)
        );
    }
}

#[tokio::test]
async fn when_every_symbol_is_refused_it_ends_with_3() {
    for venue in VENUES {
        let sim = start(venue).await;
        let world = World::with(venue, &sim);
        sim.faults()
            .refuse_symbols
            .insert(format!("BTC/{}", quote(venue)));
        let done = world
            .run("monitor BTC --stream ticker,trades")
            .await
            .exits(3);
        done.says("tickwire: error: ").says("refused");
    }
}

#[tokio::test]
async fn a_subscription_that_is_never_acknowledged_but_sends_is_fine() {
    let sim = Sim::start(SimConfig {
        rate: 20.0,
        ..SimConfig::new(Venue::Kraken)
    });
    let sim = sim.await.unwrap();
    sim.faults().drop_acks = true;
    let world = World::with(Venue::Kraken, &sim);
    let done = world.run("monitor BTC ETH -n 20").await.exits(0);
    assert!(!kinds(&done.records()).contains(&"status".into()));
}

#[tokio::test]
async fn several_providers_stream_at_once() {
    let mut world = World::new();
    let mut sims = Vec::new();
    for venue in VENUES {
        let sim = start_at_rate(venue, 20.0).await;
        world = world.and(venue, &sim);
        sims.push(sim);
    }
    let mut running = world.spawn("monitor kraken:BTC/USD binance:BTC coinbase:btc-usd mock:BTC");
    for provider in ["kraken", "binance", "coinbase", "mock"] {
        running
            .until(|record| record.is("ticker") && record.text("exchange") == provider)
            .await;
    }
    running.signal("INT").await;
    running.end().await.exits(0);
    for sim in sims {
        eventually("the socket is closed", || sim.counters().open_sockets == 0).await;
    }
}

#[tokio::test]
async fn connections_are_told_only_where_asked() {
    let sim = start_at_rate(Venue::Kraken, 20.0).await;
    let world = World::with(Venue::Kraken, &sim);
    let mut running = world.spawn("monitor BTC -v");
    running.record().await;
    sim.cut_all(Cut::Reset);
    running.until(|record| record.is("status")).await;
    running.signal("INT").await;
    running
        .end()
        .await
        .exits(0)
        .says("tickwire: info: reconnecting");
}

fn keep_trading(sim: &Sim, symbol: &'static str) -> JoinHandle<()> {
    let sim = sim.clone();
    tokio::spawn(async move {
        loop {
            sim.trade(symbol, 1);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
}

#[tokio::test]
async fn a_stream_goes_on_without_the_provider_whose_list_is_not_to_be_had() {
    let coinbase = start(Venue::Coinbase).await;
    let world = World::with(Venue::Coinbase, &coinbase);
    let arguments = "monitor kraken:BTC/USD mock:BTC -n 3 --field exchange";
    let done = world.run(arguments).await.exits(0);
    assert_eq!(done.lines(), ["mock"; 3]);
    let done = done.says("tickwire: no list of what kraken trades: ");
    done.says("; going on without BTC/USD\n");
    let nothing = "monitor kraken:BTC/USD binance:BTC -n 3";
    let done = world.run(nothing).await.exits(3).prints_nothing();
    done.says("error: no list of what kraken trades: ")
        .says("error: no list of what binance trades: ");
}

#[tokio::test]
async fn what_an_exchange_says_cannot_forge_a_line_on_stderr() {
    let evil = "\u{1b}]0;x\u{7}\u{1b}[2J\ntickwire: error: forged\r\u{9b}A";
    let long = "x".repeat(5_000);
    let clean = |stderr: &str| {
        let lines: Vec<_> = stderr.lines().collect();
        assert!(!stderr.contains(|c: char| c.is_control() && c != '\n'));
        assert!(
            lines
                .iter()
                .all(|line| !line.starts_with("tickwire: error: forged"))
        );
        assert!(
            lines.iter().all(|line| line.chars().count() < 400),
            "{stderr}"
        );
        lines.len()
    };
    // A subscription that is refused, told as a state and as the end.
    let sim = start(Venue::Coinbase).await;
    let world = World::with(Venue::Coinbase, &sim);
    sim.faults().drop_acks = true;
    sim.faults().mute_symbols.insert("BTC/USD".into());
    let running = world.spawn("monitor BTC -o plain");
    eventually("it subscribes", || sim.counters().subscribes > 0).await;
    let reason = format!("BTC-USD is not a valid product {evil}{long}");
    let error = serde_json::json!({"type": "error", "message": "Failed", "reason": reason});
    sim.send_raw(&error.to_string());
    let done = running.end().await.exits(3);
    // The state, the summary, the error.
    assert_eq!(clean(&done.stderr), 3, "{done:#?}");
    done.says("is not a valid product");
    // A list that is refused.
    let sim = start(Venue::Kraken).await;
    sim.faults().kraken_http200_error = Some(format!("EGeneral:{evil}{long}"));
    let world = World::with(Venue::Kraken, &sim);
    let done = world.run("monitor BTC -o plain").await.exits(3);
    assert_eq!(clean(&done.stderr), 1, "{done:#?}");
    done.says("EGeneral:");
}
