use super::*;
use crate::model::{Candle, Exchange, Interval, Market, Origin, Timestamp, parse_decimal};
use proptest::prelude::*;

fn number(text: &str) -> Decimal {
    parse_decimal(text).unwrap()
}

/// `sma(20)` and the like.
fn indicator(text: &str) -> Indicator {
    let (name, rest) = text.split_once('(').unwrap();
    let arguments = rest.trim_end_matches(')').split(',');
    Indicator::new(name, &arguments.map(number).collect::<Vec<_>>()).unwrap()
}

const EVERY: [&str; 12] = [
    "sma(3)",
    "ema(3)",
    "rsi(3)",
    "macd(2,4,3)",
    "macd_signal(2,4,3)",
    "bb_upper(3,2)",
    "bb_middle(3,2)",
    "bb_lower(3,1.5)",
    "atr(3)",
    "vwap(3)",
    "highest(3)",
    "lowest(3)",
];

/// Minute `at`: high, low, close, volume.
fn bar(at: i64, [high, low, close, volume]: [Decimal; 4]) -> Candle {
    let open_time = Timestamp::from_nanos(at * Interval::M1.nanos());
    Candle {
        market: Market::new(Exchange::new("test"), "A", "B"),
        interval: Interval::M1,
        open_time,
        open: close.into(),
        high: high.into(),
        low: low.into(),
        close: close.into(),
        volume: volume.into(),
        quote_volume: None,
        trades: None,
        closed: true,
        complete: true,
        origin: Origin::Stream,
        timestamp: None,
        received_at: open_time,
    }
}

fn candle(at: i64, close: &str) -> Candle {
    let close = number(close);
    bar(at, [close, close, close, Decimal::ONE])
}

/// Highs two above and lows one below, so that no two functions agree by chance.
fn wide(at: i64, close: i64) -> Candle {
    let of = Decimal::from;
    bar(at, [of(close + 2), of(close - 1), of(close), of(1)])
}

fn values(text: &str, candles: &[Candle]) -> Vec<Option<Decimal>> {
    let mut running = indicator(text).start();
    candles.iter().map(|one| running.update(one)).collect()
}

