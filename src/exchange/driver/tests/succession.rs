//! Lines that must be left: the next one is there before the last one is closed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::script::*;
use super::support::*;
use crate::feed::{Command, Sign};
use crate::model::Event;
use crate::model::StatusState::{Connected, Reconnecting};
use crate::net::ConnectError;
use crate::sim::{Cut, Sim, Venue};

/// Has the exchange say that connections should be left. Coinbase never does.
fn announce(sim: &Sim, venue: Venue) {
    match venue {
        Venue::Binance => sim.announce_shutdown(),
        Venue::Kraken => sim.set_system("maintenance"),
        Venue::Coinbase => unreachable!("it announces nothing"),
    }
}

/// Trades all the while; every one of them must come in at least once, and nothing else be told.
async fn trade_for(feed: &mut Feed, sim: &Sim, venue: Venue, long: Duration) {
    // not in step with the venue's seconds
    let step = (long / 301).max(Duration::from_millis(7));
    let before = sim.ledger(&symbol(venue, "BTC")).len();
    let end = tokio::time::Instant::now() + long;
    let mut ids = Vec::new();
    while tokio::time::Instant::now() < end {
        sim.trade(&symbol(venue, "BTC"), 1);
        for event in feed.during(step).await {
            match event {
                Event::Trade(trade) if !trade.replayed => ids.push(trade.id),
                Event::Trade(_) | Event::Ticker(_) => {}
                told => panic!("{told:?}"),
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    let ledger = sim.ledger(&symbol(venue, "BTC"));
    let made: Vec<u64> = ledger[before..].iter().map(|trade| trade.id).collect();
    assert_eq!(ids, made, "{venue:?}");
}

#[tokio::test(start_paused = true)]
async fn an_announced_end_costs_no_trade_and_no_word() {
    for venue in [Venue::Binance, Venue::Kraken] {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC", "ETH"]));
        feed.during(secs(3)).await;
        feed.signs();
        announce(&sim, venue);
        trade_for(&mut feed, &sim, venue, secs(5)).await;
        // made, filled, and the old one closed
        assert_eq!(dial.times().len(), 2, "{venue:?}");
        assert_eq!(sim.counters().open_sockets, 1, "{venue:?}");
        let both = trades_of(venue, &["BTC", "ETH"]);
        let subscribed = feed.signs().into_iter().flat_map(|sign| match sign {
            Sign::Subscribed(keys) => keys,
            other => panic!("{other:?}"),
        });
        assert_eq!(subscribed.collect::<Vec<_>>(), both, "{venue:?}");
        assert_eq!(feed.stats.disconnects.load(Ordering::Relaxed), 0);
        // the next one is a line like any other
        sim.cut_all(Cut::Reset);
        feed.expect(Reconnecting, 1).await;
        feed.expect(Connected, 1).await;
        assert_eq!(sim.counters().rule_violations, [""; 0], "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_left_before_the_exchange_ends_it_by_age() {
    let venue = Venue::Binance;
    let sim = sim(venue);
    sim.faults().lifetime = Some(24 * 3_600);
    let dial = PipeDial::to(&sim);
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    settle().await;
    // to within a minute of the earliest moment, then through the latest
    assert_eq!(feed.states(secs(84_600 - 60)).await, []);
    assert_eq!(dial.times().len(), 1);
    trade_for(&mut feed, &sim, venue, secs(16 * 60)).await;
    assert_eq!(dial.times().len(), 2);
    let age = dial.times()[1] - dial.times()[0];
    assert!((secs(84_600)..=secs(85_500)).contains(&age), "{age:?}");
    assert_eq!(feed.states(secs(3_600)).await, []);
    assert_eq!(feed.stats.disconnects.load(Ordering::Relaxed), 0);
    assert_eq!(sim.counters().open_sockets, 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_successor_the_old_line_serves_to_its_end() {
    for venue in [Venue::Binance, Venue::Kraken] {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
        feed.during(secs(3)).await;
        feed.signs();
        sim.faults().handshake_status = Some(500);
        announce(&sim, venue);
        trade_for(&mut feed, &sim, venue, secs(60)).await;
        assert!(dial.times().len() > 3, "{venue:?}");
        assert_eq!(feed.signs(), [], "{venue:?}");
        sim.cut_all(Cut::Close(1001));
        let told = feed.status().await;
        assert_eq!(told.state, Reconnecting);
        assert!(told.reason.unwrap().contains("1001"), "{venue:?}");
        feed.during(secs(1)).await;
        let btc = trades_of(venue, &["BTC"]);
        assert_eq!(feed.signs(), [Sign::Lost(btc.clone())], "{venue:?}");
        sim.faults().handshake_status = None;
        while feed.status().await.state != Connected {}
        feed.expect_trades(&sim.trade(&symbol(venue, "BTC"), 1))
            .await;
        assert_eq!(feed.signs(), [Sign::Subscribed(btc)], "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_successor_does_not_give_up_a_line_that_works() {
    let venue = Venue::Binance;
    let sim = sim(venue);
    let dial = PipeDial::to(&sim);
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    settle().await;
    sim.faults().handshake_status = Some(403);
    announce(&sim, venue);
    trade_for(&mut feed, &sim, venue, secs(60)).await;
    assert_eq!(dial.times().len(), 2);
    sim.faults().handshake_status = None;
    trade_for(&mut feed, &sim, venue, secs(300)).await;
    assert_eq!((dial.times().len(), sim.counters().open_sockets), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn the_old_line_can_end_while_the_new_one_is_being_filled() {
    for venue in [Venue::Binance, Venue::Kraken] {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC", "ETH"]));
        feed.during(secs(3)).await;
        feed.signs();
        for base in ["BTC", "ETH"] {
            sim.faults().mute_symbols.insert(symbol(venue, base));
        }
        sim.faults().ack_delay = Some(secs(3));
        announce(&sim, venue);
        assert_eq!(feed.states(secs(1)).await, []);
        assert_eq!(sim.counters().open_sockets, 2, "{venue:?}");
        // the older one alone
        sim.faults().lifetime = Some(3);
        let reason = feed.expect(Reconnecting, 1).await;
        assert!(reason.contains("1001"), "{venue:?}: {reason}");
        sim.faults().lifetime = None;
        feed.expect(Connected, 0).await;
        let both = trades_of(venue, &["BTC", "ETH"]);
        let signs = feed.signs();
        assert_eq!(signs[0], Sign::Lost(both), "{venue:?}");
        assert!(signs.len() > 1 && matches!(signs[1], Sign::Subscribed(_)));
        assert_eq!(feed.states(secs(60)).await, []);
        assert_eq!((dial.times().len(), sim.counters().open_sockets), (2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn the_new_line_can_end_before_it_takes_over() {
    let venue = Venue::Binance;
    let dial = PipeDial::scripted(|stream, n| async move {
        let mut server = accept(stream).await;
        heard(&mut server).await;
        if n == 1 {
            // ends without an answer
            return;
        }
        say(&mut server, r#"{"result":null,"id":1}"#).await;
        if n == 0 {
            tokio::time::sleep(secs(3)).await;
            say(&mut server, r#"{"e":"serverShutdown","E":1}"#).await;
        }
        stay(&mut server).await;
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    assert_eq!(feed.states(secs(20)).await, []);
    let btc = || Sign::Subscribed(trades_of(venue, &["BTC"]));
    assert_eq!(feed.signs(), [btc(), btc()]);
    assert_eq!(dial.times().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_on_the_old_line_when_the_new_one_is_filled_still_comes() {
    let venue = Venue::Binance;
    let dial = PipeDial::scripted(|stream, n| async move {
        let mut server = accept(stream).await;
        heard(&mut server).await;
        say(&mut server, r#"{"result":null,"id":1}"#).await;
        if n == 0 {
            say(&mut server, r#"{"e":"serverShutdown","E":1}"#).await;
            tokio::time::sleep(Duration::from_millis(700)).await;
            say(&mut server, &binance_trade(1)).await;
        } else {
            say(&mut server, &binance_trade(2)).await;
        }
        stay(&mut server).await;
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    assert_eq!(feed.trade().await.id, 2);
    assert_eq!(feed.trade().await.id, 1);
    assert_eq!(feed.states(secs(60)).await, []);
    assert_eq!(dial.times().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_sends_everybody_away_gets_one_successor_in_thirty_seconds() {
    let venue = Venue::Binance;
    let dial = PipeDial::scripted(|stream, _| async move {
        let mut server = accept(stream).await;
        heard(&mut server).await;
        say(&mut server, r#"{"e":"serverShutdown","E":1}"#).await;
        say(&mut server, r#"{"result":null,"id":1}"#).await;
        stay(&mut server).await;
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    assert_eq!(feed.states(secs(600)).await, []);
    let times = dial.times();
    assert!((15..=22).contains(&times.len()), "{}", times.len());
    for pair in times[1..].windows(2) {
        assert!(pair[1] - pair[0] >= secs(30));
    }
}

#[tokio::test(start_paused = true)]
async fn after_maintenance_was_announced_attempts_are_five_seconds_apart() {
    let venue = Venue::Kraken;
    let sim = sim(venue);
    let exchange = sim.clone();
    let dial = PipeDial::new(move |n| {
        let host = "exchange.test:443".into();
        Some(if (1..8).contains(&n) {
            Err(ConnectError::Refused { host })
        } else {
            Ok(to_sim(&exchange))
        })
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    settle().await;
    announce(&sim, venue);
    settle().await;
    sim.cut_all(Cut::Close(1012));
    while feed.status().await.state != Connected {}
    let times = &dial.times()[1..];
    assert_eq!(times.len(), 8);
    // the first was for a successor, the second comes when the old line ends
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= secs(5), "{:?}", pair[1] - pair[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn wishes_reach_both_lines() {
    let venue = Venue::Binance;
    let sim = sim(venue);
    let dial = PipeDial::to(&sim);
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC", "ETH"]));
    settle().await;
    sim.faults().mute_symbols.insert(symbol(venue, "DOGE"));
    sim.faults().ack_delay = Some(secs(4));
    announce(&sim, venue);
    feed.during(secs(1)).await;
    assert_eq!(sim.counters().open_sockets, 2);
    feed.signs();
    feed.subscribe(trades(venue, &["SOL", "DOGE"]));
    feed.unsubscribe(trades(venue, &["ETH"]));
    // being asked for on the new line anyhow
    feed.command(Command::Resubscribe(trades(venue, &["BTC"])));
    feed.during(secs(2)).await;
    assert_eq!(feed.signs(), []);
    // the old line has it already, and so both bring it
    let made = sim.trade(&symbol(venue, "SOL"), 1);
    feed.expect_trades(&[made.clone(), made].concat()).await;
    sim.trade(&symbol(venue, "ETH"), 1);
    feed.during(secs(10)).await;
    assert_eq!((dial.times().len(), sim.counters().open_sockets), (2, 1));
    for base in ["BTC", "SOL"] {
        feed.expect_trades(&sim.trade(&symbol(venue, base), 1))
            .await;
    }
    sim.trade(&symbol(venue, "ETH"), 1);
    assert_eq!(feed.during(secs(30)).await, []);
    assert_eq!(sim.counters().rule_violations, [""; 0]);
    // everything given up in the middle of it
    sim.announce_shutdown();
    feed.during(secs(40)).await;
    sim.announce_shutdown();
    feed.during(secs(1)).await;
    feed.unsubscribe(trades(venue, &["BTC", "SOL", "DOGE"]));
    assert_eq!(feed.states(secs(60)).await, []);
    assert_eq!(sim.counters().open_sockets, 0);
}
