//! Whether a silent stream is a quiet market or a dead stream: for each subscription by itself.
//!
//! Each stream's own cadence says when its silence is odd. Then the exchange is asked over REST: where it
//! knows nothing newer the market is quiet, and the silence is confirmed; where it does the stream is dead,
//! though the socket lives: it is subscribed anew, and if that does not help it gets a line of its own.
//! Neither concerns the others. A stream whose exchange's clock stands still while frames come is treated
//! as a dead one.
//!
//! Synchronous and without a clock: told what came and what time it is (monotonic nanoseconds), it says
//! what to do. Its caller asks, subscribes and tells.

mod watch;

use std::collections::HashMap;
use std::time::Duration;

use crate::model::{Event, Exchange, Market, Origin, Stream, Ticker, Timestamp, Trade};

use watch::{State, Told, Verdict, Watch};

/// A stream is silent for oddly long after so many times its usual pause.
const PAUSES: u64 = 20;
/// Times the floor: no learnt cadence makes silence of this length go unnoticed.
const CEILING: u64 = 20;
/// While this exchange is asked about one topic the others wait, but never for longer: the question was lost.
const ANSWER_NANOS: u64 = 20 * SECOND;
const SECOND: u64 = 1_000_000_000;
/// The second of so many attempts to cure a stream gives it a line of its own.
const MOVE_EVERY: u32 = 8;
/// A trade and the ticker that it changes come within this time.
const TOGETHER: u64 = 2 * SECOND;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask for the newest trade, or the ticker, of this topic and come back with [`Freshness::on_answer`].
    Ask(Market, Stream, Question),
    /// The market is confirmed to be silent.
    Quiet(Market),
    /// The stream is dead, for this reason.
    Stale(Market, Stream, &'static str),
    /// It delivers again, after so many attempts; 0: it was only quiet.
    Cured(Market, Stream, u32),
    /// Stop and start this topic.
    Resubscribe(Market, Stream),
    /// Give this topic a line of its own.
    Move(Market, Stream),
    /// The exchange has trades that the stream did not bring.
    Missed(Market),
}

/// What is asked of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    /// The newest trade.
    Trade,
    /// The ticker.
    Ticker,
}

