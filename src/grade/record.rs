//! What came over the streams.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::{
    Decimal, Event, Gap, GapState, Market, Origin, Status, StatusState, Stream, Trade,
};

use super::samples::Samples;

/// Takes the events of a run, in the order in which they were handed on.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    pub(super) lanes: Vec<Lane>,
    places: HashMap<Market, usize>,
    /// Nanoseconds from the exchange's time of a trade to its arrival by our clock, uncorrected.
    pub(super) latencies: Samples,
    troubles: u64,
    last_trouble: Option<String>,
    given_up: bool,
}

/// One market.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub market: Market,
    /// By the order of [`Stream::PLAIN`].
    pub streams: [Flow; 2],
    pub trades: Trades,
    last_price: Option<Decimal>,
    /// Lowest and highest price since [`Recorder::watch_prices`].
    range: Option<(Decimal, Decimal)>,
}

/// The pace of one stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flow {
    pub events: u64,
    pub first: Option<Duration>,
    last: Duration,
    longest_silence: Duration,
}

/// What became of the trades of one market.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trades {
    pub last_id: Option<u64>,
    pub told: u64,
    /// Fetched after the stream had missed them.
    pub repaired: u64,
    /// Ids that were passed over.
    pub missing: u64,
    /// Told twice, or against the order.
    pub unordered: u64,
    pub gaps_left: u64,
    pub gaps_repaired: u64,
}

impl Flow {
    fn on_event(&mut self, at: Duration) {
        if self.first.is_some() {
            self.longest_silence = self.longest_silence.max(at.saturating_sub(self.last));
        }
        self.first.get_or_insert(at);
        self.last = at;
        self.events += 1;
    }

    /// Up to `end`, which may be silence, too. Before the first event nothing was promised.
    pub fn longest_silence(&self, end: Duration) -> Option<Duration> {
        self.first?;
        Some(self.longest_silence.max(end.saturating_sub(self.last)))
    }
}

impl Trades {
    fn on_trade(&mut self, trade: &Trade) {
        self.told += 1;
        self.repaired += u64::from(trade.origin == Origin::Repair);
        match self.last_id {
            Some(last) if trade.id <= last => self.unordered += 1,
            last => {
                self.missing += last.map_or(0, |last| trade.id - 1 - last);
                self.last_id = Some(trade.id);
            }
        }
    }

    fn on_gap(&mut self, gap: &Gap) {
        match gap.state {
            GapState::Repaired => self.gaps_repaired += 1,
            GapState::Partial | GapState::Unrepairable => self.gaps_left += 1,
        }
        // The exchange counts anew.
        if gap.from_id.is_none() {
            self.last_id = None;
        }
    }
}

impl Lane {
    fn new(market: Market) -> Self {
        Self {
            market,
            streams: Default::default(),
            trades: Trades::default(),
            last_price: None,
            range: None,
        }
    }

    fn on_price(&mut self, price: Decimal) {
        self.last_price = Some(price);
        if let Some((low, high)) = &mut self.range {
            (*low, *high) = (price.min(*low), price.max(*high));
        }
    }
}

impl Recorder {
    /// Nothing seen yet of these. What concerns others is passed over.
    pub fn new(markets: impl IntoIterator<Item = Market>) -> Self {
        let lanes: Vec<_> = markets.into_iter().map(Lane::new).collect();
        let places = lanes.iter().enumerate();
        Self {
            places: places.map(|(place, lane)| (lane.market, place)).collect(),
            lanes,
            ..Self::default()
        }
    }

    /// Takes one event. `at`: the time since subscribing.
    pub fn see(&mut self, event: &Event, at: Duration) {
        if let Event::Status(status) = event {
            return self.on_status(status);
        }
        let place = event.market().and_then(|market| self.places.get(&market));
        let Some(lane) = place.map(|&place| &mut self.lanes[place]) else {
            return;
        };
        match event {
            Event::Ticker(ticker) => {
                lane.streams[Stream::Ticker.index()].on_event(at);
                if let Some(price) = ticker.price {
                    lane.on_price(price.decimal());
                }
            }
            Event::Trade(trade) => {
                lane.streams[Stream::Trades.index()].on_event(at);
                lane.on_price(trade.price.decimal());
                lane.trades.on_trade(trade);
                if trade.origin == Origin::Stream {
                    let nanos = trade
                        .received_at
                        .nanos()
                        .saturating_sub(trade.timestamp.nanos());
                    self.latencies.add(nanos);
                }
            }
            Event::Gap(gap) if gap.stream == Stream::Trades => lane.trades.on_gap(gap),
            Event::Candle(_) | Event::Gap(_) | Event::Status(_) | Event::Signal(_) => {}
        }
    }

    fn on_status(&mut self, status: &Status) {
        let ours = |market| self.places.contains_key(&market);
        let is_trouble = match status.state {
            StatusState::Connected | StatusState::Quiet => false,
            StatusState::Stale
            | StatusState::Reconnecting
            | StatusState::Fallback
            | StatusState::Failed
            | StatusState::Stopped => true,
        };
        if is_trouble && status.market.is_none_or(ours) {
            self.troubles += 1;
            self.last_trouble.clone_from(&status.reason);
            self.given_up |= status.state == StatusState::Failed && status.market.is_none();
        }
    }

    /// Whether any data came.
    pub fn has_data(&self) -> bool {
        let mut flows = self.lanes.iter().flat_map(|lane| &lane.streams);
        flows.any(|flow| flow.events > 0)
    }

    /// Whether data of every market came.
    pub fn has_data_of_all(&self) -> bool {
        let flows = |lane: &Lane| lane.streams.iter().any(|flow| flow.events > 0);
        self.lanes.iter().all(flows)
    }

    /// The newest trade that was handed on, also before [`Recorder::go_on`].
    pub fn last_trade(&self, market: Market) -> Option<u64> {
        self.lane(market)?.trades.last_id
    }

    /// How often the connection, or one of these markets, got into trouble.
    pub fn troubles(&self) -> u64 {
        self.troubles
    }

    /// Why it did last.
    pub fn last_trouble(&self) -> Option<&str> {
        self.last_trouble.as_deref()
    }

    /// The whole exchange is given up: nothing more can come.
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Keeps the range of prices from now on, beginning with the ones that are known.
    pub fn watch_prices(&mut self) {
        for lane in &mut self.lanes {
            lane.range = lane.last_price.map(|price| (price, price));
        }
    }

    /// Lowest and highest price since [`Recorder::watch_prices`]; `None` where there is none.
    pub fn price_range(&self, market: Market) -> Option<(Decimal, Decimal)> {
        let lane = self.lane(market)?;
        let newest = || lane.last_price.map(|price| (price, price));
        lane.range.or_else(newest)
    }

    /// A record that goes on where this one ends: it counts from zero, but knows the newest trades.
    pub fn go_on(&self) -> Self {
        let mut next = Self::new(self.lanes.iter().map(|lane| lane.market));
        for (lane, before) in next.lanes.iter_mut().zip(&self.lanes) {
            lane.trades.last_id = before.trades.last_id;
            lane.last_price = before.last_price;
        }
        next
    }

    /// Trades that were passed over.
    pub fn missing(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.trades.missing).sum()
    }

    fn lane(&self, market: Market) -> Option<&Lane> {
        self.places.get(&market).map(|&place| &self.lanes[place])
    }
}
