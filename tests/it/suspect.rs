//! A price that cannot be believed: marked, and no reason to fire, until another print confirms it.

use futures_util::future::join_all;
use tickwire::sim::Venue;

use crate::alert_support::{Market, price, prices};
use crate::ledger::{end, keeps_promise};
use crate::support::{Record, VENUES, eventually, name, start};

/// The key is there only where it is true.
fn is_suspect(record: &Record) -> bool {
    record.keys().contains(&"suspect") && record.raw("suspect") == "true"
}

fn has_key(record: &Record) -> bool {
    record.keys().contains(&"suspect")
}

/// What is printed one after the other, some of it absurd and each of that alone.
const PRINTS: [&str; 8] = [
    "67001", "670010", "67002", "1", "67003", "66000", "1", "67004",
];

fn is_absurd(price: &str) -> bool {
    ["670010", "1"].contains(&price)
}

/// The lines about these prints.
async fn printed(market: &Market, stream: &str) -> Vec<Record> {
    let arguments = format!("monitor BTC --stream {stream}");
    let mut running = market.world.spawn(&arguments);
    eventually("it watches", || market.sim.counters().subscribes > 0).await;
    for one in PRINTS {
        market.print(&[one]);
    }
    running
        .until(|r| !r.is("status") && price(r) == *PRINTS.last().unwrap())
        .await;
    end(running).await
}

#[tokio::test]
async fn a_lone_absurd_print_is_marked_and_no_other_line_is() {
    join_all(VENUES.map(|venue| async move {
        let market = Market::open(venue, "67000").await;
        let printed = printed(&market, "trades").await;
        let told = printed.iter().map(|r| (price(r), is_suspect(r)));
        let wanted = PRINTS.map(|one| (one.to_owned(), is_absurd(one)));
        assert_eq!(told.collect::<Vec<_>>(), wanted, "{venue:?}");
        let others = printed.iter().filter(|record| !is_suspect(record));
        assert!(others.into_iter().all(|r| !has_key(r)), "{venue:?}");
        keeps_promise(&market.sim, name(venue), &market.symbol, &printed);
    }))
    .await;
}

#[tokio::test]
async fn a_ticker_that_tells_an_absurd_price_is_marked_too() {
    // Binance tells last prices once a second.
    join_all([Venue::Kraken, Venue::Coinbase].map(|venue| async move {
        let market = Market::open(venue, "67000").await;
        let printed = printed(&market, "ticker").await;
        let marked = printed.iter().filter(|record| is_suspect(record)).count();
        assert!(marked > 0, "{venue:?}");
        for record in printed {
            assert_eq!(has_key(&record), is_absurd(&price(&record)), "{record:?}");
        }
    }))
    .await;
}

#[tokio::test]
async fn a_real_crash_costs_one_print() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let mut running = market.world.spawn("monitor BTC --stream trades");
    eventually("it watches", || market.sim.counters().subscribes > 0).await;
    let prints = ["67001", "20000", "19900", "19800", "8000", "7900", "7800"];
    market.print(&prints);
    let mut suspect = Vec::new();
    for _ in prints {
        let trade = running.until(|record| record.is("trade")).await;
        if is_suspect(&trade) {
            suspect.push(price(&trade));
        }
    }
    assert_eq!(suspect, ["20000", "8000"]);
    end(running).await;
}

#[tokio::test]
async fn another_exchange_at_that_level_confirms_it_at_once() {
    let kraken = Market::open(Venue::Kraken, "67000").await;
    let coinbase = start(Venue::Coinbase).await;
    let world = kraken.world.and(Venue::Coinbase, &coinbase);
    let mut running = world.spawn("monitor kraken:BTC/USD coinbase:BTC/USD --stream trades");
    for sim in [&kraken.sim, &coinbase] {
        eventually("it watches", || sim.counters().subscribes > 0).await;
    }
    let mut told = Vec::new();
    let prints = [
        (&kraken.sim, "67000"),
        (&coinbase, "67000"),
        // Here it takes two.
        (&coinbase, "20000"),
        (&coinbase, "20001"),
        // Here one is enough.
        (&kraken.sim, "20002"),
    ];
    for (sim, one) in prints {
        assert_eq!(sim.print("BTC/USD", &[one]).len(), 1);
        let wanted = |record: &Record| record.is("trade") && price(record) == one;
        told.push(is_suspect(&running.until(wanted).await));
    }
    assert_eq!(told, [false, false, true, false, false]);
    end(running).await;
}

#[tokio::test]
async fn a_watch_does_not_fire_on_a_lone_absurd_print_and_does_on_the_second() {
    join_all(VENUES.map(|venue| async move {
        for name in [&[][..], &["--name", "rule"]] {
            let market = Market::open(venue, "67000").await;
            let mut running = market.watch("price < 1000", name).await;
            market.print(&["67001", "500", "67002", "500", "67003"]);
            // Two at that level, one after the other.
            market.print(&["499", "498", "67004"]);
            assert_eq!(price(&running.record().await), "498", "{venue:?} {name:?}");
            running.signal("TERM").await;
            let done = running.end().await.exits(0);
            assert_eq!(done.lines().len(), 1, "{venue:?} {name:?}: {done:#?}");
        }
    }))
    .await;
}

#[tokio::test]
async fn between_two_checks_a_lone_absurd_print_does_not_count_and_two_do() {
    join_all(VENUES.map(|venue| async move {
        let market = Market::open(venue, "67000").await;
        const LOW: &str = "price < 1000";
        market.check(LOW, &[]).await.exits(1);
        market.print(&["67001", "500", "67002"]);
        market.check(LOW, &[]).await.exits(1).prints_nothing();
        market.print(&["67003", "500", "499", "67004"]);
        let fired = market.check(LOW, &[]).await.exits(0);
        assert_eq!(prices(&fired), ["499"], "{venue:?}");
        market.check(LOW, &[]).await.exits(1).prints_nothing();
    }))
    .await;
}

#[tokio::test]
async fn a_check_right_after_an_absurd_print_waits_for_a_second_one() {
    join_all(VENUES.map(|venue| async move {
        let market = Market::open(venue, "67000").await;
        const LOW: &str = "price < 1000";
        market.check(LOW, &[]).await.exits(1);
        market.print(&["67001", "500"]);
        market.check(LOW, &[]).await.exits(1).prints_nothing();
        market.print(&["499"]);
        let fired = market.check(LOW, &[]).await.exits(0);
        assert_eq!(prices(&fired), ["499"], "{venue:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_suspect_print_is_told_and_counted_like_any_other() {
    let market = Market::open(Venue::Coinbase, "67000").await;
    let running = market.world.spawn("monitor BTC --stream trades -n 3");
    eventually("it watches", || market.sim.counters().subscribes > 0).await;
    market.print(&["67001", "1", "67002", "67003"]);
    let printed = running.end().await.exits(0).records();
    let suspect: Vec<_> = printed.iter().map(is_suspect).collect();
    assert_eq!(suspect, [false, true, false]);
}