/// An answer to [`Action::Ask`].
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// The newest trade, if there ever was one.
    Trade(Option<&'a Trade>),
    /// The ticker.
    Ticker(&'a Ticker),
    /// None came.
    Nothing,
}

/// All topics that are watched.
#[derive(Debug, Default)]
pub struct Freshness {
    /// By [`Market::index`] and [`Stream::index`].
    watches: Vec<[Option<Watch>; Stream::COUNT]>,
    topics: Vec<(Market, Stream)>,
    exchanges: HashMap<Exchange, Host>,
    scan_at: u64,
}

/// What one exchange is asked.
#[derive(Debug, Default)]
struct Host {
    topics: u64,
    /// When the question on its way was asked.
    asked_at: Option<u64>,
    /// No question before this.
    ready_at: u64,
}

impl Freshness {
    /// Watches a topic; `floor`: silence that is never odd.
    pub fn add(&mut self, market: Market, stream: Stream, floor: Duration, now: u64) {
        if self.watches.len() <= market.index() {
            self.watches
                .resize_with(market.index() + 1, Default::default);
        }
        let watch = &mut self.watches[market.index()][stream.index()];
        if watch.is_none() {
            let floor = u64::try_from(floor.as_nanos()).unwrap_or(u64::MAX).max(1);
            *watch = Some(Watch::new(stream, floor, now));
            self.topics.push((market, stream));
            self.exchanges.entry(market.exchange()).or_default().topics += 1;
            self.scan_at = self.scan_at.min(now);
        }
    }

    /// Watches it no more.
    pub fn remove(&mut self, market: Market, stream: Stream) {
        let Some(watches) = self.watches.get_mut(market.index()) else {
            return;
        };
        if watches[stream.index()].take().is_some() {
            self.topics.retain(|topic| *topic != (market, stream));
            if let Some(host) = self.exchanges.get_mut(&market.exchange()) {
                host.topics -= 1;
            }
        }
    }

    /// An event that is told. On the path of every tick.
    pub fn on_event(&mut self, event: &Event, now: u64, out: &mut Vec<Action>) {
        let (Some(market), Some(stream)) = (event.market(), event.stream()) else {
            return;
        };
        let watches = self.watches.get_mut(market.index());
        let Some(Some(watch)) = watches.map(|watches| &mut watches[stream.index()]) else {
            return;
        };
        let Some(attempts) = watch.on_event(event, now) else {
            return;
        };
        // A market is well when all of its streams are.
        let mut others = self.watches[market.index()].iter().flatten();
        if others.all(|watch| watch.told != Told::Stale) {
            out.push(Action::Cured(market, stream, attempts));
        }
    }

    /// The line of a topic is there, or gone: while it is gone, its silence is known and told.
    /// `at`: the same moment as `now`, by the wall clock.
    pub fn on_line(
        &mut self,
        (market, stream): (Market, Stream),
        is_up: bool,
        now: u64,
        at: Timestamp,
    ) {
        if let Some(watch) = self.watch_mut(market, stream) {
            watch.on_line(is_up, now, at);
        }
    }

    /// The exchange said by itself that this is the newest trade of a market.
    pub fn on_newest(&mut self, market: Market, id: u64, now: u64) {
        let Some([ticker, Some(trades), ..]) = self.watches.get_mut(market.index()) else {
            return;
        };
        if trades.seen() != Some(id) {
            return;
        }
        trades.on_confirmed(now);
        // A ticker that fell silent before the trades did is another matter.
        if let Some(ticker) = ticker
            && ticker.last() + TOGETHER >= trades.last()
        {
            ticker.on_confirmed(now);
        }
    }

    /// This machine slept: every topic is asked about.
    pub fn doubt_all(&mut self, now: u64) {
        for watch in self.watches.iter_mut().flatten().flatten() {
            watch.doubt(now);
        }
        self.scan_at = now;
    }

    /// When [`Freshness::on_timer`] is wanted.
    pub fn deadline(&self) -> Option<u64> {
        (!self.topics.is_empty()).then_some(self.scan_at)
    }

    /// Time has passed. Each exchange is asked one question at a time, the oddest silence first.
    pub fn on_timer(&mut self, now: u64, out: &mut Vec<Action>) {
        if now < self.scan_at {
            return;
        }
        let mut oddest = HashMap::<Exchange, (u64, Market, Stream)>::new();
        let mut shortest = 60 * SECOND;
        for &(market, stream) in &self.topics {
            let Some(watch) = &mut self.watches[market.index()][stream.index()] else {
                continue;
            };
            shortest = shortest.min(watch.floor);
            if let Some(reason) = watch.cure(now) {
                step(watch, market, stream, reason, out);
            }
            let Some(oddness) = watch.oddness(now) else {
                continue;
            };
            let known = oddest
                .entry(market.exchange())
                .or_insert((0, market, stream));
            if oddness > known.0 {
                *known = (oddness, market, stream);
            }
        }
        for (exchange, (_, market, stream)) in oddest {
            self.ask(exchange, market, stream, now, out);
        }
        self.scan_at = now + (shortest / 16).clamp(SECOND / 20, SECOND);
    }

    fn ask(
        &mut self,
        exchange: Exchange,
        market: Market,
        stream: Stream,
        now: u64,
        out: &mut Vec<Action>,
    ) {
        let Some(host) = self.exchanges.get_mut(&exchange) else {
            return;
        };
        let is_busy = host.asked_at.is_some_and(|at| now < at + ANSWER_NANOS);
        if is_busy || now < host.ready_at {
            return;
        }
        let topics = host.topics;
        let Some(Some(watch)) = self
            .watches
            .get_mut(market.index())
            .map(|watches| &mut watches[stream.index()])
        else {
            return;
        };
        host.asked_at = Some(now);
        host.ready_at = now + watch.floor.min(16 * SECOND) / 16;
        let question = watch.on_ask(topics);
        out.push(Action::Ask(market, stream, question));
    }

    /// The answer about a topic. True: the exchange knows nothing newer than we do.
    pub fn on_answer(
        &mut self,
        (market, stream): (Market, Stream),
        answer: Answer<'_>,
        now: u64,
        out: &mut Vec<Action>,
    ) -> bool {
        if let Some(host) = self.exchanges.get_mut(&market.exchange()) {
            host.asked_at = None;
        }
        let Some(watch) = self.watch_mut(market, stream) else {
            return false;
        };
        let verdict = watch.verdict(answer);
        if let Some(reason) = watch.on_verdict(verdict, now) {
            step(watch, market, stream, reason, out);
        }
        let is_same = verdict == Some(Verdict::Same);
        let is_quiet = is_same && matches!(watch.state, State::Quiet { .. });
        if is_quiet && watch.told != Told::Quiet {
            watch.told = Told::Quiet;
            out.push(Action::Quiet(market));
        }
        is_same
    }

    /// Whether this stream is known to be dead.
    pub fn is_stale(&self, market: Market, stream: Stream) -> bool {
        let watches = self.watches.get(market.index());
        let watch = watches.and_then(|watches| watches[stream.index()].as_ref());
        watch.is_some_and(|watch| matches!(watch.state, State::Stale { .. }))
    }

    /// How many topics of an exchange are known to be dead, and how many there are.
    pub fn stale_of(&self, exchange: Exchange) -> (usize, usize) {
        let topics = self
            .topics
            .iter()
            .filter(|(market, _)| market.exchange() == exchange);
        topics.fold((0, 0), |(stale, all), &(market, stream)| {
            (stale + usize::from(self.is_stale(market, stream)), all + 1)
        })
    }

    fn watch_mut(&mut self, market: Market, stream: Stream) -> Option<&mut Watch> {
        self.watches.get_mut(market.index())?[stream.index()].as_mut()
    }
}

/// One more attempt to bring a dead stream to life.
fn step(
    watch: &mut Watch,
    market: Market,
    stream: Stream,
    reason: &'static str,
    out: &mut Vec<Action>,
) {
    if watch.told != Told::Stale {
        watch.told = Told::Stale;
        out.push(Action::Stale(market, stream, reason));
    }
    out.push(match watch.attempts() % MOVE_EVERY {
        2 => Action::Move(market, stream),
        _ => Action::Resubscribe(market, stream),
    });
    if stream == Stream::Trades {
        out.push(Action::Missed(market));
    }
}

/// The exchange's time of an event that the stream brought.
fn clock_of(event: &Event) -> Option<Timestamp> {
    match event {
        Event::Ticker(ticker) => ticker.timestamp,
        Event::Trade(trade) => (trade.origin == Origin::Stream).then_some(trade.timestamp),
        Event::Candle(candle) if candle.origin == Origin::Stream => candle.timestamp,
        Event::Candle(_) | Event::Gap(_) | Event::Status(_) => None,
    }
}

#[cfg(test)]
mod tests;
