//! What happens in a world, made up.

use proptest::prelude::*;

/// How a trade travels.
#[derive(Debug, Clone)]
pub struct Journey {
    /// To the id of the next one, 1 where the exchange leaves none out.
    pub ids: u64,
    pub is_lost: bool,
    /// In ms.
    pub delay: u64,
    /// A second copy comes so much later.
    pub repeated: Option<u64>,
}

/// A time without a line.
#[derive(Debug, Clone)]
pub struct Outage {
    /// In trades.
    pub from: usize,
    pub length: usize,
    /// How many trades the exchange repeats afterwards.
    pub snapshot: usize,
}

#[derive(Debug, Clone)]
pub enum Rest {
    /// After so many ms: all that is older than that many ms, from the last so many trades.
    Answers {
        after: u64,
        lag: u64,
        reach: usize,
        /// This share of the pages in the middle is missing.
        has_hole: bool,
    },
    Fails,
    Refuses,
    Hangs,
}

#[derive(Debug, Clone)]
pub struct Script {
    pub journeys: Vec<Journey>,
    pub outages: Vec<Outage>,
    pub rest: Vec<Rest>,
    pub heartbeats: bool,
    /// Some of them name trades that there never will be.
    pub has_lies: bool,
    /// Answers name the ids that they lack, not only the times.
    pub has_ids: bool,
}

fn journey() -> impl Strategy<Value = Journey> {
    let ids = prop_oneof![12 => Just(1u64), 1 => 2u64..5];
    let delay = prop_oneof![10 => Just(1u64), 4 => 1u64..200, 1 => 1u64..900];
    let repeated = prop::option::weighted(0.1, 0u64..500);
    (ids, prop::bool::weighted(0.08), delay, repeated).prop_map(
        |(ids, is_lost, delay, repeated)| Journey {
            ids,
            is_lost,
            delay,
            repeated,
        },
    )
}

fn outages() -> impl Strategy<Value = Vec<Outage>> {
    let snapshot = prop_oneof![Just(0usize), 1usize..50];
    let from = prop_oneof![1 => Just(0usize), 6 => 5usize..300];
    let outage = (from, 1usize..60, snapshot).prop_map(|(from, length, snapshot)| Outage {
        from,
        length,
        snapshot,
    });
    prop::collection::vec(outage, 0..4)
}

pub fn healthy() -> impl Strategy<Value = Rest> {
    (1u64..400, prop_oneof![Just(0u64), 0u64..300]).prop_map(|(after, lag)| Rest::Answers {
        after,
        lag,
        reach: usize::MAX,
        has_hole: false,
    })
}

pub fn any_rest() -> impl Strategy<Value = Rest> {
    let answers = (1u64..12_000, 0u64..5_000, 1usize..200, any::<bool>()).prop_map(
        |(after, lag, reach, has_hole)| Rest::Answers {
            after,
            lag,
            reach,
            has_hole,
        },
    );
    prop_oneof![
        4 => healthy(),
        3 => answers,
        2 => Just(Rest::Fails),
        1 => Just(Rest::Refuses),
        1 => Just(Rest::Hangs),
    ]
}

pub fn script(rest: impl Strategy<Value = Rest>) -> impl Strategy<Value = Script> {
    let journeys = prop::collection::vec(journey(), 20..350);
    let rest = prop::collection::vec(rest, 1..8);
    (journeys, outages(), rest, any::<[bool; 3]>()).prop_map(
        |(journeys, mut outages, rest, [heartbeats, has_lies, has_ids])| {
            outages.retain(|outage| outage.from < journeys.len());
            outages.sort_by_key(|outage| outage.from);
            // One after the other, with a line in between.
            let mut free = None;
            outages.retain(|outage| {
                let fits = Some(outage.from) > free;
                if fits {
                    free = Some(outage.from + outage.length);
                }
                fits
            });
            Script {
                journeys,
                outages,
                rest,
                heartbeats,
                has_lies,
                has_ids,
            }
        },
    )
}
