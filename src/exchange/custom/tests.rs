//! Messages of somebody else in, events out; and a whole stream against a server on loopback.

use std::collections::BTreeMap;

use futures_util::SinkExt;
use tokio::net::TcpListener;

use super::*;
use crate::engine::{Engine, Request, Subscription};
use crate::exchange::protocol::{Frame, Output, Reply};
use crate::model::{Event, Stream};

const NAME: Exchange = Exchange::new("venue");

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs.map(|(a, b)| ((*a).into(), (*b).into())).collect()
}

fn definition(kind: EventKind, pairs: &[(&str, &str)]) -> Definition {
    Definition {
        exchange: NAME,
        subscribe: vec![r#"{"sub":"{symbol}"}"#.into(), "hello".into()],
        ping: Some("ping".into()),
        silence: None,
        symbols: vec![
            ("btc".into(), "BTC".into(), "USD".into()),
            ("eth".into(), "ETH".into(), "USD".into()),
        ],
        mapping: Some(Mapping {
            kind,
            each: None,
            fields: fields(pairs),
            time_unit: TimeUnit::Nanos(1_000_000),
            sides: ("B".into(), "1".into()),
        }),
        conditions: vec![("/e".into(), "t".into())],
    }
}

const TRADE: &[(&str, &str)] = &[
    ("symbol", "/s"),
    ("id", "/i"),
    ("price", "/d/0"),
    ("size", "/d/1"),
    ("side", "/b"),
    ("timestamp", "/t"),
];

fn topics(definition: &Definition, stream: Stream) -> Vec<Topic> {
    let instruments = definition.instruments().into_iter();
    let topic = |instrument| Topic {
        instrument: Arc::new(instrument),
        stream,
    };
    instruments.map(topic).collect()
}

/// A connection that was asked for all of it.
fn subscribed(definition: &Definition) -> CustomProtocol {
    let mut protocol = CustomProtocol::new(Arc::new(definition.clone()), None);
    let stream = definition.mapping.as_ref().unwrap().kind.stream();
    protocol.subscribe(&topics(definition, stream));
    protocol
}

fn decode(protocol: &mut CustomProtocol, text: &str) -> (Output, bool) {
    let mut out = Output::default();
    let received_at = Timestamp::from_nanos(5);
    let read = protocol.decode(Frame { text, received_at }, &mut out);
    (out, read.is_ok())
}

/// As they are written, without what is the same in all.
fn lines(events: &[Event]) -> Vec<String> {
    let mut out = Vec::new();
    let mut writer = crate::model::JsonWriter::default();
    for event in events {
        writer.write(event, &mut out);
        if out.last() != Some(&b'\n') {
            out.push(b'\n');
        }
    }
    let text = String::from_utf8(out).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_trade_keeps_the_digits_that_were_sent_bare_or_quoted() {
    let mut protocol = subscribed(&definition(EventKind::Trade, TRADE));
    let text = r#"{"e":"t","s":"btc","i":"12","d":[67234.100000000000000001,"0.50"],"b":"b","t":1790000000123.5}"#;
    let (out, _) = decode(&mut protocol, text);
    let [line] = &lines(&out.events)[..] else {
        panic!("{:?}", out.events);
    };
    for part in [
        r#""exchange":"venue","symbol":"BTC/USD""#,
        r#""id":"12""#,
        r#""price":67234.100000000000000001,"size":0.50,"side":"buy""#,
        r#""timestamp":"2026-09-21T14:13:20.123500Z""#,
    ] {
        assert!(line.contains(part), "{line}");
    }
    let sell = r#"{"e":"t","s":"eth","i":7,"d":["1e-8",1],"b":1,"t":"1790000000123"}"#;
    let (out, _) = decode(&mut protocol, sell);
    let line = &lines(&out.events)[0];
    assert!(
        line.contains(r#""price":0.00000001"#) && line.contains(r#""side":"sell""#),
        "{line}"
    );
}

#[test]
fn what_is_not_meant_is_ignored_and_what_is_wrong_is_bad() {
    let mut protocol = subscribed(&definition(EventKind::Trade, TRADE));
    for text in [
        r#"{"e":"other"}"#,
        "5",
        r#"{"e":"t","s":"doge","i":1,"d":[1,1],"b":"b","t":1}"#,
        r#"{"e":"t"}"#,
    ] {
        let (out, is_fine) = decode(&mut protocol, text);
        assert!(
            is_fine && out.events.is_empty() && out.ignored == 1,
            "{text}"
        );
    }
    for text in [
        "hello",
        r#"{"e":"t","s":"btc","i":1.5,"d":[1,1],"b":"b","t":1}"#,
        r#"{"e":"t","s":"btc","i":-1,"d":[1,1],"b":"b","t":1}"#,
        r#"{"e":"t","s":"btc","i":1,"d":[0,1],"b":"b","t":1}"#,
        r#"{"e":"t","s":"btc","i":1,"d":[-1,1],"b":"b","t":1}"#,
        r#"{"e":"t","s":"btc","i":1,"d":[1],"b":"b","t":1}"#,
        r#"{"e":"t","s":"btc","i":1,"d":[1,-1],"b":"b","t":1}"#,
        r#"{"e":"t","s":"btc","i":1,"d":[1,1],"b":"x","t":1}"#,
        r#"{"e":"t","s":"btc","i":1,"d":[1,1],"b":"b","t":"now"}"#,
        r#"{"e":"t","s":"btc","i":1,"d":[1,1],"b":"b","t":1e30}"#,
        r#"{"e":"t","s":"btc","i":1,"d":[NaN,1],"b":"b","t":1}"#,
        r#"{"e":"t","s":"btc","i":1,"d":[{},1],"b":"b","t":1}"#,
    ] {
        let (out, is_fine) = decode(&mut protocol, text);
        assert!(!is_fine && out.events.is_empty(), "{text}");
    }
}

#[test]
fn each_element_of_an_array_is_an_event_and_a_bad_one_takes_no_other_down() {
    let mut definition = definition(
        EventKind::Ticker,
        &[("symbol", "/s"), ("bid", "/b"), ("price", "/p")],
    );
    definition.mapping.as_mut().unwrap().each = Some("/rows".into());
    let mut protocol = subscribed(&definition);
    let text =
        r#"{"e":"t","rows":[{"s":"btc","b":"1.0"},{"s":"eth","b":"x"},{"s":"eth","p":2,"b":""}]}"#;
    let (out, is_fine) = decode(&mut protocol, text);
    assert!(is_fine);
    assert_eq!((out.events.len(), out.bad_rows), (2, 1));
    let (out, is_fine) = decode(&mut protocol, r#"{"e":"t","rows":[{"s":"btc"}]}"#);
    assert!(!is_fine && out.events.is_empty());
    let (out, is_fine) = decode(&mut protocol, r#"{"e":"t","rows":5}"#);
    assert!(is_fine && out.ignored == 1);
}

#[test]
fn candles_begin_at_their_boundaries() {
    let pairs = [
        ("symbol", "/s"),
        ("open_time", "/t"),
        ("open", "/o"),
        ("high", "/h"),
        ("low", "/l"),
        ("close", "/c"),
        ("volume", "/v"),
        ("closed", "/x"),
    ];
    let definition = definition(EventKind::Candle(Interval::M1), &pairs);
    assert_eq!(definition.intervals(), [Interval::M1]);
    let mut protocol = subscribed(&definition);
    let row = |time: i64, high: &str| {
        format!(
            r#"{{"e":"t","s":"btc","t":{time},"o":1.5,"h":{high},"l":1,"c":1.50,"v":0,"x":true}}"#
        )
    };
    let (out, _) = decode(&mut protocol, &row(1_790_000_040_000, "2"));
    assert!(matches!(&out.events[..], [Event::Candle(candle)] if candle.closed));
    for text in [row(1_790_000_041_000, "2"), row(1_790_000_040_000, "1.4")] {
        assert!(!decode(&mut protocol, &text).1, "{text}");
    }
}

#[test]
fn subscriptions_are_sent_once_and_anything_heard_answers_them() {
    let definition = definition(EventKind::Trade, TRADE);
    let mut protocol = CustomProtocol::new(Arc::new(definition.clone()), None);
    let topics = topics(&definition, Stream::Trades);
    let texts = |messages: Vec<crate::exchange::Message>| -> Vec<String> {
        messages.into_iter().map(|message| message.text).collect()
    };
    assert_eq!(
        texts(protocol.subscribe(&topics[..1])),
        [r#"{"sub":"btc"}"#, "hello"]
    );
    assert_eq!(
        texts(protocol.subscribe(&topics[1..])),
        [r#"{"sub":"eth"}"#]
    );
    let (out, _) = decode(&mut protocol, r#"{"welcome":1}"#);
    assert_eq!(out.replies, [Reply::Subscribed(topics.clone())]);
    assert!(
        decode(&mut protocol, r#"{"welcome":1}"#)
            .0
            .replies
            .is_empty()
    );
    protocol.unsubscribe(&topics[..1]);
    let gone = r#"{"e":"t","s":"btc","i":1,"d":[1,1],"b":"b","t":1}"#;
    assert_eq!(decode(&mut protocol, gone).0.ignored, 1);
    assert_eq!(protocol.ping().as_deref(), Some("ping"));
}

#[test]
fn raw_messages_stay_what_they_are_as_json() {
    let (sender, mut messages) = broadcast::channel(4);
    let raw = Definition {
        mapping: None,
        symbols: Vec::new(),
        conditions: Vec::new(),
        ..definition(EventKind::Trade, TRADE)
    };
    let mut protocol = CustomProtocol::new(Arc::new(raw.clone()), Some(sender));
    protocol.subscribe(&topics(&raw, Stream::Ticker));
    for text in [r#"{"p": 1.50}"#, "say \"x\"\n"] {
        assert!(decode(&mut protocol, text).1);
    }
    let mut next = || messages.try_recv().unwrap().json.to_string();
    assert_eq!(next(), r#"{"p": 1.50}"#);
    assert_eq!(
        serde_json::from_str::<String>(&next()).unwrap(),
        "say \"x\"\n"
    );
}

/// Says what it has to each that connects, after the messages that subscribe; then hangs up, but for the last.
async fn serve(listener: TcpListener, talks: Vec<Vec<&'static str>>) {
    let last = talks.len() - 1;
    for (n, talk) in talks.into_iter().enumerate() {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        for expected in [r#"{"sub":"btc"}"#, "hello"] {
            let heard = socket.next().await.unwrap().unwrap();
            assert_eq!(heard.to_text().unwrap(), expected);
        }
        for text in talk {
            socket.send(text.into()).await.unwrap();
        }
        if n == last {
            while socket.next().await.is_some() {}
        }
    }
}

async fn next(events: &mut Subscription) -> String {
    let patience = Duration::from_secs(60);
    let event = tokio::time::timeout(patience, events.next()).await;
    match event.expect("nothing came").expect("it goes on") {
        Event::Trade(trade) => trade.id.to_string(),
        Event::Status(status) => status.state.name().into(),
        Event::Gap(gap) => gap.state.name().into(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stream_of_ones_own_connects_anew_like_an_exchange() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let first = vec![r#"{"e":"t","s":"btc","i":1,"d":["1.50",1],"b":"B","t":1790000000000}"#];
    let second = vec![
        r#"{"e":"t","s":"btc","i":1,"d":["1.50",1],"b":"B","t":1790000000000}"#,
        r#"{"e":"t","s":"btc","i":4,"d":["1.51",1],"b":"1","t":1790000001000}"#,
    ];
    tokio::spawn(serve(listener, vec![first, second]));
    let options = LiveOptions {
        ws_url: Some(url),
        reconnect_delay: Duration::from_millis(20),
        ..LiveOptions::default()
    };
    let definition = definition(EventKind::Trade, TRADE);
    let custom = Custom::new(definition, options, None).unwrap();
    assert_eq!(custom.traits().quotes, ["USD"]);
    let engine = Engine::builder().provider(custom).build();
    let request = Request::new(["venue:BTC"]).streams([Stream::Trades]);
    let mut events = engine.subscribe(request).await.unwrap();
    assert_eq!(next(&mut events).await, "1");
    assert_eq!(next(&mut events).await, "reconnecting");
    let mut told = Vec::new();
    while told.last().is_none_or(|last| last != "4") {
        told.push(next(&mut events).await);
    }
    // What was traded meanwhile nobody knows, and it is said.
    assert!(told.contains(&"connected".to_owned()), "{told:?}");
    engine.shutdown().await;
}
