//! `alert --once`: is it so, yes or no, or can it not be known.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::alert::{Checked, Evidence, Mark, Outcome, Past, Tracker, Views};
use crate::expression::Truth;
use crate::feed::{ProviderError, TradeMark};
use crate::model::{Market, Ticker, Timestamp, Value};
use crate::store::{AlertStore, Locked, MarketState, State, StoreError, Watermark};

use super::super::Ctx;
use super::super::args::SinceLast;
use super::super::error::{CliError, clipped};
use super::super::exit::Exit;
use super::deliver::Deliverer;
use super::fetch::{self, Facts};
use super::markets::{Markets, Ready};
use super::settings::Spec;

/// How long another run is waited for that has the same rule in hand.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Older values are no answer, unless `--max-age` says otherwise.
pub const MAX_AGE: Duration = Duration::from_secs(60);

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
    ready: Vec<Ready>,
    markets: &Markets,
    run: Run<'_>,
) -> Result<Tally, CliError> {
    let trackers = || ready.iter().flat_map(|rule| &rule.trackers);
    let needs = fetch::needs(trackers(), run.ctx)?;
    let started = fetch::now();
    let mut facts = fetch::fetch(&needs, markets, run.ctx, run.deadline).await;
    let snapshots: Vec<Snapshot> = ready
        .iter()
        .map(|rule| snapshot(&specs[rule.spec], &rule.trackers, run.store))
        .collect();
    let marks = marks_to_replay(&ready, &snapshots, &facts, &run, fetch::now());
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
    let Some(name) = &spec.rule.name else {
        return Snapshot::new();
    };
    let Ok(Some(mut state)) = store.read(name) else {
        return Snapshot::new();
    };
    let known = trackers.iter().filter_map(|tracker| {
        let known = state.markets.remove(&tracker.market.to_string())?;
        (known.hash == tracker.rule.hash(tracker.market)).then_some((tracker.market, known))
    });
    known.collect()
}

/// For each market the oldest mark of a rule that has to know what happened since.
fn marks_to_replay(
    ready: &[Ready],
    snapshots: &[Snapshot],
    facts: &Facts,
    run: &Run<'_>,
    now: Timestamp,
) -> HashMap<Market, TradeMark> {
    let mut oldest = HashMap::<Market, TradeMark>::new();
    if run.since_last == SinceLast::Off {
        return oldest;
    }
    for (rule, snapshot) in ready.iter().zip(snapshots) {
        for tracker in &rule.trackers {
            let Some(known) = snapshot.get(&tracker.market) else {
                continue;
            };
            let marks = marks(known, tracker);
            let mut tracker = tracker.clone();
            tracker.memory = known.memory.clone();
            if tracker
                .is_steady(&marks, &|market| ticker(facts, market), now)
                .is_some()
            {
                continue;
            }
            for (market, mark) in marks {
                let mark = TradeMark {
                    id: mark.id,
                    time: mark.time,
                };
                let kept = oldest.entry(market).or_insert(mark);
                if mark.time < kept.time {
                    *kept = mark;
                }
            }
        }
    }
    oldest
}

fn ticker(facts: &Facts, market: Market) -> Option<Arc<Ticker>> {
    facts.tickers.get(&market)?.as_ref().ok().cloned()
}

/// The marks of what this rule reads.
pub fn marks(known: &MarketState, tracker: &Tracker) -> HashMap<Market, Mark> {
    let priced = tracker.priced_markets().into_iter();
    priced
        .filter_map(|market| {
            let mark = known.watermarks.get(&market.to_string())?;
            let mark = Mark {
                id: mark.id,
                time: mark.time,
                price: mark.price.as_deref().and_then(|digits| digits.parse().ok()),
            };
            Some((market, mark))
        })
        .collect()
}

