//! Interruptions: what was missed while nothing came, and how that is found out.

use super::*;

/// 5 was told and then the line was lost.
fn lost() -> Probe {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    probe.sequence.interrupt(GapReason::Reconnect);
    assert_eq!(probe.told(), "5");
    probe
}

fn subscribed(probe: &mut Probe) -> &mut Probe {
    probe.subscribed_at(at(0))
}

#[test]
fn a_trade_that_follows_shows_that_nothing_was_missed() {
    let mut probe = lost();
    subscribed(&mut probe).stream([6]).wait(5_000);
    assert_eq!((probe.told().as_str(), probe.asked.len()), ("6", 0));
    assert!(probe.sequence.is_calm());
}

#[test]
fn a_trade_after_a_hole_says_that_the_line_was_lost() {
    let mut probe = lost();
    subscribed(&mut probe).stream([9, 11]).patience();
    probe.answer(has(6..=11));
    assert_eq!(
        probe.told(),
        "+6 +7 +8 [6..8 3/3 repaired reconnect] 9 +10 [10..10 1/1 repaired id_hole] 11"
    );
}

#[test]
fn a_quiet_market_is_asked_about_a_second_after_its_subscription_is_back() {
    let mut probe = lost();
    probe.wait(30_000);
    assert!(probe.asked.is_empty());
    subscribed(&mut probe).wait(999);
    assert!(probe.asked.is_empty());
    probe.wait(1);
    assert_eq!(probe.asked, [5]);
    probe.answer(has([6, 7]));
    assert_eq!(probe.last_gap().to, None);
    assert_eq!(probe.told(), "+6 +7 [6..7 2/2 repaired reconnect]");
    probe.stream([8]);
    assert_eq!(probe.told(), "8");
    assert!(probe.sequence.is_calm());
}

#[test]
fn a_quiet_market_in_which_nothing_happened_has_no_gap() {
    let mut probe = lost();
    let same = Ok(Replay {
        trades: Vec::new(),
        uncovered: Vec::new(),
        missing: Vec::new(),
        newest: Some(rest(5)),
    });
    subscribed(&mut probe).wait(1_000).answer(same).wait(60_000);
    assert_eq!((probe.told().as_str(), probe.asked.len()), ("", 1));
    assert_eq!(probe.stats.gaps, 0);
    assert_eq!(probe.sequence.deadline(), None);
}

#[test]
fn a_subscription_that_is_confirmed_without_a_loss_is_not_asked_about() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    subscribed(&mut probe).wait(60_000);
    assert!(probe.asked.is_empty());
}

#[test]
fn repeated_trades_after_a_loss_are_recovered_and_end_in_one_gap() {
    let mut probe = lost();
    for id in 3..=8 {
        probe.feed(replayed(id));
    }
    subscribed(&mut probe);
    assert_eq!(probe.told(), "");
    probe.stream([9]);
    let gap = probe.last_gap();
    assert_eq!((gap.from, gap.to), (Some(at(5)), Some(at(9))));
    assert_eq!(probe.told(), "+6 +7 +8 [6..8 3/3 repaired reconnect] 9");
    assert!(probe.asked.is_empty());
}

#[test]
fn repeated_trades_do_not_wait_for_a_trade_that_does_not_come() {
    let mut probe = lost();
    probe.feed(replayed(6)).feed(replayed(7)).wait(249);
    assert_eq!(probe.told(), "");
    probe.wait(1);
    assert_eq!(probe.told(), "+6 +7 [6..7 2/2 repaired reconnect]");
    assert!(probe.asked.is_empty());
}

#[test]
fn repeated_trades_that_do_not_reach_back_are_completed_over_rest_in_one_gap() {
    let mut probe = lost();
    for id in 9..=11 {
        probe.feed(replayed(id));
    }
    probe.stream([12]).patience();
    assert_eq!(probe.asked, [5]);
    probe.answer(has(6..=12));
    assert_eq!(
        probe.told(),
        "+6 +7 +8 +9 +10 +11 [6..11 6/6 repaired reconnect] 12"
    );
}

#[test]
fn repeated_trades_before_an_unanswered_hole_are_told_as_partial() {
    let mut probe = lost();
    probe.feed(replayed(9)).patience();
    probe.answer(refused());
    assert_eq!(probe.told(), "+9 [6..9 1/4 partial repair_off]");
    probe.stream([10]);
    assert_eq!(probe.told(), "10");
}

