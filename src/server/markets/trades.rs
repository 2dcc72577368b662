//! The newest trades of each market, and the gaps among them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Gap, Market, Trade};
use crate::window::TradeWindow;

/// Trades that are kept of each market.
pub const TRADES: usize = 10_000;
/// Of all markets together, 43 bytes each; when so many are spoken for, further markets get [`FEW`].
const IN_ALL: usize = 1_500_000;
const FEW: usize = 1_000;
/// Gaps that are kept of each market.
const GAPS: usize = 100;
/// The newest trades are not asked for again before this.
const AGAIN: Duration = Duration::from_secs(5);

/// Some trades of a market.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TradesView {
    /// Oldest first.
    pub trades: Vec<Trade>,
    /// Holes among them, or just before or after them.
    pub gaps: Vec<Arc<Gap>>,
}

#[derive(Debug, Default)]
pub(super) struct TradesKept {
    lanes: HashMap<Market, Lane>,
    /// Places of all windows together.
    reserved: usize,
}

#[derive(Debug)]
struct Lane {
    window: TradeWindow,
    /// Whether the window begins with what the exchange told of the time before the stream.
    joined: bool,
    past: Option<(Instant, Vec<Trade>)>,
    gaps: VecDeque<Arc<Gap>>,
}

impl TradesKept {
    fn lane(&mut self, market: Market) -> &mut Lane {
        self.lanes.entry(market).or_insert_with(|| {
            let capacity = IN_ALL.saturating_sub(self.reserved).clamp(FEW, TRADES);
            self.reserved += capacity;
            Lane {
                window: TradeWindow::new(market, capacity),
                joined: false,
                past: None,
                gaps: VecDeque::new(),
            }
        })
    }

    #[cfg(test)]
    pub fn reserved(&self) -> usize {
        self.reserved
    }

    pub fn forget(&mut self, market: Market) {
        if let Some(lane) = self.lanes.remove(&market) {
            self.reserved -= lane.window.capacity();
        }
    }

    pub fn push(&mut self, trade: &Trade) {
        self.lane(trade.market).window.push(trade);
    }

    pub fn on_gap(&mut self, gap: &Arc<Gap>) {
        // Where nothing is kept there is nothing to be missing from.
        if let Some(lane) = self.lanes.get_mut(&gap.market) {
            if lane.gaps.len() == GAPS {
                lane.gaps.pop_front();
            }
            lane.gaps.push_back(gap.clone());
        }
    }

    pub fn wants_past(&self, market: Market) -> bool {
        self.lanes.get(&market).is_none_or(|lane| {
            let is_new = |(at, _): &(Instant, _)| at.elapsed() < AGAIN;
            let is_full = lane.window.len() == lane.window.capacity();
            !lane.joined && !is_full && !lane.past.as_ref().is_some_and(is_new)
        })
    }

    pub fn put_past(&mut self, market: Market, past: Vec<Trade>) {
        let lane = self.lane(market);
        if lane.joined {
            return;
        }
        let Some(first) = lane.window.newest(usize::MAX).next() else {
            lane.past = Some((Instant::now(), past));
            return;
        };
        // An answer that ends before the stream begins may leave a hole between.
        if past.last().is_some_and(|last| last.id + 1 >= first.id) {
            let mut window = TradeWindow::new(market, lane.window.capacity());
            for trade in past.iter().filter(|trade| trade.id < first.id) {
                window.push(trade);
            }
            for trade in lane.window.newest(usize::MAX) {
                window.push(&trade);
            }
            (lane.window, lane.joined, lane.past) = (window, true, None);
        } else {
            lane.past = Some((Instant::now(), Vec::new()));
        }
    }

    pub fn newest(&self, market: Market, n: usize, after: Option<u64>) -> TradesView {
        let Some(lane) = self.lanes.get(&market) else {
            return TradesView::default();
        };
        let mut trades: Vec<Trade> = match &lane.past {
            Some((_, past)) if lane.window.is_empty() => past.clone(),
            _ => lane
                .window
                .newest(after.map_or(n, |_| usize::MAX))
                .collect(),
        };
        match after {
            // The first after it: those who ask again and again miss none.
            Some(after) => {
                trades.retain(|trade| trade.id > after);
                trades.truncate(n);
            }
            None => drop(trades.drain(..trades.len().saturating_sub(n))),
        }
        let first = after.map(|after| after.saturating_add(1));
        let first = first.or(trades.first().map(|trade| trade.id));
        let begin = trades.first().map(|trade| trade.timestamp);
        let touches = |gap: &&Arc<Gap>| match (gap.to_id, first) {
            (Some(last), Some(first)) => last.saturating_add(1) >= first,
            _ => gap.to.is_none() || begin.is_none() || gap.to >= begin,
        };
        let gaps = lane.gaps.iter().filter(touches).cloned().collect();
        TradesView { trades, gaps }
    }
}
