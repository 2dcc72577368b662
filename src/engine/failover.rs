//! Which provider speaks for a symbol: the one that was asked for, or, while that one is in trouble, the
//! next of its stand-ins. Per symbol, and with hysteresis both ways, so that a short trouble changes
//! nothing and a shaky return does not flap.
//!
//! Synchronous: told states and the time (monotonic nanoseconds), it says who is to be subscribed.

use std::collections::HashMap;

use crate::feed::Topic;
use crate::model::{Exchange, Market, Status, StatusState, Stream};

const SECOND: u64 = 1_000_000_000;
/// Trouble of this length makes the next one take over; what has failed for good is not waited for.
const PATIENCE: u64 = 3 * SECOND;
/// So long must one have been well before it takes over again.
const RETURN: u64 = 10 * SECOND;

/// A change of who speaks for a symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// For whom.
    pub subscriber: u64,
    /// The symbol that was asked for.
    pub primary: Market,
    /// Who speaks from now on; the primary itself when it is back.
    pub now: Market,
    /// To be subscribed.
    pub start: Vec<Topic>,
    /// Nobody needs these any more.
    pub stop: Vec<(Market, Stream)>,
    /// Why, in words.
    pub reason: String,
}

/// All symbols that have stand-ins.
#[derive(Debug, Default)]
pub struct Failover {
    chains: Vec<Chain>,
    exchanges: HashMap<Exchange, Health>,
    markets: HashMap<Market, Health>,
}

#[derive(Debug)]
struct Chain {
    subscriber: u64,
    /// The primary first, each with what is wanted of it.
    members: Vec<(Market, Vec<Topic>)>,
    /// Who speaks.
    at: usize,
}

#[derive(Debug, Clone)]
enum Health {
    Well {
        since: u64,
    },
    Troubled {
        since: u64,
        /// It will not get well by itself.
        is_final: bool,
        why: String,
    },
}

impl Failover {
    /// The topics of one symbol, and the same of its stand-ins, most wanted first.
    pub fn add(&mut self, subscriber: u64, members: Vec<(Market, Vec<Topic>)>) {
        if members.len() > 1 {
            self.chains.push(Chain {
                subscriber,
                members,
                at: 0,
            });
        }
    }

    /// This subscriber is gone.
    pub fn remove(&mut self, subscriber: u64) {
        self.chains.retain(|chain| chain.subscriber != subscriber);
    }

    /// Whether there is nothing to decide.
    pub fn is_idle(&self) -> bool {
        self.chains.is_empty()
    }

    /// A state that a feed has told.
    pub fn on_status(&mut self, status: &Status, now: u64) {
        let health = match status.market {
            Some(market) => self.markets.entry(market).or_default(),
            None => self.exchanges.entry(status.exchange).or_default(),
        };
        let is_well = !status.state.is_trouble();
        *health = match (&*health, is_well) {
            (Health::Well { since }, true) => Health::Well { since: *since },
            (Health::Troubled { .. }, true) => Health::Well { since: now },
            (known, false) => Health::Troubled {
                since: match known {
                    Health::Troubled { since, .. } => *since,
                    Health::Well { .. } => now,
                },
                is_final: status.state == StatusState::Failed,
                why: match &status.reason {
                    Some(reason) => format!("{}: {reason}", status.state.name()),
                    None => status.state.name().to_owned(),
                },
            },
        };
    }

    /// When [`Failover::on_timer`] may have something to say next.
    pub fn deadline(&self, now: u64) -> Option<u64> {
        let moments = self.chains.iter().flat_map(|chain| {
            let upto = &chain.members[..=chain.at];
            upto.iter().enumerate().filter_map(move |(n, (market, _))| {
                match (self.health(*market), n == chain.at) {
                    (Health::Troubled { since, .. }, true) => Some(since + PATIENCE),
                    (Health::Well { since }, false) => Some(since + RETURN),
                    _ => None,
                }
            })
        });
        moments.filter(|at| *at > now).min()
    }

