//! Subscribing: answers that come, come late, come never, or say no.

use std::time::Duration;

use super::support::*;
use crate::feed::{Command, Topic};
use crate::model::{Event, Status, StatusState, Stream};
use crate::sim::{Cut, Listing, Sim, SimConfig, Venue};

fn statuses(events: &[Event]) -> Vec<Status> {
    let status = |event: &Event| match event {
        Event::Status(status) => Some(Status::clone(status)),
        _ => None,
    };
    events.iter().filter_map(status).collect()
}

/// The symbols of which there are trades in these.
fn traded(events: &[Event]) -> Vec<&'static str> {
    let mut symbols: Vec<_> = events
        .iter()
        .filter(|event| matches!(event, Event::Trade(trade) if !trade.replayed))
        .filter_map(|event| Some(event.market()?.base()))
        .collect();
    symbols.sort_unstable();
    symbols.dedup();
    symbols
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_answered_and_fed_without_a_word() {
    for venue in VENUES {
        let sim = sim(venue);
        let both = vec![
            topic(venue, "BTC", Stream::Trades),
            topic(venue, "BTC", Stream::Ticker),
        ];
        let mut feed = Feed::start(venue, &PipeDial::to(&sim), both);
        settle().await;
        let made = sim.trade(&symbol(venue, "BTC"), 5);
        let events = feed.during(secs(20)).await;
        assert_eq!(statuses(&events), [], "{venue:?}");
        let ids: Vec<u64> = events
            .iter()
            .filter_map(|event| match event {
                Event::Trade(trade) if !trade.replayed => Some(trade.id),
                _ => None,
            })
            .collect();
        assert_eq!(ids, made.iter().map(|t| t.id).collect::<Vec<_>>());
        assert!(events.iter().any(|e| matches!(e, Event::Ticker(_))));
        assert_eq!(sim.counters().rule_violations, [""; 0], "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_it_is_asked_three_times_and_then_fails_alone() {
    for venue in VENUES {
        let sim = sim(venue);
        sim.faults().drop_acks = true;
        sim.faults().mute_symbols.insert(symbol(venue, "BTC"));
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC", "ETH"]));
        settle().await;
        // data is an answer, too
        let made = sim.trade(&symbol(venue, "ETH"), 1);
        feed.expect_trades(&made).await;
        let status = feed.status().await;
        assert_eq!(status.market.map(|m| m.base()), Some("BTC"), "{venue:?}");
        assert_eq!(status.state, StatusState::Failed);
        assert_eq!(
            status.reason.as_deref(),
            Some("trades refused: the exchange does not answer")
        );
        assert_eq!(sim.counters().subscribes, 3, "{venue:?}");
        let took = feed.started.elapsed();
        assert!((secs(15)..secs(17)).contains(&took), "{took:?}");
        let made = sim.trade(&symbol(venue, "ETH"), 2);
        feed.expect_trades(&made).await;
        assert_eq!(feed.states(secs(60)).await, []);
        assert_eq!((dial.times().len(), sim.counters().subscribes), (1, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_on_which_nothing_is_answered_is_replaced_and_no_symbol_is_given_up() {
    // Coinbase's heartbeats belong to symbols: there such a line is silent, and given up sooner
    for venue in [Venue::Binance, Venue::Kraken] {
        let sim = sim(venue);
        sim.faults().drop_acks = true;
        for base in ["BTC", "ETH"] {
            sim.faults().mute_symbols.insert(symbol(venue, base));
        }
        let dial = PipeDial::to(&sim);
        let topics = trades(venue, &["BTC", "ETH"]);
        let mut feed = Feed::start(venue, &dial, topics.clone());
        let reason = feed.expect(StatusState::Stale, 1).await;
        assert_eq!(reason, "no subscription was answered");
        feed.expect(StatusState::Reconnecting, 1).await;
        sim.faults().drop_acks = false;
        sim.faults().mute_symbols.clear();
        feed.expect(StatusState::Connected, 1).await;
        assert_eq!(dial.times().len(), 2, "{venue:?}");
        feed.expect_trades(&sim.trade(&symbol(venue, "BTC"), 2))
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_exchange_has_fed_before_is_asked_for_until_it_is_answered() {
    for venue in VENUES {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC", "ETH"]));
        feed.during(secs(3)).await;
        sim.faults().drop_acks = true;
        sim.faults().mute_symbols.insert(symbol(venue, "BTC"));
        feed.command(Command::Resubscribe(trades(venue, &["BTC"])));
        assert_eq!(feed.states(secs(60)).await, [], "{venue:?}");
        // on the next line, too, where others are answered by data
        sim.cut_all(Cut::Reset);
        feed.expect(StatusState::Reconnecting, 1).await;
        settle().await;
        let made = sim.trade(&symbol(venue, "ETH"), 1);
        feed.expect_trades(&made).await;
        assert_eq!(feed.states(secs(60)).await, [], "{venue:?}");
        sim.faults().drop_acks = false;
        sim.faults().mute_symbols.clear();
        feed.expect(StatusState::Connected, 1).await;
        feed.expect_trades(&sim.trade(&symbol(venue, "BTC"), 2))
            .await;
        assert_eq!(dial.times().len(), 2, "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_late_or_out_of_order_is_still_an_answer() {
    for venue in VENUES {
        let sim = sim(venue);
        for base in ["BTC", "ETH"] {
            sim.faults().mute_symbols.insert(symbol(venue, base));
        }
        sim.faults().ack_delay = Some(secs(7));
        let topics = trades(venue, &["BTC", "ETH", "SOL"]);
        let mut feed = Feed::start(venue, &PipeDial::to(&sim), topics);
        assert_eq!(feed.states(secs(30)).await, [], "{venue:?}");
        sim.faults().ack_delay = None;
        sim.faults().acks_out_of_order = true;
        sim.faults().refuse_symbols.insert(symbol(venue, "ADA"));
        feed.subscribe(trades(venue, &["DOGE"]));
        feed.subscribe(trades(venue, &["ADA"]));
        let told = statuses(&feed.during(secs(30)).await);
        assert_eq!(told.len(), 1, "{venue:?}: {told:?}");
        assert_eq!(told[0].market.map(|m| m.base()), Some("ADA"));
        let made = sim.trade(&symbol(venue, "DOGE"), 2);
        feed.expect_trades(&made).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_its_symbol_and_leaves_the_others_running() {
    for venue in VENUES {
        let sim = sim(venue);
        sim.faults().refuse_symbols.insert(symbol(venue, "ETH"));
        let topics: Vec<Topic> = ["BTC", "ETH", "SOL"]
            .iter()
            .flat_map(|base| Stream::PLAIN.map(|stream| topic(venue, base, stream)))
            .collect();
        let mut feed = Feed::start(venue, &PipeDial::to(&sim), topics.clone());
        let told = statuses(&feed.during(secs(10)).await);
        assert_eq!(told.len(), 2, "{venue:?}: {told:?}");
        for status in &told {
            assert_eq!(status.market.map(|m| m.base()), Some("ETH"));
            assert_eq!((status.state, status.attempt), (StatusState::Failed, 1));
        }
        for base in ["BTC", "ETH", "SOL"] {
            sim.trade(&symbol(venue, base), 1);
        }
        assert_eq!(traded(&feed.during(secs(3)).await), ["BTC", "SOL"]);
        // what was refused can be dropped, and asked for once more
        let asked = sim.counters().subscribes;
        let eth: Vec<_> = topics
            .into_iter()
            .filter(|t| t.instrument.market.base() == "ETH")
            .collect();
        feed.unsubscribe(eth.clone());
        assert_eq!(feed.states(secs(20)).await, []);
        assert_eq!(sim.counters().subscribes, asked);
        sim.faults().refuse_symbols.clear();
        feed.subscribe(eth);
        settle().await;
        sim.trade(&symbol(venue, "ETH"), 1);
        assert_eq!(traded(&feed.during(secs(3)).await), ["ETH"], "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_bad_symbol_among_many_is_found_without_giving_up_a_good_one() {
    for venue in VENUES {
        let quote = symbol(venue, "").split_off(1);
        let mut config = SimConfig::new(venue);
        let names: Vec<String> = (0..90).map(|n| format!("C{n}X")).collect();
        config.listings = names
            .iter()
            .map(|base| Listing::new(base, &quote, "10.00", 2, 4))
            .collect();
        let sim = Sim::new(config);
        sim.faults().refuse_symbols.insert(symbol(venue, "C41X"));
        let bases: Vec<&str> = names.iter().map(String::as_str).collect();
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::start(venue, &dial, trades(venue, &bases));
        // Binance does not say which one: each is asked for alone, slowly
        let told = statuses(&feed.during(secs(60)).await);
        assert_eq!(told.len(), 1, "{venue:?}: {told:?}");
        assert_eq!(told[0].market.map(|m| m.base()), Some("C41X"));
        for base in &bases {
            sim.trade(&symbol(venue, base), 1);
        }
        assert_eq!(traded(&feed.during(secs(3)).await).len(), 89);
        let counters = sim.counters();
        assert_eq!(counters.rule_violations, [""; 0], "{venue:?}");
        assert_eq!(dial.times().len(), 1);
        let most = if venue == Venue::Binance { 91 } else { 2 };
        assert!(counters.subscribes <= most, "{}", counters.subscribes);
    }
}

#[tokio::test(start_paused = true)]
async fn topics_come_and_go_while_it_runs() {
    for venue in VENUES {
        let sim = sim(venue);
        let mut feed = Feed::start(venue, &PipeDial::to(&sim), trades(venue, &["BTC", "BTC"]));
        settle().await;
        feed.subscribe(trades(venue, &["ETH", "BTC"]));
        settle().await;
        for base in ["BTC", "ETH"] {
            feed.expect_trades(&sim.trade(&symbol(venue, base), 2))
                .await;
        }
        feed.unsubscribe(trades(venue, &["BTC"]));
        settle().await;
        sim.trade(&symbol(venue, "BTC"), 2);
        let made = sim.trade(&symbol(venue, "ETH"), 2);
        feed.expect_trades(&made).await;
        assert_eq!(sim.counters().subscribes, 2, "{venue:?}");
        // the last one gone, the line is closed; a new wish opens another
        feed.unsubscribe(trades(venue, &["ETH"]));
        settle().await;
        assert_eq!(sim.counters().open_sockets, 0, "{venue:?}");
        feed.subscribe(trades(venue, &["SOL"]));
        settle().await;
        feed.expect_trades(&sim.trade(&symbol(venue, "SOL"), 1))
            .await;
        assert_eq!(feed.states(secs(30)).await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_before_its_request_left_stays_dropped() {
    for venue in VENUES {
        let sim = sim(venue);
        let dial = PipeDial::to(&sim);
        let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 64, |options| {
            options.limits.message_interval = secs(2);
        });
        settle().await;
        feed.subscribe(trades(venue, &["ETH"]));
        feed.subscribe(trades(venue, &["SOL"]));
        feed.unsubscribe(trades(venue, &["SOL"]));
        feed.subscribe(trades(venue, &["DOGE"]));
        feed.unsubscribe(trades(venue, &["DOGE"]));
        feed.subscribe(trades(venue, &["DOGE"]));
        assert_eq!(feed.states(secs(90)).await, [], "{venue:?}");
        for base in ["ETH", "SOL", "DOGE"] {
            sim.trade(&symbol(venue, base), 1);
        }
        assert_eq!(traded(&feed.during(secs(5)).await), ["DOGE", "ETH"]);
        assert_eq!(sim.counters().subscribes, 5, "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_and_pings_together_keep_the_pace_of_the_exchange() {
    let venue = Venue::Binance;
    let sim = sim(venue);
    let dial = PipeDial::to(&sim);
    sim.faults().server_ping = true;
    let mut feed = Feed::tuned(venue, &dial, trades(venue, &["BTC"]), 64, |options| {
        options.heartbeat = Duration::from_millis(700);
    });
    for _ in 0..100 {
        feed.subscribe(trades(venue, &["ETH"]));
        feed.unsubscribe(trades(venue, &["ETH"]));
    }
    assert_eq!(feed.states(secs(100)).await, []);
    let counters = sim.counters();
    assert_eq!(counters.rule_violations, [""; 0]);
    assert!(
        counters.max_frames_per_second <= 4,
        "{}",
        counters.max_frames_per_second
    );
    assert!(counters.pings_received > 50, "{}", counters.pings_received);
    assert_eq!(dial.times().len(), 1);
}
