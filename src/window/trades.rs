//! The newest trades of a market.

use crate::model::{Market, Origin, Side, Timestamp, Trade};

use super::column::{Decimals, Slots, bytes, put};

/// The newest trades of one market, at most as many as its capacity: 43 bytes each, as long as no number has more
/// than 18 digits. They come back as they were put in.
#[derive(Debug, Clone)]
pub struct TradeWindow {
    market: Market,
    pub(super) slots: Slots,
    pub(super) ids: Vec<u64>,
    pub(super) prices: Decimals,
    pub(super) sizes: Decimals,
    timestamps: Vec<i64>,
    received_at: Vec<i64>,
    marks: Vec<u8>,
    /// The latest time so far, and how far behind it one came: exchanges number trades in another order than they
    /// time them.
    latest: i64,
    disorder: i64,
}

const SELL: u8 = 1;
const REPLAYED: u8 = 2;
const SUSPECT: u8 = 4;
/// Where the origin begins.
const ORIGIN: u8 = 3;

impl TradeWindow {
    /// An empty one for so many trades, at least 1. The memory is reserved at once and used as trades come.
    pub fn new(market: Market, capacity: usize) -> Self {
        let slots = Slots::new(capacity);
        let capacity = slots.capacity();
        Self {
            market,
            slots,
            ids: Vec::with_capacity(capacity),
            prices: Decimals::new(capacity),
            sizes: Decimals::new(capacity),
            timestamps: Vec::with_capacity(capacity),
            received_at: Vec::with_capacity(capacity),
            marks: Vec::with_capacity(capacity),
            latest: i64::MIN,
            disorder: 0,
        }
    }

    /// Whose trades.
    pub fn market(&self) -> Market {
        self.market
    }

    /// How many it can hold.
    pub fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the next trade of the market; where all places are taken the oldest goes.
    pub fn push(&mut self, trade: &Trade) {
        debug_assert_eq!(trade.market, self.market);
        let slot = self.slots.next();
        let time = trade.timestamp.nanos();
        self.disorder = self.disorder.max(self.latest.saturating_sub(time));
        self.latest = self.latest.max(time);
        put(&mut self.ids, slot, trade.id);
        self.prices.put(slot, trade.price.decimal());
        self.sizes.put(slot, trade.size.decimal());
        put(&mut self.timestamps, slot, time);
        put(&mut self.received_at, slot, trade.received_at.nanos());
        put(&mut self.marks, slot, marks(trade));
    }

    /// The newest `n`, or all where there are fewer, the oldest first.
    pub fn newest(&self, n: usize) -> impl DoubleEndedIterator<Item = Trade> + ExactSizeIterator {
        self.slots.newest(n).map(|at| self.get(self.slots.slot(at)))
    }

    /// Those of this time span, its end not included, in the order they came in.
    pub fn range(&self, from: Timestamp, until: Timestamp) -> impl Iterator<Item = Trade> {
        // Wider by what the times are in disorder, so that none is missed on either side of a found place.
        let time = |slot: usize| self.timestamps[slot];
        let first = from.plus_nanos(-self.disorder).nanos();
        let last = until.plus_nanos(self.disorder).nanos();
        let first = self.slots.boundary(|slot| time(slot) < first);
        let last = self.slots.boundary(|slot| time(slot) < last);
        let slots = (first..last).map(|at| self.slots.slot(at));
        let span = from.nanos()..until.nanos();
        let within = slots.filter(move |slot| span.contains(&time(*slot)));
        within.map(|slot| self.get(slot))
    }

    /// Forgets all trades.
    pub fn clear(&mut self) {
        *self = Self::new(self.market, self.capacity());
    }

    /// What it holds of memory.
    pub fn bytes(&self) -> usize {
        let times = bytes(&self.timestamps) + bytes(&self.received_at);
        let numbers = self.prices.bytes() + self.sizes.bytes();
        size_of::<Self>() + times + numbers + bytes(&self.ids) + bytes(&self.marks)
    }

    #[inline]
    fn get(&self, slot: usize) -> Trade {
        let marks = self.marks[slot];
        Trade {
            market: self.market,
            id: self.ids[slot],
            price: self.prices.get(slot).into(),
            size: self.sizes.get(slot).into(),
            side: if marks & SELL == 0 {
                Side::Buy
            } else {
                Side::Sell
            },
            timestamp: Timestamp::from_nanos(self.timestamps[slot]),
            received_at: Timestamp::from_nanos(self.received_at[slot]),
            origin: origin(marks >> ORIGIN),
            replayed: marks & REPLAYED != 0,
            suspect: marks & SUSPECT != 0,
        }
    }
}

fn marks(trade: &Trade) -> u8 {
    let mark = |is_set: bool, mark: u8| if is_set { mark } else { 0 };
    mark(trade.side == Side::Sell, SELL)
        | mark(trade.replayed, REPLAYED)
        | mark(trade.suspect, SUSPECT)
        | origin_bits(trade.origin) << ORIGIN
}

/// Two bits.
pub(super) fn origin_bits(origin: Origin) -> u8 {
    match origin {
        Origin::Stream => 0,
        Origin::Repair => 1,
        Origin::History => 2,
    }
}

pub(super) fn origin(bits: u8) -> Origin {
    match bits {
        0 => Origin::Stream,
        1 => Origin::Repair,
        _ => Origin::History,
    }
}
