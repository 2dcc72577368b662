//! One topic: its cadence, and what is thought of its silence.

use crate::model::{Event, Origin, Price, Stream, Ticker, Timestamp, Trade};

use super::{Answer, CEILING, PAUSES, Question, SECOND, clock_of};

/// So many events whose time stands still, over so many floors, are no coincidence.
const FROZEN_EVENTS: u32 = 5;
const FROZEN_FLOORS: u64 = 2;
/// The exchange's newest trade must be so much newer than a clock for this to count as standing still.
const FROZEN_BEHIND_SECONDS: f64 = 5.0;
/// Before an attempt is repeated on a stream that stays dead, at most.
const CURE_MAX: u64 = 60 * SECOND;

/// Trades that are fetched so soon after the line was made are those from before it.
const CATCHING_UP: u64 = 12 * SECOND;

const DEAD: &str = "the stream is silent, and the exchange has newer data";
const UNNATURAL: &str =
    "the stream is silent far beyond its cadence, and the exchange cannot be asked";
const FROZEN: &str = "frames come, but the exchange's clock stands still";

/// What the exchange's answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It knows what we know.
    Same,
    /// It knows more.
    Newer,
    /// Its trades go on while the times on the stream do not.
    Frozen,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    /// Nothing odd, as far as is known.
    Live,
    /// Asked, and not answered yet.
    Asked,
    /// The exchange knows more: perhaps it is on its way. `until`: then it is not.
    Waiting { until: u64 },
    /// Confirmed to be silent; asked about again at this time, and then after twice as long.
    Quiet { again_at: u64, wait: u64 },
    /// Dead; asked about again, to see whether an attempt has cured it, at this time.
    Stale { next_at: u64, asked: bool },
}

/// What is known of a topic outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    Quiet,
    Stale,
}

/// One topic.
#[derive(Debug)]
pub(super) struct Watch {
    pub floor: u64,
    pub state: State,
    /// What was told of it last.
    pub told: Told,
    is_up: bool,
    is_trades: bool,
    is_candles: bool,
    /// When something new came last, or its line was made.
    last: u64,
    /// When its line was made.
    line_at: u64,
    /// When its first line was made, by the wall clock.
    begun: Option<Timestamp>,
    seen: Option<u64>,
    attempts: u32,
    /// This machine slept.
    is_in_doubt: bool,
    /// When the exchange said by itself that there is nothing new.
    confirmed: u64,
    /// The usual pause between new things: an average over the last few; 0 = not learnt yet.
    pause: u64,
    /// The highest exchange time so far, when it was reached, and the events since then.
    clock: Option<Timestamp>,
    clock_at: u64,
    clock_events: u32,
    /// When the first and the last of those came.
    clock_from: u64,
    clock_until: u64,
    /// Of the last ticker.
    values: [Option<Price>; 3],
    question: Question,
    /// The question is about its clock.
    is_doubted: bool,
    /// The least pause between two questions about a quiet market.
    wait: u64,
    reason: &'static str,
}

impl Watch {
    pub fn new(stream: Stream, floor: u64, now: u64) -> Self {
        Self {
            floor,
            state: State::Live,
            told: Told::Nothing,
            is_up: false,
            is_trades: stream == Stream::Trades,
            is_candles: stream.interval().is_some(),
            last: now,
            line_at: now,
            begun: None,
            seen: None,
            attempts: 0,
            is_in_doubt: false,
            confirmed: now,
            pause: 0,
            clock: None,
            clock_at: now,
            clock_events: 0,
            clock_from: now,
            clock_until: now,
            values: [None; 3],
            question: Question::Trade,
            is_doubted: false,
            wait: floor,
            reason: DEAD,
        }
    }

    /// Some attempts: it was told as dead or quiet, and this shows that it is not any more.
    pub fn on_event(&mut self, event: &Event, now: u64) -> Option<u32> {
        if let Event::Trade(trade) = event {
            let is_streamed = trade.origin == Origin::Stream;
            if is_streamed || now.saturating_sub(self.line_at) <= CATCHING_UP {
                self.seen = self.seen.max(Some(trade.id));
            }
            if !is_streamed {
                // What was fetched does not show that the stream lives.
                return None;
            }
        }
        let ticks = self.tick(clock_of(event), now);
        if let Event::Ticker(ticker) = event {
            let before = std::mem::replace(&mut self.values, values(ticker));
            if before == self.values && !ticks {
                return None;
            }
        }
        if now > self.last {
            let pause = now - self.last;
            self.pause = match self.pause {
                0 => pause,
                known => known - known / 8 + pause / 8,
            };
            self.last = now;
        }
        // A line whose acknowledgement was lost has shown itself.
        self.is_up = true;
        if matches!(self.state, State::Stale { .. }) && self.reason == FROZEN && !ticks {
            return None;
        }
        let attempts = std::mem::take(&mut self.attempts);
        (self.state, self.reason, self.wait) = (State::Live, DEAD, self.floor);
        match std::mem::replace(&mut self.told, Told::Nothing) {
            Told::Nothing => None,
            Told::Quiet => Some(0),
            Told::Stale => Some(attempts.max(1)),
        }
    }

