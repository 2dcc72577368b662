//! An indicator that follows candles.

use std::fmt::Debug;

use crate::model::{Candle, Decimal, Timestamp};

use super::Indicator;

/// The next candle, or the newest one anew.
pub(super) struct Step<'a> {
    /// Which one it is since the beginning, from 0.
    pub number: u64,
    /// Whether it follows the newest; else it takes its place.
    pub is_next: bool,
    pub candle: &'a Candle,
}

/// The mathematics of one function. The library is behind this, and what is exact is our own.
pub(super) trait Compute: Debug + Send + Sync {
    /// The value with this candle as the newest; `None` while there are too few, or where there is none.
    fn update(&mut self, step: &Step<'_>) -> Option<Decimal>;
}

/// An indicator as it follows candles, the forming one included: see [`Indicator::start`].
///
/// Memory: at most the candles of its window.
#[derive(Debug)]
pub struct Running {
    compute: Box<dyn Compute>,
    /// For how many candles one that is not complete matters, itself included; 0 where it never does.
    doubt: u64,
    newest: Option<Newest>,
    /// The number of the last one, before the newest, that was not complete.
    incomplete: Option<u64>,
    value: Option<Decimal>,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    number: u64,
    open_time: Timestamp,
    is_complete: bool,
}

impl Running {
    pub(super) fn new(indicator: &Indicator) -> Self {
        Self {
            compute: indicator.compute(),
            doubt: indicator.doubt() as u64,
            newest: None,
            incomplete: None,
            value: None,
        }
    }

    /// Takes the next candle, or with the same open time the newest one anew, and tells the value.
    ///
    /// `None` while there are too few candles, where there is no value (nothing was traded in the whole window of a
    /// `vwap`), and where it cannot be known: [`Running::is_doubtful`]. A candle from before the newest is ignored.
    pub fn update(&mut self, candle: &Candle) -> Option<Decimal> {
        let number = match self.newest {
            None => 0,
            Some(newest) if candle.open_time < newest.open_time => return self.value(),
            Some(newest) if candle.open_time == newest.open_time => newest.number,
            Some(newest) => {
                if !newest.is_complete {
                    self.incomplete = Some(newest.number);
                }
                newest.number + 1
            }
        };
        let step = Step {
            number,
            is_next: self.newest.is_none_or(|newest| newest.number != number),
            candle,
        };
        self.value = self.compute.update(&step);
        self.newest = Some(Newest {
            number,
            open_time: candle.open_time,
            is_complete: candle.complete,
        });
        self.value()
    }

    /// The value with all candles so far.
    pub fn value(&self) -> Option<Decimal> {
        self.value.filter(|_| !self.is_doubtful())
    }

    /// Whether the value hangs on a candle in which a trade may be missing, so that there is none. It does for as
    /// long as the candle is in the window; for `atr`, which never forgets wholly, for [`Indicator::needs`] more.
    /// Functions of closes alone are never in doubt.
    pub fn is_doubtful(&self) -> bool {
        let Some(newest) = self.newest.filter(|_| self.doubt > 0) else {
            return false;
        };
        let is_within = |number| newest.number - number < self.doubt;
        !newest.is_complete || self.incomplete.is_some_and(is_within)
    }
}
