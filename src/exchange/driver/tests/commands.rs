//! What the engine asks of a connection beside subscriptions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::script::*;
use super::support::*;
use crate::feed::{Command, Sign};
use crate::model::StatusState::{Connected, Reconnecting, Stale};
use crate::net::ConnectError;
use crate::sim::{Cut, Venue};

#[tokio::test(start_paused = true)]
async fn one_topic_is_stopped_and_started_without_harm_to_the_others() {
    for venue in VENUES {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC", "ETH"]));
        feed.during(secs(3)).await;
        feed.signs();
        feed.command(Command::Resubscribe(trades(venue, &["BTC"])));
        let mut made = Vec::new();
        for _ in 0..30 {
            made.extend(sim.trade(&symbol(venue, "ETH"), 1));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        feed.expect_trades(&made).await;
        let btc = trades_of(venue, &["BTC"]);
        assert_eq!(
            feed.signs(),
            [Sign::Lost(btc.clone()), Sign::Subscribed(btc)],
            "{venue:?}"
        );
        feed.expect_trades(&sim.trade(&symbol(venue, "BTC"), 2))
            .await;
        assert_eq!(feed.states(secs(60)).await, [], "{venue:?}");
        assert_eq!(dial.times().len(), 1, "{venue:?}");
        assert_eq!(sim.counters().subscribes, 2, "{venue:?}");
        assert_eq!(sim.counters().rule_violations, [""; 0], "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_stopped_first_and_what_comes_before_the_answer_is_none() {
    let venue = Venue::Kraken;
    let row = r#"{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":1.0,"qty":1.0,"ord_type":"limit","trade_id":7,"timestamp":"2026-09-21T14:13:20.149001Z"}]}"#;
    let ack = |method: &str, id: &serde_json::Value| {
        format!(
            r#"{{"method":"{method}","result":{{"channel":"trade","symbol":"BTC/USD"}},"success":true,"req_id":{id}}}"#
        )
    };
    let dial = PipeDial::scripted(move |stream, _| async move {
        let mut server = accept(stream).await;
        let first = heard(&mut server).await;
        say(&mut server, &ack("subscribe", &first["req_id"])).await;
        let (stop, start) = (heard(&mut server).await, heard(&mut server).await);
        assert_eq!(stop["method"], "unsubscribe");
        assert_eq!(start["method"], "subscribe");
        say(&mut server, row).await;
        say(&mut server, &ack("unsubscribe", &stop["req_id"])).await;
        tokio::time::sleep(secs(2)).await;
        say(&mut server, &ack("subscribe", &start["req_id"])).await;
        loop {
            tokio::time::sleep(secs(1)).await;
            say(&mut server, r#"{"channel":"heartbeat"}"#).await;
        }
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    feed.during(secs(1)).await;
    feed.signs();
    feed.command(Command::Resubscribe(trades(venue, &["BTC"])));
    feed.during(secs(1)).await;
    let btc = trades_of(venue, &["BTC"]);
    assert_eq!(feed.signs(), [Sign::Lost(btc.clone())]);
    feed.during(secs(2)).await;
    assert_eq!(feed.signs(), [Sign::Subscribed(btc)]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_leaves_no_topic_behind() {
    for venue in VENUES {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
        feed.during(secs(3)).await;
        feed.signs();
        sim.faults().drop_acks = true;
        feed.command(Command::Resubscribe(trades(venue, &["BTC"])));
        feed.during(secs(3)).await;
        let btc = trades_of(venue, &["BTC"]);
        assert_eq!(feed.signs(), [Sign::Lost(btc.clone())], "{venue:?}");
        // once the answer is overdue, data counts
        feed.during(secs(4)).await;
        feed.expect_trades(&sim.trade(&symbol(venue, "BTC"), 1))
            .await;
        assert_eq!(feed.signs(), [Sign::Subscribed(btc)], "{venue:?}");
        assert_eq!(feed.states(secs(60)).await, [], "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_line_or_no_subscription_nothing_is_started_anew() {
    for venue in VENUES {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
        // still being asked for, and never asked for
        feed.command(Command::Resubscribe(trades(venue, &["BTC", "ETH"])));
        feed.during(secs(3)).await;
        assert_eq!(feed.signs(), [Sign::Subscribed(trades_of(venue, &["BTC"]))]);
        sim.cut_all(Cut::Close(1013));
        feed.expect(Reconnecting, 1).await;
        feed.command(Command::Resubscribe(trades(venue, &["BTC"])));
        feed.expect(Connected, 1).await;
        assert_eq!(feed.states(secs(30)).await, []);
        assert_eq!(sim.counters().subscribes, 2, "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_over_was_missed_meanwhile() {
    for (venue, is_troubled) in [(Venue::Kraken, false), (Venue::Binance, true)] {
        let sim = sim(venue);
        let mut feed = Feed::tuned(venue, &PipeDial::to(&sim), Vec::new(), 64, |options| {
            options.troubled = Arc::new(is_troubled.into());
        });
        feed.command(Command::Move(trades(venue, &["BTC"])));
        let states = feed.states(secs(5)).await;
        let btc = trades_of(venue, &["BTC"]);
        assert_eq!(
            feed.signs(),
            [Sign::Lost(btc.clone()), Sign::Subscribed(btc)]
        );
        // the trouble that the other connection told of ends here
        let told: &[_] = if is_troubled { &[Connected] } else { &[] };
        assert_eq!(states, told, "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_finds_a_dead_line_within_five_seconds_and_leaves_a_living_one_alone() {
    for venue in VENUES {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
        settle().await;
        let pings = sim.counters().pings_received;
        feed.command(Command::Check);
        assert_eq!(feed.states(secs(9)).await, [], "{venue:?}");
        if venue != Venue::Kraken {
            // Kraken's ping is a text
            assert_eq!(sim.counters().pings_received, pings + 1);
        }
        sim.cut_all(Cut::Vanish);
        feed.command(Command::Check);
        let asked = Instant::now();
        assert_eq!(feed.expect(Stale, 1).await, "a ping was not answered");
        assert_eq!(asked.elapsed(), secs(5), "{venue:?}");
        feed.expect(Reconnecting, 1).await;
        feed.expect(Connected, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_in_before_a_check_is_no_sign_of_life() {
    let venue = Venue::Binance;
    let asker: Arc<Mutex<Option<mpsc::Sender<Command>>>> = Arc::default();
    let commands = asker.clone();
    let dial = PipeDial::scripted(move |stream, n| {
        let commands = commands.clone();
        async move {
            let mut server = accept(stream).await;
            heard(&mut server).await;
            say(&mut server, r#"{"result":null,"id":1}"#).await;
            if n > 0 {
                return stay(&mut server).await;
            }
            tokio::time::sleep(secs(2)).await;
            // both wait for the connection when it next looks
            say(&mut server, &binance_trade(1)).await;
            let commands = commands.lock().unwrap().take().unwrap();
            commands.try_send(Command::Check).unwrap();
            // answers nothing any more
            std::future::pending::<()>().await;
        }
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    *asker.lock().unwrap() = feed.commands.clone();
    assert_eq!(feed.trade().await.id, 1);
    let asked = Instant::now();
    assert_eq!(feed.expect(Stale, 1).await, "a ping was not answered");
    assert_eq!(asked.elapsed(), secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_check_ends_the_wait_for_the_next_attempt() {
    let venue = Venue::Coinbase;
    let exchange = sim(venue);
    let dial = PipeDial::new(move |n| {
        let host = "exchange.test:80".into();
        Some(if n == 0 {
            Err(ConnectError::Refused { host })
        } else {
            Ok(to_sim(&exchange))
        })
    });
    let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 64, |options| {
        options.limits.connects = &[];
        options.attempts = 1;
        options.delay = secs(3_000);
        options.max_delay = secs(3_000);
    });
    // the first retry comes at once in any case
    feed.expect(Reconnecting, 1).await;
    feed.expect(Connected, 1).await;
    let exchange = sim(venue);
    let there = exchange.clone();
    let dial = PipeDial::new(move |n| {
        let host = "exchange.test:80".into();
        Some(if n < 2 {
            Err(ConnectError::Refused { host })
        } else {
            Ok(to_sim(&there))
        })
    });
    let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 64, |options| {
        options.delay = secs(3_000);
        options.max_delay = secs(3_000);
    });
    feed.expect(Reconnecting, 1).await;
    feed.expect(Reconnecting, 2).await;
    feed.command(Command::Check);
    feed.expect(Connected, 2).await;
    assert!(
        feed.started.elapsed() < secs(5),
        "{:?}",
        feed.started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_cut_is_a_loss_like_any_other() {
    for venue in VENUES {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
        feed.during(secs(3)).await;
        feed.signs();
        let cut_at = Instant::now();
        feed.command(Command::Cut);
        assert_eq!(feed.expect(Reconnecting, 1).await, "cut on request");
        feed.expect(Connected, 1).await;
        assert!(dial.times()[1] - cut_at <= Duration::from_millis(101));
        feed.during(secs(3)).await;
        let btc = trades_of(venue, &["BTC"]);
        assert_eq!(
            feed.signs(),
            [Sign::Lost(btc.clone()), Sign::Subscribed(btc)]
        );
        feed.expect_trades(&sim.trade(&symbol(venue, "BTC"), 1))
            .await;
    }
}
