//! Why a rule has no answer.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::{Bars, Mark, Past, Tracker, Views};
use crate::feed::ProviderError;
use crate::model::{Market, Stream, Timestamp, Value};

use super::super::super::error::{CliError, clipped};
use super::super::fetch::Facts;

pub fn no_history(tracker: &Tracker, market: Market, error: &ProviderError) -> CliError {
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

/// The part of the past of which nothing is known, after what the rule has seen before.
pub fn uncovered(
    tracker: &Tracker,
    pasts: &HashMap<Market, Arc<Past>>,
    marks: &HashMap<Market, Mark>,
) -> Option<CliError> {
    let holes = pasts.iter().map(|(market, past)| {
        let parts = tracker.uncovered(*market, past, marks.get(market));
        (market, parts)
    });
    let (market, parts) = holes.into_iter().find(|(_, parts)| !parts.is_empty())?;
    let parts: Vec<_> = parts
        .into_iter()
        .map(|(from, to)| minutes(from, to))
        .collect();
    let message = format!(
        "{}: {market}: the trades from {} are not to be had, so what happened then is not known",
        tracker.rule.title(),
        parts.join(", ")
    );
    Some(CliError::unknown("uncovered", message).hint("--since-last off looks only at this moment"))
}

/// The same of candles: those since the last check that have too few before them.
pub fn unfollowed(
    tracker: &Tracker,
    bars: &[Arc<Bars>],
    marks: &HashMap<Market, Mark>,
) -> Option<CliError> {
    let bars: Vec<&Bars> = bars.iter().map(|bars| &**bars).collect();
    let (market, from, until) = tracker.unfollowed(&bars, marks).into_iter().next()?;
    let message = format!(
        "{}: {market}: the candles before those from {} are not to be had, so what happened then is not known",
        tracker.rule.title(),
        minutes(from, until)
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
pub fn unknown(tracker: &Tracker, views: &Views, facts: &Facts, now: Timestamp) -> CliError {
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
    let candles = slot
        .stream
        .and_then(|stream| stream.interval())
        .and_then(|interval| {
            let answer = facts.candles.get(&(slot.market, interval))?;
            answer.as_ref().err()
        });
    let what = format!("{title}: {}: `{}` is not known", slot.market, operand.text);
    let is_computed = slot
        .stream
        .is_some_and(|stream| stream.interval().is_some());
    match candles.or(errors.into_iter().flatten().next()) {
        Some(error) => CliError {
            retryable: error.is_retryable(),
            ..CliError::unknown(
                error.code(),
                format!("{what}: {}", clipped(&error.to_string())),
            )
        },
        None if is_computed => {
            CliError::unknown("no_data", format!("{what}: there are not enough candles"))
        }
        None if views
            .confirmed(slot.market, slot.stream.unwrap_or(Stream::Ticker))
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
