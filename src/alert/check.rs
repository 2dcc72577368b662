//! One check of a rule with memory: what happened since the last one, then how it is now. Pure.
//!
//! Invariant: for a rule over `price`, the firings of any number of checks are those of one that watches
//! all the time. With functions they are those of one that knows only candles that have closed; beyond that each check
//! judges its own moment, by the forming ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::expression::Truth;
use crate::model::{Candle, Decimal, Event, Interval, Market, Price, Ticker, Timestamp, Trade};

use super::past::Look;
use super::{Bars, Mark, Outcome, Past, Slot, Tracker, Views};

/// What the exchanges said for one check.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The state of each market that is read.
    pub tickers: HashMap<Market, Arc<Ticker>>,
    /// Last trades, where more of them than the price is read.
    pub trades: HashMap<Market, Trade>,
    /// The candles that the rule is computed from.
    pub bars: Vec<Arc<Bars>>,
    /// What happened since the marks.
    pub since: Since,
    /// Values that were confirmed longer ago are not known.
    pub max_age: Option<Duration>,
}

/// What is known of the time between two checks.
#[derive(Debug, Clone, Default)]
pub enum Since {
    /// There was no check before, or what happened since does not count.
    #[default]
    Nothing,
    /// Whether the condition holds, and whether the rule may be armed again, was one and the same all the time:
    /// see [`Tracker::is_steady`].
    Steady(Truth, Truth),
    /// The trades.
    Replayed(HashMap<Market, Arc<Past>>),
}

/// What came of one check.
#[derive(Debug)]
pub struct Checked {
    /// Edges, oldest first.
    pub outcomes: Vec<Outcome>,
    /// Where the next check goes on.
    pub marks: HashMap<Market, Mark>,
    /// Whether the condition holds now.
    pub truth: Truth,
    /// What is known now.
    pub views: Views,
}

/// How wide the rolling 24 hours of a ticker surely are.
const DAY: Duration = Duration::from_secs(23 * 3_600 + 55 * 60);
impl Tracker {
    /// Whether nothing can have happened since the marks: over all prices of the last 24 hours the condition
    /// has one and the same answer. Then the tickers alone are enough.
    ///
    /// Only for rules that read nothing but prices.
    pub fn is_steady(
        &self,
        marks: &HashMap<Market, Mark>,
        tickers: &dyn Fn(Market) -> Option<Arc<Ticker>>,
        now: Timestamp,
    ) -> Option<(Truth, Truth)> {
        if self.reads_more_than_prices() {
            return None;
        }
        let mut ranges = HashMap::new();
        for market in self.priced_markets() {
            let (mark, ticker) = (marks.get(&market)?, tickers(market)?);
            if now.nanos().saturating_sub(mark.time.nanos()) as u128 > DAY.as_nanos() {
                return None;
            }
            ranges.insert(market, range(&ticker, mark.price)?);
        }
        let over = |slot: &Slot| ranges.get(&slot.market).copied();
        let (condition, rearm) = self.truths_over(&over);
        // What fires, fires at a moment and a price that only the trades tell.
        let fires = condition == Truth::True && self.memory.is_armed();
        let known = condition != Truth::Unknown && rearm != Truth::Unknown;
        (known && !fires).then_some((condition, rearm))
    }

    /// One check at `now`: the past since the marks, if evidence of it was brought, then this moment.
    /// Without marks there is no past.
    pub fn check(
        &mut self,
        mut marks: HashMap<Market, Mark>,
        evidence: &Evidence,
        now: Timestamp,
    ) -> Checked {
        let mut outcomes = Vec::new();
        let none = HashMap::new();
        let pasts = match &evidence.since {
            Since::Replayed(pasts) => pasts,
            Since::Nothing | Since::Steady(..) => &none,
        };
        let bars: Vec<&Bars> = evidence.bars.iter().map(|bars| &**bars).collect();
        let unmarked = HashMap::new();
        let from = match &evidence.since {
            Since::Nothing => &unmarked,
            Since::Replayed(_) | Since::Steady(..) => &marks,
        };
        let mut views = self.catch_up(from, pasts, &bars, now, &mut outcomes);
        evidence.put_into(&mut views, now);
        let at = evidence.time_of(self.market, now);
        match evidence.since {
            Since::Steady(condition, rearm) => {
                self.observe_as(condition, rearm, &views, now, now, &mut outcomes);
            }
            // Prices that were replayed have been judged; the rest is judged now.
            Since::Replayed(_) if !pasts.is_empty() && !self.reads_more_than_prices() => {}
            Since::Replayed(_) | Since::Nothing => {
                self.observe(&views, at, now, &mut outcomes);
            }
        }
        let truth = self.holds(&views, now);
        if truth != Truth::Unknown {
            self.pass(&views, now, now, &mut outcomes);
        }
        if bars.len() == self.candles.len() {
            self.move_marks(&mut marks, evidence, pasts, &bars);
        }
        Checked {
            outcomes,
            marks,
            truth,
            views,
        }
    }

