//! `tickwire monitor`: streams events, or answers once.

mod computed;
mod longer;
mod losses;
mod once;
mod others;
mod portfolio;
pub(super) mod progress;
pub(super) mod resolve;
mod screen;
mod settings;
mod slot;
mod source;
mod stream;
mod tactics;

use std::io::{BufRead, ErrorKind, IsTerminal};
use std::sync::Arc;

use crate::model::{
    Event, Exchange, Instrument, Market, Status, StatusState, Stream, Timestamp, TradingStatus,
};

use super::Ctx;
use super::args::MonitorArgs;
use super::error::{CliError, clipped};
use super::exit::Exit;
use super::notices::Notices;
use super::signals::Signals;
use super::stand_ins::StandIns;
use others::Others;
use resolve::{Found, Unlisted, resolve};
use settings::{Settings, Shape};

/// Runs the command.
pub async fn run(args: MonitorArgs, ctx: Ctx) -> Result<Exit, CliError> {
    if args.portfolio {
        return portfolio::run(&args, ctx).await;
    }
    let symbols = symbols(&args)?;
    let settings = Settings::resolve(&args, &ctx, std::io::stdout().is_terminal())?;
    let mut signals = Signals::new()?;
    let found = tokio::select! {
        found = resolve(&symbols, settings.answer_timeout, &ctx) => found?,
        exit = signals.next() => return Ok(settings.exit_on(exit)),
    };
    let stand_ins = StandIns::new(&ctx);
    let found = tokio::select! {
        found = without_list(found, &symbols, &stand_ins, &ctx) => found,
        exit = signals.next() => return Ok(settings.exit_on(exit)),
    };
    let Found {
        instruments,
        texts,
        unlisted,
    } = found;
    if instruments.is_empty() {
        let errors = unlisted.into_iter().map(|list| list.error).collect();
        let last = ctx.notices.all_but_last(errors);
        return Err(last.unwrap_or_else(|| CliError::failed("internal", "no symbol is left")));
    }
    let others = tokio::select! {
        others = Others::find(&settings, &instruments, &ctx) => others?,
        exit = signals.next() => return Ok(settings.exit_on(exit)),
    };
    let mut all = instruments.clone();
    all.extend(others.instruments());
    all.sort_by_key(|instrument| instrument.market.index());
    all.dedup_by_key(|instrument| instrument.market.index());
    announce(&all, &ctx)?;
    if settings.once {
        let missing = unlisted.into_iter().flat_map(Unlisted::by_symbol);
        return once::run(
            &settings,
            &instruments,
            &texts,
            others,
            missing.collect(),
            &ctx,
            signals,
        )
        .await;
    }
    for list in &unlisted {
        ctx.notices.warn(list.error.code, &list.warning());
    }
    match settings.shape {
        Shape::Table => screen::run(&settings, &instruments, &texts, others, ctx, signals).await,
        Shape::Lines(format) => {
            stream::run(
                &settings,
                format,
                &instruments,
                &texts,
                others,
                ctx,
                signals,
            )
            .await
        }
    }
}

/// Each symbol with how it was written.
fn written(instruments: &[Arc<Instrument>], texts: &[String]) -> Vec<(Market, String)> {
    let markets = instruments.iter().map(|instrument| instrument.market);
    markets.zip(texts.iter().cloned()).collect()
}

/// Where nothing can be told of the provider's symbols, those who stand in for it take their place.
async fn without_list(
    mut found: Found,
    symbols: &[String],
    stand_ins: &StandIns,
    ctx: &Ctx,
) -> Found {
    if stand_ins.is_empty() {
        return found;
    }
    let mut still = Vec::new();
    for list in std::mem::take(&mut found.unlisted) {
        let mut others = Vec::new();
        if list.is_of(&ctx.provider, symbols) {
            for text in list.symbols() {
                let first = stand_ins.of(text, None).await.into_iter().next();
                others.extend(first.map(|instrument| (instrument, text.clone())));
            }
        }
        if others.len() < list.symbols().len() {
            still.push(list);
            continue;
        }
        let names: Vec<_> = others.iter().map(|(i, _)| i.market.to_string()).collect();
        let message = format!("{}; {} instead", list.error.message, names.join(", "));
        ctx.notices.warn("fallback", &message);
        for (instrument, text) in others {
            found.instruments.push(instrument);
            found.texts.push(text);
        }
    }
    found.unlisted = still;
    found
}

