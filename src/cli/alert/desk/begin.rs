//! Before the first live event: memories, what happened since they were written, and last prices.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::alert::{Mark, Outcome, Past};
use crate::feed::TradeMark;
use crate::model::{Event, Market, Stream};

use super::super::super::args::SinceLast;
use super::super::super::error::clipped;
use super::super::fetch::{self, Answer};
use super::super::once::marks;
use super::super::watch::can_be_late;
use super::Desk;

/// For the trades since the last check.
const HISTORY: Duration = Duration::from_secs(30);

impl Desk<'_> {
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
