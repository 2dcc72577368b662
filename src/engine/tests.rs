//! The engine over a source that says what a test wants, in virtual time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::exchange::mock::Mock;
use crate::feed::{
    Answer, Batch, Command, FeedIo, Provider, ProviderError, Replay, Sign, TradeMark, Traits,
};
use crate::model::{
    Clock, Event, Exchange, Instrument, Market, Origin, Side, Stream, Ticker, Timestamp, Trade,
};

mod candles;
mod renewal;

/// What a question for trades gets, and after which time. `None`: it breaks.
type Reply = (Duration, Option<Result<Replay, ProviderError>>);

#[derive(Clone)]
struct Scripted(Arc<Inner>);

struct Inner {
    mock: Mock,
    batches: Mutex<VecDeque<Batch>>,
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<(TradeMark, Duration)>>,
    /// How often its lines were to be looked at.
    checks: AtomicUsize,
}

impl Scripted {
    /// The batches come 10 ms after one another, each time that something is subscribed.
    fn new(batches: Vec<Batch>, replies: Vec<Reply>) -> Self {
        Self(Arc::new(Inner {
            mock: Mock::default(),
            batches: Mutex::new(batches.into()),
            replies: Mutex::new(replies.into()),
            asked: Mutex::default(),
            checks: AtomicUsize::new(0),
        }))
    }

    fn asked(&self) -> Vec<(TradeMark, Duration)> {
        self.0.asked.lock().unwrap().clone()
    }
}

impl Provider for Scripted {
    fn exchange(&self) -> Exchange {
        self.0.mock.exchange()
    }

    fn traits(&self) -> Traits {
        self.0.mock.traits()
    }

    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>> {
        self.0.mock.instruments()
    }

    fn tickers(&self, of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        self.0.mock.tickers(of)
    }

    fn trades<'a>(
        &'a self,
        of: &'a Instrument,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>> {
        self.0.mock.trades(of, limit)
    }

    fn trades_since<'a>(
        &'a self,
        _: &'a Instrument,
        after: TradeMark,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Replay, ProviderError>> {
        let budget = deadline.saturating_duration_since(Instant::now());
        self.0.asked.lock().unwrap().push((after, budget));
        let reply = self.0.replies.lock().unwrap().pop_front();
        Box::pin(async move {
            let (pause, reply) = reply.expect("a question that the test did not expect");
            sleep(pause).await;
            reply.expect("broken on purpose")
        })
    }

    fn run(self: Arc<Self>, mut io: FeedIo) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                tokio::select! {
                    () = io.cancel.cancelled() => return,
                    command = io.commands.recv() => match command {
                        Some(Command::Check) => {
                            self.0.checks.fetch_add(1, Ordering::Relaxed);
                            continue;
                        }
                        Some(_) => {}
                        None => return,
                    },
                }
                loop {
                    let Some(batch) = self.0.batches.lock().unwrap().pop_front() else {
                        break;
                    };
                    let is_end = batch.events.is_empty() && batch.signs.is_empty();
                    if is_end || io.events.send(batch).await.is_err() {
                        break;
                    }
                    sleep(Duration::from_millis(10)).await;
                }
            }
        })
    }
}

fn btc() -> Market {
    Market::new(Exchange::new("mock"), "BTC", "USD")
}

fn trade(id: u64, replayed: bool) -> Trade {
    Trade {
        market: btc(),
        id,
        price: "1.5".parse().unwrap(),
        size: "2".parse().unwrap(),
        side: Side::Buy,
        timestamp: Timestamp::from_nanos(id as i64),
        received_at: Timestamp::from_nanos(id as i64),
        origin: Origin::Stream,
        replayed,
        suspect: false,
    }
}

/// The stream begins after 0.
fn begin() -> Batch {
    vec![Event::Trade(trade(0, true))].into()
}

