//! Functions over candles: averages, oscillators, bands.

use crate::model::Decimal;

/// A function over the newest candles, the forming one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Indicator {
    /// `sma(n)`: the mean of the last `n` closes.
    Sma(u16),
    /// `ema(n)`: the exponential mean of closes, seeded with the mean of the first `n`.
    Ema(u16),
    /// `rsi(n)`: Wilder's.
    Rsi(u16),
    /// `macd(fast, slow, signal)`: the line.
    Macd(u16, u16, u16),
    /// `macd_signal(fast, slow, signal)`.
    MacdSignal(u16, u16, u16),
    /// `bb_upper(n, k)`: the mean of `n` closes and `k` of their standard deviations (of the population) above it.
    BbUpper(u16, Decimal),
    /// `bb_middle(n, k)`: the mean.
    BbMiddle(u16, Decimal),
    /// `bb_lower(n, k)`.
    BbLower(u16, Decimal),
    /// `atr(n)`: Wilder's.
    Atr(u16),
    /// `vwap(n)`: the mean of the typical prices of `n` candles, weighted by volume.
    Vwap(u16),
    /// `highest(n)`: the highest high of `n` candles.
    Highest(u16),
    /// `lowest(n)`: the lowest low of `n` candles.
    Lowest(u16),
}
