//! Functions of the last `n` candles, exact in decimals.

use std::collections::VecDeque;

use crate::model::Decimal;

use super::number::{from_f64, rounded, to_f64};
use super::running::{Compute, Step};

/// The last `length` numbers and their sum; one that is too large to be held is `None`. The newest is apart, so that
/// one that changes often, as that of a forming candle, leaves no trace.
#[derive(Debug)]
struct Sum {
    length: usize,
    before: VecDeque<Option<Decimal>>,
    /// Of those before.
    sum: Option<Decimal>,
    newest: Option<Decimal>,
    is_empty: bool,
}

impl Sum {
    fn new(length: u16) -> Self {
        Self {
            length: length.into(),
            before: VecDeque::new(),
            sum: Some(Decimal::ZERO),
            newest: None,
            is_empty: true,
        }
    }

    fn set(&mut self, value: Option<Decimal>, is_next: bool) {
        let previous = std::mem::replace(&mut self.newest, value);
        let is_first = std::mem::replace(&mut self.is_empty, false);
        if is_next && !is_first {
            self.keep(previous);
        }
    }

    fn keep(&mut self, value: Option<Decimal>) {
        self.before.push_back(value);
        let mut sum = plus(self.sum, value);
        if self.before.len() == self.length {
            let oldest = self.before.pop_front().flatten();
            sum = plus(sum, oldest.map(|oldest| -oldest));
        }
        let anew = || self.before.iter().copied().fold(Some(Decimal::ZERO), plus);
        self.sum = sum.or_else(anew);
    }

    /// `None` while there are too few.
    fn total(&self) -> Option<Decimal> {
        let is_full = self.before.len() + 1 == self.length;
        plus(self.sum, self.newest).filter(|_| is_full)
    }

    fn mean(&self) -> Option<Decimal> {
        self.total()?.checked_div(Decimal::from(self.length))
    }

    fn values(&self) -> impl Iterator<Item = Decimal> {
        let newest = std::iter::once(self.newest);
        self.before.iter().copied().chain(newest).flatten()
    }
}

fn plus(one: Option<Decimal>, other: Option<Decimal>) -> Option<Decimal> {
    one?.checked_add(other?)
}

/// `sma`, and the middle of the bands.
#[derive(Debug)]
pub(super) struct Mean(Sum);

impl Mean {
    pub fn new(length: u16) -> Self {
        Self(Sum::new(length))
    }
}

impl Compute for Mean {
    fn update(&mut self, step: &Step<'_>) -> Option<Decimal> {
        let close = step.candle.close.decimal();
        self.0.set(Some(close), step.is_next);
        Some(rounded(self.0.mean()?, close))
    }
}

/// A band: the mean and so many standard deviations of the population, fewer than none for the lower one.
///
/// The deviations are summed anew each time: the difference of two running sums, as libraries take it, loses all
/// digits where prices hardly move.
#[derive(Debug)]
pub(super) struct Band {
    closes: Sum,
    deviations: f64,
}

impl Band {
    pub fn new(length: u16, deviations: Decimal) -> Self {
        Self {
            closes: Sum::new(length),
            deviations: to_f64(deviations),
        }
    }
}

impl Compute for Band {
    fn update(&mut self, step: &Step<'_>) -> Option<Decimal> {
        let close = step.candle.close.decimal();
        self.closes.set(Some(close), step.is_next);
        let mean = self.closes.mean()?;
        let center = to_f64(mean);
        let squares = self.closes.values().map(|x| (to_f64(x) - center).powi(2));
        let variance = squares.sum::<f64>() / self.closes.length as f64;
        let distance = from_f64(self.deviations * variance.sqrt(), center)?;
        Some(rounded(mean.checked_add(distance)?, close))
    }
}

/// `vwap`: typical prices, weighted by volume.
#[derive(Debug)]
pub(super) struct Vwap {
    /// Of three times the typical price, so that only the end divides.
    weighted: Sum,
    volume: Sum,
}

impl Vwap {
    pub fn new(length: u16) -> Self {
        Self {
            weighted: Sum::new(length),
            volume: Sum::new(length),
        }
    }
}

impl Compute for Vwap {
    fn update(&mut self, step: &Step<'_>) -> Option<Decimal> {
        let candle = step.candle;
        let (close, volume) = (candle.close.decimal(), candle.volume.decimal());
        let sum = candle.high.decimal().checked_add(candle.low.decimal());
        let weighted = plus(sum, Some(close)).and_then(|sum| sum.checked_mul(volume));
        self.weighted.set(weighted, step.is_next);
        self.volume.set(Some(volume), step.is_next);
        let volume = self.volume.total()?.checked_mul(Decimal::from(3))?;
        Some(rounded(self.weighted.total()?.checked_div(volume)?, close))
    }
}

/// `highest` and `lowest`.
#[derive(Debug)]
pub(super) struct Extreme {
    length: u64,
    is_high: bool,
    /// Those before the newest that no later one surpasses, with their numbers: the first is the best.
    before: VecDeque<(u64, Decimal)>,
    newest: Option<(u64, Decimal)>,
}

impl Extreme {
    pub fn new(length: u16, is_high: bool) -> Self {
        Self {
            length: length.into(),
            is_high,
            before: VecDeque::new(),
            newest: None,
        }
    }

    fn surpasses(&self, one: Decimal, other: Decimal) -> bool {
        if self.is_high {
            one > other
        } else {
            one < other
        }
    }

    fn keep(&mut self, (number, price): (u64, Decimal)) {
        while let Some((_, last)) = self.before.back()
            && !self.surpasses(*last, price)
        {
            self.before.pop_back();
        }
        self.before.push_back((number, price));
    }
}

impl Compute for Extreme {
    fn update(&mut self, step: &Step<'_>) -> Option<Decimal> {
        let candle = step.candle;
        let price = if self.is_high {
            candle.high
        } else {
            candle.low
        }
        .decimal();
        let previous = self.newest.replace((step.number, price));
        if let Some(previous) = previous.filter(|_| step.is_next) {
            self.keep(previous);
        }
        let is_left = |(number, _): &mut (u64, Decimal)| *number + self.length <= step.number;
        let _ = self.before.pop_front_if(is_left);
        if step.number + 1 < self.length {
            return None;
        }
        let before = self.before.front().map(|(_, best)| *best);
        let best = before.filter(|best| self.surpasses(*best, price));
        Some(best.unwrap_or(price))
    }
}
