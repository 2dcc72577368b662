//! An exchange, live: an [`Adapter`] with a network around it, as the engine takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::feed::{Answer, Command, FeedIo, Provider, ProviderError, Topic, Traits};
use crate::model::{Exchange, Instrument, Ticker, Trade};
use crate::net::{ConnectError, HttpClient, HttpOptions, HttpReply, NetDial, Pacer, Recovery};

use super::driver::{Connection, ConnectionOptions, Connects, host};
use super::options::{LiveOptions, OptionsError, ws_url};
use super::protocol::{Adapter, Ask, Profile};

/// Before a REST question is asked again.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(750)];
/// A longer `Retry-After` is not waited for by one question.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3);
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
    rest_url: String,
    ws_url: http::Uri,
    http: HttpClient,
    pacer: Pacer,
    connects: Connects,
}

impl Live {
    /// The exchange of this adapter.
    ///
    /// Errors: a URL or a header that cannot be used.
    pub fn new(adapter: impl Adapter, options: LiveOptions) -> Result<Self, OptionsError> {
        let (exchange, profile) = (adapter.exchange(), adapter.profile());
        let error = |why: String| OptionsError { exchange, why };
        let rest_url = options
            .rest_url
            .as_deref()
            .unwrap_or(&profile.rest_url)
            .trim_end_matches('/')
            .to_string();
        let ws_url = ws_url(&profile, &options).map_err(error)?;
        let http = HttpClient::new(HttpOptions {
            proxies: options.proxies.clone(),
            tls: options.tls.clone(),
            headers: options.headers.clone(),
            params: options.params.clone(),
            timeout: options.timeout,
            ..HttpOptions::default()
        })
        .map_err(|why| error(why.to_string()))?;
        let pacer = match options.rate_limit.filter(|rate| *rate > 0.0) {
            Some(rate) => Pacer::new(Duration::from_secs_f64(1.0 / rate), 1),
            None => Pacer::new(profile.limits.rest_interval, profile.limits.rest_burst),
        };
        let connects = Connects::new(profile.limits.connects);
        Ok(Self {
            adapter: Arc::new(adapter),
            profile,
            options,
            rest_url,
            ws_url,
            http,
            pacer,
            connects,
        })
    }

