//! The flags of `monitor`, checked against each other. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::config::OutputFormat;
use crate::engine::{DEFAULT_CAPACITY, Delivery, Overflow, SLOW_READER_PATIENCE};
use crate::model::{Field, Instrument, Market, Stream};
use crate::sink::lines::Format;

use super::super::args::MonitorArgs;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::{ANSWER_TIMEOUT, Ctx, is_dumb};

/// What to do, decided.
#[derive(Debug, Clone)]
pub struct Settings {
    pub streams: Vec<Stream>,
    /// As asked; `None`: the form's own choice.
    pub fields: Option<Vec<Field>>,
    pub shape: Shape,
    pub once: bool,
    pub count: Option<u64>,
    pub duration: Option<Duration>,
    pub refresh: Duration,
    pub summary: Option<Duration>,
    /// For an answer, and for the list of symbols.
    pub answer_timeout: Duration,
    /// For each symbol's first event on a stream.
    pub first_timeout: Option<Duration>,
    pub max_age: Option<Duration>,
    pub color: bool,
}

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Table,
    Lines(Format),
}

impl Settings {
    /// Errors: flags that are wrong, or wrong together.
    pub fn resolve(args: &MonitorArgs, ctx: &Ctx, terminal: bool) -> Result<Self, CliError> {
        let streams = streams(&args.stream)?;
        let fields = if args.field.is_empty() {
            None
        } else {
            Some(fields(&args.field, &streams)?)
        };
        let shape = shape(ctx.output, fields.is_some(), args.once, terminal)?;
        if shape == Shape::Lines(Format::Csv) && streams.len() > 1 {
            return Err(CliError::usage("usage", "csv takes one stream only")
                .hint("--stream ticker, or -o json"));
        }
        Ok(Self {
            streams,
            fields,
            shape,
            once: args.once,
            count: args.count,
            duration: args.duration,
            refresh: args.refresh.max(Duration::from_millis(20)),
            summary: args.summary.filter(|every| !every.is_zero()),
            answer_timeout: ctx.timeout.unwrap_or(ANSWER_TIMEOUT),
            first_timeout: ctx.timeout,
            max_age: ctx.max_age,
            color: ctx.color,
        })
    }

    /// A source that can wait is slowed down by a slow reader; the market cannot be.
    pub fn delivery(&self, ctx: &Ctx, instruments: &[Arc<Instrument>]) -> Delivery {
        let providers = || instruments.iter().map(|i| i.market.exchange().name());
        let can_wait = providers().all(|name| {
            ctx.engine
                .provider(name)
                .is_ok_and(|provider| provider.traits().can_wait)
        });
        let overflow = if can_wait {
            Overflow::Wait
        } else {
            Overflow::WaitThenGap(SLOW_READER_PATIENCE)
        };
        let capacity = providers()
            .map(|name| ctx.config.engine_for(name).buffer_size)
            .max();
        Delivery::Every {
            capacity: capacity.unwrap_or(DEFAULT_CAPACITY),
            overflow,
        }
    }

    /// Every stream of every instrument, in the order asked for.
    pub fn topics(&self, instruments: &[Arc<Instrument>]) -> Vec<(Market, Stream)> {
        instruments
            .iter()
            .flat_map(|i| self.streams.iter().map(|&stream| (i.market, stream)))
            .collect()
    }

    /// How it ends by a signal: cut short where an end was asked for, else as it should.
    pub fn exit_on(&self, signal: Exit) -> Exit {
        let has_end = self.once || self.count.is_some() || self.duration.is_some();
        if has_end { signal } else { Exit::Done }
    }
}

fn streams(names: &[String]) -> Result<Vec<Stream>, CliError> {
    let mut streams = Vec::new();
    for name in names {
        let stream = match name.trim() {
            "ticker" | "tickers" => Stream::Ticker,
            "trade" | "trades" => Stream::Trades,
            "candle" | "candles" | "book" | "books" => {
                return Err(CliError::usage(
                    "usage",
                    format!("--stream: `{name}` is not available yet"),
                )
                .hint("ticker, trades"));
            }
            _ => {
                return Err(
                    CliError::usage("usage", format!("--stream: no stream `{name}`"))
                        .hint("ticker, trades"),
                );
            }
        };
        if !streams.contains(&stream) {
            streams.push(stream);
        }
    }
    Ok(streams)
}

