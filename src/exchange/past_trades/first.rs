//! The first trade at a moment or after it, where an exchange only turns pages back from an id.
//!
//! Ids rise with time, mostly at a steady pace: the next guess is where that pace leads, and every third one halves
//! what is left, so that no other pace makes many requests of it.

use crate::exchange::protocol::TradePage;
use crate::exchange::rest::Rest;
use crate::feed::ProviderError;
use crate::model::{Instrument, Timestamp, Trade};

use super::asked;
use super::pages::PAGE;

/// Each third halves what is left of 63 bits.
const GUESSES_MAX: usize = 3 * 63;

/// A trade that is known.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: u64,
    time: Timestamp,
}

/// Between which ids the first trade lies.
#[derive(Debug)]
pub(super) struct Search {
    from: Timestamp,
    /// Of what there is no trade at `from` or after it with a lower id.
    floor: u64,
    /// A trade before `from`.
    before: Option<Known>,
    /// The oldest trade at `from` or after it that was seen.
    after: Known,
    /// The last ids that were told apart: how fast they rise.
    pace: Known,
    guesses: usize,
}

/// What a page says of the search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Found {
    /// This is the first trade, at that time.
    First(u64, Timestamp),
    /// There is none.
    None,
}

impl Rest {
    /// The id and the time of the first trade at a moment or after it, and when the newest was asked for.
    pub(super) async fn first_trade(
        &self,
        of: &Instrument,
        from: Timestamp,
    ) -> Result<(Option<(u64, Timestamp)>, Timestamp), ProviderError> {
        let body = self
            .get(&self.adapter.ask_trades(of, PAGE as usize))
            .await?;
        let newest = self.read_trades(&body, of).await?;
        if newest.is_empty() && !self.adapter.keeps_all_trades() {
            let why = format!("{}: no trades are known there yet", of.market);
            return Err(ProviderError::Refused(why));
        }
        let asked_at = body.sent_at;
        let (mut search, mut found) = Search::begin(from, &newest);
        while let (Some(search), None) = (&mut search, found) {
            let page = TradePage::Before(search.guess()?);
            let ask = asked(of, self.adapter.ask_trades_page(of, page))?;
            let body = self.get_history(&ask).await?;
            found = search.narrow(page, &self.read_trades(&body, of).await?);
        }
        Ok(match found {
            Some(Found::First(id, time)) => (Some((id, time)), asked_at),
            Some(Found::None) | None => (None, asked_at),
        })
    }
}

impl Search {
    /// From the newest page on, oldest first.
    pub(super) fn begin(from: Timestamp, newest: &[Trade]) -> (Option<Self>, Option<Found>) {
        let Some(found) = newest.iter().position(|trade| trade.timestamp >= from) else {
            return (None, Some(Found::None));
        };
        let (first, last) = (known(&newest[found]), known(&newest[newest.len() - 1]));
        if found > 0 || (newest.len() as u64) < PAGE {
            return (None, Some(Found::First(first.id, first.time)));
        }
        let search = Self {
            from,
            floor: 0,
            before: None,
            after: first,
            pace: last,
            guesses: 0,
        };
        (Some(search), None)
    }

    /// The page before this id may have it. Errors: the answers contradict each other.
    pub(super) fn guess(&mut self) -> Result<u64, ProviderError> {
        self.guesses += 1;
        if self.guesses > GUESSES_MAX || self.floor > self.after.id {
            let why = "pages of old trades contradict each other";
            return Err(ProviderError::Malformed(why.into()));
        }
        let left = self.after.id - self.floor;
        let middle = self.floor + left / 2;
        let id = match self.before {
            _ if self.guesses.is_multiple_of(3) => middle,
            Some(before) => between(before, self.after, self.from),
            // As if ids had always risen as fast as among the last that are known; a market cannot be older than
            // its first id.
            None => {
                let id = back(self.after, self.pace, self.from);
                if id > self.floor { id } else { middle }
            }
        };
        // With the id in the middle of the page, an error of half a page does not matter.
        let end = id.saturating_add(PAGE / 2);
        Ok(end.clamp(
            self.floor.saturating_add(1).min(self.after.id),
            self.after.id,
        ))
    }

    /// Takes the page; `None`: it is not in there.
    pub(super) fn narrow(&mut self, page: TradePage, trades: &[Trade]) -> Option<Found> {
        let TradePage::Before(end) = page else {
            return None;
        };
        let trades: Vec<Known> = trades.iter().map(known).filter(|t| t.id < end).collect();
        match trades.iter().position(|trade| trade.time >= self.from) {
            Some(at) => {
                let oldest = trades[at];
                // What is before it in the page is before the moment, or there is nothing before it at all.
                if at > 0 || (trades.len() as u64) < PAGE || oldest.id <= self.floor {
                    return Some(Found::First(oldest.id, oldest.time));
                }
                (self.pace, self.after) = (self.after, oldest);
                None
            }
            None => {
                self.floor = end;
                self.before = trades.last().copied().or(self.before);
                let is_next = end >= self.after.id;
                is_next.then_some(Found::First(self.after.id, self.after.time))
            }
        }
    }
}

fn known(trade: &Trade) -> Known {
    Known {
        id: trade.id,
        time: trade.timestamp,
    }
}

fn nanos(from: Timestamp, until: Timestamp) -> i128 {
    i128::from(until.nanos()) - i128::from(from.nanos())
}

/// Where the id of a moment lies between two trades, if they were all as far apart.
fn between(before: Known, after: Known, at: Timestamp) -> u64 {
    let ids = i128::from(after.id.saturating_sub(before.id));
    let all = nanos(before.time, after.time).max(1);
    let part = nanos(before.time, at).clamp(0, all);
    before.id + u64::try_from(ids * part / all).unwrap_or(0)
}

/// Where it lies before two trades; 0 where that is before all.
fn back(first: Known, second: Known, at: Timestamp) -> u64 {
    let ids = i128::from(second.id.saturating_sub(first.id)).max(1);
    let time = nanos(first.time, second.time).max(1);
    let steps = ids.saturating_mul(nanos(at, first.time).max(0)) / time;
    first
        .id
        .saturating_sub(u64::try_from(steps).unwrap_or(u64::MAX))
}
