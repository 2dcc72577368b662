//! `tickwire symbols`: what is listed, how it is found, in which forms.

use tickwire::sim::{Listing, Venue};

use crate::support::{VENUES, World, list_requests, name, quote, start};

#[tokio::test]
async fn lists_everything_by_canonical_name() {
    for venue in VENUES {
        let sim = start(venue).await;
        let world = World::with(venue, &sim);
        let quote = quote(venue);
        let done = world.run("symbols -o plain").await.exits(0);
        let mut wanted: Vec<_> = ["ADA", "BTC", "DOGE", "ETH", "LTC", "SOL"]
            .map(|base| format!("{base}/{quote}"))
            .into();
        wanted.push("ETH/BTC".into());
        wanted.sort();
        assert_eq!(done.lines(), wanted, "{}", name(venue));
        assert_eq!(done.stderr, "");
        assert_eq!(list_requests(&sim, venue), 1);
    }
}

#[tokio::test]
async fn a_query_and_the_legs_narrow_it() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    for (arguments, symbols) in [
        ("eth", &["ETH/BTC", "ETH/USD"][..]),
        ("eth-b", &["ETH/BTC"]),
        ("XETHXXBT", &["ETH/BTC"]),
        ("xdg", &["DOGE/USD"]),
        ("--base ETH", &["ETH/BTC", "ETH/USD"]),
        ("--base xbt", &["BTC/USD"]),
        ("--quote btc", &["ETH/BTC"]),
        ("--quote XBT --base eth", &["ETH/BTC"]),
        ("o --quote USD", &["DOGE/USD", "SOL/USD"]),
    ] {
        let done = world
            .run(&format!("symbols {arguments} -o plain"))
            .await
            .exits(0);
        assert_eq!(done.lines(), symbols, "{arguments}");
    }
}

#[tokio::test]
async fn nothing_matched_is_a_clear_no() {
    let sim = start(Venue::Coinbase).await;
    let world = World::with(Venue::Coinbase, &sim);
    for arguments in [
        "NOPE",
        "--base NOPE",
        "BTC --quote ETH",
        "--resolve NOPE/USD -p coinbase",
    ] {
        let done = world.run(&format!("symbols {arguments}")).await.exits(1);
        done.prints_nothing().says("nothing matches\n");
    }
    let done = world.run("symbols NOPE -q").await.exits(1);
    assert_eq!(done.stderr, "");
    let done = world.run("symbols NOPE -o csv").await.exits(1);
    assert_eq!(done.lines().len(), 1, "the header: {done:#?}");
}

#[tokio::test]
async fn json_has_the_rules_as_numbers_of_the_exchange() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    let done = world.run("symbols BTC --quote USD").await.exits(0);
    let record = &done.records()[0];
    assert_eq!(
        record.keys(),
        [
            "exchange",
            "symbol",
            "base",
            "quote",
            "native",
            "ws",
            "tick_size",
            "lot_size",
            "min_notional",
            "status",
            "status_text"
        ]
    );
    let texts = [
        "exchange",
        "symbol",
        "base",
        "quote",
        "native",
        "ws",
        "status",
        "status_text",
    ];
    let values = texts.map(|field| record.text(field));
    assert_eq!(
        values,
        [
            "kraken", "BTC/USD", "BTC", "USD", "XXBTZUSD", "BTC/USD", "trading", "online"
        ]
    );
    assert_eq!(record.raw("tick_size"), "0.01");
    for field in ["lot_size", "min_notional"] {
        let raw = record.raw(field);
        assert!(
            raw == "null" || raw.parse::<f64>().is_ok_and(|n| n > 0.0),
            "{field}: {raw}"
        );
    }
}

#[tokio::test]
async fn csv_and_table_hold_the_same_rows() {
    let sim = start(Venue::Binance).await;
    let world = World::with(Venue::Binance, &sim);
    let csv = world.run("symbols -o csv").await.exits(0);
    let lines = csv.lines();
    assert_eq!(lines.len(), 8);
    assert!(lines[0].starts_with("exchange,symbol,base,quote,native,ws,"));
    assert!(
        lines.iter().all(|line| line.split(',').count() == 11),
        "{csv:#?}"
    );
    assert!(lines[2].starts_with("binance,BTC/USDT,BTC,USDT,BTCUSDT,"));
    let table = world.run("symbols -o table").await.exits(0);
    for cell in ["exchange", "BTC/USDT", "BTCUSDT", "halted"] {
        assert!(table.stdout.contains(cell), "{cell}: {table:#?}");
    }
}

#[tokio::test]
async fn all_providers_are_asked_but_never_the_mock() {
    let mut world = World::new();
    let mut sims = Vec::new();
    for venue in VENUES {
        let sim = start(venue).await;
        world = world.and(venue, &sim);
        sims.push(sim);
    }
    let done = world
        .run("symbols BTC --base BTC --all-providers -o csv")
        .await
        .exits(0);
    let exchanges: Vec<_> = done
        .lines()
        .iter()
        .skip(1)
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(exchanges, ["kraken", "binance", "coinbase"]);
    let done = world
        .run("symbols BTC --all-providers -o csv -p mock")
        .await
        .exits(0);
    assert_eq!(
        done.stdout.matches("\nmock,").count(),
        1,
        "named, so asked: {done:#?}"
    );
    // One that is away does not hide the others, and is not silent.
    sims[1].stop_listening().await;
    let done = world
        .run("symbols --base BTC --all-providers --update -o csv")
        .await
        .exits(3);
    assert_eq!(done.lines().len(), 3, "{done:#?}");
    done.says("tickwire: error: no list of what binance trades: ");
}

#[tokio::test]
async fn resolve_tells_how_each_provider_names_it() {
    let mut world = World::new();
    let mut sims = Vec::new();
    for venue in VENUES {
        let sim = start(venue).await;
        if venue == Venue::Binance {
            sim.add_listing(Listing::new("BTC", "USD", "100.00", 2, 5));
        }
        world = world.and(venue, &sim);
        sims.push(sim);
    }
    let done = world
        .run("symbols --resolve btc-usd -o plain")
        .await
        .exits(0);
    assert_eq!(
        done.lines(),
        [
            "kraken\tBTC/USD\tXXBTZUSD\tBTC/USD",
            "binance\tBTC/USD\tBTCUSD\tbtcusd",
            "coinbase\tBTC/USD\tBTC-USD\tBTC-USD"
        ]
    );
    // Where it is not listed there is just no row.
    let done = world
        .run("symbols --resolve DOGE/USDT -o plain")
        .await
        .exits(0);
    assert_eq!(done.lines(), ["binance\tDOGE/USDT\tDOGEUSDT\tdogeusdt"]);
    let done = world
        .run("symbols --resolve XDG/USD -p kraken -o plain")
        .await
        .exits(0);
    assert_eq!(done.lines(), ["kraken\tDOGE/USD\tXDGUSD\tDOGE/USD"]);
    let asked = list_requests(&sims[1], Venue::Binance);
    let done = world
        .run("symbols --resolve kraken:BTC -o plain")
        .await
        .exits(0);
    assert_eq!(done.lines(), ["kraken\tBTC/USD\tXXBTZUSD\tBTC/USD"]);
    assert_eq!(
        list_requests(&sims[1], Venue::Binance),
        asked,
        "only kraken is asked"
    );
    world
        .run("symbols --resolve krakn:BTC")
        .await
        .exits(2)
        .says("no provider `krakn`");
}
