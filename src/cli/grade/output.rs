//! The report as a table, as JSON and as lines; the rules; the progress bar.

use std::sync::Arc;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::config::OutputFormat;
use crate::grade::{Check, Grade, RULES, Report, Value};
use crate::model::Instrument;
use crate::sink::lines::{csv_text, plain_text};

use super::super::Ctx;
use super::settings::Settings;

/// How the grade of all comes about.
const OVERALL: &str = "the worst of the checks that count";
const CSV_COLUMNS: [&str; 8] = [
    "check", "symbol", "stream", "value", "unit", "grade", "rule", "note",
];
const TABLE_COLUMNS: [&str; 6] = ["Check", "Symbol", "Stream", "Value", "Grade", "Note"];
/// Where the numbers are.
const VALUE_COLUMN: usize = 3;
/// Below this a note would be a tower of words.
const NOTE_WIDTH: u16 = 24;
/// How many columns `plain` has.
const PLAIN_COLUMNS: usize = 6;

/// What came of the run.
pub struct Outcome<'a> {
    pub instruments: &'a [Arc<Instrument>],
    pub report: &'a Report,
    pub settings: &'a Settings,
    pub color: bool,
}

/// One JSON object, its keys in this order.
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    exchange: &'static str,
    symbols: Vec<&'static str>,
    /// Seconds.
    duration: f64,
    grade: &'static str,
    min_grade: &'static str,
    passed: bool,
    checks: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    check: &'static str,
    symbol: Option<&'static str>,
    stream: Option<&'static str>,
    value: Option<JsonValue>,
    unit: Option<&'static str>,
    grade: Option<&'static str>,
    rule: String,
    note: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum JsonValue {
    Whole(i64),
    Number(f64),
    Word(&'static str),
}

#[derive(Serialize)]
struct Rules {
    grades: [&'static str; Grade::ALL.len()],
    overall: &'static str,
    rules: Vec<RuleRow>,
}

#[derive(Serialize)]
struct RuleRow {
    check: &'static str,
    unit: Option<&'static str>,
    about: &'static str,
    rule: String,
}

impl Outcome<'_> {
    /// The whole text, ending in a newline.
    pub fn render(&self) -> Vec<u8> {
        match self.settings.format {
            OutputFormat::Table | OutputFormat::Auto => self.table().into_bytes(),
            OutputFormat::Json => json_line(&self.document()),
            OutputFormat::Csv => self.separated(b',', &CSV_COLUMNS, csv_text),
            OutputFormat::Plain => self.separated(b'\t', &[], plain_text),
        }
    }

    fn passed(&self) -> bool {
        self.report.grade() <= self.settings.min_grade
    }

    fn document(&self) -> Document<'_> {
        let markets = || self.instruments.iter().map(|i| i.market);
        Document {
            r#type: "test",
            exchange: markets()
                .next()
                .map_or("", |market| market.exchange().name()),
            symbols: markets().map(|market| market.symbol()).collect(),
            duration: rounded(self.settings.duration.as_secs_f64()),
            grade: self.report.grade().name(),
            min_grade: self.settings.min_grade.name(),
            passed: self.passed(),
            checks: self.report.checks.iter().map(row).collect(),
        }
    }

    /// Lines of cells, then one of the grade of all.
    fn separated(&self, separator: u8, header: &[&str], write: fn(&str, &mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        let mut line = |cells: &[&str]| {
            for (n, cell) in cells.iter().enumerate() {
                if n > 0 {
                    out.push(separator);
                }
                write(cell, &mut out);
            }
            out.push(b'\n');
        };
        let columns = if header.is_empty() {
            PLAIN_COLUMNS
        } else {
            line(header);
            header.len()
        };
        for check in &self.report.checks {
            let row = row(check);
            let value = value_text(check.value);
            let cells = [
                row.check,
                row.symbol.unwrap_or_default(),
                row.stream.unwrap_or_default(),
                &value,
                row.unit.unwrap_or_default(),
                row.grade.unwrap_or_default(),
                &row.rule,
                row.note.unwrap_or_default(),
            ];
            line(&cells[..columns]);
        }
        let grade = self.report.grade().name();
        let all = ["overall", "", "", "", "", grade, OVERALL, ""];
        line(&all[..columns]);
        out
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(TABLE_COLUMNS);
        if self.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
            if let Some(width) = terminal_width() {
                table.set_width(width);
            }
        }
        for check in &self.report.checks {
            table.add_row(self.cells(check));
        }
        // Only notes are wrapped, and those not at every word.
        for (place, column) in table.column_iter_mut().enumerate() {
            column.set_constraint(if place == TABLE_COLUMNS.len() - 1 {
                ColumnConstraint::LowerBoundary(Width::Fixed(NOTE_WIDTH))
            } else {
                ColumnConstraint::ContentWidth
            });
        }
        if let Some(column) = table.column_mut(VALUE_COLUMN) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let mut text = String::new();
        for line in table.lines() {
            text += line.trim_end();
            text.push('\n');
        }
        text + "\n" + &self.verdict() + "\n"
    }

    fn cells(&self, check: &Check) -> Vec<Cell> {
        let row = row(check);
        let mut value = value_text(check.value);
        if let (Some(unit), false) = (row.unit, value.is_empty()) {
            value += &format!(" {unit}");
        }
        let mut grade = Cell::new(row.grade.unwrap_or("–"));
        if let (true, Some(of)) = (self.color, check.grade) {
            grade = grade.fg(colour(of));
        }
        // In an exchange's own words, which a terminal must not act on.
        let clean = |text: Option<&str>| {
            let mut clean = Vec::new();
            plain_text(text.unwrap_or_default(), &mut clean);
            String::from_utf8_lossy(&clean).into_owned()
        };
        vec![
            Cell::new(row.check),
            Cell::new(clean(row.symbol)),
            Cell::new(row.stream.unwrap_or_default()),
            Cell::new(value),
            grade,
            Cell::new(clean(row.note)),
        ]
    }

    fn verdict(&self) -> String {
        let document = self.document();
        let Document {
            exchange,
            grade,
            min_grade,
            ..
        } = document;
        let symbols = document.symbols.join(", ");
        let end = if document.passed {
            "passed".to_string()
        } else {
            format!("too low: {min_grade} was asked for")
        };
        format!("{exchange} {symbols}: grade {grade}, {end}")
    }
}

