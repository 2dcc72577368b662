//! Durations and moments as people write them: `500ms`, `90s`, `15m`, `1h`, `2d`; a bare number means seconds.

use std::time::Duration;

use crate::model::Timestamp;

/// Parses a duration: a number (a fraction is fine) and one of `ms s m h d w`; no unit means seconds.
///
/// Errors: a sentence that names the text and what would be right.
pub fn parse(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a duration (write 500ms, 90s, 15m, 1h or 2d)");
    let trimmed = text.trim();
    let split = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    // Long before f64 would lose a nanosecond: nobody means 10^12 of anything here.
    if number.is_empty() || number.len() > 12 {
        return Err(bad());
    }
    let number: f64 = number.parse().map_err(|_| bad())?;
    let seconds = match unit.trim() {
        "ms" => number / 1_000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3_600.0,
        "d" => number * 86_400.0,
        "w" => number * 604_800.0,
        _ => return Err(bad()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| bad())
}

/// Parses a moment: RFC 3339, a date (UTC, its beginning), `now`, or a duration, meaning that long ago.
///
/// Errors: a sentence that names the text and what would be right.
pub fn parse_moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let trimmed = text.trim();
    if trimmed == "now" {
        return Ok(now);
    }
    let whole = Timestamp::parse(trimmed);
    let date = || Timestamp::parse(&format!("{trimmed}T00:00:00Z")).filter(|_| trimmed.len() == 10);
    let ago = || {
        let nanos = i64::try_from(parse(trimmed).ok()?.as_nanos()).ok()?;
        Some(now.plus_nanos(-nanos))
    };
    whole.or_else(date).or_else(ago).ok_or_else(|| {
        format!("`{text}` is no time (write 2026-09-21T14:00:00Z, 2026-09-21, now, or 2d for two days ago)")
    })
}

/// Writes a duration so that [`parse`] reads it back, with the largest unit that is exact.
pub fn format(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0 => "0s".into(),
        _ if ms.is_multiple_of(86_400_000) => format!("{}d", ms / 86_400_000),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit_and_bare_seconds() {
        for (text, ms) in [
            ("500ms", 500),
            ("90s", 90_000),
            ("15m", 900_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("7", 7_000),
            ("1.5", 1_500),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_duration_and_names_it() {
        for text in [
            "",
            "s",
            "-1s",
            "1y",
            "1 fortnight",
            "1e3",
            "..",
            "99999999999999999999",
        ] {
            assert!(
                parse(text).is_err_and(|e| e.contains(&format!("`{text}`"))),
                "{text}"
            );
        }
    }

    #[test]
    fn moments_are_dates_times_and_durations_ago() {
        let now = Timestamp::parse("2026-09-21T14:13:20Z").unwrap();
        for (text, moment) in [
            ("now", "2026-09-21T14:13:20Z"),
            ("2026-09-01", "2026-09-01T00:00:00Z"),
            ("2026-09-01T12:00:00Z", "2026-09-01T12:00:00Z"),
            ("2026-09-01T12:00:00+02:00", "2026-09-01T10:00:00Z"),
            ("1h", "2026-09-21T13:13:20Z"),
            ("20", "2026-09-21T14:13:00Z"),
        ] {
            assert_eq!(
                parse_moment(text, now),
                Ok(Timestamp::parse(moment).unwrap()),
                "{text}"
            );
        }
        for text in ["", "yesterday", "2026-13-01", "2026-09", "-1h"] {
            let error = parse_moment(text, now).unwrap_err();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for ms in [0, 1, 250, 1_000, 90_000, 900_000, 3_600_000, 172_800_000] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
