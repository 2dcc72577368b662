//! Candles that are made of trades.

use std::sync::Arc;

use super::super::*;
use super::support::*;
use crate::model::Interval::{M1, M5, S5};
use crate::model::{Gap, GapState};

fn bench() -> Bench {
    Bench::new(&[M1], &traits(&[], false))
}

/// The first trade of all: nothing is before it.
fn begun() -> Bench {
    let mut bench = bench();
    assert_eq!(bench.trade(1, 5, "5"), "~@0 5 5 5 5 1 1");
    bench
}

fn gap(state: GapState) -> Event {
    Event::Gap(Arc::new(Gap {
        market: btc(),
        stream: Stream::Trades,
        from_id: Some(7),
        to_id: Some(8),
        from: None,
        to: None,
        missing: Some(2),
        recovered: 0,
        state,
        reason: GapReason::Reconnect,
    }))
}

#[test]
fn what_was_recovered_of_a_gap_before_it_is_told_hides_no_loss() {
    let recovered = |id, seconds| {
        let origin = crate::model::Origin::Repair;
        Event::Trade(Trade {
            origin,
            ..trade(id, seconds, "6")
        })
    };
    // 2 and 3 are lost, 4 is not: nothing is missing after it.
    let mut bench = begun();
    let lost = |to_id| {
        let Event::Gap(gap) = gap(GapState::Partial) else {
            unreachable!("a gap")
        };
        Event::Gap(Arc::new(Gap {
            from_id: Some(2),
            to_id: Some(to_id),
            ..(*gap).clone()
        }))
    };
    assert_eq!(bench.take(190, [recovered(4, 185), lost(4)]), "");
    assert_eq!(bench.trade(5, 245, "7"), "");
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!(asked, span(0, 240));
    let refused = Err(ProviderError::Refused("gone".into()));
    assert_eq!(
        bench.answer(ticket, refused),
        "@0 5 5 5 5 1 1?, [60..180 0/? unrepairable repair_off], +@180 6 6 6 6 1 1?, ~@240 7 7 7 7 1 1"
    );
}

#[test]
fn trades_add_up_and_the_next_minute_closes_the_one_before() {
    let mut bench = begun();
    assert_eq!(bench.trade(2, 59, "7"), "~@0 5 7 5 7 2 2");
    assert_eq!(bench.trade(3, 60, "4"), "@0 5 7 5 7 2 2, ~@60 4 4 4 4 1 1");
    assert_eq!(
        bench.trade(4, 200, "4"),
        "@60 4 4 4 4 1 1, ~@180 4 4 4 4 1 1"
    );
}

#[test]
fn several_lengths_share_one_stream() {
    let mut bench = Bench::new(&[M1, S5, M5], &traits(&[], false));
    bench.trade(1, 5, "5");
    let told = bench.trade(2, 60, "6");
    for closed in ["5s@5 5 5 5 5 1 1", "@0 5 5 5 5 1 1", "5m~@0 5 6 5 6 2 2"] {
        assert!(
            told.split(", ").any(|one| one == closed),
            "{closed}: {told}"
        );
    }
    assert_eq!(told.split(", ").count(), 5, "{told}");
}

#[test]
fn trades_themselves_pass_unchanged_and_candles_of_the_feed_do_not() {
    let mut bench = bench();
    let mut events = vec![Event::Trade(trade(1, 5, "5")), state(5, 0, "9 9 9 9 9 9")];
    bench.candles.absorb(&mut events, 0);
    bench.candles.take_ready(0, &mut events);
    assert_eq!(events[0], Event::Trade(trade(1, 5, "5")));
    assert_eq!(show(&events), "~@0 5 5 5 5 1 1");
}

#[test]
fn a_repaired_gap_leaves_no_doubt_and_a_loss_does() {
    let mut bench = begun();
    bench.take(
        20,
        [gap(GapState::Repaired), Event::Trade(trade(5, 20, "6"))],
    );
    assert_eq!(bench.trade(6, 61, "7"), "@0 5 6 5 6 2 2, ~@60 7 7 7 7 1 1");
    let told = bench.take(
        80,
        [gap(GapState::Partial), Event::Trade(trade(9, 80, "7"))],
    );
    assert_eq!(told, "~@60 7 7 7 7 2 2?");
    assert_eq!(bench.trade(10, 121, "8"), "");
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!(asked, span(60, 120));
    let told = bench.answer(ticket, rows(asked, [row(60, "7 9 7 7 4 4")]));
    assert_eq!(told, "+@60 7 9 7 7 4 4, ~@120 8 8 8 8 1 1");
}

