//! `alert --name` where the trades since the last run are not to be had any more: the candles tell.

use tickwire::alert::Memory;
use tickwire::model::{Clock, Interval, SystemClock, Timestamp};
use tickwire::sim::{LedgerTrade, Sim, SimConfig, Venue};

use crate::alert_support::{Market, edit, prices};
use crate::support::{Done, VENUES, World, quote};

const HIGH: &str = "price > 68000";
const MINUTE: i64 = 60_000_000_000;

/// When a minute began so many minutes ago.
fn minute(ago: i64) -> Timestamp {
    let now = Interval::M1.open_of(SystemClock.now());
    now.plus_nanos(-ago * MINUTE)
}

/// A market whose rule was checked so many minutes ago at 67000.
async fn checked(venue: Venue, ago: i64, condition: &str) -> Market {
    let config = SimConfig {
        history: 0,
        ..SimConfig::new(venue)
    };
    let sim = Sim::start(config).await.unwrap();
    let market = Market {
        world: World::with(venue, &sim).env("TICKWIRE_ENGINE__RATE_LIMIT", "1000"),
        symbol: format!("BTC/{}", quote(venue)),
        sim,
    };
    let first = trade(&market, minute(ago), 30, "67000");
    market.check(condition, &[]).await.exits(1);
    edit(&market.world, "rule", |state| {
        for known in state.markets.values_mut() {
            (known.memory, known.checked_at) = (Memory::default(), minute(ago));
            for mark in known.watermarks.values_mut() {
                (mark.id, mark.time) = (Some(first.id), minute(ago).plus_nanos(MINUTE / 2));
            }
        }
    })
    .await;
    market
}

fn trade(market: &Market, minute: Timestamp, second: i64, price: &str) -> LedgerTrade {
    let at = minute.plus_nanos(second * 1_000_000_000).nanos();
    market.sim.trade_at(&market.symbol, at, price).unwrap()
}

/// A spike in this minute, back in the next, and two newest trades, which are all that there are.
fn spike(market: &Market, ago: i64) {
    trade(market, minute(ago), 10, "69000.5");
    trade(market, minute(ago), 20, "67500");
    trade(market, minute(ago), 30, "67000");
    trade(market, minute(3), 10, "67100");
    trade(market, minute(3), 20, "67000");
    market.sim.faults().rest_trades_reach = Some(2);
}

fn resolution(done: &Done) -> Vec<bool> {
    let is_minute = |text: &str| text.contains(r#""resolution":"1m""#);
    done.lines().iter().map(|line| is_minute(line)).collect()
}

#[tokio::test]
async fn a_spike_between_two_runs_fires_once_from_the_candle_of_its_minute() {
    for venue in VENUES {
        let market = checked(venue, 60, HIGH).await;
        spike(&market, 30);
        let over = minute(30).plus_nanos(MINUTE).to_string();
        let fired = market.check(HIGH, &[]).await.exits(0);
        assert_eq!(prices(&fired), ["69000.5"], "{venue:?} {fired:#?}");
        assert_eq!(fired.stderr, "", "{venue:?}");
        assert_eq!(resolution(&fired), [true], "{fired:#?}");
        assert_eq!(&fired.records()[0].text("timestamp")[..19], &over[..19]);
        let again = market.check(HIGH, &[]).await.exits(1);
        assert_eq!(again.stderr, "", "{venue:?}");
        // From here on the trades tell again.
        market.print(&["68001", "67000"]);
        let fired = market.check(HIGH, &[]).await.exits(0);
        assert_eq!(prices(&fired), ["68001"], "{venue:?}");
        assert_eq!(resolution(&fired), [false], "{fired:#?}");
    }
}

#[tokio::test]
async fn where_minutes_do_not_reach_back_five_of_them_do() {
    let day = 24 * 60;
    let market = checked(Venue::Kraken, day, HIGH).await;
    // Kraken tells the newest 720 rows.
    spike(&market, day - 60);
    let fired = market.check(HIGH, &[]).await.exits(0);
    assert_eq!(prices(&fired), ["69000.5"]);
    let line = &fired.lines()[0];
    assert!(line.contains(r#""resolution":"5m""#), "{line}");
    market.check(HIGH, &[]).await.exits(1).prints_nothing();
}

#[tokio::test]
async fn where_candles_are_not_to_be_had_either_it_is_not_known() {
    for venue in VENUES {
        let market = checked(venue, 60, HIGH).await;
        spike(&market, 30);
        market.sim.faults().rest_candles_answers = Some(0);
        let done = market.check(HIGH, &["--timeout", "3s"]).await.exits(3);
        done.prints_nothing().says("not to be had");
        market.check(HIGH, &["--timeout", "3s"]).await.exits(1);
    }
}

#[tokio::test]
async fn a_watch_that_begins_late_fires_what_the_candles_tell() {
    let market = checked(Venue::Binance, 60, HIGH).await;
    spike(&market, 30);
    let watch = ["BTC", HIGH, "--name", "rule", "-n", "1"];
    let fired = market.world.alert(&watch).await.exits(0);
    assert_eq!(prices(&fired), ["69000.5"]);
    assert_eq!(resolution(&fired), [true], "{fired:#?}");
}
