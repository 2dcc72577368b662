//! A GET to an `http://` URL through the tunnel of an HTTP proxy.
//!
//! Here and not with reqwest, which tunnels `https` only: for `http` it asks the proxy to forward
//! (`GET http://host/…`), and a proxy that knows nothing but CONNECT refuses that, though it carries
//! the WebSocket of the same host.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};

use super::USER_AGENT;
use super::dial::{BoxStream, Dial, NetDial};
use super::error::{ConnectError, Phase};
use super::http::{CONNECT_TIMEOUT, HttpReply, too_large, transport_failure};
use super::proxy::Proxy;

/// What bounds a request.
pub(super) struct Limits {
    pub timeout: Duration,
    pub body_max: usize,
}

/// One request on a connection of its own. `host` is the target's `host:port`, for errors.
pub(super) async fn get(
    dial: &NetDial,
    uri: &http::Uri,
    host: &str,
    proxy: &Proxy,
    request: Request<Empty<Bytes>>,
    limits: Limits,
) -> Result<HttpReply, ConnectError> {
    let start = Instant::now();
    let stream = timeout(CONNECT_TIMEOUT.min(limits.timeout), dial.dial(uri))
        .await
        .unwrap_or_else(|_| {
            Err(ConnectError::Proxy {
                host: host.to_owned(),
                proxy: proxy.to_string(),
                status: None,
                why: format!("{} timed out", Phase::Connect),
            })
        })?;
    let left = limits.timeout.saturating_sub(start.elapsed());
    timeout(left, exchange(stream, host, request, limits.body_max))
        .await
        .unwrap_or_else(|_| {
            Err(ConnectError::Timeout {
                host: host.to_owned(),
                phase: Phase::Request,
            })
        })
}

/// The request as the target is to see it: `extras` win over our own headers, and the user
/// information of the URL, which `built` holds as a header, over these.
///
/// `None`: a URL that one library takes and the other does not.
pub(super) fn request(
    built: &reqwest::Request,
    extras: &HeaderMap,
) -> Option<Request<Empty<Bytes>>> {
    let url = built.url();
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let mut request = Request::get(path).body(Empty::new()).ok()?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, host.parse().ok()?);
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    // Nobody unpacks here.
    let identity = HeaderValue::from_static("identity");
    headers.insert(header::ACCEPT_ENCODING, identity);
    for headers_of in [extras, built.headers()] {
        headers.extend(headers_of.clone());
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some(request)
}

async fn exchange(
    stream: BoxStream,
    host: &str,
    request: Request<Empty<Bytes>>,
    body_max: usize,
) -> Result<HttpReply, ConnectError> {
    let failed = |error: hyper::Error| transport_failure(host, &error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let reply = async {
        let (head, mut rest) = sender
            .send_request(request)
            .await
            .map_err(failed)?
            .into_parts();
        let mut body = Vec::new();
        while let Some(frame) = rest.frame().await {
            let Ok(chunk) = frame.map_err(failed)?.into_data() else {
                continue; // trailers
            };
            if body.len() + chunk.len() > body_max {
                return Err(too_large(host, body_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpReply {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.into(),
        })
    };
    let mut reply = pin!(reply);
    tokio::select! {
        reply = &mut reply => reply,
        // It moves the bytes; how it ended, the reply tells.
        _ = connection => reply.await,
    }
}
