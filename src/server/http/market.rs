//! The routes of market data.

use axum::Router;
use axum::routing::{get, post};

use super::super::state::Ref;
use super::{candles, prices, streams, symbols, trades};

/// To be nested under `/api/v1`.
pub fn routes() -> Router<Ref> {
    Router::new()
        .route("/prices", get(prices::get))
        .route("/candles", get(candles::get))
        .route("/trades", get(trades::get))
        .route("/streams", get(streams::list).post(streams::create))
        .route("/streams/start", post(streams::start_all))
        .route("/streams/stop", post(streams::stop_all))
        .route("/streams/{id}", axum::routing::delete(streams::remove))
        .route("/streams/{id}/start", post(streams::start))
        .route("/streams/{id}/stop", post(streams::stop))
        .route(
            "/symbols",
            get(symbols::list)
                .post(symbols::add)
                .delete(symbols::remove),
        )
}

#[cfg(test)]
mod tests;
