//! Whether a price can be believed: a lone absurd print must not fire an alert, and a real crash must not
//! be held back.
//!
//! A print is sane if it lies near one of the last good ones, or near what other exchanges trade the same
//! symbol for. Any other is suspect, and so marked, until a second print at its level, here or at another
//! exchange, confirms it: then the level is good, and that second print is not suspect. So a crash that
//! really happens costs one print; nothing is ever held back.

use std::collections::HashMap;

use crate::model::{Decimal, Market, Price, Ticker, Timestamp, Trade};

/// Good prices that are remembered: after a level that was confirmed wrongly the old one is still known.
const GOOD: usize = 5;
/// How far prices of other exchanges may be back to be compared with.
const PEER_AGE_SECONDS: f64 = 60.0;

/// The price levels of all markets.
#[derive(Debug, Default)]
pub struct Sanity {
    /// By [`Market::index`].
    levels: Vec<Level>,
    /// The same symbol at all exchanges.
    peers: HashMap<&'static str, Vec<Market>>,
    /// Prints that were marked, in all.
    pub suspects: u64,
}

#[derive(Debug, Default, Clone)]
struct Level {
    /// Newest last.
    good: Vec<Decimal>,
    at: Option<Timestamp>,
    /// The suspect price of each stream that waits for another at its level. A ticker repeats the last
    /// trade, so it cannot confirm one.
    trade: Option<Decimal>,
    ticker: Option<Decimal>,
    /// When the newest of them came.
    doubted_at: Option<Timestamp>,
}

impl Sanity {
    /// Announces a market.
    pub fn add(&mut self, market: Market) {
        if self.levels.len() <= market.index() {
            self.levels.resize_with(market.index() + 1, Level::default);
        }
        let peers = self.peers.entry(market.symbol()).or_default();
        if !peers.contains(&market) {
            peers.push(market);
        }
    }

    /// Whether this trade is suspect. Give it the trades of a market in their order.
    pub fn judge_trade(&mut self, trade: &Trade) -> bool {
        let price = trade.price.decimal();
        if price.is_zero() {
            // Nothing is free, however often it is said.
            self.suspects += 1;
            return true;
        }
        if self.is_good(trade.market, price, trade.received_at) {
            return false;
        }
        let level = &mut self.levels[trade.market.index()];
        let is_second = level.trade.is_some_and(|doubt| near(doubt, price));
        level.trade = Some(price);
        self.decide(trade.market, price, trade.received_at, is_second)
    }

    /// Whether this ticker's price is suspect. It is confirmed by a second one only if the best bid and ask
    /// have gone there, too: every ticker after a trade repeats its price.
    pub fn judge_ticker(&mut self, ticker: &Ticker) -> bool {
        let Some(price) = ticker.price.map(Price::decimal) else {
            return false;
        };
        if self.is_good(ticker.market, price, ticker.received_at) {
            return false;
        }
        let followed = [ticker.bid, ticker.ask]
            .into_iter()
            .flatten()
            .all(|quote| near(quote.decimal(), price));
        let level = &mut self.levels[ticker.market.index()];
        let is_second = followed && level.ticker.is_some_and(|doubt| near(doubt, price));
        level.ticker = Some(price);
        self.decide(ticker.market, price, ticker.received_at, is_second)
    }

    /// Whether the price lies near a good one of its own market, which it then becomes itself. The first
    /// price of a market is good unless other exchanges disagree.
    fn is_good(&mut self, market: Market, price: Decimal, at: Timestamp) -> bool {
        let Some(level) = self.levels.get_mut(market.index()) else {
            return true;
        };
        if level.good.iter().rev().any(|good| near(*good, price)) {
            level.accept(price, at);
            return true;
        }
        if level.good.is_empty() && !price.is_zero() && self.median(market, at).is_none() {
            self.levels[market.index()].accept(price, at);
            return true;
        }
        false
    }

    fn decide(&mut self, market: Market, price: Decimal, at: Timestamp, is_second: bool) -> bool {
        self.levels[market.index()].doubted_at = Some(at);
        let median = self.median(market, at);
        let is_level = is_second || median.is_some_and(|median| near(median, price));
        let witness = self.witness(market, price, at).filter(|_| !is_level);
        if !is_level && witness.is_none() {
            self.suspects += 1;
            return true;
        }
        // Each of two exchanges confirms the other.
        for market in [Some(market), witness].into_iter().flatten() {
            self.levels[market.index()].accept(price, at);
        }
        false
    }

