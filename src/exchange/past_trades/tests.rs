use futures_util::TryStreamExt;

use super::*;
use crate::exchange::tests::archive::{Archive, Habits, Sold, VENUES, ledger, price, size};
use crate::exchange::tests::support::NOW;
use crate::feed::{Page, Provider};
use crate::model::Timestamp;
use crate::sim::Venue;

const MINUTE: i64 = 60_000_000_000;

fn back(nanos: i64) -> Timestamp {
    NOW.plus_nanos(-nanos)
}

async fn pages(archive: &Archive, span: Span) -> Vec<Page<Trade>> {
    let of = archive.instrument.clone();
    let pages = archive.live.trade_history(of, span);
    pages.try_collect().await.unwrap()
}

fn within<'a>(ledger: &'a [Sold], span: &'a Span) -> impl Iterator<Item = &'a Sold> {
    let nanos = span.from.nanos()..span.until.nanos();
    ledger
        .iter()
        .filter(move |sold| nanos.contains(&sold.nanos))
}

/// Pages touch and have each trade of what they cover, once.
fn check(archive: &Archive, venue: Venue, span: Span, pages: &[Page<Trade>]) {
    let mut known_until = span.from;
    for page in pages {
        assert!(page.covers.from >= known_until, "{venue:?} {span:?}");
        known_until = page.covers.until;
        let expected: Vec<_> = within(&archive.ledger, &page.covers).collect();
        let ids: Vec<_> = page.items.iter().map(|trade| trade.id).collect();
        let theirs: Vec<_> = expected.iter().map(|sold| sold.id).collect();
        assert_eq!(ids, theirs, "{venue:?} {:?}", page.covers);
        for (trade, sold) in page.items.iter().zip(expected) {
            assert_eq!(trade.timestamp.nanos(), sold.nanos);
            assert_eq!(trade.price.to_string(), price(sold.cents));
            assert_eq!(trade.size.to_string(), size(sold.size));
        }
        assert!(page.items.len() <= PAGE as usize);
    }
}

fn is_whole(span: Span, pages: &[Page<Trade>]) -> bool {
    let touching = pages
        .windows(2)
        .all(|w| w[0].covers.until == w[1].covers.from);
    let ends = (
        pages.first().map(|page| page.covers.from),
        pages.last().map(|page| page.covers.until),
    );
    let until = span.until.min(NOW);
    touching && ends == (Some(span.from), Some(until))
}

#[tokio::test]
async fn any_span_has_each_of_its_trades_once_and_in_order() {
    for venue in VENUES {
        for since_is_included in [false, true] {
            let habits = Habits {
                since_is_included,
                ..Habits::default()
            };
            let archive = Archive::with(venue, ledger(11, 12_000, 2), habits).await;
            let day = 1_440 * MINUTE;
            for (from, until) in [
                (3 * day, -MINUTE),
                (day, day - MINUTE),
                (day, day / 2),
                (day / 3, 1),
                (MINUTE, 0),
                (3 * day, 2 * day + MINUTE),
                (1, 0),
            ] {
                let span = Span {
                    from: back(from),
                    until: back(until),
                };
                let pages = pages(&archive, span).await;
                check(&archive, venue, span, &pages);
                assert!(
                    is_whole(span, &pages),
                    "{venue:?} {span:?} {:?}",
                    pages.iter().map(|p| p.covers).collect::<Vec<_>>()
                );
            }
            // edges at trades, and between those of one moment
            for at in [0, 1, 999, 1_000, 5_432, 11_999] {
                let from = Timestamp::from_nanos(archive.ledger[at].nanos);
                let until = from.plus_nanos(MINUTE);
                for span in [
                    Span { from, until },
                    Span {
                        from: from.plus_nanos(1),
                        until,
                    },
                ] {
                    let pages = pages(&archive, span).await;
                    check(&archive, venue, span, &pages);
                }
            }
        }
    }
}