#[test]
fn a_repeated_trade_with_the_last_id_shows_that_nothing_was_missed() {
    let mut probe = lost();
    probe.feed(replayed(5));
    subscribed(&mut probe).wait(60_000);
    assert_eq!((probe.asked.len(), probe.stats.duplicates), (0, 0));
    // Another loss needs another proof.
    probe.sequence.interrupt(GapReason::Reconnect);
    subscribed(&mut probe).wait(1_000);
    assert_eq!(probe.asked, [5]);
}

#[test]
fn a_trade_that_the_stream_repeats_by_itself_was_not_missed() {
    let mut probe = lost();
    probe.feed(replayed(6)).stream([6, 7]);
    assert_eq!(probe.told(), "6 7");
    assert_eq!(probe.stats.gaps, 0);
}

#[test]
fn a_heartbeat_with_the_last_id_shows_that_nothing_was_missed() {
    let mut probe = lost();
    subscribed(&mut probe);
    probe.sequence.on_newest(5, 0);
    probe.wait(60_000);
    assert!(probe.asked.is_empty());
}

#[test]
fn a_heartbeat_with_a_trade_that_does_not_come_is_a_hole_at_the_end() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    probe.sequence.on_newest(7, 0);
    probe.wait(249);
    assert!(probe.asked.is_empty());
    probe.wait(1);
    assert_eq!(probe.asked, [5]);
    // 8 is on its way.
    probe.answer(has([6, 7, 8]));
    assert_eq!(probe.told(), "5 +6 +7 [6..7 2/2 repaired id_hole]");
    probe.stream([8]);
    assert_eq!(probe.told(), "8");
    assert!(probe.sequence.is_calm());
}

#[test]
fn a_heartbeat_just_before_its_trade_is_no_hole() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    probe.sequence.on_newest(6, 0);
    probe.wait(200).stream([6]).wait(60_000);
    assert_eq!((probe.told().as_str(), probe.asked.len()), ("5 6", 0));
    assert!(probe.sequence.is_calm());
}

#[test]
fn a_heartbeat_that_nobody_confirms_costs_no_trades() {
    let before_it = || {
        let mut probe = Probe::after(10);
        probe.stream([11]).heartbeat(14).patience();
        assert_eq!(probe.told(), "11");
        assert_eq!(probe.asked, [11]);
        probe
    };
    let mut refused_it = before_it();
    refused_it.answer(refused());
    let mut never_told = before_it();
    never_told.wait(10_000);
    let mut knew_older = before_it();
    for _ in 0..REPAIR_TRIES {
        knew_older.answer(has([11])).wait(2_500);
    }
    for mut probe in [refused_it, never_told, knew_older] {
        assert!(probe.sequence.is_calm());
        probe.stream([12, 13, 14, 15]);
        assert_eq!(probe.told(), "12 13 14 15");
        assert_eq!((probe.stats.gaps, probe.stats.late), (0, 0));
    }
}

#[test]
fn one_wrong_heartbeat_does_not_silence_a_market() {
    let mut probe = Probe::after(10);
    probe.stream([11]).heartbeat(1_000_000_000_000).patience();
    // While the exchange is asked, too.
    probe.stream([12]);
    assert_eq!(probe.told(), "11 12");
    for _ in 0..REPAIR_TRIES {
        probe.answer(has([12])).wait(2_500);
    }
    probe.stream([13, 15]).patience().answer(has(14..=15));
    assert_eq!(probe.told(), "13 +14 [14..14 1/1 repaired id_hole] 15");
    assert!(probe.sequence.is_calm());
}

#[test]
fn of_what_a_heartbeat_promises_that_is_told_which_the_exchange_shows() {
    let mut probe = Probe::after(10);
    probe.stream([11]).heartbeat(14).patience();
    for _ in 0..REPAIR_TRIES {
        probe.answer(has([12, 13])).wait(2_500);
    }
    assert_eq!(probe.told(), "11 +12 +13 [12..13 2/2 repaired id_hole]");
    // The next one says it again.
    probe.heartbeat(14).patience();
    assert_eq!(probe.asked.last(), Some(&13));
    probe.answer(Ok(Replay {
        missing: vec![(14, 15)],
        uncovered: vec![(at(13), at(16))],
        ..has([16]).unwrap()
    }));
    assert_eq!(probe.told(), "[14..14 0/1 unrepairable source_limit]");
    probe.stream([15]);
    assert_eq!(probe.told(), "15");
}

