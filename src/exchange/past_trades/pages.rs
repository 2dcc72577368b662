//! What the answers to questions about old trades say, as pages that touch each other. Pure.

use std::collections::VecDeque;

use crate::exchange::protocol::{AggregatePage, AggregateTrade, TradePage};
use crate::feed::{Page, Span};
use crate::model::{Timestamp, Trade};

/// Trades in one answer: the most that every exchange gives.
pub(super) const PAGE: u64 = 1_000;
/// Times over REST can be rounded: pages that begin at a moment overlap by so much, and what comes twice is dropped
/// by its id.
const OVERLAP_NANOS: i64 = 1_000_000;
/// After so many pages with room for more the end is reached, if what they end with was traded just now.
const SHORT: u32 = 3;
/// And after so many whatever the clocks.
const SHORT_MAX: u32 = 5;
const JUST_NOW_NANOS: i64 = 60_000_000_000;
/// Times of aggregates are in milliseconds.
const AGGREGATE_NANOS: i64 = 1_000_000;

/// Where the next page begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Way {
    /// After this moment.
    Moment(Timestamp),
    /// With this id.
    Ids(u64),
    /// At this aggregate.
    Aggregates(AggregatePage),
}

impl Way {
    /// Such that nothing at that moment is missed.
    pub fn from_moment(from: Timestamp) -> Self {
        Self::Moment(from.plus_nanos(-OVERLAP_NANOS))
    }

    /// The page to ask for; ids are counted back from its end.
    pub fn page(self) -> TradePage {
        match self {
            Self::Moment(after) => TradePage::After(after),
            Self::Ids(first) => TradePage::Before(first.saturating_add(PAGE)),
            // They are asked for in another way; nothing comes before the first.
            Self::Aggregates(_) => TradePage::Before(0),
        }
    }
}

/// What is known of a span so far.
pub(super) struct TradePages {
    span: Span,
    /// Until when pages are made.
    told_until: Timestamp,
    /// The last trade that is in them, or the one before the first.
    last: Option<u64>,
    /// The last trade in a page that is made.
    last_told: Option<u64>,
    /// Ids of which the source has lost some, as it says itself.
    lost: Vec<(u64, u64)>,
    /// Trades after `told_until` out of aggregates that cannot be had again in the same way.
    carried: Vec<Trade>,
    /// Until when the last aggregate of several trades reaches.
    hole_until: Timestamp,
    ready: VecDeque<Page<Trade>>,
    /// Pages in a row that had room for more.
    short: u32,
    is_done: bool,
}

impl TradePages {
    /// Nothing yet.
    pub fn new(span: Span) -> Self {
        Self {
            span,
            told_until: span.from,
            last: None,
            last_told: None,
            lost: Vec::new(),
            carried: Vec::new(),
            hole_until: span.from,
            ready: VecDeque::new(),
            short: 0,
            is_done: span.from >= span.until,
        }
    }

    pub fn span(&self) -> Span {
        self.span
    }

    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// The next page that is made.
    pub fn next(&mut self) -> Option<Page<Trade>> {
        self.ready.pop_front()
    }

    /// The first trade in the span has this id.
    pub fn expect(&mut self, first: u64) {
        self.last = first.checked_sub(1);
        self.last_told = self.last;
    }

    /// What was before that moment cannot be had.
    pub fn begin_at(&mut self, from: Timestamp) {
        self.told_until = self.told_until.max(from);
    }

    /// The source has lost some of these.
    pub fn lose(&mut self, lost: Vec<(u64, u64)>) {
        self.lost.extend(lost);
        self.lost.sort_unstable();
        self.lost.dedup();
    }

    /// Nothing more was traded until then.
    pub fn finish(&mut self, until: Timestamp) {
        let rest = std::mem::take(&mut self.carried);
        self.tell(until.min(self.span.until), rest);
        self.is_done = true;
    }

    /// Where aggregates begin that stand in for what is missing.
    pub fn next_aggregates(&self) -> AggregatePage {
        AggregatePage::Since(self.told_until)
    }

