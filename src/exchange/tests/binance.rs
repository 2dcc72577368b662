//! Binance's messages.

use std::sync::Arc;

use super::support::*;
use crate::exchange::binance::{Binance, EXCHANGE};
use crate::exchange::protocol::{Adapter, AggregatePage, Reply};
use crate::feed::ProviderError;
use crate::model::{Instrument, Stream, Timestamp};

pub fn instrument(base: &str) -> Arc<Instrument> {
    let mut instrument = Instrument::new(EXCHANGE, base, "USDT", format!("{base}USDT"));
    instrument.ws = instrument.native.to_lowercase();
    Arc::new(instrument)
}

#[test]
fn trades_keep_their_digits_and_name_the_taker() {
    let mut protocol = subscribed(&Binance, &[instrument("BTC")]);
    assert_eq!(
        lines(&good(&mut *protocol, fixture!("binance/trade_combined"))),
        [format!(
            r#"{{"type":"trade","exchange":"binance","symbol":"BTC/USDT","id":"99502","price":67234.10,"size":0.01500,"side":"buy","timestamp":"2026-09-21T14:13:20.149000Z",{NOW_JSON},"origin":"stream"}}"#
        )]
    );
    // the buyer was the maker: a seller took
    assert_eq!(
        lines(&good(&mut *protocol, fixture!("binance/trade_raw_sell"))),
        [format!(
            r#"{{"type":"trade","exchange":"binance","symbol":"BTC/USDT","id":"99503","price":67234.00000000,"size":1.00000000,"side":"sell","timestamp":"2026-09-21T14:13:20.150000Z",{NOW_JSON},"origin":"stream"}}"#
        )]
    );
}

