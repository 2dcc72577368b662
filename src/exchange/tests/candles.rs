//! Candles as the exchanges tell them: on the socket, over REST, and polled.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::archive::{Archive, VENUES, ledger};
use super::support::*;
use super::{binance, coinbase, kraken};
use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::driver::Fallback;
use crate::exchange::kraken::Kraken;
use crate::exchange::poller::Poller;
use crate::exchange::protocol::{Adapter, Protocol, Reply};
use crate::feed::{Span, Topic};
use crate::model::{Candle, Event, Instrument, Interval, Origin, Stream, Timestamp};
use crate::sim::Venue;

pub const KLINE: &str = r#"{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1790000040021,"s":"BTCUSDT","k":{"t":1789999980000,"T":1790000039999,"s":"BTCUSDT","i":"1m","f":99400,"L":99520,"o":"60990.00","c":"61000.10","h":"61010.00","l":"60985.20","v":"12.50000","n":121,"x":true,"q":"762501.25","V":"7.10000","Q":"433101.00","B":"0"}}}"#;
pub const KLINES: &str = r#"[[1789999920000,"60980.00","60995.00","60979.90","60990.00","3.10000000",1789999979999,"189000.5",41,"1.0","61000.0","0"],[1789999980000,"60990.00","61010.00","60985.20","61000.10","12.50000",1790000039999,"762501.25",121,"7.10000","433101.00","0"]]"#;
pub const OHLC_SOCKET: &str = r#"{"channel":"ohlc","type":"snapshot","timestamp":"2026-09-21T14:13:20.150000001Z","data":[{"symbol":"BTC/USD","open":60980.0,"high":60995.0,"low":60979.9,"close":60990.0,"trades":41,"volume":3.10000000,"vwap":60988.1,"interval_begin":"2026-09-21T14:12:00.000000000Z","interval":1,"timestamp":"2026-09-21T14:13:00.000000Z"},{"symbol":"BTC/USD","open":60990.0,"high":61010.0,"low":60985.2,"close":60999.9,"trades":121.0,"volume":12.50000000,"vwap":60998.2,"interval_begin":"2026-09-21T14:13:00.000000000Z","interval":1,"timestamp":"2026-09-21T14:14:00.000000Z"}]}"#;
pub const OHLC: &str = r#"{"error":[],"result":{"XXBTZUSD":[[1789999920,"60980.0","60995.0","60979.9","60990.0","60988.1","3.10000000",41],[1789999980,"60990.0","60990.0","60990.0","60990.0","0.0","0.00000000",0]],"last":1789999920}}"#;
pub const CANDLES: &str =
    "[[1789999980,60985.2,61010,60990,61000.10,1e-08],[1789999920,60979.9,60995,60980,60990,3.1]]";
pub const OHLC_ACK: &str = r#"{"method":"subscribe","result":{"channel":"ohlc","symbol":"BTC/USD","interval":1,"snapshot":true},"success":true,"req_id":3}"#;

fn candles(of: &Arc<Instrument>, interval: Interval) -> Topic {
    topic(of, Stream::Candles(interval))
}

fn listening(adapter: &dyn Adapter, of: &Arc<Instrument>) -> Box<dyn Protocol> {
    let mut protocol = adapter.protocol();
    protocol.subscribe(&[candles(of, Interval::M1)]);
    protocol
}

fn told(protocol: &mut dyn Protocol, text: &str) -> Vec<Candle> {
    let events = good(protocol, text).events.into_iter();
    let candle = |event| match event {
        Event::Candle(candle) => Candle::clone(&candle),
        other => panic!("{other:?}"),
    };
    events.map(candle).collect()
}

fn read(adapter: &dyn Adapter, of: &Instrument, body: &str) -> Result<Vec<String>, String> {
    let rows = adapter.read_candles(body, of, Interval::M1, NOW);
    let rows = rows.map_err(|error| error.to_string())?;
    assert_eq!(rows.unread, []);
    Ok(rows
        .items
        .into_iter()
        .inspect(|row| assert_eq!((row.timestamp, row.received_at), (None, NOW)))
        .map(|row| line(&Event::Candle(Arc::new(row))))
        .collect())
}

