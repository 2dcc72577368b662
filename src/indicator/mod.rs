//! Functions over candles: averages, oscillators, bands. Pure.
//!
//! | function | what it is | first value | agrees with TA-Lib |
//! |---|---|---|---|
//! | `sma(n)` | mean of `n` closes | after `n` candles | to 10⁻¹¹ of the price |
//! | `ema(n)` | `e + 2/(n+1) × (close − e)`, seeded with the mean of the first `n` closes | `n` | to 10⁻¹¹ of the price |
//! | `rsi(n)` | Wilder's: `100 × g/(g + l)` of the mean gain and loss, smoothed by `1/n`, seeded with means; 0 where no close ever changed | `n + 1` | to 10⁻⁹ points |
//! | `macd(f, s, n)` | `ema(f) − ema(s)`, both seeded so that they begin at the same candle | `s + n − 1` | to 10⁻¹¹ of the price |
//! | `macd_signal(f, s, n)` | `ema(n)` of that | `s + n − 1` | to 10⁻¹¹ of the price |
//! | `bb_upper(n, k)`, `bb_middle`, `bb_lower` | `sma(n)` and `k` standard deviations of the population above and below | `n` | to 10⁻¹¹ of the price |
//! | `atr(n)` | Wilder's mean of true ranges, smoothed by `1/n`, seeded with the mean of the first `n`; the first candle has none | `n + 1` | to 10⁻¹¹ of the price |
//! | `vwap(n)` | `Σ(typical price × volume) / Σ volume` of `n` candles, typical = (high + low + close)/3; none where nothing was traded | `n` | (not in TA-Lib) to 10⁻¹¹ of the price |
//! | `highest(n)`, `lowest(n)` | highest high, lowest low of `n` candles, as sent | `n` | exact |
//!
//! The forming candle is the newest of the `n`. What is computed is told with the decimals that 12 significant digits
//! of the price have (`rsi`: 9), or with those of the close where it is exact and those are more.
//!
//! ```
//! use tickwire::indicator::Indicator;
//! # use tickwire::model::{Candle, Exchange, Interval, Market, Origin, Price, Timestamp};
//! # let candle = |minute: i64, close: &str| -> Result<Candle, tickwire::model::DecimalError> {
//! #     let close: Price = close.parse()?;
//! #     let open_time = Timestamp::from_nanos(minute * Interval::M1.nanos());
//! #     Ok(Candle {
//! #         market: Market::new(Exchange::new("kraken"), "BTC", "USD"),
//! #         interval: Interval::M1,
//! #         open_time,
//! #         open: close,
//! #         high: close,
//! #         low: close,
//! #         close,
//! #         volume: "1".parse()?,
//! #         quote_volume: None,
//! #         trades: None,
//! #         closed: false,
//! #         complete: true,
//! #         origin: Origin::Stream,
//! #         timestamp: None,
//! #         received_at: open_time,
//! #     })
//! # };
//!
//! let mut mean = Indicator::new("sma", &[2.into()])?.start();
//! assert_eq!(mean.update(&candle(0, "100.10")?), None, "it is warming up");
//! assert_eq!(mean.update(&candle(1, "100.30")?), Some("100.2".parse()?));
//! assert_eq!(mean.update(&candle(1, "100.50")?), Some("100.3".parse()?), "the same minute goes on");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod number;
mod recursive;
mod running;
mod windowed;

use std::fmt;

use crate::model::Decimal;

use recursive::{Exponential, Macd, Strength, TrueRange};
use running::Compute;
use windowed::{Band, Extreme, Mean, Vwap};

pub use running::Running;

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

/// The names, with what is in the parentheses.
const NAMES: [(&str, &str); 12] = [
    ("sma", "n"),
    ("ema", "n"),
    ("rsi", "n"),
    ("macd", "fast, slow, signal"),
    ("macd_signal", "fast, slow, signal"),
    ("bb_upper", "n, k"),
    ("bb_middle", "n, k"),
    ("bb_lower", "n, k"),
    ("atr", "n"),
    ("vwap", "n"),
    ("highest", "n"),
    ("lowest", "n"),
];

