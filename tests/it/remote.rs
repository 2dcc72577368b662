//! `-p server`: what another process has, as if it came from the exchange, and no exchange is asked.

use std::time::Duration;

use crate::stub_server::{Stub, gap, now, price, ticker, trade, trades};
use crate::support::{Done, World, eventually};

/// Exchanges are at a port that refuses: whatever comes, comes from the server.
fn ask(stub: &Stub, arguments: &str) -> String {
    format!("{arguments} -p server --url {}", stub.url)
}

fn joins(stub: &Stub) -> usize {
    let heard = stub.heard();
    heard
        .iter()
        .filter(|text| text.contains("join_room"))
        .count()
}

#[tokio::test]
async fn a_price_costs_one_question_beside_the_greeting_and_keeps_its_digits() {
    let (world, stub) = (World::new(), Stub::start().await);
    let one = ask(&stub, "monitor BTC -1 --field price");
    let done = world.run(&one).await.exits(0);
    assert_eq!(done.stdout, "97123.40\n");
    let first = stub.asked();
    assert!(
        first
            .iter()
            .any(|path| path == "/api/v1/symbols?provider=kraken"),
        "{first:?}"
    );
    world.run(&one).await.exits(0);
    let second = &stub.asked()[first.len()..];
    let rest: Vec<_> = second.iter().filter(|path| *path != "/ws").collect();
    assert_eq!(
        rest,
        ["/status", "/api/v1/prices?symbol=BTC%2FUSD&provider=kraken"]
    );
}

#[tokio::test]
async fn an_event_is_that_of_the_exchange_whatever_the_way() {
    let (world, stub) = (World::new(), Stub::start().await);
    let told = ticker("97123.40");
    stub.on_join("prices:kraken:BTC/USD", &[("price_update", told.clone())]);
    let mut running = world.spawn(&ask(&stub, "monitor kraken:XBT/USD -n 1 -o json"));
    assert_eq!(running.next_line().await.as_deref(), Some(told.as_str()));
    running.end().await.exits(0);
}

#[tokio::test]
async fn a_value_that_the_server_cannot_vouch_for_is_no_answer() {
    let (world, stub) = (World::new(), Stub::start().await);
    stub.answer("/api/v1/prices", 200, &price(&ticker("97123.40"), true));
    let done = world
        .run(&ask(&stub, "monitor BTC -1 --field price --timeout 2s"))
        .await;
    done.exits(3).prints_nothing();
}

#[tokio::test]
async fn a_hole_of_the_server_is_told_once_and_what_it_lost_is_not_looked_for() {
    let (world, stub) = (World::new(), Stub::start().await);
    stub.on_join(
        "trades:kraken:BTC/USD",
        &[
            ("trade", trade(5, "97123.40")),
            ("trade", trade(6, "97123.4")),
            ("gap", gap(7, 9)),
            ("trade", trade(10, "97123.400")),
        ],
    );
    let mut running = world.spawn(&ask(&stub, "monitor BTC --stream trades -n 3 -o json"));
    let mut told = Vec::new();
    for _ in 0..4 {
        let record = running.record().await;
        told.push(match record.is("gap") {
            true => format!("gap {} {}", record.text("from_id"), record.text("reason")),
            false => format!("{} {}", record.text("id"), record.raw("price")),
        });
    }
    assert_eq!(
        told,
        ["5 97123.40", "6 97123.4", "gap 7 stall", "10 97123.400"]
    );
    running.end().await.exits(0);
    let asked = stub.asked();
    assert!(
        !asked.iter().any(|path| path.contains("/trades")),
        "{asked:?}"
    );
}

/// Trades until this id, and the gaps before it.
async fn until(running: &mut crate::support::Running, id: u64) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let record = running.record().await;
        if record.is("gap") {
            told.push(format!(
                "{}..{} {}",
                record.text("from_id"),
                record.text("to_id"),
                record.text("state")
            ));
        } else if record.is("trade") {
            told.push(record.text("id"));
            if record.number("id") == id {
                return told;
            }
        }
    }
}

