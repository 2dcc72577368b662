//! What more than one adapter reads in the same way: values that may be missing, words, ids, lists of
//! rows, and how an answer that makes no sense is told.

use std::cmp::Ordering;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::literal::Literal;
use super::protocol::{CandleRows, DecodeError};
use crate::feed::{ProviderError, Span};
use crate::model::{Candle, Decimal, Exchange, Price, Qty, Side, Timestamp, parse_decimal};

/// A number that may be absent, null or `""`. The errors of this and the two below: text that is no
/// number, or one that cannot be held exactly.
pub(super) fn optional_decimal(
    literal: Option<Literal<'_>>,
) -> Result<Option<Decimal>, DecodeError> {
    let filled = literal.and_then(Literal::filled);
    Ok(filled.map(Literal::decimal).transpose()?)
}

/// A price that may be absent, null or `""`.
pub(super) fn optional_price(literal: Option<Literal<'_>>) -> Result<Option<Price>, DecodeError> {
    Ok(optional_decimal(literal)?.map(Price::from))
}

/// A quantity that may be absent, null or `""`.
pub(super) fn optional_qty(literal: Option<Literal<'_>>) -> Result<Option<Qty>, DecodeError> {
    Ok(optional_decimal(literal)?.map(Qty::from))
}

/// A rule of an instrument; one of zero is switched off, and one that cannot be read is not known.
pub(super) fn rule(text: &Option<String>) -> Option<Decimal> {
    let number = parse_decimal(text.as_deref()?).ok();
    number.filter(|number| !number.is_zero())
}

/// A moment as text.
pub(super) fn rfc3339(text: &str) -> Result<Timestamp, DecodeError> {
    Timestamp::parse(text).ok_or(DecodeError::Value("a time that is not RFC 3339"))
}

/// A side as a word, whosever it is.
pub(super) fn side(word: &str) -> Result<Side, DecodeError> {
    match word {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        _ => Err(DecodeError::Value("a side that is neither buy nor sell")),
    }
}

/// The id of a trade. No exchange counts beyond 63 bits, and other programs' integers end there.
pub(super) fn trade_id(id: u64) -> Result<u64, DecodeError> {
    if i64::try_from(id).is_err() {
        return Err(DecodeError::Value("a trade id of more than 63 bits"));
    }
    Ok(id)
}

/// A count, which is told as a whole number, or as a float without a fraction.
pub(super) fn count(literal: Literal<'_>) -> Result<u64, DecodeError> {
    if let Ok(count) = literal.text().parse() {
        return Ok(count);
    }
    let number = literal.decimal()?;
    let whole = Some(number.normalize()).filter(|number| number.scale() == 0);
    let count = whole.and_then(|number| u64::try_from(number.mantissa()).ok());
    count.ok_or(DecodeError::Value("a count that is no whole number"))
}

/// A candle that can be one: it begins where candles of its length do, and its prices lie between its lowest and
/// its highest, above zero.
pub(super) fn candle(candle: Candle) -> Result<Candle, DecodeError> {
    if candle.interval.open_of(candle.open_time) != candle.open_time {
        return Err(DecodeError::Value(
            "a candle that begins beside the boundaries of its interval",
        ));
    }
    let within = candle.low..=candle.high;
    if !within.contains(&candle.open) || !within.contains(&candle.close) {
        return Err(DecodeError::Value(
            "a candle with a price outside of its high and low",
        ));
    }
    let volumes = [Some(candle.volume), candle.quote_volume];
    let is_negative = |volume: &Qty| volume.decimal().is_sign_negative();
    if candle.low.decimal() <= Decimal::ZERO || volumes.iter().flatten().any(is_negative) {
        return Err(DecodeError::Value("a candle below zero"));
    }
    Ok(candle)
}

