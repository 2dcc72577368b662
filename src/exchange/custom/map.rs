//! From a message to an event, field by field.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::exchange::literal::Literal;
use crate::exchange::protocol::DecodeError;
use crate::exchange::reading;
use crate::model::{
    Candle, Decimal, Event, Interval, Market, Origin, Price, Qty, Side, Stream, Ticker, Timestamp,
    Trade,
};

use super::pointer::Pointer;

/// What messages become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Tickers.
    Ticker,
    /// Trades.
    Trade,
    /// Candles of this length.
    Candle(Interval),
}

impl EventKind {
    pub(super) fn stream(self) -> Stream {
        match self {
            Self::Ticker => Stream::Ticker,
            Self::Trade => Stream::Trades,
            Self::Candle(interval) => Stream::Candles(interval),
        }
    }
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// So many nanoseconds are one, counted since 1970.
    Nanos(i64),
    /// RFC 3339.
    Rfc3339,
}

/// Where the fields of an event are.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// What a message becomes.
    pub kind: EventKind,
    /// An array, each of whose elements is an event. `None`: the message is one.
    pub each: Option<String>,
    /// A JSON pointer for each field, by the names of the event's fields. One that is none is nowhere found.
    pub fields: BTreeMap<String, String>,
    /// How times are written.
    pub time_unit: TimeUnit,
    /// What a taker who buys is called, and one who sells; case does not matter.
    pub sides: (String, String),
}

/// The same, ready to be followed.
pub(super) struct Reader {
    kind: EventKind,
    pub each: Option<Pointer>,
    fields: BTreeMap<String, Pointer>,
    time_unit: TimeUnit,
    sides: (String, String),
}

impl Reader {
    pub fn new(mapping: &Mapping) -> Self {
        let pointer =
            |(name, text): (&String, &String)| Some((name.clone(), Pointer::parse(text)?));
        Self {
            kind: mapping.kind,
            each: mapping.each.as_deref().and_then(Pointer::parse),
            fields: mapping.fields.iter().filter_map(pointer).collect(),
            time_unit: mapping.time_unit,
            sides: mapping.sides.clone(),
        }
    }

    /// What the symbol is called in this message. `None`: it does not say.
    pub fn symbol<'a>(&self, message: &'a RawValue) -> Option<Cow<'a, str>> {
        text(self.fields.get("symbol")?.find(message)?)
    }

    /// Errors: a field is missing, or is not what it must be.
    pub fn event(
        &self,
        message: &RawValue,
        market: Market,
        received_at: Timestamp,
    ) -> Result<Event, DecodeError> {
        let row = Row {
            reader: self,
            message,
        };
        Ok(match self.kind {
            EventKind::Ticker => Event::Ticker(Arc::new(row.ticker(market, received_at)?)),
            EventKind::Trade => Event::Trade(row.trade(market, received_at)?),
            EventKind::Candle(interval) => {
                Event::Candle(Arc::new(row.candle(market, interval, received_at)?))
            }
        })
    }

    fn time(&self, text: &str) -> Option<Timestamp> {
        match self.time_unit {
            TimeUnit::Rfc3339 => Timestamp::parse(text),
            TimeUnit::Nanos(unit) => {
                let number = crate::model::parse_decimal(text).ok()?;
                let nanos = number.checked_mul(Decimal::from(unit))?.trunc();
                i64::try_from(nanos).ok().map(Timestamp::from_nanos)
            }
        }
    }
}

/// One message, or one element of its array.
struct Row<'a> {
    reader: &'a Reader,
    message: &'a RawValue,
}

