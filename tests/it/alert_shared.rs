//! A watch whose memory others have in hand: nothing is lost, and nothing is told twice.

use std::time::Duration;

use tickwire::sim::Venue;

use crate::alert_support::{APPEND_ID, Market, fired, lines_of, price, rules};
use crate::support::eventually;

const HIGH: &str = "price > 68000";

#[tokio::test]
async fn the_first_firing_waits_for_a_memory_that_is_busy() {
    let mut market = Market::open(Venue::Kraken, "67000").await;
    let file = market.world.path("notified");
    let keys = |i: usize| {
        let exec = format!("['sh', '-c', '''{APPEND_ID}''', '{}']", file.display());
        match i {
            // Its line tells that the watch has read all memories.
            0 => "symbols = ['BTC']\ncondition = 'price == 67500'".to_owned(),
            _ => format!("symbols = ['BTC']\ncondition = '{HIGH}'\nexec = {exec}"),
        }
    };
    market.world = market.world.config(&rules(2, keys));
    let mut running = market.watching(&[]).await;
    market.print(&["67500"]);
    assert_eq!(running.record().await.text("name"), "rule 0");
    let lock = market.store().lock("rule 1", crate::support::WAIT).await;
    let lock = lock.unwrap();
    market.print(&["69000"]);
    // Longer than a busy memory is waited for.
    tokio::time::sleep(Duration::from_millis(2_600)).await;
    assert_eq!(lines_of(&file), [""; 0]);
    drop(lock);
    let told = running.record().await;
    assert_eq!(
        (told.text("name"), price(&told)),
        ("rule 1".into(), "69000".into())
    );
    eventually("it is done", || market.state("rule 1").outbox.is_empty()).await;
    running.signal("TERM").await;
    let done = running.end().await.exits(0);
    assert_eq!(done.lines().len(), 2, "{done:#?}");
    let id = told.text("id");
    assert_eq!(fired(&market.state("rule 1")), [id.as_str()]);
    assert_eq!(lines_of(&file), [id]);
    let next = ["--once", "--name", "rule 1"];
    market.world.alert(&next).await.exits(1).prints_nothing();
}

#[tokio::test]
async fn a_rule_that_is_reset_while_it_is_watched_starts_anew_in_the_watch() {
    for limit in [["--cooldown", "1h"], ["--max-fires", "1/1d"]] {
        let market = Market::open(Venue::Kraken, "67000").await;
        let flags = [&["--name", "rule"][..], &limit].concat();
        let mut running = market.watch(HIGH, &flags).await;
        market.print(&["69000"]);
        let first = running.record().await;
        eventually("it is done", || market.state("rule").outbox.is_empty()).await;
        market.world.run("alert --reset rule").await.exits(0);
        // By what was forgotten, this one would be too soon.
        market.print(&["67000", "70000"]);
        let second = running.record().await;
        assert_ne!(first.text("id"), second.text("id"), "{limit:?}");
        running.signal("TERM").await;
        let done = running.end().await.exits(0);
        assert_eq!(done.lines().len(), 2, "{limit:?}: {done:#?}");
        assert_eq!(
            fired(&market.state("rule")),
            [second.text("id")],
            "{limit:?}"
        );
    }
}
