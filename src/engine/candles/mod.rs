//! Live candles: exactly one closed one per open time, in order, and forming ones between them.
//!
//! Each length of a market is a *lane*. It is fed by states of the same candle where the exchange streams them, by
//! a lane of shorter ones, or by the ordered trades of the core. A candle closes when something shows that it is
//! over: the exchange says so, something later comes in order, the exchange confirms that the last known trade is
//! its newest, or its REST side has the closed row. The clock of this machine shows nothing.
//!
//! Where a part of a candle may be missing, it and all after it wait for the exchange's own row, which is checked
//! against what is known for sure. What cannot be had leaves `complete: false`, and where whole candles were missed
//! a gap. A candle that was begun in its middle is completed from shorter ones and from trades, by their ids.
//!
//! Synchronous and without I/O, like [`super::core`]: events, signs and answers in, events and questions out; `now`
//! is everywhere the same monotonic time, in ns.

mod clock;
mod doubt;
mod lane;
mod market;
mod question;
mod rows;
mod seed;

use std::collections::{HashMap, HashSet};

use crate::feed::{ProviderError, Replay, Sign, TradeMark, Traits};
use crate::model::{Event, Exchange, GapReason, Interval, Market, Origin, Stream, Trade};

use super::core::REPAIRS_AT_ONCE;
use clock::ExchangeClock;
use lane::{Rules, Source};
use market::Lanes;
pub use question::Ask;
use question::{QUIET_APART, Urgency};
pub use rows::Rows;

/// What ended so long before a heartbeat is over by it: a trade may be stamped a little earlier than it is told.
const HEARTBEAT_NANOS: i64 = 1_000_000_000;

/// All lanes.
#[derive(Debug, Default)]
pub struct Candles {
    /// By [`Market::index`].
    markets: Vec<Option<Lanes>>,
    /// Indices of markets that have lanes.
    active: Vec<usize>,
    clocks: HashMap<Exchange, ExchangeClock>,
    /// Indices of markets whose lanes have something to tell.
    touched: Vec<usize>,
    asks: Vec<Ask>,
    /// When the next question that only closes a quiet candle may be asked.
    quiet_from: HashMap<Exchange, u64>,
    /// Trades that were asked for, and by whom.
    trades_asked: HashMap<u64, TradeMark>,
    tickets: u64,
    due: Option<u64>,
    ready: Vec<Event>,
    /// Closed candles that were told.
    pub closed: u64,
    /// What came for candles that were over.
    pub late: u64,
}

impl Candles {
    /// Whether nobody wants candles.
    pub fn is_idle(&self) -> bool {
        self.active.is_empty()
    }

    /// Adds a lane, and returns which stream the feed has to bring for it.
    pub fn add(&mut self, market: Market, interval: Interval, traits: &Traits) -> Stream {
        if self.markets.len() <= market.index() {
            self.markets.resize_with(market.index() + 1, || None);
        }
        let lanes = &mut self.markets[market.index()];
        if lanes.is_none() {
            self.active.push(market.index());
        }
        let lanes = lanes.get_or_insert_with(|| Lanes::new(market));
        add(lanes, interval, traits)
    }

    /// The source of a market's candles is another one, perhaps with other traits: those of these lengths go on where
    /// they were, and what of them may be missing is looked after. Returns which streams the feed has to bring.
    pub fn renew(
        &mut self,
        market: Market,
        intervals: &[Interval],
        traits: &Traits,
        now: u64,
    ) -> Vec<Stream> {
        let mut new = Lanes::new(market);
        let feeds = intervals
            .iter()
            .map(|interval| add(&mut new, *interval, traits));
        let feeds: Vec<Stream> = feeds.collect();
        if self.markets.len() <= market.index() {
            self.markets.resize_with(market.index() + 1, || None);
        }
        let known = &mut self.markets[market.index()];
        match known {
            _ if new.is_empty() => {
                *known = None;
                self.active.retain(|index| *index != market.index());
            }
            Some(lanes) => {
                lanes.renew(new, &mut self.ready);
                self.settle(market, now);
            }
            None => {
                *known = Some(new);
                self.active.push(market.index());
            }
        }
        self.due = Some(now);
        feeds
    }

