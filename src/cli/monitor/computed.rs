//! What columns and filters compute from candles: read beside what is shown, with those of before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::expression::{Crossings, Expression, Function, Reference, Truth};
use crate::feed::Topic;
use crate::model::{
    Candle, Event, GapReason, Instrument, Interval, Market, Origin, Stream, Timestamp, Value,
};
use crate::series::Series;
use crate::timeline::Past;

use super::super::candles::Known;
use super::longer::Longer;
use super::settings::Settings;

/// Functions at work.
pub struct Computed {
    series: Series,
    /// What it is computed from, and how many closed ones before the forming one.
    candles: Vec<(Arc<Instrument>, Interval, usize)>,
    /// By the text of the expression and the market that it is about.
    crossings: HashMap<(String, Market), Crossings>,
    /// The shortest candles that are shown, and what longer ones are with them.
    finest: Option<Interval>,
    longer: Longer,
    /// Candles that are read for somebody else.
    hidden: HashSet<(Market, Interval)>,
    /// What of the past is shown; `None`: it is only computed from.
    shown: Option<Shown>,
}

impl Default for Computed {
    fn default() -> Self {
        Self {
            series: Series::new(Interval::M1),
            candles: Vec::new(),
            crossings: HashMap::new(),
            finest: None,
            longer: Longer::default(),
            hidden: HashSet::new(),
            shown: None,
        }
    }
}

/// What of the past is shown.
enum Shown {
    From(Timestamp),
    /// Of each from when on, of what is not shown itself from this moment.
    Each(HashMap<(Market, Interval), Timestamp>, Timestamp),
}

impl Computed {
    /// `meaning` finds the markets that expressions name.
    pub fn new(
        settings: &Settings,
        shown: &[Arc<Instrument>],
        meaning: &dyn Fn(&Reference) -> Option<Arc<Instrument>>,
    ) -> Self {
        let mut series = Series::new(settings.interval);
        let mut instruments = HashMap::new();
        for own in shown {
            let of = |reference: &Reference| match reference {
                Reference::Own => Some(own.clone()),
                reference => meaning(reference),
            };
            for expression in settings.expressions() {
                for need in expression.needs(settings.interval) {
                    instruments.extend(of(&need.of).map(|i| (i.market, i)));
                }
                series.require(expression, &|reference| Some(of(reference)?.market));
            }
        }
        let needs = series.needs().into_iter();
        let candles = needs.filter_map(|(market, interval, n)| {
            let instrument = instruments.get(&market)?.clone();
            Some((instrument, interval, n))
        });
        Self {
            candles: candles.collect(),
            series,
            crossings: HashMap::new(),
            finest: settings.streams.iter().filter_map(|s| s.interval()).min(),
            longer: Longer::default(),
            hidden: HashSet::new(),
            shown: settings.all_from().map(|from| match settings.newest() {
                None => Shown::From(from),
                Some(_) => Shown::Each(HashMap::new(), from),
            }),
        }
    }

    /// What it is computed from.
    pub fn wanted(&self) -> Vec<(Arc<Instrument>, Interval, usize)> {
        self.candles.clone()
    }

