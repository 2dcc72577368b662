//! The typed settings, and how they are taken from what was read.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use super::Config;
use super::check::Value;
use super::document::Settings;
use super::portfolio::PortfolioSettings;
use super::rules::TESTNETS;
use super::server::ServerSettings;
use super::text::redact_url;
use crate::model::Interval;
use crate::strategy::Definition;

/// How data is written to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// A table on a terminal, `json` in a pipe, `plain` where fields are asked for.
    #[default]
    Auto,
    /// Redrawn on the screen.
    Table,
    /// Tab-separated values, no header, one line per event.
    Plain,
    /// JSON Lines.
    Json,
    /// Comma-separated values after a header.
    Csv,
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Table => "table",
            Self::Plain => "plain",
            Self::Json => "json",
            Self::Csv => "csv",
        })
    }
}

impl FromStr for OutputFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        <Self as ValueEnum>::from_str(text, false)
            .map_err(|_| format!("`{text}` is not one of auto, table, plain, json, csv"))
    }
}

/// How the engine keeps a connection alive.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineSettings {
    /// Failed attempts in a row before giving up; 0 = no limit.
    pub reconnect_attempts: u32,
    /// The first step of the backoff, which doubles with each failure. The very first retry comes at
    /// once (within 100 ms).
    pub reconnect_delay: Duration,
    /// The longest such wait. Invariant: not shorter than `reconnect_delay`.
    pub reconnect_max_delay: Duration,
    /// The pause between two pings on a connection.
    pub heartbeat_interval: Duration,
    /// Events that one subscriber's queue holds.
    pub buffer_size: usize,
    /// REST requests a second and host; `None` = the exchange's own limit.
    pub rate_limit: Option<f64>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            reconnect_attempts: 0,
            reconnect_delay: Duration::from_millis(250),
            reconnect_max_delay: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(15),
            buffer_size: 16_384,
            rate_limit: None,
        }
    }
}

/// Those of the engine's settings that were given; `None` leaves one to the settings below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineOverrides {
    /// See [`EngineSettings::reconnect_attempts`].
    pub reconnect_attempts: Option<u32>,
    /// See [`EngineSettings::reconnect_delay`].
    pub reconnect_delay: Option<Duration>,
    /// See [`EngineSettings::reconnect_max_delay`].
    pub reconnect_max_delay: Option<Duration>,
    /// See [`EngineSettings::heartbeat_interval`].
    pub heartbeat_interval: Option<Duration>,
    /// See [`EngineSettings::buffer_size`].
    pub buffer_size: Option<usize>,
    /// See [`EngineSettings::rate_limit`].
    pub rate_limit: Option<f64>,
}

impl EngineOverrides {
    /// These settings, and `base` for those that were not given.
    pub fn over(&self, base: &EngineSettings) -> EngineSettings {
        EngineSettings {
            reconnect_attempts: self.reconnect_attempts.unwrap_or(base.reconnect_attempts),
            reconnect_delay: self.reconnect_delay.unwrap_or(base.reconnect_delay),
            reconnect_max_delay: self.reconnect_max_delay.unwrap_or(base.reconnect_max_delay),
            heartbeat_interval: self.heartbeat_interval.unwrap_or(base.heartbeat_interval),
            buffer_size: self.buffer_size.unwrap_or(base.buffer_size),
            rate_limit: self.rate_limit.or(base.rate_limit),
        }
    }
}

/// How fast the mock makes events, for each symbol.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Events a second; above 0.
    PerSecond(f64),
    /// As fast as the consumer takes them.
    Max,
}

/// `[providers.NAME]`. `Debug` shows only scheme and host of addresses, and no values of headers
/// and parameters.
#[derive(Clone, Default, PartialEq)]
pub struct ProviderSettings {
    /// Without a slash at the end. The test system's where `testnet` is set and this was not.
    pub rest_url: Option<String>,
    /// As it was written. The test system's where `testnet` is set and this was not.
    pub ws_url: Option<String>,
    /// Without a slash at the end. Equals `rest_url` where only that is set.
    pub history_url: Option<String>,
    /// What a bare base is priced in, best first.
    pub quotes: Option<Vec<String>>,
    /// The exchange's test system instead of the market.
    pub testnet: bool,
    /// Names in lower case. Valid HTTP; a value may be a secret.
    pub headers: BTreeMap<String, String>,
    /// A value may be a secret.
    pub params: BTreeMap<String, String>,
    /// How this one differs from `[engine]`; [`Config::engine_for`] puts the two together.
    pub engine: EngineOverrides,
    /// Mock only.
    pub seed: Option<u64>,
    /// Mock only: where its clock starts, nanoseconds since 1970, UTC.
    pub start: Option<i64>,
    /// Mock only.
    pub rate: Option<Rate>,
}

impl fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = |url: &Option<String>| url.as_deref().map(redact_url);
        f.debug_struct("ProviderSettings")
            .field("rest_url", &url(&self.rest_url))
            .field("ws_url", &url(&self.ws_url))
            .field("history_url", &url(&self.history_url))
            .field("quotes", &self.quotes)
            .field("testnet", &self.testnet)
            .field("headers", &self.headers.keys())
            .field("params", &self.params.keys())
            .field("engine", &self.engine)
            .field("seed", &self.seed)
            .field("start", &self.start)
            .field("rate", &self.rate)
            .finish()
    }
}

