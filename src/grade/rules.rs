//! The rule of each check. The text that is printed is made from what grades.

use super::{Grade, Value};

/// How a check is graded.
#[derive(Debug, PartialEq)]
pub struct Rule {
    /// The check's name in outputs.
    pub name: &'static str,
    /// Of its numbers; empty for words.
    pub unit: &'static str,
    /// What is measured, one sentence without a full stop.
    pub about: &'static str,
    /// From a value to a grade.
    pub scale: Scale,
}

/// From a value to a grade.
#[derive(Debug, PartialEq)]
pub enum Scale {
    /// The largest values of A, B, C and D.
    AtMost([f64; 4]),
    /// The smallest values of A, B, C and D.
    AtLeast([f64; 4]),
    /// Each word has its grade.
    Words(&'static [(&'static str, Grade)]),
    /// It never counts.
    Informs,
}

impl Rule {
    /// The grade of a number; `None` where numbers do not count.
    pub fn grade(&self, number: f64) -> Option<Grade> {
        let reached = |holds: &dyn Fn(f64) -> bool, limits: &[f64; 4]| {
            let place = limits.iter().position(|&limit| holds(limit));
            Some(Grade::ALL[place.unwrap_or(Grade::ALL.len() - 1)])
        };
        match &self.scale {
            Scale::AtMost(limits) => reached(&|limit| number <= limit, limits),
            Scale::AtLeast(limits) => reached(&|limit| number >= limit, limits),
            Scale::Words(_) | Scale::Informs => None,
        }
    }

    /// The grade of what was found.
    pub(super) fn grade_of(&self, value: Value) -> Option<Grade> {
        match (value, &self.scale) {
            (Value::Number(number), _) => self.grade(number),
            (Value::Word(word), Scale::Words(words)) => {
                let found = words.iter().find(|(known, _)| *known == word);
                found.map(|(_, grade)| *grade)
            }
            (Value::Word(_), _) => None,
        }
    }

    /// The scale in words: `A ≤ 1 s, B ≤ 2 s, else F`.
    pub fn text(&self) -> String {
        let steps = |sign: &str, limits: &[f64; 4]| {
            let mut text = String::new();
            for (n, (limit, grade)) in limits.iter().zip(Grade::ALL).enumerate() {
                // Where two grades have one limit, the better one is reached.
                if n > 0 && limits[n - 1] == *limit {
                    continue;
                }
                let unit = if self.unit.is_empty() { "" } else { " " };
                text += &format!("{} {sign} {limit}{unit}{}, ", grade.name(), self.unit);
            }
            text + "else F"
        };
        match &self.scale {
            Scale::AtMost(limits) => steps("≤", limits),
            Scale::AtLeast(limits) => steps("≥", limits),
            Scale::Words(words) => {
                let word = |(word, grade): &(&str, Grade)| format!("{word}: {}", grade.name());
                words.iter().map(word).collect::<Vec<_>>().join(", ")
            }
            Scale::Informs => "informs, does not count".into(),
        }
    }
}

macro_rules! rules {
    ($($constant:ident $name:literal [$unit:literal] $about:literal $scale:expr;)*) => {
        $(
            #[doc = $about]
            #[doc = "."]
            pub const $constant: Rule = Rule { name: $name, unit: $unit, about: $about, scale: $scale };
        )*

        /// Every rule, in the order of reports.
        pub static RULES: &[&Rule] = &[$(&$constant),*];
    };
}

use Scale::{AtLeast, AtMost, Informs, Words};

