//! How far a rule has seen what was traded.

use std::time::Duration;

use crate::model::{Candle, Price, Ticker, Timestamp, Trade};

use super::Past;

/// How far a rule has seen the trades of one market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// The last trade, where it is known.
    pub id: Option<u64>,
    /// Its time, else that of the last price.
    pub time: Timestamp,
    /// The price then.
    pub price: Option<Price>,
}

/// How far marks may stay behind where nothing can have happened.
const SELDOM: Duration = Duration::from_secs(600);
/// How far the clocks of an exchange and of this machine may be apart. A mark that moves without a replay stays this far behind: the clocks of exchange and machine differ.
/// What lies between is replayed twice then, which changes nothing where nothing could change.
pub const CLOCKS: Duration = Duration::from_secs(60);

impl Mark {
    /// Whether it can be: one by time alone that lies in the future comes from a clock that was wrong, and
    /// would silence all that happens until then.
    pub fn is_plausible(&self, now: Timestamp) -> bool {
        self.id.is_some() || self.time <= now.plus_nanos(CLOCKS.as_nanos() as i64)
    }

    /// Which of two reaches further back, for asking once for what follows both.
    pub fn age_key(&self) -> (Timestamp, bool, Option<u64>) {
        // At one and the same time an id says more than none.
        (self.time, self.id.is_none(), self.id)
    }

    /// Whether a trade lies up to here.
    pub fn covers(&self, trade: &Trade) -> bool {
        match self.id {
            Some(id) => trade.id <= id,
            None => trade.timestamp <= self.time,
        }
    }

    /// At the end of a candle.
    pub fn at_end(candle: &Candle) -> Mark {
        Mark {
            id: None,
            time: candle.close_time(),
            price: Some(candle.close),
        }
    }

    /// At a trade.
    pub fn of(trade: &Trade) -> Mark {
        Mark {
            id: Some(trade.id),
            time: trade.timestamp,
            price: Some(trade.price),
        }
    }

    /// After a replay.
    pub fn after(past: &Past, before: Option<Mark>) -> Option<Mark> {
        match (past.end(), before) {
            // A newest trade from before the mark: there has been none since, or another has seen more.
            (Some(mark), Some(before)) if mark.time < before.time => Some(before),
            (mark, before) => mark.or(before),
        }
    }

    /// Where a check begins without a replay, `steady` where nothing can have happened since the last one.
    pub fn at(ticker: &Ticker, before: Option<Mark>, steady: bool) -> Mark {
        let time = ticker.timestamp.unwrap_or(ticker.received_at);
        let mark = |time| Mark {
            id: None,
            time,
            price: ticker.price,
        };
        let Some(before) = before.filter(|_| steady) else {
            return mark(time);
        };
        // Seldom, so that checks without news need not write anything down.
        let behind = time.plus_nanos(-(CLOCKS.as_nanos() as i64));
        let far = before.time.plus_nanos(SELDOM.as_nanos() as i64);
        if behind > far { mark(behind) } else { before }
    }
}
