//! Refusals as answers: one shape for all of them, whoever refuses.

use axum::body::Body;
use axum::http::header::{
    CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::server::error::ApiError;
use crate::server::guard::Refusal;

use super::json;

/// How much of a refusal's text is kept: whoever wrote it may have repeated the request.
const MESSAGE: usize = 512;

#[derive(Serialize)]
struct Shape<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    code: &'a str,
    message: &'a str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = Inner {
            code: self.code,
            message: &self.message,
        };
        json(self.status, &Shape { error })
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.error.status;
        let mut response = self.error.into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"tickwire\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(cookie) = &self.forget {
            set(headers, SET_COOKIE, cookie);
        }
        response
    }
}

/// Sets a header to a text of our own.
pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("our own texts are visible ASCII");
    headers.insert(name, value);
}

/// Puts the refusals of the libraries below (bodies, queries, upgrades) into the one shape.
pub(super) async fn in_shape(response: Response) -> Response {
    let status = response.status();
    let refused = status.is_client_error() || status.is_server_error();
    let kind = response.headers().get(CONTENT_TYPE);
    let shaped = kind.is_some_and(|kind| kind != "text/plain; charset=utf-8");
    if !refused || shaped {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let error = ApiError::new(status, code(status), message(status, body).await);
    let (shape, body) = error.into_response().into_parts();
    parts.headers.extend(shape.headers);
    Response::from_parts(parts, body)
}

async fn message(status: StatusCode, body: Body) -> String {
    let reason = || {
        status
            .canonical_reason()
            .unwrap_or("refused")
            .to_lowercase()
    };
    let bytes = axum::body::to_bytes(body, 64 * 1_024).await;
    // What a server's own failure says is of no use to a client.
    let text = bytes.ok().filter(|_| status.is_client_error());
    let text = text.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return reason();
    };
    text.chars().take(MESSAGE).collect()
}

fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::CONFLICT => "conflict",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::UNPROCESSABLE_ENTITY => "unprocessable",
        StatusCode::TOO_MANY_REQUESTS => "rate_limited",
        status if status.is_client_error() => "bad_request",
        StatusCode::GATEWAY_TIMEOUT => "timeout",
        _ => "unavailable",
    }
}
