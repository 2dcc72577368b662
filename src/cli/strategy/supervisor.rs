//! Runs a program that decides, and runs it again when it ends.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::action::{ActionError, Running, cannot_start, how};
use crate::duration;
use crate::model::Signal;

use super::super::error::{CliError, clipped};
use super::super::notices::Notices;
use super::answer::Known;
use super::lines::{Line, Lines};
use super::program::{Pace, Sent};

/// What is taken from the queue before it is written.
const CHUNK: usize = 16 * 1024;
/// The first wait before it is started again; it doubles each time.
const DELAY: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(60);
/// One that ran so long has proved itself: the waits begin anew.
const PROVED: Duration = Duration::from_secs(60);
/// How long its output may still be on its way once it has ended. A process that it left behind may hold the pipe
/// open for ever.
const DRAIN: Duration = Duration::from_millis(250);

/// Starts a program in a process group of its own: Ctrl-C is ours alone, and what it starts ends with it.
pub fn start(command: &[String]) -> Result<Running, ActionError> {
    let program = command.first().map_or("", String::as_str);
    let child = Command::new(program)
        .args(command.iter().skip(1))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    child
        .map(Running)
        .map_err(|error| cannot_start(program, &error))
}

pub struct Supervisor {
    pub name: String,
    pub command: Vec<String>,
    pub pace: Pace,
    pub known: Known,
    pub queue: Receiver<Sent>,
    pub answers: Sender<Signal>,
    pub closing: CancellationToken,
    pub notices: Notices,
    /// Sorts of bad lines that were told.
    pub told: Vec<&'static str>,
}

/// How one run of the program ended.
enum End {
    /// By itself, while there was more to send.
    Early(ExitStatus),
    /// After its stdin was closed.
    Closed(ExitStatus),
    /// It was killed: it did not end after its stdin was closed, or did not read it to the end.
    Killed { read_all: bool },
    /// It cannot be known.
    Unknown(std::io::Error),
}

/// A program's stdin, and what is on its way there.
struct Input {
    /// `None` once it is closed, by whomever.
    pipe: Option<ChildStdin>,
    buffer: Vec<u8>,
    written: usize,
}

impl Input {
    /// Writes some of what is there.
    async fn write(&mut self) {
        let Some(pipe) = &mut self.pipe else {
            return std::future::pending().await;
        };
        match pipe.write(&self.buffer[self.written..]).await {
            Ok(count) => self.written += count,
            // It does not read any more; it may still decide.
            Err(_) => self.pipe = None,
        }
        if self.pipe.is_none() || self.written == self.buffer.len() {
            self.buffer.clear();
            self.written = 0;
        }
    }

    fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    fn push(&mut self, line: &[u8]) {
        if self.pipe.is_some() {
            self.buffer.extend_from_slice(line);
        }
    }
}

impl Supervisor {
    /// Errors: over history, a program that failed or did not end.
    pub async fn run(mut self, first: Running) -> Result<(), CliError> {
        let mut running = first;
        let mut delay = DELAY;
        loop {
            let started = Instant::now();
            let end = self.serve(running).await;
            if self.pace == Pace::Backtest || matches!(end, End::Closed(_) | End::Killed { .. }) {
                return self.ended(end);
            }
            if started.elapsed() >= PROVED {
                delay = DELAY;
            }
            let mut why = match end {
                End::Early(status) => format!("its program {}", how(status)),
                End::Closed(_) | End::Killed { .. } => String::new(),
                End::Unknown(error) => format!("its program cannot be waited for: {error}"),
            };
            running = loop {
                // Several that fail alike should not all come back at once.
                let wait = delay.mul_f64(0.5 + fastrand::f64() / 2.0);
                delay = (delay * 2).min(DELAY_MAX);
                let shown = duration::format(Duration::from_millis(wait.as_millis() as u64));
                self.warn(&format!("{why}; again in {shown}"));
                tokio::select! {
                    () = sleep(wait) => {}
                    () = self.closing.cancelled() => return Ok(()),
                }
                match start(&self.command) {
                    Ok(running) => break running,
                    Err(error) => why = error.message,
                }
            };
        }
    }

