//! What an action is told.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One firing of an alert rule: the fields of its event, for actions that want one of them, and the whole.
///
/// Shape: text as the event has it, prices with exactly the digits that the exchange sent.
/// Source: the `alert` event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// The same whenever this firing is delivered again: receivers know duplicates by it.
    pub id: String,
    /// The rule's; empty where it has none.
    pub name: String,
    /// Empty where the event names none.
    pub exchange: String,
    /// `BASE/QUOTE`; empty where the event names none.
    pub symbol: String,
    /// As it was written, never through a float; `None` where it is not known.
    pub price: Option<String>,
    /// The expression that became true.
    pub condition: String,
    /// What the alert says.
    pub message: String,
    /// RFC 3339, UTC: of the value that fired.
    pub timestamp: String,
    /// The event, on one line without its end.
    pub json: String,
}

#[derive(Deserialize)]
struct Line<'a> {
    r#type: String,
    id: String,
    name: Option<String>,
    exchange: Option<String>,
    symbol: Option<String>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
    condition: String,
    message: Option<String>,
    timestamp: Option<String>,
}

impl Firing {
    /// Reads an `alert` event back from its line.
    ///
    /// Errors: why the text is no such line.
    pub fn from_json(line: &str) -> Result<Firing, String> {
        let json = line.trim();
        if json.contains(['\n', '\r']) {
            return Err("not an alert: more than one line".into());
        }
        let event: Line<'_> =
            serde_json::from_str(json).map_err(|error| format!("not an alert: {error}"))?;
        if event.r#type != "alert" {
            return Err(format!(
                "not an alert but an event of type {:?}",
                event.r#type
            ));
        }
        let price = event.price.map(RawValue::get);
        if let Some(price) = price
            && !price.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        {
            return Err("not an alert: the price is not a number".into());
        }
        Ok(Firing {
            id: event.id,
            name: event.name.unwrap_or_default(),
            exchange: event.exchange.unwrap_or_default(),
            symbol: event.symbol.unwrap_or_default(),
            price: price.map(str::to_owned),
            condition: event.condition,
            message: event.message.unwrap_or_default(),
            timestamp: event.timestamp.unwrap_or_default(),
            json: json.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"type":"alert","id":"7","name":null,"exchange":"kraken","symbol":"BTC/USD","condition":"price > 5","message":"say \"hi\"\n","price":50000.10,"values":{"a":1.0},"timestamp":"2026-01-01T00:00:00.000000Z","evaluated_at":"2026-01-01T00:00:01.000000Z","later":[1]}"#;

    #[test]
    fn an_event_reads_back_with_the_digits_of_its_price() {
        let firing = Firing::from_json(&format!("{LINE}\n")).unwrap();
        assert_eq!(firing.price.as_deref(), Some("50000.10"));
        assert_eq!((&*firing.id, &*firing.name), ("7", ""));
        assert_eq!((&*firing.exchange, &*firing.symbol), ("kraken", "BTC/USD"));
        assert_eq!(firing.message, "say \"hi\"\n");
        assert_eq!(firing.timestamp, "2026-01-01T00:00:00.000000Z");
        assert_eq!(firing.json, LINE);
        let unknown = LINE.replace("50000.10", "null");
        assert_eq!(Firing::from_json(&unknown).unwrap().price, None);
    }

    #[test]
    fn what_is_no_alert_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            &LINE[..LINE.len() - 1],
            &LINE.replace("\"alert\"", "\"trade\""),
            &LINE.replace("50000.10", "\"50000.10\""),
            &LINE.replace("50000.10", "{\"a\":1}"),
            &LINE.replace(",\"id\"", ",\n\"id\""),
        ] {
            assert!(Firing::from_json(text).is_err(), "{text}");
        }
    }
}
