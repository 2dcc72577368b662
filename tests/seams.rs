//! Time and chance have one way in each, so that a test can take their place.
//!
//! A deadline follows tokio's clock, which a test can pause; the wall clock comes from a
//! `tickwire::model::Clock`; chance comes from `fastrand`, which a test can seed. Whatever goes around these would
//! make a run over virtual time depend on the machine.

use std::fs;
use std::path::{Path, PathBuf};

/// What reads a clock or rolls dice by itself.
const FORBIDDEN: [&str; 8] = [
    "SystemTime::now",
    "std::time::Instant",
    "time::{Duration, Instant}",
    "jiff::Timestamp::now",
    "Zoned::now",
    "std::thread::sleep",
    "rand::rng",
    "thread_rng",
];

/// File, what it may do, and why.
const ALLOWED: [(&str, &str, &str); 4] = [
    (
        "src/model/time.rs",
        "SystemTime::now",
        "it is the wall clock",
    ),
    (
        "src/sim/clock.rs",
        "SystemTime::now",
        "the exchanges' wall clock, unless a test gives one",
    ),
    (
        "src/net/http.rs",
        "jiff::Timestamp::now",
        "a date in Retry-After is compared with the real time",
    ),
    (
        "src/exchange/driver/socket.rs",
        "jiff::Timestamp::now",
        "the same for the WebSocket upgrade",
    ),
];

/// The command line lives in real time, with its user.
fn is_on_the_way(path: &str) -> bool {
    path.ends_with(".rs")
        && !path.starts_with("src/cli/")
        && !path.contains("/tests/")
        && !path.ends_with("/tests.rs")
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the sources") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files(&path, into),
            false => into.push(path),
        }
    }
}

/// The file without the tests at its end.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text)
}

#[test]
fn clocks_and_chance_are_only_read_at_the_seams() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    files(&root.join("src"), &mut all);
    let (mut found, mut used) = (Vec::new(), Vec::new());
    for path in all {
        let name = path.strip_prefix(root).expect("under the root");
        let name = name.to_str().expect("a plain name").replace('\\', "/");
        if !is_on_the_way(&name) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        for (number, line) in (1..).zip(without_tests(&text).lines()) {
            for what in FORBIDDEN.into_iter().filter(|what| line.contains(what)) {
                let allowed = |(file, may, _): &&(&str, &str, &str)| *file == name && *may == what;
                match ALLOWED.iter().find(allowed) {
                    Some((file, ..)) => used.push(*file),
                    None => found.push(format!("{name}:{number}: {what}")),
                }
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
    // what needs no exception any more has none
    for (file, _, why) in ALLOWED {
        assert!(used.contains(&file), "{file}: {why}: not needed");
    }
}
