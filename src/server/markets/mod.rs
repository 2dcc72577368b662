//! The newest state of each market: the last ticker, the newest trades and candles.
//!
//! Written by the pump, read by every connection. What belongs to a stream is kept from [`Markets::open`] until
//! [`Markets::forget`]; what still comes of it afterwards is not taken. Bounded in every direction.

mod candles;
mod trades;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::model::{Candle, Event, Interval, Market, Stream, Ticker, Timestamp, Trade};

use candles::CandlesKept;
use trades::TradesKept;

pub use candles::CANDLES;
pub use trades::{TRADES, TradesView};

/// What is kept of the market, for answers and for those who join. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Markets(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    tickers: HashMap<Market, Arc<Ticker>>,
    trades: TradesKept,
    candles: CandlesKept,
    /// Streams that were forgotten: events of theirs can still be on their way.
    forgotten: HashSet<(Market, Stream)>,
    /// Who speaks for a market instead.
    stand_ins: HashMap<Market, Market>,
}

impl Markets {
    /// Never held across an await, nor while anything is written out.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// Takes what the engine has told, in order, and drops what is of streams that were forgotten: it was on its way,
    /// and would be shown as news.
    pub fn apply(&self, events: &mut Vec<Event>) {
        let mut kept = self.kept();
        events.retain(|event| {
            let is_wanted = !kept.is_forgotten(event);
            if is_wanted {
                kept.apply(event);
            }
            is_wanted
        });
    }

    /// The last ticker of every market, by exchange and symbol.
    pub fn tickers(&self) -> Vec<Arc<Ticker>> {
        let mut tickers: Vec<_> = self.kept().tickers.values().cloned().collect();
        tickers.sort_unstable_by_key(|ticker| {
            (ticker.market.exchange().name(), ticker.market.symbol())
        });
        tickers
    }

    /// The last ticker of a market.
    pub fn ticker(&self, market: Market) -> Option<Arc<Ticker>> {
        self.kept().tickers.get(&market).cloned()
    }

    /// Takes an answer over REST where nothing is known yet.
    pub fn offer_ticker(&self, ticker: &Arc<Ticker>) {
        let mut kept = self.kept();
        let market = ticker.market;
        if !kept.forgotten.contains(&(market, Stream::Ticker)) {
            kept.tickers.entry(market).or_insert_with(|| ticker.clone());
        }
    }

    /// The newest `n` trades of a market, oldest first, those with ids above `after` where it is given, and the gaps
    /// that touch them.
    pub fn trades(&self, market: Market, n: usize, after: Option<u64>) -> TradesView {
        self.kept().trades.newest(market, n, after)
    }

    /// Whether older trades than the kept ones can be asked for: not where they are there, or were asked for just now.
    pub fn wants_past_trades(&self, market: Market) -> bool {
        self.kept().trades.wants_past(market)
    }

    /// Puts the newest trades that the exchange told over REST before those of the stream, where they meet without a
    /// hole. Oldest first.
    pub fn put_trades(&self, market: Market, past: Vec<Trade>) {
        let mut kept = self.kept();
        if !kept.forgotten.contains(&(market, Stream::Trades)) {
            kept.trades.put_past(market, past);
        }
    }

    /// The newest `n` candles, oldest first, the forming one last.
    pub fn candles(&self, market: Market, interval: Interval, n: usize) -> Vec<Candle> {
        self.kept().candles.newest(market, interval, n)
    }

    /// Those that open in a time span, its end not included.
    pub fn candles_between(
        &self,
        market: Market,
        interval: Interval,
        from: Timestamp,
        until: Timestamp,
    ) -> Vec<Candle> {
        self.kept().candles.between(market, interval, from, until)
    }

    /// Puts candles of the past beside those of the stream, which stay as they were told. `asked`: how many of the
    /// newest were asked for.
    pub fn put_candles(&self, market: Market, interval: Interval, past: Vec<Candle>, asked: usize) {
        let mut kept = self.kept();
        if !kept
            .forgotten
            .contains(&(market, Stream::Candles(interval)))
        {
            kept.candles.put_past(market, interval, past, asked);
        }
    }

    /// How many of the newest candles of the past were asked for.
    pub fn candles_asked(&self, market: Market, interval: Interval) -> usize {
        self.kept().candles.asked(market, interval)
    }

    /// The hole between the candles of the past and the first one of the stream: until when the former reach, and when
    /// the latter opens. `None` where there is none of the stream yet; empty where they meet.
    pub fn seam(&self, market: Market, interval: Interval) -> Option<(Timestamp, Timestamp)> {
        self.kept().candles.seam(market, interval)
    }

    /// Who speaks for a market: itself, or who stands in for it.
    pub fn speaker(&self, market: Market) -> Market {
        let kept = self.kept();
        kept.stand_ins.get(&market).copied().unwrap_or(market)
    }

    /// From now on this stream is kept.
    pub fn open(&self, market: Market, stream: Stream) {
        let mut kept = self.kept();
        kept.forgotten.remove(&(market, stream));
        if let Stream::Candles(interval) = stream {
            kept.candles.open(market, interval);
        }
    }

    /// Nobody wants this stream any more: its data, and its memory, go.
    pub fn forget(&self, market: Market, stream: Stream) {
        let mut kept = self.kept();
        kept.forgotten.insert((market, stream));
        kept.stand_ins.remove(&market);
        match stream {
            Stream::Ticker => drop(kept.tickers.remove(&market)),
            Stream::Trades => kept.trades.forget(market),
            Stream::Candles(interval) => kept.candles.forget(market, interval),
        }
    }
}

impl Kept {
    fn is_forgotten(&self, event: &Event) -> bool {
        if self.forgotten.is_empty() {
            return false;
        }
        let stream = match event {
            Event::Gap(gap) => Some(gap.stream),
            other => other.stream(),
        };
        let key = event.market().zip(stream);
        key.is_some_and(|key| self.forgotten.contains(&key))
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Ticker(ticker) => {
                self.tickers.insert(ticker.market, ticker.clone());
            }
            Event::Trade(trade) => self.trades.push(trade),
            Event::Candle(candle) => self.candles.push(candle),
            Event::Gap(gap) if gap.stream == Stream::Trades => self.trades.on_gap(gap),
            Event::Gap(_) | Event::Signal(_) => {}
            Event::Status(status) => {
                if let (Some(primary), Some(other)) = (status.market, status.stand_in) {
                    self.on_stand_in(primary, other);
                }
            }
        }
    }

    fn on_stand_in(&mut self, primary: Market, other: Market) {
        if primary == other {
            self.stand_ins.remove(&primary);
        } else {
            self.stand_ins.insert(primary, other);
            // It may have been served before, in its own right.
            self.forgotten.retain(|(market, _)| *market != other);
        }
    }
}

#[cfg(test)]
mod tests;
