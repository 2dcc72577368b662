//! History and live as one stream: first what was, then what is, without a hole or a double at the seam.
//!
//! Owns the order of the past over several markets, the seam, and what is told of what cannot be had. Never decides
//! how an exchange is asked: that is [`Provider::candle_history`] and [`Provider::trade_history`].
//!
//! ```
//! use std::sync::Arc;
//! use tickwire::engine::Engine;
//! use tickwire::exchange::mock::Mock;
//! use tickwire::feed::Topic;
//! use tickwire::model::{Event, Interval, Stream};
//! use tickwire::timeline::{Past, Timeline};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::builder().provider(Mock::default()).build();
//! let topic = Topic { instrument: engine.resolve("BTC").await?, stream: Stream::Candles(Interval::H1) };
//! // Without a subscription it ends where the past does.
//! let mut timeline = Timeline::new(&engine, vec![(topic, Past::Last(3))], None)?;
//! let (mut batch, mut closed) = (Vec::new(), 0);
//! while timeline.next_batch(&mut batch).await.is_ok() {
//!     closed += batch.iter().filter(|event| matches!(event, Event::Candle(c) if c.closed)).count();
//! }
//! assert_eq!(closed, 3);
//! # engine.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! [`Provider::candle_history`]: crate::feed::Provider::candle_history
//! [`Provider::trade_history`]: crate::feed::Provider::trade_history

mod asking;
mod joint;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::select_all;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::engine::{End, Engine, EngineError, Subscription};
use crate::feed::{Provider, ProviderError, Topic};
use crate::model::{Clock, Event, Market, Stream, Timestamp};

use asking::{Asking, Failed, Part};
use joint::{Joint, Missing, Step};

/// Parts that wait for each other, of one stream.
const PARTS: usize = 1;
/// Live trades of one market that wait for its past; beyond this they are forgotten, and asked for at the seam.
const WAITING_TRADES: usize = 100_000;
/// Events handed over at once.
const BATCH: usize = 4_096;

/// How much of the past is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// The newest so many: closed candles, or trades.
    Last(usize),
    /// From a moment, included, until another, else up to now. Candles that begin in it.
    Since(Timestamp, Option<Timestamp>),
}

/// Why a timeline ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The past was all that was asked for, and all of it was told.
    #[error("all of it was told")]
    Over,
    /// The live stream ended.
    #[error(transparent)]
    Live(#[from] End),
    /// The rest of the past cannot be had now.
    #[error("{market}: {error}")]
    Failed {
        /// Of which market.
        market: Market,
        /// Of which stream.
        stream: Stream,
        /// Everything before this moment was told: asking from here goes on without a hole or a double.
        from: Timestamp,
        /// What the exchange said.
        error: ProviderError,
    },
}

/// How far the past is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Items so far.
    pub count: u64,
    /// From 0 to 1, by time.
    pub done: f64,
}

/// The past of some streams, then the live events of a subscription.
///
/// Over several streams the past is told in the order of time: of a candle its end, of a trade its moment.
/// Live events wait meanwhile, bounded: of tickers and forming candles the newest.
pub struct Timeline {
    lanes: Vec<Lane>,
    live: Option<Subscription>,
    clock: Arc<dyn Clock>,
    /// Live events of streams without a past, while the past is being told.
    waiting: Vec<Event>,
    ready: VecDeque<Event>,
    arriving: Vec<Event>,
    count: Arc<AtomicU64>,
    is_past: bool,
    /// The moment of the past that was handed over last.
    handed: Option<Timestamp>,
    /// Questions; they end with this.
    tasks: JoinSet<()>,
}

struct Lane {
    topic: Topic,
    provider: Arc<dyn Provider>,
    from: Timestamp,
    until: Timestamp,
    joint: Joint,
    /// As many of the newest candles as can be counted.
    is_by_number: bool,
    /// What is asked for, until all of it has come.
    parts: Option<mpsc::Receiver<Result<Part, Failed>>>,
    /// Of the past, with the times by which it is sorted.
    past: VecDeque<(Timestamp, Event)>,
    /// When the candles began that were asked for by number, oldest first; `None` until they have come.
    begins: Option<Vec<Timestamp>>,
    forming: Option<Event>,
    /// Live, for after the past.
    waiting: VecDeque<Event>,
}

