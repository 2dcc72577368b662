//! Many checks of a rule against one watch over the same trades.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::alert::{Evidence, Past, Rule, Since, Tracker, Views};
use crate::expression::Expression;
use crate::model::{Exchange, Market, Origin, Price, Qty, Side, Ticker, Timestamp, Trade};

use super::*;

const MINUTE: i64 = 60_000_000_000;
/// Trades begin a while after the beginning of time, so that a day before them can be told.
const START: i64 = 10 * 24 * 60 * MINUTE;

fn market() -> Market {
    Market::new(Exchange::new("runs-test"), "BTC", "USD")
}

fn price(n: u32) -> Price {
    Price::from(rust_decimal::Decimal::from(n))
}

/// Trades at these pauses (seconds) and prices.
fn path(steps: &[(u32, u32)]) -> Vec<Trade> {
    let mut at = START;
    let trade = |(i, (pause, price_then)): (usize, &(u32, u32))| {
        at += i64::from(*pause) * 1_000_000_000;
        Trade {
            market: market(),
            id: i as u64 + 1,
            price: price(*price_then),
            size: Qty::from(rust_decimal::Decimal::ONE),
            side: Side::Buy,
            timestamp: Timestamp::from_nanos(at),
            received_at: Timestamp::from_nanos(at),
            origin: Origin::History,
            replayed: false,
            suspect: false,
        }
    };
    steps.iter().enumerate().map(trade).collect()
}

/// The exchange's ticker at a moment: exact where the rolling day is.
fn ticker(trades: &[Trade], now: i64) -> Option<Arc<Ticker>> {
    let day = trades
        .iter()
        .filter(|trade| trade.timestamp.nanos() > now - 24 * 60 * MINUTE);
    let last = trades.last()?;
    let prices: Vec<Price> = day.map(|trade| trade.price).collect();
    let now = Timestamp::from_nanos(now);
    Some(Arc::new(Ticker {
        price: Some(last.price),
        high_24h: Some(prices.iter().copied().max().unwrap_or(last.price)),
        low_24h: Some(prices.iter().copied().min().unwrap_or(last.price)),
        ..Ticker::empty(market(), now)
    }))
}

/// Firings as moment and price.
type Firings = Vec<(i64, Option<String>)>;

fn note(outcomes: &[crate::alert::Outcome], firings: &mut Firings) {
    let fired = outcomes.iter().filter(|outcome| outcome.verdict.is_fired());
    firings.extend(fired.map(|outcome| {
        let alert = &outcome.alert;
        (alert.timestamp.nanos(), alert.price.map(|p| p.to_string()))
    }));
}

/// Checks at these moments; each knows what the one before has written down, and asks the exchange for
/// trades only where the ticker leaves it open whether something has happened.
fn in_runs(rule: &Arc<Rule>, trades: &[Trade], moments: &[i64]) -> (Firings, usize) {
    let (mut memory, mut marks) = (String::new(), HashMap::<Market, crate::alert::Mark>::new());
    let (mut firings, mut replays) = (Firings::new(), 0);
    for &moment in moments {
        let now = Timestamp::from_nanos(moment);
        let so_far = &trades[..trades.partition_point(|trade| trade.timestamp <= now)];
        let Some(ticker) = ticker(so_far, moment) else {
            continue;
        };
        let mut tracker = Tracker::new(rule.clone(), market(), &|_| None).unwrap();
        if !memory.is_empty() {
            tracker.memory = serde_json::from_str(&memory).unwrap();
        }
        let mut evidence = Evidence {
            tickers: HashMap::from([(market(), ticker.clone())]),
            ..Evidence::default()
        };
        let steady = tracker.is_steady(&marks, &|_| Some(ticker.clone()), now);
        evidence.since = match (steady, marks.get(&market())) {
            (_, None) => Since::Nothing,
            (Some((condition, rearm)), _) => Since::Steady(condition, rearm),
            (None, Some(mark)) => {
                let is_new = |trade: &&Trade| !mark.covers(trade);
                let past = Past {
                    trades: so_far.iter().filter(is_new).copied().collect(),
                    uncovered: Vec::new(),
                    newest: so_far.last().copied(),
                    ..Past::default()
                };
                replays += 1;
                Since::Replayed(HashMap::from([(market(), Arc::new(past))]))
            }
        };
        let checked = tracker.check(std::mem::take(&mut marks), &evidence, now);
        note(&checked.outcomes, &mut firings);
        memory = serde_json::to_string(&tracker.memory).unwrap();
        marks = checked.marks;
    }
    (firings, replays)
}

