//! Moments: nanoseconds UTC inside, RFC 3339 with microseconds outside.

use std::fmt;

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const NANOS: i64 = 1_000_000_000;

impl Timestamp {
    /// From nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From milliseconds since the epoch; `None` where that leaves the range (about ±292 years).
    pub fn from_millis(millis: i64) -> Option<Self> {
        millis.checked_mul(1_000_000).map(Self)
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 with 0 to 9 fraction digits and `Z` or an offset; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        parse_utc(text.as_bytes()).or_else(|| {
            let parsed: jiff::Timestamp = text.parse().ok()?;
            i64::try_from(parsed.as_nanosecond()).ok().map(Self)
        })
    }

    /// Reads seconds since the epoch written as a decimal (`1790000000.1490011`), to the nanosecond.
    pub fn parse_seconds(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.as_bytes();
        if fraction.len() > 9 || !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let nanos = fraction.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0'))
            * 10i64.pow(9 - fraction.len() as u32);
        whole
            .parse::<u32>()
            .ok()
            .map(|seconds| Self(i64::from(seconds) * NANOS + nanos))
    }

    /// `self − earlier` in seconds; negative where the clocks disagree.
    pub fn seconds_since(self, earlier: Timestamp) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / NANOS as f64
    }

    /// This moment moved by some nanoseconds.
    pub fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(32);
        TimeWriter::default().write(*self, &mut out);
        f.pad(std::str::from_utf8(&out).expect("digits are ASCII"))
    }
}

/// The common form, `2026-09-21T14:13:20.149001Z`, read without a library: it is on the path of every tick.
fn parse_utc(text: &[u8]) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| {
        text.get(range)?.iter().try_fold(0i64, |n, b| {
            b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0'))
        })
    };
    if text.len() < 20
        || text[4] != b'-'
        || text[7] != b'-'
        || text[10] != b'T'
        || text[13] != b':'
        || text[16] != b':'
    {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    // 1678 to 2261 is what fits in 64 bits of nanoseconds.
    let valid = (1678..=2261).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = match &text[19..] {
        b"Z" => 0,
        [b'.', fraction @ .., b'Z'] if (1..=9).contains(&fraction.len()) => {
            number(20..20 + fraction.len())? * 10i64.pow(9 - fraction.len() as u32)
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Timestamp(seconds * NANOS + nanos))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a Gregorian date (Howard Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The reverse (Howard Hinnant's `civil_from_days`): year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (
        year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day_of_year - (153 * shifted + 2) / 5 + 1,
    )
}

/// Writes timestamps as RFC 3339 UTC with microseconds, and remembers the last two seconds: the date is
/// most of the work, and the exchange's time and ours in a stream of events nearly always share theirs
/// with their neighbours.
#[derive(Debug, Clone, Default)]
pub struct TimeWriter {
    newest: Second,
    other: Second,
}

/// `2026-09-21T14:13:20.` for the second that it belongs to.
#[derive(Debug, Clone, Default)]
struct Second {
    second: Option<i64>,
    text: [u8; 20],
}

impl TimeWriter {
    /// Appends `2026-09-21T14:13:20.149001Z`; what lies below a microsecond is cut off.
    pub fn write(&mut self, timestamp: Timestamp, out: &mut Vec<u8>) {
        let (second, nanos) = (timestamp.0.div_euclid(NANOS), timestamp.0.rem_euclid(NANOS));
        if self.newest.second != Some(second) {
            std::mem::swap(&mut self.newest, &mut self.other);
            if self.newest.second != Some(second) {
                self.newest = Second::new(second);
            }
        }
        out.extend_from_slice(&self.newest.text);
        let micros = nanos as u32 / 1_000;
        let digit = |power: u32| b'0' + (micros / power % 10) as u8;
        out.extend_from_slice(&[
            digit(100_000),
            digit(10_000),
            digit(1_000),
            digit(100),
            digit(10),
            digit(1),
            b'Z',
        ]);
    }
}

impl Second {
    fn new(second: i64) -> Self {
        let (year, month, day) = civil_from_days(second.div_euclid(86_400));
        let of_day = second.rem_euclid(86_400);
        let pair = |n: i64| [b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8];
        let mut text = *b"0000-00-00T00:00:00.";
        // 64 bits of nanoseconds end in the year 2262: four digits are enough.
        let parts = [
            year / 100,
            year,
            month,
            day,
            of_day / 3_600,
            of_day / 60 % 60,
            of_day % 60,
        ]
        .into_iter()
        .zip([0, 2, 5, 8, 11, 14, 17]);
        for (value, at) in parts {
            text[at..at + 2].copy_from_slice(&pair(value));
        }
        Self {
            second: Some(second),
            text,
        }
    }
}

/// Where wall-clock time comes from. Only drivers and the command line hold one; tests bring their own.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_zero_to_nine_fraction_digits_and_offsets() {
        let base = 1_790_000_000 * NANOS;
        for (text, nanos) in [
            ("2026-09-21T14:13:20Z", 0),
            ("2026-09-21T14:13:20.1Z", 100_000_000),
            ("2026-09-21T14:13:20.149001Z", 149_001_000),
            ("2026-09-21T14:13:20.149001234Z", 149_001_234),
            ("2026-09-21T16:13:20.5+02:00", 500_000_000),
        ] {
            assert_eq!(
                Timestamp::parse(text),
                Some(Timestamp(base + nanos)),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "2026-09-21",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-09-21T24:00:00Z",
            "1790000000",
            "2026-09-21T14:13:20.Z",
            "9999-09-21T14:13:20Z",
            "2026-09-21T14:13:20.1234567890Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn reads_float_seconds_from_their_digits() {
        assert_eq!(
            Timestamp::parse_seconds("1790000000.1490011"),
            Some(Timestamp(1_790_000_000_149_001_100))
        );
        assert_eq!(
            Timestamp::parse_seconds("1790000000"),
            Some(Timestamp(1_790_000_000 * NANOS))
        );
        assert_eq!(Timestamp::parse_seconds("1790000000.x"), None);
        assert_eq!(Timestamp::parse_seconds("-5"), None);
    }

    proptest! {
        #[test]
        fn writing_and_reading_agree_with_a_calendar_library(micros in -9_000_000_000_000_000i64..9_000_000_000_000_000) {
            let timestamp = Timestamp(micros * 1_000);
            let expected = jiff::Timestamp::from_microsecond(micros).unwrap();
            prop_assert_eq!(timestamp.to_string(), format!("{expected:.6}"));
            prop_assert_eq!(Timestamp::parse(&timestamp.to_string()), Some(timestamp));
        }
    }
}
