//! Coinbase's REST API: what is asked, and how the answers are read. Every request needs a User-Agent,
//! which the HTTP client always sends.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::exchange::percent_encode;
use crate::exchange::protocol::{Ask, DecodeError};
use crate::feed::ProviderError;
use crate::model::{Instrument, Origin, Ticker, Timestamp, Trade, TradingStatus, parse_decimal};

use super::wire::{Match, Product, RestError, RestTicker};
use super::{EXCHANGE, normalise};

/// The most that `trades` gives.
const TRADES_MAX: usize = 1_000;

pub(super) fn ask_instruments() -> Ask {
    Ask {
        path: "/products".into(),
        weight: 1,
    }
}

pub(super) fn read_instruments(body: &str) -> Result<Vec<Instrument>, ProviderError> {
    let rows: Vec<&RawValue> = serde_json::from_str(body).map_err(malformed)?;
    let read = |raw: &&RawValue| match serde_json::from_str(raw.get()) {
        Ok(product) => Some(instrument(product)),
        Err(error) => {
            tracing::warn!(exchange = %EXCHANGE, %error, "an instrument cannot be read and is left out");
            None
        }
    };
    Ok(rows.iter().filter_map(read).collect())
}

fn instrument(product: Product) -> Instrument {
    // The id decides: auction products reuse the currencies of their plain pair.
    let (base, quote) = match product.id.split_once('-') {
        Some((base, quote)) if !quote.is_empty() && !base.is_empty() => {
            (base.to_string(), quote.to_string())
        }
        _ => (
            product.base_currency.clone(),
            product.quote_currency.clone(),
        ),
    };
    let number = |text: &Option<String>| {
        parse_decimal(text.as_deref()?)
            .ok()
            .filter(|n| !n.is_zero())
    };
    let mut instrument = Instrument::new(EXCHANGE, &base, &quote, product.id.clone());
    instrument.tick_size = number(&product.quote_increment).map(Into::into);
    instrument.lot_size = number(&product.base_increment).map(Into::into);
    instrument.min_notional = number(&product.min_market_funds);
    instrument.status = status(&product);
    instrument.status_text = product.status.unwrap_or_default();
    instrument
}

fn status(product: &Product) -> TradingStatus {
    match product.status.as_deref() {
        Some("online") if product.trading_disabled => TradingStatus::Halted,
        Some("online")
            if product.cancel_only
                || product.post_only
                || product.limit_only
                || product.auction_mode =>
        {
            TradingStatus::Restricted
        }
        Some("online") => TradingStatus::Trading,
        Some("offline" | "internal") => TradingStatus::Halted,
        Some("delisted") => TradingStatus::Delisted,
        _ => TradingStatus::Unknown,
    }
}

/// There is no ticker for several products: one request each.
pub(super) fn ask_tickers(of: &[Arc<Instrument>]) -> Vec<(Ask, Vec<Arc<Instrument>>)> {
    let ask = |instrument: &Arc<Instrument>| {
        let path = format!("/products/{}/ticker", percent_encode(&instrument.native));
        (Ask { path, weight: 1 }, vec![instrument.clone()])
    };
    of.iter().map(ask).collect()
}

pub(super) fn read_tickers(
    body: &str,
    of: &[Arc<Instrument>],
    received_at: Timestamp,
) -> Result<Vec<Ticker>, ProviderError> {
    let wire: RestTicker<'_> = serde_json::from_str(body).map_err(malformed)?;
    let read = |instrument: &Arc<Instrument>| {
        normalise::rest_ticker(&wire, instrument.market, received_at)
    };
    of.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(malformed)
}

pub(super) fn ask_trades(of: &Instrument, limit: usize) -> Ask {
    let limit = limit.clamp(1, TRADES_MAX);
    Ask {
        path: format!(
            "/products/{}/trades?limit={limit}",
            percent_encode(&of.native)
        ),
        weight: 1,
    }
}

/// The exchange sends the newest first.
pub(super) fn read_trades(
    body: &str,
    of: &Instrument,
    received_at: Timestamp,
) -> Result<Vec<Trade>, ProviderError> {
    let rows: Vec<Match<'_>> = serde_json::from_str(body).map_err(malformed)?;
    let trades = rows
        .iter()
        .map(|row| normalise::trade(row, of.market, received_at, Origin::History));
    let mut trades: Vec<Trade> = trades.collect::<Result<_, _>>().map_err(malformed)?;
    trades.sort_by_key(|trade| trade.id);
    Ok(trades)
}

pub(super) fn read_error(body: &str) -> Option<String> {
    serde_json::from_str::<RestError>(body)
        .ok()
        .map(|error| error.message)
}

fn malformed(error: impl Into<DecodeError>) -> ProviderError {
    ProviderError::Malformed(format!(
        "{EXCHANGE}: an answer cannot be read: {}",
        error.into()
    ))
}
