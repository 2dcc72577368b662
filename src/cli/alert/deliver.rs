//! From a firing to its line and its actions. Firings of named rules go through the outbox of their memory,
//! so that a run that dies leaves them to the next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use crate::action::{Action, ActionError, Firing, Runner};
use crate::alert::{Alert, Outcome, Verdict};
use crate::model::Timestamp;
use crate::store::{AlertStore, Claim, Locked, Past, Pending, PendingAction};

use super::super::Ctx;
use super::super::error::CliError;
use super::fetch::now;
use super::line::Printer;
use super::once::{Tally, lock, unwritten};
use super::settings::{LINE, Spec};

/// A claim is held for so long at most: longer than any action takes with its retries.
const CLAIM: Duration = Duration::from_secs(90);
/// Runs that may fail at one action before it is given up.
const ATTEMPTS: u32 = 50;
/// Claims of one round.
const AT_ONCE: usize = 64;

/// Prints and acts.
pub struct Deliverer<'a> {
    ctx: &'a Ctx,
    runner: Runner,
    printer: Printer,
    dry_run: bool,
    said_dry: AtomicBool,
}

impl<'a> Deliverer<'a> {
    pub fn new(ctx: &'a Ctx, runner: Runner, printer: Printer, dry_run: bool) -> Self {
        Self {
            ctx,
            runner,
            printer,
            dry_run,
            said_dry: AtomicBool::new(false),
        }
    }

    /// Tells and acts at once, for rules without memory. What could not be done comes back.
    pub async fn deliver(&self, spec: &Spec, alert: &Alert) -> Vec<CliError> {
        let mut failed: Vec<_> = self.tell(alert).await.err().into_iter().collect();
        failed.extend(self.act_all(spec, alert).await);
        failed
    }

    /// Prints the line.
    pub async fn tell(&self, alert: &Alert) -> Result<(), CliError> {
        self.printer.print(&alert.json()).await
    }

    /// Does what the rule asks for, all at once.
    pub async fn act_all(&self, spec: &Spec, alert: &Alert) -> Vec<CliError> {
        if self.dry_run {
            self.say_dry(spec);
            return Vec::new();
        }
        let json = alert.json();
        let acts = spec
            .actions
            .iter()
            .map(|(key, action)| self.act(key, action, &json));
        join_all(acts).await.into_iter().flatten().collect()
    }

    fn say_dry(&self, spec: &Spec) {
        for (key, action) in &spec.actions {
            let what = match action {
                Action::Exec(exec) => format!("run {}", exec.argv.join(" ")),
                Action::Webhook(webhook) => format!("post to {}", webhook.label),
                Action::Notify => "notify".into(),
                Action::Bell => "ring".into(),
            };
            self.ctx.notices.say(
                "dry_run",
                &format!("tickwire: dry run: would {what} ({key})"),
            );
        }
        if spec.actions.is_empty() && !self.said_dry.swap(true, Ordering::Relaxed) {
            self.ctx
                .notices
                .say("dry_run", "tickwire: dry run: nothing is remembered");
        }
    }

    async fn act(&self, key: &str, action: &Action, json: &str) -> Option<CliError> {
        let failed = |why: &str| CliError::failed("action", format!("action {key}: {why}"));
        let firing = match Firing::from_json(json) {
            Ok(firing) => firing,
            Err(why) => return Some(failed(&why.to_string())),
        };
        match self.runner.run(action, &firing).await {
            Ok(()) => None,
            Err(ActionError {
                message,
                hint,
                retryable,
            }) => Some(CliError {
                retryable,
                hint,
                ..failed(&message)
            }),
        }
    }

