//! Every key of the configuration, in one table: names, types, defaults and what they are for.
//!
//! Reading the file, reading the environment, suggestions and the test of `config.example.toml`
//! all use this table and no other list.

use std::time::Duration;

use super::check::Kind;
use super::error::Problem;
use super::text::{nearest, quote, section};

/// One key that may be set.
pub(super) struct Key {
    /// Segments joined by dots. One in capitals stands for any name (`NAME` a provider, action or
    /// strategy, `HEADER`, `PARAM`, `ASSET`, `NATIVE`, `POINTER`) or for a place in a list (`INDEX`).
    pub path: &'static str,
    pub kind: Kind,
    /// As it would be written in the file. Documentation; the typed settings hold the defaults,
    /// and tests hold the two together.
    #[cfg_attr(not(test), expect(dead_code))]
    pub default: Option<&'static str>,
    /// Documentation: the comment above it in `config.example.toml`.
    #[cfg_attr(not(test), expect(dead_code))]
    pub help: &'static str,
    /// Never shown, and accepted as `KEY_file` too: the path of a file that holds it.
    pub secret: bool,
}

impl Key {
    pub fn segments(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('.')
    }

    fn depth(&self) -> usize {
        self.segments().count()
    }

    fn segment(&self, index: usize) -> &'static str {
        self.segments().nth(index).unwrap_or_default()
    }
}

const fn key(path: &'static str, kind: Kind, help: &'static str) -> Key {
    Key {
        path,
        kind,
        default: None,
        help,
        secret: false,
    }
}

const fn with(default: &'static str, key: Key) -> Key {
    Key {
        default: Some(default),
        ..key
    }
}

