//! One connection, kept up: connect, run a session, back off, again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Uri;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exchange::protocol::{Adapter, Limits};
use crate::feed::{Batch, Command, FeedStats, Topic};
use crate::model::{Clock, Event, Market, Status, StatusState};
use crate::net::{ConnectError, Dial, Phase};

use super::backoff::Backoff;
use super::connects::Connects;
use super::ended::{Ended, Lost};
use super::session::Session;
use super::socket::{Socket, host};

/// For the answer to the WebSocket upgrade.
const UPGRADE_DEADLINE: Duration = Duration::from_secs(5);
/// A connection that stood so long, with data, starts its backoff anew when it is lost.
const PROVEN: Duration = Duration::from_secs(30);

/// How one connection is kept up.
#[derive(Clone)]
pub struct ConnectionOptions {
    /// The whole URL, `ws` or `wss`.
    pub url: Uri,
    /// Sent with the upgrade.
    pub headers: Vec<(String, String)>,
    /// Attempts in a row before it is given up; 0 = no limit.
    pub attempts: u32,
    /// First step of the backoff.
    pub delay: Duration,
    /// Longest step of the backoff.
    pub max_delay: Duration,
    /// Pause between pings.
    pub heartbeat: Duration,
    /// What the exchange allows.
    pub limits: Limits,
    /// How many connections feed this exchange. One alone is "the whole connection" in what it tells of
    /// its state; of several each speaks for its own symbols.
    pub siblings: Arc<AtomicUsize>,
}

/// One connection. Generic over what opens the byte stream; time is tokio's, so it can be paused.
pub struct Connection<D> {
    pub(super) adapter: Arc<dyn Adapter>,
    pub(super) options: ConnectionOptions,
    dial: D,
    pub(super) clock: Arc<dyn Clock>,
    random: fastrand::Rng,
    connects: Connects,
    pub(super) events: mpsc::Sender<Batch>,
    pub(super) stats: Arc<FeedStats>,
    cancel: CancellationToken,
    /// What it has to feed.
    pub(super) wanted: Vec<Topic>,
    /// Something went wrong that was told, and its end was not told yet.
    troubled: bool,
    backoff: Backoff,
}

impl<D: Dial> Connection<D> {
    /// A connection that feeds `events`.
    #[allow(clippy::too_many_arguments)] // Each is one seam; a struct of them would only move the list.
    pub fn new(
        adapter: Arc<dyn Adapter>,
        options: ConnectionOptions,
        dial: D,
        clock: Arc<dyn Clock>,
        random: fastrand::Rng,
        connects: Connects,
        events: mpsc::Sender<Batch>,
        stats: Arc<FeedStats>,
        cancel: CancellationToken,
    ) -> Self {
        let backoff = Backoff::new(options.delay, options.max_delay);
        Self {
            adapter,
            options,
            dial,
            clock,
            random,
            connects,
            events,
            stats,
            cancel,
            wanted: Vec::new(),
            troubled: false,
            backoff,
        }
    }

