//! The past of candles: asked for when their stream begins, and joined with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

use crate::engine::{Engine, EngineError};
use crate::feed::{ProviderError, Topic};
use crate::model::{Candle, Event, Gap, Interval};
use crate::timeline::{self, Ended, Timeline};

use super::super::markets::Markets;

/// Closed candles of the past that are asked for.
pub const CANDLES: usize = 500;
/// Streams whose past is asked for at once.
pub(super) const AT_ONCE: usize = 4;
/// Between two looks whether the stream has begun, and how many of them.
const LOOK: Duration = Duration::from_secs(5);
const LOOKS: u32 = 120;

/// How far the past of a stream is.
#[derive(Debug, Clone, PartialEq)]
pub enum Past {
    /// It is being asked for.
    Loading,
    /// It is there, as far as there is one.
    Loaded,
    /// It cannot be had now.
    Failed(ProviderError),
}

/// A question for the past; it ends with this.
#[derive(Debug)]
pub(super) struct Loading {
    task: AbortHandle,
    state: watch::Receiver<Past>,
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Loading {
    pub fn begin(
        engine: Engine,
        markets: Markets,
        topic: Topic,
        interval: Interval,
        turns: Arc<Semaphore>,
    ) -> Self {
        let (told, state) = watch::channel(Past::Loading);
        let task = tokio::spawn(async move {
            {
                let _turn = turns.acquire().await;
                told.send_replace(load(&engine, &markets, &topic, interval).await);
            }
            join(&engine, &markets, &topic, interval).await;
            // Until it is dropped somebody may want to know how it went.
            told.closed().await;
        });
        Self {
            task: task.abort_handle(),
            state,
        }
    }

    pub fn state(&self) -> watch::Receiver<Past> {
        self.state.clone()
    }
}

async fn load(engine: &Engine, markets: &Markets, topic: &Topic, interval: Interval) -> Past {
    let market = topic.instrument.market;
    match candles(engine, topic.clone(), timeline::Past::Last(CANDLES)).await {
        Ok((past, _)) => {
            markets.put_candles(market, interval, past, CANDLES);
            Past::Loaded
        }
        // There is no history of this: the stream is all.
        Err(ProviderError::Refused(_)) => Past::Loaded,
        Err(error) => {
            tracing::warn!(%market, %interval, %error, "candles of the past cannot be had");
            Past::Failed(error)
        }
    }
}

/// What was traded after the answer and before the first candle of the stream is asked for once more.
async fn join(engine: &Engine, markets: &Markets, topic: &Topic, interval: Interval) {
    let market = topic.instrument.market;
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK).await;
        let Some((from, until)) = markets.seam(market, interval) else {
            continue;
        };
        if from < until {
            let between = timeline::Past::Since(from, Some(until));
            if let Ok((past, _)) = candles(engine, topic.clone(), between).await {
                markets.put_candles(market, interval, past, 0);
            }
        }
        return;
    }
}

/// Candles of the past, oldest first, the forming one last where the answer has it, and the parts that cannot be had.
///
/// Errors: the exchange's.
pub async fn candles(
    engine: &Engine,
    topic: Topic,
    past: timeline::Past,
) -> Result<(Vec<Candle>, Vec<Arc<Gap>>), ProviderError> {
    let gone = |error: EngineError| ProviderError::Unreachable(error.to_string());
    let mut timeline = Timeline::new(engine, vec![(topic, past)], None).map_err(gone)?;
    let (mut batch, mut found, mut gaps) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match timeline.next_batch(&mut batch).await {
            Ok(()) => {}
            Err(Ended::Over) => break,
            Err(Ended::Failed { error, .. }) => return Err(error),
            Err(Ended::Live(end)) => return Err(ProviderError::Unreachable(end.to_string())),
        }
        for event in batch.drain(..) {
            match event {
                Event::Candle(candle) => found.push(Arc::unwrap_or_clone(candle)),
                Event::Gap(gap) => gaps.push(gap),
                _ => {}
            }
        }
    }
    found.sort_by_key(|candle: &Candle| (candle.open_time, candle.closed));
    Ok((found, gaps))
}
