//! The candles of one market and one length: what forms, what has ended, what is told.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::candles::Building;
use crate::feed::Span;
use crate::model::{Candle, Event, Gap, GapReason, GapState, Interval, Market, Timestamp, Trade};

use super::question::Question;
use super::rows::{Rows, Sure};
use super::seed::First;

/// Ended candles that wait for the exchange's answer; more are told as they are.
pub const WAITING: usize = 1_024;

/// So many usual pauses between trades at the end of a candle are odd, if they are longer than this.
const ODD_PAUSES: i64 = 10;
const ODD_NANOS: i64 = 2_000_000_000;
/// Fewer trades in a candle say nothing of what is usual.
const ODD_TRADES: u64 = 5;

/// What candles are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// States of the same candle, which the exchange sends.
    Native,
    /// The told candles of another lane, which are shorter.
    Parts(Interval),
    /// The ordered trades.
    Trades,
}

/// What is fixed about a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Of what.
    pub market: Market,
    /// How long.
    pub interval: Interval,
    /// Made of what.
    pub source: Source,
    /// The stream has candles without trades, too.
    pub has_empty: bool,
    /// Whether the exchange can be asked. Not one with a clock of its own, whose every run is to be the same.
    pub can_ask: bool,
}

/// The candle that is running.
#[derive(Debug)]
pub(super) struct Open {
    pub open_time: Timestamp,
    /// Trades, or parts that have ended.
    pub body: Building,
    /// The newest state of the part that has not; of a native one the whole.
    pub part: Option<Candle>,
    /// Something in it, or at its end, may be missing.
    pub has_hole: bool,
    /// Its first trade is known.
    pub has_begin: bool,
    /// It was begun in its middle.
    pub is_midway: bool,
}

/// Something that has ended and was not told yet.
#[derive(Debug)]
pub(super) enum Ended {
    /// `doubt`: something may be missing, but this much is sure.
    Candle { candle: Candle, doubt: Option<Sure> },
    /// Here nothing is known.
    Hole { span: Span, reason: GapReason },
    /// What became of a hole.
    Gap(Gap),
}

/// Exactly one closed candle per open time, in order. See the [module](super).
#[derive(Debug)]
pub struct Lane {
    pub(super) rules: Rules,
    pub(super) current: Option<Open>,
    pub(super) ended: VecDeque<Ended>,
    /// Where the last candle ended that has: what is older is over.
    pub(super) edge: Option<Timestamp>,
    pub(super) question: Option<Question>,
    /// When a candle that should be over may be asked about, and how long after that again.
    pub(super) quiet: (u64, u64),
    /// Something before the next input may be missing. States of this time or before are from before that.
    broken: Option<(GapReason, Option<Timestamp>)>,
    /// The newest time of a state.
    state_time: Option<Timestamp>,
    /// The exchange says when a candle has ended.
    says_closed: bool,
    /// A forming one is to be told.
    is_dirty: bool,
    /// What answers have shown of holes, as long as it is not all.
    pub(super) found: Option<Rows>,
    /// The first of what we have of a candle that was begun in its middle, until its seed is found or given up.
    pub(super) first: Option<First>,
    /// What came for a candle that was over.
    pub(super) late: u64,
    pub(super) closed: u64,
}

