//! Rules over functions: many checks against one.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::alert::{Bars, Evidence, Mark, Past, Rule, Since, Tracker};
use crate::expression::{Expression, Truth};
use crate::model::{Candle, Exchange, Interval, Market, Origin, Price, Qty, Side, Ticker, Trade};

use super::*;

const MINUTE: i64 = 60_000_000_000;
/// A full hour.
const START: i64 = 1_000_000 * 60 * MINUTE;

fn market() -> Market {
    Market::new(Exchange::new("computed-test"), "BTC", "USD")
}

fn minute(n: usize, close: u32) -> Arc<Candle> {
    let close = Price::from(rust_decimal::Decimal::from(close));
    let open_time = at(START + n as i64 * MINUTE);
    Arc::new(Candle {
        market: market(),
        interval: Interval::M1,
        open_time,
        open: close,
        high: close,
        low: close,
        close,
        volume: Qty::from(rust_decimal::Decimal::ONE),
        quote_volume: None,
        trades: None,
        closed: true,
        complete: true,
        origin: Origin::History,
        timestamp: None,
        received_at: open_time,
    })
}

fn tracker(condition: &str) -> Tracker {
    let rule = Rule {
        name: Some("computed".into()),
        condition: Expression::parse_condition(condition).unwrap(),
        rearm: None,
        margin: None,
        policy: Policy::default(),
        message: None,
    };
    Tracker::new(Arc::new(rule), market(), &|_| None).unwrap()
}

/// Checks after so many minutes each, a while after a close, when the price is another one. Firings as moment and
/// price.
fn in_checks(condition: &str, closes: &[u32], checks: &[(usize, u32)]) -> Vec<(i64, String)> {
    let mut marks = HashMap::<Market, Mark>::new();
    let (mut tracker, mut firings) = (tracker(condition), Vec::new());
    for (i, &(minutes, price)) in checks.iter().enumerate() {
        let now = at(START + minutes as i64 * MINUTE + 30_000_000_000);
        let closed = closes[..minutes].iter().enumerate();
        let bars = Bars {
            closed: closed.map(|(n, close)| minute(n, *close)).collect(),
            forming: None,
        };
        let ticker = Ticker {
            price: Some(Price::from(rust_decimal::Decimal::from(price))),
            ..Ticker::empty(market(), now)
        };
        let evidence = Evidence {
            tickers: HashMap::from([(market(), Arc::new(ticker))]),
            bars: vec![Arc::new(bars)],
            since: match i {
                0 => Since::Nothing,
                _ => Since::Replayed(HashMap::new()),
            },
            ..Evidence::default()
        };
        let checked = tracker.check(marks, &evidence, now);
        marks = checked.marks;
        let fired = checked.outcomes.into_iter();
        let fired = fired.filter(|outcome| outcome.verdict.is_fired());
        firings.extend(fired.map(|outcome| {
            let price = outcome.alert.price.map(|price| price.to_string());
            (
                (outcome.alert.timestamp.nanos() - START) / MINUTE,
                price.unwrap_or_default(),
            )
        }));
    }
    firings
}

#[test]
fn what_was_true_at_a_close_between_two_checks_fires_and_only_once() {
    let closes = [10, 10, 10, 14, 9, 9, 9];
    let rule = "close > sma(2)";
    // The price at a check is that of the ticker; this rule reads closes only.
    assert_eq!(
        in_checks(rule, &closes, &[(3, 10), (6, 9), (7, 9)]),
        [(4, "14".into())]
    );
    // Judged before: a check right behind the close, and a later one at which it is false.
    assert_eq!(
        in_checks(rule, &closes, &[(3, 10), (4, 14), (5, 9), (6, 9), (7, 9)]),
        [(4, "14".into())]
    );
}

#[test]
fn a_rule_over_the_price_too_is_judged_at_closes_and_at_the_moment_of_each_check() {
    let closes = [10, 10, 10, 10, 10];
    // Below the mean at every close, above it at the second check alone.
    let told = in_checks("price > sma(2)", &closes, &[(3, 10), (4, 12), (5, 10)]);
    assert_eq!(told, [(4, "12".into())]);
}

