//! What a subscriber asks for, and what it holds.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::feed::Topic;
use crate::model::{Event, Instrument, Market, Stream};

use super::builder::{Engine, EngineError};
use super::hub::{Filter, SubscriberId};
use super::mailbox::{Delivery, End, Mailbox};
use super::task::Control;

/// What to subscribe to, and how it is delivered.
#[derive(Clone, Default)]
pub struct Request {
    pub(crate) symbols: Vec<String>,
    pub(crate) instruments: Vec<Arc<Instrument>>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) also: Vec<Topic>,
    pub(crate) delivery: Delivery,
    pub(crate) filter: Option<Filter>,
}

impl Request {
    /// Tickers of these symbols, in any spelling, `provider:SYMBOL` included; every event is delivered.
    pub fn new<S: Into<String>>(symbols: impl IntoIterator<Item = S>) -> Self {
        let symbols = symbols.into_iter().map(Into::into).collect();
        Self {
            symbols,
            streams: vec![Stream::Ticker],
            ..Self::default()
        }
    }

    /// The same for instruments that were resolved before.
    pub fn instruments(instruments: impl IntoIterator<Item = Arc<Instrument>>) -> Self {
        Self {
            instruments: instruments.into_iter().collect(),
            streams: vec![Stream::Ticker],
            ..Self::default()
        }
    }

    /// These streams instead of tickers.
    pub fn streams(mut self, streams: impl IntoIterator<Item = Stream>) -> Self {
        self.streams = streams.into_iter().collect();
        self
    }

    /// These besides, whatever is asked of the others.
    pub fn also(mut self, topics: impl IntoIterator<Item = Topic>) -> Self {
        self.also.extend(topics);
        self
    }

    /// How events wait for the reader.
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Only data events for which this holds. Gaps and states are always delivered.
    pub fn filter(mut self, filter: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }
}

/// A running subscription: an async stream of [`Event`]s. Dropping it ends it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tickwire::{engine::{Engine, Request}, exchange::mock::Mock};
/// # let engine = Engine::builder().provider(Mock::default()).build();
/// let mut subscription = engine.subscribe(Request::new(["BTC"])).await?;
/// subscription.add(["ETH", "SOL"]).await?;
/// let mut batch = Vec::new();
/// subscription.next_batch(&mut batch).await?;
/// subscription.remove(["BTC"]).await?;
/// # engine.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct Subscription {
    id: SubscriberId,
    engine: Engine,
    mailbox: Arc<Mailbox>,
    streams: Vec<Stream>,
    ready: std::vec::IntoIter<Event>,
    /// The wait for the next batch, while this is polled as a stream.
    waiting: Option<BoxFuture<'static, Result<Vec<Event>, End>>>,
}

impl Subscription {
    pub(crate) fn new(
        id: SubscriberId,
        engine: Engine,
        mailbox: Arc<Mailbox>,
        streams: Vec<Stream>,
    ) -> Self {
        Self {
            id,
            engine,
            mailbox,
            streams,
            ready: Vec::new().into_iter(),
            waiting: None,
        }
    }

    /// Waits for events and swaps all that are there into `batch`, which is cleared first. The cheap way
    /// to read: one hand-over for many events.
    ///
    /// Errors: [`End`], once there will be no more.
    pub async fn next_batch(&mut self, batch: &mut Vec<Event>) -> Result<(), End> {
        self.mailbox.take(batch).await
    }

    /// Like [`Subscription::next_batch`], without waiting: `false` when there is nothing now.
    pub fn try_next_batch(&mut self, batch: &mut Vec<Event>) -> Result<bool, End> {
        self.mailbox.try_take(batch)
    }

    /// Adds symbols while running.
    ///
    /// Errors: a symbol that cannot be resolved; nothing is added then.
    pub async fn add<S: AsRef<str>>(
        &self,
        symbols: impl IntoIterator<Item = S>,
    ) -> Result<(), EngineError> {
        let topics = self.topics(symbols).await?;
        self.link().add(topics).await
    }

