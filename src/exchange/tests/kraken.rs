//! Kraken's messages.

use std::sync::Arc;
use std::time::Duration;

use super::support::*;
use crate::exchange::kraken::{EXCHANGE, Kraken};
use crate::exchange::protocol::{Adapter, Protocol, Reply};
use crate::feed::{ProviderError, Topic};
use crate::model::{Event, Instrument, Stream};

pub fn instrument(base: &str) -> Arc<Instrument> {
    let mut instrument = Instrument::new(EXCHANGE, base, "USD", format!("X{base}ZUSD"));
    instrument.ws = format!("{base}/USD");
    Arc::new(instrument)
}

fn trades(base: &str) -> Topic {
    topic(&instrument(base), Stream::Trades)
}

fn ticker(base: &str) -> Topic {
    topic(&instrument(base), Stream::Ticker)
}

#[test]
fn trades_keep_bare_quoted_and_exponent_digits_and_name_the_taker() {
    let mut protocol = subscribed(&Kraken, &[instrument("BTC")]);
    let output = good(&mut *protocol, fixture!("kraken/trade_update"));
    assert_eq!(
        lines(&output),
        [
            format!(
                r#"{{"type":"trade","exchange":"kraken","symbol":"BTC/USD","id":"80000123","price":60999.9,"size":0.01500000,"side":"sell","timestamp":"2026-09-21T14:13:20.149001Z",{NOW_JSON},"origin":"stream"}}"#
            ),
            format!(
                r#"{{"type":"trade","exchange":"kraken","symbol":"BTC/USD","id":"80000124","price":67234.10,"size":0.00000001,"side":"buy","timestamp":"2026-09-21T14:13:20.149001Z",{NOW_JSON},"origin":"stream"}}"#
            )
        ]
    );
    assert_eq!(output.ignored, 1);
    let Event::Trade(second) = &output.events[1] else {
        panic!()
    };
    assert_eq!(second.timestamp.nanos() % 1_000_000_000, 149_001_234);
    assert!(!second.replayed);
    let output = good(&mut *protocol, fixture!("kraken/trade_snapshot"));
    assert!(matches!(&output.events[..], [Event::Trade(trade)] if trade.replayed));
}

#[test]
fn tickers_derive_the_open_and_may_lack_the_rest() {
    let mut protocol = subscribed(&Kraken, &[instrument("BTC"), instrument("DOGE")]);
    assert_eq!(
        lines(&good(&mut *protocol, fixture!("kraken/ticker_snapshot"))),
        [format!(
            r#"{{"type":"ticker","exchange":"kraken","symbol":"BTC/USD","price":61000.0,"bid":60999.9,"bid_size":1.20000000,"ask":61000.0,"ask_size":0.80000000,"spread":0.1,"open_24h":60100.0,"high_24h":61250.0,"low_24h":59800.0,"volume_24h":2150.50000000,"quote_volume_24h":null,"change_24h":900.0,"change_percent_24h":1.50,"timestamp":"2026-09-21T14:13:20.123456Z",{NOW_JSON}}}"#
        )]
    );
    assert_eq!(
        lines(&good(&mut *protocol, fixture!("kraken/ticker_no_trades"))),
        [format!(
            r#"{{"type":"ticker","exchange":"kraken","symbol":"DOGE/USD","price":null,"bid":0.00001,"bid_size":5000,"ask":0.00002,"ask_size":12.50,"spread":0.00001,"open_24h":null,"high_24h":null,"low_24h":null,"volume_24h":0.00000000,"quote_volume_24h":null,"change_24h":null,"change_percent_24h":0,"timestamp":null,{NOW_JSON}}}"#
        )]
    );
}

