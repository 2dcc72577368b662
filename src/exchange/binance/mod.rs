//! Binance spot.
//!
//! Source: Binance spot API documentation, `web-socket-streams.md` and `rest-api.md`, 2026-07. Uses the
//! market-data-only hosts, which need no key and answer in more places.

mod normalise;
mod rest;
mod subscribe;
mod wire;

use std::time::Duration;

use crate::model::{Exchange, Field, Interval};

use super::protocol::{Candles, Limits, Profile, Silence};

/// The name of Binance in outputs and flags.
pub const EXCHANGE: Exchange = Exchange::new("binance");

/// The adapter of Binance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Binance;

const LIMITS: Limits = Limits {
    // 1,024 are allowed; fewer keep a lost connection's damage small.
    topics_per_connection: 200,
    // 5 messages a second are allowed, pings and pongs included: 3 of ours leave room for pongs.
    message_interval: Duration::from_millis(334),
    // 300 in 5 minutes are allowed.
    connects: &[(5, Duration::from_secs(5)), (60, Duration::from_secs(300))],
    connect_interval: Duration::from_millis(1_500),
    connect_burst: 40,
    // No heartbeat channel; the server pings every 20 s.
    silence: Silence {
        limit: Duration::from_secs(60),
        text_only: false,
    },
    lifetime: Some(Duration::from_secs(24 * 3600)),
    // 6,000 of weight a minute are allowed; with the burst no minute has more than 70 % of that. At 80 %, by
    // whomever, nothing more is asked.
    rest_interval: Duration::from_millis(20),
    rest_burst: 1_200,
};

/// The most that `klines` gives.
const KLINES_MAX: usize = 1_000;

/// All but 5 and 15 seconds.
const INTERVALS: &[Interval] = &[
    Interval::S1,
    Interval::M1,
    Interval::M3,
    Interval::M5,
    Interval::M15,
    Interval::M30,
    Interval::H1,
    Interval::H2,
    Interval::H4,
    Interval::H6,
    Interval::H8,
    Interval::H12,
    Interval::D1,
    Interval::W1,
];

fn profile() -> Profile {
    Profile {
        rest_url: "https://data-api.binance.vision".into(),
        // `historicalTrades` is missing on the market-data-only host.
        history_url: Some("https://api.binance.com".into()),
        ws_url: "wss://data-stream.binance.vision".into(),
        ws_path: "/stream",
        quotes: &["USDT", "USDC", "FDUSD"],
        asset_aliases: &[],
        contiguous_ids: true,
        stream_fields: Field::TICKER_NUMBERS,
        rest_fields: Field::TICKER_NUMBERS,
        candles: Candles {
            streams: INTERVALS,
            empty: true,
            history: INTERVALS,
            page: KLINES_MAX,
            reach: None,
        },
        limits: LIMITS,
    }
}
