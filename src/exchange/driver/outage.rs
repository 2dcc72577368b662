//! The time without a working line: when to try again, what is told, and what feeds the topics meanwhile.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::StatusState;
use crate::net::Dial;

use super::connection::{Coming, Connection};
use super::ended::Lost;
use super::polling::{Obstacle, Polling, Working};

/// Without a line for so long, and after so many attempts in a row, other means are taken.
const FALLBACK_AFTER: (Duration, u32) = (Duration::from_secs(2), 2);
/// Between attempts that help only if something was changed elsewhere, while nothing is missed.
const HOPELESS_PAUSE: Duration = Duration::from_secs(300);

/// What is known of the time without a working line.
#[derive(Default)]
pub(super) struct Outage {
    since: Option<Instant>,
    /// Attempts that came to nothing since a line worked.
    failures: u32,
    pub polling: Option<Polling>,
    /// The state that was told last is that the topics are fed by other means.
    is_fallback_told: bool,
    /// They were fed so at some time of this outage.
    had_fallback: bool,
    /// No attempt has hope: other means, or none.
    is_hopeless: bool,
    /// There were as many attempts as there may be.
    is_spent: bool,
    /// Why there is no line.
    reason: String,
}

impl Outage {
    /// There is no working line, at the latest from now on.
    pub fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// There is a working line, or none is wanted.
    pub fn end(&mut self) {
        *self = Self::default();
    }

    /// An attempt came to nothing.
    pub fn failed(&mut self) {
        self.failures += 1;
    }
}

impl<D: Dial + 'static> Connection<D>
where
    D::Stream: 'static,
{
    /// Plans the next attempt, and tells the trouble where there is no other line.
    pub(super) async fn again(&mut self, lost: Lost) {
        if self.current.is_some() {
            return self.again_quietly(&lost);
        }
        let attempt = self.backoff.attempts() + 1;
        if lost.stale && !self.outage.is_fallback_told {
            self.tell(StatusState::Stale, attempt, &lost.reason).await;
        }
        let attempts = self.common.options.attempts;
        let is_spent = attempts > 0 && attempt > attempts;
        self.set_troubled();
        if lost.fatal || is_spent {
            let spent = if is_spent { " (attempts spent)" } else { "" };
            let reason = format!("{}{spent}", lost.reason);
            self.outage.is_spent = is_spent;
            return self.give_up(reason, attempt).await;
        }
        let delay = self.backoff.next(&mut self.random).max(self.pace) + lost.pause;
        tracing::info!(exchange = %self.common.adapter.exchange(), attempt, ?delay, reason = %lost.reason, "reconnecting");
        if !self.outage.is_fallback_told {
            self.tell(StatusState::Reconnecting, attempt, &lost.reason)
                .await;
        }
        self.outage.reason = lost.reason;
        let at = Instant::now() + delay;
        match &mut self.coming {
            // A successor was on its way when the line broke.
            Coming::Opening(_) | Coming::Open(_) => {}
            Coming::At(planned) => *planned = at.min(*planned),
            Coming::Nothing | Coming::GivenUp { .. } => self.coming = Coming::At(at),
        }
    }

    /// A successor did not come about. The current line goes on, so there is nothing to tell.
    fn again_quietly(&mut self, lost: &Lost) {
        let delay = if lost.fatal {
            HOPELESS_PAUSE
        } else {
            self.backoff.next(&mut self.random).max(self.pace) + lost.pause
        };
        tracing::info!(exchange = %self.common.adapter.exchange(), ?delay, reason = %lost.reason, "no successor yet");
        self.coming = Coming::At(Instant::now() + delay);
    }

    /// The line broke while its successor was being subscribed.
    pub(super) async fn interrupted(&mut self, lost: &Lost) {
        self.set_troubled();
        let attempt = self.backoff.attempts().max(1);
        self.tell(StatusState::Reconnecting, attempt, &lost.reason)
            .await;
    }

    fn set_troubled(&self) {
        let troubled = &self.common.options.troubled;
        troubled.store(true, Ordering::Relaxed);
    }

    /// No attempt has hope. Where there are other means, it depends on them whether that is the end.
    async fn give_up(&mut self, reason: String, attempt: u32) {
        self.outage.reason.clone_from(&reason);
        self.outage.is_hopeless = true;
        self.coming = Coming::At(Instant::now() + HOPELESS_PAUSE);
        if self.common.options.fallback.is_none() {
            return self.fail(reason, attempt).await;
        }
        let has_failed = self.outage.polling.as_ref().map(Polling::has_failed);
        // What they said while the whole exchange was away does not count: they are asked once more.
        let is_unproven = has_failed == Some(true) && !self.outage.had_fallback;
        if has_failed.is_none() || is_unproven {
            self.start_polling();
        }
    }

    async fn fail(&mut self, reason: String, attempt: u32) {
        self.outage.polling = None;
        self.tell(StatusState::Failed, attempt, &reason).await;
        self.coming = Coming::GivenUp { attempt, reason };
    }

    /// When other means are to be taken.
    pub(super) fn polls_from(&self) -> Option<Instant> {
        let (after, failures) = FALLBACK_AFTER;
        let is_possible = self.common.options.fallback.is_some() && self.outage.polling.is_none();
        let is_due = !matches!(self.coming, Coming::GivenUp { .. });
        let since = self.outage.since?;
        (is_possible && is_due && self.outage.failures >= failures).then(|| since + after)
    }

    pub(super) fn start_polling(&mut self) {
        if let Some(fallback) = &self.common.options.fallback {
            let polling = Polling::start(fallback.clone(), self.wanted.clone());
            self.outage.polling = Some(polling);
        }
    }

    /// What is wanted has changed; those that are new were told nothing yet.
    pub(super) fn restart_polling(&mut self, has_new: bool) {
        if self.outage.polling.is_some() {
            self.outage.is_fallback_told &= !has_new;
            self.start_polling();
        }
    }

    /// The other means work, or do not.
    pub(super) async fn on_verdict(&mut self, verdict: Working) {
        let was_told = std::mem::take(&mut self.outage.is_fallback_told);
        let (attempt, reason) = (self.backoff.attempts(), self.outage.reason.clone());
        match verdict {
            Ok(()) => {
                self.outage.is_fallback_told = true;
                self.outage.had_fallback = true;
                if !was_told {
                    self.tell(StatusState::Fallback, attempt, &reason).await;
                }
            }
            Err(obstacle) => {
                let Obstacle { why, is_final } = obstacle;
                let is_hopeless = self.outage.is_hopeless && !self.outage.had_fallback;
                // At the beginning there is nothing to hold on to, and whoever waits is told at once.
                let is_new = self.known.is_empty();
                if is_hopeless && (is_final || is_new || self.outage.is_spent) {
                    return self.fail(reason, attempt + 1).await;
                }
                // Else a try has just been told, or will be.
                if is_hopeless || was_told {
                    let reason = format!("{reason}, and over REST: {why}");
                    self.tell(StatusState::Reconnecting, attempt.max(1), &reason)
                        .await;
                }
            }
        }
    }
}
