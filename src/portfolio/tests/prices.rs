//! Which prices are those of now.

use super::*;
use crate::model::{Event, Status, StatusState, Ticker, Timestamp};

const OTHER: Exchange = Exchange::new("portfolio-other");

fn btc(exchange: Exchange) -> Market {
    Market::new(exchange, "BTC", "USD")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

fn ticker(market: Market, price: Option<&str>, suspect: bool) -> Event {
    Event::Ticker(Arc::new(Ticker {
        price: price.map(|price| price.parse().unwrap()),
        suspect,
        ..Ticker::empty(market, at(0))
    }))
}

fn status(market: Option<Market>, state: StatusState, stand_in: Option<Market>) -> Event {
    Event::Status(Arc::new(Status {
        exchange: EXCHANGE,
        market,
        state,
        attempt: 1,
        reason: None,
        stand_in,
        timestamp: at(0),
    }))
}

fn told(events: &[Event]) -> Result<String, Unpriced> {
    let mut prices = Prices::default();
    events
        .iter()
        .for_each(|event| prices.on_event(event, at(1)));
    let rate = prices.rate(btc(EXCHANGE), |_, _| true);
    rate.map(|rate| rate.price.to_string())
}

#[test]
fn nothing_told_is_no_price_and_the_newest_believed_one_counts() {
    assert_eq!(told(&[]), Err(Unpriced::NoPrice));
    let good = ticker(btc(EXCHANGE), Some("100.10"), false);
    let suspect = ticker(btc(EXCHANGE), Some("1"), true);
    let empty = ticker(btc(EXCHANGE), None, false);
    assert_eq!(told(std::slice::from_ref(&suspect)), Err(Unpriced::NoPrice));
    assert_eq!(told(&[good, suspect, empty]), Ok("100.10".into()));
}

#[test]
fn in_trouble_there_is_no_price_of_now_and_afterwards_there_is_again() {
    use StatusState::*;
    let market = Some(btc(EXCHANGE));
    let price = || ticker(btc(EXCHANGE), Some("5"), false);
    for trouble in [Stale, Reconnecting, Failed] {
        for of in [market, None] {
            let stale = told(&[price(), status(of, trouble, None)]);
            assert_eq!(stale, Err(Unpriced::Stale), "{trouble:?}");
            let over = told(&[
                price(),
                status(of, trouble, None),
                status(of, Connected, None),
            ]);
            assert_eq!(over, Ok("5".into()), "{trouble:?}");
        }
    }
    for fine in [Quiet, Fallback, Connected] {
        assert_eq!(told(&[price(), status(market, fine, None)]), Ok("5".into()));
    }
    // The line is back, and with it what was stale on it; what was refused is not.
    let back = status(None, Connected, None);
    let stale = status(market, Stale, None);
    assert_eq!(told(&[price(), stale, back.clone()]), Ok("5".into()));
    let refused = status(market, Failed, None);
    assert_eq!(told(&[price(), refused, back]), Err(Unpriced::Stale));
}

#[test]
fn whoever_stands_in_speaks_until_the_market_is_back() {
    let (own, other) = (btc(EXCHANGE), btc(OTHER));
    let mut events = vec![
        ticker(own, Some("1"), false),
        status(Some(own), StatusState::Failed, None),
        status(Some(own), StatusState::Fallback, Some(other)),
    ];
    assert_eq!(told(&events), Err(Unpriced::NoPrice));
    events.push(ticker(other, Some("2"), false));
    events.push(status(Some(own), StatusState::Reconnecting, None));
    assert_eq!(told(&events), Ok("2".into()));
    events.push(status(Some(own), StatusState::Connected, Some(own)));
    assert_eq!(told(&events), Ok("1".into()));
}

#[test]
fn one_that_is_too_old_is_stale_and_one_that_was_refused_will_not_come() {
    let mut prices = Prices::default();
    let market = btc(EXCHANGE);
    prices.on_event(&ticker(market, Some("1"), false), at(10));
    let mut seen = None;
    let rate = prices.rate(market, |_, came| {
        seen = Some(came);
        false
    });
    assert_eq!((rate, seen), (Err(Unpriced::Stale), Some(at(10))));
    assert!(prices.has(market) && !prices.has_failed(market));
    prices.on_event(&status(Some(market), StatusState::Failed, None), at(11));
    assert!(prices.has_failed(market));
}
