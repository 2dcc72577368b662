//! What a request asks for: query strings and JSON bodies, read strictly. A member that nobody knows is an error that
//! names it: a typing error must not pass for a wish.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::Query;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::http::{StatusCode, Uri};
use serde::de::DeserializeOwned;

use crate::model::Timestamp;

use super::super::error::ApiError;

/// How much of a text from outside is said back.
const CLIP: usize = 64;

/// The query string of a request.
#[derive(Debug, Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of this address; only `known` names may be there, each once but for `repeated`.
    ///
    /// Errors: 400.
    pub fn read(uri: &Uri, known: &[&str], repeated: &str) -> Result<Self, ApiError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| ApiError::bad_request("the query string cannot be read"))?;
        for (place, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(ApiError::bad_request(format!(
                    "unknown parameter `{}` (there are {})",
                    clipped(name),
                    known.join(", ")
                )));
            }
            let again = pairs[..place].iter().any(|(other, _)| other == name);
            if again && name != repeated {
                return Err(ApiError::bad_request(format!(
                    "parameter `{name}` is given twice"
                )));
            }
        }
        Ok(Self(pairs))
    }

    /// The value of a name; an empty one is none.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(known, _)| known == name);
        named
            .next()
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The one symbol that is asked about.
    ///
    /// Errors: 400, there is none.
    pub fn symbol(&self) -> Result<&str, ApiError> {
        self.text("symbol")
            .ok_or_else(|| ApiError::bad_request("which `symbol`? as in ?symbol=BTC/USD"))
    }

    /// All values of a name, each a comma-separated list.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(known, _)| known == name);
        named
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// A whole number from 1 to `most`.
    ///
    /// Errors: 400.
    pub fn limit(&self, default: usize, most: usize) -> Result<usize, ApiError> {
        let Some(text) = self.text("limit") else {
            return Ok(default);
        };
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| {
            let text = clipped(text);
            ApiError::bad_request(format!(
                "`limit` is `{text}`, which is no number from 1 to {most}"
            ))
        })
    }

    /// The value of a name, read as what it has to be.
    ///
    /// Errors: 400 with what that says of it.
    pub fn value<T>(&self, name: &str) -> Result<Option<T>, ApiError>
    where
        T: FromStr<Err: Display>,
    {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let value = clipped(text).parse().map(Some);
        value.map_err(|why| ApiError::bad_request(format!("`{name}`: {why}")))
    }

    /// A moment, as RFC 3339.
    ///
    /// Errors: 400.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let time = Timestamp::parse(text).map(Some);
        time.ok_or_else(|| {
            let text = clipped(text);
            ApiError::bad_request(format!(
                "`{name}` is `{text}`, which is no time, as in 2026-11-21T09:30:00Z"
            ))
        })
    }
}

/// A JSON body.
///
/// Errors: 400 that names what is wrong, 413.
pub fn body<T: DeserializeOwned>(bytes: Result<Bytes, BytesRejection>) -> Result<T, ApiError> {
    let bytes = bytes.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the body is longer than server.limits.message_bytes",
        ),
        _ => ApiError::bad_request("the body did not arrive"),
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let why = clipped_to(&error.to_string(), 4 * CLIP);
        ApiError::bad_request(format!("the body is not what it should be: {why}"))
    })
}

/// A part of the path.
///
/// Errors: 404; what cannot be read names nothing.
pub fn path(part: Result<axum::extract::Path<String>, PathRejection>) -> Result<String, ApiError> {
    let part = part.map_err(|_| ApiError::not_found("there is nothing of this name"))?;
    Ok(part.0)
}

/// So much of a text as can be said back.
pub fn clipped(text: &str) -> String {
    clipped_to(text, CLIP)
}

fn clipped_to(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
