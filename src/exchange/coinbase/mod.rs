//! Coinbase Exchange (not Advanced Trade, which is another API with other shapes).
//!
//! Source: Coinbase Exchange WebSocket and REST API reference, 2026.

mod normalise;
mod rest;
mod subscribe;
mod wire;

use std::time::Duration;

use crate::model::{Exchange, Field, Interval};

use super::protocol::{Candles, Limits, Profile, Silence};

/// The name of Coinbase in outputs and flags.
pub const EXCHANGE: Exchange = Exchange::new("coinbase");

/// The adapter of Coinbase.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coinbase;

const LIMITS: Limits = Limits {
    topics_per_connection: 100,
    // 100 messages a second are allowed.
    message_interval: Duration::from_millis(20),
    // 8 a second are allowed, bursts to 20.
    connects: &[(5, Duration::from_secs(5)), (60, Duration::from_secs(300))],
    connect_interval: Duration::from_millis(200),
    connect_burst: 10,
    // The heartbeat channel sends every second for every product. The exchange's guide suggests to
    // reconnect after 5 s; 10 s tolerate lost seconds of heartbeats on a bad line without a false alarm.
    silence: Silence {
        limit: Duration::from_secs(10),
        text_only: true,
    },
    lifetime: None,
    // 10 requests a second are allowed, bursts to 15.
    rest_interval: Duration::from_millis(125),
    rest_burst: 8,
};

/// Lengths of candles, over REST alone.
const GRANULARITIES: &[Interval] = &[
    Interval::M1,
    Interval::M5,
    Interval::M15,
    Interval::H1,
    Interval::H6,
    Interval::D1,
];

fn profile() -> Profile {
    Profile {
        rest_url: "https://api.exchange.coinbase.com".into(),
        history_url: None,
        ws_url: "wss://ws-feed.exchange.coinbase.com".into(),
        ws_path: "",
        quotes: &["USD", "USDC"],
        asset_aliases: &[],
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
        rest_fields: &[
            Field::Price,
            Field::Bid,
            Field::Ask,
            Field::Spread,
            Field::SpreadBps,
            Field::Volume24h,
        ],
        candles: Candles {
            streams: &[],
            empty: false,
            history: GRANULARITIES,
            page: 300,
            reach: None,
        },
        limits: LIMITS,
    }
}
