//! Percentiles of durations over the last one to two minutes, in bounded memory.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// One half of what is looked at.
const TURN: Duration = Duration::from_secs(60);
/// Each power of two is divided into so many parts: a percentile is at most an eighth too high.
const PARTS: u64 = 8;
/// Powers of two, in microseconds, from 8 µs to 134 s; below that every microsecond counts for itself.
const POWERS: usize = 24;
const BUCKETS: usize = (POWERS + 1) * PARTS as usize;

/// Durations that were measured lately.
#[derive(Debug, Default)]
pub struct Latencies {
    current: Histogram,
    before: Histogram,
    begun: Option<Instant>,
}

/// What they come to, in milliseconds; `None` where nothing was measured lately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LatencySummary {
    /// Half of them took no longer.
    pub p50: Option<f64>,
    /// Nine of ten.
    pub p90: Option<f64>,
    /// All but one of a hundred.
    pub p99: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
}

impl Latencies {
    /// One more. Negative ones, where clocks disagree, count as none at all.
    pub fn add(&mut self, nanos: i64, now: Instant) {
        self.turn(now);
        self.current.add(u64::try_from(nanos / 1_000).unwrap_or(0));
    }

    /// The percentiles.
    pub fn summary(&mut self, now: Instant) -> LatencySummary {
        self.turn(now);
        let total = self.current.total + self.before.total;
        let max = self.current.max.max(self.before.max);
        let at = |share: f64| {
            let rank = (total as f64 * share).ceil() as u64;
            (total > 0).then(|| milliseconds(self.upper_end(rank).min(max)))
        };
        LatencySummary {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: (total > 0).then(|| milliseconds(max)),
        }
    }

    fn turn(&mut self, now: Instant) {
        let begun = *self.begun.get_or_insert(now);
        let age = now.saturating_duration_since(begun);
        if age < TURN {
            return;
        }
        let current = std::mem::take(&mut self.current);
        self.before = if age < TURN * 2 {
            current
        } else {
            Histogram::default()
        };
        self.begun = Some(now);
    }

    /// The highest value of the bucket in which the one of this rank lies.
    fn upper_end(&self, rank: u64) -> u64 {
        let mut seen = 0;
        for bucket in 0..BUCKETS {
            let count =
                |histogram: &Histogram| histogram.counts.get(bucket).map_or(0, |n| u64::from(*n));
            seen += count(&self.current) + count(&self.before);
            if seen >= rank {
                return highest(bucket);
            }
        }
        u64::MAX
    }
}

fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

#[derive(Debug, Default)]
struct Histogram {
    /// Empty until something is measured.
    counts: Vec<u32>,
    total: u64,
    max: u64,
}

impl Histogram {
    fn add(&mut self, micros: u64) {
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        let count = &mut self.counts[bucket(micros)];
        *count = count.saturating_add(1);
        self.total += 1;
        self.max = self.max.max(micros);
    }
}

fn bucket(micros: u64) -> usize {
    if micros < PARTS {
        return micros as usize;
    }
    let power = u64::from(micros.ilog2());
    let part = (micros >> (power - 3)) - PARTS;
    (((power - 2) * PARTS + part) as usize).min(BUCKETS - 1)
}

fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < PARTS {
        return bucket;
    }
    let (power, part) = (bucket / PARTS + 2, bucket % PARTS);
    ((PARTS + part + 1) << (power - 3)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket_and_the_bucket_is_narrow(micros in 0u64..(1 << 27)) {
            let end = highest(bucket(micros));
            prop_assert!(end >= micros);
            prop_assert!(end <= micros + micros / 8);
        }
    }

    #[test]
    fn percentiles_are_of_what_was_measured_and_fade_away() {
        let start = Instant::now();
        let mut latencies = Latencies::default();
        assert_eq!(latencies.summary(start), LatencySummary::default());
        for millis in 1..=100 {
            latencies.add(millis * 1_000_000, start);
        }
        let near = |got: Option<f64>, want: f64| {
            let got = got.expect("something was measured");
            assert!((want..=want * 1.13).contains(&got), "{got} for {want}");
        };
        let summary = latencies.summary(start);
        near(summary.p50, 50.0);
        near(summary.p90, 90.0);
        near(summary.p99, 99.0);
        assert_eq!(summary.max, Some(100.0));
        let later = start + Duration::from_secs(90);
        assert_eq!(latencies.summary(later).max, Some(100.0));
        let gone = start + Duration::from_secs(200);
        assert_eq!(latencies.summary(gone), LatencySummary::default());
    }

    #[test]
    fn clocks_that_disagree_and_hours_are_no_trouble() {
        let now = Instant::now();
        let mut latencies = Latencies::default();
        latencies.add(-5_000_000, now);
        assert_eq!(latencies.summary(now).max, Some(0.0));
        latencies.add(i64::MAX, now);
        assert!(latencies.summary(now).max > Some(1e9));
    }
}
