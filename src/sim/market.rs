//! One listed pair: its ledger of trades, best quote and 24-hour statistics.
use super::{
    bars::Source,
    config::{Listing, Status, Venue},
    dec::{Dec, pow10},
    past::Past,
};
use std::sync::Arc;

/// The side of the aggressor (taker).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The aggressor bought.
    Buy,
    /// The aggressor sold.
    Sell,
}

impl Side {
    /// `buy` or `sell`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }

    pub(super) fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// A trade as the exchange knows it: the truth to compare a client's output with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerTrade {
    /// Canonical, `BTC/USD`.
    pub symbol: String,
    /// One more than the id before it.
    pub id: u64,
    /// The digits sent on the socket, trailing zeros included.
    pub price: String,
    /// The digits sent on the socket, trailing zeros included; an exponent is written out.
    pub size: String,
    /// Aggressor side.
    pub side: Side,
    /// UTC, in the venue's resolution (ms on Binance, µs elsewhere).
    pub time_ns: i64,
}

/// What never changes about a pair.
#[derive(Debug)]
pub(super) struct Info {
    pub base: String,
    pub quote: String,
    /// `BTC/USD`.
    pub canonical: String,
    /// What sockets call it.
    pub native: String,
    pub price_decimals: u32,
    pub size_decimals: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Trade {
    pub id: u64,
    pub price: Dec,
    pub size: Dec,
    /// Sent with an exponent where the wire type is a number.
    pub exponent: bool,
    pub side: Side,
    pub time_ns: i64,
    pub sequence: u64,
}

impl Trade {
    /// The size as a bare JSON number.
    pub fn size_number(&self) -> String {
        if self.exponent {
            format!("{}e-{:02}", self.size.units, self.size.scale)
        } else {
            self.size.to_string()
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Quote {
    pub bid: Dec,
    pub bid_size: Dec,
    pub ask: Dec,
    pub ask_size: Dec,
    pub book_id: u64,
}

/// Seconds.
const DAY: i64 = 86_400;
/// Decimals of the volume sums, enough for every size a trade can have.
pub(super) const VOLUME_SCALE: u32 = 18;

/// Start values with all trades of the ledger folded in. The open never moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stats {
    pub open: Dec,
    /// Open of the UTC day: another price than `open`, so that mixing them up shows.
    pub today_open: Dec,
    pub high: Dec,
    pub low: Dec,
    pub last: Dec,
    pub start_volume: Dec,
    pub volume: Dec,
    pub quote_volume: Dec,
    pub first_id: u64,
    pub count: u64,
    pub sequence: u64,
}

impl Stats {
    pub fn change(&self) -> Dec {
        Dec::new(self.last.units - self.open.units, self.last.scale)
    }

    pub fn change_percent(&self, scale: u32) -> Dec {
        let change = self.change();
        Dec::new(change.units * 100, change.scale).divide(self.open, scale)
    }

    pub fn vwap(&self, scale: u32) -> Dec {
        // fewer digits first: the quotient's numerator must fit 128 bits
        self.quote_volume
            .rescale(8)
            .divide(self.volume.rescale(8), scale)
    }

    fn fold(&mut self, trade: &Trade) {
        let price = trade.price;
        self.last = price;
        self.high.units = self.high.units.max(price.units);
        self.low.units = self.low.units.min(price.units);
        let size = trade.size.rescale(VOLUME_SCALE).units;
        self.volume.units += size;
        self.quote_volume.units += size * price.units;
        self.count += 1;
        self.sequence = trade.sequence;
    }
}

/// A trade and the market just after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    pub trade: Trade,
    pub quote: Quote,
    pub stats: Stats,
}

/// The state of a pair at one moment.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub info: Arc<Info>,
    pub status: Status,
    pub quote: Quote,
    pub stats: Stats,
    pub last: Option<Trade>,
}

impl View {
    /// Id of the last trade; 0 when there was none.
    pub fn last_id(&self) -> u64 {
        self.last.map_or(0, |trade| trade.id)
    }
}

#[derive(Debug)]
pub(super) struct Market {
    pub info: Arc<Info>,
    pub status: Status,
    pub ledger: Vec<Trade>,
    past: Option<Past>,
    venue: Venue,
    quote: Quote,
    stats: Stats,
    next_id: u64,
    rng: fastrand::Rng,
}

impl Market {
    /// Invariant of the configuration: `listing.price` is a plain decimal.
    pub fn new(venue: Venue, listing: &Listing, seed: u64, first_id: u64) -> Self {
        let Listing { base, quote, .. } = listing;
        let native = match venue {
            Venue::Binance => format!("{base}{quote}"),
            Venue::Coinbase => format!("{base}-{quote}"),
            Venue::Kraken => format!("{base}/{quote}"),
        };
        let info = Info {
            base: base.clone(),
            quote: quote.clone(),
            canonical: format!("{base}/{quote}"),
            native,
            price_decimals: listing.price_decimals,
            size_decimals: listing.size_decimals,
        };
        let scale = wire_scale(venue, listing.price_decimals);
        let price = Dec::parse(listing.price)
            .expect("a listing's price is a plain decimal")
            .rescale(scale);
        // each pair walks its own way whatever else is listed
        let mut rng = fastrand::Rng::with_seed(salted(seed, &info.canonical));
        let tick = pow10(scale - listing.price_decimals);
        let stats = start_stats(price, tick, first_id, &mut rng);
        let size = Dec::new(1, 0).rescale(wire_scale(venue, listing.size_decimals));
        let bid = Dec::new(price.units - tick, scale);
        let quote = Quote {
            bid,
            bid_size: size,
            ask: price,
            ask_size: size,
            book_id: 7_000_000,
        };
        Self {
            info: Arc::new(info),
            status: listing.status,
            ledger: Vec::new(),
            past: None,
            venue,
            quote,
            stats,
            next_id: first_id,
            rng,
        }
    }

