//! `tickwire start`: the engine as a server.

#[allow(dead_code)]
mod alerts;
#[allow(dead_code)]
mod strategies;
#[cfg(all(test, feature = "sim"))]
mod support;

use super::Ctx;
use super::args::StartArgs;
use super::error::CliError;
use super::exit::Exit;

/// Runs the command.
pub async fn run(args: StartArgs, ctx: Ctx) -> Result<Exit, CliError> {
    let _ = (args, ctx);
    Err(CliError::usage("usage", "`start` is not available yet"))
}
