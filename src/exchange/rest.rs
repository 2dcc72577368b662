//! The REST side of [`Live`](super::Live): questions that are paced, asked again where that may help, and
//! answered in the exchange's words where they fail.

use std::sync::Arc;
use std::time::Duration;

use crate::feed::{ProviderError, ServerTime};
use crate::model::{Clock, Instrument, Timestamp, Trade};
use crate::net::{ConnectError, HttpClient, HttpOptions, HttpReply, Pacer, Recovery};
use crate::store::shared::{Question, Shared, key};

use super::driver::host;
use super::gate::{Allowance, Gate};
use super::options::LiveOptions;
use super::protocol::{Adapter, Ask, Profile};

/// Before a REST question is asked again.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(750)];
/// A longer `Retry-After` is not waited for by one question.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3);
/// A moment in the past must not make a tight loop.
const RETRY_AT_LEAST: Duration = Duration::from_secs(1);

/// One exchange's REST API, with its budget.
pub(super) struct Rest {
    pub(super) adapter: Arc<dyn Adapter>,
    main: Place,
    history: Place,
    http: HttpClient,
    pacer: Pacer,
    /// With an explicit limit every request counts as one.
    counts_requests: bool,
    /// With the other processes of this user.
    pub(super) sharing: Option<Sharing>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Where questions are put.
struct Place {
    /// The base, without a slash at its end.
    url: String,
    gate: Gate,
}

/// What is shared with other processes, and how it is found.
pub(super) struct Sharing {
    pub(super) shared: Shared,
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
        let (interval, burst) = pacer.limit();
        let allowance = Allowance::Requests(interval, burst);
        let main = Place::new(url, allowance, options, None);
        let history = Place::new(history_url, allowance, options, Some(&main.gate));
        let sharing = options.shared_directory.as_ref().map(|directory| {
            let with_each = options.headers.iter().chain(&options.params);
            let with_each = with_each.flat_map(|(name, value)| [name.as_str(), value]);
            Sharing {
                shared: Shared::new(directory, options.clock.clone()),
                identity: format!("{:x}", key([url].into_iter().chain(with_each))),
                patience: options.timeout,
            }
        });
        Ok(Self {
            adapter,
            main,
            history,
            http,
            pacer,
            counts_requests: rate_limit.is_some(),
            sharing,
            clock: options.clock.clone(),
        })
    }

    /// The base of the API.
    pub(super) fn url(&self) -> &str {
        &self.main.url
    }

    /// The way to its host.
    pub(super) fn gate(&self) -> &Gate {
        &self.main.gate
    }

    /// Everything that is traded.
    pub(super) async fn instruments(&self) -> Result<Vec<Instrument>, ProviderError> {
        let body = self.get(&self.adapter.ask_instruments()).await?;
        let instruments = self.adapter.read_instruments(&body.text);
        self.heed(&body, instruments).await
    }

    /// The exchange's clock. Asked once, and for oneself alone: an answer that waited tells no time.
    pub(super) async fn server_time(&self) -> Result<ServerTime, ProviderError> {
        let ask = self.adapter.ask_time().ok_or_else(|| {
            let exchange = self.adapter.exchange();
            ProviderError::Refused(format!("{exchange} tells no time"))
        })?;
        let body = self.send(&self.main, &ask).await?;
        let time = self.adapter.read_time(&body.text);
        Ok(ServerTime {
            time: self.heed(&body, time).await?,
            sent_at: body.sent_at,
            received_at: body.received_at,
        })
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
        let trades = self.adapter.read_trades(&body.text, of, body.received_at);
        self.heed(body, trades).await
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
        self.get_from(&self.history, ask).await
    }

    /// One question that nobody else has.
    pub(super) async fn get_alone(&self, ask: &Ask) -> Result<Body, ProviderError> {
        self.get_from(&self.main, ask).await
    }

