//! `monitor --portfolio` on a terminal: the live table.

use std::time::Duration;

use crate::model::{Clock, SystemClock};
use crate::sink::table::{Action, HoldingsTable, Keys, Screen};

use super::super::super::Ctx;
use super::super::super::error::CliError;
use super::super::super::exit::Exit;
use super::super::super::holdings::Holdings;
use super::super::super::notices::Held;
use super::super::super::output;
use super::super::super::signals::Signals;
use super::super::progress::{at, every};
use super::super::screen::{SIGINT, terminal};
use super::super::{engine_stopped, tell};
use super::Wanted;
use super::live::{End, Updates, late};

/// Saying goodbye to the exchange.
const GOODBYE: Duration = Duration::from_secs(1);

pub async fn run(
    wanted: &Wanted,
    holdings: &mut Holdings,
    ctx: &Ctx,
    mut signals: Signals,
) -> Result<Exit, CliError> {
    let mut table = HoldingsTable::new(ctx.provider.as_str(), holdings.value());
    // Lines on stderr would draw over the screen: they are told after it.
    let held = Held::start(ctx.notices);
    let mut screen = Screen::open(ctx.color).map_err(terminal)?;
    let keys = Keys::read().map_err(terminal)?;
    let end = follow(
        wanted,
        holdings,
        ctx,
        &mut table,
        &mut screen,
        keys,
        &mut signals,
    )
    .await;
    drop(screen);
    drop(held);
    signals.exit_on_next();
    let _ = tokio::time::timeout(GOODBYE, ctx.engine.shutdown()).await;
    let width = crossterm::terminal::size().map_or(0, |(width, _)| width);
    output::print_and_wait(table.to_text(width).into_bytes()).await?;
    end.outcome(wanted)
}

async fn follow(
    wanted: &Wanted,
    holdings: &mut Holdings,
    ctx: &Ctx,
    table: &mut HoldingsTable,
    screen: &mut Screen,
    mut keys: Keys,
    signals: &mut Signals,
) -> End {
    let mut updates = Updates::new(wanted, ctx);
    let mut refresh = every(wanted.refresh);
    let mut drawn = screen.draw_holdings(table, SystemClock.now());
    loop {
        if let Err(error) = drawn {
            return End::Error(terminal(error));
        }
        if let Some(end) = updates.end(holdings) {
            return end;
        }
        let awaits = !holdings.awaited().is_empty();
        drawn = tokio::select! {
            told = holdings.next() => {
                if told.is_err() {
                    return End::Error(engine_stopped());
                }
                holdings.events().iter().for_each(|event| tell(event, ctx.notices));
                Ok(())
            }
            _ = refresh.tick() => {
                if let Some(valuation) = updates.next(holdings) {
                    table.show(valuation.clone());
                }
                screen.draw_holdings(table, SystemClock.now())
            }
            input = keys.next() => match input.map(|input| table.input(&input)) {
                // The terminal is gone, or the user wants to go.
                None | Some(Action::Quit) => return End::Signal(Exit::Signal(SIGINT)),
                Some(Action::Nothing) => Ok(()),
                Some(Action::Redraw) => screen.draw_holdings(table, SystemClock.now()),
                Some(Action::Repaint) => {
                    screen.repaint().and_then(|()| screen.draw_holdings(table, SystemClock.now()))
                }
            },
            exit = signals.next() => return End::Signal(exit),
            () = at(updates.end_at) => return updates.time_is_up(),
            () = at(updates.first_deadline), if awaits => return late(wanted, holdings),
        };
    }
}
