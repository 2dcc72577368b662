//! `--fallback`: another provider speaks for a symbol while its own is in trouble.

use std::time::Duration;

use tickwire::sim::{Cut, Listing, Sim, Venue};

use crate::alert_support::{Market, price, prices};
use crate::ledger::{end, state};
use crate::support::{Record, World, eventually, start, start_at_rate};

/// Kraken, which is asked, and one that may stand in for it.
struct Pair {
    primary: Sim,
    other: Sim,
    world: World,
}

impl Pair {
    async fn start(other: Venue) -> Self {
        let primary = start_at_rate(Venue::Kraken, 20.0).await;
        let sim = start_at_rate(other, 20.0).await;
        let world = World::with(Venue::Kraken, &primary)
            .and(other, &sim)
            .env("TICKWIRE_PROVIDER", "kraken")
            .env("TICKWIRE_ENGINE__RECONNECT_MAX_DELAY", "250ms");
        let pair = Self {
            primary,
            other: sim,
            world,
        };
        pair.learn_list().await;
        pair
    }

    /// What the primary trades is known from now on.
    async fn learn_list(&self) {
        self.world.run("symbols -o plain -q").await.exits(0);
    }

    /// The primary refuses everything that is asked of it, for good.
    fn fail(&self) {
        self.primary.faults().handshake_status = Some(451);
        self.primary.faults().rest_status = Some((451, "{}".into()));
    }

    /// Requests and connections that the other one has seen.
    fn asked_of_other(&self) -> u64 {
        self.other.counters().connections
    }
}

/// The exchanges of lines with data.
fn exchanges(printed: &[Record]) -> Vec<String> {
    let data = printed.iter().filter(|record| !record.is("status"));
    data.map(|record| record.text("exchange")).collect()
}

#[tokio::test]
async fn a_stream_goes_on_elsewhere_and_comes_home() {
    let Pair {
        primary,
        other,
        world,
    } = Pair::start(Venue::Coinbase).await;
    let mut running = world.spawn("monitor BTC --fallback coinbase");
    running.until(|record| record.is("ticker")).await;
    primary.stop_listening().await;
    primary.cut_all(Cut::Reset);
    let fallback = state(&mut running, "BTC/USD", "fallback").await;
    assert_eq!(fallback.text("exchange"), "kraken");
    let reason = fallback.text("reason");
    let wanted = "coinbase:BTC/USD stands in: kraken:BTC/USD is reconnecting: ";
    assert!(reason.starts_with(wanted), "{reason}");
    let before_fallback: Vec<_> = running.read.lines().map(Record::parse).collect();
    assert!(
        exchanges(&before_fallback)
            .iter()
            .all(|name| name == "kraken")
    );
    for _ in 0..10 {
        let line = running.until(|record| record.is("ticker")).await;
        assert_eq!(line.text("exchange"), "coinbase");
    }
    primary.resume_listening().await.unwrap();
    let home = state(&mut running, "BTC/USD", "connected").await;
    assert_eq!(home.text("exchange"), "kraken");
    assert_eq!(home.text("reason"), "kraken:BTC/USD is back");
    for _ in 0..20 {
        let line = running.until(|record| record.is("ticker")).await;
        assert_eq!(line.text("exchange"), "kraken");
    }
    eventually("nobody needs the other any more", || {
        other.counters().open_sockets == 0
    })
    .await;
    end(running).await;
}

#[tokio::test]
async fn what_has_failed_for_good_is_not_waited_for_and_the_others_stay() {
    let pair = Pair::start(Venue::Coinbase).await;
    pair.primary
        .faults()
        .refuse_symbols
        .insert("BTC/USD".into());
    let mut running = pair.world.spawn("monitor BTC ETH --fallback coinbase");
    let fallback = state(&mut running, "BTC/USD", "fallback").await;
    assert!(
        fallback.text("reason").contains("is failed: "),
        "{fallback:?}"
    );
    for (exchange, symbol) in [("coinbase", "BTC/USD"), ("kraken", "ETH/USD")] {
        let wanted = |r: &Record| r.is("ticker") && r.text("symbol") == symbol;
        for _ in 0..5 {
            let line = running.until(wanted).await;
            assert_eq!(line.text("exchange"), exchange);
        }
    }
    end(running).await;
}

