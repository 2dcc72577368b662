//! `alert --list`, `--history`, `--reset` and `--explain`.

use tickwire::sim::Venue;

use crate::alert_support::{Market, edit, memories};
use crate::support::{Record, World, files};

const HIGH: &str = "price > 68000";

/// Two firings, one swallowed.
async fn market() -> Market {
    let market = Market::open(Venue::Kraken, "67000").await;
    let flags = ["--max-fires", "2/1d"];
    market.check(HIGH, &flags).await.exits(1);
    market.print(&["69000.5", "67000", "69001", "67000", "69002"]);
    market.check(HIGH, &flags).await.exits(0);
    market
}

#[tokio::test]
async fn a_list_has_each_rule_and_its_state() {
    let market = market().await;
    market
        .world
        .alert(&["BTC", "price < 1", "--once", "--name", "a,b"])
        .await
        .exits(1);
    let json = market.world.run("alert --list -o json").await.exits(0);
    let records = json.records();
    let names: Vec<_> = records.iter().map(|r| r.text("name")).collect();
    assert_eq!(names, ["a,b", "rule"]);
    assert_eq!(records[1].text("market"), "kraken:BTC/USD");
    assert_eq!(
        (records[1].text("state"), records[1].number("fired")),
        ("fired".into(), 2)
    );
    assert_eq!(records[0].text("state"), "armed");
    assert_eq!(records[0].raw("last_fired"), "null");
    let keys = records[0].keys().join(",");
    let csv = market.world.run("alert --list -o csv").await.exits(0);
    assert_eq!(csv.lines()[0], keys);
    assert!(
        csv.lines()[1].starts_with("\"a,b\",kraken:BTC/USD,armed,,0,"),
        "{csv:#?}"
    );
    let plain = market.world.run("alert --list -o plain").await.exits(0);
    assert_eq!(plain.lines().len(), 2);
    assert!(
        plain.lines()[0].starts_with("a,b\tkraken:BTC/USD\tarmed\t\t0\t"),
        "{plain:#?}"
    );
    let table = market.world.run("alert --list -o table").await.exits(0);
    assert!(
        table.stdout.contains("last_fired") && table.stdout.contains("a,b"),
        "{table:#?}"
    );
}

#[tokio::test]
async fn a_history_tells_what_fired_and_what_was_swallowed() {
    let market = market().await;
    let json = market
        .world
        .run("alert --history rule -o json")
        .await
        .exits(0);
    let records = json.records();
    let told: Vec<_> = records
        .iter()
        .map(|r| (r.text("outcome"), crate::alert_support::price(r)))
        .collect();
    let wanted = [
        ("fired", "69000.5"),
        ("fired", "69001"),
        ("suppressed: max-fires", "69002"),
    ];
    assert_eq!(
        told,
        wanted.map(|(what, price)| (what.to_owned(), price.to_owned()))
    );
    for form in ["csv", "plain", "table"] {
        let done = market
            .world
            .run(&format!("alert --history rule -o {form}"))
            .await
            .exits(0);
        assert_eq!(
            done.stdout.matches("suppressed: max-fires").count(),
            1,
            "{done:#?}"
        );
        assert_eq!(done.stderr, "");
    }
}

#[tokio::test]
async fn a_rule_that_is_reset_starts_anew() {
    let market = market().await;
    market.check(HIGH, &["--max-fires", "2/1d"]).await.exits(1);
    market
        .world
        .run("alert --reset rule")
        .await
        .exits(0)
        .says("rule");
    market
        .world
        .run("alert --history rule")
        .await
        .exits(1)
        .says("rule");
    market.world.run("alert --reset rule").await.exits(1);
    market.check(HIGH, &["--max-fires", "2/1d"]).await.exits(0);
}

#[tokio::test]
async fn without_any_memory_a_list_is_empty() {
    let world = World::new();
    for form in ["json", "plain"] {
        let done = world.run(&format!("alert --list -o {form}")).await.exits(0);
        assert_eq!((&*done.stdout, &*done.stderr), ("", ""));
    }
    assert_eq!(files(&memories(&world)).len(), 0);
    let csv = world.run("alert --list -o csv").await.exits(0);
    assert_eq!(csv.lines().len(), 1);
    world.run("alert --list -o table").await.exits(0);
}

#[tokio::test]
async fn names_of_any_kind_have_files_of_their_own() {
    let market = Market::open(Venue::Kraken, "69000").await;
    let long = "n".repeat(200);
    let names = [
        "../../evil",
        "a/b",
        "A/B",
        ".",
        "..",
        "-n",
        "ümläut",
        "a b",
        "con.lock",
        "*",
        &long,
    ];
    for name in names {
        let name = format!("--name={name}");
        market
            .world
            .alert(&["BTC", HIGH, "--once", &name])
            .await
            .exits(0);
        market
            .world
            .alert(&["BTC", HIGH, "--once", &name])
            .await
            .exits(1);
    }
    let list = market.world.run("alert --list -o json").await.exits(0);
    let mut found: Vec<_> = list.records().iter().map(|r| r.text("name")).collect();
    let mut wanted = names.map(str::to_owned).to_vec();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    // Nothing stands beside the folder.
    let beside = files(&market.world.path("state/tickwire"));
    assert_eq!(beside, [memories(&market.world)]);
    let line = market
        .world
        .alert(&["BTC", HIGH, "--once", "--name", "two\nlines"])
        .await;
    line.exits(2).prints_nothing();
}

#[tokio::test]
async fn an_explanation_tells_the_tree_and_the_values_and_fires_nothing() {
    let market = Market::open(Venue::Kraken, "69000").await;
    let file = market.world.path("fired");
    let exec = ["--exec", "touch", file.to_str().unwrap()];
    let rule = [
        "BTC",
        "price > 68000 and spread < 1000",
        "--explain",
        "--name",
        "rule",
    ];
    let done = market
        .world
        .alert(&[&rule[..], &exec].concat())
        .await
        .exits(0);
    for part in ["price", "spread", "68000", "69000", "BTC/USD"] {
        let told = done.stdout.contains(part) || done.stderr.contains(part);
        assert!(told, "{part}: {done:#?}");
    }
    assert!(!file.exists());
    assert_eq!(market.store().list().unwrap(), []);
    let wrong = market.world.alert(&["BTC", "price >", "--explain"]).await;
    wrong.exits(2);
}

#[tokio::test]
async fn a_control_character_in_a_memory_does_not_reach_the_terminal() {
    let market = market().await;
    edit(&market.world, "rule", |state| {
        for past in &mut state.history {
            past.outcome = "\u{1b}[2Jfired\n".into();
        }
    })
    .await;
    for form in ["json", "plain", "csv", "table"] {
        let done = market
            .world
            .run(&format!("alert --history rule -o {form}"))
            .await
            .exits(0);
        assert!(!done.stdout.contains('\u{1b}'), "{form}: {done:#?}");
    }
}
