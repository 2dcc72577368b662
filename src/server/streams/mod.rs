//! What is subscribed at the engine, for whom, and for how much longer.
//!
//! A stream runs as long as somebody holds a [`Lease`] on it or it is pinned, and [`LINGER`] longer: those who come
//! and go must not reach the exchange. Wishes are noted at once; one task tells the engine, so that they cannot
//! overtake one another, and a client that gives up waiting leaves nothing behind.

mod entries;
mod past;
mod stand_ins;
mod work;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot, watch};
use tokio::time::Instant;

use crate::config::Limits;
use crate::engine::{Engine, Link};
use crate::feed::Topic;
use crate::model::{Interval, Market, Stream};

use super::error::ApiError;
use super::health::Health;
use super::hub::Hub;
use super::markets::Markets;

use entries::{Entry, State, Waiting};

pub use entries::StreamView;
pub use past::{Past, candles};
pub use stand_ins::StandIns;

/// How long a stream goes on that nobody wants any more.
pub const LINGER: Duration = Duration::from_secs(30);
/// Questions over REST that clients cause, at once.
const QUESTIONS: usize = 8;

/// Streams with their references. Clones share them.
#[derive(Clone)]
pub struct Streams(Arc<Inner>);

struct Inner {
    engine: Engine,
    link: Link,
    markets: Markets,
    health: Health,
    hub: Arc<Hub>,
    stand_ins: StandIns,
    most: usize,
    state: Mutex<State>,
    wake: Arc<Notify>,
    questions: Semaphore,
    pasts: Arc<Semaphore>,
}

/// Who keeps a stream without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The configuration, or the command line.
    Config,
    /// A client, until another one takes it back.
    Api,
}

/// Some streams run, or are to be started again, as long as this is held.
#[derive(Debug)]
pub struct Lease {
    streams: Streams,
    keys: Vec<(Market, Stream)>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.streams.state();
        for key in &self.keys {
            if let Some(entry) = state.entries.get_mut(key) {
                entry.leases -= 1;
                entry.look(LINGER);
            }
        }
        drop(state);
        self.streams.0.wake.notify_one();
    }
}

