//! `alert --name` by cron: whatever happens between two runs counts, once.

use tickwire::sim::Venue;

use crate::alert_support::{Market, price, prices};
use crate::support::{Done, VENUES, World, start};

const HIGH: &str = "price > 68000";

#[tokio::test]
async fn nothing_happens_where_nothing_is_traded() {
    for venue in VENUES {
        let market = Market::open(venue, "67000").await;
        for _ in 0..3 {
            let done = market.check(HIGH, &[]).await.exits(1).prints_nothing();
            assert_eq!(done.stderr, "");
        }
        market.print(&["69000"]);
        market.check(HIGH, &[]).await.exits(0);
        for _ in 0..3 {
            market.check(HIGH, &[]).await.exits(1).prints_nothing();
        }
    }
}

#[tokio::test]
async fn a_pair_that_has_not_traded_since_long_ago_is_judged_by_its_last_price() {
    for venue in VENUES {
        let market = Market::open(venue, "69000").await;
        market.check(HIGH, &[]).await.exits(0);
        market.check(HIGH, &[]).await.exits(1);
    }
}

#[tokio::test]
async fn a_spike_many_pages_ago_is_seen() {
    for venue in VENUES {
        let market = Market::open(venue, "67000").await;
        market.check(HIGH, &[]).await.exits(1);
        market.print(&["68000.5"]);
        market.print(&["67000"; 2500]);
        let fired = market.check(HIGH, &[]).await.exits(0);
        assert_eq!(prices(&fired), ["68000.5"], "{venue:?}");
        assert_eq!(fired.stderr, "", "{venue:?}");
        market.check(HIGH, &[]).await.exits(1);
    }
}

#[tokio::test]
async fn what_the_trades_do_not_reach_is_not_known_once() {
    for venue in VENUES {
        let market = Market::open(venue, "67000").await;
        market.check(HIGH, &[]).await.exits(1);
        // From here on the last trade is known by its id.
        market.print(&["69000", "67000"]);
        market.check(HIGH, &[]).await.exits(0);
        market.print(&["69000", "67000", "67001", "67002", "67003"]);
        market.sim.faults().rest_trades_reach = Some(2);
        market.sim.faults().rest_candles_answers = Some(0);
        let done = market.check(HIGH, &[]).await;
        assert_eq!(done.code(), 3, "{venue:?}: {done:#?}");
        let done = done.prints_nothing().says(" UTC");
        done.says("min").says("--since-last off");
        let done = market.check(HIGH, &[]).await.exits(1);
        assert_eq!(done.stderr, "", "{venue:?}");
        // What can be seen fires, though not all can.
        market.print(&["67000", "67000", "67000", "69000", "67000"]);
        let partly = market.check(HIGH, &[]).await.exits(0);
        assert_eq!(prices(&partly), ["69000"], "{venue:?}");
        partly.says("not to be had");
        let done = market.check(HIGH, &[]).await.exits(1);
        assert_eq!(done.stderr, "", "{venue:?}");
    }
}

#[tokio::test]
async fn trades_that_are_refused_are_asked_for_again_by_the_next_run() {
    for venue in VENUES {
        let market = Market::open(venue, "67000").await;
        market.check(HIGH, &[]).await.exits(1);
        market.print(&["69000", "67000"]);
        market.sim.faults().rest_trades_answers = Some(0);
        market
            .check(HIGH, &["--timeout", "2s"])
            .await
            .exits(3)
            .prints_nothing();
        market.sim.faults().rest_trades_answers = None;
        let fired = market.check(HIGH, &[]).await.exits(0);
        assert_eq!(prices(&fired), ["69000"], "{venue:?}");
    }
}

#[tokio::test]
async fn only_the_moment_counts_where_that_was_asked_for() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let flags = ["--since-last", "off"];
    market.check(HIGH, &flags).await.exits(1);
    market.print(&["69000", "67000"]);
    market.check(HIGH, &flags).await.exits(1).prints_nothing();
    market.print(&["69000"]);
    market.check(HIGH, &flags).await.exits(0);
    market.check(HIGH, &flags).await.exits(1);
    // What was left out is not dug out later.
    market.print(&["67000", "69000", "67000"]);
    market.check(HIGH, &flags).await.exits(1);
    market.check(HIGH, &[]).await.exits(1);
}

