//! The budget of connection attempts to one host, shared by all connections to it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

/// At most so many attempts in so long, and none at all during a pause that the exchange asked for.
#[derive(Debug, Clone)]
pub struct Connects(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    windows: &'static [(usize, Duration)],
    attempts: VecDeque<Instant>,
    paused_until: Option<Instant>,
}

impl Connects {
    /// A budget of `windows`: `(attempts, duration)`, all of which hold.
    pub fn new(windows: &'static [(usize, Duration)]) -> Self {
        Self(Arc::new(Mutex::new(State {
            windows,
            attempts: VecDeque::new(),
            paused_until: None,
        })))
    }

    /// Waits until an attempt is allowed, and counts it.
    pub async fn ready(&self) {
        while let Err(at) = self.take(Instant::now()) {
            tokio::time::sleep_until(at).await;
        }
    }

    /// No attempt before `until`.
    pub fn pause_until(&self, until: Instant) {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        state.paused_until = Some(state.paused_until.map_or(until, |at| at.max(until)));
    }

    /// Counts an attempt at `now`, or says when to ask again.
    fn take(&self, now: Instant) -> Result<(), Instant> {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        let longest = state
            .windows
            .iter()
            .map(|(_, long)| *long)
            .max()
            .unwrap_or_default();
        while state
            .attempts
            .front()
            .is_some_and(|at| *at + longest <= now)
        {
            state.attempts.pop_front();
        }
        let full = state.windows.iter().filter_map(|&(most, long)| {
            let nth_last = state.attempts.len().checked_sub(most)?;
            Some(state.attempts[nth_last] + long)
        });
        match full.chain(state.paused_until).max().filter(|at| *at > now) {
            Some(at) => Err(at),
            None => {
                state.attempts.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_window_is_ever_overdrawn() {
        const WINDOWS: &[(usize, Duration)] =
            &[(5, Duration::from_secs(5)), (60, Duration::from_secs(300))];
        let (connects, started) = (Connects::new(WINDOWS), Instant::now());
        let mut times = Vec::new();
        while started.elapsed() < Duration::from_secs(900) {
            connects.ready().await;
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
        let (connects, started) = (Connects::new(&[]), Instant::now());
        connects.pause_until(started + Duration::from_secs(60));
        connects.clone().ready().await;
        assert_eq!(started.elapsed(), Duration::from_secs(60));
    }
}
