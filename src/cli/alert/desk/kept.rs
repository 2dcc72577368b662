//! What is written down of a watch: firings before anybody is told, and from time to time how far it has seen.

use crate::alert::{Mark, Outcome, Views};
use crate::store::{Locked, MarketState, State};

use super::super::super::error::CliError;
use super::super::fetch;
use super::super::once::{lock, marks, unwritten, watermarks};
use super::{Committed, Desk};

impl Desk<'_> {
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
        let known = self.known(place, &locked).cloned();
        let mut outcomes = vec![outcome];
        if let Some(known) = known.filter(|known| !self.is_ours(place, known)) {
            outcomes = self.adopt(place, known, outcomes);
        }
        for outcome in &outcomes {
            self.run.deliverer.record(spec, outcome, &mut locked);
        }
        self.put(place, &mut locked);
        let claims = self.run.deliverer.claim(spec, &mut locked);
        locked.save().map_err(unwritten)?;
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

    /// What is to be kept of a rule, over what is kept already.
    fn state(&self, place: usize, known: Option<&MarketState>) -> MarketState {
        let tracker = &self.board.trackers()[place];
        let mut marks = known.map(|known| marks(known, tracker)).unwrap_or_default();
        for market in tracker.priced_markets() {
            let seen = self.board.views.last_trade(market).map(|trade| Mark {
                id: Some(trade.id),
                time: trade.timestamp,
                price: Some(trade.price),
            });
            let begun = || Mark {
                id: None,
                time: self.begun,
                price: self.board.views.price(market),
            };
            match seen {
                Some(mark) => marks.insert(market, mark),
                None => Some(*marks.entry(market).or_insert_with(begun)),
            };
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
            if let Some(known) = known.as_ref().filter(|known| !self.is_ours(place, known)) {
                self.adopt(place, known.clone(), Vec::new());
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
