//! Rules and clocks: no sockets.

use std::time::Duration;

use tokio::time::Instant;

use crate::net::{ConnectError, Pacer, Proxy, ProxyRules, Recovery, Tls, retry_after};

fn rules(vars: &[(&str, &str)]) -> ProxyRules {
    ProxyRules::with_env(None, |name| {
        let (_, value) = vars.iter().find(|(n, _)| *n == name)?;
        Some((*value).to_owned())
    })
    .unwrap()
}

fn shown(rules: &ProxyRules, url: &str) -> String {
    rules
        .for_url(&url.parse().unwrap())
        .map_or("direct".into(), |proxy| proxy.to_string())
}

#[test]
fn the_environment_decides_alike_for_rest_and_websocket() {
    let none = rules(&[("NO_PROXY", "*"), ("ALL_PROXY", " ")]);
    assert_eq!(shown(&none, "wss://host/"), "direct");

    let rules = rules(&[
        ("HTTPS_PROXY", ""),
        ("https_proxy", "http://secure:1"),
        ("http_proxy", "plain:2"),
        ("ALL_PROXY", "socks5h://all"),
    ]);
    for url in ["https://host/", "wss://host/"] {
        assert_eq!(shown(&rules, url), "http://secure:1");
    }
    for url in ["http://host/", "ws://host/"] {
        assert_eq!(shown(&rules, url), "http://plain:2");
    }
    let all = self::rules(&[("all_proxy", "socks5h://all")]);
    for url in ["http://host/", "wss://host/"] {
        assert_eq!(shown(&all, url), "socks5h://all:1080");
    }
    // Who sets `HTTPS_PROXY` alone, or before `ALL_PROXY`, means plain targets, too.
    for rest in [None, Some(("ALL_PROXY", "socks5h://all"))] {
        let vars: Vec<_> = [("HTTPS_PROXY", "secure:1")]
            .into_iter()
            .chain(rest)
            .collect();
        for url in ["http://host/", "ws://host/", "https://host/", "wss://host/"] {
            assert_eq!(shown(&self::rules(&vars), url), "http://secure:1");
        }
    }
}

#[test]
fn no_proxy_names_domains_addresses_and_networks() {
    let rules = rules(&[
        ("all_proxy", "proxy:1"),
        (
            "no_proxy",
            "example.com, .dot.test,*.star.test,10.0.0.0/8,[::1],192.0.2.1",
        ),
    ]);
    for url in [
        "wss://example.com/",
        "https://api.EXAMPLE.com:8443/",
        "ws://a.dot.test/",
        "ws://a.star.test/",
        "http://10.1.2.3/",
        "ws://[::1]:80/",
        "ws://192.0.2.1/",
    ] {
        assert_eq!(shown(&rules, url), "direct", "{url}");
    }
    for url in [
        "wss://notexample.com/",
        "ws://11.1.2.3/",
        "ws://[::2]/",
        "ws://localhost/",
    ] {
        assert_eq!(shown(&rules, url), "http://proxy:1", "{url}");
    }
    let star = self::rules(&[("all_proxy", "proxy:1"), ("no_proxy", "*")]);
    assert_eq!(shown(&star, "wss://anything/"), "direct");
}

#[test]
fn no_proxy_with_a_port_names_that_port_alone() {
    let rules = rules(&[
        ("HTTPS_PROXY", "proxy:1"),
        (
            "NO_PROXY",
            "api.test:8443,*.star.test:443, 192.0.2.1:80,[::1]:9000,::2,bad.test:port",
        ),
    ]);
    for url in [
        "wss://api.test:8443/",
        "ws://API.test:8443/",
        "wss://a.star.test/",
        "http://192.0.2.1/",
        "ws://[::1]:9000/",
        "ws://[::2]:1/",
    ] {
        assert_eq!(shown(&rules, url), "direct", "{url}");
    }
    for url in [
        "wss://api.test/",
        "ws://a.star.test/",
        "https://192.0.2.1/",
        "ws://[::1]/",
        "wss://bad.test/",
    ] {
        assert_eq!(shown(&rules, url), "http://proxy:1", "{url}");
    }
}

#[test]
fn an_explicit_proxy_wins_over_the_environment_for_every_url() {
    let rules = ProxyRules::with_env(Some("socks5://[::1]:9050"), |_| Some("*".into())).unwrap();
    for url in ["ws://host/", "https://host/"] {
        assert_eq!(shown(&rules, url), "socks5://[::1]:9050");
    }
}

