//! Holds what a client told against what the exchange knows.
use super::market::{LedgerTrade, Side};
use crate::model::{self, Event, GapState, Origin, Stream, parse_decimal};
use std::{collections::BTreeSet, ops::RangeInclusive};

/// Something that a client told of the trades of one market, in the order in which it told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A trade, with its digits.
    Trade {
        /// Its number.
        id: u64,
        /// As told.
        price: String,
        /// As told.
        size: String,
        /// The aggressor's.
        side: Side,
        /// It is not from the stream. The exchange may write the same number with other zeros elsewhere, so its
        /// digits prove nothing there.
        repaired: bool,
    },
    /// A hole.
    Gap {
        /// First and last missing id; `None` where the gap names none.
        ids: Option<(u64, u64)>,
        /// How many were missing.
        missing: Option<u64>,
        /// How many of them were recovered.
        recovered: u64,
        /// How it ended.
        state: Repair,
    },
}

/// How a gap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// All of it was recovered.
    Repaired,
    /// Some of it.
    Partial,
    /// None of it.
    Unrepairable,
}

/// What can be said of a client that kept its promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Trades told.
    pub trades: u64,
    /// Gaps told.
    pub gaps: u64,
    /// Trades that stayed missing, each of them told in a gap.
    pub missing: u64,
    /// Trades that had been missing, and were recovered.
    pub recovered: u64,
}

/// Checks the promise of one market: from the first trade or gap that was told to the trade with the id `up_to`, every trade
/// of the ledger is told once, in the order of ids, digit for digit (number for number where it was repaired), or is among the missing of exactly one gap, which
/// stands where the trades are missing; and no gap says more than is true.
///
/// # Errors
/// Every breach, in words.
pub fn verify(ledger: &[LedgerTrade], told: &[Told], up_to: u64) -> Result<Verdict, Vec<String>> {
    let mut check = Check {
        ledger,
        told_ids: told.iter().filter_map(Told::id).collect(),
        before: None,
        gaps: Vec::new(),
        verdict: Verdict::default(),
        breaches: Vec::new(),
    };
    for (place, told_here) in told.iter().enumerate() {
        match told_here {
            Told::Trade { id, .. } => check.trade(*id, told_here),
            Told::Gap { .. } => {
                let after = told[place..].iter().find_map(Told::id);
                check.gap(told_here, after);
            }
        }
    }
    check.completeness(up_to);
    match check.breaches.is_empty() {
        true => Ok(check.verdict),
        false => Err(check.breaches),
    }
}

impl Told {
    /// What this event says of trades; `None` where it says nothing of them.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Trade(trade) => Some(Self::Trade {
                id: trade.id,
                price: trade.price.to_string(),
                size: trade.size.to_string(),
                side: match trade.side {
                    model::Side::Buy => Side::Buy,
                    model::Side::Sell => Side::Sell,
                },
                repaired: trade.origin == Origin::Repair,
            }),
            Event::Gap(gap) if gap.stream == Stream::Trades => Some(Self::Gap {
                ids: gap.from_id.zip(gap.to_id),
                missing: gap.missing,
                recovered: gap.recovered,
                state: match gap.state {
                    GapState::Repaired => Repair::Repaired,
                    GapState::Partial => Repair::Partial,
                    GapState::Unrepairable => Repair::Unrepairable,
                },
            }),
            _ => None,
        }
    }

    fn id(&self) -> Option<u64> {
        match self {
            Self::Trade { id, .. } => Some(*id),
            Self::Gap { .. } => None,
        }
    }
}

struct Check<'a> {
    ledger: &'a [LedgerTrade],
    told_ids: BTreeSet<u64>,
    /// The trade told last.
    before: Option<u64>,
    gaps: Vec<RangeInclusive<u64>>,
    verdict: Verdict,
    breaches: Vec<String>,
}

