//! `[[stream]]`: a WebSocket of somebody else as a source of market data.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::check::{Value, is_pointer};
use super::document::{Setting, Settings};
use super::error::{Location, Problem, Report};
use super::settings::Section;
use super::text::{quote, redact_url};
use crate::model::Interval;

/// Names that mean something else after `-p`.
const TAKEN: &[&str] = &[
    "binance", "coinbase", "kraken", "mock", "server", "replay", "redis",
];
/// The longest name of an exchange.
const NAME_MAX: usize = 32;
/// What makes a subscription one of each symbol.
pub(super) const SYMBOL: &str = "{symbol}";

/// `[[stream]]`. `Debug` shows only scheme and host of the address, no values of headers and no messages, which can
/// hold keys.
///
/// Invariant: every pointer is a JSON pointer; what `kind` needs is mapped; `symbols` has one at least but for a raw
/// stream.
#[derive(Clone, Default, PartialEq)]
pub struct StreamSettings {
    /// Of its own, and of no other provider; 32 characters at most.
    pub name: String,
    /// `ws://` or `wss://`.
    pub url: String,
    /// Sent after connecting. `{symbol}` stands for each symbol's name there.
    pub subscribe: Vec<String>,
    /// Names in lower case. Valid HTTP; a value may be a secret.
    pub headers: BTreeMap<String, String>,
    /// The text of a ping. `None`: a WebSocket ping.
    pub ping: Option<String>,
    /// Between pings.
    pub ping_interval: Option<Duration>,
    /// Without any message for so long it is dead. `None`: only where pings go unanswered.
    pub silence: Option<Duration>,
    /// What it has.
    pub symbols: Vec<StreamSymbol>,
    /// What messages become. `None`: they are handed on as they are.
    pub kind: Option<StreamKind>,
    /// The length of candles.
    pub interval: Option<Interval>,
    /// Pointers, and what stands there in messages that are meant.
    pub conditions: BTreeMap<String, String>,
    /// Where the array of events is.
    pub each: Option<String>,
    /// Where each field of an event is.
    pub map: BTreeMap<String, String>,
    /// How times are written.
    pub time_unit: TimeUnit,
    /// What a taker who buys is called.
    pub buy: Option<String>,
    /// What a taker who sells is called.
    pub sell: Option<String>,
}

/// A symbol, and what it is called on the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSymbol {
    /// There.
    pub native: String,
    /// Canonical.
    pub base: String,
    /// Canonical.
    pub quote: String,
}

/// What messages become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// Tickers.
    Ticker,
    /// Trades.
    Trade,
    /// Candles.
    Candle,
}

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds since 1970, perhaps with a fraction.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
    /// Microseconds since 1970.
    Micros,
    /// Nanoseconds since 1970.
    Nanos,
    /// RFC 3339.
    #[default]
    Rfc3339,
}

impl StreamKind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "ticker" => Some(Self::Ticker),
            "trade" => Some(Self::Trade),
            "candle" => Some(Self::Candle),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ticker => "ticker",
            Self::Trade => "trade",
            Self::Candle => "candle",
        }
    }

    /// Fields that there must be, and those that there may be, beside the symbol.
    fn fields(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Ticker => (
                &[],
                &[
                    "timestamp",
                    "price",
                    "bid",
                    "bid_size",
                    "ask",
                    "ask_size",
                    "open_24h",
                    "high_24h",
                    "low_24h",
                    "volume_24h",
                    "quote_volume_24h",
                    "change_24h",
                    "change_percent_24h",
                ],
            ),
            Self::Trade => (&["id", "price", "size", "side", "timestamp"], &[]),
            Self::Candle => (
                &["open_time", "open", "high", "low", "close", "volume"],
                &["timestamp", "quote_volume", "trades", "closed"],
            ),
        }
    }
}

impl fmt::Debug for StreamSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSettings")
            .field("name", &self.name)
            .field("url", &redact_url(&self.url))
            .field("subscribe", &self.subscribe.len())
            .field("headers", &self.headers.keys())
            .field("ping", &self.ping.as_ref().map(|_| "…"))
            .field("ping_interval", &self.ping_interval)
            .field("silence", &self.silence)
            .field("symbols", &self.symbols)
            .field("kind", &self.kind)
            .field("interval", &self.interval)
            .field("conditions", &self.conditions.keys())
            .field("each", &self.each)
            .field("map", &self.map)
            .field("time_unit", &self.time_unit)
            .field("buy", &self.buy)
            .field("sell", &self.sell)
            .finish()
    }
}

