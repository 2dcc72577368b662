//! A tickwire server as a source: what another process has of an exchange, under that exchange's name.
//!
//! The server has put the trades in order, repaired what could be repaired and told the rest as gaps, which pass here
//! as they are. What is lost on the way from it to us is looked for by ids, as at an exchange. Digits are those of the
//! exchange; `received_at` of what is streamed is when it reached the server, of what is asked for when the server
//! last had it confirmed.

mod describe;
mod place;
mod rest;
mod rooms;
mod wire;

use std::time::Duration;

use crate::model::{Exchange, Field, Interval};

use super::protocol::{Candles, Limits, Profile, Silence};

pub use describe::{ProviderInfo, ServerError, ServerInfo, describe, status};
pub use place::Place;

/// The name of any server in flags.
pub const NAME: &str = "server";

/// The most that one answer of the server has, of trades and of candles.
const PAGE: usize = 1_000;

const LIMITS: Limits = Limits {
    // Below what a client may join unless the server's configuration says otherwise.
    topics_per_connection: 400,
    // It takes 20 messages a second.
    message_interval: Duration::from_millis(60),
    connects: &[(20, Duration::from_secs(5))],
    connect_interval: Duration::from_millis(10),
    connect_burst: 100,
    // It pings every 15 s.
    silence: Silence {
        limit: Duration::from_secs(45),
        text_only: false,
    },
    lifetime: None,
    rest_interval: Duration::from_millis(10),
    rest_burst: 100,
};

/// What is fixed about an exchange, whoever asks it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    /// Its own names for assets: `(own, common)`.
    pub asset_aliases: &'static [(&'static str, &'static str)],
    /// Whether trade ids rise by one.
    pub contiguous_ids: bool,
    /// Ticker fields that its stream fills.
    pub stream_fields: &'static [Field],
    /// Ticker fields that a question to it fills.
    pub rest_fields: &'static [Field],
    /// Whether its data is made up.
    pub invented: bool,
    /// Whether its times come from a clock of its own.
    pub own_clock: bool,
}

impl Habits {
    /// Of what nothing is known: whatever a ticker can have.
    pub fn unknown() -> Self {
        Self {
            stream_fields: Field::TICKER_NUMBERS,
            rest_fields: Field::TICKER_NUMBERS,
            ..Self::default()
        }
    }
}

/// One exchange as a server has it.
#[derive(Debug, Clone)]
pub struct Remote {
    exchange: Exchange,
    place: Place,
    habits: Habits,
}

impl Remote {
    /// The provider of this name at a server.
    pub fn new(exchange: Exchange, place: Place, habits: Habits) -> Self {
        Self {
            exchange,
            place,
            habits,
        }
    }

    fn own_profile(&self) -> Profile {
        Profile {
            rest_url: self.place.http().to_owned().into(),
            history_url: None,
            ws_url: self.place.ws().into(),
            ws_path: "",
            quotes: &[],
            asset_aliases: self.habits.asset_aliases,
            contiguous_ids: self.habits.contiguous_ids,
            stream_fields: self.habits.stream_fields,
            rest_fields: self.habits.rest_fields,
            candles: Candles {
                streams: &Interval::ALL,
                empty: false,
                history: &Interval::ALL,
                page: PAGE,
                reach: None,
            },
            limits: LIMITS,
        }
    }
}
