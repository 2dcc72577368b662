use super::*;

/// A client that has joined these, and has read what it was told first.
fn member<'a>(hub: &'a Hub, places: &[Place]) -> Registered<'a> {
    let registered = hub.register();
    for place in places {
        registered.join(*place, None, "{}");
    }
    drain(registered.client());
    registered
}

#[test]
fn an_event_reaches_those_who_joined_its_room_and_nobody_else() {
    let hub = hub();
    let all = member(&hub, &[place(Room::Prices, None, None)]);
    let one = member(&hub, &[place(Room::Prices, Some("BTC/USD"), None)]);
    let other = member(&hub, &[place(Room::Prices, Some("ETH/USD"), None)]);
    let trades = member(&hub, &[place(Room::Trades, None, None)]);
    let none = member(&hub, &[]);
    hub.publish_events(&[ticker("BTC/USD", 1), trade("ETH/USD", 1)]);
    assert_eq!(told(all.client()), ["price_update BTC/USD"]);
    assert_eq!(told(one.client()), ["price_update BTC/USD"]);
    assert_eq!(told(other.client()), [""; 0]);
    assert_eq!(told(trades.client()), ["trade ETH/USD"]);
    assert_eq!(told(none.client()), [""; 0]);
    assert_eq!(hub.totals().published, 2);
    assert_eq!(hub.totals().delivered, 3);
}

#[test]
fn candles_are_told_by_their_length() {
    let hub = hub();
    let all = member(&hub, &[place(Room::Candles, None, None)]);
    let minutes = member(&hub, &[place(Room::Candles, None, Some(Interval::M1))]);
    let own = place(Room::Candles, Some("BTC/USD"), Some(Interval::M5));
    let own = member(&hub, &[own]);
    hub.publish_events(&[
        candle("BTC/USD", Interval::M1, true),
        candle("BTC/USD", Interval::M5, true),
        candle("ETH/USD", Interval::M5, true),
    ]);
    assert_eq!(told(all.client()).len(), 3);
    assert_eq!(told(minutes.client()), ["candle BTC/USD"]);
    assert_eq!(told(own.client()), ["candle BTC/USD"]);
}

#[test]
fn an_event_that_reaches_a_client_in_two_ways_is_told_once_in_the_narrower_way() {
    let hub = hub();
    let client = member(&hub, &[place(Room::Prices, None, None)]);
    let fields = ["price".to_owned()];
    let spec = Spec::new(Room::Prices, None, Some(&fields)).expect("a field");
    client.join(place(Room::Prices, Some("BTC/USD"), None), spec, "{}");
    drain(client.client());
    hub.publish_events(&[ticker("BTC/USD", 1)]);
    let entries = drain(client.client());
    assert_eq!(entries.len(), 1);
    assert!(entries[0].spec.is_some());
}

#[test]
fn a_hole_is_told_in_the_room_of_its_stream() {
    let hub = hub();
    let trades = member(&hub, &[place(Room::Trades, Some("BTC/USD"), None)]);
    let prices = member(&hub, &[place(Room::Prices, Some("BTC/USD"), None)]);
    let own = place(Room::Candles, Some("BTC/USD"), Some(Interval::M5));
    let candles = member(&hub, &[own]);
    hub.publish_events(&[
        gap("BTC/USD", Stream::Trades),
        gap("ETH/USD", Stream::Trades),
        gap("BTC/USD", Stream::Candles(Interval::M1)),
    ]);
    assert_eq!(told(trades.client()), ["gap BTC/USD"]);
    assert_eq!(told(prices.client()), [""; 0]);
    assert_eq!(told(candles.client()), [""; 0]);
}

