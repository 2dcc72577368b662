//! The rules of a watch: their board, their memories on disk, and trades that were missed.

mod begin;
mod kept;
mod trades;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::alert::{Board, Mark, Outcome, Past, Tracker};
use crate::engine::{Delivery, Overflow, Request, SLOW_READER_PATIENCE};
use crate::model::{Event, Instrument, Market, Status, Stream, Timestamp, Trade};
use crate::timeline;

use super::super::error::CliError;
use super::candles;
use super::deliver::Claimed;
use super::fetch::{self, Answer, has_past};
use super::liveness::Question;
use super::markets::{Markets, Ready};
use super::once::Run;
use super::settings::Spec;
use super::state::MAX_AGE;
use super::watch::Lane;

/// For trades that were missed.
const HISTORY: Duration = Duration::from_secs(30);

/// One rule on the board.
struct Place {
    spec: usize,
    /// Where it is remembered, if it is, and the last version that we know.
    generation: Option<u64>,
    hash: String,
    /// What could not be written down, or has to be looked at anew.
    unwritten: Option<Vec<Outcome>>,
}

/// Firings that are to be told, and what is to be done of a named rule.
pub struct Committed {
    pub fired: Vec<Outcome>,
    pub claims: Vec<Claimed>,
}

impl Committed {
    fn new(mut outcomes: Vec<Outcome>, claims: Vec<Claimed>) -> Self {
        outcomes.retain(|outcome| outcome.verdict.is_fired());
        Self {
            fired: outcomes,
            claims,
        }
    }
}

/// Trades that are asked for while later ones wait.
struct Repair {
    /// Which request it is.
    number: u64,
    waiting: Vec<Trade>,
    /// There was another hole meanwhile, which may lie after what was asked for.
    again: bool,
}

/// The trades of a hole.
pub struct Repaired {
    market: Market,
    number: u64,
    /// Up to where all was known.
    from: Mark,
    answer: Answer<Arc<Past>>,
}

pub struct Desk<'a> {
    specs: &'a [Spec],
    run: &'a Run<'a>,
    markets: &'a Markets,
    board: Board,
    places: Vec<Place>,
    /// The newest trade of each market that was judged.
    seen: HashMap<Market, u64>,
    /// Their newest trades, for judging them again over what another run has written.
    recent: HashMap<Market, VecDeque<Trade>>,
    repairs: HashMap<Market, Repair>,
    /// Markets whose connection was lost, and whether it is up again: until it is known what happened meanwhile,
    /// time alone decides nothing of them.
    troubled: HashMap<Market, bool>,
    /// Who stands in for whom.
    standing: HashMap<Market, Market>,
    asking: FuturesUnordered<BoxFuture<'a, Repaired>>,
    /// How many requests for holes there were.
    asked: u64,
    /// When the watch began.
    begun: Timestamp,
}

impl<'a> Desk<'a> {
    pub fn new(
        specs: &'a [Spec],
        ready: Vec<Ready>,
        markets: &'a Markets,
        run: &'a Run<'a>,
    ) -> Result<Self, CliError> {
        let (mut board, mut places) = (Board::default(), Vec::new());
        board.views.max_age = Some(run.ctx.max_age.unwrap_or(MAX_AGE));
        for rule in ready {
            for tracker in rule.trackers {
                places.push(Place {
                    spec: rule.spec,
                    generation: specs[rule.spec].memory().map(|_| 0),
                    hash: tracker.rule.hash(tracker.market),
                    unwritten: None,
                });
                board.add(tracker);
            }
        }
        Ok(Self {
            specs,
            run,
            markets,
            board,
            places,
            seen: HashMap::new(),
            recent: HashMap::new(),
            repairs: HashMap::new(),
            troubled: HashMap::new(),
            standing: HashMap::new(),
            asking: FuturesUnordered::new(),
            asked: 0,
            begun: fetch::now(),
        })
    }

    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The index of the rule at this place.
    pub fn spec(&self, place: usize) -> usize {
        self.places[place].spec
    }

    /// Everything that is read.
    pub fn topics(&self) -> Vec<(Market, Stream)> {
        let mut topics: Vec<_> = self
            .board
            .trackers()
            .iter()
            .flat_map(fetch::topics)
            .collect();
        topics.sort_by_key(|(market, stream)| (market.index(), *stream));
        topics.dedup();
        topics
    }

