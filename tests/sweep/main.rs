//! The whole client against exchanges and lines that go wrong at random, in virtual time.
//!
//! One seed decides everything: the exchange, its trades, what goes wrong when, and the order in which tasks run. What
//! must hold for every seed is in `tickwire::sim::verify`: each trade once, in order, digit for digit, or in a gap. And
//! no trade is lost while REST is in order, and what is missing is found without another trade to show it.
//!
//! `TICKWIRE_SEEDS=5000` plays so many seeds instead of a few hundred; `TICKWIRE_SEED=1234` plays one, and prints
//! its script and every event.

mod play;

use play::{Played, play};
use tickwire::sim::{Repair, Told};

/// Seeds per run where nothing else is asked for: about a minute on two slow cores.
const SEEDS: u64 = 300;
/// Failures that are printed in full.
const SHOWN: usize = 3;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a whole number"))
}

/// Plays every third seed: one exchange.
fn sweep(first: u64) {
    if let Some(seed) = number("TICKWIRE_SEED") {
        if seed % 3 == first {
            show(seed);
        }
        return;
    }
    let seeds = (first..number("TICKWIRE_SEEDS").unwrap_or(SEEDS)).step_by(3);
    let (mut count, mut trades, mut gaps, mut missing, mut disconnects) = (0, 0, 0, 0, 0);
    let failed: Vec<Played> = seeds
        .map(play)
        .inspect(|played| {
            count += 1;
            trades += played.trades;
            gaps += played.gaps;
            missing += played.missing;
            disconnects += played.disconnects;
        })
        .filter(|played| !played.breaches.is_empty())
        .collect();
    eprintln!(
        "{count} seeds: {trades} trades, {gaps} gaps, {missing} trades lost, {disconnects} lines lost"
    );
    // A sweep in which nothing happens, or nothing goes wrong, proves nothing.
    assert!(trades > 100 * count && gaps > count && disconnects > count);
    if !failed.is_empty() {
        for played in failed.iter().take(SHOWN) {
            eprintln!("{played}");
        }
        let seeds: Vec<u64> = failed.iter().map(|played| played.seed).collect();
        panic!("{} seeds failed: {seeds:?}", seeds.len());
    }
}

fn show(seed: u64) {
    let played = play(seed);
    for event in &played.events {
        println!("{event}");
    }
    println!("{played}");
    assert!(played.breaches.is_empty(), "the seed failed");
}

#[test]
fn every_trade_of_binance_is_told_once_or_in_a_gap() {
    sweep(0);
}

#[test]
fn every_trade_of_coinbase_is_told_once_or_in_a_gap() {
    sweep(1);
}

#[test]
fn every_trade_of_kraken_is_told_once_or_in_a_gap() {
    sweep(2);
}

/// The seed's breaches after something was done to what it told of BTC.
fn breaches_after(played: &Played, plant: impl FnOnce(&mut Vec<Told>)) -> String {
    let mut market = played.markets[0].clone();
    plant(&mut market.told);
    let breaches = market.verify().expect_err("the planted breach is found");
    breaches.join("\n")
}

#[test]
fn what_is_planted_in_a_real_run_is_found() {
    for seed in 0..6 {
        let played = play(seed);
        assert!(played.breaches.is_empty(), "{played}");
        let told = &played.markets[0].told;
        // two trades next to each other, somewhere in the middle
        let is_streamed = |told: &Told| {
            matches!(
                told,
                Told::Trade {
                    repaired: false,
                    ..
                }
            )
        };
        let is_pair = |pair: &[Told]| pair.iter().all(is_streamed);
        let middle = told.len() / 2;
        let at = middle + told[middle..].windows(2).position(is_pair).expect("a pair");
        let lost = breaches_after(&played, |told| {
            told.remove(at);
        });
        assert!(lost.contains("are lost, and no gap says so"), "{lost}");
        let twice = breaches_after(&played, |told| told.insert(at, told[at].clone()));
        assert!(twice.contains("twice"), "{twice}");
        let swapped = breaches_after(&played, |told| told.swap(at, at + 1));
        assert!(swapped.contains("out of order"), "{swapped}");
        let invented = breaches_after(&played, |told| {
            let Told::Trade { id, .. } = told[at] else {
                unreachable!("one of a pair of trades")
            };
            let gap = Told::Gap {
                ids: Some((id, id)),
                missing: Some(1),
                recovered: 0,
                state: Repair::Unrepairable,
            };
            told.insert(at + 1, gap);
        });
        assert!(invented.contains("but 0 are not told"), "{invented}");
        let cut = breaches_after(&played, |told| {
            told.pop();
        });
        assert!(cut.contains("are lost"), "{cut}");
    }
}

#[test]
fn the_same_seed_gives_the_same_events() {
    for seed in 0..12 {
        let (once, again) = (play(seed), play(seed));
        let differs = once.events.iter().zip(&again.events).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(once.events.len(), again.events.len(), "seed {seed}");
        assert!(once.events.len() > 10, "seed {seed} tells nothing");
    }
}
