//! `tickwire test`: feeds that are known to be good or bad get the grades they deserve.

use serde_json::Value;
use tickwire::sim::{Sim, SimConfig, Venue};

use crate::support::{Done, VENUES, World, name, quote, start, start_at_rate};

/// Trades a second of each pair: enough to see in two seconds what is wrong.
const RATE: f64 = 50.0;

/// The one JSON object of a run.
struct Graded(Value);

impl Graded {
    #[track_caller]
    fn new(done: &Done) -> Self {
        let mut lines = done.stdout.lines();
        let line = lines
            .next()
            .unwrap_or_else(|| panic!("nothing on stdout: {done:?}"));
        assert_eq!(lines.next(), None, "one object: {done:?}");
        Self(serde_json::from_str(line).unwrap())
    }

    fn overall(&self) -> &str {
        self.0["grade"].as_str().unwrap()
    }

    fn checks(&self) -> &Vec<Value> {
        self.0["checks"].as_array().unwrap()
    }

    /// The first check of this name.
    #[track_caller]
    fn check(&self, name: &str) -> &Value {
        let found = self.checks().iter().find(|check| check["check"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    #[track_caller]
    fn grade(&self, name: &str) -> &str {
        let grade = &self.check(name)["grade"];
        grade
            .as_str()
            .unwrap_or_else(|| panic!("{name} does not count: {}", self.0))
    }

    #[track_caller]
    fn number(&self, name: &str) -> f64 {
        let value = &self.check(name)["value"];
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{name} is no number: {}", self.0))
    }
}

/// Two seconds with BTC at this exchange.
async fn graded(venue: Venue, sim: &Sim, more: &str) -> (Done, Graded) {
    let world = World::with(venue, sim);
    let done = world.run(&format!("test -d 2s {more}")).await;
    let graded = Graded::new(&done);
    (done, graded)
}

/// What counts, whatever the load of this machine.
const COUNTED: [&str; 9] = [
    "behind",
    "told_in_order",
    "reordered",
    "duplicates",
    "id_density",
    "gaps",
    "repaired",
    "bad_frames",
    "interruptions",
];

#[tokio::test]
async fn a_clean_feed_is_an_a_or_b_and_the_rules_of_the_exchange_are_kept() {
    for venue in VENUES {
        let sim = start_at_rate(venue, RATE).await;
        let (done, graded) = graded(venue, &sim, "BTC ETH").await;
        done.exits(0);
        for name in COUNTED {
            assert_eq!(graded.grade(name), "A", "{name}: {}", graded.0);
        }
        assert!(["A", "B"].contains(&graded.overall()), "{}", graded.0);
        assert_eq!(graded.0["exchange"], name(venue));
        let symbols = [
            format!("BTC/{}", quote(venue)),
            format!("ETH/{}", quote(venue)),
        ];
        assert_eq!(graded.0["symbols"], serde_json::json!(symbols));
        let unknown = graded.check("unknown_symbol")["value"].as_str().unwrap();
        let expected = if venue == Venue::Binance {
            "silent"
        } else {
            "refused"
        };
        assert_eq!(unknown, expected, "{venue:?}");
        assert_eq!(
            sim.counters().rule_violations,
            Vec::<String>::new(),
            "{venue:?}"
        );
    }
}

#[tokio::test]
async fn missing_trades_that_rest_has_forgotten_are_an_f() {
    let sim = start_at_rate(Venue::Binance, RATE).await;
    sim.faults().drop_trades_every = 5;
    sim.faults().rest_trades_reach = Some(1);
    let (done, graded) = graded(Venue::Binance, &sim, "").await;
    done.exits(1);
    assert_eq!(graded.overall(), "F");
    assert_eq!(graded.grade("gaps"), "F");
    assert_eq!(graded.grade("id_density"), "F");
    let density = graded.number("id_density");
    assert!((70.0..90.0).contains(&density), "{density}");
}

#[tokio::test]
async fn missing_trades_are_no_good_feed_even_where_rest_repairs_them() {
    let sim = start_at_rate(Venue::Binance, RATE).await;
    sim.faults().drop_trades_every = 5;
    let (_, graded) = graded(Venue::Binance, &sim, "--min-grade F").await;
    assert!(["D", "F"].contains(&graded.overall()), "{}", graded.0);
    assert_eq!(graded.grade("told_in_order"), "A");
}

#[tokio::test]
async fn duplicates_reordering_and_garbage_pass_as_a_d_but_not_as_an_a() {
    let sim = start_at_rate(Venue::Binance, RATE).await;
    sim.faults().duplicate_every = 10;
    let (done, dull) = graded(Venue::Binance, &sim, "").await;
    done.exits(0);
    assert_eq!((dull.grade("duplicates"), dull.overall()), ("D", "D"));
    assert_eq!(dull.grade("told_in_order"), "A", "the engine drops them");

    sim.faults().duplicate_every = 0;
    sim.faults().swap_every = 10;
    let (done, swapped) = graded(Venue::Binance, &sim, "--min-grade a").await;
    done.exits(1);
    assert_eq!((swapped.grade("reordered"), swapped.overall()), ("D", "D"));
    assert_eq!(
        swapped.grade("told_in_order"),
        "A",
        "the engine puts them right"
    );
    assert_eq!(swapped.0["passed"], false);

    sim.faults().swap_every = 0;
    sim.faults().garbage_every = 10;
    let (done, garbled) = graded(Venue::Binance, &sim, "--min-grade B").await;
    done.exits(1);
    assert_eq!((garbled.grade("bad_frames"), garbled.overall()), ("D", "D"));
}

#[tokio::test]
async fn a_symbol_that_is_muted_beside_another_is_an_f() {
    let sim = start_at_rate(Venue::Coinbase, RATE).await;
    sim.faults().mute_symbols.insert("BTC/USD".into());
    let (done, graded) = graded(Venue::Coinbase, &sim, "BTC ETH").await;
    done.exits(1);
    let of = |symbol: &str| {
        let is = |check: &&Value| {
            check["check"] == "first_data"
                && check["symbol"] == symbol
                && check["stream"] == "ticker"
        };
        let found = graded.checks().iter().find(is);
        found.unwrap()["grade"].as_str().unwrap().to_string()
    };
    assert_eq!(of("BTC/USD"), "F");
    assert_ne!(of("ETH/USD"), "F");
    assert_eq!(graded.overall(), "F");
}

#[tokio::test]
async fn an_exchange_that_answers_but_never_tells_anything_is_an_f_and_not_unreachable() {
    let sim = start_at_rate(Venue::Kraken, RATE).await;
    sim.faults().mute_symbols.insert("BTC/USD".into());
    let (done, graded) = graded(Venue::Kraken, &sim, "--timeout 3s").await;
    done.exits(1);
    assert_eq!(graded.grade("first_data"), "F");
}

#[tokio::test]
async fn a_quiet_market_is_no_bad_feed() {
    let sim = start(Venue::Kraken).await;
    let (done, graded) = graded(Venue::Kraken, &sim, "").await;
    done.exits(0);
    assert_eq!(graded.check("latency_p50")["value"], Value::Null);
    assert_eq!(graded.grade("behind"), "A");
    assert!(["A", "B"].contains(&graded.overall()), "{}", graded.0);
}

#[tokio::test]
async fn a_rest_price_far_from_the_streams_is_an_f() {
    for venue in VENUES {
        let sim = start_at_rate(venue, RATE).await;
        sim.faults().rest_price_percent = 3;
        let (done, graded) = graded(venue, &sim, "").await;
        done.exits(1);
        assert_eq!((graded.grade("rest_price"), graded.overall()), ("F", "F"));
        let points = graded.number("rest_price");
        assert!((200.0..400.0).contains(&points), "{points}");
    }
}

#[tokio::test]
async fn a_clock_that_is_far_ahead_is_found_out_and_latencies_are_corrected_by_it() {
    for venue in VENUES {
        let sim = start_at_rate(venue, RATE).await;
        sim.faults().clock_skew_ms = 30_000;
        let world = World::with(venue, &sim);
        // Kraken tells whole seconds: it takes several readings.
        let done = world.run("test -d 10s --min-grade F").await.exits(0);
        let graded = Graded::new(&done);
        let offset = graded.number("clock_offset");
        assert!(
            (29_500.0..30_500.0).contains(&offset),
            "{venue:?}: {offset}"
        );
        let latency = graded.number("latency_p50");
        assert!(
            (-1_000.0..5_000.0).contains(&latency),
            "{venue:?}: {latency}"
        );
        graded.grade("latency_p50");
    }
}

#[tokio::test]
async fn slow_acknowledgements_are_graded() {
    let sim = start(Venue::Binance).await;
    sim.faults().ack_delay = Some(std::time::Duration::from_millis(2_500));
    let world = World::with(Venue::Binance, &sim);
    let graded = Graded::new(&world.run("test -d 5s --min-grade F").await.exits(0));
    let millis = graded.number("acknowledgement");
    assert!(millis >= 2_000.0, "{millis}");
    assert!(["C", "D", "F"].contains(&graded.grade("acknowledgement")));
}

#[tokio::test]
async fn a_cut_line_comes_back_and_no_trade_is_missed() {
    for venue in VENUES {
        let sim = start_at_rate(venue, RATE).await;
        let upgrades = || sim.counters().upgrades;
        let (done, graded) = graded(venue, &sim, "--drop").await;
        done.exits(0);
        assert_eq!(graded.number("recovery_missed"), 0.0, "{}", graded.0);
        assert_ne!(graded.grade("recovery"), "F", "{}", graded.0);
        assert_eq!(
            graded.grade("interruptions"),
            "A",
            "the cut does not count as one"
        );
        assert!(
            upgrades() >= 3,
            "once to see, once to run, once after the cut"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_3_and_has_no_grade() {
    let unreachable = World::new()
        .run("test -d 1s")
        .await
        .exits(3)
        .prints_nothing();
    unreachable.says("hint: ");

    let cases: [(u16, &str); 2] = [(503, "HTTP 503"), (451, "HTTP 451")];
    for (status, why) in cases {
        let sim = start(Venue::Kraken).await;
        sim.faults().handshake_status = Some(status);
        let done = World::with(Venue::Kraken, &sim).run("test -d 1s").await;
        done.exits(3)
            .says("kraken cannot be graded")
            .says(why)
            .prints_nothing();
    }

    let sim = start(Venue::Kraken).await;
    sim.faults().accept_then_silence = true;
    let done = World::with(Venue::Kraken, &sim)
        .run("test -d 1s --timeout 2s")
        .await;
    done.exits(3)
        .says("no connection within 2s")
        .prints_nothing();

    let sim = start(Venue::Kraken).await;
    sim.faults().flap = true;
    let done = World::with(Venue::Kraken, &sim)
        .run("test -d 1s --timeout 2s")
        .await;
    done.exits(3)
        .says("kraken cannot be graded")
        .prints_nothing();
}

#[tokio::test]
async fn a_wrong_request_is_2() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for (arguments, why) in [
        ("test -p krakn", "no provider `krakn`"),
        ("test NOSUCH", "NOSUCH"),
        ("test -d 10ms", "too short"),
        ("test --min-grade E", "invalid value 'E'"),
        ("test BTC mock:ETH", "one provider is graded at a time"),
    ] {
        world
            .run(arguments)
            .await
            .exits(2)
            .says(why)
            .prints_nothing();
    }
}

#[tokio::test]
async fn the_mock_is_graded_without_any_network_and_says_what_it_is() {
    let done = World::new()
        .run("test BTC ETH -p mock -d 1s --drop")
        .await
        .exits(0);
    assert_eq!(done.stderr, "tickwire: mock data, not a market\n");
    let graded = Graded::new(&done);
    assert_eq!(graded.overall(), "A");
    assert_eq!(graded.check("tcp")["value"], Value::Null);
    assert_eq!(graded.check("recovery")["note"], "mock has no line to cut");
}

#[tokio::test]
async fn every_form_of_output_tells_the_same_checks() {
    let world = World::new();
    let json = Graded::new(&world.run("test -p mock -d 1s").await);
    let names: Vec<_> = json
        .checks()
        .iter()
        .map(|c| c["check"].as_str().unwrap())
        .collect();
    assert!(names.len() > 20, "{names:?}");

    let plain = world.run("test -p mock -d 1s -o plain").await.exits(0);
    let rows: Vec<Vec<_>> = plain
        .lines()
        .iter()
        .map(|l| l.split('\t').collect())
        .collect();
    assert!(rows.iter().all(|row| row.len() == 6), "{rows:?}");
    let (last, checks) = rows.split_last().unwrap();
    assert_eq!(*last, ["overall", "", "", "", "", "A"]);
    assert_eq!(checks.iter().map(|row| row[0]).collect::<Vec<_>>(), names);

    let csv = world.run("test -p mock -d 1s -o csv").await.exits(0);
    let header = "check,symbol,stream,value,unit,grade,rule,note";
    assert_eq!(csv.lines()[0], header);
    assert_eq!(csv.lines().len(), names.len() + 2);

    let table = world.run("test -p mock -d 1s -o table").await.exits(0);
    for name in &names {
        assert!(table.stdout.contains(name), "{name}: {}", table.stdout);
    }
    assert!(
        table.stdout.ends_with("\nmock BTC/USD: grade A, passed\n"),
        "{}",
        table.stdout
    );
    assert!(!table.stdout.contains('\x1b'), "no colours in a pipe");
    let colours = world
        .run("test -p mock -d 1s -o table --color always")
        .await;
    assert!(colours.stdout.contains("\x1b["), "{}", colours.stdout);
}

#[tokio::test]
async fn the_rules_are_explained_without_a_run() {
    // No exchange is there.
    let world = World::new();
    let done = world.run("test --explain -o json").await.exits(0);
    let explained: Value = serde_json::from_str(&done.stdout).unwrap();
    let rules = explained["rules"].as_array().unwrap();
    let text = world.run("test --explain -o table").await.exits(0).stdout;
    let run = Graded::new(&world.run("test -p mock -d 1s --drop").await);
    for check in run.checks() {
        let rule = rules.iter().find(|rule| rule["check"] == check["check"]);
        let rule = rule.unwrap_or_else(|| panic!("{check} has no rule"));
        assert_eq!(rule["rule"], check["rule"]);
        for key in ["check", "about", "rule"] {
            assert!(
                text.contains(rule[key].as_str().unwrap()),
                "{key} of {rule}"
            );
        }
    }
    assert!(text.starts_with("The grade of a feed is the worst of the checks that count.\n"));
}

#[tokio::test]
async fn a_signal_cuts_it_short_without_a_grade() {
    let sim = Sim::start(SimConfig::new(Venue::Kraken)).await.unwrap();
    let world = World::with(Venue::Kraken, &sim);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let upgrades = sim.counters().upgrades;
        let running = world.spawn("test -d 60s");
        crate::support::eventually("a connection", || sim.counters().upgrades > upgrades + 1).await;
        running.signal(signal).await;
        running.end().await.exits(code).prints_nothing();
    }
}
