//! The tree as people can read it.

use std::fmt::Write;

use crate::model::{Value, write_decimal};

use super::Kind;
use super::evaluate::Evaluation;
use super::tree::{Form, Node, NodeId, Tree};

/// One node per line: what it does, what it is, what it comes to now.
pub fn explain(text: &str, evaluation: &Evaluation<'_>) -> String {
    let mut lines = Vec::new();
    collect(text, evaluation, evaluation.tree.root, 0, &mut lines);
    let widest = |of: fn(&Line) -> &str| {
        lines
            .iter()
            .map(|line| of(line).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (labels, kinds) = (widest(|line| &line.label), widest(|line| line.kind.name()));
    let mut out = String::new();
    for line in &lines {
        let Line { label, kind, value } = line;
        writeln!(out, "{label:labels$}  {:kinds$}  {value}", kind.name())
            .expect("a string takes everything");
    }
    out
}

struct Line {
    /// Indented.
    label: String,
    kind: Kind,
    value: String,
}

fn collect(
    text: &str,
    evaluation: &Evaluation<'_>,
    id: NodeId,
    depth: usize,
    lines: &mut Vec<Line>,
) {
    let node = &evaluation.tree.nodes[id];
    lines.push(Line {
        label: format!(
            "{:indent$}{}",
            "",
            label(text, evaluation.tree, node),
            indent = 2 * depth
        ),
        kind: node.kind,
        value: value(evaluation.value(id), node.kind),
    });
    for part in evaluation.tree.parts(id) {
        collect(text, evaluation, part, depth + 1, lines);
    }
}

/// An operator or a function by its name; values and operands as they were written.
fn label(text: &str, tree: &Tree, node: &Node) -> String {
    match &node.form {
        Form::Operand(_) | Form::Number(_) | Form::YesNo(_) | Form::Text(_) => {
            super::error::printable(node.span.of(text))
        }
        Form::Negate(_) => "-".into(),
        Form::Absolute(_) => "abs".into(),
        Form::Arithmetic(arithmetic, ..) => arithmetic.name().into(),
        Form::Extreme(extreme, _) => extreme.name().into(),
        Form::Compare(comparison, ..) => comparison.name().into(),
        Form::Not(_) => "not".into(),
        Form::And(..) => "and".into(),
        Form::Or(..) => "or".into(),
        Form::Crossing(place) => tree.crossings[*place].direction.name().into(),
    }
}

fn value(value: Value, kind: Kind) -> String {
    match value {
        Value::Null => "unknown".into(),
        Value::YesNo(answer) => answer.to_string(),
        Value::Text(text) => super::error::printable(&text),
        Value::Time(at) => at.to_string(),
        Value::Number(number) => {
            let mut digits = Vec::new();
            write_decimal(number, &mut digits);
            let digits = String::from_utf8(digits).expect("digits are ASCII");
            let unit = match kind {
                Kind::Percentage => "%",
                Kind::Duration => "s",
                _ => "",
            };
            format!("{digits}{unit}")
        }
    }
}
