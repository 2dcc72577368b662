//! One rule over one market: what it reads, what it remembers.

use std::collections::HashMap;
use std::sync::Arc;

use crate::expression::{Crossings, Expression, Reference, Truth};
use crate::model::{
    Decimal, Event, Field, Interval, Market, Stream, Timestamp, Trade, Value, fnv1a_64,
};

use super::views::DEFAULT_INTERVAL;
use super::{Alert, Mark, Memory, Rule, Slot, Verdict, Views};

/// A rule at work. Give it every event of its markets in order, or the trades of the past.
#[derive(Debug, Clone)]
pub struct Tracker {
    /// What is watched.
    pub rule: Arc<Rule>,
    /// What its alerts are about: who speaks for the symbol now.
    pub market: Market,
    home: Market,
    /// What has happened so far.
    pub memory: Memory,
    /// How far the trades of its markets were judged before, by it or by another that has written its memory:
    /// those up to there are not judged again.
    pub judged: HashMap<Market, Mark>,
    condition: Vec<Slot>,
    rearm: Vec<Slot>,
    /// What the condition's crossings, and the re-arm condition's, have seen.
    crossings: [Option<Crossings>; 2],
    /// The candles that it is computed from, and how many closed ones come before.
    pub(super) candles: Vec<(Market, Interval, usize)>,
}

/// What came of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Fired or swallowed.
    pub verdict: Verdict,
    /// As it would be told.
    pub alert: Alert,
}

impl Tracker {
    /// `other` finds the markets of references. `None`: it could not.
    pub fn new(
        rule: Arc<Rule>,
        market: Market,
        other: &dyn Fn(&Reference) -> Option<Market>,
    ) -> Option<Self> {
        let condition = Slot::of(rule.condition.operands(), market, other)?;
        let rearm = match &rule.rearm {
            Some(rearm) => Slot::of(rearm.operands(), market, other)?,
            None => Vec::new(),
        };
        let crossings = [Some(&rule.condition), rule.rearm.as_ref()];
        let crossings = crossings.map(|expression| {
            let has = |expression: &&Expression| expression.has_crossings();
            expression.filter(has).map(Crossings::new)
        });
        let candles = candles(&rule, [&condition, &rearm], market, other)?;
        Some(Self {
            crossings,
            candles,
            rule,
            market,
            home: market,
            memory: Memory::default(),
            judged: HashMap::new(),
            condition,
            rearm,
        })
    }

    /// The market that was asked for, under which it is remembered, whoever stands in for it.
    pub fn home(&self) -> Market {
        self.home
    }

    /// From now on `to` speaks for `from`, and the alerts say so.
    pub fn hand_over(&mut self, from: Market, to: Market) {
        if self.market == from {
            self.market = to;
        }
        let slots = self.condition.iter_mut().chain(&mut self.rearm);
        slots
            .filter(|slot| slot.market == from)
            .for_each(|slot| slot.market = to);
        let candles = self.candles.iter_mut();
        candles
            .filter(|(market, ..)| *market == from)
            .for_each(|(market, ..)| *market = to);
    }

    /// The candles that it is computed from, by market and length: how many closed ones before the forming one.
    pub fn candles(&self) -> &[(Market, Interval, usize)] {
        &self.candles
    }

    /// Has its functions computed there.
    pub fn require(&self, views: &mut Views) {
        for (expression, slots) in [
            (Some(&self.rule.condition), &self.condition),
            (self.rule.rearm.as_ref(), &self.rearm),
        ] {
            let Some(expression) = expression else {
                continue;
            };
            let market_of = |reference: &Reference| {
                let mut pairs = expression.operands().iter().zip(slots);
                let found = pairs.find(|(operand, _)| operand.of == *reference);
                found.map(|(_, slot)| slot.market)
            };
            views.series.require(expression, &market_of);
        }
    }

    /// Crossings see how things stand, and nothing is judged.
    pub fn look(&mut self, views: &Views, now: Timestamp) {
        for (crossings, slots) in self
            .crossings
            .iter_mut()
            .zip([&self.condition, &self.rearm])
        {
            if let Some(crossings) = crossings {
                crossings.observe(&|i: usize| views.value(&slots[i], now));
            }
        }
    }

