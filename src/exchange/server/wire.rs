//! What a server sends: the fields of events, the same over REST and WebSocket, and what is around them. Members that
//! are not known here are ignored.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::protocol::DecodeError;
use crate::exchange::reading::{self, optional_decimal, optional_price, optional_qty, rfc3339};
use crate::exchange::{Literal, literal};
use crate::feed::Span;
use crate::model::{
    Candle, Exchange, Gap, GapReason, GapState, Interval, Market, Origin, Status, StatusState,
    Stream, Ticker, Timestamp, Trade,
};

/// Every message of the WebSocket.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

/// `joined` and `error`.
#[derive(Debug, Deserialize)]
pub(super) struct Reply<'a> {
    #[serde(borrow)]
    pub room: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub interval: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub message: Option<Cow<'a, str>>,
}

/// Messages that this client was too slow for.
#[derive(Debug, Deserialize)]
pub(super) struct Dropped<'a> {
    #[serde(borrow, default)]
    pub rooms: Vec<Cow<'a, str>>,
}

/// Whose event it is. `exchange` is `None` where the answer says it once for all.
#[derive(Debug, Deserialize)]
pub(super) struct Whose<'a> {
    #[serde(borrow)]
    pub exchange: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub symbol: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TickerRow<'a> {
    #[serde(borrow)]
    price: Option<Literal<'a>>,
    #[serde(borrow)]
    bid: Option<Literal<'a>>,
    #[serde(borrow)]
    bid_size: Option<Literal<'a>>,
    #[serde(borrow)]
    ask: Option<Literal<'a>>,
    #[serde(borrow)]
    ask_size: Option<Literal<'a>>,
    #[serde(borrow)]
    open_24h: Option<Literal<'a>>,
    #[serde(borrow)]
    high_24h: Option<Literal<'a>>,
    #[serde(borrow)]
    low_24h: Option<Literal<'a>>,
    #[serde(borrow)]
    volume_24h: Option<Literal<'a>>,
    #[serde(borrow)]
    quote_volume_24h: Option<Literal<'a>>,
    #[serde(borrow)]
    change_24h: Option<Literal<'a>>,
    #[serde(borrow)]
    change_percent_24h: Option<Literal<'a>>,
    #[serde(borrow)]
    timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    received_at: Cow<'a, str>,
    #[serde(default)]
    suspect: bool,
    /// Seconds since it was confirmed to the server; only over REST.
    #[serde(default)]
    pub age: Option<f64>,
    /// The server cannot vouch for it any more; only over REST.
    #[serde(default)]
    pub stale: bool,
}

