//! The time at an exchange, as far as its own messages show it.

use crate::model::Timestamp;

/// A message this far ahead of all others counts once another one agrees: one frame from the future must not close
/// candles that are still traded in.
const LEAP_NANOS: i64 = 5_000_000_000;

/// An estimate that is never ahead of the exchange, but by what a message from the future makes of it: the newest time
/// that came, and what has passed since then here.
#[derive(Debug, Default)]
pub struct ExchangeClock {
    /// The exchange's time when ours was 0.
    offset: Option<i64>,
    /// The same by a message that no other one has confirmed.
    doubted: Option<i64>,
}

impl ExchangeClock {
    /// Something of this time has come. True: the estimate has leapt.
    pub fn on_time(&mut self, at: Timestamp, now: u64) -> bool {
        let offset = at.nanos().saturating_sub(now as i64);
        let Some(known) = self.offset else {
            self.offset = Some(offset);
            return true;
        };
        if offset <= known.saturating_add(LEAP_NANOS) {
            self.doubted = None;
            self.offset = Some(known.max(offset));
            return false;
        }
        match self.doubted.replace(offset) {
            Some(doubted) => {
                self.offset = Some(doubted.min(offset));
                self.doubted = None;
                true
            }
            None => false,
        }
    }

    /// The time there; `None`: nothing has told it yet.
    pub fn at(&self, now: u64) -> Option<Timestamp> {
        let offset = self.offset?;
        Some(Timestamp::from_nanos(offset.saturating_add(now as i64)))
    }

    /// What time it is here when it is `at` there.
    pub fn when(&self, at: Timestamp) -> Option<u64> {
        let here = at.nanos().saturating_sub(self.offset?);
        Some(u64::try_from(here).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * SECOND)
    }

    #[test]
    fn goes_on_from_the_newest_message_and_never_back() {
        let mut clock = ExchangeClock::default();
        assert_eq!(clock.at(0), None);
        clock.on_time(at(1_000), 10 * SECOND as u64);
        clock.on_time(at(1_001), 12 * SECOND as u64);
        assert_eq!(clock.at(15 * SECOND as u64), Some(at(1_005)));
        assert_eq!(clock.when(at(1_005)), Some(15 * SECOND as u64));
    }

    #[test]
    fn one_message_from_the_future_changes_nothing_and_two_do() {
        let mut clock = ExchangeClock::default();
        clock.on_time(at(1_000), 0);
        assert!(!clock.on_time(at(9_000), 0));
        assert_eq!(clock.at(0), Some(at(1_000)));
        assert!(!clock.on_time(at(1_001), 0));
        assert!(!clock.on_time(at(9_000), 0));
        assert!(clock.on_time(at(8_000), 0));
        assert_eq!(clock.at(0), Some(at(8_000)));
    }
}
