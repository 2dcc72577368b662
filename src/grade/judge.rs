//! From measurements to a report.

use std::time::Duration;

use crate::model::{Decimal, Market, Stream};

use super::measured::{Behind, Cost, Measurements, Recovery, RestPrice, Unknown};
use super::record::{Flow, Lane};
use super::rules::{self, Rule, Scale};
use super::{Check, Grade, Report, Value};

/// Clocks that are compared worse than this say too little about latencies.
const CLOCK_ERROR_NANOS: i64 = 250_000_000;

/// Grades what was measured.
pub fn judge(found: &Measurements) -> Report {
    let mut report = Checks::default();
    report.connection(found);
    report.streams(found);
    report.latency(found);
    report.trades(found);
    report.frames(found);
    report.rest_prices(&found.rest_prices);
    report.unknown(found.unknown.as_ref());
    report.recovery(found.recovery.as_ref());
    report.cost(found.cost, found.counts.messages);
    Report { checks: report.0 }
}

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn push(
        &mut self,
        rule: &'static Rule,
        value: Option<Value>,
        grade: Option<Grade>,
    ) -> &mut Check {
        self.0.push(Check {
            rule,
            market: None,
            stream: None,
            value,
            grade,
            note: None,
        });
        self.0.last_mut().expect("one was pushed just now")
    }

    /// A value with the grade that its rule gives.
    fn graded(&mut self, rule: &'static Rule, value: Value) -> &mut Check {
        self.push(rule, Some(value), rule.grade_of(value))
    }

    fn number(&mut self, rule: &'static Rule, number: f64) -> &mut Check {
        self.graded(rule, Value::Number(number))
    }

    /// What could not be found out through no fault of the feed.
    fn absent(&mut self, rule: &'static Rule, why: impl Into<String>) -> &mut Check {
        let check = self.push(rule, None, None);
        check.note = Some(why.into());
        check
    }

    /// What should have come and did not.
    fn failed(&mut self, rule: &'static Rule, grade: Grade, why: impl Into<String>) -> &mut Check {
        let check = self.push(rule, None, Some(grade));
        check.note = Some(why.into());
        check
    }

    fn connection(&mut self, found: &Measurements) {
        let times = found.connect.unwrap_or_default();
        let steps = [
            (&rules::DNS, times.dns),
            (&rules::TCP, times.tcp),
            (&rules::PROXY, times.proxy),
            (&rules::TLS, times.tls),
            (&rules::UPGRADE, times.upgrade),
        ];
        for (rule, time) in steps {
            match time {
                Some(time) => self.number(rule, millis(time)),
                None => self.absent(rule, "no such step"),
            };
        }
        let unanswered = match found.connect {
            Some(_) => "not every subscription was answered",
            None => "no such step",
        };
        match found.settled {
            Some(settled) => self.number(&rules::ACKNOWLEDGEMENT, millis(settled)),
            None => self.absent(&rules::ACKNOWLEDGEMENT, unanswered),
        };
    }

    fn streams(&mut self, found: &Measurements) {
        let flows = || {
            let lanes = found.record.lanes.iter();
            lanes.flat_map(|lane| {
                Stream::PLAIN.map(|stream| (lane, stream, lane.streams[stream.index()]))
            })
        };
        for (lane, stream, flow) in flows() {
            self.first_data(stream, flow).of(lane, Some(stream));
        }
        for (lane, stream, flow) in flows() {
            let seconds = found.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
            let rate = flow.events as f64 / seconds;
            self.number(&rules::RATE, rate).of(lane, Some(stream));
        }
        for (lane, stream, flow) in flows() {
            match flow.longest_silence(found.elapsed) {
                Some(silence) => self.number(&rules::LONGEST_SILENCE, silence.as_secs_f64()),
                None => self.absent(&rules::LONGEST_SILENCE, "no events"),
            }
            .of(lane, Some(stream));
        }
        for (market, behind) in &found.behind {
            let check = match behind {
                Behind::Trades(trades) => self.number(&rules::BEHIND, *trades as f64),
                Behind::Unknown(why) => self.absent(&rules::BEHIND, why),
            };
            check.market = Some(*market);
            check.stream = Some(Stream::Trades);
        }
    }

    fn first_data(&mut self, stream: Stream, flow: Flow) -> &mut Check {
        let rule = &rules::FIRST_DATA;
        match (stream, flow.first) {
            (Stream::Ticker, Some(first)) => self.number(rule, millis(first)),
            (Stream::Ticker, None) => self.failed(rule, Grade::F, "none came"),
            (_, Some(first)) => self.push(rule, Some(Value::Number(millis(first))), None),
            (_, None) => self.absent(rule, "none came"),
        }
    }

    fn latency(&mut self, found: &Measurements) {
        let offset = match &found.clock {
            Some(Ok(offset)) => {
                let check = self.number(&rules::CLOCK_OFFSET, nanos(offset.nanos));
                check.note = Some(format!("±{:.0} ms", nanos(offset.error_nanos)));
                Ok(*offset)
            }
            Some(Err(why)) => {
                self.absent(&rules::CLOCK_OFFSET, why);
                Err(format!("not corrected: {why}"))
            }
            None => {
                self.absent(&rules::CLOCK_OFFSET, "not asked");
                Err("not corrected".to_string())
            }
        };
        let percentiles = [
            (&rules::LATENCY_P50, 50),
            (&rules::LATENCY_P95, 95),
            (&rules::LATENCY_P99, 99),
        ];
        for (rule, percent) in percentiles {
            let Some(latency) = found.record.latencies.percentile(percent) else {
                self.absent(rule, "no trades");
                continue;
            };
            if found.own_clock {
                self.absent(rule, "the source has a clock of its own");
                continue;
            }
            match &offset {
                Ok(offset) => {
                    let check = self.number(rule, nanos(latency.saturating_add(offset.nanos)));
                    check.note = Some(format!("±{:.0} ms", nanos(offset.error_nanos)));
                    if offset.error_nanos > CLOCK_ERROR_NANOS {
                        check.grade = None;
                    }
                }
                Err(why) => {
                    let check = self.push(rule, Some(Value::Number(nanos(latency))), None);
                    check.note = Some(why.clone());
                }
            }
        }
    }

    fn trades(&mut self, found: &Measurements) {
        let lanes = &found.record.lanes;
        let sum = |of: fn(&Lane) -> u64| lanes.iter().map(of).sum::<u64>();
        let told = sum(|lane| lane.trades.told);
        let missing = sum(|lane| lane.trades.missing);
        let repaired = sum(|lane| lane.trades.repaired);
        let unordered = sum(|lane| lane.trades.unordered);
        self.number(&rules::TOLD_IN_ORDER, unordered as f64);
        self.share(&rules::REORDERED, found.counts.reordered, told);
        self.share(&rules::DUPLICATES, found.counts.duplicates, told);
        if found.contiguous_ids {
            let distinct = told - unordered;
            self.share(&rules::ID_DENSITY, distinct, distinct + missing);
        } else {
            self.absent(&rules::ID_DENSITY, "ids do not rise by one");
        }
        let gaps = self.number(&rules::GAPS, sum(|lane| lane.trades.gaps_left) as f64);
        let mended = sum(|lane| lane.trades.gaps_repaired);
        if mended > 0 {
            gaps.note = Some(format!("{mended} more repaired"));
        }
        self.share(&rules::REPAIRED, repaired, told);
    }

    fn frames(&mut self, found: &Measurements) {
        let counts = found.counts;
        self.share(&rules::BAD_FRAMES, counts.bad_frames, counts.messages);
        self.number(&rules::INTERRUPTIONS, counts.interruptions as f64);
    }

    /// So many per cent; of nothing there is no share.
    fn share(&mut self, rule: &'static Rule, part: u64, whole: u64) {
        if whole == 0 && part == 0 {
            let what = if *rule == rules::BAD_FRAMES {
                "no messages"
            } else {
                "no trades"
            };
            self.absent(rule, what);
            return;
        }
        let check = self.number(rule, part as f64 / whole.max(1) as f64 * 100.0);
        let is_worth_telling = match rule.scale {
            Scale::AtMost(_) => part > 0,
            _ => part < whole,
        };
        if is_worth_telling {
            check.note = Some(format!("{part} of {whole}"));
        }
    }

    fn rest_prices(&mut self, prices: &[(Market, RestPrice)]) {
        let rule = &rules::REST_PRICE;
        for (market, price) in prices {
            let check = match price {
                RestPrice::Compared { rest, low, high } => match outside(*rest, *low, *high) {
                    Some(points) => self.number(rule, points),
                    None => self.absent(rule, "the prices cannot be compared"),
                },
                RestPrice::NoAnswer(why) => self.failed(rule, Grade::D, why),
                RestPrice::Unknown(why) => self.absent(rule, why),
            };
            check.market = Some(*market);
        }
    }

    fn unknown(&mut self, unknown: Option<&Unknown>) {
        let rule = &rules::UNKNOWN_SYMBOL;
        let (word, note) = match unknown {
            None => return,
            Some(Unknown::NotTried(why)) => {
                self.absent(rule, why);
                return;
            }
            Some(Unknown::Refused(why)) => ("refused", Some(why.clone())),
            Some(Unknown::Silent) => ("silent", None),
            Some(Unknown::Answered) => ("answered", None),
            Some(Unknown::Disturbed(why)) => ("disturbed", Some(why.clone())),
        };
        self.graded(rule, Value::Word(word)).note = note;
    }

    fn recovery(&mut self, recovery: Option<&Recovery>) {
        let (after, missed) = match recovery {
            None => return,
            Some(Recovery::NotTried(why)) => {
                self.absent(&rules::RECOVERY, why);
                return;
            }
            Some(Recovery::Cut { after, missed }) => (after, missed),
        };
        match after {
            Ok(after) => self.number(&rules::RECOVERY, millis(*after)),
            Err(why) => self.failed(&rules::RECOVERY, Grade::F, why),
        };
        match missed {
            Some(missed) => self.number(&rules::RECOVERY_MISSED, *missed as f64),
            None => self.absent(&rules::RECOVERY_MISSED, "not known"),
        };
    }

    fn cost(&mut self, cost: Option<Cost>, messages: u64) {
        let per_10_000 = |amount: f64| amount * 10_000.0 / messages as f64;
        let why = if messages == 0 {
            "no messages"
        } else {
            "not told by this system"
        };
        // What little was spent on few messages says how far to trust what is made of it.
        let spent = |check: &mut Check, amount: f64| {
            let unit = check.rule.unit;
            check.note = Some(format!("{amount:.0} {unit} for {messages}"));
        };
        match cost.map(|cost| millis(cost.cpu)).filter(|_| messages > 0) {
            Some(cpu) => spent(self.number(&rules::CPU, per_10_000(cpu)), cpu),
            None => {
                self.absent(&rules::CPU, why);
            }
        };
        let memory = cost.and_then(|cost| cost.memory).filter(|_| messages > 0);
        match memory.map(|bytes| bytes as f64 / 1_024.0) {
            Some(kib) => spent(self.number(&rules::MEMORY, per_10_000(kib)), kib),
            None => {
                self.absent(&rules::MEMORY, why);
            }
        };
    }
}

impl Check {
    fn of(&mut self, lane: &Lane, stream: Option<Stream>) {
        self.market = Some(lane.market);
        self.stream = stream;
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn nanos(nanos: i64) -> f64 {
    nanos as f64 / 1_000_000.0
}

/// By how many basis points a price lies outside of a range; `None` where that is no number.
fn outside(price: Decimal, low: Decimal, high: Decimal) -> Option<f64> {
    let (far, from) = if price < low {
        (low.checked_sub(price)?, low)
    } else if price > high {
        (price.checked_sub(high)?, high)
    } else {
        return Some(0.0);
    };
    let points = far.checked_mul(Decimal::from(10_000))?.checked_div(from)?;
    points.try_into().ok()
}