#[test]
fn under_cgi_the_upper_case_http_proxy_is_not_trusted() {
    let vars = [("HTTP_PROXY", "evil:1"), ("REQUEST_METHOD", "GET")];
    assert_eq!(shown(&rules(&vars), "http://host/"), "direct");
    assert_eq!(shown(&rules(&vars[..1]), "http://host/"), "http://evil:1");
}

#[test]
fn a_proxy_url_that_cannot_be_used_is_an_error_without_its_credentials() {
    for (url, named) in [
        ("socks4://user:hunter2@host:1", "socks4://host"),
        ("ftp://user:hunter2@host:1", "ftp://host"),
        ("http://user:hunter2@host:99999", "http://host"),
        ("http://user:hunter2@host:0", "http://host"),
        ("http://user:hunter2@host:port", "http://host"),
        ("http://user:hun/ter2@host:1", "http://host"),
        ("http://user:1#hunter2@host:1", "http://host"),
        ("http://user:1?hunter2@host:1", "http://host"),
        ("http://user:1@hunter2@host:1", "http://host"),
        ("http://user:hunter2@", "http://?"),
        ("http://", "http://?"),
        ("http://hun ter2", "http://?"),
        ("", "http://?"),
    ] {
        let error = Proxy::parse("HTTPS_PROXY", url).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("HTTPS_PROXY: `{named}`")),
            "{url}: {text}"
        );
        assert!(!format!("{text}{error:?}").contains("hunter"), "{text}");
        let env = |name: &str| (name == "HTTPS_PROXY" && !url.is_empty()).then(|| url.to_owned());
        assert_eq!(ProxyRules::with_env(None, env).is_err(), !url.is_empty());
    }
}

#[test]
fn a_proxy_shows_neither_user_nor_password() {
    let rules = ProxyRules::new(Some("HTTPS://user:hunter2@host")).unwrap();
    let proxy = rules.for_url(&"wss://x/".parse().unwrap()).unwrap();
    assert_eq!(proxy.to_string(), "https://host:443");
    let all = format!("{proxy:?} {rules:?}");
    assert!(!all.contains("user") && !all.contains("hunter2"), "{all}");
}

#[test]
fn retry_after_reads_seconds_and_dates() {
    let now: jiff::Timestamp = "2026-11-06T08:49:00Z".parse().unwrap();
    let seconds = |text| retry_after(text, now).map(|wait| wait.as_secs());
    assert_eq!(seconds("120"), Some(120));
    assert_eq!(seconds(" 0 "), Some(0));
    assert_eq!(seconds("Fri, 06 Nov 2026 08:49:37 GMT"), Some(37));
    assert_eq!(seconds("Fri, 06 Nov 2026 08:48:00 GMT"), Some(0));
    let three_days = 3 * 24 * 3600;
    assert_eq!(seconds("99999999999999999999999"), Some(three_days));
    assert_eq!(seconds("Fri, 06 Nov 2099 08:49:37 GMT"), Some(three_days));
    for text in ["", "soon", "-1", "1.5", "Fri, 31 Feb 2026 08:49:37 GMT"] {
        assert_eq!(seconds(text), None, "{text}");
    }
}

#[test]
fn a_status_decides_how_to_go_on() {
    let recovery = |status, seconds: Option<u64>| {
        ConnectError::Http {
            host: "host:443".into(),
            status,
            retry_after: seconds.map(Duration::from_secs),
        }
        .recovery()
    };
    let after = |seconds| Recovery::RetryAfter(Duration::from_secs(seconds));
    assert_eq!(recovery(429, None), after(60));
    assert_eq!(recovery(429, Some(5)), after(5));
    assert_eq!(recovery(429, Some(0)), after(1));
    assert_eq!(recovery(418, None), after(300));
    assert_eq!(recovery(418, Some(9)), after(9));
    assert_eq!(recovery(503, Some(9)), after(9));
    for status in [503, 500, 404, 301, 200] {
        assert_eq!(recovery(status, None), Recovery::Retry);
    }
    for status in [403, 451] {
        assert_eq!(recovery(status, Some(9)), Recovery::Fatal);
    }
}

