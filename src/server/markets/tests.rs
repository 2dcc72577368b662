use super::super::testing::{at, candle, status, ticker, trade};
use super::*;
use crate::model::{Exchange, Gap, GapReason, GapState, Status, StatusState};

fn market() -> Market {
    Market::new(Exchange::new("kept"), "BTC", "USD")
}

fn ids(view: &TradesView) -> Vec<u64> {
    view.trades.iter().map(|trade| trade.id).collect()
}

fn trades(ids: std::ops::RangeInclusive<u64>) -> Vec<Trade> {
    ids.map(|id| trade(market(), id)).collect()
}

fn gap(from: u64, to: u64) -> Event {
    Event::Gap(Arc::new(Gap {
        market: market(),
        stream: Stream::Trades,
        from_id: Some(from),
        to_id: Some(to),
        from: Some(at(from as i64 - 1)),
        to: Some(at(to as i64 + 1)),
        missing: Some(to - from + 1),
        recovered: 0,
        state: GapState::Unrepairable,
        reason: GapReason::IdHole,
    }))
}

#[tokio::test]
async fn the_newest_trades_come_with_the_gaps_that_touch_them() {
    let markets = Markets::default();
    let mut events: Vec<Event> = trades(1..=5).into_iter().map(Event::Trade).collect();
    events.push(gap(6, 7));
    events.extend(trades(8..=12).into_iter().map(Event::Trade));
    markets.apply(&mut events.clone());
    let all = markets.trades(market(), 100, None);
    assert_eq!(ids(&all), [1, 2, 3, 4, 5, 8, 9, 10, 11, 12]);
    assert_eq!(all.gaps.len(), 1);
    assert_eq!(
        markets.trades(market(), 5, None).gaps.len(),
        1,
        "just before"
    );
    assert_eq!(markets.trades(market(), 4, None).gaps.len(), 0);
    let after = markets.trades(market(), 100, Some(5));
    assert_eq!((ids(&after), after.gaps.len()), (vec![8, 9, 10, 11, 12], 1));
    let after = markets.trades(market(), 100, Some(8));
    assert_eq!((ids(&after).len(), after.gaps.len()), (4, 0));
    let none = markets.trades(market(), 100, Some(u64::MAX));
    assert_eq!((ids(&none).len(), none.gaps.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn trades_of_the_past_are_joined_only_where_there_is_no_hole() {
    let markets = Markets::default();
    assert!(markets.wants_past_trades(market()));
    markets.put_trades(market(), trades(1..=3));
    assert_eq!(ids(&markets.trades(market(), 2, None)), [2, 3]);
    assert!(!markets.wants_past_trades(market()), "it was just asked");
    markets.apply(&mut vec![Event::Trade(trade(market(), 6))]);
    assert_eq!(ids(&markets.trades(market(), 9, None)), [6]);
    tokio::time::advance(std::time::Duration::from_secs(6)).await;
    assert!(markets.wants_past_trades(market()));
    markets.put_trades(market(), trades(1..=4));
    assert_eq!(ids(&markets.trades(market(), 9, None)), [6], "where is 5?");
    markets.put_trades(market(), trades(2..=6));
    assert_eq!(ids(&markets.trades(market(), 9, None)), [2, 3, 4, 5, 6]);
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    assert!(!markets.wants_past_trades(market()));
}

#[test]
fn candles_of_the_past_come_before_those_of_the_stream_and_never_replace_one() {
    let markets = Markets::default();
    let one = |place, price, closed| candle(market(), Interval::M1, place, price, closed);
    let told = |candle: Candle| Event::Candle(Arc::new(candle));
    markets.open(market(), Stream::Candles(Interval::M1));
    assert_eq!(markets.seam(market(), Interval::M1), None);
    markets.apply(&mut vec![told(one(0, "5", true)), told(one(1, "6", false))]);
    let past = vec![
        one(-3, "1", true),
        one(-2, "2", true),
        one(0, "99", true),
        one(1, "98", true),
    ];
    markets.put_candles(market(), Interval::M1, past, 500);
    let prices = || -> Vec<String> {
        let all = markets.candles(market(), Interval::M1, 100);
        all.iter().map(|candle| candle.close.to_string()).collect()
    };
    assert_eq!(prices(), ["1", "2", "5", "6"]);
    let open = |place| one(place, "1", true).open_time;
    let seam = markets.seam(market(), Interval::M1);
    assert_eq!(seam, Some((open(-1), open(0))), "one is missing");
    markets.put_candles(market(), Interval::M1, vec![one(-1, "3", true)], 0);
    assert_eq!(prices(), ["1", "2", "3", "5", "6"]);
    assert_eq!(markets.candles_asked(market(), Interval::M1), 500);
    markets.apply(&mut vec![told(one(1, "7", true))]);
    assert_eq!(prices(), ["1", "2", "3", "5", "7"]);
    let some = markets.candles_between(market(), Interval::M1, open(-1), open(1));
    assert_eq!(some.len(), 2);
}

#[test]
fn what_is_forgotten_does_not_come_back_by_events_that_were_on_their_way() {
    let markets = Markets::default();
    let (btc, stream) = (market(), Stream::Ticker);
    markets.open(btc, stream);
    let event = Event::Ticker(Arc::new(ticker(btc, "1.10")));
    markets.apply(&mut vec![event.clone()]);
    assert_eq!(markets.tickers().len(), 1);
    markets.forget(btc, stream);
    markets.apply(&mut vec![event.clone()]);
    markets.offer_ticker(&Arc::new(ticker(btc, "1.10")));
    assert_eq!(markets.ticker(btc), None);
    markets.open(btc, stream);
    markets.apply(&mut vec![event]);
    assert!(markets.ticker(btc).is_some());
}

#[test]
fn who_stands_in_speaks_for_a_market_until_it_is_back() {
    let markets = Markets::default();
    let other = Market::new(Exchange::new("other"), "BTC", "USDT");
    let told = |stand_in| {
        let Event::Status(known) =
            status(market().exchange(), Some(market()), StatusState::Fallback)
        else {
            unreachable!("it is one");
        };
        let stand_in = Some(stand_in);
        Event::Status(Arc::new(Status {
            stand_in,
            ..(*known).clone()
        }))
    };
    markets.forget(other, Stream::Ticker);
    markets.apply(&mut vec![
        told(other),
        Event::Ticker(Arc::new(ticker(other, "2"))),
    ]);
    assert_eq!(markets.speaker(market()), other);
    assert!(markets.ticker(other).is_some());
    markets.apply(&mut vec![told(market())]);
    assert_eq!(markets.speaker(market()), market());
}

#[test]
fn memory_of_trades_is_bounded_over_all_markets() {
    let markets = Markets::default();
    for n in 0..300 {
        let market = Market::new(Exchange::new("kept"), &format!("N{n}"), "USD");
        markets.apply(&mut vec![Event::Trade(Trade {
            market,
            ..trade(market, 1)
        })]);
    }
    let kept = markets.kept();
    assert!(kept.trades.reserved() <= 1_500_000 + 300 * 1_000);
    drop(kept);
    for n in 0..300 {
        let market = Market::new(Exchange::new("kept"), &format!("N{n}"), "USD");
        markets.forget(market, Stream::Trades);
    }
    assert_eq!(markets.kept().trades.reserved(), 0);
}