    async fn get_from(&self, place: &Place, ask: &Ask) -> Result<Body, ProviderError> {
        let mut patience = Patience::default();
        loop {
            match self.send(place, ask).await {
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
            return self.send(&self.main, ask).await;
        };
        if let Some(answer) = question.answer(wanted_at) {
            return Ok(Body {
                text: answer.body,
                sent_at: answer.sent_at,
                received_at: answer.received_at,
            });
        }
        let body = self.send(&self.main, ask).await?;
        question.keep(body.sent_at, body.received_at, "", &body.text);
        Ok(body)
    }

    /// One paced request.
    async fn send(&self, place: &Place, ask: &Ask) -> Result<Body, ProviderError> {
        self.pace(ask.weight).await?;
        if !place.gate.is_beside(&self.main.gate) {
            let open = place.gate.take(0).await;
            open.map_err(|error| self.failure(error))?;
        }
        self.send_to(place, ask).await
    }

    /// One request that [`Rest::pace`] was waited for.
    pub(super) async fn send_now(&self, ask: &Ask) -> Result<Body, ProviderError> {
        self.send_to(&self.main, ask).await
    }

    async fn send_to(&self, place: &Place, ask: &Ask) -> Result<Body, ProviderError> {
        let (sent_at, reply) = self.reply(place, ask).await;
        if let Ok(reply) = &reply {
            self.learn(reply).await;
        }
        let reply = match reply {
            Ok(reply) if reply.is_success() => reply,
            Ok(reply) => return Err(self.refusal(place, &reply).await),
            Err(error) => {
                if error.is_before_request() {
                    self.main.gate.give_back(self.cost(ask.weight)).await;
                }
                return Err(self.failure(error));
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

    /// What came of one request, and when it was sent.
    async fn reply(
        &self,
        place: &Place,
        ask: &Ask,
    ) -> (Timestamp, Result<HttpReply, ConnectError>) {
        let sent_at = self.clock.now();
        // Another's answer may have closed it since the request was paced.
        if let Err(error) = place.gate.check() {
            return (sent_at, Err(error));
        }
        let url = format!("{}{}", place.url, ask.path);
        (sent_at, self.http.get(&url).await)
    }

    /// Waits until a request may be sent. Errors: the exchange wants to be left alone.
    ///
    /// The weight of all hosts of an exchange is counted as that of one: its limit is the address's.
    pub(super) async fn pace(&self, weight: u32) -> Result<(), ProviderError> {
        let (gate, cost) = (&self.main.gate, self.cost(weight));
        gate.check().map_err(|error| self.failure(error))?;
        self.pacer.ready(cost).await;
        gate.take(cost).await.map_err(|error| self.failure(error))
    }

    fn cost(&self, weight: u32) -> u32 {
        if self.counts_requests { 1 } else { weight }
    }

    /// Takes note of what the exchange counts, which is more than this program spent where others use the
    /// same address.
    async fn learn(&self, reply: &HttpReply) {
        let used = self.adapter.used_weight(&|name| reply.header(name));
        let Some((mut free, wait)) = used.map(|used| used.left()) else {
            return;
        };
        let (_, burst) = self.pacer.limit();
        if self.counts_requests && free > 0 {
            // Requests are counted then, not what they weigh.
            free = burst;
        }
        if free < burst {
            self.pacer.hold(free, wait);
            self.main.gate.hold(free, wait).await;
        }
    }

    /// Keeps away where the exchange asked for it inside of an answer.
    pub(super) async fn heed<T>(
        &self,
        body: &Body,
        mut answer: Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        if let Err(ProviderError::RateLimited { retry_after, .. }) = &mut answer {
            if let Some(until) = self.adapter.retry_at(&body.text) {
                let left = until.nanos().saturating_sub(self.clock.now().nanos());
                let left = Duration::from_nanos(left.max(0).unsigned_abs());
                *retry_after = Some(left.max(RETRY_AT_LEAST));
            }
            if let Some(pause) = *retry_after {
                self.main.gate.pause(pause, None).await;
            }
        }
        answer
    }

    /// A failure in the words of a provider.
    fn failure(&self, error: ConnectError) -> ProviderError {
        let message = error.to_string();
        match error.recovery() {
            Recovery::Retry => ProviderError::Unreachable(message),
            Recovery::RetryAfter(pause) => ProviderError::RateLimited {
                message,
                retry_after: Some(pause),
            },
            Recovery::Fatal => match error {
                // 407 is a proxy's that forwarded the request.
                ConnectError::Http { status: 407, .. } => ProviderError::Setup(message),
                ConnectError::Http { .. } | ConnectError::Paused { .. } => {
                    ProviderError::Blocked(message)
                }
                _ => ProviderError::Setup(message),
            },
        }
    }

    async fn refusal(&self, place: &Place, reply: &HttpReply) -> ProviderError {
        let said = std::str::from_utf8(&reply.body)
            .ok()
            .and_then(|body| self.adapter.read_error(body));
        // The edge answers 4xx, too, but what it says is not in the exchange's form.
        match (reply.status, said) {
            (400 | 404 | 422, Some(said)) => {
                ProviderError::Refused(format!("{}: {said}", self.adapter.exchange()))
            }
            _ => {
                let host = place.url.parse().map_or(String::new(), |url| host(&url));
                let error = reply.error(&host);
                place.gate.heed(&error).await;
                self.failure(error)
            }
        }
    }
}

impl Place {
    /// An address that cannot be read is not asked anyway.
    fn new(url: &str, allowance: Allowance, options: &LiveOptions, other: Option<&Gate>) -> Self {
        let uri = url.parse().unwrap_or_default();
        Self {
            url: url.trim_end_matches('/').to_owned(),
            gate: Gate::new(&uri, allowance, options, other),
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
