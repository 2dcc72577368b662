//! How each feed is: states, ages, latencies, holes.
//!
//! Written by the pump with every batch and once a second, read for `/status`, `/health` and with prices. Ages are
//! measured from the arrival of an event here, by the monotonic clock, so that neither a clock that is set nor a
//! source with times of its own makes anything look old or fresh.

mod latency;
mod view;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::Engine;
use crate::model::{
    Event, Exchange, Gap, GapState, Market, Origin, Status, StatusState, Stream, Timestamp,
};

use latency::Latencies;

pub use latency::LatencySummary;
pub(super) use view::stream_name;
pub use view::{FeedHealth, Freshness, StaleMarket, StreamHealth, SymbolHealth};

/// Older than this without a confirmation is stale.
pub const MAX_AGE: Duration = Duration::from_secs(60);
/// As long a value is believed while its connection is made anew or others stand in for it: a line that fell silent is
/// believed for as long before anybody knows.
pub const UNCONFIRMED: Duration = Duration::from_secs(10);
/// The rate is of this time.
const RATE: Duration = Duration::from_secs(10);

/// What the pump measures, per exchange and market. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    feeds: HashMap<Exchange, Feed>,
    markets: HashMap<Market, MarketState>,
    /// Counts the batches.
    batch: u64,
}

/// One exchange's connection.
#[derive(Debug, Default)]
struct Feed {
    status: Option<Arc<Status>>,
    /// Since when it works.
    up_since: Option<Instant>,
    /// It has connections, which are told when they are lost.
    has_line: bool,
    last: Option<Instant>,
    reconnects: u64,
    /// Frames so far, about once a second.
    samples: VecDeque<(Instant, u64)>,
    /// From the exchange's time to the arrival.
    latency: Latencies,
    /// From the arrival to the hand-over.
    delivery: Latencies,
    has_own_clock: bool,
    gaps: u64,
    missing: u64,
    repairs: u64,
    recovered: u64,
}

#[derive(Debug, Default)]
struct MarketState {
    status: Option<Arc<Status>>,
    stand_in: Option<Market>,
    streams: Vec<(Stream, StreamState)>,
}

#[derive(Debug)]
struct StreamState {
    /// Since when it is served; `None`: it speaks for another.
    served: Option<Instant>,
    last: Option<Instant>,
    events: u64,
    latency: Latencies,
    /// The last batch with events of it, and how many.
    waited: (u64, u64),
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// From now on this stream is served, and has to be well.
    pub fn serve(&self, market: Market, stream: Stream, has_own_clock: bool) {
        let mut state = self.state();
        let feed = state.feeds.entry(market.exchange()).or_default();
        feed.has_own_clock = has_own_clock;
        let served = StreamState::new(Some(Instant::now()));
        let market = state.markets.entry(market).or_default();
        match market.streams.iter_mut().find(|(of, _)| *of == stream) {
            Some((_, known)) => *known = served,
            None => market.streams.push((stream, served)),
        }
    }

    /// It is served no more.
    pub fn forget(&self, market: Market, stream: Stream) {
        let mut state = self.state();
        if let Some(known) = state.markets.get_mut(&market) {
            known.streams.retain(|(of, _)| *of != stream);
            if known.streams.is_empty() {
                state.markets.remove(&market);
            }
        }
    }

    /// Takes what the engine has told. `now`: by the engine's clock.
    pub fn on_events(&self, events: &[Event], now: Timestamp) {
        let mut state = self.state();
        state.batch += 1;
        let at = Instant::now();
        for event in events {
            match event {
                Event::Ticker(ticker) => {
                    let sent = ticker.timestamp;
                    state.on_data(event, sent, ticker.received_at, now, at);
                }
                Event::Trade(trade) => {
                    let sent = (trade.origin == Origin::Stream).then_some(trade.timestamp);
                    state.on_data(event, sent, trade.received_at, now, at);
                }
                Event::Candle(candle) => state.on_data(event, None, candle.received_at, now, at),
                Event::Gap(gap) => state.on_gap(gap),
                Event::Status(status) => state.on_status(status, at),
                Event::Signal(_) => {}
            }
        }
    }

