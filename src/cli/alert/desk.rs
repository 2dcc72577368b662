//! The rules of a watch: their board, their memories on disk, and trades that were missed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use crate::alert::{Board, Mark, Outcome, Past, Views};
use crate::engine::{Delivery, Overflow, Request, SLOW_READER_PATIENCE};
use crate::feed::{ProviderError, TradeMark};
use crate::model::{Event, Market, Stream, Timestamp, Trade};
use crate::store::MarketState;

use super::super::args::SinceLast;
use super::super::error::{CliError, clipped};
use super::deliver::Claimed;
use super::fetch::{self, Answer};
use super::liveness::Question;
use super::markets::{Markets, Ready};
use super::once::{MAX_AGE, Run, lock, marks, unwritten, watermarks};
use super::settings::Spec;
use super::watch::can_be_late;

/// For the trades before the first live one, and for those of a hole.
const HISTORY: Duration = Duration::from_secs(30);
/// Live trades of one market that wait for the trades before them.
const WAITING: usize = 10_000;

/// One rule on the board.
struct Place {
    spec: usize,
    /// Where it is remembered, if it is, and the last version that we know.
    generation: Option<u64>,
    hash: String,
    changed: bool,
}

/// A firing that is to be told, and what is to be done of a named rule.
pub struct Committed {
    pub outcome: Outcome,
    pub claims: Vec<Claimed>,
}

/// Trades that are asked for while later ones wait.
struct Repair {
    waiting: Vec<Trade>,
}

/// What was asked for a hole, with the market.
pub type Repaired = (Market, Answer<Arc<Past>>);

