//! Which way is taken.

use super::*;
use crate::model::TradingStatus;

/// The way as text: `ETH/BTC, BTC/USD^-1 via BTC`.
fn way(pairs: &[&str], asset: &str, quote: &str) -> String {
    way_of(&listed(pairs), asset, quote)
}

fn way_of(instruments: &[Arc<Instrument>], asset: &str, quote: &str) -> String {
    let Some(route) = Pairs::new(instruments).route(asset, quote) else {
        return "none".into();
    };
    let leg = |leg: &Leg| {
        let inverse = if leg.inverse { "^-1" } else { "" };
        format!("{}{inverse}", leg.market().symbol())
    };
    let legs: Vec<_> = route.legs.iter().map(leg).collect();
    let via = route
        .via()
        .map(|via| format!(" via {via}"))
        .unwrap_or_default();
    legs.join(", ") + &via
}

#[test]
fn the_quote_itself_needs_no_market() {
    assert_eq!(way(&[], "USD", "USD"), "");
    assert_eq!(Pairs::default().route("USD", "USD").unwrap().pair(), None);
}

#[test]
fn the_pair_itself_comes_before_its_inverse_and_both_before_any_hop() {
    let all = ["ETH/BTC", "BTC/ETH", "ETH/USD", "BTC/USD"];
    assert_eq!(way(&all, "ETH", "BTC"), "ETH/BTC");
    assert_eq!(way(&all[1..], "ETH", "BTC"), "BTC/ETH^-1");
    assert_eq!(way(&all[2..], "ETH", "BTC"), "ETH/USD, BTC/USD^-1 via USD");
}

#[test]
fn each_leg_of_a_hop_can_be_either_way_round() {
    for (pairs, expected) in [
        (["A/X", "X/Q"], "A/X, X/Q via X"),
        (["X/A", "X/Q"], "X/A^-1, X/Q via X"),
        (["A/X", "Q/X"], "A/X, Q/X^-1 via X"),
        (["X/A", "Q/X"], "X/A^-1, Q/X^-1 via X"),
    ] {
        assert_eq!(way(&pairs, "A", "Q"), expected);
    }
}

#[test]
fn hops_are_preferred_in_a_fixed_order_and_then_by_name() {
    let mut hops = vec!["USD", "USDT", "USDC", "EUR", "BTC", "ETH", "AAA", "ZZZ"];
    while !hops.is_empty() {
        let pairs: Vec<String> = hops
            .iter()
            .rev()
            .flat_map(|hop| [format!("FOO/{hop}"), format!("{hop}/GBP")])
            .collect();
        let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
        let first = hops.remove(0);
        let expected = format!("FOO/{first}, {first}/GBP via {first}");
        assert_eq!(way(&pairs, "FOO", "GBP"), expected);
    }
}

#[test]
fn the_order_of_the_list_does_not_matter() {
    let mut pairs = vec![
        "FOO/USDT", "FOO/BTC", "BTC/USD", "USDT/USD", "FOO/EUR", "EUR/USD",
    ];
    for _ in 0..pairs.len() {
        pairs.rotate_left(1);
        assert_eq!(way(&pairs, "FOO", "USD"), "FOO/USDT, USDT/USD via USDT");
    }
}

#[test]
fn dollars_and_their_look_alikes_are_never_taken_as_equal() {
    assert_eq!(way(&["BTC/USDT"], "BTC", "USD"), "none");
    assert_eq!(way(&["BTC/USDT"], "USDT", "USD"), "none");
    assert_eq!(
        way(&["BTC/USDT", "USDT/USD"], "BTC", "USD"),
        "BTC/USDT, USDT/USD via USDT"
    );
}

#[test]
fn two_hops_are_too_many_and_an_unknown_asset_has_no_way() {
    let pairs = ["A/B", "B/C", "C/D"];
    assert_eq!(way(&pairs, "A", "D"), "none");
    assert_eq!(way(&pairs, "NOSUCH", "D"), "none");
    assert_eq!(way(&pairs, "A", "NOSUCH"), "none");
}

#[test]
fn what_is_not_traded_now_is_no_way() {
    let with = |status| {
        let mut direct = Instrument::new(EXCHANGE, "BTC", "USD", "BTC-USD");
        direct.status = status;
        let mut all = listed(&["BTC/EUR", "EUR/USD"]);
        all.push(Arc::new(direct));
        way_of(&all, "BTC", "USD")
    };
    assert_eq!(with(TradingStatus::Trading), "BTC/USD");
    assert_eq!(with(TradingStatus::Restricted), "BTC/USD");
    for status in [
        TradingStatus::Halted,
        TradingStatus::Delisted,
        TradingStatus::Unknown,
    ] {
        assert_eq!(with(status), "BTC/EUR, EUR/USD via EUR");
    }
}
