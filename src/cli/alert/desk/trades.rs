//! Live trades, and those that were missed between them.

use std::collections::HashMap;

use futures_util::StreamExt;
use tokio::time::Instant;

use crate::alert::{Mark, Outcome, Past};
use crate::feed::ProviderError;
use crate::model::{Event, Gap, GapState, Market, Origin, Stream, Timestamp, Trade};

use super::super::super::error::clipped;
use super::super::fetch::{self, has_past};
use super::{Desk, HISTORY, Repair, Repaired};

/// Live trades of one market that wait for the trades before them.
const WAITING: usize = 10_000;

/// Trades of one market that are kept to be judged again: other runs are seconds ahead, not hours.
const RECENT: usize = 10_000;

impl Desk<'_> {
    pub(super) fn on_trade(&mut self, trade: &Trade, now: Timestamp) -> Vec<(usize, Outcome)> {
        let market = trade.market;
        if !self.markets.has(market) {
            // One who stands in: its holes are told by the engine, and the rules take it as it comes.
            return self.apply_trades(&[*trade], now);
        }
        if let Some(repair) = self.repairs.get_mut(&market) {
            repair.waiting.push(*trade);
            if repair.waiting.len() < WAITING {
                return Vec::new();
            }
            // Too much to wait for: what was missed is lost, and was told as a gap.
            let waiting = self.repairs.remove(&market).map(|repair| repair.waiting);
            return self.apply_trades(&waiting.unwrap_or_default(), now);
        }
        if let Some(is_up) = self.troubled.get_mut(&market) {
            *is_up = true;
        }
        let last = self.board.views.last_trade(market);
        let is_first = last.is_none_or(|last| last.origin == Origin::History);
        let hole = self
            .seen
            .get(&market)
            .is_some_and(|seen| trade.id > seen + 1);
        // Holes between live trades are the engine's to fill or to tell; this is the seam before the first of them.
        if is_first && hole && has_past(self.run.ctx, market) {
            self.repair(market, vec![*trade], None);
            return Vec::new();
        }
        self.calm(market);
        self.apply_trades(&[*trade], now)
    }

    /// What the engine could not recover. The trades that it did have been judged.
    pub(super) fn on_gap(&mut self, gap: &Gap) -> Vec<(usize, Outcome)> {
        let (market, mut found) = (gap.market, Vec::new());
        match gap.state {
            GapState::Repaired => {}
            // Those that are missing could not be judged in their place any more.
            GapState::Partial => {
                let at = self.board.views.time_of(market);
                self.break_holds(market, at.unwrap_or_else(fetch::now), &mut found);
            }
            GapState::Unrepairable => {
                if gap.from_id.is_none() {
                    self.forget_ids(market);
                }
                self.repair(market, Vec::new(), before(gap));
            }
        }
        found
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

    /// Ids may have begun anew: what was seen by the old ones says nothing of the new.
    pub(super) fn forget_ids(&mut self, market: Market) {
        self.seen.remove(&market);
        for place in 0..self.places.len() {
            self.board.tracker_mut(place).judged.remove(&market);
        }
    }

    /// Asks for the trades after the last one, where none has come after `from`; `waiting` come after them.
    pub(super) fn repair(&mut self, market: Market, waiting: Vec<Trade>, from: Option<Mark>) {
        if !has_past(self.run.ctx, market) || !self.markets.has(market) {
            return;
        }
        let last = self.board.views.last_trade(market);
        let begun = || Mark {
            id: None,
            // The first price may have come after what was missed.
            time: (self.board.views.time_of(market)).map_or(self.begun, |at| at.min(self.begun)),
            price: None,
        };
        let from = last.as_ref().map(Mark::of).or(from).unwrap_or_else(begun);
        if let Some(running) = self.repairs.get_mut(&market) {
            running.again = true;
            return;
        }
        self.asked += 1;
        let number = self.asked;
        let repair = Repair {
            number,
            waiting,
            again: false,
        };
        self.repairs.insert(market, repair);
        let (markets, ctx) = (self.markets, self.run.ctx);
        self.asking.push(Box::pin(async move {
            let deadline = Instant::now() + HISTORY;
            let marks = HashMap::from([(market, from)]);
            let mut answers = fetch::replays(marks, markets, ctx, deadline).await;
            let none = Err(ProviderError::Unreachable("no answer".into()));
            Repaired {
                market,
                number,
                from,
                answer: answers.remove(&market).unwrap_or(none),
            }
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
    pub fn mend(&mut self, repaired: Repaired) -> Vec<(usize, Outcome)> {
        let Repaired {
            market,
            number,
            from: known,
            answer,
        } = repaired;
        let is_this = |repair: &Repair| repair.number == number;
        if !self.repairs.get(&market).is_some_and(is_this) {
            // Given up, as too much had to wait for it.
            return Vec::new();
        }
        let now = fetch::now();
        let repair = self.repairs.remove(&market);
        self.calm(market);
        let mut found = Vec::new();
        match answer {
            Ok(past) => {
                for (from, to) in past.uncovered_after(Some(&known)) {
                    let message =
                        format!("{market}: the trades from {from} to {to} are not to be had");
                    self.run.ctx.notices.warn("uncovered", &message);
                    self.break_holds(market, from, &mut found);
                }
                found.extend(self.apply_past(market, &past, &known, now));
            }
            Err(error) => {
                let why = clipped(&error.to_string());
                let message = format!("{market}: trades that were missed are not to be had: {why}");
                self.run.ctx.notices.warn("uncovered", &message);
                let at = self.board.views.time_of(market).unwrap_or(now);
                self.break_holds(market, at, &mut found);
            }
        }
        let Some(repair) = repair else {
            return found;
        };
        if repair.again {
            self.repair(market, repair.waiting, None);
        } else {
            found.extend(self.apply_trades(&repair.waiting, now));
        }
        found
    }

    /// Trades that were missed, and candles where they are not to be had.
    fn apply_past(
        &mut self,
        market: Market,
        past: &Past,
        known: &Mark,
        now: Timestamp,
    ) -> Vec<(usize, Outcome)> {
        let (last, mut found) = (self.board.views.last_trade(market), Vec::new());
        let mut rest = past.trades.as_slice();
        for bar in &past.bars {
            let (before, after) =
                rest.split_at(rest.partition_point(|trade| trade.timestamp < bar.at()));
            found.extend(self.apply_trades(before, now));
            self.board.apply_bar(bar, known, now, |place, outcome| {
                found.push((place, outcome))
            });
            rest = after;
        }
        found.extend(self.apply_trades(rest, now));
        // Where no trade has come after the candles, the next one is told by this one not to be the first.
        if let (Some(last), None) = (last, self.board.views.last_trade(market)) {
            self.board.views.update(&Event::Trade(last), now);
        }
        found
    }

    /// What held before a hole cannot be said to have held all the time.
    fn break_holds(&mut self, market: Market, at: Timestamp, found: &mut Vec<(usize, Outcome)>) {
        for place in 0..self.places.len() {
            if self.board.trackers()[place].reads(market, Stream::Trades) {
                let on = |outcome| found.push((place, outcome));
                self.board.doubt(place, at, on);
            }
        }
    }
}

/// The trade before a hole.
fn before(gap: &Gap) -> Option<Mark> {
    Some(Mark {
        id: gap.from_id.map(|id| id.saturating_sub(1)),
        time: gap.from?,
        price: None,
    })
}
