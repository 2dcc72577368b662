//! Exchanges that count their trades anew.

use std::sync::Arc;

use crate::model::{Event, Gap, GapReason, GapState, Stream, Trade};

use super::{Output, Sequence};

/// How many trades in a row have to continue one another, newer in time but with lower ids, before it is
/// believed that the exchange counts anew (or that the highest id was wrong).
const RESTART_TRADES: usize = 4;
/// An exchange's time that is further ahead of ours is not believed.
const FUTURE_NANOS: i64 = 60_000_000_000;

impl Sequence {
    /// Takes a trade whose id is behind us; tells it and the ones before it where they begin a new count.
    pub(super) fn look_for_restart(&mut self, trade: Trade, to: &mut Output<'_>) {
        if self.continues_restart(&trade) {
            self.restart.push(trade);
            if self.restart.len() == RESTART_TRADES {
                self.begin_anew(to);
            }
        }
    }

    /// Whether a trade with a low id goes on where the last such one ended. Repetitions never do: they are
    /// not newer than what was told.
    fn continues_restart(&mut self, trade: &Trade) -> bool {
        let newest = self.reached.map(|reached| {
            // A time from the future says nothing.
            let bound = reached.received_at.plus_nanos(FUTURE_NANOS);
            if reached.timestamp > bound {
                reached.received_at
            } else {
                reached.timestamp
            }
        });
        let newer = !trade.replayed && newest.is_some_and(|newest| trade.timestamp > newest);
        let follows = self.restart.last().is_none_or(|before| {
            if self.contiguous {
                trade.id.checked_sub(before.id) == Some(1)
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
    fn begin_anew(&mut self, to: &mut Output<'_>) {
        let restart = std::mem::take(&mut self.restart);
        self.finish(to);
        self.tell_restart(restart.first(), to);
        self.told.clear();
        self.interruptions.clear();
        (self.claim, self.probe_at) = (None, None);
        for trade in restart {
            self.tell(trade, to);
        }
        self.refresh();
    }

    /// The gap without ids where the exchange counts anew, before this trade.
    fn tell_restart(&mut self, first: Option<&Trade>, to: &mut Output<'_>) {
        to.stats.gaps += 1;
        let cause = self.interruptions.last().map(|known| known.cause);
        to.events.push(Event::Gap(Arc::new(Gap {
            market: self.market,
            stream: Stream::Trades,
            from_id: None,
            to_id: None,
            from: self.reached.map(|reached| reached.timestamp),
            to: first.map(|first| first.timestamp),
            missing: None,
            recovered: 0,
            state: GapState::Unrepairable,
            reason: cause.unwrap_or(GapReason::IdHole),
        })));
    }
}
