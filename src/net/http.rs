//! REST requests.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio_rustls::rustls;

use super::USER_AGENT;
use super::dial::{AnyDial, NetDial};
use super::error::{
    ConnectError, Phase, one_line, plain_text, resolver_text, retry_after, rustls_error,
};
use super::one_shot;
use super::proxy::{Proxy, ProxyRules, ProxyScheme};
use super::target::Target;
use super::tls::Tls;
use super::webhook_url::WebhookUrl;

/// For the way to an open connection: name, TCP, proxy and TLS together.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole request, unless the options say otherwise.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest body, decompressed. The longest list of instruments is about 15 MiB.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// A header that cannot be sent. Never shows the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The name, shortened to one line, is none.
    #[error("header `{0}`: not a header name")]
    Name(String),
    /// The value of the header with this name has control characters or line breaks.
    #[error("header `{0}`: the value holds characters that a header cannot carry")]
    Value(String),
}

/// What all requests of one [`HttpClient`] have in common.
#[derive(Clone)]
pub struct HttpOptions {
    /// Which proxy takes which request.
    pub proxies: ProxyRules,
    /// Roots that servers are checked against; a clone shares what it has loaded.
    pub tls: Tls,
    /// Sent with every request; may replace `User-Agent`.
    pub headers: Vec<(String, String)>,
    /// Added to the query of every request.
    pub params: Vec<(String, String)>,
    /// For a request from start to the end of its body. Default: 10 s.
    pub timeout: Duration,
    /// The largest body in bytes, decompressed. Default: 64 MiB.
    pub body_max: usize,
    /// Opens the connection of each GET in place of the pool, proxies and TLS of this client. Posts to
    /// webhooks do not take it: whoever opens their connections has to look at the addresses.
    pub dial: Option<AnyDial>,
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions {
            proxies: ProxyRules::none(),
            tls: Tls::new(),
            headers: Vec::new(),
            params: Vec::new(),
            timeout: REQUEST_TIMEOUT,
            body_max: BODY_MAX,
            dial: None,
        }
    }
}

/// A pool of HTTP connections. Cheap to clone; clones share the pool.
///
/// Makes no connection and reads no certificate before the first request that needs it.
#[derive(Clone)]
pub struct HttpClient(Arc<Shared>);

struct Shared {
    options: HttpOptions,
    headers: HeaderMap,
    /// For plain HTTP through the tunnel of a proxy, and for webhooks.
    dial: NetDial,
    /// For requests without any TLS: has no roots, so it costs nothing to make.
    plain: OnceLock<reqwest::Client>,
    secure: OnceLock<reqwest::Client>,
}

impl HttpClient {
    /// Errors: a configured header that cannot be sent.
    pub fn new(options: HttpOptions) -> Result<HttpClient, OptionsError> {
        let headers = header_map(&options.headers)?;
        Ok(HttpClient(Arc::new(Shared {
            dial: NetDial::new(options.proxies.clone(), options.tls.clone()),
            options,
            headers,
            plain: OnceLock::new(),
            secure: OnceLock::new(),
        })))
    }

