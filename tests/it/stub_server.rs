//! A server that says what a test wants it to say, over HTTP and WebSocket, in the shapes of a real one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tickwire::model::{Clock, SystemClock};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

/// One at a free port of loopback; gone when it is dropped.
pub struct Stub {
    pub url: String,
    says: Arc<Says>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
enum Push {
    Message(String),
    Close,
}

struct Says {
    token: Option<String>,
    /// By path with query, else by path alone.
    answers: Mutex<HashMap<String, (u16, String)>>,
    /// What is told to who joins a room.
    on_join: Mutex<HashMap<String, Vec<String>>>,
    /// What was asked for, in order.
    asked: Mutex<Vec<String>>,
    /// What WebSocket clients said, in order.
    heard: Mutex<Vec<String>>,
    delay: Mutex<Duration>,
    push: broadcast::Sender<Push>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Now, as it stands in events.
pub fn now() -> String {
    SystemClock.now().to_string()
}

pub fn trade(id: u64, price: &str) -> String {
    let now = now();
    format!(
        r#"{{"type":"trade","exchange":"kraken","symbol":"BTC/USD","id":"{id}","price":{price},"size":0.0150,"side":"buy","timestamp":"{now}","received_at":"{now}","origin":"stream"}}"#
    )
}

pub fn ticker(price: &str) -> String {
    let now = now();
    format!(
        r#"{{"type":"ticker","exchange":"kraken","symbol":"BTC/USD","price":{price},"bid":97123.30,"bid_size":1.20,"ask":97123.5,"ask_size":0.8,"spread":0.20,"open_24h":97000.1,"high_24h":98000,"low_24h":96000.00,"volume_24h":2150.5000,"quote_volume_24h":null,"change_24h":123.3,"change_percent_24h":0.1271,"timestamp":"{now}","received_at":"{now}"}}"#
    )
}

/// The same as an entry of `prices`.
pub fn price(ticker: &str, is_stale: bool) -> String {
    let entry = ticker.trim_end_matches('}');
    format!(r#"{{"prices":[{entry},"age":0.12,"stale":{is_stale},"later":[1]}}],"timestamp":"x"}}"#)
}

pub fn gap(from: u64, to: u64) -> String {
    let missing = to - from + 1;
    format!(
        r#"{{"type":"gap","exchange":"kraken","symbol":"BTC/USD","stream":"trades","from_id":"{from}","to_id":"{to}","from":null,"to":null,"missing":{missing},"recovered":0,"state":"unrepairable","reason":"stall"}}"#
    )
}

pub fn trades(rows: &[String], gaps: &[String]) -> String {
    let (rows, gaps) = (rows.join(","), gaps.join(","));
    format!(r#"{{"symbol":"BTC/USD","exchange":"kraken","trades":[{rows}],"gaps":[{gaps}]}}"#)
}

const SYMBOLS: &str = r#"{"provider":"kraken","symbols":[
    {"exchange":"kraken","symbol":"BTC/USD","base":"BTC","quote":"USD","native":"XXBTZUSD","ws":"BTC/USD","aliases":["XBTUSD"],"tick_size":0.10,"lot_size":0.00000001,"min_notional":0.5,"status":"trading","status_text":"online","later":{}},
    {"exchange":"kraken","symbol":"ETH/USD","base":"ETH","quote":"USD","native":"XETHZUSD","status":"a new word"},
    {"exchange":"kraken","base":7}],"contiguous_ids":true}"#;

impl Stub {
    pub async fn start() -> Self {
        Self::with_token(None).await
    }

    /// One that wants to be shown a token.
    pub async fn with_token(token: Option<&str>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let says = Arc::new(Says {
            token: token.map(str::to_owned),
            answers: Mutex::default(),
            on_join: Mutex::default(),
            asked: Mutex::default(),
            heard: Mutex::default(),
            delay: Mutex::default(),
            push: broadcast::channel(256).0,
        });
        let app = Router::new().fallback(answer).with_state(says.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let stub = Self { url, says, task };
        stub.status("healthy", "");
        stub.answer("/api/v1/symbols", 200, SYMBOLS);
        stub.answer("/api/v1/prices", 200, &price(&ticker("97123.40"), false));
        stub.answer("/api/v1/trades", 200, &trades(&[], &[]));
        stub.answer("/api/v1/candles", 200, r#"{"candles":[]}"#);
        stub
    }

    /// `feeds`: beside that of kraken.
    pub fn status(&self, status: &str, feeds: &str) {
        let now = now();
        let body = format!(
            r#"{{"status":"{status}","version":"9.9.9","uptime":12.5,"timestamp":"{now}","provider":"kraken",
            "feeds":[{{"provider":"kraken","state":"connected","age":0.25,"rate":2.5,"latency_ms":{{"p50":1.5,"p99":9}},"gaps":1,"reconnects":0,"uptime":12}}{feeds}],
            "clients":[],"bus":{{"published":1}},"process":{{"pid":1,"memory_bytes":1048576}},"later":null}}"#
        );
        self.answer("/status", 200, &body);
    }

