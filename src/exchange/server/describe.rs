//! What a server says of itself.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::net::{ConnectError, HttpClient, HttpOptions};

use super::Place;

/// `/status` of a thousand feeds is far below this.
const BODY_MAX: usize = 8 * 1024 * 1024;
/// More providers than this no server has.
const PROVIDERS_MAX: usize = 64;

/// Why a server did not say how it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// Nobody answers there.
    #[error("{0}")]
    Unreachable(String),
    /// It wants a token, or another one.
    #[error("the server wants {}", if *.sent { "another token" } else { "a token" })]
    Unauthorized {
        /// Whether one was shown.
        sent: bool,
    },
    /// It answers, but not us: the status.
    #[error("the server answers {0}")]
    Refused(u16),
    /// It answers, and is something else.
    #[error("what answers there is not a tickwire server")]
    Stranger,
}

/// What a server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// The provider that is meant where none is named.
    pub default: String,
    /// All of them, with that one.
    pub providers: Vec<ProviderInfo>,
}

/// One provider of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInfo {
    /// `[a-z0-9_-]{1,32}`.
    pub name: String,
    /// Whether its trade ids rise by one, where it says so.
    pub contiguous_ids: Option<bool>,
    /// What a bare base is priced in there, where it says so.
    pub quotes: Option<Vec<String>>,
    /// Whether its data is made up, where it says so.
    pub invented: Option<bool>,
    /// Whether its times come from a clock of its own, where it says so.
    pub own_clock: Option<bool>,
}

/// The body of `/status`: one JSON object that is a tickwire server's.
pub async fn status(options: HttpOptions, place: &Place) -> Result<String, ServerError> {
    let sent = !options.headers.is_empty();
    let unreachable = |error: ConnectError| ServerError::Unreachable(error.to_string());
    let options = HttpOptions {
        body_max: BODY_MAX,
        ..options
    };
    let http =
        HttpClient::new(options).map_err(|error| ServerError::Unreachable(error.to_string()))?;
    let reply = http.get(&format!("{}/status", place.http())).await;
    let reply = reply.map_err(unreachable)?;
    match reply.status {
        // Degraded is an answer, too.
        200 | 503 => {}
        401 => return Err(ServerError::Unauthorized { sent }),
        // These are a server's own words; a web server of another kind answers 404.
        403 | 421 | 429 => return Err(ServerError::Refused(reply.status)),
        status if status >= 500 => return Err(ServerError::Refused(status)),
        _ => return Err(ServerError::Stranger),
    }
    let body = String::from_utf8(reply.body.to_vec()).map_err(|_| ServerError::Stranger)?;
    match serde_json::from_str::<Status<'_>>(&body) {
        Ok(_) => Ok(body),
        Err(_) if reply.status == 503 => Err(ServerError::Refused(503)),
        Err(_) => Err(ServerError::Stranger),
    }
}

/// Asks a server what it has.
pub async fn describe(options: HttpOptions, place: &Place) -> Result<ServerInfo, ServerError> {
    let body = status(options, place).await?;
    read(&body).ok_or(ServerError::Stranger)
}

/// What makes an answer that of a tickwire server. Its version does not matter.
#[derive(Deserialize)]
struct Status<'a> {
    #[serde(rename = "version")]
    _version: String,
    provider: String,
    #[serde(borrow)]
    feeds: Vec<Named<'a>>,
    /// More than feeds say; not every version has it.
    #[serde(borrow, default)]
    providers: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    provider: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    contiguous_ids: Option<bool>,
    quotes: Option<Vec<String>>,
    invented: Option<bool>,
    own_clock: Option<bool>,
}

/// `None`: it is none, or names its provider in a way that no provider has.
fn read(body: &str) -> Option<ServerInfo> {
    let status: Status<'_> = serde_json::from_str(body).ok()?;
    let described = status.providers.iter();
    // One that cannot be read has its name among the feeds, or none at all.
    let described = described.filter_map(|raw| described_in(raw.get()));
    let mut providers: Vec<ProviderInfo> = Vec::new();
    let mut add = |info: ProviderInfo| {
        let is_new = providers.iter().all(|known| known.name != info.name);
        if is_new && is_name(&info.name) && providers.len() < PROVIDERS_MAX {
            providers.push(info);
        }
    };
    for info in described {
        add(ProviderInfo {
            name: info.name,
            contiguous_ids: info.contiguous_ids,
            quotes: info.quotes,
            invented: info.invented,
            own_clock: info.own_clock,
        });
    }
    let feeds = status.feeds.iter().map(|feed| feed.provider.as_ref());
    for name in std::iter::once(status.provider.as_str()).chain(feeds) {
        add(ProviderInfo {
            name: name.to_owned(),
            contiguous_ids: None,
            quotes: None,
            invented: None,
            own_clock: None,
        });
    }
    let is_there = providers.iter().any(|known| known.name == status.provider);
    is_there.then_some(ServerInfo {
        default: status.provider,
        providers,
    })
}

/// A name alone, or what is known of it.
fn described_in(json: &str) -> Option<Described> {
    let named = |name| Described {
        name,
        contiguous_ids: None,
        quotes: None,
        invented: None,
        own_clock: None,
    };
    let alone = serde_json::from_str(json).map(named);
    alone.or_else(|_| serde_json::from_str(json)).ok()
}

/// Names become part of outputs and stay for ever: no other has them.
fn is_name(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    (1..=32).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_of_a_server_is_known_once_the_default_among_them() {
        let body = r#"{"status":"healthy","version":"9.9","provider":"mt5","new":{"a":[1]},
            "feeds":[{"provider":"kraken","state":"idle"},{"provider":"kraken"},{"provider":"Bad Name"},{"provider":""}],
            "providers":[{"name":"binance","contiguous_ids":true,"quotes":["EUR"],"more":1},{"name":7},"coinbase","X"]}"#;
        let info = read(body).unwrap();
        assert_eq!(info.default, "mt5");
        let names: Vec<_> = info.providers.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["binance", "coinbase", "mt5", "kraken"]);
        assert_eq!(info.providers[0].contiguous_ids, Some(true));
        assert_eq!(
            info.providers[0].quotes.as_deref(),
            Some(&["EUR".to_owned()][..])
        );
        assert_eq!(info.providers[3].contiguous_ids, None);
    }

    #[test]
    fn what_is_not_a_server_s_status_is_none() {
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"status":"ok"}"#,
            r#"{"version":"1","feeds":[]}"#,
            r#"{"version":"1","provider":"kraken"}"#,
            r#"{"version":"1","provider":"Kra\u001bken","feeds":[]}"#,
        ] {
            assert_eq!(read(body), None, "{body}");
        }
    }

    #[test]
    fn a_server_cannot_make_us_keep_names_without_end() {
        let feeds: Vec<_> = (0..500)
            .map(|n| format!(r#"{{"provider":"p{n}"}}"#))
            .collect();
        let body = format!(
            r#"{{"version":"1","provider":"kraken","feeds":[{}]}}"#,
            feeds.join(",")
        );
        assert_eq!(read(&body).unwrap().providers.len(), PROVIDERS_MAX);
    }
}
