//! Lines that end: what is told, how long is waited, and that everything is subscribed again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::support::*;
use crate::model::StatusState::{Connected, Failed, Reconnecting};
use crate::sim::{Cut, Venue};

#[tokio::test(start_paused = true)]
async fn everything_is_subscribed_again_after_every_kind_of_end() {
    const NOW: Duration = Duration::ZERO;
    let ends = [
        (Cut::Close(1000), NOW, "closed by the exchange: 1000"),
        (Cut::Close(1001), NOW, "closed by the exchange: 1001"),
        (Cut::Close(1008), secs(5), "closed by the exchange: 1008"),
        (Cut::Close(1009), NOW, "closed by the exchange: 1009"),
        (Cut::Close(1011), NOW, "closed by the exchange: 1011"),
        (Cut::Close(1012), NOW, "closed by the exchange: 1012"),
        (Cut::Close(1013), secs(30), "closed by the exchange: 1013"),
        (Cut::Close(4000), NOW, "closed by the exchange: 4000"),
        (Cut::Close(4321), NOW, "closed by the exchange: 4321"),
        (Cut::Close(4999), NOW, "closed by the exchange: 4999"),
        (Cut::Reset, NOW, "reset without closing handshake"),
    ];
    for venue in VENUES {
        for (cut, pause, why) in ends {
            let sim = sim(venue);
            let dial = PipeDial::to(&sim);
            let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC", "ETH"]));
            settle().await;
            feed.subscribe(trades(venue, &["SOL"]));
            settle().await;
            feed.expect_trades(&sim.trade(&symbol(venue, "SOL"), 1))
                .await;
            sim.cut_all(cut);
            let cut_at = tokio::time::Instant::now();
            let reason = feed.expect(Reconnecting, 1).await;
            assert!(reason.contains(why), "{venue:?} {cut:?}: {reason}");
            feed.expect(Connected, 1).await;
            let waited = dial.times()[1] - cut_at;
            assert!(
                (pause..=pause + Duration::from_millis(101)).contains(&waited),
                "{venue:?} {cut:?}: {waited:?}"
            );
            settle().await;
            for base in ["BTC", "ETH", "SOL"] {
                feed.expect_trades(&sim.trade(&symbol(venue, base), 1))
                    .await;
            }
            assert_eq!(feed.states(secs(10)).await, []);
            assert_eq!(feed.stats.connects.load(Ordering::Relaxed), 2);
            assert_eq!(feed.stats.disconnects.load(Ordering::Relaxed), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_count_up_until_a_line_has_proved_itself() {
    let venue = Venue::Kraken;
    let sim = sim(venue);
    let mut feed = Feed::start(venue, &PipeDial::to(&sim), trades(venue, &["BTC"]));
    settle().await;
    for attempt in 1..=3 {
        sim.cut_all(Cut::Reset);
        feed.expect(Reconnecting, attempt).await;
        feed.expect(Connected, attempt).await;
    }
    // long enough, but without data
    assert_eq!(feed.states(secs(40)).await, []);
    sim.cut_all(Cut::Reset);
    feed.expect(Reconnecting, 4).await;
    feed.expect(Connected, 4).await;
    feed.expect_trades(&sim.trade(&symbol(venue, "BTC"), 1))
        .await;
    assert_eq!(feed.states(secs(40)).await, []);
    sim.cut_all(Cut::Reset);
    feed.expect(Reconnecting, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_line_that_drops_at_once_stays_within_the_budget() {
    for venue in VENUES {
        let sim = sim(venue);
        sim.faults().flap = true;
        let dial = PipeDial::to(&sim);
        // without a backoff only the budget is left
        for (delay, least) in [(Duration::from_millis(250), 20), (Duration::ZERO, 60)] {
            let before = dial.times().len();
            let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 4_096, |options| {
                options.delay = delay;
            });
            assert!(!feed.states(secs(600)).await.contains(&Connected));
            let times = &dial.times()[before..];
            assert!(times.len() >= least, "{venue:?}: {}", times.len());
            for window in times.windows(61) {
                assert!(window[60] - window[0] >= secs(300), "{venue:?}");
            }
            feed.cancel.cancel();
            feed.end().await;
        }
        assert_eq!(sim.counters().rule_violations, [""; 0], "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_attempts_are_spent_it_is_given_up() {
    let venue = Venue::Coinbase;
    let dial = PipeDial::new(|_| {
        let host = "exchange.test:80".into();
        Some(Err(crate::net::ConnectError::Refused { host }))
    });
    let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 64, |options| {
        options.attempts = 3;
    });
    for attempt in 1..=3 {
        let reason = feed.expect(Reconnecting, attempt).await;
        assert_eq!(reason, "exchange.test:80: connection refused");
    }
    let reason = feed.expect(Failed, 4).await;
    assert_eq!(
        reason,
        "exchange.test:80: connection refused (attempts spent)"
    );
    assert_eq!(feed.states(secs(3_600)).await, []);
    assert_eq!(dial.times().len(), 4);
    // whoever asks for more is told so, too
    feed.subscribe(trades(venue, &["ETH"]));
    feed.expect(Failed, 4).await;
    assert_eq!(dial.times().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn wishes_change_while_it_is_down() {
    for venue in VENUES {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC", "ETH"]));
        settle().await;
        sim.cut_all(Cut::Close(1013));
        feed.expect(Reconnecting, 1).await;
        feed.unsubscribe(trades(venue, &["BTC"]));
        feed.subscribe(trades(venue, &["SOL", "ETH"]));
        feed.subscribe(trades(venue, &["DOGE"]));
        feed.unsubscribe(trades(venue, &["DOGE"]));
        feed.expect(Connected, 1).await;
        settle().await;
        for base in ["BTC", "DOGE"] {
            sim.trade(&symbol(venue, base), 1);
        }
        for base in ["ETH", "SOL"] {
            feed.expect_trades(&sim.trade(&symbol(venue, base), 1))
                .await;
        }
        assert_eq!(feed.during(secs(5)).await, [], "{venue:?}");
        // nobody wants anything any more: nothing is dialled
        sim.cut_all(Cut::Close(1013));
        feed.expect(Reconnecting, 2).await;
        feed.unsubscribe(trades(venue, &["ETH", "SOL"]));
        assert_eq!(feed.states(secs(120)).await, []);
        assert_eq!(dial.times().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_changes_in_the_middle_of_dialling_is_heard() {
    let venue = Venue::Kraken;
    let sim = sim(venue);
    let exchange = sim.clone();
    // the first attempt is never answered
    let dial = PipeDial::new(move |n| (n > 0).then(|| Ok(to_sim(&exchange))));
    let feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    settle().await;
    // more than the queue of commands holds
    for _ in 0..3_000 {
        feed.subscribe(trades(venue, &["ETH"]));
        feed.unsubscribe(trades(venue, &["ETH"]));
        tokio::task::yield_now().await;
    }
    let mut feed = feed;
    feed.commands = None;
    assert!(feed.end().await < secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_end_is_prompt_in_every_state() {
    let venue = Venue::Coinbase;
    let exchange = sim(venue);
    let silent = sim(venue);
    silent.faults().accept_then_silence = true;
    let vanished = sim(venue);
    let refuse = PipeDial::new(|_| {
        let host = "exchange.test:80".into();
        Some(Err(crate::net::ConnectError::Refused { host }))
    });
    let deaf = PipeDial::scripted(|stream, _| async move {
        let _socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        // reads nothing, but stays
        std::future::pending::<()>().await;
    });
    let dials = [
        ("running", PipeDial::to(&exchange)),
        ("dialling", PipeDial::new(|_| None)),
        ("upgrading", PipeDial::to(&silent)),
        ("half-open", PipeDial::to(&vanished)),
        ("backing off", refuse),
        ("not read by the peer", deaf),
    ];
    for (state, dial) in dials {
        for by_token in [true, false] {
            let topics = trades(venue, &["BTC", "ETH"]);
            let mut feed = Feed::tuned(venue, &dial, topics, 1_024, |options| {
                options.delay = secs(1_000);
                options.max_delay = secs(1_000);
            });
            tokio::time::sleep(Duration::from_millis(900)).await;
            vanished.cut_all(Cut::Vanish);
            tokio::time::sleep(secs(1)).await;
            if by_token {
                feed.cancel.cancel();
            } else {
                feed.commands = None;
            }
            let took = feed.end().await;
            assert!(took < secs(1), "{state}, by token {by_token}: {took:?}");
        }
    }
    settle().await;
    assert_eq!(exchange.counters().open_sockets, 0);
}

#[tokio::test(start_paused = true)]
async fn the_end_is_prompt_where_nobody_reads_the_events() {
    let venue = Venue::Kraken;
    let sim = sim(venue);
    let dial = PipeDial::to(&sim);
    let feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 1, |_| {});
    settle().await;
    for _ in 0..20 {
        sim.trade(&symbol(venue, "BTC"), 2_000);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // with an event, and with a status, that wait for room
    settle().await;
    sim.cut_all(Cut::Reset);
    settle().await;
    feed.cancel.cancel();
    assert!(feed.end().await < secs(1));
}
