//! `alert --once`: is it so, yes or no, or can it not be known.

mod judge;
mod stand_in;
mod why;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::alert::{Mark, Tracker, Views};
use crate::expression::Truth;
use crate::model::{Interval, Market, Ticker, Timestamp};
use crate::store::{AlertStore, MarketState, State};

use super::super::Ctx;
use super::super::args::SinceLast;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::candles;
use super::deliver::Deliverer;
use super::fetch::{self, Facts};
use super::markets::{Markets, Ready};
use super::settings::Spec;
use super::state::{keep_oldest, lock, priced, recall, unwritten};
use judge::{Judged, evidence, judge};
pub use judge::{current_views, moment};
use why::unknown;

/// A question that is only good to know is not waited for longer.
const SOON: Duration = Duration::from_millis(700);
/// What the rules of one run have come to.
#[derive(Default)]
pub struct Tally {
    pub fired: u64,
    /// What could not be known.
    pub unknown: Vec<CliError>,
    /// What could not be done.
    pub failed: Vec<CliError>,
}

impl Tally {
    /// Adds another rule's.
    pub fn add(&mut self, other: Tally) {
        self.fired += other.fired;
        self.unknown.extend(other.unknown);
        self.failed.extend(other.failed);
    }

    /// Tells what went wrong. Failed comes before fired: an action that was not done must be seen.
    pub fn finish(self, ctx: &Ctx) -> Result<Exit, CliError> {
        let (fired, failed) = (self.fired > 0, !self.failed.is_empty());
        let mut errors = self.unknown;
        errors.extend(self.failed);
        if fired && !failed {
            errors.iter().for_each(|error| ctx.notices.error(error));
            return Ok(Exit::Done);
        }
        match ctx.notices.all_but_last(errors) {
            Some(last) => Err(last),
            None => Ok(Exit::No),
        }
    }
}

/// What every rule of a run needs.
pub struct Run<'a> {
    pub ctx: &'a Ctx,
    pub store: &'a AlertStore,
    pub since_last: SinceLast,
    pub dry_run: bool,
    pub deadline: Instant,
    pub deliverer: &'a Deliverer<'a>,
}

/// What is remembered of a rule's symbols before anything is asked.
type Snapshot = HashMap<Market, MarketState>;

pub async fn run(
    specs: &[Spec],
    mut ready: Vec<Ready>,
    markets: &mut Markets,
    run: Run<'_>,
) -> Result<Tally, CliError> {
    let started = fetch::now();
    let mut facts = stand_in::fetch(specs, &mut ready, markets, &run).await?;
    let markets = &*markets;
    let snapshots: Vec<Snapshot> = ready
        .iter()
        .map(|rule| snapshot(&specs[rule.spec], &rule.trackers, run.store))
        .collect();
    first_trades(&ready, &snapshots, &mut facts, markets, &run).await;
    let wanted = candles_to_follow(&ready, &snapshots, started);
    facts.candles = candles::fetch(wanted, markets, run.ctx, run.deadline).await;
    let marks = marks_to_replay(&ready, &snapshots, &facts, &run);
    facts.replays = fetch::replays(marks, markets, run.ctx, run.deadline).await;
    let facts = &facts;
    let checks = ready.into_iter().map(|rule| {
        let spec = &specs[rule.spec];
        let run = &run;
        async move { check(spec, rule, facts, started, run).await }
    });
    let mut tally = Tally::default();
    for one in join_all(checks).await {
        tally.add(one);
    }
    Ok(tally)
}

/// Read without a lock: it only tells what to ask for.
fn snapshot(spec: &Spec, trackers: &[Tracker], store: &AlertStore) -> Snapshot {
    let Some(name) = spec.memory() else {
        return Snapshot::new();
    };
    let Ok(Some(mut state)) = store.read(name) else {
        return Snapshot::new();
    };
    let known = trackers.iter().filter_map(|tracker| {
        let known = state.markets.remove(&tracker.home().to_string())?;
        (known.hash == tracker.rule.hash(tracker.home())).then_some((tracker.home(), known))
    });
    known.collect()
}

/// Where a rule is new and the exchange's ticker has no time: the last trade, so that it is known to the trade
/// from where to go on. Asked for only if it comes soon: many new rules at once must not wait for each other.
async fn first_trades(
    ready: &[Ready],
    snapshots: &[Snapshot],
    facts: &mut Facts,
    markets: &Markets,
    run: &Run<'_>,
) {
    let mut wanted = Vec::new();
    for (rule, snapshot) in ready.iter().zip(snapshots) {
        let new = rule.trackers.iter().filter(|tracker| {
            tracker.rule.name.is_some() && !snapshot.contains_key(&tracker.home())
        });
        for market in new.flat_map(Tracker::priced_markets) {
            let timeless = ticker(facts, market).is_some_and(|ticker| ticker.timestamp.is_none());
            if timeless && !facts.trades.contains_key(&market) && !wanted.contains(&market) {
                wanted.push(market);
            }
        }
    }
    let of = wanted
        .into_iter()
        .map(|market| markets.instrument(market).clone());
    let soon = run.deadline.min(Instant::now() + SOON);
    let trades = fetch::last_trades(of.collect(), run.ctx, soon).await;
    facts
        .trades
        .extend(trades.into_iter().filter(|(_, answer)| answer.is_ok()));
}

