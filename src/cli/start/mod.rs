//! `tickwire start`: the engine as a server.

mod alerts;
mod clients;
mod portfolio;
mod raw;
mod reload;
mod service;
mod settings;
mod signals;
mod strategies;
#[cfg(all(test, feature = "sim"))]
mod support;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, PortfolioSettings, StreamKind};
use crate::feed::Topic;
use crate::model::{Instrument, Interval, Stream};
use crate::server::requests::PortfolioRequest;
use crate::server::streams::Holder;
use crate::server::{ApiError, Ref, Room, Shared, listen, pump};

use super::args::StartArgs;
use super::error::{CliError, clipped};
use super::exit::Exit;
use super::holdings;
use super::monitor::resolve::resolve;
use super::monitor::{announce, with_stdin};
use super::stand_ins::StandIns;
use super::{ANSWER_TIMEOUT, Ctx};
use clients::Clients;
use reload::Reload;
use service::Service;
use settings::Settings;
use signals::{Asked, Signals};

/// What is served of each symbol.
const SERVED: [Stream; 3] = [
    Stream::Ticker,
    Stream::Trades,
    Stream::Candles(Interval::M1),
];
/// Files that are open beside the clients' sockets: lines to exchanges, state, logs.
const OTHER_FILES: u64 = 256;
/// How long clients and rules have for their goodbyes.
const WIND_UP: Duration = Duration::from_millis(4_200);
/// How long the lines to the exchanges have then.
const LAST: Duration = Duration::from_millis(500);

/// Runs the command.
pub async fn run(args: StartArgs, ctx: Ctx) -> Result<Exit, CliError> {
    let settings = Settings::resolve(&args, &ctx.config)?;
    let mut signals = Signals::new()?;
    // Before the feeds: a port that is taken must not cost an exchange anything.
    let mut clients = Clients::bind(&settings.server).await?;
    listen::allow_open_files(settings.server.limits.clients as u64 + OTHER_FILES);
    let (instruments, texts) = tokio::select! {
        found = find(&settings.symbols, &ctx) => found?,
        () = stop(&mut signals) => return Ok(Exit::Done),
    };
    let fallback = ctx.fallback.clone();
    let server = &settings.server;
    let made = Shared::new(ctx.engine.clone(), &ctx.provider, fallback, server).await?;
    let (shared, ends) = made;
    shared.set_config(reload::info(&ctx.config));
    let service = Service::from_environment();
    let (managers, shutdown) = (CancellationToken::new(), CancellationToken::new());
    let (config, new_config) = watch::channel(Arc::new(ctx.config.clone()));
    let (held, new_held) = watch::channel(ctx.config.portfolio.clone());
    let mut pump = pin!(pump::run(shared.clone(), ends.subscription));
    let mut work = pin!(async {
        tokio::join!(
            alerts::run(
                &ctx,
                shared.clone(),
                ends.alerts,
                new_config.clone(),
                managers.clone()
            ),
            strategies::run(
                &ctx,
                shared.clone(),
                instruments.clone(),
                ends.strategies,
                new_config.clone(),
                managers.clone()
            ),
            keep_portfolio(&ctx, &shared, new_held, ends.portfolio, managers.clone()),
            raw::run(&ctx, &shared, managers.clone()),
        )
    });
    for (instrument, text) in instruments.iter().zip(&texts) {
        shared.streams.written(instrument.market, text);
    }
    let begin = serve(&shared, &ctx.config, &instruments);
    tokio::select! {
        begun = begin => begun?,
        end = &mut pump => return Err(broken(&end.to_string())),
        () = stop(&mut signals) => return Ok(Exit::Done),
    }
    let serving = clients.serve(shared.clone(), shutdown.clone());
    let ready = format!("{} ({})", clients.url(), served(&ctx, &instruments));
    // Whoever started it with --quiet still has to know the port.
    ctx.notices
        .ready(&clients.url(), &format!("ready on {ready}"));
    service.ready(&ready);
    if settings.opens_page {
        open_page(&clients.url(), &ctx);
    }
    let reload = Reload {
        ctx: &ctx,
        args: &args,
        shared: shared.clone(),
        config,
        portfolio: held,
    };
    let result = tokio::select! {
        () = follow(&mut signals, &reload, &service, &ready) => Ok(Exit::Done),
        end = &mut pump => Err(broken(&end.to_string())),
        _ = &mut work => Err(broken("those who keep the rules have ended")),
    };
    service.stopping();
    signals.exit_on_next();
    shutdown.cancel();
    managers.cancel();
    let goodbye = async { tokio::join!(shared.hub.shutdown(), serving, work) };
    tokio::select! {
        _ = tokio::time::timeout(WIND_UP, goodbye) => {}
        _ = &mut pump => {}
    }
    let end = async { tokio::join!(ctx.engine.shutdown(), pump) };
    let _ = tokio::time::timeout(LAST, end).await;
    result
}

