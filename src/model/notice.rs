//! What is told beside the data: holes in it, and how we are connected.

use super::{Exchange, Market, Stream, Timestamp};

/// A hole that is told instead of hidden.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// Where.
    pub market: Market,
    /// In which stream.
    pub stream: Stream,
    /// First missing id.
    pub from_id: Option<u64>,
    /// Last missing id.
    pub to_id: Option<u64>,
    /// Time of the last event before the hole.
    pub from: Option<Timestamp>,
    /// Time of the first event after it.
    pub to: Option<Timestamp>,
    /// How many are missing, where that is known.
    pub missing: Option<u64>,
    /// How many of them were recovered.
    pub recovered: u64,
    /// How it ended.
    pub state: GapState,
    /// Why it came about, or why it stays.
    pub reason: GapReason,
}

impl Gap {
    /// Whether something stays missing.
    pub fn is_loss(&self) -> bool {
        self.state != GapState::Repaired
    }
}

/// How a gap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapState {
    /// All of it was fetched.
    Repaired,
    /// Some of it was.
    Partial,
    /// Nothing of it can be had.
    Unrepairable,
}

impl GapState {
    /// The name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repaired => "repaired",
            Self::Partial => "partial",
            Self::Unrepairable => "unrepairable",
        }
    }
}

/// Why there is a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The connection was lost, or replaced.
    Reconnect,
    /// The line was open, but this stream had died.
    Stall,
    /// Ids are missing in a stream that flows.
    IdHole,
    /// The reader of this stream was too slow.
    SlowConsumer,
    /// The exchange does not serve what is that old.
    SourceLimit,
    /// The source has no history to repair from.
    RepairOff,
}

impl GapReason {
    /// The name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reconnect => "reconnect",
            Self::Stall => "stall",
            Self::IdHole => "id_hole",
            Self::SlowConsumer => "slow_consumer",
            Self::SourceLimit => "source_limit",
            Self::RepairOff => "repair_off",
        }
    }
}

/// A change in how we are connected.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Which exchange.
    pub exchange: Exchange,
    /// Which symbol; `None` = the whole connection.
    pub market: Option<Market>,
    /// The new state.
    pub state: StatusState,
    /// How many attempts since it last worked.
    pub attempt: u32,
    /// Why, in words.
    pub reason: Option<String>,
    /// Who speaks for the symbol from now on, where that is another market.
    pub stand_in: Option<Market>,
    /// When.
    pub timestamp: Timestamp,
}

/// How a connection, or one symbol on it, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusState {
    /// Up again, and every subscription answered.
    Connected,
    /// Open, and the exchange confirmed that there is nothing to tell.
    Quiet,
    /// Open, but nothing comes where something must.
    Stale,
    /// Lost, and being made anew.
    Reconnecting,
    /// Without a stream: REST is polled, or another provider has taken over.
    Fallback,
    /// Given up: not retried by itself.
    Failed,
    /// The provider was taken away.
    Stopped,
}

impl StatusState {
    /// Whether data is missing while it lasts.
    pub fn is_trouble(self) -> bool {
        matches!(
            self,
            Self::Stale | Self::Reconnecting | Self::Failed | Self::Stopped
        )
    }

    /// The name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Quiet => "quiet",
            Self::Stale => "stale",
            Self::Reconnecting => "reconnecting",
            Self::Fallback => "fallback",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}
