//! Wrong requests: exit 2 before anything is connected, one line that says what, a hint that says how.

use std::process::Stdio;

use tickwire::sim::{Listing, Sim, SimConfig, Status, Venue};
use tokio::io::AsyncWriteExt;

use crate::support::{Done, Running, World, list_requests, start};

/// An error of one line, then this hint.
#[track_caller]
fn refused(done: Done, error: &str, hint: &str) {
    let done = done.exits(2).prints_nothing();
    let expected = format!("tickwire: error: {error}\nhint: {hint}");
    assert!(done.stderr.starts_with(&expected), "{done:#?}");
}

#[tokio::test]
async fn wrong_flags_and_values_are_refused_with_a_hint() {
    let world = World::new();
    for (arguments, error, hint) in [
        ("", "no command given", "tickwire monitor BTC ETH"),
        ("monitor", "no symbol given", "tickwire monitor BTC ETH"),
        (
            "monitor -s ,",
            "a symbol is empty",
            "tickwire monitor BTC ETH",
        ),
        (
            "moniter BTC",
            "unrecognized subcommand 'moniter'",
            "a similar subcommand exists: 'monitor'",
        ),
        (
            "monitor BTC --ouptut json",
            "unexpected argument '--ouptut' found",
            "a similar argument exists: '--output'",
        ),
        (
            "monitor BTC -o yaml",
            "invalid value 'yaml' for '--output <FORMAT>'",
            "tickwire monitor --help",
        ),
        (
            "monitor BTC -n 0",
            "invalid value '0' for '--count <N>'",
            "tickwire monitor --help",
        ),
        (
            "monitor BTC -d soon",
            "invalid value 'soon' for '--duration <DUR>'",
            "tickwire monitor --help",
        ),
        (
            "monitor BTC -x",
            "unexpected argument '-x' found",
            "tickwire monitor --help",
        ),
        (
            "symbols --nonsense",
            "unexpected argument '--nonsense' found",
            "tickwire symbols --help",
        ),
        ("monitor BTC --timeout -1s", "", ""),
        (
            "monitor BTC --stream tikcer",
            "--stream: no stream `tikcer`",
            "ticker, trades",
        ),
        (
            "monitor BTC --field prise",
            "--field: no field `prise`",
            "did you mean price?",
        ),
        (
            "monitor BTC -o csv --stream ticker,trades",
            "csv takes one stream only",
            "--stream ticker, or -o json",
        ),
        (
            "monitor BTC -1 -o table --field price",
            "--field makes lines, no table",
            "-o plain, json or csv",
        ),
        ("symbols --resolve BTC --base BTC", "", ""),
        (
            "monitor BTC --proxy ftp://proxy:21",
            "--proxy: `ftp://proxy` is not a proxy",
            "",
        ),
    ] {
        let done = world.run(&format!("{arguments} -p mock")).await;
        let done = if arguments.is_empty() {
            world.run("").await
        } else {
            done
        };
        let done = done.exits(2).prints_nothing();
        let mut lines = done.stderr.lines();
        let (first, second) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
        assert!(
            first.starts_with(&format!("tickwire: error: {error}")),
            "{arguments}: {done:#?}"
        );
        assert!(
            hint.is_empty() || second.starts_with(&format!("hint: {hint}")),
            "{arguments}: {done:#?}"
        );
        assert_eq!(lines.next(), None, "{arguments}: {done:#?}");
    }
}

#[tokio::test]
async fn what_is_to_come_is_told_in_one_clear_line() {
    let world = World::new();
    let done = world.run("monitor BTC --stream book").await;
    refused(
        done,
        "--stream: `book` is not available yet",
        "ticker, trades, candles\n",
    );
}

#[tokio::test]
async fn symbols_that_are_not_utf_8_are_a_wrong_request() {
    let mut command = World::new().command("monitor - -p mock -1");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"BTC\n\xff\xfe\n").await.unwrap();
    drop(stdin);
    let done = Running::new(child).end().await;
    refused(done, "stdin: the symbols are not UTF-8", "one symbol per");
}

#[tokio::test]
async fn help_and_version_are_data() {
    let world = World::new();
    for (arguments, part) in [
        ("--help", "Exit codes:"),
        ("monitor --help", "--stream <STREAMS>"),
        ("symbols -h", "--resolve"),
        ("--version", env!("CARGO_PKG_VERSION")),
        ("--generate bash", "_tickwire"),
        ("--generate man", ".TH tickwire"),
    ] {
        let done = world.run(arguments).await.exits(0);
        assert!(done.stdout.contains(part), "{arguments}: {done:#?}");
        assert_eq!(done.stderr, "", "{arguments}");
    }
}

#[tokio::test]
async fn an_unknown_provider_brings_the_nearest() {
    let world = World::new();
    let there_are = "There are kraken, binance, coinbase, mock";
    for arguments in [
        "monitor BTC -p krakn",
        "symbols -p krakn",
        "monitor krakn:BTC -p mock",
    ] {
        let hint = format!("did you mean kraken? {there_are}\n");
        refused(world.run(arguments).await, "no provider `krakn`", &hint);
    }
    let hint = "there are kraken, binance, coinbase, mock\n";
    refused(
        world.run("monitor BTC -p bitstamp").await,
        "no provider `bitstamp`",
        hint,
    );
    let world = world.env("TICKWIRE_PROVIDER", "binanc");
    let hint = format!("did you mean binance? {there_are}\n");
    refused(
        world.run("monitor BTC").await,
        "no provider `binanc`",
        &hint,
    );
}

#[tokio::test]
async fn the_case_of_a_provider_does_not_matter() {
    let world = World::new();
    for arguments in ["-p Mock BTC", "MOCK:btc", "-p MOCK mock:BTC"] {
        let done = world
            .run(&format!("monitor {arguments} -1 --field symbol"))
            .await;
        assert_eq!(done.exits(0).stdout, "BTC/USD\n", "{arguments}");
    }
}