    /// Another exchange where a price at this level is suspect, too.
    fn witness(&self, market: Market, price: Decimal, at: Timestamp) -> Option<Market> {
        let peers = self.peers.get(market.symbol())?.iter();
        let mut others = peers.filter(|peer| **peer != market);
        let agrees = |peer: &&Market| {
            let Some(level) = self.levels.get(peer.index()) else {
                return false;
            };
            let age = level.doubted_at.map(|then| at.seconds_since(then).abs());
            let mut doubts = [level.trade, level.ticker].into_iter().flatten();
            age.is_some_and(|age| age <= PEER_AGE_SECONDS) && doubts.any(|doubt| near(doubt, price))
        };
        others.find(agrees).copied()
    }

    /// What the other exchanges trade this symbol for.
    fn median(&self, market: Market, at: Timestamp) -> Option<Decimal> {
        let peers = self.peers.get(market.symbol())?.iter();
        let mut prices: Vec<_> = peers
            .filter(|peer| **peer != market)
            .filter_map(|peer| {
                let level = self.levels.get(peer.index())?;
                let is_live = at.seconds_since(level.at?).abs() <= PEER_AGE_SECONDS;
                level.good.last().copied().filter(|_| is_live)
            })
            .collect();
        prices.sort_unstable();
        prices.get(prices.len().checked_sub(1)? / 2).copied()
    }
}

/// Marks the suspect ones among trades of one market, oldest first. `before`: the last good price.
pub fn mark_suspects(trades: &mut [Trade], before: Option<Price>) {
    let mut sanity = Sanity::default();
    let Some(first) = trades.first() else {
        return;
    };
    sanity.add(first.market);
    if let Some(price) = before {
        sanity.levels[first.market.index()].accept(price.decimal(), first.received_at);
    }
    for trade in trades {
        trade.suspect = sanity.judge_trade(trade);
    }
}

impl Level {
    fn accept(&mut self, price: Decimal, at: Timestamp) {
        if self.good.len() == GOOD {
            self.good.remove(0);
        }
        self.good.push(price);
        self.at = Some(at);
        (self.trade, self.ticker) = (None, None);
    }
}

