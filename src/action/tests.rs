//! Actions against real programs and loopback receivers.

mod exec;
mod webhook;

use std::time::Duration;

use super::Firing;

/// Fails the test instead of hanging it.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("should have ended long ago")
}

pub fn firing(message: &str) -> Firing {
    let event = serde_json::json!({
        "type": "alert", "id": "id-7", "name": "high", "exchange": "kraken", "symbol": "BTC/USD",
        "condition": "price > 5", "message": message, "price": 7, "values": {},
        "timestamp": "2026-01-01T00:00:00Z", "evaluated_at": "2026-01-01T00:00:01Z",
    });
    let line = event
        .to_string()
        .replace("\"price\":7", "\"price\":50000.10");
    Firing::from_json(&line).expect("an event")
}
