//! How long to wait before the next attempt.

use std::time::Duration;

/// The first retry comes at once; this little is only to keep many clients apart.
const FIRST: Duration = Duration::from_millis(100);

/// Exponential backoff with full jitter: the first retry at once, then up to `base`, doubling, never
/// more than `max`. The jitter spans the whole delay also at the cap, so that a crowd stays spread.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    base: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    pub fn new(base: Duration, max: Duration) -> Self {
        Self {
            base,
            max,
            attempts: 0,
        }
    }

    /// Attempts since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Counts an attempt and says how long to wait before it.
    pub fn next(&mut self, random: &mut fastrand::Rng) -> Duration {
        let cap = match self.attempts {
            0 => FIRST.min(self.max),
            n => self
                .base
                .saturating_mul(2u32.saturating_pow(n - 1))
                .min(self.max),
        };
        self.attempts += 1;
        cap.mul_f64(random.f64())
    }

    /// The connection has proved itself.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn delays_stay_under_the_doubling_cap_and_fill_it(seed: u64, base in 1u64..2_000, factor in 1u64..1_000) {
            let (base, max) = (Duration::from_millis(base), Duration::from_millis(base * factor));
            let mut random = fastrand::Rng::with_seed(seed);
            let mut longest = Duration::ZERO;
            for _ in 0..40 {
                let mut backoff = Backoff::new(base, max);
                prop_assert!(backoff.next(&mut random) <= FIRST.min(max));
                for n in 0..40u32 {
                    let cap = base.saturating_mul(2u32.saturating_pow(n)).min(max);
                    let delay = backoff.next(&mut random);
                    prop_assert!(delay <= cap);
                    longest = longest.max(delay);
                }
                backoff.reset();
                prop_assert_eq!(backoff.attempts(), 0);
            }
            // 40 × 40 draws: that none passes half of the cap does not happen by chance.
            prop_assert!(longest > max / 2);
        }
    }
}
