//! Asking the exchange for what the stream has missed: when, how often, for how long, and what its answer proves.

use std::collections::VecDeque;
use std::time::Duration;

use crate::feed::{ProviderError, Replay, TradeMark};
use crate::model::{GapReason, Timestamp, Trade};

use super::ranges::Ranges;
use super::{Claim, Output, REORDER_NANOS, Sequence, Waiting};

/// How long one repair may take, once it has begun; and how long a trade waits for one at most, be it that it has
/// not even begun.
pub const REPAIR_BUDGET_NANOS: u64 = 10_000_000_000;
/// How often the exchange is asked for the same trades.
pub const REPAIR_TRIES: u32 = 3;
/// How many streamed trades of one market wait for a repair; about 3 MB.
pub const REPAIR_TRADES: usize = 20_000;
/// The longest that a repair for which no trade waits is put off, however many there are before it.
pub const WAIT_NANOS: u64 = 60_000_000_000;
/// Before the exchange is asked again, be it that its REST side lags behind its stream or that it failed.
const RETRY_NANOS: u64 = 500_000_000;
/// So many times as long before the last question to one that lags: three seconds after the first.
const LAG_GROWTH: u64 = 5;
/// An answer is wanted so long before the budget ends, so that what has come by then still counts.
const ANSWER_NANOS: u64 = 500_000_000;

/// A question to the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The last known trade.
    pub after: TradeMark,
    /// How long the answer may take.
    pub budget: Duration,
}

/// One repair: from the suspicion to its end.
#[derive(Debug)]
pub(super) struct Repair {
    opened_at: u64,
    /// Since when the trade has waited that has waited the longest, if one does.
    pub held_since: Option<u64>,
    /// Whether everything after the last trade is wanted, be there a hole or not.
    pub is_open_ended: bool,
    /// Fillers that answers have brought.
    pub merged: usize,
    /// Ids that the exchange has shown to be no trades.
    pub absent: Ranges,
    stage: Stage,
    tries: u32,
    /// The end of its budget.
    until: u64,
    obstacle: Option<Obstacle>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Others are before it.
    Queued,
    /// To be asked at this time.
    Due(u64),
    /// Asked, with this number, what came after this trade.
    Asked(u64, TradeMark),
}

#[derive(Debug, Clone, Copy)]
enum Obstacle {
    /// There is nobody to ask.
    NoHistory,
    /// What was asked for is older than what is served, from this id on.
    TooOld(u64),
}

impl Repair {
    fn new(opened_at: u64, held_since: Option<u64>, is_open_ended: bool) -> Self {
        Self {
            opened_at,
            held_since,
            is_open_ended,
            merged: 0,
            absent: Ranges::default(),
            stage: Stage::Queued,
            tries: 0,
            until: u64::MAX,
            obstacle: None,
        }
    }

    /// When it is over, whatever was found.
    pub fn end(&self) -> u64 {
        let patience = match self.held_since {
            Some(since) => since.saturating_add(REPAIR_BUDGET_NANOS),
            None => self.opened_at.saturating_add(WAIT_NANOS),
        };
        self.until.min(patience)
    }

    /// Whether an answer may still come in time.
    fn has_time(&self, now: u64) -> bool {
        now.saturating_add(ANSWER_NANOS) < self.end()
    }

    /// When it wants something.
    pub fn deadline(&self) -> u64 {
        match self.stage {
            Stage::Due(at) => at.min(self.end()),
            _ => self.end(),
        }
    }

    /// Why a hole stays that begins with this id, where that has another reason than how it came about.
    pub fn obstacle(&self, lost_from: u64) -> Option<GapReason> {
        match self.obstacle? {
            Obstacle::NoHistory => Some(GapReason::RepairOff),
            Obstacle::TooOld(id) => (id == lost_from).then_some(GapReason::SourceLimit),
        }
    }

