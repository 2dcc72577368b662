//! Why a connection or a request failed, and what to do about it.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio_rustls::rustls::{self, CertificateError, InvalidMessage};

use crate::model::Timestamp;

/// Wait after 429 without `Retry-After`: the usual rate window of an exchange.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(60);
/// Wait after 418 without `Retry-After`. Binance bans for 2 minutes to 3 days.
const BAN_PAUSE: Duration = Duration::from_secs(300);
/// The longest `Retry-After` believed: the longest ban that Binance documents.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3 * 24 * 3600);
/// The shortest pause: `Retry-After: 0`, or a date that has passed, must not make a tight loop.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// What was being waited for when the time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Name resolution.
    Dns,
    /// The TCP handshake, over all addresses; for REST the whole way to an open connection.
    Connect,
    /// The proxy's answer.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The answer to the WebSocket upgrade.
    Upgrade,
    /// The answer to an HTTP request, body included.
    Request,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Dns => "name resolution",
            Phase::Connect => "connect",
            Phase::Proxy => "proxy",
            Phase::Tls => "TLS handshake",
            Phase::Upgrade => "WebSocket upgrade",
            Phase::Request => "request",
        })
    }
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Try again with the usual backoff.
    Retry,
    /// Send nothing to this host for so long, then try again.
    RetryAfter(Duration),
    /// Trying again by itself cannot help.
    Fatal,
}

/// A failure on the way to a stream or a reply.
///
/// `host` is `host:port` of the target; `proxy` is `scheme://host:port`. Messages are one short line
/// and hold no user information, query string or header value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The name did not resolve.
    #[error("{host}: cannot resolve the name: {why}")]
    Dns {
        /// What was to be reached.
        host: String,
        /// In the resolver's words.
        why: String,
    },
    /// Nobody listens there.
    #[error("{host}: connection refused")]
    Refused {
        /// What was to be reached.
        host: String,
    },
    /// TCP failed in another way: unreachable, reset, closed early.
    #[error("{host}: {why}")]
    Tcp {
        /// What was to be reached.
        host: String,
        /// In the system's words.
        why: String,
    },
    /// A deadline passed.
    #[error("{host}: {phase} timed out")]
    Timeout {
        /// What was to be reached.
        host: String,
        /// What was being waited for.
        phase: Phase,
    },
    /// TLS failed.
    #[error("{host}: TLS: {why}")]
    Tls {
        /// What was to be reached.
        host: String,
        /// What is wrong with the handshake or the certificate.
        why: String,
        /// The peer's certificate was rejected: a matter of security or of a clock, not of the line.
        certificate: bool,
    },
    /// The proxy is unreachable or would not connect us.
    #[error("{host}: proxy {proxy}: {why}")]
    Proxy {
        /// What was to be reached.
        host: String,
        /// By which proxy.
        proxy: String,
        /// The proxy's HTTP answer, if it gave one.
        status: Option<u16>,
        /// What the proxy answered, or why it did not.
        why: String,
    },
    /// The proxy wants credentials, or other ones.
    #[error("{host}: proxy {proxy}: user or password missing or refused")]
    ProxyAuth {
        /// What was to be reached.
        host: String,
        /// By which proxy.
        proxy: String,
    },
    /// An HTTP status that is not the wanted one, from a WebSocket upgrade or a REST request.
    #[error("{host}: HTTP {}{}", status_text(*status), wait_text(*status, *retry_after))]
    Http {
        /// Who answered.
        host: String,
        /// The status.
        status: u16,
        /// How long the answer asks to stay away; capped, see [`retry_after`].
        retry_after: Option<Duration>,
    },
    /// Nothing was sent: not long ago the host asked to be left alone, or refused to serve us.
    #[error("{host}: {} {}", paused_text(*status), seconds_text(*until))]
    Paused {
        /// Who is left alone.
        host: String,
        /// The HTTP status by which it asked for it; `None`: in another way.
        status: Option<u16>,
        /// When it will be asked again.
        until: Timestamp,
        /// How long that is from now.
        left: Duration,
    },
    /// The peer broke the protocol, or a limit of ours.
    #[error("{host}: {why}")]
    Protocol {
        /// Who did it.
        host: String,
        /// What was wrong.
        why: String,
    },
    /// The URL or a header cannot be used at all.
    #[error("{what}: {why}")]
    Invalid {
        /// Which of our own inputs it is.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

impl ConnectError {
    /// What the caller should do. 401 and other refusals of one request are left to the caller.
    pub fn recovery(&self) -> Recovery {
        match self {
            ConnectError::Dns { .. }
            | ConnectError::Refused { .. }
            | ConnectError::Tcp { .. }
            | ConnectError::Timeout { .. }
            | ConnectError::Protocol { .. } => Recovery::Retry,
            ConnectError::Tls { certificate, .. } if *certificate => Recovery::Fatal,
            ConnectError::Tls { .. } => Recovery::Retry,
            // A proxy's policy: as final as the exchange's own 403.
            ConnectError::Proxy {
                status: Some(403 | 451),
                ..
            } => Recovery::Fatal,
            ConnectError::Proxy { .. } => Recovery::Retry,
            ConnectError::ProxyAuth { .. } | ConnectError::Invalid { .. } => Recovery::Fatal,
            ConnectError::Http {
                status,
                retry_after,
                ..
            } => match (pause(*status, *retry_after), status) {
                (Some(pause), _) => Recovery::RetryAfter(pause),
                // 407 comes this way from a proxy that nobody configured; else it is `ProxyAuth`.
                (None, 403 | 407 | 451) => Recovery::Fatal,
                (None, _) => Recovery::Retry,
            },
            ConnectError::Paused {
                status: Some(403 | 451),
                ..
            } => Recovery::Fatal,
            ConnectError::Paused { left, .. } => Recovery::RetryAfter(*left),
        }
    }

    /// Whether it failed on the way to an open connection, so that the host has not seen the request.
    pub fn is_before_request(&self) -> bool {
        match self {
            ConnectError::Dns { .. }
            | ConnectError::Refused { .. }
            | ConnectError::Tls { .. }
            | ConnectError::Proxy { .. }
            | ConnectError::ProxyAuth { .. }
            | ConnectError::Paused { .. }
            | ConnectError::Invalid { .. } => true,
            ConnectError::Timeout { phase, .. } => {
                !matches!(phase, Phase::Upgrade | Phase::Request)
            }
            ConnectError::Tcp { .. }
            | ConnectError::Http { .. }
            | ConnectError::Protocol { .. } => false,
        }
    }

    /// Whether the peer's certificate was rejected: a matter of security or of a clock, not of the line.
    #[cfg(test)]
    pub(super) fn is_certificate(&self) -> bool {
        matches!(
            self,
            ConnectError::Tls {
                certificate: true,
                ..
            }
        )
    }

    /// A TCP failure at `host`.
    pub(super) fn tcp(host: &str, error: &io::Error) -> ConnectError {
        let host = host.to_owned();
        match error.kind() {
            io::ErrorKind::ConnectionRefused => ConnectError::Refused { host },
            // Not our deadline but the kernel's own.
            io::ErrorKind::TimedOut => ConnectError::Timeout {
                host,
                phase: Phase::Connect,
            },
            _ => ConnectError::Tcp {
                host,
                why: plain_text(error),
            },
        }
    }

    /// A failed TLS handshake with `host`.
    pub(super) fn tls(host: &str, error: &io::Error) -> ConnectError {
        let (why, certificate) = match rustls_error(error) {
            Some(rustls::Error::InvalidCertificate(error)) => (certificate_text(error), true),
            Some(rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::UnknownProtocolVersion,
            )) => (
                "the answer is not TLS (is this a plain http or ws port?)".into(),
                false,
            ),
            Some(error) => (one_line(&error.to_string()), false),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                ("connection closed during the handshake".into(), false)
            }
            None => (plain_text(error), false),
        };
        ConnectError::Tls {
            host: host.to_owned(),
            why,
            certificate,
        }
    }
}

