//! The candles that rules are computed from: asked for once, or followed.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::alert::{Bars, Tracker};
use crate::feed::{ProviderError, Topic};
use crate::model::{Event, Interval, Market, Stream};
use crate::timeline::{Ended, Past, Timeline};

use super::super::Ctx;
use super::fetch::Answer;
use super::markets::Markets;

/// By market and length.
pub type Known = HashMap<(Market, Interval), Answer<Arc<Bars>>>;

/// The candles that these rules are computed from, and how many of each.
pub fn wanted<'a>(
    trackers: impl IntoIterator<Item = &'a Tracker>,
) -> HashMap<(Market, Interval), usize> {
    let mut wanted = HashMap::new();
    for (market, interval, n) in trackers.into_iter().flat_map(Tracker::candles) {
        let known = wanted.entry((*market, *interval)).or_insert(0);
        *known = (*known).max(*n);
    }
    wanted
}

/// Asks for the newest of each; what has not come by the deadline is an error.
pub async fn fetch(
    wanted: HashMap<(Market, Interval), usize>,
    markets: &Markets,
    ctx: &Ctx,
    deadline: Instant,
) -> Known {
    let asked = wanted.into_iter().map(|((market, interval), n)| async move {
        let topic = Topic {
            instrument: markets.instrument(market).clone(),
            stream: Stream::Candles(interval),
        };
        let answer = match Timeline::new(&ctx.engine, vec![(topic, Past::Last(n))], None) {
            Ok(timeline) => tokio::time::timeout_at(deadline, newest(timeline)).await,
            Err(error) => Ok(Err(ProviderError::Setup(error.to_string()))),
        };
        let late = || ProviderError::Unreachable("no answer in time".into());
        let answer = answer.unwrap_or_else(|_| Err(late()));
        ((market, interval), answer.map(Arc::new))
    });
    join_all(asked).await.into_iter().collect()
}

async fn newest(mut timeline: Timeline) -> Answer<Bars> {
    let (mut bars, mut batch) = (Bars::default(), Vec::new());
    loop {
        match timeline.next_batch(&mut batch).await {
            Ok(()) => batch.drain(..).for_each(|event| take(event, &mut bars)),
            Err(Ended::Over) => return Ok(bars),
            Err(Ended::Failed { error, .. }) => return Err(error),
            Err(Ended::Live(end)) => return Err(ProviderError::Setup(end.to_string())),
        }
    }
}

fn take(event: Event, bars: &mut Bars) {
    match event {
        Event::Candle(candle) if candle.closed => bars.closed.push(candle),
        Event::Candle(candle) => bars.forming = Some(candle),
        // What lies before a hole is of no use: functions go over what is whole.
        Event::Gap(_) => bars.closed.clear(),
        _ => {}
    }
}

/// What a rule is computed from, as far as it is known.
pub fn bars(tracker: &Tracker, known: &Known) -> Vec<Arc<Bars>> {
    let wanted = tracker.candles().iter();
    let answers = wanted.filter_map(|(market, interval, _)| known.get(&(*market, *interval)));
    answers.filter_map(|answer| answer.as_ref().ok().cloned()).collect()
}