    /// The live streams of it.
    pub fn topics(&self) -> impl Iterator<Item = Topic> + '_ {
        self.candles.iter().map(|(instrument, interval, _)| Topic {
            instrument: instrument.clone(),
            stream: Stream::Candles(*interval),
        })
    }

    /// The same with what of their past is needed, before what is shown where that is of the past.
    pub fn streams(&self, settings: &Settings) -> Vec<(Topic, Past)> {
        let past = |(_, interval, n): &(Arc<Instrument>, Interval, usize)| match settings.all_from()
        {
            Some(from) => settings.reach(*interval, from, *n),
            None => Past::Last(*n),
        };
        self.topics().zip(self.candles.iter().map(past)).collect()
    }

    /// Of candles that are shown by number: when the first of them begins.
    pub fn show_from(&mut self, market: Market, interval: Interval, from: Timestamp) {
        if let Some(Shown::Each(known, _)) = &mut self.shown {
            known.insert((market, interval), from);
        }
    }

    /// Whether an event is only there to be computed from.
    pub fn hides(&self, event: &Event) -> bool {
        let is_before = |key: (Market, Interval), at: Timestamp| match &self.shown {
            None => true,
            Some(Shown::From(from)) => at < *from,
            Some(Shown::Each(known, all)) => at < *known.get(&key).unwrap_or(all),
        };
        let of = |market: Market, stream: Stream| {
            let own = self
                .candles
                .iter()
                .map(|(i, interval, _)| (i.market, *interval));
            let mut all = own.chain(self.hidden.iter().copied());
            all.any(|(m, interval)| m == market && Stream::Candles(interval) == stream)
        };
        match event {
            Event::Candle(candle) if candle.origin == Origin::History && candle.closed => {
                is_before((candle.market, candle.interval), candle.open_time)
                    && of(candle.market, Stream::Candles(candle.interval))
            }
            Event::Gap(gap) if gap.reason == GapReason::SourceLimit => {
                let key = gap.stream.interval().map(|interval| (gap.market, interval));
                let is_before = key.zip(gap.to).is_some_and(|(key, at)| is_before(key, at));
                is_before && of(gap.market, gap.stream)
            }
            _ => false,
        }
    }

    /// The past of these candles is read for somebody else.
    pub fn hide_past_of(&mut self, topic: Topic) {
        let market = topic.instrument.market;
        self.hidden
            .extend(topic.stream.interval().map(|i| (market, i)));
    }

    /// Takes what is computed from.
    pub fn see(&mut self, event: &Event) {
        if self.candles.is_empty() {
            return;
        }
        self.series.on_event(event);
        match event {
            Event::Candle(candle)
                if candle.origin == Origin::History
                    && candle.closed
                    && Some(candle.interval) == self.finest =>
            {
                self.build_longer(candle);
            }
            Event::Gap(gap) if gap.is_loss() && gap.stream.interval() == self.finest => {
                self.longer.on_gap(gap.market);
            }
            _ => {}
        }
    }

    /// What the forming candles of longer lengths are with this part of them, as they are live.
    fn build_longer(&mut self, part: &Candle) {
        for (instrument, length, _) in &self.candles {
            let is_longer = *length > part.interval && length.is_made_of(part.interval);
            if instrument.market == part.market
                && is_longer
                && let Some(forming) = self.longer.add(part, *length)
            {
                self.series.on_candle(&forming);
            }
        }
    }

    /// Takes the newest candles at once.
    pub fn learn(&mut self, known: &Known) {
        for (key, bars) in known {
            let Ok(bars) = bars else {
                continue;
            };
            bars.closed
                .iter()
                .for_each(|candle| self.series.on_candle(candle));
            self.series.on_beginning(key.0, key.1);
            bars.forming
                .iter()
                .for_each(|candle| self.series.on_candle(candle));
        }
    }

    /// The value of a function at this time.
    pub fn value(&self, market: Market, function: &Function, at: Timestamp) -> Value {
        self.series.value(market, function, at)
    }

    /// Whether a condition with crossings holds at this event of a market.
    pub fn crossing_holds(
        &mut self,
        expression: &Expression,
        market: Market,
        input: &dyn Fn(&Self, usize) -> Value,
    ) -> Truth {
        let crossings = self.observe(expression, market, input);
        let truth = crossings.holds(&|place| input(self, place));
        self.keep(market, crossings);
        truth
    }

    /// The value of an expression with crossings at this event of a market.
    pub fn crossing_value(
        &mut self,
        expression: &Expression,
        market: Market,
        input: &dyn Fn(&Self, usize) -> Value,
    ) -> Value {
        let crossings = self.observe(expression, market, input);
        let value = crossings.evaluate(&|place| input(self, place));
        self.keep(market, crossings);
        value
    }

    fn observe(
        &mut self,
        expression: &Expression,
        market: Market,
        input: &dyn Fn(&Self, usize) -> Value,
    ) -> Crossings {
        let known = self
            .crossings
            .remove(&(expression.text().to_owned(), market));
        let mut crossings = known.unwrap_or_else(|| Crossings::new(expression));
        crossings.observe(&|place| input(self, place));
        crossings
    }

    fn keep(&mut self, market: Market, crossings: Crossings) {
        let text = crossings.expression().text().to_owned();
        self.crossings.insert((text, market), crossings);
    }
}

/// The moment of an event, at which functions are asked for.
pub fn moment(event: &Event) -> Option<Timestamp> {
    match event {
        Event::Candle(candle) if candle.closed => Some(candle.close_time()),
        Event::Candle(candle) => Some(candle.timestamp.unwrap_or(candle.open_time)),
        Event::Trade(trade) => Some(trade.timestamp),
        Event::Ticker(ticker) => Some(ticker.timestamp.unwrap_or(ticker.received_at)),
        Event::Gap(_) | Event::Status(_) | Event::Signal(_) => None,
    }
}
