//! What happened in one market since a mark: its trades, and candles for parts whose trades are not to be had.

use crate::model::{Candle, Interval, Market, Price, Timestamp, Trade};
use crate::sanity;

use super::Mark;

/// After the first moment, before the second.
pub(super) type Part = (Timestamp, Timestamp);

/// What happened in one market since a mark.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// Oldest first.
    pub trades: Vec<Trade>,
    /// Candles in parts of which the trades are not known, oldest first: see [`Past::cover`].
    pub bars: Vec<Bar>,
    /// Parts of which nothing is known: after the first time, before the second.
    pub uncovered: Vec<(Timestamp, Timestamp)>,
    /// The newest trade of all, also where it lies before the mark.
    pub newest: Option<Trade>,
    /// The newest prices of all are absurd, and not confirmed yet: they are left out, for the next check.
    pub is_doubted: bool,
    /// Parts of which the trades are not known, where candles cover some of them.
    pub without_trades: Vec<(Timestamp, Timestamp)>,
}

/// A candle of a time of which not every trade is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    candle: Candle,
    /// The lowest and the highest of the trades in it that are known.
    known: Option<(Price, Price)>,
    /// Whether its close is none of those.
    closes: bool,
    /// What is not known in it.
    part: Part,
    /// When it counts: at its end, never after now; before the trades where some after the part are known.
    at: Timestamp,
    /// The last moment that it tells of.
    until: Timestamp,
}

/// What a bar tells to a rule that has seen the market up to some mark.
#[derive(Debug, Clone)]
pub(super) struct Look<'a> {
    pub bar: &'a Bar,
    /// When it begins for this rule.
    pub from: Timestamp,
    pub open: Option<Price>,
    pub high: Option<Price>,
    pub low: Option<Price>,
    pub close: Option<Price>,
}

impl Bar {
    /// What candles can say, taken together with the trades that are known of the same time.
    fn new(candle: &Candle, parts: &[Part], trades: &[Trade], now: Timestamp) -> Option<Self> {
        let (opens, ends) = (candle.open_time, candle.close_time());
        let mut touched = parts
            .iter()
            .filter(|(from, to)| *from < ends && *to >= opens);
        let first = touched.next()?;
        let part = (first.0, touched.next_back().unwrap_or(first).1);
        let within = trades
            .iter()
            .filter(|trade| (opens..ends).contains(&trade.timestamp));
        let prices = || within.clone().map(|trade| trade.price);
        let closes = !within.clone().any(|trade| trade.timestamp >= part.1);
        let last = ends.plus_nanos(-1);
        let until = match (closes, candle.closed) {
            (true, true) => last,
            (true, false) => {
                let told = candle.timestamp.unwrap_or(candle.received_at);
                told.clamp(opens, last)
            }
            (false, _) => part.1.plus_nanos(-1),
        };
        Some(Self {
            candle: candle.clone(),
            known: prices().min().zip(prices().max()),
            closes,
            part,
            at: if closes { ends.min(now) } else { part.1 },
            until: until.min(now),
        })
    }

    /// When it counts.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) fn market(&self) -> Market {
        self.candle.market
    }

    pub(super) fn interval(&self) -> Interval {
        self.candle.interval
    }

    /// Open, high, low and close of the candle.
    pub(super) fn prices(&self) -> [Price; 4] {
        let candle = &self.candle;
        [candle.open, candle.high, candle.low, candle.close]
    }

    /// When what is not known in it begins.
    pub(super) fn begin(&self) -> Timestamp {
        self.part.0.max(self.candle.open_time)
    }

    /// The last price, where no later trade is known.
    pub(super) fn close(&self) -> Option<Price> {
        self.closes.then_some(self.candle.close)
    }

    /// Where a rule goes on that has seen it.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            id: None,
            time: self.until,
            price: self.close(),
        }
    }

    /// Its highest and lowest price, where no trade that is known explains them.
    fn extremes(&self) -> (Option<Price>, Option<Price>) {
        let (high, low) = (self.candle.high, self.candle.low);
        let above = |known: (Price, Price)| high > known.1;
        let below = |known: (Price, Price)| low < known.0;
        (
            Some(high).filter(|_| self.known.is_none_or(above)),
            Some(low).filter(|_| self.known.is_none_or(below)),
        )
    }

    /// What it tells after a mark. `Err`: what it has beyond the known trades may have been before the mark, and
    /// nothing else is known of that part.
    pub(super) fn after(&self, mark: Option<&Mark>) -> Result<Option<Look<'_>>, Part> {
        let begun = mark.map_or(self.part.0, |mark| mark.time.max(self.part.0));
        if begun >= self.until {
            return Ok(None);
        }
        let close = self.close();
        let mut look = Look {
            bar: self,
            from: begun.max(self.candle.open_time),
            open: None,
            high: None,
            low: None,
            close,
        };
        let (high, low) = self.extremes();
        let is_marked = mark.is_some_and(|mark| mark.time > self.candle.open_time);
        match (is_marked, close) {
            // What was before the mark has been judged.
            (true, Some(_)) => {}
            (true, None) if high.is_none() && low.is_none() => return Ok(None),
            (true, None) => return Err((begun, self.part.1)),
            (false, _) => {
                look.open = Some(self.candle.open).filter(|_| self.known.is_none());
                (look.high, look.low) = (high, low);
            }
        }
        Ok(Some(look))
    }
}

