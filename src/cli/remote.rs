//! `-p server`: a running server in the place of the exchanges.

use std::time::Duration;

use crate::app::{self, RemoteError};
use crate::config::Config;
use crate::exchange::server::{Place, ServerError};

use super::args::{Command, GlobalArgs};
use super::error::{CliError, clipped};
use super::{Source, fallback, local_source};

/// A server that is there says at once what it has.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// What a server has, as the source of everything.
///
/// Errors: there is none, or it does not take us: exit 3.
pub async fn source(
    config: &Config,
    options: app::Options,
    global: &GlobalArgs,
    command: &Command,
) -> Result<Source, CliError> {
    match command {
        Command::Start(_) => {
            return Err(
                CliError::usage("usage", "`start` cannot serve what another server has")
                    .hint("name an exchange with -p"),
            );
        }
        // Nothing is asked of a provider.
        Command::Status(_) => return unused(config, options, global, command),
        Command::Alert(args) if args.is_about_memory() => {
            let global = GlobalArgs {
                url: None,
                ..global.clone()
            };
            return unused(config, options, &global, command);
        }
        _ => {}
    }
    let place = place(config, global.url.as_deref())?;
    let explicit = global.proxy.is_some();
    let greeting = app::Options {
        timeout: options.timeout.min(GREETING_TIMEOUT),
        ..options.clone()
    };
    let engine = app::remote_engine(config, &options, &greeting, &place, explicit).await;
    let (engine, info) = engine.map_err(|error| match error {
        RemoteError::Server(error) => no_answer(&place, error),
        RemoteError::Options(error) => CliError::usage("config", error.to_string()),
    })?;
    let names: Vec<_> = info
        .providers
        .iter()
        .map(|provider| provider.name.clone())
        .collect();
    let fallback = fallback(&info.default, &global.fallback, &config.fallback);
    if let Some(name) = fallback.iter().find(|name| !names.contains(name)) {
        let why = format!("the server has no provider `{}`", clipped(name));
        let hint = format!("it has {}", names.join(", "));
        return Err(CliError::usage("unknown_provider", why).hint(hint));
    }
    let is_market = |name: &&String| {
        let provider = engine.provider(name);
        provider.is_ok_and(|provider| !provider.traits().invented)
    };
    Ok(Source {
        exchanges: names.iter().filter(is_market).cloned().collect(),
        provider: info.default,
        fallback,
        engine,
    })
}

/// An engine for commands that never ask it.
fn unused(
    config: &Config,
    options: app::Options,
    global: &GlobalArgs,
    command: &Command,
) -> Result<Source, CliError> {
    let provider = app::EXCHANGES[0].name().to_owned();
    let options = app::Options {
        provider,
        ..options
    };
    let (raw, _) = tokio::sync::broadcast::channel(1);
    local_source(config, &options, raw, global, command)
}

/// Where the server is.
///
/// Errors: that is no address: exit 2.
pub fn place(config: &Config, url: Option<&str>) -> Result<Place, CliError> {
    let what = if url.is_some() { "--url" } else { "server" };
    app::place(config, url).map_err(|why| CliError::usage("usage", format!("{what}: {why}")))
}

/// It cannot be known what the server has, or how it is.
pub fn no_answer(place: &Place, error: ServerError) -> CliError {
    let message = match &error {
        ServerError::Unreachable(why) => format!("no server at {place}: {}", clipped(why)),
        _ => format!("{place}: {error}"),
    };
    let (code, hint) = match error {
        ServerError::Unreachable(_) => (
            "unreachable",
            "tickwire start -s BTC,ETH begins one; --url names one that is elsewhere",
        ),
        ServerError::Unauthorized { .. } => (
            "unauthorized",
            "set server.token in the configuration, or TICKWIRE_SERVER__TOKEN, to the server's own",
        ),
        ServerError::Refused(403 | 421) => (
            "forbidden",
            "the server takes requests only under names in its server.allowed_hosts",
        ),
        ServerError::Refused(_) => ("unavailable", "try again later"),
        ServerError::Stranger => ("no_server", "--url names the server: http://127.0.0.1:8000"),
    };
    let retryable = matches!(code, "unreachable" | "unavailable");
    let cli = CliError::unknown(code, message).hint(hint);
    CliError { retryable, ..cli }
}
