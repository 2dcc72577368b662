//! REST requests.

use std::time::Duration;

use super::support::*;
use crate::net::{ConnectError, HttpClient, HttpOptions, OptionsError, ProxyRules, Recovery, Tls};

const HOST: &str = "tickwire.test";

fn client(proxies: ProxyRules, tls: Tls) -> HttpClient {
    HttpClient::new(HttpOptions {
        proxies,
        tls,
        ..HttpOptions::default()
    })
    .unwrap()
}

#[tokio::test]
async fn a_plain_request_reads_no_certificates_and_carries_the_configured_extras() {
    let peer = origin(None, ok("hello")).await;
    let tls = Tls::new();
    let http = HttpClient::new(HttpOptions {
        tls: tls.clone(),
        headers: vec![("X-Api-Key".into(), "hunter2".into())],
        params: vec![("plan".into(), "a b".into())],
        ..HttpOptions::default()
    })
    .unwrap();
    let url = format!("http://127.0.0.1:{}/path?x=1", peer.port());
    let reply = within(http.get(&url)).await.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (200, &b"hello"[..]));
    assert_eq!(reply.header("content-LENGTH"), Some("5"));
    assert!(!tls.is_loaded());

    let head = &peer.seen()[1].to_lowercase();
    assert!(head.starts_with("get /path?x=1&plan=a+b http/1.1\r\n"));
    assert!(head.contains(&format!(
        "user-agent: tickwire/{}\r\n",
        env!("CARGO_PKG_VERSION")
    )));
    assert!(head.contains("x-api-key: hunter2\r\n"));
    assert!(head.contains("accept-encoding: gzip\r\n"));
    assert!(!format!("{http:?} {reply:?}").contains("hunter2"));
}

#[tokio::test]
async fn every_status_is_a_reply_and_redirects_are_not_followed() {
    let elsewhere = origin(None, ok("elsewhere")).await;
    for (line, status, recovery) in [
        ("301 Moved", 301, Recovery::Retry),
        ("403 Forbidden", 403, Recovery::Fatal),
        (
            "418 Teapot",
            418,
            Recovery::RetryAfter(Duration::from_secs(7)),
        ),
        (
            "429 Slow",
            429,
            Recovery::RetryAfter(Duration::from_secs(7)),
        ),
        ("500 Oops", 500, Recovery::Retry),
    ] {
        let location = elsewhere.address;
        let reply = format!(
            "HTTP/1.1 {line}\r\nRetry-After: 7\r\nLocation: http://{location}/\r\nContent-Length: 3\r\n\r\nwhy"
        );
        let peer = origin(None, reply).await;
        let http = client(ProxyRules::none(), Tls::new());
        let url = format!("http://127.0.0.1:{}/?signature=hunter2", peer.port());
        let reply = within(http.get(&url)).await.unwrap();
        assert_eq!((reply.status, &reply.body[..]), (status, &b"why"[..]));
        assert!(!reply.is_success());
        assert_eq!(reply.error("host:1").recovery(), recovery);
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_an_error() {
    let peer = origin(None, ok(&"x".repeat(1001))).await;
    let http = |body_max| {
        HttpClient::new(HttpOptions {
            body_max,
            ..HttpOptions::default()
        })
        .unwrap()
    };
    let url = format!("http://127.0.0.1:{}/", peer.port());
    let error = within(http(1000).get(&url)).await.unwrap_err();
    assert!(error.to_string().ends_with("larger than 1000 bytes"));
    let reply = within(http(1001).get(&url)).await.unwrap();
    assert_eq!(reply.body.len(), 1001);
}

#[tokio::test]
async fn a_compressed_body_is_unpacked_and_measured_unpacked() {
    // 2000 times "x".
    let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\xa8\x18\x05\xa3\x60\x14\x8c\x82\x51\x30\x0a\x46\xc1\x50\x07\x00\x7a\x65\x08\x29\xd0\x07\x00\x00";
    let mut reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    )
    .into_bytes();
    reply.extend_from_slice(packed);
    let peer = origin(None, reply).await;
    let url = format!("http://127.0.0.1:{}/", peer.port());
    for (body_max, fits) in [(2000, true), (1999, false)] {
        let http = HttpClient::new(HttpOptions {
            body_max,
            ..HttpOptions::default()
        })
        .unwrap();
        let reply = within(http.get(&url)).await;
        assert_eq!(reply.is_ok_and(|r| r.body[..] == [b'x'; 2000]), fits);
    }
}

#[tokio::test]
async fn a_body_cut_short_and_a_silent_server_are_errors_without_the_query() {
    let peer = origin(None, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
    let http = client(ProxyRules::none(), Tls::new());
    let url = format!("http://127.0.0.1:{}/?key=hunter2", peer.port());
    let error = within(http.get(&url)).await.unwrap_err();
    assert_eq!(error.recovery(), Recovery::Retry);
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");

    // Accepted by the kernel, answered by nobody.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let http = HttpClient::new(HttpOptions {
        timeout: Duration::from_millis(100),
        ..HttpOptions::default()
    })
    .unwrap();
    let error = within(http.get(&format!("http://{address}/?key=hunter2")))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), format!("{address}: request timed out"));
}

