//! The live table: one row per market, redrawn in place.
//!
//! [`TableState`] takes events, keys and the time, and paints into a buffer: no terminal, no clock, no
//! I/O. [`Screen`] owns the terminal and gives it back whatever happens; [`Keys`] reads from it.
//!
//! ```no_run
//! use tickwire::model::{Clock, Event, Market, Stream, SystemClock};
//! use tickwire::sink::table::{Action, Keys, Screen, TableState};
//!
//! # async fn show(markets: Vec<Market>, mut events: tokio::sync::mpsc::Receiver<Event>) -> std::io::Result<()> {
//! let mut state = TableState::new(markets, &[Stream::Ticker]);
//! let mut screen = Screen::open(true)?;
//! let mut keys = Keys::read()?;
//! let mut redraw = tokio::time::interval(std::time::Duration::from_millis(250));
//! loop {
//!     tokio::select! {
//!         _ = redraw.tick() => screen.draw(&mut state, SystemClock.now())?,
//!         Some(event) = events.recv() => state.apply(&event, SystemClock.now()),
//!         input = keys.next() => match input.map(|input| state.input(&input)) {
//!             None | Some(Action::Quit) => break,
//!             Some(Action::Nothing) => {}
//!             Some(Action::Redraw) => screen.draw(&mut state, SystemClock.now())?,
//!             Some(Action::Repaint) => {
//!                 screen.repaint()?;
//!                 screen.draw(&mut state, SystemClock.now())?;
//!             }
//!         },
//!     }
//! }
//! drop(screen);
//! print!("{}", state.to_text(80, SystemClock.now()));
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: prices, sizes and volumes show the digits that the exchange sent; no control character
//! of a name or a reason reaches the terminal; nothing is told by colour alone; memory per market is
//! bounded; a number that does not fit is cut with `…`, never silently.

mod columns;
mod holdings;
mod plain;
mod rate;
mod row;
mod screen;
mod state;
mod text;
mod trend;
mod view;

pub use holdings::HoldingsTable;
pub use screen::{Keys, Screen, restore_terminal};
pub use state::{Action, Order, TableState};

#[cfg(test)]
mod tests;
