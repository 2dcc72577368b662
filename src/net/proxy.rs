//! Which proxy, if any, leads to a URL: one answer for REST and WebSocket alike.

use std::fmt;
use std::sync::Arc;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// A proxy setting that cannot be used. Names its source, scheme and host, never user or password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Another scheme than those of [`ProxyScheme`].
    #[error(
        "{name}: `{shown}` is not a proxy that tickwire can use (http, https, socks5, socks5h)"
    )]
    Scheme {
        /// Where it was written (`--proxy`, `HTTPS_PROXY`).
        name: String,
        /// As much of it as is surely no secret.
        shown: String,
    },
    /// No host, a port that is none, or not a URL at all.
    #[error(
        "{name}: `{shown}` is not a proxy URL (write http://[user:password@]host:port, @ in a password as %40)"
    )]
    Malformed {
        /// Where it was written (`--proxy`, `HTTPS_PROXY`).
        name: String,
        /// As much of it as is surely no secret.
        shown: String,
    },
}

/// How to talk to the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyScheme {
    /// HTTP CONNECT.
    Http,
    /// HTTP CONNECT inside TLS to the proxy.
    Https,
    /// SOCKS5; names are resolved here.
    Socks5,
    /// SOCKS5; names are resolved by the proxy.
    Socks5h,
}

impl ProxyScheme {
    fn parse(text: &str) -> Option<ProxyScheme> {
        Some(match text {
            "http" => ProxyScheme::Http,
            "https" => ProxyScheme::Https,
            "socks5" => ProxyScheme::Socks5,
            "socks5h" => ProxyScheme::Socks5h,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            ProxyScheme::Http => "http",
            ProxyScheme::Https => "https",
            ProxyScheme::Socks5 => "socks5",
            ProxyScheme::Socks5h => "socks5h",
        }
    }

    /// Where the URL names no port: the scheme's own, as reqwest has it (curl takes 1080 for http too).
    fn default_port(self) -> u16 {
        match self {
            ProxyScheme::Http => 80,
            ProxyScheme::Https => 443,
            ProxyScheme::Socks5 | ProxyScheme::Socks5h => 1080,
        }
    }
}

/// One proxy. `Debug` and `Display` show `scheme://host:port` only.
#[derive(Clone)]
pub struct Proxy {
    scheme: ProxyScheme,
    /// As in a URL: IPv6 in brackets.
    host: String,
    port: u16,
    /// Holds the decoded credentials.
    intercept: Intercept,
    /// For reqwest, credentials included, port always written out.
    url: reqwest::Url,
}

impl Proxy {
    /// Reads a proxy URL; without a scheme it is http, as everywhere.
    ///
    /// `name`: where it was written (`--proxy`, `HTTPS_PROXY`), for the error.
    pub fn parse(name: &str, text: &str) -> Result<Proxy, ProxyError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = scheme.to_ascii_lowercase();
        let shown = || format!("{}://{}", shown_scheme(&scheme), shown_host(rest));
        let malformed = || ProxyError::Malformed {
            name: name.to_owned(),
            shown: shown(),
        };
        let Some(scheme_kind) = ProxyScheme::parse(&scheme) else {
            return Err(ProxyError::Scheme {
                name: name.to_owned(),
                shown: shown(),
            });
        };