impl Past {
    /// Takes candles of one interval for the parts whose trades are not to be had, before anything is taken for
    /// absurd. `known`: spans of which `candles` are all that there are, oldest first, from a moment until another;
    /// the last candle may be a forming one.
    ///
    /// What neither trades nor candles tell stays uncovered. An incomplete candle tells nothing.
    pub fn cover(&mut self, candles: &[Candle], known: &[(Timestamp, Timestamp)], now: Timestamp) {
        let is_good = |candle: &&Candle| candle.complete && !candle.low.decimal().is_zero();
        let good = candles.iter().filter(is_good);
        let bars = good.filter_map(|c| Bar::new(c, &self.uncovered, &self.trades, now));
        let bars: Vec<Bar> = bars.collect();
        let bad = candles.iter().filter(|candle| !is_good(candle));
        let bad: Vec<Part> = bad.map(|c| (c.open_time, c.close_time())).collect();
        let reliable: Vec<Part> = known.iter().flat_map(|span| without(*span, &bad)).collect();
        let parts = self.uncovered.iter();
        let left = parts.flat_map(|part| without(*part, &reliable)).collect();
        self.without_trades = std::mem::replace(&mut self.uncovered, left);
        self.bars = bars;
    }

    /// The same without absurd prices that nothing confirms. `before`: the price at the mark.
    pub fn sane(mut self, before: Option<Price>) -> Self {
        sanity::mark_suspects(&mut self.trades, before);
        if self.trades.last().is_some_and(|trade| trade.suspect) {
            let good = self.trades.iter().rposition(|trade| !trade.suspect);
            self.trades.truncate(good.map_or(0, |last| last + 1));
            self.newest = self.trades.last().copied();
            self.is_doubted = true;
        }
        self.trades.retain(|trade| !trade.suspect);
        self
    }

    /// The uncovered parts that lie after a mark: what was before it was judged, or is nobody's business.
    pub fn uncovered_after(&self, mark: Option<&Mark>) -> Vec<(Timestamp, Timestamp)> {
        let mut parts = self.parts_after(&self.uncovered, mark);
        let begin = self.begin(mark);
        let untold = self.bars.iter().filter_map(|bar| bar.after(mark).err());
        parts.extend(untold.filter(|(_, to)| begin.is_none_or(|begin| *to > begin)));
        parts.sort();
        parts
    }

    /// The same where candles tell too little.
    pub(super) fn without_trades_after(&self, mark: Option<&Mark>) -> Vec<Part> {
        match self.without_trades.is_empty() {
            true => self.uncovered_after(mark),
            false => self.parts_after(&self.without_trades, mark),
        }
    }

    /// What its candles tell after a mark.
    pub(super) fn looks_after(&self, mark: Option<&Mark>) -> impl Iterator<Item = Look<'_>> {
        let begin = self.begin(mark);
        let bars = self.bars.iter();
        let bars = bars.filter(move |bar| begin.is_none_or(|begin| bar.until >= begin));
        bars.filter_map(move |bar| bar.after(mark).ok().flatten())
    }

    /// The newest that is known: the last trade, or a candle after it.
    pub(super) fn end(&self) -> Option<Mark> {
        let newest = self.trades.last().or(self.newest.as_ref());
        let trade = newest.map(Mark::of);
        let bar = self.bars.last().map(Bar::mark);
        match (trade, bar) {
            (Some(trade), Some(bar)) if bar.time > trade.time => Some(bar),
            (trade, bar) => trade.or(bar),
        }
    }

    fn parts_after(&self, parts: &[Part], mark: Option<&Mark>) -> Vec<Part> {
        let begin = self.begin(mark);
        let parts = parts.iter().copied();
        parts
            .filter(|(_, to)| begin.is_none_or(|begin| *to > begin))
            .map(|(from, to)| (begin.map_or(from, |begin| from.max(begin)), to))
            .collect()
    }

    /// Up to when nothing is missing after a mark.
    fn begin(&self, mark: Option<&Mark>) -> Option<Timestamp> {
        let mark = mark?;
        // Where the very next trade is at hand, nothing is missing before it.
        let is_next = |trade: &&Trade| mark.id.is_some() && mark.id == trade.id.checked_sub(1);
        let next = self.trades.iter().find(is_next);
        Some(next.map_or(mark.time, |trade| trade.timestamp.max(mark.time)))
    }
}

/// What is left of a part where others, in order, are taken away.
fn without(part: Part, others: &[Part]) -> Vec<Part> {
    let (mut from, to) = part;
    let mut left = Vec::new();
    for (begin, end) in others.iter().filter(|(begin, _)| *begin < to) {
        if from < *begin {
            left.push((from, *begin));
        }
        from = from.max(*end);
    }
    if from < to {
        left.push((from, to));
    }
    left
}
