//! One request on a connection of its own, opened as those of WebSocket are.
//!
//! Here and not with reqwest, for three cases. A GET to an `http://` URL behind an HTTP proxy: reqwest tunnels
//! `https` only, for `http` it asks the proxy to forward (`GET http://host/…`), and a proxy that knows nothing
//! but CONNECT refuses that, though it carries the WebSocket of the same host. A POST to a webhook: which
//! addresses are connected to is ours to decide, whatever the proxy. And a GET over a transport of the user's own.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};

use super::USER_AGENT;
use super::dial::{BoxStream, Dial};
use super::error::{ConnectError, Phase};
use super::http::{CONNECT_TIMEOUT, HttpReply, too_large, transport_failure};
use super::proxy::Proxy;

/// What bounds a request.
pub(super) struct Limits {
    pub timeout: Duration,
    /// `None`: the body is not read at all, and left empty.
    pub body_max: Option<usize>,
}

/// `host` is the target's `host:port`, and `proxy` the one that `dial` takes, both for errors.
pub(super) async fn send(
    dial: &impl Dial<Stream = BoxStream>,
    uri: &http::Uri,
    host: &str,
    proxy: Option<&Proxy>,
    request: Request<Full<Bytes>>,
    limits: Limits,
) -> Result<HttpReply, ConnectError> {
    let start = Instant::now();
    let stream = timeout(CONNECT_TIMEOUT.min(limits.timeout), dial.dial(uri))
        .await
        .unwrap_or_else(|_| {
            let (host, phase) = (host.to_owned(), Phase::Connect);
            Err(match proxy {
                Some(proxy) => ConnectError::Proxy {
                    host,
                    proxy: proxy.to_string(),
                    status: None,
                    why: format!("{phase} timed out"),
                },
                None => ConnectError::Timeout { host, phase },
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
/// `None`: a body that is a stream, or a URL that one library takes and the other does not.
pub(super) fn request(
    built: &reqwest::Request,
    extras: &HeaderMap,
) -> Option<Request<Full<Bytes>>> {
    let url = built.url();
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let body = match built.body() {
        Some(body) => Bytes::copy_from_slice(body.as_bytes()?),
        None => Bytes::new(),
    };
    let mut request = Request::builder()
        .method(built.method())
        .uri(path)
        .body(Full::new(body))
        .ok()?;
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
    request: Request<Full<Bytes>>,
    body_max: Option<usize>,
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
        while let Some(body_max) = body_max
            && let Some(frame) = rest.frame().await
        {
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
        // In this order: in virtual time the same run has to be the same each time.
        biased;
        reply = &mut reply => reply,
        // It moves the bytes; how it ended, the reply tells.
        _ = connection => reply.await,
    }
}
