//! What is known of a market's trades since a mark, as pages come in.

use crate::exchange::protocol::{AggregatePage, AggregateTrade, TradePage};
use crate::feed::{Replay, TradeMark};
use crate::model::{Timestamp, Trade};

/// Trades held for one replay, give or take a page.
const TRADES_MAX: usize = 200_000;
/// The first page after the mark begins so much earlier: sockets and REST do not tell the time of a trade
/// with the same number of digits. What comes twice is dropped by its id.
const OVERLAP_NANOS: i64 = 1_000_000;

/// What is known so far. Each part is sorted by id, and free of holes but for those of the exchange and of
/// what `unresolved` names.
pub(super) struct Past {
    mark: TradeMark,
    asked_at: Timestamp,
    /// From the mark on, not yet joined to `late`. Empty where pages are turned back.
    early: Vec<Trade>,
    /// What the pages of `early` were about.
    seen: Option<Seen>,
    /// Trades that are known only as parts of aggregates.
    unresolved: Vec<Unresolved>,
    /// Ids of which the source has lost some, as it says itself.
    lost: Vec<(u64, u64)>,
    /// Up to the newest trade.
    late: Vec<Trade>,
    newest: Option<Trade>,
    state: State,
}

/// From which trade to which there is nothing that is not known, or at least known of.
#[derive(Clone, Copy)]
struct Seen {
    first: (u64, Timestamp),
    last: (u64, Timestamp),
    /// The last aggregate.
    aggregate: Option<u64>,
}

/// Trades from `first` to `last`, at that time, whose sizes are not known.
#[derive(Clone, Copy)]
struct Unresolved {
    first: u64,
    last: u64,
    time: Timestamp,
}

/// What could not be had; see [`Replay`].
struct Holes {
    times: Vec<(Timestamp, Timestamp)>,
    ids: Vec<(u64, u64)>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// There is something missing between the mark, or `early`, and `late`.
    Apart,
    /// Nothing is.
    Joined,
    /// Ids have begun anew since the mark: there is nothing to join.
    Anew,
}

impl Past {
    pub fn new(mark: TradeMark, newest_page: Vec<Trade>, asked_at: Timestamp) -> Self {
        let late = sorted(newest_page);
        let newest = late.last().copied();
        let mut past = Self {
            mark,
            asked_at,
            early: Vec::new(),
            seen: None,
            unresolved: Vec::new(),
            lost: Vec::new(),
            late,
            newest,
            state: State::Apart,
        };
        past.state = match (newest, mark.id) {
            // No trade ever is an answer; no trade any more is not.
            (None, None) => State::Joined,
            (None, Some(_)) => State::Anew,
            // A server that lags behind the one which told the mark also has lower ids.
            (Some(newest), Some(known)) if newest.id < known && newest.timestamp > mark.time => {
                State::Anew
            }
            _ if past.late.iter().any(|trade| reaches(&mark, trade)) => State::Joined,
            _ => State::Apart,
        };
        past
    }

    /// The pages that would bring the parts nearer to each other; which of them can be asked for depends on
    /// the exchange.
    pub fn missing(&self) -> [Option<TradePage>; 2] {
        let Some(oldest) = self.wanted_before() else {
            return [None; 2];
        };
        let after = match self.seen {
            // A page may have ended between two trades of one moment.
            Some(seen) => seen.last.1.plus_nanos(-1),
            None => self.mark.time.plus_nanos(-OVERLAP_NANOS),
        };
        [
            Some(TradePage::Before(oldest)),
            Some(TradePage::After(after)),
        ]
    }

    /// The same in aggregates, which begin at the mark.
    pub fn missing_aggregates(&self) -> Option<AggregatePage> {
        self.wanted_before()?;
        Some(match self.seen.and_then(|seen| seen.aggregate) {
            Some(id) => AggregatePage::After(id),
            None => AggregatePage::Since(self.mark.time.plus_nanos(-OVERLAP_NANOS)),
        })
    }

    /// The oldest trade that is joined to the newest, where something is missing before it.
    fn wanted_before(&self) -> Option<u64> {
        let held = self.early.len() + self.late.len();
        let is_wanted = self.state == State::Apart && held < TRADES_MAX;
        self.late
            .first()
            .filter(|_| is_wanted)
            .map(|trade| trade.id)
    }

