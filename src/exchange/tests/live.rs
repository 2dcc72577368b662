//! The whole way, over real loopback sockets and in real time.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::support::topic;
use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::kraken::Kraken;
use crate::exchange::{Live, LiveOptions};
use crate::feed::{Batch, Command, FeedIo, FeedStats, Provider, ProviderError, Sign, Topic};
use crate::model::{Event, Instrument, Market, Stream};
use crate::sim::{Faults, Listing, Sim, SimConfig, Venue};

/// Longer than anything takes that works.
const WAIT: Duration = Duration::from_secs(60);

fn live(sim: &Sim, venue: Venue) -> Arc<Live> {
    let options = LiveOptions {
        rest_url: Some(sim.rest_url()),
        ws_url: Some(sim.ws_url()),
        ..LiveOptions::default()
    };
    Arc::new(
        match venue {
            Venue::Binance => Live::new(Binance, options),
            Venue::Coinbase => Live::new(Coinbase, options),
            Venue::Kraken => Live::new(Kraken, options),
        }
        .unwrap(),
    )
}

#[tokio::test]
async fn five_hundred_symbols_are_spread_and_every_limit_is_kept() {
    for (venue, quote, sockets) in [
        (Venue::Binance, "USDT", 3),
        (Venue::Coinbase, "USD", 5),
        (Venue::Kraken, "USD", 3),
    ] {
        let mut config = SimConfig::new(venue);
        config.listings = (0..500)
            .map(|n| Listing::new(&format!("C{n}X"), quote, "10.00", 2, 4))
            .collect();
        config.history = 1;
        let sim = Sim::start(config).await.unwrap();
        let live = live(&sim, venue);
        let instruments = live.instruments().await.unwrap();
        assert_eq!(instruments.len(), 500);
        let topics: Vec<_> = instruments
            .into_iter()
            .map(|instrument| topic(&Arc::new(instrument), Stream::Trades))
            .collect();
        let (commands, commanded) = mpsc::channel(8);
        let (sender, mut events) = mpsc::channel(1_024);
        let cancel = CancellationToken::new();
        let io = FeedIo {
            commands: commanded,
            events: sender,
            cancel: cancel.clone(),
            stats: Arc::new(FeedStats::default()),
        };
        let running = tokio::spawn(live.run(io));
        commands
            .send(Command::Subscribe(topics.clone()))
            .await
            .unwrap();
        let mut waiting: BTreeSet<&str> = topics
            .iter()
            .map(|t| t.instrument.market.symbol())
            .collect();
        let fed = async {
            while !waiting.is_empty() {
                for symbol in &waiting {
                    sim.trade(symbol, 1);
                }
                let pause = tokio::time::sleep(Duration::from_millis(300));
                tokio::pin!(pause);
                loop {
                    tokio::select! {
                        () = &mut pause => break,
                        batch = events.recv() => for event in batch.unwrap().events {
                            match event {
                                Event::Trade(trade) if !trade.replayed => {
                                    waiting.remove(trade.market.symbol());
                                }
                                Event::Status(status) => panic!("{status:?}"),
                                _ => {}
                            }
                        }
                    }
                }
            }
        };
        timeout(WAIT, fed).await.expect("all symbols are fed");
        let counters = sim.counters();
        assert_eq!(counters.open_sockets, sockets, "{venue:?}");
        assert_eq!(counters.rule_violations, [""; 0], "{venue:?}");
        if venue == Venue::Binance {
            assert!(counters.max_frames_per_second <= 4);
        }
        // those of one connection gone, it is closed
        commands
            .send(Command::Unsubscribe(topics[..200].to_vec()))
            .await
            .unwrap();
        let closed = async {
            while sim.counters().open_sockets >= sockets {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(WAIT, closed).await.expect("a connection closes");
        cancel.cancel();
        timeout(WAIT, running).await.expect("ends").unwrap();
    }
}

/// A running feed of the trades of BTC and ETH.
struct Running {
    commands: mpsc::Sender<Command>,
    told: mpsc::Receiver<Batch>,
    cancel: CancellationToken,
    signs: Vec<Sign>,
    topics: Vec<Topic>,
}

impl Running {
    async fn start(live: Arc<Live>) -> Self {
        let listed = timeout(WAIT, live.instruments()).await.unwrap().unwrap();
        let is_wanted = |i: &Instrument| {
            matches!(i.market.base(), "BTC" | "ETH") && i.market.quote().starts_with("USD")
        };
        let topics: Vec<_> = listed
            .into_iter()
            .filter(is_wanted)
            .map(|instrument| topic(&Arc::new(instrument), Stream::Trades))
            .collect();
        let (commands, commanded) = mpsc::channel(8);
        let (events, told) = mpsc::channel(1_024);
        let cancel = CancellationToken::new();
        tokio::spawn(live.run(FeedIo {
            commands: commanded,
            events,
            cancel: cancel.clone(),
            stats: Arc::default(),
        }));
        commands
            .send(Command::Subscribe(topics.clone()))
            .await
            .unwrap();
        Self {
            commands,
            told,
            cancel,
            signs: Vec::new(),
            topics,
        }
    }

    /// Reads on until this is told of the subscriptions.
    async fn until(&mut self, is_enough: impl Fn(&[Sign]) -> bool) {
        while !is_enough(&self.signs) {
            let batch = timeout(WAIT, self.told.recv()).await.unwrap().unwrap();
            let is_heartbeat = |sign: &Sign| matches!(sign, Sign::Newest { .. });
            let signs = batch.signs.into_iter().filter(|s| !is_heartbeat(s));
            self.signs.extend(signs);
        }
        self.signs.clear();
    }

    /// Reads on until both are subscribed.
    async fn until_both(&mut self) {
        let subscribed = |signs: &[Sign]| {
            let keys = signs.iter().map(|sign| match sign {
                Sign::Subscribed(keys) => keys.len(),
                _ => 0,
            });
            keys.sum::<usize>() == 2
        };
        self.until(subscribed).await;
    }
}

#[tokio::test]
async fn a_topic_can_be_started_anew_moved_to_a_connection_of_its_own_and_cut() {
    for venue in [Venue::Binance, Venue::Coinbase, Venue::Kraken] {
        let sim = Sim::start(SimConfig::new(venue)).await.unwrap();
        let mut running = Running::start(live(&sim, venue)).await;
        running.until_both().await;
        let (btc, eth) = (running.topics[0].clone(), running.topics[1].clone());
        let keys = |topic: &Topic| vec![(topic.instrument.market, topic.stream)];
        let again = [Sign::Lost(keys(&btc)), Sign::Subscribed(keys(&btc))];
        for (command, sockets) in [
            (Command::Resubscribe(vec![btc.clone()]), 1),
            (Command::Move(vec![btc.clone()]), 2),
            // alone already: replaced
            (Command::Move(vec![btc.clone()]), 2),
        ] {
            running.commands.send(command.clone()).await.unwrap();
            running.until(|signs| signs == again).await;
            let counted = async {
                while sim.counters().open_sockets != sockets {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            timeout(WAIT, counted).await.expect("so many sockets");
            // the stop on the line before it can still be on its way
            for topic in [&btc, &eth] {
                let made = sim.trade(topic.instrument.market.symbol(), 3);
                let mut missing: BTreeSet<u64> = made.iter().map(|t| t.id).collect();
                while !missing.is_empty() {
                    let batch = timeout(WAIT, running.told.recv()).await.unwrap().unwrap();
                    for event in batch.events {
                        match event {
                            Event::Trade(trade) => _ = missing.remove(&trade.id),
                            Event::Status(status) => panic!("{command:?}: {status:?}"),
                            _ => {}
                        }
                    }
                }
            }
        }
        running.commands.send(Command::Check).await.unwrap();
        running.commands.send(Command::Cut).await.unwrap();
        running.until_both().await;
        let upgrades = sim.counters().upgrades;
        assert_eq!(upgrades, 3 + 2, "{venue:?}");
        running.cancel.cancel();
    }
}

#[tokio::test]
async fn one_bad_symbol_does_not_cost_the_others_their_tickers() {
    for venue in [Venue::Binance, Venue::Coinbase, Venue::Kraken] {
        let sim = Sim::start(SimConfig::new(venue)).await.unwrap();
        let live = live(&sim, venue);
        let listed = timeout(WAIT, live.instruments()).await.unwrap().unwrap();
        let mut asked: Vec<_> = listed.into_iter().take(2).map(Arc::new).collect();
        let mut stranger = Instrument::clone(&asked[0]);
        stranger.market = Market::new(live.exchange(), "NOSUCH", "USD");
        stranger.native = "NOSUCHUSD".into();
        (stranger.ws, stranger.aliases) = ("NOSUCH/USD".into(), Vec::new());
        asked.insert(1, Arc::new(stranger));
        let answers = timeout(WAIT, live.tickers(asked.clone()).collect::<Vec<_>>())
            .await
            .unwrap();
        assert_eq!(answers.len(), 3, "{venue:?}");
        for (instrument, answer) in answers {
            if instrument.market.base() == "NOSUCH" {
                let error = answer.unwrap_err();
                assert!(
                    matches!(error, ProviderError::Refused(_)),
                    "{venue:?}: {error:?}"
                );
            } else {
                let ticker = answer.unwrap();
                assert_eq!(ticker.market, instrument.market);
                assert!(ticker.price.is_some(), "{venue:?}");
            }
        }
    }
}

#[tokio::test]
async fn trades_over_rest_are_those_of_the_exchange() {
    for venue in [Venue::Binance, Venue::Coinbase, Venue::Kraken] {
        let sim = Sim::start(SimConfig::new(venue)).await.unwrap();
        let live = live(&sim, venue);
        let listed = timeout(WAIT, live.instruments()).await.unwrap().unwrap();
        let btc = listed.iter().find(|i| i.market.base() == "BTC").unwrap();
        let read = timeout(WAIT, live.trades(btc, 30)).await.unwrap().unwrap();
        let ledger = sim.ledger(btc.market.symbol());
        let last = &ledger[ledger.len() - 30..];
        assert_eq!(read.len(), 30);
        for (ours, theirs) in read.iter().zip(last) {
            assert_eq!(
                (ours.id, ours.size.to_string()),
                (theirs.id, theirs.size.clone())
            );
            let bought = theirs.side == crate::sim::Side::Buy;
            assert_eq!(ours.side == crate::model::Side::Buy, bought, "{venue:?}");
        }
    }
}

#[tokio::test]
async fn an_exchange_that_wants_to_be_left_alone_is_not_asked_again() {
    let limited = |error: &ProviderError| matches!(error, ProviderError::RateLimited { .. });
    for (status, retry_after) in [(429, Some(600)), (418, None)] {
        let sim = Sim::start(SimConfig::new(Venue::Binance)).await.unwrap();
        sim.faults().rest_status = Some((status, "<html>".into()));
        sim.faults().retry_after = retry_after;
        let live = live(&sim, Venue::Binance);
        for _ in 0..3 {
            let error = timeout(WAIT, live.instruments())
                .await
                .unwrap()
                .unwrap_err();
            assert!(limited(&error), "{error:?}");
        }
        let asked: u64 = sim.counters().rest.values().sum();
        assert_eq!(asked, 1, "{status}");
    }
    // Kraken says so inside of a success
    let sim = Sim::start(SimConfig::new(Venue::Kraken)).await.unwrap();
    sim.faults().kraken_http200_error = Some("EAPI:Rate limit exceeded".into());
    let live = live(&sim, Venue::Kraken);
    for _ in 0..3 {
        let error = timeout(WAIT, live.instruments())
            .await
            .unwrap()
            .unwrap_err();
        assert!(limited(&error), "{error:?}");
    }
    assert_eq!(sim.counters().rest.values().sum::<u64>(), 1);
}

#[tokio::test]
async fn a_rest_failure_is_told_by_what_can_be_done_about_it() {
    let sim = Sim::start(SimConfig::new(Venue::Coinbase)).await.unwrap();
    // A new program each time: a refusal is kept in mind.
    let ask = || async {
        let live = live(&sim, Venue::Coinbase);
        timeout(WAIT, live.instruments()).await.unwrap()
    };
    for (status, body, code) in [
        (403, "<html>", "blocked"),
        (451, "{}", "blocked"),
        (404, r#"{"message":"NotFound"}"#, "refused"),
        (400, "<html>", "unreachable"),
        (500, "{}", "unreachable"),
        (520, "<html>", "unreachable"),
        (200, "<html>", "malformed_answer"),
        (200, "", "malformed_answer"),
    ] {
        sim.faults().rest_status = Some((status, body.into()));
        let error = ask().await.unwrap_err();
        assert_eq!(error.code(), code, "{status} {body}: {error}");
    }
    *sim.faults() = Faults {
        rest_truncate: true,
        ..Faults::default()
    };
    assert_eq!(ask().await.unwrap_err().code(), "unreachable");
    *sim.faults() = Faults::default();
    assert_eq!(ask().await.unwrap().len(), 7);
    sim.stop_listening().await;
}

#[tokio::test]
async fn one_connection_is_opened_and_closed_to_see_how_long_that_takes() {
    let sim = Sim::start(SimConfig::new(Venue::Kraken)).await.unwrap();
    let live = live(&sim, Venue::Kraken);
    let times = timeout(WAIT, live.connect_times()).await.unwrap().unwrap();
    assert!(times.tcp.is_some() && times.upgrade.is_some(), "{times:?}");
    assert_eq!((times.dns, times.proxy, times.tls), (None, None, None));
    let closed = async {
        while sim.counters().open_sockets > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(WAIT, closed).await.expect("it is closed again");
    assert_eq!(sim.counters().upgrades, 1);
    assert_eq!(sim.counters().rule_violations, Vec::<String>::new());
}

#[tokio::test]
async fn a_connection_that_cannot_be_opened_is_told_as_an_error_of_its_kind() {
    let sim = Sim::start(SimConfig::new(Venue::Kraken)).await.unwrap();
    for (status, code) in [
        (503, "unreachable"),
        (429, "rate_limited"),
        (451, "blocked"),
    ] {
        *sim.faults() = Faults {
            handshake_status: Some(status),
            ..Faults::default()
        };
        // A budget of its own, since a pause holds.
        let live = live(&sim, Venue::Kraken);
        let error = timeout(WAIT, live.connect_times())
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}