#[tokio::test]
async fn a_rule_over_price_and_spread_takes_the_spread_of_now() {
    for venue in VENUES {
        let market = Market::open(venue, "67000").await;
        let rule = "price > 68000 and spread < 1000";
        market.check(rule, &[]).await.exits(1);
        market.print(&["69000"]);
        let fired = market.check(rule, &[]).await.exits(0);
        assert_eq!(prices(&fired), ["69000"], "{venue:?}");
        market.check(rule, &[]).await.exits(1);
    }
}

#[tokio::test]
async fn the_prices_of_two_symbols_meet_in_their_order() {
    for venue in VENUES {
        let market = Market::open(venue, "67000").await;
        let other = market.symbol.replace("BTC", "ETH");
        market.print_of(&other, &["3000"]);
        let rule = format!("price > 68000 and {other}.price > 3100");
        market.check(&rule, &[]).await.exits(1);
        // Each had its moment, but never both.
        market.print(&["69000"]);
        market.print(&["67000"]);
        market.print_of(&other, &["3200"]);
        market.print_of(&other, &["3000"]);
        market.check(&rule, &[]).await.exits(1).prints_nothing();
        market.print(&["69000"]);
        market.print_of(&other, &["3200"]);
        market.print(&["67000"]);
        market.print_of(&other, &["3000"]);
        let fired = market.check(&rule, &[]).await.exits(0);
        assert_eq!(fired.lines().len(), 1, "{fired:#?}");
        market.check(&rule, &[]).await.exits(1);
    }
}

#[tokio::test]
async fn each_symbol_of_a_rule_has_a_memory_of_its_own() {
    let market = Market::open(Venue::Kraken, "67000").await;
    market.print_of("ETH/USD", &["3000"]);
    let check = async || {
        let rule = ["BTC", "ETH", "price > 3100", "--once", "--name", "both"];
        market.world.alert(&rule).await
    };
    assert_eq!(prices(&check().await.exits(0)), ["67000"]);
    market.print_of("ETH/USD", &["3200"]);
    assert_eq!(prices(&check().await.exits(0)), ["3200"]);
    check().await.exits(1);
}

#[tokio::test]
async fn a_changed_condition_starts_anew_and_says_so() {
    let market = Market::open(Venue::Kraken, "67000").await;
    market.check("price > 66000", &[]).await.exits(0);
    market.check("price > 66000", &[]).await.exits(1);
    let changed = market.check("price > 65000", &[]).await.exits(0);
    changed.says("starts anew").says("rule");
    let same = market.check("price > 65000", &[]).await.exits(1);
    assert_eq!(same.stderr, "");
}

#[tokio::test]
async fn what_cannot_be_trusted_is_set_aside_and_told() {
    let market = Market::open(Venue::Kraken, "69000").await;
    market.check(HIGH, &[]).await.exits(0);
    let files = crate::support::files(&crate::alert_support::memories(&market.world));
    let state = files
        .iter()
        .find(|path| path.extension().unwrap() == "json")
        .unwrap();
    for damage in ["", "{}", "nonsense"] {
        std::fs::write(state, damage).unwrap();
        let done = market.check(HIGH, &[]).await.exits(0);
        done.says("put aside").says("starts anew");
        market.check(HIGH, &[]).await.exits(1);
    }
}

#[tokio::test]
async fn the_first_check_after_the_first_knows_what_was_missed_too() {
    for venue in VENUES {
        let market = Market::open(venue, "67000").await;
        market.check(HIGH, &[]).await.exits(1);
        market.print(&["69000", "67000", "67001", "67002", "67003"]);
        market.sim.faults().rest_trades_reach = Some(2);
        market.sim.faults().rest_candles_answers = Some(0);
        let done = market.check(HIGH, &[]).await;
        assert_eq!(done.code(), 3, "{venue:?}: {done:#?}");
    }
}

#[tokio::test]
async fn a_market_whose_clock_is_behind_is_replayed_from_the_right_trade() {
    with_clock(-30_000).await;
}

#[tokio::test]
async fn a_market_whose_clock_is_ahead_is_replayed_from_the_right_trade() {
    with_clock(30_000).await;
}

/// The clock of the exchange is so many milliseconds ahead.
async fn with_clock(skew: i64) {
    for venue in VENUES {
        let sim = start(venue).await;
        sim.faults().clock_skew_ms = skew;
        let market = Market {
            world: World::with(venue, &sim).env("TICKWIRE_ENGINE__RATE_LIMIT", "1000"),
            symbol: format!("BTC/{}", crate::support::quote(venue)),
            sim,
        };
        // What was before the first check is nobody's business.
        market.print(&["69000", "67000"]);
        let first = market.check(HIGH, &[]).await;
        assert_eq!(first.code(), 1, "{venue:?} {skew}: {first:#?}");
        let again = market.check(HIGH, &[]).await;
        assert_eq!(again.code(), 1, "{venue:?} {skew}: {again:#?}");
        market.print(&["68500", "67000"]);
        let fired = market.check(HIGH, &[]).await;
        assert_eq!(fired.code(), 0, "{venue:?} {skew}: {fired:#?}");
        assert_eq!(prices(&fired), ["68500"], "{venue:?} {skew}");
        market.check(HIGH, &[]).await.exits(1);
    }
}

