//! The values of functions over the candles of many markets. Pure.
//!
//! Each indicator runs once per market and interval, however many expressions ask for it. Candles come in the order
//! of time, history first; a forming one is replaced by what follows with the same open time.
//!
//! A value is unknown until as many candles were seen as the function [needs](crate::expression::Function::candles),
//! so that it does not depend on when the program began; where an exchange has no earlier ones
//! ([`Series::on_beginning`]), until there is a value at all. It is unknown again after a hole: what was
//! before it says nothing of the candles that are missing.
//!
//! ```
//! use tickwire::expression::Expression;
//! use tickwire::model::Interval;
//! use tickwire::model::{Exchange, Market, Value};
//! use tickwire::series::Series;
//! # use tickwire::model::{Candle, Origin, Price, Timestamp};
//! # let candle = |market: Market, minute: i64, close: &str| {
//! #     let close: Price = close.parse().unwrap();
//! #     let open_time = Timestamp::from_nanos(minute * Interval::M1.nanos());
//! #     Candle {
//! #         market,
//! #         interval: Interval::M1,
//! #         open_time,
//! #         open: close,
//! #         high: close,
//! #         low: close,
//! #         close,
//! #         volume: "1".parse().unwrap(),
//! #         quote_volume: None,
//! #         trades: None,
//! #         closed: minute < 2,
//! #         complete: true,
//! #         origin: Origin::Stream,
//! #         timestamp: None,
//! #         received_at: open_time,
//! #     }
//! # };
//!
//! let market = Market::new(Exchange::new("kraken"), "BTC", "USD");
//! let rule = Expression::parse("price > sma(2)")?;
//! let mean = rule.operands()[1].function().expect("the second is one");
//!
//! let mut series = Series::new(Interval::M1);
//! series.require(&rule, &|_| Some(market));
//! assert_eq!(series.needs(), [(market, Interval::M1, 2)]);
//! for (minute, close) in [(0, "10"), (1, "11"), (2, "13")] {
//!     series.on_candle(&candle(market, minute, close));
//! }
//! let now = candle(market, 2, "13").open_time;
//! assert_eq!(series.value(market, &mean, now), Value::Number(12.into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change;
mod run;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::expression::{Expression, Function, Reference};
use crate::model::{Candle, Decimal, Event, GapReason, Interval, Market, Origin, Timestamp, Value};

use change::Closes;
use run::Run;

/// Functions at work over the candles of many markets.
#[derive(Debug)]
pub struct Series {
    default: Interval,
    lanes: HashMap<(Market, Interval), Lane>,
}

/// What is computed from the candles of one market and interval.
#[derive(Debug, Default)]
struct Lane {
    /// How many closed candles are wanted before the forming one.
    needs: usize,
    runs: Vec<Run>,
    /// For changes, where one is asked for.
    closes: Option<Closes>,
    newest: Option<Newest>,
    /// Its past is told, or will not come.
    is_begun: bool,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    open_time: Timestamp,
    closed: bool,
}

impl Series {
    /// Nothing is asked for yet. `default`: the interval of functions that name none.
    pub fn new(default: Interval) -> Self {
        Self {
            default,
            lanes: HashMap::new(),
        }
    }

    /// Computes from now on what this expression is made of. `market_of` finds the markets that it speaks of; what
    /// is of one that it cannot find stays unknown. What is new begins with the next candle.
    pub fn require(
        &mut self,
        expression: &Expression,
        market_of: &dyn Fn(&Reference) -> Option<Market>,
    ) {
        for need in expression.needs(self.default) {
            if let Some(market) = market_of(&need.of) {
                let lane = self.lanes.entry((market, need.interval)).or_default();
                lane.needs = lane.needs.max(need.candles);
            }
        }
        for operand in expression.operands() {
            let market = market_of(&operand.of);
            if let (Some(market), Some(function)) = (market, operand.function()) {
                let interval = function.interval(self.default);
                let lane = self.lanes.entry((market, interval)).or_default();
                lane.require(function);
            }
        }
    }

    /// The candles that it is to be given, by market and interval, with how many closed ones from before the forming
    /// one. In the order of markets and intervals.
    pub fn needs(&self) -> Vec<(Market, Interval, usize)> {
        let lanes = self.lanes.iter();
        let mut needs: Vec<_> = lanes
            .map(|((market, interval), lane)| (*market, *interval, lane.needs))
            .collect();
        needs.sort_by_key(|(market, interval, _)| (market.index(), *interval));
        needs
    }

