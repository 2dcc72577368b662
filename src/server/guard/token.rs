//! The token: what clients show, in the forms in which they may show it.

use std::fmt;

use ring::digest::{SHA256, digest};
use ring::hmac;
use subtle::ConstantTimeEq;

/// Anything shorter can be guessed.
const SHORTEST: usize = 16;

/// What must be shown. Only digests of it are kept, all of one length, so that comparing tells nothing.
#[derive(Clone)]
pub(super) struct Token {
    digest: [u8; 32],
    /// The value of the cookie. It is not the token: browsers send it to every server of this machine.
    cookie: String,
}

impl Token {
    pub fn new(token: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
        let tag = hmac::sign(&key, b"tickwire dashboard");
        let cookie = tag.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        Self {
            digest: sha256(token.as_bytes()),
            cookie,
        }
    }

    /// Whether this is it, in a time that does not depend on where they differ.
    pub fn is(&self, shown: &[u8]) -> bool {
        sha256(shown).ct_eq(&self.digest).into()
    }

    /// Whether this cookie was set for it.
    pub fn is_of_cookie(&self, shown: &[u8]) -> bool {
        let expected = sha256(self.cookie.as_bytes());
        sha256(shown).ct_eq(&expected).into()
    }

    pub fn cookie(&self) -> &str {
        &self.cookie
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Whether it can serve as one.
///
/// Errors: a sentence that does not show it.
pub(super) fn check(token: &str) -> Result<(), String> {
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("server.token holds characters that a header cannot carry: use letters and digits, `openssl rand -hex 32` makes one".into());
    }
    match token.len() {
        SHORTEST.. => Ok(()),
        length => Err(format!(
            "server.token has {length} characters and needs at least {SHORTEST}: `openssl rand -hex 32` makes one"
        )),
    }
}

/// The value of `token` in the query of an address. `+` is itself there: base64 holds it, a token no spaces.
pub(super) fn of_query(query: &str) -> Option<Vec<u8>> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == "token")?;
    unescape(value.as_bytes())
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            plain.push(first);
            rest = tail;
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
        plain.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &tail[2..];
    }
    Some(plain)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_it() {
        let token = Token::new("0123456789abcdef");
        assert!(token.is(b"0123456789abcdef"));
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789ABCDEF",
        ] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
        assert!(!token.is(token.cookie().as_bytes()));
    }

    #[test]
    fn the_cookie_is_another_text_for_every_token_and_does_not_hold_it() {
        let (one, other) = (
            Token::new("0123456789abcdef"),
            Token::new("0123456789abcdeg"),
        );
        assert!(one.is_of_cookie(one.cookie().as_bytes()));
        assert!(!one.is_of_cookie(other.cookie().as_bytes()));
        assert!(!one.is_of_cookie(b"0123456789abcdef"));
        assert_eq!(one.cookie().len(), 64);
        assert!(!format!("{one:?}").contains(one.cookie()));
    }

    #[test]
    fn tokens_that_are_short_or_cannot_be_sent_are_refused_without_being_shown() {
        assert_eq!(check("0123456789abcdef"), Ok(()));
        for bad in [
            "",
            "swordfish",
            "0123456789 abcdef",
            "0123456789abcdé0",
            "0123456789abcdef\n",
        ] {
            let message = check(bad).unwrap_err();
            assert!(message.contains("openssl rand -hex 32"), "{message}");
            assert!(bad.is_empty() || !message.contains(bad), "{message}");
        }
    }

    #[test]
    fn the_token_of_an_address_is_read_as_it_was_pasted() {
        assert_eq!(of_query("token=a+b/c=="), Some(b"a+b/c==".to_vec()));
        assert_eq!(of_query("x=1&token=a%2Bb"), Some(b"a+b".to_vec()));
        for without in ["", "token", "tokens=1", "token=%", "token=%4", "token=%zz"] {
            assert_eq!(of_query(without), None, "{without}");
        }
    }
}
