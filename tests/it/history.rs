//! The past: downloads, what comes before the live stream, and what cannot be had.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tickwire::sim::{LedgerCandle, Sim, SimConfig, Venue};

use crate::candles::{equals, market, pointed};
use crate::support::{Done, Record, VENUES, World, name, same_number};

const MINUTE_NS: i64 = 60_000_000_000;

/// An exchange with so many minutes of candles before its trades.
async fn with_past(venue: Venue, minutes: u64) -> (Sim, World) {
    let config = SimConfig {
        candle_history: minutes,
        ..SimConfig::new(venue)
    };
    let sim = Sim::start(config).await.unwrap();
    let world = World::with(venue, &sim);
    (sim, world)
}

pub fn time(ns: i64) -> String {
    Timestamp::from_nanosecond(ns.into()).unwrap().to_string()
}

/// From so many minutes ago until so many minutes ago, both at the beginning of one.
fn span(sim: &Sim, from: i64, until: i64) -> (i64, i64) {
    let now = sim.now_ns() / MINUTE_NS;
    ((now - from) * MINUTE_NS, (now - until) * MINUTE_NS)
}

fn download((from, until): (i64, i64)) -> String {
    let (since, until) = (time(from), time(until));
    format!("monitor BTC --stream candles --since {since} --until {until}")
}

/// The minutes that are told of this span: Coinbase has none without trades.
fn minutes(venue: Venue, sim: &Sim, (from, until): (i64, i64)) -> Vec<LedgerCandle> {
    let all = sim.candles_between(&market(venue), 60, from, until);
    let has = |candle: &LedgerCandle| venue != Venue::Coinbase || candle.trades > 0;
    all.into_iter().filter(has).collect()
}

/// The lines of a download as records, whatever its form.
fn rows(csv: &str) -> Vec<Record> {
    let mut lines = csv.lines();
    let header: Vec<_> = lines.next().unwrap().split(',').collect();
    let quoted = [
        "type",
        "exchange",
        "symbol",
        "interval",
        "open_time",
        "close_time",
        "origin",
    ];
    let row = |line: &str| {
        let cells: Vec<_> = line.split(',').collect();
        assert_eq!(cells.len(), header.len(), "{line}");
        let cell = |(name, cell): (&&str, &&str)| match (quoted.contains(name), cell.is_empty()) {
            (true, _) => format!("\"{name}\":\"{cell}\""),
            (false, true) => format!("\"{name}\":null"),
            (false, false) => format!("\"{name}\":{cell}"),
        };
        let cells: Vec<_> = header.iter().zip(&cells).map(cell).collect();
        Record::parse(&format!("{{{}}}", cells.join(",")))
    };
    lines.map(row).collect()
}

#[track_caller]
fn is_all(told: &[Record], wanted: &[LedgerCandle]) {
    for (told, wanted) in told.iter().zip(wanted) {
        assert!(equals(told, wanted), "{told:?} is {wanted:?}");
        assert_eq!((told.raw("closed"), told.raw("complete")), ("true", "true"));
        assert_eq!(told.text("origin"), "history");
    }
    assert_eq!(told.len(), wanted.len());
}

#[tokio::test]
async fn a_download_is_what_the_exchange_has_page_by_page() {
    // More than one page of each: 1,000 rows, 300, 720.
    for (venue, length, least) in [
        (Venue::Binance, 2_300, 3),
        (Venue::Coinbase, 700, 3),
        (Venue::Kraken, 700, 1),
    ] {
        let (sim, world) = with_past(venue, 3_000).await;
        let span = span(&sim, length + 5, 5);
        let wanted = minutes(venue, &sim, span);
        let csv = world
            .run(&format!("{} -o csv", download(span)))
            .await
            .exits(0);
        is_all(&rows(&csv.stdout), &wanted);
        let json = world.run(&download(span)).await.exits(0);
        is_all(&json.records(), &wanted);
        assert!(!csv.stderr.contains("gap"), "{csv:#?}");
        let counters = sim.counters();
        let is_of_candles = |path: &str| {
            ["klines", "candles", "OHLC"]
                .iter()
                .any(|end| path.ends_with(end))
        };
        let asked: u64 = counters
            .rest
            .iter()
            .filter(|(path, _)| is_of_candles(path))
            .map(|(_, n)| n)
            .sum();
        assert!(
            (2 * least..=2 * least + 2).contains(&asked),
            "{venue:?}: {:?}",
            counters.rest
        );
        assert_eq!(counters.rule_violations, Vec::<String>::new());
    }
}

