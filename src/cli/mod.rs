//! The command line: parse, resolve settings, run one command, tell how it ended.

mod alert;
mod args;
mod candles;
mod error;
mod exit;
mod generate;
mod grade;
mod holdings;
mod monitor;
mod notices;
mod output;
mod signals;
mod stand_ins;
mod start;
mod status;
// Nothing but tests runs one yet.
mod strategy;
mod symbols;
mod usage;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::config::{self, Config, OutputFormat};
use crate::net::{ProxyRules, Tls};
use crate::{app, engine::Engine};

use args::{Cli, Color, Command, GlobalArgs, LogFormat};
pub use error::CliError;
pub use exit::Exit;
use notices::Notices;

/// Answers are waited for so long unless `--timeout` says otherwise.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Threads that hang in name resolution are not waited for longer.
const RUNTIME_SHUTDOWN: Duration = Duration::from_millis(200);

/// What every command needs.
pub struct Ctx {
    config: Config,
    notices: Notices,
    engine: Engine,
    proxies: ProxyRules,
    tls: Tls,
    /// The name of the default provider.
    provider: String,
    /// Whether `-p` was given.
    provider_named: bool,
    /// Who stands in for it, most wanted first.
    fallback: Vec<String>,
    output: OutputFormat,
    timeout: Option<Duration>,
    max_age: Option<Duration>,
    color: bool,
    started: Instant,
}

/// Runs the program with these arguments (the first is its name) and tells errors on stderr.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let started = Instant::now();
    let arguments: Vec<_> = arguments.into_iter().collect();
    // Needed before parsing has succeeded, since a parse error is told in it, too.
    let json = wants_json_log(&arguments);
    let result = parse(&arguments).and_then(|cli| match cli {
        Some(cli) => dispatch(cli, started),
        None => Ok(Exit::Done),
    });
    result.unwrap_or_else(|error| {
        Notices { json, quiet: false }.error(&error);
        error.exit
    })
}

/// `None`: help or version was asked for and printed.
fn parse(arguments: &[OsString]) -> Result<Option<Cli>, CliError> {
    let (arguments, program) = args::split_exec(arguments);
    match Cli::try_parse_from(arguments) {
        Ok(mut cli) => {
            args::put_exec(&mut cli, program)?;
            Ok(Some(cli))
        }
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            error.print().or_else(|error| output::unwritten(&error))?;
            Ok(None)
        }
        Err(error) => Err(usage::error(&error, arguments)),
    }
}

fn wants_json_log(arguments: &[OsString]) -> bool {
    let texts: Vec<_> = arguments
        .iter()
        .map(|argument| argument.to_string_lossy())
        .collect();
    texts.iter().any(|text| text == "--log-format=json")
        || texts
            .windows(2)
            .any(|pair| pair[0] == "--log-format" && pair[1] == "json")
}

fn dispatch(cli: Cli, started: Instant) -> Result<Exit, CliError> {
    if let Some(what) = cli.generate {
        return generate::run(what);
    }
    let Some(command) = cli.command else {
        return Err(CliError::usage("usage", "no command given")
            .hint("tickwire monitor BTC ETH, or tickwire --help"));
    };
    let notices = Notices {
        json: cli.global.log_format == LogFormat::Json,
        quiet: cli.global.quiet,
    };
    let (file, env) = (cli.global.config.as_deref(), config::environment());
    let config = match &command {
        Command::Alert(args) if args.uses_actions() => Config::load_with_action_secrets(file, env),
        Command::Start(_) => Config::load_with_all_secrets(file, env),
        Command::Status(_) => Config::load_with_server_secrets(file, env),
        _ => Config::load(file, env),
    };
    let config = config.map_err(|errors| {
        let errors = errors.errors.into_iter().map(CliError::from).collect();
        let last = notices.all_but_last(errors);
        last.unwrap_or_else(|| CliError::failed("internal", "an error without errors"))
    })?;
    notices::init_log(notices, cli.global.verbose, config.log.as_deref())?;
    for warning in &config.warnings {
        notices.warn("config", warning);
    }
    // One thread: a second one would only add hand-overs (a connection alone fills no core).
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")?;
    let result = runtime.block_on(async {
        let ctx = context(config, notices, &cli.global, started)?;
        match command {
            Command::Alert(args) => alert::run(*args, ctx).await,
            Command::Monitor(args) => monitor::run(*args, ctx).await,
            Command::Symbols(args) => symbols::run(args, ctx).await,
            Command::Test(args) => grade::run(args, ctx).await,
            Command::Start(args) => start::run(args, ctx).await,
            Command::Status(args) => status::run(args, ctx).await,
        }
    });
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
    result
}

fn context(
    config: Config,
    notices: Notices,
    global: &GlobalArgs,
    started: Instant,
) -> Result<Ctx, CliError> {
    let named = global.provider.clone().or_else(|| config.provider.clone());
    let provider = named.map_or_else(
        || app::EXCHANGES[0].name().to_string(),
        |name| name.trim().to_lowercase(),
    );
    for name in config.providers.keys().chain([&provider]) {
        // Sources of later versions may stand in the file already.
        if !app::provider_names()
            .chain(["server", "replay", "redis"])
            .any(|known| known == name)
        {
            return Err(error::unknown_provider(name));
        }
    }
    if !app::provider_names().any(|known| known == provider) {
        return Err(error::unknown_provider(&provider));
    }
    let fallback = fallback(&provider, &global.fallback, &config.fallback)?;
    let proxies = ProxyRules::new(global.proxy.as_deref())
        .map_err(|error| CliError::usage("proxy", error.to_string()))?;
    let tls = Tls::new();
    let options = app::Options {
        provider: provider.clone(),
        seed: global.seed,
        proxies: proxies.clone(),
        tls: tls.clone(),
        timeout: global.timeout.unwrap_or(ANSWER_TIMEOUT),
    };
    let engine = app::engine(&config, &options)
        .map_err(|error| CliError::usage("config", error.to_string()))?;
    Ok(Ctx {
        notices,
        engine,
        proxies,
        tls,
        provider,
        provider_named: global.provider.is_some(),
        fallback,
        output: global.output.or(config.output).unwrap_or_default(),
        timeout: global.timeout,
        max_age: global.max_age,
        color: colored(global.color),
        started,
        config,
    })
}

/// Those of the flag, else of the file; the provider itself needs none.
fn fallback(provider: &str, flag: &[String], file: &[String]) -> Result<Vec<String>, CliError> {
    let chosen = if flag.is_empty() { file } else { flag };
    let mut names = Vec::new();
    for name in chosen.iter().map(|name| name.trim().to_lowercase()) {
        if !app::provider_names().any(|known| known == name) {
            return Err(error::unknown_provider(&name));
        }
        if name != provider && !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// `--color`, else `NO_COLOR`, `CLICOLOR_FORCE`, `TERM=dumb`, else whether stdout is a terminal.
fn colored(color: Color) -> bool {
    let set =
        |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => false,
        Color::Auto if set("CLICOLOR_FORCE") => true,
        Color::Auto => std::io::stdout().is_terminal() && !is_dumb(),
    }
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty())
}

/// The command-line definition, for completions and the man page.
fn definition() -> clap::Command {
    Cli::command()
}
