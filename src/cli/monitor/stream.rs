//! `monitor` without `-1`: streams until it is told to stop.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::{Request, SLOW_READER_PATIENCE};
use crate::expression::Expression;
use crate::model::{Clock, Event, Instrument, SystemClock};
use crate::sink::lines::{Format, Lines};

use super::super::Ctx;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::output::{Closed, Output, reader_is_gone};
use super::super::signals::Signals;
use super::super::stand_ins::StandIns;
use super::others::Others;
use super::progress::{Progress, at, every, tick};
use super::settings::Settings;
use super::source::{Source, Stop, merge};
use super::tactics::Tactics;
use super::{Clocks, tell, tell_of_other, written};

/// What is formatted before it is handed to the writer; beyond this nothing is taken from the engine.
const CHUNK: usize = 64 * 1024;
/// Events that strategies are shown before they are formatted.
const DECIDED: usize = 256;
/// How often a reader that has left is looked for while nothing happens.
const READER_CHECK: Duration = Duration::from_millis(250);
/// What is still on its way after a signal may take so long.
const DRAIN: Duration = Duration::from_secs(2);
/// Programs that have yet to be told of it are waited for so long; beyond that they miss what they do not read.
const LAST_DECISIONS: Duration = Duration::from_secs(1);
/// So long for their last answers where nobody waits for the end.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// And the last of it so long to be read.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// Why streaming ended.
enum End {
    /// As asked, by number.
    Done,
    /// As asked, by time.
    TimeIsUp,
    /// The reader has seen enough: no summary, it is gone.
    ReaderLeft,
    /// By a signal.
    Signal(Exit),
    /// With an error.
    Error(CliError),
}

pub async fn run(
    settings: &Settings,
    format: Format,
    instruments: &[Arc<Instrument>],
    texts: &[String],
    mut others: Others,
    ctx: Ctx,
    signals: Signals,
) -> Result<Exit, CliError> {
    let tactics = Tactics::new(settings, instruments, &ctx).await?;
    let mut beside = tactics.streams(settings);
    others.read_beside(beside.iter().map(|(topic, _)| topic.clone()));
    let request = Request::instruments(instruments.iter().cloned())
        .streams(settings.streams.iter().copied())
        .also(beside.iter().map(|(topic, _)| topic.clone()))
        .also(others.topics())
        .delivery(settings.delivery(&ctx, instruments, &others));
    let clocks = Clocks::new(instruments, &ctx)?;
    for (topic, past) in others.computed.streams(settings) {
        merge(&mut beside, topic, past);
    }
    let mut view = View::new(settings, format, instruments, others, clocks, &ctx);
    view.tactics = tactics;
    // Opened before anything is connected.
    let output = Output::stdout();
    let written = written(instruments, texts);
    let source = Source::open(settings, instruments, written, request, beside, &ctx).await?;
    let end = view.follow(source, &output, signals).await;
    let outcome = view.end_tactics(&end).await;
    let finished = view.finish(output, end.patience()).await;
    if !matches!(end, End::ReaderLeft) {
        view.progress
            .total
            .lines()
            .for_each(|line| ctx.notices.say("summary", &line));
    }
    let outcome = outcome.map(|lines| {
        lines
            .iter()
            .for_each(|line| ctx.notices.say("backtest", line));
    });
    match end {
        End::Error(error) => Err(error),
        _ if outcome.is_err() => outcome.map(|()| Exit::Done),
        _ if finished.is_err() => finished.map(|()| Exit::Done),
        End::Signal(exit) => Ok(settings.exit_on(exit)),
        End::Done | End::TimeIsUp | End::ReaderLeft => Ok(Exit::Done),
    }
}

impl End {
    /// How long a reader is waited for that does not read what is left: after a signal only briefly.
    fn patience(&self) -> Option<Duration> {
        match self {
            Self::Done => None,
            Self::TimeIsUp => Some(SLOW_READER_PATIENCE),
            _ => Some(LAST_WRITE),
        }
    }
}

/// The events on their way to the user.
struct View<'a> {
    settings: &'a Settings,
    ctx: &'a Ctx,
    clocks: Clocks,
    others: Others,
    lines: Lines,
    buffer: Vec<u8>,
    /// Events that were taken and that strategies have not been told of.
    undecided: VecDeque<Event>,
    /// Those that go to the user, and how many of them are formatted.
    batch: Vec<Event>,
    formatted: usize,
    progress: Progress,
    tactics: Tactics,
}

impl<'a> View<'a> {
    fn new(
        settings: &'a Settings,
        format: Format,
        instruments: &[Arc<Instrument>],
        others: Others,
        clocks: Clocks,
        ctx: &'a Ctx,
    ) -> Self {
        let mut lines = Lines::new(format, settings.columns.clone());
        let mut buffer = Vec::new();
        lines.begin(settings.streams.first().copied(), &mut buffer);
        let mut progress = Progress::new(settings.topics(instruments))
            .beside(others.awaited())
            .patient(StandIns::new(ctx).patience());
        if settings.summary.is_some() {
            progress.restart_recent();
        }
        Self {
            settings,
            ctx,
            clocks,
            others,
            lines,
            buffer,
            undecided: VecDeque::new(),
            batch: Vec::new(),
            formatted: 0,
            progress,
            tactics: Tactics::default(),
        }
    }

