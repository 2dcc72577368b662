//! Webhooks: what is posted, when it is tried again, where it never goes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::{Action, ActionError, Runner, Template, Webhook};
use super::{firing, within};
use crate::net::{ProxyRules, Tls, WebhookUrl};

/// A receiver on loopback that gives each request the next of its answers.
struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// The last answer is given again and again; an empty one is never given: the request hangs.
    async fn start(answers: &[&str]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
        answers.reverse();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut hanging = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else {
                    continue;
                };
                log.lock().unwrap().push(request);
                let answer = match &answers[..] {
                    [last] => last.clone(),
                    _ => answers.pop().unwrap(),
                };
                if answer.is_empty() {
                    hanging.push(stream);
                } else {
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            }
        });
        Receiver { address, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// An action named `chat`, whose address holds a secret.
    fn webhook(&self) -> Webhook {
        let url = format!("http://{}/canary?key=canary", self.address);
        Webhook::new(Some("chat"), WebhookUrl::parse(&url).unwrap())
    }
}

/// A head and the body that it announces.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(request).ok()?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8(body).ok()?)
}

fn status(line: &str) -> String {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n")
}

async fn run(webhook: Webhook, message: &str) -> Result<(), ActionError> {
    let runner = Runner {
        waits: vec![Duration::from_millis(10); 2],
        ..Runner::new(ProxyRules::none(), Tls::new())
    };
    let action = Action::Webhook(webhook);
    within(runner.run(&action, &firing(message))).await
}

fn header<'a>(request: &'a str, name: &str) -> Vec<&'a str> {
    let head = request.split("\r\n\r\n").next().unwrap();
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .collect()
}

fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn the_event_is_posted_as_json_with_its_id_as_the_key() {
    let receiver = Receiver::start(&[&status("204 No Content")]).await;
    run(receiver.webhook(), "up").await.unwrap();
    let seen = receiver.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].starts_with("POST /canary?key=canary HTTP/1.1\r\n"));
    assert_eq!(body(&seen[0]), firing("up").json);
    assert_eq!(header(&seen[0], "content-type"), ["application/json"]);
    assert_eq!(header(&seen[0], "idempotency-key"), ["id-7"]);
    assert_eq!(header(&seen[0], "user-agent"), [crate::net::USER_AGENT]);
}

