//! Rooms and queues without any connection.

mod queue;
mod rooms;

use std::sync::Arc;

use crate::config::Limits;
use crate::model::*;

use super::queue::Entry;
use super::*;

fn market(symbol: &str) -> Market {
    let (base, quote) = symbol.split_once('/').expect("BASE/QUOTE");
    Market::new(Exchange::new("hubtest"), base, quote)
}

fn ticker(symbol: &str, price: i64) -> Event {
    let mut ticker = Ticker::empty(market(symbol), Timestamp::from_nanos(0));
    ticker.price = Some(Price::from(Decimal::from(price)));
    Event::Ticker(Arc::new(ticker))
}

fn trade(symbol: &str, id: u64) -> Event {
    let at = Timestamp::from_nanos(id as i64);
    Event::Trade(Trade {
        market: market(symbol),
        id,
        price: "1.10".parse().expect("a price"),
        size: "2".parse().expect("a size"),
        side: Side::Buy,
        timestamp: at,
        received_at: at,
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    })
}

fn candle(symbol: &str, interval: Interval, closed: bool) -> Event {
    let price: Price = "1.10".parse().expect("a price");
    let size: Qty = "2".parse().expect("a size");
    Event::Candle(Arc::new(Candle {
        market: market(symbol),
        interval,
        open_time: Timestamp::from_nanos(0),
        open: price,
        high: price,
        low: price,
        close: price,
        volume: size,
        quote_volume: None,
        trades: None,
        closed,
        complete: true,
        origin: Origin::Stream,
        timestamp: None,
        received_at: Timestamp::from_nanos(0),
    }))
}

fn status(exchange: &'static str, symbol: Option<&str>) -> Event {
    Event::Status(Arc::new(Status {
        exchange: Exchange::new(exchange),
        market: symbol.map(market),
        state: StatusState::Stale,
        attempt: 0,
        reason: None,
        stand_in: None,
        timestamp: Timestamp::from_nanos(0),
    }))
}

fn gap(symbol: &str, stream: Stream) -> Event {
    Event::Gap(Arc::new(Gap {
        market: market(symbol),
        stream,
        from_id: None,
        to_id: None,
        from: None,
        to: None,
        missing: None,
        recovered: 0,
        state: GapState::Unrepairable,
        reason: GapReason::Reconnect,
    }))
}

/// Everything that waits.
fn drain(client: &Client) -> Vec<Entry> {
    let mut entries = Vec::new();
    let loss = client.take(usize::MAX, usize::MAX, &mut entries);
    assert_eq!(loss, None);
    entries
}

/// What waits, as kind and symbol.
fn told(client: &Client) -> Vec<String> {
    let text = |entry: Entry| {
        let text = entry.message.numbered(entry.number);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let symbol = value["data"]["symbol"].as_str().unwrap_or("-").to_owned();
        format!("{} {symbol}", entry.message.kind)
    };
    drain(client).into_iter().map(text).collect()
}

fn place(room: Room, symbol: Option<&str>, interval: Option<Interval>) -> Place {
    Place {
        room,
        market: symbol.map(market),
        interval,
    }
}

fn hub() -> Hub {
    Hub::new(&Limits::default())
}
