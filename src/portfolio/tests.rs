//! Values against sums that are done by hand, and against another arithmetic.

mod prices;
mod properties;
mod routes;
mod valuations;

use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::model::{Exchange, Instrument, Market, parse_decimal};

const EXCHANGE: Exchange = Exchange::new("portfolio-test");

fn dec(text: &str) -> Decimal {
    parse_decimal(text).unwrap()
}

fn listed(pairs: &[&str]) -> Vec<Arc<Instrument>> {
    let of = |pair: &&str| {
        let (base, quote) = pair.split_once('/').unwrap();
        Arc::new(Instrument::new(EXCHANGE, base, quote, *pair))
    };
    pairs.iter().map(of).collect()
}

/// `"BTC 2"`, or with a cost `"BTC 2 30000"`.
fn portfolio(quote: &str, holdings: &[&str]) -> Portfolio {
    let holding = |text: &&str| {
        let mut words = text.split(' ');
        let asset = words.next().unwrap().to_owned();
        let amount = dec(words.next().unwrap());
        let cost = words.next().map(dec);
        (asset, Holding { amount, cost })
    };
    Portfolio {
        quote: quote.into(),
        holdings: holdings.iter().map(holding).collect(),
    }
}

/// `rates`: `"BTC/USD 97123.40"`, or with the price of a day ago behind it. Stale ones are named alone.
fn value(portfolio: &Portfolio, rates: &[&str]) -> Valuation {
    let pairs: Vec<&str> = rates
        .iter()
        .map(|text| text.split(' ').next().unwrap())
        .collect();
    let known: HashMap<&str, Result<Rate, Unpriced>> = rates
        .iter()
        .map(|text| {
            let mut words = text.split(' ');
            let pair = words.next().unwrap();
            let rate = words.next().map(|price| Rate {
                price: dec(price),
                open: words.next().map(dec),
            });
            (pair, rate.ok_or(Unpriced::Stale))
        })
        .collect();
    let routes = portfolio.routes(&Pairs::new(&listed(&pairs)));
    Valuation::new(portfolio, &routes, &|market: Market| known[market.symbol()])
}

fn json(valuation: &Valuation) -> String {
    let mut out = Vec::new();
    valuation.write_json(&mut out);
    String::from_utf8(out).unwrap()
}

fn digits(number: Option<Decimal>) -> String {
    let mut out = Vec::new();
    match number {
        Some(number) => crate::model::write_decimal(number, &mut out),
        None => out.extend_from_slice(b"null"),
    }
    String::from_utf8(out).unwrap()
}
