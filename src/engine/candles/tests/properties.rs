//! Any trades, outages, repetitions and answers: what is told as complete is what was traded, in order, and nothing
//! is missing without a gap.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::*;
use super::support::*;
use crate::candles::Building;
use crate::feed::Span;
use crate::model::Interval::{M1, M3, M5, S5};
use crate::model::{Candle, Gap, GapState, Timestamp};

const SECOND: u64 = 1_000_000_000;

#[derive(Debug, Clone)]
enum Step {
    /// After so many seconds somebody trades at this price.
    Trade(u64, u8),
    /// So many seconds pass.
    Wait(u64),
    Lose,
    /// The line is back; with what was last on it, or without.
    Return(bool),
    /// The last that came comes again.
    Again,
    /// Everything that was asked is answered in this way.
    Answer(Manner),
}

#[derive(Debug, Clone, Copy)]
enum Manner {
    Whole,
    Broken,
    Refused,
    /// Nothing newer than so many seconds.
    Late(u64),
    /// Only the second half.
    Half,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Trades only.
    Coinbase,
    /// A state with each trade.
    Kraken,
    /// A state with each trade, one at each end, and candles without trades.
    Binance,
}

struct World {
    kind: Kind,
    candles: Candles,
    now: u64,
    ledger: Vec<Trade>,
    is_up: bool,
    has_missed: bool,
    last: Option<Event>,
    asks: Vec<Ask>,
    told: Vec<Event>,
}

impl World {
    fn new(kind: Kind) -> Self {
        let (traits, intervals) = match kind {
            Kind::Coinbase => (traits(&[], false), [S5, M1, M5]),
            Kind::Kraken => (traits(&[M1, M5], false), [M1, M3, M5]),
            Kind::Binance => (traits(&[M1, M5], true), [M1, M3, M5]),
        };
        let mut candles = Candles::default();
        for interval in intervals {
            candles.add(btc(), interval, &traits);
        }
        Self {
            kind,
            candles,
            now: 0,
            // Something was always traded before.
            ledger: vec![trade(5, 0, "50")],
            is_up: true,
            has_missed: false,
            last: None,
            asks: Vec::new(),
            told: Vec::new(),
        }
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_nanos(self.now as i64)
    }

    /// What was traded in a candle until a moment; a flat one where nothing was, if the exchange has those.
    fn fold(&self, interval: Interval, open_time: Timestamp, until: Timestamp) -> Option<Candle> {
        let mut whole = Building::new(btc(), interval, open_time);
        let is_in = |trade: &&Trade| whole.includes(trade.timestamp) && trade.timestamp < until;
        let within: Vec<_> = self.ledger.iter().filter(is_in).collect();
        within.iter().for_each(|trade| whole.add_trade(trade));
        if within.is_empty() && self.kind == Kind::Binance {
            let before = self
                .ledger
                .iter()
                .rfind(|trade| trade.timestamp < open_time)?;
            let mut flat = row(0, "1 1 1 1 0 0");
            (flat.open, flat.high, flat.low, flat.close) =
                (before.price, before.price, before.price, before.price);
            whole.add_part(&flat);
        }
        whole.candle()
    }

    fn feed(&mut self, event: Event) {
        self.last = Some(event.clone());
        self.candles.absorb(&mut vec![event], self.now);
        self.listen();
    }

    fn listen(&mut self) {
        self.candles.take_ready(self.now, &mut self.told);
        self.asks.extend(self.candles.take_asks());
    }

    fn state(&self, interval: Interval, open_time: Timestamp, closed: bool) -> Option<Event> {
        let mut state = self.fold(interval, open_time, self.time().plus_nanos(1))?;
        (state.closed, state.timestamp) = (closed, Some(self.time()));
        Some(Event::Candle(state.into()))
    }

