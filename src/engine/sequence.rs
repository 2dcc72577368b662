//! Puts the trades of one market in order: the promise "each once, in id order, no silent hole".
//!
//! Trades that arrive in order leave at once. Anything else waits: for a moment, since the wire may have
//! swapped trades; then, where one is still missing, for the exchange's answer over REST. What nobody has is
//! told as a gap.
//!
//! Two kinds of trades wait. *Streamed* ones are the two ends of holes. *Fillers* were missed by the stream
//! and came in another way, repeated by the exchange on subscribing or over REST: they belong to the hole
//! before the next streamed trade, and one gap behind them says so.

mod begin;
mod hole;
mod ranges;
mod repair;
mod restart;
mod signs;
mod told;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::{Event, Gap, GapReason, Market, Origin, Timestamp, Trade};

use repair::Repair;
pub use repair::{REPAIR_BUDGET_NANOS, REPAIR_TRADES, REPAIR_TRIES, WAIT_NANOS};
pub use signs::EVIDENCE_NANOS;

/// How many trades wait for a missing one before the exchange is asked for it.
pub const REORDER_TRADES: usize = 64;
/// How long they wait. Longer than any reordering seen on one socket, shorter than a person notices.
pub const REORDER_NANOS: u64 = 250_000_000;

/// What became of trades. All are totals.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SequenceStats {
    /// Dropped: this id was told before.
    pub duplicates: u64,
    /// Dropped: came after its absence had been told.
    pub late: u64,
    /// Came out of order and were put right.
    pub reordered: u64,
    /// Holes that were told, repaired or not.
    pub gaps: u64,
    /// Trades that stay missing.
    pub missing: u64,
    /// Trades that the stream had missed and that were told nevertheless.
    pub recovered: u64,
    /// Times that the exchange was asked about a hole, or whether there is one; repetitions not counted.
    pub repairs: u64,
    /// Holes in the ids of the exchange itself: there never was a trade, so nothing is missing.
    pub venue_holes: u64,
}

/// Where a sequence leaves what it tells.
pub struct Output<'a> {
    /// In the order in which it is told.
    pub events: &'a mut Vec<Event>,
    /// Totals, of all markets together.
    pub stats: &'a mut SequenceStats,
}

/// The order of one market's trades.
///
/// Invariant: what comes out has strictly rising ids; between neighbours whose ids differ by more than
/// one there is a gap event, or the exchange has shown that it has no trade between them (where ids are
/// contiguous). All times are monotonic, in ns.
#[derive(Debug)]
pub struct Sequence {
    market: Market,
    contiguous: bool,
    reached: Option<Reached>,
    /// Whether the stream has begun: before that, what the exchange repeats only says where it does.
    live: bool,
    /// When it was first confirmed, by the wall clock: its beginning, as long as no trade says where that is.
    begins_at: Option<Timestamp>,
    /// Trades that cannot be told yet, by id.
    waiting: VecDeque<Waiting>,
    /// The newest holes that were told: ids in them are late, not duplicates. Only for counting.
    told: VecDeque<(u64, u64)>,
    /// Holes that the feed has told and that wait for trades before them.
    told_holes: VecDeque<Arc<Gap>>,
    /// Trades that may be the beginning of a new count.
    restart: Vec<Trade>,
    /// Where trades may have been missed, oldest first.
    interruptions: Vec<Interruption>,
    /// The exchange says that there is such a trade.
    claim: Option<Claim>,
    /// When to ask what came after the last trade, be there a hole or not.
    probe_at: Option<u64>,
    repair: Option<Repair>,
    /// Nothing is open, so that a trade that follows can be told at once.
    calm: bool,
}

/// Up to where everything is told, or told as missing.
#[derive(Debug, Clone, Copy)]
struct Reached {
    id: u64,
    /// The newest trade that was told. Lower than `id` only where those after it are told as missing.
    traded: u64,
    timestamp: Timestamp,
    received_at: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    trade: Trade,
    since: u64,
    is_filler: bool,
}