        let uri: Uri = format!("{scheme}://{rest}")
            .parse()
            .map_err(|_| malformed())?;
        let authority = uri.authority().ok_or_else(malformed)?.as_str();
        // `http://user:1#2@host`: the authority ended at a character that belongs to the password,
        // so what looks like the host is the user.
        if rest.contains('@') != authority.contains('@') {
            return Err(malformed());
        }
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_port)) => (Some(userinfo), host_port),
            None => (None, authority),
        };
        // Which of two `@` ends the password? Parsers differ, so this has to be written `%40`.
        if userinfo.is_some_and(|userinfo| userinfo.contains('@')) {
            return Err(malformed());
        }
        let host = uri.host().filter(|h| !h.is_empty()).ok_or_else(malformed)?;
        let port = match (uri.port_u16(), host_port.strip_prefix(host)) {
            (Some(0), _) => return Err(malformed()),
            (Some(port), _) => port,
            (None, Some("")) => scheme_kind.default_port(),
            (None, _) => return Err(malformed()),
        };

        let at = userinfo.map_or(String::new(), |userinfo| format!("{userinfo}@"));
        let url = format!("{scheme}://{at}{host}:{port}");
        // Decodes the credentials.
        let intercept = Matcher::builder()
            .all(url.as_str())
            .build()
            .intercept(&Uri::from_static("http://any.invalid/"))
            .ok_or_else(malformed)?;
        Ok(Proxy {
            scheme: scheme_kind,
            host: host.to_owned(),
            port,
            intercept,
            url: reqwest::Url::parse(&url).map_err(|_| malformed())?,
        })
    }

    /// How it is talked to.
    pub fn scheme(&self) -> ProxyScheme {
        self.scheme
    }

    /// A name or an address, IPv6 without brackets.
    pub(super) fn host(&self) -> &str {
        self.host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(&self.host)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The value of `Proxy-Authorization`, for the HTTP schemes.
    pub(super) fn basic_auth(&self) -> Option<&HeaderValue> {
        self.intercept.basic_auth()
    }

    /// User and password, for SOCKS5.
    pub(super) fn socks_auth(&self) -> Option<(&str, &str)> {
        self.intercept.raw_auth()
    }

    /// With credentials: for reqwest only, never to be shown.
    pub(super) fn url(&self) -> &reqwest::Url {
        &self.url
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// A scheme from a malformed URL, unless it may be something else, such as a pasted password.
fn shown_scheme(text: &str) -> &str {
    let plain = !text.is_empty()
        && text.len() <= 10
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+');
    if plain { text } else { "?" }
}

/// The host of a malformed URL, as far as it is surely that: what follows the last `@`.
fn shown_host(rest: &str) -> &str {
    let host = rest.rsplit('@').next().unwrap_or_default();
    let end = host.find(['/', '?', '#', ':']).unwrap_or(host.len());
    let host = &host[..end];
    let plain = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if plain { host } else { "?" }
}

/// `host:port` and `[address]:port` in two; an IPv6 address without brackets has no port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            // Matches no host, so exempts none.
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

/// Intercepts all hosts but these.
fn exempting(hosts: &str) -> Matcher {
    Matcher::builder()
        .all("http://matched.invalid")
        .no(hosts)
        .build()
}

/// The proxy settings of this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct ProxyRules(Option<Arc<Rules>>);

struct Rules {
    /// For `http` and `ws`.
    http: Option<Proxy>,
    /// For `https` and `wss`.
    https: Option<Proxy>,
    /// Each answers only whether `NO_PROXY` exempts a host: the first at any port, the others at one.
    no: Vec<(Option<u16>, Matcher)>,
}

impl ProxyRules {
    /// No proxy at all.
    pub fn none() -> ProxyRules {
        ProxyRules(None)
    }

    /// `--proxy URL` where given, for every URL and in spite of `NO_PROXY`; else the environment.
    ///
    /// Errors: a setting that cannot be used. It is never ignored: ignoring it would mean going direct.
    pub fn new(explicit: Option<&str>) -> Result<ProxyRules, ProxyError> {
        // Lossy, not dropped: a value that is not UTF-8 fails to parse instead of counting as unset.
        ProxyRules::with_env(explicit, |name| {
            let value = std::env::var_os(name)?;
            Some(value.to_string_lossy().into_owned())
        })
    }

    /// [`ProxyRules::new`] with the environment given as a function.
    ///
    /// For https and wss `HTTPS_PROXY`, else `ALL_PROXY`. For http and ws `HTTP_PROXY`, else the same
    /// two: who sets only `HTTPS_PROXY` means every connection, and none may go direct by its scheme.
    /// `NO_PROXY` for the exceptions (names with their subdomains, addresses, networks, `*`; with
    /// `:port` for that port alone). Each in upper and lower case, upper first; an empty value counts
    /// as unset. The upper-case `HTTP_PROXY` is not read under CGI (`REQUEST_METHOD` set), where a
    /// client can choose its value.
    pub fn with_env(
        explicit: Option<&str>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<ProxyRules, ProxyError> {
        if let Some(url) = explicit {
            let proxy = Proxy::parse("--proxy", url)?;
            return Ok(ProxyRules::build(Some(proxy.clone()), Some(proxy), ""));
        }
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = env(name).filter(|value| !value.trim().is_empty())?;
                Some((*name, value))
            })
        };
        let parse = |found: Option<(&'static str, String)>| {
            found
                .map(|(name, value)| Proxy::parse(name, &value))
                .transpose()
        };
        let cgi = env("REQUEST_METHOD").is_some();
        let all = parse(first(&["ALL_PROXY", "all_proxy"]))?;
        let https = parse(first(&["HTTPS_PROXY", "https_proxy"]))?.or(all);
        let http = parse(first(if cgi {
            &["http_proxy"]
        } else {
            &["HTTP_PROXY", "http_proxy"]
        }))?
        .or_else(|| https.clone());
        let no = first(&["NO_PROXY", "no_proxy"]).map_or(String::new(), |(_, value)| value);
        Ok(ProxyRules::build(http, https, &no))
    }

    fn build(http: Option<Proxy>, https: Option<Proxy>, no: &str) -> ProxyRules {
        if http.is_none() && https.is_none() {
            return ProxyRules(None);
        }
        // Spellings that the matcher does not know but people write: a port, `*.`, brackets.
        let mut at_any = Vec::new();
        let mut at_one = Vec::new();
        for entry in no.split(',').map(str::trim) {
            let (host, port) = split_port(entry);
            let host = match host.strip_prefix("*.") {
                Some(domain) => domain,
                None => host.trim_start_matches('[').trim_end_matches(']'),
            };
            match port {
                Some(_) => at_one.push((port, exempting(host))),
                None => at_any.push(host),
            }
        }
        let mut no = vec![(None, exempting(&at_any.join(",")))];
        no.append(&mut at_one);
        ProxyRules(Some(Arc::new(Rules { http, https, no })))
    }

    /// The proxy for this URL; `None` means a direct connection.
    pub fn for_url(&self, url: &Uri) -> Option<Proxy> {
        let scheme = url.scheme_str()?;
        let port = match scheme {
            "http" | "ws" => 80,
            _ => 443,
        };
        self.decide(scheme, url.host()?, url.port_u16().or(Some(port)))
    }

    /// `host`: as in a URL, IPv6 in brackets.
    pub(super) fn decide(&self, scheme: &str, host: &str, port: Option<u16>) -> Option<Proxy> {
        let rules = self.0.as_ref()?;
        let proxy = match scheme {
            "http" | "ws" => rules.http.as_ref(),
            _ => rules.https.as_ref(),
        }?;
        // A host that no URL can hold cannot be exempt either: then the proxy, never direct.
        let exempt = format!("http://{host}/").parse::<Uri>().is_ok_and(|uri| {
            let mut no = rules.no.iter();
            no.any(|(at, no)| (at.is_none() || *at == port) && no.intercept(&uri).is_none())
        });
        (!exempt).then(|| proxy.clone())
    }
}

impl fmt::Debug for ProxyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ProxyRules");
        if let Some(rules) = &self.0 {
            out.field("http", &rules.http).field("https", &rules.https);
        }
        out.finish()
    }
}
