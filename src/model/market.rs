//! Names: an exchange, and one symbol at one exchange.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{LazyLock, Mutex};

/// A trading venue, by its lower-case name (`kraken`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Exchange(&'static str);

impl Exchange {
    /// An exchange with this name. Names are lower case, `a-z0-9_-`.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The same for a name that is known only at run time. It is kept for ever: never call it with whatever
    /// somebody sends, only with names whose number is bounded.
    pub fn named(name: &str) -> Self {
        static NAMES: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
        let mut names = NAMES.lock().expect("no holder of this lock panics");
        if let Some(known) = names.get(name) {
            return Self(known);
        }
        let name: &'static str = Box::leak(name.into());
        names.insert(name);
        Self(name)
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One canonical symbol (`BTC/USD`) at one exchange: what an event is about.
///
/// Interned, so that events stay small, copy for free and find their state by [`Market::index`]. An
/// entry is never freed; there are as many as there are listed instruments that somebody asked for.
#[derive(Clone, Copy)]
pub struct Market(&'static Entry);

struct Entry {
    index: usize,
    exchange: Exchange,
    symbol: String,
    slash: usize,
    json: String,
}

static MARKETS: LazyLock<Mutex<HashMap<(Exchange, String), &'static Entry>>> =
    LazyLock::new(Mutex::default);

impl Market {
    /// The market of `base`/`quote` at this exchange; both are written in capitals.
    pub fn new(exchange: Exchange, base: &str, quote: &str) -> Self {
        let symbol = format!("{}/{}", base.to_uppercase(), quote.to_uppercase());
        let slash = symbol.len() - quote.to_uppercase().len() - 1;
        let mut markets = MARKETS.lock().expect("no holder of this lock panics");
        let index = markets.len();
        let entry = markets
            .entry((exchange, symbol))
            .or_insert_with_key(|(exchange, symbol)| {
                let mut json = b"\"exchange\":".to_vec();
                super::write_json_string(exchange.name(), &mut json);
                json.extend_from_slice(b",\"symbol\":");
                super::write_json_string(symbol, &mut json);
                let json = String::from_utf8(json).expect("made of strings");
                Box::leak(Box::new(Entry {
                    index,
                    exchange: *exchange,
                    symbol: symbol.clone(),
                    slash,
                    json,
                }))
            });
        Self(entry)
    }

    /// Where it is traded.
    pub fn exchange(self) -> Exchange {
        self.0.exchange
    }

    /// The canonical symbol, `BASE/QUOTE`.
    pub fn symbol(self) -> &'static str {
        &self.0.symbol
    }

    /// The first leg.
    pub fn base(self) -> &'static str {
        &self.0.symbol[..self.0.slash]
    }

    /// The second leg.
    pub fn quote(self) -> &'static str {
        &self.0.symbol[self.0.slash + 1..]
    }

    /// A small number, dense within this process: the place of its state in a table.
    pub fn index(self) -> usize {
        self.0.index
    }

    /// `"exchange":"kraken","symbol":"BTC/USD"`, the head of every event about it.
    pub(crate) fn json(self) -> &'static str {
        &self.0.json
    }
}

impl PartialEq for Market {
    fn eq(&self, other: &Self) -> bool {
        self.0.index == other.0.index
    }
}

impl Eq for Market {}

impl std::hash::Hash for Market {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.index.hash(state);
    }
}

impl fmt::Display for Market {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.exchange, self.0.symbol)
    }
}

impl fmt::Debug for Market {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_symbol_is_one_market_and_keeps_its_legs() {
        let exchange = Exchange::new("kraken");
        let market = Market::new(exchange, "btc", "Usd");
        assert_eq!(market, Market::new(exchange, "BTC", "USD"));
        assert_ne!(market, Market::new(Exchange::new("binance"), "BTC", "USD"));
        assert_eq!(
            (market.symbol(), market.base(), market.quote()),
            ("BTC/USD", "BTC", "USD")
        );
        assert_eq!(market.to_string(), "kraken:BTC/USD");
    }
}
