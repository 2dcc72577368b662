//! What is told of the health of feeds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::engine::{Confirmed, Engine};
use crate::feed::FeedStats;
use crate::model::{Exchange, Market, Status, StatusState, Stream, Timestamp};

use super::super::state::Shared;
use super::{Feed, Health, LatencySummary, MarketState, State};

/// One of `feeds` in `/status`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeedHealth {
    /// Its name.
    pub provider: &'static str,
    /// `connected`, `quiet`, `stale`, `reconnecting`, `fallback`, `failed`, `connecting` or `idle`.
    pub state: &'static str,
    /// Why.
    pub reason: Option<String>,
    /// Seconds since it works; 0 while it does not.
    pub uptime: f64,
    /// Frames so far.
    pub messages: u64,
    /// Frames a second, of the last 10 s.
    pub rate: f64,
    /// Bytes of text in them.
    pub bytes: u64,
    /// Those that could not be understood.
    pub bad_frames: u64,
    /// Connections that were opened.
    pub connects: u64,
    /// How often the connection was lost and is made anew.
    pub reconnects: u64,
    /// Seconds since the last event. `None`: there was none.
    pub age: Option<f64>,
    /// From the exchange's time of an event to its arrival, of the last one to two minutes.
    pub latency_ms: LatencySummary,
    /// From its arrival to the hand-over to clients.
    pub delivery_ms: LatencySummary,
    /// Holes that were told, repaired or not.
    pub gaps: u64,
    /// Events that stay missing, where that is known.
    pub missing: u64,
    /// Holes of which something was fetched.
    pub repairs: u64,
    /// What was fetched for them.
    pub recovered: u64,
    /// What is served of it.
    pub symbols: Vec<SymbolHealth>,
}

/// One symbol of a feed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SymbolHealth {
    /// Canonical.
    pub symbol: &'static str,
    /// As that of the feed.
    pub state: &'static str,
    /// Why.
    pub reason: Option<String>,
    /// Seconds since an event or a confirmation. `None`: there was none.
    pub age: Option<f64>,
    /// `ticker`, `trades`, `candles:1m`.
    pub streams: Vec<String>,
    /// So far.
    pub events: u64,
}

/// A market whose data cannot be relied on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StaleMarket {
    /// Where.
    pub provider: &'static str,
    /// Canonical.
    pub symbol: &'static str,
    /// As in [`SymbolHealth`].
    pub age: Option<f64>,
    /// Why.
    pub reason: String,
}

/// How old a value is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Freshness {
    /// Seconds since the exchange last confirmed it. `None`: not yet.
    pub age: Option<f64>,
    /// Whether its feed is in trouble, it is older than [`MAX_AGE`](super::MAX_AGE), or nobody has confirmed it since
    /// its connection was lost [`UNCONFIRMED`](super::UNCONFIRMED) ago.
    pub stale: bool,
}

/// One stream of a market.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamHealth {
    /// As that of the feed.
    pub state: &'static str,
    /// Why.
    pub reason: Option<String>,
    /// So far.
    pub events: u64,
    /// How many of the events that were last handed over were of it.
    pub queue: u64,
    /// As that of the feed.
    pub latency: LatencySummary,
    /// Seconds since an event or a confirmation.
    pub age: Option<f64>,
}

/// What ages are measured by.
struct Now {
    at: Instant,
    wall: Timestamp,
    confirmed: Confirmed,
}

impl Now {
    fn of(engine: &Engine) -> Self {
        Self {
            at: Instant::now(),
            wall: engine.clock().now(),
            confirmed: engine.confirmed(),
        }
    }

    fn since(&self, moment: Instant) -> f64 {
        self.at.saturating_duration_since(moment).as_secs_f64()
    }
}

impl Health {
    /// Every feed, by name.
    pub fn snapshot(&self, shared: &Shared) -> Vec<FeedHealth> {
        let now = Now::of(&shared.engine);
        let running = shared.engine.feeds();
        let mut state = self.state();
        let mut names: Vec<Exchange> = state.feeds.keys().copied().collect();
        names.sort_by_key(|exchange| exchange.name());
        let none = FeedStats::default();
        names
            .into_iter()
            .map(|exchange| {
                let stats = running.iter().find(|(of, _)| *of == exchange);
                state.feed(exchange, stats.map_or(&none, |(_, stats)| stats), &now)
            })
            .collect()
    }

    /// Served markets that are stale, have failed, or were not confirmed for longer than this while nobody could
    /// ask.
    pub fn stale(&self, engine: &Engine, max_age: Duration) -> Vec<StaleMarket> {
        let now = Now::of(engine);
        let state = self.state();
        let mut stale: Vec<StaleMarket> = state
            .markets
            .iter()
            .filter_map(|(&market, known)| {
                let reason = state.why_stale(market, known, max_age, &now)?;
                Some(StaleMarket {
                    provider: market.exchange().name(),
                    symbol: market.symbol(),
                    age: rounded(state.age(market, known, &now)),
                    reason,
                })
            })
            .collect();
        stale.sort_by_key(|stale| (stale.provider, stale.symbol));
        stale
    }

