//! What a watch is fed by: live prices, and candles with those of before.

use std::collections::HashMap;

use futures_util::future::select_all;
use tokio::time::Instant;

use crate::engine::Subscription;
use crate::feed::ProviderError;
use crate::model::Event;
use crate::timeline::{Ended, Timeline};

use super::super::super::error::CliError;
use super::super::super::monitor::engine_stopped;
use super::again::{Again, Lane};

/// All that a watch is fed by.
#[derive(Default)]
pub struct Feeds {
    feeds: Vec<Feed>,
    /// Candles that are to be asked for anew.
    again: Again,
    /// Live candles of those who stand in, while their past is told.
    held: HashMap<Lane, Vec<Event>>,
}

/// One of them.
pub enum Feed {
    Live(Subscription),
    /// The candles of before, then live ones.
    Candles(Lane, Box<Timeline>),
    /// The candles of before of one who stands in: the live ones come by the feed of the one stood in for.
    Past(Lane, Box<Timeline>),
}

/// What came.
pub enum Fed {
    Events(Vec<Event>),
    /// The past of these candles cannot be had now: live ones follow without it.
    Failed {
        lane: Lane,
        /// Where it was not told before.
        error: Option<CliError>,
        /// What has waited for it.
        events: Vec<Event>,
    },
}

impl Feeds {
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
                    Feed::Candles(_, candles) | Feed::Past(_, candles) => {
                        candles.next_batch(&mut batch).await
                    }
                };
                taken.map(|()| batch)
            })
        });
        let (taken, place, _) = select_all(waits).await;
        match (taken, &self.feeds[place]) {
            (Ok(batch), Feed::Past(..)) => Ok(Fed::Events(batch)),
            (Ok(batch), _) => Ok(Fed::Events(hold(batch, &mut self.held))),
            (Err(Ended::Failed { error, .. }), Feed::Candles(lane, _)) => {
                // It goes on with what is live, and with whoever stands in.
                let lane = *lane;
                let is_first = self.again.ask(lane, Instant::now());
                Ok(Fed::Failed {
                    lane,
                    error: is_first.then(|| not_to_be_had(lane, &error)),
                    events: Vec::new(),
                })
            }
            (Err(Ended::Failed { error, .. }), Feed::Past(lane, _)) => {
                let lane = *lane;
                self.feeds.remove(place);
                Ok(Fed::Failed {
                    lane,
                    error: Some(not_to_be_had(lane, &error)),
                    events: self.held.remove(&lane).unwrap_or_default(),
                })
            }
            (Err(Ended::Over), Feed::Past(lane, _)) => {
                let held = self.held.remove(lane).unwrap_or_default();
                self.feeds.remove(place);
                Ok(Fed::Events(held))
            }
            (Err(_), _) => Err(engine_stopped()),
        }
    }

    /// Has candles asked for anew after a pause. Whether that is the first time in a row.
    pub fn ask_again(&mut self, lane: Lane) -> bool {
        self.again.ask(lane, Instant::now())
    }

    /// Candles that are to be asked for anew now, which is then up to the caller.
    pub fn due(&mut self) -> Option<Lane> {
        self.again.due(Instant::now())
    }

    /// Adds one, in place of one for the same candles.
    pub fn put(&mut self, feed: Feed) {
        match &feed {
            Feed::Live(_) => {}
            Feed::Candles(lane, _) => {
                let is_same = |known: &Feed| matches!(known, Feed::Candles(l, _) if l == lane);
                self.feeds.retain(|known| !is_same(known));
            }
            Feed::Past(lane, _) => {
                let is_same = |known: &Feed| matches!(known, Feed::Past(l, _) if l == lane);
                self.feeds.retain(|known| !is_same(known));
                self.held.entry(*lane).or_default();
            }
        }
        self.feeds.push(feed);
    }
}

fn not_to_be_had((market, interval): Lane, error: &ProviderError) -> CliError {
    let message = format!(
        "{market}: the candles of {interval} of before are not to be had: {error}; asked for again from time to time"
    );
    CliError::unknown(error.code(), message)
}

/// Keeps those back whose past is being told, of forming ones the newest. Returns the others.
fn hold(batch: Vec<Event>, held: &mut HashMap<Lane, Vec<Event>>) -> Vec<Event> {
    if held.is_empty() {
        return batch;
    }
    let lane = |event: &Event| match event {
        Event::Candle(candle) => Some((candle.market, candle.interval)),
        Event::Gap(gap) => Some((gap.market, gap.stream.interval()?)),
        _ => None,
    };
    let is_forming = |event: &Event| matches!(event, Event::Candle(candle) if !candle.closed);
    let mut others = Vec::with_capacity(batch.len());
    for event in batch {
        match lane(&event).and_then(|lane| held.get_mut(&lane)) {
            Some(waiting) => {
                if waiting.last().is_some_and(is_forming) {
                    waiting.pop();
                }
                waiting.push(event);
            }
            None => others.push(event),
        }
    }
    others
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Candle, Exchange, Interval, Market, Origin, Timestamp};

    fn candle(base: &str, minute: i64, closed: bool) -> Event {
        let price = "1".parse().unwrap();
        let open_time = Timestamp::from_nanos(minute * Interval::M1.nanos());
        Event::Candle(Arc::new(Candle {
            market: Market::new(Exchange::new("held"), base, "USD"),
            interval: Interval::M1,
            open_time,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: "1".parse().unwrap(),
            quote_volume: None,
            trades: None,
            closed,
            complete: true,
            origin: Origin::Stream,
            timestamp: None,
            received_at: open_time,
        }))
    }

    #[test]
    fn live_candles_of_a_stand_in_wait_for_its_past_and_others_do_not() {
        let stand_in = Market::new(Exchange::new("held"), "A", "USD");
        let mut held = HashMap::from([((stand_in, Interval::M1), Vec::new())]);
        let batch = vec![
            candle("A", 1, false),
            candle("B", 1, false),
            candle("A", 1, true),
            candle("A", 2, false),
            candle("A", 2, false),
        ];
        assert_eq!(hold(batch, &mut held), [candle("B", 1, false)]);
        let waiting = held.remove(&(stand_in, Interval::M1)).unwrap();
        assert_eq!(waiting, [candle("A", 1, true), candle("A", 2, false)]);
        let released = vec![candle("A", 3, false)];
        assert_eq!(hold(released.clone(), &mut held), released);
    }
}
