//! `alert --name`: what it remembers, and what happened between two checks.

use crate::alert_support::Market;
use crate::support::{Record, VENUES, same_number};

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