rules! {
    DNS "dns" ["ms"]
        "Resolving the name of the WebSocket host (of the proxy, where there is one)"
        AtMost([100.0, 300.0, 1_000.0, 3_000.0]);
    TCP "tcp" ["ms"]
        "The TCP handshake (with the proxy, where there is one)"
        AtMost([300.0, 600.0, 1_500.0, 3_000.0]);
    PROXY "proxy" ["ms"]
        "What the proxy took to connect us"
        AtMost([600.0, 1_200.0, 2_500.0, 5_000.0]);
    TLS "tls" ["ms"]
        "The TLS handshake"
        AtMost([600.0, 1_200.0, 2_500.0, 5_000.0]);
    UPGRADE "upgrade" ["ms"]
        "From the WebSocket request to its answer"
        AtMost([500.0, 1_000.0, 2_000.0, 4_000.0]);
    ACKNOWLEDGEMENT "acknowledgement" ["ms"]
        "From the first subscription sent to the answer to the last one"
        AtMost([1_000.0, 2_000.0, 4_000.0, 8_000.0]);
    FIRST_DATA "first_data" ["ms"]
        "From subscribing, connecting included, to the first event; trades inform only, since a market may be quiet"
        AtMost([2_000.0, 4_000.0, 8_000.0, 15_000.0]);
    RATE "rate" ["1/s"]
        "Events per second"
        Informs;
    LONGEST_SILENCE "longest_silence" ["s"]
        "The longest time without an event; what is told too late shows in `behind`"
        Informs;
    BEHIND "behind" ["trades"]
        "At the end: trades that REST knows and the stream does not tell within 5 s more"
        AtMost([0.0; 4]);
    CLOCK_OFFSET "clock_offset" ["ms"]
        "How far the exchange's clock is ahead of ours; latencies are corrected by it"
        Informs;
    LATENCY_P50 "latency_p50" ["ms"]
        "From the exchange's time of a trade to its arrival: half of them came faster; counts where the clocks are compared to ±250 ms"
        AtMost([250.0, 500.0, 1_000.0, 3_000.0]);
    LATENCY_P95 "latency_p95" ["ms"]
        "The same: 95 of 100 came faster"
        AtMost([500.0, 1_000.0, 2_000.0, 5_000.0]);
    LATENCY_P99 "latency_p99" ["ms"]
        "The same: 99 of 100 came faster"
        AtMost([1_000.0, 2_000.0, 5_000.0, 10_000.0]);
    TOLD_IN_ORDER "told_in_order" ["trades"]
        "Trades handed on twice or against the order of their ids; never allowed"
        AtMost([0.0; 4]);
    REORDERED "reordered" ["%"]
        "Trades that came out of order and were put right"
        AtMost([0.0, 0.1, 1.0, 20.0]);
    DUPLICATES "duplicates" ["%"]
        "Trades that came again and were dropped"
        AtMost([0.0, 0.1, 1.0, 20.0]);
    ID_DENSITY "id_density" ["%"]
        "Trades handed on, repaired ones included, of the ids that they span; counts where ids rise by one"
        AtLeast([100.0, 99.99, 99.9, 99.0]);
    GAPS "gaps" ["gaps"]
        "Holes that stayed, in part or whole"
        AtMost([0.0, 0.0, 0.0, 1.0]);
    REPAIRED "repaired" ["%"]
        "Trades that the stream missed and REST gave afterwards"
        AtMost([0.0, 1.0, 10.0, 50.0]);
    BAD_FRAMES "bad_frames" ["%"]
        "Messages that make no sense"
        AtMost([0.0, 0.1, 1.0, 20.0]);
    INTERRUPTIONS "interruptions" ["times"]
        "Connections lost or refused during the run, a forced drop aside"
        AtMost([0.0, 0.0, 1.0, 2.0]);
    REST_PRICE "rest_price" ["bp"]
        "How far the REST price is outside of the stream's prices around that moment; D where REST fails"
        AtMost([2.0, 5.0, 20.0, 100.0]);
    UNKNOWN_SYMBOL "unknown_symbol" [""]
        "What a subscription to a symbol that does not exist leads to; disturbed: to trouble for the others"
        Words(&[("refused", Grade::A), ("silent", Grade::A), ("answered", Grade::F), ("disturbed", Grade::F)]);
    RECOVERY "recovery" ["ms"]
        "With --drop: from the cut of the line to new data of every symbol"
        AtMost([2_000.0, 5_000.0, 10_000.0, 30_000.0]);
    RECOVERY_MISSED "recovery_missed" ["trades"]
        "With --drop: trades around the cut that were never handed on"
        AtMost([0.0; 4]);
    CPU "cpu" ["ms"]
        "Processor time of this program per 10,000 messages"
        Informs;
    MEMORY "memory" ["KiB"]
        "Memory that this program took on during the run, per 10,000 messages"
        Informs;
}
