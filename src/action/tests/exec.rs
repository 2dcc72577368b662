//! Programs: what they are given, how they fail, how they are ended.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use futures_util::poll;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use super::super::exec::inherited;
use super::super::{Action, ActionError, Exec, Firing, Runner};
use super::{firing, within};
use crate::net::{ProxyRules, Tls};

/// A directory for what programs write; they know it as `DIR`.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Dir {
        Dir(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn names(&self) -> Vec<OsString> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    fn runner(&self) -> Runner {
        self.runner_with(&[])
    }

    fn runner_with(&self, variables: &[(&str, &str)]) -> Runner {
        let path = std::env::var_os("PATH").unwrap();
        let ours = [
            ("PATH".into(), path),
            ("DIR".into(), self.0.path().as_os_str().to_owned()),
        ];
        let others = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Runner {
            environment: inherited(ours.into_iter().chain(others)),
            ..Runner::new(ProxyRules::none(), Tls::new())
        }
    }

    /// A pipe with a name, and its reading end.
    fn fifo(&self, name: &str) -> pipe::Receiver {
        let path = self.path(name);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        pipe::OpenOptions::new().open_receiver(path).unwrap()
    }
}

fn exec(argv: &[&str]) -> Action {
    exec_for(argv, Duration::from_secs(60))
}

fn exec_for(argv: &[&str], timeout: Duration) -> Action {
    let argv = argv.iter().map(|&argument| argument.to_owned()).collect();
    Action::Exec(Exec::new(argv, Some(timeout)))
}

fn script(script: &str) -> Action {
    exec(&["sh", "-c", script])
}

async fn fails(runner: &Runner, action: &Action) -> ActionError {
    within(runner.run(action, &firing("up"))).await.unwrap_err()
}

/// Waits until somebody has written and everybody has closed the pipe.
async fn closed(pipe: &mut pipe::Receiver, mut seen: bool) {
    let mut buffer = [0; 64];
    loop {
        match pipe.read(&mut buffer).await.unwrap() {
            0 if seen => return,
            // Nobody has opened it yet.
            0 => tokio::time::sleep(Duration::from_millis(5)).await,
            _ => seen = true,
        }
    }
}