#[tokio::test]
async fn where_all_has_failed_for_good_who_stands_in_is_waited_for() {
    let pair = Pair::start(Venue::Coinbase).await;
    pair.fail();
    // Its list comes long after the failure.
    pair.other.faults().rest_delay = Some(Duration::from_millis(1_500));
    let mut running = pair.world.spawn("monitor BTC --fallback coinbase");
    state(&mut running, "BTC/USD", "fallback").await;
    let line = running.until(|record| record.is("ticker")).await;
    assert_eq!(line.text("exchange"), "coinbase");
    end(running).await;
}

#[tokio::test]
async fn a_single_answer_comes_from_who_stands_in_and_that_is_told() {
    let pair = Pair::start(Venue::Coinbase).await;
    pair.fail();
    let arguments = "monitor BTC -1 --fallback coinbase --timeout 6s --field exchange,symbol";
    let done = pair.world.run(arguments).await.exits(0);
    assert_eq!(done.lines(), ["coinbase\tBTC/USD"]);
    done.says("kraken:BTC/USD ticker: ")
        .says("; coinbase:BTC/USD instead\n");
    // All is well: nobody else is asked.
    let pair = Pair::start(Venue::Coinbase).await;
    let done = pair.world.run(arguments).await.exits(0);
    assert_eq!(done.lines(), ["kraken\tBTC/USD"]);
    assert_eq!((done.stderr.as_str(), pair.asked_of_other()), ("", 0));
}

#[tokio::test]
async fn the_configuration_can_name_who_stands_in() {
    let mut pair = Pair::start(Venue::Coinbase).await;
    pair.world = pair.world.config("fallback = [\"coinbase\"]\n");
    pair.fail();
    let arguments = "monitor BTC -1 --timeout 4s --field exchange";
    let done = pair.world.run(arguments).await.exits(0);
    assert_eq!(done.lines(), ["coinbase"]);
    // The flag wins.
    let other = format!("{arguments} --fallback mock");
    let done = pair.world.run(&other).await.exits(0);
    assert_eq!(done.lines(), ["mock"]);
    done.says("mock data, not a market");
}

#[tokio::test]
async fn where_several_may_stand_in_the_first_that_answers_does() {
    let pair = Pair::start(Venue::Coinbase).await;
    pair.fail();
    // Binance is at a port that refuses.
    let arguments = "monitor BTC -1 --fallback binance,coinbase --timeout 6s --field exchange";
    let done = pair.world.run(arguments).await.exits(0);
    assert_eq!(done.lines(), ["coinbase"]);
    done.says("binance cannot stand in for BTC: ");
}

#[tokio::test]
async fn a_symbol_that_names_its_provider_stays_there() {
    let pair = Pair::start(Venue::Coinbase).await;
    pair.fail();
    let arguments = "monitor kraken:BTC/USD -1 --fallback coinbase --timeout 2s";
    let done = pair.world.run(arguments).await.exits(3);
    done.prints_nothing().says("kraken:BTC/USD ticker: ");
    assert_eq!(pair.asked_of_other(), 0);
}

#[tokio::test]
async fn a_bare_base_means_the_other_quote_where_that_is_traded_and_a_pair_does_not() {
    let pair = Pair::start(Venue::Binance).await;
    pair.fail();
    let of = |text: &str| {
        format!("monitor {text} -1 --fallback binance --timeout 3s --field exchange,symbol")
    };
    for text in ["BTC", "xbt"] {
        let done = pair.world.run(&of(text)).await.exits(0);
        assert_eq!(done.lines(), ["binance\tBTC/USDT"], "{text}");
    }
    // Dollars and their look-alikes are not the same.
    let done = pair.world.run(&of("BTC/USD")).await.exits(3);
    done.prints_nothing()
        .says("binance cannot stand in for BTC/USD: it is not traded there");
}

#[tokio::test]
async fn what_the_other_does_not_trade_is_told_while_all_is_well_too() {
    let pair = Pair::start(Venue::Coinbase).await;
    pair.primary
        .add_listing(Listing::new("ZED", "USD", "5.00", 2, 8));
    pair.world
        .run("symbols --update -o plain -q")
        .await
        .exits(0);
    let done = pair
        .world
        .run("monitor ZED BTC -n 20 --fallback coinbase")
        .await
        .exits(0);
    assert!(
        exchanges(&done.records())
            .iter()
            .all(|name| name == "kraken")
    );
    done.says("coinbase cannot stand in for ZED: it is not traded there");
}

