//! Candles where the trades between two checks are not to be had.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::alert::{Checked, Evidence, Mark, Past, Rule, Since, Tracker};
use crate::expression::Expression;
use crate::model::{
    Candle, Exchange, Interval, Market, Origin, Price, Qty, Side, Timestamp, Trade,
};

use super::*;

const SECOND: i64 = 1_000_000_000;
/// A full hour.
const START: i64 = 1_000_000 * 3_600;

fn market() -> Market {
    Market::new(Exchange::new("bars-test"), "BTC", "USD")
}

/// Seconds after the start.
fn seconds(n: i64) -> Timestamp {
    at((START + n) * SECOND)
}

fn price(n: u32) -> Price {
    Price::from(rust_decimal::Decimal::from(n))
}

/// The minute after so many minutes, with open, high, low and close.
fn minute(n: i64, prices: [u32; 4]) -> Candle {
    minute_of(market(), n, prices)
}

fn minute_of(market: Market, n: i64, prices: [u32; 4]) -> Candle {
    let [open, high, low, close] = prices.map(price);
    Candle {
        market,
        interval: Interval::M1,
        open_time: seconds(60 * n),
        open,
        high,
        low,
        close,
        volume: Qty::from(rust_decimal::Decimal::ONE),
        quote_volume: None,
        trades: None,
        closed: true,
        complete: true,
        origin: Origin::History,
        timestamp: None,
        received_at: seconds(60 * n + 60),
    }
}

fn trade(id: u64, at: i64, price_then: u32) -> Trade {
    Trade {
        market: market(),
        id,
        price: price(price_then),
        size: Qty::from(rust_decimal::Decimal::ONE),
        side: Side::Buy,
        timestamp: seconds(at),
        received_at: seconds(at),
        origin: Origin::History,
        replayed: false,
        suspect: false,
    }
}

fn rule(condition: &str) -> Rule {
    Rule {
        name: Some("bars".into()),
        condition: Expression::parse_condition(condition).unwrap(),
        rearm: None,
        margin: None,
        policy: Policy::default(),
        message: None,
    }
}

fn tracker(rule: Rule) -> Tracker {
    Tracker::new(Arc::new(rule), market(), &|_| None).unwrap()
}

fn mark(at: i64, price_then: u32) -> Mark {
    Mark {
        id: None,
        time: seconds(at),
        price: Some(price(price_then)),
    }
}

/// A past without trades from a mark until now, in which these are all candles.
fn covered(mark: &Mark, candles: &[Candle], now: i64) -> Past {
    let now = seconds(now);
    let mut past = Past {
        uncovered: vec![(mark.time, now)],
        ..Past::default()
    };
    past.cover(candles, &[(seconds(-86_400), now)], now);
    past
}

fn check(tracker: &mut Tracker, mark: Mark, past: Past, now: i64) -> Checked {
    let evidence = Evidence {
        since: Since::Replayed(HashMap::from([(market(), Arc::new(past))])),
        ..Evidence::default()
    };
    tracker.check(HashMap::from([(market(), mark)]), &evidence, seconds(now))
}

/// Seconds and price of each firing of a rule whose market was at 90 just before these minutes.
fn firings(rule: Rule, minutes: &[[u32; 4]]) -> Vec<(i64, u32)> {
    firings_from(&mut tracker(rule), 90, minutes)
}

fn firings_from(tracker: &mut Tracker, before: u32, minutes: &[[u32; 4]]) -> Vec<(i64, u32)> {
    let candles = minutes.iter().enumerate();
    let candles: Vec<_> = candles
        .map(|(n, prices)| minute(n as i64, *prices))
        .collect();
    let (mark, now) = (mark(0, before), 60 * candles.len() as i64);
    let past = covered(&mark, &candles, now);
    assert_eq!(tracker.uncovered(market(), &past, Some(&mark)), []);
    told(&check(tracker, mark, past, now))
}

fn told(checked: &Checked) -> Vec<(i64, u32)> {
    let fired = checked.outcomes.iter().filter(|o| o.verdict.is_fired());
    let told = fired.map(|outcome| {
        let alert = &outcome.alert;
        let price = alert.price.unwrap().to_string().parse().unwrap();
        (alert.timestamp.nanos() / SECOND - START, price)
    });
    told.collect()
}

