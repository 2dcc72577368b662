//! Hostile clients over raw sockets: names, origins, tokens, paths, heads, and how many of everything.

use std::time::Duration;

use tickwire::config::{Limits, ServerSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server_support::{Answer, Server, TOKEN, guarded, rest, within};

const ROUTES: [&str; 7] = [
    "/",
    "/health",
    "/status",
    "/metrics",
    "/ws",
    "/api/v1/alerts",
    "/nowhere",
];

async fn server() -> Server {
    Server::start(ServerSettings::default()).await
}

async fn limited(limits: Limits) -> Server {
    Server::start(ServerSettings {
        limits,
        ..ServerSettings::default()
    })
    .await
}

#[tokio::test]
async fn a_name_that_leads_here_by_a_trick_reaches_no_route() {
    let server = server().await;
    for target in ROUTES {
        for host in [
            "evil.test",
            "localhost.evil.test:8000",
            "127.0.0.1.evil.test",
        ] {
            let answer = server.get(target, &format!("host: {host}\r\n")).await;
            assert_eq!(answer.status, 421, "{target} {host}: {answer:?}");
            assert_eq!(answer.code(), "misdirected");
        }
    }
    for host in ["LOCALHOST", "[::1]:8000", "127.0.0.1:1"] {
        let answer = server.get("/health", &format!("host: {host}\r\n")).await;
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
    }
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_refused() {
    let server = server().await;
    for head in [
        "GET /status HTTP/1.1\r\nconnection: close\r\n\r\n",
        "GET /status HTTP/1.0\r\n\r\n",
        "GET /status HTTP/1.1\r\nhost: localhost\r\nHOST: localhost\r\nconnection: close\r\n\r\n",
    ] {
        let answer = Answer::parse(&server.raw(head).await);
        assert_eq!(
            (answer.status, answer.code()),
            (400, "bad_request".into()),
            "{head}"
        );
    }
    let head =
        "GET http://evil.test/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(Answer::parse(&server.raw(head).await).status, 421);
}

#[tokio::test]
async fn pages_of_other_origins_reach_no_route() {
    let server = server().await;
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for origin in [
        "null",
        "http://evil.test",
        "http://127.0.0.1.evil.test",
        "http://127.0.0.1:1",
    ] {
        for target in ROUTES {
            let headers = format!(
                "origin: {origin}\r\n{}",
                if target == "/ws" { upgrade } else { "" }
            );
            let answer = server.get(target, &headers).await;
            assert_eq!(answer.status, 403, "{target} {origin}: {answer:?}");
            assert!(!answer.head.contains("access-control"), "{answer:?}");
        }
        let headers = format!("origin: {origin}\r\naccess-control-request-method: POST\r\n");
        let preflight = server.send("OPTIONS", "/api/v1/alerts", &headers, "").await;
        assert_eq!(preflight.status, 403, "{origin}: {preflight:?}");
    }
    let own = format!("origin: http://{}\r\n", server.address);
    assert_eq!(server.get("/status", &own).await.status, 200);
}

#[tokio::test]
async fn a_form_of_another_page_changes_nothing() {
    let server = server().await;
    let body = r#"{"condition":"price > 1"}"#;
    for kind in [
        "",
        "content-type: text/plain\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
    ] {
        let answer = server.send("POST", "/api/v1/alerts", kind, body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (415, "unsupported_media_type".into()),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn without_the_token_nothing_is_answered_and_it_is_never_shown() {
    let server = Server::start(guarded()).await;
    let mut heard = String::new();
    for target in ROUTES {
        let answer = server.get(target, "").await;
        assert_eq!(answer.status, 401, "{target}: {answer:?}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("bearer realm=\"tickwire\"")
        );
        heard += &format!("{answer:?}");
    }
    let bearer = format!("authorization: Bearer {TOKEN}\r\n");
    for target in [
        "/",
        "/health",
        "/status",
        "/metrics",
        "/api/v1/alerts",
        "/nowhere",
    ] {
        let answer = server.get(target, &bearer).await;
        assert!(matches!(answer.status, 200 | 404), "{target}: {answer:?}");
        heard += &format!("{answer:?}");
    }
    let wrong = server.get(&format!("/status?token={TOKEN}"), "").await;
    assert_eq!(wrong.status, 401);
    heard += &format!("{wrong:?}");

    let login = server.get(&format!("/?token={TOKEN}"), "").await;
    assert_eq!((login.status, login.header("location")), (303, Some("/")));
    let cookie = login.header("set-cookie").unwrap();
    assert!(
        cookie.contains("httponly") && cookie.contains("samesite=strict"),
        "{cookie}"
    );
    let pair = cookie.split(';').next().unwrap();
    let page = server.get("/", &format!("cookie: {pair}\r\n")).await;
    assert_eq!(page.status, 200, "{page:?}");
    heard += &format!("{login:?}{page:?}");
    assert!(!heard.contains(TOKEN));
}

#[tokio::test]
async fn the_sixth_wrong_token_is_not_even_looked_at() {
    let server = Server::start(guarded()).await;
    let ask = |token: &str| {
        let headers = format!("authorization: Bearer {token}\r\n");
        let server = &server;
        async move { server.get("/status", &headers).await }
    };
    for n in 0..5 {
        assert_eq!(ask(&format!("guess-{n}")).await.status, 401);
    }
    let answer = ask("guess-5").await;
    assert_eq!((answer.status, answer.code()), (429, "rate_limited".into()));
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(ask(TOKEN).await.status, 429);
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_when_to_come_back() {
    let server = limited(Limits {
        requests_per_second: 1,
        ..Limits::default()
    })
    .await;
    let mut refused = None;
    // Time passes between them, so that the eleventh may still find its turn.
    for _ in 0..200 {
        let answer = server.get("/health", "").await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("one of 200 comes too early");
    assert_eq!(
        (refused.status, refused.code()),
        (429, "rate_limited".into())
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn no_path_leads_to_a_file_of_this_machine() {
    let server = server().await;
    let long = format!("/{}", "a".repeat(8 * 1_024));
    let long_asset = format!("/assets/{}", "../".repeat(2_000));
    for target in [
        "/..%2f..%2fetc/passwd",
        "/../../etc/passwd",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/assets/../index.html",
        "/assets/%2e%2e/index.html",
        "/assets/index.html%00.js",
        "/assets//etc/passwd",
        "/assets/INDEX.HTML",
        "/assets/index.html/",
        "//",
        "//etc/passwd",
        "/%2f",
        "/%00",
        "/%c0%ae%c0%ae/etc/passwd",
        "/.git/config",
        &long,
        &long_asset,
    ] {
        let answer = server.get(target, "").await;
        assert!(matches!(answer.status, 400 | 404), "{target}: {answer:?}");
        assert!(!answer.body.contains("root:"), "{target}");
        answer.code();
    }
    assert_eq!(server.get("/assets/index.html", "").await.status, 200);
}

#[tokio::test]
async fn heads_that_are_too_long_have_too_many_headers_or_are_none_are_refused() {
    let server = server().await;
    let head = |extra: String| {
        format!("GET /status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{extra}\r\n")
    };
    let long = head(format!("x: {}\r\n", "a".repeat(20 * 1_024)));
    let many = head((0..100).map(|n| format!("x{n}: 1\r\n")).collect());
    for request in [long, many] {
        let answer = server.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let target = format!(
        "GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "a".repeat(70 * 1_024)
    );
    let answer = Answer::parse(&server.raw(target).await);
    assert!(matches!(answer.status, 414 | 431), "{answer:?}");
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET /status\r\n\r\n",
        b"GET /status HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost : localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: a\x00b\r\n\r\n",
        b"POST /api/v1/alerts HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1, 2\r\n\r\n",
        b"POST /api/v1/alerts HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = server.raw(garbage).await;
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(refused, "{:?}: {answer}", String::from_utf8_lossy(garbage));
    }
    assert_eq!(server.get("/health", "").await.status, 200);
}

#[tokio::test]
async fn two_lengths_of_one_body_never_make_two_requests() {
    let server = server().await;
    let smuggled = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let request = format!(
        "POST /api/v1/alerts HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
        5 + smuggled.len()
    );
    let mut stream = server.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(!answer.contains("tickwire_build_info"), "{answer}");
}

/// Whether the server has closed it, waiting for that if need be.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0; 1_024];
    loop {
        match within(stream.read(&mut byte)).await {
            Ok(0) | Err(_) => return true,
            Ok(_) => {}
        }
    }
}

#[tokio::test]
async fn those_who_do_not_finish_their_head_are_let_go() {
    let server = server().await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /status HTTP/1.1\r\nhost: loc")
        .await
        .unwrap();
    let mut idle = server.connect().await;
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    for stream in [&mut silent, &mut slow, &mut idle] {
        assert!(is_closed(stream).await);
    }
}

#[tokio::test]
async fn hundreds_who_only_connect_do_not_keep_out_one_who_speaks() {
    let server = limited(Limits {
        clients: 120,
        ..Limits::default()
    })
    .await;
    let mut quiet = Vec::new();
    for _ in 0..150 {
        quiet.push(server.connect().await);
    }
    // The first ones went to make room, or no seat would be left.
    assert_eq!(server.get("/health", "").await.status, 200);
    assert!(is_closed(&mut quiet[0]).await);
}

#[tokio::test]
async fn those_beyond_the_limit_are_told_to_come_later() {
    let server = limited(Limits {
        clients: 2,
        ..Limits::default()
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut byte = [0; 1];
        within(stream.read_exact(&mut byte)).await.unwrap();
        held.push(stream);
    }
    let refused = server.get("/health", "").await;
    assert_eq!(
        (refused.status, refused.code()),
        (503, "unavailable".into())
    );
    assert_eq!(refused.header("retry-after"), Some("5"));
    held.clear();
    let again = async {
        while server.get("/health", "").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(again).await;
}

#[tokio::test]
async fn a_server_that_stops_ends_what_it_is_at_and_takes_nothing_new() {
    let server = server().await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0; 1];
    within(idle.read_exact(&mut byte)).await.unwrap();
    let mut busy = server.connect().await;
    let request = "POST /api/v1/strategies/slow/start HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\r\n";
    busy.write_all(request.as_bytes()).await.unwrap();
    within(server.busy.notified()).await;
    server.stop();
    let answer = rest(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(is_closed(&mut idle).await);
    let address = server.address;
    server.stopped().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn localhost_is_both_of_its_addresses_and_a_port_in_use_is_an_error() {
    let listeners = tickwire::server::listen::bind("localhost", 0)
        .await
        .unwrap();
    let ports: Vec<u16> = listeners
        .iter()
        .map(|l| l.local_addr().unwrap().port())
        .collect();
    assert!(
        listeners
            .iter()
            .all(|l| l.local_addr().unwrap().ip().is_loopback())
    );
    assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    let taken = tickwire::server::listen::bind("127.0.0.1", ports[0]).await;
    assert_eq!(taken.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}
