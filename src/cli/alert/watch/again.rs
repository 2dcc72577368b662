//! When candles are asked for anew.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Interval, Market};

/// Candles of one market and length.
pub type Lane = (Market, Interval);

/// The first pause; each next one is twice as long, up to the longest.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(600);
/// After so long without trouble the pauses begin anew.
const QUIET: Duration = Duration::from_secs(1_800);

/// Questions that are to be asked again, each after a pause that grows as long as there is trouble.
#[derive(Debug, Default)]
pub struct Again {
    lanes: HashMap<Lane, Trouble>,
}

#[derive(Debug)]
struct Trouble {
    times: u32,
    /// When it is asked again; what is past has been.
    at: Instant,
    is_waiting: bool,
}

impl Again {
    /// Has it asked again after a pause. Whether that is the first time in a row, which is worth to be told.
    pub fn ask(&mut self, lane: Lane, now: Instant) -> bool {
        let trouble = self.lanes.entry(lane).or_insert(Trouble {
            times: 0,
            at: now,
            is_waiting: false,
        });
        if trouble.is_waiting {
            return false;
        }
        if now.saturating_duration_since(trouble.at) > QUIET {
            trouble.times = 0;
        }
        let pause = FIRST
            .saturating_mul(1 << trouble.times.min(10))
            .min(LONGEST);
        trouble.times += 1;
        (trouble.at, trouble.is_waiting) = (now + pause, true);
        trouble.times == 1
    }

    /// One that is to be asked now, which is then up to the caller.
    pub fn due(&mut self, now: Instant) -> Option<Lane> {
        let mut lanes = self.lanes.iter_mut();
        let (lane, trouble) = lanes.find(|(_, trouble)| trouble.is_waiting && trouble.at <= now)?;
        trouble.is_waiting = false;
        Some(*lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Exchange;

    fn lane(base: &str) -> Lane {
        let market = Market::new(Exchange::new("again"), base, "USD");
        (market, Interval::M1)
    }

    #[test]
    fn what_is_refused_for_good_is_asked_for_less_and_less_often_and_told_once() {
        let (mut again, mut now) = (Again::default(), Instant::now());
        let mut pauses = Vec::new();
        for time in 0..10 {
            assert_eq!(again.ask(lane("A"), now), time == 0);
            assert!(!again.ask(lane("A"), now), "it waits already");
            let mut pause = 0;
            while again.due(now).is_none() {
                now += Duration::from_secs(1);
                pause += 1;
            }
            assert_eq!(again.due(now), None, "asked once");
            pauses.push(pause);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600, 600, 600]);
        now += QUIET + Duration::from_secs(1);
        assert!(again.ask(lane("A"), now), "it was well for long");
    }

    #[test]
    fn the_trouble_of_one_is_not_that_of_others() {
        let (mut again, now) = (Again::default(), Instant::now());
        assert!(again.ask(lane("A"), now));
        assert_eq!(again.due(now + FIRST), Some(lane("A")));
        assert!(!again.ask(lane("A"), now + FIRST));
        assert!(again.ask(lane("B"), now + FIRST));
        assert_eq!(again.due(now + FIRST * 2), Some(lane("B")));
        assert_eq!(again.due(now + FIRST * 3), Some(lane("A")));
    }
}