    /// Streams until the end, whatever it is; what was on its way then is told, too.
    async fn follow(&mut self, mut source: Source, output: &Output, mut signals: Signals) -> End {
        let end = self.stream(&mut source, output, &mut signals).await;
        signals.exit_on_next();
        let is_cut = !matches!(end, End::Done | End::ReaderLeft) && self.cut(&mut source, &end);
        let engine = self.ctx.engine.clone();
        let stopped = tokio::spawn(async move { engine.shutdown().await });
        let is_lost = matches!(end, End::Error(_)) && !is_cut;
        let nothing_more = is_lost || matches!(end, End::ReaderLeft) || self.is_full();
        if !nothing_more {
            let more = (!is_cut).then_some(&mut source);
            let drained = self.drain(more, output);
            match end {
                End::Done => drained.await,
                End::TimeIsUp => drop(tokio::time::timeout(SLOW_READER_PATIENCE, drained).await),
                _ => drop(tokio::time::timeout(DRAIN, drained).await),
            }
        }
        drop(source);
        let _ = stopped.await;
        end
    }

    async fn stream(&mut self, source: &mut Source, output: &Output, signals: &mut Signals) -> End {
        let started: Instant = self.ctx.started.into();
        let first_deadline = self.settings.first_timeout.map(|timeout| started + timeout);
        let end_at = self
            .settings
            .duration
            .map(|duration| Instant::now() + duration);
        let (mut reader_check, mut summary) =
            (every(READER_CHECK), self.settings.summary.map(every));
        let mut batch = Vec::new();
        loop {
            self.format();
            if self.is_full() {
                return End::Done;
            }
            if let Some(error) = self.progress.all_failed() {
                return End::Error(error);
            }
            let is_formatted = self.is_formatted();
            let is_decided = is_formatted && self.undecided.is_empty();
            tokio::select! {
                permit = output.ready(), if !self.buffer.is_empty() => match permit {
                    Ok(permit) => permit.send(std::mem::take(&mut self.buffer)),
                    Err(closed) => return closed.into(),
                },
                taken = source.next_batch(&mut batch), if is_decided && self.buffer.len() < CHUNK => {
                    match taken {
                        Ok(()) => {
                            source.begin(&mut self.others.computed);
                            self.take(&mut batch);
                        }
                        Err(Stop::Over) => return End::Done,
                        Err(Stop::Error(error)) => return End::Error(error),
                    }
                }
                () = self.decide(), if is_formatted => {}
                // Also while no event comes whose writing would tell.
                closed = output.broken() => return closed.into(),
                exit = signals.next() => return End::Signal(exit),
                () = at(end_at) => {
                    let alive = self.ctx.engine.stats().messages > 0;
                    return self.progress.nothing_learnt(alive).map_or(End::TimeIsUp, End::Error);
                }
                () = at(first_deadline), if self.progress.awaits() => {
                    return match self.settings.first_timeout.and_then(|timeout| self.progress.late(timeout)) {
                        Some(error) => End::Error(error),
                        None => End::Done,
                    };
                }
                () = tick(&mut summary) => self.summarise(),
                _ = reader_check.tick() => {
                    if reader_is_gone() {
                        return End::ReaderLeft;
                    }
                }
            }
        }
    }

    /// Formats events that were taken, a chunk at most (a whole queue as text would be many times its size),
    /// and none beyond the asked number.
    fn format(&mut self) {
        let now = SystemClock.now();
        let batch = std::mem::take(&mut self.batch);
        while self.formatted < batch.len() && self.buffer.len() < CHUNK && !self.is_full() {
            let event = &batch[self.formatted];
            self.formatted += 1;
            if matches!(event, Event::Signal(_)) {
                // Where nothing else was asked for they are what is counted.
                let is_alone = self.settings.streams.is_empty();
                if is_alone && !self.others.pass(self.settings.filter.as_ref(), event, now) {
                    self.progress.filtered += 1;
                    continue;
                }
                self.progress.printed += u64::from(is_alone);
                let others = &mut self.others;
                let mut compute = |expression: &Expression| others.evaluate(expression, event, now);
                self.lines.write(event, now, &mut compute, &mut self.buffer);
                continue;
            }
            self.others.see(event);
            if !self.others.is_shown(event) {
                self.progress.see_other(event);
                tell_of_other(event, self.ctx.notices);
                continue;
            }
            self.progress.see(event);
            let now = self.clocks.now(event, now);
            if event.stream().is_some() {
                if !self.others.pass(self.settings.filter.as_ref(), event, now) {
                    self.progress.filtered += 1;
                    continue;
                }
                self.progress.printed += 1;
            } else if !self.lines.takes_notices() {
                tell(event, self.ctx.notices);
            }
            let others = &mut self.others;
            let mut compute = |expression: &Expression| others.evaluate(expression, event, now);
            self.lines.write(event, now, &mut compute, &mut self.buffer);
        }
        self.batch = batch;
        if self.is_formatted() {
            self.batch.clear();
            self.formatted = 0;
        }
    }

