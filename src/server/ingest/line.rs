//! One line: the event that it holds, checked.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::{
    Candle, Decimal, Event, Interval, Market, Origin, Price, Qty, Side, Stream, Ticker, Timestamp,
    Trade, parse_decimal,
};

/// The longest line.
const LINE_MAX: usize = 4_096;
/// A clock may be so far ahead of ours.
const AHEAD_NANOS: i64 = 5_000_000_000;

/// An event whose names are only text yet.
#[derive(Debug)]
pub struct Pushed {
    /// `[a-z0-9_-]{1,32}`.
    pub exchange: String,
    /// `[A-Z0-9.]{1,20}`.
    pub base: String,
    /// `[A-Z0-9.]{1,20}`.
    pub quote: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Ticker(Box<TickerLine>),
    Trade(TradeLine),
    Candle(Box<CandleLine>),
}

#[derive(Debug)]
struct TickerLine {
    numbers: [Option<Decimal>; 12],
    timestamp: Option<Timestamp>,
}

#[derive(Debug)]
struct TradeLine {
    id: u64,
    price: Price,
    size: Qty,
    side: Side,
    timestamp: Timestamp,
}

#[derive(Debug)]
struct CandleLine {
    interval: Interval,
    open_time: Timestamp,
    prices: [Price; 4],
    volume: Qty,
    quote_volume: Option<Qty>,
    trades: Option<u64>,
    closed: bool,
    complete: bool,
}

impl Pushed {
    /// Which stream it is of.
    pub fn stream(&self) -> Stream {
        match &self.what {
            What::Ticker(_) => Stream::Ticker,
            What::Trade(_) => Stream::Trades,
            What::Candle(candle) => Stream::Candles(candle.interval),
        }
    }

    /// `BASE/QUOTE`.
    pub fn symbol(&self) -> String {
        format!("{}/{}", self.base, self.quote)
    }

    /// The event, of a market that is known.
    pub fn event(self, market: Market, received_at: Timestamp) -> Event {
        match self.what {
            What::Ticker(line) => {
                let [
                    price,
                    bid,
                    bid_size,
                    ask,
                    ask_size,
                    open,
                    high,
                    low,
                    volume,
                    quote_volume,
                    change,
                    percent,
                ] = line.numbers;
                let mut ticker = Ticker {
                    price: price.map(Price::from),
                    bid: bid.map(Price::from),
                    bid_size: bid_size.map(Qty::from),
                    ask: ask.map(Price::from),
                    ask_size: ask_size.map(Qty::from),
                    open_24h: open.map(Price::from),
                    high_24h: high.map(Price::from),
                    low_24h: low.map(Price::from),
                    volume_24h: volume.map(Qty::from),
                    quote_volume_24h: quote_volume.map(Qty::from),
                    change_24h: change,
                    change_percent_24h: percent,
                    timestamp: line.timestamp,
                    ..Ticker::empty(market, received_at)
                };
                ticker.derive();
                Event::Ticker(Arc::new(ticker))
            }
            What::Trade(line) => Event::Trade(Trade {
                market,
                id: line.id,
                price: line.price,
                size: line.size,
                side: line.side,
                timestamp: line.timestamp,
                received_at,
                origin: Origin::Stream,
                replayed: false,
                suspect: false,
            }),
            What::Candle(line) => {
                let [open, high, low, close] = line.prices;
                Event::Candle(Arc::new(Candle {
                    market,
                    interval: line.interval,
                    open_time: line.open_time,
                    open,
                    high,
                    low,
                    close,
                    volume: line.volume,
                    quote_volume: line.quote_volume,
                    trades: line.trades,
                    closed: line.closed,
                    complete: line.complete,
                    origin: Origin::Stream,
                    timestamp: None,
                    received_at,
                }))
            }
        }
    }
}

/// A number, bare or quoted, as it stands; `null` is no number.
type Number<'a> = Option<&'a RawValue>;

