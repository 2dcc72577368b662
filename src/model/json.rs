//! Events as JSON lines, written by hand: this is on the path of every tick, and a decimal must leave
//! as the digits it came in.

use super::{
    Candle, Decimal, Event, Field, Gap, Signal, Status, Ticker, TimeWriter, Timestamp, Trade,
    Value, write_decimal,
};

/// Writes events as JSON objects. Keeps the last second's text, so one writer per output.
#[derive(Debug, Clone, Default)]
pub struct JsonWriter {
    time: TimeWriter,
}

impl JsonWriter {
    /// Appends the event as one JSON object, without a newline.
    pub fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Ticker(ticker) => self.ticker(ticker, out),
            Event::Trade(trade) => self.trade(trade, out),
            Event::Candle(candle) => self.candle(candle, out),
            Event::Gap(gap) => self.gap(gap, out),
            Event::Status(status) => self.status(status, out),
            Event::Signal(signal) => self.signal(signal, out),
        }
    }

    /// Appends an object that holds just these fields.
    pub fn write_fields(
        &mut self,
        event: &Event,
        fields: &[Field],
        now: Timestamp,
        out: &mut Vec<u8>,
    ) {
        let values = fields
            .iter()
            .map(|field| (field.name(), field.value(event, now)));
        self.write_values(values, out);
    }

    /// Appends an object of these names and values.
    pub fn write_values<'a>(
        &mut self,
        values: impl IntoIterator<Item = (&'a str, Value)>,
        out: &mut Vec<u8>,
    ) {
        out.push(b'{');
        for (i, (name, value)) in values.into_iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_json_string(name, out);
            out.push(b':');
            match value {
                Value::Null => out.extend_from_slice(b"null"),
                Value::Number(number) => write_decimal(number, out),
                Value::Text(text) => write_json_string(&text, out),
                Value::Time(time) => self.quoted_time(time, out),
                Value::YesNo(answer) => out.extend_from_slice(yes_no(answer)),
            }
        }
        out.push(b'}');
    }

    fn ticker(&mut self, t: &Ticker, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"ticker\",");
        out.extend_from_slice(t.market.json().as_bytes());
        number(b",\"price\":", t.price.map(|p| p.decimal()), out);
        number(b",\"bid\":", t.bid.map(|p| p.decimal()), out);
        number(b",\"bid_size\":", t.bid_size.map(|q| q.decimal()), out);
        number(b",\"ask\":", t.ask.map(|p| p.decimal()), out);
        number(b",\"ask_size\":", t.ask_size.map(|q| q.decimal()), out);
        number(b",\"spread\":", t.spread(), out);
        number(b",\"open_24h\":", t.open_24h.map(|p| p.decimal()), out);
        number(b",\"high_24h\":", t.high_24h.map(|p| p.decimal()), out);
        number(b",\"low_24h\":", t.low_24h.map(|p| p.decimal()), out);
        number(b",\"volume_24h\":", t.volume_24h.map(|q| q.decimal()), out);
        number(
            b",\"quote_volume_24h\":",
            t.quote_volume_24h.map(|q| q.decimal()),
            out,
        );
        number(b",\"change_24h\":", t.change_24h, out);
        number(b",\"change_percent_24h\":", t.change_percent_24h, out);
        self.time(b",\"timestamp\":", t.timestamp, out);
        self.time(b",\"received_at\":", Some(t.received_at), out);
        suspicion(t.suspect, out);
        out.push(b'}');
    }

    fn trade(&mut self, t: &Trade, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"trade\",");
        out.extend_from_slice(t.market.json().as_bytes());
        id(b",\"id\":", Some(t.id), out);
        number(b",\"price\":", Some(t.price.decimal()), out);
        number(b",\"size\":", Some(t.size.decimal()), out);
        word(b",\"side\":\"", t.side.name(), out);
        self.time(b",\"timestamp\":", Some(t.timestamp), out);
        self.time(b",\"received_at\":", Some(t.received_at), out);
        word(b",\"origin\":\"", t.origin.name(), out);
        suspicion(t.suspect, out);
        out.push(b'}');
    }

    fn candle(&mut self, c: &Candle, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"candle\",");
        out.extend_from_slice(c.market.json().as_bytes());
        word(b",\"interval\":\"", c.interval.name(), out);
        self.time(b",\"open_time\":", Some(c.open_time), out);
        self.time(b",\"close_time\":", Some(c.close_time()), out);
        number(b",\"open\":", Some(c.open.decimal()), out);
        number(b",\"high\":", Some(c.high.decimal()), out);
        number(b",\"low\":", Some(c.low.decimal()), out);
        number(b",\"close\":", Some(c.close.decimal()), out);
        number(b",\"volume\":", Some(c.volume.decimal()), out);
        number(
            b",\"quote_volume\":",
            c.quote_volume.map(|q| q.decimal()),
            out,
        );
        number(b",\"trades\":", c.trades.map(Decimal::from), out);
        out.extend_from_slice(b",\"closed\":");
        out.extend_from_slice(yes_no(c.closed));
        out.extend_from_slice(b",\"complete\":");
        out.extend_from_slice(yes_no(c.complete));
        word(b",\"origin\":\"", c.origin.name(), out);
        out.push(b'}');
    }

    fn gap(&mut self, g: &Gap, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"gap\",");
        out.extend_from_slice(g.market.json().as_bytes());
        word(b",\"stream\":\"", g.stream.name(), out);
        if let Some(interval) = g.stream.interval() {
            word(b",\"interval\":\"", interval.name(), out);
        }
        id(b",\"from_id\":", g.from_id, out);
        id(b",\"to_id\":", g.to_id, out);
        self.time(b",\"from\":", g.from, out);
        self.time(b",\"to\":", g.to, out);
        number(b",\"missing\":", g.missing.map(Decimal::from), out);
        number(b",\"recovered\":", Some(Decimal::from(g.recovered)), out);
        word(b",\"state\":\"", g.state.name(), out);
        word(b",\"reason\":\"", g.reason.name(), out);
        out.push(b'}');
    }

    fn status(&mut self, s: &Status, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"status\",");
        match s.market {
            Some(market) => out.extend_from_slice(market.json().as_bytes()),
            None => {
                out.extend_from_slice(b"\"exchange\":");
                write_json_string(s.exchange.name(), out);
                out.extend_from_slice(b",\"symbol\":null");
            }
        }
        word(b",\"state\":\"", s.state.name(), out);
        number(b",\"attempt\":", Some(Decimal::from(s.attempt)), out);
        out.extend_from_slice(b",\"reason\":");
        match &s.reason {
            Some(reason) => write_json_string(reason, out),
            None => out.extend_from_slice(b"null"),
        }
        self.time(b",\"timestamp\":", Some(s.timestamp), out);
        out.push(b'}');
    }

    fn signal(&mut self, s: &Signal, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"signal\",\"strategy\":");
        write_json_string(&s.strategy, out);
        out.push(b',');
        out.extend_from_slice(s.market.json().as_bytes());
        word(b",\"side\":\"", s.side.name(), out);
        number(b",\"price\":", s.price.map(|p| p.decimal()), out);
        out.extend_from_slice(b",\"values\":");
        let values = s.values.iter();
        self.write_values(values.map(|(name, value)| (&**name, value.clone())), out);
        self.time(b",\"timestamp\":", Some(s.timestamp), out);
        out.push(b'}');
    }

    fn time(&mut self, key: &[u8], time: Option<Timestamp>, out: &mut Vec<u8>) {
        out.extend_from_slice(key);
        match time {
            Some(time) => self.quoted_time(time, out),
            None => out.extend_from_slice(b"null"),
        }
    }

    fn quoted_time(&mut self, time: Timestamp, out: &mut Vec<u8>) {
        out.push(b'"');
        self.time.write(time, out);
        out.push(b'"');
    }
}

