mod accounts;
mod causality;
mod definitions;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::model::{
    Candle, Exchange, Interval, Market, Origin, Price, Qty, Signal, SignalSide, Timestamp, Value,
};

const MINUTE: i64 = 60_000_000_000;

fn market(base: &str) -> Market {
    Market::new(Exchange::new("kraken"), base, "USD")
}

/// The candle of this minute, closed.
fn candle(market: Market, minute: i64, open: &str, close: &str) -> Arc<Candle> {
    let (open, close): (Price, Price) = (open.parse().unwrap(), close.parse().unwrap());
    Arc::new(Candle {
        market,
        interval: Interval::M1,
        open_time: Timestamp::from_nanos(minute * MINUTE),
        open,
        high: open.max(close),
        low: open.min(close),
        close,
        volume: Qty::from(crate::model::Decimal::ONE),
        quote_volume: None,
        trades: None,
        closed: true,
        complete: true,
        origin: Origin::History,
        timestamp: None,
        received_at: Timestamp::from_nanos(0),
    })
}

fn defined(name: &str, buy: &str, sell: &str) -> BTreeMap<String, Definition> {
    let definition = Definition::Conditions {
        buy: buy.into(),
        sell: sell.into(),
        interval: None,
    };
    BTreeMap::from([(name.to_owned(), definition)])
}

fn strategy(buy: &str, sell: &str) -> Strategy {
    Strategy::parse("own", Interval::M1, &defined("own", buy, sell)).unwrap()
}

/// Its signals over these candles, none of whose functions is known.
fn signals(strategy: &Strategy, candles: &[Arc<Candle>]) -> Vec<Signal> {
    let mut machine = strategy.machine().unwrap();
    let nothing = |_: &crate::expression::Operand| Value::Null;
    let signals = candles
        .iter()
        .filter_map(|candle| machine.on_candle(candle, &nothing));
    signals.collect()
}

fn sides(signals: &[Signal]) -> Vec<(SignalSide, i64)> {
    let minute = |signal: &Signal| (signal.side, signal.timestamp.nanos() / MINUTE);
    signals.iter().map(minute).collect()
}
