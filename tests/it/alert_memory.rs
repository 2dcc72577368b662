//! `alert --name`: what it remembers, and what happened between two checks.

use tickwire::sim::{Sim, Venue};

use crate::support::{Record, VENUES, World, quote, same_number, start};

/// A pair that trades only when told to, and a rule on it.
struct Market {
    sim: Sim,
    world: World,
    symbol: String,
}

impl Market {
    async fn open(venue: Venue, price: &str) -> Self {
        let sim = start(venue).await;
        let market = Self {
            world: World::with(venue, &sim),
            symbol: format!("BTC/{}", quote(venue)),
            sim,
        };
        market.print(&[price]);
        market
    }

    fn print(&self, prices: &[&str]) {
        assert_eq!(self.sim.print(&self.symbol, prices).len(), prices.len());
        // Times of trades are told in milliseconds, and marks without an id go by time.
        std::thread::sleep(std::time::Duration::from_millis(5));
    }

    /// One check of the rule by a cron line.
    async fn check(&self, condition: &str, flags: &[&str]) -> crate::support::Done {
        let arguments = [&["BTC", condition, "--once", "--name", "rule"], flags].concat();
        self.world.alert(&arguments).await
    }
}

#[tokio::test]
async fn fires_when_it_becomes_true_and_not_while_it_stays_so() {
    for venue in VENUES {
        let market = Market::open(venue, "67000").await;
        let rule = "price > 68000";
        market.check(rule, &[]).await.exits(1).prints_nothing();
        market.print(&["68000.10"]);
        let fired = market.check(rule, &[]).await.exits(0);
        let alert = Record::parse(fired.lines()[0]);
        assert!(same_number(alert.raw("price"), "68000.1"), "{fired:?}");
        market.print(&["69000"]);
        market.check(rule, &[]).await.exits(1).prints_nothing();
        market.print(&["67000"]);
        market.check(rule, &[]).await.exits(1).prints_nothing();
        market.print(&["68001"]);
        market.check(rule, &[]).await.exits(0);
    }
}

#[tokio::test]
async fn a_spike_between_two_checks_is_seen() {
    for venue in VENUES {
        let market = Market::open(venue, "67000").await;
        let rule = "price > 68000";
        market.check(rule, &[]).await.exits(1);
        market.print(&["67500", "68500.50", "67900", "68700", "67000"]);
        let fired = market.check(rule, &[]).await.exits(0);
        let prices: Vec<_> = fired
            .records()
            .iter()
            .map(|r| r.raw("price").to_owned())
            .collect();
        assert!(
            prices.len() == 2
                && same_number(&prices[0], "68500.5")
                && same_number(&prices[1], "68700.0"),
            "{venue:?}: {prices:?}"
        );
        market.check(rule, &[]).await.exits(1).prints_nothing();
    }
}
