//! The HTTP API over real sockets: what every route answers, and what it says to bad input.

use tickwire::config::{Limits, ServerSettings};

use super::server_support::{Server, TOKEN, guarded};

async fn server() -> Server {
    Server::start(ServerSettings::default()).await
}

#[tokio::test]
async fn every_route_answers_with_the_headers_that_protect_a_browser() {
    let server = server().await;
    for (target, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/health", "application/json"),
        ("/status", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/api/v1/alerts", "application/json"),
        ("/api/v1/strategies", "application/json"),
        ("/api/v1/portfolio", "application/json"),
    ] {
        let answer = server.get(target, "").await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some(kind), "{target}");
        let policy = answer.header("content-security-policy").unwrap();
        for rule in [
            "default-src 'self'",
            "script-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        let cache = if target == "/" {
            "no-cache"
        } else {
            "no-store"
        };
        assert_eq!(answer.header("cache-control"), Some(cache), "{target}");
        assert!(!answer.head.contains("access-control"), "{target}");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_cannot_be_done_is_told_in_one_shape() {
    let server = server().await;
    let json = "content-type: application/json\r\n";
    for (method, target, status, code) in [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/assets/nothing.js", 404, "not_found"),
        ("GET", "/api/v1/alerts/%ff", 405, "method_not_allowed"),
        ("DELETE", "/api/v1/alerts/%ff", 400, "bad_request"),
        ("DELETE", "/api/v1/alerts/%00", 404, "not_found"),
        ("POST", "/status", 405, "method_not_allowed"),
        ("DELETE", "/api/v1/portfolio", 405, "method_not_allowed"),
        ("GET", "/api/v1/ingest", 405, "method_not_allowed"),
        ("OPTIONS", "/api/v1/alerts", 405, "method_not_allowed"),
        ("TRACE", "/", 405, "method_not_allowed"),
        ("BREW", "/", 405, "method_not_allowed"),
    ] {
        let answer = server.send(method, target, json, "").await;
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
        assert_eq!(answer.code(), code, "{method} {target}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    let head = server.send("HEAD", "/status", "", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn alerts_are_listed_made_and_taken_away() {
    let server = server().await;
    let list = server.get("/api/v1/alerts", "").await;
    assert!(
        list.body
            .starts_with(r#"{"alerts":[{"name":"kept","provider":"mock""#),
        "{list:?}"
    );
    let rule = r#"{"symbol":"BTC","condition":"price > 1","name":"up"}"#;
    let made = server.change("POST", "/api/v1/alerts", rule).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert!(made.body.contains(r#""name":"up""#), "{made:?}");
    let taken = r#"{"symbol":"BTC","condition":"price > 1","name":"kept"}"#;
    let taken = server.change("POST", "/api/v1/alerts", taken).await;
    assert_eq!((taken.status, taken.code()), (409, "conflict".into()));
    let gone = server.change("DELETE", "/api/v1/alerts/kept", "").await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    let unknown = server.change("DELETE", "/api/v1/alerts/other", "").await;
    assert_eq!((unknown.status, unknown.code()), (404, "not_found".into()));
}

#[tokio::test]
async fn a_bad_body_is_refused_by_the_name_of_what_is_wrong() {
    let server = server().await;
    let alert = "/api/v1/alerts";
    let portfolio = "/api/v1/portfolio";
    for (method, target, body, named) in [
        ("POST", alert, "", "must be a JSON object"),
        ("POST", alert, "{", "must be a JSON object"),
        ("POST", alert, "[]", "must be a JSON object"),
        ("POST", alert, "\"exec\"", "must be a JSON object"),
        ("POST", alert, "{}", "`condition` is missing"),
        (
            "POST",
            alert,
            r#"{"condition":1}"#,
            "`condition` must be a text",
        ),
        (
            "POST",
            alert,
            r#"{"condition":"x","exec":["sh"]}"#,
            "`exec` is not taken",
        ),
        (
            "POST",
            alert,
            r#"{"condition":"x","webhook":"http://a"}"#,
            "`webhook` is not taken",
        ),
        (
            "POST",
            alert,
            r#"{"condition":"x","headers":{}}"#,
            "`headers` is not taken",
        ),
        (
            "POST",
            alert,
            r#"{"condition":"x","sumbol":"BTC"}"#,
            "`sumbol` is not known",
        ),
        (
            "POST",
            alert,
            r#"{"condition":"x","condition":"y"}"#,
            "`condition` is there twice",
        ),
        ("PUT", portfolio, r#"{"holdings":{"BTC":"x"}}"#, "`BTC`"),
        (
            "PUT",
            portfolio,
            r#"{"holdings":5}"#,
            "`holdings` must be an object",
        ),
    ] {
        let answer = server.change(method, target, body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert_eq!(answer.code(), "bad_request", "{body}");
        let message = answer.body.replace("\\\"", "\"");
        assert!(message.contains(named), "{body}: {message}");
    }
}

#[tokio::test]
async fn a_number_of_a_portfolio_stays_the_digits_that_were_sent() {
    let server = server().await;
    let body = r#"{"holdings":{"BTC":2.100000000000000000001}}"#;
    let answer = server.change("PUT", "/api/v1/portfolio", body).await;
    assert_eq!(answer.body, r#"{"amount":2.100000000000000000001}"#);
    let answer = server.get("/api/v1/portfolio", "").await;
    assert_eq!(answer.body, r#"{"quote":"USD","total_value":0.10}"#);
}

#[tokio::test]
async fn strategies_are_started_and_stopped_by_name() {
    let server = server().await;
    let list = server.get("/api/v1/strategies", "").await;
    assert!(
        list.body.starts_with(r#"{"strategies":[{"name":"trend""#),
        "{list:?}"
    );
    for (verb, state) in [("start", "running"), ("stop", "stopped")] {
        let target = format!("/api/v1/strategies/trend/{verb}");
        let answer = server.change("POST", &target, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(
            answer.body.contains(&format!(r#""state":"{state}""#)),
            "{answer:?}"
        );
        let unknown = server
            .change("POST", &format!("/api/v1/strategies/x/{verb}"), "")
            .await;
        assert_eq!((unknown.status, unknown.code()), (404, "not_found".into()));
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_however_it_is_sent() {
    let limits = Limits {
        message_bytes: 2_048,
        ..Limits::default()
    };
    let server = Server::start(ServerSettings {
        limits,
        ..ServerSettings::default()
    })
    .await;
    let long = format!(r#"{{"condition":"{}"}}"#, "x".repeat(4_096));
    let answer = server.change("POST", "/api/v1/alerts", &long).await;
    assert_eq!((answer.status, answer.code()), (413, "too_large".into()));

    let head = format!(
        "POST /api/v1/alerts HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n",
        server.address
    );
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1_024));
    let answer = server
        .raw(format!("{head}{}0\r\n\r\n", chunk.repeat(4)))
        .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn events_are_taken_only_from_those_who_show_a_token() {
    let open = server().await;
    let answer = open.change("POST", "/api/v1/ingest", "{}").await;
    assert_eq!((answer.status, answer.code()), (403, "forbidden".into()));
    assert!(answer.body.contains("server.token"), "{answer:?}");

    let server = Server::start(guarded()).await;
    let bearer = format!("authorization: Bearer {TOKEN}\r\n");
    for kind in ["application/json", "application/x-ndjson"] {
        let headers = format!("{bearer}content-type: {kind}\r\n");
        let answer = server
            .send("POST", "/api/v1/ingest", &headers, "{}\n")
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.starts_with(r#"{"accepted":"#), "{answer:?}");
        assert!(answer.body.contains(r#""line":1"#), "{answer:?}");
    }
    let headers = format!("{bearer}content-type: application/x-ndjson\r\n");
    let send = |body: String| {
        let headers = headers.clone();
        let server = &server;
        async move { server.send("POST", "/api/v1/ingest", &headers, &body).await }
    };
    // Longer than other bodies may be; of many wrong lines the first are named.
    let many = send("{\"a\":1}\n".repeat(20_000)).await;
    assert_eq!(many.status, 200, "{}", many.head);
    assert_eq!(many.body.matches("\"line\":").count(), 20);
    let long_line = send(format!("{{}}\n\"{}\"\n", "x".repeat(70_000))).await;
    assert_eq!(
        (long_line.status, long_line.code()),
        (413, "too_large".into())
    );
    assert!(long_line.body.contains("line 2"), "{long_line:?}");
    let too_long = send("{}\n".repeat(400_000)).await;
    assert_eq!(too_long.status, 413, "{}", too_long.head);
}

#[tokio::test]
async fn the_status_tells_all_its_parts() {
    let server = server().await;
    let answer = server.get("/status", "").await;
    let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    for part in [
        "status",
        "version",
        "started_at",
        "uptime",
        "timestamp",
        "provider",
        "url",
        "config",
        "feeds",
        "clients",
        "bus",
        "streams",
        "alerts",
        "strategies",
        "process",
    ] {
        assert!(
            json.get(part).is_some(),
            "{part} is missing: {}",
            answer.body
        );
    }
    assert_eq!(json["url"], format!("http://{}", server.address));
    assert_eq!(json["alerts"]["rules"], 1);
    assert_eq!(json["strategies"]["running"], 1);
    let figures = [
        "published",
        "delivered",
        "subscriptions",
        "queued",
        "dropped",
    ];
    assert!(
        figures.iter().all(|name| json["bus"][*name].is_u64()),
        "{}",
        json["bus"]
    );
    assert!(json["process"]["cpu_seconds"].is_f64());
    let health = server.get("/health", "").await;
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(r#"{{"status":"healthy","version":"{version}"}}"#);
    assert_eq!((health.status, health.body), (200, expected));
}

#[tokio::test]
async fn the_dashboard_is_compressed_and_not_sent_twice() {
    let server = server().await;
    let plain = server.get("/", "").await;
    assert_eq!(plain.header("content-encoding"), None);
    let compressed = server.get("/", "accept-encoding: gzip\r\n").await;
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    let tag = plain.header("etag").unwrap();
    let tag = tag.replace("w/", "W/");
    let again = server.get("/", &format!("if-none-match: {tag}\r\n")).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
}
