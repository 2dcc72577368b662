//! Coinbase's messages.

use std::sync::Arc;

use super::support::*;
use crate::exchange::coinbase::{Coinbase, EXCHANGE};
use crate::exchange::protocol::{Adapter, Reply};
use crate::feed::{ProviderError, Sign, Topic};
use crate::model::{Event, Instrument, Stream, Timestamp};

pub fn instrument(base: &str) -> Arc<Instrument> {
    Arc::new(Instrument::new(
        EXCHANGE,
        base,
        "USD",
        format!("{base}-USD"),
    ))
}

fn trades(base: &str) -> Topic {
    topic(&instrument(base), Stream::Trades)
}

fn error(reason: &str) -> String {
    format!(r#"{{"type":"error","message":"Failed to subscribe","reason":"{reason}"}}"#)
}

#[test]
fn matches_name_the_maker_and_are_turned_round() {
    let mut protocol = subscribed(&Coinbase, &[instrument("BTC")]);
    let output = good(&mut *protocol, fixture!("coinbase/match"));
    assert_eq!(
        lines(&output),
        [format!(
            r#"{{"type":"trade","exchange":"coinbase","symbol":"BTC/USD","id":"910000124","price":61000.10,"size":0.015,"side":"buy","timestamp":"2026-09-21T14:13:20.151002Z",{NOW_JSON},"origin":"stream"}}"#
        )]
    );
    assert!(matches!(&output.events[0], Event::Trade(trade) if !trade.replayed));
    let output = good(&mut *protocol, fixture!("coinbase/last_match"));
    assert_eq!(
        lines(&output),
        [format!(
            r#"{{"type":"trade","exchange":"coinbase","symbol":"BTC/USD","id":"910000123","price":61000,"size":1,"side":"sell","timestamp":"2026-09-21T14:13:20.000000Z",{NOW_JSON},"origin":"stream"}}"#
        )]
    );
    assert!(matches!(&output.events[0], Event::Trade(trade) if trade.replayed));
}

#[test]
fn tickers_are_completed_by_arithmetic_alone_and_may_lack_anything() {
    let mut protocol = subscribed(&Coinbase, &[instrument("BTC")]);
    assert_eq!(
        lines(&good(&mut *protocol, fixture!("coinbase/ticker"))),
        [format!(
            r#"{{"type":"ticker","exchange":"coinbase","symbol":"BTC/USD","price":61000.10,"bid":61000.00,"bid_size":0.12000000,"ask":61000.10,"ask_size":0.35000000,"spread":0.10,"open_24h":60100.00,"high_24h":61250,"low_24h":59800.5,"volume_24h":9750.12345678,"quote_volume_24h":null,"change_24h":900.10,"change_percent_24h":1.4977,"timestamp":"2026-09-21T14:13:20.149001Z",{NOW_JSON}}}"#
        )]
    );
    assert_eq!(
        lines(&good(&mut *protocol, fixture!("coinbase/ticker_sparse"))),
        [format!(
            r#"{{"type":"ticker","exchange":"coinbase","symbol":"BTC/USD","price":null,"bid":0.00001,"bid_size":null,"ask":null,"ask_size":null,"spread":null,"open_24h":null,"high_24h":null,"low_24h":null,"volume_24h":0,"quote_volume_24h":null,"change_24h":null,"change_percent_24h":null,"timestamp":null,{NOW_JSON}}}"#
        )]
    );
}

#[test]
fn what_is_of_no_interest_is_passed_over_and_what_is_broken_is_an_error() {
    let mut protocol = subscribed(&Coinbase, &[instrument("BTC")]);
    for text in [
        r#"{"type":"heartbeat"}"#,
        r#"{"type":"snapshot","product_id":"BTC-USD","bids":[["1","2"]],"asks":[]}"#,
        r#"{"type":"l2update","product_id":"BTC-USD","changes":[["buy","1","2"]],"time":"x"}"#,
        r#"{"type":"status","products":[],"currencies":[]}"#,
        r#"{"type":"never_heard_of","price":{}}"#,
        r#"{"type":null}"#,
        "{}",
    ] {
        assert!(is_ignored(&mut *protocol, text), "{text}");
    }
    let stranger = fixture!("coinbase/match").replace("BTC-USD", "ETH-USD");
    assert!(is_ignored(&mut *protocol, &stranger));
    for (from, to) in [
        (r#""sell""#, r#""SELL""#),
        (r#""sell""#, r#""""#),
        (r#""61000.10""#, r#""""#),
        (r#""61000.10""#, "null"),
        (r#""0.015""#, "{}"),
        ("910000124", "-5"),
        ("910000124", r#""9223372036854775808""#),
        ("2026-09-21T", "yesterday"),
    ] {
        let text = fixture!("coinbase/match").replacen(from, to, 1);
        assert!(decode(&mut *protocol, &text).is_err(), "{text}");
    }
}

#[test]
fn a_heartbeat_names_the_newest_trade_where_trades_are_subscribed() {
    let beat = |product: &str, id: &str| {
        format!(
            r#"{{"type":"heartbeat","sequence":93,"last_trade_id":{id},"product_id":"{product}","time":"2026-09-21T14:13:21.000000Z"}}"#
        )
    };
    let market = instrument("BTC").market;
    let newest = |time| {
        [Sign::Newest {
            market,
            id: 91,
            time,
        }]
    };
    let time = Timestamp::parse("2026-09-21T14:13:21.000000Z");
    let mut protocol = Coinbase.protocol();
    protocol.subscribe(&topics(&[instrument("BTC")]));
    for id in ["91", r#""91""#] {
        assert_eq!(
            good(&mut *protocol, &beat("BTC-USD", id)).signs,
            newest(time)
        );
    }
    let otherwise = r#"{"last_trade_id":91,"product_id":"BTC-USD","type":"heartbeat"}"#;
    assert_eq!(good(&mut *protocol, otherwise).signs, newest(None));
    for (product, id) in [
        ("BTC-USD", "0"),
        ("BTC-USD", "null"),
        ("BTC-USD", "-1"),
        ("ETH-USD", "91"),
    ] {
        let output = good(&mut *protocol, &beat(product, id));
        assert_eq!(
            (output.signs, output.ignored),
            (vec![], 1),
            "{product} {id}"
        );
    }
    protocol.unsubscribe(&[trades("BTC")]);
    assert_eq!(good(&mut *protocol, &beat("BTC-USD", "91")).signs, []);
}

#[test]
fn a_list_from_before_a_stop_does_not_settle_the_start_after_it() {
    let list = |products: &str| {
        format!(
            r#"{{"type":"subscriptions","channels":[{{"name":"matches","product_ids":[{products}]}}]}}"#
        )
    };
    let (btc, both) = (list(r#""BTC-USD""#), list(r#""BTC-USD","ETH-USD""#));
    let eth = list(r#""ETH-USD""#);
    let mut protocol = Coinbase.protocol();
    protocol.subscribe(&[trades("BTC")]);
    replies(&mut *protocol, &btc);
    protocol.subscribe(&[trades("ETH")]);
    protocol.unsubscribe(&[trades("BTC")]);
    protocol.subscribe(&[trades("BTC")]);
    let subscribed = |base: &str| [Reply::Subscribed(vec![trades(base)])];
    assert_eq!(replies(&mut *protocol, &both), subscribed("ETH"));
    assert!(is_ignored(&mut *protocol, &eth));
    assert_eq!(replies(&mut *protocol, &both), subscribed("BTC"));
    // the list that showed the stop is lost: asked again, the next one is believed
    protocol.unsubscribe(&[trades("BTC")]);
    protocol.subscribe(&[trades("BTC")]);
    assert!(is_ignored(&mut *protocol, &both));
    protocol.subscribe(&[trades("BTC")]);
    assert_eq!(replies(&mut *protocol, &both), subscribed("BTC"));
}

#[test]
fn one_request_asks_for_all_with_heartbeats() {
    let mut protocol = Coinbase.protocol();
    let asked = topics(&[instrument("BTC"), instrument("ETH")]);
    let messages = protocol.subscribe(&asked);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].topics, asked);
    let request: serde_json::Value = serde_json::from_str(&messages[0].text).unwrap();
    let products = serde_json::json!(["BTC-USD", "ETH-USD"]);
    assert_eq!(
        request,
        serde_json::json!({"type": "subscribe", "channels": [
            {"name": "ticker", "product_ids": products},
            {"name": "matches", "product_ids": products},
            {"name": "heartbeat", "product_ids": products},
        ]})
    );
    assert_eq!(protocol.subscribe(&[]), []);
    assert_eq!(
        protocol.unsubscribe(&[trades("ETH")])[0].text,
        r#"{"channels":[{"name":"matches","product_ids":["ETH-USD"]}],"type":"unsubscribe"}"#
    );
}

#[test]
fn a_list_settles_what_it_lists_under_any_name_and_in_any_order() {
    let both = topics(&[instrument("BTC")]);
    for text in [
        r#"{"type":"subscriptions","channels":[{"name":"heartbeat","product_ids":["BTC-USD"]},{"name":"matches","product_ids":["ETH-USD","BTC-USD"],"account_ids":null},{"name":"ticker","product_ids":["BTC-USD"]}]}"#,
        r#"{"channels":[{"product_ids":["BTC-USD"],"name":"ticker_1000"},{"name":"match","product_ids":["BTC-USD"]},{"name":"level2_50"}],"type":"subscriptions"}"#,
    ] {
        let mut protocol = Coinbase.protocol();
        protocol.subscribe(&both);
        assert_eq!(
            replies(&mut *protocol, text),
            [Reply::Subscribed(both.clone())]
        );
        assert!(is_ignored(&mut *protocol, text));
    }
    let mut protocol = Coinbase.protocol();
    protocol.subscribe(&both);
    let half =
        r#"{"type":"subscriptions","channels":[{"name":"ticker","product_ids":["BTC-USD"]}]}"#;
    assert_eq!(
        replies(&mut *protocol, half),
        [Reply::Subscribed(both[..1].to_vec())]
    );
    assert!(is_ignored(
        &mut *protocol,
        r#"{"type":"subscriptions","channels":[]}"#
    ));
}

#[test]
fn an_error_refuses_whom_it_names_and_asks_again_for_the_others() {
    let all = topics(&[instrument("BTC"), instrument("WBTC"), instrument("ETH")]);
    let mut protocol = Coinbase.protocol();
    protocol.subscribe(&all);
    let reason = "WBTC-USD is delisted";
    let refused = |topic: &Topic| Reply::Refused {
        topics: vec![topic.clone()],
        reason: reason.into(),
    };
    let others = [&all[..2], &all[4..]].concat();
    assert_eq!(
        replies(&mut *protocol, &error(reason)),
        [refused(&all[2]), refused(&all[3]), Reply::Again(others)]
    );
    // said twice, it is old news
    assert!(is_ignored(&mut *protocol, &error(reason)));
}

#[test]
fn an_error_is_not_about_another_request_than_the_one_it_names() {
    let mut protocol = Coinbase.protocol();
    // two whose answers are lost, one that fails
    protocol.subscribe(&[trades("BTC")]);
    protocol.subscribe(&[trades("ETH")]);
    protocol.subscribe(&[trades("FOO")]);
    assert_eq!(
        replies(&mut *protocol, &error("FOO-USD is not a valid product")),
        [Reply::Refused {
            topics: vec![trades("FOO")],
            reason: "FOO-USD is not a valid product".into()
        }]
    );
    // the list of a later request settles the earlier ones
    let list = r#"{"type":"subscriptions","channels":[{"name":"matches","product_ids":["ETH-USD","BTC-USD"]}]}"#;
    assert_eq!(
        replies(&mut *protocol, list),
        [Reply::Subscribed(vec![trades("BTC"), trades("ETH")])]
    );
    // nothing is open any more
    let nameless = r#"{"type":"error","message":"Malformed JSON"}"#;
    assert!(is_ignored(&mut *protocol, nameless));
}

#[test]
fn an_error_without_a_name_is_about_the_oldest_open_request() {
    let mut protocol = Coinbase.protocol();
    protocol.subscribe(&[trades("BTC"), trades("ETH")]);
    protocol.unsubscribe(&[trades("SOL")]);
    let nameless = r#"{"type":"error","message":"slow down","reason":""}"#;
    assert_eq!(
        replies(&mut *protocol, nameless),
        [Reply::Refused {
            topics: vec![trades("BTC"), trades("ETH")],
            reason: "slow down".into()
        }]
    );
    assert!(is_ignored(&mut *protocol, nameless));
    assert!(is_ignored(&mut *protocol, nameless));
    // what was unsubscribed before its answer came is nobody's any more
    protocol.subscribe(&[trades("BTC")]);
    protocol.unsubscribe(&[trades("BTC")]);
    assert!(is_ignored(
        &mut *protocol,
        &error("BTC-USD is not a valid product")
    ));
}

#[test]
fn the_list_of_products_survives_its_odd_rows() {
    let list = Coinbase
        .read_instruments(fixture!("coinbase/products_mixed"))
        .unwrap();
    let rows: Vec<_> = list.iter().map(row).collect();
    assert_eq!(
        rows,
        [
            "BTC/USD BTC-USD BTC-USD [] 0.01 0.00000001 1 trading online",
            "BTCAUCTION/USD BTCAUCTION-USD BTCAUCTION-USD [] 0.01 0.00000001 - restricted online",
            "OLD/EUR OLD-EUR OLD-EUR [] - - - delisted delisted",
            "OFF/USD OFF-USD OFF-USD [] - - - halted offline",
            "STOP/USD STOP-USD STOP-USD [] - - - halted online",
            "LIM/USD LIM-USD LIM-USD [] - - - restricted online",
            "ODD/USD ODD-USD ODD-USD [] - - - unknown sleeping",
            "BARE/USD BARE-USD BARE-USD [] - - - unknown ",
        ]
    );
    is_identity(&catalogue(&Coinbase, list));
    for body in ["", "{}", "<html>", r#"{"message":"NotFound"}"#] {
        let error = Coinbase.read_instruments(body).unwrap_err();
        assert!(matches!(error, ProviderError::Malformed(_)), "{body}");
    }
}

#[test]
fn rest_answers_are_read_oldest_first_and_name_the_maker() {
    let btc = instrument("BTC");
    let trades = Coinbase
        .read_trades(fixture!("coinbase/rest_trades"), &btc, NOW)
        .unwrap();
    assert_eq!(
        trade_lines(&trades),
        [
            format!(
                r#"{{"type":"trade","exchange":"coinbase","symbol":"BTC/USD","id":"910000124","price":61000.10000000,"size":0.01500000,"side":"buy","timestamp":"2026-09-21T14:13:20.151002Z",{NOW_JSON},"origin":"history"}}"#
            ),
            format!(
                r#"{{"type":"trade","exchange":"coinbase","symbol":"BTC/USD","id":"910000125","price":60999.90000000,"size":0.50000000,"side":"sell","timestamp":"2026-09-21T14:13:21.000000Z",{NOW_JSON},"origin":"history"}}"#
            )
        ]
    );
    let body = r#"{"trade_id":910000124,"price":"61000.10","size":"0.015","time":"2026-09-21T14:13:20.123456789Z","bid":"61000.00","ask":"61000.1","volume":"9750.12345678","rfq_volume":"1.2"}"#;
    let tickers = Coinbase
        .read_tickers(body, std::slice::from_ref(&btc), NOW)
        .unwrap();
    assert_eq!(
        ticker_line(&tickers[0]),
        format!(
            r#"{{"type":"ticker","exchange":"coinbase","symbol":"BTC/USD","price":61000.10,"bid":61000.00,"bid_size":null,"ask":61000.1,"ask_size":null,"spread":0.10,"open_24h":null,"high_24h":null,"low_24h":null,"volume_24h":9750.12345678,"quote_volume_24h":null,"change_24h":null,"change_percent_24h":null,"timestamp":"2026-09-21T14:13:20.123456Z",{NOW_JSON}}}"#
        )
    );
    assert_eq!(
        Coinbase
            .ask_tickers(&[btc.clone(), instrument("ETH")])
            .len(),
        2
    );
    assert_eq!(
        Coinbase.ask_trades(&btc, 5).path,
        "/products/BTC-USD/trades?limit=5"
    );
    assert_eq!(
        Coinbase.read_error(r#"{"message":"NotFound"}"#).as_deref(),
        Some("NotFound")
    );
}

#[test]
fn the_time_is_read() {
    let body = r#"{"iso":"2026-09-21T14:13:20.149Z","epoch":1790000000.149}"#;
    let time = Coinbase.read_time(body).unwrap();
    assert_eq!(time.to_string(), "2026-09-21T14:13:20.149000Z");
    assert!(Coinbase.read_time(r#"{"iso":"now"}"#).is_err());
}
