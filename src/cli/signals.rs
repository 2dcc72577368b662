//! SIGINT, SIGTERM and SIGHUP: the first asks to stop, the second ends the process.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::CliError;
use super::exit::Exit;

const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

/// Waits for signals.
pub struct Signals {
    /// `None` where it was ignored already: under `nohup` a terminal may go away.
    hangup: Option<Signal>,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over from the system's default, which would end the process at once.
    pub fn new() -> Result<Self, CliError> {
        let take = |kind| signal(kind).context("signals cannot be taken");
        Ok(Self {
            hangup: (!hangup_is_ignored())
                .then(|| take(SignalKind::hangup()))
                .transpose()?,
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
        })
    }

    /// The next one, as the exit code of being cut short by it.
    pub async fn next(&mut self) -> Exit {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let signal = tokio::select! {
            _ = hangup => SIGHUP,
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

/// Whether whoever started us wants SIGHUP ignored. Where there is no `/proc` it is taken.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 << (SIGHUP - 1) != 0)
}
