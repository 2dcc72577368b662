//! From closed candles to signals. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use crate::expression::{Crossings, Expression, Operand, Reference, Truth};
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
    buy: Crossings,
    sell: Crossings,
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
        let event = Event::Candle(candle.clone());
        let value = |operand: &Operand| own(operand, &event).unwrap_or_else(|| values(operand));
        let name = self.name.clone();
        let position = self.observe(candle, &value)?;
        let (condition, side) = if position.is_long {
            (&position.sell, SignalSide::Sell)
        } else {
            (&position.buy, SignalSide::Buy)
        };
        let operands = condition.expression().operands();
        if condition.holds(&|place| value(&operands[place])) != Truth::True {
            return None;
        }
        let told = operands.iter();
        let told = told.map(|operand| (operand.text.clone(), value(operand)));
        let signal = Signal {
            strategy: name,
            market: candle.market,
            side,
            price: Some(candle.close),
            values: told.collect(),
            timestamp: candle.close_time(),
        };
        position.is_long = !position.is_long;
        Some(signal)
    }

    /// Looks at a candle from before the time that signals are wanted for: so that crossings know how things stood.
    pub fn warm_up(&mut self, candle: &Arc<Candle>, values: &dyn Fn(&Operand) -> Value) {
        let event = Event::Candle(candle.clone());
        self.observe(candle, &|operand| {
            own(operand, &event).unwrap_or_else(|| values(operand))
        });
    }

    /// Tells the crossings of both conditions, also of the one that is not asked for now.
    fn observe(
        &mut self,
        candle: &Candle,
        value: &dyn Fn(&Operand) -> Value,
    ) -> Option<&mut Position> {
        if !candle.closed || candle.interval != self.interval {
            return None;
        }
        let known = self.positions.get(&candle.market);
        if known.is_some_and(|position| candle.open_time <= position.newest) {
            return None;
        }
        let position = self.positions.entry(candle.market).or_insert(Position {
            is_long: false,
            buy: Crossings::new(&self.buy),
            sell: Crossings::new(&self.sell),
            newest: candle.open_time,
        });
        position.newest = candle.open_time;
        for condition in [&mut position.buy, &mut position.sell] {
            let expression = condition.expression().clone();
            condition.observe(&|place| value(&expression.operands()[place]));
        }
        Some(position)
    }
}

/// What the candle itself tells.
fn own(operand: &Operand, candle: &Event) -> Option<Value> {
    let is_own = operand.of == Reference::Own && operand.field().is_some();
    // No field of a candle depends on when it is asked for; `age` is refused in strategies.
    is_own.then(|| operand.value(candle, Timestamp::from_nanos(0)))
}
