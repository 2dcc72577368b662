//! A checked expression as a tree, held flat: a node names its parts by their place.

use crate::model::Decimal;

use super::{Kind, Operand};

/// From byte to byte of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// From the beginning of this one to the end of the other.
    pub fn to(self, other: Span) -> Span {
        Span::new(self.start, other.end)
    }

    pub fn of(self, text: &str) -> &str {
        &text[self.start..self.end]
    }
}

/// The place of a node.
pub type NodeId = usize;

#[derive(Debug, Clone)]
pub struct Tree {
    /// Parts before what is made of them.
    pub nodes: Vec<Node>,
    pub root: NodeId,
    pub operands: Vec<Operand>,
    pub crossings: Vec<Crossing>,
}

/// Where one value passes another, in a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crossing {
    pub direction: Direction,
    pub left: NodeId,
    pub right: NodeId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Above,
    Below,
}

impl Tree {
    /// What a node is made of.
    pub fn parts(&self, id: NodeId) -> Vec<NodeId> {
        match &self.nodes[id].form {
            Form::Operand(_) | Form::Number(_) | Form::YesNo(_) | Form::Text(_) => Vec::new(),
            Form::Negate(part) | Form::Absolute(part) | Form::Not(part) => vec![*part],
            Form::Arithmetic(_, left, right)
            | Form::Compare(_, left, right)
            | Form::And(left, right)
            | Form::Or(left, right) => vec![*left, *right],
            Form::Extreme(_, parts) => parts.clone(),
            Form::Crossing(place) => {
                let crossing = self.crossings[*place];
                vec![crossing.left, crossing.right]
            }
        }
    }
}

#[derive(Debug, Clone)]
pub struct Node {
    pub kind: Kind,
    pub form: Form,
    pub span: Span,
}

/// What a node does.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// The place in the list of operands.
    Operand(usize),
    /// A number, a percentage (in points where it is one) or a duration (in seconds).
    Number(Decimal),
    YesNo(bool),
    Text(String),
    Negate(NodeId),
    Absolute(NodeId),
    Arithmetic(Arithmetic, NodeId, NodeId),
    Extreme(Extreme, Vec<NodeId>),
    Compare(Comparison, NodeId, NodeId),
    Not(NodeId),
    And(NodeId, NodeId),
    Or(NodeId, NodeId),
    /// The place in the list of crossings.
    Crossing(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extreme {
    Least,
    Greatest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// What stands between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Or,
    And,
    Compare(Comparison),
    Arithmetic(Arithmetic),
}

impl Operator {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Compare(comparison) => comparison.name(),
            Self::Arithmetic(arithmetic) => arithmetic.name(),
        }
    }
}

impl Comparison {
    pub fn name(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    /// Whether it asks for an order, not only for sameness.
    pub fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

impl Arithmetic {
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
        }
    }
}

impl Extreme {
    pub fn name(self) -> &'static str {
        match self {
            Self::Least => "min",
            Self::Greatest => "max",
        }
    }
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Self::Above => "crosses_above",
            Self::Below => "crosses_below",
        }
    }

    /// How its sides stand to each other once it has happened.
    pub fn comparison(self) -> Comparison {
        match self {
            Self::Above => Comparison::Greater,
            Self::Below => Comparison::Less,
        }
    }
}