    fn ask(&mut self, ticket: u64, after: TradeMark, now: u64) -> Ask {
        if let Stage::Queued = self.stage {
            self.until = now + REPAIR_BUDGET_NANOS;
        }
        self.tries += 1;
        self.stage = Stage::Asked(ticket, after);
        let left = self.end().saturating_sub(now + ANSWER_NANOS);
        let budget = Duration::from_nanos(left);
        Ask { after, budget }
    }

    /// The exchange's REST side lags behind its stream: the last try comes when most such lags are over.
    fn try_later(&mut self, now: u64) -> bool {
        let pause = RETRY_NANOS * LAG_GROWTH.pow(self.tries.saturating_sub(1).min(1));
        self.try_again(pause, now)
    }

    /// Plans another try. False: there is none left, or no time for one.
    fn try_again(&mut self, pause: u64, now: u64) -> bool {
        let at = now.saturating_add(pause);
        let can = self.tries < REPAIR_TRIES && self.has_time(at);
        if can {
            self.stage = Stage::Due(at);
        }
        can
    }

    fn try_after(&mut self, error: &ProviderError, now: u64) -> bool {
        let pause = match error {
            ProviderError::Refused(_) => {
                self.obstacle = Some(Obstacle::NoHistory);
                return false;
            }
            ProviderError::RateLimited {
                retry_after: Some(pause),
                ..
            } => u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX),
            error if error.is_retryable() => 0,
            _ => return false,
        };
        self.try_again(pause.max(RETRY_NANOS), now)
    }

    /// Takes what an answer proves not to exist. Nothing is learnt of what is after the newest trade, nor of parts that
    /// could not be had.
    fn learn(
        &mut self,
        mark: &TradeMark,
        trades: &[Trade],
        uncovered: &[(Timestamp, Timestamp)],
        missing: &[(u64, u64)],
    ) {
        // Who names no ids names times: they rise together, so a part in time is one in ids.
        let has_ids = !missing.is_empty() || uncovered.is_empty();
        let is_covered = |a: Timestamp, b: Timestamp| {
            let (from, until) = (a.min(b), a.max(b));
            let touches = |part: &(Timestamp, Timestamp)| part.0 <= until && part.1 >= from;
            !uncovered.iter().any(touches)
        };
        let mut lost = Ranges::default();
        lost.extend(missing.iter().copied());
        let mut absent = Vec::new();
        let (mut known, mut time) = (mark.id, mark.time);
        for trade in trades {
            let from = known.map_or(0, |id| id + 1);
            if from < trade.id {
                let until = trade.id - 1;
                // Below the first trade of all, nobody can name ids.
                if has_ids && known.is_some() {
                    absent.extend(lost.outside(from, until));
                } else if is_covered(time, trade.timestamp) {
                    absent.push((from, until));
                }
                if known == mark.id && absent.first().is_none_or(|first| first.0 > from) {
                    self.obstacle = Some(Obstacle::TooOld(from));
                }
            }
            (known, time) = (Some(trade.id), trade.timestamp);
        }
        self.absent.extend(absent);
    }
}

impl Sequence {
    pub(super) fn open_repair(&mut self, now: u64, to: &mut Output<'_>) {
        let probe = self.probe_at.take_if(|at| *at <= now);
        // What is repeated from now on was missed.
        self.live = true;
        self.repair = Some(Repair::new(now, self.oldest(), probe.is_some()));
        self.calm = false;
        to.stats.repairs += 1;
    }

    /// Whether a repair waits to begin and still can, and since when. Those that hold up trades come first.
    pub fn queued(&self, now: u64) -> Option<(bool, u64)> {
        let repair = self.repair.as_ref()?;
        let is_queued = matches!(repair.stage, Stage::Queued) && repair.has_time(now);
        let since = repair.held_since.unwrap_or(repair.opened_at);
        is_queued.then_some((repair.held_since.is_none(), since))
    }

