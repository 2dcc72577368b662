//! Names in the Host and Origin headers.

use std::net::{IpAddr, Ipv6Addr};

/// A machine as it is called: lower case, without brackets, an IPv4 address in IPv6 as itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Address(IpAddr),
    Domain(String),
}

impl Name {
    /// A bare name or address, as it stands in the configuration. `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches(['[', ']']).to_ascii_lowercase();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical()));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        (!text.is_empty() && text.len() <= 253 && text.chars().all(fits))
            .then_some(Self::Domain(text))
    }

    /// This machine to itself, whatever the resolver says.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Domain(domain) => domain == "localhost",
        }
    }
}

/// `host[:port]`, as a Host header or an Origin has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub name: Name,
    pub port: Option<u16>,
}

impl Authority {
    pub fn parse(text: &str) -> Option<Self> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']')?;
                host.parse::<Ipv6Addr>().ok()?;
                (host, rest)
            }
            None => {
                let split = text.find(':').unwrap_or(text.len());
                text.split_at(split)
            }
        };
        let port = match rest {
            "" => None,
            port => Some(digits(port.strip_prefix(':')?)?),
        };
        let bare = !host.contains(['[', ']']);
        let name = Name::parse(host).filter(|_| bare)?;
        Some(Self { name, port })
    }
}

/// A port, and no `+80`, which Rust would read.
fn digits(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// Where a page comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    name: Name,
    port: Option<u16>,
}

impl Origin {
    /// `scheme://host[:port]` and nothing behind it. `null` is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        if scheme.is_empty() || !scheme.chars().all(fits) {
            return None;
        }
        let Authority { name, port } = Authority::parse(authority)?;
        let scheme = scheme.to_ascii_lowercase();
        let port = port.or(match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        });
        Some(Self { scheme, name, port })
    }

    /// Of the pages that this server itself gives out under that name.
    pub fn of_host(host: &Authority) -> Self {
        Self {
            scheme: "http".into(),
            name: host.name.clone(),
            port: Some(host.port.unwrap_or(80)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(text: &str) -> Option<(String, Option<u16>)> {
        let Authority { name, port } = Authority::parse(text)?;
        let name = match name {
            Name::Address(address) => address.to_string(),
            Name::Domain(domain) => domain,
        };
        Some((name, port))
    }

    #[test]
    fn hosts_are_read_as_browsers_and_programs_write_them() {
        let cases = [
            ("localhost", Some(("localhost", None))),
            ("LOCALHOST:8000", Some(("localhost", Some(8_000)))),
            ("127.0.0.1:80", Some(("127.0.0.1", Some(80)))),
            ("[::1]", Some(("::1", None))),
            ("[::1]:8000", Some(("::1", Some(8_000)))),
            ("[::FFFF:127.0.0.1]:1", Some(("127.0.0.1", Some(1)))),
            ("", None),
            (":8000", None),
            ("localhost:", None),
            ("localhost:+80", None),
            ("localhost:65536", None),
            ("localhost:8000:8000", None),
            ("::1", None),
            ("[localhost]", None),
            ("[::1", None),
            ("[::1]x", None),
            ("local host", None),
            ("user@localhost", None),
            ("localhost/", None),
            ("löcalhost", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(name, port): (&str, _)| (name.to_owned(), port));
            assert_eq!(authority(text), expected, "{text}");
        }
    }

    #[test]
    fn addresses_in_forms_that_only_resolvers_know_are_not_loopback() {
        for text in ["127.1", "0x7f000001", "2130706433", "localhost.", "0.0.0.0"] {
            let name = Name::parse(text).unwrap();
            assert!(!name.is_loopback(), "{text}");
        }
    }

    #[test]
    fn origins_are_equal_whatever_their_case_and_with_the_port_of_their_scheme() {
        let origin = Origin::parse;
        assert_eq!(origin("HTTP://LocalHost"), origin("http://localhost:80"));
        assert_eq!(origin("https://a.test"), origin("https://a.test:443"));
        assert_ne!(origin("http://a.test"), origin("https://a.test"));
        for text in [
            "null",
            "",
            "localhost",
            "://a",
            "http://a/",
            "http://a b",
            "http://a,http://b",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }
}
