//! What the exchange is asked about a lane's candles, and what its answers settle.
//!
//! One question at a time: first about ended candles that are in doubt, for which later ones wait; then about the
//! current one, where it was begun in its middle, or should be over and nothing has come that shows it.

use std::time::Duration;

use crate::feed::{ProviderError, REST_LAG_NANOS, Span, TradeMark};
use crate::model::{Interval, Market, Timestamp};

use super::clock::ExchangeClock;
use super::lane::{Ended, Lane, Source};
use super::rows::{Rows, Sure, Verdict, compare, merge};
use super::seed::Seed;

const SECOND: u64 = 1_000_000_000;
/// How long the exchange is asked the same, from the first time on.
pub const BUDGET_NANOS: u64 = 10 * SECOND;
/// The longest that a question waits for its turn.
const TURN_NANOS: u64 = 60 * SECOND;

/// Before the second time and before the third: its REST side may lag behind its stream.
const RETRY_NANOS: [u64; 2] = [SECOND, 3 * SECOND];
/// An answer is wanted so long before the budget ends.
const ANSWER_NANOS: u64 = SECOND / 2;
/// So long after its end a candle counts as oddly open. One of shorter ones later, since their own questions come
/// first; one of trades after any repair of them.
const QUIET_NANOS: i64 = 2_000_000_000;
const QUIET_OF_PARTS_NANOS: i64 = 4_000_000_000;
const QUIET_OF_TRADES_NANOS: i64 = 12_000_000_000;
/// Before the exchange is asked about such a candle anew, for the first time and at most.
pub const QUIET_PAUSE: u64 = 15 * SECOND;
const QUIET_PAUSE_MAX: u64 = 240 * SECOND;

/// Between two questions of an exchange that only close quiet candles: where many markets are quiet at the end of a
/// minute, the others keep half of the slowest exchange's one request per second.
pub const QUIET_APART: u64 = 2 * SECOND;

/// What is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Candles; the answer goes to [`super::Candles::on_rows`].
    Rows {
        /// Of which market.
        market: Market,
        /// The number under which the answer is taken.
        ticket: u64,
        /// Of which length.
        interval: Interval,
        /// Those that begin within it.
        span: Span,
        /// What ends then or before is over.
        closed_before: Timestamp,
        /// How long the answer may take.
        budget: Duration,
    },
    /// Trades; the answer goes to [`super::Candles::on_trades`].
    Trades {
        /// Of which market.
        market: Market,
        /// The number under which the answer is taken.
        ticket: u64,
        /// Those after this.
        after: TradeMark,
        /// How long the answer may take.
        budget: Duration,
    },
}

/// One question of a lane, with its repetitions.
#[derive(Debug)]
pub struct Question {
    pub(super) about: About,
    tries: u32,
    due: u64,
    until: u64,
    /// It is on its way.
    ticket: Option<u64>,
    /// Until when it was about, the first time: what ended later was asked less often.
    asked_until: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) enum About {
    /// Ended candles.
    Ended,
    /// Whether the current one is over.
    Quiet,
    /// What was traded in the current one before the first that we know.
    Seed(Seed),
}

/// What is smaller comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Ended candles wait for it.
    Ended,
    /// It completes a running candle.
    Seed,
    /// It only closes a candle sooner.
    Quiet,
}

/// How urgent it is, and since when it is due.
pub type Turn = (Urgency, u64);

impl About {
    fn urgency(&self) -> Urgency {
        match self {
            Self::Ended => Urgency::Ended,
            Self::Seed(_) => Urgency::Seed,
            Self::Quiet => Urgency::Quiet,
        }
    }
}

impl Question {
    fn new(about: About, now: u64) -> Self {
        Self {
            about,
            tries: 0,
            due: now,
            until: now.saturating_add(TURN_NANOS),
            ticket: None,
            asked_until: None,
        }
    }

    fn is_asked(&self) -> bool {
        self.ticket.is_some()
    }

    fn turn(&self, now: u64) -> Option<Turn> {
        let is_due = self.ticket.is_none() && self.due <= now;
        is_due.then_some((self.about.urgency(), self.due))
    }

    fn deadline(&self, now: u64) -> u64 {
        match self.ticket.is_some() || self.due <= now {
            true => self.until,
            false => self.due.min(self.until),
        }
    }

    /// Asked once more, with this number; how long the answer may take.
    fn begin(&mut self, ticket: u64, now: u64) -> Duration {
        if self.tries == 0 {
            self.until = now.saturating_add(BUDGET_NANOS);
        }
        self.tries += 1;
        self.ticket = Some(ticket);
        let left = self.until.saturating_sub(now).saturating_sub(ANSWER_NANOS);
        Duration::from_nanos(left)
    }

