//! What was told of the candles of one market and length, held against the ledger.

use std::ops::AddAssign;

use tickwire::model::{
    Candle, Decimal, Event, Gap, GapState, Interval, Origin, Timestamp, parse_decimal,
};
use tickwire::sim::LedgerCandle;

/// What was found of a promise that was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Closed candles that are told as complete, and are.
    pub exact: u64,
    /// Closed candles that are told as incomplete.
    pub doubtful: u64,
    /// Candles that the stream had missed.
    pub repaired: u64,
    /// Candles that stay missing, each of them within a gap.
    pub missing: u64,
}

impl AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.exact += other.exact;
        self.doubtful += other.doubtful;
        self.repaired += other.repaired;
        self.missing += other.missing;
    }
}

/// The candles of one market and length.
pub struct Lane<'a> {
    pub interval: Interval,
    /// All of the ledger, also those without trades.
    pub ledger: &'a [LedgerCandle],
    /// Candles and gaps of this lane, in order.
    pub told: &'a [Event],
    /// Whether there are candles without trades, too.
    pub has_empty: bool,
    /// What has ended by then must have been told.
    pub ended_by: i64,
    /// Spans in which REST told candles as they had been before: what was taken from there can lack trades.
    pub lies: &'a [(i64, i64)],
}

/// The longest after its end that a candle is asked about.
const ASKED_NANOS: i64 = 90_000_000_000;

struct Check<'a> {
    lane: &'a Lane<'a>,
    closed: Vec<&'a Candle>,
    losses: Vec<&'a Gap>,
    breaches: Vec<String>,
    verdict: Verdict,
}

impl Lane<'_> {
    /// # Errors
    /// Every breach, in words.
    pub fn verify(&self) -> Result<Verdict, Vec<String>> {
        let mut check = Check {
            lane: self,
            closed: Vec::new(),
            losses: Vec::new(),
            breaches: Vec::new(),
            verdict: Verdict::default(),
        };
        for event in self.told {
            match event {
                Event::Candle(candle) => check.candle(candle),
                Event::Gap(gap) => check.gap(gap),
                _ => {}
            }
        }
        check.completeness();
        match check.breaches.is_empty() {
            true => Ok(check.verdict),
            false => Err(check.breaches),
        }
    }

    fn is_lied_about(&self, truth: &LedgerCandle) -> bool {
        let (from, until) = (truth.open_time_ns, truth.close_time_ns + ASKED_NANOS);
        self.lies
            .iter()
            .any(|(begin, end)| *begin < until && from < *end)
    }

    fn truth(&self, open_time: Timestamp) -> Option<&LedgerCandle> {
        let place = self
            .ledger
            .binary_search_by_key(&open_time.nanos(), |candle| candle.open_time_ns);
        place.ok().map(|place| &self.ledger[place])
    }
}

impl<'a> Check<'a> {
    fn breach(&mut self, text: String) {
        self.breaches.push(text);
    }

    fn candle(&mut self, candle: &'a Candle) {
        let interval = self.lane.interval;
        if candle.interval != interval || interval.open_of(candle.open_time) != candle.open_time {
            self.breach(format!("begins where none does: {candle:?}"));
        }
        let before = self.closed.last().map(|before| before.open_time);
        if before.is_some_and(|before| candle.open_time <= before) {
            self.breach(format!("comes after its end, or a later one: {candle:?}"));
        }
        if !candle.closed {
            return;
        }
        self.closed.push(candle);
        let Some(truth) = self.lane.truth(candle.open_time) else {
            return self.breach(format!("never was: {candle:?}"));
        };
        // Polled where there is no socket: told as it is sent.
        let is_polled =
            candle.origin == Origin::Repair && candle.market.exchange().name() == "kraken";
        if truth.trades == 0 && !self.lane.has_empty && !is_polled {
            self.breach(format!("nothing was traded in it: {candle:?}"));
        }
        let (is_kept, count) = match candle.complete {
            true if self.lane.is_lied_about(truth) => {
                (is_part(candle, truth), &mut self.verdict.doubtful)
            }
            true => (is_exact(candle, truth), &mut self.verdict.exact),
            false => (is_part(candle, truth), &mut self.verdict.doubtful),
        };
        *count += 1;
        if !is_kept {
            self.breach(format!("told as {candle:?}, and is {truth:?}"));
        }
    }