    /// The source has lost some of these: that they are not there does not show that there were none.
    pub fn lose(&mut self, lost: Vec<(u64, u64)>) {
        self.lost.extend(lost);
    }

    /// Adds a page. False: it brought nothing, and the next one would not either.
    pub fn add(&mut self, page: TradePage, trades: Vec<Trade>) -> bool {
        let mut trades = sorted(trades);
        let Some(oldest) = self.late.first().map(|trade| trade.id) else {
            return false;
        };
        match page {
            TradePage::Before(_) => {
                trades.retain(|trade| trade.id < oldest);
                if trades.iter().any(|trade| reaches(&self.mark, trade)) {
                    self.state = State::Joined;
                }
                let is_new = !trades.is_empty();
                trades.append(&mut self.late);
                self.late = trades;
                is_new
            }
            TradePage::After(_) => {
                let known = self.seen.map(|seen| seen.last.0);
                let touches = trades.iter().any(|t| t.id.saturating_add(1) >= oldest);
                self.join(touches, trades.iter().any(|t| t.id < oldest));
                trades.retain(|trade| trade.id < oldest && known.is_none_or(|id| trade.id > id));
                for trade in &trades {
                    let at = (trade.id, trade.timestamp);
                    self.see(at, at, None);
                }
                let is_new = !trades.is_empty();
                self.early.append(&mut trades);
                is_new
            }
        }
    }

    /// Adds a page of aggregates. False: it brought nothing, and the next one would not either.
    pub fn add_aggregates(&mut self, mut rows: Vec<AggregateTrade>) -> bool {
        let Some(oldest) = self.late.first().map(|trade| trade.id) else {
            return false;
        };
        let known = self.seen.and_then(|seen| seen.aggregate);
        rows.sort_by_key(|row| row.id);
        rows.dedup_by_key(|row| row.id);
        rows.retain(|row| known.is_none_or(|id| row.id > id));
        let touches = rows.iter().any(|row| row.last.saturating_add(1) >= oldest);
        self.join(touches, rows.iter().any(|row| row.first < oldest));
        rows.retain(|row| row.first < oldest);
        for row in &rows {
            self.add_aggregate(row, oldest);
        }
        !rows.is_empty()
    }

    fn add_aggregate(&mut self, row: &AggregateTrade, oldest: u64) {
        let last = row.last.min(oldest.saturating_sub(1));
        if let Some(seen) = &mut self.seen {
            if row.first <= seen.last.0 {
                // Out of order: nothing that is held can be trusted to follow it.
                seen.aggregate = Some(row.id);
                return;
            }
            let seen = *seen;
            // Where no aggregate is between two of them, no trade is either.
            let is_next = seen.aggregate.and_then(|id| id.checked_add(1)) == Some(row.id);
            if !is_next {
                let first = seen.last.0.saturating_add(1);
                self.leave_unresolved(first, row.first.saturating_sub(1), row.timestamp);
            }
        }
        match row.trade {
            Some(trade) => self.early.push(trade),
            None => self.leave_unresolved(row.first, last, row.timestamp),
        }
        let (first, last) = ((row.first, row.timestamp), (last, row.timestamp));
        self.see(first, last, Some(row.id));
    }

    fn leave_unresolved(&mut self, first: u64, last: u64, time: Timestamp) {
        let first = match self.mark.id {
            Some(id) => first.max(id.saturating_add(1)),
            None if time <= self.mark.time => return,
            None => first,
        };
        if first <= last {
            self.unresolved.push(Unresolved { first, last, time });
        }
    }

    /// The early part has come as far as the late one, if a page touches that and begins where it should:
    /// older trades were forgotten where none of them comes and the mark does not either.
    fn join(&mut self, touches: bool, has_older: bool) {
        let begins = self.seen.is_some() || self.mark.id.is_none() || has_older;
        if touches && begins {
            self.state = State::Joined;
        }
    }

    fn see(&mut self, first: (u64, Timestamp), last: (u64, Timestamp), aggregate: Option<u64>) {
        let first = self.seen.map_or(first, |seen| seen.first);
        self.seen = Some(Seen {
            first,
            last,
            aggregate,
        });
    }

