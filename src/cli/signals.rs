//! SIGINT, SIGTERM and SIGHUP: the first asks to stop, the second ends the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::CliError;
use super::exit::Exit;

const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

/// Waits for signals.
pub struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over from the system's default, which would end the process at once.
    pub fn new() -> Result<Self, CliError> {
        let take = |kind| {
            signal(kind).map_err(|error| CliError::failed("internal", format!("signals: {error}")))
        };
        Ok(Self {
            hangup: take(SignalKind::hangup())?,
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
        })
    }

    /// The next one, as the exit code of being cut short by it.
    pub async fn next(&mut self) -> Exit {
        let signal = tokio::select! {
            _ = self.hangup.recv() => SIGHUP,
            _ = self.interrupt.recv() => SIGINT,
            _ = self.terminate.recv() => SIGTERM,
        };
        Exit::Signal(signal)
    }

    /// From now on the next signal ends the process at once: what is still going on is only clean-up.
    pub fn exit_on_next(mut self) {
        tokio::spawn(async move {
            let exit = self.next().await;
            std::process::exit(exit.code().into());
        });
    }
}
