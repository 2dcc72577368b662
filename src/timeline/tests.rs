//! A scripted exchange of one candle a minute, joined at every offset.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};

use super::*;
use crate::engine::Request;
use crate::feed::{Answer, Command, FeedIo, Page, Pages, Replay, Span, TradeMark, Traits};
use crate::model::{
    Candle, Exchange, Gap, Instrument, Interval, Origin, Price, Side, Ticker, Trade,
};

const MINUTE: i64 = Interval::M1.nanos();
const STREAM: Stream = Stream::Candles(Interval::M1);

/// A clock that stands where a test puts it.
#[derive(Default)]
struct Hand(Mutex<i64>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(*self.0.lock().unwrap())
    }
}

/// Candles whose price is their number; trades whose id is theirs, one each second.
#[derive(Default)]
struct Script {
    /// REST knows candles that ended this long before now.
    lag: i64,
    /// No candles before this minute.
    reach: i64,
    /// Minutes without trades.
    empty: Vec<i64>,
    /// Rows of a page.
    page: i64,
    /// The next answers fail.
    failures: Mutex<Vec<ProviderError>>,
    asked: Mutex<Vec<Span>>,
    clock: Arc<Hand>,
    /// What the feed tells as soon as it is subscribed.
    live: Mutex<Vec<Event>>,
}

fn exchange() -> Exchange {
    Exchange::new("scripted")
}

fn instrument() -> Instrument {
    Instrument::new(exchange(), "A", "B", "AB")
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_nanos(minute * MINUTE)
}

fn price(n: i64) -> Price {
    n.to_string().parse().unwrap()
}

fn candle(minute: i64, closed: bool, origin: Origin) -> Candle {
    Candle {
        market: instrument().market,
        interval: Interval::M1,
        open_time: at(minute),
        open: price(minute),
        high: price(minute),
        low: price(minute),
        close: price(minute),
        volume: "1".parse().unwrap(),
        quote_volume: None,
        trades: Some(1),
        closed,
        complete: true,
        origin,
        timestamp: None,
        received_at: at(minute),
    }
}

fn live(minute: i64, closed: bool) -> Event {
    Event::Candle(Arc::new(candle(minute, closed, Origin::Stream)))
}

fn trade(id: u64, origin: Origin) -> Trade {
    Trade {
        market: instrument().market,
        id,
        price: price(id as i64),
        size: "1".parse().unwrap(),
        side: Side::Buy,
        timestamp: Timestamp::from_nanos(id as i64 * 1_000_000_000),
        received_at: Timestamp::from_nanos(0),
        origin,
        replayed: false,
        suspect: false,
    }
}

impl Provider for Script {
    fn exchange(&self) -> Exchange {
        exchange()
    }

    fn traits(&self) -> Traits {
        Traits {
            quotes: vec!["B".into()],
            asset_aliases: &[],
            contiguous_ids: true,
            can_wait: true,
            own_clock: true,
            invented: false,
            stream_fields: &[],
            rest_fields: &[],
            silence: None,
            candles: &[Interval::M1],
            empty_candles: false,
            list_source: None,
        }
    }

    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>> {
        Box::pin(async { Ok(vec![instrument()]) })
    }

    fn tickers(&self, _: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        stream::empty().boxed()
    }

