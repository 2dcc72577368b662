//! `monitor -1`: one fresh event per symbol and stream, from whichever answers first, REST or socket.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, SelectAll, StreamExt};
use tokio::time::Instant;

use crate::engine::{Request, Subscription};
use crate::expression::{Expression, Reference};
use crate::feed::{Provider, ProviderError, Span, Topic};
use crate::model::{Clock, Event, Instrument, Interval, Market, StatusState, Stream, SystemClock};
use crate::sink::lines::{Column, Lines};

use super::super::Ctx;
use super::super::candles;
use super::super::error::{CliError, clipped};
use super::super::exit::Exit;
use super::super::output;
use super::super::signals::Signals;
use super::super::stand_ins::StandIns;
use super::others::Others;
use super::settings::{Settings, Shape};
use super::slot::{Slot, Source};
use super::{Clocks, concerns, engine_stopped, tell, written};

/// An answer that lacks fields is kept for so long, in case a fuller one comes.
const GRACE: Duration = Duration::from_secs(2);
/// Saying goodbye to the exchange must not make a quick answer slow.
const GOODBYE: Duration = Duration::from_millis(250);

/// So many candles back the newest is looked for.
const NEWEST: i64 = 10;

type RestAnswer = (Market, Stream, Result<Event, ProviderError>);

/// `missing`: what is known to have no answer.
pub async fn run(
    settings: &Settings,
    instruments: &[Arc<Instrument>],
    texts: &[String],
    others: Others,
    missing: Vec<CliError>,
    ctx: &Ctx,
    mut signals: Signals,
) -> Result<Exit, CliError> {
    let request = Request::instruments(instruments.iter().cloned())
        .streams(settings.streams.iter().copied())
        .also(others.awaited());
    let mut wanted = Wanted {
        slots: slots(settings, instruments, &others, ctx)?,
        clocks: Clocks::new(instruments, ctx)?,
        others,
        settings,
        ctx,
    };
    let subscription = ctx.engine.subscribe(request).await?;
    let written = written(instruments, texts);
    let asked = async {
        let unknown = wanted.learn().await;
        (unknown, wanted.ask_all(subscription, &written).await)
    };
    let (unknown, ended) = tokio::select! {
        asked = asked => asked,
        exit = signals.next() => return Ok(exit),
    };
    signals.exit_on_next();
    let errors = missing.into_iter().chain(unknown).chain(ended.err());
    let errors = errors.collect();
    let result = wanted.print(errors).await;
    let _ = tokio::time::timeout(GOODBYE, ctx.engine.shutdown()).await;
    result
}

fn slots(
    settings: &Settings,
    instruments: &[Arc<Instrument>],
    others: &Others,
    ctx: &Ctx,
) -> Result<Vec<Slot>, CliError> {
    let traits = |topic: &Topic| {
        let exchange = topic.instrument.market.exchange();
        Ok::<_, CliError>(ctx.engine.provider(exchange.name())?.traits())
    };
    let own = settings.own_fields();
    let mut slots = Vec::new();
    for topic in settings.topics_of(instruments) {
        let traits = traits(&topic)?;
        slots.push(Slot::new(topic, own.as_deref(), true, &traits));
    }
    for (topic, fields) in others.needs() {
        let traits = traits(topic)?;
        slots.push(Slot::new(topic.clone(), Some(fields), false, &traits));
    }
    Ok(slots)
}

/// All answers on their way.
struct Wanted<'a> {
    slots: Vec<Slot>,
    others: Others,
    clocks: Clocks,
    settings: &'a Settings,
    ctx: &'a Ctx,
}