    /// How old the last value of a stream is.
    pub fn freshness(&self, engine: &Engine, market: Market, stream: Stream) -> Freshness {
        let now = Now::of(engine);
        let state = self.state();
        let Some(known) = state.markets.get(&market) else {
            return Freshness {
                age: None,
                stale: false,
            };
        };
        let age = state.stream_age(market, known, stream, &now);
        let is_trouble = state.trouble(market, known).is_some();
        let most = match state.is_connected(market) {
            true => super::MAX_AGE,
            false => super::UNCONFIRMED,
        };
        Freshness {
            age: rounded(age),
            stale: is_trouble || age.is_some_and(|age| age > most.as_secs_f64()),
        }
    }

    /// How these streams are, in this order.
    pub fn streams(
        &self,
        engine: &Engine,
        of: impl IntoIterator<Item = (Market, Stream)>,
    ) -> Vec<Option<StreamHealth>> {
        let now = Now::of(engine);
        let mut state = self.state();
        let each = |(market, stream)| state.stream(market, stream, &now);
        of.into_iter().map(each).collect()
    }
}

impl State {
    fn feed(&mut self, exchange: Exchange, stats: &FeedStats, now: &Now) -> FeedHealth {
        let mut symbols: Vec<SymbolHealth> = self
            .markets
            .iter()
            .filter(|(market, _)| market.exchange() == exchange)
            .filter_map(|(&market, known)| self.symbol(market, known, now))
            .collect();
        symbols.sort_by_key(|symbol| symbol.symbol);
        let feed = self.feeds.entry(exchange).or_default();
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let messages = count(&stats.messages);
        let status = feed.status.as_ref();
        FeedHealth {
            provider: exchange.name(),
            state: feed.name_of_state(count(&stats.connects), &symbols),
            reason: status
                .filter(|status| status.state != StatusState::Connected)
                .and_then(|status| status.reason.clone()),
            uptime: round(feed.up_since.map_or(0.0, |since| now.since(since))),
            messages,
            rate: round(feed.rate_at(messages, now.at)),
            bytes: count(&stats.bytes),
            bad_frames: count(&stats.bad_frames),
            connects: count(&stats.connects),
            reconnects: feed.reconnects,
            age: rounded(feed.last.map(|last| now.since(last))),
            latency_ms: feed.latency.summary(now.at),
            delivery_ms: feed.delivery.summary(now.at),
            gaps: feed.gaps,
            missing: feed.missing,
            repairs: feed.repairs,
            recovered: feed.recovered,
            symbols,
        }
    }

    /// `None`: it neither is served nor speaks for another one now.
    fn symbol(&self, market: Market, known: &MarketState, now: &Now) -> Option<SymbolHealth> {
        let speaks = |other: &MarketState| other.stand_in == Some(market);
        if !known.is_served() && !self.markets.values().any(speaks) {
            return None;
        }
        let (state, reason) = self.market_state(market, known);
        let names: BTreeSet<String> = known
            .streams
            .iter()
            .map(|(of, _)| stream_name(*of))
            .collect();
        Some(SymbolHealth {
            symbol: market.symbol(),
            state,
            reason,
            age: rounded(self.age(market, known, now)),
            streams: names.into_iter().collect(),
            events: known.streams.iter().map(|(_, of)| of.events).sum(),
        })
    }

    fn stream(&mut self, market: Market, stream: Stream, now: &Now) -> Option<StreamHealth> {
        let known = self.markets.get(&market)?;
        let age = self.stream_age(market, known, stream, now);
        let (state, reason) = self.market_state(market, known);
        let batch = self.batch;
        let mut streams = self.markets.get_mut(&market)?.streams.iter_mut();
        let (_, of) = streams.find(|(of, _)| *of == stream)?;
        Some(StreamHealth {
            state,
            reason,
            events: of.events,
            queue: if of.waited.0 == batch { of.waited.1 } else { 0 },
            latency: of.latency.summary(now.at),
            age: rounded(age),
        })
    }

    /// The state of a market, which is that of the connection where nothing else is known.
    fn market_state(&self, market: Market, known: &MarketState) -> (&'static str, Option<String>) {
        let feed = self.feeds.get(&market.exchange());
        let connection = feed.and_then(|feed| feed.status.as_ref());
        let connection = connection.filter(|status| status.state.is_trouble());
        let own = known.status.as_ref();
        // A symbol that was refused stays so whatever the connection does.
        let own = own.filter(|status| status.state.is_trouble() || connection.is_none());
        if let Some(status) = own.or(connection) {
            let is_well = status.state == StatusState::Connected;
            let reason = (!is_well).then(|| status.reason.clone()).flatten();
            return (status.state.name(), reason);
        }
        let has_data = known.streams.iter().any(|(_, of)| of.last.is_some());
        match has_data {
            true => ("connected", None),
            false => ("connecting", None),
        }
    }

