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

impl Hub {
    /// Who listens.
    pub fn clients(&self) -> Vec<ClientView> {
        Vec::new()
    }

    /// What the hub has done since the start.
    pub fn totals(&self) -> HubTotals {
        HubTotals::default()
    }
}

/// A client as `/status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs)]
pub struct ClientView {
    pub id: u64,
}

/// What the hub has done since the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct HubTotals {
    pub published: u64,
    pub delivered: u64,
    pub sent: u64,
    pub dropped: u64,
    pub queued: u64,
    pub subscriptions: u64,
}