impl Streams {
    /// None yet. Must be called within the runtime that runs the engine; `link` is that of the subscription that the
    /// pump reads.
    pub fn new(
        engine: Engine,
        link: Link,
        markets: Markets,
        health: Health,
        hub: Arc<Hub>,
        stand_ins: StandIns,
        limits: &Limits,
    ) -> Self {
        let wake = Arc::new(Notify::new());
        let inner = Arc::new(Inner {
            engine,
            link,
            markets,
            health,
            hub,
            stand_ins,
            most: limits.streams,
            state: Mutex::default(),
            wake: wake.clone(),
            questions: Semaphore::new(QUESTIONS),
            pasts: Arc::new(Semaphore::new(past::AT_ONCE)),
        });
        tokio::spawn(work::run(Arc::downgrade(&inner), wake));
        Self(inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    /// Lets these run, all or none, and waits until the engine knows.
    ///
    /// Errors: there would be too many, or the engine cannot take them now.
    pub async fn acquire(&self, topics: Vec<Topic>) -> Result<Lease, ApiError> {
        let keys = {
            let mut state = self.state();
            let keys = state.enter(topics, self.0.most)?;
            for key in &keys {
                state.entry(key).leases += 1;
                state.entry(key).ends = None;
            }
            keys
        };
        // Made before it waits: whoever gives up waiting lets go.
        let lease = Lease {
            streams: self.clone(),
            keys,
        };
        self.told(lease.keys.clone()).await?;
        Ok(lease)
    }

    /// Lets these run until they are [unpinned](Streams::unpin), stopped ones too, and waits until the engine knows.
    /// The answer: whether any was not there before.
    ///
    /// Errors: there would be too many, or the engine cannot take them now; what the configuration wants is tried
    /// again by itself then.
    pub async fn pin(&self, topics: Vec<Topic>, holder: Holder) -> Result<bool, ApiError> {
        let (keys, is_new) = {
            let mut state = self.state();
            let known = state.entries.len();
            let keys = state.enter(topics, self.0.most)?;
            for key in &keys {
                let entry = state.entry(key);
                match holder {
                    Holder::Config => entry.is_of_config = true,
                    Holder::Api => {
                        entry.is_of_api = true;
                        entry.is_stopped = false;
                    }
                }
                entry.ends = None;
            }
            (keys, state.entries.len() > known)
        };
        let told = self.told(keys.clone()).await;
        if told.is_err() && holder == Holder::Api {
            self.unpin(&keys, holder);
        }
        told.map(|()| is_new)
    }

    /// They need not run any more on behalf of this holder.
    pub fn unpin(&self, keys: &[(Market, Stream)], holder: Holder) {
        let mut state = self.state();
        for key in keys {
            if let Some(entry) = state.entries.get_mut(key) {
                match holder {
                    Holder::Config => entry.is_of_config = false,
                    Holder::Api => entry.is_of_api = false,
                }
                entry.look(LINGER);
            }
        }
        drop(state);
        self.0.wake.notify_one();
    }

    /// What the configuration keeps running.
    pub fn configured(&self) -> Vec<(Market, Stream)> {
        let state = self.state();
        let of_config = state.entries.iter().filter(|(_, entry)| entry.is_of_config);
        of_config.map(|(key, _)| *key).collect()
    }

    /// How the configuration writes a market: one that leaves the quote open can be stood in for by another quote.
    pub fn written(&self, market: Market, text: &str) {
        self.state().written.insert(market, text.to_owned());
    }

    /// What a stream of the configuration's own consists of, by its name.
    /// A raw one is told as it comes, in a room of its own.
    pub fn define(&self, name: &str, topics: Vec<Topic>, is_raw: bool) {
        let mut state = self.state();
        state.custom.insert(name.to_owned(), (topics, is_raw));
    }

    /// What [`Streams::define`] was told of this name.
    pub fn custom(&self, name: &str) -> Option<Vec<Topic>> {
        let state = self.state();
        state.custom.get(name).map(|(topics, _)| topics.clone())
    }

    /// The same of a raw one.
    pub fn raw(&self, name: &str) -> Option<Vec<Topic>> {
        let state = self.state();
        let raw = state.custom.get(name).filter(|(_, is_raw)| *is_raw);
        raw.map(|(topics, _)| topics.clone())
    }

    /// Whether this runs.
    pub fn is_running(&self, market: Market, stream: Stream) -> bool {
        let state = self.state();
        let entry = state.entries.get(&(market, stream));
        entry.is_some_and(|entry| entry.running.is_some())
    }

    /// How many run, and how many are stopped.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state();
        let stopped = state.entries.values().filter(|entry| entry.is_stopped);
        let stopped = stopped.count();
        (state.entries.len() - stopped, stopped)
    }

    /// All of them, by id.
    pub fn list(&self) -> Vec<StreamView> {
        self.views(|_| true)
    }

    /// Those of these keys.
    pub fn of(&self, keys: &[(Market, Stream)]) -> Vec<StreamView> {
        self.views(|entry| keys.contains(&entry.key()))
    }

    /// Starts what was stopped: the stream of this id, or all.
    ///
    /// Errors: there is none of this id, or the engine cannot take them now.
    pub async fn start(&self, id: Option<&str>) -> Result<Vec<StreamView>, ApiError> {
        self.switch(id, false).await
    }

    /// Stops the stream of this id, or all; they stay in the list.
    ///
    /// Errors: there is none of this id.
    pub async fn stop(&self, id: Option<&str>) -> Result<Vec<StreamView>, ApiError> {
        self.switch(id, true).await
    }

    /// Takes the stream of this id from those that run for nobody. One that is held goes on until it is let go.
    ///
    /// Errors: there is none of this id.
    pub async fn remove(&self, id: &str) -> Result<(), ApiError> {
        let keys = {
            let mut state = self.state();
            let keys = state.named(Some(id))?;
            for key in &keys {
                let entry = state.entry(key);
                (entry.is_of_config, entry.is_of_api) = (false, false);
                entry.look(Duration::ZERO);
            }
            keys
        };
        self.told(keys).await
    }

    /// Waits until the past of a candles stream was asked for; `None` where that does not run.
    pub fn past(&self, market: Market, interval: Interval) -> Option<watch::Receiver<Past>> {
        let state = self.state();
        let entry = state.entries.get(&(market, Stream::Candles(interval)))?;
        entry.past.as_ref().map(past::Loading::state)
    }

    /// Waits for its turn to ask an exchange on behalf of a client.
    pub async fn question(&self) -> SemaphorePermit<'_> {
        let turn = self.0.questions.acquire().await;
        turn.expect("it is never closed")
    }

    async fn switch(&self, id: Option<&str>, stop: bool) -> Result<Vec<StreamView>, ApiError> {
        let keys = {
            let mut state = self.state();
            let keys = state.named(id)?;
            for key in &keys {
                state.entry(key).is_stopped = stop;
                state.entry(key).again = None;
            }
            keys
        };
        self.told(keys.clone()).await?;
        Ok(self.of(&keys))
    }

    /// Waits until the engine knows what is wanted of these.
    async fn told(&self, keys: Vec<(Market, Stream)>) -> Result<(), ApiError> {
        let (answer, told) = oneshot::channel();
        self.state().waiting.push(Waiting { keys, answer });
        self.0.wake.notify_one();
        told.await
            .map_err(|_| ApiError::unavailable("the server is stopping"))?
    }

    fn views(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<StreamView> {
        let now = Instant::now();
        let mut views = Vec::new();
        let mut keys = Vec::new();
        {
            let state = self.state();
            for entry in state.entries.values().filter(|entry| wanted(entry)) {
                views.push(state.view(entry, now));
                keys.push(entry.key());
            }
        }
        let health = self.0.health.streams(&self.0.engine, keys);
        for (view, health) in views.iter_mut().zip(health) {
            let Some(health) = health.filter(|_| view.state == "running") else {
                continue;
            };
            view.feed = Some(health.state);
            view.reason = health.reason;
            view.events = health.events;
            view.queue = health.queue;
            view.latency_ms = health.latency;
            view.age = health.age;
        }
        views.sort_by(|a, b| a.id.cmp(&b.id));
        views
    }
}

impl Inner {
    /// Never held across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Streams({:?})", self.counts())
    }
}

#[cfg(test)]
mod tests;
