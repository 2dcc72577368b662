//! One topic: its cadence, and what is thought of its silence.

use crate::model::{Event, Price, Stream, Ticker, Timestamp};

use super::{Answer, CEILING, PAUSES, Question, SECOND, clock_of};

/// So many events whose time stands still, over so many floors, are no coincidence.
const FROZEN_EVENTS: u32 = 5;
const FROZEN_FLOORS: u64 = 2;
/// The exchange's newest trade must be so much newer than a clock for this to count as standing still.
const FROZEN_BEHIND_SECONDS: f64 = 5.0;
/// Before an attempt is repeated on a stream that stays dead, at most.
const CURE_MAX: u64 = 60 * SECOND;

const DEAD: &str = "the stream is silent, and the exchange has newer data";
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
    /// Asked; `again`: when to think the answer lost.
    Asked,
    /// The exchange knows more: perhaps it is on its way. `until`: then it is not.
    Waiting { until: u64 },
    /// Confirmed to be silent; asked about again at this time, and then after twice as long.
    Quiet { again_at: u64, wait: u64 },
    /// Dead, with so many attempts to cure it, and the next one at this time.
    Stale {
        steps: u32,
        next_at: u64,
        asked: bool,
    },
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
    /// When something new came last, or its line was made.
    last: u64,
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
            last: now,
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
        let clock = clock_of(event);
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
        let is_new = match event {
            Event::Ticker(ticker) => {
                let values = values(ticker);
                let is_changed = values != self.values;
                self.values = values;
                is_changed || ticks
            }
            _ => true,
        };
        if !is_new {
            return None;
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
        let attempts = self.steps();
        (self.state, self.reason, self.wait) = (State::Live, DEAD, self.floor);
        match std::mem::replace(&mut self.told, Told::Nothing) {
            Told::Nothing => None,
            Told::Quiet => Some(0),
            Told::Stale => Some(attempts.max(1)),
        }
    }

    pub fn on_line(&mut self, is_up: bool, now: u64) {
        self.is_up = is_up;
        if matches!(self.state, State::Stale { .. }) {
            // An attempt to cure it: whether it did, data will show.
            return;
        }
        self.last = now;
        (self.clock_at, self.clock_events) = (now, 0);
        (self.state, self.told) = (State::Live, Told::Nothing);
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

    /// To be asked about as soon as it is its turn.
    pub fn doubt(&mut self, now: u64) {
        if let State::Quiet { again_at, .. } = &mut self.state {
            *again_at = now;
        }
        if self.state == State::Live {
            // Beyond the threshold, since it counts as odd only there.
            let long_ago = now.saturating_sub(self.threshold().saturating_add(1));
            self.last = self.last.min(long_ago);
            self.confirmed = self.confirmed.min(long_ago);
        }
    }

    fn threshold(&self) -> u64 {
        let ceiling = self.floor.saturating_mul(CEILING);
        self.pause.saturating_mul(PAUSES).clamp(self.floor, ceiling)
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
        self.is_doubted = self.is_frozen();
        self.question = match self.is_trades || self.is_doubted {
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

    pub fn verdict(&self, answer: Answer<'_>, last: Option<u64>) -> Option<Verdict> {
        let newest = match (answer, self.question) {
            (Answer::Nothing, _) => return None,
            (Answer::Ticker(ticker), _) => {
                let known = values(ticker);
                // An exchange's REST may lack some.
                let same = known
                    .iter()
                    .zip(&self.values)
                    .all(|(theirs, ours)| theirs.is_none() || theirs == ours);
                return Some(if same { Verdict::Same } else { Verdict::Newer });
            }
            (Answer::Trade(newest), _) => newest,
        };
        let Some(newest) = newest else {
            return Some(Verdict::Same);
        };
        let behind = self
            .clock
            .map(|clock| newest.timestamp.seconds_since(clock));
        // Trades that are all of one moment, over so long, are proof enough.
        let is_behind = self.is_trades || behind.is_some_and(|s| s > FROZEN_BEHIND_SECONDS);
        if self.is_doubted && is_behind {
            return Some(Verdict::Frozen);
        }
        Some(match last {
            Some(last) if newest.id > last => Verdict::Newer,
            _ => Verdict::Same,
        })
    }

    /// Some reason: it is dead, and an attempt to cure it is due.
    pub fn on_verdict(&mut self, verdict: Option<Verdict>, now: u64) -> Option<&'static str> {
        match (self.state, verdict) {
            (State::Stale { steps, .. }, None) => {
                let next_at = now + self.cure_after(steps);
                let asked = false;
                self.state = State::Stale {
                    steps,
                    next_at,
                    asked,
                };
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
        let steps = self.steps() + 1;
        let next_at = now + self.cure_after(steps);
        let asked = false;
        self.state = State::Stale {
            steps,
            next_at,
            asked,
        };
        Some(self.reason)
    }

    /// Attempts so far.
    pub fn steps(&self) -> u32 {
        match self.state {
            State::Stale { steps, .. } => steps,
            _ => 0,
        }
    }

    fn cure_after(&self, steps: u32) -> u64 {
        let first = (self.floor / 3).clamp(SECOND, 5 * SECOND);
        first
            .saturating_mul(1 << steps.saturating_sub(2).min(8))
            .min(CURE_MAX)
    }
}

fn values(ticker: &Ticker) -> [Option<Price>; 3] {
    [ticker.price, ticker.bid, ticker.ask]
}