    /// Everything that it reads.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.condition.iter().chain(&self.rearm)
    }

    /// The slots of the condition alone, in the order of its operands.
    pub fn condition_slots(&self) -> &[Slot] {
        &self.condition
    }

    /// Whether it reads this stream of this market.
    pub fn reads(&self, market: Market, stream: Stream) -> bool {
        self.slots()
            .any(|slot| slot.market == market && slot.stream == Some(stream))
    }

    /// The markets whose last price it reads: what happened there between two checks counts.
    pub fn priced_markets(&self) -> Vec<Market> {
        let mut markets = Vec::new();
        for slot in self.slots().filter(|slot| slot.is(Field::Price)) {
            if !markets.contains(&slot.market) {
                markets.push(slot.market);
            }
        }
        markets
    }

    /// The markets of which it is remembered how far they were judged: those of prices, and those of candles.
    pub fn remembered_markets(&self) -> Vec<Market> {
        let mut markets = self.priced_markets();
        for (market, ..) in &self.candles {
            if !markets.contains(market) {
                markets.push(*market);
            }
        }
        markets
    }

    /// Whether some of what it reads is known only at the moment of a check.
    pub fn reads_more_than_prices(&self) -> bool {
        self.slots()
            .any(|slot| !slot.is(Field::Price) && slot.stream.is_some())
    }

    /// Whether an event is one that was judged before.
    pub(super) fn has_judged(&self, event: &Event) -> bool {
        let Event::Trade(trade) = event else {
            return false;
        };
        // Empty as a rule.
        !self.judged.is_empty()
            && self
                .judged
                .get(&trade.market)
                .is_some_and(|mark| mark.covers(trade))
    }

    /// Whether it changes while nothing comes.
    pub fn reads_ages(&self) -> bool {
        self.slots().any(|slot| slot.is(Field::Age))
    }

    /// Whether time alone may have changed something at `now`.
    pub fn is_due(&self, views: &Views, now: Timestamp) -> bool {
        let policy = &self.rule.policy;
        self.reads_ages()
            || self.memory.due(policy).is_some_and(|due| due <= now)
            // What is not known any more has not held all the time.
            || (policy.hold.is_some() && self.holds(views, now) == Truth::Unknown)
    }

    /// Whether the condition holds now.
    pub fn holds(&self, views: &Views, now: Timestamp) -> Truth {
        let input = |i: usize| views.value(&self.condition[i], now);
        match &self.crossings[0] {
            Some(crossings) => crossings.holds(&input),
            None => self.rule.condition.holds(&input),
        }
    }

    /// The condition with the values of now, one node per line.
    pub fn explain(&self, views: &Views, now: Timestamp) -> String {
        let input = |i: usize| views.value(&self.condition[i], now);
        match &self.crossings[0] {
            Some(crossings) => crossings.explain(&input),
            None => self.rule.condition.explain(&input),
        }
    }

    /// Evaluates at the event time `at`; `now` is for ages.
    pub fn observe(
        &mut self,
        views: &Views,
        at: Timestamp,
        now: Timestamp,
        out: &mut Vec<Outcome>,
    ) {
        self.look(views, now);
        let condition = self.holds(views, now);
        let rearm = self.may_rearm(condition, views, now);
        self.observe_as(condition, rearm, views, at, now, out);
    }

    /// The same where the truths are known already.
    pub fn observe_as(
        &mut self,
        condition: Truth,
        rearm: Truth,
        views: &Views,
        at: Timestamp,
        now: Timestamp,
        out: &mut Vec<Outcome>,
    ) {
        let policy = self.rule.policy;
        if let Some(verdict) = self.memory.observe(&policy, at, condition, rearm) {
            out.push(self.outcome(verdict, views, now));
        }
    }

    /// Time passes up to `at`: a condition that has held long enough by then fires.
    pub fn pass(&mut self, views: &Views, at: Timestamp, now: Timestamp, out: &mut Vec<Outcome>) {
        let policy = self.rule.policy;
        if let Some(verdict) = self.memory.on_time(&policy, at) {
            out.push(self.outcome(verdict, views, now));
        }
    }

    /// Lets trades of the past happen, oldest first.
    pub fn replay(
        &mut self,
        views: &mut Views,
        trades: &[Trade],
        now: Timestamp,
        out: &mut Vec<Outcome>,
    ) {
        for trade in trades {
            self.replay_one(views, trade, out);
        }
        for outcome in out {
            outcome.alert.evaluated_at = now;
        }
    }

    pub(super) fn replay_one(&mut self, views: &mut Views, trade: &Trade, out: &mut Vec<Outcome>) {
        let at = trade.timestamp;
        // Before the trade is known: until then the old price held.
        self.pass(views, at, at, out);
        views.update(&Event::Trade(*trade), at);
        if self.reads(trade.market, Stream::Trades) {
            // The past is complete: at its own time no price in it is old.
            self.observe(views, at, at, out);
        }
    }

    pub(super) fn may_rearm(&self, condition: Truth, views: &Views, now: Timestamp) -> Truth {
        let fallen_back = match self.rule.margin {
            Some(margin) => {
                let input = |i: usize| views.value(&self.condition[i], now);
                match &self.crossings[0] {
                    Some(crossings) => crossings.holds_within(margin, &input).not(),
                    None => self.rule.condition.holds_within(margin, &input).not(),
                }
            }
            None => condition.not(),
        };
        match &self.rule.rearm {
            Some(rearm) => {
                let input = |i: usize| views.value(&self.rearm[i], now);
                let holds = match &self.crossings[1] {
                    Some(crossings) => crossings.holds(&input),
                    None => rearm.holds(&input),
                };
                if self.rule.margin.is_some() {
                    holds.and(fallen_back)
                } else {
                    holds
                }
            }
            None => fallen_back,
        }
    }

    /// Whether the condition holds, and whether the rule may be armed again, while what it reads moves within
    /// ranges; unknown where that is not one and the same.
    pub(super) fn truths_over(
        &self,
        range: &dyn Fn(&Slot) -> Option<(Decimal, Decimal)>,
    ) -> (Truth, Truth) {
        let of_condition = |i: usize| range(&self.condition[i]);
        let condition = self.rule.condition.holds_over(&of_condition, None);
        let fallen_back = match self.rule.margin {
            Some(margin) => self.rule.condition.holds_over(&of_condition, Some(margin)),
            None => condition,
        }
        .not();
        let rearm = match &self.rule.rearm {
            Some(rearm) => {
                let holds = rearm.holds_over(&|i: usize| range(&self.rearm[i]), None);
                if self.rule.margin.is_some() {
                    holds.and(fallen_back)
                } else {
                    holds
                }
            }
            None => fallen_back,
        };
        (condition, rearm)
    }

    fn outcome(&self, verdict: Verdict, views: &Views, now: Timestamp) -> Outcome {
        let at = verdict.at();
        Outcome {
            verdict,
            alert: self.alert(views, at, now),
        }
    }

    /// The alert of this moment.
    pub fn alert(&self, views: &Views, at: Timestamp, now: Timestamp) -> Alert {
        let price = views.price(self.market);
        let operands = self.rule.condition.operands().iter();
        // Too old or not, these are the values that decided.
        let values = operands
            .zip(&self.condition)
            .map(|(operand, slot)| (operand.text.clone(), views.value(slot, now)));
        let markets = self.priced_markets().into_iter();
        let resolution = markets
            .filter_map(|market| views.resolution(market))
            .max()
            .map(|of| ("resolution".to_owned(), Value::Text(of.name().into())));
        let values = values.chain(resolution).collect();
        let message = self.rule.message.clone().unwrap_or_else(|| {
            let (symbol, condition) = (self.market.symbol(), self.rule.condition.text());
            match price {
                Some(price) => format!("{symbol}: {condition} (price {price})"),
                None => format!("{symbol}: {condition}"),
            }
        });
        Alert {
            id: self.id(views, at),
            name: self.rule.name.clone(),
            market: self.market,
            condition: self.rule.condition.text().to_owned(),
            message,
            price,
            values,
            timestamp: at,
            evaluated_at: now,
        }
    }

    /// The same firing gets the same id whoever finds it: of its rule and of the trades that made it, else of its
    /// moment.
    fn id(&self, views: &Views, at: Timestamp) -> String {
        let trades = self.priced_markets().into_iter();
        let trades: Option<Vec<_>> = trades
            .map(|market| Some((market, views.last_trade(market)?.id)))
            .collect();
        let of_trades = !self.reads_more_than_prices() && self.rule.policy.hold.is_none();
        let cause = match trades.filter(|_| of_trades) {
            Some(trades) => format!("{trades:?}"),
            // A hold that is over has no trade of its own: its moment is after that of the last.
            None => at.nanos().to_string(),
        };
        let rule = (
            self.rule.name.as_deref(),
            self.market,
            self.rule.condition.text(),
        );
        let half = |n: u8| fnv1a_64(format!("{n} {rule:?} {cause}").as_bytes());
        format!("{:016x}{:016x}", half(0), half(1))
    }
}