#[tokio::test]
async fn what_this_client_was_too_slow_for_is_asked_for() {
    let (world, stub) = (World::new(), Stub::start().await);
    stub.on_join("trades:kraken:BTC/USD", &[("trade", trade(5, "1"))]);
    let missed: Vec<_> = (5..=8).map(|id| trade(id, "1")).collect();
    stub.answer("/api/v1/trades", 200, &trades(&missed, &[]));
    let mut running = world.spawn(&ask(&stub, "monitor BTC --stream trades -o json"));
    assert_eq!(until(&mut running, 5).await, ["5"]);
    stub.push(
        "dropped",
        r#"{"count":3,"rooms":["trades:kraken:BTC/USD"]}"#,
    );
    // nothing follows: the notice alone makes it ask
    assert_eq!(until(&mut running, 8).await, ["6", "7", "8"]);
    let record = running.record().await;
    assert_eq!(
        (record.text("state"), record.number("recovered")),
        ("repaired".into(), 3)
    );
    running.signal("TERM").await;
    running.end().await.exits(0);
}

#[tokio::test]
async fn a_line_that_breaks_is_made_anew_and_what_was_missed_is_repaired_or_told() {
    let (world, stub) = (World::new(), Stub::start().await);
    stub.on_join("trades:kraken:BTC/USD", &[("trade", trade(5, "1"))]);
    let mut running = world.spawn(&ask(&stub, "monitor BTC --stream trades -o json"));
    assert_eq!(until(&mut running, 5).await, ["5"]);
    // the server itself lost 7 and 8 meanwhile
    let missed: Vec<_> = [5, 6, 9, 10].map(|id| trade(id, "1")).into();
    stub.answer("/api/v1/trades", 200, &trades(&missed, &[gap(7, 8)]));
    stub.on_join("trades:kraken:BTC/USD", &[("trade", trade(10, "1"))]);
    stub.cut();
    assert_eq!(
        until(&mut running, 10).await,
        ["6", "9", "6..9 partial", "10"]
    );
    assert!(joins(&stub) >= 2, "{:?}", stub.heard());
    running.signal("TERM").await;
    running.end().await.exits(0);
}

#[tokio::test]
async fn the_state_of_the_server_s_feed_is_told() {
    let (world, stub) = (World::new(), Stub::start().await);
    stub.on_join("prices:kraken:BTC/USD", &[("price_update", ticker("1.50"))]);
    let mut running = world.spawn(&ask(&stub, "monitor BTC -o json"));
    running.until(|record| record.is("ticker")).await;
    let now = now();
    let status = |exchange: &str, state: &str| {
        format!(
            r#"{{"type":"status","exchange":"{exchange}","symbol":null,"state":"{state}","attempt":2,"reason":"why not","timestamp":"{now}"}}"#
        )
    };
    // of no interest here
    stub.push("status", &status("binance", "failed"));
    stub.push("status", &status("kraken", "a new word"));
    stub.push("a_new_type", "{}");
    stub.push("status", &status("kraken", "reconnecting"));
    let record = running.until(|record| record.is("status")).await;
    assert_eq!(
        (record.text("state"), record.text("reason")),
        ("reconnecting".into(), "why not".into())
    );
    assert_eq!(record.number("attempt"), 2);
    running.signal("TERM").await;
    running.end().await.exits(0);
}

#[tokio::test]
async fn frames_that_make_no_sense_harm_nothing() {
    let (world, stub) = (World::new(), Stub::start().await);
    stub.on_join("trades:kraken:BTC/USD", &[("trade", trade(5, "1"))]);
    let mut running = world.spawn(&ask(&stub, "monitor BTC --stream trades -o json"));
    assert_eq!(until(&mut running, 5).await, ["5"]);
    for data in [
        "[]",
        "7",
        "null",
        r#"{"symbol":"BTC/USD"}"#,
        r#"{"exchange":"kraken","symbol":"BTC/USD","id":"x"}"#,
    ] {
        for kind in [
            "trade",
            "gap",
            "status",
            "candle",
            "price_update",
            "error",
            "joined",
            "dropped",
        ] {
            // a notice without rooms may mean every room
            if kind != "dropped" {
                stub.push(kind, data);
            }
        }
    }
    stub.push("trade", &trade(6, "1e-3"));
    assert_eq!(until(&mut running, 6).await, ["6"]);
    running.signal("TERM").await;
    running.end().await.exits(0);
}

