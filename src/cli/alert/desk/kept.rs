//! What is written down of a watch: firings before anybody is told, and from time to time how far it has seen.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::{Mark, Memory, Outcome, Past};
use crate::store::{Locked, MarketState, State};

use super::super::super::error::CliError;
use super::super::fetch;
use super::super::state::{lock, recall, unwritten, watermarks_over};
use super::{Committed, Desk};

impl Desk<'_> {
    /// Writes down what has become of one rule before anybody is told. What comes back is to be told, which is
    /// nothing where all was swallowed, or another run has told it.
    pub async fn commit(
        &mut self,
        place: usize,
        outcomes: Vec<Outcome>,
    ) -> Result<Committed, CliError> {
        let spec = &self.specs[self.places[place].spec];
        let Some(name) = spec.memory().filter(|_| !self.run.dry_run) else {
            return Ok(Committed::new(outcomes, Vec::new()));
        };
        let mut locked = match lock(self.run.store, name, self.run.ctx).await {
            Ok(locked) => locked,
            Err(error) => return Err(self.put_off(place, outcomes, error)),
        };
        let known = self.known(place, &locked).cloned();
        let outcomes = match known {
            Some(known) if !self.is_ours(place, &known) => self.adopt(place, known),
            None if self.places[place].generation > Some(0) => self.begin_anew(place),
            _ => outcomes,
        };
        for outcome in &outcomes {
            if let Err(error) = self.run.deliverer.record(spec, outcome, &mut locked) {
                self.run.ctx.notices.error(&error);
            }
        }
        let generation = self.put(place, &mut locked);
        let claims = self.run.deliverer.claim(spec, &mut locked);
        if let Err(error) = locked.save() {
            return Err(self.put_off(place, outcomes, unwritten(error)));
        }
        self.places[place].generation = Some(generation);
        Ok(Committed::new(outcomes, claims))
    }

    /// What could not be written down is tried again at the next tick.
    fn put_off(&mut self, place: usize, outcomes: Vec<Outcome>, error: CliError) -> CliError {
        let unwritten = &mut self.places[place].unwritten;
        unwritten.get_or_insert_default().extend(outcomes);
        error
    }

    /// Rules of which something is still to be written down.
    pub fn unwritten(&mut self) -> Vec<(usize, Vec<Outcome>)> {
        let places = self.places.iter_mut().enumerate();
        places
            .filter_map(|(place, rule)| Some((place, rule.unwritten.take()?)))
            .collect()
    }

    /// The memory was reset: what was before it does not count.
    fn begin_anew(&mut self, place: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let tracker = self.board.tracker_mut(place);
        tracker.memory = Memory::default();
        self.board
            .begin(place, fetch::now(), |outcome| outcomes.push(outcome));
        outcomes
    }

    /// Another run was here: its memory counts, and what it has not seen yet is judged by that.
    fn adopt(&mut self, place: usize, known: MarketState) -> Vec<Outcome> {
        let (now, latest) = (fetch::now(), self.latest(place));
        let recent = &self.recent;
        let (tracker, views) = self.board.split(place);
        let (memory, marks) = recall(&known, tracker, latest);
        let pasts = marks.keys().map(|market| {
            let trades = recent.get(market).into_iter().flatten().copied().collect();
            let past = Past {
                trades,
                uncovered: Vec::new(),
                newest: views.last_trade(*market),
                ..Past::default()
            };
            (*market, Arc::new(past))
        });
        let pasts: HashMap<_, _> = pasts.collect();
        tracker.memory = memory;
        tracker.judged = marks.clone();
        let mut outcomes = Vec::new();
        tracker.catch_up(&marks, &pasts, &[], now, &mut outcomes);
        if pasts.is_empty() || tracker.reads_more_than_prices() {
            let at = views.time_of(tracker.market).unwrap_or(now);
            tracker.observe(views, at, now, &mut outcomes);
        }
        outcomes
    }

    /// What is to be kept of a rule, over what is kept already.
    fn state(&self, place: usize, known: Option<&MarketState>) -> MarketState {
        let tracker = &self.board.trackers()[place];
        let recalled = known.map(|known| recall(known, tracker, self.latest(place)));
        let mut marks = recalled.map(|(_, marks)| marks).unwrap_or_default();
        for market in tracker.priced_markets() {
            let seen = self.board.views.last_trade(market);
            let begun = || Mark {
                id: None,
                time: self.begun,
                price: self.board.views.price(market),
            };
            // Another run may have seen more than we have yet: a mark never goes back.
            let newer = |mark: &Mark| !seen.is_some_and(|trade| mark.covers(&trade));
            match seen {
                Some(trade) if marks.get(&market).is_none_or(newer) => {
                    marks.insert(market, Mark::of(&trade));
                }
                _ => drop(marks.entry(market).or_insert_with(begun)),
            }
        }
        let priced = tracker.priced_markets();
        for market in tracker.remembered_markets() {
            let closed = self.board.views.last_closed(market);
            let Some(mark) = closed.map(Mark::at_end) else {
                continue;
            };
            match marks.get_mut(&market) {
                Some(known) => known.time = known.time.max(mark.time),
                None if priced.contains(&market) => {}
                None => drop(marks.insert(market, mark)),
            }
        }
        MarketState {
            hash: self.places[place].hash.clone(),
            memory: tracker.memory.clone(),
            watermarks: watermarks_over(known, &marks, tracker),
            generation: known.map_or(0, |known| known.generation) + 1,
            checked_at: fetch::now(),
        }
    }

    /// Puts the state of a rule into its file, not yet saved; returns its version.
    fn put(&self, place: usize, locked: &mut Locked) -> u64 {
        let key = self.board.trackers()[place].home().to_string();
        let state = self.state(place, self.known(place, locked));
        let generation = state.generation;
        locked.markets.insert(key, state);
        generation
    }

    /// What is kept of a rule.
    fn known<'s>(&self, place: usize, state: &'s State) -> Option<&'s MarketState> {
        let market = self.board.trackers()[place].home();
        let known = state.markets.get(&market.to_string())?;
        (known.hash == self.places[place].hash).then_some(known)
    }

    /// Whether another run has written since we did.
    fn is_ours(&self, place: usize, known: &MarketState) -> bool {
        Some(known.generation) == self.places[place].generation
    }

    /// Writes what has been seen, so that the next run goes on from here.
    pub async fn save(&mut self) -> Result<(), CliError> {
        if self.run.dry_run {
            return Ok(());
        }
        for spec in 0..self.specs.len() {
            let Some(name) = self.specs[spec].memory() else {
                continue;
            };
            match lock(self.run.store, name, self.run.ctx).await {
                Ok(locked) => self.save_rule(spec, locked)?,
                // Somebody else is writing: the next time will do.
                Err(error) if error.code == "busy" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn save_rule(&mut self, spec: usize, mut locked: Locked) -> Result<(), CliError> {
        let mut written = Vec::new();
        for place in 0..self.places.len() {
            if self.places[place].spec != spec || self.places[place].unwritten.is_some() {
                continue;
            }
            let known = self.known(place, &locked);
            let is_reset = known.is_none() && self.places[place].generation > Some(0);
            if is_reset || known.is_some_and(|known| !self.is_ours(place, known)) {
                // What that brings to light is written down and told at the next tick.
                self.places[place].unwritten = Some(Vec::new());
                continue;
            }
            let state = self.state(place, known);
            let same = |known: &MarketState| {
                known.memory.is_like(&state.memory) && known.watermarks == state.watermarks
            };
            if !known.is_some_and(same) {
                written.push((place, self.put(place, &mut locked)));
            }
        }
        if !written.is_empty() {
            locked.save().map_err(unwritten)?;
        }
        for (place, generation) in written {
            self.places[place].generation = Some(generation);
        }
        Ok(())
    }
}