/// One watch that has seen every trade since the first check, and ends with the last.
fn in_one(rule: &Arc<Rule>, trades: &[Trade], from: i64, to: i64) -> Firings {
    let mut tracker = Tracker::new(rule.clone(), market(), &|_| None).unwrap();
    let first = trades.partition_point(|trade| trade.timestamp.nanos() <= from);
    let last = trades.partition_point(|trade| trade.timestamp.nanos() <= to);
    let (mut views, mut firings, mut outcomes) = (Views::default(), Firings::new(), Vec::new());
    let begin = Timestamp::from_nanos(from);
    // It begins by looking at the price there is.
    views.seed_price(market(), trades[first - 1].price, begin);
    tracker.observe(&views, begin, begin, &mut outcomes);
    let end = Timestamp::from_nanos(to);
    tracker.replay(&mut views, &trades[first..last], end, &mut outcomes);
    tracker.pass(&views, end, end, &mut outcomes);
    note(&outcomes, &mut firings);
    firings
}

fn rules() -> impl Strategy<Value = Rule> {
    let conditions = prop_oneof![
        Just("price > 100"),
        Just("price <= 95 or price >= 105"),
        Just("not (price < 103)"),
        Just("price == 100"),
        Just("price * 2 > 206 and price < 110"),
    ];
    let rearm = prop_oneof![4 => Just(None), 1 => Just(Some("price < 99"))];
    let margin = prop_oneof![3 => Just(None), 1 => Just(Some("2")), 1 => Just(Some("3%"))];
    let seconds = |options: &'static [u64]| prop::sample::select(options);
    let policy = (
        seconds(&[0, 0, 0, 30, 400]),
        seconds(&[0, 0, 0, 20, 300]),
        seconds(&[0, 0, 2]),
    );
    (conditions, rearm, margin, policy).prop_map(|(condition, rearm, margin, policy)| {
        let (cooldown, hold, count) = policy;
        let some = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
        Rule {
            name: Some("runs".into()),
            condition: Expression::parse_condition(condition).unwrap(),
            rearm: rearm.map(|text| Expression::parse_condition(text).unwrap()),
            margin: margin.map(|text| text.parse().unwrap()),
            policy: Policy {
                cooldown: some(cooldown),
                hold: some(hold),
                max_fires: (count > 0).then_some(MaxFires {
                    count: count as u32,
                    within: Duration::from_secs(900),
                }),
            },
            message: None,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn checks_at_any_moments_fire_as_one_watch_does(
        rule in rules(),
        steps in prop::collection::vec((0u32..90, 92u32..109), 1..60),
        pauses in prop::collection::vec(1u32..600, 1..25),
    ) {
        let (rule, trades) = (Arc::new(rule), path(&steps));
        // Between the times of trades: which of two at one instant came first nobody can tell.
        let mut moment = trades[0].timestamp.nanos() + 500_000_000;
        let mut moments = vec![moment];
        for pause in pauses {
            moment += i64::from(pause) * 1_000_000_000;
            moments.push(moment);
        }
        let (firings, _) = in_runs(&rule, &trades, &moments);
        prop_assert_eq!(firings, in_one(&rule, &trades, moments[0], moment));
    }
}

#[test]
fn a_price_far_from_its_threshold_is_not_replayed() {
    let rule = |condition: &str| {
        Arc::new(Rule {
            name: Some("far".into()),
            condition: Expression::parse_condition(condition).unwrap(),
            rearm: None,
            margin: None,
            policy: Policy::default(),
            message: None,
        })
    };
    let steps: Vec<_> = (0..50).map(|i| (30, 95 + i % 7)).collect();
    let trades = path(&steps);
    let first = trades[0].timestamp.nanos();
    let moments: Vec<_> = (0..20).map(|i| first + 1 + i * MINUTE).collect();
    let (far, near) = (rule("price > 200"), rule("price > 100"));
    assert_eq!(in_runs(&far, &trades, &moments), (vec![], 0));
    let (firings, replays) = in_runs(&near, &trades, &moments);
    assert!(!firings.is_empty() && replays > 0);
}

#[test]
fn a_hold_that_ended_between_two_checks_shows_the_price_of_its_end() {
    let rule = Arc::new(Rule {
        name: Some("held".into()),
        condition: Expression::parse_condition("price > 100").unwrap(),
        rearm: None,
        margin: None,
        policy: Policy {
            hold: Some(Duration::from_secs(20)),
            ..Policy::default()
        },
        message: None,
    });
    // Over all prices of the day the condition holds, and still it is not enough to look at the newest.
    let trades = path(&[(0, 104), (30, 105)]);
    let first = trades[0].timestamp.nanos() + 500_000_000;
    let (firings, _) = in_runs(&rule, &trades, &[first, first + MINUTE]);
    assert_eq!(firings, [(first + MINUTE / 3, Some("104".into()))]);
}