#[tokio::test]
async fn a_room_that_is_refused_is_told_as_failed() {
    let (world, stub) = (World::new(), Stub::start().await);
    let error = r#"{"code":"unsupported","message":"no such room","room":"trades:kraken:BTC/USD"}"#;
    let mut running = world.spawn(&ask(&stub, "monitor BTC --stream trades -o json"));
    eventually("it joins", || joins(&stub) > 0).await;
    // the stub has said that it joined: refused is what is asked for anew
    stub.push("error", error);
    stub.push("trade", &trade(5, "2"));
    assert_eq!(until(&mut running, 5).await, ["5"]);
    running.signal("TERM").await;
    running.end().await.exits(0);
}

#[tokio::test]
async fn candles_of_the_past_and_of_now_are_the_server_s() {
    let (world, stub) = (World::new(), Stub::start().await);
    let candle = |minute: u32, closed: bool| {
        format!(
            r#"{{"type":"candle","exchange":"kraken","symbol":"BTC/USD","interval":"1m","open_time":"2026-01-01T00:0{minute}:00.000000Z","close_time":"2026-01-01T00:0{}:00.000000Z","open":1.10,"high":1.20,"low":1.00,"close":1.15,"volume":3.50,"quote_volume":null,"trades":7,"closed":{closed},"complete":true,"origin":"stream"}}"#,
            minute + 1
        )
    };
    let rows: Vec<_> = (0..4).map(|minute| candle(minute, true)).collect();
    let body = format!(
        r#"{{"symbol":"BTC/USD","exchange":"kraken","interval":"1m","candles":[{}]}}"#,
        rows.join(",")
    );
    stub.answer("/api/v1/candles", 200, &body);
    let past = "monitor BTC --stream candles --since 2026-01-01T00:01:00Z --until 2026-01-01T00:03:00Z -o json";
    let done = world.run(&ask(&stub, past)).await.exits(0);
    let records = done.records();
    assert_eq!(records.len(), 2, "{done:?}");
    assert_eq!(records[0].raw("open"), "1.10");
    assert_eq!(records[1].text("open_time"), "2026-01-01T00:02:00.000000Z");
    let asked = stub.asked();
    let question = asked.iter().find(|path| path.contains("/candles")).unwrap();
    assert!(
        question.contains("interval=1m") && question.contains("from=2026-01-01T00%3A01"),
        "{question}"
    );
}

