//! Valuations as lines.

use crate::model::{JsonWriter, TimeWriter, Timestamp, Value};
use crate::portfolio::Valuation;
use crate::sink::lines::{Format, cells, header};

use super::main_fields;

/// Writes valuations in one form.
pub struct Lines {
    format: Format,
    fields: Option<Vec<&'static str>>,
    json: JsonWriter,
    time: TimeWriter,
}

impl Lines {
    pub fn new(format: Format, fields: Option<Vec<&'static str>>) -> Self {
        Self {
            format,
            fields,
            json: JsonWriter::default(),
            time: TimeWriter::default(),
        }
    }

    fn fields(&self) -> Vec<&'static str> {
        let fields = self.fields.clone();
        fields.unwrap_or_else(|| main_fields(self.format).to_vec())
    }

    /// Appends what stands before the first one.
    pub fn begin(&self, out: &mut Vec<u8>) {
        if self.format == Format::Csv {
            header(self.fields().into_iter(), out);
        }
    }

    /// Appends the line of one; `now` is when it was that.
    pub fn write(&mut self, valuation: &Valuation, now: Timestamp, out: &mut Vec<u8>) {
        let value = |name: &str| valuation.field(name).unwrap_or(Value::Null);
        match (self.format, &self.fields) {
            (Format::Json, None) => {
                out.extend_from_slice(b"{\"type\":\"portfolio_update\",");
                valuation.write_members(out);
                out.extend_from_slice(b",\"timestamp\":\"");
                self.time.write(now, out);
                out.extend_from_slice(b"\"}");
            }
            (Format::Json, Some(fields)) => {
                let values = fields.iter().map(|name| (*name, value(name)));
                self.json.write_values(values, out);
            }
            (format, _) => {
                let fields = self.fields();
                cells(format, fields.into_iter().map(value), &mut self.time, out);
            }
        }
        out.push(b'\n');
    }
}