    fn trades<'a>(
        &'a self,
        _: &'a Instrument,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>> {
        let newest = self.clock.now().nanos() / 1_000_000_000;
        let first = (newest - limit as i64 + 1).max(1) as u64;
        let trades = (first..=newest as u64).map(|id| trade(id, Origin::History));
        let trades = trades.collect();
        Box::pin(async move { Ok(trades) })
    }

    fn trades_since<'a>(
        &'a self,
        _: &'a Instrument,
        after: TradeMark,
        _: tokio::time::Instant,
    ) -> BoxFuture<'a, Result<Replay, ProviderError>> {
        let newest = (self.clock.now().nanos() / 1_000_000_000) as u64;
        let trades: Vec<_> = (after.id.unwrap() + 1..=newest)
            .map(|id| trade(id, Origin::History))
            .collect();
        Box::pin(async move {
            Ok(Replay {
                newest: trades.last().copied(),
                trades,
                uncovered: Vec::new(),
                missing: Vec::new(),
            })
        })
    }

    fn candle_history(
        &self,
        _: Arc<Instrument>,
        interval: Interval,
        span: Span,
        _: Timestamp,
    ) -> Pages<'_, Candle> {
        assert_eq!(interval, Interval::M1);
        self.asked.lock().unwrap().push(span);
        if let Some(error) = self.failures.lock().unwrap().pop() {
            return stream::iter([Err(error)]).boxed();
        }
        if at(self.reach) >= span.until {
            return stream::empty().boxed();
        }
        let over = (self.clock.now().nanos() - self.lag).div_euclid(MINUTE);
        let first = Interval::M1.first_from(span.from).nanos() / MINUTE;
        let first = first.max(self.reach);
        let last = (Interval::M1.first_from(span.until).nanos() / MINUTE).min(over);
        let mut pages = Vec::new();
        let mut from = first;
        loop {
            let until = (from + self.page).min(last).max(from);
            let minutes = (from..until).filter(|minute| !self.empty.contains(minute));
            pages.push(Ok(Page {
                covers: Span {
                    from: at(from),
                    until: at(until),
                },
                items: minutes.map(|m| candle(m, true, Origin::History)).collect(),
                forming: (until == over && at(over) < span.until)
                    .then(|| candle(over, false, Origin::History)),
            }));
            from = until;
            if from >= last {
                break;
            }
        }
        stream::iter(pages).boxed()
    }

    fn run(self: Arc<Self>, mut io: FeedIo) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            while let Some(command) = io.commands.recv().await {
                if let Command::Subscribe(_) = command {
                    let live = std::mem::take(&mut *self.live.lock().unwrap());
                    let _ = io.events.send(live.into()).await;
                }
            }
        })
    }
}

/// What was told, as short words: `3` closed, `3~` forming, `gap 1..3`, `t7` a trade.
async fn told(script: Script, streams: Vec<(Stream, Past)>, is_live: bool) -> (Vec<String>, Ended) {
    let clock = script.clock.clone();
    let engine = Engine::builder().provider(script).clock(clock).build();
    let instrument = engine.resolve("A").await.unwrap();
    let streams: Vec<_> = streams
        .into_iter()
        .map(|(stream, past)| {
            let instrument = instrument.clone();
            (Topic { instrument, stream }, past)
        })
        .collect();
    let mut subscription = None;
    if is_live {
        let request = Request::new(["A"]).streams(streams.iter().map(|(topic, _)| topic.stream));
        subscription = Some(engine.subscribe(request).await.unwrap());
    }
    let mut timeline = Timeline::new(&engine, streams, subscription).unwrap();
    let (mut words, mut batch) = (Vec::new(), Vec::new());
    let ended = loop {
        // With a paused clock this passes once nothing more can come.
        let next = timeline.next_batch(&mut batch);
        match tokio::time::timeout(Duration::from_secs(30), next).await {
            Ok(Ok(())) => words.extend(batch.iter().map(word)),
            Ok(Err(ended)) => break ended,
            Err(_) => break Ended::Over,
        }
    };
    engine.shutdown().await;
    (words, ended)
}

fn word(event: &Event) -> String {
    let minute = |at: Timestamp| at.nanos() / MINUTE;
    match event {
        Event::Candle(candle) if candle.closed => minute(candle.open_time).to_string(),
        Event::Candle(candle) => format!("{}~", minute(candle.open_time)),
        Event::Trade(trade) => format!("t{}", trade.id),
        Event::Gap(gap) => gap_word(gap),
        other => format!("{other:?}"),
    }
}

fn gap_word(gap: &Gap) -> String {
    let (from, to) = (gap.from.unwrap(), gap.to.unwrap());
    let minute = |at: Timestamp| at.nanos() / MINUTE;
    format!("gap {}..{} {}", minute(from), minute(to), gap.reason.name())
}

fn script(now: i64) -> Script {
    Script {
        page: 1_000,
        clock: Arc::new(Hand(Mutex::new(now))),
        ..Script::default()
    }
}

