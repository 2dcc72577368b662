//! What comes in on a line: frames into events and answers.

use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::exchange::protocol::{DecodeError, Frame, Reply};
use crate::feed::FeedStats;
use crate::model::Event;

use super::super::ended::{Leave, Lost, closed};
use super::super::socket::Incoming;
use super::{BATCH, Session};

/// How much of a bad frame is logged.
const SAMPLE: usize = 256;

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// What came in before it was asked proves nothing: it is read first.
    pub(super) fn begin_check(&mut self) -> Result<(), Lost> {
        let mut result = Ok(());
        while result.is_ok()
            && self.is_reading()
            && let Some(incoming) = self.poll_incoming()
        {
            result = self.on_incoming(incoming);
        }
        self.liveness.begin_check(Instant::now());
        self.after_reading(result)
    }

    /// Takes what came in and whatever else the socket has by now, in one batch.
    pub(super) fn read(&mut self, first: Result<Incoming, String>) -> Result<(), Lost> {
        let mut result = self.on_incoming(first);
        for _ in 1..BATCH {
            if result.is_err() || !self.is_reading() {
                break;
            }
            match self.poll_incoming() {
                Some(incoming) => result = self.on_incoming(incoming),
                None => break,
            }
        }
        self.after_reading(result)
    }

    fn poll_incoming(&mut self) -> Option<Result<Incoming, String>> {
        // The waker is of no use: the next turn registers the real one.
        let context = &mut Context::from_waker(Waker::noop());
        match self.socket.poll_next(context) {
            Poll::Ready(incoming) => Some(incoming),
            Poll::Pending => None,
        }
    }

    fn after_reading(&mut self, result: Result<(), Lost>) -> Result<(), Lost> {
        let ignored = std::mem::take(&mut self.output.ignored);
        FeedStats::add(&self.common.stats.ignored, ignored);
        let bad_rows = std::mem::take(&mut self.output.bad_rows);
        FeedStats::add(&self.common.stats.bad_frames, bad_rows);
        for reply in std::mem::take(&mut self.output.replies) {
            self.on_reply(reply);
        }
        if result.is_ok() {
            self.check_settled();
        }
        result
    }

    fn on_incoming(&mut self, incoming: Result<Incoming, String>) -> Result<(), Lost> {
        let is_pong = match incoming.map_err(Lost::because)? {
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
        self.liveness.on_frame(is_pong, Instant::now());
        Ok(())
    }

    /// Whether it was no more than the answer to a ping.
    fn decode(&mut self, text: &str) -> bool {
        FeedStats::add(&self.common.stats.messages, 1);
        FeedStats::add(&self.common.stats.bytes, text.len() as u64);
        let output = &mut self.output;
        let before = (
            output.events.len(),
            output.replies.len(),
            output.signs.len(),
        );
        let frame = Frame {
            text,
            received_at: self.common.clock.now(),
        };
        let decoded = self.protocol.decode(frame, output);
        let decoded = decoded.and_then(|()| possible(&output.events[before.0..]));
        if let Err(error) = decoded {
            output.events.truncate(before.0);
            output.replies.truncate(before.1);
            output.signs.truncate(before.2);
            FeedStats::add(&self.common.stats.bad_frames, 1);
            log_bad(&error.to_string(), text);
            return false;
        }
        for event in &output.events[before.0..] {
            // What the exchange repeats proves a subscription, but no flow.
            self.had_data |= !matches!(event, Event::Trade(trade) if trade.replayed);
            output.signs.extend(self.subscriptions.on_data(event));
        }
        std::mem::take(&mut output.pong)
    }

    fn count_bad(&self, why: &str, text: &str) -> bool {
        FeedStats::add(&self.common.stats.messages, 1);
        FeedStats::add(&self.common.stats.bytes, text.len() as u64);
        FeedStats::add(&self.common.stats.bad_frames, 1);
        log_bad(why, text);
        false
    }

    fn on_reply(&mut self, reply: Reply) {
        let protocol = &mut *self.protocol;
        match reply {
            Reply::Subscribed(topics) => {
                let sign = self.subscriptions.on_acknowledged(&topics);
                self.output.signs.extend(sign);
            }
            Reply::Refused { topics, reason } => match &topics[..] {
                [one] => self.refuse(one, &reason),
                // Not known which one is meant: each alone.
                several => {
                    for topic in several {
                        let one = std::slice::from_ref(topic);
                        self.subscriptions.ask_anew(one, protocol);
                    }
                }
            },
            Reply::Again(topics) => self.subscriptions.ask_anew(&topics, protocol),
            Reply::Leave { reason, pace } => {
                self.leave.get_or_insert(Leave { reason, pace });
            }
        }
    }
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
