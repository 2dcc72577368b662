//! Candles put together from the pages of something finer. Pure.

use crate::candles::Building;
use crate::feed::{Page, Span};
use crate::model::{Candle, Interval, Market, Timestamp};

/// What was put together so far. A candle that is not covered as a whole is left out.
pub(super) struct Folding {
    market: Market,
    interval: Interval,
    /// Until when the parts are known.
    known_until: Option<Timestamp>,
    /// Until when candles are told: an open time.
    told_until: Timestamp,
    building: Option<Building>,
    closed: Vec<Candle>,
}

impl Folding {
    /// Nothing yet.
    pub fn new(market: Market, interval: Interval) -> Self {
        Self {
            market,
            interval,
            known_until: None,
            told_until: Timestamp::from_nanos(0),
            building: None,
            closed: Vec::new(),
        }
    }

    /// The next page of parts begins here. Where that is not where the last one ended, what was begun cannot be
    /// completed.
    pub fn begin(&mut self, from: Timestamp) {
        if self.known_until.is_none_or(|until| until < from) {
            self.building = None;
            self.told_until = self.interval.first_from(from).max(self.told_until);
        }
    }

    /// The next part.
    pub fn add(&mut self, at: Timestamp, add: impl FnOnce(&mut Building)) {
        let open_time = self.interval.open_of(at);
        if open_time < self.told_until {
            return;
        }
        if self.building.as_ref().is_some_and(|b| !b.includes(at)) {
            self.close();
        }
        let (market, interval) = (self.market, self.interval);
        let new = || Building::new(market, interval, open_time);
        add(self.building.get_or_insert_with(new));
    }

    /// The page of parts ends here. What ends until `over` has no further parts.
    pub fn end(&mut self, known_until: Timestamp, over: Timestamp) -> Page<Candle> {
        self.known_until = Some(known_until);
        let until = self.interval.open_of(over).max(self.told_until);
        if (self.building.as_ref()).is_some_and(|building| building.close_time() <= until) {
            self.close();
        }
        let from = std::mem::replace(&mut self.told_until, until);
        Page {
            covers: Span { from, until },
            items: std::mem::take(&mut self.closed),
            forming: None,
        }
    }

    /// What has not ended.
    pub fn take_forming(&mut self) -> Option<Candle> {
        self.building.take()?.candle()
    }

    /// The page after the last one, where something has not ended.
    pub fn last(mut self) -> Option<Page<Candle>> {
        let at = self.told_until;
        let forming = self.take_forming()?;
        Some(Page {
            covers: Span {
                from: at,
                until: at,
            },
            items: Vec::new(),
            forming: Some(forming),
        })
    }

    fn close(&mut self) {
        let ended = self.building.take();
        let candle = ended.and_then(|building| building.candle());
        self.closed.extend(candle.map(|candle| Candle {
            closed: true,
            ..candle
        }));
    }
}
