//! The body of a webhook with `{{field}}` placeholders.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::firing::Firing;

/// The placeholders, besides `values.KEY`.
const FIELDS: [&str; 10] = [
    "id",
    "name",
    "exchange",
    "symbol",
    "price",
    "condition",
    "message",
    "timestamp",
    "evaluated_at",
    "json",
];

/// A text with placeholders, checked when the configuration is read.
///
/// A template that is JSON stays JSON whatever the fields hold: inside its strings they are escaped, outside
/// of them only numbers and whole JSON values may stand. Any other one is plain text, in which control
/// characters of the fields become spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    json: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field {
        /// One of [`FIELDS`], or `values.KEY`.
        name: String,
        /// It stands inside a string, if the template is JSON.
        quoted: bool,
    },
}

impl Template {
    /// Errors: a sentence that names the placeholder, and what would be right.
    pub fn parse(text: &str) -> Result<Template, String> {
        let parts = split(text)?;
        let sample: String = parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text,
                // No escape takes an `x`, and nothing can be stuck to a `null`.
                Part::Field { quoted: true, .. } => "x",
                Part::Field { quoted: false, .. } => "null",
            })
            .collect();
        let parsed = serde_json::from_str::<&RawValue>(&sample);
        let start = text.trim_start();
        let json = match parsed {
            // A bare placeholder or number is rather a line of text.
            Ok(_) => start.starts_with(['{', '[', '"']) && !start.starts_with("{{"),
            // Sent as text it could be broken, or worse mended, by what a message holds.
            Err(error) if begins_like_an_object(start) => {
                let why = error.to_string();
                // The place is one in the sample.
                let why = why.split(" at line").next().unwrap_or_default();
                return Err(format!("begins like JSON but is none: {why}"));
            }
            Err(_) => false,
        };
        let json = json || matches!(&parts[..], [Part::Field { name, .. }] if name == "json");
        for part in &parts {
            if let Part::Field { name, quoted } = part
                && json
                && !quoted
                && !is_value(name)
            {
                return Err(format!(
                    "{{{{{name}}}}} must stand in quotes: \"{{{{{name}}}}}\""
                ));
            }
        }
        Ok(Template { parts, json })
    }

    /// What the body is, where no header says otherwise.
    pub fn content_type(&self) -> &'static str {
        match self.json {
            true => "application/json",
            false => "text/plain; charset=utf-8",
        }
    }

    /// The body for this firing. What it does not know is `null`.
    pub fn expand(&self, firing: &Firing) -> String {
        let rest: Rest<'_> = serde_json::from_str(&firing.json).unwrap_or_default();
        let mut body = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => body.push_str(text),
                Part::Field { name, quoted } => {
                    let value = value(name, firing, &rest);
                    match (self.json, quoted, value) {
                        (true, false, Value::Json(json)) => body.push_str(json),
                        // Only values may stand there; this keeps it JSON in any case.
                        (true, false, Value::Text(text)) => {
                            let _ = write!(body, "\"{}\"", escaped(&text));
                        }
                        (true, true, value) => body.push_str(&escaped(&value.text())),
                        (false, _, value) => body.extend(value.text().chars().map(printable)),
                    }
                }
            }
        }
        body
    }
}

fn begins_like_an_object(text: &str) -> bool {
    text.strip_prefix('{')
        .is_some_and(|rest| rest.trim_start().starts_with('"'))
}

/// Cuts at the placeholders, and tells which of them JSON would see inside a string.
fn split(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut quoted = false;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            return Err("`{{` has no `}}`".into());
        };
        quoted = ends_quoted(before, quoted);
        parts.push(Part::Text(before.to_owned()));
        let name = known(name.trim())?.to_owned();
        parts.push(Part::Field { name, quoted });
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    Ok(parts)
}

/// Whether a JSON string is open at the end of `text`, given whether one was at its start.
fn ends_quoted(text: &str, mut quoted: bool) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => {
                chars.next();
            }
            _ => {}
        }
    }
    quoted
}

