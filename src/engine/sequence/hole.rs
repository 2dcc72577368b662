//! Holes: what lies between the last trade that was told and the next streamed one, and how it is told.

use std::sync::Arc;

use crate::model::{Event, Gap, GapReason, GapState, Stream, Trade};

use super::{Output, Reached, Sequence, Waiting};

/// How many told holes are remembered.
const TOLD_HOLES: usize = 64;

/// What is known of one hole.
#[derive(Debug, Default)]
struct Hole {
    /// The first and the last id that the stream missed.
    ends: Option<(u64, u64)>,
    /// The first and the last id of those that nobody has.
    lost_ends: Option<(u64, u64)>,
    lost: u64,
    recovered: u64,
    venue_holes: u64,
    /// It is before the first trade, and what nobody has cannot be counted.
    is_before_first: bool,
}

impl Hole {
    fn miss(&mut self, from: u64, until: u64) {
        let from = self.ends.map_or(from, |ends| ends.0);
        self.ends = Some((from, until));
    }

    fn lose(&mut self, from: u64, until: u64) {
        self.miss(from, until);
        let first = self.lost_ends.map_or(from, |ends| ends.0);
        self.lost_ends = Some((first, until));
        self.lost = self.lost.saturating_add((until - from).saturating_add(1));
    }

    fn recover(&mut self, id: u64) {
        self.miss(id, id);
        self.recovered += 1;
    }

    fn state(&self) -> GapState {
        match (self.lost_ends, self.recovered) {
            (None, _) => GapState::Repaired,
            (Some(_), 0) => GapState::Unrepairable,
            (Some(_), _) => GapState::Partial,
        }
    }
}

impl Sequence {
    /// Tells all trades up to which nothing is missing any more. `new` is the one that has just come: those
    /// behind it had come too early.
    pub(super) fn advance(&mut self, new: Option<u64>, to: &mut Output<'_>) {
        let mut is_ahead = false;
        while let Some(place) = self.next_streamed() {
            let is_new = new.is_none_or(|id| id == self.waiting[place].trade.id);
            to.stats.reordered += u64::from(!is_new);
            self.close(Some(place), None, to);
            is_ahead = true;
        }
        let held_since = is_ahead.then(|| self.oldest());
        if let (Some(repair), Some(since)) = (&mut self.repair, held_since) {
            repair.held_since = since;
        }
    }

    /// The place of the next streamed trade, where nothing before it is missing.
    fn next_streamed(&self) -> Option<usize> {
        let mut known = self.last_id();
        if known.is_none() && !self.is_interrupted_before_first() {
            return None;
        }
        for (place, waiting) in self.waiting.iter().enumerate() {
            if !self.joins(known, waiting.trade.id) {
                return None;
            }
            if !waiting.is_filler {
                return Some(place);
            }
            known = Some(waiting.trade.id);
        }
        None
    }

    /// Whether everything that waits was missed by the stream, and follows without a hole.
    pub(super) fn is_whole(&self) -> bool {
        let mut known = self.last_id();
        !self.waiting.is_empty()
            && self.waiting.iter().all(|waiting| {
                let joins = waiting.is_filler && self.joins(known, waiting.trade.id);
                known = Some(waiting.trade.id);
                joins
            })
    }

    /// Whether there is no trade between these two ids that has not come.
    fn joins(&self, known: Option<u64>, next: u64) -> bool {
        let Some((from, until)) = self.suspected(known, next) else {
            return true;
        };
        self.settled(from, until).cover(from, until)
    }

    /// The first and the last id between these two trades that may be missing; without a lower one, before the first
    /// trade of all.
    fn suspected(&self, known: Option<u64>, next: u64) -> Option<(u64, u64)> {
        let (from, until) = (known.map_or(0, |id| id + 1), next.checked_sub(1)?);
        let has_holes = self.contiguous && known.is_some();
        let is_suspected = has_holes || self.interruption(known, next).is_some();
        (from <= until && is_suspected).then_some((from, until))
    }

    /// Why something may be missing between these two trades, beside their ids.
    fn interruption(&self, known: Option<u64>, next: u64) -> Option<GapReason> {
        let mut known_ones = self.interruptions.iter();
        let between = known_ones.find(|one| known <= one.after && one.after < Some(next));
        between.map(|one| one.cause)
    }

    /// Tells every hole that ends with a streamed trade up to this id.
    pub(super) fn close_through(&mut self, id: u64, to: &mut Output<'_>) {
        while let Some(place) = self.waiting.iter().position(|waiting| !waiting.is_filler) {
            if self.waiting[place].trade.id > id {
                return;
            }
            self.close(Some(place), None, to);
        }
    }

