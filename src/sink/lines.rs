//! Events as lines: JSON Lines, tab-separated values, csv.

use crate::model::{
    Event, Field, JsonWriter, Stream, TimeWriter, Timestamp, Value, write_decimal, yes_no,
};

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per event, gaps and states included.
    Json,
    /// Tab-separated values, no header.
    Plain,
    /// Comma-separated values after a header.
    Csv,
}

/// Writes events as lines.
///
/// ```
/// use tickwire::model::{Event, Exchange, Field, Market, Stream, Ticker, Timestamp};
/// use tickwire::sink::lines::{Format, Lines};
/// # use std::sync::Arc;
///
/// let now = Timestamp::from_nanos(1_790_000_000_000_000_000);
/// let market = Market::new(Exchange::new("kraken"), "BTC", "USD");
/// let event = Event::Ticker(Arc::new(Ticker {
///     price: Some("61000.10".parse()?),
///     ..Ticker::empty(market, now)
/// }));
///
/// let mut lines = Lines::new(Format::Csv, Some(vec![Field::Symbol, Field::Price]));
/// let mut out = Vec::new();
/// lines.begin(Stream::Ticker, &mut out);
/// lines.write(&event, now, &mut out);
/// assert_eq!(out, b"symbol,price\nBTC/USD,61000.10\n");
/// # Ok::<(), tickwire::model::DecimalError>(())
/// ```
#[derive(Debug)]
pub struct Lines {
    format: Format,
    /// `None`: every field, or the main ones in `plain`.
    fields: Option<Vec<Field>>,
    json: JsonWriter,
    time: TimeWriter,
}

impl Lines {
    /// Lines of this form with these fields.
    pub fn new(format: Format, fields: Option<Vec<Field>>) -> Self {
        Self {
            format,
            fields,
            json: JsonWriter::default(),
            time: TimeWriter::default(),
        }
    }

    /// Whether this form has a place for gaps and states. Where it has none they belong on stderr.
    pub fn takes_notices(&self) -> bool {
        self.format == Format::Json
    }

    /// Appends what stands before the first event.
    pub fn begin(&mut self, stream: Stream, out: &mut Vec<u8>) {
        if self.format == Format::Csv {
            let fields = self.fields.as_deref().unwrap_or(Field::of(stream));
            let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
            out.extend_from_slice(names.join(",").as_bytes());
            out.push(b'\n');
        }
    }

    /// Appends the line of one event. `now` is for `age`.
    pub fn write(&mut self, event: &Event, now: Timestamp, out: &mut Vec<u8>) {
        match (self.format, &self.fields, event.stream()) {
            // Gaps and states are never cut down to fields that they do not have.
            (Format::Json, Some(fields), Some(_)) => {
                self.json.write_fields(event, fields, now, out)
            }
            (Format::Json, _, _) => self.json.write(event, out),
            (_, _, None) => return,
            (Format::Plain, fields, Some(stream)) => {
                let fields = fields.as_deref().unwrap_or(Field::main(stream));
                values(fields, event, now, b'\t', &mut self.time, out);
            }
            (Format::Csv, fields, Some(stream)) => {
                let fields = fields.as_deref().unwrap_or(Field::of(stream));
                values(fields, event, now, b',', &mut self.time, out);
            }
        }
        out.push(b'\n');
    }
}

fn values(
    fields: &[Field],
    event: &Event,
    now: Timestamp,
    separator: u8,
    time: &mut TimeWriter,
    out: &mut Vec<u8>,
) {
    for (n, field) in fields.iter().enumerate() {
        if n > 0 {
            out.push(separator);
        }
        match field.value(event, now) {
            Value::Null => {}
            Value::Number(number) => write_decimal(number, out),
            Value::Time(at) => time.write(at, out),
            Value::YesNo(answer) => out.extend_from_slice(yes_no(answer)),
            Value::Text(text) if separator == b',' => csv_text(&text, out),
            Value::Text(text) => plain_text(&text, out),
        }
    }
}

/// A cell of csv: quoted where it must be, and kept from being taken for a formula by a spreadsheet.
pub(crate) fn csv_text(text: &str, out: &mut Vec<u8>) {
    let formula = text.starts_with(['=', '+', '-', '@']);
    if !formula && !text.contains([',', '"', '\n', '\r']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    if formula {
        out.push(b'\'');
    }
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

/// A cell of plain output: nothing in it may end the cell or speak to the terminal.
pub(crate) fn plain_text(text: &str, out: &mut Vec<u8>) {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exchange, Market, Origin, Side, Ticker, Trade};
    use std::sync::Arc;

    fn market() -> Market {
        Market::new(Exchange::new("kraken"), "BTC", "USD")
    }

    fn ticker() -> Event {
        let mut ticker = Ticker::empty(market(), Timestamp::from_nanos(0));
        ticker.price = Some("50000.10".parse().unwrap());
        Event::Ticker(Arc::new(ticker))
    }

    fn trade() -> Event {
        Event::Trade(Trade {
            market: market(),
            id: 7,
            price: "1.50".parse().unwrap(),
            size: "2".parse().unwrap(),
            side: Side::Buy,
            timestamp: Timestamp::from_nanos(1_000),
            received_at: Timestamp::from_nanos(0),
            origin: Origin::Stream,
            replayed: false,
        })
    }

    fn line(format: Format, fields: Option<&[Field]>, event: &Event) -> String {
        let mut lines = Lines::new(format, fields.map(<[Field]>::to_vec));
        let mut out = Vec::new();
        lines.write(event, Timestamp::from_nanos(1_500_000_000), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_is_tab_separated_with_nothing_for_null() {
        assert_eq!(
            line(
                Format::Plain,
                Some(&[Field::Price, Field::Bid, Field::Age]),
                &ticker()
            ),
            "50000.10\t\t1.500\n"
        );
        assert_eq!(
            line(Format::Plain, None, &trade()),
            "kraken\tBTC/USD\t7\t1.50\t2\tbuy\t1970-01-01T00:00:00.000001Z\n"
        );
    }

    #[test]
    fn csv_has_a_header_with_the_names_of_its_columns() {
        let mut out = Vec::new();
        Lines::new(Format::Csv, None).begin(Stream::Trades, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "type,exchange,symbol,id,price,size,side,timestamp,received_at,origin\n"
        );
        assert!(
            line(Format::Csv, None, &trade()).starts_with("trade,kraken,BTC/USD,7,1.50,2,buy,")
        );
    }

    #[test]
    fn json_with_fields_holds_just_those() {
        assert_eq!(
            line(
                Format::Json,
                Some(&[Field::Symbol, Field::Price, Field::Ask]),
                &ticker()
            ),
            "{\"symbol\":\"BTC/USD\",\"price\":50000.10,\"ask\":null}\n"
        );
    }

    #[test]
    fn names_from_outside_cannot_break_a_cell() {
        let cell = |text: &str| {
            let mut out = Vec::new();
            csv_text(text, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        let mut out = Vec::new();
        plain_text("a\tb\u{1b}[31m", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "a b [31m");
    }
}