impl Check<'_> {
    fn breach(&mut self, text: String) {
        self.breaches.push(text);
    }

    fn trade(&mut self, id: u64, told: &Told) {
        self.verdict.trades += 1;
        if let Some(before) = self.before
            && id <= before
        {
            let what = if id == before {
                "twice"
            } else {
                "out of order"
            };
            self.breach(format!("trade {id} is told {what}, after {before}"));
        }
        self.before = Some(id);
        let truth = self.truth(id).map(|truth| Told::Trade {
            id,
            price: truth.price.clone(),
            size: truth.size.clone(),
            side: truth.side,
            repaired: false,
        });
        if !truth.as_ref().is_some_and(|truth| is_true(told, truth)) {
            self.breach(format!("trade {id} is told as {told:?}, and is {truth:?}"));
        }
    }

    fn truth(&self, id: u64) -> Option<&LedgerTrade> {
        // a ledger's ids rise by one
        let first = self.ledger.first()?.id;
        let place = usize::try_from(id.checked_sub(first)?).ok()?;
        self.ledger.get(place)
    }

    fn gap(&mut self, told: &Told, after: Option<u64>) {
        let Told::Gap {
            ids: Some((from, to)),
            missing: Some(missing),
            recovered,
            state,
        } = *told
        else {
            return self.breach(format!("a gap names no ids: {told:?}"));
        };
        if from > to {
            return self.breach(format!("a gap ends before it begins: {told:?}"));
        }
        if ![from, to].iter().all(|id| self.truth(*id).is_some()) {
            self.breach(format!("a gap tells of trades that never were: {told:?}"));
        }
        let range = from..=to;
        let overlaps = |other: &RangeInclusive<u64>| *other.start() <= to && from <= *other.end();
        if self.gaps.iter().any(overlaps) {
            self.breach(format!("a gap overlaps another: {told:?}"));
        }
        self.verdict.gaps += 1;
        self.verdict.recovered += recovered;
        let as_counted = match state {
            Repair::Repaired => recovered == missing && missing > 0,
            Repair::Partial => 0 < recovered && recovered < missing,
            Repair::Unrepairable => recovered == 0 && missing > 0,
        };
        if !as_counted {
            self.breach(format!("a gap's numbers and its state disagree: {told:?}"));
        }
        // what was missed between subscribing and the first trade comes before everything
        // Gaps may follow one another.
        let told_up_to = self
            .gaps
            .iter()
            .map(|gap| *gap.end())
            .chain(self.before)
            .max();
        let in_place = match (told_up_to, after) {
            (Some(before), _) => before <= to && before + 1 >= from,
            (None, after) => after == Some(to + 1),
        } && after.is_none_or(|after| after > to);
        if !in_place {
            self.breach(format!(
                "a gap stands between {:?} and {after:?}, where it is not: {told:?}",
                self.before
            ));
        }
        let told_inside = self.told_ids.range(range.clone()).count() as u64;
        let absent = (to - from + 1) - told_inside;
        if absent != missing.saturating_sub(recovered) || told_inside < recovered {
            self.breach(format!(
                "a gap tells of {missing} missing and {recovered} recovered, but {absent} are not told \
                 and {told_inside} are: {told:?}"
            ));
        }
        self.verdict.missing += absent;
        self.gaps.push(range);
    }

    /// Nothing of the ledger is missing silently.
    fn completeness(&mut self, up_to: u64) {
        let Some(&first) = self.told_ids.first() else {
            return self.breach("nothing was told".to_owned());
        };
        let first = self
            .gaps
            .first()
            .map_or(first, |gap| first.min(*gap.start()));
        let lost: Vec<u64> = self
            .ledger
            .iter()
            .map(|trade| trade.id)
            .filter(|id| (first..=up_to).contains(id) && !self.told_ids.contains(id))
            .filter(|id| !self.gaps.iter().any(|gap| gap.contains(id)))
            .collect();
        if let (Some(from), Some(to)) = (lost.first(), lost.last()) {
            self.breach(format!(
                "{} trades from {from} to {to} are lost, and no gap says so",
                lost.len()
            ));
        }
    }
}