/// Runs a path of prices: a check after each part, then the prices at which it fired.
async fn fired_at(venue: Venue, condition: &str, flags: &[&str], path: &[&[&str]]) -> Vec<String> {
    let market = Market::open(venue, "67000").await;
    let mut fired = Vec::new();
    let first = market.check(condition, flags).await.exits(1);
    let mut take = |done: &Done| fired.extend(prices(done));
    take(&first);
    for part in path {
        market.print(part);
        let done = market.check(condition, flags).await;
        assert!(done.code() <= 1, "{done:#?}");
        take(&done);
    }
    fired
}

#[tokio::test]
async fn limits_hold_over_scripted_paths() {
    let path: &[&[&str]] = &[
        &["68100", "67900", "68200"],
        &["67400", "68300", "66900", "68400"],
        &["66000", "68500"],
    ];
    // Flags, and the prices at which it fires.
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["68100", "68200", "68300", "68400", "68500"]),
        (
            &["--hysteresis", "500"],
            &["68100", "68300", "68400", "68500"],
        ),
        (&["--hysteresis", "1%"], &["68100", "68400", "68500"]),
        (&["--rearm", "price < 67000"], &["68100", "68400", "68500"]),
        (&["--cooldown", "1h"], &["68100"]),
        (&["--max-fires", "2/1d"], &["68100", "68200"]),
        (&["--for", "1h"], &[]),
    ];
    for (flags, wanted) in table {
        for venue in VENUES {
            let fired = fired_at(venue, HIGH, flags, path).await;
            assert_eq!(fired, *wanted, "{venue:?} {flags:?}");
        }
    }
}

#[tokio::test]
async fn a_condition_must_hold_between_the_runs_too() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let (long, short) = (["--for", "1h"], ["--for", "300ms"]);
    let wait = || tokio::time::sleep(std::time::Duration::from_millis(400));
    market.check(HIGH, &long).await.exits(1);
    market.print(&["68500"]);
    market.check(HIGH, &long).await.exits(1);
    market.print(&["67000", "68600"]);
    wait().await;
    let fired = market.check(HIGH, &short).await.exits(0);
    assert_eq!(prices(&fired), ["68600"]);
    market.check(HIGH, &short).await.exits(1);
    // It held and fell back before anybody looked.
    market.print(&["67000", "68700"]);
    wait().await;
    market.print(&["67000"]);
    let fired = market.check(HIGH, &short).await.exits(0);
    assert_eq!(prices(&fired), ["68700"]);
    market.check(HIGH, &short).await.exits(1);
}

#[tokio::test]
async fn many_short_runs_fire_as_one_that_watches() {
    let path = [
        "67990", "68010", "67980", "67970", "68020", "68030", "67000", "66000", "69000", "68001",
        "68000", "68000.01", "67999.99", "68100", "67900", "67950", "68200", "68000", "68000.02",
    ];
    for (venue, parts) in [
        (Venue::Kraken, 1),
        (Venue::Binance, 4),
        (Venue::Coinbase, 7),
    ] {
        let market = Market::open(venue, "67000").await;
        let mut command = market.world.command_of(&["alert", "BTC", HIGH]);
        let mut watch = crate::support::Running::new(command.spawn().unwrap());
        let subscribed = || market.sim.counters().subscribes > 0;
        crate::support::eventually("it watches", subscribed).await;
        market.check(HIGH, &[]).await.exits(1);
        let mut fired = Vec::new();
        for part in path.chunks(parts) {
            market.print(part);
            fired.extend(prices(&market.check(HIGH, &[]).await));
        }
        let wanted = [
            "68010", "68020", "69000", "68000.01", "68100", "68200", "68000.02",
        ];
        assert_eq!(fired, wanted, "{venue:?}");
        for price_wanted in wanted {
            assert_eq!(price(&watch.record().await), price_wanted);
        }
        watch.signal("TERM").await;
        let rest = watch.end().await.exits(0);
        assert_eq!(rest.lines().len(), wanted.len(), "{rest:#?}");
    }
}