/// The longest window.
const MOST: u16 = 10_000;

/// What an exchange answers at once, but for the forming one.
const PAGE: usize = 999;

/// Even short functions are given so many candles after the seed.
const SETTLING: usize = 250;

impl Indicator {
    /// The function of this name with these arguments.
    ///
    /// Errors: a sentence that names the value and says what would be right.
    pub fn new(name: &str, arguments: &[Decimal]) -> Result<Self, String> {
        let Some((_, parameters)) = NAMES.iter().find(|(known, _)| *known == name) else {
            let all = NAMES.map(|(known, _)| known).join(" ");
            return Err(format!("`{name}` is no indicator (there are {all})"));
        };
        let count = |at: usize| count(name, arguments[at]);
        if arguments.len() != parameters.split(", ").count() {
            let given = arguments.len();
            let plural = if given == 1 { "" } else { "s" };
            return Err(format!(
                "{name} has {given} argument{plural}, write {name}({parameters})"
            ));
        }
        Ok(match name {
            "sma" => Self::Sma(count(0)?),
            "ema" => Self::Ema(count(0)?),
            "rsi" => Self::Rsi(count(0)?),
            "atr" => Self::Atr(count(0)?),
            "vwap" => Self::Vwap(count(0)?),
            "highest" => Self::Highest(count(0)?),
            "lowest" => Self::Lowest(count(0)?),
            "bb_upper" => Self::BbUpper(count(0)?, deviations(name, arguments[1])?),
            "bb_middle" => Self::BbMiddle(count(0)?, deviations(name, arguments[1])?),
            "bb_lower" => Self::BbLower(count(0)?, deviations(name, arguments[1])?),
            _ => {
                let (fast, slow, signal) = (count(0)?, count(1)?, count(2)?);
                if fast >= slow {
                    return Err(format!(
                        "{name}: the fast mean, {fast}, must be shorter than the slow one, {slow}, as in {name}(12, 26, 9)"
                    ));
                }
                match name {
                    "macd" => Self::Macd(fast, slow, signal),
                    _ => Self::MacdSignal(fast, slow, signal),
                }
            }
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sma(_) => "sma",
            Self::Ema(_) => "ema",
            Self::Rsi(_) => "rsi",
            Self::Macd(..) => "macd",
            Self::MacdSignal(..) => "macd_signal",
            Self::BbUpper(..) => "bb_upper",
            Self::BbMiddle(..) => "bb_middle",
            Self::BbLower(..) => "bb_lower",
            Self::Atr(_) => "atr",
            Self::Vwap(_) => "vwap",
            Self::Highest(_) => "highest",
            Self::Lowest(_) => "lowest",
        }
    }

    /// How many closed candles it takes, before the newest, until there is a value: what TA-Lib calls lookback.
    pub fn seeds(&self) -> usize {
        match *self {
            Self::Sma(n)
            | Self::Ema(n)
            | Self::BbUpper(n, _)
            | Self::BbMiddle(n, _)
            | Self::BbLower(n, _)
            | Self::Vwap(n)
            | Self::Highest(n)
            | Self::Lowest(n) => usize::from(n) - 1,
            Self::Rsi(n) | Self::Atr(n) => n.into(),
            Self::Macd(_, slow, signal) | Self::MacdSignal(_, slow, signal) => {
                usize::from(slow) + usize::from(signal) - 2
            }
        }
    }

    /// How many closed candles it should be given for a value that more of them would not change.
    ///
    /// The windows take `n`, so that there is a value too while nothing was traded in the interval that runs. `ema`,
    /// `rsi`, `macd` and `atr` never forget their seed wholly; they get at least 250 candles after it, and so many
    /// more that it weighs less than 10⁻⁶ – but no more than the 999 that one page of an exchange holds beside the
    /// forming one, unless those are not 250 after the seed. That cuts off `ema` from 111 on, `rsi` and `atr` from
    /// 59 on: in `ema(200)` the seed then weighs 3 × 10⁻⁴, in `rsi(100)` 10⁻⁴, in `ema(500)` 13 %.
    pub fn needs(&self) -> usize {
        // A mean with the factor a forgets as (1 − a)^candles: 8 lengths of 2/(n+1), 16 of 1/n are e^-16.
        let settling = match *self {
            Self::Ema(n) => 8 * (usize::from(n) + 1),
            Self::Rsi(n) | Self::Atr(n) => 16 * usize::from(n),
            Self::Macd(_, slow, signal) | Self::MacdSignal(_, slow, signal) => {
                8 * (usize::from(slow) + usize::from(signal) + 2)
            }
            _ => return self.seeds() + 1,
        };
        let whole = self.seeds() + settling.max(SETTLING);
        whole.min(PAGE.max(self.seeds() + SETTLING))
    }

    /// Whether anything but the close matters, so that a candle in which a trade may be missing makes it unknown.
    pub fn uses_more_than_closes(&self) -> bool {
        matches!(
            self,
            Self::Atr(_) | Self::Vwap(_) | Self::Highest(_) | Self::Lowest(_)
        )
    }

    /// Begins to follow candles.
    pub fn start(&self) -> Running {
        Running::new(self)
    }

    /// For how many candles one that is not complete matters.
    fn doubt(&self) -> usize {
        if self.uses_more_than_closes() {
            self.needs()
        } else {
            0
        }
    }

    fn compute(&self) -> Box<dyn Compute> {
        match *self {
            Self::Sma(n) | Self::BbMiddle(n, _) => Box::new(Mean::new(n)),
            Self::Ema(n) => Box::new(Exponential::new(n)),
            Self::Rsi(n) => Box::new(Strength::new(n)),
            Self::Macd(fast, slow, signal) => Box::new(Macd::new(fast, slow, signal, false)),
            Self::MacdSignal(fast, slow, signal) => Box::new(Macd::new(fast, slow, signal, true)),
            Self::BbUpper(n, k) => Box::new(Band::new(n, k)),
            Self::BbLower(n, k) => Box::new(Band::new(n, -k)),
            Self::Atr(n) => Box::new(TrueRange::new(n)),
            Self::Vwap(n) => Box::new(Vwap::new(n)),
            Self::Highest(n) => Box::new(Extreme::new(n, true)),
            Self::Lowest(n) => Box::new(Extreme::new(n, false)),
        }
    }
}

/// As it is written in an expression, without spaces.
impl fmt::Display for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Sma(n)
            | Self::Ema(n)
            | Self::Rsi(n)
            | Self::Atr(n)
            | Self::Vwap(n)
            | Self::Highest(n)
            | Self::Lowest(n) => write!(f, "{name}({n})"),
            Self::Macd(fast, slow, signal) | Self::MacdSignal(fast, slow, signal) => {
                write!(f, "{name}({fast},{slow},{signal})")
            }
            Self::BbUpper(n, k) | Self::BbMiddle(n, k) | Self::BbLower(n, k) => {
                write!(f, "{name}({n},{k})")
            }
        }
    }
}

fn count(name: &str, number: Decimal) -> Result<u16, String> {
    let whole = u16::try_from(number).ok().filter(|_| number.is_integer());
    whole.filter(|n| (1..=MOST).contains(n)).ok_or_else(|| {
        format!("{name}: {number} is no number of candles (a whole one from 1 to {MOST})")
    })
}

fn deviations(name: &str, number: Decimal) -> Result<Decimal, String> {
    if number > Decimal::ZERO {
        return Ok(number.normalize());
    }
    Err(format!(
        "{name}: {number} is no number of standard deviations (it is above 0, as in {name}(20, 2))"
    ))
}

#[cfg(test)]
mod tests;
