//! Candles that the exchange streams in the wanted length.

use std::sync::Arc;

use super::super::*;
use super::support::*;
use crate::feed::Span;
use crate::model::Candle;
use crate::model::Interval::M1;

fn kraken() -> Bench {
    Bench::new(&[M1], &traits(KRAKEN, false))
}

fn binance() -> Bench {
    Bench::new(&[M1], &traits(&[M1], true))
}

#[test]
fn a_candle_closes_once_the_exchange_says_so() {
    let mut bench = binance();
    assert_eq!(bench.state(30, 0, "5 6 5 6 2 2"), "~@0 5 6 5 6 2 2");
    assert_eq!(bench.state(60, 0, "5 6 4 6 3 3."), "@0 5 6 4 6 3 3");
    assert_eq!(bench.state(61, 0, "5 6 4 6 3 3."), "");
    assert_eq!(bench.state(62, 60, "6 6 6 6 0 0"), "~@60 6 6 6 6 0 0");
    assert_eq!(bench.candles.closed, 1);
}

#[test]
fn a_candle_closes_once_a_later_one_comes() {
    let mut bench = kraken();
    bench.state(10, 0, "5 6 5 6 2 2");
    let told = bench.state(65, 60, "7 7 7 7 1 1");
    assert_eq!(told, "@0 5 6 5 6 2 2, ~@60 7 7 7 7 1 1");
    // a minute without trades has no candle there
    let told = bench.state(190, 180, "8 8 8 8 1 1");
    assert_eq!(told, "@60 7 7 7 7 1 1, ~@180 8 8 8 8 1 1");
}

#[test]
fn a_busy_candle_whose_last_seconds_brought_nothing_is_asked_about() {
    let mut bench = kraken();
    bench.state(45, 0, "5 6 5 6 2 90");
    assert_eq!(bench.state(61, 60, "7 7 7 7 1 1"), "");
    let (_, interval, span) = bench.asked_rows();
    assert_eq!((interval, span.from, span.until), (M1, at(0), at(60)));
}

#[test]
fn only_the_last_state_of_a_batch_is_told() {
    let told = kraken().take(
        20,
        [
            state(10, 0, "5 5 5 5 1 1"),
            state(11, 0, "5 6 5 6 2 2"),
            state(20, 0, "5 6 4 4 3 3"),
        ],
    );
    assert_eq!(told, "~@0 5 6 4 4 3 3");
}

#[test]
fn what_is_repeated_from_before_the_stream_is_not_told() {
    let mut bench = kraken();
    let told = bench.take(
        130,
        [
            state(130, 0, "5 5 5 5 1 1"),
            state(130, 60, "5 6 5 6 2 2"),
            state(130, 120, "6 6 6 6 1 1"),
        ],
    );
    assert_eq!(told, "~@120 6 6 6 6 1 1");
    assert_eq!(
        bench.state(185, 180, "7 7 7 7 1 1"),
        "@120 6 6 6 6 1 1, ~@180 7 7 7 7 1 1"
    );
}

#[test]
fn what_a_repetition_after_an_outage_brings_needs_no_question() {
    let mut bench = kraken();
    bench.state(10, 0, "5 5 5 5 1 1");
    bench.lost(M1);
    let told = bench.take(
        190,
        [
            state(190, 0, "5 6 5 6 2 2"),
            state(190, 60, "6 6 6 6 1 1"),
            state(190, 180, "7 7 7 7 1 1"),
        ],
    );
    assert_eq!(told, "@0 5 6 5 6 2 2, @60 6 6 6 6 1 1, ~@180 7 7 7 7 1 1");
    assert!(bench.candles.take_asks().is_empty());
}

#[test]
fn an_outage_over_the_end_is_made_good_by_the_exchanges_rows() {
    let mut bench = kraken();
    bench.state(10, 0, "5 5 5 5 1 1");
    bench.lost(M1);
    assert_eq!(bench.state(190, 180, "7 7 7 7 1 1"), "");
    // nothing is told before it is known what came before
    assert_eq!(bench.state(245, 240, "8 8 8 8 1 1"), "");
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!(asked, span(0, 180));
    let found = [
        row(0, "5 6 5 6 2 2"),
        row(60, "6 7 6 7 4 4"),
        row(120, "7 7 7 7 0 0"),
    ];
    assert_eq!(
        bench.answer(ticket, rows(asked, found)),
        "+@0 5 6 5 6 2 2, +@60 6 7 6 7 4 4, [60..120 1/1 repaired reconnect], \
         @180 7 7 7 7 1 1, ~@240 8 8 8 8 1 1"
    );
}

