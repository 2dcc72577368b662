//! The market state machine: events, signs and answers in, events and questions out. Synchronous, no clock, no
//! I/O; the list of inputs decides the outputs.

use std::time::Duration;

use crate::feed::{ProviderError, Replay, Sign, TradeMark};
use crate::model::{Event, Exchange, GapReason, Market, Stream, Ticker, Timestamp, Trade};

use super::sequence::{Output, Sequence, SequenceStats};

/// How far ahead of us an exchange's clock may be before its times no longer order tickers: one frame
/// from the future must not silence all that follow.
const FUTURE_NANOS: i64 = 5_000_000_000;
/// Repairs at one exchange that run at the same time. The others queue: where the exchange allows one request a
/// second, more at once would only use up one another's time.
pub const REPAIRS_AT_ONCE: usize = 4;

/// What the core wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The exchange is to be asked for trades; the answer goes to [`Core::on_repaired`].
    Repair {
        /// Of which market.
        market: Market,
        /// The number under which the answer is taken.
        ticket: u64,
        /// The last known trade.
        after: TradeMark,
        /// How long the answer may take.
        budget: Duration,
    },
}

/// Everything the engine knows of the markets.
///
/// Invariants: trades leave in id order, none twice, holes repaired or told; a ticker never goes back in
/// the exchange's time. `now` is everywhere the same monotonic time, in ns.
#[derive(Debug, Default)]
pub struct Core {
    /// By [`Market::index`].
    markets: Vec<Option<State>>,
    /// Indices of markets in which something is to be done at a certain time.
    timed: Vec<usize>,
    effects: Vec<Effect>,
    /// Questions so far.
    asked: u64,
    /// A repair ended beside the timer: another one may begin.
    has_room: bool,
    /// What became of trades.
    pub sequence: SequenceStats,
    /// Tickers older than the newest, dropped.
    pub stale_tickers: u64,
}

