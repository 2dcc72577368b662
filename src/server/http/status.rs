//! `GET /health` and `GET /status`.

use std::time::Duration;

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tokio::time::Instant;

use crate::server::error::ApiError;
use crate::server::guard::Caller;
use crate::server::health::{FeedHealth, MAX_AGE, StaleMarket};
use crate::server::hub::{ClientView, HubTotals};
use crate::server::requests::{AlertRequest, AlertView, StrategyRequest};
use crate::server::state::{Ref, Shared};

use super::json;
use super::process::Process;

/// How long the keepers of rules may take to say how many there are. They share a thread with the feed.
const PATIENCE: Duration = Duration::from_secs(1);

const HEALTHY: &str = "healthy";
const DEGRADED: &str = "degraded";

#[derive(Serialize)]
struct Health<'a> {
    status: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stale: Vec<StaleMarket>,
}

/// `/status`, and what `/metrics` is made of.
#[derive(Serialize)]
pub(super) struct Status {
    status: &'static str,
    version: &'static str,
    started_at: String,
    /// Seconds.
    pub uptime: f64,
    timestamp: String,
    provider: String,
    providers: Vec<Provider>,
    url: String,
    config: Config,
    pub feeds: Vec<FeedHealth>,
    pub clients: Vec<ClientView>,
    pub bus: Bus,
    pub streams: Streams,
    pub alerts: Alerts,
    pub strategies: Strategies,
    pub process: Process,
    /// Of all clients, those that are gone included.
    #[serde(skip)]
    pub client_sent: u64,
    #[serde(skip)]
    pub client_dropped: u64,
}

/// A source, as those need to know it who read it through this server.
#[derive(Serialize)]
struct Provider {
    name: &'static str,
    /// Whether its trade ids rise by one.
    contiguous_ids: bool,
    /// What a bare base is priced in.
    quotes: Vec<String>,
    /// Whether its data is made up.
    invented: bool,
    /// Whether its times are not those of this world.
    own_clock: bool,
}

#[derive(Serialize)]
struct Config {
    file: Option<String>,
    hash: String,
    loaded_at: String,
}

#[derive(Serialize)]
pub(super) struct Bus {
    pub published: u64,
    pub delivered: u64,
    pub subscriptions: u64,
    pub queued: u64,
    pub dropped: u64,
}

#[derive(Serialize)]
pub(super) struct Streams {
    pub running: usize,
    pub stopped: usize,
}

/// `None`: who knows did not answer in time.
#[derive(Serialize)]
pub(super) struct Alerts {
    pub rules: Option<usize>,
    pub fired: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Strategies {
    pub running: Option<usize>,
}

impl Status {
    pub async fn of(shared: &Shared, caller: Caller) -> Self {
        let stale = shared.health.stale(&shared.engine, MAX_AGE);
        let feeds = shared.health.snapshot(shared);
        let (alerts, strategies) = tokio::join!(alerts(shared), strategies(shared));
        let (running, stopped) = shared.streams.counts();
        let hub = shared.hub.totals();
        Self {
            status: if stale.is_empty() { HEALTHY } else { DEGRADED },
            version: env!("CARGO_PKG_VERSION"),
            started_at: shared.started_at.to_string(),
            uptime: seconds(shared.started),
            timestamp: shared.engine.clock().now().to_string(),
            provider: shared.provider.clone(),
            providers: providers(shared),
            url: format!("http://{}", caller.local),
            config: config(shared),
            feeds,
            clients: shared.hub.clients(),
            bus: bus(shared, hub),
            streams: Streams { running, stopped },
            alerts,
            strategies,
            process: Process::now(),
            client_sent: hub.sent,
            client_dropped: hub.dropped,
        }
    }
}

fn providers(shared: &Shared) -> Vec<Provider> {
    let of = |name: &'static str| {
        let traits = shared.engine.provider(name).ok()?.traits();
        Some(Provider {
            name,
            contiguous_ids: traits.contiguous_ids,
            quotes: traits.quotes,
            invented: traits.invented,
            own_clock: traits.own_clock,
        })
    };
    shared.providers().into_iter().filter_map(of).collect()
}