#[test]
fn a_pause_says_why_and_until_when() {
    let paused = |status| ConnectError::Paused {
        host: "api.kraken.com:443".into(),
        status,
        until: crate::model::Timestamp::parse("2026-09-21T14:13:20.000001Z").unwrap(),
        left: Duration::from_secs(9),
    };
    for (status, text, recovery) in [
        (
            None,
            "asked to be left alone until",
            Recovery::RetryAfter(Duration::from_secs(9)),
        ),
        (
            Some(429),
            "HTTP 429 Too Many Requests: asked to be left alone until",
            Recovery::RetryAfter(Duration::from_secs(9)),
        ),
        (
            Some(418),
            "HTTP 418 I'm a teapot: banned until",
            Recovery::RetryAfter(Duration::from_secs(9)),
        ),
        (
            Some(451),
            "HTTP 451 Unavailable For Legal Reasons: not asked again before",
            Recovery::Fatal,
        ),
        (
            Some(403),
            "HTTP 403 Forbidden: not asked again before",
            Recovery::Fatal,
        ),
    ] {
        let error = paused(status);
        let text = format!("api.kraken.com:443: {text} 2026-09-21T14:13:21Z");
        assert_eq!((error.to_string(), error.recovery()), (text, recovery));
        assert!(error.is_before_request());
    }
}

#[test]
fn messages_are_one_short_line() {
    let error = ConnectError::Http {
        host: "api.kraken.com:443".into(),
        status: 429,
        retry_after: Some(Duration::from_secs(30)),
    };
    assert_eq!(
        error.to_string(),
        "api.kraken.com:443: HTTP 429 Too Many Requests (retry after 30 s)"
    );
}

#[test]
fn a_ca_file_without_certificates_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(Tls::with_ca_file(file.path()).is_err());
    assert!(Tls::with_ca_file(std::path::Path::new("/nonexistent")).is_err());
}

#[test]
fn websocket_never_offers_h2_and_rest_may() {
    let tls = Tls::new();
    assert!(!tls.is_loaded());
    assert_eq!(tls.websocket().alpn_protocols, [b"http/1.1".to_vec()]);
    assert!(tls.rest().alpn_protocols.contains(&b"h2".to_vec()));
    assert!(tls.is_loaded());
}

/// Seconds since `start` on the paused clock.
fn passed(start: Instant) -> u64 {
    (Instant::now() - start).as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_pacer_allows_a_burst_and_then_one_per_interval() {
    let pacer = Pacer::new(Duration::from_secs(2), 3);
    let start = Instant::now();
    let mut times = Vec::new();
    for _ in 0..5 {
        pacer.ready(1).await;
        times.push(passed(start));
    }
    assert_eq!(times, [0, 0, 0, 2, 4]);
    tokio::time::advance(Duration::from_secs(60)).await;
    pacer.ready(3).await;
    assert_eq!(passed(start), 64, "a rest fills the bucket, but not beyond");
    pacer.ready(1).await;
    assert_eq!(passed(start), 66);
}

#[tokio::test(start_paused = true)]
async fn a_cost_above_the_burst_waits_for_a_full_bucket_and_is_paid_off() {
    let pacer = Pacer::new(Duration::from_secs(1), 4);
    let start = Instant::now();
    pacer.ready(1).await;
    pacer.ready(10).await;
    assert_eq!(passed(start), 1);
    pacer.ready(1).await;
    assert_eq!(passed(start), 8);
}

#[tokio::test(start_paused = true)]
async fn what_others_used_is_taken_from_all_even_from_those_already_waiting() {
    let pacer = Pacer::new(Duration::from_secs(1), 4);
    let start = Instant::now();
    pacer.ready(4).await;
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let pacer = pacer.clone();
            tokio::spawn(async move {
                pacer.ready(2).await;
                passed(start)
            })
        })
        .collect();
    tokio::task::yield_now().await;
    pacer.hold(2, Duration::from_secs(30));
    // nothing is ever given back
    pacer.hold(4, Duration::ZERO);
    let mut times = Vec::new();
    for waiter in waiters {
        times.push(waiter.await.unwrap());
    }
    assert_eq!(times, [30, 32, 34]);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_costs_nothing() {
    let pacer = Pacer::new(Duration::from_secs(10), 1);
    let start = Instant::now();
    pacer.ready(1).await;
    for _ in 0..5 {
        let wait = tokio::time::timeout(Duration::from_secs(1), pacer.ready(1));
        assert!(wait.await.is_err());
    }
    pacer.ready(1).await;
    assert_eq!(passed(start), 10);
    Pacer::new(Duration::ZERO, 0).ready(1_000_000).await;
    assert_eq!(passed(start), 10);
}