fn fields(names: &[String], streams: &[Stream]) -> Result<Vec<Field>, CliError> {
    names
        .iter()
        .map(|name| field(name.trim(), streams))
        .collect()
}

fn field(name: &str, streams: &[Stream]) -> Result<Field, CliError> {
    let known = |field: &Field| streams.iter().any(|stream| field.exists_in(*stream));
    if let Some(field) = Field::named(name) {
        if known(&field) {
            return Ok(field);
        }
        let streams: Vec<_> = streams.iter().map(|stream| stream.name()).collect();
        return Err(CliError::usage(
            "unknown_field",
            format!("--field: {} has no `{name}`", streams.join(" and ")),
        ));
    }
    if name.contains(|c: char| !c.is_alphanumeric() && c != '_') {
        return Err(CliError::usage(
            "unknown_field",
            format!("--field: `{name}`: expressions are not available yet"),
        ));
    }
    let names = Field::ALL
        .iter()
        .filter(|field| known(field))
        .map(|field| field.name());
    let near = names
        .clone()
        .min_by_key(|known| strsim::damerau_levenshtein(known, name));
    let error = CliError::usage("unknown_field", format!("--field: no field `{name}`"));
    let near = near
        .filter(|known| strsim::damerau_levenshtein(known, name) <= 3)
        .map(|known| format!("did you mean {known}? "));
    Err(error.hint(format!(
        "{}there are {}",
        near.unwrap_or_default(),
        names.collect::<Vec<_>>().join(", ")
    )))
}

fn shape(
    output: OutputFormat,
    fields: bool,
    once: bool,
    terminal: bool,
) -> Result<Shape, CliError> {
    Ok(match output {
        OutputFormat::Auto if fields => Shape::Lines(Format::Plain),
        OutputFormat::Auto if terminal => {
            return shape(OutputFormat::Table, fields, once, terminal);
        }
        OutputFormat::Auto | OutputFormat::Json => Shape::Lines(Format::Json),
        OutputFormat::Csv => Shape::Lines(Format::Csv),
        OutputFormat::Plain => Shape::Lines(Format::Plain),
        OutputFormat::Table if fields => {
            return Err(CliError::usage("usage", "--field makes lines, no table")
                .hint("-o plain, json or csv"));
        }
        // A screen cannot be redrawn in a pipe or on a dumb terminal; one table can be printed anywhere.
        OutputFormat::Table if !once && (!terminal || is_dumb()) => Shape::Lines(Format::Plain),
        OutputFormat::Table => Shape::Table,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singular_and_plural_streams_are_the_same() {
        let of = |names: &[&str]| streams(&names.iter().map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(
            of(&["trade", "trades", "tickers"]),
            Ok(vec![Stream::Trades, Stream::Ticker])
        );
        assert_eq!(
            of(&["tikcer"]).unwrap_err().to_string(),
            "--stream: no stream `tikcer`"
        );
        assert_eq!(
            of(&["candles"]).unwrap_err().to_string(),
            "--stream: `candles` is not available yet"
        );
    }

    #[test]
    fn an_unknown_field_brings_the_nearest() {
        let error = field("prise", &[Stream::Ticker]).unwrap_err();
        assert!(
            error.hint.is_some_and(
                |hint| hint.starts_with("did you mean price? there are type, exchange")
            )
        );
        assert_eq!(
            field("side", &[Stream::Ticker]).unwrap_err().to_string(),
            "--field: ticker has no `side`"
        );
        assert_eq!(
            field("price * 2", &[Stream::Ticker])
                .unwrap_err()
                .to_string(),
            "--field: `price * 2`: expressions are not available yet"
        );
        assert_eq!(field("spread_bps", &[Stream::Ticker]), Ok(Field::SpreadBps));
    }

    #[test]
    fn the_form_follows_the_terminal_and_the_fields() {
        use OutputFormat::*;
        let of = |output, fields, once, terminal| shape(output, fields, once, terminal).unwrap();
        assert_eq!(of(Auto, false, false, false), Shape::Lines(Format::Json));
        assert_eq!(of(Auto, true, false, true), Shape::Lines(Format::Plain));
        assert_eq!(of(Table, false, false, false), Shape::Lines(Format::Plain));
        assert_eq!(of(Table, false, true, false), Shape::Table);
        assert!(shape(Table, true, true, true).is_err());
    }
}
