//! Notices that this machine slept: its monotonic clock stood still then, and its wall clock did not.

use std::time::Duration;

use crate::model::Timestamp;

/// How often the clocks are compared.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// A shorter sleep than this is found by the ordinary means; so much is no correction of a clock either.
const LEAST: Duration = Duration::from_secs(30);

/// The two clocks when they were last compared.
#[derive(Debug)]
pub(super) struct Awake {
    wall: Timestamp,
    monotonic: u64,
}

impl Awake {
    pub fn new(wall: Timestamp, monotonic: u64) -> Self {
        Self { wall, monotonic }
    }

    /// When the next comparison is due.
    pub fn due(&self) -> u64 {
        self.monotonic + EVERY.as_nanos() as u64
    }

    /// How long the machine slept since the last comparison, if it did.
    pub fn look(&mut self, wall: Timestamp, monotonic: u64) -> Option<Duration> {
        let lived = wall.nanos().saturating_sub(self.wall.nanos());
        let counted = i64::try_from(monotonic - self.monotonic).unwrap_or(i64::MAX);
        *self = Self { wall, monotonic };
        let slept = Duration::from_nanos(u64::try_from(lived.saturating_sub(counted)).ok()?);
        (slept >= LEAST).then_some(slept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wall_clock_that_ran_ahead_of_the_other_by_half_a_minute_is_a_sleep() {
        let second = 1_000_000_000;
        for (wall, monotonic, slept) in [
            (5, 5, None),
            (65, 65, None),
            (30, 5, None),
            (35, 5, Some(30)),
            (3_605, 5, Some(3_600)),
            (-600, 5, None),
        ] {
            let mut awake = Awake::new(Timestamp::from_nanos(0), 0);
            let found = awake.look(
                Timestamp::from_nanos(wall * second),
                monotonic * 1_000_000_000,
            );
            assert_eq!(found, slept.map(Duration::from_secs), "{wall} {monotonic}");
        }
    }
}