    /// Who takes over now.
    pub fn on_timer(&mut self, now: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        for n in 0..self.chains.len() {
            let Some((to, reason)) = self.better(&self.chains[n], now) else {
                continue;
            };
            let chain = &mut self.chains[n];
            let from = std::mem::replace(&mut chain.at, to);
            if from > 0 {
                // Nothing is heard of it any more, so that its trouble would never end.
                let left = chain.members[from].0;
                self.markets.remove(&left);
                self.exchanges.remove(&left.exchange());
            }
            // The primary stays subscribed: how else would it be seen to be back?
            let stop = match from {
                0 => Vec::new(),
                _ => keys(&chain.members[from].1),
            };
            let start = match to {
                0 => Vec::new(),
                _ => chain.members[to].1.clone(),
            };
            changes.push(Change {
                subscriber: chain.subscriber,
                primary: chain.members[0].0,
                now: chain.members[to].0,
                start,
                stop,
                reason,
            });
        }
        changes
    }

    /// The place in the chain of who should speak instead, and why.
    fn better(&self, chain: &Chain, now: u64) -> Option<(usize, String)> {
        let market = |place: usize| chain.members[place].0;
        let is_back = |place: &usize| match self.health(market(*place)) {
            // What is not subscribed says nothing of itself: only the primary is seen to be back.
            Health::Well { since } => *place == 0 && now >= since + RETURN,
            Health::Troubled { .. } => false,
        };
        if let Some(place) = (0..chain.at).find(is_back) {
            return Some((place, format!("{} is back", market(place))));
        }
        let Health::Troubled {
            since,
            is_final,
            why,
        } = self.health(market(chain.at))
        else {
            return None;
        };
        if !is_final && now < since + PATIENCE {
            return None;
        }
        let reason = format!("{} is {why}", market(chain.at));
        let is_usable = |place: &usize| match self.health(market(*place)) {
            Health::Well { .. } => true,
            Health::Troubled { .. } => false,
        };
        // Those after it first, then, but for the primary, the others: their trouble may be over.
        let after = (chain.at + 1..chain.members.len()).find(is_usable);
        let place = after.or_else(|| (1..chain.at).find(is_usable))?;
        Some((place, reason))
    }

    /// The worse of what is known of the symbol and of its exchange.
    fn health(&self, market: Market) -> Health {
        let of_market = self.markets.get(&market).cloned().unwrap_or_default();
        let of_exchange = self.exchanges.get(&market.exchange());
        let of_exchange = of_exchange.cloned().unwrap_or_default();
        match (of_market, of_exchange) {
            (Health::Well { since: a }, Health::Well { since: b }) => {
                Health::Well { since: a.max(b) }
            }
            (troubled @ Health::Troubled { is_final: true, .. }, _) => troubled,
            (_, troubled @ Health::Troubled { .. }) => troubled,
            (troubled, _) => troubled,
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::Well { since: 0 }
    }
}

fn keys(topics: &[Topic]) -> Vec<(Market, Stream)> {
    let key = |topic: &Topic| (topic.instrument.market, topic.stream);
    topics.iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Instrument, Timestamp};

    fn market(exchange: &'static str) -> Market {
        Market::new(Exchange::new(exchange), "OVER", "USD")
    }

    fn member(exchange: &'static str) -> (Market, Vec<Topic>) {
        let instrument = Instrument::new(Exchange::new(exchange), "OVER", "USD", "OVER");
        let topic = Topic {
            instrument: Arc::new(instrument),
            stream: Stream::Ticker,
        };
        (market(exchange), vec![topic])
    }

    fn failover() -> Failover {
        let mut failover = Failover::default();
        failover.add(
            7,
            vec![member("over-a"), member("over-b"), member("over-c")],
        );
        failover
    }

    fn status(exchange: &'static str, is_all: bool, state: StatusState) -> Status {
        Status {
            exchange: Exchange::new(exchange),
            market: (!is_all).then(|| market(exchange)),
            state,
            attempt: 1,
            reason: Some("why".into()),
            stand_in: None,
            timestamp: Timestamp::from_nanos(0),
        }
    }