    /// Whether the exchange's clock has moved on.
    fn tick(&mut self, clock: Option<Timestamp>, now: u64) -> bool {
        let ticks = clock.is_some() && clock > self.clock;
        if ticks {
            (self.clock, self.clock_at, self.clock_events) = (clock, now, 0);
        } else if clock.is_some() {
            if self.clock_events == 0 {
                self.clock_from = now;
            }
            self.clock_events = self.clock_events.saturating_add(1);
            self.clock_until = now;
        }
        ticks
    }

    /// `at`: the same moment by the wall clock.
    pub fn on_line(&mut self, is_up: bool, now: u64, at: Timestamp) {
        self.is_up = is_up;
        if is_up {
            self.line_at = now;
            self.begun.get_or_insert(at);
        }
        if matches!(self.state, State::Stale { .. }) {
            // An attempt to cure it: whether it did, data will show.
            return;
        }
        self.last = now;
        (self.clock_at, self.clock_events) = (now, 0);
        self.state = State::Live;
    }

    /// The exchange itself said that nothing is newer.
    pub fn on_confirmed(&mut self, now: u64) {
        if matches!(
            self.state,
            State::Live | State::Asked | State::Waiting { .. }
        ) {
            self.confirmed = now;
            self.state = State::Live;
        }
    }

    /// The newest trade that the stream brought, or need not have brought.
    pub fn seen(&self) -> Option<u64> {
        self.seen
    }

    /// When something new came last.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// To be asked about as soon as it is its turn.
    pub fn doubt(&mut self, now: u64) {
        if let State::Quiet { again_at, .. } = &mut self.state {
            *again_at = now;
        }
        self.is_in_doubt = true;
    }

    fn threshold(&self) -> u64 {
        let ceiling = self.floor.saturating_mul(CEILING);
        self.pause.saturating_mul(PAUSES).clamp(self.floor, ceiling)
    }

    fn is_far_beyond(&self, now: u64) -> bool {
        self.pause > 0 && now.saturating_sub(self.last) > self.threshold().saturating_mul(2)
    }

    /// Events have come over all of this time: not at its end, and not at its beginning, since one order that
    /// meets many makes as many trades of one moment.
    fn is_frozen(&self) -> bool {
        let until = self.clock_until;
        self.clock_events >= FROZEN_EVENTS
            && until.saturating_sub(self.clock_at) > self.floor.saturating_mul(FROZEN_FLOORS)
            && until.saturating_sub(self.clock_from) > self.floor
    }

    /// How odd this topic's silence is, if it is to be asked about now; more is odder.
    pub fn oddness(&self, now: u64) -> Option<u64> {
        if !self.is_up {
            return None;
        }
        let silence = now.saturating_sub(self.last.max(self.confirmed));
        let per_mille = |part: u64, whole: u64| part.saturating_mul(1_000) / whole.max(1);
        match self.state {
            State::Live if self.is_in_doubt => Some(2_000),
            State::Live if self.is_frozen() => Some(per_mille(now - self.clock_at, self.floor)),
            State::Live => {
                (silence > self.threshold()).then(|| per_mille(silence, self.threshold()))
            }
            State::Quiet { again_at, wait } if now >= again_at => {
                Some(per_mille(now - again_at + wait, wait).min(1_500))
            }
            // One that is known to be dead goes before any suspicion.
            State::Stale { next_at, asked, .. } if now >= next_at && !asked => Some(u64::MAX),
            _ => None,
        }
    }

    /// It is asked about, as one of so many topics at its exchange.
    pub fn on_ask(&mut self, topics: u64) -> Question {
        self.is_in_doubt = false;
        self.is_doubted = self.is_frozen();
        self.question = match self.is_trades || self.is_candles || self.is_doubted {
            // Values change even while the clock does not: trades tell.
            true => Question::Trade,
            false => Question::Ticker,
        };
        // Quiet markets together are asked about about once a floor.
        let most = self.floor.saturating_mul(topics.max(CEILING));
        self.wait = self.wait.saturating_mul(2).min(most);
        match &mut self.state {
            State::Stale { asked, .. } => *asked = true,
            state => *state = State::Asked,
        }
        self.question
    }

