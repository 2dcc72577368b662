//! `tickwire monitor`: streams events, or answers once.

mod once;
mod progress;
mod screen;
mod settings;
mod stream;

use std::io::{BufRead, IsTerminal};
use std::sync::Arc;

use crate::engine::EngineError;
use crate::exchange::mock;
use crate::model::{Event, Instrument, Market, Status, Stream, TradingStatus};
use crate::symbols::{ListError, ResolveError};

use super::Ctx;
use super::args::MonitorArgs;
use super::error::{CliError, OFFLINE_HINT};
use super::exit::Exit;
use super::notices::Notices;
use super::signals::Signals;
use settings::{Settings, Shape};

/// Runs the command.
pub async fn run(args: MonitorArgs, ctx: Ctx) -> Result<Exit, CliError> {
    let symbols = symbols(&args)?;
    let settings = Settings::resolve(&args, &ctx, std::io::stdout().is_terminal())?;
    let mut signals = Signals::new()?;
    let instruments = tokio::select! {
        instruments = resolve(&symbols, &ctx) => instruments?,
        exit = signals.next() => return Ok(settings.exit_on(exit)),
        () = tokio::time::sleep_until((ctx.started + settings.answer_timeout).into()) => {
            return Err(CliError::unknown("timeout", "no list of symbols in time").hint(OFFLINE_HINT));
        }
    };
    announce(&instruments, ctx.notices);
    match settings.shape {
        _ if settings.once => once::run(&settings, &instruments, &ctx, signals).await,
        Shape::Table => screen::run(&settings, &instruments, ctx, signals).await,
        Shape::Lines(format) => stream::run(&settings, format, &instruments, ctx, signals).await,
    }
}

/// Positional ones, then `-s`; `-` stands for what stdin has, one per line.
fn symbols(args: &MonitorArgs) -> Result<Vec<String>, CliError> {
    let mut symbols = Vec::new();
    for symbol in args.symbols.iter().chain(&args.list) {
        if symbol != "-" {
            symbols.push(symbol.trim().to_string());
            continue;
        }
        for line in std::io::stdin().lock().lines() {
            let line =
                line.map_err(|error| CliError::failed("input", format!("stdin: {error}")))?;
            let symbol = line.split('#').next().unwrap_or_default().trim();
            if !symbol.is_empty() {
                symbols.push(symbol.to_string());
            }
        }
    }
    if symbols.is_empty() {
        return Err(CliError::usage("usage", "no symbol given").hint("tickwire monitor BTC ETH"));
    }
    if symbols.iter().any(String::is_empty) {
        return Err(CliError::usage("usage", "a symbol is empty").hint("tickwire monitor BTC ETH"));
    }
    Ok(symbols)
}

/// The instruments, each once. Every unknown name is told, not just the first.
async fn resolve(symbols: &[String], ctx: &Ctx) -> Result<Vec<Arc<Instrument>>, CliError> {
    let (mut instruments, mut errors) = (Vec::<Arc<Instrument>>::new(), Vec::new());
    for symbol in symbols {
        match ctx.engine.resolve(symbol).await {
            Ok(instrument) if instruments.iter().any(|i| i.market == instrument.market) => {}
            Ok(instrument) => instruments.push(instrument),
            // Without a list nothing can be said about any of its symbols: once is enough.
            Err(EngineError::Resolve(ResolveError::List(error))) => {
                return Err(no_list(error, ctx));
            }
            Err(error) => errors.push(CliError::from(error)),
        }
    }
    match ctx.notices.all_but_last(errors) {
        Some(last) => Err(last),
        None => Ok(instruments),
    }
}

fn no_list(error: ListError, ctx: &Ctx) -> CliError {
    tracing::debug!(provider = ctx.provider, "no list of symbols");
    error.into()
}

fn announce(instruments: &[Arc<Instrument>], notices: Notices) {
    if instruments
        .iter()
        .any(|i| i.market.exchange() == mock::EXCHANGE)
    {
        notices.warn("mock", "mock data, not a market");
    }
    for instrument in instruments {
        let (symbol, exchange) = (instrument.market.symbol(), instrument.market.exchange());
        let status = instrument.status;
        if matches!(status, TradingStatus::Trading | TradingStatus::Unknown) {
            continue;
        }
        let mut message = format!("{symbol} is {} at {exchange}", status.name());
        // The exchange's own word says more: `cancel_only` means that nothing is traded, too.
        let own = &instrument.status_text;
        if !own.is_empty() && !own.eq_ignore_ascii_case(status.name()) {
            message.push_str(&format!(" ({own})"));
        }
        notices.warn("not_trading", &message);
    }
}

/// Tells a gap or a state on stderr, where the output has no place for it.
fn tell(event: &Event, notices: Notices) {
    match event {
        Event::Gap(gap) => {
            let id = |id: Option<u64>| id.map_or("?".into(), |id| id.to_string());
            let ids = if gap.from_id.is_some() {
                format!(" {} to {}", id(gap.from_id), id(gap.to_id))
            } else {
                String::new()
            };
            let missing = gap.missing.map_or("some".into(), |n| n.to_string());
            let (stream, state, reason) = (gap.stream.name(), gap.state.name(), gap.reason.name());
            // Never silent: also under --quiet.
            notices.warn(
                "gap",
                &format!(
                    "gap: {} {stream}{ids}: {missing} missing, {state} ({reason})",
                    gap.market
                ),
            );
        }
        Event::Status(status) => notices.say("status", &format!("tickwire: {}", describe(status))),
        Event::Ticker(_) | Event::Trade(_) => {}
    }
}

/// Whether a state is about this topic. A refusal names its stream first.
fn concerns(status: &Status, market: Market, stream: Stream) -> bool {
    let refused = |reason: &String| reason.starts_with(stream.name());
    match status.market {
        Some(one) => one == market && status.reason.as_ref().is_none_or(refused),
        None => status.exchange == market.exchange(),
    }
}

fn describe(status: &Status) -> String {
    let who = status
        .market
        .map_or_else(|| status.exchange.to_string(), |market| market.to_string());
    let reason = status
        .reason
        .as_ref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    format!(
        "{who} {} (attempt {}){reason}",
        status.state.name(),
        status.attempt
    )
}