    /// Begins the ledger in this second, with so many minutes of candles before it.
    pub fn begin(&mut self, second: i64, minutes: u64, seed: u64) {
        if minutes == 0 {
            return;
        }
        let seed = salted(seed, &self.info.canonical);
        let (price, decimals) = (self.stats.last, self.info.size_decimals);
        let past = Past::new(seed, minutes, second, price, self.tick(), decimals);
        // the statistics and the candles speak of the same day
        self.stats.open = past.close_before(second - DAY);
        self.past = Some(past);
    }

    /// What its candles are made of.
    pub fn source(&self) -> Source<'_> {
        Source {
            ledger: &self.ledger,
            past: self.past.as_ref(),
            start: self.stats.open,
        }
    }

    pub fn view(&self) -> View {
        View {
            info: Arc::clone(&self.info),
            status: self.status,
            quote: self.quote,
            stats: self.stats,
            last: self.ledger.last().copied(),
        }
    }

    /// Makes one trade at about `now_ns`.
    pub fn trade(&mut self, now_ns: i64, edge_cases: bool) -> Tick {
        let time_ns = self.next_time(now_ns);
        let price = self.next_price();
        self.make(price, time_ns, edge_cases)
    }

    /// The same at a given price.
    pub fn trade_at(&mut self, price: Dec, now_ns: i64) -> Tick {
        let time_ns = self.next_time(now_ns);
        self.make(price, time_ns, false)
    }

    /// The same at this very time, which is not before the newest trade.
    pub fn trade_then(&mut self, price: Dec, time_ns: i64) -> Tick {
        let time_ns = time_ns - time_ns.rem_euclid(self.resolution());
        let newest = self.ledger.last().map(|trade| trade.time_ns);
        assert!(
            newest <= Some(time_ns),
            "a trade at {time_ns} would come before the newest"
        );
        self.make(price, time_ns, false)
    }

    /// Reads a price as this pair writes it.
    pub fn price(&self, text: &str) -> Option<Dec> {
        Some(Dec::parse(text)?.rescale(self.stats.last.scale))
    }

    fn make(&mut self, price: Dec, time_ns: i64, edge_cases: bool) -> Tick {
        let (size, exponent) = self.next_size(edge_cases);
        let side = if self.rng.bool() {
            Side::Buy
        } else {
            Side::Sell
        };
        let (id, sequence) = (self.next_id, self.stats.sequence + 1 + self.rng.u64(0..40));
        self.next_id += 1;
        let trade = Trade {
            id,
            price,
            size,
            exponent,
            side,
            time_ns,
            sequence,
        };
        self.ledger.push(trade);
        self.stats.fold(&trade);
        self.requote(price, side);
        Tick {
            trade,
            quote: self.quote,
            stats: self.stats,
        }
    }

    /// Moves the best sizes, and the far price, without a trade.
    pub fn move_quote(&mut self) {
        let side = if self.rng.bool() {
            Side::Buy
        } else {
            Side::Sell
        };
        self.requote(self.stats.last, side);
    }

    pub fn ledger_trade(&self, trade: &Trade) -> LedgerTrade {
        LedgerTrade {
            symbol: self.info.canonical.clone(),
            id: trade.id,
            price: trade.price.to_string(),
            size: trade.size.to_string(),
            side: trade.side,
            time_ns: trade.time_ns,
        }
    }

