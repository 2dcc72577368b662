//! The invented market: the same bytes again, no loss, and never taken for a market.

use std::time::Duration;

use crate::support::{Running, WAIT, World};

const NOTICE: &str = "mock data, not a market";
const CONFIG: &str =
    "[providers.mock]\nstart = \"2026-01-01T00:00:00Z\"\nseed = 7\nrate = \"max\"\n";

#[tokio::test]
async fn equal_seed_and_start_give_equal_bytes() {
    for (n, form) in [(3_000, "json"), (500, "plain"), (500, "csv")] {
        let world = World::new().config(CONFIG);
        let arguments = format!("monitor BTC ETH -p mock -o {form} -n {n} --stream trades");
        let first = world.run(&arguments).await.exits(0);
        // Another home, another moment.
        let second = World::new().config(CONFIG).run(&arguments).await.exits(0);
        assert_eq!(first.stdout, second.stdout);
        assert_eq!(first.lines().len(), n + usize::from(form == "csv"));
        let seeded = world.run(&format!("{arguments} --seed 8")).await.exits(0);
        assert_ne!(first.stdout, seeded.stdout);
    }
}

#[tokio::test]
async fn a_slow_reader_gets_the_same_bytes() {
    let arguments = "monitor BTC --stream ticker,trades -p mock -n 4000";
    let world = World::new().config(CONFIG);
    let fast = world.run(arguments).await.exits(0);
    let mut slow = world.spawn(arguments);
    for n in 0..4_000 {
        if n % 500 == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        slow.next_line().await.unwrap();
    }
    assert_eq!(slow.end().await.exits(0).stdout, fast.stdout);
}

#[tokio::test]
async fn times_come_from_its_own_clock_where_start_is_set() {
    let world = World::new().config(&CONFIG.replace("\"max\"", "4.0"));
    let done = world
        .run("monitor BTC -p mock -n 3 --field timestamp,received_at")
        .await
        .exits(0);
    let lines: Vec<_> = done.lines().into_iter().map(str::to_owned).collect();
    let at = |seconds| format!("2026-01-01T00:00:0{seconds}Z\t2026-01-01T00:00:0{seconds}Z");
    assert_eq!(lines, ["0.000000", "0.250000", "0.500000"].map(at));
}

#[tokio::test]
async fn ages_are_not_measured_against_its_own_clock() {
    for start in ["2026-01-01", "2126-01-01"] {
        let world = World::new().config(&CONFIG.replace("2026-01-01", start));
        let arguments = "monitor BTC ETH -p mock -n 200 --field price,age";
        let (first, second) = (world.run(arguments).await, world.run(arguments).await);
        assert_eq!(first.exits(0).stdout, second.stdout);
        assert!(second.lines().iter().all(|line| line.ends_with("\t0.000")));
        let once = "monitor BTC -p mock -1 --max-age 10s --field age";
        assert_eq!(world.run(once).await.exits(0).stdout, "0.000\n");
        let table = world.run("monitor BTC -p mock -1 -o table").await.exits(0);
        assert!(table.stdout.contains("0.0s"), "{table:#?}");
    }
}

#[tokio::test]
async fn a_reader_that_stops_loses_nothing() {
    let world = World::new().config(CONFIG);
    // The last one is short: all of it waits in the pipe and in the program when its work is done.
    let world = &world;
    let run = |n| async move {
        let mut running = world.spawn(&format!("monitor BTC --stream trades -p mock -n {n}"));
        let first = running.record().await.number("id");
        tokio::time::sleep(Duration::from_secs(6)).await;
        let done = running.end().await.exits(0);
        let ids = done.records().into_iter().map(|record| record.number("id"));
        assert_eq!(
            ids.collect::<Vec<_>>(),
            (first..first + n).collect::<Vec<_>>()
        );
    };
    futures_util::future::join_all([40_000, 1_500].map(run)).await;
}

#[tokio::test]
async fn it_says_once_that_it_is_no_market() {
    let world = World::new();
    for arguments in [
        "monitor BTC ETH SOL -1",
        "monitor BTC ETH -n 5",
        "monitor BTC -n 2 -q",
    ] {
        let done = world.run(&format!("{arguments} -p mock")).await.exits(0);
        assert_eq!(done.stderr.matches(NOTICE).count(), 1, "{done:#?}");
    }
    // Named by a symbol, by the configuration, by a variable.
    let done = world.run("monitor mock:BTC -1").await.exits(0);
    assert!(done.stderr.contains(NOTICE));
    let world = World::new().env("TICKWIRE_PROVIDER", "mock");
    let done = world.run("monitor BTC -1").await.exits(0);
    assert!(done.stderr.contains(NOTICE));
}

#[tokio::test]
async fn it_is_never_used_unless_it_is_named() {
    // Kraken by default, which cannot be reached here.
    let world = World::new().without("TICKWIRE_PROVIDER");
    let done = world
        .run("monitor BTC -1 --timeout 1s")
        .await
        .exits(3)
        .prints_nothing();
    let done = done.says("kraken");
    assert!(!done.stderr.contains(NOTICE), "{done:#?}");
    let all = world.run("symbols --all-providers -o plain").await.exits(3);
    assert!(!all.stdout.contains("mock"));
}

#[tokio::test]
async fn its_ids_have_no_holes_from_the_first_on() {
    let world = World::new().config(CONFIG);
    let running: Running = world.spawn("monitor ETH BTC --stream trades -p mock -n 2000");
    let done = tokio::time::timeout(WAIT, running.end())
        .await
        .unwrap()
        .exits(0);
    for symbol in ["BTC/USD", "ETH/USD"] {
        let records = done.records();
        let ids: Vec<_> = records
            .iter()
            .filter(|record| record.text("symbol") == symbol)
            .map(|record| record.number("id"))
            .collect();
        assert_eq!(ids, (ids[0]..ids[0] + 1_000).collect::<Vec<_>>());
    }
}
