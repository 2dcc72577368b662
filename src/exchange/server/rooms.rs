//! A server's WebSocket: one room for each stream of each symbol.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::exchange::protocol::{DecodeError, Frame, Message, Output, Protocol, Reply};
use crate::feed::{Sign, Topic};
use crate::model::{Event, Exchange, Gap, GapReason, GapState, Market, Stream};

use super::wire::{
    self, CandleRow, Dropped, Envelope, GapRow, StatusRow, TickerRow, TradeRow, Whose,
};

/// Errors that say nothing of the room: it is asked for again when its time is up.
const TEMPORARY: [&str; 3] = ["rate_limited", "unavailable", "timeout"];

#[derive(Debug)]
pub(super) struct RoomsProtocol {
    exchange: Exchange,
    /// Whether a jump in the ids of trades is seen as the hole that it is.
    contiguous: bool,
    /// By symbol: those of rooms that were joined.
    markets: HashMap<String, Market>,
    /// In the order in which they were asked for.
    joined: Vec<Topic>,
    /// Those without an answer, the oldest first.
    open: Vec<Topic>,
}

impl Protocol for RoomsProtocol {
    fn subscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        for topic in topics {
            let market = topic.instrument.market;
            self.markets.insert(market.symbol().to_owned(), market);
            for list in [&mut self.joined, &mut self.open] {
                list.retain(|known| known != topic);
                list.push(topic.clone());
            }
        }
        let join = |topic: &Topic| Message {
            text: request("join_room", topic),
            topics: vec![topic.clone()],
        };
        topics.iter().map(join).collect()
    }

    fn unsubscribe(&mut self, topics: &[Topic]) -> Vec<Message> {
        self.joined.retain(|topic| !topics.contains(topic));
        self.open.retain(|topic| !topics.contains(topic));
        let leave = |topic: &Topic| Message {
            text: request("leave_room", topic),
            topics: Vec::new(),
        };
        topics.iter().map(leave).collect()
    }

    fn decode(&mut self, frame: Frame<'_>, out: &mut Output) -> Result<(), DecodeError> {
        let envelope: Envelope<'_> = serde_json::from_str(frame.text)?;
        let Some(data) = envelope.data.map(|data| data.get()) else {
            out.ignored += 1;
            return Ok(());
        };
        match &*envelope.kind {
            "price_update" => self.on_data(data, out, |row: TickerRow<'_>, market| {
                Ok(Event::Ticker(Arc::new(row.ticker(market)?)))
            }),
            "trade" => self.on_data(data, out, |row: TradeRow<'_>, market| {
                Ok(Event::Trade(row.trade(market)?))
            }),
            "candle" => self.on_data(data, out, |row: CandleRow<'_>, market| {
                let candle = row.candle(market, frame.received_at)?;
                Ok(Event::Candle(Arc::new(candle)))
            }),
            "gap" => self.on_data(data, out, |row: GapRow<'_>, market| {
                Ok(Event::Gap(Arc::new(row.gap(market)?)))
            }),
            "status" => self.on_status(data, out),
            "joined" => {
                let reply: wire::Reply<'_> = serde_json::from_str(data)?;
                let answered = self.answered(&reply);
                out.replies
                    .extend(answered.map(|topic| Reply::Subscribed(vec![topic])));
                Ok(())
            }
            "error" => self.on_error(&serde_json::from_str(data)?, out),
            "dropped" => {
                self.on_dropped(&serde_json::from_str(data)?, out);
                Ok(())
            }
            _ => {
                out.ignored += 1;
                Ok(())
            }
        }
    }
}

impl RoomsProtocol {
    /// `contiguous`: whether ids of trades rise by one there.
    pub fn new(exchange: Exchange, contiguous: bool) -> Self {
        Self {
            exchange,
            contiguous,
            markets: HashMap::new(),
            joined: Vec::new(),
            open: Vec::new(),
        }
    }

    /// The market of an event; `None` where nobody asked for it.
    fn market(&self, whose: &Whose<'_>) -> Option<Market> {
        let exchange = whose.exchange.as_deref();
        let symbol = whose.symbol.as_deref()?;
        let market = self.markets.get(symbol).copied()?;
        (exchange == Some(self.exchange.name())).then_some(market)
    }

    fn on_data<'a, R: Deserialize<'a>>(
        &self,
        data: &'a str,
        out: &mut Output,
        event: impl Fn(R, Market) -> Result<Event, DecodeError>,
    ) -> Result<(), DecodeError> {
        match self.market(&serde_json::from_str(data)?) {
            Some(market) => out.events.push(event(serde_json::from_str(data)?, market)?),
            None => out.ignored += 1,
        }
        Ok(())
    }

