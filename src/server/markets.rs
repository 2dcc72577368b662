//! The newest state of each market: the last ticker, the newest trades and candles.

/// What is kept of the market, for answers and for those who join. Read by every connection, written by the pump.
#[derive(Debug, Default)]
pub struct Markets {}
