//! The flags of `monitor`, checked against each other. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::config::OutputFormat;
use crate::engine::{DEFAULT_CAPACITY, Delivery, Overflow, SLOW_READER_PATIENCE};
use crate::expression::{ErrorKind, Expression, Operand, Reference, split_top_level};
use crate::feed::Topic;
use crate::model::{Clock, Field, Instrument, Interval, Market, Stream, SystemClock, Timestamp};
use crate::sink::lines::{Column, Format};
use crate::strategy::{Costs, Strategy};
use crate::timeline::Past;

use crate::duration::parse_moment;

use super::super::args::MonitorArgs;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::strategy;
use super::super::{ANSWER_TIMEOUT, Ctx, is_dumb};
use super::others::Others;
use super::tactics;

/// Trades in one answer of every exchange.
const TRADES_MAX: u64 = 1_000;

/// What to do, decided.
#[derive(Debug, Clone)]
pub struct Settings {
    pub streams: Vec<Stream>,
    /// Of functions that name none.
    pub interval: Interval,
    /// What of the past is told first.
    pub past: Option<Past>,
    /// When this began: a number of candles counts back from here.
    pub now: Timestamp,
    /// What gives signals.
    pub strategies: Vec<Strategy>,
    /// What each fill of a backtest costs.
    pub costs: Costs,
    /// The past is all that is wanted.
    pub is_download: bool,
    /// Whether an end of its own was asked for by the clock.
    pub has_until: bool,
    /// As asked; `None`: the form's own choice.
    pub columns: Option<Vec<Column>>,
    /// What an event must fulfil to be shown.
    pub filter: Option<Expression>,
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
        let streams = match (args.stream.as_slice(), args.strategy.as_slice()) {
            // Signals are what is wanted.
            ([], [_, ..]) => Vec::new(),
            ([], []) => vec![Stream::Ticker],
            (names, _) => streams(names, &args.interval)?,
        };
        let interval = args.interval.first().copied().unwrap_or(Interval::M1);
        let strategies = args.strategy.iter();
        let strategies = strategies
            .map(|text| strategy::find(text, interval, &ctx.config))
            .collect::<Result<Vec<_>, _>>()?;
        let now = SystemClock.now();
        let (past, until) = past(args, &streams, now)?;
        if args.once && !strategies.is_empty() {
            return Err(
                CliError::usage("usage", "--strategy: a single answer gives no signals")
                    .hint("leave out -1; --since 30d --until now looks back"),
            );
        }
        if strategies.is_empty() && (args.fee.is_some() || args.slippage.is_some()) {
            return Err(
                CliError::usage("usage", "--fee and --slippage go with --strategy")
                    .hint("--strategy 'sma_cross(10,30)' --fee 0.1%"),
            );
        }
        let columns = if args.field.is_empty() {
            None
        } else {
            Some(columns(&args.field, &streams)?)
        };
        let filter = args.filter.as_deref();
        let filter = filter.map(|text| filter_of(text, &streams)).transpose()?;
        let shape = shape(ctx.output, columns.is_some(), args.once, terminal)?;
        let is_download = until.is_some_and(|until| until <= now);
        let shape = match shape {
            // What is over needs no screen, and signals are no rows.
            Shape::Table if is_download || !strategies.is_empty() => Shape::Lines(Format::Plain),
            shape => shape,
        };
        let kinds = streams.len() + usize::from(!strategies.is_empty());
        if shape == Shape::Lines(Format::Csv) && kinds > 1 {
            return Err(CliError::usage("usage", "csv takes one stream only")
                .hint("--stream ticker, or -o json"));
        }
        Ok(Self {
            now,
            streams,
            interval,
            costs: tactics::costs(args.fee.as_deref(), args.slippage.as_deref())?,
            strategies,
            past,
            is_download,
            has_until: until.is_some(),
            columns,
            filter,
            shape,
            once: args.once,
            count: args.count,
            duration: earlier(
                args.duration,
                until.and_then(|until| time_until(until, now)),
            ),
            refresh: args.refresh.max(Duration::from_millis(20)),
            summary: args.summary.filter(|every| !every.is_zero()),
            answer_timeout: ctx.timeout.unwrap_or(ANSWER_TIMEOUT),
            first_timeout: ctx.timeout,
            max_age: ctx.max_age,
            color: ctx.color,
        })
    }

    /// A source that can wait is slowed down by a slow reader; the market cannot be.
    pub fn delivery(
        &self,
        ctx: &Ctx,
        instruments: &[Arc<Instrument>],
        others: &Others,
    ) -> Delivery {
        let others = others.instruments();
        let instruments = || instruments.iter().chain(&others);
        let providers = || instruments().map(|i| i.market.exchange().name());
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

    /// What is computed for events.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let columns = self.columns.iter().flatten();
        let columns = columns.filter_map(Column::expression);
        columns.chain(&self.filter)
    }

    /// The fields of the event itself that the columns need; `None` where none were asked for.
    pub fn own_fields(&self) -> Option<Vec<Field>> {
        let columns = self.columns.as_ref()?;
        let fields = columns.iter().flat_map(|column| match column {
            Column::Field(field) => vec![*field],
            Column::Computed(expression) => own_fields(expression).collect(),
        });
        Some(fields.collect())
    }

    /// Every stream of every instrument, in the order asked for.
    pub fn topics(&self, instruments: &[Arc<Instrument>]) -> Vec<(Market, Stream)> {
        let topics = self.topics_of(instruments);
        let named = topics.map(|topic| (topic.instrument.market, topic.stream));
        named.collect()
    }

    /// The same with all that is known of the instruments.
    pub fn topics_of(&self, instruments: &[Arc<Instrument>]) -> impl Iterator<Item = Topic> {
        instruments.iter().flat_map(|instrument| {
            self.streams.iter().map(|&stream| Topic {
                instrument: instrument.clone(),
                stream,
            })
        })
    }

    /// The end of the past that is asked for, where that is not now.
    pub fn past_until(&self) -> Option<Timestamp> {
        match self.past {
            Some(Past::Since(_, until)) => until,
            _ => None,
        }
    }

    /// From when on the past of candles of this length is told, if any is. Of a number of them: what that comes to where
    /// no interval is without trades.
    pub fn past_from(&self, interval: Interval) -> Option<Timestamp> {
        match self.past? {
            Past::Since(from, _) => Some(from),
            Past::Last(n) => Some(before(interval, self.now, n)),
        }
    }

    /// From when on anything of the past is told.
    pub fn all_from(&self) -> Option<Timestamp> {
        let lengths = self.streams.iter().filter_map(|stream| stream.interval());
        self.past_from(lengths.max().unwrap_or(self.interval))
    }

    /// How many newest ones of each stream are told of the past.
    pub fn newest(&self) -> Option<usize> {
        match self.past {
            Some(Past::Last(n)) => Some(n),
            _ => None,
        }
    }

    /// What is asked for, so that the candles of this length from a moment on are there, and so many before it.
    pub fn reach(&self, interval: Interval, from: Timestamp, n: usize) -> Past {
        let from = before(interval, from, n);
        match self.newest() {
            // Where some intervals are without trades they reach further back.
            Some(_) => {
                let count = interval.count(from, interval.open_of(self.now));
                Past::Last(usize::try_from(count).unwrap_or(usize::MAX))
            }
            None => Past::Since(from, self.past_until()),
        }
    }

    /// How it ends by a signal: cut short where an end was asked for, else as it should.
    pub fn exit_on(&self, signal: Exit) -> Exit {
        let has_end =
            self.once || self.count.is_some() || self.duration.is_some() || self.has_until;
        if has_end { signal } else { Exit::Done }
    }
}

