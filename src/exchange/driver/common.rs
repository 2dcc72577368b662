//! What a connection and its sessions share.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::exchange::protocol::Adapter;
use crate::feed::{Batch, FeedStats, Topic};
use crate::model::{Clock, Event, Market, Status, StatusState, Stream};

use super::connection::ConnectionOptions;

pub(super) struct Common {
    pub adapter: Arc<dyn Adapter>,
    pub options: ConnectionOptions,
    pub clock: Arc<dyn Clock>,
    pub events: mpsc::Sender<Batch>,
    pub stats: Arc<FeedStats>,
    pub cancel: CancellationToken,
}

impl Common {
    /// The state of a connection that feeds these: one event where it is the only one, else one for each of
    /// its symbols.
    pub fn statuses(
        &self,
        wanted: &[Topic],
        state: StatusState,
        attempt: u32,
        reason: Option<&str>,
    ) -> Vec<Event> {
        let mut markets = vec![None];
        if self.options.siblings.load(Ordering::Relaxed) > 1 {
            markets = Vec::new();
            for topic in wanted {
                if !markets.contains(&Some(topic.instrument.market)) {
                    markets.push(Some(topic.instrument.market));
                }
            }
        }
        let status = |market| self.status(market, state, attempt, reason.map(str::to_owned));
        markets.into_iter().map(status).collect()
    }

    pub fn status(
        &self,
        market: Option<Market>,
        state: StatusState,
        attempt: u32,
        reason: Option<String>,
    ) -> Event {
        Event::Status(Arc::new(Status {
            exchange: self.adapter.exchange(),
            market,
            state,
            attempt,
            reason,
            stand_in: None,
            timestamp: self.clock.now(),
        }))
    }

    /// Waits for room, but not beyond the end of the feed.
    pub async fn deliver(&self, batch: Batch) {
        tokio::select! {
            biased;
            _ = self.events.send(batch) => {}
            () = self.cancel.cancelled() => {}
        }
    }
}

/// How the engine names these.
pub(super) fn keys(topics: &[Topic]) -> Vec<(Market, Stream)> {
    topics
        .iter()
        .map(|topic| (topic.instrument.market, topic.stream))
        .collect()
}
