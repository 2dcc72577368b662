//! `alert` where a clock was wrong, and where answers come too late to be fresh.

use std::time::Duration;

use serde_json::json;
use tickwire::alert::Memory;
use tickwire::model::{Clock, SystemClock, Timestamp};
use tickwire::sim::Venue;
use tickwire::store::MarketState;

use crate::alert_support::{Market, edit, prices};
use crate::support::VENUES;

const HIGH: &str = "price > 68000";
const COOLDOWN: [&str; 2] = ["--cooldown", "1s"];

/// Where the clock was by which something was remembered.
fn hours_ahead() -> Timestamp {
    SystemClock.now().plus_nanos(3 * 3_600 * 1_000_000_000)
}

/// A rule that was checked at 67000, then changed so.
async fn remembered(venue: Venue, flags: &[&str], change: fn(&mut MarketState)) -> Market {
    let market = Market::open(venue, "67000").await;
    market.check(HIGH, flags).await.exits(1);
    edit(&market.world, "rule", |state| {
        assert_eq!(state.markets.len(), 1);
        state.markets.values_mut().for_each(change);
    })
    .await;
    market
}

/// As a check leaves it that has seen a price, but no trade.
fn move_marks(known: &mut MarketState) {
    for mark in known.watermarks.values_mut() {
        (mark.id, mark.time) = (None, hours_ahead());
    }
}

fn move_observation(known: &mut MarketState) {
    let mut memory = serde_json::to_value(&known.memory).unwrap();
    let observed = memory.get_mut("observed").expect("an observation");
    *observed = json!(hours_ahead().nanos());
    known.memory = serde_json::from_value::<Memory>(memory).unwrap();
}

#[tokio::test]
async fn a_mark_in_the_future_is_told_and_silences_no_check() {
    for venue in VENUES {
        let market = remembered(venue, &[], move_marks).await;
        market.print(&["69000"]);
        let done = market.check(HIGH, &[]).await.exits(0).says("future");
        assert_eq!(prices(&done), ["69000"], "{venue:?}");
        for (price, code) in [("70000", 1), ("67000", 1), ("71000", 0)] {
            market.print(&[price]);
            let done = market.check(HIGH, &[]).await.exits(code);
            assert_eq!(done.stderr, "", "{venue:?} {price}");
        }
        // What happens between two checks counts again, too.
        market.print(&["67000", "72000", "67000"]);
        let done = market.check(HIGH, &[]).await.exits(0);
        assert_eq!(prices(&done), ["72000"], "{venue:?}");
    }
}

#[tokio::test]
async fn a_mark_in_the_future_is_told_and_silences_no_watch() {
    for venue in VENUES {
        let market = remembered(venue, &[], move_marks).await;
        let mut running = market.watch(HIGH, &["--name", "rule", "-n", "2"]).await;
        for wanted in ["69000", "70000"] {
            market.print(&[wanted, "67000"]);
            let told = running.record().await;
            assert_eq!(crate::alert_support::price(&told), wanted, "{venue:?}");
        }
        running.end().await.exits(0).says("future");
        let done = market.check(HIGH, &[]).await.exits(1).prints_nothing();
        assert_eq!(done.stderr, "", "{venue:?}");
    }
}

#[tokio::test]
async fn a_cooldown_ends_though_the_last_observation_lies_in_the_future() {
    for venue in VENUES {
        let market = remembered(venue, &COOLDOWN, move_observation).await;
        for price in ["69000", "70000", "71000"] {
            market.print(&["67000", price]);
            let done = market.check(HIGH, &COOLDOWN).await.exits(0);
            assert_eq!(prices(&done), [price], "{venue:?}");
            tokio::time::sleep(Duration::from_millis(1_200)).await;
        }
    }
}

#[tokio::test]
async fn a_cooldown_of_a_watch_ends_though_the_last_observation_lies_in_the_future() {
    let market = remembered(Venue::Kraken, &COOLDOWN, move_observation).await;
    let flags = [&["--name", "rule"][..], &COOLDOWN].concat();
    let mut running = market.watch(HIGH, &flags).await;
    for wanted in ["69000", "70000", "71000"] {
        market.print(&["67000", wanted]);
        let told = running.record().await;
        assert_eq!(crate::alert_support::price(&told), wanted);
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }
    running.signal("TERM").await;
    assert_eq!(running.end().await.exits(0).lines().len(), 3);
}

#[tokio::test]
async fn an_answer_that_has_grown_old_until_the_others_came_is_none() {
    let market = Market::open(Venue::Kraken, "67000").await;
    // Bid and ask come first, and then the trades since the last check.
    let rule = "price > 68000 and bid > 1";
    market.check(rule, &[]).await.exits(1);
    market.print(&["69000"]);
    market.sim.faults().rest_delay = Some(Duration::from_millis(1_500));
    let flags = ["--max-age", "1s", "--timeout", "20s"];
    market.check(rule, &flags).await.exits(3).prints_nothing();
    market.sim.faults().rest_delay = None;
    market.check(rule, &[]).await.exits(0);
}