    /// Who speaks after this second, where that changes.
    fn at(failover: &mut Failover, second: u64) -> Option<&'static str> {
        let changes = failover.on_timer(second * SECOND);
        assert!(changes.len() <= 1);
        let change = changes.into_iter().next()?;
        let name = change.now.exchange().name();
        assert_eq!(change.primary, market("over-a"));
        assert_eq!(change.start.is_empty(), name == "over-a");
        Some(name)
    }

    fn tell(failover: &mut Failover, second: u64, exchange: &'static str, state: StatusState) {
        failover.on_status(&status(exchange, true, state), second * SECOND);
    }

    #[test]
    fn a_short_trouble_changes_nothing_and_a_long_one_hands_over() {
        let mut failover = failover();
        tell(&mut failover, 10, "over-a", StatusState::Reconnecting);
        assert_eq!(at(&mut failover, 12), None);
        tell(&mut failover, 12, "over-a", StatusState::Connected);
        assert_eq!(at(&mut failover, 14), None);
        tell(&mut failover, 20, "over-a", StatusState::Stale);
        tell(&mut failover, 21, "over-a", StatusState::Reconnecting);
        assert_eq!(failover.deadline(21 * SECOND), Some(23 * SECOND));
        assert_eq!(at(&mut failover, 23), Some("over-b"));
        assert_eq!(at(&mut failover, 24), None);
    }

    #[test]
    fn the_primary_takes_over_again_only_after_it_was_well_for_a_while() {
        let mut failover = failover();
        tell(&mut failover, 1, "over-a", StatusState::Failed);
        assert_eq!(at(&mut failover, 1), Some("over-b"));
        tell(&mut failover, 30, "over-a", StatusState::Connected);
        assert_eq!(at(&mut failover, 39), None);
        tell(&mut failover, 39, "over-a", StatusState::Stale);
        tell(&mut failover, 41, "over-a", StatusState::Connected);
        assert_eq!(at(&mut failover, 50), None);
        assert_eq!(failover.deadline(50 * SECOND), Some(51 * SECOND));
        assert_eq!(at(&mut failover, 51), Some("over-a"));
    }

    #[test]
    fn a_stand_in_in_trouble_is_stood_in_for_and_where_all_are_nobody_changes() {
        let mut failover = failover();
        tell(&mut failover, 1, "over-a", StatusState::Failed);
        assert_eq!(at(&mut failover, 1), Some("over-b"));
        tell(&mut failover, 2, "over-b", StatusState::Reconnecting);
        let changes = failover.on_timer(5 * SECOND);
        assert_eq!(changes[0].now, market("over-c"));
        assert_eq!(changes[0].stop, [(market("over-b"), Stream::Ticker)]);
        assert_eq!(changes[0].reason, "over-b:OVER/USD is reconnecting: why");
        tell(&mut failover, 6, "over-c", StatusState::Failed);
        // It was left alone since: perhaps it is well.
        assert_eq!(at(&mut failover, 60), Some("over-b"));
    }

    #[test]
    fn polling_rest_and_a_quiet_market_are_no_trouble() {
        let mut failover = failover();
        tell(&mut failover, 1, "over-a", StatusState::Reconnecting);
        tell(&mut failover, 2, "over-a", StatusState::Fallback);
        assert_eq!(at(&mut failover, 60), None);
        failover.on_status(&status("over-a", false, StatusState::Quiet), 61 * SECOND);
        assert_eq!(at(&mut failover, 90), None);
    }

    #[test]
    fn trouble_of_one_symbol_and_of_its_exchange_both_count() {
        let mut failover = failover();
        failover.on_status(&status("over-a", false, StatusState::Stale), SECOND);
        assert_eq!(at(&mut failover, 4), Some("over-b"));
        tell(&mut failover, 5, "over-a", StatusState::Reconnecting);
        failover.on_status(&status("over-a", false, StatusState::Connected), 6 * SECOND);
        assert_eq!(at(&mut failover, 30), None);
        tell(&mut failover, 30, "over-a", StatusState::Connected);
        assert_eq!(at(&mut failover, 40), Some("over-a"));
    }

    #[test]
    fn a_subscriber_that_is_gone_is_forgotten() {
        let mut failover = failover();
        tell(&mut failover, 1, "over-a", StatusState::Failed);
        failover.remove(7);
        assert_eq!(at(&mut failover, 9), None);
        assert_eq!(failover.deadline(0), None);
    }
}
