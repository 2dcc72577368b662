//! How a rule judges candles: the path inside of one is unknown, so only what is certain counts.
//!
//! An armed rule that is true at any of open, high, low and close has one edge, and then the close decides. A
//! disarmed one has another edge only where it was surely ready to be armed and is true at the close. A hold goes
//! on only where all four are true.

use crate::expression::Truth;
use crate::model::{Field, Market, Price, Timestamp};

use super::past::Look;
use super::{Bar, Mark, Outcome, Past, Tracker, Views};

/// A price, whether the condition holds at it, and whether the rule may be armed again there.
type Seen = (Price, Truth, Truth);

impl Tracker {
    /// The parts of a market's past of which this rule can know nothing.
    pub fn uncovered(
        &self,
        market: Market,
        past: &Past,
        mark: Option<&Mark>,
    ) -> Vec<(Timestamp, Timestamp)> {
        match self.takes_bars(market) {
            true => past.uncovered_after(mark),
            false => past.without_trades_after(mark),
        }
    }

    /// Whether candles say enough: they know no single trade.
    pub(super) fn takes_bars(&self, market: Market) -> bool {
        let of_trades = [Field::Id, Field::Size, Field::Side, Field::Origin];
        let mut slots = self.slots().filter(|slot| slot.market == market);
        !slots.any(|slot| of_trades.iter().any(|field| slot.is(*field)))
    }

    /// Lets candles of one or more markets happen that count at one and the same time.
    pub(super) fn live_through(
        &mut self,
        views: &mut Views,
        bars: &[Look<'_>],
        out: &mut Vec<Outcome>,
    ) {
        let Some(from) = bars.iter().map(|look| look.from).min() else {
            return;
        };
        let at = bars[0].bar.at();
        // Until it began the price before it held.
        self.pass(views, from, from, out);
        if self.memory.due(&self.rule.policy).is_some() {
            match bars.iter().all(|look| self.holds_through(views, look)) {
                true => self.pass_inside(views, bars, at, out),
                false => {
                    let unknown = Truth::Unknown;
                    self.observe_as(unknown, unknown, views, from, from, out);
                }
            }
        }
        for look in bars {
            self.judge(views, look, out);
            if let Some(close) = look.close {
                views.put_price(look.bar.market(), close, at, look.bar.interval());
            }
        }
    }

    /// The same for a single one, where others of its time are not known.
    pub(super) fn live_through_one(
        &mut self,
        views: &mut Views,
        bar: &Bar,
        mark: &Mark,
        now: Timestamp,
        out: &mut Vec<Outcome>,
    ) {
        match bar.after(Some(mark)) {
            Ok(Some(look)) if self.takes_bars(bar.market()) => {
                self.live_through(views, &[look], out);
            }
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => {
                let (unknown, at) = (Truth::Unknown, bar.begin());
                self.observe_as(unknown, unknown, views, at, at, out);
            }
        }
        for outcome in out {
            outcome.alert.evaluated_at = now;
        }
    }

    fn holds_through(&self, views: &mut Views, look: &Look<'_>) -> bool {
        let mut prices = look.bar.prices().into_iter();
        prices.all(|price| self.seen(views, look, price).1 == Truth::True)
    }

    /// What becomes due inside of candles was due at a price that nobody knows: the open stands for it.
    fn pass_inside(
        &mut self,
        views: &mut Views,
        bars: &[Look<'_>],
        at: Timestamp,
        out: &mut Vec<Outcome>,
    ) {
        let own = bars
            .iter()
            .find(|look| look.bar.market() == self.market)
            .unwrap_or(&bars[0]);
        let market = own.bar.market();
        let price = own.open.or_else(|| views.price(market));
        let price = price.unwrap_or(own.bar.prices()[0]);
        views.with_price(market, price, own.from, own.bar.interval(), |views| {
            self.pass(views, at, at, out);
        });
    }

    fn judge(&mut self, views: &mut Views, look: &Look<'_>, out: &mut Vec<Outcome>) {
        let (market, at) = (look.bar.market(), look.bar.at());
        let prices = [look.high, look.low, look.open, look.close];
        let seen = prices.map(|price| price.map(|price| self.seen(views, look, price)));
        let known = || seen.iter().flatten();
        let telling = telling(&seen, views.price(market));
        let close = seen[3];
        let price = match (telling, close) {
            (Some(price), _) => price,
            (None, Some((close, ..))) => close,
            (None, None) => match known().next() {
                Some((price, ..)) => *price,
                None => return,
            },
        };
        let certain = match self.memory.is_armed() {
            true => known().find(|(_, condition, _)| *condition == Truth::True),
            // Surely armed somewhere in it, at the latest before the close.
            false => known()
                .find(|(_, condition, rearm)| *condition == Truth::False && *rearm == Truth::True),
        };
        let truths = |seen: &Seen| (seen.1, seen.2);
        let in_order = [certain.map(truths), close.as_ref().map(truths)];
        views.with_price(market, price, at, look.bar.interval(), |views| {
            for (condition, rearm) in in_order.into_iter().flatten() {
                self.observe_as(condition, rearm, views, at, at, out);
            }
        });
    }

    fn seen(&self, views: &mut Views, look: &Look<'_>, price: Price) -> Seen {
        let (market, at) = (look.bar.market(), look.bar.at());
        views.with_price(market, price, at, look.bar.interval(), |views| {
            let condition = self.holds(views, at);
            (price, condition, self.may_rearm(condition, views, at))
        })
    }
}

/// The price that an edge in a candle is told with, of its high, low, open and close: an extreme where the condition
/// is true, of two the one further from the price `before`; else the close, else the open.
fn telling(seen: &[Option<Seen>; 4], before: Option<Price>) -> Option<Price> {
    let is_true = |seen: &Option<Seen>| seen.filter(|seen| seen.1 == Truth::True).map(|s| s.0);
    let [high, low, open, close] = seen.each_ref().map(is_true);
    if let (Some(high), Some(low), Some(before)) = (high, low, before) {
        let before = before.decimal();
        let (rise, fall) = (high.decimal() - before, before - low.decimal());
        return Some(if fall > rise { low } else { high });
    }
    high.or(low).or(close).or(open)
}
