//! `alert` that watches.

use std::time::Duration;

use tickwire::sim::{Cut, Venue};

use crate::alert_support::{Market, price, prices};
use crate::support::{Running, VENUES, World, eventually, finish};

const HIGH: &str = "price > 68000";

async fn watch(market: &Market, flags: &[&str]) -> Running {
    market.watch(HIGH, flags).await
}

#[tokio::test]
async fn fires_on_each_crossing_of_the_stream() {
    for venue in VENUES {
        for name in [&[][..], &["--name", "rule"]] {
            let market = Market::open(venue, "67000").await;
            let mut running = watch(&market, name).await;
            for wanted in ["69000", "69001", "69002"] {
                market.print(&[wanted, "70000", "67000"]);
                assert_eq!(price(&running.record().await), wanted, "{venue:?} {name:?}");
            }
            assert!(running.is_running());
            running.signal("TERM").await;
            let done = running.end().await.exits(0);
            assert_eq!(done.lines().len(), 3);
        }
    }
}

#[tokio::test]
async fn what_is_so_from_the_start_fires_at_the_start() {
    for venue in VENUES {
        for name in [&[][..], &["--name", "rule"]] {
            let market = Market::open(venue, "69000").await;
            let flags = [name, &["-n", "1"]].concat();
            let arguments = [&["BTC", HIGH][..], &flags].concat();
            let done = market.world.alert(&arguments).await.exits(0);
            assert_eq!(prices(&done), ["69000"], "{venue:?} {name:?}");
        }
    }
}

#[tokio::test]
async fn ends_after_as_many_firings_as_asked_for() {
    for name in [&[][..], &["--name", "rule"]] {
        let market = Market::open(Venue::Kraken, "67000").await;
        let flags = [name, &["-n", "3"]].concat();
        let running = watch(&market, &flags).await;
        market.print(&["69000", "67000"].repeat(8));
        let done = running.end().await.exits(0);
        assert_eq!(done.lines().len(), 3, "{name:?}: {done:#?}");
    }
}

#[tokio::test]
async fn what_comes_after_the_last_firing_that_was_asked_for_is_left_to_the_next_run() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let running = watch(&market, &["--name", "rule", "-n", "3"]).await;
    market.print(&["69000", "67000"].repeat(8));
    let first = running.end().await.exits(0);
    let next = market.check(HIGH, &[]).await.exits(0);
    let told = first.lines().len() + next.lines().len();
    assert_eq!(told, 8, "{first:#?} {next:#?}");
    market.check(HIGH, &[]).await.exits(1);
}

#[tokio::test]
async fn an_end_that_was_asked_for_was_cut_short_by_a_signal() {
    for (signal, code) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        for end in [&["-n", "5"][..], &["--timeout", "1h"]] {
            let market = Market::open(Venue::Kraken, "67000").await;
            let running = watch(&market, end).await;
            running.signal(signal).await;
            let done = running.end().await.exits(code).prints_nothing();
            assert_eq!(done.stderr, "");
        }
    }
}

#[tokio::test]
async fn what_was_seen_is_remembered_on_the_way_out() {
    for venue in VENUES {
        let market = Market::open(venue, "67000").await;
        let mut running = watch(&market, &["--name", "rule"]).await;
        market.print(&["69000"]);
        running.record().await;
        running.signal("TERM").await;
        running.end().await.exits(0);
        // It is still so, and that was told.
        market.check(HIGH, &[]).await.exits(1).prints_nothing();
        // What happened while nobody watched is told by the next watch.
        market.print(&["67000", "68500", "67000"]);
        let arguments = ["BTC", HIGH, "--name", "rule", "-n", "1"];
        let done = market.world.alert(&arguments).await.exits(0);
        assert_eq!(prices(&done), ["68500"], "{venue:?}");
        market.check(HIGH, &[]).await.exits(1).prints_nothing();
    }
}

