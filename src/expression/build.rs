//! Makes the tree node by node and checks that the parts fit: what is a number, a percentage, a duration.

use crate::model::Decimal;

use super::error::{ErrorKind, Fault};
use super::tree::{
    Arithmetic, Comparison, Crossing, Extreme, Form, Node, NodeId, Operator, Span, Tree,
};
use super::{Kind, MAX_NODES, Operand, Reference, What};

/// What a node may still become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Fixed,
    /// Numbers only: seconds beside a duration.
    Bare,
    /// Percentages only: points beside a percentage, else a fraction.
    Percent,
}

#[derive(Debug, Default)]
pub struct Builder {
    nodes: Vec<Node>,
    shapes: Vec<Shape>,
    operands: Vec<Operand>,
    crossings: Vec<Crossing>,
}

pub type Built = Result<NodeId, Fault>;

impl Builder {
    /// The finished tree.
    pub fn finish(mut self, root: NodeId) -> Tree {
        self.resolve(root, Kind::Number);
        Tree {
            nodes: self.nodes,
            root,
            operands: self.operands,
            crossings: self.crossings,
        }
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    pub fn operand(&mut self, of: Reference, what: What, text: &str, span: Span) -> Built {
        let mut known = self.operands.iter();
        let place = known.position(|operand| operand.of == of && operand.what == what);
        let place = place.unwrap_or_else(|| {
            let text = text.to_string();
            self.operands.push(Operand { of, what, text });
            self.operands.len() - 1
        });
        self.push(what.kind(), Shape::Fixed, Form::Operand(place), span)
    }

    pub fn number(&mut self, value: Decimal, span: Span) -> Built {
        self.push(Kind::Number, Shape::Bare, Form::Number(value), span)
    }

    /// In points.
    pub fn percent(&mut self, value: Decimal, span: Span) -> Built {
        self.push(Kind::Percentage, Shape::Percent, Form::Number(value), span)
    }

    /// In seconds.
    pub fn duration(&mut self, value: Decimal, span: Span) -> Built {
        self.push(Kind::Duration, Shape::Fixed, Form::Number(value), span)
    }

    pub fn yes_no(&mut self, value: bool, span: Span) -> Built {
        self.push(Kind::YesNo, Shape::Fixed, Form::YesNo(value), span)
    }

    pub fn text(&mut self, text: &str, span: Span) -> Built {
        let form = Form::Text(text.to_string());
        self.push(Kind::Text, Shape::Fixed, form, span)
    }

    /// `at`: the operator, for messages.
    pub fn negate(&mut self, part: NodeId, at: Span, span: Span) -> Built {
        self.needs_amount("-", part, at)?;
        self.push(self.kind(part), self.shapes[part], Form::Negate(part), span)
    }

    /// `at`: the operator, for messages.
    pub fn not(&mut self, part: NodeId, at: Span, span: Span) -> Built {
        self.needs_yes_no("not", part, at)?;
        self.push(Kind::YesNo, Shape::Fixed, Form::Not(part), span)
    }

    /// `at`: the operator, for messages.
    pub fn binary(
        &mut self,
        operator: Operator,
        left: NodeId,
        right: NodeId,
        at: Span,
        span: Span,
    ) -> Built {
        match operator {
            Operator::Or | Operator::And => {
                for part in [left, right] {
                    self.needs_yes_no(operator.name(), part, self.nodes[part].span)?;
                }
                let form = match operator {
                    Operator::Or => Form::Or(left, right),
                    _ => Form::And(left, right),
                };
                self.push(Kind::YesNo, Shape::Fixed, form, span)
            }
            Operator::Compare(comparison) => {
                self.compare(comparison, left, right, at)?;
                let form = Form::Compare(comparison, left, right);
                self.push(Kind::YesNo, Shape::Fixed, form, span)
            }
            Operator::Arithmetic(arithmetic) => {
                let (kind, shape) = match arithmetic {
                    Arithmetic::Add | Arithmetic::Subtract => self.sum(arithmetic, left, right, at),
                    Arithmetic::Multiply => self.product(left, right, at),
                    Arithmetic::Divide => self.quotient(left, right, at),
                }?;
                self.push(kind, shape, Form::Arithmetic(arithmetic, left, right), span)
            }
        }
    }

    pub fn absolute(&mut self, part: NodeId, span: Span) -> Built {
        self.needs_amount("abs", part, self.nodes[part].span)?;
        let (kind, shape) = (self.kind(part), self.shapes[part]);
        self.push(kind, shape, Form::Absolute(part), span)
    }

    /// `at`: the name, for messages.
    pub fn extreme(&mut self, extreme: Extreme, parts: Vec<NodeId>, at: Span, span: Span) -> Built {
        for &part in &parts {
            self.needs_amount(extreme.name(), part, self.nodes[part].span)?;
        }
        let shape = self.align(&parts);
        let kinds = || parts.iter().map(|&part| self.kind(part));
        let first = self.kind(parts[0]);
        let odd = kinds().find(|kind| !first.compares_with(*kind));
        if let Some(odd) = odd {
            let message = format!("cannot compare a {first} with a {odd}");
            return Err(Fault::new(ErrorKind::Type, at, message));
        }
        let kind = kinds()
            .find(|kind| *kind == Kind::Percentage)
            .unwrap_or(first);
        self.push(kind, shape, Form::Extreme(extreme, parts), span)
    }

    /// `at`: the name, for messages.
    pub fn crossing(&mut self, crossing: Crossing, at: Span, span: Span) -> Built {
        let Crossing {
            direction,
            left,
            right,
        } = crossing;
        for part in [left, right] {
            self.needs_amount(direction.name(), part, self.nodes[part].span)?;
        }
        self.compare(direction.comparison(), left, right, at)?;
        self.crossings.push(crossing);
        let form = Form::Crossing(self.crossings.len() - 1);
        self.push(Kind::YesNo, Shape::Fixed, form, span)
    }

    fn push(&mut self, kind: Kind, shape: Shape, form: Form, span: Span) -> Built {
        if self.nodes.len() >= MAX_NODES {
            let message = format!("more than {MAX_NODES} names, values and operators");
            return Err(Fault::new(ErrorKind::Limit, span, message));
        }
        self.nodes.push(Node { kind, form, span });
        self.shapes.push(shape);
        Ok(self.nodes.len() - 1)
    }

    fn kind(&self, id: NodeId) -> Kind {
        self.nodes[id].kind
    }

    fn sum(
        &mut self,
        arithmetic: Arithmetic,
        left: NodeId,
        right: NodeId,
        at: Span,
    ) -> Result<(Kind, Shape), Fault> {
        use Kind::*;
        let shape = self.align(&[left, right]);
        let kind = match (self.kind(left), self.kind(right)) {
            (Number, Number) => Number,
            (Percentage, Percentage | Number) | (Number, Percentage) => Percentage,
            (Duration, Duration) => Duration,
            (Time, Time) if arithmetic == Arithmetic::Subtract => Duration,
            _ => return Err(self.misfit(arithmetic, left, right, at)),
        };
        Ok((kind, shape))
    }

    fn product(&mut self, left: NodeId, right: NodeId, at: Span) -> Result<(Kind, Shape), Fault> {
        use Kind::*;
        for (one, other) in [(left, right), (right, left)] {
            if self.shapes[one] != Shape::Percent {
                continue;
            }
            match (self.kind(other), self.shapes[other]) {
                (_, Shape::Bare) => return Ok((Percentage, Shape::Percent)),
                (Percentage, Shape::Fixed) | (YesNo | Text | Time, _) => {}
                _ => self.resolve(one, Number),
            }
        }
        let kind = match (self.kind(left), self.kind(right)) {
            (Number, Number) => Number,
            (Percentage, Number) | (Number, Percentage) => Percentage,
            (Duration, Number) | (Number, Duration) => Duration,
            (Percentage, Percentage) => {
                let fault = Fault::new(ErrorKind::Type, at, "a percentage times a percentage");
                return Err(fault.hint("write one of them as a fraction: `0.5` for `50%`"));
            }
            _ => return Err(self.misfit(Arithmetic::Multiply, left, right, at)),
        };
        Ok((kind, self.both_bare(left, right)))
    }

    fn quotient(&mut self, left: NodeId, right: NodeId, at: Span) -> Result<(Kind, Shape), Fault> {
        use Kind::*;
        match (self.shapes[left], self.shapes[right]) {
            (Shape::Percent, Shape::Bare) => return Ok((Percentage, Shape::Percent)),
            (Shape::Percent, _) | (_, Shape::Percent) => {
                let points = [left, right].iter().any(|&part| {
                    self.kind(part) == Percentage && self.shapes[part] == Shape::Fixed
                });
                let to = if points { Percentage } else { Number };
                self.resolve(left, to);
                self.resolve(right, to);
            }
            _ => {}
        }
        let kind = match (self.kind(left), self.kind(right)) {
            (Number, Number | Percentage) | (Percentage, Percentage) | (Duration, Duration) => {
                Number
            }
            (Percentage, Number) => Percentage,
            (Duration, Number) => Duration,
            _ => return Err(self.misfit(Arithmetic::Divide, left, right, at)),
        };
        Ok((kind, self.both_bare(left, right)))
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        left: NodeId,
        right: NodeId,
        at: Span,
    ) -> Result<(), Fault> {
        self.align(&[left, right]);
        let (one, other) = (self.kind(left), self.kind(right));
        if !one.compares_with(other) {
            let fault = Fault::new(
                ErrorKind::Type,
                at,
                format!("cannot compare a {one} with a {other}"),
            );
            return Err(match (one, other) {
                (Kind::Duration, Kind::Number) | (Kind::Number, Kind::Duration) => {
                    fault.hint("a duration is written 500ms, 30s, 15m or 1h")
                }
                (Kind::Time, _) | (_, Kind::Time) => fault
                    .hint("a difference of times is a duration: `received_at - timestamp > 2s`"),
                _ => fault,
            });
        }
        if comparison.orders() && matches!(one, Kind::Text | Kind::YesNo) {
            let message = format!("`{}` cannot order a {one} and a {one}", comparison.name());
            return Err(Fault::new(ErrorKind::Type, at, message).hint("there are `==` and `!=`"));
        }
        // Percentages that meet nothing else are compared as what they are.
        self.resolve(left, Kind::Number);
        self.resolve(right, Kind::Number);
        Ok(())
    }

    /// Gives percentages and bare numbers the meaning that they have beside these others; returns what the
    /// result may still become.
    fn align(&mut self, parts: &[NodeId]) -> Shape {
        let any = |kind| {
            parts
                .iter()
                .any(|&part| self.kind(part) == kind && self.shapes[part] == Shape::Fixed)
        };
        let all = |shape| parts.iter().all(|&part| self.shapes[part] == shape);
        if all(Shape::Percent) {
            return Shape::Percent;
        }
        if all(Shape::Bare) {
            return Shape::Bare;
        }
        if any(Kind::Percentage) {
            parts
                .iter()
                .for_each(|&part| self.resolve(part, Kind::Percentage));
        } else if any(Kind::Duration) {
            for &part in parts {
                if self.shapes[part] == Shape::Bare {
                    self.nodes[part].kind = Kind::Duration;
                    self.shapes[part] = Shape::Fixed;
                }
            }
        } else if parts
            .iter()
            .all(|&part| matches!(self.kind(part), Kind::Number | Kind::Percentage))
        {
            parts
                .iter()
                .for_each(|&part| self.resolve(part, Kind::Number));
        }
        Shape::Fixed
    }

    fn both_bare(&self, left: NodeId, right: NodeId) -> Shape {
        if self.shapes[left] == Shape::Bare && self.shapes[right] == Shape::Bare {
            Shape::Bare
        } else {
            Shape::Fixed
        }
    }

    /// Settles percentages that could still become one or the other: points, or a fraction.
    fn resolve(&mut self, id: NodeId, to: Kind) {
        if self.shapes[id] != Shape::Percent {
            return;
        }
        self.shapes[id] = Shape::Fixed;
        self.nodes[id].kind = to;
        match self.nodes[id].form.clone() {
            Form::Number(points) if to == Kind::Number => {
                let fraction = Decimal::from_i128_with_scale(points.mantissa(), points.scale() + 2);
                self.nodes[id].form = Form::Number(fraction);
            }
            Form::Negate(part) | Form::Absolute(part) => self.resolve(part, to),
            Form::Arithmetic(_, left, right) => {
                self.resolve(left, to);
                self.resolve(right, to);
            }
            Form::Extreme(_, parts) => parts.into_iter().for_each(|part| self.resolve(part, to)),
            _ => {}
        }
    }

    fn needs_yes_no(&self, name: &str, part: NodeId, at: Span) -> Result<(), Fault> {
        let kind = self.kind(part);
        if kind == Kind::YesNo {
            return Ok(());
        }
        let message = format!("`{name}` needs a {}, not a {kind}", Kind::YesNo);
        Err(Fault::new(ErrorKind::Type, at, message)
            .hint("a comparison makes one: `price > 50000`"))
    }

    fn needs_amount(&self, name: &str, part: NodeId, at: Span) -> Result<(), Fault> {
        let kind = self.kind(part);
        if matches!(kind, Kind::Number | Kind::Percentage | Kind::Duration) {
            return Ok(());
        }
        let message = format!("`{name}` needs a number, not a {kind}");
        Err(Fault::new(ErrorKind::Type, at, message))
    }

    fn misfit(&self, arithmetic: Arithmetic, left: NodeId, right: NodeId, at: Span) -> Fault {
        let (name, left, right) = (arithmetic.name(), self.kind(left), self.kind(right));
        let message = format!("no `{name}` between a {left} and a {right}");
        Fault::new(ErrorKind::Type, at, message)
    }
}