#[test]
fn minutes_lost_as_a_whole_are_fetched_and_told_as_missed() {
    let mut bench = begun();
    bench.take(
        190,
        [
            gap(GapState::Unrepairable),
            Event::Trade(trade(9, 190, "7")),
        ],
    );
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!(asked, span(0, 180));
    let found = [row(0, "5 6 5 6 2 2"), row(120, "6 6 6 6 1 1")];
    assert_eq!(
        bench.answer(ticket, rows(asked, found)),
        "+@0 5 6 5 6 2 2, +@120 6 6 6 6 1 1, [120..180 1/1 repaired reconnect], ~@180 7 7 7 7 1 1?"
    );
    // what came before the first trade after the hole is not known either
    bench.trade(10, 245, "8");
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!(
        bench.answer(ticket, rows(asked, [row(180, "6 7 6 7 2 2")])),
        "+@180 6 7 6 7 2 2, ~@240 8 8 8 8 1 1"
    );
}

fn newest(id: u64, seconds: i64) -> Sign {
    let time = Some(at(seconds));
    let market = btc();
    Sign::Newest { market, id, time }
}

#[test]
fn a_heartbeat_that_names_the_last_trade_closes_what_is_over_for_a_second() {
    let mut bench = begun();
    // What came late says nothing of what happened since it was sent.
    for (seconds, sent, id) in [(60, 60, 1), (62, 62, 2), (62, 59, 1)] {
        bench.pass(seconds);
        bench.candles.on_sign(&newest(id, sent), Some(1), bench.now);
        assert_eq!(bench.told(), "");
    }
    bench.candles.on_sign(&newest(1, 62), Some(1), bench.now);
    assert_eq!(bench.told(), "@0 5 5 5 5 1 1");
    assert_eq!(bench.trade(2, 61 + 60, "6"), "~@120 6 6 6 6 1 1");
}

#[test]
fn the_exchanges_clock_may_be_years_from_ours() {
    let mut bench = bench();
    bench.ahead = 86_400 * 365;
    let year = bench.ahead;
    bench.trade(1, year + 5, "5");
    for seconds in [30, 60] {
        bench.pass(year + seconds);
        let newest = newest(1, year + seconds);
        bench.candles.on_sign(&newest, Some(1), bench.now);
        assert_eq!(bench.told(), "");
    }
    bench.pass(year + 61);
    let newest = newest(1, year + 61);
    bench.candles.on_sign(&newest, Some(1), bench.now);
    assert_eq!(bench.told(), format!("@{year} 5 5 5 5 1 1"));
}

#[test]
fn a_quiet_minute_is_asked_about_once_no_repair_can_run_any_more() {
    let mut bench = begun();
    let (ticket, _, asked) = bench.asked_rows();
    assert_eq!((asked, bench.now), (span(0, 60), 72_000_000_000));
    let mut coinbase = row(0, "5 5 5 5 1 1");
    coinbase.trades = None;
    assert_eq!(
        bench.answer(ticket, rows(asked, [coinbase])),
        "@0 5 5 5 5 1 1"
    );
}

#[test]
fn seconds_wait_for_what_comes_next() {
    let mut bench = Bench::new(&[S5], &traits(&[], false));
    bench.trade(1, 5, "5");
    assert!(bench.is_silent());
}

#[test]
fn a_trade_of_a_closed_minute_is_counted_and_dropped() {
    let mut bench = begun();
    bench.trade(2, 60, "6");
    let late = Event::Trade(Trade {
        timestamp: at(59),
        ..trade(3, 61, "9")
    });
    assert_eq!(bench.take(61, [late]), "");
    assert_eq!(bench.candles.late, 1);
}

#[test]
fn at_the_end_what_is_over_is_told_and_what_forms_is_not_closed() {
    let mut bench = begun();
    bench.take(
        70,
        [gap(GapState::Unrepairable), Event::Trade(trade(9, 70, "7"))],
    );
    let mut out = Vec::new();
    bench.candles.finish(&mut out);
    assert_eq!(show(&out), "@0 5 5 5 5 1 1?");
}