const fn secret(key: Key) -> Key {
    Key {
        secret: true,
        ..key
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(366 * 86_400);
const MS: Duration = Duration::from_millis(1);

const HTTP: Kind = Kind::Url("http", "https");
const WEBSOCKET: Kind = Kind::Url("ws", "wss");
const REDIS: Kind = Kind::Url("redis", "rediss");

const ATTEMPTS: Kind = Kind::Integer(0, 1_000_000);
const DELAY: Kind = Kind::Duration(MS, HOUR);
const MAX_DELAY: Kind = Kind::Duration(MS, DAY);
// Tests against a simulated exchange want it short; no real exchange is silent for an hour.
const HEARTBEAT: Kind = Kind::Duration(Duration::from_millis(10), HOUR);
const BUFFER: Kind = Kind::Integer(1, 1 << 24);
const COUNT: Kind = Kind::Integer(1, 1_000_000);
const REQUESTS: Kind = Kind::Number(0.01, 1_000.0);

/// The table, in the order of `config.example.toml`.
#[rustfmt::skip]
pub(super) static KEYS: &[Key] = &[
    with("\"kraken\"", key("provider", Kind::Name, "Where the data comes from, unless -p says otherwise: binance, coinbase, kraken, mock, or the name of a [[stream]]")),
    with("[]", key("fallback", Kind::Names, "Providers to turn to when that one fails, in order")),
    with("\"auto\"", key("output", Kind::OneOf(&["auto", "table", "plain", "json", "csv"]), "auto (a table on a terminal, json in a pipe), table, plain, json or csv")),

    with("0", key("engine.reconnect_attempts", ATTEMPTS, "Give up after so many failed attempts in a row; 0 = no limit")),
    with("\"250ms\"", key("engine.reconnect_delay", DELAY, "The backoff's first step, doubling each time; the very first retry comes at once (within 100 ms)")),
    with("\"30s\"", key("engine.reconnect_max_delay", MAX_DELAY, "The longest wait between reconnects")),
    with("\"15s\"", key("engine.heartbeat_interval", HEARTBEAT, "The pause between pings, and the shortest silence of a stream that is looked into")),
    with("16384", key("engine.buffer_size", BUFFER, "Events that wait for a slow consumer before any is dropped")),
    key("engine.rate_limit", REQUESTS, "REST requests a second and host; default: the exchange's own limit"),

    key("providers.NAME.rest_url", Kind::Base, "Replaces the REST address; paths are appended"),
    key("providers.NAME.ws_url", WEBSOCKET, "Replaces the WebSocket address; binance: paths are appended, coinbase and kraken: the whole URL"),
    key("providers.NAME.history_url", Kind::Base, "Where old trades come from (binance); default: rest_url where that is set"),
    key("providers.NAME.quotes", Kind::Strings, "What a bare BTC is priced in: the first of these that the exchange trades"),
    with("false", key("providers.NAME.testnet", Kind::Bool, "The exchange's test system instead of the market (binance, coinbase)")),
    secret(key("providers.NAME.headers.HEADER", Kind::Header, "Sent with every request")),
    secret(key("providers.NAME.params.PARAM", Kind::Scalar, "Added to the query of every request")),
    key("providers.NAME.reconnect_attempts", ATTEMPTS, "As in [engine], for this provider alone"),
    key("providers.NAME.reconnect_delay", DELAY, "As in [engine], for this provider alone"),
    key("providers.NAME.reconnect_max_delay", MAX_DELAY, "As in [engine], for this provider alone"),
    key("providers.NAME.heartbeat_interval", HEARTBEAT, "As in [engine], for this provider alone"),
    key("providers.NAME.buffer_size", BUFFER, "As in [engine], for this provider alone"),
    key("providers.NAME.rate_limit", REQUESTS, "As in [engine], for this provider alone"),
    key("providers.mock.seed", Kind::Integer(0, u64::MAX), "Equal seed and start give equal bytes"),
    key("providers.mock.start", Kind::Instant, "Its clock starts here"),
    key("providers.mock.rate", Kind::Rate, "Events a second and symbol; \"max\" = as fast as they are taken"),

    key("alert.INDEX.name", Kind::Text, "Names the rule and its memory"),
    key("alert.INDEX.provider", Kind::Name, "Default: the provider above"),
    key("alert.INDEX.symbols", Kind::Strings, "What to watch"),
    key("alert.INDEX.condition", Kind::Text, "Fires when this becomes true"),
    key("alert.INDEX.message", Kind::Text, "What the alert says"),
    key("alert.INDEX.cooldown", Kind::Duration(MS, YEAR), "Silence after a firing"),
    key("alert.INDEX.hysteresis", Kind::Margin, "How far to fall back before it can fire again: a price or a percentage"),
    key("alert.INDEX.for", Kind::Duration(MS, YEAR), "The condition must hold this long first"),
    key("alert.INDEX.max_fires", Kind::Fires, "At most so many firings in such a time"),
    key("alert.INDEX.rearm", Kind::Text, "It can fire again once this is true"),
    key("alert.INDEX.exec", Kind::Command, "A program and its arguments, no shell; the alert is JSON on its stdin"),
    secret(key("alert.INDEX.webhook", Kind::Webhook, "An address to post to, or the name of one of the [actions]")),
    key("alert.INDEX.notify", Kind::Bool, "A desktop notification"),

    secret(key("actions.NAME.webhook", HTTP, "An address to post to")),
    key("actions.NAME.exec", Kind::Command, "A program and its arguments, no shell"),
    key("actions.NAME.template", Kind::Text, "The body to post, with {{field}} for what the alert holds; JSON stays JSON"),
    secret(key("actions.NAME.headers.HEADER", Kind::Header, "Sent along with what is posted")),
    key("actions.NAME.timeout", Kind::Duration(MS, HOUR), "Give up on one try after this time; default: 5s, a program 30s"),

    key("portfolio.quote", Kind::Asset, "What holdings are valued in"),
    key("portfolio.holdings.ASSET", Kind::Decimal, "How much of it is held"),
    key("portfolio.holdings.ASSET.amount", Kind::Decimal, "The amount held, and what one of it cost"),
    key("portfolio.holdings.ASSET.cost", Kind::Decimal, "The amount held, and what one of it cost"),

    key("strategies.NAME.buy", Kind::Text, "Signals buy when this becomes true"),
    key("strategies.NAME.sell", Kind::Text, "Signals sell when this becomes true"),
    key("strategies.NAME.interval", Kind::Interval, "The candles at whose close they are looked at; default: --interval"),
    key("strategies.NAME.command", Kind::Command, "A program and its arguments, no shell, that decides instead: events are JSON Lines on its stdin, signals on its stdout"),

    key("stream.INDEX.name", Kind::Name, "Names the source: -p NAME, and the exchange of its events"),
    secret(key("stream.INDEX.url", WEBSOCKET, "The whole WebSocket address; url_file reads it from a file")),
    key("stream.INDEX.subscribe", Kind::Texts, "Sent after connecting, one text or several; {symbol} makes it one for each symbol, by its name there"),
    secret(key("stream.INDEX.headers.HEADER", Kind::Header, "Sent with the request to connect")),
    key("stream.INDEX.ping", Kind::Text, "The text of a ping; default: a WebSocket ping"),
    key("stream.INDEX.ping_interval", HEARTBEAT, "The pause between pings; default: heartbeat_interval"),
    key("stream.INDEX.silence", Kind::Duration(MS, DAY), "Stale, and connected anew, after so long without any message; default: only when pings go unanswered"),
    key("stream.INDEX.symbols", Kind::Symbols, "What it has: a list where the names there are the same, else a table NAME = \"BASE/QUOTE\""),
    key("stream.INDEX.symbols.NATIVE", Kind::Symbol, "What it has: a list where the names there are the same, else a table NAME = \"BASE/QUOTE\""),
    key("stream.INDEX.type", Kind::OneOf(&["ticker", "trade", "candle"]), "What its messages become: ticker, trade or candle"),
    key("stream.INDEX.raw", Kind::Bool, "Instead of a type: messages are handed on as they are"),
    key("stream.INDEX.interval", Kind::Interval, "The length of its candles"),
    key("stream.INDEX.where.POINTER", Kind::Scalar, "Only messages that have these values at these places (JSON pointers)"),
    key("stream.INDEX.each", Kind::Pointer, "An array in the message: each of its elements is an event"),
    key("stream.INDEX.map.symbol", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.timestamp", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.price", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.bid", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.bid_size", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.ask", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.ask_size", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.open_24h", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.high_24h", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.low_24h", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.volume_24h", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.quote_volume_24h", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.change_24h", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.change_percent_24h", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.id", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.size", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.side", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.open_time", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.open", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.high", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.low", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.close", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.volume", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.quote_volume", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.trades", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.map.closed", Kind::Pointer, "Where the fields of an event stand in the message, or in the element"),
    key("stream.INDEX.time_unit", Kind::OneOf(&["s", "ms", "us", "ns", "rfc3339"]), "How its times are written: s, ms, us or ns since 1970, or rfc3339, the default"),
    key("stream.INDEX.buy", Kind::Scalar, "What the side of a taker who buys is called there; default: buy"),
    key("stream.INDEX.sell", Kind::Scalar, "What the side of a taker who sells is called there; default: sell"),

    with("\"127.0.0.1\"", key("server.host", Kind::Host, "Any other than loopback needs a token")),
    with("8000", key("server.port", Kind::Integer(0, 65_535), "0 = a free one")),
    secret(key("server.token", Kind::Text, "What clients must send")),
    with("[]", key("server.allowed_hosts", Kind::Strings, "Names the server may be called by, besides its address")),
    with("[]", key("server.allowed_origins", Kind::Strings, "Pages that may call it, besides its own")),
    with("1000", key("server.limits.clients", COUNT, "Open connections")),
    with("50", key("server.limits.clients_per_address", COUNT, "Of them from one address; loopback has no such limit")),
    with("500", key("server.limits.symbols_per_client", COUNT, "Symbols that one WebSocket client may have joined")),
    with("1000", key("server.limits.streams", COUNT, "Streams that run at once, whoever asked for them")),
    with("65536", key("server.limits.message_bytes", Kind::Integer(1_024, 1 << 26), "The longest message or request body")),
    with("20", key("server.limits.messages_per_second", COUNT, "Messages a second from one WebSocket client; twice as many at once")),
    with("100", key("server.limits.requests_per_second", COUNT, "Requests a second from one address; ten times as many at once")),
    with("4096", key("server.limits.queue_messages", COUNT, "Messages that wait for one client")),
    with("1048576", key("server.limits.queue_bytes", Kind::Integer(1_024, 1 << 30), "Bytes that wait for one client")),
    with("200", key("server.limits.alerts", COUNT, "Rules that were made over the API")),

    secret(key("redis.url", REDIS, "Where events are published and read")),
    key("redis.group", Kind::Text, "Consumer group of -p redis"),
    key("redis.maxlen", Kind::Integer(1, 1 << 40), "About how many entries each stream keeps"),

    key("store.dir", Kind::Text, "Where recordings go"),
    key("store.rotate", Kind::Duration(Duration::from_secs(1), YEAR), "Begin a new file this often"),
    key("store.keep", Kind::Duration(Duration::from_secs(60), Duration::from_secs(100 * 366 * 86_400)), "Delete files older than this"),
];

/// Where a name was read; variables cannot spell every name as the file can.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    File,
    Environment,
}

/// One step down the table: what a name means below a path.
pub(super) struct Step {
    /// The name as it is kept (header names in lower case, assets in capitals).
    pub segment: String,
    /// The key that ends here, if one does.
    pub leaf: Option<&'static Key>,
    /// Some key goes on below this name.
    pub deeper: bool,
    /// What comes below is a list of tables.
    pub list: bool,
    /// The name was `KEY_file`: the value is the path of a file that holds the secret.
    pub file: bool,
}

/// Errors: what to say about a name that means nothing below `path`, with the nearest that does.
pub(super) fn step(path: &[String], name: &str, source: Source) -> Result<Step, Problem> {
    let suffix = if source == Source::File {
        "_file"
    } else {
        "_FILE"
    };
    if let Some(base) = name.strip_suffix(suffix)
        && let Ok(step) = plain_step(path, base, source)
        && step.leaf.is_some_and(|key| key.secret)
    {
        return Ok(Step { file: true, ..step });
    }
    plain_step(path, name, source)
}

fn plain_step(path: &[String], name: &str, source: Source) -> Result<Step, Problem> {
    let depth = path.len();
    let below = below(path);
    let lower;
    let literal = match source {
        Source::File => name,
        Source::Environment => {
            lower = name.to_ascii_lowercase();
            &lower
        }
    };
    let segment = if below.iter().any(|key| key.segment(depth) == literal) {
        literal.to_owned()
    } else {
        let wildcard = below
            .iter()
            .map(|key| key.segment(depth))
            .find(|segment| is_wildcard(segment))
            .ok_or_else(|| unknown(path, name, &below))?;
        super::check::segment(wildcard, name, source)?
    };
    let here: Vec<&Key> = below
        .into_iter()
        .filter(|key| matches(key.segment(depth), &segment))
        .collect();
    Ok(Step {
        leaf: here.iter().copied().find(|key| key.depth() == depth + 1),
        deeper: here.iter().any(|key| key.depth() > depth + 1),
        list: here.iter().any(|key| key.segment(depth + 1) == "INDEX"),
        file: false,
        segment,
    })
}

/// The keys below a path, itself not included.
fn below(path: &[String]) -> Vec<&'static Key> {
    KEYS.iter()
        .filter(|key| {
            key.depth() > path.len()
                && key
                    .segments()
                    .zip(path)
                    .all(|(pattern, segment)| matches(pattern, segment))
        })
        .collect()
}

fn matches(pattern: &str, segment: &str) -> bool {
    is_wildcard(pattern) || pattern == segment
}

pub(super) fn is_wildcard(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_uppercase())
}

