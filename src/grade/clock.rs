//! The exchange's clock against ours, from several readings of it.

use crate::feed::ServerTime;

/// How far the exchange's clock is ahead of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// The middle of what it can be, in nanoseconds; negative: it is behind.
    pub nanos: i64,
    /// It is no further than this from that.
    pub error_nanos: i64,
}

const SECOND: i64 = 1_000_000_000;

/// Brings readings of the exchange's clock together; `None` without any.
///
/// A reading was made somewhere between question and answer, and is cut off to whole seconds, milliseconds or
/// microseconds: that gives a lower and an upper bound of the offset. The bounds of all readings hold at once.
/// Where they contradict each other (a clock was set meanwhile), the narrowest reading alone counts.
pub fn clock_offset(readings: &[ServerTime]) -> Option<ClockOffset> {
    let step = resolution(readings);
    let bounds = readings.iter().map(|reading| {
        let low = reading.time.nanos() - reading.received_at.nanos();
        let high = reading.time.nanos() + step - reading.sent_at.nanos();
        (low, high.max(low))
    });
    let narrowest = bounds.clone().min_by_key(|(low, high)| high - low)?;
    let all = bounds.fold((i64::MIN, i64::MAX), |all, one| {
        (all.0.max(one.0), all.1.min(one.1))
    });
    let (low, high) = if all.0 <= all.1 { all } else { narrowest };
    let half = (high - low) / 2;
    Some(ClockOffset {
        nanos: low + half,
        error_nanos: half,
    })
}

/// What all readings are cut off to. Kraken tells whole seconds, Binance and Coinbase milliseconds.
fn resolution(readings: &[ServerTime]) -> i64 {
    let steps = [SECOND, 1_000_000];
    let whole = |step: &i64| readings.iter().all(|r| r.time.nanos() % step == 0);
    steps.into_iter().find(whole).unwrap_or(1_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Timestamp;

    /// A reading of a clock that is ahead by `offset` and tells multiples of `step`.
    fn reading(asked: i64, way_there: i64, way_back: i64, offset: i64, step: i64) -> ServerTime {
        let told = (asked + way_there + offset).div_euclid(step) * step;
        ServerTime {
            time: Timestamp::from_nanos(told),
            sent_at: Timestamp::from_nanos(asked),
            received_at: Timestamp::from_nanos(asked + way_there + way_back),
        }
    }

    const MILLI: i64 = 1_000_000;

    #[test]
    fn nothing_is_known_without_a_reading() {
        assert_eq!(clock_offset(&[]), None);
    }

    #[test]
    fn one_reading_of_whole_seconds_is_known_to_half_a_second_and_several_to_less() {
        let at = |millis: i64| reading(millis * MILLI, 10 * MILLI, 10 * MILLI, 0, SECOND);
        let one = clock_offset(&[at(1_000_400)]).unwrap();
        assert_eq!(one.error_nanos, 510 * MILLI);
        let several: Vec<_> = (0..6).map(|n| at(1_000_400 + n * 1_170)).collect();
        let several = clock_offset(&several).unwrap();
        assert!(several.error_nanos < 120 * MILLI, "{several:?}");
        assert!(several.nanos.abs() <= several.error_nanos, "{several:?}");
    }

    #[test]
    fn readings_that_contradict_each_other_leave_the_narrowest() {
        let before = reading(1_000_401 * MILLI, MILLI, MILLI, 0, MILLI);
        let after = reading(1_001_000 * MILLI, 40 * MILLI, 40 * MILLI, 5 * SECOND, MILLI);
        let found = clock_offset(&[after, before]).unwrap();
        assert!(found.nanos.abs() <= found.error_nanos, "{found:?}");
        assert!(found.error_nanos <= 2 * MILLI, "{found:?}");
    }

    proptest! {
        #[test]
        fn the_true_offset_is_always_within_the_bounds(
            offset in -100 * SECOND..100 * SECOND,
            step in prop::sample::select(vec![SECOND, MILLI, 1_000]),
            ways in prop::collection::vec((0..3 * SECOND, 0..SECOND, 0..SECOND), 1..8),
        ) {
            let mut asked = 1_790_000_000 * SECOND;
            let readings: Vec<_> = ways
                .iter()
                .map(|&(pause, there, back)| {
                    asked += pause;
                    reading(asked, there, back, offset, step)
                })
                .collect();
            let found = clock_offset(&readings).unwrap();
            // Odd widths lose a nanosecond.
            prop_assert!((offset - found.nanos).abs() <= found.error_nanos + 1, "{found:?}");
        }
    }
}
