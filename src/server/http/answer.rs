//! Bodies of answers, written by hand where a number must leave with the digits it came in.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::model::{Event, JsonWriter, Market, Timestamp, write_json_string};

/// An answer with this JSON.
pub fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Appends `"key":[…]`.
pub fn list<T>(
    key: &str,
    items: impl IntoIterator<Item = T>,
    body: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    write_json_string(key, body);
    body.extend_from_slice(b":[");
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        write(item, body);
    }
    body.push(b']');
}

/// Appends `"key":[…]` of events.
pub fn events(
    key: &str,
    events: impl IntoIterator<Item = Event>,
    writer: &mut JsonWriter,
    body: &mut Vec<u8>,
) {
    list(key, events, body, |event, body| writer.write(&event, body));
}

/// Appends `"symbol":…,"exchange":…`.
pub fn market(market: Market, body: &mut Vec<u8>) {
    body.extend_from_slice(b"\"symbol\":");
    write_json_string(market.symbol(), body);
    body.extend_from_slice(b",\"exchange\":");
    write_json_string(market.exchange().name(), body);
}

/// Appends `,"timestamp":"…"`.
pub fn timestamp(now: Timestamp, body: &mut Vec<u8>) {
    body.extend_from_slice(format!(",\"timestamp\":\"{now}\"").as_bytes());
}
