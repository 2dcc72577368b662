//! Coinbase's words into tickwire's.

use crate::exchange::Literal;
use crate::exchange::protocol::DecodeError;
use crate::model::{Market, Origin, Price, Qty, Side, Ticker, Timestamp, Trade};

use super::wire::{Match, RestTicker, TickerMessage};

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

/// `side` is the maker's in matches and over REST: the taker's is the other one.
pub(super) fn trade(
    wire: &Match<'_>,
    market: Market,
    received_at: Timestamp,
    origin: Origin,
) -> Result<Trade, DecodeError> {
    let maker = match wire.side.as_ref() {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        _ => return Err(DecodeError::Value("a side that is neither buy nor sell")),
    };
    Ok(Trade {
        market,
        id: wire.trade_id,
        price: wire.price.price()?,
        size: wire.size.qty()?,
        side: maker.opposite(),
        timestamp: time(&wire.time)?,
        received_at,
        origin,
        replayed: false,
    })
}

pub(super) fn ticker(
    wire: &TickerMessage<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Ticker, DecodeError> {
    let mut ticker = Ticker {
        price: price(wire.price)?,
        bid: price(wire.best_bid)?,
        bid_size: qty(wire.best_bid_size)?,
        ask: price(wire.best_ask)?,
        ask_size: qty(wire.best_ask_size)?,
        open_24h: price(wire.open_24h)?,
        high_24h: price(wire.high_24h)?,
        low_24h: price(wire.low_24h)?,
        volume_24h: qty(wire.volume_24h)?,
        timestamp: wire
            .time
            .as_deref()
            .filter(|t| !t.is_empty())
            .map(time)
            .transpose()?,
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
        price: price(wire.price)?,
        bid: price(wire.bid)?,
        ask: price(wire.ask)?,
        volume_24h: qty(wire.volume)?,
        timestamp: wire
            .time
            .as_deref()
            .filter(|t| !t.is_empty())
            .map(time)
            .transpose()?,
        ..Ticker::empty(market, received_at)
    })
}
