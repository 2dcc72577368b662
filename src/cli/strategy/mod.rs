//! Strategies on the command line: which one is meant, the programs that decide, and what is told of them.

mod answer;
mod lines;
mod program;
mod supervisor;
#[cfg(test)]
mod tests;

use crate::config::Config;
use crate::model::Interval;
use crate::strategy::{Strategy, StrategyError};

use super::error::CliError;
pub use program::{Pace, Program};

/// The strategy that `--strategy` means: a built-in one, or one of the configuration.
pub fn find(text: &str, default_interval: Interval, config: &Config) -> Result<Strategy, CliError> {
    Strategy::parse(text, default_interval, &config.strategies).map_err(|error| match error {
        StrategyError::Wrong { message, hint } => CliError::usage("strategy", message).hint(hint),
        StrategyError::Expression { of, error } => CliError::expression(&of, &error),
    })
}
