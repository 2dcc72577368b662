//! Kraken's WebSocket v2: one request for many symbols, one answer per symbol.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::protocol::{DecodeError, Frame, Message, Output, Protocol, Reply};
use crate::exchange::reading::rfc3339;
use crate::feed::Topic;
use crate::model::{Event, Market, Stream, Trade};

use super::wire::{CandleRow, Head, MethodReply, StatusRow, TickerRow, TradeRow};
use super::{minutes, normalise};

/// Symbols in one request.
const SYMBOLS_PER_MESSAGE: usize = 200;
/// The channel of candles, of which there are several by their lengths.
const CANDLES: &str = "ohlc";
/// Between two attempts to connect, after maintenance was announced.
const MAINTENANCE_PACE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct KrakenProtocol {
    last_id: u64,
    /// Topics without an answer, with the request that asked for them.
    open: Vec<(u64, Topic)>,
    /// Topics that were unsubscribed, with the request that did it: answers to earlier ones are not about
    /// what was asked for since.
    stopped: Vec<(u64, Topic)>,
    /// By the name on the socket.
    markets: HashMap<String, Market>,
    /// What the last status said; `false` before the first.
    is_online: bool,
}

impl Protocol for KrakenProtocol {
    fn subscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        for topic in topics {
            self.markets
                .insert(topic.instrument.ws.clone(), topic.instrument.market);
        }
        self.requests("subscribe", topics)
    }

    fn unsubscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        let mut messages = self.requests("unsubscribe", topics);
        for message in &mut messages {
            message.topics.clear();
        }
        self.open.retain(|(_, open)| !topics.contains(open));
        self.stopped.retain(|(_, topic)| !topics.contains(topic));
        let stopped = topics.iter().map(|topic| (self.last_id, topic.clone()));
        self.stopped.extend(stopped);
        messages
    }

    fn decode(&mut self, frame: Frame<'_>, out: &mut Output) -> Result<(), DecodeError> {
        let head: Head<'_> = serde_json::from_str(frame.text)?;
        if head.method.as_deref() == Some("pong") {
            out.pong = true;
            out.ignored += 1;
            return Ok(());
        }
        if head.method.is_some() {
            self.on_reply(&serde_json::from_str(frame.text)?, out);
            return Ok(());
        }
        match (head.channel.as_deref(), head.data) {
            (Some("trade"), Some(data)) => {
                // A snapshot holds trades from before the subscription.
                let replayed = head.kind.as_deref() == Some("snapshot");
                let event = |row: &TradeRow<'_>, market| {
                    let trade = normalise::trade(row, market, frame.received_at)?;
                    Ok(Event::Trade(Trade { replayed, ..trade }))
                };
                self.on_rows(data, out, |row| &row.symbol, event)
            }
            (Some("ticker"), Some(data)) => {
                let event = |row: &TickerRow<'_>, market| {
                    let ticker = normalise::ticker(row, market, frame.received_at)?;
                    Ok(Event::Ticker(Arc::new(ticker)))
                };
                self.on_rows(data, out, |row| &row.symbol, event)
            }
            (Some(CANDLES), Some(data)) => {
                let sent_at = head.timestamp.as_deref().map(rfc3339).transpose()?;
                let event = |row: &CandleRow<'_>, market| {
                    let candle = normalise::candle(row, market, sent_at, frame.received_at)?;
                    Ok(Event::Candle(Arc::new(candle)))
                };
                self.on_rows(data, out, |row| &row.symbol, event)
            }
            (Some("status"), Some(data)) => {
                self.on_status(data, out);
                Ok(())
            }
            _ => {
                out.ignored += 1;
                Ok(())
            }
        }
    }

    /// Kraken's own ping: it also keeps a connection without traffic from being closed.
    fn ping(&mut self) -> Option<String> {
        self.last_id += 1;
        Some(serde_json::json!({"method": "ping", "req_id": self.last_id}).to_string())
    }
}

impl KrakenProtocol {
    fn requests(&mut self, method: &str, topics: &[Topic]) -> Vec<Message> {
        let mut messages = Vec::new();
        for stream in Stream::all() {
            let of_stream: Vec<_> = topics
                .iter()
                .filter(|t| t.stream == stream)
                .cloned()
                .collect();
            for topics in of_stream.chunks(SYMBOLS_PER_MESSAGE) {
                messages.push(self.request(method, stream, topics));
            }
        }
        messages
    }

    fn request(&mut self, method: &str, stream: Stream, topics: &[Topic]) -> Message {
        self.last_id += 1;
        let symbols: Vec<_> = topics.iter().map(|t| t.instrument.ws.as_str()).collect();
        let mut params = serde_json::json!({"channel": channel(stream), "symbol": symbols});
        match (stream, method) {
            // On every change of the best bid or ask, not on trades alone: quotes must not be stale.
            (Stream::Ticker, "subscribe") => {
                params["event_trigger"] = "bbo".into();
                params["snapshot"] = true.into();
            }
            (Stream::Ticker, _) => params["event_trigger"] = "bbo".into(),
            // The last 50 trades: after a reconnect they show what was missed.
            (Stream::Trades, "subscribe") => params["snapshot"] = true.into(),
            (Stream::Trades, _) => {}
            // The last candles: an end that was missed while there was no connection is among them.
            (Stream::Candles(interval), "subscribe") => {
                params["interval"] = minutes(interval).into();
                params["snapshot"] = true.into();
            }
            (Stream::Candles(interval), _) => params["interval"] = minutes(interval).into(),
        }
        if method == "subscribe" {
            // Earlier requests for the same stay: their answers can be on their way.
            self.open
                .extend(topics.iter().map(|topic| (self.last_id, topic.clone())));
        }
        let text = serde_json::json!({"method": method, "params": params, "req_id": self.last_id})
            .to_string();
        Message {
            text,
            topics: topics.to_vec(),
        }
    }

