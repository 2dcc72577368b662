//! Kraken's words into tickwire's.

use crate::exchange::Literal;
use crate::exchange::protocol::DecodeError;
use crate::model::{Decimal, Market, Origin, Price, Qty, Side, Ticker, Timestamp, Trade};

use super::wire::{RestTicker, TickerRow, TradeRow};

fn time(text: &str) -> Result<Timestamp, DecodeError> {
    Timestamp::parse(text).ok_or(DecodeError::Value("a time that is not RFC 3339"))
}

fn price(literal: Option<Literal<'_>>) -> Result<Option<Price>, DecodeError> {
    Ok(literal
        .and_then(Literal::filled)
        .map(Literal::price)
        .transpose()?)
}

fn qty(literal: Option<Literal<'_>>) -> Result<Option<Qty>, DecodeError> {
    Ok(literal
        .and_then(Literal::filled)
        .map(Literal::qty)
        .transpose()?)
}

fn number(literal: Option<Literal<'_>>) -> Result<Option<Decimal>, DecodeError> {
    Ok(literal
        .and_then(Literal::filled)
        .map(Literal::decimal)
        .transpose()?)
}

pub(super) fn trade(
    wire: &TradeRow<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Trade, DecodeError> {
    let side = match wire.side.as_ref() {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        _ => return Err(DecodeError::Value("a side that is neither buy nor sell")),
    };
    Ok(Trade {
        market,
        id: wire.trade_id,
        price: wire.price.price()?,
        size: wire.qty.qty()?,
        side,
        timestamp: time(&wire.timestamp)?,
        received_at,
        origin: Origin::Stream,
        replayed: false,
    })
}

pub(super) fn ticker(
    wire: &TickerRow<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Ticker, DecodeError> {
    let mut ticker = Ticker {
        price: price(wire.last)?,
        bid: price(wire.bid)?,
        bid_size: qty(wire.bid_qty)?,
        ask: price(wire.ask)?,
        ask_size: qty(wire.ask_qty)?,
        high_24h: price(wire.high)?,
        low_24h: price(wire.low)?,
        volume_24h: qty(wire.volume)?,
        change_24h: number(wire.change)?,
        change_percent_24h: number(wire.change_pct)?,
        timestamp: wire.timestamp.as_deref().map(time).transpose()?,
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
        price: price(wire.c.first().copied())?,
        bid: price(wire.b.first().copied())?,
        bid_size: qty(wire.b.get(2).copied())?,
        ask: price(wire.a.first().copied())?,
        ask_size: qty(wire.a.get(2).copied())?,
        high_24h: price(day(&wire.h))?,
        low_24h: price(day(&wire.l))?,
        volume_24h: qty(day(&wire.v))?,
        ..Ticker::empty(market, received_at)
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
    Ok(Trade {
        market,
        id: id
            .text()
            .parse()
            .map_err(|_| DecodeError::Value("a trade id that is no whole number"))?,
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
    })
}