    /// An answer has not settled it. False: it is not asked again.
    fn again(&mut self, now: u64) -> bool {
        self.ticket = None;
        let pause = RETRY_NANOS.get(self.tries as usize - 1);
        self.due = now.saturating_add(pause.copied().unwrap_or(0));
        pause.is_some() && self.due.saturating_add(ANSWER_NANOS) < self.until
    }
}

impl Lane {
    /// Makes up its mind what to ask. True: something new.
    pub fn plan(&mut self, now: u64, clock: &ExchangeClock) -> bool {
        if !self.rules.can_ask {
            return false;
        }
        let has_ended = !self.ended.is_empty();
        if let Some(question) = &self.question
            && (matches!(question.about, About::Ended) || !has_ended)
        {
            return false;
        }
        let (about, at) = if has_ended {
            // A moment after its end, so that the exchange has it.
            let settled = self
                .doubtful()
                .map(|span| span.until.plus_nanos(SECOND as i64));
            (
                About::Ended,
                settled
                    .and_then(|at| clock.when(at))
                    .unwrap_or(now)
                    .max(now),
            )
        } else if let Some(seed) = self.seed() {
            (About::Seed(seed), now)
        } else if self.quiet_at(clock).is_some_and(|at| at <= now) {
            (About::Quiet, now)
        } else {
            return false;
        };
        let mut question = Question::new(about, now);
        question.due = at.min(now.saturating_add(2 * SECOND));
        self.question = Some(question);
        true
    }

    /// When something is to be done. A question that waits for its turn is no reason.
    pub fn deadline(&self, now: u64, clock: &ExchangeClock) -> Option<u64> {
        if !self.rules.can_ask {
            return None;
        }
        match &self.question {
            Some(question) => Some(question.deadline(now)),
            None => self.quiet_at(clock),
        }
    }

    /// When the current one is to be asked about, should nothing come.
    fn quiet_at(&self, clock: &ExchangeClock) -> Option<u64> {
        let open = self.current.as_ref()?;
        if self.rules.interval < Interval::M1 {
            // What comes next ends it sooner than any answer.
            return None;
        }
        let pause = match self.rules.source {
            Source::Parts(_) => QUIET_OF_PARTS_NANOS,
            Source::Trades => QUIET_OF_TRADES_NANOS,
            Source::Native => QUIET_NANOS,
        };
        let at = clock.when(open.body.close_time().plus_nanos(pause))?;
        Some(at.max(self.quiet.0))
    }

    /// What is to be asked now under this number.
    pub fn ask(&mut self, ticket: u64, now: u64, clock: &ExchangeClock) -> Option<Ask> {
        let (market, interval) = (self.rules.market, self.rules.interval);
        let span = match &self.question.as_ref()?.about {
            About::Ended => self.doubtful()?,
            About::Quiet => {
                let open = self.current.as_ref()?;
                let (from, until) = (open.open_time, open.body.close_time());
                Span { from, until }
            }
            About::Seed(_) => return self.ask_for_seed(ticket, now, clock),
        };
        let question = self.question.as_mut()?;
        question.asked_until.get_or_insert(span.until);
        let budget = question.begin(ticket, now);
        // By then it is over for long enough, whatever this clock, which only goes by messages, says.
        let sure = match question.tries as usize > RETRY_NANOS.len() {
            true => span.until.plus_nanos(REST_LAG_NANOS),
            false => span.until,
        };
        Some(Ask::Rows {
            market,
            ticket,
            interval,
            span,
            closed_before: clock.at(now).map_or(sure, |time| time.max(sure)),
            budget,
        })
    }

    fn ask_for_seed(&mut self, ticket: u64, now: u64, clock: &ExchangeClock) -> Option<Ask> {
        let market = self.rules.market;
        let question = self.question.as_mut()?;
        let budget = question.begin(ticket, now);
        let About::Seed(seed) = &question.about else {
            return None;
        };
        if let Some(after) = seed.wanted_trades() {
            return Some(Ask::Trades {
                market,
                ticket,
                after,
                budget,
            });
        }
        let (interval, span) = seed.wanted_rows()?;
        let closed_before = clock
            .at(now)
            .map_or(span.until, |time| time.max(span.until));
        Some(Ask::Rows {
            market,
            ticket,
            interval,
            span,
            closed_before,
            budget,
        })
    }

