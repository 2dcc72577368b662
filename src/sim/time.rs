//! Timestamps as the venues write them.
use jiff::Timestamp;

/// RFC 3339 in UTC with microseconds.
pub(super) fn rfc3339(time_ns: i64) -> String {
    format!("{:.6}", timestamp(time_ns))
}

/// RFC 3339 in UTC with nanoseconds.
pub(super) fn rfc3339_ns(time_ns: i64) -> String {
    format!("{:.9}", timestamp(time_ns))
}

/// RFC 3339 in UTC with milliseconds.
pub(super) fn rfc3339_ms(time_ns: i64) -> String {
    format!("{:.3}", timestamp(time_ns))
}

/// RFC 3339 in UTC with whole seconds.
pub(super) fn rfc3339_s(time_ns: i64) -> String {
    format!("{:.0}", timestamp(time_ns))
}

/// `Mon, 21 Sep 26 14:13:20 +0000`.
pub(super) fn rfc1123(time_ns: i64) -> String {
    timestamp(time_ns)
        .strftime("%a, %d %b %y %H:%M:%S +0000")
        .to_string()
}

/// Unix seconds with microseconds.
pub(super) fn seconds_micros(time_ns: i64) -> String {
    let micros = time_ns / 1000;
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn timestamp(time_ns: i64) -> Timestamp {
    // every i64 of nanoseconds is within jiff's years
    Timestamp::from_nanosecond(i128::from(time_ns)).unwrap_or(Timestamp::UNIX_EPOCH)
}
