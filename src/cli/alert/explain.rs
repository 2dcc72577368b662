//! `alert --explain`: the condition as it was understood, what it fetches, and the values now.

use std::fmt::Write;

use crate::alert::Tracker;
use crate::expression::Truth;
use crate::model::{Market, Stream};

use super::super::Ctx;
use super::super::error::{CliError, clipped};
use super::super::exit::Exit;
use super::super::output;
use super::candles;
use super::fetch::{self, Facts, Need, has_past};
use super::markets::{Markets, Ready};
use super::once::{Run, current_views, moment};
use super::settings::Spec;

/// Prints it all. What is not known now is told and makes the exit code 3.
pub async fn run(
    specs: &[Spec],
    ready: Vec<Ready>,
    markets: &Markets,
    run: Run<'_>,
) -> Result<Exit, CliError> {
    let needs = fetch::needs(ready.iter().flat_map(|rule| &rule.trackers), run.ctx)?;
    let mut facts = fetch::fetch(&needs, markets, run.ctx, run.deadline).await;
    let wanted = candles::wanted(ready.iter().flat_map(|rule| &rule.trackers));
    facts.candles = candles::fetch(wanted, markets, run.ctx, run.deadline).await;
    let (mut text, mut errors) = (String::new(), Vec::new());
    for mut rule in ready {
        let spec = &specs[rule.spec];
        for tracker in &mut rule.trackers {
            if !text.is_empty() {
                text.push('\n');
            }
            one(spec, tracker, &facts, &run, &mut text);
        }
        errors.extend(rule.unknown);
    }
    errors.extend(missing(&facts));
    output::print_and_wait(text.into_bytes()).await?;
    match run.ctx.notices.all_but_last(errors) {
        Some(last) => Err(last),
        None => Ok(Exit::Done),
    }
}

fn one(spec: &Spec, tracker: &mut Tracker, facts: &Facts, run: &Run<'_>, out: &mut String) {
    let now = moment(tracker, facts, run.ctx);
    let views = current_views(tracker, facts, run, now);
    let rule = &tracker.rule;
    let name = rule
        .name
        .as_ref()
        .map(|name| format!("{name}: "))
        .unwrap_or_default();
    let _ = writeln!(out, "{name}{}: {}", tracker.market, rule.condition.text());
    let tree = tracker.explain(&views, now);
    out.push_str(&indented(&tree));
    let truth = match tracker.holds(&views, now) {
        Truth::True => "true",
        Truth::False => "false",
        Truth::Unknown => "not known",
    };
    let _ = writeln!(out, "now: {truth}");
    out.push_str("fetches:\n");
    for line in plan(tracker, run.ctx) {
        let _ = writeln!(out, "  {line}");
    }
    for line in memory(spec, tracker, run.ctx) {
        let _ = writeln!(out, "{line}");
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn plan(tracker: &Tracker, ctx: &Ctx) -> Vec<String> {
    let mut lines = Vec::new();
    for (market, interval, n) in tracker.candles() {
        let plural = if *n == 1 { "" } else { "s" };
        lines.push(format!(
            "to compute: {n} closed candle{plural} of {interval} of {market}, and the forming one"
        ));
    }
    let needs = fetch::needs([tracker], ctx).unwrap_or_default();
    let mut needs: Vec<(Market, Need)> = needs.into_iter().collect();
    needs.sort_by_key(|(market, _)| market.index());
    for (market, need) in needs {
        if need.live {
            lines.push(format!(
                "--once: the live ticker of {market} (REST does not give every field)"
            ));
        } else if need.ticker {
            lines.push(format!("--once: the ticker of {market}, one REST request"));
        }
        if need.trade {
            lines.push(format!(
                "--once: the last trade of {market}, one REST request"
            ));
        }
    }
    for (market, stream) in fetch::topics(tracker) {
        let what = match stream {
            Stream::Ticker => "tickers".to_string(),
            Stream::Trades => "every trade".to_string(),
            Stream::Candles(interval) => format!("candles of {interval}"),
        };
        lines.push(format!("watching: {what} of {market}"));
    }
    lines
}

/// What counts of the time between two checks.
fn memory(spec: &Spec, tracker: &Tracker, ctx: &Ctx) -> Vec<String> {
    if spec.rule.name.is_none() {
        return vec!["memory: none, for want of a name: --once tells whether it is so now".into()];
    }
    let mut lines = vec!["memory: fires when it becomes true".to_owned()];
    let mut priced = tracker.priced_markets();
    priced.retain(|market| has_past(ctx, *market));
    if !priced.is_empty() {
        let markets: Vec<_> = priced.iter().map(Market::to_string).collect();
        lines.push(format!(
            "between two checks: the trades of {} are replayed",
            markets.join(", ")
        ));
    }
    if tracker.reads_more_than_prices() {
        let operands = tracker
            .rule
            .condition
            .operands()
            .iter()
            .zip(tracker.condition_slots());
        let names: Vec<_> = operands
            .filter(|(_, slot)| !slot.is(crate::model::Field::Price) && slot.stream.is_some())
            .filter(|(operand, _)| operand.field().is_some())
            .map(|(operand, _)| operand.text.clone())
            .collect();
        if !names.is_empty() {
            lines.push(format!(
                "judged at the moment of a check only: {}",
                names.join(", ")
            ));
        }
    }
    lines
}

fn missing(facts: &Facts) -> Vec<CliError> {
    let tickers = facts
        .tickers
        .iter()
        .filter_map(|(market, answer)| Some((market, answer.as_ref().err()?)));
    let trades = facts
        .trades
        .iter()
        .filter_map(|(market, answer)| Some((market, answer.as_ref().err()?)));
    let candles = facts.candles.iter();
    let candles =
        candles.filter_map(|((market, _), answer)| Some((market, answer.as_ref().err()?)));
    let error = |(market, error): (&Market, &crate::feed::ProviderError)| CliError {
        retryable: error.is_retryable(),
        ..CliError::unknown(
            error.code(),
            format!("{market}: {}", clipped(&error.to_string())),
        )
    };
    tickers.chain(trades).chain(candles).map(error).collect()
}
