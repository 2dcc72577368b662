//! tickwire as a library: the engine over simulated exchanges, as a program of one's own would use it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tickwire::engine::{Delivery, Engine, EngineError, Overflow, Request, Subscription};
use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::mock::{Mock, Pace};
use tickwire::exchange::{Adapter, Live, LiveOptions};
use tickwire::feed::{Answer, Command, FeedIo, Provider, ProviderError, Topic, Traits};
use tickwire::model::{
    Event, Exchange, Instrument, Market, Origin, Side, Stream, Ticker, Timestamp, Trade,
};
use tickwire::sim::{Cut, LedgerTrade, Sim, SimConfig, Venue};

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("should have ended long ago")
}

async fn sim(venue: Venue) -> Sim {
    Sim::start(SimConfig::new(venue)).await.unwrap()
}

fn live(adapter: impl Adapter, sim: &Sim) -> Live {
    let options = LiveOptions {
        rest_url: Some(sim.rest_url()),
        ws_url: Some(sim.ws_url()),
        ..LiveOptions::default()
    };
    Live::new(adapter, options).unwrap()
}

async fn next_trade(subscription: &mut Subscription) -> Trade {
    loop {
        match within(subscription.next()).await {
            Some(Event::Trade(trade)) => return trade,
            Some(_) => {}
            None => panic!("the stream ended"),
        }
    }
}

fn assert_same(trade: &Trade, truth: &LedgerTrade) {
    assert_eq!(trade.id, truth.id);
    assert_eq!(trade.price.to_string(), truth.price);
    assert_eq!(trade.size.to_string(), truth.size);
    assert_eq!(trade.side.name(), truth.side.word());
    // Binance tells milliseconds, the others microseconds.
    assert!(
        (trade.timestamp.nanos() - truth.time_ns).abs() < 1_000_000,
        "{trade:?} {truth:?}"
    );
}

