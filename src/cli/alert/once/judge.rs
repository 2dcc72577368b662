//! What a rule with memory has come to by the facts of one check. Changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::{Checked, Evidence, Mark, Outcome, Past, Since, Tracker, Views};
use crate::expression::Truth;
use crate::model::{Market, Timestamp};
use crate::store::{MarketState, State};

use super::super::super::Ctx;
use super::super::super::args::SinceLast;
use super::super::super::error::CliError;
use super::super::candles;
use super::super::fetch::{self, Facts, has_past};
use super::super::state::{MAX_AGE, recall, starts_anew, tell_of_future, watermarks_over};
use super::why::{no_history, uncovered, unfollowed, unknown};
use super::{Run, ticker};

/// What a rule has come to, before any of it is written down.
#[derive(Default)]
pub struct Judged {
    pub outcomes: Vec<Outcome>,
    pub changes: Vec<(String, MarketState)>,
    pub unknown: Vec<CliError>,
}

pub fn judge(
    trackers: Vec<Tracker>,
    state: &State,
    facts: &Facts,
    started: Timestamp,
    run: &Run<'_>,
) -> Judged {
    let mut judged = Judged::default();
    for mut tracker in trackers {
        let key = tracker.home().to_string();
        let hash = tracker.rule.hash(tracker.home());
        let known = state.markets.get(&key).filter(|known| known.hash == hash);
        if known.is_none() && state.markets.contains_key(&key) {
            starts_anew(tracker.rule.title(), &key, run.ctx);
        }
        // Another run has judged by newer answers; by ours the rule would go back in time. A moment that lies
        // in the future comes from a clock that was wrong.
        let asked_at = answered_at(&tracker, facts).unwrap_or(started);
        let newer =
            |known: &MarketState| known.checked_at > asked_at && known.checked_at <= fetch::now();
        if known.is_some_and(newer) {
            continue;
        }
        let marks = match known {
            Some(known) => {
                let (memory, marks) = recall(known, &tracker, moment(&tracker, facts, run.ctx));
                tell_of_future(known, &tracker, &marks, run.ctx);
                tracker.memory = memory;
                marks
            }
            None => HashMap::new(),
        };
        let (checked, unknown) = match decide(&mut tracker, marks, facts, run) {
            Ok(Some(decided)) => decided,
            // Another run was quicker.
            Ok(None) => continue,
            Err(error) => {
                judged.unknown.push(error);
                continue;
            }
        };
        judged.unknown.extend(unknown);
        judged.outcomes.extend(checked.outcomes);
        let mut marks = checked.marks;
        marks.retain(|market, _| has_past(run.ctx, *market));
        let watermarks = watermarks_over(known, &marks, &tracker);
        let same = |known: &MarketState| {
            known.memory.is_like(&tracker.memory) && known.watermarks == watermarks
        };
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

/// `None`: another run has judged the rule since this one has asked, by newer facts.
///
/// Errors: nothing can be said, and nothing has changed.
fn decide(
    tracker: &mut Tracker,
    marks: HashMap<Market, Mark>,
    facts: &Facts,
    run: &Run<'_>,
) -> Result<Option<(Checked, Option<CliError>)>, CliError> {
    let now = moment(tracker, facts, run.ctx);
    let mut evidence = evidence(tracker, facts, run);
    if run.since_last == SinceLast::On {
        evidence.since = match tracker.is_steady(&marks, &|m| ticker(facts, m), facts.asked_at) {
            Some((condition, rearm)) => Since::Steady(condition, rearm),
            None => match replayed(tracker, &marks, facts, run)? {
                Some(pasts) => Since::Replayed(pasts),
                None => return Ok(None),
            },
        };
    }
    let before = marks.clone();
    let checked = tracker.check(marks, &evidence, now);
    let unknown = match (&checked.truth, &evidence.since) {
        (Truth::Unknown, _) => Some(unknown(tracker, &checked.views, facts, now)),
        (_, Since::Replayed(pasts)) => uncovered(tracker, pasts, &before)
            .or_else(|| unfollowed(tracker, &evidence.bars, &before)),
        _ => None,
    };
    Ok(Some((checked, unknown)))
}

/// What was learnt of what this rule reads, but for the past.
pub fn evidence(tracker: &Tracker, facts: &Facts, run: &Run<'_>) -> Evidence {
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
        bars: candles::bars(tracker, &facts.candles),
        since: Since::Nothing,
        max_age: Some(run.ctx.max_age.unwrap_or(MAX_AGE)),
    }
}

/// The values of this moment.
pub fn current_views(tracker: &mut Tracker, facts: &Facts, run: &Run<'_>, now: Timestamp) -> Views {
    let mut views = Views::default();
    evidence(tracker, facts, run).show(tracker, &mut views, now);
    views
}

/// The moment of a check: now, or by the clock of a source that has its own.
pub fn moment(tracker: &Tracker, facts: &Facts, ctx: &Ctx) -> Timestamp {
    let provider = ctx.engine.provider(tracker.market.exchange().name());
    let own_clock = provider.is_ok_and(|provider| provider.traits().own_clock);
    let theirs = answered_at(tracker, facts).filter(|_| own_clock);
    theirs.unwrap_or_else(fetch::now)
}

/// When the newest of what a rule reads came.
fn answered_at(tracker: &Tracker, facts: &Facts) -> Option<Timestamp> {
    let tickers = tracker
        .slots()
        .filter_map(|slot| ticker(facts, slot.market));
    tickers.map(|ticker| ticker.received_at).max()
}

/// What was replayed of the markets whose price the rule reads; `None` where that was not asked for, because
/// there was no mark when it was looked for.
fn replayed(
    tracker: &Tracker,
    marks: &HashMap<Market, Mark>,
    facts: &Facts,
    run: &Run<'_>,
) -> Result<Option<HashMap<Market, Arc<Past>>>, CliError> {
    let mut pasts = HashMap::new();
    for market in tracker.priced_markets() {
        if !marks.contains_key(&market) || !has_past(run.ctx, market) {
            continue;
        }
        match facts.replays.get(&market) {
            Some(Ok(past)) => drop(pasts.insert(market, past.clone())),
            Some(Err(error)) => return Err(no_history(tracker, market, error)),
            None => return Ok(None),
        }
    }
    Ok(Some(pasts))
}
