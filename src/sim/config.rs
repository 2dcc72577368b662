//! What a simulated exchange is made of: the venue, its listings, its pace.
use std::time::Duration;

/// The exchange whose public protocols are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Venue {
    /// Binance spot.
    Binance,
    /// Coinbase Exchange (not Advanced Trade).
    Coinbase,
    /// Kraken spot: WebSocket v2 and REST.
    Kraken,
}

/// Whether a listing can be traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Normal trading.
    Trading,
    /// Listed, but no trades happen. Subscriptions are accepted.
    Halted,
    /// Gone: Kraken no longer lists it, Coinbase refuses it, Binance says `BREAK`.
    Delisted,
}

/// One pair the exchange lists.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Canonical base currency (`BTC`, never `XBT`).
    pub base: String,
    /// Canonical quote currency.
    pub quote: String,
    /// Price just before the first trade, as plain decimal digits.
    pub price: &'static str,
    /// Decimals of the price tick.
    pub price_decimals: u32,
    /// Decimals of the size step.
    pub size_decimals: u32,
    /// Trading status at the start.
    pub status: Status,
}

impl Listing {
    /// A trading listing.
    pub fn new(
        base: &str,
        quote: &str,
        price: &'static str,
        price_decimals: u32,
        size_decimals: u32,
    ) -> Self {
        Self {
            base: base.to_owned(),
            quote: quote.to_owned(),
            price,
            price_decimals,
            size_decimals,
            status: Status::Trading,
        }
    }

    /// The same listing in another status.
    pub fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }
}

/// Everything that decides what a simulated exchange does; the same value gives the same prices.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Whose protocols to speak.
    pub venue: Venue,
    /// Seed of prices, sizes and sides.
    pub seed: u64,
    /// The pairs listed from the start.
    pub listings: Vec<Listing>,
    /// Trades per (real) second in each trading pair; 0 = only by hand.
    pub rate: f64,
    /// Real time per venue second, for pings, heartbeats, deadlines and rate limits.
    pub second: Duration,
    /// Id of the first trade in each ledger.
    pub first_trade_id: u64,
    /// Trades in each ledger before the start.
    pub history: usize,
    /// Minutes before the ledger of which there are candles, but no trades; 0: candles begin with the ledger.
    ///
    /// They end where the minute of the first trade begins, are the same for the same seed and time, and need no
    /// storage: years cost nothing. Longer candles are made of minutes; all trades of a minute are in its first
    /// second. Some minutes, and some half hours, are without trades.
    pub candle_history: u64,
    /// The venue's time at the start, in ns UTC: it then goes on with tokio's clock, which a test can
    /// pause. `None`: the computer's own time.
    pub start_ns: Option<i64>,
    /// Venue seconds per second of that clock. Only times go by it: `rate` and `second` are what they are.
    pub clock_rate: f64,
}

impl SimConfig {
    /// Seven pairs, one of them halted; no trades unless asked for.
    ///
    /// BTC, ETH, SOL, DOGE, ADA and the halted LTC are quoted in USD (USDT on Binance);
    /// ETH/BTC is there too.
    pub fn new(venue: Venue) -> Self {
        let (quote, size_decimals) = match venue {
            Venue::Binance => ("USDT", 5),
            Venue::Coinbase | Venue::Kraken => ("USD", 8),
        };
        let listing = |base, quote, price, decimals| {
            Listing::new(base, quote, price, decimals, size_decimals)
        };
        Self {
            venue,
            seed: 1,
            listings: vec![
                listing("BTC", quote, "67234.10", 2),
                listing("ETH", quote, "3412.50", 2),
                listing("SOL", quote, "151.20", 2),
                listing("DOGE", quote, "0.16210", 5),
                listing("ADA", quote, "0.4512", 4),
                listing("ETH", "BTC", "0.05075", 5),
                listing("LTC", quote, "84.10", 2).with_status(Status::Halted),
            ],
            rate: 0.0,
            second: Duration::from_secs(1),
            first_trade_id: 500_001,
            history: 200,
            candle_history: 0,
            start_ns: None,
            clock_rate: 1.0,
        }
    }
}
