mod past;

use super::*;
use crate::sim::{LedgerCandle, Stream};

/// A Thursday, at the beginning of a minute, an hour and a day.
const START: i64 = 1_789_603_200;
const SECOND: i64 = 1_000_000_000;

/// An exchange without trades whose clock shows [`START`].
async fn start_at(venue: Venue, change: impl FnOnce(&mut SimConfig)) -> Sim {
    let mut config = SimConfig {
        history: 0,
        start_ns: Some(START * SECOND),
        second: Duration::from_millis(20),
        ..SimConfig::new(venue)
    };
    change(&mut config);
    Sim::start(config).await.unwrap()
}

fn ns(seconds: i64) -> i64 {
    (START + seconds) * SECOND
}

/// Two trades in the first minute, none in the second, one in the third, then the fourth runs.
fn play(sim: &Sim, symbol: &str) {
    for (seconds, price) in [(5, "100.50"), (59, "99.25"), (121, "101.00")] {
        sim.trade_at(symbol, ns(seconds), price).unwrap();
    }
    sim.advance_to(ns(180));
}

/// The digits of a JSON number, or of a string with one.
fn number(value: &Value) -> String {
    match (value.as_str(), value.as_i64(), value.as_f64()) {
        (Some(text), ..) if text.contains('.') => {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        (Some(text), ..) => text.to_owned(),
        (_, Some(whole), _) => whole.to_string(),
        // without an exponent, and enough digits for what these tests trade
        (.., float) => float.unwrap().to_string(),
    }
}

fn plain(text: &str) -> String {
    number(&Value::from(text))
}

/// Open time in seconds, open, high, low, close, volume.
fn numbers(candle: &LedgerCandle) -> Vec<String> {
    let prices = [&candle.open, &candle.high, &candle.low, &candle.close];
    let mut numbers = vec![(candle.open_time_ns / SECOND).to_string()];
    numbers.extend(prices.map(|price| plain(price)));
    numbers.push(candle.volume.clone());
    numbers
}

fn is_kline(told: &Value, candle: &LedgerCandle, closed: bool) {
    let k = &told["k"];
    let mut found = vec![(k["t"].as_i64().unwrap() / 1000).to_string()];
    found.extend(["o", "h", "l", "c", "v"].map(|key| number(&k[key])));
    assert_eq!(found, numbers(candle));
    assert_eq!(number(&k["q"]), candle.quote_volume);
    assert_eq!(k["n"], candle.trades);
    assert_eq!(k["x"], closed);
    assert_eq!(k["T"], candle.close_time_ns / 1_000_000 - 1);
}

/// Columns of a REST row, by their places.
fn columns(row: &Value, places: [usize; 6], unit: i64) -> Vec<String> {
    let time = row[places[0]].as_i64().unwrap() / unit;
    let rest = places[1..].iter().map(|place| number(&row[*place]));
    [time.to_string()].into_iter().chain(rest).collect()
}

const BINANCE: [usize; 6] = [0, 1, 2, 3, 4, 5];
const KRAKEN: [usize; 6] = [0, 1, 2, 3, 4, 6];
const COINBASE: [usize; 6] = [0, 3, 2, 1, 4, 5];

#[tokio::test]
async fn the_oracle_tells_every_interval_from_the_first_trade_to_the_newest() {
    let sim = start_at(Venue::Coinbase, |_| ()).await;
    play(&sim, "BTC/USD");
    let trades = sim.ledger("BTC/USD");
    let minutes = sim.candles("BTC/USD", 60);
    let counts: Vec<u64> = minutes.iter().map(|candle| candle.trades).collect();
    assert_eq!(counts, [2, 0, 1]);
    let (first, quiet) = (&minutes[0], &minutes[1]);
    assert_eq!((first.open_time_ns, first.close_time_ns), (ns(0), ns(60)));
    assert_eq!(
        [&first.open, &first.high, &first.low, &first.close],
        ["100.50", "100.50", "99.25", "99.25"]
    );
    let units = |text: &str| (text.parse::<f64>().unwrap() * 1e8).round();
    let volume = units(&trades[0].size) + units(&trades[1].size);
    assert_eq!(units(&first.volume), volume);
    assert_eq!((&quiet.high, quiet.volume.as_str()), (&first.close, "0"));
    // the week began on Monday
    let week = &sim.candles("BTC/USD", 604_800)[0];
    assert_eq!((week.open_time_ns, week.trades), (ns(-3 * 86_400), 3));
}

#[tokio::test]
async fn binance_tells_each_candle_closed_once_also_the_flat_ones() {
    let sim = start_at(Venue::Binance, |_| ()).await;
    let mut client = connect(&sim, "/ws/btcusdt@kline_1m").await;
    while sim.counters().open_sockets < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sim.trade_at("BTC/USDT", ns(5), "100.50").unwrap();
    let forming = json(&mut client).await;
    assert_eq!(
        (forming["k"]["x"].as_bool(), &forming["k"]["n"]),
        (Some(false), &Value::from(1))
    );
    assert!(quiet_for(&mut client, 150).await, "only changes are told");
    for (seconds, price) in [(59, "99.25"), (121, "101.00"), (180, "102.00")] {
        sim.trade_at("BTC/USDT", ns(seconds), price).unwrap();
    }
    let minutes = sim.candles("BTC/USDT", 60);
    let mut closed = Vec::new();
    while closed.len() < 3 {
        let told = json(&mut client).await;
        if told["k"]["x"] == true {
            closed.push(told);
        }
    }
    for (told, candle) in closed.iter().zip(&minutes) {
        is_kline(told, candle, true);
    }
    assert_eq!(closed[1]["k"]["f"], -1);
    let running = json(&mut client).await;
    is_kline(&running, &minutes[3], false);
}

#[tokio::test(start_paused = true)]
async fn candles_end_by_the_clock_in_virtual_time() {
    let config = SimConfig {
        start_ns: Some(START * SECOND),
        ..SimConfig::new(Venue::Binance)
    };
    let sim = Sim::new(config);
    let (near, far) = tokio::io::duplex(1 << 16);
    let serving = sim.clone();
    tokio::spawn(async move { serving.serve(far).await });
    let url = "ws://x/stream?streams=btcusdt@kline_1m/ethusdt@kline_3m";
    let (mut client, _) = client_async(url, near).await.unwrap();
    let mut ends = Vec::new();
    while ends.len() < 8 {
        let Some(Ok(Message::Text(text))) = client.next().await else {
            continue;
        };
        let told: Value = serde_json::from_str(&text).unwrap();
        if told["data"]["k"]["x"] == true {
            let late = sim.now_ns() - (told["data"]["k"]["T"].as_i64().unwrap() + 1) * 1_000_000;
            assert!((0..10_000_000).contains(&late), "{late} ns late");
            ends.push(told["stream"].as_str().unwrap().to_owned());
        }
    }
    ends.sort();
    assert_eq!(&ends[6..], ["ethusdt@kline_3m"; 2]);
}

#[tokio::test]
async fn binance_rest_pages_from_a_start_or_ends_at_an_end() {
    let sim = start_at(Venue::Binance, |_| ()).await;
    play(&sim, "BTC/USDT");
    let ask = |query: &str| format!("/api/v3/klines?symbol=BTCUSDT&interval=1m&{query}");
    let (_, head, all) = get(&sim, &ask("")).await;
    assert!(head.contains("x-mbx-used-weight-1m: 2"), "{head}");
    let minutes = sim.candles_between("BTC/USDT", 60, ns(0), ns(240));
    assert_eq!(minutes.len(), 4);
    let rows = all.as_array().unwrap();
    assert_eq!(rows.len(), 4);
    for (row, candle) in rows.iter().zip(&minutes) {
        assert_eq!(columns(row, BINANCE, 1000), numbers(candle));
        assert_eq!(row.as_array().unwrap().len(), 12);
        assert_eq!(
            (number(&row[7]), &row[8]),
            (candle.quote_volume.clone(), &Value::from(candle.trades))
        );
    }
    let opens = |rows: &Value| -> Vec<i64> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row[0].as_i64().unwrap() / 1000 - START)
            .collect()
    };
    let ms = |seconds: i64| (START + seconds) * 1000;
    for (query, wanted) in [
        (format!("startTime={}&limit=2", ms(0)), vec![0, 60]),
        (format!("startTime={}", ms(0) + 1), vec![60, 120, 180]),
        (
            format!("startTime={}&endTime={}", ms(60), ms(120)),
            vec![60, 120],
        ),
        (format!("endTime={}&limit=2", ms(120) - 1), vec![0, 60]),
        ("limit=1".to_owned(), vec![180]),
        (format!("startTime={}", ms(240)), vec![]),
    ] {
        assert_eq!(opens(&get(&sim, &ask(&query)).await.2), wanted, "{query}");
    }
    for (query, code) in [
        ("symbol=FOOUSDT&interval=1m", -1121),
        ("symbol=BTCUSDT&interval=1M", -1120),
        ("symbol=BTCUSDT", -1102),
    ] {
        let (status, _, error) = get(&sim, &format!("/api/v3/klines?{query}")).await;
        assert_eq!(
            (status, &error["code"]),
            (400, &Value::from(code)),
            "{query}"
        );
    }
    assert!(sim.counters().rule_violations.is_empty());
    get(&sim, &ask("limit=1001")).await;
    assert_eq!(sim.counters().rule_violations.len(), 1);
}

