//! Exact decimals: the digits that the exchange sent, in and out.
//!
//! Held as `rust_decimal` (96-bit mantissa, up to 28 decimals, trailing zeros kept). Reading and
//! writing are our own because both are on the path of every tick: the library's formatter alone
//! costs more than the rest of a JSON line.

use std::fmt;

use rust_decimal::Decimal;

/// Why a text is not a decimal that can be held exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not `-?digits[.digits][e±digits]` (so also `NaN`, `Infinity`, hex and the empty text).
    #[error("not a decimal number")]
    Syntax,
    /// More digits than 96 bits, or more than 28 decimals: refused, never rounded.
    #[error("too many digits to be held exactly")]
    Overflow,
}

const MAX_MANTISSA: u128 = (1 << 96) - 1;
const MAX_SCALE: i64 = 28;

/// Reads a decimal and keeps every digit; an exponent is written out (`1e-08` is `0.00000001`), the
/// sign of a zero is dropped.
///
/// Errors: [`DecimalError::Syntax`] for what is no number, [`DecimalError::Overflow`] for what cannot
/// be held exactly. A number is never rounded.
pub fn parse_decimal(text: &str) -> Result<Decimal, DecimalError> {
    let bytes = text.as_bytes();
    let (negative, digits) = match bytes.first() {
        Some(b'-') => (true, &bytes[1..]),
        _ => (false, bytes),
    };
    // 19 digits fit in a u64 whatever they are; nearly every price and size is shorter.
    if digits.len() > 19 {
        return parse_long(digits, negative);
    }
    let (mut mantissa, mut scale, mut dot) = (0u64, 0u32, false);
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = mantissa * 10 + u64::from(digit);
            scale += u32::from(dot);
        } else if byte == b'.' && !dot {
            dot = true;
        } else {
            return parse_long(digits, negative);
        }
    }
    if digits.len() == usize::from(dot) {
        return Err(DecimalError::Syntax);
    }
    Ok(Decimal::from_parts(
        mantissa as u32,
        (mantissa >> 32) as u32,
        0,
        negative,
        scale,
    ))
}

/// The rest: long mantissas and exponents.
fn parse_long(digits: &[u8], negative: bool) -> Result<Decimal, DecimalError> {
    let (number, exponent) = match digits.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&digits[..at], parse_exponent(&digits[at + 1..])?),
        None => (digits, 0),
    };
    let (mut mantissa, mut scale, mut dot, mut seen, mut overflow) =
        (0u128, -exponent, false, false, false);
    for &byte in number {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                scale += i64::from(dot);
                mantissa = mantissa
                    .saturating_mul(10)
                    .saturating_add(u128::from(byte - b'0'));
                overflow |= mantissa > MAX_MANTISSA;
            }
            b'.' if !dot => dot = true,
            _ => return Err(DecimalError::Syntax),
        }
    }
    if !seen {
        return Err(DecimalError::Syntax);
    }
    if mantissa == 0 && scale < 0 {
        scale = 0;
    }
    // A positive exponent beyond the decimals is written out as zeros before the point.
    while scale < 0 && !overflow {
        mantissa *= 10;
        overflow = mantissa > MAX_MANTISSA;
        scale += 1;
    }
    if overflow || scale > MAX_SCALE {
        return Err(DecimalError::Overflow);
    }
    let (low, mid, high) = (
        mantissa as u32,
        (mantissa >> 32) as u32,
        (mantissa >> 64) as u32,
    );
    Ok(Decimal::from_parts(low, mid, high, negative, scale as u32))
}

fn parse_exponent(text: &[u8]) -> Result<i64, DecimalError> {
    let (negative, digits) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::Syntax);
    }
    // Saturating: an exponent of any length only has to end as an overflow.
    let value = digits
        .iter()
        .fold(0i64, |n, d| {
            n.saturating_mul(10).saturating_add(i64::from(d - b'0'))
        })
        .min(100_000);
    Ok(if negative { -value } else { value })
}

/// Appends the decimal in plain notation: no exponent, trailing zeros kept, no leading zeros.
pub fn write_decimal(decimal: Decimal, out: &mut Vec<u8>) {
    let mantissa = decimal.mantissa().unsigned_abs();
    let scale = decimal.scale() as usize;
    if decimal.is_sign_negative() {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = match u64::try_from(mantissa) {
        Ok(small) => buffer.format(small),
        Err(_) => buffer.format(mantissa),
    }
    .as_bytes();
    if scale == 0 {
        out.extend_from_slice(digits);
    } else if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + scale - digits.len(), b'0');
        out.extend_from_slice(digits);
    }
}

/// `a − b` with every digit, or `None` where that cannot be held. (The library's own subtraction
/// rounds instead when the digits do not fit.)
pub(crate) fn exact_sub(a: Decimal, b: Decimal) -> Option<Decimal> {
    let scale = a.scale().max(b.scale());
    let difference = aligned(a, scale)?.checked_sub(aligned(b, scale)?)?;
    (difference.unsigned_abs() <= MAX_MANTISSA)
        .then(|| Decimal::from_i128_with_scale(difference, scale))
}

