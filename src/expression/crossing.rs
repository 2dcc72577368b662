//! Crossings happen between two observations: what is remembered from one to the next.

use std::cmp::Ordering;

use crate::model::Value;

use super::evaluate::Evaluation;
use super::tree::Direction;
use super::{Expression, Margin, Truth};

/// An expression together with what its `crosses_above` and `crosses_below` have seen. Each that watches it has one
/// of its own.
///
/// A crossing is true at the observation at which the left side is beyond the right one and was not at the one
/// before; at the next it is false again. It is unknown until both sides were known at two observations. One at
/// which they are not is unknown, but does not make it forget how they stood before.
///
/// ```
/// use tickwire::expression::{Crossings, Expression, Truth};
/// use tickwire::model::Value;
///
/// let mut rule = Crossings::new(&Expression::parse_condition("crosses_above(price, 50)")?);
/// let answers = [49, 51, 52].map(|price| {
///     let input = |_| Value::Number(price.into());
///     rule.observe(&input);
///     rule.holds(&input)
/// });
/// assert_eq!(answers, [Truth::Unknown, Truth::True, Truth::False]);
/// # Ok::<(), tickwire::expression::ExpressionError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Crossings {
    expression: Expression,
    seen: Vec<Seen>,
}

/// What one crossing has seen.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// How its sides stood to each other when both were known last.
    sides: Option<Ordering>,
    /// Whether it happened at the last observation.
    pub now: Truth,
}

impl Crossings {
    /// Nothing observed yet.
    pub fn new(expression: &Expression) -> Self {
        let none = Seen {
            sides: None,
            now: Truth::Unknown,
        };
        Self {
            seen: vec![none; expression.0.tree.crossings.len()],
            expression: expression.clone(),
        }
    }

    /// The expression itself.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Takes the values of now, once for each observation, and before its answer is asked for.
    pub fn observe(&mut self, input: &dyn Fn(usize) -> Value) {
        // Nothing to remember, as a rule.
        if self.seen.is_empty() {
            return;
        }
        let tree = &self.expression.0.tree;
        let evaluation = Evaluation {
            tree,
            input,
            seen: &[],
        };
        for (seen, crossing) in self.seen.iter_mut().zip(&tree.crossings) {
            let sides = evaluation.ordering(crossing.left, crossing.right);
            seen.now = match (seen.sides, sides) {
                (Some(before), Some(now)) => {
                    let is_beyond = |sides| beyond(crossing.direction, sides);
                    Some(!is_beyond(before) && is_beyond(now)).into()
                }
                _ => Truth::Unknown,
            };
            seen.sides = sides.or(seen.sides);
        }
    }

    /// Forgets what was seen, as after a hole in the data.
    pub fn clear(&mut self) {
        *self = Self::new(&self.expression);
    }

    /// As [`Expression::evaluate`], with what was observed.
    pub fn evaluate(&self, input: &dyn Fn(usize) -> Value) -> Value {
        self.expression.value_with(&self.seen, input)
    }

    /// As [`Expression::holds`], with what was observed.
    pub fn holds(&self, input: &dyn Fn(usize) -> Value) -> Truth {
        self.expression.truth_with(&self.seen, None, input)
    }

    /// As [`Expression::holds_within`], with what was observed. A crossing that has happened holds as long as its
    /// sides stand as they did after it, within the margin.
    pub fn holds_within(&self, margin: Margin, input: &dyn Fn(usize) -> Value) -> Truth {
        self.expression.truth_with(&self.seen, Some(margin), input)
    }

    /// As [`Expression::explain`], with what was observed.
    pub fn explain(&self, input: &dyn Fn(usize) -> Value) -> String {
        self.expression.explain_with(&self.seen, input)
    }
}

fn beyond(direction: Direction, sides: Ordering) -> bool {
    match direction {
        Direction::Above => sides.is_gt(),
        Direction::Below => sides.is_lt(),
    }
}
