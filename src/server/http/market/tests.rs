use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::exchange::mock::Mock;
use crate::feed::ProviderError;
use crate::model::{Event, Interval, StatusState, Stream};

use super::super::super::testing::{
    Scripted, ask, candle, serve, serve_engine, settle, status, ticker, trade,
};
use super::*;

mod bad_input;

fn source(name: &'static str) -> Scripted {
    Scripted::new(
        name,
        &[
            ("BTC", "USD"),
            ("BTC", "USDT"),
            ("ETH", "USD"),
            ("SOL", "USD"),
        ],
    )
}

async fn server(name: &'static str) -> (Scripted, Ref) {
    let source = source(name);
    let shared = serve(std::slice::from_ref(&source)).await;
    (source, shared)
}

async fn fine(shared: &Ref, what: &str) -> String {
    let (status, body) = ask(shared, what).await;
    assert!(status.is_success(), "{what}: {status} {body}");
    let _: serde::de::IgnoredAny = serde_json::from_str(&body).unwrap();
    body
}

fn ids(body: &str) -> Vec<String> {
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    let streams = value["streams"].as_array().unwrap();
    let id = |stream: &serde_json::Value| stream["id"].as_str().unwrap().to_owned();
    streams.iter().map(id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_price_that_is_not_served_is_asked_for_once_and_then_served_with_its_digits() {
    let (source, shared) = server("one-shot").await;
    let btc = source.market("BTC", "USD");
    source.answer_ticker(ticker(btc, "97123.40"));
    let body = fine(&shared, "GET /prices?symbol=btc,BTC-USD,BTCUSD").await;
    assert_eq!(body.matches("\"price\":97123.40,").count(), 1, "{body}");
    assert!(
        body.contains("\"exchange\":\"one-shot\",\"symbol\":\"BTC/USD\""),
        "{body}"
    );
    assert!(
        body.contains("\"age\":0.000,\"stale\":false}],\"timestamp\":\"2026-"),
        "{body}"
    );
    assert_eq!(source.questions(), ["ticker BTC/USD"]);
    assert_eq!(source.commands(), ["+BTC/USD ticker"]);
    fine(&shared, "GET /prices?symbol=BTC").await;
    assert_eq!(source.questions(), [] as [&str; 0]);
    source
        .say(vec![Event::Ticker(Arc::new(ticker(btc, "97123.5")))])
        .await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let all = fine(&shared, "GET /prices").await;
    assert!(all.contains("\"price\":97123.5,"), "{all}");
    assert!(all.contains("\"age\":20.000,\"stale\":false"), "{all}");
    tokio::time::sleep(Duration::from_secs(11)).await;
    settle().await;
    let gone = fine(&shared, "GET /prices").await;
    assert!(gone.starts_with("{\"prices\":[],"), "{gone}");
    assert_eq!(source.commands(), ["-BTC/USD ticker"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_connection_left_behind_is_asked_for_anew_or_told_as_stale() {
    let (source, shared) = server("lost").await;
    let btc = source.market("BTC", "USD");
    source.answer_ticker(ticker(btc, "1.0"));
    source.answer_trades((1..=5).map(|id| trade(btc, id)).collect());
    let one = |place, closed| candle(btc, Interval::M1, place, "1", closed);
    source.answer_candles((-9..0).map(|place| one(place, true)).collect());
    let topics = ["ticker", "trades", "candles"];
    for kind in topics {
        let body = format!("{{\"type\":\"{kind}\",\"symbol\":\"BTC\"}}");
        let (status, body) = ask(&shared, &format!("POST /streams {body}")).await;
        assert_eq!(status.as_u16(), 201, "{body}");
    }
    source
        .say(vec![
            Event::Ticker(Arc::new(ticker(btc, "1.1"))),
            Event::Trade(trade(btc, 6)),
            Event::Candle(Arc::new(one(0, false))),
        ])
        .await;
    let trades = "GET /trades?symbol=BTC&limit=1&fresh=true";
    let candles = "GET /candles?symbol=BTC&limit=5&fresh=true";
    fine(&shared, trades).await;
    fine(&shared, candles).await;
    let lost = status(btc.exchange(), None, StatusState::Reconnecting);
    source.say(vec![lost]).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    source.answer_ticker(ticker(btc, "1.2"));
    source.questions();
    let body = fine(&shared, "GET /prices?symbol=BTC").await;
    assert!(body.contains("\"price\":1.2,"), "{body}");
    assert!(body.contains("\"stale\":false"), "{body}");
    assert_eq!(source.questions(), ["ticker BTC/USD"]);
    source.fail(ProviderError::Unreachable("gone".into()));
    let body = fine(&shared, "GET /prices?symbol=BTC").await;
    assert!(body.contains("\"price\":1.1,"), "{body}");
    assert!(body.contains("\"stale\":true"), "{body}");
    for what in [trades, candles] {
        let (status, body) = ask(&shared, what).await;
        assert_eq!(status.as_u16(), 503, "{what}: {body}");
        assert!(body.contains("out of date"), "{body}");
        let what = what.replace("&fresh=true", "");
        fine(&shared, &what).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_does_not_answer_in_ten_seconds_is_a_timeout() {
    let (source, shared) = server("too-late").await;
    source.answer_ticker(ticker(source.market("BTC", "USD"), "1"));
    source.delay(Duration::from_secs(11));
    for what in [
        "GET /prices?symbol=BTC",
        "GET /candles?symbol=BTC",
        "GET /trades?symbol=BTC",
        "GET /candles?symbol=BTC&from=2026-01-01T00:00:00Z",
    ] {
        let begun = tokio::time::Instant::now();
        let (status, body) = ask(&shared, what).await;
        assert_eq!(status.as_u16(), 504, "{what}: {body}");
        assert!(body.contains("\"timeout\""), "{body}");
        assert!(begun.elapsed() <= Duration::from_secs(11), "virtual");
    }
}

#[tokio::test(start_paused = true)]
async fn candles_come_with_their_past_and_their_digits_and_the_forming_one_last() {
    let (source, shared) = server("charted").await;
    let btc = source.market("BTC", "USD");
    let one = |place, price, closed| candle(btc, Interval::M5, place, price, closed);
    let past = (-900..0).map(|place| one(place, "10.50", true));
    source.answer_candles(past.collect());
    let body = fine(&shared, "GET /candles?symbol=BTC&interval=5m&limit=3").await;
    assert!(
        body.starts_with("{\"symbol\":\"BTC/USD\",\"exchange\":\"charted\",\"interval\":\"5m\","),
        "{body}"
    );
    assert_eq!(body.matches("\"open\":10.50,").count(), 3, "{body}");
    source
        .say(vec![Event::Candle(Arc::new(one(0, "11.0", false)))])
        .await;
    let body = fine(&shared, "GET /candles?symbol=BTC&interval=5m&limit=2").await;
    let (first, last) = (body.find("10.50").unwrap(), body.find("11.0").unwrap());
    assert!(
        first < last && body.matches("\"closed\":false").count() == 1,
        "{body}"
    );
    let count = |body: &str| body.matches("\"type\":\"candle\"").count();
    // More than the past that comes by itself.
    source.questions();
    let body = fine(&shared, "GET /candles?symbol=BTC&interval=5m&limit=800").await;
    assert_eq!(count(&body), 800);
    assert!(!source.questions().is_empty());
    let body = fine(&shared, "GET /candles?symbol=BTC&interval=5m&limit=1000").await;
    assert_eq!(count(&body), 901, "there are no more");
    assert_eq!(source.questions(), [] as [&str; 0], "that is known");
}

#[tokio::test(start_paused = true)]
async fn candles_between_two_moments_come_from_what_is_kept_or_from_the_exchange() {
    let (source, shared) = server("between").await;
    let btc = source.market("BTC", "USD");
    let one = |place| candle(btc, Interval::M1, place, "10", true);
    source.answer_candles((-3_000..0).map(one).collect());
    let time = |place: i64| one(place).open_time.to_string();
    let get = |rest: String| {
        let what = format!("GET /candles?symbol=BTC{rest}");
        let shared = shared.clone();
        async move {
            let body = fine(&shared, &what).await;
            let value: serde_json::Value = serde_json::from_str(&body).unwrap();
            let candles = value["candles"].as_array().unwrap().clone();
            let open =
                |candle: &serde_json::Value| candle["open_time"].as_str().unwrap().to_owned();
            candles.iter().map(open).collect::<Vec<_>>()
        }
    };
    let far = get(format!("&from={}&until={}", time(-2_000), time(-1_990))).await;
    assert_eq!((far.len(), &far[0]), (10, &time(-2_000)));
    assert_eq!(
        fine(&shared, "GET /streams").await,
        "{\"streams\":[]}",
        "the past is not served"
    );
    let first = get(format!("&from={}&limit=5", time(-2_000))).await;
    assert_eq!((first.len(), &first[4]), (5, &time(-1_996)));
    let last = get(format!("&until={}&limit=5", time(-1_000))).await;
    assert_eq!((last.len(), &last[4]), (5, &time(-1_001)));
    get("&limit=1".into()).await;
    source.questions();
    let near = get(format!("&from={}&until={}", time(-20), time(-10))).await;
    assert_eq!((near.len(), source.questions().len()), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn trades_come_with_those_from_before_the_stream_where_they_meet() {
    let (source, shared) = server("traded").await;
    let btc = source.market("BTC", "USD");
    source.answer_trades((1..=5).map(|id| trade(btc, id)).collect());
    let body = fine(&shared, "GET /trades?symbol=BTC&limit=2").await;
    assert!(
        body.contains("\"id\":\"4\",\"price\":100.10,\"size\":0.50,"),
        "{body}"
    );
    assert_eq!(body.matches("\"type\":\"trade\"").count(), 2);
    assert!(body.ends_with("\"gaps\":[]}"), "{body}");
    let replayed = crate::model::Trade {
        replayed: true,
        ..trade(btc, 7)
    };
    source
        .say(vec![Event::Trade(replayed), Event::Trade(trade(btc, 8))])
        .await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    source.answer_trades((1..=8).map(|id| trade(btc, id)).collect());
    let body = fine(&shared, "GET /trades?symbol=BTC").await;
    assert_eq!(body.matches("\"type\":\"trade\"").count(), 8, "{body}");
    source.questions();
    let body = fine(&shared, "GET /trades?symbol=BTC&after_id=7").await;
    assert_eq!(body.matches("\"type\":\"trade\"").count(), 1, "{body}");
    assert_eq!(source.questions(), [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn streams_are_created_stopped_started_and_removed() {
    let (source, shared) = server("managed").await;
    let create =
        "POST /streams {\"type\":\"ohlcv\",\"symbols\":[\"BTC\",\"eth\"],\"interval\":\"5m\"}";
    let (status, body) = ask(&shared, create).await;
    assert_eq!(status.as_u16(), 201, "{body}");
    let wanted = ["managed:BTC-USD:candles:5m", "managed:ETH-USD:candles:5m"];
    assert_eq!(ids(&body), wanted);
    assert_eq!(
        ask(&shared, create).await.0.as_u16(),
        200,
        "they were there"
    );
    let list = fine(&shared, "GET /streams").await;
    assert_eq!(ids(&list), wanted);
    let value: serde_json::Value = serde_json::from_str(&list).unwrap();
    let stream = &value["streams"][0];
    for (member, want) in [
        ("type", "candles"),
        ("provider", "managed"),
        ("symbol", "BTC/USD"),
        ("interval", "5m"),
        ("state", "running"),
        ("feed", "connecting"),
    ] {
        assert_eq!(stream[member], want, "{stream}");
    }
    for member in [
        "references",
        "pinned",
        "events",
        "queue",
        "uptime",
        "latency_ms",
        "age",
    ] {
        assert!(stream.get(member).is_some(), "{member} of {stream}");
    }
    let stop = format!("POST /streams/{}/stop", wanted[0].replace(':', "%3A"));
    assert!(fine(&shared, &stop).await.contains("\"state\":\"stopped\""));
    let start = format!("POST /streams/{}/start", wanted[0]);
    assert!(
        fine(&shared, &start)
            .await
            .contains("\"state\":\"running\"")
    );
    let all = fine(&shared, "POST /streams/stop").await;
    assert_eq!(all.matches("\"state\":\"stopped\"").count(), 2);
    let all = fine(&shared, "POST /streams/start").await;
    assert_eq!(all.matches("\"state\":\"running\"").count(), 2);
    let (status, body) = ask(&shared, &format!("DELETE /streams/{}", wanted[0])).await;
    assert_eq!((status.as_u16(), body.as_str()), (204, ""));
    assert_eq!(ids(&fine(&shared, "GET /streams").await), wanted[1..]);
    let commands = source.commands();
    assert_eq!(
        commands.last().unwrap(),
        "-BTC/USD candles:5m",
        "{commands:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn symbols_are_listed_added_and_taken_back() {
    let (source, shared) = server("listed").await;
    let list = fine(&shared, "GET /symbols").await;
    assert!(
        list.starts_with("{\"provider\":\"listed\",\"symbols\":[{"),
        "{list}"
    );
    assert!(
        list.contains("\"tick_size\":0.10,\"lot_size\":null"),
        "{list}"
    );
    let some = fine(&shared, "GET /symbols?query=btc-usdt").await;
    assert_eq!(some.matches("\"native\"").count(), 1, "{some}");
    assert!(
        fine(&shared, "GET /symbols?query=zzz")
            .await
            .ends_with("\"symbols\":[]}")
    );
    let body = "{\"symbols\":[\"SOL\",\"sol/usd\",\"BTCUSDT\"]}";
    let added = fine(&shared, &format!("POST /symbols {body}")).await;
    assert_eq!(added, "{\"symbols\":[\"SOL/USD\",\"BTC/USDT\"]}");
    let wanted = [
        "listed:BTC-USDT:candles:1m",
        "listed:BTC-USDT:ticker",
        "listed:BTC-USDT:trades",
        "listed:SOL-USD:candles:1m",
        "listed:SOL-USD:ticker",
        "listed:SOL-USD:trades",
    ];
    assert_eq!(ids(&fine(&shared, "GET /streams").await), wanted);
    let market = source.market("SOL", "USD");
    assert!(shared.streams.is_running(market, Stream::Trades));
    fine(&shared, "DELETE /symbols {\"symbols\":[\"SOL\"]}").await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    settle().await;
    assert_eq!(ids(&fine(&shared, "GET /streams").await), wanted[..3]);
}

#[tokio::test(start_paused = true)]
async fn custom_streams_of_the_configuration_are_started_by_their_name() {
    let (source, shared) = server("own").await;
    let instrument = shared.engine.resolve("BTC").await.unwrap();
    let stream = Stream::Ticker;
    shared.streams.define(
        "own",
        vec![crate::feed::Topic { instrument, stream }],
        false,
    );
    let body = fine(
        &shared,
        "POST /streams {\"type\":\"custom\",\"name\":\"own\"}",
    )
    .await;
    assert!(body.contains("\"type\":\"custom\""), "{body}");
    assert_eq!(source.commands(), ["+BTC/USD ticker"]);
}

#[tokio::test]
async fn the_mock_serves_prices_candles_and_trades() {
    let engine = Engine::builder().provider(Mock::default()).build();
    let shared = serve_engine(engine, vec!["mock".into()], Default::default()).await;
    let prices = fine(&shared, "GET /prices?symbol=BTC,ETH").await;
    assert_eq!(prices.matches("\"price\":").count(), 2, "{prices}");
    let candles = fine(&shared, "GET /candles?symbol=BTC").await;
    assert!(
        candles.matches("\"type\":\"candle\"").count() >= 299,
        "{candles}"
    );
    fine(&shared, "GET /candles?symbol=BTC&interval=5s").await;
    for _ in 0..200 {
        let trades = fine(&shared, "GET /trades?symbol=BTC").await;
        if trades.contains("\"type\":\"trade\"") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no trades came");
}
