//! Exact decimals: an integer and a number of digits after the point.
use std::fmt;

/// `units` × 10^-`scale`; prints exactly `scale` digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dec {
    pub units: i128,
    pub scale: u32,
}

impl Dec {
    pub fn new(units: i128, scale: u32) -> Self {
        Self { units, scale }
    }

    /// Reads plain digits with at most one point.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let units = format!("{whole}{fraction}").parse().ok()?;
        Some(Self::new(units, u32::try_from(fraction.len()).ok()?))
    }

    /// The same value with other digits; drops digits when `scale` is smaller.
    pub fn rescale(self, scale: u32) -> Self {
        let units = if scale >= self.scale {
            self.units * pow10(scale - self.scale)
        } else {
            self.units / pow10(self.scale - scale)
        };
        Self { units, scale }
    }

    /// At least `scale` digits after the point; never drops any.
    pub fn pad(self, scale: u32) -> Self {
        self.rescale(scale.max(self.scale))
    }

    /// Without zeros at the end of the fraction.
    pub fn trim(mut self) -> Self {
        while self.scale > 0 && self.units % 10 == 0 {
            self.units /= 10;
            self.scale -= 1;
        }
        self
    }

    /// `self / other`, rounded half away from zero to `scale` digits; zero when `other` is zero.
    pub fn divide(self, other: Self, scale: u32) -> Self {
        if other.units == 0 {
            return Self::new(0, scale);
        }
        // one spare digit decides the rounding
        let up = scale + 1 + other.scale;
        let numerator = self.units * pow10(up.saturating_sub(self.scale));
        let denominator = other.units * pow10(self.scale.saturating_sub(up));
        let spare = numerator / denominator;
        Self::new((spare + 5 * spare.signum()) / 10, scale)
    }
}

impl fmt::Display for Dec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.units < 0 {
            f.write_str("-")?;
        }
        let (units, unit) = (self.units.unsigned_abs(), pow10(self.scale).unsigned_abs());
        if self.scale == 0 {
            return write!(f, "{units}");
        }
        let width = self.scale as usize;
        write!(f, "{}.{:0width$}", units / unit, units % unit)
    }
}

/// 10^`exponent`.
pub(super) fn pow10(exponent: u32) -> i128 {
    10_i128.pow(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_survive_exactly() {
        for text in [
            "0.00000001",
            "67234.10",
            "3",
            "0.50",
            "123.450000000000000001",
        ] {
            assert_eq!(Dec::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Dec::new(-5, 2).to_string(), "-0.05");
        assert_eq!(Dec::new(6_100_010, 2).pad(8).to_string(), "61000.10000000");
        assert_eq!(Dec::new(6_100_010, 2).trim().to_string(), "61000.1");
    }

    #[test]
    fn division_rounds_half_away_from_zero() {
        let divide = |a: &str, b: &str, scale| {
            let (a, b) = (Dec::parse(a).unwrap(), Dec::parse(b).unwrap());
            a.divide(b, scale).to_string()
        };
        assert_eq!(divide("1", "3", 3), "0.333");
        assert_eq!(divide("0.0005", "1", 3), "0.001");
        assert_eq!(divide("-2", "3", 2), "-0.67");
        assert_eq!(divide("1.000000000000000000", "4", 2), "0.25");
    }
}
