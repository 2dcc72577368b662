//! The words of the language: fields with their kinds, functions with their arities, and what is to come.

use std::ops::RangeInclusive;

use crate::model::Field;

use super::Kind;
use super::error::{ErrorKind, Fault};
use super::tree::{Direction, Extreme, Span};

/// What a name before parentheses calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Absolute,
    Extreme(Extreme),
    /// Over candles; the name says which.
    Indicator,
    /// `pct_change`.
    Change,
    Crossing(Direction),
}

impl Call {
    /// Whether it is of a market, so that a symbol can stand before it.
    pub fn has_market(self) -> bool {
        matches!(self, Self::Indicator | Self::Change)
    }
}

/// The numbers of arguments count the optional interval at the end of an indicator.
const FUNCTIONS: &[(&str, RangeInclusive<usize>, Call)] = &[
    ("abs", 1..=1, Call::Absolute),
    ("min", 2..=usize::MAX, Call::Extreme(Extreme::Least)),
    ("max", 2..=usize::MAX, Call::Extreme(Extreme::Greatest)),
    ("sma", 1..=2, Call::Indicator),
    ("ema", 1..=2, Call::Indicator),
    ("rsi", 1..=2, Call::Indicator),
    ("macd", 3..=4, Call::Indicator),
    ("macd_signal", 3..=4, Call::Indicator),
    ("bb_upper", 2..=3, Call::Indicator),
    ("bb_middle", 2..=3, Call::Indicator),
    ("bb_lower", 2..=3, Call::Indicator),
    ("atr", 1..=2, Call::Indicator),
    ("vwap", 1..=2, Call::Indicator),
    ("highest", 1..=2, Call::Indicator),
    ("lowest", 1..=2, Call::Indicator),
    ("pct_change", 1..=1, Call::Change),
    ("crosses_above", 2..=2, Call::Crossing(Direction::Above)),
    ("crosses_below", 2..=2, Call::Crossing(Direction::Below)),
];

/// Fields of books, and what says nearly the same today.
const FIELDS_TO_COME: &[(&str, Option<&str>)] = &[
    ("bids", Some("bid")),
    ("asks", Some("ask")),
    ("sequence", None),
    ("mid", Some("(bid + ask) / 2")),
];

/// What a field is inside of an expression.
pub fn kind_of(field: Field) -> Kind {
    match field {
        Field::Type
        | Field::Exchange
        | Field::Symbol
        | Field::Side
        | Field::Origin
        | Field::Interval => Kind::Text,
        Field::Timestamp | Field::ReceivedAt | Field::OpenTime | Field::CloseTime => Kind::Time,
        Field::Closed | Field::Complete => Kind::YesNo,
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
        let message = format!("`{name}` is not available yet");
        let fault = Fault::new(ErrorKind::Unavailable, span, message);
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
    Err(match near(name, known.clone()) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault.hint(format!(
            "there are {}",
            known.collect::<Vec<_>>().join(", ")
        )),
    })
}

/// The function of this known name for so many arguments.
///
/// Errors: their number is wrong.
pub fn call(name: &str, span: Span, given: usize) -> Result<Call, Fault> {
    let (_, arity, call) = FUNCTIONS
        .iter()
        .find(|(known, ..)| *known == name)
        .expect("the name was looked up before its arguments were read");
    if !arity.contains(&given) {
        let message = format!("`{name}` takes {}, not {given}", arguments(arity));
        return Err(Fault::new(ErrorKind::Type, span, message));
    }
    Ok(*call)
}

/// How many numbers an indicator of this known name takes before its interval.
pub fn parameters(name: &str) -> usize {
    let known = FUNCTIONS.iter().find(|(known, ..)| *known == name);
    let (_, arity, _) = known.expect("only names that are known are called");
    *arity.start()
}

fn arguments(arity: &RangeInclusive<usize>) -> String {
    match (*arity.start(), *arity.end()) {
        (1, 1) => "1 argument".into(),
        (least, usize::MAX) => format!("{least} or more arguments"),
        (least, most) if least == most => format!("{least} arguments"),
        (least, most) => format!("{least} or {most} arguments"),
    }
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
