//! JSON pointers (RFC 6901) into text that stays text: numbers keep their digits.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A way to a value inside of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// `None`: it does not begin with a slash.
    pub fn parse(text: &str) -> Option<Self> {
        let steps = text.strip_prefix('/')?.split('/');
        let unescaped = steps.map(|step| step.replace("~1", "/").replace("~0", "~"));
        Some(Self(unescaped.collect()))
    }

    /// What is there. `None`: nothing, or a way through something that is no object and no array.
    pub fn find<'a>(&self, text: &'a RawValue) -> Option<&'a RawValue> {
        self.0.iter().try_fold(text, |at, step| child(at, step))
    }
}

fn child<'a>(of: &'a RawValue, step: &str) -> Option<&'a RawValue> {
    let mut deserializer = serde_json::Deserializer::from_str(of.get());
    match of.get().as_bytes().first()? {
        b'{' => Member(step).deserialize(&mut deserializer).ok()?,
        // No sign, no leading zeros: `parse` takes both.
        b'[' if step == "0" || step.starts_with(|c: char| ('1'..='9').contains(&c)) => {
            Element(step.parse().ok()?)
                .deserialize(&mut deserializer)
                .ok()?
        }
        _ => None,
    }
}

/// The elements of an array. `None`: it is none.
pub fn elements(text: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text.get()).ok()
}

struct Member<'s>(&'s str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Key(name)) = map.next_key()? {
            if name == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

struct Element(usize);

impl<'de> DeserializeSeed<'de> for Element {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Element {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        for place in 0.. {
            if place == self.0 {
                found = array.next_element()?;
            } else if array.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(text: &'a str, pointer: &str) -> Option<&'a str> {
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        Pointer::parse(pointer)
            .unwrap()
            .find(raw)
            .map(RawValue::get)
    }

    #[test]
    fn digits_are_found_as_they_stand() {
        let text = r#"{"data":[{"p":"1.50"},{"p":67234.100000000000000001}],"a/b":{"m~n":1e-8}}"#;
        assert_eq!(find(text, "/data/0/p"), Some("\"1.50\""));
        assert_eq!(find(text, "/data/1/p"), Some("67234.100000000000000001"));
        assert_eq!(find(text, "/a~1b/m~0n"), Some("1e-8"));
        assert_eq!(find(r#"{"\u0061":1}"#, "/a"), Some("1"));
        assert_eq!(find("[[7]]", "/0/0"), Some("7"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let text = r#"{"data":[1],"text":"x"}"#;
        for pointer in [
            "/none",
            "/data/1",
            "/data/01",
            "/data/-",
            "/data/+0",
            "/data/x",
            "/text/0",
            "/data/99999999999999999999999",
        ] {
            assert_eq!(find(text, pointer), None, "{pointer}");
        }
        assert_eq!(Pointer::parse("data"), None);
    }
}
