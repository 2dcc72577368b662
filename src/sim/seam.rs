//! What fits a simulated exchange to the seams of a client: its connections, and its clock.
use super::{Proxy, Sim};
use crate::{
    model::{Clock, Timestamp},
    net::{BoxStream, ConnectError, Dial, Phase},
};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a connect waits in a black hole: as long as one over the network does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Every connection, REST and WebSocket, leads to one exchange over pipes in memory, whatever the URL.
///
/// ```
/// use std::sync::Arc;
/// use tickwire::exchange::{Live, LiveOptions, kraken::Kraken};
/// use tickwire::engine::{Engine, Request};
/// use tickwire::net::AnyDial;
/// use tickwire::sim::{Proxy, Sim, SimConfig, SimDial, TokioClock, Venue};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::time::pause();
/// // in a test: #[tokio::test(start_paused = true)]
/// let clock = TokioClock::starting_at(1_790_000_000_000_000_000);
/// let start_ns = Some(1_790_000_000_000_000_000);
/// let sim = Sim::new(SimConfig { start_ns, ..SimConfig::new(Venue::Kraken) });
/// let options = LiveOptions {
///     dial: Some(AnyDial::new(SimDial::new(&sim, &Proxy::new(1)))),
///     clock: Arc::new(clock),
///     ..LiveOptions::default()
/// };
/// let engine = Engine::builder()
///     .provider(Live::new(Kraken, options)?)
///     .clock(Arc::new(clock))
///     .build();
/// let mut events = engine.subscribe(Request::new(["BTC"])).await?;
/// let mut batch = Vec::new();
/// events.next_batch(&mut batch).await?;
/// assert_eq!(batch[0].market().unwrap().symbol(), "BTC/USD");
/// engine.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SimDial {
    sim: Sim,
    proxy: Proxy,
}

impl SimDial {
    /// Connections to this exchange, through this proxy.
    pub fn new(sim: &Sim, proxy: &Proxy) -> Self {
        Self {
            sim: sim.clone(),
            proxy: proxy.clone(),
        }
    }
}

impl Dial for SimDial {
    type Stream = BoxStream;

    async fn dial(&self, url: &http::Uri) -> Result<BoxStream, ConnectError> {
        let host = url.authority().map_or("", |authority| authority.as_str());
        let host = host.to_owned();
        match timeout(CONNECT_TIMEOUT, self.proxy.connect(&self.sim)).await {
            Ok(Ok(pipe)) => Ok(Box::new(pipe)),
            Ok(Err(_)) => Err(ConnectError::Refused { host }),
            Err(_) => Err(ConnectError::Timeout {
                host,
                phase: Phase::Connect,
            }),
        }
    }
}

/// A wall clock that goes with tokio's clock, which a test can pause.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    start_ns: i64,
    at: Instant,
}

impl TokioClock {
    /// It is this time now, in ns UTC.
    pub fn starting_at(start_ns: i64) -> Self {
        Self {
            start_ns,
            at: Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.at.elapsed().as_nanos()).unwrap_or(i64::MAX);
        Timestamp::from_nanos(self.start_ns).plus_nanos(elapsed)
    }
}
