//! Asks for the past of one stream, page by page, and again where an answer failed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::feed::{Page, Pages, Provider, ProviderError, Replay, Span, Topic, TradeMark};
use crate::model::{Candle, Event, Gap, GapReason, GapState, Interval, Stream, Timestamp, Trade};

use super::Past;

/// A question that failed is asked again after these pauses; an answer begins them anew.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
];
/// A longer pause that the exchange asks for is not waited for.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// How far the clocks of an exchange and of this machine may be apart.
const CLOCKS: i64 = 60_000_000_000;
/// Until what has just ended can be asked for.
const JUST_ENDED: Duration = Duration::from_secs(6);
/// The newest so many candles are looked for until that many are found: some exchanges tell none for an interval
/// without trades.
pub(super) const LAST_MAX: usize = 10_000;
/// Times that it is looked further back for them.
const LOOKS: u32 = 6;
/// Before each question about the candles between the past and the live stream: REST can lag behind.
const LAGS: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// For the trades between the past and the live stream.
const SEAM: Duration = Duration::from_secs(10);

/// A part of the past.
#[derive(Debug)]
pub(super) struct Part {
    /// In order, with gaps for what cannot be had.
    pub events: Vec<Event>,
    /// Everything before this is told.
    pub until: Timestamp,
    /// The candle after them, so far.
    pub forming: Option<Event>,
}

/// Why the rest cannot be had.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub error: ProviderError,
    /// From where it is missing.
    pub from: Timestamp,
}

/// Questions about one stream of one market.
pub(super) struct Asking {
    pub provider: Arc<dyn Provider>,
    pub topic: Topic,
    /// Where the parts go; bounded, so that no more is asked for than is taken.
    pub parts: mpsc::Sender<Result<Part, Failed>>,
    /// Items so far, of all streams together.
    pub count: Arc<AtomicU64>,
    pub now: Timestamp,
}

impl Asking {
    /// Asks for the past until its end. An error is the last that is told.
    pub async fn run(mut self, past: Past) {
        if self.provider.traits().own_clock
            && let Ok(time) = self.provider.server_time().await
        {
            self.now = time.time;
        }
        let result = match (past, self.topic.stream) {
            (Past::Last(n), Stream::Candles(interval)) if n <= LAST_MAX => {
                self.last_candles(n, interval).await
            }
            (Past::Last(n), Stream::Candles(interval)) => {
                let from = self.before_now(interval, n);
                self.candles(interval, from, None).await
            }
            (Past::Last(n), Stream::Trades) => self.last_trades(n).await,
            (Past::Since(from, until), Stream::Candles(interval)) => {
                self.candles(interval, from, until).await
            }
            (Past::Since(from, until), Stream::Trades) => self.trades(from, until).await,
            (_, Stream::Ticker) => Ok(()),
        };
        if let Err(failed) = result {
            let _ = self.parts.send(Err(failed)).await;
        }
    }

    fn before_now(&self, interval: Interval, n: usize) -> Timestamp {
        let back = interval
            .nanos()
            .saturating_mul(i64::try_from(n).unwrap_or(i64::MAX));
        interval.open_of(self.now).plus_nanos(-back)
    }

    /// What is over for sure, whatever the clocks.
    fn closed_before(&self) -> Timestamp {
        self.now.plus_nanos(-CLOCKS)
    }

    /// Candles from a moment until another, or up to now.
    async fn candles(
        &self,
        interval: Interval,
        from: Timestamp,
        until: Option<Timestamp>,
    ) -> Result<(), Failed> {
        let newest = interval.close_of(self.now).plus_nanos(CLOCKS);
        // One more, so that a later row shows which are over.
        let asked = until.map_or(newest, |until| interval.close_of(until).min(newest));
        let wanted = until.unwrap_or(newest);
        let mut progress = Progress::new(interval.first_from(from));
        let mut closed_before = self.closed_before();
        loop {
            let span = Span {
                from: progress.until,
                until: asked,
            };
            let of = self.topic.instrument.clone();
            let pages = self
                .provider
                .candle_history(of, interval, span, closed_before);
            match self.pages(pages, wanted, &mut progress).await {
                Ok(Ended::ReaderLeft) => return Ok(()),
                Ok(Ended::All) => {}
                Err(error) => {
                    progress.wait_after(error).await?;
                    continue;
                }
            }
            let over = interval.open_of(self.now).min(interval.first_from(wanted));
            let is_short = until.is_some() && progress.until < over;
            // Nothing was traded after the last ones: only the exchange's clock tells that they are over.
            if is_short && progress.asks_time() {
                if wanted.plus_nanos(CLOCKS) >= self.now {
                    // REST may not have yet what has only just ended.
                    tokio::time::sleep(JUST_ENDED).await;
                }
                let time = self.provider.server_time().await;
                closed_before = time.map_or(closed_before, |time| time.time);
                continue;
            }
            if is_short {
                self.tell_missing(progress.until, over).await;
            }
            return Ok(());
        }
    }

