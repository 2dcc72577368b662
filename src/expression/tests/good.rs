//! What the language says, by example.

use super::*;

#[test]
fn expressions_come_to_what_they_say() {
    for (text, kind, result) in [
        // Numbers, as exact decimals.
        ("price", Kind::Number, "50000.10"),
        ("50_000", Kind::Number, "50000"),
        ("0.1 + 0.2", Kind::Number, "0.3"),
        ("1e-8", Kind::Number, "0.00000001"),
        ("2e3", Kind::Number, "2000"),
        ("(bid + ask) / 2", Kind::Number, "50000.10"),
        ("ask - bid", Kind::Number, "0.20"),
        ("id + 1", Kind::Number, "99503"),
        ("1 / 4", Kind::Number, "0.25"),
        ("100/2.5", Kind::Number, "40"),
        ("ask-bid", Kind::Number, "0.20"),
        ("abs(bid - ask)", Kind::Number, "0.20"),
        ("min(bid, ask, 3)", Kind::Number, "3"),
        ("max(bid, ask, 3)", Kind::Number, "50000.20"),
        ("-0", Kind::Number, "0"),
        ("0 * -1", Kind::Number, "0"),
        // Precedence.
        ("1 + 2 * 3", Kind::Number, "7"),
        ("(1 + 2) * 3", Kind::Number, "9"),
        ("10 - 2 - 3", Kind::Number, "5"),
        ("100 / 10 / 2", Kind::Number, "5"),
        ("-2 * 3 + 1", Kind::Number, "-5"),
        ("2 * -3", Kind::Number, "-6"),
        ("- - 2", Kind::Number, "2"),
        ("1 + 1 == 2", Kind::YesNo, "true"),
        ("true or false and false", Kind::YesNo, "true"),
        ("(true or false) and false", Kind::YesNo, "false"),
        ("not false and false", Kind::YesNo, "false"),
        ("not (false and false)", Kind::YesNo, "true"),
        ("not 1 > 2", Kind::YesNo, "true"),
        ("not not true", Kind::YesNo, "true"),
        ("true and not false", Kind::YesNo, "true"),
        // Comparisons.
        ("price > 50000.1", Kind::YesNo, "false"),
        ("price >= 50000.1", Kind::YesNo, "true"),
        ("price == 50000.1", Kind::YesNo, "true"),
        ("price != 50000.1", Kind::YesNo, "false"),
        ("price < 50000.100000000000000000001", Kind::YesNo, "true"),
        ("price <= 50000.0999", Kind::YesNo, "false"),
        ("(price > 1) == (price > 2)", Kind::YesNo, "true"),
        // Percentages: points beside a percentage, a fraction anywhere else.
        ("change_percent_24h", Kind::Percentage, "-4.0"),
        ("change_percent_24h < -3%", Kind::YesNo, "true"),
        ("change_percent_24h < -3 pct", Kind::YesNo, "true"),
        ("change_percent_24h < -3pct", Kind::YesNo, "true"),
        ("change_percent_24h < -3 %", Kind::YesNo, "true"),
        ("change_percent_24h < -3", Kind::YesNo, "true"),
        ("-5% < change_percent_24h", Kind::YesNo, "true"),
        ("change_percent_24h == -(1% + 3%)", Kind::YesNo, "true"),
        ("change_percent_24h == -2 * 2%", Kind::YesNo, "true"),
        ("change_percent_24h == -(8% / 2)", Kind::YesNo, "true"),
        ("change_percent_24h == min(-4%, 2%)", Kind::YesNo, "true"),
        ("abs(change_percent_24h) == abs(-4%)", Kind::YesNo, "true"),
        ("change_percent_24h + 5%", Kind::Percentage, "1.0"),
        ("5% - change_percent_24h", Kind::Percentage, "9.0"),
        ("change_percent_24h + 1", Kind::Percentage, "-3.0"),
        ("change_percent_24h * 2", Kind::Percentage, "-8.0"),
        ("2 * change_percent_24h", Kind::Percentage, "-8.0"),
        ("change_percent_24h / 2", Kind::Percentage, "-2.0"),
        ("change_percent_24h / 8%", Kind::Number, "-0.5"),
        ("8% / change_percent_24h", Kind::Number, "-2.0"),
        ("8 / change_percent_24h", Kind::Number, "-2.0"),
        ("change_percent_24h / change_percent_24h", Kind::Number, "1"),
        ("max(change_percent_24h, 3%)", Kind::Percentage, "3"),
        ("max(3, change_percent_24h)", Kind::Percentage, "3"),
        ("5%", Kind::Number, "0.05"),
        ("-(5%)", Kind::Number, "-0.05"),
        ("50% * 50%", Kind::Number, "0.2500"),
        ("50% / 25%", Kind::Number, "2"),
        ("50% > 25%", Kind::YesNo, "true"),
        ("2 / 50%", Kind::Number, "4"),
        ("1 + 5%", Kind::Number, "1.05"),
        ("price * 102% > 51000", Kind::YesNo, "true"),
        ("bid * 102%", Kind::Number, "51000.0000"),
        ("102% * bid", Kind::Number, "51000.0000"),
        ("bid * (100% + 2%)", Kind::Number, "51000.0000"),
        ("max(bid, 5%)", Kind::Number, "50000.00"),
        ("age * 50% == 15.25s", Kind::YesNo, "true"),
        // Durations, in seconds.
        ("90s", Kind::Duration, "90"),
        ("500ms", Kind::Duration, "0.5"),
        ("1.5h", Kind::Duration, "5400"),
        ("1h30m", Kind::Duration, "5400"),
        ("1w2d", Kind::Duration, "777600"),
        ("1_000ms", Kind::Duration, "1"),
        ("age", Kind::Duration, "30.5"),
        ("age > 30", Kind::YesNo, "true"),
        ("age > 31", Kind::YesNo, "false"),
        ("30 < age", Kind::YesNo, "true"),
        ("age < 1m", Kind::YesNo, "true"),
        ("age > -(2 * 30)", Kind::YesNo, "true"),
        ("age + 30", Kind::Duration, "60.5"),
        ("age - 0.5s", Kind::Duration, "30.0"),
        ("age * 2", Kind::Duration, "61.0"),
        ("2 * age", Kind::Duration, "61.0"),
        ("age / 2", Kind::Duration, "15.250"),
        ("age / 1s", Kind::Number, "30.5"),
        ("min(age, 10)", Kind::Duration, "10"),
        ("abs(-age)", Kind::Duration, "30.5"),
        ("received_at - timestamp", Kind::Duration, "0.150000000"),
        ("received_at - timestamp < 2s", Kind::YesNo, "true"),
        ("received_at - timestamp < 0.2", Kind::YesNo, "true"),
        ("received_at > timestamp", Kind::YesNo, "true"),
        ("timestamp", Kind::Time, "2026-09-21T14:13:20.000000Z"),
        // Texts.
        ("side == buy", Kind::YesNo, "true"),
        ("side != sell", Kind::YesNo, "true"),
        ("symbol == 'BTC/USD'", Kind::YesNo, "true"),
        ("symbol == \"ETH/USD\"", Kind::YesNo, "false"),
        ("\"it's\"", Kind::Text, "it's"),
        // Other markets.
        ("price / ETH/USD.price", Kind::Number, "20.00004"),
        ("kraken:BTC/USD.price - price", Kind::Number, "0.90"),
        ("1INCH/USDT.price", Kind::Number, "0.25"),
        ("币安人生/USDT.price", Kind::Number, "0.125"),
        ("2/1INCH/USDT.price", Kind::Number, "8"),
        ("2 / 1INCH/USDT.price", Kind::Number, "8"),
        // Unknown.
        ("high_24h", Kind::Number, "unknown"),
        ("high_24h > 1", Kind::YesNo, "unknown"),
        ("not high_24h > 1", Kind::YesNo, "unknown"),
        ("high_24h + 1", Kind::Number, "unknown"),
        ("max(high_24h, 1)", Kind::Number, "unknown"),
        ("high_24h == high_24h", Kind::YesNo, "unknown"),
        ("origin == 'stream'", Kind::YesNo, "unknown"),
        ("ETH/EUR.price > 1", Kind::YesNo, "unknown"),
        ("price > 1 or high_24h > 1", Kind::YesNo, "true"),
        ("high_24h > 1 or price > 1", Kind::YesNo, "true"),
        ("price < 1 and high_24h > 1", Kind::YesNo, "false"),
        ("high_24h > 1 and price < 1", Kind::YesNo, "false"),
        ("price > 1 and high_24h > 1", Kind::YesNo, "unknown"),
        ("price < 1 or high_24h > 1", Kind::YesNo, "unknown"),
        ("(high_24h > 1) == true", Kind::YesNo, "unknown"),
        ("1 / 0", Kind::Number, "unknown"),
        ("1 / bid_size > 1", Kind::YesNo, "unknown"),
        ("1 / bid_size > 1 or true", Kind::YesNo, "true"),
        ("1e28 * 1e28 > 1", Kind::YesNo, "unknown"),
        ("1e28 * 10 - 1e28 * 10", Kind::Number, "unknown"),
    ] {
        assert_eq!(expression(text).kind(), kind, "{text}");
        assert_eq!(told(value(text)), result, "{text}");
    }
}

