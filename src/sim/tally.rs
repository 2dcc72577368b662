//! What clients did, and whether they kept the venue's rules.
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// A copy of the counts so far.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Connections accepted, plain HTTP ones included.
    pub connections: u64,
    /// Successful WebSocket upgrades.
    pub upgrades: u64,
    /// Subscribe messages received (streams named in the URL are not messages).
    pub subscribes: u64,
    /// REST requests per path, without the query.
    pub rest: BTreeMap<String, u64>,
    /// Most frames of any kind that one socket sent within one venue second.
    pub max_frames_per_second: usize,
    /// WebSocket ping frames received.
    pub pings_received: u64,
    /// WebSocket pong frames received.
    pub pongs_received: u64,
    /// Sockets open now, vanished ones included.
    pub open_sockets: usize,
    /// Each breach of a venue's rules, in words.
    pub rule_violations: Vec<String>,
}

/// Events within the last span of time.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<Instant>);

impl Window {
    /// Notes one event; the number of events within `span`, this one included.
    pub fn note(&mut self, span: Duration) -> usize {
        let now = Instant::now();
        self.0.push_back(now);
        while self.0.front().is_some_and(|&at| now - at >= span) {
            self.0.pop_front();
        }
        self.0.len()
    }
}

/// A token bucket with lazy refill.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    burst: f64,
    per_second: f64,
    at: Instant,
}

impl Bucket {
    pub fn new(per_second: f64, burst: f64) -> Self {
        Self {
            tokens: burst,
            burst,
            per_second,
            at: Instant::now(),
        }
    }

    /// Takes a token if there is one; `second` is a venue second in real time.
    pub fn take(&mut self, second: Duration) -> bool {
        let now = Instant::now();
        let seconds = (now - self.at).as_secs_f64() / second.as_secs_f64().max(1e-6);
        self.at = now;
        self.tokens = (self.tokens + seconds * self.per_second).min(self.burst);
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}

/// Request weight used in the current venue minute.
#[derive(Debug)]
pub(super) struct Weight {
    since: Instant,
    used: u64,
}

impl Weight {
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            used: 0,
        }
    }

    /// Adds to the weight; the sum in this minute.
    pub fn add(&mut self, weight: u64, second: Duration) -> u64 {
        if self.since.elapsed() >= second * 60 {
            *self = Self::new();
        }
        self.used += weight;
        self.used
    }
}
