//! Signals of a server: SIGHUP reads the configuration again, SIGINT and SIGTERM stop it, a second one at once.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::error::CliError;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Read the configuration again.
    Reload,
    /// Stop in good order.
    Stop,
}

/// Waits for signals.
pub struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over from the system's default, which would end the process at once.
    pub fn new() -> Result<Self, CliError> {
        let take = |kind| signal(kind).context("signals cannot be taken");
        Ok(Self {
            hangup: take(SignalKind::hangup())?,
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
        })
    }

    /// The next one. Cancel safe.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.terminate.recv() => Asked::Stop,
        }
    }

    /// From now on SIGINT and SIGTERM end the process at once: what is still going on is only clean-up.
    pub fn exit_on_next(mut self) {
        tokio::spawn(async move {
            let code = tokio::select! {
                _ = self.interrupt.recv() => 130,
                _ = self.terminate.recv() => 143,
            };
            std::process::exit(code);
        });
    }
}
