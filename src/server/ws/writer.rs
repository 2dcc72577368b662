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
        let notice = loss.map(|loss| numbering.notice(&loss));
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

/// The numbers that the client sees. What was lost leaves a hole right before the notice that tells of it, and as wide
/// as the notice says. What a newer state has replaced, or the client did not want, leaves none.
struct Numbering<'a> {
    clock: &'a dyn Clock,
    pen: Pen,
    /// Used up so far.
    used: u64,
}

impl<'a> Numbering<'a> {
    fn new(clock: &'a dyn Clock) -> Self {
        Self {
            clock,
            pen: Pen::default(),
            used: 0,
        }
    }

    fn next(&mut self) -> u64 {
        self.used += 1;
        self.used
    }

    /// A message with its number; `None` where it is not wanted.
    fn text(&mut self, entry: &Entry) -> Option<String> {
        let (Some(spec), Some(event)) = (&entry.spec, &entry.message.event) else {
            return Some(entry.message.numbered(self.next()));
        };
        let now = self.clock.now();
        if !spec.wants(event, now) {
            return None;
        }
        let number = self.next();
        Some(match spec.part(event, now, &mut self.pen) {
            Some(part) => entry.message.numbered_with(&part, number, &mut self.pen),
            None => entry.message.numbered(number),
        })
    }

    fn notice(&mut self, loss: &Loss) -> String {
        self.used += loss.count;
        let data = message::dropped_data(loss.count, loss.rooms.iter().copied());
        Told::new(Room::Status, "dropped", &data, self.clock.now()).numbered(self.next())
    }
}

#[cfg(test)]
mod tests;
