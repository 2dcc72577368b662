//! The list of symbols on disk: used while it is fresh, never in the way when it is not.

use futures_util::future::join_all;
use tickwire::sim::{Listing, Sim, Venue};

use crate::support::{VENUES, World, files, list_requests, start};

async fn prepared() -> (Sim, World) {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    world.run("symbols -o plain").await.exits(0);
    (sim, world)
}

/// Makes the list on disk look as old as this.
fn age(world: &World, hours: i64) {
    let [file] = &files(&world.cache())[..] else {
        panic!("one file in {:?}", files(&world.cache()));
    };
    let mut list: serde_json::Value =
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let fetched = list["fetched_at"].as_i64().unwrap();
    list["fetched_at"] = (fetched - hours * 3_600_000_000_000).into();
    std::fs::write(file, serde_json::to_vec(&list).unwrap()).unwrap();
}

#[tokio::test]
async fn the_second_run_asks_nobody() {
    for venue in VENUES {
        let sim = start(venue).await;
        let world = World::with(venue, &sim);
        for _ in 0..3 {
            world.run("symbols -o plain").await.exits(0);
            world.run("monitor BTC -1 --field symbol").await.exits(0);
        }
        assert_eq!(list_requests(&sim, venue), 1);
        world.run("symbols --update -o plain").await.exits(0);
        assert_eq!(list_requests(&sim, venue), 2);
    }
}

#[tokio::test]
async fn an_old_list_is_fetched_anew() {
    let (sim, world) = prepared().await;
    for (hours, requests) in [(5, 1), (7, 2), (-48, 3)] {
        age(&world, hours);
        let done = world.run("symbols -o plain").await.exits(0);
        assert_eq!(list_requests(&sim, Venue::Kraken), requests, "{hours} h");
        assert_eq!(done.stderr, "");
    }
}

#[tokio::test]
async fn an_old_list_is_used_with_a_warning_where_no_other_can_be_had() {
    let (sim, world) = prepared().await;
    age(&world, 24 * 30);
    sim.stop_listening().await;
    let done = world.run("symbols BTC -o plain").await.exits(0);
    assert_eq!(done.lines(), ["BTC/USD", "ETH/BTC"]);
    let done = done.says("tickwire: warning: no list of what kraken trades: ");
    done.says("connection refused").says("using the list of 2");
    // What is asked for explicitly must not be passed off as new.
    world
        .run("symbols --update")
        .await
        .exits(3)
        .prints_nothing();
    // A name that the old list does not have cannot be looked up: said, and still wrong.
    world
        .run("monitor NOPE")
        .await
        .exits(2)
        .says("no symbol `NOPE`");
    // For an answer it is good enough.
    sim.resume_listening().await.unwrap();
    age(&world, 0);
    sim.faults().rest_status = Some((500, "{}".into()));
    let done = world.run("monitor BTC -1 --field symbol").await.exits(0);
    assert_eq!(done.stdout, "BTC/USD\n");
}

#[tokio::test]
async fn a_spoilt_file_is_replaced() {
    let (sim, world) = prepared().await;
    let file = files(&world.cache()).remove(0);
    let good = std::fs::read(&file).unwrap();
    let half = good[..good.len() / 2].to_vec();
    let spoilt: [&[u8]; 4] = [b"", b"{}", &half, b"\xff\xfe"];
    for (n, bytes) in spoilt.into_iter().enumerate() {
        std::fs::write(&file, bytes).unwrap();
        let done = world.run("symbols BTC -o plain").await.exits(0);
        assert_eq!(done.stderr, "");
        assert_eq!(list_requests(&sim, Venue::Kraken), 2 + n as u64);
        let again: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert!(again["instruments"].is_array());
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_a_warning_only() {
    let sim = start(Venue::Kraken).await;
    let world = World::with(Venue::Kraken, &sim);
    // Root may write into any folder, but nobody into a file as if it were one.
    std::fs::write(world.path("cache"), "").unwrap();
    let done = world.run("monitor BTC -1 --field symbol").await.exits(0);
    assert_eq!(done.stdout, "BTC/USD\n");
    let warning = "tickwire: warning: the list of symbols cannot be kept in ";
    assert_eq!(done.stderr.matches(warning).count(), 1, "{done:#?}");
    let quiet = world.run("monitor BTC -1 --field symbol -q").await.exits(0);
    assert_eq!(quiet.stderr, "");
}

#[tokio::test]
async fn many_processes_at_once_leave_one_good_file() {
    let sim = start(Venue::Coinbase).await;
    let world = World::with(Venue::Coinbase, &sim);
    // As many as the exchange answers at once.
    let runs = (0..14).map(|_| world.run("symbols --base BTC -o plain"));
    for done in join_all(runs).await {
        assert_eq!(done.exits(0).stdout, "BTC/USD\n");
    }
    let left = files(&world.cache());
    assert_eq!(left.len(), 1, "{left:?}");
    let list: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&left[0]).unwrap()).unwrap();
    assert_eq!(list["instruments"].as_array().unwrap().len(), 7);
    let requests = list_requests(&sim, Venue::Coinbase);
    world.run("symbols -o plain").await.exits(0);
    assert_eq!(list_requests(&sim, Venue::Coinbase), requests);
}

#[tokio::test]
async fn lists_of_several_addresses_are_kept_apart() {
    let (first, second) = (start(Venue::Kraken).await, start(Venue::Kraken).await);
    second.add_listing(Listing::new("PEPE", "USD", "0.00001", 8, 2));
    let world = World::with(Venue::Kraken, &first);
    world.run("symbols PEPE").await.exits(1);
    let world = world.and(Venue::Kraken, &second);
    world.run("symbols PEPE").await.exits(0);
    assert_eq!(files(&world.cache()).len(), 2);
}

#[tokio::test]
async fn a_bad_row_does_not_take_the_list_down() {
    for (venue, body) in [
        (
            Venue::Kraken,
            r#"{"error":[],"result":{
                "BAD1":7,"BAD2":{"altname":"X","wsname":null},"BAD3":{"wsname":"//","base":[],"quote":{}},
                "XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","base":"XXBT","quote":"ZUSD","pair_decimals":1,"lot_decimals":8,"tick_size":"0.1","status":"online"}}}"#,
        ),
        (
            Venue::Binance,
            r#"{"symbols":[null,{"symbol":5},{"symbol":"BADUSDT","status":"TRADING","baseAsset":"","quoteAsset":"USDT","filters":[]},
                {"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.01"},{"filterType":"NEW","x":[]}]}]}"#,
        ),
        (
            Venue::Coinbase,
            r#"[7,{"id":"X"},{"id":"BAD-USD","base_currency":null,"quote_currency":"USD"},
                {"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD","base_increment":"0.00000001","quote_increment":"0.01","status":"online","trading_disabled":false}]"#,
        ),
    ] {
        let sim = start(venue).await;
        sim.faults().rest_status = Some((200, body.into()));
        let world = World::with(venue, &sim);
        let done = world.run("symbols --base BTC -o plain").await.exits(0);
        assert_eq!(done.lines().len(), 1, "{done:#?}");
    }
}
