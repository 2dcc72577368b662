//! `tickwire --generate`: shell completions and the man page.

use clap_complete::Shell;

use super::args::Generate;
use super::error::CliError;
use super::exit::Exit;
use super::output;

/// Prints it to stdout.
pub fn run(what: Generate) -> Result<Exit, CliError> {
    let text = render(what).map_err(|error| CliError::failed("output", error.to_string()))?;
    output::print(&text)?;
    Ok(Exit::Done)
}

fn render(what: Generate) -> std::io::Result<Vec<u8>> {
    let mut command = super::definition();
    let mut out = Vec::new();
    let shell = match what {
        Generate::Bash => Shell::Bash,
        Generate::Zsh => Shell::Zsh,
        Generate::Fish => Shell::Fish,
        Generate::Elvish => Shell::Elvish,
        Generate::PowerShell => Shell::PowerShell,
        Generate::Man => {
            // One page with every subcommand's options.
            clap_mangen::Man::new(command.flatten_help(true)).render(&mut out)?;
            return Ok(out);
        }
    };
    clap_complete::generate(shell, &mut command, "tickwire", &mut out);
    Ok(out)
}
