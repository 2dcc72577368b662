//! An invented market that needs no network: for trying things out, for examples and tests.
//!
//! The same seed and the same start give the same events, byte for byte, however fast they are taken.
//!
//! What was before the start is invented, too: candles of a minute and longer, as far back as anybody asks, without
//! a quiet minute. They end where the walk begins, at its first price; single trades of that time there are none.

mod past;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::Instant;

use crate::feed::{
    Answer, Command, FeedIo, FeedStats, Pages, Provider, ProviderError, ServerTime, Span, Topic,
    Traits,
};
use crate::model::{
    Candle, Clock, Event, Exchange, Field, Instrument, Interval, Stream, SystemClock, Ticker,
    Timestamp, Trade,
};

use past::Past;
use walk::{LISTINGS, Walk};

/// The name.
pub const EXCHANGE: Exchange = Exchange::new("mock");

/// Ticks made before they are handed over when there is no pace to keep.
const TICKS_PER_BATCH: usize = 16;
/// The time between two ticks of the mock's own clock when there is no pace.
const UNPACED_STEP: Duration = Duration::from_millis(100);

/// How fast the market moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Ticks a second and symbol. Each is a trade and the ticker after it.
    PerSecond(f64),
    /// As fast as they are taken.
    Max,
}

/// The invented market. `Mock::default()` moves ten times a second on this machine's clock.
#[derive(Clone)]
pub struct Mock {
    /// Decides every price.
    pub seed: u64,
    /// The time of the first tick. With it, all times come from the mock's own clock.
    pub start: Option<Timestamp>,
    /// How fast.
    pub pace: Pace,
    /// Quotes that a bare base takes.
    pub quotes: Vec<String>,
    /// Where the candles of the past end without `start`: no price after it is known yet.
    pub history_until: Timestamp,
    /// Where times come from without `start`.
    pub clock: Arc<dyn Clock>,
}

