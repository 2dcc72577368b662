use super::{
    frames::{Splitter, Unit, subject},
    *,
};
use crate::sim::{SimConfig, Venue};
use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use serde_json::Value;
use std::time::Duration;
use tokio::{
    io::AsyncReadExt,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message},
};

const TRADES: &str =
    r#"{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channels":["matches","ticker"]}"#;
/// Longer than anything takes; time is paused.
const LONG: Duration = Duration::from_secs(600);

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn bed() -> (Sim, Proxy) {
    (Sim::new(SimConfig::new(Venue::Coinbase)), Proxy::new(7))
}

/// A subscribed client behind the proxy, past the greeting.
async fn subscribed(sim: &Sim, proxy: &Proxy) -> WebSocketStream<Pipe> {
    let pipe = proxy.connect(sim).await.unwrap();
    let (mut client, _) = client_async("ws://exchange.test/", pipe).await.unwrap();
    client.send(Message::text(TRADES)).await.unwrap();
    // the list, a last match and a ticker each
    for _ in 0..5 {
        client.next().await.unwrap().unwrap();
    }
    client
}

/// The ids of `type` that come until nothing comes any more.
async fn ids(client: &mut WebSocketStream<Pipe>, kind: &str) -> Vec<u64> {
    let mut ids = Vec::new();
    // a heartbeat channel is not subscribed, so silence is silence
    while let Ok(Some(message)) = timeout(Duration::from_secs(2), client.next()).await {
        if let Message::Text(text) = message.unwrap() {
            let json: Value = serde_json::from_str(&text).unwrap();
            if json["type"] == kind {
                ids.push(json["trade_id"].as_u64().unwrap());
            }
        }
    }
    ids
}

