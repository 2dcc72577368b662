//! Kraken's words into tickwire's.

use crate::exchange::Literal;
use crate::exchange::protocol::DecodeError;
use crate::exchange::reading::{self, optional_decimal, optional_price, optional_qty, rfc3339};
use crate::model::{Candle, Interval, Market, Origin, Side, Ticker, Timestamp, Trade};

use super::wire::{CandleRow, RestTicker, TickerRow, TradeRow};
use super::{INTERVALS, minutes};

pub(super) fn trade(
    wire: &TradeRow<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Trade, DecodeError> {
    let side = reading::side(&wire.side)?;
    Ok(Trade {
        market,
        id: reading::trade_id(wire.trade_id)?,
        price: wire.price.price()?,
        size: wire.qty.qty()?,
        side,
        timestamp: rfc3339(&wire.timestamp)?,
        received_at,
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    })
}

pub(super) fn ticker(
    wire: &TickerRow<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Ticker, DecodeError> {
    let mut ticker = Ticker {
        price: optional_price(wire.last)?,
        bid: optional_price(wire.bid)?,
        bid_size: optional_qty(wire.bid_qty)?,
        ask: optional_price(wire.ask)?,
        ask_size: optional_qty(wire.ask_qty)?,
        high_24h: optional_price(wire.high)?,
        low_24h: optional_price(wire.low)?,
        volume_24h: optional_qty(wire.volume)?,
        change_24h: optional_decimal(wire.change)?,
        change_percent_24h: optional_decimal(wire.change_pct)?,
        timestamp: wire.timestamp.as_deref().map(rfc3339).transpose()?,
        ..Ticker::empty(market, received_at)
    };
    ticker.derive();
    Ok(ticker)
}

/// The REST ticker has no time, and its open is that of the UTC day: neither is filled from it.
pub(super) fn rest_ticker(
    wire: &RestTicker<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Ticker, DecodeError> {
    let day = |pair: &Vec<_>| pair.get(1).copied();
    Ok(Ticker {
        price: optional_price(wire.c.first().copied())?,
        bid: optional_price(wire.b.first().copied())?,
        bid_size: optional_qty(wire.b.get(2).copied())?,
        ask: optional_price(wire.a.first().copied())?,
        ask_size: optional_qty(wire.a.get(2).copied())?,
        high_24h: optional_price(day(&wire.h))?,
        low_24h: optional_price(day(&wire.l))?,
        volume_24h: optional_qty(day(&wire.v))?,
        ..Ticker::empty(market, received_at)
    })
}

/// `sent_at`: when the message was made. Nothing says whether one has ended, and the quote volume would have to be
/// computed from a rounded average.
pub(super) fn candle(
    wire: &CandleRow<'_>,
    market: Market,
    sent_at: Option<Timestamp>,
    received_at: Timestamp,
) -> Result<Candle, DecodeError> {
    let interval = (INTERVALS.iter().copied()).find(|known| minutes(*known) == wire.interval);
    reading::candle(Candle {
        market,
        interval: interval.ok_or(DecodeError::Value("an interval that was not asked for"))?,
        open_time: rfc3339(&wire.interval_begin)?,
        open: wire.open.price()?,
        high: wire.high.price()?,
        low: wire.low.price()?,
        close: wire.close.price()?,
        volume: wire.volume.qty()?,
        quote_volume: None,
        trades: Some(reading::count(wire.trades)?),
        closed: false,
        complete: true,
        origin: Origin::Stream,
        timestamp: sent_at,
        received_at,
    })
}

/// A row of REST `OHLC`: seconds, open, high, low, close, average price, volume, trades.
pub(super) fn rest_candle(
    row: &[Literal<'_>],
    market: Market,
    interval: Interval,
    received_at: Timestamp,
) -> Result<Candle, DecodeError> {
    let [seconds, open, high, low, close, _, volume, trades, ..] = row else {
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
        trades: Some(reading::count(*trades)?),
        closed: false,
        complete: true,
        origin: Origin::History,
        timestamp: None,
        received_at,
    })
}

/// A row of REST `Trades`: price, volume, float seconds, `b` or `s`, order type, misc, id.
pub(super) fn rest_trade(
    row: &[Literal<'_>],
    market: Market,
    received_at: Timestamp,
) -> Result<Trade, DecodeError> {
    let [price, volume, seconds, side, _, _, id, ..] = row else {
        return Err(DecodeError::Value("a trade row that is too short"));
    };
    let id = id.text().parse();
    let id = id.map_err(|_| DecodeError::Value("a trade id that is no whole number"))?;
    Ok(Trade {
        market,
        id: reading::trade_id(id)?,
        price: price.price()?,
        size: volume.qty()?,
        side: match side.text() {
            "b" => Side::Buy,
            "s" => Side::Sell,
            _ => return Err(DecodeError::Value("a side that is neither b nor s")),
        },
        timestamp: Timestamp::parse_seconds(seconds.text())
            .ok_or(DecodeError::Value("a time that is no number of seconds"))?,
        received_at,
        origin: Origin::History,
        replayed: false,
        suspect: false,
    })
}