#[tokio::test]
async fn transport_failures_are_sorted_like_those_of_streams() {
    let http = client(ProxyRules::none(), Tls::new());
    let port = closed_port().await;
    let error = within(http.get(&format!("http://127.0.0.1:{port}/")))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("127.0.0.1:{port}: connection refused")
    );
    let error = within(http.get("http://tickwire.invalid/"))
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Dns { .. }), "{error:?}");

    for url in ["nonsense", "ftp://host/", "http://"] {
        let error = http.get(url).await.unwrap_err();
        assert_eq!(error.recovery(), Recovery::Fatal, "{error}");
    }
    let unsendable = HttpClient::new(HttpOptions {
        headers: vec![("X-Key".into(), "hunter2\n".into())],
        ..HttpOptions::default()
    });
    assert_eq!(
        unsendable.unwrap_err(),
        OptionsError::Value("X-Key".into()),
        "the value is not shown"
    );
    assert_eq!(
        HttpClient::new(HttpOptions {
            headers: vec![("bad name".into(), String::new())],
            ..HttpOptions::default()
        })
        .unwrap_err(),
        OptionsError::Name("bad name".into())
    );
}

#[tokio::test]
async fn https_is_checked_against_the_same_roots() {
    let ca = Ca::new();
    let peer = origin(Some(ca.server("localhost")), ok("secure")).await;
    let url = format!("https://localhost:{}/", peer.port());
    let reply = within(client(ProxyRules::none(), ca.trusted()).get(&url))
        .await
        .unwrap();
    assert_eq!(&reply.body[..], b"secure");

    for (server, tls, why) in [
        (ca.server("localhost"), Tls::new(), "unknown authority"),
        (ca.server("other.test"), ca.trusted(), "for another host"),
        (
            ca.server_until("localhost", 2001),
            ca.trusted(),
            "has expired",
        ),
    ] {
        let peer = origin(Some(server), ok("secure")).await;
        let url = format!("https://localhost:{}/", peer.port());
        let error = within(client(ProxyRules::none(), tls).get(&url))
            .await
            .unwrap_err();
        assert!(error.is_certificate(), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn every_kind_of_proxy_carries_https() {
    let ca = Ca::new();
    let target = origin(Some(ca.server(HOST)), ok("secure")).await;
    let url = format!("https://{HOST}:{}/?key=hunter2", target.port());
    let answer = "HTTP/1.1 200 OK\r\n\r\n";
    let http = connect_proxy(None, answer).await;
    let https = connect_proxy(Some(ca.server("localhost")), answer).await;
    let socks = socks_proxy(Some(("user", "p@ss"))).await;
    for (proxy, peer) in [
        (format!("http://user:p%40ss@{}", http.address), &http),
        (
            format!("https://user:p%40ss@localhost:{}", https.port()),
            &https,
        ),
        (format!("socks5h://user:p%40ss@{}", socks.address), &socks),
    ] {
        let reply = within(client(via(&proxy), ca.trusted()).get(&url))
            .await
            .unwrap_or_else(|error| panic!("{error} {:?}", peer.seen()));
        assert_eq!(&reply.body[..], b"secure");
        let seen = peer.seen()[1].to_lowercase();
        assert!(seen.contains(HOST));
        assert!(!seen.contains("hunter2"));
        if !proxy.starts_with("socks") {
            assert!(seen.contains("proxy-authorization: basic dxnlcjpwqhnz"));
        }
    }
    assert_eq!(target.seen().len(), 6, "three connections, three requests");
}

#[tokio::test]
async fn a_proxy_carries_plain_http_too() {
    let target = origin(None, ok("direct")).await;
    let socks = socks_proxy(None).await;
    let rules = via(&format!("socks5://{}", socks.address));
    let url = format!("http://localhost:{}/", target.port());
    let reply = within(client(rules, Tls::new()).get(&url)).await.unwrap();
    assert_eq!(&reply.body[..], b"direct");
    assert!(socks.seen()[1].ends_with(&format!(":{}", target.port())));
}

#[tokio::test]
async fn an_http_proxy_tunnels_plain_http_as_it_tunnels_websockets() {
    let ca = Ca::new();
    let target = origin(None, ok("tunnelled")).await;
    // It knows nothing but CONNECT.
    let answer = "HTTP/1.1 200 OK\r\n\r\n";
    let proxy = connect_proxy(None, answer).await;
    let secure = connect_proxy(Some(ca.server("localhost")), answer).await;
    let authority = format!("tickwire.test:{}", target.port());
    for (url, peer) in [
        (format!("http://user:p%40ss@{}", proxy.address), &proxy),
        (
            format!("https://user:p%40ss@localhost:{}", secure.port()),
            &secure,
        ),
    ] {
        let tls = ca.trusted();
        let http = HttpClient::new(HttpOptions {
            proxies: via(&url),
            tls: tls.clone(),
            headers: vec![
                ("X-Api-Key".into(), "hunter2".into()),
                ("User-Agent".into(), "mine".into()),
            ],
            params: vec![("plan".into(), "a b".into())],
            ..HttpOptions::default()
        })
        .unwrap();
        let reply = within(http.get(&format!("http://me:too@{authority}/path?x=1")))
            .await
            .unwrap_or_else(|error| panic!("{error} {:?}", peer.seen()));
        assert_eq!((reply.status, &reply.body[..]), (200, &b"tunnelled"[..]));
        assert_eq!(reply.header("content-LENGTH"), Some("9"));
        assert_eq!(tls.is_loaded(), url.starts_with("https"));

        let connect = peer.seen()[1].to_lowercase();
        assert!(connect.starts_with(&format!("connect {authority} http/1.1\r\n")));
        assert!(connect.contains("proxy-authorization: basic dxnlcjpwqhnz"));
        assert!(!connect.contains("hunter2"));
        let head = target.seen().pop().unwrap().to_lowercase();
        assert!(
            head.starts_with("get /path?x=1&plan=a+b http/1.1\r\n"),
            "{head}"
        );
        for line in [
            &format!("host: {authority}"),
            "user-agent: mine",
            "x-api-key: hunter2",
            "authorization: basic bwu6dg9v",
            "accept-encoding: identity",
            "connection: close",
        ] {
            assert_eq!(head.matches(&format!("\n{line}\r")).count(), 1, "{head}");
        }
        assert!(!head.contains("proxy-"), "{head}");
    }
    assert_eq!(target.seen().len(), 4, "two connections, two requests");
}

#[tokio::test]
async fn a_tunnelled_request_has_the_same_limits() {
    let proxy = connect_proxy(None, "HTTP/1.1 200 OK\r\n\r\n").await;
    let http = |body_max| {
        HttpClient::new(HttpOptions {
            proxies: via(&proxy.address.to_string()),
            timeout: Duration::from_millis(500),
            body_max,
            ..HttpOptions::default()
        })
        .unwrap()
    };
    let target = origin(None, ok(&"x".repeat(1001))).await;
    let url = format!("http://{}/?key=hunter2", target.address);
    let error = within(http(1000).get(&url)).await.unwrap_err();
    assert!(error.to_string().ends_with("larger than 1000 bytes"));
    let reply = within(http(1001).get(&url)).await.unwrap();
    assert_eq!(reply.body.len(), 1001);

    let cut = origin(None, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
    let url = format!("http://{}/?key=hunter2", cut.address);
    let error = within(http(1000).get(&url)).await.unwrap_err();
    assert_eq!(error.recovery(), Recovery::Retry);
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");

    // Accepted by the kernel, answered by nobody: first as the target, then as the proxy.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let url = format!("http://{address}/?key=hunter2");
    let error = within(http(1000).get(&url)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{address}: request timed out"));
    let http = HttpClient::new(HttpOptions {
        proxies: via(&address.to_string()),
        timeout: Duration::from_millis(100),
        ..HttpOptions::default()
    })
    .unwrap();
    let error = within(http.get("http://tickwire.test/")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("tickwire.test:80: proxy http://{address}: connect timed out")
    );
}

#[tokio::test]
async fn a_proxy_that_wants_a_password_for_plain_http_is_named_and_final() {
    let target = origin(None, ok("direct")).await;
    let proxy = connect_proxy(None, "HTTP/1.1 407 Who?\r\n\r\n").await;
    let rules = via(&format!("http://u:hunter2@{}", proxy.address));
    let url = format!("http://{}/", target.address);
    let error = within(client(rules, Tls::new()).get(&url))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        ConnectError::ProxyAuth {
            host: target.address.to_string(),
            proxy: format!("http://{}", proxy.address),
        }
    );
    assert_eq!(error.recovery(), Recovery::Fatal);
    assert!(target.seen().is_empty());
}

#[tokio::test]
async fn https_proxy_alone_carries_plain_http_and_is_never_gone_around() {
    let target = origin(None, ok("tunnelled")).await;
    let proxy = connect_proxy(None, "HTTP/1.1 200 OK\r\n\r\n").await;
    let env = |address: String| {
        ProxyRules::with_env(None, |name| {
            (name == "HTTPS_PROXY").then(|| format!("http://{address}"))
        })
        .unwrap()
    };
    let url = format!("http://{}/", target.address);
    let down = format!("127.0.0.1:{}", closed_port().await);
    let error = within(client(env(down.clone()), Tls::new()).get(&url))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: proxy http://{down}: connection refused",
            target.address
        )
    );
    assert!(target.seen().is_empty());

    let rules = env(proxy.address.to_string());
    within(client(rules, Tls::new()).get(&url)).await.unwrap();
    assert!(proxy.seen()[1].starts_with(&format!("CONNECT {} ", target.address)));
    assert_eq!(target.seen().len(), 2);
}

#[tokio::test]
async fn a_proxy_that_fails_is_an_error_and_never_a_direct_connection() {
    let ca = Ca::new();
    let plain = origin(None, ok("direct")).await;
    let secure = origin(Some(ca.server("localhost")), ok("direct")).await;
    let refusing = connect_proxy(None, "HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    let unauthorised = connect_proxy(None, "HTTP/1.1 407 Who?\r\n\r\n").await;
    let closed = closed_port().await;
    let secure_url = format!("https://localhost:{}/", secure.port());
    for proxy in [
        format!("http://u:hunter2@127.0.0.1:{closed}"),
        format!("socks5://u:hunter2@127.0.0.1:{closed}"),
        format!("socks5h://u:hunter2@127.0.0.1:{closed}"),
        format!("http://u:hunter2@{}", refusing.address),
        format!("http://u:hunter2@{}", unauthorised.address),
    ] {
        let http = client(via(&proxy), ca.trusted());
        let error = within(http.get(&secure_url)).await.unwrap_err();
        assert!(matches!(error, ConnectError::Proxy { .. }), "{error:?}");
        assert!(!format!("{error:?} {http:?}").contains("hunter2"));
        if proxy.ends_with(&closed.to_string()) {
            // The SOCKS connector keeps the reason to itself.
            let why = match proxy.starts_with("socks") {
                true => "failed to create underlying connection",
                false => "connection refused",
            };
            assert!(error.to_string().ends_with(why), "{error}");
            let url = format!("http://localhost:{}/", plain.port());
            let error = within(http.get(&url)).await.unwrap_err();
            assert!(matches!(error, ConnectError::Proxy { .. }), "{error:?}");
        }
    }
    assert!(plain.seen().is_empty());
    assert!(secure.seen().is_empty());
}

#[tokio::test]
async fn no_proxy_goes_direct_for_both_kinds() {
    use crate::net::{Dial, NetDial};
    let target = origin(None, ok("direct")).await;
    let proxy = format!("http://127.0.0.1:{}", closed_port().await);
    let rules = ProxyRules::with_env(None, |name| match name {
        "ALL_PROXY" => Some(proxy.clone()),
        "NO_PROXY" => Some("example.com, 127.0.0.0/8".into()),
        _ => None,
    })
    .unwrap();
    let url = format!("http://127.0.0.1:{}/", target.port());
    let reply = within(client(rules.clone(), Tls::new()).get(&url))
        .await
        .unwrap();
    assert_eq!(&reply.body[..], b"direct");
    let dial = NetDial::new(rules, Tls::new());
    assert!(within(dial.dial(&url.parse().unwrap())).await.is_ok());
    let url = format!("http://localhost:{}/", target.port());
    assert!(within(dial.dial(&url.parse().unwrap())).await.is_err());
}
