//! The one task that owns all market state: takes batches from the feeds, applies them, publishes.

mod candles;
mod feeds;
mod renewal;
mod watch;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::feed::{Batch, Command, FeedStats, Provider, Topic, TradeMark};
use crate::model::{Clock, Event, Exchange, Instrument, Market, Status, StatusState, Stream};
use crate::sanity::Sanity;

use super::awake::Awake;
use super::candles::Candles;
use super::confirmed::Confirmed;
use super::core::{Core, Effect};
use super::failover::Failover;
use super::freshness::Freshness;
use super::hub::{Filter, Hub, SubscriberId};
use super::mailbox::Mailbox;
use super::past::Past;
use super::probe::Probes;
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
    StandIn {
        id: SubscriberId,
        primary: Market,
        others: Vec<Arc<Instrument>>,
    },
    Cut {
        exchange: Exchange,
    },
    Register {
        provider: Arc<dyn Provider>,
        done: oneshot::Sender<()>,
    },
    Withdraw {
        exchange: Exchange,
        done: oneshot::Sender<()>,
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
    pub confirmed: Confirmed,
    pub clock: Arc<dyn Clock>,
    feeds: HashMap<Exchange, Feed>,
    /// Feeds of providers that were taken away, each with the token that says when it has ended.
    ending: HashMap<Exchange, CancellationToken>,
    /// Exchanges whose provider was replaced, and whether its feed has ended: the new one was not heard yet.
    renewing: HashMap<Exchange, bool>,
    /// What the feeds bring: what subscribers read, and what candles are made of.
    topics: HashMap<(Market, Stream), Topic>,
    /// The end of the feeds' queue that new feeds get; `None` at the end.
    feed_in: Option<mpsc::Sender<Batch>>,
    core: Core,
    repairs: Repairs,
    candles: Candles,
    past: Past,
    sanity: Sanity,
    freshness: Freshness,
    probes: Probes,
    failover: Failover,
    awake: Awake,
    /// When the lines of an exchange may be cut again.
    cuts: HashMap<Exchange, u64>,
    /// What was asked for over REST in the place of a dead stream: for the next hand-over.
    polled: Vec<Event>,
    hub: Hub,
    started: Instant,
    /// The subscriber that has no room and is waited for. Nothing is taken from the feeds meanwhile.
    stuck: Option<Stuck>,
    /// Time spent so.
    blocked: Duration,
    /// Markets that were said to be silent.
    quiet: HashSet<Market>,
    /// What is given up: told also to those who come later.
    failed: Vec<Arc<Status>>,
}