/// The stream was interrupted when this was the newest known trade.
#[derive(Debug, Clone, Copy)]
struct Interruption {
    /// `None`: there was none yet.
    after: Option<u64>,
    cause: GapReason,
    /// The line that came after it has shown how far the exchange is.
    is_answered: bool,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    id: u64,
    since: u64,
}

impl From<&Trade> for Reached {
    fn from(trade: &Trade) -> Self {
        Self {
            id: trade.id,
            traded: trade.id,
            timestamp: trade.timestamp,
            received_at: trade.received_at,
        }
    }
}

impl Waiting {
    fn streamed(trade: Trade, since: u64) -> Self {
        Self {
            trade,
            since,
            is_filler: false,
        }
    }

    fn filler(mut trade: Trade, since: u64) -> Self {
        (trade.origin, trade.replayed) = (Origin::Repair, false);
        Self {
            trade,
            since,
            is_filler: true,
        }
    }
}

impl Sequence {
    /// Up to where everything is told, or told as missing.
    pub fn last_id(&self) -> Option<u64> {
        self.reached.map(|reached| reached.id)
    }

    /// Nothing seen yet.
    pub fn new(market: Market, contiguous: bool) -> Self {
        Self {
            market,
            contiguous,
            reached: None,
            live: false,
            begins_at: None,
            waiting: VecDeque::new(),
            told: VecDeque::new(),
            told_holes: VecDeque::new(),
            restart: Vec::new(),
            interruptions: Vec::new(),
            claim: None,
            probe_at: None,
            repair: None,
            calm: true,
        }
    }

    /// From now on its ids rise by one, or only rise.
    pub fn set_contiguous(&mut self, contiguous: bool) {
        self.contiguous = contiguous;
    }

    /// Takes one trade at the time `now`; what may be told now is appended to `to`.
    pub fn on_trade(&mut self, trade: Trade, now: u64, to: &mut Output<'_>) {
        let Some(reached) = self.reached else {
            return self.on_first(trade, now, to);
        };
        if trade.id <= reached.id {
            return self.on_known(trade, to);
        }
        self.restart.clear();
        if self.is_before_stream(&trade) {
            return self.begin_after(&trade, to);
        }
        let follows = trade.id - reached.id == 1 || !self.contiguous;
        if self.calm && follows && !trade.replayed {
            return self.tell(trade, to);
        }
        self.on_evidence();
        self.hold(trade, now, to);
        self.advance(Some(trade.id), to);
        self.settle_told(to);
        self.limit(now, to);
        self.refresh();
    }

    /// An id that is behind us.
    fn on_known(&mut self, trade: Trade, to: &mut Output<'_>) {
        let reached = self.reached.map_or(0, |reached| reached.id);
        let traded = self.reached.map_or(0, |reached| reached.traded);
        let is_late = |(from, until): &(u64, u64)| (*from..=*until).contains(&trade.id);
        if self.told.iter().any(is_late) {
            to.stats.late += 1;
        } else if !trade.replayed {
            to.stats.duplicates += 1;
        } else if trade.id == reached {
            // That is where the exchange is, too.
            self.on_evidence();
            self.refresh();
        }
        if trade.id <= traded {
            self.look_for_restart(trade, to);
        }
    }

    /// The time at which [`Sequence::on_timer`] is wanted.
    pub fn deadline(&self) -> Option<u64> {
        match &self.repair {
            Some(repair) => Some(repair.deadline()),
            None => {
                let reorder = self.oldest().into_iter();
                let reorder = reorder.chain(self.claim.map(|claim| claim.since));
                let reorder = reorder.map(|since| since + REORDER_NANOS);
                reorder.chain(self.probe_at).min()
            }
        }
    }