#[tokio::test]
async fn where_the_list_of_the_first_is_not_to_be_had_the_others_symbols_are_taken() {
    let coinbase = start_at_rate(Venue::Coinbase, 20.0).await;
    let world = World::with(Venue::Coinbase, &coinbase).env("TICKWIRE_PROVIDER", "kraken");
    for end in ["-1", "-n 1"] {
        let arguments = format!("monitor BTC {end} --fallback coinbase --field exchange");
        let done = world.run(&arguments).await.exits(0);
        assert_eq!(done.lines(), ["coinbase"]);
        let done = done.says("no list of what kraken trades: ");
        done.says("; coinbase:BTC/USD instead\n");
    }
    let done = world
        .run("monitor kraken:BTC/USD -1 --fallback coinbase")
        .await;
    done.exits(3).prints_nothing();
}

/// A market at Kraken, another at Coinbase, and a rule over the first.
async fn two_markets(home: &str, away: &str) -> (Market, Sim) {
    let mut market = Market::open(Venue::Kraken, home).await;
    let coinbase = start(Venue::Coinbase).await;
    coinbase.print("BTC/USD", &[away]);
    market.world = market
        .world
        .and(Venue::Coinbase, &coinbase)
        .env("TICKWIRE_PROVIDER", "kraken");
    (market, coinbase)
}

const HIGH: &str = "price > 68000";
const FALLBACK: [&str; 4] = ["--fallback", "coinbase", "--timeout", "3s"];

fn is_down(market: &Market, is_down: bool) {
    market.sim.faults().handshake_status = is_down.then_some(503);
    market.sim.faults().rest_status = is_down.then(|| (500, "{}".into()));
}

#[tokio::test]
async fn a_check_without_memory_is_about_who_stands_in() {
    let (market, _coinbase) = two_markets("67000", "69000").await;
    let arguments = [&["BTC", HIGH, "--once"][..], &FALLBACK].concat();
    market
        .world
        .alert(&arguments)
        .await
        .exits(1)
        .prints_nothing();
    is_down(&market, true);
    let done = market.world.alert(&arguments).await.exits(0);
    assert_eq!(done.records()[0].text("exchange"), "coinbase", "{done:#?}");
    assert_eq!(prices(&done), ["69000"]);
    done.says("; coinbase:BTC/USD instead\n");
    let pinned = [&["kraken:BTC/USD", HIGH, "--once"][..], &FALLBACK].concat();
    market.world.alert(&pinned).await.exits(3).prints_nothing();
}

#[tokio::test]
async fn what_fired_elsewhere_does_not_fire_again_at_home() {
    let (market, coinbase) = two_markets("67000", "67000").await;
    market.check(HIGH, &FALLBACK).await.exits(1);
    is_down(&market, true);
    market
        .check(HIGH, &FALLBACK)
        .await
        .exits(1)
        .prints_nothing();
    // The whole market rises while the first is away.
    market.print(&["69000"]);
    coinbase.print("BTC/USD", &["69000"]);
    let fired = market.check(HIGH, &FALLBACK).await.exits(0);
    assert_eq!(fired.records()[0].text("exchange"), "coinbase");
    market
        .check(HIGH, &FALLBACK)
        .await
        .exits(1)
        .prints_nothing();
    is_down(&market, false);
    market
        .check(HIGH, &FALLBACK)
        .await
        .exits(1)
        .prints_nothing();
    // Its memory is one: what falls and rises at home fires at home.
    market.print(&["67000", "69500"]);
    let fired = market.check(HIGH, &FALLBACK).await.exits(0);
    assert_eq!(fired.records()[0].text("exchange"), "kraken");
    assert_eq!(prices(&fired), ["69500"]);
}

#[tokio::test]
async fn a_watch_fires_through_who_stands_in_and_names_it() {
    let (market, coinbase) = two_markets("67000", "67000").await;
    market.sim.faults().refuse_symbols.insert("BTC/USD".into());
    for name in [&[][..], &["--name", "rule"]] {
        let arguments = [&["BTC", HIGH, "--fallback", "coinbase"][..], name].concat();
        let before = coinbase.counters().subscribes;
        let mut running = market.watching(&arguments).await;
        eventually("it watches there", || {
            coinbase.counters().subscribes > before
        })
        .await;
        coinbase.print("BTC/USD", &["67001", "69000", "67002"]);
        let fired = running.record().await;
        assert_eq!(fired.text("exchange"), "coinbase", "{name:?}");
        assert_eq!(price(&fired), "69000", "{name:?}");
        running.signal("TERM").await;
        running.end().await.exits(0);
    }
}
