//! How a rule stands, for those who look at it from outside.

use std::sync::{Mutex, MutexGuard};

use crate::expression::Truth;
use crate::model::{Market, Timestamp};

use super::super::super::error::CliError;
use super::super::fetch::now;
use super::Watch;

/// Whether a rule waits for its condition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Armed,
    /// It fired, and waits for the end of what it fired for.
    Fired,
    /// Whether its condition holds is not known.
    #[default]
    Unknown,
    /// It is not watched.
    Failed,
}

impl State {
    /// As clients are told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Armed => "armed",
            Self::Fired => "fired",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// What is seen of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of all its symbols together: one that has fired counts most.
    pub state: State,
    /// How often it fired, over all watches of it.
    pub fired: u64,
    /// The newest firing, in the exchange's time.
    pub last_fired: Option<Timestamp>,
    /// What its symbols mean, once that is known.
    pub markets: Vec<Market>,
    /// Why it is not watched, or not known.
    pub why: Option<String>,
    /// What could not be done at the last firing.
    pub trouble: Option<String>,
}

/// Where a watch notes how its rule stands. It outlives the watch.
#[derive(Debug, Default)]
pub struct Standing(Mutex<Seen>);

impl Standing {
    /// What was noted last.
    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    /// What its symbols mean.
    pub fn means(&self, markets: Vec<Market>) {
        self.lock().markets = markets;
    }

    /// It is not watched any more.
    pub fn failed(&self, error: &CliError) {
        let mut seen = self.lock();
        seen.state = State::Failed;
        seen.why = Some(told(error));
    }

    /// Firings, with their times.
    pub(super) fn fired(&self, times: impl Iterator<Item = Timestamp>) {
        let mut seen = self.lock();
        for at in times {
            seen.fired += 1;
            seen.last_fired = seen.last_fired.max(Some(at));
            seen.trouble = None;
        }
    }

    /// Something that a firing wanted could not be done.
    pub(super) fn trouble(&self, error: &CliError) {
        self.lock().trouble = Some(told(error));
    }

    fn stands(&self, state: State, why: Option<&str>) {
        let mut seen = self.lock();
        seen.state = state;
        seen.why = why.filter(|_| state == State::Unknown).map(str::to_owned);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

/// An error as clients may read it: nothing of this machine, no program and no address.
fn told(error: &CliError) -> String {
    match error.code {
        "action" => "an action failed: the server's log says more".into(),
        "state" | "internal" | "busy" => {
            "its memory cannot be read or written: the server's log says more".into()
        }
        _ => error.message.clone(),
    }
}

impl Watch<'_> {
    /// Notes how the rule stands now, where that is wanted.
    pub(super) fn stand(&self) {
        if let Some(standing) = self.standing {
            standing.stands(self.state(), self.progress.last_trouble.as_deref());
        }
    }

    fn state(&self) -> State {
        let (now, views) = (now(), &self.desk.board().views);
        let mut state = State::Armed;
        for (place, tracker) in self.desk.board().trackers().iter().enumerate() {
            if !tracker.memory.is_armed() {
                return State::Fired;
            }
            let theirs = views.time_of(tracker.market);
            let at = theirs.filter(|_| self.desk.has_own_clock(place));
            if tracker.holds(views, at.unwrap_or(now)) == Truth::Unknown {
                state = State::Unknown;
            }
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_nothing_of_programs_addresses_and_files() {
        let standing = Standing::default();
        for error in [
            CliError::failed("action", "cannot start /home/me/secret"),
            CliError::failed("state", "/home/me/.local: read-only"),
            CliError::failed("internal", "/home/me"),
        ] {
            standing.trouble(&error);
            standing.failed(&error);
            let seen = standing.seen();
            let texts = [seen.why, seen.trouble].map(Option::unwrap_or_default);
            assert!(
                texts.iter().all(|text| !text.contains("/home")),
                "{texts:?}"
            );
            assert!(texts.iter().all(|text| text.contains("log")), "{texts:?}");
        }
        standing.failed(&CliError::unknown(
            "unreachable",
            "no list of what it trades",
        ));
        assert_eq!(
            standing.seen().why.as_deref(),
            Some("no list of what it trades")
        );
    }

    #[test]
    fn a_watch_that_works_again_takes_the_failure_back_and_keeps_the_count() {
        let standing = Standing::default();
        standing.fired([3, 2].map(Timestamp::from_nanos).into_iter());
        standing.failed(&CliError::unknown("no_data", "gone"));
        standing.stands(State::Armed, Some("trouble of before"));
        let seen = standing.seen();
        assert_eq!((seen.state, seen.why, seen.fired), (State::Armed, None, 2));
        assert_eq!(seen.last_fired, Some(Timestamp::from_nanos(3)));
    }
}
