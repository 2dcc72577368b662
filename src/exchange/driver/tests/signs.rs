//! What the engine is told of the subscriptions beside their data.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::script::*;
use super::support::*;
use crate::feed::Sign;
use crate::model::{Event, Stream};
use crate::sim::{Cut, Venue};

#[tokio::test(start_paused = true)]
async fn every_acknowledgement_is_told_and_the_loss_of_the_line() {
    for venue in VENUES {
        let sim = sim(venue);
        let mut feed = Feed::start(venue, &PipeDial::to(&sim), trades(venue, &["BTC"]));
        feed.during(secs(3)).await;
        let subscribed = |base| vec![Sign::Subscribed(trades_of(venue, &[base]))];
        assert_eq!(feed.signs(), subscribed("BTC"), "{venue:?}");
        feed.subscribe(trades(venue, &["ETH"]));
        feed.during(secs(3)).await;
        assert_eq!(feed.signs(), subscribed("ETH"), "{venue:?}");
        for _ in 0..2 {
            sim.cut_all(Cut::Reset);
            feed.during(secs(10)).await;
            let signs = feed.signs();
            let both = trades_of(venue, &["BTC", "ETH"]);
            assert_eq!(signs[0], Sign::Lost(both.clone()), "{venue:?}");
            let again = signs[1..].iter().flat_map(|sign| match sign {
                Sign::Subscribed(keys) => keys.clone(),
                other => panic!("{other:?}"),
            });
            assert_eq!(again.collect::<Vec<_>>(), both, "{venue:?}");
        }
        // what nobody wants any more is not missed
        feed.unsubscribe(trades(venue, &["BTC", "ETH"]));
        feed.during(secs(3)).await;
        assert_eq!(feed.signs(), [], "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_loss_is_a_batch_of_its_own_after_the_last_trade() {
    let venue = Venue::Binance;
    let dial = PipeDial::scripted(|stream, n| async move {
        let mut server = accept(stream).await;
        heard(&mut server).await;
        if n == 0 {
            say(&mut server, &binance_trade(1)).await;
            say(&mut server, &binance_trade(2)).await;
        } else {
            stay(&mut server).await;
        }
    });
    let mut feed = Feed::start(venue, &dial, trades(venue, &["BTC"]));
    let (mut ids, mut signs) = (Vec::new(), Vec::new());
    while !matches!(signs.last(), Some(Sign::Lost(_))) {
        let batch = feed.batch().await;
        let lost = batch.signs.iter().any(|sign| matches!(sign, Sign::Lost(_)));
        assert!(!lost || batch.events.is_empty() && batch.signs.len() == 1);
        let id = |event: &Event| match event {
            Event::Trade(trade) => trade.id,
            other => panic!("{other:?}"),
        };
        ids.extend(batch.events.iter().map(id));
        signs.extend(batch.signs);
    }
    assert_eq!(ids, [1, 2]);
    let btc = trades_of(venue, &["BTC"]);
    assert_eq!(signs, [Sign::Subscribed(btc.clone()), Sign::Lost(btc)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_never_acknowledged_is_never_lost() {
    for venue in VENUES {
        let sim = sim(venue);
        sim.faults().flap = true;
        let mut feed = Feed::start(venue, &PipeDial::to(&sim), trades(venue, &["BTC"]));
        feed.during(secs(60)).await;
        assert_eq!(feed.signs(), [], "{venue:?}");
        sim.faults().flap = false;
        sim.faults().refuse_symbols.insert(symbol(venue, "ETH"));
        feed.subscribe(trades(venue, &["ETH"]));
        feed.during(secs(60)).await;
        sim.cut_all(Cut::Reset);
        feed.during(secs(60)).await;
        let btc = trades_of(venue, &["BTC"]);
        let told = [
            Sign::Subscribed(btc.clone()),
            Sign::Lost(btc.clone()),
            Sign::Subscribed(btc),
        ];
        assert_eq!(feed.signs(), told, "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn data_is_an_acknowledgement_and_the_answer_after_it_is_no_second_one() {
    for venue in VENUES {
        let sim = sim(venue);
        sim.faults().ack_delay = Some(secs(3));
        let mut feed = Feed::start(venue, &PipeDial::to(&sim), trades(venue, &["BTC"]));
        tokio::time::sleep(secs(1)).await;
        sim.trade(&symbol(venue, "BTC"), 1);
        feed.during(secs(1)).await;
        let told = [Sign::Subscribed(trades_of(venue, &["BTC"]))];
        assert_eq!(feed.signs(), told, "{venue:?}");
        feed.during(secs(10)).await;
        assert_eq!(feed.signs(), [], "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_of_coinbase_name_the_newest_trade() {
    let venue = Venue::Coinbase;
    let sim = sim(venue);
    let mut topics = trades(venue, &["BTC"]);
    topics.push(topic(venue, "ETH", Stream::Ticker));
    let mut feed = Feed::start(venue, &PipeDial::to(&sim), topics);
    settle().await;
    sim.faults().drop_trades_every = 1;
    let made = sim.trade("BTC/USD", 3);
    feed.during(secs(2)).await;
    let (market, _) = trades_of(venue, &["BTC"])[0];
    let newest = feed.newest();
    assert_eq!(newest.last(), Some(&(market, made[2].id)));
    // of ETH no trades are wanted
    assert!(newest.iter().all(|(of, _)| *of == market));
}

#[tokio::test(start_paused = true)]
async fn how_long_the_answers_took_is_measured() {
    for venue in VENUES {
        let sim = sim(venue);
        sim.faults().mute_symbols.insert(symbol(venue, "BTC"));
        sim.faults().ack_delay = Some(secs(2));
        let mut feed = Feed::start(venue, &PipeDial::to(&sim), trades(venue, &["BTC"]));
        feed.during(secs(1)).await;
        let micros = |feed: &Feed| feed.stats.settled_micros.load(Ordering::Relaxed);
        assert_eq!(micros(&feed), 0);
        feed.during(secs(5)).await;
        let took = Duration::from_micros(micros(&feed));
        let allowed = secs(2)..secs(2) + Duration::from_millis(100);
        assert!(allowed.contains(&took), "{venue:?}: {took:?}");
        // of the newest line, not of the first
        sim.faults().ack_delay = Some(secs(4));
        sim.cut_all(Cut::Reset);
        feed.during(secs(10)).await;
        assert!(micros(&feed) >= 4_000_000, "{venue:?}");
    }
}
