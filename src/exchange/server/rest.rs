//! A server as an adapter: what is asked over its HTTP API, and how the answers are read.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::protocol::{
    Adapter, Ask, CandleRows, DecodeError, Profile, Protocol, TradePage,
};
use crate::exchange::reading::{self, malformed, optional_decimal, rfc3339};
use crate::exchange::{Literal, percent_encode};
use crate::feed::{ProviderError, Span};
use crate::model::{
    Candle, Exchange, Instrument, Interval, Origin, Ticker, Timestamp, Trade, TradingStatus,
};

use super::rooms::RoomsProtocol;
use super::wire::{CandleRow, GapRow, TickerRow, TradeRow, Whose};
use super::{PAGE, Remote};

/// Symbols in one question for prices; longer addresses are refused by some proxies.
const SYMBOLS_PER_QUESTION: usize = 50;

#[derive(Deserialize)]
struct Prices<'a> {
    #[serde(borrow)]
    prices: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Trades<'a> {
    #[serde(borrow)]
    trades: Vec<TradeRow<'a>>,
}

#[derive(Deserialize)]
struct Gaps<'a> {
    #[serde(borrow, default)]
    gaps: Vec<GapRow<'a>>,
}

#[derive(Deserialize)]
struct Candles<'a> {
    #[serde(borrow)]
    candles: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    gaps: Vec<GapRow<'a>>,
}

#[derive(Deserialize)]
struct Symbols<'a> {
    #[serde(borrow)]
    symbols: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct SymbolRow<'a> {
    #[serde(borrow)]
    base: Cow<'a, str>,
    #[serde(borrow)]
    quote: Cow<'a, str>,
    #[serde(borrow)]
    native: Cow<'a, str>,
    #[serde(borrow)]
    ws: Option<Cow<'a, str>>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(borrow)]
    tick_size: Option<Literal<'a>>,
    #[serde(borrow)]
    lot_size: Option<Literal<'a>>,
    #[serde(borrow)]
    min_notional: Option<Literal<'a>>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    status_text: Option<String>,
}

#[derive(Deserialize)]
struct Time<'a> {
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Refusal {
    error: Told,
}

#[derive(Deserialize)]
struct Told {
    message: String,
}

impl Remote {
    /// The query that names one instrument.
    fn symbol(&self, of: &Instrument) -> String {
        let symbol = percent_encode(of.market.symbol());
        format!("symbol={symbol}&provider={}", self.exchange)
    }

    fn instrument(&self, raw: &RawValue) -> Option<Instrument> {
        let row: SymbolRow<'_> = reading::row(self.exchange, None, raw)?;
        if row.base.is_empty() || row.quote.is_empty() {
            return None;
        }
        let native = row.native.into_owned();
        let mut instrument = Instrument::new(self.exchange, &row.base, &row.quote, native);
        if let Some(ws) = row.ws {
            instrument.ws = ws.into_owned();
        }
        let rule = |literal| optional_decimal(literal).ok().flatten();
        instrument.aliases = row.aliases;
        instrument.tick_size = rule(row.tick_size).map(Into::into);
        instrument.lot_size = rule(row.lot_size).map(Into::into);
        instrument.min_notional = rule(row.min_notional);
        instrument.status = match row.status.as_deref() {
            Some("trading") | None => TradingStatus::Trading,
            Some("restricted") => TradingStatus::Restricted,
            Some("halted") => TradingStatus::Halted,
            Some("delisted") => TradingStatus::Delisted,
            Some(_) => TradingStatus::Unknown,
        };
        instrument.status_text = row.status_text.unwrap_or_default();
        Some(instrument)
    }

    /// What one entry says now: its time of receipt is when the server last had it confirmed, told from here.
    ///
    /// Errors: the server does not vouch for it.
    fn price(
        &self,
        raw: &RawValue,
        instrument: &Instrument,
        received_at: Timestamp,
    ) -> Result<Ticker, ProviderError> {
        let row: TickerRow<'_> = reading::answer(self.exchange, raw.get())?;
        if row.stale {
            let why = format!("{}: the server's value is out of date", instrument.market);
            return Err(ProviderError::Unreachable(why));
        }
        let mut ticker = row
            .ticker(instrument.market)
            .map_err(malformed(self.exchange))?;
        if let Some(age) = row.age.filter(|age| *age >= 0.0) {
            // Saturates.
            ticker.received_at = received_at.plus_nanos(-((age * 1e9) as i64));
        }
        Ok(ticker)
    }
}

impl Adapter for Remote {
    fn exchange(&self) -> Exchange {
        self.exchange
    }

    fn profile(&self) -> Profile {
        self.own_profile()
    }

    fn protocol(&self) -> Box<dyn Protocol> {
        let contiguous = self.habits.contiguous_ids;
        Box::new(RoomsProtocol::new(self.exchange, contiguous))
    }

    fn is_invented(&self) -> bool {
        self.habits.invented
    }

    fn has_own_clock(&self) -> bool {
        self.habits.own_clock
    }

    fn ask_instruments(&self) -> Ask {
        ask(format!("/api/v1/symbols?provider={}", self.exchange))
    }

    fn read_instruments(&self, body: &str) -> Result<Vec<Instrument>, ProviderError> {
        let answer: Symbols<'_> = reading::answer(self.exchange, body)?;
        let rows = answer.symbols.into_iter();
        Ok(rows.filter_map(|row| self.instrument(row)).collect())
    }

