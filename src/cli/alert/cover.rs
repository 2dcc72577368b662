//! Candles for parts of the past whose trades are not to be had.

use std::sync::Arc;

use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::alert::{CLOCKS, Past};
use crate::feed::{Page, Provider, Span};
use crate::model::{Candle, Instrument, Interval, Timestamp};

/// The finest that reaches back far enough is taken.
const LENGTHS: [Interval; 5] = [
    Interval::M1,
    Interval::M5,
    Interval::M15,
    Interval::H1,
    Interval::H4,
];
/// So many of them are asked for: two days of minutes are a few requests anywhere.
const MOST: u64 = 3_000;

/// Covers what is uncovered as far as the exchange has candles, by the deadline.
pub async fn cover(
    past: &mut Past,
    provider: &dyn Provider,
    of: &Arc<Instrument>,
    now: Timestamp,
    deadline: Instant,
) {
    let (Some((first, _)), Some((_, last))) = (past.uncovered.first(), past.uncovered.last())
    else {
        return;
    };
    let mut furthest: Option<Vec<Page<Candle>>> = None;
    for interval in LENGTHS {
        let span = Span {
            from: interval.open_of(*first),
            until: interval.close_of(interval.open_of(*last)),
        };
        if interval.count(span.from, span.until) > MOST {
            continue;
        }
        let (pages, ended) = pages(provider, of, interval, span, now, deadline).await;
        let begin = begin(&pages);
        let before = furthest.as_deref().and_then(self::begin);
        if begin.is_some() && before.is_none_or(|before| begin < Some(before)) {
            furthest = Some(pages);
        }
        // Who does not answer about one length does not answer about another.
        if begin.is_some_and(|begin| begin <= span.from) || ended == Ended::Unanswered {
            break;
        }
    }
    let Some(pages) = furthest else {
        return;
    };
    let (mut candles, mut known) = (Vec::new(), Vec::new());
    for page in pages {
        known.push((page.covers.from, page.covers.until));
        known.extend(page.forming.as_ref().map(|c| (c.open_time, c.close_time())));
        candles.extend(page.items.into_iter().chain(page.forming));
    }
    past.cover(&candles, &known, now);
}

/// Why no more pages come.
#[derive(PartialEq)]
enum Ended {
    /// There are no more.
    All,
    /// There was no answer, which may be another time.
    Unanswered,
}

/// The pages that come by the deadline. An error ends them: what is not there stays uncovered, which is told.
async fn pages(
    provider: &dyn Provider,
    of: &Arc<Instrument>,
    interval: Interval,
    span: Span,
    now: Timestamp,
    deadline: Instant,
) -> (Vec<Page<Candle>>, Ended) {
    let closed_before = now.plus_nanos(-(CLOCKS.as_nanos() as i64));
    let mut coming = provider.candle_history(of.clone(), interval, span, closed_before);
    let mut pages = Vec::new();
    loop {
        match timeout_at(deadline, coming.next()).await {
            Ok(Some(Ok(page))) => pages.push(page),
            Ok(Some(Err(error))) => {
                tracing::debug!(market = %of.market, %interval, %error, "candles are missing");
                let ended = match error.is_retryable() {
                    true => Ended::Unanswered,
                    false => Ended::All,
                };
                return (pages, ended);
            }
            Ok(None) => return (pages, Ended::All),
            Err(_) => return (pages, Ended::Unanswered),
        }
    }
}

/// How far back they reach.
fn begin(pages: &[Page<Candle>]) -> Option<Timestamp> {
    let first = pages.first()?;
    let forming = first.forming.as_ref().map(|candle| candle.open_time);
    let covers = Some(first.covers.from).filter(|from| *from < first.covers.until);
    covers.or(forming)
}
