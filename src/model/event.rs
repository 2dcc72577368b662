//! What is told: tickers, trades and candles, and the one type for everything that can be told.

use std::sync::Arc;

use super::decimal::{exact_sub, ratio};
use super::{
    Candle, Decimal, Exchange, Gap, Interval, Market, Price, Qty, Signal, Status, Timestamp,
};

/// A kind of market data that can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// Best bid and ask, last price and the rolling 24 hours.
    Ticker,
    /// Every single trade.
    Trades,
    /// Candles of this length, forming and closed.
    Candles(Interval),
}

impl Stream {
    /// Those that have no intervals, in the order used for tables.
    pub const PLAIN: [Stream; 2] = [Stream::Ticker, Stream::Trades];

    /// How many there are: the size of a table by [`Stream::index`].
    pub const COUNT: usize = 2 + Interval::ALL.len();

    /// Every stream.
    pub fn all() -> impl Iterator<Item = Stream> {
        let candles = Interval::ALL.into_iter().map(Self::Candles);
        Self::PLAIN.into_iter().chain(candles)
    }

    /// Its place in a table of all.
    pub const fn index(self) -> usize {
        match self {
            Self::Ticker => 0,
            Self::Trades => 1,
            Self::Candles(interval) => 2 + interval as usize,
        }
    }

    /// The length of its candles, where it has any.
    pub fn interval(self) -> Option<Interval> {
        match self {
            Self::Candles(interval) => Some(interval),
            Self::Ticker | Self::Trades => None,
        }
    }

    /// The name in outputs and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ticker => "ticker",
            Self::Trades => "trades",
            Self::Candles(_) => "candles",
        }
    }
}

/// The side of the taker: the one who crossed the spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The taker bought.
    Buy,
    /// The taker sold.
    Sell,
}

impl Side {
    /// `buy` or `sell`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }

    /// The other side: for exchanges that tell the maker's.
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// How a trade came to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Over the live stream.
    Stream,
    /// Missed by the stream and fetched afterwards, or polled where there is no stream.
    Repair,
    /// Asked for over REST, from before the stream.
    History,
}

impl Origin {
    /// The name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Repair => "repair",
            Self::History => "history",
        }
    }
}

/// The state of a market at a moment. What the exchange does not give is `None`.
///
/// Units: prices in quote per base, sizes and volume in base, quote volume in quote; the 24 hours are
/// rolling; the percentage is in points (1.5 is +1.5 %).
#[derive(Debug, Clone, PartialEq)]
pub struct Ticker {
    /// What it is about.
    pub market: Market,
    /// Last trade price.
    pub price: Option<Price>,
    /// Best bid price.
    pub bid: Option<Price>,
    /// Size at the best bid.
    pub bid_size: Option<Qty>,
    /// Best ask price.
    pub ask: Option<Price>,
    /// Size at the best ask.
    pub ask_size: Option<Qty>,
    /// Price 24 hours ago.
    pub open_24h: Option<Price>,
    /// Highest price of the 24 hours.
    pub high_24h: Option<Price>,
    /// Lowest price of the 24 hours.
    pub low_24h: Option<Price>,
    /// Base volume of the 24 hours.
    pub volume_24h: Option<Qty>,
    /// Quote volume of the 24 hours.
    pub quote_volume_24h: Option<Qty>,
    /// `price − open_24h`.
    pub change_24h: Option<Decimal>,
    /// `change_24h / open_24h × 100`.
    pub change_percent_24h: Option<Decimal>,
    /// The exchange's time of it.
    pub timestamp: Option<Timestamp>,
    /// When it reached us.
    pub received_at: Timestamp,
    /// Its price failed the sanity check and was not confirmed yet.
    pub suspect: bool,
}

impl Ticker {
    /// A ticker that knows nothing yet.
    pub fn empty(market: Market, received_at: Timestamp) -> Self {
        Self {
            market,
            price: None,
            bid: None,
            bid_size: None,
            ask: None,
            ask_size: None,
            open_24h: None,
            high_24h: None,
            low_24h: None,
            volume_24h: None,
            quote_volume_24h: None,
            change_24h: None,
            change_percent_24h: None,
            timestamp: None,
            received_at,
            suspect: false,
        }
    }

    /// `ask − bid`, exactly.
    pub fn spread(&self) -> Option<Decimal> {
        exact_sub(self.ask?.decimal(), self.bid?.decimal())
    }

    /// The spread in basis points of the mid price, to 4 decimals.
    pub fn spread_bps(&self) -> Option<Decimal> {
        let (bid, ask) = (self.bid?.decimal(), self.ask?.decimal());
        ratio(self.spread()?, exact_sub(bid, -ask)?, 20_000)
    }

    /// Fills `open_24h`, `change_24h` and `change_percent_24h` from one another, exactly, where the
    /// exchange did not send them. Nothing else is ever derived.
    pub fn derive(&mut self) {
        let Some(price) = self.price.map(Price::decimal) else {
            return;
        };
        if self.open_24h.is_none() {
            self.open_24h = self
                .change_24h
                .and_then(|change| exact_sub(price, change))
                .map(Price::from);
        }
        let Some(open) = self.open_24h.map(Price::decimal) else {
            return;
        };
        self.change_24h = self.change_24h.or_else(|| exact_sub(price, open));
        self.change_percent_24h = self
            .change_percent_24h
            .or_else(|| ratio(self.change_24h?, open, 100));
    }
}

