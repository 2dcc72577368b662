//! Coinbase Exchange (not Advanced Trade, which is another API with other shapes).
//!
//! Source: Coinbase Exchange WebSocket and REST API reference, 2026.

mod normalise;
mod rest;
mod subscribe;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use crate::feed::ProviderError;
use crate::model::{Exchange, Field, Instrument, Ticker, Timestamp, Trade};

use super::protocol::{Adapter, Ask, Limits, Profile, Protocol, Silence};

/// The name.
pub const EXCHANGE: Exchange = Exchange::new("coinbase");

/// The adapter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coinbase;

const LIMITS: Limits = Limits {
    topics_per_connection: 100,
    // 100 messages a second are allowed.
    message_interval: Duration::from_millis(20),
    // 8 a second are allowed.
    connects: &[(5, Duration::from_secs(5)), (60, Duration::from_secs(300))],
    // The heartbeat channel sends every second for every product.
    silence: Silence {
        limit: Duration::from_secs(10),
        text_only: true,
    },
    // 10 requests a second are allowed, bursts to 15.
    rest_interval: Duration::from_millis(125),
    rest_burst: 8,
};

impl Adapter for Coinbase {
    fn exchange(&self) -> Exchange {
        EXCHANGE
    }

    fn profile(&self) -> Profile {
        Profile {
            rest_url: "https://api.exchange.coinbase.com".into(),
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
            limits: LIMITS,
        }
    }

    fn protocol(&self) -> Box<dyn Protocol> {
        Box::new(subscribe::CoinbaseProtocol::default())
    }

    fn ask_instruments(&self) -> Ask {
        rest::ask_instruments()
    }

    fn read_instruments(&self, body: &str) -> Result<Vec<Instrument>, ProviderError> {
        rest::read_instruments(body)
    }

    fn ask_tickers(&self, of: &[Arc<Instrument>]) -> Vec<(Ask, Vec<Arc<Instrument>>)> {
        rest::ask_tickers(of)
    }

    fn read_tickers(
        &self,
        body: &str,
        of: &[Arc<Instrument>],
        received_at: Timestamp,
    ) -> Result<Vec<Ticker>, ProviderError> {
        rest::read_tickers(body, of, received_at)
    }

    fn ask_trades(&self, of: &Instrument, limit: usize) -> Ask {
        rest::ask_trades(of, limit)
    }

    fn read_trades(
        &self,
        body: &str,
        of: &Instrument,
        received_at: Timestamp,
    ) -> Result<Vec<Trade>, ProviderError> {
        rest::read_trades(body, of, received_at)
    }

    fn read_error(&self, body: &str) -> Option<String> {
        rest::read_error(body)
    }
}
