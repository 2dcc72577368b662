//! `monitor -1`: one fresh event per symbol and stream, from whichever answers first, REST or socket.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, SelectAll, StreamExt};
use tokio::time::Instant;

use crate::engine::{Request, Subscription};
use crate::feed::{Provider, ProviderError};
use crate::model::{
    Clock, Event, Field, Instrument, Market, StatusState, Stream, SystemClock, Timestamp,
};
use crate::sink::lines::Lines;

use super::super::Ctx;
use super::super::error::{CliError, clipped};
use super::super::exit::Exit;
use super::super::output;
use super::super::signals::Signals;
use super::settings::{Settings, Shape};
use super::{Clocks, concerns, engine_stopped, tell};

/// An answer that lacks fields is kept for so long, in case a fuller one comes.
const GRACE: Duration = Duration::from_secs(2);
/// Saying goodbye to the exchange must not make a quick answer slow.
const GOODBYE: Duration = Duration::from_millis(250);

/// One wanted answer.
struct Slot {
    market: Market,
    stream: Stream,
    /// Fields that an answer should have; those that this exchange never gives are left out.
    wanted: Vec<Field>,
    /// Whether the fields were asked for by name, so that one without a value is no answer.
    by_name: bool,
    stream_fields: &'static [Field],
    rest_fields: &'static [Field],
    /// The exchange's times are not ours.
    own_clock: bool,
    event: Option<Event>,
    /// When it came, by our clock.
    arrived: Option<Timestamp>,
    complete: bool,
    /// Why there is none, by source.
    rest_error: Option<ProviderError>,
    stream_error: Option<String>,
    stream_failed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Rest,
    Socket,
}

type RestAnswer = (Market, Stream, Result<Event, ProviderError>);

/// `missing`: what is known to have no answer.
pub async fn run(
    settings: &Settings,
    instruments: &[Arc<Instrument>],
    missing: Vec<CliError>,
    ctx: &Ctx,
    mut signals: Signals,
) -> Result<Exit, CliError> {
    let mut slots = slots(settings, instruments, ctx)?;
    let request =
        Request::instruments(instruments.iter().cloned()).streams(settings.streams.iter().copied());
    let mut subscription = ctx.engine.subscribe(request).await?;
    let deadline = (ctx.started + settings.answer_timeout).into();
    let ended = tokio::select! {
        ended = collect(&mut slots, &mut subscription, instruments, ctx, deadline) => ended,
        exit = signals.next() => return Ok(exit),
    };
    signals.exit_on_next();
    let errors = missing.into_iter().chain(ended.err()).collect();
    let result = print(&slots, instruments, errors, settings, ctx).await;
    let _ = tokio::time::timeout(GOODBYE, ctx.engine.shutdown()).await;
    result
}

fn slots(
    settings: &Settings,
    instruments: &[Arc<Instrument>],
    ctx: &Ctx,
) -> Result<Vec<Slot>, CliError> {
    let mut slots = Vec::new();
    for instrument in instruments {
        let traits = ctx
            .engine
            .provider(instrument.market.exchange().name())?
            .traits();
        for &stream in &settings.streams {
            let given = |field: &Field| {
                !Field::TICKER_NUMBERS.contains(field)
                    || traits.stream_fields.contains(field)
                    || traits.rest_fields.contains(field)
            };
            let wanted = match &settings.fields {
                Some(fields) => fields
                    .iter()
                    .copied()
                    .filter(|field| field.exists_in(stream))
                    .filter(given)
                    .collect(),
                None => Field::TICKER_NUMBERS
                    .iter()
                    .copied()
                    .filter(given)
                    .collect(),
            };
            slots.push(Slot {
                market: instrument.market,
                stream,
                wanted,
                by_name: settings.fields.is_some(),
                stream_fields: traits.stream_fields,
                rest_fields: traits.rest_fields,
                own_clock: traits.own_clock,
                event: None,
                arrived: None,
                complete: false,
                rest_error: None,
                stream_error: None,
                stream_failed: false,
            });
        }
    }
    Ok(slots)
}

