use std::sync::Arc;

use super::super::testing::{Scripted, candle, serve, serve_engine, settle, status};
use super::*;
use crate::feed::{Provider, ProviderError};
use crate::model::{Event, StatusState};

fn source(name: &'static str) -> Scripted {
    Scripted::new(name, &[("BTC", "USD"), ("ETH", "USD"), ("SOL", "USD")])
}

async fn topic(shared: &super::super::Shared, symbol: &str, stream: Stream) -> Topic {
    let instrument = shared.engine.resolve(symbol).await.unwrap();
    Topic { instrument, stream }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn those_who_come_and_go_do_not_reach_the_exchange() {
    let source = source("linger");
    let shared = serve(std::slice::from_ref(&source)).await;
    let btc = topic(&shared, "BTC", Stream::Ticker).await;
    for _ in 0..100 {
        let one = shared.streams.acquire(vec![btc.clone()]).await.unwrap();
        let other = shared.streams.acquire(vec![btc.clone(), btc.clone()]).await;
        assert_eq!(shared.streams.list()[0].references, 2);
        drop((one, other));
        pass(1).await;
    }
    assert_eq!(source.commands(), ["+BTC/USD ticker"]);
    pass(28).await;
    assert_eq!(source.commands(), [] as [&str; 0]);
    assert_eq!(shared.streams.list()[0].references, 0);
    pass(2).await;
    assert_eq!(source.commands(), ["-BTC/USD ticker"]);
    assert_eq!(shared.streams.list(), []);
    let _again = shared.streams.acquire(vec![btc]).await.unwrap();
    assert_eq!(source.commands(), ["+BTC/USD ticker"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_waiting_leaves_nothing_behind() {
    let source = source("given-up");
    let shared = serve(std::slice::from_ref(&source)).await;
    let btc = topic(&shared, "BTC", Stream::Ticker).await;
    {
        let mut acquire = Box::pin(shared.streams.acquire(vec![btc]));
        let polled = futures_util::poll!(&mut acquire);
        assert!(polled.is_pending());
    }
    settle().await;
    assert_eq!(shared.streams.list()[0].references, 0);
    pass(31).await;
    assert_eq!(shared.streams.list(), []);
    assert_eq!(source.commands(), ["+BTC/USD ticker", "-BTC/USD ticker"]);
}

#[tokio::test(start_paused = true)]
async fn pinned_streams_run_for_nobody_until_both_who_pinned_them_take_them_back() {
    let source = source("pinned");
    let shared = serve(std::slice::from_ref(&source)).await;
    let btc = topic(&shared, "BTC", Stream::Trades).await;
    let keys = [(btc.instrument.market, Stream::Trades)];
    let pin = |holder| shared.streams.pin(vec![btc.clone()], holder);
    assert!(pin(Holder::Config).await.unwrap());
    assert!(!pin(Holder::Api).await.unwrap(), "it was there");
    assert_eq!(shared.streams.configured(), keys);
    shared.streams.unpin(&keys, Holder::Config);
    pass(100).await;
    assert!(shared.streams.list()[0].pinned);
    shared.streams.unpin(&keys, Holder::Api);
    pass(31).await;
    assert_eq!(shared.streams.list(), []);
    assert_eq!(source.commands(), ["+BTC/USD trades", "-BTC/USD trades"]);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_stream_stays_listed_and_forgets_what_it_told() {
    let source = source("stopped");
    let shared = serve(std::slice::from_ref(&source)).await;
    let btc = topic(&shared, "BTC", Stream::Ticker).await;
    let market = btc.instrument.market;
    shared.streams.pin(vec![btc], Holder::Api).await.unwrap();
    let told = super::super::testing::ticker(market, "1");
    source.say(vec![Event::Ticker(Arc::new(told))]).await;
    let id = "stopped:BTC-USD:ticker";
    assert_eq!(shared.streams.list()[0].events, 1);
    assert_eq!(shared.streams.list()[0].feed, Some("connected"));
    let stopped = shared.streams.stop(Some(id)).await.unwrap();
    assert_eq!((stopped[0].state, stopped[0].feed), ("stopped", None));
    assert_eq!(shared.markets.ticker(market), None);
    assert_eq!(shared.streams.counts(), (0, 1));
    pass(100).await;
    assert_eq!(shared.streams.list().len(), 1);
    let started = shared.streams.start(None).await.unwrap();
    assert_eq!((started[0].state, started[0].events), ("running", 0));
    shared.streams.remove(id).await.unwrap();
    assert_eq!(shared.streams.list(), []);
    let error = shared.streams.remove(id).await.unwrap_err();
    assert_eq!(error.code, "not_found");
    assert_eq!(
        source.commands(),
        [
            "+BTC/USD ticker",
            "-BTC/USD ticker",
            "+BTC/USD ticker",
            "-BTC/USD ticker"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_removed_stream_goes_on_for_those_who_hold_it() {
    let source = source("held");
    let shared = serve(std::slice::from_ref(&source)).await;
    let btc = topic(&shared, "BTC", Stream::Ticker).await;
    let lease = shared.streams.acquire(vec![btc]).await.unwrap();
    shared.streams.remove("held:BTC-USD:ticker").await.unwrap();
    pass(100).await;
    assert_eq!(source.commands(), ["+BTC/USD ticker"]);
    drop(lease);
    pass(31).await;
    assert_eq!(source.commands(), ["-BTC/USD ticker"]);
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_streams_than_the_limit_and_all_or_none_is_taken() {
    let source = source("limited");
    let engine = Engine::builder().provider(source.clone()).build();
    let limits = Limits {
        streams: 2,
        ..Limits::default()
    };
    let shared = serve_engine(engine, vec!["limited".into()], limits).await;
    let mut topics = Vec::new();
    for symbol in ["BTC", "ETH", "SOL"] {
        topics.push(topic(&shared, symbol, Stream::Ticker).await);
    }
    let error = shared.streams.acquire(topics.clone()).await.unwrap_err();
    assert_eq!(error.status, axum::http::StatusCode::SERVICE_UNAVAILABLE);
    assert!(error.message.contains("server.limits.streams"), "{error:?}");
    assert_eq!(shared.streams.list(), []);
    let _two = shared.streams.acquire(topics[..2].to_vec()).await.unwrap();
    assert!(shared.streams.acquire(topics[1..2].to_vec()).await.is_ok());
    assert!(shared.streams.acquire(topics[2..].to_vec()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn candles_bring_their_past_and_what_was_traded_between() {
    let source = source("past");
    let market = source.market("BTC", "USD");
    let m1 = Interval::M1;
    let past: Vec<_> = (-600..=-3)
        .map(|place| candle(market, m1, place, "10", true))
        .collect();
    source.answer_candles(past.clone());
    let shared = serve(std::slice::from_ref(&source)).await;
    let btc = topic(&shared, "BTC", Stream::Candles(m1)).await;
    let _lease = shared.streams.acquire(vec![btc]).await.unwrap();
    let mut loaded = shared.streams.past(market, m1).unwrap();
    loaded.wait_for(|past| *past == Past::Loaded).await.unwrap();
    let kept = |n| shared.markets.candles(market, m1, n);
    assert!(kept(1_000).len() >= 490, "{}", kept(1_000).len());
    // The stream begins later than the past ends.
    let all = past.into_iter().chain([
        candle(market, m1, -2, "11", true),
        candle(market, m1, -1, "12", true),
    ]);
    source.answer_candles(all.collect());
    let live = candle(market, m1, 0, "13", false);
    source.say(vec![Event::Candle(Arc::new(live))]).await;
    pass(60).await;
    let newest: Vec<String> = kept(4).iter().map(|c| c.close.to_string()).collect();
    assert_eq!(newest, ["10", "11", "12", "13"]);
}

#[tokio::test(start_paused = true)]
async fn a_past_that_cannot_be_had_is_told_and_one_that_is_not_there_is_none() {
    let source = source("no-past");
    source.fail(ProviderError::Blocked("secret.example says 451".into()));
    let shared = serve(std::slice::from_ref(&source)).await;
    let m1 = Interval::M1;
    let btc = topic(&shared, "BTC", Stream::Candles(m1)).await;
    let market = btc.instrument.market;
    let _lease = shared.streams.acquire(vec![btc]).await.unwrap();
    let mut past = shared.streams.past(market, m1).unwrap();
    let told = past.wait_for(|past| *past != Past::Loading).await.unwrap();
    assert!(matches!(*told, Past::Failed(_)), "{told:?}");
    drop(told);
    source.fail(ProviderError::Refused("no such interval".into()));
    let eth = topic(&shared, "ETH", Stream::Candles(m1)).await;
    let market = eth.instrument.market;
    let _lease = shared.streams.acquire(vec![eth]).await.unwrap();
    let mut past = shared.streams.past(market, m1).unwrap();
    let told = past.wait_for(|past| *past != Past::Loading).await.unwrap();
    assert_eq!(*told, Past::Loaded);
}

#[tokio::test(start_paused = true)]
async fn the_same_symbol_of_another_provider_stands_in_for_all_that_is_served_of_it() {
    let (first, second) = (source("stood-in"), source("stands-in"));
    let shared = serve(&[first.clone(), second.clone()]).await;
    let ticker = topic(&shared, "BTC", Stream::Ticker).await;
    let trades = topic(&shared, "BTC", Stream::Trades).await;
    let market = ticker.instrument.market;
    let _ticker = shared.streams.acquire(vec![ticker]).await.unwrap();
    let _trades = shared.streams.acquire(vec![trades]).await.unwrap();
    settle().await;
    let failed = status(first.exchange(), Some(market), StatusState::Failed);
    first.say(vec![failed]).await;
    pass(1).await;
    let mut commands = second.commands();
    commands.sort();
    assert_eq!(commands, ["+BTC/USD ticker", "+BTC/USD trades"]);
    assert_eq!(shared.markets.speaker(market), second.market("BTC", "USD"));
    // Another provider's symbol was asked for by its name: nobody speaks for that.
    let other = topic(&shared, "stands-in:ETH", Stream::Ticker).await;
    let of = other.instrument.market;
    let _other = shared.streams.acquire(vec![other]).await.unwrap();
    settle().await;
    first.commands();
    second
        .say(vec![status(
            second.exchange(),
            Some(of),
            StatusState::Failed,
        )])
        .await;
    pass(1).await;
    assert_eq!(first.commands(), [] as [&str; 0]);
}