/// Every member that an event of these three kinds can have, so that tickwire's own lines can be pushed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an event")]
#[expect(dead_code, reason = "known members that nothing is made of")]
struct Wire<'a> {
    r#type: String,
    exchange: String,
    symbol: String,
    #[serde(borrow)]
    price: Number<'a>,
    #[serde(borrow)]
    bid: Number<'a>,
    #[serde(borrow)]
    bid_size: Number<'a>,
    #[serde(borrow)]
    ask: Number<'a>,
    #[serde(borrow)]
    ask_size: Number<'a>,
    /// Computed from the two.
    #[serde(borrow)]
    spread: Number<'a>,
    #[serde(borrow)]
    open_24h: Number<'a>,
    #[serde(borrow)]
    high_24h: Number<'a>,
    #[serde(borrow)]
    low_24h: Number<'a>,
    #[serde(borrow)]
    volume_24h: Number<'a>,
    #[serde(borrow)]
    quote_volume_24h: Number<'a>,
    #[serde(borrow)]
    change_24h: Number<'a>,
    #[serde(borrow)]
    change_percent_24h: Number<'a>,
    timestamp: Option<String>,
    /// Not believed: it is received here.
    received_at: Option<String>,
    #[serde(borrow)]
    id: Number<'a>,
    #[serde(borrow)]
    size: Number<'a>,
    side: Option<String>,
    /// Whatever it was there, here it is streamed.
    origin: Option<String>,
    /// Judged here.
    suspect: Option<bool>,
    interval: Option<String>,
    open_time: Option<String>,
    close_time: Option<String>,
    #[serde(borrow)]
    open: Number<'a>,
    #[serde(borrow)]
    high: Number<'a>,
    #[serde(borrow)]
    low: Number<'a>,
    #[serde(borrow)]
    close: Number<'a>,
    #[serde(borrow)]
    volume: Number<'a>,
    #[serde(borrow)]
    quote_volume: Number<'a>,
    trades: Option<u64>,
    closed: Option<bool>,
    complete: Option<bool>,
}

/// Reads a line. Makes nothing that stays.
///
/// Errors: what is wrong with it, for whoever pushed it.
pub fn read(line: &[u8], now: Timestamp) -> Result<Pushed, String> {
    if line.len() > LINE_MAX {
        return Err(format!("a line has {LINE_MAX} bytes at most"));
    }
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let wire: Wire<'_> = serde_json::from_str(text).map_err(|error| plain(&error))?;
    let exchange = exchange(&wire.exchange)?;
    let (base, quote) = symbol(&wire.symbol)?;
    let what = match wire.r#type.as_str() {
        "ticker" => wire.ticker(now).map(Box::new).map(What::Ticker)?,
        "trade" => What::Trade(wire.trade(now)?),
        "candle" => wire.candle(now).map(Box::new).map(What::Candle)?,
        other => {
            let other = shown(other);
            return Err(format!(
                "`type`: `{other}` is none of ticker, trade, candle"
            ));
        }
    };
    Ok(Pushed {
        exchange,
        base,
        quote,
        what,
    })
}

/// What the parser says names members of the line; they come from outside.
fn plain(error: &serde_json::Error) -> String {
    let text: String = error.to_string().chars().take(160).collect();
    format!("not an event: {}", text.escape_default()).replace("\\'", "'")
}

/// At most so much of what was sent, and nothing that moves a cursor.
fn shown(text: &str) -> String {
    text.chars()
        .take(40)
        .flat_map(char::escape_default)
        .collect()
}

fn exchange(name: &str) -> Result<String, String> {
    let is_fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    match (1..=32).contains(&name.len()) && name.bytes().all(is_fine) {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "`exchange`: `{}` is no name (a-z, 0-9, `-`, `_`, 32 characters at most)",
            shown(name)
        )),
    }
}

fn symbol(symbol: &str) -> Result<(String, String), String> {
    let is_leg = |leg: &str| {
        let is_fine = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'.';
        (1..=20).contains(&leg.len()) && leg.bytes().all(is_fine)
    };
    match symbol.split_once('/') {
        Some((base, quote)) if is_leg(base) && is_leg(quote) => {
            Ok((base.to_owned(), quote.to_owned()))
        }
        _ => Err(format!(
            "`symbol`: `{}` is not BASE/QUOTE such as EUR/USD",
            shown(symbol)
        )),
    }
}

fn number(name: &str, number: Number<'_>) -> Result<Option<Decimal>, String> {
    let Some(raw) = number.map(RawValue::get).filter(|raw| *raw != "null") else {
        return Ok(None);
    };
    let text = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
    let number = parse_decimal(text.unwrap_or(raw));
    number
        .map(Some)
        .map_err(|error| format!("`{name}`: {error}"))
}

fn price(name: &str, of: Number<'_>) -> Result<Option<Decimal>, String> {
    let price = number(name, of)?;
    match price.is_some_and(|price| price <= Decimal::ZERO) {
        true => Err(format!("`{name}`: a price is above zero")),
        false => Ok(price),
    }
}

fn size(name: &str, of: Number<'_>) -> Result<Option<Decimal>, String> {
    let size = number(name, of)?;
    match size.is_some_and(|size| size < Decimal::ZERO) {
        true => Err(format!("`{name}`: it is not below zero")),
        false => Ok(size),
    }
}

fn needed<T>(name: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("`{name}` is missing"))
}

fn time(name: &str, text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let time = Timestamp::parse(text)
        .ok_or_else(|| format!("`{name}`: `{}` is no RFC 3339 time", shown(text)))?;
    if time > now.plus_nanos(AHEAD_NANOS) {
        return Err(format!(
            "`{name}`: it lies in the future; is a clock wrong, or a time zone?"
        ));
    }
    if time.nanos() < 0 {
        return Err(format!("`{name}`: it lies before 1970"));
    }
    Ok(time)
}

