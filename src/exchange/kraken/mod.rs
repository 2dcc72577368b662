//! Kraken spot: WebSocket v2 and the public REST API.
//!
//! Source: Kraken API documentation, "Spot WebSocket v2" and "Spot REST", 2026. The socket says BTC and
//! DOGE; REST, which is older, says XBT and XDG, and puts its errors inside of HTTP 200.

mod normalise;
mod rest;
mod subscribe;
mod wire;

use std::time::Duration;

use crate::model::{Exchange, Field, Interval};

use super::protocol::{Candles, Limits, Profile, Silence};

/// The name of Kraken in outputs and flags.
pub const EXCHANGE: Exchange = Exchange::new("kraken");

/// The adapter of Kraken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kraken;

const LIMITS: Limits = Limits {
    topics_per_connection: 200,
    // No number is documented; 10 messages a second are known to be fine.
    message_interval: Duration::from_millis(100),
    // About 150 in 10 minutes are allowed.
    connects: &[(5, Duration::from_secs(5)), (60, Duration::from_secs(600))],
    connect_interval: Duration::from_secs(6),
    connect_burst: 20,
    // Once subscribed there is a heartbeat every second. The exchange's guide suggests to reconnect
    // after 5 s; 10 s tolerate lost seconds of heartbeats on a bad line without a false alarm.
    silence: Silence {
        limit: Duration::from_secs(10),
        text_only: true,
    },
    lifetime: None,
    // About 1 request a second and address.
    rest_interval: Duration::from_secs(1),
    rest_burst: 3,
};

/// Rows of `OHLC`, the newest, whatever is asked.
const CANDLES_MAX: usize = 720;

/// Its weeks begin on Thursdays, and its half months have no name here.
const INTERVALS: &[Interval] = &[
    Interval::M1,
    Interval::M5,
    Interval::M15,
    Interval::M30,
    Interval::H1,
    Interval::H4,
    Interval::D1,
];

/// A length as Kraken names it.
fn minutes(interval: Interval) -> u32 {
    // A week is the longest.
    (interval.length().as_secs() / 60) as u32
}

fn profile() -> Profile {
    Profile {
        rest_url: "https://api.kraken.com".into(),
        history_url: None,
        ws_url: "wss://ws.kraken.com/v2".into(),
        ws_path: "",
        quotes: &["USD", "USDT", "EUR"],
        asset_aliases: &[("XBT", "BTC"), ("XDG", "DOGE")],
        contiguous_ids: true,
        stream_fields: &[
            Field::Price,
            Field::Bid,
            Field::BidSize,
            Field::Ask,
            Field::AskSize,
            Field::Spread,
            Field::SpreadBps,
            Field::Open24h,
            Field::High24h,
            Field::Low24h,
            Field::Volume24h,
            Field::Change24h,
            Field::ChangePercent24h,
        ],
        // `o` of the REST ticker is the open of the UTC day, not of the last 24 hours.
        rest_fields: &[
            Field::Price,
            Field::Bid,
            Field::BidSize,
            Field::Ask,
            Field::AskSize,
            Field::Spread,
            Field::SpreadBps,
            Field::High24h,
            Field::Low24h,
            Field::Volume24h,
        ],
        candles: Candles {
            streams: INTERVALS,
            empty: false,
            history: INTERVALS,
            page: CANDLES_MAX,
            reach: Some(CANDLES_MAX),
        },
        limits: LIMITS,
    }
}