/// A subscription counts once the exchange has heard of it.
async fn until_subscribed(sim: &Sim, messages: u64) {
    within(async {
        while sim.counters().subscribes < messages {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn several_exchanges_feed_one_subscription_and_every_trade_is_the_true_one() {
    let (kraken, binance, coinbase) = tokio::join!(
        sim(Venue::Kraken),
        sim(Venue::Binance),
        sim(Venue::Coinbase)
    );
    let engine = Engine::builder()
        .provider(live(Kraken, &kraken))
        .provider(live(Binance, &binance))
        .provider(live(Coinbase, &coinbase))
        .build();
    let request = Request::new(["kraken:XBT/USD", "binance:BTC", "coinbase:btc-usd"])
        .streams([Stream::Trades]);
    let mut trades = engine.subscribe(request).await.unwrap();
    let sims = [
        (kraken, "BTC/USD"),
        (binance, "BTC/USDT"),
        (coinbase, "BTC/USD"),
    ];
    for (sim, symbol) in &sims {
        until_subscribed(sim, 1).await;
        sim.trade(symbol, 100);
    }
    let mut seen = std::collections::HashMap::<_, Vec<Trade>>::new();
    while seen.values().map(Vec::len).sum::<usize>() < 300 {
        let trade = next_trade(&mut trades).await;
        seen.entry(trade.market.exchange().name())
            .or_default()
            .push(trade);
    }
    for ((sim, symbol), name) in sims.iter().zip(["kraken", "binance", "coinbase"]) {
        let ledger = sim.ledger(symbol);
        for (trade, truth) in seen[name].iter().zip(&ledger[ledger.len() - 100..]) {
            assert_same(trade, truth);
        }
    }
    let stats = engine.stats();
    assert_eq!(
        (
            stats.connects,
            stats.duplicates,
            stats.gaps,
            stats.bad_frames
        ),
        (3, 0, 0, 0)
    );
    assert!(stats.messages > 200 && stats.published >= 300, "{stats:?}");
    within(engine.shutdown()).await;
    assert!(within(trades.next()).await.is_none());
}

#[tokio::test]
async fn symbols_come_and_go_while_running() {
    let sim = sim(Venue::Kraken).await;
    let engine = Engine::builder().provider(live(Kraken, &sim)).build();
    let mut trades = engine
        .subscribe(Request::new(["BTC"]).streams([Stream::Trades]))
        .await
        .unwrap();
    until_subscribed(&sim, 1).await;
    trades.add(["ETH"]).await.unwrap();
    until_subscribed(&sim, 2).await;
    sim.trade("ETH/USD", 1);
    assert_eq!(next_trade(&mut trades).await.market.symbol(), "ETH/USD");
    trades.remove(["BTC"]).await.unwrap();
    sim.trade("BTC/USD", 3);
    sim.trade("ETH/USD", 1);
    assert_eq!(next_trade(&mut trades).await.market.symbol(), "ETH/USD");
    let error = trades.add(["NOPE"]).await.unwrap_err();
    assert!(error.to_string().contains("no symbol `NOPE`"), "{error}");
}

#[tokio::test]
async fn what_is_lost_in_a_cut_is_recovered_and_told_as_one_gap_with_its_ids() {
    let sim = sim(Venue::Binance).await;
    let engine = Engine::builder().provider(live(Binance, &sim)).build();
    let mut events = engine
        .subscribe(Request::new(["BTC"]).streams([Stream::Trades]))
        .await
        .unwrap();
    until_subscribed(&sim, 1).await;
    let before = sim.trade("BTC/USDT", 5);
    while next_trade(&mut events).await.id != before[4].id {}
    sim.cut_all(Cut::Reset);
    let lost = sim.trade("BTC/USDT", 7);
    until_subscribed(&sim, 2).await;
    let after = sim.trade("BTC/USDT", 2);
    let (mut states, mut gaps, mut recovered) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match within(events.next()).await.unwrap() {
            Event::Status(status) => states.push(status.state.name()),
            Event::Gap(gap) => gaps.push(gap),
            Event::Trade(trade) if trade.id == after[1].id => break,
            Event::Trade(trade) if trade.origin == Origin::Repair => recovered.push(trade),
            _ => {}
        }
    }
    assert_eq!(states, ["reconnecting", "connected"]);
    assert_eq!(gaps.len(), 1);
    assert_eq!(
        (gaps[0].from_id, gaps[0].to_id, gaps[0].missing),
        (Some(lost[0].id), Some(lost[6].id), Some(7))
    );
    assert_eq!((gaps[0].state.name(), gaps[0].recovered), ("repaired", 7));
    assert_eq!(recovered.len(), 7);
    for (trade, truth) in recovered.iter().zip(&lost) {
        assert_same(trade, truth);
    }
    let stats = engine.stats();
    assert_eq!((stats.gaps, stats.missing, stats.recovered), (1, 0, 7));
}

#[tokio::test]
async fn a_filter_sees_data_and_latest_refuses_trades() {
    let engine = Engine::builder()
        .provider(Mock {
            pace: Pace::Max,
            ..Mock::default()
        })
        .build();
    let only_eth = |event: &Event| event.market().is_some_and(|market| market.base() == "ETH");
    let mut tickers = engine
        .subscribe(Request::new(["BTC", "ETH"]).filter(only_eth))
        .await
        .unwrap();
    for _ in 0..10 {
        assert_eq!(
            within(tickers.next())
                .await
                .unwrap()
                .market()
                .unwrap()
                .base(),
            "ETH"
        );
    }
    let request = Request::new(["BTC"])
        .streams([Stream::Trades])
        .delivery(Delivery::Latest);
    assert_eq!(
        engine.subscribe(request).await.unwrap_err(),
        EngineError::LatestTrades
    );
}

#[tokio::test]
async fn one_subscription_can_ask_each_symbol_for_another_stream() {
    let engine = Engine::builder()
        .provider(Mock {
            pace: Pace::Max,
            ..Mock::default()
        })
        .build();
    let trades_of_eth = Topic {
        instrument: engine.resolve("ETH").await.unwrap(),
        stream: Stream::Trades,
    };
    let request = || Request::new(["BTC"]).also([trades_of_eth.clone(), trades_of_eth.clone()]);
    let mut subscription = engine.subscribe(request()).await.unwrap();
    let (mut tickers, mut last_id) = (0, 0);
    while tickers == 0 || last_id == 0 {
        match within(subscription.next()).await.unwrap() {
            Event::Ticker(ticker) => {
                assert_eq!(ticker.market.base(), "BTC");
                tickers += 1;
            }
            Event::Trade(trade) => {
                assert_eq!(trade.market.base(), "ETH");
                assert!(trade.id > last_id, "asked for twice, delivered once");
                last_id = trade.id;
            }
            trouble => panic!("{trouble:?}"),
        }
    }
    assert_eq!(
        engine
            .subscribe(request().delivery(Delivery::Latest))
            .await
            .unwrap_err(),
        EngineError::LatestTrades
    );
}

#[tokio::test]
async fn a_reader_too_slow_for_its_queue_is_disconnected_and_harms_no_other() {
    let engine = Engine::builder()
        .provider(Mock {
            pace: Pace::Max,
            ..Mock::default()
        })
        .build();
    let small = Delivery::Every {
        capacity: 10,
        overflow: Overflow::Disconnect,
    };
    let mut slow = engine
        .subscribe(Request::new(["BTC"]).delivery(small))
        .await
        .unwrap();
    let mut fast = engine.subscribe(Request::new(["BTC"])).await.unwrap();
    for _ in 0..1_000 {
        assert!(within(fast.next()).await.is_some());
    }
    let mut left = 0;
    while within(slow.next()).await.is_some() {
        left += 1;
    }
    assert_eq!(left, 10);
}

#[tokio::test]
async fn a_feed_that_breaks_ends_its_subscribers_instead_of_leaving_them_waiting() {
    let engine = Engine::builder()
        .provider(Scripted::new(Vec::new(), true))
        .build();
    let mut events = engine.subscribe(Request::new(["BTC"])).await.unwrap();
    assert!(within(events.next()).await.is_none());
}

#[tokio::test]
async fn lines_can_be_cut_by_the_name_of_their_provider() {
    let scripted = Scripted::new(Vec::new(), false);
    let cuts = scripted.cuts.clone();
    let engine = Engine::builder().provider(scripted).build();
    // Nothing runs yet: there is nothing to cut.
    engine.cut("mock").await.unwrap();
    let _open = engine.subscribe(Request::new(["BTC"])).await.unwrap();
    engine.cut("mock").await.unwrap();
    within(async {
        while cuts.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(cuts.load(Ordering::Relaxed), 1);
    assert_eq!(
        engine.cut("nowhere").await,
        Err(EngineError::UnknownProvider("nowhere".into()))
    );
    engine.shutdown().await;
    assert_eq!(engine.cut("mock").await, Err(EngineError::Stopped));
}

/// A source that says what a test wants: batches, with a pause after each. Then it waits, or breaks.
struct Scripted {
    mock: Mock,
    batches: std::sync::Mutex<Vec<Vec<Event>>>,
    breaks: bool,
    cuts: Arc<AtomicUsize>,
}

impl Scripted {
    fn new(batches: Vec<Vec<Event>>, breaks: bool) -> Self {
        Self {
            mock: Mock::default(),
            batches: batches.into(),
            breaks,
            cuts: Arc::default(),
        }
    }
}

impl Provider for Scripted {
    fn exchange(&self) -> Exchange {
        self.mock.exchange()
    }

    fn traits(&self) -> Traits {
        self.mock.traits()
    }

    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>> {
        self.mock.instruments()
    }

    fn tickers(&self, of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        self.mock.tickers(of)
    }

    fn trades<'a>(
        &'a self,
        of: &'a Instrument,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>> {
        self.mock.trades(of, limit)
    }

    fn run(self: Arc<Self>, mut io: FeedIo) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            io.commands.recv().await;
            let batches = std::mem::take(&mut *self.batches.lock().unwrap());
            for batch in batches {
                let _ = io.events.send(batch.into()).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert!(!self.breaks, "broken on purpose");
            while let Some(Some(command)) = io.cancel.run_until_cancelled(io.commands.recv()).await
            {
                if matches!(command, Command::Cut) {
                    self.cuts.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    }
}

fn trade(base: &str, id: u64, replayed: bool) -> Event {
    Event::Trade(Trade {
        market: Market::new(Exchange::new("mock"), base, "USD"),
        id,
        price: "1.5".parse().unwrap(),
        size: "2".parse().unwrap(),
        side: Side::Buy,
        timestamp: Timestamp::from_nanos(id as i64),
        received_at: Timestamp::from_nanos(id as i64),
        origin: Origin::Stream,
        replayed,
        suspect: false,
    })
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_not_told_because_a_reader_was_slow_while_what_fills_it_was_waiting() {
    let flood =
        std::iter::once(trade("ETH", 0, true)).chain((1..50).map(|id| trade("ETH", id, false)));
    let script = vec![
        vec![
            trade("BTC", 0, true),
            trade("BTC", 1, false),
            trade("BTC", 3, false),
        ],
        flood.collect(),
        vec![trade("BTC", 2, false)],
    ];
    let engine = Engine::builder()
        .provider(Scripted::new(script, false))
        .build();
    let small = Delivery::Every {
        capacity: 10,
        overflow: Overflow::Wait,
    };
    let request = Request::new(["BTC", "ETH"])
        .streams([Stream::Trades])
        .delivery(small);
    let mut events = engine.subscribe(request).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut told = Vec::new();
    while told.len() < 3 {
        match events.next().await.unwrap() {
            Event::Trade(trade) if trade.market.base() == "BTC" => told.push(trade.id),
            Event::Trade(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, [1, 2, 3]);
}

#[tokio::test]
async fn a_reader_whose_own_queue_is_full_can_still_ask_for_more() {
    let engine = Engine::builder()
        .provider(Mock {
            pace: Pace::Max,
            ..Mock::default()
        })
        .build();
    let small = Delivery::Every {
        capacity: 10,
        overflow: Overflow::Wait,
    };
    let mut tickers = engine
        .subscribe(Request::new(["BTC"]).delivery(small))
        .await
        .unwrap();
    within(async {
        while engine.stats().queued < 10 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    within(tickers.add(["ETH"])).await.unwrap();
    while within(tickers.next())
        .await
        .unwrap()
        .market()
        .unwrap()
        .base()
        != "ETH"
    {}
}

#[tokio::test]
async fn who_comes_late_to_a_refused_symbol_is_told_too() {
    let sim = sim(Venue::Kraken).await;
    sim.faults().refuse_symbols.insert("BTC/USD".into());
    let engine = Engine::builder().provider(live(Kraken, &sim)).build();
    for _ in 0..2 {
        let mut events = engine.subscribe(Request::new(["BTC"])).await.unwrap();
        let Some(Event::Status(status)) = within(events.next()).await else {
            panic!("no state was told")
        };
        assert_eq!(
            (status.state.name(), status.market.unwrap().symbol()),
            ("failed", "BTC/USD")
        );
        // Kept open, so that the second one comes to a topic that is taken already.
        std::mem::forget(events);
    }
}

#[tokio::test]
async fn a_subscription_that_nobody_waited_for_is_taken_back() {
    let engine = Engine::builder().provider(Mock::default()).build();
    engine.resolve("BTC").await.unwrap();
    let mut subscribe = Box::pin(engine.subscribe(Request::new(["BTC"])));
    assert!(futures_util::poll!(&mut subscribe).is_pending());
    drop(subscribe);
    let mut other = engine.subscribe(Request::new(["BTC"])).await.unwrap();
    assert!(within(other.next()).await.is_some());
    assert_eq!(engine.stats().subscribers, 1);
}
