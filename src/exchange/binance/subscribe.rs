//! Binance's WebSocket: combined streams, subscribed by message, answered by id.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::exchange::protocol::{DecodeError, Frame, Message, Output, Protocol, Reply};
use crate::feed::Topic;
use crate::model::{Event, Market, Stream};

use super::normalise;
use super::wire::{ErrorBody, Head, KlineEvent, TickerEvent, TradeEvent};

/// Streams in one request. Few requests, since 5 messages a second are allowed, but none too long.
const STREAMS_PER_MESSAGE: usize = 100;

#[derive(Debug, Default)]
pub(super) struct BinanceProtocol {
    last_id: u64,
    asked: HashMap<u64, Vec<Topic>>,
    /// By native symbol, in capitals as the events have it.
    markets: HashMap<String, Market>,
}

impl Protocol for BinanceProtocol {
    fn subscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        for topic in topics {
            self.markets
                .insert(topic.instrument.native.clone(), topic.instrument.market);
        }
        let mut messages = self.requests("SUBSCRIBE", topics);
        for (message, topics) in messages.iter_mut().zip(topics.chunks(STREAMS_PER_MESSAGE)) {
            message.topics = topics.to_vec();
        }
        messages
    }

    fn unsubscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        // A late answer to an earlier request is not about these any more.
        for asked in self.asked.values_mut() {
            asked.retain(|topic| !topics.contains(topic));
        }
        self.requests("UNSUBSCRIBE", topics)
    }

    fn decode(&mut self, frame: Frame<'_>, out: &mut Output) -> Result<(), DecodeError> {
        let text = frame.text;
        let body = unwrap_combined(text).unwrap_or(text);
        // The type comes first in every event that Binance sends; where it does not, the slow way finds it.
        if body.starts_with(r#"{"e":"trade","#)
            && let Ok(wire) = serde_json::from_str(body)
        {
            return self.on_trade(&wire, frame, out);
        }
        if body.starts_with(r#"{"e":"24hrTicker","#)
            && let Ok(wire) = serde_json::from_str(body)
        {
            return self.on_ticker(&wire, frame, out);
        }
        if body.starts_with(r#"{"e":"kline","#)
            && let Ok(wire) = serde_json::from_str(body)
        {
            return self.on_kline(&wire, frame, out);
        }
        self.decode_slowly(frame, out)
    }
}

impl BinanceProtocol {
    fn requests(&mut self, method: &str, topics: &[Topic]) -> Vec<Message> {
        let request = |topics: &[Topic]| {
            self.last_id += 1;
            let params: Vec<_> = topics.iter().map(stream_name).collect();
            let text = serde_json::json!({"method": method, "params": params, "id": self.last_id})
                .to_string();
            self.asked.insert(
                self.last_id,
                if method == "SUBSCRIBE" {
                    topics.to_vec()
                } else {
                    Vec::new()
                },
            );
            Message {
                text,
                topics: Vec::new(),
            }
        };
        topics.chunks(STREAMS_PER_MESSAGE).map(request).collect()
    }

    fn decode_slowly(&mut self, frame: Frame<'_>, out: &mut Output) -> Result<(), DecodeError> {
        let head: Head<'_> = serde_json::from_str(frame.text)?;
        let (body, kind) = match (&head.e, head.data) {
            (None, Some(data)) => {
                // Other streams can hold what is no object at all.
                let inner = serde_json::from_str::<Head<'_>>(data.get());
                (data.get(), inner.ok().and_then(|inner| inner.e))
            }
            (e, _) => (frame.text, e.clone()),
        };
        let is_shutdown = head.stream.as_deref() == Some("!serverShutdown");
        match kind.as_deref() {
            Some("trade") => self.on_trade(&serde_json::from_str(body)?, frame, out)?,
            Some("24hrTicker") => self.on_ticker(&serde_json::from_str(body)?, frame, out)?,
            Some("kline") => self.on_kline(&serde_json::from_str(body)?, frame, out)?,
            kind if is_shutdown || kind == Some("serverShutdown") => {
                out.replies.push(Reply::Leave {
                    reason: "the exchange announced a shutdown".into(),
                    pace: Duration::ZERO,
                });
            }
            None if head.data.is_none() => self.on_answer(&head, out),
            _ => out.ignored += 1,
        }
        Ok(())
    }

    fn on_trade(
        &self,
        wire: &TradeEvent<'_>,
        frame: Frame<'_>,
        out: &mut Output,
    ) -> Result<(), DecodeError> {
        match self.markets.get(wire.symbol.as_ref()) {
            Some(&market) => out.events.push(Event::Trade(normalise::trade(
                wire,
                market,
                frame.received_at,
            )?)),
            None => out.ignored += 1,
        }
        Ok(())
    }

    fn on_ticker(
        &self,
        wire: &TickerEvent<'_>,
        frame: Frame<'_>,
        out: &mut Output,
    ) -> Result<(), DecodeError> {
        match self.markets.get(wire.symbol.as_ref()) {
            Some(&market) => {
                out.events.push(Event::Ticker(Arc::new(normalise::ticker(
                    wire,
                    market,
                    frame.received_at,
                )?)));
            }
            None => out.ignored += 1,
        }
        Ok(())
    }

    fn on_kline(
        &self,
        wire: &KlineEvent<'_>,
        frame: Frame<'_>,
        out: &mut Output,
    ) -> Result<(), DecodeError> {
        let candle = match self.markets.get(wire.symbol.as_ref()) {
            Some(&market) => normalise::kline(wire, market, frame.received_at)?,
            None => None,
        };
        match candle {
            Some(candle) => out.events.push(Event::Candle(Arc::new(candle))),
            None => out.ignored += 1,
        }
        Ok(())
    }

    /// An acknowledgement, or an error in one of its forms. An error can lack the id: where one request alone
    /// is open it is about that one; of several the deadline decides.
    fn on_answer(&mut self, head: &Head<'_>, out: &mut Output) {
        let id = head
            .id
            .and_then(|raw| raw.get().trim_matches('"').parse().ok());
        let error = match (head.error, &head.msg) {
            (Some(raw), _) => {
                let body = serde_json::from_str::<ErrorBody>(raw.get());
                Some(body.map_or_else(|_| raw.get().to_string(), |body| body.msg))
            }
            (None, msg) => msg.as_ref().map(ToString::to_string),
        };
        let only = |_: &String| {
            if self.asked.len() == 1 {
                self.asked.keys().next().copied()
            } else {
                None
            }
        };
        let id = id.or_else(|| error.as_ref().and_then(only));
        let topics = id
            .and_then(|id: u64| self.asked.remove(&id))
            .unwrap_or_default();
        match error {
            _ if topics.is_empty() => out.ignored += 1,
            Some(reason) => out.replies.push(Reply::Refused { topics, reason }),
            None => out.replies.push(Reply::Subscribed(topics)),
        }
    }
}

fn stream_name(topic: &Topic) -> String {
    let stream = match topic.stream {
        Stream::Ticker => "ticker",
        Stream::Trades => "trade",
        Stream::Candles(interval) => return format!("{}@kline_{interval}", topic.instrument.ws),
    };
    format!("{}@{stream}", topic.instrument.ws)
}

/// The event inside of `{"stream":"…","data":{…}}` where the frame is written exactly like this: then it
/// need not be parsed twice. `None` sends any other form the slow way.
fn unwrap_combined(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(r#"{"stream":""#)?;
    let name_end = rest.find('"')?;
    rest[name_end..]
        .strip_prefix(r#"","data":"#)?
        .strip_suffix('}')
}