#[tokio::test]
async fn longer_candles_are_downloaded_too_where_they_are_built_of_shorter_ones() {
    for (venue, interval, seconds) in [
        (Venue::Kraken, "3m", 180),
        (Venue::Coinbase, "30m", 1_800),
        (Venue::Binance, "2h", 7_200),
        (Venue::Coinbase, "1d", 86_400),
    ] {
        let (sim, world) = with_past(venue, 4_000).await;
        let step = seconds * 1_000_000_000;
        let until = sim.now_ns() / step * step;
        let from = until - 2 * step;
        let arguments = format!("{} --interval {interval}", download((from, until)));
        let done = world.run(&arguments).await.exits(0);
        let wanted = sim.candles_between(&market(venue), seconds, from, until);
        is_all(&done.records(), &wanted);
        assert_eq!(wanted.len(), 2, "{venue:?}");
    }
}

#[tokio::test]
async fn where_the_past_of_an_exchange_ends_is_told() {
    let (sim, world) = with_past(Venue::Kraken, 3_000).await;
    let span = span(&sim, 1_500, 5);
    let records = world.run(&download(span)).await.exits(0).records();
    let (gap, rest) = records.split_first().unwrap();
    assert_eq!(
        (gap.text("type"), gap.text("stream")),
        ("gap".into(), "candles".into())
    );
    assert_eq!(
        (gap.text("reason"), gap.text("state")),
        ("source_limit".into(), "unrepairable".into())
    );
    let first: Timestamp = rest[0].text("open_time").parse().unwrap();
    let moment = |field| gap.text(field).parse::<Timestamp>().unwrap();
    let from = Timestamp::from_nanosecond(span.0.into()).unwrap();
    assert_eq!((moment("from"), moment("to")), (from, first));
    let first = i64::try_from(first.as_nanosecond()).unwrap();
    assert_eq!(gap.number("missing"), ((first - span.0) / MINUTE_NS) as u64);
    // The newest 720, of which some are newer than what was asked for.
    assert!((700..=720).contains(&rest.len()), "{}", rest.len());
    is_all(rest, &minutes(Venue::Kraken, &sim, (first, span.1)));
    let csv = world
        .run(&format!("{} -o csv", download(span)))
        .await
        .exits(0);
    assert_eq!(rows(&csv.stdout).len(), rest.len());
    csv.says("gap: kraken:BTC/USD candles").says("source_limit");
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_said_before_anything_is_asked() {
    let world = World::new();
    for (arguments, says, hint) in [
        ("--stream candles --until 2026-01-01", "--since", ""),
        (
            "--stream candles --since 2026-01-02 --until 2026-01-01",
            "--until: it is not after --since",
            "--since 2026-01-01 --until 2026-02-01",
        ),
        ("--stream candles --since 2099-01-01", "is yet to come", ""),
        (
            "--history 5",
            "--history: tickers have no past",
            "--stream candles",
        ),
        (
            "--since 1h",
            "--since: tickers have no past",
            "--stream candles",
        ),
        (
            "--stream candles --history 5 --since 1h",
            "cannot be used with",
            "",
        ),
        ("--stream candles --history 5 -1", "cannot be used with", ""),
        ("--stream candles --history 0", "--history", ""),
        ("--stream candles --interval 7m", "7m", "1m"),
        ("--stream candles --interval 1M", "1M", "1m"),
        ("--stream candles --since yesterday", "--since", ""),
        (
            "--stream candles --interval 1m,5m -o csv",
            "csv takes one stream only",
            "",
        ),
    ] {
        let done = world
            .run(&format!("monitor BTC {arguments}"))
            .await
            .exits(2);
        done.prints_nothing().says(says).says(hint);
    }
}

#[tokio::test]
async fn a_download_that_breaks_off_says_where_to_go_on_and_goes_on_there() {
    let venue = Venue::Coinbase;
    let (sim, world) = with_past(venue, 3_000).await;
    let span = span(&sim, 1_205, 5);
    sim.faults().rest_candles_answers = Some(2);
    sim.faults().rest_candles_status = Some(403);
    let first = world.run(&download(span)).await.exits(3);
    assert!(
        first
            .stderr
            .contains("tickwire: error: coinbase:BTC/USD candles: told until"),
        "{first:#?}"
    );
    let since = resumed_from(&first);
    sim.faults().rest_candles_answers = None;
    let rest = download(span).replace(&time(span.0), &since);
    // Whoever was refused asks no more for a while: somebody else goes on.
    let rest = World::with(venue, &sim).run(&rest).await.exits(0);
    let told = [first.records(), rest.records()].concat();
    assert!(!first.records().is_empty());
    is_all(&told, &minutes(venue, &sim, span));
}

#[tokio::test]
async fn a_pause_of_the_exchange_is_waited_for() {
    let venue = Venue::Coinbase;
    let (sim, world) = with_past(venue, 3_000).await;
    let span = span(&sim, 905, 5);
    sim.faults().rest_candles_answers = Some(1);
    let running = world.spawn(&download(span));
    let failing = sim.clone();
    crate::support::eventually("it is refused", || asked(&failing) >= 2).await;
    sim.faults().rest_candles_answers = None;
    let done = running.end().await.exits(0);
    is_all(&done.records(), &minutes(venue, &sim, span));
}

fn asked(sim: &Sim) -> u64 {
    let rest = sim.counters().rest;
    rest.get("/products/BTC-USD/candles").copied().unwrap_or(0)
}

/// The moment that the hint names.
#[track_caller]
fn resumed_from(done: &Done) -> String {
    let hint = done.stderr.split("hint: --since ").nth(1);
    let hint = hint.unwrap_or_else(|| panic!("no hint in {done:#?}"));
    assert!(hint.contains("goes on from there"), "{hint}");
    hint.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_download_that_is_cut_short_goes_on_without_a_hole_or_a_double() {
    let venue = Venue::Coinbase;
    let (sim, world) = with_past(venue, 4_000).await;
    let span = span(&sim, 3_005, 5);
    sim.faults().rest_delay = Some(Duration::from_millis(150));
    let mut running = world.spawn(&download(span));
    running.record().await;
    running.signal("INT").await;
    let first = running.end().await.exits(130);
    sim.faults().rest_delay = None;
    let since = resumed_from(&first);
    let wanted = minutes(venue, &sim, span);
    let n = first.records().len();
    assert!(0 < n && n < wanted.len(), "{n} of {}", wanted.len());
    let rest = download(span).replace(&time(span.0), &since);
    let rest = world.run(&rest).await.exits(0);
    is_all(&[first.records(), rest.records()].concat(), &wanted);
}

#[tokio::test]
async fn readers_that_leave_end_a_download_quietly_and_slow_ones_lose_nothing() {
    let venue = Venue::Binance;
    let (sim, world) = with_past(venue, 20_000).await;
    let span = span(&sim, 15_005, 5);
    let mut running = world.spawn(&download(span));
    for _ in 0..5 {
        running.record().await;
    }
    running.close_stdout();
    let done = running.end().await.exits(0);
    assert_eq!(done.stderr, "");
    let mut running = world.spawn(&download(span));
    running.record().await;
    // Longer than a live reader is waited for.
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    let done = running.end().await.exits(0);
    is_all(&done.records(), &minutes(venue, &sim, span));
}

#[tokio::test]
async fn the_past_goes_on_into_the_present_without_a_hole_or_a_double() {
    join_all(VENUES.map(|venue| async move {
        // A minute takes a second.
        let config = SimConfig {
            candle_history: 2_000,
            rate: 60.0,
            clock_rate: 60.0,
            ..SimConfig::new(venue)
        };
        let sim = Sim::start(config).await.unwrap();
        let world = World::with(venue, &sim);
        let mut running = world.spawn("monitor BTC --stream candles --history 40");
        let mut closed: Vec<Record> = Vec::new();
        while closed
            .iter()
            .filter(|candle| candle.text("origin") != "history")
            .count()
            < 5
        {
            let record = running.record().await;
            assert!(record.is("candle"), "{venue:?} {record:?}");
            if record.raw("closed") == "true" {
                closed.push(record);
            }
        }
        running.signal("INT").await;
        let done = running.end().await.exits(0);
        assert!(closed.len() >= 45, "{venue:?}: {}", closed.len());
        let opened = |candle: &Record| candle.text("open_time").parse::<Timestamp>().unwrap();
        let from = i64::try_from(opened(&closed[0]).as_nanosecond()).unwrap();
        let wanted = minutes(venue, &sim, (from, sim.now_ns()));
        for (told, wanted) in closed.iter().zip(&wanted) {
            assert!(
                equals(told, wanted),
                "{venue:?}: {told:?} is {wanted:?}\n{}",
                done.stderr
            );
            assert_eq!(told.raw("complete"), "true", "{told:?}");
        }
    }))
    .await;
}

#[tokio::test]
async fn the_newest_so_many_are_told_first_also_of_several_intervals() {
    for venue in VENUES {
        let (sim, world) = with_past(venue, 3_000).await;
        let arguments = "monitor BTC ETH --stream candles --interval 1m,1h --history 3 -n 12";
        let done = world.run(arguments).await.exits(0);
        let mut told = [0; 4];
        for record in done.records() {
            assert_eq!(
                (record.text("origin"), record.raw("closed")),
                ("history".into(), "true")
            );
            let place = usize::from(record.text("symbol").starts_with("ETH")) * 2
                + usize::from(record.text("interval") == "1h");
            told[place] += 1;
        }
        assert_eq!(told, [3; 4], "{}", name(venue));
        // By the moments at which they end.
        let ends: Vec<_> = done
            .records()
            .iter()
            .map(|record| record.text("close_time"))
            .collect();
        assert!(ends.is_sorted(), "{ends:?}");
        drop(sim);
    }
}

#[tokio::test]
async fn the_past_of_trades_is_what_the_exchange_has() {
    for venue in VENUES {
        let (sim, world) = with_past(venue, 0).await;
        let ledger = sim.ledger(&market(venue));
        let (first, last) = (&ledger[50], &ledger[150]);
        let since = time(first.time_ns);
        let until = time(last.time_ns);
        let arguments = format!("monitor BTC --stream trades --since {since} --until {until}");
        let records = world.run(&arguments).await.exits(0).records();
        let wanted = ledger
            .iter()
            .filter(|trade| (first.time_ns..last.time_ns).contains(&trade.time_ns));
        let wanted: Vec<_> = wanted.collect();
        assert_eq!(records.len(), wanted.len(), "{venue:?}");
        for (told, wanted) in records.iter().zip(wanted) {
            assert_eq!(told.number("id"), wanted.id);
            for (field, wanted) in [("price", &wanted.price), ("size", &wanted.size)] {
                assert!(
                    same_number(&pointed(told.raw(field)), &pointed(wanted)),
                    "{told:?}"
                );
            }
            assert_eq!(told.text("origin"), "history");
        }
    }
}

#[tokio::test]
async fn candles_of_the_past_can_be_filtered_and_cut_down_to_fields() {
    let venue = Venue::Binance;
    let (sim, world) = with_past(venue, 500).await;
    let span = span(&sim, 305, 5);
    let wanted = minutes(venue, &sim, span);
    let fields = world
        .run(&format!("{} --field open_time,close", download(span)))
        .await
        .exits(0);
    let told: Vec<_> = fields
        .lines()
        .iter()
        .map(|line| line.split_once('\t').unwrap())
        .collect();
    assert_eq!(told.len(), wanted.len());
    for ((open_time, close), wanted) in told.into_iter().zip(&wanted) {
        let at: Timestamp = open_time.parse().unwrap();
        assert_eq!(at.as_nanosecond(), i128::from(wanted.open_time_ns));
        assert!(same_number(&pointed(close), &pointed(&wanted.close)));
    }
    let mut command = world.command(&download(span));
    command.args(["--where", "volume > 1"]);
    let traded = crate::support::finish(command).await.exits(0).records();
    let above: Vec<_> = wanted
        .into_iter()
        .filter(|candle| candle.volume.parse::<f64>().unwrap() > 1.0)
        .collect();
    assert!(!above.is_empty() && above.len() < 300);
    is_all(&traded, &above);
}

/// Half a minute in a debug build on two slow cores.
#[tokio::test]
async fn a_year_of_minutes_is_downloaded_in_bounded_memory() {
    const YEAR: i64 = 525_600;
    const MOST_KIB: u64 = 64 * 1_024;
    let (sim, world) = with_past(Venue::Binance, 530_000).await;
    let span = span(&sim, YEAR + 5, 5);
    let mut running = world.spawn(&format!("{} --field open_time,volume", download(span)));
    let (mut count, mut next, mut most) = (0, span.0, 0);
    while let Some(line) = running.next_line().await {
        running.read.clear();
        let (open_time, _) = line.split_once('\t').unwrap();
        let at: Timestamp = open_time.parse().unwrap();
        assert_eq!(at.as_nanosecond(), i128::from(next));
        next += MINUTE_NS;
        count += 1;
        if count % 20_000 == 0 {
            most = running.peak_kib().unwrap_or(most);
        }
    }
    let done = running.end().await.exits(0);
    assert_eq!((count, next), (YEAR, span.1));
    eprintln!("{most} KiB at most; {}", done.stderr.trim());
    assert!(0 < most && most < MOST_KIB, "{most} KiB");
    assert_eq!(sim.counters().rule_violations, Vec::<String>::new());
}

/// How many closed candles of the past there are of this length.
fn closed(records: &[Record], interval: &str) -> usize {
    let is_meant = |record: &&Record| {
        record.is("candle")
            && record.text("interval") == interval
            && record.raw("closed") == "true"
            && record.text("origin") == "history"
    };
    records.iter().filter(is_meant).count()
}

#[tokio::test]
async fn a_number_of_the_past_is_that_many_of_each_length_whatever_is_computed() {
    let (sim, world) = with_past(Venue::Coinbase, 3_000).await;
    let now = sim.now_ns() / MINUTE_NS;
    // Which ones depends on when the past began; rarely there are none among the newest thirty.
    let past = minutes(
        Venue::Coinbase,
        &sim,
        ((now - 2_000) * MINUTE_NS, now * MINUTE_NS),
    );
    assert!(past.len() < 2_000, "some of its minutes are without trades");
    // The hours need twenty minutes before each of them, too.
    for filter in ["", " --where sma(20)>0", " --strategy sma_cross(2,3)"] {
        let arguments =
            format!("monitor BTC --stream candles --interval 1m,1h --history 30{filter} -n 60");
        let done = world.run(&arguments).await.exits(0);
        let records = done.records();
        assert_eq!(
            (closed(&records, "1m"), closed(&records, "1h")),
            (30, 30),
            "{filter}: {done:#?}"
        );
    }
}
