//! The facts of a check, where `--fallback` names who stands in for an exchange that does not answer.

use std::collections::HashMap;

use tokio::time::Instant;

use crate::alert::Tracker;
use crate::model::Market;

use super::super::super::error::{CliError, clipped};
use super::super::super::stand_ins::StandIns;
use super::super::fetch::{self, Facts};
use super::super::markets::{Markets, Ready};
use super::super::settings::Spec;
use super::Run;

/// Asks for everything that the rules need; what is not answered is asked of the next who stands in, for
/// whom the rules speak then. Each has its part of the time.
pub async fn fetch(
    specs: &[Spec],
    ready: &mut [Ready],
    markets: &mut Markets,
    run: &Run<'_>,
) -> Result<Facts, CliError> {
    let rounds = run.ctx.fallback.len() as u32 + 1;
    let begun = Instant::now();
    let whole = run.deadline.saturating_duration_since(begun);
    let needs = fetch::needs(ready.iter().flat_map(|rule| &rule.trackers), run.ctx)?;
    let mut facts = fetch::fetch(&needs, markets, run.ctx, begun + whole / rounds).await;
    // Who is stood in for, by whom now.
    let mut speakers: HashMap<Market, Market> = HashMap::new();
    for round in 1..rounds {
        let handed = hand_over(specs, ready, &facts, markets, &mut speakers, round, run).await;
        if handed.is_empty() {
            break;
        }
        let reads = |tracker: &&Tracker| tracker.slots().any(|s| handed.contains(&s.market));
        let trackers = ready.iter().flat_map(|rule| &rule.trackers).filter(reads);
        let mut needs = fetch::needs(trackers, run.ctx)?;
        needs.retain(|market, _| handed.contains(market));
        let deadline = begun + whole * (round + 1) / rounds;
        let more = fetch::fetch(&needs, markets, run.ctx, deadline).await;
        facts.asked_at = more.asked_at;
        facts.tickers.extend(more.tickers);
        facts.trades.extend(more.trades);
    }
    Ok(facts)
}

/// Hands the rules over to those who stand in for markets without an answer; returns these.
async fn hand_over(
    specs: &[Spec],
    ready: &mut [Ready],
    facts: &Facts,
    markets: &mut Markets,
    speakers: &mut HashMap<Market, Market>,
    round: u32,
    run: &Run<'_>,
) -> Vec<Market> {
    let finder = StandIns::new(run.ctx);
    let mut handed = Vec::new();
    for (home, text) in markets.written(specs) {
        let speaker = *speakers.get(&home).unwrap_or(&home);
        let Some(why) = missing(facts, speaker) else {
            continue;
        };
        let others = finder.of(&text, Some(home)).await;
        let Some(other) = others.get(round as usize - 1) else {
            continue;
        };
        let message = format!("{speaker}: {why}; {} instead", other.market);
        run.ctx.notices.warn("fallback", &message);
        finder.announce([other]);
        markets.add(other.clone());
        speakers.insert(home, other.market);
        handed.push(other.market);
        for tracker in ready.iter_mut().flat_map(|rule| &mut rule.trackers) {
            tracker.hand_over(speaker, other.market);
        }
    }
    handed
}

/// Why there is no answer about a market.
fn missing(facts: &Facts, market: Market) -> Option<String> {
    let ticker = facts
        .tickers
        .get(&market)
        .and_then(|answer| answer.as_ref().err());
    let trade = facts
        .trades
        .get(&market)
        .and_then(|answer| answer.as_ref().err());
    ticker.or(trade).map(|error| clipped(&error.to_string()))
}
