//! What tests of a server's rules share: an exchange that trades when told to, and requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::super::Ctx;
use super::super::notices::Notices;
use crate::app;
use crate::config::Config;
use crate::engine::Engine;
use crate::exchange::kraken::Kraken;
use crate::exchange::{Live, LiveOptions};
use crate::net::{ProxyRules, Tls};
use crate::server::ApiError;
use crate::server::requests::Reply;
use crate::sim::{Sim, SimConfig, Venue};

/// Long past what any of this takes.
pub const WAIT: Duration = Duration::from_secs(60);

/// An exchange where nothing is traded but what a test prints; BTC/USD was traded at this price.
pub async fn exchange(price: &str) -> Sim {
    let sim = Sim::start(SimConfig::new(Venue::Kraken)).await.unwrap();
    print(&sim, &[price]);
    sim
}

/// Trades of BTC/USD, one after the other.
pub fn print(sim: &Sim, prices: &[&str]) {
    assert_eq!(sim.print("BTC/USD", prices).len(), prices.len());
    // Marks without an id go by time, which is told in milliseconds.
    std::thread::sleep(Duration::from_millis(5));
}

/// A configuration with this text.
pub fn config(text: &str) -> Arc<Config> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let loaded = Config::load_with_all_secrets(Some(file.path()), []);
    Arc::new(loaded.unwrap_or_else(|errors| panic!("{errors:?}")))
}

/// What commands are given, with Kraken at this exchange.
pub fn ctx(sim: &Sim, config: &Config) -> Ctx {
    let options = LiveOptions {
        rest_url: Some(sim.rest_url()),
        ws_url: Some(sim.ws_url()),
        // Kraken's one a second would make minutes of a test.
        rate_limit: Some(1000.0),
        ..LiveOptions::default()
    };
    let kraken = Live::new(Kraken, options).unwrap();
    Ctx {
        config: config.clone(),
        notices: Notices {
            json: false,
            quiet: true,
        },
        engine: Engine::builder().provider(kraken).build(),
        proxies: ProxyRules::new(None).unwrap(),
        tls: Tls::new(),
        provider: "kraken".into(),
        provider_named: false,
        fallback: Vec::new(),
        options: app::Options {
            provider: "kraken".into(),
            seed: None,
            proxies: ProxyRules::new(None).unwrap(),
            tls: Tls::new(),
            timeout: WAIT,
        },
        raw: tokio::sync::broadcast::channel(1).0,
        exchanges: Vec::new(),
        url: None,
        proxy_named: false,
        output: Default::default(),
        timeout: None,
        max_age: None,
        color: false,
        // A server was started long before most of what it is asked for.
        started: Instant::now() - Duration::from_secs(3_600),
    }
}

/// Asks a manager, and waits for its answer.
pub async fn ask<R, T>(
    desk: &mpsc::Sender<R>,
    request: impl FnOnce(Reply<T>) -> R,
) -> Result<T, ApiError> {
    let (reply, answer) = oneshot::channel();
    assert!(desk.send(request(reply)).await.is_ok(), "it listens");
    let answer = tokio::time::timeout(WAIT, answer).await;
    answer.expect("it answers in time").expect("it answers")
}

/// The answer once it is as wanted.
pub async fn until<T: std::fmt::Debug>(
    what: &str,
    mut look: impl AsyncFnMut() -> T,
    is_so: impl Fn(&T) -> bool,
) -> T {
    let deadline = tokio::time::Instant::now() + WAIT;
    loop {
        let found = look().await;
        if is_so(&found) {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "never: {what}: {found:#?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
