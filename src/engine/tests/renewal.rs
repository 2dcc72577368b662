//! Providers that come, are replaced and go while the engine runs.

use crate::model::{Candle, Interval, StatusState};

use super::*;

/// A source of one symbol, which says what it is told to.
struct Source {
    exchange: Exchange,
    traits: Traits,
    /// Sent when something is subscribed.
    batches: Mutex<Vec<Batch>>,
    missed: Vec<Trade>,
    subscribed: Mutex<Vec<Stream>>,
    runs: AtomicUsize,
    ends: AtomicUsize,
}

impl Source {
    fn new(name: &'static str, batches: Vec<Batch>) -> Self {
        Self {
            exchange: Exchange::new(name),
            traits: Traits {
                can_wait: false,
                ..Mock::default().traits()
            },
            batches: Mutex::new(batches),
            missed: Vec::new(),
            subscribed: Mutex::default(),
            runs: AtomicUsize::new(0),
            ends: AtomicUsize::new(0),
        }
    }

    fn subscribed(&self) -> Vec<Stream> {
        self.subscribed.lock().unwrap().clone()
    }
}

impl Provider for Source {
    fn exchange(&self) -> Exchange {
        self.exchange
    }

    fn traits(&self) -> Traits {
        self.traits.clone()
    }

    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>> {
        let one = Instrument::new(self.exchange, "BTC", "USD", "BTCUSD");
        Box::pin(async { Ok(vec![one]) })
    }

    fn tickers(&self, _: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        futures_util::stream::empty().boxed()
    }

    fn trades<'a>(
        &'a self,
        _: &'a Instrument,
        _: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>> {
        Box::pin(async { Err(ProviderError::Refused("none".into())) })
    }

    fn trades_since<'a>(
        &'a self,
        _: &'a Instrument,
        after: TradeMark,
        _: Instant,
    ) -> BoxFuture<'a, Result<Replay, ProviderError>> {
        let mut trades = self.missed.clone();
        trades.retain(|trade| Some(trade.id) > after.id);
        Box::pin(async move {
            Ok(Replay {
                newest: trades.last().copied(),
                trades,
                uncovered: Vec::new(),
                missing: Vec::new(),
            })
        })
    }

    fn run(self: Arc<Self>, mut io: FeedIo) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.runs.fetch_add(1, Ordering::Relaxed);
            loop {
                tokio::select! {
                    () = io.cancel.cancelled() => break,
                    command = io.commands.recv() => match command {
                        Some(Command::Subscribe(topics)) => {
                            let streams = topics.iter().map(|topic| topic.stream);
                            self.subscribed.lock().unwrap().extend(streams);
                            let keys = topics.iter().map(|t| (t.instrument.market, t.stream));
                            let signs = vec![Sign::Subscribed(keys.collect())];
                            let events = Vec::new();
                            let _ = io.events.send(Batch { events, signs }).await;
                            let batches = std::mem::take(&mut *self.batches.lock().unwrap());
                            for batch in batches {
                                let _ = io.events.send(batch).await;
                            }
                        }
                        Some(_) => {}
                        None => break,
                    },
                }
            }
            self.ends.fetch_add(1, Ordering::Relaxed);
        })
    }
}

fn market(name: &'static str) -> Market {
    Market::new(Exchange::new(name), "BTC", "USD")
}

fn trades(name: &'static str, ids: impl IntoIterator<Item = u64>) -> Vec<Trade> {
    let trades = ids.into_iter().map(|id| Trade {
        market: market(name),
        ..trade(id, false)
    });
    trades.collect()
}

fn batch(trades: Vec<Trade>) -> Batch {
    trades
        .into_iter()
        .map(Event::Trade)
        .collect::<Vec<_>>()
        .into()
}

