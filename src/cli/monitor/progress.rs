//! What was seen of what was asked for, whatever it is shown as.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::feed::Topic;
use crate::model::{Event, Market, StatusState, Stream};
use crate::sink::summary::Summary;

use super::super::error::{CliError, clipped};
use super::concerns;

/// Follows the events of a stream.
pub struct Progress {
    /// Topics without an event so far.
    awaited: HashSet<(Market, Stream)>,
    /// Topics that are given up.
    failed: HashSet<(Market, Stream)>,
    /// When one was given up last, and for how long others may yet come to stand in.
    failed_at: Option<Instant>,
    patience: Duration,
    topics: Vec<(Market, Stream)>,
    pub last_trouble: Option<String>,
    /// Events of the asked streams that were shown.
    pub printed: u64,
    /// Those that were left out because of what they say.
    pub filtered: u64,
    /// Everything.
    pub total: Summary,
    /// What came since it was last asked for, where that is wanted.
    pub recent: Option<Summary>,
}

impl Progress {
    pub fn new(topics: Vec<(Market, Stream)>) -> Self {
        Self {
            awaited: topics.iter().copied().collect(),
            failed: HashSet::new(),
            failed_at: None,
            patience: Duration::ZERO,
            last_trouble: None,
            printed: 0,
            filtered: 0,
            total: Summary::new(markets(&topics)),
            recent: None,
            topics,
        }
    }

    /// Awaits these, too, which are read beside them.
    pub fn beside(mut self, topics: impl Iterator<Item = Topic>) -> Self {
        let topics = topics.map(|topic| (topic.instrument.market, topic.stream));
        self.awaited.extend(topics);
        self
    }

    /// Where all is given up, waits so long for those who may stand in.
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Begins a summary of what comes from now on; returns the one before.
    pub fn restart_recent(&mut self) -> Option<Summary> {
        self.recent.replace(Summary::new(markets(&self.topics)))
    }

    pub fn see(&mut self, event: &Event) {
        if let (Some(market), Some(stream)) = (event.market(), event.stream()) {
            // Both are empty as a rule.
            if !self.awaited.is_empty() {
                self.awaited.remove(&(market, stream));
            }
            if !self.failed.is_empty() {
                self.failed.remove(&(market, stream));
            }
        }
        if let Event::Status(status) = event {
            self.last_trouble = status.reason.as_deref().map(clipped);
            if let (StatusState::Fallback, Some(market)) = (status.state, status.market) {
                // Whoever stands in for it has its own first event to bring.
                self.awaited.retain(|topic| topic.0 != market);
                self.failed.retain(|topic| topic.0 != market);
            }
            if status.state == StatusState::Failed {
                let meant = |topic: &&(Market, Stream)| concerns(status, topic.0, topic.1);
                self.failed.extend(self.topics.iter().filter(meant));
                self.failed_at = Some(Instant::now());
            }
        }
        self.total.add(event);
        if let Some(recent) = &mut self.recent {
            recent.add(event);
        }
    }

    /// Takes an event of what is only read beside.
    pub fn see_other(&mut self, event: &Event) {
        if let (Some(market), Some(stream)) = (event.market(), event.stream()) {
            self.awaited.remove(&(market, stream));
        }
    }

    /// Whether some topic has shown nothing yet.
    pub fn awaits(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Nothing that was asked for can come any more.
    pub fn all_failed(&self) -> Option<CliError> {
        let is_final = self
            .failed_at
            .is_some_and(|at| at.elapsed() >= self.patience);
        let all = is_final
            && !self.failed.is_empty()
            && self.topics.iter().all(|topic| self.failed.contains(topic));
        let reason = || {
            self.last_trouble
                .clone()
                .unwrap_or_else(|| "given up".into())
        };
        all.then(|| CliError {
            retryable: false,
            ..CliError::unknown("failed", reason())
        })
    }

    /// The end without a single event, and with a reason for that: trouble, or nobody there (`alive` says
    /// whether anything was heard of the exchange).
    pub fn nothing_learnt(&self, alive: bool) -> Option<CliError> {
        if self.printed + self.filtered > 0 || (alive && self.last_trouble.is_none()) {
            return None;
        }
        let why = self.last_trouble.as_deref().unwrap_or("not connected yet");
        Some(CliError::unknown("no_data", format!("no data: {why}")))
    }

    /// The topics that have shown nothing in time.
    pub fn late(&self, timeout: Duration) -> Option<CliError> {
        let own = |topic: &(Market, Stream)| self.topics.contains(topic);
        let asked = self
            .topics
            .iter()
            .filter(|topic| self.awaited.contains(topic));
        let mut late: Vec<_> = asked.copied().collect();
        let mut others: Vec<_> = self
            .awaited
            .iter()
            .copied()
            .filter(|topic| !own(topic))
            .collect();
        others.sort_by_key(|(market, stream)| (market.index(), *stream));
        late.extend(others);
        let names: Vec<_> = late
            .iter()
            .map(|(market, stream)| format!("{market} {}", stream.name()))
            .collect();
        let why = self
            .last_trouble
            .as_ref()
            .map(|trouble| format!(" ({trouble})"))
            .unwrap_or_default();
        let within = crate::duration::format(timeout);
        (!late.is_empty()).then(|| {
            CliError::unknown(
                "no_data",
                format!("{}: no data within {within}{why}", names.join(", ")),
            )
        })
    }
}

/// Each market once, in the order asked for.
fn markets(topics: &[(Market, Stream)]) -> Vec<Market> {
    let mut seen = HashSet::new();
    topics
        .iter()
        .map(|(market, _)| *market)
        .filter(|market| seen.insert(*market))
        .collect()
}

/// Ticks that are not made up for when they are late.
pub fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Waits for the moment; for ever where there is none.
pub async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The next tick; for ever where there are none.
pub async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Exchange, Status, Timestamp};

    fn status(market: Market, state: StatusState) -> Event {
        Event::Status(Arc::new(Status {
            exchange: market.exchange(),
            market: Some(market),
            state,
            attempt: 1,
            reason: Some("ticker: why".into()),
            stand_in: None,
            timestamp: Timestamp::from_nanos(0),
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_is_given_up_it_waits_only_for_those_who_may_stand_in() {
        let market = Market::new(Exchange::new("progress"), "ONE", "USD");
        let progress = || Progress::new(vec![(market, Stream::Ticker)]);
        let patience = Duration::from_secs(5);
        let (mut without, mut with) = (progress(), progress().patient(patience));
        for one in [&mut without, &mut with] {
            one.see(&status(market, StatusState::Failed));
        }
        assert!(without.all_failed().is_some() && with.all_failed().is_none());
        tokio::time::sleep(patience).await;
        assert!(with.all_failed().is_some());
        with.see(&status(market, StatusState::Fallback));
        assert!(with.all_failed().is_none());
    }
}
