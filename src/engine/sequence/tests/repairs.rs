//! Holes in the ids, and what the exchange answers about them.

use super::*;

/// 5 was told, 6 and 7 are missing, 8 waits, and the exchange was asked.
fn asked() -> Probe {
    let mut probe = Probe::after(4);
    probe.stream([5, 8]).patience();
    assert_eq!(probe.told(), "5");
    assert_eq!(probe.asked, [5]);
    probe
}

#[test]
fn a_hole_is_asked_about_after_250_ms_and_not_before() {
    let mut probe = Probe::after(4);
    probe.stream([5, 8]).wait(249);
    assert!(probe.asked.is_empty());
    probe.wait(1);
    assert_eq!(probe.asked, [5]);
    assert_eq!(probe.told(), "5");
}

#[test]
fn a_hole_is_asked_about_when_more_than_64_trades_wait() {
    let mut probe = Probe::after(0);
    probe.stream([1]).stream(3..3 + 64);
    assert!(probe.asked.is_empty());
    probe.stream([67]);
    assert_eq!(probe.asked, [1]);
}

#[test]
fn repaired_trades_come_before_their_gap_and_both_before_what_waited() {
    let mut probe = asked();
    probe.stream([9]).answer(has([6, 7, 8, 9, 10]));
    let gap = probe.last_gap();
    assert_eq!((gap.from, gap.to), (Some(at(5)), Some(at(8))));
    assert_eq!(probe.told(), "+6 +7 [6..7 2/2 repaired id_hole] 8 9");
    assert!(probe.sequence.is_calm());
    probe.stream([10]);
    assert_eq!(probe.told(), "10");
    let stats = probe.stats;
    assert_eq!(
        (stats.gaps, stats.missing, stats.recovered, stats.repairs),
        (1, 0, 2, 1)
    );
}

#[test]
fn ids_that_the_exchange_does_not_have_either_are_no_gap() {
    let mut probe = asked();
    probe.answer(has([8]));
    assert_eq!(probe.told(), "8");
    assert_eq!((probe.stats.venue_holes, probe.stats.gaps), (1, 0));
    assert!(probe.sequence.is_calm());
}

#[test]
fn only_what_the_exchange_has_was_missing() {
    let mut probe = Probe::after(0);
    probe.stream([1, 10]).patience();
    probe.answer(has([4, 5, 8, 10]));
    assert_eq!(probe.told(), "1 +4 +5 +8 [4..8 3/3 repaired id_hole] 10");
    assert_eq!(probe.stats.venue_holes, 3);
}

#[test]
fn an_answer_in_disorder_with_repetitions_and_another_market_is_put_right() {
    let mut probe = asked();
    let Ok(mut replay) = has([8, 7, 6, 7, 5, 6]) else {
        unreachable!("it was made so")
    };
    let other = Market::new(Exchange::new("test"), "ETH", "USD");
    replay.trades.insert(
        0,
        Trade {
            market: other,
            ..rest(6)
        },
    );
    probe.answer(Ok(replay));
    assert_eq!(probe.told(), "+6 +7 [6..7 2/2 repaired id_hole] 8");
}

#[test]
fn an_answer_that_does_not_reach_the_hole_proves_nothing_and_is_asked_for_again() {
    let mut probe = asked();
    // As if 6 were the newest: whether there is a 7 is not known.
    probe.answer(has([6]));
    assert_eq!(probe.told(), "");
    probe.wait(499);
    assert_eq!(probe.asked, [5]);
    probe.wait(1);
    assert_eq!(probe.asked, [5, 5]);
    probe.answer(has([6, 7]));
    assert_eq!(probe.told(), "+6 +7 [6..7 2/2 repaired id_hole] 8");
    assert_eq!(probe.stats.repairs, 1);
}

#[test]
fn after_3_tries_what_has_come_is_told_as_partial() {
    let mut probe = asked();
    for _ in 0..2 {
        probe.answer(has([6]));
        assert_eq!(probe.told(), "");
        probe.wait(2_500);
    }
    probe.answer(has([6]));
    assert_eq!(probe.told(), "+6 [6..7 1/2 partial id_hole] 8");
    assert_eq!(probe.asked.len(), REPAIR_TRIES as usize);
    assert_eq!((probe.stats.missing, probe.stats.recovered), (1, 1));
    // Too late now.
    probe.stream([7, 9]);
    assert_eq!(probe.told(), "9");
    assert_eq!(probe.stats.late, 1);
}

#[test]
fn an_answer_that_is_empty_because_its_server_lags_proves_nothing() {
    let mut probe = asked();
    let lagging = || {
        Ok(Replay {
            trades: Vec::new(),
            uncovered: Vec::new(),
            missing: Vec::new(),
            newest: Some(rest(4)),
        })
    };
    probe
        .answer(lagging())
        .wait(500)
        .answer(lagging())
        .wait(2_500);
    assert_eq!(probe.told(), "");
    probe.answer(lagging());
    assert_eq!(probe.told(), "[6..7 0/2 unrepairable id_hole] 8");
    assert_eq!(probe.stats.venue_holes, 0);
}

