//! What a rule with memory has come to by the facts of one check. Changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::{Checked, Evidence, Mark, Outcome, Past, Tracker, Views};
use crate::expression::Truth;
use crate::model::{Market, Timestamp};
use crate::store::{MarketState, State};

use super::super::super::args::SinceLast;
use super::super::super::error::CliError;
use super::super::fetch::{self, Facts};
use super::why::{no_history, uncovered, unknown};
use super::{MAX_AGE, Run, marks, ticker, watermarks};

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

/// When the newest of what a rule reads came.
fn answered_at(tracker: &Tracker, facts: &Facts) -> Option<Timestamp> {
    let tickers = tracker
        .slots()
        .filter_map(|slot| ticker(facts, slot.market));
    tickers.map(|ticker| ticker.received_at).max()
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
