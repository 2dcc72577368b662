//! The last minutes of a price as a row of bars.

use std::collections::VecDeque;

use crate::model::{Price, Timestamp};

/// One sample per five seconds, the last price in them.
const SAMPLE_NANOS: i64 = 5_000_000_000;
/// Ten minutes of them.
pub(super) const SAMPLES: i64 = 120;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bounded ring of sampled prices. Floats are fine here: they only become eight heights.
#[derive(Debug, Clone, Default)]
pub(super) struct Trend {
    /// Sample number (time divided by the sample length) and price, rising.
    samples: VecDeque<(i64, f64)>,
}

impl Trend {
    /// Takes a price as the newest.
    pub(super) fn add(&mut self, price: Price, now: Timestamp) {
        let Ok(value) = f64::try_from(price.decimal()) else {
            return;
        };
        let number = now.nanos().div_euclid(SAMPLE_NANOS);
        // A clock that was set back begins anew; a step of one sample is jitter.
        if self.samples.back().is_some_and(|last| last.0 > number + 1) {
            self.samples.clear();
        }
        match self.samples.back_mut() {
            Some(last) if last.0 >= number => last.1 = value,
            _ => self.samples.push_back((number, value)),
        }
        while self
            .samples
            .front()
            .is_some_and(|&(first, _)| first <= number - SAMPLES)
        {
            self.samples.pop_front();
        }
    }

    /// The bars in at most `room` cells, newest at the right, lowest to highest price as `▁` to `█`.
    ///
    /// Where there are more samples than cells, each cell is a group of samples; groups begin at fixed
    /// times, so that bars move but do not change. A time without a price keeps the one before.
    pub(super) fn bars(&self, room: usize) -> String {
        let (Some(&(first, _)), Some(&(last, _))) = (self.samples.front(), self.samples.back())
        else {
            return String::new();
        };
        if room == 0 {
            return String::new();
        }
        let group = ((last - first + 1) as usize).div_ceil(room) as i64;
        let groups = last.div_euclid(group) - first.div_euclid(group) + 1;
        let mut levels: Vec<f64> = Vec::with_capacity(groups as usize);
        for &(number, value) in &self.samples {
            let at = (number.div_euclid(group) - first.div_euclid(group)) as usize;
            let before = levels.last().copied().unwrap_or(value);
            levels.resize(at + 1, before);
            levels[at] = value;
        }
        let levels = &levels[levels.len().saturating_sub(room)..];
        let low = levels.iter().copied().fold(f64::INFINITY, f64::min);
        let high = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        levels
            .iter()
            .map(|level| {
                if high > low {
                    BARS[((level - low) / (high - low) * 7.0).round() as usize]
                } else {
                    BARS[3]
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(prices: &[&str]) -> Trend {
        let mut trend = Trend::default();
        for (number, price) in prices.iter().enumerate() {
            trend.add(
                price.parse().unwrap(),
                Timestamp::from_nanos(number as i64 * SAMPLE_NANOS),
            );
        }
        trend
    }

    #[test]
    fn the_lowest_price_is_the_lowest_bar() {
        assert_eq!(trend(&["100", "107", "103"]).bars(10), "▁█▄");
        assert_eq!(trend(&["0.1", "0.1"]).bars(10), "▄▄");
        assert_eq!(trend(&[]).bars(10), "");
        assert_eq!(trend(&["1", "2"]).bars(0), "");
    }

    #[test]
    fn more_samples_than_cells_are_grouped_and_the_newest_is_last() {
        let bars = trend(&["1", "1", "1", "1", "1", "1", "1", "9"]).bars(4);
        assert_eq!(bars, "▁▁▁█");
        assert_eq!(trend(&["1", "2"]).bars(1).chars().count(), 1);
    }

    #[test]
    fn the_ring_is_bounded_and_survives_jumps_of_the_clock() {
        let mut trend = Trend::default();
        let price: Price = "5".parse().unwrap();
        for step in 0..10_000i64 {
            trend.add(price, Timestamp::from_nanos(step * SAMPLE_NANOS / 3));
            assert!(trend.samples.len() <= SAMPLES as usize);
        }
        trend.add(price, Timestamp::from_nanos(0));
        trend.add(price, Timestamp::from_nanos(i64::MAX));
        assert_eq!(trend.samples.len(), 1);
        trend.add(price, Timestamp::from_nanos(i64::MIN));
        assert_eq!(trend.bars(500), "▄");
    }

    #[test]
    fn a_time_without_a_price_keeps_the_one_before() {
        let mut trend = trend(&["1"]);
        trend.add(
            "2".parse().unwrap(),
            Timestamp::from_nanos(3 * SAMPLE_NANOS),
        );
        assert_eq!(trend.bars(10), "▁▁▁█");
    }
}