    /// Removes a lane, and returns which stream it was fed by.
    pub fn remove(&mut self, market: Market, interval: Interval) -> Option<Stream> {
        let lanes = self.markets.get_mut(market.index())?.as_mut()?;
        let feed = match lanes.remove(interval)? {
            Source::Native => Stream::Candles(interval),
            Source::Parts(part) => {
                lanes.remove(part);
                Stream::Candles(part)
            }
            Source::Trades => Stream::Trades,
        };
        if lanes.is_empty() {
            self.markets[market.index()] = None;
            self.active.retain(|index| *index != market.index());
        }
        Some(feed)
    }

    /// The feed brings no more trades of this market: those that it brings anew follow upon none.
    pub fn forget_trades(&mut self, market: Market) {
        if let Some(lanes) = self.lanes(market) {
            lanes.forget_trades();
        }
    }

    /// Whether a lane is fed by this stream.
    pub fn is_fed_by(&self, market: Market, stream: Stream) -> bool {
        let lanes = self.markets.get(market.index()).and_then(Option::as_ref);
        lanes.is_some_and(|lanes| lanes.is_fed_by(stream))
    }

    /// A trade that the exchange repeats on subscribing, before the core takes it.
    pub fn on_replayed(&mut self, trade: &Trade) {
        if let Some(lanes) = self.lanes(trade.market) {
            lanes.on_replayed(trade);
        }
    }

    /// Takes everything that the core has told. It comes back, with candles in the place of what the feed sent of them,
    /// from [`Candles::take_ready`].
    pub fn absorb(&mut self, events: &mut Vec<Event>, now: u64) {
        for place in 0..events.len() {
            self.look_ahead(events, place);
            self.on_event(&events[place], now);
        }
        let others = |event: &Event| !matches!(event, Event::Candle(_));
        self.ready.extend(events.drain(..).filter(others));
    }

    /// A gap is told after what was recovered of it: where that begins or goes on behind what stays missing, it is
    /// known too late.
    fn look_ahead(&mut self, events: &[Event], place: usize) {
        let Event::Trade(trade) = &events[place] else {
            return;
        };
        let Some(lanes) = self.lanes(trade.market) else {
            return;
        };
        if trade.origin != Origin::Repair || lanes.follows(trade.id) {
            return;
        }
        let reason = events[place + 1..].iter().find_map(|event| match event {
            Event::Gap(gap) if gap.market == trade.market && gap.stream == Stream::Trades => {
                let holds = gap.from_id <= Some(trade.id) && Some(trade.id) <= gap.to_id;
                (gap.is_loss() && holds).then_some(gap.reason)
            }
            _ => None,
        });
        if let Some(reason) = reason {
            lanes.on_break(Stream::Trades, reason);
        }
    }

    fn on_event(&mut self, event: &Event, now: u64) {
        let time = match event {
            Event::Trade(trade) => (trade.origin == Origin::Stream).then_some(trade.timestamp),
            Event::Candle(candle) if candle.origin == Origin::Stream => candle.timestamp,
            Event::Gap(gap) if gap.stream == Stream::Trades => None,
            _ if matches!(event, Event::Candle(_)) => None,
            _ => return,
        };
        let Some(market) = event.market() else { return };
        let Some(Some(lanes)) = self.markets.get_mut(market.index()) else {
            return;
        };
        let clock = self.clocks.entry(market.exchange()).or_default();
        if time.is_some_and(|time| clock.on_time(time, now)) {
            self.due = Some(now);
        }
        match event {
            Event::Trade(trade) => lanes.on_trade(trade),
            Event::Gap(gap) if gap.is_loss() && !lanes.is_past(gap.to_id) => {
                lanes.on_break(Stream::Trades, gap.reason);
            }
            Event::Candle(state) => lanes.on_state(state, clock.at(now)),
            _ => return,
        }
        self.settle(market, now);
    }

