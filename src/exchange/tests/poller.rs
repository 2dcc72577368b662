//! REST in the place of a WebSocket, against simulated exchanges and in real time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::support::{topic, topics};
use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::driver::{Fallback, Working};
use crate::exchange::kraken::Kraken;
use crate::exchange::options::LiveOptions;
use crate::exchange::poller::Poller;
use crate::exchange::protocol::Adapter;
use crate::exchange::rest::Rest;
use crate::feed::{Batch, Topic};
use crate::model::{Event, Instrument, Market, Origin, Stream, Trade};
use crate::sim::{Listing, Sim, SimConfig, Venue};

/// Longer than anything takes that works.
const WAIT: Duration = Duration::from_secs(60);
const VENUES: [Venue; 3] = [Venue::Binance, Venue::Coinbase, Venue::Kraken];

/// A poller at work on an exchange with two pairs.
struct Bench {
    sim: Sim,
    instruments: Vec<Arc<Instrument>>,
    events: mpsc::Receiver<Batch>,
    working: watch::Receiver<Option<Working>>,
    running: JoinHandle<()>,
    started: Instant,
}

impl Bench {
    async fn start(venue: Venue, topics: impl FnOnce(&[Arc<Instrument>]) -> Vec<Topic>) -> Self {
        Self::tuned(venue, |_| {}, topics).await
    }

    async fn tuned(
        venue: Venue,
        tune: impl FnOnce(&Sim),
        topics: impl FnOnce(&[Arc<Instrument>]) -> Vec<Topic>,
    ) -> Self {
        let mut config = SimConfig::new(venue);
        let listing = |(base, price)| Listing::new(base, "USD", price, 2, 8);
        config.listings = [("BTC", "67234.10"), ("ETH", "3412.50")]
            .map(listing)
            .to_vec();
        config.history = 5;
        let sim = Sim::start(config).await.unwrap();
        let adapter: Arc<dyn Adapter> = match venue {
            Venue::Binance => Arc::new(Binance),
            Venue::Coinbase => Arc::new(Coinbase),
            Venue::Kraken => Arc::new(Kraken),
        };
        let options = LiveOptions {
            rest_url: Some(sim.rest_url()),
            ..LiveOptions::default()
        };
        let rest = Arc::new(Rest::new(adapter.clone(), &adapter.profile(), &options).unwrap());
        let instruments = rest.instruments().await.unwrap().into_iter();
        let instruments: Vec<_> = instruments.map(Arc::new).collect();
        tune(&sim);
        let topics = topics(&instruments);
        let (sender, events) = mpsc::channel(64);
        let (told, working) = watch::channel(None);
        let poller = Arc::new(Poller::new(rest, sender));
        Self {
            sim,
            instruments,
            events,
            working,
            running: tokio::spawn(async move { poller.run(topics, told).await }),
            started: Instant::now(),
        }
    }

    async fn events(&mut self) -> Vec<Event> {
        let batch = timeout(WAIT, self.events.recv()).await;
        batch.expect("an answer").expect("a running poller").events
    }

    /// The next trades of a market; all else is passed over.
    async fn trades(&mut self, of: Market) -> Vec<Trade> {
        loop {
            let events = self.events().await;
            let trades = events.iter().filter_map(|event| match event {
                Event::Trade(trade) if trade.market == of => Some(*trade),
                _ => None,
            });
            let trades: Vec<_> = trades.collect();
            if !trades.is_empty() {
                return trades;
            }
        }
    }

    async fn until(&mut self, is_so: impl FnMut(&Option<Working>) -> bool) -> Option<Working> {
        let told = timeout(WAIT, self.working.wait_for(is_so)).await;
        told.expect("is told").expect("a running poller").clone()
    }

    /// Requests for tickers and trades.
    fn requests(&self) -> u64 {
        let rest = self.sim.counters().rest;
        let lists = ["/api/v3/exchangeInfo", "/products", "/0/public/AssetPairs"];
        let polls = rest
            .iter()
            .filter(|(path, _)| !lists.contains(&path.as_str()));
        polls.map(|(_, count)| count).sum()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.running.abort();
    }
}

