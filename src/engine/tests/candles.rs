//! Candles through the running engine.

use super::*;
use crate::feed::{Page, Pages, Span, Topic};
use crate::model::{Candle, Interval};

const MINUTE: i64 = 60_000_000_000;

/// A source of batches that has candles, too.
#[derive(Clone)]
struct Charted {
    source: Scripted,
    streams: &'static [Interval],
    rows: Arc<Mutex<Vec<Candle>>>,
    commands: Arc<Mutex<Vec<String>>>,
}

impl Charted {
    fn new(streams: &'static [Interval], batches: Vec<Batch>, replies: Vec<Reply>) -> Self {
        Self {
            source: Scripted::new(batches, replies),
            streams,
            rows: Arc::default(),
            commands: Arc::default(),
        }
    }

    fn commands(&self) -> String {
        self.commands.lock().unwrap().join(" ")
    }

    fn note(&self, command: &Command) {
        let (name, topics) = match command {
            Command::Subscribe(topics) => ("+", topics),
            Command::Unsubscribe(topics) => ("-", topics),
            _ => return,
        };
        let shown = |topic: &Topic| match topic.stream.interval() {
            Some(interval) => format!("{name}{interval}"),
            None => format!("{name}{}", topic.stream.name()),
        };
        self.commands
            .lock()
            .unwrap()
            .extend(topics.iter().map(shown));
    }
}

impl Provider for Charted {
    fn exchange(&self) -> Exchange {
        self.source.exchange()
    }

    fn traits(&self) -> Traits {
        Traits {
            candles: self.streams,
            ..self.source.traits()
        }
    }

    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>> {
        self.source.instruments()
    }

    fn tickers(&self, of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        self.source.tickers(of)
    }

    fn trades<'a>(
        &'a self,
        of: &'a Instrument,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>> {
        self.source.trades(of, limit)
    }

    fn trades_since<'a>(
        &'a self,
        of: &'a Instrument,
        after: TradeMark,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Replay, ProviderError>> {
        self.source.trades_since(of, after, deadline)
    }

    fn candle_history(
        &self,
        _: Arc<Instrument>,
        interval: Interval,
        span: Span,
        _: Timestamp,
    ) -> Pages<'_, Candle> {
        let rows = self.rows.lock().unwrap();
        let is_in = |row: &&Candle| {
            row.interval == interval && span.from <= row.open_time && row.open_time < span.until
        };
        let page = Page {
            covers: span,
            items: rows.iter().filter(is_in).cloned().collect(),
            forming: None,
        };
        futures_util::stream::iter([Ok(page)]).boxed()
    }

    fn run(self: Arc<Self>, mut io: FeedIo) -> BoxFuture<'static, ()> {
        let (sender, commands) = tokio::sync::mpsc::channel(100);
        let inner = FeedIo {
            commands,
            events: io.events.clone(),
            cancel: io.cancel.clone(),
            stats: io.stats.clone(),
        };
        let run = Arc::new(self.source.clone()).run(inner);
        Box::pin(async move {
            let forward = async {
                while let Some(command) = io.commands.recv().await {
                    self.note(&command);
                    if sender.send(command).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = run => {}
                () = forward => {}
            }
        })
    }
}

/// A trade at this second.
fn dated(id: u64, second: i64) -> Event {
    let timestamp = Timestamp::from_nanos(second * 1_000_000_000);
    Event::Trade(Trade {
        timestamp,
        ..trade(id, false)
    })
}

fn candle(interval: Interval, minute: i64, trades: u64) -> Candle {
    let unit = "1.5".parse().unwrap();
    Candle {
        market: btc(),
        interval,
        open_time: Timestamp::from_nanos(minute * MINUTE),
        open: unit,
        high: unit,
        low: unit,
        close: unit,
        volume: (2 * trades).to_string().parse().unwrap(),
        quote_volume: None,
        trades: Some(trades),
        closed: false,
        complete: true,
        origin: Origin::Stream,
        timestamp: Some(Timestamp::from_nanos(
            minute * MINUTE + 1_000_000_000 * trades as i64,
        )),
        received_at: Timestamp::from_nanos(0),
    }
}

async fn subscribe(source: &Charted, streams: &[Stream]) -> (Engine, Subscription) {
    let engine = Engine::builder().provider(source.clone()).build();
    let request = Request::new(["BTC"]).streams(streams.iter().copied());
    let events = engine.subscribe(request).await.unwrap();
    (engine, events)
}

