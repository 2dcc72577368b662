//! `alert`: its exit codes, what it prints, and what it says on stderr.

use std::fs::{self, File, OpenOptions};
use std::time::Duration;

use tickwire::sim::Venue;

use crate::alert_support::{Market, check, memories};
use crate::support::{Running, World, eventually, start};

const HIGH: &str = "price > 68000";
const LOW: &str = "price < 68000";

#[tokio::test]
async fn answers_by_its_exit_code() {
    let market = Market::open(Venue::Kraken, "67000").await;
    // Arguments, exit code, and a part of stderr; nothing is there to be said with an empty one.
    let table: &[(&[&str], i32, &str)] = &[
        (&["BTC", LOW, "--once"], 0, ""),
        (&["BTC", HIGH, "--once"], 1, ""),
        (&["--symbol", "BTC", "--condition", LOW, "--once"], 0, ""),
        (&["BTC/USD.price > 1", "--once"], 0, ""),
        (&["kraken:BTC", LOW, "--once"], 0, ""),
        (&["BTC", "ETH", LOW, "--once"], 0, ""),
        (&["BTC", "ETH", HIGH, "--once"], 1, ""),
        (
            &["BTC", "price < 67_000.01 and not price < 67000", "--once"],
            0,
            "",
        ),
        (&["BTC", "price == 67000", "--once"], 0, ""),
        (&["BTC", "spread >= 0 and bid < ask", "--once"], 0, ""),
        (&["BTC", LOW, "--once", "--name", "a"], 0, ""),
        (&["BTC", LOW, "--once", "--name", "a"], 1, ""),
        (
            &["BTC", LOW, "--once", "--name", "b", "--dry-run"],
            0,
            "dry run",
        ),
        (&["BTC", LOW, "-n", "1"], 0, ""),
        (&["BTC", LOW, "--timeout", "500ms"], 0, ""),
        (&["BTC", HIGH, "--timeout", "500ms"], 1, ""),
        (&["BTC", HIGH, "--timeout", "500ms", "-n", "1"], 1, ""),
        (&["BTC", "price >", "--once"], 2, "^"),
        (&["BTC", "prise > 1", "--once"], 2, "price"),
        (&["BTC", "price", "--once"], 2, "yes/no"),
        (&["BTC", "price + 1", "--once"], 2, "yes/no"),
        (&["BTC", "rsi(14, 7m) < 30", "--once"], 2, "no interval"),
        (&[LOW, "--once"], 2, "no symbol"),
        (&["NOPE", LOW, "--once"], 2, "NOPE"),
        (
            &["BTC/USD.price > 1 and NOPE/USD.price > 1", "--once"],
            2,
            "NOPE/USD",
        ),
        (&["BTC", LOW, "--once", "-p", "nyse"], 2, "nyse"),
        (&["nyse:BTC", LOW, "--once"], 2, "nyse"),
        (&["BTC", LOW, "--once", "-n", "1"], 2, "--once"),
        (&["BTC", LOW, "-n", "0"], 2, "0"),
        (&["BTC", LOW, "--once", "--cooldown", "5m"], 2, "--name"),
        (&["BTC", LOW, "--once", "--since-last", "maybe"], 2, "maybe"),
        (
            &["BTC", LOW, "--once", "--webhook", "nowhere"],
            2,
            "actions",
        ),
        (
            &["BTC", LOW, "--once", "--webhook", "file:///etc/passwd"],
            2,
            "http",
        ),
        (
            &["BTC", LOW, "--once", "--name", "x", "--hysteresis", "a lot"],
            2,
            "hysteresis",
        ),
        (
            &["BTC", LOW, "--once", "--name", "x", "--max-fires", "many"],
            2,
            "max-fires",
        ),
        (
            &["BTC", LOW, "--once", "--name", "x", "--rearm", "price"],
            2,
            "rearm",
        ),
        (&["--once"], 2, "no condition"),
        (
            &["BTC", LOW, "--once", "--exec", "/no/such/program"],
            4,
            "/no/such/program",
        ),
        (&["BTC", LOW, "--once", "--exec", "false"], 4, "false"),
        (&["BTC", HIGH, "--once", "--exec", "false"], 1, ""),
        (&["BTC", LOW, "-n", "1", "--exec", "false"], 4, "false"),
        (&["--history", "nobody"], 1, "nobody"),
        (&["--reset", "nobody"], 1, "nobody"),
    ];
    for (arguments, code, says) in table {
        let done = market.world.alert(arguments).await;
        assert_eq!(done.status.code(), Some(*code), "{arguments:?}: {done:#?}");
        match says {
            &"" => assert_eq!(done.stderr, "", "{arguments:?}: {done:#?}"),
            says => assert!(done.stderr.contains(says), "{arguments:?}: {done:#?}"),
        }
        let told = !done.stdout.is_empty();
        let fired = *code == 0 || *code == 4;
        assert_eq!(told, fired, "{arguments:?}: {done:#?}");
        if *code > 1 {
            let error = done
                .stderr
                .lines()
                .any(|line| line.starts_with("tickwire: error: "));
            assert!(error, "{arguments:?}: {done:#?}");
        }
    }
    let done = market.world.alert(&["BTC", "ETH", LOW, "--once"]).await;
    assert_eq!(done.lines().len(), 2, "{done:#?}");
}

