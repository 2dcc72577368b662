//! Lists of trades in, what is told out.

use super::*;
use crate::model::{Exchange, Origin, Side, Timestamp};
use proptest::prelude::*;

fn trade(id: u64) -> Trade {
    Trade {
        market: Market::new(Exchange::new("test"), "BTC", "USD"),
        id,
        price: "1.10".parse().unwrap(),
        size: "2".parse().unwrap(),
        side: Side::Buy,
        timestamp: Timestamp::from_nanos(id as i64),
        received_at: Timestamp::from_nanos(id as i64),
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    }
}

fn replayed(id: u64) -> Trade {
    Trade {
        replayed: true,
        ..trade(id)
    }
}

/// Ids told, a gap as `-from..=to` written `(from, to)`.
#[derive(Debug, PartialEq)]
enum Told {
    Id(u64),
    Hole(u64, u64),
}
use Told::*;

struct Probe {
    sequence: Sequence,
    stats: SequenceStats,
    out: Vec<Event>,
}

impl Probe {
    fn new() -> Self {
        let sequence = Sequence::new(trade(0).market, true);
        Self {
            sequence,
            stats: SequenceStats::default(),
            out: Vec::new(),
        }
    }

    /// Told where the stream begins, so that nothing waits.
    fn after(id: u64) -> Self {
        let mut probe = Self::new();
        probe.feed(replayed(id), 0);
        probe
    }

    fn feed(&mut self, trade: Trade, now: u64) -> &mut Self {
        self.sequence
            .on_trade(trade, now, &mut self.out, &mut self.stats);
        self
    }

