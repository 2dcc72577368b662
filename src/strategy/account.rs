//! What it costs to trade, and an account that buys with all it has.

use crate::model::{Decimal, SignalSide, parse_decimal};

/// What each fill costs, in per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Costs {
    /// Of the value that is traded.
    pub fee: Decimal,
    /// How much worse than the open of the candle the price is: higher for a buy, lower for a sell.
    pub slippage: Decimal,
}

impl Costs {
    /// Reads `0.1%` or `0.1 pct`, from 0 to under 100. The sign is asked for: `0.1` could be meant as ten times
    /// or a tenth of a hundredth.
    ///
    /// Errors: a sentence that names the text and what would be right.
    pub fn parse_percent(text: &str) -> Result<Decimal, String> {
        let bad = || format!("`{text}` is not a percentage from 0% to under 100% (write 0.1%)");
        let text = text.trim();
        let number = text.strip_suffix('%').or(text.strip_suffix("pct"));
        let value = parse_decimal(number.ok_or_else(bad)?.trim_end()).map_err(|_| bad())?;
        let range = Decimal::ZERO..Decimal::ONE_HUNDRED;
        range.contains(&value).then_some(value).ok_or_else(bad)
    }

    /// The price of a fill: moved against us.
    fn price(&self, open: Decimal, side: SignalSide) -> Decimal {
        let slippage = self.slippage / Decimal::ONE_HUNDRED;
        open.saturating_mul(match side {
            SignalSide::Buy => Decimal::ONE + slippage,
            SignalSide::Sell | SignalSide::Exit => Decimal::ONE - slippage,
        })
    }

    /// The part of the value of a fill that is paid for it.
    fn fee_rate(&self) -> Decimal {
        self.fee / Decimal::ONE_HUNDRED
    }
}

/// An account that begins with a capital of 1 in quote, and is wholly in or wholly out.
///
/// Every step is computed to 28 digits; only what is told is rounded.
#[derive(Debug, Clone)]
pub struct Account {
    costs: Costs,
    cash: Decimal,
    units: Decimal,
    /// What was there before the last buy.
    staked: Decimal,
    /// All that was paid.
    pub fees: Decimal,
    /// Round trips that have ended.
    pub trades: u64,
    /// Those that have left more than there was before.
    pub wins: u64,
}

impl Account {
    pub fn new(costs: Costs) -> Self {
        Self {
            costs,
            cash: Decimal::ONE,
            units: Decimal::ZERO,
            staked: Decimal::ONE,
            fees: Decimal::ZERO,
            trades: 0,
            wins: 0,
        }
    }

    pub fn is_long(&self) -> bool {
        !self.units.is_zero()
    }

    /// Whether a fill on this side would change anything.
    pub fn acts_on(&self, side: SignalSide) -> bool {
        self.is_long() != (side == SignalSide::Buy)
    }

    /// Trades at this open, if there is anything to trade.
    pub fn fill(&mut self, side: SignalSide, open: Decimal) {
        if !self.acts_on(side) {
            return;
        }
        let price = self.costs.price(open, side);
        let rate = self.costs.fee_rate();
        if side == SignalSide::Buy {
            // What is bought and the fee on it are all that there is.
            let value = self.cash / (Decimal::ONE + rate);
            let units = value.checked_div(price).unwrap_or_default();
            if units.is_zero() {
                return;
            }
            self.fees += self.cash - value;
            (self.staked, self.cash, self.units) = (self.cash, Decimal::ZERO, units);
            return;
        }
        let value = self.units.saturating_mul(price);
        let fee = value.saturating_mul(rate);
        self.fees = self.fees.saturating_add(fee);
        (self.cash, self.units) = (value - fee, Decimal::ZERO);
        self.trades += 1;
        self.wins += u64::from(self.cash > self.staked);
    }

    /// What it is worth at this price, without the cost of leaving.
    pub fn equity(&self, price: Decimal) -> Decimal {
        if self.is_long() {
            self.units.saturating_mul(price)
        } else {
            self.cash
        }
    }

    /// Whether the open position is worth more than what was put into it.
    pub fn is_winning(&self, price: Decimal) -> bool {
        self.is_long() && self.equity(price) > self.staked
    }
}

/// The largest fall from a high.
#[derive(Debug, Clone, Copy)]
pub struct Drawdown {
    peak: Decimal,
    /// As a part of the high, 0 to 1.
    pub worst: Decimal,
}

impl Drawdown {
    /// From a capital of 1.
    pub fn new() -> Self {
        Self {
            peak: Decimal::ONE,
            worst: Decimal::ZERO,
        }
    }

    pub fn see(&mut self, equity: Decimal) {
        self.peak = self.peak.max(equity);
        self.worst = self.worst.max((self.peak - equity) / self.peak);
    }
}
