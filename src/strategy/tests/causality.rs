//! Nothing later is ever known: not by a signal, not by a fill.

use super::*;
use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

/// Prices go from 1 to 50.
fn halves() -> Strategy {
    strategy("price > 25", "price < 25")
}

/// Candles from opens and closes, some minutes left out.
fn walk() -> impl proptest::strategy::Strategy<Value = Vec<(i64, i64, i64)>> {
    prop::collection::vec((1i64..4, 1i64..50, 1i64..50), 0..60)
}

fn candles(walk: &[(i64, i64, i64)]) -> Vec<Arc<Candle>> {
    let mut minute = 0;
    let bars = walk.iter().map(|(after, open, close)| {
        minute += after;
        candle(market("BTC"), minute, &open.to_string(), &close.to_string())
    });
    bars.collect()
}

fn report(candles: &[Arc<Candle>], signals: &[Signal]) -> Report {
    let mut backtest = Backtest::new(&halves(), Costs::default());
    candles.iter().for_each(|candle| backtest.on_candle(candle));
    signals.iter().for_each(|signal| backtest.on_signal(signal));
    backtest.report()
}

proptest! {
    #[test]
    fn bar_by_bar_the_signals_are_those_of_the_whole(walk in walk(), other in walk()) {
        let strategy = halves();
        let past = candles(&walk);
        let mut machine = strategy.machine().unwrap();
        let mut so_far = Vec::new();
        for (bar, candle) in past.iter().enumerate() {
            so_far.extend(machine.on_candle(candle, &|_| Value::Null));
            prop_assert_eq!(&so_far, &signals(&strategy, &past[..=bar]));
            prop_assert!(so_far.iter().all(|signal| signal.timestamp <= candle.close_time()));
        }
        // Whatever follows, what was told of the past stays.
        let whole: Vec<_> = walk.iter().chain(&other).copied().collect();
        let all = signals(&strategy, &candles(&whole));
        prop_assert_eq!(&all[..so_far.len()], &so_far[..]);
        let of_the_future = &all[so_far.len()..];
        let end = past.last().map(|candle| candle.close_time());
        prop_assert!(of_the_future.iter().all(|signal| Some(signal.timestamp) > end));
    }

    #[test]
    fn a_fill_knows_no_price_from_before_its_signal(walk in walk(), factor in 2i64..9) {
        // Every trade is by hand: out of the last signal before each open, at that open.
        let candles = candles(&walk);
        let signals = signals(&halves(), &candles);
        let (mut bought, mut equity) = (None, crate::model::Decimal::ONE);
        for candle in &candles {
            let due = signals.iter().rfind(|signal| signal.timestamp <= candle.open_time);
            let open = candle.open.decimal();
            match (due.map(|signal| signal.side), bought) {
                (Some(SignalSide::Buy), None) => bought = Some(equity / open),
                (Some(SignalSide::Sell), Some(units)) => {
                    (bought, equity) = (None, units * open);
                }
                _ => {}
            }
        }
        if let (Some(units), Some(last)) = (bought, candles.last()) {
            equity = units * last.close.decimal();
        }
        let summary = report(&candles, &signals).markets.first().cloned();
        let gained = summary.map_or_else(Default::default, |one| one.return_percent);
        let expected = super::super::report::percent(equity - crate::model::Decimal::ONE);
        prop_assert_eq!(gained, expected);

        // The prices of the bar whose close gave the last signal are worth nothing to its fill.
        let Some(last) = signals.last() else { return Ok(()) };
        let mut changed = candles.clone();
        let is_decided_on = |candle: &&mut Arc<Candle>| candle.close_time() == last.timestamp;
        if let Some(bar) = changed.iter_mut().find(is_decided_on) {
            let bar = Arc::make_mut(bar);
            bar.close = Price::from(bar.close.decimal() * crate::model::Decimal::from(factor));
        }
        let is_after = |candle: &&Arc<Candle>| candle.close_time() == last.timestamp;
        let is_final = candles.last().as_ref().is_some_and(is_after);
        if !is_final {
            let (one, other) = (report(&candles, &signals), report(&changed, &signals));
            prop_assert_eq!(one.markets[0].return_percent, other.markets[0].return_percent);
        }
    }

    #[test]
    fn signals_that_come_late_change_no_account(walk in walk()) {
        let candles = candles(&walk);
        let signals = signals(&halves(), &candles);
        let mut interleaved = Backtest::new(&halves(), Costs::default());
        for candle in &candles {
            interleaved.on_candle(candle);
            let due = signals.iter().filter(|signal| signal.timestamp == candle.close_time());
            due.for_each(|signal| interleaved.on_signal(signal));
        }
        prop_assert_eq!(interleaved.report(), report(&candles, &signals));
    }
}