    /// Time passes second by second.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += SECOND;
            for interval in [M1, M5] {
                let is_end = interval.open_of(self.time()) == self.time();
                if self.kind == Kind::Binance && self.is_up && is_end {
                    let open_time = self.time().plus_nanos(-interval.nanos());
                    if let Some(state) = self.state(interval, open_time, true) {
                        self.feed(state);
                    }
                }
            }
            if self.candles.deadline().is_some_and(|due| due <= self.now) {
                self.candles.on_timer(self.now);
                self.listen();
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(seconds) => self.wait(*seconds),
            Step::Trade(seconds, price) => {
                self.wait(*seconds);
                let id = self.ledger.last().map_or(5, |last| last.id) + 1;
                self.now += 1_000;
                let timestamp = self.time();
                let new = Trade {
                    timestamp,
                    ..trade(id, 0, &format!("{}", 50 + *price as u32))
                };
                self.ledger.push(new);
                self.show(new);
            }
            Step::Lose => {
                self.is_up = false;
                let topics = [M1, M5].map(|interval| (btc(), Stream::Candles(interval)));
                self.candles
                    .on_sign(&Sign::Lost(topics.to_vec()), None, self.now);
            }
            Step::Return(is_repeated) => {
                if std::mem::replace(&mut self.is_up, true)
                    || !is_repeated
                    || self.kind != Kind::Kraken
                {
                    return;
                }
                for interval in [M1, M5] {
                    for n in (0..4).rev() {
                        let at = self.time().plus_nanos(-n * interval.nanos());
                        if let Some(state) = self.state(interval, interval.open_of(at), false) {
                            self.feed(state);
                        }
                    }
                }
            }
            Step::Again => {
                if let Some(Event::Candle(_)) = &self.last
                    && self.is_up
                {
                    self.feed(self.last.clone().unwrap());
                }
            }
            Step::Answer(manner) => self.answer(*manner),
        }
    }

    fn show(&mut self, trade: Trade) {
        if !self.is_up {
            self.has_missed = true;
        } else if self.kind != Kind::Coinbase {
            for interval in [M1, M5] {
                let state = self.state(interval, interval.open_of(trade.timestamp), false);
                self.feed(state.unwrap());
            }
        } else {
            if std::mem::take(&mut self.has_missed) {
                self.feed(lost_trades());
            }
            self.feed(Event::Trade(trade));
        }
    }

    fn answer(&mut self, manner: Manner) {
        for ask in std::mem::take(&mut self.asks) {
            match ask {
                Ask::Rows {
                    ticket,
                    interval,
                    span,
                    ..
                } => {
                    let answer = self.rows(interval, span, manner);
                    self.candles.on_rows(btc(), ticket, &answer, self.now);
                }
                Ask::Trades { ticket, after, .. } => {
                    let answer = self.trades(after, manner);
                    self.candles.on_trades(btc(), ticket, answer, self.now);
                }
            }
            self.candles.on_timer(self.now);
            self.listen();
        }
    }

    fn rows(&self, interval: Interval, span: Span, manner: Manner) -> Result<Rows, ProviderError> {
        let (from, until) = match manner {
            Manner::Broken => return Err(ProviderError::Unreachable("broken".into())),
            Manner::Refused => return Err(ProviderError::Refused("no".into())),
            Manner::Half => (interval.first_from(middle(span)), span.until),
            // Candles that it has not yet are not covered; what it has of a running one is not closed.
            Manner::Late(seconds) => {
                let time = self.time().plus_nanos(-((seconds * SECOND) as i64));
                (span.from, span.until.min(interval.open_of(time)))
            }
            Manner::Whole => (span.from, span.until),
        };
        let mut found = Rows::default();
        if from >= until {
            return Ok(found);
        }
        found.covers.push(Span { from, until });
        let mut open_time = from;
        while open_time < until {
            let row = self.fold(interval, open_time, self.time().plus_nanos(1));
            found.items.extend(row.map(|row| Candle {
                closed: true,
                ..row
            }));
            open_time = interval.close_of(open_time);
        }
        Ok(found)
    }

    fn trades(&self, after: TradeMark, manner: Manner) -> Result<Replay, ProviderError> {
        let time = match manner {
            Manner::Broken => return Err(ProviderError::Unreachable("broken".into())),
            Manner::Refused => return Err(ProviderError::Refused("no".into())),
            Manner::Late(seconds) => self.time().plus_nanos(-((seconds * SECOND) as i64)),
            _ => self.time(),
        };
        let known = self.ledger.iter().filter(|trade| trade.timestamp <= time);
        let trades: Vec<_> = known
            .filter(|trade| trade.timestamp > after.time)
            .copied()
            .collect();
        let newest = self
            .ledger
            .iter()
            .rfind(|trade| trade.timestamp <= time)
            .copied();
        let is_half = matches!(manner, Manner::Half);
        let uncovered = is_half.then_some((after.time, time)).into_iter().collect();
        Ok(Replay {
            trades,
            uncovered,
            missing: Vec::new(),
            newest,
        })
    }

    /// Every promise of closed candles.
    fn check(&self, interval: Interval) -> Result<(), TestCaseError> {
        let (mut reached, mut first) = (None, None);
        let mut gaps = Vec::new();
        let mut closed = Vec::new();
        for event in &self.told {
            match event {
                Event::Gap(gap) if gap.stream == Stream::Candles(interval) => {
                    gaps.push(gap.clone())
                }
                Event::Candle(candle) if candle.interval == interval => {
                    let open_time = Some(candle.open_time);
                    prop_assert!(
                        open_time > reached,
                        "{interval} after {reached:?}: {candle:?}"
                    );
                    if !candle.closed {
                        continue;
                    }
                    (reached, first) = (open_time, first.or(open_time));
                    closed.push(candle.open_time);
                    let truth = self.fold(interval, candle.open_time, self.time().plus_nanos(1));
                    let Some(truth) = truth else {
                        prop_assert!(false, "{candle:?} was invented");
                        return Ok(());
                    };
                    if candle.complete {
                        prop_assert_eq!(facts(candle), facts(&truth), "{}", interval);
                    }
                }
                _ => {}
            }
        }
        let (Some(first), Some(reached)) = (first, reached) else {
            return Ok(());
        };
        let mut open_time = first;
        while open_time < reached {
            let is_traded = self.fold(interval, open_time, self.time()).is_some();
            let is_told = closed.binary_search(&open_time).is_ok();
            let covers = |gap: &Arc<Gap>| gap.from <= Some(open_time) && Some(open_time) < gap.to;
            let is_said = gaps
                .iter()
                .any(|gap| gap.state != GapState::Repaired && covers(gap));
            prop_assert!(
                !is_traded || is_told || is_said,
                "{interval} {open_time:?} is missing"
            );
            open_time = interval.close_of(open_time);
        }
        Ok(())
    }
}