impl Wanted<'_> {
    /// Asks for the candles that columns and filter are computed from; returns why some cannot be had.
    async fn learn(&mut self) -> Vec<CliError> {
        let deadline = self.ctx.started + self.settings.answer_timeout;
        let candles = self.others.computed.wanted();
        let known = candles::newest(candles, &self.ctx.engine, deadline.into()).await;
        self.others.computed.learn(&known);
        let errors = known
            .into_iter()
            .filter_map(|((market, interval), answer)| {
                let error = answer.err()?;
                let why = clipped(&error.to_string());
                Some(CliError {
                    retryable: error.is_retryable(),
                    ..CliError::unknown(
                        error.code(),
                        format!("{market} candles of {interval}: {why}"),
                    )
                })
            });
        errors.collect()
    }

    /// Asks those who were meant, then for what they do not answer those who stand in for them. Each of them
    /// has its part of the time.
    ///
    /// Errors: the engine has ended; what was answered before stays.
    async fn ask_all(
        &mut self,
        mut subscription: Subscription,
        written: &[(Market, String)],
    ) -> Result<(), CliError> {
        let stand_ins = StandIns::new(self.ctx);
        let rounds = self.ctx.fallback.len() as u32 + 1;
        let until = |round: u32| {
            let part = self.settings.answer_timeout * (round + 1) / rounds;
            (self.ctx.started + part).into()
        };
        let untils: Vec<Instant> = (0..rounds).map(until).collect();
        self.collect(&mut subscription, untils[0]).await?;
        let mut others = HashMap::new();
        for (round, until) in untils.into_iter().enumerate().skip(1) {
            let replaced = self
                .replace(&stand_ins, written, &mut others, round - 1)
                .await?;
            if replaced.is_empty() {
                continue;
            }
            subscription = self
                .ctx
                .engine
                .subscribe(Request::default().also(replaced))
                .await?;
            self.collect(&mut subscription, until).await?;
        }
        Ok(())
    }

    /// Puts the next who stands in into every slot without an answer.
    async fn replace(
        &mut self,
        stand_ins: &StandIns,
        written: &[(Market, String)],
        others: &mut HashMap<usize, Vec<Arc<Instrument>>>,
        round: usize,
    ) -> Result<Vec<Topic>, CliError> {
        let mut topics = Vec::new();
        for n in 0..self.slots.len() {
            let slot = &self.slots[n];
            if slot.answer(self.settings).is_some() || !slot.shown {
                continue;
            }
            if let Entry::Vacant(unknown) = others.entry(n) {
                let text = written.iter().find(|(market, _)| *market == slot.market());
                unknown.insert(match text {
                    Some((market, text)) => stand_ins.of(text, Some(*market)).await,
                    None => Vec::new(),
                });
            }
            let Some(other) = others[&n].get(round).cloned() else {
                continue;
            };
            let why = slot.missing(self.settings).message;
            let message = format!("{why}; {} instead", other.market);
            self.ctx.notices.warn("fallback", &message);
            stand_ins.announce([&other]);
            let traits = self
                .ctx
                .engine
                .provider(other.market.exchange().name())?
                .traits();
            let topic = Topic {
                instrument: other,
                stream: slot.stream(),
            };
            let own = self.settings.own_fields();
            self.slots[n] = Slot::new(topic.clone(), own.as_deref(), true, &traits);
            topics.push(topic);
        }
        if !topics.is_empty() {
            let shown = self.slots.iter().map(|slot| slot.instrument().clone());
            self.clocks = Clocks::new(&shown.collect::<Vec<_>>(), self.ctx)?;
        }
        Ok(topics)
    }

    /// Fills the slots until all are complete, nothing more can come, or time is up.
    ///
    /// Errors: the engine has ended; what was answered before stays.
    async fn collect(
        &mut self,
        subscription: &mut Subscription,
        mut until: Instant,
    ) -> Result<(), CliError> {
        let unanswered = self.slots.iter().filter(|slot| !slot.is_settled());
        let mut rest = ask(unanswered, self.ctx);
        let mut batch = Vec::new();
        while !self.slots.iter().all(Slot::is_settled) {
            tokio::select! {
                taken = subscription.next_batch(&mut batch) => {
                    if taken.is_err() {
                        let stopped = engine_stopped();
                        for slot in &mut self.slots {
                            slot.stream_error.get_or_insert_with(|| stopped.message.clone());
                        }
                        return Err(stopped);
                    }
                    for event in batch.drain(..) {
                        self.on_event(event);
                    }
                }
                Some(answer) = rest.next() => self.on_answer(answer),
                () = tokio::time::sleep_until(until) => return Ok(()),
            }
            let ready = |slot: &Slot| slot.is_enough() || slot.is_settled();
            if self.slots.iter().all(ready) {
                until = until.min(Instant::now() + GRACE);
            }
        }
        Ok(())
    }

    fn on_event(&mut self, event: Event) {
        let Event::Status(status) = &event else {
            match (event.market(), event.stream()) {
                (Some(market), Some(stream)) => self.offer(market, stream, event, Source::Socket),
                _ => tell(&event, self.ctx.notices),
            }
            return;
        };
        tell(&event, self.ctx.notices);
        for slot in &mut self.slots {
            if !concerns(status, slot.market(), slot.stream()) {
                continue;
            }
            if status.reason.is_some() {
                slot.stream_error.clone_from(&status.reason);
            }
            slot.stream_failed |= status.state == StatusState::Failed;
        }
    }

    fn on_answer(&mut self, (market, stream, answer): RestAnswer) {
        match answer {
            Ok(event) => self.offer(market, stream, event, Source::Rest),
            Err(error) => {
                for slot in slots_of(&mut self.slots, market, stream) {
                    slot.rest_error = Some(error.clone());
                }
            }
        }
    }

    fn offer(&mut self, market: Market, stream: Stream, event: Event, source: Source) {
        self.others.see(&event);
        for slot in slots_of(&mut self.slots, market, stream) {
            slot.take(event.clone(), source);
        }
        // Another market's news can let pass what was left out before.
        let filter = self.settings.filter.as_ref();
        for slot in &mut self.slots {
            slot.judge(filter, &mut self.others, &self.clocks);
        }
    }

    /// Prints what was answered, in the order in which it was asked for, and names what is missing, then
    /// `errors`.
    async fn print(&mut self, mut errors: Vec<CliError>) -> Result<Exit, CliError> {
        let (mut out, now, settings) = (Vec::new(), SystemClock.now(), self.settings);
        let missing = self
            .slots
            .iter()
            .filter(|slot| slot.answer(settings).is_none());
        let missing: Vec<_> = missing.collect();
        let answers = self.slots.iter().filter(|slot| slot.shown);
        let mut answers: Vec<_> = answers.filter_map(|slot| slot.answer(settings)).collect();
        // A line that lacks what was asked for is no answer.
        if names_others(settings) && missing.iter().any(|slot| !slot.shown) {
            answers.clear();
        }
        answers.retain(|event| {
            let unknown = unknown_function(settings, &self.others, event);
            let is_known = unknown.is_none();
            errors.extend(unknown);
            is_known
        });
        match settings.shape {
            Shape::Table => {
                let shown = self.slots.iter().filter(|slot| slot.shown);
                let mut markets: Vec<_> = shown.map(Slot::market).collect();
                let mut seen = HashSet::new();
                markets.retain(|market| seen.insert(*market));
                out =
                    super::screen::answers(markets, settings, &self.clocks, &answers).into_bytes();
            }
            Shape::Lines(format) => {
                let mut lines = Lines::new(format, settings.columns.clone());
                lines.begin(settings.streams.first().copied(), &mut out);
                for event in answers {
                    let now = self.clocks.now(event, now);
                    let others = &mut self.others;
                    let mut compute = |e: &Expression| others.evaluate(e, event, now);
                    lines.write(event, now, &mut compute, &mut out);
                }
            }
        }
        output::print_and_wait(out).await?;
        let missing = missing.into_iter().map(|slot| slot.missing(settings));
        match self
            .ctx
            .notices
            .all_but_last(missing.chain(errors).collect())
        {
            Some(last) => Err(last),
            None => Ok(Exit::Done),
        }
    }
}