#[tokio::test]
async fn few_requests_find_the_first_trade() {
    for venue in VENUES {
        let archive = Archive::open(venue, ledger(12, 60_000, 20)).await;
        for at in [100, 20_000, 30_001, 58_000] {
            let from = Timestamp::from_nanos(archive.ledger[at].nanos);
            let span = Span {
                from,
                until: from.plus_nanos(MINUTE),
            };
            let before = archive.asked("");
            let pages = pages(&archive, span).await;
            check(&archive, venue, span, &pages);
            assert!(is_whole(span, &pages), "{venue:?}");
            let most = if venue == Venue::Coinbase { 12 } else { 2 };
            let requests = archive.asked("") - before;
            assert!(requests <= most, "{venue:?} {at}: {requests}");
        }
    }
}

#[tokio::test]
async fn each_page_is_one_request_when_it_is_wanted() {
    for (venue, path) in [(Venue::Binance, "historical"), (Venue::Kraken, "Trades")] {
        let archive = Archive::open(venue, ledger(13, 5_000, 2)).await;
        let of = archive.instrument.clone();
        let span = Span {
            from: back(1_440 * MINUTE),
            until: NOW,
        };
        let mut pages = archive.live.trade_history(of, span);
        assert_eq!(archive.asked(""), 0);
        for n in 1..=2 {
            pages.try_next().await.unwrap().unwrap();
            assert_eq!(archive.asked(path), n, "{venue:?}");
        }
    }
}

#[tokio::test]
async fn a_moment_with_more_trades_than_a_page_loses_none() {
    for venue in VENUES {
        let mut ledger = ledger(14, 6_000, 1);
        let at = ledger[2_000].nanos;
        for sold in &mut ledger[2_000..4_500] {
            sold.nanos = at;
        }
        ledger.sort_by_key(|sold| (sold.nanos, sold.id));
        let archive = Archive::open(venue, ledger).await;
        let span = Span {
            from: back(1_440 * MINUTE),
            until: NOW,
        };
        let pages = pages(&archive, span).await;
        let ids: Vec<_> = pages
            .iter()
            .flat_map(|page| &page.items)
            .map(|t| t.id)
            .collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{venue:?}");
        match venue {
            // What a page of a moment does not hold cannot be asked for by time: it is between two pages.
            Venue::Kraken => {
                let missing = pages
                    .windows(2)
                    .filter(|w| w[0].covers.until < w[1].covers.from);
                assert_eq!(missing.count(), 1);
            }
            _ => assert_eq!(ids.len(), archive.ledger.len(), "{venue:?}"),
        }
    }
}

#[tokio::test]
async fn where_old_trades_cannot_be_had_aggregates_of_one_trade_stand_in() {
    let habits = Habits {
        has_no_old_trades: true,
        ..Habits::default()
    };
    let archive = Archive::with(Venue::Binance, ledger(15, 4_000, 1), habits).await;
    let span = Span {
        from: back(1_000 * MINUTE),
        until: NOW,
    };
    let pages = pages(&archive, span).await;
    check(&archive, Venue::Binance, span, &pages);
    // what is not covered is exactly the moments of several trades
    let groups = archive.ledger.chunk_by(|a, b| a.nanos == b.nanos);
    for group in groups.filter(|group| group[0].nanos >= span.from.nanos()) {
        let at = Timestamp::from_nanos(group[0].nanos);
        let mut covering = pages.iter().map(|page| page.covers);
        let is_covered = covering.any(|covers| (covers.from..covers.until).contains(&at));
        assert_eq!(is_covered, group.len() == 1, "{group:?}");
    }
    assert_eq!(archive.asked("historicalTrades"), 1);
    assert_eq!(pages.last().unwrap().covers.until, span.until);
}

#[tokio::test]
async fn an_answer_that_does_not_come_ends_the_pages() {
    for venue in VENUES {
        let habits = Habits {
            answers: Some(3),
            ..Habits::default()
        };
        let archive = Archive::with(venue, ledger(16, 9_000, 1), habits).await;
        let of = archive.instrument.clone();
        let span = Span {
            from: back(1_440 * MINUTE),
            until: NOW,
        };
        let mut pages = archive.live.trade_history(of, span);
        let error = loop {
            match pages.try_next().await {
                Ok(page) => assert!(page.is_some(), "{venue:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), "unreachable", "{venue:?}");
        assert_eq!(pages.try_next().await, Ok(None), "{venue:?}");
    }
}
