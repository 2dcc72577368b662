//! Live trades, and those that were missed between them.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use crate::alert::Outcome;
use crate::feed::{ProviderError, TradeMark};
use crate::model::{Event, Market, Origin, Timestamp, Trade};

use super::super::super::error::clipped;
use super::super::fetch;
use super::super::watch::can_be_late;
use super::{Desk, Repair, Repaired};

/// For the trades of a hole.
const HISTORY: Duration = Duration::from_secs(30);
/// Live trades of one market that wait for the trades before them.
const WAITING: usize = 10_000;

/// Trades of one market that are kept to be judged again: other runs are seconds ahead, not hours.
const RECENT: usize = 10_000;

impl Desk<'_> {
    pub(super) fn on_trade(&mut self, trade: &Trade, now: Timestamp) -> Vec<(usize, Outcome)> {
        let market = trade.market;
        if let Some(repair) = self.repairs.get_mut(&market) {
            repair.waiting.push(*trade);
            if repair.waiting.len() < WAITING {
                return Vec::new();
            }
            // Too much to wait for: what was missed is lost, and was told as a gap.
            let waiting = self.repairs.remove(&market).map(|repair| repair.waiting);
            return self.apply_trades(&waiting.unwrap_or_default(), now);
        }
        let is_first = !self
            .board
            .views
            .last_trade(market)
            .is_some_and(|last| last.origin == Origin::Stream);
        let hole = self
            .seen
            .get(&market)
            .is_some_and(|seen| trade.id > seen + 1);
        // Holes between live trades are the engine's to tell; this is the seam before the first of them.
        if is_first && hole && can_be_late(self.run.ctx, market) {
            self.repair(market, vec![*trade]);
            return Vec::new();
        }
        self.apply_trades(&[*trade], now)
    }

    pub(super) fn apply_trades(
        &mut self,
        trades: &[Trade],
        now: Timestamp,
    ) -> Vec<(usize, Outcome)> {
        let mut found = Vec::new();
        for trade in trades {
            let seen = self.seen.entry(trade.market).or_default();
            if trade.id <= *seen {
                continue;
            }
            *seen = trade.id;
            let recent = self.recent.entry(trade.market).or_default();
            if recent.len() == RECENT {
                recent.pop_front();
            }
            recent.push_back(*trade);
            found.extend(self.apply(&Event::Trade(*trade), now));
        }
        found
    }

    pub(super) fn repair(&mut self, market: Market, waiting: Vec<Trade>) {
        let Some(last) = self.board.views.last_trade(market) else {
            return;
        };
        if self.repairs.contains_key(&market) || !can_be_late(self.run.ctx, market) {
            return;
        }
        self.repairs.insert(market, Repair { waiting });
        let mark = TradeMark {
            id: Some(last.id),
            time: last.timestamp,
        };
        let (markets, ctx) = (self.markets, self.run.ctx);
        self.asking.push(Box::pin(async move {
            let deadline = Instant::now() + HISTORY;
            let mut answers =
                fetch::replays(HashMap::from([(market, mark)]), markets, ctx, deadline).await;
            let none = Err(ProviderError::Unreachable("no answer".into()));
            (market, answers.remove(&market).unwrap_or(none))
        }));
    }

    /// Waits for trades that were missed; for ever where none were asked for. Cancel safe.
    pub async fn repaired(&mut self) -> Repaired {
        match self.asking.next().await {
            Some(repaired) => repaired,
            None => std::future::pending().await,
        }
    }

    /// Puts them before those that have waited.
    pub fn mend(&mut self, (market, answer): Repaired) -> Vec<(usize, Outcome)> {
        let now = fetch::now();
        let waiting = self
            .repairs
            .remove(&market)
            .map(|repair| repair.waiting)
            .unwrap_or_default();
        let mut found = Vec::new();
        match answer {
            Ok(replay) => found.extend(self.apply_trades(&replay.trades, now)),
            Err(error) => {
                let why = clipped(&error.to_string());
                let message =
                    format!("tickwire: {market}: trades that were missed are not to be had: {why}");
                self.run.ctx.notices.warn("uncovered", &message);
            }
        }
        found.extend(self.apply_trades(&waiting, now));
        found
    }
}
