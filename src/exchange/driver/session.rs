//! One open connection, from the upgrade to its end: subscribes, reads, pings, notices silence.

mod reading;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message as WsMessage;

use crate::exchange::protocol::{Output, Protocol};
use crate::feed::{Batch, Topic};
use crate::model::{Event, StatusState};

use super::common::Common;
use super::ended::{Ended, Leave, Lost};
use super::liveness::Liveness;
use super::socket::Socket;
use super::subscriptions::{Subscriptions, Unanswered};

/// Frames read before what they held is handed over. A batch ends sooner when the socket runs dry.
const BATCH: usize = 64;
/// Events kept while the engine has no room. Up to here the socket is read on, so that pings are answered;
/// beyond, waiting is the exchange's part.
const BACKLOG: usize = 8_192;
/// Events handed over before the others get their turn. In a flood the socket is always ready, and what
/// it brings would pile up before the engine if nobody stood aside.
const TURN: usize = 1_024;
/// A connection that stood so long, with data, starts its backoff anew when it is lost.
const PROVEN: Duration = Duration::from_secs(30);
/// How much of the exchange's words is told.
const REASON: usize = 200;
pub(super) struct Session<S> {
    common: Arc<Common>,
    socket: Socket<S>,
    protocol: Box<dyn Protocol>,
    subscriptions: Subscriptions,
    /// Its events and signs are those that were not handed over yet.
    output: Output,
    liveness: Liveness,
    /// When the next message may leave, pings included: exchanges count those, too.
    next_send: Instant,
    opened_at: Instant,
    /// When the exchange would end it, or somewhat before.
    leave_at: Option<Instant>,
    leave: Option<Leave>,
    /// Every subscription was answered, and the connection was not told yet.
    is_news_settled: bool,
    check: bool,
    cut: bool,
    had_data: bool,
    /// Events since the others had their turn.
    handed_over: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Asks for all of `wanted`, of which the exchange has fed `known` before; to be left after `lifetime`, where
    /// there is one.
    pub fn new(
        common: Arc<Common>,
        socket: Socket<S>,
        wanted: &[Topic],
        known: Vec<Topic>,
        lifetime: Option<Duration>,
    ) -> Self {
        let now = Instant::now();
        let protocol = common.adapter.protocol();
        let liveness = Liveness::new(&common.options, now);
        let mut session = Self {
            common,
            socket,
            protocol,
            subscriptions: Subscriptions::new(known),
            output: Output::default(),
            liveness,
            next_send: now,
            opened_at: now,
            leave_at: lifetime.map(|lifetime| now + lifetime),
            leave: None,
            is_news_settled: false,
            check: false,
            cut: false,
            had_data: false,
            handed_over: 0,
        };
        session.subscribe(wanted);
        session
    }

    /// Waits until something happens on the line, and takes it in. Cancel safe; [`Session::hand_over`]
    /// passes on what came.
    ///
    /// Errors: the line is lost, or nobody reads the events any more.
    pub async fn turn(&mut self) -> Result<(), Ended> {
        if self.cut {
            return Err(Lost::because("cut on request").into());
        }
        if std::mem::take(&mut self.check) {
            self.begin_check()?;
        }
        self.queue_due(Instant::now())?;
        if self.socket.has_queued() {
            self.socket.flush().await.map_err(Lost::because)?;
            self.next_send = Instant::now() + self.common.options.limits.message_interval;
        }
        let (timer, reading) = (self.next_timer(), self.is_reading());
        // In this order: what has come in is read before silence is judged, or else a pause of ours
        // (a full engine, a suspended machine) would pass for one of the exchange's.
        tokio::select! {
            biased;
            room = has_room(&self.common.events), if self.has_output() => {
                if !room {
                    return Err(Ended::Done);
                }
                self.hand_over();
                if !reading {
                    // What was not read meanwhile says nothing about the exchange.
                    self.liveness.resume(Instant::now());
                }
            }
            incoming = self.socket.next(), if reading => self.read(incoming)?,
            () = tokio::time::sleep_until(timer) => {
                if self.is_reading() {
                    self.liveness.check(Instant::now())?;
                }
            }
        }
        Ok(())
    }

    /// Hands over what is left, and says goodbye where somebody is there to read it.
    pub async fn end(mut self, polite: bool) {
        let batch = take_batch(&mut self.output);
        if !batch.events.is_empty() || !batch.signs.is_empty() {
            self.common.deliver(batch).await;
        }
        if polite {
            self.socket.close().await;
        }
    }

    /// Hands over what came in, if the engine has room for it. `true`: the others should have their turn.
    pub fn hand_over(&mut self) -> bool {
        if self.has_output()
            && let Ok(room) = self.common.events.try_reserve()
        {
            self.handed_over += self.output.events.len();
            room.send(take_batch(&mut self.output));
        }
        let is_long = self.handed_over >= TURN;
        if is_long {
            self.handed_over = 0;
        }
        is_long
    }

    /// Tells these after what came in so far.
    pub fn tell(&mut self, events: Vec<Event>) {
        self.output.events.extend(events);
    }