impl Timeline {
    /// The past of these streams, then what the subscription tells. Must be called within a tokio runtime; the
    /// subscription was made before, so that nothing happens between.
    ///
    /// Errors: a market whose provider is not registered.
    pub fn new(
        engine: &Engine,
        streams: Vec<(Topic, Past)>,
        live: Option<Subscription>,
    ) -> Result<Self, EngineError> {
        let (clock, mut tasks) = (engine.clock().clone(), JoinSet::new());
        let now = clock.now();
        let count = Arc::new(AtomicU64::new(0));
        let mut lanes = Vec::with_capacity(streams.len());
        for (topic, past) in streams {
            let name = topic.instrument.market.exchange().name();
            let provider = engine.provider(name)?;
            let contiguous = provider.traits().contiguous_ids;
            let (from, until) = past.span(&topic, now);
            let (sender, parts) = mpsc::channel(PARTS);
            let asking = Asking {
                provider: provider.clone(),
                topic: topic.clone(),
                parts: sender,
                count: count.clone(),
                now,
            };
            tasks.spawn(asking.run(past));
            lanes.push(Lane {
                topic,
                provider,
                from,
                until,
                joint: Joint::new(past.begin(), contiguous),
                is_by_number: matches!(past, Past::Last(n) if n <= asking::LAST_MAX),
                parts: Some(parts),
                past: VecDeque::new(),
                begins: None,
                forming: None,
                waiting: VecDeque::new(),
            });
        }
        Ok(Self {
            lanes,
            live,
            clock,
            waiting: Vec::new(),
            ready: VecDeque::new(),
            arriving: Vec::new(),
            count,
            is_past: true,
            handed: None,
            tasks,
        })
    }

    /// Waits for events and swaps them into `batch`, which is cleared first. Cancel safe.
    ///
    /// Errors: there will be no more.
    pub async fn next_batch(&mut self, batch: &mut Vec<Event>) -> Result<(), Ended> {
        loop {
            if self.is_past {
                self.tell_past();
            }
            if !self.ready.is_empty() {
                batch.clear();
                self.hand_over(batch, BATCH);
                return Ok(());
            }
            if self.is_past && self.lanes.iter().all(Lane::is_told) {
                self.end_past();
                continue;
            }
            match self.next().await? {
                News::Part(lane, part) => self.on_part(lane, part)?,
                News::Live => self.on_live(),
            }
        }
    }

    /// How far the past is told; `None` once all of it is.
    pub fn progress(&self) -> Option<Progress> {
        if !self.is_past {
            return None;
        }
        let share = |lane: &Lane| {
            let whole = lane.until.seconds_since(lane.from);
            let until = lane.joint.until().unwrap_or(lane.from);
            let told = until.seconds_since(lane.from);
            if whole > 0.0 {
                (told / whole).clamp(0.0, 1.0)
            } else {
                1.0
            }
        };
        let shares: f64 = self.lanes.iter().map(share).sum();
        Some(Progress {
            count: self.count.load(Ordering::Relaxed),
            done: shares / self.lanes.len().max(1) as f64,
        })
    }

    /// Items of the past so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// When the newest `n` closed candles of a market begin, of those that [`Past::Last`] has brought; the earliest time
    /// there is where they are fewer. `None` until they have come, and where they were not asked for like this.
    ///
    /// Beyond 10,000 of them they are told page by page, and the time is that of as many intervals.
    pub fn newest_from(&self, topic: &Topic, n: usize) -> Option<Timestamp> {
        let lane = self.lanes.iter().find(|lane| lane.topic == *topic)?;
        if !lane.is_by_number {
            return Some(Past::Last(n).span(topic, lane.until).0);
        }
        let begins = lane.begins.as_ref()?;
        let first = begins.len().checked_sub(n);
        Some(first.map_or(Timestamp::from_nanos(i64::MIN), |first| {
            begins.get(first).copied().unwrap_or(lane.until)
        }))
    }

    /// Breaks the past off: hands over what belongs to the moment that was handed over last, and says from which
    /// one on asking anew goes on. `None`: the past is told, and nothing is broken off.
    pub fn break_off(&mut self, batch: &mut Vec<Event>) -> Option<Timestamp> {
        batch.clear();
        if !self.is_past {
            return None;
        }
        let Some(last) = self.handed else {
            return self.lanes.iter().map(|lane| lane.from).min();
        };
        self.tell_past();
        let same = self.ready.iter().take_while(|event| order(event) <= last);
        let n = same.count();
        self.hand_over(batch, n);
        Some(last)
    }

