//! Which markets lead from an asset to the quote.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::{Instrument, Market};

/// Assets to hop over, the first that works; then all others by name. No two of them are ever taken as equal.
const HOPS: [&str; 6] = ["USD", "USDT", "USDC", "EUR", "BTC", "ETH"];

/// The markets that an asset is priced by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Route {
    /// From the asset to the quote: none for the quote itself, one, or two.
    pub legs: Vec<Leg>,
}

/// One market on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    /// The instrument.
    pub instrument: Arc<Instrument>,
    /// Whether it leads from its quote to its base: its price divides.
    pub inverse: bool,
}

impl Leg {
    /// Its market.
    pub fn market(&self) -> Market {
        self.instrument.market
    }

    /// Where it leads to.
    fn end(&self) -> &'static str {
        match self.inverse {
            true => self.market().base(),
            false => self.market().quote(),
        }
    }
}

impl Route {
    /// The first market; none for the quote itself.
    pub fn pair(&self) -> Option<Market> {
        self.legs.first().map(Leg::market)
    }

    /// The asset that is hopped over.
    pub fn via(&self) -> Option<&'static str> {
        match &self.legs[..] {
            [first, _] => Some(first.end()),
            _ => None,
        }
    }
}

/// What an exchange trades, to find routes in.
#[derive(Debug, Default)]
pub struct Pairs {
    /// By base and quote.
    listed: HashMap<(&'static str, &'static str), Arc<Instrument>>,
    /// What each asset is traded against, either way.
    partners: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

impl Pairs {
    /// Of these, those that can be traded now.
    pub fn new(instruments: &[Arc<Instrument>]) -> Self {
        let mut pairs = Self::default();
        for instrument in instruments.iter().filter(|i| i.status.is_live()) {
            let (base, quote) = (instrument.market.base(), instrument.market.quote());
            pairs.partners.entry(base).or_default().insert(quote);
            pairs.partners.entry(quote).or_default().insert(base);
            let place = pairs.listed.entry((base, quote));
            place.or_insert_with(|| instrument.clone());
        }
        pairs
    }

    /// The way from an asset to the quote, by their common names: the pair itself, the inverse pair, or one hop. The
    /// same for the same list, whatever its order.
    pub fn route(&self, asset: &str, quote: &str) -> Option<Route> {
        if asset == quote {
            return Some(Route::default());
        }
        if let Some(leg) = self.leg(asset, quote) {
            return Some(Route { legs: vec![leg] });
        }
        let (from, to) = (self.partners.get(asset)?, self.partners.get(quote)?);
        let usual = HOPS
            .iter()
            .find_map(|hop| from.intersection(to).find(|x| *x == hop));
        let over = usual.or_else(|| from.intersection(to).next())?;
        let legs = vec![self.leg(asset, over)?, self.leg(over, quote)?];
        Some(Route { legs })
    }

    fn leg(&self, from: &str, to: &str) -> Option<Leg> {
        let of = |base, quote, inverse| {
            let instrument = self.listed.get(&(base, quote))?.clone();
            Some(Leg {
                instrument,
                inverse,
            })
        };
        of(from, to, false).or_else(|| of(to, from, true))
    }
}