    /// Where the next check goes on. Not called where candles are missing: they may be had then.
    fn move_marks(
        &self,
        marks: &mut HashMap<Market, Mark>,
        evidence: &Evidence,
        pasts: &HashMap<Market, Arc<Past>>,
        bars: &[&Bars],
    ) {
        let priced = self.priced_markets();
        for &market in &priced {
            let before = marks.get(&market).copied();
            let steady = matches!(evidence.since, Since::Steady(..));
            let after = match (pasts.get(&market), evidence.trades.get(&market)) {
                (Some(past), _) => Mark::after(past, before),
                (None, Some(trade)) if before.is_none() => Some(Mark::of(trade)),
                (None, _) => {
                    let ticker = evidence.tickers.get(&market);
                    ticker.map(|ticker| Mark::at(ticker, before, steady))
                }
            };
            if let Some(after) = after {
                marks.insert(market, after);
            }
        }
        for (market, last) in self.followed(bars) {
            match marks.get_mut(&market) {
                // The candles after its last trade have been judged, too.
                Some(mark) if priced.contains(&market) => {
                    mark.time = mark.time.max(last.close_time());
                }
                _ => drop(marks.insert(market, Mark::at_end(&last))),
            }
        }
    }

    /// Lets the past happen; returns what was known at its end. Candles that ended after the mark of their market are
    /// judged at their end. At each trade, and at the candles that stand for trades, functions are those of the last
    /// candles that had closed by then: how one was forming at a moment of the past does not depend on when a check
    /// looks.
    pub fn catch_up(
        &mut self,
        marks: &HashMap<Market, Mark>,
        pasts: &HashMap<Market, Arc<Past>>,
        bars: &[&Bars],
        now: Timestamp,
        out: &mut Vec<Outcome>,
    ) -> Views {
        let mut views = Views::default();
        self.begin_bars(bars, &mut views);
        for (market, mark) in marks
            .iter()
            .filter(|(market, _)| pasts.contains_key(market))
        {
            if let Some(price) = mark.price {
                views.seed_price(*market, price, mark.time);
            }
        }
        let steps = self.steps(marks, pasts, bars);
        let (mut looks, mut rest) = (Vec::new(), steps.into_iter().peekable());
        while let Some((at, step)) = rest.next() {
            match step {
                Step::Bar(look) => {
                    looks.push(look);
                    let is_last = !matches!(rest.peek(), Some((next, Step::Bar(_))) if *next == at);
                    if is_last {
                        self.live_through(&mut views, &looks, out);
                        looks.clear();
                    }
                }
                Step::Close(candle) => {
                    let market = candle.market;
                    let since = marks.get(&market).map(|mark| mark.time);
                    let is_priced = !pasts.contains_key(&market) || since.is_some_and(|t| at <= t);
                    self.close(&mut views, candle, since, is_priced, now, out);
                }
                Step::Mark(market, price) => {
                    views.seed_price(market, price, at);
                    self.look(&views, at);
                }
                Step::Trade(trade) => self.replay_one(&mut views, &trade, out),
                // Whatever held before it cannot be said to have held all the time.
                Step::Hole => {
                    self.observe_as(Truth::Unknown, Truth::Unknown, &views, at, now, out);
                }
            }
        }
        self.end_bars(bars, &mut views, &|market| pasts.contains_key(&market), now);
        for outcome in out {
            outcome.alert.evaluated_at = now;
        }
        views
    }

    /// What happened, by time. At one time the candles that end there come first, those that stand for trades before
    /// those that functions are over, and what is not known after it last.
    fn steps<'p>(
        &self,
        marks: &HashMap<Market, Mark>,
        pasts: &'p HashMap<Market, Arc<Past>>,
        followed: &[&'p Bars],
    ) -> Vec<(Timestamp, Step<'p>)> {
        let (mut bars, mut holes) = (Vec::new(), Vec::new());
        for (market, past) in pasts {
            let mark = marks.get(market);
            let parts = self.uncovered(*market, past, mark);
            holes.extend(parts.iter().map(|(from, _)| (*from, Step::Hole)));
            if self.takes_bars(*market) {
                let looks = past.looks_after(mark);
                bars.extend(looks.map(|look| (look.bar.at(), Step::Bar(look))));
            }
        }
        bars.sort_by_key(|(at, step)| (*at, step.place()));
        let trades = in_order(pasts, marks).into_iter();
        let mut steps = bars;
        steps.extend(trades.map(|(at, trade)| (at, Step::Trade(trade))));
        steps.extend(holes);
        let mut closed: Vec<_> = followed.iter().flat_map(|bars| &bars.closed).collect();
        closed.sort_by_key(|candle| candle.interval);
        steps.extend(closed.into_iter().map(|c| (c.close_time(), Step::Close(c))));
        let marked = marks.iter().filter(|_| self.is_computed());
        let marked = marked.filter(|(market, _)| pasts.contains_key(market));
        steps.extend(
            marked.filter_map(|(market, mark)| Some((mark.time, Step::Mark(*market, mark.price?)))),
        );
        // Keeps the order within each kind.
        steps.sort_by_key(|(at, step)| (*at, step.rank()));
        steps
    }
}