#[tokio::test]
async fn what_a_shell_did_to_the_condition_is_explained() {
    let market = Market::open(Venue::Kraken, "67000").await;
    // As `price > 50000` without quotes arrives.
    let done = market.world.alert(&["BTC", "price", "--once"]).await;
    done.exits(2).prints_nothing().says("hint:").says(">");
}

#[tokio::test]
async fn cannot_know_is_never_a_no() {
    let market = Market::open(Venue::Kraken, "67000").await;
    // One of its own: it is not asked again for minutes.
    let refusing = Market::open(Venue::Kraken, "67000").await;
    let quick = ["--once", "--timeout", "2s"];
    let arguments = [&["BTC", HIGH][..], &quick].concat();
    for (market, status) in [(&refusing, 451), (&market, 500)] {
        market.sim.faults().rest_status = Some((status, "{}".into()));
        let plain = market.world.alert(&arguments).await.exits(3);
        plain.prints_nothing().says("kraken:BTC/USD");
        let named = [&arguments[..], &["--name", "n"]].concat();
        market.world.alert(&named).await.exits(3).prints_nothing();
    }
    // Nothing was remembered of what was not known: it fires once it is.
    market.sim.faults().rest_status = None;
    market.print(&["69000"]);
    let named = [&arguments[..], &["--name", "n"]].concat();
    market.world.alert(&named).await.exits(0);
    market.sim.faults().rest_truncate = true;
    market
        .world
        .alert(&arguments)
        .await
        .exits(3)
        .prints_nothing();
    market.sim.faults().rest_truncate = false;
    market.sim.faults().rest_delay = Some(Duration::from_secs(60));
    market
        .world
        .alert(&arguments)
        .await
        .exits(3)
        .prints_nothing();
    market.sim.stop_listening().await;
    market
        .world
        .alert(&arguments)
        .await
        .exits(3)
        .prints_nothing();
    let offline = World::new().alert(&arguments).await.exits(3);
    offline.prints_nothing().says("hint:");
}

#[tokio::test]
async fn an_exchange_that_asks_for_a_pause_gives_no_answer() {
    for venue in crate::support::VENUES {
        let market = Market::open(venue, "67000").await;
        market.sim.faults().rest_status = Some((429, "{}".into()));
        // The later runs know of the pause from the first.
        for _ in 0..3 {
            let arguments = ["BTC", HIGH, "--once", "--timeout", "2s"];
            let done = market.world.alert(&arguments).await.exits(3);
            done.prints_nothing().says(&market.symbol);
        }
    }
}

#[tokio::test]
async fn the_kraken_error_in_a_good_reply_is_not_an_answer() {
    let market = Market::open(Venue::Kraken, "67000").await;
    market.sim.faults().kraken_http200_error = Some("EService:Unavailable".into());
    let done = market.check(HIGH, &["--timeout", "2s"]).await.exits(3);
    done.prints_nothing().says("EService:Unavailable");
}

#[tokio::test]
async fn a_watch_without_data_cannot_know() {
    let market = Market::open(Venue::Kraken, "67000").await;
    market.sim.faults().rest_delay = Some(Duration::from_secs(60));
    market.sim.faults().silence = true;
    let arguments = ["BTC", HIGH, "--timeout", "2s"];
    market
        .world
        .alert(&arguments)
        .await
        .exits(3)
        .prints_nothing();
    market.sim.stop_listening().await;
    market
        .world
        .alert(&arguments)
        .await
        .exits(3)
        .prints_nothing();
}

#[tokio::test]
async fn what_rest_does_not_give_comes_from_the_socket() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let rule = ["BTC", "change_percent_24h > -100", "--once"];
    market.world.alert(&rule).await.exits(0);
    market.sim.faults().silence = true;
    let late = [&rule[..], &["--timeout", "2s"]].concat();
    let done = market.world.alert(&late).await.exits(3).prints_nothing();
    done.says("change_percent_24h");
}

