//! An engine whose providers are those of a server: nothing is asked of any exchange.

use std::sync::Arc;

use crate::config::Config;
use crate::engine::Engine;
use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::kraken::Kraken;
use crate::exchange::mock::{self, Mock};
use crate::exchange::server::{Habits, Place, ProviderInfo, Remote, ServerError, ServerInfo};
use crate::exchange::{Adapter, LiveOptions, OptionsError, binance, coinbase, kraken, server};
use crate::feed::Provider;
use crate::model::Exchange;
use crate::net::{HttpOptions, ProxyRules};

use super::{Options, cache_directory, connected};

/// Why there is no such engine.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The server did not say what it has.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Something about the way there cannot be used.
    #[error(transparent)]
    Options(#[from] OptionsError),
}

/// Where the server is: at the address that was given, else where the configuration has it.
///
/// Errors: that is no address.
pub fn place(config: &Config, url: Option<&str>) -> Result<Place, String> {
    match url {
        Some(url) => Place::parse(url),
        None => Place::of(&config.server.host, config.server.port),
    }
}

/// How it is asked, its token included. `is_explicit`: the proxy was named on the command line.
pub fn http_options(
    config: &Config,
    options: &Options,
    place: &Place,
    is_explicit: bool,
) -> HttpOptions {
    HttpOptions {
        proxies: place.proxies(&options.proxies, is_explicit),
        tls: options.tls.clone(),
        headers: bearer(config),
        timeout: options.timeout,
        ..HttpOptions::default()
    }
}

/// Asks a server what it has, and makes an engine of that: each of its providers under its own name, its default one
/// first. `greeting`: the options for the first question.
///
/// Errors: it does not say.
pub async fn remote_engine(
    config: &Config,
    options: &Options,
    greeting: &Options,
    place: &Place,
    is_explicit: bool,
) -> Result<(Engine, ServerInfo), RemoteError> {
    let http = http_options(config, greeting, place, is_explicit);
    let proxies = http.proxies.clone();
    let info = server::describe(http, place).await?;
    let mut builder = Engine::builder();
    let (first, others): (Vec<_>, Vec<_>) =
        (info.providers.iter()).partition(|provider| provider.name == info.default);
    for provider in first.into_iter().chain(others) {
        let exchange = exchange(&provider.name);
        let remote = Remote::new(exchange, place.clone(), habits(exchange, provider));
        let live = live_options(config, options, provider, proxies.clone());
        builder = builder.shared_provider(connected(remote, live)?);
    }
    if let Some(directory) = cache_directory() {
        builder = builder.symbol_cache(directory.join("symbols"));
    }
    Ok((builder.build(), info))
}

fn bearer(config: &Config) -> Vec<(String, String)> {
    let token = config.server.token.iter();
    let header = token.map(|token| ("authorization".to_owned(), format!("Bearer {token}")));
    header.collect()
}

/// Nothing is shared with other processes: the server is there to be asked.
fn live_options(
    config: &Config,
    options: &Options,
    provider: &ProviderInfo,
    proxies: ProxyRules,
) -> LiveOptions {
    let settings = config.provider_settings(&provider.name);
    let engine = config.engine_for(&provider.name);
    let known = known(&provider.name).map(|(_, habits)| habits.quotes);
    LiveOptions {
        quotes: provider.quotes.clone().or(settings.quotes).or(known),
        headers: bearer(config),
        reconnect_attempts: engine.reconnect_attempts,
        reconnect_delay: engine.reconnect_delay,
        reconnect_max_delay: engine.reconnect_max_delay,
        heartbeat_interval: engine.heartbeat_interval,
        proxies,
        tls: options.tls.clone(),
        timeout: options.timeout,
        ..LiveOptions::default()
    }
}

/// Names stay for ever; there are few, and they were checked.
fn exchange(name: &str) -> Exchange {
    match known(name) {
        Some((exchange, _)) => exchange,
        None => Exchange::new(Box::leak(name.to_owned().into_boxed_str())),
    }
}

fn habits(exchange: Exchange, provider: &ProviderInfo) -> Habits {
    let known = known(exchange.name()).map(|(_, known)| known.habits);
    let known = known.unwrap_or_else(Habits::unknown);
    Habits {
        contiguous_ids: provider.contiguous_ids.unwrap_or(known.contiguous_ids),
        invented: provider.invented.unwrap_or(known.invented),
        own_clock: provider.own_clock.unwrap_or(known.own_clock),
        ..known
    }
}

/// What this program knows of an exchange that a server has, too.
struct Known {
    quotes: Vec<String>,
    habits: Habits,
}

fn known(name: &str) -> Option<(Exchange, Known)> {
    let of = |exchange: Exchange, adapter: &dyn Adapter| {
        let profile = adapter.profile();
        let quotes = profile.quotes.iter().map(|quote| quote.to_string());
        let known = Known {
            quotes: quotes.collect(),
            habits: Habits {
                asset_aliases: profile.asset_aliases,
                contiguous_ids: profile.contiguous_ids,
                stream_fields: profile.stream_fields,
                rest_fields: profile.rest_fields,
                invented: false,
                own_clock: false,
            },
        };
        (exchange, known)
    };
    Some(match name {
        name if name == kraken::EXCHANGE.name() => of(kraken::EXCHANGE, &Kraken),
        name if name == binance::EXCHANGE.name() => of(binance::EXCHANGE, &Binance),
        name if name == coinbase::EXCHANGE.name() => of(coinbase::EXCHANGE, &Coinbase),
        name if name == mock::EXCHANGE.name() => {
            let traits = Arc::new(Mock::default()).traits();
            let known = Known {
                quotes: traits.quotes,
                habits: Habits {
                    asset_aliases: traits.asset_aliases,
                    contiguous_ids: traits.contiguous_ids,
                    stream_fields: traits.stream_fields,
                    rest_fields: traits.rest_fields,
                    invented: traits.invented,
                    own_clock: traits.own_clock,
                },
            };
            (mock::EXCHANGE, known)
        }
        _ => return None,
    })
}
