//! `monitor -1`: one fresh event per symbol and stream, from REST or the socket, whichever answers.

use std::time::Duration;

use futures_util::future::join_all;
use tickwire::sim::{Sim, Venue};
use tokio::task::JoinHandle;

use crate::support::{VENUES, World, eventually, name, quote, same_number, start};

/// Long enough to be no answer within any test.
const NEVER: Duration = Duration::from_secs(120);

async fn prepared(venue: Venue) -> (Sim, World) {
    let sim = start(venue).await;
    let world = World::with(venue, &sim);
    world.run("symbols -o plain").await.exits(0);
    (sim, world)
}

#[tokio::test]
async fn prints_one_line_and_nothing_else() {
    let done = World::new()
        .run("monitor BTC -1 -p mock -o json")
        .await
        .exits(0);
    assert_eq!(done.stdout.matches('\n').count(), 1);
    assert!(done.stdout.ends_with("}\n"));
    assert_eq!(done.stderr, "tickwire: mock data, not a market\n");
}

#[tokio::test]
async fn a_single_field_is_a_single_number() {
    let (sim, world) = prepared(Venue::Kraken).await;
    let price = sim.trade("BTC/USD", 1)[0].price.clone();
    let done = world.run("monitor BTC -1 --field price").await.exits(0);
    assert_eq!(done.lines().len(), 1);
    assert!(same_number(done.stdout.trim_end(), &price), "{done:#?}");
    assert_eq!(done.stderr, "");
}

#[tokio::test]
async fn two_symbols_are_printed_in_the_order_asked() {
    for venue in VENUES {
        let (_sim, world) = prepared(venue).await;
        for (arguments, bases) in [("ETH BTC", ["ETH", "BTC"]), ("BTC ETH", ["BTC", "ETH"])] {
            let done = world
                .run(&format!("monitor {arguments} -1 --field symbol"))
                .await
                .exits(0);
            let wanted = bases.map(|base| format!("{base}/{}", quote(venue)));
            assert_eq!(done.lines(), wanted);
        }
    }
}

#[tokio::test]
async fn the_socket_answers_where_rest_does_not() {
    join_all(
        each(["slow", "429", "403", "500", "cut"]).map(|(venue, fault)| async move {
            let (sim, world) = prepared(venue).await;
            let world = world.with_hosts_apart(venue, &sim);
            match fault {
                "slow" => sim.faults().rest_delay = Some(NEVER),
                "cut" => sim.faults().rest_truncate = true,
                status => sim.faults().rest_status = Some((status.parse().unwrap(), "{}".into())),
            }
            // Binance has no snapshot: it tells the ticker when something happens.
            let market = keep_trading(&sim, &["BTC", "ETH"], venue);
            let done = world.run("monitor BTC ETH -1 -o json").await;
            market.abort();
            let case = format!("{} {fault}: {done:#?}", name(venue));
            assert_eq!(done.status.code(), Some(0), "{case}");
            assert_eq!(done.lines().len(), 2, "{case}");
        }),
    )
    .await;
}

#[tokio::test]
async fn rest_answers_where_the_socket_does_not() {
    let faults = ["silent", "403", "429", "500", "unanswered", "refused"];
    join_all(each(faults).map(|(venue, fault)| async move {
        let (sim, world) = prepared(venue).await;
        let world = world.with_hosts_apart(venue, &sim);
        let symbol = format!("BTC/{}", quote(venue));
        match fault {
            "silent" => sim.faults().accept_then_silence = true,
            "unanswered" => sim.faults().silence = true,
            "refused" => drop(sim.faults().refuse_symbols.insert(symbol)),
            status => sim.faults().handshake_status = Some(status.parse().unwrap()),
        }
        let done = world.run("monitor BTC -1 -o json").await;
        let case = format!("{} {fault}: {done:#?}", name(venue));
        assert_eq!(done.status.code(), Some(0), "{case}");
        assert_ne!(done.records()[0].raw("price"), "null", "{case}");
    }))
    .await;
}

