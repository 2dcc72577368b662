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
const RESTART_TRADES: usize = 4;
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
    /// Whether anything was told: before that, what the exchange repeats only says where the stream begins.
    live: bool,
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
            live: false,
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
        if trade.replayed && !self.live {
            self.last = Some(trade);
        } else if trade.id == last.id + 1 || !self.contiguous {
            self.tell(trade, out);
            self.drain(out, stats);
        } else {
            self.hold(trade, now, stats);
            if self.waiting.len() > REORDER_TRADES {
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
            if self.waiting.len() > REORDER_TRADES {
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
        self.live = true;
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
mod tests;