#[tokio::test]
async fn what_the_server_does_not_keep_or_has_lost_is_a_gap_of_the_past() {
    let (world, stub) = (World::new(), Stub::start().await);
    let at = |second: u32| format!("2026-01-01T00:00:{second:02}.000000Z");
    let row = |id: u64, second: u32| {
        let (stamp, trade) = (at(second), trade(id, "1.50"));
        let rest = trade.split(r#""timestamp":"#).next().unwrap();
        format!(r#"{rest}"timestamp":"{stamp}","received_at":"{stamp}","origin":"stream"}}"#)
    };
    let rows = [row(100, 10), row(101, 11), row(105, 15), row(106, 16)];
    stub.answer("/api/v1/trades", 200, &trades(&rows, &[gap(102, 104)]));
    let past = "monitor BTC --stream trades --since 2026-01-01T00:00:00Z --until 2026-01-01T00:00:30Z -o json";
    let done = world.run(&ask(&stub, past)).await;
    let told: Vec<_> = done
        .records()
        .iter()
        .map(|record| match record.is("gap") {
            true => format!("gap {} {}", record.text("from"), record.text("to")),
            false => record.text("id"),
        })
        .collect();
    let ids: Vec<_> = told
        .iter()
        .filter(|told| !told.starts_with("gap"))
        .collect();
    assert_eq!(ids, ["100", "101", "105", "106"], "{done:#?}");
    // before the first that it keeps, and where it lost some
    let place = |id: &str| told.iter().position(|told| told == id).unwrap();
    assert!(
        told[..place("100")]
            .iter()
            .any(|told| told.starts_with("gap")),
        "{told:?}"
    );
    assert!(
        told[place("101")..place("105")]
            .iter()
            .any(|told| told.starts_with("gap")),
        "{told:?}"
    );
    assert!(
        !told[place("100")..place("101")]
            .iter()
            .any(|told| told.starts_with("gap")),
        "{told:?}"
    );
}

#[tokio::test]
async fn symbols_are_those_of_the_server() {
    let (world, stub) = (World::new(), Stub::start().await);
    let done = world.run(&ask(&stub, "symbols -o plain")).await.exits(0);
    assert_eq!(done.lines(), ["BTC/USD", "ETH/USD"]);
    let done = world.run(&ask(&stub, "symbols btc")).await.exits(0);
    let record = &done.records()[0];
    assert_eq!(
        (record.text("exchange"), record.raw("tick_size")),
        ("kraken".into(), "0.10")
    );
    world
        .run(&ask(&stub, "symbols --all-providers -o plain"))
        .await
        .exits(0);
    world
        .run(&ask(&stub, "monitor NOSUCH -1"))
        .await
        .exits(2)
        .says("NOSUCH")
        .prints_nothing();
}

#[tokio::test]
async fn a_condition_is_judged_by_what_the_server_has() {
    let (world, stub) = (World::new(), Stub::start().await);
    let check = |condition: &'static str| {
        let arguments = [
            "alert", "BTC", condition, "--once", "-q", "-p", "server", "--url", &stub.url,
        ];
        let command = world.command_of(&arguments);
        crate::support::finish(command)
    };
    check("price > 50000").await.exits(0);
    check("price > 97123.40").await.exits(1);
    stub.answer("/api/v1/prices", 200, &price(&ticker("97123.40"), true));
    // nothing that can be vouched for, and nothing on the line
    let late = [
        "alert",
        "BTC",
        "price > 50000",
        "--once",
        "--timeout",
        "2s",
        "-p",
        "server",
        "--url",
        &stub.url,
    ];
    crate::support::finish(world.command_of(&late))
        .await
        .exits(3);
}

#[tokio::test]
async fn a_feed_of_a_server_can_be_graded() {
    let (world, stub) = (World::new(), Stub::start().await);
    stub.on_join("prices:kraken:BTC/USD", &[("price_update", ticker("1.5"))]);
    stub.on_join("trades:kraken:BTC/USD", &[("trade", trade(5, "1.5"))]);
    stub.answer("/api/v1/trades", 200, &trades(&[trade(5, "1.5")], &[]));
    let done: Done = world
        .run(&ask(&stub, "test BTC -d 1s --min-grade F -o json"))
        .await;
    assert!([0, 1].contains(&done.code()), "{done:?}");
    assert!(!done.stdout.is_empty(), "{done:?}");
}

#[tokio::test]
async fn without_a_server_nothing_is_known_and_no_exchange_is_asked_instead() {
    let world = World::new();
    for command in [
        "monitor BTC -1",
        "symbols",
        "test BTC",
        "alert BTC --condition true --once",
    ] {
        let done = world
            .run(&format!("{command} -p server --url http://127.0.0.1:1"))
            .await;
        done.exits(3)
            .prints_nothing()
            .says("no server at")
            .says("hint: tickwire start");
    }
    world.run("start -p server").await.exits(2).says("-p");
    // what rules remember is on this machine
    world.run("alert --list -p server").await.exits(0);
}

#[tokio::test]
async fn the_configuration_says_where_the_server_is_and_its_token() {
    let token = "0123456789abcdef-hunter2";
    let stub = Stub::with_token(Some(token)).await;
    stub.on_join(
        "prices:kraken:BTC/USD",
        &[("price_update", ticker("97123.40"))],
    );
    let port = stub.url.rsplit(':').next().unwrap();
    let world = World::new().without("TICKWIRE_PROVIDER").config(&format!(
        "provider = \"server\"\n[server]\nport = {port}\ntoken_file = \"token\"\n"
    ));
    let without = world.run("monitor BTC -1 --field price").await;
    assert_ne!(without.code(), 0, "{without:?}");
    std::fs::write(world.path("config/tickwire/token"), token).unwrap();
    let done = world.run("monitor BTC -1 --field price -vv").await.exits(0);
    assert_eq!(done.stdout, "97123.40\n");
    assert!(!done.stderr.contains("hunter2"), "{done:?}");
    // the socket as well
    let mut running = world.spawn("monitor BTC -n 1 -o json");
    assert!(running.record().await.is("ticker"));
    running.end().await.exits(0);
}

#[tokio::test]
async fn only_a_server_on_this_machine_is_reached_without_the_proxy_of_the_environment() {
    let stub = Stub::start().await;
    let one = ask(&stub, "monitor BTC -1 --field price");
    let world = World::new().env("HTTPS_PROXY", "http://127.0.0.1:1");
    world.run(&one).await.exits(0);
    world
        .run(&format!("{one} --proxy http://127.0.0.1:1"))
        .await
        .exits(3);
    let elsewhere = "status --url http://192.0.2.1:8000 --timeout 5s";
    world.run(elsewhere).await.exits(3).says("proxy");
}

#[tokio::test]
async fn a_name_that_the_server_does_not_have_is_refused() {
    let (world, stub) = (World::new(), Stub::start().await);
    let refused = world
        .run(&ask(&stub, "monitor BTC -1 --fallback binance"))
        .await;
    refused
        .exits(2)
        .says("the server has no provider `binance`");
    stub.status("healthy", r#",{"provider":"binance","state":"idle"}"#);
    world
        .run(&ask(&stub, "monitor BTC -1 --fallback binance"))
        .await
        .exits(0);
    world
        .run("monitor BTC -1 --fallback server")
        .await
        .exits(2)
        .says("-p server");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_waited_for_a_bounded_time() {
    let (world, stub) = (World::new(), Stub::start().await);
    stub.delay(Duration::from_secs(3_600));
    let done = world
        .run(&ask(&stub, "monitor BTC -1 --timeout 300ms"))
        .await;
    done.exits(3).prints_nothing();
}

/// Against the program itself.
mod real {
    use super::*;
    use tickwire::sim::Venue;

    struct Server {
        running: crate::support::Running,
        url: String,
    }

    /// One that has this, asked for until it answers.
    async fn serve(world: &World, arguments: &str) -> Server {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let running = world.spawn(&format!("start --port {port} {arguments}"));
        let url = format!("http://127.0.0.1:{port}");
        let answers = async {
            while ![0, 1].contains(&world.run(&format!("status --url {url}")).await.code()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(crate::support::WAIT, answers)
            .await
            .expect("a server in time");
        Server { running, url }
    }

    #[tokio::test]
    async fn commands_answer_as_they_do_without_a_server() {
        let sim = crate::support::start_at_rate(Venue::Kraken, 20.0).await;
        let world = World::with(Venue::Kraken, &sim);
        let server = serve(&world, "-s BTC,ETH -p kraken").await;
        let client = World::new();
        let ask = |arguments: &str| format!("{arguments} -p server --url {}", server.url);
        let own = world.run("symbols -o json").await.exits(0);
        let remote = client.run(&ask("symbols -o json")).await.exits(0);
        assert_eq!(own.stdout, remote.stdout);
        let price = client
            .run(&ask("monitor BTC -1 --field price"))
            .await
            .exits(0);
        assert!(price.stdout.trim().parse::<f64>().is_ok(), "{price:?}");
        client.run(&ask("alert BTC price>0 --once")).await.exits(0);
        let trades = client
            .run(&ask("monitor BTC --stream trades -n 50 -o json"))
            .await
            .exits(0);
        let ids: Vec<_> = trades
            .records()
            .iter()
            .filter(|r| r.is("trade"))
            .map(|r| r.number("id"))
            .collect();
        assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{ids:?}");
        let candles = client
            .run(&ask(
                "monitor BTC --stream candles --history 5 -n 5 -o json",
            ))
            .await
            .exits(0);
        assert_eq!(
            candles.records().iter().filter(|r| r.is("candle")).count(),
            5
        );
        client
            .run(&ask("test BTC -d 2s --min-grade F"))
            .await
            .exits(0);
        server.running.signal("TERM").await;
        server.running.end().await.exits(0);
    }

    #[tokio::test]
    async fn a_mock_of_a_server_is_said_to_be_one() {
        let world = World::new();
        let server = serve(&world, "-s BTC -p mock").await;
        let ask = format!("monitor BTC -n 3 -o json -p server --url {}", server.url);
        let done = world
            .run(&ask)
            .await
            .exits(0)
            .says("mock data, not a market");
        assert!(
            done.records()
                .iter()
                .all(|record| record.text("exchange") == "mock")
        );
        world
            .run(&format!("status --url {}", server.url))
            .await
            .exits(0);
        server.running.signal("TERM").await;
        server.running.end().await.exits(0);
    }
}