    fn ask_tickers(&self, of: &[Arc<Instrument>]) -> Vec<(Ask, Vec<Arc<Instrument>>)> {
        let question = |chunk: &[Arc<Instrument>]| {
            let symbols: Vec<_> = (chunk.iter())
                .map(|instrument| percent_encode(instrument.market.symbol()))
                .collect();
            let (symbols, provider) = (symbols.join(","), self.exchange);
            let path = format!("/api/v1/prices?symbol={symbols}&provider={provider}");
            (ask(path), chunk.to_vec())
        };
        of.chunks(SYMBOLS_PER_QUESTION).map(question).collect()
    }

    /// One that is out of date fails an answer for several, so that each is asked for alone: the others are fine.
    fn read_tickers(
        &self,
        body: &str,
        of: &[Arc<Instrument>],
        received_at: Timestamp,
    ) -> Result<Vec<Ticker>, ProviderError> {
        let answer: Prices<'_> = reading::answer(self.exchange, body)?;
        let mut tickers = Vec::with_capacity(of.len());
        for raw in answer.prices {
            let whose: Whose<'_> = reading::answer(self.exchange, raw.get())?;
            let is_ours = whose
                .exchange
                .is_none_or(|name| name == self.exchange.name());
            let named = of.iter().filter(|_| is_ours);
            let mut named = named.filter(|i| whose.symbol.as_deref() == Some(i.market.symbol()));
            let Some(instrument) = named.next() else {
                continue;
            };
            match self.price(raw, instrument, received_at) {
                Err(ProviderError::Unreachable(why)) if of.len() > 1 => {
                    return Err(ProviderError::Refused(why));
                }
                ticker => tickers.push(ticker?),
            }
        }
        Ok(tickers)
    }

    /// Whole pages are for repairs, for which what the server has is better than nothing. Who wants fewer wants to know
    /// what is new.
    fn ask_trades(&self, of: &Instrument, limit: usize) -> Ask {
        let limit = limit.clamp(1, PAGE);
        let fresh = if limit < PAGE { "&fresh=true" } else { "" };
        let symbol = self.symbol(of);
        ask(format!("/api/v1/trades?{symbol}&limit={limit}{fresh}"))
    }

    fn read_trades(
        &self,
        body: &str,
        of: &Instrument,
        _received_at: Timestamp,
    ) -> Result<Vec<Trade>, ProviderError> {
        let answer: Trades<'_> = reading::answer(self.exchange, body)?;
        let trades = answer.trades.iter().map(|row| {
            let origin = Origin::History;
            row.trade(of.market).map(|trade| Trade { origin, ..trade })
        });
        trades
            .collect::<Result<_, _>>()
            .map_err(malformed(self.exchange))
    }

    /// The server gives the first trades after an id: as many as fit before the one that is wanted.
    fn ask_trades_page(&self, of: &Instrument, page: TradePage) -> Option<Ask> {
        let TradePage::Before(id) = page else {
            return None;
        };
        let after = id.saturating_sub(PAGE as u64 + 1);
        let Ask { path, .. } = self.ask_trades(of, PAGE);
        Some(ask(format!("{path}&after_id={after}")))
    }

    /// It keeps the newest.
    fn keeps_all_trades(&self) -> bool {
        false
    }

    fn read_lost_trades(&self, body: &str) -> Vec<(u64, u64)> {
        let gaps = serde_json::from_str::<Gaps<'_>>(body).map(|answer| answer.gaps);
        let gaps = gaps.unwrap_or_default().into_iter();
        gaps.filter_map(|row| row.lost_trades()).collect()
    }

    fn ask_candles(&self, of: &Instrument, interval: Interval, span: Span) -> Option<Ask> {
        let (symbol, name) = (self.symbol(of), interval.name());
        let (from, until) = (span.from.to_string(), span.until.to_string());
        let (from, until) = (percent_encode(&from), percent_encode(&until));
        Some(ask(format!(
            "/api/v1/candles?{symbol}&interval={name}&limit={PAGE}&from={from}&until={until}&fresh=true"
        )))
    }

    fn read_candles(
        &self,
        body: &str,
        of: &Instrument,
        interval: Interval,
        received_at: Timestamp,
    ) -> Result<CandleRows, ProviderError> {
        let answer: Candles<'_> = reading::answer(self.exchange, body)?;
        let read = |raw: &&RawValue| {
            let row: CandleRow<'_> = serde_json::from_str(raw.get())?;
            let candle = row.candle(of.market, received_at)?;
            let origin = Origin::History;
            match candle.interval == interval {
                true => Ok(Candle { origin, ..candle }),
                false => Err(DecodeError::Value("a candle of another length")),
            }
        };
        let rows = answer.candles.iter().map(read).collect();
        let mut rows = reading::candle_rows(self.exchange, rows)?;
        // What the server could not have has not been without trades.
        rows.unread
            .extend(answer.gaps.iter().filter_map(GapRow::span));
        Ok(rows)
    }

    fn read_error(&self, body: &str) -> Option<String> {
        let refusal: Refusal = serde_json::from_str(body).ok()?;
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        Some(refusal.error.message.chars().map(clean).collect())
    }

    fn ask_time(&self) -> Option<Ask> {
        Some(ask("/status".into()))
    }

    fn read_time(&self, body: &str) -> Result<Timestamp, ProviderError> {
        let answer: Time<'_> = reading::answer(self.exchange, body)?;
        rfc3339(&answer.timestamp).map_err(malformed(self.exchange))
    }
}

fn ask(path: String) -> Ask {
    Ask { path, weight: 1 }
}
