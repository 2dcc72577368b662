//! Trades since a mark, put together from pages.
//!
//! The newest page comes first: mostly it reaches back to the mark, and everybody who asks about a market
//! at one moment asks for the same one. What lies between is then fetched from whichever end the exchange
//! lets one turn pages from. Nothing is taken for granted: a part counts as covered only where the pages
//! have been seen to touch.

use std::future::Future;

use tokio::time::{Instant, timeout_at};

use crate::feed::{ProviderError, Replay, TradeMark};
use crate::model::{Instrument, Timestamp, Trade};

use super::protocol::TradePage;
use super::rest::Rest;

/// Requests for one replay.
const PAGES_MAX: usize = 40;
/// Trades held for one replay, give or take a page.
const TRADES_MAX: usize = 200_000;
/// Trades asked for at once: the most that every exchange gives.
const PAGE: usize = 1_000;
/// The first page after the mark begins so much earlier: sockets and REST do not tell the time of a trade
/// with the same number of digits. What comes twice is dropped by its id.
const OVERLAP_NANOS: i64 = 1_000_000;

impl Rest {
    /// See [`crate::feed::Provider::trades_since`].
    pub(super) async fn trades_since(
        &self,
        of: &Instrument,
        after: TradeMark,
        deadline: Instant,
    ) -> Result<Replay, ProviderError> {
        let newest = async {
            let body = self.get(&self.adapter.ask_trades(of, PAGE)).await?;
            Ok((self.read_trades(&body, of).await?, body.received_at))
        };
        let (newest, asked_at) = self.within(deadline, newest).await?;
        let mut past = Past::new(after, newest, asked_at);
        for _ in 1..PAGES_MAX {
            let ask = |page| Some((page, self.adapter.ask_trades_page(of, page)?));
            let Some((page, ask)) = past.missing().into_iter().flatten().find_map(ask) else {
                break;
            };
            let answer = async {
                let body = self.get_history(&ask).await?;
                self.read_trades(&body, of).await
            };
            let is_further = match self.within(deadline, answer).await {
                Ok(trades) => past.add(page, trades),
                Err(error) => {
                    tracing::debug!(market = %of.market, %error, "a page of old trades is missing");
                    false
                }
            };
            if !is_further {
                break;
            }
        }
        Ok(past.replay())
    }

    async fn within<T>(
        &self,
        deadline: Instant,
        answer: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        timeout_at(deadline, answer).await.unwrap_or_else(|_| {
            let exchange = self.adapter.exchange();
            let why = format!(
                "no answer in time, be it of {exchange} or for want of room in its budget of requests"
            );
            Err(ProviderError::Unreachable(why))
        })
    }
}

/// What is known so far. Each part is sorted by id, and free of holes but for those of the exchange.
struct Past {
    mark: TradeMark,
    asked_at: Timestamp,
    /// From the mark on, not yet joined to `late`. Empty where pages are turned back.
    early: Vec<Trade>,
    /// Up to the newest trade.
    late: Vec<Trade>,
    newest: Option<Trade>,
    state: State,
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
    fn new(mark: TradeMark, newest_page: Vec<Trade>, asked_at: Timestamp) -> Self {
        let late = sorted(newest_page);
        let newest = late.last().copied();
        let mut past = Self {
            mark,
            asked_at,
            early: Vec::new(),
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
    fn missing(&self) -> [Option<TradePage>; 2] {
        let held = self.early.len() + self.late.len();
        let (State::Apart, Some(oldest)) = (self.state, self.late.first()) else {
            return [None; 2];
        };
        if held >= TRADES_MAX {
            return [None; 2];
        }
        let after = match self.early.last() {
            // A page may have ended between two trades of one moment.
            Some(last) => last.timestamp.plus_nanos(-1),
            None => self.mark.time.plus_nanos(-OVERLAP_NANOS),
        };
        [
            Some(TradePage::Before(oldest.id)),
            Some(TradePage::After(after)),
        ]
    }

    /// Adds a page. False: it brought nothing, and the next one would not either.
    fn add(&mut self, page: TradePage, trades: Vec<Trade>) -> bool {
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
                let known = self.early.last().map(|trade| trade.id);
                let touches = trades.iter().any(|t| t.id.saturating_add(1) >= oldest);
                // Older trades were forgotten where none of them comes and the mark does not either.
                let begins = known.is_some()
                    || self.mark.id.is_none()
                    || trades.iter().any(|t| t.id < oldest);
                if touches && begins {
                    self.state = State::Joined;
                }
                trades.retain(|trade| trade.id < oldest && known.is_none_or(|id| trade.id > id));
                let is_new = !trades.is_empty();
                self.early.append(&mut trades);
                is_new
            }
        }
    }

