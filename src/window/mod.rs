//! The newest trades and candles in memory: bounded, in columns, per market. Pure.
//!
//! ```
//! use tickwire::model::{Exchange, Market, Origin, Side, Timestamp, Trade};
//! use tickwire::window::TradeWindow;
//!
//! let market = Market::new(Exchange::new("kraken"), "BTC", "USD");
//! let mut window = TradeWindow::new(market, 1_000);
//! for (id, price) in [(1, "97123.40"), (2, "97123.5")] {
//!     let at = Timestamp::from_nanos(id as i64 * 1_000_000_000);
//!     window.push(&Trade {
//!         market,
//!         id,
//!         price: price.parse()?,
//!         size: "0.5".parse()?,
//!         side: Side::Buy,
//!         timestamp: at,
//!         received_at: at,
//!         origin: Origin::Stream,
//!         replayed: false,
//!         suspect: false,
//!     });
//! }
//! let prices: Vec<_> = window.newest(100).map(|trade| trade.price.to_string()).collect();
//! assert_eq!(prices, ["97123.40", "97123.5"], "with the digits that were sent");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "arrow")]
mod arrow;
mod candles;
mod column;
mod trades;

use std::collections::HashMap;

use crate::model::{Candle, Interval, Market, Trade};

pub use candles::CandleWindow;
pub use trades::TradeWindow;

/// Windows of many markets, made as trades and candles of them come.
#[derive(Debug)]
pub struct Windows {
    trade_capacity: usize,
    candle_capacity: usize,
    trades: HashMap<Market, TradeWindow>,
    candles: HashMap<(Market, Interval), CandleWindow>,
}

impl Windows {
    /// None yet; each will hold so many trades, or candles of one length.
    pub fn new(trade_capacity: usize, candle_capacity: usize) -> Self {
        Self {
            trade_capacity,
            candle_capacity,
            trades: HashMap::new(),
            candles: HashMap::new(),
        }
    }

    /// Adds the next trade of its market.
    pub fn push_trade(&mut self, trade: &Trade) {
        let market = trade.market;
        let window = self.trades.entry(market);
        let window = window.or_insert_with(|| TradeWindow::new(market, self.trade_capacity));
        window.push(trade);
    }

    /// Takes the next candle of its market and length, see [`CandleWindow::push`].
    pub fn push_candle(&mut self, candle: &Candle) -> bool {
        let (market, interval) = (candle.market, candle.interval);
        let window = self.candles.entry((market, interval));
        let window =
            window.or_insert_with(|| CandleWindow::new(market, interval, self.candle_capacity));
        window.push(candle)
    }

    /// The trades of a market, where there were any.
    pub fn trades(&self, market: Market) -> Option<&TradeWindow> {
        self.trades.get(&market)
    }

    /// The candles of a market, where there were any of this length.
    pub fn candles(&self, market: Market, interval: Interval) -> Option<&CandleWindow> {
        self.candles.get(&(market, interval))
    }

    /// Forgets a market, and gives its memory back.
    pub fn clear(&mut self, market: Market) {
        self.trades.remove(&market);
        self.candles.retain(|(of, _), _| *of != market);
    }

    /// Forgets all markets.
    pub fn clear_all(&mut self) {
        self.trades.clear();
        self.candles.clear();
    }
}

#[cfg(test)]
mod tests;