impl Section<'_> {
    pub(super) fn stream(&self) -> StreamSettings {
        StreamSettings {
            name: self.text("name").unwrap_or_default(),
            url: self.text("url").unwrap_or_default(),
            subscribe: self.list("subscribe").unwrap_or_default(),
            headers: self.map("headers"),
            ping: self.text("ping"),
            ping_interval: self.duration("ping_interval"),
            silence: self.duration("silence"),
            symbols: self.symbols(),
            kind: self.text("type").and_then(|name| StreamKind::named(&name)),
            interval: self
                .text("interval")
                .and_then(|name| Interval::named(&name)),
            conditions: self.map("where"),
            each: self.text("each"),
            map: self.map("map"),
            time_unit: match self.text("time_unit").as_deref() {
                Some("s") => TimeUnit::Seconds,
                Some("ms") => TimeUnit::Millis,
                Some("us") => TimeUnit::Micros,
                Some("ns") => TimeUnit::Nanos,
                _ => TimeUnit::Rfc3339,
            },
            buy: self.text("buy"),
            sell: self.text("sell"),
        }
    }

    fn symbols(&self) -> Vec<StreamSymbol> {
        let listed = self.list("symbols").unwrap_or_default().into_iter();
        let listed = listed.map(|symbol| (symbol.clone(), symbol));
        let named = self.map("symbols").into_iter();
        let symbol = |(native, symbol): (String, String)| {
            let (base, quote) = symbol.split_once('/')?;
            Some(StreamSymbol {
                native,
                base: base.to_owned(),
                quote: quote.to_owned(),
            })
        };
        listed.chain(named).filter_map(symbol).collect()
    }
}

/// Every stream has a name of its own and what its type needs.
pub(super) fn check(settings: &Settings, report: &mut Report) {
    let mut named: BTreeMap<&str, &Location> = BTreeMap::new();
    for index in settings.names(&["stream"]) {
        let table = Table {
            settings,
            index,
            place: settings
                .tables
                .get(&["stream".to_owned(), index.to_owned()][..]),
        };
        if let Some((name, location)) = table.text("name") {
            if let Some(why) = unusable(name) {
                let message = format!("`stream.name`: {why}");
                report.push(location, Problem::new(message));
            }
            if let Some(first) = named.insert(name, location) {
                let message = format!(
                    "two streams are named {}, the other at {first}",
                    quote(name)
                );
                report.push(location, Problem::new(message));
            }
        }
        table.check(report);
    }
}

/// Why a name cannot be that of a stream.
fn unusable(name: &str) -> Option<String> {
    if TAKEN.contains(&name) {
        return Some(format!("{} is another provider", quote(name)));
    }
    (name.len() > NAME_MAX).then(|| format!("a name has {NAME_MAX} characters at most"))
}

/// One `[[stream]]`.
struct Table<'a> {
    settings: &'a Settings,
    index: &'a str,
    place: Option<&'a Location>,
}