    fn told(&mut self) -> Vec<Told> {
        self.out
            .drain(..)
            .map(|event| match event {
                Event::Trade(trade) => Id(trade.id),
                Event::Gap(gap) => Hole(gap.from_id.unwrap(), gap.to_id.unwrap()),
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

#[test]
fn duplicates_are_dropped_and_counted() {
    let mut probe = Probe::after(4);
    probe
        .feed(trade(5), 0)
        .feed(trade(6), 0)
        .feed(trade(6), 0)
        .feed(trade(5), 0)
        .feed(trade(7), 0);
    assert_eq!(probe.told(), [Id(5), Id(6), Id(7)]);
    assert_eq!(probe.stats.duplicates, 2);
}

#[test]
fn a_swap_is_put_right_without_a_gap() {
    let mut probe = Probe::after(4);
    probe.feed(trade(5), 0).feed(trade(7), 1).feed(trade(6), 2);
    assert_eq!(probe.told(), [Id(5), Id(6), Id(7)]);
    assert_eq!((probe.stats.reordered, probe.stats.gaps), (1, 0));
    assert_eq!(probe.sequence.deadline(), None);
}

#[test]
fn a_hole_is_told_after_250_ms_and_not_before() {
    let mut probe = Probe::after(4);
    probe.feed(trade(5), 0).feed(trade(8), 1_000);
    assert_eq!(probe.sequence.deadline(), Some(1_000 + REORDER_NANOS));
    let Probe {
        sequence,
        stats,
        out,
    } = &mut probe;
    sequence.on_timer(REORDER_NANOS, out, stats);
    assert_eq!(probe.told(), [Id(5)]);
    let Probe {
        sequence,
        stats,
        out,
    } = &mut probe;
    sequence.on_timer(1_000 + REORDER_NANOS, out, stats);
    assert_eq!(probe.told(), [Hole(6, 7), Id(8)]);
    assert_eq!((probe.stats.gaps, probe.stats.missing), (1, 2));
}

#[test]
fn a_hole_is_told_when_more_than_64_trades_wait() {
    let mut probe = Probe::after(0);
    probe.feed(trade(1), 0);
    for id in 3..3 + 64 {
        probe.feed(trade(id), 0);
    }
    assert_eq!(probe.told(), [Id(1)]);
    probe.feed(trade(67), 0);
    assert_eq!(probe.told()[..2], [Hole(2, 2), Id(3)]);
    probe.feed(trade(2), 0).feed(trade(68), 0);
    assert_eq!(probe.told(), [Id(68)]);
    assert_eq!((probe.stats.late, probe.stats.duplicates), (1, 0));
}

#[test]
fn each_of_several_holes_has_its_own_gap() {
    let mut probe = Probe::after(0);
    probe.feed(trade(1), 0).feed(trade(3), 0).feed(trade(6), 0);
    let Probe {
        sequence,
        stats,
        out,
    } = &mut probe;
    sequence.finish(out, stats);
    assert_eq!(probe.told(), [Id(1), Hole(2, 2), Id(3), Hole(4, 5), Id(6)]);
}

#[test]
fn a_repeated_trade_marks_the_beginning_and_later_fills_only_what_is_missing() {
    let mut probe = Probe::new();
    probe.feed(replayed(10), 0).feed(trade(11), 0);
    assert_eq!(probe.told(), [Id(11)]);
    // After a reconnect the exchange repeats 11, then one that we missed.
    probe
        .feed(replayed(11), 0)
        .feed(replayed(12), 0)
        .feed(trade(13), 0);
    assert_eq!(probe.told(), [Id(12), Id(13)]);
    assert_eq!(probe.stats.duplicates, 0);
}

#[test]
fn the_beginning_is_the_lowest_of_the_first_trades_and_no_gap() {
    let mut probe = Probe::new();
    probe.feed(trade(7), 0).feed(trade(5), 1).feed(trade(6), 2);
    assert_eq!(probe.told(), []);
    let Probe {
        sequence,
        stats,
        out,
    } = &mut probe;
    sequence.on_timer(REORDER_NANOS, out, stats);
    assert_eq!(probe.told(), [Id(5), Id(6), Id(7)]);
    assert_eq!(probe.stats.gaps, 0);
}

#[test]
fn an_exchange_that_counts_anew_is_believed_after_4_trades_and_none_of_them_is_lost() {
    // Also the way back from one absurdly high id.
    let mut probe = Probe::after(100);
    let late = |id: u64| Trade {
        timestamp: Timestamp::from_nanos(1_000_000 + id as i64),
        ..trade(id)
    };
    for id in 1..=3 {
        probe.feed(late(id), 0);
    }
    assert_eq!(probe.told(), []);
    probe.feed(late(4), 0).feed(late(5), 0);
    let Some(Event::Gap(gap)) = probe.out.first().cloned() else {
        panic!("{:?}", probe.out)
    };
    assert_eq!((gap.from_id, gap.to_id, gap.missing), (None, None, None));
    probe.out.remove(0);
    assert_eq!(probe.told(), (1..=5).map(Id).collect::<Vec<_>>());
}

#[test]
fn a_repetition_of_any_length_is_never_taken_for_a_new_count() {
    let mut probe = Probe::after(0);
    for id in (1..=50).chain(1..=50) {
        probe.feed(trade(id), 0);
    }
    assert_eq!(probe.told(), (1..=50).map(Id).collect::<Vec<_>>());
    assert_eq!(probe.stats.duplicates, 50);
}

#[test]
fn a_whole_snapshot_at_the_beginning_is_no_news() {
    let mut probe = Probe::new();
    for id in 10..13 {
        probe.feed(replayed(id), 0);
    }
    probe.feed(trade(13), 0);
    assert_eq!(probe.told(), [Id(13)]);
}

#[test]
fn ids_that_only_rise_have_no_holes() {
    let mut probe = Probe::new();
    probe.sequence = Sequence::new(trade(0).market, false);
    probe
        .feed(trade(5), 0)
        .feed(trade(90), 0)
        .feed(trade(90), 0);
    assert_eq!(probe.told(), [Id(5), Id(90)]);
}

proptest! {
    #[test]
    fn output_is_the_input_in_order_minus_told_holes(
        lost in proptest::collection::hash_set(2u64..400, 0..60),
        repeats in proptest::collection::vec(1u64..400, 0..40),
        swaps in proptest::collection::vec((0usize..400, 1usize..40), 0..40),
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
        for &id in &wire {
            probe.feed(trade(id), 0);
        }
        let Probe { sequence, stats, out } = &mut probe;
        sequence.finish(out, stats);
        let mut next = 1;
        let mut holes = Vec::new();
        for told in probe.told() {
            match told {
                Id(id) => { prop_assert_eq!(id, next); next += 1; }
                Hole(from, to) => { prop_assert_eq!(from, next); holes.extend(from..=to); next = to + 1; }
            }
        }
        // Reordering within the window never makes a hole: what is told as missing was lost, or came
        // more than the window late and was counted.
        let truly_lost = holes.iter().filter(|id| lost.contains(id)).count() as u64;
        prop_assert!(holes.len() as u64 - truly_lost <= probe.stats.late);
    }
}
