//! Binance as an adapter, which is nearly all REST: what is asked, and how the answers are read.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::percent_encode;
use crate::exchange::protocol::{
    Adapter, AggregatePage, AggregateTrade, Ask, CandleRows, Profile, Protocol, TradePage,
    UsedWeight,
};
use crate::exchange::reading::{self, malformed, rule};
use crate::feed::{ProviderError, Span};
use crate::model::{Exchange, Instrument, Interval, Ticker, Timestamp, Trade, TradingStatus};

use super::subscribe::BinanceProtocol;
use super::wire::{RestAggregate, RestError, RestTicker, RestTime, RestTrade, SymbolInfo};
use super::{Binance, EXCHANGE, INTERVALS, KLINES_MAX, normalise};

/// Up to 20 symbols cost the same as one.
const SYMBOLS_PER_TICKER: usize = 20;
/// The most that `trades`, `historicalTrades` and `aggTrades` give.
const TRADES_MAX: usize = 1_000;
/// What one address may spend.
const WEIGHT_PER_MINUTE: u32 = 6_000;

impl Adapter for Binance {
    fn exchange(&self) -> Exchange {
        EXCHANGE
    }

    fn profile(&self) -> Profile {
        super::profile()
    }

    fn protocol(&self) -> Box<dyn Protocol> {
        Box::new(BinanceProtocol::default())
    }

    fn ask_instruments(&self) -> Ask {
        // Permission sets are most of the answer and of no use here.
        Ask {
            path: "/api/v3/exchangeInfo?showPermissionSets=false".into(),
            weight: 20,
        }
    }

