//! Where a URL leads.

use http::Uri;

use super::error::ConnectError;

/// The part of a URL that matters for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    pub port: u16,
    /// `https` or `wss`.
    pub tls: bool,
    /// It may be none of those that [`super::guard`] refuses.
    pub guarded: bool,
}

impl Target {
    /// Errors: [`ConnectError::Invalid`] for a scheme other than http, https, ws, wss, or no host.
    pub fn of(url: &Uri) -> Result<Target, ConnectError> {
        let invalid = |what: &str, why: &str| ConnectError::Invalid {
            what: what.to_owned(),
            why: why.to_owned(),
        };
        let Some(host) = url.host().filter(|host| !host.is_empty()) else {
            return Err(invalid("URL", "has no host"));
        };
        let (tls, port) = match url.scheme_str() {
            Some("http" | "ws") => (false, 80),
            Some("https" | "wss") => (true, 443),
            _ => {
                return Err(invalid(
                    host,
                    "the URL must begin with http, https, ws or wss",
                ));
            }
        };
        // `Uri` answers no port for one that is out of range, too: never guess 443 for 70000.
        let authority = url.authority().map_or("", |a| a.as_str());
        let after_host = authority.rsplit_once(host).map_or("", |(_, rest)| rest);
        let port = match (url.port_u16(), after_host) {
            (Some(port), _) => port,
            (None, "" | ":") => port,
            (None, _) => return Err(invalid(host, "the URL has a bad port")),
        };
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        Ok(Target {
            host: host.to_owned(),
            port,
            tls,
            guarded: false,
        })
    }

    /// `host:port` as it stands in a URL, a CONNECT line and in messages.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}
