//! The example of a model.

use super::*;

#[tokio::test]
async fn the_example_learns_to_follow_a_wave() {
    if std::process::Command::new("python3")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("skipped: there is no python3");
        return;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/strategies/model.py");
    // Four minutes up, four down, again and again: the last return tells the next, most of the time.
    let wave = (0..400).map(|minute| {
        let phase = minute % 8;
        let height = if phase < 4 { phase } else { 8 - phase };
        candle(market("kraken"), minute, &format!("{}", 100 + height))
    });
    let wave: Vec<_> = wave.collect();
    let (signals, ended) = through(started(&["python3", path], Pace::Backtest), &wave).await;
    assert_eq!(ended, Ok(()));
    assert!(signals.len() > 20, "{} signals", signals.len());
    for pair in signals.windows(2) {
        assert_ne!(pair[0].side, pair[1].side, "it is long or flat");
        assert!(pair[0].timestamp < pair[1].timestamp);
    }
    assert_eq!(signals[0].side, SignalSide::Buy);
    assert_eq!(signals[0].values[0].0, "probability");
    assert!(matches!(signals[0].values[0].1, Value::Number(_)));

    // What it has learnt pays, on what it has not seen before: each signal is filled at the next open.
    let mut backtest = crate::strategy::Backtest::new(&decided_by(&[path]), Default::default());
    for event in &wave {
        if let Event::Candle(candle) = event {
            backtest.on_candle(candle);
        }
    }
    signals.iter().for_each(|signal| backtest.on_signal(signal));
    let summary = backtest.report().markets[0].clone();
    assert!(summary.return_percent > summary.hold_percent, "{summary:?}");

    // The same events give the same signals, however the pipes were filled.
    let (again, _) = through(started(&["python3", path], Pace::Backtest), &wave).await;
    assert!(again == signals, "{again:?}\n{signals:?}");
}
