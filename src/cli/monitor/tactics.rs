//! `--strategy`: signals out of what is streamed, and over the past what they would have brought.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::expression::{Operand, Reference};
use crate::feed::Topic;
use crate::model::{
    Candle, Event, Instrument, Interval, Market, Origin, Signal, Stream, Timestamp, Value,
};
use crate::series::Series;
use crate::strategy::{Backtest, Costs, Machine, Strategy};
use crate::timeline::Past;

use super::super::Ctx;
use super::super::error::CliError;
use super::super::notices::Notices;
use super::super::strategy::{Pace, Program};
use super::longer::Longer;
use super::losses::Losses;
use super::others::reference_meaning;
use super::settings::Settings;
use super::source::{longer, merge};

/// All strategies of a run.
#[derive(Default)]
pub struct Tactics(Vec<Tactic>);

/// One strategy at work over all markets.
struct Tactic {
    strategy: Strategy,
    machine: Option<Machine>,
    program: Option<Program>,
    pace: Pace,
    series: Series,
    /// Candles of longer lengths that functions are over, put together from the strategy's own: the forming ones.
    longer: Longer,
    /// What other markets are called in its conditions.
    meanings: Vec<(Reference, Arc<Instrument>)>,
    /// The newest closed candle of each.
    latest: HashMap<Market, Arc<Candle>>,
    own: Vec<Arc<Instrument>>,
    losses: Losses,
    notices: Notices,
    /// Signals are given for candles from here on; those before are warm-up.
    from: Option<Timestamp>,
    backtest: Option<Backtest>,
}

impl Tactics {
    /// Sets the strategies up and starts their programs.
    ///
    /// Errors: a strategy that is none, a symbol that does not exist, a program that cannot be started.
    pub async fn new(
        settings: &Settings,
        own: &[Arc<Instrument>],
        ctx: &Ctx,
    ) -> Result<Self, CliError> {
        let mut tactics = Vec::new();
        for strategy in &settings.strategies {
            tactics.push(Tactic::new(strategy.clone(), settings, own, ctx).await?);
        }
        Ok(Self(tactics))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The candles that they are looked at on or computed from, with what of the past they need. Those of other markets
    /// come first: of candles that end together theirs are known then.
    pub fn streams(&self, settings: &Settings) -> Vec<(Topic, Past)> {
        let mut streams: Vec<(Topic, Past)> = Vec::new();
        for (topic, past) in self.0.iter().flat_map(|tactic| tactic.streams(settings)) {
            merge(&mut streams, topic, past);
        }
        streams
    }

    /// What an event makes of them: signals, in order, after it.
    pub fn on_event(&mut self, event: &Event, out: &mut Vec<Event>) {
        for tactic in &mut self.0 {
            tactic.on_event(event, out);
        }
    }

    /// Whether no program has to be waited for before this event: over the past they are, live they never are.
    pub fn has_room(&self, event: &Event) -> bool {
        self.0.iter().all(|tactic| tactic.has_room(event))
    }

    /// Waits until one more program has room for this event, or for the next signal of one, which is returned; without
    /// an event for a signal only. For ever where there is no program. Cancel safe.
    pub async fn room(&mut self, event: Option<&Event>) -> Option<Event> {
        let programs = self.0.iter_mut().filter(|tactic| tactic.program.is_some());
        let waits: Vec<_> = programs
            .map(|tactic| Box::pin(tactic.room(event)))
            .collect();
        if waits.is_empty() {
            return std::future::pending().await;
        }
        let (signal, ..) = futures_util::future::select_all(waits).await;
        signal.map(|signal| Event::Signal(Arc::new(signal)))
    }

    /// Ends the programs, takes their last signals, and tells the outcome of backtests in lines. One that does not end
    /// within `patience`, where there is one, is killed, which is no failure: nobody waits for what it has to say.
    ///
    /// Errors: over the past, a program that failed.
    pub async fn finish(
        self,
        patience: Option<Duration>,
        notices: Notices,
        out: &mut Vec<Event>,
    ) -> Result<Vec<String>, CliError> {
        let (mut lines, mut failed) = (Vec::new(), None);
        for mut tactic in self.0 {
            if let Some(program) = tactic.program.take() {
                let backtest = &mut tactic.backtest;
                let finish = program.finish(|signal| take(signal, backtest, out));
                let finished = match patience {
                    Some(patience) => tokio::time::timeout(patience, finish).await,
                    None => Ok(finish.await),
                };
                match finished {
                    Ok(finished) => failed = failed.or(finished.err()),
                    Err(_) => {
                        let name = tactic.strategy.name();
                        let message = format!("strategy `{name}`: its program was killed");
                        notices.warn("strategy", &message);
                    }
                }
            }
            if let Some(backtest) = tactic.backtest {
                lines.extend(backtest.report().lines());
            }
        }
        failed.map_or(Ok(lines), Err)
    }
}

impl Tactic {
    async fn new(
        strategy: Strategy,
        settings: &Settings,
        own: &[Arc<Instrument>],
        ctx: &Ctx,
    ) -> Result<Self, CliError> {
        let conditions: Vec<_> = strategy.conditions().cloned().collect();
        let operands = conditions.iter().flat_map(|c| c.operands());
        let meanings = reference_meaning(operands.map(|o| &o.of), settings, ctx).await?;
        let mut series = Series::new(strategy.interval());
        for instrument in own {
            let market_of = |reference: &Reference| match reference {
                Reference::Own => Some(instrument.market),
                other => meaning(&meanings, other).map(|i| i.market),
            };
            for condition in &conditions {
                series.require(condition, &market_of);
            }
        }
        let markets: Vec<_> = own.iter().map(|i| i.market).collect();
        let pace = match settings.is_download {
            true => Pace::Backtest,
            false => Pace::Live,
        };
        let from = settings.past_from(strategy.interval());
        Ok(Self {
            machine: strategy.machine(),
            program: Program::start(&strategy, &markets, pace, ctx.notices)?,
            pace,
            backtest: from.map(|_| Backtest::new(&strategy, settings.costs)),
            series,
            longer: Longer::default(),
            meanings,
            latest: HashMap::new(),
            own: own.to_vec(),
            losses: Losses::default(),
            notices: ctx.notices,
            from,
            strategy,
        })
    }