    /// Feeds it and listens to it until it ends.
    async fn serve(&mut self, mut running: Running) -> End {
        let child = &mut running.0;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut input = Input {
            pipe: stdin,
            buffer: Vec::new(),
            written: 0,
        };
        let mut out = Lines::new(stdout.expect("it was started with a pipe"));
        let mut err = Lines::new(stderr.expect("it was started with a pipe"));
        let (mut out_open, mut err_open, mut events_open) = (true, true, true);
        let (mut status, mut deadline) = (None, None);
        let (closing, mut is_closing) = (self.closing.clone(), false);
        loop {
            tokio::select! {
                line = out.next(), if out_open => match line {
                    Ok(Some(line)) => self.answer(&line).await,
                    _ => out_open = false,
                },
                line = err.next(), if err_open => match line {
                    Ok(Some(line)) => self.pass_on(&line),
                    _ => err_open = false,
                },
                ended = child.wait(), if status.is_none() => match ended {
                    Ok(ended) => {
                        status = Some(ended);
                        deadline = Some(Instant::now() + DRAIN);
                    }
                    Err(error) => return End::Unknown(error),
                },
                () = closing.cancelled(), if !is_closing => is_closing = true,
                () = input.write(), if !input.is_empty() && status.is_none() => {
                    // Over history it is waited for as long as it reads.
                    deadline = deadline.filter(|_| self.pace == Pace::Live);
                }
                sent = self.queue.recv(), if events_open && input.buffer.len() < CHUNK && status.is_none() => match sent {
                    Some(Sent { line, glimpse }) => {
                        input.push(&line);
                        glimpse.into_iter().for_each(|glimpse| self.known.see(glimpse));
                    }
                    None => events_open = false,
                },
                () = async { sleep_until(deadline.unwrap_or_else(Instant::now)).await }, if deadline.is_some() => {
                    return match status {
                        Some(status) => self.end(events_open, status),
                        // Dropping it kills it.
                        None => End::Killed { read_all: input.pipe.is_none() },
                    };
                }
            }
            if let Some(status) = status.filter(|_| !out_open && !err_open) {
                return self.end(events_open, status);
            }
            if !events_open && input.is_empty() {
                input.pipe = None;
            }
            // A live one gets no more time to read what it was too slow for.
            if is_closing && deadline.is_none() {
                deadline = Some(Instant::now() + self.grace());
            }
        }
    }

    fn end(&self, events_open: bool, status: ExitStatus) -> End {
        if events_open && !self.closing.is_cancelled() {
            End::Early(status)
        } else {
            End::Closed(status)
        }
    }

    fn grace(&self) -> Duration {
        match self.pace {
            Pace::Live => Duration::from_secs(2),
            Pace::Backtest => Duration::from_secs(10),
        }
    }

    /// What is made of the last end.
    fn ended(&self, end: End) -> Result<(), CliError> {
        let why = match end {
            End::Closed(status) if status.success() => return Ok(()),
            End::Early(status) if status.success() => {
                self.warn("its program has ended before the events did");
                return Ok(());
            }
            End::Early(status) | End::Closed(status) => {
                format!("its program {}", how(status))
            }
            End::Killed { read_all } => {
                let grace = duration::format(self.grace());
                match read_all || self.pace == Pace::Live {
                    true => format!(
                        "its program was killed, it did not end within {grace} of its stdin"
                    ),
                    false => {
                        format!("its program was killed, it read nothing of its stdin for {grace}")
                    }
                }
            }
            End::Unknown(error) => format!("its program cannot be waited for: {error}"),
        };
        if self.pace == Pace::Backtest {
            let message = format!("strategy `{}`: {why}", self.name);
            return Err(CliError::failed("strategy", message));
        }
        self.warn(&why);
        Ok(())
    }

    async fn answer(&mut self, line: &Line) {
        match self.known.signal(line) {
            Ok(None) => {}
            // An error: nobody takes signals any more, and soon we are dropped.
            Ok(Some(signal)) => drop(self.answers.send(signal).await),
            Err(fault) => {
                if !self.told.contains(&fault.kind) {
                    self.told.push(fault.kind);
                    let (why, shown) = (fault.message, clipped(&line.text));
                    self.warn(&format!("a line is no signal: {why}: {shown}"));
                }
            }
        }
    }

    fn pass_on(&self, line: &Line) {
        let text = format!("{}: {}", self.name, line.text);
        self.notices.say("strategy_stderr", &text);
    }

    fn warn(&self, what: &str) {
        let message = format!("strategy `{}`: {what}", self.name);
        self.notices.warn("strategy", &message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_sort_of_bad_line_is_told_once() {
        let (_events, queue) = tokio::sync::mpsc::channel(1);
        let (answers, mut signals) = tokio::sync::mpsc::channel(1);
        let mut supervisor = Supervisor {
            name: "mine".into(),
            command: Vec::new(),
            pace: Pace::Live,
            known: Known::new("mine", &[], Pace::Live),
            queue,
            answers,
            closing: CancellationToken::new(),
            notices: Notices {
                json: false,
                quiet: true,
            },
            told: Vec::new(),
        };
        for text in ["x", "y", r#"{"side":"hold"}"#, "z", r#"{"side":1}"#] {
            let line = Line {
                text: text.into(),
                is_cut: false,
            };
            supervisor.answer(&line).await;
        }
        assert_eq!(supervisor.told, ["json", "side"]);
        assert!(signals.try_recv().is_err(), "none of them is a signal");
    }
}