/// What a rule is computed from: by market and length how many closed ones. `None`: a market cannot be found.
fn candles(
    rule: &Rule,
    slots: [&[Slot]; 2],
    own: Market,
    other: &dyn Fn(&Reference) -> Option<Market>,
) -> Option<Vec<(Market, Interval, usize)>> {
    let mut all = Vec::<(Market, Interval, usize)>::new();
    let mut want = |market: Market, interval: Interval, n: usize| {
        let mut known = all.iter_mut();
        match known.find(|known| (known.0, known.1) == (market, interval)) {
            Some(known) => known.2 = known.2.max(n),
            None => all.push((market, interval, n)),
        }
    };
    let expressions = [Some(&rule.condition), rule.rearm.as_ref()];
    let needs = expressions.into_iter().flatten();
    for need in needs.flat_map(|e| e.needs(DEFAULT_INTERVAL)) {
        let market = match &need.of {
            Reference::Own => own,
            reference => other(reference)?,
        };
        want(market, need.interval, need.candles);
    }
    for slot in slots.into_iter().flatten() {
        if let Some(interval) = slot.stream.and_then(|stream| stream.interval()) {
            // Fields of candles: where none is forming, the last one is the newest.
            want(slot.market, interval, 1);
        }
    }
    Some(all)
}
