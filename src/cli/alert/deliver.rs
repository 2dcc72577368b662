//! From a firing to its line and its actions. Firings of named rules go through the outbox of their memory,
//! so that a run that dies leaves them to the next.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use crate::action::{Action, ActionError, Firing, Runner};
use crate::alert::{Alert, Outcome, Verdict};
use crate::store::{AlertStore, Claim, Locked, Past, Pending, PendingAction};

use super::super::Ctx;
use super::super::error::CliError;
use super::fetch::now;
use super::line::Lines;
use super::once::Tally;
use super::settings::{LINE, Spec};
use super::state::{lock, unwritten};

/// A claim of a process that has not died is held for so long, and for as long as its actions may take.
const CLAIM: Duration = Duration::from_secs(600);
/// Runs that may fail at one action before it is given up.
const ATTEMPTS: u32 = 50;
/// Firings of one rule that wait to be acted on; further ones are only told.
const WAITING: usize = 100;
/// Claims of one round: all that there are, within reason.
const AT_ONCE: usize = 100_000;

/// An action that is ours to do, and the event that it is about.
pub struct Claimed {
    claim: Claim,
    event: String,
}

/// Claims whose lines are told.
#[derive(Default)]
pub struct Told {
    done: Vec<(Claim, bool)>,
    actions: Vec<Claimed>,
    tally: Tally,
}

/// Tells and acts.
pub struct Deliverer<'a> {
    ctx: &'a Ctx,
    runner: Runner,
    lines: Lines,
    dry_run: bool,
    said_dry: AtomicBool,
    /// Rules of which this process has claimed something.
    claimed: Mutex<HashSet<String>>,
}

impl Told {
    /// Whether there is something to do beside the lines.
    pub fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }
}

impl<'a> Deliverer<'a> {
    pub fn new(ctx: &'a Ctx, runner: Runner, lines: Lines, dry_run: bool) -> Self {
        Self {
            ctx,
            runner,
            lines,
            dry_run,
            said_dry: AtomicBool::new(false),
            claimed: Mutex::default(),
        }
    }

    /// Whether lines go to stdout: the watch is a command of its own.
    pub fn prints(&self) -> bool {
        matches!(self.lines, Lines::Printed(_))
    }

    /// Tells and acts at once, for rules without memory. What could not be done comes back.
    pub async fn deliver(&self, spec: &Spec, alert: &Alert) -> Vec<CliError> {
        let mut failed: Vec<_> = self.tell(alert).await.err().into_iter().collect();
        failed.extend(self.act_all(spec, alert).await);
        failed
    }

    /// Tells the line.
    pub async fn tell(&self, alert: &Alert) -> Result<(), CliError> {
        self.lines.tell(&alert.json()).await
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
            .map(|(_, action)| self.act(action, &json));
        join_all(acts).await.into_iter().flatten().collect()
    }

