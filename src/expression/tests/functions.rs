//! Functions over candles: how they are written, what they need, and when two values cross.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::indicator::Indicator;
use crate::model::Interval;

fn functions(text: &str) -> Vec<Function> {
    let expression = expression(text);
    let operands = expression.operands().iter();
    operands.filter_map(Operand::function).collect()
}

#[test]
fn every_function_is_read_with_and_without_its_interval() {
    let two = Decimal::TWO;
    for (text, indicator) in [
        ("sma(20)", Indicator::Sma(20)),
        ("ema(20)", Indicator::Ema(20)),
        ("rsi(14)", Indicator::Rsi(14)),
        ("macd(12, 26, 9)", Indicator::Macd(12, 26, 9)),
        ("macd_signal(12,26,9)", Indicator::MacdSignal(12, 26, 9)),
        ("bb_upper(20, 2)", Indicator::BbUpper(20, two)),
        ("bb_middle(20, 2)", Indicator::BbMiddle(20, two)),
        ("bb_lower(20, 2.0)", Indicator::BbLower(20, two)),
        ("atr(14)", Indicator::Atr(14)),
        ("vwap(1)", Indicator::Vwap(1)),
        ("highest(10_000)", Indicator::Highest(10_000)),
        ("lowest(5)", Indicator::Lowest(5)),
    ] {
        assert_eq!(
            functions(text),
            [Function::Indicator(indicator, None)],
            "{text}"
        );
        assert_eq!(expression(text).kind(), Kind::Number, "{text}");
        let with_interval = text.replace(')', ", 1h)");
        let hourly = Function::Indicator(indicator, Some(Interval::H1));
        assert_eq!(functions(&with_interval), [hourly], "{with_interval}");
        let foreign = expression(&format!("kraken:BTC/USD.{with_interval} > 3"));
        assert_eq!(foreign.operands()[0].what, What::Function(hourly));
        assert_eq!(
            foreign.operands()[0].text,
            format!("kraken:BTC/USD.{with_interval}")
        );
        assert!(matches!(foreign.operands()[0].of, Reference::Other { .. }));
    }
    for interval in Interval::ALL {
        let own = Function::Indicator(Indicator::Rsi(14), Some(interval));
        assert_eq!(functions(&format!("rsi(14, {interval})")), [own]);
    }
    let change = Function::Change(Duration::from_secs(900));
    assert_eq!(functions("pct_change(15m) > 5%"), [change]);
    assert_eq!(functions("ETH/USD.pct_change(0.25h)"), [change]);
}

#[test]
fn a_function_stands_once_however_it_is_written() {
    let rule = expression("rsi(14,1h) < 30 or rsi( 14, 60m ) > 70 or rsi(14) > 70 or price > 1");
    let texts: Vec<_> = rule.operands().iter().map(|o| o.text.as_str()).collect();
    assert_eq!(texts, ["rsi(14,1h)", "rsi(14)", "price"]);
    assert_eq!(expression("rsi(14)").as_field(), None);
}

#[test]
fn values_of_functions_compute_like_those_of_fields() {
    let text = "price > sma(20) * 102% and pct_change(15m) < -5% and rsi(14) - 1 == 2";
    let rule = expression(text);
    let at = |sma: i64, change: i64, rsi: Value| {
        rule.holds(&|place| match rule.operands()[place].what {
            What::Field(_) => Value::Number(103.into()),
            What::Function(Function::Indicator(Indicator::Sma(_), _)) => Value::Number(sma.into()),
            What::Function(Function::Change(_)) => Value::Number(change.into()),
            What::Function(_) => rsi.clone(),
        })
    };
    assert_eq!(at(100, -6, number("3")), Truth::True);
    assert_eq!(at(101, -6, number("3")), Truth::False);
    assert_eq!(at(100, -4, number("3")), Truth::False);
    assert_eq!(at(100, -6, Value::Null), Truth::Unknown, "warming up");
    assert_eq!(at(101, -6, Value::Null), Truth::False, "decided without it");
}

#[test]
fn fields_of_candles_have_their_kinds() {
    for (text, kind) in [
        ("open", Kind::Number),
        ("close", Kind::Number),
        ("quote_volume", Kind::Number),
        ("trades", Kind::Number),
        ("closed", Kind::YesNo),
        ("complete", Kind::YesNo),
        ("open_time", Kind::Time),
        ("close_time - open_time", Kind::Duration),
        ("interval == '1m' and closed and close > open", Kind::YesNo),
    ] {
        assert_eq!(expression(text).kind(), kind, "{text}");
    }
}

#[test]
fn functions_are_never_certain_over_ranges() {
    let over = |text: &str| {
        let range = |_| Some((Decimal::from(60), Decimal::from(70)));
        expression(text).holds_over(&range, None)
    };
    assert_eq!(over("price > 50"), Truth::True);
    assert_eq!(over("sma(20) > 50"), Truth::Unknown);
    assert_eq!(over("crosses_above(price, 50)"), Truth::Unknown);
    assert_eq!(over("price > 50 or sma(20) > 50"), Truth::True);
}