fn known(name: &str) -> Result<&str, String> {
    let value = name.strip_prefix("values.");
    if FIELDS.contains(&name) || value.is_some_and(|key| !key.is_empty()) {
        return Ok(name);
    }
    let near = FIELDS
        .iter()
        .map(|field| (strsim::damerau_levenshtein(field, name), field))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    let shown: String = name.escape_debug().take(60).collect();
    Err(match near {
        Some((_, field)) => {
            format!("unknown placeholder {{{{{shown}}}}}, did you mean {{{{{field}}}}}?")
        }
        None => format!(
            "unknown placeholder {{{{{shown}}}}} (there are {}, values.KEY)",
            FIELDS.join(", ")
        ),
    })
}

/// Whether a field is a JSON value by itself.
fn is_value(name: &str) -> bool {
    matches!(name, "price" | "json") || name.starts_with("values.")
}

/// The fields that only the whole event has.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Rest<'a> {
    evaluated_at: Option<String>,
    #[serde(borrow)]
    values: HashMap<String, &'a RawValue>,
}

enum Value<'a> {
    Text(std::borrow::Cow<'a, str>),
    /// Valid JSON.
    Json(&'a str),
}

impl Value<'_> {
    /// As it stands in a text: a JSON string without its quotes.
    fn text(&self) -> String {
        match self {
            Value::Text(text) => text.to_string(),
            Value::Json(json) => serde_json::from_str(json).unwrap_or_else(|_| (*json).to_owned()),
        }
    }
}

fn value<'a>(name: &str, firing: &'a Firing, rest: &'a Rest<'a>) -> Value<'a> {
    let text = |text: &'a str| Value::Text(text.into());
    match name {
        "id" => text(&firing.id),
        "name" => text(&firing.name),
        "exchange" => text(&firing.exchange),
        "symbol" => text(&firing.symbol),
        "price" => Value::Json(firing.price.as_deref().unwrap_or("null")),
        "condition" => text(&firing.condition),
        "message" => text(&firing.message),
        "timestamp" => text(&firing.timestamp),
        "evaluated_at" => text(rest.evaluated_at.as_deref().unwrap_or("null")),
        "json" => Value::Json(&firing.json),
        _ => {
            let key = name.strip_prefix("values.").unwrap_or_default();
            Value::Json(rest.values.get(key).map_or("null", |value| value.get()))
        }
    }
}

/// The inside of a JSON string.
fn escaped(text: &str) -> String {
    let mut json = serde_json::Value::from(text).to_string();
    json.pop();
    json.remove(0);
    json
}

