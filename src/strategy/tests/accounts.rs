//! What signals would have brought, to the last digit.

use super::*;
use crate::model::Decimal;

fn signal(market: Market, side: SignalSide, minute: i64) -> Signal {
    Signal {
        strategy: "own".into(),
        market,
        side,
        price: None,
        values: Vec::new(),
        timestamp: Timestamp::from_nanos(minute * MINUTE),
    }
}

fn costs(fee: &str, slippage: &str) -> Costs {
    Costs {
        fee: Costs::parse_percent(fee).unwrap(),
        slippage: Costs::parse_percent(slippage).unwrap(),
    }
}

/// The report over these candles and orders of one market.
fn report(costs: Costs, bars: &[(&str, &str)], orders: &[(SignalSide, i64)]) -> Report {
    let mut backtest = Backtest::new(&strategy("price > 0", "price < 0"), costs);
    let btc = market("BTC");
    for (minute, (open, close)) in bars.iter().enumerate() {
        backtest.on_candle(&candle(btc, minute as i64, open, close));
    }
    for (side, minute) in orders {
        backtest.on_signal(&signal(btc, *side, *minute));
    }
    backtest.report()
}

fn percents(summary: &Summary) -> [String; 4] {
    [
        summary.return_percent,
        summary.hold_percent,
        summary.drawdown_percent,
        summary.fees_percent,
    ]
    .map(|percent| percent.to_string())
}

use SignalSide::{Buy, Exit, Sell};

#[test]
fn a_signal_at_a_close_is_filled_at_the_next_open() {
    let bars = [("100", "100"), ("110", "120"), ("121", "50"), ("60", "70")];
    let report = report(Costs::default(), &bars, &[(Buy, 1), (Sell, 2)]);
    let summary = &report.markets[0];
    assert_eq!((summary.trades, summary.wins, summary.open), (1, 1, 0));
    // 110 to 121; held: 100 to 70; never below its own high at a close but for 0 of it.
    assert_eq!(
        percents(summary),
        ["10.0000", "-30.0000", "0.0000", "0.0000"]
    );
    assert_eq!(report.total, None);
}

#[test]
fn fees_and_slippage_are_paid_on_every_fill() {
    let bars = [("100", "100"), ("100", "100"), ("100", "100")];
    let report = report(costs("1%", "2%"), &bars, &[(Buy, 1), (Exit, 2)]);
    let summary = &report.markets[0];
    // 1 / 1.01 / 102 units, sold at 98, less a hundredth: 0.98 × 0.99 / 1.02 / 1.01 is left.
    let left = Decimal::new(9_702, 4) / Decimal::new(10_302, 4);
    let mut lost = ((left - Decimal::ONE) * Decimal::ONE_HUNDRED).round_dp(4);
    lost.rescale(4);
    assert_eq!(summary.return_percent, lost);
    assert_eq!(percents(summary)[0], "-5.8241");
    // Bought at the first open at the same costs, and not sold: 1 / 1.01 / 1.02.
    assert_eq!(percents(summary)[1], "-2.9315");
    // 1 − 1/1.01 to buy, and a hundredth of 0.98 / 1.02 / 1.01 to sell.
    assert_eq!(percents(summary)[3], "1.9414");
    assert_eq!((summary.trades, summary.wins), (1, 0));
}

#[test]
fn the_drawdown_is_from_a_high_at_closes() {
    let bars = [
        ("100", "100"),
        ("100", "200"),
        ("200", "150"),
        ("150", "180"),
        ("180", "90"),
        ("90", "300"),
    ];
    let report = report(Costs::default(), &bars, &[(Buy, 1)]);
    let summary = &report.markets[0];
    assert_eq!(
        percents(summary),
        ["200.0000", "200.0000", "55.0000", "0.0000"]
    );
    assert_eq!((summary.trades, summary.wins, summary.open), (1, 1, 1));
}

#[test]
fn what_changes_nothing_is_not_traded() {
    let bars = [("1", "1"), ("2", "2"), ("4", "4"), ("8", "8")];
    let orders = [(Sell, 0), (Buy, 1), (Buy, 2), (Exit, 3), (Sell, 3)];
    let summary = report(costs("0%", "0%"), &bars, &orders).markets[0].clone();
    assert_eq!(
        (summary.trades, percents(&summary)[0].as_str()),
        (1, "300.0000")
    );
}