/// Serves until the first signal to stop.
async fn follow(signals: &mut Signals, reload: &Reload<'_>, service: &Service, ready: &str) {
    while signals.next().await == Asked::Reload {
        service.reloading();
        reload.apply().await;
        service.ready(ready);
    }
}

/// Until told to stop; there is nothing to reload yet.
async fn stop(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
}

/// What the symbols mean. What no list is to be had for is told and left out, where others are left.
async fn find(
    symbols: &[String],
    ctx: &Ctx,
) -> Result<(Vec<Arc<Instrument>>, Vec<String>), CliError> {
    let symbols = with_stdin(symbols)?;
    let timeout = ctx.timeout.unwrap_or(ANSWER_TIMEOUT);
    let found = resolve(&symbols, ctx.started, timeout, ctx).await?;
    announce(&found.instruments, ctx)?;
    if found.instruments.is_empty() {
        let errors = found.unlisted.into_iter().map(|list| list.error);
        return match ctx.notices.all_but_last(errors.collect()) {
            Some(last) => Err(last),
            None => Ok(Default::default()),
        };
    }
    for list in &found.unlisted {
        ctx.notices.warn(list.error.code, &list.warning());
    }
    Ok((found.instruments, found.texts))
}

/// Lets everything run that was asked for.
async fn serve(
    shared: &Ref,
    config: &Config,
    instruments: &[Arc<Instrument>],
) -> Result<(), CliError> {
    let topics = instruments.iter().flat_map(|instrument| {
        SERVED.map(|stream| Topic {
            instrument: instrument.clone(),
            stream,
        })
    });
    let pinned = shared.streams.pin(topics.collect(), Holder::Config).await;
    pinned.map_err(not_served)?;
    for stream in &config.streams {
        own_streams(shared, config, &stream.name).await?;
    }
    Ok(())
}

/// Lets a stream of the configuration's own run.
async fn own_streams(shared: &Ref, config: &Config, name: &str) -> Result<(), CliError> {
    let settings = config.streams.iter().find(|stream| stream.name == name);
    let stream = match settings.and_then(|settings| Some((settings.kind?, settings.interval))) {
        Some((StreamKind::Trade, _)) => Stream::Trades,
        Some((StreamKind::Candle, interval)) => Stream::Candles(interval.unwrap_or(Interval::M1)),
        Some((StreamKind::Ticker, _)) | None => Stream::Ticker,
    };
    let list = shared.engine.symbols(name)?.catalogue().await;
    let list = list.map_err(|error| CliError::failed("config", error.to_string()))?;
    let of = |instrument: &Arc<Instrument>| Topic {
        instrument: instrument.clone(),
        stream,
    };
    let topics: Vec<_> = list.instruments().iter().map(of).collect();
    let is_raw = settings.is_some_and(|settings| settings.kind.is_none());
    shared.streams.define(name, topics.clone(), is_raw);
    let pinned = shared.streams.pin(topics, Holder::Config).await;
    pinned.map(|_| ()).map_err(not_served)
}

fn not_served(error: ApiError) -> CliError {
    CliError::failed("streams", error.message.into_owned())
}

async fn keep_portfolio(
    ctx: &Ctx,
    shared: &Ref,
    settings: watch::Receiver<PortfolioSettings>,
    requests: mpsc::Receiver<PortfolioRequest>,
    cancel: CancellationToken,
) {
    let source = holdings::Source {
        engine: ctx.engine.clone(),
        provider: ctx.provider.clone(),
        stand_ins: StandIns::new(ctx),
        max_age: ctx.max_age,
    };
    let publish = |data: String| {
        shared
            .hub
            .publish(Room::Portfolio, "portfolio_update", None, data);
    };
    let kept = portfolio::run(
        source,
        settings,
        requests,
        portfolio::REFRESH,
        publish,
        cancel,
    );
    // The engine's end is told by the pump.
    let _ = kept.await;
}

/// What is served, in a few words.
fn served(ctx: &Ctx, instruments: &[Arc<Instrument>]) -> String {
    let mut symbols: Vec<_> = instruments.iter().map(|i| i.market.symbol()).collect();
    let more = symbols.len().saturating_sub(8);
    symbols.truncate(8);
    let symbols = match (symbols.is_empty(), more) {
        (true, _) => "no symbols yet".to_owned(),
        (_, 0) => symbols.join(", "),
        _ => format!("{} and {more} more", symbols.join(", ")),
    };
    format!("{}: {symbols}", ctx.provider)
}

fn broken(why: &str) -> CliError {
    CliError::failed(
        "internal",
        format!("the server has broken: {}", clipped(why)),
    )
}

/// Shows the page in a browser, where there is one.
fn open_page(url: &str, ctx: &Ctx) {
    let program = match cfg!(target_os = "macos") {
        true => "open",
        false => "xdg-open",
    };
    let mut command = tokio::process::Command::new(program);
    let started = command
        .arg(url)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    if let Err(error) = started {
        let message = format!("{program} cannot be started ({error}): open {url}");
        ctx.notices.warn("dashboard", &message);
    }
}
