//! What Binance sends, field by field. Prices and quantities are JSON strings, ids and times (ms)
//! integers. Unknown keys are ignored: the exchange adds them without notice.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::literal;

/// Whatever a text frame can be, as far as it tells which.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    /// Combined streams wrap the event: `{"stream":"btcusdt@trade","data":{…}}`.
    #[serde(borrow)]
    pub stream: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    /// The event type of a bare event.
    #[serde(borrow)]
    pub e: Option<Cow<'a, str>>,
    /// Answers echo the id of the request.
    #[serde(borrow)]
    pub id: Option<&'a RawValue>,
    /// `{"code":2,"msg":"…","id":7}`
    #[serde(borrow)]
    pub msg: Option<Cow<'a, str>>,
    /// `{"error":{"code":2,"msg":"…"},"id":7}`
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// The inside of the nested form.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub msg: String,
}

/// `{"e":"trade","E":1790000000150,"s":"BTCUSDT","t":99502,"p":"61000.10","q":"0.01500","T":1790000000149,"m":false,"M":true}`
#[derive(Debug, Deserialize)]
pub(super) struct TradeEvent<'a> {
    #[serde(rename = "s", borrow)]
    pub symbol: Cow<'a, str>,
    #[serde(rename = "t", deserialize_with = "literal::id")]
    pub id: u64,
    #[serde(rename = "p")]
    pub price: &'a str,
    #[serde(rename = "q")]
    pub size: &'a str,
    #[serde(rename = "T")]
    pub time: i64,
    #[serde(rename = "m")]
    pub buyer_is_maker: bool,
}

/// `{"e":"24hrTicker","E":…,"s":"BTCUSDT","p":"900.10","P":"1.498","c":"61000.10","b":"61000.00","B":"1.2",…}`
#[derive(Debug, Deserialize)]
pub(super) struct TickerEvent<'a> {
    #[serde(rename = "E")]
    pub time: i64,
    #[serde(rename = "s", borrow)]
    pub symbol: Cow<'a, str>,
    #[serde(rename = "p")]
    pub change: &'a str,
    #[serde(rename = "P")]
    pub change_percent: &'a str,
    #[serde(rename = "c")]
    pub last: &'a str,
    #[serde(rename = "b")]
    pub bid: &'a str,
    #[serde(rename = "B")]
    pub bid_size: &'a str,
    #[serde(rename = "a")]
    pub ask: &'a str,
    #[serde(rename = "A")]
    pub ask_size: &'a str,
    #[serde(rename = "o")]
    pub open: &'a str,
    #[serde(rename = "h")]
    pub high: &'a str,
    #[serde(rename = "l")]
    pub low: &'a str,
    #[serde(rename = "v")]
    pub volume: &'a str,
    #[serde(rename = "q")]
    pub quote_volume: &'a str,
}

/// `{"e":"kline","E":1790000040021,"s":"BTCUSDT","k":{…}}`
#[derive(Debug, Deserialize)]
pub(super) struct KlineEvent<'a> {
    #[serde(rename = "E")]
    pub time: i64,
    #[serde(rename = "s", borrow)]
    pub symbol: Cow<'a, str>,
    #[serde(rename = "k", borrow)]
    pub kline: Kline<'a>,
}

/// `{"t":1789999980000,"i":"1m","o":"60990.00","c":"61000.10","h":"61010.00","l":"60985.20","v":"12.50000","n":121,"x":true,"q":"762501.25",…}`
#[derive(Debug, Deserialize)]
pub(super) struct Kline<'a> {
    #[serde(rename = "t")]
    pub open_time: i64,
    #[serde(rename = "i", borrow)]
    pub interval: Cow<'a, str>,
    #[serde(rename = "o")]
    pub open: &'a str,
    #[serde(rename = "c")]
    pub close: &'a str,
    #[serde(rename = "h")]
    pub high: &'a str,
    #[serde(rename = "l")]
    pub low: &'a str,
    #[serde(rename = "v")]
    pub volume: &'a str,
    #[serde(rename = "n", deserialize_with = "literal::id")]
    pub trades: u64,
    #[serde(rename = "x")]
    pub is_closed: bool,
    #[serde(rename = "q")]
    pub quote_volume: &'a str,
}

/// One element of `exchangeInfo.symbols`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SymbolInfo {
    pub symbol: String,
    pub status: String,
    pub base_asset: String,
    pub quote_asset: String,
    pub is_spot_trading_allowed: Option<bool>,
    #[serde(default)]
    pub filters: Vec<Filter>,
}

/// A trading rule. Which keys it has depends on its type; any filter can be missing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    pub filter_type: String,
    pub tick_size: Option<String>,
    pub step_size: Option<String>,
    pub min_notional: Option<String>,
}

/// `GET /api/v3/ticker/24hr`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestTicker<'a> {
    #[serde(borrow)]
    pub symbol: Cow<'a, str>,
    pub price_change: &'a str,
    pub price_change_percent: &'a str,
    pub last_price: &'a str,
    pub bid_price: &'a str,
    pub bid_qty: &'a str,
    pub ask_price: &'a str,
    pub ask_qty: &'a str,
    pub open_price: &'a str,
    pub high_price: &'a str,
    pub low_price: &'a str,
    pub volume: &'a str,
    pub quote_volume: &'a str,
    pub close_time: i64,
}

/// One row of `GET /api/v3/trades`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestTrade<'a> {
    #[serde(deserialize_with = "literal::id")]
    pub id: u64,
    pub price: &'a str,
    pub qty: &'a str,
    pub time: i64,
    pub is_buyer_maker: bool,
}

/// One row of `GET /api/v3/aggTrades`: the fills of one order at one price.
#[derive(Debug, Deserialize)]
pub(super) struct RestAggregate<'a> {
    #[serde(rename = "a", deserialize_with = "literal::id")]
    pub id: u64,
    #[serde(rename = "p")]
    pub price: &'a str,
    #[serde(rename = "q")]
    pub qty: &'a str,
    #[serde(rename = "f", deserialize_with = "literal::id")]
    pub first: u64,
    #[serde(rename = "l", deserialize_with = "literal::id")]
    pub last: u64,
    #[serde(rename = "T")]
    pub time: i64,
    #[serde(rename = "m")]
    pub is_buyer_maker: bool,
}

/// `GET /api/v3/time`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestTime {
    pub server_time: i64,
}

/// The body of an error: `{"code":-1121,"msg":"Invalid symbol."}`
#[derive(Debug, Deserialize)]
pub(super) struct RestError {
    pub code: i64,
    pub msg: String,
}
