//! What Coinbase sends, field by field. Prices and sizes are JSON strings, ids integers, times RFC 3339.
//! Unknown keys and types are ignored, as the exchange demands.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::{Literal, literal};

/// Which message it is.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Option<Cow<'a, str>>,
}

/// `{"type":"match","trade_id":910000124,"side":"sell","size":"0.015","price":"61000.10","product_id":"BTC-USD","time":"…Z",…}`
#[derive(Debug, Deserialize)]
pub(super) struct Match<'a> {
    #[serde(deserialize_with = "literal::id")]
    pub trade_id: u64,
    /// The **maker's** side.
    #[serde(borrow)]
    pub side: Cow<'a, str>,
    #[serde(borrow)]
    pub size: Literal<'a>,
    #[serde(borrow)]
    pub price: Literal<'a>,
    #[serde(borrow, default)]
    pub product_id: Cow<'a, str>,
    #[serde(borrow)]
    pub time: Cow<'a, str>,
}

/// `{"type":"ticker","product_id":"BTC-USD","price":"61000.10","open_24h":"60100.00","best_bid":"61000.00",…}`. A product
/// without recent trades lacks fields, or has them as `""`.
#[derive(Debug, Deserialize)]
pub(super) struct TickerMessage<'a> {
    #[serde(borrow)]
    pub product_id: Cow<'a, str>,
    #[serde(borrow)]
    pub price: Option<Literal<'a>>,
    #[serde(borrow)]
    pub open_24h: Option<Literal<'a>>,
    #[serde(borrow)]
    pub high_24h: Option<Literal<'a>>,
    #[serde(borrow)]
    pub low_24h: Option<Literal<'a>>,
    #[serde(borrow)]
    pub volume_24h: Option<Literal<'a>>,
    #[serde(borrow)]
    pub best_bid: Option<Literal<'a>>,
    /// Absent in old recordings.
    #[serde(borrow)]
    pub best_bid_size: Option<Literal<'a>>,
    #[serde(borrow)]
    pub best_ask: Option<Literal<'a>>,
    #[serde(borrow)]
    pub best_ask_size: Option<Literal<'a>>,
    #[serde(borrow)]
    pub time: Option<Cow<'a, str>>,
}

/// `{"type":"heartbeat","sequence":93000000003,"last_trade_id":910000124,"product_id":"BTC-USD","time":"…Z"}`
#[derive(Debug, Deserialize)]
pub(super) struct Heartbeat<'a> {
    #[serde(borrow, default)]
    pub product_id: Cow<'a, str>,
    /// A number, or one in quotes: ids have come both ways.
    #[serde(borrow)]
    pub last_trade_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub time: Option<Cow<'a, str>>,
}

/// The answer to every accepted request: all subscriptions that there are now.
#[derive(Debug, Deserialize)]
pub(super) struct Subscriptions<'a> {
    #[serde(borrow)]
    pub channels: Vec<Channel<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Channel<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub product_ids: Vec<Cow<'a, str>>,
}

/// `{"type":"error","message":"Failed to subscribe","reason":"FOO-USD is not a valid product"}`
#[derive(Debug, Deserialize)]
pub(super) struct ErrorMessage<'a> {
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    #[serde(borrow)]
    pub reason: Option<Cow<'a, str>>,
}

/// One element of `GET /products`.
#[derive(Debug, Deserialize)]
pub(super) struct Product {
    pub id: String,
    #[serde(default)]
    pub base_currency: String,
    #[serde(default)]
    pub quote_currency: String,
    pub quote_increment: Option<String>,
    pub base_increment: Option<String>,
    pub min_market_funds: Option<String>,
    pub status: Option<String>,
    #[serde(default)]
    pub trading_disabled: bool,
    #[serde(default)]
    pub cancel_only: bool,
    #[serde(default)]
    pub post_only: bool,
    #[serde(default)]
    pub limit_only: bool,
    #[serde(default)]
    pub auction_mode: bool,
}

/// `GET /products/{id}/ticker`
#[derive(Debug, Deserialize)]
pub(super) struct RestTicker<'a> {
    #[serde(borrow)]
    pub price: Option<Literal<'a>>,
    #[serde(borrow)]
    pub bid: Option<Literal<'a>>,
    #[serde(borrow)]
    pub ask: Option<Literal<'a>>,
    #[serde(borrow)]
    pub volume: Option<Literal<'a>>,
    #[serde(borrow)]
    pub time: Option<Cow<'a, str>>,
}

/// `GET /time`; `epoch` says the same as a float.
#[derive(Debug, Deserialize)]
pub(super) struct RestTime<'a> {
    #[serde(borrow)]
    pub iso: Cow<'a, str>,
}

/// The body of an error.
#[derive(Debug, Deserialize)]
pub(super) struct RestError {
    pub message: String,
}
