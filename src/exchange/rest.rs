//! The REST side of [`Live`](super::Live): questions that are paced, asked again where that may help, and
//! answered in the exchange's words where they fail.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use tokio::time::Instant;

use crate::feed::{Answer, ProviderError};
use crate::model::{Clock, Instrument, Ticker, Timestamp, Trade};
use crate::net::{ConnectError, HttpClient, HttpOptions, HttpReply, Pacer, Recovery};

use super::driver::host;
use super::options::LiveOptions;
use super::protocol::{Adapter, Ask, Profile};

/// Before a REST question is asked again.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(750)];
/// A longer `Retry-After` is not waited for by one question.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3);

/// One exchange's REST API, with its budget.
pub(super) struct Rest {
    pub(super) adapter: Arc<dyn Adapter>,
    url: String,
    history_url: String,
    http: HttpClient,
    pacer: Pacer,
    /// With an explicit limit every request counts as one.
    counts_requests: bool,
    pub(super) clock: Arc<dyn Clock>,
}

/// The body of a successful answer.
pub(super) struct Body {
    pub(super) text: String,
    /// When it reached us.
    pub(super) received_at: Timestamp,
}

impl Rest {
    /// Errors: a header that cannot be sent.
    pub(super) fn new(
        adapter: Arc<dyn Adapter>,
        profile: &Profile,
        options: &LiveOptions,
    ) -> Result<Self, String> {
        let url = options.rest_url.as_deref().unwrap_or(&profile.rest_url);
        let history_url = options
            .history_url
            .as_deref()
            .or(options.rest_url.as_deref())
            .or(profile.history_url.as_deref())
            .unwrap_or(url);
        let base = |url: &str| url.trim_end_matches('/').to_owned();
        let http = HttpClient::new(HttpOptions {
            proxies: options.proxies.clone(),
            tls: options.tls.clone(),
            headers: options.headers.clone(),
            params: options.params.clone(),
            timeout: options.timeout,
            ..HttpOptions::default()
        })
        .map_err(|why| why.to_string())?;
        let rate_limit = options.rate_limit.filter(|rate| *rate > 0.0);
        let pacer = match rate_limit {
            Some(rate) => Pacer::new(Duration::from_secs_f64(1.0 / rate), 1),
            None => Pacer::new(profile.limits.rest_interval, profile.limits.rest_burst),
        };
        Ok(Self {
            adapter,
            url: base(url),
            history_url: base(history_url),
            http,
            pacer,
            counts_requests: rate_limit.is_some(),
            clock: options.clock.clone(),
        })
    }

    /// The base of the API.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Everything that is traded.
    pub(super) async fn instruments(&self) -> Result<Vec<Instrument>, ProviderError> {
        let body = self.get(&self.adapter.ask_instruments()).await?;
        self.heed(self.adapter.read_instruments(&body.text))
    }

    /// The newest trades, oldest first, `limit` at most.
    pub(super) async fn trades(
        &self,
        of: &Instrument,
        limit: usize,
    ) -> Result<Vec<Trade>, ProviderError> {
        let body = self.get(&self.adapter.ask_trades(of, limit)).await?;
        let mut trades = self.read_trades(&body, of)?;
        trades.drain(..trades.len().saturating_sub(limit));
        Ok(trades)
    }

    /// The tickers of these, each as soon as it is there.
    pub(super) fn tickers(&self, of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        let asks = self.adapter.ask_tickers(&of).into_iter();
        let answers: FuturesUnordered<_> = asks
            .map(|(ask, covered)| self.tickers_of(ask, covered))
            .collect();
        answers.flat_map(stream::iter).boxed()
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
        self.heed(self.adapter.read_tickers(&body.text, of, body.received_at))
    }

    /// Reads an answer with trades, oldest first.
    pub(super) fn read_trades(
        &self,
        body: &Body,
        of: &Instrument,
    ) -> Result<Vec<Trade>, ProviderError> {
        self.heed(self.adapter.read_trades(&body.text, of, body.received_at))
    }

