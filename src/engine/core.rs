//! The market state machine: events, signs and answers in, events and questions out. Synchronous, no clock, no
//! I/O; the list of inputs decides the outputs.

use std::sync::Arc;
use std::time::Duration;

use crate::feed::{ProviderError, Replay, Sign, TradeMark};
use crate::model::{Event, Exchange, Gap, GapReason, Market, Stream, Ticker, Timestamp, Trade};

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
    /// `None`: nobody wants them.
    trades: Option<Sequence>,
    ticker_time: Option<Timestamp>,
    /// Whether it is among the timed ones.
    is_timed: bool,
}

impl Core {
    /// Announces one stream of a market; `contiguous` says whether its trade ids rise by one.
    pub fn add(&mut self, market: Market, stream: Stream, contiguous: bool) {
        if self.markets.len() <= market.index() {
            self.markets.resize_with(market.index() + 1, || None);
        }
        let state = self.markets[market.index()].get_or_insert(State {
            market,
            trades: None,
            ticker_time: None,
            is_timed: false,
        });
        if stream == Stream::Trades {
            let new = || Sequence::new(market, contiguous);
            let trades = state.trades.get_or_insert_with(new);
            trades.set_contiguous(contiguous);
        }
    }

    /// Nobody wants trades of this market any more: the next subscriber's stream begins anew, and a repair that
    /// runs is of no use to anyone.
    pub fn forget_trades(&mut self, market: Market) {
        if let Some(Some(state)) = self.markets.get_mut(market.index()) {
            let trades = state.trades.take();
            self.has_room |= trades.is_some_and(|trades| trades.is_repairing());
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
            Event::Gap(gap) => self.on_gap(gap, now, out),
            Event::Candle(_) | Event::Status(_) | Event::Signal(_) => out.push(event),
        }
    }

    fn on_trade(&mut self, trade: Trade, now: u64, out: &mut Vec<Event>) {
        let Some(Some(state)) = self.markets.get_mut(trade.market.index()) else {
            return;
        };
        // Not wanted: a frame that was on its way when the last subscriber left.
        let Some(sequence) = &mut state.trades else {
            return;
        };
        let mut to = Output {
            events: out,
            stats: &mut self.sequence,
        };
        sequence.on_trade(trade, now, &mut to);
        if !sequence.is_calm() {
            state.keep_time(&mut self.timed);
        }
    }

    /// A hole that the feed tells by itself.
    fn on_gap(&mut self, gap: Arc<Gap>, now: u64, out: &mut Vec<Event>) {
        if gap.stream == Stream::Trades
            && let Some(Some(state)) = self.markets.get_mut(gap.market.index())
            && let Some(sequence) = &mut state.trades
        {
            let mut to = Output {
                events: out,
                stats: &mut self.sequence,
            };
            sequence.on_told(gap, now, &mut to);
            state.keep_time(&mut self.timed);
            return;
        }
        out.push(Event::Gap(gap));
    }

    /// Takes what a feed knows of its subscriptions, at the time `at` by the wall clock. Only trades have holes.
    pub fn on_sign(&mut self, sign: &Sign, now: u64, at: Timestamp) {
        match sign {
            Sign::Lost(topics) => {
                for market in trades(topics) {
                    self.with(market, |sequence| sequence.interrupt(GapReason::Reconnect));
                }
            }
            Sign::Subscribed(topics) => {
                for market in trades(topics) {
                    self.with(market, |sequence| sequence.on_subscribed(at, now));
                }
            }
            Sign::Newest { market, id, .. } => {
                self.with(*market, |sequence| sequence.on_newest(*id, now));
            }
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
        if let Some(Some(state)) = self.markets.get_mut(market.index())
            && let Some(sequence) = &mut state.trades
        {
            let mut to = Output {
                events: out,
                stats: &mut self.sequence,
            };
            sequence.on_repaired(ticket, answer, now, &mut to);
        }
        self.on_timer(now, out);
    }

    /// The newest trade of this market that is known, told or missing.
    pub fn last_id(&self, market: Market) -> Option<u64> {
        self.trades(market)?.last_id()
    }

    /// When the trades of this market were first confirmed to be subscribed, by the wall clock: what is newer should
    /// have come. `None`: not yet, or a trade says where the stream is.
    pub fn begins_at(&self, market: Market) -> Option<Timestamp> {
        self.trades(market)?.begins_at()
    }

    fn trades(&self, market: Market) -> Option<&Sequence> {
        self.markets.get(market.index())?.as_ref()?.trades.as_ref()
    }

    /// When [`Core::on_timer`] is wanted.
    pub fn deadline(&self) -> Option<u64> {
        if self.has_room {
            return Some(0);
        }
        let deadlines = self
            .timed
            .iter()
            .filter_map(|&index| self.markets[index].as_ref()?.deadline());
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
            if let Some(sequence) = &mut state.trades {
                let mut to = Output { events: out, stats };
                sequence.on_timer(now, &mut to);
            }
            state.is_timed = state.deadline().is_some();
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
                if let Some(sequence) = &mut state.trades {
                    let stats = &mut self.sequence;
                    let mut to = Output { events: out, stats };
                    sequence.finish(&mut to);
                }
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
            let Some(sequence) = &state.trades else {
                continue;
            };
            if let Some(turn) = sequence.queued(now) {
                queued.push((turn, index));
            } else if sequence.is_repairing() {
                *count(&mut running, state.market.exchange()) += 1;
                if sequence.is_due(now) {
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
            let sequence = state.trades.as_mut();
            if let Some(ask) = sequence.and_then(|sequence| sequence.ask(ticket, now)) {
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
        if let Some(Some(state)) = self.markets.get_mut(market.index())
            && let Some(sequence) = &mut state.trades
        {
            change(sequence);
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
    fn deadline(&self) -> Option<u64> {
        self.trades.as_ref()?.deadline()
    }

    fn keep_time(&mut self, timed: &mut Vec<usize>) {
        if !self.is_timed && self.deadline().is_some() {
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
