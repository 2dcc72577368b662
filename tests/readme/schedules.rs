//! The lines for crontabs and the units for systemd work.

use std::fs;
use std::process::Command;

use crate::alerts::{rule_blocks, write_settings};
use crate::blocks::{Block, Line, blocks_of};
use crate::receiver::Receiver;
use crate::stage::Stage;

/// The settings with several rules.
fn many_rules() -> Block {
    let is_meant = |block: &Block| block.section == "Many rules in one file";
    rule_blocks()
        .into_iter()
        .find(is_meant)
        .expect("README shows several rules in one file")
}

/// The commands of a crontab, as cron gives them to the shell.
fn cron_commands(crontab: &str) -> Vec<String> {
    let is_command = |line: &&str| line.starts_with(|c: char| c == '*' || c.is_ascii_digit());
    let lines = crontab.lines().filter(is_command);
    lines
        .map(|line| {
            assert!(!line.replace("\\%", "").contains('%'), "% ends {line}");
            let mut rest = line;
            for _ in 0..5 {
                let (_, after) = rest.split_once(' ').expect("five fields and a command");
                rest = after.trim_start();
            }
            rest.replace("\\%", "%")
        })
        .collect()
}

#[test]
fn lines_of_the_crontab_run_and_the_second_run_of_a_rule_is_silent() {
    let crontabs = blocks_of("crontab");
    let commands: Vec<_> = crontabs
        .iter()
        .flat_map(|block| cron_commands(&block.text))
        .collect();
    assert!(commands.len() >= 3, "{commands:?}");
    let (stage, receiver) = (Stage::new(), Receiver::start());
    let settings = stage.home().join(".config/tickwire/config.toml");
    write_settings(&settings, &many_rules().text, &receiver);
    for command in commands {
        for _ in 0..2 {
            let outcome = stage.run(&Line::new(&command));
            let code = outcome.status.code();
            assert!(
                code == Some(0) || code == Some(1),
                "{command}: {code:?} {}",
                outcome.stderr
            );
            assert_eq!(outcome.stderr, "", "{command}");
        }
    }
}

#[test]
fn all_rules_of_one_file_are_checked_in_one_run_and_one_by_its_name() {
    let (stage, receiver) = (Stage::new(), Receiver::start());
    let rules = many_rules().text;
    // A rule that is true for sure, beside those of README.
    let rules = rules.replace("price > 100_000", "price > 1");
    write_settings(&stage.work().join("shown.toml"), &rules, &receiver);
    let one = stage.run(&Line::new(
        "tickwire -c shown.toml alert --once --name drop",
    ));
    assert_eq!(one.status.code(), Some(1), "{}", one.stderr);
    let all = stage.run(&Line::new("tickwire -c shown.toml alert --once"));
    assert_eq!(all.status.code(), Some(0), "{}", all.stderr);
    assert!(
        all.stdout.contains("\"name\":\"btc-100k\""),
        "{}",
        all.stdout
    );
    assert_eq!(receiver.next().path, "/ntfy");
}

/// The units of README that check alerts, by the ends of their names.
fn units() -> (Block, Block) {
    let mut shown = blocks_of("ini");
    shown.retain(|block| block.section == "From a systemd timer");
    let has = |section: &'static str| move |block: &&Block| block.text.contains(section);
    assert_eq!(shown.len(), 2);
    let find = |section| {
        let found = shown.iter().find(has(section));
        let found = found.unwrap_or_else(|| panic!("README has no unit with {section}"));
        found.clone()
    };
    (find("[Service]\n"), find("[Timer]\n"))
}

#[test]
fn systemd_accepts_the_units() {
    let (service, timer) = units();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let installed = "/usr/local/bin/tickwire";
    assert!(service.text.contains(installed));
    let service = service
        .text
        .replace(installed, env!("CARGO_BIN_EXE_tickwire"));
    for (name, text) in [("service", &service), ("timer", &timer.text)] {
        let path = folder.path().join(format!("tickwire-alert.{name}"));
        fs::write(path, text).expect("the folder is ours");
    }
    let verify = Command::new("systemd-analyze")
        .args([
            "verify",
            "./tickwire-alert.service",
            "./tickwire-alert.timer",
        ])
        .current_dir(folder.path())
        .output();
    match verify {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{told}");
            assert!(!told.contains("tickwire-alert"), "{told}");
        }
        Err(error) => eprintln!("skipped: systemd-analyze: {error}"),
    }
}

#[test]
fn the_service_remembers_and_reads_its_secret_without_a_home() {
    let (service, _) = units();
    let setting = |key: &str| {
        let line = service.text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("the unit has no {key}"))
    };
    let (stage, receiver) = (Stage::new(), Receiver::start());
    let recipes = rule_blocks();
    let slack = recipes
        .iter()
        .find(|block| block.text.contains("[actions.slack]"));
    let slack = &slack.expect("README has a recipe for slack").text;
    // What `LoadCredential=` does: the file lies elsewhere, and the one of the settings cannot be read.
    let credentials = stage.work().join("credentials");
    write_settings(&credentials.join("shown.toml"), slack, &receiver);
    fs::write(stage.work().join("config.toml"), slack).expect("the folder is ours");
    let installed = "/usr/local/bin/tickwire -c /etc/tickwire/config.toml";
    let command = setting("ExecStart=").replace(installed, "tickwire -c config.toml -p mock");
    let environment = setting("Environment=").replace("%d", &credentials.to_string_lossy());
    let state = stage.work().join("state");
    fs::create_dir(&state).expect("the folder is ours");
    let outcome = stage.run(&Line::new(format!(
        "unset HOME XDG_STATE_HOME XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME
         export STATE_DIRECTORY={state} CACHE_DIRECTORY={state} {environment}; {command}",
        state = state.display(),
    )));
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
    assert_eq!(receiver.next().path, "/slack");
    assert!(state.join("alerts/btc-high.json").exists());
    assert_eq!(setting("StateDirectory="), setting("CacheDirectory="));
    assert_eq!(setting("UnsetEnvironment="), "HOME");
    assert_eq!(setting("SuccessExitStatus="), "1");
}