    /// Whether a repair has begun.
    pub fn is_repairing(&self) -> bool {
        let repair = self.repair.as_ref();
        repair.is_some_and(|repair| !matches!(repair.stage, Stage::Queued))
    }

    /// Whether a repair that has begun is to ask again.
    pub fn is_due(&self, now: u64) -> bool {
        let repair = self.repair.as_ref();
        repair.is_some_and(|repair| matches!(repair.stage, Stage::Due(at) if at <= now))
    }

    /// The question of a repair that is queued or due; its answer comes under this number.
    pub fn ask(&mut self, ticket: u64, now: u64) -> Option<Ask> {
        let repair = self.repair.as_mut()?;
        let reached = self.reached.map(|r| (Some(r.id), r.timestamp));
        let (id, time) = reached.or(self.begins_at.map(|at| (None, at)))?;
        let after = TradeMark { id, time };
        Some(repair.ask(ticket, after, now))
    }

    /// Takes an answer: tells what it completes, asks again where that may help, and else ends the repair. An answer
    /// that is not waited for any longer changes nothing.
    pub fn on_repaired(
        &mut self,
        ticket: u64,
        answer: Result<Replay, ProviderError>,
        now: u64,
        to: &mut Output<'_>,
    ) {
        let Some(repair) = &mut self.repair else {
            return;
        };
        let Stage::Asked(number, mark) = repair.stage else {
            return;
        };
        if number != ticket {
            return;
        }
        match answer {
            Ok(replay) => self.on_replay(&mark, replay, now, to),
            Err(error) => {
                if !repair.try_after(&error, now) {
                    self.give_up(now, to);
                }
            }
        }
        self.settle_told(to);
        self.refresh();
    }

    fn on_replay(&mut self, mark: &TradeMark, replay: Replay, now: u64, to: &mut Output<'_>) {
        let (market, reached) = (self.market, self.last_id());
        if mark.id.is_none() && reached.is_some() {
            // Where the stream begins was learnt after the question: from there on it is complete by ids.
            let can = self.repair.as_mut().is_some_and(|r| r.try_again(0, now));
            if !can {
                self.give_up(now, to);
            }
            return;
        }
        let is_newer = |trade: &Trade| match mark.id {
            Some(known) => trade.id > known,
            None => trade.timestamp > mark.time,
        };
        let mut trades = replay.trades;
        trades.retain(|trade| trade.market == market && is_newer(trade));
        trades.sort_by_key(|trade| trade.id);
        trades.dedup_by_key(|trade| trade.id);
        // The newest of all is among the trades, or not newer than what we know.
        let newest = match (trades.last(), replay.newest) {
            (Some(last), _) => Some(last.id),
            (None, newest) => newest.map(|newest| newest.id.min(mark.id.unwrap_or(u64::MAX))),
        };
        let bound = self.bound(newest, now);
        if let Some(repair) = &mut self.repair {
            repair.learn(mark, &trades, &replay.uncovered, &replay.missing);
        }
        self.merge(&trades, bound, now);
        self.advance(None, to);
        self.refresh();
        let needed = self.needed(now);
        let is_further = self.last_id() > reached;
        let Some(repair) = &mut self.repair else {
            return;
        };
        // Where its REST side has not seen yet what its stream has told, it says nothing of that.
        if newest >= needed || is_further {
            self.settle(newest, bound, now, to);
        } else if !repair.try_later(now) {
            self.give_up(now, to);
        }
    }

    /// Puts trades into the holes that are being repaired.
    fn merge(&mut self, trades: &[Trade], bound: u64, now: u64) {
        let reached = self.last_id();
        let fillers = trades
            .iter()
            .filter(|t| Some(t.id) > reached && t.id < bound);
        let before = self.waiting.len();
        let mut merged = VecDeque::with_capacity(before + trades.len());
        let mut waiting = std::mem::take(&mut self.waiting).into_iter().peekable();
        for trade in fillers {
            while let Some(earlier) = waiting.next_if(|waiting| waiting.trade.id < trade.id) {
                merged.push_back(earlier);
            }
            if waiting
                .peek()
                .is_none_or(|waiting| waiting.trade.id != trade.id)
            {
                merged.push_back(Waiting::filler(*trade, now));
            }
        }
        merged.extend(waiting);
        if let Some(repair) = &mut self.repair {
            repair.merged += merged.len() - before;
        }
        self.waiting = merged;
    }