    /// One subscription for tickers, one for trades.
    pub fn requests(&self) -> Vec<Request> {
        let topics = self.topics();
        let of = |stream: Stream| {
            let markets = topics.iter().filter(move |topic| topic.1 == stream);
            let instruments: Vec<_> = markets
                .map(|(market, _)| self.markets.instrument(*market).clone())
                .collect();
            let can_wait = instruments
                .iter()
                .all(|i| !has_past(self.run.ctx, i.market));
            let overflow = match can_wait {
                true => Overflow::Wait,
                false => Overflow::WaitThenGap(SLOW_READER_PATIENCE),
            };
            let request = Request::instruments(instruments.clone())
                .streams([stream])
                .delivery(Delivery::Every {
                    capacity: self.run.ctx.config.engine.buffer_size,
                    overflow,
                });
            (!instruments.is_empty()).then_some(request)
        };
        [Stream::Ticker, Stream::Trades]
            .into_iter()
            .filter_map(of)
            .collect()
    }

    /// The candles that rules are computed from.
    pub fn lanes(&self) -> Vec<Lane> {
        let mut lanes: Vec<_> = candles::wanted(self.board.trackers()).into_keys().collect();
        lanes.sort_by_key(|(market, interval)| (market.index(), *interval));
        lanes
    }

    /// How many of before these are wanted; `None`: no rule is computed from them now.
    pub fn wanted(&self, lane: Lane) -> Option<timeline::Past> {
        let n = candles::wanted(self.board.trackers()).get(&lane).copied()?;
        Some(timeline::Past::Last(n))
    }

    /// The instrument of a market that a rule names.
    pub fn instrument(&self, market: Market) -> Option<&Arc<Instrument>> {
        let is_named = self.markets.has(market);
        is_named.then(|| self.markets.instrument(market))
    }

    /// Who speaks for this market now.
    pub fn speaker(&self, home: Market) -> Market {
        self.standing.get(&home).copied().unwrap_or(home)
    }

    /// The past of these candles is about to be told.
    pub fn restart(&mut self, (market, interval): Lane) {
        self.board.views.series.restart(market, interval);
    }

    /// It cannot be told.
    pub fn begin_midway(&mut self, (market, interval): Lane) {
        self.board.views.series.begin_midway(market, interval);
    }

    /// What is read of each market that can fall silent.
    pub fn checked_markets(&self) -> HashMap<Market, Vec<Stream>> {
        let mut checked = HashMap::<Market, Vec<Stream>>::new();
        for (market, stream) in self.topics() {
            if has_past(self.run.ctx, market) {
                checked.entry(market).or_default().push(stream);
            }
        }
        checked
    }

    /// Whether any value is known.
    pub fn knows_something(&self) -> bool {
        let views = &self.board.views;
        self.topics()
            .iter()
            .any(|(market, stream)| views.confirmed(*market, *stream).is_some())
    }

    /// One live event.
    pub fn on_event(&mut self, event: &Event, now: Timestamp) -> Vec<(usize, Outcome)> {
        match event {
            Event::Trade(trade) => return self.on_trade(trade, now),
            Event::Gap(gap) if gap.stream == Stream::Trades => return self.on_gap(gap),
            Event::Status(status) => self.on_status(status),
            _ => {}
        }
        self.apply(event, now)
    }

    fn apply(&mut self, event: &Event, now: Timestamp) -> Vec<(usize, Outcome)> {
        let mut found = Vec::new();
        self.board
            .apply(event, now, |place, outcome| found.push((place, outcome)));
        found
    }

    /// The clock of a rule's market, for what lies in the future: one of its own may be anywhere.
    fn latest(&self, place: usize) -> Timestamp {
        match self.has_own_clock(place) {
            true => Timestamp::from_nanos(i64::MAX),
            false => fetch::now(),
        }
    }

    /// Whether this rule's market has a clock of its own.
    pub fn has_own_clock(&self, place: usize) -> bool {
        let market = self.board.trackers()[place].market;
        let provider = self.run.ctx.engine.provider(market.exchange().name());
        provider.is_ok_and(|provider| provider.traits().own_clock)
    }

