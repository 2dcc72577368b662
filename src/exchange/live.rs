//! An exchange, live: an [`Adapter`] with a network around it, as the engine takes it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::feed::{Answer, Command, FeedIo, Provider, ProviderError, Topic, Traits};
use crate::model::{Clock, Exchange, Instrument, SystemClock, Ticker, Trade};
use crate::net::{
    ConnectError, HttpClient, HttpOptions, HttpReply, NetDial, Pacer, ProxyRules, Recovery, Tls,
};

use super::driver::{Connection, ConnectionOptions, Connects};
use super::percent_encode;
use super::protocol::{Adapter, Ask, Profile};

/// Subscription changes that wait for one connection.
const COMMANDS: usize = 1_024;

/// How an exchange is reached. The defaults are the exchange's own.
#[derive(Clone)]
pub struct LiveOptions {
    /// Instead of the exchange's REST base URL.
    pub rest_url: Option<String>,
    /// Instead of the exchange's WebSocket URL.
    pub ws_url: Option<String>,
    /// Quotes that a bare base takes, in this order.
    pub quotes: Option<Vec<String>>,
    /// Sent with every REST request and every upgrade.
    pub headers: Vec<(String, String)>,
    /// Appended to every URL.
    pub params: Vec<(String, String)>,
    /// Attempts in a row before a connection is given up; 0 = no limit.
    pub reconnect_attempts: u32,
    /// First step of the backoff.
    pub reconnect_delay: Duration,
    /// Longest step of the backoff.
    pub reconnect_max_delay: Duration,
    /// Pause between pings.
    pub heartbeat_interval: Duration,
    /// REST requests a second instead of the exchange's limit.
    pub rate_limit: Option<f64>,
    /// Which way out.
    pub proxies: ProxyRules,
    /// Whom to trust.
    pub tls: Tls,
    /// For a whole REST request.
    pub timeout: Duration,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            rest_url: None,
            ws_url: None,
            quotes: None,
            headers: Vec::new(),
            params: Vec::new(),
            reconnect_attempts: 0,
            reconnect_delay: Duration::from_millis(250),
            reconnect_max_delay: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(15),
            rate_limit: None,
            proxies: ProxyRules::none(),
            tls: Tls::new(),
            timeout: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
        }
    }
}

/// Why an exchange cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{exchange}: {why}")]
pub struct OptionsError {
    /// Which one.
    pub exchange: Exchange,
    /// What is wrong, without secrets.
    pub why: String,
}

/// A [`Provider`] over REST and WebSocket. Opens nothing before it is asked something.
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

    /// One paced request. Answers other than success come back as errors, in the exchange's words.
    async fn get(&self, ask: &Ask) -> Result<String, ProviderError> {
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
            .get(&format!("{}{}", self.rest_url, ask.path), &[])
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
            Recovery::Fatal => ProviderError::Blocked(message),
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
            _ => self.failure(reply.error(&host(&self.rest_url))),
        }
    }

    async fn run(self: Arc<Self>, mut io: FeedIo) {
        let mut connections: Vec<Shard> = Vec::new();
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                command = io.commands.recv() => match command {
                    Some(Command::Subscribe(topics)) => {
                        for shard in self.spread(topics, &mut connections) {
                            let (sender, commands) = mpsc::channel(COMMANDS);
                            let _ = sender.try_send(Command::Subscribe(shard.clone()));
                            connections.push(Shard { sender, topics: shard });
                            running.push(tokio::spawn(self.connection(&io).run(commands)));
                        }
                    }
                    Some(Command::Unsubscribe(topics)) => {
                        for connection in &mut connections {
                            connection.unsubscribe(&topics);
                        }
                        // Dropping its sender ends the connection.
                        connections.retain(|connection| !connection.topics.is_empty());
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
        let most = self.profile.limits.topics_per_connection;
        for connection in connections {
            let room = most
                .saturating_sub(connection.topics.len())
                .min(topics.len());
            if room > 0 {
                let here: Vec<_> = topics.drain(..room).collect();
                connection.topics.extend(here.iter().cloned());
                let _ = connection.sender.try_send(Command::Subscribe(here));
            }
        }
        topics.chunks(most).map(<[Topic]>::to_vec).collect()
    }

    fn connection(&self, io: &FeedIo) -> Connection<NetDial> {
        let options = ConnectionOptions {
            url: self.ws_url.clone(),
            headers: self.options.headers.clone(),
            attempts: self.options.reconnect_attempts,
            delay: self.options.reconnect_delay,
            max_delay: self.options.reconnect_max_delay,
            heartbeat: self.options.heartbeat_interval,
            limits: self.profile.limits.clone(),
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

fn ws_url(profile: &Profile, options: &LiveOptions) -> Result<http::Uri, String> {
    let base = options.ws_url.as_deref().unwrap_or(&profile.ws_url);
    let mut url = if profile.ws_path.is_empty() {
        base.to_string()
    } else {
        format!(
            "{}{}",
            base.trim_end_matches('/').trim_end_matches(profile.ws_path),
            profile.ws_path
        )
    };
    for (n, (name, value)) in options.params.iter().enumerate() {
        url.push(if n == 0 && !url.contains('?') {
            '?'
        } else {
            '&'
        });
        url.push_str(&format!(
            "{}={}",
            percent_encode(name),
            percent_encode(value)
        ));
    }
    let uri: http::Uri = url
        .parse()
        .map_err(|_| "the WebSocket URL cannot be read".to_string())?;
    match uri.scheme_str() {
        Some("ws" | "wss") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        _ => Err("the WebSocket URL must begin with ws:// or wss:// and name a host".into()),
    }
}

fn host(url: &str) -> String {
    url.parse::<http::Uri>()
        .ok()
        .and_then(|uri| Some(uri.authority()?.as_str().rsplit('@').next()?.to_string()))
        .unwrap_or_default()
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

    fn tickers<'a>(&'a self, of: &'a [Arc<Instrument>]) -> BoxFuture<'a, Vec<Answer<Ticker>>> {
        Box::pin(async move {
            let asks = self
                .adapter
                .ask_tickers(of)
                .into_iter()
                .map(|(ask, covered)| async move {
                    let tickers = self.ticker_answer(&ask, &covered).await;
                    match tickers {
                        // One bad symbol fails the request; the others must not suffer for it.
                        Err(ProviderError::Refused(_)) if covered.len() > 1 => {
                            let each = covered.chunks(1).map(|one| self.tickers(one));
                            futures_util::future::join_all(each)
                                .await
                                .into_iter()
                                .flatten()
                                .collect()
                        }
                        tickers => by_instrument(covered, tickers),
                    }
                });
            futures_util::future::join_all(asks)
                .await
                .into_iter()
                .flatten()
                .collect()
        })
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