/// A running feed.
struct Feed {
    commands: mpsc::Sender<Command>,
    /// Ends it alone.
    cancel: CancellationToken,
    /// Cancelled when it has ended.
    ended: CancellationToken,
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
        let awake = Awake::new(clock.now(), 0);
        Self {
            providers,
            control,
            cancel,
            tracker,
            feed_stats: Arc::default(),
            counters: Arc::default(),
            confirmed: Confirmed::default(),
            clock,
            feeds: HashMap::new(),
            ending: HashMap::new(),
            renewing: HashMap::new(),
            topics: HashMap::new(),
            feed_in: None,
            core: Core::default(),
            repairs: Repairs::default(),
            candles: Candles::default(),
            past: Past::default(),
            sanity: Sanity::default(),
            freshness: Freshness::default(),
            probes: Probes::default(),
            failover: Failover::default(),
            awake,
            cuts: HashMap::new(),
            polled: Vec::new(),
            hub: Hub::default(),
            started: Instant::now(),
            stuck: None,
            blocked: Duration::ZERO,
            quiet: HashSet::new(),
            failed: Vec::new(),
        }
    }

    /// Runs until cancelled; then takes what the feeds still have, tells what waits, and ends every
    /// subscription.
    pub async fn run(mut self) {
        let (feed_in, mut inbound) = mpsc::channel::<Batch>(INBOUND_BATCHES);
        self.feed_in = Some(feed_in);
        let (mut batches, mut out) = (Vec::with_capacity(DRAIN), Vec::new());
        let mut stopping = false;
        loop {
            let deadline = self.deadline();
            let deadline =
                deadline.map(|at| self.started + self.blocked + Duration::from_nanos(at));
            tokio::select! {
                biased;
                () = self.cancel.cancelled(), if !stopping => {
                    // Feeds end by themselves and drop their senders; ours is the last.
                    stopping = true;
                    self.feed_in = None;
                }
                Some(control) = self.control.recv() => {
                    if !stopping {
                        self.on_control(control);
                    }
                }
                () = room(self.stuck.as_ref()) => self.deliver(),
                // Before the events: in a flood of them it would never be its turn.
                answer = self.repairs.next(), if self.stuck.is_none() => {
                    self.on_answer(answer, &mut out);
                }
                told = self.probes.next(), if self.stuck.is_none() => self.on_told(told, &mut out),
                told = self.past.next(), if self.stuck.is_none() => self.on_past(told),
                // Before the timer: what waits here may fill a hole whose time is up.
                n = inbound.recv_many(&mut batches, DRAIN), if self.stuck.is_none() => {
                    if n == 0 {
                        break;
                    }
                    self.on_batches(&mut batches, &mut out);
                }
                () = sleep_until(deadline), if self.stuck.is_none() => {
                    self.on_timer(&mut out);
                }
            }
            if !self.candles.is_idle() {
                self.make_candles(&mut out);
            }
            if !out.is_empty() || !self.polled.is_empty() {
                self.publish(&mut out);
            }
            if !stopping {
                self.act();
            }
        }
        self.core.finish(&mut out);
        if !self.candles.is_idle() {
            self.make_candles(&mut out);
            self.candles.finish(&mut out);
        }
        self.publish(&mut out);
        while self.stuck.is_some() {
            room(self.stuck.as_ref()).await;
            self.deliver();
        }
        self.hub.finish();
    }

    /// Nanoseconds since the start.
    fn monotonic(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// The same without the time in which subscribers kept the engine waiting: what arrived meanwhile waits
    /// before us, and a hole that it fills has not been open for longer.
    fn now(&self) -> u64 {
        (self.started.elapsed() - self.blocked).as_nanos() as u64
    }

    fn on_batches(&mut self, batches: &mut Vec<Batch>, out: &mut Vec<Event>) {
        let now = self.now();
        for batch in batches.drain(..) {
            if !self.renewing.is_empty() {
                self.look_for_renewed(&batch, out);
            }
            for event in batch.events {
                match &event {
                    Event::Status(status) => self.note(status),
                    Event::Trade(trade) if trade.replayed => self.candles.on_replayed(trade),
                    _ => {}
                }
                self.core.apply(event, now, out);
            }
            for sign in &batch.signs {
                self.core.on_sign(sign, now, self.clock.now());
                self.watch_sign(sign, now);
                self.sign_to_candles(sign, out, now);
            }
        }
        // Here, too: in a flood the timer's own turn may not come.
        match self.deadline().is_some_and(|at| at <= now) {
            true => self.on_timer(out),
            false => self.core.on_timer(now, out),
        }
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
        self.ask_for_candles();
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
        self.look_over(out);
        let newest = out.iter().rev().find_map(Event::received_at);
        let n = out.len() as u64;
        self.hub.stage_all(out);
        self.hub.stage_all(&mut self.polled);
        self.fail_over();
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
            self.close(id);
        }
        self.counters
            .keep(&self.core, &self.candles, self.hub.load());
    }

    /// Remembers what is given up, until it works again.
    fn note(&mut self, status: &Arc<Status>) {
        self.failed
            .retain(|s| s.exchange != status.exchange || s.market != status.market);
        if status.state == StatusState::Failed {
            self.failed.push(status.clone());
        }
    }

    fn close(&mut self, id: SubscriberId) {
        self.failover.remove(id);
        let orphans = self.hub.close(id);
        self.unsubscribe(orphans);
    }

    fn on_control(&mut self, control: Control) {
        match control {
            Control::Open {
                id,
                mailbox,
                filter,
                topics,
                done,
            } => {
                self.hub.open(id, mailbox, filter);
                let _ = done.send(self.subscribe(id, topics));
            }
            Control::Add { id, topics, done } => {
                let _ = done.send(self.subscribe(id, topics));
            }
            Control::Remove { id, topics, done } => {
                let mut topics = topics;
                for market in topics.iter().map(|topic| topic.0).collect::<Vec<_>>() {
                    topics.extend(self.failover.forget(id, market));
                    self.hub.hush(id, market, false);
                }
                let orphans = self.hub.remove(id, &topics);
                self.unsubscribe(orphans);
                let _ = done.send(());
            }
            Control::StandIn {
                id,
                primary,
                others,
            } => self.stand_in(id, primary, others),
            Control::Close { id } => self.close(id),
            Control::Cut { exchange } => self.command(exchange, Command::Cut),
            Control::Register { provider, done } => {
                self.register(provider);
                let _ = done.send(());
            }
            Control::Withdraw { exchange, done } => {
                self.withdraw(exchange);
                let _ = done.send(());
            }
        }
        self.deliver();
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
