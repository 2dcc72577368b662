//! One way of one connection.
use super::{
    LineFaults,
    frames::{Splitter, Unit, squeezed, subject},
};
use bytes::Bytes;
use std::{collections::VecDeque, io, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

/// Bytes on their way; beyond them the sender has to wait.
const IN_FLIGHT: usize = 1024 * 1024;
/// Longest wait of a message for the one that is to overtake it.
const OVERTAKEN_WITHIN: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the exchange.
    Up,
    /// To the client.
    Down,
}

pub(super) struct Lane {
    way: Way,
    faults: watch::Receiver<LineFaults>,
    rng: fastrand::Rng,
    splitter: Splitter,
    /// What arrives when; `None` is the end.
    queue: VecDeque<(Instant, Option<Bytes>)>,
    in_flight: usize,
    ended: bool,
    /// A message that waits for the next one to overtake it.
    held: Option<(Instant, Bytes)>,
}

impl Lane {
    pub fn new(way: Way, faults: watch::Receiver<LineFaults>, rng: fastrand::Rng) -> Self {
        Self {
            way,
            faults,
            rng,
            splitter: Splitter::default(),
            queue: VecDeque::new(),
            in_flight: 0,
            ended: false,
            held: None,
        }
    }

    /// Carries everything until the sender has ended and all of it has arrived.
    pub async fn run(
        mut self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let hole = {
                let line = self.faults.borrow_and_update();
                match self.way {
                    Way::Up => line.blackhole_up,
                    Way::Down => line.blackhole_down,
                }
            };
            let arrives = self.queue.front().map(|(at, _)| *at).filter(|_| !hole);
            let overtaken = self.held.as_ref().map(|(until, _)| *until);
            tokio::select! {
                biased;
                changed = self.faults.changed() => if changed.is_err() {
                    return Ok(());
                },
                () = at(arrives), if arrives.is_some() => match self.queue.pop_front() {
                    Some((_, Some(bytes))) => {
                        self.in_flight -= bytes.len();
                        self.write(&mut to, &bytes).await?;
                    }
                    _ => return to.shutdown().await,
                },
                () = at(overtaken), if overtaken.is_some() => self.release(),
                read = from.read(&mut buffer), if !self.ended && self.in_flight < IN_FLIGHT => {
                    match read? {
                        0 => self.end(),
                        n => self.take(&buffer[..n]),
                    }
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.way == Way::Up {
            self.send(Bytes::copy_from_slice(bytes));
            return;
        }
        self.splitter.push(bytes);
        while let Some(unit) = self.splitter.next() {
            match unit {
                Unit::Plain(bytes) => self.send(bytes),
                Unit::Text { frame, text } => self.message(frame, &text),
            }
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.release();
        if let Unit::Plain(rest) = self.splitter.rest()
            && !rest.is_empty()
        {
            self.send(rest);
        }
        self.queue.push_back((self.due(), None));
    }

    /// A message from the exchange, and what the line does to it.
    fn message(&mut self, frame: Bytes, text: &[u8]) {
        let about = std::str::from_utf8(text).ok().and_then(subject);
        let Some((symbol, stream)) = about else {
            self.send(frame);
            return;
        };
        let (muted, drop, duplicate, reorder) = {
            let line = self.faults.borrow();
            let hits = |(name, which): &(String, Option<_>)| {
                squeezed(name) == symbol && which.is_none_or(|which| Some(which) == stream)
            };
            (
                line.mute.iter().any(hits),
                line.drop_percent,
                line.duplicate_percent,
                line.reorder_percent,
            )
        };
        if muted || self.hit(drop) {
            return;
        }
        if self.held.is_none() && self.hit(reorder) {
            self.held = Some((Instant::now() + OVERTAKEN_WITHIN, frame));
            return;
        }
        if self.hit(duplicate) {
            self.send(frame.clone());
        }
        self.send(frame);
        self.release();
    }

    fn hit(&mut self, percent: u8) -> bool {
        percent > 0 && self.rng.u8(0..100) < percent
    }

    fn release(&mut self) {
        if let Some((_, frame)) = self.held.take() {
            self.send(frame);
        }
    }

    fn send(&mut self, bytes: Bytes) {
        self.in_flight += bytes.len();
        self.queue.push_back((self.due(), Some(bytes)));
    }

    /// Nothing arrives before what was sent earlier, also where the delay has become shorter.
    fn due(&self) -> Instant {
        let due = Instant::now() + self.faults.borrow().delay;
        self.queue
            .back()
            .map_or(due, |(before, _)| due.max(*before))
    }

    async fn write(&self, to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
        let slice = self.faults.borrow().slice;
        let Some((size, pause)) = slice else {
            to.write_all(bytes).await?;
            return to.flush().await;
        };
        for piece in bytes.chunks(size.max(1)) {
            to.write_all(piece).await?;
            to.flush().await?;
            match pause.is_zero() {
                true => tokio::task::yield_now().await,
                false => sleep(pause).await,
            }
        }
        Ok(())
    }
}

/// Waits for a moment; one that has come is not waited for, as timers only know whole milliseconds.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) if moment > Instant::now() => sleep_until(moment).await,
        _ => {}
    }
}
