use super::*;

const SUBSCRIBE: &str = r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":"a-7"}"#;

fn is_trade(json: &Value, trade: &LedgerTrade) {
    assert_eq!(json["t"], trade.id);
    assert_eq!(json["p"], trade.price.as_str());
    assert_eq!(json["q"], trade.size.as_str());
    assert_eq!(json["T"], trade.time_ns / 1_000_000);
    assert_eq!(
        json["m"],
        trade.side == Side::Sell,
        "m says that the buyer is the maker"
    );
}

#[tokio::test]
async fn combined_trades_match_the_ledger() {
    let sim = start(Venue::Binance).await;
    let mut client = connect(&sim, "/stream").await;
    say(&mut client, SUBSCRIBE).await;
    assert_eq!(text(&mut client).await, r#"{"result":null,"id":"a-7"}"#);
    for trade in sim.trade("BTC/USDT", 20) {
        let json = json(&mut client).await;
        assert_eq!(json["stream"], "btcusdt@trade");
        is_trade(&json["data"], &trade);
    }
    assert_eq!(sim.counters().subscribes, 1);
}

#[tokio::test]
async fn raw_and_url_streams_need_no_message() {
    let sim = start(Venue::Binance).await;
    let mut raw = connect(&sim, "/ws/btcusdt@trade").await;
    let mut combined = connect(&sim, "/stream?streams=btcusdt@trade/ethusdt@bookTicker").await;
    while sim.counters().open_sockets < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let made = sim.trade("BTC/USDT", 1);
    is_trade(&json(&mut raw).await, &made[0]);
    is_trade(&json(&mut combined).await["data"], &made[0]);
    sim.move_quote("ETH/USDT");
    let quote = json(&mut combined).await;
    assert_eq!(quote["stream"], "ethusdt@bookTicker");
    assert!(quote["data"]["u"].is_u64() && quote["data"]["b"].is_string());
}

#[tokio::test]
async fn control_methods_answer_with_their_id() {
    let sim = start_fast(Venue::Binance, 20).await;
    let mut client = connect(&sim, "/ws").await;
    let talk = [
        (
            r#"{"method":"SUBSCRIBE","params":["x@trade","ethusdt@ticker"],"id":1}"#,
            r#"{"result":null,"id":1}"#,
        ),
        (
            r#"{"method":"UNSUBSCRIBE","params":["ethusdt@ticker"],"id":2}"#,
            r#"{"result":null,"id":2}"#,
        ),
        (
            r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#,
            r#"{"result":["x@trade"],"id":3}"#,
        ),
        (
            r#"{"method":"SET_PROPERTY","params":["combined",true],"id":4}"#,
            r#"{"result":null,"id":4}"#,
        ),
        (
            r#"{"method":"GET_PROPERTY","params":["combined"],"id":5}"#,
            r#"{"result":true,"id":5}"#,
        ),
        (
            r#"{"method":"SET_PROPERTY","params":["combined",1],"id":6}"#,
            r#"{"code":1,"#,
        ),
        (r#"{"method":"NOPE","id":7}"#, r#"{"error":{"code":2,"#),
        ("{", r#"{"code":3,"#),
    ];
    for (message, reply) in talk {
        say(&mut client, message).await;
        // a ticker of the short seconds may come between
        let mut answer = text(&mut client).await;
        while answer.contains("24hrTicker") {
            answer = text(&mut client).await;
        }
        assert!(answer.starts_with(reply), "{message} -> {answer}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn unknown_and_upper_case_symbols_are_acknowledged_and_silent() {
    let sim = start(Venue::Binance).await;
    let mut client = connect(&sim, "/ws").await;
    say(
        &mut client,
        r#"{"method":"SUBSCRIBE","params":["foousdt@trade","BTCUSDT@trade"],"id":1}"#,
    )
    .await;
    assert_eq!(text(&mut client).await, r#"{"result":null,"id":1}"#);
    sim.trade("BTC/USDT", 5);
    assert!(quiet_for(&mut client, 150).await);
}

#[tokio::test]
async fn a_sixth_message_within_a_second_closes_with_1008() {
    let sim = start(Venue::Binance).await;
    let mut client = connect(&sim, "/ws").await;
    for _ in 0..6 {
        say(&mut client, r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#).await;
    }
    let close = loop {
        if let Message::Close(Some(close)) = frame(&mut client).await.unwrap() {
            break close;
        }
    };
    assert_eq!(u16::from(close.code), 1008);
    let counters = sim.counters();
    assert_eq!(counters.max_frames_per_second, 6);
    assert_eq!(counters.rule_violations, ["6 control messages within 1 s"]);
}

#[tokio::test]
async fn pings_come_every_twenty_venue_seconds() {
    let sim = start_fast(Venue::Binance, 15).await;
    let mut client = connect(&sim, "/ws").await;
    assert!(matches!(
        frame(&mut client).await.unwrap(),
        Message::Ping(_)
    ));
    assert!(matches!(
        frame(&mut client).await.unwrap(),
        Message::Ping(_)
    ));
    assert!(sim.counters().pongs_received >= 1);
}

#[tokio::test]
async fn ticker_agrees_with_rest() {
    let sim = start_fast(Venue::Binance, 40).await;
    sim.trade("ETH/USDT", 30);
    let mut client = connect(&sim, "/ws/ethusdt@ticker").await;
    let ws = json(&mut client).await;
    let (status, head, rest) = get(&sim, "/api/v3/ticker/24hr?symbol=ETHUSDT").await;
    assert_eq!(status, 200);
    assert!(head.contains("x-mbx-used-weight-1m: 2"), "{head}");
    let pairs = [
        ("c", "lastPrice"),
        ("o", "openPrice"),
        ("h", "highPrice"),
        ("l", "lowPrice"),
        ("v", "volume"),
        ("q", "quoteVolume"),
        ("P", "priceChangePercent"),
        ("b", "bidPrice"),
        ("A", "askQty"),
        ("L", "lastId"),
        ("w", "weightedAvgPrice"),
    ];
    for (short, long) in pairs {
        assert_eq!(ws[short], rest[long], "{long}");
    }
    assert_eq!(
        ws["c"],
        sim.ledger("ETH/USDT").last().unwrap().price.as_str()
    );
}

#[tokio::test]
async fn rest_selects_symbols_and_refuses_unknown_ones() {
    let sim = start(Venue::Binance).await;
    let (status, _, info) = get(
        &sim,
        "/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22,%22LTCUSDT%22%5D",
    )
    .await;
    assert_eq!(
        (status, info["symbols"].as_array().unwrap().len()),
        (200, 2)
    );
    assert_eq!(info["symbols"][1]["status"], "HALT");
    assert_eq!(info["symbols"][0]["filters"][0]["tickSize"], "0.01000000");
    let (status, _, error) = get(&sim, "/api/v3/exchangeInfo?symbol=FOOUSDT").await;
    assert_eq!((status, &error["code"]), (400, &Value::from(-1121)));
    let (_, _, all) = get(&sim, "/api/v3/ticker/price").await;
    assert_eq!(all.as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn rest_trades_page_through_the_ledger() {
    let sim = start(Venue::Binance).await;
    let ledger = sim.ledger("BTC/USDT");
    let (_, _, recent) = get(&sim, "/api/v3/trades?symbol=BTCUSDT&limit=3").await;
    let newest = recent[2].clone();
    assert_eq!(newest["id"], ledger.last().unwrap().id);
    assert_eq!(newest["qty"], ledger.last().unwrap().size.as_str());
    let target = format!(
        "/api/v3/historicalTrades?symbol=BTCUSDT&limit=2&fromId={}",
        ledger[5].id
    );
    let (_, _, old) = get(&sim, &target).await;
    assert_eq!(old[0]["id"], ledger[5].id);
    assert_eq!(old[1]["price"], ledger[6].price.as_str());
    let target = format!(
        "/api/v3/aggTrades?symbol=BTCUSDT&startTime={}",
        ledger[190].time_ns / 1_000_000
    );
    let (_, _, aggregates) = get(&sim, &target).await;
    let wanted = ledger
        .iter()
        .filter(|trade| trade.time_ns >= ledger[190].time_ns)
        .count();
    assert_eq!(aggregates.as_array().unwrap().len(), wanted);
}

#[tokio::test]
async fn shutdown_is_announced_in_the_framing_of_the_connection() {
    let sim = start(Venue::Binance).await;
    let mut client = connect(&sim, "/stream").await;
    say(&mut client, SUBSCRIBE).await;
    json(&mut client).await;
    sim.announce_shutdown();
    let notice = json(&mut client).await;
    assert_eq!(notice["stream"], "!serverShutdown");
    assert_eq!(notice["data"]["e"], "serverShutdown");
}
