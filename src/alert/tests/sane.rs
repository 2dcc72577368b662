//! Absurd prices among the trades between two checks.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::{Board, Checked, Evidence, Mark, Past, Rule, Since, Tracker};
use crate::expression::Expression;
use crate::model::{Event, Exchange, Market, Origin, Side, Ticker, Timestamp, Trade};

use super::*;

fn market() -> Market {
    Market::new(Exchange::new("sane-test"), "BTC", "USD")
}

fn seconds(n: i64) -> Timestamp {
    Timestamp::from_nanos(n * 1_000_000_000)
}

fn trades(prices: &[&str]) -> Vec<Trade> {
    let trade = |(n, price): (usize, &&str)| Trade {
        market: market(),
        id: n as u64 + 1,
        price: price.parse().unwrap(),
        size: "1".parse().unwrap(),
        side: Side::Buy,
        timestamp: seconds(100 + n as i64),
        received_at: seconds(100 + n as i64),
        origin: Origin::History,
        replayed: false,
        suspect: false,
    };
    prices.iter().enumerate().map(trade).collect()
}

fn tracker() -> Tracker {
    let rule = Rule {
        name: Some("absurd".into()),
        condition: Expression::parse_condition("price > 500").unwrap(),
        rearm: None,
        margin: None,
        policy: Policy::default(),
        message: None,
    };
    Tracker::new(Arc::new(rule), market(), &|_| None).unwrap()
}

/// A check of these trades since a price of 100, with the ticker that the last of them makes.
fn check(prices: &[&str]) -> Checked {
    let trades = trades(prices);
    let past = Past {
        newest: trades.last().copied(),
        trades,
        ..Past::default()
    };
    let mark = Mark {
        id: Some(0),
        time: seconds(90),
        price: Some("100".parse().unwrap()),
    };
    let ticker = Ticker {
        price: prices.last().map(|price| price.parse().unwrap()),
        ..Ticker::empty(market(), seconds(200))
    };
    let evidence = Evidence {
        tickers: HashMap::from([(market(), Arc::new(ticker))]),
        since: Since::Replayed(HashMap::from([(market(), Arc::new(past.sane(mark.price)))])),
        ..Evidence::default()
    };
    tracker().check(HashMap::from([(market(), mark)]), &evidence, seconds(200))
}

#[test]
fn a_lone_absurd_trade_between_two_checks_fires_nothing_and_two_do() {
    assert_eq!(check(&["101", "1000", "102"]).outcomes, []);
    assert_eq!(check(&["101", "1000", "1001", "102"]).outcomes.len(), 1);
    assert_eq!(
        check(&["101", "140", "200", "290", "400", "501"])
            .outcomes
            .len(),
        1
    );
}

#[test]
fn an_absurd_trade_at_the_end_is_left_for_the_next_check() {
    let checked = check(&["101", "102", "1000"]);
    assert_eq!(checked.outcomes, []);
    assert_eq!(checked.truth, Truth::False);
    assert_eq!(checked.marks[&market()].id, Some(2));
    let checked = check(&["1000"]);
    assert_eq!((checked.outcomes.len(), checked.truth), (0, Truth::False));
    assert_eq!(checked.marks[&market()].id, Some(0));
}

#[test]
fn a_watch_takes_no_notice_of_a_suspect_print() {
    let mut board = Board::default();
    board.add(tracker());
    let mut fired = Vec::new();
    for (mut trade, suspect) in trades(&["100", "1000", "1001"])
        .into_iter()
        .zip([false, true, false])
    {
        trade.suspect = suspect;
        board.apply(&Event::Trade(trade), trade.received_at, |_, outcome| {
            fired.push((trade.id, outcome.verdict.is_fired()));
        });
    }
    assert_eq!(fired, [(3, true)]);
}
