//! Stdout: written by a thread of its own, so that a reader that does not read stops nobody else.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::{mpsc, oneshot};

use super::error::CliError;

/// Stdout as a queue of chunks: one that waits beside the one that is being written.
pub struct Output {
    chunks: Option<mpsc::Sender<Vec<u8>>>,
    error: Arc<Mutex<Option<io::Error>>>,
    ended: oneshot::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// Why nothing more can be written.
#[derive(Debug)]
pub enum Closed {
    /// The reader has seen enough: a quiet end.
    Quietly,
    /// Writing failed.
    Failed(CliError),
}

impl Closed {
    /// A reader that has seen enough is no failure.
    pub fn into_result(self) -> Result<(), CliError> {
        match self {
            Self::Quietly => Ok(()),
            Self::Failed(error) => Err(error),
        }
    }
}

impl Output {
    /// Starts the thread.
    pub fn stdout() -> Self {
        let (chunks, mut queue) = mpsc::channel::<Vec<u8>>(1);
        let (end, ended) = oneshot::channel();
        let error = Arc::new(Mutex::new(None));
        let failed = error.clone();
        let thread = std::thread::spawn(move || {
            // Dropping it tells the end, however that comes.
            let _end: oneshot::Sender<()> = end;
            let mut stdout = io::stdout().lock();
            while let Some(chunk) = queue.blocking_recv() {
                if let Err(error) = stdout.write_all(&chunk).and_then(|()| stdout.flush()) {
                    *failed.lock().expect("no holder of this lock panics") = Some(error);
                    return;
                }
            }
        });
        Self {
            chunks: Some(chunks),
            error,
            ended,
            thread: Some(thread),
        }
    }

    /// Waits until a chunk can be handed over. Cancel safe.
    pub async fn ready(&self) -> Result<mpsc::Permit<'_, Vec<u8>>, Closed> {
        match &self.chunks {
            Some(chunks) => chunks.reserve().await.map_err(|_| self.closed()),
            None => Err(Closed::Quietly),
        }
    }

    /// Waits until nothing more can be written. Cancel safe.
    pub async fn broken(&self) -> Closed {
        if let Some(chunks) = &self.chunks {
            chunks.closed().await;
        }
        self.closed()
    }

    /// Writes the last chunk and waits until everything is written.
    pub async fn finish(mut self, rest: Vec<u8>) -> Result<(), Closed> {
        if !rest.is_empty()
            && let Ok(permit) = self.ready().await
        {
            permit.send(rest);
        }
        self.chunks = None;
        // The sender is dropped, never used: the error is the message.
        let _ = (&mut self.ended).await;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let error = self
            .error
            .lock()
            .expect("no holder of this lock panics")
            .take();
        error.map_or(Ok(()), |error| Err(describe(&error)))
    }

    fn closed(&self) -> Closed {
        let error = self
            .error
            .lock()
            .expect("no holder of this lock panics")
            .take();
        error.map_or(Closed::Quietly, |error| describe(&error))
    }
}

fn describe(error: &io::Error) -> Closed {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Closed::Quietly;
    }
    // Without "(os error 28)": the words say it.
    let text = error.to_string();
    let text = text
        .split(" (os error")
        .next()
        .unwrap_or_default()
        .to_lowercase();
    Closed::Failed(CliError::failed("output", format!("stdout: {text}")))
}

/// Writes one text to stdout, for commands that end with it. A closed pipe is fine.
pub fn print(text: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text)
        .and_then(|()| stdout.flush())
        .or_else(|error| unwritten(&error))
}

/// What becomes of text that could not be written: nothing where nobody wanted it.
pub fn unwritten(error: &io::Error) -> Result<(), CliError> {
    describe(error).into_result()
}

/// Like [`print`], without blocking the runtime: signals are heard while nobody reads.
pub async fn print_and_wait(text: Vec<u8>) -> Result<(), CliError> {
    let finished = Output::stdout().finish(text).await;
    finished.or_else(Closed::into_result)
}

/// Whether nobody can read stdout any more, found without writing: `tickwire … | head -n 1` has to end
/// also when no further event comes.
pub fn reader_is_gone() -> bool {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return false;
    }
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).is_ok_and(|_| {
        fds[0]
            .revents()
            .intersects(PollFlags::ERR | PollFlags::NVAL)
    })
}
