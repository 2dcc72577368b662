//! Coinbase as an adapter, which is nearly all REST: what is asked, and how the answers are read. Every
//! request needs a User-Agent, which the HTTP client always sends.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::exchange::percent_encode;
use crate::exchange::protocol::{Adapter, Ask, CandleRows, Profile, Protocol, TradePage};
use crate::exchange::reading::{self, malformed, rule};
use crate::feed::{ProviderError, Span};
use crate::model::{
    Exchange, Instrument, Interval, Origin, Ticker, Timestamp, Trade, TradingStatus,
};

use super::subscribe::CoinbaseProtocol;
use super::wire::{Match, Product, RestError, RestTicker, RestTime};
use super::{Coinbase, EXCHANGE, GRANULARITIES, normalise};

/// The most that `trades` gives.
const TRADES_MAX: usize = 1_000;

impl Adapter for Coinbase {
    fn exchange(&self) -> Exchange {
        EXCHANGE
    }

    fn profile(&self) -> Profile {
        super::profile()
    }

    fn protocol(&self) -> Box<dyn Protocol> {
        Box::new(CoinbaseProtocol::default())
    }

    fn ask_instruments(&self) -> Ask {
        Ask {
            path: "/products".into(),
            weight: 1,
        }
    }

    fn read_instruments(&self, body: &str) -> Result<Vec<Instrument>, ProviderError> {
        let rows: Vec<&RawValue> = reading::answer(EXCHANGE, body)?;
        let rows = rows
            .iter()
            .filter_map(|raw| reading::row(EXCHANGE, None, raw));
        Ok(rows.map(instrument).collect())
    }

    /// There is no ticker for several products: one request each.
    fn ask_tickers(&self, of: &[Arc<Instrument>]) -> Vec<(Ask, Vec<Arc<Instrument>>)> {
        let ask = |instrument: &Arc<Instrument>| {
            let path = format!("/products/{}/ticker", percent_encode(&instrument.native));
            (Ask { path, weight: 1 }, vec![instrument.clone()])
        };
        of.iter().map(ask).collect()
    }

    fn read_tickers(
        &self,
        body: &str,
        of: &[Arc<Instrument>],
        received_at: Timestamp,
    ) -> Result<Vec<Ticker>, ProviderError> {
        let wire: RestTicker<'_> = reading::answer(EXCHANGE, body)?;
        let read = |instrument: &Arc<Instrument>| {
            normalise::rest_ticker(&wire, instrument.market, received_at)
        };
        of.iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(malformed(EXCHANGE))
    }

    fn ask_trades(&self, of: &Instrument, limit: usize) -> Ask {
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
    fn read_trades(
        &self,
        body: &str,
        of: &Instrument,
        received_at: Timestamp,
    ) -> Result<Vec<Trade>, ProviderError> {
        let rows: Vec<Match<'_>> = reading::answer(EXCHANGE, body)?;
        let trades = rows
            .iter()
            .map(|row| normalise::trade(row, of.market, received_at, Origin::History));
        let mut trades: Vec<Trade> = trades
            .collect::<Result<_, _>>()
            .map_err(malformed(EXCHANGE))?;
        trades.sort_by_key(|trade| trade.id);
        Ok(trades)
    }

    /// `after` is older than: it takes the `CB-AFTER` header of the page before, which is that page's oldest
    /// id, so that the header itself is not needed.
    fn ask_trades_page(&self, of: &Instrument, page: TradePage) -> Option<Ask> {
        let TradePage::Before(id) = page else {
            return None;
        };
        let Ask { path, weight } = self.ask_trades(of, TRADES_MAX);
        Some(Ask {
            path: format!("{path}&after={id}"),
            weight,
        })
    }

    /// Both ends are part of what is asked for at the exchange, and more than 300 rows are refused.
    fn ask_candles(&self, of: &Instrument, interval: Interval, span: Span) -> Option<Ask> {
        let (first, last) = (
            interval.first_from(span.from),
            interval.open_of(span.until.plus_nanos(-1)),
        );
        GRANULARITIES.contains(&interval).then(|| Ask {
            path: format!(
                "/products/{}/candles?granularity={}&start={first}&end={last}",
                percent_encode(&of.native),
                interval.length().as_secs(),
            ),
            weight: 1,
        })
    }

    /// The exchange sends the newest first, and nothing for an interval without trades.
    fn read_candles(
        &self,
        body: &str,
        of: &Instrument,
        interval: Interval,
        received_at: Timestamp,
    ) -> Result<CandleRows, ProviderError> {
        let rows: Vec<&RawValue> = reading::answer(EXCHANGE, body)?;
        reading::candles(EXCHANGE, &rows, |row| {
            normalise::rest_candle(row, of.market, interval, received_at)
        })
    }

    fn read_error(&self, body: &str) -> Option<String> {
        serde_json::from_str::<RestError>(body)
            .ok()
            .map(|error| error.message)
    }

    fn ask_time(&self) -> Option<Ask> {
        Some(Ask {
            path: "/time".into(),
            weight: 1,
        })
    }

    fn read_time(&self, body: &str) -> Result<Timestamp, ProviderError> {
        let wire: RestTime<'_> = reading::answer(EXCHANGE, body)?;
        reading::rfc3339(&wire.iso).map_err(malformed(EXCHANGE))
    }
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
    let mut instrument = Instrument::new(EXCHANGE, &base, &quote, product.id.clone());
    instrument.tick_size = rule(&product.quote_increment).map(Into::into);
    instrument.lot_size = rule(&product.base_increment).map(Into::into);
    instrument.min_notional = rule(&product.min_market_funds);
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
