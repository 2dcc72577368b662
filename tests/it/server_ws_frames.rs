//! Frame by frame over a socket of our own: what the server does with what no library would send.

use tickwire::config::Limits;

use super::server_ws_support::{Raw, Server, UPGRADE, handshake, masked, text};

const PING: &str = r#"{"type":"ping","data":{"n":1.10}}"#;

/// What has to follow.
#[derive(Debug)]
enum Then {
    /// A close frame with this code.
    Close(u16),
    /// A close frame without a code.
    CloseEmpty,
    /// A message of this type, and the connection goes on.
    Message(&'static str),
    /// Nothing, and the connection goes on.
    Nothing,
}

use Then::*;

/// First byte: FIN and opcode.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING_FRAME: u8 = 0x89;
const PONG_FRAME: u8 = 0x8a;

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    masked(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// A frame whose header says this length, and nothing after it.
fn header(first: u8, length: &[u8]) -> Vec<u8> {
    [&[first], length, &[1, 2, 3, 4]].concat()
}

async fn check(server: &Server, cases: Vec<(&str, Vec<u8>, Then)>) {
    for (name, bytes, then) in cases {
        let mut raw = Raw::connect(server).await;
        raw.send(&bytes).await;
        match then {
            Close(code) => {
                let payload = raw.close().await;
                let got = payload.as_deref().and_then(|p| p.first_chunk::<2>());
                assert_eq!(got.map(|c| u16::from_be_bytes(*c)), Some(code), "{name}");
                let reason = payload.unwrap_or_default().split_off(2);
                assert!(reason.len() <= 123, "{name}");
            }
            CloseEmpty => assert_eq!(raw.close().await, Some(vec![]), "{name}"),
            Message(kind) => {
                let message = raw.message().await;
                assert_eq!(
                    message.map(|m| m["type"].clone()),
                    Some(kind.into()),
                    "{name}"
                );
                is_alive(&mut raw, name).await;
            }
            Nothing => is_alive(&mut raw, name).await,
        }
    }
}

async fn is_alive(raw: &mut Raw, name: &str) {
    raw.send(&text(r#"{"type":"ping","data":"alive"}"#)).await;
    let message = raw.message().await;
    assert_eq!(
        message.map(|m| m["data"].clone()),
        Some("alive".into()),
        "{name}"
    );
}

#[tokio::test]
async fn frames_that_are_right_are_taken_in_whatever_pieces_they_come() {
    let server = Server::start(Limits::default()).await;
    let (head, tail) = PING.split_at(9);
    let (a, b) = (head.as_bytes(), tail.as_bytes());
    let e = "\u{e9}".as_bytes();
    let bad_json_in_two = [
        masked(0x01, &[b"\"", &e[..1]].concat()),
        masked(0x80, &[&e[1..], b"\""].concat()),
    ];
    let mut unmasked_by_zero = vec![TEXT, 0x80 | PING.len() as u8, 0, 0, 0, 0];
    unmasked_by_zero.extend_from_slice(PING.as_bytes());
    let mut long_length = vec![TEXT, 0x80 | 126, 0, PING.len() as u8, 0, 0, 0, 0];
    long_length.extend_from_slice(PING.as_bytes());
    let cases = vec![
        ("one text", text(PING), Message("pong")),
        (
            "a text in two parts",
            [masked(0x01, a), masked(0x80, b)].concat(),
            Message("pong"),
        ),
        (
            "parts without content",
            [
                masked(0x01, b""),
                masked(0x00, b""),
                masked(0x80, PING.as_bytes()),
            ]
            .concat(),
            Message("pong"),
        ),
        (
            "a ping between two parts",
            [masked(0x01, a), masked(PING_FRAME, b"x"), masked(0x80, b)].concat(),
            Message("pong"),
        ),
        (
            "a character in two parts",
            bad_json_in_two.concat(),
            Message("error"),
        ),
        ("a mask of zeros", unmasked_by_zero, Message("pong")),
        ("a length longer than needed", long_length, Message("pong")),
        ("an empty text", masked(TEXT, b""), Message("error")),
        (
            "a pong that nobody asked for",
            masked(PONG_FRAME, b"x"),
            Nothing,
        ),
        ("an empty pong", masked(PONG_FRAME, b""), Nothing),
        (
            "a text as long as is allowed",
            masked(TEXT, &vec![b' '; 65_536]),
            Message("error"),
        ),
        (
            "a NUL in a text",
            masked(TEXT, b"{\"type\":\"ping\"}\0"),
            Message("error"),
        ),
        (
            "more digits than a float has",
            text(r#"{"type":"ping","data":0.10000000000000000000000000001}"#),
            Message("pong"),
        ),
        (
            "JSON nested without end",
            text(&"[".repeat(60_000)),
            Message("error"),
        ),
    ];
    check(&server, cases).await;

    let mut raw = Raw::connect(&server).await;
    for byte in text(PING) {
        raw.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(raw.message().await.unwrap()["type"], "pong", "byte by byte");
    raw.send(&[text(PING), text(PING), text(PING)].concat())
        .await;
    for seq in 3..6 {
        let message = raw.message().await.unwrap();
        assert_eq!(
            (&message["type"], &message["seq"]),
            (&"pong".into(), &seq.into())
        );
    }
}

#[tokio::test]
async fn pings_are_answered_with_what_they_brought() {
    let server = Server::start(Limits::default()).await;
    let mut raw = Raw::connect(&server).await;
    for payload in [&b""[..], b"x", &[7; 125]] {
        raw.send(&masked(PING_FRAME, payload)).await;
        let frame = raw.frame().await.unwrap();
        assert_eq!((frame.opcode, &*frame.payload), (0xa, payload));
    }
}

#[tokio::test]
async fn frames_that_break_the_protocol_are_refused_with_1002() {
    let server = Server::start(Limits::default()).await;
    let begun = || masked(0x01, b"{");
    let plain = [&[TEXT, PING.len() as u8], PING.as_bytes()].concat();
    let mut cases = vec![
        ("no mask", plain, Close(1002)),
        ("an empty text without a mask", vec![TEXT, 0], Close(1002)),
        (
            "HTTP",
            [b"GET / HTTP/1.1\r\n", &[b' '; 200][..]].concat(),
            Close(1002),
        ),
        ("a continuation of nothing", masked(0x80, b"x"), Close(1002)),
        (
            "a part that continues nothing",
            masked(0x00, b"x"),
            Close(1002),
        ),
        (
            "a text within a text",
            [begun(), text("{}")].concat(),
            Close(1002),
        ),
        (
            "bytes within a text",
            [begun(), masked(BINARY, b"x")].concat(),
            Close(1002),
        ),
        ("a ping in parts", masked(0x09, b"x"), Close(1002)),
        ("a pong in parts", masked(0x0a, b"x"), Close(1002)),
        ("a close in parts", masked(0x08, b""), Close(1002)),
        (
            "a ping of 126 bytes",
            masked(PING_FRAME, &[0; 126]),
            Close(1002),
        ),
        (
            "a pong of 126 bytes",
            masked(PONG_FRAME, &[0; 126]),
            Close(1002),
        ),
        (
            "a close of 126 bytes",
            close(1000, &[b'x'; 124]),
            Close(1002),
        ),
    ];
    let bits = [
        ("RSV1", 0x40),
        ("RSV2", 0x20),
        ("RSV3", 0x10),
        ("all RSV", 0x70),
    ];
    for (name, bit) in bits {
        cases.push((name, masked(TEXT | bit, b"{}"), Close(1002)));
    }
    let opcodes = ["3", "4", "5", "6", "7", "B", "C", "D", "E", "F"];
    for opcode in opcodes {
        let value = u8::from_str_radix(opcode, 16).unwrap();
        cases.push((opcode, masked(0x80 | value, b""), Close(1002)));
    }
    check(&server, cases).await;
}

#[tokio::test]
async fn a_close_is_answered_with_its_code_where_that_may_be_sent() {
    let server = Server::start(Limits::default()).await;
    let mut cases = vec![
        ("without a code", masked(CLOSE, b""), CloseEmpty),
        ("half a code", masked(CLOSE, &[3]), Close(1002)),
        (
            "a reason of 123 bytes",
            close(1000, &[b'x'; 123]),
            Close(1000),
        ),
        (
            "a reason that is not UTF-8",
            close(1000, &[0xff]),
            Close(1007),
        ),
        (
            "twice",
            [close(1000, b""), close(1001, b"")].concat(),
            Close(1000),
        ),
        (
            "and then a text",
            [close(1000, b""), text(PING)].concat(),
            Close(1000),
        ),
        (
            "within a text",
            [masked(0x01, b"{"), close(1000, b"")].concat(),
            Close(1000),
        ),
    ];
    for code in [
        1000, 1001, 1003, 1007, 1008, 1009, 1011, 3000, 3999, 4000, 4999,
    ] {
        cases.push(("may be sent", close(code, b"bye"), Close(code)));
    }
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535,
    ] {
        cases.push(("may not be sent", close(code, b"bye"), Close(1002)));
    }
    check(&server, cases).await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_refused_with_1007_and_bytes_with_1003() {
    let server = Server::start(Limits::default()).await;
    let cases = vec![
        (
            "a lone byte",
            masked(TEXT, &[b'"', 0xff, b'"']),
            Close(1007),
        ),
        (
            "an overlong slash",
            masked(TEXT, &[0xc0, 0xaf]),
            Close(1007),
        ),
        (
            "half of a pair",
            masked(TEXT, &[0xed, 0xa0, 0x80]),
            Close(1007),
        ),
        (
            "beyond the last character",
            masked(TEXT, &[0xf4, 0x90, 0x80, 0x80]),
            Close(1007),
        ),
        ("cut off", masked(TEXT, &[b'"', 0xc3]), Close(1007)),
        (
            "cut off in the last part",
            [masked(0x01, b"\""), masked(0x80, &[0xc3])].concat(),
            Close(1007),
        ),
        (
            "wrong in the second part",
            [masked(0x01, &[0xc3]), masked(0x80, b"x")].concat(),
            Close(1007),
        ),
        ("bytes", masked(BINARY, &[1, 2, 3]), Close(1003)),
        ("no bytes", masked(BINARY, b""), Close(1003)),
        (
            "bytes in two parts",
            [masked(0x02, b"a"), masked(0x80, b"b")].concat(),
            Close(1003),
        ),
    ];
    check(&server, cases).await;
}

#[tokio::test]
async fn what_is_too_long_is_refused_with_1009_before_it_is_read() {
    let server = Server::start(Limits::default()).await;
    let half = vec![b' '; 40_000];
    let top_bit = [0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 1];
    let cases = vec![
        (
            "one byte",
            header(TEXT, &[0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 1]),
            Close(1009),
        ),
        (
            "4 GiB",
            header(TEXT, &[0x80 | 127, 0, 0, 0, 1, 0, 0, 0, 0]),
            Close(1009),
        ),
        ("2^63 and one", header(TEXT, &top_bit), Close(1009)),
        ("all ones", header(TEXT, &[0xff; 9]), Close(1009)),
        (
            "a part",
            header(0x01, &[0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 1]),
            Close(1009),
        ),
        (
            "in two parts",
            [masked(0x01, &half), masked(0x80, &half)].concat(),
            Close(1009),
        ),
        (
            "bytes",
            header(BINARY, &[0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 1]),
            Close(1009),
        ),
    ];
    check(&server, cases).await;
}

#[tokio::test]
async fn a_line_that_is_cut_is_left_alone() {
    let server = Server::start(Limits::default()).await;
    for part in [&b""[..], &[TEXT], &text(PING)[..5], &masked(0x01, b"{")] {
        let mut raw = Raw::connect(&server).await;
        raw.send(part).await;
        raw.finish_writing().await;
        assert_eq!(raw.frame().await, None);
    }
    while !server.shared.hub.clients().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn floods_are_refused_with_1008() {
    let limits = Limits {
        messages_per_second: 1,
        ..Limits::default()
    };
    let server = Server::start(limits).await;
    let flood = |frame: Vec<u8>| frame.repeat(50);
    let cases = vec![
        ("texts", flood(text(PING)), Close(1008)),
        ("pings", flood(masked(PING_FRAME, &[1; 125])), Close(1008)),
        ("pongs", flood(masked(PONG_FRAME, b"")), Close(1008)),
    ];
    check(&server, cases).await;

    let server = Server::start(Limits::default()).await;
    let cases = vec![
        ("nine mistakes", text("{").repeat(9), Message("error")),
        ("ten mistakes", text("{").repeat(10), Close(1008)),
        (
            "ten unknown types",
            text(r#"{"type":"x"}"#).repeat(10),
            Close(1008),
        ),
    ];
    for (name, bytes, then) in cases {
        if let Close(_) = then {
            check(&server, vec![(name, bytes, then)]).await;
            continue;
        }
        let mut raw = Raw::connect(&server).await;
        raw.send(&bytes).await;
        for _ in 0..9 {
            assert_eq!(raw.message().await.unwrap()["type"], "error", "{name}");
        }
        is_alive(&mut raw, name).await;
    }
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused() {
    let server = Server::start(Limits::default()).await;
    let without = |line: &str| {
        UPGRADE
            .split_inclusive("\r\n")
            .filter(|l| !l.starts_with(line))
            .collect::<String>()
    };
    let cases = [
        ("GET", without("Sec-WebSocket-Key")),
        ("GET", without("Sec-WebSocket-Version")),
        ("GET", without("Upgrade")),
        ("GET", without("Connection")),
        ("GET", UPGRADE.replace("13", "12")),
        ("GET", UPGRADE.replace("websocket", "h2c")),
        ("POST", UPGRADE.to_owned()),
    ];
    for (method, upgrade) in cases {
        let (_, answer) = handshake(&server, method, "", &upgrade).await;
        assert!(
            answer.starts_with("HTTP/1.1 4"),
            "{method} {upgrade}: {answer}"
        );
    }
}

#[tokio::test]
async fn compression_that_is_offered_is_not_taken() {
    let server = Server::start(Limits::default()).await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let mut raw = Raw::connect_with(&server, offer).await;
    assert_eq!(raw.message().await.unwrap()["type"], "welcome");
}
