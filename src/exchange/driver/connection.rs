//! One connection, kept up: connects, takes what its line brings, opens another where that one ends or has
//! to be left.
//!
//! Two lines at most: the `current` one, and one that is `coming`. Where there is no current line, the one
//! that comes becomes it at once; else it takes over when all of its subscriptions were answered, and the
//! engine sees trades twice rather than not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exchange::protocol::{Adapter, Limits};
use crate::feed::{Batch, Command, FeedStats, Sign, Topic};
use crate::model::{Clock, StatusState};
use crate::net::{ConnectError, Dial, Phase};

use super::backoff::Backoff;
use super::common::{Common, keys};
use super::connects::Connects;
use super::ended::{Ended, Lost};
use super::outage::Outage;
use super::polling::{Fallback, Working, verdict};
use super::session::Session;
use super::socket::{Socket, host};

/// For the answer to the WebSocket upgrade.
pub(super) const UPGRADE_DEADLINE: Duration = Duration::from_secs(5);

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
    /// Trouble was told, and its end was not told yet. Whoever takes topics over from a connection begins
    /// with that one's.
    pub troubled: Arc<AtomicBool>,
    /// What feeds the topics while they have no WebSocket.
    pub fallback: Option<Arc<dyn Fallback>>,
}

/// One connection. Generic over what opens the byte stream; time is tokio's, so it can be paused.
pub struct Connection<D: Dial> {
    pub(super) common: Arc<Common>,
    dial: Arc<D>,
    pub(super) random: fastrand::Rng,
    pub(super) connects: Connects,
    /// What it has to feed.
    pub(super) wanted: Vec<Topic>,
    /// What the exchange has fed on lines that ended.
    pub(super) known: Vec<Topic>,
    pub(super) current: Option<Session<D::Stream>>,
    pub(super) coming: Coming<D::Stream>,
    pub(super) backoff: Backoff,
    /// The shortest pause between two attempts, where the exchange wants one.
    pub(super) pace: Duration,
    /// When the last successor took over.
    pub(super) succeeded_at: Option<Instant>,
    pub(super) outage: Outage,
    /// Which of two lines has its turn first.
    is_coming_first: bool,
}

/// The line that is to be the next.
pub(super) enum Coming<S> {
    /// None is needed.
    Nothing,
    /// It will be opened at this moment.
    At(Instant),
    /// It is being opened.
    Opening(BoxFuture<'static, Opened<S>>),
    /// It is open, beside the current one.
    Open(Box<Session<S>>),
    /// No attempt any more: what was told about it.
    GivenUp {
        /// How many attempts there were.
        attempt: u32,
        /// What was in the way.
        reason: String,
    },
}

/// What becomes of an attempt.
pub(super) type Opened<S> = Result<Box<Socket<S>>, Lost>;

/// Which of the two lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Current,
    Coming,
}

/// What can happen to a connection.
enum Happening<S> {
    /// Cancelled, or nobody asks any more.
    End,
    Command(Command),
    Turn(Which, Result<(), Ended>),
    Opened(Opened<S>),
    Verdict(Working),
    Time,
}