    /// The newest `n` candles, and the forming one.
    async fn last_candles(&self, n: usize, interval: Interval) -> Result<(), Failed> {
        let until = interval.close_of(self.now).plus_nanos(CLOCKS);
        let mut span = Span {
            from: self.before_now(interval, n.max(1)),
            until,
        };
        let mut found = Newest::default();
        let mut length = n.max(1) as i64;
        for look in 0..LOOKS {
            let pages = self.whole(interval, span, self.closed_before()).await?;
            let begin = pages.first().map_or(span.until, |page| page.covers.from);
            let is_empty = pages.iter().all(|page| page.items.is_empty());
            // A market that is traded all the time was not listed yet where there is nothing.
            let nothing = is_empty && (look > 1 || found.is_dense(interval, self.now));
            found.add_before(self.told(
                pages,
                Span {
                    from: begin,
                    ..span
                },
            ));
            if begin > span.from {
                let begin = begin.min(interval.open_of(self.now));
                found.limit =
                    (begin > span.from).then(|| self.gap(span.from, begin, GapReason::SourceLimit));
                break;
            }
            if found.count >= n || nothing {
                break;
            }
            // Where the market is young there is nothing: the first look beyond is a short one.
            length = length.saturating_mul(if look == 0 { 1 } else { 4 });
            let back = interval.nanos().saturating_mul(-length);
            span = Span {
                from: span.from.plus_nanos(back),
                until: span.from,
            };
        }
        found.keep(n);
        let limit = found.limit.take().filter(|_| found.count < n);
        let mut events: Vec<Event> = Vec::with_capacity(found.events.len() + 1);
        events.extend(limit);
        events.extend(found.events);
        self.count.fetch_add(found.count as u64, Ordering::Relaxed);
        let part = Part {
            events,
            until: found.until.unwrap_or(span.from),
            forming: found.forming,
        };
        let _ = self.parts.send(Ok(part)).await;
        Ok(())
    }

    /// What pages tell of a span: their candles, and gaps for what lies between them.
    fn told(&self, pages: Vec<Page<Candle>>, span: Span) -> Told {
        let mut told = Told {
            events: Vec::new(),
            until: span.from,
            forming: None,
        };
        for page in pages {
            let begin = page.covers.from.min(span.until);
            if begin > told.until {
                told.events
                    .push(self.gap(told.until, begin, GapReason::SourceLimit));
            }
            told.events.extend(page.items.into_iter().map(candle_event));
            told.until = told.until.max(page.covers.until.min(span.until));
            told.forming = page.forming.map(candle_event);
        }
        told
    }

