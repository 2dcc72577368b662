//! What a line looks like: names, order, types, digits, and that nothing else is on stdout.

use std::process::Stdio;
use std::time::Duration;

use tickwire::sim::{Sim, Venue};

use crate::exactness::equals;
use crate::support::{
    Done, Record, VENUES, World, finish, name, quote, same_number, start, start_at_rate,
};

const TICKER: [&str; 18] = [
    "type",
    "exchange",
    "symbol",
    "price",
    "bid",
    "bid_size",
    "ask",
    "ask_size",
    "spread",
    "open_24h",
    "high_24h",
    "low_24h",
    "volume_24h",
    "quote_volume_24h",
    "change_24h",
    "change_percent_24h",
    "timestamp",
    "received_at",
];
const TRADE: [&str; 10] = [
    "type",
    "exchange",
    "symbol",
    "id",
    "price",
    "size",
    "side",
    "timestamp",
    "received_at",
    "origin",
];

/// A number as JSON has it, without an exponent, without leading zeros.
fn is_plain_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    all_digits(whole) && all_digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

fn is_time(raw: &str) -> bool {
    let text = raw.trim_matches('"');
    raw.starts_with('"')
        && text.len() == "2026-11-21T00:00:00.000000Z".len()
        && text.ends_with('Z')
        && text.parse::<jiff::Timestamp>().is_ok()
}

