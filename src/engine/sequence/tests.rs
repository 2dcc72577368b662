//! Lists of trades, signs and answers in, what is told out.

mod begin;
mod fills;
mod order;
mod repairs;
mod told;

use super::*;
use crate::feed::{ProviderError, Replay};
use crate::model::{Exchange, Side};

/// A trade for each id, a millisecond apart.
fn trade(id: u64) -> Trade {
    Trade {
        market: Market::new(Exchange::new("test"), "BTC", "USD"),
        id,
        price: "1.10".parse().unwrap(),
        size: "2".parse().unwrap(),
        side: Side::Buy,
        timestamp: at(id),
        received_at: at(id),
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    }
}

fn replayed(id: u64) -> Trade {
    Trade {
        replayed: true,
        ..trade(id)
    }
}

fn at(id: u64) -> Timestamp {
    Timestamp::from_nanos(id as i64 * 1_000_000)
}

/// An answer with these trades, the last of which is the newest, and everything covered.
fn has(ids: impl IntoIterator<Item = u64>) -> Result<Replay, ProviderError> {
    let trades: Vec<_> = ids.into_iter().map(rest).collect();
    Ok(Replay {
        missing: Vec::new(),
        newest: trades.last().copied(),
        trades,
        uncovered: Vec::new(),
    })
}

fn rest(id: u64) -> Trade {
    Trade {
        origin: Origin::History,
        ..trade(id)
    }
}

fn refused() -> Result<Replay, ProviderError> {
    Err(ProviderError::Refused("no history".into()))
}

fn unreachable() -> Result<Replay, ProviderError> {
    Err(ProviderError::Unreachable("no answer".into()))
}

const MILLI: u64 = 1_000_000;

struct Probe {
    sequence: Sequence,
    stats: SequenceStats,
    out: Vec<Event>,
    /// Questions, as the id after which trades were wanted; 0 where it was a time.
    asked: Vec<u64>,
    last_mark: Option<crate::feed::TradeMark>,
    now: u64,
}

impl Probe {
    fn new() -> Self {
        Self {
            sequence: Sequence::new(trade(0).market, true),
            stats: SequenceStats::default(),
            out: Vec::new(),
            asked: Vec::new(),
            last_mark: None,
            now: 0,
        }
    }

    /// Told where the stream begins, so that nothing waits.
    fn after(id: u64) -> Self {
        let mut probe = Self::new();
        probe.feed(replayed(id));
        probe
    }

    fn with(&mut self, change: impl FnOnce(&mut Sequence, u64, &mut Output<'_>)) -> &mut Self {
        let mut to = Output {
            events: &mut self.out,
            stats: &mut self.stats,
        };
        change(&mut self.sequence, self.now, &mut to);
        self.ask();
        self
    }

    fn feed(&mut self, trade: Trade) -> &mut Self {
        self.with(|sequence, now, to| sequence.on_trade(trade, now, to))
    }

    fn stream(&mut self, ids: impl IntoIterator<Item = u64>) -> &mut Self {
        for id in ids {
            self.feed(trade(id));
        }
        self
    }

    fn wait(&mut self, millis: u64) -> &mut Self {
        self.now += millis * MILLI;
        self.with(|sequence, now, to| sequence.on_timer(now, to))
    }

    /// The reorder window has passed.
    fn patience(&mut self) -> &mut Self {
        self.wait(REORDER_NANOS / MILLI)
    }

    fn ask(&mut self) {
        if self.sequence.queued(self.now).is_some() || self.sequence.is_due(self.now) {
            let ask = self.sequence.ask(self.asked.len() as u64, self.now);
            let mark = ask.expect("what is open has a beginning").after;
            self.asked.push(mark.id.unwrap_or(0));
            self.last_mark = Some(mark);
        }
    }

    /// The answer to the last question.
    fn answer(&mut self, answer: Result<Replay, ProviderError>) -> &mut Self {
        let ticket = self.asked.len() as u64 - 1;
        self.with(|sequence, now, to| {
            sequence.on_repaired(ticket, answer, now, to);
            sequence.on_timer(now, to);
        })
    }

    /// The exchange confirms the subscription, at this time by the wall clock.
    fn subscribed_at(&mut self, at: Timestamp) -> &mut Self {
        self.with(|sequence, now, _| sequence.on_subscribed(at, now))
    }

    fn heartbeat(&mut self, id: u64) -> &mut Self {
        self.with(|sequence, now, _| sequence.on_newest(id, now))
    }

    fn finish(&mut self) -> &mut Self {
        self.with(|sequence, _, to| sequence.finish(to))
    }

    /// What was told since the last call: ids, `+` before those that were recovered, and gaps.
    fn told(&mut self) -> String {
        let told = self.out.drain(..).map(|event| match event {
            Event::Trade(trade) => {
                assert!(!trade.replayed, "{trade:?}");
                match trade.origin {
                    Origin::Stream => trade.id.to_string(),
                    Origin::Repair => format!("+{}", trade.id),
                    Origin::History => panic!("{trade:?}"),
                }
            }
            Event::Gap(gap) => format!(
                "[{}..{} {}/{} {} {}]",
                gap.from_id.map_or("?".into(), |id| id.to_string()),
                gap.to_id.map_or("?".into(), |id| id.to_string()),
                gap.recovered,
                gap.missing.map_or("?".into(), |n| n.to_string()),
                gap.state.name(),
                gap.reason.name()
            ),
            other => panic!("{other:?}"),
        });
        told.collect::<Vec<_>>().join(" ")
    }

    /// The last gap, whole.
    fn last_gap(&self) -> &crate::model::Gap {
        let mut events = self.out.iter().rev();
        let gap = events.find_map(|event| match event {
            Event::Gap(gap) => Some(gap),
            _ => None,
        });
        gap.expect("a gap was told")
    }
}
