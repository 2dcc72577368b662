//! Who may ask: Host, Origin, token, and how often.
//!
//! Every request is judged here before anything else looks at it, whatever it asks for. Knows no routes but `/`, where
//! a browser may bring the token in the address, and the one that takes JSON Lines. Never logs and never repeats what
//! came from outside.

mod budget;
mod names;
mod token;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode, request::Parts};
use tokio::time::Instant;

use crate::config::ServerSettings;

use self::budget::Budgets;
pub(in crate::server) use self::budget::machine;
use self::names::{Authority, Name, Origin};
use self::token::Token;
use super::error::ApiError;

/// The route that takes JSON Lines too.
pub const INGEST: &str = "/api/v1/ingest";

/// The two ends of the connection that a request came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The client's.
    pub peer: SocketAddr,
    /// The server's.
    pub local: SocketAddr,
}

impl Default for Caller {
    /// Nobody in particular.
    fn default() -> Self {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Self {
            peer: nowhere,
            local: nowhere,
        }
    }
}

/// What becomes of a request that is not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It goes on.
    Pass,
    /// A browser has shown the token at `/`: it gets this `Set-Cookie` and is sent to `/` without it.
    Login(String),
}

/// Why a request is not answered, and what its answer must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For the client.
    pub error: ApiError,
    /// When it may come again.
    pub retry_after: Option<Duration>,
    /// A `Set-Cookie` that takes a wrong cookie away, so that a page does not go on showing it.
    pub forget: Option<String>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self {
            error: ApiError::new(status, code, message),
            retry_after: None,
            forget: None,
        }
    }

    fn too_many(message: &'static str, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message)
        }
    }

    fn misdirected(message: &'static str) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", message)
    }

    fn foreign() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "pages of other origins may not ask: name theirs in server.allowed_origins",
        )
    }

    fn unauthorized(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }
}

/// What is allowed, from the configuration.
#[derive(Debug)]
struct Access {
    token: Option<Token>,
    /// What the server may be called beside loopback.
    hosts: Vec<Name>,
    origins: Vec<Origin>,
    /// Requests a second and address.
    rate: u32,
}

impl Access {
    /// Entries that cannot be read allow nothing; [`check_bind`] names them.
    fn new(settings: &ServerSettings) -> Self {
        let unspecified = |name: &Name| matches!(name, Name::Address(a) if a.is_unspecified());
        let bound = Name::parse(&settings.host).filter(|name| !unspecified(name));
        let allowed = settings.allowed_hosts.iter();
        let allowed = allowed.filter_map(|host| Some(Authority::parse(host)?.name));
        let origins = settings.allowed_origins.iter();
        Self {
            token: settings.token.as_deref().map(Token::new),
            hosts: bound.into_iter().chain(allowed).collect(),
            origins: origins.filter_map(|origin| Origin::parse(origin)).collect(),
            rate: settings.limits.requests_per_second,
        }
    }
}

/// The rules of access. They can change while the server runs.
pub struct Guard {
    access: RwLock<Arc<Access>>,
    budgets: Mutex<Budgets>,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(&ServerSettings::default())
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("access", &self.access())
            .finish()
    }
}

impl Guard {
    /// With the rules of these settings.
    pub fn new(settings: &ServerSettings) -> Self {
        Self {
            access: RwLock::new(Arc::new(Access::new(settings))),
            budgets: Mutex::default(),
        }
    }

    /// Changes the rules, from the next request on. What addresses have spent stays.
    pub fn set(&self, settings: &ServerSettings) {
        let access = Arc::new(Access::new(settings));
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = access;
    }

    /// Whether clients must show a token.
    pub fn has_token(&self) -> bool {
        self.access().token.is_some()
    }

    /// Judges a request by its head.
    ///
    /// Errors: it must not go on.
    pub fn check(
        &self,
        request: &Parts,
        caller: Caller,
        now: Instant,
    ) -> Result<Admission, Refusal> {
        let access = self.access();
        let peer = caller.peer.ip();
        self.budgets()
            .spend(peer, access.rate, now)
            .map_err(|wait| Refusal::too_many("too many requests from this address", wait))?;
        let host = check_host(request, caller, &access)?;
        check_origin(&request.headers, &host, &access)?;
        let admission = self.check_token(request, caller, &access, now)?;
        check_content_type(request)?;
        Ok(admission)
    }

