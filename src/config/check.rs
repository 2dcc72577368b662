//! What a value may be: from a value as it was written to one that is safe to use.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Rate;
use super::error::Problem;
use super::schema::{Key, Source};
use super::text::{quote, redact_url};
use crate::duration;
use crate::model::{Decimal, Interval, parse_decimal};

/// A value as it was written, in the file or in a variable.
pub(super) enum Raw {
    Text(String),
    Integer(i128),
    /// With the digits that were written.
    Number(String),
    Bool(bool),
    Time(String),
    List(Vec<Raw>),
    Table,
}

/// A value that passed its check.
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    Duration(Duration),
    Integer(u64),
    Number(f64),
    Decimal(Decimal),
    Bool(bool),
    Rate(Rate),
    /// Nanoseconds since 1970, UTC.
    Instant(i64),
    /// The file that holds a secret.
    File(PathBuf),
    /// Right, and read by nothing yet.
    Checked,
}

/// The type of a key's value.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A provider, action or strategy.
    Name,
    Names,
    OneOf(&'static [&'static str]),
    Text,
    Strings,
    /// A program and its arguments.
    Command,
    Bool,
    Integer(u64, u64),
    Number(f64, f64),
    Decimal,
    Duration(Duration, Duration),
    /// With one of these two schemes.
    Url(&'static str, &'static str),
    /// An http(s) address that paths are appended to.
    Base,
    Host,
    Asset,
    /// A header's value.
    Header,
    /// Anything that is one value; kept as text.
    Scalar,
    Instant,
    Rate,
    /// A number, or a percentage as text.
    Margin,
    /// The length of a candle.
    Interval,
    /// `3/1d`.
    Fires,
    /// An address or the name of an action.
    Webhook,
    /// `BASE/QUOTE`.
    Symbol,
    Symbols,
    /// A JSON pointer (RFC 6901) to something inside of a message.
    Pointer,
    /// One text or a list of them.
    Texts,
}

impl Kind {
    /// Errors: what was expected and what came instead; a secret is not repeated.
    pub fn check(self, raw: &Raw, secret: bool) -> Result<Value, Problem> {
        self.read(raw).ok_or_else(|| {
            let got = self.describe(raw, secret);
            let problem = Problem::new(format!("expected {}, got {got}", self.expectation()));
            match (self, raw) {
                (Self::Names | Self::Strings | Self::Command, Raw::Text(text)) if !secret => {
                    problem.hint(format!("write [\"{}\"]", text.escape_debug()))
                }
                (Self::OneOf(names), Raw::Text(text)) => problem.hint(
                    super::text::nearest(&text.to_lowercase(), names.iter().copied())
                        .map(|near| format!("did you mean `{near}`?")),
                ),
                (Self::Name, Raw::Text(text)) if is_name(&text.trim().to_lowercase()) => {
                    problem.hint(format!("did you mean `{}`?", text.trim().to_lowercase()))
                }
                _ => problem,
            }
        })
    }

    fn read(self, raw: &Raw) -> Option<Value> {
        match (self, raw) {
            (Self::Bool, Raw::Bool(yes)) => Some(Value::Bool(*yes)),
            (Self::Command, Raw::List(items)) if !items.first().is_some_and(Raw::is_word) => None,
            (Self::Texts, Raw::Text(text)) => Some(Value::List(vec![Self::Text.word(text)?])),
            (
                Self::Strings | Self::Names | Self::Command | Self::Symbols | Self::Texts,
                Raw::List(items),
            ) => {
                let items = items.iter().map(|item| self.item(item));
                Some(Value::List(items.collect::<Option<_>>()?))
            }
            (Self::Integer(min, max), Raw::Integer(n)) => {
                let n = u64::try_from(*n).ok()?;
                (min..=max).contains(&n).then_some(Value::Integer(n))
            }
            (Self::Number(min, max), Raw::Integer(_) | Raw::Number(_)) => {
                let n = raw.number()?;
                (min..=max).contains(&n).then_some(Value::Number(n))
            }
            (Self::Rate, Raw::Text(text)) if text == "max" => Some(Value::Rate(Rate::Max)),
            (Self::Rate, Raw::Integer(_) | Raw::Number(_)) => {
                let n = raw.number()?;
                let fine = (MIN_RATE..=MAX_RATE).contains(&n);
                fine.then_some(Value::Rate(Rate::PerSecond(n)))
            }
            (Self::Instant, Raw::Text(text) | Raw::Time(text)) => instant(text).map(Value::Instant),
            (Self::Duration(min, max), _) => {
                let length = duration::parse(&raw.scalar()?).ok()?;
                (min..=max)
                    .contains(&length)
                    .then_some(Value::Duration(length))
            }
            (Self::Scalar, _) => raw.scalar().map(Value::Text),
            (Self::Decimal, _) => {
                let amount = decimal(&raw.scalar()?)?;
                (!amount.is_sign_negative()).then_some(Value::Decimal(amount))
            }
            (Self::Margin, _) => {
                let text = raw.scalar()?;
                let margin = decimal(text.strip_suffix('%').unwrap_or(&text).trim())?;
                (!margin.is_sign_negative()).then_some(Value::Text(text))
            }
            (Self::Fires, _) => {
                let text = raw.scalar()?;
                let (count, time) = text.split_once('/')?;
                let count: u32 = count.trim().parse().ok()?;
                let time = duration::parse(time).ok()?;
                (count > 0 && !time.is_zero()).then_some(Value::Text(text))
            }
            (_, Raw::Text(text)) => self.word(text).map(Value::Text),
            _ => None,
        }
    }

