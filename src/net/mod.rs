//! The network layer: how a URL becomes a byte stream or an HTTP reply.
//!
//! Owns proxy rules, name resolution, TCP, TLS, REST requests, posts to webhooks and per-host pacing, and the
//! one error type ([`ConnectError`]) that says whether a failure is worth another try.
//!
//! Invariants: REST and WebSocket take the same proxy decision ([`ProxyRules::for_url`]) and both
//! tunnel; a configured proxy that fails is an error, never a direct connection; every wait has a deadline; no message
//! shows user information, a query string or a header value.
//!
//! Never does: retries, backoff, WebSocket frames, or anything that knows an exchange.
//!
//! ```no_run
//! use tickwire::net::{HttpClient, HttpOptions, ProxyRules, Recovery};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let http = HttpClient::new(HttpOptions {
//!     // `HTTPS_PROXY` and its kin; the default is no proxy.
//!     proxies: ProxyRules::new(None)?,
//!     ..HttpOptions::default()
//! })?;
//! match http.get("https://api.kraken.com/0/public/Time").await {
//!     Ok(reply) if reply.is_success() => println!("{} bytes", reply.body.len()),
//!     Ok(reply) => println!("{}", reply.error("api.kraken.com")),
//!     Err(error) if error.recovery() == Recovery::Fatal => println!("{error}, and that is final"),
//!     Err(error) => println!("{error}; worth another try"),
//! }
//! # Ok(())
//! # }
//! ```

mod dial;
mod error;
mod guard;
mod http;
mod one_shot;
mod pacer;
mod proxy;
mod target;
mod tcp;
mod tls;
mod tunnel;
mod webhook_url;

pub use self::http::{HttpClient, HttpOptions, HttpReply, OptionsError};
pub use dial::{AnyDial, BoxStream, Dial, DialTimes, NetDial, NetStream};
pub use error::{ConnectError, Phase, Recovery, retry_after};
pub use pacer::Pacer;
pub use proxy::{Proxy, ProxyError, ProxyRules, ProxyScheme};
pub use tls::Tls;
pub use webhook_url::WebhookUrl;

/// What every request and every CONNECT calls itself.
pub const USER_AGENT: &str = concat!("tickwire/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests;
