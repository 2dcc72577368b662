//! `start` as a process: readiness, ports, signals, the configuration read again.

use serde_json::json;
use tickwire::sim::Venue;

use super::server_process::Server;
use super::support::{World, start_at_rate};

#[tokio::test]
async fn it_says_where_it_listens_and_serves_until_it_is_told_to_stop() {
    let world = World::new();
    let mut server = Server::start(&world, "-s BTC,ETH -p mock").await;
    assert!(
        server.told.contains("mock data, not a market"),
        "{}",
        server.told
    );
    let health = server.until("/health", |answer| answer.status == 200).await;
    assert_eq!(health.json()["status"], "healthy");
    server.signal("TERM");
    assert_eq!(server.ends().await, 0);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let world = World::new();
    let server = Server::start(&world, "-s BTC -p mock").await;
    let port = server.address.rsplit_once(':').unwrap().1.to_owned();
    world
        .run(&format!("start --port {port} -s BTC -p mock"))
        .await
        .exits(4)
        .says(&port)
        .says("in use");
}

#[tokio::test]
async fn an_address_that_others_reach_needs_a_token() {
    let world = World::new();
    world
        .run("start --host 0.0.0.0 --port 0 -s BTC -p mock")
        .await
        .exits(2)
        .says("token");
    let short = World::new().env("TICKWIRE_SERVER__TOKEN", "short");
    short
        .run("start --host 0.0.0.0 --port 0 -s BTC -p mock")
        .await
        .exits(2)
        .says("token");
}

#[tokio::test]
async fn an_unknown_symbol_is_told_before_anything_is_served() {
    World::new()
        .run("start --port 0 -s NOSUCHCOIN -p mock")
        .await
        .exits(2)
        .says("NOSUCHCOIN");
}

#[tokio::test]
async fn clients_are_told_that_it_goes() {
    let world = World::new();
    let mut server = Server::start(&world, "-s BTC -p mock").await;
    let mut socket = server.socket().await;
    socket.join("trades").await;
    socket.until("trade").await;
    server.signal("INT");
    assert_eq!(socket.closed().await, Some(1001));
    assert_eq!(server.ends().await, 0);
}

#[tokio::test]
async fn it_stops_in_a_flood_too() {
    let world = World::new().env("TICKWIRE_PROVIDERS__MOCK__RATE", "3000");
    let mut server = Server::start(&world, "-s BTC,ETH,SOL -p mock").await;
    let mut reading = server.socket().await;
    for room in ["prices", "trades", "candles"] {
        reading.join(room).await;
    }
    // One that reads nothing.
    let mut silent = server.socket().await;
    silent.send(r#"{"type":"join_room","room":"trades"}"#).await;
    for _ in 0..1_000 {
        reading.until("trade").await;
    }
    server.signal("TERM");
    assert_eq!(server.ends().await, 0);
}

#[tokio::test]
async fn hangup_reads_the_configuration_again_and_leaves_other_streams_alone() {
    let sim = start_at_rate(Venue::Kraken, 20.0).await;
    let rule = |name: &str| {
        format!("[[alert]]\nname = \"{name}\"\nsymbols = [\"BTC\"]\ncondition = \"price > 1\"\n")
    };
    let world = World::with(Venue::Kraken, &sim).config(&rule("first"));
    let mut server = Server::start(&world, "-s BTC").await;
    let named = |name: &'static str| {
        move |answer: &super::server_process::Answer| answer.body.contains(&format!("\"{name}\""))
    };
    server.until("/api/v1/alerts", named("first")).await;
    let mut socket = server.socket().await;
    socket.join("trades").await;
    socket.until("trade").await;
    let world = world.config(&rule("second"));
    server.signal("HUP");
    let after = server.until("/api/v1/alerts", named("second")).await;
    assert!(!after.body.contains("\"first\""), "{after:?}");
    // The line to the exchange is the same one, and the client has noticed nothing.
    let mut last = None;
    for _ in 0..20 {
        let trade = socket.until("trade").await;
        let id: u64 = trade["data"]["id"].as_str().unwrap().parse().unwrap();
        assert!(last.is_none_or(|last| id == last + 1), "{last:?} {id}");
        last = Some(id);
    }
    assert_eq!(sim.counters().upgrades, 1);
    // A broken file changes nothing.
    let _world = world.config("[[alert]]\nname = 3\n");
    server.signal("HUP");
    server.says("alert").await;
    server.until("/api/v1/alerts", named("second")).await;
    server.signal("TERM");
    assert_eq!(server.ends().await, 0);
}