/// A rule that has fired, and whose condition has held since.
fn disarmed(rule: Rule) -> Tracker {
    let mut tracker = tracker(rule);
    let policy = Policy::default();
    let verdict = (tracker.memory).observe(&policy, seconds(-60), Truth::True, Truth::False);
    assert!(verdict.is_some() && !tracker.memory.is_armed());
    tracker
}

#[test]
fn what_is_true_at_a_high_or_a_low_fires_once_at_the_end_of_the_bar() {
    let high = [[90, 105, 88, 91], [91, 92, 90, 91]];
    assert_eq!(firings(rule("price > 100"), &high), [(60, 105)]);
    let low = [[90, 95, 70, 91], [91, 92, 79, 91]];
    assert_eq!(firings(rule("price < 80"), &low), [(60, 70), (120, 79)]);
    assert_eq!(firings(rule("price > 105"), &high), []);
}

#[test]
fn of_two_extremes_the_one_further_from_the_price_before_is_told_and_without_one_close_or_open() {
    let either = "price <= 80 or price >= 100";
    assert_eq!(firings(rule(either), &[[90, 101, 75, 90]]), [(60, 75)]);
    assert_eq!(firings(rule(either), &[[90, 110, 75, 90]]), [(60, 110)]);
    assert_eq!(
        firings(rule("price == 93"), &[[90, 99, 85, 93]]),
        [(60, 93)]
    );
    assert_eq!(
        firings(rule("price == 93"), &[[93, 99, 85, 90]]),
        [(60, 93)]
    );
}

