//! Writes what waits for a client: all of it, then one flush.

use std::time::Duration;

use axum::extract::ws::Message;
use bytes::Bytes;
use futures_util::{Sink, SinkExt};
use tokio::time::Instant;

use crate::model::Clock;
use crate::server::Shared;
use crate::server::hub::message::{self, Pen};
use crate::server::hub::queue::{Entry, Loss};
use crate::server::hub::{Client, message::Message as Told};
use crate::server::rooms::Room;

use super::goodbye::Goodbye;
use super::pulse::Pulse;

/// How often a client is asked whether it is there.
const PING: Duration = Duration::from_secs(15);
/// Messages and bytes taken out of the queue at once. What is taken out is no longer conflated, so it is little.
const CHUNK: (usize, usize) = (256, 64 * 1024);

/// Writes until the line is cut.
pub async fn write(
    shared: &Shared,
    client: &Client,
    pulse: &Pulse,
    sink: &mut (impl Sink<Message> + Unpin),
) -> Goodbye {
    let mut ping_at = Instant::now();
    let mut numbering = Numbering::new(&**shared.engine.clock());
    let mut chunk = Vec::new();
    loop {
        // Asked for before every chunk: a queue that never runs dry must not keep pings back.
        let now = Instant::now();
        if now >= ping_at {
            ping_at = now + PING;
            if sink.feed(Message::Ping(Bytes::new())).await.is_err() {
                return Goodbye::Gone;
            }
        }
        let loss = client.take(CHUNK.0, CHUNK.1, &mut chunk);
        if chunk.is_empty() && loss.is_none() {
            if sink.flush().await.is_err() {
                return Goodbye::Gone;
            }
            pulse.on_written();
            chunk.shrink_to(32);
            tokio::select! {
                () = client.news() => {}
                () = tokio::time::sleep_until(ping_at) => {}
            }
            pulse.on_write();
            continue;
        }
        let notice = loss.map(|(at, loss)| numbering.notice(at, &loss));
        if let Some(notice) = notice
            && sink.feed(Message::text(notice)).await.is_err()
        {
            return Goodbye::Gone;
        }
        for entry in chunk.drain(..) {
            let Some(text) = numbering.text(&entry) else {
                continue;
            };
            if sink.feed(Message::text(text)).await.is_err() {
                return Goodbye::Gone;
            }
            pulse.on_write();
        }
    }
}

/// Turns places in the queue into the numbers that the client sees. What it did not want leaves no hole, what it was
/// too slow for leaves one, and notices of that take a number of their own.
struct Numbering<'a> {
    clock: &'a dyn Clock,
    pen: Pen,
    unwanted: u64,
    notices: u64,
}

impl<'a> Numbering<'a> {
    fn new(clock: &'a dyn Clock) -> Self {
        Self {
            clock,
            pen: Pen::default(),
            unwanted: 0,
            notices: 0,
        }
    }

    fn number(&self, place: u64) -> u64 {
        place + self.notices - self.unwanted
    }

    /// A message with its number; `None` where it is not wanted.
    fn text(&mut self, entry: &Entry) -> Option<String> {
        let number = self.number(entry.number);
        let (Some(spec), Some(event)) = (&entry.spec, &entry.message.event) else {
            return Some(entry.message.numbered(number));
        };
        let now = self.clock.now();
        if !spec.wants(event, now) {
            self.unwanted += 1;
            return None;
        }
        Some(match spec.part(event, now, &mut self.pen) {
            Some(part) => entry.message.numbered_with(&part, number, &mut self.pen),
            None => entry.message.numbered(number),
        })
    }

    /// What was lost, told before what stands at this place.
    fn notice(&mut self, at: u64, loss: &Loss) -> String {
        let number = self.number(at);
        self.notices += 1;
        let data = message::dropped_data(loss.count, loss.rooms.iter().copied());
        Told::new(Room::Status, "dropped", &data, self.clock.now()).numbered(number)
    }
}

#[cfg(test)]
mod tests;