    fn read_instruments(&self, body: &str) -> Result<Vec<Instrument>, ProviderError> {
        #[derive(Deserialize)]
        struct Info<'a> {
            #[serde(borrow)]
            symbols: Vec<&'a RawValue>,
        }
        let info: Info<'_> = reading::answer(EXCHANGE, body)?;
        let rows = info.symbols.iter();
        let rows = rows.filter_map(|raw| reading::row(EXCHANGE, None, raw));
        Ok(rows.map(instrument).collect())
    }

    fn ask_tickers(&self, of: &[Arc<Instrument>]) -> Vec<(Ask, Vec<Arc<Instrument>>)> {
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

    fn read_tickers(
        &self,
        body: &str,
        of: &[Arc<Instrument>],
        received_at: Timestamp,
    ) -> Result<Vec<Ticker>, ProviderError> {
        let rows: Vec<RestTicker<'_>> = if body.trim_start().starts_with('[') {
            reading::answer(EXCHANGE, body)?
        } else {
            vec![reading::answer(EXCHANGE, body)?]
        };
        let read = |row: &RestTicker<'_>| {
            let instrument = of.iter().find(|i| i.native == row.symbol)?;
            Some(
                normalise::rest_ticker(row, instrument.market, received_at)
                    .map_err(malformed(EXCHANGE)),
            )
        };
        rows.iter().filter_map(read).collect()
    }

    fn ask_trades(&self, of: &Instrument, limit: usize) -> Ask {
        let limit = limit.clamp(1, TRADES_MAX);
        Ask {
            path: format!(
                "/api/v3/trades?symbol={}&limit={limit}",
                percent_encode(&of.native)
            ),
            weight: 25,
        }
    }

    fn read_trades(
        &self,
        body: &str,
        of: &Instrument,
        received_at: Timestamp,
    ) -> Result<Vec<Trade>, ProviderError> {
        let rows: Vec<RestTrade<'_>> = reading::answer(EXCHANGE, body)?;
        let trades = rows
            .iter()
            .map(|row| normalise::rest_trade(row, of.market, received_at));
        trades
            .collect::<Result<_, _>>()
            .map_err(malformed(EXCHANGE))
    }

    /// Pages begin at an id, which is counted back from the one that they must reach: ids rise by one.
    fn ask_trades_page(&self, of: &Instrument, page: TradePage) -> Option<Ask> {
        let TradePage::Before(id) = page else {
            return None;
        };
        Some(Ask {
            path: format!(
                "/api/v3/historicalTrades?symbol={}&limit={TRADES_MAX}&fromId={}",
                percent_encode(&of.native),
                id.saturating_sub(TRADES_MAX as u64)
            ),
            weight: 25,
        })
    }

    /// Both ends are part of what is asked for at the exchange. A whole page has no end: before a listing the first
    /// rows that there are come, and not one empty page after another.
    fn ask_candles(&self, of: &Instrument, interval: Interval, span: Span) -> Option<Ask> {
        let millis = |at: Timestamp| at.nanos().div_euclid(1_000_000).max(0);
        let is_whole = interval.count(span.from, span.until) >= KLINES_MAX as u64;
        let end = match is_whole {
            true => String::new(),
            false => format!("&endTime={}", millis(span.until.plus_nanos(-1))),
        };
        INTERVALS.contains(&interval).then(|| Ask {
            path: format!(
                "/api/v3/klines?symbol={}&interval={interval}&startTime={}{end}&limit={KLINES_MAX}",
                percent_encode(&of.native),
                millis(interval.first_from(span.from)),
            ),
            weight: 2,
        })
    }

    fn read_candles(
        &self,
        body: &str,
        of: &Instrument,
        interval: Interval,
        received_at: Timestamp,
    ) -> Result<CandleRows, ProviderError> {
        let rows: Vec<&RawValue> = reading::answer(EXCHANGE, body)?;
        reading::candles(EXCHANGE, &rows, |row| {
            normalise::rest_kline(row, of.market, interval, received_at)
        })
    }

    fn ask_aggregates(&self, of: &Instrument, page: AggregatePage) -> Option<Ask> {
        let from = match page {
            AggregatePage::Since(moment) => {
                format!("startTime={}", moment.nanos().div_euclid(1_000_000).max(0))
            }
            AggregatePage::After(id) => format!("fromId={}", id.checked_add(1)?),
        };
        Some(Ask {
            path: format!(
                "/api/v3/aggTrades?symbol={}&limit={TRADES_MAX}&{from}",
                percent_encode(&of.native)
            ),
            weight: 4,
        })
    }

    fn read_aggregates(
        &self,
        body: &str,
        of: &Instrument,
        received_at: Timestamp,
    ) -> Result<Vec<AggregateTrade>, ProviderError> {
        let rows: Vec<RestAggregate<'_>> = reading::answer(EXCHANGE, body)?;
        let rows = rows
            .iter()
            .map(|row| normalise::aggregate(row, of.market, received_at));
        rows.collect::<Result<_, _>>().map_err(malformed(EXCHANGE))
    }

    fn read_error(&self, body: &str) -> Option<String> {
        let error: RestError = serde_json::from_str(body).ok()?;
        Some(format!("{} ({})", error.msg, error.code))
    }

    fn ask_time(&self) -> Option<Ask> {
        Some(Ask {
            path: "/api/v3/time".into(),
            weight: 1,
        })
    }

    fn read_time(&self, body: &str) -> Result<Timestamp, ProviderError> {
        let wire: RestTime = reading::answer(EXCHANGE, body)?;
        normalise::time(wire.server_time).map_err(malformed(EXCHANGE))
    }

    /// Told with every answer, refusals included.
    fn used_weight<'a>(&self, header: &dyn Fn(&str) -> Option<&'a str>) -> Option<UsedWeight> {
        Some(UsedWeight {
            used: header("x-mbx-used-weight-1m")?.trim().parse().ok()?,
            limit: WEIGHT_PER_MINUTE,
            window: Duration::from_secs(60),
        })
    }
}

fn instrument(info: SymbolInfo) -> Instrument {
    let mut instrument =
        Instrument::new(EXCHANGE, &info.base_asset, &info.quote_asset, info.symbol);
    instrument.ws = instrument.native.to_lowercase();
    for filter in &info.filters {
        match filter.filter_type.as_str() {
            "PRICE_FILTER" => instrument.tick_size = rule(&filter.tick_size).map(Into::into),
            "LOT_SIZE" => instrument.lot_size = rule(&filter.step_size).map(Into::into),
            "NOTIONAL" | "MIN_NOTIONAL" => instrument.min_notional = rule(&filter.min_notional),
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
