//! Computes a checked tree from the values of its operands. Allocates nothing; what cannot be computed is
//! unknown.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::model::{Decimal, Timestamp, Value, parse_decimal};

use super::crossing::Seen;
use super::tree::{Arithmetic, Comparison, Crossing, Extreme, Form, NodeId, Tree};
use super::{Kind, Margin, Truth};

/// One computation. The kind of a node was checked when the tree was made, so each kind has its own function.
pub struct Evaluation<'a> {
    pub tree: &'a Tree,
    pub input: &'a dyn Fn(usize) -> Value,
    /// By the place of each crossing; empty where nothing is remembered.
    pub seen: &'a [Seen],
}

/// By how much comparisons are eased, or tightened, as under a `not`.
#[derive(Debug, Clone, Copy)]
pub struct Slack {
    pub margin: Margin,
    pub eased: bool,
}

impl Slack {
    fn opposite(self) -> Self {
        Self {
            eased: !self.eased,
            ..self
        }
    }
}

impl Evaluation<'_> {
    /// The value of any node; `Null` is unknown, a duration is a number of seconds.
    pub fn value(&self, id: NodeId) -> Value {
        match self.tree.nodes[id].kind {
            Kind::Number | Kind::Percentage | Kind::Duration => {
                self.number(id).map_or(Value::Null, Value::Number)
            }
            Kind::YesNo => self.truth(id, None).into(),
            Kind::Text => self
                .text(id)
                .map_or(Value::Null, |text| Value::Text(text.into_owned().into())),
            Kind::Time => self.time(id).map_or(Value::Null, Value::Time),
        }
    }

    pub fn truth(&self, id: NodeId, slack: Option<Slack>) -> Truth {
        match self.tree.nodes[id].form {
            Form::YesNo(value) => Some(value).into(),
            Form::Operand(place) => match (self.input)(place) {
                Value::YesNo(value) => Some(value).into(),
                _ => Truth::Unknown,
            },
            Form::Not(part) => self.truth(part, slack.map(Slack::opposite)).not(),
            Form::And(left, right) => match self.truth(left, slack) {
                Truth::False => Truth::False,
                truth => truth.and(self.truth(right, slack)),
            },
            Form::Or(left, right) => match self.truth(left, slack) {
                Truth::True => Truth::True,
                truth => truth.or(self.truth(right, slack)),
            },
            Form::Compare(comparison, left, right) => {
                self.compare(comparison, left, right, slack).into()
            }
            Form::Crossing(place) => self.crossing(place, slack),
            _ => Truth::Unknown,
        }
    }

    /// With a margin it lasts: what has crossed has to come back by that much.
    fn crossing(&self, place: usize, slack: Option<Slack>) -> Truth {
        let Some(seen) = self.seen.get(place) else {
            return Truth::Unknown;
        };
        let Some(slack) = slack.filter(|slack| slack.eased) else {
            return seen.now;
        };
        let Crossing {
            direction,
            left,
            right,
        } = self.tree.crossings[place];
        let lasts = self.compare(direction.comparison(), left, right, Some(slack));
        seen.now.or(lasts.into())
    }

    /// How two amounts stand to each other.
    pub fn ordering(&self, left: NodeId, right: NodeId) -> Option<Ordering> {
        Some(self.number(left)?.cmp(&self.number(right)?))
    }

    fn compare(
        &self,
        comparison: Comparison,
        left: NodeId,
        right: NodeId,
        slack: Option<Slack>,
    ) -> Option<bool> {
        let ordering = match self.tree.nodes[left].kind {
            Kind::Number | Kind::Percentage | Kind::Duration => {
                let (a, b) = (self.number(left)?, self.number(right)?);
                let slack = slack.and_then(|slack| {
                    Some((slack.eased, self.allowance(slack.margin, left, right, b)?))
                });
                return Some(match slack {
                    Some((eased, allowance)) => holds_about(comparison, a, b, allowance, eased),
                    None => holds(comparison, a.cmp(&b)),
                });
            }
            Kind::Text => self.text(left)?.cmp(&self.text(right)?),
            Kind::Time => self.time(left)?.cmp(&self.time(right)?),
            Kind::YesNo => {
                let (a, b) = (self.truth(left, None), self.truth(right, None));
                a.known()?.cmp(&b.known()?)
            }
        };
        Some(holds(comparison, ordering))
    }

    /// How far this comparison may be off; `None` where the margin is not for it.
    fn allowance(
        &self,
        margin: Margin,
        left: NodeId,
        right: NodeId,
        b: Decimal,
    ) -> Option<Decimal> {
        let kinds = [left, right].map(|id| self.tree.nodes[id].kind);
        match margin {
            _ if kinds.contains(&Kind::Duration) => None,
            Margin::Absolute(_) if kinds.contains(&Kind::Percentage) => None,
            Margin::Absolute(amount) => Some(amount),
            Margin::Percent(points) if kinds.contains(&Kind::Percentage) => Some(points),
            Margin::Percent(points) => b
                .abs()
                .checked_mul(points)?
                .checked_div(Decimal::ONE_HUNDRED),
        }
    }

    fn number(&self, id: NodeId) -> Option<Decimal> {
        match &self.tree.nodes[id].form {
            Form::Number(value) => Some(*value),
            Form::Operand(place) => match (self.input)(*place) {
                Value::Number(value) => Some(value),
                // An id as events have it.
                Value::Text(text) => parse_decimal(&text).ok(),
                _ => None,
            },
            Form::Negate(part) => self.number(*part).map(|value| unsigned_zero(-value)),
            Form::Absolute(part) => self.number(*part).map(|value| value.abs()),
            Form::Arithmetic(arithmetic, left, right) => {
                self.arithmetic(*arithmetic, *left, *right)
            }
            Form::Extreme(extreme, parts) => {
                let mut values = parts.iter().map(|&part| self.number(part));
                let first = values.next()??;
                values.try_fold(first, |one, other| {
                    let other = other?;
                    Some(match extreme {
                        Extreme::Least => one.min(other),
                        Extreme::Greatest => one.max(other),
                    })
                })
            }
            _ => None,
        }
    }

    fn arithmetic(&self, arithmetic: Arithmetic, left: NodeId, right: NodeId) -> Option<Decimal> {
        if self.tree.nodes[left].kind == Kind::Time {
            let nanos = |at: Timestamp| i128::from(at.nanos());
            let difference = nanos(self.time(left)?) - nanos(self.time(right)?);
            return Decimal::try_from_i128_with_scale(difference, 9).ok();
        }
        let (a, b) = (self.number(left)?, self.number(right)?);
        let result = match arithmetic {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Subtract => a.checked_sub(b),
            Arithmetic::Multiply => a.checked_mul(b),
            Arithmetic::Divide => a.checked_div(b),
        };
        result.map(unsigned_zero)
    }

    fn text(&self, id: NodeId) -> Option<Cow<'_, str>> {
        match &self.tree.nodes[id].form {
            Form::Text(text) => Some(Cow::Borrowed(text)),
            Form::Operand(place) => match (self.input)(*place) {
                Value::Text(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    fn time(&self, id: NodeId) -> Option<Timestamp> {
        match self.tree.nodes[id].form {
            Form::Operand(place) => match (self.input)(place) {
                Value::Time(at) => Some(at),
                _ => None,
            },
            _ => None,
        }
    }
}

fn holds(comparison: Comparison, ordering: Ordering) -> bool {
    match comparison {
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
    }
}

/// The comparison with its right side moved: away from the left where it is eased, towards it where it is
/// tightened. An eased `!=` would always hold and a tightened `==` never: they stay as they are.
fn holds_about(
    comparison: Comparison,
    a: Decimal,
    b: Decimal,
    allowance: Decimal,
    eased: bool,
) -> bool {
    let moved = |down: bool| {
        let moved = if down {
            b.checked_sub(allowance)
        } else {
            b.checked_add(allowance)
        };
        a.cmp(&moved.unwrap_or(b))
    };
    // Beyond what can be held they are surely further apart than any margin.
    let close = || {
        a.checked_sub(b)
            .is_some_and(|difference| difference.abs() <= allowance)
    };
    match comparison {
        Comparison::Greater | Comparison::GreaterOrEqual => holds(comparison, moved(eased)),
        Comparison::Less | Comparison::LessOrEqual => holds(comparison, moved(!eased)),
        Comparison::Equal if eased => close(),
        Comparison::NotEqual if !eased => !close(),
        Comparison::Equal | Comparison::NotEqual => holds(comparison, a.cmp(&b)),
    }
}

/// Nobody writes −0.
fn unsigned_zero(mut value: Decimal) -> Decimal {
    if value.is_zero() {
        value.set_sign_positive(true);
    }
    value
}
