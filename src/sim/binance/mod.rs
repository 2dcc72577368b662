//! Binance spot: combined and raw streams, REST v3.
mod klines;
mod rest;
mod ws;

pub(super) use rest::respond;
pub(super) use ws::Session;

use super::market::Side;

const DAY_MS: i64 = 86_400_000;

/// Binance says who was the maker: the buyer, when the aggressor sold.
fn buyer_is_maker(side: Side) -> bool {
    side == Side::Sell
}
