//! The market state machine: events in, events out. Synchronous, no clock, no I/O; the list of inputs
//! decides the outputs.

use crate::model::{Event, Market, Ticker, Timestamp};

use super::sequence::{Sequence, SequenceStats};

/// How far ahead of us an exchange's clock may be before its times no longer order tickers: one frame
/// from the future must not silence all that follow.
const FUTURE_NANOS: i64 = 5_000_000_000;

/// Everything the engine knows of the markets.
///
/// Invariants: trades leave in id order, none twice, holes told; a ticker never goes back in the
/// exchange's time.
#[derive(Debug, Default)]
pub struct Core {
    /// By [`Market::index`].
    markets: Vec<Option<State>>,
    /// Indices of markets with trades that wait.
    waiting: Vec<usize>,
    /// What became of trades.
    pub sequence: SequenceStats,
    /// Tickers older than the newest, dropped.
    pub stale_tickers: u64,
}

#[derive(Debug)]
struct State {
    sequence: Sequence,
    ticker_time: Option<Timestamp>,
}

impl Core {
    /// Announces a market; `contiguous` says whether its trade ids rise by one.
    pub fn add(&mut self, market: Market, contiguous: bool) {
        if self.markets.len() <= market.index() {
            self.markets.resize_with(market.index() + 1, || None);
        }
        let state = &mut self.markets[market.index()];
        if state.is_none() {
            *state = Some(State {
                sequence: Sequence::new(market, contiguous),
                ticker_time: None,
            });
        }
    }

    /// Nobody wants trades of this market any more: the next subscriber's stream begins anew.
    pub fn forget_trades(&mut self, market: Market) {
        if let Some(Some(state)) = self.markets.get_mut(market.index()) {
            state.sequence.reset();
        }
    }

    /// Takes one event at the monotonic time `now` (ns) and appends what is to be told.
    pub fn apply(&mut self, event: Event, now: u64, out: &mut Vec<Event>) {
        match event {
            Event::Trade(trade) => {
                let index = trade.market.index();
                // Not announced: a frame that was on its way when the last subscriber left.
                let Some(Some(state)) = self.markets.get_mut(index) else {
                    return;
                };
                state.sequence.on_trade(trade, now, out, &mut self.sequence);
                if state.sequence.deadline().is_some() && !self.waiting.contains(&index) {
                    self.waiting.push(index);
                }
            }
            Event::Ticker(ticker) => {
                if self.is_news(&ticker) {
                    out.push(Event::Ticker(ticker));
                } else {
                    self.stale_tickers += 1;
                }
            }
            Event::Gap(_) | Event::Status(_) => out.push(event),
        }
    }

    /// When [`Core::on_timer`] is wanted, in the time of `now`.
    pub fn deadline(&self) -> Option<u64> {
        let deadlines = self
            .waiting
            .iter()
            .filter_map(|&index| self.markets[index].as_ref()?.sequence.deadline());
        deadlines.min()
    }

    /// Tells the holes whose time is up.
    pub fn on_timer(&mut self, now: u64, out: &mut Vec<Event>) {
        let (markets, stats) = (&mut self.markets, &mut self.sequence);
        self.waiting.retain(|&index| {
            let Some(state) = &mut markets[index] else {
                return false;
            };
            state.sequence.on_timer(now, out, stats);
            state.sequence.deadline().is_some()
        });
    }

    /// The end: tells whatever still waits.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        for index in std::mem::take(&mut self.waiting) {
            if let Some(state) = &mut self.markets[index] {
                state.sequence.finish(out, &mut self.sequence);
            }
        }
    }

    fn is_news(&mut self, ticker: &Ticker) -> bool {
        let Some(Some(state)) = self.markets.get_mut(ticker.market.index()) else {
            return false;
        };
        let Some(time) = ticker.timestamp else {
            return true;
        };
        if state.ticker_time.is_some_and(|newest| time < newest) {
            return false;
        }
        if time <= ticker.received_at.plus_nanos(FUTURE_NANOS) {
            state.ticker_time = Some(time);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Exchange;
    use std::sync::Arc;

    fn ticker(at: i64) -> Event {
        let market = Market::new(Exchange::new("core-test"), "BTC", "USD");
        let mut ticker = Ticker::empty(market, Timestamp::from_nanos(1_000));
        ticker.timestamp = Some(Timestamp::from_nanos(at));
        Event::Ticker(Arc::new(ticker))
    }

    #[test]
    fn a_ticker_that_goes_back_in_time_is_dropped_but_one_from_the_future_silences_nothing() {
        let mut core = Core::default();
        core.add(ticker(0).market().unwrap(), true);
        let mut out = Vec::new();
        for at in [500, 400, 500, 90_000_000_000, 600] {
            core.apply(ticker(at), 0, &mut out);
        }
        assert_eq!(
            out,
            [
                ticker(500),
                ticker(500),
                ticker(90_000_000_000),
                ticker(600)
            ]
        );
        assert_eq!(core.stale_tickers, 1);
    }

    #[test]
    fn what_nobody_asked_for_is_not_told() {
        let mut core = Core::default();
        let mut out = Vec::new();
        let market = Market::new(Exchange::new("core-test"), "NOT", "ASKED");
        core.apply(
            Event::Ticker(Arc::new(Ticker::empty(market, Timestamp::from_nanos(0)))),
            0,
            &mut out,
        );
        assert_eq!(out, []);
    }
}
