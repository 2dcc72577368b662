use super::*;

const TRADES: &str = r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD","XBT/USD","ETH/USD"],"snapshot":false},"req_id":11}"#;

/// The literal of the first `"key":` number in a frame.
fn literal<'a>(frame: &'a str, key: &str) -> &'a str {
    let (_, rest) = frame.split_once(&format!("\"{key}\":")).unwrap();
    rest.split([',', '}']).next().unwrap()
}

#[tokio::test]
async fn status_comes_first_and_each_symbol_is_acknowledged() {
    let sim = start(Venue::Kraken).await;
    let mut client = connect(&sim, "").await;
    let status = json(&mut client).await;
    assert_eq!(status["data"][0]["system"], "online");
    assert!(status["data"][0]["connection_id"].as_u64().unwrap() > i64::MAX as u64);
    say(&mut client, TRADES).await;
    let good = json(&mut client).await;
    assert_eq!(
        (&good["result"]["symbol"], &good["req_id"]),
        (&Value::from("BTC/USD"), &Value::from(11))
    );
    let bad = json(&mut client).await;
    assert_eq!(bad["error"], "Currency pair not supported XBT/USD");
    assert_eq!(
        (&bad["success"], &bad["symbol"]),
        (&Value::from(false), &Value::from("XBT/USD"))
    );
    assert_eq!(json(&mut client).await["result"]["symbol"], "ETH/USD");
}

#[tokio::test]
async fn trades_share_messages_and_keep_their_digits() {
    let sim = start(Venue::Kraken).await;
    let mut client = connect(&sim, "").await;
    say(&mut client, TRADES).await;
    for _ in 0..4 {
        json(&mut client).await;
    }
    let made = sim.trade("BTC/USD", 7);
    let mut got = Vec::new();
    let mut messages = 0;
    while got.len() < made.len() {
        let frame = text(&mut client).await;
        messages += 1;
        for row in frame.split("{\"symbol\"").skip(1) {
            got.push((
                literal(row, "trade_id").to_owned(),
                literal(row, "price").to_owned(),
                literal(row, "qty").to_owned(),
            ));
        }
        let json: Value = serde_json::from_str(&frame).unwrap();
        assert_eq!(
            (&json["channel"], &json["type"]),
            (&Value::from("trade"), &Value::from("update"))
        );
    }
    let wanted = made
        .into_iter()
        .map(|t| (t.id.to_string(), t.price, t.size));
    assert_eq!(got, wanted.collect::<Vec<_>>());
    assert_eq!(messages, 3);
}

