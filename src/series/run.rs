//! One indicator over the candles of one market and interval.

use crate::indicator::{Indicator, Running};
use crate::model::{Candle, Decimal};

#[derive(Debug)]
pub struct Run {
    indicator: Indicator,
    running: Running,
    /// The newest included.
    candles: usize,
    /// There is nothing before the first of them.
    from_beginning: bool,
}

impl Run {
    pub fn new(indicator: Indicator) -> Self {
        Self {
            indicator,
            running: indicator.start(),
            candles: 0,
            from_beginning: false,
        }
    }

    pub fn is_of(&self, indicator: &Indicator) -> bool {
        self.indicator == *indicator
    }

    /// `is_next`: it is not the newest one anew.
    pub fn on_candle(&mut self, candle: &Candle, is_next: bool) {
        // One that began in the middle of a candle has not counted it yet.
        self.candles += usize::from(is_next || self.candles == 0);
        self.running.update(candle);
    }

    pub fn clear(&mut self) {
        *self = Self::new(self.indicator);
    }

    /// It need not wait for more candles than the least.
    pub fn on_beginning(&mut self) {
        self.from_beginning = true;
    }

    pub fn value(&self) -> Option<Decimal> {
        let is_warm = self.from_beginning || self.candles >= self.indicator.needs();
        self.running.value().filter(|_| is_warm)
    }
}
