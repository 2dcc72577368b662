//! `alert --list`, `--reset` and `--history`: what named rules remember.

use std::io::IsTerminal;

use comfy_table::Table;

use crate::alert::Memory;
use crate::config::OutputFormat;
use crate::model::{Timestamp, write_json_string};
use crate::sink::lines::{csv_text, plain_text};
use crate::store::{AlertStore, State};

use super::super::Ctx;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::output;
use super::state::{lock, unwritten};

/// One row: what each column is called, and its value.
type Row = Vec<(&'static str, Cell)>;

/// A value of a row.
enum Cell {
    Text(String),
    /// A number by its digits, as they are.
    Number(String),
    None,
}

/// Every rule with a memory.
pub fn list(store: &AlertStore, ctx: &Ctx) -> Result<Exit, CliError> {
    let states = store.list().map_err(unwritten)?;
    for path in store.damaged() {
        let message = format!(
            "tickwire: {} is no memory that can be trusted: the next check of its rule puts it aside",
            path.display()
        );
        ctx.notices.warn("alert_memory", &message);
    }
    let rows: Vec<Row> = states.iter().flat_map(rules).collect();
    print(
        &[
            "name",
            "market",
            "state",
            "last_fired",
            "fired",
            "waiting",
            "checked_at",
        ],
        rows,
        ctx,
    )
}

fn rules(state: &State) -> Vec<Row> {
    let rows = state.markets.iter().map(|(market, known)| {
        let fired = state
            .history
            .iter()
            .filter(|past| past.market == *market && past.outcome == "fired");
        let waiting = state
            .outbox
            .iter()
            .filter(|pending| pending.market == *market);
        vec![
            ("name", Cell::Text(state.name.clone())),
            ("market", Cell::Text(market.clone())),
            ("state", Cell::Text(state_of(&known.memory).into())),
            (
                "last_fired",
                fired
                    .clone()
                    .next_back()
                    .map_or(Cell::None, |past| time(past.at)),
            ),
            ("fired", Cell::Number(fired.count().to_string())),
            ("waiting", Cell::Number(waiting.count().to_string())),
            ("checked_at", time(known.checked_at)),
        ]
    });
    rows.collect()
}

/// Whether it waits for its condition, or for the end of it.
fn state_of(memory: &Memory) -> &'static str {
    if memory.is_armed() { "armed" } else { "fired" }
}

/// The last firings of one rule, newest last.
pub fn history(name: &str, store: &AlertStore, ctx: &Ctx) -> Result<Exit, CliError> {
    let Some(state) = store.read(name).map_err(unwritten)? else {
        return Err(match store.is_damaged(name) {
            true => CliError::failed(
                "state",
                format!("the memory of alert `{name}` cannot be read"),
            )
            .hint(format!("tickwire alert --reset '{name}'")),
            false => no_memory(name),
        });
    };
    let row = |past: &crate::store::Past| {
        vec![
            ("timestamp", time(past.at)),
            ("market", Cell::Text(past.market.clone())),
            ("price", past.price.clone().map_or(Cell::None, Cell::Number)),
            ("outcome", Cell::Text(past.outcome.clone())),
            ("id", Cell::Text(past.id.clone())),
        ]
    };
    let rows = state.history.iter().map(row).collect();
    print(
        &["timestamp", "market", "price", "outcome", "id"],
        rows,
        ctx,
    )
}

/// Forgets all of one rule.
pub async fn reset(name: &str, store: &AlertStore, ctx: &Ctx) -> Result<Exit, CliError> {
    if store.read(name).map_err(unwritten)?.is_none() && !store.is_damaged(name) {
        return Err(no_memory(name));
    }
    // A damaged one is put aside by the lock already.
    let locked = lock(store, name, ctx).await?;
    let damaged = locked.set_aside().is_some();
    if !locked.reset().map_err(unwritten)? && !damaged {
        return Err(no_memory(name));
    }
    ctx.notices
        .say("alert", &format!("tickwire: alert `{name}` starts anew"));
    Ok(Exit::Done)
}

/// A clear "no", not a wrong request: the rule may just not have been checked yet.
fn no_memory(name: &str) -> CliError {
    CliError {
        exit: Exit::No,
        ..CliError::usage(
            "unknown_alert",
            format!("nothing is remembered of an alert `{name}`"),
        )
    }
    .hint("tickwire alert --list")
}

fn time(at: Timestamp) -> Cell {
    Cell::Text(at.to_string())
}

fn print(columns: &[&'static str], rows: Vec<Row>, ctx: &Ctx) -> Result<Exit, CliError> {
    let format = match ctx.output {
        OutputFormat::Auto if std::io::stdout().is_terminal() => OutputFormat::Table,
        OutputFormat::Auto => OutputFormat::Json,
        format => format,
    };
    let mut out = Vec::new();
    match format {
        OutputFormat::Table => out = table(columns, rows).into_bytes(),
        OutputFormat::Json => {
            rows.iter().for_each(|row| json(row, &mut out));
        }
        _ => lines(columns, rows, format == OutputFormat::Csv, &mut out),
    }
    output::print(&out)?;
    Ok(Exit::Done)
}

fn json(row: &Row, out: &mut Vec<u8>) {
    for (i, (name, cell)) in row.iter().enumerate() {
        out.push(if i == 0 { b'{' } else { b',' });
        write_json_string(name, out);
        out.push(b':');
        match cell {
            Cell::Text(text) => write_json_string(text, out),
            Cell::Number(digits) => out.extend_from_slice(digits.as_bytes()),
            Cell::None => out.extend_from_slice(b"null"),
        }
    }
    out.extend_from_slice(b"}\n");
}

fn table(columns: &[&'static str], rows: Vec<Row>) -> String {
    if rows.is_empty() {
        return "nothing is remembered\n".into();
    }
    let mut table = Table::new();
    table.set_header(columns.to_vec());
    for row in rows {
        table.add_row(row.into_iter().map(|(_, cell)| cell.text()));
    }
    format!("{table}\n")
}

fn lines(columns: &[&'static str], rows: Vec<Row>, csv: bool, out: &mut Vec<u8>) {
    if csv {
        out.extend_from_slice(columns.join(",").as_bytes());
        out.push(b'\n');
    }
    for row in rows {
        for (i, (_, cell)) in row.into_iter().enumerate() {
            if i > 0 {
                out.push(if csv { b',' } else { b'\t' });
            }
            match cell {
                Cell::Text(text) if csv => csv_text(&text, out),
                cell => plain_text(&cell.text(), out),
            }
        }
        out.push(b'\n');
    }
}

impl Cell {
    fn text(self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::None => String::new(),
        }
    }
}