    /// Up to which trade holes end with this answer: those that it reaches and that have waited for long enough; in any
    /// case the first one. Younger ones may still be filled by the stream, but for an open end, where it was cut.
    fn bound(&self, newest: Option<u64>, now: u64) -> u64 {
        let is_open_ended = self.repair.as_ref().is_some_and(|r| r.is_open_ended);
        if is_open_ended && self.waiting.iter().all(|waiting| waiting.is_filler) {
            return u64::MAX;
        }
        let is_reached = |id: u64| newest.is_none_or(|newest| id <= newest.saturating_add(1));
        let is_ready = |waiting: &&Waiting| {
            let is_old = is_open_ended || waiting.since + REORDER_NANOS <= now;
            is_old && is_reached(waiting.trade.id)
        };
        let newest_waiting = self.newest();
        // What the exchange has repeated ends a hole where nothing streamed follows.
        let is_end =
            |waiting: &&Waiting| !waiting.is_filler || Some(waiting.trade.id) == newest_waiting;
        let ends = || self.waiting.iter().filter(is_end);
        let last = ends().rev().find(is_ready).or_else(|| ends().next());
        // A trade that is only said to exist ends nothing that the exchange does not show.
        let claim = self.claim_due(now).zip(newest);
        let claimed = claim.map_or(0, |(claim, newest)| claim.id.min(newest).saturating_add(1));
        last.map_or(claimed, |last| last.trade.id.max(claimed))
    }

    /// The id that an answer has to reach before it says anything of the first hole.
    fn needed(&self, now: u64) -> Option<u64> {
        let streamed = self.waiting.iter().find(|waiting| !waiting.is_filler);
        match streamed {
            Some(next) => next.trade.id.checked_sub(1),
            None => self.newest().max(self.claim_due(now).map(|c| c.id)),
        }
    }

    /// What is said to exist, and would have come by now.
    fn claim_due(&self, now: u64) -> Option<Claim> {
        self.claim
            .filter(|claim| claim.since + REORDER_NANOS <= now)
    }

    /// Ends the repair without an answer: all that has waited for long enough goes on.
    pub(super) fn give_up(&mut self, now: u64, to: &mut Output<'_>) {
        let bound = self.bound(None, now);
        self.settle(None, bound, now, to);
    }

    /// Ends the repair: what is still missing up to `newest`, the last trade of the exchange's answer, and up to the
    /// trade `bound`, does not come any more. `None`: there was no answer.
    ///
    /// A trade that was only said to exist is not missing before an answer shows it: what says so may be wrong, and
    /// says so again if it is not.
    fn settle(&mut self, newest: Option<u64>, bound: u64, now: u64, to: &mut Output<'_>) {
        let is_answered = |id: u64| newest.is_none_or(|newest| id <= newest);
        self.close_through(
            newest.map_or(bound, |newest| bound.min(newest.saturating_add(1))),
            to,
        );
        if self.waiting.iter().all(|waiting| waiting.is_filler) {
            let claim = self
                .claim
                .filter(|claim| claim.id <= bound && Some(claim.id) <= newest);
            let last = self.waiting.back().map(|last| last.trade.id);
            if last.map_or(claim.is_some(), |last| last <= bound && is_answered(last)) {
                self.close(None, claim.map(|claim| claim.id), to);
            }
        }
        self.advance(None, to);
        self.claim = self.claim.filter(|_| self.claim_due(now).is_none());
        self.repair = None;
        self.refresh();
    }
}
