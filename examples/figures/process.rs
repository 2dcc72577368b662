//! The built program, as its users run it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tickwire::sim::{Sim, SimConfig, Venue};
use tokio::time::sleep;

use super::Figure;
use super::stage::listings;

/// Next to this example's folder.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a path of this program");
    let built = own
        .ancestors()
        .nth(2)
        .expect("examples lie in the folder of the build");
    let binary = built.join("tickwire");
    assert!(
        binary.exists(),
        "{} is missing: cargo build --release",
        binary.display()
    );
    binary
}

/// An exchange with so many symbols that makes so many trades a second, all together.
async fn busy(symbols: usize, per_second: f64) -> Sim {
    let sim = Sim::start(SimConfig {
        listings: listings(Venue::Binance, symbols),
        rate: per_second / symbols as f64,
        history: 5,
        ..SimConfig::new(Venue::Binance)
    });
    sim.await.expect("a port")
}

fn command(sim: &Sim, home: &Path, symbols: usize) -> Command {
    let mut command = Command::new(binary());
    command
        .env_clear()
        .env("HOME", home)
        .env("TICKWIRE_PROVIDERS__BINANCE__REST_URL", sim.rest_url())
        .env("TICKWIRE_PROVIDERS__BINANCE__WS_URL", sim.ws_url())
        .args([
            "monitor", "-p", "binance", "--stream", "trades", "-o", "json",
        ])
        .args((0..symbols).map(|n| format!("T{n:03}/USDT")))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Bytes of memory that a process holds.
pub fn resident(process: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

/// The most KiB of memory that a process has held so far.
pub fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    kib.unwrap_or(0)
}

fn open_files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

/// A1: 20,000 messages a second of 200 symbols to a file, for so many minutes.
pub async fn soak(minutes: u64) -> Figure {
    const SYMBOLS: usize = 200;
    let home = tempfile::tempdir().expect("a directory");
    let lines = home.path().join("lines.jsonl");
    let sim = busy(SYMBOLS, 20_000.0).await;
    let out = File::create(&lines).expect("a file");
    let mut child = command(&sim, home.path(), SYMBOLS)
        .stdout(out)
        .spawn()
        .expect("it starts");
    let (start, length) = (Instant::now(), Duration::from_secs(60 * minutes));
    let mut samples = Vec::new();
    let mut files = Vec::new();
    while start.elapsed() < length {
        sleep(Duration::from_secs(2)).await;
        // What is filled once is filled in the first fifth.
        if start.elapsed() * 5 > length {
            samples.push((start.elapsed().as_secs_f64(), resident(child.id()) as f64));
            files.push(open_files(child.id()));
        }
    }
    let code = end(&mut child, "TERM").await.1;
    let file_count = (files.iter().min().copied(), files.iter().max().copied());
    let read = read(&lines);
    let (slope, mean) = trend(&samples);
    let per_ten_minutes = slope * 600.0;
    let grown =
        samples.last().map_or(0.0, |last| last.1) - samples.first().map_or(0.0, |first| first.1);
    let per_second = read.trades as f64 / length.as_secs_f64();
    Figure {
        measured: json!({
            "minutes": minutes, "trades": read.trades, "per_second": per_second, "symbols": read.symbols,
            "lost": read.lost, "doubled_or_disordered": read.disordered, "gaps": read.gaps,
            "resident_kib": mean / 1_024.0, "grown_kib": grown / 1_024.0,
            "slope_percent_per_10_min": 100.0 * per_ten_minutes / mean.max(1.0),
            "open_files": [file_count.0, file_count.1], "exit_code": code,
        }),
        limit: "slope < 1 %/10 min, grown < 4 MiB, open files flat, nothing lost or doubled, >= 19000/s",
        pass: per_ten_minutes < 0.01 * mean
            && grown < f64::from(4 << 20)
            && file_count.0 == file_count.1
            && read.lost + read.disordered + read.gaps == 0
            && per_second >= 19_000.0
            && code == Some(0),
    }
}

/// Least squares: the slope per second, and the mean.
fn trend(samples: &[(f64, f64)]) -> (f64, f64) {
    let n = samples.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|s| s.0), mean(|s| s.1));
    let above: f64 = samples.iter().map(|s| (s.0 - x) * (s.1 - y)).sum();
    let below: f64 = samples.iter().map(|s| (s.0 - x).powi(2)).sum();
    (if below > 0.0 { above / below } else { 0.0 }, y)
}

