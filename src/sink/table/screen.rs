//! The terminal: taken when a screen is opened, given back whatever happens.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{self, Event as Input};
use crossterm::style::{Attribute, SetAttribute, force_color_output};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use tokio::sync::mpsc;

use super::{HoldingsTable, TableState};
use crate::model::Timestamp;

/// Whether the terminal is ours now. There is one terminal, so there is one of this.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// One write per frame: a frame of a very large terminal with colours is smaller.
const FRAME_BYTES: usize = 256 * 1024;

/// How long the reader of keys waits before it looks whether anybody still listens.
const KEY_POLL: Duration = Duration::from_millis(100);

/// Keys that nobody took yet; more of them wait in the terminal.
const KEY_QUEUE: usize = 64;

/// The alternate screen in raw mode. Dropping it gives the terminal back.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    colour: bool,
}

impl Screen {
    /// Takes the terminal. A panic of any thread gives it back before the panic is told.
    ///
    /// Errors: standard output is no terminal, no terminal to read keys from, a screen is open already.
    pub fn open(colour: bool) -> io::Result<Self> {
        if !stdout().is_terminal() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "standard output is not a terminal",
            ));
        }
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Err(io::Error::other("the screen is open already"));
        }
        HOOK.call_once(|| {
            let former = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore_terminal();
                former(panic);
            }));
        });
        // NO_COLOR has been weighed by the caller; crossterm would weigh it again.
        force_color_output(colour);
        let opened = (|| {
            enable_raw_mode()?;
            execute!(stdout(), EnterAlternateScreen, Hide)?;
            Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(
                FRAME_BYTES,
                stdout(),
            )))
        })();
        match opened {
            Ok(terminal) => Ok(Self { terminal, colour }),
            Err(error) => {
                restore_terminal();
                Err(error)
            }
        }
    }

    /// Draws what changed since the last frame.
    ///
    /// Errors: the terminal is gone, or a panic elsewhere has given it back.
    pub fn draw(&mut self, state: &mut TableState, now: Timestamp) -> io::Result<()> {
        let colour = self.colour;
        self.paint(|area, buffer| state.render(area, buffer, now, colour))
    }

    /// The same for what is held.
    pub fn draw_holdings(&mut self, table: &mut HoldingsTable, now: Timestamp) -> io::Result<()> {
        let colour = self.colour;
        self.paint(|area, buffer| table.render(area, buffer, now, colour))
    }

    fn paint(&mut self, paint: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        // Held for the whole frame: a panic hook in another thread then restores before or after it,
        // never in its middle.
        let _frame = stdout().lock();
        if !TAKEN.load(Ordering::SeqCst) {
            return Err(io::Error::other("the screen was closed"));
        }
        self.terminal
            .draw(|frame| paint(frame.area(), frame.buffer_mut()))?;
        Ok(())
    }

    /// Forgets what the terminal shows: the next frame is drawn in full. For a changed size (a terminal
    /// may lose text when it shrinks and grows back between two frames) and for foreign output.
    pub fn repaint(&mut self) -> io::Result<()> {
        let _frame = stdout().lock();
        if !TAKEN.load(Ordering::SeqCst) {
            return Err(io::Error::other("the screen was closed"));
        }
        // Not `Terminal::clear`: that asks the terminal for the cursor and waits for the answer, which
        // the reader of keys would take.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = Backend::flush(self.terminal.backend_mut());
        restore_terminal();
    }
}

/// Gives the terminal back where a [`Screen`] has it; does nothing otherwise.
///
/// For ways out that drop nothing, such as `std::process::exit`.
pub fn restore_terminal() {
    // The lock first: see `Screen::draw`.
    let mut out = stdout().lock();
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing can be done about a terminal that is gone.
        let _ = queue!(
            out,
            SetAttribute(Attribute::Reset),
            LeaveAlternateScreen,
            Show
        );
        let _ = out.flush();
        let _ = disable_raw_mode();
    }
}

/// Keys and changes of size, read by a thread of their own.
///
/// The thread ends within a tenth of a second after this is dropped.
pub struct Keys {
    inputs: mpsc::Receiver<Input>,
}

impl Keys {
    /// Starts reading. Open the [`Screen`] first: keys come one by one only in raw mode.
    pub fn read() -> io::Result<Self> {
        let (sender, inputs) = mpsc::channel(KEY_QUEUE);
        std::thread::Builder::new()
            .name("keys".into())
            .spawn(move || forward(&sender))?;
        Ok(Self { inputs })
    }

    /// The next input, for [`TableState::input`]; `None` when the terminal gives no more. Cancel safe.
    pub async fn next(&mut self) -> Option<Input> {
        self.inputs.recv().await
    }
}

fn forward(sender: &mpsc::Sender<Input>) {
    while !sender.is_closed() {
        let input = match event::poll(KEY_POLL) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) => Err(error),
        };
        let Ok(input) = input else {
            return;
        };
        if sender.blocking_send(input).is_err() {
            return;
        }
    }
}