fn streams(names: &[String], intervals: &[Interval]) -> Result<Vec<Stream>, CliError> {
    let mut streams = Vec::new();
    let intervals = if intervals.is_empty() {
        &[Interval::M1]
    } else {
        intervals
    };
    for name in names {
        let named = match name.trim() {
            "ticker" | "tickers" => vec![Stream::Ticker],
            "trade" | "trades" => vec![Stream::Trades],
            "candle" | "candles" => intervals.iter().copied().map(Stream::Candles).collect(),
            "book" | "books" => {
                return Err(CliError::usage(
                    "usage",
                    format!("--stream: `{name}` is not available yet"),
                )
                .hint("ticker, trades, candles"));
            }
            _ => {
                return Err(
                    CliError::usage("usage", format!("--stream: no stream `{name}`"))
                        .hint("ticker, trades, candles"),
                );
            }
        };
        for stream in named {
            if !streams.contains(&stream) {
                streams.push(stream);
            }
        }
    }
    Ok(streams)
}

/// When the candle begins that is so many before the one of this moment.
fn before(interval: Interval, at: Timestamp, n: usize) -> Timestamp {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    let back = interval.nanos().saturating_mul(n);
    interval.open_of(at).plus_nanos(-back)
}

/// The one that ends first.
fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

/// How long it is until then; `None` where that is over, or now.
fn time_until(moment: Timestamp, now: Timestamp) -> Option<Duration> {
    let nanos = u64::try_from(moment.nanos() - now.nanos()).ok()?;
    (nanos > 0).then(|| Duration::from_nanos(nanos))
}

