//! A venue's clock.
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

pub(super) struct Clock {
    /// A moment of the venue and the one of tokio's clock that belongs to it; else the computer's time.
    start: Option<(i64, Instant)>,
    /// Seconds of the venue per second of tokio's clock.
    rate: f64,
    /// How far it was moved by hand.
    moved: i64,
    frozen_at: Option<i64>,
}

impl Clock {
    pub fn new(start_ns: Option<i64>, rate: f64) -> Self {
        // only from a fixed moment can it run at a pace of its own
        let start_ns = start_ns.or_else(|| (rate != 1.0).then(system_ns));
        Self {
            start: start_ns.map(|ns| (ns, Instant::now())),
            rate: rate.max(0.001),
            moved: 0,
            frozen_at: None,
        }
    }

    pub fn now_ns(&mut self, frozen: bool) -> i64 {
        let running = match self.start {
            Some((start_ns, at)) => start_ns.saturating_add(self.scaled(at.elapsed())),
            None => system_ns(),
        };
        let now = running.saturating_add(self.moved);
        if frozen {
            return *self.frozen_at.get_or_insert(now);
        }
        self.frozen_at = None;
        now
    }

    /// Moves it on; a frozen one, too.
    pub fn advance(&mut self, by_ns: i64) {
        self.moved = self.moved.saturating_add(by_ns);
        if let Some(frozen) = &mut self.frozen_at {
            *frozen = frozen.saturating_add(by_ns);
        }
    }

    /// How long the venue takes for so many nanoseconds.
    pub fn real(&self, venue_ns: i64) -> Duration {
        let time = Duration::from_nanos(venue_ns.max(0).unsigned_abs());
        if self.rate == 1.0 {
            time
        } else {
            time.div_f64(self.rate)
        }
    }

    fn scaled(&self, elapsed: Duration) -> i64 {
        match self.rate {
            // exact, so that tests in virtual time can foretell it
            1.0 => nanos(elapsed),
            rate => (elapsed.as_nanos() as f64 * rate) as i64,
        }
    }
}

fn system_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    nanos(since.unwrap_or_default())
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