    pub fn verdict(&mut self, answer: Answer<'_>) -> Option<Verdict> {
        let newest = match answer {
            Answer::Nothing => return None,
            Answer::Ticker(ticker) => {
                let theirs = values(ticker);
                // An exchange's REST may lack some.
                let mut pairs = theirs.iter().zip(&self.values);
                let same = pairs.all(|(theirs, ours)| theirs.is_none() || theirs == ours);
                return Some(if same { Verdict::Same } else { Verdict::Newer });
            }
            Answer::Trade(newest) => newest,
        };
        let Some(newest) = newest else {
            return Some(Verdict::Same);
        };
        let behind = |clock: Timestamp| newest.timestamp.seconds_since(clock);
        // Trades that are all of one moment, over so long, are proof enough.
        let is_behind = self.is_trades || self.clock.map(behind) > Some(FROZEN_BEHIND_SECONDS);
        if self.is_doubted && is_behind {
            return Some(Verdict::Frozen);
        }
        if self.is_candles {
            // A trade changes the candle at once.
            let is_newer = is_behind || (self.clock.is_none() && self.is_newer_than_line(newest));
            return Some(if is_newer {
                Verdict::Newer
            } else {
                Verdict::Same
            });
        }
        if !self.is_trades {
            return Some(Verdict::Same);
        }
        let is_newer = match self.seen {
            Some(seen) => newest.id > seen,
            // Nothing came yet.
            None => self.is_newer_than_line(newest),
        };
        if !is_newer {
            self.seen = self.seen.max(Some(newest.id));
        }
        Some(match is_newer {
            true => Verdict::Newer,
            false => Verdict::Same,
        })
    }

    /// Whether it was traded after the line was made, for certain: the clocks of exchange and machine differ.
    fn is_newer_than_line(&self, trade: &Trade) -> bool {
        let begun = self.begun.map(|begun| trade.timestamp.seconds_since(begun));
        begun > Some(FROZEN_BEHIND_SECONDS)
    }

    /// Some reason: it is dead, and an attempt to cure it is due.
    pub fn on_verdict(&mut self, verdict: Option<Verdict>, now: u64) -> Option<&'static str> {
        match (self.state, verdict) {
            (State::Stale { .. }, None) => {
                let (next_at, asked) = (now + self.cure_after(), false);
                self.state = State::Stale { next_at, asked };
                None
            }
            (State::Stale { .. }, Some(Verdict::Same)) => {
                self.rest(now);
                None
            }
            (State::Stale { .. }, Some(_)) => self.next_step(now),
            (_, Some(Verdict::Frozen)) => {
                self.reason = FROZEN;
                self.next_step(now)
            }
            // Something came meanwhile.
            (State::Live, _) => {
                (self.clock_at, self.clock_events) = (now, 0);
                None
            }
            (_, Some(Verdict::Same)) => {
                self.rest(now);
                None
            }
            (_, Some(Verdict::Newer)) => {
                let until = now + (self.floor / 4).clamp(SECOND / 4, 2 * SECOND);
                self.state = State::Waiting { until };
                None
            }
            // It cannot be asked, but so long a silence is not natural to this stream.
            (_, None) if self.is_far_beyond(now) => {
                self.reason = UNNATURAL;
                self.next_step(now)
            }
            // Not known: later, with less and less hurry.
            (_, None) => {
                let (again_at, wait) = (now + self.wait, self.wait);
                self.state = State::Quiet { again_at, wait };
                None
            }
        }
    }

    fn rest(&mut self, now: u64) {
        self.reason = DEAD;
        (self.clock_at, self.clock_events) = (now, 0);
        self.state = match now.saturating_sub(self.last) <= self.floor {
            // It is not silent at all.
            true => State::Live,
            false => State::Quiet {
                again_at: now + self.wait,
                wait: self.wait,
            },
        };
    }

    /// What was to be on its way did not come.
    pub fn cure(&mut self, now: u64) -> Option<&'static str> {
        match self.state {
            State::Waiting { until } if now >= until && self.is_up => self.next_step(now),
            _ => None,
        }
    }

    fn next_step(&mut self, now: u64) -> Option<&'static str> {
        self.attempts += 1;
        let (next_at, asked) = (now + self.cure_after(), false);
        self.state = State::Stale { next_at, asked };
        Some(self.reason)
    }

    /// Attempts to cure it since it last brought something.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    fn cure_after(&self) -> u64 {
        let first = (self.floor / 3).clamp(SECOND, 5 * SECOND);
        first
            .saturating_mul(1 << self.attempts.saturating_sub(2).min(8))
            .min(CURE_MAX)
    }
}

fn values(ticker: &Ticker) -> [Option<Price>; 3] {
    [ticker.price, ticker.bid, ticker.ask]
}