#[test]
fn crossings_see_the_candles_of_before() {
    let mut first = tracker("crosses_above(close, 11)");
    let evidence = |closes: &[u32]| Evidence {
        bars: vec![Arc::new(Bars {
            closed: (closes.iter().enumerate())
                .map(|(n, close)| minute(n, *close))
                .collect(),
            forming: None,
        })],
        ..Evidence::default()
    };
    let now = at(START + 3 * MINUTE);
    let mut views = Views::default();
    evidence(&[10, 12]).show(&mut first, &mut views, now);
    assert_eq!(
        first.holds(&views, now),
        Truth::False,
        "nothing has changed since that close"
    );
    let mut views = Views::default();
    let mut none = tracker("crosses_above(close, 11)");
    evidence(&[]).show(&mut none, &mut views, now);
    assert_eq!(none.holds(&views, now), Truth::Unknown);
}

#[test]
fn what_too_few_candles_come_before_is_told_and_so_many_are_asked_for_that_it_is_seldom() {
    let rule = tracker("sma(4) > 1");
    let now = at(START + 1_440 * MINUTE);
    let day = rule.wanted(market(), Interval::M1, Some(at(START)), now);
    assert!(day >= 1_440 + 3, "{day}");
    let months = at(START - 100_000 * MINUTE);
    assert_eq!(
        rule.wanted(market(), Interval::M1, Some(months), now),
        3_000
    );

    let bars = |n: usize| Bars {
        closed: (100..100 + n).map(|n| minute(n, 10)).collect(),
        forming: None,
    };
    let untold = |bars: &Bars, mark: i64| {
        let mark = Mark {
            id: None,
            time: at(START + mark * MINUTE),
            price: None,
        };
        let parts = rule.unfollowed(&[bars], &HashMap::from([(market(), mark)]));
        let minute = |at: Timestamp| (at.nanos() - START) / MINUTE;
        let parts = parts.into_iter();
        parts
            .map(|(_, from, to)| (minute(from), minute(to)))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        untold(&bars(10), 103),
        [],
        "the first with three before it ends at 104"
    );
    assert_eq!(untold(&bars(10), 102), [(102, 103)]);
    assert_eq!(untold(&bars(3), 50), [], "there are no more");
    assert_eq!(
        rule.unfollowed(&[&bars(10)], &HashMap::new()),
        [],
        "it is new"
    );
}

#[test]
fn the_candles_of_a_young_market_are_judged_by_what_there_is() {
    // The seed of this mean is forgotten late: more candles are wanted than there ever were.
    assert!(tracker("ema(2) > 11").candles()[0].2 > 7);
    let closes = [10, 10, 10, 14, 9, 9, 9];
    let told = in_checks("ema(2) > 11", &closes, &[(3, 10), (7, 9)]);
    assert_eq!(told, [(4, "14".into())]);
}

/// A trade of each second: its number is its id.
fn traded(prices: &[u32], per_minute: usize) -> Vec<Trade> {
    let trades = prices.iter().enumerate().map(|(n, price)| {
        let (minute, second) = (n / per_minute, n % per_minute);
        let time = at(START + minute as i64 * MINUTE + second as i64 * 1_000_000_000);
        Trade {
            market: market(),
            id: n as u64 + 1,
            price: Price::from(rust_decimal::Decimal::from(*price)),
            size: Qty::from(rust_decimal::Decimal::ONE),
            side: Side::Buy,
            timestamp: time,
            received_at: time,
            origin: Origin::History,
            replayed: false,
            suspect: false,
        }
    });
    trades.collect()
}

