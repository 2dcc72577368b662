use futures_util::TryStreamExt;

use super::*;
use crate::exchange::tests::archive::{
    Archive, Bar, Habits, VENUES, bars, filled, ledger, price, size,
};
use crate::exchange::tests::support::NOW;
use crate::feed::Provider;
use crate::model::Origin;
use crate::sim::Venue;

async fn pages(archive: &Archive, interval: Interval, span: Span) -> Vec<Page<Candle>> {
    let of = archive.instrument.clone();
    let pages = archive.live.candle_history(of, interval, span, NOW);
    pages.try_collect().await.unwrap()
}

fn back(nanos: i64) -> Timestamp {
    NOW.plus_nanos(-nanos)
}

fn until_now(from: Timestamp) -> Span {
    let until = NOW.plus_nanos(1);
    Span { from, until }
}

fn check_candle(candle: &Candle, bar: &Bar, venue: Venue, interval: Interval) {
    let told = [candle.open, candle.high, candle.low, candle.close].map(|p| p.to_string());
    let expected = [bar.open, bar.high, bar.low, bar.close].map(price);
    let at = candle.open_time;
    assert_eq!(told, expected, "{venue:?} {interval} {at}");
    assert_eq!(
        candle.volume.to_string(),
        size(bar.volume),
        "{venue:?} {interval} {at}"
    );
    assert!(
        candle.trades.is_none_or(|trades| trades == bar.trades),
        "{venue:?} {interval} {at}"
    );
    assert!(candle.complete && candle.origin == Origin::History);
    assert_eq!(candle.interval, interval);
}

/// What the venue has of a length, told or put together: from trades nothing is flat.
fn expected(
    archive: &Archive,
    venue: Venue,
    interval: Interval,
) -> std::collections::BTreeMap<Timestamp, Bar> {
    let bars = bars(&archive.ledger, interval);
    let is_filled = match venue {
        Venue::Binance => true,
        Venue::Kraken => interval >= Interval::M1,
        Venue::Coinbase => false,
    };
    if is_filled {
        filled(&bars, interval)
    } else {
        bars
    }
}

/// Pages touch, hold every candle of what they cover once, and end where nothing more has ended.
fn check(archive: &Archive, venue: Venue, interval: Interval, span: Span, pages: &[Page<Candle>]) {
    let expected = expected(archive, venue, interval);
    let first = interval.first_from(span.from);
    let mut known_until = first;
    for page in pages {
        assert!(page.covers.from >= known_until, "{venue:?} {interval}");
        known_until = page.covers.until;
        for edge in [page.covers.from, page.covers.until] {
            assert_eq!(interval.open_of(edge), edge, "{venue:?} {interval}");
        }
        let ours = expected.range(page.covers.from..page.covers.until);
        let ours: Vec<_> = ours.collect();
        assert_eq!(
            page.items.len(),
            ours.len(),
            "{venue:?} {interval} {:?}",
            page.covers
        );
        for (candle, (at, bar)) in page.items.iter().zip(ours) {
            assert_eq!(candle.open_time, *at);
            assert!(candle.closed);
            check_candle(candle, bar, venue, interval);
        }
        if let Some(forming) = &page.forming {
            assert_eq!(forming.open_time, page.covers.until);
            assert!(!forming.closed);
            check_candle(forming, &expected[&forming.open_time], venue, interval);
        }
    }
    let over = interval.open_of(NOW).min(interval.first_from(span.until));
    assert_eq!(
        known_until,
        over.max(first),
        "{venue:?} {interval} {span:?}"
    );
    let forming = pages.iter().filter(|page| page.forming.is_some());
    let has_forming = expected
        .range(over.max(first)..)
        .next()
        .is_some_and(|(at, _)| *at < span.until);
    assert_eq!(
        forming.count(),
        usize::from(has_forming),
        "{venue:?} {interval}"
    );
    let last = pages.last();
    assert!(!has_forming || last.is_some_and(|page| page.forming.is_some()));
}

#[tokio::test]
async fn every_length_is_told_or_put_together_exactly() {
    let short = ledger(1, 3_000, 2);
    let long = ledger(2, 3_000, 90);
    for venue in VENUES {
        for (ledger, is_long) in [(&short, false), (&long, true)] {
            let archive = Archive::open(venue, ledger.clone()).await;
            for interval in Interval::ALL {
                if is_long != (interval >= Interval::H1) {
                    continue;
                }
                // within what Kraken has
                let from = back(interval.nanos() * 11 + 7);
                for span in [
                    until_now(from),
                    Span {
                        from,
                        until: back(interval.nanos() * 2),
                    },
                    Span { from, until: from },
                    until_now(back(1)),
                ] {
                    let pages = pages(&archive, interval, span).await;
                    check(&archive, venue, interval, span, &pages);
                }
            }
        }
    }
}

