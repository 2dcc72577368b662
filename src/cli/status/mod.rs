//! `tickwire status`: how a running server is.

use super::Ctx;
use super::args::StatusArgs;
use super::error::CliError;
use super::exit::Exit;

/// Runs the command.
pub async fn run(args: StatusArgs, ctx: Ctx) -> Result<Exit, CliError> {
    let _ = (args, ctx);
    Err(CliError::usage("usage", "`status` is not available yet"))
}
