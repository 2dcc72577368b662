//! Binance spot.
//!
//! Source: Binance spot API documentation, `web-socket-streams.md` and `rest-api.md`, 2026-07. Uses the
//! market-data-only hosts, which need no key and answer in more places.

mod normalise;
mod rest;
mod subscribe;
mod wire;

use std::time::Duration;

use crate::feed::ProviderError;
use crate::model::{Exchange, Field, Instrument, Ticker, Timestamp, Trade};

use super::protocol::{Adapter, Ask, Limits, Profile, Protocol, Silence};
use std::sync::Arc;

/// The name.
pub const EXCHANGE: Exchange = Exchange::new("binance");

/// The adapter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Binance;

const LIMITS: Limits = Limits {
    // 1,024 are allowed; fewer keep a lost connection's damage small.
    topics_per_connection: 200,
    // 5 messages a second are allowed, pings and pongs included: 3 of ours leave room for pongs.
    message_interval: Duration::from_millis(334),
    // 300 in 5 minutes are allowed.
    connects: &[(5, Duration::from_secs(5)), (60, Duration::from_secs(300))],
    // No heartbeat channel; the server pings every 20 s.
    silence: Silence {
        limit: Duration::from_secs(60),
        text_only: false,
    },
    // 6,000 of weight a minute are allowed; 80 % of that are used.
    rest_interval: Duration::from_micros(12_500),
    rest_burst: 1_200,
};

impl Adapter for Binance {
    fn exchange(&self) -> Exchange {
        EXCHANGE
    }

    fn profile(&self) -> Profile {
        Profile {
            rest_url: "https://data-api.binance.vision".into(),
            ws_url: "wss://data-stream.binance.vision".into(),
            ws_path: "/stream",
            quotes: &["USDT", "USDC", "FDUSD"],
            asset_aliases: &[],
            contiguous_ids: true,
            stream_fields: Field::TICKER_NUMBERS,
            rest_fields: Field::TICKER_NUMBERS,
            limits: LIMITS,
        }
    }

    fn protocol(&self) -> Box<dyn Protocol> {
        Box::new(subscribe::BinanceProtocol::default())
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
