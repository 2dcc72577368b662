//! Every command ends as README says, and prints what it shows.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::blocks::{Block, Line, blocks, blocks_of, commands, unquoted};
use crate::gaps::without_numbers;
use crate::root;
use crate::serving::{Servers, asks_a_server};
use crate::stage::{Stage, is_server};

/// Times and what is made of them differ from run to run; nothing else does.
fn without_times(text: &str) -> String {
    const TIME: &str = "0000-00-00T00:00:00.000000Z";
    const ID: usize = 32;
    let is_time = |text: &str| {
        text.len() == TIME.len()
            && text.bytes().zip(TIME.bytes()).all(|(byte, pattern)| {
                if pattern == b'0' {
                    byte.is_ascii_digit()
                } else {
                    byte == pattern
                }
            })
    };
    let is_id = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let (mut masked, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        if rest.get(..TIME.len()).is_some_and(is_time) {
            masked.push_str("TIME");
            rest = &rest[TIME.len()..];
        } else if rest.get(..ID).is_some_and(is_id) {
            masked.push_str("ID");
            rest = &rest[ID..];
        } else {
            masked.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    masked
}

/// `cargo run --release -- …` is the binary.
fn as_installed(command: &str) -> String {
    command.replace("cargo run --release --", "tickwire")
}

#[test]
fn commands_end_as_told_and_print_what_is_shown() {
    let blocks = blocks();
    let stage = Stage::new();
    let mut servers = Servers::default();
    let (mut ran, mut compared) = (0, 0);
    for (n, block) in blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| block.language == "sh")
    {
        stage.reset();
        configure(&stage);
        let mut last = None;
        for mut line in commands(block) {
            line.text = as_installed(&line.text);
            if checks_itself(&line.text) || lacks_its_program(&line.text) {
                continue;
            }
            if asks_a_server(&line.text) {
                line.text = servers.asked_by(&line.text, &stage);
            }
            let outcome = stage.run(&line);
            assert_eq!(
                outcome.status.code(),
                Some(line.exit),
                "{}: {}",
                line.text,
                outcome.stderr
            );
            ran += 1;
            assert_eq!(
                outcome.stdout.is_empty(),
                is_silent(&line),
                "{}: {}",
                line.text,
                outcome.stderr
            );
            last = Some((line, outcome));
        }
        let shown = blocks
            .get(n + 1)
            .filter(|next| next.follows && ["text", "json"].contains(&next.language.as_str()));
        if let Some(shown) = shown {
            let Some((line, outcome)) = last else {
                assert!(
                    commands(block)
                        .iter()
                        .all(|line| lacks_its_program(&line.text)),
                    "output is shown below a command that runs"
                );
                continue;
            };
            let has_server = is_server(&line.text) || asks_a_server(&block.text);
            let printed = match is_server(&line.text) {
                true => &outcome.stderr,
                false => &outcome.stdout,
            };
            let comparable = |text: &str| match has_server {
                // By then it has traded for a while.
                true => without_numbers(text.trim_end()),
                false => without_times(text),
            };
            assert_eq!(
                comparable(printed),
                comparable(&shown.text),
                "the output of {}",
                line.text
            );
            compared += 1;
        }
    }
    assert!(ran >= 30, "README has lost its commands: {ran}");
    assert!(compared >= 12, "README has lost its outputs: {compared}");
}

/// With the strategies that README defines.
fn configure(stage: &Stage) {
    let shown = blocks_of("toml");
    let strategies = shown
        .iter()
        .find(|block| block.section == "Strategies")
        .expect("README defines strategies");
    let folder = stage.home().join(".config/tickwire");
    fs::create_dir_all(&folder).expect("the folder is ours");
    fs::write(folder.join("config.toml"), &strategies.text).expect("the folder is ours");
}

/// Whether a command prints nothing on stdout.
fn is_silent(line: &Line) -> bool {
    let text = unquoted(&line.text);
    let told = text.contains("2>&1") || text.contains("echo");
    let quiet = text.split_whitespace().any(|word| word == "-q");
    let has_none = ["mkdir", "cp"]
        .iter()
        .any(|program| text.starts_with(program));
    has_none || is_server(&text) || !told && (text.contains('>') || quiet || line.exit != 0)
}

/// Whether it needs a program that this machine does not have.
fn lacks_its_program(command: &str) -> bool {
    let lacks = command.starts_with("curl ") && Command::new("curl").arg("-V").output().is_err();
    if lacks {
        eprintln!("skipped: there is no curl for {command}");
    }
    lacks
}

/// Commands that build, install or test: running them from inside of a test would be no test. They are
/// checked for what they name.
fn checks_itself(command: &str) -> bool {
    let words: Vec<_> = command.split_whitespace().collect();
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml"))
        .expect("Cargo.toml exists")
        .parse()
        .expect("Cargo.toml is TOML");
    match words.as_slice() {
        ["cargo", "install", "--path", ".", "--locked"] => {
            assert!(root().join("Cargo.lock").exists() && root().join("src/main.rs").exists());
        }
        ["cargo", "run", "--example", example, "--features", feature] => {
            assert!(
                root().join(format!("examples/{example}.rs")).exists(),
                "{command}"
            );
            assert!(
                manifest["features"].get(*feature).is_some(),
                "no feature {feature}"
            );
        }
        ["./scripts/test", ..] => {
            for script in ["scripts/test", ".ci/run"] {
                is_a_script(&root().join(script));
            }
        }
        ["cargo", ..] => panic!("README has a command that this test cannot check: {command}"),
        _ => return false,
    }
    true
}

fn is_a_script(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .permissions()
        .mode();
    assert!(mode & 0o111 != 0, "{} cannot be run", path.display());
    match Command::new("bash").arg("-n").arg(path).status() {
        Ok(status) => assert!(status.success(), "{} is no bash script", path.display()),
        Err(error) => eprintln!("skipped: bash -n {}: {error}", path.display()),
    }
}

#[test]
fn the_first_command_works_offline_and_the_test_command_is_there() {
    let blocks = blocks();
    let is_sh = |block: &&Block| block.language == "sh";
    let lines: Vec<_> = blocks
        .iter()
        .filter(is_sh)
        .flat_map(commands)
        .map(|line| line.text)
        .collect();
    assert_eq!(lines[0], "cargo run --release -- monitor BTC ETH -p mock");
    assert!(lines.contains(&"./scripts/test".to_string()));
}

#[test]
fn the_first_command_needs_no_network() {
    let mut stage = Stage::new();
    stage.variables.retain(|(name, _)| name == "PATH");
    // Whatever would be asked is refused at once.
    stage
        .variables
        .push(("HTTPS_PROXY".into(), "http://127.0.0.1:1".into()));
    let outcome = stage.run(&Line::new("tickwire monitor BTC ETH -p mock"));
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
    // And that would be seen: without -p mock it is "cannot know".
    let outcome = stage.run(&Line::new("tickwire monitor BTC ETH -1"));
    assert_eq!(outcome.status.code(), Some(3), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .starts_with("tickwire: error: no list of what kraken trades: "),
        "{}",
        outcome.stderr
    );
}
