//! `[[stream]]`.

use super::*;
use crate::model::Interval;

const TRADES: &str = r#"
[[stream]]
name = "venue"
url = "wss://key@venue.test/v1?key=hush"
subscribe = ['{"key":"hush","m":"{symbol}"}', "hello"]
ping = "hush"
ping_interval = "20s"
silence = "1m"
type = "trade"
each = "/data"
time_unit = "ms"
buy = 1
sell = "S"
[stream.symbols]
btc_usd = "BTC/USD"
ETH = "ETH/EUR"
[stream.headers]
X-Key = "hush"
[stream.where]
"/channel" = "trades"
[stream.map]
symbol = "/m"
id = "/i"
price = "/p"
size = "/q"
side = "/s"
timestamp = "/t"
"#;

#[test]
fn every_setting_of_a_stream_is_read_and_no_secret_is_shown() {
    let config = load(TRADES, &[]);
    let stream = &config.streams[0];
    let symbol = |native: &str, base: &str, quote: &str| StreamSymbol {
        native: native.into(),
        base: base.into(),
        quote: quote.into(),
    };
    assert_eq!(
        stream.symbols,
        [symbol("ETH", "ETH", "EUR"), symbol("btc_usd", "BTC", "USD")]
    );
    assert_eq!(stream.kind, Some(StreamKind::Trade));
    assert_eq!(stream.time_unit, TimeUnit::Millis);
    assert_eq!(stream.subscribe.len(), 2);
    assert_eq!(stream.ping_interval, Some(Duration::from_secs(20)));
    assert_eq!(stream.silence, Some(Duration::from_secs(60)));
    assert_eq!(stream.headers["x-key"], "hush");
    assert_eq!(stream.conditions["/channel"], "trades");
    assert_eq!(stream.map["price"], "/p");
    assert_eq!(stream.buy.as_deref(), Some("1"));
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("hush") && !shown.contains("key@"),
        "{shown}"
    );
}

#[test]
fn lists_of_symbols_candles_and_raw_streams_are_read() {
    let config = load(
        r#"
        [[stream]]
        name = "bars"
        url = "ws://127.0.0.1:1"
        symbols = ["BTC/USD"]
        type = "candle"
        interval = "1m"
        map = { open_time = "/t", open = "/o", high = "/h", low = "/l", close = "/c", volume = "/v" }
        [[stream]]
        name = "news"
        url = "ws://127.0.0.1:1"
        raw = true
        "#,
        &[],
    );
    assert_eq!(config.streams[0].interval, Some(Interval::M1));
    assert_eq!(config.streams[0].symbols[0].native, "BTC/USD");
    assert_eq!((config.streams[1].kind, config.streams.len()), (None, 2));
}

#[test]
fn secrets_of_streams_come_from_files() {
    let dir = Dir::new(
        "[[stream]]\nname = \"a\"\nurl_file = \"url\"\nraw = true\nheaders = { x_file = \"x\" }",
    );
    dir.write("url", b"wss://venue.test/?key=1\n");
    dir.write("x", b"Bearer 1\n");
    let config = dir.load(&[]).expect("this configuration is right");
    assert_eq!(config.streams[0].url, "wss://venue.test/?key=1");
    assert_eq!(config.streams[0].headers["x"], "Bearer 1");
}

#[rustfmt::skip]
const WRONG: &[(&str, &str)] = &[
    ("[[stream]]",
     "config.toml:1:1: a [[stream]] needs `name`
config.toml:1:1: a [[stream]] needs `url`
config.toml:1:1: a [[stream]] needs `symbols`
config.toml:1:1: a [[stream]] needs `type`, or `raw = true`"),
    ("[[stream]]\nname = \"kraken\"\nurl = \"ws://h\"\nraw = true\n[[stream]]\nname = \"a\"\nurl = \"ws://h\"\nraw = true\n[[stream]]\nname = \"a\"\nurl = \"ws://h\"\nraw = true",
     "config.toml:2:1: `stream.name`: `kraken` is another provider
config.toml:10:1: two streams are named `a`, the other at config.toml:6:1"),
    ("[[stream]]\nname = \"a\"\nurl = \"http://h\"\nsymbols = [\"btc\"]\ntype = \"book\"",
     "config.toml:3:7: `stream.url`: expected an address with ws:// or wss://, got another value
config.toml:4:11: `stream.symbols`: expected a list of symbols such as `BTC/USD`, got a list with the string `btc`
config.toml:5:8: `stream.type`: expected one of ticker, trade, candle, got the string `book`"),
    ("[[stream]]\nname = \"a\"\nurl = \"ws://h\"\nsymbols = [\"A/B\", \"C/D\"]\ntype = \"trade\"\ninterval = \"1m\"\nmap = { price = \"/p\", size = \"/s\", side = \"/b\", timestamp = \"/t\", bid = \"/x\" }",
     "config.toml:1:1: a [[stream]] needs `map.id`; hint: without ids nobody knows which trades were told; take type = \"ticker\"
config.toml:1:1: a [[stream]] needs `map.symbol`, since it has several symbols
config.toml:6:1: `stream.interval`: a trade has none
config.toml:7:67: `stream.map.bid`: a trade has none"),
    ("[[stream]]\nname = \"a\"\nurl = \"ws://h\"\nsymbols = [\"A/B\"]\ntype = \"ticker\"\nmap = { prize = \"/p\", volume_24h = \"v\" }\nwhere = { type = \"x\" }",
     "config.toml:6:9: unknown key `prize` in [stream.map]; hint: did you mean `price`?
config.toml:6:36: `stream.map.volume_24h`: expected a JSON pointer such as `/data/0/price`, got the string `v`
config.toml:7:11: `stream.where`: `type` is no JSON pointer such as `/type`"),
    ("[[stream]]\nname = \"a\"\nurl = \"ws://h\"\nsymbols = [\"A/B\"]\ntype = \"ticker\"\n[[stream]]\nname = \"b\"\nurl = \"ws://h\"\nraw = true\nsubscribe = \"{symbol}\"\ntype = \"ticker\"\nmap = { price = \"/p\" }",
     "config.toml:1:1: a [[stream]] needs `map.price`, `map.bid` or `map.ask`
config.toml:10:1: `stream.subscribe`: there are no symbols for {symbol}
config.toml:11:1: `stream.type`: a raw stream has none
config.toml:12:9: `stream.map.price`: a raw stream has none"),
];

#[test]
fn what_is_wrong_with_a_stream_is_told_with_its_place() {
    let told: Vec<String> = WRONG
        .iter()
        .map(|(config, _)| Dir::new(config).complaints(&[]))
        .collect();
    let expected: Vec<&str> = WRONG.iter().map(|(_, complaints)| *complaints).collect();
    assert_eq!(told, expected);
}