    fn on_status(&self, data: &str, out: &mut Output) -> Result<(), DecodeError> {
        let whose: Whose<'_> = serde_json::from_str(data)?;
        let market = self.market(&whose);
        let is_ours = whose.exchange.as_deref() == Some(self.exchange.name());
        let row: StatusRow<'_> = serde_json::from_str(data)?;
        let status = match is_ours && (whose.symbol.is_none() || market.is_some()) {
            true => row.status(self.exchange, market)?,
            false => None,
        };
        match status {
            Some(status) => out.events.push(Event::Status(Arc::new(status))),
            None => out.ignored += 1,
        }
        Ok(())
    }

    /// Which of those without an answer this is about.
    fn answered(&mut self, reply: &wire::Reply<'_>) -> Option<Topic> {
        let room = reply.room.as_deref();
        let length = reply.interval.as_deref();
        let place = self.open.iter().position(|topic| {
            let own_length = topic.stream.interval().map(|interval| interval.name());
            room.is_none_or(|room| is_room(topic, room))
                && (length.is_none() || own_length.is_none() || length == own_length)
        });
        place.map(|place| self.open.remove(place))
    }

    fn on_error(&mut self, error: &wire::Reply<'_>, out: &mut Output) -> Result<(), DecodeError> {
        let code = error.code.as_deref().unwrap_or_default();
        if TEMPORARY.contains(&code) {
            out.ignored += 1;
            return Ok(());
        }
        let Some(topic) = self.answered(error) else {
            out.ignored += 1;
            return Ok(());
        };
        let reason = error.message.as_deref().unwrap_or(code).to_owned();
        out.replies.push(Reply::Refused {
            topics: vec![topic],
            reason,
        });
        Ok(())
    }

    /// We were too slow, and the server has left out some of what these rooms had. Tickers come again.
    fn on_dropped(&self, dropped: &Dropped<'_>, out: &mut Output) {
        let concerns = |topic: &&Topic| {
            let is_named = |room| is_room(topic, room) || room == kind(topic.stream);
            topic.stream != Stream::Ticker
                && (dropped.rooms.is_empty() || dropped.rooms.iter().any(|room| is_named(room)))
        };
        let mut lost = Vec::new();
        for topic in self.joined.iter().filter(concerns) {
            let market = topic.instrument.market;
            match topic.stream {
                // Signs come after the events of a batch: by then nothing would show where the hole was.
                Stream::Trades if !self.contiguous => {
                    out.events.push(Event::Gap(Arc::new(hole(market))));
                }
                stream => lost.push((market, stream)),
            }
        }
        if !lost.is_empty() {
            // As after a line that was lost for a moment.
            out.signs.push(Sign::Lost(lost.clone()));
            out.signs.push(Sign::Subscribed(lost));
        }
    }
}

/// Trades that nobody can count.
fn hole(market: Market) -> Gap {
    Gap {
        market,
        stream: Stream::Trades,
        from_id: None,
        to_id: None,
        from: None,
        to: None,
        missing: None,
        recovered: 0,
        state: GapState::Unrepairable,
        reason: GapReason::SlowConsumer,
    }
}

fn kind(stream: Stream) -> &'static str {
    match stream {
        Stream::Ticker => "prices",
        Stream::Trades => "trades",
        Stream::Candles(_) => "candles",
    }
}

/// `trades:kraken:BTC/USD`
fn room(topic: &Topic) -> String {
    format!("{}:{}", kind(topic.stream), topic.instrument.market)
}

/// Whether this is the name of its room; that of the default provider need not stand in it.
fn is_room(topic: &Topic, name: &str) -> bool {
    let Some(rest) = name.strip_prefix(kind(topic.stream)) else {
        return false;
    };
    let Some(rest) = rest.strip_prefix(':') else {
        return false;
    };
    let market = topic.instrument.market;
    let symbol = match rest.split_once(':') {
        Some((exchange, symbol)) if exchange == market.exchange().name() => symbol,
        Some(_) => return false,
        None => rest,
    };
    symbol == market.symbol()
}

fn request(what: &str, topic: &Topic) -> String {
    let mut request = serde_json::json!({"type": what, "room": room(topic)});
    if let Some(interval) = topic.stream.interval() {
        request["interval"] = interval.name().into();
    }
    request.to_string()
}
