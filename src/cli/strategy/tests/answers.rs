//! What a program says, and what is made of it.

use super::*;

fn known() -> Known {
    known_at(Pace::Live)
}

fn known_at(pace: Pace) -> Known {
    let mut known = Known::new("mine", &[market("kraken")], pace);
    known.see(Glimpse::of(&candle(market("kraken"), 4, "97000.10")).unwrap());
    known
}

fn line(text: &str) -> Line {
    Line {
        text: text.to_owned(),
        is_cut: false,
    }
}

#[test]
fn what_is_missing_is_filled_in() {
    let signal = known().signal(&line(r#"{"side":"buy","symbol":"BTC/USD"}"#));
    let expected = Signal {
        strategy: "mine".into(),
        market: market("kraken"),
        side: SignalSide::Buy,
        price: Some("97000.10".parse().unwrap()),
        values: Vec::new(),
        timestamp: minute(5),
    };
    assert_eq!(signal, Ok(Some(expected.clone())));
    // With one market there is no doubt about which.
    assert_eq!(
        known().signal(&line(r#"{"side":"buy"}"#)),
        Ok(Some(expected))
    );
}

#[test]
fn a_signal_that_comes_late_has_the_price_of_its_time() {
    let mut known = known();
    for later in 5..3_000 {
        known.see(Glimpse::of(&candle(market("kraken"), later, "1")).unwrap());
    }
    let late = r#"{"side":"sell","timestamp":"1970-01-01T00:05:30Z"}"#;
    let signal = known.signal(&line(late)).unwrap().unwrap();
    assert_eq!(signal.price.unwrap().to_string(), "97000.10");
    // Before all that is known there is no price.
    let older = r#"{"side":"sell","timestamp":"1970-01-01T00:04:30Z"}"#;
    assert_eq!(known.signal(&line(older)).unwrap().unwrap().price, None);
}

#[test]
fn over_history_a_signal_has_the_time_of_an_event() {
    let mut known = known_at(Pace::Backtest);
    // In the order of several lengths, which need not be that of time.
    for minute in [6, 8, 7] {
        known.see(Glimpse::of(&candle(market("kraken"), minute, "1")).unwrap());
    }
    for minute in [5, 7, 8, 9] {
        let text = format!(r#"{{"side":"buy","timestamp":"1970-01-01T00:0{minute}:00Z"}}"#);
        let signal = known.signal(&line(&text)).unwrap().unwrap();
        assert_eq!(signal.timestamp, self::minute(minute));
    }
    for (time, kind, message) in [
        (
            r#""timestamp":"1970-01-01T00:06:00Z""#,
            "between",
            "that of no event that was sent",
        ),
        (
            r#""timestamp":"1970-01-01T00:04:00Z""#,
            "between",
            "that of no event that was sent",
        ),
        (
            r#""timestamp":"1970-01-01T00:10:00Z""#,
            "future",
            "later than the last event",
        ),
        (r#""timestamp":null"#, "untimed", "it has no `timestamp`"),
    ] {
        let text = format!(r#"{{"side":"buy",{time}}}"#);
        let fault = known.signal(&line(&text)).unwrap_err();
        assert_eq!(fault.kind, kind, "{time}");
        assert!(fault.message.contains(message), "{}", fault.message);
        let has_hint = fault.message.contains("the close_time of the candle");
        assert_eq!(has_hint, kind != "future", "{}", fault.message);
    }
}

#[test]
fn what_is_given_is_taken_with_its_digits() {
    let text = r#"{"type":"signal","side":"exit","symbol":"btc/usd","exchange":"kraken","price":96999.90,
        "values":{"p":0.250,"long":0.12345678901234567890123456789012345,"why":"x","ok":true,"none":null,"list":[1]},
        "timestamp":"1970-01-01T00:04:30Z","more":1}"#;
    let signal = known().signal(&line(text)).unwrap().unwrap();
    assert_eq!(signal.side, SignalSide::Exit);
    assert_eq!(signal.price.unwrap().to_string(), "96999.90");
    assert_eq!(signal.timestamp, Timestamp::from_nanos(MINUTE * 9 / 2));
    let mut json = Vec::new();
    let event = Event::Signal(Arc::new(signal));
    crate::model::JsonWriter::default().write(&event, &mut json);
    let json = String::from_utf8(json).unwrap();
    let values = r#""values":{"list":"[1]","long":0.12345678901234"#;
    assert!(json.contains(values), "{json}");
    let rest = r#""none":null,"ok":true,"p":0.250,"why":"x"}"#;
    assert!(json.contains(rest), "{json}");
}

#[test]
fn what_is_no_signal_is_told_by_its_kind() {
    for (text, kind, message) in [
        ("buy BTC", "json", "not a JSON object of a signal"),
        ("[1]", "json", "not a JSON object of a signal"),
        (r#"{"side":"hold"}"#, "side", "none of buy, sell, exit"),
        (r#"{"symbol":"BTC/USD"}"#, "side", "none of buy, sell, exit"),
        (
            r#"{"side":"buy","symbol":"ETH/USD"}"#,
            "market",
            "of no market here (kraken:BTC/USD)",
        ),
        (
            r#"{"side":"buy","exchange":"binance"}"#,
            "market",
            "of no market here (kraken:BTC/USD)",
        ),
        (
            r#"{"side":"buy","price":"97000"}"#,
            "price",
            "its `price`: not a decimal number",
        ),
        (
            r#"{"side":"buy","timestamp":"now"}"#,
            "timestamp",
            "not RFC 3339",
        ),
        (
            r#"{"side":"buy","timestamp":"1970-01-01T00:05:01Z"}"#,
            "future",
            "later than the last event, 1970-01-01T00:05:00.000000Z",
        ),
    ] {
        let fault = known().signal(&line(text)).unwrap_err();
        assert_eq!(fault.kind, kind, "{text}");
        assert!(fault.message.contains(message), "{}", fault.message);
    }
    let mut cut = line("{");
    cut.is_cut = true;
    assert_eq!(known().signal(&cut).unwrap_err().kind, "long");
    let early = Known::new("mine", &[market("kraken")], Pace::Live);
    let fault = early.signal(&line(r#"{"side":"buy"}"#)).unwrap_err();
    assert_eq!(fault.kind, "early");
}

#[test]
fn other_types_and_empty_lines_are_nobodys_business() {
    for text in ["", "  ", r#"{"type":"log","text":"x"}"#] {
        assert_eq!(known().signal(&line(text)), Ok(None), "{text}");
    }
}

#[test]
fn the_exchange_decides_where_the_symbol_cannot() {
    let mut known = known();
    // Whoever stands in was not there from the beginning.
    known.see(Glimpse::of(&candle(market("binance"), 4, "97001")).unwrap());
    let fault = known.signal(&line(r#"{"side":"buy","symbol":"BTC/USD"}"#));
    assert_eq!(fault.unwrap_err().kind, "markets");
    let text = r#"{"side":"buy","symbol":"BTC/USD","exchange":"binance"}"#;
    let signal = known.signal(&line(text)).unwrap().unwrap();
    assert_eq!(signal.market, market("binance"));
    assert_eq!(signal.price.unwrap().to_string(), "97001");
}

#[tokio::test]
async fn lines_are_bounded_and_the_next_is_whole() {
    let text = format!(
        "a\r\n{}\n\n{}\nend",
        "x".repeat(LINE_MAX),
        "y".repeat(3 * LINE_MAX)
    );
    // In pieces: a line may come in several.
    let (mut sender, receiver) = tokio::io::duplex(1_000);
    let send = async move {
        tokio::io::AsyncWriteExt::write_all(&mut sender, text.as_bytes())
            .await
            .unwrap();
    };
    let receive = async {
        let mut lines = Lines::new(receiver);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push((line.text.len(), line.is_cut));
        }
        found
    };
    let ((), found) = tokio::join!(send, receive);
    let expected = [
        (1, false),
        (LINE_MAX, false),
        (0, false),
        (LINE_MAX, true),
        (3, false),
    ];
    assert_eq!(found, expected);
}