    /// Takes the answer to [`Ask::Rows`]. False: it is not this lane's.
    pub fn on_rows(&mut self, ticket: u64, answer: &Result<Rows, ProviderError>, now: u64) -> bool {
        let Some(question) = self
            .question
            .as_mut()
            .filter(|known| known.ticket == Some(ticket))
        else {
            return false;
        };
        let is_last = !question.again(now);
        let is_final = matches!(answer, Err(error) if !error.is_retryable());
        let nothing = Rows::default();
        let rows = answer.as_ref().unwrap_or(&nothing);
        match &mut question.about {
            About::Ended => {
                self.resolve(rows);
                if self.doubtful().is_none() {
                    self.question = None;
                } else if is_final {
                    self.give_up(None, true);
                } else if is_last {
                    self.conclude(now);
                }
            }
            About::Quiet => self.on_quiet_rows(rows, is_last || is_final, now),
            About::Seed(seed) => {
                let is_step = seed.on_rows(rows);
                self.go_on_with_seed(is_step, is_last || is_final, now);
            }
        }
        true
    }

    /// The exchange's row of the current one, which should be over.
    fn on_quiet_rows(&mut self, rows: &Rows, is_last: bool, now: u64) {
        let Some(open) = &self.current else { return };
        let Some(known) = open.candle() else { return };
        let sure = Sure {
            begin: open.has_begin,
            end: false,
        };
        let row = rows.of(open.open_time);
        let verdict = row.map_or(Verdict::Less, |row| compare(&known, row, sure));
        let candle = match (row, verdict) {
            (Some(row), Verdict::Same) => merge(&known, row, verdict),
            // What is on its way to us may come yet.
            (Some(row), Verdict::More) if is_last || !known.complete => merge(&known, row, verdict),
            _ if is_last => return self.conclude(now),
            _ => return,
        };
        self.end(None);
        if let Some(Ended::Candle {
            candle: last,
            doubt,
        }) = self.ended.back_mut()
        {
            (*last, *doubt) = (candle, None);
        }
    }

    /// Its time is up, or it was asked often enough.
    pub(super) fn conclude(&mut self, now: u64) {
        let Some(question) = self.question.take() else {
            return;
        };
        match question.about {
            About::Ended => self.give_up(question.asked_until, false),
            About::Quiet => {
                let (_, pause) = self.quiet;
                self.quiet = (now.saturating_add(pause), (pause * 2).min(QUIET_PAUSE_MAX));
            }
            About::Seed(_) => self.first = None,
        }
    }

    /// Ends what takes too long.
    pub fn expire(&mut self, now: u64) {
        if self
            .question
            .as_ref()
            .is_some_and(|question| question.until <= now)
        {
            self.conclude(now);
        }
    }

    pub(super) fn go_on_with_seed(&mut self, is_step: bool, is_last: bool, now: u64) {
        let Some(question) = &mut self.question else {
            return;
        };
        let About::Seed(seed) = &question.about else {
            return;
        };
        if seed.is_done() {
            self.plant();
        } else if is_step {
            (question.tries, question.due, question.until) =
                (0, now, now.saturating_add(TURN_NANOS));
        } else if is_last {
            self.conclude(now);
        }
    }

    /// The question is about the current one, which is over.
    pub(super) fn drop_question_of_current(&mut self) {
        self.question = self
            .question
            .take()
            .filter(|known| matches!(known.about, About::Ended));
    }

    /// Whether a question is on its way.
    pub fn is_asking(&self) -> bool {
        self.question.as_ref().is_some_and(Question::is_asked)
    }

    /// Whether the question on its way only closes a quiet candle.
    pub fn is_asking_quiet(&self) -> bool {
        let is_quiet = |question: &Question| matches!(question.about, About::Quiet);
        self.is_asking() && self.question.as_ref().is_some_and(is_quiet)
    }

    /// Its turn, where it has something to be asked now: the most urgent comes first, then the oldest.
    pub fn turn(&self, now: u64) -> Option<Turn> {
        self.question.as_ref()?.turn(now)
    }

    /// Whether this is the question on its way.
    pub(super) fn has_asked(&self, ticket: u64) -> bool {
        self.question
            .as_ref()
            .is_some_and(|known| known.ticket == Some(ticket))
    }

    /// The question on its way was not answered well. True: it is not asked again.
    pub(super) fn is_last_try(&mut self, now: u64) -> bool {
        self.question
            .as_mut()
            .is_none_or(|question| !question.again(now))
    }
}
