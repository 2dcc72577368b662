//! What a watch does with its firings: written down, told, acted on beside the stream.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use crate::alert::Outcome;

use super::super::super::error::CliError;
use super::super::desk::Committed;
use super::super::once::Tally;
use super::super::settings::Spec;
use super::Watch;

/// Firings whose actions are not done yet; of further ones the actions are left out, and that is told.
const ACTING: usize = 100;
/// What is still to be done after a signal may take so long.
pub const LAST_ACTIONS: Duration = Duration::from_secs(5);
/// And where nobody is in a hurry.
pub const ALL_ACTIONS: Duration = Duration::from_secs(120);

impl<'a> Watch<'a> {
    /// What became of rules: written down, told, acted on.
    pub(super) async fn take(&mut self, found: Vec<(usize, Outcome)>) {
        let mut by_place = BTreeMap::<usize, Vec<Outcome>>::new();
        for (place, outcome) in found {
            by_place.entry(place).or_default().push(outcome);
        }
        for (place, outcomes) in by_place {
            self.commit(place, outcomes).await;
            self.stand();
        }
    }

    pub(super) async fn commit(&mut self, place: usize, outcomes: Vec<Outcome>) {
        match self.desk.commit(place, outcomes).await {
            Ok(committed) => self.act(place, committed).await,
            // Tried again at the next tick.
            Err(error) if error.code == "busy" => {
                tracing::warn!(%error, "a firing is written down later");
            }
            Err(error) => self.fail(error),
        }
    }

    pub(super) async fn act(&mut self, place: usize, committed: Committed) {
        let (run, spec) = (self.run, &self.specs[self.desk.spec(place)]);
        let Committed { fired, claims } = committed;
        self.fired += fired.len() as u64;
        if let Some(standing) = self.standing {
            standing.fired(fired.iter().map(|outcome| outcome.alert.timestamp));
        }
        if let Some(name) = spec.memory().filter(|_| !run.dry_run) {
            let told = run.deliverer.tell_claims(claims).await;
            let acts = told.has_actions();
            let settled = run.deliverer.settle(spec, name, told, run.store);
            if acts {
                self.acting.push(Box::pin(settled));
            } else {
                // Only written down: it must not pile up while events are handled.
                let done = settled.await;
                self.acted(done);
            }
            return;
        }
        for outcome in fired {
            self.act_at_once(spec, outcome).await;
        }
    }

    /// For rules without memory.
    pub(super) async fn act_at_once(&mut self, spec: &'a Spec, outcome: Outcome) {
        let run = self.run;
        // The line comes first, in order; the actions go on beside the stream.
        if let Err(error) = run.deliverer.tell(&outcome.alert).await {
            self.fail(error);
        }
        if self.acting.len() >= ACTING && !spec.actions.is_empty() {
            let title = spec.rule.title();
            let message = format!(
                "{title}: {ACTING} earlier firings are still being acted on: nothing done for this one"
            );
            return self.fail(CliError::failed("action", message));
        }
        self.acting.push(Box::pin(async move {
            Tally {
                failed: run.deliverer.act_all(spec, &outcome.alert).await,
                ..Tally::default()
            }
        }));
    }

    /// Told once while it goes on: what is tried again every second must not fill the screen.
    pub(super) fn fail(&mut self, error: CliError) {
        if self.last_failure.as_ref() != Some(&error.message) {
            self.run.ctx.notices.error(&error);
        }
        if let Some(standing) = self.standing {
            standing.trouble(&error);
        }
        self.last_failure = Some(error.message);
        self.failed = true;
    }

    /// What an earlier run has left undone.
    pub(super) fn leftovers(&mut self) {
        let run = self.run;
        for spec in self.specs.iter().filter(|_| !run.dry_run) {
            if let Some(name) = spec.memory() {
                let left = run.deliverer.leftovers(spec, name, run.store);
                self.acting.push(Box::pin(left));
            }
        }
    }

    pub(super) fn acted(&mut self, done: Tally) {
        done.failed.into_iter().for_each(|error| self.fail(error));
    }

    pub(super) async fn wind_up(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while !self.acting.is_empty() {
            match tokio::time::timeout_at(deadline, self.acting.next()).await {
                Ok(Some(done)) => self.acted(done),
                Ok(None) => break,
                Err(_) => {
                    let left = self.acting.len();
                    self.run.ctx.notices.warn("action", &format!("{left} firings were not acted on to the end; those of named rules are left to the next run"));
                    break;
                }
            }
        }
        if let Err(error) = self.desk.save().await {
            self.fail(error);
        }
    }
}
