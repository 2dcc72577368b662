//! `GET /api/v1/trades`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::feed::ProviderError;
use crate::model::{Event, Instrument, JsonWriter, Stream};

use super::super::error::ApiError;
use super::super::state::{Ref, Shared};
use super::parameters::Parameters;
use super::{answer, lookup};

/// So many unless another number is asked for.
const DEFAULT: usize = 100;
const MOST: usize = 1_000;

/// The newest trades, oldest first, and the gaps that touch them. With `after_id`: the first ones after it. With
/// `fresh`: none, where the exchange may have newer ones that the stream could not tell.
pub async fn get(State(shared): State<Ref>, uri: Uri) -> Result<Response, ApiError> {
    let known = ["symbol", "provider", "limit", "after_id", "fresh"];
    let parameters = Parameters::read(&uri, &known, "")?;
    let limit = parameters.limit(DEFAULT, MOST)?;
    let after = parameters.value::<u64>("after_id")?;
    let fresh = parameters.value::<bool>("fresh")?.unwrap_or(false);
    let symbol = parameters.symbol()?;
    let instrument = lookup::instrument(&shared, parameters.text("provider"), symbol).await?;
    let market = instrument.market;
    let topics = lookup::topics(std::slice::from_ref(&instrument), &[Stream::Trades]);
    // From now on they are served, for a while.
    let _lease = shared.streams.acquire(topics).await?;
    let mut view = shared.markets.trades(market, limit, after);
    if after.is_none() && view.trades.len() < limit && shared.markets.wants_past_trades(market) {
        match (ask(&shared, &instrument).await, view.trades.is_empty()) {
            (Err(error), true) => return Err(error),
            _ => view = shared.markets.trades(market, limit, after),
        }
    }
    let of_stream = shared
        .health
        .freshness(&shared.engine, market, Stream::Trades);
    if fresh && of_stream.stale {
        return Err(lookup::stale(market));
    }
    let mut body = b"{".to_vec();
    let mut writer = JsonWriter::default();
    answer::market(market, &mut body);
    body.push(b',');
    let trades = view.trades.into_iter().map(Event::Trade);
    answer::events("trades", trades, &mut writer, &mut body);
    body.push(b',');
    let gaps = view.gaps.into_iter().map(Event::Gap);
    answer::events("gaps", gaps, &mut writer, &mut body);
    body.push(b'}');
    Ok(answer::json(StatusCode::OK, body))
}

/// Asks for the newest trades, from before the stream. Where there is no history there are none.
async fn ask(shared: &Shared, instrument: &Arc<Instrument>) -> Result<(), ApiError> {
    let name = instrument.market.exchange().name();
    let provider = shared.engine.provider(name);
    let provider = provider.map_err(|error| lookup::engine_error(shared, error))?;
    let answer = async {
        let _turn = shared.streams.question().await;
        provider.trades(instrument, MOST).await
    };
    let past = match tokio::time::timeout(lookup::PATIENCE, answer).await {
        Ok(Ok(past)) => past,
        Ok(Err(ProviderError::Refused(_))) => Vec::new(),
        Ok(Err(error)) => return Err(lookup::provider_error(name, &error)),
        Err(_) => return Err(lookup::timeout(name)),
    };
    shared.markets.put_trades(instrument.market, past);
    Ok(())
}
