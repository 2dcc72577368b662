//! What was traded in a running candle before the first that we know of it.

use std::collections::VecDeque;

use crate::candles::Building;
use crate::feed::{ProviderError, REST_LAG_NANOS, Replay, Span, TradeMark};
use crate::model::{Candle, Interval, Timestamp, Trade};

use super::lane::{Lane, Source};
use super::question::About;
use super::rows::Rows;

/// The candles that are taken for whole parts, the longest first.
const UNITS: [Interval; 3] = [Interval::D1, Interval::H1, Interval::M1];
/// A minute that has ended so shortly before may not be whole at the exchange's REST side: its trades are asked for.
const FRESH_NANOS: i64 = REST_LAG_NANOS;

/// The first that we have of a candle that was begun in its middle.
#[derive(Debug, Clone, Copy)]
pub(super) enum First {
    Trade(Trade),
    /// When the part begins.
    Part(Timestamp),
}

/// Shorter candles that have ended, then trades up to our first one, by their ids.
#[derive(Debug)]
pub(super) struct Seed {
    steps: VecDeque<(Interval, Span)>,
    rows: Vec<Candle>,
    trades: Wanted,
}

#[derive(Debug)]
enum Wanted {
    Nothing,
    /// Those since a moment, before the first that we have.
    Since {
        mark: Timestamp,
        from: Timestamp,
        first: Trade,
    },
    Had(Vec<Trade>),
}

impl Seed {
    /// Of a candle that is made of shorter ones, of which the first that we have begins at `first`.
    fn of_parts(parts: Interval, open_time: Timestamp, first: Timestamp) -> Self {
        let span = Span {
            from: open_time,
            until: first,
        };
        Self {
            steps: VecDeque::from([(parts, span)]),
            rows: Vec::new(),
            trades: Wanted::Nothing,
        }
    }

    /// Of a candle that is made of trades.
    fn of_trades(open_time: Timestamp, first: Trade) -> Self {
        let recent = first.timestamp.plus_nanos(-FRESH_NANOS);
        let mark = Interval::M1.open_of(recent);
        let (mut steps, mut from) = (VecDeque::new(), open_time);
        for unit in UNITS {
            let until = unit.open_of(mark);
            if until > from {
                steps.push_back((unit, Span { from, until }));
                from = until;
            }
        }
        let trades = Wanted::Since { mark, from, first };
        Self {
            steps,
            rows: Vec::new(),
            trades,
        }
    }

    pub fn is_done(&self) -> bool {
        self.steps.is_empty() && !matches!(self.trades, Wanted::Since { .. })
    }

    /// Where the trades begin that are to be asked for first.
    pub fn wanted_trades(&self) -> Option<TradeMark> {
        match &self.trades {
            Wanted::Since { mark, .. } => Some(TradeMark {
                id: None,
                time: mark.plus_nanos(-1),
            }),
            Wanted::Nothing | Wanted::Had(_) => None,
        }
    }

    /// The candles that are to be asked for next.
    pub fn wanted_rows(&self) -> Option<(Interval, Span)> {
        self.steps.front().copied()
    }

    /// True: that was what is needed.
    pub fn on_rows(&mut self, rows: &Rows) -> bool {
        let Some(&(_, span)) = self.steps.front() else {
            return false;
        };
        let fits = rows.cover(span) && rows.within(span).all(|row| row.complete);
        if fits {
            self.rows.extend(rows.within(span).cloned());
            self.steps.pop_front();
        }
        fits
    }

    /// Trades after a mark, that of this seed or of another. True: those that are needed are among them.
    pub fn on_trades(&mut self, after: TradeMark, replay: &Replay) -> bool {
        let Wanted::Since { from, first, .. } = &self.trades else {
            return false;
        };
        let reaches = replay
            .newest
            .is_some_and(|newest| newest.id.saturating_add(1) >= first.id);
        let is_lost = |&(_, until): &(Timestamp, Timestamp)| until >= *from;
        let lacks_id = |&(id, _): &(u64, u64)| id < first.id;
        let lacks = replay.uncovered.iter().any(is_lost) || replay.missing.iter().any(lacks_id);
        if after.time >= *from || !reaches || lacks {
            return false;
        }
        let before = replay.trades.iter().filter(|trade| trade.id < first.id);
        let needed = before.filter(|trade| trade.timestamp >= *from).copied();
        self.trades = Wanted::Had(needed.collect());
        true
    }

    /// All of it, in order.
    fn fold(&self, into: &mut Building) {
        self.rows.iter().for_each(|row| into.add_part(row));
        if let Wanted::Had(trades) = &self.trades {
            trades.iter().for_each(|trade| into.add_trade(trade));
        }
    }
}

impl Lane {
    /// What is to be found out about the current one, where it was begun in its middle.
    pub(super) fn seed(&self) -> Option<Seed> {
        let open = self.current.as_ref().filter(|open| open.is_midway)?;
        match (self.rules.source, self.first?) {
            (Source::Trades, First::Trade(first)) => Some(Seed::of_trades(open.open_time, first)),
            (Source::Parts(parts), First::Part(first)) => {
                Some(Seed::of_parts(parts, open.open_time, first))
            }
            _ => None,
        }
    }

    /// Takes trades after a mark, which may have been asked for by another lane. `ticket`: this one's question.
    pub fn on_trades(
        &mut self,
        ticket: u64,
        after: TradeMark,
        answer: Result<&Replay, &ProviderError>,
        now: u64,
    ) {
        let is_own = self.has_asked(ticket);
        let Some(question) = &mut self.question else {
            return;
        };
        let About::Seed(seed) = &mut question.about else {
            return;
        };
        let is_step = answer.is_ok_and(|replay| seed.on_trades(after, replay));
        let is_final = answer.is_err_and(|error| !error.is_retryable());
        if is_own {
            let is_last = self.is_last_try(now);
            self.go_on_with_seed(is_step, is_last || is_final, now);
        } else if is_step && !self.is_asking() {
            self.go_on_with_seed(true, false, now);
        }
    }

    /// Puts what was found before what we have.
    pub(super) fn plant(&mut self) {
        let question = self.question.take();
        let Some(About::Seed(seed)) = question.map(|question| question.about) else {
            return;
        };
        let Some(open) = &mut self.current else {
            return;
        };
        let mut whole = Building::new(self.rules.market, self.rules.interval, open.open_time);
        seed.fold(&mut whole);
        if let Some(live) = open.body.candle() {
            whole.add_part(&live);
        }
        (open.body, open.is_midway) = (whole, false);
        self.first = None;
        self.touch();
    }
}