#[tokio::test]
async fn a_crossing_while_the_connection_was_down_is_told() {
    for venue in VENUES {
        for (how, name) in [
            (Cut::Close(1001), &[][..]),
            (Cut::Reset, &["--name", "rule"]),
        ] {
            let market = Market::open(venue, "67000").await;
            let mut running = watch(&market, name).await;
            market.print(&["68400", "67000"]);
            assert_eq!(price(&running.record().await), "68400");
            let before = market.sim.counters().subscribes;
            market.sim.cut_all(how);
            market.print(&["68500", "67000", "68600", "67000"]);
            let back = || market.sim.counters().subscribes > before;
            eventually("it is back", back).await;
            market.print(&["68700", "67000"]);
            for wanted in ["68500", "68600", "68700"] {
                let found = price(&running.record().await);
                assert_eq!(found, wanted, "{venue:?} {how:?} {name:?}");
            }
            running.signal("TERM").await;
            let done = running.end().await.exits(0);
            assert_eq!(done.lines().len(), 4, "{done:#?}");
        }
    }
}

#[tokio::test]
async fn trades_that_the_socket_left_out_are_judged_in_their_place() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let mut running = watch(&market, &[]).await;
    market.print(&["68400", "67000"]);
    running.record().await;
    market.sim.faults().drop_trades_every = 3;
    for n in 0..12 {
        market.print(&[&format!("{}", 68_500 + n), "67000"]);
    }
    market.sim.faults().drop_trades_every = 0;
    // The hole at the end is seen with what comes next.
    market.print(&["67000", "67000", "67000"]);
    for n in 0..12 {
        let wanted = format!("{}", 68_500 + n);
        assert_eq!(price(&running.record().await), wanted);
    }
    running.signal("TERM").await;
    assert_eq!(running.end().await.exits(0).lines().len(), 13);
}

#[tokio::test]
async fn time_that_is_up_says_whether_it_fired() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let running = watch(&market, &["--timeout", "1500ms"]).await;
    market.print(&["69000"]);
    assert_eq!(running.end().await.exits(0).lines().len(), 1);
    market.print(&["67000"]);
    let running = watch(&market, &["--timeout", "1s"]).await;
    market.print(&["67001"]);
    running.end().await.exits(1).prints_nothing();
}

#[tokio::test]
async fn a_condition_that_has_held_long_enough_fires_without_another_trade() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let running = watch(&market, &["--for", "1s", "-n", "1"]).await;
    market.print(&["69000", "67000", "69500"]);
    let done = running.end().await.exits(0);
    assert_eq!(prices(&done), ["69500"]);
}

#[tokio::test]
async fn a_second_signal_ends_an_action_that_hangs() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let started = market.world.path("started");
    let script = r#"echo $$ > "$0"; sleep 600"#;
    let flags = ["--exec", "sh", "-c", script, started.to_str().unwrap()];
    let running = watch(&market, &flags).await;
    market.print(&["69000"]);
    let pid = || std::fs::read_to_string(&started).unwrap_or_default();
    eventually("the program runs", || pid().ends_with('\n')).await;
    running.signal("TERM").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    running.signal("TERM").await;
    let done = running.end().await;
    assert_eq!(done.lines().len(), 1, "{done:#?}");
}

#[tokio::test]
async fn a_slow_action_does_not_hold_up_the_next_line() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let gate = market.world.path("gate");
    let script = r#"while ! [ -e "$0" ]; do sleep 0.05; done"#;
    for name in [&[][..], &["--name", "rule"]] {
        let _ = std::fs::remove_file(&gate);
        let exec = ["--exec", "sh", "-c", script, gate.to_str().unwrap()];
        let mut running = watch(&market, &[name, &["-n", "3"], &exec].concat()).await;
        for wanted in ["69000", "69001", "69002"] {
            market.print(&[wanted, "67000"]);
            assert_eq!(price(&running.record().await), wanted);
        }
        std::fs::write(&gate, "").unwrap();
        running.end().await.exits(0);
    }
}

#[tokio::test]
async fn a_mock_market_is_watched_too() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let mut command = market.world.command("alert -p mock -n 2 --seed 1");
    command.args(["BTC", "side == 'buy'"]);
    let done = finish(command).await;
    let done = done.exits(0).says("mock data, not a market");
    assert_eq!(done.lines().len(), 2);
}