    /// Sends a GET and reads the whole reply. Redirects are not followed.
    ///
    /// Any status is a reply; see [`HttpReply::error`]. Errors: the transport failed, or the body
    /// exceeded its limit.
    pub async fn get(&self, url: &str) -> Result<HttpReply, ConnectError> {
        let malformed = || ConnectError::Invalid {
            what: "request".into(),
            why: "malformed URL".into(),
        };
        // Parsed twice, as the two libraries have a type each; both must accept it.
        let uri: ::http::Uri = url.parse().map_err(|_| malformed())?;
        let target = Target::of(&uri)?;
        let host = target.authority();
        let mut url = reqwest::Url::parse(url).map_err(|_| malformed())?;
        let params = &self.0.options.params;
        if !params.is_empty() {
            url.query_pairs_mut().extend_pairs(params);
        }

        let limits = one_shot::Limits {
            timeout: self.0.options.timeout,
            body_max: Some(self.0.options.body_max),
        };
        let built = |client: &reqwest::Client, url| {
            let built = client.get(url).build().ok()?;
            one_shot::request(&built, &self.0.headers)
        };
        if let Some(dial) = &self.0.options.dial {
            // Only builds the request, so it needs no roots.
            let request = built(self.client(false).await?, url).ok_or_else(malformed)?;
            return one_shot::send(dial, &uri, &host, None, request, limits).await;
        }
        let proxy = self.0.options.proxies.for_url(&uri);
        let client = self.client(target.tls).await?;
        if !target.tls
            && let Some(proxy) = &proxy
            && matches!(proxy.scheme(), ProxyScheme::Http | ProxyScheme::Https)
        {
            let request = built(client, url).ok_or_else(malformed)?;
            let proxy = Some(proxy);
            return one_shot::send(&self.0.dial, &uri, &host, proxy, request, limits).await;
        }
        let failed = |error: reqwest::Error| failure(&host, proxy.as_ref(), &error);
        let mut reply = client.get(url).send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(chunk) = reply.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.0.options.body_max {
                return Err(too_large(&host, self.0.options.body_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpReply {
            status: reply.status().as_u16(),
            headers: std::mem::take(reply.headers_mut()),
            body: body.into(),
        })
    }

    /// Sends a POST to a webhook, on a connection of its own. Redirects are not followed.
    ///
    /// `headers` may replace `User-Agent`; `timeout` is for the whole request, in place of the options' own.
    /// Any status is a reply. Its body is not read: nobody needs it, and it may have no end.
    ///
    /// The name is resolved once, and the connection goes to the addresses that were found. Errors: the
    /// transport failed, or ([`ConnectError::Invalid`]) one of these addresses is link-local or a cloud's
    /// metadata service. Behind a proxy that resolves by itself only the URL's own text is looked at.
    pub async fn post(
        &self,
        url: &WebhookUrl,
        headers: HeaderMap,
        body: Bytes,
        timeout: Duration,
    ) -> Result<HttpReply, ConnectError> {
        let malformed = || ConnectError::Invalid {
            what: url.to_string(),
            why: "malformed URL".into(),
        };
        // From the parsed URL, which spells addresses in one way only.
        let uri: ::http::Uri = url.url().as_str().parse().map_err(|_| malformed())?;
        let host = Target::of(&uri)?.authority();
        // Only builds the request, so it needs no roots.
        let client = self.client(false).await?;
        let built = client
            .post(url.url().clone())
            .headers(headers)
            .body(body)
            .build()
            .map_err(|_| malformed())?;
        let request = one_shot::request(&built, &self.0.headers).ok_or_else(malformed)?;
        let limits = one_shot::Limits {
            timeout,
            body_max: None,
        };
        let proxy = self.0.options.proxies.for_url(&uri);
        let dial = self.0.dial.clone().guarded();
        one_shot::send(&dial, &uri, &host, proxy.as_ref(), request, limits).await
    }

    async fn client(&self, secure: bool) -> Result<&reqwest::Client, ConnectError> {
        let cell = match secure {
            true => &self.0.secure,
            false => &self.0.plain,
        };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let tls = if secure {
            self.0.options.tls.load().await;
            self.0.options.tls.rest()
        } else {
            Tls::unused()
        };
        let client = self.0.build(tls).map_err(|error| ConnectError::Invalid {
            what: "HTTP client".into(),
            why: plain_text(innermost(&error)),
        })?;
        Ok(cell.get_or_init(|| client))
    }
}

impl Shared {
    fn build(&self, tls: rustls::ClientConfig) -> reqwest::Result<reqwest::Client> {
        let rules = self.options.proxies.clone();
        // The same decision as for WebSocket. The URL of the answer was checked by `Proxy::parse`:
        // reqwest would take one that it cannot read for "no proxy".
        let proxy = reqwest::Proxy::custom(move |url| {
            let host = url.host_str().unwrap_or_default();
            let proxy = rules.decide(url.scheme(), host, url.port_or_known_default())?;
            Some(proxy.url().clone())
        });
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // Drops reqwest's own reading of the environment.
            .no_proxy()
            .proxy(proxy)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(USER_AGENT)
            .default_headers(self.headers.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(self.options.timeout)
            .tcp_nodelay(true)
            .build()
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("proxies", &self.0.options.proxies)
            .finish_non_exhaustive()
    }
}

/// Values are marked as sensitive: they may be API keys.
fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, OptionsError> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let key: HeaderName = name
            .parse()
            .map_err(|_| OptionsError::Name(one_line(name)))?;
        let mut value =
            HeaderValue::from_str(value).map_err(|_| OptionsError::Value(name.clone()))?;
        value.set_sensitive(true);
        map.append(key, value);
    }
    Ok(map)
}

/// A status with its headers and body, whatever the status.
#[derive(Clone)]
pub struct HttpReply {
    /// The HTTP status.
    pub status: u16,
    pub(super) headers: HeaderMap,
    /// The whole body, decompressed.
    pub body: Bytes,
}

impl HttpReply {
    /// The first header of this name that is plain text; the case of the name does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the status is one of 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The time that the server asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(self.header("retry-after")?, jiff::Timestamp::now())
    }

