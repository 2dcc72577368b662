//! Puts the trades of one market in order: the promise "each once, in id order, no silent hole".

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::{Event, Gap, GapReason, GapState, Market, Stream, Trade};

/// How many trades wait for a missing one before the hole is told.
pub const REORDER_TRADES: usize = 64;
/// How long they wait. Longer than any reordering seen on one socket, shorter than a person notices.
pub const REORDER_NANOS: u64 = 250_000_000;
/// How many trades in a row have to continue one another, newer in time but with lower ids, before it is
/// believed that the exchange counts anew (or that the highest id was wrong).
const RESTART_TRADES: usize = 16;
/// An exchange's time that is further ahead of ours is not believed.
const FUTURE_NANOS: i64 = 60_000_000_000;
/// How many told holes are remembered.
const TOLD_HOLES: usize = 64;

/// What became of trades. All are totals.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SequenceStats {
    /// Dropped: this id was told before.
    pub duplicates: u64,
    /// Dropped: came after its absence had been told.
    pub late: u64,
    /// Came out of order and were put right.
    pub reordered: u64,
    /// Holes that were told.
    pub gaps: u64,
    /// Trades missing in them.
    pub missing: u64,
}

/// The order of one market's trades.
///
/// Invariant: what comes out has strictly rising ids; between neighbours whose ids differ by more than
/// one there is a gap event (where ids are contiguous).
#[derive(Debug)]
pub struct Sequence {
    market: Market,
    contiguous: bool,
    last: Option<Trade>,
    /// Trades beyond a hole, by id, with the moment (monotonic ns) at which each came.
    waiting: Vec<(Trade, u64)>,
    /// The newest holes that were told: ids in them are late, not duplicates. Only for counting.
    told: VecDeque<(u64, u64)>,
    /// Trades that may be the beginning of a new count.
    restart: Vec<Trade>,
}

impl Sequence {
    /// Nothing seen yet.
    pub fn new(market: Market, contiguous: bool) -> Self {
        Self {
            market,
            contiguous,
            last: None,
            waiting: Vec::new(),
            told: VecDeque::new(),
            restart: Vec::new(),
        }
    }

    /// Takes one trade at the monotonic time `now`; what may be told now is appended to `out`.
    pub fn on_trade(
        &mut self,
        trade: Trade,
        now: u64,
        out: &mut Vec<Event>,
        stats: &mut SequenceStats,
    ) {
        let Some(last) = &self.last else {
            return self.on_first(trade, now, out, stats);
        };
        if trade.id <= last.id {
            self.count_dropped(&trade, stats);
            if self.continues_restart(&trade) {
                self.restart.push(trade);
                if self.restart.len() == RESTART_TRADES {
                    self.begin_anew(out, stats);
                }
            }
            return;
        }
        self.restart.clear();
        if trade.id == last.id + 1 || !self.contiguous {
            self.tell(trade, out);
            self.drain(out, stats);
        } else {
            self.hold(trade, now, stats);
            if self.waiting.len() >= REORDER_TRADES {
                self.give_up(out, stats);
            }
        }
    }

    fn count_dropped(&self, trade: &Trade, stats: &mut SequenceStats) {
        let mut told = self.told.iter();
        if told.any(|(from, to)| (from..=to).contains(&&trade.id)) {
            stats.late += 1;
        } else if !trade.replayed {
            stats.duplicates += 1;
        }
    }

    /// Whether a trade with a low id goes on where the last such one ended. Repetitions never do: they are
    /// not newer than what was told.
    fn continues_restart(&mut self, trade: &Trade) -> bool {
        let newest = self.last.map(|last| {
            // A time from the future says nothing.
            let bound = last.received_at.plus_nanos(FUTURE_NANOS);
            if last.timestamp > bound {
                last.received_at
            } else {
                last.timestamp
            }
        });
        let newer = !trade.replayed && newest.is_some_and(|newest| trade.timestamp > newest);
        let follows = self.restart.last().is_none_or(|before| {
            if self.contiguous {
                trade.id == before.id + 1
            } else {
                trade.id > before.id
            }
        });
        if !newer || !follows {
            self.restart.clear();
        }
        newer
    }

    /// The exchange counts anew: tells that with a gap without ids, and goes on from there.
    fn begin_anew(&mut self, out: &mut Vec<Event>, stats: &mut SequenceStats) {
        self.finish(out, stats);
        let restart = std::mem::take(&mut self.restart);
        let ends = self.last.zip(restart.first());
        stats.gaps += 1;
        out.push(Event::Gap(Arc::new(Gap {
            market: self.market,
            stream: Stream::Trades,
            from_id: None,
            to_id: None,
            from: ends.map(|(last, _)| last.timestamp),
            to: ends.map(|(_, first)| first.timestamp),
            missing: None,
            recovered: 0,
            state: GapState::Unrepairable,
            reason: GapReason::RepairOff,
        })));
        self.told.clear();
        for trade in restart {
            self.tell(trade, out);
        }
    }