async fn next(events: &mut Subscription) -> String {
    match timeout(LONG, events.next()).await.expect("nothing came") {
        Some(Event::Status(status)) => format!("{} {}", status.exchange, status.state.name()),
        Some(Event::Trade(trade)) if trade.origin == Origin::Repair => format!("+{}", trade.id),
        Some(Event::Trade(trade)) => trade.id.to_string(),
        Some(Event::Gap(gap)) => format!("[{} {}]", gap.state.name(), gap.reason.name()),
        Some(Event::Ticker(ticker)) => format!("ticker {}", ticker.price.unwrap()),
        Some(Event::Candle(candle)) if candle.closed => format!("closed {}", candle.open_time),
        Some(Event::Candle(candle)) => format!("forming {}", candle.open_time),
        other => panic!("{other:?}"),
    }
}

fn request(symbol: &str) -> Request {
    Request::new([symbol]).streams([Stream::Trades])
}

#[tokio::test(start_paused = true)]
async fn a_provider_can_be_registered_while_the_engine_runs() {
    let engine = Engine::builder().build();
    assert!(engine.provider("late").is_err());
    let source = Arc::new(Source::new("late", vec![batch(trades("late", 1..4))]));
    engine.register(source.clone()).await.unwrap();
    let mut events = engine.subscribe(request("late:BTC")).await.unwrap();
    for id in ["1", "2", "3"] {
        assert_eq!(next(&mut events).await, id);
    }
    // The first one is the default.
    assert_eq!(engine.resolve("BTC").await.unwrap().market, market("late"));
    assert_eq!(engine.providers(), [Exchange::new("late")]);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_feed_goes_on_where_the_old_one_ended_and_others_are_not_touched() {
    let old = Arc::new(Source::new("swap", vec![batch(trades("swap", 1..3))]));
    let other = Arc::new(Source::new("still", vec![batch(trades("still", 1..2))]));
    let engine = Engine::builder()
        .shared_provider(old.clone())
        .shared_provider(other.clone())
        .build();
    let mut events = engine.subscribe(request("swap:BTC")).await.unwrap();
    let mut others = engine.subscribe(request("still:BTC")).await.unwrap();
    assert_eq!(next(&mut others).await, "1");
    assert_eq!(next(&mut events).await, "1");
    assert_eq!(next(&mut events).await, "2");

    let new = Arc::new(Source {
        missed: trades("swap", 3..6),
        ..Source::new("swap", vec![batch(trades("swap", [6]))])
    });
    engine.register(new.clone()).await.unwrap();
    let mut told = Vec::new();
    while told.last().is_none_or(|last| last != "6") {
        told.push(next(&mut events).await);
    }
    let expected = [
        "swap reconnecting",
        "swap connected",
        "+3",
        "+4",
        "+5",
        "[repaired reconnect]",
        "6",
    ];
    assert_eq!(told, expected);
    let counts = |source: &Source| {
        let (runs, ends) = (&source.runs, &source.ends);
        (runs.load(Ordering::Relaxed), ends.load(Ordering::Relaxed))
    };
    assert_eq!((counts(&old), counts(&new)), ((1, 1), (1, 0)));
    assert_eq!(counts(&other), (1, 0));
    assert_eq!(new.subscribed(), [Stream::Trades]);
    let silence = timeout(LONG, others.next()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test(start_paused = true)]
async fn who_reads_a_withdrawn_provider_is_told_and_goes_on_when_it_is_back() {
    let first = Source::new("gone", vec![batch(trades("gone", 1..3))]);
    let engine = Engine::builder().provider(first).build();
    let mut events = engine.subscribe(request("gone:BTC")).await.unwrap();
    assert_eq!(next(&mut events).await, "1");
    assert_eq!(next(&mut events).await, "2");
    let instrument = engine.resolve("gone:BTC").await.unwrap();

    engine.withdraw("gone").await.unwrap();
    assert_eq!(next(&mut events).await, "gone stopped");
    assert!(engine.resolve("gone:BTC").await.is_err());
    assert!(engine.withdraw("gone").await.is_err());
    // Whoever knew the instrument learns of it, too, and is fed later.
    let late = Request::instruments([instrument]).streams([Stream::Ticker, Stream::Trades]);
    let mut late = engine.subscribe(late).await.unwrap();
    assert_eq!(next(&mut late).await, "gone stopped");

    let mut ticker = Ticker::empty(market("gone"), Timestamp::from_nanos(9));
    ticker.price = Some("7".parse().unwrap());
    let second = Arc::new(Source::new(
        "gone",
        vec![
            vec![Event::Ticker(Arc::new(ticker))].into(),
            batch(trades("gone", [3])),
        ],
    ));
    engine.register(second.clone()).await.unwrap();
    for expected in ["gone reconnecting", "gone connected", "3"] {
        assert_eq!(next(&mut events).await, expected);
    }
    for expected in ["gone reconnecting", "gone connected", "ticker 7", "3"] {
        assert_eq!(next(&mut late).await, expected);
    }
    let mut subscribed = second.subscribed();
    subscribed.sort_unstable();
    assert_eq!(subscribed, [Stream::Ticker, Stream::Trades]);
}

#[tokio::test(start_paused = true)]
async fn candles_go_on_from_another_source_and_none_is_closed_twice() {
    const MINUTE: i64 = Interval::M1.nanos();
    let trade = |id: u64, at: i64| Trade {
        timestamp: Timestamp::from_nanos(at),
        received_at: Timestamp::from_nanos(at),
        ..trades("bars", [id])[0]
    };
    let candle = |open_time: i64, closed| Candle {
        market: market("bars"),
        interval: Interval::M1,
        open_time: Timestamp::from_nanos(open_time),
        open: "1.5".parse().unwrap(),
        high: "1.5".parse().unwrap(),
        low: "1.5".parse().unwrap(),
        close: "1.5".parse().unwrap(),
        volume: "2".parse().unwrap(),
        quote_volume: None,
        trades: None,
        closed,
        complete: true,
        origin: Origin::Stream,
        timestamp: None,
        received_at: Timestamp::from_nanos(open_time),
    };
    let by_trades = vec![trade(1, MINUTE), trade(2, 2 * MINUTE), trade(3, 3 * MINUTE)];
    let old = Source::new("bars", vec![batch(by_trades)]);
    let engine = Engine::builder().provider(old).build();
    let wanted = Request::new(["bars:BTC"]).streams([Stream::Candles(Interval::M1)]);
    let mut events = engine.subscribe(wanted).await.unwrap();
    let minute = |n: i64| Timestamp::from_nanos(n * MINUTE);
    let mut told = Vec::new();
    while told.last() != Some(&format!("forming {}", minute(3))) {
        told.push(next(&mut events).await);
    }
    let repeated = [
        candle(2 * MINUTE, true),
        candle(3 * MINUTE, true),
        candle(4 * MINUTE, true),
    ];
    let repeated = repeated.map(|candle| Event::Candle(Arc::new(candle)));
    let mut new = Source::new("bars", vec![repeated.to_vec().into()]);
    new.traits.candles = &[Interval::M1];
    let new = Arc::new(new);
    engine.register(new.clone()).await.unwrap();
    while told.last() != Some(&format!("closed {}", minute(4))) {
        told.push(next(&mut events).await);
    }
    assert_eq!(new.subscribed(), [Stream::Candles(Interval::M1)]);
    let closed: Vec<_> = told
        .iter()
        .filter(|line| line.starts_with("closed"))
        .collect();
    let expected = [1, 2, 3, 4].map(|n| format!("closed {}", minute(n)));
    assert_eq!(closed, expected.iter().collect::<Vec<_>>());
    assert!(told.contains(&"bars connected".to_owned()), "{told:?}");
    assert_eq!(StatusState::Stopped.name(), "stopped");
}
