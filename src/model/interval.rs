//! The lengths of candles, and where each begins.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Timestamp;

/// The length of a candle. All begin at whole multiples of their length in UTC, weeks on Mondays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Interval {
    /// `1s`
    S1,
    /// `5s`
    S5,
    /// `15s`
    S15,
    /// `1m`
    M1,
    /// `3m`
    M3,
    /// `5m`
    M5,
    /// `15m`
    M15,
    /// `30m`
    M30,
    /// `1h`
    H1,
    /// `2h`
    H2,
    /// `4h`
    H4,
    /// `6h`
    H6,
    /// `8h`
    H8,
    /// `12h`
    H12,
    /// `1d`
    D1,
    /// `1w`
    W1,
}

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 1970-01-05, the first Monday.
const MONDAY: i64 = 4 * DAY;

impl Interval {
    /// Every interval, the shortest first.
    pub const ALL: [Interval; 16] = [
        Self::S1,
        Self::S5,
        Self::S15,
        Self::M1,
        Self::M3,
        Self::M5,
        Self::M15,
        Self::M30,
        Self::H1,
        Self::H2,
        Self::H4,
        Self::H6,
        Self::H8,
        Self::H12,
        Self::D1,
        Self::W1,
    ];

    /// As it is written: `1m` is a minute.
    pub fn name(self) -> &'static str {
        match self {
            Self::S1 => "1s",
            Self::S5 => "5s",
            Self::S15 => "15s",
            Self::M1 => "1m",
            Self::M3 => "3m",
            Self::M5 => "5m",
            Self::M15 => "15m",
            Self::M30 => "30m",
            Self::H1 => "1h",
            Self::H2 => "2h",
            Self::H4 => "4h",
            Self::H6 => "6h",
            Self::H8 => "8h",
            Self::H12 => "12h",
            Self::D1 => "1d",
            Self::W1 => "1w",
        }
    }

    /// The one of this name; capitals matter (`1M` would be a month).
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The one of this length.
    pub fn of_length(length: Duration) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.length() == length)
    }

    /// Its length in nanoseconds.
    pub const fn nanos(self) -> i64 {
        match self {
            Self::S1 => SECOND,
            Self::S5 => 5 * SECOND,
            Self::S15 => 15 * SECOND,
            Self::M1 => MINUTE,
            Self::M3 => 3 * MINUTE,
            Self::M5 => 5 * MINUTE,
            Self::M15 => 15 * MINUTE,
            Self::M30 => 30 * MINUTE,
            Self::H1 => HOUR,
            Self::H2 => 2 * HOUR,
            Self::H4 => 4 * HOUR,
            Self::H6 => 6 * HOUR,
            Self::H8 => 8 * HOUR,
            Self::H12 => 12 * HOUR,
            Self::D1 => DAY,
            Self::W1 => 7 * DAY,
        }
    }

    /// Its length.
    pub const fn length(self) -> Duration {
        Duration::from_nanos(self.nanos() as u64)
    }

    /// When the candle began, or begins, in which this moment lies.
    pub fn open_of(self, at: Timestamp) -> Timestamp {
        let origin = if self == Self::W1 { MONDAY } else { 0 };
        let since = at.nanos().saturating_sub(origin);
        at.plus_nanos(-since.rem_euclid(self.nanos()))
    }

    /// When a candle ends, and the next begins, that began at `open`.
    pub fn close_of(self, open: Timestamp) -> Timestamp {
        open.plus_nanos(self.nanos())
    }

    /// How many candles of this length begin from one moment, included, until another.
    pub fn count(self, from: Timestamp, until: Timestamp) -> u64 {
        let first = self.first_from(from).nanos();
        let span = until.nanos().saturating_sub(first);
        match span {
            ..=0 => 0,
            _ => (span as u64).div_ceil(self.nanos() as u64),
        }
    }

    /// When the first candle begins at this moment or after it.
    pub fn first_from(self, at: Timestamp) -> Timestamp {
        let open = self.open_of(at);
        if open == at {
            open
        } else {
            self.close_of(open)
        }
    }

    /// Whether candles of this length are made of whole ones of the other.
    pub fn is_made_of(self, finer: Interval) -> bool {
        self.nanos() % finer.nanos() == 0
    }

    /// The longest of these that this one is made of, itself included.
    pub fn longest_part(self, of: &[Interval]) -> Option<Interval> {
        let parts = of.iter().copied();
        parts.filter(|finer| self.is_made_of(*finer)).max()
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Interval {
    type Err = String;

    /// Errors: a sentence that names the text and all that there are.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        Self::named(text).ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(" ");
            let lower = Self::named(&text.to_lowercase());
            let meant = lower.map(|known| format!(", meant {known}?"));
            format!(
                "`{text}` is no interval{} (there are {all})",
                meant.unwrap_or_default()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn candles_begin_at_whole_multiples_and_weeks_on_mondays() {
        for (interval, moment, open) in [
            (
                Interval::S5,
                "2026-09-21T14:13:24.9Z",
                "2026-09-21T14:13:20Z",
            ),
            (Interval::M1, "2026-09-21T14:13:59Z", "2026-09-21T14:13:00Z"),
            (Interval::H8, "2026-09-21T15:59:59Z", "2026-09-21T08:00:00Z"),
            (Interval::D1, "2026-09-21T00:00:00Z", "2026-09-21T00:00:00Z"),
            (Interval::W1, "2026-09-20T23:59:59Z", "2026-09-14T00:00:00Z"),
            (Interval::W1, "2026-09-21T00:00:00Z", "2026-09-21T00:00:00Z"),
            (Interval::W1, "1970-01-01T00:00:00Z", "1969-12-29T00:00:00Z"),
        ] {
            assert_eq!(
                interval.open_of(at(moment)),
                at(open),
                "{interval} {moment}"
            );
        }
    }

    #[test]
    fn names_lead_back_and_capitals_matter() {
        for interval in Interval::ALL {
            assert_eq!(interval.name().parse(), Ok(interval));
            assert_eq!(Interval::of_length(interval.length()), Some(interval));
        }
        let error = "1H".parse::<Interval>().unwrap_err();
        assert!(
            error.starts_with("`1H` is no interval, meant 1h? (there are 1s 5s"),
            "{error}"
        );
        assert!("7m".parse::<Interval>().is_err());
    }

    #[test]
    fn counts_the_candles_that_begin_in_a_span() {
        let (from, until) = (at("2026-09-21T00:00:30Z"), at("2026-09-21T00:05:00Z"));
        assert_eq!(Interval::M1.count(from, until), 4);
        assert_eq!(Interval::M1.count(until, from), 0);
        assert_eq!(Interval::M5.count(at("2026-09-21T00:00:00Z"), until), 1);
    }

    #[test]
    fn every_interval_is_made_of_seconds_and_the_longest_part_wins() {
        assert!(Interval::ALL.iter().all(|i| i.is_made_of(Interval::S1)));
        assert!(!Interval::M5.is_made_of(Interval::M3));
        let kraken = [Interval::M1, Interval::M5, Interval::H1, Interval::D1];
        assert_eq!(Interval::H2.longest_part(&kraken), Some(Interval::H1));
        assert_eq!(Interval::W1.longest_part(&kraken), Some(Interval::D1));
        assert_eq!(Interval::M3.longest_part(&kraken), Some(Interval::M1));
        assert_eq!(Interval::S15.longest_part(&kraken), None);
    }
}
