//! Binance's REST API: what is asked, and how the answers are read.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::percent_encode;
use crate::exchange::protocol::{Ask, DecodeError};
use crate::feed::ProviderError;
use crate::model::{Instrument, Ticker, Timestamp, Trade, TradingStatus, parse_decimal};

use super::wire::{RestError, RestTicker, RestTrade, SymbolInfo};
use super::{EXCHANGE, normalise};

/// Up to 20 symbols cost the same as one.
const SYMBOLS_PER_TICKER: usize = 20;
/// The most that `trades` gives.
const TRADES_MAX: usize = 1_000;

pub(super) fn ask_instruments() -> Ask {
    // Permission sets are most of the answer and of no use here.
    Ask {
        path: "/api/v3/exchangeInfo?showPermissionSets=false".into(),
        weight: 20,
    }
}

pub(super) fn read_instruments(body: &str) -> Result<Vec<Instrument>, ProviderError> {
    #[derive(Deserialize)]
    struct Info<'a> {
        #[serde(borrow)]
        symbols: Vec<&'a RawValue>,
    }
    let info: Info<'_> = serde_json::from_str(body).map_err(malformed)?;
    let read = |raw: &&RawValue| match serde_json::from_str(raw.get()) {
        Ok(info) => Some(instrument(info)),
        Err(error) => {
            tracing::warn!(exchange = %EXCHANGE, %error, "an instrument cannot be read and is left out");
            None
        }
    };
    Ok(info.symbols.iter().filter_map(read).collect())
}

fn instrument(info: SymbolInfo) -> Instrument {
    let mut instrument =
        Instrument::new(EXCHANGE, &info.base_asset, &info.quote_asset, info.symbol);
    instrument.ws = instrument.native.to_lowercase();
    for filter in &info.filters {
        // A rule of zero is switched off.
        let number = |text: &Option<String>| {
            parse_decimal(text.as_deref()?)
                .ok()
                .filter(|n| !n.is_zero())
        };
        match filter.filter_type.as_str() {
            "PRICE_FILTER" => instrument.tick_size = number(&filter.tick_size).map(Into::into),
            "LOT_SIZE" => instrument.lot_size = number(&filter.step_size).map(Into::into),
            "NOTIONAL" | "MIN_NOTIONAL" => instrument.min_notional = number(&filter.min_notional),
            _ => {}
        }
    }
    instrument.status = match info.status.as_str() {
        "TRADING" if info.is_spot_trading_allowed == Some(false) => TradingStatus::Halted,
        "TRADING" => TradingStatus::Trading,
        "CANCEL_ONLY" => TradingStatus::Restricted,
        "HALT" | "BREAK" | "END_OF_DAY" => TradingStatus::Halted,
        _ => TradingStatus::Unknown,
    };
    instrument.status_text = info.status;
    instrument
}

pub(super) fn ask_tickers(of: &[Arc<Instrument>]) -> Vec<(Ask, Vec<Arc<Instrument>>)> {
    let ask = |chunk: &[Arc<Instrument>]| {
        let path = match chunk {
            [one] => format!("/api/v3/ticker/24hr?symbol={}", percent_encode(&one.native)),
            _ => {
                let names: Vec<_> = chunk.iter().map(|i| i.native.as_str()).collect();
                let json = serde_json::to_string(&names).expect("strings always serialise");
                format!("/api/v3/ticker/24hr?symbols={}", percent_encode(&json))
            }
        };
        (Ask { path, weight: 2 }, chunk.to_vec())
    };
    of.chunks(SYMBOLS_PER_TICKER).map(ask).collect()
}

pub(super) fn read_tickers(
    body: &str,
    of: &[Arc<Instrument>],
    received_at: Timestamp,
) -> Result<Vec<Ticker>, ProviderError> {
    let rows: Vec<RestTicker<'_>> = if body.trim_start().starts_with('[') {
        serde_json::from_str(body).map_err(malformed)?
    } else {
        vec![serde_json::from_str(body).map_err(malformed)?]
    };
    let read = |row: &RestTicker<'_>| {
        let instrument = of.iter().find(|i| i.native == row.symbol)?;
        Some(normalise::rest_ticker(row, instrument.market, received_at).map_err(malformed))
    };
    rows.iter().filter_map(read).collect()
}

pub(super) fn ask_trades(of: &Instrument, limit: usize) -> Ask {
    let limit = limit.clamp(1, TRADES_MAX);
    Ask {
        path: format!(
            "/api/v3/trades?symbol={}&limit={limit}",
            percent_encode(&of.native)
        ),
        weight: 25,
    }
}

pub(super) fn read_trades(
    body: &str,
    of: &Instrument,
    received_at: Timestamp,
) -> Result<Vec<Trade>, ProviderError> {
    let rows: Vec<RestTrade<'_>> = serde_json::from_str(body).map_err(malformed)?;
    let trades = rows
        .iter()
        .map(|row| normalise::rest_trade(row, of.market, received_at));
    trades.collect::<Result<_, _>>().map_err(malformed)
}

pub(super) fn read_error(body: &str) -> Option<String> {
    let error: RestError = serde_json::from_str(body).ok()?;
    Some(format!("{} ({})", error.msg, error.code))
}

fn malformed(error: impl Into<DecodeError>) -> ProviderError {
    ProviderError::Malformed(format!(
        "{EXCHANGE}: an answer cannot be read: {}",
        error.into()
    ))
}
