//! An exchange, a line and a client.

use std::sync::Arc;
use std::time::Duration;

use tickwire::engine::{Engine, Request, Subscription};
use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::{Live, LiveOptions};
use tickwire::model::{Event, Stream};
use tickwire::net::AnyDial;
use tickwire::sim::{
    Listing, Proxy, ProxyListener, Sim, SimConfig, SimDial, TokioClock, Told, Venue, verify,
};

pub const VENUES: [Venue; 3] = [Venue::Binance, Venue::Coinbase, Venue::Kraken];
pub const START_NS: i64 = 1_790_000_000_000_000_000;

/// Runs on the clock of this machine.
pub fn real_time<T>(future: impl Future<Output = T>) -> T {
    runtime(false).block_on(future)
}

/// Runs in virtual time. The seed decides the jitter of every backoff.
pub fn paused<T>(seed: u64, future: impl Future<Output = T>) -> T {
    fastrand::seed(seed);
    runtime(true).block_on(future)
}

fn runtime(paused: bool) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(paused)
        .build()
        .expect("a runtime")
}

pub fn quote(venue: Venue) -> &'static str {
    match venue {
        Venue::Binance => "USDT",
        Venue::Coinbase | Venue::Kraken => "USD",
    }
}

/// So many pairs that are no others' names.
pub fn listings(venue: Venue, n: usize) -> Vec<Listing> {
    let listing = |n| Listing::new(&format!("T{n:03}"), quote(venue), "100.50", 2, 5);
    (0..n).map(listing).collect()
}

pub fn live(venue: Venue, options: LiveOptions) -> Live {
    let live = match venue {
        Venue::Binance => Live::new(Binance, options),
        Venue::Coinbase => Live::new(Coinbase, options),
        Venue::Kraken => Live::new(Kraken, options),
    };
    live.expect("good options")
}

/// Reaches the exchange over pipes, in virtual time.
pub fn piped(sim: &Sim, proxy: &Proxy) -> LiveOptions {
    LiveOptions {
        dial: Some(AnyDial::new(SimDial::new(sim, proxy))),
        clock: Arc::new(TokioClock::starting_at(START_NS)),
        ..LiveOptions::default()
    }
}

pub fn piped_engine(venue: Venue, options: LiveOptions) -> Engine {
    let clock = options.clock.clone();
    Engine::builder()
        .provider(live(venue, options))
        .clock(clock)
        .build()
}

/// A client of BTC's trades on loopback, behind a proxy.
pub struct Loopback {
    pub sim: Sim,
    pub proxy: Proxy,
    pub engine: Engine,
    venue: Venue,
    events: Subscription,
    told: Vec<Event>,
    _listener: ProxyListener,
}

impl Loopback {
    pub async fn start(venue: Venue, heartbeat: Duration) -> Self {
        let config = SimConfig {
            rate: 50.0,
            ..SimConfig::new(venue)
        };
        let sim = Sim::start(config).await.expect("a port");
        let proxy = Proxy::new(1);
        let listener = proxy.listen(&sim).await.expect("a port");
        let options = LiveOptions {
            rest_url: Some(listener.url(&sim.rest_url())),
            ws_url: Some(listener.url(&sim.ws_url())),
            heartbeat_interval: heartbeat,
            ..LiveOptions::default()
        };
        let engine = Engine::builder().provider(live(venue, options)).build();
        let request = Request::new(["BTC"]).streams([Stream::Trades]);
        let events = engine.subscribe(request).await.expect("a list of symbols");
        let mut client = Self {
            sim,
            proxy,
            engine,
            venue,
            events,
            told: Vec::new(),
            _listener: listener,
        };
        client.trades(20).await;
        client
    }

    /// Reads on until something holds of an event.
    pub async fn until(&mut self, mut holds: impl FnMut(&Event) -> bool) {
        let mut batch = Vec::new();
        let reading = async {
            loop {
                self.events
                    .next_batch(&mut batch)
                    .await
                    .expect("a running engine");
                let found = batch.iter().any(&mut holds);
                self.told.append(&mut batch);
                if found {
                    return;
                }
            }
        };
        let limit = Duration::from_secs(120);
        tokio::time::timeout(limit, reading)
            .await
            .expect("in two minutes");
    }

    /// Reads so many more trades.
    pub async fn trades(&mut self, mut n: usize) {
        let counts = move |event: &Event| {
            n -= usize::from(matches!(event, Event::Trade(_)) && n > 0);
            n == 0
        };
        self.until(counts).await;
    }

    /// Trades that stay missing; `None` where the promise was broken.
    pub async fn missing(mut self) -> Option<u64> {
        self.trades(20).await;
        self.engine.shutdown().await;
        let told: Vec<_> = self.told.iter().filter_map(Told::of).collect();
        let last = told.iter().rev().find_map(|told| match told {
            Told::Trade { id, .. } => Some(*id),
            Told::Gap { .. } => None,
        });
        let symbol = format!("BTC/{}", quote(self.venue));
        let verdict = verify(&self.sim.ledger(&symbol), &told, last?);
        Some(verdict.ok()?.missing)
    }
}

/// The value below which so many per cent lie.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}