#[tokio::test]
async fn every_trade_after_the_first_answer_comes_once_and_in_order() {
    join_all(VENUES.map(|venue| async move {
        let mut bench = Bench::start(venue, topics).await;
        let of = bench.instruments[0].market;
        let newest = bench.sim.ledger(of.symbol()).pop().unwrap();
        let mut seen = Vec::new();
        let first = bench.trades(of).await;
        assert_eq!(first.len(), 1, "{venue:?}");
        assert!(first[0].replayed && first[0].id == newest.id, "{venue:?}");
        for _ in 0..2 {
            let made = bench.sim.trade(of.symbol(), 5);
            let told = bench.trades(of).await;
            for (trade, made) in told.iter().zip(&made) {
                assert_eq!(trade.id, made.id, "{venue:?}");
                assert_eq!(trade.price, made.price.parse().unwrap());
                assert!(!trade.replayed && trade.origin == Origin::Repair);
            }
            assert_eq!(told.len(), 5, "{venue:?}");
            seen.extend(told.iter().map(|trade| trade.id));
        }
        assert!(seen.is_sorted() && seen[0] == newest.id + 1, "{venue:?}");
        assert_eq!(bench.until(Option::is_some).await, Some(Ok(())));
        // at most every two seconds each, tickers together where that can be
        let jobs = if venue == Venue::Coinbase { 4 } else { 3 };
        let rounds = bench.started.elapsed().as_secs() / 2 + 1;
        let asked = bench.requests();
        assert!(asked <= jobs * rounds, "{venue:?}: {asked} in {rounds}");
        assert_eq!(bench.sim.counters().rule_violations, [""; 0]);
    }))
    .await;
}

#[tokio::test]
async fn tickers_of_all_topics_are_told_again_and_again() {
    join_all(VENUES.map(|venue| async move {
        let tickers = |of: &[Arc<Instrument>]| {
            let each = of.iter().map(|one| topic(one, Stream::Ticker));
            each.collect()
        };
        let mut bench = Bench::start(venue, tickers).await;
        let of = bench.instruments[0].market;
        let mut prices = Vec::new();
        let mut others = 0;
        while prices.len() < 2 {
            for event in bench.events().await {
                let Event::Ticker(ticker) = event else {
                    panic!("{event:?}")
                };
                if ticker.market == of {
                    prices.push(ticker.price.unwrap());
                    bench.sim.print(of.symbol(), &["70000.00"]);
                } else {
                    others += 1;
                }
            }
        }
        assert_eq!(prices[1], "70000.00".parse().unwrap(), "{venue:?}");
        assert!(others > 0, "{venue:?}");
    }))
    .await;
}

#[tokio::test]
async fn an_exchange_that_does_not_answer_is_told_and_so_is_that_it_does_again() {
    let failing = |sim: &Sim| sim.faults().rest_status = Some((500, "{}".into()));
    let mut bench = Bench::tuned(Venue::Binance, failing, topics).await;
    let of = bench.instruments[0].market;
    let told = bench.until(Option::is_some).await;
    let Some(Err(why)) = told else {
        panic!("{told:?}")
    };
    assert!(why.why.contains("HTTP 500") && !why.is_final, "{why:?}");
    bench.sim.faults().rest_status = None;
    assert_eq!(
        bench.until(|told| *told == Some(Ok(()))).await,
        Some(Ok(()))
    );
    assert!(bench.trades(of).await[0].replayed);
    // what is traded while it fails comes afterwards
    failing(&bench.sim);
    let made = bench.sim.trade(of.symbol(), 3);
    bench.until(|told| matches!(told, Some(Err(_)))).await;
    bench.sim.faults().rest_status = None;
    let trades = bench.trades(of).await;
    let ids: Vec<_> = trades.iter().map(|trade| trade.id).collect();
    assert_eq!(ids, made.iter().map(|trade| trade.id).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_symbol_that_is_refused_keeps_none_of_the_others_from_its_turn() {
    let with_stranger = |of: &[Arc<Instrument>]| {
        let mut stranger = Instrument::clone(&of[0]);
        stranger.market = Market::new(stranger.market.exchange(), "NOSUCH", "USD");
        stranger.native = "NOSUCH-USD".into();
        let mut of = of.to_vec();
        of.insert(0, Arc::new(stranger));
        topics(&of)
    };
    let mut bench = Bench::start(Venue::Coinbase, with_stranger).await;
    let of = bench.instruments[0].market;
    bench.trades(of).await;
    let made = bench.sim.trade(of.symbol(), 2);
    assert_eq!(bench.trades(of).await.len(), made.len());
    assert_eq!(bench.until(Option::is_some).await, Some(Ok(())));
}

#[tokio::test]
async fn the_first_trade_ever_is_news() {
    let none = |sim: &Sim| sim.add_listing(Listing::new("NEW", "USD", "5.00", 2, 8));
    let new_only = |of: &[Arc<Instrument>]| {
        let mut new = Instrument::new(of[0].market.exchange(), "NEW", "USD", "NEW-USD");
        new.ws = "NEW-USD".into();
        vec![topic(&Arc::new(new), Stream::Trades)]
    };
    let mut bench = Bench::tuned(Venue::Coinbase, none, new_only).await;
    assert_eq!(bench.until(Option::is_some).await, Some(Ok(())));
    let made = bench.sim.trade("NEW/USD", 2);
    let market = Market::new(bench.instruments[0].market.exchange(), "NEW", "USD");
    let told = bench.trades(market).await;
    assert!(told.iter().all(|trade| !trade.replayed));
    assert_eq!(told.len(), made.len());
}