fn json(message: &str) -> serde_json::Value {
    serde_json::from_str(message).unwrap()
}

fn span(from: &str, until: &str) -> Span {
    let at = |text| Timestamp::parse(text).unwrap();
    let (from, until) = (at(from), at(until));
    Span { from, until }
}

#[test]
fn binance_says_itself_which_candle_is_closed() {
    let of = binance::instrument("BTC");
    let mut protocol = listening(&Binance, &of);
    let bare = KLINE
        .split_once(r#""data":"#)
        .and_then(|(_, data)| data.strip_suffix('}'))
        .unwrap();
    let forming = KLINE.replace(r#""x":true"#, r#""x":false"#);
    for (text, closed) in [(KLINE, "true"), (bare, "true"), (&forming, "false")] {
        let output = good(&mut *protocol, text);
        assert_eq!(
            lines(&output),
            [format!(
                r#"{{"type":"candle","exchange":"binance","symbol":"BTC/USDT","interval":"1m","open_time":"2026-09-21T14:13:00.000000Z","close_time":"2026-09-21T14:14:00.000000Z","open":60990.00,"high":61010.00,"low":60985.20,"close":61000.10,"volume":12.50000,"quote_volume":762501.25,"trades":121,"closed":{closed},"complete":true,"origin":"stream"}}"#
            )]
        );
        let sent_at = told(&mut *protocol, text)[0].timestamp;
        assert_eq!(sent_at, Timestamp::from_millis(1_790_000_040_021));
    }
    let quiet = KLINE.replace("12.50000", "0.00000").replace("121", "0");
    assert_eq!(told(&mut *protocol, &quiet)[0].trades, Some(0));
    for (from, to) in [
        ("BTCUSDT", "ETHUSDT"),
        (r#""1m""#, r#""1M""#),
        (r#""1m""#, r#""3d""#),
    ] {
        assert!(is_ignored(&mut *protocol, &KLINE.replace(from, to)), "{to}");
    }
}

#[test]
fn a_candle_that_cannot_be_one_is_a_bad_frame() {
    let bad = [
        (r#""t":1789999980000"#, r#""t":1789999980001"#),
        (r#""i":"1m""#, r#""i":"5m""#),
        ("60985.20", "60991.00"),
        ("61010.00", "60999.00"),
        ("60985.20", "-1"),
        ("60985.20", "0.00"),
        ("12.50000", "-12.50000"),
        ("762501.25", "-1"),
        ("61010.00", ""),
        (r#""n":121"#, r#""n":-1"#),
        (r#""x":true"#, r#""x":1"#),
    ];
    let of = binance::instrument("BTC");
    let mut protocol = listening(&Binance, &of);
    for (from, to) in bad {
        let text = KLINE.replace(from, to);
        assert_ne!(text, KLINE);
        assert!(decode(&mut *protocol, &text).is_err(), "{to}");
    }
}

#[test]
fn binance_s_streams_have_the_length_in_their_names() {
    let of = binance::instrument("BTC");
    let mut protocol = Binance.protocol();
    let asked = [candles(&of, Interval::S1), candles(&of, Interval::W1)];
    let messages = protocol.subscribe(&asked);
    assert_eq!(
        json(&messages[0].text),
        serde_json::json!({"method": "SUBSCRIBE", "id": 1,
            "params": ["btcusdt@kline_1s", "btcusdt@kline_1w"]})
    );
    let answer = replies(&mut *protocol, r#"{"result":null,"id":1}"#);
    assert_eq!(answer, [Reply::Subscribed(asked.to_vec())]);
    let gone = protocol.unsubscribe(&asked[..1]);
    assert_eq!(json(&gone[0].text)["params"][0], "btcusdt@kline_1s");
}

#[test]
fn kraken_s_candles_come_raw_and_in_order() {
    let of = kraken::instrument("BTC");
    let mut protocol = listening(&Kraken, &of);
    let rows = told(&mut *protocol, OHLC_SOCKET);
    let sent_at = Timestamp::parse("2026-09-21T14:13:20.150000001Z");
    assert!(
        rows.iter()
            .all(|row| row.timestamp == sent_at && !row.closed)
    );
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| line(&Event::Candle(Arc::new(row))))
        .collect();
    assert_eq!(
        rows,
        [
            r#"{"type":"candle","exchange":"kraken","symbol":"BTC/USD","interval":"1m","open_time":"2026-09-21T14:12:00.000000Z","close_time":"2026-09-21T14:13:00.000000Z","open":60980.0,"high":60995.0,"low":60979.9,"close":60990.0,"volume":3.10000000,"quote_volume":null,"trades":41,"closed":false,"complete":true,"origin":"stream"}"#,
            r#"{"type":"candle","exchange":"kraken","symbol":"BTC/USD","interval":"1m","open_time":"2026-09-21T14:13:00.000000Z","close_time":"2026-09-21T14:14:00.000000Z","open":60990.0,"high":61010.0,"low":60985.2,"close":60999.9,"volume":12.50000000,"quote_volume":null,"trades":121,"closed":false,"complete":true,"origin":"stream"}"#,
        ]
    );
    // without what is described as optional, and with quoted numbers
    let bare = OHLC_SOCKET
        .replace(r#","timestamp":"2026-09-21T14:13:00.000000Z""#, "")
        .replace(r#""timestamp":"2026-09-21T14:13:20.150000001Z","#, "")
        .replace("60979.9,", r#""60979.9","#);
    assert_eq!(told(&mut *protocol, &bare)[0].timestamp, None);
    // a week begins on a Thursday there, and nobody asks for half a month
    for (from, to) in [
        (r#""interval":1,"#, r#""interval":10080,"#),
        (r#""interval":1,"#, r#""interval":21600,"#),
        ("14:12:00.000000000Z", "14:12:00.000000001Z"),
        ("121.0", "121.5"),
    ] {
        let output = good(&mut *protocol, &OHLC_SOCKET.replacen(from, to, 1));
        assert_eq!((output.events.len(), output.bad_rows), (1, 1), "{to}");
    }
}

#[test]
fn kraken_s_lengths_are_asked_for_and_acknowledged_each_by_itself() {
    let of = [kraken::instrument("BTC"), kraken::instrument("ETH")];
    let mut protocol = Kraken.protocol();
    let lengths = [Interval::M1, Interval::H4];
    let asked: Vec<_> = lengths
        .iter()
        .flat_map(|length| of.iter().map(|one| candles(one, *length)))
        .collect();
    let messages = protocol.subscribe(&asked);
    let sent: Vec<_> = messages.iter().map(|message| json(&message.text)).collect();
    for (n, minutes) in [(0, 1), (1, 240)] {
        assert_eq!(
            sent[n],
            serde_json::json!({"method": "subscribe", "req_id": n + 1, "params":
                {"channel": "ohlc", "symbol": ["BTC/USD", "ETH/USD"], "interval": minutes, "snapshot": true}})
        );
    }
    let ack = |symbol: &str, rest: &str| {
        format!(
            r#"{{"method":"subscribe","result":{{"channel":"ohlc","symbol":"{symbol}"{rest},"success":true}}"#
        )
    };
    let mut answered = |text: &str| match &replies(&mut *protocol, text)[..] {
        [Reply::Subscribed(topics)] => topics.clone(),
        [] => Vec::new(),
        other => panic!("{other:?}"),
    };
    // by the length, even with another id or none
    assert_eq!(
        answered(&ack("BTC/USD", r#","interval":240}"#)),
        [asked[2].clone()]
    );
    assert_eq!(answered(&ack("BTC/USD", r#","interval":240}"#)), []);
    assert_eq!(
        answered(&ack("BTC/USD", r#","interval":1},"req_id":77"#)),
        [asked[0].clone()]
    );
    assert_eq!(
        answered(&ack("ETH/USD", r#","interval":5},"req_id":2"#)),
        []
    );
    // without it by the id
    assert_eq!(
        answered(&ack("ETH/USD", r#"},"req_id":2"#)),
        [asked[3].clone()]
    );
    let refused = r#"{"error":"Currency pair not supported ETH/USD","method":"subscribe","success":false,"req_id":1}"#;
    let topics = vec![asked[1].clone()];
    assert!(matches!(&replies(&mut *protocol, refused)[..],
        [Reply::Refused { topics: of, .. }] if *of == topics));
    let gone = protocol.unsubscribe(&asked[2..3]);
    assert_eq!(
        json(&gone[0].text),
        serde_json::json!({"method": "unsubscribe", "req_id": 3, "params":
            {"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 240}})
    );
}

#[test]
fn coinbase_has_no_candles_on_its_socket_and_asks_for_none() {
    let of = coinbase::instrument("BTC");
    let mut protocol = Coinbase.protocol();
    for message in protocol.subscribe(&[candles(&of, Interval::M1), topic(&of, Stream::Trades)]) {
        let channels = json(&message.text)["channels"].clone();
        let names = channels
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].clone());
        assert_eq!(names.collect::<Vec<_>>(), ["matches", "heartbeat"]);
    }
    protocol.unsubscribe(&[candles(&of, Interval::M1)]);
    assert_eq!(Coinbase.profile().candles.streams, []);
}

#[test]
fn rows_over_rest_keep_their_digits_and_the_last_one_is_open() {
    let row = |exchange, quote, minute: u32, rest: &str| {
        format!(
            r#"{{"type":"candle","exchange":"{exchange}","symbol":"BTC/{quote}","interval":"1m","open_time":"2026-09-21T14:{minute}:00.000000Z","close_time":"2026-09-21T14:{}:00.000000Z",{rest},"complete":true,"origin":"history"}}"#,
            minute + 1
        )
    };
    assert_eq!(
        read(&Binance, &binance::instrument("BTC"), KLINES).unwrap(),
        [
            row(
                "binance",
                "USDT",
                12,
                r#""open":60980.00,"high":60995.00,"low":60979.90,"close":60990.00,"volume":3.10000000,"quote_volume":189000.5,"trades":41,"closed":true"#
            ),
            row(
                "binance",
                "USDT",
                13,
                r#""open":60990.00,"high":61010.00,"low":60985.20,"close":61000.10,"volume":12.50000,"quote_volume":762501.25,"trades":121,"closed":false"#
            ),
        ]
    );
    assert_eq!(
        read(&Kraken, &kraken::instrument("BTC"), OHLC).unwrap(),
        [
            row(
                "kraken",
                "USD",
                12,
                r#""open":60980.0,"high":60995.0,"low":60979.9,"close":60990.0,"volume":3.10000000,"quote_volume":null,"trades":41,"closed":true"#
            ),
            row(
                "kraken",
                "USD",
                13,
                r#""open":60990.0,"high":60990.0,"low":60990.0,"close":60990.0,"volume":0.00000000,"quote_volume":null,"trades":0,"closed":false"#
            ),
        ]
    );
    let coinbase = [
        row(
            "coinbase",
            "USD",
            12,
            r#""open":60980,"high":60995,"low":60979.9,"close":60990,"volume":3.1,"quote_volume":null,"trades":null,"closed":true"#,
        ),
        row(
            "coinbase",
            "USD",
            13,
            r#""open":60990,"high":61010,"low":60985.2,"close":61000.10,"volume":0.00000001,"quote_volume":null,"trades":null,"closed":false"#,
        ),
    ];
    let of = coinbase::instrument("BTC");
    assert_eq!(read(&Coinbase, &of, CANDLES).unwrap(), coinbase);
    // in whatever order, and twice
    let rows = CANDLES.trim_matches(['[', ']']).split_once("],[").unwrap();
    let turned = format!("[[{}],[{}],[{}]]", rows.1, rows.0, rows.1);
    assert_eq!(read(&Coinbase, &of, &turned).unwrap(), coinbase);
}

#[test]
fn answers_without_rows_are_empty_and_broken_ones_are_errors() {
    let (binance, coinbase, kraken) = (
        binance::instrument("BTC"),
        coinbase::instrument("BTC"),
        kraken::instrument("BTC"),
    );
    assert_eq!(read(&Binance, &binance, "[]"), Ok(vec![]));
    assert_eq!(read(&Coinbase, &coinbase, "[]"), Ok(vec![]));
    let none = r#"{"error":[],"result":{"XXBTZUSD":[],"last":0}}"#;
    assert_eq!(read(&Kraken, &kraken, none), Ok(vec![]));
    for (adapter, of, body) in [
        (
            &Binance as &dyn Adapter,
            &binance,
            KLINES.replace(r#""60"#, r#""x"#),
        ),
        (
            &Binance,
            &binance,
            r#"{"code":-1121,"msg":"Invalid symbol."}"#.into(),
        ),
        (&Coinbase, &coinbase, r#"{"message":"NotFound"}"#.into()),
        (&Kraken, &kraken, OHLC.replace(r#""60"#, r#""x"#)),
        (
            &Kraken,
            &kraken,
            OHLC.replace(r#""error":[]"#, r#""error":["EGeneral:Invalid arguments"]"#),
        ),
    ] {
        assert!(read(adapter, of, &body).is_err(), "{body}");
    }
}

#[test]
fn a_row_that_cannot_be_read_is_left_out_with_the_time_around_it() {
    let minute = |n: i64| Timestamp::from_nanos((1_789_999_800 + n * 60) * 1_000_000_000);
    let kline = |n: i64| {
        let open = minute(n).nanos() / 1_000_000;
        format!(r#"[{open},"5","6","4","5","1",0,"5",1,"0","0","0"]"#)
    };
    let ohlc = |n: i64| {
        let open = minute(n).nanos() / 1_000_000_000;
        format!(r#"[{open},"5","6","4","5","5","1",1]"#)
    };
    let candle = |n: i64| {
        let open = minute(n).nanos() / 1_000_000_000;
        format!("[{open},4,6,5,5,1]")
    };
    let within =
        |body: String| format!(r#"{{"error":[],"result":{{"XXBTZUSD":{body},"last":0}}}}"#);
    let edges = |spans: Vec<Span>| -> Vec<(i64, i64)> {
        let place = |at: Timestamp| match at.nanos() {
            i64::MIN => i64::MIN,
            i64::MAX => i64::MAX,
            nanos => (nanos - minute(0).nanos()) / 60_000_000_000,
        };
        let spans = spans.iter();
        spans
            .map(|span| (place(span.from), place(span.until)))
            .collect()
    };
    for (adapter, of) in [
        (&Binance as &dyn Adapter, binance::instrument("BTC")),
        (&Coinbase, coinbase::instrument("BTC")),
        (&Kraken, kraken::instrument("BTC")),
    ] {
        let body = |bad: &[(usize, &str)]| {
            let mut rows: Vec<String> = (0..5)
                .map(|n| match adapter.exchange().name() {
                    "binance" => kline(n),
                    "coinbase" => candle(n),
                    _ => ohlc(n),
                })
                .collect();
            for (place, text) in bad {
                rows[*place] = (*text).to_owned();
            }
            if adapter.exchange().name() == "coinbase" {
                rows.reverse();
            }
            let list = format!("[{}]", rows.join(","));
            match adapter.exchange().name() {
                "kraken" => within(list),
                _ => list,
            }
        };
        let read = |body: String| adapter.read_candles(&body, &of, Interval::M1, NOW).unwrap();
        for (bad, unread) in [
            (vec![(2, "[1]")], vec![(2, 3)]),
            (vec![(1, "null"), (2, "{}")], vec![(1, 3), (1, 3)]),
            (vec![(0, r#"["x"]"#)], vec![(i64::MIN, 1)]),
            (vec![(4, "[]")], vec![(4, i64::MAX)]),
        ] {
            let mut rows = read(body(&bad));
            assert_eq!(rows.items.len(), 5 - bad.len(), "{bad:?}");
            rows.unread.sort_by_key(|span| span.from);
            assert_eq!(edges(rows.unread), unread, "{} {bad:?}", of.market);
        }
        // With one row alone nothing says in which order they are.
        let bad: Vec<_> = (0..4).map(|place| (place, "[]")).collect();
        let rows = read(body(&bad));
        assert_eq!(rows.items.len(), 1);
        assert_eq!(edges(rows.unread), [(i64::MIN, i64::MAX); 4]);
    }
}

#[test]
fn a_span_is_asked_for_in_each_exchange_s_own_terms() {
    let minutes = span("2026-09-21T14:10:00Z", "2026-09-21T14:13:00Z");
    let ask = |adapter: &dyn Adapter, of: &Instrument, interval, span| {
        let ask = adapter.ask_candles(of, interval, span);
        ask.map(|ask| (ask.path, ask.weight))
    };
    let (binance, coinbase, kraken) = (
        binance::instrument("BTC"),
        coinbase::instrument("BTC"),
        kraken::instrument("BTC"),
    );
    // to 14:12:59.999
    assert_eq!(
        ask(&Binance, &binance, Interval::M1, minutes),
        Some(("/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=1789999800000&endTime=1789999979999&limit=1000".into(), 2))
    );
    // A whole page has no end: it shows where the data begins.
    let whole = span("1970-01-01T00:00:00Z", "1970-01-01T16:40:00Z");
    assert_eq!(
        ask(&Binance, &binance, Interval::M1, whole),
        Some((
            "/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=0&limit=1000".into(),
            2
        ))
    );
    // after 14:09
    assert_eq!(
        ask(&Kraken, &kraken, Interval::M1, minutes),
        Some((
            "/0/public/OHLC?pair=XBTCZUSD&interval=1&since=1789999740".into(),
            1
        ))
    );
    // to 14:12, which is part of it
    assert_eq!(
        ask(&Coinbase, &coinbase, Interval::M1, minutes),
        Some(("/products/BTC-USD/candles?granularity=60&start=2026-09-21T14:10:00.000000Z&end=2026-09-21T14:12:00.000000Z".into(), 1))
    );
    let weeks = span("2026-09-14T00:00:00Z", "2026-09-21T00:00:00Z");
    assert!(
        ask(&Binance, &binance, Interval::W1, weeks)
            .unwrap()
            .0
            .contains("interval=1w&")
    );
    assert_eq!(ask(&Kraken, &kraken, Interval::W1, weeks), None);
    assert_eq!(ask(&Coinbase, &coinbase, Interval::W1, weeks), None);
    assert_eq!(ask(&Binance, &binance, Interval::S5, weeks), None);
}

#[tokio::test]
async fn candles_are_polled_where_there_is_no_socket() {
    for venue in VENUES {
        let archive = Archive::open(venue, ledger(21, 20_000, 1)).await;
        let (sender, mut events) = mpsc::channel(64);
        let (told, mut working) = watch::channel(None);
        let poller = Arc::new(Poller::new(archive.rest.clone(), sender));
        let topics = vec![candles(&archive.instrument, Interval::M5)];
        let running = tokio::spawn(async move { poller.run(topics, told).await });
        let mut next = async || {
            let batch = timeout(Duration::from_secs(60), events.recv()).await;
            let events = batch.expect("an answer").expect("a running poller").events;
            let candle = |event| match event {
                Event::Candle(candle) => candle,
                other => panic!("{other:?}"),
            };
            events.into_iter().map(candle).collect::<Vec<_>>()
        };
        let first = next().await;
        let last = first.last().unwrap().clone();
        assert!(first.len() >= 2, "{venue:?}");
        for candle in &first {
            assert_eq!(candle.origin, Origin::Repair);
            assert_eq!(
                candle.closed,
                candle.open_time < last.open_time,
                "{venue:?}"
            );
        }
        // then only what may have changed
        let second = next().await;
        assert_eq!(second, [last], "{venue:?}");
        assert_eq!(*working.borrow_and_update(), Some(Ok(())));
        running.abort();
    }
    let archive = Archive::open(Venue::Coinbase, ledger(22, 100, 1)).await;
    let (sender, mut events) = mpsc::channel(64);
    let (told, _working) = watch::channel(None);
    let poller = Arc::new(Poller::new(archive.rest.clone(), sender));
    // a length that it has not: nothing comes, and the others get their turn
    let topics = [Interval::S5, Interval::M1].map(|length| candles(&archive.instrument, length));
    let running = tokio::spawn(async move { poller.run(topics.to_vec(), told).await });
    let requested = async {
        while archive.asked("granularity=60") < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), requested).await.unwrap();
    running.abort();
    while let Some(batch) = events.recv().await {
        let is_minute = |event: &Event| event.stream() == Some(Stream::Candles(Interval::M1));
        assert!(batch.events.iter().all(is_minute));
    }
}
