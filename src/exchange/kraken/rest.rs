//! Kraken's REST API: what is asked, and how the answers are read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::exchange::protocol::{Ask, DecodeError};
use crate::exchange::{Literal, percent_encode};
use crate::feed::ProviderError;
use crate::model::{Decimal, Instrument, Ticker, Timestamp, Trade, TradingStatus, parse_decimal};

use super::wire::{Envelope, PairInfo, RestTicker};
use super::{EXCHANGE, normalise};

/// Longer lists have been answered with HTTP 520.
const PAIRS_PER_TICKER: usize = 50;
/// What to keep away for after a rate error, which comes without a number.
const RATE_PAUSE: Duration = Duration::from_secs(10);

pub(super) fn ask_instruments() -> Ask {
    Ask {
        path: "/0/public/AssetPairs".into(),
        weight: 1,
    }
}

pub(super) fn read_instruments(body: &str) -> Result<Vec<Instrument>, ProviderError> {
    let pairs: BTreeMap<String, &RawValue> = result(body)?;
    let read = |(key, raw): (&String, &&RawValue)| match serde_json::from_str::<PairInfo>(raw.get())
    {
        // Dark pools repeat their lit pair under its name.
        Ok(_) if key.ends_with(".d") => None,
        Ok(info) => instrument(key, info),
        Err(error) => {
            tracing::warn!(exchange = %EXCHANGE, pair = key, %error, "an instrument cannot be read and is left out");
            None
        }
    };
    Ok(pairs.iter().filter_map(read).collect())
}

fn instrument(key: &str, info: PairInfo) -> Option<Instrument> {
    let (base, quote) = legs(key, &info)?;
    let mut instrument = Instrument::new(EXCHANGE, &base, &quote, key);
    // Version 2 of the socket knows only the new names, in the case in which they are listed.
    instrument.ws = format!("{base}/{quote}");
    let old_legs = format!("{}/{}", info.base, info.quote);
    for alias in [info.altname, info.wsname, Some(old_legs)]
        .into_iter()
        .flatten()
    {
        if alias != instrument.native
            && alias != instrument.ws
            && !instrument.aliases.contains(&alias)
        {
            instrument.aliases.push(alias);
        }
    }
    let number = |text: &Option<String>| {
        parse_decimal(text.as_deref()?)
            .ok()
            .filter(|n| !n.is_zero())
    };
    let step = |decimals: Option<u32>| {
        decimals
            .filter(|d| *d <= 28)
            .map(|decimals| Decimal::new(1, decimals))
    };
    instrument.tick_size = number(&info.tick_size)
        .or(step(info.pair_decimals))
        .map(Into::into);
    instrument.lot_size = step(info.lot_decimals).map(Into::into);
    instrument.min_notional = number(&info.costmin);
    instrument.status = match info.status.as_deref() {
        // Answers before 2022 had no status, and only what was online.
        None | Some("online") => TradingStatus::Trading,
        Some("cancel_only" | "post_only" | "limit_only" | "reduce_only") => {
            TradingStatus::Restricted
        }
        Some("maintenance" | "work_in_progress") => TradingStatus::Halted,
        Some("delisted") => TradingStatus::Delisted,
        Some(_) => TradingStatus::Unknown,
    };
    instrument.status_text = info.status.unwrap_or_default();
    Some(instrument)
}

/// The legs by their common names. `wsname` is the only reliable source: base and quote carry an X or Z
/// in front where they are old, but XTZ, ZRX and others begin so by themselves.
fn legs(key: &str, info: &PairInfo) -> Option<(String, String)> {
    let split = |name: &str| {
        name.split_once('/')
            .map(|(base, quote)| (base.to_string(), quote.to_string()))
    };
    let (base, quote) = info
        .wsname
        .as_deref()
        .and_then(split)
        .or_else(|| split(key))
        .unwrap_or_else(|| {
            (
                without_prefix(&info.base).to_string(),
                without_prefix(&info.quote).to_string(),
            )
        });
    (!base.is_empty() && !quote.is_empty()).then(|| (rename(base), rename(quote)))
}

fn rename(asset: String) -> String {
    match asset.as_str() {
        "XBT" => "BTC".into(),
        "XDG" => "DOGE".into(),
        _ => asset,
    }
}

/// The codes that Kraken prefixed, before it stopped doing so. Only for pairs without a `wsname`.
fn without_prefix(code: &str) -> &str {
    const PREFIXED: [&str; 17] = [
        "XXBT", "XETH", "XLTC", "XXRP", "XXLM", "XXMR", "XZEC", "XETC", "XREP", "XMLN", "XXDG",
        "ZUSD", "ZEUR", "ZGBP", "ZCAD", "ZJPY", "ZAUD",
    ];
    if PREFIXED.contains(&code) {
        &code[1..]
    } else {
        code
    }
}