#[tokio::test]
async fn many_pages_touch_and_each_is_asked_for_when_it_is_wanted() {
    for (venue, intervals, requests, path) in [
        (
            Venue::Binance,
            [Interval::M1, Interval::M3],
            [5, 2],
            "klines",
        ),
        (
            Venue::Coinbase,
            [Interval::M1, Interval::M3],
            [15, 15],
            "candles",
        ),
    ] {
        let archive = Archive::open(venue, ledger(3, 6_000, 5)).await;
        for (interval, most) in intervals.into_iter().zip(requests) {
            let before = archive.asked(path);
            let span = until_now(back(4_320 * 60_000_000_000));
            let told = pages(&archive, interval, span).await;
            check(&archive, venue, interval, span, &told);
            assert_eq!(archive.asked(path) - before, most, "{venue:?} {interval}");
        }
        let before = archive.asked(path);
        let span = until_now(back(4_000 * 60_000_000_000));
        let of = archive.instrument.clone();
        let mut some = archive.live.candle_history(of, Interval::M1, span, NOW);
        assert_eq!(archive.asked(path), before);
        some.try_next().await.unwrap().unwrap();
        assert_eq!(archive.asked(path), before + 1);
    }
}

#[tokio::test]
async fn a_span_of_the_past_is_one_request_a_page() {
    for venue in VENUES {
        let archive = Archive::open(venue, ledger(4, 2_000, 1)).await;
        let minute = 60_000_000_000;
        let from = Interval::M1.open_of(back(301 * minute));
        let until = from.plus_nanos(300 * minute);
        let span = Span { from, until };
        let told = pages(&archive, Interval::M1, span).await;
        check(&archive, venue, Interval::M1, span, &told);
        assert_eq!((told.len(), archive.asked("")), (1, 1), "{venue:?}");
        assert_eq!(told[0].covers, span);
    }
}

#[tokio::test]
async fn what_kraken_does_not_have_any_more_is_not_covered() {
    let archive = Archive::open(Venue::Kraken, ledger(5, 5_000, 3)).await;
    let span = until_now(back(2 * 86_400_000_000_000));
    let told = pages(&archive, Interval::M1, span).await;
    let oldest = Interval::M1.open_of(NOW).plus_nanos(-719 * 60_000_000_000);
    assert_eq!(told[0].covers.from, oldest);
    assert_eq!(archive.asked(""), 1);
    check(&archive, Venue::Kraken, Interval::M1, span, &told);
    // of three minutes the first may be there only in part
    let told = pages(&archive, Interval::M3, span).await;
    assert_eq!(told[0].covers.from, Interval::M3.first_from(oldest));
    check(&archive, Venue::Kraken, Interval::M3, span, &told);
    // all of it is out of reach
    let until = oldest;
    let told = pages(&archive, Interval::M1, Span { until, ..span }).await;
    assert_eq!(told, []);
}

