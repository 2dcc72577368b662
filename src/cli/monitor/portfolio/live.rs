//! `monitor --portfolio` as lines: one for each change, until it is told to stop.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Clock, SystemClock};
use crate::portfolio::Valuation;
use crate::sink::lines::Format;

use super::super::super::Ctx;
use super::super::super::error::CliError;
use super::super::super::exit::Exit;
use super::super::super::holdings::Holdings;
use super::super::super::output::{Closed, Output, reader_is_gone};
use super::super::super::signals::Signals;
use super::super::progress::{at, every};
use super::super::{engine_stopped, tell};
use super::Wanted;
use super::lines::Lines;

/// How often a reader that has left is looked for while nothing happens.
const READER_CHECK: Duration = Duration::from_millis(250);
/// The first line waits so long for the last price.
const FIRST_LINE: Duration = Duration::from_secs(5);
/// What was written last may take so long to be read.
const LAST_WRITE: Duration = Duration::from_secs(2);
/// Saying goodbye to the exchange.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why it ended.
pub enum End {
    /// As asked.
    Done,
    /// The reader has seen enough.
    ReaderLeft,
    Signal(Exit),
    Error(CliError),
}

impl End {
    pub fn outcome(self, wanted: &Wanted) -> Result<Exit, CliError> {
        match self {
            Self::Error(error) => Err(error),
            Self::Signal(exit) => Ok(wanted.exit_on(exit)),
            Self::Done | Self::ReaderLeft => Ok(Exit::Done),
        }
    }
}

impl From<Closed> for End {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Quietly => Self::ReaderLeft,
            Closed::Failed(error) => Self::Error(error),
        }
    }
}

pub async fn run(
    wanted: &Wanted,
    format: Format,
    holdings: &mut Holdings,
    ctx: &Ctx,
    mut signals: Signals,
) -> Result<Exit, CliError> {
    let output = Output::stdout();
    let mut lines = Lines::new(format, wanted.fields.clone());
    let mut buffer = Vec::new();
    lines.begin(&mut buffer);
    let end = follow(
        wanted,
        &mut lines,
        &mut buffer,
        holdings,
        ctx,
        &output,
        &mut signals,
    )
    .await;
    signals.exit_on_next();
    let _ = tokio::time::timeout(GOODBYE, ctx.engine.shutdown()).await;
    let finished = match end {
        End::Done => output.finish(buffer).await,
        _ => tokio::time::timeout(LAST_WRITE, output.finish(buffer))
            .await
            .unwrap_or(Ok(())),
    };
    let exit = end.outcome(wanted)?;
    finished.or_else(Closed::into_result)?;
    Ok(exit)
}

async fn follow(
    wanted: &Wanted,
    lines: &mut Lines,
    buffer: &mut Vec<u8>,
    holdings: &mut Holdings,
    ctx: &Ctx,
    output: &Output,
    signals: &mut Signals,
) -> End {
    let mut updates = Updates::new(wanted, ctx);
    let mut reader_check = every(READER_CHECK);
    let mut refresh = every(wanted.refresh);
    loop {
        if let Some(end) = updates.end(holdings) {
            return end;
        }
        let awaits = !holdings.awaited().is_empty();
        tokio::select! {
            permit = output.ready(), if !buffer.is_empty() => match permit {
                Ok(permit) => permit.send(std::mem::take(buffer)),
                Err(closed) => return closed.into(),
            },
            told = holdings.next() => {
                if told.is_err() {
                    return End::Error(engine_stopped());
                }
                holdings.events().iter().for_each(|event| tell(event, ctx.notices));
            }
            // One who does not read gets the newest once he does.
            _ = refresh.tick(), if buffer.is_empty() => {
                if let Some(valuation) = updates.next(holdings) {
                    lines.write(valuation, SystemClock.now(), buffer);
                }
            }
            closed = output.broken() => return closed.into(),
            exit = signals.next() => return End::Signal(exit),
            () = at(updates.end_at) => return updates.time_is_up(),
            () = at(updates.first_deadline), if awaits => return late(wanted, holdings),
            _ = reader_check.tick() => {
                if reader_is_gone() {
                    return End::ReaderLeft;
                }
            }
        }
    }
}

/// What was shown so far, and when the end is.
pub struct Updates {
    last: Option<Valuation>,
    shown: u64,
    count: Option<u64>,
    first_by: Instant,
    pub end_at: Option<Instant>,
    pub first_deadline: Option<Instant>,
}

impl Updates {
    pub fn new(wanted: &Wanted, ctx: &Ctx) -> Self {
        let now = Instant::now();
        let started: Instant = ctx.started.into();
        Self {
            last: None,
            shown: 0,
            count: wanted.count,
            first_by: now + FIRST_LINE,
            end_at: wanted.duration.map(|duration| now + duration),
            first_deadline: wanted.first_timeout.map(|timeout| started + timeout),
        }
    }

    /// The value now, where it is another than the one before. The first waits a while for all prices.
    pub fn next(&mut self, holdings: &Holdings) -> Option<&Valuation> {
        let is_due = holdings.is_settled(false) || Instant::now() >= self.first_by;
        if self.last.is_none() && !is_due {
            return None;
        }
        let valuation = holdings.value();
        if self.last.as_ref() == Some(&valuation) {
            return None;
        }
        self.shown += 1;
        Some(self.last.insert(valuation))
    }

    /// Whether this is the end: by number, or because nothing can come any more.
    pub fn end(&self, holdings: &Holdings) -> Option<End> {
        if self.count.is_some_and(|count| self.shown >= count) {
            return Some(End::Done);
        }
        let failed = || CliError {
            retryable: false,
            ..CliError::unknown(
                "failed",
                "every market of the portfolio was refused or given up",
            )
        };
        holdings.have_failed().then(|| End::Error(failed()))
    }

    /// The end by time: no good one where nothing was learnt.
    pub fn time_is_up(&self) -> End {
        let value = self.last.as_ref().and_then(|last| last.total_value);
        match value {
            Some(_) => End::Done,
            None => End::Error(CliError::unknown(
                "no_data",
                "no data: nothing of it has a price",
            )),
        }
    }
}

/// Prices that have not come in time.
pub fn late(wanted: &Wanted, holdings: &Holdings) -> End {
    let mut names: Vec<_> = holdings.awaited().iter().map(ToString::to_string).collect();
    names.sort();
    let within = crate::duration::format(wanted.first_timeout.unwrap_or_default());
    let message = format!("{}: no data within {within}", names.join(", "));
    End::Error(CliError::unknown("no_data", message))
}
