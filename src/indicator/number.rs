//! Between exact decimals and floats, and how many digits of a result are told.

use crate::model::Decimal;

/// Digits of a result that are told. A float has 15; the rest is room for the errors that sums collect.
const DIGITS: u32 = 12;
const MOST_DECIMALS: u32 = 28;

/// Powers of ten. Up to 10^22 they are exact as floats, so that one division rounds correctly.
const POWERS: [f64; MOST_DECIMALS as usize + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28,
];

/// The nearest float.
pub(super) fn to_f64(decimal: Decimal) -> f64 {
    decimal.mantissa() as f64 / POWERS[decimal.scale() as usize]
}

/// As many decimals as 12 significant digits of `beside` have, no trailing zeros: beside prices, a difference that is
/// only what floats lose is zero. `None` for what is no number or too large to be held.
pub(super) fn from_f64(value: f64, beside: f64) -> Option<Decimal> {
    let before_point = beside.abs().log10().floor() + 1.0;
    let decimals = (f64::from(DIGITS) - before_point).clamp(0.0, f64::from(MOST_DECIMALS));
    let mantissa = (value * POWERS[decimals as usize]).round_ties_even();
    // The cast saturates, and what is no number stays none.
    let mantissa = mantissa.is_finite().then_some(mantissa as i128)?;
    let decimal = Decimal::try_from_i128_with_scale(mantissa, decimals as u32).ok()?;
    Some(decimal.normalize())
}

/// 12 significant digits, or as many decimals as the price that it is about where those are more.
pub(super) fn rounded(exact: Decimal, price: Decimal) -> Decimal {
    let digits = exact.mantissa().unsigned_abs().max(1).ilog10() + 1;
    let before_point = i64::from(digits) - i64::from(exact.scale());
    let decimals = (i64::from(DIGITS) - before_point).clamp(0, i64::from(MOST_DECIMALS)) as u32;
    exact.round_dp(decimals.max(price.scale())).normalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parse_decimal;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        parse_decimal(text).unwrap()
    }

    #[test]
    fn twelve_significant_digits_are_kept_at_every_magnitude() {
        for (value, text) in [
            (43_210.123_456_789_01, "43210.1234568"),
            (1.0 / 3.0, "0.333333333333"),
            (-2.0 / 3.0 * 1e-8, "-0.00000000666666666667"),
            (1e15 + 1.0, "1000000000000001"),
            (99.999_999_999_999_9, "100"),
            (100.0, "100"),
            (-0.0, "0"),
            (1e-40, "0"),
        ] {
            assert_eq!(from_f64(value, value), Some(decimal(text)), "{value}");
        }
        for none in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e29] {
            assert_eq!(from_f64(none, none), None, "{none}");
        }
    }

    #[test]
    fn beside_a_price_what_floats_lose_is_nothing() {
        assert_eq!(from_f64(0.1 + 0.2 - 0.3, 0.3), Some(Decimal::ZERO));
        let decimals = from_f64(1.0 / 3.0, 97_123.4);
        assert_eq!(decimals, Some(decimal("0.3333333")));
    }

    #[test]
    fn an_exact_result_keeps_the_decimals_of_the_price() {
        let third = Decimal::from(100_000_000) / Decimal::from(3);
        assert_eq!(rounded(third, decimal("1.5")), decimal("33333333.3333"));
        let long = decimal("123456789.123456789");
        assert_eq!(rounded(long, long), long);
        assert_eq!(rounded(long, decimal("1.00")), decimal("123456789.123"));
        assert_eq!(rounded(Decimal::ZERO, long), Decimal::ZERO);
    }

    proptest! {
        #[test]
        fn the_float_of_a_decimal_is_the_one_that_its_text_means(mantissa in -9_007_199_254_740_992i64..9_007_199_254_740_992, scale in 0u32..20) {
            let decimal = Decimal::new(mantissa, scale);
            prop_assert_eq!(to_f64(decimal), decimal.to_string().parse::<f64>().unwrap());
        }

        #[test]
        fn a_decimal_of_twelve_digits_comes_back_from_a_float(mantissa in -999_999_999_999i64..=999_999_999_999, scale in 0u32..=16) {
            let decimal = Decimal::new(mantissa, scale);
            prop_assert_eq!(from_f64(to_f64(decimal), to_f64(decimal)), Some(decimal));
        }
    }
}
