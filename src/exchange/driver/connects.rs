//! The budget of connection attempts to one host, shared by all connections to it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::exchange::gate::Gate;
use crate::net::ConnectError;

/// At most so many attempts in so long, and none at all while the exchange wants to be left alone.
#[derive(Debug, Clone)]
pub struct Connects {
    attempts: Arc<Mutex<Attempts>>,
    gate: Gate,
}

#[derive(Debug)]
struct Attempts {
    windows: &'static [(usize, Duration)],
    times: VecDeque<Instant>,
}

impl Connects {
    /// A budget of `windows`: `(attempts, duration)`, all of which hold. Shared with no other process.
    pub fn new(windows: &'static [(usize, Duration)]) -> Self {
        Self::through(windows, Gate::alone("the exchange"))
    }

    /// One whose attempts also count at this gate.
    pub(in crate::exchange) fn through(windows: &'static [(usize, Duration)], gate: Gate) -> Self {
        let times = VecDeque::new();
        Self {
            attempts: Arc::new(Mutex::new(Attempts { windows, times })),
            gate,
        }
    }

    /// Waits until an attempt is allowed, and counts it.
    ///
    /// Errors: [`ConnectError::Paused`], where the exchange wants to be left alone for longer than a moment.
    pub async fn ready(&self) -> Result<(), ConnectError> {
        self.gate.check()?;
        while let Err(at) = self.take(Instant::now()) {
            tokio::time::sleep_until(at).await;
        }
        self.gate.take(1).await
    }

    /// No attempt for so long, by whomever.
    pub async fn pause(&self, pause: Duration) {
        if !pause.is_zero() {
            self.gate.pause(pause, None).await;
        }
    }

    /// An attempt came to nothing: keeps away where the answer asks for it.
    pub async fn failed(&self, error: &ConnectError) {
        // Without a way to the host those who try must not make each other wait for it.
        if error.is_before_request() {
            self.gate.give_back(1).await;
        }
        self.gate.heed(error).await;
    }

    /// Counts an attempt at `now`, or says when to ask again.
    fn take(&self, now: Instant) -> Result<(), Instant> {
        let mut attempts = self.attempts.lock().expect("no holder of this lock panics");
        let Attempts { windows, times } = &mut *attempts;
        let longest = windows.iter().map(|(_, long)| *long).max();
        let longest = longest.unwrap_or_default();
        while times.front().is_some_and(|at| *at + longest <= now) {
            times.pop_front();
        }
        let full = windows.iter().filter_map(|&(most, long)| {
            let nth_last = times.len().checked_sub(most)?;
            Some(times[nth_last] + long)
        });
        match full.max().filter(|at| *at > now) {
            Some(at) => Err(at),
            None => {
                times.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Recovery;

    #[tokio::test(start_paused = true)]
    async fn no_window_is_ever_overdrawn() {
        const WINDOWS: &[(usize, Duration)] =
            &[(5, Duration::from_secs(5)), (60, Duration::from_secs(300))];
        let (connects, started) = (Connects::new(WINDOWS), Instant::now());
        let mut times = Vec::new();
        while started.elapsed() < Duration::from_secs(900) {
            connects.ready().await.unwrap();
            times.push(started.elapsed());
        }
        for &(most, long) in WINDOWS {
            assert!(
                times.windows(most + 1).all(|w| w[most] - w[0] >= long),
                "{most} in {long:?}"
            );
        }
        assert!(times.len() >= 180, "{}", times.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everyone() {
        let connects = Connects::new(&[]);
        connects.pause(Duration::from_secs(60)).await;
        let error = connects.clone().ready().await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the exchange: asked to be left alone until ")
        );
        let left = match error.recovery() {
            Recovery::RetryAfter(left) => left,
            other => panic!("{other:?}"),
        };
        assert_eq!(left, Duration::from_secs(60));
        // the last moment of it is waited for
        tokio::time::sleep(left - Duration::from_millis(500)).await;
        let started = Instant::now();
        connects.ready().await.unwrap();
        assert_eq!(started.elapsed(), Duration::from_millis(500));
    }
}
