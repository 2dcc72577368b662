//! The machine by examples and, over random paths, by what must always be true of it.

mod bars;
mod computed;
mod examples;
mod holes;
mod properties;
mod runs;
mod sane;

use std::time::Duration;

use super::*;
use crate::expression::Truth;
use crate::model::Timestamp;

/// Nanoseconds are the unit of these tests: nothing depends on the scale.
fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn nanos(length: u64) -> Option<Duration> {
    Some(Duration::from_nanos(length))
}

fn fires(count: u32, within: u64) -> Option<MaxFires> {
    Some(MaxFires {
        count,
        within: Duration::from_nanos(within),
    })
}

fn fired(time: i64) -> Verdict {
    Verdict::Fired { at: at(time) }
}

fn suppressed(time: i64, why: Suppression) -> Verdict {
    Verdict::Suppressed { at: at(time), why }
}

/// Not `Not`: the language brings its own.
fn negated(truth: Truth) -> Truth {
    match truth {
        Truth::True => Truth::False,
        Truth::False => Truth::True,
        Truth::Unknown => Truth::Unknown,
    }
}
