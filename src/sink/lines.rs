//! Events as lines: JSON Lines, tab-separated values, csv.

use crate::expression::Expression;
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

/// What stands in a column.
#[derive(Debug, Clone)]
pub enum Column {
    /// A field of the event, in the form that it has in events.
    Field(Field),
    /// What is computed from it; empty or `null` where that is unknown.
    Computed(Expression),
}

impl Column {
    /// Its name in headers and as a key.
    pub fn name(&self) -> &str {
        match self {
            Self::Field(field) => field.name(),
            Self::Computed(expression) => expression.text(),
        }
    }

    /// What is computed for it; `None` for a field.
    pub fn expression(&self) -> Option<&Expression> {
        match self {
            Self::Field(_) => None,
            Self::Computed(expression) => Some(expression),
        }
    }

    fn value(
        &self,
        event: &Event,
        now: Timestamp,
        compute: &mut dyn FnMut(&Expression) -> Value,
    ) -> Value {
        match self {
            Self::Field(field) => field.value(event, now),
            Self::Computed(expression) => compute(expression),
        }
    }
}

impl From<Field> for Column {
    fn from(field: Field) -> Self {
        Self::Field(field)
    }
}

/// Writes events as lines.
///
/// ```
/// use tickwire::model::{Event, Exchange, Field, Market, Stream, Ticker, Timestamp};
/// use tickwire::expression::Expression;
/// use tickwire::model::Value;
/// use tickwire::sink::lines::{Column, Format, Lines};
/// # use std::sync::Arc;
///
/// let now = Timestamp::from_nanos(1_790_000_000_000_000_000);
/// let market = Market::new(Exchange::new("kraken"), "BTC", "USD");
/// let event = Event::Ticker(Arc::new(Ticker {
///     price: Some("61000.10".parse()?),
///     ..Ticker::empty(market, now)
/// }));
///
/// let ten = Column::Computed(Expression::parse("price * 10")?);
/// let columns = vec![Field::Symbol.into(), Field::Price.into(), ten];
/// let mut lines = Lines::new(Format::Csv, Some(columns));
/// let mut out = Vec::new();
/// lines.begin(Some(Stream::Ticker), &mut out);
/// let none = |_: &_| Value::Null;
/// let mut compute = |ten: &Expression| ten.evaluate(&ten.input(&event, now, &none));
/// lines.write(&event, now, &mut compute, &mut out);
/// assert_eq!(out, b"symbol,price,price * 10\nBTC/USD,61000.10,610001.00\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Lines {
    format: Format,
    /// `None`: every field, or the main ones in `plain`.
    columns: Option<Vec<Column>>,
    /// Whether nothing but signals is asked for: the columns are theirs.
    of_signals: bool,
    json: JsonWriter,
    time: TimeWriter,
}

impl Lines {
    /// Lines of this form with these columns.
    pub fn new(format: Format, columns: Option<Vec<Column>>) -> Self {
        Self {
            format,
            columns,
            of_signals: false,
            json: JsonWriter::default(),
            time: TimeWriter::default(),
        }
    }

    /// Whether this form has a place for gaps and states. Where it has none they belong on stderr.
    pub fn takes_notices(&self) -> bool {
        self.format == Format::Json
    }

    /// Appends what stands before the first event; without a stream there are only signals.
    pub fn begin(&mut self, stream: Option<Stream>, out: &mut Vec<u8>) {
        self.of_signals = stream.is_none();
        if self.format != Format::Csv {
            return;
        }
        match (&self.columns, stream) {
            (Some(columns), _) => header(columns.iter().map(Column::name), out),
            (None, Some(stream)) => header(Field::of(stream).iter().map(|f| f.name()), out),
            (None, None) => header(Field::SIGNAL.iter().map(|field| field.name()), out),
        }
    }