#[tokio::test]
async fn a_signal_ends_a_watch_whose_lines_nobody_reads() {
    let market = "[providers.mock]\nrate = \"max\"\n";
    // A few lines fill the pipe.
    let message = "x".repeat(1_000);
    for name in [&[][..], &["--name", "rule"]] {
        for signal in ["TERM", "INT"] {
            let world = World::new().config(market);
            let rule = ["alert", "BTC", "side == 'buy'", "-p", "mock"];
            let flags = [&["--message", &message], name].concat();
            let mut command = world.command_of(&[&rule[..], &flags].concat());
            let mut child = command.spawn().unwrap();
            // Held open to the end.
            let unread = child.stdout.take().unwrap().into_owned_fd().unwrap();
            let waiting = || rustix::io::ioctl_fionread(&unread).unwrap();
            eventually("lines wait", || waiting() > 16 * 1024).await;
            let mut before = 0;
            // Until the pipe is full.
            while before < waiting() {
                before = waiting();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            let running = Running::new(child);
            running.signal(signal).await;
            let done = running.end().await;
            assert!(done.status.code().is_some(), "{name:?} {signal}: {done:#?}");
        }
    }
}

#[tokio::test]
async fn a_burst_of_crossings_is_told_to_the_last() {
    const CROSSINGS: usize = 300;
    for name in [&[][..], &["--name", "rule"]] {
        let market = Market::open(Venue::Kraken, "67000").await;
        let running = watch(&market, &[name, &["-n", "300"]].concat()).await;
        market.print(&["69000", "67000"].repeat(CROSSINGS));
        let done = running.end().await.exits(0);
        assert_eq!(done.lines().len(), CROSSINGS, "{name:?}");
        assert_eq!(done.stderr, "", "{name:?}");
    }
}

#[tokio::test]
async fn a_quiet_market_holds_a_condition_as_long_as_it_is_confirmed() {
    // The longer one is confirmed by answers alone: without them its value would be too old before it has held.
    for (condition, hold, max_age) in [
        ("change_percent_24h > -99", "3s", "4s"),
        ("change_percent_24h > -99", "12s", "10s"),
        ("bid > 1", "12s", "10s"),
    ] {
        let market = Market::open(Venue::Kraken, "67000").await;
        let flags = ["--for", hold, "--max-age", max_age, "--timeout", "25s"];
        let arguments = [&["BTC", condition, "-n", "1"], &flags[..]].concat();
        let done = market.world.alert(&arguments).await;
        assert_eq!(done.code(), 0, "{condition} for {hold}: {done:#?}");
        assert_eq!(done.lines().len(), 1, "{condition} for {hold}: {done:#?}");
    }
}

/// Cuts the connection, lets the market move, and waits until the watch is back.
async fn move_while_down(market: &Market, prices: &[&str]) {
    let before = market.sim.counters().subscribes;
    market.sim.faults().handshake_status = Some(503);
    market.sim.cut_all(Cut::Reset);
    market.print(prices);
    market.sim.faults().handshake_status = None;
    let back = || market.sim.counters().subscribes > before;
    eventually("it is back", back).await;
}

#[tokio::test]
async fn a_price_that_moved_while_the_connection_was_down_is_known_without_another_trade() {
    for venue in VENUES {
        for flags in [&[][..], &["--name", "rule"]] {
            let market = Market::open(venue, "67000").await;
            let mut running = watch(&market, flags).await;
            // Whether or not a live trade came before.
            if flags.is_empty() {
                market.print(&["67001"]);
            }
            move_while_down(&market, &["69000"]).await;
            let found = running.record().await;
            assert_eq!(price(&found), "69000", "{venue:?} {flags:?}");
            running.signal("TERM").await;
            running.end().await.exits(0);
        }
    }
}

#[tokio::test]
async fn a_spike_while_the_connection_was_down_is_told_though_no_live_trade_came_before_it() {
    for venue in VENUES {
        for flags in [&[][..], &["--name", "rule"]] {
            let market = Market::open(venue, "67000").await;
            let mut running = watch(&market, flags).await;
            move_while_down(&market, &["69000", "67000"]).await;
            market.print(&["67002"]);
            let found = running.record().await;
            assert_eq!(price(&found), "69000", "{venue:?} {flags:?}");
            running.signal("TERM").await;
            running.end().await.exits(0);
        }
    }
}

#[tokio::test]
async fn a_watch_whose_socket_never_came_up_does_not_say_no() {
    for venue in VENUES {
        let market = Market::open(venue, "67000").await;
        market.sim.faults().handshake_status = Some(503);
        let done = market.world.alert(&["BTC", HIGH, "--timeout", "2s"]).await;
        done.exits(3).prints_nothing();
    }
}