fn needs(text: &str) -> Vec<String> {
    let of = |reference: &Reference| match reference {
        Reference::Own => String::new(),
        Reference::Other { symbol, .. } => format!("{symbol} "),
    };
    let needs = expression(text).needs(Interval::M1);
    let told = |need: &Need| format!("{}{}×{}", of(&need.of), need.candles, need.interval);
    needs.iter().map(told).collect()
}

#[test]
fn what_is_needed_is_the_most_of_each_market_and_interval() {
    let rsi = Indicator::Rsi(14).needs();
    for (text, told) in [
        ("price > 5", vec![]),
        ("sma(20) > 5", vec!["20×1m".to_owned()]),
        ("sma(20) > sma(50)", vec!["50×1m".into()]),
        (
            "rsi(14, 1h) > 5 and sma(3, 1h) > sma(3, 1m) + sma(2)",
            vec![format!("{rsi}×1h"), "3×1m".into()],
        ),
        (
            "ETH/USD.sma(20) > sma(20) and ETH/USD.sma(3) > 1",
            vec!["ETH/USD 20×1m".into(), "20×1m".into()],
        ),
        // A crossing needs a value before the newest, too.
        ("crosses_above(sma(10), sma(30))", vec!["31×1m".into()]),
        ("crosses_above(price, sma(10, 1h))", vec!["11×1h".into()]),
        ("crosses_above(price, 50000)", vec!["1×1m".into()]),
        (
            "crosses_below(price, ETH/USD.price) and sma(3) > 1",
            vec!["3×1m".into(), "ETH/USD 1×1m".into()],
        ),
        ("crosses_above(1, 2)", vec![]),
        // No more than 300, but for days.
        ("pct_change(1s) > 1", vec!["2×1s".into()]),
        ("pct_change(59.5s) > 1", vec!["61×1s".into()]),
        ("pct_change(1m) > 1", vec!["2×1m".into()]),
        ("pct_change(90s) > 1", vec!["3×1m".into()]),
        ("pct_change(5h) > 1", vec!["301×1m".into()]),
        ("pct_change(24h) > 1", vec!["289×5m".into()]),
        ("pct_change(3d) > 1", vec!["289×15m".into()]),
        ("pct_change(1w) > 1", vec!["169×1h".into()]),
        ("pct_change(30d) > 1", vec!["181×4h".into()]),
        ("pct_change(365d) > 1", vec!["366×1d".into()]),
    ] {
        assert_eq!(needs(text), told, "{text}");
    }
}

#[test]
fn the_warm_up_is_told_function_by_function() {
    let rule = expression("rsi(14,1h) < 30 and price > sma(20) and ETH/USD.pct_change(1d) > 5%");
    let rsi = Indicator::Rsi(14).needs();
    assert_eq!(
        rule.explain_needs(Interval::M5),
        format!(
            "rsi(14,1h): {rsi} candles of 1h\nsma(20): 20 candles of 5m\nETH/USD.pct_change(1d): 289 candles of 5m\n"
        )
    );
    assert_eq!(expression("price > 5").explain_needs(Interval::M5), "");
}

/// The answers of a condition over `price` and `bid` at these observations; `None` is not known.
fn observed(text: &str, values: &[(Option<i64>, Option<i64>)]) -> String {
    let rule = expression(text);
    let mut crossings = Crossings::new(&rule);
    let answers = values.iter().map(|(price, bid)| {
        let input = |place: usize| {
            let value = match rule.operands()[place].field() {
                Some(Field::Price) => price,
                _ => bid,
            };
            value.map_or(Value::Null, |value| Value::Number(value.into()))
        };
        crossings.observe(&input);
        assert_eq!(crossings.evaluate(&input), crossings.holds(&input).into());
        match crossings.holds(&input) {
            Truth::True => 't',
            Truth::False => 'f',
            Truth::Unknown => '?',
        }
    });
    answers.collect()
}

#[test]
fn a_crossing_is_true_only_in_its_moment() {
    let prices = |prices: &[Option<i64>]| -> Vec<_> {
        prices.iter().map(|price| (*price, Some(5))).collect()
    };
    for (values, above, below) in [
        (&[Some(4), Some(6), Some(7), Some(4)][..], "?tff", "?fft"),
        (&[Some(6), Some(7)], "?f", "?f"),
        // Standing on the line is not yet beyond it.
        (
            &[Some(4), Some(5), Some(5), Some(6), Some(5)],
            "?fftf",
            "?ffff",
        ),
        (
            &[Some(6), Some(5), Some(6), Some(5), Some(4)],
            "?ftff",
            "?ffft",
        ),
        // What is not known in between does not make it forget.
        (&[Some(4), None, None, Some(6), Some(7)], "???tf", "???ff"),
        (&[None, Some(6), Some(4), None, Some(4)], "??f?f", "??t?f"),
        (&[None, None], "??", "??"),
    ] {
        let values = prices(values);
        assert_eq!(
            observed("crosses_above(price, bid)", &values),
            above,
            "{values:?}"
        );
        assert_eq!(
            observed("crosses_below(price, bid)", &values),
            below,
            "{values:?}"
        );
        assert_eq!(
            observed("crosses_above(bid, price)", &values),
            below,
            "{values:?}"
        );
    }
}

