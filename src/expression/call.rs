//! Calls of functions: what their arguments may be.

use std::time::Duration;

use crate::indicator::Indicator;
use crate::model::{Decimal, Interval};

use super::build::{Builder, Built};
use super::error::{ErrorKind, Fault};
use super::lex::shown;
use super::names::{Call, parameters};
use super::tree::{Crossing, Form, NodeId, Span};
use super::{Function, Kind, Reference, What};

/// Candles of a second are the shortest.
const MIN_CHANGE: Duration = Duration::from_secs(1);
/// As many candles as an indicator can have.
const MAX_CHANGE: Duration = Duration::from_secs(10_000 * 86_400);

/// A call as it was read. Its name is known, and so many arguments may be given.
pub struct Written<'t> {
    pub text: &'t str,
    pub of: Reference,
    /// Without its symbol.
    pub name: Span,
    pub arguments: Vec<NodeId>,
    /// Up to the last parenthesis, its symbol included.
    pub span: Span,
}

impl Written<'_> {
    /// Makes it a part of the tree.
    ///
    /// Errors: arguments that do not fit.
    pub fn build(self, call: Call, tree: &mut Builder) -> Built {
        match call {
            Call::Absolute => tree.absolute(self.arguments[0], self.span),
            Call::Extreme(extreme) => tree.extreme(extreme, self.arguments, self.name, self.span),
            Call::Crossing(direction) => {
                let crossing = Crossing {
                    direction,
                    left: self.arguments[0],
                    right: self.arguments[1],
                };
                tree.crossing(crossing, self.name, self.span)
            }
            Call::Indicator => {
                let indicator = self.indicator(tree)?;
                let interval = self.arguments.get(parameters(self.name()));
                let interval = interval.map(|&id| self.interval(id, tree)).transpose()?;
                self.operand(Function::Indicator(indicator, interval), tree)
            }
            Call::Change => {
                let length = self.change(tree)?;
                self.operand(Function::Change(length), tree)
            }
        }
    }

    fn name(&self) -> &str {
        self.name.of(self.text)
    }

    fn operand(self, function: Function, tree: &mut Builder) -> Built {
        let written = self.span.of(self.text);
        tree.operand(self.of, What::Function(function), written, self.span)
    }

    fn indicator(&self, tree: &Builder) -> Result<Indicator, Fault> {
        let count = parameters(self.name());
        let ids = &self.arguments[..count];
        let numbers = ids.iter().map(|&id| self.plain_number(id, tree));
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        let span = |id: NodeId| tree.node(id).span;
        let all = span(ids[0]).to(span(ids[count - 1]));
        super::stand_in::indicator(self.name(), &numbers)
            .map_err(|message| Fault::new(ErrorKind::Type, all, message))
    }

    fn plain_number(&self, id: NodeId, tree: &Builder) -> Result<Decimal, Fault> {
        let node = tree.node(id);
        let part = match node.form {
            Form::Negate(part) => tree.node(part),
            _ => node,
        };
        match part.form {
            Form::Number(value) if part.kind == Kind::Number && node.span == part.span => Ok(value),
            Form::Number(value) if part.kind == Kind::Number => Ok(-value),
            _ => {
                let (name, given) = (self.name(), shown(node.span.of(self.text)));
                let message = format!("`{name}` takes plain numbers, not `{given}`");
                Err(Fault::new(ErrorKind::Type, node.span, message).hint(examples(name)))
            }
        }
    }

    fn interval(&self, id: NodeId, tree: &Builder) -> Result<Interval, Fault> {
        let length = length(id, tree);
        length.and_then(Interval::of_length).ok_or_else(|| {
            let span = tree.node(id).span;
            let message = format!("`{}` is no interval", shown(span.of(self.text)));
            let all = Interval::ALL.map(Interval::name).join(" ");
            Fault::new(ErrorKind::Type, span, message).hint(format!("there are {all}"))
        })
    }

    fn change(&self, tree: &Builder) -> Result<Duration, Fault> {
        let id = self.arguments[0];
        let span = tree.node(id).span;
        let (name, given) = (self.name(), shown(span.of(self.text)));
        let fault = |message: String| Fault::new(ErrorKind::Type, span, message);
        match length(id, tree) {
            None => {
                let fault = fault(format!("`{name}` takes a duration, not `{given}`"));
                Err(fault.hint(format!("write it like `{name}(15m)`")))
            }
            Some(length) if (MIN_CHANGE..=MAX_CHANGE).contains(&length) => Ok(length),
            Some(_) => {
                let fault = fault(format!("`{name}` cannot look back `{given}`"));
                Err(fault.hint("from 1s to 10000d"))
            }
        }
    }
}

/// That of a duration as it is written; `None` for anything else.
fn length(id: NodeId, tree: &Builder) -> Option<Duration> {
    let node = tree.node(id);
    match node.form {
        Form::Number(seconds) if node.kind == Kind::Duration => {
            let nanos = seconds.checked_mul(1_000_000_000.into())?;
            u64::try_from(nanos).ok().map(Duration::from_nanos)
        }
        _ => None,
    }
}

/// How an indicator of this known name is called.
fn examples(name: &str) -> String {
    let numbers = match parameters(name) {
        1 => "14",
        2 => "20, 2",
        _ => "12, 26, 9",
    };
    format!("write it like `{name}({numbers})` or `{name}({numbers}, 1h)`")
}
