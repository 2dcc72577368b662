//! Valuations as JSON, and their totals by name.

use std::borrow::Cow;

use crate::model::{Decimal, Value, write_decimal, write_json_string, yes_no};

use super::value::{Gain, Valuation, Valued};

/// The totals that can be asked for by name, in the order of the JSON form.
pub const FIELDS: [&str; 8] = [
    "quote",
    "total_value",
    "total_change_24h",
    "total_change_percent_24h",
    "total_cost",
    "total_profit",
    "total_profit_percent",
    "partial",
];

impl Valuation {
    /// A total, by one of the names in [`FIELDS`].
    pub fn field(&self, name: &str) -> Option<Value> {
        let number = |number: Option<Decimal>| number.map_or(Value::Null, Value::Number);
        Some(match name {
            "quote" => Value::Text(Cow::Owned(self.quote.clone())),
            "total_value" => number(self.total_value),
            "total_change_24h" => number(self.total_change_24h),
            "total_change_percent_24h" => number(self.total_change_percent_24h),
            "total_cost" => number(self.gain.map(|gain| gain.cost)),
            "total_profit" => number(self.gain.and_then(|gain| gain.profit)),
            "total_profit_percent" => number(self.gain.and_then(|gain| gain.profit_percent)),
            "partial" => Value::YesNo(self.partial),
            _ => return None,
        })
    }

    /// Appends it as one JSON object: the data of a `portfolio_update`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        self.write_members(out);
        out.push(b'}');
    }

    /// Appends the members of that object, without its braces.
    pub fn write_members(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"quote\":");
        write_json_string(&self.quote, out);
        number("total_value", self.total_value, out);
        number("total_change_24h", self.total_change_24h, out);
        number(
            "total_change_percent_24h",
            self.total_change_percent_24h,
            out,
        );
        if let Some(gain) = &self.gain {
            write_gain("total_", gain, out);
        }
        out.extend_from_slice(b",\"partial\":");
        out.extend_from_slice(yes_no(self.partial));
        out.extend_from_slice(b",\"holdings\":[");
        for (n, holding) in self.holdings.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            holding.write_json(out);
        }
        out.push(b']');
    }
}

impl Valued {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"symbol\":");
        write_json_string(&self.symbol, out);
        number("amount", Some(self.amount), out);
        text("pair", self.pair.map(|market| market.symbol()), out);
        text("via", self.via, out);
        number("price", self.price, out);
        number("value", self.value, out);
        number("change_24h", self.change_24h, out);
        number("change_percent_24h", self.change_percent_24h, out);
        if let Some(gain) = &self.gain {
            write_gain("", gain, out);
        }
        if let Some(why) = self.unpriced {
            text("unpriced", Some(why.name()), out);
        }
        out.push(b'}');
    }
}

fn write_gain(of: &str, gain: &Gain, out: &mut Vec<u8>) {
    number(&format!("{of}cost"), Some(gain.cost), out);
    number(&format!("{of}profit"), gain.profit, out);
    number(&format!("{of}profit_percent"), gain.profit_percent, out);
}

fn key(name: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write_json_string(name, out);
    out.push(b':');
}

fn number(name: &str, number: Option<Decimal>, out: &mut Vec<u8>) {
    key(name, out);
    match number {
        Some(number) => write_decimal(number, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn text(name: &str, text: Option<&str>, out: &mut Vec<u8>) {
    key(name, out);
    match text {
        Some(text) => write_json_string(text, out),
        None => out.extend_from_slice(b"null"),
    }
}
