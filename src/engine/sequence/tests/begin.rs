//! Interruptions before anything was told.

use super::*;

const BEGAN: u64 = 100;

/// The subscription was confirmed at 100, and lost again before any trade.
fn lost() -> Probe {
    let mut probe = Probe::new();
    probe.subscribed_at(at(BEGAN)).wait(60_000);
    assert_eq!(probe.sequence.begins_at(), Some(at(BEGAN)));
    probe.sequence.interrupt(GapReason::Reconnect);
    assert!(probe.asked.is_empty());
    probe
}

/// It is back, and the exchange was asked what was traded since.
fn asked() -> Probe {
    let mut probe = lost();
    probe.subscribed_at(at(150)).wait(999);
    assert!(probe.asked.is_empty());
    probe.wait(1);
    let mark = probe.last_mark.expect("it was asked");
    assert_eq!((mark.id, mark.time), (None, at(BEGAN)));
    probe
}

#[test]
fn what_was_traded_in_it_is_recovered_though_no_trade_comes() {
    let mut probe = asked();
    // 99 and 100 are from before the subscription, whatever the answer has.
    probe.answer(has(99..=102));
    assert_eq!((probe.last_gap().from, probe.last_gap().to), (None, None));
    assert_eq!(probe.told(), "+101 +102 [101..102 2/2 repaired reconnect]");
    assert_eq!(probe.sequence.begins_at(), None);
    probe.stream([103]);
    assert_eq!(probe.told(), "103");
    assert!(probe.sequence.is_calm());
}

#[test]
fn where_nothing_is_newer_than_the_subscription_nothing_is_told_and_the_next_trade_decides() {
    let nothing = |newest| Replay {
        trades: Vec::new(),
        uncovered: Vec::new(),
        missing: Vec::new(),
        newest,
    };
    for newest in [None, Some(rest(99))] {
        let mut probe = asked();
        probe.answer(Ok(nothing(newest))).wait(60_000);
        assert_eq!((probe.told().as_str(), probe.asked.len()), ("", 1));
        assert_eq!(probe.sequence.begins_at(), Some(at(BEGAN)));
        probe.stream([200]).patience();
        assert_eq!(probe.asked.len(), 2);
        probe.answer(has([200]));
        assert_eq!(probe.told(), "200");
        assert_eq!((probe.stats.gaps, probe.stats.venue_holes), (0, 0));
        assert!(probe.sequence.is_calm());
    }
}

#[test]
fn the_first_trade_after_it_waits_for_what_was_missed_before_it() {
    let mut probe = lost();
    probe.subscribed_at(at(150)).stream([200]).wait(249);
    assert!(probe.asked.is_empty());
    probe.wait(1).stream([201]);
    assert_eq!(probe.told(), "");
    probe.answer(has(198..=201));
    assert_eq!(probe.last_gap().to, Some(at(200)));
    assert_eq!(
        probe.told(),
        "+198 +199 [198..199 2/2 repaired reconnect] 200 201"
    );
}

#[test]
fn what_nobody_can_say_of_it_is_told_as_a_gap_without_ids() {
    let mut probe = lost();
    probe.subscribed_at(at(150)).stream([200]).patience();
    probe.answer(refused());
    assert_eq!(probe.told(), "[?..? 0/? unrepairable repair_off] 200");
    assert_eq!((probe.stats.gaps, probe.stats.missing), (1, 0));
    let mut probe = lost();
    probe.subscribed_at(at(150)).stream([200]).patience();
    let mut replay = has(198..=200).unwrap();
    replay.uncovered = vec![(at(BEGAN), at(198))];
    probe.answer(Ok(replay));
    assert_eq!(
        probe.told(),
        "+198 +199 [?..? 2/? partial source_limit] 200"
    );
    let mut probe = lost();
    probe.subscribed_at(at(150)).stream([200]).finish();
    assert_eq!(probe.told(), "[?..? 0/? unrepairable reconnect] 200");
}

#[test]
fn a_stream_that_is_mute_from_its_start_is_asked_about() {
    let mut probe = Probe::new();
    probe.subscribed_at(at(BEGAN)).wait(60_000);
    probe.sequence.suspect(GapReason::Stall, probe.now);
    probe.wait(0).answer(has([101, 102]));
    assert_eq!(probe.told(), "+101 +102 [101..102 2/2 repaired stall]");
    // From here on it is known where it is.
    probe.sequence.suspect(GapReason::Stall, probe.now);
    probe.wait(0);
    assert_eq!(probe.asked, [0, 102]);
}

#[test]
fn what_the_exchange_repeats_after_it_was_missed_if_it_is_newer_than_the_subscription() {
    let mut probe = lost();
    for id in 97..=102 {
        probe.feed(replayed(id));
    }
    probe.subscribed_at(at(150));
    assert_eq!(probe.told(), "");
    probe.stream([103]);
    assert_eq!(
        probe.told(),
        "+101 +102 [101..102 2/2 repaired reconnect] 103"
    );
    assert!(probe.asked.is_empty() && probe.sequence.is_calm());
}

#[test]
fn what_the_exchange_repeats_while_it_is_asked_says_where_the_stream_is() {
    let mut probe = asked();
    probe.stream([103]).feed(replayed(99));
    probe.answer(has([102, 103]));
    // That was asked for by the time; now the last id is known.
    assert_eq!((probe.told().as_str(), probe.asked.len()), ("", 2));
    assert_eq!(probe.last_mark.and_then(|mark| mark.id), Some(99));
    probe.answer(has(100..=103));
    assert_eq!(
        probe.told(),
        "+100 +101 +102 [100..102 3/3 repaired reconnect] 103"
    );
}

#[test]
fn a_trade_that_came_just_before_it_is_the_beginning() {
    let mut probe = Probe::new();
    probe.subscribed_at(at(BEGAN)).stream([101]);
    probe.sequence.interrupt(GapReason::Reconnect);
    probe.subscribed_at(at(150)).stream([104]).patience();
    assert_eq!(
        (probe.told().as_str(), probe.asked.as_slice()),
        ("101", &[101][..])
    );
    probe.answer(has(102..=104));
    assert_eq!(
        probe.told(),
        "+102 +103 [102..103 2/2 repaired reconnect] 104"
    );
}

#[test]
fn a_streamed_trade_is_told_though_the_exchange_repeats_it_before_anything_was_told() {
    let mut probe = Probe::new();
    probe.stream([13]).feed(replayed(13)).patience();
    assert_eq!(probe.told(), "13");
}

#[test]
fn what_begins_without_an_interruption_is_not_asked_about() {
    let mut probe = Probe::new();
    probe.subscribed_at(at(BEGAN)).subscribed_at(at(150));
    assert_eq!(probe.sequence.begins_at(), Some(at(BEGAN)));
    probe.feed(replayed(90));
    assert_eq!(probe.sequence.begins_at(), None);
    probe.wait(60_000).stream([91]);
    assert_eq!((probe.told().as_str(), probe.asked.len()), ("91", 0));
}

#[test]
fn ids_that_only_rise_may_have_been_missed_before_the_first_one_too() {
    let mut probe = lost();
    probe.sequence = Sequence::new(trade(0).market, false);
    probe.subscribed_at(at(BEGAN));
    probe.sequence.interrupt(GapReason::Reconnect);
    probe.stream([200]).patience().answer(has([120, 150, 200]));
    assert_eq!(
        probe.told(),
        "+120 +150 [120..150 2/2 repaired reconnect] 200"
    );
}