    fn hand_over(&mut self, batch: &mut Vec<Event>, most: usize) {
        let n = self.ready.len().min(most);
        batch.extend(self.ready.drain(..n));
        if self.is_past {
            // States of the lines are of now.
            let is_data = |event: &&Event| !matches!(event, Event::Status(_));
            let data = batch.iter().filter(is_data);
            self.handed = data.map(order).max().max(self.handed);
        }
    }

    async fn next(&mut self) -> Result<News, Ended> {
        let is_told = self.is_past || self.live.is_none();
        let (live, arriving) = (&mut self.live, &mut self.arriving);
        // Beyond this the engine waits, and tells what it drops.
        let has_room = self.waiting.len() < WAITING_TRADES;
        let live = async move {
            match live {
                Some(live) if has_room => live.next_batch(arriving).await,
                _ => std::future::pending().await,
            }
        };
        let asked = self
            .lanes
            .iter_mut()
            .enumerate()
            .filter(|(_, lane)| lane.past.is_empty());
        let asked = asked.filter_map(|(place, lane)| Some((place, lane.parts.as_mut()?)));
        let parts: Vec<_> = asked
            .map(|(place, parts)| Box::pin(async move { (place, parts.recv().await) }))
            .collect();
        if parts.is_empty() {
            if is_told {
                return Err(Ended::Over);
            }
            live.await?;
            return Ok(News::Live);
        }
        tokio::select! {
            // The past first: what is live can wait.
            biased;
            ((place, part), ..) = select_all(parts) => Ok(News::Part(place, part)),
            ended = live => {
                ended?;
                Ok(News::Live)
            }
        }
    }

    fn on_part(&mut self, place: usize, part: Option<Result<Part, Failed>>) -> Result<(), Ended> {
        let lane = &mut self.lanes[place];
        match part {
            Some(Ok(part)) => {
                // Those that were asked for by number come at once.
                if lane.is_by_number && lane.begins.is_none() {
                    let candles = part.events.iter().filter_map(begin);
                    lane.begins = Some(candles.collect());
                }
                lane.past
                    .extend(part.events.into_iter().map(|event| (order(&event), event)));
                lane.forming = part.forming.or(lane.forming.take());
                lane.joint.reach(part.until);
            }
            Some(Err(failed)) => {
                return Err(Ended::Failed {
                    market: lane.topic.instrument.market,
                    stream: lane.topic.stream,
                    from: self.handed.unwrap_or(failed.from),
                    error: failed.error,
                });
            }
            None => {
                lane.parts = None;
                if !self.is_past {
                    lane.joint.join();
                }
            }
        }
        if !self.is_past {
            self.go_on(place);
        }
        Ok(())
    }

    /// Tells the oldest, as long as it is known which that is.
    fn tell_past(&mut self) {
        while self.ready.len() < BATCH {
            if self
                .lanes
                .iter()
                .any(|lane| lane.past.is_empty() && lane.parts.is_some())
            {
                return;
            }
            let next = self.lanes.iter_mut().filter(|lane| !lane.past.is_empty());
            // The first of several at the same moment.
            let Some(lane) = next.min_by_key(|lane| lane.past.front().map(|(at, _)| *at)) else {
                return;
            };
            let Some((_, event)) = lane.past.pop_front() else {
                return;
            };
            lane.joint.told(&event);
            self.ready.push_back(event);
        }
    }

    /// The past is told: what has come live meanwhile follows.
    fn end_past(&mut self) {
        self.is_past = false;
        for lane in &mut self.lanes {
            let is_newer =
                |live: &Event| order(live) >= lane.forming.as_ref().map_or(order(live), order);
            if !lane.waiting.iter().any(is_newer) {
                self.ready.extend(lane.forming.take());
            }
        }
        if self.live.is_some() {
            self.ready.extend(self.waiting.drain(..));
            for place in 0..self.lanes.len() {
                self.go_on(place);
            }
        }
    }

    fn on_live(&mut self) {
        for event in std::mem::take(&mut self.arriving) {
            let of = |lane: &Lane| lane.is_about(&event);
            match self.lanes.iter().position(of) {
                Some(place) if self.is_past || self.lanes[place].parts.is_some() => {
                    self.lanes[place].keep(event);
                }
                Some(place) => {
                    self.lanes[place].waiting.push_back(event);
                    self.go_on(place);
                }
                // Trouble is told at once.
                None if self.is_past && event.stream().is_some() => {
                    keep_newest(&mut self.waiting, event)
                }
                None => self.ready.push_back(event),
            }
        }
    }

