//! `tickwire test`: runs the engine on a provider and grades the feed.

mod cost;
mod output;
mod questions;
mod run;
mod settings;
mod trials;

use std::sync::Arc;

use crate::feed::{Provider, ProviderError};
use crate::grade::{Report, judge};
use crate::model::{Exchange, Instrument};

use super::Ctx;
use super::args::TestArgs;
use super::error::{CliError, OFFLINE_HINT, clipped};
use super::exit::Exit;
use super::monitor::announce;
use super::monitor::resolve::{Found, resolve};
use super::output as stdout;
use super::signals::Signals;
use output::Outcome;
use run::{Run, Stop};
use settings::Settings;

/// Runs the command.
pub async fn run(args: TestArgs, ctx: Ctx) -> Result<Exit, CliError> {
    let settings = Settings::resolve(&args, &ctx)?;
    if settings.explain {
        stdout::print(&output::rules(settings.format))?;
        return Ok(Exit::Done);
    }
    let mut signals = Signals::new()?;
    let report = tokio::select! {
        report = measure(&settings, &ctx) => report,
        exit = signals.next() => return Ok(exit),
    };
    signals.exit_on_next();
    let goodbye = ctx.engine.clone();
    let goodbye = tokio::spawn(async move { goodbye.shutdown().await });
    let (instruments, report) = report?;
    let outcome = Outcome {
        instruments: &instruments,
        report: &report,
        settings: &settings,
        color: ctx.color,
    };
    stdout::print_and_wait(outcome.render()).await?;
    let _ = goodbye.await;
    Ok(if report.grade() <= settings.min_grade {
        Exit::Done
    } else {
        Exit::No
    })
}

/// Errors: what cannot be known, since the exchange is not to be reached, or a wrong request.
async fn measure(
    settings: &Settings,
    ctx: &Ctx,
) -> Result<(Vec<Arc<Instrument>>, Report), CliError> {
    let Found {
        instruments,
        unlisted,
        ..
    } = resolve(&settings.symbols, ctx.started, settings.timeout, ctx).await?;
    let errors = unlisted.into_iter().map(|list| list.error).collect();
    if let Some(error) = ctx.notices.all_but_last(errors) {
        return Err(error);
    }
    let provider = one_provider(&instruments, ctx)?;
    announce(&instruments, ctx)?;
    let progress = output::progress(ctx, settings);
    let run = Run::begin(&provider, &instruments, settings, ctx, &progress).await;
    let found = match run {
        Ok(run) => run.finish().await,
        Err(stop) => Err(stop),
    };
    progress.finish_and_clear();
    match found {
        Ok(found) => Ok((instruments, judge(&found))),
        Err(Stop::Unreachable(exchange, error)) => Err(unreachable(exchange, &error)),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// What the engine counts it counts for all providers together.
fn one_provider(instruments: &[Arc<Instrument>], ctx: &Ctx) -> Result<Arc<dyn Provider>, CliError> {
    let exchange = |instrument: &Arc<Instrument>| instrument.market.exchange();
    let Some(first) = instruments.first().map(exchange) else {
        return Err(CliError::failed("internal", "no symbol is left"));
    };
    if let Some(other) = instruments.iter().map(exchange).find(|e| *e != first) {
        let message =
            format!("symbols of {first} and of {other}: one provider is graded at a time");
        return Err(CliError::usage("usage", message).hint("run it once for each"));
    }
    Ok(ctx.engine.provider(first.name())?)
}

fn unreachable(exchange: Exchange, error: &ProviderError) -> CliError {
    let why = clipped(&error.to_string());
    let message = format!("{exchange} cannot be graded: {why}");
    let cli = CliError {
        retryable: error.is_retryable(),
        ..CliError::unknown(error.code(), message)
    };
    match error {
        ProviderError::Unreachable(_) => cli.hint(OFFLINE_HINT),
        ProviderError::Blocked(_) => {
            cli.hint("the exchange does not serve this place: try another provider, or --proxy")
        }
        ProviderError::Setup(_) => cli.hint(
            "see --proxy, HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and the addresses of the configuration",
        ),
        _ => cli,
    }
}