#[test]
fn an_outage_within_a_candle_leaves_no_doubt_about_it() {
    let mut bench = kraken();
    bench.state(10, 0, "5 5 5 5 1 1");
    bench.lost(M1);
    bench.state(50, 0, "5 6 5 6 3 3");
    assert_eq!(
        bench.state(65, 60, "7 7 7 7 1 1"),
        "@0 5 6 5 6 3 3, ~@60 7 7 7 7 1 1"
    );
}

#[test]
fn a_row_that_lacks_what_was_seen_is_asked_for_again_and_then_not_believed() {
    let mut bench = kraken();
    bench.state(10, 0, "5 9 5 9 5 5");
    bench.lost(M1);
    bench.state(70, 60, "7 7 7 7 1 1");
    for _ in 0..2 {
        let (ticket, _, asked) = bench.asked_rows();
        assert_eq!(
            bench.answer(ticket, rows(asked, [row(0, "5 6 5 6 2 2")])),
            ""
        );
    }
    let (ticket, _, asked) = bench.asked_rows();
    let told = bench.answer(ticket, rows(asked, [row(0, "5 6 5 6 2 2")]));
    assert_eq!(told, "@0 5 9 5 9 5 5?, ~@60 7 7 7 7 1 1");
}

#[test]
fn candles_that_nobody_has_leave_a_gap_and_are_not_invented() {
    let mut bench = binance();
    bench.state(60, 0, "5 5 5 5 1 1.");
    bench.lost(M1);
    bench.state(310, 300, "7 7 7 7 1 1");
    let refused = || Err(ProviderError::Refused("no history".into()));
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!(asked, span(60, 300));
    let told = bench.answer(ticket, refused());
    assert_eq!(
        told,
        "[60..300 0/4 unrepairable repair_off], ~@300 7 7 7 7 1 1"
    );
}

#[test]
fn what_can_be_had_of_a_hole_is_told_when_the_rest_cannot() {
    let mut bench = binance();
    bench.state(60, 0, "5 5 5 5 1 1.");
    bench.lost(M1);
    bench.state(190, 180, "7 7 7 7 1 1");
    let mut told = String::new();
    for _ in 0..3 {
        assert_eq!(told, "");
        let (ticket, ..) = bench.asked_rows();
        told = bench.answer(ticket, rows(span(120, 180), [row(120, "6 6 6 6 1 1")]));
    }
    assert_eq!(
        told,
        "+@120 6 6 6 6 1 1, [60..180 1/2 partial reconnect], ~@180 7 7 7 7 1 1"
    );
}

#[test]
fn only_what_was_asked_for_as_often_as_can_be_is_given_up() {
    let mut bench = binance();
    bench.state(58, 0, "5 5 5 5 1 1");
    bench.state(62, 60, "7 7 7 7 1 1");
    let late = || Err(ProviderError::Unreachable("no answer".into()));
    for _ in 0..2 {
        let (ticket, ..) = bench.asked_rows();
        assert_eq!(bench.answer(ticket, late()), "");
    }
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!(asked, span(0, 60));
    // while the third question is on its way
    assert_eq!(bench.state(122, 120, "8 8 8 8 1 1"), "");
    assert_eq!(bench.answer(ticket, late()), "@0 5 5 5 5 1 1?");
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!(asked, span(60, 120));
    let told = bench.answer(ticket, rows(asked, [row(60, "7 7 7 7 1 1")]));
    assert_eq!(told, "@60 7 7 7 7 1 1, ~@120 8 8 8 8 1 1");
}