    fn gap(&mut self, gap: &'a Gap) {
        let interval = self.lane.interval;
        let Some((from, to)) = gap.from.zip(gap.to).filter(|(from, to)| from < to) else {
            return self.breach(format!("a gap names no span: {gap:?}"));
        };
        if [from, to].iter().any(|at| interval.open_of(*at) != *at) {
            self.breach(format!("a gap ends within a candle: {gap:?}"));
        }
        let as_counted = match gap.state {
            GapState::Repaired => gap.missing == Some(gap.recovered) && gap.recovered > 0,
            GapState::Partial => gap.recovered > 0 && gap.missing.is_none_or(|n| n > gap.recovered),
            GapState::Unrepairable => gap.recovered == 0 && gap.missing.is_none_or(|n| n > 0),
        };
        if !as_counted {
            self.breach(format!("a gap's numbers and its state disagree: {gap:?}"));
        }
        let within = |at: Timestamp| from <= at && at < to;
        let told = self.closed.iter().filter(|candle| within(candle.open_time));
        let told = told.count() as u64;
        if told != gap.recovered {
            self.breach(format!("{told} are told within this gap: {gap:?}"));
        }
        let whole = interval.count(from, to);
        if self.lane.has_empty && gap.missing != Some(whole) {
            self.breach(format!("{whole} are within this gap: {gap:?}"));
        }
        self.verdict.repaired += gap.recovered;
        if gap.is_loss() {
            self.losses.push(gap);
        }
    }

    /// Nothing is missing silently, from the first that was told on.
    fn completeness(&mut self) {
        let begin = self.closed.first().map(|first| first.open_time.nanos());
        let gap_begin = self.losses.first().and_then(|gap| gap.from);
        let Some(begin) = begin
            .into_iter()
            .chain(gap_begin.map(Timestamp::nanos))
            .min()
        else {
            return;
        };
        let lane = self.lane;
        let due = lane.ledger.iter().filter(|truth| {
            let is_told = lane.has_empty || truth.trades > 0;
            is_told && truth.open_time_ns >= begin && truth.close_time_ns <= lane.ended_by
        });
        for truth in due {
            let at = Timestamp::from_nanos(truth.open_time_ns);
            let is_told = self
                .closed
                .binary_search_by_key(&at, |candle| candle.open_time);
            if is_told.is_ok() {
                continue;
            }
            let holds = |gap: &&Gap| gap.from <= Some(at) && Some(at) < gap.to;
            if self.losses.iter().copied().any(|gap| holds(&gap)) {
                self.verdict.missing += 1;
            } else {
                self.breach(format!("is lost, and no gap says so: {truth:?}"));
            }
        }
    }
}

fn number(text: &str) -> Decimal {
    parse_decimal(text).expect("a number of the ledger")
}

fn is_exact(candle: &Candle, truth: &LedgerCandle) -> bool {
    let same = |told: Decimal, text: &str| told == number(text);
    same(candle.open.decimal(), &truth.open)
        && same(candle.high.decimal(), &truth.high)
        && same(candle.low.decimal(), &truth.low)
        && same(candle.close.decimal(), &truth.close)
        && same(candle.volume.decimal(), &truth.volume)
        && candle.trades.is_none_or(|trades| trades == truth.trades)
        && candle
            .quote_volume
            .is_none_or(|volume| same(volume.decimal(), &truth.quote_volume))
}

/// What is not complete is made of some of the trades, and of nothing else.
fn is_part(candle: &Candle, truth: &LedgerCandle) -> bool {
    if candle.volume.decimal().is_zero() {
        // The price of a trade before it.
        return true;
    }
    candle.high.decimal() <= number(&truth.high)
        && candle.low.decimal() >= number(&truth.low)
        && candle.volume.decimal() <= number(&truth.volume)
        && candle.trades.is_none_or(|trades| trades <= truth.trades)
}
