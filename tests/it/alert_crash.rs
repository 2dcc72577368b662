//! `alert --name` where it is killed, or cannot write: no crossing is lost, and none is two.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::process::Stdio;
use std::time::Duration;

use tickwire::sim::Venue;

use crate::alert_support::{Market, check, edit, free_claims, lines_of, memories, prices};
use crate::support::{Running, finish};

const HIGH: &str = "price > 68000";
const KILLS: u64 = 30;

/// Appends the price and the id.
const APPEND: &str = r#"printf '%s %s\n' "$TICKWIRE_PRICE" "$TICKWIRE_ID" >> "$0""#;

#[tokio::test]
async fn a_crossing_outlives_any_kill_and_keeps_its_id() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let file = market.world.path("notified");
    let path = file.to_str().unwrap().to_owned();
    let flags = ["--exec", "sh", "-c", APPEND, &path];
    market.check(HIGH, &flags).await.exits(1);
    let arguments = [vec!["alert"], check(HIGH, &flags)].concat();
    for n in 0..KILLS {
        // Each crossing has a price of its own.
        market.print(&[&format!("{}", 69_000 + n), "67000"]);
        let mut command = market.world.command_of(&arguments);
        let running = Running::new(command.spawn().unwrap());
        // Spread over the length of a check, on a machine of any speed.
        let pause = Duration::from_millis(fastrand::u64(0..120));
        tokio::time::sleep(pause).await;
        running.signal("KILL").await;
        running.end().await;
        let state = market.store().read("rule").unwrap();
        assert!(state.is_some(), "the memory is readable after kill {n}");
        edit(&market.world, "rule", free_claims).await;
    }
    let last = market.check(HIGH, &flags).await;
    assert!(last.code() <= 1 && last.stderr.is_empty(), "{last:#?}");
    let mut ids = BTreeMap::<String, Vec<String>>::new();
    for line in lines_of(&file) {
        let (price, id) = line.split_once(' ').unwrap();
        let price = price.split('.').next().unwrap();
        ids.entry(price.to_owned()).or_default().push(id.to_owned());
    }
    let wanted: Vec<_> = (0..KILLS).map(|n| format!("{}", 69_000 + n)).collect();
    assert_eq!(ids.keys().cloned().collect::<Vec<_>>(), wanted);
    for (price, mut ids) in ids {
        ids.dedup();
        assert_eq!(ids.len(), 1, "{price}: {ids:?}");
    }
    let state = market.store().read("rule").unwrap().unwrap();
    assert_eq!(state.outbox, []);
    let fired = state.history.iter().filter(|past| past.outcome == "fired");
    assert_eq!(fired.count() as u64, KILLS);
    market.check(HIGH, &flags).await.exits(1).prints_nothing();
}

#[tokio::test]
async fn what_a_dead_run_left_undone_is_done_by_the_next() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let started = market.world.path("started");
    let path = started.to_str().unwrap().to_owned();
    let slow = r#"echo >> "$0"; sleep 60"#;
    let flags = ["--exec", "sh", "-c", slow, &path];
    market.check(HIGH, &flags).await.exits(1);
    market.print(&["69000"]);
    let arguments = [vec!["alert"], check(HIGH, &flags)].concat();
    let mut command = market.world.command_of(&arguments);
    let running = Running::new(command.spawn().unwrap());
    crate::support::eventually("the program runs", || started.exists()).await;
    running.signal("KILL").await;
    drop(running);
    let file = market.world.path("notified");
    let path = file.to_str().unwrap().to_owned();
    let flags = ["--exec", "sh", "-c", APPEND, &path];
    // Its process is gone: nobody works on it any more, and the next minute is too late for an alarm.
    market.check(HIGH, &flags).await;
    assert_eq!(lines_of(&file).len(), 1);
}

#[tokio::test]
async fn a_line_that_cannot_be_written_is_printed_by_the_next_run() {
    let market = Market::open(Venue::Kraken, "67000").await;
    market.check(HIGH, &[]).await.exits(1);
    market.print(&["69000"]);
    let arguments = [vec!["alert"], check(HIGH, &[])].concat();
    for _ in 0..2 {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = market.world.command_of(&arguments);
        command.stdout(full).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let done = Running::new(child).end().await.exits(4);
        assert!(done.stderr.starts_with("tickwire: error: "), "{done:#?}");
    }
    let done = market.check(HIGH, &[]).await.exits(0);
    assert_eq!(prices(&done), ["69000"]);
    market.check(HIGH, &[]).await.exits(1).prints_nothing();
}

#[tokio::test]
async fn an_unnamed_line_that_cannot_be_written_is_a_failure() {
    let market = Market::open(Venue::Kraken, "69000").await;
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for end in [&["--once"][..], &["-n", "1"]] {
        let mut command = market
            .world
            .command_of(&[&["alert", "BTC", HIGH], end].concat());
        command.stdout(full()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        Running::new(child).end().await.exits(4);
    }
}

#[tokio::test]
async fn a_closed_pipe_is_no_failure() {
    let market = Market::open(Venue::Kraken, "69000").await;
    let mut command = market.world.command_of(&["alert", "BTC", HIGH, "--once"]);
    let mut running = Running::new(command.spawn().unwrap());
    running.close_stdout();
    running.end().await.exits(0);
}

/// A folder of so many KiB, or nothing where this user may not make one.
fn small_disk(at: &std::path::Path) -> Option<Disk> {
    std::fs::create_dir_all(at).unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(at)
        .output();
    mount
        .is_ok_and(|done| done.status.success())
        .then(|| Disk(at.to_owned()))
}

struct Disk(std::path::PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_fires_nothing_and_forgets_nothing() {
    let market = Market::open(Venue::Kraken, "67000").await;
    let Some(_disk) = small_disk(&memories(&market.world)) else {
        println!("skipped: no small disk can be mounted here");
        return;
    };
    let file = market.world.path("notified");
    let path = file.to_str().unwrap().to_owned();
    let flags = ["--exec", "sh", "-c", APPEND, &path];
    market.check(HIGH, &flags).await.exits(1);
    market.print(&["69000"]);
    let filler = memories(&market.world).join("filler");
    let fill = || {
        use std::io::Write;
        let mut file = File::create(&filler).unwrap();
        while file.write_all(&[0; 1024]).is_ok() {}
    };
    fill();
    let asked = market.sim.counters().rest;
    let done = market.check(HIGH, &flags).await.exits(4).prints_nothing();
    assert!(done.stderr.contains("space"), "{done:#?}");
    assert_eq!(market.sim.counters().rest, asked);
    assert!(!file.exists());
    std::fs::remove_file(&filler).unwrap();
    market.check(HIGH, &flags).await.exits(0);
    assert_eq!(lines_of(&file).len(), 1);
    let list = finish(market.world.command("alert --list")).await.exits(0);
    assert_eq!(list.lines().len(), 1);
}
