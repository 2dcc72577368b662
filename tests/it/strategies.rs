//! Strategies at work: what they say is told to the last, and nothing hangs where a program does.

use crate::support::{Done, Running, World};

const MOCK: &str = "[providers.mock]\nstart = \"2026-01-01T00:00:00Z\"\nseed = 7\n";

/// A world with a strategy `mine` that this shell script decides.
fn world(script: &str) -> World {
    let world = World::new();
    std::fs::write(world.path("mine.sh"), script).unwrap();
    let path = world.path("mine.sh");
    let command = format!("[\"sh\", {path:?}]");
    world.config(&format!("{MOCK}[strategies.mine]\ncommand = {command}\n"))
}

/// Over so many minutes until the end of the year.
fn back(minutes: u32) -> String {
    let (hours, left) = (minutes.div_ceil(60), (60 - minutes % 60) % 60);
    let since = format!("2025-12-31T{:02}:{left:02}:00Z", 24 - hours);
    format!("monitor BTC -p mock --since {since} --until 2026-01-01T00:00:00Z")
}

async fn backtest(script: &str, minutes: u32, more: &str) -> Done {
    let arguments = format!("{} --strategy mine {more}", back(minutes));
    world(script).run(&arguments).await
}

#[tokio::test]
async fn the_last_signals_are_told_however_many_they_are() {
    // Far more than is formatted at once, all of them after the last candle.
    let script = r#"cat > /dev/null
yes '{"side":"buy","symbol":"BTC/USD","timestamp":"2025-12-31T23:30:00Z"}' | head -n 3000"#;
    let done = backtest(script, 60, "").await.exits(0);
    assert_eq!(done.lines().len(), 3_000);
    let of = |n: usize| done.records()[n].text("type");
    assert_eq!((of(0), of(2_999)), ("signal".into(), "signal".into()));
    // None beyond what was asked for.
    let few = backtest(script, 60, "-n 2000").await.exits(0);
    assert_eq!(few.lines().len(), 2_000);
}

/// Far more candles than wait for a program, of which it reads none; as soon as some of them are told.
async fn one_that_reads_nothing(more: &str) -> (World, Running) {
    let world = world("exec sleep 600");
    let arguments = format!(
        "monitor BTC -p mock --since 2025-12-01 --until 2026-01-01 --strategy mine \
         --stream candles {more}"
    );
    let mut running = world.spawn(&arguments);
    for _ in 0..100 {
        assert_eq!(running.record().await.text("type"), "candle");
    }
    (world, running)
}

#[tokio::test]
async fn while_a_program_is_waited_for_the_rest_goes_on() {
    let (_world, mut running) = one_that_reads_nothing("").await;
    // Whatever it was sent is told, also the part of a batch.
    for _ in 0..9_000 {
        running.record().await;
    }
    running.close_stdout();
    // Nobody reads any more: that is seen, and its program killed.
    let done = running.end().await.exits(0);
    done.says("strategy `mine`: its program was killed");
}

#[tokio::test]
async fn a_program_that_reads_nothing_stops_neither_the_clock_nor_ctrl_c() {
    let (_world, running) = one_that_reads_nothing("-d 1s").await;
    let done = running.end().await.exits(4);
    done.says("strategy `mine`: its program was killed, it read nothing of its stdin for 10s");

    let (_world, running) = one_that_reads_nothing("").await;
    running.signal("INT").await;
    let done = running.end().await.exits(130);
    done.says("strategy `mine`: its program was killed");
}

/// Says buy at every candle that it is sent, with its time or without.
fn echo(timestamp: &str) -> String {
    format!(r#"exec sed -u 's/.*"close_time":\("[^"]*"\).*/{{"side":"buy"{timestamp}}}/'"#)
}

#[tokio::test]
async fn over_the_past_a_signal_needs_the_time_that_it_comes_of() {
    let timed = backtest(&echo(r#","timestamp":\1"#), 240, "")
        .await
        .exits(0);
    let records = timed.records();
    assert_eq!(records.len(), 240);
    assert_eq!(records[0].text("timestamp"), "2025-12-31T20:01:00.000000Z");
    let untimed = backtest(&echo(""), 240, "").await.exits(0).prints_nothing();
    untimed.says("has no `timestamp`, which over history it needs (\"timestamp\": the close_time");
}

#[tokio::test]
async fn what_is_told_after_a_signal_is_decided_on_like_everything_before() {
    let world = World::new().config(&format!(
        "{MOCK}[strategies.flip]\nbuy = \"close > 0\"\nsell = \"close > 0\"\n"
    ));
    // So many that some of the same moment are still to come when it is broken off.
    let arguments = "monitor ADA BTC DOGE DOT ETH LINK SOL -p mock --since 2025-12-01 \
                     --until 2026-01-01 --strategy flip --stream candles";
    let mut running = world.spawn(arguments);
    for _ in 0..100 {
        running.record().await;
    }
    running.signal("INT").await;
    let done = running.end().await.exits(130);
    let records = done.records();
    for pair in records.chunks(2) {
        let [candle, signal] = pair else {
            panic!("it changes sides at every candle, also the last: {pair:?}");
        };
        assert_eq!(candle.text("type"), "candle");
        assert_eq!(signal.text("type"), "signal", "{pair:?}");
        assert_eq!(signal.text("symbol"), candle.text("symbol"));
        assert_eq!(signal.text("timestamp"), candle.text("close_time"));
    }
    done.says("goes on from there");
}

#[tokio::test]
async fn what_is_computed_does_not_depend_on_where_in_a_longer_candle_it_begins() {
    let world = World::new().config(&format!(
        "{MOCK}[strategies.range]\nbuy = \"atr(2,1h) > 0\"\nsell = \"atr(2,1h) > 0\"\n"
    ));
    let mut values = Vec::new();
    for minutes in [60, 30] {
        let arguments = format!("{} --strategy range", back(minutes));
        let records = world.run(&arguments).await.exits(0).records();
        assert_eq!(records.len(), minutes as usize);
        let all = records
            .iter()
            .map(|signal| (signal.text("timestamp"), signal.raw("values").to_owned()));
        values.push(all.collect::<Vec<_>>());
    }
    assert_eq!(values[0][30..], values[1]);
}

#[tokio::test]
async fn a_number_of_the_past_is_that_many_candles_of_the_strategy() {
    let config = "[strategies.hourly]\nbuy = \"close > sma(3)\"\nsell = \"close < sma(3)\"\n\
                  interval = \"1h\"\n";
    let world = World::new().config(config);
    // Shown minutes have a number of their own.
    for more in ["", "--stream candles --where close>0"] {
        let arguments = format!("monitor BTC -p mock --history 40 --strategy hourly -d 1s {more}");
        let done = world.run(&arguments).await.exits(0);
        let mut report = done
            .stderr
            .lines()
            .filter(|line| line.starts_with("mock:BTC/USD "));
        let candles = report
            .next()
            .and_then(|line| line.split_whitespace().nth(1));
        assert_eq!(candles, Some("40"), "{done:#?}");
    }
}