#[derive(Debug)]
struct State {
    market: Market,
    sequence: Sequence,
    ticker_time: Option<Timestamp>,
    /// Whether it is among the timed ones.
    is_timed: bool,
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
                market,
                sequence: Sequence::new(market, contiguous),
                ticker_time: None,
                is_timed: false,
            });
        }
    }

    /// Nobody wants trades of this market any more: the next subscriber's stream begins anew, and a repair that
    /// runs is of no use to anyone.
    pub fn forget_trades(&mut self, market: Market) {
        if let Some(Some(state)) = self.markets.get_mut(market.index()) {
            self.has_room |= state.sequence.is_repairing();
            state.sequence.reset();
        }
    }

    /// Takes one event and appends what is to be told.
    pub fn apply(&mut self, event: Event, now: u64, out: &mut Vec<Event>) {
        match event {
            Event::Trade(trade) => self.on_trade(trade, now, out),
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

    fn on_trade(&mut self, trade: Trade, now: u64, out: &mut Vec<Event>) {
        // Not announced: a frame that was on its way when the last subscriber left.
        let Some(Some(state)) = self.markets.get_mut(trade.market.index()) else {
            return;
        };
        let mut to = Output {
            events: out,
            stats: &mut self.sequence,
        };
        state.sequence.on_trade(trade, now, &mut to);
        if !state.sequence.is_calm() {
            state.keep_time(&mut self.timed);
        }
    }

    /// Takes what a feed knows of its subscriptions. Only trades have holes.
    pub fn on_sign(&mut self, sign: &Sign, now: u64) {
        match sign {
            Sign::Lost(topics) => {
                for market in trades(topics) {
                    self.with(market, |sequence| sequence.interrupt(GapReason::Reconnect));
                }
            }
            Sign::Subscribed(topics) => {
                for market in trades(topics) {
                    self.with(market, |sequence| sequence.on_subscribed(now));
                }
            }
            Sign::Newest { market, id } => {
                self.with(*market, |sequence| sequence.on_newest(*id, now));
            }
            Sign::Alive => {}
        }
    }

    /// Trades of this market may be missing after the last one that came, though its line is open: the exchange is
    /// asked now. Whatever it has is told as repaired, with one gap that gives this reason; where it has nothing,
    /// nothing is told.
    pub fn suspect(&mut self, market: Market, reason: GapReason, now: u64) {
        self.with(market, |sequence| sequence.suspect(reason, now));
    }

    /// Takes the answer to [`Effect::Repair`] and appends what is to be told. One that comes too late changes
    /// nothing.
    pub fn on_repaired(
        &mut self,
        market: Market,
        ticket: u64,
        answer: Result<Replay, ProviderError>,
        now: u64,
        out: &mut Vec<Event>,
    ) {
        if let Some(Some(state)) = self.markets.get_mut(market.index()) {
            let mut to = Output {
                events: out,
                stats: &mut self.sequence,
            };
            state.sequence.on_repaired(ticket, answer, now, &mut to);
        }
        self.on_timer(now, out);
    }

    /// When [`Core::on_timer`] is wanted.
    pub fn deadline(&self) -> Option<u64> {
        if self.has_room {
            return Some(0);
        }
        let deadlines = self
            .timed
            .iter()
            .filter_map(|&index| self.markets[index].as_ref()?.sequence.deadline());
        deadlines.min()
    }

    /// Does what is due: tells, and asks. Wanted after every change, too, since that may have given something
    /// to ask.
    pub fn on_timer(&mut self, now: u64, out: &mut Vec<Event>) {
        let (markets, stats) = (&mut self.markets, &mut self.sequence);
        self.has_room = false;
        self.timed.retain(|&index| {
            let Some(state) = &mut markets[index] else {
                return false;
            };
            let mut to = Output { events: out, stats };
            state.sequence.on_timer(now, &mut to);
            state.is_timed = state.sequence.deadline().is_some();
            state.is_timed
        });
        self.ask(now);
    }

    /// What is to be done since the last call.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The end: tells whatever still waits, and what of it is missing.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        self.effects.clear();
        for index in std::mem::take(&mut self.timed) {
            if let Some(state) = &mut self.markets[index] {
                state.is_timed = false;
                let mut to = Output {
                    events: out,
                    stats: &mut self.sequence,
                };
                state.sequence.finish(&mut to);
            }
        }
    }

    /// Asks again where that is due, and begins as many repairs as there is room for: first those that hold up
    /// trades, the oldest first.
    fn ask(&mut self, now: u64) {
        let mut running = Vec::<(Exchange, usize)>::new();
        let (mut due, mut queued) = (Vec::new(), Vec::new());
        for &index in &self.timed {
            let Some(state) = &self.markets[index] else {
                continue;
            };
            if let Some(turn) = state.sequence.queued() {
                queued.push((turn, index));
            } else if state.sequence.is_repairing() {
                *count(&mut running, state.market.exchange()) += 1;
                if state.sequence.is_due(now) {
                    due.push(index);
                }
            }
        }
        queued.sort_unstable();
        let markets = &self.markets;
        let begins = queued.into_iter().map(|(_, index)| index).filter(|&index| {
            let exchange = markets[index].as_ref().map(|state| state.market.exchange());
            let running = exchange.map(|exchange| count(&mut running, exchange));
            running.is_some_and(|running| {
                *running += 1;
                *running <= REPAIRS_AT_ONCE
            })
        });
        due.extend(begins);
        for index in due {
            let Some(state) = &mut self.markets[index] else {
                continue;
            };
            let ticket = self.asked;
            if let Some(ask) = state.sequence.ask(ticket, now) {
                self.asked += 1;
                self.effects.push(Effect::Repair {
                    market: state.market,
                    ticket,
                    after: ask.after,
                    budget: ask.budget,
                });
            }
        }
    }

    fn with(&mut self, market: Market, change: impl FnOnce(&mut Sequence)) {
        if let Some(Some(state)) = self.markets.get_mut(market.index()) {
            change(&mut state.sequence);
            state.keep_time(&mut self.timed);
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

impl State {
    fn keep_time(&mut self, timed: &mut Vec<usize>) {
        if !self.is_timed && self.sequence.deadline().is_some() {
            self.is_timed = true;
            timed.push(self.market.index());
        }
    }
}

fn trades(topics: &[(Market, Stream)]) -> impl Iterator<Item = Market> {
    let trades = topics.iter().filter(|topic| topic.1 == Stream::Trades);
    trades.map(|topic| topic.0)
}

/// The count of this exchange.
fn count(counts: &mut Vec<(Exchange, usize)>, exchange: Exchange) -> &mut usize {
    let place = counts.iter().position(|(known, _)| *known == exchange);
    let place = place.unwrap_or_else(|| {
        counts.push((exchange, 0));
        counts.len() - 1
    });
    &mut counts[place].1
}

#[cfg(test)]
mod tests;