    /// One question. Answers other than success come back as errors, in the exchange's words.
    pub(super) async fn get(&self, ask: &Ask) -> Result<Body, ProviderError> {
        self.get_from(&self.url, ask).await
    }

    /// One question about old trades.
    pub(super) async fn get_history(&self, ask: &Ask) -> Result<Body, ProviderError> {
        self.get_from(&self.history_url, ask).await
    }

    async fn get_from(&self, base: &str, ask: &Ask) -> Result<Body, ProviderError> {
        let mut patience = Patience::default();
        loop {
            match self.send(base, ask).await {
                Ok(body) => return Ok(body),
                Err(error) => patience.wait_after(error).await?,
            }
        }
    }

    /// One paced request.
    async fn send(&self, base: &str, ask: &Ask) -> Result<Body, ProviderError> {
        self.pace(ask.weight).await?;
        let reply = self.http.get(&format!("{base}{}", ask.path)).await;
        let reply = reply.map_err(|error| self.failure(error))?;
        if !reply.is_success() {
            return Err(self.refusal(base, &reply));
        }
        let text = String::from_utf8(reply.body.to_vec()).map_err(|_| {
            let exchange = self.adapter.exchange();
            ProviderError::Malformed(format!("{exchange}: the answer is not text"))
        })?;
        Ok(Body {
            text,
            received_at: self.clock.now(),
        })
    }

    /// Waits until a request may be sent. Errors: the exchange has asked to be left alone.
    async fn pace(&self, weight: u32) -> Result<(), ProviderError> {
        if let Some(until) = self.pacer.paused_until() {
            let retry_after = until.saturating_duration_since(Instant::now());
            return Err(self.paused(retry_after));
        }
        let cost = if self.counts_requests { 1 } else { weight };
        self.pacer.ready(cost).await;
        Ok(())
    }

    fn paused(&self, retry_after: Duration) -> ProviderError {
        ProviderError::RateLimited {
            message: format!("{} asked not to be asked for now", self.adapter.exchange()),
            retry_after: Some(retry_after),
        }
    }

    /// Keeps away where the exchange asked for it inside of an answer.
    fn heed<T>(&self, answer: Result<T, ProviderError>) -> Result<T, ProviderError> {
        if let Err(ProviderError::RateLimited {
            retry_after: Some(pause),
            ..
        }) = &answer
        {
            self.pause(*pause);
        }
        answer
    }

    fn pause(&self, pause: Duration) {
        self.pacer.pause_until(Instant::now() + pause);
    }

    fn failure(&self, error: ConnectError) -> ProviderError {
        let message = error.to_string();
        match error.recovery() {
            Recovery::Retry => ProviderError::Unreachable(message),
            Recovery::RetryAfter(pause) => {
                self.pause(pause);
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

    fn refusal(&self, base: &str, reply: &HttpReply) -> ProviderError {
        let said = std::str::from_utf8(&reply.body)
            .ok()
            .and_then(|body| self.adapter.read_error(body));
        // The edge answers 4xx, too, but what it says is not in the exchange's form.
        match (reply.status, said) {
            (400 | 404, Some(said)) => {
                ProviderError::Refused(format!("{}: {said}", self.adapter.exchange()))
            }
            _ => {
                let host = base.parse().map_or(String::new(), |url| host(&url));
                self.failure(reply.error(&host))
            }
        }
    }
}

/// Asks again a few times where that may help soon.
#[derive(Default)]
struct Patience {
    failures: usize,
}

impl Patience {
    /// Waits until the question can be asked again. Errors: the one given, where it should not be.
    async fn wait_after(&mut self, error: ProviderError) -> Result<(), ProviderError> {
        let Some(&pause) = RETRY_PAUSES.get(self.failures) else {
            return Err(error);
        };
        self.failures += 1;
        let pause = match &error {
            // Longer than a caller waits for an answer: let it know.
            ProviderError::RateLimited { retry_after, .. } => match retry_after {
                Some(asked) if *asked <= RETRY_AFTER_MAX => pause.max(*asked),
                _ => return Err(error),
            },
            _ if error.is_retryable() => pause,
            _ => return Err(error),
        };
        tokio::time::sleep(pause).await;
        Ok(())
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