    /// Once a second: how many frames have come.
    pub fn tick(&self, engine: &Engine) {
        let mut state = self.state();
        let now = Instant::now();
        for (exchange, stats) in engine.feeds() {
            let feed = state.feeds.entry(exchange).or_default();
            feed.has_line = stats.connects.load(Ordering::Relaxed) > 0;
            if feed.has_line && feed.status.is_none() {
                // A clean first connect is not told.
                feed.up_since.get_or_insert(now);
            }
            let is_old = |(at, _): &(Instant, u64)| now.saturating_duration_since(*at) > RATE;
            // One that is older stays: where the rate is measured from.
            while feed.samples.get(1).is_some_and(is_old) {
                feed.samples.pop_front();
            }
            let messages = stats.messages.load(Ordering::Relaxed);
            feed.samples.push_back((now, messages));
        }
    }
}

impl State {
    fn on_data(
        &mut self,
        event: &Event,
        sent: Option<Timestamp>,
        received: Timestamp,
        now: Timestamp,
        at: Instant,
    ) {
        let (Some(market), Some(stream)) = (event.market(), event.stream()) else {
            return;
        };
        let feed = self.feeds.entry(market.exchange()).or_default();
        feed.last = Some(at);
        if feed.status.is_none() {
            feed.up_since.get_or_insert(at);
        }
        let latency = sent.map(|sent| received.nanos().saturating_sub(sent.nanos()));
        if let Some(nanos) = latency {
            feed.latency.add(nanos, at);
        }
        if !feed.has_own_clock {
            let nanos = now.nanos().saturating_sub(received.nanos());
            feed.delivery.add(nanos, at);
        }
        let known = self.markets.entry(market).or_default();
        let of = known.stream(stream);
        of.last = Some(at);
        of.events += 1;
        if let Some(nanos) = latency {
            of.latency.add(nanos, at);
        }
        let waited = if of.waited.0 == self.batch {
            of.waited.1
        } else {
            0
        };
        of.waited = (self.batch, waited + 1);
    }

    fn on_gap(&mut self, gap: &Gap) {
        let feed = self.feeds.entry(gap.market.exchange()).or_default();
        feed.gaps += 1;
        feed.recovered += gap.recovered;
        feed.repairs += u64::from(gap.state != GapState::Unrepairable);
        let missing = gap.missing.unwrap_or(0);
        feed.missing += missing.saturating_sub(gap.recovered);
    }

    fn on_status(&mut self, status: &Arc<Status>, at: Instant) {
        if let Some(market) = status.market {
            let known = self.markets.entry(market).or_default();
            known.status = Some(status.clone());
            if let Some(other) = status.stand_in {
                known.stand_in = (other != market).then_some(other);
            }
            return;
        }
        let feed = self.feeds.entry(status.exchange).or_default();
        let was = feed.status.replace(status.clone());
        let was_lost = was.is_some_and(|was| was.state == StatusState::Reconnecting);
        feed.reconnects += u64::from(status.state == StatusState::Reconnecting && !was_lost);
        if status.state.is_trouble() {
            feed.up_since = None;
            return;
        }
        feed.up_since.get_or_insert(at);
        if status.state == StatusState::Connected {
            // What a lost connection did to its symbols ended with it; a refused symbol stays refused.
            let of = |market: &Market| market.exchange() == status.exchange;
            for (_, known) in self.markets.iter_mut().filter(|(market, _)| of(market)) {
                let ended =
                    |s: &mut Arc<Status>| s.state.is_trouble() && s.state != StatusState::Failed;
                known.status.take_if(ended);
            }
        }
    }
}

impl MarketState {
    fn stream(&mut self, stream: Stream) -> &mut StreamState {
        let place = match self.streams.iter().position(|(of, _)| *of == stream) {
            Some(place) => place,
            None => {
                self.streams.push((stream, StreamState::new(None)));
                self.streams.len() - 1
            }
        };
        &mut self.streams[place].1
    }

    fn is_served(&self) -> bool {
        self.streams.iter().any(|(_, of)| of.served.is_some())
    }
}

impl StreamState {
    fn new(served: Option<Instant>) -> Self {
        Self {
            served,
            last: None,
            events: 0,
            latency: Latencies::default(),
            waited: (0, 0),
        }
    }
}

#[cfg(test)]
mod tests;
