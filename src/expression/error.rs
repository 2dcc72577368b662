//! What is wrong with an expression, and where.

use std::fmt;

use unicode_width::UnicodeWidthChar;

use super::tree::Span;

/// How much of a text that is far too long is told.
const SHOWN: usize = 40;

/// The sort of mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It cannot be read.
    Syntax,
    /// No field or function has this name.
    Unknown,
    /// It belongs to the language, but cannot be computed yet.
    Unavailable,
    /// The parts do not fit together, or a function has too few or too many of them.
    Type,
    /// Longer, larger or deeper than the language allows.
    Limit,
    /// A condition was wanted, and this is none.
    NotACondition,
}

/// Why a text is no expression.
///
/// ```
/// use tickwire::expression::Expression;
///
/// let error = Expression::parse("prise > 50000").unwrap_err();
/// assert_eq!(error.to_string(), "`prise > 50000`: column 1: no field `prise`");
/// assert_eq!(error.caret(), "prise > 50000\n^^^^^");
/// assert_eq!(error.hint.as_deref(), Some("did you mean `price`?"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionError {
    /// The sort of mistake.
    pub kind: ErrorKind,
    /// What is wrong, one line.
    pub message: String,
    /// Where it begins: in characters, from 1. The end of the text is the column after its last character.
    pub column: usize,
    /// How many characters it spans, at least 1.
    pub width: usize,
    /// How to mend it.
    pub hint: Option<String>,
    /// The text as it was given; only its beginning where it is too long.
    pub text: String,
}

impl ExpressionError {
    pub(super) fn new(text: &str, fault: Fault) -> Self {
        let characters = |range: &str| range.chars().count();
        Self {
            kind: fault.kind,
            message: fault.message,
            column: characters(&text[..fault.span.start]) + 1,
            width: characters(&text[fault.span.start..fault.span.end]).max(1),
            hint: fault.hint,
            text: text.to_string(),
        }
    }

    /// For a text of which nothing is read.
    pub(super) fn too_long(text: &str, most: usize) -> Self {
        let shown: String = text.chars().take(SHOWN).collect();
        Self {
            kind: ErrorKind::Limit,
            message: format!("{} bytes are too long ({most} at most)", text.len()),
            column: 1,
            width: 1,
            hint: None,
            text: format!("{shown}…"),
        }
    }

    /// The text, and below it a line that points at the mistake. What would move the cursor is shown as
    /// spaces.
    pub fn caret(&self) -> String {
        let line = printable(&self.text);
        let columns = |range: &str| -> usize { range.chars().filter_map(|c| c.width()).sum() };
        let at = |characters: usize| {
            let found = line.char_indices().nth(characters);
            found.map_or(line.len(), |(at, _)| at)
        };
        let (start, end) = (at(self.column - 1), at(self.column - 1 + self.width));
        format!(
            "{line}\n{:indent$}{:^<width$}",
            "",
            "",
            indent = columns(&line[..start]),
            width = columns(&line[start..end]).max(1)
        )
    }
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = printable(&self.text);
        write!(f, "`{text}`: column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for ExpressionError {}

/// One visible character for each: a space for control characters, a mark for what has no width (which may
/// turn the direction of the line).
pub(super) fn printable(text: &str) -> String {
    let visible = |c: char| match c.width() {
        None => ' ',
        Some(0) => char::REPLACEMENT_CHARACTER,
        Some(_) => c,
    };
    text.chars().map(visible).collect()
}

/// A mistake while the text is still at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub kind: ErrorKind,
    pub span: Span,
    pub message: String,
    pub hint: Option<String>,
}

impl Fault {
    pub fn new(kind: ErrorKind, span: Span, message: impl Into<String>) -> Self {
        Self {
            kind,
            span,
            message: message.into(),
            hint: None,
        }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// What a rule of the grammar answers where it does not apply.
#[derive(Debug)]
pub(super) enum Fail {
    /// Another rule may apply.
    Backtrack,
    /// No other rule can.
    Cut(Fault),
}

impl<I: winnow::stream::Stream> winnow::error::ParserError<I> for Fail {
    type Inner = Self;

    fn from_input(_: &I) -> Self {
        Self::Backtrack
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }

    fn is_backtrack(&self) -> bool {
        matches!(self, Self::Backtrack)
    }
}
