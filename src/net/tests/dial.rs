//! Streams: TCP, TLS and the two kinds of proxy.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::*;
use crate::net::{ConnectError, Dial, NetDial, ProxyRules, Recovery, Tls};

const HOST: &str = "tickwire.test";

/// Opens the URL, asks, and gives back what came.
async fn fetch(dial: &NetDial, url: &str) -> Result<String, ConnectError> {
    within(async {
        let mut stream = dial.dial(&url.parse().unwrap()).await?;
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        Ok(reply)
    })
    .await
}

fn direct(tls: Tls) -> NetDial {
    NetDial::new(ProxyRules::none(), tls)
}

#[tokio::test]
async fn a_plain_stream_reads_no_certificates() {
    let peer = origin(None, "hello").await;
    let tls = Tls::new();
    let dial = direct(tls.clone());
    for scheme in ["ws", "http"] {
        let url = format!("{scheme}://localhost:{}/path", peer.port());
        assert_eq!(fetch(&dial, &url).await.unwrap(), "hello");
    }
    assert!(!tls.is_loaded());
}

#[tokio::test]
async fn tls_is_trusted_by_its_authority_for_names_and_addresses() {
    let ca = Ca::new();
    for name in ["localhost", "127.0.0.1"] {
        let peer = origin(Some(ca.server(name)), "hello").await;
        let url = format!("wss://{name}:{}/", peer.port());
        let dial = direct(ca.trusted());
        assert_eq!(fetch(&dial, &url).await.unwrap(), "hello");
    }
}

#[tokio::test]
async fn a_rejected_certificate_is_final_and_says_why() {
    let ca = Ca::new();
    let good = ca.server("localhost");
    let cases = [
        (ca.server("other.test"), ca.trusted(), "for another host"),
        (
            ca.server_until("localhost", 2001),
            ca.trusted(),
            "has expired",
        ),
        (good.clone(), Tls::new(), "unknown authority"),
        (good, Ca::new().trusted(), "unknown authority"),
    ];
    for (server, tls, why) in cases {
        let peer = origin(Some(server), "hello").await;
        let url = format!("wss://localhost:{}/", peer.port());
        let error = fetch(&direct(tls), &url).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.is_certificate());
        assert_eq!(error.recovery(), Recovery::Fatal);
        assert_eq!(peer.seen(), ["connection"], "nothing was sent");
    }
}

#[tokio::test]
async fn a_plaintext_answer_is_a_tls_error_but_not_a_certificate_error() {
    // Does not wait for a head, as a TLS hello may never hold a blank line.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        stream
    });
    let error = fetch(&direct(Tls::new()), &url).await.unwrap_err();
    assert!(error.to_string().contains("not TLS"), "{error}");
    assert!(matches!(error, ConnectError::Tls { .. }));
    assert!(!error.is_certificate());
    assert_eq!(error.recovery(), Recovery::Retry);
    task.abort();
}

