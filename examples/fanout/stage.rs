//! The server: its clients' side in a thread of its own, the publisher in this one.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{State, WebSocketUpgrade};
use axum::routing::any;
use tickwire::config::Limits;
use tickwire::engine::Engine;
use tickwire::server::state::Ref;
use tickwire::server::{Hub, Shared, ws};
use tokio::runtime::{Builder, Runtime};

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
        let engine_runtime = Builder::new_current_thread().enable_all().build();
        let engine_runtime = engine_runtime.expect("a runtime");
        let engine = engine_runtime.block_on(async { Engine::builder().provider(Listed).build() });
        let shared = Shared::bare(engine, "made-up", Limits::default());
        let clients = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let clients = clients.expect("a runtime");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0");
        let listener = clients.block_on(listener).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let upgrade = |State(shared): State<Ref>, upgrade: WebSocketUpgrade| async move {
            ws::serve(shared, upgrade).await
        };
        let app = Router::new().route("/ws", any(upgrade));
        let app = app.with_state(shared.clone());
        clients.spawn(async move {
            use axum::serve::ListenerExt;
            let listener = listener.tap_io(|line| {
                line.set_nodelay(true).ok();
            });
            axum::serve(listener, app).await
        });
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