/// `GET /health`: 503 while a market that is served is stale.
pub async fn health(State(shared): State<Ref>) -> Response {
    verdict(shared.health.stale(&shared.engine, MAX_AGE))
}

fn verdict(stale: Vec<StaleMarket>) -> Response {
    let (code, status) = match stale.is_empty() {
        true => (StatusCode::OK, HEALTHY),
        false => (StatusCode::SERVICE_UNAVAILABLE, DEGRADED),
    };
    let version = env!("CARGO_PKG_VERSION");
    json(
        code,
        &Health {
            status,
            version,
            stale,
        },
    )
}

/// `GET /status`
pub async fn status(State(shared): State<Ref>, caller: Option<Extension<Caller>>) -> Response {
    let caller = caller.map(|Extension(caller)| caller).unwrap_or_default();
    json(StatusCode::OK, &Status::of(&shared, caller).await)
}

fn config(shared: &Shared) -> Config {
    let config = shared.config.read();
    let config = config.expect("no holder of this lock panics").clone();
    Config {
        file: config.file,
        hash: config.hash,
        loaded_at: config.loaded_at,
    }
}

/// The engine's subscribers and the clients of the hub together: what is handed out, and to whom.
fn bus(shared: &Shared, hub: HubTotals) -> Bus {
    let engine = shared.engine.stats();
    Bus {
        published: engine.published,
        delivered: hub.delivered,
        subscriptions: engine.subscribers + hub.subscriptions,
        queued: engine.queued + hub.queued,
        dropped: engine.dropped + hub.dropped,
    }
}

async fn alerts(shared: &Shared) -> Alerts {
    let list = in_time(shared.alerts.ask(AlertRequest::List)).await;
    let fired = |list: &Vec<AlertView>| list.iter().map(|alert| alert.fired).sum();
    Alerts {
        rules: list.as_ref().map(Vec::len),
        fired: list.as_ref().map(fired),
    }
}

async fn strategies(shared: &Shared) -> Strategies {
    let list = in_time(shared.strategies.ask(StrategyRequest::List)).await;
    let running = list.map(|list| list.iter().filter(|one| one.state == "running").count());
    Strategies { running }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, ApiError>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, answer).await.ok()?.ok()
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_millis() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Status {
        /// Of these feeds, all else being small.
        pub(in super::super) fn example(feeds: Vec<FeedHealth>) -> Self {
            Self {
                status: HEALTHY,
                version: "0",
                started_at: String::new(),
                uptime: 1.0,
                timestamp: String::new(),
                providers: Vec::new(),
                provider: "kraken".into(),
                url: String::new(),
                config: Config {
                    file: None,
                    hash: String::new(),
                    loaded_at: String::new(),
                },
                feeds,
                clients: Vec::new(),
                bus: Bus {
                    published: 1,
                    delivered: 2,
                    subscriptions: 3,
                    queued: 4,
                    dropped: 5,
                },
                streams: Streams {
                    running: 1,
                    stopped: 0,
                },
                alerts: Alerts {
                    rules: Some(1),
                    fired: Some(0),
                },
                strategies: Strategies { running: None },
                process: Process::now(),
                client_sent: 6,
                client_dropped: 7,
            }
        }
    }

    #[tokio::test]
    async fn a_stale_market_is_named_and_makes_the_server_degraded() {
        let stale = StaleMarket {
            provider: "kraken",
            symbol: "BTC/USD",
            age: Some(61.5),
            reason: "nothing was confirmed for 62 s".into(),
        };
        let answer = verdict(vec![stale]);
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = axum::body::to_bytes(answer.into_body(), 1_024)
            .await
            .unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["status"], "degraded");
        assert_eq!(json["stale"][0]["symbol"], "BTC/USD");
        assert_eq!(json["stale"][0]["age"], 61.5);
    }
}
