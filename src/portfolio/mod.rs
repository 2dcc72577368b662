//! What is held, and what it is worth.
//!
//! Which markets an asset is priced by, and the exact arithmetic of its value. Pure: no I/O, no clock; prices are given.
//!
//! ```
//! use std::sync::Arc;
//!
//! use tickwire::model::{Exchange, Instrument, parse_decimal};
//! use tickwire::portfolio::{Holding, Pairs, Portfolio, Rate, Valuation};
//!
//! let exchange = Exchange::new("kraken");
//! let listed = [("ETH", "BTC"), ("BTC", "USD")];
//! let listed = listed.map(|(base, quote)| Arc::new(Instrument::new(exchange, base, quote, "")));
//! let pairs = Pairs::new(&listed);
//! let portfolio = Portfolio {
//!     quote: "USD".into(),
//!     holdings: vec![("ETH".into(), Holding { amount: parse_decimal("2.5")?, cost: None })],
//! };
//! let routes = portfolio.routes(&pairs);
//!
//! // No market has both; one hop over bitcoin does.
//! let rate = |price: &str| Ok(Rate { price: parse_decimal(price).unwrap(), open: None });
//! let valuation = Valuation::new(&portfolio, &routes, &|market| match market.base() {
//!     "ETH" => rate("0.035"),
//!     _ => rate("97123.40"),
//! });
//! assert_eq!(valuation.holdings[0].via, Some("BTC"));
//! assert_eq!(valuation.total_value.unwrap().to_string(), "8498.297500");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod exact;
mod json;
mod prices;
mod route;
mod value;

#[cfg(test)]
mod tests;

pub use json::FIELDS;
pub use prices::Prices;
pub use route::{Leg, Pairs, Route};
pub use value::{Gain, Rate, Unpriced, Valuation, Valued};

use crate::model::Decimal;

/// How much of an asset is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// In units of the asset; not negative.
    pub amount: Decimal,
    /// What one unit of it cost, in the quote of the portfolio; not negative.
    pub cost: Option<Decimal>,
}

/// What is held, and what it is to be valued in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portfolio {
    /// The asset that values are told in.
    pub quote: String,
    /// Each asset by its common name, in the order in which they are told.
    pub holdings: Vec<(String, Holding)>,
}

impl Portfolio {
    /// How each holding is priced, in their order.
    pub fn routes(&self, pairs: &Pairs) -> Vec<Result<Route, Unpriced>> {
        let assets = self.holdings.iter().map(|(asset, _)| asset);
        let routes = assets.map(|asset| pairs.route(asset, &self.quote));
        routes.map(|route| route.ok_or(Unpriced::NoPair)).collect()
    }
}