const OHLC: &str = r#"{"method":"subscribe","params":{"channel":"ohlc","symbol":["BTC/USD"],"interval":1},"req_id":4}"#;

fn is_ohlc(row: &Value, candle: &LedgerCandle) {
    let mut found: Vec<String> = vec![(candle.open_time_ns / SECOND).to_string()];
    found.extend(["open", "high", "low", "close", "volume"].map(|key| number(&row[key])));
    assert_eq!(found, numbers(candle));
    assert_eq!(row["trades"], candle.trades);
    let time = |ns: i64| jiff::Timestamp::from_nanosecond(ns.into()).unwrap();
    let (begin, end) = (time(candle.open_time_ns), time(candle.close_time_ns));
    assert_eq!(row["interval_begin"], format!("{begin:.9}"));
    assert_eq!(row["timestamp"], format!("{end:.6}"));
}

#[tokio::test]
async fn kraken_tells_candles_on_trades_only_and_never_that_they_end() {
    let sim = start_at(Venue::Kraken, |config| {
        config.second = Duration::from_secs(1)
    })
    .await;
    let mut client = connect(&sim, "").await;
    json(&mut client).await;
    play(&sim, "BTC/USD");
    say(&mut client, OHLC).await;
    let ack = json(&mut client).await;
    assert_eq!(
        (&ack["result"]["interval"], &ack["req_id"]),
        (&Value::from(1), &Value::from(4))
    );
    let snapshot = json(&mut client).await;
    let minutes = sim.candles("BTC/USD", 60);
    assert_eq!(snapshot["type"], "snapshot");
    assert_eq!(snapshot["data"].as_array().unwrap().len(), 2);
    is_ohlc(&snapshot["data"][0], &minutes[0]);
    is_ohlc(&snapshot["data"][1], &minutes[2]);
    for (at, minute) in [(190, 3), (200, 3), (310, 5), (311, 5)] {
        sim.trade_at("BTC/USD", ns(at), "100.00").unwrap();
        let update = json_with(&mut client, "channel", "ohlc").await;
        assert_eq!(update["type"], "update");
        assert!(update["timestamp"].is_string());
        is_ohlc(&update["data"][0], &sim.candles("BTC/USD", 60)[minute]);
    }
    // what a fault kept back is in the next one
    sim.faults().mute_streams = [("BTC/USD".to_owned(), Stream::Candles)].into();
    sim.trade("BTC/USD", 3);
    say(&mut client, r#"{"method":"ping","req_id":5}"#).await;
    json_with(&mut client, "method", "pong").await;
    sim.faults().mute_streams.clear();
    sim.trade("BTC/USD", 1);
    let update = json_with(&mut client, "channel", "ohlc").await;
    is_ohlc(&update["data"][0], &sim.candles("BTC/USD", 60)[5]);
}

#[tokio::test]
async fn kraken_keeps_lengths_apart_and_has_no_others() {
    let sim = start_at(Venue::Kraken, |_| ()).await;
    let mut client = connect(&sim, "").await;
    for (message, answer) in [
        (OHLC.to_owned(), Ok(1)),
        (OHLC.to_owned(), Err("Already subscribed")),
        (OHLC.replace(":1}", ":10080}"), Ok(10_080)),
        (OHLC.replace(":1}", ":3}"), Err("Interval not supported")),
        (OHLC.replace("subscribe", "unsubscribe"), Ok(1)),
        (
            OHLC.replace("subscribe", "unsubscribe"),
            Err("Subscription not found"),
        ),
    ] {
        tokio::time::sleep(Duration::from_millis(5)).await;
        say(&mut client, &message).await;
        let found = loop {
            let found = json(&mut client).await;
            if found["success"].is_boolean() {
                break found;
            }
        };
        match answer {
            Ok(minutes) => assert_eq!(found["result"]["interval"], minutes, "{message}"),
            Err(error) => assert_eq!(found["error"], error, "{message}"),
        }
    }
    // its weeks begin on Thursdays
    sim.trade_at("BTC/USD", ns(1), "100.00").unwrap();
    let update = loop {
        let update = json(&mut client).await;
        if update["type"] == "update" && update["channel"] == "ohlc" {
            break update;
        }
    };
    assert_eq!(
        update["data"][0]["interval_begin"],
        "2026-09-17T00:00:00.000000000Z"
    );
}

#[tokio::test]
async fn kraken_rest_fills_quiet_minutes_and_gives_the_newest_720() {
    let sim = start_at(Venue::Kraken, |config| config.candle_history = 3_000).await;
    play(&sim, "BTC/USD");
    let ask = |query: &str| format!("/0/public/OHLC?pair=XBTUSD&{query}");
    let (_, _, all) = get(&sim, &ask("since=0")).await;
    let rows = all["result"]["XXBTZUSD"].as_array().unwrap();
    assert_eq!(rows.len(), 720);
    let oracle = sim.candles_between("BTC/USD", 60, ns(180 - 719 * 60), ns(240));
    for (row, candle) in rows.iter().zip(&oracle) {
        assert_eq!(columns(row, KRAKEN, 1), numbers(candle));
    }
    assert_eq!(
        (&rows[717][5], &rows[717][7]),
        (&Value::from("0.0"), &Value::from(0))
    );
    assert_eq!(all["result"]["last"], START + 120);
    let (_, _, rest) = get(&sim, &ask(&format!("since={}", START + 60))).await;
    let opens = rest["result"]["XXBTZUSD"].as_array().unwrap().iter();
    let opens: Vec<i64> = opens.map(|row| row[0].as_i64().unwrap() - START).collect();
    assert_eq!(opens, [120, 180]);
}

#[tokio::test]
async fn coinbase_leaves_out_quiet_minutes_and_refuses_long_ranges() {
    let sim = start_at(Venue::Coinbase, |_| ()).await;
    play(&sim, "BTC/USD");
    let ask = |query: &str| format!("/products/BTC-USD/candles?granularity=60{query}");
    let minutes = sim.candles("BTC/USD", 60);
    let (_, _, all) = get(&sim, &ask("&start=2026-09-17T00:00:00Z")).await;
    let rows = all.as_array().unwrap();
    assert_eq!(rows.len(), 2, "newest first, without the quiet one");
    assert_eq!(columns(&rows[0], COINBASE, 1), numbers(&minutes[2]));
    assert_eq!(columns(&rows[1], COINBASE, 1), numbers(&minutes[0]));
    let range = |start: &str, end: &str| ask(&format!("&start={start}&end={end}"));
    let (_, _, some) = get(&sim, &range("2026-09-17T00:00:30Z", "2026-09-17T00:01:00Z")).await;
    assert_eq!(
        some.as_array().unwrap().len(),
        1,
        "also the one begun before"
    );
    let (status, _, most) = get(&sim, &range("2026-09-16T19:01:00Z", "2026-09-17T00:01:00Z")).await;
    assert_eq!((status, most.as_array().unwrap().len()), (200, 1));
    for (target, message) in [
        (
            range("2026-09-16T19:00:59Z", "2026-09-17T00:01:00Z"),
            "granularity too small",
        ),
        (
            "/products/BTC-USD/candles?granularity=180".to_owned(),
            "Unsupported granularity",
        ),
    ] {
        let (status, _, error) = get(&sim, &target).await;
        assert_eq!(status, 400);
        assert!(
            error["message"].as_str().unwrap().starts_with(message),
            "{error}"
        );
    }
    assert!(
        sim.counters().rule_violations.is_empty(),
        "a refusal is none"
    );
}
