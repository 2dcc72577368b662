//! The server for a long time: memory stays flat. Ten minutes, so on demand only:
//! `cargo test --all-features --test it -- --ignored soak --nocapture`; `TICKWIRE_SOAK_SECONDS` for another length.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::server_process::Server;
use super::support::World;

/// Clients that read all of two rooms.
const CLIENTS: usize = 50;
/// Of resident memory, from the end of the warm-up to the end.
const MOST_GROWTH: i64 = 4 * 1024 * 1024;
/// Part of the time.
const WARM_UP: f64 = 0.2;

#[tokio::test]
#[ignore = "takes ten minutes"]
async fn memory_stays_flat_under_a_steady_stream_and_fifty_clients() {
    let seconds = std::env::var("TICKWIRE_SOAK_SECONDS").ok();
    let seconds: u64 = seconds.map_or(600, |text| text.parse().expect("whole seconds"));
    let world = World::new().env("TICKWIRE_PROVIDERS__MOCK__RATE", "20");
    let server = Server::start(&world, "-s BTC,ETH,SOL -p mock").await;
    let begin = Instant::now();
    let length = Duration::from_secs(seconds);
    let reading = join_all((0..CLIENTS).map(|_| async {
        let mut socket = server.socket().await;
        for room in ["prices", "trades"] {
            socket.join(room).await;
        }
        let mut last = None;
        while begin.elapsed() < length {
            let trade = socket
                .find(|m| m["type"] == "trade" && m["data"]["symbol"] == "BTC/USD")
                .await;
            let id: u64 = trade["data"]["id"].as_str().unwrap().parse().unwrap();
            assert!(last.is_none_or(|last| id == last + 1), "{last:?} {id}");
            last = Some(id);
        }
    }));
    let watching = async {
        let mut seen = Vec::new();
        while begin.elapsed() < length {
            let status = server.get("/status").await.is(200).json();
            let memory = status["process"]["memory_bytes"].as_i64().unwrap();
            let files = status["process"]["open_files"].as_i64().unwrap();
            if begin.elapsed() > length.mul_f64(WARM_UP) {
                seen.push((memory, files));
            }
            tokio::time::sleep(length / 60).await;
        }
        seen
    };
    let (_, seen) = tokio::join!(reading, watching);
    let (first, last) = (seen[0], seen[seen.len() - 1]);
    println!("after the warm-up {first:?}, at the end {last:?} (bytes, open files)");
    assert!(last.0 - first.0 < MOST_GROWTH, "{seen:?}");
    assert!(last.1 <= first.1 + 2, "{seen:?}");
}