    /// All pages of a span.
    async fn whole(
        &self,
        interval: Interval,
        span: Span,
        closed_before: Timestamp,
    ) -> Result<Vec<Page<Candle>>, Failed> {
        let mut progress = Progress::new(span.from);
        'again: loop {
            let of = self.topic.instrument.clone();
            let mut pages = self
                .provider
                .candle_history(of, interval, span, closed_before);
            let mut whole = Vec::new();
            while let Some(page) = pages.next().await {
                match page {
                    Ok(page) => whole.push(page),
                    Err(error) => {
                        drop(pages);
                        progress.wait_after(error).await?;
                        continue 'again;
                    }
                }
            }
            return Ok(whole);
        }
    }

    /// Trades from a moment until another, or up to now.
    async fn trades(&self, from: Timestamp, until: Option<Timestamp>) -> Result<(), Failed> {
        let wanted = until.unwrap_or(self.now.plus_nanos(CLOCKS));
        let mut progress = Progress::new(from);
        loop {
            let span = Span {
                from: progress.until,
                until: wanted,
            };
            let of = self.topic.instrument.clone();
            let pages = self.provider.trade_history(of, span);
            match self.pages(pages, wanted, &mut progress).await {
                Ok(Ended::ReaderLeft) => return Ok(()),
                Ok(Ended::All) => {
                    let over = wanted.min(self.closed_before());
                    if until.is_some() && progress.until < over {
                        self.tell_missing(progress.until, over).await;
                    }
                    return Ok(());
                }
                Err(error) => progress.wait_after(error).await?,
            }
        }
    }

    /// The end of a span that the exchange has not told.
    async fn tell_missing(&self, from: Timestamp, until: Timestamp) {
        // A span that ends within a candle does not have it.
        let interval = self.topic.stream.interval();
        let is_whole = interval.is_none_or(|interval| interval.count(from, until) > 0);
        let gap = is_whole.then(|| self.gap(from, until, GapReason::SourceLimit));
        let part = Part {
            events: gap.into_iter().collect(),
            until,
            forming: None,
        };
        let _ = self.parts.send(Ok(part)).await;
    }

    /// The newest `n` trades, as many of them as one answer has.
    async fn last_trades(&self, n: usize) -> Result<(), Failed> {
        let mut progress = Progress::new(self.now);
        let trades = loop {
            match self.provider.trades(&self.topic.instrument, n).await {
                Ok(trades) => break trades,
                Err(error) => progress.wait_after(error).await?,
            }
        };
        self.count.fetch_add(trades.len() as u64, Ordering::Relaxed);
        let mut events = Vec::with_capacity(trades.len() + 1);
        if let Some(first) = trades
            .first()
            .filter(|first| trades.len() < n && first.id > 1)
        {
            let missing = (n - trades.len()) as u64;
            events.push(Event::Gap(Arc::new(Gap {
                to_id: Some(first.id - 1),
                missing: Some(missing.min(first.id - 1)),
                ..self.hole(None, Some(first.timestamp), GapReason::SourceLimit)
            })));
        }
        let until = trades.last().map_or(self.now, |last| last.timestamp);
        events.extend(trades.into_iter().map(Event::Trade));
        let part = Part {
            events,
            until,
            forming: None,
        };
        let _ = self.parts.send(Ok(part)).await;
        Ok(())
    }

    /// Hands on pages as they come. Items from `wanted` on are left out.
    async fn pages<T: Item>(
        &self,
        mut pages: Pages<'_, T>,
        wanted: Timestamp,
        progress: &mut Progress,
    ) -> Result<Ended, ProviderError> {
        while let Some(page) = pages.next().await {
            let mut page = page?;
            progress.answered();
            let mut events = Vec::with_capacity(page.items.len() + 1);
            let begins = page.covers.from.min(wanted);
            if begins > progress.until {
                events.push(self.gap(progress.until, begins, GapReason::SourceLimit));
            }
            page.items.retain(|item| item.begins_at() < wanted);
            let n = page.items.len() as u64;
            self.count.fetch_add(n, Ordering::Relaxed);
            events.extend(page.items.into_iter().map(T::into_event));
            progress.until = progress.until.max(page.covers.until.min(wanted));
            let forming = page.forming.filter(|forming| forming.begins_at() < wanted);
            let part = Part {
                events,
                until: progress.until,
                forming: forming.map(T::into_event),
            };
            if self.parts.send(Ok(part)).await.is_err() {
                return Ok(Ended::ReaderLeft);
            }
        }
        Ok(Ended::All)
    }

    /// What lies between the past and the live stream, and a gap for what of it cannot be had.
    pub async fn between_candles(self, interval: Interval, span: Span) {
        let mut events = Vec::new();
        let mut from = span.from;
        for pause in LAGS {
            tokio::time::sleep(pause).await;
            let left = Span { from, ..span };
            // A later one has come: all of these are over.
            match self.whole(interval, left, span.until).await {
                Ok(pages) => {
                    let told = self.told(pages, left);
                    events.extend(told.events);
                    from = told.until;
                }
                Err(failed) => {
                    tracing::debug!(error = %failed.error, "candles at the seam are missing");
                    break;
                }
            }
            if from >= span.until {
                break;
            }
        }
        if from < span.until {
            events.push(self.gap(from, span.until, GapReason::Reconnect));
        }
        let part = Part {
            events,
            until: span.until,
            forming: None,
        };
        let _ = self.parts.send(Ok(part)).await;
    }

    /// The same for trades after a mark, before one with this id.
    pub async fn between_trades(self, after: TradeMark, before: u64) {
        let deadline = Instant::now() + SEAM;
        let of = &self.topic.instrument;
        let replay = self.provider.trades_since(of, after, deadline).await;
        let (trades, reason) = match replay {
            Ok(Replay { trades, .. }) => (trades, GapReason::SourceLimit),
            Err(error) => {
                tracing::debug!(%error, "trades at the seam are missing");
                (Vec::new(), GapReason::IdHole)
            }
        };
        let trades: Vec<Trade> = trades.into_iter().filter(|t| t.id < before).collect();
        // Without an id nothing tells that something is missing before the first.
        let first = trades.first().map_or(before, |trade| trade.id);
        let (mut events, mut next) = (Vec::new(), after.id.map_or(first, |id| id + 1));
        let mut from = after.time;
        for trade in trades {
            if trade.id > next {
                events.push(self.trade_gap(
                    next,
                    trade.id - 1,
                    from,
                    Some(trade.timestamp),
                    reason,
                ));
            }
            (next, from) = (trade.id + 1, trade.timestamp);
            events.push(Event::Trade(trade));
        }
        if next < before {
            events.push(self.trade_gap(next, before - 1, from, None, reason));
        }
        let part = Part {
            events,
            until: from,
            forming: None,
        };
        let _ = self.parts.send(Ok(part)).await;
    }

    fn trade_gap(
        &self,
        from_id: u64,
        to_id: u64,
        from: Timestamp,
        to: Option<Timestamp>,
        reason: GapReason,
    ) -> Event {
        Event::Gap(Arc::new(Gap {
            from_id: Some(from_id),
            to_id: Some(to_id),
            missing: Some(to_id - from_id + 1),
            ..self.hole(Some(from), to, reason)
        }))
    }

    fn gap(&self, from: Timestamp, to: Timestamp, reason: GapReason) -> Event {
        let interval = self.topic.stream.interval();
        Event::Gap(Arc::new(Gap {
            missing: interval.map(|interval| interval.count(from, to)),
            ..self.hole(Some(from), Some(to), reason)
        }))
    }

    fn hole(&self, from: Option<Timestamp>, to: Option<Timestamp>, reason: GapReason) -> Gap {
        Gap {
            market: self.topic.instrument.market,
            stream: self.topic.stream,
            from_id: None,
            to_id: None,
            from,
            to,
            missing: None,
            recovered: 0,
            state: GapState::Unrepairable,
            reason,
        }
    }
}

