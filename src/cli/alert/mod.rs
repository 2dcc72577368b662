//! `tickwire alert`: checks conditions, or watches them, and acts.

mod actions;
mod candles;
mod cover;
mod deliver;
mod desk;
mod explain;
mod fetch;
mod line;
mod liveness;
mod markets;
mod memory;
mod once;
mod serve;
mod settings;
mod state;
mod watch;

use std::io::IsTerminal;
use std::time::Duration;

use crate::action::Runner;
use crate::app;
use crate::store::AlertStore;

use super::args::AlertArgs;
use super::error::CliError;
use super::exit::Exit;
use super::monitor::{announce, with_stdin};
use super::signals::Signals;
use super::{ANSWER_TIMEOUT, Ctx};
pub(super) use actions::{each_once, named as named_action, of_settings as actions_of};
use deliver::Deliverer;
use line::{Lines, Printer};
use markets::{Markets, Ready, of_rule};
use once::Run;
pub(super) use serve::Server;
pub(super) use settings::{Spec, spec};
pub(super) use watch::{Standing, State};

/// Runs the command.
pub async fn run(args: AlertArgs, ctx: Ctx) -> Result<Exit, CliError> {
    let store = AlertStore::new(app::state_directory().unwrap_or_default().join("alerts"));
    if args.list_rules || args.reset.is_some() || args.history.is_some() {
        with_memory()?;
        return remembered(&args, &store, &ctx).await;
    }
    let (symbols, condition) = settings::words(&args, |given| with_stdin(given))?;
    let specs = settings::specs(&args, symbols, condition, &ctx.config, &ctx.provider)
        .map_err(|errors| last(errors, &ctx))?;
    warn_of_addresses(&args, &ctx);
    // Before anything is asked: a firing that cannot be remembered must not happen.
    if !args.dry_run && !args.explain {
        for name in specs.iter().filter_map(Spec::memory) {
            with_memory()?;
            store.check(name).map_err(state::unwritten)?;
        }
    }
    let mut signals = Signals::new()?;
    let ends = args.once || args.explain || args.count.is_some() || ctx.timeout.is_some();
    let timeout = ctx.timeout.unwrap_or(ANSWER_TIMEOUT);
    let ended = |exit: Exit| if ends { exit } else { Exit::Done };
    let mut markets = tokio::select! {
        markets = Markets::find(&specs, ctx.started, timeout, &ctx) => {
            markets.map_err(|errors| last(errors, &ctx))?
        }
        exit = signals.next() => return Ok(ended(exit)),
    };
    announce(&markets.all(), &ctx)?;
    let ready: Vec<Ready> = specs
        .iter()
        .enumerate()
        .map(|(i, spec)| markets.ready(i, spec))
        .collect();
    let printer = Printer::new(
        ctx.output,
        std::io::stdout().is_terminal(),
        ctx.notices.quiet,
    );
    let runner = Runner::new(ctx.proxies.clone(), ctx.tls.clone());
    let deliverer = Deliverer::new(&ctx, runner, Lines::Printed(printer), args.dry_run);
    let run = Run {
        ctx: &ctx,
        store: &store,
        since_last: args.since_last,
        dry_run: args.dry_run,
        deadline: (ctx.started + timeout).into(),
        deliverer: &deliverer,
    };
    if args.explain {
        return tokio::select! {
            exit = explain::run(&specs, ready, &markets, run) => exit,
            exit = signals.next() => Ok(exit),
        };
    }
    if args.once {
        return check(&specs, ready, &mut markets, run, signals).await;
    }
    let bounds = watch::Bounds {
        count: args.count,
        timeout: ctx.timeout,
    };
    watch::run(&specs, ready, &markets, bounds, &run, signals).await
}

async fn check(
    specs: &[Spec],
    ready: Vec<Ready>,
    markets: &mut Markets,
    run: Run<'_>,
    mut signals: Signals,
) -> Result<Exit, CliError> {
    let ctx = run.ctx;
    let tally = tokio::select! {
        tally = once::run(specs, ready, markets, run) => tally?,
        exit = signals.next() => return Ok(exit),
    };
    signals.exit_on_next();
    let exit = tally.finish(ctx);
    // Saying goodbye to the exchange must not make a quick answer slow.
    let _ = tokio::time::timeout(Duration::from_millis(100), ctx.engine.shutdown()).await;
    exit
}

async fn remembered(args: &AlertArgs, store: &AlertStore, ctx: &Ctx) -> Result<Exit, CliError> {
    match (&args.reset, &args.history) {
        (Some(name), _) => memory::reset(name, store, ctx).await,
        (None, Some(name)) => memory::history(name, store, ctx),
        (None, None) => memory::list(store, ctx),
    }
}

/// Tells all of these but the last, which is returned.
fn last(errors: Vec<CliError>, ctx: &Ctx) -> CliError {
    let last = ctx.notices.all_but_last(errors);
    last.unwrap_or_else(|| CliError::failed("internal", "an error without errors"))
}

fn with_memory() -> Result<(), CliError> {
    match app::state_directory() {
        Some(_) => Ok(()),
        None => Err(no_place()),
    }
}

fn no_place() -> CliError {
    CliError::failed(
        "state",
        "a named alert needs a place for its memory, and there is none",
    )
    .hint("set HOME, XDG_STATE_HOME or, under systemd, StateDirectory=")
}

/// Addresses of webhooks are secrets, and a command line is seen by everybody on the machine.
fn warn_of_addresses(args: &AlertArgs, ctx: &Ctx) {
    if args
        .webhook
        .as_ref()
        .is_some_and(|webhook| webhook.contains("://"))
    {
        ctx.notices.say(
            "webhook",
            "tickwire: hint: others can see an address on the command line: name it in [actions.NAME] and write --webhook NAME",
        );
    }
}
