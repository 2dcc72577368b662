//! When the exchanges last confirmed that what was told is the newest that there is.

use std::sync::{Arc, RwLock};

use crate::model::{Market, Stream, Timestamp};

/// Shared by the engine, which writes, and those who want to know how old a value is. Without an entry it
/// was confirmed when it came.
#[derive(Debug, Clone, Default)]
pub struct Confirmed(Arc<RwLock<Vec<[Option<Timestamp>; Stream::COUNT]>>>);

impl Confirmed {
    /// The last confirmation beside the data itself: a heartbeat, or an answer over REST with nothing newer.
    pub fn get(&self, market: Market, stream: Stream) -> Option<Timestamp> {
        let known = self.0.read().expect("no holder of this lock panics");
        known.get(market.index())?[stream.index()]
    }

    pub(super) fn set(&self, market: Market, stream: Stream, at: Timestamp) {
        let mut known = self.0.write().expect("no holder of this lock panics");
        if known.len() <= market.index() {
            known.resize(market.index() + 1, Default::default());
        }
        known[market.index()][stream.index()] = Some(at);
    }
}
