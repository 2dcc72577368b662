//! `--where` and computed columns of `monitor`.

use std::time::Duration;

use tickwire::model::{Decimal, parse_decimal};
use tickwire::sim::{Cut, Venue};

use crate::support::{Done, Record, Running, World, eventually, finish, start};

/// The same bytes each time.
const CONFIG: &str =
    "[providers.mock]\nstart = \"2026-01-01T00:00:00Z\"\nseed = 7\nrate = \"max\"\n";

fn mock() -> World {
    World::new().config(CONFIG)
}

/// `arguments` are separated by spaces, each of `more` is one.
async fn run(world: &World, arguments: &str, more: &[&str]) -> Done {
    let mut command = world.command(arguments);
    command.args(more);
    finish(command).await
}

fn decimal(text: &str) -> Decimal {
    parse_decimal(text).unwrap()
}

fn price(record: &Record) -> Decimal {
    decimal(record.raw("price"))
}

#[tokio::test]
async fn only_events_for_which_it_holds_are_printed_and_counted() {
    let world = mock();
    let stream = "monitor BTC -p mock --stream trades -o json";
    let all = run(&world, &format!("{stream} -n 2000"), &[])
        .await
        .exits(0);
    let limit = price(&all.records()[0]);
    let expected: Vec<_> = all
        .lines()
        .into_iter()
        .filter(|line| {
            let record = Record::parse(line);
            record.text("side") == "buy" && price(&record) > limit
        })
        .take(50)
        .collect();
    assert_eq!(
        expected.len(),
        50,
        "the invented market goes up now and then"
    );
    let condition = format!("side == buy and price > {limit}");
    let some = run(&world, &format!("{stream} -n 50"), &["--where", &condition])
        .await
        .exits(0);
    assert_eq!(some.lines(), expected);
}

#[tokio::test]
async fn what_is_unknown_is_not_printed() {
    let world = mock();
    // Tickers and trades: only a trade has a side, so for a ticker the condition is unknown.
    let arguments = "monitor BTC -p mock --stream ticker,trades -o json -n 40";
    for condition in ["side == buy", "not side == sell"] {
        let done = run(&world, arguments, &["--where", condition])
            .await
            .exits(0);
        assert_eq!(done.records().len(), 40);
        assert!(
            done.records()
                .iter()
                .all(|r| r.is("trade") && r.text("side") == "buy")
        );
    }
    let either = "side == buy or type == 'ticker'";
    let done = run(&world, arguments, &["--where", either]).await.exits(0);
    let kinds = |kind: &str| done.records().iter().filter(|r| r.is(kind)).count();
    assert!(kinds("ticker") > 0 && kinds("trade") > 0, "{done:#?}");
}

#[tokio::test]
async fn computed_columns_stand_beside_fields_in_every_form() {
    let world = mock();
    let fields = [
        "--field",
        "symbol, price, max(price, 1) * 2,price>1",
        "--field",
        "1/0",
    ];
    let of = |form: &'static str| {
        let arguments = format!("monitor BTC -p mock --stream trades -n 1 -o {form}");
        let world = &world;
        async move { run(world, &arguments, &fields).await.exits(0).stdout }
    };
    assert_eq!(
        of("json").await,
        "{\"symbol\":\"BTC/USD\",\"price\":95833.54,\"max(price, 1) * 2\":191667.08,\"price>1\":true,\"1/0\":null}\n"
    );
    assert_eq!(of("plain").await, "BTC/USD\t95833.54\t191667.08\ttrue\t\n");
    assert_eq!(
        of("csv").await,
        "symbol,price,\"max(price, 1) * 2\",price>1,1/0\nBTC/USD,95833.54,191667.08,true,\n"
    );
}

#[tokio::test]
async fn another_market_is_read_but_never_shown() {
    let world = mock();
    let both = run(&world, "monitor BTC ETH -p mock -o json -n 200", &[])
        .await
        .exits(0);
    // Each line of BTC with the latest of ETH before it.
    let (mut eth, mut expected) = (None, Vec::new());
    for record in both.records() {
        if record.text("symbol") == "ETH/USD" {
            eth = Some(price(&record));
            continue;
        }
        let difference = eth.map(|eth| (price(&record) - eth).to_string());
        expected.push(format!(
            "{}\t{}",
            record.raw("price"),
            difference.unwrap_or_default()
        ));
    }
    let field = ["--field", "price,price - ETH/USD.price"];
    let done = run(&world, "monitor BTC -p mock -n 80", &field)
        .await
        .exits(0);
    assert_eq!(done.lines(), expected[..80]);
    assert!(expected[79].split('\t').all(|cell| !cell.is_empty()));
    // The same with the name of its provider, and as a condition; its own events are still not shown.
    let condition = [
        "--where",
        "price - mock:ETH/USD.price > 1",
        "--field",
        "symbol",
    ];
    let done = run(&world, "monitor BTC -p mock -n 20", &condition)
        .await
        .exits(0);
    assert_eq!(done.lines(), ["BTC/USD"; 20]);
}

