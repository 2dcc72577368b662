//! Strategies on the command line: which one is meant, the programs that decide, and what is told of them.

use crate::model::Signal;

/// A signal as people read it.
pub fn described(signal: &Signal) -> String {
    let Signal {
        strategy, market, ..
    } = signal;
    let at = signal.price.map(|price| format!(" at {price}"));
    let side = signal.side.name();
    format!(
        "signal: {strategy}: {side} {market}{}",
        at.unwrap_or_default()
    )
}
