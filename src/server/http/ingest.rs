//! `POST /api/v1/ingest`: events from programs that push, as JSON Lines.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::server::error::ApiError;
use crate::server::state::Ref;

use super::body::read;
use super::json;

/// The longest body, in bytes.
pub(super) const BODY: usize = 1024 * 1024;

/// The longest line, in bytes.
const LINE: usize = 64 * 1024;

/// Rejected lines that are named.
const NAMED: usize = 20;

#[derive(Serialize)]
struct Answer {
    accepted: usize,
    rejected: Vec<Rejected>,
}

#[derive(Serialize)]
struct Rejected {
    /// From 1.
    line: usize,
    message: String,
}

/// Takes what it can and names what it cannot.
///
/// Errors: 403 without a token in the configuration, 413 where the body or a line is too long (nothing is taken then).
pub async fn accept(State(shared): State<Ref>, request: Request) -> Result<Response, ApiError> {
    if !shared.guard.has_token() {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "events are taken only from those who show a token: set server.token or server.token_file (`openssl rand -hex 32` makes one)",
        ));
    }
    let body = read(request, &()).await?;
    let long = body
        .split(|b| *b == b'\n')
        .position(|line| line.len() > LINE);
    if let Some(place) = long {
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("line {} is longer than {LINE} bytes", place + 1),
        ));
    }
    let taken = shared.ingest.accept_lines(&body).await;
    let rejected = taken.rejected.into_iter().take(NAMED);
    let rejected = rejected.map(|(line, message)| Rejected { line, message });
    let answer = Answer {
        accepted: taken.accepted,
        rejected: rejected.collect(),
    };
    Ok(json(StatusCode::OK, &answer))
}
