//! Lines in, events of a running engine out.

use std::sync::Mutex as StdMutex;
use std::time::Duration;

use futures_util::StreamExt;

use super::*;
use crate::engine::{Link, Request, Subscription};
use crate::exchange::mock::Mock;
use crate::model::{Event, JsonWriter};

/// An engine, what it tells of everything that is pushed, and what was to be served.
struct Stage {
    engine: Engine,
    ingest: Ingest,
    events: Subscription,
    served: Arc<StdMutex<Vec<Topic>>>,
}

impl Stage {
    async fn new() -> Self {
        let engine = Engine::builder().provider(Mock::default()).build();
        let nothing = Request::instruments(Vec::new());
        let events = engine.subscribe(nothing).await.unwrap();
        let served = Arc::new(StdMutex::new(Vec::new()));
        let serve = serve(events.link(), served.clone());
        Self {
            ingest: Ingest::new(engine.clone(), serve),
            engine,
            events,
            served,
        }
    }

    async fn accept(&self, lines: &str) -> Accepted {
        self.ingest.accept_lines(lines.as_bytes()).await
    }

    /// Why a line is not taken.
    async fn refusal(&self, line: &str) -> String {
        let Accepted { accepted, rejected } = self.accept(line).await;
        assert_eq!(accepted, 0, "{line}");
        rejected.into_iter().map(|(_, why)| why).collect()
    }

    async fn next(&mut self) -> Event {
        let patience = Duration::from_secs(200);
        let event = tokio::time::timeout(patience, self.events.next()).await;
        event.expect("nothing came").expect("it goes on")
    }
}

fn serve(link: Link, served: Arc<StdMutex<Vec<Topic>>>) -> Serve {
    Arc::new(move |topics: Vec<Topic>| {
        served.lock().unwrap().extend(topics.iter().cloned());
        let link = link.clone();
        Box::pin(async move { link.add(topics).await.map_err(|error| error.to_string()) })
    })
}

fn line(event: &Event) -> String {
    let mut out = Vec::new();
    JsonWriter::default().write(event, &mut out);
    String::from_utf8(out).unwrap().trim_end().to_owned()
}

const TICK: &str = r#"{"type":"ticker","exchange":"mt5","symbol":"EUR/USD","bid":1.08410,"ask":"1.08420","timestamp":"2026-01-05T00:00:01Z"}"#;

fn trade(id: u64) -> String {
    format!(
        r#"{{"type":"trade","exchange":"desk","symbol":"ABC/USD","id":"{id}","price":1.50,"size":2,"side":"buy","timestamp":"2026-01-05T00:00:{id:02}Z"}}"#
    )
}

fn candle(minute: u32, close: &str, closed: bool) -> String {
    format!(
        r#"{{"type":"candle","exchange":"mt5","symbol":"EUR/USD","interval":"1m","open_time":"2026-01-05T00:{minute:02}:00Z","open":1.5,"high":1.6,"low":1.4,"close":{close},"volume":10,"trades":3,"closed":{closed}}}"#
    )
}

