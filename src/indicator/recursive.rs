//! Functions that never forget wholly, by `quantedge-ta`; where its seeds differ from TA-Lib's it is fed so that they
//! agree.

use std::num::NonZero;

use quantedge_ta::{Atr, AtrConfig, Ema, EmaConfig, Ohlcv, Rsi, RsiConfig};

use crate::model::Decimal;

use super::number::{from_f64, to_f64};
use super::running::{Compute, Step};

fn length(n: u16) -> NonZero<usize> {
    NonZero::new(n.into()).expect("an indicator's counts are at least 1")
}

/// The library tells candles apart by the time of their beginning; their numbers do as well.
fn flat(number: u64, price: f64) -> Ohlcv {
    Ohlcv {
        open: price,
        high: price,
        low: price,
        close: price,
        open_time: number,
        volume: 0.0,
    }
}

fn close(step: &Step<'_>) -> f64 {
    to_f64(step.candle.close.decimal())
}

/// `ema`
#[derive(Debug)]
pub(super) struct Exponential(Ema);

impl Exponential {
    pub fn new(n: u16) -> Self {
        Self(ema(n))
    }
}

fn ema(n: u16) -> Ema {
    Ema::new(EmaConfig::close(length(n)))
}

impl Compute for Exponential {
    fn update(&mut self, step: &Step<'_>) -> Option<Decimal> {
        let mean = self.0.compute(&flat(step.number, close(step)))?;
        from_f64(mean, mean)
    }
}

/// `rsi`
#[derive(Debug)]
pub(super) struct Strength {
    rsi: Rsi,
    /// The close before the newest, and the newest.
    closes: [Option<Decimal>; 2],
    /// Whether a close before the newest differed from its predecessor.
    has_moved: bool,
}

impl Strength {
    pub fn new(n: u16) -> Self {
        Self {
            rsi: Rsi::new(RsiConfig::close(length(n))),
            closes: [None; 2],
            has_moved: false,
        }
    }

    fn differ(&self) -> bool {
        let [before, newest] = self.closes;
        before.is_some() && before != newest
    }
}

impl Compute for Strength {
    fn update(&mut self, step: &Step<'_>) -> Option<Decimal> {
        if step.is_next {
            self.has_moved |= self.differ();
            self.closes[0] = self.closes[1];
        }
        self.closes[1] = Some(step.candle.close.decimal());
        let value = self.rsi.compute(&flat(step.number, close(step)))?;
        // The library says 50 where nothing ever moved, TA-Lib 0.
        if self.has_moved || self.differ() {
            from_f64(value, 100.0)
        } else {
            Some(Decimal::ZERO)
        }
    }
}

/// `macd` and `macd_signal`. As in TA-Lib the fast mean begins late, so that both means have their first value at
/// the same candle, and the line is told from where the signal is.
#[derive(Debug)]
pub(super) struct Macd {
    fast: Ema,
    slow: Ema,
    signal: Ema,
    /// How many candles later the fast mean begins.
    delay: u64,
    is_signal: bool,
}

impl Macd {
    pub fn new(fast: u16, slow: u16, signal: u16, is_signal: bool) -> Self {
        Self {
            fast: ema(fast),
            slow: ema(slow),
            signal: ema(signal),
            delay: u64::from(slow - fast),
            is_signal,
        }
    }
}

impl Compute for Macd {
    fn update(&mut self, step: &Step<'_>) -> Option<Decimal> {
        let candle = flat(step.number, close(step));
        let slow = self.slow.compute(&candle);
        if step.number < self.delay {
            return None;
        }
        let (fast, slow) = self.fast.compute(&candle).zip(slow)?;
        let line = fast - slow;
        let signal = self.signal.compute(&flat(step.number, line))?;
        from_f64(if self.is_signal { signal } else { line }, slow)
    }
}

/// `atr`. As in TA-Lib the first candle only gives its close: it has no true range.
#[derive(Debug)]
pub(super) struct TrueRange {
    atr: Atr,
    /// The close before the newest, and the newest.
    closes: [Option<f64>; 2],
}

impl TrueRange {
    pub fn new(n: u16) -> Self {
        Self {
            atr: Atr::new(AtrConfig::builder().length(length(n)).build()),
            closes: [None; 2],
        }
    }
}

impl Compute for TrueRange {
    fn update(&mut self, step: &Step<'_>) -> Option<Decimal> {
        if step.is_next {
            self.closes[0] = self.closes[1];
        }
        self.closes[1] = Some(close(step));
        let before = self.closes[0]?;
        // Widened to the close before it, so that its range is the true one for the library's first candle too.
        let candle = Ohlcv {
            high: to_f64(step.candle.high.decimal()).max(before),
            low: to_f64(step.candle.low.decimal()).min(before),
            ..flat(step.number, close(step))
        };
        from_f64(self.atr.compute(&candle)?, candle.close)
    }
}