fn facts(candle: &Candle) -> String {
    format!(
        "{} {} {} {} {} {} {:?}",
        candle.open_time.nanos() / SECOND as i64,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
        candle.trades
    )
}

fn middle(span: Span) -> Timestamp {
    Timestamp::from_nanos((span.from.nanos() + span.until.nanos()) / 2)
}

fn lost_trades() -> Event {
    Event::Gap(Arc::new(Gap {
        market: btc(),
        stream: Stream::Trades,
        from_id: None,
        to_id: None,
        from: None,
        to: None,
        missing: None,
        recovered: 0,
        state: GapState::Unrepairable,
        reason: GapReason::Reconnect,
    }))
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        4 => Just(Manner::Whole),
        1 => Just(Manner::Broken),
        1 => Just(Manner::Refused),
        1 => (1u64..90).prop_map(Manner::Late),
        1 => Just(Manner::Half),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (prop_oneof![0u64..20, 0u64..150], 0u8..9).prop_map(|(wait, price)| Step::Trade(wait, price)),
        1 => (1u64..200).prop_map(Step::Wait),
        1 => Just(Step::Lose),
        2 => any::<bool>().prop_map(Step::Return),
        1 => Just(Step::Again),
        3 => manner().prop_map(Step::Answer),
    ]
}

fn run(kind: Kind, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::new(kind);
    world.now = 10 * SECOND;
    for each in steps {
        world.step(each);
    }
    world.candles.finish(&mut world.told);
    for interval in [S5, M1, M3, M5] {
        world.check(interval)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_told_of_candles_made_of_trades_is_what_was_traded(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        run(Kind::Coinbase, &steps)?;
    }

    #[test]
    fn what_is_told_of_streamed_candles_is_what_was_traded(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        run(Kind::Kraken, &steps)?;
    }

    #[test]
    fn what_is_told_where_there_are_empty_candles_is_what_was_traded(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        run(Kind::Binance, &steps)?;
    }
}
