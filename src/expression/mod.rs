//! The one language of conditions and computed fields: `price > 50000 and spread_bps < 5`.
//!
//! Owns its grammar, its types and its logic. A text is read and checked once, before anything is connected;
//! then it is computed for every event, without allocation. Whoever holds an [`Expression`] brings the
//! values: what its [operands](Expression::operands) mean and where they come from is not decided here.
//!
//! - Prices compare as exact decimals. What is missing, divided by zero or too large is *unknown*, never
//!   false: [`Truth`].
//! - `N%` is N beside a percentage (`change_percent_24h < -5%`) and N/100 anywhere else (`price * 102%`).
//! - Another market: `ETH/USD.price`, `kraken:BTC/USD.bid`, in capitals and without spaces; a division of
//!   names has spaces.
//! - Functions over candles are operands like fields (`rsi(14, 1h)`): what they need is told by
//!   [`Expression::needs`]. Crossings are decided from one observation to the next: [`Crossings`].
//! - At most 1 KiB of text, 64 names, values and operators, and 16 levels of parentheses, arguments, `not`
//!   and `-`.
//!
//! ```
//! use tickwire::expression::{Expression, Truth, What};
//! use tickwire::model::{Decimal, Field, Value};
//!
//! let rule = Expression::parse_condition("price > 50_000 and spread < price * 0.1%")?;
//! let fields: Vec<_> = rule.operands().iter().map(|operand| operand.what).collect();
//! assert_eq!(fields, [What::Field(Field::Price), What::Field(Field::Spread)]);
//!
//! let values = [Value::Number(50_001.into()), Value::Number(Decimal::new(15, 1))];
//! assert_eq!(rule.holds(&|operand| values[operand].clone()), Truth::True);
//! assert_eq!(rule.holds(&|_| Value::Null), Truth::Unknown);
//! # Ok::<(), tickwire::expression::ExpressionError>(())
//! ```

mod build;
mod call;
mod crossing;
mod error;
mod evaluate;
mod explain;
mod function;
mod lex;
mod names;
mod needs;
mod parse;
mod range;
mod stand_in;
#[cfg(test)]
mod tests;
mod tree;
mod truth;

use std::fmt;
use std::sync::Arc;

use crate::model::{Event, Field, Timestamp, Value};

pub use crossing::Crossings;
use crossing::Seen;
use error::Fault;
pub use error::{ErrorKind, ExpressionError};
use evaluate::{Evaluation, Slack};
pub use function::{Function, Operand, Reference, What};
pub use needs::Need;
use tree::{Form, Span, Tree};
pub use truth::{Margin, Truth};

/// Bytes of text.
const MAX_LENGTH: usize = 1024;
/// Names, values and operators.
const MAX_NODES: usize = 64;
/// Parentheses, arguments and prefixes inside of each other.
const MAX_DEPTH: usize = 16;

/// A text that was read and checked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Expression(Arc<Checked>);

#[derive(Debug)]
struct Checked {
    text: String,
    tree: Tree,
}

/// What an expression comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A price, a size, a ratio.
    Number,
    /// In points: −4 is four per cent down.
    Percentage,
    /// In seconds.
    Duration,
    /// A condition.
    YesNo,
    /// A word or a name.
    Text,
    /// A moment.
    Time,
}

