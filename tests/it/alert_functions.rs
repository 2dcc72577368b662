//! `alert --once` over functions of candles: the numbers, what they cost, and what is not known.

use tickwire::sim::{LedgerCandle, Sim, SimConfig, Venue};

use crate::candles::market;
use crate::support::{Done, VENUES, World, name};

/// Days of minutes, so that 200 candles of a day are there.
const MINUTES: u64 = 230 * 24 * 60;

async fn with_past(venue: Venue, minutes: u64) -> (Sim, World) {
    let config = SimConfig {
        candle_history: minutes,
        ..SimConfig::new(venue)
    };
    let sim = Sim::start(config).await.unwrap();
    let world = World::with(venue, &sim);
    world.run("symbols -o plain").await.exits(0);
    (sim, world)
}

/// Questions for candles so far.
fn asked(sim: &Sim) -> u64 {
    let is_of_candles = |path: &str| {
        let ends = ["klines", "candles", "OHLC"];
        ends.iter().any(|end| path.ends_with(end))
    };
    let rest = sim.counters().rest;
    let of_candles = rest.iter().filter(|(path, _)| is_of_candles(path));
    of_candles.map(|(_, count)| count).sum()
}

/// The closes of so many candles up to the running one.
fn closes(sim: &Sim, venue: Venue, seconds: i64, count: i64) -> Vec<f64> {
    let now = sim.now_ns();
    let from = now - count * seconds * 1_000_000_000;
    let candles = sim.candles_between(&market(venue), seconds, from, now);
    let has_trades = |candle: &&LedgerCandle| candle.trades > 0;
    let with_trades = candles.iter().filter(has_trades);
    with_trades
        .map(|candle| candle.close.parse().unwrap())
        .collect()
}

/// Wilder's, smoothed from the first change on.
fn rsi(closes: &[f64], n: usize) -> f64 {
    let changes: Vec<f64> = closes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (mut gain, mut loss) = (0.0, 0.0);
    for (place, change) in changes.iter().enumerate() {
        let (up, down) = (change.max(0.0), (-change).max(0.0));
        if place < n {
            gain += up / n as f64;
            loss += down / n as f64;
        } else {
            gain = (gain * (n - 1) as f64 + up) / n as f64;
            loss = (loss * (n - 1) as f64 + down) / n as f64;
        }
    }
    100.0 * gain / (gain + loss)
}

fn mean(closes: &[f64], n: usize) -> f64 {
    closes[closes.len() - n..].iter().sum::<f64>() / n as f64
}

async fn check(world: &World, condition: &str) -> Done {
    world
        .alert(&["BTC", condition, "--once", "--timeout", "20s"])
        .await
}

#[tokio::test]
async fn functions_have_the_value_that_the_ledger_gives() {
    for venue in VENUES {
        let (sim, world) = with_past(venue, MINUTES).await;
        let hours = closes(&sim, venue, 3_600, 400);
        let days = closes(&sim, venue, 86_400, 228);
        for (function, value, margin) in [
            // More of the past than is asked for changes it a little.
            ("rsi(14, 1h)", rsi(&hours, 14), 0.1),
            ("sma(200, 1d)", mean(&days, 200), 0.01),
            ("sma(50, 1h)", mean(&hours, 50), 0.01),
        ] {
            let before = asked(&sim);
            let (below, above) = (value - margin, value + margin);
            let condition = format!("{function} > {below:.6} and {function} < {above:.6}");
            let done = check(&world, &condition).await;
            assert_eq!(done.code(), 0, "{} {condition}: {done:#?}", name(venue));
            let asked = asked(&sim) - before;
            assert!(
                (1..=2).contains(&asked),
                "{venue:?} {function}: asked {asked} times"
            );
            let not = format!("{function} > {above:.6} or {function} < {below:.6}");
            check(&world, &not).await.exits(1).prints_nothing();
        }
        assert_eq!(sim.counters().rule_violations, Vec::<String>::new());
    }
}

#[tokio::test]
async fn two_intervals_cost_one_or_two_questions_each() {
    for venue in VENUES {
        let (sim, world) = with_past(venue, MINUTES).await;
        let done = check(&world, "rsi(14, 1h) < 101 and price > sma(200, 1d) * 0").await;
        assert_eq!(done.code(), 0, "{done:#?}");
        let asked = asked(&sim);
        assert!((2..=4).contains(&asked), "{venue:?}: {asked}");
    }
}

#[tokio::test]
async fn what_is_warming_up_or_refused_is_not_known() {
    for venue in VENUES {
        // A listing of a few minutes.
        let (sim, world) = with_past(venue, 5).await;
        for condition in ["sma(200, 1d) > 0", "rsi(14, 1h) < 101", "price > ema(50)"] {
            let done = check(&world, condition).await;
            assert_eq!(done.code(), 3, "{venue:?} {condition}: {done:#?}");
            assert_eq!(done.stdout, "");
        }
        sim.faults().rest_candles_answers = Some(0);
        let done = world
            .alert(&["BTC", "sma(2, 1m) > 0", "--once", "--timeout", "3s"])
            .await;
        assert_eq!(done.code(), 3, "{venue:?}: {done:#?}");
        assert_eq!(done.stdout, "");
    }
}
