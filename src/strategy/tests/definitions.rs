//! What is a strategy, and what is told of one that is none.

use super::*;

fn error(text: &str, defined: &BTreeMap<String, Definition>) -> (String, String) {
    match Strategy::parse(text, Interval::M1, defined).unwrap_err() {
        StrategyError::Wrong { message, hint } => (message, hint),
        StrategyError::Expression { of, error } => (of, error.to_string()),
    }
}

/// The conditions of a built-in one.
fn texts(text: &str) -> [String; 2] {
    let (word, arguments) = match text.split_once('(') {
        Some((word, rest)) => (word, Some(rest.strip_suffix(')').unwrap())),
        None => (text, None),
    };
    let conditions = super::super::builtin::conditions(word, arguments);
    conditions.unwrap().unwrap().into()
}

#[test]
fn the_built_in_ones_are_conditions() {
    for (text, buy, sell) in [
        (
            "sma_cross(10,30)",
            "crosses_above(sma(10), sma(30))",
            "crosses_below(sma(10), sma(30))",
        ),
        ("rsi(14,30,70.5)", "rsi(14) < 30", "rsi(14) > 70.5"),
        (
            "macd",
            "crosses_above(macd(12,26,9), macd_signal(12,26,9))",
            "crosses_below(macd(12,26,9), macd_signal(12,26,9))",
        ),
        (
            "macd(5,35,5)",
            "crosses_above(macd(5,35,5), macd_signal(5,35,5))",
            "crosses_below(macd(5,35,5), macd_signal(5,35,5))",
        ),
        (
            "bollinger",
            "price < bb_lower(20,2)",
            "price > bb_upper(20,2)",
        ),
        (
            "bollinger(10,1.5)",
            "price < bb_lower(10,1.5)",
            "price > bb_upper(10,1.5)",
        ),
    ] {
        assert_eq!(texts(text), [buy, sell], "{text}");
    }
}

#[test]
fn the_built_in_ones_are_understood() {
    for text in [
        "sma_cross( 10, 30 )",
        "rsi(14,30,70)",
        "macd",
        "macd(12,26,9)",
        "bollinger",
        "bollinger(20,2)",
    ] {
        let strategy = Strategy::parse(text, Interval::H1, &BTreeMap::new()).unwrap();
        assert_eq!(strategy.name(), text.replace(' ', ""));
        assert_eq!(strategy.interval(), Interval::H1);
        assert_eq!(strategy.conditions().count(), 2);
    }
}

#[test]
fn a_wrong_parameter_is_named_and_mended() {
    let none = BTreeMap::new();
    for (text, message, hint) in [
        (
            "sma_cross",
            "strategy `sma_cross`: it needs its parameters",
            "write sma_cross(10,30)",
        ),
        (
            "sma_cross(10)",
            "strategy `sma_cross(10)`: it takes 2 parameters, not 1",
            "write sma_cross(10,30)",
        ),
        (
            "sma_cross(30,10)",
            "strategy `sma_cross(30,10)`: the fast average, 30, must be shorter than the slow, 10",
            "write sma_cross(10,30)",
        ),
        (
            "sma_cross(0,10)",
            "strategy `sma_cross(0,10)`: `0` is not a whole number from 1 to 10000",
            "write sma_cross(10,30)",
        ),
        (
            "rsi(2.5,30,70)",
            "strategy `rsi(2.5,30,70)`: `2.5` is not a whole number from 1 to 10000",
            "write rsi(14,30,70)",
        ),
        (
            "rsi(14,70,30)",
            "strategy `rsi(14,70,30)`: 70 and 30 must rise from 0 to 100",
            "write rsi(14,30,70)",
        ),
        (
            "macd(12,x,9)",
            "strategy `macd(12,x,9)`: `x` is not a number",
            "write macd(12,26,9)",
        ),
        (
            "bollinger(20,0)",
            "strategy `bollinger(20,0)`: 0 deviations must be more than 0",
            "write bollinger(20,2)",
        ),
        (
            "macd(12,26,9",
            "strategy `macd(12,26,9`: a parenthesis is not closed",
            "write sma_cross(10,30)",
        ),
    ] {
        assert_eq!(error(text, &none), (message.into(), hint.into()));
    }
}

#[test]
fn an_unknown_name_leads_to_the_nearest() {
    let (message, hint) = error("sma_cros(10,30)", &BTreeMap::new());
    assert_eq!(message, "no strategy `sma_cros(10,30)`");
    assert_eq!(
        hint,
        "did you mean sma_cross(10,30)? there are sma_cross(10,30), rsi(14,30,70), macd(12,26,9), \
         bollinger(20,2); [strategies.NAME] adds others"
    );
    let (_, hint) = error("dib", &defined("dip", "price < 1", "price > 2"));
    assert!(hint.starts_with("did you mean dip?"), "{hint}");
}

#[test]
fn a_defined_one_is_found_first_and_may_have_its_own_candles() {
    let mut known = defined("macd", "close > open", "close < open");
    let strategy = Strategy::parse("macd", Interval::M5, &known).unwrap();
    let texts: Vec<_> = strategy.conditions().map(|c| c.text()).collect();
    assert_eq!(texts, ["close > open", "close < open"]);
    assert_eq!(strategy.interval(), Interval::M5);
    let Some(Definition::Conditions { interval, .. }) = known.get_mut("macd") else {
        unreachable!("it was defined by conditions");
    };
    *interval = Some(Interval::D1);
    let strategy = Strategy::parse("macd", Interval::M5, &known).unwrap();
    assert_eq!(strategy.interval(), Interval::D1);
}

#[test]
fn a_program_decides_by_itself_and_its_arguments_are_not_shown() {
    let command = vec!["./model.py".to_owned(), "hush".to_owned()];
    let known = BTreeMap::from([("mine".to_owned(), Definition::Program(command))]);
    let strategy = Strategy::parse("mine", Interval::M1, &known).unwrap();
    assert!(strategy.machine().is_none());
    assert_eq!(strategy.conditions().count(), 0);
    let shown = format!("{strategy:?} {known:?}");
    assert!(
        shown.contains("./model.py") && !shown.contains("hush"),
        "{shown}"
    );
}

#[test]
fn a_condition_that_candles_cannot_answer_is_refused() {
    let of = |buy: &str| error("own", &defined("own", buy, "price > 2"));
    assert_eq!(
        of("bid > 1"),
        (
            "strategy `own`: buy: a candle has no `bid`".into(),
            "there are price, type, exchange, symbol, interval, open_time, close_time, open, high, low, \
             close, volume, quote_volume, trades, closed, complete, origin"
                .into()
        )
    );
    assert_eq!(
        of("age < 5s").0,
        "strategy `own`: buy: `age` is not the same live and over history"
    );
    assert_eq!(
        of("prise > 1"),
        (
            "strategy `own`: buy".into(),
            "`prise > 1`: column 1: no field `prise`".into()
        )
    );
    let (_, not_a_condition) = of("price");
    assert!(
        not_a_condition.contains("not a yes/no"),
        "{not_a_condition}"
    );
}