#[test]
fn a_failing_exchange_is_asked_3_times_and_then_the_stream_goes_on() {
    let mut probe = asked();
    probe.answer(unreachable()).wait(500);
    probe.answer(unreachable()).wait(500);
    assert_eq!((probe.asked.len(), probe.told()), (3, String::new()));
    probe.answer(unreachable());
    assert_eq!(probe.told(), "[6..7 0/2 unrepairable id_hole] 8");
    assert!(probe.sequence.is_calm());
}

#[test]
fn a_pause_that_the_exchange_asks_for_is_kept_and_one_beyond_the_budget_ends_the_repair() {
    let limited = |seconds| {
        Err(ProviderError::RateLimited {
            message: "slow down".into(),
            retry_after: Some(std::time::Duration::from_secs(seconds)),
        })
    };
    let mut probe = asked();
    probe.answer(limited(3)).wait(2_999);
    assert_eq!(probe.asked.len(), 1);
    probe.wait(1).answer(has(6..9));
    assert_eq!(probe.told(), "+6 +7 [6..7 2/2 repaired id_hole] 8");
    let mut probe = asked();
    probe.answer(limited(60));
    assert_eq!(probe.told(), "[6..7 0/2 unrepairable id_hole] 8");
}

#[test]
fn no_trade_waits_longer_than_10_s_and_an_answer_after_that_is_ignored() {
    let mut probe = asked();
    probe.wait(9_749);
    assert_eq!(probe.told(), "");
    probe.wait(1);
    assert_eq!(probe.told(), "[6..7 0/2 unrepairable id_hole] 8");
    probe.answer(has(6..9)).stream([9]);
    assert_eq!(probe.told(), "9");
}

#[test]
fn a_source_without_history_says_so() {
    let mut probe = asked();
    probe.answer(refused());
    assert_eq!(probe.told(), "[6..7 0/2 unrepairable repair_off] 8");
}

#[test]
fn what_is_too_old_for_the_exchange_is_told_as_its_limit() {
    let mut probe = Probe::after(0);
    probe.stream([1, 10]).patience();
    let mut replay = has([6, 7, 8, 9, 10]).unwrap();
    replay.uncovered = vec![(at(1), at(6))];
    probe.answer(Ok(replay));
    assert_eq!(
        probe.told(),
        "1 +6 +7 +8 +9 [2..9 4/8 partial source_limit] 10"
    );
    assert_eq!(
        probe.asked.len(),
        1,
        "asking again does not make it younger"
    );
}

#[test]
fn ids_in_a_part_that_is_not_covered_are_missing_and_not_absent() {
    let mut probe = Probe::after(0);
    probe.stream([1, 10]).patience();
    let mut replay = has([2, 3, 7, 8, 10]).unwrap();
    replay.uncovered = vec![(at(3), at(7))];
    probe.answer(Ok(replay));
    // 9 was shown to be none.
    assert_eq!(probe.told(), "1 +2 +3 +7 +8 [2..8 4/7 partial id_hole] 10");
}

#[test]
fn one_answer_mends_all_holes_that_have_waited_for_long_enough() {
    let mut probe = Probe::after(0);
    probe.stream([1, 3, 6]).patience().stream([9]);
    probe.answer(has(2..=12));
    assert_eq!(
        probe.told(),
        "1 +2 [2..2 1/1 repaired id_hole] 3 +4 +5 [4..5 2/2 repaired id_hole] 6"
    );
    // That 7 and 8 are missing may be the wire's doing.
    probe.stream([8, 7]);
    assert_eq!(probe.told(), "7 8 9");
    assert_eq!(probe.stats.repairs, 1);
}

#[test]
fn a_hole_that_came_after_the_answer_was_made_gets_its_own() {
    let mut probe = asked();
    probe.stream([9, 12]).wait(1_000);
    probe.answer(has(6..=9));
    assert_eq!(probe.told(), "+6 +7 [6..7 2/2 repaired id_hole] 8 9");
    assert_eq!(probe.asked, [5, 9]);
    probe.answer(has([12]));
    assert_eq!(probe.told(), "12");
}

#[test]
fn a_failed_repair_holds_up_no_later_hole_that_has_waited_too() {
    let mut probe = asked();
    probe.stream([10]).wait(5_000).stream([12]).wait(4_650);
    probe.stream([14]).wait(100);
    assert_eq!(
        probe.told(),
        "[6..7 0/2 unrepairable id_hole] 8 [9..9 0/1 unrepairable id_hole] 10 [11..11 0/1 unrepairable id_hole] 12"
    );
    assert_eq!(probe.asked, [5]);
}

#[test]
fn a_trade_that_comes_late_but_before_the_answer_closes_the_hole() {
    let mut probe = asked();
    probe.stream([7, 6]);
    assert_eq!(probe.told(), "6 7 8");
    assert!(probe.sequence.is_calm());
    probe.answer(has(6..9));
    assert_eq!(probe.told(), "");
    assert_eq!(probe.stats.gaps, 0);
}

