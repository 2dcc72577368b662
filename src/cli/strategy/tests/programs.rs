//! Programs at work: fed, listened to, started again, ended.

use super::*;

/// Without a time: as of now.
const ECHO: &str = r#"while read -r line; do echo '{"side":"buy","symbol":"BTC/USD"}'; done"#;

fn candles(count: i64) -> Vec<Event> {
    let candles = (0..count).map(|minute| candle(market("kraken"), minute, "100"));
    candles.collect()
}

/// Waits for something that other processes do.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("{what}"));
}

/// With the time of the candle.
const ANSWER: &str = r#"sed -u 's/.*"close_time":\("[^"]*"\).*/{"side":"buy","timestamp":\1}/'"#;

#[tokio::test]
async fn every_event_is_read_and_the_last_signals_are_taken() {
    let program = started(&["sh", "-c", ANSWER], Pace::Backtest);
    let (signals, ended) = through(program, &candles(300)).await;
    assert_eq!((signals.len(), ended), (300, Ok(())));
    let times: Vec<_> = signals.iter().map(|signal| signal.timestamp).collect();
    let closes: Vec<_> = (1..=300).map(minute).collect();
    assert_eq!(times, closes);

    // How far it had read is not the time of a signal: without one there is none.
    let program = started(&["sh", "-c", ECHO], Pace::Backtest);
    let (signals, ended) = through(program, &candles(300)).await;
    assert_eq!((signals, ended), (Vec::new(), Ok(())));
}

#[tokio::test]
async fn events_are_json_lines() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("seen");
    let program = started(
        &["sh", "-c", "cat > \"$1\"", "sh", file.to_str().unwrap()],
        Pace::Backtest,
    );
    let (_, ended) = through(program, &candles(2)).await;
    assert_eq!(ended, Ok(()));
    let seen = std::fs::read_to_string(file).unwrap();
    let lines: Vec<_> = seen.lines().collect();
    assert_eq!(lines.len(), 2);
    let head =
        r#"{"type":"candle","exchange":"kraken","symbol":"BTC/USD","interval":"1m","open_time":"#;
    assert!(lines.iter().all(|line| line.starts_with(head)), "{seen}");
}

#[tokio::test]
async fn a_flood_of_signals_stops_neither_side() {
    let flood = r#"read -r line
yes '{"side":"buy","timestamp":"1970-01-01T00:01:00Z"}' | head -n 5000; cat > /dev/null"#;
    let program = started(&["sh", "-c", flood], Pace::Backtest);
    let (signals, ended) = through(program, &candles(20_000)).await;
    assert_eq!((signals.len(), ended), (5_000, Ok(())));
}

#[tokio::test]
async fn one_that_cannot_start_is_a_wrong_request() {
    let start = |command: &[&str]| {
        let markets = [market("kraken")];
        let started = Program::start(&decided_by(command), &markets, Pace::Live, NOTICES);
        started.err().expect("it cannot start")
    };
    let missing = start(&["./no/such/model.py"]);
    assert_eq!((missing.exit, missing.code), (Exit::Usage, "strategy"));
    assert_eq!(
        missing.message,
        "strategy `mine`: cannot start program `./no/such/model.py`: no such file"
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("model.py");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    let closed = start(&[file.to_str().unwrap()]);
    assert_eq!(closed.hint.as_deref(), Some("chmod +x makes it executable"));
}

#[tokio::test]
async fn over_history_its_failure_is_ours() {
    let program = started(&["sh", "-c", "cat > /dev/null; exit 3"], Pace::Backtest);
    let (_, ended) = through(program, &candles(3)).await;
    let error = ended.unwrap_err();
    assert_eq!(error.exit, Exit::Failed);
    assert_eq!(
        error.message,
        "strategy `mine`: its program exited with code 3"
    );
    // Also before the end: nobody waits for it, and it is not started again.
    let program = started(&["sh", "-c", "exit 4"], Pace::Backtest);
    let (_, ended) = through(program, &candles(30_000)).await;
    let error = ended.unwrap_err();
    assert_eq!(
        error.message,
        "strategy `mine`: its program exited with code 4"
    );
}

#[tokio::test(start_paused = true)]
async fn over_history_one_that_does_not_read_or_does_not_end_is_killed_and_told() {
    for (command, count, told) in [
        // More than the pipe holds.
        (
            ["sleep", "600"],
            3_000,
            "it read nothing of its stdin for 10s",
        ),
        (
            ["sleep", "600"],
            1,
            "it did not end within 10s of its stdin",
        ),
    ] {
        let (_, ended) = through(started(&command, Pace::Backtest), &candles(count)).await;
        let error = ended.unwrap_err();
        assert_eq!(error.exit, Exit::Failed);
        let message = format!("strategy `mine`: its program was killed, {told}");
        assert_eq!(error.message, message);
    }
}

#[tokio::test]
async fn a_slow_one_misses_events_and_stops_nobody() {
    let mut program = started(&["sleep", "600"], Pace::Live);
    // More than the queue, the chunk and the pipe hold.
    for event in candles(30_000) {
        program.send(&event);
    }
    assert!(program.has_dropped());
    // It does not end by itself, and is not waited for.
    let ended = tokio::time::timeout(PATIENCE, program.finish(|_| {})).await;
    assert_eq!(ended.expect("it ends"), Ok(()));
}

#[tokio::test]
async fn a_live_one_is_started_again_and_hears_what_follows() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs");
    let once_then_echo =
        format!(r#"echo run >> "$1"; if [ $(wc -l < "$1") -lt 2 ]; then exit 5; fi; {ECHO}"#);
    let path = file.to_str().unwrap();
    let mut program = started(&["sh", "-c", &once_then_echo, "sh", path], Pace::Live);
    let runs = || {
        std::fs::read_to_string(&file)
            .unwrap_or_default()
            .lines()
            .count()
    };
    until("it runs again", || runs() == 2).await;
    program.send(&candles(1)[0]);
    let signal = tokio::time::timeout(PATIENCE, program.next()).await;
    let signal = signal.expect("it answers").expect("it still runs");
    assert_eq!(signal.side, SignalSide::Buy);
    assert_eq!(program.finish(|_| {}).await, Ok(()));
}

#[tokio::test]
async fn it_ends_with_us_and_so_does_what_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let path = file.to_str().unwrap();
    let both = r#"sleep 600 & echo $! > "$1.new"; mv "$1.new" "$1"; wait"#;
    let program = started(&["sh", "-c", both, "sh", path], Pace::Live);
    until("it runs", || file.exists()).await;
    let pid: u32 = std::fs::read_to_string(&file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    // A dead one that nobody has waited for is dead.
    let runs = || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        state.is_ok_and(|stat| !stat.contains(") Z"))
    };
    assert!(runs());
    drop(program);
    until("it is killed", || !runs()).await;
}

#[tokio::test]
async fn conditions_need_no_program() {
    let strategy = find("macd", Interval::M1, &Config::default()).unwrap();
    let none = Program::start(&strategy, &[], Pace::Live, NOTICES).unwrap();
    assert!(none.is_none());
    let error = find("makd", Interval::M1, &Config::default()).unwrap_err();
    assert_eq!(error.message, "no strategy `makd`");
}
