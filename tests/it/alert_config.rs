//! `alert` with the rules of the configuration.

use tickwire::sim::{Listing, Sim, Venue};

use crate::alert_support::{Market, Receiver, lines_of, rules, store};
use crate::support::{World, start};

async fn ten_markets() -> (Sim, World) {
    let sim = start(Venue::Kraken).await;
    for n in 0..10 {
        sim.add_listing(Listing::new(&format!("COIN{n}"), "USD", "5.10", 2, 8));
        sim.print(&format!("COIN{n}/USD"), &["5.10"]);
    }
    let world = World::with(Venue::Kraken, &sim);
    world.run("symbols -o plain -q").await.exits(0);
    (sim, world)
}

#[tokio::test]
async fn fifty_rules_over_ten_symbols_are_checked_in_one_run() {
    let (sim, world) = ten_markets().await;
    let world = world.config(&rules(50, |i| {
        let limit = if i < 25 { "5" } else { "6" };
        format!(
            "symbols = [\"COIN{}\"]\ncondition = \"price > {limit}\"",
            i % 10
        )
    }));
    let done = world.alert(&["--once"]).await.exits(0);
    let mut names: Vec<_> = done.records().iter().map(|r| r.text("name")).collect();
    names.sort();
    names.dedup();
    assert_eq!((done.lines().len(), names.len()), (25, 25));
    assert_eq!(done.stderr, "");
    // Kraken tells many tickers in one answer.
    let asked = sim.counters().rest.get("/0/public/Ticker").copied();
    assert_eq!(asked, Some(1), "{:?}", sim.counters().rest);
    // Trades of ten pairs are ten questions, at Kraken's pace.
    let again = world.alert(&["--once", "--timeout", "25s"]).await;
    again.exits(1).prints_nothing();
    assert!(sim.counters().rule_violations.is_empty());
    assert_eq!(store(&world).list().unwrap().len(), 50);
    let one = world
        .alert(&["--once", "--name", "rule 7", "--dry-run"])
        .await;
    one.exits(1);
}

#[tokio::test]
async fn a_name_picks_one_rule() {
    let mut market = Market::open(Venue::Kraken, "67000").await;
    let keys = |i| {
        format!(
            "symbols = [\"BTC\"]\ncondition = \"price > {}\"",
            60_000 + i
        )
    };
    market.world = market.world.config(&rules(3, keys));
    let done = market
        .world
        .alert(&["--once", "--name", "rule 1"])
        .await
        .exits(0);
    assert_eq!(done.records()[0].text("name"), "rule 1");
    assert_eq!(done.lines().len(), 1);
    market
        .world
        .alert(&["--once", "--name", "rule 1"])
        .await
        .exits(1);
    let done = market
        .world
        .alert(&["--once", "--name", "rule one"])
        .await
        .exits(2);
    done.prints_nothing().says("rule one").says("rule 1");
    assert_eq!(
        market.world.alert(&["--once"]).await.exits(0).lines().len(),
        2
    );
}

#[tokio::test]
async fn every_wrong_rule_is_named() {
    let mut market = Market::open(Venue::Kraken, "67000").await;
    let conditions = [
        "price > 1",
        "price >",
        "price",
        "prise > 1",
        "rsi(14, 7m) < 30",
    ];
    let keys = |i: usize| format!("symbols = [\"BTC\"]\ncondition = \"{}\"", conditions[i]);
    market.world = market.world.config(&rules(conditions.len(), keys));
    let mut done = market
        .world
        .alert(&["--once"])
        .await
        .exits(2)
        .prints_nothing();
    for i in 1..conditions.len() {
        done = done.says(&format!("rule {i}"));
    }
    assert!(!done.stderr.contains("rule 0"), "{done:#?}");
    let asked = market.sim.counters().rest.get("/0/public/Ticker").copied();
    assert_eq!(asked, None);
}

#[tokio::test]
async fn a_symbol_that_one_rule_cannot_have_is_named_with_its_rule() {
    let mut market = Market::open(Venue::Kraken, "67000").await;
    let symbols = ["BTC", "NOPE"];
    let keys = |i: usize| format!("symbols = [\"{}\"]\ncondition = \"price > 1\"", symbols[i]);
    market.world = market.world.config(&rules(2, keys));
    let done = market.world.alert(&["--once"]).await.exits(2);
    done.prints_nothing().says("rule 1").says("NOPE");
}