impl<'a> Table<'a> {
    fn get(&self, key: &str) -> Option<&'a Setting> {
        self.settings.get(&["stream", self.index, key])
    }

    fn text(&self, key: &str) -> Option<(&'a str, &'a Location)> {
        let setting = self.get(key)?;
        match &setting.value {
            Value::Text(text) => Some((text, &setting.location)),
            _ => None,
        }
    }

    /// What is set in a table below it.
    fn below(&self, key: &str) -> Vec<(&'a str, &'a Setting)> {
        let names = self.settings.names(&["stream", self.index, key]);
        let setting = |name: &'a str| {
            let setting = self.settings.get(&["stream", self.index, key, name])?;
            Some((name, setting))
        };
        names.into_iter().filter_map(setting).collect()
    }

    /// Whether something below was refused: what seems to be missing may be just that.
    fn is_troubled(&self, key: Option<&str>) -> bool {
        let path = ["stream", self.index].into_iter().chain(key);
        let path: Vec<String> = path.map(str::to_owned).collect();
        self.settings.troubled.contains(&path)
    }

    fn check(&self, report: &mut Report) {
        for (pointer, setting) in self.below("where") {
            if !is_pointer(pointer) {
                let message = format!(
                    "`stream.where`: {} is no JSON pointer such as `/type`",
                    quote(pointer)
                );
                report.push(&setting.location, Problem::new(message));
            }
        }
        let is_raw = matches!(
            self.get("raw"),
            Some(Setting {
                value: Value::Bool(true),
                ..
            })
        );
        if is_raw {
            return self.check_raw(report);
        }
        let kind = self
            .text("type")
            .and_then(|(name, _)| StreamKind::named(name));
        self.needs(&["name", "url", "symbols"], report);
        match kind {
            Some(kind) => self.check_map(kind, report),
            None => self.lacks("`type`, or `raw = true`", report),
        }
    }

    fn check_raw(&self, report: &mut Report) {
        self.needs(&["name", "url"], report);
        for key in ["type", "interval", "each", "time_unit", "buy", "sell"] {
            if let Some(setting) = self.get(key) {
                self.useless(key, "a raw stream", setting, report);
            }
        }
        for (field, setting) in self.below("map") {
            self.useless(&format!("map.{field}"), "a raw stream", setting, report);
        }
        let Some(Setting {
            value: Value::List(texts),
            location,
            ..
        }) = self.get("subscribe")
        else {
            return;
        };
        if !self.has_symbols() && texts.iter().any(|text| text.contains(SYMBOL)) {
            let message = format!("`stream.subscribe`: there are no symbols for {SYMBOL}");
            report.push(location, Problem::new(message));
        }
    }

    fn check_map(&self, kind: StreamKind, report: &mut Report) {
        let mapped = self.below("map");
        let has = |field: &str| mapped.iter().any(|(name, _)| *name == field);
        let (needed, possible) = kind.fields();
        let what = format!("a {}", kind.name());
        for (field, setting) in &mapped {
            let is_known = needed.contains(field) || possible.contains(field);
            if !is_known && *field != "symbol" {
                self.useless(&format!("map.{field}"), &what, setting, report);
            }
        }
        if kind == StreamKind::Candle {
            self.needs(&["interval"], report);
        } else if let Some(setting) = self.get("interval") {
            self.useless("interval", &what, setting, report);
        }
        if self.is_troubled(Some("map")) {
            return;
        }
        for field in needed.iter().filter(|field| !has(field)) {
            match *field {
                "id" => {
                    let hint =
                        "without ids nobody knows which trades were told; take type = \"ticker\"";
                    self.lacks_with("`map.id`", Some(hint), report);
                }
                field => self.lacks(&format!("`map.{field}`"), report),
            }
        }
        if kind == StreamKind::Ticker && !["price", "bid", "ask"].into_iter().any(has) {
            self.lacks("`map.price`, `map.bid` or `map.ask`", report);
        }
        if self.symbol_count() > 1 && !has("symbol") {
            self.lacks("`map.symbol`, since it has several symbols", report);
        }
    }

    fn symbol_count(&self) -> usize {
        match self.get("symbols") {
            Some(Setting {
                value: Value::List(symbols),
                ..
            }) => symbols.len(),
            _ => self.below("symbols").len(),
        }
    }

    fn has_symbols(&self) -> bool {
        self.symbol_count() > 0
    }

    /// Says which of these are not set.
    fn needs(&self, keys: &[&str], report: &mut Report) {
        for key in keys {
            let has = match *key {
                "symbols" => self.has_symbols() || self.is_troubled(Some("symbols")),
                key => self.get(key).is_some(),
            };
            if !has {
                self.lacks(&format!("`{key}`"), report);
            }
        }
    }

    fn lacks(&self, what: &str, report: &mut Report) {
        self.lacks_with(what, None, report);
    }

    fn lacks_with(&self, what: &str, hint: Option<&str>, report: &mut Report) {
        if let (Some(place), false) = (self.place, self.is_troubled(None)) {
            let problem = Problem::new(format!("a [[stream]] needs {what}"));
            report.push(place, problem.hint(hint.map(str::to_owned)));
        }
    }

    fn useless(&self, key: &str, what: &str, setting: &Setting, report: &mut Report) {
        let message = format!("`stream.{key}`: {what} has none");
        report.push(&setting.location, Problem::new(message));
    }
}