/// Whether neither is more than half as much again as the other. Markets move by as much within a day, but
/// not from one print to the next.
fn near(a: Decimal, b: Decimal) -> bool {
    const HALF_AS_MUCH_AGAIN: Decimal = Decimal::from_parts(15, 0, 0, false, 1);
    let within = |a: Decimal, b: Decimal| {
        // What cannot be computed is beyond all sense.
        b.checked_mul(HALF_AS_MUCH_AGAIN)
            .is_some_and(|most| a <= most)
    };
    a == b || within(a, b) && within(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exchange, Origin, Side};

    fn market(exchange: &'static str) -> Market {
        Market::new(Exchange::new(exchange), "SANE", "USD")
    }

    fn sanity() -> Sanity {
        let mut sanity = Sanity::default();
        for exchange in ["sane-a", "sane-b", "sane-c", "sane-d"] {
            sanity.add(market(exchange));
        }
        sanity
    }

    fn trade(exchange: &'static str, price: &str, second: i64) -> Trade {
        let at = Timestamp::from_nanos(second * 1_000_000_000);
        Trade {
            market: market(exchange),
            id: second.unsigned_abs(),
            price: price.parse().unwrap(),
            size: "1".parse().unwrap(),
            side: Side::Buy,
            timestamp: at,
            received_at: at,
            origin: Origin::Stream,
            replayed: false,
            suspect: false,
        }
    }

    fn trades(sanity: &mut Sanity, prices: &[&str]) -> Vec<bool> {
        let judge =
            |(n, price): (usize, &&str)| sanity.judge_trade(&trade("sane-a", price, n as i64));
        prices.iter().enumerate().map(judge).collect()
    }

    fn ticker(price: &str, quotes: Option<&str>) -> Ticker {
        let quote = |text: &str| text.parse().unwrap();
        Ticker {
            price: Some(price.parse().unwrap()),
            bid: quotes.map(quote),
            ask: quotes.map(quote),
            ..Ticker::empty(market("sane-a"), Timestamp::from_nanos(0))
        }
    }

    #[test]
    fn a_lone_absurd_print_is_suspect_and_the_next_normal_one_is_not() {
        let mut sanity = sanity();
        let prices = ["100", "101", "1000", "102", "0.5", "99", "0", "100"];
        assert_eq!(
            trades(&mut sanity, &prices),
            [false, false, true, false, true, false, true, false]
        );
        assert_eq!(sanity.suspects, 3);
    }

    #[test]
    fn a_second_print_at_its_level_confirms_a_jump_and_the_old_level_is_still_known() {
        let prices = ["100", "1000", "1010", "1020", "100", "10", "9.5"];
        assert_eq!(
            trades(&mut sanity(), &prices),
            [false, true, false, false, false, true, false]
        );
    }

    #[test]
    fn two_absurd_prints_with_a_normal_one_between_them_confirm_nothing() {
        let prices = ["100", "1000", "100", "1000", "100"];
        assert_eq!(
            trades(&mut sanity(), &prices),
            [false, true, false, true, false]
        );
    }

    #[test]
    fn prices_that_differ_by_half_are_near_and_beyond_are_not() {
        let decimal = |text: &str| text.parse::<Price>().unwrap().decimal();
        assert!(near(decimal("40000"), decimal("60000.00")));
        assert!(!near(decimal("40000"), decimal("60000.01")));
        assert!(!near(decimal("0"), decimal("1")));
        let huge = Decimal::MAX;
        assert!(near(huge, huge) && !near(huge, decimal("1")));
    }

    #[test]
    fn a_crash_on_all_exchanges_passes_as_soon_as_one_of_them_has_confirmed_it() {
        let mut sanity = sanity();
        for exchange in ["sane-a", "sane-b", "sane-c"] {
            assert!(!sanity.judge_trade(&trade(exchange, "100", 1)));
        }
        assert!(sanity.judge_trade(&trade("sane-a", "50", 2)));
        assert!(!sanity.judge_trade(&trade("sane-a", "51", 3)));
        // One of two is the lower median: with it the others need no second print.
        assert!(!sanity.judge_trade(&trade("sane-b", "50", 4)));
        assert!(!sanity.judge_trade(&trade("sane-c", "49", 5)));
    }

    #[test]
    fn two_exchanges_at_the_same_new_level_confirm_each_other_at_once() {
        let mut sanity = sanity();
        for exchange in ["sane-a", "sane-b"] {
            assert!(!sanity.judge_trade(&trade(exchange, "100", 1)));
        }
        assert!(sanity.judge_trade(&trade("sane-a", "30", 2)));
        assert!(!sanity.judge_trade(&trade("sane-b", "31", 3)));
        assert!(!sanity.judge_trade(&trade("sane-a", "29", 4)));
    }

    #[test]
    fn a_first_price_is_measured_against_other_exchanges_while_these_are_live() {
        let mut sanity = sanity();
        assert!(!sanity.judge_trade(&trade("sane-a", "100", 1)));
        assert!(sanity.judge_trade(&trade("sane-b", "1000", 2)));
        assert!(!sanity.judge_trade(&trade("sane-c", "1000", 100)));
    }

    #[test]
    fn a_ticker_that_repeats_an_absurd_trade_does_not_confirm_it() {
        let mut sanity = sanity();
        assert!(!sanity.judge_ticker(&ticker("100", Some("100"))));
        assert!(sanity.judge_trade(&trade("sane-a", "1000", 1)));
        for _ in 0..3 {
            assert!(sanity.judge_ticker(&ticker("1000", Some("100"))));
        }
        assert!(sanity.judge_trade(&trade("sane-a", "5000", 2)));
        assert!(!sanity.judge_ticker(&ticker("100", Some("100"))));
    }

    #[test]
    fn a_ticker_is_confirmed_by_another_whose_quotes_have_followed_or_by_trades() {
        let mut sanity = sanity();
        assert!(!sanity.judge_ticker(&ticker("100", Some("100"))));
        assert!(sanity.judge_ticker(&ticker("1000", Some("1000"))));
        assert!(!sanity.judge_ticker(&ticker("1001", Some("1000"))));
        assert!(sanity.judge_ticker(&ticker("9", None)));
        assert!(!sanity.judge_ticker(&ticker("9", None)));
        assert!(sanity.judge_trade(&trade("sane-a", "50", 1)));
        assert!(!sanity.judge_trade(&trade("sane-a", "50", 2)));
        assert!(!sanity.judge_ticker(&ticker("50", Some("9"))));
    }
}
