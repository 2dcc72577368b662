//! What holdings are worth.

use crate::model::{Decimal, Market};

use super::exact::{difference, fraction, percent, sum};
use super::route::Route;
use super::{Holding, Portfolio};

/// What is known of a market now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The newest price.
    pub price: Decimal,
    /// The price 24 hours ago.
    pub open: Option<Decimal>,
}

/// Why a holding has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpriced {
    /// No market, and no two, lead from the asset to the quote.
    NoPair,
    /// No price has come yet.
    NoPrice,
    /// What came last is not the price of now.
    Stale,
    /// The value has more digits than can be held, or a price is zero where it would divide.
    Overflow,
}

impl Unpriced {
    /// The word in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoPair => "no_pair",
            Self::NoPrice => "no_price",
            Self::Stale => "stale",
            Self::Overflow => "overflow",
        }
    }
}

/// What was made, compared with what it had cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gain {
    /// Of a holding what one unit cost; of all what those that are priced and have a cost did together.
    pub cost: Decimal,
    /// The value less the cost of the whole amount. `None` where there is no value.
    pub profit: Option<Decimal>,
    /// The same in per cent of that cost, to 4 places; `None` where that was nothing.
    pub profit_percent: Option<Decimal>,
}

/// One holding with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Valued {
    /// The asset.
    pub symbol: String,
    /// How much of it.
    pub amount: Decimal,
    /// The first market of its route.
    pub pair: Option<Market>,
    /// The asset that is hopped over.
    pub via: Option<&'static str>,
    /// Of one unit, in the quote.
    pub price: Option<Decimal>,
    /// Of all, in the quote.
    pub value: Option<Decimal>,
    /// What the value has changed by within 24 hours.
    pub change_24h: Option<Decimal>,
    /// The same in per cent of the value then, to 4 places.
    pub change_percent_24h: Option<Decimal>,
    /// Where a cost was given.
    pub gain: Option<Gain>,
    /// Why there is no value.
    pub unpriced: Option<Unpriced>,
}

/// What a portfolio is worth.
///
/// Units: everything in the quote, percentages in points. A product is exact; what cannot be held exactly, so most
/// quotients, is rounded half-even to 12 places, percentages to 4.
/// Invariant: what has no value is in no total, and `partial` says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Valuation {
    /// What it is valued in.
    pub quote: String,
    /// `None` where nothing of what is held has a value.
    pub total_value: Option<Decimal>,
    /// `None` where that of a holding with a value is not known.
    pub total_change_24h: Option<Decimal>,
    /// The same in per cent of the value then, to 4 places.
    pub total_change_percent_24h: Option<Decimal>,
    /// Of those holdings that have a cost and a value; `None` without any cost.
    pub gain: Option<Gain>,
    /// Whether a holding has no value.
    pub partial: bool,
    /// In the order of the portfolio.
    pub holdings: Vec<Valued>,
}

impl Valuation {
    /// Values a portfolio whose holdings are priced by these routes, at these rates. One without a route has the reason.
    pub fn new(
        portfolio: &Portfolio,
        routes: &[Result<Route, Unpriced>],
        rate: &dyn Fn(Market) -> Result<Rate, Unpriced>,
    ) -> Self {
        let holdings: Vec<_> = portfolio
            .holdings
            .iter()
            .zip(routes)
            .map(|((asset, holding), route)| Valued::new(asset, holding, route, rate))
            .collect();
        let priced = || holdings.iter().filter(|holding| holding.value.is_some());
        let values: Vec<_> = priced().filter_map(|holding| holding.value).collect();
        let changes: Option<Vec<_>> = priced().map(|holding| holding.change_24h).collect();
        let is_known = holdings.is_empty() || !values.is_empty();
        let total_value = is_known.then(|| sum(&values)).flatten();
        let total_change_24h = total_value.and(changes).and_then(|changes| sum(&changes));
        Self {
            quote: portfolio.quote.clone(),
            total_value,
            total_change_24h,
            total_change_percent_24h: grown(total_value, total_change_24h),
            gain: total_gain(&holdings),
            partial: holdings.iter().any(|holding| holding.value.is_none()),
            holdings,
        }
    }
}