    fn replay(mut self) -> Replay {
        let mark = self.mark;
        let mut uncovered = Vec::new();
        let until = self.late.first().map_or(self.asked_at, |t| t.timestamp);
        // Clocks may disagree about what came first.
        let until = until.max(mark.time);
        match (self.state, self.early.first(), self.early.last()) {
            (State::Joined, None, _) => {}
            (state, Some(first), Some(last)) => {
                // Without an id there is no way to see that the first page begins at the mark: what can be
                // asked for by time is complete.
                if mark.id.is_some() && !self.early.iter().any(|t| reaches(&mark, t)) {
                    uncovered.push((mark.time, first.timestamp));
                }
                if state != State::Joined {
                    uncovered.push((last.timestamp, until));
                }
            }
            _ => uncovered.push((mark.time, until)),
        }
        let mut trades = std::mem::take(&mut self.early);
        trades.append(&mut self.late);
        match (self.state, mark.id) {
            (State::Apart | State::Joined, Some(id)) => trades.retain(|trade| trade.id > id),
            _ => trades.retain(|trade| trade.timestamp > mark.time),
        }
        Replay {
            trades,
            uncovered,
            newest: self.newest,
        }
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Exchange, Market, Origin, Side};

    /// More pages than any of these ledgers has.
    const PATIENCE: usize = 150;

    /// An exchange with so many trades to a page.
    #[derive(Debug)]
    struct Venue {
        ledger: Vec<Trade>,
        page: usize,
        /// Trades before this place are forgotten.
        reach: usize,
        turns_back: bool,
    }

    impl Venue {
        fn newest(&self) -> Vec<Trade> {
            let held = &self.ledger[self.reach..];
            held[held.len().saturating_sub(self.page)..].to_vec()
        }

        fn page(&self, page: TradePage) -> Option<Vec<Trade>> {
            let held = &self.ledger[self.reach..];
            match page {
                TradePage::Before(id) if self.turns_back => {
                    let older = held.iter().rev().filter(|t| t.id < id);
                    Some(older.take(self.page).copied().collect())
                }
                TradePage::After(moment) if !self.turns_back => {
                    let later = held.iter().filter(|t| t.timestamp > moment);
                    Some(later.take(self.page).copied().collect())
                }
                _ => None,
            }
        }
    }

    fn trade(id: u64, nanos: i64) -> Trade {
        Trade {
            market: Market::new(Exchange::new("paging"), "BTC", "USD"),
            id,
            price: "1".parse().unwrap(),
            size: "1".parse().unwrap(),
            side: Side::Buy,
            timestamp: Timestamp::from_nanos(nanos),
            received_at: Timestamp::from_nanos(0),
            origin: Origin::History,
            replayed: false,
            suspect: false,
        }
    }

    fn venue() -> impl Strategy<Value = Venue> {
        // ids may jump, and two trades share their time now and then
        let steps = prop::collection::vec((1u64..4, 0i64..3), 1..120);
        (steps, 3usize..12, 0usize..120, any::<bool>()).prop_map(
            |(steps, page, reach, turns_back)| {
                let (mut id, mut nanos, mut is_twin) = (10, 1_000_000_000, true);
                let ledger: Vec<_> = steps
                    .iter()
                    .map(|(ids, seconds)| {
                        id += ids;
                        is_twin = *seconds == 0 && !is_twin;
                        nanos += if is_twin { 0 } else { 1_000_000_000 };
                        trade(id, nanos)
                    })
                    .collect();
                let reach = reach.saturating_sub(60).min(ledger.len() - 1);
                Venue {
                    ledger,
                    page,
                    reach,
                    turns_back,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn every_trade_after_the_mark_is_had_or_told_as_uncovered(
            venue in venue(), place: prop::sample::Index, by_id: bool,
            answers in prop_oneof![0usize..20, Just(PATIENCE)],
        ) {
            let known = *place.get(&venue.ledger);
            let mark = TradeMark { id: by_id.then_some(known.id), time: known.timestamp };
            let mut past = Past::new(mark, venue.newest(), Timestamp::from_nanos(i64::MAX));
            for _ in 0..answers {
                let answer = |page| Some((page, venue.page(page)?));
                let Some((page, trades)) = past.missing().into_iter().flatten().find_map(answer) else {
                    break;
                };
                if !past.add(page, trades) {
                    break;
                }
            }
            let replay = past.replay();
            prop_assert!(replay.trades.windows(2).all(|pair| pair[0].id < pair[1].id));
            prop_assert!(replay.uncovered.is_sorted());
            prop_assert_eq!(replay.newest, venue.ledger.last().copied());
            let is_later = |t: &Trade| if by_id { t.id > known.id } else { t.timestamp > known.timestamp };
            prop_assert!(replay.trades.iter().all(is_later));
            // What was forgotten cannot be missed where pages are asked for by time, and the mark has no id.
            let is_trusted = !by_id && !venue.turns_back;
            let first = if is_trusted { venue.reach } else { 0 };
            for trade in venue.ledger[first..].iter().filter(|t| is_later(t)) {
                let had = replay.trades.binary_search_by_key(&trade.id, |t| t.id).is_ok();
                let in_hole = replay.uncovered.iter().any(|(after, before)| {
                    (*after..=*before).contains(&trade.timestamp)
                });
                prop_assert!(had || in_hole, "{} of {:?}", trade.id, replay.uncovered);
            }
            // With patience and an exchange that forgets nothing there is no hole at all.
            if venue.reach == 0 && answers == PATIENCE {
                prop_assert_eq!(replay.uncovered, []);
            }
        }
    }
}