fn printable(c: char) -> char {
    match c {
        '\n' => c,
        _ if c.is_control() => ' ',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn firing(message: &str, price: &str) -> Firing {
        let line = serde_json::json!({
            "type": "alert", "id": "i7", "name": "high", "exchange": "kraken", "symbol": "BTC/USD",
            "condition": "price > 5", "message": message, "price": null,
            "values": {"rsi(14, 1h)": 30.5, "word": "a\"b"},
            "timestamp": "2026-01-01T00:00:00Z", "evaluated_at": "2026-01-01T00:00:01Z",
        });
        let line = line.to_string();
        Firing::from_json(&line.replace("\"price\":null", &format!("\"price\":{price}"))).unwrap()
    }

    fn expand(template: &str, firing: &Firing) -> String {
        Template::parse(template).unwrap().expand(firing)
    }

    #[test]
    fn placeholders_become_what_they_name() {
        let firing = firing("up", "50000.10");
        for (template, body) in [
            ("", ""),
            ("no placeholder", "no placeholder"),
            ("{{message}}", "up"),
            (
                "{{ symbol }}: {{price}}\n{{message}}",
                "BTC/USD: 50000.10\nup",
            ),
            (
                "[{{name}}] {{exchange}} {{condition}}",
                "[high] kraken price > 5",
            ),
            (
                "{{id}} {{timestamp}} {{evaluated_at}}",
                "i7 2026-01-01T00:00:00Z 2026-01-01T00:00:01Z",
            ),
            (
                "rsi {{values.rsi(14, 1h)}}, {{values.word}}, {{values.none}}",
                "rsi 30.5, a\"b, null",
            ),
            ("{{json}}", &firing.json),
            (
                r#"{"text":"{{symbol}}: {{message}}"}"#,
                r#"{"text":"BTC/USD: up"}"#,
            ),
            (r#"{"price":{{price}}}"#, r#"{"price":50000.10}"#),
            (r#"{"a":{"b":"{{price}}"}}"#, r#"{"a":{"b":"50000.10"}}"#),
            (
                r#"{"{{symbol}}":[{{values.rsi(14, 1h)}},{{values.word}},{{values.none}}]}"#,
                r#"{"BTC/USD":[30.5,"a\"b",null]}"#,
            ),
            (
                r#"{"event":{{json}}}"#,
                &format!("{{\"event\":{}}}", firing.json),
            ),
            (r#"{"a":"\"{{message}}\""}"#, r#"{"a":"\"up\""}"#),
            (r#"{"a":"\\","b":"{{message}}"}"#, r#"{"a":"\\","b":"up"}"#),
        ] {
            assert_eq!(expand(template, &firing), body, "{template}");
        }
    }

    #[test]
    fn a_price_that_is_not_known_is_null() {
        let firing = firing("up", "null");
        assert_eq!(
            expand(r#"{"price":{{price}}}"#, &firing),
            r#"{"price":null}"#
        );
        assert_eq!(expand("price {{price}}", &firing), "price null");
    }

    #[test]
    fn a_template_is_json_or_plain_text() {
        let json = [
            r#"{"text":"{{message}}"}"#,
            r#" [{{price}}] "#,
            r#""{{message}}""#,
            "{{json}}",
            "{}",
        ];
        let text = [
            "{{message}}",
            "{{price}}",
            "5",
            "[{{name}}] up",
            "a {b}",
            "{b} a",
            "\"{{name}}\" is up",
            "",
        ];
        for template in json {
            let parsed = Template::parse(template).unwrap();
            assert_eq!(parsed.content_type(), "application/json", "{template}");
        }
        for template in text {
            let parsed = Template::parse(template).unwrap();
            assert_eq!(
                parsed.content_type(),
                "text/plain; charset=utf-8",
                "{template}"
            );
        }
    }

    #[test]
    fn wrong_templates_are_named_with_what_would_be_right() {
        for (template, error) in [
            (
                "{{mesage}}",
                "unknown placeholder {{mesage}}, did you mean {{message}}?",
            ),
            (
                "{{volume}}",
                "unknown placeholder {{volume}} (there are id, name, exchange, symbol, price, \
                condition, message, timestamp, evaluated_at, json, values.KEY)",
            ),
            (
                "{{values.}}",
                "unknown placeholder {{values.}} (there are id, name, exchange, symbol, price, \
                condition, message, timestamp, evaluated_at, json, values.KEY)",
            ),
            ("a {{name", "`{{` has no `}}`"),
            (
                r#"{"text":{{message}}}"#,
                r#"{{message}} must stand in quotes: "{{message}}""#,
            ),
            (
                r#"{"text":"{{message}}",}"#,
                "begins like JSON but is none: key must be a string",
            ),
            (
                r#"{"a":1{{price}}}"#,
                "begins like JSON but is none: expected `,` or `}`",
            ),
        ] {
            assert_eq!(
                Template::parse(template),
                Err(error.to_owned()),
                "{template}"
            );
        }
    }

    #[test]
    fn no_message_leaves_its_string_or_its_line_of_a_header() {
        let evil = "\",\"admin\":true,\"x\":\"\\\r\nSet-Cookie: a\u{0}\u{1b}[2J{{json}}";
        let firing = firing(evil, "1");
        let body = expand(r#"{"text":"{{message}}"}"#, &firing);
        let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(parsed, serde_json::json!({"text": evil}));
        let body = expand("{{message}}", &firing);
        assert_eq!(
            body,
            "\",\"admin\":true,\"x\":\"\\ \nSet-Cookie: a  [2J{{json}}"
        );
    }

    proptest! {
        #[test]
        fn json_stays_json_and_gives_the_message_back(message in any::<String>()) {
            let body = expand(r#"{"a":"<{{message}}>","b":[{{price}},{{json}}]}"#, &firing(&message, "-0.10"));
            let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(&parsed["a"], &format!("<{message}>"));
            prop_assert_eq!(&parsed["b"][1]["message"], &message);
        }

        #[test]
        fn no_template_panics(text in r#"([{}"\\\[\],: ]|\{\{(price|message|json)\}\}|a|1){0,20}"#) {
            if let Ok(template) = Template::parse(&text) {
                let body = template.expand(&firing("\"", "1"));
                if template.content_type() == "application/json" {
                    prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{}", body);
                }
            }
        }
    }
}
