//! `/ws` with clients that are not ours: rooms, snapshots, filters, losses, goodbyes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tickwire::config::Limits;
use tickwire::model::*;
use tickwire::server::Room;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::server_ws_support::{Raw, Server, WAIT, text};

/// A client over `tokio-tungstenite`.
struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn connect(server: &Server) -> Self {
        let mut client = Self::connect_ungreeted(server).await;
        assert_eq!(client.next().await["type"], "welcome");
        client
    }

    async fn connect_ungreeted(server: &Server) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).await;
        let url = format!("ws://127.0.0.1:{}/ws", server.port);
        let upgrade = tokio_tungstenite::client_async(url, stream.unwrap());
        Self(timeout(WAIT, upgrade).await.unwrap().unwrap().0)
    }

    async fn send(&mut self, message: Value) {
        let message = Message::text(message.to_string());
        self.0.send(message).await.unwrap();
    }

    async fn raw(&mut self) -> Option<Message> {
        timeout(WAIT, self.0.next()).await.expect("in time")?.ok()
    }

    /// The next text.
    async fn text(&mut self) -> String {
        loop {
            match self.raw().await {
                Some(Message::Text(text)) => return text.as_str().to_owned(),
                Some(Message::Ping(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn next(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Asks, and returns the answer, which is the next message.
    async fn ask(&mut self, message: Value) -> Value {
        self.send(message).await;
        self.next().await
    }

    async fn join(&mut self, room: &str) {
        let answer = self.ask(json!({"type": "join_room", "room": room})).await;
        assert_eq!(answer["type"], "joined", "{answer}");
        assert_eq!(answer["data"]["room"], room);
    }

    /// Everything that is told until a pong.
    async fn rest(&mut self) -> Vec<Value> {
        self.send(json!({"type": "ping", "data": "rest"})).await;
        let mut messages = Vec::new();
        loop {
            let message = self.next().await;
            if message["type"] == "pong" {
                return messages;
            }
            messages.push(message);
        }
    }

    async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.raw().await? {
                Message::Close(frame) => return frame.map(|f| f.code.into()),
                _ => continue,
            }
        }
    }
}

fn market(symbol: &str) -> Market {
    let (base, quote) = symbol.split_once('/').unwrap();
    Market::new(Exchange::new("mock"), base, quote)
}

fn ticker(symbol: &str, price: &str) -> Event {
    let mut ticker = Ticker::empty(market(symbol), Timestamp::from_nanos(0));
    ticker.price = Some(price.parse().unwrap());
    Event::Ticker(Arc::new(ticker))
}

fn trade(symbol: &str, id: u64, price: &str) -> Event {
    let at = Timestamp::from_nanos(0);
    Event::Trade(Trade {
        market: market(symbol),
        id,
        price: price.parse().unwrap(),
        size: "0.50".parse().unwrap(),
        side: Side::Buy,
        timestamp: at,
        received_at: at,
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    })
}

fn candle(symbol: &str, interval: Interval) -> Event {
    let price: Price = "1.10".parse().unwrap();
    let size: Qty = "2".parse().unwrap();
    Event::Candle(Arc::new(Candle {
        market: market(symbol),
        interval,
        open_time: Timestamp::from_nanos(0),
        open: price,
        high: price,
        low: price,
        close: price,
        volume: size,
        quote_volume: None,
        trades: None,
        closed: true,
        complete: true,
        origin: Origin::Stream,
        timestamp: None,
        received_at: Timestamp::from_nanos(0),
    }))
}

fn stale() -> Event {
    Event::Status(Arc::new(Status {
        exchange: Exchange::new("mock"),
        market: None,
        state: StatusState::Stale,
        attempt: 0,
        reason: Some("silent".into()),
        stand_in: None,
        timestamp: Timestamp::from_nanos(0),
    }))
}

async fn server() -> Server {
    Server::start(Limits::default()).await
}

#[tokio::test]
async fn a_client_is_greeted_with_what_there_is() {
    let server = server().await;
    server.shared.hub.publish_events(&[ticker("ETH/USD", "1")]);
    let mut client = Client::connect_ungreeted(&server).await;
    let welcome = client.next().await;
    assert_eq!(welcome["type"], "welcome");
    assert_eq!(welcome["seq"], 1);
    assert_eq!(welcome["data"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(welcome["data"]["provider"], "mock");
    assert_eq!(welcome["data"]["symbols"], json!(["ETH/USD"]));
    let rooms = [
        "prices",
        "trades",
        "candles",
        "portfolio",
        "alerts",
        "signals",
        "status",
    ];
    assert_eq!(welcome["data"]["rooms"], json!(rooms));
    Timestamp::parse(welcome["timestamp"].as_str().unwrap()).expect("RFC 3339");
}

#[tokio::test]
async fn one_who_joins_is_told_the_newest_and_then_what_follows_with_numbers_without_holes() {
    let server = server().await;
    let hub = &server.shared.hub;
    hub.publish_events(&[ticker("BTC/USD", "50000.10"), ticker("ETH/USD", "2.0")]);
    let mut client = Client::connect(&server).await;
    client.join("prices:btc").await;
    let update = client.text().await;
    assert!(
        update.starts_with(r#"{"type":"price_update","data":{"type":"ticker","exchange":"mock","symbol":"BTC/USD","price":50000.10,"#),
        "{update}"
    );
    assert!(update.ends_with(r#","seq":3}"#), "{update}");
    hub.publish_events(&[
        ticker("ETH/USD", "2.1"),
        ticker("BTC/USD", "50000.20"),
        stale(),
    ]);
    let update = client.next().await;
    assert_eq!(
        (&update["data"]["symbol"], &update["seq"]),
        (&json!("BTC/USD"), &json!(4))
    );
    let status = client.next().await;
    assert_eq!(
        (&status["type"], &status["seq"]),
        (&json!("status"), &json!(5))
    );
    assert_eq!(status["data"]["state"], "stale");

    let left = client
        .ask(json!({"type": "leave_room", "room": "prices:BTC/USD"}))
        .await;
    assert_eq!((&left["type"], &left["seq"]), (&json!("left"), &json!(6)));
    hub.publish_events(&[ticker("BTC/USD", "1"), stale()]);
    assert_eq!(client.rest().await, [Value::Null; 0]);
}

#[tokio::test]
async fn filters_and_fields_choose_from_the_events_of_a_room() {
    let server = server().await;
    let hub = &server.shared.hub;
    hub.publish_events(&[ticker("ETH/USD", "99.9")]);
    let mut client = Client::connect(&server).await;
    let join = json!({"type": "join_room", "room": "prices", "filter": "price > 100", "fields": ["symbol", "price"]});
    assert_eq!(client.ask(join).await["type"], "joined");
    assert_eq!(
        client.rest().await,
        [Value::Null; 0],
        "the newest one is filtered, too"
    );
    hub.publish_events(&[
        ticker("BTC/USD", "100.00"),
        ticker("ETH/USD", "100.10"),
        stale(),
    ]);
    let update = client.text().await;
    assert!(
        update.starts_with(
            r#"{"type":"price_update","data":{"symbol":"ETH/USD","price":100.10},"timestamp":""#
        ),
        "{update}"
    );
    assert!(update.ends_with(r#","seq":4}"#), "no hole: {update}");
    assert_eq!(client.next().await["type"], "status");

    // Joining again means another wish.
    client.join("prices").await;
    client.rest().await;
    hub.publish_events(&[ticker("BTC/USD", "5")]);
    let update = client.next().await;
    assert_eq!(update["data"]["price"], json!(5));
    assert_eq!(update["data"]["type"], "ticker");
}

#[tokio::test]
async fn candles_are_joined_by_their_length_and_left_one_by_one_or_all() {
    let server = server().await;
    let hub = &server.shared.hub;
    let mut client = Client::connect(&server).await;
    let join =
        |interval: &str| json!({"type": "join_room", "room": "candles:BTC", "interval": interval});
    let leave = |interval: Value| json!({"type": "leave_room", "room": "candles:BTC", "interval": interval});
    client.join("candles:BTC").await;
    assert_eq!(client.ask(join("5m")).await["data"]["interval"], "5m");
    let all = [Interval::M1, Interval::M5, Interval::H1].map(|i| candle("BTC/USD", i));
    let lengths = |messages: Vec<Value>| -> Vec<String> {
        let length = |m: &Value| m["data"]["interval"].as_str().unwrap().to_owned();
        messages.iter().map(length).collect()
    };
    hub.publish_events(&all);
    assert_eq!(lengths(client.rest().await), ["1m", "5m"]);
    assert_eq!(client.ask(leave(json!("1m"))).await["type"], "left");
    hub.publish_events(&all);
    assert_eq!(lengths(client.rest().await), ["5m"]);
    client.ask(join("1h")).await;
    client.ask(leave(Value::Null)).await;
    hub.publish_events(&all);
    assert_eq!(client.rest().await, [Value::Null; 0]);
}

#[tokio::test]
async fn alerts_and_the_portfolio_are_told_in_their_rooms() {
    let server = server().await;
    let hub = &server.shared.hub;
    hub.publish(
        Room::Portfolio,
        "portfolio_update",
        None,
        r#"{"total_value":1.10}"#.into(),
    );
    let mut client = Client::connect(&server).await;
    client.join("portfolio").await;
    assert!(
        client
            .text()
            .await
            .starts_with(r#"{"type":"portfolio_update","data":{"total_value":1.10},"#)
    );
    client.join("alerts").await;
    let market = Some(market("BTC/USD"));
    hub.publish(Room::Alerts, "alert", market, r#"{"name":"x"}"#.into());
    assert_eq!(client.next().await["data"], json!({"name": "x"}));
}

#[tokio::test]
async fn what_cannot_be_joined_is_told_with_the_reason() {
    let limits = Limits {
        symbols_per_client: 2,
        messages_per_second: 1_000,
        ..Limits::default()
    };
    let server = Server::start(limits).await;
    let mut client = Client::connect(&server).await;
    let long = "x".repeat(300);
    let join = |room: &str| json!({"type": "join_room", "room": room});
    let with = |key: &str, value: Value| {
        let mut message = join("prices");
        message[key] = value;
        message
    };
    for (message, code) in [
        (join("price"), "unknown_room"),
        (join("alerts:BTC/USD"), "unknown_room"),
        (join(&long), "unknown_room"),
        (join("book:BTC/USD"), "unsupported"),
        (join("prices:"), "unknown_symbol"),
        (join("prices:NOSUCH/USD"), "unknown_symbol"),
        (join("prices:../../etc/passwd\u{1b}[31m"), "unknown_symbol"),
        (join("prices:kraken:BTC/USD"), "unknown_provider"),
        (join("prices:a:b:c"), "unknown_provider"),
        (with("filter", json!("sma(20) > 5")), "bad_expression"),
        (with("filter", json!("price >")), "bad_expression"),
        (with("fields", json!(["prise"])), "bad_expression"),
        (with("fields", json!(vec!["price"; 65])), "bad_request"),
        (with("interval", json!("1m")), "bad_request"),
        (
            json!({"type": "join_room", "room": "candles:BTC", "interval": "7m"}),
            "bad_interval",
        ),
        (
            json!({"type": "leave_room", "room": "price"}),
            "unknown_room",
        ),
    ] {
        let answer = client.ask(message.clone()).await;
        assert_eq!(answer["type"], "error", "{message}");
        assert_eq!(answer["data"]["code"], code, "{message}: {answer}");
        assert!(!answer.to_string().contains('\u{1b}'));
    }
    client.join("prices:BTC").await;
    client.join("trades:BTC").await;
    client.join("prices:ETH").await;
    let answer = client.ask(join("prices:SOL")).await;
    assert_eq!(answer["data"]["code"], "too_many_symbols");
    client.join("candles:ETH").await;
}

#[tokio::test]
async fn a_client_that_pauses_is_told_exactly_what_it_missed() {
    let limits = Limits {
        queue_messages: 100,
        ..Limits::default()
    };
    let server = Server::start(limits).await;
    let hub = &server.shared.hub;
    let mut raw = Raw::connect(&server).await;
    raw.send(&text(r#"{"type":"join_room","room":"trades"}"#))
        .await;
    assert_eq!(raw.message().await.unwrap()["type"], "joined");
    // Until more is lost than the line holds, and then something that is not lost.
    let mut published = 0;
    while hub.totals().dropped < 1_000 {
        let batch: Vec<_> = (0..500)
            .map(|i| trade("BTC/USD", published + i, "1"))
            .collect();
        published += 500;
        hub.publish_events(&batch);
        tokio::task::yield_now().await;
    }
    let (mut received, mut dropped, mut notices) = (0, 0, 0);
    let (mut next_id, mut next_seq, mut holes) = (0, 3, 0);
    while received + dropped < published {
        let message = raw.message().await.expect("not closed");
        let seq = message["seq"].as_u64().unwrap();
        assert!(seq >= next_seq);
        holes += seq - next_seq;
        next_seq = seq + 1;
        match message["type"].as_str().unwrap() {
            "dropped" => {
                notices += 1;
                dropped += message["data"]["count"].as_u64().unwrap();
                assert_eq!(message["data"]["rooms"], json!(["trades"]));
            }
            "trade" => {
                received += 1;
                let id: u64 = message["data"]["id"].as_str().unwrap().parse().unwrap();
                assert!(id >= next_id, "in order");
                next_id = id + 1;
            }
            other => panic!("{other}"),
        }
    }
    assert!(
        dropped >= 1_000 && (1..=3).contains(&notices),
        "{dropped} {notices}"
    );
    assert_eq!(holes, dropped);
    let view = &hub.clients()[0];
    assert_eq!((view.dropped, view.queue, view.rooms), (dropped, 0, 1));
}

#[tokio::test]
async fn a_client_that_asks_without_reading_the_answers_is_sent_away() {
    let limits = Limits {
        messages_per_second: 1_000_000,
        queue_bytes: 100_000,
        ..Limits::default()
    };
    let server = Server::start(limits).await;
    let (ping, hub) = (
        format!(r#"{{"type":"ping","data":"{}"}}"#, "x".repeat(60_000)),
        &server.shared.hub,
    );
    let mut raw = Raw::connect(&server).await;
    let asked = async {
        loop {
            raw.send(&text(&ping)).await;
        }
    };
    let gone = async {
        while !hub.clients().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = asked => {}
        gone = timeout(2 * WAIT, gone) => gone.expect("sent away"),
    }
}

#[tokio::test]
async fn everybody_is_told_when_the_server_stops() {
    let server = server().await;
    let mut polite = Client::connect(&server).await;
    let mut rude = Raw::connect(&server).await;
    let stopping = server.shared.clone();
    let stopped = tokio::spawn(async move { stopping.hub.shutdown().await });
    assert_eq!(polite.close_code().await, Some(1001));
    timeout(WAIT, stopped).await.unwrap().unwrap();
    assert_eq!(
        rude.close().await.map(|p| p[..2].to_vec()),
        Some(1001u16.to_be_bytes().to_vec())
    );
    assert!(server.shared.hub.clients().is_empty());
    let mut late = Client::connect_ungreeted(&server).await;
    assert_eq!(late.close_code().await, None, "cut off");
}

#[tokio::test]
async fn a_python_client_understands_it() {
    let has_library = std::process::Command::new("python3")
        .args(["-c", "import websockets"])
        .output();
    if !has_library.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no python3 with websockets");
        return;
    }
    let server = server().await;
    server
        .shared
        .hub
        .publish_events(&[ticker("BTC/USD", "50000.10")]);
    let script = r#"
import asyncio, json, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1]) as ws:
        welcome = json.loads(await ws.recv())
        await ws.send(json.dumps({"type": "join_room", "room": "prices", "fields": ["symbol", "price"]}))
        joined = json.loads(await ws.recv())
        update = json.loads(await ws.recv())
        await (await ws.ping())
        print(welcome["type"], joined["type"], update["data"], update["seq"])
asyncio.run(main())
"#;
    let url = format!("ws://127.0.0.1:{}/ws", server.port);
    let mut python = tokio::process::Command::new("python3");
    python.args(["-c", script, &url]).kill_on_drop(true);
    let output = timeout(2 * WAIT, python.output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        told.trim(),
        "welcome joined {'symbol': 'BTC/USD', 'price': 50000.1} 3",
        "{trouble}"
    );
}
