//! After a loss of candles what is computed from them is unknown until it has warmed up anew. Pure.

use std::collections::HashMap;

use crate::model::{Candle, Gap, GapReason, Interval, Market};

/// What was lost, with how many closed candles it takes until that does not matter any more.
#[derive(Debug, Default)]
pub struct Losses(HashMap<(Market, Interval), usize>);

impl Losses {
    /// Takes a gap in candles of which so many are needed, and says what it means; `None` where that was said since
    /// it was last warm, or where there is nothing before.
    pub fn on_gap(&mut self, gap: &Gap, needs: &[(Market, Interval, usize)]) -> Option<String> {
        if !gap.is_loss() || gap.reason == GapReason::SourceLimit {
            return None;
        }
        let key = (gap.market, gap.stream.interval()?);
        let (market, interval, n) = needs.iter().find(|(m, i, _)| (*m, *i) == key)?;
        let is_told = self.0.insert(key, *n).is_some();
        (!is_told).then(|| {
            format!(
                "{market} {interval} candles are lost: what is computed from them is unknown until {n} more have closed"
            )
        })
    }

    /// Takes what came after it.
    pub fn on_candle(&mut self, candle: &Candle) {
        let key = (candle.market, candle.interval);
        if let Some(left) = self.0.get_mut(&key).filter(|_| candle.closed) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.0.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exchange, GapState, Origin, Stream, Timestamp};

    fn market() -> Market {
        Market::new(Exchange::new("coinbase"), "BTC", "USD")
    }

    fn gap(interval: Interval, reason: GapReason) -> Gap {
        Gap {
            market: market(),
            stream: Stream::Candles(interval),
            from_id: None,
            to_id: None,
            from: None,
            to: None,
            missing: None,
            recovered: 0,
            state: GapState::Unrepairable,
            reason,
        }
    }

    fn candle(closed: bool) -> Candle {
        Candle {
            market: market(),
            interval: Interval::M1,
            open_time: Timestamp::from_nanos(0),
            open: "1".parse().unwrap(),
            high: "1".parse().unwrap(),
            low: "1".parse().unwrap(),
            close: "1".parse().unwrap(),
            volume: "1".parse().unwrap(),
            quote_volume: None,
            trades: None,
            closed,
            complete: true,
            origin: Origin::Stream,
            timestamp: None,
            received_at: Timestamp::from_nanos(0),
        }
    }

    #[test]
    fn a_loss_is_told_once_until_it_has_warmed_up_again() {
        let needs = [(market(), Interval::M1, 2)];
        let lost = gap(Interval::M1, GapReason::Reconnect);
        let mut losses = Losses::default();
        let told = "coinbase:BTC/USD 1m candles are lost: what is computed from them is unknown until 2 more have \
                    closed";
        assert_eq!(losses.on_gap(&lost, &needs).as_deref(), Some(told));
        losses.on_candle(&candle(true));
        // Another one begins it anew.
        assert_eq!(losses.on_gap(&lost, &needs), None);
        losses.on_candle(&candle(true));
        losses.on_candle(&candle(false));
        assert_eq!(losses.on_gap(&lost, &needs), None);
        losses.on_candle(&candle(true));
        losses.on_candle(&candle(true));
        assert_eq!(losses.on_gap(&lost, &needs).as_deref(), Some(told));
    }

    #[test]
    fn what_nothing_is_computed_from_and_what_never_was_is_no_loss() {
        let needs = [(market(), Interval::M1, 2)];
        let mut losses = Losses::default();
        let other = gap(Interval::M5, GapReason::Reconnect);
        assert_eq!(losses.on_gap(&other, &needs), None);
        let beginning = gap(Interval::M1, GapReason::SourceLimit);
        assert_eq!(losses.on_gap(&beginning, &needs), None);
    }
}
