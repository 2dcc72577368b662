//! Coinbase's words into tickwire's.

use crate::exchange::Literal;
use crate::exchange::protocol::DecodeError;
use crate::exchange::reading::{self, optional_price, optional_qty, rfc3339};
use crate::model::{Candle, Interval, Market, Origin, Ticker, Timestamp, Trade};

use super::wire::{Match, RestTicker, TickerMessage};

/// Absent or `""` where the product has no trades.
fn optional_time(text: Option<&str>) -> Result<Option<Timestamp>, DecodeError> {
    let filled = text.filter(|text| !text.is_empty());
    filled.map(rfc3339).transpose()
}

/// `side` is the maker's in matches and over REST: the taker's is the other one.
pub(super) fn trade(
    wire: &Match<'_>,
    market: Market,
    received_at: Timestamp,
    origin: Origin,
) -> Result<Trade, DecodeError> {
    let maker = reading::side(&wire.side)?;
    Ok(Trade {
        market,
        id: reading::trade_id(wire.trade_id)?,
        price: wire.price.price()?,
        size: wire.size.qty()?,
        side: maker.opposite(),
        timestamp: rfc3339(&wire.time)?,
        received_at,
        origin,
        replayed: false,
        suspect: false,
    })
}

/// A row of REST `candles`: seconds, **low, high, open, close**, volume, all bare numbers.
pub(super) fn rest_candle(
    row: &[Literal<'_>],
    market: Market,
    interval: Interval,
    received_at: Timestamp,
) -> Result<Candle, DecodeError> {
    let [seconds, low, high, open, close, volume, ..] = row else {
        return Err(DecodeError::Value("a candle row that is too short"));
    };
    reading::candle(Candle {
        market,
        interval,
        open_time: Timestamp::parse_seconds(seconds.text())
            .ok_or(DecodeError::Value("a time that is no number of seconds"))?,
        open: open.price()?,
        high: high.price()?,
        low: low.price()?,
        close: close.price()?,
        volume: volume.qty()?,
        quote_volume: None,
        trades: None,
        closed: false,
        complete: true,
        origin: Origin::History,
        timestamp: None,
        received_at,
    })
}

pub(super) fn ticker(
    wire: &TickerMessage<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Ticker, DecodeError> {
    let mut ticker = Ticker {
        price: optional_price(wire.price)?,
        bid: optional_price(wire.best_bid)?,
        bid_size: optional_qty(wire.best_bid_size)?,
        ask: optional_price(wire.best_ask)?,
        ask_size: optional_qty(wire.best_ask_size)?,
        open_24h: optional_price(wire.open_24h)?,
        high_24h: optional_price(wire.high_24h)?,
        low_24h: optional_price(wire.low_24h)?,
        volume_24h: optional_qty(wire.volume_24h)?,
        timestamp: optional_time(wire.time.as_deref())?,
        ..Ticker::empty(market, received_at)
    };
    ticker.derive();
    Ok(ticker)
}

/// The REST ticker knows neither the open nor the sizes; both would take further requests.
pub(super) fn rest_ticker(
    wire: &RestTicker<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Ticker, DecodeError> {
    Ok(Ticker {
        price: optional_price(wire.price)?,
        bid: optional_price(wire.bid)?,
        ask: optional_price(wire.ask)?,
        volume_24h: optional_qty(wire.volume)?,
        timestamp: optional_time(wire.time.as_deref())?,
        ..Ticker::empty(market, received_at)
    })
}
