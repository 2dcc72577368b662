//! Exchanges that cannot be reached or do not want us: exit 3, never 1, with the reason.

use std::time::Duration;

use futures_util::future::join_all;
use tickwire::sim::{Sim, Venue};

use crate::support::{Record, VENUES, World, name, quote, start};

const OFFLINE: &str = "hint: tickwire monitor BTC ETH -p mock works offline\n";

/// A world whose list of symbols is cached already.
async fn prepared(venue: Venue) -> (Sim, World) {
    let sim = start(venue).await;
    let world = World::with(venue, &sim);
    world.run("symbols -o plain").await.exits(0);
    (sim, world)
}

#[tokio::test]
async fn no_list_and_no_exchange_is_3_with_a_way_out() {
    for venue in VENUES {
        let world = World::new();
        for command in ["monitor BTC -1", "monitor BTC", "symbols"] {
            let done = world
                .run(&format!("{command} -p {}", name(venue)))
                .await
                .exits(3);
            let done = done
                .prints_nothing()
                .says("connection refused")
                .says(OFFLINE);
            let error = format!("tickwire: error: no list of what {} trades: ", name(venue));
            assert!(done.stderr.starts_with(&error), "{done:#?}");
        }
    }
}

#[tokio::test]
async fn an_exchange_that_does_not_answer_is_3_with_a_way_out() {
    let sim = start(Venue::Kraken).await;
    sim.faults().rest_delay = Some(Duration::from_secs(60));
    let world = World::with(Venue::Kraken, &sim);
    for command in ["monitor BTC -1", "monitor BTC", "symbols"] {
        let done = world
            .run(&format!("{command} --timeout 300ms"))
            .await
            .exits(3);
        done.prints_nothing().says(OFFLINE);
    }
}

#[tokio::test]
async fn http_errors_of_the_list_are_3_with_a_code_for_scripts() {
    for (status, code, retryable) in [
        (429, "rate_limited", true),
        (418, "rate_limited", true),
        (403, "blocked", false),
        (451, "blocked", false),
        (500, "unreachable", true),
    ] {
        let sim = start(Venue::Binance).await;
        sim.faults().rest_status = Some((status, "{}".into()));
        let world = World::with(Venue::Binance, &sim);
        let done = world
            .run("monitor BTC -1 --log-format json")
            .await
            .exits(3)
            .prints_nothing();
        let error = Record::parse(done.stderr.trim_end());
        assert_eq!(error.text("code"), code, "{done:#?}");
        assert_eq!(error.raw("retryable"), retryable.to_string(), "{done:#?}");
        assert!(
            error.text("message").contains(&format!("HTTP {status}")),
            "{done:#?}"
        );
        world.run("symbols").await.exits(3).prints_nothing();
        assert_eq!(sim.counters().upgrades, 0);
    }
}

#[tokio::test]
async fn once_without_rest_and_without_socket_is_3_and_names_the_symbol() {
    let cases = VENUES.map(|venue| [429, 418, 403, 451, 500].map(|status| (venue, status)));
    let check = |(venue, status)| async move {
        let (sim, world) = prepared(venue).await;
        sim.faults().rest_status = Some((status, "{}".into()));
        sim.faults().handshake_status = Some(status);
        let done = world.run("monitor BTC -1 --timeout 1500ms").await;
        let done = done.exits(3).prints_nothing();
        let symbol = format!("BTC/{}", quote(venue));
        let error = format!("tickwire: error: {}:{symbol} ticker: ", name(venue));
        let error = done.stderr.lines().find(|line| line.starts_with(&error));
        let error = error.unwrap_or_else(|| panic!("{done:#?}"));
        assert!(error.contains(&format!("HTTP {status}")), "{done:#?}");
    };
    join_all(cases.into_iter().flatten().map(check)).await;
}