    fn say_dry(&self, spec: &Spec) {
        for (key, action) in &spec.actions {
            let what = match action {
                // Arguments may hold secrets.
                Action::Exec(exec) => format!("run {}", exec.argv[0]),
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

    async fn act(&self, action: &Action, json: &str) -> Option<CliError> {
        let failed = |why: &str| CliError::failed("action", why);
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
    ///
    /// Errors: too many wait already; it is told, and nothing else is done for it.
    pub fn record(
        &self,
        spec: &Spec,
        outcome: &Outcome,
        locked: &mut Locked,
    ) -> Result<(), CliError> {
        let Outcome { verdict, alert } = outcome;
        let acted_on = |pending: &&Pending| pending.actions.iter().any(|action| action.key != LINE);
        let waiting = locked.outbox.iter().filter(acted_on).count();
        let full = !spec.actions.is_empty() && waiting >= WAITING;
        locked.remember(Past {
            id: alert.id.clone(),
            market: alert.market.to_string(),
            at: alert.timestamp,
            price: alert.price.map(|price| price.to_string()),
            outcome: match verdict {
                Verdict::Fired { .. } if full => format!("dead letter: {WAITING} firings wait"),
                Verdict::Fired { .. } => "fired".to_owned(),
                Verdict::Suppressed { why, .. } => format!("suppressed: {why}"),
            },
        });
        if !verdict.is_fired() {
            return Ok(());
        }
        let keys = std::iter::once(LINE);
        let actions = spec.actions.iter().map(|(key, _)| key.as_str());
        let keys = keys.chain(actions.filter(|_| !full));
        locked.outbox.push(Pending {
            id: alert.id.clone(),
            market: alert.market.to_string(),
            event: alert.json(),
            fired_at: alert.timestamp,
            actions: keys.map(PendingAction::new).collect(),
        });
        if full {
            let (title, at) = (spec.rule.title(), alert.timestamp);
            let message = format!(
                "alert `{title}`: {WAITING} firings wait to be acted on: nothing but its line is done for the one of {at}"
            );
            return Err(CliError::failed("action", message));
        }
        Ok(())
    }

    /// Takes what stands in the outbox of this rule and what nobody else is doing. Save before acting.
    pub fn claim(&self, spec: &Spec, locked: &mut Locked) -> Vec<Claimed> {
        let at = now();
        let longest = spec.actions.iter().map(|(_, action)| longest(action)).max();
        let patience = CLAIM + longest.unwrap_or_default();
        let until = at.plus_nanos(i64::try_from(patience.as_nanos()).unwrap_or(i64::MAX));
        let own = std::process::id();
        let title = spec.rule.title().to_owned();
        // Before the first claim of this process one in its name is that of a dead one: in a container every
        // run has the same number.
        let is_first = self
            .claimed
            .lock()
            .expect("no holder of this lock panics")
            .insert(title);
        let works = |pid: u32| is_alive(pid) && !(is_first && pid == own);
        let claims = locked.claim(at, until, own, AT_ONCE, &works);
        let event = |claim: &Claim| {
            let pending = locked.outbox.iter().find(|pending| pending.id == claim.id);
            pending
                .map(|pending| pending.event.clone())
                .unwrap_or_default()
        };
        let claimed = claims.into_iter().map(|claim| Claimed {
            event: event(&claim),
            claim,
        });
        claimed.collect()
    }

    /// Tells the lines that were claimed, in order; then the rest is for [`Deliverer::settle`].
    pub async fn tell_claims(&self, claims: Vec<Claimed>) -> Told {
        let mut told = Told::default();
        let (lines, actions) = claims.into_iter().partition(|c| c.claim.key == LINE);
        told.actions = actions;
        for Claimed { claim, event } in Vec::<Claimed>::into_iter(lines) {
            let error = self.lines.tell(&event).await.err();
            told.tally.fired += u64::from(error.is_none());
            told.done.push((claim, error.is_none()));
            told.tally.failed.extend(error);
        }
        told
    }

    /// Does what was claimed beside the lines, all at once, and writes down what came of it all.
    pub async fn settle(&self, spec: &Spec, name: &str, told: Told, store: &AlertStore) -> Tally {
        let Told {
            mut done,
            actions,
            mut tally,
        } = told;
        let acts = actions
            .iter()
            .map(|c| self.act_on(spec, &c.claim, &c.event));
        for (claimed, error) in actions.iter().zip(join_all(acts).await) {
            done.push((claimed.claim.clone(), error.is_none()));
            tally.failed.extend(error);
        }
        if done.is_empty() {
            return tally;
        }
        if let Err(error) = self.settled(name, store, &done, &mut tally).await {
            tally.failed.push(error);
        }
        tally
    }

    /// What an earlier run has left undone.
    pub async fn leftovers(&self, spec: &Spec, name: &str, store: &AlertStore) -> Tally {
        let failed = |error| Tally {
            failed: vec![error],
            ..Tally::default()
        };
        // Looked at without the lock: nearly always there is nothing.
        let state = store.read(name).ok().flatten();
        if state.is_none_or(|state| state.outbox.is_empty()) {
            return Tally::default();
        }
        let claims = match lock(store, name, self.ctx).await {
            Ok(mut locked) => {
                let claims = self.claim(spec, &mut locked);
                if let Err(error) = locked.save() {
                    return failed(unwritten(error));
                }
                claims
            }
            Err(error) => return failed(error),
        };
        let told = self.tell_claims(claims).await;
        self.settle(spec, name, told, store).await
    }

    async fn act_on(&self, spec: &Spec, claim: &Claim, event: &str) -> Option<CliError> {
        match spec.actions.iter().find(|(key, _)| *key == claim.key) {
            Some((_, action)) => self.act(action, event).await,
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
        done: &[(Claim, bool)],
        tally: &mut Tally,
    ) -> Result<(), CliError> {
        let mut locked = match lock(store, name, self.ctx).await {
            Err(error) if error.code == "busy" => lock(store, name, self.ctx).await?,
            locked => locked?,
        };
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

/// How long an action may take with all its tries.
fn longest(action: &Action) -> Duration {
    match action {
        Action::Exec(exec) => exec.timeout,
        Action::Webhook(webhook) => webhook.timeout * 3,
        Action::Notify | Action::Bell => Duration::ZERO,
    }
}

/// Whether a process still runs, as far as can be seen: one that we may not signal does.
fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}