impl Lane {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            current: None,
            ended: VecDeque::new(),
            edge: None,
            question: None,
            quiet: (0, super::question::QUIET_PAUSE),
            broken: None,
            state_time: None,
            says_closed: false,
            is_dirty: false,
            found: None,
            first: None,
            late: 0,
            closed: 0,
        }
    }

    /// The next trade. `seed`: the trades before it, where it is the first and those since the open are known.
    pub fn on_trade(&mut self, trade: &Trade, seed: Option<&[Trade]>) {
        let open_time = self.rules.interval.open_of(trade.timestamp);
        if !self.enter(open_time, seed.is_some()) {
            self.late += 1;
            return;
        }
        let Some(open) = &mut self.current else {
            return;
        };
        if open.body.candle().is_none() {
            self.first = open.is_midway.then_some(First::Trade(*trade));
            for earlier in seed
                .into_iter()
                .flatten()
                .filter(|seed| seed.timestamp >= open_time)
            {
                open.body.add_trade(earlier);
            }
        }
        open.body.add_trade(trade);
    }

    /// The next state of the shorter candles.
    pub fn on_part(&mut self, part: &Candle) {
        let open_time = self.rules.interval.open_of(part.open_time);
        if !self.enter(open_time, part.open_time == open_time) {
            self.late += u64::from(part.closed);
            return;
        }
        let Some(open) = &mut self.current else {
            return;
        };
        if open.is_midway && open.candle().is_none() {
            self.first = Some(First::Part(part.open_time));
        }
        if !part.closed {
            open.part = Some(part.clone());
            return;
        }
        open.part = None;
        open.body.add_part(part);
        if part.close_time() == open.body.close_time() {
            self.end(None);
        }
    }

    /// The next state that the exchange sent. `time`: the exchange's, as far as it is known.
    pub fn on_state(&mut self, state: &Candle, time: Option<Timestamp>) {
        let has_begun = self.current.is_some() || self.edge.is_some();
        let is_over = state
            .timestamp
            .or(time)
            .is_some_and(|time| state.close_time() <= time);
        if !has_begun && !state.closed && is_over {
            // Repeated on subscribing: from before the stream.
            return;
        }
        let is_stale = |(_, until): (GapReason, Option<Timestamp>)| {
            state
                .timestamp
                .zip(until)
                .is_some_and(|(time, until)| time <= until)
        };
        if self.broken.is_some_and(is_stale) {
            return;
        }
        self.state_time = self.state_time.max(state.timestamp);
        let reached = self
            .current
            .as_ref()
            .map(|open| open.open_time)
            .or(self.edge);
        if reached.is_some_and(|reached| state.open_time < reached) {
            // A repetition that begins so early leaves nothing out.
            self.broken = self.broken.filter(|_| self.current.is_some());
            return;
        }
        self.says_closed |= state.closed;
        if !self.enter(state.open_time, true) {
            return;
        }
        let Some(open) = &mut self.current else {
            return;
        };
        if open
            .part
            .as_ref()
            .is_none_or(|known| is_newer(known, state))
        {
            open.has_hole = false;
            open.part = Some(state.clone());
        }
        if state.closed {
            self.end(None);
        }
    }

    /// Begins where another one of the same candles has ended: what that one told is over, and what comes may not
    /// follow at once.
    pub fn follow(&mut self, before: &Lane) {
        self.edge = before.edge;
        self.on_break(GapReason::Reconnect);
    }

    /// Something may be missing from here to the next input.
    pub fn on_break(&mut self, reason: GapReason) {
        if self.current.is_some() || self.edge.is_some() {
            let time = self.state_time;
            let (_, until) = self.broken.get_or_insert((reason, time));
            *until = time;
        }
    }

    /// All that happened until then is known.
    pub fn on_known_until(&mut self, until: Timestamp) {
        let is_over = |open: &Open| open.body.close_time() <= until;
        if self.broken.is_none() && self.current.as_ref().is_some_and(is_over) {
            self.end(None);
        }
    }

    /// Makes the candle current that begins then. False: it is over.
    fn enter(&mut self, open_time: Timestamp, begins_whole: bool) -> bool {
        let reached = self
            .current
            .as_ref()
            .map(|open| open.open_time)
            .or(self.edge);
        if reached.is_some_and(|reached| open_time < reached) {
            return false;
        }
        self.is_dirty = true;
        let is_same = |open: &Open| open.open_time == open_time;
        let broken = self.broken.take().map(|(reason, _)| reason);
        if let Some(open) = &mut self.current {
            open.has_hole |= broken.is_some();
            if is_same(open) {
                return true;
            }
            self.end(broken);
        }
        let is_first = self.edge.is_none();
        let is_native = self.rules.source == Source::Native;
        let skips = broken.is_some() || (is_native && self.rules.has_empty);
        if let Some(edge) = self.edge.filter(|edge| skips && *edge < open_time) {
            let span = Span {
                from: edge,
                until: open_time,
            };
            let reason = broken.unwrap_or(GapReason::IdHole);
            self.ended.push_back(Ended::Hole { span, reason });
        }
        // A part tells all of itself, a trade nothing of those before it.
        let tells_begin = begins_whole && self.rules.source != Source::Trades;
        let has_hole = broken.is_some() && !tells_begin;
        let is_midway = is_first && !begins_whole;
        self.current = Some(Open {
            open_time,
            body: Building::new(self.rules.market, self.rules.interval, open_time),
            part: None,
            has_hole,
            has_begin: !has_hole && !is_midway,
            is_midway,
        });
        true
    }

    /// The current one is over.
    pub(super) fn end(&mut self, broken: Option<GapReason>) {
        let Some(open) = self.current.take() else {
            return;
        };
        self.edge = Some(open.body.close_time());
        self.drop_question_of_current();
        self.first = None;
        self.quiet = (0, super::question::QUIET_PAUSE);
        let Some(mut candle) = open.candle() else {
            return;
        };
        let is_unsaid = self.rules.source == Source::Native
            && (self.says_closed || self.rules.has_empty)
            && !open.part.as_ref().is_some_and(|part| part.closed);
        let is_inferred = self.rules.source == Source::Native && self.rules.can_ask;
        let is_odd = is_inferred && open.part.as_ref().is_some_and(ends_oddly);
        let has_hole = open.has_hole || broken.is_some() || is_unsaid || is_odd;
        candle.closed = true;
        let is_whole = candle.complete && !has_hole;
        // Which of its parts is not complete is not known.
        let has_parts = candle.complete || open.has_hole || open.is_midway;
        let sure = Sure {
            begin: has_parts && open.has_begin,
            end: has_parts && !has_hole,
        };
        let doubt = (!is_whole).then_some(sure);
        self.ended.push_back(Ended::Candle { candle, doubt });
    }

    /// Appends what can be told: all that ended before the first that is in doubt.
    pub fn settle(&mut self, out: &mut Vec<Event>) {
        if !self.rules.can_ask || self.ended.len() > WAITING {
            self.give_up(None, !self.rules.can_ask);
        }
        while let Some(first) = self.ended.pop_front() {
            match first {
                Ended::Candle {
                    candle,
                    doubt: None,
                } => {
                    self.closed += 1;
                    out.push(Event::Candle(Arc::new(candle)));
                }
                Ended::Gap(gap) => out.push(Event::Gap(Arc::new(gap))),
                doubtful => {
                    self.ended.push_front(doubtful);
                    return;
                }
            }
        }
    }

    /// The newest state of the current one, where it has changed and nothing before it waits.
    pub fn forming(&mut self) -> Option<Candle> {
        if !self.ended.is_empty() || !std::mem::take(&mut self.is_dirty) {
            return None;
        }
        self.current.as_ref()?.candle()
    }

    /// The forming one is to be told anew.
    pub(super) fn touch(&mut self) {
        self.is_dirty = true;
    }

    /// A gap in this lane's candles.
    pub(super) fn gap(&self, span: Span, counts: (Option<u64>, u64), reason: GapReason) -> Gap {
        let (missing, recovered) = counts;
        Gap {
            market: self.rules.market,
            stream: crate::model::Stream::Candles(self.rules.interval),
            from_id: None,
            to_id: None,
            from: Some(span.from),
            to: Some(span.until),
            missing,
            recovered,
            state: match (missing == Some(recovered), recovered) {
                (true, _) => GapState::Repaired,
                (false, 0) => GapState::Unrepairable,
                (false, _) => GapState::Partial,
            },
            reason,
        }
    }
}

