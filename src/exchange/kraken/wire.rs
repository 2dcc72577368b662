//! What Kraken sends, field by field. On the socket numbers are bare JSON numbers whose digits count
//! (an older page quotes them: both are read); over REST they are strings, times are float seconds.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::{Literal, literal};

/// Whatever a text frame can be, as far as it tells which. A reply has `method`, data has `channel`.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub channel: Option<Cow<'a, str>>,
    /// `snapshot` or `update`.
    #[serde(rename = "type", borrow)]
    pub kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    /// When the message was made; only candles have it here.
    #[serde(borrow)]
    pub timestamp: Option<Cow<'a, str>>,
}

/// `{"method":"subscribe","result":{"channel":"trade","symbol":"BTC/USD",…},"success":true,"req_id":11,…}`, or with
/// `"success":false,"error":"Currency pair not supported FOO/USD"`.
#[derive(Debug, Deserialize)]
pub(super) struct MethodReply<'a> {
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    pub success: Option<bool>,
    #[serde(borrow)]
    pub error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub result: Option<ReplyResult<'a>>,
    /// Not documented, but seen in refusals.
    #[serde(borrow)]
    pub symbol: Option<Cow<'a, str>>,
    pub req_id: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReplyResult<'a> {
    #[serde(borrow)]
    pub channel: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub symbol: Option<Cow<'a, str>>,
    /// Minutes, where candles were asked for.
    pub interval: Option<u32>,
}

/// `{"system":"online","api_version":"v2","connection_id":…,"version":"2.0.0"}`
#[derive(Debug, Deserialize)]
pub(super) struct StatusRow<'a> {
    /// `online`, `maintenance`, `cancel_only`, `post_only`.
    #[serde(borrow)]
    pub system: Option<Cow<'a, str>>,
}

/// `{"symbol":"BTC/USD","side":"sell","price":60999.9,"qty":0.01500000,"ord_type":"market","trade_id":80000123,"timestamp":"…Z"}`
#[derive(Debug, Deserialize)]
pub(super) struct TradeRow<'a> {
    #[serde(borrow)]
    pub symbol: Cow<'a, str>,
    /// The taker's side.
    #[serde(borrow)]
    pub side: Cow<'a, str>,
    #[serde(borrow)]
    pub price: Literal<'a>,
    #[serde(borrow)]
    pub qty: Literal<'a>,
    #[serde(deserialize_with = "literal::id")]
    pub trade_id: u64,
    #[serde(borrow)]
    pub timestamp: Cow<'a, str>,
}

/// `{"symbol":"BTC/USD","bid":60999.9,"bid_qty":1.2,"ask":61000.0,"ask_qty":0.8,"last":61000.0,"volume":2150.5,…}`
#[derive(Debug, Deserialize)]
pub(super) struct TickerRow<'a> {
    #[serde(borrow)]
    pub symbol: Cow<'a, str>,
    #[serde(borrow)]
    pub bid: Option<Literal<'a>>,
    #[serde(borrow)]
    pub bid_qty: Option<Literal<'a>>,
    #[serde(borrow)]
    pub ask: Option<Literal<'a>>,
    #[serde(borrow)]
    pub ask_qty: Option<Literal<'a>>,
    /// Only where there was a trade within 24 hours.
    #[serde(borrow)]
    pub last: Option<Literal<'a>>,
    #[serde(borrow)]
    pub volume: Option<Literal<'a>>,
    #[serde(borrow)]
    pub low: Option<Literal<'a>>,
    #[serde(borrow)]
    pub high: Option<Literal<'a>>,
    #[serde(borrow)]
    pub change: Option<Literal<'a>>,
    #[serde(borrow)]
    pub change_pct: Option<Literal<'a>>,
    #[serde(borrow)]
    pub timestamp: Option<Cow<'a, str>>,
}

/// `{"symbol":"BTC/USD","open":60990.0,"high":61010.0,"low":60985.2,"close":60999.9,"trades":121,"volume":12.50000000,"interval_begin":"…Z","interval":1,…}`.
/// It also has a `timestamp`, which is the end of the interval although it is described as its begin.
#[derive(Debug, Deserialize)]
pub(super) struct CandleRow<'a> {
    #[serde(borrow)]
    pub symbol: Cow<'a, str>,
    #[serde(borrow)]
    pub open: Literal<'a>,
    #[serde(borrow)]
    pub high: Literal<'a>,
    #[serde(borrow)]
    pub low: Literal<'a>,
    #[serde(borrow)]
    pub close: Literal<'a>,
    #[serde(borrow)]
    pub volume: Literal<'a>,
    /// One page of the documentation has it as a float.
    #[serde(borrow)]
    pub trades: Literal<'a>,
    #[serde(borrow)]
    pub interval_begin: Cow<'a, str>,
    /// Minutes.
    pub interval: u32,
}

/// Every REST answer. Errors come with HTTP 200, too.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(default)]
    pub error: Vec<String>,
    #[serde(borrow)]
    pub result: Option<&'a RawValue>,
}

/// One value of `AssetPairs`. Old answers lack the last ones.
#[derive(Debug, Deserialize)]
pub(super) struct PairInfo {
    pub altname: Option<String>,
    /// The name on the socket's version 1: `XBT/USD`. Can be missing.
    pub wsname: Option<String>,
    pub base: String,
    pub quote: String,
    pub pair_decimals: Option<u32>,
    pub lot_decimals: Option<u32>,
    pub tick_size: Option<String>,
    pub costmin: Option<String>,
    pub status: Option<String>,
}

/// One value of `Ticker`: arrays, mostly `[today, last 24 hours]`.
#[derive(Debug, Deserialize)]
pub(super) struct RestTicker<'a> {
    /// Price, whole-lot volume, lot volume.
    #[serde(borrow)]
    pub a: Vec<Literal<'a>>,
    #[serde(borrow)]
    pub b: Vec<Literal<'a>>,
    /// Price, lot volume.
    #[serde(borrow)]
    pub c: Vec<Literal<'a>>,
    #[serde(borrow)]
    pub v: Vec<Literal<'a>>,
    #[serde(borrow)]
    pub l: Vec<Literal<'a>>,
    #[serde(borrow)]
    pub h: Vec<Literal<'a>>,
}

/// The result of `Time`.
#[derive(Debug, Deserialize)]
pub(super) struct RestTime {
    pub unixtime: i64,
}