/// Fills the slots until all are complete, nothing more can come, or time is up.
///
/// Errors: the engine has ended; what was answered before stays.
async fn collect(
    slots: &mut [Slot],
    subscription: &mut Subscription,
    instruments: &[Arc<Instrument>],
    ctx: &Ctx,
    deadline: Instant,
) -> Result<(), CliError> {
    let mut rest = ask(slots, instruments, ctx);
    let mut batch = Vec::new();
    let mut until = deadline;
    while !slots.iter().all(Slot::is_settled) {
        tokio::select! {
            taken = subscription.next_batch(&mut batch) => {
                if taken.is_err() {
                    let stopped = engine_stopped();
                    for slot in slots.iter_mut() {
                        slot.stream_error.get_or_insert_with(|| stopped.message.clone());
                    }
                    return Err(stopped);
                }
                for event in batch.drain(..) {
                    on_event(slots, event, ctx);
                }
            }
            Some(answer) = rest.next() => on_answer(slots, answer),
            () = tokio::time::sleep_until(until) => return Ok(()),
        }
        if slots
            .iter()
            .all(|slot| slot.is_enough() || slot.is_settled())
        {
            until = until.min(Instant::now() + GRACE);
        }
    }
    Ok(())
}

/// The REST questions: one per provider for all tickers, one per symbol for trades. The mock has nothing
/// to ask: its socket cannot be slow.
fn ask<'a>(
    slots: &[Slot],
    instruments: &'a [Arc<Instrument>],
    ctx: &'a Ctx,
) -> SelectAll<BoxStream<'a, RestAnswer>> {
    let mut asked = SelectAll::new();
    let wants = |stream| slots.iter().any(|slot| slot.stream == stream);
    for name in crate::app::provider_names() {
        let Ok(provider) = ctx.engine.provider(name) else {
            continue;
        };
        let provider: &'a Arc<dyn Provider> = provider;
        let own = instruments
            .iter()
            .filter(|i| i.market.exchange() == provider.exchange());
        if own.clone().next().is_none() || provider.traits().can_wait {
            continue;
        }
        if wants(Stream::Trades) {
            for instrument in own.clone() {
                asked.push(stream::once(newest_trade(provider, instrument)).boxed());
            }
        }
        if wants(Stream::Ticker) {
            let tickers = provider.tickers(own.cloned().collect());
            let event = |ticker| Event::Ticker(Arc::new(ticker));
            asked.push(
                tickers
                    .map(move |(i, ticker)| (i.market, Stream::Ticker, ticker.map(event)))
                    .boxed(),
            );
        }
    }
    asked
}

async fn newest_trade(provider: &Arc<dyn Provider>, instrument: &Instrument) -> RestAnswer {
    let none = || ProviderError::Refused(format!("{}: no trades", instrument.market));
    let newest = |trades: Vec<_>| trades.into_iter().next_back().ok_or_else(none);
    let trade = provider.trades(instrument, 1).await.and_then(newest);
    (instrument.market, Stream::Trades, trade.map(Event::Trade))
}

fn on_event(slots: &mut [Slot], event: Event, ctx: &Ctx) {
    if let Event::Status(status) = &event {
        tell(&event, ctx.notices);
        for slot in slots
            .iter_mut()
            .filter(|slot| concerns(status, slot.market, slot.stream))
        {
            if status.reason.is_some() {
                slot.stream_error.clone_from(&status.reason);
            }
            slot.stream_failed |= status.state == StatusState::Failed;
        }
        return;
    }
    let wanted = slots
        .iter_mut()
        .find(|slot| Some(slot.market) == event.market() && Some(slot.stream) == event.stream());
    match wanted {
        Some(slot) => slot.offer(event, Source::Socket),
        None => tell(&event, ctx.notices),
    }
}

fn on_answer(slots: &mut [Slot], (market, stream, answer): RestAnswer) {
    let Some(slot) = slots
        .iter_mut()
        .find(|slot| slot.market == market && slot.stream == stream)
    else {
        return;
    };
    match answer {
        Ok(event) => slot.offer(event, Source::Rest),
        Err(error) => slot.rest_error = Some(error),
    }
}

impl Slot {
    /// Takes an event as the answer where there is none as good. Later events of the socket replace
    /// earlier ones while other symbols are waited for: the answer is as fresh as it can be.
    fn offer(&mut self, event: Event, source: Source) {
        let complete = self.is_complete(&event, source);
        if self.event.is_none() || complete && (!self.complete || source == Source::Socket) {
            self.complete |= complete;
            self.event = Some(event);
            self.arrived = Some(SystemClock.now());
        }
    }

