//! Lists of events, signs and answers in; events and questions out.

mod effects;
mod world;

use super::*;
use crate::model::{Exchange, Origin, Price, Qty, Side};
use std::sync::Arc;

const MILLI: u64 = 1_000_000;

fn ticker(at: i64) -> Event {
    let market = Market::new(Exchange::new("core-test"), "BTC", "USD");
    let mut ticker = Ticker::empty(market, Timestamp::from_nanos(1_000));
    ticker.timestamp = Some(Timestamp::from_nanos(at));
    Event::Ticker(Arc::new(ticker))
}

fn trade(market: Market, id: u64, millis: u64) -> Trade {
    let time = Timestamp::from_nanos((millis * MILLI) as i64);
    Trade {
        market,
        id,
        price: Price::from(crate::model::Decimal::from(id)),
        size: Qty::from(crate::model::Decimal::ONE),
        side: Side::Buy,
        timestamp: time,
        received_at: time,
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    }
}

#[test]
fn a_ticker_that_goes_back_in_time_is_dropped_but_one_from_the_future_silences_nothing() {
    let mut core = Core::default();
    core.add(ticker(0).market().unwrap(), Stream::Ticker, true);
    let mut out = Vec::new();
    for at in [500, 400, 500, 90_000_000_000, 600] {
        core.apply(ticker(at), 0, &mut out);
    }
    assert_eq!(
        out,
        [
            ticker(500),
            ticker(500),
            ticker(90_000_000_000),
            ticker(600)
        ]
    );
    assert_eq!(core.stale_tickers, 1);
}

#[test]
fn what_nobody_asked_for_is_not_told() {
    let mut core = Core::default();
    let mut out = Vec::new();
    let market = Market::new(Exchange::new("core-test"), "NOT", "ASKED");
    core.apply(
        Event::Ticker(Arc::new(Ticker::empty(market, Timestamp::from_nanos(0)))),
        0,
        &mut out,
    );
    assert_eq!(out, []);
}
