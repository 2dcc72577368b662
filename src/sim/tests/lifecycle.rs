use super::*;
use crate::sim::Status;

#[tokio::test]
async fn the_same_seed_gives_the_same_digits() {
    let digits = |seed| {
        let sim = Sim::new(SimConfig {
            seed,
            ..SimConfig::new(Venue::Kraken)
        });
        sim.trade("BTC/USD", 50);
        let ledger = sim.ledger("BTC/USD").into_iter();
        ledger
            .map(|t| (t.id, t.price, t.size, t.side))
            .collect::<Vec<_>>()
    };
    assert_eq!(digits(3), digits(3));
    assert_ne!(digits(3), digits(4));
}

#[tokio::test]
async fn ledger_ids_are_gapless_and_times_never_go_back() {
    let sim = Sim::new(SimConfig::new(Venue::Binance));
    sim.trade("SOL/USDT", 300);
    let ledger = sim.ledger("SOL/USDT");
    assert_eq!(ledger.len(), 500);
    assert!(
        ledger
            .windows(2)
            .all(|w| w[1].id == w[0].id + 1 && w[1].time_ns >= w[0].time_ns)
    );
    assert!(ledger.windows(2).any(|w| w[1].time_ns == w[0].time_ns));
}

#[tokio::test]
async fn halted_pairs_do_not_trade_and_pairs_can_be_added() {
    let sim = start(Venue::Kraken).await;
    assert!(sim.trade("LTC/USD", 1).is_empty());
    sim.set_status("LTC/USD", Status::Trading);
    assert_eq!(sim.trade("LTC/USD", 1).len(), 1);
    sim.set_status("LTC/USD", Status::Delisted);
    sim.add_listing(Listing::new("XRP", "EUR", "0.51", 4, 8));
    let (_, _, pairs) = get(&sim, "/0/public/AssetPairs").await;
    assert!(pairs["result"]["XXRPZEUR"].is_object());
    assert!(pairs["result"].get("XLTCZUSD").is_none());
}

#[tokio::test]
async fn a_rate_makes_trades_by_itself() {
    let config = SimConfig {
        rate: 200.0,
        ..SimConfig::new(Venue::Coinbase)
    };
    let sim = Sim::start(config).await.unwrap();
    tokio::time::timeout(WAIT, async {
        while sim.ledger("ADA/USD").len() < 230 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(
        sim.ledger("LTC/USD").len(),
        200,
        "a halted pair is left alone"
    );
}

#[tokio::test]
async fn the_port_can_refuse_and_accept_again() {
    let sim = start(Venue::Kraken).await;
    let address = sim.rest_url().replace("http://", "");
    let mut open = connect(&sim, "").await;
    json(&mut open).await;
    sim.stop_listening().await;
    assert!(TcpStream::connect(&address).await.is_err());
    sim.send_raw("{\"hello\":1}");
    assert_eq!(json(&mut open).await["hello"], 1, "open sockets stay");
    sim.resume_listening().await.unwrap();
    connect(&sim, "").await;
    sim.faults().refuse_connect = true;
    let mut stream = tcp(&sim).await;
    assert!(matches!(timeout(WAIT, stream.read_u8()).await, Ok(Err(_))));
}

#[tokio::test]
async fn dropping_the_last_clone_ends_everything() {
    let sim = start(Venue::Kraken).await;
    let address = sim.rest_url().replace("http://", "");
    let mut client = connect(&sim, "").await;
    json(&mut client).await;
    drop(sim.clone());
    sim.send_binary(&[1, 2]);
    assert!(matches!(frame(&mut client).await, Ok(Message::Binary(_))));
    drop(sim);
    assert!(frame(&mut client).await.is_err());
    while TcpStream::connect(&address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_in_memory_pipe_is_served_too() {
    let sim = Sim::new(SimConfig::new(Venue::Kraken));
    let (near, far) = tokio::io::duplex(1 << 16);
    let server = sim.clone();
    let task = tokio::spawn(async move { server.serve(far).await });
    let (mut client, _) = client_async("ws://sim/v2", near).await.unwrap();
    let first = timeout(WAIT, client.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(first.to_text().unwrap().contains("\"status\""));
    drop(client);
    timeout(WAIT, task).await.unwrap().unwrap();
    assert_eq!(sim.counters().open_sockets, 0);
}

#[tokio::test]
async fn bytes_right_behind_the_handshake_are_not_lost() {
    let sim = start(Venue::Binance).await;
    let mut stream = tcp(&sim).await;
    let mut bytes = b"GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    // a masked text frame whose mask is zero
    let text = br#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#;
    bytes.extend([0x81, 0x80 | text.len() as u8, 0, 0, 0, 0]);
    bytes.extend(text);
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains(r#"{"result":[],"id":1}"#) {
        let read = timeout(WAIT, stream.read_buf(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(read > 0);
    }
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{answer}"
    );
}