#[tokio::test]
async fn nothing_is_known_of_another_market_while_its_connection_is_lost() {
    let (kraken, binance) = (start(Venue::Kraken).await, start(Venue::Binance).await);
    let world = World::with(Venue::Binance, &binance).and(Venue::Kraken, &kraken);
    let mut command = world.command("monitor BTC --stream trades");
    command.args(["--field", "price, binance:BTC/USDT.price > 0"]);
    let mut running = Running::new(command.spawn().unwrap());
    let market = tokio::spawn({
        let (kraken, binance) = (kraken.clone(), binance.clone());
        async move {
            loop {
                kraken.trade("BTC/USD", 1);
                binance.trade("BTC/USDT", 1);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let mut until = async |known: bool| loop {
        let line = running.next_line().await.expect("one more line");
        if line.ends_with("\ttrue") == known {
            return line;
        }
    };
    until(true).await;
    binance.faults().handshake_status = Some(503);
    binance.cut_all(Cut::Reset);
    let line = until(false).await;
    assert!(line.ends_with('\t'), "{line:?}");
    binance.faults().handshake_status = None;
    until(true).await;
    market.abort();
    running.signal("TERM").await;
    running.end().await.exits(0).says("binance reconnecting");
}

#[tokio::test]
async fn a_wrong_expression_is_refused_before_anything_is_asked() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for (flag, text, error) in [
        (
            "--where",
            "price > and 3",
            "tickwire: error: --where: `price > and 3`: column 9: expected a value, found `and`\n  price > and 3\n          ^^^\n",
        ),
        (
            "--where",
            "prise > 3",
            "tickwire: error: --where: `prise > 3`: column 1: no field `prise`\n  prise > 3\n  ^^^^^\nhint: did you mean `price`?\n",
        ),
        (
            "--where",
            "side == buy",
            "tickwire: error: --where: ticker has no `side`\nhint: --stream trades has it\n",
        ),
        (
            "--field",
            "symbol,price *",
            "tickwire: error: --field: `price *`: column 8: expected a value, found the end\n  price *\n         ^\n",
        ),
        (
            "--field",
            "rsi(14, 7m)",
            "tickwire: error: --field: `rsi(14, 7m)`: column 9: `7m` is no interval\n  rsi(14, 7m)\n          ^^\nhint: there are 1s 5s 15s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 1w\n",
        ),
    ] {
        let done = run(&world, "monitor BTC", &[flag, text])
            .await
            .exits(2)
            .prints_nothing();
        assert_eq!(done.stderr, error);
    }
    let done = run(&world, "monitor BTC", &["--where", "price"])
        .await
        .exits(2);
    done.says("column 1: a number, not a yes/no").says("quote");
    assert_eq!(sim.counters().rest.values().sum::<u64>(), 0);
}

#[tokio::test]
async fn a_market_that_does_not_exist_is_a_wrong_request() {
    let field = ["--field", "price / NOSUCH/USD.price"];
    for once in ["", "-1"] {
        let done = run(&mock(), &format!("monitor BTC -p mock {once}"), &field).await;
        done.exits(2).prints_nothing().says("NOSUCH/USD");
    }
}

#[tokio::test]
async fn one_answer_waits_for_the_other_market_too() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    let (btc, eth) = (sim.trade("BTC/USD", 1), sim.trade("ETH/USD", 1));
    let field = ["--field", "price - ETH/USD.price"];
    let done = run(&world, "monitor BTC -1", &field).await.exits(0);
    let expected = decimal(&btc[0].price) - decimal(&eth[0].price);
    assert_eq!(decimal(done.stdout.trim_end()), expected);
    assert_eq!(done.stderr, "");
}

#[tokio::test]
async fn one_answer_without_the_other_market_is_none() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    world.run("symbols -o plain").await.exits(0);
    sim.faults().refuse_symbols.insert("ETH/USD".into());
    sim.faults().rest_status = Some((500, "{}".into()));
    let field = ["--field", "price - ETH/USD.price"];
    let done = run(&world, "monitor BTC -1 --timeout 2s", &field).await;
    done.exits(3).prints_nothing().says("kraken:ETH/USD ticker");
}

#[tokio::test]
async fn one_answer_is_the_first_that_passes() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    let first = decimal(&sim.trade("BTC/USD", 1)[0].price);
    let condition = format!("price != {first}");
    let mut command = world.command("monitor BTC -1 -o json --timeout 25s");
    command.args(["--where", &condition]);
    let ended = tokio::spawn(finish(command));
    let market = tokio::spawn({
        let sim = sim.clone();
        async move {
            eventually("a connection", || sim.counters().subscribes > 0).await;
            loop {
                sim.trade("BTC/USD", 1);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let done = ended.await.unwrap().exits(0);
    market.abort();
    assert_eq!(done.lines().len(), 1);
    assert_ne!(price(&done.records()[0]), first);
}

#[tokio::test]
async fn one_answer_that_never_passes_is_not_known() {
    let condition = ["--where", "price < 0"];
    let done = run(&mock(), "monitor BTC -p mock -1 --timeout 1s", &condition).await;
    done.exits(3)
        .prints_nothing()
        .says("mock:BTC/USD ticker: no event passed --where");
}

#[tokio::test]
async fn a_table_has_the_rows_that_pass() {
    let condition = ["--where", "symbol != 'ETH/USD'"];
    let done = run(
        &mock(),
        "monitor BTC ETH -p mock -1 -o table --timeout 1s",
        &condition,
    )
    .await;
    let done = done
        .exits(3)
        .says("mock:ETH/USD ticker: no event passed --where");
    let prices = |symbol: &str| {
        let row = done
            .lines()
            .into_iter()
            .find(|line| line.contains(symbol))
            .map(str::to_owned);
        row.is_some_and(|row| row.contains(|c: char| c.is_ascii_digit()))
    };
    assert!(prices("BTC/USD") && !prices("ETH/USD"), "{done:#?}");
}

#[tokio::test]
async fn a_time_without_passing_events_ends_well() {
    let condition = ["--where", "price < 0"];
    let done = run(&mock(), "monitor BTC -p mock -d 1s", &condition).await;
    done.exits(0).prints_nothing();
}
