//! Spacing of requests to one host.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A rate limit (GCRA: a token bucket without a refill task) shared by all users of one host.
///
/// On average one unit of cost per `interval`, and at most `burst` units at once. Waiters are served
/// in the order they came. Cheap to clone; clones share the state.
///
/// Not `governor`: that reads its own clock, while this one follows tokio's, so that tests which
/// pause time see the real schedule.
#[derive(Debug, Clone)]
pub struct Pacer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    interval: Duration,
    burst: u32,
    /// Held while waiting: tokio's mutex queues fairly, and a waiter that is dropped costs nothing.
    turn: tokio::sync::Mutex<()>,
    /// A std mutex: never held across an await.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the bucket will be full again ("theoretical arrival time").
    full_at: Instant,
}

impl Pacer {
    /// `interval`: time per unit of cost; zero means no limit. `burst`: at least 1.
    pub fn new(interval: Duration, burst: u32) -> Pacer {
        Pacer(Arc::new(Shared {
            interval,
            burst: burst.max(1),
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(State {
                full_at: Instant::now(),
            }),
        }))
    }

    /// The interval and the burst.
    pub fn limit(&self) -> (Duration, u32) {
        (self.0.interval, self.0.burst)
    }

    /// Waits until a request of this cost may be sent, and counts it.
    ///
    /// A cost above the burst waits for a full bucket and is then paid off by those that follow.
    pub async fn ready(&self, cost: u32) {
        let _turn = self.0.turn.lock().await;
        // Again after each sleep: others may have been found to use the same limit meanwhile.
        while let Err(at) = self.try_take(cost) {
            sleep_until(at).await;
        }
    }

    /// The host says how much of its limit is left: after `wait` there are no more than `free` units at once.
    /// Never gives back what was taken.
    pub fn hold(&self, free: u32, wait: Duration) {
        let Shared {
            interval, burst, ..
        } = *self.0;
        let owed = interval.saturating_mul(burst.saturating_sub(free));
        let mut state = self.state();
        if let Some(full_at) = Instant::now().checked_add(wait.saturating_add(owed)) {
            state.full_at = state.full_at.max(full_at);
        }
    }

    /// Takes `cost` units, or says when to ask again.
    fn try_take(&self, cost: u32) -> Result<(), Instant> {
        let Shared {
            interval, burst, ..
        } = *self.0;
        let now = Instant::now();
        let mut state = self.state();
        let full_at = state.full_at.max(now);
        let spare = interval.saturating_mul(burst - cost.min(burst));
        let wait = (full_at - now).saturating_sub(spare);
        if !wait.is_zero() {
            return Err(now + wait);
        }
        let paid = full_at.checked_add(interval.saturating_mul(cost));
        state.full_at = paid.unwrap_or(full_at);
        Ok(())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics while it is held, and half-written state cannot be.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