/// Marks as they are kept.
pub fn watermarks(marks: &HashMap<Market, Mark>) -> std::collections::BTreeMap<String, Watermark> {
    let kept = marks.iter().map(|(market, mark)| {
        let mark = Watermark {
            id: mark.id,
            time: mark.time,
            price: mark.price.map(|price| price.to_string()),
        };
        (market.to_string(), mark)
    });
    kept.collect()
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
    match &spec.rule.name {
        None => {
            for tracker in rule.trackers {
                tally.add(truth(spec, &tracker, facts, run).await);
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
    let now = fetch::now();
    let evidence = evidence(tracker, facts, run);
    let mut views = Views::default();
    evidence.put_into(&mut views, now);
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
    for outcome in &judged.outcomes {
        run.deliverer.record(spec, outcome, &mut locked);
    }
    let claims = run.deliverer.claim(spec, &mut locked);
    if changed || !claims.is_empty() {
        locked.save().map_err(unwritten)?;
    }
    drop(locked);
    let mut tally = run.deliverer.settle(spec, name, claims, run.store).await;
    tally.unknown.extend(judged.unknown);
    Ok(tally)
}

/// What a rule has come to, before any of it is written down.
#[derive(Default)]
struct Judged {
    outcomes: Vec<Outcome>,
    changes: Vec<(String, MarketState)>,
    unknown: Vec<CliError>,
}

fn judge(
    trackers: Vec<Tracker>,
    state: &State,
    facts: &Facts,
    started: Timestamp,
    run: &Run<'_>,
) -> Judged {
    let mut judged = Judged::default();
    for mut tracker in trackers {
        let key = tracker.market.to_string();
        let hash = tracker.rule.hash(tracker.market);
        let known = state.markets.get(&key).filter(|known| known.hash == hash);
        if known.is_none() && state.markets.contains_key(&key) {
            let title = tracker.rule.title();
            let message = format!(
                "tickwire: alert `{title}`: its condition has changed: its memory of {key} starts anew"
            );
            run.ctx.notices.say("alert", &message);
        }
        // Another run has judged by newer answers; by ours the rule would go back in time. A moment that lies
        // in the future comes from a clock that was wrong.
        let asked_at = answered_at(&tracker, facts).unwrap_or(started);
        let newer =
            |known: &MarketState| known.checked_at > asked_at && known.checked_at <= fetch::now();
        if known.is_some_and(newer) {
            continue;
        }
        tracker.memory = known.map(|known| known.memory.clone()).unwrap_or_default();
        let (checked, unknown) = match decide(&mut tracker, known, facts, run) {
            Ok(decided) => decided,
            Err(error) => {
                judged.unknown.push(error);
                continue;
            }
        };
        judged.unknown.extend(unknown);
        judged.outcomes.extend(checked.outcomes);
        let watermarks = watermarks(&checked.marks);
        let same =
            |known: &MarketState| known.memory == tracker.memory && known.watermarks == watermarks;
        if !known.is_some_and(same) {
            let state = MarketState {
                hash,
                memory: tracker.memory.clone(),
                watermarks,
                generation: known.map_or(0, |known| known.generation) + 1,
                checked_at: asked_at,
            };
            judged.changes.push((key, state));
        }
    }
    judged
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

/// Takes a rule's lock and tells if its memory was lost.
pub async fn lock(store: &AlertStore, name: &str, ctx: &Ctx) -> Result<Locked, CliError> {
    let locked = store.lock(name, PATIENCE).await.map_err(unwritten)?;
    if let Some(path) = locked.set_aside() {
        let message = format!(
            "alert `{name}`: its memory could not be read and was put aside as {}; it starts anew",
            path.display()
        );
        ctx.notices.warn("alert_memory", &message);
    }
    Ok(locked)
}

/// An error of the store: busy is "not known", the rest could not be done.
pub fn unwritten(error: StoreError) -> CliError {
    match &error {
        StoreError::Busy { .. } => CliError::unknown("busy", error.to_string()),
        _ => CliError::failed("state", error.to_string()).hint(error.hint()),
    }
}

/// Errors: nothing can be said, and nothing has changed.
fn decide(
    tracker: &mut Tracker,
    known: Option<&MarketState>,
    facts: &Facts,
    run: &Run<'_>,
) -> Result<(Checked, Option<CliError>), CliError> {
    let now = fetch::now();
    let marks = known.map(|known| marks(known, tracker)).unwrap_or_default();
    let mut evidence = evidence(tracker, facts, run);
    let ticker = |market| evidence.tickers.get(&market).cloned();
    let is_steady = tracker.is_steady(&marks, &ticker, now).is_some();
    if run.since_last == SinceLast::On && !is_steady {
        evidence.pasts = replayed(tracker, &marks, facts, run)?;
    }
    let checked = tracker.check(marks, &evidence, now);
    let unknown = match checked.truth {
        Truth::Unknown => Some(unknown(tracker, &checked.views, facts, now)),
        _ => uncovered(tracker, &evidence.pasts),
    };
    Ok((checked, unknown))
}

/// What was learnt of what this rule reads, but for the past.
fn evidence(tracker: &Tracker, facts: &Facts, run: &Run<'_>) -> Evidence {
    let read = |market: &Market| tracker.slots().any(|slot| slot.market == *market);
    let tickers = facts.tickers.iter().filter(|(market, _)| read(market));
    let trades = facts.trades.iter().filter(|(market, _)| read(market));
    Evidence {
        tickers: tickers
            .filter_map(|(market, answer)| Some((*market, answer.as_ref().ok()?.clone())))
            .collect(),
        trades: trades
            .filter_map(|(market, answer)| Some((*market, *answer.as_ref().ok()?)))
            .collect(),
        pasts: HashMap::new(),
        max_age: Some(run.ctx.max_age.unwrap_or(MAX_AGE)),
    }
}

/// The values of this moment.
pub fn current_views(tracker: &Tracker, facts: &Facts, run: &Run<'_>, now: Timestamp) -> Views {
    let mut views = Views::default();
    evidence(tracker, facts, run).put_into(&mut views, now);
    views
}

/// When the newest of what a rule reads came.
fn answered_at(tracker: &Tracker, facts: &Facts) -> Option<Timestamp> {
    let tickers = tracker
        .slots()
        .filter_map(|slot| ticker(facts, slot.market));
    tickers.map(|ticker| ticker.received_at).max()
}

/// What was replayed of the markets whose price the rule reads.
fn replayed(
    tracker: &Tracker,
    marks: &HashMap<Market, Mark>,
    facts: &Facts,
    run: &Run<'_>,
) -> Result<HashMap<Market, Arc<Past>>, CliError> {
    let mut pasts = HashMap::new();
    for market in tracker.priced_markets() {
        let provider = run.ctx.engine.provider(market.exchange().name())?;
        if !marks.contains_key(&market) || provider.traits().invented {
            // What is made up begins anew with each run: there is nothing in between.
            continue;
        }
        match facts.replays.get(&market) {
            Some(Ok(past)) => {
                pasts.insert(market, past.clone());
            }
            Some(Err(error)) => return Err(no_history(tracker, market, error)),
            None => {
                let busy = format!("{}: another run has just begun it", tracker.rule.title());
                return Err(CliError::unknown("busy", busy));
            }
        }
    }
    Ok(pasts)
}

fn no_history(tracker: &Tracker, market: Market, error: &ProviderError) -> CliError {
    let (title, why) = (tracker.rule.title(), clipped(&error.to_string()));
    CliError {
        retryable: error.is_retryable(),
        ..CliError::unknown(
            error.code(),
            format!("{title}: {market}: the trades since the last check are not to be had: {why}"),
        )
    }
    .hint("--since-last off looks only at this moment")
}

/// The part of the past of which nothing is known.
fn uncovered(tracker: &Tracker, pasts: &HashMap<Market, Arc<Past>>) -> Option<CliError> {
    let (market, past) = pasts.iter().find(|(_, past)| !past.uncovered.is_empty())?;
    let parts: Vec<_> = past
        .uncovered
        .iter()
        .map(|(from, to)| minutes(*from, *to))
        .collect();
    let message = format!(
        "{}: {market}: the trades from {} are not to be had, so what happened then is not known",
        tracker.rule.title(),
        parts.join(", ")
    );
    Some(CliError::unknown("uncovered", message).hint("--since-last off looks only at this moment"))
}

fn minutes(from: Timestamp, to: Timestamp) -> String {
    let minutes = (to.nanos().saturating_sub(from.nanos()) as f64 / 60e9)
        .ceil()
        .max(1.0);
    let text = |at: Timestamp| at.to_string()[..16].replace('T', " ");
    format!("{} to {} UTC ({minutes} min)", text(from), text(to))
}

/// Why a rule has no answer: the first of its values that is missing, and what the exchange said.
fn unknown(tracker: &Tracker, views: &Views, facts: &Facts, now: Timestamp) -> CliError {
    let missing = tracker
        .rule
        .condition
        .operands()
        .iter()
        .zip(tracker.condition_slots())
        .find(|(_, slot)| views.value(slot, now) == Value::Null);
    let title = tracker.rule.title();
    let Some((operand, slot)) = missing else {
        return CliError::unknown(
            "no_data",
            format!("{title}: {}: not to be computed", tracker.market),
        );
    };
    let errors = [
        facts
            .tickers
            .get(&slot.market)
            .and_then(|answer| answer.as_ref().err()),
        facts
            .trades
            .get(&slot.market)
            .and_then(|answer| answer.as_ref().err()),
    ];
    let what = format!("{title}: {}: `{}` is not known", slot.market, operand.text);
    match errors.into_iter().flatten().next() {
        Some(error) => CliError {
            retryable: error.is_retryable(),
            ..CliError::unknown(
                error.code(),
                format!("{what}: {}", clipped(&error.to_string())),
            )
        },
        None if views
            .confirmed(
                slot.market,
                slot.stream.unwrap_or(crate::model::Stream::Ticker),
            )
            .is_some() =>
        {
            CliError::unknown(
                "no_data",
                format!("{what}: the exchange does not say, or it is older than --max-age"),
            )
        }
        None => CliError::unknown("no_data", what),
    }
}
