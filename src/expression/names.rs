//! The words of the language: fields with their kinds, functions with their arities, and what is to come.

use std::ops::RangeInclusive;

use crate::model::Field;

use super::Kind;
use super::error::{ErrorKind, Fault};
use super::tree::Span;

/// A function that can be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Absolute,
    Least,
    Greatest,
}

/// `None` for the function: reserved. The numbers of arguments count the optional interval at the end.
const FUNCTIONS: &[(&str, RangeInclusive<usize>, Option<Function>)] = &[
    ("abs", 1..=1, Some(Function::Absolute)),
    ("min", 2..=usize::MAX, Some(Function::Least)),
    ("max", 2..=usize::MAX, Some(Function::Greatest)),
    ("sma", 1..=2, None),
    ("ema", 1..=2, None),
    ("rsi", 1..=2, None),
    ("macd", 3..=4, None),
    ("macd_signal", 3..=4, None),
    ("bb_upper", 2..=3, None),
    ("bb_middle", 2..=3, None),
    ("bb_lower", 2..=3, None),
    ("atr", 1..=2, None),
    ("vwap", 1..=2, None),
    ("highest", 1..=2, None),
    ("lowest", 1..=2, None),
    ("pct_change", 1..=1, None),
    ("crosses_above", 2..=2, None),
    ("crosses_below", 2..=2, None),
];

/// Fields of candles and books, and what says nearly the same today.
const FIELDS_TO_COME: &[(&str, Option<&str>)] = &[
    ("open", Some("open_24h")),
    ("high", Some("high_24h")),
    ("low", Some("low_24h")),
    ("close", Some("price")),
    ("volume", Some("volume_24h")),
    ("quote_volume", Some("quote_volume_24h")),
    ("trades", None),
    ("closed", None),
    ("complete", None),
    ("interval", None),
    ("open_time", None),
    ("close_time", None),
    ("bids", Some("bid")),
    ("asks", Some("ask")),
    ("sequence", None),
    ("mid", Some("(bid + ask) / 2")),
];

/// What a field is inside of an expression.
pub fn kind_of(field: Field) -> Kind {
    match field {
        Field::Type | Field::Exchange | Field::Symbol | Field::Side | Field::Origin => Kind::Text,
        Field::Timestamp | Field::ReceivedAt => Kind::Time,
        Field::Age => Kind::Duration,
        Field::ChangePercent24h => Kind::Percentage,
        _ => Kind::Number,
    }
}

/// The field of this name.
pub fn field(name: &str, span: Span) -> Result<Field, Fault> {
    if let Some(field) = Field::named(name) {
        return Ok(field);
    }
    if let Some((_, instead)) = FIELDS_TO_COME.iter().find(|(known, _)| *known == name) {
        let fault = unavailable(name, span);
        return Err(match instead {
            Some(instead) => fault.hint(format!("there is `{instead}`")),
            None => fault,
        });
    }
    if let Some((_, arity, _)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) {
        let message = format!("`{name}` is a function");
        let hint = format!("it takes {} in parentheses", arguments(arity));
        return Err(Fault::new(ErrorKind::Syntax, span, message).hint(hint));
    }
    let message = format!("no field `{name}`");
    let known = Field::ALL.iter().map(|field| field.name());
    let hint = match near(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("a text is quoted: '{name}'"),
    };
    Err(Fault::new(ErrorKind::Unknown, span, message).hint(hint))
}

/// Whether a function may be called so.
///
/// Errors: there is none of this name.
pub fn known_function(name: &str, span: Span) -> Result<(), Fault> {
    if FUNCTIONS.iter().any(|(known, ..)| *known == name) {
        return Ok(());
    }
    if Field::named(name).is_some() {
        let message = format!("`{name}` is a field, not a function");
        return Err(Fault::new(ErrorKind::Unknown, span, message)
            .hint(format!("write `{name}` without parentheses")));
    }
    let fault = Fault::new(ErrorKind::Unknown, span, format!("no function `{name}`"));
    let known = FUNCTIONS.iter().map(|(known, ..)| *known);
    Err(match near(name, known) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault.hint("there are abs, min and max"),
    })
}

/// The function of this known name for so many arguments.
///
/// Errors: their number is wrong, or it cannot be computed yet.
pub fn function(name: &str, span: Span, given: usize) -> Result<Function, Fault> {
    let (_, arity, function) = FUNCTIONS
        .iter()
        .find(|(known, ..)| *known == name)
        .expect("the name was looked up before its arguments were read");
    if !arity.contains(&given) {
        let message = format!("`{name}` takes {}, not {given}", arguments(arity));
        return Err(Fault::new(ErrorKind::Type, span, message));
    }
    function.ok_or_else(|| unavailable(name, span))
}

fn arguments(arity: &RangeInclusive<usize>) -> String {
    match (*arity.start(), *arity.end()) {
        (1, 1) => "1 argument".into(),
        (least, usize::MAX) => format!("{least} or more arguments"),
        (least, most) if least == most => format!("{least} arguments"),
        (least, most) => format!("{least} or {most} arguments"),
    }
}

fn unavailable(name: &str, span: Span) -> Fault {
    let message = format!("`{name}` is not available yet");
    Fault::new(ErrorKind::Unavailable, span, message)
}

/// Fewer letters begin too many names.
const MIN_BEGINNING: usize = 3;

/// The name that was probably meant: one that begins so, or the same but for a letter in three.
fn near<'a>(name: &str, mut known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let length = lower.chars().count();
    let distance = |known: &str| strsim::damerau_levenshtein(known, &lower);
    let nearest = known.clone().min_by_key(|known| distance(known));
    let begun = known.find(|known| length >= MIN_BEGINNING && known.starts_with(&lower));
    begun.or(nearest.filter(|nearest| distance(nearest) <= (length / 3).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_come_is_not_there_yet() {
        for (name, _) in FIELDS_TO_COME {
            assert_eq!(Field::named(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_named_instead_is_an_expression() {
        for instead in FIELDS_TO_COME.iter().filter_map(|(_, instead)| *instead) {
            assert!(
                super::super::Expression::parse(instead).is_ok(),
                "{instead}"
            );
        }
    }
}
