//! Durations in buckets, memory, processor time.

use std::time::Duration;

use serde_json::{Value, json};

/// Microseconds, to about 3 %.
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max: u64,
}

/// Buckets between two powers of two.
const STEPS: u64 = 32;

impl Histogram {
    pub fn new() -> Self {
        Self {
            counts: vec![0; 64 * STEPS as usize],
            count: 0,
            max: 0,
        }
    }

    pub fn add(&mut self, duration: Duration) {
        let micros = duration.as_micros() as u64;
        self.counts[bucket(micros)] += 1;
        self.count += 1;
        self.max = self.max.max(micros);
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (own, other) in self.counts.iter_mut().zip(&other.counts) {
            *own += other;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// Milliseconds.
    fn quantile(&self, quantile: f64) -> f64 {
        let wanted = (self.count as f64 * quantile).ceil() as u64;
        let mut seen = 0;
        for (i, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return floor(i as u64).min(self.max) as f64 / 1e3;
            }
        }
        0.0
    }

    pub fn json(&self) -> Value {
        json!({
            "count": self.count, "p50_ms": self.quantile(0.5), "p99_ms": self.quantile(0.99),
            "p999_ms": self.quantile(0.999), "max_ms": self.max as f64 / 1e3,
        })
    }
}

fn bucket(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let shift = micros.ilog2() - STEPS.ilog2();
    (u64::from(shift + 1) * STEPS + (micros >> shift) - STEPS) as usize
}

/// The largest value of a bucket.
fn floor(bucket: u64) -> u64 {
    if bucket < STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << shift) - 1
}

/// Bytes of memory that this process holds.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

/// Processor time of this process.
pub fn cpu_seconds() -> f64 {
    let schedule = |task: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    tasks.filter_map(schedule).sum::<u64>() as f64 / 1e9
}
