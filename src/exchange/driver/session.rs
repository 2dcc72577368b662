//! One open connection, from the upgrade to its end: subscribes, reads, pings, notices silence.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message as WsMessage;

use crate::exchange::protocol::{Frame, Message, Output, Protocol, Reply};
use crate::feed::{Command, FeedStats, Topic};
use crate::model::StatusState;

use super::connection::{Connection, Lost};
use super::pending::Pending;
use super::socket::{Incoming, Socket};

/// Frames read before what they held is handed over. A batch ends sooner when the socket runs dry.
const BATCH: usize = 64;
/// An unanswered ping means a dead line after so long.
const PONG_DEADLINE: Duration = Duration::from_secs(10);
/// "Try again later" (close code 1013) means not before this.
const TRY_AGAIN_LATER: Duration = Duration::from_secs(30);
/// A close for breaking a rule (1008): the next attempt must not break it at once again.
const POLICY_PAUSE: Duration = Duration::from_secs(5);
/// How much of a bad frame is logged.
const SAMPLE: usize = 256;

pub(super) enum Ended {
    /// The line is gone, or must be left.
    Lost(Lost),
    /// There is nothing to feed any more.
    Idle,
    /// Cancelled, or nobody listens.
    Done,
}

pub(super) struct Session<'a, S, D> {
    connection: &'a mut Connection<D>,
    socket: Socket<S>,
    protocol: Box<dyn Protocol>,
    output: Output,
    outbox: VecDeque<Message>,
    pending: Pending,
    settled: bool,
    next_send: Instant,
    next_ping: Instant,
    pong_deadline: Option<Instant>,
    last_life: Instant,
    pub had_data: bool,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin, D: crate::net::Dial> Session<'a, S, D> {
    pub fn new(connection: &'a mut Connection<D>, socket: Socket<S>) -> Self {
        let now = Instant::now();
        let mut protocol = connection.adapter.protocol();
        let outbox = protocol.subscribe(&connection.wanted).into();
        let next_ping = now + connection.options.heartbeat;
        Self {
            connection,
            socket,
            protocol,
            output: Output::default(),
            outbox,
            pending: Pending::default(),
            settled: false,
            next_send: now,
            next_ping,
            pong_deadline: None,
            last_life: now,
            had_data: false,
        }
    }

    pub async fn run(&mut self, commands: &mut mpsc::Receiver<Command>) -> Ended {
        let cancel = self.connection.cancel.clone();
        loop {
            if self.connection.wanted.is_empty() {
                return Ended::Idle;
            }
            let timer = self.next_timer();
            let result = tokio::select! {
                () = cancel.cancelled() => return Ended::Done,
                incoming = self.socket.next() => self.read(incoming).await,
                command = commands.recv() => match command {
                    Some(command) => {
                        self.on_command(command);
                        Ok(())
                    }
                    None => return Ended::Done,
                },
                () = tokio::time::sleep_until(timer) => self.on_timer(Instant::now()).await,
            };
            if let Err(lost) = result {
                return Ended::Lost(lost);
            }
        }
    }

    /// Closes the line. One that is lost is just dropped: whoever is there no more reads no goodbye.
    pub async fn finish(self, ended: &Ended) {
        if !matches!(ended, Ended::Lost(_)) {
            self.socket.close().await;
        }
    }

    /// Takes what came in and whatever else the socket has by now, and hands it over in one batch.
    async fn read(&mut self, first: Result<Incoming, String>) -> Result<(), Lost> {
        let mut result = self.on_incoming(first);
        for _ in 1..BATCH {
            if result.is_err() {
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
        self.hand_over().await;
        let replies = std::mem::take(&mut self.output.replies);
        for reply in replies {
            self.on_reply(reply).await?;
        }
        if !self.settled && self.outbox.is_empty() && self.pending.is_empty() {
            self.settled = true;
            self.connection.settled().await;
        }
        result
    }

    fn on_incoming(&mut self, incoming: Result<Incoming, String>) -> Result<(), Lost> {
        let incoming = incoming.map_err(Lost::because)?;
        self.pong_deadline = None;
        let text_only = self.connection.options.limits.silence.text_only;
        if !text_only || !matches!(incoming, Incoming::Control) {
            self.last_life = Instant::now();
        }
        match incoming {
            Incoming::Text(text) => self.decode(text.as_str()),
            // Some proxies turn text into binary frames; what is not text is bad.
            Incoming::Bytes(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => self.decode(text),
                Err(_) => self.count_bad("not UTF-8", ""),
            },
            Incoming::Bad => self.count_bad("not UTF-8", ""),
            Incoming::Control => {}
            Incoming::Close(close) => return Err(closed(close)),
        }
        Ok(())
    }

    fn decode(&mut self, text: &str) {
        FeedStats::add(&self.connection.stats.messages, 1);
        let before = (self.output.events.len(), self.output.replies.len());
        let frame = Frame {
            text,
            received_at: self.connection.clock.now(),
        };
        if let Err(error) = self.protocol.decode(frame, &mut self.output) {
            self.output.events.truncate(before.0);
            self.output.replies.truncate(before.1);
            FeedStats::add(&self.connection.stats.bad_frames, 1);
            log_bad(&error.to_string(), text);
            return;
        }
        if !self.pending.is_empty() {
            for event in &self.output.events[before.0..] {
                self.pending.settle_by_data(event);
            }
        }
    }

    fn count_bad(&self, why: &str, text: &str) {
        FeedStats::add(&self.connection.stats.messages, 1);
        FeedStats::add(&self.connection.stats.bad_frames, 1);
        log_bad(why, text);
    }

    async fn hand_over(&mut self) {
        FeedStats::add(
            &self.connection.stats.ignored,
            std::mem::take(&mut self.output.ignored),
        );
        if self.output.events.is_empty() {
            return;
        }
        self.had_data = true;
        let capacity = self.output.events.len();
        let batch = std::mem::replace(&mut self.output.events, Vec::with_capacity(capacity));
        // A closed channel means that the engine is gone: the token says so next.
        let _ = self.connection.events.send(batch).await;
    }

    async fn on_reply(&mut self, reply: Reply) -> Result<(), Lost> {
        match reply {
            Reply::Subscribed(topics) => self.pending.settle(&topics),
            Reply::Refused { topics, reason } => match &topics[..] {
                [one] => self.refuse(one, reason).await,
                // Not known which one is meant: each alone.
                several => {
                    for topic in several {
                        self.outbox
                            .extend(self.protocol.subscribe(std::slice::from_ref(topic)));
                    }
                }
            },
            Reply::Again(topics) => self.outbox.extend(self.protocol.subscribe(&topics)),
            Reply::Leave(reason) => return Err(Lost::because(reason)),
        }
        Ok(())
    }

    async fn refuse(&mut self, topic: &Topic, reason: String) {
        self.pending.settle(std::slice::from_ref(topic));
        self.connection.wanted.retain(|t| t != topic);
        let reason = format!("{} refused: {reason}", topic.stream.name());
        self.connection
            .tell(
                Some(topic.instrument.market),
                StatusState::Failed,
                1,
                Some(reason),
            )
            .await;
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Subscribe(topics) => {
                self.outbox.extend(self.protocol.subscribe(&topics));
                self.connection.wanted.extend(topics);
            }
            Command::Unsubscribe(topics) => {
                self.outbox.extend(self.protocol.unsubscribe(&topics));
                self.pending.settle(&topics);
                self.connection.wanted.retain(|t| !topics.contains(t));
            }
        }
    }

    fn next_timer(&self) -> Instant {
        let sending = (!self.outbox.is_empty()).then_some(self.next_send);
        let timers = [
            sending,
            self.pending.deadline(),
            self.pong_deadline,
            Some(self.silence_deadline()),
        ];
        timers
            .into_iter()
            .flatten()
            .fold(self.next_ping, Instant::min)
    }

    fn silence_deadline(&self) -> Instant {
        self.last_life + self.connection.options.limits.silence.limit
    }

    async fn on_timer(&mut self, now: Instant) -> Result<(), Lost> {
        if self.pong_deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Lost {
                stale: true,
                ..Lost::because("a ping was not answered")
            });
        }
        if self.silence_deadline() <= now {
            let seconds = self.connection.options.limits.silence.limit.as_secs();
            return Err(Lost {
                stale: true,
                ..Lost::because(format!("silent for {seconds} s"))
            });
        }
        if self.next_send <= now
            && let Some(message) = self.outbox.pop_front()
        {
            self.next_send = now + self.connection.options.limits.message_interval;
            self.pending.sent(&message.topics, now);
            self.send(WsMessage::text(message.text)).await?;
        }
        let (again, spent) = self.pending.overdue(now);
        if !again.is_empty() {
            self.outbox.extend(self.protocol.subscribe(&again));
        }
        for topic in spent {
            self.refuse(&topic, "the exchange does not answer".into())
                .await;
        }
        if self.next_ping <= now {
            self.next_ping = now + self.connection.options.heartbeat;
            self.pong_deadline.get_or_insert(now + PONG_DEADLINE);
            let ping = self
                .protocol
                .ping()
                .map_or(WsMessage::Ping(Bytes::new()), WsMessage::text);
            self.send(ping).await?;
        }
        Ok(())
    }

    async fn send(&mut self, message: WsMessage) -> Result<(), Lost> {
        self.socket.send(message).await.map_err(Lost::because)
    }
}

fn closed(close: Option<(u16, String)>) -> Lost {
    let Some((code, reason)) = close else {
        return Lost::because("closed by the exchange");
    };
    let pause = match code {
        1013 => TRY_AGAIN_LATER,
        1008 => POLICY_PAUSE,
        _ => Duration::ZERO,
    };
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(" {reason}")
    };
    Lost {
        pause,
        ..Lost::because(format!("closed by the exchange: {code}{reason}"))
    }
}

fn log_bad(why: &str, text: &str) {
    let sample: String = text.chars().take(SAMPLE).collect();
    tracing::debug!(why, sample = %sample.escape_default(), "bad frame");
}
