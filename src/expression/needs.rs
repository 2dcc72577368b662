//! Which candles an expression needs before it can be answered.

use std::fmt::Write;
use std::time::Duration;

use crate::model::Interval;

use super::tree::{Form, NodeId, Tree};
use super::{Expression, Function, Operand, Reference, What};

/// Candles of one market that an expression is computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Of which market.
    pub of: Reference,
    /// Of which length.
    pub interval: Interval,
    /// How many closed ones before the forming one; 0: the forming one is enough.
    pub candles: usize,
}

/// Up to which length a change is measured with candles of an interval: 300 of them at most, but for days.
const CHANGES: &[(Duration, Interval)] = &[
    (Duration::from_nanos(59_999_999_999), Interval::S1),
    (hours(5), Interval::M1),
    (hours(25), Interval::M5),
    (hours(75), Interval::M15),
    (hours(12 * 24), Interval::H1),
    (hours(50 * 24), Interval::H4),
];

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

impl Function {
    /// The interval of the candles that it is computed from, where `default` stands in for one that is not written.
    pub fn interval(&self, default: Interval) -> Interval {
        match self {
            Self::Indicator(_, interval) => interval.unwrap_or(default),
            Self::Change(length) => {
                let fitting = CHANGES.iter().find(|(most, _)| length <= most);
                fitting.map_or(Interval::D1, |(_, interval)| *interval)
            }
        }
    }

    /// How many closed candles it needs before the forming one.
    pub fn candles(&self) -> usize {
        match self {
            Self::Indicator(indicator, _) => super::stand_in::needs(indicator),
            Self::Change(length) => {
                // The default does not matter: a change knows its interval.
                let each = self.interval(Interval::M1).length();
                let count = length.as_nanos().div_ceil(each.as_nanos());
                usize::try_from(count).map_or(usize::MAX, |count| count + 1)
            }
        }
    }
}

impl Expression {
    /// The closed candles that its functions need before the forming one, each market and interval once. Those in
    /// a crossing need one more, so that there is a before; a crossing of fields alone needs one of the default
    /// interval. Empty where nothing is computed from candles.
    pub fn needs(&self, default: Interval) -> Vec<Need> {
        let tree = &self.0.tree;
        let mut needs = Vec::new();
        for operand in &tree.operands {
            if let What::Function(function) = operand.what {
                let (interval, candles) = (function.interval(default), function.candles());
                merge(&mut needs, &operand.of, interval, candles);
            }
        }
        for crossing in &tree.crossings {
            let mut operands = operands(tree, crossing.left);
            operands.extend(self::operands(tree, crossing.right));
            let mut has_functions = false;
            for operand in &operands {
                if let What::Function(function) = operand.what {
                    has_functions = true;
                    let (interval, candles) = (function.interval(default), function.candles());
                    merge(&mut needs, &operand.of, interval, candles + 1);
                }
            }
            if !has_functions {
                let markets = operands.iter().map(|operand| &operand.of);
                markets.for_each(|of| merge(&mut needs, of, default, 1));
            }
        }
        needs
    }

    /// What each function warms up with, one per line: `rsi(14,1h): 264 candles of 1h`.
    pub fn explain_needs(&self, default: Interval) -> String {
        let mut out = String::new();
        for operand in self.operands() {
            let Some(function) = operand.function() else {
                continue;
            };
            let text = super::error::printable(&operand.text);
            let (candles, interval) = (function.candles(), function.interval(default));
            let plural = if candles == 1 { "" } else { "s" };
            writeln!(out, "{text}: {candles} candle{plural} of {interval}")
                .expect("a string takes everything");
        }
        out
    }
}

fn merge(needs: &mut Vec<Need>, of: &Reference, interval: Interval, candles: usize) {
    let mut known = needs.iter_mut();
    match known.find(|need| need.of == *of && need.interval == interval) {
        Some(need) => need.candles = need.candles.max(candles),
        None => needs.push(Need {
            of: of.clone(),
            interval,
            candles,
        }),
    }
}

/// Those below a node.
fn operands(tree: &Tree, id: NodeId) -> Vec<&Operand> {
    match &tree.nodes[id].form {
        Form::Operand(place) => vec![&tree.operands[*place]],
        _ => {
            let parts = tree.parts(id).into_iter();
            parts.flat_map(|part| operands(tree, part)).collect()
        }
    }
}
