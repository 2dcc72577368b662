//! Every rule of access with what it lets through and what it must not.

use axum::http::Request;

use crate::config::Limits;

use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn settings() -> ServerSettings {
    ServerSettings {
        host: "prices.example.org".into(),
        allowed_hosts: vec!["Alias.example.org".into()],
        allowed_origins: vec!["https://desk.example.org".into()],
        ..ServerSettings::default()
    }
}

fn with_token() -> Guard {
    Guard::new(&ServerSettings {
        token: Some(TOKEN.into()),
        ..ServerSettings::default()
    })
}

fn caller() -> Caller {
    Caller {
        peer: "192.0.2.9:50000".parse().unwrap(),
        local: "192.0.2.1:8000".parse().unwrap(),
    }
}

fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn judge(guard: &Guard, request: &Parts) -> Result<Admission, u16> {
    let verdict = guard.check(request, caller(), Instant::now());
    verdict.map_err(|refusal| refusal.error.status.as_u16())
}

/// What becomes of a `GET` with these headers and the Host that is reached.
fn get(guard: &Guard, headers: &[(&str, &str)]) -> Result<Admission, u16> {
    let host = [("host", "localhost:8000")];
    judge(
        guard,
        &request("GET", "/status", &[&host, headers].concat()),
    )
}

#[test]
fn only_names_of_this_server_reach_it() {
    let guard = Guard::new(&settings());
    let with = |host: &str| judge(&guard, &request("GET", "/metrics", &[("host", host)]));
    for host in [
        "localhost",
        "LocalHost:8000",
        "127.0.0.1:8000",
        "127.0.0.1:9",
        "127.8.8.8",
        "[::1]:8000",
        "[::ffff:127.0.0.1]",
        "192.0.2.1:8000",
        "prices.example.org",
        "PRICES.example.org:443",
        "alias.example.org",
    ] {
        assert_eq!(with(host), Ok(Admission::Pass), "{host}");
    }
    for host in [
        "evil.test",
        "localhost.evil.test",
        "localhost.",
        "evil.localhost",
        "192.0.2.2:8000",
        "0.0.0.0:8000",
        "[::]:8000",
        "127.0.0.1.evil.test",
        "127.0.0.1@evil.test",
        "localhost:x",
        "localhost, evil.test",
        "",
    ] {
        assert_eq!(with(host), Err(421), "{host}");
    }
}

#[test]
fn a_host_is_there_once_and_agrees_with_the_address() {
    let guard = Guard::default();
    let judge =
        |target: &str, headers: &[(&str, &str)]| judge(&guard, &request("GET", target, headers));
    assert_eq!(judge("/", &[]), Err(400));
    let host = ("host", "localhost");
    assert_eq!(judge("/", &[host, host]), Err(400));
    assert_eq!(judge("/", &[host, ("host", "evil.test")]), Err(400));
    assert_eq!(judge("http://localhost/", &[host]), Ok(Admission::Pass));
    assert_eq!(judge("http://evil.test/", &[host]), Err(421));
    assert_eq!(
        judge("http://localhost/", &[("host", "evil.test")]),
        Err(421)
    );
}

#[test]
fn only_pages_of_allowed_origins_may_ask() {
    let guard = Guard::new(&settings());
    for origin in [
        "http://localhost:8000",
        "HTTP://LOCALHOST:8000",
        "https://desk.example.org",
        "https://desk.example.org:443",
    ] {
        assert_eq!(
            get(&guard, &[("origin", origin)]),
            Ok(Admission::Pass),
            "{origin}"
        );
    }
    for origin in [
        "null",
        "",
        "http://evil.test",
        "http://localhost",
        "http://localhost:8001",
        "https://localhost:8000",
        "http://127.0.0.1:8000",
        "http://localhost.evil.test:8000",
        "http://evil.test/localhost:8000",
        "http://localhost:8000.evil.test",
        "http://LOCALHOST.EVIL.TEST:8000",
        "http://localhost:8000@evil.test",
        "http://localhost:8000/",
        "http://localhost:8000 http://evil.test",
        "http://desk.example.org",
        "https://desk.example.org:8443",
        "https://evil-desk.example.org",
        "file://",
        "localhost:8000",
    ] {
        assert_eq!(get(&guard, &[("origin", origin)]), Err(403), "{origin}");
    }
    let own = ("origin", "http://localhost:8000");
    assert_eq!(get(&guard, &[own, own]), Err(403));
}

