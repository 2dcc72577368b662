//! What README shows of trouble is what is told when there is trouble.

use tickwire::sim::Venue;

use crate::blocks::{Line, blocks_of};
use crate::stage::Stage;

/// The lines of the block of events that holds this one.
fn shown(with: &str) -> Vec<String> {
    let blocks = blocks_of("json");
    let mut blocks = blocks.iter().filter(|block| block.text.contains(with));
    let block = blocks
        .next()
        .unwrap_or_else(|| panic!("README has no {with}"));
    block.text.lines().map(str::to_string).collect()
}

/// Ids, prices and times differ from run to run; nothing else does.
pub fn without_numbers(line: &str) -> String {
    let mut masked = String::new();
    for c in line.chars().filter(|c| *c != '.') {
        match c.is_ascii_digit() {
            true if masked.ends_with('0') => {}
            true => masked.push('0'),
            false => masked.push(c),
        }
    }
    masked.replace("sell", "buy")
}

#[test]
fn a_trade_that_the_stream_has_missed_is_told_with_its_gap_as_shown() {
    let stage = Stage::new();
    stage.sim(Venue::Kraken).faults().drop_trades_every = 7;
    let command = "tickwire monitor BTC -p kraken --stream trades -n 16 -o json";
    let outcome = stage.run(&Line::new(command));
    let told: Vec<_> = outcome.stdout.lines().collect();
    let gap = told.iter().position(|line| line.contains("\"gap\""));
    let gap = gap.unwrap_or_else(|| panic!("{outcome:?}"));
    let told: Vec<_> = told[gap - 1..=gap + 1]
        .iter()
        .map(|line| without_numbers(line))
        .collect();
    let shown = shown("\"repaired\"");
    let shown: Vec<_> = shown.iter().map(|line| without_numbers(line)).collect();
    assert_eq!(told, shown);
}

#[test]
fn who_stands_in_is_told_as_shown() {
    let stage = Stage::new();
    stage.run(&Line::new("tickwire symbols --base BTC -p kraken"));
    stage.sim(Venue::Kraken).faults().refuse_connect = true;
    let command = "tickwire monitor BTC --fallback coinbase -n 1 -o json";
    let outcome = stage.run(&Line::new(command));
    // How the connection fails is told in the words of the system.
    let head = |line: &str| {
        let end = line.find(" is reconnecting: ");
        without_numbers(&line[..end.unwrap_or(line.len())])
    };
    let shown = shown("stands in");
    let mut told = outcome
        .stdout
        .lines()
        .filter(|line| line.contains("stands in"));
    let told = told.next().unwrap_or_else(|| panic!("{outcome:?}"));
    assert_eq!(head(told), head(&shown[0]));
    let last = outcome.stdout.lines().last().unwrap_or_default();
    assert!(last.contains("\"exchange\":\"coinbase\""), "{last}");
}