fn made(sim: &Sim, symbol: &str, n: usize) -> Vec<u64> {
    let made = sim.trade(symbol, n);
    made.iter().map(|trade| trade.id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_line_in_order_changes_nothing() {
    let (sim, proxy) = bed();
    let mut client = subscribed(&sim, &proxy).await;
    let made = made(&sim, "BTC/USD", 20);
    assert_eq!(ids(&mut client, "match").await, made);
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn messages_are_lost_doubled_and_swapped_and_answers_are_not() {
    let (sim, proxy) = bed();
    let mut client = subscribed(&sim, &proxy).await;
    proxy.change(|line| line.drop_percent = 100);
    made(&sim, "BTC/USD", 3);
    assert_eq!(ids(&mut client, "match").await, [0; 0]);
    // an answer to a request passes
    client.send(Message::text(TRADES)).await.unwrap();
    let answer = client.next().await.unwrap().unwrap();
    assert!(answer.to_text().unwrap().contains("\"subscriptions\""));

    proxy.change(|line| {
        line.drop_percent = 0;
        line.duplicate_percent = 100;
        line.mute = [("BTC/USD".to_owned(), Some(Stream::Ticker))].into();
    });
    let both = made(&sim, "BTC/USD", 2);
    assert_eq!(
        ids(&mut client, "match").await,
        [both[0], both[0], both[1], both[1]]
    );

    proxy.change(|line| {
        line.duplicate_percent = 0;
        line.reorder_percent = 100;
    });
    let four = made(&sim, "BTC/USD", 4);
    assert_eq!(
        ids(&mut client, "match").await,
        [four[1], four[0], four[3], four[2]]
    );
    // nothing overtakes the last one: it comes all the same
    let one = made(&sim, "BTC/USD", 1);
    assert_eq!(ids(&mut client, "match").await, one);
}

#[tokio::test(start_paused = true)]
async fn a_symbol_or_one_stream_of_it_is_muted_in_mid_stream() {
    for (stream, told) in [
        (None, [0, 0, 1, 1]),
        (Some(Stream::Trades), [0, 1, 1, 1]),
        (Some(Stream::Ticker), [1, 0, 1, 1]),
    ] {
        let (sim, proxy) = bed();
        let mut client = subscribed(&sim, &proxy).await;
        proxy.change(|line| line.mute = [("btc-usd".to_owned(), stream)].into());
        let mut counts = Vec::new();
        for symbol in ["BTC/USD", "ETH/USD"] {
            for kind in ["match", "ticker"] {
                made(&sim, symbol, 1);
                counts.push(ids(&mut client, kind).await.len());
            }
        }
        assert_eq!(counts, told, "{stream:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_are_late_and_in_pieces_and_all_there() {
    let (sim, proxy) = bed();
    let mut client = subscribed(&sim, &proxy).await;
    proxy.change(|line| {
        line.delay = millis(700);
        line.slice = Some((7, millis(1)));
    });
    let asked = Instant::now();
    let made = made(&sim, "ETH/USD", 5);
    let first = client.next().await.unwrap().unwrap();
    assert!(first.to_text().unwrap().contains(&made[0].to_string()));
    // time is paused: this is the line's doing alone
    assert!(asked.elapsed() > millis(700));
    proxy.change(|line| line.delay = Duration::ZERO);
    assert_eq!(ids(&mut client, "match").await, made[1..]);
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_keeps_what_was_sent_and_lets_no_connection_through() {
    let (sim, proxy) = bed();
    let mut client = subscribed(&sim, &proxy).await;
    proxy.change(|line| line.blackhole_down = true);
    let kept = made(&sim, "BTC/USD", 3);
    assert_eq!(ids(&mut client, "match").await, [0; 0]);
    assert!(timeout(LONG, proxy.connect(&sim)).await.is_err());
    proxy.change(|line| line.blackhole_down = false);
    assert_eq!(ids(&mut client, "match").await, kept);

    proxy.change(|line| line.blackhole_up = true);
    client.send(Message::Ping("x".into())).await.unwrap();
    ids(&mut client, "match").await;
    assert_eq!(sim.counters().pings_received, 0);
    proxy.change(|line| line.blackhole_up = false);
    ids(&mut client, "match").await;
    assert_eq!(sim.counters().pings_received, 1);

    proxy.change(|line| line.refuse = true);
    let refused = proxy.connect(&sim).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_an_error_and_a_polite_end_is_none() {
    let (sim, proxy) = bed();
    let mut pipe = proxy.connect(&sim).await.unwrap();
    let other = proxy.connect(&sim).await.unwrap();
    tokio::task::yield_now().await;
    proxy.reset();
    let error = pipe.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    drop(other);

    let mut pipe = proxy.connect(&sim).await.unwrap();
    tokio::task::yield_now().await;
    proxy.finish();
    let mut rest = Vec::new();
    assert_eq!(pipe.read_to_end(&mut rest).await.unwrap(), 0);
    // those that come later are not concerned
    subscribed(&sim, &proxy).await;
}

#[tokio::test]
async fn it_listens_on_loopback_in_front_of_an_exchange_that_does() {
    let sim = Sim::start(SimConfig::new(Venue::Coinbase)).await.unwrap();
    let proxy = Proxy::new(7);
    let listener = proxy.listen(&sim).await.unwrap();
    let url = listener.url(&sim.ws_url());
    assert_ne!(url, sim.ws_url());
    let address = url.replace("ws://", "").replace('/', "");
    let stream = TcpStream::connect(&address).await.unwrap();
    let (mut client, _) = client_async(url, stream).await.unwrap();
    client.send(Message::text(TRADES)).await.unwrap();
    client.next().await.unwrap().unwrap();
    proxy.reset();
    let ended = async {
        loop {
            match client.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("a polite end"),
            }
        }
    };
    let error = timeout(Duration::from_secs(10), ended).await.unwrap();
    assert!(
        matches!(error, Error::Io(_) | Error::Protocol(_)),
        "{error}"
    );
}

#[test]
fn what_a_message_is_about_is_seen_on_all_venues() {
    let told = |text, symbol: &str, stream| {
        assert_eq!(subject(text), Some((symbol.to_owned(), stream)), "{text}");
    };
    told(
        r#"{"stream":"btcusdt@trade","data":{"s":"BTCUSDT"}}"#,
        "btcusdt",
        Some(Stream::Trades),
    );
    told(
        r#"{"stream":"btcusdt@ticker","data":{}}"#,
        "btcusdt",
        Some(Stream::Ticker),
    );
    told(
        r#"{"type":"match","product_id":"BTC-USD"}"#,
        "btcusd",
        Some(Stream::Trades),
    );
    told(
        r#"{"type":"heartbeat","product_id":"BTC-USD"}"#,
        "btcusd",
        None,
    );
    told(
        r#"{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD"}]}"#,
        "btcusd",
        Some(Stream::Ticker),
    );
    told(
        r#"{"stream":"btcusdt@kline_1m","data":{"s":"BTCUSDT"}}"#,
        "btcusdt",
        Some(Stream::Candles),
    );
    told(
        r#"{"channel":"ohlc","type":"update","data":[{"symbol":"BTC/USD"}]}"#,
        "btcusd",
        Some(Stream::Candles),
    );
    for text in [
        r#"{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]}]}"#,
        r#"{"method":"subscribe","result":{"channel":"trade","symbol":"BTC/USD"},"success":true}"#,
        r#"{"channel":"heartbeat"}"#,
        r#"{"result":null,"id":1}"#,
        "",
    ] {
        assert_eq!(subject(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn however_the_bytes_are_cut_the_same_frames_come_out(
        lengths in prop::collection::vec(prop_oneof![0usize..200, 65_500usize..65_600], 0..4),
        cut in 1usize..5_000,
    ) {
        let head = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";
        let mut bytes = head.to_vec();
        for &length in &lengths {
            bytes.push(0x81);
            match u8::try_from(length) {
                Ok(short) if short < 126 => bytes.push(short),
                _ => match u16::try_from(length) {
                    Ok(middle) => {
                        bytes.push(126);
                        bytes.extend(middle.to_be_bytes());
                    }
                    Err(_) => {
                        bytes.push(127);
                        bytes.extend((length as u64).to_be_bytes());
                    }
                },
            }
            bytes.extend(std::iter::repeat_n(b'x', length));
        }
        let mut splitter = Splitter::default();
        let (mut whole, mut texts) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(cut) {
            splitter.push(piece);
            while let Some(unit) = splitter.next() {
                match unit {
                    Unit::Plain(bytes) => whole.extend_from_slice(&bytes),
                    Unit::Text { frame, text } => {
                        whole.extend_from_slice(&frame);
                        texts.push(text.len());
                    }
                }
            }
        }
        prop_assert_eq!(texts, lengths);
        prop_assert_eq!(whole, bytes);
    }
}