#[test]
fn pictures_and_frames_in_other_sites_are_refused_and_links_are_not() {
    let guard = Guard::default();
    let fetch = |site: &str, dest: &str| {
        get(
            &guard,
            &[("sec-fetch-site", site), ("sec-fetch-dest", dest)],
        )
    };
    assert_eq!(fetch("cross-site", "image"), Err(403));
    assert_eq!(fetch("same-site", "iframe"), Err(403));
    assert_eq!(fetch("cross-site", "document"), Ok(Admission::Pass));
    assert_eq!(fetch("same-origin", "empty"), Ok(Admission::Pass));
    assert_eq!(fetch("none", "document"), Ok(Admission::Pass));
}

#[test]
fn what_changes_something_is_sent_as_json() {
    let guard = Guard::default();
    let send = |method: &str, target: &str, kind: Option<&str>| {
        let host = ("host", "localhost");
        let kind = kind.map(|kind| ("content-type", kind));
        let headers: Vec<_> = [host].into_iter().chain(kind).collect();
        judge(&guard, &request(method, target, &headers))
    };
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let to = |kind| send(method, "/api/v1/alerts", kind);
        assert_eq!(to(Some("application/json")), Ok(Admission::Pass));
        assert_eq!(
            to(Some("Application/JSON; charset=utf-8")),
            Ok(Admission::Pass)
        );
        for kind in [
            None,
            Some(""),
            Some("text/plain"),
            Some("text/plain; application/json"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonp"),
            Some("application/x-ndjson"),
        ] {
            assert_eq!(to(kind), Err(415), "{method} {kind:?}");
        }
    }
    assert_eq!(
        send("POST", INGEST, Some("application/x-ndjson")),
        Ok(Admission::Pass)
    );
    assert_eq!(send("POST", INGEST, Some("text/plain")), Err(415));
    assert_eq!(send("GET", "/status", None), Ok(Admission::Pass));
}

#[test]
fn with_a_token_nothing_is_told_without_it() {
    let guard = with_token();
    for target in [
        "/",
        "/health",
        "/status",
        "/metrics",
        "/ws",
        "/assets/app.js",
        "/nowhere",
    ] {
        let request = request("GET", target, &[("host", "localhost")]);
        assert_eq!(judge(&guard, &request), Err(401), "{target}");
    }
    let with = |value: &str| get(&guard, &[("authorization", value)]);
    assert_eq!(with(&format!("Bearer {TOKEN}")), Ok(Admission::Pass));
    assert_eq!(with(&format!("bearer  {TOKEN} ")), Ok(Admission::Pass));
    assert_eq!(with(&format!("Basic {TOKEN}")), Err(401));
    assert_eq!(with(TOKEN), Err(401));
    assert_eq!(with("Bearer "), Err(401));
    assert_eq!(with(&format!("Bearer {TOKEN}0")), Err(401));
    assert_eq!(with(&format!("Bearer {}", &TOKEN[1..])), Err(401));
}

#[test]
fn a_browser_brings_the_token_to_the_page_once_and_then_has_a_cookie() {
    let guard = with_token();
    let host = ("host", "localhost:8000");
    let login = request("GET", &format!("/?token={TOKEN}"), &[host]);
    let Ok(Admission::Login(cookie)) = judge(&guard, &login) else {
        panic!("the token is right");
    };
    assert!(cookie.starts_with("tickwire_8000="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains(TOKEN), "{cookie}");

    let pair = cookie.split(';').next().unwrap();
    assert_eq!(get(&guard, &[("cookie", pair)]), Ok(Admission::Pass));
    let among = format!("a=b; {pair}; tickwire_80=x");
    assert_eq!(get(&guard, &[("cookie", &among)]), Ok(Admission::Pass));
    let other_port = pair.replace("8000", "8001");
    assert_eq!(get(&guard, &[("cookie", &other_port)]), Err(401));
    assert_eq!(
        get(&guard, &[("cookie", &format!("tickwire_8000={TOKEN}"))]),
        Err(401)
    );

    for target in [
        format!("/status?token={TOKEN}"),
        format!("/ws?token={TOKEN}"),
    ] {
        let request = request("GET", &target, &[host]);
        assert_eq!(judge(&guard, &request), Err(401), "{target}");
    }
    let post = request(
        "POST",
        &format!("/?token={TOKEN}"),
        &[host, ("content-type", "application/json")],
    );
    assert_eq!(judge(&guard, &post), Err(401));
}

#[test]
fn a_wrong_cookie_is_taken_away() {
    let guard = with_token();
    let headers = [("host", "localhost"), ("cookie", "tickwire_8000=old")];
    let refusal = guard
        .check(&request("GET", "/", &headers), caller(), Instant::now())
        .unwrap_err();
    assert_eq!(refusal.error.status, 401);
    let forget = refusal.forget.unwrap();
    assert!(
        forget.starts_with("tickwire_8000=;") && forget.ends_with("Max-Age=0"),
        "{forget}"
    );
}

#[test]
fn five_wrong_tokens_close_the_door_for_the_rest_of_the_minute() {
    let guard = with_token();
    let start = Instant::now();
    let ask = |token: Option<&str>, seconds: u64| {
        let value = token.map(|token| format!("Bearer {token}"));
        let header = value.iter().map(|value| ("authorization", value.as_str()));
        let headers: Vec<_> = [("host", "localhost")].into_iter().chain(header).collect();
        let now = start + Duration::from_secs(seconds);
        guard.check(&request("GET", "/status", &headers), caller(), now)
    };
    for n in 0..5 {
        // Whoever shows none does not guess.
        assert_eq!(ask(None, n).unwrap_err().error.status, 401);
        assert_eq!(ask(Some("wrong"), n).unwrap_err().error.status, 401);
    }
    for token in ["wrong", TOKEN] {
        let refusal = ask(Some(token), 20).unwrap_err();
        assert_eq!(refusal.error.status, 429);
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(40)));
    }
    assert_eq!(ask(None, 20).unwrap_err().error.status, 401);
    assert_eq!(ask(Some(TOKEN), 60), Ok(Admission::Pass));
}

