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
/// A stand-in that was left is tried again after so long, and after so long where it had failed for good.
const AGAIN: u64 = 60 * SECOND;
const AGAIN_FAILED: u64 = 300 * SECOND;

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
    /// The primary first.
    members: Vec<Member>,
    /// Who speaks, and since when.
    at: usize,
    entered_at: u64,
}

#[derive(Debug)]
struct Member {
    market: Market,
    /// What is wanted of it, beside what the subscriber asked for in its own right.
    topics: Vec<Topic>,
    /// Left for its troubles: not tried again before this.
    again_at: u64,
}

#[derive(Debug, Clone)]
enum Health {
    Well {
        since: u64,
    },
    Troubled {
        since: u64,
        told_at: u64,
        /// It will not get well by itself.
        is_final: bool,
        why: String,
    },
}

impl Failover {
    /// The topics of one symbol, and the same of its stand-ins, most wanted first.
    pub fn add(&mut self, subscriber: u64, members: Vec<(Market, Vec<Topic>)>) {
        if members.len() > 1 {
            let member = |(market, topics)| Member {
                market,
                topics,
                again_at: 0,
            };
            self.chains.push(Chain {
                subscriber,
                members: members.into_iter().map(member).collect(),
                at: 0,
                entered_at: 0,
            });
        }
    }

    /// This subscriber is gone.
    pub fn remove(&mut self, subscriber: u64) {
        self.chains.retain(|chain| chain.subscriber != subscriber);
    }

    /// It does not want this symbol any more; returns what was read of its stand-in.
    pub fn forget(&mut self, subscriber: u64, primary: Market) -> Vec<(Market, Stream)> {
        let is_it = |chain: &mut Chain| {
            chain.subscriber == subscriber && chain.members[0].market == primary
        };
        let gone = self.chains.extract_if(.., is_it);
        gone.filter(|chain| chain.at > 0)
            .flat_map(|chain| keys(&chain.members[chain.at].topics))
            .collect()
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
        *health = match (&*health, status.state.is_trouble()) {
            (Health::Well { since }, false) => Health::Well { since: *since },
            (Health::Troubled { .. }, false) => Health::Well { since: now },
            (known, true) => Health::Troubled {
                since: match known {
                    Health::Troubled { since, .. } => *since,
                    Health::Well { .. } => now,
                },
                told_at: now,
                is_final: matches!(status.state, StatusState::Failed | StatusState::Stopped),
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
            let home = match self.health(chain.members[0].market) {
                Health::Well { since } if chain.at > 0 => Some(since + RETURN),
                _ => None,
            };
            let trouble = self.trouble(chain);
            let leave = trouble
                .as_ref()
                .map(|(since, is_final, _)| if *is_final { *since } else { since + PATIENCE });
            let others = chain.members.iter().map(|member| member.again_at);
            let others = others.filter(move |_| trouble.is_some());
            home.into_iter().chain(leave).chain(others)
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
            let is_final = matches!(self.trouble(&self.chains[n]), Some((_, true, _)));
            let chain = &mut self.chains[n];
            let from = std::mem::replace(&mut chain.at, to);
            chain.entered_at = now;
            chain.members[from].again_at = now + if is_final { AGAIN_FAILED } else { AGAIN };
            // The primary stays subscribed: how else would it be seen to be back?
            let topics = |place: usize| match place {
                0 => Vec::new(),
                _ => chain.members[place].topics.clone(),
            };
            changes.push(Change {
                subscriber: chain.subscriber,
                primary: chain.members[0].market,
                now: chain.members[to].market,
                start: topics(to),
                stop: keys(&topics(from)),
                reason,
            });
        }
        changes
    }

    /// The place in the chain of who should speak instead, and why.
    fn better(&self, chain: &Chain, now: u64) -> Option<(usize, String)> {
        let home = chain.members[0].market;
        if chain.at > 0
            && let Health::Well { since } = self.health(home)
            && now >= since + RETURN
        {
            return Some((0, format!("{home} is back")));
        }
        let (since, is_final, why) = self.trouble(chain)?;
        if !is_final && now < since + PATIENCE {
            return None;
        }
        let reason = format!("{} is {why}", chain.members[chain.at].market);
        let is_usable = |place: &usize| {
            let member = &chain.members[*place];
            // Of one that was left nothing is heard: after a while it may be well.
            let was_left = member.again_at > 0;
            let is_well = matches!(self.health(member.market), Health::Well { .. });
            *place != chain.at && now >= member.again_at && (was_left || is_well)
        };
        let place = (1..chain.members.len()).find(is_usable)?;
        Some((place, reason))
    }

    /// The trouble of who speaks now: since when, whether for good, and which. What was told of a stand-in
    /// before it was taken is of no account.
    fn trouble(&self, chain: &Chain) -> Option<(u64, bool, String)> {
        match self.health(chain.members[chain.at].market) {
            Health::Troubled {
                since,
                told_at,
                is_final,
                why,
            } if chain.at == 0 || told_at >= chain.entered_at => {
                Some((since.max(chain.entered_at), is_final, why))
            }
            _ => None,
        }
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
        assert_eq!(at(&mut failover, 60), None);
        // It was left alone since: perhaps it is well.
        assert_eq!(at(&mut failover, 65), Some("over-b"));
        assert_eq!(at(&mut failover, 200), None);
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

    #[test]
    fn where_all_have_failed_for_good_there_is_no_merry_go_round() {
        let mut failover = failover();
        let mut changes = 0;
        for tenth in 0..3_000u64 {
            let now = tenth * SECOND / 10;
            // Whoever is subscribed says at once that it has failed.
            for exchange in ["over-a", "over-b", "over-c"] {
                failover.on_status(&status(exchange, true, StatusState::Failed), now);
            }
            changes += failover.on_timer(now).len();
            changes += failover.on_timer(now).len();
        }
        assert!(changes <= 2, "{changes}");
    }

    #[test]
    fn each_of_several_symbols_leaves_a_stand_in_that_has_failed() {
        let mut failover = failover();
        failover.add(
            8,
            vec![member("over-a"), member("over-b"), member("over-c")],
        );
        tell(&mut failover, 1, "over-a", StatusState::Failed);
        assert_eq!(failover.on_timer(SECOND).len(), 2);
        tell(&mut failover, 2, "over-b", StatusState::Failed);
        let left = failover.on_timer(2 * SECOND);
        let to: Vec<_> = left
            .iter()
            .map(|change| (change.subscriber, change.now))
            .collect();
        assert_eq!(to, [(7, market("over-c")), (8, market("over-c"))]);
        assert_eq!(
            failover.forget(7, market("over-a")),
            [(market("over-c"), Stream::Ticker)]
        );
        assert_eq!(failover.forget(7, market("over-a")), []);
    }
}