#[test]
fn a_machine_is_long_or_flat_and_looks_at_closed_candles_only() {
    let (btc, eth) = (market("BTC"), market("ETH"));
    let mut forming = (*candle(btc, 3, "1", "2")).clone();
    forming.closed = false;
    let mut longer = (*candle(btc, 5, "1", "2")).clone();
    longer.interval = Interval::M5;
    let candles = [
        candle(btc, 0, "2", "1"),
        candle(btc, 1, "1", "2"),
        candle(eth, 1, "1", "2"),
        candle(btc, 2, "1", "2"),
        candle(btc, 1, "2", "1"),
        candle(btc, 3, "2", "1"),
        Arc::new(forming),
        Arc::new(longer),
        candle(btc, 6, "1", "1"),
    ];
    let signals = signals(&strategy("price > 1", "price < 2"), &candles);
    use SignalSide::{Buy, Sell};
    assert_eq!(sides(&signals), [(Buy, 2), (Buy, 2), (Sell, 4)]);
    assert_eq!(signals[1].market, eth);
    let (first, number) = (&signals[0], |n: i64| Value::Number(n.into()));
    assert_eq!(first.price, Some("2".parse().unwrap()));
    assert_eq!(first.values, [("price".to_owned(), number(2))]);
}

#[test]
fn what_is_not_known_gives_no_signal() {
    let strategy = strategy("price > ETH/USD.price", "price < ETH/USD.price");
    let mut machine = strategy.machine().unwrap();
    let mut with = |minute, value: Value| {
        let candle = candle(market("BTC"), minute, "5", "5");
        machine
            .on_candle(&candle, &|_| value.clone())
            .map(|signal| signal.side)
    };
    assert_eq!(with(0, Value::Null), None);
    assert_eq!(with(1, Value::Number(4.into())), Some(SignalSide::Buy));
    assert_eq!(with(2, Value::Null), None);
    assert_eq!(with(3, Value::Number(6.into())), Some(SignalSide::Sell));
}

/// The value of `sma(n)` at each of these closes.
fn sma(closes: &[i64], n: usize, bar: usize) -> Value {
    let Some(window) = (bar + 1).checked_sub(n).map(|from| &closes[from..=bar]) else {
        return Value::Null;
    };
    let sum: i64 = window.iter().sum();
    Value::Number(crate::model::Decimal::from(sum) / crate::model::Decimal::from(n))
}

#[test]
fn averages_that_cross_buy_and_sell_once_each() {
    let cross = Strategy::parse("sma_cross(1,2)", Interval::M1, &BTreeMap::new()).unwrap();
    let closes = [5, 4, 3, 4, 5, 6, 5, 4, 5, 4];
    let run = |warm_up: usize| {
        let mut machine = cross.machine().unwrap();
        let mut signals = Vec::new();
        for (bar, close) in closes.iter().enumerate() {
            let candle = candle(market("BTC"), bar as i64, "1", &close.to_string());
            let values = |operand: &crate::expression::Operand| match operand.text.as_str() {
                "sma(1)" => sma(&closes, 1, bar),
                "sma(2)" => sma(&closes, 2, bar),
                other => panic!("{other} was not asked for"),
            };
            if bar < warm_up {
                machine.warm_up(&candle, &values);
            } else {
                signals.extend(machine.on_candle(&candle, &values));
            }
        }
        signals
    };
    use SignalSide::{Buy, Sell};
    let whole = [(Buy, 4), (Sell, 7), (Buy, 9), (Sell, 10)];
    assert_eq!(sides(&run(0)), whole);
    // What is warmed up knows of a crossing at the first candle after it, and holds nothing.
    assert_eq!(sides(&run(3)), whole);
    assert_eq!(sides(&run(4)), whole[2..]);
    let number = |text: &str| Value::Number(crate::model::parse_decimal(text).unwrap());
    assert_eq!(
        run(0)[0].values,
        [
            ("sma(1)".to_owned(), number("4")),
            ("sma(2)".to_owned(), number("3.5"))
        ]
    );
}