/// Every exchange with every one of these.
fn each<const N: usize>(faults: [&'static str; N]) -> impl Iterator<Item = (Venue, &'static str)> {
    VENUES
        .into_iter()
        .flat_map(move |venue| faults.map(|fault| (venue, fault)))
}

/// Trades until it is aborted.
fn keep_trading(sim: &Sim, bases: &[&'static str], venue: Venue) -> JoinHandle<()> {
    let (sim, bases) = (sim.clone(), bases.to_vec());
    tokio::spawn(async move {
        loop {
            for base in &bases {
                sim.trade(&format!("{base}/{}", quote(venue)), 1);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

#[tokio::test]
async fn fields_that_only_the_socket_has_are_waited_for() {
    for (venue, field) in [(Venue::Kraken, "open_24h"), (Venue::Coinbase, "high_24h")] {
        let (sim, world) = prepared(venue).await;
        // REST is first, and has no such field.
        sim.faults().ack_delay = Some(Duration::from_millis(200));
        let done = world
            .run(&format!("monitor BTC -1 --field {field}"))
            .await
            .exits(0);
        let number: f64 = done
            .stdout
            .trim_end()
            .parse()
            .unwrap_or_else(|_| panic!("{done:#?}"));
        assert!(number > 0.0);
    }
}

#[tokio::test]
async fn a_field_that_cannot_be_had_is_no_answer() {
    let (sim, world) = prepared(Venue::Kraken).await;
    sim.faults().handshake_status = Some(403);
    // REST answers, but has no rolling open.
    let done = world
        .run("monitor BTC -1 --field open_24h --timeout 2s")
        .await;
    done.exits(3).prints_nothing().says("BTC/USD");
}

#[tokio::test]
async fn one_symbol_without_an_answer_is_named_and_the_other_printed() {
    join_all(VENUES.map(|venue| async move {
        let (sim, world) = prepared(venue).await;
        let world = world.with_hosts_apart(venue, &sim);
        let missing = format!("ETH/{}", quote(venue));
        sim.faults().mute_symbols.insert(missing.clone());
        sim.faults().rest_status = Some((429, "{}".into()));
        let market = keep_trading(&sim, &["BTC"], venue);
        let done = world
            .run("monitor ETH BTC -1 -o json --timeout 3s")
            .await
            .exits(3);
        market.abort();
        let records = done.records();
        assert_eq!(records.len(), 1, "{done:#?}");
        assert_eq!(records[0].text("symbol"), format!("BTC/{}", quote(venue)));
        let errors: Vec<_> = done
            .stderr
            .lines()
            .filter(|line| line.contains("error: "))
            .collect();
        let error = format!("tickwire: error: {}:{missing} ticker: ", name(venue));
        assert!(
            errors.len() == 1 && errors[0].starts_with(&error),
            "{done:#?}"
        );
    }))
    .await;
}

#[tokio::test]
async fn one_event_of_each_stream_in_the_order_asked() {
    for venue in VENUES {
        let (sim, world) = prepared(venue).await;
        let last = sim.ledger(&format!("BTC/{}", quote(venue))).pop().unwrap();
        let done = world
            .run("monitor BTC -1 --stream trades,ticker")
            .await
            .exits(0);
        let records = done.records();
        let kinds: Vec<_> = records.iter().map(|record| record.text("type")).collect();
        assert_eq!(kinds, ["trade", "ticker"], "{done:#?}");
        assert_eq!(
            records[0].text("id"),
            last.id.to_string(),
            "{}",
            name(venue)
        );
        assert!(
            same_number(records[0].raw("price"), &last.price),
            "{done:#?}"
        );
        assert!(same_number(records[0].raw("size"), &last.size), "{done:#?}");
    }
}

#[tokio::test]
async fn a_refused_stream_leaves_the_other_one_alone() {
    let (sim, world) = prepared(Venue::Kraken).await;
    sim.faults().rest_delay = Some(NEVER);
    sim.faults().refuse_symbols.insert("ETH/USD".into());
    let done = world.run("monitor ETH BTC -1 --timeout 2s").await.exits(3);
    assert_eq!(done.records().len(), 1, "{done:#?}");
    done.says("kraken:ETH/USD ticker: ");
}

#[tokio::test]
async fn several_providers_answer_at_once() {
    let (kraken, binance) = (start(Venue::Kraken).await, start(Venue::Binance).await);
    let world = World::with(Venue::Kraken, &kraken).and(Venue::Binance, &binance);
    let arguments = "monitor kraken:BTC/USD binance:BTC mock:ETH -1 --field exchange,symbol";
    let done = world.run(arguments).await.exits(0);
    assert_eq!(
        done.lines(),
        ["kraken\tBTC/USD", "binance\tBTC/USDT", "mock\tETH/USD"]
    );
}

#[tokio::test]
async fn a_broken_provider_does_not_keep_the_other_from_being_printed() {
    let (kraken, coinbase) = (start(Venue::Kraken).await, start(Venue::Coinbase).await);
    let world = World::with(Venue::Coinbase, &coinbase).and(Venue::Kraken, &kraken);
    world.run("symbols --all-providers -o plain").await;
    kraken.stop_listening().await;
    let arguments = "monitor kraken:BTC coinbase:BTC -1 --field exchange --timeout 1s";
    let done = world.run(arguments).await.exits(3);
    assert_eq!(done.lines(), ["coinbase"]);
    done.says("kraken:BTC/USD ticker: ");
}

#[tokio::test]
async fn a_list_that_is_not_to_be_had_keeps_no_other_symbol_from_being_printed() {
    let coinbase = start(Venue::Coinbase).await;
    // Kraken's port refuses.
    let world = World::with(Venue::Coinbase, &coinbase);
    let arguments = "monitor coinbase:ETH kraken:BTC/USD mock:BTC kraken:eth coinbase:BTC -1";
    let done = world
        .run(&format!("{arguments} --field exchange,symbol"))
        .await
        .exits(3);
    assert_eq!(
        done.lines(),
        ["coinbase\tETH/USD", "mock\tBTC/USD", "coinbase\tBTC/USD"]
    );
    for symbol in ["BTC/USD", "eth"] {
        let error = format!("error: kraken:{symbol}: no list of what kraken trades: ");
        assert_eq!(done.stderr.matches(&error).count(), 1, "{done:#?}");
    }
    assert!(!done.stderr.contains("hint: "), "{done:#?}");
}

#[tokio::test]
async fn a_list_that_does_not_come_leaves_the_others_their_time() {
    let (kraken, coinbase) = (start(Venue::Kraken).await, start(Venue::Coinbase).await);
    kraken.faults().rest_delay = Some(NEVER);
    let world = World::with(Venue::Coinbase, &coinbase).and(Venue::Kraken, &kraken);
    let arguments = "monitor kraken:BTC/USD coinbase:BTC mock:BTC -1 --field exchange --timeout 4s";
    let done = world.run(arguments).await.exits(3);
    assert_eq!(done.lines(), ["coinbase", "mock"]);
    done.says("error: kraken:BTC/USD: no list of what kraken trades: no answer within 3s");
}

#[tokio::test]
async fn unknown_symbols_are_2_whatever_the_other_lists_say() {
    let coinbase = start(Venue::Coinbase).await;
    let world = World::with(Venue::Coinbase, &coinbase);
    for end in ["-1", "-n 1"] {
        let arguments = format!("monitor mock:NOPE kraken:BTC/USD coinbase:NOPE mock:BTC {end}");
        let done = world.run(&arguments).await.exits(2).prints_nothing();
        done.says("mock has no symbol `NOPE`")
            .says("coinbase has no symbol `NOPE`");
    }
}

#[tokio::test]
async fn trouble_is_told_on_stderr_only() {
    let (sim, world) = prepared(Venue::Coinbase).await;
    sim.faults().rest_delay = Some(Duration::from_millis(400));
    sim.faults().handshake_status = Some(500);
    let done = world
        .run("monitor BTC -1 -o json")
        .await
        .exits(0)
        .says("reconnecting");
    assert_eq!(done.records().len(), 1, "{done:#?}");
    let quiet = world.run("monitor BTC -1 -q -o json").await.exits(0);
    assert_eq!(quiet.stderr, "");
}

#[tokio::test]
async fn a_field_that_was_asked_for_by_name_is_never_left_out_with_exit_0() {
    // Coinbase's REST ticker does not have it, and the socket is not to be had.
    let (sim, world) = prepared(Venue::Coinbase).await;
    sim.faults().handshake_status = Some(503);
    let done = world
        .run("monitor BTC -1 --field symbol,open_24h --timeout 3s")
        .await
        .exits(3);
    assert_eq!(done.stdout, "");
    assert!(done.stderr.contains("coinbase:BTC/USD"), "{done:#?}");
}

#[tokio::test]
async fn a_question_that_failed_once_is_asked_again() {
    for venue in VENUES {
        let (sim, world) = prepared(venue).await;
        sim.faults().handshake_status = Some(503);
        sim.faults().rest_status = Some((500, "{}".into()));
        let before: u64 = sim.counters().rest.values().sum();
        let running = world.spawn("monitor BTC -1 --field price");
        eventually("the question was asked", || {
            sim.counters().rest.values().sum::<u64>() > before
        })
        .await;
        sim.faults().rest_status = None;
        let done = running.end().await.exits(0);
        assert_eq!(done.lines().len(), 1, "{}", name(venue));
    }
}