#[test]
fn only_the_last_question_takes_the_clock_for_a_later_row() {
    let mut bench = binance();
    bench.state(58, 0, "5 5 5 5 1 1");
    bench.state(62, 60, "7 7 7 7 1 1");
    let late = || Err(ProviderError::Unreachable("no answer".into()));
    let mut shown = Vec::new();
    for _ in 0..3 {
        let Ask::Rows {
            ticket,
            closed_before,
            ..
        } = bench.asked()
        else {
            panic!("rows")
        };
        shown.push(closed_before >= at(60 + 5));
        bench.answer(ticket, late());
    }
    assert_eq!(shown, [false, false, true]);
}

#[test]
fn a_skipped_candle_is_missed_where_the_exchange_has_empty_ones() {
    let mut bench = binance();
    bench.state(60, 0, "5 5 5 5 1 1.");
    bench.state(130, 120, "7 7 7 7 1 1");
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!(asked, span(60, 120));
    let told = bench.answer(ticket, rows(asked, [row(60, "5 5 5 5 0 0")]));
    assert_eq!(
        told,
        "+@60 5 5 5 5 0 0, [60..120 1/1 repaired id_hole], ~@120 7 7 7 7 1 1"
    );
}

#[test]
fn a_candle_whose_end_was_not_told_is_in_doubt_where_ends_are_told() {
    let mut bench = binance();
    bench.state(58, 0, "5 5 5 5 1 1");
    assert_eq!(bench.state(62, 60, "7 7 7 7 1 1"), "");
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!(asked, span(0, 60));
    let told = bench.answer(ticket, rows(asked, [row(0, "5 5 5 5 1 1")]));
    // ours, since nothing was missing
    assert_eq!(told, "@0 5 5 5 5 1 1, ~@60 7 7 7 7 1 1");
}

#[test]
fn a_quiet_candle_is_closed_by_the_exchanges_row_and_not_by_the_clock() {
    let mut bench = kraken();
    bench.state(10, 0, "5 5 5 5 1 1");
    assert_eq!(bench.pass(61), "");
    assert!(bench.candles.take_asks().is_empty());
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!((asked, bench.now), (span(0, 60), 62_000_000_000));
    assert_eq!(
        bench.answer(ticket, rows(asked, [row(0, "5 5 5 5 1 1")])),
        "@0 5 5 5 5 1 1"
    );
}

#[test]
fn a_quiet_candle_of_which_the_exchange_says_nothing_stays_open_and_is_asked_about_less_and_less() {
    let mut bench = kraken();
    bench.state(10, 0, "5 5 5 5 1 1");
    let mut asked_at = Vec::new();
    for _ in 0..9 {
        let (ticket, ..) = bench.asked_rows();
        asked_at.push(bench.now / 1_000_000_000);
        let late = Err(ProviderError::Unreachable("no answer".into()));
        assert_eq!(bench.answer(ticket, late), "");
    }
    assert_eq!(asked_at, [62, 64, 67, 82, 84, 87, 117, 119, 122]);
    assert_eq!(
        bench.state(130, 120, "7 7 7 7 1 1"),
        "@0 5 5 5 5 1 1, ~@120 7 7 7 7 1 1"
    );
}

#[test]
fn more_in_the_row_of_a_quiet_candle_is_waited_for_and_then_believed() {
    let mut bench = kraken();
    bench.state(10, 0, "5 5 5 5 1 1");
    let mut told = String::new();
    for _ in 0..3 {
        assert_eq!(told, "");
        let (ticket, _, asked) = bench.asked_rows();
        told = bench.answer(ticket, rows(asked, [row(0, "5 6 5 6 2 2")]));
    }
    assert_eq!(told, "+@0 5 6 5 6 2 2");
}

#[test]
fn nothing_is_ever_told_before_or_after_a_closed_candle_of_a_later_time() {
    let mut bench = kraken();
    bench.state(10, 0, "5 5 5 5 1 1");
    bench.state(70, 60, "7 7 7 7 1 1");
    assert_eq!(bench.state(71, 0, "5 9 5 9 9 9"), "");
    assert_eq!(bench.state(72, 60, "7 7 7 7 2 2"), "~@60 7 7 7 7 2 2");
    // an old state of the same candle
    assert_eq!(bench.state(72, 60, "7 7 7 7 1 1"), "~@60 7 7 7 7 2 2");
}

