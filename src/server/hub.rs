//! Hands events to the clients that have joined their rooms.

use crate::config::Limits;
use crate::model::{Event, Market};

use super::rooms::Room;

/// All clients and their queues. Publishing never waits for one of them.
#[derive(Debug)]
pub struct Hub {}

impl Hub {
    /// Without clients.
    pub fn new(limits: &Limits) -> Self {
        let _ = limits;
        Self {}
    }

    /// Hands out market data and what concerns it, in order.
    pub fn publish_events(&self, events: &[Event]) {
        let _ = events;
    }

    /// Hands out anything else: `data` is one JSON object, `kind` the type of the message.
    pub fn publish(&self, room: Room, kind: &'static str, market: Option<Market>, data: String) {
        let _ = (room, kind, market, data);
    }
}
