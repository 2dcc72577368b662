//! Posts to webhooks.

use std::time::Duration;

use http::HeaderMap;

use super::support::*;
use crate::net::{
    ConnectError, Dial, HttpClient, HttpOptions, HttpReply, NetDial, ProxyRules, Recovery, Tls,
    WebhookUrl,
};

async fn post(proxies: ProxyRules, tls: Tls, url: &str) -> Result<HttpReply, ConnectError> {
    let http = HttpClient::new(HttpOptions {
        proxies,
        tls,
        ..HttpOptions::default()
    })
    .unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.insert("x-key", "hunter2".parse().unwrap());
    let url = WebhookUrl::parse(url).unwrap();
    let timeout = Duration::from_secs(10);
    within(http.post(&url, headers, "{\"a\":1}".into(), timeout)).await
}

#[tokio::test]
async fn a_post_arrives_whole_directly_and_through_every_kind_of_proxy() {
    let ca = Ca::new();
    let plain = origin(None, ok("thanks")).await;
    let secure = origin(Some(ca.server("localhost")), ok("thanks")).await;
    let connect = connect_proxy(None, "HTTP/1.1 200 OK\r\n\r\n").await;
    let socks = socks_proxy(None).await;
    let proxies = [
        ProxyRules::none(),
        via(&connect.address.to_string()),
        via(&format!("socks5://{}", socks.address)),
        via(&format!("socks5h://{}", socks.address)),
    ];
    for proxies in proxies.clone() {
        let url = format!("http://me:pass@localhost:{}/hook?x=1", plain.port());
        let reply = post(proxies.clone(), Tls::new(), &url).await.unwrap();
        assert_eq!(reply.status, 200);
        let url = format!("https://localhost:{}/hook?x=1", secure.port());
        let reply = post(proxies, ca.trusted(), &url).await.unwrap();
        assert_eq!(reply.status, 200);
    }
    for peer in [&plain, &secure] {
        let seen = peer.seen();
        assert_eq!(seen.len(), 2 * proxies.len());
        for request in seen.iter().filter(|entry| *entry != "connection") {
            assert!(
                request.starts_with("POST /hook?x=1 HTTP/1.1\r\n"),
                "{request}"
            );
            assert!(request.ends_with("\r\n\r\n{\"a\":1}"), "{request}");
            let host = format!("host: localhost:{}", peer.port());
            let agent = format!("user-agent: {}", crate::net::USER_AGENT);
            for line in [
                &*host,
                &*agent,
                "content-type: application/json",
                "x-key: hunter2",
            ] {
                assert_eq!(
                    request.matches(&format!("\n{line}\r")).count(),
                    1,
                    "{request}"
                );
            }
        }
    }
    // me:pass, in Base64
    assert!(plain.seen()[1].contains("\r\nauthorization: Basic bWU6cGFzcw==\r\n"));
    assert_eq!(connect.seen().len(), 4, "two connections, two CONNECTs");
    assert_eq!(socks.seen().len(), 8, "four connections, four targets");
}

#[tokio::test]
async fn the_answer_is_its_head_however_long_the_body() {
    let endless = "HTTP/1.1 500 Oops\r\nRetry-After: 3\r\nContent-Length: 9999999999\r\n\r\nbody";
    let peer = origin(None, endless).await;
    let url = format!("http://{}/", peer.address);
    let reply = post(ProxyRules::none(), Tls::new(), &url).await.unwrap();
    assert_eq!((reply.status, reply.body.len()), (500, 0));
    assert_eq!(reply.retry_after(), Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn a_peer_that_says_nothing_ends_by_the_timeout_and_a_closed_port_at_once() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let http = HttpClient::new(HttpOptions::default()).unwrap();
    let send = async |address: String| {
        let url = WebhookUrl::parse(&format!("http://{address}/hunter2")).unwrap();
        let short = Duration::from_millis(100);
        within(http.post(&url, HeaderMap::new(), "x".into(), short))
            .await
            .unwrap_err()
    };
    let error = send(address.to_string()).await;
    assert_eq!(error.to_string(), format!("{address}: request timed out"));
    let closed = format!("127.0.0.1:{}", closed_port().await);
    let error = send(closed.clone()).await;
    assert_eq!(error.to_string(), format!("{closed}: connection refused"));
}

#[tokio::test]
async fn what_a_name_resolves_to_is_checked_before_anything_connects() {
    // A number that the resolver reads as 169.254.169.254: a name to everybody else.
    let socks = socks_proxy(None).await;
    for proxies in [
        ProxyRules::none(),
        via(&format!("socks5://{}", socks.address)),
    ] {
        let dial = NetDial::new(proxies, Tls::new()).guarded();
        let url = "http://2852039166/".parse().unwrap();
        let Err(error) = within(dial.dial(&url)).await else {
            panic!("connected to a metadata service");
        };
        assert_eq!(
            error.to_string(),
            "2852039166:80: 169.254.169.254 is a cloud's metadata service, which no webhook may reach"
        );
        assert_eq!(error.recovery(), Recovery::Fatal);
    }
    assert!(!socks.seen().iter().any(|entry| entry.contains(':')));
}

#[tokio::test]
async fn a_proxy_is_not_asked_for_what_is_plainly_refused() {
    let proxy = connect_proxy(None, "HTTP/1.1 200 OK\r\n\r\n").await;
    let dial = NetDial::new(via(&proxy.address.to_string()), Tls::new()).guarded();
    for host in ["169.254.169.254", "[fe80::1]", "metadata.google.internal"] {
        let url = format!("http://{host}/").parse().unwrap();
        assert!(within(dial.dial(&url)).await.is_err(), "{host}");
    }
    assert!(proxy.seen().is_empty());
}
