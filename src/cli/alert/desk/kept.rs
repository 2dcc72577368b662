//! What is written down of a watch: firings before anybody is told, and from time to time how far it has seen.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::{Mark, Outcome, Past};
use crate::store::{Locked, MarketState, State};

use super::super::super::error::CliError;
use super::super::fetch;
use super::super::once::{lock, marks, unwritten, watermarks};
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
        let Some(name) = spec.rule.name.as_ref().filter(|_| !self.run.dry_run) else {
            return Ok(Committed::new(outcomes, Vec::new()));
        };
        let locked = lock(self.run.store, name, self.run.ctx).await;
        // What could not be written down is judged again.
        self.places[place].unwritten = locked.is_err();
        let mut locked = locked?;
        let known = self.known(place, &locked).cloned();
        let outcomes = match known.filter(|known| !self.is_ours(place, known)) {
            Some(known) => self.adopt(place, known),
            None => outcomes,
        };
        for outcome in &outcomes {
            self.run.deliverer.record(spec, outcome, &mut locked);
        }
        self.put(place, &mut locked);
        let claims = self.run.deliverer.claim(spec, &mut locked);
        if let Err(error) = locked.save() {
            self.places[place].unwritten = true;
            return Err(unwritten(error));
        }
        Ok(Committed::new(outcomes, claims))
    }

    /// Rules of which something could not be written down.
    pub fn unwritten(&mut self) -> Vec<usize> {
        let places = self.places.iter_mut().enumerate();
        let again = places.filter_map(|(i, place)| {
            // No version is ours then: what is on the disk counts, and what came after it.
            place.generation = place
                .generation
                .map(|known| if place.unwritten { 0 } else { known });
            std::mem::take(&mut place.unwritten).then_some(i)
        });
        again.collect()
    }

    /// Another run was here: its memory counts, and what it has not seen yet is judged by that.
    fn adopt(&mut self, place: usize, known: MarketState) -> Vec<Outcome> {
        let now = fetch::now();
        self.places[place].generation = Some(known.generation);
        // A rule borrows the board while it is judged; the views hold a few events for each market.
        let (recent, views) = (&self.recent, self.board.views.clone());
        let tracker = self.board.tracker_mut(place);
        let marks = marks(&known, tracker);
        let pasts = marks.keys().map(|market| {
            let trades = recent.get(market).into_iter().flatten().copied().collect();
            let past = Past {
                trades,
                uncovered: Vec::new(),
                newest: views.last_trade(*market),
            };
            (*market, Arc::new(past))
        });
        let pasts: HashMap<_, _> = pasts.collect();
        tracker.memory = known.memory;
        tracker.judged = marks.clone();
        let mut outcomes = Vec::new();
        tracker.catch_up(&marks, &pasts, now, &mut outcomes);
        if pasts.is_empty() || tracker.reads_more_than_prices() {
            let at = views.time_of(tracker.market).unwrap_or(now);
            tracker.observe(&views, at, now, &mut outcomes);
        }
        outcomes
    }

    /// What is to be kept of a rule, over what is kept already.
    fn state(&self, place: usize, known: Option<&MarketState>) -> MarketState {
        let tracker = &self.board.trackers()[place];
        let mut marks = known.map(|known| marks(known, tracker)).unwrap_or_default();
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
        MarketState {
            hash: self.places[place].hash.clone(),
            memory: tracker.memory.clone(),
            watermarks: watermarks(&marks),
            generation: known.map_or(0, |known| known.generation) + 1,
            checked_at: fetch::now(),
        }
    }

    /// Puts the state of a rule into its file, not yet saved.
    fn put(&mut self, place: usize, locked: &mut Locked) {
        let key = self.board.trackers()[place].market.to_string();
        let state = self.state(place, self.known(place, locked));
        self.places[place].generation = Some(state.generation);
        locked.markets.insert(key, state);
    }

    /// What is kept of a rule.
    fn known<'s>(&self, place: usize, state: &'s State) -> Option<&'s MarketState> {
        let market = self.board.trackers()[place].market;
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
            let Some(name) = &self.specs[spec].rule.name else {
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
        let mut changed = false;
        for place in 0..self.places.len() {
            if self.places[place].spec != spec {
                continue;
            }
            let known = self.known(place, &locked).cloned();
            if known
                .as_ref()
                .is_some_and(|known| !self.is_ours(place, known))
            {
                // What that brings to light is written down and told at the next tick.
                self.places[place].unwritten = true;
                continue;
            }
            let state = self.state(place, known.as_ref());
            let same = |known: &MarketState| {
                known.memory == state.memory && known.watermarks == state.watermarks
            };
            if !known.as_ref().is_some_and(same) {
                self.put(place, &mut locked);
                changed = true;
            }
        }
        if changed {
            locked.save().map_err(unwritten)?;
        }
        Ok(())
    }
}
