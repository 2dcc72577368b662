//! Rules over functions: what is computed from candles is known after they were followed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Candle, Event, Interval, Market, Timestamp};

use super::{Mark, Outcome, Tracker, Views};

/// Candles of one market and length, as far as they could be had.
#[derive(Debug, Clone, Default)]
pub struct Bars {
    /// Closed, oldest first, with nothing missing between them.
    pub closed: Vec<Arc<Candle>>,
    /// The one after them, so far.
    pub forming: Option<Arc<Candle>>,
}

impl Tracker {
    /// Takes the candles that it is computed from, in the order of time. Those that ended after the moment that `since`
    /// gives for their market are judged as things were at their end; the others, and the forming ones, are only looked
    /// at.
    pub fn follow(
        &mut self,
        bars: &[&Bars],
        since: &dyn Fn(Market) -> Option<Timestamp>,
        views: &mut Views,
        now: Timestamp,
        out: &mut Vec<Outcome>,
    ) {
        self.require(views);
        for bars in bars.iter().filter(|bars| self.are_all(bars)) {
            if let Some(first) = bars.closed.first() {
                views.series.on_beginning(first.market, first.interval);
            }
        }
        let mut closed: Vec<_> = bars.iter().flat_map(|bars| &bars.closed).collect();
        closed.sort_by_key(|candle| (candle.close_time(), candle.interval));
        for candle in closed {
            let at = candle.close_time();
            self.pass(views, at.min(now), now, out);
            views.update(&Event::Candle(candle.clone()), at);
            views.seed_price(candle.market, candle.close, at);
            match since(candle.market) {
                Some(since) if at > since && at <= now => self.observe(views, at, at, out),
                _ => self.look(views, at),
            }
        }
        for bars in bars {
            if let Some(first) = bars.closed.first().or(bars.forming.as_ref()) {
                // Whatever is missing of them cannot be had.
                views.series.on_beginning(first.market, first.interval);
            }
            if let Some(forming) = &bars.forming {
                views.update(&Event::Candle(forming.clone()), now);
                views.seed_price(forming.market, forming.close, now);
            }
        }
        for market in bars
            .iter()
            .filter_map(|bars| Some(bars.closed.last()?.market))
        {
            views.confirm(market, now);
        }
        for outcome in out {
            outcome.alert.evaluated_at = now;
        }
    }

    /// Whether more were asked for than there are.
    fn are_all(&self, bars: &Bars) -> bool {
        let mut candles = self.candles.iter();
        let of = candles.find(|(market, interval, _)| bars.is_of(*market, *interval));
        of.is_some_and(|(.., needs)| bars.closed.len() < *needs)
    }

    /// Whether something of it is computed from candles.
    pub fn is_computed(&self) -> bool {
        !self.candles().is_empty()
    }

    /// The end of the newest closed candle of each market that it is computed from: up to there it is judged.
    pub fn followed(&self, bars: &[&Bars]) -> Vec<(Market, Arc<Candle>)> {
        let mut newest = Vec::<(Market, Arc<Candle>)>::new();
        for last in bars.iter().filter_map(|bars| bars.closed.last()) {
            match newest.iter_mut().find(|(market, _)| *market == last.market) {
                Some((_, known)) if known.close_time() >= last.close_time() => {}
                Some((_, known)) => *known = last.clone(),
                None => newest.push((last.market, last.clone())),
            }
        }
        newest
    }

    /// How many candles of this length it wants closed before now, to be computed, and to be judged since a moment.
    pub fn wanted(
        &self,
        market: Market,
        interval: Interval,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> usize {
        let of = self
            .candles
            .iter()
            .find(|(m, i, _)| (*m, *i) == (market, interval));
        let computed = of.map_or(0, |(.., n)| *n);
        let since = since.map_or(0, |since| interval.count(since, now));
        (computed + since as usize).min(CANDLES_MAX.max(computed))
    }

    /// The parts since the marks by whose candles it could not be judged: too few of before them are known.
    pub fn unfollowed(
        &self,
        bars: &[&Bars],
        marks: &HashMap<Market, Mark>,
    ) -> Vec<(Market, Timestamp, Timestamp)> {
        let of = |(market, interval, needs): &(Market, Interval, usize)| {
            let from = marks.get(market)?.time;
            let bars = bars.iter().find(|bars| bars.is_of(*market, *interval))?;
            let until = bars.unjudged_until(*needs)?;
            (until > from).then_some((*market, from, until))
        };
        self.candles.iter().filter_map(of).collect()
    }
}

impl Bars {
    fn is_of(&self, market: Market, interval: Interval) -> bool {
        let first = self.closed.first().or(self.forming.as_ref());
        first.is_some_and(|first| (first.market, first.interval) == (market, interval))
    }

    /// The end of the last that has too few before it; `None`: all that there ever were are here.
    fn unjudged_until(&self, needs: usize) -> Option<Timestamp> {
        let first = self.closed.get(needs.max(1) - 1)?;
        let before = needs.checked_sub(2).and_then(|last| self.closed.get(last));
        match before {
            Some(before) => Some(before.close_time()),
            // More were not asked for.
            None if self.closed.len() >= CANDLES_MAX => Some(first.open_time),
            None => None,
        }
    }
}

/// A few requests anywhere: two days of minutes.
const CANDLES_MAX: usize = 3_000;
