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
    /// Before the first candle is taken.
    pub(super) fn begin_bars(&self, bars: &[&Bars], views: &mut Views) {
        self.require(views);
        for bars in bars.iter().filter(|bars| self.are_all(bars)) {
            if let Some(first) = bars.closed.first() {
                views.series.on_beginning(first.market, first.interval);
            }
        }
    }

    /// A closed candle, at its end. One that ended after `since` is judged as things are then; another is only looked
    /// at. `is_priced`: no trade tells the price at its end.
    pub(super) fn close(
        &mut self,
        views: &mut Views,
        candle: &Arc<Candle>,
        since: Option<Timestamp>,
        is_priced: bool,
        now: Timestamp,
        out: &mut Vec<Outcome>,
    ) {
        let at = candle.close_time();
        self.pass(views, at.min(now), now, out);
        views.update(&Event::Candle(candle.clone()), at);
        if is_priced {
            views.seed_price(candle.market, candle.close, at);
        }
        match since {
            Some(since) if at > since && at <= now => self.observe(views, at, at, out),
            _ => self.look(views, at),
        }
    }

    /// After the last one: what is forming now, where the price is not known from trades.
    pub(super) fn end_bars(
        &self,
        bars: &[&Bars],
        views: &mut Views,
        is_traded: &dyn Fn(Market) -> bool,
        now: Timestamp,
    ) {
        for bars in bars {
            let Some(first) = bars.closed.first().or(bars.forming.as_ref()) else {
                continue;
            };
            // Whatever is missing of them cannot be had.
            views.series.on_beginning(first.market, first.interval);
            if let Some(forming) = &bars.forming {
                views.update(&Event::Candle(forming.clone()), now);
                if !is_traded(forming.market) {
                    views.seed_price(forming.market, forming.close, now);
                }
            }
            if !bars.closed.is_empty() {
                views.confirm(first.market, now);
            }
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