impl Valued {
    fn new(
        asset: &str,
        holding: &Holding,
        route: &Result<Route, Unpriced>,
        rate: &dyn Fn(Market) -> Result<Rate, Unpriced>,
    ) -> Self {
        let valued = Self {
            symbol: asset.to_owned(),
            amount: holding.amount,
            pair: route.as_ref().ok().and_then(Route::pair),
            via: route.as_ref().ok().and_then(Route::via),
            price: None,
            value: None,
            change_24h: None,
            change_percent_24h: None,
            gain: holding.cost.map(|cost| Gain {
                cost,
                profit: None,
                profit_percent: None,
            }),
            unpriced: None,
        };
        let factors = route.as_ref().map_err(|why| *why);
        match factors.and_then(|route| Factors::of(route, rate)) {
            Ok(factors) => valued.priced(&factors),
            Err(why) => Self {
                unpriced: Some(why),
                ..valued
            },
        }
    }

    fn priced(mut self, factors: &Factors) -> Self {
        let (Some(price), Some(value)) = (factors.price(Decimal::ONE), factors.price(self.amount))
        else {
            self.unpriced = Some(Unpriced::Overflow);
            return self;
        };
        self.price = Some(price);
        self.value = Some(value);
        let open = factors.open(self.amount);
        self.change_24h = open.and_then(|open| difference(value, open));
        self.change_percent_24h = grown(self.value, self.change_24h);
        if let Some(gain) = &mut self.gain {
            let cost = fraction(&[self.amount, gain.cost], &[]);
            gain.profit = cost.and_then(|cost| difference(value, cost));
            gain.profit_percent = gain.profit.zip(cost).and_then(|(p, c)| percent(p, c));
        }
        self
    }
}

/// What amounts are multiplied with and divided by on a route: now, and 24 hours ago.
struct Factors {
    up: Vec<Decimal>,
    down: Vec<Decimal>,
    open: Option<(Vec<Decimal>, Vec<Decimal>)>,
}

impl Factors {
    fn of(
        route: &Route,
        rate: &dyn Fn(Market) -> Result<Rate, Unpriced>,
    ) -> Result<Self, Unpriced> {
        let mut factors = Self {
            up: Vec::new(),
            down: Vec::new(),
            open: Some(Default::default()),
        };
        for leg in &route.legs {
            let rate = rate(leg.market())?;
            let line = match leg.inverse {
                true => &mut factors.down,
                false => &mut factors.up,
            };
            line.push(rate.price);
            factors.open = factors
                .open
                .zip(rate.open)
                .map(|((mut up, mut down), open)| {
                    let line = if leg.inverse { &mut down } else { &mut up };
                    line.push(open);
                    (up, down)
                });
        }
        Ok(factors)
    }

    fn price(&self, amount: Decimal) -> Option<Decimal> {
        times(amount, &self.up, &self.down)
    }

    fn open(&self, amount: Decimal) -> Option<Decimal> {
        let (up, down) = self.open.as_ref()?;
        times(amount, up, down)
    }
}

fn times(amount: Decimal, up: &[Decimal], down: &[Decimal]) -> Option<Decimal> {
    let up: Vec<_> = std::iter::once(amount).chain(up.iter().copied()).collect();
    fraction(&up, down)
}

/// The change in per cent of what the value was before it.
fn grown(value: Option<Decimal>, change: Option<Decimal>) -> Option<Decimal> {
    let change = change?;
    percent(change, difference(value?, change)?)
}

fn total_gain(holdings: &[Valued]) -> Option<Gain> {
    holdings.iter().find(|holding| holding.gain.is_some())?;
    let with_profit = || {
        let gains = holdings.iter().filter_map(|h| Some((h, h.gain?)));
        gains.filter_map(|(holding, gain)| Some((holding, gain.cost, gain.profit?)))
    };
    let costs = with_profit().map(|(holding, cost, _)| fraction(&[holding.amount, cost], &[]));
    let cost = costs
        .collect::<Option<Vec<_>>>()
        .and_then(|costs| sum(&costs))?;
    let profits: Vec<_> = with_profit().map(|(.., profit)| profit).collect();
    let profit = (!profits.is_empty()).then(|| sum(&profits)).flatten();
    Some(Gain {
        cost,
        profit,
        profit_percent: profit.and_then(|profit| percent(profit, cost)),
    })
}