    /// Asks about whatever has been missing for too long, and ends what has been asked for too long.
    pub fn on_timer(&mut self, now: u64, to: &mut Output<'_>) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            if self.has_beginning() {
                self.begin(to);
            } else if self.repair.as_ref().is_some_and(|r| r.end() > now) {
                // Its next try is due, which is not ours to make.
                break;
            } else if self.repair.is_some() {
                self.give_up(now, to);
            } else if self.is_whole() {
                self.close(None, None, to);
                self.refresh();
            } else {
                self.open_repair(now, to);
            }
        }
        self.settle_told(to);
        self.refresh();
    }

    /// The end of the stream: nothing that waits is kept back, and nothing more is asked.
    pub fn finish(&mut self, to: &mut Output<'_>) {
        if self.has_beginning() {
            self.begin(to);
        }
        self.close_through(u64::MAX, to);
        if !self.waiting.is_empty() {
            self.close(None, None, to);
        }
        self.repair = None;
        self.tell_holes_until(u64::MAX, to);
        self.refresh();
    }

    /// Whether nothing is missing, or may be.
    pub fn is_calm(&self) -> bool {
        self.calm
    }

    fn tell(&mut self, trade: Trade, to: &mut Output<'_>) {
        if let Some(before) = trade.id.checked_sub(1) {
            self.tell_holes_until(before, to);
        }
        self.live = true;
        self.begins_at = None;
        self.reached = Some((&trade).into());
        to.events.push(Event::Trade(trade));
    }

    /// The highest id that has come.
    fn newest(&self) -> Option<u64> {
        let last = self.waiting.back().map(|last| last.trade.id);
        last.or(self.last_id())
    }

    /// Since when the longest waiting trade waits.
    fn oldest(&self) -> Option<u64> {
        self.waiting.iter().map(|waiting| waiting.since).min()
    }

    fn hold(&mut self, trade: Trade, now: u64, to: &mut Output<'_>) {
        let is_filler = trade.replayed;
        let waiting = match is_filler {
            true => Waiting::filler(trade, now),
            false => Waiting::streamed(trade, now),
        };
        match self
            .waiting
            .binary_search_by_key(&trade.id, |waiting| waiting.trade.id)
        {
            Err(at) => {
                self.waiting.insert(at, waiting);
                if let Some(repair) = &mut self.repair {
                    repair.held_since.get_or_insert(now);
                }
            }
            // The stream had not missed it after all.
            Ok(at) if !is_filler && self.waiting[at].is_filler => self.waiting[at] = waiting,
            Ok(_) if is_filler => {}
            Ok(_) => to.stats.duplicates += 1,
        }
    }

    /// No more trades wait than may.
    fn limit(&mut self, now: u64, to: &mut Output<'_>) {
        match &self.repair {
            Some(repair) if self.waiting.len() > REPAIR_TRADES + repair.merged => {
                self.close_through(u64::MAX, to);
                self.give_up(now, to);
            }
            None if self.waiting.len() <= REORDER_TRADES => {}
            None if self.has_beginning() => self.begin(to),
            None => self.open_repair(now, to),
            _ => {}
        }
    }

    /// Drops what is settled by what was told.
    fn refresh(&mut self) {
        let reached = self.last_id();
        self.claim = self.claim.filter(|claim| Some(claim.id) > reached);
        self.interruptions.retain(|known| known.after >= reached);
        if self.interruptions.is_empty() {
            self.probe_at = None;
        }
        let is_open = !self.interruptions.is_empty();
        let seeks = |repair: &Repair| repair.is_open_ended && is_open;
        if self.waiting.is_empty() && self.claim.is_none() {
            self.repair = self.repair.take().filter(seeks);
        }
        self.calm = self.waiting.is_empty()
            && self.told_holes.is_empty()
            && self.interruptions.is_empty()
            && self.claim.is_none()
            && self.repair.is_none();
    }
}

#[cfg(test)]
mod tests;