    /// What the feed knows of its subscriptions. `last_id`: the newest trade of the market of a [`Sign::Newest`] that
    /// was told.
    pub fn on_sign(&mut self, sign: &Sign, last_id: Option<u64>, now: u64) {
        match sign {
            Sign::Lost(topics) => {
                for (market, stream) in topics {
                    self.on_lost(*market, *stream, GapReason::Reconnect);
                }
            }
            Sign::Newest {
                market,
                id,
                time: Some(time),
            } if last_id == Some(*id) => {
                // Its own time, not that of its arrival: it can come late, and trades of meanwhile after it.
                if let Some(lanes) = self.lanes(*market) {
                    lanes.on_known_until(time.plus_nanos(-HEARTBEAT_NANOS));
                    self.settle(*market, now);
                }
            }
            Sign::Newest { .. } | Sign::Subscribed(_) => {}
        }
    }

    /// A stream was lost, or has died. The core sees to lost trades.
    pub fn on_lost(&mut self, market: Market, stream: Stream, reason: GapReason) {
        if let (Some(lanes), Stream::Candles(_)) = (self.lanes(market), stream) {
            lanes.on_break(stream, reason);
        }
    }

    /// When [`Candles::on_timer`] is wanted.
    pub fn deadline(&self) -> Option<u64> {
        self.due.filter(|_| !self.is_idle())
    }