/// What of the past is wanted, and when the end is.
fn past(
    args: &MonitorArgs,
    streams: &[Stream],
    now: Timestamp,
) -> Result<(Option<Past>, Option<Timestamp>), CliError> {
    let wrong = |why| CliError::usage("usage", why);
    let moment = |flag: &str, text: &Option<String>| {
        let moment = text.as_deref().map(|text| parse_moment(text, now));
        moment
            .transpose()
            .map_err(|why| wrong(format!("{flag}: {why}")))
    };
    let (since, until) = (
        moment("--since", &args.since)?,
        moment("--until", &args.until)?,
    );
    let past = match (args.history, since) {
        (Some(n), _) => Past::Last(usize::try_from(n).unwrap_or(usize::MAX)),
        (None, Some(since)) => Past::Since(since, until),
        (None, None) => return Ok((None, until)),
    };
    if let Some(since) = since {
        if since > now {
            return Err(wrong(format!("--since: {since} is yet to come")));
        }
        if until.is_some_and(|until| until <= since) {
            let error = wrong(format!("--until: it is not after --since, {since}"));
            return Err(error.hint("--since 2026-01-01 --until 2026-02-01"));
        }
    }
    let trades = streams.contains(&Stream::Trades);
    if let Some(n) = args.history.filter(|n| trades && *n > TRADES_MAX) {
        let message = format!("--history: {n} trades are more than one answer has, {TRADES_MAX}");
        return Err(wrong(message).hint("--since 1h goes further back"));
    }
    let has_past = |stream: &Stream| *stream != Stream::Ticker;
    if !streams.iter().any(has_past) && args.strategy.is_empty() {
        let flag = if since.is_some() {
            "--since"
        } else {
            "--history"
        };
        return Err(wrong(format!("{flag}: tickers have no past"))
            .hint("--stream candles, or --stream trades"));
    }
    Ok((Some(past), until))
}

fn columns(texts: &[String], streams: &[Stream]) -> Result<Vec<Column>, CliError> {
    let texts = texts.iter().flat_map(|text| split_top_level(text));
    texts.map(|text| column(text, streams)).collect()
}

fn column(text: &str, streams: &[Stream]) -> Result<Column, CliError> {
    // A plain name that is none is told with all that there are.
    if text.chars().all(|c| c.is_alphanumeric() || c == '_') && Field::named(text).is_none() {
        match Expression::parse(text) {
            Err(error) if error.kind == ErrorKind::Unknown => return Err(no_field(text, streams)),
            _ => {}
        }
    }
    let expression =
        Expression::parse(text).map_err(|error| CliError::expression("--field", &error))?;
    has_own_fields("--field", &expression, streams)?;
    Ok(match expression.as_field() {
        Some(field) => Column::Field(field),
        None => Column::Computed(expression),
    })
}

fn filter_of(text: &str, streams: &[Stream]) -> Result<Expression, CliError> {
    let wrong = |error| CliError::expression("--where", &error);
    let filter = Expression::parse_condition(text).map_err(wrong)?;
    has_own_fields("--where", &filter, streams)?;
    Ok(filter)
}

fn own_fields(expression: &Expression) -> impl Iterator<Item = Field> {
    let operands = expression.operands().iter();
    let own = operands.filter(|operand| operand.of == Reference::Own);
    own.filter_map(Operand::field)
}