fn numbers(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn at_every_offset_of_a_bar_each_candle_is_told_once() {
    // The past is asked for at some moment of minute 10, REST lags by up to two minutes, and the stream begins with
    // minute 9, 10, 11 or 13.
    for offset in [0, 1, 30, 59] {
        for lag in [0, 30, 90] {
            for begin in [9, 10, 11, 13] {
                let script = Script {
                    lag: lag * 1_000_000_000,
                    live: Mutex::new(
                        (begin..15)
                            .flat_map(|minute| [live(minute, false), live(minute, true)])
                            .collect(),
                    ),
                    ..script(10 * MINUTE + offset * 1_000_000_000)
                };
                // By the time the seam is looked at, everything up to the first live candle is known.
                let clock = script.clock.clone();
                let moved = tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    *clock.0.lock().unwrap() = 20 * MINUTE;
                });
                let past = Past::Since(at(3), None);
                let (words, _) = told(script, vec![(STREAM, past)], true).await;
                moved.await.unwrap();
                let closed: Vec<_> = words
                    .iter()
                    .filter(|w| !w.ends_with('~'))
                    .cloned()
                    .collect();
                assert_eq!(
                    closed,
                    numbers(3..15),
                    "offset {offset}, lag {lag}, begin {begin}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_span_in_the_past_is_told_and_then_it_is_over() {
    let script = Script {
        page: 4,
        ..script(100 * MINUTE)
    };
    let past = Past::Since(at(3), Some(at(13)));
    let (words, ended) = told(script, vec![(STREAM, past)], false).await;
    assert_eq!((words, ended), (numbers(3..13), Ended::Over));
}

#[tokio::test(start_paused = true)]
async fn where_the_exchange_s_history_ends_is_said() {
    let script = Script {
        reach: 7,
        ..script(100 * MINUTE)
    };
    let past = Past::Since(at(3), Some(at(9)));
    let (words, _) = told(script, vec![(STREAM, past)], false).await;
    assert_eq!(words, ["gap 3..7 source_limit", "7", "8"]);
}

#[tokio::test(start_paused = true)]
async fn a_span_of_which_nothing_can_be_had_is_a_gap() {
    let script = Script {
        reach: 50,
        ..script(100 * MINUTE)
    };
    let past = Past::Since(at(3), Some(at(9)));
    let (words, ended) = told(script, vec![(STREAM, past)], false).await;
    assert_eq!(
        (words, ended),
        (vec!["gap 3..9 source_limit".to_string()], Ended::Over)
    );
}

#[tokio::test(start_paused = true)]
async fn the_newest_are_looked_for_beyond_minutes_without_trades() {
    let empty = (90..98).chain(60..89).collect();
    let script = Script {
        empty,
        ..script(100 * MINUTE + 30_000_000_000)
    };
    let (words, _) = told(script, vec![(STREAM, Past::Last(4))], false).await;
    assert_eq!(words, ["59", "89", "98", "99", "100~"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_asked_again_from_where_it_stands_and_a_refusal_ends_it() {
    let passing = ProviderError::Unreachable("gone".into());
    let script = Script {
        failures: Mutex::new(vec![passing.clone(), passing]),
        ..script(100 * MINUTE)
    };
    let past = Past::Since(at(3), Some(at(5)));
    let (words, _) = told(script, vec![(STREAM, past)], false).await;
    assert_eq!(words, ["3", "4"]);

    let refused = ProviderError::Refused("no".into());
    let script = Script {
        failures: Mutex::new(vec![refused.clone()]),
        ..script_at_100()
    };
    let (words, ended) = told(script, vec![(STREAM, past)], false).await;
    assert!(words.is_empty());
    assert!(
        matches!(&ended, Ended::Failed { from, error, .. } if *from == at(3) && *error == refused),
        "{ended:?}"
    );
}

fn script_at_100() -> Script {
    script(100 * MINUTE)
}

#[tokio::test(start_paused = true)]
async fn several_streams_are_told_in_the_order_of_time() {
    let script = script(4 * MINUTE);
    let past = Past::Since(at(2), Some(at(4)));
    let trades = Past::Last(3);
    let streams = vec![(STREAM, past), (Stream::Trades, trades)];
    let (words, _) = told(script, streams, false).await;
    assert_eq!(words, ["2", "t238", "t239", "3", "t240"]);
}

#[tokio::test(start_paused = true)]
async fn trades_are_joined_by_id_and_the_missing_ones_are_asked_for() {
    let script = Script {
        live: Mutex::new(
            [604, 605, 606]
                .map(|id| Event::Trade(trade(id, Origin::Stream)))
                .to_vec(),
        ),
        ..script(10 * MINUTE)
    };
    let clock = script.clock.clone();
    let moved = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        *clock.0.lock().unwrap() = 11 * MINUTE;
    });
    let (words, _) = told(script, vec![(Stream::Trades, Past::Last(3))], true).await;
    moved.await.unwrap();
    let ids: Vec<_> = (598..=606).map(|id| format!("t{id}")).collect();
    assert_eq!(words, ids);
}
