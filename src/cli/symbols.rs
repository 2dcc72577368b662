//! `tickwire symbols`: what the exchanges trade.

use std::io::IsTerminal;
use std::sync::Arc;

use comfy_table::{Cell, CellAlignment, Table};

use crate::config::OutputFormat;
use crate::model::{Instrument, write_json_string};
use crate::sink::lines::{csv_text, plain_text};
use crate::symbols::{ResolveError, Unresolved};

use super::args::SymbolsArgs;
use super::error::{CliError, OFFLINE_HINT};
use super::exit::Exit;
use super::output;
use super::signals::Signals;
use super::{ANSWER_TIMEOUT, Ctx};

/// Prints the instruments that match.
pub async fn run(mut args: SymbolsArgs, ctx: Ctx) -> Result<Exit, CliError> {
    let providers = providers(&mut args, &ctx);
    let progress = progress(&ctx);
    let timeout = ctx.timeout.unwrap_or(ANSWER_TIMEOUT);
    let (args, ctx) = (&args, &ctx);
    let asked = providers.iter().map(|provider| async move {
        let answer = tokio::time::timeout(timeout, ask(provider, args, ctx)).await;
        answer.unwrap_or_else(|_| {
            Err(
                CliError::unknown("timeout", format!("{provider}: no answer in time"))
                    .hint(OFFLINE_HINT),
            )
        })
    });
    let mut signals = Signals::new()?;
    let answers = tokio::select! {
        answers = futures_util::future::join_all(asked) => answers,
        exit = signals.next() => return Ok(exit),
    };
    signals.exit_on_next();
    progress.finish_and_clear();
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(found) => rows.extend(found),
            Err(error) => errors.push(error),
        }
    }
    if rows.is_empty() && errors.len() == 1 {
        return Err(errors.remove(0));
    }
    output::print_and_wait(render(&rows, args.resolve.is_some(), format(ctx))).await?;
    for error in &errors {
        ctx.notices.error(error);
    }
    Ok(
        match errors
            .iter()
            .map(|error| error.exit)
            .max_by_key(|exit| exit.code())
        {
            Some(exit) => exit,
            None if rows.is_empty() => {
                ctx.notices.say("nothing_matched", "nothing matches");
                Exit::No
            }
            None => Exit::Done,
        },
    )
}

/// The mock is no exchange: it is asked only where it is named. A name before the symbol leaves only that.
fn providers(args: &mut SymbolsArgs, ctx: &Ctx) -> Vec<String> {
    let named = args.resolve.as_ref().and_then(|text| text.split_once(':'));
    if let Some((name, symbol)) = named {
        let (name, symbol) = (name.trim().to_lowercase(), symbol.to_string());
        args.resolve = Some(symbol);
        return vec![name];
    }
    let everywhere = args.all_providers || (args.resolve.is_some() && !ctx.provider_named);
    if !everywhere {
        return vec![ctx.provider.clone()];
    }
    let mut names = ctx.exchanges.clone();
    if !names.contains(&ctx.provider) {
        names.push(ctx.provider.clone());
    }
    names
}

async fn ask(
    provider: &str,
    args: &SymbolsArgs,
    ctx: &Ctx,
) -> Result<Vec<Arc<Instrument>>, CliError> {
    let manager = ctx.engine.symbols(provider)?;
    let catalogue = if args.update {
        manager.refresh().await?
    } else {
        manager.catalogue().await?
    };
    if let Some(symbol) = &args.resolve {
        return match manager.resolve(symbol).await {
            Ok(instrument) => Ok(vec![instrument]),
            // Elsewhere it may be listed: not an error, just no row.
            Err(ResolveError::Unresolved(Unresolved::Unknown { .. })) => Ok(Vec::new()),
            Err(ResolveError::Unresolved(error)) => Err(error.into()),
            Err(ResolveError::List(error)) => Err(error.into()),
        };
    }
    let asset = |wanted: &Option<String>, asset: &str| {
        wanted
            .as_ref()
            .is_none_or(|w| catalogue.is_asset(&w.to_uppercase(), asset))
    };
    let matches = |instrument: &&Arc<Instrument>| {
        asset(&args.base, instrument.market.base())
            && asset(&args.quote, instrument.market.quote())
            && args
                .query
                .as_ref()
                .is_none_or(|query| contains(instrument, query))
    };
    Ok(catalogue
        .instruments()
        .iter()
        .filter(matches)
        .cloned()
        .collect())
}