/// Errors: a field that no event of these streams can have.
fn has_own_fields(flag: &str, expression: &Expression, streams: &[Stream]) -> Result<(), CliError> {
    let missing = own_fields(expression).find(|field| match streams {
        // Signals alone.
        [] => !Field::SIGNAL.contains(field),
        streams => !streams.iter().any(|stream| field.exists_in(*stream)),
    });
    let Some(field) = missing else {
        return Ok(());
    };
    let names: Vec<_> = match streams {
        [] => vec!["a signal"],
        streams => streams.iter().map(|stream| stream.name()).collect(),
    };
    let message = format!("{flag}: {} has no `{}`", names.join(" and "), field.name());
    let error = CliError::usage("unknown_field", message);
    let having = Stream::all().find(|stream| field.exists_in(*stream));
    Err(match having {
        Some(stream) => error.hint(format!("--stream {} has it", stream.name())),
        None => error,
    })
}

fn no_field(name: &str, streams: &[Stream]) -> CliError {
    let known = |field: &&Field| streams.iter().any(|stream| field.exists_in(*stream));
    let names = Field::ALL.iter().filter(known).map(|field| field.name());
    let near = names
        .clone()
        .min_by_key(|known| strsim::damerau_levenshtein(known, name));
    let near = near
        .filter(|known| strsim::damerau_levenshtein(known, name) <= 3)
        .map(|known| format!("did you mean {known}? "));
    let error = CliError::usage("unknown_field", format!("--field: no field `{name}`"));
    error.hint(format!(
        "{}there are {}",
        near.unwrap_or_default(),
        names.collect::<Vec<_>>().join(", ")
    ))
}

/// The form of output that these flags mean.
pub(super) fn shape(
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
        let of = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|n| n.to_string()).collect();
            streams(&names, &[])
        };
        assert_eq!(
            of(&["trade", "trades", "tickers"]),
            Ok(vec![Stream::Trades, Stream::Ticker])
        );
        assert_eq!(
            of(&["tikcer"]).unwrap_err().to_string(),
            "--stream: no stream `tikcer`"
        );
        assert_eq!(
            of(&["book"]).unwrap_err().to_string(),
            "--stream: `book` is not available yet"
        );
    }

    #[test]
    fn an_unknown_field_brings_the_nearest() {
        let error = column("prise", &[Stream::Ticker]).unwrap_err();
        assert_eq!(error.to_string(), "--field: no field `prise`");
        assert!(
            error.hint.is_some_and(
                |hint| hint.starts_with("did you mean price? there are type, exchange")
            )
        );
        let error = column("side", &[Stream::Ticker]).unwrap_err();
        assert_eq!(error.to_string(), "--field: ticker has no `side`");
        assert_eq!(error.hint.as_deref(), Some("--stream trades has it"));
    }

    #[test]
    fn plain_fields_stay_fields_and_the_rest_is_computed() {
        let texts = [
            "symbol, max(bid, ask)".to_string(),
            " spread_bps".to_string(),
        ];
        let columns = columns(&texts, &[Stream::Ticker]).unwrap();
        assert!(matches!(
            columns.as_slice(),
            [
                Column::Field(Field::Symbol),
                Column::Computed(_),
                Column::Field(Field::SpreadBps)
            ]
        ));
        assert_eq!(columns[1].name(), "max(bid, ask)");
        for (text, message) in [
            (
                "price *",
                "--field: `price *`: column 8: expected a value, found the end",
            ),
            ("size * 2", "--field: ticker has no `size`"),
            ("", "--field: ``: column 1: expected a value, found the end"),
            ("close", "--field: ticker has no `close`"),
        ] {
            let error = column(text, &[Stream::Ticker]).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn a_filter_is_a_yes_or_no_over_what_the_streams_have() {
        assert!(filter_of("side == buy", &[Stream::Ticker, Stream::Trades]).is_ok());
        assert!(filter_of("ETH/USD.side == buy", &[Stream::Ticker]).is_ok());
        for (text, message) in [
            ("side == buy", "--where: ticker has no `side`"),
            (
                "price",
                "--where: `price`: column 1: a number, not a yes/no",
            ),
            (
                "prise > 1",
                "--where: `prise > 1`: column 1: no field `prise`",
            ),
        ] {
            let error = filter_of(text, &[Stream::Ticker]).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
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