/// The name that `pair=` surely takes: where the list was keyed by the new names, the alternative one.
fn rest_name(instrument: &Instrument) -> &str {
    let slashed = instrument.native.contains('/');
    let plain = instrument
        .aliases
        .iter()
        .find(|alias| slashed && !alias.contains('/'));
    plain.unwrap_or(&instrument.native)
}

pub(super) fn ask_tickers(of: &[Arc<Instrument>]) -> Vec<(Ask, Vec<Arc<Instrument>>)> {
    let ask = |chunk: &[Arc<Instrument>]| {
        let pairs: Vec<_> = chunk.iter().map(|i| percent_encode(rest_name(i))).collect();
        (
            Ask {
                path: format!("/0/public/Ticker?pair={}", pairs.join(",")),
                weight: 1,
            },
            chunk.to_vec(),
        )
    };
    of.chunks(PAIRS_PER_TICKER).map(ask).collect()
}

pub(super) fn read_tickers(
    body: &str,
    of: &[Arc<Instrument>],
    received_at: Timestamp,
) -> Result<Vec<Ticker>, ProviderError> {
    let rows: BTreeMap<String, &RawValue> = result(body)?;
    let read = |(key, raw): (&String, &&RawValue)| {
        // Keyed by the exchange's name of the pair, not by what was asked; alone it can only be the one.
        let instrument = of.iter().find(|i| is_named(i, key)).or(if of.len() == 1 {
            of.first()
        } else {
            None
        })?;
        let wire: Result<RestTicker<'_>, _> = serde_json::from_str(raw.get());
        Some(wire.map_err(malformed).and_then(|w| {
            normalise::rest_ticker(&w, instrument.market, received_at).map_err(malformed)
        }))
    };
    rows.iter().filter_map(read).collect()
}

fn is_named(instrument: &Instrument, key: &str) -> bool {
    instrument.native == key
        || instrument.ws == key
        || instrument.aliases.iter().any(|alias| alias == key)
}

pub(super) fn ask_trades(of: &Instrument, limit: usize) -> Ask {
    let count = limit.clamp(1, 1_000);
    Ask {
        path: format!(
            "/0/public/Trades?pair={}&count={count}",
            percent_encode(rest_name(of))
        ),
        weight: 1,
    }
}

pub(super) fn read_trades(
    body: &str,
    of: &Instrument,
    received_at: Timestamp,
) -> Result<Vec<Trade>, ProviderError> {
    let rows: BTreeMap<String, &RawValue> = result(body)?;
    // Beside the trades there is `last`, a cursor.
    let raw = rows
        .iter()
        .find(|(key, _)| *key != "last")
        .map(|(_, raw)| raw.get());
    let rows: Vec<Vec<Literal<'_>>> =
        serde_json::from_str(raw.unwrap_or("[]")).map_err(malformed)?;
    let trades = rows
        .iter()
        .map(|row| normalise::rest_trade(row, of.market, received_at));
    trades.collect::<Result<_, _>>().map_err(malformed)
}

/// Only the edge answers with an HTTP error, and what it says is a web page.
pub(super) fn read_error(_body: &str) -> Option<String> {
    None
}

/// The `result` of an answer. Errors begin with `E`; what begins with `W` is a warning beside a result.
fn result<'a, T: serde::Deserialize<'a>>(body: &'a str) -> Result<T, ProviderError> {
    let envelope: Envelope<'a> = serde_json::from_str(body).map_err(malformed)?;
    if let Some(error) = envelope.error.iter().find(|error| !error.starts_with('W')) {
        return Err(refusal(error));
    }
    let raw = envelope.result.ok_or_else(|| {
        ProviderError::Malformed(format!("{EXCHANGE}: an answer without a result"))
    })?;
    serde_json::from_str(raw.get()).map_err(malformed)
}

fn refusal(error: &str) -> ProviderError {
    let message = format!("{EXCHANGE}: {error}");
    let has = |text: &str| error.contains(text);
    if has("Rate limit") || has("Throttled") || has("Too many requests") || has("Temporary lockout")
    {
        ProviderError::RateLimited {
            message,
            retry_after: Some(RATE_PAUSE),
        }
    } else if error.starts_with("EService") || has("Internal error") {
        ProviderError::Unreachable(message)
    } else {
        ProviderError::Refused(message)
    }
}

fn malformed(error: impl Into<DecodeError>) -> ProviderError {
    ProviderError::Malformed(format!(
        "{EXCHANGE}: an answer cannot be read: {}",
        error.into()
    ))
}
