//! The random walk behind the mock. Whole numbers only, so that it is the same on every machine.

use crate::model::{
    Decimal, Instrument, Market, Origin, Price, Qty, Side, Ticker, Timestamp, Trade,
};

use super::{EXCHANGE, past::Past};

/// What the mock lists, with a price to start from.
pub(super) struct Listing {
    pub base: &'static str,
    /// In units of the last decimal.
    pub price: i64,
    pub decimals: u32,
    /// A usual size, in units of 10^-4.
    pub size: i64,
}

/// All against USD.
pub(super) const LISTINGS: [Listing; 7] = [
    Listing {
        base: "BTC",
        price: 9_700_000,
        decimals: 2,
        size: 300,
    },
    Listing {
        base: "ETH",
        price: 340_000,
        decimals: 2,
        size: 8_000,
    },
    Listing {
        base: "ADA",
        price: 75_000,
        decimals: 5,
        size: 20_000_000,
    },
    Listing {
        base: "DOT",
        price: 65_000,
        decimals: 4,
        size: 2_000_000,
    },
    Listing {
        base: "LINK",
        price: 175_000,
        decimals: 4,
        size: 800_000,
    },
    Listing {
        base: "SOL",
        price: 19_000,
        decimals: 2,
        size: 100_000,
    },
    Listing {
        base: "DOGE",
        price: 35_000,
        decimals: 5,
        size: 40_000_000,
    },
];

pub(super) const SIZE_DECIMALS: u32 = 4;
/// Largest move of one tick, in millionths of the price.
const MOVE: i64 = 250;

impl Listing {
    pub fn instrument(&self) -> Instrument {
        let mut instrument =
            Instrument::new(EXCHANGE, self.base, "USD", format!("{}-USD", self.base));
        instrument.tick_size = Some(Decimal::new(1, self.decimals).into());
        instrument.lot_size = Some(Decimal::new(1, SIZE_DECIMALS).into());
        instrument.min_notional = Some(Decimal::ONE);
        instrument.status_text = "trading".into();
        instrument
    }
}

/// One symbol's market.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    market: Market,
    random: fastrand::Rng,
    decimals: u32,
    usual_size: i64,
    price: i64,
    open: i64,
    high: i64,
    low: i64,
    volume: i64,
    quote_volume: i128,
    id: u64,
}

impl Walk {
    /// The market of the listing at `place`. Each has its own numbers, whichever others run beside it.
    pub fn new(market: Market, place: usize, seed: u64) -> Self {
        let listing = &LISTINGS[place];
        let mut random = fastrand::Rng::with_seed(seed_of(place, seed));
        let price = listing.price + listing.price * random.i64(-20_000..=20_000) / 1_000_000;
        let open = listing.price + listing.price * random.i64(-30_000..=30_000) / 1_000_000;
        let (high, low) = (price.max(open), price.min(open));
        let volume = listing.size * random.i64(40_000..60_000);
        Self {
            market,
            decimals: listing.decimals,
            usual_size: listing.size,
            price,
            open,
            high: high + high * random.i64(500..9_000) / 1_000_000,
            low: low - low * random.i64(500..9_000) / 1_000_000,
            volume,
            quote_volume: i128::from(volume) * i128::from((high + low) / 2),
            id: 0,
            random,
        }
    }

    /// What led to the price it begins with, until this moment. Of a walk that has not begun.
    pub fn past(&self, place: usize, seed: u64, end: Timestamp) -> Past {
        Past::new(
            self.market,
            &LISTINGS[place],
            seed_of(place, seed),
            self.price,
            end,
        )
    }

    /// The next trade at this time, and the ticker after it.
    pub fn next(&mut self, at: Timestamp) -> (Trade, Ticker) {
        // Two draws: small moves are more frequent than large ones.
        let millionths = (self.random.i64(-MOVE..=MOVE) + self.random.i64(-MOVE..=MOVE)) / 2;
        self.price =
            (self.price + self.price * millionths / 1_000_000 + self.random.i64(-1..=1)).max(1);
        let size = 1 + self.usual_size * self.random.i64(1..2_000) / 1_000
            * self.random.i64(1..1_000)
            / 1_000;
        let side = if self.random.bool() {
            Side::Buy
        } else {
            Side::Sell
        };
        self.id += 1;
        self.high = self.high.max(self.price);
        self.low = self.low.min(self.price);
        self.volume += size;
        self.quote_volume += i128::from(size) * i128::from(self.price);
        (self.trade(size, side, at), self.ticker(side, at))
    }

    fn trade(&self, size: i64, side: Side, at: Timestamp) -> Trade {
        Trade {
            market: self.market,
            id: self.id,
            price: self.priced(self.price),
            size: sized(size),
            side,
            timestamp: at,
            received_at: at,
            origin: Origin::Stream,
            replayed: false,
            suspect: false,
        }
    }

    fn ticker(&mut self, side: Side, at: Timestamp) -> Ticker {
        let spread = 1 + self.random.i64(0..=self.price / 40_000);
        // A buy happened at the ask, a sell at the bid.
        let (bid, ask) = match side {
            Side::Buy => (self.price - spread, self.price),
            Side::Sell => (self.price, self.price + spread),
        };
        let mut depth = || sized(1 + self.usual_size * self.random.i64(100..8_000) / 1_000);
        let (bid_size, ask_size) = (depth(), depth());
        let mut ticker = Ticker {
            price: Some(self.priced(self.price)),
            bid: Some(self.priced(bid.max(1))),
            bid_size: Some(bid_size),
            ask: Some(self.priced(ask)),
            ask_size: Some(ask_size),
            open_24h: Some(self.priced(self.open)),
            high_24h: Some(self.priced(self.high)),
            low_24h: Some(self.priced(self.low)),
            volume_24h: Some(sized(self.volume)),
            quote_volume_24h: Decimal::try_from_i128_with_scale(
                self.quote_volume,
                self.decimals + SIZE_DECIMALS,
            )
            .ok()
            .map(Qty::from),
            timestamp: Some(at),
            ..Ticker::empty(self.market, at)
        };
        ticker.derive();
        ticker
    }

    fn priced(&self, units: i64) -> Price {
        Decimal::new(units, self.decimals).into()
    }
}

/// Each listing has a seed of its own.
fn seed_of(place: usize, seed: u64) -> u64 {
    seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(place as u64)
}

fn sized(units: i64) -> Qty {
    Decimal::new(units, SIZE_DECIMALS).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(place: usize, seed: u64) -> Walk {
        Walk::new(LISTINGS[place].instrument().market, place, seed)
    }

    #[test]
    fn the_same_seed_gives_the_same_market_and_another_seed_another() {
        let run = |seed| {
            let mut walk = walk(0, seed);
            (0..100)
                .map(|n| walk.next(Timestamp::from_nanos(n)))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn tickers_are_consistent_and_prices_stay_in_sight() {
        for (place, listing) in LISTINGS.iter().enumerate() {
            let mut walk = walk(place, 3);
            for n in 0..20_000 {
                let (trade, t) = walk.next(Timestamp::from_nanos(n));
                assert_eq!((trade.id, Some(trade.price)), (n as u64 + 1, t.price));
                assert!(
                    t.bid < t.ask && t.bid <= t.price && t.price <= t.ask,
                    "{t:?}"
                );
                assert!(
                    t.low_24h <= t.price
                        && t.price <= t.high_24h
                        && trade.size > Decimal::ZERO.into(),
                    "{t:?}"
                );
            }
            assert!(walk.price > listing.price / 3 && walk.price < listing.price * 3);
        }
    }
}
