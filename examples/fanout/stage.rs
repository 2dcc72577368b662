//! The server: its clients' side in a thread of its own, the publisher in this one.

use std::time::{Duration, Instant};

use tickwire::config::{Limits, ServerSettings};
use tickwire::engine::Engine;
use tickwire::server::state::Ref;
use tickwire::server::{Hub, Shared, http, listen};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::market::{Listed, Market, SYMBOLS};
use super::measure::{Histogram, resident};

/// A running server.
pub struct Stage {
    shared: Ref,
    pub port: u16,
    /// The engine's side.
    _engine: Runtime,
    /// The clients' side: one worker.
    _clients: Runtime,
}

/// A runtime with a thread of its own.
fn worker() -> Runtime {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.expect("a runtime")
}

/// What came of publishing.
pub struct Run {
    /// How long handing out each batch took: what clients cost the feed.
    pub publishing: Histogram,
    /// When only the good clients were left.
    pub alone_after: Option<f64>,
    pub peak: u64,
    pub sent: u64,
    pub dropped: u64,
    pub conflated: u64,
}

impl Stage {
    pub fn start() -> Self {
        let engine_runtime = worker();
        let settings = ServerSettings {
            limits: Limits {
                clients: 2_000,
                requests_per_second: 10_000,
                ..Limits::default()
            },
            ..ServerSettings::default()
        };
        let shared = engine_runtime.block_on(async {
            let engine = Engine::builder().provider(Listed).build();
            Shared::bare(engine, "made-up", &settings).await
        });
        let clients = worker();
        let listeners = clients.block_on(listen::bind("127.0.0.1", 0));
        let listeners = listeners.expect("a port");
        let port = listeners[0].local_addr().expect("bound").port();
        let app = http::app(shared.clone());
        let serving = listen::run(listeners, shared.clone(), app, CancellationToken::new());
        clients.spawn(serving);
        Self {
            shared,
            port,
            _engine: engine_runtime,
            _clients: clients,
        }
    }

    pub fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    /// Until so many have connected and joined so many rooms.
    pub fn wait_for(&self, clients: usize, rooms: usize) {
        let begin = Instant::now();
        while self.hub().clients().len() < clients
            || (self.hub().totals().subscriptions as usize) < rooms
        {
            assert!(
                begin.elapsed() < Duration::from_secs(120),
                "clients do not come"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// So many events a second, a batch every 5 ms.
    pub fn publish(&self, per_second: usize, seconds: u64, good: usize) -> Run {
        const STEP: Duration = Duration::from_millis(5);
        let (begin, before) = (Instant::now(), self.hub().totals());
        let mut market = Market::new(SYMBOLS);
        let (mut publishing, mut alone_after, mut peak) = (Histogram::new(), None, 0);
        for step in 1u32.. {
            let events = market.events(per_second / 200);
            let at = Instant::now();
            self.hub().publish_events(&events);
            publishing.add(at.elapsed());
            if step % 200 == 0 {
                peak = peak.max(resident());
                let is_alone = self.hub().clients().len() <= good;
                if is_alone && alone_after.is_none() {
                    alone_after = Some(begin.elapsed().as_secs_f64());
                }
            }
            if begin.elapsed().as_secs() >= seconds {
                break;
            }
            std::thread::sleep((STEP * step).saturating_sub(begin.elapsed()));
        }
        let totals = self.hub().totals();
        Run {
            publishing,
            alone_after,
            peak,
            sent: totals.sent - before.sent,
            dropped: totals.dropped - before.dropped,
            conflated: totals.conflated - before.conflated,
        }
    }
}