#[tokio::test]
async fn a_snapshot_of_fifty_trades_comes_only_when_asked_for() {
    let sim = start(Venue::Kraken).await;
    let mut client = connect(&sim, "").await;
    json(&mut client).await;
    say(&mut client, r#"{"method":"subscribe","params":{"channel":"trade","symbol":["SOL/USD"],"snapshot":true}}"#).await;
    json(&mut client).await;
    let snapshot = json(&mut client).await;
    assert_eq!(snapshot["type"], "snapshot");
    let rows = snapshot["data"].as_array().unwrap();
    assert_eq!(rows.len(), 50);
    assert_eq!(
        rows[49]["trade_id"],
        sim.ledger("SOL/USD").last().unwrap().id
    );
}

#[tokio::test]
async fn ticker_triggers_differ() {
    let sim = start(Venue::Kraken).await;
    let mut client = connect(&sim, "").await;
    json(&mut client).await;
    say(
        &mut client,
        r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"]}}"#,
    )
    .await;
    say(&mut client, r#"{"method":"subscribe","params":{"channel":"ticker","event_trigger":"bbo","symbol":["ETH/USD"]}}"#).await;
    for _ in 0..2 {
        assert_eq!(json(&mut client).await["success"], true);
        assert_eq!(json(&mut client).await["type"], "snapshot");
    }
    sim.move_quote("BTC/USD");
    sim.move_quote("ETH/USD");
    assert_eq!(
        json(&mut client).await["data"][0]["symbol"],
        "ETH/USD",
        "only bbo hears of quotes"
    );
    let made = sim.trade("BTC/USD", 1);
    let frame = text(&mut client).await;
    assert_eq!(literal(&frame, "last"), made[0].price);
}

#[tokio::test]
async fn heartbeats_fill_silence_once_subscribed() {
    let sim = start_fast(Venue::Kraken, 20).await;
    let mut client = connect(&sim, "").await;
    json(&mut client).await;
    assert!(quiet_for(&mut client, 100).await);
    say(&mut client, r#"{"method":"subscribe","params":{"channel":"trade","symbol":["SOL/USD"],"snapshot":false}}"#).await;
    json(&mut client).await;
    assert_eq!(text(&mut client).await, r#"{"channel":"heartbeat"}"#);
    say(&mut client, r#"{"method":"ping","req_id":5}"#).await;
    assert_eq!(json_with(&mut client, "method", "pong").await["req_id"], 5);
}

#[tokio::test]
async fn rest_uses_old_names_unless_asked_for_new_ones() {
    let sim = start_fast(Venue::Kraken, 1).await;
    let (_, _, old) = get(&sim, "/0/public/AssetPairs").await;
    let keys: Vec<&String> = old["result"].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "ADAUSD", "SOLUSD", "XDGUSD", "XETHXXBT", "XETHZUSD", "XLTCZUSD", "XXBTZUSD"
        ]
    );
    assert_eq!(old["result"]["XXBTZUSD"]["wsname"], "XBT/USD");
    assert_eq!(old["result"]["XDGUSD"]["base"], "XXDG");
    let (_, _, new) = get(&sim, "/0/public/AssetPairs?assetVersion=1&pair=XBTUSD").await;
    assert_eq!(new["result"]["BTC/USD"]["base"], "BTC");
    assert_eq!(new["result"]["BTC/USD"]["altname"], "XBTUSD");
    let (status, _, bad) = get(&sim, "/0/public/Ticker?pair=FOOUSD").await;
    assert_eq!(
        (status, &bad["error"][0]),
        (200, &Value::from("EQuery:Unknown asset pair"))
    );
}

#[tokio::test]
async fn rest_trades_page_to_the_end_of_the_ledger() {
    let sim = start_fast(Venue::Kraken, 1).await;
    sim.trade("DOGE/USD", 40);
    let mut ids = Vec::new();
    let mut since = "0".to_owned();
    loop {
        let target = format!("/0/public/Trades?pair=XDGUSD&count=50&since={since}");
        let (_, _, page) = get(&sim, &target).await;
        let rows = page["result"]["XDGUSD"].as_array().unwrap();
        if rows.is_empty() {
            break;
        }
        ids.extend(rows.iter().map(|row| row[6].as_u64().unwrap()));
        since = page["result"]["last"].as_str().unwrap().to_owned();
    }
    let ledger: Vec<u64> = sim
        .ledger("DOGE/USD")
        .iter()
        .map(|trade| trade.id)
        .collect();
    assert_eq!(ids, ledger);
}

#[tokio::test]
async fn ohlc_begins_at_the_open_of_24_hours_ago() {
    let sim = start_fast(Venue::Kraken, 1).await;
    let mut client = connect(&sim, "").await;
    say(
        &mut client,
        r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"]}}"#,
    )
    .await;
    let snapshot = json_with(&mut client, "type", "snapshot").await["data"][0].clone();
    let open = snapshot["last"].as_f64().unwrap() - snapshot["change"].as_f64().unwrap();
    let (_, _, time) = get(&sim, "/0/public/Time").await;
    let since = time["result"]["unixtime"].as_i64().unwrap() - 86_400;
    let (_, _, bars) = get(
        &sim,
        &format!("/0/public/OHLC?pair=XBTUSD&interval=5&since={since}"),
    )
    .await;
    let rows = bars["result"]["XXBTZUSD"].as_array().unwrap();
    assert!((287..=289).contains(&rows.len()), "{}", rows.len());
    let first: f64 = rows[0][1].as_str().unwrap().parse().unwrap();
    assert!((first - open).abs() < 0.005, "{first} {open}");
    let count: u64 = rows.iter().map(|row| row[7].as_u64().unwrap()).sum();
    assert_eq!(count, 200);
}