/// Whether a trade is told as it is in the ledger: digit for digit, or where it was repaired, the same numbers.
fn is_true(told: &Told, truth: &Told) -> bool {
    let number = |text: &str| parse_decimal(text).ok();
    match (told, truth) {
        (
            Told::Trade {
                repaired: true,
                price,
                size,
                side,
                ..
            },
            Told::Trade {
                price: true_price,
                size: true_size,
                side: true_side,
                ..
            },
        ) => {
            let same = |a, b| number(a).is_some_and(|a| number(b) == Some(a));
            same(price, true_price) && same(size, true_size) && side == true_side
        }
        _ => told == truth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(id: u64) -> LedgerTrade {
        LedgerTrade {
            symbol: "BTC/USD".to_owned(),
            id,
            price: format!("{id}.10"),
            size: "1".to_owned(),
            side: Side::Buy,
            time_ns: 0,
        }
    }

    fn trade(id: u64) -> Told {
        let LedgerTrade {
            price, size, side, ..
        } = truth(id);
        Told::Trade {
            id,
            price,
            size,
            side,
            repaired: false,
        }
    }

    fn gap(from: u64, to: u64, missing: u64, recovered: u64, state: Repair) -> Told {
        Told::Gap {
            ids: Some((from, to)),
            missing: Some(missing),
            recovered,
            state,
        }
    }

    /// The ledger has 1 to 9.
    fn check(told: &[Told]) -> Result<Verdict, String> {
        let ledger: Vec<_> = (1..10).map(truth).collect();
        verify(&ledger, told, 8).map_err(|breaches| breaches.join("\n"))
    }

    fn trades(ids: impl IntoIterator<Item = u64>) -> Vec<Told> {
        ids.into_iter().map(trade).collect()
    }

    #[test]
    fn a_kept_promise_is_counted() {
        assert_eq!(check(&trades(3..=9)).unwrap().trades, 7);
        // the end may still be on its way
        assert_eq!(check(&trades(3..=8)).unwrap().trades, 6);
        let mut told = trades([3, 4]);
        told.push(gap(5, 6, 2, 0, Repair::Unrepairable));
        told.extend(trades([7, 8]));
        let verdict = Verdict {
            trades: 4,
            gaps: 1,
            missing: 2,
            recovered: 0,
        };
        assert_eq!(check(&told), Ok(verdict));
        let mut told = vec![gap(2, 2, 1, 0, Repair::Unrepairable)];
        told.extend(trades(3..=8));
        assert_eq!(check(&told).unwrap().missing, 1);
        let mut told = trades([3, 4, 5, 6]);
        told.push(gap(5, 6, 2, 2, Repair::Repaired));
        told.extend(trades([7, 8]));
        assert_eq!(check(&told).unwrap().recovered, 2);
        let mut told = trades([3, 4, 6]);
        told.push(gap(5, 6, 2, 1, Repair::Partial));
        told.extend(trades([7]));
        told.push(gap(8, 8, 1, 0, Repair::Unrepairable));
        assert_eq!(check(&told).unwrap().missing, 2);
    }

    #[test]
    fn of_a_repaired_trade_the_numbers_count_and_not_the_zeros() {
        let repaired = |price: &str, side| {
            let mut told = trades(3..=8);
            told[2] = Told::Trade {
                id: 5,
                price: price.to_owned(),
                size: "1.000".to_owned(),
                side,
                repaired: true,
            };
            check(&told).is_ok()
        };
        assert!(repaired("5.1", Side::Buy) && repaired("5.10000", Side::Buy));
        assert!(!repaired("5.11", Side::Buy) && !repaired("", Side::Buy));
        assert!(!repaired("5.10", Side::Sell));
    }

    #[test]
    fn every_kind_of_broken_promise_is_found() {
        let with_gap = |before: &[u64], gap: Told, after: &[u64]| {
            let mut told = trades(before.iter().copied());
            told.push(gap);
            told.extend(trades(after.iter().copied()));
            told
        };
        let wrong_digits = |price: &str, size: &str, side| {
            let mut told = trades(3..=8);
            told[2] = Told::Trade {
                id: 5,
                price: price.to_owned(),
                size: size.to_owned(),
                side,
                repaired: false,
            };
            told
        };
        let no_ids = Told::Gap {
            ids: None,
            missing: None,
            recovered: 0,
            state: Repair::Unrepairable,
        };
        let unrepairable = Repair::Unrepairable;
        for (told, breach) in [
            (vec![], "nothing was told"),
            (trades([3, 4, 6, 7, 8]), "1 trades from 5 to 5 are lost"),
            (trades(3..=7), "1 trades from 8 to 8 are lost"),
            (trades([3, 4, 4, 5, 6, 7, 8]), "trade 4 is told twice"),
            (trades([3, 5, 4, 6, 7, 8]), "trade 4 is told out of order"),
            (trades([7, 8, 9, 10]), "trade 10 is told as"),
            (wrong_digits("5.1", "1", Side::Buy), "trade 5 is told as"),
            (wrong_digits("5.10", "2", Side::Buy), "trade 5 is told as"),
            (wrong_digits("5.10", "1", Side::Sell), "trade 5 is told as"),
            (
                with_gap(&[3, 4, 5], gap(5, 5, 1, 0, unrepairable), &[6, 7, 8]),
                "a gap tells of 1 missing and 0 recovered, but 0 are not told",
            ),
            (
                with_gap(&[3, 4], gap(5, 6, 1, 0, unrepairable), &[7, 8]),
                "but 2 are not told",
            ),
            (
                with_gap(&[3, 4], gap(5, 6, 2, 2, Repair::Repaired), &[7, 8]),
                "2 missing and 2 recovered, but 2 are not told",
            ),
            (
                with_gap(&[3, 4], gap(5, 6, 2, 0, Repair::Repaired), &[7, 8]),
                "numbers and its state disagree",
            ),
            (
                with_gap(&[3, 4], gap(5, 6, 2, 0, Repair::Partial), &[7, 8]),
                "numbers and its state disagree",
            ),
            (
                with_gap(&[3, 4, 7], gap(5, 6, 2, 0, unrepairable), &[8]),
                "where it is not",
            ),
            (
                with_gap(&[3], gap(5, 6, 2, 0, unrepairable), &[4, 7, 8]),
                "where it is not",
            ),
            (
                with_gap(&[], gap(1, 1, 1, 0, unrepairable), &[3, 4, 5, 6, 7, 8]),
                "where it is not",
            ),
            (
                with_gap(&[7, 8, 9], gap(10, 11, 2, 0, unrepairable), &[]),
                "trades that never were",
            ),
            (
                with_gap(&[], gap(2, 2, 1, 0, unrepairable), &[3, 4, 5, 7, 8]),
                "1 trades from 6 to 6 are lost",
            ),
            (with_gap(&[3, 4], no_ids, &[5, 6, 7, 8]), "names no ids"),
            (
                with_gap(&[3, 4], gap(6, 5, 1, 0, unrepairable), &[7, 8]),
                "ends before it begins",
            ),
        ] {
            let found = check(&told).unwrap_err();
            assert!(found.contains(breach), "{breach}: {found}");
        }
        let mut twice = trades([3, 4]);
        twice.push(gap(5, 6, 2, 0, unrepairable));
        twice.push(gap(6, 6, 1, 0, unrepairable));
        twice.extend(trades([7, 8]));
        assert!(check(&twice).unwrap_err().contains("overlaps"));
    }
}
