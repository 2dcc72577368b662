//! What an exchange asks for is obeyed by every process, also by one that is started afterwards.

use std::time::Duration;

use futures_util::future::join_all;
use tickwire::sim::{Sim, Venue};

use crate::support::{Done, VENUES, World, name, start};

/// An exchange with REST and the socket at two names; its list of symbols is known already.
async fn apart(venue: Venue) -> (Sim, World) {
    let sim = start(venue).await;
    let world = World::new().with_hosts_apart(venue, &sim);
    world.run("symbols -o plain").await.exits(0);
    (sim, world)
}

/// REST requests so far.
fn asked(sim: &Sim) -> u64 {
    sim.counters().rest.values().sum()
}

/// A run that gets no answer.
async fn in_vain(world: &World) -> Done {
    let done = world.run("monitor BTC -1 --timeout 1500ms").await;
    done.exits(3).prints_nothing()
}

/// Whether a moment of this year is told after these words.
fn says_until(done: &Done, words: &str) -> bool {
    let year = jiff::Timestamp::now().to_string()[..4].to_owned();
    done.stderr.contains(&format!("{words} {year}-"))
}

#[tokio::test]
async fn a_limit_or_a_refusal_is_obeyed_by_the_next_process_though_the_exchange_is_well_again() {
    let answers = [
        (429, Some(600), "asked to be left alone until"),
        (429, None, "asked to be left alone until"),
        (418, Some(600), "banned until"),
        (403, None, "not asked again before"),
        (451, None, "not asked again before"),
    ];
    let cases = VENUES
        .into_iter()
        .flat_map(|venue| answers.map(|answer| (venue, answer)));
    join_all(
        cases.map(|(venue, (status, retry_after, words))| async move {
            let (sim, world) = apart(venue).await;
            sim.faults().handshake_status = Some(503);
            sim.faults().rest_status = Some((status, "{}".into()));
            sim.faults().retry_after = retry_after;
            let before = asked(&sim);
            in_vain(&world).await.says(&format!("HTTP {status}"));
            assert_eq!(asked(&sim), before + 1, "{} {status}", name(venue));
            sim.faults().rest_status = None;
            for _ in 0..2 {
                let done = in_vain(&world).await;
                assert!(says_until(&done, words), "{venue:?} {status}: {done:#?}");
            }
            assert_eq!(asked(&sim), before + 1, "{} {status}", name(venue));
        }),
    )
    .await;
}

#[tokio::test]
async fn what_is_over_is_over() {
    let (sim, world) = apart(Venue::Binance).await;
    sim.faults().handshake_status = Some(503);
    sim.faults().rest_status = Some((429, "{}".into()));
    sim.faults().retry_after = Some(2);
    in_vain(&world).await;
    sim.faults().rest_status = None;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.run("monitor BTC -1").await.exits(0);
}

#[tokio::test]
async fn the_words_of_kraken_for_too_many_requests_are_obeyed_too() {
    let (sim, world) = apart(Venue::Kraken).await;
    sim.faults().handshake_status = Some(503);
    sim.faults().kraken_http200_error = Some("EAPI:Rate limit exceeded".into());
    let before = asked(&sim);
    in_vain(&world).await;
    let after_first = asked(&sim);
    assert!(after_first > before);
    sim.faults().kraken_http200_error = None;
    let done = in_vain(&world).await;
    assert!(
        says_until(&done, "asked to be left alone until"),
        "{done:#?}"
    );
    assert_eq!(asked(&sim), after_first);
}

#[tokio::test]
async fn a_list_that_is_refused_is_not_asked_for_by_the_next_process() {
    let sim = start(Venue::Coinbase).await;
    let world = World::with(Venue::Coinbase, &sim);
    sim.faults().rest_status = Some((418, "{}".into()));
    sim.faults().retry_after = Some(3_600);
    for _ in 0..3 {
        let done = world.run("symbols -o plain --timeout 2s").await.exits(3);
        done.prints_nothing().says("418");
    }
    assert_eq!(asked(&sim), 1);
}

#[tokio::test]
async fn a_pause_for_connections_is_obeyed_by_the_next_process_and_rest_answers_meanwhile() {
    join_all(VENUES.map(|venue| async move {
        let (sim, world) = apart(venue).await;
        sim.faults().handshake_status = Some(429);
        sim.faults().retry_after = Some(600);
        let attempts = || sim.counters().connections;
        let before = attempts();
        // Streams only, so that REST has no connection of its own.
        sim.faults().rest_status = Some((500, "{}".into()));
        let done = world.run("monitor BTC --timeout 1s").await.exits(3);
        done.says("HTTP 429");
        assert_eq!(attempts(), before + 1, "{venue:?}");
        sim.faults().handshake_status = None;
        let done = world.run("monitor BTC --timeout 1s").await.exits(3);
        assert!(
            says_until(&done, "asked to be left alone until"),
            "{venue:?} {done:#?}"
        );
        assert_eq!(
            (attempts(), sim.counters().upgrades),
            (before + 1, 0),
            "{venue:?}"
        );
        sim.faults().rest_status = None;
        world.run("monitor BTC -1").await.exits(0);
        assert_eq!(sim.counters().upgrades, 0, "{venue:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_process_that_runs_already_obeys_what_another_was_told() {
    let (sim, world) = apart(Venue::Binance).await;
    sim.faults().handshake_status = Some(451);
    let mut polling = world.spawn("monitor BTC");
    polling.until(|record| record.is("ticker")).await;
    sim.faults().rest_status = Some((429, "{}".into()));
    sim.faults().retry_after = Some(600);
    // Whoever of the two meets with it first.
    world.run("monitor ETH -1 --timeout 1s").await.exits(3);
    sim.faults().rest_status = None;
    let before = asked(&sim);
    let wanted = |record: &crate::support::Record| {
        record.is("status") && record.text("state") == "reconnecting"
    };
    let stopped = polling.until(wanted).await;
    assert!(
        stopped
            .text("reason")
            .contains("asked to be left alone until"),
        "{stopped:?}"
    );
    assert_eq!(asked(&sim), before);
    polling.signal("INT").await;
    polling.end().await.exits(0);
}