#[test]
fn a_source_with_its_own_clock_is_asked_nothing() {
    let own = Traits {
        own_clock: true,
        ..traits(&[M1], true)
    };
    let mut bench = Bench::new(&[M1], &own);
    bench.state(10, 0, "5 5 5 5 1 1");
    bench.lost(M1);
    let told = bench.state(130, 120, "7 7 7 7 1 1");
    assert_eq!(
        told,
        "@0 5 5 5 5 1 1?, [60..120 0/1 unrepairable repair_off], ~@120 7 7 7 7 1 1"
    );
    assert!(bench.is_silent());
}

/// Many markets, each with these states.
fn many(traits: &Traits, states: &[Event]) -> Candles {
    let mut candles = Candles::default();
    for n in 0..20 {
        let market = Market::new(Exchange::new("test"), &format!("A{n}"), "USD");
        candles.add(market, M1, traits);
        let states = states.iter().map(|state| match state {
            Event::Candle(state) => Event::Candle(Arc::new(Candle {
                market,
                ..(**state).clone()
            })),
            other => panic!("{other:?}"),
        });
        candles.absorb(&mut states.collect(), 62_000_000_000);
    }
    candles.take_ready(62_000_000_000, &mut Vec::new());
    candles
}

fn asked_rows(ask: &Ask) -> (Market, u64, Span) {
    match ask {
        Ask::Rows {
            market,
            ticket,
            span,
            ..
        } => (*market, *ticket, *span),
        other => panic!("{other:?}"),
    }
}

#[test]
fn few_markets_of_an_exchange_are_asked_about_at_once() {
    let states = [state(10, 0, "5 5 5 5 1 1"), state(62, 60, "5 5 5 5 1 1")];
    let mut candles = many(&traits(&[M1], true), &states);
    candles.on_timer(70_000_000_000);
    let asks = candles.take_asks();
    assert_eq!(asks.len(), REPAIRS_AT_ONCE);
    candles.on_timer(70_000_000_001);
    assert!(candles.take_asks().is_empty());
    let (market, ticket, span) = asked_rows(&asks[0]);
    candles.on_rows(market, ticket, &rows(span, []), 71_000_000_000);
    candles.on_timer(71_000_000_000);
    assert_eq!(candles.take_asks().len(), 1);
}

#[test]
fn many_quiet_markets_are_asked_about_one_by_one_and_after_all_else() {
    let mut candles = many(&traits(KRAKEN, false), &[state(58, 0, "5 5 5 5 1 1")]);
    let mut asked = std::collections::BTreeSet::new();
    let mut now = 70_000_000_000;
    while asked.len() < 20 {
        candles.on_timer(now);
        let asks = candles.take_asks();
        assert_eq!(asks.len(), 1);
        let (market, ticket, span) = asked_rows(&asks[0]);
        assert!(asked.insert(market.index()));
        let row = Candle {
            market,
            ..row(0, "5 5 5 5 1 1")
        };
        let is_slow = asked.len() == 1;
        if is_slow {
            now += QUIET_APART;
            candles.on_timer(now);
            assert!(candles.take_asks().is_empty());
        }
        candles.on_rows(market, ticket, &rows(span, [row]), now);
        if !is_slow && asked.len() < 20 {
            candles.on_timer(now);
            assert!(candles.take_asks().is_empty());
            assert_eq!(candles.deadline(), Some(now + QUIET_APART));
            now += QUIET_APART;
        }
    }
    assert_eq!(candles.closed, 20);
}

#[test]
fn a_lane_that_is_added_and_removed_leaves_nothing_behind() {
    let (mut candles, traits) = (Candles::default(), traits(KRAKEN, false));
    assert_eq!(candles.add(btc(), M1, &traits), Stream::Candles(M1));
    assert_eq!(
        candles.add(btc(), Interval::M3, &traits),
        Stream::Candles(M1)
    );
    assert_eq!(candles.add(btc(), Interval::S5, &traits), Stream::Trades);
    candles.remove(btc(), M1);
    assert!(candles.is_fed_by(btc(), Stream::Candles(M1)));
    candles.remove(btc(), Interval::M3);
    assert!(!candles.is_fed_by(btc(), Stream::Candles(M1)));
    assert_eq!(candles.remove(btc(), Interval::S5), Some(Stream::Trades));
    assert!(candles.is_idle());
}
