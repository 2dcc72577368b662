//! REST in the place of a WebSocket that cannot be had: asks for the same topics, politely and for ever.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use crate::feed::{Batch, ProviderError, Span, Topic, TradeMark};
use crate::model::{Candle, Event, Instrument, Interval, Origin, Stream, Timestamp, Trade};

use super::driver::{Fallback, Obstacle, Working};
use super::rest::Rest;

/// No topic is asked for more often.
const PAUSE: Duration = Duration::from_secs(2);
/// After a failure; it doubles with each further one in a row.
const BACKOFF: Duration = Duration::from_secs(2);
/// The longest pause after a failure.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// So many failures in a row are not one topic's own.
const FAILURES: u32 = 2;
/// For the trades since the last answer, with the wait for room in the budget.
const TRADES_DEADLINE: Duration = Duration::from_secs(30);

/// Clocks may disagree by so much about which candle is the newest.
const CLOCKS_NANOS: i64 = 60_000_000_000;

/// Feeds topics from REST, one request at a time and within the budget of the exchange.
pub(super) struct Poller {
    rest: Arc<Rest>,
    events: mpsc::Sender<Batch>,
}

/// What is asked for again and again.
enum Job {
    /// These by one request.
    Tickers(Vec<Arc<Instrument>>),
    /// After the mark, which is set by the first answer.
    Trades(Arc<Instrument>, Option<TradeMark>),
    /// From the one that was the newest in the last answer, by its open time.
    Candles(Arc<Instrument>, Interval, Option<Timestamp>),
}

impl Fallback for Poller {
    fn run(
        self: Arc<Self>,
        topics: Vec<Topic>,
        working: watch::Sender<Option<Working>>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.poll(topics, working).await })
    }
}

impl Poller {
    /// Each answer goes to `events` as a batch.
    pub fn new(rest: Arc<Rest>, events: mpsc::Sender<Batch>) -> Self {
        Self { rest, events }
    }

    /// Polls until it is dropped, and tells `working` whenever that changes.
    ///
    /// Of each market's trades the first answer only sets the mark, and its newest trade is told as replayed;
    /// what was traded since is told with [`Origin::Repair`], in the order of ids.
    async fn poll(&self, topics: Vec<Topic>, working: watch::Sender<Option<Working>>) {
        let mut failures = 0;
        let now = Instant::now();
        // Those that failed wait behind all others: one that always fails must not keep them from their turn.
        let jobs = self.jobs(topics).into_iter();
        let mut jobs: VecDeque<_> = jobs.map(|job| (now, job)).collect();
        while let Some((due, mut job)) = jobs.pop_front() {
            sleep_until(due).await;
            let due = Instant::now() + PAUSE;
            match self.ask(&mut job).await {
                Ok(events) => {
                    failures = 0;
                    if tell(&working, Ok(())) {
                        // Whoever hears of it says so before the first data.
                        yield_now().await;
                    }
                    if !events.is_empty() && self.events.send(events.into()).await.is_err() {
                        break;
                    }
                }
                Err(error) => {
                    failures += 1;
                    if failures >= FAILURES || working.borrow().is_none() {
                        let obstacle = Obstacle {
                            why: error.to_string(),
                            is_final: !error.is_retryable(),
                        };
                        tell(&working, Err(obstacle));
                    }
                    let doubled = BACKOFF * (1 << (failures - 1).min(4));
                    sleep(doubled.min(BACKOFF_MAX)).await;
                }
            }
            jobs.push_back((due, job));
        }
        // Nothing to ask for, or nobody who listens: the end is the caller's.
        std::future::pending().await
    }

    /// As few requests as can be.
    fn jobs(&self, topics: Vec<Topic>) -> Vec<Job> {
        let of = |stream| {
            let topics = topics.iter().filter(move |topic| topic.stream == stream);
            topics.map(|topic| topic.instrument.clone())
        };
        let tickers: Vec<_> = of(Stream::Ticker).collect();
        let tickers = self.rest.adapter.ask_tickers(&tickers).into_iter();
        let trades = of(Stream::Trades).map(|instrument| Job::Trades(instrument, None));
        let candles = topics.iter().filter_map(|topic| {
            let interval = topic.stream.interval()?;
            Some(Job::Candles(topic.instrument.clone(), interval, None))
        });
        tickers
            .map(|(_, together)| Job::Tickers(together))
            .chain(trades)
            .chain(candles)
            .collect()
    }

