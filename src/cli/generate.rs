//! `tickwire --generate`: shell completions and the man page.

use clap_complete::Shell;
use clap_mangen::Man;

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
        Generate::Man => return man(command),
    };
    clap_complete::generate(shell, &mut command, "tickwire", &mut out);
    Ok(out)
}

/// One page: the program, then a section for each command.
fn man(command: clap::Command) -> std::io::Result<Vec<u8>> {
    let page = Man::new(command.clone());
    let mut out = Vec::new();
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    // As it was defined, without the global options: they stand in the page once.
    for command in command.get_subcommands() {
        let name = format!("tickwire {}", command.get_name());
        out.extend_from_slice(format!(".SH \"{}\"\n", name.to_uppercase()).as_bytes());
        let command = command.clone().bin_name(name).disable_help_flag(true);
        let page = Man::new(command);
        let mut section = Vec::new();
        page.render_description_section(&mut section)?;
        page.render_synopsis_section(&mut section)?;
        page.render_options_section(&mut section)?;
        page.render_extra_section(&mut section)?;
        let section = String::from_utf8_lossy(&section)
            .replace(".SH EXTRA\n", ".SH EXAMPLES\n")
            .replace("Examples:\n", "")
            .replace("Conditions:\n", ".SS CONDITIONS\n")
            .replace(".SH DESCRIPTION\n", "")
            .replace(".SH ", ".SS ");
        out.extend_from_slice(section.as_bytes());
    }
    page.render_options_section(&mut out)?;
    let mut extra = Vec::new();
    page.render_extra_section(&mut extra)?;
    let extra = String::from_utf8_lossy(&extra)
        .replace(".SH EXTRA\n", ".SH \"EXIT STATUS\"\n")
        .replace("Exit codes:\n", "");
    out.extend_from_slice(extra.as_bytes());
    page.render_version_section(&mut out)?;
    Ok(out)
}
