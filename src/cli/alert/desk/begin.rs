//! Before the first live event: memories, and what happened since they were written.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use crate::alert::{Bars, Mark, Outcome, Past};
use crate::model::{Event, Interval, Market};
use crate::store::State;

use super::super::super::args::SinceLast;
use super::super::super::candles::Known;
use super::super::super::error::{CliError, clipped};
use super::super::candles;
use super::super::fetch::{self, Answer, has_past};
use super::super::state::{
    keep_oldest, lock, priced, recall, starts_anew, tell_of_future, unwritten,
};
use super::{Desk, HISTORY};

impl Desk<'_> {
    /// Before the first live event: memories, and what happened since they were written.
    ///
    /// Errors: a memory that cannot be read.
    pub async fn begin(&mut self) -> Result<Vec<(usize, Outcome)>, CliError> {
        let deadline = Instant::now() + HISTORY;
        let kept = self.memories().await?;
        let mut oldest = HashMap::new();
        for (place, marks) in &kept {
            let tracker = &self.board.trackers()[*place];
            keep_oldest(&mut oldest, priced(tracker, marks.clone()));
        }
        let wanted = self.candles_since(&kept);
        let (replays, candles) = tokio::join!(
            fetch::replays(oldest, self.markets, self.run.ctx, deadline),
            candles::fetch(wanted, self.markets, self.run.ctx, deadline),
        );
        let mut found = Vec::new();
        for (place, marks) in &kept {
            found.extend(self.catch_up(*place, marks, &replays, &candles));
        }
        self.seed(&replays);
        Ok(found)
    }

    /// The candles that rules are to be judged by since their marks.
    fn candles_since(
        &self,
        kept: &[(usize, HashMap<Market, Mark>)],
    ) -> HashMap<(Market, Interval), usize> {
        let mut wanted = HashMap::new();
        for (place, marks) in kept {
            let tracker = &self.board.trackers()[*place];
            for (market, interval, _) in tracker.candles() {
                let since = marks.get(market).map(|mark| mark.time);
                let n = tracker.wanted(*market, *interval, since, fetch::now());
                let most = wanted.entry((*market, *interval)).or_insert(0);
                *most = n.max(*most);
            }
        }
        wanted
    }

    /// Takes the memories over; returns the marks to go on from.
    async fn memories(&mut self) -> Result<Vec<(usize, HashMap<Market, Mark>)>, CliError> {
        let mut kept = Vec::new();
        for spec in 0..self.specs.len() {
            let Some(name) = self.specs[spec].memory() else {
                continue;
            };
            let state = self.remembered(name).await?;
            for place in 0..self.places.len() {
                if self.places[place].spec == spec {
                    kept.extend(self.take_over(place, name, &state));
                }
            }
        }
        Ok(kept)
    }

    async fn remembered(&self, name: &str) -> Result<State, CliError> {
        if self.run.dry_run {
            let state = self.run.store.read(name).map_err(unwritten)?;
            return Ok(state.unwrap_or_else(|| State::new(name)));
        }
        // Under the lock: what cannot be trusted is put aside, and told.
        let locked = lock(self.run.store, name, self.run.ctx).await?;
        Ok(State::clone(&locked))
    }

    fn take_over(
        &mut self,
        place: usize,
        name: &str,
        state: &State,
    ) -> Option<(usize, HashMap<Market, Mark>)> {
        let (hash, ctx) = (&self.places[place].hash, self.run.ctx);
        let latest = self.latest(place);
        let tracker = self.board.tracker_mut(place);
        let key = tracker.market.to_string();
        let known = state.markets.get(&key)?;
        if known.hash != *hash {
            starts_anew(name, &key, ctx);
            return None;
        }
        let (memory, mut from) = recall(known, tracker, latest);
        tell_of_future(known, tracker, &from, ctx);
        from.retain(|market, _| has_past(ctx, *market));
        tracker.memory = memory;
        tracker.judged = from.clone();
        self.places[place].generation = Some(known.generation);
        (self.run.since_last == SinceLast::On).then_some((place, from))
    }

    fn catch_up(
        &mut self,
        place: usize,
        marks: &HashMap<Market, Mark>,
        replays: &HashMap<Market, Answer<Arc<Past>>>,
        candles: &Known,
    ) -> Vec<(usize, Outcome)> {
        let (mut pasts, notices) = (HashMap::new(), self.run.ctx.notices);
        for market in marks.keys() {
            match &replays.get(market) {
                Some(Ok(replay)) => {
                    let tracker = &self.board.trackers()[place];
                    for (from, to) in tracker.uncovered(*market, replay, marks.get(market)) {
                        notices.warn(
                            "uncovered",
                            &format!("{market}: the trades from {from} to {to} are not to be had"),
                        );
                    }
                    pasts.insert(*market, replay.clone());
                }
                Some(Err(error)) => {
                    let why = clipped(&error.to_string());
                    notices.warn(
                        "uncovered",
                        &format!(
                            "{market}: the trades since the last check are not to be had: {why}"
                        ),
                    );
                }
                None => {}
            }
        }
        let tracker = &self.board.trackers()[place];
        for (market, interval, _) in tracker.candles() {
            if let Some(Err(error)) = candles.get(&(*market, *interval)) {
                let why = clipped(&error.to_string());
                notices.warn(
                    "uncovered",
                    &format!("{market}: the candles since the last check are not to be had: {why}"),
                );
            }
        }
        let bars = candles::bars(tracker, candles);
        let bars: Vec<&Bars> = bars.iter().map(|bars| &**bars).collect();
        for (market, from, to) in tracker.unfollowed(&bars, marks) {
            notices.warn(
                "uncovered",
                &format!(
                    "{market}: the candles before those from {from} to {to} are not to be had"
                ),
            );
        }
        let mut outcomes = Vec::new();
        self.board
            .tracker_mut(place)
            .catch_up(marks, &pasts, &bars, fetch::now(), &mut outcomes);
        outcomes
            .into_iter()
            .map(|outcome| (place, outcome))
            .collect()
    }

    /// Where a past was replayed, its newest trade is the price until the next one comes.
    fn seed(&mut self, replays: &HashMap<Market, Answer<Arc<Past>>>) {
        let newest = replays
            .values()
            .filter_map(|past| past.as_ref().ok()?.newest);
        for trade in newest {
            self.seen.insert(trade.market, trade.id);
            self.board.views.update(&Event::Trade(trade), fetch::now());
        }
    }
}
