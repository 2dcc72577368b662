//! What both sides of the server share.

use std::sync::Arc;
use std::time::Instant;

use crate::config::Limits;
use crate::engine::Engine;
use crate::model::Timestamp;

use super::guard::Guard;
use super::health::Health;
use super::hub::Hub;
use super::ingest::{Ingest, Serve};
use super::markets::Markets;
use super::requests::{AlertRequest, Desk, PortfolioRequest, StrategyRequest};
use super::streams::{Holder, Streams};

/// Shared by the engine's side and by every connection.
pub struct Shared {
    /// The engine.
    pub engine: Engine,
    /// The name of the provider that is meant where none is named.
    pub provider: String,
    /// Names of all providers that may be asked for.
    pub providers: Vec<String>,
    /// Who wants to hear what.
    pub hub: Hub,
    /// The newest state of each market.
    pub markets: Markets,
    /// What is subscribed at the engine, and for whom.
    pub streams: Streams,
    /// How each feed is.
    pub health: Health,
    /// Who may ask.
    pub guard: Guard,
    /// Those who keep the rules.
    pub alerts: Desk<AlertRequest>,
    /// Those who keep the strategies.
    pub strategies: Desk<StrategyRequest>,
    /// Those who keep the portfolio.
    pub portfolio: Desk<PortfolioRequest>,
    /// Where pushed events go.
    pub ingest: Ingest,
    /// Bounds on what clients may ask for.
    pub limits: Limits,
    /// Where the configuration came from.
    pub config: std::sync::RwLock<ConfigInfo>,
    /// Since when it runs.
    pub started: Instant,
    /// The same on the wall clock.
    pub started_at: Timestamp,
}

/// What `/status` tells of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigInfo {
    /// The file's name, without its folder. `None`: there is no file.
    pub file: Option<String>,
    /// Of its content and of what overrides it, 16 hexadecimal digits.
    pub hash: String,
    /// RFC 3339.
    pub loaded_at: String,
}

/// How everything gets hold of it.
pub type Ref = Arc<Shared>;

/// What is pushed is served like what is asked for.
pub fn pinned(streams: &Streams) -> Serve {
    let streams = streams.clone();
    Arc::new(move |topics| {
        let streams = streams.clone();
        Box::pin(async move {
            let pinned = streams.pin(topics, Holder::Api).await;
            pinned.map(|_| ()).map_err(|error| error.message.into_owned())
        })
    })
}

#[cfg(any(test, feature = "sim"))]
impl Shared {
    /// For tests and measurements: this engine, nobody who keeps rules, and nobody who passes on what the engine
    /// tells: rooms hear what is published by hand.
    pub async fn bare(engine: Engine, provider: &str, limits: Limits) -> Ref {
        use super::streams::StandIns;
        use crate::model::{Clock as _, SystemClock};

        let request = super::pump::request();
        let mut subscription = engine.subscribe(request).await.expect("nothing is asked for");
        let (markets, health) = (Markets::default(), Health::default());
        let stand_ins = StandIns {
            of: provider.into(),
            names: Vec::new(),
        };
        let streams = Streams::new(
            engine.clone(),
            subscription.link(),
            markets.clone(),
            health.clone(),
            stand_ins,
            &limits,
        );
        let ingest = Ingest::new(engine.clone(), pinned(&streams));
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while subscription.next_batch(&mut batch).await.is_ok() {}
        });
        Arc::new(Self {
            engine,
            provider: provider.into(),
            providers: vec![provider.into()],
            hub: Hub::new(&limits),
            markets,
            streams,
            health,
            guard: Guard::default(),
            alerts: Desk::new().0,
            strategies: Desk::new().0,
            portfolio: Desk::new().0,
            ingest,
            limits,
            config: std::sync::RwLock::default(),
            started: Instant::now(),
            started_at: SystemClock.now(),
        })
    }
}
