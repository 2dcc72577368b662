//! Many rules over many markets, driven by one stream of events.

use std::sync::Arc;

use crate::expression::Truth;
use crate::model::{Candle, Event, Market, Origin, Stream, Timestamp};

use super::{Bar, Mark, Outcome, Tracker, Views};

/// All rules of a program. An event wakes only those that read it.
#[derive(Debug, Default)]
pub struct Board {
    /// What is known of the markets.
    pub views: Views,
    trackers: Vec<Tracker>,
    /// Which trackers read what, by [`Market::index`]: tickers, trades.
    readers: Vec<[Vec<usize>; Stream::COUNT]>,
    found: Vec<Outcome>,
}

impl Board {
    /// Adds a rule; returns its place.
    pub fn add(&mut self, tracker: Tracker) -> usize {
        let place = self.trackers.len();
        tracker.require(&mut self.views);
        let mut topics: Vec<(Market, Stream)> = tracker
            .slots()
            .filter_map(|slot| Some((slot.market, slot.stream?)))
            .collect();
        topics.sort_by_key(|(market, stream)| (market.index(), *stream));
        topics.dedup();
        for (market, stream) in topics {
            if self.readers.len() <= market.index() {
                self.readers
                    .resize_with(market.index() + 1, Default::default);
            }
            self.readers[market.index()][stream.index()].push(place);
        }
        self.trackers.push(tracker);
        place
    }

    /// The rules, in the order in which they were added.
    pub fn trackers(&self) -> &[Tracker] {
        &self.trackers
    }

    /// One of them.
    pub fn tracker_mut(&mut self, place: usize) -> &mut Tracker {
        &mut self.trackers[place]
    }

    /// One of them, and what is known of the markets.
    pub fn split(&mut self, place: usize) -> (&mut Tracker, &Views) {
        (&mut self.trackers[place], &self.views)
    }

    /// From now on `to` speaks for `from` in all rules.
    pub fn hand_over(&mut self, from: Market, to: Market) {
        let trackers = std::mem::take(&mut self.trackers);
        self.readers.clear();
        for mut tracker in trackers {
            tracker.hand_over(from, to);
            self.add(tracker);
        }
    }

    /// Takes an event that came at `now`; calls `on` with the place of each rule that it makes fire.
    pub fn apply(&mut self, event: &Event, now: Timestamp, mut on: impl FnMut(usize, Outcome)) {
        let (Some(market), Some(stream)) = (event.market(), event.stream()) else {
            self.views.update(event, now);
            return;
        };
        if event.is_suspect() {
            return;
        }
        if let Event::Candle(candle) = event
            && candle.origin == Origin::History
        {
            return self.learn(candle, now);
        }
        let at = time_of(event);
        let none = [const { Vec::new() }; Stream::COUNT];
        let readers = &self.readers.get(market.index()).unwrap_or(&none)[stream.index()];
        for &place in readers {
            // Before the event is known: until then the old value held.
            let tracker = &mut self.trackers[place];
            if tracker.has_judged(event) {
                continue;
            }
            tracker.pass(&self.views, at, now, &mut self.found);
            self.found.drain(..).for_each(|outcome| on(place, outcome));
        }
        self.views.update(event, now);
        for &place in readers {
            let tracker = &mut self.trackers[place];
            if tracker.has_judged(event) {
                continue;
            }
            tracker.observe(&self.views, at, now, &mut self.found);
            self.found.drain(..).for_each(|outcome| on(place, outcome));
        }
    }

    /// A candle from before the watch: what is computed from it is known, and nothing is judged.
    fn learn(&mut self, candle: &Arc<Candle>, now: Timestamp) {
        self.views.update(&Event::Candle(candle.clone()), now);
        if !candle.closed {
            return;
        }
        let (market, at) = (candle.market, candle.close_time());
        if self.views.price(market).is_none() {
            self.views.seed_price(market, candle.close, at);
        }
        let readers = self.readers.get(market.index());
        let readers = readers.map(|readers| &readers[Stream::Candles(candle.interval).index()]);
        for &place in readers.into_iter().flatten() {
            self.trackers[place].look(&self.views, now);
        }
    }

    /// Time has passed without an event for the rule at this place: ages have grown, values may have
    /// become too old, and a condition may have held long enough.
    pub fn tick(&mut self, place: usize, now: Timestamp, mut on: impl FnMut(Outcome)) {
        let tracker = &mut self.trackers[place];
        if tracker.reads_ages() || tracker.holds(&self.views, now) == Truth::Unknown {
            tracker.observe(&self.views, now, now, &mut self.found);
        } else {
            tracker.pass(&self.views, now, now, &mut self.found);
        }
        self.found.drain(..).for_each(&mut on);
    }

    /// Something may have happened that was not seen: the rule at this place cannot say that its condition has
    /// held.
    pub fn doubt(&mut self, place: usize, at: Timestamp, mut on: impl FnMut(Outcome)) {
        let (tracker, unknown) = (&mut self.trackers[place], Truth::Unknown);
        tracker.observe_as(unknown, unknown, &self.views, at, at, &mut self.found);
        self.found.drain(..).for_each(&mut on);
    }

    /// A candle of a time whose trades were missed, after what is known up to a mark.
    pub fn apply_bar(
        &mut self,
        bar: &Bar,
        known: &Mark,
        now: Timestamp,
        mut on: impl FnMut(usize, Outcome),
    ) {
        let market = bar.market();
        let before = self.views.take(market);
        for (place, tracker) in self.trackers.iter_mut().enumerate() {
            if !tracker.reads(market, Stream::Trades) {
                continue;
            }
            self.views.put(market, before.clone());
            let judged = tracker.judged.get(&market).copied();
            let mark = judged
                .filter(|mark| mark.time > known.time)
                .unwrap_or(*known);
            tracker.live_through_one(&mut self.views, bar, &mark, now, &mut self.found);
            self.found.drain(..).for_each(|outcome| on(place, outcome));
        }
        self.views.put(market, before);
        if let Some(close) = bar.close() {
            self.views
                .put_price(market, close, bar.at(), bar.interval());
        }
    }

    /// Judges the rule at this place by what is known already, before any event.
    pub fn begin(&mut self, place: usize, now: Timestamp, mut on: impl FnMut(Outcome)) {
        let tracker = &mut self.trackers[place];
        if let Some(at) = self.views.time_of(tracker.market) {
            tracker.observe(&self.views, at, now, &mut self.found);
        }
        self.found.drain(..).for_each(&mut on);
    }
}

/// The exchange's time of an event, else that of its receipt.
pub fn time_of(event: &Event) -> Timestamp {
    let own = match event {
        Event::Ticker(ticker) => ticker.timestamp,
        Event::Trade(trade) => Some(trade.timestamp),
        Event::Candle(candle) => candle.timestamp,
        Event::Gap(_) | Event::Status(_) | Event::Signal(_) => None,
    };
    own.or(event.received_at())
        .unwrap_or(Timestamp::from_nanos(0))
}
