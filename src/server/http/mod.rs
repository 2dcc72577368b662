//! The HTTP API: routes and their answers.
//!
//! Owns the routes, what holds for all of them (who may ask, how long and how much, the headers of every answer, the
//! one shape of refusals) and the answers that need nothing but what is [`Shared`](crate::server::Shared).

mod answer;
pub mod assets;
mod body;
mod candles;
mod error;
mod ingest;
pub(super) mod lookup;
pub(super) mod market;
pub mod metrics;
mod parameters;
mod prices;
mod process;
mod rules;
pub mod status;
mod streams;
mod symbols;
mod trades;

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State, WebSocketUpgrade};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{StatusCode, request::Parts};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::Serialize;
use tokio::time::Instant;
use tower_http::compression::CompressionLayer;

use super::error::ApiError;
use super::guard::{Admission, Caller, INGEST, Refusal};
use super::state::Ref;
use super::ws;

pub use body::Members;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(15);

/// What pages from here may do: nothing but show what comes from here. The hash is that of the few styles with which the
/// chart library places its attribution.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'sha256-3pRED1tOXas1FXFoPb9TGCjmYe9XQsmO9OV23khV2nY='; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What a browser shows that has no token yet.
const NEEDS_TOKEN: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>tickwire</title><h1>A token is needed</h1><p>Open <code>/?token=TOKEN</code> with the token of this server (<code>server.token</code>).</p></html>";

/// Everything that the server answers. Requests carry a [`Caller`] as an extension.
pub fn app(shared: Ref) -> Router {
    let pages = Router::new()
        .route("/", get(assets::index))
        .route("/assets/{name}", get(assets::asset))
        .layer(CompressionLayer::new());
    let ingest = post(ingest::accept).layer(DefaultBodyLimit::max(ingest::BODY));
    Router::new()
        .route("/health", get(status::health))
        .route("/status", get(status::status))
        .route("/metrics", get(metrics::metrics))
        .route(
            "/api/v1/alerts",
            get(rules::alerts).post(rules::create_alert),
        )
        .route("/api/v1/alerts/{name}", delete(rules::delete_alert))
        .route(
            "/api/v1/portfolio",
            get(rules::portfolio).put(rules::put_portfolio),
        )
        .route("/api/v1/strategies", get(rules::strategies))
        .route(
            "/api/v1/strategies/{name}/start",
            post(rules::start_strategy),
        )
        .route("/api/v1/strategies/{name}/stop", post(rules::stop_strategy))
        .route(INGEST, ingest)
        .route("/ws", get(websocket))
        .nest("/api/v1", market::routes())
        .merge(pages)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(shared.limits.message_bytes))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(shared.clone(), admit))
        .layer(map_response(error::in_shape))
        .layer(map_response(with_headers))
        .with_state(shared)
}

async fn websocket(State(shared): State<Ref>, upgrade: WebSocketUpgrade) -> Response {
    ws::serve(shared, upgrade).await
}

async fn not_found() -> ApiError {
    ApiError::not_found("there is nothing here: / is the dashboard, /api/v1 the API")
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "that cannot be done with this address",
    )
}

async fn in_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(DEADLINE, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let message = "no answer was to be had in time";
        ApiError::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message).into_response()
    })
}

async fn admit(State(shared): State<Ref>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let caller = parts.extensions.get::<Caller>().copied();
    let caller = caller.unwrap_or_default();
    match shared.guard.check(&parts, caller, Instant::now()) {
        Ok(Admission::Pass) => next.run(Request::from_parts(parts, body)).await,
        Ok(Admission::Login(cookie)) => logged_in(&cookie),
        Err(refusal) => refused(refusal, &parts),
    }
}

fn logged_in(cookie: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_static("/"));
    error::set(headers, SET_COOKIE, cookie);
    response
}

fn refused(refusal: Refusal, request: &Parts) -> Response {
    let is_page = request.uri.path() == "/" && refusal.error.status == StatusCode::UNAUTHORIZED;
    let response = refusal.into_response();
    if !is_page {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let (page, body) = Html(NEEDS_TOKEN).into_response().into_parts();
    parts.headers.extend(page.headers);
    Response::from_parts(parts, body)
}

async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let cache = headers.entry(CACHE_CONTROL);
    cache.or_insert(HeaderValue::from_static("no-store"));
    response
}

/// An answer in JSON.
fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let Ok(body) = serde_json::to_vec(value) else {
        // Views hold texts, numbers and JSON that was written before: all can be written.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let kind = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, kind)], body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt;

    use super::*;

    async fn answer(app: Router) -> (StatusCode, serde_json::Value) {
        let request = Request::builder().uri("/").body(Body::empty());
        let request = request.expect("nothing is wrong with it");
        let response = app.oneshot(request).await.expect("it cannot fail");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1_024).await;
        let body = body.expect("it is short");
        (status, serde_json::from_slice(&body).expect("it is JSON"))
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_given_up() {
        let never = get(std::future::pending::<()>);
        let app = Router::new().route("/", never).layer(from_fn(in_time));
        let (status, body) = answer(app).await;
        assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(body["error"]["code"], "timeout");
    }

    #[tokio::test]
    async fn what_a_failure_within_says_stays_within() {
        let failing = get(async || (StatusCode::INTERNAL_SERVER_ERROR, "/etc/secret is gone"));
        let app = Router::new().route("/", failing);
        let (status, body) = answer(app.layer(map_response(error::in_shape))).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body["error"]["message"], "internal server error");
        let refusing = get(async || (StatusCode::BAD_REQUEST, "`limit` is no number"));
        let app = Router::new().route("/", refusing);
        let (_, body) = answer(app.layer(map_response(error::in_shape))).await;
        assert_eq!(body["error"]["code"], "bad_request");
        assert_eq!(body["error"]["message"], "`limit` is no number");
    }
}
