//! What is known of each stream.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::feed::Topic;
use crate::model::{Interval, Market, Stream};

use super::super::error::ApiError;
use super::super::health::{self, LatencySummary};
use super::past::Loading;

#[derive(Default)]
pub(super) struct State {
    pub entries: HashMap<(Market, Stream), Entry>,
    pub waiting: Vec<Waiting>,
    /// How the configuration writes a market.
    pub written: HashMap<Market, String>,
    /// Streams of the configuration's own, by name, and whether each is raw.
    pub custom: HashMap<String, (Vec<Topic>, bool)>,
}

/// One who waits until the engine has been told.
pub(super) struct Waiting {
    pub keys: Vec<(Market, Stream)>,
    pub answer: oneshot::Sender<Result<(), ApiError>>,
}

pub(super) struct Entry {
    pub topic: Topic,
    pub id: String,
    pub leases: usize,
    pub is_of_config: bool,
    pub is_of_api: bool,
    pub is_stopped: bool,
    /// Since when the engine was told.
    pub running: Option<Instant>,
    /// Nobody wants it: when it ends.
    pub ends: Option<Instant>,
    /// The engine was too busy: not told again before this.
    pub again: Option<Instant>,
    pub past: Option<Loading>,
}

/// A stream as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamView {
    /// `kraken:BTC-USD:candles:1m`.
    pub id: String,
    /// `ticker`, `trades`, `candles`, or `custom` where the configuration defines the provider.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where.
    pub provider: &'static str,
    /// Canonical.
    pub symbol: &'static str,
    /// Of candles.
    pub interval: Option<&'static str>,
    /// `running` or `stopped`.
    pub state: &'static str,
    /// The state of its feed, while it runs.
    pub feed: Option<&'static str>,
    /// Why the feed is so.
    pub reason: Option<String>,
    /// How many hold it.
    pub references: usize,
    /// Whether it runs for nobody, too.
    pub pinned: bool,
    /// Since it runs.
    pub events: u64,
    /// How many of the events that were last handed over were of it.
    pub queue: u64,
    /// Seconds since it runs.
    pub uptime: f64,
    /// From the exchange's time of an event to its arrival.
    pub latency_ms: LatencySummary,
    /// Seconds since an event or a confirmation.
    pub age: Option<f64>,
}

impl State {
    /// The keys of these topics, each once; those that are new are entered, held by nobody yet.
    pub fn enter(
        &mut self,
        topics: Vec<Topic>,
        most: usize,
    ) -> Result<Vec<(Market, Stream)>, ApiError> {
        let mut keys: Vec<(Market, Stream)> = Vec::with_capacity(topics.len());
        let mut fresh = Vec::new();
        for topic in topics {
            let key = (topic.instrument.market, topic.stream);
            if keys.contains(&key) {
                continue;
            }
            keys.push(key);
            if !self.entries.contains_key(&key) {
                fresh.push(topic);
            }
        }
        if self.entries.len() + fresh.len() > most {
            return Err(ApiError::unavailable(format!(
                "no more than {most} streams run at once (server.limits.streams)"
            )));
        }
        for topic in fresh {
            let entry = Entry::new(topic);
            self.entries.insert(entry.key(), entry);
        }
        Ok(keys)
    }

    pub fn entry(&mut self, key: &(Market, Stream)) -> &mut Entry {
        self.entries
            .get_mut(key)
            .expect("it was looked up under the same lock")
    }

    /// The keys of the stream of this id, or of all.
    pub fn named(&self, id: Option<&str>) -> Result<Vec<(Market, Stream)>, ApiError> {
        let all = self.entries.values();
        let named = all.filter(|entry| id.is_none_or(|id| entry.id == id));
        let keys: Vec<_> = named.map(Entry::key).collect();
        match (id, keys.is_empty()) {
            (Some(_), true) => Err(ApiError::not_found(
                "no stream of this id, see GET /api/v1/streams",
            )),
            _ => Ok(keys),
        }
    }

    pub fn view(&self, entry: &Entry, now: Instant) -> StreamView {
        let (market, stream) = entry.key();
        let uptime = entry
            .running
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        StreamView {
            id: entry.id.clone(),
            kind: match self.custom.contains_key(market.exchange().name()) {
                true => "custom",
                false => stream.name(),
            },
            provider: market.exchange().name(),
            symbol: market.symbol(),
            interval: stream.interval().map(Interval::name),
            state: match entry.is_stopped {
                true => "stopped",
                false => "running",
            },
            feed: None,
            reason: None,
            references: entry.leases,
            pinned: entry.is_of_config || entry.is_of_api,
            events: 0,
            queue: 0,
            uptime: (uptime.as_secs_f64() * 1_000.0).round() / 1_000.0,
            latency_ms: LatencySummary::default(),
            age: None,
        }
    }
}

impl Entry {
    pub fn new(topic: Topic) -> Self {
        let (market, stream) = (topic.instrument.market, topic.stream);
        let symbol = market.symbol().replace('/', "-");
        let stream = health::stream_name(stream);
        Self {
            id: format!("{}:{symbol}:{stream}", market.exchange()),
            topic,
            leases: 0,
            is_of_config: false,
            is_of_api: false,
            is_stopped: false,
            running: None,
            ends: None,
            again: None,
            past: None,
        }
    }

    pub fn key(&self) -> (Market, Stream) {
        (self.topic.instrument.market, self.topic.stream)
    }

    pub fn is_held(&self) -> bool {
        self.leases > 0 || self.is_of_config || self.is_of_api
    }

    /// Where nobody holds it any more it ends after this time.
    pub fn look(&mut self, linger: Duration) {
        if !self.is_held() {
            self.ends = Some(Instant::now() + linger);
        }
    }
}
