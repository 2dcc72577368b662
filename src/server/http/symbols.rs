//! `/api/v1/symbols`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;

use crate::model::{Decimal, Instrument, Interval, Stream, write_decimal, write_json_string};

use super::super::error::ApiError;
use super::super::state::{Ref, Shared};
use super::super::streams::Holder;
use super::parameters::{Parameters, body};
use super::streams::check_count;
use super::{answer, lookup};

/// What is served of a symbol that is added.
const STREAMS: [Stream; 3] = [
    Stream::Ticker,
    Stream::Trades,
    Stream::Candles(Interval::M1),
];

/// The body of `POST` and `DELETE /api/v1/symbols`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Symbols {
    symbols: Vec<String>,
    provider: Option<String>,
}

/// What a provider trades.
pub async fn list(State(shared): State<Ref>, uri: Uri) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&uri, &["provider", "query"], "")?;
    let provider = parameters.text("provider").unwrap_or(&shared.provider);
    let provider = provider.to_lowercase();
    let manager = shared.engine.symbols(&provider);
    let manager = manager.map_err(|error| lookup::engine_error(&shared, error))?;
    let list = tokio::time::timeout(lookup::PATIENCE, manager.catalogue()).await;
    let list = list.map_err(|_| lookup::timeout(&provider))?;
    let list = list.map_err(|error| lookup::list_error(&error))?;
    let query = parameters.text("query");
    let found = list.instruments().iter();
    let found = found.filter(|instrument| query.is_none_or(|query| is_named(instrument, query)));
    let mut body = b"{\"provider\":".to_vec();
    write_json_string(&provider, &mut body);
    body.push(b',');
    answer::list("symbols", found, &mut body, |instrument, body| {
        write(instrument, body);
    });
    body.push(b'}');
    Ok(answer::json(StatusCode::OK, body))
}

/// Serves these until they are removed: ticker, trades and candles of a minute.
pub async fn add(
    State(shared): State<Ref>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let instruments = named(&shared, body(bytes)?).await?;
    let topics = lookup::topics(&instruments, &STREAMS);
    shared.streams.pin(topics, Holder::Api).await?;
    Ok(canonical(&instruments))
}

/// Takes back what was added: whoever holds them goes on getting them.
pub async fn remove(
    State(shared): State<Ref>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let instruments = named(&shared, body(bytes)?).await?;
    let keys = lookup::topics(&instruments, &STREAMS);
    let keys: Vec<_> = keys
        .iter()
        .map(|topic| (topic.instrument.market, topic.stream))
        .collect();
    shared.streams.unpin(&keys, Holder::Api);
    shared.streams.unpin(&keys, Holder::Config);
    Ok(canonical(&instruments))
}

async fn named(shared: &Shared, wanted: Symbols) -> Result<Vec<Arc<Instrument>>, ApiError> {
    check_count(shared, wanted.symbols.len())?;
    let texts = wanted.symbols.iter().map(String::as_str);
    lookup::instruments(shared, wanted.provider.as_deref(), texts).await
}

fn canonical(instruments: &[Arc<Instrument>]) -> Response {
    let mut body = b"{".to_vec();
    answer::list("symbols", instruments, &mut body, |instrument, body| {
        write_json_string(instrument.market.symbol(), body);
    });
    body.push(b'}');
    answer::json(StatusCode::OK, body)
}

/// Whether a name of the instrument holds the text, whatever separator it is written with.
fn is_named(instrument: &Instrument, query: &str) -> bool {
    let query = query.to_uppercase();
    let slashed = query.replace(['-', '_'], "/");
    let names = [
        instrument.native.as_str(),
        &instrument.ws,
        instrument.market.symbol(),
    ];
    let aliases = instrument.aliases.iter().map(String::as_str);
    let mut names = names.into_iter().chain(aliases).map(str::to_uppercase);
    names.any(|name| name.contains(&query) || name.contains(&slashed))
}

/// One object, with the members of `tickwire symbols -o json`.
fn write(instrument: &Instrument, body: &mut Vec<u8>) {
    let market = instrument.market;
    let texts = [
        ("exchange", market.exchange().name()),
        ("symbol", market.symbol()),
        ("base", market.base()),
        ("quote", market.quote()),
        ("native", &instrument.native),
        ("ws", &instrument.ws),
        ("status", instrument.status.name()),
        ("status_text", &instrument.status_text),
    ];
    body.push(b'{');
    for (name, text) in texts {
        write_json_string(name, body);
        body.push(b':');
        write_json_string(text, body);
        body.push(b',');
    }
    let aliases = instrument.aliases.iter();
    answer::list("aliases", aliases, body, |alias, body| {
        write_json_string(alias, body);
    });
    body.push(b',');
    number("tick_size", instrument.tick_size.map(|p| p.decimal()), body);
    body.push(b',');
    number("lot_size", instrument.lot_size.map(|q| q.decimal()), body);
    body.push(b',');
    number("min_notional", instrument.min_notional, body);
    body.push(b'}');
}

fn number(name: &str, value: Option<Decimal>, body: &mut Vec<u8>) {
    write_json_string(name, body);
    body.push(b':');
    match value {
        Some(value) => write_decimal(value, body),
        None => body.extend_from_slice(b"null"),
    }
}