/// `part / whole × factor`, rounded half-even to 4 decimals; `None` for a zero whole or digits that do not fit.
pub(crate) fn ratio(part: Decimal, whole: Decimal, factor: i128) -> Option<Decimal> {
    let scale = part.scale().max(whole.scale());
    let (mut numerator, mut denominator) = (
        aligned(part, scale)?.checked_mul(factor * 10_000)?,
        aligned(whole, scale)?,
    );
    if denominator == 0 {
        return None;
    }
    if denominator < 0 {
        (numerator, denominator) = (-numerator, -denominator);
    }
    let (quotient, rest) = (
        numerator.div_euclid(denominator),
        numerator.rem_euclid(denominator),
    );
    let round_up = match (rest * 2).cmp(&denominator) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => quotient % 2 != 0,
        std::cmp::Ordering::Less => false,
    };
    let rounded = quotient + i128::from(round_up);
    (rounded.unsigned_abs() <= MAX_MANTISSA).then(|| Decimal::from_i128_with_scale(rounded, 4))
}

fn aligned(decimal: Decimal, scale: u32) -> Option<i128> {
    decimal
        .mantissa()
        .checked_mul(10i128.checked_pow(scale - decimal.scale())?)
}

macro_rules! newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Decimal);

        impl $name {
            /// The number itself, for arithmetic.
            pub fn decimal(self) -> Decimal {
                self.0
            }
        }

        impl From<Decimal> for $name {
            fn from(decimal: Decimal) -> Self {
                Self(decimal)
            }
        }

        impl std::str::FromStr for $name {
            type Err = DecimalError;

            /// See [`parse_decimal`].
            fn from_str(text: &str) -> Result<Self, DecimalError> {
                parse_decimal(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut out = Vec::with_capacity(32);
                write_decimal(self.0, &mut out);
                f.pad(std::str::from_utf8(&out).expect("digits are ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

newtype! {
    /// A price in quote currency per unit of base. Prints exactly what the exchange sent; compares by value.
    Price
}
newtype! {
    /// A quantity (size, volume). Prints exactly what the exchange sent; compares by value.
    Qty
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(text: &str) -> Result<String, DecimalError> {
        text.parse::<Price>().map(|price| price.to_string())
    }

    #[test]
    fn digits_come_out_as_they_went_in() {
        for text in [
            "67234.10",
            "0.00000000",
            "0",
            "1",
            "-0.17",
            "0.015",
            "123456789012345678",
            "9999999999999999999",
            "79228162514264337593543950335",
            "0.0000000000000000000000000001",
            "1234567890.123456789012345678",
        ] {
            assert_eq!(through(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn exponents_are_written_out_and_leading_zeros_dropped() {
        for (text, plain) in [
            ("1e-08", "0.00000001"),
            ("5E-05", "0.00005"),
            ("1.50e3", "1500"),
            ("1.505e1", "15.05"),
            ("2e+2", "200"),
            ("0e9", "0"),
            ("007.50", "7.50"),
            (".5", "0.5"),
            ("5.", "5"),
            ("00000000000000000000001.20", "1.20"),
        ] {
            assert_eq!(through(text).as_deref(), Ok(plain), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "", ".", "-", "+1", "NaN", "Infinity", "1,5", "1.2.3", "0x10", "1e", "e5", "1e1.5",
            " 1", "1 ", "--1", "1e--2", "١",
        ] {
            assert_eq!(through(text), Err(DecimalError::Syntax), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_held_is_an_error_and_never_another_number() {
        for text in [
            "79228162514264337593543950336",
            "1e400",
            "1e-29",
            "0.00000000000000000000000000001",
            &"9".repeat(400),
            "1e99999999999999999999",
        ] {
            assert_eq!(through(text), Err(DecimalError::Overflow), "{text:?}");
        }
    }

    #[test]
    fn differences_keep_every_digit() {
        let sub = |a: &str, b: &str| {
            exact_sub(parse_decimal(a).unwrap(), parse_decimal(b).unwrap())
                .map(|d| Price::from(d).to_string())
        };
        assert_eq!(sub("61000.10", "60100.0").as_deref(), Some("900.10"));
        assert_eq!(sub("83744.3", "-429.3").as_deref(), Some("84173.6"));
        assert_eq!(sub("79228162514264337593543950335", "0.1"), None);
    }

    #[test]
    fn ratios_round_half_to_even() {
        let pct = |a: &str, b: &str| {
            ratio(parse_decimal(a).unwrap(), parse_decimal(b).unwrap(), 100)
                .map(|d| Price::from(d).to_string())
        };
        assert_eq!(pct("1", "3").as_deref(), Some("33.3333"));
        assert_eq!(pct("-1", "3").as_deref(), Some("-33.3333"));
        assert_eq!(pct("0.0000005", "1").as_deref(), Some("0.0000"));
        assert_eq!(pct("0.0000015", "1").as_deref(), Some("0.0002"));
        assert_eq!(pct("-0.0000015", "1").as_deref(), Some("-0.0002"));
        assert_eq!(pct("-0.0000025", "1").as_deref(), Some("-0.0002"));
        assert_eq!(pct("1", "0"), None);
    }

    proptest! {
        #[test]
        fn any_plain_decimal_survives(whole in "0|[1-9][0-9]{0,13}", fraction in "[0-9]{0,14}", negative: bool) {
            let mut text = String::from(if negative { "-" } else { "" });
            text.push_str(&whole);
            if !fraction.is_empty() {
                text.push('.');
                text.push_str(&fraction);
            }
            // A zero has no sign.
            let zero = !text.contains(|c: char| ('1'..='9').contains(&c));
            let expected = if zero { text.trim_start_matches('-') } else { &text };
            let printed = through(&text);
            prop_assert_eq!(printed.as_deref(), Ok(expected));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = through(&text);
        }
    }
}