/// In units of 10⁻¹², exactly.
fn units(raw: &str) -> i128 {
    let (sign, digits) = raw
        .strip_prefix('-')
        .map_or((1, raw), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let padded = format!("{whole}{fraction:0<12}");
    sign * padded.parse::<i128>().unwrap()
}

/// Two trades of which the program sees at least the second, so that Binance tells a ticker, too.
async fn stream(sim: &Sim, world: &World, arguments: &str, symbol: String) -> Done {
    let running = world.spawn(arguments);
    let market = tokio::spawn({
        let sim = sim.clone();
        async move {
            loop {
                sim.trade(&symbol, 1);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let done = running.end().await;
    market.abort();
    done
}

#[tokio::test]
async fn tickers_have_the_documented_fields_types_and_sums() {
    for venue in VENUES {
        let sim = start(venue).await;
        let world = World::with(venue, &sim);
        let symbol = format!("BTC/{}", quote(venue));
        let done = stream(&sim, &world, "monitor BTC -n 5", symbol.clone())
            .await
            .exits(0);
        for line in done.lines() {
            assert!(line.starts_with(&format!(
                "{{\"type\":\"ticker\",\"exchange\":\"{}\",\"symbol\":\"{symbol}\",\"price\":",
                name(venue)
            )));
            assert!(!line.contains(' '), "{line}");
        }
        for ticker in done.records() {
            assert_eq!(ticker.keys(), TICKER);
            for field in &TICKER[3..16] {
                let raw = ticker.raw(field);
                // The only number that some exchanges do not send on their sockets.
                let may_lack = *field == "quote_volume_24h" && venue != Venue::Binance;
                assert!(
                    is_plain_number(raw) || may_lack && raw == "null",
                    "{field}: {ticker:?}"
                );
            }
            assert!(
                is_time(ticker.raw("timestamp")) && is_time(ticker.raw("received_at")),
                "{ticker:?}"
            );
            let of = |field| units(ticker.raw(field));
            assert_eq!(of("spread"), of("ask") - of("bid"), "{ticker:?}");
            assert_eq!(of("open_24h"), of("price") - of("change_24h"), "{ticker:?}");
            assert!(
                of("low_24h") <= of("price") && of("price") <= of("high_24h"),
                "{ticker:?}"
            );
            // The exchange rounds to as few as two places.
            let percent = of("change_24h") * 100 * 1_000_000_000_000 / of("open_24h");
            assert!(
                (of("change_percent_24h") - percent).abs() <= 10_000_000_000,
                "{ticker:?}"
            );
            let prices = sim.ledger(&symbol);
            assert!(
                prices
                    .iter()
                    .any(|trade| same_number(&trade.price, ticker.raw("price"))),
                "{ticker:?}"
            );
        }
    }
}

#[tokio::test]
async fn trades_have_the_documented_fields_and_the_digits_of_the_exchange() {
    for venue in VENUES {
        let sim = start(venue).await;
        let world = World::with(venue, &sim);
        sim.faults().number_edge_cases = true;
        let symbol = format!("DOGE/{}", quote(venue));
        let done = stream(
            &sim,
            &world,
            "monitor DOGE --stream trade -n 40",
            symbol.clone(),
        )
        .await
        .exits(0);
        let ledger = sim.ledger(&symbol);
        for trade in done.records() {
            assert_eq!(trade.keys(), TRADE);
            assert!(trade.raw("id").starts_with('"'), "{trade:?}");
            assert!(
                is_plain_number(trade.raw("price")) && is_plain_number(trade.raw("size")),
                "{trade:?}"
            );
            assert!(
                is_time(trade.raw("timestamp")) && is_time(trade.raw("received_at")),
                "{trade:?}"
            );
            assert_eq!(trade.text("origin"), "stream");
            assert_eq!(trade.text("exchange"), name(venue));
            let known = ledger
                .iter()
                .find(|known| known.id == trade.number("id"))
                .unwrap();
            equals(&trade, known);
        }
    }
}

#[tokio::test]
async fn plain_is_tab_separated_with_nothing_for_null() {
    let sim = start(Venue::Coinbase).await;
    let world = World::with(Venue::Coinbase, &sim);
    let fields = "symbol,quote_volume_24h,price,exchange";
    let done = world
        .run(&format!("monitor BTC -n 1 --field {fields}"))
        .await
        .exits(0);
    let price = &sim.ledger("BTC/USD").pop().unwrap().price;
    assert_eq!(done.stdout, format!("BTC/USD\t\t{price}\tcoinbase\n"));
    let done = world.run("monitor BTC -n 1 -o plain").await.exits(0);
    assert_eq!(done.stdout.split('\t').count(), 8, "{done:#?}");
    assert!(
        done.stdout
            .starts_with(&format!("coinbase\tBTC/USD\t{price}\t")),
        "{done:#?}"
    );
}

#[tokio::test]
async fn fields_cut_json_and_csv_down_to_themselves() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    let done = world
        .run("monitor BTC -n 1 -o json --field price,symbol")
        .await
        .exits(0);
    assert_eq!(done.records()[0].keys(), ["price", "symbol"]);
    let done = world
        .run("monitor BTC -n 1 -o csv --field symbol,type")
        .await
        .exits(0);
    assert_eq!(done.stdout, "symbol,type\nBTC/USD,ticker\n");
}

#[tokio::test]
async fn csv_has_a_header_and_every_column() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for (stream, columns) in [("ticker", &TICKER[..]), ("trades", &TRADE[..])] {
        for once in ["-1", "-n 2"] {
            if once == "-n 2" {
                sim.faults().mute_symbols.clear();
            }
            let symbol = "BTC/USD".to_owned();
            let arguments = format!("monitor BTC {once} -o csv --stream {stream}");
            let done = self::stream(&sim, &world, &arguments, symbol)
                .await
                .exits(0);
            let lines = done.lines();
            assert_eq!(lines[0], columns.join(","));
            assert_eq!(lines.len(), if once == "-1" { 2 } else { 3 });
            assert!(
                lines
                    .iter()
                    .all(|line| line.split(',').count() == columns.len()),
                "{done:#?}"
            );
        }
    }
    // Also where nothing came.
    let done = world
        .run("monitor LTC --stream trades -d 300ms -o csv")
        .await
        .exits(0);
    assert_eq!(done.stdout, format!("{}\n", TRADE.join(",")));
}

#[tokio::test]
async fn a_table_in_a_pipe_is_plain_lines() {
    let world = World::new();
    let done = world
        .run("monitor BTC -n 2 -o table -p mock -q")
        .await
        .exits(0);
    assert!(
        done.lines()
            .iter()
            .all(|line| line.starts_with("mock\tBTC/USD\t")),
        "{done:#?}"
    );
}

#[tokio::test]
async fn nothing_is_coloured_in_a_pipe() {
    let sim = start_at_rate(Venue::Kraken, 50.0).await;
    for (variable, value) in [
        ("NO_COLOR", "1"),
        ("TERM", "dumb"),
        ("TERM", "xterm-256color"),
        ("CLICOLOR_FORCE", "1"),
    ] {
        let world = World::with(Venue::Kraken, &sim).env(variable, value);
        for arguments in [
            "monitor BTC -n 2",
            "monitor BTC -n 2 -o plain -v",
            "monitor BTC -n 2 -o csv --color always",
            "monitor BTC -1 --field price",
            "symbols -o json",
            "symbols -o table",
            "monitor NOPE",
            "monitor --nope",
            "monitor BTC -p nope --color always",
        ] {
            let done = world.run(arguments).await;
            assert!(
                !done.stdout.contains('\u{1b}'),
                "{variable}={value} {arguments}: {done:#?}"
            );
            assert!(
                !done.stderr.contains('\u{1b}'),
                "{variable}={value} {arguments}: {done:#?}"
            );
        }
    }
}

#[tokio::test]
async fn stdout_holds_data_only() {
    let sim = start_at_rate(Venue::Kraken, 50.0).await;
    let world = World::with(Venue::Kraken, &sim);
    sim.faults().garbage_every = 2;
    let arguments = "monitor BTC LTC kraken:ETH --stream trades -n 60 -vv --summary 100ms";
    let done = world.run(arguments).await.exits(0);
    assert!(done.records().iter().all(|record| record.is("trade")));
    assert!(done.stderr.contains("tickwire: debug: "), "{done:#?}");
    let quiet = world
        .run("monitor BTC -n 20 -q --summary 50ms")
        .await
        .exits(0);
    assert_eq!(quiet.stderr, "");
}

#[tokio::test]
async fn notices_are_json_objects_where_asked() {
    let sim = start_at_rate(Venue::Kraken, 50.0).await;
    let world = World::with(Venue::Kraken, &sim);
    let arguments = "monitor BTC LTC mock:ETH -n 60 -vv --summary 200ms --log-format json";
    let done = world.run(arguments).await.exits(0);
    let mut codes = Vec::new();
    for line in done.stderr.lines() {
        let notice = Record::parse(line);
        assert!(
            ["info", "warn", "debug"].contains(&notice.text("level").as_str()),
            "{line}"
        );
        codes.push(notice.text("code"));
    }
    for code in ["mock", "not_trading", "summary"] {
        assert!(codes.contains(&code.into()), "{codes:?}");
    }
}

#[tokio::test]
async fn lines_are_written_as_soon_as_there_is_no_more() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    let mut running = world.spawn("monitor BTC --stream trades");
    let mut known = sim.ledger("BTC/USD").len();
    crate::support::eventually("it is subscribed", || sim.counters().subscribes > 0).await;
    // One at a time: each is read before the next is made, so none waits in a buffer.
    for _ in 0..20 {
        let made = sim.trade("BTC/USD", 1).remove(0);
        known += 1;
        let read = running.until(|r| r.number("id") == made.id).await;
        equals(&read, &made);
    }
    assert_eq!(sim.ledger("BTC/USD").len(), known);
    running.signal("INT").await;
    running.end().await.exits(0);
}

#[tokio::test]
async fn it_writes_to_a_file_as_to_a_pipe() {
    let world = World::new();
    let path = world.path("out.jsonl");
    let mut command = world.command("monitor BTC -n 3 -p mock");
    command.stdout(Stdio::from(std::fs::File::create(&path).unwrap()));
    // `output()` would take stdout back.
    let done = crate::support::Running::new(command.spawn().unwrap())
        .end()
        .await
        .exits(0);
    assert_eq!(done.stdout, "");
    assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 3);
    let command = world.command("monitor BTC -1 -p mock");
    finish(command).await.exits(0);
}