#[tokio::test]
async fn before_the_first_trade_and_after_the_last_there_is_nothing() {
    for venue in VENUES {
        let day = 86_400_000_000_000;
        let mut young = ledger(6, 400, 1);
        young.retain(|sold| sold.nanos < back(day / 4).nanos());
        let archive = Archive::open(venue, young).await;
        for interval in [Interval::S15, Interval::M1, Interval::H1, Interval::H2] {
            let span = until_now(back(day + day / 2));
            let told = pages(&archive, interval, span).await;
            if venue == Venue::Kraken && interval == Interval::M1 {
                continue;
            }
            check(&archive, venue, interval, span, &told);
        }
        let none = Archive::open(venue, Vec::new()).await;
        for interval in [Interval::S5, Interval::M5, Interval::H8] {
            let told = pages(&none, interval, until_now(back(day))).await;
            assert!(
                told.iter()
                    .all(|page| page.items.is_empty() && page.forming.is_none())
            );
            let until = told.last().map(|page| page.covers.until);
            let sure = interval.open_of(back(REST_LAG_NANOS));
            if venue == Venue::Kraken && interval >= Interval::M1 {
                // Its answers go up to the running candle: one without any proves nothing.
                assert_eq!(until, None);
                continue;
            }
            assert!(
                until.is_some_and(|until| (sure..=NOW).contains(&until)),
                "{venue:?} {interval} {until:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_candle_ends_when_the_clock_or_a_later_row_says_so() {
    for venue in VENUES {
        let archive = Archive::open(venue, ledger(7, 8_000, 1)).await;
        let minute = 60_000_000_000;
        let rows = expected(&archive, venue, Interval::M1);
        // the clock knows nothing: all but the last row are over
        let closed_before = back(30 * minute);
        let span = until_now(back(20 * minute));
        let of = archive.instrument.clone();
        let pages = archive
            .live
            .candle_history(of, Interval::M1, span, closed_before);
        let pages: Vec<_> = pages.try_collect().await.unwrap();
        let [page] = &pages[..] else {
            panic!("{venue:?} {pages:?}")
        };
        let last = *rows.last_key_value().unwrap().0;
        assert_eq!(page.covers.until, last, "{venue:?}");
        assert_eq!(page.forming.as_ref().map(|c| c.open_time), Some(last));
        // and where the span ends before them the row after it shows that all of it is over
        let until = last.plus_nanos(-5 * minute);
        let of = archive.instrument.clone();
        let span = Span { until, ..span };
        let pages = archive
            .live
            .candle_history(of, Interval::M1, span, closed_before);
        let pages: Vec<_> = pages.try_collect().await.unwrap();
        let covered = pages[0].covers.until;
        assert_eq!((covered, &pages[0].forming), (until, &None), "{venue:?}");
    }
}

#[tokio::test]
async fn decades_before_a_listing_are_few_requests() {
    let from = Timestamp::from_nanos(0);
    for (venue, most) in [(Venue::Binance, 10), (Venue::Coinbase, 130)] {
        let archive = Archive::open(venue, ledger(10, 2_000, 5)).await;
        for interval in [Interval::M1, Interval::M3] {
            let before = archive.asked("");
            let span = until_now(from);
            let told = pages(&archive, interval, span).await;
            check(&archive, venue, interval, span, &told);
            assert_eq!(told[0].covers.from, from);
            let touch = |pair: &[Page<Candle>]| pair[0].covers.until == pair[1].covers.from;
            assert!(told.windows(2).all(touch), "{venue:?} {interval}");
            let asked = archive.asked("") - before;
            assert!(asked <= most, "{venue:?} {interval} {asked}");
        }
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_not_covered_and_ends_nothing() {
    let minute = 60_000_000_000;
    let span = until_now(back(900 * minute));
    let all = ledger(8, 9_000, 2);
    let rows = bars(&all, Interval::M1);
    let (&bad, _) = rows.range(span.from..).nth(40).unwrap();
    let habits = Habits {
        unreadable: Some(bad),
        ..Habits::default()
    };
    let archive = Archive::with(Venue::Coinbase, all, habits).await;
    let told = pages(&archive, Interval::M1, span).await;
    let before = rows.range(..bad).next_back().unwrap().0.plus_nanos(minute);
    let after = *rows.range(bad.plus_nanos(1)..).next().unwrap().0;
    assert!(told.iter().any(|page| page.covers.until == before));
    assert!(told.iter().any(|page| page.covers.from == after));
    check(&archive, Venue::Coinbase, Interval::M1, span, &told);
    // What it is a part of is not made of the rest.
    let told = pages(&archive, Interval::M3, span).await;
    let open = Interval::M3.open_of(bad);
    assert!(
        told.iter()
            .all(|page| !(page.covers.from..page.covers.until).contains(&open))
    );
    check(&archive, Venue::Coinbase, Interval::M3, span, &told);
}

#[tokio::test]
async fn what_ended_just_now_is_not_sure_without_a_later_row() {
    let minute = 60_000_000_000;
    let mut quiet = ledger(7, 8_000, 1);
    let last = Interval::M1.open_of(back(20 * minute));
    quiet.retain(|sold| sold.nanos < last.plus_nanos(minute).nanos());
    // It fills nothing up.
    let archive = Archive::open(Venue::Coinbase, quiet).await;
    // In the second nothing was traded.
    for from in [last, last.plus_nanos(minute)] {
        let until = from.plus_nanos(minute);
        let span = Span { from, until };
        for (after, is_sure) in [(0, false), (4_999_999_999, false), (5_000_000_000, true)] {
            let of = archive.instrument.clone();
            let closed_before = until.plus_nanos(after);
            let pages = archive
                .live
                .candle_history(of, Interval::M1, span, closed_before);
            let pages: Vec<_> = pages.try_collect().await.unwrap();
            let covered = pages.iter().any(|page| page.covers == span);
            assert_eq!(covered, is_sure, "{from} {after} {pages:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_ends_the_pages() {
    for (interval, answers) in [(Interval::M1, 2), (Interval::M3, 2), (Interval::S5, 3)] {
        let habits = Habits {
            answers: Some(answers),
            ..Habits::default()
        };
        let archive = Archive::with(Venue::Coinbase, ledger(8, 9_000, 2), habits).await;
        let of = archive.instrument.clone();
        let span = until_now(back(86_400_000_000_000));
        let mut pages = archive.live.candle_history(of, interval, span, NOW);
        let error = loop {
            match pages.try_next().await {
                Ok(page) => assert!(page.is_some(), "{interval}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), "unreachable", "{interval}");
        assert_eq!(pages.try_next().await, Ok(None), "{interval}");
    }
}

#[tokio::test]
async fn lengths_that_a_request_is_refused_for_are_never_asked_for() {
    for venue in VENUES {
        let archive = Archive::open(venue, ledger(9, 100, 1)).await;
        let adapter = &archive.live;
        for interval in Interval::ALL {
            let span = until_now(back(interval.nanos() * 3));
            let of = archive.instrument.clone();
            let pages = adapter.candle_history(of, interval, span, NOW);
            assert!(
                pages.try_collect::<Vec<_>>().await.is_ok(),
                "{venue:?} {interval}"
            );
        }
        assert_eq!(archive.asked("interval=10080"), 0);
    }
}
