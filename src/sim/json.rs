//! Writing JSON in a chosen key order, with numbers whose digits are kept.
use std::fmt::{Display, Write as _};

/// A JSON object under construction.
pub(super) struct Object(String);

impl Object {
    pub fn new() -> Self {
        Self(String::from("{"))
    }

    /// A member whose value is a JSON string.
    pub fn str(self, key: &str, value: impl Display) -> Self {
        let value = quoted(&value.to_string());
        self.raw(key, value)
    }

    /// A member whose value is JSON already: a number, `true`, another object.
    pub fn raw(mut self, key: &str, value: impl Display) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        // writing to a String cannot fail
        let _ = write!(self.0, "\"{key}\":{value}");
        self
    }

    /// Like [`Object::raw`], or nothing.
    pub fn maybe_raw(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.raw(key, value),
            None => self,
        }
    }

    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A JSON array of values that are JSON already.
pub(super) fn array<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut text = String::from("[");
    for (index, item) in items.into_iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(text, "{comma}{item}");
    }
    text.push(']');
    text
}
