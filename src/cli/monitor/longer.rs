//! Over the past only closed candles come: the forming ones of longer lengths are what the shorter ones make of them,
//! as they are live. Pure.

use crate::candles::Building;
use crate::model::{Candle, Interval, Market};

/// The forming candles of some lengths.
#[derive(Debug, Default)]
pub struct Longer(Vec<Building>);

impl Longer {
    /// Adds the next closed candle to the longer one of this length that it is a part of, and says what that is so far.
    ///
    /// One that it did not see from its beginning, the first or the first after a hole, is not complete.
    pub fn add(&mut self, part: &Candle, length: Interval) -> Option<Candle> {
        let open = length.open_of(part.open_time);
        let mut next = Building::new(part.market, length, open);
        let mut known = self.0.iter_mut();
        let building = match known.find(|b| (b.market(), b.interval()) == (part.market, length)) {
            Some(known) => {
                if known.open_time() != open {
                    *known = next;
                }
                known
            }
            None => {
                if part.open_time != open {
                    next.add_hole();
                }
                self.0.push(next);
                self.0.last_mut()?
            }
        };
        building.add_part(part);
        building.candle()
    }

    /// Candles of this market are lost: what is made of those before them says nothing of the whole.
    pub fn on_gap(&mut self, market: Market) {
        self.0.retain(|building| building.market() != market);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exchange, Origin, Price, Timestamp};

    const MINUTE: i64 = 60_000_000_000;

    fn minute(minute: i64) -> Candle {
        let price: Price = minute.to_string().parse().unwrap();
        Candle {
            market: Market::new(Exchange::new("coinbase"), "BTC", "USD"),
            interval: Interval::M1,
            open_time: Timestamp::from_nanos(minute * MINUTE),
            open: price,
            high: price,
            low: price,
            close: price,
            volume: "1".parse().unwrap(),
            quote_volume: None,
            trades: Some(1),
            closed: true,
            complete: true,
            origin: Origin::History,
            timestamp: None,
            received_at: Timestamp::from_nanos(0),
        }
    }

    /// Its open, low and volume, and whether that is all of it.
    fn add(longer: &mut Longer, at: i64) -> (String, bool) {
        let whole = longer.add(&minute(at), Interval::M5).unwrap();
        assert!(!whole.closed);
        let text = format!("{} {} {}", whole.open, whole.low, whole.volume);
        (text, whole.complete)
    }

    #[test]
    fn one_is_complete_that_was_seen_from_its_beginning() {
        let mut longer = Longer::default();
        assert_eq!(add(&mut longer, 13), ("13 13 1".into(), false));
        assert_eq!(add(&mut longer, 14), ("13 13 2".into(), false));
        // Nothing was traded in the first minute of the next: all of it is known all the same.
        assert_eq!(add(&mut longer, 16), ("16 16 1".into(), true));
        assert_eq!(add(&mut longer, 18), ("16 16 2".into(), true));
        let mut longer = Longer::default();
        assert_eq!(add(&mut longer, 20), ("20 20 1".into(), true));
    }

    #[test]
    fn after_a_hole_the_rest_is_not_the_whole() {
        let mut longer = Longer::default();
        add(&mut longer, 20);
        longer.on_gap(minute(0).market);
        assert_eq!(add(&mut longer, 22), ("22 22 1".into(), false));
        assert_eq!(add(&mut longer, 25), ("25 25 1".into(), true));
        // Of another market it is none of its business.
        longer.on_gap(Market::new(Exchange::new("coinbase"), "ETH", "USD"));
        assert_eq!(add(&mut longer, 26), ("25 25 2".into(), true));
    }
}