    fn check_token(
        &self,
        request: &Parts,
        caller: Caller,
        access: &Access,
        now: Instant,
    ) -> Result<Admission, Refusal> {
        let Some(token) = &access.token else {
            return Ok(Admission::Pass);
        };
        let cookie_name = cookie_name(caller);
        let Some(shown) = Shown::of(request, &cookie_name) else {
            return Err(Refusal::unauthorized(
                "a token is needed: send it as `Authorization: Bearer TOKEN`, or open /?token=TOKEN in a browser",
            ));
        };
        let forget = matches!(shown, Shown::Cookie(_)).then(|| set_cookie(&cookie_name, None));
        let mut budgets = self.budgets();
        let (peer, rate) = (caller.peer.ip(), access.rate);
        if let Err(wait) = budgets.may_try(peer, rate, now) {
            let refusal = Refusal::too_many("too many wrong tokens from this address", wait);
            return Err(Refusal { forget, ..refusal });
        }
        let (right, admission) = match shown {
            Shown::Bearer(text) => (token.is(text), Admission::Pass),
            Shown::Cookie(text) => (token.is_of_cookie(text), Admission::Pass),
            Shown::Query(text) => {
                let cookie = set_cookie(&cookie_name, Some(token.cookie()));
                (token.is(&text), Admission::Login(cookie))
            }
        };
        if right {
            return Ok(admission);
        }
        budgets.on_failure(peer, rate, now);
        let refusal = Refusal::unauthorized("that is not the token");
        Err(Refusal { forget, ..refusal })
    }

    fn access(&self) -> Arc<Access> {
        let access = self.access.read().unwrap_or_else(PoisonError::into_inner);
        access.clone()
    }

    fn budgets(&self) -> std::sync::MutexGuard<'_, Budgets> {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a server may listen with these settings: whatever is not loopback needs a token, and a token must be one.
///
/// Errors: a sentence that says what is wrong and what would do.
pub fn check_bind(settings: &ServerSettings) -> Result<(), String> {
    let loopback = Name::parse(&settings.host).is_some_and(|name| name.is_loopback());
    match &settings.token {
        Some(text) => token::check(text)?,
        None if loopback => {}
        None => {
            return Err(format!(
                "server.host {:?} can be reached by other machines and needs server.token (or server.token_file): `openssl rand -hex 32` makes one",
                settings.host
            ));
        }
    }
    let bad_host = |host: &&String| Authority::parse(host).is_none();
    if let Some(host) = settings.allowed_hosts.iter().find(bad_host) {
        return Err(format!(
            "{host:?} in server.allowed_hosts is no host: write a name or an address, such as prices.example.org"
        ));
    }
    let bad_origin = |origin: &&String| Origin::parse(origin).is_none();
    match settings.allowed_origins.iter().find(bad_origin) {
        Some(origin) => Err(format!(
            "{origin:?} in server.allowed_origins is no origin: write scheme and host, such as https://prices.example.org"
        )),
        None => Ok(()),
    }
}

/// A name that an attacker can point at this machine must not reach the server: the browser would take it for one of
/// the attacker's own. An address in the head of the request counts as a second name.
fn check_host(request: &Parts, caller: Caller, access: &Access) -> Result<Authority, Refusal> {
    let bad = |message| Refusal {
        error: ApiError::bad_request(message),
        retry_after: None,
        forget: None,
    };
    let mut values = request.headers.get_all(HOST).iter();
    let host = match (values.next(), values.next()) {
        (Some(host), None) => host,
        (None, _) => return Err(bad("the Host header is missing")),
        _ => return Err(bad("there is more than one Host header")),
    };
    let parsed = host.to_str().ok().and_then(Authority::parse);
    let Some(host) = parsed else {
        return Err(Refusal::misdirected("the Host header is no host"));
    };
    let known = |name: &Name| {
        let reached = Name::Address(caller.local.ip().to_canonical());
        name.is_loopback() || *name == reached || access.hosts.contains(name)
    };
    let target = request
        .uri
        .authority()
        .map(|a| Authority::parse(a.as_str()));
    let target_known = target.is_none_or(|target| target.is_some_and(|a| known(&a.name)));
    if known(&host.name) && target_known {
        return Ok(host);
    }
    Err(Refusal::misdirected(
        "this server is not called that: name it in server.allowed_hosts",
    ))
}

/// Pages of other origins may neither change anything nor open a WebSocket, and what they get they must not read.
/// Where browsers say that a request without an Origin is another site's picture or frame, that is refused too.
fn check_origin(headers: &HeaderMap, host: &Authority, access: &Access) -> Result<(), Refusal> {
    let mut values = headers.get_all(ORIGIN).iter();
    match (values.next(), values.next()) {
        (None, _) if is_embedded_elsewhere(headers) => Err(Refusal::foreign()),
        (None, _) => Ok(()),
        (Some(origin), None) => {
            let origin = origin.to_str().ok().and_then(Origin::parse);
            let allowed = |origin: Origin| {
                origin == Origin::of_host(host) || access.origins.contains(&origin)
            };
            match origin.is_some_and(allowed) {
                true => Ok(()),
                false => Err(Refusal::foreign()),
            }
        }
        _ => Err(Refusal::foreign()),
    }
}

/// Another site's page asks for it, other than by a link that leads here.
fn is_embedded_elsewhere(headers: &HeaderMap) -> bool {
    let is = |name: &str, values: &[&str]| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| values.contains(&value))
    };
    is("sec-fetch-site", &["cross-site", "same-site"]) && !is("sec-fetch-dest", &["document"])
}