/// What rules are computed from, and have not been judged by.
fn candles_to_follow(
    ready: &[Ready],
    snapshots: &[Snapshot],
    now: Timestamp,
) -> HashMap<(Market, Interval), usize> {
    let mut all = HashMap::new();
    for (rule, snapshot) in ready.iter().zip(snapshots) {
        for tracker in &rule.trackers {
            let known = snapshot.get(&tracker.home());
            for (market, interval, _) in tracker.candles() {
                let mark = known.and_then(|known| known.watermarks.get(&market.to_string()));
                let since = mark.map(|mark| mark.time);
                let n = tracker.wanted(*market, *interval, since, now);
                let most = all.entry((*market, *interval)).or_insert(0);
                *most = n.max(*most);
            }
        }
    }
    all
}

/// For each market the oldest mark of a rule that has to know what happened since.
fn marks_to_replay(
    ready: &[Ready],
    snapshots: &[Snapshot],
    facts: &Facts,
    run: &Run<'_>,
) -> HashMap<Market, Mark> {
    let mut oldest = HashMap::new();
    if run.since_last == SinceLast::Off {
        return oldest;
    }
    for (rule, snapshot) in ready.iter().zip(snapshots) {
        for tracker in &rule.trackers {
            let Some(known) = snapshot.get(&tracker.home()) else {
                continue;
            };
            let mut tracker = tracker.clone();
            let (memory, marks) = recall(known, &tracker, moment(&tracker, facts, run.ctx));
            tracker.memory = memory;
            if tracker
                .is_steady(&marks, &|market| ticker(facts, market), facts.asked_at)
                .is_some()
            {
                continue;
            }
            keep_oldest(&mut oldest, priced(&tracker, marks));
        }
    }
    oldest
}

fn ticker(facts: &Facts, market: Market) -> Option<Arc<Ticker>> {
    facts.tickers.get(&market)?.as_ref().ok().cloned()
}

async fn check(
    spec: &Spec,
    rule: Ready,
    facts: &Facts,
    started: Timestamp,
    run: &Run<'_>,
) -> Tally {
    let mut tally = Tally {
        unknown: rule.unknown,
        ..Tally::default()
    };
    match spec.memory() {
        None => {
            let truths = rule
                .trackers
                .iter()
                .map(|tracker| truth(spec, tracker, facts, run));
            for one in join_all(truths).await {
                tally.add(one);
            }
        }
        Some(name) => match remembered(spec, name, rule.trackers, facts, started, run).await {
            Ok(named) => tally.add(named),
            Err(error) if error.exit == Exit::Unknown => tally.unknown.push(error),
            Err(error) => tally.failed.push(error),
        },
    }
    tally
}

/// A rule without memory: whether it is so.
async fn truth(spec: &Spec, tracker: &Tracker, facts: &Facts, run: &Run<'_>) -> Tally {
    let now = moment(tracker, facts, run.ctx);
    let evidence = evidence(tracker, facts, run);
    let mut views = Views::default();
    let mut tracker = tracker.clone();
    evidence.show(&mut tracker, &mut views, now);
    let tracker = &tracker;
    let mut tally = Tally::default();
    match tracker.holds(&views, now) {
        Truth::True => {
            let alert = tracker.alert(&views, evidence.time_of(tracker.market, now), now);
            tally.fired = 1;
            tally.failed = run.deliverer.deliver(spec, &alert).await;
        }
        Truth::False => {}
        Truth::Unknown => tally.unknown.push(unknown(tracker, &views, facts, now)),
    }
    tally
}

/// A rule with memory: whether it has become so since the last check.
async fn remembered(
    spec: &Spec,
    name: &str,
    trackers: Vec<Tracker>,
    facts: &Facts,
    started: Timestamp,
    run: &Run<'_>,
) -> Result<Tally, CliError> {
    if run.dry_run {
        let state = run.store.read(name).map_err(unwritten)?;
        let state = state.unwrap_or_else(|| State::new(name));
        let judged = judge(trackers, &state, facts, started, run);
        return Ok(rehearse(spec, judged, run).await);
    }
    let mut locked = lock(run.store, name, run.ctx).await?;
    let judged = judge(trackers, &locked, facts, started, run);
    let changed = !judged.changes.is_empty();
    locked.markets.extend(judged.changes);
    let outcomes = judged.outcomes.iter();
    let full = outcomes.filter_map(|o| run.deliverer.record(spec, o, &mut locked).err());
    let full: Vec<_> = full.collect();
    let claims = run.deliverer.claim(spec, &mut locked);
    if changed || !claims.is_empty() {
        locked.save().map_err(unwritten)?;
    }
    drop(locked);
    let told = run.deliverer.tell_claims(claims).await;
    let mut tally = run.deliverer.settle(spec, name, told, run.store).await;
    tally.unknown.extend(judged.unknown);
    tally.failed.extend(full);
    Ok(tally)
}

/// `--dry-run`: what would be told and done.
async fn rehearse(spec: &Spec, judged: Judged, run: &Run<'_>) -> Tally {
    let mut tally = Tally {
        unknown: judged.unknown,
        ..Tally::default()
    };
    for outcome in judged.outcomes.iter().filter(|o| o.verdict.is_fired()) {
        tally.fired += 1;
        let failed = run.deliverer.deliver(spec, &outcome.alert).await;
        tally.failed.extend(failed);
    }
    tally
}