#[test]
fn an_address_that_asks_too_often_waits() {
    let limits = Limits {
        requests_per_second: 1,
        ..Limits::default()
    };
    let guard = Guard::new(&ServerSettings {
        limits,
        ..settings()
    });
    let request = request("GET", "/status", &[("host", "localhost")]);
    let now = Instant::now();
    for n in 0..10 {
        assert_eq!(
            guard.check(&request, caller(), now),
            Ok(Admission::Pass),
            "{n}"
        );
    }
    let refusal = guard.check(&request, caller(), now).unwrap_err();
    assert_eq!(
        (refusal.error.status.as_u16(), refusal.error.code),
        (429, "rate_limited")
    );
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(1)));
    let other = Caller {
        peer: "192.0.2.10:1".parse().unwrap(),
        ..caller()
    };
    assert_eq!(guard.check(&request, other, now), Ok(Admission::Pass));
}

#[test]
fn rules_that_change_hold_from_the_next_request_on() {
    let guard = Guard::default();
    assert!(!guard.has_token());
    assert_eq!(get(&guard, &[]), Ok(Admission::Pass));
    let token = Some(TOKEN.to_owned());
    guard.set(&ServerSettings {
        token,
        ..settings()
    });
    assert!(guard.has_token());
    assert_eq!(get(&guard, &[]), Err(401));
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("host", "alias.example.org"),
    ];
    assert_eq!(
        judge(&guard, &request("GET", "/", &headers)),
        Ok(Admission::Pass)
    );
}

#[test]
fn whatever_other_machines_reach_needs_a_token() {
    let bind = |host: &str, token: Option<&str>| {
        check_bind(&ServerSettings {
            host: host.into(),
            token: token.map(str::to_owned),
            ..ServerSettings::default()
        })
    };
    for host in [
        "127.0.0.1",
        "127.0.0.2",
        "localhost",
        "LOCALHOST",
        "::1",
        "[::1]",
    ] {
        assert_eq!(bind(host, None), Ok(()), "{host}");
    }
    for host in [
        "0.0.0.0",
        "::",
        "192.0.2.1",
        "example.org",
        "localhost.evil.test",
        "127.1",
        "",
    ] {
        let message = bind(host, None).unwrap_err();
        assert!(message.contains("needs server.token"), "{message}");
        assert_eq!(bind(host, Some(TOKEN)), Ok(()), "{host}");
    }
    for host in ["127.0.0.1", "0.0.0.0"] {
        let message = bind(host, Some("swordfish")).unwrap_err();
        assert!(
            message.contains("at least 16") && !message.contains("swordfish"),
            "{message}"
        );
    }
}

#[test]
fn entries_that_would_allow_nothing_are_refused_at_the_start() {
    let hosts = ServerSettings {
        allowed_hosts: vec!["https://example.org".into()],
        ..ServerSettings::default()
    };
    assert!(check_bind(&hosts).unwrap_err().contains("allowed_hosts"));
    for origin in ["*", "null", "example.org", "https://example.org/"] {
        let origins = ServerSettings {
            allowed_origins: vec![origin.into()],
            ..ServerSettings::default()
        };
        assert!(
            check_bind(&origins)
                .unwrap_err()
                .contains("allowed_origins"),
            "{origin}"
        );
    }
}

#[test]
fn no_form_of_the_token_is_shown() {
    let guard = with_token();
    let shown = format!("{guard:?}");
    assert!(!shown.contains(TOKEN), "{shown}");
    assert!(!shown.contains(Token::new(TOKEN).cookie()), "{shown}");
}
