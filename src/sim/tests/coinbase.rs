use super::*;

#[tokio::test]
async fn subscribing_echoes_everything_then_tells_the_last_trade() {
    let sim = start(Venue::Coinbase).await;
    let last = sim.ledger("BTC/USD").pop().unwrap();
    let mut client = connect(&sim, "").await;
    say(&mut client, r#"{"type":"subscribe","product_ids":["BTC-USD"],"channels":["ticker","matches",{"name":"ticker_batch","product_ids":["ETH-USD"]}]}"#).await;
    let echo = json(&mut client).await;
    assert_eq!(echo["type"], "subscriptions");
    assert_eq!(echo["channels"][2]["name"], "ticker_1000");
    assert_eq!(
        echo["channels"][2]["product_ids"].as_array().unwrap().len(),
        2
    );
    assert!(echo["channels"][0]["account_ids"].is_null());
    let ticker = json(&mut client).await;
    assert_eq!(
        ticker["side"],
        last.side.word(),
        "a ticker has the taker's side"
    );
    assert_eq!(ticker["trade_id"], last.id);
    let first = json_with(&mut client, "type", "last_match").await;
    assert_eq!(first["trade_id"], last.id);
    assert_eq!(
        first["side"],
        last.side.opposite().word(),
        "a match has the maker's side"
    );
}

#[tokio::test]
async fn matches_follow_the_ledger_without_a_gap() {
    let sim = start(Venue::Coinbase).await;
    let mut client = connect(&sim, "").await;
    say(
        &mut client,
        r#"{"type":"subscribe","product_ids":["DOGE-USD"],"channels":["matches"]}"#,
    )
    .await;
    json_with(&mut client, "type", "last_match").await;
    for trade in sim.trade("DOGE/USD", 25) {
        let json = json(&mut client).await;
        assert_eq!(json["type"], "match");
        assert_eq!(json["trade_id"], trade.id);
        assert_eq!(
            (&json["price"], &json["size"]),
            (&Value::from(trade.price), &Value::from(trade.size))
        );
        assert_eq!(json["side"], trade.side.opposite().word());
    }
}

#[tokio::test]
async fn one_bad_product_fails_the_whole_request() {
    let sim = start(Venue::Coinbase).await;
    sim.set_status("SOL/USD", crate::sim::Status::Delisted);
    let mut client = connect(&sim, "").await;
    let reasons = [
        (
            r#"["BTC-USD","FOO-USD"],"channels":["matches"]"#,
            "FOO-USD is not a valid product",
        ),
        (
            r#"["BTC-USD","SOL-USD"],"channels":["matches"]"#,
            "SOL-USD is delisted",
        ),
        (
            r#"["BTC-USD"],"channels":["level2"]"#,
            "level2, level3, and full channels now require authentication.",
        ),
    ];
    for (rest, reason) in reasons {
        say(
            &mut client,
            &format!(r#"{{"type":"subscribe","product_ids":{rest}}}"#),
        )
        .await;
        let error = json(&mut client).await;
        assert_eq!(
            (&error["type"], &error["reason"]),
            (&Value::from("error"), &Value::from(reason))
        );
    }
    sim.trade("BTC/USD", 3);
    assert!(quiet_for(&mut client, 100).await);
}

#[tokio::test]
async fn heartbeats_carry_the_last_trade_id() {
    let sim = start_fast(Venue::Coinbase, 20).await;
    let mut client = connect(&sim, "").await;
    say(
        &mut client,
        r#"{"type":"subscribe","channels":[{"name":"heartbeat","product_ids":["ETH-BTC"]}]}"#,
    )
    .await;
    let made = sim.trade("ETH/BTC", 2);
    let beat = json_with(&mut client, "type", "heartbeat").await;
    assert_eq!(beat["last_trade_id"], made[1].id);
    assert_eq!(beat["product_id"], "ETH-BTC");
}

#[tokio::test]
async fn a_socket_without_a_subscription_is_closed() {
    let sim = start_fast(Venue::Coinbase, 10).await;
    let mut client = connect(&sim, "").await;
    assert!(matches!(
        frame(&mut client).await,
        Ok(Message::Close(_)) | Err(_)
    ));
    assert_eq!(sim.counters().rule_violations, ["no subscribe within 5 s"]);
}

#[tokio::test]
async fn rest_needs_a_user_agent_and_knows_its_products() {
    let sim = start(Venue::Coinbase).await;
    let (status, _, body) = gets(&sim, &["/products"], false).await.remove(0);
    assert_eq!(
        (status, body.as_str()),
        (400, r#"{"message":"User-Agent header is required."}"#)
    );
    let (status, _, error) = get(&sim, "/products/FOO-USD/ticker").await;
    assert_eq!((status, &error["message"]), (404, &Value::from("NotFound")));
    let (_, _, products) = get(&sim, "/products").await;
    let halted = products
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["id"] == "LTC-USD")
        .unwrap();
    assert_eq!(halted["trading_disabled"], true);
    let (_, _, stats) = get(&sim, "/products/BTC-USD/stats").await;
    let (_, _, ticker) = get(&sim, "/products/BTC-USD/ticker").await;
    assert_eq!(stats["volume"], ticker["volume"]);
}

#[tokio::test]
async fn rest_trades_go_back_page_by_page() {
    let sim = start(Venue::Coinbase).await;
    let mut ids = Vec::new();
    let mut after = String::new();
    while ids.len() < 200 {
        let target = format!("/products/BTC-USD/trades?limit=70{after}");
        let (_, head, page) = get(&sim, &target).await;
        ids.extend(
            page.as_array()
                .unwrap()
                .iter()
                .map(|row| row["trade_id"].as_u64().unwrap()),
        );
        let cursor = head
            .lines()
            .find_map(|line| line.strip_prefix("cb-after: "))
            .unwrap();
        after = format!("&after={cursor}");
    }
    ids.reverse();
    let ledger: Vec<u64> = sim.ledger("BTC/USD").iter().map(|trade| trade.id).collect();
    assert_eq!(ids, ledger);
}

#[tokio::test]
async fn the_sixteenth_request_at_once_is_refused() {
    let sim = start(Venue::Coinbase).await;
    let answers = gets(&sim, &["/time"; 17], true).await;
    assert!(answers[..15].iter().all(|(status, ..)| *status == 200));
    assert!(answers[15..].iter().any(|(status, ..)| *status == 429));
    assert_eq!(sim.counters().rest["/time"], 17);
}
