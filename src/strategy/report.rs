//! The outcome of a backtest, and how it is told.

use crate::model::{Decimal, Interval, Market, Price, Timestamp};

use super::account::Costs;

/// What a strategy would have brought. Percentages are in points, rounded half-even to 4 places.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its name.
    pub strategy: String,
    /// The candles that it was looked at on.
    pub interval: Interval,
    /// What each fill cost.
    pub costs: Costs,
    /// One for each market, each with a capital of its own.
    pub markets: Vec<Summary>,
    /// Over several markets: the same capital in each, put together.
    pub total: Option<Summary>,
}

/// The account of one market, or of all.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// `None` = all of them.
    pub market: Option<Market>,
    /// The open of the first candle.
    pub from: Timestamp,
    /// The close of the last.
    pub until: Timestamp,
    /// How many candles.
    pub candles: u64,
    /// Round trips; one that is still open counts, as if it had ended at the last close.
    pub trades: u64,
    /// Those of them that brought more than they cost.
    pub wins: u64,
    /// Those of them that are still open.
    pub open: u64,
    /// Signals at the end that no candle came to fill.
    pub unfilled: u64,
    /// What an open position was marked at; `None` over several markets.
    pub last_close: Option<Price>,
    /// What came of the capital, fees and slippage paid.
    pub return_percent: Decimal,
    /// What came of it bought at the first open, at the same costs, and held until the last close.
    pub hold_percent: Decimal,
    /// The largest fall from a high, at closes.
    pub drawdown_percent: Decimal,
    /// All fees, of the capital at the beginning.
    pub fees_percent: Decimal,
}

impl Summary {
    /// How many of the trades brought more than they cost, in per cent; `None` without trades.
    pub fn hit_rate_percent(&self) -> Option<Decimal> {
        let rate = Decimal::from(self.wins).checked_div(Decimal::from(self.trades))?;
        Some(percent(rate))
    }

    fn cells(&self) -> [String; 8] {
        [
            self.market
                .map_or("total".into(), |market| market.to_string()),
            self.candles.to_string(),
            self.trades.to_string(),
            self.hit_rate_percent().map_or("-".into(), shown),
            signed(self.return_percent),
            signed(self.hold_percent),
            shown(self.drawdown_percent),
            shown(self.fees_percent),
        ]
    }

    /// What the figures rest on and do not show.
    fn remarks(&self) -> impl Iterator<Item = String> {
        let market = self.market.filter(|_| self.open + self.unfilled > 0);
        let open = market.zip(self.last_close).filter(|_| self.open > 0);
        let open = open.map(|(market, close)| {
            format!("{market}: the last trade is still open, marked at the last close, {close}")
        });
        let unfilled = market.filter(|_| self.unfilled > 0);
        let unfilled = unfilled
            .map(|market| format!("{market}: the last signal is not filled, no candle followed"));
        open.into_iter().chain(unfilled)
    }
}

const HEAD: [&str; 8] = [
    "market",
    "candles",
    "trades",
    "hit rate",
    "return",
    "buy & hold",
    "max drawdown",
    "fees",
];

impl Report {
    /// A few aligned lines for people.
    pub fn lines(&self) -> Vec<String> {
        let (name, interval) = (&self.strategy, self.interval);
        let all = self.total.iter().chain(&self.markets).next();
        let Some(all) = all else {
            return vec![format!("backtest of {name}, {interval}: no candles")];
        };
        let (fee, slippage) = (
            Price::from(self.costs.fee),
            Price::from(self.costs.slippage),
        );
        let mut lines = vec![format!(
            "backtest of {name}, {interval}, {} to {}, fee {fee}%, slippage {slippage}%",
            seconds(all.from),
            seconds(all.until)
        )];
        let mut rows = vec![HEAD.map(str::to_owned)];
        rows.extend(self.markets.iter().chain(&self.total).map(Summary::cells));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<_> = (0..HEAD.len()).map(|c| width(c).unwrap_or(0)).collect();
        lines.extend(rows.iter().map(|row| {
            let mut line = format!("{:<width$}", row[0], width = widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                line.push_str(&format!("  {cell:>width$}"));
            }
            line
        }));
        lines.extend(self.markets.iter().flat_map(Summary::remarks));
        lines
    }
}

/// A part as points.
pub(super) fn percent(part: Decimal) -> Decimal {
    let mut points = part.saturating_mul(Decimal::ONE_HUNDRED).round_dp(4);
    points.rescale(4);
    // Also without a sign: nothing lost is nothing gained.
    if points.is_zero() {
        points.abs()
    } else {
        points
    }
}

fn shown(percent: Decimal) -> String {
    let mut rounded = percent.round_dp(2);
    rounded.rescale(2);
    format!("{}%", Price::from(rounded))
}

fn signed(percent: Decimal) -> String {
    let sign = if percent > Decimal::ZERO { "+" } else { "" };
    format!("{sign}{}", shown(percent))
}

/// Candles begin and end at whole seconds.
fn seconds(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19)
        .map_or(text.clone(), |whole| format!("{whole}Z"))
}
