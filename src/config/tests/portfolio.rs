//! `[portfolio]`.

use super::*;
use crate::model::parse_decimal;
use crate::portfolio::Holding;

fn holding(amount: &str, cost: Option<&str>) -> Holding {
    let number = |text: &str| parse_decimal(text).unwrap();
    Holding {
        amount: number(amount),
        cost: cost.map(number),
    }
}

#[test]
fn amounts_and_costs_keep_their_digits() {
    let text = "[portfolio]\nquote = \"EUR\"\n[portfolio.holdings]\nbtc = 2.0\n\
                ETH = { amount = \"10.50\", cost = 1_800.5 }\nADA.amount = 1e-8";
    let portfolio = load(text, &[]).portfolio;
    assert_eq!(portfolio.quote.as_deref(), Some("EUR"));
    let names: Vec<_> = portfolio.holdings.keys().map(String::as_str).collect();
    assert_eq!(names, ["ADA", "BTC", "ETH"]);
    assert_eq!(portfolio.holdings["BTC"].amount.to_string(), "2.0");
    assert_eq!(portfolio.holdings["ETH"].amount.to_string(), "10.50");
    assert_eq!(portfolio.holdings["ETH"], holding("10.50", Some("1800.5")));
    assert_eq!(portfolio.holdings["ADA"], holding("0.00000001", None));
}

#[test]
fn without_the_section_nothing_is_held() {
    assert_eq!(load("", &[]).portfolio, PortfolioSettings::default());
}

#[test]
fn a_variable_is_over_the_file_in_either_form() {
    let file = "[portfolio.holdings]\nBTC = { amount = 1, cost = 5 }\nETH = 1";
    let variables = [
        ("TICKWIRE_PORTFOLIO__HOLDINGS__BTC", "2"),
        ("TICKWIRE_PORTFOLIO__HOLDINGS__ETH__AMOUNT", "3"),
        ("TICKWIRE_PORTFOLIO__QUOTE", "USDT"),
    ];
    let portfolio = load(file, &variables).portfolio;
    assert_eq!(portfolio.holdings["BTC"], holding("2", Some("5")));
    assert_eq!(portfolio.holdings["ETH"], holding("3", None));
    assert_eq!(portfolio.quote.as_deref(), Some("USDT"));
}
