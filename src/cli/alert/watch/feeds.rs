//! What a watch is fed by: tickers and trades as they come, and the candles that rules are computed from, with those
//! of before.

use std::time::Duration;

use futures_util::future::select_all;
use tokio::time::Instant;

use crate::engine::Subscription;
use crate::model::Event;
use crate::timeline::{Ended, Timeline};

use super::super::super::error::CliError;
use super::super::super::monitor::engine_stopped;

/// The past of candles is asked for anew so long after it could not be had.
const AGAIN: Duration = Duration::from_secs(30);

/// All that a watch is fed by.
pub struct Feeds {
    feeds: Vec<Feed>,
    /// When candles are to be asked for anew.
    again_at: Option<Instant>,
}

/// One of them.
pub enum Feed {
    Live(Subscription),
    Candles(Box<Timeline>),
}

/// What came.
pub enum Fed {
    Events(Vec<Event>),
    /// The past of the candles cannot be had.
    Failed(CliError),
}

impl Feeds {
    pub fn new(feeds: Vec<Feed>) -> Self {
        Self {
            feeds,
            again_at: None,
        }
    }

    /// The next events of any of them. Cancel safe.
    ///
    /// Errors: the engine has stopped.
    pub async fn next(&mut self) -> Result<Fed, CliError> {
        if self.feeds.is_empty() {
            return std::future::pending().await;
        }
        let waits = self.feeds.iter_mut().map(|feed| {
            Box::pin(async move {
                let mut batch = Vec::new();
                let taken = match feed {
                    Feed::Live(live) => live.next_batch(&mut batch).await.map_err(Ended::Live),
                    Feed::Candles(candles) => candles.next_batch(&mut batch).await,
                };
                taken.map(|()| batch)
            })
        });
        let (taken, place, _) = select_all(waits).await;
        match taken {
            Ok(batch) => Ok(Fed::Events(batch)),
            Err(Ended::Failed { market, error, .. }) => {
                self.feeds.remove(place);
                self.again_at = Some(Instant::now() + AGAIN);
                let message = format!("{market}: the candles of before are not to be had: {error}");
                Ok(Fed::Failed(CliError::unknown(error.code(), message)))
            }
            Err(Ended::Live(_) | Ended::Over) => Err(engine_stopped()),
        }
    }

    /// Whether it is time to ask for candles anew, which is then up to the caller.
    pub fn wants_candles(&mut self) -> bool {
        let is_time = self.again_at.is_some_and(|at| at <= Instant::now());
        if is_time {
            self.again_at = None;
        }
        is_time
    }

    pub fn add(&mut self, feed: Feed) {
        self.feeds.push(feed);
    }
}