/// Whether a name of the instrument holds the text, whatever separator it is written with.
fn contains(instrument: &Instrument, query: &str) -> bool {
    let query = query.trim().to_uppercase();
    let slashed = query.replace(['-', '_'], "/");
    let names = [
        instrument.native.as_str(),
        &instrument.ws,
        instrument.market.symbol(),
    ];
    let mut names = names
        .into_iter()
        .chain(instrument.aliases.iter().map(String::as_str))
        .map(str::to_uppercase);
    names.any(|name| name.contains(&query) || name.contains(&slashed))
}

fn progress(ctx: &Ctx) -> indicatif::ProgressBar {
    if ctx.notices.quiet || ctx.notices.json {
        return indicatif::ProgressBar::hidden();
    }
    // Hidden by itself where stderr is no terminal.
    let bar = indicatif::ProgressBar::new_spinner().with_message("asking for symbols");
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}

fn format(ctx: &Ctx) -> OutputFormat {
    match ctx.output {
        OutputFormat::Auto if std::io::stdout().is_terminal() => OutputFormat::Table,
        OutputFormat::Auto => OutputFormat::Json,
        given => given,
    }
}

const COLUMNS: [&str; 11] = [
    "exchange",
    "symbol",
    "base",
    "quote",
    "native",
    "ws",
    "tick_size",
    "lot_size",
    "min_notional",
    "status",
    "status_text",
];

/// The values of one instrument in the order of [`COLUMNS`]; numbers are marked as such.
fn values(instrument: &Instrument) -> [(String, bool); COLUMNS.len()] {
    let text = |text: &str| (text.to_string(), false);
    let number = |number: Option<crate::model::Decimal>| {
        (
            number
                .map(|n| crate::model::Price::from(n).to_string())
                .unwrap_or_default(),
            true,
        )
    };
    let market = instrument.market;
    [
        text(market.exchange().name()),
        text(market.symbol()),
        text(market.base()),
        text(market.quote()),
        text(&instrument.native),
        text(&instrument.ws),
        number(instrument.tick_size.map(|p| p.decimal())),
        number(instrument.lot_size.map(|q| q.decimal())),
        number(instrument.min_notional),
        text(instrument.status.name()),
        text(&instrument.status_text),
    ]
}

fn render(rows: &[Arc<Instrument>], resolving: bool, format: OutputFormat) -> Vec<u8> {
    let mut out = Vec::new();
    match format {
        OutputFormat::Table | OutputFormat::Auto => {
            if !rows.is_empty() {
                out = table(rows).into_bytes();
                out.push(b'\n');
            }
        }
        OutputFormat::Json => rows.iter().for_each(|row| json(row, &mut out)),
        OutputFormat::Csv => {
            out.extend_from_slice(COLUMNS.join(",").as_bytes());
            out.push(b'\n');
            for row in rows {
                for (n, (value, _)) in values(row).iter().enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    csv_text(value, &mut out);
                }
                out.push(b'\n');
            }
        }
        OutputFormat::Plain => {
            for row in rows {
                let names = [
                    row.market.exchange().name(),
                    row.market.symbol(),
                    &row.native,
                    &row.ws,
                ];
                let names = if resolving { &names[..] } else { &names[1..2] };
                for (n, name) in names.iter().enumerate() {
                    if n > 0 {
                        out.push(b'\t');
                    }
                    plain_text(name, &mut out);
                }
                out.push(b'\n');
            }
        }
    }
    out
}

fn json(instrument: &Instrument, out: &mut Vec<u8>) {
    for (n, (column, (value, is_number))) in COLUMNS.iter().zip(values(instrument)).enumerate() {
        out.push(if n == 0 { b'{' } else { b',' });
        write_json_string(column, out);
        out.push(b':');
        match (is_number, value.is_empty()) {
            (true, true) => out.extend_from_slice(b"null"),
            (true, false) => out.extend_from_slice(value.as_bytes()),
            (false, _) => write_json_string(&value, out),
        }
    }
    out.extend_from_slice(b"}\n");
}

fn table(rows: &[Arc<Instrument>]) -> String {
    let mut table = Table::new();
    let shown = [
        "exchange",
        "symbol",
        "native",
        "ws",
        "tick_size",
        "lot_size",
        "min_notional",
        "status",
    ];
    table.set_header(shown);
    for row in rows {
        let values = values(row);
        let cells = shown.iter().map(|name| {
            let place = COLUMNS
                .iter()
                .position(|column| column == name)
                .expect("shown columns are columns");
            let (value, is_number) = &values[place];
            let mut clean = Vec::new();
            plain_text(value, &mut clean);
            let cell = Cell::new(String::from_utf8_lossy(&clean));
            if *is_number {
                cell.set_alignment(CellAlignment::Right)
            } else {
                cell
            }
        });
        table.add_row(cells);
    }
    table.to_string()
}