#[tokio::test]
async fn a_template_is_the_body_and_headers_are_sent_along_but_never_in_place_of_the_key() {
    let receiver = Receiver::start(&[&status("200 OK")]).await;
    let template = |text| Some(Template::parse(text).unwrap());
    let mut webhook = receiver.webhook();
    webhook.template = template(r#"{"text":"{{message}}","price":{{price}}}"#);
    let headers = [
        ("authorization", "Bearer canary"),
        ("idempotency-key", "fixed"),
    ];
    webhook.headers = headers.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    assert!(!format!("{webhook:?}").contains("canary"));
    run(webhook, "\",\"admin\":true,\"x\":\"").await.unwrap();

    let mut webhook = receiver.webhook();
    webhook.template = template("{{symbol}}: {{message}}");
    run(webhook.clone(), "a\r\nb").await.unwrap();
    webhook
        .headers
        .insert("content-type".into(), "text/markdown".into());
    run(webhook, "up").await.unwrap();

    let seen = receiver.seen();
    let text = r#"{"text":"\",\"admin\":true,\"x\":\"","price":50000.10}"#;
    assert_eq!(body(&seen[0]), text);
    assert_eq!(header(&seen[0], "content-type"), ["application/json"]);
    assert_eq!(header(&seen[0], "authorization"), ["Bearer canary"]);
    assert_eq!(header(&seen[0], "idempotency-key"), ["id-7"]);
    assert_eq!(body(&seen[1]), "BTC/USD: a \nb");
    assert_eq!(
        header(&seen[1], "content-type"),
        ["text/plain; charset=utf-8"]
    );
    assert_eq!(header(&seen[2], "content-type"), ["text/markdown"]);
}

#[tokio::test]
async fn a_receiver_in_trouble_is_tried_again_with_the_same_key() {
    for trouble in [
        "500 Oops",
        "503 Busy",
        "408 Slow",
        "425 Early",
        "429 Too Many\r\nRetry-After: 0",
        "429 Too Many\r\nRetry-After: 1",
    ] {
        let receiver = Receiver::start(&[&status(trouble), &status("200 OK")]).await;
        run(receiver.webhook(), "up").await.unwrap();
        let seen = receiver.seen();
        assert_eq!(seen.len(), 2, "{trouble}");
        assert_eq!(
            header(&seen[0], "idempotency-key"),
            header(&seen[1], "idempotency-key")
        );
        assert_eq!(body(&seen[0]), body(&seen[1]));
    }
}

#[tokio::test]
async fn after_three_tries_it_is_left_to_a_later_run() {
    let receiver = Receiver::start(&[&status("502 Bad Gateway")]).await;
    let error = run(receiver.webhook(), "up").await.unwrap_err();
    assert_eq!(receiver.seen().len(), 3);
    let address = receiver.address;
    let message = format!("webhook `chat`: http://{address}: HTTP 502 Bad Gateway");
    assert_eq!((error.message, error.retryable), (message, true));

    let patient = status("429 Too Many Requests\r\nRetry-After: 3600");
    let receiver = Receiver::start(&[&patient]).await;
    let error = run(receiver.webhook(), "up").await.unwrap_err();
    assert_eq!(receiver.seen().len(), 1, "an hour is not waited for");
    assert!(
        error.retryable && error.message.ends_with("(retry after 3600 s)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_redirect_is_final_and_its_target_never_contacted() {
    let target = Receiver::start(&[&status("200 OK")]).await;
    for code in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
    ] {
        let location = format!("{code}\r\nLocation: http://{}/", target.address);
        let receiver = Receiver::start(&[&status(&location)]).await;
        let error = run(receiver.webhook(), "up").await.unwrap_err();
        assert_eq!(receiver.seen().len(), 1);
        assert!(!error.retryable && error.hint.is_some());
        assert!(
            error.message.ends_with("redirects are not followed"),
            "{error}"
        );
    }
    assert!(target.seen().is_empty());
}

#[tokio::test]
async fn a_refusal_is_final() {
    for code in [
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "410 Gone",
    ] {
        let receiver = Receiver::start(&[&status(code)]).await;
        let error = run(receiver.webhook(), "up").await.unwrap_err();
        assert_eq!(receiver.seen().len(), 1);
        assert!(!error.retryable && error.message.ends_with(code), "{error}");
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_or_is_not_there_ends_by_itself() {
    let receiver = Receiver::start(&["", &status("200 OK")]).await;
    let mut webhook = receiver.webhook();
    webhook.timeout = Duration::from_secs(1);
    run(webhook, "up").await.unwrap();
    assert_eq!(receiver.seen().len(), 2);

    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let url = WebhookUrl::parse(&format!("http://{closed}/canary")).unwrap();
    let error = run(Webhook::new(None, url), "up").await.unwrap_err();
    assert_eq!(
        error.message,
        format!("webhook: {closed}: connection refused")
    );
    assert!(error.retryable);
}

#[tokio::test]
async fn an_answer_without_end_is_an_answer() {
    let endless = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx";
    let receiver = Receiver::start(&[endless]).await;
    run(receiver.webhook(), "up").await.unwrap();
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn no_field_of_a_firing_can_add_a_header() {
    let receiver = Receiver::start(&[&status("200 OK")]).await;
    let runner = Runner::new(ProxyRules::none(), Tls::new());
    let mut evil = firing("up");
    evil.id = "1\r\nX-Admin: yes".into();
    let action = Action::Webhook(receiver.webhook());
    let error = within(runner.run(&action, &evil)).await.unwrap_err();
    assert!(!error.retryable);
    evil.id = "1".into();
    evil.name = "a\r\nX-Admin: yes".into();
    evil.symbol = evil.name.clone();
    within(runner.run(&action, &evil)).await.unwrap();
    let seen = receiver.seen();
    assert_eq!(seen.len(), 1);
    assert!(header(&seen[0], "x-admin").is_empty());
}