    /// Puts a firing into the memory of its rule: from now on it will be told, by whomever.
    pub fn record(&self, spec: &Spec, outcome: &Outcome, locked: &mut Locked) {
        let Outcome { verdict, alert } = outcome;
        let how = match verdict {
            Verdict::Fired { .. } => "fired".to_owned(),
            Verdict::Suppressed { why, .. } => format!("suppressed: {why}"),
        };
        locked.remember(Past {
            id: alert.id.clone(),
            market: alert.market.to_string(),
            at: alert.timestamp,
            price: alert.price.map(|price| price.to_string()),
            outcome: how,
        });
        if !verdict.is_fired() {
            return;
        }
        let keys = std::iter::once(LINE).chain(spec.actions.iter().map(|(key, _)| key.as_str()));
        locked.outbox.push(Pending {
            id: alert.id.clone(),
            market: alert.market.to_string(),
            event: alert.json(),
            fired_at: alert.timestamp,
            actions: keys.map(PendingAction::new).collect(),
        });
    }

    /// Does what stands in the outbox of this rule and what nobody else is doing.
    pub async fn settle(&self, spec: &Spec, name: &str, store: &AlertStore) -> Tally {
        let mut tally = Tally::default();
        // Looked at without the lock: nearly always there is nothing.
        if store
            .read(name)
            .is_ok_and(|state| state.is_none_or(|state| state.outbox.is_empty()))
        {
            return tally;
        }
        let claimed = match self.claim(name, store).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tally.failed.push(error);
                return tally;
            }
        };
        let acts = claimed
            .iter()
            .map(|(claim, event)| self.act_on(spec, claim, event));
        let results = join_all(acts).await;
        let mut done = Vec::new();
        for ((claim, _), error) in claimed.iter().zip(results) {
            tally.fired += u64::from(claim.key == LINE && error.is_none());
            done.push((claim, error.is_none()));
            tally.failed.extend(error);
        }
        if let Err(error) = self.settled(name, store, &done, &mut tally).await {
            tally.failed.push(error);
        }
        tally
    }

    async fn claim(
        &self,
        name: &str,
        store: &AlertStore,
    ) -> Result<Vec<(Claim, String)>, CliError> {
        let mut locked = lock(store, name, self.ctx).await?;
        let (at, pid) = (now(), std::process::id());
        let until = Timestamp::from_nanos(at.nanos() + CLAIM.as_nanos() as i64);
        let claims = locked.claim(at, until, pid, AT_ONCE);
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        locked.save().map_err(unwritten)?;
        let event = |claim: &Claim| {
            let pending = locked.outbox.iter().find(|pending| pending.id == claim.id);
            pending
                .map(|pending| pending.event.clone())
                .unwrap_or_default()
        };
        Ok(claims
            .iter()
            .map(|claim| (claim.clone(), event(claim)))
            .collect())
    }

    async fn act_on(&self, spec: &Spec, claim: &Claim, event: &str) -> Option<CliError> {
        if claim.key == LINE {
            return self.printer.print(event).await.err();
        }
        match spec.actions.iter().find(|(key, _)| *key == claim.key) {
            Some((key, action)) => self.act(key, action, event).await,
            None => {
                // The rule was changed after it had fired: there is nothing left to do it with.
                let message = format!(
                    "alert `{}`: the action {} is gone",
                    spec.rule.title(),
                    claim.key
                );
                self.ctx.notices.warn("action", &message);
                None
            }
        }
    }

    async fn settled(
        &self,
        name: &str,
        store: &AlertStore,
        done: &[(&Claim, bool)],
        tally: &mut Tally,
    ) -> Result<(), CliError> {
        if done.is_empty() {
            return Ok(());
        }
        let mut locked = lock(store, name, self.ctx).await?;
        for (claim, is_done) in done {
            if *is_done {
                locked.done(claim);
            } else if locked.failed(claim, now(), ATTEMPTS) {
                let message = format!(
                    "alert `{name}`: the action {} is given up after {ATTEMPTS} runs",
                    claim.key
                );
                tally.failed.push(CliError::failed("action", message));
            }
        }
        locked.save().map_err(unwritten)
    }
}
