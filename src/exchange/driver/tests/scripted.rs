//! Servers that say exactly what a test wants them to say.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::script::*;
use super::support::*;
use crate::model::StatusState::{Connected, Failed, Reconnecting, Stale};
use crate::sim::Venue;

#[tokio::test(start_paused = true)]
async fn what_came_in_one_piece_with_the_end_is_handed_over_before_the_end_is_told() {
    let venue = Venue::Binance;
    let dial = PipeDial::scripted(|stream, n| async move {
        let mut server = accept(stream).await;
        heard(&mut server).await;
        if n > 0 {
            return stay(&mut server).await;
        }
        for id in 1..=3 {
            server.feed(Message::text(binance_trade(id))).await.unwrap();
        }
        let (code, reason) = (4003.into(), Utf8Bytes::from_static("so long"));
        let close = Message::Close(Some(CloseFrame { code, reason }));
        server.feed(close).await.unwrap();
        server.flush().await.unwrap();
        stay(&mut server).await;
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    for id in 1..=3 {
        assert_eq!(feed.trade().await.id, id);
    }
    let reason = feed.expect(Reconnecting, 1).await;
    assert_eq!(reason, "closed by the exchange: 4003 so long");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_ends_with_its_last_answer_was_never_up() {
    let venue = Venue::Binance;
    let dial = PipeDial::scripted(|stream, _| async move {
        let mut server = accept(stream).await;
        let id = heard(&mut server).await["id"].clone();
        let answer = format!(r#"{{"result":null,"id":{id}}}"#);
        server.feed(Message::text(answer)).await.unwrap();
        server.feed(Message::Close(None)).await.unwrap();
        server.flush().await.unwrap();
        stay(&mut server).await;
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    for attempt in 1..=5 {
        feed.expect(Reconnecting, attempt).await;
    }
}

#[tokio::test(start_paused = true)]
async fn pongs_do_not_stand_in_for_data_where_the_exchange_has_heartbeats() {
    for venue in [Venue::Coinbase, Venue::Kraken] {
        let dial = PipeDial::scripted(move |stream, _| async move {
            let mut server = accept(stream).await;
            loop {
                let request = heard(&mut server).await;
                if request["method"] == "ping" {
                    let id = &request["req_id"];
                    say(
                        &mut server,
                        &format!(r#"{{"method":"pong","req_id":{id}}}"#),
                    )
                    .await;
                }
            }
        });
        let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 64, |options| {
            options.heartbeat = secs(3);
        });
        let reason = feed.expect(Stale, 1).await;
        assert_eq!(
            (reason.as_str(), feed.started.elapsed()),
            ("silent for 10 s", secs(10)),
            "{venue:?}"
        );
        feed.expect(Reconnecting, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn on_binance_any_frame_within_a_minute_is_life() {
    let venue = Venue::Binance;
    let dial = PipeDial::scripted(|stream, _| async move {
        let mut server = accept(stream).await;
        heard(&mut server).await;
        say(&mut server, r#"{"result":null,"id":1}"#).await;
        for _ in 0..10 {
            tokio::time::sleep(secs(59)).await;
            server.send(Message::Ping("20".into())).await.unwrap();
            let pong = server.next().await.unwrap().unwrap();
            assert_eq!(pong, Message::Pong("20".into()));
        }
        stay(&mut server).await;
    });
    let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 64, |options| {
        options.heartbeat = secs(100_000);
    });
    assert_eq!(feed.expect(Stale, 1).await, "silent for 60 s");
    assert_eq!(feed.started.elapsed(), secs(590 + 60));
}

const LIST_ETH: &str =
    r#"{"type":"subscriptions","channels":[{"name":"matches","product_ids":["ETH-USD"]}]}"#;

/// A heartbeat a second keeps a line alive on which nothing else happens.
async fn beat(server: &mut Server, seconds: u32) {
    for _ in 0..seconds {
        tokio::time::sleep(secs(1)).await;
        say(server, r#"{"type":"heartbeat"}"#).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_coinbase_error_is_about_what_it_names_even_after_a_lost_answer() {
    let venue = Venue::Coinbase;
    let dial = PipeDial::scripted(|stream, _| async move {
        let mut server = accept(stream).await;
        // BTC: the answer is lost. ETH: answered, which lists ETH alone for now.
        heard(&mut server).await;
        heard(&mut server).await;
        say(&mut server, LIST_ETH).await;
        // FOO: refused by name.
        heard(&mut server).await;
        say(&mut server, r#"{"type":"error","message":"Failed to subscribe","reason":"FOO-USD is not a valid product"}"#).await;
        beat(&mut server, 4).await;
        // BTC again, this time with an answer.
        let again = heard(&mut server).await;
        assert_eq!(again["channels"][0]["product_ids"][0], "BTC-USD");
        say(
            &mut server,
            &LIST_ETH.replace("\"ETH-USD\"", "\"BTC-USD\",\"ETH-USD\""),
        )
        .await;
        beat(&mut server, 60).await;
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    tokio::time::sleep(Duration::from_millis(100)).await;
    feed.subscribe(trades(venue, &["ETH"]));
    tokio::time::sleep(Duration::from_millis(100)).await;
    feed.subscribe(trades(venue, &["FOO"]));
    let status = feed.status().await;
    assert_eq!(status.market.map(|m| m.base()), Some("FOO"));
    assert_eq!(feed.states(secs(40)).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_coinbase_error_without_a_name_is_narrowed_down_and_then_final() {
    let venue = Venue::Coinbase;
    let dial = PipeDial::scripted(|stream, _| async move {
        let mut server = accept(stream).await;
        loop {
            heard(&mut server).await;
            say(
                &mut server,
                r#"{"type":"error","message":"Authentication Failed"}"#,
            )
            .await;
        }
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC", "ETH"]));
    for base in ["BTC", "ETH"] {
        let status = feed.status().await;
        assert_eq!(status.market.map(|m| m.base()), Some(base));
        assert_eq!(status.state, Failed);
        let reason = "trades refused: Authentication Failed";
        assert_eq!(status.reason.as_deref(), Some(reason));
    }
    assert_eq!(feed.states(secs(3_600)).await, []);
    assert_eq!(dial.times().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn kraken_answers_are_understood_without_their_request_id() {
    let venue = Venue::Kraken;
    let dial = PipeDial::scripted(|stream, _| async move {
        let mut server = accept(stream).await;
        heard(&mut server).await;
        for text in [
            r#"{"channel":"status","type":"update","data":[{"system":"online"}]}"#,
            r#"{"method":"subscribe","result":{"channel":"trade","symbol":"BTC/USD","snapshot":false},"success":true}"#,
            r#"{"error":"Currency pair not supported FOO/USD","method":"subscribe","success":false}"#,
            r#"{"error":"Already subscribed","method":"subscribe","success":false,"symbol":"ETH/USD"}"#,
            r#"{"Error":"Exceeded msg rate"}"#,
        ] {
            say(&mut server, text).await;
        }
        loop {
            tokio::time::sleep(secs(1)).await;
            say(&mut server, r#"{"channel":"heartbeat"}"#).await;
        }
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC", "ETH", "FOO"]));
    let status = feed.status().await;
    assert_eq!(status.market.map(|m| m.base()), Some("FOO"));
    assert_eq!(
        status.reason.as_deref(),
        Some("trades refused: Currency pair not supported FOO/USD")
    );
    // answered all three: nothing is asked again
    assert_eq!(feed.during(secs(24)).await, []);
}

/// Bytes as they go over the wire, after a proper handshake; `last` where nothing follows them.
fn raw(frames: &'static [&'static [u8]], last: bool) -> PipeDial {
    PipeDial::scripted(move |stream, n| async move {
        let mut server = accept(stream).await;
        heard(&mut server).await;
        if n == 0 {
            let stream = server.get_mut();
            for frame in frames {
                if stream.write_all(frame).await.is_err() {
                    return;
                }
            }
            if last {
                return tokio::time::sleep(secs(1)).await;
            }
        }
        say(&mut server, r#"{"result":null,"id":1}"#).await;
        tokio::time::sleep(secs(1)).await;
        say(&mut server, &binance_trade(7)).await;
        stay(&mut server).await;
    })
}

#[tokio::test(start_paused = true)]
async fn frames_that_break_the_protocol_break_no_more_than_the_line() {
    let venue = Venue::Binance;
    let broken: [&[&[u8]]; 8] = [
        // masked
        &[&[0x81, 0x82, 0, 0, 0, 0, b'{', b'}']],
        // reserved bits, reserved opcode
        &[&[0xf1, 0x02, b'{', b'}']],
        &[&[0x83, 0x02, b'{', b'}']],
        // a continuation of nothing
        &[&[0x80, 0x02, b'{', b'}']],
        // a control frame that is too long, and one in pieces
        &[&[0x89, 0x7e, 0x00, 0x7e]],
        &[&[0x09, 0x00]],
        // 64 MiB, and the top bit of a length
        &[&[0x81, 0x7f, 0, 0, 0, 0, 4, 0, 0, 0]],
        &[&[0x81, 0x7f, 0xff, 0, 0, 0, 0, 0, 0, 0]],
    ];
    for frames in broken {
        let mut feed = Feed::start(venue, &raw(frames, false), trades(venue, &["BTC"]));
        let reason = feed.expect(Reconnecting, 1).await;
        assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
        feed.expect(Connected, 1).await;
        assert_eq!(feed.trade().await.id, 7, "{frames:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_goodbye_is_one() {
    let venue = Venue::Binance;
    let goodbyes: [&[&[u8]]; 6] = [
        // no code, half a code, codes that must not be sent, a reason that is not UTF-8
        &[&[0x88, 0x00]],
        &[&[0x88, 0x01, 0x03]],
        &[&[0x88, 0x02, 0x03, 0xed]],
        &[&[0x88, 0x02, 0x03, 0xee]],
        &[&[0x88, 0x02, 0xff, 0xff]],
        &[&[0x88, 0x04, 0x03, 0xe8, 0xff, 0xfe]],
    ];
    for frames in goodbyes {
        let mut feed = Feed::start(venue, &raw(frames, true), trades(venue, &["BTC"]));
        feed.expect(Reconnecting, 1).await;
        feed.expect(Connected, 1).await;
        assert_eq!(feed.trade().await.id, 7, "{frames:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn text_in_pieces_is_put_together_and_text_that_is_none_is_passed_over() {
    let venue = Venue::Binance;
    let whole: [(&[&[u8]], u64); 5] = [
        // in pieces, with a ping between, and an empty last one
        (
            &[
                &[0x01, 0x01, b'{'],
                &[0x89, 0x01, b'p'],
                &[0x80, 0x01, b'}'],
            ],
            0,
        ),
        (&[&[0x01, 0x02, b'{', b'}'], &[0x80, 0x00]], 0),
        (&[&[0x81, 0x00]], 1),
        // not UTF-8, in one piece
        (&[&[0x81, 0x04, b'"', 0xff, 0xc3, b'"']], 1),
        (&[&[0x82, 0x02, 0xff, 0xfe]], 1),
    ];
    for (frames, bad) in whole {
        let mut feed = Feed::start(venue, &raw(frames, false), trades(venue, &["BTC"]));
        assert_eq!(feed.trade().await.id, 7, "{frames:?}");
        let counted = feed.stats.bad_frames.load(Ordering::Relaxed);
        assert_eq!(counted, bad, "{frames:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_trade_below_zero_is_a_bad_frame_and_no_trade() {
    let venue = Venue::Binance;
    let dial = PipeDial::scripted(|stream, _| async move {
        let mut server = accept(stream).await;
        heard(&mut server).await;
        say(&mut server, &binance_trade(1)).await;
        for bad in [("61000.10", "-61000.10"), ("0.01500", "-0.01500")] {
            say(&mut server, &binance_trade(2).replace(bad.0, bad.1)).await;
        }
        say(&mut server, &binance_trade(3)).await;
        stay(&mut server).await;
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    assert_eq!(feed.trade().await.id, 1);
    assert_eq!(feed.trade().await.id, 3);
    assert_eq!(feed.stats.bad_frames.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn of_several_connections_each_speaks_for_its_own_symbols() {
    let venue = Venue::Binance;
    let dial = PipeDial::scripted(|stream, n| async move {
        let mut server = accept(stream).await;
        heard(&mut server).await;
        say(&mut server, r#"{"result":null,"id":1}"#).await;
        if n > 0 {
            stay(&mut server).await;
        }
    });
    let topics = trades(venue, &["BTC", "ETH"]);
    let mut feed = Feed::tuned(venue, &dial, topics, 1_024, |options| {
        options.siblings.store(2, Ordering::Relaxed);
    });
    for state in [Reconnecting, Connected] {
        for base in ["BTC", "ETH"] {
            let status = feed.status().await;
            let market = status.market.map(|market| market.base());
            assert_eq!((status.state, market), (state, Some(base)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_password_of_an_address_is_told_to_nobody() {
    let venue = Venue::Kraken;
    let dial = PipeDial::scripted(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
        std::future::pending::<()>().await;
    });
    let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 1_024, |options| {
        options.url = "ws://user:s3cret@exchange.test/v2".parse().unwrap();
    });
    assert_eq!(
        feed.expect(Failed, 1).await,
        "exchange.test: HTTP 403 Forbidden"
    );
}
