//! The bounded queue between the engine and one subscriber.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::{Event, Exchange, Gap, GapReason, GapState, Market, Stream, Timestamp};

/// How long the engine waits for a slow reader before it drops.
pub const SLOW_READER_PATIENCE: Duration = Duration::from_secs(5);
/// Events that wait for a reader unless it asks for another number.
pub const DEFAULT_CAPACITY: usize = 16_384;

/// What happens to events that a subscriber has not taken yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Only the newest state of each market is kept, and closed candles. For screens; refuses trades, which are no
    /// state.
    Latest,
    /// Every event, in order, up to `capacity` of them.
    Every {
        /// Events that wait at most.
        capacity: usize,
        /// What happens when they do.
        overflow: Overflow,
    },
}

impl Default for Delivery {
    fn default() -> Self {
        Self::Every {
            capacity: DEFAULT_CAPACITY,
            overflow: Overflow::default(),
        }
    }
}

/// What a full queue does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The engine waits: for sources that can be slowed down. Slows every other subscriber, too.
    Wait,
    /// The engine waits this long, then drops, and tells the reader in a `gap` what it missed. It waits
    /// anew only after the queue was half empty.
    WaitThenGap(Duration),
    /// The subscription ends.
    Disconnect,
}

impl Default for Overflow {
    fn default() -> Self {
        Self::WaitThenGap(SLOW_READER_PATIENCE)
    }
}

/// Why a subscription ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// The engine stopped; everything before was delivered.
    #[error("the engine has stopped")]
    Stopped,
    /// The reader was too slow for [`Overflow::Disconnect`].
    #[error("the reader was too slow")]
    TooSlow,
    /// The reader is gone.
    #[error("the subscription was dropped")]
    Dropped,
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    delivery: Delivery,
    state: Mutex<State>,
    filled: Notify,
    room: Notify,
}

/// What states take one another's place.
type Key = (&'static str, Option<Stream>, Exchange, Option<Market>);

#[derive(Debug, Default)]
struct State {
    events: Vec<Event>,
    /// For [`Delivery::Latest`]: where each state lies in `events`.
    places: HashMap<Key, usize>,
    end: Option<End>,
    lost: Vec<Lost>,
    /// When the wait for the reader ends.
    patience: Option<Instant>,
    /// Patience was used up and the queue has not been half empty since.
    spent: bool,
    dropped: u64,
}

/// A mailbox that could not take everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Full {
    /// When what is left over is dropped; `None`: never.
    pub until: Option<Instant>,
}

/// What one reader missed in one stream.
#[derive(Debug)]
struct Lost {
    market: Market,
    stream: Stream,
    from_id: Option<u64>,
    to_id: Option<u64>,
    from: Option<Timestamp>,
    count: u64,
}

impl Mailbox {
    pub fn new(mut delivery: Delivery) -> Self {
        if let Delivery::Every { capacity, .. } = &mut delivery {
            // Nothing would ever fit.
            *capacity = (*capacity).max(1);
        }
        Self {
            delivery,
            state: Mutex::default(),
            filled: Notify::new(),
            room: Notify::new(),
        }
    }

    /// A plain mutex: never held across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Puts in what fits. `None`: `events` is empty now. Else the rest stays in it, to be offered again when
    /// there is [`Mailbox::room`] or when the patience is at an end.
    pub fn offer(&self, events: &mut Vec<Event>) -> Option<Full> {
        let Delivery::Every { capacity, overflow } = self.delivery else {
            self.conflate(events);
            return None;
        };
        let mut state = self.state();
        if state.end.is_some() {
            events.clear();
            return None;
        }
        let now = Instant::now();
        if state.patience.is_some_and(|until| until <= now) {
            (state.patience, state.spent) = (None, true);
        }
        if state.spent && state.events.len() > capacity / 2 {
            state.lose(events, capacity);
            return None;
        }
        state.spent = false;
        let room = capacity.saturating_sub(state.events.len());
        if events.len() <= room {
            state.patience = None;
            if state.events.is_empty() {
                std::mem::swap(&mut state.events, events);
            } else {
                state.events.append(events);
            }
        } else {
            state.events.extend(events.drain(..room));
            match overflow {
                Overflow::Disconnect => {
                    state.end = Some(End::TooSlow);
                    events.clear();
                }
                Overflow::WaitThenGap(limit) => {
                    state.patience.get_or_insert(now + limit);
                }
                Overflow::Wait => {}
            }
        }
        let full = (!events.is_empty()).then_some(Full {
            until: state.patience,
        });
        drop(state);
        self.filled.notify_one();
        full
    }

    /// Waits until the reader took something, or is gone.
    pub async fn room(&self) {
        self.room.notified().await;
    }

