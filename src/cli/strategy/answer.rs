//! What a program says, made into signals.

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::{
    Decimal, Event, Market, Price, Signal, SignalSide, Timestamp, Value, parse_decimal,
};

use super::super::error::clipped;
use super::lines::{LINE_MAX, Line};
use super::program::Pace;

/// Prices of a market that are remembered: more than what a pipe holds, so that the price at the time of a signal is
/// found also where it comes late.
const PRICES: usize = 4_096;

/// How to mend the time of a signal.
const WHICH: &str = " (\"timestamp\": the close_time of the candle that it comes of)";

/// What a program was told so far: where its answers come from, if they leave something out.
#[derive(Debug, Clone)]
pub struct Known {
    strategy: String,
    markets: Vec<(Market, Prices)>,
    at: Option<Timestamp>,
    /// Over history the times of all that it was told, in order.
    times: Option<Vec<Timestamp>>,
}

/// The newest prices of a market, oldest first.
type Prices = VecDeque<(Timestamp, Price)>;

/// What an event tells of its market.
#[derive(Debug, Clone, Copy)]
pub struct Glimpse {
    market: Market,
    price: Option<Price>,
    at: Timestamp,
}

impl Glimpse {
    /// Of market data; `None` for whatever else is told.
    pub fn of(event: &Event) -> Option<Self> {
        let (market, price, at) = match event {
            Event::Ticker(ticker) => {
                let at = ticker.timestamp.unwrap_or(ticker.received_at);
                (ticker.market, ticker.price, at)
            }
            Event::Trade(trade) => (trade.market, Some(trade.price), trade.timestamp),
            Event::Candle(candle) => {
                let forming = candle.timestamp.unwrap_or(candle.open_time);
                let at = if candle.closed {
                    candle.close_time()
                } else {
                    forming
                };
                (candle.market, Some(candle.close), at)
            }
            Event::Gap(_) | Event::Status(_) | Event::Signal(_) => return None,
        };
        Some(Self { market, price, at })
    }
}

/// A line that is no signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The sort of mistake: each is told once.
    pub kind: &'static str,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// As it is written.
#[derive(Deserialize)]
struct Answer<'a> {
    r#type: Option<String>,
    side: Option<String>,
    symbol: Option<String>,
    exchange: Option<String>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
    #[serde(borrow, default)]
    values: Option<BTreeMap<String, &'a RawValue>>,
    timestamp: Option<String>,
}

impl Known {
    /// Over history a signal must say what it comes of: how far a program had read when it said so is nobody's knowledge.
    pub fn new(strategy: &str, markets: &[Market], pace: Pace) -> Self {
        Self {
            strategy: strategy.to_owned(),
            markets: markets
                .iter()
                .map(|market| (*market, Prices::new()))
                .collect(),
            at: None,
            times: (pace == Pace::Backtest).then(Vec::new),
        }
    }

    /// Takes what the program is told.
    pub fn see(&mut self, glimpse: Glimpse) {
        self.at = self.at.max(Some(glimpse.at));
        if let Some(times) = &mut self.times {
            // Nearly always at the end.
            let place = times.partition_point(|at| *at < glimpse.at);
            if times.get(place) != Some(&glimpse.at) {
                times.insert(place, glimpse.at);
            }
        }
        let Glimpse { market, price, at } = glimpse;
        let place = self.markets.iter().position(|(known, _)| *known == market);
        let place = place.unwrap_or_else(|| {
            // Of whoever stands in.
            self.markets.push((market, Prices::new()));
            self.markets.len() - 1
        });
        let prices = &mut self.markets[place].1;
        if prices.len() == PRICES {
            prices.pop_front();
        }
        prices.extend(price.map(|price| (at, price)));
    }

