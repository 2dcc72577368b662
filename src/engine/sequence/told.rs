//! Holes that the feed itself tells: one that is fed by somebody who puts trades in order, too, names what stays
//! missing. Such a hole is told once, in its place, and is not looked for again.

use std::sync::Arc;

use crate::model::{Event, Gap};

use super::ranges::Ranges;
use super::{Claim, Output, Sequence, Waiting};

/// Holes that wait for trades before them; with more all goes on as it is.
const HOLES_WAITING: usize = 64;

impl Sequence {
    /// Takes a hole that the feed tells, between the trades before and after it.
    pub fn on_told(&mut self, gap: Arc<Gap>, now: u64, to: &mut Output<'_>) {
        let Some((from, until)) = gap.from_id.zip(gap.to_id) else {
            return self.on_told_break(gap, to);
        };
        let is_past = match self.reached {
            Some(reached) => until <= reached.id,
            None => self.waiting.is_empty(),
        };
        if is_past {
            // What we have told as missing ourselves meanwhile is told.
            let overlaps = |ends: &(u64, u64)| ends.0 <= until && from <= ends.1;
            if !gap.is_loss() || !self.told.iter().any(overlaps) {
                note(gap, to);
            }
            return;
        }
        if self.contiguous && self.known_within(from, until) < gap.recovered {
            // What the feed has recovered did not reach us: what is missing of the hole, we find out ourselves.
            self.claim(until, now);
            return;
        }
        self.told_holes.push_back(gap);
        if self.told_holes.len() > HOLES_WAITING {
            return self.finish(to);
        }
        self.settle_told(to);
        if !self.told_holes.is_empty() && self.contiguous && self.waiting.is_empty() {
            // What is before it is missing on the way from the feed to us.
            self.claim(from.saturating_sub(1), now);
        }
        self.refresh();
    }

    /// How many trades with these ids have come.
    fn known_within(&self, from: u64, until: u64) -> u64 {
        let reached = self.reached.map_or(0, |reached| reached.id + 1);
        let lost = self.told.iter().map(|ends| {
            let (first, last) = (ends.0.max(from), ends.1.min(until));
            (last + 1).saturating_sub(first)
        });
        let told = reached.saturating_sub(from).saturating_sub(lost.sum());
        let is_within = |waiting: &&Waiting| (from..=until).contains(&waiting.trade.id);
        told + self.waiting.iter().filter(is_within).count() as u64
    }

    /// There is such a trade, or one before it, that has not come.
    fn claim(&mut self, id: u64, since: u64) {
        self.claim.get_or_insert(Claim { id, since });
        self.refresh();
    }

    /// A hole without ids: what is before it and what comes after have nothing to do with each other.
    fn on_told_break(&mut self, gap: Arc<Gap>, to: &mut Output<'_>) {
        self.finish(to);
        note(gap, to);
        self.told.clear();
        self.restart.clear();
        self.interruptions.clear();
        (self.reached, self.begins_at) = (None, None);
        (self.claim, self.probe_at) = (None, None);
        self.refresh();
    }

    /// Tells the holes of the feed to which nothing is missing any more.
    pub(super) fn settle_told(&mut self, to: &mut Output<'_>) {
        while let (Some(gap), Some(reached)) = (self.told_holes.front(), self.reached) {
            let (from, until) = (gap.from_id.unwrap_or(0), gap.to_id.unwrap_or(0));
            let is_open = match self.contiguous {
                true => from > reached.id.saturating_add(1),
                false => !self.waiting.is_empty(),
            };
            if is_open {
                return;
            }
            while self
                .waiting
                .front()
                .is_some_and(|first| first.trade.id <= until)
                && let Some(recovered) = self.waiting.pop_front()
            {
                self.tell(recovered.trade, to);
            }
            self.tell_holes_until(until, to);
            if let Some(reached) = &mut self.reached {
                reached.id = reached.id.max(until);
            }
            self.advance(None, to);
        }
    }

    /// Tells the holes of the feed that end at this id or before it.
    pub(super) fn tell_holes_until(&mut self, id: u64, to: &mut Output<'_>) {
        while let Some(gap) = self.told_holes.pop_front_if(|gap| gap.to_id <= Some(id)) {
            if let Some(ends) = gap.from_id.zip(gap.to_id).filter(|_| gap.is_loss()) {
                self.remember(ends);
            }
            note(gap, to);
        }
    }

    /// Ids within these that are no trades, or that the feed has told as missing.
    pub(super) fn settled(&self, from: u64, until: u64) -> Ranges {
        let mut settled = Ranges::default();
        if let Some(repair) = &self.repair {
            settled.extend(repair.absent.within(from, until));
        }
        let told = self.told_holes.iter();
        settled.extend(told.filter_map(|gap| gap.from_id.zip(gap.to_id)));
        settled
    }
}

fn note(gap: Arc<Gap>, to: &mut Output<'_>) {
    to.stats.gaps += 1;
    to.stats.recovered += gap.recovered;
    let lost = gap
        .missing
        .map(|missing| missing.saturating_sub(gap.recovered));
    to.stats.missing = to.stats.missing.saturating_add(lost.unwrap_or(0));
    to.events.push(Event::Gap(gap));
}
