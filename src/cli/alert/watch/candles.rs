//! The candles that rules of a watch are computed from: asked for anew where some are lost, and of who stands in.

use std::time::Duration;

use crate::alert::Outcome;
use crate::engine::Request;
use crate::feed::Topic;
use crate::model::{Event, GapReason, Market, Stream};
use crate::timeline::Timeline;

use super::super::super::error::CliError;
use super::super::super::stand_ins::StandIns;
use super::super::fetch::now;
use super::Watch;
use super::again::Lane;
use super::feeds::{Feed, Feeds};

/// Who stands in was looked up before it was handed over to: the lists of symbols are at hand.
const SOON: Duration = Duration::from_secs(2);

/// What is to be done about candles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Chore {
    /// Some are lost: those of before are wanted anew.
    Renew(Lane),
    /// Of which market, and who stands in for it: its past is wanted.
    StandIn(Market, Market),
}

impl Watch<'_> {
    /// Candles that a rule is computed from, those of before first; `None`: no rule is, for now.
    pub(super) async fn candles(&self, lane: Lane) -> Result<Option<Feed>, CliError> {
        let (market, interval) = lane;
        let wanted = self.desk.wanted(lane).zip(self.desk.instrument(market));
        let Some((past, instrument)) = wanted else {
            return Ok(None);
        };
        let topic = Topic {
            instrument: instrument.clone(),
            stream: Stream::Candles(interval),
        };
        let engine = &self.run.ctx.engine;
        let live = engine
            .subscribe(Request::default().also([topic.clone()]))
            .await?;
        let written = self.written.iter().filter(|(known, _)| *known == market);
        StandIns::new(self.run.ctx).provide(&live, written.cloned().collect());
        let timeline = Timeline::new(engine, vec![(topic, past)], Some(live))?;
        Ok(Some(Feed::Candles(lane, Box::new(timeline))))
    }

    /// Hands an event to the rules, and notes what is to be done about candles then.
    pub(super) fn desk_event(&mut self, event: &Event) -> Vec<(usize, Outcome)> {
        let home = match event {
            Event::Status(status) => status.market.filter(|_| status.stand_in.is_some()),
            _ => None,
        };
        let before = home.map(|home| self.desk.speaker(home));
        let found = self.desk.on_event(event, self.clocks.now(event, now()));
        if let (Some(home), Some(before)) = (home, before) {
            match self.desk.speaker(home) {
                after if after == before => {}
                after if after == home => {
                    let lanes = self.desk.lanes().into_iter();
                    let own = lanes.filter(|(market, _)| *market == home);
                    self.chores.extend(own.map(Chore::Renew));
                }
                after => self.chores.push(Chore::StandIn(home, after)),
            }
        }
        if let Some(lane) = lost(event).filter(|lane| self.desk.wanted(*lane).is_some()) {
            self.chores.push(Chore::Renew(lane));
        }
        found
    }

    /// Does what is to be done about candles.
    pub(super) async fn tend(&mut self, feeds: &mut Feeds) {
        for chore in std::mem::take(&mut self.chores) {
            match chore {
                Chore::Renew(lane) => {
                    if feeds.ask_again(lane) {
                        let (market, interval) = lane;
                        let message = format!(
                            "tickwire: {market}: candles of {interval} are lost: what is computed from them is not \
                             known until those of before have come again"
                        );
                        self.run.ctx.notices.warn("candles", &message);
                    }
                }
                Chore::StandIn(home, other) => {
                    for (lane, past) in self.past_of_stand_in(home, other).await {
                        self.desk.restart(lane);
                        feeds.put(past);
                    }
                }
            }
        }
        while let Some(lane) = feeds.due() {
            match self.candles(lane).await {
                Ok(Some(candles)) => {
                    self.desk.restart(lane);
                    feeds.put(candles);
                }
                Ok(None) => {}
                Err(_) => drop(feeds.ask_again(lane)),
            }
        }
    }

    /// The past of the candles of one who stands in. Nothing where it is not found: its functions warm up by what is
    /// live.
    async fn past_of_stand_in(&self, home: Market, other: Market) -> Vec<(Lane, Feed)> {
        let text = self.written.iter().find(|(market, _)| *market == home);
        let lanes = self.desk.lanes().into_iter();
        let lanes: Vec<_> = lanes.filter(|(market, _)| *market == other).collect();
        // One that a rule names is followed with its past already.
        let (Some((_, text)), false, None) = (text, lanes.is_empty(), self.desk.instrument(other))
        else {
            return Vec::new();
        };
        let finder = StandIns::new(self.run.ctx);
        let found = tokio::time::timeout(SOON, finder.of(text, Some(home))).await;
        let found = found.unwrap_or_default();
        let Some(instrument) = found.into_iter().find(|found| found.market == other) else {
            return Vec::new();
        };
        let past = |lane: Lane| {
            let topic = Topic {
                instrument: instrument.clone(),
                stream: Stream::Candles(lane.1),
            };
            let past = vec![(topic, self.desk.wanted(lane)?)];
            let timeline = Timeline::new(&self.run.ctx.engine, past, None).ok()?;
            Some((lane, Feed::Past(lane, Box::new(timeline))))
        };
        lanes.into_iter().filter_map(past).collect()
    }
}

/// Candles of which some are lost that were to be had.
fn lost(event: &Event) -> Option<Lane> {
    match event {
        Event::Gap(gap) if gap.is_loss() && gap.reason != GapReason::SourceLimit => {
            Some((gap.market, gap.stream.interval()?))
        }
        _ => None,
    }
}