    pub fn replay(mut self) -> Replay {
        let mark = self.mark;
        let holes = self.holes();
        let mut trades = std::mem::take(&mut self.early);
        trades.append(&mut self.late);
        match (self.state, mark.id) {
            (State::Apart | State::Joined, Some(id)) => trades.retain(|trade| trade.id > id),
            _ => trades.retain(|trade| trade.timestamp > mark.time),
        }
        Replay {
            trades,
            uncovered: holes.times,
            missing: holes.ids,
            newest: self.newest,
        }
    }

    fn holes(&self) -> Holes {
        let (mark, late) = (self.mark, self.late.first());
        // Clocks may disagree about what came first.
        let until = late.map_or(self.asked_at, |t| t.timestamp).max(mark.time);
        let (mut times, mut ids) = (Vec::new(), Vec::new());
        let next = mark.id.map(|id| id.saturating_add(1));
        let before_late = late.map(|trade| trade.id.saturating_sub(1));
        match (self.state, self.seen) {
            (State::Joined, None) => {}
            (state, Some(seen)) => {
                // Without an id there is no way to see that the first page begins at the mark: what can be
                // asked for by time is complete.
                if next.is_some_and(|next| seen.first.0 > next) {
                    times.push((mark.time, seen.first.1));
                    ids.push((next, Some(seen.first.0 - 1)));
                }
                if let (Some(first), Some(last)) = (self.unresolved.first(), self.unresolved.last())
                {
                    // One part of them all: there may be hundreds.
                    times.push((first.time.max(mark.time), last.time.plus_nanos(1)));
                    let each = self.unresolved.iter();
                    ids.extend(each.map(|part| (Some(part.first), Some(part.last))));
                }
                if state != State::Joined {
                    times.push((seen.last.1, until));
                    ids.push((seen.last.0.checked_add(1), before_late));
                }
            }
            (State::Apart, None) => {
                times.push((mark.time, until));
                ids.push((next, before_late));
            }
            // Their numbers say nothing of what was before.
            (State::Anew, None) => times.push((mark.time, until)),
        }
        let known = ids.into_iter().filter_map(|(first, last)| first.zip(last));
        let mut ids: Vec<_> = known.filter(|(first, last)| first <= last).collect();
        for (first, last) in self.lost_after_mark() {
            times.push(self.around(first, last));
            ids.push((first, last));
        }
        times.sort();
        ids.sort_unstable();
        Holes { times, ids }
    }

    /// What the source has lost between the mark and its newest trade, as far as the ids that follow the mark are its
    /// own: each part once.
    fn lost_after_mark(&self) -> Vec<(u64, u64)> {
        let newest = self.newest.map_or(0, |newest| newest.id);
        let from = match (self.mark.id, self.state) {
            (_, State::Anew) => return Vec::new(),
            (Some(id), _) => id.saturating_add(1),
            (None, _) => 0,
        };
        let lost = self.lost.iter();
        let lost = lost.map(|(first, last)| ((*first).max(from), (*last).min(newest)));
        let mut lost: Vec<_> = lost.filter(|(first, last)| first <= last).collect();
        lost.sort_unstable();
        lost.dedup();
        lost
    }

    /// The times of the trades around these ids.
    fn around(&self, first: u64, last: u64) -> (Timestamp, Timestamp) {
        let trades = || self.early.iter().chain(&self.late);
        let before = trades().rev().find(|trade| trade.id < first);
        let after = trades().find(|trade| trade.id > last);
        let from = before.map_or(self.mark.time, |trade| trade.timestamp);
        let until = after.map_or(self.asked_at, |trade| trade.timestamp);
        (from.max(self.mark.time), until.max(from))
    }
}

/// Whether nothing can lie between the mark and this trade.
fn reaches(mark: &TradeMark, trade: &Trade) -> bool {
    match mark.id {
        Some(id) => trade.id <= id.saturating_add(1),
        // A market begins with 0 or 1.
        None => trade.timestamp <= mark.time || trade.id <= 1,
    }
}

fn sorted(mut trades: Vec<Trade>) -> Vec<Trade> {
    trades.sort_by_key(|trade| trade.id);
    trades.dedup_by_key(|trade| trade.id);
    trades
}

#[cfg(test)]
mod tests;