#[test]
fn what_is_of_no_interest_is_passed_over_and_what_is_broken_is_an_error() {
    let mut protocol = subscribed(&Kraken, &[instrument("BTC")]);
    for text in [
        r#"{"channel":"heartbeat"}"#,
        r#"{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":13000000000000000001,"system":"online","version":"2.0.0"}]}"#,
        r#"{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[]}}"#,
        r#"{"channel":"book","type":"update","data":[{"symbol":"BTC/USD"}]}"#,
        r#"{"channel":"ohlc","type":"update","data":[{"symbol":"ETH/USD","open":1,"high":1,"low":1,"close":1,"trades":1,"volume":1,"interval_begin":"2026-09-21T14:13:00Z","interval":1}]}"#,
        r#"{"channel":"trade"}"#,
        r#"{"Error":"Exceeded msg rate"}"#,
        r#"{"method":"unsubscribe","result":{"channel":"trade","symbol":"BTC/USD"},"success":true}"#,
        r#"{"error":"Subscription not found","method":"unsubscribe","success":false,"req_id":1}"#,
        r#"{"method":"subscribe","result":{"channel":"instrument","warnings":[]},"success":true}"#,
        "{}",
    ] {
        assert!(is_ignored(&mut *protocol, text), "{text}");
    }
    for (from, to) in [
        (r#""sell""#, r#""s""#),
        ("60999.9", r#""""#),
        ("60999.9", "null"),
        ("60999.9", "true"),
        ("80000123", "8.5"),
        ("80000123", "9223372036854775808"),
        ("149001Z", "149001"),
        (r#""data":["#, r#""data":[[],"#),
    ] {
        // The bad row alone is left out: the other one stays.
        let text = fixture!("kraken/trade_update").replacen(from, to, 1);
        let output = good(&mut *protocol, &text);
        assert_eq!(output.bad_rows, 1, "{text}");
        let extra = usize::from(to.starts_with(r#""data""#));
        assert_eq!(output.events.len(), 1 + extra, "{text}");
    }
    let alone = r#"{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"s"}]}"#;
    assert!(decode(&mut *protocol, alone).is_err());
    let text = fixture!("kraken/ticker_snapshot").replace("61250.0", "1e400");
    assert!(decode(&mut *protocol, &text).is_err());
}

#[test]
fn a_pong_is_known_as_one() {
    let mut protocol = subscribed(&Kraken, &[instrument("BTC")]);
    assert_eq!(
        protocol.ping().as_deref(),
        Some(r#"{"method":"ping","req_id":3}"#)
    );
    let pong = r#"{"method":"pong","req_id":3,"time_in":"x","time_out":"y"}"#;
    assert!(good(&mut *protocol, pong).pong);
    assert!(!good(&mut *protocol, r#"{"channel":"heartbeat"}"#).pong);
}

#[test]
fn one_request_asks_for_one_channel_and_its_snapshot() {
    let mut protocol = Kraken.protocol();
    let asked = topics(&[instrument("BTC"), instrument("ETH")]);
    let messages = protocol.subscribe(&asked);
    let json = |n: usize| serde_json::from_str::<serde_json::Value>(&messages[n].text).unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(
        json(0),
        serde_json::json!({"method": "subscribe", "req_id": 1, "params":
            {"channel": "ticker", "symbol": ["BTC/USD", "ETH/USD"], "event_trigger": "bbo", "snapshot": true}})
    );
    assert_eq!(
        json(1),
        serde_json::json!({"method": "subscribe", "req_id": 2, "params":
            {"channel": "trade", "symbol": ["BTC/USD", "ETH/USD"], "snapshot": true}})
    );
    assert_eq!(messages[0].topics, [ticker("BTC"), ticker("ETH")]);
    let gone = protocol.unsubscribe(&[ticker("ETH")]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&gone[0].text).unwrap(),
        serde_json::json!({"method": "unsubscribe", "req_id": 3, "params":
            {"channel": "ticker", "symbol": ["ETH/USD"], "event_trigger": "bbo"}})
    );
    assert_eq!(gone[0].topics, []);
}

fn ack(channel: &str, symbol: &str, id: &str) -> String {
    format!(
        r#"{{"method":"subscribe","result":{{"channel":"{channel}","symbol":"{symbol}","warnings":[]}},"success":true,"time_in":"x"{id}}}"#
    )
}

fn asked_for(topics: &[Topic]) -> Box<dyn Protocol> {
    let mut protocol = Kraken.protocol();
    protocol.subscribe(topics);
    protocol
}

#[test]
fn answers_are_matched_by_channel_and_symbol_with_or_without_their_id() {
    let all = [ticker("BTC"), ticker("ETH"), trades("BTC")];
    for id in ["", r#","req_id":1"#, r#","req_id":777"#] {
        let mut protocol = asked_for(&all);
        for (channel, topic) in [("ticker", &all[0]), ("trade", &all[2])] {
            assert_eq!(
                replies(&mut *protocol, &ack(channel, "BTC/USD", id)),
                [Reply::Subscribed(vec![topic.clone()])]
            );
        }
        assert!(is_ignored(&mut *protocol, &ack("ticker", "BTC/USD", id)));
        assert!(is_ignored(&mut *protocol, &ack("ticker", "SOL/USD", id)));
    }
}

fn refusal(error: &str, more: &str) -> String {
    format!(r#"{{"error":"{error}","method":"subscribe","success":false{more}}}"#)
}

#[test]
fn a_refusal_is_matched_by_the_symbol_it_gives_or_names_in_its_text() {
    let all = [trades("BTC"), trades("FOO")];
    let text = "Currency pair not supported FOO/USD";
    for more in [
        r#","symbol":"FOO/USD","req_id":1"#,
        r#","symbol":"FOO/USD""#,
        r#","req_id":1"#,
        "",
        r#","symbol":null,"req_id":null"#,
    ] {
        let mut protocol = asked_for(&all);
        let refused = Reply::Refused {
            topics: vec![trades("FOO")],
            reason: text.into(),
        };
        assert_eq!(
            replies(&mut *protocol, &refusal(text, more)),
            [refused],
            "{more}"
        );
        assert!(is_ignored(&mut *protocol, &refusal(text, more)));
        assert_eq!(
            replies(&mut *protocol, &ack("trade", "BTC/USD", "")),
            [Reply::Subscribed(vec![trades("BTC")])]
        );
    }
}

#[test]
fn a_refusal_without_any_symbol_is_about_its_whole_request() {
    let mut protocol = asked_for(&[trades("BTC"), trades("ETH")]);
    protocol.subscribe(&[trades("SOL")]);
    assert!(is_ignored(
        &mut *protocol,
        &refusal("Malformed request", "")
    ));
    assert_eq!(
        replies(
            &mut *protocol,
            &refusal("Malformed request", r#","req_id":1"#)
        ),
        [Reply::Refused {
            topics: vec![trades("BTC"), trades("ETH")],
            reason: "Malformed request".into()
        }]
    );
    // one answer per symbol: the second says nothing new
    assert!(is_ignored(
        &mut *protocol,
        &refusal("Malformed request", r#","req_id":1"#)
    ));
    assert_eq!(
        replies(&mut *protocol, &ack("trade", "SOL/USD", r#","req_id":2"#)),
        [Reply::Subscribed(vec![trades("SOL")])]
    );
}

#[test]
fn already_subscribed_is_as_good_as_subscribed_where_it_is_clear_who() {
    let text = "Already subscribed";
    let mut protocol = asked_for(&[trades("BTC"), trades("ETH")]);
    assert_eq!(
        replies(
            &mut *protocol,
            &refusal(text, r#","symbol":"ETH/USD","req_id":1"#)
        ),
        [Reply::Subscribed(vec![trades("ETH")])]
    );
    assert_eq!(
        replies(&mut *protocol, &refusal(text, r#","req_id":1"#)),
        [Reply::Subscribed(vec![trades("BTC")])]
    );
    let mut protocol = asked_for(&[trades("BTC"), trades("ETH")]);
    assert_eq!(
        replies(&mut *protocol, &refusal(text, r#","req_id":1"#)),
        [Reply::Refused {
            topics: vec![trades("BTC"), trades("ETH")],
            reason: text.into()
        }]
    );
}

#[test]
fn the_answer_to_an_earlier_try_counts_and_none_after_unsubscribing() {
    let mut protocol = asked_for(&[trades("BTC")]);
    protocol.subscribe(&[trades("BTC")]);
    assert_eq!(
        replies(&mut *protocol, &ack("trade", "BTC/USD", r#","req_id":1"#)),
        [Reply::Subscribed(vec![trades("BTC")])]
    );
    assert!(is_ignored(
        &mut *protocol,
        &ack("trade", "BTC/USD", r#","req_id":2"#)
    ));
    protocol.subscribe(&[trades("BTC")]);
    protocol.unsubscribe(&[trades("BTC")]);
    assert!(is_ignored(&mut *protocol, &ack("trade", "BTC/USD", "")));
}

#[test]
fn the_answer_to_a_stop_or_from_before_it_is_not_one_to_the_start_after_it() {
    let mut protocol = asked_for(&[trades("BTC")]);
    protocol.unsubscribe(&[trades("BTC")]);
    protocol.subscribe(&[trades("BTC")]);
    let stop = ack("trade", "BTC/USD", r#","req_id":2"#).replace("subscribe", "unsubscribe");
    let gone = r#"{"error":"Subscription Not Found","method":"unsubscribe","success":false,"req_id":2,"symbol":"BTC/USD"}"#;
    let early = ack("trade", "BTC/USD", r#","req_id":1"#);
    for text in [stop.as_str(), gone, &early] {
        assert!(is_ignored(&mut *protocol, text), "{text}");
    }
    assert_eq!(
        replies(&mut *protocol, &ack("trade", "BTC/USD", r#","req_id":3"#)),
        [Reply::Subscribed(vec![trades("BTC")])]
    );
}

#[test]
fn only_online_that_becomes_maintenance_is_a_reason_to_leave() {
    let status = |system: &str| {
        format!(
            r#"{{"channel":"status","type":"update","data":[{{"system":{system},"version":"2.0.0"}}]}}"#
        )
    };
    for before in [&[][..], &[r#""maintenance""#], &[r#""cancel_only""#]] {
        let mut protocol = Kraken.protocol();
        for system in before {
            assert_eq!(replies(&mut *protocol, &status(system)), []);
        }
        assert_eq!(replies(&mut *protocol, &status(r#""maintenance""#)), []);
        for system in [r#""online""#, "null", "7"] {
            assert_eq!(replies(&mut *protocol, &status(system)), [], "{system}");
        }
        let told = replies(&mut *protocol, &status(r#""maintenance""#));
        assert!(matches!(&told[..], [Reply::Leave { .. }]), "{told:?}");
        assert_eq!(replies(&mut *protocol, &status(r#""maintenance""#)), []);
    }
    for system in [r#""cancel_only""#, r#""post_only""#, r#""online""#] {
        let mut protocol = Kraken.protocol();
        replies(&mut *protocol, &status(r#""online""#));
        assert_eq!(replies(&mut *protocol, &status(system)), [], "{system}");
    }
}

#[test]
fn the_list_of_pairs_knows_all_spellings_and_survives_its_odd_rows() {
    let list = Kraken
        .read_instruments(fixture!("kraken/asset_pairs_mixed"))
        .unwrap();
    let mut rows: Vec<_> = list.iter().map(row).collect();
    rows.sort_unstable();
    assert_eq!(
        rows,
        [
            "BTC/USD XXBTZUSD BTC/USD [XBTUSD XBT/USD XXBT/ZUSD] 0.1 0.00000001 0.5 trading online",
            "DOGE/BTC XXDGXXBT DOGE/BTC [XDGXBT XDG/XBT XXDG/XXBT] 0.00000001 0.00000001 - restricted cancel_only",
            "ETH/GBP XETHZGBP ETH/GBP [ETHGBP XETH/ZGBP] 0.01 0.00000001 - halted maintenance",
            "ODD/USD ODDUSD ODD/USD [ODD/ZUSD] - - - unknown on_holiday",
            "SOL/EUR SOL/EUR SOL/EUR [SOLEUR] 0.01 0.00000001 - restricted post_only",
            "XTZ/USD XTZUSD XTZ/USD [XTZ/ZUSD] 0.0001 0.00000001 - delisted delisted",
        ]
    );
    is_identity(&catalogue(&Kraken, list));
}

#[test]
fn errors_come_with_success_and_say_what_to_do() {
    let ask = |error: &str| {
        let body = format!(r#"{{"error":["WGeneral:Old","{error}"]}}"#);
        Kraken.read_instruments(&body).unwrap_err()
    };
    for error in [
        "EQuery:Unknown asset pair",
        "EGeneral:Invalid arguments:pair",
    ] {
        assert_eq!(
            ask(error),
            ProviderError::Refused(format!("kraken: {error}"))
        );
    }
    for error in [
        "EService:Unavailable",
        "EService:Busy",
        "EGeneral:Internal error",
    ] {
        assert_eq!(
            ask(error),
            ProviderError::Unreachable(format!("kraken: {error}"))
        );
    }
    for error in [
        "EAPI:Rate limit exceeded",
        "EGeneral:Too many requests",
        "EService: Throttled: 1790000000",
        "EGeneral:Temporary lockout",
    ] {
        let ProviderError::RateLimited { retry_after, .. } = ask(error) else {
            panic!("{error}")
        };
        assert!(retry_after >= Some(Duration::from_secs(5)), "{error}");
    }
    for body in [
        "",
        "[]",
        "<html>",
        r#"{"error":[]}"#,
        r#"{"error":[],"result":[]}"#,
    ] {
        let error = Kraken.read_instruments(body).unwrap_err();
        assert!(matches!(error, ProviderError::Malformed(_)), "{body}");
    }
}

#[test]
fn rest_tickers_take_the_last_day_and_never_the_open_of_today() {
    let mut doge = Instrument::clone(&instrument("DOGE"));
    doge.aliases = vec!["XDGUSD".into()];
    let mut btc = Instrument::clone(&instrument("BTC"));
    btc.native = "XXBTZUSD".into();
    let (doge, btc) = (Arc::new(doge), Arc::new(btc));
    let body = fixture!("kraken/rest_ticker_two");
    let tickers = Kraken
        .read_tickers(body, &[doge, btc.clone()], NOW)
        .unwrap();
    let mut lines: Vec<_> = tickers.iter().map(ticker_line).collect();
    lines.sort_unstable();
    assert_eq!(
        lines[0],
        format!(
            r#"{{"type":"ticker","exchange":"kraken","symbol":"BTC/USD","price":61000.00000,"bid":60999.90000,"bid_size":1.500,"ask":61000.00000,"ask_size":1.000,"spread":0.10000,"open_24h":null,"high_24h":61300.00000,"low_24h":59800.00000,"volume_24h":2150.50000000,"quote_volume_24h":null,"change_24h":null,"change_percent_24h":null,"timestamp":null,{NOW_JSON}}}"#
        )
    );
    assert!(lines[1].contains(r#""symbol":"DOGE/USD","price":0.16000"#));
    let asks = Kraken.ask_tickers(&(0..51).map(|_| btc.clone()).collect::<Vec<_>>());
    assert_eq!(asks.len(), 2);
    assert_eq!(asks[1].0.path, "/0/public/Ticker?pair=XXBTZUSD");
}

#[test]
fn rest_trades_are_read_from_their_digits() {
    let trades = Kraken
        .read_trades(fixture!("kraken/rest_trades"), &instrument("BTC"), NOW)
        .unwrap();
    assert_eq!(
        trade_lines(&trades),
        [
            format!(
                r#"{{"type":"trade","exchange":"kraken","symbol":"BTC/USD","id":"80000123","price":60999.90000,"size":0.01500000,"side":"sell","timestamp":"2026-09-21T14:13:20.149001Z",{NOW_JSON},"origin":"history"}}"#
            ),
            format!(
                r#"{{"type":"trade","exchange":"kraken","symbol":"BTC/USD","id":"80000124","price":61000.00000,"size":0.50000000,"side":"buy","timestamp":"2026-09-21T14:13:21.000000Z",{NOW_JSON},"origin":"history"}}"#
            )
        ]
    );
    assert_eq!(trades[0].timestamp.nanos() % 1_000_000_000, 149_001_100);
}

#[test]
fn the_time_and_the_end_of_a_pause_are_read() {
    let body = r#"{"error":[],"result":{"unixtime":1790000000,"rfc1123":"Mon, 21 Sep 26 14:13:20 +0000"}}"#;
    let time = Kraken.read_time(body).unwrap();
    assert_eq!(time.to_string(), "2026-09-21T14:13:20.000000Z");
    let far = body.replace("1790000000", "9223372036854775807");
    assert!(Kraken.read_time(&far).is_err());
    let limited = Kraken.read_time(r#"{"error":["EAPI:Rate limit exceeded"]}"#);
    assert_eq!(limited.unwrap_err().code(), "rate_limited");
    for (error, until) in [
        ("EService: Throttled: 1790000000", Some(time)),
        ("EService:Throttled:1790000000", Some(time)),
        ("EService: Throttled: soon", None),
        ("EAPI:Rate limit exceeded", None),
    ] {
        let body = format!(r#"{{"error":["{error}"]}}"#);
        assert_eq!(Kraken.retry_at(&body), until, "{error}");
    }
}
