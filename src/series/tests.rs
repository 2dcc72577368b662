use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{Exchange, Gap, GapState, Price, Stream, parse_decimal};

fn market(base: &str) -> Market {
    Market::new(Exchange::new("series"), base, "USD")
}

fn minute(number: i64) -> Timestamp {
    Timestamp::from_nanos(number * Interval::M1.nanos())
}

/// A closed candle of a minute.
fn candle(number: i64, close: &str) -> Candle {
    let close: Price = close.parse().unwrap();
    Candle {
        market: market("A"),
        interval: Interval::M1,
        open_time: minute(number),
        open: close,
        high: close,
        low: close,
        close,
        volume: "1".parse().unwrap(),
        quote_volume: None,
        trades: None,
        closed: true,
        complete: true,
        origin: Origin::Stream,
        timestamp: None,
        received_at: minute(number + 1),
    }
}

fn forming(number: i64, close: &str) -> Candle {
    Candle {
        closed: false,
        ..candle(number, close)
    }
}

fn rule(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn function(text: &str) -> Function {
    let rule = rule(text);
    rule.operands()[0].function().expect("a function")
}

/// Over the market A, and others by their base.
fn series(text: &str) -> Series {
    let mut series = Series::new(Interval::M1);
    series.require(&rule(text), &|of| match of {
        Reference::Own => Some(market("A")),
        Reference::Other { symbol, .. } if symbol == "UNKNOWN/USD" => None,
        Reference::Other { symbol, .. } => Some(market(symbol.split('/').next()?)),
    });
    series
}

fn value(series: &Series, text: &str, at: Timestamp) -> Option<String> {
    match series.value(market("A"), &function(text), at) {
        Value::Number(value) => Some(value.normalize().to_string()),
        Value::Null => None,
        other => panic!("{other:?}"),
    }
}

fn known(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn the_forming_candle_counts_and_what_follows_takes_its_place() {
    let mut series = series("sma(2)");
    let mut told = |candle: Candle| {
        series.on_candle(&candle);
        value(&series, "sma(2)", candle.open_time)
    };
    assert_eq!(told(candle(0, "10")), None, "warming up");
    assert_eq!(told(forming(1, "20")), known("15"));
    assert_eq!(told(forming(1, "12")), known("11"));
    assert_eq!(told(candle(1, "14")), known("12"));
    assert_eq!(told(forming(1, "99")), known("12"), "closed is closed");
    assert_eq!(told(candle(0, "99")), known("12"), "out of order");
    assert_eq!(told(forming(5, "16")), known("15"), "nothing was traded");
}

#[test]
fn every_function_runs_once_however_many_ask_for_it() {
    let mut series =
        series("sma(2) > 1 and sma(2, 1m) > 2 and ETH/USD.sma(2) > 1 and sma(2, 1h) > 1");
    series.require(&rule("sma(2) < 50 or rsi(14, 1h) < 2"), &|_| {
        Some(market("A"))
    });
    let runs = |base: &str, interval| series.lanes[&(market(base), interval)].runs.len();
    assert_eq!(runs("A", Interval::M1), 1);
    assert_eq!(runs("A", Interval::H1), 2);
    assert_eq!(runs("ETH", Interval::M1), 1);
    let rsi = function("rsi(14)").candles();
    let (a, eth) = (market("A"), market("ETH"));
    let mut needs = vec![
        (a, Interval::M1, 2),
        (a, Interval::H1, rsi),
        (eth, Interval::M1, 2),
    ];
    needs.sort_by_key(|(market, interval, _)| (market.index(), *interval));
    assert_eq!(series.needs(), needs);
}

#[test]
fn markets_and_intervals_do_not_mix() {
    let mut series = series("sma(1) > ETH/USD.sma(1) and sma(1, 1h) > UNKNOWN/USD.sma(1)");
    series.on_candle(&candle(0, "10"));
    series.on_candle(&Candle {
        market: market("ETH"),
        ..candle(0, "20")
    });
    series.on_candle(&Candle {
        interval: Interval::M5,
        ..candle(0, "30")
    });
    let at = minute(0);
    assert_eq!(value(&series, "sma(1)", at), known("10"));
    assert_eq!(value(&series, "sma(1, 1m)", at), known("10"));
    assert_eq!(value(&series, "sma(1, 1h)", at), None);
    assert_eq!(value(&series, "sma(1, 5m)", at), None, "nobody asked");
    assert_eq!(value(&series, "sma(2)", at), None, "nobody asked");
    let eth = series.value(market("ETH"), &function("sma(1)"), at);
    assert_eq!(eth, Value::Number(20.into()));
    assert_eq!(series.needs().len(), 3);
}

#[test]
fn what_never_forgets_its_seed_waits_until_that_does_not_matter() {
    let needs = function("rsi(14)").candles() as i64;
    let closes = ["10", "11", "10.5"];
    let close = |number: i64| closes[number as usize % 3];
    let mut series = series("rsi(14)");
    for number in 0..needs - 1 {
        series.on_candle(&candle(number, close(number)));
        assert_eq!(value(&series, "rsi(14)", minute(number)), None, "{number}");
    }
    series.on_candle(&candle(needs - 1, close(needs - 1)));
    assert!(value(&series, "rsi(14)", minute(needs - 1)).is_some());
}

#[test]
fn where_there_is_nothing_earlier_the_least_is_enough_until_the_next_hole() {
    let mut series = series("rsi(3)");
    series.on_beginning(market("A"), Interval::M1);
    let told = |series: &mut Series, number: i64| {
        series.on_candle(&candle(number, ["10", "11"][number as usize % 2]));
        value(series, "rsi(3)", minute(number)).is_some()
    };
    let first = (0..5).map(|number| told(&mut series, number));
    assert_eq!(first.collect::<Vec<_>>(), [false, false, false, true, true]);
    series.on_gap(market("A"), Interval::M1);
    assert!((5..20).all(|number| !told(&mut series, number)));
}

fn told(series: &mut Series, candle: Candle) {
    series.on_event(&Event::Candle(Arc::new(candle)));
}

fn past(number: i64) -> Candle {
    Candle {
        origin: Origin::History,
        ..candle(number, ["10", "11"][number as usize % 2])
    }
}

fn lost(reason: GapReason, state: GapState) -> Event {
    Event::Gap(Arc::new(Gap {
        market: market("A"),
        stream: Stream::Candles(Interval::M1),
        from_id: None,
        to_id: None,
        from: Some(minute(0)),
        to: Some(minute(1)),
        missing: Some(1),
        recovered: 0,
        state,
        reason,
    }))
}

#[test]
fn what_of_the_past_has_not_come_before_the_first_live_candle_does_not_exist() {
    let is_known = |series: &Series| value(series, "rsi(3)", minute(5)).is_some();
    let mut series = series("rsi(3)");
    (0..5).for_each(|number| told(&mut series, past(number)));
    assert!(!is_known(&series), "more of the past may come");
    told(&mut series, forming(5, "12"));
    assert!(is_known(&series));

    series.on_event(&lost(GapReason::Reconnect, GapState::Repaired));
    assert!(is_known(&series), "nothing is missing");
    series.on_event(&lost(GapReason::Reconnect, GapState::Unrepairable));
    (6..11).for_each(|number| told(&mut series, candle(number, "13")));
    assert!(!is_known(&series), "there was something before the hole");
    series.on_event(&lost(GapReason::SourceLimit, GapState::Unrepairable));
    (11..16).for_each(|number| told(&mut series, candle(number, "13")));
    assert!(is_known(&series), "nobody tells what was before");
}

#[test]
fn a_past_that_is_told_anew_counts_and_one_that_is_not_told_is_waited_for() {
    let is_known = |series: &Series| value(series, "rsi(3)", minute(20)).is_some();
    let mut series = series("rsi(3)");
    series.begin_midway(market("A"), Interval::M1);
    (0..5).for_each(|number| told(&mut series, candle(number, "10")));
    assert!(!is_known(&series), "there were others before");
    series.restart(market("A"), Interval::H1);
    series.restart(market("A"), Interval::M1);
    (0..5).for_each(|number| told(&mut series, past(number)));
    assert!(!is_known(&series));
    told(&mut series, candle(5, "12"));
    assert!(is_known(&series));
}

#[test]
fn after_a_hole_everything_over_it_warms_up_anew() {
    let mut series = series("sma(2) > 1 and sma(1, 1h) > 1 and pct_change(1m) > 1");
    series.on_candle(&Candle {
        interval: Interval::H1,
        ..candle(0, "7")
    });
    for number in 0..3 {
        series.on_candle(&candle(number, "10"));
    }
    series.on_gap(market("A"), Interval::M1);
    let (at, at_next) = (minute(3), minute(4));
    for text in ["sma(2)", "pct_change(1m)"] {
        assert_eq!(value(&series, text, at), None, "{text}");
    }
    assert_eq!(value(&series, "sma(1, 1h)", at), known("7"));
    series.on_candle(&candle(3, "20"));
    assert_eq!(value(&series, "sma(2)", at), None);
    series.on_candle(&candle(4, "30"));
    assert_eq!(value(&series, "sma(2)", at_next), known("25"));
    assert_eq!(value(&series, "pct_change(1m)", minute(5)), known("50"));
}

#[test]
fn a_change_is_measured_from_the_last_close_of_then() {
    let mut series = series("pct_change(3m)");
    let text = "pct_change(3m)";
    for (number, close) in [(0, "100"), (1, "200"), (2, "300")] {
        series.on_candle(&candle(number, close));
    }
    let later = |minutes: i64, seconds: i64| minute(minutes).plus_nanos(seconds * 1_000_000_000);
    assert_eq!(value(&series, text, later(3, 59)), None, "before the first");
    series.on_candle(&forming(4, "110"));
    assert_eq!(value(&series, text, later(4, 0)), known("10"));
    assert_eq!(value(&series, text, later(4, 59)), known("10"));
    // Nothing was traded in minute 3: the close of minute 2 stays the last.
    assert_eq!(value(&series, text, later(5, 0)), known("-45"));
    series.on_candle(&candle(4, "90"));
    assert_eq!(value(&series, text, later(5, 0)), known("-55"));
    assert_eq!(value(&series, text, later(5, 59)), known("-55"));
    assert_eq!(value(&series, text, later(7, 0)), known("-70"));
}

#[test]
fn a_change_is_rounded_like_that_of_a_day() {
    let mut series = series("pct_change(1m)");
    for (number, close, change) in [
        (1, "3", None),
        (2, "4", Some("33.3333")),
        (3, "2", Some("-50")),
        // Half of the last place goes to the even one.
        (4, "2.00000100", Some("0")),
        (5, "200", Some("9899.995")),
        (6, "200.0003", Some("0.0002")),
        (7, "0", Some("-100")),
        (8, "5", None),
    ] {
        series.on_candle(&candle(number, close));
        let told = value(&series, "pct_change(1m)", minute(number + 1));
        assert_eq!(told.as_deref(), change, "{close}");
    }
}

#[test]
fn closes_are_kept_for_the_longest_change_and_no_longer() {
    let mut series = series("pct_change(5m) > 1 or pct_change(2h) > 1");
    for number in 0..1_000 {
        series.on_candle(&candle(number, &(1_000 + number).to_string()));
    }
    let closes = series.lanes[&(market("A"), Interval::M1)].closes.as_ref();
    assert_eq!(closes.unwrap().len(), 2 * 60 + 2);
    let expected = ratio_of(1_999 - 1_879, 1_879);
    assert_eq!(value(&series, "pct_change(2h)", minute(1_000)), expected);
}

fn ratio_of(part: i64, whole: i64) -> Option<String> {
    let ratio = crate::model::ratio(part.into(), whole.into(), 100)?;
    Some(ratio.normalize().to_string())
}

#[test]
fn one_that_is_asked_for_later_begins_with_the_next_candle() {
    let mut series = series("sma(1)");
    series.on_beginning(market("A"), Interval::M1);
    series.on_candle(&candle(0, "10"));
    series.on_candle(&forming(1, "20"));
    series.require(&rule("sma(2) > 1 or rsi(2) > 1"), &|_| Some(market("A")));
    series.on_candle(&candle(1, "30"));
    assert_eq!(value(&series, "sma(2)", minute(1)), None);
    series.on_candle(&candle(2, "40"));
    series.on_candle(&candle(3, "50"));
    assert_eq!(value(&series, "sma(2)", minute(3)), known("45"));
    assert_eq!(
        value(&series, "rsi(2)", minute(3)),
        None,
        "it was there later"
    );
}

const TEXTS: [&str; 6] = [
    "sma(3)",
    "highest(4)",
    "bb_upper(5, 2)",
    "vwap(2)",
    "ema(2)",
    "pct_change(3m)",
];

/// Minutes that are skipped, the closes that a candle shows while it forms, and the last of them.
fn histories() -> impl Strategy<Value = Vec<(i64, Vec<u32>, u32)>> {
    let close = 1u32..100_000;
    let forming = prop::collection::vec(close.clone(), 0..3);
    prop::collection::vec((1i64..4, forming, close), 1..40)
}

proptest! {
    #[test]
    fn what_is_computed_on_the_way_is_what_is_computed_from_the_end(history in histories(), ends_forming: bool) {
        let all = TEXTS.map(|text| format!("{text} > 0")).join(" and ");
        let (mut live, mut whole) = (series(&all), series(&all));
        for series in [&mut live, &mut whole] {
            series.on_beginning(market("A"), Interval::M1);
        }
        let close = |cents: u32| parse_decimal(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap().to_string();
        let mut number = 0;
        for (place, (skipped, forming_closes, last)) in history.iter().enumerate() {
            number += skipped;
            for cents in forming_closes {
                live.on_candle(&forming(number, &close(*cents)));
            }
            let is_forming = ends_forming && place + 1 == history.len();
            let newest = Candle { closed: !is_forming, ..candle(number, &close(*last)) };
            live.on_candle(&newest);
            whole.on_candle(&newest);
        }
        for at in [minute(number), minute(number + 1)] {
            for text in TEXTS {
                prop_assert_eq!(value(&live, text, at), value(&whole, text, at), "{}", text);
            }
        }
    }
}
