//! What more than one adapter reads in the same way: values that may be missing, words, ids, lists of
//! rows, and how an answer that makes no sense is told.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::literal::Literal;
use super::protocol::DecodeError;
use crate::feed::ProviderError;
use crate::model::{Decimal, Exchange, Price, Qty, Side, Timestamp, parse_decimal};

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
    fn a_rule_of_zero_is_none() {
        let rule = |text: &str| rule(&Some(text.into())).map(|number| number.to_string());
        assert_eq!(rule("0.010").as_deref(), Some("0.010"));
        assert_eq!((rule("0.000"), rule("x")), (None, None));
    }
}