#[test]
fn an_operand_stands_once_in_the_order_of_the_text() {
    let text = "ETH/USD.price > price and price < bid or kraken:ETH/USD.price > ETH/USD.price";
    let expression = expression(text);
    let texts: Vec<_> = expression
        .operands()
        .iter()
        .map(|operand| operand.text.as_str())
        .collect();
    assert_eq!(
        texts,
        ["ETH/USD.price", "price", "bid", "kraken:ETH/USD.price"]
    );
    assert_eq!(
        expression.operands()[3].of,
        Reference::Other {
            provider: Some("kraken".into()),
            symbol: "ETH/USD".into()
        }
    );
    assert_eq!(expression.operands()[1].of, Reference::Own);
}

#[test]
fn only_a_bare_own_field_is_a_field() {
    for (text, field) in [
        ("price", Some(Field::Price)),
        ("  id ", Some(Field::Id)),
        ("(price)", None),
        ("-price", None),
        ("ETH/USD.price", None),
        ("5", None),
        ("buy", None),
    ] {
        assert_eq!(expression(text).as_field(), field, "{text}");
    }
}

#[test]
fn every_field_can_be_asked_for() {
    for field in Field::ALL {
        let own = expression(field.name());
        assert_eq!(own.as_field(), Some(*field));
        let other = expression(&format!("mock:1INCH/USDT.{}", field.name()));
        assert_eq!(other.operands()[0].field(), Some(*field));
        assert_eq!(other.kind(), own.kind());
    }
}

