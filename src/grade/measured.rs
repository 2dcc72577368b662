//! What a run found out, before it is graded.

use std::time::Duration;

use crate::feed::ConnectTimes;
use crate::model::{Decimal, Market};

use super::clock::ClockOffset;
use super::record::Recorder;

/// Everything that was found out about a feed.
#[derive(Debug, Clone, Default)]
pub struct Measurements {
    /// Of one connection, opened for this alone. `None`: the source has none.
    pub connect: Option<ConnectTimes>,
    /// From the first subscription sent to the answer to the last. `None`: there was none, or no connection.
    pub settled: Option<Duration>,
    /// What came over the streams.
    pub record: Recorder,
    /// For how long, from subscribing on.
    pub elapsed: Duration,
    /// What the engine counted meanwhile.
    pub counts: Counts,
    /// The exchange's clock against ours, or why that is not known.
    pub clock: Option<Result<ClockOffset, String>>,
    /// Whether ids rise by one.
    pub contiguous_ids: bool,
    /// Whether trades are stamped by a clock of this machine, or of the source alone: then latency means nothing.
    pub own_clock: bool,
    /// What REST knew at the end.
    pub behind: Vec<(Market, Behind)>,
    /// REST's prices.
    pub rest_prices: Vec<(Market, RestPrice)>,
    /// What became of a symbol that does not exist. `None`: not tried.
    pub unknown: Option<Unknown>,
    /// After a forced drop. `None`: not tried.
    pub recovery: Option<Recovery>,
    /// What it cost this machine. `None`: the system does not tell.
    pub cost: Option<Cost>,
}

/// Totals of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages of any kind.
    pub messages: u64,
    /// Of these, those that make no sense.
    pub bad_frames: u64,
    /// Trades that came again.
    pub duplicates: u64,
    /// Trades that came out of order.
    pub reordered: u64,
    /// Connections lost or refused.
    pub interruptions: u64,
}

/// What REST knew of a market's trades that the stream had not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// So many trades.
    Trades(u64),
    /// It was not asked, or did not answer: why.
    Unknown(String),
}

/// REST's price of a market against the stream's.
#[derive(Debug, Clone, PartialEq)]
pub enum RestPrice {
    /// REST's price, and the lowest and highest of the stream around that moment.
    Compared {
        /// REST's.
        rest: Decimal,
        /// The stream's lowest.
        low: Decimal,
        /// The stream's highest.
        high: Decimal,
    },
    /// REST did not give a price: why.
    NoAnswer(String),
    /// There was nothing to compare: why.
    Unknown(String),
}

/// What a subscription to a symbol that does not exist led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// The exchange refused it, in these words.
    Refused(String),
    /// Nothing.
    Silent,
    /// Data.
    Answered,
    /// Trouble for other subscriptions: what.
    Disturbed(String),
    /// It could not be tried: why.
    NotTried(String),
}

/// What came after the line was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// The line was lost.
    Cut {
        /// Until every symbol had new data; or why that did not come about.
        after: Result<Duration, String>,
        /// Trades around the cut that were never told; `None`: not known.
        missed: Option<u64>,
    },
    /// It could not be tried: why.
    NotTried(String),
}

/// What the run cost this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Processor time of the program.
    pub cpu: Duration,
    /// By how many bytes its memory grew; `None`: the system does not tell.
    pub memory: Option<u64>,
}