impl Wire<'_> {
    fn ticker(&self, now: Timestamp) -> Result<TickerLine, String> {
        self.has_no(&[
            ("id", self.id),
            ("size", self.size),
            ("open", self.open),
            ("volume", self.volume),
        ])?;
        // Read, so that it is a number; the sizes of the change may have either sign.
        number("spread", self.spread)?;
        let numbers = [
            price("price", self.price)?,
            price("bid", self.bid)?,
            size("bid_size", self.bid_size)?,
            price("ask", self.ask)?,
            size("ask_size", self.ask_size)?,
            price("open_24h", self.open_24h)?,
            price("high_24h", self.high_24h)?,
            price("low_24h", self.low_24h)?,
            size("volume_24h", self.volume_24h)?,
            size("quote_volume_24h", self.quote_volume_24h)?,
            number("change_24h", self.change_24h)?,
            number("change_percent_24h", self.change_percent_24h)?,
        ];
        let [price, bid, _, ask, ..] = numbers;
        needed("price", price.or(bid).or(ask))?;
        let timestamp = self.timestamp.as_deref();
        Ok(TickerLine {
            numbers,
            timestamp: timestamp
                .map(|text| time("timestamp", text, now))
                .transpose()?,
        })
    }

    fn trade(&self, now: Timestamp) -> Result<TradeLine, String> {
        self.has_no(&[("bid", self.bid), ("ask", self.ask), ("open", self.open)])?;
        let id = needed("id", self.id)?.get();
        let digits = id.strip_prefix('"').and_then(|id| id.strip_suffix('"'));
        let digits = digits.unwrap_or(id);
        let is_whole = digits.bytes().all(|b| b.is_ascii_digit());
        // Other programs' integers end at 63 bits.
        let id = is_whole.then(|| digits.parse::<i64>().ok()).flatten();
        let id = id.and_then(|id| u64::try_from(id).ok());
        let timestamp = needed("timestamp", self.timestamp.as_deref())?;
        Ok(TradeLine {
            id: id.ok_or("`id`: it is no whole number of at most 63 bits")?,
            price: needed("price", price("price", self.price)?)?.into(),
            size: needed("size", size("size", self.size)?)?.into(),
            side: match needed("side", self.side.as_deref())? {
                "buy" => Side::Buy,
                "sell" => Side::Sell,
                other => {
                    let other = shown(other);
                    return Err(format!("`side`: `{other}` is neither buy nor sell"));
                }
            },
            timestamp: time("timestamp", timestamp, now)?,
        })
    }

    fn candle(&self, now: Timestamp) -> Result<CandleLine, String> {
        self.has_no(&[("price", self.price), ("id", self.id), ("bid", self.bid)])?;
        let name = needed("interval", self.interval.as_deref())?;
        let interval = Interval::named(name)
            .ok_or_else(|| format!("`interval`: `{}` is none", shown(name)))?;
        let open_time = needed("open_time", self.open_time.as_deref())?;
        let open_time = time("open_time", open_time, now)?;
        if interval.open_of(open_time) != open_time {
            return Err(format!(
                "`open_time`: candles of {name} begin at whole multiples of it, UTC"
            ));
        }
        let close_time = interval.close_of(open_time);
        if let Some(text) = &self.close_time
            && Timestamp::parse(text) != Some(close_time)
        {
            return Err("`close_time`: it is not `open_time` and the interval".into());
        }
        let closed = self.closed.unwrap_or(false);
        if closed && close_time > now.plus_nanos(AHEAD_NANOS) {
            return Err("`closed`: it ends in the future".into());
        }
        let at = |name, of| Ok::<_, String>(Price::from(needed(name, price(name, of)?)?));
        let [open, high] = [at("open", self.open)?, at("high", self.high)?];
        let [low, close] = [at("low", self.low)?, at("close", self.close)?];
        let within = low..=high;
        if !within.contains(&open) || !within.contains(&close) {
            return Err("`high`, `low`: open and close do not lie between them".into());
        }
        Ok(CandleLine {
            interval,
            open_time,
            prices: [open, high, low, close],
            volume: needed("volume", size("volume", self.volume)?)?.into(),
            quote_volume: size("quote_volume", self.quote_volume)?.map(Qty::from),
            trades: self.trades,
            closed,
            complete: self.complete.unwrap_or(true),
        })
    }

    /// Errors: one of these is there, which an event of this type does not have.
    fn has_no(&self, others: &[(&str, Number<'_>)]) -> Result<(), String> {
        let is_there = |(_, value): &&(&str, Number<'_>)| value.is_some();
        match others.iter().find(is_there) {
            Some((name, _)) => Err(format!("`{name}`: a {} has none", self.r#type)),
            None => Ok(()),
        }
    }
}