    /// The last price is the ask after a buy and the bid after a sell.
    fn requote(&mut self, last: Dec, side: Side) {
        let spread = self.tick() * self.rng.i128(1..=3);
        let (bid, ask) = match side {
            Side::Buy => (last.units - spread, last.units),
            Side::Sell => (last.units, last.units + spread),
        };
        self.quote = Quote {
            bid: Dec::new(bid, last.scale),
            bid_size: self.quote_size(),
            ask: Dec::new(ask, last.scale),
            ask_size: self.quote_size(),
            book_id: self.quote.book_id + 1 + self.rng.u64(0..9),
        };
    }

    /// Of times, in ns.
    fn resolution(&self) -> i64 {
        match self.venue {
            Venue::Binance => 1_000_000,
            Venue::Coinbase | Venue::Kraken => 1_000,
        }
    }

    /// Never earlier than the trade before; trades made together often share their time.
    fn next_time(&mut self, now_ns: i64) -> i64 {
        let step = self.resolution();
        let now = now_ns - now_ns.rem_euclid(step);
        let Some(last) = self.ledger.last().map(|trade| trade.time_ns) else {
            return now;
        };
        let apart = last >= now && last < now + 3 * step && self.rng.bool();
        last.max(now) + if apart { step } else { 0 }
    }

    /// A small step up or down that stays clear of zero.
    fn next_price(&mut self) -> Dec {
        let (last, tick) = (self.stats.last, self.tick());
        let unit = (last.units / 40_000 / tick).max(1) * tick;
        let moved = last.units + unit * self.rng.i128(-3..=3);
        Dec::new(moved.max(10 * tick), last.scale)
    }

    fn next_size(&mut self, edge_cases: bool) -> (Dec, bool) {
        if !edge_cases || !self.rng.bool() {
            return (self.plain_size(), false);
        }
        match self.rng.u8(0..4) {
            0 => (
                Dec::new(self.rng.i128(1..=9), 8),
                self.venue == Venue::Kraken,
            ),
            1 => (Dec::new(0, 8), false),
            2 => (Dec::new(self.rng.i128(1..=pow10(18)), 18), false),
            _ => (Dec::new(self.rng.i128(1..=40), 0), false),
        }
    }

    /// Large enough to survive the 3 decimals of Kraken's REST ticker.
    fn quote_size(&mut self) -> Dec {
        let decimals = self.info.size_decimals;
        let least = pow10(decimals.saturating_sub(2));
        let units = self.rng.i128(least..=5 * pow10(decimals));
        Dec::new(units, decimals).pad(wire_scale(self.venue, decimals))
    }

    fn plain_size(&mut self) -> Dec {
        let decimals = self.info.size_decimals;
        let digits = self.rng.u32(0..=decimals);
        let units = self.rng.i128(1..=5 * pow10(digits));
        Dec::new(units, decimals).pad(wire_scale(self.venue, decimals))
    }

    /// The price tick in units of the wire scale.
    fn tick(&self) -> i128 {
        pow10(self.stats.last.scale - self.info.price_decimals)
    }
}

/// A seed that differs from pair to pair.
fn salted(seed: u64, symbol: &str) -> u64 {
    symbol.bytes().fold(seed, |hash, byte| {
        hash.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte)
    })
}

/// Digits after the point on the socket: Binance always sends 8, whatever the tick is.
fn wire_scale(venue: Venue, decimals: u32) -> u32 {
    match venue {
        Venue::Binance => decimals.max(8),
        Venue::Coinbase | Venue::Kraken => decimals,
    }
}

/// Prices of the day before the ledger begins.
fn start_stats(price: Dec, tick: i128, first_id: u64, rng: &mut fastrand::Rng) -> Stats {
    let mut near = |per_mille: std::ops::RangeInclusive<i128>| {
        let moved = price.units * (1000 + rng.i128(per_mille)) / 1000;
        Dec::new((moved / tick).max(10) * tick, price.scale)
    };
    let (open, today_open) = (near(-30..=-10), near(5..=12));
    let (high, low) = (near(15..=30), near(-45..=-35));
    let volume = Dec::new(rng.i128(1000..=9000), 0).rescale(VOLUME_SCALE);
    let scale = VOLUME_SCALE + price.scale;
    Stats {
        open,
        today_open,
        high,
        low,
        last: price,
        start_volume: volume,
        volume,
        quote_volume: Dec::new(volume.units * open.units, scale),
        first_id,
        count: 0,
        sequence: 93_000_000_000,
    }
}