impl Config {
    /// Takes the typed settings out of checked ones; what is missing or was refused stays unset.
    pub(super) fn from_settings(settings: &Settings) -> Self {
        let section = |path| Section { settings, path };
        let top = section(Vec::new());
        Self {
            provider: top.text("provider"),
            fallback: top.list("fallback").unwrap_or_default(),
            output: top.text("output").and_then(|name| name.parse().ok()),
            engine: section(vec!["engine"])
                .engine()
                .over(&EngineSettings::default()),
            providers: settings
                .names(&["providers"])
                .into_iter()
                .map(|name| {
                    let section = section(vec!["providers", name]);
                    (name.to_owned(), section.provider(name))
                })
                .collect(),
            alerts: settings
                .names(&["alert"])
                .into_iter()
                .map(|index| section(vec!["alert", index]).alert())
                .collect(),
            actions: settings
                .names(&["actions"])
                .into_iter()
                .map(|name| (name.to_owned(), section(vec!["actions", name]).action()))
                .collect(),
            strategies: settings
                .names(&["strategies"])
                .into_iter()
                .map(|name| {
                    (
                        name.to_owned(),
                        section(vec!["strategies", name]).strategy(),
                    )
                })
                .collect(),
            streams: settings
                .names(&["stream"])
                .into_iter()
                .map(|index| section(vec!["stream", index]).stream())
                .collect(),
            portfolio: PortfolioSettings::from_settings(settings),
            server: ServerSettings::from_sections(
                &section(vec!["server"]),
                &section(vec!["server", "limits"]),
            ),
            ..Self::default()
        }
    }
}

/// The settings below a path.
pub(super) struct Section<'a> {
    settings: &'a Settings,
    path: Vec<&'a str>,
}

impl<'a> Section<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        let mut path = self.path.clone();
        path.push(key);
        self.settings.get(&path).map(|setting| &setting.value)
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.get(key)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn list(&self, key: &str) -> Option<Vec<String>> {
        match self.get(key)? {
            Value::List(items) => Some(items.clone()),
            _ => None,
        }
    }

    pub(super) fn duration(&self, key: &str) -> Option<Duration> {
        match self.get(key)? {
            Value::Duration(length) => Some(*length),
            _ => None,
        }
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), Some(Value::Bool(true)))
    }

    pub(super) fn integer<T: TryFrom<u64>>(&self, key: &str) -> Option<T> {
        match self.get(key)? {
            Value::Integer(n) => T::try_from(*n).ok(),
            _ => None,
        }
    }

    pub(super) fn map(&self, key: &'a str) -> BTreeMap<String, String> {
        let below = Section {
            settings: self.settings,
            path: [&self.path[..], &[key]].concat(),
        };
        let names = self.settings.names(&below.path).into_iter();
        names
            .filter_map(|name| Some((name.to_owned(), below.text(name)?)))
            .collect()
    }

    /// What is missing of it was reported.
    fn strategy(&self) -> Definition {
        match self.list("command") {
            Some(command) => Definition::Program(command),
            None => Definition::Conditions {
                buy: self.text("buy").unwrap_or_default(),
                sell: self.text("sell").unwrap_or_default(),
                interval: self
                    .text("interval")
                    .and_then(|name| Interval::named(&name)),
            },
        }
    }

    fn engine(&self) -> EngineOverrides {
        EngineOverrides {
            reconnect_attempts: self.integer("reconnect_attempts"),
            reconnect_delay: self.duration("reconnect_delay"),
            reconnect_max_delay: self.duration("reconnect_max_delay"),
            heartbeat_interval: self.duration("heartbeat_interval"),
            buffer_size: self.integer("buffer_size"),
            rate_limit: match self.get("rate_limit") {
                Some(Value::Number(n)) => Some(*n),
                _ => None,
            },
        }
    }

    fn provider(&self, name: &str) -> ProviderSettings {
        let testnet = self.flag("testnet");
        let test = TESTNETS
            .iter()
            .find(|(exchange, ..)| testnet && *exchange == name);
        let rest_url = self
            .text("rest_url")
            .or_else(|| test.map(|(_, rest, _)| (*rest).to_owned()));
        ProviderSettings {
            history_url: self.text("history_url").or_else(|| rest_url.clone()),
            rest_url,
            ws_url: self
                .text("ws_url")
                .or_else(|| test.map(|(.., ws)| (*ws).to_owned())),
            quotes: self.list("quotes"),
            testnet,
            headers: self.map("headers"),
            params: self.map("params"),
            engine: self.engine(),
            seed: self.integer("seed"),
            start: match self.get("start") {
                Some(Value::Instant(ns)) => Some(*ns),
                _ => None,
            },
            rate: match self.get("rate") {
                Some(Value::Rate(rate)) => Some(*rate),
                _ => None,
            },
        }
    }
}
