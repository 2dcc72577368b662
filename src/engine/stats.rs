//! What the engine counts, and the snapshot of it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::candles::Candles;
use super::core::Core;

/// Counters kept by the engine task and read by anyone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    published: AtomicU64,
    duplicates: AtomicU64,
    late: AtomicU64,
    reordered: AtomicU64,
    gaps: AtomicU64,
    missing: AtomicU64,
    repairs: AtomicU64,
    recovered: AtomicU64,
    venue_holes: AtomicU64,
    stale_tickers: AtomicU64,
    candles: AtomicU64,
    late_for_candles: AtomicU64,
    queued: AtomicU64,
    dropped: AtomicU64,
    subscribers: AtomicU64,
    latency_sum: AtomicI64,
    latency_max: AtomicI64,
    latency_count: AtomicU64,
}

impl Counters {
    pub fn on_published(&self, n: u64, latency_nanos: Option<i64>) {
        self.published.fetch_add(n, Relaxed);
        if let Some(nanos) = latency_nanos {
            self.latency_sum.fetch_add(nanos.max(0), Relaxed);
            self.latency_max.fetch_max(nanos, Relaxed);
            self.latency_count.fetch_add(1, Relaxed);
        }
    }

    /// Copies the totals that the core, the candles and the hub keep themselves.
    pub fn keep(
        &self,
        core: &Core,
        candles: &Candles,
        (queued, dropped, subscribers): (usize, u64, usize),
    ) {
        self.candles.store(candles.closed, Relaxed);
        self.late_for_candles.store(candles.late, Relaxed);
        self.duplicates.store(core.sequence.duplicates, Relaxed);
        self.late.store(core.sequence.late, Relaxed);
        self.reordered.store(core.sequence.reordered, Relaxed);
        self.gaps.store(core.sequence.gaps, Relaxed);
        self.missing.store(core.sequence.missing, Relaxed);
        self.repairs.store(core.sequence.repairs, Relaxed);
        self.recovered.store(core.sequence.recovered, Relaxed);
        self.venue_holes.store(core.sequence.venue_holes, Relaxed);
        self.stale_tickers.store(core.stale_tickers, Relaxed);
        self.queued.store(queued as u64, Relaxed);
        self.dropped.store(dropped, Relaxed);
        self.subscribers.store(subscribers as u64, Relaxed);
    }

    pub fn snapshot(&self, uptime: Duration) -> Stats {
        let count = self.latency_count.load(Relaxed).max(1);
        let nanos = |n: i64| Duration::from_nanos(n.max(0) as u64);
        Stats {
            uptime,
            published: self.published.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            late: self.late.load(Relaxed),
            reordered: self.reordered.load(Relaxed),
            gaps: self.gaps.load(Relaxed),
            missing: self.missing.load(Relaxed),
            repairs: self.repairs.load(Relaxed),
            recovered: self.recovered.load(Relaxed),
            venue_holes: self.venue_holes.load(Relaxed),
            stale_tickers: self.stale_tickers.load(Relaxed),
            candles: self.candles.load(Relaxed),
            late_for_candles: self.late_for_candles.load(Relaxed),
            queued: self.queued.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            subscribers: self.subscribers.load(Relaxed),
            latency_mean: nanos(self.latency_sum.load(Relaxed) / count as i64),
            latency_max: nanos(self.latency_max.load(Relaxed)),
            ..Stats::default()
        }
    }
}

/// The engine at a moment. Counts are totals since it was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// How long the engine has run.
    pub uptime: Duration,
    /// Frames received, all feeds together.
    pub messages: u64,
    /// Frames that could not be understood.
    pub bad_frames: u64,
    /// Frames that were understood and of no interest.
    pub ignored: u64,
    /// Connections opened.
    pub connects: u64,
    /// Connections lost or refused.
    pub disconnects: u64,
    /// How long the exchange took to answer the last subscription of the newest line; of several feeds the
    /// slowest. Zero before the first answer.
    pub settled: Duration,
    /// Events handed out.
    pub published: u64,
    /// Trades dropped because they had been told.
    pub duplicates: u64,
    /// Trades dropped because their absence had been told.
    pub late: u64,
    /// Trades that came out of order and were put right.
    pub reordered: u64,
    /// Holes told, repaired or not.
    pub gaps: u64,
    /// Trades that stay missing.
    pub missing: u64,
    /// Times that an exchange was asked about a hole, or whether there is one.
    pub repairs: u64,
    /// Trades that the stream had missed and that were told nevertheless.
    pub recovered: u64,
    /// Holes that turned out to be in the exchange's own ids: nothing is missing.
    pub venue_holes: u64,
    /// Tickers dropped because a newer one had been told.
    pub stale_tickers: u64,
    /// Candles that closed, those of which only longer ones are made included.
    pub candles: u64,
    /// Trades, or candles, that came after the candle of which they are a part had closed: they are not counted in it.
    pub late_for_candles: u64,
    /// Events waiting for subscribers.
    pub queued: u64,
    /// Events that slow subscribers missed.
    pub dropped: u64,
    /// Open subscriptions.
    pub subscribers: u64,
    /// From the arrival of the newest event of a batch to its hand-over, on average.
    pub latency_mean: Duration,
    /// The same, at worst.
    pub latency_max: Duration,
}