/// One thing that happened.
enum Step<'p> {
    /// In place of trades.
    Bar(Look<'p>),
    /// Of what functions are over.
    Close(&'p Arc<Candle>),
    /// The price where the last check ended.
    Mark(Market, Price),
    Trade(Trade),
    Hole,
}

impl Step<'_> {
    fn rank(&self) -> u8 {
        match self {
            Self::Bar(_) => 0,
            Self::Close(_) => 1,
            Self::Mark(..) => 2,
            Self::Trade(_) => 3,
            Self::Hole => 4,
        }
    }

    /// Of two candles that end together the shorter comes first, then the market decides.
    fn place(&self) -> Option<(Interval, usize)> {
        match self {
            Self::Bar(look) => Some((look.bar.interval(), look.bar.market().index())),
            Self::Close(_) | Self::Mark(..) | Self::Trade(_) | Self::Hole => None,
        }
    }
}

impl Evidence {
    /// The values of this moment for a rule without memory: what it is computed from first.
    pub fn show(&self, tracker: &mut Tracker, views: &mut Views, now: Timestamp) {
        let bars: Vec<&Bars> = self.bars.iter().map(|bars| &**bars).collect();
        if tracker.is_computed() {
            let none = (HashMap::new(), HashMap::new());
            *views = tracker.catch_up(&none.0, &none.1, &bars, now, &mut Vec::new());
        }
        self.put_into(views, now);
        tracker.look(views, now);
    }

    /// The values of this moment, over what a replay has left.
    pub fn put_into(&self, views: &mut Views, now: Timestamp) {
        let is_doubted = |market: &Market| match &self.since {
            Since::Replayed(pasts) => pasts.get(market).is_some_and(|past| past.is_doubted),
            Since::Nothing | Since::Steady(..) => false,
        };
        // It repeats the absurd price.
        let tickers = self
            .tickers
            .iter()
            .filter(|(market, _)| !is_doubted(market));
        for ticker in tickers.map(|(_, ticker)| ticker) {
            views.update(&Event::Ticker(ticker.clone()), ticker.received_at);
        }
        if let Since::Replayed(pasts) = &self.since {
            for (market, past) in pasts {
                // The newest trade is the last price; the ticker was asked for before.
                match past.trades.last().or(past.newest.as_ref()) {
                    Some(trade) => views.update(&Event::Trade(*trade), trade.received_at),
                    None => views.confirm(*market, now),
                }
            }
        }
        for trade in self.trades.values() {
            views.update(&Event::Trade(*trade), trade.received_at);
        }
        views.max_age = self.max_age;
    }

    /// The exchange's time of what is known of a market, else `now`.
    pub fn time_of(&self, market: Market, now: Timestamp) -> Timestamp {
        let trade = self.trades.get(&market).map(|trade| trade.timestamp);
        let ticker = || {
            let ticker = self.tickers.get(&market)?;
            Some(ticker.timestamp.unwrap_or(ticker.received_at))
        };
        trade.or_else(ticker).unwrap_or(now)
    }
}

/// The lowest and the highest price of the last 24 hours.
fn range(ticker: &Ticker, before: Option<Price>) -> Option<(Decimal, Decimal)> {
    let (low, high, last) = (ticker.low_24h?, ticker.high_24h?, ticker.price?);
    // Computed at different moments at the exchange: the last prices are seen for sure.
    let low = low.min(last).min(before.unwrap_or(last));
    let high = high.max(last).max(before.unwrap_or(last));
    Some((low.decimal(), high.decimal()))
}

/// The trades after the marks, of all markets by time; within a market the order of ids is kept, and a time that goes
/// back is that of the trade before.
fn in_order(
    pasts: &HashMap<Market, Arc<Past>>,
    marks: &HashMap<Market, Mark>,
) -> Vec<(Timestamp, Trade)> {
    let mut keyed = Vec::new();
    for (market, past) in pasts {
        let mark = marks.get(market);
        let is_new = |trade: &&Trade| !mark.is_some_and(|mark| mark.covers(trade));
        let mut newest = Timestamp::from_nanos(i64::MIN);
        for trade in past.trades.iter().filter(is_new) {
            newest = newest.max(trade.timestamp);
            keyed.push((newest, *trade));
        }
    }
    keyed.sort_by_key(|(time, trade)| (*time, trade.market.index(), trade.id));
    keyed
}
