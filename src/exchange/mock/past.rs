//! Candles from before the walk begins. Every minute follows from the seed and its place in time alone, so any of
//! them is at hand at once; longer candles are made of minutes. Whole numbers only, as in the walk.

use crate::feed::{Page, Span};
use crate::model::{Candle, Decimal, Interval, Market, Origin, Price, Qty, Timestamp};

use super::walk::{Listing, SIZE_DECIMALS};

const MINUTE: i64 = Interval::M1.nanos();
const MILLION: i64 = 1_000_000;
/// How far apart the points of each wave are, in minutes, and how far at most from the mean, in millionths of the
/// price. Together they stay clear of zero however long ago it was.
const WAVES: [(i64, i64); 5] = [
    (1, 1_000),
    (16, 3_000),
    (256, 9_000),
    (4_096, 27_000),
    (65_536, 80_000),
];
/// Trades of a minute, give or take a tenth: those of the usual pace.
const TRADES: i64 = 600;
/// Candles of one page.
const PAGE: i64 = 1_000;

/// The time before a symbol's walk.
#[derive(Debug, Clone)]
pub(super) struct Past {
    market: Market,
    decimals: u32,
    usual_size: i64,
    seed: u64,
    /// Nothing is told that is not over then.
    end: Timestamp,
    /// The price where the last whole minute ends, and the waves there.
    price: i64,
    level: i64,
}

/// What is known of a minute, or of several; prices and sizes in units of their last decimal.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bar {
    open: i64,
    high: i64,
    low: i64,
    close: i64,
    volume: i64,
    quote_volume: i128,
    trades: i64,
}

impl Past {
    /// What led to this price until `end`.
    pub fn new(market: Market, listing: &Listing, seed: u64, price: i64, end: Timestamp) -> Self {
        let mut past = Self {
            market,
            decimals: listing.decimals,
            usual_size: listing.size,
            seed,
            end,
            price,
            level: 0,
        };
        past.level = past.waves(end.nanos().div_euclid(MINUTE));
        past
    }

    /// The candles that begin within a span and are over before the walk begins, page by page, each made when it is
    /// taken. None is without trades. The length is a whole number of minutes.
    pub fn pages(self, interval: Interval, span: Span) -> impl Iterator<Item = Page<Candle>> {
        let first = interval.first_from(span.from);
        let until = interval
            .first_from(span.until)
            .min(interval.open_of(self.end));
        let length = interval.nanos();
        let begins = (0..).map_while(move |page: i64| {
            let from = first
                .nanos()
                .checked_add(page.checked_mul(PAGE * length)?)?;
            (from < until.nanos()).then_some(Timestamp::from_nanos(from))
        });
        begins.map(move |from| {
            let until = from.plus_nanos(PAGE * length).min(until);
            let opens = (from.nanos()..until.nanos()).step_by(length as usize);
            let opens = opens.map(Timestamp::from_nanos);
            Page {
                covers: Span { from, until },
                items: opens.map(|open| self.candle(interval, open)).collect(),
                forming: None,
            }
        })
    }

    fn candle(&self, interval: Interval, open_time: Timestamp) -> Candle {
        let first = open_time.nanos().div_euclid(MINUTE);
        let mut bar = self.minute(first, self.price_at(first));
        for minute in first + 1..first + interval.nanos() / MINUTE {
            bar.add(self.minute(minute, bar.close));
        }
        let price = |units| Price::from(Decimal::new(units, self.decimals));
        let quote_scale = self.decimals + SIZE_DECIMALS;
        Candle {
            market: self.market,
            interval,
            open_time,
            open: price(bar.open),
            high: price(bar.high),
            low: price(bar.low),
            close: price(bar.close),
            volume: Decimal::new(bar.volume, SIZE_DECIMALS).into(),
            quote_volume: Decimal::try_from_i128_with_scale(bar.quote_volume, quote_scale)
                .ok()
                .map(Qty::from),
            trades: Some(bar.trades.unsigned_abs()),
            closed: true,
            complete: true,
            origin: Origin::History,
            timestamp: None,
            received_at: self.end,
        }
    }

    /// A minute that begins at this price.
    fn minute(&self, minute: i64, open: i64) -> Bar {
        let close = self.price_at(minute + 1);
        let bits = draw(self.seed ^ 1, minute);
        // 0 to 1 in 256ths, each from bits of its own
        let part = |place: u32| ((bits >> (8 * place)) & 0xff).cast_signed();
        let wick = 1 + open / 1_000;
        let high = open.max(close) + wick * part(0) / 256;
        let low = (open.min(close) - wick * part(1) / 256).max(1);
        let trades = TRADES * 9 / 10 + TRADES / 5 * part(2) / 256;
        let volume = trades * self.usual_size / 2 * (192 + part(3) / 2) / 256;
        Bar {
            open,
            high,
            low,
            close,
            volume,
            quote_volume: i128::from(volume) * i128::from(open.midpoint(close)),
            trades,
        }
    }

    /// The price at the beginning of a minute.
    fn price_at(&self, minute: i64) -> i64 {
        let away = self.waves(minute) - self.level;
        (self.price + self.price * away / MILLION).max(1)
    }

    /// Some way from the mean, in millionths of the price.
    fn waves(&self, minute: i64) -> i64 {
        let wave = |(index, (apart, height)): (u64, (i64, i64))| {
            let seed = self.seed.wrapping_add(index << 32);
            let point = |place| (draw(seed, place) >> 1).cast_signed() % (2 * height + 1) - height;
            let (place, beyond) = (minute.div_euclid(apart), minute.rem_euclid(apart));
            let here = point(place);
            match beyond {
                0 => here,
                _ => here + (point(place + 1) - here) * beyond / apart,
            }
        };
        (2..).zip(WAVES).map(wave).sum()
    }
}

