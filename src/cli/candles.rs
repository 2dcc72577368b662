//! Candles that something is computed from, asked for once.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::alert::Bars;
use crate::engine::Engine;
use crate::feed::{ProviderError, Topic};
use crate::model::{Event, Instrument, Interval, Market, Stream};
use crate::timeline::{Ended, Past, Timeline};

/// By market and length: the candles, or why there are none.
pub type Known = HashMap<(Market, Interval), Result<Arc<Bars>, ProviderError>>;

/// Asks for the newest so many of each; what has not come by the deadline is an error.
pub async fn newest(
    wanted: Vec<(Arc<Instrument>, Interval, usize)>,
    engine: &Engine,
    deadline: Instant,
) -> Known {
    let asked = wanted
        .into_iter()
        .map(|(instrument, interval, n)| async move {
            let key = (instrument.market, interval);
            let topic = Topic {
                instrument,
                stream: Stream::Candles(interval),
            };
            let answer = match Timeline::new(engine, vec![(topic, Past::Last(n))], None) {
                Ok(timeline) => tokio::time::timeout_at(deadline, collect(timeline)).await,
                Err(error) => Ok(Err(ProviderError::Setup(error.to_string()))),
            };
            let late = || ProviderError::Unreachable("no answer in time".into());
            let answer = answer.unwrap_or_else(|_| Err(late()));
            (key, answer.map(Arc::new))
        });
    join_all(asked).await.into_iter().collect()
}

async fn collect(mut timeline: Timeline) -> Result<Bars, ProviderError> {
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