fn row(check: &Check) -> Row<'_> {
    Row {
        check: check.rule.name,
        symbol: check.market.map(|market| market.symbol()),
        stream: check.stream.map(|stream| stream.name()),
        value: check.value.map(json_value),
        unit: unit(check.rule.unit),
        grade: check.grade.map(Grade::name),
        rule: check.rule.text(),
        note: check.note.as_deref(),
    }
}

fn unit(unit: &'static str) -> Option<&'static str> {
    Some(unit).filter(|unit| !unit.is_empty())
}

fn json_value(value: Value) -> JsonValue {
    match value {
        Value::Word(word) => JsonValue::Word(word),
        Value::Number(number) => {
            let number = rounded(number);
            // Counts are written as such.
            if number.fract() == 0.0 && number.abs() < 1e15 {
                JsonValue::Whole(number as i64)
            } else {
                JsonValue::Number(number)
            }
        }
    }
}

/// To three decimals: more is noise.
fn rounded(number: f64) -> f64 {
    // Without the sign of a negative zero.
    (number * 1_000.0).round() / 1_000.0 + 0.0
}

fn value_text(value: Option<Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::Word(word)) => word.to_string(),
        Some(Value::Number(number)) => rounded(number).to_string(),
    }
}

fn colour(grade: Grade) -> Color {
    match grade {
        Grade::A | Grade::B => Color::Green,
        Grade::C | Grade::D => Color::Yellow,
        Grade::F => Color::Red,
    }
}

fn json_line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("numbers and texts can be written as JSON");
    line.push(b'\n');
    line
}

fn terminal_width() -> Option<u16> {
    use std::io::IsTerminal;
    let is_terminal = std::io::stdout().is_terminal();
    crossterm::terminal::size()
        .ok()
        .map(|(width, _)| width)
        .filter(|_| is_terminal)
}

/// Every rule, for `--explain`.
pub fn rules(format: OutputFormat) -> Vec<u8> {
    let rows = RULES.iter().map(|rule| RuleRow {
        check: rule.name,
        unit: unit(rule.unit),
        about: rule.about,
        rule: rule.text(),
    });
    if format == OutputFormat::Json {
        return json_line(&Rules {
            grades: Grade::ALL.map(Grade::name),
            overall: OVERALL,
            rules: rows.collect(),
        });
    }
    let mut out = Vec::new();
    let (separator, write): (u8, fn(&str, &mut Vec<u8>)) = match format {
        OutputFormat::Csv => (b',', csv_text),
        OutputFormat::Plain => (b'\t', plain_text),
        _ => return rules_text(rows).into_bytes(),
    };
    if format == OutputFormat::Csv {
        out.extend_from_slice(b"check,unit,about,rule\n");
    }
    for row in rows {
        let cells = [
            row.check,
            row.unit.unwrap_or_default(),
            row.about,
            &row.rule,
        ];
        for (n, cell) in cells.into_iter().enumerate() {
            if n > 0 {
                out.push(separator);
            }
            write(cell, &mut out);
        }
        out.push(b'\n');
    }
    out
}

fn rules_text(rows: impl Iterator<Item = RuleRow>) -> String {
    let mut text = format!("The grade of a feed is {OVERALL}.\n");
    for row in rows {
        text += &format!("\n{}\n  {}\n  {}\n", row.check, row.about, row.rule);
    }
    text
}

/// A bar over the run, on a terminal only.
pub fn progress(ctx: &Ctx, settings: &Settings) -> ProgressBar {
    if ctx.notices.quiet || ctx.notices.json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:17} [{bar:30}] {elapsed}")
        .expect("the template is right")
        .progress_chars("=> ");
    // Hidden by itself where stderr is no terminal.
    let bar = ProgressBar::new(settings.duration.as_millis() as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
