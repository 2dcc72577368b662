//! How an exchange is reached, and the addresses that follow from it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Clock, Exchange, SystemClock};
use crate::net::{AnyDial, ProxyRules, Tls};

use super::percent_encode;
use super::protocol::Profile;

/// How an exchange is reached. The defaults are the exchange's own.
#[derive(Clone)]
pub struct LiveOptions {
    /// Instead of the exchange's REST base URL.
    pub rest_url: Option<String>,
    /// Instead of the base URL of old trades; where only `rest_url` is given, that is taken for them, too.
    pub history_url: Option<String>,
    /// Instead of the exchange's WebSocket URL.
    pub ws_url: Option<String>,
    /// Quotes that a bare base takes, in this order.
    pub quotes: Option<Vec<String>>,
    /// Sent with every REST request and every upgrade.
    pub headers: Vec<(String, String)>,
    /// Appended to every URL.
    pub params: Vec<(String, String)>,
    /// Attempts in a row before a connection is given up; 0 = no limit.
    pub reconnect_attempts: u32,
    /// First step of the backoff.
    pub reconnect_delay: Duration,
    /// Longest step of the backoff.
    pub reconnect_max_delay: Duration,
    /// Pause between pings.
    pub heartbeat_interval: Duration,
    /// REST requests a second instead of the exchange's limit.
    pub rate_limit: Option<f64>,
    /// Which way out.
    pub proxies: ProxyRules,
    /// Whom to trust.
    pub tls: Tls,
    /// For a whole REST request.
    pub timeout: Duration,
    /// Where processes of one user share answers and budgets; see [`crate::store::shared`]. `None`: nothing
    /// is shared.
    pub shared_directory: Option<PathBuf>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Opens every connection, WebSocket and REST, in place of `proxies` and `tls`: a transport of one's
    /// own. `None`: the network.
    ///
    /// ```
    /// use tickwire::exchange::LiveOptions;
    /// use tickwire::net::{AnyDial, BoxStream, ConnectError, Dial, NetDial};
    ///
    /// /// The network, except for one host.
    /// struct Without(&'static str, NetDial);
    ///
    /// impl Dial for Without {
    ///     type Stream = BoxStream;
    ///
    ///     async fn dial(&self, url: &http::Uri) -> Result<BoxStream, ConnectError> {
    ///         match url.host() {
    ///             Some(host) if host == self.0 => Err(ConnectError::Refused { host: host.to_owned() }),
    ///             _ => self.1.dial(url).await,
    ///         }
    ///     }
    /// }
    ///
    /// let options = LiveOptions {
    ///     dial: Some(AnyDial::new(Without("blocked.example", NetDial::default()))),
    ///     ..LiveOptions::default()
    /// };
    /// ```
    pub dial: Option<AnyDial>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            rest_url: None,
            history_url: None,
            ws_url: None,
            quotes: None,
            headers: Vec::new(),
            params: Vec::new(),
            reconnect_attempts: 0,
            reconnect_delay: Duration::from_millis(250),
            reconnect_max_delay: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(15),
            rate_limit: None,
            proxies: ProxyRules::none(),
            tls: Tls::new(),
            timeout: Duration::from_secs(10),
            shared_directory: None,
            clock: Arc::new(SystemClock),
            dial: None,
        }
    }
}

/// Why an exchange cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{exchange}: {why}")]
pub struct OptionsError {
    /// Which one.
    pub exchange: Exchange,
    /// What is wrong, without secrets.
    pub why: String,
}

/// The WebSocket URL, with what the configuration appends.
pub(super) fn ws_url(profile: &Profile, options: &LiveOptions) -> Result<http::Uri, String> {
    let base = options.ws_url.as_deref().unwrap_or(&profile.ws_url);
    let mut url = if profile.ws_path.is_empty() {
        base.to_string()
    } else {
        format!(
            "{}{}",
            base.trim_end_matches('/').trim_end_matches(profile.ws_path),
            profile.ws_path
        )
    };
    for (n, (name, value)) in options.params.iter().enumerate() {
        url.push(if n == 0 && !url.contains('?') {
            '?'
        } else {
            '&'
        });
        url.push_str(&format!(
            "{}={}",
            percent_encode(name),
            percent_encode(value)
        ));
    }
    let uri: http::Uri = url
        .parse()
        .map_err(|_| "the WebSocket URL cannot be read".to_string())?;
    match uri.scheme_str() {
        Some("ws" | "wss") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        _ => Err("the WebSocket URL must begin with ws:// or wss:// and name a host".into()),
    }
}
