//! The time before a ledger: minutes whose every number follows from the seed and their place in time, so that years
//! of them need no storage and any of them is at hand at once.
use super::{
    bars::Bar,
    dec::{Dec, pow10},
    market::VOLUME_SCALE,
};

const MINUTE: i64 = 60;
/// How far apart the points of each wave are, in minutes, and how far they lie from the mean, in 10^-9 of the price.
/// Longer waves are higher, as in a random walk; together they stay clear of zero.
const WAVES: [(i64, i64); 5] = [
    (1, 300_000),
    (16, 1_200_000),
    (256, 4_800_000),
    (4_096, 19_000_000),
    (65_536, 77_000_000),
];
const BILLION: i64 = 1_000_000_000;
/// One minute of so many is without trades, and one half hour of so many.
const QUIET_MINUTE: u64 = 41;
const QUIET_HALF_HOUR: u64 = 173;

/// Mixes all bits: SplitMix64's output function.
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A number that depends on both.
fn draw(seed: u64, place: i64) -> u64 {
    mix(seed ^ place.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The market of one pair before its ledger. All trades of a minute are in its first second.
#[derive(Debug)]
pub(super) struct Past {
    seed: u64,
    /// Minutes since the epoch: the first, and the one after the last.
    begin: i64,
    end: i64,
    /// The price at the end, in ticks.
    price: i64,
    /// A tick, with the digits of the wire.
    tick: Dec,
    size_decimals: u32,
    /// The waves at the end.
    level: i64,
}

impl Past {
    /// So many minutes, until the minute of this second begins; the last of them ends at this price.
    pub fn new(seed: u64, minutes: u64, until: i64, price: Dec, tick: i128, decimals: u32) -> Self {
        let end = until.div_euclid(MINUTE);
        let mut past = Self {
            seed,
            begin: end - i64::try_from(minutes).unwrap_or(0),
            end,
            price: i64::try_from(price.units / tick).unwrap_or(i64::MAX / BILLION),
            tick: Dec::new(tick, price.scale),
            size_decimals: decimals,
            level: 0,
        };
        past.level = past.waves(end);
        past
    }

    /// Its first second.
    pub fn begin(&self) -> i64 {
        self.begin * MINUTE
    }

    /// The last price before this second.
    pub fn close_before(&self, second: i64) -> Dec {
        let mut minute = -(-second).div_euclid(MINUTE);
        minute = minute.clamp(self.begin, self.end);
        while minute > self.begin && self.is_quiet(minute - 1) {
            minute -= 1;
        }
        self.dec(self.price_at(minute))
    }

    /// Adds what was traded from the bar's beginning until a second.
    pub fn add_to(&self, bar: &mut Bar, until: i64) {
        let first = -(-bar.time).div_euclid(MINUTE);
        let after = -(-until).div_euclid(MINUTE);
        let first = first.max(self.begin);
        if first >= after.min(self.end) {
            return;
        }
        let mut open = self.price_at(first);
        for minute in first..after.min(self.end) {
            let close = self.price_at(minute + 1);
            if !self.is_quiet(minute) {
                bar.add_part(&self.minute(minute, open, close));
            }
            open = close;
        }
    }

    fn is_quiet(&self, minute: i64) -> bool {
        let at_an_end = minute == self.begin || minute + 1 == self.end;
        let alone = draw(self.seed ^ 1, minute).is_multiple_of(QUIET_MINUTE);
        let long = || draw(self.seed ^ 2, minute.div_euclid(30)).is_multiple_of(QUIET_HALF_HOUR);
        !at_an_end && (alone || long())
    }

    /// Some way from the mean, in 10^-9 of the price.
    fn waves(&self, minute: i64) -> i64 {
        let wave = |(index, (apart, height)): (u64, (i64, i64))| {
            let (before, beyond) = (minute.div_euclid(apart), minute.rem_euclid(apart));
            let point = |place| {
                let drawn = draw(self.seed.wrapping_add(index << 32), place) >> 33;
                // 31 bits, as a part of the height to either side
                ((drawn.cast_signed() - (1 << 30)) * (height >> 8)) >> 22
            };
            let here = point(before);
            match beyond {
                0 => here,
                _ => here + (point(before + 1) - here) * beyond / apart,
            }
        };
        (0..).zip(WAVES).map(wave).sum()
    }

    /// The price at the beginning of a minute, in ticks.
    fn price_at(&self, minute: i64) -> i64 {
        let moved = i128::from(self.price) * i128::from(self.waves(minute) - self.level);
        let moved = i64::try_from(moved / i128::from(BILLION)).unwrap_or(0);
        (self.price + moved).max(10)
    }

    fn dec(&self, ticks: i64) -> Dec {
        Dec::new(i128::from(ticks) * self.tick.units, self.tick.scale)
    }

    fn minute(&self, minute: i64, open: i64, close: i64) -> Bar {
        let bits = draw(self.seed ^ 3, minute);
        let part = |shift: u32| ((bits >> shift) & 0xff).cast_signed();
        let wick = 1 + open / 3_000;
        let high = open.max(close) + wick * part(0) / 256;
        let low = (open.min(close) - wick * part(8) / 256).max(1);
        // enough for the four prices to be of different trades
        let count = 4 + (bits >> 16) % 60;
        let size = 1 + (bits >> 24) % 10_u64.pow(self.size_decimals.min(18));
        let volume =
            i128::from(count) * i128::from(size) * pow10(VOLUME_SCALE - self.size_decimals);
        let taker_volume = volume * i128::from(part(48)) / 256;
        let mean = i128::from(open.midpoint(close)) * self.tick.units;
        let quote_scale = VOLUME_SCALE + self.tick.scale;
        Bar {
            time: minute * MINUTE,
            open: self.dec(open),
            high: self.dec(high),
            low: self.dec(low),
            close: self.dec(close),
            volume: Dec::new(volume, VOLUME_SCALE),
            quote_volume: Dec::new(volume * mean, quote_scale),
            taker_volume: Dec::new(taker_volume, VOLUME_SCALE),
            taker_quote: Dec::new(taker_volume * mean, quote_scale),
            count,
            ids: None,
        }
    }
}