/// How the pages of one question ended.
enum Ended {
    All,
    ReaderLeft,
}

/// What pages hold.
trait Item: Send {
    fn begins_at(&self) -> Timestamp;
    fn into_event(self) -> Event;
}

impl Item for Candle {
    fn begins_at(&self) -> Timestamp {
        self.open_time
    }

    fn into_event(self) -> Event {
        candle_event(self)
    }
}

impl Item for Trade {
    fn begins_at(&self) -> Timestamp {
        self.timestamp
    }

    fn into_event(self) -> Event {
        Event::Trade(self)
    }
}

fn candle_event(candle: Candle) -> Event {
    Event::Candle(Arc::new(candle))
}

/// How far one question has come, and how often it failed since.
struct Progress {
    until: Timestamp,
    failures: usize,
    asked_time: bool,
}

impl Progress {
    fn new(from: Timestamp) -> Self {
        Self {
            until: from,
            failures: 0,
            asked_time: false,
        }
    }

    fn answered(&mut self) {
        self.failures = 0;
    }

    /// Once.
    fn asks_time(&mut self) -> bool {
        !std::mem::replace(&mut self.asked_time, true)
    }

    async fn wait_after(&mut self, error: ProviderError) -> Result<(), Failed> {
        let asked = match &error {
            ProviderError::RateLimited { retry_after, .. } => *retry_after,
            _ => None,
        };
        let pause = PAUSES.get(self.failures).copied();
        match pause.map(|pause| asked.map_or(pause, |asked| asked.max(pause))) {
            Some(pause) if error.is_retryable() && pause <= PAUSE_MAX => {
                tracing::info!(%error, ?pause, "the history goes on after a pause");
                self.failures += 1;
                tokio::time::sleep(pause).await;
                Ok(())
            }
            _ => Err(Failed {
                error,
                from: self.until,
            }),
        }
    }
}

/// What some pages tell.
struct Told {
    events: Vec<Event>,
    /// Everything before this is told.
    until: Timestamp,
    forming: Option<Event>,
}

/// The newest candles, found page by page backwards.
#[derive(Default)]
struct Newest {
    /// Candles, and gaps between them.
    events: VecDeque<Event>,
    /// How many candles.
    count: usize,
    forming: Option<Event>,
    until: Option<Timestamp>,
    /// What could not be had.
    limit: Option<Event>,
}

impl Newest {
    /// Adds what lies before all that was added.
    fn add_before(&mut self, told: Told) {
        if self.until.is_none() {
            self.forming = told.forming;
            self.until = Some(told.until);
        }
        for event in told.events.into_iter().rev() {
            self.count += usize::from(is_candle(&event));
            self.events.push_front(event);
        }
    }

    /// Whether hardly a candle is missing from the first one on.
    fn is_dense(&self, interval: Interval, now: Timestamp) -> bool {
        let first = self.events.iter().find_map(|event| match event {
            Event::Candle(candle) => Some(candle.open_time),
            _ => None,
        });
        let expected = first.map(|first| interval.count(first, now));
        expected.is_some_and(|expected| self.count as u64 * 10 >= expected * 9)
    }

    /// Drops the oldest, down to so many candles.
    fn keep(&mut self, n: usize) {
        while self.count > n {
            let dropped = self.events.pop_front();
            self.count -= usize::from(dropped.as_ref().is_some_and(is_candle));
        }
        // What lies before the first of them was not asked for.
        while n > 0 && self.count == n && !self.events.front().is_some_and(is_candle) {
            self.events.pop_front();
        }
    }
}

fn is_candle(event: &Event) -> bool {
    matches!(event, Event::Candle(_))
}
