//! Coinbase's WebSocket: requests have no id and are answered in order, each with the whole set of
//! subscriptions, or with an error that fails the request as a whole.
//!
//! Answers can be lost, so none is matched by counting alone: a list settles what it lists, an error is
//! about what it names. Only one that names nothing is taken as the answer to the oldest open request.

use std::collections::HashMap;
use std::sync::Arc;

use crate::exchange::protocol::{DecodeError, Frame, Message, Output, Protocol, Reply};
use crate::feed::{Sign, Topic};
use crate::model::{Event, Market, Origin, Stream, Timestamp};

use super::normalise;
use super::wire::{ErrorMessage, Head, Heartbeat, Match, Subscriptions, TickerMessage};

/// The channel without which silence could not be told from a quiet market.
const HEARTBEAT: &str = "heartbeat";
/// All that there are; candles are not among them.
const CHANNELS: [(Stream, &str); 2] = [(Stream::Ticker, "ticker"), (Stream::Trades, "matches")];

#[derive(Debug, Default)]
pub(super) struct CoinbaseProtocol {
    /// Requests without an answer, oldest first.
    asked: Vec<Request>,
    markets: HashMap<String, Product>,
}

#[derive(Debug)]
struct Product {
    market: Market,
    /// Whether its trades are subscribed: only then it matters which one is the newest.
    has_trades: bool,
}

#[derive(Debug)]
enum Request {
    /// What of it was not seen in a list yet.
    Subscribe(Vec<Topic>),
    /// What of it was not missing in a list yet.
    Unsubscribe(Vec<Topic>),
}

impl Protocol for CoinbaseProtocol {
    fn subscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        if topics.is_empty() {
            return Vec::new();
        }
        for topic in topics {
            let product = Product {
                market: topic.instrument.market,
                has_trades: false,
            };
            let name = topic.instrument.ws.clone();
            let product = self.markets.entry(name).or_insert(product);
            product.has_trades |= topic.stream == Stream::Trades;
        }
        self.stop_waiting_for_stops(topics);
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
        for topic in topics.iter().filter(|t| t.stream == Stream::Trades) {
            if let Some(product) = self.markets.get_mut(&topic.instrument.ws) {
                product.has_trades = false;
            }
        }
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
        if text.starts_with(r#"{"type":"heartbeat","#) {
            return self.on_heartbeat(frame, out);
        }
        let head: Head<'_> = serde_json::from_str(text)?;
        match head.kind.as_deref() {
            Some("heartbeat") => self.on_heartbeat(frame, out)?,
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
        match self.market(&wire.product_id) {
            Some(market) => {
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
        match self.market(&wire.product_id) {
            Some(market) => {
                let ticker = normalise::ticker(&wire, market, frame.received_at)?;
                out.events.push(Event::Ticker(Arc::new(ticker)));
            }
            None => out.ignored += 1,
        }
        Ok(())
    }

    fn market(&self, product: &str) -> Option<Market> {
        self.markets.get(product).map(|product| product.market)
    }

    /// Once a second for each product.
    fn on_heartbeat(&self, frame: Frame<'_>, out: &mut Output) -> Result<(), DecodeError> {
        let wire: Heartbeat<'_> = serde_json::from_str(frame.text)?;
        let product = self.markets.get(wire.product_id.as_ref());
        let id = wire.last_trade_id.map(|raw| raw.get().trim_matches('"'));
        let id = id.and_then(|id| id.parse().ok());
        match (product.filter(|p| p.has_trades), id) {
            // That of a product without any trade is 0.
            (Some(product), Some(id)) if id > 0 => out.signs.push(Sign::Newest {
                market: product.market,
                id,
                time: wire.time.and_then(|time| Timestamp::parse(&time)),
            }),
            _ => out.ignored += 1,
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
        let (mut answered, mut stopping) = (Vec::new(), Vec::new());
        // In order: a list that has what was to be stopped is older than the request that stops it, and so
        // than any later one that starts it again.
        self.asked.retain_mut(|request| match request {
            Request::Unsubscribe(topics) => {
                topics.retain(&listed);
                stopping.extend_from_slice(topics);
                !topics.is_empty()
            }
            Request::Subscribe(topics) => {
                for topic in topics.extract_if(.., |t| listed(t) && !stopping.contains(t)) {
                    if !answered.contains(&topic) {
                        answered.push(topic);
                    }
                }
                !topics.is_empty()
            }
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

    /// Takes these out of all open subscriptions.
    fn forget(&mut self, is_gone: impl Fn(&Topic) -> bool) {
        self.asked.retain_mut(|request| {
            let Request::Subscribe(topics) = request else {
                return true;
            };
            topics.retain(|topic| !is_gone(topic));
            !topics.is_empty()
        });
    }

    /// Those of these that are asked for once more were stopped long ago, whatever became of the answer.
    fn stop_waiting_for_stops(&mut self, topics: &[Topic]) {
        let is_open = |topic: &Topic| {
            self.asked
                .iter()
                .any(|request| matches!(request, Request::Subscribe(open) if open.contains(topic)))
        };
        let again: Vec<Topic> = topics.iter().filter(|t| is_open(t)).cloned().collect();
        self.asked.retain_mut(|request| match request {
            Request::Subscribe(_) => true,
            Request::Unsubscribe(topics) => {
                topics.retain(|topic| !again.contains(topic));
                !topics.is_empty()
            }
        });
    }
}

/// Whether the text holds this product as a word: `BTC-USD` is not in `WBTC-USD is delisted`.
fn names(text: &str, product: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-';
    text.split(|c| !is_part(c))
        .any(|word| word.eq_ignore_ascii_case(product))
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
    for (stream, channel) in CHANNELS {
        let products = products(Some(stream));
        if !products.is_empty() {
            channels.push(serde_json::json!({"name": channel, "product_ids": products}));
        }
    }
    if heartbeat {
        channels.push(serde_json::json!({"name": HEARTBEAT, "product_ids": products(None)}));
    }
    serde_json::json!({"type": kind, "channels": channels}).to_string()
}
