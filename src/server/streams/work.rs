//! The one task that tells the engine what is wanted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::feed::Topic;
use crate::model::{Exchange, Market, Stream};

use super::super::error::ApiError;
use super::entries::{Entry, State, Waiting};
use super::{Inner, past};

/// After the engine was too busy.
const AGAIN: Duration = Duration::from_secs(5);

/// Runs as long as anybody can want anything.
pub(super) async fn run(inner: Weak<Inner>, wake: Arc<Notify>) {
    loop {
        let next = match inner.upgrade() {
            Some(inner) => inner.round().await,
            None => return,
        };
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wake.notified() => {}
            () = due => {}
        }
    }
}

/// What the engine has to be told.
#[derive(Default)]
struct Plan {
    start: HashMap<Exchange, Vec<Topic>>,
    stop: Vec<(Market, Stream)>,
    waiting: Vec<Waiting>,
}

impl Inner {
    /// Tells the engine what has changed, then those who wait. Returns when there is something to do next.
    async fn round(self: &Arc<Self>) -> Option<Instant> {
        let plan = self.state().plan(Instant::now());
        let mut changed: HashSet<Market> = plan.stop.iter().map(|(market, _)| *market).collect();
        if !plan.stop.is_empty() {
            // An engine that has stopped feeds nobody.
            let _ = self.link.remove(plan.stop.clone()).await;
            for &(market, stream) in &plan.stop {
                self.forget(market, stream);
            }
        }
        let mut failed: HashMap<(Market, Stream), ApiError> = HashMap::new();
        for (exchange, topics) in plan.start {
            let keys: Vec<_> = topics
                .iter()
                .map(|topic| (topic.instrument.market, topic.stream))
                .collect();
            match self.start(exchange, topics).await {
                Ok(()) => changed.extend(keys.iter().map(|(market, _)| *market)),
                Err(error) => failed.extend(keys.into_iter().map(|key| (key, error.clone()))),
            }
        }
        for market in changed {
            self.renew_stand_ins(market);
        }
        for waiting in plan.waiting {
            let error = waiting.keys.iter().find_map(|key| failed.get(key));
            // Whoever waited may be gone.
            let _ = waiting.answer.send(error.cloned().map_or(Ok(()), Err));
        }
        self.state().next()
    }

    /// Nothing of it is shown any more.
    fn forget(&self, market: Market, stream: Stream) {
        self.markets.forget(market, stream);
        self.health.forget(market, stream);
        if stream == Stream::Ticker {
            self.hub.forget(market);
        }
    }

    /// Errors: the engine cannot take them now; then they do not run.
    async fn start(&self, exchange: Exchange, topics: Vec<Topic>) -> Result<(), ApiError> {
        let provider = self.engine.provider(exchange.name());
        let has_own_clock = provider.is_ok_and(|provider| provider.traits().own_clock);
        let keys: Vec<_> = topics
            .iter()
            .map(|topic| (topic.instrument.market, topic.stream))
            .collect();
        // Before the engine hears of it: its first events are not to be missed.
        for &(market, stream) in &keys {
            self.markets.open(market, stream);
            self.health.serve(market, stream, has_own_clock);
        }
        if let Err(error) = self.link.add(topics.clone()).await {
            tracing::warn!(%exchange, %error, "streams could not be started");
            // The engine took note of them although the feed was not told.
            let _ = self.link.remove(keys.clone()).await;
            let mut state = self.state();
            for &(market, stream) in &keys {
                self.forget(market, stream);
                state.entry(&(market, stream)).again = Some(Instant::now() + AGAIN);
            }
            let message = format!("{exchange} cannot take more streams now, try again");
            return Err(ApiError::unavailable(message));
        }
        let mut state = self.state();
        for topic in topics {
            let entry = state.entry(&(topic.instrument.market, topic.stream));
            entry.running = Some(Instant::now());
            entry.again = None;
            if let Stream::Candles(interval) = topic.stream {
                let (engine, markets) = (self.engine.clone(), self.markets.clone());
                let turns = self.pasts.clone();
                entry.past = Some(past::Loading::begin(
                    engine, markets, topic, interval, turns,
                ));
            }
        }
        Ok(())
    }
}

impl State {
    /// Ended streams leave the list at once: what is wanted anew is entered anew, and starts after this round.
    fn plan(&mut self, now: Instant) -> Plan {
        let mut plan = Plan {
            waiting: std::mem::take(&mut self.waiting),
            ..Plan::default()
        };
        let ended =
            |_: &_, entry: &mut Entry| !entry.is_held() && entry.ends.is_some_and(|at| at <= now);
        for (key, entry) in self.entries.extract_if(ended) {
            if entry.running.is_some() {
                plan.stop.push(key);
            }
        }
        for (key, entry) in &mut self.entries {
            match (entry.running.is_some(), entry.is_stopped) {
                (true, true) => {
                    (entry.running, entry.past) = (None, None);
                    plan.stop.push(*key);
                }
                (false, false) => {
                    let is_awaited = || {
                        plan.waiting
                            .iter()
                            .any(|waiting| waiting.keys.contains(key))
                    };
                    if entry.again.is_none_or(|again| again <= now) || is_awaited() {
                        let exchange = key.0.exchange();
                        let topics = plan.start.entry(exchange).or_default();
                        topics.push(entry.topic.clone());
                    }
                }
                (true, false) | (false, true) => {}
            }
        }
        plan
    }

    /// When something ends or is tried again.
    fn next(&self) -> Option<Instant> {
        let ends = self.entries.values().filter_map(|entry| entry.ends);
        let again = self.entries.values();
        let again = again.filter(|entry| entry.running.is_none() && !entry.is_stopped);
        ends.chain(again.filter_map(|entry| entry.again)).min()
    }
}
