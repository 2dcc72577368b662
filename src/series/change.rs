//! By how much a price has changed since some time ago.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::{Candle, Decimal, Timestamp, exact_sub, ratio};

/// The newest closes, so far back as changes are measured and one more. Memory: as many candles as there are in the
/// longest of the changes.
#[derive(Debug, Default)]
pub struct Closes {
    longest: Duration,
    /// In the order of time; the last may be forming.
    closes: VecDeque<Close>,
}

#[derive(Debug, Clone, Copy)]
struct Close {
    ends: Timestamp,
    price: Decimal,
}

impl Closes {
    /// Keeps enough for a change over this length, too.
    pub fn reach(&mut self, length: Duration) {
        self.longest = self.longest.max(length);
    }

    pub fn on_candle(&mut self, candle: &Candle) {
        let close = Close {
            ends: candle.close_time(),
            price: candle.close.decimal(),
        };
        match self.closes.back_mut() {
            Some(newest) if newest.ends == close.ends => *newest = close,
            _ => self.closes.push_back(close),
        }
        // Nobody asks for a time before the newest began.
        let horizon = before(candle.open_time, self.longest);
        while self.closes.get(1).is_some_and(|next| next.ends <= horizon) {
            self.closes.pop_front();
        }
    }

    pub fn clear(&mut self) {
        self.closes.clear();
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.closes.len()
    }

    /// In per cent, rounded half-even to 4 decimals; `None` where the price of then is not known.
    pub fn change(&self, length: Duration, at: Timestamp) -> Option<Decimal> {
        let then = before(at, length);
        let after = self.closes.partition_point(|close| close.ends <= then);
        let old = self.closes.get(after.checked_sub(1)?)?.price;
        let new = self.closes.back()?.price;
        ratio(exact_sub(new, old)?, old, 100)
    }
}

fn before(at: Timestamp, length: Duration) -> Timestamp {
    let nanos = i64::try_from(length.as_nanos()).unwrap_or(i64::MAX);
    at.plus_nanos(-nanos)
}
