//! SIGINT, SIGTERM, SIGHUP: a stream without an end stops cleanly, anything else was cut short.

use std::process::Stdio;
use std::time::Duration;

use tickwire::sim::Venue;

use crate::support::{Record, Running, World, eventually, start, start_at_rate};

const SIGNALS: [(&str, i32); 3] = [("HUP", 129), ("INT", 130), ("TERM", 143)];

#[tokio::test]
async fn a_stream_without_an_end_stops_cleanly() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for (signal, _) in SIGNALS {
        let mut running = world.spawn("monitor BTC");
        running.record().await;
        running.signal(signal).await;
        running.end().await.exits(0);
        eventually("the socket is closed", || sim.counters().open_sockets == 0).await;
    }
    assert!(sim.counters().rule_violations.is_empty());
}

#[tokio::test]
async fn what_has_an_end_was_cut_short() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for (signal, code) in SIGNALS {
        for end in ["-n 100", "-d 1h"] {
            let mut running = world.spawn(&format!("monitor BTC {end}"));
            running.record().await;
            running.signal(signal).await;
            let done = running.end().await.exits(code);
            assert!(!done.stderr.contains("error"), "{done:#?}");
        }
    }
}

#[tokio::test]
async fn a_single_answer_that_did_not_come_was_cut_short() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    world.run("symbols -o plain").await.exits(0);
    sim.faults().rest_delay = Some(Duration::from_secs(60));
    sim.faults().silence = true;
    for (n, (signal, code)) in SIGNALS.into_iter().enumerate() {
        let running = world.spawn("monitor BTC -1");
        eventually("it is connected", || sim.counters().upgrades > n as u64).await;
        running.signal(signal).await;
        running.end().await.exits(code).prints_nothing();
    }
}

#[tokio::test]
async fn a_signal_is_heard_while_the_list_of_symbols_is_awaited() {
    let sim = start(Venue::Kraken).await;
    sim.faults().rest_delay = Some(Duration::from_secs(60));
    let world = World::with(Venue::Kraken, &sim);
    let commands = [
        ("monitor BTC", 0),
        ("monitor BTC -1", 143),
        ("symbols", 143),
    ];
    for (asked, (command, code)) in (1..).zip(commands) {
        let running = world.spawn(command);
        eventually("it asks", || sim.counters().connections >= asked).await;
        running.signal("TERM").await;
        running.end().await.exits(code).prints_nothing();
    }
}

#[tokio::test]
async fn nothing_is_torn_and_nothing_lost_when_it_ends_under_load() {
    let sim = start_at_rate(Venue::Coinbase, 2_000.0).await;
    let world = World::with(Venue::Coinbase, &sim);
    for (signal, _) in SIGNALS {
        let mut running = world.spawn("monitor BTC ETH --stream trades");
        for _ in 0..1_000 {
            running.record().await;
        }
        running.signal(signal).await;
        let done = running.end().await.exits(0);
        assert!(done.stdout.ends_with("}\n"));
        for symbol in ["BTC/USD", "ETH/USD"] {
            let trades = done
                .records()
                .into_iter()
                .filter(|record| record.text("symbol") == symbol);
            let ids: Vec<_> = trades.map(|trade| trade.number("id")).collect();
            assert!(
                ids.windows(2).all(|pair| pair[1] == pair[0] + 1),
                "{symbol} {signal}"
            );
        }
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_keeps_no_one_from_ending() {
    let check = |arguments| async move {
        let world = World::new().env("TICKWIRE_PROVIDERS__MOCK__RATE", "max");
        let mut running = world.spawn(arguments);
        running.record().await;
        running.signal("TERM").await;
        // Nothing is read any more.
        eventually("it ends by itself", || !running.is_running()).await;
    };
    let arguments = [
        "monitor BTC -p mock",
        "monitor BTC --stream trades,ticker -p mock",
    ];
    futures_util::future::join_all(arguments.map(check)).await;
}

#[tokio::test]
async fn the_second_signal_ends_it_at_once() {
    let sim = start_at_rate(Venue::Coinbase, 2_000.0).await;
    let world = World::with(Venue::Coinbase, &sim);
    let mut running = world.spawn("monitor BTC --stream trades");
    let first = running.record().await.number("id");
    // Far more than the pipe takes.
    let told = || sim.ledger("BTC/USD").last().map_or(0, |trade| trade.id) - first;
    eventually("nobody reads", || told() > 4_000).await;
    running.signal("TERM").await;
    eventually("it was heard", || sim.counters().open_sockets == 0).await;
    assert!(running.is_running(), "what is left is waited for");
    running.signal("INT").await;
    eventually("it ends", || !running.is_running()).await;
    let done = running.end().await;
    assert_eq!(done.code(), 130);
    // It may stop in the middle of a line, not before.
    for line in done.stdout.lines().rev().skip(1) {
        Record::parse(line);
    }
}

#[tokio::test]
async fn under_nohup_the_terminal_may_go_away() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    let program = world.command("monitor BTC");
    let program = program.as_std();
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", r#"trap "" HUP; exec "$0" "$@""#]);
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::new(command.kill_on_drop(true).spawn().unwrap());
    running.record().await;
    running.signal("HUP").await;
    for _ in 0..20 {
        sim.trade("BTC/USD", 1);
        running.record().await;
    }
    running.signal("TERM").await;
    running.end().await.exits(0);
}
