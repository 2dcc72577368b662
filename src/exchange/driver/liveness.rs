//! Whether an open line is alive: pings and their answers, and silence.

use std::time::Duration;

use tokio::time::Instant;

use crate::exchange::protocol::Silence;

use super::connection::ConnectionOptions;
use super::ended::Lost;

/// The longest and the shortest that the answer to a ping may take.
const PONG_DEADLINE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// The same for a ping that is sent on suspicion.
const CHECK_DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Liveness {
    silence: Silence,
    /// Pause between pings.
    interval: Duration,
    /// How long an answer may take.
    patience: Duration,
    next_ping: Instant,
    pong_deadline: Option<Instant>,
    last_life: Instant,
}

impl Liveness {
    pub fn new(options: &ConnectionOptions, now: Instant) -> Self {
        let (least, most) = PONG_DEADLINE;
        Self {
            silence: options.limits.silence,
            // However often pings are wanted, requests have their turn.
            interval: options.heartbeat.max(options.limits.message_interval * 2),
            // Two thirds, so that a half-open line is found within two intervals.
            patience: (options.heartbeat * 2 / 3).clamp(least, most),
            next_ping: now + options.heartbeat,
            pong_deadline: None,
            last_life: now,
        }
    }

    /// When a ping is due.
    pub fn next_ping(&self) -> Instant {
        self.next_ping
    }

    /// A ping leaves.
    pub fn pinged(&mut self, now: Instant) {
        self.next_ping = now + self.interval;
        self.pong_deadline.get_or_insert(now + self.patience);
    }

    /// The line may be dead: a ping is due now, and its answer soon.
    pub fn begin_check(&mut self, now: Instant) {
        self.next_ping = now;
        let deadline = now + CHECK_DEADLINE;
        self.pong_deadline = Some(self.pong_deadline.map_or(deadline, |at| at.min(deadline)));
    }

    /// Anything came in.
    pub fn on_frame(&mut self, is_pong: bool, now: Instant) {
        self.pong_deadline = None;
        if !is_pong || !self.silence.text_only {
            self.last_life = now;
        }
    }

    /// The socket is read again after a time in which it was not.
    pub fn resume(&mut self, now: Instant) {
        self.last_life = now;
        self.pong_deadline = self.pong_deadline.map(|_| now + self.patience);
    }

    /// When [`Liveness::check`] is wanted.
    pub fn deadline(&self) -> Instant {
        let silence = self.last_life + self.silence.limit;
        self.pong_deadline.map_or(silence, |at| at.min(silence))
    }

    /// Whether the line is dead. Asked only when there is nothing to read.
    pub fn check(&self, now: Instant) -> Result<(), Lost> {
        let stale = |reason: String| Lost {
            stale: true,
            ..Lost::because(reason)
        };
        if self.pong_deadline.is_some_and(|deadline| deadline <= now) {
            return Err(stale("a ping was not answered".into()));
        }
        if self.last_life + self.silence.limit <= now {
            let seconds = self.silence.limit.as_secs();
            return Err(stale(format!("silent for {seconds} s")));
        }
        Ok(())
    }
}