    /// This reply as a failure of `host`.
    pub fn error(&self, host: &str) -> ConnectError {
        ConnectError::Http {
            host: host.to_owned(),
            status: self.status,
            retry_after: self.retry_after(),
        }
    }
}

impl fmt::Debug for HttpReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpReply")
            .field("status", &self.status)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Sorts a reqwest error into ours. Never prints the error itself: it shows the URL.
fn failure(host: &str, proxy: Option<&Proxy>, error: &reqwest::Error) -> ConnectError {
    let host = host.to_owned();
    let io = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    if let Some(tls) = io.clone().find(|io| rustls_error(io).is_some()) {
        return ConnectError::tls(&host, tls);
    }
    let timed_out = error.is_timeout();
    if let (true, Some(proxy)) = (error.is_connect(), proxy) {
        return ConnectError::Proxy {
            host,
            proxy: proxy.to_string(),
            status: None,
            why: if timed_out {
                format!("{} timed out", Phase::Connect)
            } else {
                match io.last() {
                    Some(io) => plain_text(io),
                    None => plain_text(innermost(error)),
                }
            },
        };
    }
    if timed_out {
        let phase = match error.is_connect() {
            true => Phase::Connect,
            false => Phase::Request,
        };
        return ConnectError::Timeout { host, phase };
    }
    if error.is_dns() {
        return ConnectError::Dns {
            host,
            why: resolver_text(innermost(error)),
        };
    }
    transport_failure(&host, error)
}

/// A failure on an open connection, by what lies under it. Never prints the error itself.
pub(super) fn transport_failure(host: &str, error: &(dyn StdError + 'static)) -> ConnectError {
    match causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .last()
    {
        Some(io) if rustls_error(io).is_some() => ConnectError::tls(host, io),
        Some(io) => ConnectError::tcp(host, io),
        None => ConnectError::Protocol {
            host: host.to_owned(),
            why: plain_text(innermost(error)),
        },
    }
}

/// A body that went beyond its limit.
pub(super) fn too_large(host: &str, body_max: usize) -> ConnectError {
    ConnectError::Protocol {
        host: host.to_owned(),
        why: format!("the answer is larger than {body_max} bytes"),
    }
}

/// What lies under an error, outermost first.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> + Clone {
    std::iter::successors(error.source(), |&error| error.source())
}

/// The last cause, which is the one that names the reason.
fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    causes(error).last().unwrap_or(error)
}