/// Positional ones, then `-s`.
fn symbols(args: &MonitorArgs) -> Result<Vec<String>, CliError> {
    let symbols = with_stdin(args.symbols.iter().chain(&args.list))?;
    if symbols.is_empty() {
        return Err(CliError::usage("usage", "no symbol given").hint("tickwire monitor BTC ETH"));
    }
    if symbols.iter().any(String::is_empty) {
        return Err(CliError::usage("usage", "a symbol is empty").hint("tickwire monitor BTC ETH"));
    }
    Ok(symbols)
}

/// These symbols, where `-` stands for what stdin has, one per line.
pub(super) fn with_stdin<'a>(
    given: impl IntoIterator<Item = &'a String>,
) -> Result<Vec<String>, CliError> {
    let mut symbols = Vec::new();
    for symbol in given {
        if symbol != "-" {
            symbols.push(symbol.trim().to_string());
            continue;
        }
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(unread)?;
            let symbol = line.split('#').next().unwrap_or_default().trim();
            if !symbol.is_empty() {
                symbols.push(symbol.to_string());
            }
        }
    }
    Ok(symbols)
}

fn unread(error: std::io::Error) -> CliError {
    match error.kind() {
        ErrorKind::InvalidData => CliError::usage("usage", "stdin: the symbols are not UTF-8")
            .hint("one symbol per line, # begins a comment"),
        _ => CliError::failed("input", format!("stdin: {error}")),
    }
}

/// What must be known of the instruments before anything of them is read.
pub(super) fn announce(instruments: &[Arc<Instrument>], ctx: &Ctx) -> Result<(), CliError> {
    let notices = ctx.notices;
    let mut exchanges: Vec<_> = instruments.iter().map(|i| i.market.exchange()).collect();
    exchanges.sort_by_key(|exchange| exchange.name());
    exchanges.dedup();
    for exchange in exchanges {
        if ctx.engine.provider(exchange.name())?.traits().invented {
            notices.warn(exchange.name(), &format!("{exchange} data, not a market"));
        }
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
            message.push_str(&format!(" ({})", clipped(own)));
        }
        notices.warn("not_trading", &message);
    }
    Ok(())
}

/// Which exchanges have a clock of their own: their times say nothing about how old an event is to us.
pub(super) struct Clocks(Vec<Exchange>);

impl Clocks {
    pub fn new(instruments: &[Arc<Instrument>], ctx: &Ctx) -> Result<Self, CliError> {
        let mut own = Vec::new();
        for exchange in instruments.iter().map(|i| i.market.exchange()) {
            if !own.contains(&exchange) && ctx.engine.provider(exchange.name())?.traits().own_clock
            {
                own.push(exchange);
            }
        }
        Ok(Self(own))
    }

    fn is_own(&self, exchange: Exchange) -> bool {
        self.0.contains(&exchange)
    }

    /// The moment to measure this event's age at: by its own clock it is new when it comes.
    pub fn now(&self, event: &Event, ours: Timestamp) -> Timestamp {
        match event.received_at() {
            Some(at) if !self.0.is_empty() && self.is_own(event.exchange()) => at,
            _ => ours,
        }
    }
}

/// The engine has ended by itself, which it never should.
pub(super) fn engine_stopped() -> CliError {
    CliError::failed("internal", "the engine stopped")
        .hint("the lines above tell more; -vv tells everything")
}

/// Tells a gap or a state on stderr, where the output has no place for it.
pub(super) fn tell(event: &Event, notices: Notices) {
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
            let text = format!(
                "gap: {} {stream}{ids}: {missing} missing, {state} ({reason})",
                gap.market
            );
            // Never silent: also under --quiet.
            notices.warn("gap", &text);
        }
        // No trouble, and its end neither: for those who want to know everything.
        Event::Status(status) if status.attempt == 0 && is_in_order(status.state) => {
            tracing::info!("{}", describe(status));
        }
        Event::Status(status) => notices.say("status", &format!("tickwire: {}", describe(status))),
        // Data, as tickers and trades are.
        Event::Signal(_) => {}
        Event::Ticker(_) | Event::Trade(_) | Event::Candle(_) => {}
    }
}

/// Neither trouble nor help in trouble.
fn is_in_order(state: StatusState) -> bool {
    !state.is_trouble() && state != StatusState::Fallback
}

/// Tells a state of a market that is not shown. Its holes are nobody's loss: only its latest value counts.
fn tell_of_other(event: &Event, notices: Notices) {
    if matches!(event, Event::Status(_)) {
        tell(event, notices);
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
        .map(|reason| format!(": {}", clipped(reason)))
        .unwrap_or_default();
    format!(
        "{who} {} (attempt {}){reason}",
        status.state.name(),
        status.attempt
    )
}