#[tokio::test]
async fn the_service_manager_is_told_when_it_is_ready_and_when_it_stops() {
    let world = World::new();
    let path = world.path("notify");
    let manager = tokio::net::UnixDatagram::bind(&path).unwrap();
    let world = world.env("NOTIFY_SOCKET", path.to_str().unwrap());
    let mut server = Server::start(&world, "-s BTC -p mock").await;
    let mut text = [0; 300];
    let size = manager.recv(&mut text).await.unwrap();
    let told = String::from_utf8_lossy(&text[..size]).into_owned();
    assert!(told.starts_with("READY=1"), "{told}");
    server.signal("TERM");
    let size = manager.recv(&mut text).await.unwrap();
    assert!(text[..size].starts_with(b"STOPPING=1"));
    assert_eq!(server.ends().await, 0);
}

#[tokio::test]
async fn a_rule_made_over_the_api_fires_into_the_room_and_acts_and_can_be_deleted() {
    let world = World::new();
    let mark = world.path("acted");
    let world = world.config(&format!(
        "[actions.touch]\nexec = [\"touch\", \"{}\"]\n",
        mark.display()
    ));
    let server = Server::start(&world, "-s BTC -p mock").await;
    let mut socket = server.socket().await;
    socket.join("alerts").await;
    let rule = r#"{"name":"high","symbol":"btc-usd","condition":"price > 1","actions":["touch"]}"#;
    let made = server.post("/api/v1/alerts", rule).await.is(201).json();
    assert_eq!(
        (&made["symbols"][0], &made["origin"]),
        (&json!("BTC/USD"), &json!("api"))
    );
    let fired = socket.until("alert").await;
    assert_eq!(fired["data"]["name"], "high");
    assert_eq!(fired["data"]["symbol"], "BTC/USD");
    let acted = async {
        while !mark.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(super::support::WAIT, acted)
        .await
        .expect("the action is done");
    server.post("/api/v1/alerts", rule).await.is(409);
    for member in ["exec", "webhook", "command", "url", "headers"] {
        let rule = format!(r#"{{"symbol":"BTC","condition":"price > 1","{member}":"x"}}"#);
        let refused = server.post("/api/v1/alerts", &rule).await.is(400);
        assert!(refused.body.contains("configuration"), "{refused:?}");
    }
    server.delete("/api/v1/alerts/high").await.is(204);
    server.delete("/api/v1/alerts/high").await.is(404);
}

#[tokio::test]
async fn what_comes_over_the_socket_is_what_monitor_prints() {
    let sim = start_at_rate(Venue::Kraken, 20.0).await;
    let world = World::with(Venue::Kraken, &sim);
    let server = Server::start(&world, "-s BTC").await;
    let mut socket = server.socket().await;
    socket.join("trades:kraken:BTC/USD").await;
    // Its line is up before the other one is.
    socket.until("trade").await;
    // The digits are those of the exchange: as texts, since a float would not show them.
    let monitor = world.run("monitor BTC --stream trades -n 20 -o json").await;
    let monitor = monitor.exits(0);
    let part = |line: &str, name: &str| {
        let rest = line.split(&format!("\"{name}\":")).nth(1).unwrap();
        rest.split(',').next().unwrap().to_owned()
    };
    let last = part(monitor.lines().last().unwrap(), "id");
    let last = last.trim_matches('"');
    socket.find(|message| message["data"]["id"] == last).await;
    let answer = server.get("/api/v1/trades?symbol=BTC&limit=1000").await;
    let answer = answer.is(200);
    for line in monitor.lines() {
        let (id, price, size) = (part(line, "id"), part(line, "price"), part(line, "size"));
        let same = format!("\"id\":{id},\"price\":{price},\"size\":{size},");
        assert!(answer.body.contains(&same), "{same}");
    }
    assert!(answer.head.to_lowercase().contains("application/json"));
}
