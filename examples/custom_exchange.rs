//! Adds an exchange from outside of the crate: an [`Adapter`] says what its messages mean, and sockets,
//! reconnects, order and delivery come from tickwire.
//!
//! The exchange here is served by this program itself, on loopback: it takes `{"sub":["ABC-USD"]}`,
//! answers `{"ok":"ABC-USD"}` and then sends `{"t":"ABC-USD","n":1,"p":"1.10","q":"2","s":"b","ms":…}`.
//!
//! `cargo run --example custom_exchange`

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tickwire::engine::{Engine, Request};
use tickwire::exchange::{
    Adapter, Ask, Candles, DecodeError, Frame, Limits, Live, LiveOptions, Message, Output, Profile,
    Protocol, Reply, Silence,
};
use tickwire::feed::{ProviderError, Topic};
use tickwire::model::{
    Event, Exchange, Field, Instrument, Market, Origin, Side, Stream, Ticker, Timestamp, Trade,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TINY: Exchange = Exchange::new("tiny");

/// At most so many connection attempts in so long.
const CONNECTS: &[(usize, Duration)] = &[(60, Duration::from_secs(300))];

struct Tiny;

impl Adapter for Tiny {
    fn exchange(&self) -> Exchange {
        TINY
    }

    fn profile(&self) -> Profile {
        Profile {
            rest_url: "http://tiny.invalid".into(),
            history_url: None,
            ws_url: "ws://tiny.invalid".into(),
            ws_path: "",
            quotes: &["USD"],
            asset_aliases: &[],
            contiguous_ids: true,
            stream_fields: &[],
            rest_fields: &[Field::Price],
            candles: Candles::default(),
            limits: Limits {
                topics_per_connection: 100,
                message_interval: Duration::from_millis(100),
                connects: CONNECTS,
                connect_interval: Duration::from_secs(5),
                connect_burst: 10,
                silence: Silence {
                    limit: Duration::from_secs(30),
                    text_only: false,
                },
                lifetime: None,
                rest_interval: Duration::from_millis(200),
                rest_burst: 5,
            },
        }
    }

    fn protocol(&self) -> Box<dyn Protocol> {
        Box::new(TinyProtocol::default())
    }

    fn ask_instruments(&self) -> Ask {
        Ask {
            path: "/list".into(),
            weight: 1,
        }
    }

    fn read_instruments(&self, body: &str) -> Result<Vec<Instrument>, ProviderError> {
        let names: Vec<String> =
            serde_json::from_str(body).map_err(|e| ProviderError::Malformed(e.to_string()))?;
        let instrument = |name: String| {
            let (base, quote) = name.split_once('-')?;
            Some(Instrument::new(TINY, base, quote, name.clone()))
        };
        Ok(names.into_iter().filter_map(instrument).collect())
    }

    fn ask_tickers(&self, _of: &[Arc<Instrument>]) -> Vec<(Ask, Vec<Arc<Instrument>>)> {
        Vec::new()
    }

    fn read_tickers(
        &self,
        _: &str,
        _: &[Arc<Instrument>],
        _: Timestamp,
    ) -> Result<Vec<Ticker>, ProviderError> {
        Ok(Vec::new())
    }

    fn ask_trades(&self, of: &Instrument, _limit: usize) -> Ask {
        Ask {
            path: format!("/trades/{}", of.native),
            weight: 1,
        }
    }

    fn read_trades(
        &self,
        _: &str,
        of: &Instrument,
        _: Timestamp,
    ) -> Result<Vec<Trade>, ProviderError> {
        Err(ProviderError::Refused(format!(
            "{} has no history",
            of.market
        )))
    }

    fn read_error(&self, _: &str) -> Option<String> {
        None
    }
}

#[derive(Default)]
struct TinyProtocol {
    topics: HashMap<String, Topic>,
}

#[derive(Deserialize)]
struct Wire {
    ok: Option<String>,
    t: Option<String>,
    #[serde(default)]
    n: u64,
    #[serde(default)]
    p: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    s: String,
    #[serde(default)]
    ms: i64,
}

impl Protocol for TinyProtocol {
    fn subscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        for topic in topics {
            self.topics
                .insert(topic.instrument.native.clone(), topic.clone());
        }
        let names: Vec<_> = topics.iter().map(|t| &t.instrument.native).collect();
        vec![Message {
            text: serde_json::json!({"sub": names}).to_string(),
            topics: topics.to_vec(),
        }]
    }

    fn unsubscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        let names: Vec<_> = topics.iter().map(|t| &t.instrument.native).collect();
        vec![Message {
            text: serde_json::json!({"unsub": names}).to_string(),
            topics: Vec::new(),
        }]
    }

    fn decode(&mut self, frame: Frame<'_>, out: &mut Output) -> Result<(), DecodeError> {
        let wire: Wire = serde_json::from_str(frame.text)?;
        if let Some(topic) = wire.ok.and_then(|name| self.topics.get(&name)) {
            out.replies.push(Reply::Subscribed(vec![topic.clone()]));
        } else if let Some(topic) = wire.t.and_then(|name| self.topics.get(&name)) {
            let market: Market = topic.instrument.market;
            out.events.push(Event::Trade(Trade {
                market,
                id: wire.n,
                price: wire.p.parse()?,
                size: wire.q.parse()?,
                side: if wire.s == "b" { Side::Buy } else { Side::Sell },
                timestamp: Timestamp::from_millis(wire.ms)
                    .ok_or(DecodeError::Value("time out of range"))?,
                received_at: frame.received_at,
                origin: Origin::Stream,
                replayed: false,
                suspect: false,
            }));
        } else {
            out.ignored += 1;
        }
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener));

    let options = LiveOptions {
        rest_url: Some(format!("http://{address}")),
        ws_url: Some(format!("ws://{address}")),
        ..LiveOptions::default()
    };
    let engine = Engine::builder()
        .provider(Live::new(Tiny, options)?)
        .build();
    let mut trades = engine
        .subscribe(Request::new(["tiny:ABC"]).streams([Stream::Trades]))
        .await?;
    for _ in 0..5 {
        let Some(Event::Trade(trade)) = trades.next().await else {
            continue;
        };
        println!(
            "{} #{} {} x {}",
            trade.market, trade.id, trade.price, trade.size
        );
    }
    engine.shutdown().await;
    Ok(())
}

/// The exchange: answers one list over HTTP and streams trades over WebSocket.
async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut head = [0u8; 6];
            let is_list = stream.peek(&mut head).await.is_ok() && &head == b"GET /l";
            if is_list {
                answer(stream).await
            } else {
                feed(stream).await
            }
        });
    }
}

async fn answer(mut stream: TcpStream) {
    let mut request = [0u8; 4096];
    let _ = stream.read(&mut request).await;
    let body = r#"["ABC-USD","XYZ-USD"]"#;
    let reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(reply.as_bytes()).await;
}

async fn feed(stream: TcpStream) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    let Some(Ok(_subscription)) = socket.next().await else {
        return;
    };
    let _ = socket.send(r#"{"ok":"ABC-USD"}"#.into()).await;
    for n in 1.. {
        let trade = format!(
            r#"{{"t":"ABC-USD","n":{n},"p":"1.{n:02}","q":"2.50","s":"b","ms":1790000000000}}"#
        );
        if socket.send(trade.into()).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