#[test]
fn a_firing_out_of_candles_says_how_long_they_are_and_one_out_of_trades_does_not() {
    let mark = mark(0, 90);
    let mut past = Past {
        trades: vec![trade(9, 125, 90), trade(10, 126, 101)],
        uncovered: vec![(seconds(0), seconds(125))],
        newest: Some(trade(10, 126, 101)),
        ..Past::default()
    };
    let candles = [minute(0, [90, 105, 88, 91]), minute(2, [90, 101, 90, 101])];
    past.cover(&candles, &[(seconds(0), seconds(180))], seconds(130));
    let checked = check(&mut tracker(rule("price > 100")), mark, past, 130);
    assert_eq!(told(&checked), [(60, 105), (126, 101)]);
    let json = checked.outcomes[0].alert.json();
    assert!(
        json.contains(r#""values":{"price":105,"resolution":"1m"}"#),
        "{json}"
    );
    assert!(!checked.outcomes[1].alert.json().contains("resolution"));
    assert_eq!(checked.marks[&market()].id, Some(10));
}

#[test]
fn a_disarmed_rule_fires_again_only_where_it_was_surely_false_and_ends_true() {
    let condition = || disarmed(rule("price > 100"));
    let fired = |minutes: &[[u32; 4]]| firings_from(&mut condition(), 110, minutes);
    assert_eq!(fired(&[[110, 120, 105, 115]]), []);
    assert_eq!(fired(&[[110, 120, 95, 104]]), [(60, 120)]);
    // Whether it was true again before the end nobody can tell.
    assert_eq!(fired(&[[110, 120, 95, 99]]), []);
    assert_eq!(
        fired(&[[110, 120, 95, 99], [99, 101, 99, 99]]),
        [(120, 101)]
    );
}

#[test]
fn hysteresis_rearm_cooldown_and_max_fires_work_with_the_times_of_bars() {
    let spikes = [[90, 105, 88, 91]; 6];
    let margin = Rule {
        margin: Some("12".parse().unwrap()),
        ..rule("price > 100")
    };
    // The closes at 91 do not arm it. The low at 88 does where no firing is told of the same bar.
    assert_eq!(
        firings(margin.clone(), &spikes),
        [(60, 105), (180, 105), (300, 105)]
    );
    let mut armed_by_low = disarmed(margin);
    let path = [[110, 111, 88, 95], [95, 101, 95, 95]];
    assert_eq!(firings_from(&mut armed_by_low, 110, &path), [(120, 101)]);
    let cooled = Rule {
        policy: Policy {
            cooldown: Some(Duration::from_secs(150)),
            ..Policy::default()
        },
        ..rule("price > 100")
    };
    assert_eq!(firings(cooled, &spikes), [(60, 105), (240, 105)]);
    let limited = Rule {
        policy: Policy {
            max_fires: Some(MaxFires {
                count: 2,
                within: Duration::from_secs(240),
            }),
            ..Policy::default()
        },
        ..rule("price > 100")
    };
    assert_eq!(
        firings(limited, &spikes),
        [(60, 105), (120, 105), (300, 105), (360, 105)]
    );
}

fn held(condition: &str, hold: u64) -> Rule {
    Rule {
        policy: Policy {
            hold: Some(Duration::from_secs(hold)),
            ..Policy::default()
        },
        ..rule(condition)
    }
}

#[test]
fn a_hold_goes_on_over_bars_that_are_true_at_all_four_prices_and_fires_inside_of_one() {
    let path = [
        [90, 105, 88, 101],
        [101, 110, 101, 105],
        [106, 110, 101, 105],
    ];
    // It has held for sure since the end of the first.
    assert_eq!(firings(held("price > 100", 90), &path), [(150, 106)]);
    let broken = [
        [90, 105, 88, 101],
        [101, 110, 99, 105],
        [106, 110, 101, 105],
    ];
    assert_eq!(firings(held("price > 100", 90), &broken), []);
    assert_eq!(firings(held("price > 100", 60), &broken), [(180, 106)]);
    // A minute without trades does not break it.
    let candles = [minute(0, [90, 105, 88, 101]), minute(4, [99, 99, 99, 99])];
    let mark = mark(0, 90);
    let past = covered(&mark, &candles, 300);
    let checked = check(&mut tracker(held("price > 100", 90)), mark, past, 300);
    assert_eq!(told(&checked), [(150, 101)]);
}

#[test]
fn of_the_bar_in_which_the_last_check_lies_only_the_close_counts() {
    for (prices, fired) in [
        ([90, 105, 88, 91], vec![]),
        ([90, 105, 88, 101], vec![(60, 101)]),
    ] {
        let mark = mark(30, 90);
        let past = covered(&mark, &[minute(0, prices)], 60);
        let checked = check(&mut tracker(rule("price > 100")), mark, past, 60);
        assert_eq!(told(&checked), fired);
    }
}

#[test]
fn before_the_first_known_trade_only_what_no_known_trade_explains_counts() {
    for (high, fired) in [(105, vec![(90, 105), (110, 103)]), (103, vec![(110, 103)])] {
        let mark = mark(0, 90);
        let trades = vec![trade(7, 90, 95), trade(8, 110, 103)];
        let mut past = Past {
            newest: trades.last().copied(),
            trades,
            uncovered: vec![(seconds(0), seconds(90))],
            ..Past::default()
        };
        let candles = [minute(0, [90, 91, 88, 91]), minute(1, [91, high, 90, 103])];
        past.cover(&candles, &[(seconds(0), seconds(120))], seconds(115));
        let checked = check(&mut tracker(rule("price > 100")), mark, past, 115);
        assert_eq!(told(&checked), fired);
    }
}

#[test]
fn where_check_and_first_trade_lie_in_one_bar_what_no_trade_explains_is_not_known() {
    for (high, uncovered) in [(105, vec![(seconds(20), seconds(40))]), (95, vec![])] {
        let mark = mark(20, 90);
        let mut past = Past {
            trades: vec![trade(7, 40, 95), trade(8, 41, 89)],
            uncovered: vec![(seconds(20), seconds(40))],
            ..Past::default()
        };
        past.cover(
            &[minute(0, [90, high, 89, 89])],
            &[(seconds(0), seconds(60))],
            seconds(45),
        );
        let mut tracker = tracker(rule("price > 100"));
        assert_eq!(tracker.uncovered(market(), &past, Some(&mark)), uncovered);
        assert_eq!(told(&check(&mut tracker, mark, past.clone(), 45)), []);
        // A rule that has seen all before that minute knows that it was in the hole.
        let early = self::mark(-5, 90);
        assert_eq!(tracker.uncovered(market(), &past, Some(&early)), []);
    }
}

#[test]
fn what_neither_trades_nor_candles_tell_stays_uncovered_and_breaks_a_hold() {
    let incomplete = Candle {
        complete: false,
        ..minute(2, [101, 101, 101, 101])
    };
    let candles = [minute(0, [101; 4]), minute(1, [101; 4]), incomplete];
    let mut past = Past {
        uncovered: vec![(seconds(0), seconds(300))],
        ..Past::default()
    };
    past.cover(&candles, &[(seconds(60), seconds(240))], seconds(300));
    let left = [(0, 60), (120, 180), (240, 300)];
    assert_eq!(past.uncovered, left.map(|(a, b)| (seconds(a), seconds(b))));
    let mark = mark(0, 101);
    let mut tracker = tracker(held("price > 100", 100));
    check(&mut tracker, mark, past, 130);
    assert_eq!(tracker.memory.due(&tracker.rule.policy), None);
}

#[test]
fn a_rule_that_reads_the_size_of_trades_learns_nothing_from_candles() {
    let mark = mark(0, 90);
    let past = covered(&mark, &[minute(0, [90, 105, 88, 91])], 60);
    let tracker = tracker(rule("price > 100 and size > 2"));
    let uncovered = tracker.uncovered(market(), &past, Some(&mark));
    assert_eq!(uncovered, [(seconds(0), seconds(60))]);
}

#[test]
fn candles_of_two_markets_meet_at_their_ends() {
    let other = Market::new(Exchange::new("bars-test"), "ETH", "USD");
    let both = rule("price > 100 and ETH/USD.price > 10");
    let mut tracker = Tracker::new(Arc::new(both), market(), &|_| Some(other)).unwrap();
    let candles = [
        minute(0, [90, 105, 90, 90]),
        minute(1, [101, 102, 101, 101]),
    ];
    let others = [[5, 12, 5, 5], [5, 9, 5, 9], [9, 11, 9, 11]];
    let others = others.iter().enumerate();
    let others: Vec<_> = others
        .map(|(n, prices)| minute_of(other, n as i64, *prices))
        .collect();
    let marks = HashMap::from([(market(), mark(0, 90)), (other, mark(0, 5))]);
    let pasts = HashMap::from([
        (market(), Arc::new(covered(&mark(0, 90), &candles, 180))),
        (other, Arc::new(covered(&mark(0, 5), &others, 180))),
    ]);
    let evidence = Evidence {
        since: Since::Replayed(pasts),
        ..Evidence::default()
    };
    let checked = tracker.check(marks, &evidence, seconds(180));
    // In the first minute each was there once, but at the close of the other neither.
    assert_eq!(told(&checked), [(180, 101)]);
    assert_eq!(checked.marks[&other].price, Some(price(11)));
}

#[test]
fn the_next_check_goes_on_after_the_newest_candle_also_inside_of_a_forming_one() {
    let forming = Candle {
        closed: false,
        timestamp: Some(seconds(75)),
        ..minute(1, [91, 104, 91, 92])
    };
    let first = mark(0, 90);
    let past = covered(&first, &[minute(0, [90, 91, 88, 91]), forming], 80);
    let mut tracker = tracker(rule("price > 100"));
    let checked = check(&mut tracker, first, past, 80);
    assert_eq!(told(&checked), [(80, 104)]);
    let mark = checked.marks[&market()];
    assert_eq!((mark.time, mark.price), (seconds(75), Some(price(92))));
    // The same minute as a whole: its high has been judged.
    let past = covered(&mark, &[minute(1, [91, 104, 91, 95])], 120);
    let checked = check(&mut tracker, mark, past, 120);
    assert_eq!((told(&checked), checked.truth), (vec![], Truth::False));
}

fn prices() -> impl Strategy<Value = [u32; 4]> {
    (90..110u32, 90..110u32, 0..8u32, 0..8u32).prop_map(|(open, close, above, below)| {
        [
            open,
            open.max(close) + above,
            open.min(close) - below,
            close,
        ]
    })
}

fn policies() -> impl Strategy<Value = (Option<&'static str>, Option<&'static str>, Policy)> {
    let some = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
    let lengths = |of: &'static [u64]| prop::sample::select(of);
    (
        prop_oneof![4 => Just(None), 1 => Just(Some("price < 99"))],
        prop_oneof![3 => Just(None), 1 => Just(Some("2")), 1 => Just(Some("3%"))],
        lengths(&[0, 0, 90, 400]),
        lengths(&[0, 0, 0, 30, 60, 200]),
        prop::option::of(Just(MaxFires {
            count: 2,
            within: Duration::from_secs(900),
        })),
    )
        .prop_map(move |(rearm, margin, cooldown, hold, max_fires)| {
            let policy = Policy {
                cooldown: some(cooldown),
                hold: some(hold),
                max_fires,
            };
            (rearm, margin, policy)
        })
}

fn rules(conditions: &'static [&'static str]) -> impl Strategy<Value = Rule> {
    let conditions = prop::sample::select(conditions);
    (conditions, policies()).prop_map(|(condition, (rearm, margin, policy))| Rule {
        rearm: rearm.map(|text| Expression::parse_condition(text).unwrap()),
        margin: margin.map(|text| text.parse().unwrap()),
        policy,
        ..rule(condition)
    })
}