#[derive(Default)]
struct Read {
    trades: u64,
    symbols: usize,
    lost: u64,
    disordered: u64,
    gaps: u64,
    /// The last line is whole.
    ends_well: bool,
}

/// What a file of lines says: ids have to rise by one for each symbol.
fn read(path: &Path) -> Read {
    let mut read = Read::default();
    let mut last = std::collections::HashMap::<String, u64>::new();
    let mut reader = BufReader::new(File::open(path).expect("the file of lines"));
    let mut line = String::new();
    while reader.read_line(&mut line).expect("text") > 0 {
        read.ends_well = line.ends_with("}\n");
        let Ok(event) = serde_json::from_str::<Value>(&line) else {
            read.ends_well = false;
            break;
        };
        line.clear();
        if event["type"] == "gap" {
            read.gaps += 1;
        }
        let id = event["id"].as_str().and_then(|id| id.parse::<u64>().ok());
        let (Some(id), Some(symbol)) = (id, event["symbol"].as_str()) else {
            continue;
        };
        read.trades += 1;
        match last.insert(symbol.to_owned(), id) {
            Some(before) if id <= before => read.disordered += 1,
            Some(before) => read.lost += id - before - 1,
            None => {}
        }
    }
    read.symbols = last.len();
    read
}

/// Sends a signal; seconds until it has ended, and its code.
async fn end(child: &mut Child, signal: &str) -> (f64, Option<i32>) {
    let asked = Instant::now();
    let kill = format!("kill -{signal} {}", child.id());
    let sent = Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.is_ok_and(|sent| sent.success()), "{kill}");
    ended(child, asked).await
}

/// Seconds from a moment until it has ended, and its code; `None` for one that does not end by itself.
async fn ended(child: &mut Child, since: Instant) -> (f64, Option<i32>) {
    while since.elapsed() < Duration::from_secs(30) {
        if let Ok(Some(status)) = child.try_wait() {
            return (since.elapsed().as_secs_f64(), status.code());
        }
        sleep(Duration::from_millis(2)).await;
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    (since.elapsed().as_secs_f64(), None)
}

/// A16: ends under 10,000 messages a second, by a signal and by a reader that leaves.
pub async fn signals(times: usize) -> Figure {
    const SYMBOLS: usize = 100;
    let sim = busy(SYMBOLS, 10_000.0).await;
    let (mut worst, mut codes, mut bad) = (0.0f64, Vec::new(), 0);
    for n in 0..times {
        let home = tempfile::tempdir().expect("a directory");
        let lines = home.path().join("lines.jsonl");
        let out = File::create(&lines).expect("a file");
        let mut child = command(&sim, home.path(), SYMBOLS)
            .stdout(out)
            .spawn()
            .expect("it starts");
        until_filled(&lines).await;
        let (seconds, code) = end(&mut child, ["TERM", "INT", "HUP"][n % 3]).await;
        worst = worst.max(seconds);
        codes.push(code);
        let read = read(&lines);
        bad += read.lost + read.disordered + u64::from(!read.ends_well);
    }
    let mut head = 0.0f64;
    for _ in 0..5 {
        head = head.max(head_of(&sim, SYMBOLS).await);
    }
    let clean = codes.iter().all(|code| *code == Some(0));
    Figure {
        measured: json!({
            "times": times, "worst_s": worst, "codes": codes, "lost_or_cut_lines": bad, "head_worst_s": head,
        }),
        limit: "ends < 5 s with code 0 and whole lines; `| head -n 1` is over < 1 s after its line",
        pass: worst < 5.0 && clean && bad == 0 && head < 1.0,
    }
}

async fn until_filled(lines: &Path) {
    for _ in 0..3_000 {
        if std::fs::metadata(lines).is_ok_and(|file| file.len() > 100_000) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("no lines in half a minute");
}

/// Seconds from the first line, after which the reader leaves, to the end of the program.
async fn head_of(sim: &Sim, symbols: usize) -> f64 {
    let home = tempfile::tempdir().expect("a directory");
    let mut command = command(sim, home.path(), symbols);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let out = child.stdout.take().expect("it is piped");
    // The exchange lives on this thread: reading must not stop it.
    let first = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("text")
    });
    let read = first.await.expect("it only reads");
    let (seconds, _) = ended(&mut child, Instant::now()).await;
    assert!(read > 0, "it told nothing");
    seconds
}
