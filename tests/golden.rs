//! Indicators against TA-Lib, from the first value on. The files under `tests/golden` say how they were made.

use tickwire::indicator::Indicator;
use tickwire::model::{
    Candle, Decimal, Exchange, Interval, Market, Origin, Price, Timestamp, parse_decimal,
};

struct Golden {
    candles: Vec<Candle>,
    /// Each with its name and what TA-Lib says after every candle.
    columns: Vec<(&'static str, Vec<Option<Decimal>>)>,
}

impl Golden {
    fn read(text: &'static str) -> Self {
        let mut lines = text.lines();
        let names = cells(lines.next().expect("a header"));
        let rows: Vec<Vec<&str>> = lines.map(cells).collect();
        let value = |row: &Vec<&str>, at: usize| match row[at] {
            "" => None,
            text => Some(parse_decimal(text).expect("a number")),
        };
        let column = |at: usize| rows.iter().map(|row| value(row, at)).collect();
        Self {
            candles: rows.iter().map(|row| candle(row)).collect(),
            columns: (6..names.len()).map(|at| (names[at], column(at))).collect(),
        }
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.split(',').collect()
}

fn candle(row: &[&str]) -> Candle {
    let open_time = Timestamp::parse_seconds(row[0]).expect("a time");
    let price = |at: usize| row[at].parse().expect("a price");
    Candle {
        market: Market::new(Exchange::new("golden"), "A", "B"),
        interval: Interval::M1,
        open_time,
        open: price(1),
        high: price(2),
        low: price(3),
        close: price(4),
        volume: row[5].parse().expect("a size"),
        quote_volume: None,
        trades: None,
        closed: true,
        complete: true,
        origin: Origin::History,
        timestamp: None,
        received_at: open_time,
    }
}

/// How far it may be from TA-Lib: a part of the price, or points of an RSI.
fn tolerance(name: &str, price: Decimal) -> Decimal {
    match name.split(' ').next().expect("a name") {
        "highest" | "lowest" => Decimal::ZERO,
        "rsi" => Decimal::new(1, 9),
        _ => price * Decimal::new(1, 11),
    }
}

/// What a candle may have looked like before.
fn wrong(candle: &Candle) -> [Candle; 2] {
    let times = |factor: i64| Price::from(candle.close.decimal() * Decimal::new(factor, 1));
    let forming = |close| Candle {
        high: times(19),
        low: times(3),
        close,
        volume: times(7).decimal().into(),
        closed: false,
        ..candle.clone()
    };
    [forming(times(17)), forming(times(4))]
}

fn agrees(series: &str, text: &'static str) {
    let golden = Golden::read(text);
    assert_eq!(golden.columns.len(), 18);
    for (name, values) in &golden.columns {
        let (function, arguments) = name.split_once(' ').expect("a call");
        let arguments = arguments
            .split(' ')
            .map(|one| parse_decimal(one).expect("a number"));
        let indicator =
            Indicator::new(function, &arguments.collect::<Vec<_>>()).expect("an indicator");
        let (mut straight, mut forming) = (indicator.start(), indicator.start());
        for (at, (candle, expected)) in golden.candles.iter().zip(values).enumerate() {
            for state in wrong(candle) {
                forming.update(&state);
            }
            for told in [straight.update(candle), forming.update(candle)] {
                let place =
                    format!("{series}.csv, {name} of candle {at}: {told:?}, TA-Lib {expected:?}");
                assert_eq!(told.is_some(), expected.is_some(), "{place}");
                if let Some((told, expected)) = told.zip(*expected) {
                    let most = tolerance(name, candle.close.decimal());
                    assert!((told - expected).abs() <= most, "{place}");
                }
            }
        }
    }
}

macro_rules! series {
    ($($test:ident $name:literal)*) => {
        $(
            #[test]
            fn $test() {
                agrees($name, include_str!(concat!("golden/", $name, ".csv")));
            }
        )*
    };
}

series! {
    a_random_walk_agrees_with_ta_lib "walk"
    a_constant_price_agrees_with_ta_lib "constant"
    a_single_candle_agrees_with_ta_lib "single"
    leaps_of_prices_and_missing_minutes_agree_with_ta_lib "gaps"
    very_small_prices_agree_with_ta_lib "tiny"
}
