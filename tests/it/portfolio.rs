//! `monitor --portfolio`: what is held, once and live.

use tickwire::sim::Venue;

use crate::support::{World, start};

const HELD: &str =
    "[portfolio.holdings]\nBTC = 2.0\nETH = { amount = 10.5, cost = 2000 }\nUSD = 100.50\n";

fn world(config: &str) -> World {
    World::new().config(config)
}

#[tokio::test]
async fn one_valuation_has_every_holding_and_their_total() {
    let done = world(HELD)
        .run("monitor --portfolio -p mock -1")
        .await
        .exits(0);
    let done = done.says("mock data, not a market");
    let records = done.records();
    assert_eq!(records.len(), 1, "{done:?}");
    let line = done.lines()[0];
    assert!(
        line.starts_with(r#"{"type":"portfolio_update","quote":"USD","total_value":"#),
        "{line}"
    );
    for part in [
        r#""partial":false"#,
        r#"{"symbol":"BTC","amount":2.0,"pair":"BTC/USD","via":null,"price":"#,
        r#""cost":2000,"profit":"#,
        r#"{"symbol":"USD","amount":100.50,"pair":null,"via":null,"price":1,"value":100.50,"#,
        r#""timestamp":"20"#,
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    assert!(!line.contains("unpriced"), "{line}");
}

#[tokio::test]
async fn a_holding_without_a_price_is_printed_and_the_exit_code_is_3() {
    let config = HELD.to_owned() + "NOSUCH = 1\n";
    let done = world(&config)
        .run("monitor --portfolio -p mock -1")
        .await
        .exits(3);
    let done = done.says("tickwire: error: NOSUCH in USD: no market, and no two, lead there");
    assert!(done.stdout.contains(r#""partial":true"#), "{done:?}");
    assert!(done.stdout.contains(r#""unpriced":"no_pair"}"#), "{done:?}");
}

#[tokio::test]
async fn totals_can_be_asked_for_by_name_in_every_form() {
    let world = world("[portfolio]\nquote = \"BTC\"\n[portfolio.holdings]\nBTC = 2.50\n");
    let run = |arguments: &str| {
        let arguments = format!("monitor --portfolio -p mock -1 {arguments}");
        let world = &world;
        async move { world.run(&arguments).await.exits(0).stdout }
    };
    assert_eq!(run("--field total_value").await, "2.50\n");
    assert_eq!(
        run("--field quote,partial -o json").await,
        "{\"quote\":\"BTC\",\"partial\":false}\n"
    );
    assert_eq!(run("-o plain").await, "2.50\t0.00\t0.0000\tfalse\n");
    assert_eq!(
        run("-o csv").await,
        "quote,total_value,total_change_24h,total_change_percent_24h,total_cost,total_profit,\
         total_profit_percent,partial\nBTC,2.50,0.00,0.0000,,,,false\n"
    );
    let table = run("-o table").await;
    assert!(
        table.starts_with("ASSET") && table.contains("\nTOTAL"),
        "{table}"
    );
}

#[tokio::test]
async fn a_hop_is_named_and_taken() {
    let config = "[portfolio]\nquote = \"BTC\"\n[portfolio.holdings]\nETH = 10\n";
    let done = world(config)
        .run("monitor --portfolio -p mock -1")
        .await
        .exits(0);
    let line = &done.stdout;
    assert!(
        line.contains(r#""symbol":"ETH","amount":10,"pair":"ETH/USD","via":"USD","price":0.0"#),
        "{line}"
    );
}

#[tokio::test]
async fn live_it_tells_changes_and_ends_after_a_number_of_them() {
    let arguments = "monitor --portfolio -p mock --refresh 20ms -n 3 --field total_value";
    let done = world(HELD).run(arguments).await.exits(0);
    let values = done.lines();
    assert_eq!(values.len(), 3, "{done:?}");
    assert!(
        values.windows(2).all(|pair| pair[0] != pair[1]),
        "{values:?}"
    );
}

#[tokio::test]
async fn live_it_ends_after_a_time_or_at_a_signal() {
    let done = world(HELD)
        .run("monitor --portfolio -p mock -d 1s")
        .await
        .exits(0);
    assert!(!done.lines().is_empty());
    let world = world(HELD);
    let mut running = world.spawn("monitor --portfolio -p mock");
    running.next_line().await.unwrap();
    running.signal("TERM").await;
    running.end().await.exits(0);
}

#[tokio::test]
async fn what_it_cannot_do_is_told_before_anything_is_asked() {
    let nothing = World::new();
    for (world, arguments, told) in [
        (&nothing, "", "the configuration has no holdings"),
        (
            &nothing,
            "",
            "  [portfolio.holdings]\n  BTC = 2.0\nhint: write two lines like these",
        ),
        (&nothing, " BTC", "cannot be used with"),
        (&nothing, " --where price>1", "cannot be used with"),
        (&nothing, " --stream trades", "cannot be used with"),
        (
            &world(HELD),
            " --field price",
            "a portfolio has no field `price`",
        ),
        (
            &world(HELD),
            " --field total_value -o table",
            "--field makes lines, no table",
        ),
    ] {
        let done = world.run(&format!("monitor --portfolio{arguments}")).await;
        done.exits(2).says(told).prints_nothing();
    }
    let quote = world(&HELD.replace(
        "[portfolio.h",
        "[portfolio]\nquote = \"NOPE\"\n[portfolio.h",
    ));
    let done = quote.run("monitor --portfolio -p mock").await.exits(2);
    done.says("portfolio.quote: mock trades nothing in `NOPE`");
    // Nobody answers: it cannot be known.
    world(HELD)
        .run("monitor --portfolio -1 --timeout 5s")
        .await
        .exits(3)
        .prints_nothing();
}

#[tokio::test]
async fn an_exchange_prices_it_in_its_own_first_quote_and_by_its_own_names() {
    for (venue, quote) in [
        (Venue::Kraken, "USD"),
        (Venue::Binance, "USDT"),
        (Venue::Coinbase, "USD"),
    ] {
        let sim = start(venue).await;
        let held = match venue {
            Venue::Kraken => "[portfolio.holdings]\nXBT = 1.5\n",
            _ => "[portfolio.holdings]\nBTC = 1.5\n",
        };
        let world = World::with(venue, &sim).config(held);
        let done = world.run("monitor --portfolio -1").await.exits(0);
        let expected =
            format!(r#""symbol":"BTC","amount":1.5,"pair":"BTC/{quote}","via":null,"price":"#);
        assert!(done.stdout.contains(&expected), "{done:?}");
        assert!(
            !done.stdout.contains(r#""total_change_24h":null"#),
            "{done:?}"
        );
    }
}
