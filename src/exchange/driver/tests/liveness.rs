//! Lines that are open and dead, and engines that are slow.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::script::*;
use super::support::*;
use crate::model::StatusState::{Connected, Reconnecting, Stale};
use crate::sim::{Cut, Sim, SimConfig, Venue};

#[tokio::test(start_paused = true)]
async fn a_silent_line_is_stale_and_then_made_anew() {
    for venue in VENUES {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
        settle().await;
        sim.faults().silence = true;
        let silent_at = tokio::time::Instant::now();
        let reason = feed.expect(Stale, 1).await;
        // on Binance, where a minute may pass in silence, the unanswered ping comes first
        let (why, limit) = match venue {
            Venue::Binance => ("a ping was not answered", secs(26)),
            Venue::Coinbase | Venue::Kraken => ("silent for 10 s", secs(11)),
        };
        assert_eq!(reason, why);
        assert!(silent_at.elapsed() <= limit, "{:?}", silent_at.elapsed());
        assert_eq!(feed.expect(Reconnecting, 1).await, why);
        sim.faults().silence = false;
        feed.expect(Connected, 1).await;
        feed.expect_trades(&sim.trade(&symbol(venue, "BTC"), 1))
            .await;
        assert_eq!(feed.states(secs(120)).await, [], "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_market_is_no_silent_line() {
    for venue in VENUES {
        let sim = sim(venue);
        let mut feed = Feed::start(venue, &PipeDial::to(&sim), trades(venue, &["BTC"]));
        assert_eq!(feed.states(secs(3_600)).await, [], "{venue:?}");
        assert_eq!(sim.counters().rule_violations, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_open_line_is_found_by_its_unanswered_ping() {
    for venue in VENUES {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 64, |options| {
            options.limits.silence.limit = secs(600);
        });
        settle().await;
        sim.cut_all(Cut::Vanish);
        let vanished_at = tokio::time::Instant::now();
        assert_eq!(feed.expect(Stale, 1).await, "a ping was not answered");
        assert!(vanished_at.elapsed() <= secs(25));
        feed.expect(Reconnecting, 1).await;
        feed.expect(Connected, 1).await;
        feed.expect_trades(&sim.trade(&symbol(venue, "BTC"), 1))
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_while_the_engine_has_no_room() {
    for venue in VENUES {
        let sim = sim(venue);
        // the sim drops whoever does not send the same payload back within 3 s
        sim.faults().require_pong = true;
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 1, |_| {});
        settle().await;
        let mut made = Vec::new();
        for _ in 0..30 {
            made.extend(sim.trade(&symbol(venue, "BTC"), 20));
            tokio::time::sleep(secs(1)).await;
        }
        assert_eq!(sim.counters().rule_violations, [""; 0], "{venue:?}");
        assert!(sim.counters().pongs_received >= 25);
        feed.expect_trades(&made).await;
        assert_eq!(feed.states(secs(60)).await, [], "{venue:?}");
        assert_eq!(dial.times().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_stands_still_is_not_the_exchange_s_silence() {
    for venue in VENUES {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 1, |_| {});
        settle().await;
        // far more than is kept here: reading stops, and pressure reaches the exchange
        let mut made = Vec::new();
        for _ in 0..30 {
            made.extend(sim.trade(&symbol(venue, "BTC"), 1_000));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(secs(50)).await;
        feed.expect_trades(&made).await;
        assert_eq!(feed.states(secs(30)).await, [], "{venue:?}");
        assert_eq!(dial.times().len(), 1, "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_of_every_kind_is_counted_and_cuts_nothing() {
    for venue in VENUES {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
        settle().await;
        sim.faults().garbage_every = 1;
        sim.faults().extra_keys = true;
        for _ in 0..6 {
            let made = sim.trade(&symbol(venue, "BTC"), 9);
            feed.expect_trades(&made).await;
        }
        sim.faults().garbage_every = 0;
        sim.faults().big_frame = true;
        let made = sim.trade(&symbol(venue, "BTC"), 1);
        feed.expect_trades(&made).await;
        // Kraken puts three trades into a frame: fewer frames, fewer bad ones
        let frames = if venue == Venue::Kraken { 18 } else { 54 };
        let bad = |feed: &Feed| feed.stats.bad_frames.load(Ordering::Relaxed);
        // of nine kinds two are valid JSON of no meaning
        assert_eq!(bad(&feed), frames - frames / 9 * 2 + 1, "{venue:?}");
        let before = bad(&feed);
        for text in [
            "",
            " ",
            "null",
            "[]",
            "1e400",
            "\"x\"",
            "\u{feff}{}",
            "{",
            "NaN",
        ] {
            sim.send_raw(text);
        }
        sim.send_binary(&[0x1f, 0x8b, 8, 0, 0xff]);
        sim.send_binary(b"");
        assert_eq!(feed.states(secs(5)).await, [], "{venue:?}");
        assert!(bad(&feed) >= before + 10, "{venue:?}: {}", bad(&feed));
        // text in a binary frame is read
        sim.send_binary(b"{}");
        feed.expect_trades(&sim.trade(&symbol(venue, "BTC"), 1))
            .await;
        assert_eq!(dial.times().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn odd_numbers_keep_their_digits() {
    for venue in VENUES {
        let sim = sim(venue);
        let mut feed = Feed::start(venue, &PipeDial::to(&sim), trades(venue, &["BTC"]));
        settle().await;
        sim.faults().number_edge_cases = true;
        let made = sim.trade(&symbol(venue, "BTC"), 200);
        feed.expect_trades(&made).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_market_is_read_completely_and_in_order() {
    for venue in VENUES {
        let sim = Sim::new(SimConfig {
            rate: 200.0,
            ..SimConfig::new(venue)
        });
        let both: Vec<_> = crate::model::Stream::PLAIN
            .map(|stream| topic(venue, "BTC", stream))
            .into();
        let mut feed = Feed::start(venue, &PipeDial::to(&sim), both);
        let mut last = feed.trade().await.id;
        while last < 504_000 {
            let next = feed.trade().await.id;
            assert_eq!(next, last + 1, "{venue:?}");
            last = next;
        }
        assert_eq!(feed.stats.bad_frames.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_of_pings_finds_a_half_open_line_within_two_of_them() {
    for (interval, limit) in [
        (Duration::from_secs(1), 2_000),
        (Duration::from_secs(6), 12_000),
    ] {
        for venue in VENUES {
            let sim = sim(venue);
            let dial = PipeDial::to(&sim);
            let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 64, |options| {
                options.limits.silence.limit = secs(600);
                options.heartbeat = interval;
            });
            assert_eq!(feed.states(secs(30)).await, [], "{venue:?}");
            sim.cut_all(Cut::Vanish);
            let vanished_at = tokio::time::Instant::now();
            assert_eq!(feed.expect(Stale, 1).await, "a ping was not answered");
            let took = vanished_at.elapsed();
            assert!(took <= Duration::from_millis(limit), "{venue:?}: {took:?}");
            assert_eq!(sim.counters().rule_violations, [""; 0], "{venue:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_gone_after_ten_seconds() {
    let venue = Venue::Kraken;
    let dial = PipeDial::new(|_| {
        // so small that no request fits
        let (client, server) = tokio::io::duplex(16);
        tokio::spawn(async move {
            let _server = accept(server).await;
            std::future::pending::<()>().await;
        });
        Some(Ok(client))
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    // a wish in the middle of the wait does not begin it anew
    tokio::time::sleep(secs(6)).await;
    feed.subscribe(trades(venue, &["ETH"]));
    let reason = feed.expect(Reconnecting, 1).await;
    assert_eq!(reason, "does not read what we send");
    assert_eq!(feed.started.elapsed(), secs(10));
}