#[test]
fn a_state_is_told_once_to_everybody_whom_it_concerns() {
    let hub = hub();
    let status_room = member(&hub, &[place(Room::Status, None, None)]);
    let own = [
        place(Room::Prices, Some("BTC/USD"), None),
        place(Room::Trades, Some("BTC/USD"), None),
        place(Room::Trades, None, None),
        place(Room::Status, None, None),
    ];
    let concerned = member(&hub, &own);
    let other = member(&hub, &[place(Room::Prices, Some("ETH/USD"), None)]);
    let alerts = member(&hub, &[place(Room::Alerts, None, None)]);

    hub.publish_events(&[status("hubtest", Some("BTC/USD"))]);
    assert_eq!(told(status_room.client()), ["status BTC/USD"]);
    assert_eq!(told(concerned.client()), ["status BTC/USD"]);
    assert_eq!(told(other.client()), [""; 0]);
    assert_eq!(told(alerts.client()), [""; 0]);

    hub.publish_events(&[status("hubtest", None)]);
    assert_eq!(told(concerned.client()), ["status -"]);
    assert_eq!(told(other.client()), ["status -"]);
    assert_eq!(told(alerts.client()), [""; 0]);

    drain(status_room.client());
    hub.publish_events(&[status("elsewhere", None)]);
    assert_eq!(told(status_room.client()), ["status -"]);
    assert_eq!(told(other.client()), [""; 0]);
}

