//! `monitor --portfolio -1`: one valuation, from whichever answers first, REST or socket.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::feed::ProviderError;
use crate::model::{Clock, Market, SystemClock};
use crate::portfolio::{Unpriced, Valuation, Valued};
use crate::sink::table::HoldingsTable;

use super::super::super::Ctx;
use super::super::super::error::{CliError, clipped};
use super::super::super::exit::Exit;
use super::super::super::holdings::Holdings;
use super::super::super::output;
use super::super::super::signals::Signals;
use super::super::settings::Shape;
use super::super::{engine_stopped, tell};
use super::Wanted;
use super::lines::Lines;

/// Prices of a day ago are waited for so long once every price is there.
const GRACE: Duration = Duration::from_secs(2);
/// Saying goodbye to the exchange must not make a quick answer slow.
const GOODBYE: Duration = Duration::from_millis(250);

pub async fn run(
    wanted: &Wanted,
    holdings: &mut Holdings,
    ctx: &Ctx,
    mut signals: Signals,
) -> Result<Exit, CliError> {
    let refusals = tokio::select! {
        collected = collect(wanted, holdings, ctx) => collected?,
        exit = signals.next() => return Ok(exit),
    };
    signals.exit_on_next();
    let valuation = holdings.value();
    let missing = valuation.holdings.iter().filter_map(|held| {
        let why = held.unpriced?;
        Some(unpriced(held, why, &valuation, &refusals, wanted))
    });
    let missing = missing.collect();
    output::print_and_wait(printed(wanted, &valuation, ctx)).await?;
    let _ = tokio::time::timeout(GOODBYE, ctx.engine.shutdown()).await;
    match ctx.notices.all_but_last(missing) {
        Some(last) => Err(last),
        None => Ok(Exit::Done),
    }
}

/// Waits until everything is priced, nothing more can come, or time is up. Returns why REST did not answer.
async fn collect(
    wanted: &Wanted,
    holdings: &mut Holdings,
    ctx: &Ctx,
) -> Result<HashMap<Market, ProviderError>, CliError> {
    let provider = ctx.engine.provider(&ctx.provider)?;
    let instruments = holdings.instruments();
    // A source that can wait is never slow, and has nothing to ask.
    let mut rest = match provider.traits().can_wait || instruments.is_empty() {
        true => stream::empty().boxed(),
        false => provider.tickers(instruments),
    }
    .fuse();
    let mut refusals = HashMap::new();
    let mut until: Instant = (ctx.started + wanted.answer_timeout).into();
    while !holdings.is_settled(true) {
        tokio::select! {
            told = holdings.next() => {
                told.map_err(|_| engine_stopped())?;
                holdings.events().iter().for_each(|event| tell(event, ctx.notices));
            }
            Some((instrument, answer)) = rest.next() => match answer {
                Ok(ticker) => holdings.offer(ticker),
                Err(error) => drop(refusals.insert(instrument.market, error)),
            },
            () = tokio::time::sleep_until(until) => break,
        }
        if holdings.is_settled(false) {
            until = until.min(Instant::now() + GRACE);
        }
    }
    Ok(refusals)
}

fn printed(wanted: &Wanted, valuation: &Valuation, ctx: &Ctx) -> Vec<u8> {
    match wanted.shape {
        Shape::Table => {
            let table = HoldingsTable::new(ctx.provider.as_str(), valuation.clone());
            table.to_text(0).into_bytes()
        }
        Shape::Lines(format) => {
            let mut lines = Lines::new(format, wanted.fields.clone());
            let mut out = Vec::new();
            lines.begin(&mut out);
            lines.write(valuation, SystemClock.now(), &mut out);
            out
        }
    }
}

/// Why a holding has no value.
fn unpriced(
    held: &Valued,
    why: Unpriced,
    valuation: &Valuation,
    refusals: &HashMap<Market, ProviderError>,
    wanted: &Wanted,
) -> CliError {
    let refusal = held.pair.and_then(|pair| refusals.get(&pair));
    let within = crate::duration::format(wanted.answer_timeout);
    let reason = match (why, refusal) {
        (Unpriced::NoPair, _) => "no market, and no two, lead there".to_owned(),
        (Unpriced::NoPrice, Some(refusal)) => clipped(&refusal.to_string()),
        (Unpriced::NoPrice, None) => format!("no price within {within}"),
        (Unpriced::Stale, _) => "the newest price is not that of now".to_owned(),
        (Unpriced::Overflow, _) => "the value cannot be held".to_owned(),
    };
    let message = format!("{} in {}: {reason}", held.symbol, valuation.quote);
    CliError {
        retryable: matches!(why, Unpriced::NoPrice | Unpriced::Stale),
        ..CliError::unknown(why.name(), message)
    }
}
