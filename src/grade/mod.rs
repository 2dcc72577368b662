//! How good a feed is: from what was measured to a grade for each thing, and one for all.
//!
//! Pure: no I/O, no clock. A [`Recorder`] takes the events of a run, [`Measurements`] holds that and whatever else
//! was found out, [`judge`] makes a [`Report`] of it by the [`RULES`], which are the same that are printed.
//!
//! ```
//! use tickwire::grade::{Grade, rules};
//!
//! assert_eq!(rules::LATENCY_P50.grade(120.0), Some(Grade::A));
//! assert_eq!(rules::LATENCY_P50.grade(700.0), Some(Grade::C));
//! assert_eq!(rules::LATENCY_P50.text(), "A ≤ 250 ms, B ≤ 500 ms, C ≤ 1000 ms, D ≤ 3000 ms, else F");
//! ```

mod clock;
mod judge;
mod measured;
mod record;
pub mod rules;
mod samples;
#[cfg(test)]
mod tests;

pub use clock::{ClockOffset, clock_offset};
pub use judge::judge;
pub use measured::{Behind, Cost, Counts, Measurements, Recovery, RestPrice, Unknown};
pub use record::Recorder;
pub use rules::{RULES, Rule, Scale};

use crate::model::{Market, Stream};

/// How good, from A to F; there is no E. A worse grade is the greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As good as it can be.
    A,
    /// Good.
    B,
    /// Fair: fit for most uses.
    C,
    /// Poor, but it works.
    D,
    /// Failed.
    F,
}

impl Grade {
    /// From the best to the worst.
    pub const ALL: [Grade; 5] = [Grade::A, Grade::B, Grade::C, Grade::D, Grade::F];

    /// The letter.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::F => "F",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// In the unit of the rule.
    Number(f64),
    /// One of the words of the rule.
    Word(&'static str),
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// By what it was judged.
    pub rule: &'static Rule,
    /// Of which symbol; `None`: of the feed as a whole.
    pub market: Option<Market>,
    /// In which stream; `None`: in both, or in none.
    pub stream: Option<Stream>,
    /// `None`: it could not be found out, or there is no such thing.
    pub value: Option<Value>,
    /// `None`: it does not count.
    pub grade: Option<Grade>,
    /// What has to be known beside the value.
    pub note: Option<String>,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// In the order of the [`RULES`].
    pub checks: Vec<Check>,
}

impl Report {
    /// The worst grade of the checks that count: a chain is as strong as its weakest link.
    pub fn grade(&self) -> Grade {
        let grades = self.checks.iter().filter_map(|check| check.grade);
        grades.max().unwrap_or(Grade::A)
    }
}
