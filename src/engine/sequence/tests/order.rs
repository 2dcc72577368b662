//! Order, duplicates, the beginning, and new counts.

use super::*;
use proptest::prelude::*;

#[test]
fn duplicates_are_dropped_and_counted() {
    let mut probe = Probe::after(4);
    probe.stream([5, 6, 6, 5, 7]);
    assert_eq!(probe.told(), "5 6 7");
    assert_eq!(probe.stats.duplicates, 2);
}

#[test]
fn a_swap_is_put_right_without_a_gap_or_a_question() {
    let mut probe = Probe::after(4);
    probe.stream([5, 7, 6]);
    assert_eq!(probe.told(), "5 6 7");
    assert_eq!((probe.stats.reordered, probe.stats.gaps), (1, 0));
    assert_eq!(probe.sequence.deadline(), None);
    assert!(probe.sequence.is_calm());
    probe.patience();
    assert!(probe.asked.is_empty());
}

#[test]
fn each_of_several_holes_has_its_own_gap() {
    let mut probe = Probe::after(0);
    probe.stream([1, 3, 6]).finish();
    assert_eq!(
        probe.told(),
        "1 [2..2 0/1 unrepairable id_hole] 3 [4..5 0/2 unrepairable id_hole] 6"
    );
}

#[test]
fn the_beginning_is_the_lowest_of_the_first_trades_and_no_gap() {
    let mut probe = Probe::new();
    probe.stream([7, 5, 6]);
    assert_eq!(probe.told(), "");
    probe.patience();
    assert_eq!(probe.told(), "5 6 7");
    assert_eq!((probe.stats.gaps, probe.asked.len()), (0, 0));
}

#[test]
fn a_whole_snapshot_at_the_beginning_is_no_news_even_behind_the_first_trade() {
    let mut probe = Probe::new();
    for id in 10..13 {
        probe.feed(replayed(id));
    }
    probe.stream([13]);
    assert_eq!(probe.told(), "13");
    let mut probe = Probe::new();
    probe.stream([13]);
    for id in 10..13 {
        probe.feed(replayed(id));
    }
    assert_eq!(probe.told(), "13");
}

#[test]
fn an_exchange_that_counts_anew_is_believed_after_4_trades_and_none_of_them_is_lost() {
    // Also the way back from one absurdly high id.
    let mut probe = Probe::after(100);
    let late = |id: u64| Trade {
        timestamp: at(1_000 + id),
        ..trade(id)
    };
    for id in 1..=3 {
        probe.feed(late(id));
    }
    assert_eq!(probe.told(), "");
    probe.feed(late(4)).feed(late(5));
    assert_eq!(
        (probe.last_gap().from, probe.last_gap().to),
        (Some(at(100)), Some(at(1_001)))
    );
    assert_eq!(probe.told(), "[?..? 0/? unrepairable id_hole] 1 2 3 4 5");
}

#[test]
fn a_new_count_ends_a_repair_of_the_old_one() {
    let mut probe = Probe::after(100);
    probe.stream([102]).patience();
    for id in 1..=4 {
        probe.feed(Trade {
            timestamp: at(1_000 + id),
            ..trade(id)
        });
    }
    assert_eq!(
        probe.told(),
        "[101..101 0/1 unrepairable id_hole] 102 [?..? 0/? unrepairable id_hole] 1 2 3 4"
    );
    probe.answer(has([101, 102, 103])).stream([5]);
    assert_eq!(probe.told(), "5");
}

#[test]
fn a_repetition_of_any_length_is_never_taken_for_a_new_count() {
    let mut probe = Probe::after(0);
    probe.stream((1..=50).chain(1..=50));
    let all: Vec<_> = (1..=50).map(|id: u64| id.to_string()).collect();
    assert_eq!(probe.told(), all.join(" "));
    assert_eq!(probe.stats.duplicates, 50);
}

#[test]
fn ids_that_only_rise_have_no_holes() {
    let mut probe = Probe::new();
    probe.sequence = Sequence::new(trade(0).market, false);
    probe.stream([5, 90, 90]);
    assert_eq!(probe.told(), "5 90");
    assert!(probe.sequence.is_calm());
}

#[test]
fn the_highest_id_there_can_be_breaks_nothing() {
    let mut probe = Probe::after(4);
    probe.heartbeat(u64::MAX).patience().answer(refused());
    assert_eq!(probe.told(), "");
    assert!(probe.sequence.is_calm());
    let last = has([u64::MAX - 1, u64::MAX]).unwrap().trades;
    let shown = Ok(Replay {
        newest: last.last().copied(),
        trades: last,
        uncovered: vec![(at(4), at(5))],
        missing: vec![(5, u64::MAX - 2)],
    });
    probe.heartbeat(u64::MAX).patience().answer(shown);
    assert!(
        probe
            .told()
            .starts_with("+18446744073709551614 [5..18446744073709551614")
    );
    let mut probe = Probe::after(4);
    probe.feed(Trade {
        id: u64::MAX,
        ..trade(6)
    });
    probe
        .patience()
        .stream([5])
        .answer(refused())
        .stream([6, 7]);
    assert_eq!(
        probe.told(),
        "5 [6..18446744073709551614 0/18446744073709551609 unrepairable repair_off] 18446744073709551615"
    );
}

proptest! {
    #[test]
    fn without_answers_the_output_is_the_input_in_order_minus_told_holes(
        lost in prop::collection::hash_set(2u64..400, 0..60),
        repeats in prop::collection::vec(1u64..400, 0..40),
        swaps in prop::collection::vec((0usize..400, 1usize..40), 0..40),
    ) {
        let mut wire: Vec<u64> = (1..400).filter(|id| !lost.contains(id)).collect();
        for (at, by) in swaps {
            if at + by < wire.len() {
                wire.swap(at, at + by);
            }
        }
        for id in repeats {
            if let Some(at) = wire.iter().position(|&seen| seen == id) {
                wire.insert(wire.len().min(at + 1 + (id as usize % 7)), id);
            }
        }
        let mut probe = Probe::after(0);
        probe.stream(wire).finish();
        let mut next = 1;
        let mut holes = Vec::new();
        for event in &probe.out {
            match event {
                Event::Trade(trade) => { prop_assert_eq!(trade.id, next); next += 1; }
                Event::Gap(gap) => {
                    let (from, until) = (gap.from_id.unwrap(), gap.to_id.unwrap());
                    prop_assert_eq!(from, next);
                    holes.extend(from..=until);
                    next = until + 1;
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        // A repair was open all the time, and the swaps are within what waits for it.
        let mut lost: Vec<_> = lost.into_iter().filter(|id| *id < next).collect();
        lost.sort_unstable();
        prop_assert_eq!(holes, lost);
    }
}
