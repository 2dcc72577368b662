use super::*;

/// Seconds.
const YEAR: i64 = 525_600 * 60;

#[tokio::test]
async fn a_year_before_the_ledger_is_the_same_in_all_lengths_and_leads_to_it() {
    for venue in [Venue::Binance, Venue::Coinbase, Venue::Kraken] {
        let sim = start_at(venue, |config| {
            config.candle_history = 530_000;
            config.history = 40;
        })
        .await;
        let symbol = if venue == Venue::Binance {
            "BTC/USDT"
        } else {
            "BTC/USD"
        };
        let first = &sim.ledger(symbol)[0];
        let all = |seconds, from, until| sim.candles_between(symbol, seconds, ns(from), ns(until));
        // the minute of the first trade is the ledger's alone
        let minutes = all(60, -3_600, 60);
        let begun = minutes
            .iter()
            .find(|m| m.close_time_ns > first.time_ns)
            .unwrap();
        assert_eq!(begun.open, first.price);
        let counts = minutes.iter().filter(|m| m.close_time_ns > first.time_ns);
        assert_eq!(counts.map(|m| m.trades).sum::<u64>(), 40);
        let before = minutes
            .iter()
            .rfind(|m| m.close_time_ns <= first.time_ns)
            .unwrap();
        let price = |text: &str| text.parse::<f64>().unwrap();
        assert!((price(&before.close) / price(&begun.open) - 1.0).abs() < 0.001);
        // an hour, and the day it is in, a year ago
        let year_ago = -YEAR - YEAR % 86_400;
        let minutes = all(60, year_ago, year_ago + 86_400);
        let days = all(86_400, year_ago, year_ago + 86_400);
        assert_eq!((minutes.len(), days.len()), (1_440, 1));
        let day = &days[0];
        assert_eq!(
            (&day.open, &day.close),
            (&minutes[0].open, &minutes[1_439].close)
        );
        assert_eq!(day.trades, minutes.iter().map(|m| m.trades).sum::<u64>());
        let highest = minutes.iter().map(|m| price(&m.high)).fold(0.0, f64::max);
        assert_eq!(price(&day.high), highest);
        let quiet = minutes.iter().filter(|m| m.trades == 0).count();
        assert!((10..200).contains(&quiet), "{quiet}");
        for two in minutes.windows(2).filter(|two| two[1].trades == 0) {
            assert_eq!((&two[1].open, &two[1].low), (&two[0].close, &two[0].close));
        }
        // before its beginning there is nothing
        let oldest = all(60, -530_010 * 60, -529_990 * 60);
        let begin = START - oldest[0].open_time_ns / SECOND;
        assert!((530_000 * 60..530_002 * 60).contains(&begin));
    }
}

#[tokio::test]
async fn a_past_of_seconds_is_that_of_minutes() {
    let sim = start_at(Venue::Binance, |config| config.candle_history = 100).await;
    let minutes = sim.candles_between("BTC/USDT", 60, ns(-600), ns(-540));
    let seconds = sim.candles_between("BTC/USDT", 1, ns(-600), ns(-540));
    assert_eq!(seconds.len(), 60);
    assert_eq!(seconds[0].volume, minutes[0].volume);
    assert_eq!(
        (&seconds[59].open, seconds[59].trades),
        (&minutes[0].close, 0)
    );
}

#[tokio::test]
async fn weeks_are_paged_through_without_a_hole() {
    let sim = start_at(Venue::Binance, |config| {
        config.candle_history = 20_000;
        config.second = Duration::from_millis(1);
    })
    .await;
    sim.trade_at("BTC/USDT", ns(5), "67234.10").unwrap();
    let (mut from, mut rows) = (ns(-30_000 * 60) / 1_000_000, Vec::new());
    loop {
        let target =
            format!("/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=1000&startTime={from}");
        let (_, _, page) = get(&sim, &target).await;
        let page = page.as_array().unwrap();
        rows.extend(page.iter().map(|row| columns(row, BINANCE, 1000)));
        if page.len() < 1000 {
            break;
        }
        from = page[999][0].as_i64().unwrap() + 60_000;
    }
    assert_eq!(rows.len(), 20_001);
    let oracle = sim.candles_between("BTC/USDT", 60, ns(-30_000 * 60), ns(60));
    let oracle: Vec<_> = oracle.iter().map(numbers).collect();
    assert_eq!(rows, oracle);
}

#[tokio::test]
async fn rest_can_lag_be_late_and_refuse_and_closed_candles_can_be_lost() {
    let sim = start_at(Venue::Binance, |_| ()).await;
    play(&sim, "BTC/USDT");
    let target = "/api/v3/klines?symbol=BTCUSDT&interval=1m";
    let counts = |rows: &Value| -> Vec<u64> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row[8].as_u64().unwrap()).collect()
    };
    assert_eq!(counts(&get(&sim, target).await.2), [2, 0, 1, 0]);
    sim.faults().rest_candles_lag = 2;
    assert_eq!(counts(&get(&sim, target).await.2), [1, 0, 0, 0]);
    sim.faults().rest_candles_lag = 0;
    sim.faults().rest_candles_late = 2;
    assert_eq!(counts(&get(&sim, target).await.2), [2, 0]);
    sim.faults().rest_candles_answers = Some(1);
    sim.faults().rest_candles_status = Some(429);
    sim.faults().retry_after = Some(7);
    let (first, ..) = get(&sim, target).await;
    let (second, head, _) = get(&sim, target).await;
    let (other, ..) = get(&sim, "/api/v3/time").await;
    assert_eq!((first, second, other), (200, 429, 200));
    assert!(head.contains("retry-after: 7"), "{head}");

    let mut client = connect(&sim, "/ws/btcusdt@kline_1m").await;
    while sim.counters().open_sockets < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sim.faults().drop_closed_percent = 50;
    sim.advance_to(ns(180 + 100 * 60));
    sim.send_raw("\"last\"");
    let mut told = 0;
    while json(&mut client).await != "last" {
        told += 1;
    }
    assert!((30..70).contains(&told), "{told} of 100");
}

#[tokio::test]
async fn a_venue_can_live_faster_than_the_rest() {
    let sim = start_at(Venue::Binance, |config| config.clock_rate = 600.0).await;
    let mut client = connect(&sim, "/ws/btcusdt@kline_1m").await;
    sim.trade("BTC/USDT", 1);
    let mut opens = Vec::new();
    while opens.len() < 3 {
        let told = json(&mut client).await;
        if told["k"]["x"] == true {
            opens.push(told["k"]["t"].as_i64().unwrap());
        }
    }
    assert!(
        opens.windows(2).all(|two| two[1] - two[0] == 60_000),
        "{opens:?}"
    );
}