#[tokio::test]
async fn a_closed_port_is_refused_by_name() {
    let port = closed_port().await;
    let url = format!("ws://127.0.0.1:{port}/");
    let error = fetch(&direct(Tls::new()), &url).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("127.0.0.1:{port}: connection refused")
    );
    assert_eq!(error.recovery(), Recovery::Retry);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_a_dns_error() {
    let dial = direct(Tls::new());
    let error = fetch(&dial, "ws://tickwire.invalid/").await.unwrap_err();
    assert!(matches!(error, ConnectError::Dns { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with("tickwire.invalid:80: cannot resolve the name: "),
        "{error}"
    );
    assert!(!error.to_string().contains('\n'));
}

#[tokio::test]
async fn a_url_that_is_no_target_is_invalid() {
    let dial = direct(Tls::new());
    for url in ["/path", "ftp://host/", "ws://host:70000/"] {
        let Ok(url) = url.parse() else { continue };
        let error = dial.dial(&url).await.err().unwrap();
        assert_eq!(error.recovery(), Recovery::Fatal, "{error}");
    }
}

#[tokio::test]
async fn an_http_proxy_tunnels_plain_and_tls_streams_by_name() {
    let ca = Ca::new();
    let plain = origin(None, "plain").await;
    let secure = origin(Some(ca.server(HOST)), "secure").await;
    let proxy = connect_proxy(None, "HTTP/1.1 200 Connection established\r\n\r\n").await;
    let rules = via(&format!("http://us%20er:p%40ss@{}", proxy.address));
    let dial = NetDial::new(rules, ca.trusted());

    let url = format!("ws://{HOST}:{}/?token=secret", plain.port());
    assert_eq!(fetch(&dial, &url).await.unwrap(), "plain");
    let url = format!("wss://{HOST}:{}/", secure.port());
    assert_eq!(fetch(&dial, &url).await.unwrap(), "secure");

    let head = &proxy.seen()[1];
    assert!(head.starts_with(&format!("CONNECT {HOST}:{} HTTP/1.1\r\n", plain.port())));
    assert!(head.contains(&format!("Host: {HOST}:{}\r\n", plain.port())));
    // base64 of "us er:p@ss"
    assert!(head.contains("Proxy-Authorization: Basic dXMgZXI6cEBzcw==\r\n"));
    assert!(head.contains("User-Agent: tickwire/"));
    assert!(!head.contains("secret"));
}

#[tokio::test]
async fn each_step_on_the_way_is_timed_and_there_are_only_those_that_were_taken() {
    let ca = Ca::new();
    let steps = async |dial: &NetDial, url: String| {
        let opened = within(async { dial.dial_timed(&url.parse().unwrap()).await }).await;
        let (_, times) = opened.unwrap();
        let taken = [times.dns, times.tcp, times.proxy, times.tls];
        taken.map(|step| step.is_some())
    };
    let plain = origin(None, "plain").await;
    let secure = origin(Some(ca.server("localhost")), "secure").await;
    let dial = direct(ca.trusted());
    let url = format!("ws://127.0.0.1:{}/", plain.port());
    assert_eq!(steps(&dial, url).await, [false, true, false, false]);
    let url = format!("wss://localhost:{}/", secure.port());
    assert_eq!(steps(&dial, url).await, [true, true, false, true]);
    let proxy = connect_proxy(None, "HTTP/1.1 200 Connection established\r\n\r\n").await;
    let dial = NetDial::new(via(&format!("http://{}", proxy.address)), ca.trusted());
    let url = format!("wss://localhost:{}/", secure.port());
    assert_eq!(steps(&dial, url).await, [false, true, true, true]);
}

#[tokio::test]
async fn a_proxy_inside_tls_is_checked_like_any_server() {
    let ca = Ca::new();
    let secure = origin(Some(ca.server(HOST)), "secure").await;
    let answer = "HTTP/1.1 200 OK\r\n\r\n";
    let proxy = connect_proxy(Some(ca.server("localhost")), answer).await;
    let url = format!("wss://{HOST}:{}/", secure.port());

    let rules = via(&format!("https://localhost:{}", proxy.port()));
    let dial = NetDial::new(rules.clone(), ca.trusted());
    assert_eq!(fetch(&dial, &url).await.unwrap(), "secure");

    let error = fetch(&NetDial::new(rules, Tls::new()), &url)
        .await
        .unwrap_err();
    assert!(error.is_certificate());
    assert!(
        error
            .to_string()
            .starts_with(&format!("localhost:{}: TLS: ", proxy.port())),
        "{error}"
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_is_an_error_and_never_a_direct_connection() {
    let target = origin(None, "hello").await;
    let host = format!("localhost:{}", target.port());
    let cases = [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "user or password missing or refused",
            Recovery::Fatal,
        ),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "answered HTTP 403 to CONNECT",
            Recovery::Fatal,
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "answered HTTP 502 to CONNECT",
            Recovery::Retry,
        ),
        (
            "SSH-2.0-OpenSSH\r\n\r\n",
            "its answer is not HTTP",
            Recovery::Retry,
        ),
        ("", "closed without an answer", Recovery::Retry),
        (
            "HTTP/1.1 502 Ba",
            "closed without an answer",
            Recovery::Retry,
        ),
    ];
    for (answer, why, recovery) in cases {
        let proxy = connect_proxy(None, answer).await;
        let dial = NetDial::new(
            via(&format!("http://user:hunter2@{}", proxy.address)),
            Tls::new(),
        );
        let error = fetch(&dial, &format!("ws://{host}/")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{host}: proxy http://{}: {why}", proxy.address)
        );
        assert_eq!(error.recovery(), recovery);
        assert!(!format!("{error:?} {dial:?}").contains("hunter2"));
    }

    let endless = format!("HTTP/1.1 400 Bad\r\nX-Filler: {}", "x".repeat(64 * 1024));
    let proxy = connect_proxy(None, endless).await;
    let dial = NetDial::new(via(&proxy.address.to_string()), Tls::new());
    let error = fetch(&dial, &format!("ws://{host}/")).await.unwrap_err();
    assert!(error.to_string().contains("has no end"), "{error}");

    for scheme in ["http", "https", "socks5", "socks5h"] {
        let down = format!("{scheme}://127.0.0.1:{}", closed_port().await);
        let dial = NetDial::new(via(&down), Tls::new());
        let error = fetch(&dial, &format!("ws://{host}/")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{host}: proxy {down}: connection refused")
        );
    }
    assert!(target.seen().is_empty(), "{:?}", target.seen());
}

#[tokio::test]
async fn socks5_resolves_here_and_socks5h_leaves_names_to_the_proxy() {
    let ca = Ca::new();
    let secure = origin(Some(ca.server(HOST)), "secure").await;
    let plain = origin(None, "plain").await;

    let proxy = socks_proxy(None).await;
    let dial = NetDial::new(via(&format!("socks5h://{}", proxy.address)), ca.trusted());
    let url = format!("wss://{HOST}:{}/", secure.port());
    assert_eq!(fetch(&dial, &url).await.unwrap(), "secure");
    assert_eq!(proxy.seen()[1], format!("{HOST}:{}", secure.port()));

    let proxy = socks_proxy(Some(("user", "p@ss"))).await;
    let rules = via(&format!("socks5://user:p%40ss@{}", proxy.address));
    let dial = NetDial::new(rules, Tls::new());
    let url = format!("ws://localhost:{}/", plain.port());
    assert_eq!(fetch(&dial, &url).await.unwrap(), "plain");
    assert_eq!(proxy.seen()[1], format!("127.0.0.1:{}", plain.port()));
}

#[tokio::test]
async fn a_socks_proxy_that_refuses_is_an_error() {
    let port = closed_port().await;
    let proxy = socks_proxy(None).await;
    let dial = NetDial::new(via(&format!("socks5h://{}", proxy.address)), Tls::new());
    let error = fetch(&dial, &format!("ws://{HOST}:{port}/"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().ends_with("SOCKS5: Connection refused"),
        "{error}"
    );

    let proxy = socks_proxy(Some(("user", "right"))).await;
    for login in ["user:wrong@", ""] {
        let rules = via(&format!("socks5h://{login}{}", proxy.address));
        let error = fetch(
            &NetDial::new(rules, Tls::new()),
            &format!("ws://{HOST}:{port}/"),
        )
        .await
        .unwrap_err();
        assert!(
            matches!(error, ConnectError::ProxyAuth { .. }),
            "{login}: {error:?}"
        );
    }
}

/// SSL_CERT_FILE is read from the process's environment, so a process of its own is needed.
#[test]
fn ssl_cert_file_names_another_authority() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ca = Ca::new();
    let peer = runtime.block_on(origin(Some(ca.server("localhost")), "hello"));
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--ignored",
            "net::tests::dial::ssl_cert_file_child",
        ])
        .env("SSL_CERT_FILE", ca.file.path())
        .env("TEST_PORT", peer.port().to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("1 passed"), "{stdout}");
}

#[tokio::test]
#[ignore = "run by ssl_cert_file_names_another_authority"]
async fn ssl_cert_file_child() {
    let port = std::env::var("TEST_PORT").expect("started by the test above");
    let dial = direct(Tls::new());
    let url = format!("wss://localhost:{port}/");
    assert_eq!(fetch(&dial, &url).await.unwrap(), "hello");
}