    /// Appends the line of one event. `now` is for `age`; `compute` gives the values of computed columns.
    pub fn write(
        &mut self,
        event: &Event,
        now: Timestamp,
        compute: &mut dyn FnMut(&Expression) -> Value,
        out: &mut Vec<u8>,
    ) {
        let mut value = |column: &Column| column.value(event, now, compute);
        let is_signal = matches!(event, Event::Signal(_));
        let columns = self
            .columns
            .as_ref()
            .filter(|_| !is_signal || self.of_signals);
        match (self.format, columns, event.stream()) {
            // Gaps and states are never cut down to fields that they do not have.
            (Format::Json, Some(columns), stream) if is_signal || stream.is_some() => {
                let values = columns.iter().map(|column| (column.name(), value(column)));
                self.json.write_values(values, out);
            }
            (Format::Json, _, _) => self.json.write(event, out),
            (format, Some(columns), None) if is_signal => {
                cells(format, columns.iter().map(value), &mut self.time, out);
            }
            (format, None, None) if is_signal => {
                let values = Field::SIGNAL.iter().map(|field| field.value(event, now));
                cells(format, values, &mut self.time, out);
            }
            (_, _, None) => return,
            (format, Some(columns), Some(_)) => {
                cells(format, columns.iter().map(value), &mut self.time, out);
            }
            (format, None, Some(stream)) => {
                let fields = match format {
                    Format::Plain => Field::main(stream),
                    _ => Field::of(stream),
                };
                let values = fields.iter().map(|field| field.value(event, now));
                cells(format, values, &mut self.time, out);
            }
        }
        out.push(b'\n');
    }
}

/// The first line of csv.
pub(crate) fn header<'a>(names: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
    for (n, name) in names.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        csv_text(name, out);
    }
    out.push(b'\n');
}

/// The cells of one line, without its end.
pub(crate) fn cells(
    format: Format,
    values: impl Iterator<Item = Value>,
    time: &mut TimeWriter,
    out: &mut Vec<u8>,
) {
    let separator = if format == Format::Csv { b',' } else { b'\t' };
    for (n, value) in values.enumerate() {
        if n > 0 {
            out.push(separator);
        }
        match value {
            Value::Null => {}
            Value::Number(number) => write_decimal(number, out),
            Value::Time(at) => time.write(at, out),
            Value::YesNo(answer) => out.extend_from_slice(yes_no(answer)),
            Value::Text(text) if format == Format::Csv => csv_text(&text, out),
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
            suspect: false,
        })
    }

    fn line(format: Format, fields: Option<&[Field]>, event: &Event) -> String {
        let columns = fields.map(|fields| fields.iter().map(|field| (*field).into()).collect());
        written(Lines::new(format, columns), event)
    }

    fn written(mut lines: Lines, event: &Event) -> String {
        let mut out = Vec::new();
        let now = Timestamp::from_nanos(1_500_000_000);
        let none = |_: &_| Value::Null;
        let mut compute = |e: &Expression| e.evaluate(&e.input(event, now, &none));
        lines.write(event, now, &mut compute, &mut out);
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
        Lines::new(Format::Csv, None).begin(Some(Stream::Trades), &mut out);
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
    fn a_computed_column_is_named_by_its_text() {
        let columns = || {
            let texts = [
                "max(price, 1)",
                "price > 1",
                "-price",
                "ETH/USD.price + 1",
                "id + 1",
            ];
            let parsed = texts.map(|text| Column::Computed(Expression::parse(text).unwrap()));
            Some(parsed.to_vec())
        };
        assert_eq!(
            written(Lines::new(Format::Json, columns()), &trade()),
            "{\"max(price, 1)\":1.50,\"price > 1\":true,\"-price\":-1.50,\"ETH/USD.price + 1\":null,\"id + 1\":8}\n"
        );
        assert_eq!(
            written(Lines::new(Format::Plain, columns()), &trade()),
            "1.50\ttrue\t-1.50\t\t8\n"
        );
        let mut header = Vec::new();
        let mut csv = Lines::new(Format::Csv, columns());
        csv.begin(Some(Stream::Trades), &mut header);
        assert_eq!(
            String::from_utf8(header).unwrap(),
            "\"max(price, 1)\",price > 1,\"'-price\",ETH/USD.price + 1,id + 1\n"
        );
        assert_eq!(written(csv, &trade()), "1.50,true,-1.50,,8\n");
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
