//! From what a client writes to instruments, and from what an exchange says to what a client is told.
//!
//! A name from outside is only ever looked up in the exchange's list: nothing is made of it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;

use crate::engine::EngineError;
use crate::feed::{ProviderError, Topic};
use crate::model::{Instrument, Market, Stream};
use crate::symbols::{ListError, ResolveError, Unresolved};

use super::super::error::ApiError;
use super::super::state::Shared;
use super::parameters::clipped;

/// For an answer of an exchange.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The longest name of a symbol, its provider included, in bytes.
const LONGEST: usize = 64;

/// The instrument that a text means: every spelling; `provider:SYMBOL` goes before `provider`, and that before the
/// server's.
///
/// Errors: 422 `unknown_symbol`, `ambiguous_symbol`, `unknown_provider`; 503, 504 where there is no list.
pub async fn instrument(
    shared: &Shared,
    provider: Option<&str>,
    text: &str,
) -> Result<Arc<Instrument>, ApiError> {
    let (provider, symbol) = match text.split_once(':') {
        Some((name, symbol)) => (name.trim().to_lowercase(), symbol.trim()),
        None => (
            provider.map_or_else(|| shared.provider.clone(), str::to_lowercase),
            text.trim(),
        ),
    };
    let manager = shared.engine.symbols(&provider);
    let manager = manager.map_err(|error| engine_error(shared, error))?;
    if symbol.is_empty() || symbol.len() > LONGEST || symbol.chars().any(char::is_control) {
        let symbol = clipped(symbol);
        let message = format!("{provider} has no symbol `{symbol}`");
        return Err(ApiError::unprocessable("unknown_symbol", message));
    }
    let found = tokio::time::timeout(PATIENCE, manager.resolve(symbol)).await;
    let found = found.map_err(|_| timeout(&provider))?;
    found.map_err(resolve_error)
}

/// The same for several, each once.
pub async fn instruments<'a>(
    shared: &Shared,
    provider: Option<&str>,
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Arc<Instrument>>, ApiError> {
    let mut found: Vec<Arc<Instrument>> = Vec::new();
    for text in texts {
        let one = instrument(shared, provider, text).await?;
        if !found.iter().any(|known| known.market == one.market) {
            found.push(one);
        }
    }
    Ok(found)
}

/// Every stream of every instrument.
pub fn topics(instruments: &[Arc<Instrument>], streams: &[Stream]) -> Vec<Topic> {
    let of = |instrument: &Arc<Instrument>| {
        let instrument = instrument.clone();
        let topic = move |stream: &Stream| Topic {
            instrument: instrument.clone(),
            stream: *stream,
        };
        streams.iter().map(topic).collect::<Vec<_>>()
    };
    instruments.iter().flat_map(of).collect()
}

/// What the engine could not do.
pub fn engine_error(shared: &Shared, error: EngineError) -> ApiError {
    match error {
        EngineError::UnknownProvider(name) => ApiError::unprocessable(
            "unknown_provider",
            format!(
                "no provider `{}` (there are {})",
                clipped(&name),
                shared.providers().join(", ")
            ),
        ),
        EngineError::Resolve(error) => resolve_error(error),
        _ => ApiError::unavailable("the engine cannot take this now, try again"),
    }
}

fn resolve_error(error: ResolveError) -> ApiError {
    let message = error.to_string();
    match error {
        ResolveError::List(error) => list_error(&error),
        ResolveError::Unresolved(Unresolved::Unknown { nearest, .. }) => {
            let message = match nearest.as_slice() {
                [] => message,
                names => format!("{message}, did you mean {}?", names.join(", ")),
            };
            ApiError::unprocessable("unknown_symbol", message)
        }
        ResolveError::Unresolved(Unresolved::Ambiguous { .. }) => {
            ApiError::unprocessable("ambiguous_symbol", message)
        }
    }
}

/// No list of symbols, and none to be had.
pub fn list_error(error: &ListError) -> ApiError {
    provider_error(error.exchange.name(), &error.source)
}

/// What an exchange could not answer. Its own words can hold addresses: they are for the log.
pub fn provider_error(provider: &str, error: &ProviderError) -> ApiError {
    tracing::debug!(%provider, %error, "a client's question was not answered");
    let why = match error {
        ProviderError::Unreachable(_) => "cannot be reached now",
        ProviderError::RateLimited { .. } => "asks for patience, try again later",
        ProviderError::Blocked(_) => "does not serve this place",
        ProviderError::Setup(_) => "cannot be asked, the server's log says why",
        ProviderError::Malformed(_) => "gave an answer that cannot be read",
        ProviderError::Refused(_) => {
            let message = format!("{provider} does not serve this");
            return ApiError::unprocessable("refused", message);
        }
    };
    ApiError::unavailable(format!("{provider} {why}"))
}

/// 503: what is kept of a market is no answer to what is new.
pub fn stale(market: Market) -> ApiError {
    ApiError::unavailable(format!("{market}: the server's data is out of date"))
}

/// 504: an exchange did not answer in time.
pub fn timeout(provider: &str) -> ApiError {
    let message = format!("{provider} did not answer in time");
    ApiError::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message)
}