    fn is_complete(&self, event: &Event, source: Source) -> bool {
        if self.by_name {
            let now = event.received_at().unwrap_or_else(|| SystemClock.now());
            return self
                .wanted
                .iter()
                .all(|field| field.value(event, now) != crate::model::Value::Null);
        }
        let filled = if source == Source::Rest {
            self.rest_fields
        } else {
            self.stream_fields
        };
        self.stream == Stream::Trades || self.wanted.iter().all(|field| filled.contains(field))
    }

    /// An answer that can be printed if nothing fuller comes in a while. Fields that were asked for by name
    /// are waited for to the end.
    fn is_enough(&self) -> bool {
        self.event.is_some() && !self.by_name
    }

    /// Nothing better will come.
    fn is_settled(&self) -> bool {
        let rest_has_ended = self.event.is_some() || self.rest_error.is_some();
        self.complete || self.stream_failed && rest_has_ended
    }

    /// The answer, if it counts as one.
    fn answer(&self, settings: &Settings) -> Option<&Event> {
        let event = self.event.as_ref()?;
        (self.is_fresh(event, settings) && self.unknown(event).is_empty()).then_some(event)
    }

    /// The numbers that were asked for by name and that the event does not have.
    fn unknown(&self, event: &Event) -> Vec<&'static str> {
        let now = SystemClock.now();
        let unknown = |field: &&Field| {
            Field::TICKER_NUMBERS.contains(field)
                && field.value(event, now) == crate::model::Value::Null
        };
        let wanted = self.wanted.iter().filter(|_| self.by_name);
        wanted.filter(unknown).map(|field| field.name()).collect()
    }

    fn is_fresh(&self, event: &Event, settings: &Settings) -> bool {
        let confirmed = if self.own_clock {
            self.arrived
        } else {
            event.received_at()
        };
        let now = SystemClock.now();
        confirmed.is_some_and(|at| {
            settings
                .max_age
                .is_none_or(|most| now.seconds_since(at) <= most.as_secs_f64())
        })
    }

    fn missing(&self, settings: &Settings) -> CliError {
        let too_old = |event| !self.is_fresh(event, settings);
        let unknown = self
            .event
            .as_ref()
            .map(|event| self.unknown(event))
            .unwrap_or_default();
        let reason = match (&self.rest_error, &self.stream_error) {
            _ if self.event.as_ref().is_some_and(too_old) => {
                "the newest answer is older than --max-age".into()
            }
            (Some(error), _) => clipped(&error.to_string()),
            (None, Some(error)) => clipped(error),
            _ if !unknown.is_empty() => format!("{} not known", unknown.join(", ")),
            (None, None) => format!(
                "no data within {}",
                crate::duration::format(settings.answer_timeout)
            ),
        };
        let code = self
            .rest_error
            .as_ref()
            .map_or("no_data", ProviderError::code);
        let retryable = self
            .rest_error
            .as_ref()
            .is_none_or(ProviderError::is_retryable);
        CliError {
            retryable,
            ..CliError::unknown(
                code,
                format!("{} {}: {reason}", self.market, self.stream.name()),
            )
        }
    }
}

/// Prints what was answered, in the order in which it was asked for, and names what is missing, then
/// `errors`.
async fn print(
    slots: &[Slot],
    instruments: &[Arc<Instrument>],
    errors: Vec<CliError>,
    settings: &Settings,
    ctx: &Ctx,
) -> Result<Exit, CliError> {
    let (mut out, now) = (Vec::new(), SystemClock.now());
    let clocks = Clocks::new(instruments, ctx)?;
    let answers: Vec<_> = slots
        .iter()
        .filter_map(|slot| slot.answer(settings))
        .collect();
    match settings.shape {
        Shape::Table => {
            let markets = instruments.iter().map(|i| i.market).collect();
            out = super::screen::answers(markets, settings, &clocks, &answers).into_bytes();
        }
        Shape::Lines(format) => {
            let mut lines = Lines::new(format, settings.fields.clone());
            lines.begin(settings.streams[0], &mut out);
            answers
                .iter()
                .for_each(|event| lines.write(event, clocks.now(event, now), &mut out));
        }
    }
    output::print_and_wait(out).await?;
    let missing = slots
        .iter()
        .filter(|slot| slot.answer(settings).is_none())
        .map(|slot| slot.missing(settings))
        .chain(errors)
        .collect();
    match ctx.notices.all_but_last(missing) {
        Some(last) => Err(last),
        None => Ok(Exit::Done),
    }
}