#[tokio::test]
async fn one_provider_that_is_down_leaves_the_other_rules_alone() {
    let mut market = Market::open(Venue::Kraken, "67000").await;
    let coinbase = start(Venue::Coinbase).await;
    market.world = market
        .world
        .and(Venue::Coinbase, &coinbase)
        .env("TICKWIRE_PROVIDER", "kraken");
    market
        .world
        .run("symbols -o plain -q -p coinbase")
        .await
        .exits(0);
    coinbase.stop_listening().await;
    let keys = |i: usize| {
        let provider = ["kraken", "coinbase"][i];
        format!("provider = \"{provider}\"\nsymbols = [\"BTC\"]\ncondition = \"price > 1\"")
    };
    market.world = market.world.config(&rules(2, keys));
    let flags = ["--once", "--timeout", "3s"];
    let done = market.world.alert(&flags).await.exits(0);
    assert_eq!(done.records()[0].text("name"), "rule 0");
    done.says("rule 1").says("coinbase");
    market
        .world
        .alert(&flags)
        .await
        .exits(3)
        .prints_nothing()
        .says("rule 1");
}

#[tokio::test]
async fn a_list_of_symbols_that_one_provider_does_not_give_leaves_the_other_rules_alone() {
    let mut market = Market::open(Venue::Kraken, "67000").await;
    let keys = |i: usize| {
        let provider = ["kraken", "coinbase"][i];
        format!("provider = \"{provider}\"\nsymbols = [\"BTC\"]\ncondition = \"price > 1\"")
    };
    market.world = market.world.config(&rules(2, keys));
    let done = market
        .world
        .alert(&["--once", "--timeout", "3s"])
        .await
        .exits(0);
    assert_eq!(done.records()[0].text("name"), "rule 0");
    done.says("rule 1").says("coinbase");
}

#[tokio::test]
async fn all_keys_of_a_rule_count() {
    let mut market = Market::open(Venue::Kraken, "67000").await;
    let receiver = Receiver::start().await;
    let file = market.world.path("notified");
    let keys = format!(
        "symbols = [\"BTC\"]\ncondition = \"price > 68000\"\nmessage = \"high\"\nhysteresis = \"1%\"\n\
         max_fires = \"2/1d\"\nexec = [\"sh\", \"-c\", 'echo \"$TICKWIRE_MESSAGE\" >> \"$0\"', \"{}\"]\nwebhook = \"{}\"",
        file.display(),
        receiver.url("hook"),
    );
    market.world = market.world.config(&rules(1, |_| keys.clone()));
    market.world.alert(&["--once"]).await.exits(1);
    market.print(&[
        "69000", "67900", "69000", "67000", "69000", "67000", "69000",
    ]);
    let done = market.world.alert(&["--once"]).await.exits(0);
    assert_eq!(done.lines().len(), 2, "{done:#?}");
    assert_eq!(lines_of(&file), ["high", "high"]);
    assert_eq!(receiver.posts().len(), 2);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_matters_only_where_it_is_needed() {
    let mut market = Market::open(Venue::Kraken, "69000").await;
    let missing = market.world.path("no-such-secret");
    market.world = market.world.config(&format!(
        "[actions.chat]\nwebhook_file = \"{}\"\n\
         [[alert]]\nname = \"loud\"\nsymbols = [\"BTC\"]\ncondition = \"price > 68000\"\nwebhook = \"chat\"\n",
        missing.display()
    ));
    market
        .world
        .alert(&["BTC", "price > 68000", "--once"])
        .await
        .exits(0);
    market.world.run("alert --list").await.exits(0);
    let done = market.world.alert(&["--once"]).await.exits(2);
    done.prints_nothing().says("no-such-secret");
    let receiver = Receiver::start().await;
    std::fs::write(&missing, format!("{}\n", receiver.url("hook"))).unwrap();
    market.world.alert(&["--once"]).await.exits(0);
    assert_eq!(receiver.posts().len(), 1);
}

#[tokio::test]
async fn all_rules_are_watched_by_one_run() {
    let mut market = Market::open(Venue::Kraken, "67000").await;
    market.print_of("ETH/USD", &["3000"]);
    let keys = |i: usize| {
        let (symbol, limit) = [("BTC", 68_000), ("ETH", 3_100)][i];
        format!("symbols = [\"{symbol}\"]\ncondition = \"price > {limit}\"")
    };
    market.world = market.world.config(&rules(2, keys));
    let mut running = market.world.spawn("alert -n 2");
    let watching = || market.sim.counters().open_sockets > 0;
    crate::support::eventually("it watches", watching).await;
    market.print_of("ETH/USD", &["3200"]);
    assert_eq!(running.record().await.text("name"), "rule 1");
    market.print(&["69000"]);
    assert_eq!(running.record().await.text("name"), "rule 0");
    running.end().await.exits(0);
    market.world.alert(&["--once"]).await.exits(1);
}
