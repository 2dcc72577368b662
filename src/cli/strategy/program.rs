//! A program that decides: events go to its stdin, its signals come from its stdout.

use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::model::{Event, JsonWriter, Market, Signal};
use crate::strategy::{Decides, Strategy};

use super::super::error::CliError;
use super::super::notices::Notices;
use super::answer::{Glimpse, Known};
use super::supervisor::{Supervisor, start};

/// Events that wait to be read by it.
const QUEUE: usize = 10_000;
/// Signals that wait to be taken.
const ANSWERS: usize = 1_024;
/// How often events that it was too slow for are told.
const DROPS_TOLD: Duration = Duration::from_secs(10);

/// Who waits for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The market waits for nobody: a program that is too slow misses events, one that ends is started again.
    Live,
    /// The program is waited for, and its end is the end.
    Backtest,
}

/// A program at work. Dropping it kills the program with its group.
pub struct Program {
    name: String,
    notices: Notices,
    json: JsonWriter,
    events: Sender<Sent>,
    signals: Receiver<Signal>,
    closing: CancellationToken,
    supervisor: AbortOnDropHandle<Result<(), CliError>>,
    /// Events that it was too slow for and that were not told yet, and when some were told last.
    dropped: u64,
    dropped_told: Option<Instant>,
}

/// An event on its way.
pub struct Sent {
    pub line: Vec<u8>,
    pub glimpse: Option<Glimpse>,
}

impl Program {
    /// Starts it; `None` where the strategy is none that a program decides. `markets`: what it will hear of.
    ///
    /// Errors: it cannot be started, exit code 2.
    pub fn start(
        strategy: &Strategy,
        markets: &[Market],
        pace: Pace,
        notices: Notices,
    ) -> Result<Option<Self>, CliError> {
        let Decides::Program(command) = strategy.decides() else {
            return Ok(None);
        };
        let name = strategy.name();
        let first = start(command).map_err(|error| {
            let message = format!("strategy `{name}`: {}", error.message);
            let hint = error
                .hint
                .unwrap_or_else(|| format!("see `command` in [strategies.{name}]"));
            CliError::usage("strategy", message).hint(hint)
        })?;
        let (events, queue) = channel(QUEUE);
        let (answers, signals) = channel(ANSWERS);
        let closing = CancellationToken::new();
        let supervisor = Supervisor {
            name: name.to_owned(),
            command: command.clone(),
            pace,
            known: Known::new(name, markets, pace),
            queue,
            answers,
            closing: closing.clone(),
            notices,
            told: Vec::new(),
        };
        Ok(Some(Self {
            name: name.to_owned(),
            notices,
            json: JsonWriter::default(),
            events,
            signals,
            closing,
            supervisor: AbortOnDropHandle::new(tokio::spawn(supervisor.run(first))),
            dropped: 0,
            dropped_told: None,
        }))
    }

    /// Hands an event on, and never waits: where too many wait already it is dropped, and that is told.
    pub fn send(&mut self, event: &Event) {
        let mut line = Vec::with_capacity(512);
        self.json.write(event, &mut line);
        line.push(b'\n');
        let glimpse = Glimpse::of(event);
        if let Err(TrySendError::Full(_)) = self.events.try_send(Sent { line, glimpse }) {
            self.dropped += 1;
        }
        let told = self.dropped_told;
        if self.dropped > 0 && told.is_none_or(|at| at.elapsed() >= DROPS_TOLD) {
            self.tell_dropped();
        }
    }

    /// Whether the next event finds room, or nobody is there any more to read it.
    pub fn has_room(&self) -> bool {
        self.events.capacity() > 0 || self.events.is_closed()
    }

    /// Waits until the next event finds room, which over history comes before each [`Program::send`]. A signal
    /// that comes first is returned instead: take it and ask again.
    pub async fn room(&mut self) -> Option<Signal> {
        tokio::select! {
            biased;
            Some(signal) = self.signals.recv() => Some(signal),
            // An error: it has ended. Then there is nobody to wait for.
            _ = self.events.reserve() => None,
        }
    }

    /// The next signal; `None` once there will be no other. Dropping the future loses none.
    pub async fn next(&mut self) -> Option<Signal> {
        self.signals.recv().await
    }

    /// Closes its stdin and takes its last signals: for 2 s, over history until it has read nothing for 10 s or has
    /// not ended 10 s after the last; then it is killed.
    ///
    /// Errors: over history, a program that failed or did not end.
    pub async fn finish(mut self, mut take: impl FnMut(Signal)) -> Result<(), CliError> {
        if self.dropped > 0 {
            self.tell_dropped();
        }
        self.closing.cancel();
        drop(self.events);
        while let Some(signal) = self.signals.recv().await {
            take(signal);
        }
        self.supervisor.await.unwrap_or_else(|_| {
            Err(CliError::failed(
                "internal",
                "a strategy's watch ended early",
            ))
        })
    }

    #[cfg(test)]
    pub fn has_dropped(&self) -> bool {
        self.dropped_told.is_some()
    }

    fn tell_dropped(&mut self) {
        let (name, count) = (&self.name, std::mem::take(&mut self.dropped));
        let message = format!(
            "strategy `{name}`: {count} events were not sent, its program reads too slowly"
        );
        self.notices.warn("strategy", &message);
        self.dropped_told = Some(Instant::now());
    }
}