impl Bar {
    /// Adds the one that follows.
    fn add(&mut self, next: Bar) {
        self.high = self.high.max(next.high);
        self.low = self.low.min(next.low);
        self.close = next.close;
        self.volume += next.volume;
        self.quote_volume += next.quote_volume;
        self.trades += next.trades;
    }
}

/// A number that depends on both: SplitMix64.
fn draw(seed: u64, place: i64) -> u64 {
    let mut bits = seed ^ place.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candles::Building;
    use crate::exchange::mock::walk::LISTINGS;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn past(place: usize, seed: u64) -> Past {
        let listing = &LISTINGS[place];
        let market = listing.instrument().market;
        Past::new(
            market,
            listing,
            seed,
            listing.price,
            at("2026-09-21T14:13:24Z"),
        )
    }

    fn candles(past: &Past, interval: Interval, from: &str, until: &str) -> Vec<Candle> {
        let span = Span {
            from: at(from),
            until: at(until),
        };
        let pages = past.clone().pages(interval, span);
        pages.flat_map(|page| page.items).collect()
    }

    #[test]
    fn it_ends_before_the_moment_and_at_the_price_of_the_walk() {
        for (interval, end) in [
            (Interval::M1, "2026-09-21T14:13:00Z"),
            (Interval::H1, "2026-09-21T14:00:00Z"),
            (Interval::W1, "2026-09-21T00:00:00Z"),
        ] {
            for (place, listing) in LISTINGS.iter().enumerate() {
                let until = "2027-01-01T00:00:00Z";
                let candles = candles(&past(place, 7), interval, "2026-08-01T00:00:00Z", until);
                let last = candles.last().unwrap();
                assert_eq!(last.close_time(), at(end), "{interval}");
                let price = Decimal::new(listing.price, listing.decimals);
                if interval == Interval::M1 {
                    assert_eq!(last.close.decimal(), price);
                }
            }
        }
    }

    #[test]
    fn pages_follow_each_other_and_cover_what_was_asked_for() {
        let span = Span {
            from: at("2026-09-18T00:00:30Z"),
            until: at("2026-09-20T00:00:30Z"),
        };
        let pages: Vec<_> = past(0, 7).pages(Interval::M1, span).collect();
        assert_eq!(pages.len(), 3);
        assert_eq!(pages[0].covers.from, at("2026-09-18T00:01:00Z"));
        assert_eq!(pages[2].covers.until, at("2026-09-20T00:01:00Z"));
        for page in &pages {
            let mut next = page.covers.from;
            for candle in &page.items {
                assert_eq!(candle.open_time, next);
                assert!(candle.closed && candle.complete);
                next = candle.close_time();
            }
            assert_eq!(next, page.covers.until);
        }
        assert!(
            pages
                .windows(2)
                .all(|two| two[0].covers.until == two[1].covers.from)
        );
        let later = Span {
            from: at("2026-09-21T14:13:00Z"),
            until: at("2026-09-21T15:00:00Z"),
        };
        assert_eq!(past(0, 7).pages(Interval::M1, later).count(), 0);
    }

    #[test]
    fn longer_candles_are_made_of_shorter_ones() {
        let past = past(2, 7);
        let (from, until) = ("2026-09-07T00:00:00Z", "2026-09-14T00:00:00Z");
        for (short, long) in [
            (Interval::M1, Interval::M3),
            (Interval::M5, Interval::H1),
            (Interval::H4, Interval::D1),
            (Interval::D1, Interval::W1),
        ] {
            let parts = candles(&past, short, from, until);
            for whole in candles(&past, long, from, until) {
                let mut building = Building::new(whole.market, long, whole.open_time);
                let inside = parts
                    .iter()
                    .filter(|part| building.includes(part.open_time));
                for part in inside.cloned().collect::<Vec<_>>() {
                    building.add_part(&part);
                }
                let built = building.candle().unwrap();
                assert_eq!(
                    Candle {
                        closed: true,
                        ..built
                    },
                    whole
                );
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_past_from_wherever_it_is_asked_for() {
        let (from, until) = ("2025-09-20T00:00:00Z", "2025-09-21T00:00:00Z");
        let all = candles(&past(1, 7), Interval::M1, from, until);
        let half = candles(&past(1, 7), Interval::M1, "2025-09-20T12:00:00Z", until);
        assert_eq!(all[720..], half);
        assert_ne!(all, candles(&past(1, 8), Interval::M1, from, until));
    }

    #[test]
    fn a_year_of_days_is_plausible() {
        for place in [0, 6] {
            let (from, until) = ("2025-09-20T00:00:00Z", "2026-09-20T00:00:00Z");
            let days = candles(&past(place, 3), Interval::D1, from, until);
            assert_eq!(days.len(), 365);
            for day in &days {
                assert!(day.low <= day.open.min(day.close) && day.open.max(day.close) <= day.high);
                assert!(day.low < day.high);
                let mean = day.quote_volume.unwrap().decimal() / day.volume.decimal();
                assert!(day.low.decimal() <= mean && mean <= day.high.decimal());
                assert!((700_000..1_000_000).contains(&day.trades.unwrap()));
            }
            assert!(days.windows(2).all(|two| two[0].close == two[1].open));
            let closes = days.iter().map(|day| day.close.decimal());
            let (most, least) = (closes.clone().max().unwrap(), closes.min().unwrap());
            assert!(
                most > least * Decimal::new(105, 2),
                "it does not stand still"
            );
            assert!(most < least * Decimal::new(2, 0), "nor does it run away");
        }
    }
}