    fn conflate(&self, events: &mut Vec<Event>) {
        let mut state = self.state();
        if state.end.is_some() {
            events.clear();
            return;
        }
        for event in events.drain(..) {
            let key = (
                event.kind(),
                event.stream(),
                event.exchange(),
                event.market(),
            );
            // A closed candle is the last state of its own, not of the next one.
            let is_kept = |place: &usize| {
                let known = &state.events[*place];
                let is_closed = matches!(known, Event::Candle(candle) if candle.closed);
                is_closed && state.events.len() < DEFAULT_CAPACITY
            };
            let place = state.places.get(&key).copied();
            match place.filter(|place| !is_kept(place)) {
                Some(place) => state.events[place] = event,
                None => {
                    let place = state.events.len();
                    state.places.insert(key, place);
                    state.events.push(event);
                }
            }
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Waits for events and swaps them into `into` (cleared first). `Err` once there will be no more.
    pub async fn take(&self, into: &mut Vec<Event>) -> Result<(), End> {
        loop {
            let filled = self.filled.notified();
            if self.try_take(into)? {
                return Ok(());
            }
            filled.await;
        }
    }

    /// Like [`Mailbox::take`], without waiting: `false` when there is nothing now.
    pub fn try_take(&self, into: &mut Vec<Event>) -> Result<bool, End> {
        into.clear();
        let mut state = self.state();
        std::mem::swap(&mut state.events, into);
        state.places.clear();
        into.extend(state.lost.drain(..).map(Lost::gap));
        if into.is_empty() {
            return state.end.map_or(Ok(false), Err);
        }
        drop(state);
        self.room.notify_one();
        Ok(true)
    }

    /// Ends the subscription. What is already in it can still be taken, unless the reader is gone.
    pub fn end(&self, why: End) {
        let mut state = self.state();
        state.end.get_or_insert(why);
        drop(state);
        self.filled.notify_one();
        self.room.notify_one();
    }

    pub fn is_ended(&self) -> bool {
        self.state().end.is_some()
    }

    /// Events waiting, and events dropped so far.
    pub fn load(&self) -> (usize, u64) {
        let state = self.state();
        (state.events.len(), state.dropped)
    }
}

impl State {
    /// Drops these, and remembers what they were. States stay, the newest of each; gaps become part of
    /// what is missing.
    fn lose(&mut self, events: &mut Vec<Event>, capacity: usize) {
        for event in events.drain(..) {
            match &event {
                Event::Status(status) => {
                    let same = |e: &Event| matches!(e, Event::Status(s) if s.exchange == status.exchange && s.market == status.market);
                    // Beyond the capacity there is nothing but states.
                    match self.events.iter().skip(capacity).position(same) {
                        Some(at) => self.events[capacity + at] = event,
                        None => self.events.push(event),
                    }
                }
                Event::Gap(gap) => {
                    self.miss(
                        gap.market,
                        gap.stream,
                        (gap.from_id, gap.to_id),
                        gap.missing.unwrap_or(0),
                    );
                }
                Event::Trade(trade) => {
                    self.dropped += 1;
                    self.miss(
                        trade.market,
                        Stream::Trades,
                        (Some(trade.id), Some(trade.id)),
                        1,
                    );
                }
                Event::Ticker(ticker) => {
                    self.dropped += 1;
                    self.miss(ticker.market, Stream::Ticker, (None, None), 1);
                }
                // None comes from a provider; beyond the capacity they are as few as states.
                Event::Signal(_) => self.events.push(event),
                Event::Candle(candle) => {
                    self.dropped += 1;
                    // Of a forming one the next says the same and more: nothing is lost.
                    if candle.closed {
                        let stream = Stream::Candles(candle.interval);
                        self.miss(candle.market, stream, (None, None), 1);
                    }
                }
            }
        }
    }

    fn miss(
        &mut self,
        market: Market,
        stream: Stream,
        ids: (Option<u64>, Option<u64>),
        count: u64,
    ) {
        if let Some(lost) = self
            .lost
            .iter_mut()
            .find(|lost| lost.market == market && lost.stream == stream)
        {
            lost.to_id = ids.1;
            lost.count += count;
            return;
        }
        let same = |e: &&Event| e.market() == Some(market) && e.stream() == Some(stream);
        let from = self.events.iter().rev().find(same).and_then(time_of);
        self.lost.push(Lost {
            market,
            stream,
            from_id: ids.0,
            to_id: ids.1,
            from,
            count,
        });
    }
}

fn time_of(event: &Event) -> Option<Timestamp> {
    match event {
        Event::Trade(trade) => Some(trade.timestamp),
        Event::Ticker(ticker) => ticker.timestamp.or(Some(ticker.received_at)),
        Event::Candle(candle) => Some(candle.close_time()),
        Event::Gap(_) | Event::Status(_) | Event::Signal(_) => None,
    }
}

impl Lost {
    /// The time after the hole is not known yet: the next event has still to come.
    fn gap(self) -> Event {
        Event::Gap(Arc::new(Gap {
            market: self.market,
            stream: self.stream,
            from_id: self.from_id,
            to_id: self.to_id,
            from: self.from,
            to: None,
            missing: Some(self.count),
            recovered: 0,
            state: GapState::Unrepairable,
            reason: GapReason::SlowConsumer,
        }))
    }
}

#[cfg(test)]
mod tests;
