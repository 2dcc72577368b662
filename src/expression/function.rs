//! What operands are: fields, and functions over candles.

use std::time::Duration;

use crate::indicator::Indicator;
use crate::model::{Event, Field, Interval, Timestamp, Value};

use super::Kind;
use super::names::kind_of;

/// A value that an expression needs, of one market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// Of which market.
    pub of: Reference,
    /// What of it.
    pub what: What,
    /// As written, where it stands first.
    pub text: String,
}

/// What of a market an operand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A field of an event.
    Field(Field),
    /// Computed from its candles.
    Function(Function),
}

/// A value that is computed from candles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// Over candles of this interval; `None`: of the default one of whoever evaluates.
    Indicator(Indicator, Option<Interval>),
    /// `pct_change(d)`: by how many per cent the price has changed since that long ago.
    Change(Duration),
}

/// The market that an operand is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// The one that the expression is about.
    Own,
    /// One that it names.
    Other {
        /// Where it is traded, if that was written.
        provider: Option<String>,
        /// `BASE/QUOTE`, as written.
        symbol: String,
    },
}

impl Operand {
    /// The field, if it is one.
    pub fn field(&self) -> Option<Field> {
        match self.what {
            What::Field(field) => Some(field),
            What::Function(_) => None,
        }
    }

    /// The function, if it is one.
    pub fn function(&self) -> Option<Function> {
        match self.what {
            What::Field(_) => None,
            What::Function(function) => Some(function),
        }
    }

    /// The value in this event, whichever market it is of; `Null` for a function. `now` is for `age`. Unlike
    /// [`Field::value`] it gives an `id` as the number that it is in expressions, and allocates nothing.
    pub fn value(&self, event: &Event, now: Timestamp) -> Value {
        match (self.what, event) {
            (What::Field(Field::Id), Event::Trade(trade)) => Value::Number(trade.id.into()),
            (What::Field(field), event) => field.value(event, now),
            (What::Function(_), _) => Value::Null,
        }
    }
}

impl What {
    /// What it comes to.
    pub fn kind(self) -> Kind {
        match self {
            Self::Field(field) => kind_of(field),
            Self::Function(Function::Indicator(..)) => Kind::Number,
            Self::Function(Function::Change(_)) => Kind::Percentage,
        }
    }
}
