//! `tickwire status`: how a running server is.

mod report;

use std::io::IsTerminal;
use std::time::Duration;

use crate::app;
use crate::config::OutputFormat;
use crate::exchange::server::{self, Place};
use crate::net::HttpOptions;

use super::args::StatusArgs;
use super::error::CliError;
use super::exit::Exit;
use super::output::{self, Output};
use super::remote::no_answer;
use super::signals::Signals;
use super::{ANSWER_TIMEOUT, Ctx};
use report::Report;

/// Between two questions of `--watch`.
const PAUSE: Duration = Duration::from_secs(2);
/// To the top of the screen, and nothing on it.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J\x1b[3J";

/// Runs the command: 0 where the server is well, 1 where it says that it is not, 3 where it says nothing.
pub async fn run(args: StatusArgs, ctx: Ctx) -> Result<Exit, CliError> {
    let place = place(&args, &ctx)?;
    let options = options(&ctx, &place);
    let format = format(&ctx);
    if args.watch {
        return watch(&ctx, &place, &options, format).await;
    }
    let mut signals = Signals::new()?;
    let report = tokio::select! {
        report = ask(options, &place) => report?,
        exit = signals.next() => return Ok(exit),
    };
    signals.exit_on_next();
    output::print_and_wait(report.render(format, true)).await?;
    Ok(match report.is_healthy() {
        true => Exit::Done,
        false => Exit::No,
    })
}

/// `--url`, else `--host` and `--port`, else what the configuration says.
fn place(args: &StatusArgs, ctx: &Ctx) -> Result<Place, CliError> {
    if args.host.is_none() && args.port.is_none() {
        return super::remote::place(&ctx.config, ctx.url.as_deref());
    }
    if ctx.url.is_some() {
        let error = CliError::usage("usage", "--url names host and port already");
        return Err(error.hint("leave out --host and --port"));
    }
    let server = &ctx.config.server;
    let host = args.host.as_ref().unwrap_or(&server.host);
    let port = args.port.unwrap_or(server.port);
    let what = if args.host.is_some() {
        "--host"
    } else {
        "--port"
    };
    Place::of(host, port).map_err(|why| CliError::usage("usage", format!("{what}: {why}")))
}

fn options(ctx: &Ctx, place: &Place) -> HttpOptions {
    let options = app::Options {
        provider: ctx.provider.clone(),
        seed: None,
        proxies: ctx.proxies.clone(),
        tls: ctx.tls.clone(),
        timeout: ctx.timeout.unwrap_or(ANSWER_TIMEOUT),
    };
    app::http_options(&ctx.config, &options, place, ctx.proxy_named)
}

async fn ask(options: HttpOptions, place: &Place) -> Result<Report, CliError> {
    let answer = server::status(options, place).await;
    let body = answer.map_err(|error| no_answer(place, error))?;
    Report::read(&body).ok_or_else(|| no_answer(place, server::ServerError::Stranger))
}

/// Asks again and again. One that does not answer is told once, and asked on: it may be starting.
async fn watch(
    ctx: &Ctx,
    place: &Place,
    options: &HttpOptions,
    format: OutputFormat,
) -> Result<Exit, CliError> {
    let (mut signals, stdout) = (Signals::new()?, Output::stdout());
    let is_screen = format == OutputFormat::Table && std::io::stdout().is_terminal();
    let (mut told, mut is_first) = (None, true);
    let mut pause = tokio::time::interval(PAUSE);
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let round = async {
            pause.tick().await;
            let report = ask(options.clone(), place).await;
            (report, stdout.ready().await)
        };
        let (report, room) = tokio::select! {
            round = round => round,
            closed = stdout.broken() => return closed.into_result().map(|()| Exit::Done),
            _ = signals.next() => break,
        };
        let room = match room {
            Ok(room) => room,
            Err(closed) => return closed.into_result().map(|()| Exit::Done),
        };
        match report {
            Ok(report) => {
                let mut text = if is_screen {
                    CLEAR.to_vec()
                } else {
                    Vec::new()
                };
                text.extend(report.render(format, is_first || is_screen));
                room.send(text);
                (told, is_first) = (None, false);
            }
            Err(error) => {
                drop(room);
                if output::reader_is_gone() {
                    return Ok(Exit::Done);
                }
                if told.as_ref() != Some(&error) {
                    ctx.notices.error(&error);
                    told = Some(error);
                }
            }
        }
    }
    signals.exit_on_next();
    match stdout.finish(Vec::new()).await {
        Ok(()) => Ok(Exit::Done),
        Err(closed) => closed.into_result().map(|()| Exit::Done),
    }
}

fn format(ctx: &Ctx) -> OutputFormat {
    match ctx.output {
        OutputFormat::Auto if std::io::stdout().is_terminal() => OutputFormat::Table,
        OutputFormat::Auto => OutputFormat::Json,
        given => given,
    }
}
