//! The same message in other forms of JSON is the same message: the shortcuts that look at how a frame
//! begins must not be seen in what comes out.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::support::*;
use super::{binance, coinbase, kraken};
use crate::exchange::protocol::Adapter;

/// The members of an object in their order, with their text.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Layout {
    Reversed,
    Sorted,
    Spaced,
    ExtraFirst,
    ExtraLast,
    EscapedText,
    EscapedKeys,
}

const LAYOUTS: [Layout; 7] = [
    Layout::Reversed,
    Layout::Sorted,
    Layout::Spaced,
    Layout::ExtraFirst,
    Layout::ExtraLast,
    Layout::EscapedText,
    Layout::EscapedKeys,
];

const EXTRA: &str = r#""zz":{"e":"trade","type":"match","a":[1,null,"}"],"b":1.5e-7}"#;

/// The first letter as an escape. What begins as a number is left alone: nobody escapes digits.
fn escaped(json: &str) -> String {
    match json.strip_prefix('"').and_then(|rest| rest.chars().next()) {
        Some(first) if first.is_alphabetic() => {
            let rest = &json[1 + first.len_utf8()..];
            format!("\"\\u{:04x}{rest}", u32::from(first))
        }
        _ => json.to_owned(),
    }
}

fn laid_out(json: &str, layout: Layout) -> String {
    let space = if layout == Layout::Spaced {
        " \r\n\t"
    } else {
        ""
    };
    let join = |parts: Vec<String>| parts.join(&format!("{space},{space}"));
    if let Ok(Members(mut members)) = serde_json::from_str(json) {
        match layout {
            Layout::Reversed => members.reverse(),
            Layout::Sorted => members.sort_by(|a, b| a.0.cmp(&b.0)),
            _ => {}
        }
        let member = |(key, value): &(String, Box<RawValue>)| {
            let mut key = serde_json::to_string(key).unwrap();
            if layout == Layout::EscapedKeys {
                key = escaped(&key);
            }
            format!("{key}{space}:{space}{}", laid_out(value.get(), layout))
        };
        let mut parts: Vec<_> = members.iter().map(member).collect();
        match layout {
            Layout::ExtraFirst => parts.insert(0, EXTRA.into()),
            Layout::ExtraLast => parts.push(EXTRA.into()),
            _ => {}
        }
        return format!("{space}{{{space}{}{space}}}{space}", join(parts));
    }
    if let Ok(values) = serde_json::from_str::<Vec<Box<RawValue>>>(json) {
        let parts = values.iter().map(|v| laid_out(v.get(), layout)).collect();
        return format!("[{space}{}{space}]", join(parts));
    }
    if layout == Layout::EscapedText {
        return escaped(json);
    }
    json.to_owned()
}

fn check(adapter: &dyn Adapter, of: &[std::sync::Arc<crate::model::Instrument>], frames: &[&str]) {
    for frame in frames {
        let expected = good(&mut *subscribed(adapter, of), frame).events;
        assert!(!expected.is_empty(), "{frame}");
        let mut protocol = subscribed(adapter, of);
        for layout in LAYOUTS {
            let text = laid_out(frame, layout);
            assert_eq!(
                good(&mut *protocol, &text).events,
                expected,
                "{layout:?}: {text}"
            );
            // and laid out twice, so that shortcuts are tried on half of what they expect
            for second in LAYOUTS {
                let text = laid_out(&text, second);
                assert_eq!(good(&mut *protocol, &text).events, expected, "{text}");
            }
        }
    }
}

#[test]
fn the_form_of_binance_s_json_does_not_matter() {
    check(
        &crate::exchange::binance::Binance,
        &[binance::instrument("BTC"), binance::instrument("币")],
        &[
            fixture!("binance/trade_combined"),
            fixture!("binance/trade_raw_sell"),
            fixture!("binance/ticker_combined"),
            fixture!("binance/ticker_no_trades"),
            super::candles::KLINE,
            r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":1,"p":"1","q":"1","T":1,"m":true}}"#,
        ],
    );
}

#[test]
fn the_form_of_coinbase_s_json_does_not_matter() {
    check(
        &crate::exchange::coinbase::Coinbase,
        &[coinbase::instrument("BTC")],
        &[
            fixture!("coinbase/match"),
            fixture!("coinbase/last_match"),
            fixture!("coinbase/ticker"),
            fixture!("coinbase/ticker_sparse"),
        ],
    );
}

#[test]
fn the_form_of_kraken_s_json_does_not_matter() {
    check(
        &crate::exchange::kraken::Kraken,
        &[kraken::instrument("BTC"), kraken::instrument("DOGE")],
        &[
            fixture!("kraken/trade_update"),
            fixture!("kraken/trade_snapshot"),
            fixture!("kraken/ticker_snapshot"),
            fixture!("kraken/ticker_no_trades"),
            super::candles::OHLC_SOCKET,
        ],
    );
}

#[test]
fn a_shortcut_does_not_take_one_message_for_another() {
    let of = [binance::instrument("BTC")];
    let mut protocol = subscribed(&crate::exchange::binance::Binance, &of);
    // looks like a trade of a combined stream, and is followed by more
    for text in [
        r#"{"stream":"x","data":{"e":"trade","s":"BTCUSDT","t":1,"p":"1","q":"1","T":1,"m":true},"id":7}"#,
        r#"{"stream":"x\"","data":{"e":"trade","s":"BTCUSDT","t":1,"p":"1","q":"1","T":1,"m":true}}"#,
        r#"{"e":"trade","s":"BTCUSDT","t":1,"p":"1","q":"1","T":1,"m":true,"id":7,"msg":"x","error":"y","data":{"e":"zz"}}"#,
    ] {
        assert_eq!(good(&mut *protocol, text).events.len(), 1, "{text}");
    }
    for text in [
        r#"{"stream":"x","data":{"e":"trade","s":"BTCUSDT","t":1,"p":"1","q":"1","T":1,"m":true}}}"#,
        r#"{"stream":"x","data":{"e":"trade","s":"BTCUSDT","t":1,"p":"1","q":"1","T":1,"m":true}"#,
        r#"{"e":"trade","s":"BTCUSDT","t":1,"p":"1","q":"1","T":1,"m":true} {}"#,
    ] {
        assert!(decode(&mut *protocol, text).is_err(), "{text}");
    }
}
