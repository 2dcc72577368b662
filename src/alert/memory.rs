//! What a rule remembers, and the edge-triggered machine that decides whether it fires.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::expression::Truth;
use crate::model::Timestamp;

use super::{MaxFires, Policy};

/// What became of an edge: the change of an armed rule from false to true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The rule fires.
    Fired {
        /// When: the event's time, or with a hold the moment at which it was over.
        at: Timestamp,
    },
    /// The edge is swallowed: the rule is disarmed as if it had fired.
    Suppressed {
        /// When it would have fired.
        at: Timestamp,
        /// Which limit was reached.
        why: Suppression,
    },
}

impl Verdict {
    /// When.
    pub fn at(self) -> Timestamp {
        match self {
            Self::Fired { at } | Self::Suppressed { at, .. } => at,
        }
    }

    /// Whether somebody is to be told.
    pub fn is_fired(self) -> bool {
        matches!(self, Self::Fired { .. })
    }
}

/// Which limit swallowed an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suppression {
    /// Too soon after the last firing.
    Cooldown,
    /// Too many firings in the sliding window.
    MaxFires,
}

/// As the command line names the limit: `cooldown`, `max-fires`.
impl fmt::Display for Suppression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cooldown => "cooldown",
            Self::MaxFires => "max-fires",
        })
    }
}

/// The memory of one rule on one market. The default is "no memory yet": armed, never fired.
///
/// An armed rule whose condition is true, for the whole hold where the policy has one, has an *edge*: it fires,
/// or is suppressed by cooldown or max-fires. Either way it is disarmed, and armed again only by an observation
/// at which the condition is false and the re-arm condition true. Unknown never arms and never fires; it breaks
/// a hold, because nobody can say that the condition held.
///
/// Written down (serde), times are nanoseconds since the epoch.
///
/// Invariant: no more firings are kept than the policy counts, one without max-fires; oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    armed: bool,
    /// Since when the condition of an armed rule has held.
    true_since: Option<i64>,
    /// As many of the newest firings as the policy looks back on.
    fired: VecDeque<i64>,
    /// The newest moment of an observation or a verdict.
    observed: Option<i64>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            armed: true,
            true_since: None,
            fired: VecDeque::new(),
            observed: None,
        }
    }
}

impl Memory {
    /// One evaluation at exchange time `at`: does the condition hold, and may a disarmed rule be armed again
    /// (without a rule of its own for that: `not condition`).
    ///
    /// First lets a hold that was over by `at` come to its verdict, then applies the event; these two never
    /// both have a verdict, because an event can arm a rule only where the condition is false.
    ///
    /// Time never goes back: an `at` before the last observation is taken as that one's.
    pub fn observe(
        &mut self,
        policy: &Policy,
        at: Timestamp,
        condition: Truth,
        rearm: Truth,
    ) -> Option<Verdict> {
        let at = self.not_before_observed(at.nanos());
        let held = self.on_time(policy, Timestamp::from_nanos(at));
        self.observed = Some(at);
        match (condition, self.armed) {
            (Truth::True, true) => {
                self.true_since.get_or_insert(at);
                // Without a hold this very moment is the edge.
                return self.on_time(policy, Timestamp::from_nanos(at));
            }
            (Truth::True, false) => {}
            (Truth::False, false) => self.armed = rearm == Truth::True,
            (Truth::False | Truth::Unknown, _) => self.true_since = None,
        }
        held
    }

    /// The moment at which a condition that holds now fires if nothing else comes. `None`: nothing is held, or
    /// the hold ends after the range of time.
    pub fn due(&self, policy: &Policy) -> Option<Timestamp> {
        let hold = i64::try_from(policy.hold.unwrap_or_default().as_nanos()).ok()?;
        let over = self.true_since?.checked_add(hold)?;
        // A hold that was shortened between two runs may have been over before the last observation.
        Some(Timestamp::from_nanos(self.not_before_observed(over)))
    }

    /// Time passes without an event: the verdict of a hold that was over by `now`, at the moment it was over.
    /// Changes nothing else, so it may be called at any time and as often as one likes.
    pub fn on_time(&mut self, policy: &Policy, now: Timestamp) -> Option<Verdict> {
        let at = self.due(policy).filter(|due| *due <= now)?;
        self.observed = Some(at.nanos());
        self.true_since = None;
        self.armed = false;
        Some(match self.limit_reached(policy, at.nanos()) {
            Some(why) => Verdict::Suppressed { at, why },
            None => {
                self.remember_firing(policy, at.nanos());
                Verdict::Fired { at }
            }
        })
    }

    /// Moments that lie too far in the future, after `latest`, are taken as `now`: they come from a clock that was
    /// wrong, and would hold the rule there until then.
    pub fn not_after(mut self, latest: Timestamp, now: Timestamp) -> Self {
        let mend = |moment: i64| {
            if moment > latest.nanos() {
                now.nanos()
            } else {
                moment
            }
        };
        let moments = self.observed.iter_mut().chain(&mut self.true_since);
        moments
            .chain(&mut self.fired)
            .for_each(|moment| *moment = mend(*moment));
        self
    }

    /// Whether this one would decide as the other whatever comes: they may differ in when they were last asked.
    pub fn is_like(&self, other: &Memory) -> bool {
        self.armed == other.armed
            && self.true_since == other.true_since
            && self.fired == other.fired
    }

    /// Whether the next time that the condition becomes true is an edge.
    pub fn is_armed(&self) -> bool {
        self.armed
    }

    /// The newest firing.
    pub fn last_fired(&self) -> Option<Timestamp> {
        self.fired.back().copied().map(Timestamp::from_nanos)
    }

    fn not_before_observed(&self, at: i64) -> i64 {
        self.observed.map_or(at, |observed| at.max(observed))
    }

    fn limit_reached(&self, policy: &Policy, at: i64) -> Option<Suppression> {
        let recent = |fired: &i64, length: Duration| {
            let ago = i128::from(at) - i128::from(*fired);
            // 2^64 seconds in nanoseconds fit in 94 bits.
            ago < length.as_nanos() as i128
        };
        if let (Some(cooldown), Some(last)) = (policy.cooldown, self.fired.back())
            && recent(last, cooldown)
        {
            return Some(Suppression::Cooldown);
        }
        let MaxFires { count, within } = policy.max_fires?;
        let fires = self.fired.iter().filter(|at| recent(at, within));
        (fires.count() >= count as usize).then_some(Suppression::MaxFires)
    }

    fn remember_firing(&mut self, policy: &Policy, at: i64) {
        let kept = policy.max_fires.map_or(1, |max| max.count.max(1)) as usize;
        self.fired.push_back(at);
        let surplus = self.fired.len().saturating_sub(kept);
        self.fired.drain(..surplus);
    }
}
