//! What is worth how much.

use super::*;

#[test]
fn a_portfolio_in_json_has_the_digits_of_prices_and_amounts() {
    let portfolio = portfolio("USD", &["BTC 2.0", "ETH 10.5 2000", "USD 100.50"]);
    let valuation = value(
        &portfolio,
        &["BTC/USD 97123.40 96000.00", "ETH/USD 3400.1 3500"],
    );
    assert_eq!(
        json(&valuation),
        concat!(
            r#"{"quote":"USD","total_value":230048.350,"total_change_24h":1197.850,"#,
            r#""total_change_percent_24h":0.5234,"total_cost":21000.0,"total_profit":14701.05,"#,
            r#""total_profit_percent":70.0050,"partial":false,"holdings":["#,
            r#"{"symbol":"BTC","amount":2.0,"pair":"BTC/USD","via":null,"price":97123.40,"value":194246.800,"#,
            r#""change_24h":2246.800,"change_percent_24h":1.1702},"#,
            r#"{"symbol":"ETH","amount":10.5,"pair":"ETH/USD","via":null,"price":3400.1,"value":35701.05,"#,
            r#""change_24h":-1048.95,"change_percent_24h":-2.8543,"cost":2000,"profit":14701.05,"#,
            r#""profit_percent":70.0050},"#,
            r#"{"symbol":"USD","amount":100.50,"pair":null,"via":null,"price":1,"value":100.50,"#,
            r#""change_24h":0.00,"change_percent_24h":0.0000}]}"#
        )
    );
}

#[test]
fn what_cannot_be_priced_is_shown_with_the_reason_and_is_in_no_total() {
    let portfolio = portfolio("USD", &["BTC 1", "ETH 3 10", "NOSUCH 5"]);
    let valuation = value(&portfolio, &["BTC/USD 100 90", "ETH/USD"]);
    assert_eq!(
        json(&valuation),
        concat!(
            r#"{"quote":"USD","total_value":100,"total_change_24h":10,"total_change_percent_24h":11.1111,"#,
            r#""total_cost":0,"total_profit":null,"total_profit_percent":null,"partial":true,"holdings":["#,
            r#"{"symbol":"BTC","amount":1,"pair":"BTC/USD","via":null,"price":100,"value":100,"change_24h":10,"#,
            r#""change_percent_24h":11.1111},"#,
            r#"{"symbol":"ETH","amount":3,"pair":"ETH/USD","via":null,"price":null,"value":null,"change_24h":null,"#,
            r#""change_percent_24h":null,"cost":10,"profit":null,"profit_percent":null,"unpriced":"stale"},"#,
            r#"{"symbol":"NOSUCH","amount":5,"pair":null,"via":null,"price":null,"value":null,"change_24h":null,"#,
            r#""change_percent_24h":null,"unpriced":"no_pair"}]}"#
        )
    );
}

#[test]
fn an_inverse_price_divides_the_amount_and_not_a_rounded_price() {
    let valuation = value(
        &portfolio("BTC", &["USD 97123.40"]),
        &["BTC/USD 97123.40 90000"],
    );
    let held = &valuation.holdings[0];
    assert_eq!(digits(held.price), "0.00001029618");
    assert_eq!(digits(held.value), "1");
    // 97123.40 / 90000 was it a day ago: dollars have lost against bitcoin.
    assert_eq!(digits(held.change_24h), "-0.079148888889");
    assert_eq!(digits(held.change_percent_24h), "-7.3344");
}

#[test]
fn a_hop_takes_the_prices_and_opens_of_both_markets() {
    let portfolio = portfolio("USD", &["FOO 1000"]);
    let valuation = value(
        &portfolio,
        &["FOO/USDT 0.50 0.40", "USDT/USD 0.9990 1.0001"],
    );
    let held = &valuation.holdings[0];
    assert_eq!(
        (held.pair.unwrap().symbol(), held.via),
        ("FOO/USDT", Some("USDT"))
    );
    assert_eq!(digits(held.price), "0.499500");
    assert_eq!(digits(held.value), "499.500000");
    assert_eq!(digits(held.change_24h), "99.460000");
    assert_eq!(digits(held.change_percent_24h), "24.8625");
}

