//! A rule as it was asked for, and the alert that it gives.

use crate::expression::{Expression, Margin, Reference};
use crate::model::{Market, Price, TimeWriter, Timestamp, Value, write_decimal, write_json_string};

use super::Policy;

/// A condition to watch, when it may fire again, and what it says.
#[derive(Debug, Clone)]
pub struct Rule {
    /// By which it is known, and remembered over runs where that is wanted.
    pub name: Option<String>,
    /// A yes/no.
    pub condition: Expression,
    /// It may fire again once this holds; without it once the condition is false.
    pub rearm: Option<Expression>,
    /// How far the condition must have fallen back by then.
    pub margin: Option<Margin>,
    /// How often, and after how long.
    pub policy: Policy,
    /// What the alert says; without it, one is made of symbol, condition and price.
    pub message: Option<String>,
}

impl Rule {
    /// Everything that its expressions speak of, with repetitions.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        let expressions = std::iter::once(&self.condition).chain(&self.rearm);
        expressions.flat_map(|expression| expression.operands().iter().map(|o| &o.of))
    }

    /// What tells one rule from another of the same name: a memory of the one says nothing of the other.
    pub fn hash(&self, market: Market) -> String {
        // Blanks between words do not make another rule of it.
        let words: Vec<_> = self.condition.text().split_whitespace().collect();
        let text = format!("{market}\n{}", words.join(" "));
        format!("{:016x}", crate::model::fnv1a_64(text.as_bytes()))
    }

    /// The name, else the condition: what notices call it.
    pub fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(self.condition.text())
    }
}

/// One firing, as it is printed, sent and kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The same for every attempt to tell it: whoever receives it twice can know.
    pub id: String,
    /// Of the rule.
    pub name: Option<String>,
    /// Where.
    pub market: Market,
    /// The condition as it was written.
    pub condition: String,
    /// What it says.
    pub message: String,
    /// The last price then.
    pub price: Option<Price>,
    /// The operands of the condition as they were written, with their values then.
    pub values: Vec<(String, Value)>,
    /// When it became true, in the exchange's time.
    pub timestamp: Timestamp,
    /// When that was found out, by our clock.
    pub evaluated_at: Timestamp,
}

impl Alert {
    /// Appends it as one JSON object, without a newline.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut time = TimeWriter::default();
        let text = |key: &str, value: Option<&str>, out: &mut Vec<u8>| {
            out.extend_from_slice(key.as_bytes());
            match value {
                Some(value) => write_json_string(value, out),
                None => out.extend_from_slice(b"null"),
            }
        };
        text("{\"type\":\"alert\",\"id\":", Some(&self.id), out);
        text(",\"name\":", self.name.as_deref(), out);
        text(",\"exchange\":", Some(self.market.exchange().name()), out);
        text(",\"symbol\":", Some(self.market.symbol()), out);
        text(",\"condition\":", Some(&self.condition), out);
        text(",\"message\":", Some(&self.message), out);
        out.extend_from_slice(b",\"price\":");
        match self.price {
            Some(price) => write_decimal(price.decimal(), out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"values\":{");
        for (i, (name, value)) in self.values.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_json_string(name, out);
            out.push(b':');
            write_value(value, &mut time, out);
        }
        out.extend_from_slice(b"},\"timestamp\":\"");
        time.write(self.timestamp, out);
        out.extend_from_slice(b"\",\"evaluated_at\":\"");
        time.write(self.evaluated_at, out);
        out.extend_from_slice(b"\"}");
    }

    /// The same as a text.
    pub fn json(&self) -> String {
        let mut out = Vec::with_capacity(512);
        self.write_json(&mut out);
        String::from_utf8(out).expect("made of strings")
    }
}

fn write_value(value: &Value, time: &mut TimeWriter, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Number(number) => write_decimal(*number, out),
        Value::Text(text) => write_json_string(text, out),
        Value::YesNo(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
        Value::Time(at) => {
            out.push(b'"');
            time.write(*at, out);
            out.push(b'"');
        }
    }
}
