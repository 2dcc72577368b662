//! From closed candles to signals. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use crate::expression::{Expression, Operand, Reference, Truth};
use crate::model::{Candle, Event, Interval, Market, Signal, SignalSide, Timestamp, Value};

/// A strategy of conditions at work: long or flat in each market.
///
/// A signal is given where the position changes: a buy when flat and `buy` is true, a sell when long and `sell` is
/// true. What is not known gives none.
#[derive(Debug, Clone)]
pub struct Machine {
    name: String,
    interval: Interval,
    buy: Expression,
    sell: Expression,
    positions: HashMap<Market, Position>,
}

/// What it has come to in one market.
#[derive(Debug, Clone)]
struct Position {
    is_long: bool,
    /// The newest candle that was looked at.
    newest: Timestamp,
}

impl Machine {
    pub(super) fn new(name: &str, interval: Interval, buy: &Expression, sell: &Expression) -> Self {
        Self {
            name: name.to_string(),
            interval,
            buy: buy.clone(),
            sell: sell.clone(),
            positions: HashMap::new(),
        }
    }

    /// Looks at a candle. A forming one, one of another length, and one not later than the last of its market
    /// are not its business.
    ///
    /// The fields of the candle's own market come from the candle; `values` gives the rest, as it is at its close:
    /// functions over candles up to this one, and what is asked of other markets.
    pub fn on_candle(
        &mut self,
        candle: &Arc<Candle>,
        values: &dyn Fn(&Operand) -> Value,
    ) -> Option<Signal> {
        if !candle.closed || candle.interval != self.interval {
            return None;
        }
        let known = self.positions.get(&candle.market);
        if known.is_some_and(|position| candle.open_time <= position.newest) {
            return None;
        }
        let position = self.positions.entry(candle.market).or_insert(Position {
            is_long: false,
            newest: candle.open_time,
        });
        position.newest = candle.open_time;
        let (condition, side) = if position.is_long {
            (&self.sell, SignalSide::Sell)
        } else {
            (&self.buy, SignalSide::Buy)
        };
        let event = Event::Candle(candle.clone());
        let at = candle.close_time();
        let value = |operand: &Operand| match operand.of {
            Reference::Own => operand.value(&event, at),
            Reference::Other { .. } => values(operand),
        };
        let operands = condition.operands();
        if condition.holds(&|place| value(&operands[place])) != Truth::True {
            return None;
        }
        position.is_long = !position.is_long;
        let told = operands
            .iter()
            .map(|operand| (operand.text.clone(), value(operand)));
        Some(Signal {
            strategy: self.name.clone(),
            market: candle.market,
            side,
            price: Some(candle.close),
            values: told.collect(),
            timestamp: at,
        })
    }
}