#[test]
fn a_change_that_is_not_known_keeps_the_total_change_from_being_known() {
    let both = portfolio("USD", &["BTC 1", "ETH 1"]);
    let valuation = value(&both, &["BTC/USD 100 90", "ETH/USD 10"]);
    assert_eq!(digits(valuation.total_value), "110");
    assert_eq!(valuation.holdings[1].change_24h, None);
    assert_eq!(
        (
            valuation.total_change_24h,
            valuation.total_change_percent_24h
        ),
        (None, None)
    );
    assert!(!valuation.partial);
}

#[test]
fn nothing_known_is_no_total_and_nothing_held_is_worth_nothing() {
    let unknown = value(&portfolio("USD", &["BTC 1"]), &["BTC/USD"]);
    assert_eq!(
        (unknown.total_value, unknown.total_change_24h),
        (None, None)
    );
    assert!(unknown.partial);
    let empty = value(&portfolio("USD", &[]), &[]);
    assert_eq!(
        json(&empty),
        r#"{"quote":"USD","total_value":0,"total_change_24h":0,"total_change_percent_24h":null,"partial":false,"holdings":[]}"#
    );
}

#[test]
fn what_is_too_large_or_divides_by_zero_has_no_value_and_nothing_panics() {
    for (holding, rates) in [
        ("BTC 79228162514264337593543950335", "BTC/USD 97123.40"),
        ("BTC 1000000000000000000000", "BTC/USD 97123456789.40"),
        ("BTC 1", "USD/BTC 0"),
    ] {
        let valuation = value(&portfolio("USD", &[holding]), &[rates]);
        assert_eq!(
            valuation.holdings[0].unpriced,
            Some(Unpriced::Overflow),
            "{holding}"
        );
        assert!(valuation.partial);
    }
    let huge = "79228162514264337593543950335";
    let (one, other) = (format!("USD {huge}"), format!("BTC {huge}"));
    let sum = value(&portfolio("USD", &[&one, &other]), &["BTC/USD 1 1"]);
    assert_eq!((sum.total_value, sum.total_change_24h), (None, None));
}

#[test]
fn digits_that_cannot_be_held_are_rounded_to_12_places() {
    // 18 places of an amount and 12 of a price are more than 28.
    let held = portfolio("USD", &["FOO 1.123456789012345678"]);
    let valuation = value(&held, &["FOO/USD 0.000000123456"]);
    assert_eq!(digits(valuation.holdings[0].value), "0.000000138697");
}

#[test]
fn the_whole_amount_has_a_cost_and_a_cost_of_nothing_has_no_percentage() {
    let portfolio = portfolio("USD", &["BTC 2 30000", "ETH 5 0", "ADA 100"]);
    let valuation = value(&portfolio, &["BTC/USD 90000", "ETH/USD 10", "ADA/USD 1"]);
    let gains: Vec<_> = valuation.holdings.iter().map(|held| held.gain).collect();
    assert_eq!(digits(gains[0].unwrap().profit), "120000");
    assert_eq!(digits(gains[0].unwrap().profit_percent), "200.0000");
    assert_eq!(digits(gains[1].unwrap().profit), "50");
    assert_eq!(gains[1].unwrap().profit_percent, None);
    assert_eq!(gains[2], None);
    let total = valuation.gain.unwrap();
    assert_eq!(
        (digits(Some(total.cost)), digits(total.profit)),
        ("60000".into(), "120050".into())
    );
    assert_eq!(digits(total.profit_percent), "200.0833");
}

#[test]
fn totals_go_by_their_names() {
    let valuation = value(&portfolio("USD", &["BTC 2 1"]), &["BTC/USD 100 90"]);
    let text = json(&valuation);
    for name in FIELDS {
        assert!(valuation.field(name).is_some(), "{name}");
        assert!(text.contains(&format!("\"{name}\":")), "{name}");
    }
    assert_eq!(valuation.field("price"), None);
}
