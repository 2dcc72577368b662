//! An exchange, live: an [`Adapter`] with a network around it, as the engine takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::feed::{
    Answer, Command, ConnectTimes, FeedIo, Pages, Provider, ProviderError, Replay, ServerTime,
    Span, Topic, TradeMark, Traits,
};
use crate::model::{Candle, Exchange, Instrument, Interval, Ticker, Timestamp, Trade};
use crate::net::{AnyDial, NetDial};

use super::driver::{Connection, ConnectionOptions, Connects, Fallback, connect_times};
use super::gate::{Allowance, Gate};
use super::options::{LiveOptions, OptionsError, ws_url};
use super::poller::Poller;
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
        let mut shards: Vec<Shard> = Vec::new();
        let siblings = Arc::new(AtomicUsize::new(0));
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                // In this order: in virtual time the same run has to be the same each time.
                biased;
                command = io.commands.recv() => match command {
                    Some(command) => {
                        for opening in self.on_command(command, &mut shards) {
                            let (sender, commands) = mpsc::channel(COMMANDS);
                            let troubled = opening.troubled.clone();
                            let connection = self.connection(&io, siblings.clone(), troubled);
                            let _ = sender.try_send(opening.first);
                            shards.push(Shard {
                                sender,
                                topics: opening.topics,
                                troubled: opening.troubled,
                            });
                            running.push(tokio::spawn(connection.run(commands)));
                        }
                        // Dropping its sender ends the connection.
                        shards.retain(|shard| !shard.topics.is_empty());
                        siblings.store(shards.len(), Ordering::Relaxed);
                    }
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
        drop(shards);
        drop(io);
        while running.next().await.is_some() {}
    }

    /// Passes a command on to those it concerns; returns what needs new connections.
    fn on_command(&self, command: Command, shards: &mut [Shard]) -> Vec<Opening> {
        match command {
            Command::Subscribe(topics) => {
                let rest = self.spread(topics, shards);
                return rest.into_iter().map(Opening::subscribe).collect();
            }
            Command::Unsubscribe(topics) => {
                for shard in shards {
                    shard.unsubscribe(&topics);
                }
            }
            Command::Resubscribe(topics) => {
                for shard in shards {
                    let mine = shard.own(&topics);
                    if !mine.is_empty() {
                        shard.send(Command::Resubscribe(mine));
                    }
                }
            }
            Command::Move(topics) => {
                let moved = shards.iter_mut().map(|shard| {
                    let troubled = shard.troubled.load(Ordering::Relaxed);
                    Opening::take_over(shard.unsubscribe(&topics), troubled)
                });
                return moved.filter(|opening| !opening.topics.is_empty()).collect();
            }
            Command::Check | Command::Cut => {
                for shard in shards {
                    shard.send(command.clone());
                }
            }
        }
        Vec::new()
    }

    /// Fills connections that have room; returns what needs new ones.
    fn spread(&self, mut topics: Vec<Topic>, shards: &mut [Shard]) -> Vec<Vec<Topic>> {
        let most = self.profile.limits.topics_per_connection.max(1);
        for shard in shards {
            let room = most.saturating_sub(shard.topics.len()).min(topics.len());
            if room > 0 {
                // One that is too busy to take more is left alone.
                let here = topics[..room].to_vec();
                if shard.send(Command::Subscribe(here)) {
                    shard.topics.extend(topics.drain(..room));
                }
            }
        }
        topics.chunks(most).map(<[Topic]>::to_vec).collect()
    }

    fn connection(
        &self,
        io: &FeedIo,
        siblings: Arc<AtomicUsize>,
        troubled: Arc<AtomicBool>,
    ) -> Connection<AnyDial> {
        let options = ConnectionOptions {
            url: self.ws_url.clone(),
            headers: self.options.headers.clone(),
            attempts: self.options.reconnect_attempts,
            delay: self.options.reconnect_delay,
            max_delay: self.options.reconnect_max_delay,
            heartbeat: self.options.heartbeat_interval,
            limits: self.profile.limits.clone(),
            siblings,
            troubled,
            fallback: self.fallback(io),
        };
        Connection::new(
            self.adapter.clone(),
            options,
            self.dial(),
            self.options.clock.clone(),
            fastrand::Rng::new(),
            self.connects.clone(),
            io.events.clone(),
            io.stats.clone(),
            io.cancel.clone(),
        )
    }

    /// Where there is a REST API.
    fn fallback(&self, io: &FeedIo) -> Option<Arc<dyn Fallback>> {
        let poller = || Arc::new(Poller::new(self.rest.clone(), io.events.clone()));
        (!self.rest.url().is_empty()).then(|| poller() as Arc<dyn Fallback>)
    }

    fn dial(&self) -> AnyDial {
        let LiveOptions {
            dial, proxies, tls, ..
        } = &self.options;
        let network = || AnyDial::new(NetDial::new(proxies.clone(), tls.clone()));
        dial.clone().unwrap_or_else(network)
    }
}

