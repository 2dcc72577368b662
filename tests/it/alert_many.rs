//! Several rules, or several markets of one, in one run: none is judged by what belongs to another.

use futures_util::future::join_all;
use tickwire::model::Timestamp;
use tickwire::sim::Venue;
use tickwire::store::Watermark;

use crate::alert_support::{APPEND_ID, Market, edit, fired, lines_of, price, prices, rules};
use crate::support::{VENUES, eventually};

const HIGH: &str = "price > 68000";

/// Two rules over one price, both checked at 67000.
async fn two_rules(venue: Venue) -> Market {
    let mut market = Market::open(venue, "67000").await;
    let rule = |_| format!("symbols = [\"BTC\"]\ncondition = \"{HIGH}\"");
    market.world = market.world.config(&rules(2, rule));
    market.world.alert(&["--once"]).await.exits(1);
    market
}

/// Of three trades at one moment, one rule has seen the first and the other all.
async fn one_is_behind(venue: Venue, behind: usize) -> Market {
    let market = two_rules(venue).await;
    market.print(&["67000", "69000", "67000"]);
    let ledger = market.sim.ledger(&market.symbol);
    let trades = &ledger[ledger.len() - 3..];
    // Not every exchange and stream tells trades apart by their times.
    let moment = Timestamp::from_nanos(trades[2].time_ns);
    for rule in 0..2 {
        let seen = if rule == behind { 0 } else { 2 };
        edit(&market.world, &format!("rule {rule}"), |state| {
            let mark = Watermark {
                id: Some(trades[seen].id),
                time: moment,
                price: Some("67000".into()),
            };
            let known = state.markets.values_mut().next().unwrap();
            assert_eq!(known.watermarks.len(), 1);
            known
                .watermarks
                .values_mut()
                .for_each(|kept| *kept = mark.clone());
        })
        .await;
    }
    market
}

#[tokio::test]
async fn a_rule_that_has_seen_less_gets_the_trades_that_another_has_seen() {
    for venue in VENUES {
        for behind in 0..2 {
            let market = one_is_behind(venue, behind).await;
            let done = market.world.alert(&["--once"]).await.exits(0);
            assert_eq!(prices(&done), ["69000"], "{venue:?} {behind}");
            let name = format!("rule {behind}");
            assert_eq!(done.records()[0].text("name"), name, "{venue:?}");
            market.world.alert(&["--once"]).await.exits(1);
        }
    }
}

#[tokio::test]
async fn a_watched_rule_that_has_seen_less_gets_the_trades_that_another_has_seen() {
    for behind in 0..2 {
        let market = one_is_behind(Venue::Kraken, behind).await;
        let mut running = market.watching(&[]).await;
        let told = running.record().await;
        let name = format!("rule {behind}");
        assert_eq!((told.text("name"), price(&told)), (name, "69000".into()));
        running.signal("TERM").await;
        let done = running.end().await.exits(0);
        assert_eq!(done.lines().len(), 1, "{behind}: {done:#?}");
    }
}

#[tokio::test]
async fn trades_that_are_not_to_be_had_concern_only_the_rule_that_has_not_seen_them() {
    for venue in VENUES {
        let market = two_rules(venue).await;
        market.print(&["69000", "67000"]);
        // This one knows now to the trade how far it has seen.
        let one = ["--once", "--name", "rule 1"];
        market.world.alert(&one).await.exits(0);
        market.print(&["67001", "69000", "67002"]);
        // Back to the last one that it has seen.
        market.sim.faults().rest_trades_reach = Some(4);
        market.sim.faults().rest_candles_answers = Some(0);
        let done = market.world.alert(&["--once"]).await;
        let names: Vec<_> = done.records().iter().map(|r| r.text("name")).collect();
        assert!(names.contains(&"rule 1".into()), "{venue:?}: {done:#?}");
        let done = done.says("not to be had").says("rule 0");
        assert!(!done.stderr.contains("rule 1"), "{venue:?}: {done:#?}");
    }
}

const RATIO: &str = "price / {eth}.price < 20";

/// A rule over the prices of two markets, of which only one trades on: its condition and the other's symbol.
async fn ratio(venue: Venue) -> (Market, String, String) {
    let market = Market::open(venue, "60000").await;
    let other = market.symbol.replace("BTC", "ETH");
    market.print_of(&other, &["2900"]);
    let rule = RATIO.replace("{eth}", &other);
    (market, rule, other)
}

#[tokio::test]
async fn crossings_that_another_market_makes_are_told_apart() {
    for venue in VENUES {
        let (market, rule, other) = ratio(venue).await;
        let file = market.world.path("notified");
        let flags = ["--exec", "sh", "-c", APPEND_ID, file.to_str().unwrap()];
        market.check(&rule, &flags).await.exits(1);
        market.print(&["60000"]);
        for price in ["3100", "2900", "3200"] {
            market.print_of(&other, &[price]);
        }
        let done = market.check(&rule, &flags).await.exits(0);
        let ids: Vec<_> = done.records().iter().map(|r| r.text("id")).collect();
        assert_eq!(ids.len(), 2, "{venue:?}: {done:#?}");
        assert_ne!(ids[0], ids[1], "{venue:?}");
        assert_eq!(fired(&market.state("rule")), ids, "{venue:?}");
        let mut acted = lines_of(&file);
        acted.sort_by_key(|id| ids.iter().position(|told| told == id));
        assert_eq!(acted, ids, "{venue:?}");
    }
}

#[tokio::test]
async fn crossings_that_another_market_makes_are_told_apart_by_a_watch() {
    let (market, rule, other) = ratio(Venue::Kraken).await;
    let file = market.world.path("notified");
    let exec = ["--exec", "sh", "-c", APPEND_ID, file.to_str().unwrap()];
    let flags = [&["--name", "rule"][..], &exec].concat();
    let mut running = market.watch(&rule, &flags).await;
    market.print(&["60000"]);
    let mut ids = Vec::new();
    for price in ["3100", "3200"] {
        market.print_of(&other, &[price, "2900"]);
        ids.push(running.record().await.text("id"));
    }
    assert_ne!(ids[0], ids[1]);
    eventually("both are acted on", || lines_of(&file).len() == 2).await;
    running.signal("TERM").await;
    running.end().await.exits(0);
    let mut acted = lines_of(&file);
    acted.sort_by_key(|id| ids.iter().position(|told| told == id));
    assert_eq!(acted, ids);
}

#[tokio::test]
async fn the_header_of_a_table_comes_first_and_then_the_rules_in_their_order() {
    const RULES: usize = 30;
    let mut market = Market::open(Venue::Kraken, "67000").await;
    let rule = |_| "symbols = [\"BTC\"]\ncondition = \"price > 1\"".to_owned();
    market.world = market.world.config(&rules(RULES, rule));
    let names = (0..RULES).map(|i| format!("rule {i}"));
    let wanted: Vec<_> = std::iter::once("name".to_owned()).chain(names).collect();
    // Nothing is written down, so that all rules print at one moment, and many runs keep the machine busy.
    let flags = ["--once", "--dry-run", "-o", "csv"];
    for _ in 0..5 {
        let runs = (0..8).map(|_| market.world.alert(&flags));
        for done in join_all(runs).await {
            let done = done.exits(0);
            let cells = done.lines().into_iter().map(|row| row.split(',').nth(4));
            let found: Vec<_> = cells.map(Option::unwrap_or_default).collect();
            assert_eq!(found, wanted, "{done:#?}");
        }
    }
}