/// A column that is computed from candles of which there are too few.
fn unknown_function(settings: &Settings, others: &Others, event: &Event) -> Option<CliError> {
    let columns = settings.columns.iter().flatten();
    let mut expressions = columns.filter_map(Column::expression);
    let lacking = expressions.find(|expression| others.lacks(expression, event))?;
    let market = event.market()?;
    let message = format!(
        "{market}: `{}` is not known: not enough candles",
        lacking.text()
    );
    Some(CliError::unknown("no_data", message))
}

/// Whether a column is computed from another market.
fn names_others(settings: &Settings) -> bool {
    let columns = settings.columns.iter().flatten();
    let expressions = columns.filter_map(Column::expression);
    let mut operands = expressions.flat_map(Expression::operands);
    operands.any(|operand| operand.of != Reference::Own)
}

/// One for the answer, perhaps another for what is computed with it.
fn slots_of(slots: &mut [Slot], market: Market, stream: Stream) -> impl Iterator<Item = &mut Slot> {
    let slots = slots.iter_mut();
    slots.filter(move |slot| slot.market() == market && slot.stream() == stream)
}

/// The REST questions: one per provider for all tickers, one per symbol for trades. The mock has nothing
/// to ask: its socket cannot be slow.
fn ask<'a, 's>(
    slots: impl Iterator<Item = &'s Slot>,
    ctx: &'a Ctx,
) -> SelectAll<BoxStream<'a, RestAnswer>> {
    let slots: Vec<_> = slots.collect();
    let mut asked = SelectAll::new();
    let names = slots.iter().map(|slot| slot.market().exchange().name());
    let names: BTreeSet<_> = names.collect();
    for name in names {
        let Ok(provider) = ctx.engine.provider(name) else {
            continue;
        };
        let provider: &'a Arc<dyn Provider> = provider;
        if provider.traits().can_wait {
            continue;
        }
        let of = |stream| {
            let exchange = provider.exchange();
            let mut seen = HashSet::new();
            let slots = slots.iter().filter(move |slot| slot.stream() == stream);
            slots
                .map(|slot| slot.instrument())
                .filter(move |i| i.market.exchange() == exchange && seen.insert(i.market))
                .cloned()
        };
        let mut intervals: Vec<_> = slots.iter().filter_map(|s| s.stream().interval()).collect();
        intervals.sort();
        intervals.dedup();
        for interval in intervals {
            for instrument in of(Stream::Candles(interval)) {
                let newest = newest_candle(provider, instrument, interval);
                asked.push(stream::once(newest).boxed());
            }
        }
        for instrument in of(Stream::Trades) {
            asked.push(stream::once(newest_trade(provider, instrument)).boxed());
        }
        let tickers: Vec<_> = of(Stream::Ticker).collect();
        if !tickers.is_empty() {
            let event = |ticker| Event::Ticker(Arc::new(ticker));
            let answers = provider.tickers(tickers);
            asked.push(
                answers
                    .map(move |(i, ticker)| (i.market, Stream::Ticker, ticker.map(event)))
                    .boxed(),
            );
        }
    }
    asked
}

