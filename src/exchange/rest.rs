//! The REST side of [`Live`](super::Live): questions that are paced, asked again where that may help, and
//! answered in the exchange's words where they fail.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::duration;
use crate::feed::ProviderError;
use crate::model::{Clock, Instrument, Timestamp, Trade};
use crate::net::{ConnectError, HttpClient, HttpOptions, HttpReply, Pacer, Recovery};
use crate::store::shared::{Budget, Permit, Question, Shared, key};

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
    /// With the other processes of this user.
    pub(super) sharing: Option<Sharing>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What is shared with other processes, and how it is found.
pub(super) struct Sharing {
    pub(super) shared: Shared,
    budget: Budget,
    /// Of the address and of everything that goes with each request: who asks in another way may get
    /// another answer.
    identity: String,
    patience: Duration,
}

/// The body of a successful answer.
pub(super) struct Body {
    pub(super) text: String,
    /// When the request for it was sent.
    pub(super) sent_at: Timestamp,
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
            dial: options.dial.clone(),
            ..HttpOptions::default()
        })
        .map_err(|why| why.to_string())?;
        let rate_limit = options.rate_limit.filter(|rate| *rate > 0.0);
        let pacer = match rate_limit {
            Some(rate) => Pacer::new(Duration::from_secs_f64(1.0 / rate), 1),
            None => Pacer::new(profile.limits.rest_interval, profile.limits.rest_burst),
        };
        let sharing = options.shared_directory.as_ref().map(|directory| {
            let shared = Shared::new(directory, options.clock.clone());
            let (interval, burst) = pacer.limit();
            let with_each = options.headers.iter().chain(&options.params);
            let with_each = with_each.flat_map(|(name, value)| [name.as_str(), value]);
            Sharing {
                budget: shared.budget(&host_and_port(url), interval, burst),
                shared,
                identity: format!("{:x}", key([url].into_iter().chain(with_each))),
                patience: options.timeout,
            }
        });
        Ok(Self {
            adapter,
            sharing,
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
        self.heed(self.adapter.read_instruments(&body.text)).await
    }

    /// The newest trades, oldest first, `limit` at most.
    pub(super) async fn trades(
        &self,
        of: &Instrument,
        limit: usize,
    ) -> Result<Vec<Trade>, ProviderError> {
        let body = self.get(&self.adapter.ask_trades(of, limit)).await?;
        let mut trades = self.read_trades(&body, of).await?;
        trades.drain(..trades.len().saturating_sub(limit));
        Ok(trades)
    }

    /// Reads an answer with trades, oldest first.
    pub(super) async fn read_trades(
        &self,
        body: &Body,
        of: &Instrument,
    ) -> Result<Vec<Trade>, ProviderError> {
        self.heed(self.adapter.read_trades(&body.text, of, body.received_at))
            .await
    }

    /// One question. Answers other than success come back as errors, in the exchange's words.
    pub(super) async fn get(&self, ask: &Ask) -> Result<Body, ProviderError> {
        let wanted_at = self.clock.now();
        let mut patience = Patience::default();
        loop {
            match self.get_shared(ask, wanted_at).await {
                Ok(body) => return Ok(body),
                Err(error) => patience.wait_after(error).await?,
            }
        }
    }

    /// One question about old trades. Nobody else has the same one: it is not shared.
    pub(super) async fn get_history(&self, ask: &Ask) -> Result<Body, ProviderError> {
        let mut patience = Patience::default();
        loop {
            match self.send(&self.history_url, ask).await {
                Ok(body) => return Ok(body),
                Err(error) => patience.wait_after(error).await?,
            }
        }
    }

    /// Takes the answer that another process got since `wanted_at`, or asks and leaves the answer to those
    /// that wait for it.
    async fn get_shared(&self, ask: &Ask, wanted_at: Timestamp) -> Result<Body, ProviderError> {
        let question = match &self.sharing {
            Some(sharing) => sharing.question(&ask.path).await,
            None => None,
        };
        let Some(mut question) = question else {
            return self.send(&self.url, ask).await;
        };
        if let Some(answer) = question.answer(wanted_at) {
            return Ok(Body {
                text: answer.body,
                sent_at: answer.sent_at,
                received_at: answer.received_at,
            });
        }
        let body = self.send(&self.url, ask).await?;
        question.keep(body.sent_at, body.received_at, "", &body.text);
        Ok(body)
    }

    /// One paced request.
    async fn send(&self, base: &str, ask: &Ask) -> Result<Body, ProviderError> {
        self.pace(ask.weight).await?;
        self.send_now(base, ask).await
    }

    /// One request that [`Rest::pace`] was waited for.
    pub(super) async fn send_now(&self, base: &str, ask: &Ask) -> Result<Body, ProviderError> {
        let sent_at = self.clock.now();
        let reply = match self.http.get(&format!("{base}{}", ask.path)).await {
            Ok(reply) if reply.is_success() => reply,
            Ok(reply) => return Err(self.refusal(base, &reply).await),
            Err(error) => {
                if let Some(sharing) = &self.sharing
                    && error.is_before_request()
                {
                    sharing.budget.give_back(self.cost(ask.weight)).await;
                }
                return Err(self.failure(error).await);
            }
        };
        let text = String::from_utf8(reply.body.to_vec()).map_err(|_| {
            let exchange = self.adapter.exchange();
            ProviderError::Malformed(format!("{exchange}: the answer is not text"))
        })?;
        Ok(Body {
            text,
            sent_at,
            received_at: self.clock.now(),
        })
    }

    /// Waits until a request may be sent. Errors: the exchange has asked to be left alone.
    pub(super) async fn pace(&self, weight: u32) -> Result<(), ProviderError> {
        if let Some(until) = self.pacer.paused_until() {
            let retry_after = until.saturating_duration_since(Instant::now());
            return Err(self.paused(retry_after));
        }
        let cost = self.cost(weight);
        self.pacer.ready(cost).await;
        let Some(sharing) = &self.sharing else {
            return Ok(());
        };
        loop {
            match sharing.budget.take(cost).await {
                Permit::Granted | Permit::Unknown => return Ok(()),
                Permit::Wait(pause) => tokio::time::sleep(pause).await,
                Permit::Paused(retry_after) => return Err(self.paused(retry_after)),
            }
        }
    }

    fn cost(&self, weight: u32) -> u32 {
        if self.counts_requests { 1 } else { weight }
    }

    fn paused(&self, retry_after: Duration) -> ProviderError {
        ProviderError::RateLimited {
            message: format!(
                "{} asked not to be asked for another {}",
                self.adapter.exchange(),
                // Whole seconds, upwards: until then it is of no use.
                duration::format(Duration::from_secs(retry_after.as_secs() + 1)),
            ),
            retry_after: Some(retry_after),
        }
    }

    /// Keeps away where the exchange asked for it inside of an answer.
    pub(super) async fn heed<T>(
        &self,
        answer: Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        if let Err(ProviderError::RateLimited {
            retry_after: Some(pause),
            ..
        }) = &answer
        {
            self.pause(*pause).await;
        }
        answer
    }

    async fn pause(&self, pause: Duration) {
        self.pacer.pause_until(Instant::now() + pause);
        if let Some(sharing) = &self.sharing {
            sharing.budget.pause(pause).await;
        }
    }

    async fn failure(&self, error: ConnectError) -> ProviderError {
        let message = error.to_string();
        match error.recovery() {
            Recovery::Retry => ProviderError::Unreachable(message),
            Recovery::RetryAfter(pause) => {
                self.pause(pause).await;
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

    async fn refusal(&self, base: &str, reply: &HttpReply) -> ProviderError {
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
                self.failure(reply.error(&host)).await
            }
        }
    }
}

impl Sharing {
    /// The right to ask for this, which may be a path or any other name.
    pub(super) async fn question(&self, of: &str) -> Option<Question> {
        self.shared.question(self.key(of), self.patience).await
    }

    pub(super) fn key(&self, of: &str) -> u64 {
        key([self.identity.as_str(), of])
    }
}

/// Whose budget it is. An address that cannot be read is not asked anyway.
fn host_and_port(url: &str) -> String {
    let Ok(url) = url.parse::<http::Uri>() else {
        return String::new();
    };
    let port = url.port_u16().unwrap_or(match url.scheme_str() {
        Some("http") => 80,
        _ => 443,
    });
    format!("{}:{port}", url.host().unwrap_or_default())
}

/// Asks again a few times where that may help soon.
#[derive(Default)]
pub(super) struct Patience {
    failures: usize,
}

impl Patience {
    /// Waits until the question can be asked again. Errors: the one given, where it should not be.
    pub(super) async fn wait_after(&mut self, error: ProviderError) -> Result<(), ProviderError> {
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