impl Open {
    /// What it is so far. Its end is not known to have come.
    pub fn candle(&self) -> Option<Candle> {
        let mut whole = self.body.clone();
        if let Some(part) = &self.part {
            whole.add_part(part);
        }
        let mut candle = whole.candle()?;
        candle.complete &= !self.has_hole && !self.is_midway;
        Some(candle)
    }
}

/// Whether the last state of a candle is from so long before its end that others should have come: a stream can lose
/// them without losing its line.
fn ends_oddly(last: &Candle) -> bool {
    let (Some(time), Some(trades), false) = (last.timestamp, last.trades, last.closed) else {
        return false;
    };
    let silence = last.close_time().nanos().saturating_sub(time.nanos());
    let before = time.nanos().saturating_sub(last.open_time.nanos()).max(0);
    let pause = before / i64::try_from(trades.max(1)).unwrap_or(i64::MAX);
    trades >= ODD_TRADES && silence > ODD_PAUSES.saturating_mul(pause).max(ODD_NANOS)
}

/// Whether a state of a candle comes after another. The volume of a candle only grows.
fn is_newer(known: &Candle, next: &Candle) -> bool {
    let is_older = next
        .timestamp
        .zip(known.timestamp)
        .is_some_and(|(next, known)| next < known);
    (!is_older || next.closed) && next.volume >= known.volume
}
