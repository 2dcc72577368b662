//! Binance's words into tickwire's.

use crate::exchange::Literal;
use crate::exchange::protocol::{AggregateTrade, DecodeError};
use crate::exchange::reading;
use crate::model::{
    Candle, Interval, Market, Origin, Price, Qty, Side, Ticker, Timestamp, Trade, parse_decimal,
};

use super::wire::{KlineEvent, RestAggregate, RestTicker, RestTrade, TickerEvent, TradeEvent};

/// `m` says that the buyer was the maker: then the taker sold.
fn side(buyer_is_maker: bool) -> Side {
    if buyer_is_maker {
        Side::Sell
    } else {
        Side::Buy
    }
}

pub(super) fn time(millis: i64) -> Result<Timestamp, DecodeError> {
    Timestamp::from_millis(millis).ok_or(DecodeError::Value("time out of range"))
}

fn price(text: &str) -> Result<Option<Price>, DecodeError> {
    Ok(Some(text.parse()?))
}

fn qty(text: &str) -> Result<Option<Qty>, DecodeError> {
    Ok(Some(text.parse()?))
}

pub(super) fn trade(
    wire: &TradeEvent<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Trade, DecodeError> {
    Ok(Trade {
        market,
        id: reading::trade_id(wire.id)?,
        price: wire.price.parse()?,
        size: wire.size.parse()?,
        side: side(wire.buyer_is_maker),
        timestamp: time(wire.time)?,
        received_at,
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    })
}

pub(super) fn rest_trade(
    wire: &RestTrade<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Trade, DecodeError> {
    Ok(Trade {
        market,
        id: reading::trade_id(wire.id)?,
        price: wire.price.parse()?,
        size: wire.qty.parse()?,
        side: side(wire.is_buyer_maker),
        timestamp: time(wire.time)?,
        received_at,
        origin: Origin::History,
        replayed: false,
        suspect: false,
    })
}

/// One trade where the first id is the last one.
pub(super) fn aggregate(
    wire: &RestAggregate<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<AggregateTrade, DecodeError> {
    let (first, last) = (
        reading::trade_id(wire.first)?,
        reading::trade_id(wire.last)?,
    );
    if first > last {
        return Err(DecodeError::Value(
            "an aggregate that ends before it begins",
        ));
    }
    let timestamp = time(wire.time)?;
    let trade = Trade {
        market,
        id: first,
        price: wire.price.parse()?,
        size: wire.qty.parse()?,
        side: side(wire.is_buyer_maker),
        timestamp,
        received_at,
        origin: Origin::History,
        replayed: false,
        suspect: false,
    };
    Ok(AggregateTrade {
        id: reading::trade_id(wire.id)?,
        first,
        last,
        timestamp,
        trade: (first == last).then_some(trade),
    })
}

/// `None`: of a length that has no name here.
pub(super) fn kline(
    wire: &KlineEvent<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Option<Candle>, DecodeError> {
    let kline = &wire.kline;
    let Some(interval) = Interval::named(&kline.interval) else {
        return Ok(None);
    };
    let candle = Candle {
        market,
        interval,
        open_time: time(kline.open_time)?,
        open: kline.open.parse()?,
        high: kline.high.parse()?,
        low: kline.low.parse()?,
        close: kline.close.parse()?,
        volume: kline.volume.parse()?,
        quote_volume: qty(kline.quote_volume)?,
        trades: Some(kline.trades),
        closed: kline.is_closed,
        complete: true,
        origin: Origin::Stream,
        timestamp: Some(time(wire.time)?),
        received_at,
    };
    reading::candle(candle).map(Some)
}

/// A row of REST `klines`: open time, open, high, low, close, volume, close time, quote volume, trades and three
/// more.
pub(super) fn rest_kline(
    row: &[Literal<'_>],
    market: Market,
    interval: Interval,
    received_at: Timestamp,
) -> Result<Candle, DecodeError> {
    let [
        open_time,
        open,
        high,
        low,
        close,
        volume,
        _,
        quote_volume,
        trades,
        ..,
    ] = row
    else {
        return Err(DecodeError::Value("a candle row that is too short"));
    };
    let millis = open_time.text().parse();
    let millis = millis.map_err(|_| DecodeError::Value("a time that is no whole number"))?;
    reading::candle(Candle {
        market,
        interval,
        open_time: time(millis)?,
        open: open.price()?,
        high: high.price()?,
        low: low.price()?,
        close: close.price()?,
        volume: volume.qty()?,
        quote_volume: Some(quote_volume.qty()?),
        trades: Some(reading::count(*trades)?),
        closed: false,
        complete: true,
        origin: Origin::History,
        timestamp: None,
        received_at,
    })
}

pub(super) fn ticker(
    wire: &TickerEvent<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Ticker, DecodeError> {
    Ok(Ticker {
        market,
        price: price(wire.last)?,
        bid: price(wire.bid)?,
        bid_size: qty(wire.bid_size)?,
        ask: price(wire.ask)?,
        ask_size: qty(wire.ask_size)?,
        open_24h: price(wire.open)?,
        high_24h: price(wire.high)?,
        low_24h: price(wire.low)?,
        volume_24h: qty(wire.volume)?,
        quote_volume_24h: qty(wire.quote_volume)?,
        change_24h: Some(parse_decimal(wire.change)?),
        change_percent_24h: Some(parse_decimal(wire.change_percent)?),
        timestamp: Some(time(wire.time)?),
        received_at,
        suspect: false,
    })
}

pub(super) fn rest_ticker(
    wire: &RestTicker<'_>,
    market: Market,
    received_at: Timestamp,
) -> Result<Ticker, DecodeError> {
    Ok(Ticker {
        market,
        price: price(wire.last_price)?,
        bid: price(wire.bid_price)?,
        bid_size: qty(wire.bid_qty)?,
        ask: price(wire.ask_price)?,
        ask_size: qty(wire.ask_qty)?,
        open_24h: price(wire.open_price)?,
        high_24h: price(wire.high_price)?,
        low_24h: price(wire.low_price)?,
        volume_24h: qty(wire.volume)?,
        quote_volume_24h: qty(wire.quote_volume)?,
        change_24h: Some(parse_decimal(wire.price_change)?),
        change_percent_24h: Some(parse_decimal(wire.price_change_percent)?),
        timestamp: Some(time(wire.close_time)?),
        received_at,
        suspect: false,
    })
}