    /// Tells what waits in a lane, up to where something has to be asked for first.
    fn go_on(&mut self, place: usize) {
        let lane = &mut self.lanes[place];
        while let Some((_, event)) = lane.past.pop_front() {
            lane.joint.told(&event);
            self.ready.push_back(event);
        }
        while lane.parts.is_none() {
            let Some(event) = lane.waiting.pop_front() else {
                return;
            };
            match lane.joint.on_live(&event) {
                Step::Tell => self.ready.push_back(event),
                Step::Known => {}
                Step::Ask(missing) => {
                    lane.waiting.push_front(event);
                    lane.ask(missing, self.clock.now(), &self.count, &mut self.tasks);
                }
            }
        }
    }
}

enum News {
    Part(usize, Option<Result<Part, Failed>>),
    Live,
}

impl Lane {
    fn is_told(&self) -> bool {
        self.past.is_empty() && self.parts.is_none()
    }

    fn is_about(&self, event: &Event) -> bool {
        let stream = match event {
            Event::Gap(gap) => Some(gap.stream),
            event => event.stream(),
        };
        event.market() == Some(self.topic.instrument.market) && stream == Some(self.topic.stream)
    }

    /// Keeps a live event for after the past.
    fn keep(&mut self, event: Event) {
        let is_forming = |event: &Event| matches!(event, Event::Candle(candle) if !candle.closed);
        if self.waiting.back().is_some_and(is_forming) && matches!(event, Event::Candle(_)) {
            self.waiting.pop_back();
        }
        if self.waiting.len() == WAITING_TRADES {
            self.waiting.clear();
        }
        self.waiting.push_back(event);
    }

    fn ask(
        &mut self,
        missing: Missing,
        now: Timestamp,
        count: &Arc<AtomicU64>,
        tasks: &mut JoinSet<()>,
    ) {
        let (sender, parts) = mpsc::channel(PARTS);
        let asking = Asking {
            provider: self.provider.clone(),
            topic: self.topic.clone(),
            parts: sender,
            count: count.clone(),
            now,
        };
        self.parts = Some(parts);
        match (missing, self.topic.stream) {
            (Missing::Candles(span), Stream::Candles(interval)) => {
                tasks.spawn(asking.between_candles(interval, span))
            }
            (Missing::Trades(after, before), _) => {
                tasks.spawn(asking.between_trades(after, before))
            }
            (Missing::Candles(_), _) => unreachable!("only candles are missing candles"),
        };
    }
}

impl Past {
    /// Where it begins, if that is known before it is asked for.
    fn begin(self) -> Option<Timestamp> {
        match self {
            Self::Since(from, _) => Some(from),
            Self::Last(_) => None,
        }
    }

    fn span(self, topic: &Topic, now: Timestamp) -> (Timestamp, Timestamp) {
        match (self, topic.stream) {
            (Self::Since(from, until), _) => (from, until.unwrap_or(now).min(now)),
            (Self::Last(n), Stream::Candles(interval)) => {
                let back = interval
                    .nanos()
                    .saturating_mul(i64::try_from(n).unwrap_or(i64::MAX));
                (interval.open_of(now).plus_nanos(-back), now)
            }
            (Self::Last(_), _) => (now, now),
        }
    }
}

/// The newest of each ticker and forming candle, everything else.
fn keep_newest(waiting: &mut Vec<Event>, event: Event) {
    let replaces = |known: &Event| {
        known.market() == event.market()
            && match (known, &event) {
                (Event::Ticker(_), Event::Ticker(_)) => true,
                (Event::Candle(one), Event::Candle(other)) => {
                    one.interval == other.interval && !one.closed
                }
                _ => false,
            }
    };
    // Trades are a flow: only states take one another's place.
    if !matches!(event, Event::Trade(_)) {
        waiting.retain(|known| !replaces(known));
    }
    waiting.push(event);
}

/// When a candle begins.
fn begin(event: &Event) -> Option<Timestamp> {
    match event {
        Event::Candle(candle) => Some(candle.open_time),
        _ => None,
    }
}

/// By what the past of several streams is sorted: when it was known.
fn order(event: &Event) -> Timestamp {
    match event {
        Event::Candle(candle) => candle.close_time(),
        Event::Trade(trade) => trade.timestamp,
        Event::Ticker(ticker) => ticker.timestamp.unwrap_or(ticker.received_at),
        Event::Gap(gap) => gap.to.or(gap.from).unwrap_or(Timestamp::from_nanos(0)),
        Event::Status(status) => status.timestamp,
        Event::Signal(signal) => signal.timestamp,
    }
}

#[cfg(test)]
mod tests;
