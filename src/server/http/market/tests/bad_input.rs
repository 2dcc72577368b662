//! What is wrong is refused, and named.

use super::*;

#[tokio::test(start_paused = true)]
async fn bad_input_is_refused_and_named() {
    let (source, shared) = server("bad-input").await;
    source.fail(ProviderError::Unreachable(
        "secret.example: no route".into(),
    ));
    let long = "X".repeat(65);
    let long = format!("GET /prices?symbol={long}");
    for (what, status, code, names) in [
        (
            "GET /prices?symbol=BTX",
            422,
            "unknown_symbol",
            "did you mean BTC/USD",
        ),
        (
            "GET /prices?symbol=BTC,NOSUCHTHING",
            422,
            "unknown_symbol",
            "NOSUCHTHING",
        ),
        (&long, 422, "unknown_symbol", "XXX"),
        ("GET /prices?symbol=%00", 422, "unknown_symbol", "no symbol"),
        (
            "GET /prices?symbol=nowhere:BTC",
            422,
            "unknown_provider",
            "there are bad-input",
        ),
        (
            "GET /prices?provider=nowhere",
            422,
            "unknown_provider",
            "nowhere",
        ),
        ("GET /prices?symbols=BTC", 400, "bad_request", "`symbols`"),
        (
            "GET /prices?symbol=BTC",
            503,
            "unavailable",
            "cannot be reached",
        ),
        ("GET /candles", 400, "bad_request", "`symbol`"),
        ("GET /candles?symbol=", 400, "bad_request", "`symbol`"),
        (
            "GET /candles?symbol=BTC&interval=1M",
            400,
            "bad_request",
            "meant 1m?",
        ),
        (
            "GET /candles?symbol=BTC&interval=7m",
            400,
            "bad_request",
            "7m",
        ),
        ("GET /candles?symbol=BTC&limit=0", 400, "bad_request", "`0`"),
        (
            "GET /candles?symbol=BTC&limit=1001",
            400,
            "bad_request",
            "from 1 to 1000",
        ),
        (
            "GET /candles?symbol=BTC&limit=abc",
            400,
            "bad_request",
            "abc",
        ),
        ("GET /candles?symbol=BTC&limit=-1", 400, "bad_request", "-1"),
        (
            "GET /candles?symbol=BTC&limit=5&limit=6",
            400,
            "bad_request",
            "twice",
        ),
        (
            "GET /candles?symbol=BTC&from=yesterday",
            400,
            "bad_request",
            "yesterday",
        ),
        (
            "GET /candles?symbol=BTC&from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
            400,
            "bad_request",
            "not before",
        ),
        (
            "GET /candles?symbol=NOSUCHTHING",
            422,
            "unknown_symbol",
            "NOSUCHTHING",
        ),
        ("GET /trades", 400, "bad_request", "`symbol`"),
        (
            "GET /trades?symbol=BTC&limit=0",
            400,
            "bad_request",
            "`limit`",
        ),
        (
            "GET /trades?symbol=BTC&limit=1001",
            400,
            "bad_request",
            "1000",
        ),
        (
            "GET /trades?symbol=BTC&after_id=x",
            400,
            "bad_request",
            "`after_id`",
        ),
        (
            "GET /trades?symbol=BTC&before=1",
            400,
            "bad_request",
            "`before`",
        ),
        (
            "GET /trades?symbol=NOSUCHTHING",
            422,
            "unknown_symbol",
            "NOSUCHTHING",
        ),
        ("GET /streams?x=1", 400, "bad_request", "`x`"),
        ("POST /streams", 400, "bad_request", "body"),
        ("POST /streams [1]", 400, "bad_request", "body"),
        ("POST /streams {\"type\":7}", 400, "bad_request", "string"),
        (
            "POST /streams {\"symbol\":\"BTC\"}",
            400,
            "bad_request",
            "`type`",
        ),
        (
            "POST /streams {\"type\":\"ticker\"}",
            400,
            "bad_request",
            "`symbols`",
        ),
        (
            "POST /streams {\"type\":\"ticker\",\"symbols\":[]}",
            400,
            "bad_request",
            "symbol",
        ),
        (
            "POST /streams {\"type\":\"tock\",\"symbol\":\"BTC\"}",
            400,
            "bad_request",
            "tock",
        ),
        (
            "POST /streams {\"type\":\"book\",\"symbol\":\"BTC\"}",
            422,
            "unsupported",
            "book",
        ),
        (
            "POST /streams {\"type\":\"ticker\",\"symbol\":\"BTC\",\"url\":\"http://x\"}",
            400,
            "bad_request",
            "`url`",
        ),
        (
            "POST /streams {\"type\":\"candles\",\"symbol\":\"BTC\",\"interval\":\"2m\"}",
            400,
            "bad_request",
            "2m",
        ),
        (
            "POST /streams {\"type\":\"ticker\",\"symbol\":\"BTC\",\"interval\":\"1m\"}",
            400,
            "bad_request",
            "`interval`",
        ),
        (
            "POST /streams {\"type\":\"ticker\",\"symbol\":\"NOSUCHTHING\"}",
            422,
            "unknown_symbol",
            "NOSUCHTHING",
        ),
        (
            "POST /streams {\"type\":\"ticker\",\"symbol\":\"BTC\",\"provider\":\"nowhere\"}",
            422,
            "unknown_provider",
            "nowhere",
        ),
        (
            "POST /streams {\"type\":\"custom\"}",
            400,
            "bad_request",
            "`name`",
        ),
        (
            "POST /streams {\"type\":\"custom\",\"name\":\"x\"}",
            404,
            "not_found",
            "`x`",
        ),
        (
            "POST /streams {\"type\":\"custom\",\"name\":\"x\",\"symbol\":\"BTC\"}",
            400,
            "bad_request",
            "`symbol`",
        ),
        ("DELETE /streams/nothing", 404, "not_found", "no stream"),
        ("POST /streams/nothing/start", 404, "not_found", "no stream"),
        ("POST /streams/nothing/stop", 404, "not_found", "no stream"),
        (
            "DELETE /streams/..%2f..%2fetc",
            404,
            "not_found",
            "no stream",
        ),
        (
            "GET /symbols?provider=nowhere",
            422,
            "unknown_provider",
            "nowhere",
        ),
        ("GET /symbols?q=x", 400, "bad_request", "`q`"),
        ("POST /symbols {}", 400, "bad_request", "`symbols`"),
        (
            "POST /symbols {\"symbols\":\"BTC\"}",
            400,
            "bad_request",
            "sequence",
        ),
        (
            "POST /symbols {\"symbols\":[]}",
            400,
            "bad_request",
            "symbol",
        ),
        (
            "POST /symbols {\"symbols\":[\"BTC\"],\"exec\":[]}",
            400,
            "bad_request",
            "`exec`",
        ),
        (
            "POST /symbols {\"symbols\":[\"NOSUCHTHING\"]}",
            422,
            "unknown_symbol",
            "NOSUCH",
        ),
        (
            "DELETE /symbols {\"symbols\":[\"NOSUCHTHING\"]}",
            422,
            "unknown_symbol",
            "NOSUCH",
        ),
        ("DELETE /symbols nonsense", 400, "bad_request", "body"),
    ] {
        let (got, body) = ask(&shared, what).await;
        assert_eq!(got.as_u16(), status, "{what}: {body}");
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(value["error"]["code"], code, "{what}: {body}");
        let message = value["error"]["message"].as_str().unwrap();
        assert!(message.contains(names), "{what}: {message}");
        assert!(!body.contains("secret.example"), "{what}: {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_that_nobody_lists_leave_no_trace() {
    let (source, shared) = server("no-trace").await;
    for n in 0..200 {
        let (status, _) = ask(&shared, &format!("GET /prices?symbol=NOSUCH{n}/USD")).await;
        assert_eq!(status.as_u16(), 422);
    }
    // Markets are numbered as they are made.
    let later = source.market("LATER", "USD");
    assert!(source.market("NOSUCH0", "USD").index() > later.index());
    assert_eq!(fine(&shared, "GET /streams").await, "{\"streams\":[]}");
}
