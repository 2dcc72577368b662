//! Arguments that cannot be understood, told in our own form.

use clap::error::{ContextKind, ContextValue};

use super::definition;
use super::error::CliError;

/// clap's message on one line, its tip or the way to the help as the hint.
pub fn error(error: &clap::Error, arguments: &[std::ffi::OsString]) -> CliError {
    if let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg)
        && let Some(whole) = arguments.iter().filter_map(|a| a.to_str()).find(|a| {
            // An expression, not a flag: `-16% > change_percent_24h`.
            a.starts_with(argument.as_str()) && a.contains(' ') && !a.starts_with("--")
        })
    {
        return CliError::usage("usage", format!("`{whole}` begins like a flag"))
            .hint(format!("write --condition='{whole}'"));
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines
        .next()
        .unwrap_or("wrong arguments")
        .trim_start_matches("error: ");
    let mut message = first.to_string();
    let mut hint = None;
    for line in lines {
        if let Some(tip) = line.strip_prefix("tip: ") {
            // Nobody who mistypes a flag means a symbol of that name.
            if !tip.starts_with("to pass ") {
                hint.get_or_insert_with(|| tip.to_string());
            }
        } else if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        } else if hint.is_none() {
            message.push(' ');
            message.push_str(line);
        }
    }
    CliError::usage("usage", message).hint(hint.unwrap_or_else(|| help(arguments)))
}

/// The help of the command that these arguments are for.
fn help(arguments: &[std::ffi::OsString]) -> String {
    let definition = definition();
    let command = arguments.iter().skip(1).find_map(|argument| {
        let is = |command: &&clap::Command| argument == command.get_name();
        definition.get_subcommands().find(is)
    });
    match command {
        Some(command) => format!("tickwire {} --help", command.get_name()),
        None => "tickwire --help".into(),
    }
}