#[test]
fn one_who_joins_prices_is_told_the_newest_of_each_market_first() {
    let hub = hub();
    hub.publish_events(&[
        ticker("BTC/USD", 1),
        ticker("BTC/USD", 2),
        ticker("ETH/USD", 3),
    ]);
    let client = hub.register();
    client.join(
        place(Room::Prices, None, None),
        None,
        r#"{"room":"prices"}"#,
    );
    hub.publish_events(&[ticker("ETH/USD", 4)]);
    let texts = drain(client.client()).into_iter();
    let texts: Vec<_> = texts.map(|e| e.message.numbered(e.number)).collect();
    let (joined, rest) = texts.split_first().expect("three");
    assert!(joined.starts_with(r#"{"type":"joined","data":{"room":"prices"},"#));
    assert_eq!(rest.len(), 2, "the older state of ETH/USD was replaced");
    let has = |text: &str| rest.iter().any(|line| line.contains(text));
    assert!(has("\"price\":2,") && has("\"price\":4,"), "{rest:?}");

    let one = hub.register();
    one.join(place(Room::Prices, Some("BTC/USD"), None), None, "{}");
    assert_eq!(told(one.client()), ["joined -", "price_update BTC/USD"]);
    hub.forget(market("BTC/USD"));
    let late = hub.register();
    late.join(place(Room::Prices, Some("BTC/USD"), None), None, "{}");
    assert_eq!(told(late.client()), ["joined -"]);
    assert_eq!(hub.markets(), [market("ETH/USD")]);
}

#[test]
fn one_who_joins_the_portfolio_is_told_its_newest_value() {
    let hub = hub();
    hub.publish(
        Room::Portfolio,
        "portfolio_update",
        None,
        "{\"n\":1}".into(),
    );
    hub.publish(
        Room::Portfolio,
        "portfolio_update",
        None,
        "{\"n\":2}".into(),
    );
    let client = hub.register();
    client.join(Place::whole(Room::Portfolio), None, "{}");
    let entries = drain(client.client());
    assert_eq!(entries.len(), 2);
    assert!(
        entries[1]
            .message
            .numbered(7)
            .starts_with(r#"{"type":"portfolio_update","data":{"n":2},"timestamp":""#)
    );
    assert!(entries[1].message.numbered(7).ends_with(r#","seq":7}"#));
}

#[test]
fn between_the_newest_state_and_what_follows_nothing_is_lost_and_nothing_told_twice() {
    let hub = Arc::new(hub());
    let publisher = hub.clone();
    let count = 20_000;
    let publishing = std::thread::spawn(move || {
        for price in 1..=count {
            publisher.publish_events(&[ticker("BTC/USD", price)]);
        }
    });
    let mut joins = 0;
    while !publishing.is_finished() || joins == 0 {
        let client = hub.register();
        client.join(place(Room::Prices, Some("BTC/USD"), None), None, "{}");
        let prices = drain(client.client()).into_iter().filter_map(|entry| {
            let Some(Event::Ticker(ticker)) = &entry.message.event else {
                return None;
            };
            Some((entry.number, ticker.price?.decimal()))
        });
        let prices: Vec<_> = prices.collect();
        for pair in prices.windows(2) {
            let numbers = Decimal::from(pair[1].0 - pair[0].0);
            assert_eq!(pair[1].1 - pair[0].1, numbers, "a number for each price");
        }
        joins += 1;
    }
    publishing.join().expect("published");
}

#[test]
fn who_leaves_a_room_or_the_hub_is_told_nothing_more_and_his_place_is_free() {
    let hub = hub();
    let client = member(&hub, &[place(Room::Trades, None, None)]);
    assert!(client.leave(place(Room::Trades, None, None)));
    assert!(!client.leave(place(Room::Trades, None, None)));
    hub.publish_events(&[trade("BTC/USD", 1)]);
    assert_eq!(told(client.client()), [""; 0]);
    client.join(place(Room::Trades, None, None), None, "{}");
    assert_eq!(hub.totals().subscriptions, 1);
    drop(client);
    hub.publish_events(&[trade("BTC/USD", 2)]);
    assert_eq!(hub.clients(), []);
    assert_eq!(hub.totals().subscriptions, 0);
    let next = member(&hub, &[]);
    hub.publish_events(&[trade("BTC/USD", 3)]);
    assert_eq!(
        told(next.client()),
        [""; 0],
        "not what the one before had joined"
    );
}

#[test]
fn all_clients_share_one_text() {
    let hub = hub();
    let clients: Vec<_> = (0..3)
        .map(|_| member(&hub, &[place(Room::Trades, None, None)]))
        .collect();
    hub.publish_events(&[trade("BTC/USD", 1)]);
    let entries: Vec<_> = clients.iter().flat_map(|c| drain(c.client())).collect();
    assert_eq!(entries.len(), 3);
    assert!(
        entries
            .windows(2)
            .all(|w| Arc::ptr_eq(&w[0].message, &w[1].message))
    );
}

#[test]
fn filters_and_fields_are_of_the_event_alone() {
    let check = |room, filter: Option<&str>, fields: &[&str]| {
        let fields: Vec<_> = fields.iter().map(|f| f.to_string()).collect();
        let fields = (!fields.is_empty()).then_some(&*fields);
        Spec::new(room, filter, fields).map(|spec| spec.is_some())
    };
    assert_eq!(check(Room::Prices, None, &[]), Ok(false));
    assert_eq!(
        check(Room::Prices, Some("price > 1 and spread_bps < 5"), &[]),
        Ok(true)
    );
    assert_eq!(
        check(Room::Signals, Some("side == \"buy\""), &["strategy"]),
        Ok(true)
    );
    assert_eq!(
        check(Room::Candles, Some("closed"), &["close", "high - low"]),
        Ok(true)
    );
    for (room, filter, fields) in [
        (Room::Prices, Some("price >"), &[][..]),
        (Room::Prices, Some("price"), &[]),
        (Room::Prices, Some("sma(20) > price"), &[]),
        (Room::Prices, Some("pct_change(15m) > 1"), &[]),
        (Room::Prices, Some("crosses_above(price, 5)"), &[]),
        (Room::Prices, Some("ETH/USD.price > 5"), &[]),
        (Room::Prices, Some("size > 5"), &[]),
        (Room::Trades, None, &["bid"]),
        (Room::Prices, None, &["prise"]),
        (Room::Prices, None, &["rsi(14)"]),
        (Room::Alerts, Some("price > 1"), &[]),
        (Room::Portfolio, None, &["value"]),
    ] {
        let error = check(room, filter, fields).expect_err("refused");
        assert_eq!(error.code, "bad_expression", "{filter:?} {fields:?}");
    }
}
