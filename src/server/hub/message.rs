//! What is sent to clients: written once, shared by all of them.

use tokio::time::Instant;

use crate::model::{Event, Interval, JsonWriter, Market, TimeWriter, Timestamp, write_json_string};

use super::super::rooms::Room;

/// One message, complete but for its number, which every client counts by itself.
#[derive(Debug)]
pub struct Message {
    /// Where it is told.
    pub room: Room,
    /// The `type` on the wire.
    pub kind: &'static str,
    /// The event that it tells, for those who want a part of it, or only some.
    pub event: Option<Event>,
    /// What a newer one makes worthless while this one waits. `None`: each one counts.
    pub state_of: Option<StateOf>,
    /// When it was published.
    pub timestamp: Timestamp,
    /// The same on the clock that ages are measured by.
    pub at: Instant,
    /// Everything up to the number.
    head: String,
}

/// A state of which only the newest matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StateOf {
    /// The ticker of a market.
    Ticker(Market),
    /// The candle that is forming.
    Forming(Market, Interval),
    /// What is held.
    Portfolio,
}

/// Writes data and times; keeps the last second's text.
#[derive(Debug, Clone, Default)]
pub struct Pen {
    /// For events and their fields.
    pub json: JsonWriter,
    time: TimeWriter,
}

impl Message {
    /// An event, as it is told in this room.
    pub fn of_event(room: Room, event: &Event, timestamp: Timestamp, pen: &mut Pen) -> Self {
        let mut data = Vec::with_capacity(512);
        pen.json.write(event, &mut data);
        let (kind, state_of) = match event {
            Event::Ticker(ticker) => ("price_update", Some(StateOf::Ticker(ticker.market))),
            Event::Candle(candle) if !candle.closed => (
                event.kind(),
                Some(StateOf::Forming(candle.market, candle.interval)),
            ),
            _ => (event.kind(), None),
        };
        // A hole or a state is never chosen from: no event, so no filter and no fields.
        let is_data = !matches!(event, Event::Gap(_) | Event::Status(_));
        Self {
            room,
            kind,
            event: is_data.then(|| event.clone()),
            state_of,
            timestamp,
            at: Instant::now(),
            head: head(kind, text_of(&data), timestamp, pen),
        }
    }

    /// Anything else; `data` is one JSON value.
    pub fn new(room: Room, kind: &'static str, data: &str, timestamp: Timestamp) -> Self {
        Self {
            room,
            kind,
            event: None,
            state_of: (room == Room::Portfolio).then_some(StateOf::Portfolio),
            timestamp,
            at: Instant::now(),
            head: head(kind, data, timestamp, &mut Pen::default()),
        }
    }

    /// The same at another time.
    #[cfg(test)]
    pub fn published_at(self, at: Instant) -> Self {
        Self { at, ..self }
    }

    /// The message with its number.
    pub fn numbered(&self, number: u64) -> String {
        numbered(&self.head, number)
    }

    /// The same with other data.
    pub fn numbered_with(&self, data: &[u8], number: u64, pen: &mut Pen) -> String {
        numbered(&head(self.kind, text_of(data), self.timestamp, pen), number)
    }

    /// How much of a queue it takes.
    pub fn bytes(&self) -> usize {
        self.head.len()
    }
}

/// `data` of an `error`.
pub fn error_data(code: &str, message: &str, room: Option<&str>) -> String {
    let mut data = b"{\"code\":".to_vec();
    write_json_string(code, &mut data);
    data.extend_from_slice(b",\"message\":");
    write_json_string(message, &mut data);
    if let Some(room) = room {
        data.extend_from_slice(b",\"room\":");
        write_json_string(room, &mut data);
    }
    data.push(b'}');
    text_of(&data).to_owned()
}

/// `data` of a `dropped`.
pub fn dropped_data(count: u64, rooms: impl Iterator<Item = Room>) -> String {
    let rooms: Vec<_> = rooms.map(|room| format!("\"{}\"", room.name())).collect();
    format!("{{\"count\":{count},\"rooms\":[{}]}}", rooms.join(","))
}

fn head(kind: &str, data: &str, timestamp: Timestamp, pen: &mut Pen) -> String {
    let mut head = Vec::with_capacity(data.len() + kind.len() + 72);
    head.extend_from_slice(b"{\"type\":\"");
    head.extend_from_slice(kind.as_bytes());
    head.extend_from_slice(b"\",\"data\":");
    head.extend_from_slice(data.as_bytes());
    head.extend_from_slice(b",\"timestamp\":\"");
    pen.time.write(timestamp, &mut head);
    head.extend_from_slice(b"\",\"seq\":");
    String::from_utf8(head).expect("made of texts")
}

fn numbered(head: &str, number: u64) -> String {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(number);
    let mut text = String::with_capacity(head.len() + digits.len() + 1);
    text.push_str(head);
    text.push_str(digits);
    text.push('}');
    text
}

fn text_of(data: &[u8]) -> &str {
    std::str::from_utf8(data).expect("the JSON writer writes texts")
}
