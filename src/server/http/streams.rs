//! `/api/v1/streams`.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::feed::Topic;
use crate::model::{Interval, Stream};

use super::super::error::ApiError;
use super::super::state::{Ref, Shared};
use super::super::streams::{Holder, StreamView};
use super::parameters::{Parameters, body, clipped, path};
use super::{answer, lookup};

/// The body of `POST /api/v1/streams`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct NewStreams {
    #[serde(rename = "type")]
    kind: String,
    symbol: Option<String>,
    symbols: Option<Vec<String>>,
    provider: Option<String>,
    interval: Option<String>,
    name: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    streams: Vec<StreamView>,
}

/// All streams.
pub async fn list(State(shared): State<Ref>, uri: Uri) -> Result<Response, ApiError> {
    Parameters::read(&uri, &[], "")?;
    Ok(listed(StatusCode::OK, shared.streams.list()))
}

/// Lets streams run until somebody removes them.
pub async fn create(
    State(shared): State<Ref>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let wanted: NewStreams = body(bytes)?;
    let topics = topics(&shared, &wanted).await?;
    let keys: Vec<_> = topics
        .iter()
        .map(|topic| (topic.instrument.market, topic.stream))
        .collect();
    let is_new = shared.streams.pin(topics, Holder::Api).await?;
    let status = match is_new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok(listed(status, shared.streams.of(&keys)))
}

/// Takes a stream away.
pub async fn remove(
    State(shared): State<Ref>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    shared.streams.remove(&path(id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Starts a stream that was stopped.
pub async fn start(
    State(shared): State<Ref>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    one(shared.streams.start(Some(&path(id)?)).await?)
}

/// Stops a stream.
pub async fn stop(
    State(shared): State<Ref>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    one(shared.streams.stop(Some(&path(id)?)).await?)
}

/// Starts all.
pub async fn start_all(State(shared): State<Ref>) -> Result<Response, ApiError> {
    Ok(listed(StatusCode::OK, shared.streams.start(None).await?))
}

/// Stops all.
pub async fn stop_all(State(shared): State<Ref>) -> Result<Response, ApiError> {
    Ok(listed(StatusCode::OK, shared.streams.stop(None).await?))
}

fn listed(status: StatusCode, streams: Vec<StreamView>) -> Response {
    let body = serde_json::to_vec(&Listed { streams });
    answer::json(status, body.expect("names and numbers always serialise"))
}

/// It can have been removed meanwhile.
fn one(streams: Vec<StreamView>) -> Result<Response, ApiError> {
    let gone = || ApiError::not_found("no stream of this id, see GET /api/v1/streams");
    let stream = streams.into_iter().next().ok_or_else(gone)?;
    let body = serde_json::to_vec(&stream).expect("names and numbers always serialise");
    Ok(answer::json(StatusCode::OK, body))
}

async fn topics(shared: &Shared, wanted: &NewStreams) -> Result<Vec<Topic>, ApiError> {
    let stream = match wanted.kind.as_str() {
        "ticker" | "tick" => Stream::Ticker,
        "trades" | "trade" => Stream::Trades,
        "candles" | "candle" | "ohlcv" => Stream::Candles(interval(wanted)?),
        "custom" => return custom(shared, wanted),
        "book" => {
            let message = "there are no streams of order books yet";
            return Err(ApiError::unprocessable("unsupported", message));
        }
        other => {
            return Err(ApiError::bad_request(format!(
                "`type` is `{}` (there are ticker, trades, candles, custom)",
                clipped(other)
            )));
        }
    };
    if wanted.interval.is_some() && stream.interval().is_none() {
        let message = "`interval` is of candles only";
        return Err(ApiError::bad_request(message));
    }
    if wanted.name.is_some() {
        let message = "`name` is of custom streams only";
        return Err(ApiError::bad_request(message));
    }
    let symbols = wanted.symbol.iter().chain(wanted.symbols.iter().flatten());
    let symbols: Vec<&str> = symbols.map(String::as_str).collect();
    check_count(shared, symbols.len())?;
    let instruments = lookup::instruments(shared, wanted.provider.as_deref(), symbols).await?;
    Ok(lookup::topics(&instruments, &[stream]))
}

/// Between 1 and as many as one client may have.
pub(super) fn check_count(shared: &Shared, symbols: usize) -> Result<(), ApiError> {
    let most = shared.limits.symbols_per_client;
    match symbols {
        0 => Err(ApiError::bad_request(
            "which `symbol`, or which `symbols`? as in {\"symbols\":[\"BTC\",\"ETH\"]}",
        )),
        n if n > most => Err(ApiError::bad_request(format!(
            "{n} symbols are asked for, {most} may be"
        ))),
        _ => Ok(()),
    }
}

fn interval(wanted: &NewStreams) -> Result<Interval, ApiError> {
    let Some(text) = &wanted.interval else {
        return Ok(Interval::M1);
    };
    let interval = clipped(text).parse();
    interval.map_err(|why| ApiError::bad_request(format!("`interval`: {why}")))
}

fn custom(shared: &Shared, wanted: &NewStreams) -> Result<Vec<Topic>, ApiError> {
    let others = [
        ("symbol", wanted.symbol.is_some()),
        ("symbols", wanted.symbols.is_some()),
        ("provider", wanted.provider.is_some()),
        ("interval", wanted.interval.is_some()),
    ];
    if let Some((member, _)) = others.into_iter().find(|(_, is_given)| *is_given) {
        return Err(ApiError::bad_request(format!(
            "`{member}` of a custom stream comes from the configuration only"
        )));
    }
    let Some(name) = &wanted.name else {
        let message = "which custom stream? `name` names one of the configuration";
        return Err(ApiError::bad_request(message));
    };
    shared.streams.custom(name).ok_or_else(|| {
        let name = clipped(name);
        ApiError::not_found(format!("no custom stream `{name}` in the configuration"))
    })
}
