//! The only place where configuration, exchanges and engine meet.

mod remote;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::config::{self, Config, Rate, StreamKind, StreamSettings};
use crate::engine::Engine;
use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::custom::{Custom, Definition, EventKind, Mapping, RawMessage, TimeUnit};
use crate::exchange::kraken::Kraken;
use crate::exchange::mock::{self, Mock, Pace};
use crate::exchange::{Adapter, Live, LiveOptions, OptionsError, binance, coinbase, kraken};
use crate::feed::Provider;
use crate::model::{Exchange, Timestamp};
use crate::net::{ProxyRules, Tls};

pub use remote::{RemoteError, http_options, place, remote_engine};

/// The exchanges, in the order in which lists show them. The first is the default.
pub const EXCHANGES: [Exchange; 3] = [kraken::EXCHANGE, binance::EXCHANGE, coinbase::EXCHANGE];

/// Everything that `-p` takes.
pub fn provider_names() -> impl Iterator<Item = &'static str> {
    EXCHANGES
        .iter()
        .map(|exchange| exchange.name())
        .chain([mock::EXCHANGE.name()])
}

/// The names of the streams of one's own.
pub fn stream_names(config: &Config) -> impl Iterator<Item = &str> {
    config.streams.iter().map(|stream| stream.name.as_str())
}

/// What the command line adds to the configuration.
#[derive(Clone)]
pub struct Options {
    /// The default provider.
    pub provider: String,
    /// The mock's seed.
    pub seed: Option<u64>,
    /// Which way out.
    pub proxies: ProxyRules,
    /// The roots that servers are checked against.
    pub tls: Tls,
    /// For one REST request.
    pub timeout: Duration,
}

/// An engine with every provider, the chosen one first. Opens nothing. Messages of raw streams go to `raw`.
///
/// Errors: a URL or a header of the configuration that cannot be used.
pub fn engine(
    config: &Config,
    options: &Options,
    raw: broadcast::Sender<RawMessage>,
) -> Result<Engine, OptionsError> {
    let mut names: Vec<&str> = provider_names().collect();
    names.extend(stream_names(config));
    let mut providers = Vec::new();
    for name in names {
        providers.extend(provider(name, config, options, &raw)?);
    }
    providers.sort_by_key(|provider| provider.exchange().name() != options.provider);
    let mut builder = Engine::builder();
    for provider in providers {
        builder = builder.shared_provider(provider);
    }
    if let Some(directory) = cache_directory() {
        builder = builder.symbol_cache(directory.join("symbols"));
    }
    Ok(builder.build())
}

/// The provider of this name, as the configuration describes it. `None`: there is none.
///
/// Errors: a URL or a header that cannot be used.
pub fn provider(
    name: &str,
    config: &Config,
    options: &Options,
    raw: &broadcast::Sender<RawMessage>,
) -> Result<Option<Arc<dyn Provider>>, OptionsError> {
    let live = |exchange| live_options(config, options, exchange, &options.tls);
    Ok(Some(match name {
        "kraken" => connected(Kraken, live(kraken::EXCHANGE))?,
        "binance" => connected(Binance, live(binance::EXCHANGE))?,
        "coinbase" => connected(Coinbase, live(coinbase::EXCHANGE))?,
        "mock" => Arc::new(mock(config, options.seed)),
        _ => match config.streams.iter().find(|stream| stream.name == name) {
            Some(settings) => custom(config, settings, options, raw.clone())?,
            None => return Ok(None),
        },
    }))
}

/// A stream of one's own, as `[[stream]]` and the rest of the configuration describe it.
///
/// Errors: its URL or a header cannot be used.
fn custom(
    config: &Config,
    settings: &StreamSettings,
    options: &Options,
    raw: broadcast::Sender<RawMessage>,
) -> Result<Arc<dyn Provider>, OptionsError> {
    let exchange = Exchange::named(&settings.name);
    let common = live_options(config, options, exchange, &options.tls);
    let heartbeat = settings.ping_interval;
    let live = LiveOptions {
        ws_url: Some(settings.url.clone()),
        rest_url: None,
        history_url: None,
        headers: settings.headers.clone().into_iter().collect(),
        heartbeat_interval: heartbeat.unwrap_or(common.heartbeat_interval),
        ..common
    };
    let symbols = settings.symbols.iter().cloned();
    let definition = Definition {
        exchange,
        subscribe: settings.subscribe.clone(),
        ping: settings.ping.clone(),
        silence: settings.silence,
        symbols: symbols
            .map(|symbol| (symbol.native, symbol.base, symbol.quote))
            .collect(),
        mapping: mapping(settings),
        conditions: settings.conditions.clone().into_iter().collect(),
    };
    Ok(Arc::new(Custom::new(definition, live, Some(raw))?))
}