/// The running candle where the exchange tells it, else the newest that is over.
async fn newest_candle(
    provider: &Arc<dyn Provider>,
    instrument: Arc<Instrument>,
    interval: Interval,
) -> RestAnswer {
    let (market, stream) = (instrument.market, Stream::Candles(interval));
    let open = interval.open_of(SystemClock.now());
    let span = Span {
        from: open.plus_nanos(-NEWEST * interval.nanos()),
        until: interval.close_of(open).plus_nanos(interval.nanos()),
    };
    let mut pages = provider.candle_history(instrument, interval, span, span.from);
    let mut newest = None;
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => newest = page.forming.or(page.items.into_iter().last()).or(newest),
            Err(error) => return (market, stream, Err(error)),
        }
    }
    let none = || ProviderError::Refused(format!("{market}: no candles of late"));
    let candle = newest.ok_or_else(none);
    (
        market,
        stream,
        candle.map(|candle| Event::Candle(Arc::new(candle))),
    )
}

async fn newest_trade(provider: &Arc<dyn Provider>, instrument: Arc<Instrument>) -> RestAnswer {
    let none = || ProviderError::Refused(format!("{}: no trades", instrument.market));
    let newest = |trades: Vec<_>| trades.into_iter().next_back().ok_or_else(none);
    let trade = provider.trades(&instrument, 1).await.and_then(newest);
    (instrument.market, Stream::Trades, trade.map(Event::Trade))
}