    /// What is wrong with a market, or with its connection. Nothing, where another one speaks for it.
    fn trouble(&self, market: Market, known: &MarketState) -> Option<String> {
        if known.stand_in.is_some() {
            return None;
        }
        let feed = self.feeds.get(&market.exchange());
        let connection = feed.and_then(|feed| feed.status.as_ref());
        let both = known.status.iter().chain(connection);
        let is_bad = |state| matches!(state, StatusState::Stale | StatusState::Failed);
        let bad = both.into_iter().find(|status| is_bad(status.state))?;
        Some(match &bad.reason {
            Some(reason) => format!("{}: {reason}", bad.state.name()),
            None => bad.state.name().to_owned(),
        })
    }

    /// Whether the exchange's own stream could tell what is new.
    fn is_connected(&self, market: Market) -> bool {
        let feed = self.feeds.get(&market.exchange());
        let status = feed.and_then(|feed| feed.status.as_ref());
        // A clean first connect is not told.
        status.is_none_or(|status| {
            matches!(status.state, StatusState::Connected | StatusState::Quiet)
        })
    }

    fn why_stale(
        &self,
        market: Market,
        known: &MarketState,
        max_age: Duration,
        now: &Now,
    ) -> Option<String> {
        let since = known.streams.iter().filter_map(|(_, of)| of.served).min()?;
        if let Some(trouble) = self.trouble(market, known) {
            return Some(trouble);
        }
        if self.is_watched(market, known) {
            return None;
        }
        let max_age = max_age.as_secs_f64();
        match self.age(market, known, now) {
            Some(age) if age > max_age => Some(format!("nothing was confirmed for {age:.0} s")),
            None if now.since(since) > max_age => Some("nothing has come yet".to_owned()),
            _ => None,
        }
    }

    /// Whether somebody else looks after its silence: on an open line the engine asks about every stream that falls
    /// silent, as often as its cadence and the number of streams allow, and tells a dead one. A calm market can be
    /// older than any age then, and is well.
    fn is_watched(&self, market: Market, known: &MarketState) -> bool {
        let speaker = known.stand_in.unwrap_or(market);
        self.feeds.get(&speaker.exchange()).is_some_and(|feed| {
            // What is polled for, as a fallback, is as old as the last answer.
            let is_open = |status: &Arc<Status>| status.state == StatusState::Connected;
            feed.has_line && feed.up_since.is_some() && feed.status.iter().all(is_open)
        })
    }

    /// That of its freshest stream, or of who speaks for it.
    fn age(&self, market: Market, known: &MarketState, now: &Now) -> Option<f64> {
        let streams = known.streams.iter().map(|(of, _)| *of);
        let ages = streams.filter_map(|of| self.stream_age(market, known, of, now));
        let other = known.stand_in.and_then(|other| {
            let known = self.markets.get(&other)?;
            // Whoever stands in has nobody for itself here: no circle.
            let streams = known.streams.iter().map(|(of, _)| *of);
            let ages = streams.filter_map(|of| self.stream_age(other, known, of, now));
            ages.min_by(f64::total_cmp)
        });
        ages.chain(other).min_by(f64::total_cmp)
    }

    fn stream_age(
        &self,
        market: Market,
        known: &MarketState,
        stream: Stream,
        now: &Now,
    ) -> Option<f64> {
        let (_, of) = known.streams.iter().find(|(of, _)| *of == stream)?;
        let feed = self.feeds.get(&market.exchange());
        let arrived = of.last.map(|last| now.since(last));
        let confirmed = now.confirmed.get(market, stream);
        // Times of a clock of its own say nothing about ours.
        let confirmed = confirmed.filter(|_| feed.is_none_or(|feed| !feed.has_own_clock));
        let confirmed = confirmed.map(|at| now.wall.seconds_since(at).max(0.0));
        // A confirmation from before the stream was served is not of what is shown.
        let since = of.served.map(|served| now.since(served));
        let confirmed = confirmed.filter(|age| since.is_none_or(|since| *age <= since));
        arrived.into_iter().chain(confirmed).min_by(f64::total_cmp)
    }
}

impl Feed {
    fn name_of_state(&self, connects: u64, symbols: &[SymbolHealth]) -> &'static str {
        if symbols.is_empty() {
            return "idle";
        }
        let status = self.status.as_ref().map(|status| status.state);
        if let Some(state) = status.filter(|state| *state != StatusState::Connected) {
            return state.name();
        }
        if status.is_none() && connects == 0 && self.last.is_none() {
            return "connecting";
        }
        let all = |name: &str| symbols.iter().all(|symbol| symbol.state == name);
        match () {
            () if all("stale") => "stale",
            () if all("quiet") => "quiet",
            () => "connected",
        }
    }

    pub(super) fn rate_at(&self, messages: u64, now: Instant) -> f64 {
        let Some(&(since, before)) = self.samples.front() else {
            return 0.0;
        };
        let seconds = now.saturating_duration_since(since).as_secs_f64();
        if seconds > 0.0 {
            messages.saturating_sub(before) as f64 / seconds
        } else {
            0.0
        }
    }
}

/// `ticker`, `trades`, `candles:1m`.
pub(in super::super) fn stream_name(stream: Stream) -> String {
    match stream.interval() {
        Some(interval) => format!("{}:{interval}", stream.name()),
        None => stream.name().to_owned(),
    }
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn rounded(value: Option<f64>) -> Option<f64> {
    value.map(round)
}