#[test]
fn a_heartbeat_during_a_repair_is_looked_into_after_it() {
    let mut probe = Probe::after(4);
    probe
        .stream([5, 8])
        .patience()
        .heartbeat(10)
        .answer(has(6..=8));
    assert_eq!(probe.told(), "5 +6 +7 [6..7 2/2 repaired id_hole] 8");
    probe.patience().answer(has([9, 10]));
    assert_eq!(probe.told(), "+9 +10 [9..10 2/2 repaired id_hole]");
}

#[test]
fn a_suspected_stall_is_asked_about_at_once() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    probe.sequence.suspect(GapReason::Stall, 0);
    probe.wait(0);
    assert_eq!(probe.asked, [5]);
    probe.answer(has([6, 7]));
    assert_eq!(probe.told(), "5 +6 +7 [6..7 2/2 repaired stall]");
}

#[test]
fn a_live_trade_becomes_the_end_of_what_is_asked_for() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    probe.sequence.suspect(GapReason::Stall, 0);
    probe.wait(0).stream([8]);
    assert_eq!(probe.told(), "5");
    probe.answer(has(6..=9));
    assert_eq!(probe.told(), "+6 +7 [6..7 2/2 repaired stall] 8");
    probe.stream([9]);
    assert_eq!(probe.told(), "9");
}

#[test]
fn a_suspicion_that_the_stream_itself_refutes_is_dropped() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    probe.sequence.suspect(GapReason::Stall, 0);
    probe.wait(0).stream([6]);
    assert!(probe.sequence.is_calm());
    probe.answer(has([6, 7]));
    assert_eq!(probe.told(), "5 6");
}

#[test]
fn a_suspicion_that_nobody_answers_is_no_gap_and_the_next_trade_decides() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    probe.sequence.suspect(GapReason::Stall, 0);
    probe
        .wait(0)
        .answer(Err(ProviderError::Blocked("no".into())));
    assert_eq!(probe.told(), "5");
    probe.stream([8]).patience().answer(has(6..=8));
    assert_eq!(probe.told(), "+6 +7 [6..7 2/2 repaired stall] 8");
}

#[test]
fn what_was_recovered_before_the_stream_is_back_does_not_end_the_search() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    probe.sequence.suspect(GapReason::Stall, 0);
    probe.wait(0).answer(has([6]));
    assert_eq!(probe.told(), "5 +6 [6..6 1/1 repaired stall]");
    // Between that answer and the new subscription there may have been more.
    subscribed(&mut probe).wait(1_000);
    assert_eq!(probe.asked, [5, 6]);
}

#[test]
fn a_market_of_which_nothing_is_known_has_missed_nothing() {
    let mut probe = Probe::new();
    probe.sequence.interrupt(GapReason::Reconnect);
    probe.sequence.suspect(GapReason::Stall, 0);
    probe.sequence.on_newest(9, 0);
    subscribed(&mut probe).wait(60_000);
    assert!(probe.asked.is_empty());
    assert!(probe.sequence.is_calm());
}

#[test]
fn a_market_that_told_nothing_before_the_loss_has_begun_nevertheless() {
    let mut probe = Probe::after(5);
    probe.sequence.interrupt(GapReason::Reconnect);
    probe.feed(replayed(5)).feed(replayed(6)).stream([7]);
    assert_eq!(probe.told(), "+6 [6..6 1/1 repaired reconnect] 7");
}

#[test]
fn ids_that_only_rise_have_a_hole_where_the_line_was_lost() {
    let mut probe = Probe::new();
    probe.sequence = Sequence::new(trade(0).market, false);
    probe.stream([5, 9]);
    probe.sequence.interrupt(GapReason::Reconnect);
    probe.stream([20, 30]).patience();
    assert_eq!(probe.asked, [9]);
    probe.answer(has([12, 15, 20, 30, 40]));
    assert_eq!(
        probe.told(),
        "5 9 +12 +15 [12..15 2/2 repaired reconnect] 20 30"
    );
    probe.sequence.interrupt(GapReason::Reconnect);
    probe.stream([50]).patience().answer(refused());
    assert_eq!(probe.told(), "[?..? 0/? unrepairable repair_off] 50");
    probe.sequence.interrupt(GapReason::Reconnect);
    probe.stream([60]).patience().answer(has([60]));
    assert_eq!(probe.told(), "60");
    assert_eq!(probe.stats.missing, 0);
}
