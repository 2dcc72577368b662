//! Coinbase's WebSocket: requests have no id and are answered in order, each with the whole set of
//! subscriptions, or with an error that fails the request as a whole.
//!
//! Answers can be lost, so none is matched by counting alone: a list settles what it lists, an error is
//! about what it names. Only one that names nothing is taken as the answer to the oldest open request.

use std::collections::HashMap;
use std::sync::Arc;

use crate::exchange::protocol::{DecodeError, Frame, Message, Output, Protocol, Reply};
use crate::feed::Topic;
use crate::model::{Event, Market, Origin, Stream};

use super::normalise;
use super::wire::{ErrorMessage, Head, Match, Subscriptions, TickerMessage};

/// The channel without which silence could not be told from a quiet market.
const HEARTBEAT: &str = "heartbeat";

#[derive(Debug, Default)]
pub(super) struct CoinbaseProtocol {
    /// Requests without an answer, oldest first.
    asked: Vec<Request>,
    markets: HashMap<String, Market>,
}

#[derive(Debug)]
enum Request {
    /// What of it was not seen in a list yet.
    Subscribe(Vec<Topic>),
    /// All of it.
    Unsubscribe(Vec<Topic>),
}

impl Protocol for CoinbaseProtocol {
    fn subscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        if topics.is_empty() {
            return Vec::new();
        }
        for topic in topics {
            self.markets
                .insert(topic.instrument.ws.clone(), topic.instrument.market);
        }
        self.asked.push(Request::Subscribe(topics.to_vec()));
        vec![Message {
            text: request("subscribe", topics, true),
            topics: topics.to_vec(),
        }]
    }

    fn unsubscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        if topics.is_empty() {
            return Vec::new();
        }
        self.forget(|topic| topics.contains(topic));
        self.asked.push(Request::Unsubscribe(topics.to_vec()));
        // The heartbeat stays: other streams of the product may still need it, and it costs little.
        vec![Message {
            text: request("unsubscribe", topics, false),
            topics: Vec::new(),
        }]
    }

    fn decode(&mut self, frame: Frame<'_>, out: &mut Output) -> Result<(), DecodeError> {
        // The type comes first in everything that is frequent; else it is looked for.
        let text = frame.text;
        if text.starts_with(r#"{"type":"match","#) {
            return self.on_match(frame, out, false);
        }
        if text.starts_with(r#"{"type":"ticker","#) {
            return self.on_ticker(frame, out);
        }
        let head: Head<'_> = serde_json::from_str(text)?;
        match head.kind.as_deref() {
            Some("match") => self.on_match(frame, out, false)?,
            Some("last_match") => self.on_match(frame, out, true)?,
            Some("ticker") => self.on_ticker(frame, out)?,
            Some("subscriptions") => self.on_subscriptions(&serde_json::from_str(text)?, out),
            Some("error") => self.on_error(&serde_json::from_str(text)?, out),
            _ => out.ignored += 1,
        }
        Ok(())
    }
}

impl CoinbaseProtocol {
    fn on_match(
        &self,
        frame: Frame<'_>,
        out: &mut Output,
        replayed: bool,
    ) -> Result<(), DecodeError> {
        let wire: Match<'_> = serde_json::from_str(frame.text)?;
        match self.markets.get(wire.product_id.as_ref()) {
            Some(&market) => {
                let trade = normalise::trade(&wire, market, frame.received_at, Origin::Stream)?;
                out.events
                    .push(Event::Trade(crate::model::Trade { replayed, ..trade }));
            }
            None => out.ignored += 1,
        }
        Ok(())
    }

    fn on_ticker(&self, frame: Frame<'_>, out: &mut Output) -> Result<(), DecodeError> {
        let wire: TickerMessage<'_> = serde_json::from_str(frame.text)?;
        match self.markets.get(wire.product_id.as_ref()) {
            Some(&market) => {
                let ticker = normalise::ticker(&wire, market, frame.received_at)?;
                out.events.push(Event::Ticker(Arc::new(ticker)));
            }
            None => out.ignored += 1,
        }
        Ok(())
    }

    fn on_subscriptions(&mut self, wire: &Subscriptions<'_>, out: &mut Output) {
        let listed = |topic: &Topic| {
            wire.channels.iter().any(|channel| {
                stream_of(&channel.name) == Some(topic.stream)
                    && channel
                        .product_ids
                        .iter()
                        .any(|id| *id == topic.instrument.ws)
            })
        };
        let answered = self.forget(listed);
        self.asked.retain(|request| match request {
            Request::Subscribe(_) => true,
            Request::Unsubscribe(topics) => topics.iter().any(listed),
        });
        if answered.is_empty() {
            out.ignored += 1;
        } else {
            out.replies.push(Reply::Subscribed(answered));
        }
    }

