//! Where a stream begins: before that nothing is missing, however low the ids.
//!
//! Mostly a trade says where: one that the exchange repeats on subscribing, or the first that is streamed. Where
//! the stream is interrupted before there is any, only the time of the subscription is known, and the exchange is
//! asked what was traded since.

use crate::model::{Timestamp, Trade};

use super::{Output, Sequence};

impl Sequence {
    /// When the stream was first confirmed, by the wall clock, as long as no trade says where it begins.
    pub fn begins_at(&self) -> Option<Timestamp> {
        self.begins_at
    }

    /// Nothing was told yet. A repeated trade says where the stream begins. Else the first ones wait too:
    /// the wire may have swapped them, and the lowest is the beginning.
    pub(super) fn on_first(&mut self, trade: Trade, now: u64, to: &mut Output<'_>) {
        let is_interrupted = !self.interruptions.is_empty();
        if is_interrupted && self.has_beginning() {
            // What comes after an interruption is not its beginning.
            self.begin(to);
            self.on_trade(trade, now, to);
        } else if self.is_before_stream(&trade) {
            self.begin_after(&trade, to);
        } else if self.contiguous || is_interrupted {
            self.on_evidence();
            self.hold(trade, now, to);
            self.limit(now, to);
            self.refresh();
        } else {
            self.tell(trade, to);
        }
    }

    /// Whether it is repeated only to say where the stream begins, and was not missed.
    pub(super) fn is_before_stream(&self, trade: &Trade) -> bool {
        let is_older = |at| trade.timestamp <= at;
        trade.replayed && (!self.live || self.begins_at.is_some_and(is_older))
    }

    pub(super) fn begin_after(&mut self, trade: &Trade, to: &mut Output<'_>) {
        if (self.waiting.front()).is_some_and(|first| first.trade.id <= trade.id) {
            // The stream has brought an earlier one.
            return;
        }
        self.reached = Some(trade.into());
        if !self.live {
            self.begins_at = None;
        }
        for known in &mut self.interruptions {
            known.after = known.after.max(Some(trade.id));
        }
        self.on_evidence();
        self.advance(None, to);
        self.refresh();
    }

    /// Whether nothing was told yet, and the lowest waiting trade is the first one.
    pub(super) fn has_beginning(&self) -> bool {
        self.reached.is_none() && !self.waiting.is_empty() && !self.is_interrupted_before_first()
    }

    /// The lowest waiting trade is the first one.
    pub(super) fn begin(&mut self, to: &mut Output<'_>) {
        if let Some(first) = self.waiting.pop_front() {
            self.tell(first.trade, to);
            self.advance(None, to);
        }
    }

    /// Whether trades may be missing before the first one.
    pub(super) fn is_interrupted_before_first(&self) -> bool {
        let first = self.interruptions.first();
        first.is_some_and(|first| first.after.is_none())
    }
}