/// Whether a variable's name begins with a list of tables, which only the file can set.
pub(super) fn is_list(name: &str) -> bool {
    let first = name.split("__").next().unwrap_or_default().to_lowercase();
    KEYS.iter()
        .any(|key| key.segment(0) == first && key.segment(1) == "INDEX")
}

fn unknown(path: &[String], name: &str, below: &[&Key]) -> Problem {
    let mut names: Vec<String> = below
        .iter()
        .map(|key| key.segment(path.len()).to_owned())
        .collect();
    names.extend(
        below
            .iter()
            .filter(|key| key.secret && key.depth() == path.len() + 1)
            .map(|key| format!("{}_file", key.segment(path.len()))),
    );
    let elsewhere = || {
        let key = KEYS
            .iter()
            .find(|key| key.segments().last() == Some(name))?;
        let parents: Vec<String> = key.segments().map(str::to_owned).collect();
        let place = section(&parents[..parents.len() - 1]);
        Some(format!("{} belongs {place}", quote(name)))
    };
    let hint = nearest(
        name,
        names
            .iter()
            .map(String::as_str)
            .filter(|name| !is_wildcard(name)),
    )
    .map(|near| format!("did you mean `{near}`?"))
    .or_else(elsewhere);
    Problem::new(format!("unknown key {} {}", quote(name), section(path))).hint(hint)
}