#[test]
fn no_more_than_20000_trades_wait_for_a_repair() {
    let mut probe = asked();
    let many = 8 + REPAIR_TRADES as u64;
    probe.stream(9..many);
    assert_eq!(probe.told(), "");
    probe.stream([many]);
    assert!(
        probe
            .told()
            .starts_with("[6..7 0/2 unrepairable id_hole] 8 9 10 ")
    );
    assert!(probe.sequence.is_calm());
}

/// As if the repairs of other markets came first.
fn queued(probe: &mut Probe, millis: u64) {
    probe.now = millis * MILLI;
    let mut to = Output {
        events: &mut probe.out,
        stats: &mut probe.stats,
    };
    probe.sequence.on_timer(probe.now, &mut to);
}

#[test]
fn no_trade_waits_longer_than_10_s_for_a_turn_that_does_not_come() {
    let mut probe = Probe::after(4);
    probe.stream([5, 8]);
    queued(&mut probe, 250);
    assert_eq!(probe.sequence.queued(probe.now), Some((false, 0)));
    assert_eq!(probe.sequence.deadline(), Some(REPAIR_BUDGET_NANOS));
    assert_eq!(probe.told(), "5");
    // No answer could come in time.
    assert_eq!(probe.sequence.queued(9_500 * MILLI), None);
    queued(&mut probe, 10_000);
    assert_eq!(probe.told(), "[6..7 0/2 unrepairable id_hole] 8");
}

#[test]
fn a_repair_for_which_nothing_waits_is_put_off_for_a_minute_until_something_does() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    probe.sequence.suspect(GapReason::Stall, 0);
    queued(&mut probe, 0);
    assert_eq!(probe.sequence.queued(0), Some((true, 0)));
    assert_eq!(probe.sequence.deadline(), Some(WAIT_NANOS));
    let mut to = Output {
        events: &mut probe.out,
        stats: &mut probe.stats,
    };
    let later = 30_000 * MILLI;
    probe.sequence.on_trade(trade(8), later, &mut to);
    assert_eq!(probe.sequence.queued(later), Some((false, later)));
    assert_eq!(probe.sequence.deadline(), Some(later + REPAIR_BUDGET_NANOS));
}

#[test]
fn a_turn_that_comes_late_leaves_what_is_left_of_10_s_and_time_to_put_an_answer_together() {
    let mut probe = Probe::after(4);
    probe.stream([5, 8]);
    queued(&mut probe, 250);
    let ask = probe.sequence.ask(0, 3_000 * MILLI).unwrap();
    assert_eq!((ask.after.id, ask.after.time), (Some(5), at(5)));
    assert_eq!(ask.budget.as_millis(), 6_500);
    assert_eq!(probe.sequence.deadline(), Some(10_000 * MILLI));
    let late = probe.sequence.ask(1, 5_000 * MILLI).unwrap();
    assert_eq!(late.budget.as_millis(), 4_500);
}

#[test]
fn a_check_for_which_nothing_waits_has_10_s_from_its_turn() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    probe.sequence.suspect(GapReason::Stall, 0);
    queued(&mut probe, 0);
    let ask = probe.sequence.ask(0, 20_000 * MILLI).unwrap();
    assert_eq!(ask.budget.as_millis(), 9_500);
    assert_eq!(probe.sequence.deadline(), Some(30_000 * MILLI));
}

#[test]
fn the_end_tells_what_is_open_without_waiting() {
    let mut probe = asked();
    probe.answer(has([6])).stream([9, 11]).finish();
    assert_eq!(
        probe.told(),
        "+6 [6..7 1/2 partial id_hole] 8 9 [10..10 0/1 unrepairable id_hole] 11"
    );
    assert!(probe.sequence.is_calm());
}

#[test]
fn ids_that_the_answer_names_as_missing_are_told_whatever_their_times() {
    let mut probe = Probe::after(10);
    probe.stream([11, 17]).patience();
    let at_100 = |id| Trade {
        timestamp: at(100),
        ..rest(id)
    };
    probe.answer(Ok(Replay {
        trades: vec![at_100(12), at_100(16), at_100(17)],
        uncovered: vec![(at(99), at(99).plus_nanos(1))],
        missing: vec![(13, 15)],
        newest: Some(at_100(17)),
    }));
    assert_eq!(probe.told(), "11 +12 +16 [12..16 2/5 partial id_hole] 17");
}

#[test]
fn ids_that_the_answer_does_not_name_as_missing_do_not_exist_whatever_their_times() {
    let mut probe = Probe::after(0);
    probe.stream([1, 10]).patience();
    probe.answer(Ok(Replay {
        uncovered: vec![(at(1), at(10))],
        missing: vec![(2, 3), (7, 7)],
        ..has([5, 10]).unwrap()
    }));
    // No 4, no 6, no 8 and no 9.
    assert_eq!(probe.told(), "1 +5 [2..7 1/4 partial source_limit] 10");
    assert_eq!((probe.stats.missing, probe.stats.venue_holes), (3, 3));
}