    /// The kinds that are one string.
    fn word(self, text: &str) -> Option<String> {
        let fine = match self {
            Self::Name => is_name(text),
            Self::OneOf(names) => names.contains(&text),
            Self::Text => !text.trim().is_empty() && !text.contains('\0'),
            Self::Host => {
                !text.is_empty()
                    && !text.contains(|c: char| c.is_whitespace() || "/@?#".contains(c))
            }
            Self::Asset => is_asset(text),
            Self::Header => !text.is_empty() && HeaderValue::from_str(text).is_ok(),
            Self::Interval => Interval::named(text).is_some(),
            Self::Symbol => is_symbol(text),
            Self::Pointer => is_pointer(text),
            Self::Webhook => is_name(text) || is_url(text, "http", "https"),
            Self::Url(plain, tls) => is_url(text, plain, tls),
            Self::Base => is_url(text, "http", "https") && !text.contains(['?', '#']),
            _ => false,
        };
        // REST paths start with a slash: `https://host/` must not give `https://host//api`.
        let text = match self {
            Self::Base => text.trim_end_matches('/'),
            _ => text,
        };
        fine.then(|| text.to_owned())
    }

    fn item(self, raw: &Raw) -> Option<String> {
        match (self, raw) {
            (Self::Names, Raw::Text(text)) => Self::Name.word(text),
            (Self::Symbols, Raw::Text(text)) => Self::Symbol.word(text),
            (Self::Command, Raw::Text(text)) => (!text.contains('\0')).then(|| text.clone()),
            (_, Raw::Text(text)) => Self::Text.word(text),
            _ => None,
        }
    }

    fn expectation(self) -> String {
        let word = match self {
            Self::Name => "a name (a-z, 0-9, `-`, `_`)",
            Self::Names => "a list of names (a-z, 0-9, `-`, `_`)",
            Self::OneOf(names) => return format!("one of {}", names.join(", ")),
            Self::Text => "a string that is not empty",
            Self::Strings => "a list of strings that are not empty",
            Self::Command => "a list of strings: a program and its arguments",
            Self::Bool => "true or false",
            Self::Integer(min, max) => return format!("an integer from {min} to {max}"),
            Self::Number(min, max) => return format!("a number from {min} to {max}"),
            Self::Decimal => "a decimal number, not negative",
            Self::Duration(min, max) => {
                let (min, max) = (duration::format(min), duration::format(max));
                return format!("a duration from {min} to {max} (500ms, 90s, 15m, 1h)");
            }
            Self::Url(plain, tls) => return format!("an address with {plain}:// or {tls}://"),
            Self::Base => "an address with http:// or https:// and without query",
            Self::Host => "a host name or address",
            Self::Asset => "an asset such as `USD`",
            Self::Header => "a string that can stand in an HTTP header",
            Self::Scalar => "a string, number or boolean",
            Self::Instant => "a time such as 2026-01-31T12:00:00Z",
            Self::Rate => "a number from 0.001 to 10000000 or \"max\"",
            Self::Margin => "a number or a percentage such as \"0.5%\", not negative",
            Self::Fires => "a count and a time such as \"3/1d\"",
            Self::Webhook => "an address with http:// or https://, or the name of an action",
            Self::Interval => {
                let all = Interval::ALL.map(Interval::name);
                return format!("an interval ({})", all.join(" "));
            }
            Self::Symbol => "a symbol such as `BTC/USD`",
            Self::Symbols => "a list of symbols such as `BTC/USD`",
            Self::Pointer => "a JSON pointer such as `/data/0/price`",
            Self::Texts => "a string that is not empty, or a list of such",
        };
        word.to_owned()
    }

    fn describe(self, raw: &Raw, secret: bool) -> String {
        match raw {
            Raw::Text(text) if text.is_empty() => "an empty string".into(),
            Raw::Text(_) | Raw::Integer(_) | Raw::Number(_) | Raw::Time(_) if secret => {
                "another value".into()
            }
            Raw::Text(text) if matches!(self, Self::Url(..) | Self::Base) => {
                let shown = redact_url(text);
                let cut = if shown == *text { "" } else { "…" };
                format!("the string {}", quote(&(shown + cut)))
            }
            Raw::Text(text) => format!("the string {}", quote(text)),
            Raw::Integer(n) => format!("the integer {n}"),
            Raw::Number(n) => format!("the number {n}"),
            Raw::Bool(yes) => format!("the boolean {yes}"),
            Raw::Time(time) => format!("the time {time}"),
            Raw::List(items) if items.is_empty() => "an empty list".into(),
            Raw::List(items) => match items.iter().find(|item| self.item(item).is_none()) {
                Some(item)
                    if matches!(
                        self,
                        Self::Names | Self::Strings | Self::Command | Self::Symbols | Self::Texts
                    ) =>
                {
                    format!("a list with {}", self.describe(item, secret))
                }
                _ => "a list".into(),
            },
            Raw::Table => "a table".into(),
        }
    }

