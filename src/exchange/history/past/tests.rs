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

    /// Consecutive trades of one moment as one, over the whole ledger.
    fn aggregates(&self) -> Vec<AggregateTrade> {
        let fits = |a: &Trade, b: &Trade| a.id + 1 == b.id && a.timestamp == b.timestamp;
        let groups = self.ledger.chunk_by(fits).zip(700..);
        let aggregate = |(group, id): (&[Trade], u64)| AggregateTrade {
            id,
            first: group[0].id,
            last: group[group.len() - 1].id,
            timestamp: group[0].timestamp,
            trade: (group.len() == 1).then_some(group[0]),
        };
        groups.map(aggregate).collect()
    }

    fn aggregate_page(&self, page: AggregatePage) -> Vec<AggregateTrade> {
        let reach = self.ledger[self.reach].id;
        let held = self
            .aggregates()
            .into_iter()
            .filter(|row| row.last >= reach);
        let later = held.filter(|row| match page {
            AggregatePage::Since(moment) => row.timestamp >= moment,
            AggregatePage::After(id) => row.id > id,
        });
        later.take(self.page).collect()
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
    (steps, 3usize..12, 0usize..120, any::<bool>()).prop_map(|(steps, page, reach, turns_back)| {
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
    })
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

    #[test]
    fn aggregates_bring_what_they_can_and_the_rest_is_named(
        venue in venue(), place: prop::sample::Index, by_id: bool, pages in 0usize..4,
        answers in prop_oneof![0usize..20, Just(PATIENCE)],
    ) {
        let venue = Venue { turns_back: true, ..venue };
        let known = *place.get(&venue.ledger);
        let mark = TradeMark { id: by_id.then_some(known.id), time: known.timestamp };
        let mut past = Past::new(mark, venue.newest(), Timestamp::from_nanos(i64::MAX));
        for _ in 0..pages {
            let [Some(page), _] = past.missing() else { break };
            past.add(page, venue.page(page).unwrap());
        }
        let exact = past.late.first().map_or(0, |trade| trade.id);
        for _ in 0..answers {
            let Some(page) = past.missing_aggregates() else { break };
            if !past.add_aggregates(venue.aggregate_page(page)) {
                break;
            }
        }
        let replay = past.replay();
        prop_assert!(replay.trades.windows(2).all(|pair| pair[0].id < pair[1].id));
        prop_assert!(replay.uncovered.is_sorted() && replay.missing.is_sorted());
        let is_later = |t: &Trade| if by_id { t.id > known.id } else { t.timestamp > known.timestamp };
        prop_assert!(replay.trades.iter().all(is_later));
        let is_missing = |id: u64| replay.missing.iter().any(|(first, last)| (*first..=*last).contains(&id));
        let first = if by_id { 0 } else { venue.reach };
        for trade in venue.ledger[first..].iter().filter(|t| is_later(t)) {
            let had = replay.trades.binary_search_by_key(&trade.id, |t| t.id).is_ok();
            // Without an id of the mark it is not known which came first.
            prop_assert!(had != is_missing(trade.id) || (!had && !by_id), "{}", trade.id);
            let in_hole = replay.uncovered.iter().any(|(after, before)| {
                (*after..=*before).contains(&trade.timestamp)
            });
            prop_assert!(had || in_hole, "{} of {:?}", trade.id, replay.uncovered);
        }
        if venue.reach == 0 && answers == PATIENCE {
            // Only trades of several to an aggregate are missing, each by its number.
            for row in venue.aggregates() {
                for id in row.first..=row.last {
                    let is_several = row.trade.is_none() && id < exact && is_later(&trade(id, row.timestamp.nanos()));
                    prop_assert_eq!(is_missing(id), is_several, "{}", id);
                }
            }
            prop_assert_eq!(replay.uncovered.is_empty(), replay.missing.is_empty());
        }
    }
}

#[test]
fn aggregates_out_of_order_or_with_holes_are_not_believed_to_be_complete() {
    let mark = TradeMark {
        id: Some(10),
        time: Timestamp::from_nanos(10),
    };
    let row = |id, first, last| AggregateTrade {
        id,
        first,
        last,
        timestamp: Timestamp::from_nanos(first as i64),
        trade: (first == last).then(|| trade(first, first as i64)),
    };
    let newest = vec![trade(100, 100)];
    let mut past = Past::new(mark, newest, Timestamp::from_nanos(200));
    assert!(past.add_aggregates(vec![row(1, 9, 11), row(2, 12, 12), row(4, 20, 20)]));
    // the one before it comes late, and one comes again
    assert!(past.add_aggregates(vec![row(5, 13, 19), row(4, 20, 20), row(6, 21, 120)]));
    let replay = past.replay();
    let ids: Vec<u64> = replay.trades.iter().map(|trade| trade.id).collect();
    assert_eq!(ids, [12, 20, 100]);
    assert_eq!(replay.missing, [(11, 11), (13, 19), (21, 99)]);
}
