//! Live candles: their forms, what closes them, and what is told of minutes in which nothing came.

use futures_util::future::join_all;
use jiff::Timestamp;
use tickwire::sim::{Cut, LedgerCandle, Sim, SimConfig, Venue};

use crate::support::{Record, VENUES, World, eventually, name, quote, same_number};

const FIELDS: [&str; 16] = [
    "type",
    "exchange",
    "symbol",
    "interval",
    "open_time",
    "close_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    "trades",
    "closed",
    "complete",
    "origin",
];
const SECOND_NS: i64 = 1_000_000_000;

pub fn market(venue: Venue) -> String {
    format!("BTC/{}", quote(venue))
}

/// Whether a candle is told as it is in the ledger; what the exchange does not tell may be null.
pub fn equals(told: &Record, truth: &LedgerCandle) -> bool {
    let at = |field| {
        let time = told.text(field).parse::<Timestamp>();
        time.unwrap().as_nanosecond()
    };
    let same = |field, truth: &str| same_number(&pointed(told.raw(field)), &pointed(truth));
    let same_or_null = |field, truth: &str| told.raw(field) == "null" || same(field, truth);
    at("open_time") == i128::from(truth.open_time_ns)
        && at("close_time") == i128::from(truth.close_time_ns)
        && same("open", &truth.open)
        && same("high", &truth.high)
        && same("low", &truth.low)
        && same("close", &truth.close)
        && same("volume", &truth.volume)
        && same_or_null("quote_volume", &truth.quote_volume)
        && same_or_null("trades", &truth.trades.to_string())
}

/// A number with a point: some are told without, and end in zeros that count.
pub fn pointed(number: &str) -> String {
    match number.contains('.') {
        true => number.to_owned(),
        false => format!("{number}.0"),
    }
}

/// An exchange where a minute takes a second, with a trade of BTC in each of its seconds.
async fn fast(venue: Venue) -> (Sim, World) {
    let config = SimConfig {
        rate: 60.0,
        clock_rate: 60.0,
        ..SimConfig::new(venue)
    };
    let sim = Sim::start(config).await.unwrap();
    let world = World::with(venue, &sim);
    (sim, world)
}

fn is_closed(record: &Record) -> bool {
    record.is("candle") && record.raw("closed") == "true"
}

#[tokio::test]
async fn each_closes_once_as_the_ledger_has_it_and_forms_before() {
    join_all(VENUES.map(|venue| async move {
        let (sim, world) = fast(venue).await;
        let mut running = world.spawn("monitor BTC --stream candles --interval 15s,1m,3m -q");
        let mut three = 0;
        while three < 2 {
            let record = running.record().await;
            three += usize::from(is_closed(&record) && record.text("interval") == "3m");
        }
        running.signal("INT").await;
        let records = running.end().await.exits(0).records();
        assert!(
            records.iter().all(|record| record.is("candle")),
            "{venue:?}"
        );
        for (interval, seconds) in [("15s", 15), ("1m", 60), ("3m", 180)] {
            let of: Vec<_> = records
                .iter()
                .filter(|record| record.text("interval") == interval)
                .collect();
            let ledger = sim.candles(&market(venue), seconds);
            let (mut open_time, mut forming, mut closed) = (String::new(), 0, 0);
            for record in of {
                assert_eq!(record.keys(), FIELDS);
                let next = record.text("open_time");
                if !is_closed(record) {
                    assert!(
                        open_time < next,
                        "{venue:?}: formed on after its end: {record:?}"
                    );
                    forming += 1;
                    continue;
                }
                assert!(open_time < next, "{venue:?}: a second {record:?}");
                open_time = next;
                closed += 1;
                let truth = ledger.iter().find(|truth| {
                    let at: Timestamp = open_time.parse().unwrap();
                    at.as_nanosecond() == i128::from(truth.open_time_ns)
                });
                let truth = truth.unwrap_or_else(|| panic!("{record:?} never was"));
                if record.raw("complete") == "true" {
                    assert!(equals(record, truth), "{venue:?}: {record:?} is {truth:?}");
                }
            }
            assert!(
                closed >= 2 && forming >= 1,
                "{venue:?} {interval}: {closed} {forming}"
            );
        }
        assert_eq!(sim.counters().rule_violations, Vec::<String>::new());
    }))
    .await;
}

#[tokio::test]
async fn one_look_tells_the_candle_that_forms() {
    for venue in VENUES {
        let sim = crate::support::start(venue).await;
        sim.trade(&market(venue), 3);
        let world = World::with(venue, &sim);
        for interval in ["1m", "1h", "1d", "1w"] {
            let arguments = format!("monitor BTC -1 --stream candles --interval {interval}");
            let records = world.run(&arguments).await.exits(0).records();
            assert_eq!(records.len(), 1, "{records:?}");
            assert_eq!(records[0].keys(), FIELDS);
            assert_eq!(records[0].text("interval"), interval);
            let last = sim.ledger(&market(venue)).pop().unwrap();
            assert!(
                same_number(records[0].raw("close"), &last.price),
                "{} {records:?}",
                name(venue)
            );
        }
        let several = world
            .run("monitor BTC ETH -1 --stream candles,ticker --interval 1m,1h")
            .await;
        assert_eq!(several.exits(0).records().len(), 6);
    }
}