    /// Takes an answer; returns where the next page begins.
    pub fn add(&mut self, way: Way, mut trades: Vec<Trade>, asked_at: Timestamp) -> Way {
        trades.sort_by_key(|trade| trade.id);
        trades.dedup_by_key(|trade| trade.id);
        let is_full = trades.len() as u64 >= PAGE;
        let newest = trades.last().copied();
        let touches = self.touches(way, &trades);
        let reaches_end = (trades.iter()).any(|trade| trade.timestamp >= self.span.until);
        let (last, from) = (self.last, self.span.from);
        trades.retain(|trade| last.is_none_or(|last| trade.id > last) && trade.timestamp >= from);
        let Some(edge) = trades.last().map(|trade| trade.timestamp) else {
            return match (way, newest) {
                (Way::Moment(after), Some(newest)) if is_full && !reaches_end => {
                    // More trades in so short a time than a page holds.
                    Way::Moment(newest.timestamp.max(after.plus_nanos(1)))
                }
                _ => {
                    self.finish(if reaches_end {
                        self.span.until
                    } else {
                        asked_at
                    });
                    way
                }
            };
        };
        if !touches {
            self.told_until = self.told_until.max(trades[0].timestamp);
        }
        if reaches_end {
            trades.retain(|trade| trade.timestamp < self.span.until);
            self.tell(self.span.until, trades);
            self.is_done = true;
            return way;
        }
        self.short = if is_full { 0 } else { self.short + 1 };
        let is_now = edge >= asked_at.plus_nanos(-JUST_NOW_NANOS);
        if self.short >= SHORT && is_now || self.short >= SHORT_MAX {
            // Nothing follows but what is being traded now: a busy market would be followed for ever.
            self.tell(edge.plus_nanos(1), trades);
            self.is_done = true;
            return way;
        }
        // The next page may have more of the last moment.
        let until = match trades.iter().position(|trade| trade.timestamp >= edge) {
            Some(at @ 1..) => {
                trades.truncate(at);
                edge
            }
            _ => edge.plus_nanos(1),
        };
        self.last = trades.last().map(|trade| trade.id).or(self.last);
        self.tell(until, trades);
        match way {
            Way::Moment(_) => Way::from_moment(edge),
            _ => Way::Ids(self.last.map_or(0, |last| last.saturating_add(1))),
        }
    }

    /// Takes an answer about aggregates; returns where the next page begins. Those of several trades, whose sizes
    /// are not known, are between two pages.
    pub fn add_aggregates(
        &mut self,
        asked: AggregatePage,
        mut rows: Vec<AggregateTrade>,
        asked_at: Timestamp,
    ) -> Way {
        rows.sort_by_key(|row| row.id);
        rows.dedup_by_key(|row| row.id);
        if let AggregatePage::After(known) = asked {
            rows.retain(|row| row.id > known);
        }
        let Some(newest) = rows.last().map(|row| (row.id, row.timestamp)) else {
            self.finish(asked_at);
            return Way::Aggregates(asked);
        };
        for row in rows {
            if self.last.is_some_and(|last| row.last <= last) || row.timestamp < self.span.from {
                continue;
            }
            if row.timestamp >= self.span.until {
                self.finish(self.span.until);
                return Way::Aggregates(asked);
            }
            self.last = Some(row.last);
            match row.trade {
                Some(trade) if trade.timestamp >= self.hole_until => self.carried.push(trade),
                // At the moment of trades that are not known.
                Some(_) => {}
                None => {
                    self.tell_carried(row.timestamp);
                    let after = row.timestamp.plus_nanos(AGGREGATE_NANOS);
                    self.hole_until = self.hole_until.max(after);
                    self.told_until = self.told_until.max(after);
                    self.carried.clear();
                }
            }
        }
        self.tell_carried(newest.1);
        Way::Aggregates(AggregatePage::After(newest.0))
    }

    /// Whether nothing can lie between what is known and this page. Where ids are asked for, those that are not in
    /// the answer do not exist.
    fn touches(&self, way: Way, trades: &[Trade]) -> bool {
        let Some(last) = self.last.filter(|_| matches!(way, Way::Moment(_))) else {
            return true;
        };
        trades.iter().any(|t| t.id <= last.saturating_add(1))
    }

    /// Makes a page of what was carried, but for what happened at this moment or after it.
    fn tell_carried(&mut self, until: Timestamp) {
        let carried = std::mem::take(&mut self.carried);
        let (now, later) = carried.into_iter().partition(|t| t.timestamp < until);
        self.tell(until, now);
        self.carried = later;
    }

    /// Makes a page of these; more than one where some between them are lost.
    fn tell(&mut self, until: Timestamp, mut items: Vec<Trade>) {
        while let Some(place) = self.first_lost(&items) {
            let later = items.split_off(place);
            let after = later[0].timestamp;
            if let Some(before) = items.last() {
                let until = before.timestamp.plus_nanos(1).min(after);
                self.tell_part(until, items);
            }
            self.told_until = self.told_until.max(after);
            // From here on it follows.
            self.last_told = later[0].id.checked_sub(1);
            items = later;
        }
        self.tell_part(until, items);
    }

    /// The place of the first of these before which some are lost.
    fn first_lost(&self, items: &[Trade]) -> Option<usize> {
        let mut known = self.last_told;
        items.iter().position(|trade| {
            let before = known.replace(trade.id);
            let is_between =
                |ends: &(u64, u64)| before.is_some_and(|id| id < ends.1) && ends.0 < trade.id;
            let is_apart = before.is_some_and(|id| id.saturating_add(1) < trade.id);
            is_apart && self.lost.iter().any(is_between)
        })
    }

    fn tell_part(&mut self, until: Timestamp, items: Vec<Trade>) {
        self.last_told = items.last().map(|trade| trade.id).or(self.last_told);
        let covers = Span {
            from: self.told_until,
            until: until.max(self.told_until),
        };
        self.told_until = covers.until;
        if covers.from < covers.until || !items.is_empty() {
            self.ready.push_back(Page {
                covers,
                items,
                forming: None,
            });
        }
    }
}
