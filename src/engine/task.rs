//! The one task that owns all market state: takes batches from the feeds, applies them, publishes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::feed::{Batch, Command, FeedIo, FeedStats, Provider, Topic, TradeMark};
use crate::model::{Clock, Event, Exchange, Market, Status, StatusState, Stream};

use super::core::{Core, Effect};
use super::hub::{Filter, Hub, SubscriberId};
use super::mailbox::Mailbox;
use super::repair::{Answer, Repairs};
use super::stats::Counters;

/// Batches that wait for the engine, all feeds together. A full queue makes the drivers wait.
const INBOUND_BATCHES: usize = 64;
/// Subscription changes that wait for one feed.
const FEED_COMMANDS: usize = 1_024;
/// Batches taken in one go.
const DRAIN: usize = 16;

/// What the handles ask of the engine task.
pub(crate) enum Control {
    Open {
        id: SubscriberId,
        mailbox: Arc<Mailbox>,
        filter: Option<Filter>,
        topics: Vec<Topic>,
        done: oneshot::Sender<Result<(), Busy>>,
    },
    Add {
        id: SubscriberId,
        topics: Vec<Topic>,
        done: oneshot::Sender<Result<(), Busy>>,
    },
    Remove {
        id: SubscriberId,
        topics: Vec<(Market, Stream)>,
        done: oneshot::Sender<()>,
    },
    Close {
        id: SubscriberId,
    },
}

/// A feed that has not taken its earlier commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy(pub Exchange);

pub(crate) struct Task {
    pub providers: HashMap<Exchange, Arc<dyn Provider>>,
    pub control: mpsc::Receiver<Control>,
    pub cancel: CancellationToken,
    pub tracker: TaskTracker,
    pub feed_stats: Arc<Mutex<HashMap<Exchange, Arc<FeedStats>>>>,
    pub counters: Arc<Counters>,
    pub clock: Arc<dyn Clock>,
    feeds: HashMap<Exchange, mpsc::Sender<Command>>,
    topics: HashMap<(Market, Stream), Topic>,
    core: Core,
    repairs: Repairs,
    hub: Hub,
    started: Instant,
    /// The subscriber that has no room and is waited for. Nothing is taken from the feeds meanwhile.
    stuck: Option<Stuck>,
    /// Time spent so.
    blocked: Duration,
    /// What is given up: told also to those who come later.
    failed: Vec<Arc<Status>>,
}

struct Stuck {
    mailbox: Arc<Mailbox>,
    until: Option<Instant>,
    since: Instant,
}

