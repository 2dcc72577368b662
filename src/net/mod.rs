//! The network layer: how a URL becomes a byte stream or an HTTP reply.
//!
//! Owns proxy rules, name resolution, TCP, TLS, REST requests and per-host pacing, and the one error
//! type ([`ConnectError`]) that says whether a failure is worth another try.
//!
//! Invariants: REST and WebSocket take the same proxy decision ([`ProxyRules::for_url`]); a configured
//! proxy that fails is an error, never a direct connection; every wait has a deadline; no message
//! shows user information, a query string or a header value.
//!
//! Never does: retries, backoff, WebSocket frames, or anything that knows an exchange.

mod dial;
mod error;
mod http;
mod pacer;
mod proxy;
mod target;
mod tcp;
mod tls;
mod tunnel;

pub use self::http::{HttpClient, HttpOptions, HttpReply, OptionsError};
pub use dial::{BoxStream, Dial, NetDial, NetStream};
pub use error::{ConnectError, Phase, Recovery, retry_after};
pub use pacer::Pacer;
pub use proxy::{Proxy, ProxyError, ProxyRules, ProxyScheme};
pub use tls::Tls;

/// What every request and every CONNECT calls itself.
pub const USER_AGENT: &str = concat!("tickwire/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests;