    /// Takes what a stream of candles tells, the past first: candles, and which are lost. What of the past has not come
    /// before the first candle that is live or forming does not exist, as does what the source does not tell.
    pub fn on_event(&mut self, event: &Event) {
        match event {
            Event::Candle(candle) => {
                let key = (candle.market, candle.interval);
                let is_past = candle.origin == Origin::History && candle.closed;
                if let Some(lane) = self.lanes.get_mut(&key)
                    && !is_past
                    && !std::mem::replace(&mut lane.is_begun, true)
                {
                    self.on_beginning(key.0, key.1);
                }
                self.on_candle(candle);
            }
            Event::Gap(gap) if gap.is_loss() => {
                let Some(interval) = gap.stream.interval() else {
                    return;
                };
                self.on_gap(gap.market, interval);
                if gap.reason == GapReason::SourceLimit {
                    self.on_beginning(gap.market, interval);
                }
            }
            _ => {}
        }
    }

    /// Forgets these candles: their past is told anew, then what is live.
    pub fn restart(&mut self, market: Market, interval: Interval) {
        if let Some(lane) = self.lanes.get_mut(&(market, interval)) {
            lane.clear();
            lane.is_begun = false;
        }
    }

    /// The past of these candles is not told: the first live one is not the first of all.
    pub fn begin_midway(&mut self, market: Market, interval: Interval) {
        if let Some(lane) = self.lanes.get_mut(&(market, interval)) {
            lane.is_begun = true;
        }
    }

    /// Takes the next candle, or the forming one anew. One that nothing is computed from is ignored, as is one from
    /// before the newest, and anything about one that has closed.
    pub fn on_candle(&mut self, candle: &Candle) {
        if let Some(lane) = self.lanes.get_mut(&(candle.market, candle.interval)) {
            lane.on_candle(candle);
        }
    }

    /// Candles are lost: everything over them warms up anew.
    pub fn on_gap(&mut self, market: Market, interval: Interval) {
        if let Some(lane) = self.lanes.get_mut(&(market, interval)) {
            lane.clear();
        }
    }

    /// No candles from before the first can be had, as of a young market, or beyond what the exchange tells: what
    /// there is must do. Counts until the next hole.
    pub fn on_beginning(&mut self, market: Market, interval: Interval) {
        if let Some(lane) = self.lanes.get_mut(&(market, interval)) {
            lane.runs.iter_mut().for_each(Run::on_beginning);
        }
    }

    /// The value of a function of this market at this time, not before the newest candle began; `Null` while it is
    /// warming up, or where nobody asked for it.
    pub fn value(&self, market: Market, function: &Function, at: Timestamp) -> Value {
        let interval = function.interval(self.default);
        let lane = self.lanes.get(&(market, interval));
        let value = lane.and_then(|lane| lane.value(function, at));
        value.map_or(Value::Null, Value::Number)
    }
}

impl Lane {
    fn require(&mut self, function: Function) {
        match function {
            Function::Indicator(indicator, _) => {
                if !self.runs.iter().any(|run| run.is_of(&indicator)) {
                    self.runs.push(Run::new(indicator));
                }
            }
            Function::Change(length) => self
                .closes
                .get_or_insert_with(Closes::default)
                .reach(length),
        }
    }

    fn on_candle(&mut self, candle: &Candle) {
        let is_settled = |newest: Newest| {
            candle.open_time < newest.open_time
                || candle.open_time == newest.open_time && newest.closed
        };
        if self.newest.is_some_and(is_settled) {
            return;
        }
        let is_next = self
            .newest
            .is_none_or(|newest| newest.open_time < candle.open_time);
        self.newest = Some(Newest {
            open_time: candle.open_time,
            closed: candle.closed,
        });
        for run in &mut self.runs {
            run.on_candle(candle, is_next);
        }
        if let Some(closes) = &mut self.closes {
            closes.on_candle(candle);
        }
    }

    fn clear(&mut self) {
        self.runs.iter_mut().for_each(Run::clear);
        if let Some(closes) = &mut self.closes {
            closes.clear();
        }
        self.newest = None;
    }

    fn value(&self, function: &Function, at: Timestamp) -> Option<Decimal> {
        match function {
            Function::Indicator(indicator, _) => {
                let run = self.runs.iter().find(|run| run.is_of(indicator))?;
                run.value()
            }
            Function::Change(length) => self.closes.as_ref()?.change(*length, at),
        }
    }
}