#[tokio::test]
async fn once_at_a_port_that_refuses_is_3() {
    let (sim, world) = prepared(Venue::Coinbase).await;
    sim.stop_listening().await;
    let done = world
        .run("monitor BTC ETH -1 --timeout 1s")
        .await
        .exits(3)
        .prints_nothing();
    let done = done
        .says("coinbase:BTC/USD ticker: ")
        .says("coinbase:ETH/USD ticker: ");
    done.says("connection refused");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_3_and_named() {
    let (_sim, world) = prepared(Venue::Kraken).await;
    let world = world
        .env(
            "TICKWIRE_PROVIDERS__KRAKEN__REST_URL",
            "http://nowhere.invalid",
        )
        .env("TICKWIRE_PROVIDERS__KRAKEN__WS_URL", "ws://nowhere.invalid");
    let once = world.run("monitor BTC -1 --timeout 2s").await.exits(3);
    once.prints_nothing().says("nowhere.invalid");
    let stream = world.run("monitor BTC --timeout 2s").await.exits(3);
    stream.says("nowhere.invalid");
}

#[tokio::test]
async fn a_stream_that_is_forbidden_ends_with_3_at_once() {
    for status in [403, 451] {
        let (sim, world) = prepared(Venue::Kraken).await;
        sim.faults().handshake_status = Some(status);
        // Else it would be polled.
        sim.faults().rest_status = Some((status, String::new()));
        let done = world.run("monitor BTC").await.exits(3);
        let failed = done.records().pop().unwrap();
        assert_eq!(
            (failed.text("type"), failed.text("state")),
            ("status".into(), "failed".into())
        );
        assert!(failed.text("reason").contains(&format!("HTTP {status}")));
        done.says("tickwire: error: ")
            .says(&format!("HTTP {status}"));
        assert_eq!(sim.counters().upgrades, 0);
    }
}

#[tokio::test]
async fn a_stream_without_data_in_time_is_3_and_says_why() {
    for (status, venue) in [
        (429, Venue::Binance),
        (418, Venue::Binance),
        (500, Venue::Coinbase),
    ] {
        let (sim, world) = prepared(venue).await;
        sim.faults().handshake_status = Some(status);
        sim.faults().retry_after = Some(7);
        let done = world.run("monitor BTC ETH --timeout 1s").await.exits(3);
        assert!(
            done.records().iter().all(|record| record.is("status")),
            "{done:#?}"
        );
        let done = done.says("BTC/").says("ETH/").says("no data within 1s");
        done.says(&format!("HTTP {status}"));
    }
}

#[tokio::test]
async fn the_timeout_of_a_stream_names_only_the_symbol_without_data() {
    let (sim, world) = prepared(Venue::Kraken).await;
    sim.faults().mute_symbols.insert("ETH/USD".into());
    let done = world.run("monitor BTC ETH --timeout 2s").await.exits(3);
    assert!(
        done.records()
            .iter()
            .any(|record| record.text("symbol") == "BTC/USD")
    );
    let error = done
        .stderr
        .lines()
        .find(|line| line.starts_with("tickwire: error: "))
        .unwrap();
    assert!(
        error.contains("kraken:ETH/USD ticker: no data within 2s"),
        "{done:#?}"
    );
    assert!(!error.contains("BTC"), "{done:#?}");
}

#[tokio::test]
async fn attempts_can_be_limited() {
    let (sim, world) = prepared(Venue::Kraken).await;
    sim.faults().handshake_status = Some(500);
    sim.faults().rest_status = Some((500, String::new()));
    let world = world.env("TICKWIRE_ENGINE__RECONNECT_ATTEMPTS", "2");
    let world = world.env("TICKWIRE_ENGINE__RECONNECT_DELAY", "5ms");
    let done = world
        .run("monitor BTC")
        .await
        .exits(3)
        .says("attempts spent");
    let states: Vec<_> = done
        .records()
        .iter()
        .map(|record| record.text("state"))
        .collect();
    assert_eq!(states, ["reconnecting", "reconnecting", "failed"]);
}

#[tokio::test]
async fn data_in_another_form_is_3_and_no_panic() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "<html>hello</html>",
        "{\"result\":7}",
    ] {
        for venue in VENUES {
            let sim = start(venue).await;
            sim.faults().rest_status = Some((200, body.into()));
            let world = World::with(venue, &sim);
            let done = world.run("monitor BTC -1").await.prints_nothing();
            // Also an empty list: no exchange trades nothing.
            assert_eq!(done.code(), 3, "{body}: {done:#?}");
            assert!(
                done.stderr.starts_with("tickwire: error: "),
                "{body}: {done:#?}"
            );
            assert!(!done.stderr.contains("panic"), "{body}: {done:#?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_upgrade_is_tried_again_and_never_taken_for_one() {
    for status in [200, 302, 404, 503] {
        let (sim, world) = prepared(Venue::Coinbase).await;
        sim.faults().handshake_status = Some(status);
        let mut running = world.spawn("monitor BTC");
        let lost = running.record().await;
        assert_eq!(lost.text("state"), "reconnecting");
        assert!(
            lost.text("reason").contains(&format!("HTTP {status}")),
            "{lost:?}"
        );
        sim.faults().handshake_status = None;
        running.until(|record| record.is("ticker")).await;
        running.signal("INT").await;
        running.end().await.exits(0);
    }
}

#[tokio::test]
async fn a_value_that_is_too_old_is_no_answer() {
    let (sim, world) = prepared(Venue::Kraken).await;
    world.run("monitor BTC -1 --max-age 1m").await.exits(0);
    // The answer waits for a fuller one, and is too old by then. Nothing is polled meanwhile.
    sim.faults().accept_then_silence = true;
    let done = world.run("monitor BTC -1 --max-age 1ms").await.exits(3);
    done.prints_nothing()
        .says("kraken:BTC/USD ticker: the newest answer is older than --max-age");
}