/// A form of a foreign page cannot send JSON without asking first.
fn check_content_type(request: &Parts) -> Result<(), Refusal> {
    let changes = matches!(
        request.method,
        Method::POST | Method::PUT | Method::DELETE | Method::PATCH
    );
    if !changes {
        return Ok(());
    }
    let content_type = only(&request.headers, CONTENT_TYPE).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let lines = request.uri.path() == INGEST && media.eq_ignore_ascii_case("application/x-ndjson");
    if lines || media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "requests that change something need `Content-Type: application/json`",
    ))
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.to_str().ok())?
}

/// A token in one of its forms.
enum Shown<'a> {
    Bearer(&'a [u8]),
    Cookie(&'a [u8]),
    Query(Vec<u8>),
}

impl<'a> Shown<'a> {
    /// The header wins over the address, and that over the cookie, which may be of an older token.
    fn of(request: &'a Parts, cookie_name: &str) -> Option<Self> {
        let bearer = || {
            let value = request.headers.get(AUTHORIZATION)?.as_bytes();
            let (scheme, token) = value.split_at_checked("Bearer ".len())?;
            scheme
                .eq_ignore_ascii_case(b"Bearer ")
                .then(|| Self::Bearer(token.trim_ascii()))
        };
        let query = || {
            let reads = matches!(request.method, Method::GET | Method::HEAD);
            let query = request
                .uri
                .query()
                .filter(|_| reads && request.uri.path() == "/")?;
            token::of_query(query).map(Self::Query)
        };
        let cookie = || {
            let values = request.headers.get_all(COOKIE).iter();
            let mut pairs = values.flat_map(|value| value.as_bytes().split(|b| *b == b';'));
            pairs.find_map(|pair| {
                let value = pair.trim_ascii().strip_prefix(cookie_name.as_bytes())?;
                Some(Self::Cookie(value.strip_prefix(b"=")?))
            })
        };
        bearer().or_else(query).or_else(cookie)
    }
}

/// Cookies know no ports: one name for each, so that servers side by side do not overwrite each other's.
fn cookie_name(caller: Caller) -> String {
    format!("tickwire_{}", caller.local.port())
}

/// Sets it until the browser closes; without a value takes it away.
fn set_cookie(name: &str, value: Option<&str>) -> String {
    let end = if value.is_none() { "; Max-Age=0" } else { "" };
    let value = value.unwrap_or_default();
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{end}")
}