pub struct Desk<'a> {
    specs: &'a [Spec],
    run: &'a Run<'a>,
    markets: &'a Markets,
    board: Board,
    places: Vec<Place>,
    /// The newest trade of each market that was judged.
    seen: HashMap<Market, u64>,
    repairs: HashMap<Market, Repair>,
    asking: FuturesUnordered<BoxFuture<'a, Repaired>>,
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
                    generation: specs[rule.spec].rule.name.as_ref().map(|_| 0),
                    hash: tracker.rule.hash(tracker.market),
                    changed: false,
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
            repairs: HashMap::new(),
            asking: FuturesUnordered::new(),
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
                .all(|i| !can_be_late(self.run.ctx, i.market));
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

    /// What is read of each market that can fall silent.
    pub fn checked_markets(&self) -> HashMap<Market, Vec<Stream>> {
        let mut checked = HashMap::<Market, Vec<Stream>>::new();
        for (market, stream) in self.topics() {
            if can_be_late(self.run.ctx, market) {
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

    /// Before the first live event: memories, what happened since they were written, and last trades.
    pub async fn begin(&mut self) -> Vec<(usize, Outcome)> {
        let deadline = Instant::now() + HISTORY;
        let kept = self.memories();
        let replays = fetch::replays(oldest(&kept), self.markets, self.run.ctx, deadline).await;
        let mut found = Vec::new();
        for (place, marks) in &kept {
            found.extend(self.catch_up(*place, marks, &replays));
        }
        self.seed(&replays, deadline).await;
        let at = fetch::now();
        for place in 0..self.places.len() {
            if !kept
                .iter()
                .any(|(kept, marks)| *kept == place && !marks.is_empty())
            {
                self.board
                    .tick(place, at, |outcome| found.push((place, outcome)));
            }
        }
        self.mark(&found);
        found
    }

    /// Takes the memories over; returns the marks to go on from.
    fn memories(&mut self) -> Vec<(usize, HashMap<Market, Mark>)> {
        let mut kept = Vec::new();
        for place in 0..self.places.len() {
            let Some(name) = &self.specs[self.places[place].spec].rule.name else {
                continue;
            };
            let state = self.run.store.read(name).ok().flatten();
            let tracker = self.board.tracker_mut(place);
            let Some(known) =
                state.and_then(|mut state| state.markets.remove(&tracker.market.to_string()))
            else {
                continue;
            };
            if known.hash != self.places[place].hash {
                continue;
            }
            let mut from = marks(&known, tracker);
            from.retain(|market, _| can_be_late(self.run.ctx, *market));
            tracker.memory = known.memory;
            self.places[place].generation = Some(known.generation);
            if self.run.since_last == SinceLast::On {
                kept.push((place, from));
            }
        }
        kept
    }

    fn catch_up(
        &mut self,
        place: usize,
        marks: &HashMap<Market, Mark>,
        replays: &HashMap<Market, Answer<Arc<Past>>>,
    ) -> Vec<(usize, Outcome)> {
        let (mut pasts, notices) = (HashMap::new(), self.run.ctx.notices);
        for market in marks.keys() {
            match &replays.get(market) {
                Some(Ok(replay)) => {
                    for (from, to) in &replay.uncovered {
                        notices.warn("uncovered", &format!("tickwire: {market}: the trades from {from} to {to} are not to be had"));
                    }
                    pasts.insert(*market, replay.clone());
                }
                Some(Err(error)) => {
                    let why = clipped(&error.to_string());
                    notices.warn("uncovered", &format!("tickwire: {market}: the trades since the last check are not to be had: {why}"));
                }
                None => {}
            }
        }
        let mut outcomes = Vec::new();
        self.board
            .tracker_mut(place)
            .catch_up(marks, &pasts, fetch::now(), &mut outcomes);
        outcomes
            .into_iter()
            .map(|outcome| (place, outcome))
            .collect()
    }

    /// The last price of each market that is read: the price until the next trade comes.
    async fn seed(&mut self, replays: &HashMap<Market, Answer<Arc<Past>>>, deadline: Instant) {
        let mut unseen = Vec::new();
        for (market, stream) in self.topics() {
            let newest = replays
                .get(&market)
                .and_then(|past| past.as_ref().ok()?.newest);
            if let Some(trade) = newest {
                self.seen.insert(market, trade.id);
                self.board.views.update(&Event::Trade(trade), fetch::now());
            } else if stream == Stream::Trades && can_be_late(self.run.ctx, market) {
                unseen.push(self.markets.instrument(market).clone());
            }
        }
        for (market, answer) in fetch::rest_tickers(unseen, self.run.ctx, deadline).await {
            match answer {
                Ok(ticker) => self
                    .board
                    .views
                    .update(&Event::Ticker(ticker), fetch::now()),
                Err(error) => tracing::debug!(%market, %error, "no last price"),
            }
        }
    }

    /// One live event.
    pub fn on_event(&mut self, event: &Event, now: Timestamp) -> Vec<(usize, Outcome)> {
        match event {
            Event::Trade(trade) => return self.on_trade(trade, now),
            Event::Gap(gap) if gap.stream == Stream::Trades => self.repair(gap.market, Vec::new()),
            _ => {}
        }
        self.apply(event, now)
    }

    fn on_trade(&mut self, trade: &Trade, now: Timestamp) -> Vec<(usize, Outcome)> {
        let market = trade.market;
        if let Some(repair) = self.repairs.get_mut(&market) {
            repair.waiting.push(*trade);
            if repair.waiting.len() < WAITING {
                return Vec::new();
            }
            // Too much to wait for: what was missed is lost, and was told as a gap.
            let waiting = self.repairs.remove(&market).map(|repair| repair.waiting);
            return self.apply_trades(&waiting.unwrap_or_default(), now);
        }
        let is_first = !self
            .board
            .views
            .last_trade(market)
            .is_some_and(|last| last.origin == crate::model::Origin::Stream);
        let hole = self
            .seen
            .get(&market)
            .is_some_and(|seen| trade.id > seen + 1);
        // Holes between live trades are the engine's to tell; this is the seam before the first of them.
        if is_first && hole && can_be_late(self.run.ctx, market) {
            self.repair(market, vec![*trade]);
            return Vec::new();
        }
        self.apply_trades(&[*trade], now)
    }

    fn apply_trades(&mut self, trades: &[Trade], now: Timestamp) -> Vec<(usize, Outcome)> {
        let mut found = Vec::new();
        for trade in trades {
            let seen = self.seen.entry(trade.market).or_default();
            if trade.id <= *seen {
                continue;
            }
            *seen = trade.id;
            found.extend(self.apply(&Event::Trade(*trade), now));
        }
        found
    }

    fn apply(&mut self, event: &Event, now: Timestamp) -> Vec<(usize, Outcome)> {
        let mut found = Vec::new();
        self.board
            .apply(event, now, |place, outcome| found.push((place, outcome)));
        self.mark(&found);
        found
    }

    fn mark(&mut self, found: &[(usize, Outcome)]) {
        found
            .iter()
            .for_each(|(place, _)| self.places[*place].changed = true);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Timestamp) -> Vec<(usize, Outcome)> {
        let mut found = Vec::new();
        for place in 0..self.places.len() {
            let tracker = &self.board.trackers()[place];
            let own_clock = self
                .run
                .ctx
                .engine
                .provider(tracker.market.exchange().name());
            let own_clock = own_clock.is_ok_and(|provider| provider.traits().own_clock);
            if !own_clock && tracker.is_due(&self.board.views, now) {
                self.board
                    .tick(place, now, |outcome| found.push((place, outcome)));
            }
        }
        self.mark(&found);
        found
    }

    /// Tickers over REST: they confirm what is known, where nothing newer is in them.
    pub fn on_answer(&mut self, answers: Question, now: Timestamp) -> Vec<(usize, Outcome)> {
        let mut found = Vec::new();
        for ticker in answers {
            let market = ticker.market;
            if self
                .board
                .views
                .price(market)
                .is_none_or(|price| Some(price) == ticker.price)
            {
                self.board.views.confirm(market, now);
            }
            found.extend(self.apply(&Event::Ticker(ticker), now));
        }
        found
    }

    fn repair(&mut self, market: Market, waiting: Vec<Trade>) {
        let Some(last) = self.board.views.last_trade(market) else {
            return;
        };
        if self.repairs.contains_key(&market) || !can_be_late(self.run.ctx, market) {
            return;
        }
        self.repairs.insert(market, Repair { waiting });
        let mark = TradeMark {
            id: Some(last.id),
            time: last.timestamp,
        };
        let (markets, ctx) = (self.markets, self.run.ctx);
        self.asking.push(Box::pin(async move {
            let deadline = Instant::now() + HISTORY;
            let mut answers =
                fetch::replays(HashMap::from([(market, mark)]), markets, ctx, deadline).await;
            let none = Err(ProviderError::Unreachable("no answer".into()));
            (market, answers.remove(&market).unwrap_or(none))
        }));
    }

    /// Waits for trades that were missed; for ever where none were asked for. Cancel safe.
    pub async fn repaired(&mut self) -> Repaired {
        match self.asking.next().await {
            Some(repaired) => repaired,
            None => std::future::pending().await,
        }
    }

    /// Puts them before those that have waited.
    pub fn mend(&mut self, (market, answer): Repaired) -> Vec<(usize, Outcome)> {
        let now = fetch::now();
        let waiting = self
            .repairs
            .remove(&market)
            .map(|repair| repair.waiting)
            .unwrap_or_default();
        let mut found = Vec::new();
        match answer {
            Ok(replay) => found.extend(self.apply_trades(&replay.trades, now)),
            Err(error) => {
                let why = clipped(&error.to_string());
                let message =
                    format!("tickwire: {market}: trades that were missed are not to be had: {why}");
                self.run.ctx.notices.warn("uncovered", &message);
            }
        }
        found.extend(self.apply_trades(&waiting, now));
        found
    }

    /// Writes a firing of a named rule down before anybody is told. `None`: nobody is to be told, because
    /// it was swallowed, or another run has told it.
    pub async fn commit(
        &mut self,
        place: usize,
        outcome: Outcome,
    ) -> Result<Option<Committed>, CliError> {
        let spec = &self.specs[self.places[place].spec];
        let fired = outcome.verdict.is_fired();
        let Some(name) = spec.rule.name.as_ref().filter(|_| !self.run.dry_run) else {
            return Ok(fired.then_some(Committed {
                outcome,
                claims: Vec::new(),
            }));
        };
        let mut locked = lock(self.run.store, name, self.run.ctx).await?;
        let mut outcomes = vec![outcome];
        let key = self.board.trackers()[place].market.to_string();
        let known = locked
            .markets
            .get(&key)
            .filter(|known| known.hash == self.places[place].hash)
            .cloned();
        if let Some(known) =
            known.filter(|known| Some(known.generation) != self.places[place].generation)
        {
            outcomes = self.adopt(place, known, outcomes);
        }
        for outcome in &outcomes {
            self.run.deliverer.record(spec, outcome, &mut locked);
        }
        let state = self.state(place);
        locked.markets.insert(key, state);
        let claims = self.run.deliverer.claim(spec, &mut locked);
        locked.save().map_err(unwritten)?;
        self.places[place].changed = false;
        let fired = outcomes.into_iter().find(|o| o.verdict.is_fired());
        Ok(fired.map(|outcome| Committed { outcome, claims }))
    }

    /// Another run was here: its memory counts, and what it has not seen yet is judged by that.
    fn adopt(&mut self, place: usize, known: MarketState, outcomes: Vec<Outcome>) -> Vec<Outcome> {
        let now = fetch::now();
        self.places[place].generation = Some(known.generation);
        let views: Views = self.board.views.clone();
        let tracker = self.board.tracker_mut(place);
        let last = views.last_trade(tracker.market);
        let marks = marks(&known, tracker);
        let covered = match (marks.get(&tracker.market).and_then(|mark| mark.id), last) {
            (Some(id), Some(last)) => id >= last.id,
            _ => outcomes
                .iter()
                .all(|outcome| known.checked_at >= outcome.alert.evaluated_at),
        };
        tracker.memory = known.memory;
        let mut again = Vec::new();
        if !covered {
            for outcome in outcomes {
                tracker.observe(&views, outcome.alert.timestamp, now, &mut again);
            }
        }
        again
    }

    fn state(&mut self, place: usize) -> MarketState {
        let generation = self.places[place].generation.unwrap_or_default() + 1;
        self.places[place].generation = Some(generation);
        let tracker = &self.board.trackers()[place];
        let mut marks = HashMap::new();
        for market in tracker.priced_markets() {
            if let Some(trade) = self.board.views.last_trade(market) {
                let mark = Mark {
                    id: Some(trade.id),
                    time: trade.timestamp,
                    price: Some(trade.price),
                };
                marks.insert(market, mark);
            }
        }
        MarketState {
            hash: self.places[place].hash.clone(),
            memory: tracker.memory.clone(),
            watermarks: watermarks(&marks),
            generation,
            checked_at: fetch::now(),
        }
    }

    /// Writes what has been seen, so that the next run goes on from here.
    pub async fn save(&mut self) -> Result<(), CliError> {
        if self.run.dry_run {
            return Ok(());
        }
        for place in 0..self.places.len() {
            let Some(name) = &self.specs[self.places[place].spec].rule.name else {
                continue;
            };
            let mut locked = match lock(self.run.store, name, self.run.ctx).await {
                Ok(locked) => locked,
                // Somebody else is writing: the next time will do.
                Err(error) if error.code == "busy" => continue,
                Err(error) => return Err(error),
            };
            let key = self.board.trackers()[place].market.to_string();
            let known = locked
                .markets
                .get(&key)
                .filter(|known| known.hash == self.places[place].hash)
                .cloned();
            if let Some(known) =
                known.filter(|known| Some(known.generation) != self.places[place].generation)
            {
                self.adopt(place, known, Vec::new());
                continue;
            }
            let state = self.state(place);
            locked.markets.insert(key, state);
            locked.save().map_err(unwritten)?;
            self.places[place].changed = false;
        }
        Ok(())
    }
}

fn oldest(kept: &[(usize, HashMap<Market, Mark>)]) -> HashMap<Market, TradeMark> {
    let mut oldest = HashMap::<Market, TradeMark>::new();
    for (market, mark) in kept.iter().flat_map(|(_, marks)| marks) {
        let mark = TradeMark {
            id: mark.id,
            time: mark.time,
        };
        let kept = oldest.entry(*market).or_insert(mark);
        if mark.time < kept.time {
            *kept = mark;
        }
    }
    oldest
}
