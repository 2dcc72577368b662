//! `status`: what a server says of itself, and what is told where none does.

use std::time::Duration;

use crate::stub_server::Stub;
use crate::support::{World, eventually};

const TOKEN: &str = "0123456789abcdef-hunter2";

#[tokio::test]
async fn the_code_says_whether_the_server_is_well() {
    let (world, stub) = (World::new(), Stub::start().await);
    let ask = format!("status --url {}", stub.url);
    let done = world.run(&ask).await.exits(0);
    assert_eq!(done.lines().len(), 1, "{done:?}");
    assert_eq!(done.records()[0].text("version"), "9.9.9");
    stub.status("degraded", "");
    world.run(&format!("{ask} -q")).await.exits(1);
    // the same from one that says so with its status, too
    stub.answer(
        "/status",
        503,
        r#"{"status":"degraded","version":"1","provider":"kraken","feeds":[]}"#,
    );
    world.run(&ask).await.exits(1);
}

#[tokio::test]
async fn each_form_of_output_has_a_line_for_each_feed() {
    let (world, stub) = (World::new(), Stub::start().await);
    stub.status(
        "healthy",
        r#",{"provider":"binance","state":"stale\u001b[2J","reason":"\u001b]0;x\u0007"}"#,
    );
    let ask = format!("status --url {}", stub.url);
    let plain = world.run(&format!("{ask} -o plain")).await.exits(0);
    assert_eq!(
        plain.lines()[0],
        "kraken\tconnected\t0.25\t2.5\t1.5\t9\t1\t0\t12"
    );
    let table = world.run(&format!("{ask} -o table")).await.exits(0);
    for part in [
        "kraken",
        "binance",
        "healthy",
        "tickwire 9.9.9",
        "memory 1.0 MiB",
    ] {
        assert!(table.stdout.contains(part), "{table:?}");
    }
    for done in [plain, table, world.run(&ask).await] {
        assert!(!done.stdout.contains('\u{1b}'), "{done:?}");
    }
}

#[tokio::test]
async fn without_a_server_it_cannot_be_known() {
    let world = World::new();
    world
        .run("status --url http://127.0.0.1:1")
        .await
        .exits(3)
        .prints_nothing()
        .says("no server at http://127.0.0.1:1")
        .says("hint: tickwire start");
    let world = world.config("[server]\nport = 1\n");
    world
        .run("status")
        .await
        .exits(3)
        .says("http://127.0.0.1:1");
    world
        .run("status --host localhost --port 2")
        .await
        .exits(3)
        .says("http://localhost:2");
}

#[tokio::test]
async fn something_else_is_not_taken_for_a_server() {
    let (world, stub) = (World::new(), Stub::start().await);
    let ask = format!("status --url {}", stub.url);
    for (status, body) in [
        (200, "<html>\u{1b}[2J"),
        (200, "{}"),
        (200, r#"{"status":"healthy"}"#),
        (404, "not found"),
        (302, ""),
    ] {
        stub.answer("/status", status, body);
        let done = world.run(&ask).await.exits(3).prints_nothing();
        assert!(
            done.says("is not a tickwire server")
                .stderr
                .contains("--url"),
            "{body}"
        );
    }
    for status in [500, 502, 503] {
        stub.answer("/status", status, "oops");
        world.run(&ask).await.exits(3).says(&status.to_string());
    }
}

#[tokio::test]
async fn a_server_that_is_slow_is_waited_for_no_longer_than_asked() {
    let (world, stub) = (World::new(), Stub::start().await);
    stub.delay(Duration::from_secs(3_600));
    let ask = format!("status --url {} --timeout 300ms", stub.url);
    world.run(&ask).await.exits(3).prints_nothing();
}

#[tokio::test]
async fn a_token_is_shown_where_it_is_set_and_to_nobody_else() {
    let stub = Stub::with_token(Some(TOKEN)).await;
    let ask = format!("status -vv --url {}", stub.url);
    let world = World::new();
    world
        .run(&ask)
        .await
        .exits(3)
        .says("wants a token")
        .says("TICKWIRE_SERVER__TOKEN");
    let wrong = World::new().env("TICKWIRE_SERVER__TOKEN", "another-hunter2-token");
    let done = wrong.run(&ask).await.exits(3).says("wants another token");
    assert!(!done.stderr.contains("hunter2"), "{done:?}");
    let right = World::new().env("TICKWIRE_SERVER__TOKEN", TOKEN);
    let done = right.run(&ask).await.exits(0);
    assert!(!done.stderr.contains("hunter2"), "{done:?}");
    let file = World::new();
    std::fs::write(file.path("token"), format!("{TOKEN}\n")).unwrap();
    let path = file.path("token").display().to_string();
    let file = file.env("TICKWIRE_SERVER__TOKEN_FILE", &path);
    file.run(&ask).await.exits(0);
}

#[tokio::test]
async fn what_is_no_address_is_a_wrong_request() {
    let world = World::new();
    for url in [
        "ftp://host",
        "http://host:0",
        "http://u:hunter2@host",
        "http://host/?token=hunter2",
    ] {
        let done = world
            .run(&format!("status --url {url}"))
            .await
            .exits(2)
            .says("--url");
        assert!(!done.stderr.contains("hunter2"), "{done:?}");
    }
    world.run("status --url http://h --port 7").await.exits(2);
    world.run("status --port 0").await.exits(2).says("--port");
    world
        .run("monitor BTC --url http://127.0.0.1:1")
        .await
        .exits(2)
        .says("hint: add -p server");
}

#[tokio::test]
async fn watching_asks_again_and_ends_well_when_it_is_stopped() {
    let (world, stub) = (World::new(), Stub::start().await);
    let mut running = world.spawn(&format!("status --watch --url {}", stub.url));
    assert_eq!(running.record().await.text("status"), "healthy");
    stub.status("degraded", "");
    running
        .until(|record| record.text("status") == "degraded")
        .await;
    running.signal("TERM").await;
    running.end().await.exits(0);
}

#[tokio::test]
async fn watching_goes_on_while_the_server_does_not_answer() {
    let (world, stub) = (World::new(), Stub::start().await);
    stub.answer("/status", 500, "");
    let mut running = world.spawn(&format!("status --watch --url {}", stub.url));
    eventually("it asks again", || stub.asked().len() >= 2).await;
    stub.status("healthy", "");
    assert_eq!(running.record().await.text("status"), "healthy");
    running.signal("INT").await;
    let done = running.end().await.exits(0);
    assert_eq!(
        done.stderr.matches("the server answers 500").count(),
        1,
        "{done:?}"
    );
}
