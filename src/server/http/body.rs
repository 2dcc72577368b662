//! JSON that clients send: read member by member, so that a refusal names the one that is wrong, and a number stays
//! the digits that were sent.

use std::fmt;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::duration;
use crate::model::parse_decimal;
use crate::server::error::ApiError;

/// The members of an object, as they were sent. A member that is not taken is one too many.
#[derive(Debug)]
pub struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// Reads an object.
    ///
    /// Errors: 400, it is none, or has a member twice.
    pub fn parse(json: &[u8]) -> Result<Self, ApiError> {
        serde_json::from_slice(json).map_err(|error| {
            ApiError::bad_request(format!("the body must be a JSON object: {error}"))
        })
    }

    /// Whether it is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(member, _)| member == name)
    }

    /// Takes a member that need not be there; `null` is as good as not there.
    pub fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        let place = self.0.iter().position(|(member, _)| member == name)?;
        let (_, value) = self.0.swap_remove(place);
        (value.get() != "null").then_some(value)
    }

    /// A text of so many characters at most, on one line.
    pub fn text(&mut self, name: &str, longest: usize) -> Result<Option<String>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let text: String = parsed(&value)
            .ok_or_else(|| ApiError::bad_request(format!("`{name}` must be a text")))?;
        line(name, text, longest).map(Some)
    }

    /// The same, and it must be there.
    pub fn needed_text(&mut self, name: &str, longest: usize) -> Result<String, ApiError> {
        let text = self.text(name, longest)?;
        text.ok_or_else(|| ApiError::bad_request(format!("`{name}` is missing")))
    }

    /// Texts of so many characters at most, and so many of them.
    pub fn texts(
        &mut self,
        name: &str,
        longest: usize,
        most: usize,
    ) -> Result<Vec<String>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(Vec::new());
        };
        let texts: Vec<String> = parsed(&value)
            .ok_or_else(|| ApiError::bad_request(format!("`{name}` must be a list of texts")))?;
        if texts.len() > most {
            let message = format!("`{name}` holds {} entries, {most} are allowed", texts.len());
            return Err(ApiError::bad_request(message));
        }
        let texts = texts.into_iter();
        texts.map(|text| line(name, text, longest)).collect()
    }

    /// A duration: a text such as `15m`, or a number of seconds.
    pub fn duration(&mut self, name: &str) -> Result<Option<Duration>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let text = match number(&value) {
            Some(digits) => digits.to_owned(),
            None => parsed(&value).ok_or_else(|| {
                ApiError::bad_request(format!("`{name}` must be a duration such as \"15m\""))
            })?,
        };
        let text = line(name, text, 32)?;
        let length = duration::parse(&text);
        let length = length.map_err(|why| ApiError::bad_request(format!("`{name}`: {why}")))?;
        Ok(Some(length))
    }

    /// The rest, in the order in which it was sent, for objects whose members have names of the client's choice.
    pub fn rest(self) -> impl Iterator<Item = (String, Box<RawValue>)> {
        self.0.into_iter()
    }

    /// Nothing may be left.
    pub fn end(self, known: &str) -> Result<(), ApiError> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::bad_request(format!(
                "`{}` is not known here: {known}",
                shown(name)
            ))),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Members {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Self::parse(&read(request, state).await?)
    }
}

/// The whole body.
///
/// Errors: 413 where it is too long, 400 where it broke off.
pub(super) async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            let status = rejection.status();
            match status {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    ApiError::new(status, "too_large", "the body is longer than is allowed")
                }
                _ => ApiError::bad_request("the body broke off"),
            }
        })
}

/// The digits of a decimal, sent as a number or as a text.
///
/// Errors: 400, it is none.
pub(super) fn decimal(name: &str, value: &RawValue) -> Result<String, ApiError> {
    let name = shown(name);
    let digits = match number(value) {
        Some(digits) => digits.to_owned(),
        None => parsed(value)
            .ok_or_else(|| ApiError::bad_request(format!("`{name}` must be a number")))?,
    };
    let digits = line(&name, digits, 64)?;
    match parse_decimal(&digits) {
        Ok(_) => Ok(digits),
        Err(why) => Err(ApiError::bad_request(format!("`{name}`: {why}"))),
    }
}

