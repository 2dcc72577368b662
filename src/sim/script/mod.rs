//! What goes wrong when: a script of one line for each thing.
//!
//! ```text
//! # times count from the start of the script
//! at 3s mute BTC/USD trades
//! at 5s reset
//! from 3s to 9s drop 10%
//! every 400ms trade BTC/USD 3
//! every 2s from 10s to 20s close 1001
//! at 30s heal
//! ```
//!
//! | words | what happens |
//! |---|---|
//! | `trade SYMBOL N` | the exchange makes so many trades |
//! | `quote SYMBOL` | its best bid and ask move |
//! | `reset`, `fin` | every connection ends: RST, FIN |
//! | `close CODE` | the exchange closes every WebSocket |
//! | `vanish` | the exchange forgets every WebSocket, and says nothing |
//! | `shutdown` | Binance announces that it will close |
//! | `stop-listening`, `listen` | new connections are refused, or not |
//! | `blackhole up`, `down`, `both`, `off` | nothing arrives that way, until it is off |
//! | `delay TIME` | everything is so late |
//! | `slice N TIME` | N bytes at a time, with a pause between |
//! | `drop N%`, `duplicate N%`, `reorder N%` | of the messages with market data |
//! | `mute SYMBOL [trades\|ticker\|candles]`, `unmute …` | its messages are lost |
//! | `rest STATUS [retry-after N]`, `rest ok` | the answer to every REST request |
//! | `rest-delay TIME` | how long REST takes to answer |
//! | `rest-lag N` | REST does not show the N newest trades yet |
//! | `handshake STATUS [retry-after N]`, `handshake ok` | the answer to every upgrade |
//! | `ack-delay TIME` | how long answers to subscriptions take |
//! | `drop-acks`, `drop-acks off` | subscriptions are not answered |
//! | `freeze-clock`, `freeze-clock off` | the exchange's clock stands still |
//! | `heal` | everything is well again |
//!
//! `from A to B` does it at A and undoes it at B, where that is possible. `every` goes on to the last moment
//! that the script names. Of two lines for one moment the first comes first. Only tokio's clock counts, so that a
//! script runs over loopback in real time, and over pipes in virtual time.
mod action;
mod parse;
mod random;
#[cfg(test)]
mod tests;

pub use parse::ScriptError;
pub use random::ScriptLimits;

use self::action::Action;
use super::{Proxy, Sim};
use std::{fmt, time::Duration};
use tokio::time::{Instant, sleep_until};

/// A script; its text is its [`Display`](fmt::Display).
///
/// ```
/// use tickwire::sim::{Proxy, Script, Sim, SimConfig, Venue};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::time::pause();
/// let (sim, proxy) = (Sim::new(SimConfig::new(Venue::Kraken)), Proxy::new(1));
/// let before = sim.ledger("BTC/USD").len();
/// let script: Script = "every 1s trade BTC/USD 2\nat 10s heal".parse()?;
/// script.run(&sim, &proxy).await;
/// assert_eq!(sim.ledger("BTC/USD").len() - before, 2 * 10);
///
/// let error = "at 3s rest".parse::<Script>().unwrap_err();
/// assert_eq!(error.to_string(), "line 1: `rest` wants a status, or `ok`: `rest 429 retry-after 2`");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    when: When,
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    At(Duration),
    FromTo(Duration, Duration),
    Every {
        period: Duration,
        /// From the first time on, and not beyond the second.
        within: Option<(Duration, Duration)>,
    },
}

impl When {
    /// The last moment that it names.
    fn end(self) -> Duration {
        match self {
            Self::At(at) => at,
            Self::FromTo(_, to) => to,
            Self::Every { within, .. } => within.map_or(Duration::ZERO, |(_, to)| to),
        }
    }
}

impl Script {
    /// A random script; the same seed and limits give the same one.
    ///
    /// It trades in all symbols, does much harm, and heals everything at its end.
    pub fn random(seed: u64, limits: &ScriptLimits) -> Self {
        random::script(seed, limits)
    }

    /// When it ends.
    pub fn length(&self) -> Duration {
        let ends = self.lines.iter().map(|line| line.when.end());
        ends.max().unwrap_or_default()
    }

    /// Whether at some time within these the client has no REST, or not all of it.
    pub fn hinders_rest(&self, from: Duration, to: Duration) -> bool {
        self.lines.iter().any(|Line { when, action }| {
            let (begin, end) = match *when {
                When::FromTo(begin, end) => (begin, end),
                When::At(at) => (at, self.length()),
                When::Every { period, within } => within.unwrap_or((period, self.length())),
            };
            let hinders = |after| begin <= to && from <= end + after;
            action.hinders_rest().is_some_and(hinders)
        })
    }

    /// Runs it from now to its end. What was not undone stays.
    pub async fn run(&self, sim: &Sim, proxy: &Proxy) {
        let start = Instant::now();
        for (at, action) in self.timeline() {
            sleep_until(start + at).await;
            action.apply(sim, proxy);
        }
    }

    /// Everything that is done, in order.
    fn timeline(&self) -> Vec<(Duration, Action)> {
        let length = self.length();
        let mut timeline = Vec::new();
        for Line { when, action } in &self.lines {
            match *when {
                When::At(at) => timeline.push((at, action.clone())),
                When::FromTo(from, to) => {
                    timeline.push((from, action.clone()));
                    timeline.extend(action.undo().map(|undo| (to, undo)));
                }
                When::Every { period, within } => {
                    let (from, to) = within.unwrap_or((period, length));
                    let mut at = from;
                    while at <= to {
                        timeline.push((at, action.clone()));
                        at += period;
                    }
                }
            }
        }
        // stable: the order of the lines decides
        timeline.sort_by_key(|(at, _)| *at);
        timeline
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { when, action } in &self.lines {
            writeln!(f, "{when} {action}")?;
        }
        Ok(())
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::At(at) => write!(f, "at {}", Time(at)),
            Self::FromTo(from, to) => write!(f, "from {} to {}", Time(from), Time(to)),
            Self::Every { period, within } => {
                write!(f, "every {}", Time(period))?;
                match within {
                    Some((from, to)) => write!(f, " from {} to {}", Time(from), Time(to)),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A time in the largest unit that needs no fraction.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis {
            _ if !millis.is_multiple_of(1_000) => write!(f, "{millis}ms"),
            _ if millis == 0 || !millis.is_multiple_of(60_000) => {
                write!(f, "{}s", millis / 1_000)
            }
            _ => write!(f, "{}m", millis / 60_000),
        }
    }
}