#[tokio::test]
async fn plain_and_csv_have_their_columns() {
    let (_sim, world) = fast(Venue::Binance).await;
    let csv = world
        .run("monitor BTC --stream candles -n 3 -o csv")
        .await
        .exits(0);
    assert_eq!(csv.lines()[0], FIELDS.join(","));
    assert_eq!(csv.lines().len(), 4);
    assert!(
        csv.lines()[1..]
            .iter()
            .all(|line| line.split(',').count() == FIELDS.len())
    );
    let plain = world
        .run("monitor BTC --stream candles -n 3 -o plain")
        .await
        .exits(0);
    let widths: Vec<_> = plain
        .lines()
        .iter()
        .map(|line| line.split('\t').count())
        .collect();
    assert!(
        widths.len() == 3 && widths.iter().all(|width| *width == widths[0] && *width > 5),
        "{plain:#?}"
    );
    let mut closed =
        world.command("monitor BTC --stream candles -n 2 --field open_time,closed,trades");
    closed.args(["--where", "closed and trades > 0"]);
    let closed = crate::support::finish(closed).await.exits(0);
    assert!(
        closed
            .lines()
            .iter()
            .all(|line| line.split('\t').nth(1) == Some("true")),
        "{closed:#?}"
    );
}

/// Three minutes with trades, without any and with some again; then some that are lost, and one more.
#[tokio::test]
async fn minutes_that_were_quiet_and_minutes_that_were_lost_are_told_apart() {
    join_all(VENUES.map(|venue| async move {
        let begin = 1_790_002_800;
        let at = |minute: i64, second: i64| (begin + minute * 60 + second) * SECOND_NS;
        let config = SimConfig {
            history: 0,
            start_ns: Some(at(0, 1)),
            ..SimConfig::new(venue)
        };
        let sim = Sim::start(config).await.unwrap();
        let symbol = market(venue);
        let trade = |minute, second| {
            sim.trade_at(&symbol, at(minute, second), "67000.00")
                .unwrap()
        };
        trade(0, 2);
        let world = World::with(venue, &sim);
        let mut running = world.spawn("monitor BTC --stream candles");
        running.record().await;
        trade(0, 40);
        trade(2, 5);
        trade(3, 5);
        let minute = |record: &Record| {
            let at: Timestamp = record.text("open_time").parse().unwrap();
            (at.as_second() - begin) / 60
        };
        running
            .until(|record| is_closed(record) && minute(record) == 2)
            .await;
        // The line goes, and REST with it; the next three minutes pass unseen.
        let sockets = sim.counters().upgrades;
        sim.faults().refuse_connect = true;
        sim.faults().rest_status = Some((503, "{}".to_owned()));
        sim.cut_all(Cut::Reset);
        running.until(|record| record.is("status")).await;
        trade(4, 5);
        trade(5, 5);
        trade(6, 5);
        sim.faults().refuse_connect = false;
        eventually("it is back", || sim.counters().upgrades > sockets).await;
        eventually("it has subscribed", || sim.counters().open_sockets > 0).await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        trade(7, 5);
        trade(8, 5);
        let mut gap = None;
        // Kraken repeats its newest candles on subscribing, so that nothing is lost there.
        if venue != Venue::Kraken {
            let is_loss = |record: &Record| record.is("gap") && record.text("stream") == "candles";
            gap = Some(running.until(is_loss).await);
        }
        sim.faults().rest_status = None;
        trade(9, 5);
        running
            .until(|record| is_closed(record) && minute(record) >= 7)
            .await;
        running.signal("INT").await;
        let records = running.end().await.exits(0).records();
        let closed: Vec<_> = records.iter().filter(|record| is_closed(record)).collect();
        let of = |wanted: i64| closed.iter().find(|record| minute(record) == wanted);
        // With trades.
        for traded in [0, 2] {
            let told = of(traded).unwrap();
            assert_eq!(told.raw("complete"), "true", "{venue:?} {closed:?}");
        }
        // Without: a flat one where the exchange sends it, else none.
        match venue {
            Venue::Binance => assert_eq!(of(1).unwrap().raw("trades"), "0"),
            Venue::Coinbase | Venue::Kraken => assert!(of(1).is_none(), "{venue:?} {closed:?}"),
        }
        let Some(gap) = gap else {
            let truth = sim.candles(&symbol, 60);
            for told in &closed {
                let truth = &truth[minute(told) as usize];
                assert!(equals(told, truth), "{told:?} is {truth:?}");
            }
            assert!((2..=6).all(|minute| of(minute).is_some()), "{closed:?}");
            return;
        };
        // Lost: within the gap, and nowhere else.
        assert_eq!(gap.text("state"), "unrepairable", "{venue:?} {gap:?}");
        let moment = |field| gap.text(field).parse::<Timestamp>().unwrap().as_second();
        let lost = (moment("from") - begin) / 60..(moment("to") - begin) / 60;
        for missing in 4..=5 {
            assert!(lost.contains(&missing), "{venue:?}: {gap:?}");
            assert!(of(missing).is_none(), "{venue:?}: {closed:?}");
        }
        assert!(!lost.contains(&1) && !lost.contains(&2));
        // What was cut in two is not complete.
        if let Some(cut) = of(3) {
            assert_eq!(cut.raw("complete"), "false", "{venue:?} {cut:?}");
        }
    }))
    .await;
}
