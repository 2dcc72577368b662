//! Options and files that README names are there.

use std::collections::BTreeSet;
use std::process::Command;

use crate::blocks::unquoted;
use crate::{readme, root};

#[test]
fn every_option_that_is_named_exists() {
    let mut help = String::new();
    for arguments in [
        &["--help"][..],
        &["monitor", "--help"],
        &["alert", "--help"],
        &["symbols", "--help"],
        &["test", "--help"],
        &["start", "--help"],
        &["status", "--help"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tickwire"))
            .args(arguments)
            .env_clear()
            .output()
            .expect("the binary runs");
        help.push_str(&String::from_utf8(output.stdout).expect("help is UTF-8"));
    }
    let options = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .filter(|word| {
                word.strip_prefix("--")
                    .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
                    || word.len() == 2
                        && word.starts_with('-')
                        && word.ends_with(|c: char| c.is_ascii_alphabetic() || c == '1')
            })
            .map(str::to_string)
            .collect()
    };
    let of_binary = options(&help);
    // Those of cargo, mkdir, scripts/test and systemctl.
    let others = [
        "--release",
        "--path",
        "--locked",
        "--open",
        "--example",
        "--features",
        "--install",
        "--failed",
        "--now",
    ];
    let text = readme();
    let (mut named, mut fenced) = (BTreeSet::new(), false);
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = line.len() > 3;
        } else if fenced && line.contains("tickwire ") {
            let line = unquoted(line);
            let commands = line.split("tickwire ").skip(1);
            let own = commands.map(|command| command.split(['|', '>', ')']).next());
            named.extend(own.flatten().flat_map(options));
        } else if !fenced {
            named.extend(line.split('`').skip(1).step_by(2).flat_map(options));
        }
    }
    let unknown: Vec<_> = named
        .iter()
        .filter(|name| !of_binary.contains(*name) && !others.contains(&name.as_str()))
        .collect();
    assert!(named.len() >= 20, "README names options: {named:?}");
    assert!(unknown.is_empty(), "README names {unknown:?}");
}

#[test]
fn files_that_are_linked_exist() {
    let text = readme();
    let links: Vec<_> = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.starts_with("https://"))
        .collect();
    assert!(links.len() >= 4, "{links:?}");
    let headings: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .collect();
    for link in links {
        let exists = match link.strip_prefix('#') {
            Some(anchor) => headings.contains(&anchor.replace('-', " ")),
            None => root().join(link).exists(),
        };
        assert!(exists, "README links {link}");
    }
}