    fn streams(&self, settings: &Settings) -> Vec<(Topic, Past)> {
        let interval = self.strategy.interval();
        let needs = self.series.needs();
        let count = |market: Market, interval: Interval| {
            let of = needs
                .iter()
                .find(|(m, i, _)| (*m, *i) == (market, interval));
            of.map_or(0, |(.., n)| *n)
        };
        let all = self
            .meanings
            .iter()
            .map(|(_, other)| other)
            .chain(&self.own);
        let mut wanted = Vec::new();
        for instrument in all {
            let market = instrument.market;
            let functions = needs
                .iter()
                .filter(|(m, ..)| *m == market)
                .map(|(_, i, _)| *i);
            for length in functions.chain([interval]) {
                // One more, so that crossings know how things stood.
                let n = count(market, length) + 1;
                let past = match self.from {
                    Some(from) => {
                        // The forming candles that it is a part of are put together from their beginnings.
                        let whole = needs.iter().filter(|(m, longer, _)| {
                            *m == market && length == interval && is_part_of(interval, *longer)
                        });
                        let begins = whole.map(|(_, longer, _)| longer.open_of(from));
                        let begin = begins.fold(from, Timestamp::min);
                        longer(
                            settings.reach(length, from, n),
                            settings.reach(length, begin, 0),
                        )
                    }
                    None => Past::Last(n),
                };
                let topic = Topic {
                    instrument: instrument.clone(),
                    stream: Stream::Candles(length),
                };
                wanted.push((topic, past));
            }
        }
        // The longer ones first: at their end they are over before the shorter ones are looked at.
        wanted.sort_by_key(|(topic, _)| std::cmp::Reverse(topic.stream.interval()));
        wanted
    }

    fn on_event(&mut self, event: &Event, out: &mut Vec<Event>) {
        self.series.on_event(event);
        match event {
            Event::Candle(candle) => self.on_candle(candle, out),
            Event::Gap(gap) if gap.is_loss() => {
                if gap.stream.interval() == Some(self.strategy.interval()) {
                    self.longer.on_gap(gap.market);
                }
                if let Some(told) = self.losses.on_gap(gap, &self.series.needs()) {
                    let message = format!("strategy `{}`: {told}", self.strategy.name());
                    self.notices.warn("strategy", &message);
                }
            }
            _ => {}
        }
        let is_own = |market: Market| self.own.iter().any(|own| own.market == market);
        let is_warm_up = match event {
            Event::Candle(candle) => self.is_before(candle),
            _ => false,
        };
        let Some(program) = &mut self.program else {
            return;
        };
        if is_warm_up || event.market().is_some_and(|market| !is_own(market)) {
            return;
        }
        program.send(event);
    }