#[test]
fn a_crossing_is_a_condition_like_others() {
    let values = [
        (Some(4), Some(5)),
        (Some(6), Some(5)),
        (Some(4), None),
        (Some(9), Some(5)),
    ];
    for (text, answers) in [
        ("crosses_above(price, bid) or price > 8", "?t?t"),
        ("crosses_above(price, bid) and price > 8", "ffff"),
        ("not crosses_above(price, bid)", "?f?t"),
        (
            "crosses_above(price * 2, bid + 3) or crosses_below(price, 5)",
            "?ttf",
        ),
        (
            "crosses_above(price, bid) == crosses_below(price, 5)",
            "?f?t",
        ),
    ] {
        assert_eq!(observed(text, &values), answers, "{text}");
    }
}

#[test]
fn without_observations_a_crossing_is_unknown() {
    let rule = expression("crosses_above(price, 5)");
    let input = |_: usize| Value::Number(6.into());
    assert_eq!(rule.holds(&input), Truth::Unknown);
    assert_eq!(rule.evaluate(&input), Value::Null);
    assert_eq!(
        rule.holds_within(Margin::Absolute(1.into()), &input),
        Truth::Unknown
    );
    assert!(rule.has_crossings() && !expression("price > 5").has_crossings());
    assert_eq!(
        rule.crossings().collect::<Vec<_>>(),
        ["crosses_above(price, 5)"]
    );
}

#[test]
fn within_a_margin_a_crossing_lasts_until_it_has_come_back() {
    let rule = expression("crosses_above(price, 100)");
    let mut crossings = Crossings::new(&rule);
    let margin = Margin::Percent(1.into());
    let mut at = |price: i64| {
        let input = move |_: usize| Value::Number(price.into());
        crossings.observe(&input);
        (
            crossings.holds(&input),
            crossings.holds_within(margin, &input),
        )
    };
    use Truth::*;
    assert_eq!(at(90), (Unknown, Unknown));
    assert_eq!(at(101), (True, True));
    assert_eq!(at(105), (False, True));
    assert_eq!(at(100), (False, True), "99 would be the border");
    assert_eq!(at(99), (False, False));
    assert_eq!(at(100), (False, True), "close enough again");
}

#[test]
fn a_cleared_crossing_has_seen_nothing() {
    let rule = expression("crosses_above(price, 5)");
    let mut crossings = Crossings::new(&rule);
    let low = |_: usize| Value::Number(4.into());
    let high = |_: usize| Value::Number(6.into());
    crossings.observe(&low);
    crossings.clear();
    crossings.observe(&high);
    assert_eq!(crossings.holds(&high), Truth::Unknown);
    crossings.observe(&low);
    crossings.observe(&high);
    assert_eq!(crossings.holds(&high), Truth::True);
}

#[test]
fn the_tree_shows_functions_and_crossings() {
    let rule = expression("crosses_above(price, sma(20, 1h)) or pct_change(15m) < -5%");
    let mut crossings = Crossings::new(&rule);
    let at = |price: i64| move |place: usize| Value::Number([price, 50, -6][place].into());
    crossings.observe(&at(49));
    crossings.observe(&at(51));
    assert_eq!(
        crossings.explain(&at(51)),
        "\
or                   yes/no      true
  crosses_above      yes/no      true
    price            number      51
    sma(20, 1h)      number      50
  <                  yes/no      true
    pct_change(15m)  percentage  -6%
    -                percentage  -5%
      5%             percentage  5%
"
    );
}

proptest! {
    #[test]
    fn a_crossing_is_a_change_of_sides_between_what_was_known(
        values in prop::collection::vec((prop::option::of(0i64..4), prop::option::of(0i64..4)), 0..30)
    ) {
        let mut last: Option<bool> = None;
        let expected: String = values.iter().map(|(a, b)| {
            let now = a.zip(*b).map(|(a, b)| a > b);
            let answer = match (last, now) {
                (Some(before), Some(now)) => if now && !before { 't' } else { 'f' },
                _ => '?',
            };
            last = now.or(last);
            answer
        }).collect();
        prop_assert_eq!(observed("crosses_above(price, bid)", &values), expected);
    }
}