/// The candles of one answer over REST, from its rows in order of time or the other way round. What a later one
/// follows is over.
pub(super) fn candles(
    exchange: Exchange,
    rows: &[&RawValue],
    read: impl Fn(&[Literal<'_>]) -> Result<Candle, DecodeError>,
) -> Result<CandleRows, ProviderError> {
    let read = |raw: &&RawValue| {
        let row: Vec<Literal<'_>> = serde_json::from_str(raw.get())?;
        read(&row)
    };
    candle_rows(exchange, rows.iter().map(read).collect())
}

/// The same from rows in whatever form, each of which could be read or not.
pub(super) fn candle_rows(
    exchange: Exchange,
    rows: Vec<Result<Candle, DecodeError>>,
) -> Result<CandleRows, ProviderError> {
    let unread = rows.iter().enumerate().filter(|(_, row)| row.is_err());
    let unread: Vec<_> = unread.map(|(place, _)| beside(&rows, place)).collect();
    let (mut items, mut error) = (Vec::with_capacity(rows.len()), None);
    for row in rows {
        match row {
            Ok(row) => items.push(row),
            Err(bad) => error = error.or(Some(bad)),
        }
    }
    if let Some(error) = error {
        if items.is_empty() {
            return Err(malformed(exchange)(error));
        }
        let rows = unread.len();
        tracing::warn!(%exchange, rows, %error, "candles cannot be read and are left out");
    }
    items.sort_by_key(|row: &Candle| row.open_time);
    items.dedup_by_key(|row| row.open_time);
    let later = items.len().saturating_sub(1);
    for row in &mut items[..later] {
        row.closed = true;
    }
    Ok(CandleRows { items, unread })
}

/// The time between the rows before and after one that cannot be read.
fn beside(rows: &[Result<Candle, DecodeError>], place: usize) -> Span {
    let span = |row: &Candle| (row.open_time, row.close_time());
    let first = |rows: &[Result<Candle, DecodeError>]| rows.iter().flatten().next().map(span);
    let last = |rows: &[Result<Candle, DecodeError>]| rows.iter().flatten().next_back().map(span);
    let mut ends = (last(&rows[..place]), first(&rows[place..]));
    let whole = (first(rows), last(rows));
    let order = whole.0.cmp(&whole.1);
    if order == Ordering::Greater {
        ends = (ends.1, ends.0);
    }
    // One row alone does not show in which order they are.
    let is_known = order != Ordering::Equal;
    let from = ends.0.filter(|_| is_known).map(|(_, close)| close);
    let until = ends.1.filter(|_| is_known).map(|(open, _)| open);
    Span {
        from: from.unwrap_or(Timestamp::from_nanos(i64::MIN)),
        until: until.unwrap_or(Timestamp::from_nanos(i64::MAX)),
    }
}

/// The whole body of an answer.
pub(super) fn answer<'a, T: Deserialize<'a>>(
    exchange: Exchange,
    body: &'a str,
) -> Result<T, ProviderError> {
    serde_json::from_str(body).map_err(malformed(exchange))
}

/// One row of a list of instruments; `None`, and told, where it cannot be read: one bad row must not take
/// the others down. `key`: what the list calls it, where that stands outside of the row.
pub(super) fn row<'a, T: Deserialize<'a>>(
    exchange: Exchange,
    key: Option<&str>,
    raw: &'a RawValue,
) -> Option<T> {
    serde_json::from_str(raw.get())
        .inspect_err(|error| {
            tracing::warn!(%exchange, pair = key, %error, "an instrument cannot be read and is left out");
        })
        .ok()
}

/// Says of whose answer it is that this is wrong: for `map_err`.
pub(super) fn malformed<E: Into<DecodeError>>(exchange: Exchange) -> impl Fn(E) -> ProviderError {
    move |error| {
        let error = error.into();
        ProviderError::Malformed(format!("{exchange}: an answer cannot be read: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trade_id_has_63_bits_at_most() {
        let largest = i64::MAX as u64;
        assert_eq!(trade_id(largest).unwrap(), largest);
        for id in [largest + 1, u64::MAX] {
            assert!(matches!(trade_id(id), Err(DecodeError::Value(_))), "{id}");
        }
    }

    #[test]
    fn a_count_is_whole_in_whatever_form_and_nothing_else_is_one() {
        let count = |json| count(serde_json::from_str(json).unwrap()).ok();
        for (json, expected) in [("121", 121), ("121.0", 121), (r#""0""#, 0), ("1.2e2", 120)] {
            assert_eq!(count(json), Some(expected), "{json}");
        }
        for json in ["-1", "1.5", "null", r#""x""#, "1e40"] {
            assert_eq!(count(json), None, "{json}");
        }
    }

    #[test]
    fn a_rule_of_zero_is_none() {
        let rule = |text: &str| rule(&Some(text.into())).map(|number| number.to_string());
        assert_eq!(rule("0.010").as_deref(), Some("0.010"));
        assert_eq!((rule("0.000"), rule("x")), (None, None));
    }
}
