//! Whether a client is alive, and how fast it may ask. The clock is brought along.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Without an answer to a ping for so long a client counts as dead.
const MAX_SILENCE: Duration = Duration::from_secs(30);
/// A write that does not get on for so long never will.
const MAX_WRITE: Duration = Duration::from_secs(30);

/// Shared by the reading and the writing side of one connection.
#[derive(Debug)]
pub struct Pulse {
    signs: Mutex<Signs>,
    /// Rises with what was written; even while nothing is being written.
    written: AtomicU64,
}

#[derive(Debug)]
struct Signs {
    heard: Instant,
    /// Where the count stood, and since when.
    stood: (u64, Instant),
}

impl Pulse {
    /// Alive now.
    pub fn new(now: Instant) -> Self {
        Self {
            signs: Mutex::new(Signs {
                heard: now,
                stood: (0, now),
            }),
            written: AtomicU64::new(0),
        }
    }

    /// It has answered a ping.
    pub fn on_pong(&self, now: Instant) {
        self.signs().heard = now;
    }

    /// A write begins, or has got on.
    pub fn on_write(&self) {
        let count = self.written.load(Ordering::Relaxed);
        self.written.store((count | 1) + 2, Ordering::Relaxed);
    }

    /// Everything is written.
    pub fn on_written(&self) {
        let count = self.written.load(Ordering::Relaxed);
        self.written.store((count | 1) + 1, Ordering::Relaxed);
    }

    /// It answers no pings.
    pub fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.signs().heard) > MAX_SILENCE
    }

    /// It does not take what is written. To be asked now and then.
    pub fn is_stuck(&self, now: Instant) -> bool {
        let count = self.written.load(Ordering::Relaxed);
        let mut signs = self.signs();
        if count.is_multiple_of(2) || signs.stood.0 != count {
            signs.stood = (count, now);
        }
        now.saturating_duration_since(signs.stood.1) > MAX_WRITE
    }

    fn signs(&self) -> std::sync::MutexGuard<'_, Signs> {
        self.signs.lock().expect("no holder of this lock panics")
    }
}

/// So many a second, and twice as many at once.
#[derive(Debug)]
pub struct Allowance {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    /// Full.
    pub fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second);
        Self {
            per_second,
            left: 2.0 * per_second,
            at: now,
        }
    }

    /// Takes one; `false` where none is left.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.left = (self.left + passed * self.per_second).min(2.0 * self.per_second);
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_allows_twice_the_rate_at_once_and_then_the_rate() {
        let start = Instant::now();
        let mut allowance = Allowance::new(20, start);
        assert_eq!((0..100).filter(|_| allowance.take(start)).count(), 40);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| allowance.take(later)).count(), 20);
        let much_later = start + Duration::from_secs(1_000);
        assert_eq!((0..100).filter(|_| allowance.take(much_later)).count(), 40);
    }

    #[test]
    fn a_client_is_silent_30_s_after_its_last_pong_and_stuck_30_s_into_one_write() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let pulse = Pulse::new(start);
        assert!(!pulse.is_silent(at(30)) && pulse.is_silent(at(31)));
        pulse.on_pong(at(20));
        assert!(!pulse.is_silent(at(50)) && pulse.is_silent(at(51)));
        assert!(!pulse.is_stuck(at(1_000)), "nothing was written");
        pulse.on_write();
        assert!(!pulse.is_stuck(at(1_001)));
        assert!(!pulse.is_stuck(at(1_031)) && pulse.is_stuck(at(1_032)));
        pulse.on_write();
        assert!(!pulse.is_stuck(at(1_032)), "it has got on");
        assert!(pulse.is_stuck(at(1_063)));
        pulse.on_written();
        assert!(!pulse.is_stuck(at(2_000)));
    }
}