    pub fn answer(&self, path: &str, status: u16, body: &str) {
        let mut answers = self.says.answers.lock().unwrap();
        answers.insert(path.to_owned(), (status, body.to_owned()));
    }

    /// Every answer takes so long.
    pub fn delay(&self, delay: Duration) {
        *self.says.delay.lock().unwrap() = delay;
    }

    /// What is told to who joins this room.
    pub fn on_join(&self, room: &str, messages: &[(&str, String)]) {
        let messages = messages.iter().map(|(kind, data)| message(kind, data));
        let mut on_join = self.says.on_join.lock().unwrap();
        on_join.insert(room.to_owned(), messages.collect());
    }

    /// Tells all clients.
    pub fn push(&self, kind: &str, data: &str) {
        let _ = self.says.push.send(Push::Message(message(kind, data)));
    }

    /// Ends all connections.
    pub fn cut(&self) {
        let _ = self.says.push.send(Push::Close);
    }

    pub fn asked(&self) -> Vec<String> {
        self.says.asked.lock().unwrap().clone()
    }

    pub fn heard(&self) -> Vec<String> {
        self.says.heard.lock().unwrap().clone()
    }
}

fn message(kind: &str, data: &str) -> String {
    let now = now();
    format!(r#"{{"type":"{kind}","data":{data},"timestamp":"{now}","seq":1}}"#)
}

async fn answer(
    State(says): State<Arc<Says>>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    says.asked.lock().unwrap().push(uri.to_string());
    let delay = *says.delay.lock().unwrap();
    tokio::time::sleep(delay).await;
    let shown = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let wanted = says.token.as_ref().map(|token| format!("Bearer {token}"));
    if wanted.is_some() && shown != wanted.as_deref() {
        let body = r#"{"error":{"code":"unauthorized","message":"a token is needed"}}"#;
        return (StatusCode::UNAUTHORIZED, body).into_response();
    }
    if uri.path() == "/ws"
        && let Ok(upgrade) = upgrade
    {
        return upgrade.on_upgrade(move |socket| talk(socket, says));
    }
    let answers = says.answers.lock().unwrap();
    let found = answers.get(&uri.to_string()).or(answers.get(uri.path()));
    let not_found = (
        404,
        r#"{"error":{"code":"not_found","message":"nothing is here"}}"#.to_owned(),
    );
    let (status, body) = found.cloned().unwrap_or(not_found);
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

async fn talk(mut socket: WebSocket, says: Arc<Says>) {
    let mut pushed = says.push.subscribe();
    let welcome = message("welcome", r#"{"version":"9.9.9","rooms":[]}"#);
    let mut say = vec![welcome];
    loop {
        for text in say.drain(..) {
            if socket.send(Message::text(text)).await.is_err() {
                return;
            }
        }
        tokio::select! {
            push = pushed.recv() => match push {
                Ok(Push::Message(text)) => say.push(text),
                _ => return,
            },
            heard = socket.recv() => match heard {
                Some(Ok(Message::Text(text))) => say = says.hear(text.as_str()),
                Some(Ok(_)) => {}
                _ => return,
            },
        }
    }
}

impl Says {
    fn hear(&self, text: &str) -> Vec<String> {
        self.heard.lock().unwrap().push(text.to_owned());
        let request: serde_json::Value = serde_json::from_str(text).unwrap();
        let room = request["room"].as_str().unwrap_or_default();
        if request["type"] != "join_room" {
            return Vec::new();
        }
        let mut say = vec![message("joined", &format!(r#"{{"room":"{room}"}}"#))];
        let on_join = self.on_join.lock().unwrap();
        say.extend(on_join.get(room).into_iter().flatten().cloned());
        say
    }
}
