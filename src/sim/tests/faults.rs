use super::*;
use crate::sim::Cut;

const TRADES: &str = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channels":["matches"]}"#;

/// A Coinbase socket with matches of BTC-USD, past its `last_match`.
async fn subscribed(sim: &Sim) -> Client {
    let mut client = connect(sim, "").await;
    say(&mut client, TRADES).await;
    json_with(&mut client, "type", "last_match").await;
    client
}

async fn ids(client: &mut Client, n: usize) -> Vec<u64> {
    let mut ids = Vec::new();
    for _ in 0..n {
        ids.push(json(client).await["trade_id"].as_u64().unwrap());
    }
    ids
}

#[tokio::test]
async fn trades_are_dropped_doubled_and_swapped_by_id() {
    let sim = start(Venue::Coinbase).await;
    let mut client = subscribed(&sim).await;
    // ids start at 500 201 after the history
    sim.faults().drop_trades_every = 4;
    sim.trade("BTC/USD", 5);
    assert_eq!(
        ids(&mut client, 4).await,
        [500_201, 500_202, 500_203, 500_205]
    );
    sim.faults().drop_trades_every = 0;
    sim.faults().duplicate_every = 7;
    sim.trade("BTC/USD", 5);
    assert_eq!(
        ids(&mut client, 6).await,
        [500_206, 500_206, 500_207, 500_208, 500_209, 500_210]
    );
    sim.faults().duplicate_every = 0;
    sim.faults().swap_every = 3;
    sim.trade("BTC/USD", 5);
    assert_eq!(
        ids(&mut client, 5).await,
        [500_212, 500_211, 500_213, 500_215, 500_214]
    );
}