#[test]
fn of_several_signals_before_one_open_the_last_counts() {
    let mut backtest = Backtest::new(&strategy("price > 0", "price < 0"), costs("1%", "0%"));
    let btc = market("BTC");
    for minute in [0, 5, 6] {
        backtest.on_candle(&candle(btc, minute, "100", "100"));
    }
    for (side, minute) in [(Buy, 1), (Sell, 2), (Buy, 3), (Sell, 4)] {
        backtest.on_signal(&signal(btc, side, minute));
    }
    let summary = backtest.report().markets[0].clone();
    assert_eq!(
        (summary.trades, summary.fees_percent),
        (0, Decimal::new(0, 4))
    );
}

#[test]
fn a_signal_after_the_last_open_is_not_filled_and_that_is_said() {
    let bars = [("100", "100"), ("100", "120")];
    let report = report(Costs::default(), &bars, &[(Buy, 1), (Sell, 2)]);
    let summary = &report.markets[0];
    assert_eq!((summary.trades, summary.open, summary.unfilled), (1, 1, 1));
    assert_eq!(
        report.lines(),
        [
            "backtest of own, 1m, 1970-01-01T00:00:00Z to 1970-01-01T00:02:00Z, fee 0%, slippage 0%",
            "market          candles  trades  hit rate   return  buy & hold  max drawdown   fees",
            "kraken:BTC/USD        2       1   100.00%  +20.00%     +20.00%         0.00%  0.00%",
            "kraken:BTC/USD: the last trade is still open, marked at the last close, 120",
            "kraken:BTC/USD: the last signal is not filled, no candle followed",
        ]
    );
}

#[test]
fn several_markets_share_the_capital_whatever_order_they_come_in() {
    let (btc, eth) = (market("BTC"), market("ETH"));
    let bars = [
        (btc, 0, "100", "100"),
        (btc, 1, "100", "200"),
        (btc, 2, "200", "100"),
        (eth, 0, "10", "10"),
        (eth, 1, "10", "10"),
        (eth, 2, "10", "20"),
    ];
    let report = |order: &[usize]| {
        let mut backtest = Backtest::new(&strategy("price > 0", "price < 0"), Costs::default());
        backtest.on_signal(&signal(btc, Buy, 1));
        backtest.on_signal(&signal(eth, Buy, 2));
        for place in order {
            let (market, minute, open, close) = bars[*place];
            backtest.on_candle(&candle(market, minute, open, close));
        }
        backtest.report()
    };
    let whole = report(&[0, 1, 2, 3, 4, 5]);
    let total = whole.total.clone().unwrap();
    // 1 + 1, then 2 + 1, then 1 + 2: no fall of both together.
    assert_eq!(percents(&total), ["50.0000", "50.0000", "0.0000", "0.0000"]);
    assert_eq!(percents(&whole.markets[0])[2], "50.0000");
    assert_eq!((total.candles, total.trades, total.open), (6, 2, 2));
    let mixed = report(&[0, 3, 1, 4, 2, 5]);
    assert_eq!(mixed, whole);
    let lines = whole.lines();
    assert_eq!(
        lines[4],
        "total                 6       2    50.00%   +50.00%     +50.00%         0.00%  0.00%"
    );
}

#[test]
fn nothing_is_bought_for_nothing_and_no_price_is_too_large() {
    let huge = "79228162514264337593543950335";
    let bars = [("1", "1"), ("0", "0"), ("0.0000000001", "1"), (huge, huge)];
    let summary = report(Costs::default(), &bars, &[(Buy, 1), (Sell, 3)]).markets[0].clone();
    assert_eq!(summary.trades, 1);
    assert!(summary.return_percent > Decimal::ONE_HUNDRED);
}

#[test]
fn without_candles_there_is_nothing_to_tell() {
    let report = report(Costs::default(), &[], &[(Buy, 1)]);
    assert_eq!(report.lines(), ["backtest of own, 1m: no candles"]);
}

#[test]
fn a_percentage_has_its_sign() {
    for (text, value) in [("0.1%", 1), ("0.1 pct", 1), (" 0.10 % ", 1), ("0%", 0)] {
        assert_eq!(
            Costs::parse_percent(text),
            Ok(Decimal::new(value, 1)),
            "{text}"
        );
    }
    for text in ["0.1", "-1%", "100%", "%", "x%", "1e-40%", ""] {
        let error = Costs::parse_percent(text).unwrap_err();
        assert!(error.contains("(write 0.1%)"), "{text}: {error}");
    }
}
