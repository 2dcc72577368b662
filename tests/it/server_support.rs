//! A server on loopback without exchanges: requests go over raw sockets, so that nothing tidies them up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tickwire::config::ServerSettings;
use tickwire::engine::Engine;
use tickwire::exchange::mock::Mock;
use tickwire::server::requests::{
    AlertRequest, AlertView, NewAlert, PortfolioRequest, StrategyRequest, StrategyView,
};
use tickwire::server::{ApiError, Shared, http, listen, pump};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::support::WAIT;

pub const TOKEN: &str = "canary-0123456789abcdef";

/// Settings with a token.
pub fn guarded() -> ServerSettings {
    ServerSettings {
        token: Some(TOKEN.into()),
        ..ServerSettings::default()
    }
}

pub struct Server {
    pub address: SocketAddr,
    /// Told when the request that takes a while is being worked on.
    pub busy: Arc<Notify>,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_lowercase(),
            body: body.into(),
        }
    }

    /// The code of a refusal in the one shape.
    pub fn code(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).expect(&self.body);
        let error = json["error"].as_object().expect(&self.body);
        assert_eq!(error.len(), 2, "{}", self.body);
        assert!(error["message"].is_string(), "{}", self.body);
        error["code"].as_str().expect(&self.body).to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Server {
    pub async fn start(settings: ServerSettings) -> Self {
        let engine = Engine::builder().provider(Mock::default()).build();
        let made = Shared::new(engine, "mock", Vec::new(), &settings).await;
        let (shared, ends) = made.unwrap();
        tokio::spawn(keep_alerts(ends.alerts));
        let busy = Arc::new(Notify::new());
        tokio::spawn(keep_strategies(ends.strategies, busy.clone()));
        tokio::spawn(keep_portfolio(ends.portfolio));
        tokio::spawn(pump::run(shared.clone(), ends.subscription));
        let listeners = listen::bind("127.0.0.1", 0).await.unwrap();
        let address = listeners[0].local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let app = http::app(shared.clone());
        let running = tokio::spawn(listen::run(listeners, shared, app, shutdown.clone()));
        Self {
            address,
            busy,
            shutdown,
            running,
        }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything that comes back until the server closes.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // A server that refuses early closes while more is sent.
        let _ = stream.write_all(bytes.as_ref()).await;
        rest(&mut stream).await
    }

    /// One request on a connection of its own, with a right Host unless one is among the headers.
    pub async fn send(&self, method: &str, target: &str, headers: &str, body: &str) -> Answer {
        let host = match headers.to_lowercase().contains("host:") {
            true => String::new(),
            false => format!("host: {}\r\n", self.address),
        };
        let length = match body.len() {
            0 => String::new(),
            length => format!("content-length: {length}\r\n"),
        };
        let head = format!(
            "{method} {target} HTTP/1.1\r\n{host}{headers}{length}connection: close\r\n\r\n"
        );
        Answer::parse(&self.raw(head + body).await)
    }

    pub async fn get(&self, target: &str, headers: &str) -> Answer {
        self.send("GET", target, headers, "").await
    }

    /// Something that changes, in JSON.
    pub async fn change(&self, method: &str, target: &str, body: &str) -> Answer {
        let kind = "content-type: application/json\r\n";
        self.send(method, target, kind, body).await
    }

    pub fn stop(&self) {
        self.shutdown.cancel();
    }

    /// After [`Server::stop`].
    pub async fn stopped(self) {
        within(self.running).await.unwrap();
    }
}

pub async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is an end as well.
    let _ = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT, future)
        .await
        .expect("should have ended long ago")
}

/// Knows no symbols and says yes to all but a few names.
async fn keep_alerts(mut requests: Receiver<AlertRequest>) {
    while let Some(request) = requests.recv().await {
        match request {
            AlertRequest::List(reply) => {
                let _ = reply.send(Ok(vec![view("kept", "price > 1")]));
            }
            AlertRequest::Create(rule, reply) => {
                let _ = reply.send(create(rule));
            }
            AlertRequest::Delete(name, reply) => {
                let missing = ApiError::not_found("there is no such alert");
                let _ = reply.send(if name == "kept" { Ok(()) } else { Err(missing) });
            }
        }
    }
}

fn create(rule: NewAlert) -> Result<AlertView, ApiError> {
    match rule.name.as_deref() {
        Some("kept") => Err(ApiError::conflict("that name is taken")),
        name => Ok(view(name.unwrap_or("alert-1"), &rule.condition)),
    }
}

fn view(name: &str, condition: &str) -> AlertView {
    AlertView {
        name: name.into(),
        provider: "mock".into(),
        symbols: vec!["BTC/USD".into()],
        condition: condition.into(),
        message: None,
        state: "armed",
        fired: 0,
        last_fired: None,
        error: None,
        origin: "api",
        actions: Vec::new(),
    }
}

async fn keep_strategies(mut requests: Receiver<StrategyRequest>, busy: Arc<Notify>) {
    let view = |name: &str, state| StrategyView {
        name: name.into(),
        state,
        symbols: vec!["mock:BTC/USD".into()],
        interval: "1m".into(),
        signals: 0,
        last_signal: None,
        error: None,
    };
    let known = |name: &str, state| match name {
        "trend" => Ok(view(name, state)),
        "slow" => Ok(view("slow", state)),
        _ => Err(ApiError::not_found("there is no such strategy")),
    };
    while let Some(request) = requests.recv().await {
        match request {
            StrategyRequest::List(reply) => {
                let _ = reply.send(Ok(vec![view("trend", "running")]));
            }
            StrategyRequest::Start(name, reply) => {
                if name == "slow" {
                    busy.notify_one();
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                let _ = reply.send(known(&name, "running"));
            }
            StrategyRequest::Stop(name, reply) => {
                let _ = reply.send(known(&name, "stopped"));
            }
        }
    }
}

/// Gives back what it was given.
async fn keep_portfolio(mut requests: Receiver<PortfolioRequest>) {
    let raw = |json: String| RawValue::from_string(json).unwrap();
    while let Some(request) = requests.recv().await {
        match request {
            PortfolioRequest::Get(reply) => {
                let _ = reply.send(Ok(raw(r#"{"quote":"USD","total_value":0.10}"#.into())));
            }
            PortfolioRequest::Put(portfolio, reply) => {
                let (_, amount, _) = &portfolio.holdings[0];
                let _ = reply.send(Ok(raw(format!("{{\"amount\":{amount}}}"))));
            }
        }
    }
}
