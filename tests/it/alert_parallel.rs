//! Runs of one rule that overlap: each crossing is told once, and nobody is left without an answer.

use futures_util::future::join_all;
use tickwire::sim::{Listing, Venue};

use crate::alert_support::{APPEND_ID, Market, check, lines_of};
use crate::support::{Done, Running, VENUES, eventually, finish, name, start};

const HIGH: &str = "price > 68000";
const CHECKS: usize = 20;

/// So many checks of one rule at one moment.
async fn at_once(market: &Market, flags: &[&str]) -> Vec<Done> {
    let one = || {
        let arguments = [vec!["alert"], check(HIGH, flags)].concat();
        finish(market.world.command_of(&arguments))
    };
    join_all((0..CHECKS).map(|_| one())).await
}

/// The firings that these have told; all others said "no".
#[track_caller]
fn told(checks: &[Done], what: &str) -> usize {
    for done in checks {
        let wanted = if done.stdout.is_empty() { 1 } else { 0 };
        assert_eq!(done.status.code(), Some(wanted), "{what}: {done:#?}");
        assert_eq!(done.stderr, "", "{what}: {done:#?}");
    }
    checks.iter().map(|done| done.lines().len()).sum()
}

#[tokio::test]
async fn each_of_ten_crossings_is_told_once_by_twenty_checks() {
    for venue in VENUES {
        let market = Market::open_with_limits(venue, "67000").await;
        let file = market.world.path("notified");
        let path = file.to_str().unwrap().to_owned();
        let flags = ["--timeout", "20s", "--exec", "sh", "-c", APPEND_ID, &path];
        market.check(HIGH, &flags).await.exits(1);
        for crossing in 1..=10 {
            // Every other one is over again before anybody looks.
            match crossing % 2 {
                0 => market.print(&["67000", "69000", "67000"]),
                _ => market.print(&["67000", "69000"]),
            }
            let what = format!("{venue:?}, crossing {crossing}");
            assert_eq!(told(&at_once(&market, &flags).await, &what), 1, "{what}");
            let mut ids = lines_of(&file);
            assert_eq!(ids.len(), crossing, "{what}");
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), crossing, "{what}");
        }
        let before = lines_of(&file).len();
        assert_eq!(told(&at_once(&market, &flags).await, "no crossing"), 0);
        assert_eq!(lines_of(&file).len(), before);
    }
}

#[tokio::test]
async fn the_first_checks_of_all_fire_once() {
    for venue in VENUES {
        let market = Market::open_with_limits(venue, "69000").await;
        let checks = at_once(&market, &["--timeout", "20s"]).await;
        assert_eq!(told(&checks, name(venue)), 1, "{venue:?}");
    }
}

#[tokio::test]
async fn checks_while_the_market_moves_tell_each_crossing_once() {
    let market = Market::open(Venue::Binance, "67000").await;
    market.check(HIGH, &[]).await.exits(1);
    let moves = async {
        for _ in 0..40 {
            market.sim.print(&market.symbol, &["69000", "67000"]);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let checks = async {
        let mut all = Vec::new();
        for _ in 0..4 {
            all.extend(at_once(&market, &["--timeout", "20s"]).await);
        }
        all
    };
    let ((), mut all) = tokio::join!(moves, checks);
    all.push(market.check(HIGH, &[]).await);
    assert_eq!(told(&all, "a moving market"), 40);
    let ids = all
        .iter()
        .flat_map(Done::records)
        .map(|record| record.text("id"));
    let mut ids: Vec<_> = ids.collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}

#[tokio::test]
async fn a_watch_and_checks_of_one_name_tell_each_crossing_once() {
    for venue in VENUES {
        let market = Market::open_with_limits(venue, "67000").await;
        market.check(HIGH, &[]).await.exits(1);
        // From here on the last trade is known by its id.
        market.print(&["69000", "67000"]);
        market.check(HIGH, &[]).await.exits(0);
        told_once_by_both(&market, 1).await;
    }
}

#[tokio::test]
async fn a_watch_and_checks_that_begin_together_tell_each_crossing_once() {
    for venue in VENUES {
        let market = Market::open_with_limits(venue, "67000").await;
        market.check(HIGH, &[]).await.exits(1);
        told_once_by_both(&market, 0).await;
    }
}

/// Ten crossings under a watch and a check after each; `before` were told earlier.
async fn told_once_by_both(market: &Market, before: usize) {
    let mut command = market
        .world
        .command_of(&["alert", "BTC", HIGH, "--name", "rule"]);
    let watch = Running::new(command.spawn().unwrap());
    let watching = || market.sim.counters().subscribes > 0;
    eventually("it watches", watching).await;
    let mut checked = Vec::new();
    for _ in 0..10 {
        market.print(&["69000", "67000"]);
        checked.push(market.check(HIGH, &[]).await);
    }
    let store = market.store();
    let all_told = || {
        let state = store.read("rule").unwrap().unwrap();
        let fired = state.history.iter().filter(|past| past.outcome == "fired");
        fired.count() >= before + 10 && state.outbox.is_empty()
    };
    eventually("all are told", all_told).await;
    watch.signal("TERM").await;
    let watch = watch.end().await;
    assert_eq!(watch.code(), 0, "{}: {watch:#?}", market.symbol);
    let lines = |done: &Done| -> Vec<String> {
        let records = done.records();
        let line = |r: &crate::support::Record| format!("{} {}", r.text("timestamp"), r.text("id"));
        records.iter().map(line).collect()
    };
    let by_checks: Vec<_> = checked.iter().flat_map(lines).collect();
    let by_watch = lines(&watch);
    let told = by_checks.len() + by_watch.len();
    assert_eq!(told, 10, "{}: {by_checks:#?} {by_watch:#?}", market.symbol);
    for done in checked {
        let wanted = i32::from(done.stdout.is_empty());
        assert_eq!(done.code(), wanted, "{done:#?}");
    }
    // And the next run knows of all.
    market.check(HIGH, &[]).await.exits(1).prints_nothing();
}

#[tokio::test]
async fn fifty_checks_of_ten_symbols_all_have_an_answer() {
    let sim = start(Venue::Kraken).await;
    let bases: Vec<_> = (0..10).map(|n| format!("COIN{n}")).collect();
    for base in &bases {
        sim.add_listing(Listing::new(base, "USD", "5.10", 2, 8));
        sim.print(&format!("{base}/USD"), &["5.10"]);
    }
    let world = crate::support::World::with(Venue::Kraken, &sim);
    world.run("symbols -o plain -q").await.exits(0);
    let checks = (0..50).map(|n| {
        let symbol = format!("{}/USD", bases[n % bases.len()]);
        let name = format!("rule {n}");
        let arguments = ["alert", &symbol, "price > 0", "--once", "--name", &name];
        finish(world.command_of(&arguments))
    });
    for done in join_all(checks).await {
        done.exits(0);
    }
    let violations = sim.counters().rule_violations;
    assert!(violations.is_empty(), "{violations:?}");
}