    /// Removes symbols while running. Events of theirs that wait already can still come.
    ///
    /// Errors: a symbol that cannot be resolved; nothing is removed then.
    pub async fn remove<S: AsRef<str>>(
        &self,
        symbols: impl IntoIterator<Item = S>,
    ) -> Result<(), EngineError> {
        let topics = self.topics(symbols).await?;
        let topics = topics
            .iter()
            .map(|t| (t.instrument.market, t.stream))
            .collect();
        self.link().remove(topics).await
    }

    /// For those who have something to say about it while it is being read.
    pub fn link(&self) -> Link {
        Link {
            id: self.id,
            engine: self.engine.clone(),
        }
    }

    async fn topics<S: AsRef<str>>(
        &self,
        symbols: impl IntoIterator<Item = S>,
    ) -> Result<Vec<Topic>, EngineError> {
        let mut instruments = Vec::new();
        for symbol in symbols {
            instruments.push(self.engine.resolve(symbol.as_ref()).await?);
        }
        Ok(topics(&instruments, &self.streams))
    }
}

/// Every stream of every instrument.
pub(crate) fn topics(instruments: &[Arc<Instrument>], streams: &[Stream]) -> Vec<Topic> {
    let of = |instrument: &Arc<Instrument>| {
        let instrument = instrument.clone();
        streams.iter().map(move |&stream| Topic {
            instrument: instrument.clone(),
            stream,
        })
    };
    instruments.iter().flat_map(of).collect()
}

/// A way to a running subscription that does not hold it. See [`Subscription::link`].
#[derive(Debug, Clone)]
pub struct Link {
    id: SubscriberId,
    engine: Engine,
}

impl Link {
    /// Adds topics to the subscription; those that it has stay.
    ///
    /// Errors: the engine has stopped, or a feed is too busy.
    pub async fn add(&self, topics: Vec<Topic>) -> Result<(), EngineError> {
        let (done, answer) = oneshot::channel();
        let id = self.id;
        self.engine
            .control(Control::Add { id, topics, done })
            .await?;
        let answer = answer.await.map_err(|_| EngineError::Stopped)?;
        answer.map_err(|busy| EngineError::Busy(busy.0))
    }

    /// Takes topics from it. Events of theirs that wait already can still come.
    ///
    /// Errors: the engine has stopped.
    pub async fn remove(&self, topics: Vec<(Market, Stream)>) -> Result<(), EngineError> {
        let (done, answer) = oneshot::channel();
        let id = self.id;
        self.engine
            .control(Control::Remove { id, topics, done })
            .await?;
        answer.await.map_err(|_| EngineError::Stopped)
    }

    /// While `primary` is stale or has failed, its streams come from the first of `others` that works, and
    /// a [`crate::model::Status`] of the primary tells so. It is about the streams that are read of the primary now:
    /// asked again it replaces what was asked before. Nothing happens where the subscription is gone.
    pub async fn stand_in(&self, primary: Market, others: Vec<Arc<Instrument>>) {
        let id = self.id;
        let asked = Control::StandIn {
            id,
            primary,
            others,
        };
        // An engine that has stopped has nobody to stand in for.
        let _ = self.engine.control(asked).await;
    }
}

impl futures_util::Stream for Subscription {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(event) = self.ready.next() {
                return Poll::Ready(Some(event));
            }
            let mailbox = self.mailbox.clone();
            let waiting = self.waiting.get_or_insert_with(|| {
                Box::pin(async move {
                    let mut batch = Vec::new();
                    mailbox.take(&mut batch).await.map(|()| batch)
                })
            });
            let batch = ready!(waiting.as_mut().poll(context));
            self.waiting = None;
            match batch {
                Ok(batch) => self.ready = batch.into_iter(),
                Err(_) => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.mailbox.end(End::Dropped);
        // Where the queue is full the engine finds the ended mailbox by itself with the next event.
        self.engine.control_now(Control::Close { id: self.id });
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subscription({})", self.id)
    }
}
