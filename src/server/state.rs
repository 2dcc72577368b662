//! What both sides of the server share.

use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::{Limits, ServerSettings};
use crate::engine::{Engine, EngineError, Subscription};
use crate::model::Timestamp;

use super::guard::Guard;
use super::health::Health;
use super::hub::Hub;
use super::ingest::{Ingest, Serve};
use super::markets::Markets;
use super::requests::{AlertRequest, Desk, PortfolioRequest, StrategyRequest};
use super::streams::{Holder, StandIns, Streams};

/// Shared by the engine's side and by every connection.
pub struct Shared {
    /// The engine.
    pub engine: Engine,
    /// The name of the provider that is meant where none is named.
    pub provider: String,
    /// Who wants to hear what.
    pub hub: Arc<Hub>,
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
fn pinned(streams: &Streams) -> Serve {
    let streams = streams.clone();
    Arc::new(move |topics| {
        let streams = streams.clone();
        Box::pin(async move {
            let pinned = streams.pin(topics, Holder::Api).await;
            pinned
                .map(|_| ())
                .map_err(|error| error.message.into_owned())
        })
    })
}

/// What is read on the engine's side: by the [pump](super::pump), and by those who keep the rules.
pub struct Ends {
    /// Of the pump.
    pub subscription: Subscription,
    /// About alerts.
    pub alerts: mpsc::Receiver<AlertRequest>,
    /// About strategies.
    pub strategies: mpsc::Receiver<StrategyRequest>,
    /// About the portfolio.
    pub portfolio: mpsc::Receiver<PortfolioRequest>,
}

impl Shared {
    /// A server over this engine, with nothing that runs yet. `provider` is meant where none is named, and
    /// `stand_ins` stand in for it.
    ///
    /// Errors: the engine has stopped.
    pub async fn new(
        engine: Engine,
        provider: &str,
        stand_ins: Vec<String>,
        settings: &ServerSettings,
    ) -> Result<(Ref, Ends), EngineError> {
        let limits = settings.limits.clone();
        let subscription = engine.subscribe(super::pump::request()).await?;
        let (markets, health) = (Markets::default(), Health::default());
        let stand_ins = StandIns {
            of: provider.into(),
            names: stand_ins,
        };
        let hub = Arc::new(Hub::new(&limits));
        let streams = Streams::new(
            engine.clone(),
            subscription.link(),
            markets.clone(),
            health.clone(),
            hub.clone(),
            stand_ins,
            &limits,
        );
        let (alerts, alert_requests) = Desk::new();
        let (strategies, strategy_requests) = Desk::new();
        let (portfolio, portfolio_requests) = Desk::new();
        let started_at = engine.clock().now();
        let shared = Arc::new(Self {
            provider: provider.into(),
            hub,
            markets,
            ingest: Ingest::new(engine.clone(), pinned(&streams)),
            streams,
            health,
            guard: Guard::new(settings),
            alerts,
            strategies,
            portfolio,
            limits,
            config: std::sync::RwLock::default(),
            started: Instant::now(),
            started_at,
            engine,
        });
        let ends = Ends {
            subscription,
            alerts: alert_requests,
            strategies: strategy_requests,
            portfolio: portfolio_requests,
        };
        Ok((shared, ends))
    }

    /// Another configuration is in force.
    pub fn set_config(&self, info: ConfigInfo) {
        *self.config.write().expect("no holder of this lock panics") = info;
    }

    /// The names of all providers that may be asked for, in order.
    pub fn providers(&self) -> Vec<&'static str> {
        let providers = self.engine.providers().into_iter();
        let mut names: Vec<_> = providers.map(|exchange| exchange.name()).collect();
        names.sort_unstable();
        names
    }

    /// For tests and measurements: nobody keeps rules, and nobody passes on what the engine tells: rooms hear what is
    /// published by hand.
    #[cfg(any(test, feature = "sim"))]
    pub async fn bare(engine: Engine, provider: &str, settings: &ServerSettings) -> Ref {
        let made = Self::new(engine, provider, Vec::new(), settings).await;
        let (shared, mut ends) = made.expect("the engine runs");
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while ends.subscription.next_batch(&mut batch).await.is_ok() {}
        });
        shared
    }
}