/// Minutes, some without trades, and what was told of them where checks end at these minutes.
fn in_checks(rule: &Rule, minutes: &[Option<[u32; 4]>], ends: &[usize]) -> Vec<(i64, u32)> {
    let (mut known, mut firings) = (mark(0, 90), Vec::new());
    let mut memory = serde_json::to_string(&Memory::default()).unwrap();
    for end in ends {
        let candles = minutes[..*end].iter().enumerate();
        let candles = candles.filter_map(|(n, prices)| Some(minute(n as i64, (*prices)?)));
        let candles: Vec<_> = candles.filter(|c| c.close_time() > known.time).collect();
        let mut tracker = tracker(rule.clone());
        tracker.memory = serde_json::from_str(&memory).unwrap();
        let now = 60 * *end as i64;
        let past = covered(&known, &candles, now);
        let checked = check(&mut tracker, known, past, now);
        firings.extend(told(&checked));
        known = checked.marks[&market()];
        memory = serde_json::to_string(&tracker.memory).unwrap();
    }
    firings
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn checks_that_end_with_any_bars_fire_as_one_over_all_of_them_does(
        rule in rules(&[
            "price > 100", "price <= 95 or price >= 105", "price == 100", "price * 2 > 206 and price < 110",
        ]),
        minutes in prop::collection::vec(prop::option::weighted(0.8, prices()), 1..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(minutes.len()) + 1).collect();
        ends.push(minutes.len());
        ends.sort();
        ends.dedup();
        let whole = in_checks(&rule, &minutes, &[minutes.len()]);
        prop_assert_eq!(in_checks(&rule, &minutes, &ends), whole);
    }

    #[test]
    fn a_bar_fires_once_at_most_and_never_where_the_condition_is_false_at_all_of_its_prices(
        (above, mut rule) in (any::<bool>(), rules(&["price > 100"])),
        minutes in prop::collection::vec(prices(), 1..40),
    ) {
        if !above {
            rule.condition = Expression::parse_condition("price < 100").unwrap();
        }
        rule.policy.hold = None;
        let told = firings(rule, &minutes);
        for pair in told.windows(2) {
            prop_assert!(pair[0].0 < pair[1].0, "{told:?}");
        }
        for (at, price) in told {
            let bar = minutes[at as usize / 60 - 1];
            let holds = |price: u32| if above { price > 100 } else { price < 100 };
            prop_assert!(bar.iter().any(|price| holds(*price)) && holds(price), "{at} {price}");
        }
    }

    #[test]
    fn bars_of_one_trade_each_fire_as_these_trades_do(
        mut rule in rules(&["price > 100", "price <= 95 or price >= 105", "price == 100"]),
        prices in prop::collection::vec(90..110u32, 1..40),
    ) {
        // In a bar the moment of the trade is not known, so a hold begins at its end.
        rule.policy = Policy { hold: None, ..rule.policy };
        let minutes: Vec<_> = prices.iter().map(|price| [*price; 4]).collect();
        let trades = prices.iter().enumerate();
        let trades: Vec<_> = trades
            .map(|(n, price)| trade(n as u64 + 1, 60 * n as i64 + 60, *price))
            .collect();
        let past = Past { newest: trades.last().copied(), trades, ..Past::default() };
        let end = 60 * prices.len() as i64;
        let by_trades = check(&mut tracker(rule.clone()), mark(0, 90), past, end);
        prop_assert_eq!(firings(rule, &minutes), told(&by_trades));
    }
}
