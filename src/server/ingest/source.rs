//! A provider whose feed is what programs push.

use std::collections::HashSet;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use crate::feed::{
    Answer, Batch, Command, FeedIo, FeedStats, Provider, ProviderError, Sign, Topic, Traits,
};
use crate::model::{
    Clock, Event, Exchange, Field, Instrument, Interval, Market, Status, StatusState, Stream,
    Ticker, Trade,
};

/// Events of one exchange that wait for the engine; further ones are refused.
pub const WAITING: usize = 4_096;
/// Without any push for so long, what was pushed is stale. There is nobody to ask.
pub const SILENCE: Duration = Duration::from_secs(60);
/// Events that are handed over at once.
const BATCH: usize = 256;

/// One exchange that is pushed to.
pub struct Source {
    shared: Arc<Shared>,
    /// Lengths of candles that were pushed.
    candles: &'static [Interval],
}

/// What stays when the lengths change.
struct Shared {
    exchange: Exchange,
    clock: Arc<dyn Clock>,
    sender: mpsc::Sender<Event>,
    /// Held by the feed that runs.
    receiver: Mutex<mpsc::Receiver<Event>>,
    instruments: RwLock<Vec<Instrument>>,
}

impl Source {
    /// Nothing was pushed yet.
    pub fn new(exchange: Exchange, clock: Arc<dyn Clock>) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let shared = Shared {
            exchange,
            clock,
            sender,
            receiver: Mutex::new(receiver),
            instruments: RwLock::default(),
        };
        Self {
            shared: Arc::new(shared),
            candles: &[],
        }
    }

    /// The same with candles of one more length. `None`: it has them.
    pub fn with_candles(&self, interval: Interval) -> Option<Self> {
        if self.candles.contains(&interval) {
            return None;
        }
        let mut candles = self.candles.to_vec();
        candles.push(interval);
        candles.sort_unstable();
        Some(Self {
            shared: self.shared.clone(),
            // There are few lengths, and few exchanges.
            candles: Box::leak(candles.into_boxed_slice()),
        })
    }

    /// Has this symbol from now on. It is kept for ever: the caller has checked and counted it.
    pub fn list(&self, base: &str, quote: &str) -> Arc<Instrument> {
        let native = format!("{base}/{quote}");
        let instrument = Instrument::new(self.shared.exchange, base, quote, native);
        let mut instruments = self.shared.instruments.write();
        let instruments = instruments.as_mut().expect("no holder of this lock panics");
        instruments.push(instrument.clone());
        Arc::new(instrument)
    }

    /// Hands an event over.
    ///
    /// Errors: as many as can wait do so.
    pub fn push(&self, event: Event) -> Result<(), String> {
        let pushed = self.shared.sender.try_send(event);
        pushed.map_err(|_| "busy: too many events wait, push this one again later".to_owned())
    }

    fn instruments(&self) -> Vec<Instrument> {
        let instruments = self.shared.instruments.read();
        instruments.expect("no holder of this lock panics").clone()
    }

    fn refused(&self, of: &Instrument) -> ProviderError {
        ProviderError::Refused(format!("{}: it is pushed and cannot be asked", of.market))
    }
}

impl Provider for Source {
    fn exchange(&self) -> Exchange {
        self.shared.exchange
    }

    fn traits(&self) -> Traits {
        let mut quotes: Vec<String> = Vec::new();
        for instrument in self.instruments() {
            let quote = instrument.market.quote().to_owned();
            if !quotes.contains(&quote) {
                quotes.push(quote);
            }
        }
        Traits {
            quotes,
            asset_aliases: &[],
            contiguous_ids: false,
            can_wait: false,
            own_clock: false,
            invented: false,
            stream_fields: Field::TICKER_NUMBERS,
            rest_fields: &[],
            // The feed tells it by itself: the program is the line, and no symbol can be asked about.
            silence: None,
            candles: self.candles,
            empty_candles: false,
            list_source: None,
        }
    }

    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>> {
        Box::pin(std::future::ready(Ok(Source::instruments(self))))
    }

