use super::super::testing::{Scripted, at, serve, status, ticker, trade};
use super::*;
use crate::model::GapReason;

const TICKER: Stream = Stream::Ticker;

fn source() -> Scripted {
    Scripted::new("health", &[("BTC", "USD"), ("ETH", "USD")])
}

fn told(market: Market) -> Event {
    Event::Ticker(Arc::new(ticker(market, "1.5")))
}

fn reasons(health: &Health, engine: &Engine) -> Vec<String> {
    let stale = health.stale(engine, MAX_AGE).into_iter();
    stale
        .map(|stale| format!("{} {}", stale.symbol, stale.reason))
        .collect()
}

async fn seconds(n: u64) {
    tokio::time::advance(Duration::from_secs(n)).await;
}

#[tokio::test(start_paused = true)]
async fn a_market_is_stale_when_nothing_is_confirmed_for_longer_than_the_max_age() {
    let source = source();
    let shared = serve(std::slice::from_ref(&source)).await;
    let (engine, health) = (&shared.engine, Health::default());
    let (btc, eth) = (source.market("BTC", "USD"), source.market("ETH", "USD"));
    health.serve(btc, TICKER, false);
    health.serve(eth, TICKER, false);
    assert_eq!(reasons(&health, engine), Vec::<String>::new());
    seconds(59).await;
    health.on_events(&[told(btc)], at(59));
    seconds(2).await;
    assert_eq!(reasons(&health, engine), ["ETH/USD nothing has come yet"]);
    assert_eq!(health.freshness(engine, btc, TICKER).age, Some(2.0));
    assert_eq!(health.freshness(engine, eth, TICKER).age, None);
    seconds(60).await;
    assert_eq!(
        reasons(&health, engine)[0],
        "BTC/USD nothing was confirmed for 62 s"
    );
    assert!(health.freshness(engine, btc, TICKER).stale);
    health.on_events(&[told(btc), told(eth)], at(121));
    assert_eq!(reasons(&health, engine), Vec::<String>::new());
    assert!(!health.freshness(engine, btc, TICKER).stale);
    health.forget(btc, TICKER);
    health.forget(eth, TICKER);
    seconds(600).await;
    assert_eq!(reasons(&health, engine), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_calm_market_on_an_open_line_is_well_until_the_line_is_lost_or_it_is_told_to_be_dead() {
    let source = source();
    let shared = serve(std::slice::from_ref(&source)).await;
    let (engine, health) = (&shared.engine, Health::default());
    let (btc, eth) = (source.market("BTC", "USD"), source.market("ETH", "USD"));
    health.serve(btc, TICKER, false);
    // Nothing was ever traded there.
    health.serve(eth, Stream::Trades, false);
    health.on_events(&[told(btc)], at(0));
    let of = |market, state| status(btc.exchange(), market, state);
    let line = |has_line| {
        let mut state = health.state();
        state.feeds.get_mut(&btc.exchange()).unwrap().has_line = has_line;
    };
    line(true);
    seconds(3_600).await;
    assert_eq!(reasons(&health, engine), Vec::<String>::new());
    health.on_events(&[of(Some(btc), StatusState::Stale)], at(3_600));
    assert_eq!(reasons(&health, engine), ["BTC/USD stale: why"]);
    health.on_events(&[of(Some(btc), StatusState::Connected)], at(3_600));
    assert_eq!(reasons(&health, engine), Vec::<String>::new());
    for lost in [StatusState::Reconnecting, StatusState::Fallback] {
        health.on_events(&[of(None, lost)], at(3_600));
        assert_eq!(reasons(&health, engine).len(), 2, "{lost:?}");
    }
    health.on_events(&[of(None, StatusState::Connected)], at(3_601));
    assert_eq!(reasons(&health, engine), Vec::<String>::new());
    line(false);
    assert_eq!(reasons(&health, engine).len(), 2, "nobody looks after it");
}

#[tokio::test(start_paused = true)]
async fn a_value_is_not_believed_for_long_while_its_connection_is_lost() {
    let source = source();
    let shared = serve(std::slice::from_ref(&source)).await;
    let (engine, health) = (&shared.engine, Health::default());
    let btc = source.market("BTC", "USD");
    health.serve(btc, TICKER, false);
    health.on_events(&[told(btc)], at(0));
    seconds(11).await;
    let is_stale = || health.freshness(engine, btc, TICKER).stale;
    assert!(!is_stale(), "the stream would have told what is new");
    for lost in [StatusState::Reconnecting, StatusState::Fallback] {
        health.on_events(&[status(btc.exchange(), None, lost)], at(0));
        assert!(is_stale(), "{lost:?}");
        assert_eq!(reasons(&health, engine), Vec::<String>::new());
        health.on_events(&[told(btc)], at(0));
        assert!(!is_stale(), "it has just come");
        seconds(11).await;
    }
    health.on_events(
        &[status(btc.exchange(), None, StatusState::Connected)],
        at(0),
    );
    assert!(!is_stale());
}

#[tokio::test(start_paused = true)]
async fn states_of_a_symbol_and_of_its_connection_both_count() {
    let source = source();
    let shared = serve(std::slice::from_ref(&source)).await;
    let (engine, health) = (&shared.engine, Health::default());
    let (btc, eth) = (source.market("BTC", "USD"), source.market("ETH", "USD"));
    let of = |market, state| status(btc.exchange(), market, state);
    for market in [btc, eth] {
        health.serve(market, TICKER, false);
        health.on_events(&[told(market)], at(0));
    }
    health.on_events(&[of(Some(btc), StatusState::Stale)], at(0));
    assert_eq!(reasons(&health, engine), ["BTC/USD stale: why"]);
    health.on_events(&[of(Some(btc), StatusState::Quiet)], at(0));
    health.on_events(&[of(Some(eth), StatusState::Failed)], at(0));
    assert_eq!(reasons(&health, engine), ["ETH/USD failed: why"]);
    // A connection that is made anew ends what it did to its symbols; a refused one stays refused.
    health.on_events(&[of(None, StatusState::Reconnecting)], at(0));
    let states = |health: &Health| {
        let feed = health.snapshot(&shared).remove(0);
        let symbols = feed.symbols.iter().map(|symbol| symbol.state);
        let mut states = vec![feed.state];
        states.extend(symbols);
        states
    };
    assert_eq!(states(&health), ["reconnecting", "reconnecting", "failed"]);
    health.on_events(&[of(Some(btc), StatusState::Stale)], at(0));
    health.on_events(&[of(None, StatusState::Connected)], at(0));
    assert_eq!(states(&health), ["connected", "connected", "failed"]);
    assert_eq!(health.snapshot(&shared)[0].reconnects, 1);
}

#[tokio::test(start_paused = true)]
async fn events_latencies_and_gaps_are_counted() {
    let source = source();
    let shared = serve(std::slice::from_ref(&source)).await;
    let health = Health::default();
    let btc = source.market("BTC", "USD");
    health.serve(btc, Stream::Trades, false);
    let late = |id| {
        let nanos = at(id as i64).nanos() + 20_000_000;
        let received_at = Timestamp::from_nanos(nanos);
        let trade = trade(btc, id);
        Event::Trade(crate::model::Trade {
            received_at,
            ..trade
        })
    };
    let gap = Gap {
        market: btc,
        stream: Stream::Trades,
        from_id: Some(3),
        to_id: Some(7),
        from: None,
        to: None,
        missing: Some(5),
        recovered: 2,
        state: GapState::Partial,
        reason: GapReason::IdHole,
    };
    let now = at(2).plus_nanos(25_000_000);
    health.on_events(&[late(1), late(2), Event::Gap(Arc::new(gap))], now);
    let feed = health.snapshot(&shared).remove(0);
    assert_eq!(
        (feed.gaps, feed.missing, feed.repairs, feed.recovered),
        (1, 3, 1, 2)
    );
    assert_eq!(feed.latency_ms.max, Some(20.0));
    assert_eq!(
        feed.delivery_ms.p50,
        Some(5.119),
        "5 ms, an eighth at most above"
    );
    assert_eq!(feed.symbols[0].events, 2);
    assert_eq!(feed.symbols[0].streams, ["trades"]);
    let json = serde_json::to_value(&feed).unwrap();
    for member in [
        "provider", "state", "reason", "uptime", "messages", "rate", "bytes", "age",
    ] {
        assert!(json.get(member).is_some(), "{member}");
    }
    let streams = health.streams(&shared.engine, [(btc, Stream::Trades), (btc, TICKER)]);
    let (trades, none) = (streams[0].as_ref().unwrap(), &streams[1]);
    assert_eq!((trades.events, trades.queue, none), (2, 2, &None));
    health.on_events(&[], at(3));
    let streams = health.streams(&shared.engine, [(btc, Stream::Trades)]);
    assert_eq!(streams[0].as_ref().unwrap().queue, 0);
}

#[tokio::test(start_paused = true)]
async fn while_another_one_stands_in_its_age_counts() {
    let source = source();
    let shared = serve(std::slice::from_ref(&source)).await;
    let (engine, health) = (&shared.engine, Health::default());
    let btc = source.market("BTC", "USD");
    let other = Market::new(Exchange::new("health2"), "BTC", "USD");
    health.serve(btc, TICKER, false);
    let stale = status(btc.exchange(), Some(btc), StatusState::Stale);
    health.on_events(&[told(btc), stale], at(0));
    let Event::Status(known) = status(btc.exchange(), Some(btc), StatusState::Fallback) else {
        unreachable!("it is one");
    };
    let mut fallback = (*known).clone();
    fallback.stand_in = Some(other);
    seconds(100).await;
    health.on_events(&[Event::Status(Arc::new(fallback)), told(other)], at(100));
    assert_eq!(reasons(&health, engine), Vec::<String>::new());
    let names = health
        .snapshot(&shared)
        .into_iter()
        .map(|feed| feed.provider);
    assert_eq!(names.collect::<Vec<_>>(), ["health", "health2"]);
    seconds(100).await;
    assert_eq!(
        reasons(&health, engine),
        ["BTC/USD nothing was confirmed for 100 s"]
    );
}

#[tokio::test]
async fn the_rate_is_of_the_last_seconds() {
    let engine = Engine::builder()
        .provider(crate::exchange::mock::Mock::default())
        .build();
    let health = Health::default();
    health.tick(&engine);
    let mut state = health.state();
    let feed = state.feeds.entry(Exchange::new("mock")).or_default();
    let now = Instant::now();
    feed.samples.push_back((now - Duration::from_secs(10), 100));
    feed.samples.push_back((now - Duration::from_secs(1), 190));
    let feed = state.feeds.remove(&Exchange::new("mock")).unwrap();
    drop(state);
    let rate = feed.rate_at(200, now);
    assert!((rate - 10.0).abs() < 0.001, "{rate}");
}
