//! What can be wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// Where a setting, or the trouble with it, is. Ordered as it is reported: the file first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// The configuration file as a whole.
    File(PathBuf),
    /// A place in the file.
    Place {
        /// Its path, as it was found or named.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
    },
    /// An environment variable, by its full name.
    Variable(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Place { file, line, column } => {
                write!(f, "{}:{line}:{column}", file.display())
            }
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// One problem: `config.toml:7:1: WHAT; hint: …`. Never contains the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{location}: {message}{}", hint_suffix(.hint))]
pub struct ConfigError {
    /// Where it is.
    pub location: Location,
    /// What is wrong: lower case, no full stop, with the key and the value tried.
    pub message: String,
    /// What would be right, where that can be guessed.
    pub hint: Option<String>,
}

/// Every problem of a configuration, in the order of the file, then the environment's.
///
/// Invariant: `errors` is not empty. `Display` writes one line for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.errors))]
pub struct ConfigErrors {
    /// Each with its place.
    pub errors: Vec<ConfigError>,
}

fn hint_suffix(hint: &Option<String>) -> String {
    hint.as_ref()
        .map_or(String::new(), |hint| format!("; hint: {hint}"))
}

fn lines(errors: &[ConfigError]) -> String {
    let lines: Vec<String> = errors.iter().map(ConfigError::to_string).collect();
    lines.join("\n")
}

/// A problem whose place is known to the caller only.
pub(super) struct Problem {
    pub message: String,
    pub hint: Option<String>,
}

impl Problem {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// Collects problems while the configuration is read; nothing stops at the first.
#[derive(Default)]
pub(super) struct Report {
    pub errors: Vec<ConfigError>,
    pub warnings: Vec<String>,
}

impl Report {
    pub fn push(&mut self, location: &Location, problem: Problem) {
        self.errors.push(ConfigError {
            location: location.clone(),
            message: problem.message,
            hint: problem.hint,
        });
    }

    /// The errors in order of their place, or none.
    pub fn into_errors(mut self) -> Option<ConfigErrors> {
        self.errors.sort_by(|a, b| a.location.cmp(&b.location));
        (!self.errors.is_empty()).then_some(ConfigErrors {
            errors: self.errors,
        })
    }
}