    /// The signal of a line; `None` where it is something else than a signal, and may be.
    pub fn signal(&self, line: &Line) -> Result<Option<Signal>, Fault> {
        if line.is_cut {
            return Err(fault(
                "long",
                format!("a line is longer than {LINE_MAX} bytes"),
            ));
        }
        if line.text.trim().is_empty() {
            return Ok(None);
        }
        let answer: Answer<'_> = serde_json::from_str(&line.text)
            .map_err(|error| fault("json", format!("not a JSON object of a signal ({error})")))?;
        if answer.r#type.as_ref().is_some_and(|word| word != "signal") {
            return Ok(None);
        }
        let side = answer.side.as_deref().unwrap_or_default();
        let side = SignalSide::named(side)
            .ok_or_else(|| fault("side", "its `side` is none of buy, sell, exit"))?;
        let (market, prices) = self.market(answer.symbol.as_deref(), answer.exchange.as_deref())?;
        let timestamp = self.moment(answer.timestamp.as_deref())?;
        let price = match answer.price.map(RawValue::get) {
            None | Some("null") => {
                let known = prices.iter().rev().find(|(at, _)| *at <= timestamp);
                known.map(|(_, price)| *price)
            }
            Some(text) => Some(
                text.parse()
                    .map_err(|why| fault("price", format!("its `price`: {why}")))?,
            ),
        };
        let values = answer.values.unwrap_or_default().into_iter();
        Ok(Some(Signal {
            strategy: self.strategy.clone(),
            market,
            side,
            price,
            values: values.map(|(name, raw)| (name, value(raw.get()))).collect(),
            timestamp,
        }))
    }

    fn market(
        &self,
        symbol: Option<&str>,
        exchange: Option<&str>,
    ) -> Result<(Market, &Prices), Fault> {
        let is_meant = |market: Market| {
            symbol.is_none_or(|symbol| market.symbol().eq_ignore_ascii_case(symbol))
                && exchange.is_none_or(|name| market.exchange().name().eq_ignore_ascii_case(name))
        };
        let mut meant = self.markets.iter().filter(|(market, _)| is_meant(*market));
        let names = || {
            let names = self.markets.iter().map(|(market, _)| market.to_string());
            clipped(&names.collect::<Vec<_>>().join(", "))
        };
        match (meant.next(), meant.next()) {
            (Some((market, prices)), None) => Ok((*market, prices)),
            (None, _) => Err(fault(
                "market",
                format!(
                    "its `symbol` and `exchange` are of no market here ({})",
                    names()
                ),
            )),
            (Some(_), Some(_)) => Err(fault(
                "markets",
                format!("its `symbol` and `exchange` fit several of {}", names()),
            )),
        }
    }

    /// When it was decided: never later than what the program knows. Over history, the time of an event that it was
    /// sent; whether it looked at later ones as well cannot be known.
    fn moment(&self, given: Option<&str>) -> Result<Timestamp, Fault> {
        let newest = self
            .at
            .ok_or_else(|| fault("early", "it comes before any event was sent"))?;
        let Some(text) = given else {
            return match self.times {
                None => Ok(newest),
                Some(_) => Err(fault(
                    "untimed",
                    format!("it has no `timestamp`, which over history it needs{WHICH}"),
                )),
            };
        };
        let at = Timestamp::parse(text)
            .ok_or_else(|| fault("timestamp", "its `timestamp` is not RFC 3339"))?;
        if at > newest {
            let message = format!("its `timestamp` is later than the last event, {newest}");
            return Err(fault("future", message));
        }
        let is_sent = |times: &Vec<Timestamp>| times.binary_search(&at).is_ok();
        if !self.times.as_ref().is_none_or(is_sent) {
            let message = format!("its `timestamp` is that of no event that was sent{WHICH}");
            return Err(fault("between", message));
        }
        Ok(at)
    }
}

fn fault(kind: &'static str, message: impl Into<String>) -> Fault {
    Fault {
        kind,
        message: message.into(),
    }
}

/// A JSON value. Lists and objects stay their text.
fn value(raw: &str) -> Value {
    match raw {
        "null" => Value::Null,
        "true" => Value::YesNo(true),
        "false" => Value::YesNo(false),
        _ => match serde_json::from_str::<String>(raw) {
            Ok(text) => Value::Text(text.into()),
            Err(_) => number(raw).map_or_else(|| Value::Text(raw.to_owned().into()), Value::Number),
        },
    }
}

/// With its digits; where a model's float has more of them than can be held, the nearest that can.
fn number(raw: &str) -> Option<Decimal> {
    let exact = parse_decimal(raw).ok();
    exact.or_else(|| Decimal::try_from(raw.parse::<f64>().ok()?).ok())
}
