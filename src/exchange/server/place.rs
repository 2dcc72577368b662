//! Where a server is.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

use crate::net::ProxyRules;

/// The address of a server. Holds no secret: `Debug` and `Display` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Without a slash at its end.
    base: String,
    is_loopback: bool,
}

impl Place {
    /// Reads an address: `http://127.0.0.1:8000`, `https://ticks.example/prefix`, `localhost:8000`.
    ///
    /// Errors: why it is none, with what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let base = match text.contains("://") {
            true => text.to_owned(),
            false => format!("http://{text}"),
        };
        let wrong = |why: &str| format!("{why} (write http://127.0.0.1:8000)");
        let base = base.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|_| wrong("this is no address"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong(
                "the address of a server begins with http:// or https://",
            ));
        }
        // Whatever is before the `@` may be a password, and command lines are seen by everybody.
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(wrong(
                "an address holds no user: the token comes from server.token of the configuration, or TICKWIRE_SERVER__TOKEN",
            ));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(wrong("an address has no `?` and no `#`"));
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("the address names no host"))?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let port = authority
            .strip_prefix(host)
            .and_then(|rest| rest.strip_prefix(':'));
        if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
            return Err(wrong("the port is none from 1 to 65535"));
        }
        Ok(Self {
            is_loopback: is_loopback(host),
            base,
        })
    }

    /// The server that listens there: one that listens everywhere is reached over loopback.
    ///
    /// Errors: why this is no place.
    pub fn of(host: &str, port: u16) -> Result<Self, String> {
        if port == 0 {
            return Err("port 0 says nothing of where the server is: name it with --url".into());
        }
        let host = host.trim();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let host = match bare.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
            Ok(IpAddr::V6(address)) if address.is_unspecified() => "[::1]".to_owned(),
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => host.to_owned(),
        };
        Self::parse(&format!("http://{host}:{port}"))
    }

    /// The base of its HTTP API, without a slash at its end.
    pub fn http(&self) -> &str {
        &self.base
    }

    /// Its WebSocket.
    pub fn ws(&self) -> String {
        // `http` is the beginning of `https`, too.
        let rest = self.base.strip_prefix("http").unwrap_or(&self.base);
        format!("ws{rest}/ws")
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// The way there: proxies of the environment are for what is elsewhere. One that was named on the command line
    /// is for everything.
    pub fn proxies(&self, rules: &ProxyRules, is_explicit: bool) -> ProxyRules {
        match self.is_loopback && !is_explicit {
            true => ProxyRules::none(),
            false => rules.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

/// `host`: as in a URL, IPv6 in brackets.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = bare.trim_end_matches('.');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => address.to_canonical().is_loopback(),
        Ok(address) => address.is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_in_the_forms_in_which_people_write_it() {
        for (text, http, ws) in [
            (
                "http://127.0.0.1:8000",
                "http://127.0.0.1:8000",
                "ws://127.0.0.1:8000/ws",
            ),
            (
                "localhost:8000/",
                "http://localhost:8000",
                "ws://localhost:8000/ws",
            ),
            (
                "https://ticks.example/a/",
                "https://ticks.example/a",
                "wss://ticks.example/a/ws",
            ),
            ("http://[::1]:9", "http://[::1]:9", "ws://[::1]:9/ws"),
        ] {
            let place = Place::parse(text).unwrap();
            assert_eq!((place.http(), place.ws().as_str()), (http, ws), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_what_may_be_a_secret() {
        for text in [
            "",
            "http://",
            "ftp://host",
            "http://host:0",
            "http://host:70000",
            "http://user:hunter2@host",
            "http://host/?token=hunter2",
            "http://host/#hunter2",
            "http://a b",
        ] {
            let error = Place::parse(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_server_that_listens_everywhere_is_reached_over_loopback() {
        for (host, base) in [
            ("0.0.0.0", "http://127.0.0.1:8000"),
            ("::", "http://[::1]:8000"),
            ("[::]", "http://[::1]:8000"),
            ("2001:db8::7", "http://[2001:db8::7]:8000"),
            ("ticks.example", "http://ticks.example:8000"),
        ] {
            assert_eq!(Place::of(host, 8_000).unwrap().http(), base);
        }
        assert!(Place::of("127.0.0.1", 0).is_err());
    }

    #[test]
    fn only_this_machine_is_reached_without_the_proxies_of_the_environment() {
        let environment = |name: &str| (name == "HTTPS_PROXY").then(|| "http://proxy:1".to_owned());
        let rules = ProxyRules::with_env(None, environment).unwrap();
        let goes_direct = |place: &str, is_explicit| {
            let place = Place::parse(place).unwrap();
            let rules = place.proxies(&rules, is_explicit);
            let direct = |url: String| rules.for_url(&url.parse().unwrap()).is_none();
            assert_eq!(direct(place.ws()), direct(place.http().to_owned()));
            direct(place.ws())
        };
        for loopback in [
            "http://127.0.0.1:8000",
            "LOCALHOST:1",
            "http://[::1]:8000",
            "http://127.9.9.9",
        ] {
            assert!(goes_direct(loopback, false), "{loopback}");
            assert!(!goes_direct(loopback, true), "{loopback}");
        }
        for elsewhere in [
            "http://10.0.0.1:8000",
            "localhost.evil.example",
            "https://127.0.0.1.example",
        ] {
            assert!(!goes_direct(elsewhere, false), "{elsewhere}");
        }
    }
}