#[test]
fn the_id_of_an_event_is_a_number() {
    use crate::model::{Exchange, Market, Origin, Side, Trade};
    let now = Timestamp::from_nanos(0);
    let trade = Event::Trade(Trade {
        market: Market::new(Exchange::new("x"), "A", "B"),
        id: 41,
        price: "1".parse().unwrap(),
        size: "1".parse().unwrap(),
        side: Side::Buy,
        timestamp: now,
        received_at: now,
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    });
    let next = expression("id + 1");
    let operand = &next.operands()[0];
    assert_eq!(operand.value(&trade, now), number("41"));
    assert_eq!(next.evaluate(&|_| operand.value(&trade, now)), number("42"));
    // The form that it has in events is as good.
    assert_eq!(
        next.evaluate(&|_| Field::Id.value(&trade, now)),
        number("42")
    );
}

#[test]
fn the_tree_shows_what_each_part_comes_to() {
    let rule = expression("price > 50_000 and not (age > 30 or high_24h > bid * 102%)");
    assert_eq!(
        rule.explain(&|place| market(&rule.operands()[place])),
        "\
and               yes/no    false
  >               yes/no    true
    price         number    50000.10
    50_000        number    50000
  not             yes/no    false
    or            yes/no    true
      >           yes/no    true
        age       duration  30.5s
        30        duration  30s
      >           yes/no    unknown
        high_24h  number    unknown
        *         number    51000.0000
          bid     number    50000.00
          102%    number    1.02
"
    );
    let fall = expression("change_percent_24h < -5 pct");
    assert_eq!(
        fall.explain(&|_| Value::Null),
        "\
<                     yes/no      unknown
  change_percent_24h  percentage  unknown
  -                   percentage  -5%
    5 pct             percentage  5%
"
    );
}

#[test]
fn the_text_stays_as_it_was_written_but_for_the_space_around_it() {
    let spaced = expression("  price  >\t1 ");
    assert_eq!(spaced.text(), "price  >\t1");
    assert_eq!(spaced.to_string(), spaced.text());
}

#[test]
fn commas_split_only_at_the_top() {
    for (text, parts) in [
        ("price", vec!["price"]),
        ("a,b", vec!["a", "b"]),
        (" a , max(b,c) ,d", vec!["a", "max(b,c)", "d"]),
        ("max(a,(b,c)),d", vec!["max(a,(b,c))", "d"]),
        ("symbol == 'A,B', c", vec!["symbol == 'A,B'", "c"]),
        ("symbol == \"A',B\", c", vec!["symbol == \"A',B\"", "c"]),
        ("a,,b", vec!["a", "", "b"]),
        ("a), b", vec!["a)", "b"]),
        ("", vec![""]),
    ] {
        assert_eq!(split_top_level(text), parts, "{text}");
    }
}

#[test]
fn an_expression_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Expression>();
    shared::<ExpressionError>();
}
