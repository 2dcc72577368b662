//! How each feed is: states, ages, latencies, holes.

use std::time::Duration;

use serde::Serialize;

use crate::engine::Engine;

use super::state::Shared;

/// Older than this without a confirmation is stale.
pub const MAX_AGE: Duration = Duration::from_secs(60);

/// What the pump measures, per exchange and market.
#[derive(Debug, Default)]
pub struct Health {
    /// Shown as they are.
    pub feeds: std::sync::Mutex<Vec<FeedHealth>>,
    /// Shown as they are.
    pub stale: std::sync::Mutex<Vec<StaleMarket>>,
}

impl Health {
    /// Every feed, by name.
    pub fn snapshot(&self, _shared: &Shared) -> Vec<FeedHealth> {
        self.feeds.lock().expect("no holder panics").clone()
    }

    /// Served markets that are stale.
    pub fn stale(&self, _engine: &Engine, _max_age: Duration) -> Vec<StaleMarket> {
        self.stale.lock().expect("no holder panics").clone()
    }
}

/// One of `feeds` in `/status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct FeedHealth {
    pub provider: &'static str,
    pub state: &'static str,
    pub reason: Option<String>,
    pub uptime: f64,
    pub messages: u64,
    pub rate: f64,
    pub bytes: u64,
    pub bad_frames: u64,
    pub connects: u64,
    pub reconnects: u64,
    pub age: Option<f64>,
    pub latency_ms: LatencySummary,
    pub delivery_ms: LatencySummary,
    pub gaps: u64,
    pub missing: u64,
    pub repairs: u64,
    pub recovered: u64,
    pub symbols: Vec<SymbolHealth>,
}

/// One symbol of a feed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct SymbolHealth {
    pub symbol: &'static str,
    pub state: &'static str,
    pub reason: Option<String>,
    pub age: Option<f64>,
    pub streams: Vec<String>,
    pub events: u64,
}

/// Percentiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct LatencySummary {
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

/// A market that is stale.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct StaleMarket {
    pub provider: &'static str,
    pub symbol: &'static str,
    pub age: Option<f64>,
    pub reason: String,
}