/// The next closed candle: minute, length, trades, whether it is complete.
async fn closed(events: &mut Subscription) -> String {
    loop {
        match timeout(LONG, events.next()).await.expect("nothing came") {
            Some(Event::Candle(c)) if c.closed => {
                let minute = c.open_time.nanos() / MINUTE;
                let doubt = if c.complete { "" } else { "?" };
                let (interval, trades) = (c.interval, c.trades.unwrap());
                return format!("{interval}@{minute} {trades} {}{doubt}", c.origin.name());
            }
            Some(Event::Candle(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn candles_are_made_of_trades_that_nobody_reads() {
    let batch = vec![dated(1, 5), dated(2, 50), dated(3, 61), dated(4, 130)];
    let source = Charted::new(&[], vec![begin(), batch.into()], vec![]);
    let (engine, mut events) = subscribe(&source, &[Stream::Candles(Interval::M1)]).await;
    assert_eq!(closed(&mut events).await, "1m@0 2 stream");
    assert_eq!(closed(&mut events).await, "1m@1 1 stream");
    assert_eq!(source.commands(), "+trades");
    assert_eq!(engine.stats().candles, 2);
}

#[tokio::test(start_paused = true)]
async fn a_candle_in_a_repair_closes_when_the_repair_has_ended() {
    let source = Charted::new(
        &[],
        vec![begin(), vec![dated(1, 5), dated(4, 61)].into()],
        vec![(
            millis(3_000),
            Some(Ok(Replay {
                trades: [dated(2, 20), dated(3, 30)]
                    .iter()
                    .filter_map(|event| match event {
                        Event::Trade(trade) => Some(*trade),
                        _ => None,
                    })
                    .collect(),
                uncovered: Vec::new(),
                missing: Vec::new(),
                newest: None,
            })),
        )],
    );
    let (_engine, mut events) = subscribe(&source, &[Stream::Candles(Interval::M1)]).await;
    assert_eq!(closed(&mut events).await, "1m@0 3 stream");
}

#[tokio::test(start_paused = true)]
async fn longer_candles_are_made_of_streamed_ones_and_share_their_line() {
    let states = [(0, 2), (1, 3), (2, 1), (3, 1)];
    let states = states.map(|(minute, trades)| {
        let state = candle(Interval::M1, minute, trades);
        vec![Event::Candle(Arc::new(state))].into()
    });
    let source = Charted::new(&[Interval::M1], states.into(), vec![]);
    let (_engine, mut events) = subscribe(&source, &[Stream::Candles(Interval::M3)]).await;
    assert_eq!(closed(&mut events).await, "3m@0 6 stream");
    assert_eq!(source.commands(), "+1m");
}

#[tokio::test(start_paused = true)]
async fn candles_missed_in_an_outage_are_fetched_and_told_as_a_gap() {
    let topics = || vec![(btc(), Stream::Candles(Interval::M1))];
    let state = |minute, trades| Event::Candle(Arc::new(candle(Interval::M1, minute, trades)));
    let lost = Batch {
        events: vec![state(0, 2)],
        signs: vec![Sign::Lost(topics()), Sign::Subscribed(topics())],
    };
    let source = Charted::new(
        &[Interval::M1],
        vec![lost, vec![state(3, 1)].into()],
        vec![],
    );
    let rows =
        [(0, 4), (1, 5), (2, 1)].map(|(minute, trades)| candle(Interval::M1, minute, trades));
    source.rows.lock().unwrap().extend(rows);
    let (_engine, mut events) = subscribe(&source, &[Stream::Candles(Interval::M1)]).await;
    for told in ["1m@0 4 repair", "1m@1 5 repair", "1m@2 1 repair"] {
        assert_eq!(closed(&mut events).await, told);
    }
    let Some(Event::Gap(gap)) = timeout(LONG, events.next()).await.unwrap() else {
        panic!("no gap");
    };
    let minutes = |at: Option<Timestamp>| at.map(|at| at.nanos() / MINUTE);
    assert_eq!((minutes(gap.from), minutes(gap.to)), (Some(1), Some(3)));
    assert_eq!((gap.missing, gap.recovered), (Some(2), 2));
}

#[tokio::test(start_paused = true)]
async fn trades_flow_as_long_as_anybody_needs_them() {
    let source = Charted::new(&[], vec![begin(), vec![dated(1, 5)].into()], vec![]);
    let (engine, candles) = subscribe(&source, &[Stream::Candles(Interval::M1)]).await;
    let request = Request::new(["BTC"]).streams([Stream::Trades]);
    let trades = engine.subscribe(request).await.unwrap();
    drop(candles);
    sleep(millis(1_000)).await;
    assert_eq!(source.commands(), "+trades");
    drop(trades);
    sleep(millis(1_000)).await;
    assert_eq!(source.commands(), "+trades -trades");
}