impl Kind {
    /// As it is told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Percentage => "percentage",
            Self::Duration => "duration",
            Self::YesNo => "yes/no",
            Self::Text => "text",
            Self::Time => "time",
        }
    }

    fn compares_with(self, other: Kind) -> bool {
        let numeric = |kind| matches!(kind, Kind::Number | Kind::Percentage);
        self == other || numeric(self) && numeric(other)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Expression {
    /// Reads and checks a text. Space around it does not matter.
    ///
    /// Errors: what is wrong, at which column, and how to mend it.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        // Before anything else: the rest may take time and stack in proportion.
        if text.len() > MAX_LENGTH {
            return Err(ExpressionError::too_long(text, MAX_LENGTH));
        }
        let tree = parse::parse(text).map_err(|fault| ExpressionError::new(text, fault))?;
        let text = text.to_string();
        Ok(Self(Arc::new(Checked { text, tree })))
    }

    /// The same, and it must be a yes/no.
    ///
    /// Errors: also a value of another kind. That is what is left of a condition whose `>` was taken by the
    /// shell, so the hint speaks of quoting.
    pub fn parse_condition(text: &str) -> Result<Self, ExpressionError> {
        let expression = Self::parse(text)?;
        if expression.kind() == Kind::YesNo {
            return Ok(expression);
        }
        let start = text.len() - text.trim_start().len();
        let span = Span::new(start, start + text.trim().len());
        let message = format!("a {}, not a yes/no", expression.kind());
        let fault = Fault::new(ErrorKind::NotACondition, span, message).hint(
            "compare it with something, and quote the whole condition: without quotes the shell takes > \
             for itself (tickwire alert BTC 'price > 50000')",
        );
        Err(ExpressionError::new(text, fault))
    }

    /// As written, without the space around it.
    pub fn text(&self) -> &str {
        self.0.text.trim()
    }

    /// Whether it has one and the same answer while its operands move within ranges, from the lowest to the
    /// highest value; unknown where there may be several, or where there is no range. With a margin, comparisons
    /// whose sides come that close have no certain answer.
    pub fn holds_over(
        &self,
        range: &dyn Fn(usize) -> Option<range::Range>,
        margin: Option<Margin>,
    ) -> Truth {
        let tree = &self.0.tree;
        let ranges = range::Ranges {
            tree,
            range,
            margin,
        };
        ranges.truth(tree.root)
    }

    /// What it comes to.
    pub fn kind(&self) -> Kind {
        self.0.tree.nodes[self.0.tree.root].kind
    }

    /// Each distinct operand once, in the order in which they stand. Evaluation asks for them by their place.
    pub fn operands(&self) -> &[Operand] {
        &self.0.tree.operands
    }

    /// The field, where it is one of the own market and nothing else, not even parentheses.
    pub fn as_field(&self) -> Option<Field> {
        let tree = &self.0.tree;
        match (&tree.nodes[tree.root].form, tree.operands.as_slice()) {
            (Form::Operand(0), [operand]) if operand.text == self.text() => {
                operand.field().filter(|_| operand.of == Reference::Own)
            }
            _ => None,
        }
    }

    /// The values of the operands for an event of the own market: its fields from the event itself, those of other
    /// markets and all functions from `others`. `now` is for `age`.
    pub fn input<'a>(
        &'a self,
        event: &'a Event,
        now: Timestamp,
        others: &'a dyn Fn(&Operand) -> Value,
    ) -> impl Fn(usize) -> Value + 'a {
        move |place| {
            let operand = &self.operands()[place];
            match (&operand.of, operand.what) {
                (Reference::Own, What::Field(_)) => operand.value(event, now),
                _ => others(operand),
            }
        }
    }

    /// The value now. `input` gives that of the operand at a place, `Value::Null` where it is unknown; `age` is a
    /// number of seconds. The result is `Null` where it is unknown, a number of seconds for a duration, points
    /// for a percentage. Allocation-free but for a text.
    ///
    /// Here as below a crossing is unknown: for that it takes [`Crossings`].
    pub fn evaluate(&self, input: &dyn Fn(usize) -> Value) -> Value {
        self.value_with(&[], input)
    }

    /// Whether the condition holds now; unknown for what is none. Allocation-free.
    pub fn holds(&self, input: &dyn Fn(usize) -> Value) -> Truth {
        self.truth_with(&[], None, input)
    }

    /// Whether it still holds within a margin: as [`Expression::holds`], but `a > b` only asks for
    /// `a > b − margin`, `a < b` for `a < b + margin`, `a == b` for a difference of the margin at most. Under a
    /// `not` comparisons are tightened instead. So it is true wherever `holds` is.
    ///
    /// The margin is for numbers and percentages (see [`Margin`]), never for durations, texts, times and
    /// comparisons of yes/no.
    pub fn holds_within(&self, margin: Margin, input: &dyn Fn(usize) -> Value) -> Truth {
        self.truth_with(&[], Some(margin), input)
    }

    /// The tree with types and the values of now, one node per line.
    pub fn explain(&self, input: &dyn Fn(usize) -> Value) -> String {
        self.explain_with(&[], input)
    }

    /// Whether it has a crossing, which only [`Crossings`] can tell.
    pub fn has_crossings(&self) -> bool {
        !self.0.tree.crossings.is_empty()
    }

    /// The crossings as they were written, in the order in which they stand.
    pub fn crossings(&self) -> impl Iterator<Item = &str> {
        let Checked { text, tree } = &*self.0;
        let nodes = tree.nodes.iter();
        let crossings = nodes.filter(|node| matches!(node.form, Form::Crossing(_)));
        crossings.map(|node| node.span.of(text))
    }

    fn value_with(&self, seen: &[Seen], input: &dyn Fn(usize) -> Value) -> Value {
        let tree = &self.0.tree;
        Evaluation { tree, input, seen }.value(tree.root)
    }

    fn truth_with(
        &self,
        seen: &[Seen],
        margin: Option<Margin>,
        input: &dyn Fn(usize) -> Value,
    ) -> Truth {
        let tree = &self.0.tree;
        let slack = margin.map(|margin| Slack {
            margin,
            eased: true,
        });
        Evaluation { tree, input, seen }.truth(tree.root, slack)
    }

    fn explain_with(&self, seen: &[Seen], input: &dyn Fn(usize) -> Value) -> String {
        let Checked { text, tree } = &*self.0;
        explain::explain(text, &Evaluation { tree, input, seen })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Splits at the commas that are not in parentheses or quotes, and trims the parts.
///
/// ```
/// use tickwire::expression::split_top_level;
///
/// assert_eq!(split_top_level("symbol, max(bid, 2)"), ["symbol", "max(bid, 2)"]);
/// ```
pub fn split_top_level(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0usize, None);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            (_, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(c),
            ('(', None) => depth += 1,
            (')', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}
