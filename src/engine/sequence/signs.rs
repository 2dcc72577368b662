//! What is known of the stream beside its trades: that it was interrupted, that it is back, how far the exchange is.

use crate::model::{GapReason, Timestamp};

use super::{Claim, Interruption, Sequence};

/// After a subscription is back: how long the stream itself may take to show whether anything was missed,
/// before the exchange is asked.
pub const EVIDENCE_NANOS: u64 = 1_000_000_000;

impl Sequence {
    /// Takes note that the stream stood still or was cut: what was traded meanwhile is missed.
    pub fn interrupt(&mut self, cause: GapReason) {
        let after = self.newest();
        if after.is_none() && self.begins_at.is_none() {
            // It has not begun.
            return;
        }
        // Where it began is known, so it has: what is repeated from now on was missed.
        self.live = true;
        match self.interruptions.last_mut() {
            // Nothing came in between: it is still the same one.
            Some(known) if known.after == after => known.is_answered = false,
            _ => self.interruptions.push(Interruption {
                after,
                cause,
                is_answered: false,
            }),
        }
        self.calm = false;
    }

    /// The exchange feeds this market, since the time `at` by the wall clock: for the first time, which is where the
    /// stream begins, or again, and whether anything was missed has to be found out.
    pub fn on_subscribed(&mut self, at: Timestamp, now: u64) {
        let newest = self.newest();
        if newest.is_none() {
            self.begins_at.get_or_insert(at);
        }
        let is_open = |known: &&Interruption| known.after == newest && !known.is_answered;
        if self.interruptions.last().filter(is_open).is_some() {
            self.probe_at = Some(now + EVIDENCE_NANOS);
        }
    }

    /// The exchange names its newest trade.
    pub fn on_newest(&mut self, id: u64, now: u64) {
        let Some(newest) = self.newest() else {
            return;
        };
        if id >= newest {
            self.on_evidence();
        }
        if id > newest && self.claim.is_none() {
            self.claim = Some(Claim { id, since: now });
        }
        self.refresh();
    }

    /// Trades may be missing after the last one: the exchange is asked at once.
    pub fn suspect(&mut self, cause: GapReason, now: u64) {
        self.interrupt(cause);
        if !self.interruptions.is_empty() {
            self.probe_at = Some(now);
        }
    }

    /// The stream itself shows where the exchange is.
    pub(super) fn on_evidence(&mut self) {
        self.probe_at = None;
        if let Some(last) = self.interruptions.last_mut() {
            last.is_answered = true;
        }
    }
}