#[tokio::test]
async fn the_first_push_makes_a_provider_and_its_event_is_told_with_its_digits() {
    let mut stage = Stage::new().await;
    let accepted = stage.accept(&format!("\n{TICK}\r\n\n{}\n", trade(1))).await;
    assert_eq!((accepted.accepted, accepted.rejected), (2, vec![]));
    let told = [line(&stage.next().await), line(&stage.next().await)];
    let find = |kind: &str| told.iter().find(|line| line.contains(kind)).unwrap();
    let tick = find(r#""type":"ticker""#);
    assert!(
        tick.contains(r#""exchange":"mt5","symbol":"EUR/USD","price":null,"bid":1.08410"#)
            && tick.contains(r#""ask":1.08420"#)
            && tick.contains(r#""spread":0.00010"#),
        "{tick}"
    );
    assert!(find(r#""type":"trade""#).contains(r#""id":"1","price":1.50,"size":2"#));
    // Whatever tickwire writes can be pushed.
    let again = tick.replace("mt5", "copy");
    assert_eq!(stage.accept(&again).await.accepted, 1);
    for symbol in ["mt5:eurusd", "desk:ABC", "copy:EUR/USD"] {
        assert!(stage.engine.resolve(symbol).await.is_ok(), "{symbol}");
    }
    assert!(stage.ingest.is_source("mt5").await && !stage.ingest.is_source("mock").await);
    assert_eq!(stage.served.lock().unwrap().len(), 3);
    stage.engine.shutdown().await;
}

#[tokio::test]
async fn a_symbol_that_is_pushed_later_is_listed_at_once() {
    let stage = Stage::new().await;
    stage.accept(TICK).await;
    assert!(stage.engine.resolve("mt5:GBP/USD").await.is_err());
    stage.accept(&TICK.replace("EUR", "GBP")).await;
    assert!(stage.engine.resolve("mt5:GBP/USD").await.is_ok());
}

#[tokio::test]
async fn trades_are_told_once_in_order_and_make_candles() {
    let mut stage = Stage::new().await;
    stage.accept(&trade(1)).await;
    let wanted = Request::new(["desk:ABC"]).streams([Stream::Candles(Interval::M1)]);
    let mut candles = stage.engine.subscribe(wanted).await.unwrap();
    for id in [3, 2, 3, 7] {
        assert_eq!(stage.accept(&trade(id)).await.accepted, 1);
    }
    let mut ids = Vec::new();
    while ids.last() != Some(&7) {
        if let Event::Trade(trade) = stage.next().await {
            ids.push(trade.id);
        }
    }
    assert_eq!(ids, [1, 3, 7]);
    let patience = Duration::from_secs(60);
    let candle = tokio::time::timeout(patience, candles.next())
        .await
        .unwrap();
    assert!(matches!(candle, Some(Event::Candle(candle)) if !candle.closed));
    stage.engine.shutdown().await;
}

#[tokio::test]
async fn pushed_candles_are_told_as_they_are_each_closed_once() {
    let mut stage = Stage::new().await;
    stage.accept(TICK).await;
    let lines = [
        candle(0, "1.50", false),
        candle(0, "1.55", true),
        candle(0, "1.57", true),
        candle(1, "1.52", true),
    ];
    let accepted = stage.accept(&lines.join("\n")).await;
    assert_eq!((accepted.accepted, accepted.rejected), (4, vec![]));
    let mut closed = Vec::new();
    while closed.len() < 2 {
        if let Event::Candle(candle) = stage.next().await
            && candle.closed
        {
            closed.push((candle.open_time.to_string(), candle.close.to_string()));
        }
    }
    let expected = [
        ("2026-01-05T00:00:00.000000Z", "1.55"),
        ("2026-01-05T00:01:00.000000Z", "1.52"),
    ];
    assert_eq!(
        closed,
        expected.map(|(at, close)| (at.to_owned(), close.to_owned()))
    );
    stage.engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_pushes_nothing_for_a_minute_is_stale_until_the_next_push() {
    let mut stage = Stage::new().await;
    stage.accept(TICK).await;
    assert!(matches!(stage.next().await, Event::Ticker(_)));
    let state = |event: Event| match event {
        Event::Status(status) => format!("{} {}", status.exchange, status.state.name()),
        other => panic!("{other:?}"),
    };
    assert_eq!(state(stage.next().await), "mt5 stale");
    stage.accept(TICK).await;
    assert_eq!(state(stage.next().await), "mt5 connected");
    assert!(matches!(stage.next().await, Event::Ticker(_)));
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_line_and_takes_no_other_down() {
    let stage = Stage::new().await;
    let accepted = stage
        .accept(&format!("{TICK}\nnonsense\n{TICK}\n\n{{}}"))
        .await;
    assert_eq!(accepted.accepted, 2);
    let lines: Vec<usize> = accepted.rejected.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 5]);
    let change = |from: &str, to: &str| {
        let all = [TICK, &trade(1), &candle(0, "1.5", true)].join("\n");
        let found = all.lines().find(|line| line.contains(from));
        found.expect("one has it").replace(from, to)
    };
    for (from, to, why) in [
        (r#""ticker""#, r#""gap""#, "`type`: `gap` is none of"),
        (
            r#""mt5""#,
            r#""kraken""#,
            "`kraken` is a source of this server",
        ),
        (r#""mt5""#, r#""mock""#, "`mock` is a source of this server"),
        (r#""mt5""#, r#""MT5""#, "`exchange`: `MT5` is no name"),
        (r#""mt5""#, r#""<b>\u001b""#, r"`<b>\u{1b}` is no name"),
        (
            "EUR/USD",
            "eur/usd",
            "`symbol`: `eur/usd` is not BASE/QUOTE",
        ),
        ("EUR/USD", "EURUSD", "is not BASE/QUOTE"),
        ("EUR/USD", "EUR/US/D", "is not BASE/QUOTE"),
        ("EUR/USD", "EUR/<img>", "is not BASE/QUOTE"),
        (r#""bid""#, r#""bod""#, "unknown field `bod`"),
        ("1.08410", "-1", "`bid`: a price is above zero"),
        ("1.08410", "0", "`bid`: a price is above zero"),
        ("1.08410", r#""x""#, "`bid`: not a decimal number"),
        ("1.08410", "1e400", "`bid`: too many digits"),
        ("1.08410", "{}", "`bid`: not a decimal number"),
        (
            "2026-01-05T00:00:01Z",
            "2199-01-01T00:00:00Z",
            "it lies in the future",
        ),
        (
            "2026-01-05T00:00:01Z",
            "1969-01-01T00:00:00Z",
            "it lies before 1970",
        ),
        (
            "2026-01-05T00:00:01Z",
            "yesterday",
            "`timestamp`: `yesterday` is no RFC 3339 time",
        ),
        (r#""id":"1","#, "", "`id` is missing"),
        (r#""id":"1""#, r#""id":"x1""#, "`id`: it is no whole number"),
        (
            r#""id":"1""#,
            r#""id":9223372036854775808"#,
            "`id`: it is no whole number",
        ),
        (
            r#""id":"1""#,
            r#""id":"1","bid":1"#,
            "`bid`: a trade has none",
        ),
        (
            r#""side":"buy""#,
            r#""side":"bid""#,
            "`side`: `bid` is neither buy nor sell",
        ),
        (r#","side":"buy""#, "", "`side` is missing"),
        (
            r#""size":2"#,
            r#""size":-2"#,
            "`size`: it is not below zero",
        ),
        (r#""1m""#, r#""7m""#, "`interval`: `7m` is none"),
        ("00:00:00Z", "00:00:01Z", "begin at whole multiples"),
        (r#""high":1.6"#, r#""high":1.45"#, "do not lie between them"),
        (r#""volume":10"#, r#""volume":null"#, "`volume` is missing"),
        (
            r#""closed":true"#,
            r#""closed":true,"close_time":"2026-01-05T00:02:00Z""#,
            "`close_time`",
        ),
    ] {
        let told = stage.refusal(&change(from, to)).await;
        assert!(told.contains(why), "{from} -> {to}: {told}");
    }
    assert!(
        stage
            .refusal(&"x".repeat(5_000))
            .await
            .contains("bytes at most")
    );
    let binary = stage.ingest.accept_lines(b"\xff\xfe").await;
    assert_eq!(binary.rejected, [(1, "it is not UTF-8 text".to_owned())]);
}

#[tokio::test]
async fn names_are_bounded() {
    let stage = Stage::new().await;
    for n in 0..EXCHANGES {
        let line = TICK.replace("mt5", &format!("desk{n}"));
        assert_eq!(stage.accept(&line).await.accepted, 1, "{n}");
    }
    assert!(
        stage
            .refusal(&TICK.replace("mt5", "more"))
            .await
            .contains("one exchange too many")
    );
    let symbols = EXCHANGES..SYMBOLS;
    let lines = symbols.map(|n| {
        TICK.replace("mt5", "desk0")
            .replace("EUR", &format!("E{n}"))
    });
    let accepted = stage.accept(&lines.collect::<Vec<_>>().join("\n")).await;
    assert_eq!(
        (accepted.accepted, accepted.rejected),
        (SYMBOLS - EXCHANGES, vec![])
    );
    let more = TICK.replace("mt5", "desk0").replace("EUR", "MORE");
    assert!(stage.refusal(&more).await.contains("one symbol too many"));
    assert!(stage.engine.resolve("desk0:MORE/USD").await.is_err());
}

#[tokio::test]
async fn what_cannot_be_served_and_what_finds_no_room_is_refused() {
    let engine = Engine::builder().build();
    let full: Serve = Arc::new(|_| Box::pin(async { Err("too many streams".to_owned()) }));
    let ingest = Ingest::new(engine.clone(), full);
    let refused = ingest.accept_lines(TICK.as_bytes()).await;
    assert_eq!(refused.rejected, [(1, "too many streams".to_owned())]);
    // Nobody reads it, so that it fills up.
    let nobody: Serve = Arc::new(|_| Box::pin(async { Ok(()) }));
    let ingest = Ingest::new(engine, nobody);
    let lines = vec![TICK.replace("mt5", "unread"); source::WAITING + 1].join("\n");
    let accepted = ingest.accept_lines(lines.as_bytes()).await;
    assert_eq!(accepted.accepted, source::WAITING);
    let (place, why) = &accepted.rejected[0];
    assert!(
        *place == source::WAITING + 1 && why.contains("busy"),
        "{why}"
    );
}