    /// What the exchanges have confirmed by themselves does not grow old.
    pub fn confirm(&mut self) {
        let confirmed = self.run.ctx.engine.confirmed();
        for (market, stream) in self.topics() {
            if let Some(at) = confirmed.get(market, stream) {
                self.board.views.confirm(market, at);
            }
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Timestamp) -> Vec<(usize, Outcome)> {
        let mut found = Vec::new();
        for place in 0..self.places.len() {
            let tracker = &self.board.trackers()[place];
            let troubled = tracker
                .slots()
                .any(|slot| self.troubled.contains_key(&slot.market));
            // How old a value is, is known all the same.
            let unknown = troubled && !tracker.reads_ages();
            if tracker.is_due(&self.board.views, now) && !unknown && !self.has_own_clock(place) {
                self.board
                    .tick(place, now, |outcome| found.push((place, outcome)));
            }
        }
        found
    }

    /// Tickers over REST: they confirm what is known, where nothing newer is in them, and are the first prices
    /// where no trade has come yet.
    pub fn on_answer(&mut self, answers: Question, now: Timestamp) -> Vec<(usize, Outcome)> {
        let mut found = Vec::new();
        for ticker in answers {
            let (market, price) = (ticker.market, self.board.views.price(ticker.market));
            let unseen = self.board.views.last_trade(market).is_none();
            let doubt = price != ticker.price || self.holds(market) || unseen;
            if self.troubled.contains_key(&market) && doubt {
                // What has happened, and when, is in the trades.
                self.repair(market, Vec::new(), None);
                continue;
            }
            self.calm(market);
            if price.is_some() && price == ticker.price {
                self.board.views.confirm(market, now);
            }
            // A live ticker knows more than one over REST, and is not to be replaced by it.
            if self.board.views.confirmed(market, Stream::Ticker).is_none() {
                found.extend(self.apply(&Event::Ticker(ticker), now));
            }
            if self.board.views.last_trade(market).is_none() {
                found.extend(self.judge_first_price(market, now));
            }
        }
        found
    }

    /// Whether any market is in trouble, so that its price is asked for.
    pub fn is_troubled(&self) -> bool {
        !self.troubled.is_empty()
    }

    /// Whether a condition over this market is being held.
    fn holds(&self, market: Market) -> bool {
        let trackers = self.board.trackers().iter();
        let held = |tracker: &&Tracker| tracker.memory.due(&tracker.rule.policy).is_some();
        trackers
            .filter(|tracker| tracker.reads(market, Stream::Trades))
            .any(|tracker| held(&tracker))
    }

    fn on_status(&mut self, status: &Status) {
        let is_up = !status.state.is_trouble();
        if let (Some(home), Some(speaker)) = (status.market, status.stand_in) {
            match speaker == home {
                true => self.take_back(home),
                false => self.hand_over(home, speaker),
            }
            return;
        }
        for (market, _) in self.topics() {
            let meant = match status.market {
                Some(one) => one == market,
                None => status.exchange == market.exchange(),
            };
            match self.troubled.get_mut(&market) {
                Some(known) if meant => *known = is_up,
                None if meant && !is_up && has_past(self.run.ctx, market) => {
                    self.troubled.insert(market, false);
                }
                _ => {}
            }
        }
    }

    /// Rules over this market are about the one that stands in for it.
    fn hand_over(&mut self, home: Market, other: Market) {
        let speaker = self.standing.insert(home, other).unwrap_or(home);
        self.board.hand_over(speaker, other);
        if !self.markets.has(other) {
            // Until its past is asked for.
            let lanes = self.lanes().into_iter();
            let of_other = lanes.filter(|(market, _)| *market == other);
            of_other.for_each(|lane| self.begin_midway(lane));
        }
        self.troubled.remove(&home);
    }

    /// A market that is well again speaks for itself. What happened in it meanwhile was seen elsewhere.
    fn take_back(&mut self, home: Market) {
        let Some(other) = self.standing.remove(&home) else {
            return;
        };
        self.board.hand_over(other, home);
        for (market, interval) in self.lanes() {
            if market == home {
                // Whatever has come of them meanwhile, nobody followed it.
                self.board.views.series.on_gap(market, interval);
            }
        }
        let mark = Mark {
            id: None,
            time: fetch::now(),
            price: None,
        };
        for place in 0..self.places.len() {
            self.board.tracker_mut(place).judged.insert(home, mark);
        }
    }

    /// It is known what has happened in this market; if its connection is up again, all is well.
    fn calm(&mut self, market: Market) {
        if self.troubled.get(&market) == Some(&true) {
            self.troubled.remove(&market);
        }
    }

    /// Rules that wait for trades take the price that there is until one comes.
    fn judge_first_price(&mut self, market: Market, now: Timestamp) -> Vec<(usize, Outcome)> {
        let mut found = Vec::new();
        for place in 0..self.places.len() {
            if self.board.trackers()[place].reads(market, Stream::Trades) {
                let on = |outcome| found.push((place, outcome));
                self.board.begin(place, now, on);
            }
        }
        found
    }
}
