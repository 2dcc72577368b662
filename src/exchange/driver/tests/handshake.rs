//! Ways not to get a WebSocket.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::*;
use crate::model::StatusState::{Connected, Failed, Reconnecting};
use crate::net::ConnectError;
use crate::sim::{Sim, Venue};

fn refusing(status: u16, retry_after: Option<u64>) -> Sim {
    let sim = sim(Venue::Kraken);
    sim.faults().handshake_status = Some(status);
    sim.faults().retry_after = retry_after;
    sim
}

#[tokio::test(start_paused = true)]
async fn the_exchange_s_wish_to_be_left_alone_is_kept_to_the_second() {
    let venue = Venue::Kraken;
    for (status, retry_after, pause) in [
        (429, Some(7), 7),
        (429, None, 60),
        (429, Some(0), 1),
        (418, Some(600), 600),
        (418, None, 300),
        (503, Some(20), 20),
    ] {
        let sim = refusing(status, retry_after);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
        let reason = feed.expect(Reconnecting, 1).await;
        assert!(reason.contains(&format!("HTTP {status}")), "{reason}");
        sim.faults().handshake_status = None;
        feed.expect(Connected, 1).await;
        let waited = dial.times()[1] - dial.times()[0];
        let allowed = secs(pause)..=secs(pause) + Duration::from_millis(200);
        assert!(allowed.contains(&waited), "{status}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_change_by_itself_is_given_up() {
    let venue = Venue::Kraken;
    for status in [403, 451] {
        let sim = refusing(status, None);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
        let reason = feed.expect(Failed, 1).await;
        assert!(reason.contains(&format!("HTTP {status}")), "{reason}");
        assert_eq!(feed.states(secs(7_000)).await, []);
        assert_eq!(dial.times().len(), 1);
    }
    let dial = PipeDial::new(|_| {
        Some(Err(ConnectError::Tls {
            host: "exchange.test:443".into(),
            why: "the certificate is for another host".into(),
            certificate: true,
        }))
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    feed.expect(Failed, 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_with_growing_pauses() {
    let venue = Venue::Coinbase;
    for (answer, why) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP 200 OK",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: ws://other.test/\r\n\r\n",
            "HTTP 302 Found",
        ),
        ("HTTP/1.1 401 Unauthorized\r\n\r\n", "HTTP 401"),
        (
            "HTTP/1.1 500 Internal Server Error\r\n\r\n<html>",
            "HTTP 500",
        ),
        ("HTTP/1.1 520 \r\n\r\n", "HTTP 520"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            "wrong key",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "does not upgrade to WebSocket",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        ("", "closed during the upgrade"),
        ("HTTP/1.1 101 Switching", "closed during the upgrade"),
    ] {
        let dial = PipeDial::scripted(move |mut stream, _| async move {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        });
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
        for attempt in 1..=6 {
            let reason = feed.expect(Reconnecting, attempt).await;
            assert!(reason.contains(why), "{why}: {reason}");
        }
        // at most 0.1, 0.25, 0.5, 1, 2 and the budget of five in five seconds
        assert!(feed.started.elapsed() <= secs(9), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_is_never_answered_ends_after_five_seconds() {
    let venue = Venue::Binance;
    let sim = sim(venue);
    sim.faults().accept_then_silence = true;
    let dial = PipeDial::to(&sim);
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    let reason = feed.expect(Reconnecting, 1).await;
    assert_eq!(reason, "exchange.test: WebSocket upgrade timed out");
    assert_eq!(feed.started.elapsed(), secs(5));
    sim.faults().accept_then_silence = false;
    feed.expect(Connected, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_head_without_end_is_cut_off() {
    let venue = Venue::Binance;
    let dial = PipeDial::scripted(|mut stream, _| async move {
        let mut request = [0; 4_096];
        let _ = stream.read(&mut request).await;
        while stream.write_all(&[b'x'; 1_000]).await.is_ok() {}
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    let reason = feed.expect(Reconnecting, 1).await;
    assert!(reason.contains("too long"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_in_single_bytes_is_a_handshake() {
    let venue = Venue::Kraken;
    let sim = sim(venue);
    let exchange = sim.clone();
    let dial = PipeDial::scripted(move |mut ours, _| {
        let mut theirs = to_sim(&exchange);
        async move {
            let (mut from, mut to) = tokio::io::split(&mut theirs);
            let (mut reader, mut writer) = tokio::io::split(&mut ours);
            let upstream = tokio::io::copy(&mut reader, &mut to);
            let downstream = async {
                let mut byte = [0];
                while from.read_exact(&mut byte).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    if writer.write_all(&byte).await.is_err() {
                        return;
                    }
                }
            };
            tokio::join!(upstream, downstream).1
        }
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    settle().await;
    feed.expect_trades(&sim.trade("BTC/USD", 3)).await;
}
