//! The `tickwire` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tickwire::cli::run(std::env::args_os()).into()
}
