//! Three-valued logic, and how far a comparison may be off.

use std::str::FromStr;

use crate::model::{Decimal, Value, parse_decimal};

/// The answer to a yes/no that may rest on something not known (Kleene's strong logic).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truth {
    /// Yes.
    True,
    /// No.
    False,
    /// It depends on what is not known.
    Unknown,
}

impl Truth {
    /// Unknown unless one of both decides it.
    pub fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, Self::True) => Self::True,
            _ => Self::Unknown,
        }
    }

    /// Unknown unless one of both decides it.
    pub fn or(self, other: Truth) -> Truth {
        self.not().and(other.not()).not()
    }

    /// The opposite; unknown stays unknown.
    #[allow(clippy::should_implement_trait)] // Read as a word beside `and` and `or`.
    pub fn not(self) -> Truth {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }

    /// `None` where it is unknown.
    pub fn known(self) -> Option<bool> {
        match self {
            Self::True => Some(true),
            Self::False => Some(false),
            Self::Unknown => None,
        }
    }
}

impl From<Option<bool>> for Truth {
    fn from(known: Option<bool>) -> Self {
        match known {
            Some(true) => Self::True,
            Some(false) => Self::False,
            None => Self::Unknown,
        }
    }
}

impl From<Truth> for Value {
    fn from(truth: Truth) -> Self {
        truth.known().map_or(Value::Null, Value::YesNo)
    }
}

/// How far a comparison may be off and still count as true. Never negative where it was read from a text.
///
/// ```
/// use tickwire::expression::Margin;
///
/// assert_eq!("500".parse(), Ok(Margin::Absolute(500.into())));
/// assert_eq!("1%".parse(), Ok(Margin::Percent(1.into())));
/// assert!("0.5 pct".parse::<Margin>().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Margin {
    /// In the unit of the compared numbers; nothing for percentages.
    Absolute(Decimal),
    /// Of the right side; in points where percentages are compared.
    Percent(Decimal),
}

impl FromStr for Margin {
    type Err = String;

    /// Errors: a sentence that names the text and what would be right.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a margin (write 500, 1% or 1 pct)");
        let trimmed = text.trim();
        let percent = trimmed.strip_suffix('%').or(trimmed.strip_suffix("pct"));
        let number = percent.unwrap_or(trimmed).trim_end().replace('_', "");
        let value = parse_decimal(&number).map_err(|_| bad())?;
        if value.is_sign_negative() {
            return Err(bad());
        }
        Ok(match percent {
            Some(_) => Self::Percent(value),
            None => Self::Absolute(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Truth::*;

    #[test]
    fn the_tables_are_kleenes() {
        for (a, b, and, or) in [
            (True, True, True, True),
            (True, False, False, True),
            (True, Unknown, Unknown, True),
            (False, True, False, True),
            (False, False, False, False),
            (False, Unknown, False, Unknown),
            (Unknown, True, Unknown, True),
            (Unknown, False, False, Unknown),
            (Unknown, Unknown, Unknown, Unknown),
        ] {
            assert_eq!((a.and(b), a.or(b)), (and, or), "{a:?} {b:?}");
        }
        assert_eq!(
            [True.not(), False.not(), Unknown.not()],
            [False, True, Unknown]
        );
    }

    #[test]
    fn a_margin_is_a_number_or_a_percentage() {
        let half: Decimal = parse_decimal("0.5").unwrap();
        assert_eq!("0.5%".parse(), Ok(Margin::Percent(half)));
        assert_eq!("0.5 %".parse(), Ok(Margin::Percent(half)));
        assert_eq!("0.5 pct".parse(), Ok(Margin::Percent(half)));
        assert_eq!("1_000".parse(), Ok(Margin::Absolute(1_000.into())));
        for bad in ["", "-1", "1 %%", "one", "%", "NaN"] {
            let error = bad.parse::<Margin>().unwrap_err();
            assert!(
                error.starts_with(&format!("`{bad}` is not a margin")),
                "{error}"
            );
        }
    }
}
