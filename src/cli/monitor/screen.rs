//! `monitor` on a terminal: the live table.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::Request;
use crate::model::{Clock, Event, Instrument, Market, SystemClock};
use crate::sink::summary::Summary;
use crate::sink::table::{Action, Keys, Screen, TableState};

use super::super::Ctx;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::notices::Held;
use super::super::output;
use super::super::signals::Signals;
use super::super::stand_ins::StandIns;
use super::others::Others;
use super::progress::{Progress, at, every, tick};
use super::settings::Settings;
use super::source::{Source, Stop};
use super::{Clocks, tell, tell_of_other, written};

/// What a key that ends the table counts as: the terminal is in raw mode, so Ctrl-C is a key, too.
pub(super) const SIGINT: u8 = 2;

/// Why the table was left.
enum End {
    Done,
    Signal(Exit),
    Error(CliError),
}

pub async fn run(
    settings: &Settings,
    instruments: &[Arc<Instrument>],
    texts: &[String],
    mut others: Others,
    ctx: Ctx,
    mut signals: Signals,
) -> Result<Exit, CliError> {
    let markets: Vec<_> = instruments.iter().map(|i| i.market).collect();
    let clocks = Clocks::new(instruments, &ctx)?;
    let mut table = table(markets, settings, &clocks);
    // Lines on stderr would draw over the screen: they are told after it.
    let held = Held::start(ctx.notices);
    let mut screen = Screen::open(settings.color).map_err(terminal)?;
    let keys = Keys::read().map_err(terminal)?;
    let mut progress = Progress::new(settings.topics(instruments))
        .beside(others.awaited())
        .patient(StandIns::new(&ctx).patience());
    let end = follow(
        settings,
        instruments,
        texts,
        &mut others,
        &clocks,
        &ctx,
        &mut table,
        &mut screen,
        keys,
        &mut progress,
        &mut signals,
    )
    .await;
    drop(screen);
    drop(held);
    signals.exit_on_next();
    let _ = tokio::time::timeout(Duration::from_secs(1), ctx.engine.shutdown()).await;
    output::print_and_wait(table.to_text(0, SystemClock.now()).into_bytes()).await?;
    progress
        .total
        .lines()
        .for_each(|line| ctx.notices.say("summary", &line));
    match end {
        End::Error(error) => Err(error),
        End::Signal(exit) => Ok(settings.exit_on(exit)),
        End::Done => Ok(Exit::Done),
    }
}

#[allow(clippy::too_many_arguments)] // The parts of one screen, each borrowed for the length of the loop.
async fn follow(
    settings: &Settings,
    instruments: &[Arc<Instrument>],
    texts: &[String],
    others: &mut Others,
    clocks: &Clocks,
    ctx: &Ctx,
    table: &mut TableState,
    screen: &mut Screen,
    mut keys: Keys,
    progress: &mut Progress,
    signals: &mut Signals,
) -> End {
    let request = Request::instruments(instruments.iter().cloned())
        .streams(settings.streams.iter().copied())
        .also(others.topics())
        .delivery(settings.delivery(ctx, instruments, others));
    let written = written(instruments, texts);
    let beside = others.computed.streams(settings);
    let source = Source::open(settings, instruments, written, request, beside, ctx).await;
    let mut source = match source {
        Ok(source) => source,
        Err(error) => return End::Error(error),
    };
    let started: Instant = ctx.started.into();
    let first_deadline = settings.first_timeout.map(|timeout| started + timeout);
    let end_at = settings.duration.map(|duration| Instant::now() + duration);
    let mut redraw = every(settings.refresh);
    let mut summary = settings.summary.map(every);
    if summary.is_some() {
        progress.restart_recent();
    }
    let mut batch = Vec::new();
    loop {
        let drawn = tokio::select! {
            taken = source.next_batch(&mut batch) => {
                match taken {
                    Ok(()) => {}
                    Err(Stop::Over) => return End::Done,
                    Err(Stop::Error(error)) => return End::Error(error),
                }
                source.begin(&mut others.computed);
                let now = SystemClock.now();
                for event in &batch {
                    others.see(event);
                    if !others.is_shown(event) {
                        progress.see_other(event);
                        tell_of_other(event, ctx.notices);
                        continue;
                    }
                    progress.see(event);
                    let passes = others.pass(settings.filter.as_ref(), event, clocks.now(event, now));
                    if event.stream().is_some() && !passes {
                        progress.filtered += 1;
                        continue;
                    }
                    table.apply(event, now);
                    tell(event, ctx.notices);
                    if event.stream().is_some() {
                        progress.printed += 1;
                        if settings.count.is_some_and(|count| progress.printed >= count) {
                            return End::Done;
                        }
                    }
                }
                Ok(())
            }
            input = keys.next() => match input.map(|input| table.input(&input)) {
                // The terminal is gone, or the user wants to go.
                None | Some(Action::Quit) => return End::Signal(Exit::Signal(SIGINT)),
                Some(Action::Nothing) => Ok(()),
                Some(Action::Redraw) => screen.draw(table, SystemClock.now()),
                Some(Action::Repaint) => screen.repaint().and_then(|()| screen.draw(table, SystemClock.now())),
            },
            _ = redraw.tick() => screen.draw(table, SystemClock.now()),
            () = tick(&mut summary) => {
                let recent = progress.restart_recent();
                recent.iter().flat_map(Summary::lines).for_each(|line| ctx.notices.say("summary", &line));
                Ok(())
            }
            exit = signals.next() => return End::Signal(exit),
            () = at(end_at) => {
                let alive = ctx.engine.stats().messages > 0;
                return progress.nothing_learnt(alive).map_or(End::Done, End::Error);
            }
            () = at(first_deadline), if progress.awaits() => {
                match settings.first_timeout.and_then(|timeout| progress.late(timeout)) {
                    Some(error) => return End::Error(error),
                    None => Ok(()),
                }
            }
        };
        if let Err(error) = drawn {
            return End::Error(terminal(error));
        }
        if let Some(error) = progress.all_failed() {
            return End::Error(error);
        }
    }
}

/// What is told of a terminal that cannot be used.
pub(super) fn terminal(error: std::io::Error) -> CliError {
    CliError::failed("output", format!("terminal: {error}")).hint("-o plain or -o json print lines")
}

fn table(markets: Vec<Market>, settings: &Settings, clocks: &Clocks) -> TableState {
    TableState::new(markets, &settings.streams).with_own_clocks(|exchange| clocks.is_own(exchange))
}

/// The table of single answers.
pub fn answers(
    markets: Vec<Market>,
    settings: &Settings,
    clocks: &Clocks,
    events: &[&Event],
) -> String {
    let now = SystemClock.now();
    let mut table = table(markets, settings, clocks);
    events.iter().for_each(|event| table.apply(event, now));
    table.to_text(0, now)
}