async fn opened(pipe: &mut pipe::Receiver) {
    while pipe.read(&mut [0; 64]).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn arguments_reach_the_program_exactly_as_they_are() {
    let dir = Dir::new();
    let arguments = [
        "$(touch $DIR/pwned)",
        "`touch $DIR/pwned`",
        "; rm -rf $DIR/*",
        "a\nb",
        "-rf",
        "--",
        "'\"'\\",
        "",
        "{{message}} $TICKWIRE_MESSAGE *",
    ];
    let print = "printf '<%s>' \"$@\" > \"$DIR/out\"";
    let argv = [&["sh", "-c", print, "sh"], &arguments[..]].concat();
    let evil = firing("$(touch $DIR/pwned); rm -rf $DIR/*\n-rf");
    within(dir.runner().run(&exec(&argv), &evil)).await.unwrap();
    let expected: String = arguments.iter().map(|a| format!("<{a}>")).collect();
    assert_eq!(dir.read("out"), expected);
    assert_eq!(dir.names(), ["out"]);
}

#[tokio::test]
async fn the_event_is_one_line_on_stdin_and_the_fields_are_in_the_environment() {
    let dir = Dir::new();
    let runner = dir.runner_with(&[
        ("KEPT", "yes"),
        ("TICKWIRE_CONFIG", "canary"),
        ("TICKWIRE_PRICE", "canary"),
        ("TICKWIRE_PROVIDERS__KRAKEN__HEADERS__KEY", "canary"),
        ("TICKWIRE_SERVER__TOKEN", "canary"),
        ("HTTPS_PROXY", "http://user:canary@proxy:1"),
        ("all_proxy", "canary@proxy"),
        ("http_proxy", "http://proxy:1"),
        ("NO_PROXY", "localhost"),
    ]);
    let run =
        "cat > \"$DIR/in\"; env | grep -Ev '^(PWD|OLDPWD|SHLVL|_)=' | LC_ALL=C sort > \"$DIR/env\"";
    let up = firing("up $HOME \"x\"");
    within(runner.run(&script(run), &up)).await.unwrap();
    assert_eq!(dir.read("in"), format!("{}\n", up.json));
    let path = std::env::var("PATH").unwrap();
    let expected = [
        &*format!("DIR={}", dir.0.path().display()),
        "KEPT=yes",
        "NO_PROXY=localhost",
        &*format!("PATH={path}"),
        "TICKWIRE_CONDITION=price > 5",
        "TICKWIRE_EXCHANGE=kraken",
        "TICKWIRE_ID=id-7",
        "TICKWIRE_MESSAGE=up $HOME \"x\"",
        "TICKWIRE_NAME=high",
        "TICKWIRE_PRICE=50000.10",
        "TICKWIRE_SYMBOL=BTC/USD",
        "TICKWIRE_TIMESTAMP=2026-01-01T00:00:00Z",
        "http_proxy=http://proxy:1",
    ];
    assert_eq!(dir.read("env").lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn values_that_no_variable_can_hold_are_made_to_fit() {
    let dir = Dir::new();
    let unfit = Firing {
        price: None,
        ..firing(&format!("a\0b{}", "é".repeat(1 << 20)))
    };
    let run =
        "printf '%s' \"$TICKWIRE_MESSAGE\" > \"$DIR/out\"; test \"${TICKWIRE_PRICE+set}\" = set";
    within(dir.runner().run(&script(run), &unfit))
        .await
        .unwrap();
    let message = dir.read("out");
    assert!(message.starts_with("a\u{fffd}bé"));
    assert!(message.len() < 40_000);
}

#[tokio::test]
async fn a_program_that_does_not_read_its_stdin_is_not_waited_for() {
    let dir = Dir::new();
    let long = firing(&"x".repeat(1 << 20));
    for run in ["exit 0", "exec <&-; exit 0", "head -c 1 > /dev/null"] {
        within(dir.runner().run(&script(run), &long)).await.unwrap();
    }
    let error = within(dir.runner().run(&script("exec <&-; exit 7"), &long)).await;
    assert_eq!(
        error.unwrap_err().message,
        "program `sh` exited with code 7"
    );
}

#[tokio::test]
async fn however_much_a_program_says_the_end_of_its_stderr_is_told() {
    let dir = Dir::new();
    let flood = "head -c 10485760 /dev/zero; head -c 10485760 /dev/zero >&2; ";
    let error = fails(
        &dir.runner(),
        &script(&format!(
            "{flood} printf '\\nfirst\\nlast \\033[2J\\n' >&2; exit 3"
        )),
    )
    .await;
    assert!(error.message.ends_with("first | last  [2J"), "{error}");
    assert!(
        error
            .message
            .starts_with("program `sh` exited with code 3: "),
        "{error}"
    );
    assert!(error.message.chars().count() < 400 && error.retryable);
    within(
        dir.runner()
            .run(&script(&format!("{flood} true")), &firing("up")),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_failure_names_the_program_and_how_it_ended_but_no_argument() {
    let dir = Dir::new();
    let runner = dir.runner();
    for (run, message) in [
        (
            "echo out; echo err >&2; exit 3 # canary",
            "program `sh` exited with code 3: err",
        ),
        ("echo out; exit 1", "program `sh` exited with code 1: out"),
        ("kill -9 $$", "program `sh` was ended by signal 9"),
    ] {
        let error = fails(&runner, &script(run)).await;
        assert_eq!((&*error.message, error.retryable), (message, true));
    }
    let exec = Exec::new(vec!["sh".into(), "canary".into()], None);
    assert_eq!(exec.timeout, Duration::from_secs(30));
    assert!(!format!("{exec:?} {runner:?}").contains("canary"));
}

#[tokio::test]
async fn a_program_that_cannot_start_is_a_hint_and_not_worth_another_try() {
    let dir = Dir::new();
    let plain = dir.path("plain");
    std::fs::write(&plain, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&plain, PermissionsExt::from_mode(0o644)).unwrap();
    let orphan = dir.path("orphan");
    std::fs::write(&orphan, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&orphan, PermissionsExt::from_mode(0o755)).unwrap();
    for (program, why, hint) in [
        ("no-such-program", "no such file", "full path"),
        (orphan.to_str().unwrap(), "no such file", "after #!"),
        (plain.to_str().unwrap(), "permission denied", "chmod +x"),
    ] {
        let error = fails(&dir.runner(), &exec(&[program, "canary"])).await;
        assert_eq!(
            error.message,
            format!("cannot start program `{program}`: {why}")
        );
        assert!(error.hint.unwrap().contains(hint));
        assert!(!error.retryable);
    }
}

/// Writes into the named pipe from a process that the program has left to itself, and keeps it open.
const GRANDCHILD: &str = "(echo up; exec sleep 1000) > \"$DIR/pipe\" & wait";

#[tokio::test]
async fn a_program_that_runs_too_long_is_killed_with_all_that_it_started() {
    let dir = Dir::new();
    let mut pipe = dir.fifo("pipe");
    let action = exec_for(&["sh", "-c", GRANDCHILD], Duration::from_secs(2));
    let error = fails(&dir.runner(), &action).await;
    assert_eq!(
        error.message,
        "program `sh` was killed, it ran longer than 2s"
    );
    assert!(error.retryable);
    within(closed(&mut pipe, false)).await;
}

#[tokio::test]
async fn a_program_is_killed_with_all_that_it_started_when_nobody_waits_for_it_any_more() {
    let dir = Dir::new();
    let mut pipe = dir.fifo("pipe");
    let (runner, up) = (dir.runner(), firing("up"));
    let action = script(GRANDCHILD);
    within(async {
        tokio::select! {
            result = runner.run(&action, &up) => panic!("it should not end by itself: {result:?}"),
            () = opened(&mut pipe) => {}
        }
    })
    .await;
    within(closed(&mut pipe, true)).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_neither_waited_for_nor_killed() {
    let dir = Dir::new();
    // Holds stdout, stderr and stdin open well beyond the bound of this test.
    let run = "(until [ -e \"$DIR/go\" ] || [ ! -d \"$DIR\" ]; do sleep 0.05; done; touch \"$DIR/lives\") <&0 &";
    within(dir.runner().run(&script(run), &firing("up")))
        .await
        .unwrap();
    std::fs::write(dir.path("go"), "").unwrap();
    within(async {
        while !dir.path("lives").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_fifth_program_waits_until_one_of_four_has_ended() {
    let dir = Dir::new();
    let (runner, up) = (dir.runner(), firing("up"));
    let wait = script("echo up >> \"$DIR/log\"; until [ -e \"$DIR/go\" ]; do sleep 0.02; done");
    let four = async {
        let run = || runner.run(&wait, &up);
        tokio::join!(run(), run(), run(), run())
    };
    let mut four = pin!(four);
    // Fails if it begins before the four may end.
    let last = script("test -e \"$DIR/go\"");
    let mut fifth = pin!(runner.run(&last, &up));
    within(async {
        let mut tries = 0;
        while dir.read("log").lines().count() < 4 || tries < 20 {
            assert!(poll!(&mut four).is_pending());
            assert!(poll!(&mut fifth).is_pending(), "it began before its turn");
            tokio::time::sleep(Duration::from_millis(10)).await;
            tries += 1;
        }
        std::fs::write(dir.path("go"), "").unwrap();
        let (results, fifth) = tokio::join!(four, fifth);
        let (a, b, c, d) = results;
        for result in [a, b, c, d, fifth] {
            result.unwrap();
        }
    })
    .await;
}
