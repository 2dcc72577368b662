//! Whether a condition has one and the same answer while its operands move within ranges: interval
//! arithmetic over the tree. Errs on the side of unknown, as where one operand stands on both sides.

use crate::model::Decimal;

use super::tree::{Arithmetic, Comparison, Extreme, Form, NodeId, Tree};
use super::{Kind, Margin, Truth};

/// From the lowest to the highest value, both included.
pub type Range = (Decimal, Decimal);

/// One computation. Rounding keeps the order of numbers, so the ends of a range bound all that lies between.
pub struct Ranges<'a> {
    pub tree: &'a Tree,
    pub range: &'a dyn Fn(usize) -> Option<Range>,
    /// Comparisons whose sides come that close have no certain answer.
    pub margin: Option<Margin>,
}

impl Ranges<'_> {
    /// The one answer, or unknown where there may be several.
    pub fn truth(&self, id: NodeId) -> Truth {
        match self.tree.nodes[id].form {
            Form::YesNo(value) => Some(value).into(),
            Form::Not(part) => self.truth(part).not(),
            Form::And(left, right) => self.truth(left).and(self.truth(right)),
            Form::Or(left, right) => self.truth(left).or(self.truth(right)),
            Form::Compare(comparison, left, right) => self.compare(comparison, left, right).into(),
            _ => Truth::Unknown,
        }
    }

    fn compare(&self, comparison: Comparison, left: NodeId, right: NodeId) -> Option<bool> {
        let (a, b) = (self.number(left)?, self.number(right)?);
        let slack = self.slack(left, right, b)?;
        let b = (b.0.checked_sub(slack)?, b.1.checked_add(slack)?);
        let (below, above) = (a.1 < b.0, a.0 > b.1);
        match comparison {
            Comparison::Less | Comparison::LessOrEqual if below => Some(true),
            Comparison::Less | Comparison::LessOrEqual if above => Some(false),
            Comparison::Greater | Comparison::GreaterOrEqual if above => Some(true),
            Comparison::Greater | Comparison::GreaterOrEqual if below => Some(false),
            Comparison::Equal if below || above => Some(false),
            Comparison::NotEqual if below || above => Some(true),
            // A range may end where the other begins: which side that is on is left open.
            _ => None,
        }
    }

    /// How close is too close to be certain.
    fn slack(&self, left: NodeId, right: NodeId, b: Range) -> Option<Decimal> {
        let percentage = [left, right]
            .iter()
            .any(|&id| self.tree.nodes[id].kind == Kind::Percentage);
        match self.margin {
            None => Some(Decimal::ZERO),
            Some(Margin::Absolute(amount)) => Some(amount.abs()),
            Some(Margin::Percent(points)) if percentage => Some(points.abs()),
            Some(Margin::Percent(points)) => {
                let largest = b.0.abs().max(b.1.abs());
                largest
                    .checked_mul(points.abs())?
                    .checked_div(Decimal::ONE_HUNDRED)
            }
        }
    }

    fn number(&self, id: NodeId) -> Option<Range> {
        match &self.tree.nodes[id].form {
            Form::Number(value) => Some((*value, *value)),
            // What is computed from candles moves in its own ways.
            Form::Operand(place) if self.tree.operands[*place].function().is_some() => None,
            Form::Operand(place) => (self.range)(*place),
            Form::Negate(part) => self.number(*part).map(|(low, high)| (-high, -low)),
            Form::Absolute(part) => self.number(*part).map(|(low, high)| match () {
                () if low >= Decimal::ZERO => (low, high),
                () if high <= Decimal::ZERO => (-high, -low),
                () => (Decimal::ZERO, high.max(-low)),
            }),
            Form::Arithmetic(arithmetic, left, right) => {
                corners(*arithmetic, self.number(*left)?, self.number(*right)?)
            }
            Form::Extreme(extreme, parts) => {
                let ranges = parts.iter().map(|&part| self.number(part));
                let ranges: Option<Vec<Range>> = ranges.collect();
                ranges?.into_iter().reduce(|(a, b), (c, d)| match extreme {
                    Extreme::Least => (a.min(c), b.min(d)),
                    Extreme::Greatest => (a.max(c), b.max(d)),
                })
            }
            _ => None,
        }
    }
}

/// All results lie between those of the ends.
fn corners(arithmetic: Arithmetic, a: Range, b: Range) -> Option<Range> {
    if arithmetic == Arithmetic::Divide && b.0 <= Decimal::ZERO && b.1 >= Decimal::ZERO {
        return None;
    }
    let of = |x: Decimal, y: Decimal| match arithmetic {
        Arithmetic::Add => x.checked_add(y),
        Arithmetic::Subtract => x.checked_sub(y),
        Arithmetic::Multiply => x.checked_mul(y),
        Arithmetic::Divide => x.checked_div(y),
    };
    let values = [of(a.0, b.0)?, of(a.0, b.1)?, of(a.1, b.0)?, of(a.1, b.1)?];
    let [first, rest @ ..] = values;
    Some(rest.into_iter().fold((first, first), |(low, high), value| {
        (low.min(value), high.max(value))
    }))
}

#[cfg(test)]
mod tests {
    use super::super::Expression;
    use super::*;
    use crate::model::Value;
    use proptest::prelude::*;

    fn over(text: &str, low: i64, high: i64) -> Truth {
        let expression = Expression::parse_condition(text).unwrap();
        expression.holds_over(&|_| Some((low.into(), high.into())), None)
    }

    #[test]
    fn an_answer_that_cannot_change_is_known() {
        assert_eq!(over("price > 50", 60, 70), Truth::True);
        assert_eq!(over("price > 50", 10, 49), Truth::False);
        assert_eq!(over("price > 50", 40, 60), Truth::Unknown);
        assert_eq!(over("price > 50", 50, 50), Truth::Unknown, "at the border");
        assert_eq!(over("price > 50 or price < 20", 30, 40), Truth::False);
        assert_eq!(over("not (price * 2 > 100)", 10, 20), Truth::True);
        assert_eq!(
            over("100 / price < 1", -5, 5),
            Truth::Unknown,
            "division by zero"
        );
    }

    #[test]
    fn a_margin_widens_what_is_not_certain() {
        let expression = Expression::parse_condition("price > 50").unwrap();
        let over = |low: i64| {
            expression.holds_over(
                &|_| Some((low.into(), 70.into())),
                Some(Margin::Percent(10.into())),
            )
        };
        assert_eq!((over(54), over(56)), (Truth::Unknown, Truth::True));
    }

    const TEXTS: [&str; 6] = [
        "price > 5",
        "price >= 3 and price < 9",
        "abs(price - 5) < 2 or price == 1",
        "min(price, 4) * 3 > 10",
        "not (10 / (price + 1) > 2)",
        "price * price - 4 * price > 0",
    ];

    proptest! {
        #[test]
        fn what_is_known_of_a_range_holds_for_all_in_it(which in 0..TEXTS.len(), low in -12i64..12, width in 0i64..8) {
            let expression = Expression::parse_condition(TEXTS[which]).unwrap();
            let whole = expression.holds_over(&|_| Some((low.into(), (low + width).into())), None);
            for price in low..=low + width {
                let one = expression.holds(&|_| Value::Number(price.into()));
                prop_assert!(whole == Truth::Unknown || one == whole, "{} at {price}: {one:?}, {whole:?}", TEXTS[which]);
            }
        }
    }
}
