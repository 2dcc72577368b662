//! The lanes of one market, and what they share.

use crate::model::{Candle, Event, GapReason, Interval, Market, Stream, Timestamp, Trade};

use super::clock::ExchangeClock;
use super::lane::{Lane, Rules, Source};
use super::question::{Ask, Turn};

/// Repeated trades that are kept until the first new one comes.
const REPEATED: usize = 256;

/// The lanes of one market. Those that feed others come before them.
#[derive(Debug)]
pub(super) struct Lanes {
    pub market: Market,
    lanes: Vec<Member>,
    /// What was repeated before the first trade, by id.
    repeated: Vec<Trade>,
    /// The time of the newest trade that was told; a hole after it is not known.
    last: Option<Timestamp>,
    /// The id of the newest trade that was told.
    last_id: Option<u64>,
    /// Whether it waits to tell what forms.
    pub is_touched: bool,
    closed: u64,
    late: u64,
}

#[derive(Debug)]
struct Member {
    lane: Lane,
    /// How many want it: subscribers count as one, each lane made of it as one.
    users: usize,
}

impl Lanes {
    pub fn new(market: Market) -> Self {
        Self {
            market,
            lanes: Vec::new(),
            repeated: Vec::new(),
            last: None,
            last_id: None,
            is_touched: false,
            closed: 0,
            late: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    pub fn add(&mut self, rules: Rules) {
        if let Some(member) = self.member(rules.interval) {
            member.users += 1;
            return;
        }
        let member = Member {
            lane: Lane::new(rules),
            users: 1,
        };
        match rules.source {
            Source::Parts(_) => self.lanes.push(member),
            Source::Native | Source::Trades => self.lanes.insert(0, member),
        }
    }

    /// One user less. Returns what the lane is, or was, made of.
    pub fn remove(&mut self, interval: Interval) -> Option<Source> {
        let member = self.member(interval)?;
        member.users -= 1;
        let source = member.lane.rules.source;
        self.lanes.retain(|member| member.users > 0);
        Some(source)
    }

    /// Goes on by the rules of `new`, which has the lanes that are wanted. What waits in one that has other rules
    /// from now on is told as it is.
    pub fn renew(&mut self, new: Lanes, out: &mut Vec<Event>) {
        let mut old = std::mem::replace(&mut self.lanes, new.lanes);
        for member in &mut self.lanes {
            let interval = member.lane.rules.interval;
            let is_same = |known: &Member| known.lane.rules.interval == interval;
            let Some(place) = old.iter().position(is_same) else {
                continue;
            };
            let mut before = old.swap_remove(place).lane;
            if before.rules == member.lane.rules {
                member.lane = before;
                continue;
            }
            before.give_up(None, false);
            before.settle(out);
            self.closed += before.closed;
            self.late += before.late;
            member.lane.follow(&before);
        }
    }

    fn member(&mut self, interval: Interval) -> Option<&mut Member> {
        self.lanes
            .iter_mut()
            .find(|member| member.lane.rules.interval == interval)
    }

    pub fn is_fed_by(&self, stream: Stream) -> bool {
        self.lanes
            .iter()
            .any(|member| feed_of(&member.lane) == Some(stream))
    }

    pub fn forget_trades(&mut self) {
        self.repeated.clear();
        (self.last, self.last_id) = (None, None);
    }

    pub fn on_replayed(&mut self, trade: &Trade) {
        let is_full = self.repeated.len() == REPEATED;
        if self.last.is_some() || is_full || !self.is_fed_by(Stream::Trades) {
            return;
        }
        if let Err(at) = self
            .repeated
            .binary_search_by_key(&trade.id, |known| known.id)
        {
            self.repeated.insert(at, *trade);
        }
    }

    pub fn on_trade(&mut self, trade: &Trade) {
        let repeated = std::mem::take(&mut self.repeated);
        // Where ids begin with this one, what is repeated only says that.
        let is_first = trade.id <= 1;
        let is_before = |known: &&Trade| known.id < trade.id && !is_first;
        let before = repeated.iter().take_while(is_before).count();
        let seed = &repeated[..before];
        let known_since = seed.first().map(|first| first.timestamp).or(self.last);
        for Member { lane, .. } in &mut self.lanes {
            if lane.rules.source == Source::Trades {
                let open_time = lane.rules.interval.open_of(trade.timestamp);
                let is_whole = is_first || known_since.is_some_and(|known| known < open_time);
                lane.on_trade(trade, is_whole.then_some(seed));
            }
        }
        self.last = Some(
            self.last
                .map_or(trade.timestamp, |last| last.max(trade.timestamp)),
        );
        self.last_id = Some(trade.id);
    }

    /// Whether this is the id after that of the newest trade.
    pub fn follows(&self, id: u64) -> bool {
        self.last_id
            .is_some_and(|last| last.checked_add(1) == Some(id))
    }

    /// Whether the trade with this id, or one after it, was told.
    pub fn is_past(&self, id: Option<u64>) -> bool {
        id.is_some_and(|id| self.last_id.is_some_and(|last| last >= id))
    }

    /// The newest state of candles as the feed has sent it.
    pub fn on_state(&mut self, state: &Candle, time: Option<Timestamp>) {
        if let Some(Member { lane, .. }) = self.member(state.interval)
            && lane.rules.source == Source::Native
        {
            lane.on_state(state, time);
        }
    }

    /// What follows on this stream may not follow at once.
    pub fn on_break(&mut self, stream: Stream, reason: GapReason) {
        let fed = self.lanes.iter_mut().map(|member| &mut member.lane);
        fed.filter(|lane| feed_of(lane) == Some(stream))
            .for_each(|lane| lane.on_break(reason));
        if stream == Stream::Trades {
            self.last = None;
        }
    }

    /// Every trade until then is known.
    pub fn on_known_until(&mut self, until: Timestamp) {
        let by_trades = self.lanes.iter_mut().map(|member| &mut member.lane);
        by_trades
            .filter(|lane| lane.rules.source == Source::Trades)
            .for_each(|lane| lane.on_known_until(until));
    }

    pub fn each(&mut self, mut change: impl FnMut(&mut Lane)) {
        self.lanes
            .iter_mut()
            .for_each(|member| change(&mut member.lane));
    }

    /// Tells what can be told. Lanes that are made of others get what those tell.
    pub fn settle(&mut self, out: &mut Vec<Event>) {
        for place in 0..self.lanes.len() {
            let from = out.len();
            let lane = &mut self.lanes[place].lane;
            lane.settle(out);
            self.closed += std::mem::take(&mut lane.closed);
            self.late += std::mem::take(&mut lane.late);
            let interval = lane.rules.interval;
            for made in made_of(&mut self.lanes[place + 1..], interval) {
                hand_on(&out[from..], made);
            }
        }
    }

    /// Tells the newest state of each candle that forms.
    pub fn tell_forming(&mut self, out: &mut Vec<Event>) {
        for place in 0..self.lanes.len() {
            let lane = &mut self.lanes[place].lane;
            let interval = lane.rules.interval;
            let Some(forming) = lane.forming() else {
                continue;
            };
            for made in made_of(&mut self.lanes[place + 1..], interval) {
                made.on_part(&forming);
                made.settle(out);
            }
            out.push(Event::Candle(forming.into()));
        }
    }

    pub fn finish(&mut self, out: &mut Vec<Event>) {
        for place in 0..self.lanes.len() {
            self.lanes[place].lane.give_up(None, false);
            self.settle(out);
        }
    }

    /// Closed candles since the last call.
    pub fn take_closed(&mut self) -> u64 {
        std::mem::take(&mut self.closed)
    }

    /// What came too late since the last call.
    pub fn take_late(&mut self) -> u64 {
        std::mem::take(&mut self.late)
    }

    /// True: a new question.
    pub fn plan(&mut self, now: u64, clock: &ExchangeClock) -> bool {
        let mut is_new = false;
        self.each(|lane| is_new |= lane.plan(now, clock));
        is_new
    }

    pub fn deadline(&self, now: u64, clock: &ExchangeClock) -> Option<u64> {
        let lanes = self.lanes.iter();
        lanes
            .filter_map(|member| member.lane.deadline(now, clock))
            .min()
    }

    pub fn is_asking(&self) -> bool {
        self.lanes.iter().any(|member| member.lane.is_asking())
    }

    pub fn is_asking_quiet(&self) -> bool {
        self.lanes
            .iter()
            .any(|member| member.lane.is_asking_quiet())
    }

    /// The lane whose turn it is to ask.
    pub fn turn(&self, now: u64) -> Option<(Turn, usize)> {
        let lanes = self.lanes.iter().enumerate();
        let turns = lanes.filter_map(|(place, member)| Some((member.lane.turn(now)?, place)));
        turns.min()
    }

    pub fn ask(
        &mut self,
        place: usize,
        ticket: u64,
        now: u64,
        clock: &ExchangeClock,
    ) -> Option<Ask> {
        self.lanes[place].lane.ask(ticket, now, clock)
    }
}

/// The stream of the feed that a lane reads; `None`: it is made of another lane.
fn feed_of(lane: &Lane) -> Option<Stream> {
    match lane.rules.source {
        Source::Native => Some(Stream::Candles(lane.rules.interval)),
        Source::Parts(_) => None,
        Source::Trades => Some(Stream::Trades),
    }
}

/// Hands what a lane has told to one that is made of it.
fn hand_on(told: &[Event], made: &mut Lane) {
    let gaps = told.iter().filter_map(|event| match event {
        Event::Gap(gap) if gap.is_loss() => Some(gap),
        _ => None,
    });
    for event in told {
        match event {
            Event::Candle(part) => {
                // A gap is told after what was recovered of it, and any of that may be missing before this one.
                let in_gap = gaps
                    .clone()
                    .find(|gap| gap.from <= Some(part.open_time) && Some(part.open_time) < gap.to);
                if let Some(gap) = in_gap {
                    made.on_break(gap.reason);
                }
                made.on_part(part);
            }
            Event::Gap(gap) if gap.is_loss() => made.on_break(gap.reason),
            _ => {}
        }
    }
}

fn made_of(lanes: &mut [Member], part: Interval) -> impl Iterator<Item = &mut Lane> {
    let lanes = lanes.iter_mut().map(|member| &mut member.lane);
    lanes.filter(move |lane| lane.rules.source == Source::Parts(part))
}
