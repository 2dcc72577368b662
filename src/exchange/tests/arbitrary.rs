//! Anything at all as input: nothing panics, and what is read can be written. And the identity of names, over lists of instruments as the exchanges write them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::*;
use super::{binance, coinbase, kraken};
use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::kraken::Kraken;
use crate::exchange::protocol::{Adapter, Frame, Output};
use crate::exchange::server::{Habits, Place, Remote};
use crate::model::{Instrument, Interval};

fn adapters() -> [(&'static dyn Adapter, Arc<Instrument>); 4] {
    static REMOTE: LazyLock<Remote> = LazyLock::new(|| {
        let place = Place::parse("http://127.0.0.1:8000").unwrap();
        Remote::new(Kraken.exchange(), place, Habits::unknown())
    });
    [
        (&*REMOTE, kraken::instrument("BTC")),
        (&Binance, binance::instrument("BTC")),
        (&Coinbase, coinbase::instrument("BTC")),
        (&Kraken, kraken::instrument("BTC")),
    ]
}

/// Everything that reads what an exchange sent.
fn feed_all(text: &str) {
    for (adapter, instrument) in adapters() {
        let of = [instrument];
        let mut protocol = subscribed(adapter, &of);
        let mut output = Output::default();
        let frame = Frame {
            text,
            received_at: NOW,
        };
        if protocol.decode(frame, &mut output).is_ok() {
            lines(&output);
        }
        let _ = adapter.read_instruments(text);
        let _ = adapter.read_tickers(text, &of, NOW);
        let _ = adapter.read_trades(text, &of[0], NOW);
        let _ = adapter.read_lost_trades(text);
        let _ = adapter.read_aggregates(text, &of[0], NOW);
        for interval in Interval::ALL {
            let candles = adapter.read_candles(text, &of[0], interval, NOW);
            for candle in candles.into_iter().flat_map(|rows| rows.items) {
                assert_eq!(interval.open_of(candle.open_time), candle.open_time);
                assert!(candle.low <= candle.open && candle.close <= candle.high);
            }
        }
        let _ = adapter.read_time(text);
        let _ = adapter.retry_at(text);
        let _ = adapter.used_weight(&|_| Some(text));
        let _ = adapter.read_error(text);
    }
}

const FRAMES: [&str; 34] = [
    super::candles::KLINE,
    super::candles::KLINES,
    super::candles::OHLC_SOCKET,
    super::candles::OHLC,
    super::candles::CANDLES,
    super::candles::OHLC_ACK,
    fixture!("binance/trade_combined"),
    fixture!("binance/trade_raw_sell"),
    fixture!("binance/ticker_combined"),
    fixture!("binance/exchange_info_mixed"),
    fixture!("binance/rest_ticker_two"),
    fixture!("binance/rest_trades"),
    r#"{"error":{"code":2,"msg":"x"},"id":1}"#,
    fixture!("coinbase/match"),
    fixture!("coinbase/ticker"),
    fixture!("coinbase/products_mixed"),
    fixture!("coinbase/rest_trades"),
    r#"{"type":"error","message":"Failed to subscribe","reason":"BTC-USD is not a valid product"}"#,
    r#"{"type":"subscriptions","channels":[{"name":"ticker","product_ids":["BTC-USD"]}]}"#,
    r#"{"type":"heartbeat","sequence":93,"last_trade_id":91,"product_id":"BTC-USD","time":"2026-09-21T14:13:21.000000Z"}"#,
    fixture!("kraken/trade_update"),
    r#"{"channel":"status","type":"update","data":[{"system":"online","version":"2.0.0"}]}"#,
    fixture!("kraken/ticker_snapshot"),
    fixture!("kraken/asset_pairs_mixed"),
    fixture!("kraken/rest_ticker_two"),
    fixture!("kraken/rest_trades"),
    r#"{"method":"subscribe","result":{"channel":"trade","symbol":"BTC/USD"},"success":true,"req_id":2}"#,
    r#"{"type":"trade","data":{"exchange":"kraken","symbol":"BTC/USD","id":"5","price":1.50,"size":2,"side":"buy","timestamp":"2026-09-21T14:13:21Z","received_at":"2026-09-21T14:13:21Z","origin":"repair"},"seq":3}"#,
    r#"{"type":"gap","data":{"exchange":"kraken","symbol":"BTC/USD","stream":"trades","from_id":"5","to_id":"7","from":null,"to":null,"missing":3,"recovered":0,"state":"partial","reason":"stall"}}"#,
    r#"{"type":"candle","data":{"exchange":"kraken","symbol":"BTC/USD","interval":"1m","open_time":"2026-09-21T14:13:00Z","open":1.5,"high":2,"low":1.0,"close":1,"volume":7,"quote_volume":null,"trades":2,"closed":true,"complete":true}}"#,
    r#"{"type":"dropped","data":{"count":2,"rooms":["trades:kraken:BTC/USD"]}}"#,
    r#"{"prices":[{"exchange":"kraken","symbol":"BTC/USD","price":1.50,"received_at":"2026-09-21T14:13:21Z","age":0.1,"stale":false}]}"#,
    r#"{"trades":[],"gaps":[{"stream":"trades","from_id":"5","to_id":"7","state":"unrepairable","reason":"x"}]}"#,
    r#"{"error":"Currency pair not supported BTC/USD","method":"subscribe","success":false,"req_id":1}"#,
];

fn any_json() -> impl Strategy<Value = Value> {
    let key = "e|s|t|p|q|T|m|data|stream|id|type|price|side|time|trade_id|product_id|channel|method|result|error|symbol|symbols|filters|k|o|h|l|c|v|n|x|i|open|high|low|close|volume|trades|interval|interval_begin|timestamp|[a-z]{0,4}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        "-?[0-9]{0,30}\\.?[0-9]{0,30}(e[+-]?[0-9]{1,20})?".prop_map(Value::from),
        "trade|24hrTicker|kline|ohlc|1m|match|last_match|ticker|subscribe|buy|snapshot|BTCUSDT|BTC-USD|BTC/USD"
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// One change to a text that was right.
#[derive(Debug, Clone)]
enum Change {
    Cut(usize),
    Replace(usize, char),
    Remove(usize),
    /// Copies a piece: keys twice, brackets too many.
    Repeat(usize, usize),
    Quote,
    Unquote,
}

fn changed(text: &str, change: &Change) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let len = chars.len();
    match change {
        Change::Cut(at) => chars.truncate(at % len),
        Change::Replace(at, with) => chars[at % len] = *with,
        Change::Remove(at) => {
            chars.remove(at % len);
        }
        Change::Repeat(at, n) => {
            let at = at % len;
            let piece = chars[at..len.min(at + n)].to_vec();
            chars.splice(at..at, piece);
        }
        Change::Quote => return text.replace(":1", ":\"1").replace(",\"", "\",\""),
        Change::Unquote => return text.replace(":\"6", ":6").replace("\",\"", ",\""),
    }
    chars.into_iter().collect()
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<usize>().prop_map(Change::Cut),
        (any::<usize>(), any::<char>()).prop_map(|(at, with)| Change::Replace(at, with)),
        (any::<usize>(), prop::char::range(' ', '~'))
            .prop_map(|(at, with)| Change::Replace(at, with)),
        any::<usize>().prop_map(Change::Remove),
        (any::<usize>(), 1..60usize).prop_map(|(at, n)| Change::Repeat(at, n)),
        Just(Change::Quote),
        Just(Change::Unquote),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_and_no_json_makes_a_decoder_panic(text in "\\PC{0,200}", value in any_json()) {
        feed_all(&text);
        feed_all(&value.to_string());
        feed_all(&format!(r#"{{"stream":"btcusdt@trade","data":{value}}}"#));
        feed_all(&format!(r#"{{"channel":"trade","type":"update","data":[{value}]}}"#));
        feed_all(&format!(r#"{{"channel":"ohlc","type":"update","data":[{value}]}}"#));
        feed_all(&format!(r#"{{"e":"kline","E":1,"s":"BTCUSDT","k":{value}}}"#));
        feed_all(&format!(r#"{{"error":[],"result":{{"XXBTZUSD":{value}}}}}"#));
        feed_all(&format!(r#"{{"error":[],"result":{{"XXBTZUSD":[{value}]}}}}"#));
    }

    #[test]
    fn no_damage_to_a_good_frame_makes_a_decoder_panic(
        which in 0..FRAMES.len(), changes in proptest::collection::vec(any_change(), 1..4)
    ) {
        let mut text = FRAMES[which].to_owned();
        for change in &changes {
            if !text.is_empty() {
                text = changed(&text, change);
            }
        }
        feed_all(&text);
    }

    #[test]
    fn bytes_are_text_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        feed_all(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn depth_is_no_weapon() {
    for (open, close) in [("[", "]"), (r#"{"data":"#, "}"), (r#"{"e":["#, "]}")] {
        feed_all(&format!("{}{}", open.repeat(10_000), close.repeat(10_000)));
    }
}

/// Pairs whose names put together are unique, as exchanges see to it.
fn any_pairs() -> impl Strategy<Value = BTreeMap<String, (String, String)>> {
    let asset = "[A-Z]{2,5}|[0-9][A-Z]{2,4}|XBT|XDG|BTC|DOGE|XTZ|ZRX|ZETA|币安";
    let quote = "USD|USDT|USDC|EUR|BTC|XBT|ETH|ZUSD|[A-Z]{3}";
    proptest::collection::vec((asset, quote), 1..40).prop_map(|pairs| {
        pairs
            .into_iter()
            .filter(|(base, quote)| base != quote)
            .map(|(base, quote)| (format!("{base}{quote}"), (base, quote)))
            .collect()
    })
}

/// Kraken's code of an asset: the old ones have a letter in front.
fn kraken_code(asset: &str) -> String {
    match asset {
        "XBT" | "XDG" | "ETH" => format!("X{asset}"),
        "USD" | "EUR" => format!("Z{asset}"),
        _ => asset.to_owned(),
    }
}

fn kraken_name(asset: &str) -> &str {
    match asset {
        "BTC" => "XBT",
        "DOGE" => "XDG",
        "ZUSD" => "USD",
        _ => asset,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn binance_names_lead_to_symbols_and_back(pairs in any_pairs()) {
        let symbols: Vec<_> = pairs.iter().map(|(name, (base, quote))| {
            json!({"symbol": name, "status": "TRADING", "baseAsset": base, "quoteAsset": quote})
        }).collect();
        let list = Binance.read_instruments(&json!({"symbols": symbols}).to_string()).unwrap();
        prop_assert_eq!(list.len(), pairs.len());
        is_identity(&catalogue(&Binance, list));
    }

    #[test]
    fn coinbase_names_lead_to_symbols_and_back(pairs in any_pairs()) {
        let rows: Vec<_> = pairs.values().map(|(base, quote)| {
            json!({"id": format!("{base}-{quote}"), "base_currency": base, "quote_currency": quote, "status": "online"})
        }).collect();
        let list = Coinbase.read_instruments(&json!(rows).to_string()).unwrap();
        prop_assert_eq!(list.len(), pairs.len());
        is_identity(&catalogue(&Coinbase, list));
    }

    #[test]
    fn kraken_names_lead_to_symbols_and_back(pairs in any_pairs(), new_keys: bool) {
        let mut rows = serde_json::Map::new();
        for (base, quote) in pairs.values() {
            let (base, quote) = (kraken_name(base), kraken_name(quote));
            let (code, money) = (kraken_code(base), kraken_code(quote));
            let key = if new_keys {
                format!("{base}/{quote}").replace("XBT", "BTC").replace("XDG", "DOGE")
            } else {
                format!("{code}{money}")
            };
            rows.insert(key, json!({
                "altname": format!("{base}{quote}"), "wsname": format!("{base}/{quote}"),
                "base": code, "quote": money, "pair_decimals": 2, "lot_decimals": 8
            }));
        }
        let count = rows.len();
        let body = json!({"error": [], "result": rows}).to_string();
        let list = Kraken.read_instruments(&body).unwrap();
        prop_assert_eq!(list.len(), count);
        is_identity(&catalogue(&Kraken, list));
    }
}
