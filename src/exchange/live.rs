//! An exchange, live: an [`Adapter`] with a network around it, as the engine takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::feed::{
    Answer, Command, FeedIo, Provider, ProviderError, Replay, ServerTime, Topic, TradeMark, Traits,
};
use crate::model::{Exchange, Instrument, Ticker, Trade};
use crate::net::NetDial;

use super::driver::{Connection, ConnectionOptions, Connects};
use super::gate::{Allowance, Gate};
use super::options::{LiveOptions, OptionsError, ws_url};
use super::protocol::{Adapter, Profile};
use super::rest::Rest;

/// Subscription changes that wait for one connection.
const COMMANDS: usize = 1_024;

/// A [`Provider`] over REST and WebSocket. Opens nothing before it is asked something.
///
/// ```no_run
/// use tickwire::engine::{Engine, Request};
/// use tickwire::exchange::{Live, LiveOptions, kraken::Kraken};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kraken = Live::new(Kraken, LiveOptions::default())?;
/// let engine = Engine::builder().provider(kraken).build();
/// let mut subscription = engine.subscribe(Request::new(["BTC/USD"])).await?;
/// let mut batch = Vec::new();
/// subscription.next_batch(&mut batch).await?;
/// println!("{} events", batch.len());
/// engine.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct Live {
    adapter: Arc<dyn Adapter>,
    profile: Profile,
    options: LiveOptions,
    ws_url: http::Uri,
    rest: Arc<Rest>,
    connects: Connects,
}

impl Live {
    /// The exchange of this adapter.
    ///
    /// Errors: a URL or a header that cannot be used.
    pub fn new(adapter: impl Adapter, options: LiveOptions) -> Result<Self, OptionsError> {
        let (exchange, profile) = (adapter.exchange(), adapter.profile());
        let error = |why: String| OptionsError { exchange, why };
        let ws_url = ws_url(&profile, &options).map_err(error)?;
        let adapter: Arc<dyn Adapter> = Arc::new(adapter);
        let rest = Rest::new(adapter.clone(), &profile, &options).map_err(error)?;
        let limits = &profile.limits;
        let allowance = Allowance::Connections(limits.connect_interval, limits.connect_burst);
        let gate = Gate::new(&ws_url, allowance, &options, Some(rest.gate()));
        let connects = Connects::through(limits.connects, gate);
        Ok(Self {
            adapter,
            profile,
            options,
            ws_url,
            rest: Arc::new(rest),
            connects,
        })
    }

    async fn run(self: Arc<Self>, mut io: FeedIo) {
        let mut connections: Vec<Shard> = Vec::new();
        let siblings = Arc::new(AtomicUsize::new(0));
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                command = io.commands.recv() => match command {
                    Some(Command::Subscribe(topics)) => {
                        for shard in self.spread(topics, &mut connections) {
                            let (sender, commands) = mpsc::channel(COMMANDS);
                            let _ = sender.try_send(Command::Subscribe(shard.clone()));
                            connections.push(Shard { sender, topics: shard });
                            siblings.store(connections.len(), Ordering::Relaxed);
                            let connection = self.connection(&io, siblings.clone());
                            running.push(tokio::spawn(connection.run(commands)));
                        }
                    }
                    Some(Command::Unsubscribe(topics)) => {
                        for connection in &mut connections {
                            connection.unsubscribe(&topics);
                        }
                        // Dropping its sender ends the connection.
                        connections.retain(|connection| !connection.topics.is_empty());
                        siblings.store(connections.len(), Ordering::Relaxed);
                    }
                    Some(_) => {}
                    None => break,
                },
                () = io.cancel.cancelled() => break,
                Some(ended) = running.next() => {
                    // A panic in a connection must not pass for silence.
                    if let Err(error) = ended && error.is_panic() {
                        std::panic::resume_unwind(error.into_panic());
                    }
                }
            }
        }
        drop(connections);
        drop(io);
        while running.next().await.is_some() {}
    }

    /// Fills connections that have room; returns what needs new ones.
    fn spread(&self, mut topics: Vec<Topic>, connections: &mut [Shard]) -> Vec<Vec<Topic>> {
        let most = self.profile.limits.topics_per_connection.max(1);
        for connection in connections {
            let room = most
                .saturating_sub(connection.topics.len())
                .min(topics.len());
            if room > 0 {
                // One that is too busy to take more is left alone.
                let here = topics[..room].to_vec();
                if connection.sender.try_send(Command::Subscribe(here)).is_ok() {
                    connection.topics.extend(topics.drain(..room));
                }
            }
        }
        topics.chunks(most).map(<[Topic]>::to_vec).collect()
    }

    fn connection(&self, io: &FeedIo, siblings: Arc<AtomicUsize>) -> Connection<NetDial> {
        let options = ConnectionOptions {
            url: self.ws_url.clone(),
            headers: self.options.headers.clone(),
            attempts: self.options.reconnect_attempts,
            delay: self.options.reconnect_delay,
            max_delay: self.options.reconnect_max_delay,
            heartbeat: self.options.heartbeat_interval,
            limits: self.profile.limits.clone(),
            siblings,
        };
        Connection::new(
            self.adapter.clone(),
            options,
            NetDial::new(self.options.proxies.clone(), self.options.tls.clone()),
            self.options.clock.clone(),
            fastrand::Rng::new(),
            self.connects.clone(),
            io.events.clone(),
            io.stats.clone(),
            io.cancel.clone(),
        )
    }
}

struct Shard {
    sender: mpsc::Sender<Command>,
    topics: Vec<Topic>,
}

impl Shard {
    fn unsubscribe(&mut self, topics: &[Topic]) {
        let mine: Vec<_> = self
            .topics
            .iter()
            .filter(|t| topics.contains(t))
            .cloned()
            .collect();
        if !mine.is_empty() {
            self.topics.retain(|t| !mine.contains(t));
            let _ = self.sender.try_send(Command::Unsubscribe(mine));
        }
    }
}

impl Provider for Live {
    fn exchange(&self) -> Exchange {
        self.adapter.exchange()
    }

    fn traits(&self) -> Traits {
        let own = || self.profile.quotes.iter().map(|q| q.to_string()).collect();
        Traits {
            quotes: self.options.quotes.clone().unwrap_or_else(own),
            asset_aliases: self.profile.asset_aliases,
            contiguous_ids: self.profile.contiguous_ids,
            can_wait: false,
            own_clock: false,
            invented: false,
            stream_fields: self.profile.stream_fields,
            rest_fields: self.profile.rest_fields,
            list_source: Some(self.rest.url().to_owned()),
        }
    }

    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>> {
        Box::pin(self.rest.instruments())
    }

    fn tickers(&self, of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        self.rest.tickers(of)
    }

    fn trades<'a>(
        &'a self,
        of: &'a Instrument,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>> {
        Box::pin(self.rest.trades(of, limit))
    }

    fn trades_since<'a>(
        &'a self,
        of: &'a Instrument,
        after: TradeMark,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Replay, ProviderError>> {
        Box::pin(self.rest.trades_since(of, after, deadline))
    }

    fn server_time(&self) -> BoxFuture<'_, Result<ServerTime, ProviderError>> {
        Box::pin(self.rest.server_time())
    }

    fn run(self: Arc<Self>, io: FeedIo) -> BoxFuture<'static, ()> {
        Box::pin(Live::run(self, io))
    }
}
