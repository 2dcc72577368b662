//! Kraken as an adapter, which is nearly all REST: what is asked, and how the answers are read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::protocol::{
    Adapter, Ask, CandleRows, DecodeError, Profile, Protocol, TradePage,
};
use crate::exchange::reading::{self, malformed, rule};
use crate::exchange::{Literal, percent_encode};
use crate::feed::{ProviderError, Span};
use crate::model::{
    Decimal, Exchange, Instrument, Interval, Ticker, Timestamp, Trade, TradingStatus,
};

use super::subscribe::KrakenProtocol;
use super::wire::{Envelope, PairInfo, RestTicker, RestTime};
use super::{EXCHANGE, INTERVALS, Kraken, minutes, normalise};

/// Longer lists have been answered with HTTP 520.
const PAIRS_PER_TICKER: usize = 50;
/// The most that `Trades` gives.
const TRADES_MAX: usize = 1_000;
/// What to keep away for after a rate error, which comes without a number.
const RATE_PAUSE: Duration = Duration::from_secs(10);

impl Adapter for Kraken {
    fn exchange(&self) -> Exchange {
        EXCHANGE
    }

    fn profile(&self) -> Profile {
        super::profile()
    }

    fn protocol(&self) -> Box<dyn Protocol> {
        Box::new(KrakenProtocol::default())
    }

    fn ask_instruments(&self) -> Ask {
        Ask {
            path: "/0/public/AssetPairs".into(),
            weight: 1,
        }
    }

    fn read_instruments(&self, body: &str) -> Result<Vec<Instrument>, ProviderError> {
        let pairs: BTreeMap<String, &RawValue> = result(body)?;
        let read = |(key, raw): (&String, &&RawValue)| {
            let info = reading::row(EXCHANGE, Some(key), raw)?;
            // Dark pools repeat their lit pair under its name.
            let is_dark = key.ends_with(".d");
            (!is_dark).then(|| instrument(key, info)).flatten()
        };
        Ok(pairs.iter().filter_map(read).collect())
    }

    fn ask_tickers(&self, of: &[Arc<Instrument>]) -> Vec<(Ask, Vec<Arc<Instrument>>)> {
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

    fn read_tickers(
        &self,
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
            let wire = reading::answer::<RestTicker<'_>>(EXCHANGE, raw.get());
            Some(wire.and_then(|wire| {
                let ticker = normalise::rest_ticker(&wire, instrument.market, received_at);
                ticker.map_err(malformed(EXCHANGE))
            }))
        };
        rows.iter().filter_map(read).collect()
    }

    fn ask_trades(&self, of: &Instrument, limit: usize) -> Ask {
        let count = limit.clamp(1, TRADES_MAX);
        Ask {
            path: format!(
                "/0/public/Trades?pair={}&count={count}",
                percent_encode(rest_name(of))
            ),
            weight: 1,
        }
    }

    fn read_trades(
        &self,
        body: &str,
        of: &Instrument,
        received_at: Timestamp,
    ) -> Result<Vec<Trade>, ProviderError> {
        let rows: Vec<Vec<Literal<'_>>> = rows(body)?;
        let trades = rows
            .iter()
            .map(|row| normalise::rest_trade(row, of.market, received_at));
        trades
            .collect::<Result<_, _>>()
            .map_err(malformed(EXCHANGE))
    }

    /// `since` is in nanoseconds. Whether a trade at just that moment comes, too, is not documented.
    fn ask_trades_page(&self, of: &Instrument, page: TradePage) -> Option<Ask> {
        let TradePage::After(moment) = page else {
            return None;
        };
        let Ask { path, weight } = self.ask_trades(of, TRADES_MAX);
        Some(Ask {
            path: format!("{path}&since={}", moment.nanos().max(0)),
            weight,
        })
    }

    /// Candles that begin after `since`, which is in seconds, and not at it. Nothing says until when.
    fn ask_candles(&self, of: &Instrument, interval: Interval, span: Span) -> Option<Ask> {
        let first = interval.first_from(span.from).nanos();
        let since = first.saturating_sub(interval.nanos()).max(0) / 1_000_000_000;
        INTERVALS.contains(&interval).then(|| Ask {
            path: format!(
                "/0/public/OHLC?pair={}&interval={}&since={since}",
                percent_encode(rest_name(of)),
                minutes(interval),
            ),
            weight: 1,
        })
    }

    fn read_candles(
        &self,
        body: &str,
        of: &Instrument,
        interval: Interval,
        received_at: Timestamp,
    ) -> Result<CandleRows, ProviderError> {
        let rows: Vec<&RawValue> = rows(body)?;
        reading::candles(EXCHANGE, &rows, |row| {
            normalise::rest_candle(row, of.market, interval, received_at)
        })
    }

    /// Only the edge answers with an HTTP error, and what it says is a web page.
    fn read_error(&self, _body: &str) -> Option<String> {
        None
    }

    fn ask_time(&self) -> Option<Ask> {
        Some(Ask {
            path: "/0/public/Time".into(),
            weight: 1,
        })
    }

    /// In whole seconds: the exchange tells no more.
    fn read_time(&self, body: &str) -> Result<Timestamp, ProviderError> {
        let wire: RestTime = result(body)?;
        let millis = wire.unixtime.checked_mul(1_000);
        millis
            .and_then(Timestamp::from_millis)
            .ok_or(DecodeError::Value("time out of range"))
            .map_err(malformed(EXCHANGE))
    }

    /// `EService: Throttled: <seconds>`, with the space or without it.
    fn retry_at(&self, body: &str) -> Option<Timestamp> {
        let envelope: Envelope<'_> = serde_json::from_str(body).ok()?;
        let moments = envelope.error.iter().filter_map(|error| {
            let (_, moment) = error.split_once("Throttled:")?;
            Timestamp::parse_seconds(moment.trim())
        });
        moments.max()
    }
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
    let step = |decimals: Option<u32>| {
        decimals
            .filter(|d| *d <= 28)
            .map(|decimals| Decimal::new(1, decimals))
    };
    instrument.tick_size = rule(&info.tick_size)
        .or(step(info.pair_decimals))
        .map(Into::into);
    instrument.lot_size = step(info.lot_decimals).map(Into::into);
    instrument.min_notional = rule(&info.costmin);
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

fn is_named(instrument: &Instrument, key: &str) -> bool {
    instrument.native == key
        || instrument.ws == key
        || instrument.aliases.iter().any(|alias| alias == key)
}

/// The `result` of an answer. Errors begin with `E`; what begins with `W` is a warning beside a result.
fn result<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, ProviderError> {
    let envelope: Envelope<'a> = reading::answer(EXCHANGE, body)?;
    if let Some(error) = envelope.error.iter().find(|error| !error.starts_with('W')) {
        return Err(refusal(error));
    }
    let raw = envelope.result.ok_or_else(|| {
        ProviderError::Malformed(format!("{EXCHANGE}: an answer without a result"))
    })?;
    reading::answer(EXCHANGE, raw.get())
}

/// The rows of the one pair that was asked for; beside them there is `last`, a cursor.
fn rows<'a, T: Deserialize<'a>>(body: &'a str) -> Result<Vec<T>, ProviderError> {
    let members: BTreeMap<String, &RawValue> = result(body)?;
    let rows = members.iter().find(|(key, _)| *key != "last");
    reading::answer(EXCHANGE, rows.map_or("[]", |(_, raw)| raw.get()))
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