/// Checks right after so many trades each, by the trades since the last and the candles that they make.
fn in_replays(
    condition: &str,
    prices: &[u32],
    per_minute: usize,
    ends: &[usize],
) -> Vec<(u64, String)> {
    let trades = traded(prices, per_minute);
    let mut marks = HashMap::<Market, Mark>::new();
    let (mut tracker, mut firings) = (tracker(condition), Vec::new());
    for &end in ends {
        let last = trades[end - 1];
        let now = last.timestamp.plus_nanos(1);
        let minutes = (now.nanos() - START) / MINUTE;
        let closes = (0..minutes as usize).map(|n| minute(n, prices[(n + 1) * per_minute - 1]));
        let bars = Bars {
            closed: closes.collect(),
            forming: None,
        };
        let ticker = Ticker {
            price: Some(last.price),
            timestamp: Some(last.timestamp),
            ..Ticker::empty(market(), now)
        };
        let new = |trade: &&Trade| marks.get(&market()).is_some_and(|mark| !mark.covers(trade));
        let past = Past {
            trades: trades[..end].iter().filter(new).copied().collect(),
            newest: Some(last),
            ..Past::default()
        };
        let evidence = Evidence {
            tickers: HashMap::from([(market(), Arc::new(ticker))]),
            bars: vec![Arc::new(bars)],
            since: match marks.is_empty() {
                true => Since::Nothing,
                false => Since::Replayed(HashMap::from([(market(), Arc::new(past))])),
            },
            ..Evidence::default()
        };
        let checked = tracker.check(marks.clone(), &evidence, now);
        marks = checked.marks;
        let fired = checked
            .outcomes
            .into_iter()
            .filter(|o| o.verdict.is_fired());
        firings.extend(fired.map(|outcome| {
            let price = outcome.alert.price.map(|price| price.to_string());
            let at = (outcome.alert.timestamp.nanos() - START) / 1_000_000_000;
            (at as u64, price.unwrap_or_default())
        }));
    }
    firings
}

#[test]
fn a_price_between_two_checks_is_judged_with_functions_as_of_the_last_close() {
    // Four trades a minute; the fourth minute has a spike that its close does not tell.
    let mut prices = [10; 24];
    prices[13] = 60;
    let rule = "price > 50 and sma(2) < 20";
    assert_eq!(
        in_replays(rule, &prices, 4, &[9, 24]),
        [(3 * 60 + 1, "60".into())]
    );
    prices[4..8].fill(90);
    // The mean of the two minutes before the spike is 50.
    assert_eq!(in_replays(rule, &prices, 4, &[9, 24]), []);
}

proptest! {
    /// By trades, too, wherever the checks lie in their minutes.
    #[test]
    fn many_checks_of_prices_and_functions_fire_as_one_does(
        prices in prop::collection::vec(8u32..13, 12..60),
        gaps in prop::collection::vec(1usize..9, 1..12),
        condition in prop::sample::select(vec![
            "price > 11 and sma(2) < 11",
            "price > sma(2)",
            "crosses_above(price, sma(2))",
            "close > 11 and price < 10",
        ]),
    ) {
        let mut ends = vec![10];
        for gap in gaps {
            let next = ends[ends.len() - 1] + gap;
            if next <= prices.len() {
                ends.push(next);
            }
        }
        let few = [10, ends[ends.len() - 1]];
        let few = if ends.len() > 1 { &few[..] } else { &few[..1] };
        prop_assert_eq!(in_replays(condition, &prices, 4, &ends), in_replays(condition, &prices, 4, few));
    }


    /// With a price that is the last close, where checks lie does not matter.
    #[test]
    fn many_checks_fire_as_one_does(
        closes in prop::collection::vec(8u32..13, 4..30),
        gaps in prop::collection::vec(1usize..6, 1..10),
        condition in prop::sample::select(vec!["close > sma(2)", "price > sma(3)", "crosses_above(sma(2), sma(3))"]),
    ) {
        let mut ends = vec![3];
        for gap in gaps {
            let next = ends[ends.len() - 1] + gap;
            if next <= closes.len() {
                ends.push(next);
            }
        }
        let last = ends[ends.len() - 1];
        let price = |end: usize| (end, closes[end - 1]);
        let many: Vec<_> = ends.iter().map(|end| price(*end)).collect();
        let few = vec![price(3), price(last)];
        prop_assert_eq!(in_checks(condition, &closes, &many), in_checks(condition, &closes, &few));
    }
}