/// A connection that is to be made.
struct Opening {
    first: Command,
    topics: Vec<Topic>,
    troubled: Arc<AtomicBool>,
}

impl Opening {
    fn subscribe(topics: Vec<Topic>) -> Self {
        let first = Command::Subscribe(topics.clone());
        let troubled = Arc::default();
        Self {
            first,
            topics,
            troubled,
        }
    }

    /// One for topics that another connection had; what that one told of itself holds for them.
    fn take_over(topics: Vec<Topic>, troubled: bool) -> Self {
        let first = Command::Move(topics.clone());
        let troubled = Arc::new(AtomicBool::new(troubled));
        Self {
            first,
            topics,
            troubled,
        }
    }
}

/// A running connection.
struct Shard {
    sender: mpsc::Sender<Command>,
    topics: Vec<Topic>,
    troubled: Arc<AtomicBool>,
}

impl Shard {
    /// `false`: it is too busy.
    fn send(&self, command: Command) -> bool {
        self.sender.try_send(command).is_ok()
    }

    /// Those of these that it feeds.
    fn own(&self, topics: &[Topic]) -> Vec<Topic> {
        let own = self.topics.iter().filter(|t| topics.contains(t));
        own.cloned().collect()
    }

    /// Takes these off it; returns those that it had.
    fn unsubscribe(&mut self, topics: &[Topic]) -> Vec<Topic> {
        let own = self.own(topics);
        if !own.is_empty() {
            self.topics.retain(|t| !own.contains(t));
            self.send(Command::Unsubscribe(own.clone()));
        }
        own
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
            own_clock: self.adapter.has_own_clock(),
            invented: self.adapter.is_invented(),
            stream_fields: self.profile.stream_fields,
            rest_fields: self.profile.rest_fields,
            silence: Some(self.options.heartbeat_interval),
            candles: self.profile.candles.streams,
            empty_candles: self.profile.candles.empty,
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

    fn candle_history(
        &self,
        of: Arc<Instrument>,
        interval: Interval,
        span: Span,
        closed_before: Timestamp,
    ) -> Pages<'_, Candle> {
        self.rest.candle_history(of, interval, span, closed_before)
    }

    fn trade_history(&self, of: Arc<Instrument>, span: Span) -> Pages<'_, Trade> {
        self.rest.trade_history(of, span)
    }

    fn connect_times(&self) -> BoxFuture<'_, Result<ConnectTimes, ProviderError>> {
        Box::pin(async {
            let dial = NetDial::new(self.options.proxies.clone(), self.options.tls.clone());
            connect_times(&self.connects, &dial, &self.ws_url, &self.options.headers).await
        })
    }

    fn server_time(&self) -> BoxFuture<'_, Result<ServerTime, ProviderError>> {
        Box::pin(self.rest.server_time())
    }

    fn run(self: Arc<Self>, io: FeedIo) -> BoxFuture<'static, ()> {
        Box::pin(Live::run(self, io))
    }
}
