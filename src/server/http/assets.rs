//! The dashboard's files: compiled in, and found by their exact names. No request reaches the file system.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};

use crate::server::error::ApiError;

use super::error::set;

/// A file of the dashboard.
struct Asset {
    name: &'static str,
    content: &'static [u8],
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        &[$(Asset {
            name: $name,
            content: include_bytes!(concat!("../dashboard/", $name)),
        }),*]
    };
}

/// The page itself.
const INDEX: &str = "index.html";

const ASSETS: &[Asset] = assets![
    "index.html",
    "alerts.js",
    "api.js",
    "app.js",
    "chart.js",
    "connection.js",
    "dom.js",
    "favicon.svg",
    "feeds.js",
    "format.js",
    "json.js",
    "lightweight-charts.LICENSE.txt",
    "lightweight-charts.NOTICE.txt",
    "lightweight-charts.standalone.production.js",
    "portfolio.js",
    "strategies.js",
    "style.css",
    "tape.js",
    "theme.js",
    "watch.js",
];

/// Of their content, in the order of [`ASSETS`]. Weak, as what is sent may be compressed.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tag = |asset: &Asset| {
        let digest = digest(&SHA256, asset.content);
        let hex = digest.as_ref()[..8].iter().map(|b| format!("{b:02x}"));
        format!("W/\"{}\"", hex.collect::<String>())
    };
    ASSETS.iter().map(tag).collect()
});

/// `GET /`
pub async fn index(headers: HeaderMap) -> Response {
    answer(INDEX, &headers)
}

/// `GET /assets/{name}`
pub async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&name, &headers)
}

fn answer(name: &str, asked: &HeaderMap) -> Response {
    let place = ASSETS.iter().position(|asset| asset.name == name);
    let Some(place) = place else {
        return ApiError::not_found("there is no such file").into_response();
    };
    let tag = &TAGS[place];
    let held = asked.get_all(IF_NONE_MATCH).iter();
    let mut held = held.filter_map(|value| value.to_str().ok());
    let is_held = held.any(|value| value.split(',').any(|one| one.trim() == tag));
    let mut response = match is_held {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ASSETS[place].content.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind(name)));
    // Kept, and asked about each time: another version has the same names.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    set(headers, ETAG, tag);
    response
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_dashboard_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/dashboard");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let listed = ASSETS.iter().any(|asset| asset.name == name);
            assert!(listed, "{name} is not in the list");
            assert_ne!(kind(&name), "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn a_file_that_the_browser_holds_is_not_sent_again() {
        let first = answer(INDEX, &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let mut asked = HeaderMap::new();
        asked.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        assert_eq!(answer(INDEX, &asked).status(), StatusCode::NOT_MODIFIED);
        asked.insert(IF_NONE_MATCH, HeaderValue::from_static("W/\"other\""));
        assert_eq!(answer(INDEX, &asked).status(), StatusCode::OK);
    }
}
