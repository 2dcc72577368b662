//! What [`Indicator`] does not tell yet: its parameters from their texts, and how many candles it needs.

use crate::indicator::Indicator;
use crate::model::Decimal;

const MAX_COUNT: u16 = 10_000;

/// The indicator of this name.
///
/// Errors: a parameter that cannot be, and what could.
pub fn indicator(name: &str, numbers: &[Decimal]) -> Result<Indicator, String> {
    let count = |at: usize| {
        let given: Decimal = numbers[at];
        let whole = given.fract().is_zero().then(|| u16::try_from(given).ok());
        let fits = |count: &u16| (1..=MAX_COUNT).contains(count);
        whole.flatten().filter(fits).ok_or_else(|| {
            format!("`{name}` cannot count {given} candles (a whole number from 1 to {MAX_COUNT})")
        })
    };
    let width = |at: usize| {
        let given: Decimal = numbers[at];
        let positive = given.is_sign_positive() && !given.is_zero();
        let refused =
            || format!("`{name}` cannot be {given} deviations wide (a number above 0, as 2)");
        positive.then_some(given).ok_or_else(refused)
    };
    let macd = || {
        let (fast, slow) = (count(0)?, count(1)?);
        if fast < slow {
            return Ok((fast, slow, count(2)?));
        }
        Err(format!(
            "`{name}` needs the faster first: {fast} is not below {slow}"
        ))
    };
    Ok(match name {
        "sma" => Indicator::Sma(count(0)?),
        "ema" => Indicator::Ema(count(0)?),
        "rsi" => Indicator::Rsi(count(0)?),
        "macd" => macd().map(|(fast, slow, signal)| Indicator::Macd(fast, slow, signal))?,
        "macd_signal" => {
            macd().map(|(fast, slow, signal)| Indicator::MacdSignal(fast, slow, signal))?
        }
        "bb_upper" => Indicator::BbUpper(count(0)?, width(1)?),
        "bb_middle" => Indicator::BbMiddle(count(0)?, width(1)?),
        "bb_lower" => Indicator::BbLower(count(0)?, width(1)?),
        "atr" => Indicator::Atr(count(0)?),
        "vwap" => Indicator::Vwap(count(0)?),
        "highest" => Indicator::Highest(count(0)?),
        "lowest" => Indicator::Lowest(count(0)?),
        _ => return Err(format!("no indicator `{name}`")),
    })
}

/// How many closed candles it needs before the forming one.
pub fn needs(indicator: &Indicator) -> usize {
    let settled = |n: u16| usize::from(n) + 250;
    match *indicator {
        Indicator::Sma(n)
        | Indicator::BbUpper(n, _)
        | Indicator::BbMiddle(n, _)
        | Indicator::BbLower(n, _)
        | Indicator::Vwap(n)
        | Indicator::Highest(n)
        | Indicator::Lowest(n) => usize::from(n) - 1,
        Indicator::Ema(n) | Indicator::Rsi(n) | Indicator::Atr(n) => settled(n),
        Indicator::Macd(_, slow, signal) | Indicator::MacdSignal(_, slow, signal) => {
            settled(slow) + usize::from(signal)
        }
    }
}
