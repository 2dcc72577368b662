//! What a strategy says.

use super::{Market, Price, Timestamp, Value};

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalSide {
    /// Enter.
    Buy,
    /// Leave, because the strategy says to sell.
    Sell,
    /// Leave, for whatever other reason.
    Exit,
}

impl SignalSide {
    /// Every side.
    pub const ALL: [SignalSide; 3] = [Self::Buy, Self::Sell, Self::Exit];

    /// `buy`, `sell` or `exit`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
            Self::Exit => "exit",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|side| side.name() == name)
    }
}

/// What a strategy says about a market at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// The name of the strategy.
    pub strategy: String,
    /// Where.
    pub market: Market,
    /// What to do.
    pub side: SignalSide,
    /// The last price then, quote per base.
    pub price: Option<Price>,
    /// What it rests on, by name: the operands of the condition as they were written, or what a program tells.
    pub values: Vec<(String, Value)>,
    /// When it was decided, in the exchange's time: nothing later is in it.
    pub timestamp: Timestamp,
}