#[tokio::test]
async fn garbage_rotates_between_good_frames() {
    let sim = start(Venue::Coinbase).await;
    let mut client = subscribed(&sim).await;
    sim.faults().garbage_every = 1;
    sim.trade("BTC/USD", 9);
    let (mut texts, mut binaries, mut good) = (0, 0, 0);
    let ended = loop {
        match frame(&mut client).await {
            Ok(Message::Text(text)) => {
                texts += 1;
                good += usize::from(
                    text.starts_with(r#"{"type":"match","trade_id":500"#) && text.ends_with("Z\"}"),
                );
            }
            Ok(Message::Binary(_)) => binaries += 1,
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!((binaries, good), (1, 8));
    assert_eq!(texts, 8 + 7);
    assert!(matches!(ended, tungstenite::Error::Utf8(_)), "{ended}");
}

#[tokio::test]
async fn a_big_frame_comes_once_and_unknown_keys_are_added() {
    let sim = start(Venue::Coinbase).await;
    let mut client = subscribed(&sim).await;
    sim.faults().big_frame = true;
    sim.faults().extra_keys = true;
    let made = sim.trade("BTC/USD", 1);
    assert_eq!(text(&mut client).await.len(), 2 * 1024 * 1024);
    let json = json(&mut client).await;
    assert_eq!(json["trade_id"], made[0].id);
    assert!(json["zz_new_key"].is_object());
}

#[tokio::test]
async fn edge_case_sizes_are_exact() {
    let sim = start(Venue::Kraken).await;
    let mut client = connect(&sim, "").await;
    say(&mut client, r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"],"snapshot":false}}"#).await;
    json_with(&mut client, "method", "subscribe").await;
    sim.faults().number_edge_cases = true;
    let made = sim.trade("BTC/USD", 60);
    let mut sent = Vec::new();
    while sent.len() < made.len() {
        let frame = text(&mut client).await;
        sent.extend(
            frame
                .split("\"qty\":")
                .skip(1)
                .map(|rest| rest.split(',').next().unwrap().to_owned()),
        );
    }
    assert!(sent.iter().any(|size| size.ends_with("e-08")));
    assert!(sent.iter().any(|size| size == "0.00000000"));
    assert!(sent.iter().any(|size| !size.contains(['.', 'e'])));
    for (size, trade) in sent.iter().zip(&made) {
        let digits = size
            .strip_suffix("e-08")
            .map(|digit| format!("0.0000000{digit}"));
        assert_eq!(digits.as_ref().unwrap_or(size), &trade.size);
    }
    // sums of 18 decimals are still printed
    assert_eq!(get(&sim, "/0/public/Ticker?pair=XBTUSD").await.0, 200);
}

#[tokio::test]
async fn refused_and_mute_symbols() {
    let sim = start(Venue::Coinbase).await;
    sim.faults().refuse_symbols.insert("ETH/USD".to_owned());
    sim.faults().mute_symbols.insert("BTC-USD".to_owned());
    let mut client = connect(&sim, "").await;
    say(&mut client, &TRADES.replace("BTC", "ETH")).await;
    assert_eq!(json(&mut client).await["type"], "error");
    say(&mut client, TRADES).await;
    assert_eq!(json(&mut client).await["type"], "subscriptions");
    sim.trade("BTC/USD", 2);
    assert!(quiet_for(&mut client, 100).await);
}

#[tokio::test]
async fn acks_are_delayed_dropped_or_reversed() {
    let sim = start_fast(Venue::Kraken, 100).await;
    let mut client = connect(&sim, "").await;
    json(&mut client).await;
    let subscribe = |symbols: &str| {
        format!(
            r#"{{"method":"subscribe","params":{{"channel":"trade","symbol":[{symbols}],"snapshot":false}}}}"#
        )
    };
    sim.faults().acks_out_of_order = true;
    say(&mut client, &subscribe(r#""BTC/USD","ETH/USD""#)).await;
    for symbol in ["ETH/USD", "BTC/USD"] {
        let ack = json_with(&mut client, "method", "subscribe").await;
        assert_eq!(ack["result"]["symbol"], symbol);
    }
    sim.faults().acks_out_of_order = false;
    sim.faults().ack_delay = Some(Duration::from_millis(120));
    let asked = std::time::Instant::now();
    say(&mut client, &subscribe(r#""SOL/USD""#)).await;
    json_with(&mut client, "method", "subscribe").await;
    assert!(asked.elapsed() >= Duration::from_millis(120));
    sim.faults().drop_acks = true;
    say(&mut client, &subscribe(r#""DOGE/USD""#)).await;
    while sim.counters().subscribes < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let made = sim.trade("DOGE/USD", 1);
    let update = json_with(&mut client, "channel", "trade").await;
    assert_eq!(update["data"][0]["trade_id"], made[0].id);
}

#[tokio::test]
async fn silence_stops_every_frame_and_ends() {
    let sim = start_fast(Venue::Kraken, 20).await;
    let mut client = connect(&sim, "").await;
    say(&mut client, r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"],"snapshot":false}}"#).await;
    json_with(&mut client, "channel", "heartbeat").await;
    sim.faults().silence = true;
    // what was on its way
    while !quiet_for(&mut client, 60).await {}
    client.send(Message::Ping("x".into())).await.unwrap();
    assert!(quiet_for(&mut client, 150).await);
    assert_eq!(sim.counters().pings_received, 1);
    sim.faults().silence = false;
    json_with(&mut client, "channel", "heartbeat").await;
}

#[tokio::test]
async fn sockets_are_cut_in_three_ways() {
    let sim = start(Venue::Coinbase).await;
    let mut client = subscribed(&sim).await;
    sim.cut_all(Cut::Close(1012));
    let Ok(Message::Close(Some(close))) = frame(&mut client).await else {
        panic!("no close")
    };
    assert_eq!(u16::from(close.code), 1012);
    let mut client = subscribed(&sim).await;
    sim.cut_all(Cut::Reset);
    assert!(frame(&mut client).await.is_err());
    let mut client = subscribed(&sim).await;
    sim.cut_all(Cut::Vanish);
    sim.trade("BTC/USD", 1);
    say(&mut client, TRADES).await;
    assert!(quiet_for(&mut client, 150).await);
    assert_eq!(sim.counters().open_sockets, 1);
}

#[tokio::test]
async fn a_missing_pong_drops_the_socket() {
    let sim = start_fast(Venue::Coinbase, 100).await;
    sim.faults().require_pong = true;
    let mut good = subscribed(&sim).await;
    let bad = subscribed(&sim).await;
    // only a client that reads answers pings
    let reading = async {
        loop {
            frame(&mut good).await.unwrap();
        }
    };
    assert!(timeout(Duration::from_millis(800), reading).await.is_err());
    assert_eq!(sim.counters().rule_violations, ["no pong within 3 s"]);
    assert_eq!(sim.counters().open_sockets, 1);
    drop(bad);
}

#[tokio::test]
async fn handshakes_are_refused_ignored_or_flap() {
    let sim = start(Venue::Kraken).await;
    sim.faults().handshake_status = Some(429);
    sim.faults().retry_after = Some(7);
    let Err(tungstenite::Error::Http(response)) = try_connect(&sim, "").await else {
        panic!()
    };
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "7");
    sim.faults().handshake_status = None;
    sim.faults().accept_then_silence = true;
    let stream = tcp(&sim).await;
    let wait = Duration::from_millis(150);
    assert!(
        timeout(wait, client_async(sim.ws_url(), stream))
            .await
            .is_err()
    );
    sim.faults().accept_then_silence = false;
    sim.faults().flap = true;
    let mut client = connect(&sim, "").await;
    assert!(matches!(frame(&mut client).await, Ok(Message::Close(_))));
    assert_eq!(sim.counters().upgrades, 1);
}

#[tokio::test]
async fn rest_faults_change_status_delay_and_length() {
    let sim = start_fast(Venue::Kraken, 1).await;
    sim.faults().kraken_http200_error = Some("EService:Unavailable".to_owned());
    let (status, _, body) = get(&sim, "/0/public/Time").await;
    assert_eq!(
        (status, &body["error"][0]),
        (200, &Value::from("EService:Unavailable"))
    );
    sim.faults().rest_status = Some((418, "<html>".to_owned()));
    sim.faults().retry_after = Some(120);
    let (status, head, _) = get(&sim, "/0/public/Time").await;
    assert_eq!(status, 418);
    assert!(head.contains("retry-after: 120") && head.contains("text/html"));
    *sim.faults() = crate::sim::Faults {
        rest_truncate: true,
        ..Default::default()
    };
    let mut stream = tcp(&sim).await;
    stream
        .write_all(b"GET /0/public/Time HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    timeout(WAIT, stream.read_to_string(&mut text))
        .await
        .unwrap()
        .unwrap();
    assert!(text.contains("\"error\"") && !text.ends_with('}'), "{text}");
}

#[tokio::test]
async fn a_slow_body_arrives_whole() {
    let sim = start_fast(Venue::Coinbase, 1).await;
    sim.faults().rest_slow_body = Some(Duration::from_millis(80));
    let asked = std::time::Instant::now();
    let (_, _, time) = get(&sim, "/time").await;
    assert!(time["iso"].is_string());
    assert!(asked.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn the_clock_can_be_wrong() {
    let sim = start_fast(Venue::Kraken, 1).await;
    sim.faults().clock_skew_ms = -3_600_000;
    let (_, _, time) = get(&sim, "/0/public/Time").await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let behind = now.as_secs() as i64 - time["result"]["unixtime"].as_i64().unwrap();
    assert!((3599..=3620).contains(&behind), "{behind}");
}

#[tokio::test]
async fn old_trades_can_be_forgotten_and_withheld() {
    for (venue, target) in [
        (
            Venue::Binance,
            "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=0",
        ),
        (Venue::Coinbase, "/products/BTC-USD/trades"),
        (Venue::Kraken, "/0/public/Trades?pair=XBTUSD&since=0"),
    ] {
        let sim = start_fast(venue, 10).await;
        sim.faults().rest_trades_reach = Some(3);
        sim.faults().rest_trades_answers = Some(1);
        let (_, _, answer) = get(&sim, target).await;
        let rows = match venue {
            Venue::Kraken => &answer["result"]["XXBTZUSD"],
            _ => &answer,
        };
        assert_eq!(rows.as_array().unwrap().len(), 3, "{venue:?}");
        assert_eq!(get(&sim, target).await.0, 503, "{venue:?}");
        // nothing but trades is withheld, and what is silent stays so
        let time = match venue {
            Venue::Binance => "/api/v3/time",
            Venue::Coinbase => "/time",
            Venue::Kraken => "/0/public/Time",
        };
        assert_eq!(get(&sim, time).await.0, 200, "{venue:?}");
        sim.faults().rest_trades_then_silence = true;
        let never = get(&sim, target);
        assert!(timeout(Duration::from_millis(50), never).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn the_clock_follows_tokios_and_can_freeze_with_frames_still_coming() {
    let start_ns = 1_790_000_000_000_000_000;
    let sim = Sim::new(SimConfig {
        start_ns: Some(start_ns),
        ..SimConfig::new(Venue::Kraken)
    });
    let second = Duration::from_secs(1);
    let mut made = Vec::new();
    for frozen in [false, true, true, false] {
        tokio::time::sleep(second).await;
        sim.faults().freeze_clock = frozen;
        made.push(sim.trade("BTC/USD", 1)[0].time_ns - start_ns);
    }
    // the clock stands at the moment in which it is first read
    assert_eq!(
        made.iter().map(|ns| ns / 1_000_000_000).collect::<Vec<_>>(),
        [1, 2, 2, 4]
    );
}

#[tokio::test]
async fn one_stream_of_a_symbol_falls_silent_and_the_other_flows() {
    use crate::sim::Stream;
    let both = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channels":["matches","ticker"]}"#;
    for (muted, flows) in [(Stream::Trades, "ticker"), (Stream::Ticker, "match")] {
        let sim = start(Venue::Coinbase).await;
        let mut client = connect(&sim, "").await;
        say(&mut client, both).await;
        json_with(&mut client, "type", "ticker").await;
        let muted = ("BTC/USD".to_owned(), muted);
        sim.faults().mute_streams.insert(muted.clone());
        sim.trade("BTC/USD", 2);
        for _ in 0..2 {
            assert_eq!(json(&mut client).await["type"], flows);
        }
        sim.faults().mute_streams.remove(&muted);
        sim.trade("BTC/USD", 1);
        let types = [json(&mut client).await, json(&mut client).await];
        let types = types.map(|json| json["type"].as_str().unwrap().to_owned());
        assert_eq!(types, ["match", "ticker"]);
    }
}

#[tokio::test]
async fn rest_can_lag_behind_the_sockets() {
    for (venue, target, rows) in [
        (Venue::Binance, "/api/v3/trades?symbol=BTCUSDT", ""),
        (Venue::Coinbase, "/products/BTC-USD/trades", ""),
        (
            Venue::Kraken,
            "/0/public/Trades?pair=XBTUSD",
            "/result/XXBTZUSD",
        ),
    ] {
        let sim = start_fast(venue, 10).await;
        let shown = async || {
            let (_, _, answer) = get(&sim, target).await;
            let rows = answer.pointer(rows).unwrap().as_array().unwrap();
            rows.len()
        };
        assert_eq!(shown().await, 200, "{venue:?}");
        sim.faults().rest_trades_lag = 7;
        assert_eq!(shown().await, 193, "{venue:?}");
    }
}

#[tokio::test]
async fn rest_can_tell_other_prices_than_the_sockets() {
    for (venue, target, price) in [
        (
            Venue::Kraken,
            "/0/public/Ticker?pair=XBTUSD",
            "/result/XXBTZUSD/c/0",
        ),
        (
            Venue::Binance,
            "/api/v3/ticker/24hr?symbol=BTCUSDT",
            "/lastPrice",
        ),
        (Venue::Coinbase, "/products/BTC-USD/ticker", "/price"),
    ] {
        let sim = start(venue).await;
        let last = async || {
            let (_, _, body) = get(&sim, target).await;
            let price = body.pointer(price).and_then(Value::as_str);
            price.unwrap().parse::<f64>().unwrap()
        };
        let before = last().await;
        sim.faults().rest_price_percent = 3;
        let factor = last().await / before;
        assert!((factor - 1.03).abs() < 1e-4, "{venue:?}: {factor}");
    }
}

#[tokio::test]
async fn a_stalled_symbol_is_silent_until_it_is_subscribed_to_anew() {
    let sim = start(Venue::Coinbase).await;
    let mut client = subscribed(&sim).await;
    sim.faults().stall_symbols.insert("BTC/USD".to_owned());
    sim.trade("BTC/USD", 2);
    assert!(quiet_for(&mut client, 100).await);
    say(&mut client, &TRADES.replace("subscribe", "unsubscribe")).await;
    say(&mut client, TRADES).await;
    json_with(&mut client, "type", "last_match").await;
    let made = sim.trade("BTC/USD", 1);
    assert_eq!(ids(&mut client, 1).await, [made[0].id]);
}
