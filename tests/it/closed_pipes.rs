//! Readers that leave, disks that are full.

use std::fs::File;
use std::process::Stdio;

use tickwire::sim::Venue;

use crate::support::{Running, World, eventually, finish, start};

#[tokio::test]
async fn a_reader_that_leaves_ends_it_quietly_also_when_no_further_event_comes() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for arguments in [
        "monitor BTC",
        "monitor BTC -o plain",
        "monitor BTC -n 100",
        "monitor BTC -d 1h",
    ] {
        let mut running = world.spawn(arguments);
        running.next_line().await.unwrap();
        running.close_stdout();
        let done = running.end().await.exits(0);
        assert_eq!(done.stderr, "", "{arguments}");
    }
    eventually("the sockets are closed", || {
        sim.counters().open_sockets == 0
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_leaves_a_flood_ends_it_quietly() {
    let world = World::new().env("TICKWIRE_PROVIDERS__MOCK__RATE", "max");
    for arguments in [
        "monitor BTC -p mock -q",
        "monitor BTC --stream trades -p mock -o csv -q",
    ] {
        let mut running = world.spawn(arguments);
        for _ in 0..5 {
            running.next_line().await.unwrap();
        }
        running.close_stdout();
        running.end().await.exits(0);
    }
}

#[tokio::test]
async fn a_reader_that_was_never_there_is_no_error() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for arguments in [
        "monitor BTC -1",
        "symbols",
        "--help",
        "--generate zsh",
        "monitor BTC -n 3",
    ] {
        let mut running = world.spawn(arguments);
        running.close_stdout();
        let done = running.end().await.exits(0);
        assert_eq!(done.stderr, "", "{arguments}");
    }
}

#[tokio::test]
async fn head_takes_one_line_and_both_succeed() {
    let world = World::new();
    let mut command = tokio::process::Command::new("bash");
    let program = world.command("");
    let program = program.as_std();
    command.env_clear();
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let script = r#""$0" monitor BTC ETH -p mock | head -n 1; echo "${PIPESTATUS[@]}""#;
    command.args(["-c", script]).arg(program.get_program());
    let done = finish(command).await.exits(0);
    assert_eq!(done.lines().len(), 2, "{done:#?}");
    assert_eq!(done.lines()[1], "0 0", "{done:#?}");
    assert_eq!(done.stderr, "tickwire: mock data, not a market\n");
}

#[tokio::test]
async fn a_full_disk_is_4_and_named() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for arguments in [
        "monitor BTC -1",
        "monitor BTC",
        "monitor BTC -n 1",
        "monitor BTC -o csv",
        "monitor BTC -p mock",
        "symbols",
        "--help",
        "--generate fish",
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = world.command(arguments);
        command.stdout(Stdio::from(full));
        let child = command.spawn().unwrap();
        let done = crate::support::Running::new(child).end().await;
        assert_eq!(done.status.code(), Some(4), "{arguments}: {done:#?}");
        let error = "tickwire: error: stdout: no space left on device\n";
        assert!(done.stderr.ends_with(error), "{arguments}: {done:#?}");
    }
}

#[tokio::test]
async fn a_closed_stderr_is_nobodys_loss() {
    let world = World::new();
    for (arguments, code) in [("monitor BTC -1 -p mock", 0), ("monitor NOPE -p mock", 2)] {
        let mut running = world.command(arguments);
        let mut child = running.spawn().unwrap();
        drop(child.stderr.take());
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}");
    }
}

#[tokio::test]
async fn a_watch_ends_quietly_when_the_reader_of_its_lines_leaves() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for flags in [&[][..], &["--name", "rule"], &["--timeout", "1h"]] {
        // True from the first price on, so that nothing is ever written again.
        let mut command = world.command_of(&[&["alert", "BTC", "price > 1"], flags].concat());
        let mut running = Running::new(command.spawn().unwrap());
        running.next_line().await.unwrap();
        running.close_stdout();
        let done = running.end().await.exits(0);
        assert_eq!(done.stderr, "", "{flags:?}");
    }
}
