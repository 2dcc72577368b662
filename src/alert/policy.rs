//! How often and after how long a rule may fire.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::duration;

/// The limits of one rule. The default has none: every edge fires at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// No second firing within this time of a firing.
    pub cooldown: Option<Duration>,
    /// The condition must have held without a break for so long.
    pub hold: Option<Duration>,
    /// At most so many firings in a sliding window.
    pub max_fires: Option<MaxFires>,
}

/// At most `count` firings in any window of length `within`, written `3/1d`.
///
/// Invariant where it was parsed: `count` is 1 to [`MaxFires::COUNT_MAX`], `within` is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxFires {
    /// Firings.
    pub count: u32,
    /// Length of the sliding window.
    pub within: Duration,
}

impl MaxFires {
    /// The largest count: each firing in the window is remembered.
    pub const COUNT_MAX: u32 = 1_000;
}

/// Reads `3/1d`.
///
/// Errors: a sentence that names the text and what would be right.
impl FromStr for MaxFires {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is not a count and a time (write 3/1d for at most 3 in a day; the count is 1 to {})",
                Self::COUNT_MAX
            )
        };
        let (count, within) = text.split_once('/').ok_or_else(bad)?;
        let count: u32 = count.trim().parse().map_err(|_| bad())?;
        let within = duration::parse(within).map_err(|_| bad())?;
        if !(1..=Self::COUNT_MAX).contains(&count) || within.is_zero() {
            return Err(bad());
        }
        Ok(Self { count, within })
    }
}

impl fmt::Display for MaxFires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, duration::format(self.within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_fires_read_and_write_alike() {
        for (text, count, seconds) in [
            ("3/1d", 3, 86_400),
            ("1/90s", 1, 90),
            ("1000/1h", 1_000, 3_600),
        ] {
            let read: MaxFires = text.parse().unwrap();
            assert_eq!(read.count, count);
            assert_eq!(read.within, Duration::from_secs(seconds));
            assert_eq!(read.to_string(), text);
        }
        assert_eq!(" 2 / 60 ".parse::<MaxFires>().unwrap().to_string(), "2/1m");
    }

    #[test]
    fn max_fires_refuse_what_limits_nothing_and_name_it() {
        for text in [
            "", "3", "3/", "/1d", "0/1d", "1001/1d", "3/0s", "-1/1d", "x/1d", "1/2/3",
        ] {
            let error = text.parse::<MaxFires>().unwrap_err();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