    fn on_candle(&mut self, candle: &Arc<Candle>, out: &mut Vec<Event>) {
        let is_past = candle.origin == Origin::History && candle.closed;
        self.losses.on_candle(candle);
        if !candle.closed || candle.interval != self.strategy.interval() {
            return;
        }
        self.latest.insert(candle.market, candle.clone());
        if is_past {
            self.build_longer(candle);
        }
        if !self.own.iter().any(|own| own.market == candle.market) {
            return;
        }
        let is_warm_up = self.is_before(candle);
        if let (Some(backtest), false) = (&mut self.backtest, is_warm_up) {
            backtest.on_candle(candle);
        }
        let values =
            |operand: &Operand| value(operand, candle, &self.series, &self.meanings, &self.latest);
        let Some(machine) = &mut self.machine else {
            return;
        };
        if is_warm_up {
            machine.warm_up(candle, &values);
        } else if let Some(signal) = machine.on_candle(candle, &values) {
            take(signal, &mut self.backtest, out);
        }
    }

    /// Whether it is only there to warm up. Without a past to look at: what was before the beginning.
    fn is_before(&self, candle: &Candle) -> bool {
        match self.from {
            Some(from) => candle.open_time < from,
            None => candle.origin == Origin::History && candle.closed,
        }
    }

    /// What the forming candles of longer lengths are with this part of them.
    fn build_longer(&mut self, part: &Candle) {
        for (market, length, _) in self.series.needs() {
            if market == part.market
                && is_part_of(part.interval, length)
                && let Some(forming) = self.longer.add(part, length)
            {
                self.series.on_candle(&forming);
            }
        }
    }

    /// Whether its program need not be waited for before this event.
    fn has_room(&self, event: &Event) -> bool {
        let is_waited_for = self.pace == Pace::Backtest || is_past(event);
        let program = self.program.as_ref().filter(|_| is_waited_for);
        program.is_none_or(Program::has_room)
    }

    /// Its next signal; `None` once there is room for this event, where there was none.
    async fn room(&mut self, event: Option<&Event>) -> Option<Signal> {
        let has_room = event.is_none_or(|event| self.has_room(event));
        let Some(program) = &mut self.program else {
            return std::future::pending().await;
        };
        let signal = match has_room {
            false => program.room().await,
            true => Some(match program.next().await {
                Some(signal) => signal,
                None => std::future::pending().await,
            }),
        };
        if let (Some(signal), Some(backtest)) = (&signal, &mut self.backtest) {
            backtest.on_signal(signal);
        }
        signal
    }
}

/// Whether candles of this length are put together to those of the other.
fn is_part_of(interval: Interval, longer: Interval) -> bool {
    longer.nanos() > interval.nanos() && longer.is_made_of(interval)
}

/// Whether an event is of the past, which waits for everybody.
fn is_past(event: &Event) -> bool {
    match event {
        Event::Candle(candle) => candle.origin == Origin::History,
        Event::Trade(trade) => trade.origin == Origin::History,
        _ => false,
    }
}

/// What is asked of functions and of other markets when this candle closes.
fn value(
    operand: &Operand,
    candle: &Candle,
    series: &Series,
    meanings: &[(Reference, Arc<Instrument>)],
    latest: &HashMap<Market, Arc<Candle>>,
) -> Value {
    let at = candle.close_time();
    let market = match &operand.of {
        Reference::Own => Some(candle.market),
        other => meaning(meanings, other).map(|i| i.market),
    };
    let Some(market) = market else {
        return Value::Null;
    };
    match operand.function() {
        Some(function) => series.value(market, &function, at),
        None => match latest.get(&market) {
            // Nothing that is later than this close.
            Some(known) if known.close_time() <= at => {
                operand.value(&Event::Candle(known.clone()), at)
            }
            _ => Value::Null,
        },
    }
}

fn meaning<'a>(
    meanings: &'a [(Reference, Arc<Instrument>)],
    of: &Reference,
) -> Option<&'a Arc<Instrument>> {
    let mut meanings = meanings.iter();
    meanings.find(|(known, _)| known == of).map(|(_, i)| i)
}

fn take(signal: Signal, backtest: &mut Option<Backtest>, out: &mut Vec<Event>) {
    if let Some(backtest) = backtest {
        backtest.on_signal(&signal);
    }
    out.push(Event::Signal(Arc::new(signal)));
}

/// What each fill costs.
pub fn costs(fee: Option<&str>, slippage: Option<&str>) -> Result<Costs, CliError> {
    let read = |flag: &str, text: Option<&str>| match text {
        Some(text) => Costs::parse_percent(text)
            .map_err(|why| CliError::usage("usage", format!("{flag}: {why}"))),
        None => Ok(Costs::default().fee),
    };
    Ok(Costs {
        fee: read("--fee", fee)?,
        slippage: read("--slippage", slippage)?,
    })
}