    /// Nothing was told yet. A repeated trade says where the stream begins. Else the first ones wait too:
    /// the wire may have swapped them, and the lowest is the beginning.
    fn on_first(
        &mut self,
        trade: Trade,
        now: u64,
        out: &mut Vec<Event>,
        stats: &mut SequenceStats,
    ) {
        if trade.replayed {
            self.last = Some(trade);
            self.waiting.retain(|(waiting, _)| waiting.id > trade.id);
            self.drain(out, stats);
        } else if self.contiguous {
            self.hold(trade, now, stats);
            if self.waiting.len() >= REORDER_TRADES {
                self.give_up(out, stats);
            }
        } else {
            self.tell(trade, out);
        }
    }

    /// The monotonic time at which [`Sequence::on_timer`] is wanted.
    pub fn deadline(&self) -> Option<u64> {
        self.waiting.iter().map(|(_, at)| at + REORDER_NANOS).min()
    }

    /// Tells every hole that has been open for too long.
    pub fn on_timer(&mut self, now: u64, out: &mut Vec<Event>, stats: &mut SequenceStats) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            self.give_up(out, stats);
        }
    }

    /// The end of the stream: nothing that waits is kept back.
    pub fn finish(&mut self, out: &mut Vec<Event>, stats: &mut SequenceStats) {
        while !self.waiting.is_empty() {
            self.give_up(out, stats);
        }
    }

    /// Forgets everything: nobody listens any more, and a later listener begins anew.
    pub fn reset(&mut self) {
        *self = Self::new(self.market, self.contiguous);
    }

    fn tell(&mut self, trade: Trade, out: &mut Vec<Event>) {
        out.push(Event::Trade(trade));
        self.last = Some(trade);
    }

    fn hold(&mut self, trade: Trade, now: u64, stats: &mut SequenceStats) {
        match self
            .waiting
            .binary_search_by_key(&trade.id, |(waiting, _)| waiting.id)
        {
            Ok(_) => stats.duplicates += 1,
            Err(at) => self.waiting.insert(at, (trade, now)),
        }
    }

    /// Tells the waiting trades that follow without a hole.
    fn drain(&mut self, out: &mut Vec<Event>, stats: &mut SequenceStats) {
        let mut next = self.last.map_or(0, |last| last.id + 1);
        let run = self
            .waiting
            .iter()
            .take_while(|(trade, _)| (trade.id == next).then(|| next += 1).is_some())
            .count();
        stats.reordered += run as u64;
        for (trade, _) in self.waiting.drain(..run) {
            out.push(Event::Trade(trade));
            self.last = Some(trade);
        }
    }

    /// Waits no longer for what is missing before the first waiting trade: tells it as a gap (there is
    /// none before the beginning), then the trades behind it.
    fn give_up(&mut self, out: &mut Vec<Event>, stats: &mut SequenceStats) {
        if self.waiting.is_empty() {
            return;
        }
        let (first, _) = self.waiting.remove(0);
        if let Some(last) = self.last {
            stats.gaps += 1;
            stats.missing += first.id - 1 - last.id;
            if self.told.len() == TOLD_HOLES {
                self.told.pop_front();
            }
            self.told.push_back((last.id + 1, first.id - 1));
            out.push(self.gap(&last, &first));
        }
        self.tell(first, out);
        // These did not come out of order: the ones before them never came.
        self.drain(out, &mut SequenceStats::default());
    }

    fn gap(&self, last: &Trade, first: &Trade) -> Event {
        Event::Gap(Arc::new(Gap {
            market: self.market,
            stream: Stream::Trades,
            from_id: Some(last.id + 1),
            to_id: Some(first.id - 1),
            from: Some(last.timestamp),
            to: Some(first.timestamp),
            missing: Some(first.id - 1 - last.id),
            recovered: 0,
            state: GapState::Unrepairable,
            reason: GapReason::RepairOff,
        }))
    }
}

#[cfg(test)]
mod tests {
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
    fn a_hole_is_told_when_64_trades_wait() {
        let mut probe = Probe::after(0);
        probe.feed(trade(1), 0);
        for id in 3..3 + 63 {
            probe.feed(trade(id), 0);
        }
        assert_eq!(probe.told(), [Id(1)]);
        probe.feed(trade(66), 0);
        assert_eq!(probe.told()[..2], [Hole(2, 2), Id(3)]);
        probe.feed(trade(2), 0).feed(trade(67), 0);
        assert_eq!(probe.told(), [Id(67)]);
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
    fn an_exchange_that_counts_anew_is_believed_after_16_trades_and_none_of_them_is_lost() {
        // Also the way back from one absurdly high id.
        let mut probe = Probe::after(100);
        let late = |id: u64| Trade {
            timestamp: Timestamp::from_nanos(1_000_000 + id as i64),
            ..trade(id)
        };
        for id in 1..=15 {
            probe.feed(late(id), 0);
        }
        assert_eq!(probe.told(), []);
        probe.feed(late(16), 0).feed(late(17), 0);
        let Some(Event::Gap(gap)) = probe.out.first().cloned() else {
            panic!("{:?}", probe.out)
        };
        assert_eq!((gap.from_id, gap.to_id, gap.missing), (None, None, None));
        probe.out.remove(0);
        assert_eq!(probe.told(), (1..=17).map(Id).collect::<Vec<_>>());
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
}
