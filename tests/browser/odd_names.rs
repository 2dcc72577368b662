//! A name is never markup: the page is served by a program that says what no exchange should.

use std::path::Path;

use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::Message;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;

use super::chromium::Page;

const EVIL: &str = "<img src=x onerror=alert(1)>/<b>USD</b>";

fn ticker() -> serde_json::Value {
    json!({
        "type": "ticker", "exchange": "mock", "symbol": EVIL, "price": 1.50, "bid": 1.4, "ask": 1.6,
        "spread": 0.2, "change_24h": 0.1, "change_percent_24h": 7.1, "open_24h": 1.4, "volume_24h": 10,
        "high_24h": 2, "low_24h": 1, "stale": false,
        "timestamp": "2026-01-01T00:00:00.000000Z", "received_at": "2026-01-01T00:00:00.000000Z",
    })
}

fn alert() -> serde_json::Value {
    json!({
        "name": EVIL, "provider": EVIL, "symbols": [EVIL], "condition": EVIL, "message": EVIL,
        "state": EVIL, "fired": 1, "last_fired": null, "error": EVIL, "origin": "api", "actions": [],
    })
}

async fn answer(uri: axum::http::Uri) -> impl IntoResponse {
    let body = match uri.path() {
        "/status" => json!({
            "status": "healthy", "version": EVIL, "provider": EVIL, "uptime": 1, "clients": [],
            "feeds": [{"provider": "mock", "state": EVIL, "reason": EVIL, "age": 0.1, "messages": 1,
                "symbols": [{"symbol": EVIL, "state": "stale", "reason": EVIL, "age": 1, "streams": ["ticker"]}]}],
        }),
        "/api/v1/prices" => json!({"prices": [ticker()]}),
        "/api/v1/alerts" => json!({"alerts": [alert()]}),
        "/api/v1/strategies" => {
            json!({"strategies": [{"name": EVIL, "state": EVIL, "symbols": [EVIL],
            "interval": EVIL, "signals": 1, "last_signal": null, "error": EVIL}]})
        }
        "/api/v1/portfolio" => json!({"quote": EVIL, "total_value": 1, "total_change_24h": 1,
            "total_change_percent_24h": 1, "partial": true, "holdings": [{"symbol": EVIL, "amount": 1,
            "pair": EVIL, "via": EVIL, "price": 1, "value": 1, "change_24h": 1, "change_percent_24h": 1}]}),
        "/api/v1/candles" => json!({"candles": []}),
        "/api/v1/trades" => json!({"trades": [], "gaps": []}),
        "/api/v1/symbols" => json!({"provider": EVIL, "symbols": [{"symbol": EVIL}]}),
        _ => json!({}),
    };
    ([(CONTENT_TYPE, "application/json")], body.to_string())
}

async fn socket(upgrade: WebSocketUpgrade) -> impl IntoResponse {
    upgrade.on_upgrade(|mut socket| async move {
        let told = [
            json!({"type": "welcome", "data": {"version": EVIL, "provider": EVIL, "rooms": [], "symbols": [EVIL]}}),
            json!({"type": "price_update", "data": ticker()}),
            json!({"type": "alert", "data": {"id": EVIL, "name": EVIL, "symbol": EVIL, "price": 1, "message": EVIL, "timestamp": EVIL}}),
            json!({"type": "signal", "data": {"strategy": EVIL, "exchange": EVIL, "symbol": EVIL, "side": EVIL, "price": 1, "values": {}, "timestamp": EVIL}}),
            json!({"type": "status", "data": {"exchange": EVIL, "symbol": EVIL, "state": EVIL, "attempt": 1, "reason": EVIL}}),
            json!({"type": "gap", "data": {"exchange": EVIL, "symbol": EVIL, "stream": EVIL, "from": EVIL, "to": EVIL, "missing": 1, "recovered": 0, "state": EVIL, "reason": EVIL}}),
            json!({"type": "error", "data": {"code": EVIL, "message": EVIL}}),
            json!({"type": "dropped", "data": {"count": 1, "rooms": [EVIL]}}),
        ];
        for message in told {
            let _ = socket.send(Message::text(message.to_string())).await;
        }
        while socket.recv().await.is_some() {}
    })
}

async fn file(uri: axum::http::Uri) -> impl IntoResponse {
    let name = match uri.path() {
        "/" => "index.html",
        path => path.rsplit('/').next().unwrap(),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/dashboard");
    let kind = match name.rsplit('.').next().unwrap() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript",
        "css" => "text/css",
        _ => "image/svg+xml",
    };
    let content = std::fs::read(folder.join(name)).unwrap_or_default();
    // Without a policy: the page itself must be right.
    (
        [(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, "")],
        content,
    )
}

#[tokio::test]
async fn names_from_outside_stay_text() {
    let Some(mut page) = Page::open().await else {
        return;
    };
    let app = Router::new()
        .route("/ws", get(socket))
        .route("/", get(file))
        .route("/assets/{name}", get(file))
        .fallback(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    page.look_like(1440, 1000, "dark").await;
    page.go(&url).await;
    // Shown as it is written.
    page.until(
        "document.getElementById('watch').textContent.includes('<img src=x onerror=alert(1)>')",
    )
    .await;
    page.until("document.getElementById('firings').textContent.includes('<img src=x')")
        .await;
    page.until("document.getElementById('events').textContent.includes('<img src=x')")
        .await;
    // And none of it is an element.
    let made = page
        .value("document.querySelectorAll('img[src=\"x\"], main b b, td > img').length")
        .await;
    assert_eq!(made, json!(0));
    assert_eq!(page.dialogs, 0);
    page.shoot("odd-names", false).await;
}

#[test]
fn no_script_of_the_page_makes_markup_of_texts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/dashboard");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".js") || name.starts_with("lightweight-charts") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ] {
            assert!(!text.contains(word), "{name} has {word}");
        }
    }
}
