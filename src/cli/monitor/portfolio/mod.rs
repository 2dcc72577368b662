//! `monitor --portfolio`: what is held, valued once or live.

mod lines;
mod live;
mod once;
mod screen;

use std::io::IsTerminal;
use std::time::Duration;

use crate::expression::split_top_level;
use crate::portfolio::FIELDS;
use crate::sink::lines::Format;

use super::super::args::MonitorArgs;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::holdings::{Holdings, Source};
use super::super::signals::Signals;
use super::super::stand_ins::StandIns;
use super::super::{ANSWER_TIMEOUT, Ctx};
use super::announce;
use super::settings::{Shape, shape};

/// What to do, decided.
struct Wanted {
    shape: Shape,
    /// Totals, by name; `None`: the form's own choice.
    fields: Option<Vec<&'static str>>,
    once: bool,
    count: Option<u64>,
    duration: Option<Duration>,
    refresh: Duration,
    answer_timeout: Duration,
    /// For each market's first price on a stream.
    first_timeout: Option<Duration>,
}

impl Wanted {
    fn resolve(args: &MonitorArgs, ctx: &Ctx, terminal: bool) -> Result<Self, CliError> {
        let fields = args.field.iter().flat_map(|text| split_top_level(text));
        let fields = fields.map(field).collect::<Result<Vec<_>, _>>()?;
        let fields = (!fields.is_empty()).then_some(fields);
        Ok(Self {
            shape: shape(ctx.output, fields.is_some(), args.once, terminal)?,
            fields,
            once: args.once,
            count: args.count,
            duration: args.duration,
            refresh: args.refresh.max(Duration::from_millis(20)),
            answer_timeout: ctx.timeout.unwrap_or(ANSWER_TIMEOUT),
            first_timeout: ctx.timeout,
        })
    }

    /// How it ends by a signal: cut short where an end was asked for, else as it should.
    fn exit_on(&self, signal: Exit) -> Exit {
        let has_end = self.once || self.count.is_some() || self.duration.is_some();
        if has_end { signal } else { Exit::Done }
    }
}

fn field(name: &str) -> Result<&'static str, CliError> {
    let known = FIELDS.into_iter().find(|known| *known == name.trim());
    known.ok_or_else(|| {
        let message = format!("--field: a portfolio has no field `{}`", name.trim());
        let hint = format!("there are {}; holdings are in -o json", FIELDS.join(", "));
        CliError::usage("unknown_field", message).hint(hint)
    })
}

/// Runs the command.
pub async fn run(args: &MonitorArgs, ctx: Ctx) -> Result<Exit, CliError> {
    let wanted = Wanted::resolve(args, &ctx, std::io::stdout().is_terminal())?;
    if ctx.config.portfolio.holdings.is_empty() {
        return Err(nothing_held());
    }
    let mut signals = Signals::new()?;
    let mut holdings = tokio::select! {
        holdings = open(&wanted, &ctx) => holdings?,
        exit = signals.next() => return Ok(wanted.exit_on(exit)),
    };
    announce(&holdings.instruments(), &ctx)?;
    match wanted.shape {
        _ if wanted.once => once::run(&wanted, &mut holdings, &ctx, signals).await,
        Shape::Table => screen::run(&wanted, &mut holdings, &ctx, signals).await,
        Shape::Lines(format) => live::run(&wanted, format, &mut holdings, &ctx, signals).await,
    }
}

fn nothing_held() -> CliError {
    let lines = ["[portfolio.holdings]", "BTC = 2.0"];
    CliError {
        detail: lines.map(str::to_owned).to_vec(),
        ..CliError::usage("config", "--portfolio: the configuration has no holdings")
    }
    .hint("write two lines like these into ~/.config/tickwire/config.toml, or the file of -c")
}

async fn open(wanted: &Wanted, ctx: &Ctx) -> Result<Holdings, CliError> {
    let (name, settings) = (ctx.provider.as_str(), &ctx.config.portfolio);
    let deadline = (ctx.started + wanted.answer_timeout).into();
    let list = ctx.engine.symbols(name)?.catalogue();
    let list = tokio::time::timeout_at(deadline, list)
        .await
        .map_err(|_| {
            let within = crate::duration::format(wanted.answer_timeout);
            CliError::unknown(
                "no_data",
                format!("no list of what {name} trades within {within}"),
            )
        })??;
    let source = Source {
        engine: ctx.engine.clone(),
        provider: name.to_owned(),
        stand_ins: StandIns::new(ctx),
        max_age: ctx.max_age,
    };
    let mut holdings = Holdings::open(source).await?;
    holdings.hold(settings, Some(&list)).await?;
    let quote = &holdings.portfolio().quote;
    if list.asset(quote).is_none() {
        let message = format!("portfolio.quote: {name} trades nothing in `{quote}`");
        let hint = format!("tickwire symbols -p {name} lists what it trades");
        return Err(CliError::usage("unknown_symbol", message).hint(hint));
    }
    Ok(holdings)
}

/// The form of lines that are told.
fn main_fields(format: Format) -> &'static [&'static str] {
    match format {
        Format::Csv => &FIELDS,
        _ => &[
            "total_value",
            "total_change_24h",
            "total_change_percent_24h",
            "partial",
        ],
    }
}