/// One trade.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trade {
    /// What was traded.
    pub market: Market,
    /// The exchange's number of it, rising per market.
    pub id: u64,
    /// Quote per base.
    pub price: Price,
    /// Base.
    pub size: Qty,
    /// The taker's side.
    pub side: Side,
    /// The exchange's time of it.
    pub timestamp: Timestamp,
    /// When it reached us.
    pub received_at: Timestamp,
    /// How it came.
    pub origin: Origin,
    /// Repeated by the exchange on subscribing: it happened before. The engine only takes it as new
    /// where it fills a hole.
    pub replayed: bool,
    /// Its price failed the sanity check and was not confirmed yet.
    pub suspect: bool,
}

/// Anything that the engine tells. Cheap to clone: the large ones are shared.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The state of a market.
    Ticker(Arc<Ticker>),
    /// One trade.
    Trade(Trade),
    /// What was traded within an interval, so far or finally.
    Candle(Arc<Candle>),
    /// A hole.
    Gap(Arc<Gap>),
    /// A change of connection state.
    Status(Arc<Status>),
    /// What a strategy says.
    Signal(Arc<Signal>),
}

impl Event {
    /// The name in outputs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ticker(_) => "ticker",
            Self::Trade(_) => "trade",
            Self::Candle(_) => "candle",
            Self::Gap(_) => "gap",
            Self::Status(_) => "status",
            Self::Signal(_) => "signal",
        }
    }

    /// What it is about; `None` for the state of a whole connection.
    pub fn market(&self) -> Option<Market> {
        match self {
            Self::Ticker(ticker) => Some(ticker.market),
            Self::Trade(trade) => Some(trade.market),
            Self::Candle(candle) => Some(candle.market),
            Self::Gap(gap) => Some(gap.market),
            Self::Status(status) => status.market,
            Self::Signal(signal) => Some(signal.market),
        }
    }

    /// Which exchange it comes from.
    pub fn exchange(&self) -> Exchange {
        match self {
            Self::Status(status) => status.exchange,
            Self::Ticker(ticker) => ticker.market.exchange(),
            Self::Trade(trade) => trade.market.exchange(),
            Self::Candle(candle) => candle.market.exchange(),
            Self::Gap(gap) => gap.market.exchange(),
            Self::Signal(signal) => signal.market.exchange(),
        }
    }

    /// The stream whose data it is; `None` for gaps, states and signals.
    pub fn stream(&self) -> Option<Stream> {
        match self {
            Self::Ticker(_) => Some(Stream::Ticker),
            Self::Trade(_) => Some(Stream::Trades),
            Self::Candle(candle) => Some(Stream::Candles(candle.interval)),
            Self::Gap(_) | Self::Status(_) | Self::Signal(_) => None,
        }
    }

    /// Whether its price failed the sanity check and was not confirmed yet.
    pub fn is_suspect(&self) -> bool {
        match self {
            Self::Ticker(ticker) => ticker.suspect,
            Self::Trade(trade) => trade.suspect,
            Self::Candle(_) | Self::Gap(_) | Self::Status(_) | Self::Signal(_) => false,
        }
    }

    /// When it reached us; `None` for gaps, states and signals.
    pub fn received_at(&self) -> Option<Timestamp> {
        match self {
            Self::Ticker(ticker) => Some(ticker.received_at),
            Self::Trade(trade) => Some(trade.received_at),
            Self::Candle(candle) => Some(candle.received_at),
            Self::Gap(_) | Self::Status(_) | Self::Signal(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticker() -> Ticker {
        Ticker::empty(
            Market::new(Exchange::new("test"), "BTC", "USD"),
            Timestamp::from_nanos(0),
        )
    }

    #[test]
    fn change_and_percentage_come_from_price_and_open() {
        let mut ticker = Ticker {
            price: Some("61000.10".parse().unwrap()),
            open_24h: Some("60100".parse().unwrap()),
            ..ticker()
        };
        ticker.derive();
        assert_eq!(
            ticker
                .change_24h
                .map(|d| Price::from(d).to_string())
                .as_deref(),
            Some("900.10")
        );
        assert_eq!(
            ticker
                .change_percent_24h
                .map(|d| Price::from(d).to_string())
                .as_deref(),
            Some("1.4977")
        );
    }

    #[test]
    fn open_comes_from_price_and_change_and_what_was_sent_stays() {
        let mut ticker = Ticker {
            price: Some("83744.3".parse().unwrap()),
            change_24h: Some("-429.3".parse().unwrap()),
            change_percent_24h: Some("-0.51".parse().unwrap()),
            ..ticker()
        };
        ticker.derive();
        assert_eq!(
            ticker.open_24h.map(|p| p.to_string()).as_deref(),
            Some("84173.6")
        );
        assert_eq!(
            ticker
                .change_percent_24h
                .map(|d| Price::from(d).to_string())
                .as_deref(),
            Some("-0.51")
        );
    }

    #[test]
    fn nothing_is_derived_from_nothing() {
        let mut ticker = Ticker {
            open_24h: Some("60100".parse().unwrap()),
            ..ticker()
        };
        ticker.derive();
        assert_eq!(
            (
                ticker.change_24h,
                ticker.change_percent_24h,
                ticker.spread(),
                ticker.spread_bps()
            ),
            (None, None, None, None)
        );
    }

    #[test]
    fn the_spread_is_exact_and_its_basis_points_rounded() {
        let ticker = Ticker {
            bid: Some("99.5".parse().unwrap()),
            ask: Some("100.50".parse().unwrap()),
            ..ticker()
        };
        assert_eq!(
            ticker
                .spread()
                .map(|d| Price::from(d).to_string())
                .as_deref(),
            Some("1.00")
        );
        assert_eq!(
            ticker
                .spread_bps()
                .map(|d| Price::from(d).to_string())
                .as_deref(),
            Some("100.0000")
        );
    }
}