impl<D: Dial + 'static> Connection<D>
where
    D::Stream: 'static,
{
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
        let common = Common {
            adapter,
            options,
            clock,
            events,
            stats,
            cancel,
        };
        Self {
            common: Arc::new(common),
            dial: Arc::new(dial),
            random,
            connects,
            wanted: Vec::new(),
            known: Vec::new(),
            current: None,
            coming: Coming::Nothing,
            backoff,
            pace: Duration::ZERO,
            succeeded_at: None,
            outage: Outage::default(),
            is_coming_first: false,
        }
    }

    /// Feeds what `commands` ask for until they end or the token is cancelled.
    ///
    /// [`Command::Move`] hands topics over to it from another connection: what was traded since that one had
    /// them is told as missed, and they are subscribed here.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let cancel = self.common.cancel.clone();
        let mut cancelled = std::pin::pin!(cancel.cancelled());
        loop {
            self.on_time(Instant::now()).await;
            match self.next(&mut commands, &mut cancelled).await {
                Happening::End | Happening::Turn(_, Err(Ended::Done)) => break,
                Happening::Command(command) => self.on_command(command).await,
                Happening::Turn(which, Ok(())) => self.attend(which).await,
                Happening::Turn(which, Err(Ended::Lost(lost))) => self.on_lost(which, lost).await,
                Happening::Opened(opened) => self.on_opened(opened).await,
                Happening::Verdict(verdict) => self.on_verdict(verdict).await,
                // The beginning of the loop does what is due.
                Happening::Time => {}
            }
        }
        self.leave_all().await;
    }

    async fn next(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        cancelled: &mut (impl Future<Output = ()> + Unpin),
    ) -> Happening<D::Stream> {
        let timer = self.next_timer();
        self.is_coming_first = !self.is_coming_first;
        let (mut opening, mut coming) = (None, None);
        match &mut self.coming {
            Coming::Opening(future) => opening = Some(future),
            Coming::Open(session) => coming = Some(&mut **session),
            Coming::Nothing | Coming::At(_) | Coming::GivenUp { .. } => {}
        }
        let mut lines = [
            (Which::Current, self.current.as_mut()),
            (Which::Coming, coming),
        ];
        if self.is_coming_first {
            lines.reverse();
        }
        let [(first, first_line), (second, second_line)] = lines;
        // Lines last: in a flood they are always ready, and nothing else may wait for that to end.
        tokio::select! {
            biased;
            () = cancelled => Happening::End,
            command = commands.recv() => command.map_or(Happening::End, Happening::Command),
            opened = open(opening) => Happening::Opened(opened),
            verdict = verdict(self.outage.polling.as_mut()) => Happening::Verdict(verdict),
            turn = turn(first_line) => Happening::Turn(first, turn),
            turn = turn(second_line) => Happening::Turn(second, turn),
            () = sleep_until(timer) => Happening::Time,
        }
    }

    async fn on_command(&mut self, command: Command) {
        match command {
            Command::Subscribe(topics) => self.subscribe(topics).await,
            Command::Move(topics) => {
                let lost = vec![Sign::Lost(keys(&topics))];
                self.tell_signs(lost).await;
                self.subscribe(topics).await;
            }
            Command::Unsubscribe(topics) => self.unsubscribe(&topics).await,
            Command::Resubscribe(topics) => {
                if let Some(line) = self.newest() {
                    line.resubscribe(&topics);
                }
            }
            Command::Check => {
                self.lines().for_each(Session::ask_for_life);
                if let Coming::At(at) = &mut self.coming {
                    *at = Instant::now();
                }
            }
            Command::Cut => self.lines().for_each(Session::cut),
        }
    }

    async fn subscribe(&mut self, topics: Vec<Topic>) {
        let before = self.wanted.len();
        for topic in topics {
            if !self.wanted.contains(&topic) {
                self.wanted.push(topic);
            }
        }
        let new = self.wanted[before..].to_vec();
        self.lines().for_each(|line| line.subscribe(&new));
        match &self.coming {
            Coming::Nothing if self.current.is_none() && !new.is_empty() => {
                self.outage.begin(Instant::now());
                self.coming = Coming::At(Instant::now());
            }
            // Whoever asks for more is told so, too.
            Coming::GivenUp { attempt, reason } => {
                let (attempt, reason) = (*attempt, reason.clone());
                self.tell(StatusState::Failed, attempt, &reason).await;
            }
            _ => {}
        }
        if !new.is_empty() {
            self.restart_polling(true);
        }
    }

    pub(super) async fn unsubscribe(&mut self, topics: &[Topic]) {
        let gone = self.wanted.extract_if(.., |t| topics.contains(t));
        let gone: Vec<Topic> = gone.collect();
        self.known.retain(|topic| !gone.contains(topic));
        self.lines().for_each(|line| line.unsubscribe(&gone));
        if self.wanted.is_empty() {
            self.leave_all().await;
        } else if !gone.is_empty() {
            self.restart_polling(false);
        }
    }

    /// The open lines.
    fn lines(&mut self) -> impl Iterator<Item = &mut Session<D::Stream>> {
        let coming = match &mut self.coming {
            Coming::Open(session) => Some(&mut **session),
            _ => None,
        };
        self.current.iter_mut().chain(coming)
    }

    pub(super) fn newest(&mut self) -> Option<&mut Session<D::Stream>> {
        self.lines().last()
    }

    pub(super) fn line(&mut self, which: Which) -> Option<&mut Session<D::Stream>> {
        match (which, &mut self.coming) {
            (Which::Current, _) => self.current.as_mut(),
            (Which::Coming, Coming::Open(session)) => Some(&mut **session),
            (Which::Coming, _) => None,
        }
    }

    /// Nothing is wanted any more: closes what is open, and forgets what was in the way.
    async fn leave_all(&mut self) {
        let coming = std::mem::replace(&mut self.coming, Coming::Nothing);
        if let Coming::Open(session) = coming {
            session.end(true).await;
        }
        if let Some(session) = self.current.take() {
            session.end(true).await;
        }
        self.outage.end();
    }

    /// Opens a line, when the budget allows it.
    pub(super) fn opening(&self) -> BoxFuture<'static, Opened<D::Stream>> {
        let (common, dial) = (self.common.clone(), self.dial.clone());
        let connects = self.connects.clone();
        Box::pin(async move {
            connects.ready().await?;
            let opened = dial_and_upgrade(&common, &*dial).await;
            if let Err(error) = &opened {
                connects.failed(error).await;
            }
            let socket = opened?;
            FeedStats::add(&common.stats.connects, 1);
            Ok(Box::new(socket))
        })
    }

    pub(super) async fn tell(&mut self, state: StatusState, attempt: u32, reason: &str) {
        let events = self
            .common
            .statuses(&self.wanted, state, attempt, Some(reason));
        self.common.clone().deliver(events.into()).await;
    }

    pub(super) async fn tell_signs(&mut self, signs: Vec<Sign>) {
        let events = Vec::new();
        self.common.clone().deliver(Batch { events, signs }).await;
    }
}

async fn dial_and_upgrade<D: Dial>(
    common: &Common,
    dial: &D,
) -> Result<Socket<D::Stream>, ConnectError> {
    let url = &common.options.url;
    let stream = dial.dial(url).await?;
    let upgrade = Socket::open(stream, url, &common.options.headers);
    let timed_out = || ConnectError::Timeout {
        host: host(url),
        phase: Phase::Upgrade,
    };
    let socket = tokio::time::timeout(UPGRADE_DEADLINE, upgrade).await;
    socket.map_err(|_| timed_out())?
}

async fn turn<S>(line: Option<&mut Session<S>>) -> Result<(), Ended>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    match line {
        Some(line) => line.turn().await,
        None => std::future::pending().await,
    }
}

/// Goes on opening a line; what is not there never happens.
async fn open<T>(opening: Option<&mut BoxFuture<'static, T>>) -> T {
    match opening {
        Some(opening) => opening.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(timer: Option<Instant>) {
    match timer {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