impl Default for Mock {
    fn default() -> Self {
        Self {
            seed: 1,
            start: None,
            pace: Pace::PerSecond(10.0),
            quotes: vec!["USD".into()],
            history_until: SystemClock.now(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// The place among the listings.
fn place(instrument: &Instrument) -> Option<usize> {
    let base = instrument.market.base();
    LISTINGS.iter().position(|listing| listing.base == base)
}

/// One running symbol.
struct Lane {
    topics: Vec<Topic>,
    walk: Walk,
    tick: u64,
}

impl Mock {
    fn step(&self) -> Duration {
        match self.pace {
            Pace::PerSecond(rate) => Duration::from_secs_f64(1.0 / rate.max(0.001)),
            Pace::Max => UNPACED_STEP,
        }
    }

    /// The time of a tick.
    fn time(&self, tick: u64) -> Timestamp {
        match self.start {
            Some(start) => start.plus_nanos(self.step().as_nanos() as i64 * tick as i64),
            None => self.clock.now(),
        }
    }

    fn walk(&self, instrument: &Instrument) -> Option<Walk> {
        let place = place(instrument)?;
        Some(Walk::new(instrument.market, place, self.seed))
    }

    fn past(&self, instrument: &Instrument) -> Option<Past> {
        let end = self.start.unwrap_or(self.history_until);
        let walk = self.walk(instrument)?;
        Some(walk.past(place(instrument)?, self.seed, end))
    }

    /// Appends what happens in the next tick of this lane.
    fn tick(&self, lane: &mut Lane, out: &mut Vec<Event>) {
        let at = self.time(lane.tick);
        let (trade, ticker) = lane.walk.next(at);
        for topic in &lane.topics {
            match topic.stream {
                Stream::Ticker => out.push(Event::Ticker(Arc::new(ticker.clone()))),
                Stream::Candles(_) => {}
                Stream::Trades => {
                    if lane.tick == 0 {
                        // Says where the stream begins, so that its first trade need not wait for earlier ones.
                        out.push(Event::Trade(Trade {
                            id: trade.id - 1,
                            replayed: true,
                            ..trade
                        }));
                    }
                    out.push(Event::Trade(trade));
                }
            }
        }
        lane.tick += 1;
    }

    fn change(&self, lanes: &mut Vec<Lane>, command: Command) {
        match command {
            Command::Subscribe(topics) => {
                for topic in topics {
                    let market = topic.instrument.market;
                    if let Some(lane) = lanes
                        .iter_mut()
                        .find(|lane| lane.topics[0].instrument.market == market)
                    {
                        lane.topics.push(topic);
                    } else if let Some(walk) = self.walk(&topic.instrument) {
                        lanes.push(Lane {
                            topics: vec![topic],
                            walk,
                            tick: 0,
                        });
                    }
                }
            }
            Command::Unsubscribe(topics) => {
                for lane in lanes.iter_mut() {
                    lane.topics.retain(|topic| !topics.contains(topic));
                }
                lanes.retain(|lane| !lane.topics.is_empty());
            }
            // A walk is never silent, and has no line.
            Command::Resubscribe(_) | Command::Move(_) | Command::Check | Command::Cut => {}
        }
    }

    async fn feed(self: Arc<Self>, mut io: FeedIo) {
        let mut lanes: Vec<Lane> = Vec::new();
        let (step, mut due) = (self.step(), Instant::now());
        loop {
            let paced = async {
                if lanes.is_empty() {
                    std::future::pending::<()>().await;
                }
                if self.pace != Pace::Max {
                    tokio::time::sleep_until(due).await;
                }
            };
            tokio::select! {
                // In this order: with `Max` the last branch is always ready.
                biased;
                () = io.cancel.cancelled() => return,
                command = io.commands.recv() => match command {
                    Some(command) => {
                        if lanes.is_empty() {
                            due = Instant::now();
                        }
                        self.change(&mut lanes, command);
                    }
                    None => return,
                },
                () = paced => {
                    let ticks = if self.pace == Pace::Max { TICKS_PER_BATCH } else { 1 };
                    let mut batch = Vec::with_capacity(ticks * lanes.len() * 2);
                    for _ in 0..ticks {
                        for lane in &mut lanes {
                            self.tick(lane, &mut batch);
                        }
                    }
                    FeedStats::add(&io.stats.messages, batch.len() as u64);
                    due += step;
                    if io.events.send(batch.into()).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

impl Provider for Mock {
    fn exchange(&self) -> Exchange {
        EXCHANGE
    }

    fn traits(&self) -> Traits {
        Traits {
            quotes: self.quotes.clone(),
            asset_aliases: &[],
            contiguous_ids: true,
            can_wait: true,
            own_clock: self.start.is_some(),
            invented: true,
            stream_fields: Field::TICKER_NUMBERS,
            rest_fields: Field::TICKER_NUMBERS,
            silence: None,
            candles: &[],
            empty_candles: false,
            list_source: None,
        }
    }

    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>> {
        Box::pin(async { Ok(LISTINGS.iter().map(walk::Listing::instrument).collect()) })
    }

    fn tickers(&self, of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        let answer = |instrument: Arc<Instrument>| {
            let unknown = || ProviderError::Refused(format!("{} is not listed", instrument.market));
            let walk = self.walk(&instrument).ok_or_else(unknown);
            (instrument, walk.map(|mut walk| walk.next(self.time(0)).1))
        };
        stream::iter(of).map(answer).boxed()
    }

    fn trades<'a>(
        &'a self,
        of: &'a Instrument,
        _limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>> {
        Box::pin(async move {
            Err(ProviderError::Refused(format!(
                "{} has no history",
                of.market
            )))
        })
    }

    fn candle_history(
        &self,
        of: Arc<Instrument>,
        interval: Interval,
        span: Span,
        _closed_before: Timestamp,
    ) -> Pages<'_, Candle> {
        let refused = |why| stream::iter([Err(ProviderError::Refused(why))]).boxed();
        if !interval.is_made_of(Interval::M1) {
            return refused(format!(
                "the mock has no history of {interval} candles; the shortest are of 1m"
            ));
        }
        match self.past(&of) {
            Some(past) => stream::iter(past.pages(interval, span).map(Ok)).boxed(),
            None => refused(format!("{} is not listed", of.market)),
        }
    }

    /// Only where its clock is not this machine's.
    fn server_time(&self) -> BoxFuture<'_, Result<ServerTime, ProviderError>> {
        let now = self.clock.now();
        let time = self.start.map(|time| ServerTime {
            time,
            sent_at: now,
            received_at: now,
        });
        let none = || ProviderError::Refused(format!("{EXCHANGE} tells no time of its own"));
        Box::pin(std::future::ready(time.ok_or_else(none)))
    }

    fn run(self: Arc<Self>, io: FeedIo) -> BoxFuture<'static, ()> {
        Box::pin(self.feed(io))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn minutes(mock: &Mock, interval: Interval, span: Span) -> Vec<Candle> {
        let of = Arc::new(LISTINGS[0].instrument());
        let mut pages = mock.candle_history(of, interval, span, span.until);
        let mut candles = Vec::new();
        while let Some(page) = pages.next().await {
            candles.extend(page.unwrap().items);
        }
        candles
    }

    #[tokio::test]
    async fn the_walk_goes_on_where_history_ends() {
        let start = Timestamp::from_nanos(1_790_000_000_000_000_000);
        for start in [Some(start), None] {
            let mock = Mock {
                start,
                ..Mock::default()
            };
            let until = start.unwrap_or(mock.history_until);
            let span = Span {
                from: until.plus_nanos(-10 * Interval::M1.nanos()),
                until: until.plus_nanos(Interval::H1.nanos()),
            };
            let history = minutes(&mock, Interval::M1, span).await;
            let last = history.last().unwrap();
            assert_eq!(last.close_time(), Interval::M1.open_of(until));
            let mut walk = mock.walk(&LISTINGS[0].instrument()).unwrap();
            let (first, _) = walk.next(until);
            let jump = first.price.decimal() / last.close.decimal() - crate::model::Decimal::ONE;
            assert!(jump.abs() < crate::model::Decimal::new(1, 3), "{jump}");
            assert_eq!(history, minutes(&mock, Interval::M1, span).await);
        }
    }

    #[tokio::test]
    async fn there_is_no_history_of_seconds() {
        let span = Span {
            from: Timestamp::from_nanos(0),
            until: Timestamp::from_nanos(1),
        };
        let mock = Mock::default();
        let of = Arc::new(LISTINGS[0].instrument());
        let mut pages = mock.candle_history(of, Interval::S5, span, span.until);
        let error = pages.next().await.unwrap().unwrap_err();
        assert!(
            error.to_string().contains("the shortest are of 1m"),
            "{error}"
        );
        assert!(pages.next().await.is_none());
    }
}