    /// Errors: the exchange did not answer. A symbol that it refuses is no such failure.
    async fn ask(&self, job: &mut Job) -> Result<Vec<Event>, ProviderError> {
        let answer = match job {
            Job::Tickers(of) => self.tickers(of).await,
            Job::Trades(of, mark) => self.trades(of, mark).await,
            Job::Candles(of, interval, newest) => self.candles(of, *interval, newest).await,
        };
        match answer {
            Err(ProviderError::Refused(why)) => {
                tracing::debug!(why, "a topic cannot be polled");
                Ok(Vec::new())
            }
            answer => answer,
        }
    }

    /// Those that were answered. Errors: none was.
    async fn tickers(&self, of: &[Arc<Instrument>]) -> Result<Vec<Event>, ProviderError> {
        let answers: Vec<_> = self.rest.tickers(of.to_vec()).collect().await;
        let (mut events, mut failed) = (Vec::with_capacity(answers.len()), None);
        for (_, answer) in answers {
            match answer {
                Ok(ticker) => events.push(Event::Ticker(Arc::new(ticker))),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if events.is_empty() => Err(error),
            _ => Ok(events),
        }
    }

    async fn trades(
        &self,
        of: &Instrument,
        mark: &mut Option<TradeMark>,
    ) -> Result<Vec<Event>, ProviderError> {
        let trades = match *mark {
            None => self.newest_trade(of).await?,
            Some(after) => self.trades_after(of, after).await?,
        };
        *mark = match trades.last() {
            Some(last) => Some(TradeMark {
                id: Some(last.id),
                time: last.timestamp,
            }),
            // Whatever will be traded on a market without any trade is news.
            None => Some(mark.unwrap_or(TradeMark {
                id: None,
                time: Timestamp::from_nanos(0),
            })),
        };
        Ok(trades.into_iter().map(Event::Trade).collect())
    }

    /// The last one that ended and the one that is forming, or all since the last answer.
    async fn candles(
        &self,
        of: &Instrument,
        interval: Interval,
        newest: &mut Option<Timestamp>,
    ) -> Result<Vec<Event>, ProviderError> {
        let now = self.rest.clock.now();
        let (length, margin) = (interval.nanos(), CLOCKS_NANOS.max(interval.nanos()));
        let page = self.rest.adapter.profile().candles.page;
        let page = i64::try_from(page).unwrap_or(i64::MAX);
        let from = newest.unwrap_or(interval.open_of(now.plus_nanos(-margin)));
        let until = from.plus_nanos(length.saturating_mul(page));
        let span = Span {
            from,
            until: until.min(interval.first_from(now.plus_nanos(margin))),
        };
        let mut candles = self.rest.candles(of, interval, span).await?.items;
        candles.retain(|candle| candle.open_time >= from);
        let last = candles.last().map(|candle| candle.open_time).or(*newest);
        // Where an answer has no room for all until now, nothing more comes of its part.
        let is_past = span.until <= interval.open_of(now.plus_nanos(-margin));
        *newest = last.max(is_past.then_some(span.until));
        let polled = |candle| {
            let origin = Origin::Repair;
            Event::Candle(Arc::new(Candle { origin, ..candle }))
        };
        Ok(candles.into_iter().map(polled).collect())
    }

    async fn newest_trade(&self, of: &Instrument) -> Result<Vec<Trade>, ProviderError> {
        let mut trades = self.rest.trades(of, 1).await?;
        for trade in &mut trades {
            trade.replayed = true;
        }
        Ok(trades)
    }

    async fn trades_after(
        &self,
        of: &Instrument,
        after: TradeMark,
    ) -> Result<Vec<Trade>, ProviderError> {
        let deadline = Instant::now() + TRADES_DEADLINE;
        let mut trades = self.rest.trades_since(of, after, deadline).await?.trades;
        for trade in &mut trades {
            trade.origin = Origin::Repair;
        }
        Ok(trades)
    }
}

/// Only a change is told (true): the reasons of failures differ each time.
fn tell(working: &watch::Sender<Option<Working>>, now: Working) -> bool {
    working.send_if_modified(|told| {
        let kind = |working: &Working| working.as_ref().err().map(|obstacle| obstacle.is_final);
        let is_new = told.as_ref().is_none_or(|told| kind(told) != kind(&now));
        if is_new {
            *told = Some(now);
        }
        is_new
    })
}
