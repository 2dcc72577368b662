//! Candles of trades that were begun in their middle.

use super::super::*;
use super::support::*;
use crate::model::Interval::{D1, H1, M1, S5};
use crate::model::Timestamp;

const DAY: i64 = 86_400;

fn bench(interval: Interval) -> Bench {
    Bench::new(&[interval], &traits(&[], false))
}

fn repeated(bench: &mut Bench, id: u64, seconds: i64) {
    let trade = Trade {
        replayed: true,
        ..trade(id, seconds, "4")
    };
    bench.candles.on_replayed(&trade);
}

fn replay(trades: impl IntoIterator<Item = Trade>) -> Result<Replay, ProviderError> {
    let trades: Vec<_> = trades.into_iter().collect();
    let newest = trades.last().copied();
    Ok(Replay {
        trades,
        uncovered: Vec::new(),
        missing: Vec::new(),
        newest,
    })
}

impl Bench {
    fn asked_trades(&mut self) -> (u64, Timestamp) {
        match self.asked() {
            Ask::Trades { ticket, after, .. } => (ticket, after.time),
            other => panic!("{other:?}"),
        }
    }

    fn answer_trades(&mut self, ticket: u64, answer: Result<Replay, ProviderError>) -> String {
        self.candles.on_trades(btc(), ticket, answer, self.now);
        self.candles.on_timer(self.now);
        self.told()
    }
}

#[test]
fn a_repeated_trade_of_an_earlier_minute_shows_that_nothing_is_missing() {
    let mut bench = bench(M1);
    repeated(&mut bench, 8, 55);
    assert_eq!(bench.trade(9, 70, "5"), "~@60 5 5 5 5 1 1");
}

#[test]
fn trades_that_begin_anew_follow_upon_none() {
    let traits = traits(KRAKEN, false);
    let mut bench = Bench::new(&[M1, S5], &traits);
    bench.trade(1, 3, "5");
    bench.candles.remove(btc(), S5);
    bench.candles.forget_trades(btc());
    repeated(&mut bench, 2, 9);
    bench.candles.add(btc(), S5, &traits);
    assert_eq!(bench.trade(70, 62, "5"), "5s~@60 5 5 5 5 1 1?");
}

#[test]
fn repeated_trades_count_where_they_reach_back_before_the_minute() {
    let mut bench = bench(M1);
    for (id, seconds) in [(6, 58), (7, 61), (8, 62)] {
        repeated(&mut bench, id, seconds);
    }
    assert_eq!(bench.trade(9, 70, "5"), "~@60 4 5 4 5 3 3");
}

#[test]
fn the_trades_since_the_minute_began_join_by_their_ids() {
    let mut bench = bench(M1);
    assert_eq!(bench.trade(9, 70, "5"), "~@60 5 5 5 5 1 1?");
    let (ticket, after) = bench.asked_trades();
    assert_eq!(after, at(60).plus_nanos(-1));
    bench.trade(10, 71, "6");
    let found = [
        trade(7, 61, "2"),
        trade(8, 65, "3"),
        trade(9, 70, "5"),
        trade(10, 71, "6"),
    ];
    assert_eq!(
        bench.answer_trades(ticket, replay(found)),
        "~@60 2 6 2 6 4 4"
    );
    assert_eq!(
        bench.trade(11, 121, "7"),
        "@60 2 6 2 6 4 4, ~@120 7 7 7 7 1 1"
    );
}

#[test]
fn an_answer_that_does_not_reach_our_first_trade_is_asked_for_again() {
    let mut bench = bench(M1);
    bench.trade(9, 70, "5");
    let (ticket, _) = bench.asked_trades();
    assert_eq!(bench.answer_trades(ticket, replay([trade(7, 61, "2")])), "");
    let (ticket, _) = bench.asked_trades();
    let told = bench.answer_trades(ticket, replay([trade(7, 61, "2"), trade(8, 62, "2")]));
    assert_eq!(told, "~@60 2 5 2 5 3 3");
}

#[test]
fn a_day_is_put_together_from_hours_minutes_and_trades() {
    let mut bench = bench(D1);
    let now = DAY + 2 * 3_600 + 3 * 60 + 20;
    bench.trade(9, now, "5");
    let (ticket, after) = bench.asked_trades();
    assert_eq!(after, at(now - 20).plus_nanos(-1));
    let found = [trade(8, now - 5, "4"), trade(9, now, "5")];
    bench.answer_trades(ticket, replay(found));
    let (ticket, interval, asked) = bench.asked_rows();
    assert_eq!((interval, asked), (H1, span(DAY, DAY + 7_200)));
    bench.answer(ticket, rows(asked, [row(DAY, "1 8 1 2 10 3")]));
    let (ticket, interval, asked) = bench.asked_rows();
    assert_eq!((interval, asked), (M1, span(DAY + 7_200, now - 20)));
    let told = bench.answer(ticket, rows(asked, [row(DAY + 7_260, "2 2 2 2 1 1")]));
    assert_eq!(told, format!("1d~@{DAY} 1 8 1 5 13 6"));
}

#[test]
fn one_answer_with_trades_serves_all_lengths() {
    let mut bench = Bench::new(&[M1, S5], &traits(&[], false));
    bench.trade(9, 74, "5");
    let (ticket, _) = bench.asked_trades();
    let told = bench.answer_trades(
        ticket,
        replay([trade(7, 61, "2"), trade(8, 71, "3"), trade(9, 74, "5")]),
    );
    assert!(
        told.contains("5s~@70 3 5 3 5 2 2") && told.contains(", ~@60 2 5 2 5 3 3")
            || told.contains("~@60 2 5 2 5 3 3, "),
        "{told}"
    );
    assert!(!told.contains('?'), "{told}");
}

#[test]
fn without_a_seed_the_whole_row_is_asked_for_at_the_end() {
    let mut bench = bench(M1);
    bench.trade(9, 70, "5");
    let (ticket, _) = bench.asked_trades();
    let refused = Err(ProviderError::Refused("no history".into()));
    bench.answer_trades(ticket, refused);
    assert_eq!(bench.trade(10, 121, "6"), "");
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!(asked, span(60, 120));
    let told = bench.answer(ticket, rows(asked, [row(60, "1 5 1 5 4 4")]));
    assert_eq!(told, "+@60 1 5 1 5 4 4, ~@120 6 6 6 6 1 1");
}

#[test]
fn a_row_whose_last_price_is_not_ours_is_not_believed() {
    let mut bench = bench(M1);
    bench.trade(9, 70, "5");
    bench.trade(10, 121, "6");
    let mut told = String::new();
    for _ in 0..3 {
        assert_eq!(told, "");
        let (ticket, _, asked) = bench.asked_rows();
        told = bench.answer(ticket, rows(asked, [row(60, "1 5 1 4 4 4")]));
    }
    assert_eq!(told, "@60 5 5 5 5 1 1?, ~@120 6 6 6 6 1 1");
}