#[tokio::test]
async fn each_symbol_that_is_not_known_is_named() {
    let (one, other) = (start(Venue::Kraken).await, start(Venue::Binance).await);
    let world = World::with(Venue::Binance, &other).and(Venue::Kraken, &one);
    world.run("symbols -o plain").await.exits(0);
    world.run("symbols -o plain -p binance").await.exits(0);
    other.faults().rest_status = Some((500, "{}".into()));
    let run = async |condition: &str| {
        let symbols = ["BTC", "binance:BTC", "binance:ETH"];
        let flags = [condition, "--once", "--timeout", "3s"];
        world.alert(&[&symbols[..], &flags].concat()).await
    };
    for (condition, code) in [("price > 1", 0), ("price < 1", 3)] {
        let done = run(condition).await.exits(code);
        let done = done.says("binance:BTC/USDT").says("binance:ETH/USDT");
        assert!(!done.stderr.contains("kraken:BTC/USD"), "{done:#?}");
        assert_eq!(done.lines().len(), usize::from(code == 0), "{done:#?}");
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_written_is_found_before_anything_is_asked() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    fs::create_dir_all(world.path("state/tickwire")).unwrap();
    fs::write(memories(&world), "in the way").unwrap();
    let exec = ["--exec", "touch", "fired"];
    let done = world.alert(&check("price > 1", &exec)).await.exits(4);
    done.prints_nothing().says("state/tickwire/alerts");
    let watching = ["BTC", "price > 1", "--name", "rule", "-n", "1"];
    world.alert(&watching).await.exits(4).prints_nothing();
    let counters = sim.counters();
    assert!(
        counters.rest.is_empty() && counters.connections == 0,
        "{counters:?}"
    );
    // A rule without memory needs none.
    world.alert(&["BTC", "price > 1", "--once"]).await.exits(0);
}

#[tokio::test]
async fn without_a_place_for_the_memory_a_named_rule_cannot_be() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let run = async |arguments: &[&str]| {
        let mut command = market.world.command_of(arguments);
        command.env_remove("HOME").env_remove("XDG_STATE_HOME");
        crate::support::finish(command).await
    };
    let done = run(&["alert", "BTC", LOW, "--once", "--name", "a"])
        .await
        .exits(4);
    done.prints_nothing().says("hint:");
    run(&["alert", "BTC", LOW, "--once"]).await.exits(0);
}

#[tokio::test]
async fn a_rule_that_another_run_has_in_hand_is_not_known() {
    let market = Market::open(Venue::Kraken, "67000").await;
    market.check(HIGH, &[]).await.exits(1);
    let files = crate::support::files(&memories(&market.world));
    let lock = files
        .iter()
        .find(|path| path.extension().unwrap() == "lock");
    let held = OpenOptions::new().write(true).open(lock.unwrap()).unwrap();
    File::lock(&held).unwrap();
    market.print(&["69000"]);
    market
        .check(HIGH, &[])
        .await
        .exits(3)
        .prints_nothing()
        .says("rule");
    drop(held);
    market.check(HIGH, &[]).await.exits(0);
}

#[tokio::test]
async fn quiet_prints_no_firing_and_no_notice() {
    let market = Market::open(Venue::Kraken, "67000").await;
    for flags in [&["--once"][..], &["--once", "--name", "n"], &["-n", "1"]] {
        let done = market
            .world
            .alert(&[&["-q", "BTC", LOW], flags].concat())
            .await;
        let done = done.exits(0).prints_nothing();
        assert_eq!(done.stderr, "");
    }
}

#[tokio::test]
async fn each_form_of_output_has_its_line() {
    let market = Market::open(Venue::Kraken, "67000.50").await;
    let run = async |form: &str| {
        let flags = ["-o", form, "--message", "a, \"b\"\tc"];
        let rule = ["BTC", "price < 68000", "--once"];
        let done = market.world.alert(&[&rule[..], &flags].concat()).await;
        done.exits(0).stdout
    };
    let json = crate::support::Record::parse(run("json").await.trim_end());
    for (key, value) in [
        ("type", "alert"),
        ("exchange", "kraken"),
        ("symbol", "BTC/USD"),
        ("condition", "price < 68000"),
        ("message", "a, \"b\"\tc"),
    ] {
        assert_eq!(json.text(key), value);
    }
    let keys = [
        "type",
        "id",
        "name",
        "exchange",
        "symbol",
        "condition",
        "message",
        "price",
        "values",
        "timestamp",
        "evaluated_at",
    ];
    assert_eq!(json.keys(), keys);
    assert_eq!(json.raw("name"), "null");
    let csv = run("csv").await;
    let (header, row) = csv.trim_end().split_once('\n').unwrap();
    assert!(
        header.starts_with("timestamp,exchange,symbol,price"),
        "{csv}"
    );
    assert!(row.contains("\"a, \"\"b\"\"\tc\""), "{csv}");
    let plain = run("plain").await;
    let columns = plain.trim_end_matches('\n').split('\t').count();
    assert_eq!(columns, header.split(',').count(), "{plain:?}");
    let table = run("table").await;
    assert!(
        table.contains("kraken:BTC/USD") && table.lines().count() == 1,
        "{table}"
    );
}

#[tokio::test]
async fn a_check_that_a_signal_ends_was_cut_short() {
    let market = Market::open(Venue::Kraken, "67000").await;
    market.sim.faults().rest_delay = Some(Duration::from_secs(60));
    for (signal, code) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        for name in [&[][..], &["--name", "n"]] {
            let asked = market.sim.counters().connections;
            let arguments = [&["alert", "BTC", LOW, "--once"], name].concat();
            let mut command = market.world.command_of(&arguments);
            let running = Running::new(command.spawn().unwrap());
            eventually("it asks", || market.sim.counters().connections > asked).await;
            running.signal(signal).await;
            running.end().await.exits(code).prints_nothing();
        }
    }
}