    /// A whole request failed. Where the reason names a product, that one is refused and the others are
    /// asked for again; else nobody knows which one it was.
    fn on_error(&mut self, wire: &ErrorMessage<'_>, out: &mut Output) {
        let reason = wire
            .reason
            .as_deref()
            .filter(|reason| !reason.is_empty())
            .unwrap_or(&wire.message)
            .to_string();
        let is_named = |topic: &Topic| names(&reason, &topic.instrument.ws);
        if self.markets.keys().any(|product| names(&reason, product)) {
            self.on_named_error(&reason, is_named, out);
            return;
        }
        if self.asked.is_empty() {
            out.ignored += 1;
            return;
        }
        match self.asked.remove(0) {
            Request::Subscribe(topics) => out.replies.push(Reply::Refused { topics, reason }),
            Request::Unsubscribe(_) => out.ignored += 1,
        }
    }

    fn on_named_error(
        &mut self,
        reason: &str,
        is_named: impl Fn(&Topic) -> bool,
        out: &mut Output,
    ) {
        // Every request with this product fails, or has failed and the answer was lost.
        let failed = self.asked.extract_if(
            ..,
            |request| matches!(request, Request::Subscribe(topics) if topics.iter().any(&is_named)),
        );
        let (mut named, mut others): (Vec<Topic>, Vec<Topic>) = (Vec::new(), Vec::new());
        for request in failed {
            let Request::Subscribe(topics) = request else {
                continue;
            };
            for topic in topics {
                let list = if is_named(&topic) {
                    &mut named
                } else {
                    &mut others
                };
                if !list.contains(&topic) {
                    list.push(topic);
                }
            }
        }
        if named.is_empty() {
            out.ignored += 1;
        }
        for topic in named {
            out.replies.push(Reply::Refused {
                topics: vec![topic],
                reason: reason.to_owned(),
            });
        }
        if !others.is_empty() {
            out.replies.push(Reply::Again(others));
        }
    }

    /// Takes these out of all open subscriptions; returns them, each once.
    fn forget(&mut self, is_settled: impl Fn(&Topic) -> bool) -> Vec<Topic> {
        let mut settled: Vec<Topic> = Vec::new();
        self.asked.retain_mut(|request| {
            let Request::Subscribe(topics) = request else {
                return true;
            };
            for topic in topics.extract_if(.., |topic| is_settled(topic)) {
                if !settled.contains(&topic) {
                    settled.push(topic);
                }
            }
            !topics.is_empty()
        });
        settled
    }
}

/// Whether the text holds this product as a word: `BTC-USD` is not in `WBTC-USD is delisted`.
fn names(text: &str, product: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-';
    text.split(|c| !is_part(c))
        .any(|word| word.eq_ignore_ascii_case(product))
}

fn channel(stream: Stream) -> &'static str {
    match stream {
        Stream::Ticker => "ticker",
        Stream::Trades => "matches",
    }
}

/// Channels can be acknowledged under another name (`ticker_1000`, `match`).
fn stream_of(channel: &str) -> Option<Stream> {
    if channel.starts_with("ticker") {
        Some(Stream::Ticker)
    } else if channel.starts_with("match") {
        Some(Stream::Trades)
    } else {
        None
    }
}

fn request(kind: &str, topics: &[Topic], heartbeat: bool) -> String {
    let products = |stream: Option<Stream>| {
        let mut products: Vec<&str> = Vec::new();
        for topic in topics
            .iter()
            .filter(|t| stream.is_none_or(|stream| t.stream == stream))
        {
            if !products.contains(&topic.instrument.ws.as_str()) {
                products.push(&topic.instrument.ws);
            }
        }
        products
    };
    let mut channels = Vec::new();
    for stream in Stream::ALL {
        let products = products(Some(stream));
        if !products.is_empty() {
            channels.push(serde_json::json!({"name": channel(stream), "product_ids": products}));
        }
    }
    if heartbeat {
        channels.push(serde_json::json!({"name": HEARTBEAT, "product_ids": products(None)}));
    }
    serde_json::json!({"type": kind, "channels": channels}).to_string()
}