    /// Feeds what `commands` ask for until they end or the token is cancelled.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let cancel = self.cancel.clone();
        loop {
            while self.wanted.is_empty() {
                tokio::select! {
                    () = cancel.cancelled() => return,
                    command = commands.recv() => match command {
                        Some(command) => self.change(command),
                        None => return,
                    },
                }
            }
            let Some(opened) = self.open_meanwhile(&mut commands).await else {
                return;
            };
            let lost = match opened {
                Ok(socket) => match self.session(socket, &mut commands).await {
                    Ended::Lost(lost) => {
                        // The exchange asked for it, so it holds for every connection to this host.
                        self.connects.pause(lost.pause).await;
                        lost
                    }
                    Ended::Idle => continue,
                    Ended::Done => return,
                },
                Err(lost) => lost,
            };
            FeedStats::add(&self.stats.disconnects, 1);
            if !self.wait_before_retry(lost, &mut commands).await {
                return;
            }
        }
    }

    /// Opens the line, and takes commands meanwhile: a budget can make it wait for minutes. `None` when
    /// nobody wants it any more.
    async fn open_meanwhile(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Option<Result<Socket<D::Stream>, Lost>> {
        let mut taken = Vec::new();
        let opened = {
            let mut open = std::pin::pin!(self.open());
            loop {
                tokio::select! {
                    () = self.cancel.cancelled() => return None,
                    opened = &mut open => break opened,
                    command = commands.recv() => taken.push(command?),
                }
            }
        };
        for command in taken {
            self.change(command);
        }
        Some(opened)
    }

    async fn open(&self) -> Result<Socket<D::Stream>, Lost> {
        self.connects.ready().await?;
        let opened = self.dial_and_upgrade().await;
        if let Err(error) = &opened {
            self.connects.failed(error).await;
        }
        Ok(opened?)
    }

    async fn dial_and_upgrade(&self) -> Result<Socket<D::Stream>, ConnectError> {
        let url = &self.options.url;
        let stream = self.dial.dial(url).await?;
        let upgrade = Socket::open(stream, url, &self.options.headers);
        let timed_out = || ConnectError::Timeout {
            host: host(url),
            phase: Phase::Upgrade,
        };
        let socket = tokio::time::timeout(UPGRADE_DEADLINE, upgrade)
            .await
            .map_err(|_| timed_out())??;
        FeedStats::add(&self.stats.connects, 1);
        Ok(socket)
    }

    async fn session(
        &mut self,
        socket: Socket<D::Stream>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Ended {
        let (started, cancel) = (Instant::now(), self.cancel.clone());
        let mut session = Session::new(self, socket);
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Ended::Done,
            ended = session.run(commands) => ended,
        };
        let had_data = session.had_data;
        session.finish(&ended).await;
        if had_data && started.elapsed() >= PROVEN {
            self.backoff.reset();
        }
        ended
    }

    /// Tells the trouble and waits; `false` when there is nothing to wait for any more.
    async fn wait_before_retry(
        &mut self,
        lost: Lost,
        commands: &mut mpsc::Receiver<Command>,
    ) -> bool {
        let attempt = self.backoff.attempts() + 1;
        if lost.stale {
            self.tell(StatusState::Stale, attempt, &lost.reason).await;
        }
        let spent = self.options.attempts > 0 && attempt > self.options.attempts;
        self.troubled = true;
        if lost.fatal || spent {
            let reason = if spent {
                format!("{} (attempts spent)", lost.reason)
            } else {
                lost.reason
            };
            return self.fail(reason, attempt, commands).await;
        }
        let delay = self.backoff.next(&mut self.random) + lost.pause;
        tracing::info!(exchange = %self.adapter.exchange(), attempt, ?delay, reason = %lost.reason, "reconnecting");
        self.tell(StatusState::Reconnecting, attempt, &lost.reason)
            .await;
        let until = Instant::now() + delay;
        loop {
            tokio::select! {
                () = self.cancel.cancelled() => return false,
                () = tokio::time::sleep_until(until) => return true,
                command = commands.recv() => match command {
                    Some(command) => self.change(command),
                    None => return false,
                },
            }
        }
    }

    /// Given up: says so, also to everyone who asks for more.
    async fn fail(
        &mut self,
        reason: String,
        attempt: u32,
        commands: &mut mpsc::Receiver<Command>,
    ) -> bool {
        loop {
            self.tell(StatusState::Failed, attempt, &reason).await;
            loop {
                tokio::select! {
                    () = self.cancel.cancelled() => return false,
                    command = commands.recv() => match command {
                        Some(Command::Subscribe(_)) => break,
                        Some(_) => {}
                        None => return false,
                    },
                }
            }
        }
    }

    fn change(&mut self, command: Command) {
        match command {
            Command::Subscribe(topics) => {
                self.add(topics);
            }
            Command::Unsubscribe(topics) => {
                self.remove(&topics);
            }
            Command::Resubscribe(_) | Command::Move(_) | Command::Check | Command::Cut => {}
        }
    }

    /// Wants these; returns those that are new.
    pub(super) fn add(&mut self, topics: Vec<Topic>) -> Vec<Topic> {
        let before = self.wanted.len();
        for topic in topics {
            if !self.wanted.contains(&topic) {
                self.wanted.push(topic);
            }
        }
        self.wanted[before..].to_vec()
    }

    /// Wants these no more; returns those that were wanted.
    pub(super) fn remove(&mut self, topics: &[Topic]) -> Vec<Topic> {
        self.wanted.extract_if(.., |t| topics.contains(t)).collect()
    }

    /// Every subscription of a session was answered. Told only after trouble.
    pub(super) fn settled(&mut self) -> Vec<Event> {
        if !std::mem::take(&mut self.troubled) {
            return Vec::new();
        }
        self.statuses(StatusState::Connected, self.backoff.attempts(), None)
    }

    /// The state of this connection: one event where it is the only one, else one for each of its symbols.
    fn statuses(&self, state: StatusState, attempt: u32, reason: Option<&str>) -> Vec<Event> {
        let mut markets = vec![None];
        if self.options.siblings.load(Ordering::Relaxed) > 1 {
            markets = Vec::new();
            for topic in &self.wanted {
                if !markets.contains(&Some(topic.instrument.market)) {
                    markets.push(Some(topic.instrument.market));
                }
            }
        }
        let status = |market| self.status(market, state, attempt, reason.map(str::to_owned));
        markets.into_iter().map(status).collect()
    }

    pub(super) fn status(
        &self,
        market: Option<Market>,
        state: StatusState,
        attempt: u32,
        reason: Option<String>,
    ) -> Event {
        Event::Status(Arc::new(Status {
            exchange: self.adapter.exchange(),
            market,
            state,
            attempt,
            reason,
            timestamp: self.clock.now(),
        }))
    }

    async fn tell(&self, state: StatusState, attempt: u32, reason: &str) {
        self.deliver(self.statuses(state, attempt, Some(reason)))
            .await;
    }

    /// Waits for room, but not beyond the end of the feed.
    pub(super) async fn deliver(&self, events: Vec<Event>) {
        tokio::select! {
            biased;
            _ = self.events.send(events.into()) => {}
            () = self.cancel.cancelled() => {}
        }
    }
}
