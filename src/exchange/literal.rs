//! A decimal as it stands in JSON text: bare or quoted, never through a float.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::model::{Decimal, DecimalError, Price, Qty};

/// The text of a JSON number or of a string that holds one. Borrowed from the frame.
///
/// Works inside of plain structs only: serde buffers `untagged`, `flatten` and tagged enums, and the
/// literal is lost then.
#[derive(Debug, Clone, Copy)]
pub struct Literal<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Literal<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self(
            raw.strip_prefix('"')
                .and_then(|raw| raw.strip_suffix('"'))
                .unwrap_or(raw),
        ))
    }
}

impl<'a> Literal<'a> {
    /// The text, without quotes.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// The number. Errors: see [`crate::model::parse_decimal`].
    pub fn decimal(self) -> Result<Decimal, DecimalError> {
        crate::model::parse_decimal(self.0)
    }

    /// The number as a price.
    pub fn price(self) -> Result<Price, DecimalError> {
        self.decimal().map(Price::from)
    }

    /// The number as a quantity.
    pub fn qty(self) -> Result<Qty, DecimalError> {
        self.decimal().map(Qty::from)
    }

    /// `None` for the empty string, which some exchanges send for "not known".
    pub fn filled(self) -> Option<Self> {
        (!self.0.is_empty()).then_some(self)
    }
}

/// A whole number, bare or quoted, for `deserialize_with`: ids have been seen in both forms.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Id;
    impl serde::de::Visitor<'_> for Id {
        type Value = u64;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an id, a whole number")
        }

        fn visit_u64<E>(self, id: u64) -> Result<u64, E> {
            Ok(id)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
            // No sign: `parse` would take a plus.
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            let id = digits.then(|| text.parse().ok()).flatten();
            id.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }
    deserializer.deserialize_any(Id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Row<'a> {
        #[serde(borrow)]
        bare: Literal<'a>,
        #[serde(borrow)]
        quoted: Literal<'a>,
        #[serde(borrow)]
        null: Option<Literal<'a>>,
    }

    #[derive(Deserialize)]
    struct Numbered(#[serde(deserialize_with = "id")] u64);

    #[test]
    fn ids_are_read_bare_and_quoted_and_nothing_else_is_one() {
        let read = |json: &str| serde_json::from_str::<Numbered>(json).map(|n| n.0).ok();
        assert_eq!(read("910000124"), Some(910_000_124));
        assert_eq!(read(r#""910000124""#), Some(910_000_124));
        assert_eq!(read("18446744073709551615"), Some(u64::MAX));
        for json in [
            "-1", "1.5", "1e3", r#""""#, r#""+1""#, r#""x""#, "null", "[]",
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn digits_survive_in_both_forms() {
        let row: Row =
            serde_json::from_str(r#"{"bare": 67234.10 ,"quoted":"1e-08","null":null}"#).unwrap();
        assert_eq!(row.bare.price().unwrap().to_string(), "67234.10");
        assert_eq!(row.quoted.qty().unwrap().to_string(), "0.00000001");
        assert!(row.null.is_none());
    }
}
