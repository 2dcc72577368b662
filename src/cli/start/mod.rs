//! `tickwire start`: the engine as a server.

// The wiring that runs it is not there yet.
#[allow(dead_code)]
mod portfolio;

use super::Ctx;
use super::args::StartArgs;
use super::error::CliError;
use super::exit::Exit;

/// Runs the command.
pub async fn run(args: StartArgs, ctx: Ctx) -> Result<Exit, CliError> {
    let _ = (args, ctx);
    Err(CliError::usage("usage", "`start` is not available yet"))
}