fn stream(ids: impl IntoIterator<Item = u64>) -> Batch {
    let trades = ids.into_iter().map(|id| Event::Trade(trade(id, false)));
    trades.collect::<Vec<_>>().into()
}

/// The feed stops there until somebody subscribes anew.
fn end() -> Batch {
    Batch::default()
}

fn has(ids: impl IntoIterator<Item = u64>) -> Option<Result<Replay, ProviderError>> {
    let trades: Vec<_> = ids.into_iter().map(|id| trade(id, false)).collect();
    Some(Ok(Replay {
        missing: Vec::new(),
        newest: trades.last().copied(),
        trades,
        uncovered: Vec::new(),
    }))
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Longer than any repair. Virtual.
const LONG: Duration = Duration::from_secs(300);

async fn open(source: &Scripted, delivery: Delivery) -> (Engine, Subscription) {
    let engine = Engine::builder().provider(source.clone()).build();
    let request = Request::new(["BTC"]).streams([Stream::Trades]);
    let events = engine.subscribe(request.delivery(delivery)).await.unwrap();
    (engine, events)
}

async fn next(events: &mut Subscription) -> String {
    match timeout(LONG, events.next()).await.expect("nothing came") {
        Some(Event::Trade(trade)) if trade.origin == Origin::Repair => format!("+{}", trade.id),
        Some(Event::Trade(trade)) => trade.id.to_string(),
        Some(Event::Gap(gap)) => format!(
            "[{}..{} {} {}]",
            gap.from_id.unwrap(),
            gap.to_id.unwrap(),
            gap.state.name(),
            gap.reason.name()
        ),
        Some(other) => panic!("{other:?}"),
        None => "end".into(),
    }
}

async fn told(events: &mut Subscription, until: &str) -> String {
    let mut told = Vec::new();
    loop {
        told.push(next(events).await);
        if told.last().is_some_and(|last| last == until) {
            return told.join(" ");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_filled_by_the_provider_and_counted() {
    let source = Scripted::new(
        vec![begin(), stream([1, 4]), stream([5])],
        vec![(millis(100), has(2..=5))],
    );
    let (engine, mut events) = open(&source, Delivery::default()).await;
    assert_eq!(
        told(&mut events, "5").await,
        "1 +2 +3 [2..3 repaired id_hole] 4 5"
    );
    let [(after, budget)] = source.asked()[..] else {
        panic!("{:?}", source.asked());
    };
    assert_eq!((after.id, after.time), (Some(1), Timestamp::from_nanos(1)));
    assert_eq!(budget, millis(9_250));
    let stats = engine.stats();
    assert_eq!(
        (stats.gaps, stats.missing, stats.recovered, stats.repairs),
        (1, 0, 2, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_or_breaks_holds_the_stream_up_for_10_s_and_no_longer() {
    for reply in [(LONG, has([2])), (millis(1), None)] {
        let source = Scripted::new(vec![begin(), stream([1, 3])], vec![reply]);
        let (_engine, mut events) = open(&source, Delivery::default()).await;
        let begun = Instant::now();
        assert_eq!(
            told(&mut events, "3").await,
            "1 [2..2 unrepairable id_hole] 3"
        );
        let waited = begun.elapsed();
        assert!(waited <= millis(10_500), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_in_a_quiet_market_comes_although_no_trade_does() {
    let topics = || vec![(btc(), Stream::Trades)];
    let signs = |sign| Batch {
        events: Vec::new(),
        signs: vec![sign],
    };
    let source = Scripted::new(
        vec![
            begin(),
            stream([1]),
            signs(Sign::Lost(topics())),
            signs(Sign::Subscribed(topics())),
        ],
        vec![(millis(50), has([2, 3]))],
    );
    let (_engine, mut events) = open(&source, Delivery::default()).await;
    let last = "[2..3 repaired reconnect]";
    assert_eq!(told(&mut events, last).await, format!("1 +2 +3 {last}"));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_waited_for_loses_nothing_of_a_repair() {
    let small = Delivery::Every {
        capacity: 4,
        overflow: Overflow::Wait,
    };
    let source = Scripted::new(
        vec![begin(), stream([1, 30]), stream(31..60), stream([62])],
        vec![(millis(300), has(2..=30)), (millis(300), has([61, 62]))],
    );
    let (_engine, mut events) = open(&source, small).await;
    let mut all = Vec::new();
    while all.last().is_none_or(|last| last != "62") {
        // Far longer than a repair may take.
        sleep(Duration::from_secs(20)).await;
        for _ in 0..4 {
            all.push(next(&mut events).await);
            if all.last().is_some_and(|last| last == "62") {
                break;
            }
        }
    }
    let repaired = (2..30).map(|id| format!("+{id}"));
    let streamed = (30..61).map(|id| id.to_string());
    let streamed = streamed.filter(|id| id != "60");
    let mut wanted = vec!["1".to_owned()];
    wanted.extend(repaired);
    wanted.push("[2..29 repaired id_hole]".into());
    wanted.extend(streamed);
    // The exchange has no 60.
    wanted.extend(["+61", "[61..61 repaired id_hole]", "62"].map(String::from));
    assert_eq!(all, wanted);
}

#[tokio::test(start_paused = true)]
async fn an_answer_for_a_subscription_that_is_gone_reaches_no_later_one() {
    let source = Scripted::new(
        vec![
            begin(),
            stream([1, 3]),
            end(),
            begin(),
            stream([1]),
            stream([2]),
        ],
        vec![(millis(2_000), has([2, 3]))],
    );
    let (_engine, mut events) = open(&source, Delivery::default()).await;
    assert_eq!(next(&mut events).await, "1");
    sleep(millis(1_000)).await;
    assert_eq!(source.asked().len(), 1);
    events.remove(["BTC"]).await.unwrap();
    events.add(["BTC"]).await.unwrap();
    assert_eq!(next(&mut events).await, "1");
    assert_eq!(next(&mut events).await, "2");
    let silence = timeout(LONG, events.next()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_repair_and_tells_what_is_open() {
    let source = Scripted::new(vec![begin(), stream([1, 3, 4])], vec![(LONG, has([2, 3]))]);
    let (engine, mut events) = open(&source, Delivery::default()).await;
    assert_eq!(next(&mut events).await, "1");
    sleep(millis(1_000)).await;
    let begun = Instant::now();
    engine.shutdown().await;
    assert_eq!(
        told(&mut events, "end").await,
        "[2..2 unrepairable id_hole] 3 4 end"
    );
    assert!(begun.elapsed() < millis(1_000));
}

/// A wall clock that can be put forward.
struct Wall {
    started: Instant,
    ahead: AtomicI64,
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let lived = Timestamp::from_nanos(self.started.elapsed().as_nanos() as i64);
        lived.plus_nanos(self.ahead.load(Ordering::Relaxed))
    }
}

#[tokio::test(start_paused = true)]
async fn after_this_machine_slept_every_line_is_looked_at_once() {
    const HOUR: i64 = 3_600_000_000_000;
    let source = Scripted::new(vec![begin(), stream([1])], vec![]);
    let checks = || source.0.checks.load(Ordering::Relaxed);
    let wall = Arc::new(Wall {
        started: Instant::now(),
        ahead: AtomicI64::new(0),
    });
    let engine = Engine::builder()
        .provider(source.clone())
        .clock(wall.clone())
        .build();
    let request = Request::new(["BTC"]).streams([Stream::Trades]);
    let _events = engine.subscribe(request).await.unwrap();
    sleep(LONG).await;
    assert_eq!(checks(), 0);
    wall.ahead.store(HOUR, Ordering::Relaxed);
    sleep(LONG).await;
    assert_eq!(checks(), 1);
    // a clock that is put back did not sleep
    wall.ahead.store(0, Ordering::Relaxed);
    sleep(LONG).await;
    assert_eq!(checks(), 1);
}
