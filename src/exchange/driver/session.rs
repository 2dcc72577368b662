//! One open connection, from the upgrade to its end: subscribes, reads, pings, notices silence.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message as WsMessage;

use crate::exchange::protocol::{DecodeError, Frame, Message, Output, Protocol, Reply};
use crate::feed::{Batch, Command, FeedStats, Topic};
use crate::model::{Event, StatusState};

use super::connection::Connection;
use super::ended::{Ended, Lost, closed};
use super::pending::Pending;
use super::socket::{Incoming, Socket};

/// Frames read before what they held is handed over. A batch ends sooner when the socket runs dry.
const BATCH: usize = 64;
/// Events kept while the engine has no room. Up to here the socket is read on, so that pings are answered;
/// beyond, waiting is the exchange's part.
const BACKLOG: usize = 8_192;
/// Events handed over before the others get their turn. In a flood the socket is always ready, and what
/// it brings would pile up before the engine if nobody stood aside.
const TURN: usize = 1_024;
/// An unanswered ping means a dead line after so long.
const PONG_DEADLINE: Duration = Duration::from_secs(10);
/// How much of the exchange's words is told.
const REASON: usize = 200;
/// How much of a bad frame is logged.
const SAMPLE: usize = 256;

pub(super) struct Session<'a, S, D> {
    connection: &'a mut Connection<D>,
    socket: Socket<S>,
    protocol: Box<dyn Protocol>,
    /// Its events are those that were not handed over yet.
    output: Output,
    outbox: VecDeque<Message>,
    pending: Pending,
    settled: bool,
    /// When the next message may leave, pings included: exchanges count those, too.
    next_send: Instant,
    next_ping: Instant,
    pong_deadline: Option<Instant>,
    last_life: Instant,
    pub had_data: bool,
    /// Events since the others had their turn.
    handed_over: usize,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin, D: crate::net::Dial> Session<'a, S, D> {
    pub fn new(connection: &'a mut Connection<D>, socket: Socket<S>) -> Self {
        let now = Instant::now();
        let protocol = connection.adapter.protocol();
        let next_ping = now + connection.options.heartbeat;
        let wanted = connection.wanted.clone();
        let mut session = Self {
            connection,
            socket,
            protocol,
            output: Output::default(),
            outbox: VecDeque::new(),
            pending: Pending::default(),
            settled: false,
            next_send: now,
            next_ping,
            pong_deadline: None,
            last_life: now,
            had_data: false,
            handed_over: 0,
        };
        session.ask(&wanted);
        session
    }

    /// Runs until the line is lost or nothing is wanted. Can be dropped at any point, if
    /// [`Session::finish`] follows.
    pub async fn run(&mut self, commands: &mut mpsc::Receiver<Command>) -> Ended {
        loop {
            if self.connection.wanted.is_empty() {
                return Ended::Idle;
            }
            if let Err(lost) = self.send_due(Instant::now()).await {
                return Ended::Lost(lost);
            }
            let (timer, reading) = (self.next_timer(), self.is_reading());
            // In this order: what has come in is read before silence is judged, or else a pause of ours
            // (a full engine, a suspended machine) would pass for one of the exchange's.
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return Ended::Done,
                },
                room = has_room(&self.connection.events), if !self.output.events.is_empty() => {
                    if !room {
                        return Ended::Done;
                    }
                    self.hand_over();
                    if !reading {
                        self.resume();
                    }
                }
                incoming = self.socket.next(), if reading => {
                    if let Err(lost) = self.read(incoming) {
                        return Ended::Lost(lost);
                    }
                    if self.handed_over >= TURN {
                        self.handed_over = 0;
                        tokio::task::yield_now().await;
                    }
                }
                () = tokio::time::sleep_until(timer) => {
                    if let Err(lost) = self.check_life(Instant::now()) {
                        return Ended::Lost(lost);
                    }
                }
            }
        }
    }

    /// Hands over what is left, and closes the line. One that is lost is just dropped: whoever is there no
    /// more reads no goodbye.
    pub async fn finish(mut self, ended: &Ended) {
        let events = std::mem::take(&mut self.output.events);
        if !events.is_empty() {
            self.connection.deliver(events).await;
        }
        if !matches!(ended, Ended::Lost(_)) {
            self.socket.close().await;
        }
    }

    /// Takes what came in and whatever else the socket has by now, in one batch.
    fn read(&mut self, first: Result<Incoming, String>) -> Result<(), Lost> {
        let mut result = self.on_incoming(first);
        for _ in 1..BATCH {
            if result.is_err() || !self.is_reading() {
                break;
            }
            // The waker is of no use: the select that follows registers the real one.
            match self
                .socket
                .poll_next(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Ready(incoming) => result = self.on_incoming(incoming),
                Poll::Pending => break,
            }
        }
        let ignored = std::mem::take(&mut self.output.ignored);
        FeedStats::add(&self.connection.stats.ignored, ignored);
        let bad_rows = std::mem::take(&mut self.output.bad_rows);
        FeedStats::add(&self.connection.stats.bad_frames, bad_rows);
        for reply in std::mem::take(&mut self.output.replies) {
            if let Err(lost) = self.on_reply(reply) {
                result = result.and(Err(lost));
            }
        }
        if result.is_ok() {
            self.check_settled();
            self.hand_over();
        }
        result
    }

    /// Hands over what came in, if the engine has room for it.
    fn hand_over(&mut self) {
        let events = &mut self.output.events;
        if !events.is_empty()
            && let Ok(room) = self.connection.events.try_reserve()
        {
            self.handed_over += events.len();
            let next = Vec::with_capacity(events.len().min(BATCH));
            room.send(std::mem::replace(events, next).into());
        }
    }

    fn on_incoming(&mut self, incoming: Result<Incoming, String>) -> Result<(), Lost> {
        let incoming = incoming.map_err(Lost::because)?;
        self.pong_deadline = None;
        let is_pong = match incoming {
            Incoming::Text(text) => self.decode(text.as_str()),
            // Some proxies turn text into binary frames; what is not text is bad.
            Incoming::Bytes(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => self.decode(text),
                Err(_) => self.count_bad("not UTF-8", ""),
            },
            Incoming::Bad => self.count_bad("not UTF-8", ""),
            Incoming::Control => true,
            Incoming::Close(close) => return Err(closed(close)),
        };
        if !is_pong || !self.connection.options.limits.silence.text_only {
            self.last_life = Instant::now();
        }
        Ok(())
    }

    /// Whether it was no more than the answer to a ping.
    fn decode(&mut self, text: &str) -> bool {
        FeedStats::add(&self.connection.stats.messages, 1);
        let before = (self.output.events.len(), self.output.replies.len());
        let frame = Frame {
            text,
            received_at: self.connection.clock.now(),
        };
        let decoded = self.protocol.decode(frame, &mut self.output);
        let decoded = decoded.and_then(|()| possible(&self.output.events[before.0..]));
        if let Err(error) = decoded {
            self.output.events.truncate(before.0);
            self.output.replies.truncate(before.1);
            FeedStats::add(&self.connection.stats.bad_frames, 1);
            log_bad(&error.to_string(), text);
            return false;
        }
        let events = &self.output.events[before.0..];
        self.had_data |= !events.is_empty();
        if !self.pending.is_empty() {
            for event in events {
                self.pending.settle_by_data(event);
            }
        }
        std::mem::take(&mut self.output.pong)
    }

    fn count_bad(&self, why: &str, text: &str) -> bool {
        FeedStats::add(&self.connection.stats.messages, 1);
        FeedStats::add(&self.connection.stats.bad_frames, 1);
        log_bad(why, text);
        false
    }

    fn is_reading(&self) -> bool {
        self.output.events.len() < BACKLOG
    }

    /// The socket is read again: what was not read meanwhile says nothing about the exchange.
    fn resume(&mut self) {
        let now = Instant::now();
        self.last_life = now;
        self.pong_deadline = self.pong_deadline.map(|_| now + PONG_DEADLINE);
    }

    /// Every subscription was answered, for the first time on this line.
    fn check_settled(&mut self) {
        if !self.settled && self.pending.is_empty() {
            self.settled = true;
            self.output.events.extend(self.connection.settled());
        }
    }

    fn on_reply(&mut self, reply: Reply) -> Result<(), Lost> {
        match reply {
            Reply::Subscribed(topics) => self.pending.settle(&topics),
            Reply::Refused { topics, reason } => match &topics[..] {
                [one] => self.refuse(one, &reason),
                // Not known which one is meant: each alone.
                several => {
                    for topic in several {
                        self.ask_anew(std::slice::from_ref(topic));
                    }
                }
            },
            Reply::Again(topics) => self.ask_anew(&topics),
            Reply::Leave(reason) => return Err(Lost::because(reason)),
        }
        Ok(())
    }

    /// Asks for these with a full number of tries: that they were not taken is an answer, too. What is not
    /// wanted any more is left alone.
    fn ask_anew(&mut self, topics: &[Topic]) {
        let wanted = &self.connection.wanted;
        let topics: Vec<_> = topics
            .iter()
            .filter(|t| wanted.contains(t))
            .cloned()
            .collect();
        self.pending.settle(&topics);
        self.ask(&topics);
    }

    fn ask(&mut self, topics: &[Topic]) {
        if !topics.is_empty() {
            self.outbox.extend(self.protocol.subscribe(topics));
            self.pending.queued(topics);
        }
    }

    fn refuse(&mut self, topic: &Topic, reason: &str) {
        self.pending.settle(std::slice::from_ref(topic));
        // It can have been unsubscribed while the answer was on its way.
        if self
            .connection
            .remove(std::slice::from_ref(topic))
            .is_empty()
        {
            return;
        }
        let reason: String = reason.chars().take(REASON).collect();
        let reason = format!("{} refused: {reason}", topic.stream.name());
        let market = Some(topic.instrument.market);
        let status = self
            .connection
            .status(market, StatusState::Failed, 1, Some(reason));
        self.output.events.push(status);
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Subscribe(topics) => {
                let new = self.connection.add(topics);
                self.ask(&new);
            }
            Command::Unsubscribe(topics) => {
                // What was refused is not subscribed: nothing is said about it.
                let gone = self.connection.remove(&topics);
                self.pending.settle(&gone);
                if !gone.is_empty() {
                    self.outbox.extend(self.protocol.unsubscribe(&gone));
                }
            }
            Command::Resubscribe(_) | Command::Move(_) | Command::Check | Command::Cut => {}
        }
    }

    fn next_timer(&self) -> Instant {
        let sending = (!self.outbox.is_empty()).then_some(self.next_send);
        let life = self.is_reading().then(|| self.silence_deadline());
        let pong = self.pong_deadline.filter(|_| self.is_reading());
        [sending, self.pending.deadline(), pong, life]
            .into_iter()
            .flatten()
            .fold(self.next_ping.max(self.next_send), Instant::min)
    }

    fn silence_deadline(&self) -> Instant {
        self.last_life + self.connection.options.limits.silence.limit
    }

    /// Whether the line is dead. Asked only when there is nothing to read.
    fn check_life(&self, now: Instant) -> Result<(), Lost> {
        let stale = |reason: String| Lost {
            stale: true,
            ..Lost::because(reason)
        };
        if !self.is_reading() {
            return Ok(());
        }
        if self.pong_deadline.is_some_and(|deadline| deadline <= now) {
            return Err(stale("a ping was not answered".into()));
        }
        if self.silence_deadline() <= now {
            let seconds = self.connection.options.limits.silence.limit.as_secs();
            return Err(stale(format!("silent for {seconds} s")));
        }
        Ok(())
    }

    /// Sends what is due: one message at a time, spaced as the exchange wants it.
    async fn send_due(&mut self, now: Instant) -> Result<(), Lost> {
        let (again, spent) = self.pending.overdue(now);
        self.ask(&again);
        for topic in &spent {
            self.refuse(topic, "the exchange does not answer");
        }
        if !spent.is_empty() {
            self.check_settled();
        }
        if self.next_send > now {
            return Ok(());
        }
        let message = if self.next_ping <= now {
            let options = &self.connection.options;
            // However often pings are wanted, requests have their turn.
            self.next_ping = now + options.heartbeat.max(options.limits.message_interval * 2);
            self.pong_deadline.get_or_insert(now + PONG_DEADLINE);
            self.protocol
                .ping()
                .map_or(WsMessage::Ping(Bytes::new()), WsMessage::text)
        } else if let Some(message) = self.outbox.pop_front() {
            self.pending.sent(&message.topics, now);
            WsMessage::text(message.text)
        } else {
            return Ok(());
        };
        self.socket.send(message).await.map_err(Lost::because)?;
        self.next_send = Instant::now() + self.connection.options.limits.message_interval;
        Ok(())
    }
}

/// Waits for room in the queue; `false` when nobody reads it any more.
async fn has_room(events: &mpsc::Sender<Batch>) -> bool {
    events.reserve().await.is_ok()
}

/// A trade below zero is no trade, whatever the exchange. What is left out is told as a gap.
fn possible(events: &[Event]) -> Result<(), DecodeError> {
    let negative = |event: &Event| match event {
        Event::Trade(trade) => {
            trade.price.decimal().is_sign_negative() || trade.size.decimal().is_sign_negative()
        }
        _ => false,
    };
    if events.iter().any(negative) {
        return Err(DecodeError::Value("a trade below zero"));
    }
    Ok(())
}

fn log_bad(why: &str, text: &str) {
    let sample: String = text.chars().take(SAMPLE).collect();
    tracing::debug!(why, sample = %sample.escape_default(), "bad frame");
}