    /// What a variable's text is, for this kind; text that does not fit stays text.
    pub fn raw(self, text: String) -> Raw {
        match self {
            Self::Bool if matches!(text.as_str(), "true" | "1") => Raw::Bool(true),
            Self::Bool if matches!(text.as_str(), "false" | "0") => Raw::Bool(false),
            Self::Integer(..) => text.trim().parse().map_or(Raw::Text(text), Raw::Integer),
            Self::Number(..) | Self::Rate if text.trim().parse::<f64>().is_ok() => {
                Raw::Number(text.trim().to_owned())
            }
            Self::Names | Self::Strings | Self::Command => Raw::List(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Raw::Text(item.to_owned()))
                    .collect(),
            ),
            _ => Raw::Text(text),
        }
    }
}

const MIN_RATE: f64 = 0.001;
const MAX_RATE: f64 = 10_000_000.0;

impl Raw {
    fn is_word(&self) -> bool {
        matches!(self, Self::Text(text) if !text.is_empty())
    }

    fn number(&self) -> Option<f64> {
        self.scalar()?.parse().ok()
    }

    fn scalar(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Number(text) | Self::Time(text) => Some(text.clone()),
            Self::Integer(n) => Some(n.to_string()),
            Self::Bool(yes) => Some(yes.to_string()),
            Self::List(_) | Self::Table => None,
        }
    }
}

/// A value, or for `KEY_file` the path of the file that holds it.
pub(super) fn value(key: &Key, raw: &Raw, file: bool) -> Result<Value, Problem> {
    if !file {
        return key.kind.check(raw, key.secret);
    }
    match Kind::Text.check(raw, false)? {
        Value::Text(path) => Ok(Value::File(path.into())),
        _ => Ok(Value::Checked),
    }
}

/// A name that the table leaves open, as it is kept.
pub(super) fn segment(wildcard: &str, name: &str, source: Source) -> Result<String, Problem> {
    let from_variable = source == Source::Environment;
    match wildcard {
        "HEADER" => {
            let spelled = if from_variable {
                name.replace('_', "-")
            } else {
                name.to_owned()
            };
            HeaderName::from_str(&spelled)
                .map(|header| header.as_str().to_owned())
                .map_err(|_| {
                    Problem::new(format!("{} cannot be the name of a header", quote(name)))
                })
        }
        "ASSET" => {
            let asset = name.to_ascii_uppercase();
            if is_asset(&asset) {
                return Ok(asset);
            }
            Err(Problem::new(format!(
                "{} is not an asset such as `BTC`",
                quote(name)
            )))
        }
        "NAME" => {
            let lower = name.to_ascii_lowercase();
            if is_name(name) || (from_variable && is_name(&lower)) {
                return Ok(lower);
            }
            let hint = is_name(&lower).then(|| format!("did you mean `{lower}`?"));
            Err(Problem::new(format!(
                "{} is not a name (a-z, 0-9, `-`, `_`)",
                quote(name)
            ))
            .hint(hint))
        }
        "INDEX" => Err(Problem::new("lists of tables can be set in the file only")),
        _ if name.is_empty() => Err(Problem::new("a key is empty")),
        _ if from_variable => Ok(name.to_ascii_lowercase()),
        _ => Ok(name.to_owned()),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

fn is_asset(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Upper case, so that it is the canonical one as it stands.
fn is_symbol(text: &str) -> bool {
    let is_leg = |leg: &str| {
        (1..=20).contains(&leg.len())
            && leg
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'.')
    };
    text.split_once('/')
        .is_some_and(|(base, quote)| is_leg(base) && is_leg(quote))
}

/// Nobody needs deeper ones, and each step is looked for in every message.
const POINTER_STEPS: usize = 16;

pub(super) fn is_pointer(text: &str) -> bool {
    let escapes = text.match_indices('~').all(|(at, _)| {
        let next = text.as_bytes().get(at + 1);
        matches!(next, Some(b'0' | b'1'))
    });
    let steps = text.matches('/').count();
    text.starts_with('/') && escapes && steps <= POINTER_STEPS && text.len() <= 256
}

fn is_url(text: &str, plain: &str, tls: &str) -> bool {
    // Asked for first: the parser would take `https:host` too.
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    (scheme == plain || scheme == tls)
        && !text.contains(char::is_whitespace)
        && reqwest::Url::parse(text).is_ok_and(|url| url.has_host())
}

/// TOML allows a plus, which the exchanges' numbers never have.
fn decimal(text: &str) -> Option<Decimal> {
    parse_decimal(text.strip_prefix('+').unwrap_or(text)).ok()
}

fn instant(text: &str) -> Option<i64> {
    let time = Timestamp::from_str(text).ok().or_else(|| {
        let date = Date::from_str(text).ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    i64::try_from(time.as_nanosecond()).ok()
}