    /// Takes what has come; strategies see it first.
    fn take(&mut self, events: &mut Vec<Event>) {
        if self.tactics.is_empty() {
            std::mem::swap(&mut self.batch, events);
        } else {
            self.undecided.extend(events.drain(..));
        }
    }

    /// Shows events to strategies and puts their signals behind them; where there are none, waits for what programs
    /// say. Returns with what is to be formatted, before a program has to be waited for. Cancel safe.
    async fn decide(&mut self) {
        // With a number that is asked for nothing beyond it counts.
        let most = if self.settings.count.is_some() {
            1
        } else {
            DECIDED
        };
        while self.batch.len() < most {
            match self.undecided.front() {
                Some(event) if self.tactics.has_room(event) => self.decide_next(),
                _ if !self.batch.is_empty() => return,
                event => {
                    let signal = self.tactics.room(event).await;
                    self.batch.extend(signal);
                }
            }
        }
    }

    /// Shows the next event to strategies.
    fn decide_next(&mut self) {
        if let Some(event) = self.undecided.pop_front() {
            let mut signals = Vec::new();
            self.tactics.on_event(&event, &mut signals);
            self.batch.push(event);
            self.batch.append(&mut signals);
        }
    }

    /// Takes the last signals of programs, and the outcome of backtests.
    async fn end_tactics(&mut self, end: &End) -> Result<Vec<String>, CliError> {
        let mut last = Vec::new();
        let tactics = std::mem::take(&mut self.tactics);
        let patience = matches!(end, End::Signal(_) | End::ReaderLeft).then_some(LAST_ANSWERS);
        let notices = self.ctx.notices;
        let outcome = tactics.finish(patience, notices, &mut last).await;
        // What could not be written in time is given up.
        self.undecided.clear();
        if matches!(end, End::ReaderLeft | End::Error(_)) {
            last.clear();
        }
        (self.batch, self.formatted) = (last, 0);
        outcome
    }

    /// Writes the rest; waits until it is read, for `patience` at most where there is one.
    async fn finish(&mut self, output: Output, patience: Option<Duration>) -> Result<(), CliError> {
        let finished = async {
            self.drain(None, &output).await;
            output.finish(std::mem::take(&mut self.buffer)).await
        };
        let finished = match patience {
            Some(patience) => tokio::time::timeout(patience, finished).await,
            None => Ok(finished.await),
        };
        finished
            .map_err(|_| CliError::failed("output", "stdout: nobody reads the last lines"))?
            .or_else(Closed::into_result)
    }

    fn is_formatted(&self) -> bool {
        self.formatted >= self.batch.len()
    }

    fn is_full(&self) -> bool {
        self.settings
            .count
            .is_some_and(|count| self.progress.printed >= count)
    }

    fn summarise(&mut self) {
        if let Some(recent) = self.progress.restart_recent() {
            recent
                .lines()
                .for_each(|line| self.ctx.notices.say("summary", &line));
        }
    }

    /// Ends the past where it is; whether it was still being told.
    fn cut(&mut self, source: &mut Source, end: &End) -> bool {
        let mut last = Vec::new();
        let Some(hint) = source.break_off(&mut last) else {
            return false;
        };
        self.take(&mut last);
        // An error has a hint of its own.
        if !matches!(end, End::Error(_)) {
            let hint = format!("tickwire: hint: {hint}");
            self.ctx.notices.say("history", &hint);
        }
        true
    }

    async fn drain(&mut self, mut source: Option<&mut Source>, output: &Output) {
        let deadline = Instant::now() + LAST_DECISIONS;
        let mut batch = Vec::new();
        loop {
            self.format();
            if !self.buffer.is_empty() {
                match output.ready().await {
                    Ok(permit) => permit.send(std::mem::take(&mut self.buffer)),
                    Err(_) => return,
                }
            } else if self.is_full() {
                return;
            } else if !self.is_formatted() {
                continue;
            } else if !self.undecided.is_empty() {
                // A program that is waited for no longer misses it, which is told.
                if tokio::time::timeout_at(deadline, self.decide())
                    .await
                    .is_err()
                {
                    self.decide_next();
                }
            } else if let Some(source) = &mut source
                && source.next_batch(&mut batch).await.is_ok()
            {
                source.begin(&mut self.others.computed);
                self.take(&mut batch);
            } else {
                return;
            }
        }
    }
}

impl From<Closed> for End {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Quietly => End::ReaderLeft,
            Closed::Failed(error) => End::Error(error),
        }
    }
}