#[tokio::test]
async fn an_unknown_symbol_refreshes_the_list_once_and_brings_the_nearest() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    world.run("monitor BTC -1 --field symbol").await.exits(0);
    assert_eq!(list_requests(&sim, Venue::Kraken), 1);
    let hint = "did you mean BTC/USD, LTC/USD? tickwire symbols -p kraken lists them\n";
    refused(
        world.run("monitor BTC/UDS").await,
        "kraken has no symbol `BTC/UDS`",
        hint,
    );
    assert_eq!(list_requests(&sim, Venue::Kraken), 2);
    assert_eq!(
        sim.counters().upgrades,
        1,
        "nothing is connected for a wrong symbol"
    );
}

#[tokio::test]
async fn every_unknown_symbol_is_named_and_costs_one_refresh_together() {
    let sim = start(Venue::Binance).await;
    let world = World::with(Venue::Binance, &sim);
    let done = world
        .run("monitor NOPE1 BTC NOPE2 -1")
        .await
        .exits(2)
        .prints_nothing();
    let done = done.says("binance has no symbol `NOPE1`");
    done.says("binance has no symbol `NOPE2`");
    assert_eq!(list_requests(&sim, Venue::Binance), 1);
}

#[tokio::test]
async fn a_symbol_that_was_listed_since_is_found_by_the_refresh() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    world.run("monitor BTC -1 --field symbol").await.exits(0);
    sim.add_listing(Listing::new("PEPE", "USD", "0.00001234", 8, 2));
    sim.trade("PEPE/USD", 1);
    let done = world.run("monitor PEPE -1 --field symbol").await.exits(0);
    assert_eq!(done.stdout, "PEPE/USD\n");
    assert_eq!(list_requests(&sim, Venue::Kraken), 2);
}

#[tokio::test]
async fn an_ambiguous_symbol_names_both() {
    // `ABCD` can be split in two ways.
    let sim = Sim::start(SimConfig {
        listings: vec![
            Listing::new("AB", "CDE", "1.00", 2, 2),
            Listing::new("ABC", "DE", "1.00", 2, 2),
        ],
        ..SimConfig::new(Venue::Coinbase)
    });
    let sim = sim.await.unwrap();
    let world = World::with(Venue::Coinbase, &sim);
    let error = "`abcde` can mean AB/CDE or ABC/DE at coinbase";
    refused(
        world.run("monitor abcde").await,
        error,
        "write it as BASE/QUOTE\n",
    );
    let done = world.run("monitor abc-de -1 --field symbol").await.exits(0);
    assert_eq!(done.stdout, "ABC/DE\n");
}

#[tokio::test]
async fn every_spelling_of_a_kraken_symbol_means_the_same() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for (spellings, symbol) in [
        (
            "BTC btc xbt BTC/USD btc-usd BTC_USD BTCUSD XBT/USD XBTUSD XXBTZUSD kraken:BTC/USD",
            "BTC/USD",
        ),
        ("DOGE xdg XDG/USD XDGUSD DOGEUSD doge/usd", "DOGE/USD"),
        ("ETH/BTC ETHXBT XETHXXBT eth-xbt", "ETH/BTC"),
    ] {
        let done = world
            .run(&format!("monitor {spellings} -1 --field symbol"))
            .await
            .exits(0);
        assert_eq!(done.stdout, format!("{symbol}\n"), "{spellings}");
    }
    assert_eq!(list_requests(&sim, Venue::Kraken), 1);
}

#[tokio::test]
async fn symbols_come_from_arguments_lists_and_stdin_in_their_order() {
    let world = World::new();
    let input = "# what to watch\nSOL\n\n  ada-usd  # a comment\n";
    let arguments = "monitor DOGE - -s BTC,ETH -p mock -1 --field symbol";
    let done = world.run_with_input(arguments, input).await.exits(0);
    assert_eq!(
        done.lines(),
        ["DOGE/USD", "SOL/USD", "ADA/USD", "BTC/USD", "ETH/USD"]
    );
    let done = world
        .run_with_input("monitor - -p mock -1", "# nothing\n")
        .await;
    refused(done, "no symbol given", "tickwire monitor BTC ETH\n");
}

#[tokio::test]
async fn a_market_that_does_not_trade_is_announced() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    let done = world.run("monitor LTC BTC -1 --field symbol").await;
    let done = done
        .exits(0)
        .says("tickwire: LTC/USD is restricted at kraken (cancel_only)\n");
    assert_eq!(done.lines(), ["LTC/USD", "BTC/USD"]);
    sim.set_status("LTC/USD", Status::Trading);
    let done = world.run("symbols LTC --update -o csv").await.exits(0);
    assert!(done.stdout.contains("trading"), "{done:#?}");
}

#[tokio::test]
async fn errors_are_json_objects_where_asked() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for (arguments, code) in [
        ("monitor NOPE --log-format json", "unknown_symbol"),
        ("monitor BTC -p nope --log-format=json", "unknown_provider"),
        ("--log-format json monitor BTC --nope", "usage"),
        (
            "monitor BTC --field nope --log-format json",
            "unknown_field",
        ),
    ] {
        let done = world.run(arguments).await.exits(2).prints_nothing();
        let error: serde_json::Value = serde_json::from_str(done.stderr.trim_end()).unwrap();
        assert_eq!(error["level"], "error", "{done:#?}");
        assert_eq!(error["code"], code, "{done:#?}");
        assert_eq!(error["retryable"], false, "{done:#?}");
        assert!(
            error["message"].is_string() && error["hint"].is_string(),
            "{done:#?}"
        );
    }
}