    /// Time has passed: asks what is due, and ends what takes too long.
    pub fn on_timer(&mut self, now: u64) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        for index in self.active.clone() {
            let Some(lanes) = &mut self.markets[index] else {
                continue;
            };
            let market = lanes.market;
            lanes.each(|lane| lane.expire(now));
            self.settle(market, now);
        }
        let mut due = self.ask(now);
        let nothing = ExchangeClock::default();
        for &index in &self.active {
            let Some(lanes) = &self.markets[index] else {
                continue;
            };
            let clock = self
                .clocks
                .get(&lanes.market.exchange())
                .unwrap_or(&nothing);
            due = lanes.deadline(now, clock).into_iter().chain(due).min();
        }
        self.due = due;
    }

    /// Asks as much as there is room for: one question of a market at a time, and few of an exchange. Returns when
    /// one that is held back may be asked.
    fn ask(&mut self, now: u64) -> Option<u64> {
        let mut held: Option<u64> = None;
        let mut running = HashMap::<Exchange, usize>::new();
        let mut quiet = HashSet::new();
        let mut turns = Vec::new();
        for &index in &self.active {
            let Some(lanes) = &self.markets[index] else {
                continue;
            };
            if lanes.is_asking() {
                if lanes.is_asking_quiet() {
                    quiet.insert(lanes.market.exchange());
                }
                *running.entry(lanes.market.exchange()).or_default() += 1;
            } else if let Some((turn, place)) = lanes.turn(now) {
                turns.push((turn, index, place));
            }
        }
        turns.sort_unstable();
        for ((urgency, _), index, place) in turns {
            let Some(lanes) = &mut self.markets[index] else {
                continue;
            };
            let exchange = lanes.market.exchange();
            let running = running.entry(exchange).or_default();
            if *running >= REPAIRS_AT_ONCE {
                continue;
            }
            let is_quiet = urgency == Urgency::Quiet;
            let from = self.quiet_from.entry(exchange).or_default();
            if is_quiet && quiet.contains(&exchange) {
                continue;
            }
            if is_quiet && *from > now {
                held = held.into_iter().chain([*from]).min();
                continue;
            }
            let nothing = ExchangeClock::default();
            let clock = self.clocks.get(&exchange).unwrap_or(&nothing);
            if let Some(ask) = lanes.ask(place, self.tickets, now, clock) {
                if let Ask::Trades { after, .. } = &ask {
                    self.trades_asked.insert(self.tickets, *after);
                }
                self.tickets += 1;
                *running += 1;
                self.asks.push(ask);
                if is_quiet {
                    quiet.insert(exchange);
                    *from = now.saturating_add(QUIET_APART);
                }
            }
        }
        held
    }

    /// What is to be asked since the last call.
    pub fn take_asks(&mut self) -> Vec<Ask> {
        std::mem::take(&mut self.asks)
    }

    /// Takes the answer to [`Ask::Rows`]. One that comes too late changes nothing.
    pub fn on_rows(
        &mut self,
        market: Market,
        ticket: u64,
        answer: &Result<Rows, ProviderError>,
        now: u64,
    ) {
        if let Some(lanes) = self.lanes(market) {
            lanes.each(|lane| {
                lane.on_rows(ticket, answer, now);
            });
            self.settle(market, now);
        }
        self.due = Some(now);
    }

    /// Takes the answer to [`Ask::Trades`]. One that comes too late changes nothing.
    pub fn on_trades(
        &mut self,
        market: Market,
        ticket: u64,
        answer: Result<Replay, ProviderError>,
        now: u64,
    ) {
        if let Some(after) = self.trades_asked.remove(&ticket)
            && let Some(lanes) = self.lanes(market)
        {
            let answer = answer.as_ref();
            lanes.each(|lane| lane.on_trades(ticket, after, answer, now));
            self.settle(market, now);
        }
        self.due = Some(now);
    }

    /// Moves everything that is to be told to `out`, forming candles last: of each lane only the newest.
    pub fn take_ready(&mut self, now: u64, out: &mut Vec<Event>) {
        for index in std::mem::take(&mut self.touched) {
            if let Some(Some(lanes)) = self.markets.get_mut(index) {
                lanes.is_touched = false;
                lanes.tell_forming(&mut self.ready);
                let market = lanes.market;
                self.note_deadline(market, now);
            }
        }
        match out.is_empty() {
            true => std::mem::swap(out, &mut self.ready),
            false => out.append(&mut self.ready),
        }
    }

    /// The end: what has ended is told as it is, what forms stays open.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        for index in std::mem::take(&mut self.active) {
            if let Some(lanes) = &mut self.markets[index] {
                lanes.finish(&mut self.ready);
                self.closed += lanes.take_closed();
            }
        }
        self.markets.clear();
        out.append(&mut self.ready);
    }

    /// Tells what can be told of a market after a change.
    fn settle(&mut self, market: Market, now: u64) {
        let Some(Some(lanes)) = self.markets.get_mut(market.index()) else {
            return;
        };
        lanes.settle(&mut self.ready);
        self.closed += lanes.take_closed();
        self.late += lanes.take_late();
        if !lanes.is_touched {
            lanes.is_touched = true;
            self.touched.push(market.index());
        }
        self.note_deadline(market, now);
    }

    fn note_deadline(&mut self, market: Market, now: u64) {
        let Some(Some(lanes)) = self.markets.get_mut(market.index()) else {
            return;
        };
        let nothing = ExchangeClock::default();
        let clock = self.clocks.get(&market.exchange()).unwrap_or(&nothing);
        let is_new = lanes.plan(now, clock);
        let deadline = if is_new {
            Some(now)
        } else {
            lanes.deadline(now, clock)
        };
        self.due = self.due.into_iter().chain(deadline).min();
    }

    fn lanes(&mut self, market: Market) -> Option<&mut Lanes> {
        self.markets.get_mut(market.index())?.as_mut()
    }
}

/// Adds the lane of this length, and what it is made of. Returns which stream the feed has to bring for it.
fn add(lanes: &mut Lanes, interval: Interval, traits: &Traits) -> Stream {
    let part = interval.longest_part(traits.candles);
    let market = lanes.market;
    let rules = |interval, source| Rules {
        market,
        interval,
        source,
        has_empty: traits.empty_candles,
        can_ask: !traits.own_clock,
    };
    match part {
        Some(part) if part == interval => lanes.add(rules(interval, Source::Native)),
        Some(part) => {
            lanes.add(rules(part, Source::Native));
            lanes.add(rules(interval, Source::Parts(part)));
        }
        None => lanes.add(rules(interval, Source::Trades)),
    }
    part.map_or(Stream::Trades, Stream::Candles)
}

#[cfg(test)]
mod tests;
