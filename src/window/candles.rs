//! The newest candles of a market.

use crate::model::{Candle, Interval, Market, Timestamp};

use super::column::{Decimals, Slots, bytes, put};
use super::trades::{origin, origin_bits};

/// The newest candles of one market and length, at most as many as its capacity, the forming one included. They come
/// back as they were put in.
#[derive(Debug, Clone)]
pub struct CandleWindow {
    market: Market,
    interval: Interval,
    pub(super) slots: Slots,
    open_times: Vec<i64>,
    pub(super) open: Decimals,
    pub(super) high: Decimals,
    pub(super) low: Decimals,
    pub(super) close: Decimals,
    pub(super) volume: Decimals,
    quote_volume: Decimals,
    trades: Vec<u64>,
    timestamps: Vec<i64>,
    received_at: Vec<i64>,
    marks: Vec<u8>,
}

const CLOSED: u8 = 1;
const COMPLETE: u8 = 2;
const HAS_QUOTE_VOLUME: u8 = 4;
const HAS_TRADES: u8 = 8;
const HAS_TIMESTAMP: u8 = 16;
/// Where the origin begins.
const ORIGIN: u8 = 5;

impl CandleWindow {
    /// An empty one for so many candles, at least 1.
    pub fn new(market: Market, interval: Interval, capacity: usize) -> Self {
        let slots = Slots::new(capacity);
        let capacity = slots.capacity();
        Self {
            market,
            interval,
            slots,
            open_times: Vec::with_capacity(capacity),
            open: Decimals::new(capacity),
            high: Decimals::new(capacity),
            low: Decimals::new(capacity),
            close: Decimals::new(capacity),
            volume: Decimals::new(capacity),
            quote_volume: Decimals::new(capacity),
            trades: Vec::with_capacity(capacity),
            timestamps: Vec::with_capacity(capacity),
            received_at: Vec::with_capacity(capacity),
            marks: Vec::with_capacity(capacity),
        }
    }

    /// Whose candles.
    pub fn market(&self) -> Market {
        self.market
    }

    /// Their length.
    pub fn interval(&self) -> Interval {
        self.interval
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

    /// Takes the next candle, or the newest one anew where the open time is the same; where all places are taken the
    /// oldest goes. One from before the newest is not taken: `false`.
    pub fn push(&mut self, candle: &Candle) -> bool {
        debug_assert_eq!(
            (candle.market, candle.interval),
            (self.market, self.interval)
        );
        let open_time = candle.open_time.nanos();
        let newest = self.slots.newest(1).next().map(|at| self.slots.slot(at));
        let slot = match newest.map(|slot| (slot, open_time.cmp(&self.open_times[slot]))) {
            Some((_, std::cmp::Ordering::Less)) => return false,
            Some((slot, std::cmp::Ordering::Equal)) => slot,
            Some((_, std::cmp::Ordering::Greater)) | None => self.slots.next(),
        };
        self.put(slot, candle);
        true
    }

    /// The newest `n`, or all where there are fewer, the oldest first.
    pub fn newest(&self, n: usize) -> impl DoubleEndedIterator<Item = Candle> + ExactSizeIterator {
        self.slots.newest(n).map(|at| self.get(self.slots.slot(at)))
    }

    /// Those that open in this time span, its end not included, the oldest first.
    pub fn range(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> impl DoubleEndedIterator<Item = Candle> + ExactSizeIterator {
        let before = |moment: Timestamp| move |slot: usize| self.open_times[slot] < moment.nanos();
        let first = self.slots.boundary(before(from));
        let last = self.slots.boundary(before(until)).max(first);
        (first..last).map(|at| self.get(self.slots.slot(at)))
    }

    /// Forgets all candles.
    pub fn clear(&mut self) {
        *self = Self::new(self.market, self.interval, self.capacity());
    }

    /// What it holds of memory.
    pub fn bytes(&self) -> usize {
        let decimals = [
            &self.open,
            &self.high,
            &self.low,
            &self.close,
            &self.volume,
            &self.quote_volume,
        ];
        let times = [&self.open_times, &self.timestamps, &self.received_at];
        size_of::<Self>()
            + decimals.map(Decimals::bytes).iter().sum::<usize>()
            + times.map(bytes).iter().sum::<usize>()
            + bytes(&self.trades)
            + bytes(&self.marks)
    }

    fn put(&mut self, slot: usize, candle: &Candle) {
        let quote_volume = candle.quote_volume.map(|volume| volume.decimal());
        let timestamp = candle.timestamp.map(Timestamp::nanos);
        put(&mut self.open_times, slot, candle.open_time.nanos());
        self.open.put(slot, candle.open.decimal());
        self.high.put(slot, candle.high.decimal());
        self.low.put(slot, candle.low.decimal());
        self.close.put(slot, candle.close.decimal());
        self.volume.put(slot, candle.volume.decimal());
        self.quote_volume
            .put(slot, quote_volume.unwrap_or_default());
        put(&mut self.trades, slot, candle.trades.unwrap_or_default());
        put(&mut self.timestamps, slot, timestamp.unwrap_or_default());
        put(&mut self.received_at, slot, candle.received_at.nanos());
        put(&mut self.marks, slot, marks(candle));
    }

    fn get(&self, slot: usize) -> Candle {
        let marks = self.marks[slot];
        let has = |mark: u8| marks & mark != 0;
        let time = |column: &[i64]| Timestamp::from_nanos(column[slot]);
        Candle {
            market: self.market,
            interval: self.interval,
            open_time: time(&self.open_times),
            open: self.open.get(slot).into(),
            high: self.high.get(slot).into(),
            low: self.low.get(slot).into(),
            close: self.close.get(slot).into(),
            volume: self.volume.get(slot).into(),
            quote_volume: has(HAS_QUOTE_VOLUME).then(|| self.quote_volume.get(slot).into()),
            trades: has(HAS_TRADES).then(|| self.trades[slot]),
            closed: has(CLOSED),
            complete: has(COMPLETE),
            origin: origin(marks >> ORIGIN),
            timestamp: has(HAS_TIMESTAMP).then(|| time(&self.timestamps)),
            received_at: time(&self.received_at),
        }
    }
}

fn marks(candle: &Candle) -> u8 {
    let mark = |is_set: bool, mark: u8| if is_set { mark } else { 0 };
    mark(candle.closed, CLOSED)
        | mark(candle.complete, COMPLETE)
        | mark(candle.quote_volume.is_some(), HAS_QUOTE_VOLUME)
        | mark(candle.trades.is_some(), HAS_TRADES)
        | mark(candle.timestamp.is_some(), HAS_TIMESTAMP)
        | origin_bits(candle.origin) << ORIGIN
}