/// The TLS error inside an I/O error: tokio-rustls wraps it once, hyper-rustls once more.
///
/// Not by `source()`, which for an I/O error skips the very error that it wraps.
pub(super) fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner
        .downcast_ref()
        .or_else(|| rustls_error(inner.downcast_ref::<io::Error>()?))
}

/// A foreign error in our style: one line, lower case at the start, no `(os error N)`.
pub(super) fn plain_text(error: &dyn std::error::Error) -> String {
    let text = one_line(&error.to_string());
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (None, _) => "unknown error".into(),
        // An abbreviation stays as it is.
        (Some(_), Some(second)) if second.is_uppercase() => text.to_owned(),
        (Some(first), _) => first.to_lowercase().chain(chars).collect(),
    }
}

/// The resolver's words without the prefix that the standard library puts before them.
pub(super) fn resolver_text(error: &dyn std::error::Error) -> String {
    let text = plain_text(error);
    match text.split_once("address information: ") {
        Some((_, why)) => why.to_lowercase(),
        None => text,
    }
}

/// Keeps a foreign message on one line and bounded.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .take(200)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn certificate_text(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired (or the clock is wrong)".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet (or the clock is wrong)".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another host".into()
        }
        CertificateError::UnknownIssuer => {
            "the certificate comes from an unknown authority (SSL_CERT_FILE names another)".into()
        }
        CertificateError::Revoked => "the certificate was revoked".into(),
        other => one_line(&format!("bad certificate: {other}")),
    }
}

fn status_text(status: u16) -> String {
    match ::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|s| s.canonical_reason())
    {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

fn wait_text(status: u16, retry_after: Option<Duration>) -> String {
    let wait = pause(status, retry_after).or(retry_after);
    wait.map_or(String::new(), |wait| {
        format!(" (retry after {} s)", wait.as_secs())
    })
}

/// How long the host of such an answer wants to be left alone. `None`: it did not ask for that.
fn pause(status: u16, retry_after: Option<Duration>) -> Option<Duration> {
    let default = match status {
        429 => RATE_LIMIT_PAUSE,
        418 => BAN_PAUSE,
        503 => retry_after?,
        _ => return None,
    };
    Some(retry_after.unwrap_or(default).max(RETRY_AFTER_MIN))
}

fn paused_text(status: Option<u16>) -> String {
    let Some(status) = status else {
        return "asked to be left alone until".into();
    };
    let what = match status {
        418 => "banned until",
        403 | 451 => "not asked again before",
        _ => "asked to be left alone until",
    };
    format!("HTTP {}: {what}", status_text(status))
}

/// A moment in whole seconds, upwards: until then it is of no use.
fn seconds_text(moment: Timestamp) -> String {
    let seconds = moment.nanos().div_euclid(1_000_000_000) + 1;
    jiff::Timestamp::from_second(seconds).map_or_else(|_| moment.to_string(), |m| m.to_string())
}

/// Reads a `Retry-After` header: seconds or an HTTP date.
///
/// Capped at three days; a date that has passed is zero. `None`: neither form.
/// Source: RFC 9110 section 10.2.3.
pub fn retry_after(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit: as good as for ever.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(value)
            .ok()?;
        Duration::try_from(date.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_MAX))
}