fn number(key: &[u8], value: Option<Decimal>, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    match value {
        Some(value) => write_decimal(value, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// Only there where it is true.
fn suspicion(suspect: bool, out: &mut Vec<u8>) {
    if suspect {
        out.extend_from_slice(b",\"suspect\":true");
    }
}

/// `true` or `false`.
pub(crate) fn yes_no(answer: bool) -> &'static [u8] {
    if answer { b"true" } else { b"false" }
}

/// Ids are strings: they may be larger than what a JSON reader holds in a float.
fn id(key: &[u8], value: Option<u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    match value {
        Some(value) => {
            out.push(b'"');
            out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}

/// A value of a fixed vocabulary; the key ends with the opening quote.
fn word(key: &[u8], value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

/// Appends a JSON string literal.
pub fn write_json_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string always serialises into memory");
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use std::sync::Arc;

    fn line(event: Event) -> String {
        let mut out = Vec::new();
        JsonWriter::default().write(&event, &mut out);
        let text = String::from_utf8(out).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).expect("valid JSON");
        text
    }

    fn market() -> Market {
        Market::new(Exchange::new("kraken"), "BTC", "USD")
    }

    #[test]
    fn a_trade_has_the_fields_of_the_contract_and_the_digits_that_were_sent() {
        let trade = Trade {
            market: market(),
            id: 80_000_123,
            price: "50000.10".parse().unwrap(),
            size: "1e-08".parse().unwrap(),
            side: Side::Sell,
            timestamp: Timestamp::parse("2026-09-21T14:13:20.149001Z").unwrap(),
            received_at: Timestamp::parse("2026-09-21T14:13:20.2Z").unwrap(),
            origin: Origin::Stream,
            replayed: false,
            suspect: false,
        };
        assert_eq!(
            line(Event::Trade(trade)),
            r#"{"type":"trade","exchange":"kraken","symbol":"BTC/USD","id":"80000123","price":50000.10,"size":0.00000001,"side":"sell","timestamp":"2026-09-21T14:13:20.149001Z","received_at":"2026-09-21T14:13:20.200000Z","origin":"stream"}"#
        );
    }

    #[test]
    fn a_ticker_writes_null_for_what_is_not_known() {
        let mut ticker = Ticker::empty(market(), Timestamp::from_nanos(0));
        ticker.bid = Some("1.10".parse().unwrap());
        ticker.ask = Some("1.2".parse().unwrap());
        assert_eq!(
            line(Event::Ticker(Arc::new(ticker))),
            r#"{"type":"ticker","exchange":"kraken","symbol":"BTC/USD","price":null,"bid":1.10,"bid_size":null,"ask":1.2,"ask_size":null,"spread":0.10,"open_24h":null,"high_24h":null,"low_24h":null,"volume_24h":null,"quote_volume_24h":null,"change_24h":null,"change_percent_24h":null,"timestamp":null,"received_at":"1970-01-01T00:00:00.000000Z"}"#
        );
    }

    #[test]
    fn gaps_and_states_follow_the_contract() {
        let gap = Gap {
            market: market(),
            stream: Stream::Trades,
            from_id: Some(5),
            to_id: Some(7),
            from: Some(Timestamp::from_nanos(1_000)),
            to: None,
            missing: Some(3),
            recovered: 0,
            state: GapState::Unrepairable,
            reason: GapReason::RepairOff,
        };
        assert_eq!(
            line(Event::Gap(Arc::new(gap))),
            r#"{"type":"gap","exchange":"kraken","symbol":"BTC/USD","stream":"trades","from_id":"5","to_id":"7","from":"1970-01-01T00:00:00.000001Z","to":null,"missing":3,"recovered":0,"state":"unrepairable","reason":"repair_off"}"#
        );
        let status = Status {
            exchange: Exchange::new("kraken"),
            market: None,
            state: StatusState::Reconnecting,
            attempt: 2,
            reason: Some("said \"no\"\u{1b}".into()),
            stand_in: None,
            timestamp: Timestamp::from_nanos(0),
        };
        assert_eq!(
            line(Event::Status(Arc::new(status))),
            r#"{"type":"status","exchange":"kraken","symbol":null,"state":"reconnecting","attempt":2,"reason":"said \"no\"\u001b","timestamp":"1970-01-01T00:00:00.000000Z"}"#
        );
    }

    #[test]
    fn a_signal_tells_what_it_rests_on() {
        let signal = Signal {
            strategy: "rsi(14,30,70)".into(),
            market: market(),
            side: SignalSide::Buy,
            price: Some("97123.40".parse().unwrap()),
            values: vec![
                ("rsi(14)".into(), Value::Number(Decimal::new(291, 1))),
                ("volume".into(), Value::Null),
            ],
            timestamp: Timestamp::parse("2026-09-21T14:14:00Z").unwrap(),
        };
        assert_eq!(
            line(Event::Signal(Arc::new(signal))),
            r#"{"type":"signal","strategy":"rsi(14,30,70)","exchange":"kraken","symbol":"BTC/USD","side":"buy","price":97123.40,"values":{"rsi(14)":29.1,"volume":null},"timestamp":"2026-09-21T14:14:00.000000Z"}"#
        );
    }
}
