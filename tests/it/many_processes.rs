//! Many runs at one moment, as cron makes them: to the exchange they are like one program.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tickwire::sim::Venue;

use crate::support::{World, same_number, start};

#[tokio::test]
async fn runs_at_the_same_moment_share_requests_and_keep_one_budget() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    let started = Instant::now();
    world.run("symbols -o plain").await.exits(0);
    // REST alone, so that nothing else can answer
    sim.faults().handshake_status = Some(503);
    let bases = ["BTC", "ETH", "SOL", "DOGE", "ADA"];
    let runs = (0..15).map(|n| {
        let base = bases[n % bases.len()];
        let arguments = format!("monitor {base} -1 --field price --timeout 25s");
        let world = &world;
        async move { (base, world.run(&arguments).await.exits(0)) }
    });
    for (base, done) in join_all(runs).await {
        let newest = sim.ledger(&format!("{base}/USD")).pop().unwrap();
        assert!(
            same_number(done.stdout.trim_end(), &newest.price),
            "{done:#?}"
        );
    }
    let counters = sim.counters();
    assert_eq!(counters.rule_violations, [""; 0]);
    // three at once and one a second, the list of symbols among them
    let asked: u64 = counters.rest.values().sum();
    let seconds = started.elapsed().as_secs();
    assert!(asked <= 4 + seconds, "{asked} in {seconds} s");
}

#[tokio::test]
async fn a_run_obeys_a_pause_that_an_earlier_one_was_told_of() {
    let sim = start(Venue::Binance).await;
    let world = World::with(Venue::Binance, &sim);
    world.run("symbols -o plain").await.exits(0);
    sim.faults().handshake_status = Some(503);
    sim.faults().rest_status = Some((429, "{}".into()));
    sim.faults().retry_after = Some(600);
    let before: u64 = sim.counters().rest.values().sum();
    for _ in 0..3 {
        let done = world.run("monitor BTC -1 --timeout 1s").await;
        done.exits(3).prints_nothing();
    }
    assert_eq!(sim.counters().rest.values().sum::<u64>() - before, 1);
}

#[tokio::test]
async fn a_run_that_is_killed_keeps_nobody_waiting() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    world.run("symbols -o plain").await.exits(0);
    sim.faults().handshake_status = Some(503);
    sim.faults().rest_delay = Some(Duration::from_secs(120));
    let mut stuck = world.command("monitor BTC -1").spawn().unwrap();
    let asked = async {
        while !sim.counters().rest.contains_key("/0/public/Ticker") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::support::WAIT, asked)
        .await
        .unwrap();
    stuck.kill().await.unwrap();
    sim.faults().rest_delay = None;
    let done = world.run("monitor BTC -1 --field price").await.exits(0);
    assert_eq!(done.lines().len(), 1);
}
