//! The flags of `test`, checked. Pure but for what is on stdin.

use std::io::IsTerminal;
use std::time::Duration;

use crate::config::OutputFormat;
use crate::grade::Grade;

use super::super::args::{MinGrade, TestArgs};
use super::super::error::CliError;
use super::super::monitor::with_stdin;
use super::super::{ANSWER_TIMEOUT, Ctx};

/// Below this there is too little to see.
const SHORTEST: Duration = Duration::from_secs(1);

/// What to do, decided.
pub struct Settings {
    pub symbols: Vec<String>,
    pub duration: Duration,
    pub drop: bool,
    pub explain: bool,
    pub min_grade: Grade,
    /// Never `Auto`.
    pub format: OutputFormat,
    /// For the connection, and for the first data.
    pub timeout: Duration,
}

impl Settings {
    /// Errors: a duration that is too short, an empty symbol, an unreadable stdin.
    pub fn resolve(args: &TestArgs, ctx: &Ctx) -> Result<Self, CliError> {
        if args.duration < SHORTEST {
            let message = format!(
                "--duration: `{}` is too short to grade a feed",
                crate::duration::format(args.duration)
            );
            return Err(CliError::usage("usage", message).hint("1s is the shortest"));
        }
        let mut symbols = Vec::new();
        if !args.explain {
            symbols = with_stdin(args.symbols.iter().chain(&args.list))?;
        }
        if symbols.iter().any(String::is_empty) {
            let error = CliError::usage("usage", "a symbol is empty");
            return Err(error.hint("tickwire test BTC ETH"));
        }
        if symbols.is_empty() {
            symbols.push("BTC".into());
        }
        Ok(Self {
            symbols,
            duration: args.duration,
            drop: args.drop,
            explain: args.explain,
            min_grade: args.min_grade.into(),
            format: match ctx.output {
                OutputFormat::Auto if std::io::stdout().is_terminal() => OutputFormat::Table,
                OutputFormat::Auto => OutputFormat::Json,
                given => given,
            },
            timeout: ctx.timeout.unwrap_or(ANSWER_TIMEOUT),
        })
    }
}

impl From<MinGrade> for Grade {
    fn from(grade: MinGrade) -> Self {
        match grade {
            MinGrade::A => Self::A,
            MinGrade::B => Self::B,
            MinGrade::C => Self::C,
            MinGrade::D => Self::D,
            MinGrade::F => Self::F,
        }
    }
}