/// `None`: it is raw.
fn mapping(settings: &StreamSettings) -> Option<Mapping> {
    let kind = match settings.kind? {
        StreamKind::Ticker => EventKind::Ticker,
        StreamKind::Trade => EventKind::Trade,
        StreamKind::Candle => EventKind::Candle(settings.interval?),
    };
    let word =
        |word: &Option<String>, default: &str| word.clone().unwrap_or_else(|| default.to_owned());
    Some(Mapping {
        kind,
        each: settings.each.clone(),
        fields: settings.map.clone(),
        time_unit: match settings.time_unit {
            config::TimeUnit::Seconds => TimeUnit::Nanos(1_000_000_000),
            config::TimeUnit::Millis => TimeUnit::Nanos(1_000_000),
            config::TimeUnit::Micros => TimeUnit::Nanos(1_000),
            config::TimeUnit::Nanos => TimeUnit::Nanos(1),
            config::TimeUnit::Rfc3339 => TimeUnit::Rfc3339,
        },
        sides: (word(&settings.buy, "buy"), word(&settings.sell, "sell")),
    })
}

fn connected(
    adapter: impl Adapter,
    options: LiveOptions,
) -> Result<Arc<dyn Provider>, OptionsError> {
    Ok(Arc::new(Live::new(adapter, options)?))
}

fn live_options(config: &Config, options: &Options, exchange: Exchange, tls: &Tls) -> LiveOptions {
    let settings = config.provider_settings(exchange.name());
    let engine = config.engine_for(exchange.name());
    LiveOptions {
        rest_url: settings.rest_url,
        history_url: settings.history_url,
        ws_url: settings.ws_url,
        quotes: settings.quotes,
        headers: settings.headers.into_iter().collect(),
        params: settings.params.into_iter().collect(),
        reconnect_attempts: engine.reconnect_attempts,
        reconnect_delay: engine.reconnect_delay,
        reconnect_max_delay: engine.reconnect_max_delay,
        heartbeat_interval: engine.heartbeat_interval,
        rate_limit: engine.rate_limit,
        proxies: options.proxies.clone(),
        tls: tls.clone(),
        timeout: options.timeout,
        shared_directory: cache_directory().map(|directory| directory.join("shared")),
        ..LiveOptions::default()
    }
}

fn mock(config: &Config, seed: Option<u64>) -> Mock {
    let settings = config.provider_settings(mock::EXCHANGE.name());
    let default = Mock::default();
    Mock {
        seed: seed.or(settings.seed).unwrap_or(default.seed),
        start: settings.start.map(Timestamp::from_nanos),
        pace: match settings.rate {
            Some(Rate::PerSecond(rate)) => Pace::PerSecond(rate),
            Some(Rate::Max) => Pace::Max,
            None => default.pace,
        },
        quotes: settings.quotes.unwrap_or(default.quotes),
        ..default
    }
}

/// `$XDG_CACHE_HOME/tickwire`, else `~/.cache/tickwire`, else systemd's `CACHE_DIRECTORY`. `None`: nowhere.
fn cache_directory() -> Option<PathBuf> {
    directory("XDG_CACHE_HOME", ".cache", "CACHE_DIRECTORY")
}

/// `$XDG_STATE_HOME/tickwire`, else `~/.local/state/tickwire`, else systemd's `STATE_DIRECTORY`. `None`: nowhere.
pub fn state_directory() -> Option<PathBuf> {
    directory("XDG_STATE_HOME", ".local/state", "STATE_DIRECTORY")
}

fn directory(xdg: &str, below_home: &str, systemd: &str) -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute(xdg)
        // Nobody lives in the root; systemd says so where it has no home for a user.
        .or_else(|| {
            let home = absolute("HOME").filter(|home| home.parent().is_some());
            home.map(|home| home.join(below_home))
        })
        .map(|base| base.join("tickwire"))
        // systemd separates several directories by colons; the first is ours.
        .or_else(|| {
            let directories = std::env::var(systemd).ok()?;
            directories
                .split(':')
                .next()
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        })
}