    /// One question, asked again a few times where that may help soon. Answers other than success come back
    /// as errors, in the exchange's words.
    async fn get(&self, ask: &Ask) -> Result<String, ProviderError> {
        let mut pauses = RETRY_PAUSES.iter();
        loop {
            let error = match self.get_once(ask).await {
                Err(error) if error.is_retryable() => error,
                answer => return answer,
            };
            let Some(&pause) = pauses.next() else {
                return Err(error);
            };
            let pause = match &error {
                // Longer than a caller waits for an answer: let it know.
                ProviderError::RateLimited { retry_after, .. } => match retry_after {
                    Some(asked) if *asked <= RETRY_AFTER_MAX => pause.max(*asked),
                    _ => return Err(error),
                },
                _ => pause,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One paced request.
    async fn get_once(&self, ask: &Ask) -> Result<String, ProviderError> {
        if let Some(until) = self.pacer.paused_until() {
            let retry_after = Some(until.saturating_duration_since(Instant::now()));
            let message = format!("{} asked not to be asked for now", self.adapter.exchange());
            return Err(ProviderError::RateLimited {
                message,
                retry_after,
            });
        }
        // With an explicit limit every request counts as one.
        self.pacer
            .ready(if self.options.rate_limit.is_some() {
                1
            } else {
                ask.weight
            })
            .await;
        let reply = self
            .http
            .get(&format!("{}{}", self.rest_url, ask.path))
            .await
            .map_err(|e| self.failure(e))?;
        if reply.is_success() {
            return String::from_utf8(reply.body.to_vec()).map_err(|_| {
                ProviderError::Malformed(format!(
                    "{}: the answer is not text",
                    self.adapter.exchange()
                ))
            });
        }
        Err(self.refusal(&reply))
    }

    /// The answers to one request for tickers.
    async fn tickers_of(&self, ask: Ask, covered: Vec<Arc<Instrument>>) -> Vec<Answer<Ticker>> {
        let tickers = self.ticker_answer(&ask, &covered).await;
        let (Err(ProviderError::Refused(_) | ProviderError::Malformed(_)), 2..) =
            (&tickers, covered.len())
        else {
            return by_instrument(covered, tickers);
        };
        // One bad symbol or row fails the request; the others must not suffer for it.
        let each = covered
            .chunks(1)
            .flat_map(|one| self.adapter.ask_tickers(one));
        let each = each.map(|(ask, one)| async move {
            let tickers = self.ticker_answer(&ask, &one).await;
            by_instrument(one, tickers)
        });
        futures_util::future::join_all(each).await.concat()
    }

    async fn ticker_answer(
        &self,
        ask: &Ask,
        of: &[Arc<Instrument>],
    ) -> Result<Vec<Ticker>, ProviderError> {
        let body = self.get(ask).await?;
        self.heed(
            self.adapter
                .read_tickers(&body, of, self.options.clock.now()),
        )
    }

    /// Keeps away where the exchange asked for it inside of an answer.
    fn heed<T>(&self, answer: Result<T, ProviderError>) -> Result<T, ProviderError> {
        if let Err(ProviderError::RateLimited {
            retry_after: Some(pause),
            ..
        }) = &answer
        {
            self.pacer.pause_until(Instant::now() + *pause);
        }
        answer
    }

    fn failure(&self, error: ConnectError) -> ProviderError {
        let message = error.to_string();
        match error.recovery() {
            Recovery::Retry => ProviderError::Unreachable(message),
            Recovery::RetryAfter(pause) => {
                self.pacer.pause_until(Instant::now() + pause);
                ProviderError::RateLimited {
                    message,
                    retry_after: Some(pause),
                }
            }
            Recovery::Fatal => match error {
                // 407 is a proxy's that forwarded the request.
                ConnectError::Http { status, .. } if status != 407 => {
                    ProviderError::Blocked(message)
                }
                _ => ProviderError::Setup(message),
            },
        }
    }

    fn refusal(&self, reply: &HttpReply) -> ProviderError {
        let said = std::str::from_utf8(&reply.body)
            .ok()
            .and_then(|body| self.adapter.read_error(body));
        // The edge answers 4xx, too, but what it says is not in the exchange's form.
        match (reply.status, said) {
            (400 | 404, Some(said)) => {
                ProviderError::Refused(format!("{}: {said}", self.adapter.exchange()))
            }
            _ => self.failure(
                reply.error(
                    &self
                        .rest_url
                        .parse()
                        .map_or(String::new(), |url| host(&url)),
                ),
            ),
        }
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
            list_source: Some(self.rest_url.clone()),
        }
    }

    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>> {
        Box::pin(async {
            let body = self.get(&self.adapter.ask_instruments()).await?;
            self.heed(self.adapter.read_instruments(&body))
        })
    }

    fn tickers(&self, of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        let asks = self.adapter.ask_tickers(&of).into_iter();
        let answers: FuturesUnordered<_> = asks
            .map(|(ask, covered)| self.tickers_of(ask, covered))
            .collect();
        answers.flat_map(stream::iter).boxed()
    }

    fn trades<'a>(
        &'a self,
        of: &'a Instrument,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>> {
        Box::pin(async move {
            let body = self.get(&self.adapter.ask_trades(of, limit)).await?;
            let mut trades = self.heed(self.adapter.read_trades(
                &body,
                of,
                self.options.clock.now(),
            ))?;
            trades.drain(..trades.len().saturating_sub(limit));
            Ok(trades)
        })
    }

    fn run(self: Arc<Self>, io: FeedIo) -> BoxFuture<'static, ()> {
        Box::pin(Live::run(self, io))
    }
}

fn by_instrument(
    covered: Vec<Arc<Instrument>>,
    tickers: Result<Vec<Ticker>, ProviderError>,
) -> Vec<Answer<Ticker>> {
    let answer = |instrument: Arc<Instrument>| {
        let found = match &tickers {
            Ok(tickers) => tickers
                .iter()
                .find(|t| t.market == instrument.market)
                .cloned()
                .ok_or_else(|| {
                    ProviderError::Refused(format!("{}: not in the answer", instrument.market))
                }),
            Err(error) => Err(error.clone()),
        };
        (instrument, found)
    };
    covered.into_iter().map(answer).collect()
}