impl Task {
    pub fn new(
        providers: HashMap<Exchange, Arc<dyn Provider>>,
        control: mpsc::Receiver<Control>,
        cancel: CancellationToken,
        tracker: TaskTracker,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            providers,
            control,
            cancel,
            tracker,
            feed_stats: Arc::default(),
            counters: Arc::default(),
            clock,
            feeds: HashMap::new(),
            topics: HashMap::new(),
            core: Core::default(),
            repairs: Repairs::default(),
            hub: Hub::default(),
            started: Instant::now(),
            stuck: None,
            blocked: Duration::ZERO,
            failed: Vec::new(),
        }
    }

    /// Runs until cancelled; then takes what the feeds still have, tells what waits, and ends every
    /// subscription.
    pub async fn run(mut self) {
        let (feed_in, mut inbound) = mpsc::channel::<Batch>(INBOUND_BATCHES);
        let mut feed_in = Some(feed_in);
        let (mut batches, mut out) = (Vec::with_capacity(DRAIN), Vec::new());
        let mut stopping = false;
        loop {
            let deadline = self.core.deadline();
            let deadline =
                deadline.map(|at| self.started + self.blocked + Duration::from_nanos(at));
            tokio::select! {
                biased;
                () = self.cancel.cancelled(), if !stopping => {
                    // Feeds end by themselves and drop their senders; ours is the last.
                    stopping = true;
                    feed_in = None;
                }
                Some(control) = self.control.recv() => {
                    if let Some(feed_in) = &feed_in {
                        self.on_control(control, feed_in);
                    }
                }
                () = room(self.stuck.as_ref()) => self.deliver(),
                // Before the events: in a flood of them it would never be its turn.
                answer = self.repairs.next(), if self.stuck.is_none() => {
                    self.on_answer(answer, &mut out);
                }
                // Before the timer: what waits here may fill a hole whose time is up.
                n = inbound.recv_many(&mut batches, DRAIN), if self.stuck.is_none() => {
                    if n == 0 {
                        break;
                    }
                    self.on_batches(&mut batches, &mut out);
                }
                () = sleep_until(deadline), if self.stuck.is_none() => {
                    self.core.on_timer(self.now(), &mut out);
                }
            }
            if !out.is_empty() {
                self.publish(&mut out);
            }
            if !stopping {
                self.act();
            }
        }
        self.core.finish(&mut out);
        self.publish(&mut out);
        while self.stuck.is_some() {
            room(self.stuck.as_ref()).await;
            self.deliver();
        }
        self.hub.finish();
    }

    /// Monotonic nanoseconds, without the time in which subscribers kept the engine waiting: what arrived
    /// meanwhile waits before us, and a hole that it fills has not been open for longer.
    fn now(&self) -> u64 {
        (self.started.elapsed() - self.blocked).as_nanos() as u64
    }

    fn on_batches(&mut self, batches: &mut Vec<Batch>, out: &mut Vec<Event>) {
        let now = self.now();
        for batch in batches.drain(..) {
            for event in batch.events {
                if let Event::Status(status) = &event {
                    self.note(status);
                }
                self.core.apply(event, now, out);
            }
            for sign in &batch.signs {
                self.core.on_sign(sign, now);
            }
        }
        // Here, too: in a flood the timer's own turn may not come.
        self.core.on_timer(now, out);
    }

    fn on_answer(&mut self, answer: Answer, out: &mut Vec<Event>) {
        let Answer {
            market,
            ticket,
            trades,
        } = answer;
        let now = self.now();
        self.core.on_repaired(market, ticket, trades, now, out);
    }

    /// Does what the core wants done.
    fn act(&mut self) {
        for effect in self.core.take_effects() {
            match effect {
                Effect::Repair {
                    market,
                    ticket,
                    after,
                    budget,
                } => self.ask_trades(market, ticket, after, Instant::now() + budget),
            }
        }
    }

    fn ask_trades(&mut self, market: Market, ticket: u64, after: TradeMark, deadline: Instant) {
        let topic = self.topics.get(&(market, Stream::Trades));
        let provider = self.providers.get(&market.exchange());
        // Else nobody wants them any more.
        if let (Some(topic), Some(provider)) = (topic, provider) {
            let of = topic.instrument.clone();
            self.repairs
                .ask(provider.clone(), of, ticket, after, deadline);
        }
    }

    fn publish(&mut self, out: &mut Vec<Event>) {
        let newest = out.iter().rev().find_map(Event::received_at);
        let n = out.len() as u64;
        self.hub.stage_all(out);
        self.deliver();
        let now = self.clock.now().nanos();
        let latency = newest.map(|at| now.saturating_sub(at.nanos()));
        self.counters.on_published(n, latency);
    }

    /// Hands out what is staged, or finds out who has to be waited for.
    fn deliver(&mut self) {
        let since = self.stuck.take().map(|stuck| stuck.since);
        match self.hub.deliver() {
            Some((mailbox, full)) => {
                let since = since.unwrap_or_else(Instant::now);
                self.stuck = Some(Stuck {
                    mailbox,
                    until: full.until,
                    since,
                });
            }
            None => self.blocked += since.map_or(Duration::ZERO, |since| since.elapsed()),
        }
        for id in self.hub.ended() {
            let orphans = self.hub.close(id);
            self.unsubscribe(orphans);
        }
        self.counters.keep(&self.core, self.hub.load());
    }

    /// Remembers what is given up, until it works again.
    fn note(&mut self, status: &Arc<Status>) {
        self.failed
            .retain(|s| s.exchange != status.exchange || s.market != status.market);
        if status.state == StatusState::Failed {
            self.failed.push(status.clone());
        }
    }

    fn on_control(&mut self, control: Control, feed_in: &mpsc::Sender<Batch>) {
        match control {
            Control::Open {
                id,
                mailbox,
                filter,
                topics,
                done,
            } => {
                self.hub.open(id, mailbox, filter);
                let _ = done.send(self.subscribe(id, topics, feed_in));
            }
            Control::Add { id, topics, done } => {
                let _ = done.send(self.subscribe(id, topics, feed_in));
            }
            Control::Remove { id, topics, done } => {
                let orphans = self.hub.remove(id, &topics);
                self.unsubscribe(orphans);
                let _ = done.send(());
            }
            Control::Close { id } => {
                let orphans = self.hub.close(id);
                self.unsubscribe(orphans);
            }
        }
        self.deliver();
    }

    fn subscribe(
        &mut self,
        id: SubscriberId,
        topics: Vec<Topic>,
        feed_in: &mpsc::Sender<Batch>,
    ) -> Result<(), Busy> {
        let keys: Vec<_> = topics
            .iter()
            .map(|t| (t.instrument.market, t.stream))
            .collect();
        let fresh = self.hub.add(id, &keys);
        let mut by_exchange: HashMap<Exchange, Vec<Topic>> = HashMap::new();
        for topic in topics {
            let key = (topic.instrument.market, topic.stream);
            if fresh.contains(&key) {
                by_exchange
                    .entry(key.0.exchange())
                    .or_default()
                    .push(topic.clone());
                self.topics.insert(key, topic);
                continue;
            }
            let concerns = |s: &&Arc<Status>| {
                s.exchange == key.0.exchange() && s.market.is_none_or(|m| m == key.0)
            };
            for status in self.failed.iter().filter(concerns) {
                self.hub.tell(id, Event::Status(status.clone()));
            }
        }
        for (exchange, topics) in by_exchange {
            let Some(provider) = self.providers.get(&exchange) else {
                continue;
            };
            let contiguous = provider.traits().contiguous_ids;
            for topic in &topics {
                self.core.add(topic.instrument.market, contiguous);
            }
            let mut sent = self
                .feed(exchange, feed_in)
                .try_send(Command::Subscribe(topics));
            if let Err(TrySendError::Closed(command)) = sent {
                // It came to its end by itself: a new one.
                self.feeds.remove(&exchange);
                sent = self.feed(exchange, feed_in).try_send(command);
            }
            sent.map_err(|_| Busy(exchange))?;
        }
        Ok(())
    }

    fn unsubscribe(&mut self, orphans: Vec<(Market, Stream)>) {
        let mut by_exchange: HashMap<Exchange, Vec<Topic>> = HashMap::new();
        for key in orphans {
            if key.1 == Stream::Trades {
                self.core.forget_trades(key.0);
            }
            self.failed.retain(|status| status.market != Some(key.0));
            if let Some(topic) = self.topics.remove(&key) {
                by_exchange.entry(key.0.exchange()).or_default().push(topic);
            }
        }
        for (exchange, topics) in by_exchange {
            if let Some(feed) = self.feeds.get(&exchange) {
                // A feed that is too busy to hear it goes on feeding what nobody reads: harmless.
                let _ = feed.try_send(Command::Unsubscribe(topics));
            }
        }
    }

    /// The command channel of a running feed, which is started where it does not run yet.
    fn feed(
        &mut self,
        exchange: Exchange,
        feed_in: &mpsc::Sender<Batch>,
    ) -> &mpsc::Sender<Command> {
        self.feeds.entry(exchange).or_insert_with(|| {
            let (sender, commands) = mpsc::channel(FEED_COMMANDS);
            let mut stats = self
                .feed_stats
                .lock()
                .expect("no holder of this lock panics");
            let stats = stats.entry(exchange).or_default().clone();
            let io = FeedIo {
                commands,
                events: feed_in.clone(),
                cancel: self.cancel.clone(),
                stats,
            };
            let (feed, cancel) = (
                self.providers[&exchange].clone().run(io),
                self.cancel.clone(),
            );
            let running = self.tracker.spawn(feed);
            self.tracker.spawn(async move {
                // A feed that broke must not pass for a quiet market: everything stops.
                if running.await.is_err_and(|error| error.is_panic()) {
                    cancel.cancel();
                }
            });
            sender
        })
    }
}

/// Waits until a stuck subscriber has room, or is not waited for any longer.
async fn room(stuck: Option<&Stuck>) {
    match stuck {
        Some(Stuck {
            mailbox,
            until: Some(until),
            ..
        }) => {
            let _ = tokio::time::timeout_at(*until, mailbox.room()).await;
        }
        Some(Stuck { mailbox, .. }) => mailbox.room().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
