//! One symbol at one exchange, with the exchange's rules for it.

use super::{Decimal, Exchange, Market, Price, Qty};

/// What an exchange lets one do with an instrument now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TradingStatus {
    /// Open for everyone.
    Trading,
    /// Open with limits (cancel only, post only, limit only, auction).
    Restricted,
    /// Not open now.
    Halted,
    /// Gone for good.
    Delisted,
    /// A word that this version does not know; see [`Instrument::status_text`].
    Unknown,
}

impl TradingStatus {
    /// The word used in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trading => "trading",
            Self::Restricted => "restricted",
            Self::Halted => "halted",
            Self::Delisted => "delisted",
            Self::Unknown => "unknown",
        }
    }

    /// Whether trades can happen.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Trading | Self::Restricted)
    }
}

/// One symbol at one exchange with its rules.
///
/// Units: tick size in quote per base, lot size in base, minimum notional in quote.
#[derive(Debug, Clone, PartialEq)]
pub struct Instrument {
    /// The canonical symbol and its exchange.
    pub market: Market,
    /// The exchange's own name, as its REST API takes it (`BTCUSDT`, `BTC-USD`, `XXBTZUSD`).
    pub native: String,
    /// The name on the exchange's WebSocket (`btcusdt`, `BTC-USD`, `BTC/USD`).
    pub ws: String,
    /// Other spellings that this exchange uses for it (`XBTUSD`, `XBT/USD`).
    pub aliases: Vec<String>,
    /// Smallest step of a price.
    pub tick_size: Option<Price>,
    /// Smallest step of a size.
    pub lot_size: Option<Qty>,
    /// Smallest order value.
    pub min_notional: Option<Decimal>,
    /// Whether it can be traded.
    pub status: TradingStatus,
    /// The exchange's own word for that.
    pub status_text: String,
}

impl Instrument {
    /// An instrument with names only: no rules known, trading.
    pub fn new(exchange: Exchange, base: &str, quote: &str, native: impl Into<String>) -> Self {
        let native = native.into();
        Self {
            market: Market::new(exchange, base, quote),
            ws: native.clone(),
            native,
            aliases: Vec::new(),
            tick_size: None,
            lot_size: None,
            min_notional: None,
            status: TradingStatus::Trading,
            status_text: String::new(),
        }
    }
}