impl TickerRow<'_> {
    /// As the server has it: also what it derived.
    pub fn ticker(&self, market: Market) -> Result<Ticker, DecodeError> {
        Ok(Ticker {
            price: optional_price(self.price)?,
            bid: optional_price(self.bid)?,
            bid_size: optional_qty(self.bid_size)?,
            ask: optional_price(self.ask)?,
            ask_size: optional_qty(self.ask_size)?,
            open_24h: optional_price(self.open_24h)?,
            high_24h: optional_price(self.high_24h)?,
            low_24h: optional_price(self.low_24h)?,
            volume_24h: optional_qty(self.volume_24h)?,
            quote_volume_24h: optional_qty(self.quote_volume_24h)?,
            change_24h: optional_decimal(self.change_24h)?,
            change_percent_24h: optional_decimal(self.change_percent_24h)?,
            timestamp: self.timestamp.as_deref().map(rfc3339).transpose()?,
            suspect: self.suspect,
            ..Ticker::empty(market, rfc3339(&self.received_at)?)
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct TradeRow<'a> {
    #[serde(deserialize_with = "literal::id")]
    id: u64,
    #[serde(borrow)]
    price: Literal<'a>,
    #[serde(borrow)]
    size: Literal<'a>,
    #[serde(borrow)]
    side: Cow<'a, str>,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow)]
    received_at: Cow<'a, str>,
    #[serde(borrow)]
    origin: Option<Cow<'a, str>>,
    #[serde(default)]
    suspect: bool,
}

impl TradeRow<'_> {
    pub fn trade(&self, market: Market) -> Result<Trade, DecodeError> {
        Ok(Trade {
            market,
            id: reading::trade_id(self.id)?,
            price: self.price.price()?,
            size: self.size.qty()?,
            side: reading::side(&self.side)?,
            timestamp: rfc3339(&self.timestamp)?,
            received_at: rfc3339(&self.received_at)?,
            origin: origin(self.origin.as_deref()),
            replayed: false,
            suspect: self.suspect,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct CandleRow<'a> {
    #[serde(borrow)]
    interval: Cow<'a, str>,
    #[serde(borrow)]
    open_time: Cow<'a, str>,
    #[serde(borrow)]
    open: Literal<'a>,
    #[serde(borrow)]
    high: Literal<'a>,
    #[serde(borrow)]
    low: Literal<'a>,
    #[serde(borrow)]
    close: Literal<'a>,
    #[serde(borrow)]
    volume: Literal<'a>,
    #[serde(borrow)]
    quote_volume: Option<Literal<'a>>,
    #[serde(borrow)]
    trades: Option<Literal<'a>>,
    closed: bool,
    complete: bool,
    #[serde(borrow)]
    origin: Option<Cow<'a, str>>,
}

impl CandleRow<'_> {
    /// Nothing says when its last trade was: it has no time of its own.
    pub fn candle(&self, market: Market, received_at: Timestamp) -> Result<Candle, DecodeError> {
        reading::candle(Candle {
            market,
            interval: interval(&self.interval)?,
            open_time: rfc3339(&self.open_time)?,
            open: self.open.price()?,
            high: self.high.price()?,
            low: self.low.price()?,
            close: self.close.price()?,
            volume: self.volume.qty()?,
            quote_volume: optional_qty(self.quote_volume)?,
            trades: self.trades.map(reading::count).transpose()?,
            closed: self.closed,
            complete: self.complete,
            origin: origin(self.origin.as_deref()),
            timestamp: None,
            received_at,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct GapRow<'a> {
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    interval: Option<Cow<'a, str>>,
    #[serde(borrow)]
    from_id: Option<Literal<'a>>,
    #[serde(borrow)]
    to_id: Option<Literal<'a>>,
    #[serde(borrow)]
    from: Option<Cow<'a, str>>,
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    missing: Option<u64>,
    #[serde(default)]
    recovered: u64,
    #[serde(borrow)]
    state: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

impl GapRow<'_> {
    /// The first and the last id of trades of which some stay missing.
    pub fn lost_trades(&self) -> Option<(u64, u64)> {
        let is_loss = self.stream == "trades" && self.state != "repaired";
        let id = |literal: Option<Literal<'_>>| literal?.text().parse().ok();
        id(self.from_id).zip(id(self.to_id)).filter(|_| is_loss)
    }

    /// The time of what cannot be had; without a bound where it names none.
    pub fn span(&self) -> Option<Span> {
        let time =
            |text: &Option<Cow<'_, str>>| text.as_deref().and_then(|text| rfc3339(text).ok());
        (self.state != "repaired").then(|| Span {
            from: time(&self.from).unwrap_or(Timestamp::from_nanos(i64::MIN)),
            until: time(&self.to).unwrap_or(Timestamp::from_nanos(i64::MAX)),
        })
    }

    pub fn gap(&self, market: Market) -> Result<Gap, DecodeError> {
        let stream = match (&*self.stream, &self.interval) {
            ("ticker", _) => Stream::Ticker,
            ("trades", _) => Stream::Trades,
            ("candles", Some(length)) => Stream::Candles(interval(length)?),
            _ => return Err(DecodeError::Value("a gap in a stream that is not known")),
        };
        let id = |literal: Option<Literal<'_>>| {
            let id = literal.map(|id| id.text().parse().map(reading::trade_id));
            let bad = DecodeError::Value("a trade id that is no whole number");
            id.transpose().map_err(|_| bad)?.transpose()
        };
        let time = |text: &Option<Cow<'_, str>>| text.as_deref().map(rfc3339).transpose();
        Ok(Gap {
            market,
            stream,
            from_id: id(self.from_id)?,
            to_id: id(self.to_id)?,
            from: time(&self.from)?,
            to: time(&self.to)?,
            missing: self.missing,
            recovered: self.recovered,
            state: match &*self.state {
                "repaired" => GapState::Repaired,
                "partial" => GapState::Partial,
                // What a later version may say of it: to us it is a hole.
                _ => GapState::Unrepairable,
            },
            reason: match &*self.reason {
                "reconnect" => GapReason::Reconnect,
                "stall" => GapReason::Stall,
                "slow_consumer" => GapReason::SlowConsumer,
                "source_limit" => GapReason::SourceLimit,
                "repair_off" => GapReason::RepairOff,
                _ => GapReason::IdHole,
            },
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct StatusRow<'a> {
    #[serde(borrow)]
    state: Cow<'a, str>,
    #[serde(default)]
    attempt: u32,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
}

impl StatusRow<'_> {
    /// `None`: a state in which nothing is decided yet, or that is not known here.
    pub fn status(
        &self,
        exchange: Exchange,
        market: Option<Market>,
    ) -> Result<Option<Status>, DecodeError> {
        let state = match &*self.state {
            "connected" => StatusState::Connected,
            "quiet" => StatusState::Quiet,
            "stale" => StatusState::Stale,
            "reconnecting" => StatusState::Reconnecting,
            "fallback" => StatusState::Fallback,
            "failed" => StatusState::Failed,
            _ => return Ok(None),
        };
        Ok(Some(Status {
            exchange,
            market,
            state,
            attempt: self.attempt,
            reason: self.reason.as_deref().map(str::to_owned),
            stand_in: None,
            timestamp: rfc3339(&self.timestamp)?,
        }))
    }
}

fn interval(name: &str) -> Result<Interval, DecodeError> {
    Interval::named(name).ok_or(DecodeError::Value("an interval that is not known"))
}

fn origin(name: Option<&str>) -> Origin {
    match name {
        Some("repair") => Origin::Repair,
        Some("history") => Origin::History,
        _ => Origin::Stream,
    }
}
