//! The simulated exchanges against a plain WebSocket client and raw HTTP on loopback.
mod binance;
mod candles;
mod coinbase;
mod faults;
mod kraken;
mod lifecycle;

use super::{LedgerTrade, Listing, Side, Sim, SimConfig, Venue};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message},
};

/// Longest wait for anything that must happen.
const WAIT: Duration = Duration::from_secs(10);

type Client = WebSocketStream<TcpStream>;

async fn start(venue: Venue) -> Sim {
    Sim::start(SimConfig::new(venue)).await.unwrap()
}

/// An exchange whose seconds are short.
async fn start_fast(venue: Venue, millis: u64) -> Sim {
    let second = Duration::from_millis(millis);
    Sim::start(SimConfig {
        second,
        ..SimConfig::new(venue)
    })
    .await
    .unwrap()
}

async fn tcp(sim: &Sim) -> TcpStream {
    let address = sim.rest_url().replace("http://", "");
    TcpStream::connect(address).await.unwrap()
}

async fn try_connect(sim: &Sim, path: &str) -> Result<Client, tungstenite::Error> {
    let url = format!("{}{path}", sim.ws_url());
    let stream = tcp(sim).await;
    let (client, _) = timeout(WAIT, client_async(url, stream)).await.unwrap()?;
    Ok(client)
}

async fn connect(sim: &Sim, path: &str) -> Client {
    try_connect(sim, path).await.unwrap()
}

async fn say(client: &mut Client, text: &str) {
    client.send(Message::text(text)).await.unwrap();
}

/// The next frame of any kind; an error when the connection ended.
async fn frame(client: &mut Client) -> Result<Message, tungstenite::Error> {
    match timeout(WAIT, client.next()).await.expect("a frame in time") {
        Some(result) => result,
        None => Err(tungstenite::Error::ConnectionClosed),
    }
}

/// The next text frame.
async fn text(client: &mut Client) -> String {
    loop {
        if let Message::Text(text) = frame(client).await.unwrap() {
            return text.to_string();
        }
    }
}

/// The next text frame as JSON.
async fn json(client: &mut Client) -> Value {
    let text = text(client).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The next text frame for which `key` is `value`.
async fn json_with(client: &mut Client, key: &str, value: &str) -> Value {
    loop {
        let json = json(client).await;
        if json[key] == value {
            return json;
        }
    }
}

/// Whether no frame arrives for `millis`.
async fn quiet_for(client: &mut Client, millis: u64) -> bool {
    let wait = Duration::from_millis(millis);
    timeout(wait, client.next()).await.is_err()
}

/// Sends GET requests on one connection; the status, head and body of each.
async fn gets(sim: &Sim, targets: &[&str], agent: bool) -> Vec<(u16, String, String)> {
    let mut stream = tcp(sim).await;
    let mut answers = Vec::new();
    for target in targets {
        let agent = if agent { "user-agent: test\r\n" } else { "" };
        let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\n{agent}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        answers.push(timeout(WAIT, response(&mut stream)).await.unwrap());
    }
    answers
}

async fn response(stream: &mut TcpStream) -> (u16, String, String) {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, head.to_owned(), body.to_owned());
            }
        }
        let read = stream.read_buf(&mut bytes).await.unwrap();
        assert!(read > 0, "the response is cut: {text}");
    }
}

/// One GET with a `User-Agent`, whose answer is JSON.
async fn get(sim: &Sim, target: &str) -> (u16, String, Value) {
    let (status, head, body) = gets(sim, &[target], true).await.remove(0);
    let json = serde_json::from_str(&body).unwrap_or(Value::Null);
    (status, head, json)
}