impl<'a> Row<'a> {
    /// What is at a field's place; nothing where that is null or an empty string.
    fn find(&self, field: &str) -> Result<Option<Literal<'a>>, DecodeError> {
        let found = self
            .reader
            .fields
            .get(field)
            .and_then(|pointer| pointer.find(self.message));
        let Some(found) = found.filter(|raw| raw.get() != "null") else {
            return Ok(None);
        };
        let literal: Literal<'a> = serde_json::from_str(found.get())?;
        Ok(literal.filled())
    }

    fn get(&self, field: &str) -> Result<Literal<'a>, DecodeError> {
        self.find(field)?
            .ok_or(DecodeError::Value("a field that is mapped is missing"))
    }

    fn price(&self, field: &str) -> Result<Option<Price>, DecodeError> {
        let price = reading::optional_price(self.find(field)?)?;
        if price.is_some_and(|price| price.decimal() <= Decimal::ZERO) {
            return Err(DecodeError::Value("a price that is not above zero"));
        }
        Ok(price)
    }

    fn qty(&self, field: &str) -> Result<Option<Qty>, DecodeError> {
        let size = reading::optional_qty(self.find(field)?)?;
        if size.is_some_and(|size| size.decimal() < Decimal::ZERO) {
            return Err(DecodeError::Value("a size below zero"));
        }
        Ok(size)
    }

    fn time(&self, field: &str) -> Result<Option<Timestamp>, DecodeError> {
        let time = self.find(field)?.map(|literal| {
            let time = self.reader.time(literal.text());
            time.ok_or(DecodeError::Value("a time that is not of its time_unit"))
        });
        time.transpose()
    }

    fn ticker(&self, market: Market, received_at: Timestamp) -> Result<Ticker, DecodeError> {
        let mut ticker = Ticker {
            price: self.price("price")?,
            bid: self.price("bid")?,
            bid_size: self.qty("bid_size")?,
            ask: self.price("ask")?,
            ask_size: self.qty("ask_size")?,
            open_24h: self.price("open_24h")?,
            high_24h: self.price("high_24h")?,
            low_24h: self.price("low_24h")?,
            volume_24h: self.qty("volume_24h")?,
            quote_volume_24h: self.qty("quote_volume_24h")?,
            change_24h: reading::optional_decimal(self.find("change_24h")?)?,
            change_percent_24h: reading::optional_decimal(self.find("change_percent_24h")?)?,
            timestamp: self.time("timestamp")?,
            ..Ticker::empty(market, received_at)
        };
        if ticker.price.is_none() && ticker.bid.is_none() && ticker.ask.is_none() {
            return Err(DecodeError::Value("a ticker without any price"));
        }
        ticker.derive();
        Ok(ticker)
    }

    fn trade(&self, market: Market, received_at: Timestamp) -> Result<Trade, DecodeError> {
        const MISSING: DecodeError = DecodeError::Value("a trade that lacks a field");
        let id = self.get("id")?.text();
        let is_whole = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
        let id = is_whole.then(|| id.parse().ok()).flatten();
        Ok(Trade {
            market,
            id: reading::trade_id(
                id.ok_or(DecodeError::Value("a trade id that is no whole number"))?,
            )?,
            price: self.price("price")?.ok_or(MISSING)?,
            size: self.qty("size")?.ok_or(MISSING)?,
            side: self.side()?,
            timestamp: self.time("timestamp")?.ok_or(MISSING)?,
            received_at,
            origin: Origin::Stream,
            replayed: false,
            suspect: false,
        })
    }

    fn side(&self) -> Result<Side, DecodeError> {
        let (word, (buy, sell)) = (self.get("side")?.text(), &self.reader.sides);
        match () {
            () if word.eq_ignore_ascii_case(buy) => Ok(Side::Buy),
            () if word.eq_ignore_ascii_case(sell) => Ok(Side::Sell),
            () => Err(DecodeError::Value("a side that is neither of the two")),
        }
    }

    fn candle(
        &self,
        market: Market,
        interval: Interval,
        received_at: Timestamp,
    ) -> Result<Candle, DecodeError> {
        const MISSING: DecodeError = DecodeError::Value("a candle that lacks a field");
        reading::candle(Candle {
            market,
            interval,
            open_time: self.time("open_time")?.ok_or(MISSING)?,
            open: self.price("open")?.ok_or(MISSING)?,
            high: self.price("high")?.ok_or(MISSING)?,
            low: self.price("low")?.ok_or(MISSING)?,
            close: self.price("close")?.ok_or(MISSING)?,
            volume: self.qty("volume")?.ok_or(MISSING)?,
            quote_volume: self.qty("quote_volume")?,
            trades: self.find("trades")?.map(reading::count).transpose()?,
            closed: match self.find("closed")?.map(Literal::text) {
                Some("true" | "1") => true,
                None | Some("false" | "0") => false,
                Some(_) => return Err(DecodeError::Value("a `closed` that is neither yes nor no")),
            },
            complete: true,
            origin: Origin::Stream,
            timestamp: self.time("timestamp")?,
            received_at,
        })
    }
}

/// The text of a string, or of a number or a word as it stands.
pub(super) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get().as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(raw.get())
            .ok()
            .map(Cow::Owned),
        b'{' | b'[' => None,
        _ => Some(Cow::Borrowed(raw.get())),
    }
}
