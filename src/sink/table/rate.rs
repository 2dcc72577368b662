//! Events per second over the last seconds.

use crate::model::Timestamp;

/// Over how many whole seconds the rate is taken.
const WINDOW: i64 = 5;
const SLOTS: usize = WINDOW as usize + 1;

/// Counts per second in a small ring.
#[derive(Debug, Clone, Default)]
pub(super) struct Rate {
    started: Option<i64>,
    second: i64,
    counts: [u32; SLOTS],
}

impl Rate {
    /// Counts one event.
    pub(super) fn add(&mut self, now: Timestamp) {
        self.roll(now);
        let slot = &mut self.counts[self.second.rem_euclid(SLOTS as i64) as usize];
        *slot = slot.saturating_add(1);
    }

    /// Events per second over the last whole seconds, or over the first one while that lasts.
    pub(super) fn per_second(&mut self, now: Timestamp) -> f64 {
        let Some(started) = self.started else {
            return 0.0;
        };
        self.roll(now);
        let current = self.second.rem_euclid(SLOTS as i64) as usize;
        let whole = (self.second - started).min(WINDOW);
        if whole <= 0 {
            return self.counts[current].into();
        }
        let sum: u64 = (self.counts.iter().enumerate())
            .filter(|&(slot, _)| slot != current)
            .map(|(_, &count)| u64::from(count))
            .sum();
        sum as f64 / whole as f64
    }

    /// Empties the slots of the seconds that began since the last call.
    fn roll(&mut self, now: Timestamp) {
        let second = now.nanos().div_euclid(1_000_000_000);
        let passed = second - self.second;
        if self.started.is_none() || passed < 0 {
            *self = Self {
                started: Some(second),
                second,
                counts: [0; SLOTS],
            };
            return;
        }
        for step in 1..=passed.min(SLOTS as i64) {
            self.counts[(self.second + step).rem_euclid(SLOTS as i64) as usize] = 0;
        }
        self.second = second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000 + millis).unwrap()
    }

    #[test]
    fn counts_whole_seconds_and_forgets() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(at(0)), 0.0);
        for millis in (0..10_000).step_by(100) {
            rate.add(at(millis));
        }
        assert_eq!(rate.per_second(at(10_000)), 10.0);
        assert_eq!(rate.per_second(at(12_000)), 6.0);
        assert_eq!(rate.per_second(at(60_000)), 0.0);
    }

    #[test]
    fn the_first_second_counts_as_it_goes_and_a_clock_that_goes_back_starts_anew() {
        let mut rate = Rate::default();
        rate.add(at(0));
        rate.add(at(400));
        assert_eq!(rate.per_second(at(500)), 2.0);
        assert_eq!(rate.per_second(at(1_500)), 2.0);
        rate.add(at(-60_000));
        assert_eq!(rate.per_second(at(-60_000)), 1.0);
    }
}
