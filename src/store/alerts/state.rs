//! What is remembered of a named rule.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::alert::Memory;
use crate::model::Timestamp;

/// How many entries of the history are kept.
pub const HISTORY_MAX: usize = 100;

/// Everything about one named rule. Times are written as nanoseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// The rule's name. It belongs to the file: never changed.
    pub name: String,
    /// By market, as in `kraken:BTC/USD`.
    pub markets: BTreeMap<String, MarketState>,
    /// Firings with actions that have not been done, oldest first.
    pub outbox: Vec<Pending>,
    /// Newest last, at most [`HISTORY_MAX`]; see [`State::remember`].
    pub history: VecDeque<Past>,
}

/// One rule on one market.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketState {
    /// Of provider, symbol and condition: another hash is another rule, which starts anew.
    pub hash: String,
    /// Whether it is armed and when it fired.
    pub memory: Memory,
    /// How far the trades of each market that the rule looks at have been seen.
    pub watermarks: BTreeMap<String, Watermark>,
    /// The version of this entry: whoever finds another than it has written knows that others were here.
    pub generation: u64,
    /// When the newest of what it was judged by came.
    #[serde(with = "nanos")]
    pub checked_at: Timestamp,
}

/// The newest trade that has been seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// The exchange's id, where it was a trade with one.
    pub id: Option<u64>,
    /// The exchange's time.
    #[serde(with = "nanos")]
    pub time: Timestamp,
    /// In the exchange's digits.
    pub price: Option<String>,
}

/// A firing with actions that are to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The idempotency key.
    pub id: String,
    /// As in `kraken:BTC/USD`.
    pub market: String,
    /// The alert event as one line of JSON.
    pub event: String,
    /// When the rule fired.
    #[serde(with = "nanos")]
    pub fired_at: Timestamp,
    /// Those that have not been done; each key once, never empty in an outbox.
    pub actions: Vec<PendingAction>,
}

/// One action of a firing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingAction {
    /// Which one: `line`, `exec`, `webhook:NAME`, `notify`, `bell`.
    pub key: String,
    /// Tries that have failed.
    pub attempts: u32,
    /// Until when a process works on it.
    #[serde(with = "nanos::option")]
    pub claimed_until: Option<Timestamp>,
    /// That process.
    pub claimed_by: Option<u32>,
}

impl PendingAction {
    /// One that nobody has tried.
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            attempts: 0,
            claimed_until: None,
            claimed_by: None,
        }
    }
}

/// An entry of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The firing's idempotency key.
    pub id: String,
    /// As in `kraken:BTC/USD`.
    pub market: String,
    /// When it came to that.
    #[serde(with = "nanos")]
    pub at: Timestamp,
    /// In the exchange's digits.
    pub price: Option<String>,
    /// `fired`, `suppressed: cooldown`, `dead letter: webhook:NAME`.
    pub outcome: String,
}

impl State {
    /// Nothing is known yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Adds to the history, which forgets its oldest entries.
    pub fn remember(&mut self, past: Past) {
        self.history.push_back(past);
        let surplus = self.history.len().saturating_sub(HISTORY_MAX);
        self.history.drain(..surplus);
    }
}

/// Times as nanoseconds since the epoch.
mod nanos {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::model::Timestamp;

    pub fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(time.nanos())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_nanos)
    }

    pub mod option {
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        use crate::model::Timestamp;

        pub fn serialize<S: Serializer>(
            time: &Option<Timestamp>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            time.map(Timestamp::nanos).serialize(to)
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            Ok(Option::deserialize(from)?.map(Timestamp::from_nanos))
        }
    }
}
