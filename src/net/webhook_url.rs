//! Where a webhook goes.

use std::fmt;

use super::guard;

/// The address of a webhook, which is a secret: whoever knows it can post there.
///
/// Invariants: `http` or `https`; not, as far as its text tells, a link-local address or a metadata service,
/// however it is spelled. `Debug` and `Display` show `scheme://host:port` only.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(reqwest::Url);

impl WebhookUrl {
    /// Errors: a sentence that holds no more of the text than its host.
    pub fn parse(text: &str) -> Result<WebhookUrl, String> {
        let wrong = || "not an address with http:// or https://".to_owned();
        // The parser drops or mends white space, which nobody writes on purpose.
        if text.contains(char::is_whitespace) {
            return Err(wrong());
        }
        let url = reqwest::Url::parse(text).map_err(|_| wrong())?;
        let host = match (url.scheme(), url.host_str()) {
            ("http" | "https", Some(host)) => host,
            _ => return Err(wrong()),
        };
        guard::check_host(host).map_err(|what| refusal(host, what))?;
        Ok(WebhookUrl(url))
    }

    /// The whole address: for requests, never to be shown.
    pub(super) fn url(&self) -> &reqwest::Url {
        &self.0
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self})")
    }
}

/// Why a webhook may not go there.
pub(super) fn refusal(host: &str, what: &str) -> String {
    format!("{host} is {what}, which no webhook may reach")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_and_host_are_ever_shown() {
        for (text, shown) in [
            (
                "https://user:hush@host.test/hush?hush#hush",
                "https://host.test",
            ),
            ("http://hush@127.0.0.1:8080/hush", "http://127.0.0.1:8080"),
            ("https://[::1]:443/hush", "https://[::1]"),
        ] {
            let url = WebhookUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?} {url:#?}").contains("hush"));
        }
        for text in [
            "ftp://hush",
            "hush",
            "https://",
            "https:// hush/",
            "file:///hush",
            "gopher://hush",
        ] {
            let error = WebhookUrl::parse(text).unwrap_err();
            assert_eq!(error, "not an address with http:// or https://", "{text}");
        }
    }

    #[test]
    fn a_refused_address_is_caught_in_every_spelling_that_a_url_allows() {
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0xA9.0xFE.0xA9.0xFE",
            "0251.0376.0251.0376",
            "169.254.43518",
            "169.16689662",
            "169.254.169.254.",
            "user:pass@169.254.169.254",
            "169.254.169.254:8080",
            "%31%36%39.254.169.254",
            "１６９.254.169.254",
            "169。254。169。254",
            "[::ffff:a9fe:a9fe]",
            "[0:0:0:0:0:ffff:169.254.169.254]",
            "[fe80::1]",
            "0",
            "0.0.0.0",
            "[::]",
            "METADATA.google.INTERNAL",
            "metadata.google.internal.",
        ] {
            let error = WebhookUrl::parse(&format!("http://{host}/hush")).unwrap_err();
            assert!(
                error.ends_with(", which no webhook may reach"),
                "{host}: {error}"
            );
            assert!(
                !error.contains("hush") && !error.contains("pass"),
                "{error}"
            );
        }
    }
}