/// A name that a client made up, fit to be repeated.
pub(super) fn shown(name: &str) -> String {
    name.escape_debug().take(64).collect()
}

fn parsed<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    serde_json::from_str(value.get()).ok()
}

fn number(value: &RawValue) -> Option<&str> {
    let text = value.get();
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        .then_some(text)
}

fn line(name: &str, text: String, longest: usize) -> Result<String, ApiError> {
    if text.chars().count() > longest {
        let message = format!("`{name}` is longer than {longest} characters");
        return Err(ApiError::bad_request(message));
    }
    if text.contains(char::is_control) {
        let message = format!("`{name}` holds control characters");
        return Err(ApiError::bad_request(message));
    }
    Ok(text)
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members(Vec::new());
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if members.has(&name) {
                        let twice = format!("`{}` is there twice", shown(&name));
                        return Err(A::Error::custom(twice));
                    }
                    members.0.push((name, value));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(json: &str) -> Members {
        Members::parse(json.as_bytes()).unwrap()
    }

    fn message<T: fmt::Debug>(result: Result<T, ApiError>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        error.message.into_owned()
    }

    #[test]
    fn a_refusal_names_the_member_that_is_wrong() {
        let mut body = members(r#"{"a":5,"b":["x",1],"c":"x\ny","d":"12345","for":true,"e":null}"#);
        assert_eq!(message(body.text("a", 9)), "`a` must be a text");
        assert_eq!(
            message(body.texts("b", 9, 9)),
            "`b` must be a list of texts"
        );
        assert_eq!(message(body.text("c", 9)), "`c` holds control characters");
        assert_eq!(
            message(body.text("d", 4)),
            "`d` is longer than 4 characters"
        );
        assert!(message(body.duration("for")).starts_with("`for` must be a duration"));
        assert_eq!(body.text("e", 9).unwrap(), None);
        assert_eq!(message(body.needed_text("f", 9)), "`f` is missing");
        assert!(body.end("nothing").is_ok());
    }

    #[test]
    fn what_is_no_object_or_has_a_member_twice_is_refused() {
        for json in [
            "",
            "[]",
            "1",
            "{",
            r#"{"a":1}x"#,
            "\u{feff}{}",
            r#"{"a":1,}"#,
        ] {
            let message = message(Members::parse(json.as_bytes()));
            assert!(
                message.starts_with("the body must be a JSON object"),
                "{json}: {message}"
            );
        }
        let twice = message(Members::parse(br#"{"a":1,"\u0061":2}"#));
        assert!(twice.contains("`a` is there twice"), "{twice}");
        let deep = "[".repeat(100_000);
        assert!(Members::parse(format!("{{\"a\":{deep}").as_bytes()).is_err());
    }

    #[test]
    fn a_member_too_many_is_named_without_control_characters() {
        let message = message(members("{\"\\u001b]0;x\":1}").end("only `a`"));
        assert_eq!(message, "`\\u{1b}]0;x` is not known here: only `a`");
    }

    #[test]
    fn decimals_keep_the_digits_that_were_sent() {
        let of = |json: &str| {
            let mut body = members(&format!("{{\"a\":{json}}}"));
            decimal("a", &body.take("a").unwrap())
        };
        assert_eq!(of("2.50").unwrap(), "2.50");
        assert_eq!(of("\"0.10\"").unwrap(), "0.10");
        assert_eq!(
            of("12345678901234567.12345678").unwrap(),
            "12345678901234567.12345678"
        );
        for bad in ["true", "[]", "\"\"", "\"NaN\"", "\"1,5\"", "\"0x10\""] {
            assert!(message(of(bad)).starts_with("`a`"), "{bad}");
        }
    }

    #[test]
    fn durations_are_texts_or_numbers_of_seconds() {
        let mut body = members(r#"{"a":"15m","b":90,"c":"never"}"#);
        assert_eq!(body.duration("a").unwrap(), Some(Duration::from_secs(900)));
        assert_eq!(body.duration("b").unwrap(), Some(Duration::from_secs(90)));
        assert!(message(body.duration("c")).contains("is not a duration"));
        assert_eq!(body.duration("d").unwrap(), None);
    }
}