#[test]
fn tickers_are_read_whole_and_zero_is_a_value() {
    let mut protocol = subscribed(&Binance, &[instrument("BTC"), instrument("币")]);
    assert_eq!(
        lines(&good(&mut *protocol, fixture!("binance/ticker_combined"))),
        [format!(
            r#"{{"type":"ticker","exchange":"binance","symbol":"BTC/USDT","price":61000.10,"bid":61000.00,"bid_size":1.20000,"ask":61000.10,"ask_size":0.80000,"spread":0.10,"open_24h":61900.20,"high_24h":62250.00,"low_24h":59800.50,"volume_24h":18250.40100,"quote_volume_24h":1104350000.12,"change_24h":-900.10,"change_percent_24h":-1.498,"timestamp":"2026-09-21T14:13:20.123000Z",{NOW_JSON}}}"#
        )]
    );
    let quiet = good(&mut *protocol, fixture!("binance/ticker_no_trades"));
    let quiet = &lines(&quiet)[0];
    assert!(quiet.contains(r#""symbol":"币/USDT","price":0.00001000,"bid":0.00000000"#));
    assert!(quiet.contains(r#""change_percent_24h":0.000,"#), "{quiet}");
}

#[test]
fn what_is_of_no_interest_is_passed_over() {
    let mut protocol = subscribed(&Binance, &[instrument("BTC")]);
    for text in [
        r#"{"stream":"ethusdt@trade","data":{"e":"trade","E":1,"s":"ETHUSDT","t":1,"p":"1","q":"1","T":1,"m":true,"M":true}}"#,
        r#"{"e":"24hrTicker","E":1,"s":"ETHUSDT","p":"1","P":"1","c":"1","b":"1","B":"1","a":"1","A":"1","o":"1","h":"1","l":"1","v":"1","q":"1"}"#,
        r#"{"stream":"btcusdt@bookTicker","data":{"u":7100245,"s":"BTCUSDT","b":"61000.00","B":"1.2","a":"61000.10","A":"0.8"}}"#,
        r#"{"stream":"btcusdt@depth5","data":{"lastUpdateId":1,"bids":[["1","2"]],"asks":[]}}"#,
        r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1,"s":"BTCUSDT"}}"#,
        r#"{"stream":"!miniTicker@arr","data":[{"e":"24hrMiniTicker"}]}"#,
        r#"{"stream":"btcusdt@blockTrade","data":{"e":"blockTrade","s":"BTCUSDT"}}"#,
        r#"{"stream":"x","data":null}"#,
        r#"{"result":["btcusdt@trade"],"id":900}"#,
        r#"{"result":null,"id":null}"#,
        r#"{"result":null,"id":"not-ours"}"#,
        r#"{"zz":1}"#,
        "{}",
    ] {
        assert!(is_ignored(&mut *protocol, text), "{text}");
    }
}

#[test]
fn a_broken_frame_is_an_error_and_leaves_nothing() {
    let mut protocol = subscribed(&Binance, &[instrument("BTC")]);
    let whole = fixture!("binance/trade_combined");
    for (from, to) in [
        (r#""67234.10""#, "67234.10"),
        (r#""67234.10""#, "null"),
        (r#""67234.10""#, r#""""#),
        (r#""67234.10""#, r#""NaN""#),
        (r#""67234.10""#, r#""1e400""#),
        (r#""67234.10""#, r#""0x10""#),
        (r#""t":99502"#, r#""t":-1"#),
        (r#""t":99502"#, r#""t":9223372036854775808"#),
        (r#""t":99502,"#, ""),
        (r#""m":false"#, r#""m":"false""#),
        (r#""T":1790000000149"#, r#""T":9223372036854775807"#),
    ] {
        let text = whole.replacen(from, to, 1);
        assert_ne!(text, whole);
        assert!(decode(&mut *protocol, &text).is_err(), "{text}");
    }
    let digits = "9".repeat(400);
    let long = whole.replace("67234.10", &digits);
    assert!(decode(&mut *protocol, &long).is_err());
}

#[test]
fn requests_are_split_and_answered_by_id_in_every_form() {
    let many: Vec<_> = (0..130).map(|n| instrument(&format!("C{n}"))).collect();
    let asked: Vec<_> = many.iter().map(|i| topic(i, Stream::Trades)).collect();
    let mut protocol = Binance.protocol();
    let messages = protocol.subscribe(&asked);
    assert_eq!(messages.len(), 2);
    assert_eq!(
        (&messages[0].topics[..], &messages[1].topics[..]),
        asked.split_at(100)
    );
    assert!(
        messages[0]
            .text
            .contains(r#""c0usdt@trade","c1usdt@trade""#)
    );
    let ticker = protocol.subscribe(&[topic(&many[0], Stream::Ticker)]);
    assert_eq!(
        ticker[0].text,
        r#"{"id":3,"method":"SUBSCRIBE","params":["c0usdt@ticker"]}"#
    );
    let subscribed = |at: &[_]| vec![Reply::Subscribed(at.to_vec())];
    assert_eq!(
        replies(&mut *protocol, r#"{"result":null,"id":2}"#),
        subscribed(&asked[100..])
    );
    assert_eq!(
        replies(&mut *protocol, r#"{ "id" : "1" , "result" : null }"#),
        subscribed(&asked[..100])
    );
    // answered once
    assert!(is_ignored(&mut *protocol, r#"{"result":null,"id":2}"#));
    // Without an id it is about the only request that is open.
    let refused = replies(&mut *protocol, r#"{"code":2,"msg":"x"}"#);
    assert!(matches!(&refused[..], [Reply::Refused { topics, .. }] if topics.len() == 1));
    assert!(is_ignored(&mut *protocol, r#"{"code":2,"msg":"x"}"#));
}

#[test]
fn an_error_without_an_id_blames_nobody_where_several_requests_are_open() {
    let mut protocol = Binance.protocol();
    for base in ["BTC", "ETH"] {
        protocol.subscribe(&[topic(&instrument(base), Stream::Trades)]);
    }
    assert!(is_ignored(&mut *protocol, r#"{"code":2,"msg":"x"}"#));
}

#[test]
fn errors_are_understood_flat_and_nested() {
    let one = [topic(&instrument("BTC"), Stream::Trades)];
    let refused = |reason: &str| {
        vec![Reply::Refused {
            topics: one.to_vec(),
            reason: reason.into(),
        }]
    };
    for (text, reason) in [
        (
            r#"{"code":2,"msg":"Invalid request: \"x\"","id":1}"#,
            r#"Invalid request: "x""#,
        ),
        (r#"{"error":{"code":2,"msg":"bad"},"id":1}"#, "bad"),
        (r#"{"id":"1","error":{"msg":"bad","code":2}}"#, "bad"),
        (r#"{"error":{"code":2},"id":1}"#, r#"{"code":2}"#),
        (r#"{"error":"bad","id":1}"#, r#""bad""#),
    ] {
        let mut protocol = Binance.protocol();
        protocol.subscribe(&one);
        assert_eq!(replies(&mut *protocol, text), refused(reason), "{text}");
    }
    // what was unsubscribed meanwhile is not refused
    let mut protocol = Binance.protocol();
    protocol.subscribe(&one);
    protocol.unsubscribe(&one);
    assert!(is_ignored(
        &mut *protocol,
        r#"{"code":2,"msg":"bad","id":1}"#
    ));
    assert!(is_ignored(&mut *protocol, r#"{"result":null,"id":2}"#));
}

#[test]
fn a_shutdown_notice_is_known_in_both_forms() {
    let mut protocol = Binance.protocol();
    for text in [
        r#"{"e":"serverShutdown","E":1790000000000}"#,
        r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1790000000000}}"#,
        r#"{"stream":"!serverShutdown","data":{"E":1790000000000}}"#,
    ] {
        let [Reply::Leave { .. }] = &replies(&mut *protocol, text)[..] else {
            panic!("{text}")
        };
    }
}

#[test]
fn the_list_of_instruments_survives_its_odd_rows() {
    let list = Binance
        .read_instruments(fixture!("binance/exchange_info_mixed"))
        .unwrap();
    let rows: Vec<_> = list.iter().map(row).collect();
    assert_eq!(
        rows,
        [
            "BTC/USDT BTCUSDT btcusdt [] 0.01000000 0.00001000 5.00000000 trading TRADING",
            "OLD/BTC OLDBTC oldbtc [] - - 0.00010000 halted BREAK",
            "NEW/USDT NEWUSDT newusdt [] - - - halted TRADING",
            "CAN/USDT CANUSDT canusdt [] - - - restricted CANCEL_ONLY",
            "ODD/USDT ODDUSDT oddusdt [] - - - unknown PRE_MARKET",
            "币安/USDT 币安USDT 币安usdt [] - - - halted HALT",
        ]
    );
    is_identity(&catalogue(&Binance, list));
    for body in ["", "{}", "[]", "<html>", r#"{"code":-1003,"msg":"x"}"#] {
        let error = Binance.read_instruments(body).unwrap_err();
        assert!(matches!(error, ProviderError::Malformed(_)), "{body}");
    }
}

#[test]
fn rest_tickers_are_asked_in_bulk_and_matched_by_name() {
    let many: Vec<_> = (0..41).map(|n| instrument(&format!("C{n}"))).collect();
    let asks = Binance.ask_tickers(&many);
    assert_eq!(asks.len(), 3);
    assert_eq!(asks[2].0.path, "/api/v3/ticker/24hr?symbol=C40USDT");
    let two = Binance.ask_tickers(&[instrument("BTC"), instrument("币")]);
    assert_eq!(
        two[0].0.path,
        "/api/v3/ticker/24hr?symbols=%5B%22BTCUSDT%22%2C%22%E5%B8%81USDT%22%5D"
    );
    let body = fixture!("binance/rest_ticker_two");
    let tickers = Binance
        .read_tickers(body, &[instrument("ETH"), instrument("BTC")], NOW)
        .unwrap();
    assert_eq!(tickers.len(), 1);
    assert_eq!(
        ticker_line(&tickers[0]),
        format!(
            r#"{{"type":"ticker","exchange":"binance","symbol":"BTC/USDT","price":6705.82000000,"bid":6705.88000000,"bid_size":0.18401100,"ask":6706.21000000,"ask_size":0.19518800,"spread":0.33000000,"open_24h":6872.64000000,"high_24h":6933.00000000,"low_24h":6680.10000000,"volume_24h":57857.49485700,"quote_volume_24h":392659910.62660750,"change_24h":-166.82000000,"change_percent_24h":-2.427,"timestamp":"2026-09-21T14:13:20.123000Z",{NOW_JSON}}}"#
        )
    );
}

#[test]
fn rest_trades_name_the_taker_and_errors_are_said_in_the_exchange_s_words() {
    let btc = instrument("BTC");
    let trades = Binance
        .read_trades(fixture!("binance/rest_trades"), &btc, NOW)
        .unwrap();
    assert_eq!(
        trade_lines(&trades),
        [
            format!(
                r#"{{"type":"trade","exchange":"binance","symbol":"BTC/USDT","id":"99502","price":61000.10000000,"size":0.01500000,"side":"buy","timestamp":"2026-09-21T14:13:20.149000Z",{NOW_JSON},"origin":"history"}}"#
            ),
            format!(
                r#"{{"type":"trade","exchange":"binance","symbol":"BTC/USDT","id":"99503","price":61000.00000000,"size":2.00000000,"side":"sell","timestamp":"2026-09-21T14:13:20.150000Z",{NOW_JSON},"origin":"history"}}"#
            )
        ]
    );
    assert_eq!(
        Binance.ask_trades(&btc, 9_999).path,
        "/api/v3/trades?symbol=BTCUSDT&limit=1000"
    );
    assert_eq!(
        Binance.ask_trades(&btc, 0).path,
        "/api/v3/trades?symbol=BTCUSDT&limit=1"
    );
    assert_eq!(
        Binance
            .read_error(r#"{"code":-1121,"msg":"Invalid symbol."}"#)
            .as_deref(),
        Some("Invalid symbol. (-1121)")
    );
    assert_eq!(Binance.read_error("<html>"), None);
}

#[test]
fn an_aggregate_of_one_is_that_trade_and_of_several_only_their_ids() {
    let of = instrument("BTC");
    let body = r#"[
        {"a":7001,"p":"61000.10","q":"0.01500","f":99502,"l":99502,"T":1790000000149,"m":false,"M":true},
        {"a":7002,"p":"61000.20","q":"3.00000","f":99503,"l":99507,"T":1790000000150,"m":true,"M":true}
    ]"#;
    let rows = Binance.read_aggregates(body, &of, NOW).unwrap();
    let trade = rows[0].trade.unwrap();
    let as_trade = r#"[{"id":99502,"price":"61000.10","qty":"0.01500","quoteQty":"915.0015","time":1790000000149,"isBuyerMaker":false,"isBestMatch":true}]"#;
    assert_eq!(Binance.read_trades(as_trade, &of, NOW).unwrap(), [trade]);
    assert_eq!(
        (rows[0].id, rows[0].first, rows[0].last),
        (7001, 99502, 99502)
    );
    assert_eq!(
        (rows[1].id, rows[1].first, rows[1].last),
        (7002, 99503, 99507)
    );
    assert_eq!(rows[1].timestamp.to_string(), "2026-09-21T14:13:20.150000Z");
    assert_eq!(rows[1].trade, None);
    for wrong in [body.replace("99507", "99502"), body.replace("99507", "-1")] {
        let error = Binance.read_aggregates(&wrong, &of, NOW).unwrap_err();
        assert_eq!(error.code(), "malformed_answer");
    }
    let asked = |page| {
        Binance
            .ask_aggregates(&of, page)
            .map(|ask| (ask.path, ask.weight))
    };
    let path = |from| {
        let path = format!("/api/v3/aggTrades?symbol=BTCUSDT&limit=1000&{from}");
        Some((path, 4))
    };
    let moment = Timestamp::from_nanos(1_790_000_000_149_999_999);
    assert_eq!(
        asked(AggregatePage::Since(moment)),
        path("startTime=1790000000149")
    );
    assert_eq!(asked(AggregatePage::After(7001)), path("fromId=7002"));
    assert_eq!(asked(AggregatePage::After(u64::MAX)), None);
}

#[test]
fn the_weight_and_the_time_are_read() {
    let used = |header: Option<&'static str>| {
        let used = Binance.used_weight(&|name| header.filter(|_| name == "x-mbx-used-weight-1m"));
        used.map(|used| (used.used, used.left()))
    };
    let at_once = std::time::Duration::ZERO;
    assert_eq!(used(Some("25")), Some((25, (4_775, at_once))));
    assert_eq!(used(Some("4799")), Some((4_799, (1, at_once))));
    let minute = std::time::Duration::from_secs(60);
    assert_eq!(used(Some("4800")), Some((4_800, (0, minute))));
    assert_eq!(used(Some("9000")), Some((9_000, (0, minute))));
    assert_eq!((used(Some("-1")), used(None)), (None, None));
    let time = Binance
        .read_time(r#"{"serverTime":1790000000149}"#)
        .unwrap();
    assert_eq!(time.to_string(), "2026-09-21T14:13:20.149000Z");
    assert!(
        Binance
            .read_time(r#"{"serverTime":9223372036854775807}"#)
            .is_err()
    );
}