    pub fn subscribe(&mut self, topics: &[Topic]) {
        self.subscriptions.subscribe(topics, &mut *self.protocol);
    }

    pub fn unsubscribe(&mut self, topics: &[Topic]) {
        self.subscriptions.unsubscribe(topics, &mut *self.protocol);
    }

    /// Stops and starts these.
    pub fn resubscribe(&mut self, topics: &[Topic]) {
        let sign = self.subscriptions.resubscribe(topics, &mut *self.protocol);
        self.output.signs.extend(sign);
    }

    /// Finds out soon whether the line is dead.
    pub fn ask_for_life(&mut self) {
        self.check = true;
    }

    /// The line ends in its next turn, as if it had broken.
    pub fn cut(&mut self) {
        self.cut = true;
    }

    /// Why it must be left, where it must.
    pub fn leave(&self) -> Option<&Leave> {
        self.leave.as_ref()
    }

    /// What the exchange feeds on this line.
    pub fn acknowledged(&self) -> &[Topic] {
        self.subscriptions.acknowledged()
    }

    /// What the exchange has fed once, on this line or on one before it.
    pub fn known(&self) -> &[Topic] {
        self.subscriptions.known()
    }

    /// What the exchange refused since the last call.
    pub fn take_refused(&mut self) -> Vec<Topic> {
        self.subscriptions.take_refused()
    }

    /// Whether every subscription was answered since the last call, for the first time on this line.
    pub fn take_settled(&mut self) -> bool {
        std::mem::take(&mut self.is_news_settled)
    }

    /// When every subscription had been answered for the first time.
    pub fn settled_at(&self) -> Option<Instant> {
        self.subscriptions.settled_at()
    }

    /// Whether it stood long enough, with data, to count as a working one.
    pub fn is_proven(&self) -> bool {
        self.had_data && self.opened_at.elapsed() >= PROVEN
    }

    fn has_output(&self) -> bool {
        !self.output.events.is_empty() || !self.output.signs.is_empty()
    }

    fn is_reading(&self) -> bool {
        self.output.events.len() + self.output.signs.len() < BACKLOG
    }

    /// Every subscription was answered, for the first time on this line.
    fn check_settled(&mut self) {
        if let Some(took) = self.subscriptions.check_settled(Instant::now()) {
            self.is_news_settled = true;
            // 0 means "not yet".
            let micros = (took.as_micros() as u64).max(1);
            let settled_micros = &self.common.stats.settled_micros;
            settled_micros.store(micros, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn refuse(&mut self, topic: &Topic, reason: &str) {
        if !self.subscriptions.refuse(topic) {
            return;
        }
        let reason: String = reason.chars().take(REASON).collect();
        let reason = format!("{} refused: {reason}", topic.stream.name());
        let market = Some(topic.instrument.market);
        let status = self
            .common
            .status(market, StatusState::Failed, 1, Some(reason));
        self.output.events.push(status);
    }

    fn next_timer(&self) -> Instant {
        let sending = self.subscriptions.has_requests().then_some(self.next_send);
        let life = self.is_reading().then(|| self.liveness.deadline());
        let timers = [sending, self.subscriptions.deadline(), life, self.leave_at];
        let ping = self.liveness.next_ping().max(self.next_send);
        timers.into_iter().flatten().fold(ping, Instant::min)
    }

    /// Queues what is due: one message at a time, spaced as the exchange wants it.
    fn queue_due(&mut self, now: Instant) -> Result<(), Lost> {
        if self.leave_at.is_some_and(|at| at <= now) {
            self.leave_at = None;
            self.leave.get_or_insert(Leave {
                reason: "the exchange ends connections of this age".into(),
                pace: Duration::ZERO,
            });
        }
        let spent = self.subscriptions.retry(now, &mut *self.protocol);
        let spent = spent.map_err(|Unanswered| Lost {
            stale: true,
            ..Lost::because("no subscription was answered")
        })?;
        for topic in &spent {
            self.refuse(topic, "the exchange does not answer");
        }
        if !spent.is_empty() {
            self.check_settled();
        }
        if self.next_send > now || self.socket.has_queued() {
            return Ok(());
        }
        let message = if self.liveness.next_ping() <= now {
            self.liveness.pinged(now);
            let ping = self.protocol.ping();
            ping.map_or(WsMessage::Ping(Bytes::new()), WsMessage::text)
        } else if let Some(request) = self.subscriptions.next_request(now) {
            WsMessage::text(request)
        } else {
            return Ok(());
        };
        self.socket.queue(message).map_err(Lost::because)
    }
}

fn take_batch(output: &mut Output) -> Batch {
    let next = Vec::with_capacity(output.events.len().min(BATCH));
    Batch {
        events: std::mem::replace(&mut output.events, next),
        signs: std::mem::take(&mut output.signs),
    }
}

/// Waits for room in the queue; `false` when nobody reads it any more.
async fn has_room(events: &mpsc::Sender<Batch>) -> bool {
    events.reserve().await.is_ok()
}