#[test]
fn it_is_written_as_it_is_read() {
    for text in EVERY {
        assert_eq!(indicator(text).to_string(), text);
    }
    let written = Indicator::new("bb_upper", &[number("20.0"), number("2.50")]).unwrap();
    assert_eq!(written.to_string(), "bb_upper(20,2.5)");
    assert_eq!(written, indicator("bb_upper(20,2.5)"));
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_right() {
    for (name, arguments, error) in [
        (
            "smaa",
            vec!["3"],
            "`smaa` is no indicator (there are sma ema",
        ),
        ("sma", vec![], "sma has 0 arguments, write sma(n)"),
        (
            "macd",
            vec!["12"],
            "macd has 1 argument, write macd(fast, slow, signal)",
        ),
        (
            "sma",
            vec!["0"],
            "sma: 0 is no number of candles (a whole one from 1 to 10000)",
        ),
        ("rsi", vec!["1.5"], "rsi: 1.5 is no number of candles"),
        ("ema", vec!["-3"], "ema: -3 is no number of candles"),
        ("atr", vec!["10001"], "atr: 10001 is no number of candles"),
        ("vwap", vec!["79228162514264337593543950335"], "vwap: 7922"),
        (
            "macd",
            vec!["26", "26", "9"],
            "macd: the fast mean, 26, must be shorter than the slow one, 26",
        ),
        (
            "bb_lower",
            vec!["20", "0"],
            "bb_lower: 0 is no number of standard deviations",
        ),
    ] {
        let arguments: Vec<_> = arguments.into_iter().map(number).collect();
        let told = Indicator::new(name, &arguments).unwrap_err();
        assert!(told.starts_with(error), "{told}");
    }
    assert!(Indicator::new("sma", &[number("20.0")]).is_ok());
    assert!(Indicator::new("sma", &[number("10000")]).is_ok());
}

#[test]
fn the_first_value_comes_after_the_seeds_and_stays() {
    let closes = [5, 9, 4, 7, 7, 3, 8, 6, 1, 9];
    let candles: Vec<_> = closes.iter().zip(0..).map(|(c, at)| wide(at, *c)).collect();
    for text in EVERY {
        let first = indicator(text).seeds();
        for (at, value) in values(text, &candles).into_iter().enumerate() {
            assert_eq!(value.is_some(), at >= first, "{text} at {at}");
        }
    }
}

#[test]
fn small_examples_reckoned_by_hand() {
    let candles: Vec<_> = [10, 13, 7, 10]
        .into_iter()
        .zip(0..)
        .map(|(c, at)| wide(at, c))
        .collect();
    for (text, value) in [
        ("sma(2)", "8.5"),
        // 10 and 13 seed 11.5; 8.5; 9.5
        ("ema(2)", "9.5"),
        // Up 3, down 6, up 3.
        ("rsi(3)", "50"),
        ("bb_upper(2,2)", "11.5"),
        ("bb_lower(2,2)", "5.5"),
        ("bb_middle(2,2)", "8.5"),
        // From 10 up to 15, from 13 down to 6, from 7 up to 12.
        ("atr(3)", "5.6666666667"),
        // The typical price is a third above the close.
        ("vwap(2)", "8.83333333333"),
        ("highest(3)", "15"),
        ("lowest(2)", "6"),
        ("lowest(1)", "9"),
    ] {
        let last = values(text, &candles).pop().unwrap();
        assert_eq!(last, Some(number(value)), "{text}");
    }
}

#[test]
fn constant_prices_give_that_price_and_an_rsi_of_zero() {
    for price in ["100.10", "0.00001234", "67234.1", "123456789012", "0.1"] {
        let candles: Vec<_> = (0..400).map(|at| candle(at, price)).collect();
        for text in [
            "sma(7)",
            "ema(7)",
            "bb_upper(7,2)",
            "bb_lower(7,2)",
            "vwap(7)",
            "highest(7)",
        ] {
            for value in values(text, &candles).into_iter().skip(6) {
                assert_eq!(value, Some(number(price)), "{text} of {price}");
            }
        }
        for text in ["rsi(7)", "atr(7)", "macd(3,7,2)"] {
            assert_eq!(
                values(text, &candles).pop().unwrap(),
                Some(Decimal::ZERO),
                "{text}"
            );
        }
    }
}

#[test]
fn wrong_forming_prices_leave_no_trace_in_an_rsi_of_nothing() {
    let mut running = indicator("rsi(3)").start();
    for at in 0..10 {
        running.update(&candle(at, "5.3"));
        running.update(&candle(at, "0.1"));
    }
    assert_eq!(running.value(), Some(Decimal::ZERO));
    assert_eq!(running.update(&candle(9, "0.2")), Some(100.into()));
    assert_eq!(running.update(&candle(10, "0.2")), Some(100.into()));
}

#[test]
fn nothing_traded_has_no_vwap() {
    let quiet = |at| {
        bar(
            at,
            [Decimal::ONE, Decimal::ONE, Decimal::ONE, Decimal::ZERO],
        )
    };
    let candles = [quiet(0), quiet(1), candle(2, "7"), quiet(3), quiet(4)];
    let seven = Some(Decimal::from(7));
    assert_eq!(
        values("vwap(2)", &candles),
        [None, None, seven, seven, None]
    );
}

#[test]
fn what_is_too_large_is_unknown_only_while_it_is_in_the_window() {
    let large = "70000000000000000000000000000";
    let candles: Vec<_> = [large, large, "1", "2", "3"]
        .into_iter()
        .zip(0..)
        .map(|(p, at)| candle(at, p))
        .collect();
    for (text, last) in [
        ("sma(2)", "2.5"),
        ("vwap(2)", "2.5"),
        ("bb_upper(2,1)", "3"),
    ] {
        let values = values(text, &candles);
        assert_eq!(values[1], None, "{text}");
        assert_eq!(values[4], Some(number(last)), "{text}");
    }
}

#[test]
fn an_incomplete_candle_makes_unknown_what_it_is_in_and_its_completion_makes_it_known() {
    let mut running = indicator("highest(2)").start();
    let part = |at| Candle {
        complete: false,
        ..wide(at, 5)
    };
    assert_eq!(running.update(&wide(0, 5)), None);
    assert_eq!(running.update(&part(1)), None);
    assert!(running.is_doubtful());
    assert_eq!(running.update(&wide(1, 5)), Some(7.into()));
    running.update(&part(2));
    assert_eq!(
        running.update(&wide(3, 5)),
        None,
        "it is still in the window"
    );
    assert_eq!(running.update(&wide(4, 5)), Some(7.into()));

    let after = |text| {
        let mut running = indicator(text).start();
        running.update(&part(0));
        (1..2_000).find(|at| running.update(&wide(*at, 5)).is_some())
    };
    assert_eq!(after("sma(3)"), Some(2));
    assert_eq!(after("lowest(3)"), Some(3));
    assert_eq!(after("atr(3)"), Some(indicator("atr(3)").needs() as i64));
}

#[test]
fn a_candle_from_before_is_ignored() {
    let mut running = indicator("sma(2)").start();
    running.update(&candle(5, "1"));
    running.update(&candle(7, "3"));
    assert_eq!(running.update(&candle(6, "9")), Some(2.into()));
    assert_eq!(running.update(&candle(7, "5")), Some(3.into()));
}

#[test]
fn needs_fit_a_page_where_they_can() {
    for (text, seeds, needs) in [
        ("sma(20)", 19, 20),
        ("highest(1)", 0, 1),
        ("ema(20)", 19, 269),
        ("rsi(14)", 14, 264),
        ("atr(14)", 14, 264),
        ("macd(12,26,9)", 33, 329),
        ("ema(110)", 109, 997),
        ("ema(200)", 199, 999),
        ("ema(10000)", 9_999, 10_249),
    ] {
        let indicator = indicator(text);
        assert_eq!(
            (indicator.seeds(), indicator.needs()),
            (seeds, needs),
            "{text}"
        );
    }
}

#[test]
fn what_lies_before_what_is_needed_hardly_matters() {
    let price = |at: i64| if at < 0 { 500 } else { 100 + at * 7 % 13 };
    for text in [
        "ema(20)",
        "rsi(14)",
        "macd(12,26,9)",
        "macd_signal(12,26,9)",
        "atr(14)",
    ] {
        let needs = indicator(text).needs() as i64;
        let last = |from| {
            let candles: Vec<_> = (from..=needs).map(|at| wide(at, price(at))).collect();
            values(text, &candles).pop().unwrap().unwrap()
        };
        let difference = (last(0) - last(-300)).abs();
        assert!(difference < number("0.001"), "{text}: {difference}");
    }
}

/// Highs, lows and closes in cents, volumes in hundredths.
fn bars() -> impl Strategy<Value = Vec<[Decimal; 4]>> {
    let one = (1i64..100_000, 0i64..500, 0i64..500, 0i64..1_000);
    let one = one.prop_map(|(close, up, down, volume)| {
        [close + up, (close - down).max(1), close, volume].map(|n| Decimal::new(n, 2))
    });
    proptest::collection::vec(one, 1..60)
}

proptest! {
    #[test]
    fn whatever_a_forming_candle_was_the_last_state_counts(bars in bars(), wrong in bars()) {
        for text in EVERY {
            let (mut straight, mut forming) = (indicator(text).start(), indicator(text).start());
            for (at, one) in bars.iter().enumerate() {
                for wrong in wrong.iter().skip(at % 7).step_by(7) {
                    forming.update(&bar(at as i64, *wrong));
                }
                let (straight, forming) = (straight.update(&bar(at as i64, *one)), forming.update(&bar(at as i64, *one)));
                prop_assert_eq!(straight.is_some(), forming.is_some());
                if let Some((straight, forming)) = straight.zip(forming) {
                    // The library's seeds are sums from which what was wrong is taken away again.
                    prop_assert!((straight - forming).abs() < Decimal::new(1, 7), "{}: {} {}", text, straight, forming);
                }
            }
        }
    }

    #[test]
    fn windows_are_what_they_are_by_definition(bars in bars(), n in 1usize..9) {
        let running = ["sma", "highest", "lowest", "vwap"].map(|name| {
            Indicator::new(name, &[n.into()]).unwrap().start()
        });
        let [mut mean, mut highest, mut lowest, mut vwap] = running;
        for (at, one) in bars.iter().enumerate() {
            let candle = bar(at as i64, *one);
            let told = [&mut mean, &mut highest, &mut lowest, &mut vwap].map(|one| one.update(&candle));
            let Some(window) = (at + 1).checked_sub(n).map(|from| &bars[from..=at]) else {
                prop_assert_eq!(told, [None; 4]);
                continue;
            };
            let sum = |of: fn(&[Decimal; 4]) -> Decimal| window.iter().map(of).sum::<Decimal>();
            let volume = sum(|bar| bar[3]);
            let weighted = sum(|bar| (bar[0] + bar[1] + bar[2]) * bar[3]);
            let exact = [
                Some(sum(|bar| bar[2]) / Decimal::from(n)),
                window.iter().map(|bar| bar[0]).max(),
                window.iter().map(|bar| bar[1]).min(),
                weighted.checked_div(volume * Decimal::from(3)),
            ];
            for (told, exact) in told.into_iter().zip(exact) {
                prop_assert_eq!(told.is_some(), exact.is_some());
                prop_assert!((told.unwrap_or_default() - exact.unwrap_or_default()).abs() < Decimal::new(1, 8));
            }
            prop_assert_eq!((told[1], told[2]), (exact[1], exact[2]));
        }
    }
}
