//! The seam between what was asked for and what comes live, of one stream of one market. Pure.

use crate::feed::{Span, TradeMark};
use crate::model::{Event, Timestamp, Trade};

/// How far the past of one stream is told.
#[derive(Debug)]
pub(super) struct Joint {
    contiguous: bool,
    /// Candles: what begins before this is told. Trades: what happened before it, where no id says more.
    until: Timestamp,
    last: Option<Trade>,
    is_joined: bool,
}

/// What is to be done with a live event.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// It is told.
    Tell,
    /// The past had it.
    Known,
    /// What lies between is asked for first.
    Ask(Missing),
}

/// What lies between the past and the live stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Missing {
    /// Candles that begin within this span.
    Candles(Span),
    /// The trades after this one, before the one with this id.
    Trades(TradeMark, u64),
}

impl Joint {
    /// Nothing is told yet; the past begins at `from`.
    pub fn new(from: Timestamp, contiguous: bool) -> Self {
        Self {
            contiguous,
            until: from,
            last: None,
            is_joined: false,
        }
    }

    /// Everything before this moment is told, or told as missing.
    pub fn reach(&mut self, until: Timestamp) {
        self.until = self.until.max(until);
    }

    /// Takes what the past tells.
    pub fn told(&mut self, event: &Event) {
        match event {
            Event::Trade(trade) => self.last = Some(*trade),
            Event::Candle(candle) if candle.closed => self.reach(candle.close_time()),
            _ => {}
        }
    }

    /// Up to where everything is told.
    pub fn until(&self) -> Timestamp {
        let after = |last: Trade| last.timestamp.plus_nanos(1);
        self.until.max(self.last.map_or(self.until, after))
    }

    /// What was between is told, or told as missing: the next live event follows.
    pub fn join(&mut self) {
        self.is_joined = true;
    }

    /// Where the live stream begins.
    pub fn on_live(&mut self, event: &Event) -> Step {
        match event {
            Event::Candle(candle) if candle.open_time < self.until && !self.is_joined => {
                Step::Known
            }
            Event::Candle(candle) if !self.is_joined && candle.open_time > self.until => {
                Step::Ask(Missing::Candles(Span {
                    from: self.until,
                    until: candle.open_time,
                }))
            }
            Event::Trade(trade) => self.on_trade(trade),
            Event::Candle(_) => {
                self.is_joined = true;
                Step::Tell
            }
            _ => Step::Tell,
        }
    }

    fn on_trade(&mut self, trade: &Trade) -> Step {
        if self.is_joined {
            return Step::Tell;
        }
        let Some(last) = self.last else {
            // Nothing was traded until then; whether something was since, nobody has said.
            let after = TradeMark {
                id: None,
                time: self.until,
            };
            return Step::Ask(Missing::Trades(after, trade.id));
        };
        if trade.id <= last.id {
            return Step::Known;
        }
        if self.contiguous && trade.id > last.id + 1 {
            let after = TradeMark {
                id: Some(last.id),
                time: last.timestamp,
            };
            return Step::Ask(Missing::Trades(after, trade.id));
        }
        self.is_joined = true;
        Step::Tell
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Candle, Exchange, Interval, Market, Origin, Side};

    fn market() -> Market {
        Market::new(Exchange::new("joint"), "A", "B")
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_nanos(minute * Interval::M1.nanos())
    }

    fn candle(minute: i64, closed: bool) -> Event {
        let price = "1".parse().unwrap();
        Event::Candle(Arc::new(Candle {
            market: market(),
            interval: Interval::M1,
            open_time: at(minute),
            open: price,
            high: price,
            low: price,
            close: price,
            volume: "1".parse().unwrap(),
            quote_volume: None,
            trades: None,
            closed,
            complete: true,
            origin: Origin::Stream,
            timestamp: None,
            received_at: at(minute),
        }))
    }

    fn trade(id: u64) -> Event {
        Event::Trade(Trade {
            market: market(),
            id,
            price: "1".parse().unwrap(),
            size: "1".parse().unwrap(),
            side: Side::Buy,
            timestamp: Timestamp::from_nanos(id as i64),
            received_at: Timestamp::from_nanos(0),
            origin: Origin::Stream,
            replayed: false,
            suspect: false,
        })
    }

    #[test]
    fn candles_that_the_past_has_told_are_not_told_again() {
        let mut joint = Joint::new(at(0), true);
        joint.told(&candle(4, true));
        assert_eq!(joint.on_live(&candle(4, false)), Step::Known);
        assert_eq!(joint.on_live(&candle(4, true)), Step::Known);
        assert_eq!(joint.on_live(&candle(5, false)), Step::Tell);
        assert_eq!(joint.on_live(&candle(5, true)), Step::Tell);
        assert_eq!(
            joint.on_live(&candle(9, true)),
            Step::Tell,
            "that is the engine's to know"
        );
    }

    #[test]
    fn candles_between_the_past_and_the_first_live_one_are_asked_for() {
        let mut joint = Joint::new(at(0), true);
        joint.reach(at(5));
        let between = Span {
            from: at(5),
            until: at(8),
        };
        assert_eq!(
            joint.on_live(&candle(8, false)),
            Step::Ask(Missing::Candles(between))
        );
        joint.told(&candle(7, true));
        assert_eq!(joint.on_live(&candle(8, false)), Step::Tell);
        let mut given_up = Joint::new(at(5), true);
        given_up.join();
        assert_eq!(given_up.on_live(&candle(8, false)), Step::Tell);
    }

    #[test]
    fn trades_are_joined_by_their_ids() {
        let mut joint = Joint::new(at(0), true);
        joint.told(&trade(5));
        assert_eq!(joint.on_live(&trade(4)), Step::Known);
        let after = TradeMark {
            id: Some(5),
            time: Timestamp::from_nanos(5),
        };
        assert_eq!(
            joint.on_live(&trade(8)),
            Step::Ask(Missing::Trades(after, 8))
        );
        assert_eq!(joint.on_live(&trade(6)), Step::Tell);
        assert_eq!(
            joint.on_live(&trade(9)),
            Step::Tell,
            "that is the engine's to know"
        );
        let mut sparse = Joint::new(at(0), false);
        sparse.told(&trade(5));
        assert_eq!(sparse.on_live(&trade(8)), Step::Tell);
    }
}