    fn tickers(&self, of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        let refused = |instrument: Arc<Instrument>| {
            let why = self.refused(&instrument);
            (instrument, Err(why))
        };
        stream::iter(of).map(refused).boxed()
    }

    fn trades<'a>(
        &'a self,
        of: &'a Instrument,
        _limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>> {
        Box::pin(std::future::ready(Err(self.refused(of))))
    }

    fn run(self: Arc<Self>, io: FeedIo) -> BoxFuture<'static, ()> {
        Box::pin(self.feed(io))
    }
}

/// What a running feed knows.
struct Feed {
    io: FeedIo,
    topics: HashSet<(Market, Stream)>,
    is_stale: bool,
    last: Instant,
}

impl Source {
    async fn feed(self: Arc<Self>, io: FeedIo) {
        let mut receiver = self.shared.receiver.lock().await;
        let mut feed = Feed {
            io,
            topics: HashSet::new(),
            is_stale: false,
            last: Instant::now(),
        };
        let mut pushed = Vec::with_capacity(BATCH);
        loop {
            let is_watched = !feed.topics.is_empty() && !feed.is_stale;
            let batch = tokio::select! {
                biased;
                () = feed.io.cancel.cancelled() => return,
                command = feed.io.commands.recv() => match command {
                    Some(command) => feed.on_command(command),
                    None => return,
                },
                _ = receiver.recv_many(&mut pushed, BATCH) => {
                    self.on_events(&mut feed, &mut pushed)
                }
                () = tokio::time::sleep_until(feed.last + SILENCE), if is_watched => {
                    feed.is_stale = true;
                    let reason = format!("nothing was pushed for {} s", SILENCE.as_secs());
                    vec![self.status(StatusState::Stale, 1, Some(reason))].into()
                }
            };
            let is_empty = batch.events.is_empty() && batch.signs.is_empty();
            if !is_empty && feed.io.events.send(batch).await.is_err() {
                return;
            }
        }
    }

    fn on_events(&self, feed: &mut Feed, pushed: &mut Vec<Event>) -> Batch {
        feed.last = Instant::now();
        let n = pushed.len() as u64;
        FeedStats::add(&feed.io.stats.messages, n);
        let mut events = Vec::with_capacity(pushed.len() + 1);
        if std::mem::take(&mut feed.is_stale) {
            events.push(self.status(StatusState::Connected, 1, None));
        }
        let before = events.len();
        let is_wanted = |event: &Event| {
            let topic = event.market().zip(event.stream());
            topic.is_some_and(|topic| feed.topics.contains(&topic))
        };
        events.extend(pushed.drain(..).filter(is_wanted));
        let ignored = n - (events.len() - before) as u64;
        FeedStats::add(&feed.io.stats.ignored, ignored);
        events.into()
    }

    fn status(&self, state: StatusState, attempt: u32, reason: Option<String>) -> Event {
        Event::Status(Arc::new(Status {
            exchange: self.shared.exchange,
            market: None,
            state,
            attempt,
            reason,
            stand_in: None,
            timestamp: self.shared.clock.now(),
        }))
    }
}

impl Feed {
    fn on_command(&mut self, command: Command) -> Batch {
        match command {
            Command::Subscribe(topics) => {
                let keys = keys(&topics);
                if self.topics.is_empty() {
                    self.last = Instant::now();
                }
                self.topics.extend(keys.iter().copied());
                Batch {
                    events: Vec::new(),
                    signs: vec![Sign::Subscribed(keys)],
                }
            }
            Command::Unsubscribe(topics) => {
                for key in keys(&topics) {
                    self.topics.remove(&key);
                }
                Batch::default()
            }
            // There is no line that could be made anew.
            Command::Resubscribe(_) | Command::Move(_) | Command::Check | Command::Cut => {
                Batch::default()
            }
        }
    }
}

fn keys(topics: &[Topic]) -> Vec<(Market, Stream)> {
    let key = |topic: &Topic| (topic.instrument.market, topic.stream);
    topics.iter().map(key).collect()
}
