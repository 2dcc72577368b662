//! The newest candles of each market and length.

use std::collections::{BTreeMap, HashMap};

use crate::model::{Candle, Interval, Market, Timestamp};
use crate::window::CandleWindow;

/// Candles that are kept of each market and length.
pub const CANDLES: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct CandlesKept(HashMap<(Market, Interval), Lane>);

#[derive(Debug)]
struct Lane {
    window: CandleWindow,
    /// When the first candle of the stream opens.
    live_from: Option<Timestamp>,
    /// How many of the past were asked for.
    asked: usize,
}

impl Lane {
    fn new(market: Market, interval: Interval) -> Self {
        Self {
            window: CandleWindow::new(market, interval, CANDLES),
            live_from: None,
            asked: 0,
        }
    }
}

impl CandlesKept {
    fn lane(&mut self, market: Market, interval: Interval) -> &mut Lane {
        let lane = self.0.entry((market, interval));
        lane.or_insert_with(|| Lane::new(market, interval))
    }

    pub fn open(&mut self, market: Market, interval: Interval) {
        self.0
            .insert((market, interval), Lane::new(market, interval));
    }

    pub fn forget(&mut self, market: Market, interval: Interval) {
        self.0.remove(&(market, interval));
    }

    pub fn push(&mut self, candle: &Candle) {
        let lane = self.lane(candle.market, candle.interval);
        lane.live_from.get_or_insert(candle.open_time);
        lane.window.push(candle);
    }

    pub fn newest(&self, market: Market, interval: Interval, n: usize) -> Vec<Candle> {
        let lane = self.0.get(&(market, interval));
        lane.map_or_else(Vec::new, |lane| lane.window.newest(n).collect())
    }

    pub fn between(
        &self,
        market: Market,
        interval: Interval,
        from: Timestamp,
        until: Timestamp,
    ) -> Vec<Candle> {
        let lane = self.0.get(&(market, interval));
        lane.map_or_else(Vec::new, |lane| lane.window.range(from, until).collect())
    }

    pub fn asked(&self, market: Market, interval: Interval) -> usize {
        self.0.get(&(market, interval)).map_or(0, |lane| lane.asked)
    }

    pub fn seam(&self, market: Market, interval: Interval) -> Option<(Timestamp, Timestamp)> {
        let lane = self.0.get(&(market, interval))?;
        let live_from = lane.live_from?;
        let mut before = lane
            .window
            .range(Timestamp::from_nanos(i64::MIN), live_from);
        let past = before.next_back().map(|last| last.close_time());
        Some((past.unwrap_or(live_from), live_from))
    }

    /// A closed candle is never revised, and from the first one of the stream on the stream is right.
    pub fn put_past(
        &mut self,
        market: Market,
        interval: Interval,
        past: Vec<Candle>,
        asked: usize,
    ) {
        let lane = self.lane(market, interval);
        lane.asked = lane.asked.max(asked);
        let mut all: BTreeMap<Timestamp, Candle> = past
            .into_iter()
            .filter(|candle| lane.live_from.is_none_or(|live| candle.open_time < live))
            .map(|candle| (candle.open_time, candle))
            .collect();
        for kept in lane.window.newest(CANDLES) {
            let is_told = kept.closed || lane.live_from.is_some_and(|live| kept.open_time >= live);
            if is_told || !all.contains_key(&kept.open_time) {
                all.insert(kept.open_time, kept);
            }
        }
        let mut window = CandleWindow::new(market, interval, CANDLES);
        for candle in all.values() {
            window.push(candle);
        }
        lane.window = window;
    }
}
