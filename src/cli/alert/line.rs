//! The line that tells of a firing.

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use crate::config::OutputFormat;
use crate::sink::lines::{csv_text, plain_text};

use super::super::error::CliError;
use super::super::output;

/// Where the line of a firing goes.
pub enum Lines {
    /// To stdout, for whoever runs the command.
    Printed(Printer),
    /// To whoever wants it: the event as one JSON object.
    Told(Box<dyn Fn(&str) + Send + Sync>),
}

impl Lines {
    /// Errors: stdout cannot be written.
    pub async fn tell(&self, event: &str) -> Result<(), CliError> {
        match self {
            Self::Printed(printer) => printer.print(event).await,
            Self::Told(tell) => {
                tell(event);
                Ok(())
            }
        }
    }
}

/// How firings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// For people.
    Text,
    Json,
    Plain,
    Csv,
}

/// Writes lines to stdout, each as soon as it is there.
pub struct Printer {
    shape: Shape,
    quiet: bool,
    header: Mutex<bool>,
}

/// The event, as the outbox keeps it: prices keep their digits.
#[derive(Deserialize)]
struct Line<'a> {
    id: &'a str,
    name: Option<String>,
    exchange: String,
    symbol: String,
    condition: String,
    message: String,
    #[serde(borrow)]
    price: &'a RawValue,
    timestamp: &'a str,
}

const COLUMNS: &str = "timestamp,exchange,symbol,price,name,condition,message,id\n";

impl Printer {
    pub fn new(format: OutputFormat, terminal: bool, quiet: bool) -> Self {
        let shape = match format {
            OutputFormat::Auto if !terminal => Shape::Json,
            OutputFormat::Auto | OutputFormat::Table => Shape::Text,
            OutputFormat::Json => Shape::Json,
            OutputFormat::Plain => Shape::Plain,
            OutputFormat::Csv => Shape::Csv,
        };
        Self {
            shape,
            quiet,
            header: Mutex::new(shape == Shape::Csv),
        }
    }

    /// Errors: stdout cannot be written. A reader that has left is none.
    pub async fn print(&self, event: &str) -> Result<(), CliError> {
        if self.quiet {
            return Ok(());
        }
        let mut text = Vec::new();
        // Held until the line is out: rules that fire at once keep their order, and the header comes first.
        let mut header = self.header.lock().await;
        if std::mem::take(&mut *header) {
            text.extend_from_slice(COLUMNS.as_bytes());
        }
        text.extend_from_slice(&self.line(event));
        // A reader that does not read must not stop the runtime.
        tokio::task::spawn_blocking(move || output::print(&text))
            .await
            .unwrap_or_else(|_| Err(CliError::failed("internal", "printing ended early")))
    }

    fn line(&self, event: &str) -> Vec<u8> {
        let line = match serde_json::from_str::<Line<'_>>(event) {
            Ok(line) if self.shape != Shape::Json => line,
            _ => return format!("{event}\n").into_bytes(),
        };
        let price = Some(line.price.get())
            .filter(|price| *price != "null")
            .unwrap_or_default();
        let name = line.name.unwrap_or_default();
        if self.shape == Shape::Text {
            let title = if name.is_empty() {
                String::new()
            } else {
                format!("{name}: ")
            };
            let time = line
                .timestamp
                .get(..19)
                .unwrap_or_default()
                .replace('T', " ");
            let mut out = Vec::new();
            plain_text(
                &format!(
                    "{time}Z  {}:{}  {price}  {title}{}",
                    line.exchange, line.symbol, line.message
                ),
                &mut out,
            );
            out.push(b'\n');
            return out;
        }
        let cells = [
            line.timestamp,
            &line.exchange,
            &line.symbol,
            price,
            &name,
            &line.condition,
            &line.message,
            line.id,
        ];
        let mut out = Vec::new();
        for (i, cell) in cells.into_iter().enumerate() {
            if i > 0 {
                out.push(if self.shape == Shape::Csv {
                    b','
                } else {
                    b'\t'
                });
            }
            // A price is a number, also where it is negative.
            match self.shape {
                Shape::Csv if i == 3 => out.extend_from_slice(cell.as_bytes()),
                Shape::Csv => csv_text(cell, &mut out),
                _ => plain_text(cell, &mut out),
            }
        }
        out.push(b'\n');
        out
    }
}