    /// Tells the hole after the last told trade, as it is now: the trades that were recovered, then the gap, then
    /// the streamed trade in which it ends. Without a streamed trade it ends with all that waits, or with the
    /// trade that is said to exist.
    pub(super) fn close(
        &mut self,
        streamed: Option<usize>,
        claimed: Option<u64>,
        to: &mut Output<'_>,
    ) {
        let before = self.reached;
        let known = before.map(|before| before.id);
        let fillers: Vec<_> = self
            .waiting
            .drain(..streamed.unwrap_or(self.waiting.len()))
            .collect();
        let next = streamed.and_then(|_| self.waiting.pop_front());
        let next = next.map(|Waiting { trade, .. }| trade);
        let hole = self.inspect(known, &fillers, next.as_ref(), claimed);
        for filler in fillers {
            self.tell(filler.trade, to);
        }
        to.stats.venue_holes += hole.venue_holes;
        if let Some(ends) = hole.ends {
            let gap = self.gap(before, &hole, ends, next.as_ref());
            self.note(&hole, to);
            to.events.push(gap);
        }
        match next {
            Some(trade) => self.tell(trade, to),
            None => self.go_on_after(known, claimed),
        }
    }

    /// What is missing after this id, with what was recovered of it.
    fn inspect(
        &self,
        mut known: Option<u64>,
        fillers: &[Waiting],
        next: Option<&Trade>,
        claimed: Option<u64>,
    ) -> Hole {
        let mut hole = Hole::default();
        for filler in fillers {
            self.inspect_between(known, filler.trade.id, &mut hole);
            known = Some(filler.trade.id);
            hole.recover(filler.trade.id);
        }
        match (next, claimed) {
            (Some(next), _) => self.inspect_between(known, next.id, &mut hole),
            (None, Some(last)) if Some(last) > known => {
                self.inspect_between(known, last.saturating_add(1), &mut hole);
            }
            _ => {}
        }
        hole
    }

    fn inspect_between(&self, known: Option<u64>, next: u64, hole: &mut Hole) {
        let Some((from, until)) = self.suspected(known, next) else {
            return;
        };
        for (first, last) in self.settled(from, until).outside(from, until) {
            hole.lose(first, last);
            hole.is_before_first |= known.is_none();
        }
        if let Some(repair) = &self.repair
            && self.contiguous
            && known.is_some()
        {
            // Where ids only rise, a step says nothing.
            hole.venue_holes += repair.absent.within(from, until).count() as u64;
        }
    }

    /// Whether each id that nobody has is a trade that is missing. Where ids only rise, those between two trades need
    /// not exist, and before the first trade there are those from before the subscription.
    fn counts(&self, hole: &Hole) -> bool {
        hole.lost == 0 || self.contiguous && !hole.is_before_first
    }

    fn gap(
        &self,
        before: Option<Reached>,
        hole: &Hole,
        ends: (u64, u64),
        next: Option<&Trade>,
    ) -> Event {
        let bound = next.map_or(u64::MAX, |next| next.id);
        let cause = self
            .interruption(before.map(|before| before.id), bound)
            .unwrap_or(GapReason::IdHole);
        let lost_from = hole.lost_ends.map(|ends| ends.0);
        let obstacle = self.repair.as_ref().zip(lost_from);
        let obstacle = obstacle.and_then(|(repair, from)| repair.obstacle(from));
        let counts = self.counts(hole);
        Event::Gap(Arc::new(Gap {
            market: self.market,
            stream: Stream::Trades,
            from_id: counts.then_some(ends.0),
            to_id: counts.then_some(ends.1),
            from: before.map(|before| before.timestamp),
            to: next.map(|next| next.timestamp),
            missing: counts.then(|| hole.lost.saturating_add(hole.recovered)),
            recovered: hole.recovered,
            state: hole.state(),
            reason: obstacle.unwrap_or(cause),
        }))
    }

    /// Counts a hole that is told.
    fn note(&mut self, hole: &Hole, to: &mut Output<'_>) {
        to.stats.gaps += 1;
        to.stats.recovered += hole.recovered;
        let Some(ends) = hole.lost_ends.filter(|_| self.counts(hole)) else {
            return;
        };
        to.stats.missing = to.stats.missing.saturating_add(hole.lost);
        self.remember(ends);
    }

    /// Trades with these ids are late from now on.
    pub(super) fn remember(&mut self, ends: (u64, u64)) {
        if self.told.len() == TOLD_HOLES {
            self.told.pop_front();
        }
        self.told.push_back(ends);
    }

    /// Goes on behind a hole that no streamed trade has ended: the stream still has to show that it flows.
    fn go_on_after(&mut self, before: Option<u64>, claimed: Option<u64>) {
        let Some(reached) = &mut self.reached else {
            return;
        };
        reached.id = reached.id.max(claimed.unwrap_or(0));
        let moved = self
            .interruptions
            .iter()
            .rfind(|known| known.after >= before);
        if let Some(mut open) = moved.copied() {
            open.after = Some(reached.id);
            self.interruptions.retain(|known| known.after < before);
            self.interruptions.push(open);
        }
    }
}
