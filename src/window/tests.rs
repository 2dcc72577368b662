use super::*;
use crate::model::{Exchange, Origin, Side, Timestamp};
use proptest::prelude::*;

pub(super) fn market(base: &str) -> Market {
    Market::new(Exchange::new("test"), base, "USD")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

pub(super) fn trade(id: u64, seconds: i64, price: &str) -> Trade {
    Trade {
        market: market("A"),
        id,
        price: price.parse().unwrap(),
        size: "0.00100000".parse().unwrap(),
        side: if id.is_multiple_of(2) {
            Side::Buy
        } else {
            Side::Sell
        },
        timestamp: at(seconds),
        received_at: at(seconds + 1),
        origin: [Origin::Stream, Origin::Repair, Origin::History][id as usize % 3],
        replayed: id.is_multiple_of(5),
        suspect: id.is_multiple_of(7),
    }
}

pub(super) fn candle(minute: i64, close: &str) -> Candle {
    let close: crate::model::Price = close.parse().unwrap();
    Candle {
        market: market("A"),
        interval: Interval::M1,
        open_time: at(minute * 60),
        open: "1.00".parse().unwrap(),
        high: close,
        low: "0.5".parse().unwrap(),
        close,
        volume: "12.50".parse().unwrap(),
        quote_volume: (minute % 2 == 0).then(|| "7.10".parse().unwrap()),
        trades: (minute % 3 == 0).then_some(9),
        closed: minute % 5 == 0,
        complete: minute % 7 == 0,
        origin: [Origin::Stream, Origin::Repair, Origin::History][minute as usize % 3],
        timestamp: (minute % 4 == 0).then(|| at(minute * 60 + 59)),
        received_at: at(minute * 60 + 61),
    }
}

fn ids(trades: impl Iterator<Item = Trade>) -> Vec<u64> {
    trades.map(|trade| trade.id).collect()
}

#[test]
fn the_newest_trades_stay_as_they_were_sent() {
    let mut window = TradeWindow::new(market("A"), 3);
    let all: Vec<_> = (0..40).map(|id| trade(id, id as i64, "97123.40")).collect();
    for (pushed, trade) in all.iter().enumerate() {
        window.push(trade);
        let kept: Vec<_> = window.newest(9).collect();
        assert_eq!(kept, all[(pushed + 1).saturating_sub(3)..=pushed]);
        assert_eq!(
            kept.last().map(|trade| trade.price.to_string()).as_deref(),
            Some("97123.40")
        );
        assert_eq!(window.newest(1).next(), Some(*trade));
    }
    assert_eq!((window.len(), window.capacity()), (3, 3));
    window.clear();
    assert!(window.is_empty() && window.newest(9).next().is_none());
}

#[test]
fn more_digits_than_a_column_holds_widen_it() {
    let mut window = TradeWindow::new(market("A"), 4);
    let prices = [
        "1.50",
        "0.1234567890123456789012345678",
        "79228162514264337593543950335",
        "2.0",
    ];
    for (id, price) in (0..).zip(prices) {
        window.push(&trade(id, 0, price));
    }
    let kept: Vec<_> = window
        .newest(4)
        .map(|trade| trade.price.to_string())
        .collect();
    assert_eq!(kept, prices);
}

#[test]
fn a_trade_takes_48_bytes_at_most() {
    let capacity = 100_000;
    let mut window = TradeWindow::new(market("A"), capacity);
    for id in 0..capacity as u64 + 10 {
        window.push(&trade(id, id as i64, "97123.40"));
    }
    let each = window.bytes() as f64 / capacity as f64;
    assert!(each <= 48.0, "{each}");
}

#[test]
fn a_span_holds_its_beginning_and_not_its_end() {
    let mut window = TradeWindow::new(market("A"), 5);
    for id in 0..8 {
        window.push(&trade(id, id as i64 * 10, "1"));
    }
    assert_eq!(ids(window.range(at(40), at(60))), [4, 5]);
    assert_eq!(ids(window.range(at(0), at(31))), [3]);
    assert_eq!(ids(window.range(at(61), at(1_000))), [7]);
    assert!(ids(window.range(at(60), at(40))).is_empty());
}

#[test]
fn a_forming_candle_takes_the_place_of_its_former_state() {
    let mut window = CandleWindow::new(market("A"), Interval::M1, 3);
    for minute in 0..50 {
        assert!(window.push(&candle(minute, "9.999")));
        assert!(window.push(&candle(minute, "2.10")));
        assert!(!window.push(&candle(minute - 1, "3")), "it is past");
        let kept: Vec<_> = ((minute - 2).max(0)..=minute)
            .map(|minute| candle(minute, "2.10"))
            .collect();
        assert_eq!(window.newest(3).collect::<Vec<_>>(), kept);
    }
    let closes: Vec<_> = window
        .newest(1)
        .map(|candle| candle.close.to_string())
        .collect();
    assert_eq!(closes, ["2.10"]);
    let opened = |from, until| {
        window
            .range(at(from), at(until))
            .map(|c| c.open_time)
            .collect::<Vec<_>>()
    };
    assert_eq!(opened(47 * 60 + 1, 49 * 60), [at(48 * 60)]);
    assert_eq!(opened(0, 9_999).len(), 3);
    assert_eq!(opened(9_999, 0).len(), 0);
    window.clear();
    assert!(window.is_empty());
    assert!(window.push(&candle(0, "1")));
}

#[test]
fn one_market_is_forgotten_or_all() {
    let mut windows = Windows::new(10, 10);
    for name in ["A", "B"] {
        windows.push_trade(&Trade {
            market: market(name),
            ..trade(1, 1, "1")
        });
        assert!(windows.push_candle(&Candle {
            market: market(name),
            ..candle(1, "1")
        }));
    }
    assert!(windows.push_candle(&Candle {
        interval: Interval::M5,
        ..candle(1, "1")
    }));
    let len = |windows: &Windows, name: &str| {
        let candles = |interval| {
            windows
                .candles(market(name), interval)
                .map(CandleWindow::len)
        };
        (
            windows.trades(market(name)).map(TradeWindow::len),
            candles(Interval::M1),
            candles(Interval::M5),
        )
    };
    assert_eq!(len(&windows, "A"), (Some(1), Some(1), Some(1)));
    windows.clear(market("A"));
    assert_eq!(len(&windows, "A"), (None, None, None));
    assert_eq!(len(&windows, "B"), (Some(1), Some(1), None));
    windows.clear_all();
    assert_eq!(len(&windows, "B"), (None, None, None));
}

proptest! {
    #[test]
    fn a_span_is_exact_however_the_times_lie(times in proptest::collection::vec(0i64..60, 0..60), from in -5i64..65, until in -5i64..65, capacity in 1usize..40) {
        let mut window = TradeWindow::new(market("A"), capacity);
        for (id, time) in (0..).zip(&times) {
            window.push(&trade(id, *time, "1"));
        }
        let kept = times.len().saturating_sub(capacity);
        let within = (0..).zip(&times).skip(kept).filter(|(_, time)| (from..until).contains(*time));
        let expected: Vec<u64> = within.map(|(id, _)| id).collect();
        prop_assert_eq!(ids(window.range(at(from), at(until))), expected);
    }
}