    /// The first status says how the connection begins, and is no change. A market that takes no orders
    /// (`cancel_only`, `post_only`) still tells its data.
    fn on_status(&mut self, data: &RawValue, out: &mut Output) {
        out.ignored += 1;
        let rows = serde_json::from_str::<Vec<StatusRow<'_>>>(data.get());
        let system = rows.ok().and_then(|rows| rows.into_iter().next()?.system);
        let Some(system) = system else { return };
        let is_online = system == "online";
        if std::mem::replace(&mut self.is_online, is_online) && system == "maintenance" {
            out.replies.push(Reply::Leave {
                reason: "the exchange goes into maintenance".into(),
                pace: MAINTENANCE_PACE,
            });
        }
    }

    fn on_reply(&mut self, reply: &MethodReply<'_>, out: &mut Output) {
        if reply.method != "subscribe" {
            out.ignored += 1;
            return;
        }
        let error = reply
            .error
            .as_deref()
            .filter(|_| reply.success != Some(true));
        let answered = self.answered(reply, error.unwrap_or_default());
        self.open.retain(|(_, open)| !answered.contains(open));
        self.stopped.retain(|(_, topic)| !answered.contains(topic));
        let is_subscribed =
            error.is_none_or(|error| error.to_lowercase().contains("already subscribed"));
        match error {
            _ if answered.is_empty() => out.ignored += 1,
            // Of several it is not known which one is subscribed already: each is asked for alone.
            Some(error) if !is_subscribed || answered.len() > 1 => {
                out.replies.push(Reply::Refused {
                    topics: answered,
                    reason: error.to_string(),
                });
            }
            _ => out.replies.push(Reply::Subscribed(answered)),
        }
    }

    /// Which of the open topics an answer is about: the symbol it names, and where it names none, all of
    /// its request.
    fn answered(&self, reply: &MethodReply<'_>, error: &str) -> Vec<Topic> {
        let result = reply.result.as_ref();
        let stream = result.and_then(|result| result.channel.as_deref());
        let interval = result.and_then(|result| result.interval);
        let symbol = reply
            .symbol
            .as_deref()
            .or(result.and_then(|result| result.symbol.as_deref()));
        // With channel, length and symbol it is clear what it is about, whichever of the requests it answers; but
        // not one from before the topic was stopped.
        let is_whole_stream = stream != Some(CANDLES) || interval.is_some();
        let is_complete = stream.is_some() && is_whole_stream && symbol.is_some();
        let is_late = |topic: &Topic| {
            let mut stopped = self.stopped.iter().filter(|(_, t)| t == topic);
            stopped.any(|(id, _)| reply.req_id.is_some_and(|req_id| req_id < *id))
        };
        let is_candidate = |id: u64, topic: &Topic| {
            (is_complete || reply.req_id.is_none_or(|req_id| req_id == id))
                && stream.is_none_or(|name| name == channel(topic.stream))
                && interval
                    .is_none_or(|length| topic.stream.interval().map(minutes) == Some(length))
                && !is_late(topic)
        };
        // Where the text names a symbol it is about that one, even if that one has its answer already.
        let symbol = symbol.or_else(|| {
            error
                .split_whitespace()
                .find(|word| self.markets.contains_key(*word))
        });
        let is_named = |topic: &Topic| symbol.is_some_and(|symbol| topic.instrument.ws == symbol);
        let (mut named, mut candidates) = (Vec::new(), Vec::new());
        for (_, topic) in self.open.iter().filter(|(id, t)| is_candidate(*id, t)) {
            if is_named(topic) && !named.contains(topic) {
                named.push(topic.clone());
            }
            if !candidates.contains(topic) {
                candidates.push(topic.clone());
            }
        }
        if named.is_empty() && symbol.is_none() && reply.req_id.is_some() {
            return candidates;
        }
        named
    }

    /// Rows of one message can be about different symbols. One that makes no sense is left out and
    /// counted; a message of nothing else is bad as a whole.
    fn on_rows<'a, R: Deserialize<'a>>(
        &self,
        data: &'a RawValue,
        out: &mut Output,
        symbol: impl Fn(&R) -> &str,
        event: impl Fn(&R, Market) -> Result<Event, DecodeError>,
    ) -> Result<(), DecodeError> {
        let (mut good, mut bad, mut first_error) = (0u64, 0u64, None);
        let mut take = |row: Result<R, DecodeError>| {
            let taken = row.and_then(|row| match self.markets.get(symbol(&row)) {
                Some(&market) => event(&row, market).map(|event| out.events.push(event)),
                None => {
                    out.ignored += 1;
                    Ok(())
                }
            });
            match taken {
                Ok(()) => good += 1,
                Err(error) => {
                    bad += 1;
                    first_error.get_or_insert(error);
                }
            }
        };
        match serde_json::from_str::<Vec<R>>(data.get()) {
            Ok(rows) => rows.into_iter().for_each(|row| take(Ok(row))),
            Err(_) => {
                let rows: Vec<&'a RawValue> = serde_json::from_str(data.get())?;
                rows.into_iter()
                    .for_each(|row| take(serde_json::from_str(row.get()).map_err(Into::into)));
            }
        }
        match first_error {
            Some(error) if good == 0 => return Err(error),
            _ => out.bad_rows += bad,
        }
        Ok(())
    }
}

fn channel(stream: Stream) -> &'static str {
    match stream {
        Stream::Ticker => "ticker",
        Stream::Trades => "trade",
        Stream::Candles(_) => CANDLES,
    }
}
