//! One market of the table: what is known of it, and how each column says it.

use std::sync::Arc;

use super::columns::Column;
use super::text;
use super::trend::Trend;
use crate::model::{
    Candle, Decimal, Interval, Market, Price, Side, Status, StatusState, Ticker, Timestamp, Trade,
    write_decimal,
};

/// For how long a changed price stands out.
const FRESH_NANOS: i64 = 1_000_000_000;

/// What a cell means; the view makes a style of it, and the text says the same without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tone {
    #[default]
    Plain,
    Up,
    Down,
    Dim,
    Warn,
    Bad,
}

/// The text of one cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    /// Stands at the left of the column, whatever the text does: the arrow of a price.
    pub(super) mark: &'static str,
    pub(super) tone: Tone,
    /// Stands out for a moment.
    pub(super) fresh: bool,
}

impl Cell {
    fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
            ..Self::default()
        }
    }

    /// A number as sent, or `-`.
    fn number(value: Option<Decimal>) -> Self {
        match value {
            Some(value) => Self::new(digits(value), Tone::Plain),
            None => Self::new("-", Tone::Dim),
        }
    }
}

/// How a market is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    Waiting,
    Fine,
    Trouble,
    Failed,
}

impl Health {
    pub(super) fn of(state: StatusState) -> Self {
        match state {
            StatusState::Connected | StatusState::Quiet => Self::Fine,
            StatusState::Stale | StatusState::Reconnecting | StatusState::Fallback => Self::Trouble,
            StatusState::Failed => Self::Failed,
        }
    }

    pub(super) fn tone(self) -> Tone {
        match self {
            Self::Waiting => Tone::Dim,
            Self::Fine => Tone::Plain,
            Self::Trouble => Tone::Warn,
            Self::Failed => Tone::Bad,
        }
    }
}

/// `reconnecting (2): connection refused`
pub(super) fn status_text(status: &Status) -> String {
    let mut text = status.state.name().to_owned();
    if status.attempt > 0 && status.state != StatusState::Connected {
        text += &format!(" ({})", status.attempt);
    }
    if let Some(reason) = &status.reason {
        text += &format!(": {}", text::clean(reason));
    }
    text
}

/// Everything that is shown of one market. Bounded: one event of each kind, a ring of samples, counts.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) market: Market,
    /// Of candles of this length; else of everything else.
    interval: Option<Interval>,
    candle: Option<Arc<Candle>>,
    ticker: Option<Arc<Ticker>>,
    trade: Option<Trade>,
    price: Option<Price>,
    /// The last change: up or down, and when.
    moved: Option<(bool, Timestamp)>,
    received_at: Option<Timestamp>,
    /// Its times are not ours: it counts as received when it is shown.
    pub(super) own_clock: bool,
    trend: Trend,
    /// The state of this symbol alone.
    pub(super) status: Option<Arc<Status>>,
    pub(super) gaps: u64,
}

impl Row {
    pub(super) fn new(market: Market, interval: Option<Interval>) -> Self {
        Self {
            market,
            interval,
            candle: None,
            ticker: None,
            trade: None,
            price: None,
            moved: None,
            received_at: None,
            own_clock: false,
            trend: Trend::default(),
            status: None,
            gaps: 0,
        }
    }

    /// Takes a ticker; its price only where no later trade is known, because tickers are sent less often.
    pub(super) fn on_ticker(&mut self, ticker: &Arc<Ticker>, now: Timestamp) {
        let ticker_time = ticker.timestamp.unwrap_or(ticker.received_at);
        let overtaken = self.trade.is_some_and(|trade| match ticker.timestamp {
            Some(_) => trade.timestamp >= ticker_time,
            None => trade.received_at >= ticker_time,
        });
        self.ticker = Some(ticker.clone());
        self.received(ticker.received_at, now);
        if let (Some(price), false) = (ticker.price, overtaken) {
            self.set_price(price, now);
        }
    }

    /// Takes a trade, unless a later one is known.
    pub(super) fn on_trade(&mut self, trade: &Trade, now: Timestamp) {
        self.received(trade.received_at, now);
        if self
            .trade
            .is_none_or(|known| known.timestamp <= trade.timestamp)
        {
            self.trade = Some(*trade);
            self.set_price(trade.price, now);
        }
    }

    /// Takes a candle.
    pub(super) fn on_candle(&mut self, candle: &Arc<Candle>, now: Timestamp) {
        self.received(candle.received_at, now);
        self.set_price(candle.close, now);
        self.candle = Some(candle.clone());
    }

    fn received(&mut self, at: Timestamp, now: Timestamp) {
        let at = if self.own_clock { now } else { at };
        self.received_at = self.received_at.max(Some(at));
        // Data is the proof that a silence has ended.
        if (self.status.as_ref())
            .is_some_and(|s| Health::of(s.state) == Health::Trouble && s.timestamp < at)
        {
            self.status = None;
        }
    }

    fn set_price(&mut self, price: Price, now: Timestamp) {
        if let Some(before) = self.price
            && before != price
        {
            self.moved = Some((price > before, now));
        }
        self.price = Some(price);
        self.trend.add(price, now);
    }

    /// The percentage of the 24 hours, for sorting.
    pub(super) fn change(&self) -> Option<Decimal> {
        self.ticker.as_ref()?.change_percent_24h
    }

    /// How it is fed: the trouble of the symbol first, then that of the whole connection.
    pub(super) fn health(&self, connection: Option<&Status>) -> (Health, String) {
        let trouble = [self.status.as_deref(), connection]
            .into_iter()
            .flatten()
            .find(|s| s.state.is_trouble() || s.state == StatusState::Fallback);
        let (health, mut text) = match trouble {
            Some(status) => (Health::of(status.state), status_text(status)),
            None if self.received_at.is_some() => (Health::Fine, "connected".to_owned()),
            None => (Health::Waiting, "waiting".to_owned()),
        };
        match self.gaps {
            0 => {}
            1 => text += ", 1 gap",
            gaps => text += &format!(", {gaps} gaps"),
        }
        (health, text)
    }

    /// The symbol, with its exchange where there are several.
    pub(super) fn name(&self, prefixed: bool) -> String {
        let name = if prefixed {
            text::clean(&self.market.to_string())
        } else {
            text::clean(self.market.symbol())
        };
        match self.interval {
            Some(interval) => format!("{name} {interval}"),
            None => name,
        }
    }

    /// What stands in this column; the trend in at most `room` cells.
    pub(super) fn cell(
        &self,
        column: Column,
        now: Timestamp,
        prefixed: bool,
        connection: Option<&Status>,
        room: usize,
    ) -> Cell {
        let ticker = self.ticker.as_deref();
        let candle = self.candle.as_deref();
        match column {
            Column::Symbol => Cell::new(self.name(prefixed), Tone::Plain),
            Column::Price => self.price_cell(now),
            Column::Change => change_cell(self.change()),
            Column::Bid => Cell::number(ticker.and_then(|t| t.bid).map(Price::decimal)),
            Column::Ask => Cell::number(ticker.and_then(|t| t.ask).map(Price::decimal)),
            Column::Spread => Cell::number(ticker.and_then(Ticker::spread)),
            Column::Open => Cell::number(candle.map(|c| c.open.decimal())),
            Column::High => Cell::number(candle.map(|c| c.high.decimal())),
            Column::Low => Cell::number(candle.map(|c| c.low.decimal())),
            Column::Volume if self.interval.is_some() => {
                Cell::number(candle.map(|c| c.volume.decimal()))
            }
            Column::Volume => Cell::number(ticker.and_then(|t| t.volume_24h).map(|q| q.decimal())),
            Column::Size => Cell::number(self.trade.map(|t| t.size.decimal())),
            Column::Side => match self.trade.map(|t| t.side) {
                Some(Side::Buy) => Cell::new("buy", Tone::Up),
                Some(Side::Sell) => Cell::new("sell", Tone::Down),
                None => Cell::new("-", Tone::Dim),
            },
            Column::Age => match self.received_at {
                Some(at) => Cell::new(text::age(now, at), Tone::Plain),
                None => Cell::new("-", Tone::Dim),
            },
            Column::Trend => Cell::new(self.trend.bars(room), Tone::Plain),
            Column::State => {
                let (health, text) = self.health(connection);
                Cell::new(text, health.tone())
            }
        }
    }

    fn price_cell(&self, now: Timestamp) -> Cell {
        let Some(price) = self.price else {
            return Cell::new("-", Tone::Dim);
        };
        let cell = Cell::new(price.to_string(), Tone::Plain);
        let Some((up, at)) = self.moved else {
            return cell;
        };
        let (mark, tone) = if up {
            ("▲", Tone::Up)
        } else {
            ("▼", Tone::Down)
        };
        Cell {
            mark,
            tone,
            fresh: now.nanos().saturating_sub(at.nanos()) < FRESH_NANOS,
            ..cell
        }
    }
}

/// `+1.50%`: two decimals, rounded half-even, always with its sign.
fn change_cell(change: Option<Decimal>) -> Cell {
    let Some(change) = change else {
        return Cell::new("-", Tone::Dim);
    };
    let mut rounded = change.round_dp(2);
    rounded.rescale(2);
    let text = digits(rounded.abs());
    if rounded.is_zero() {
        Cell::new(format!("{text}%"), Tone::Plain)
    } else if rounded.is_sign_negative() {
        Cell::new(format!("-{text}%"), Tone::Down)
    } else {
        Cell::new(format!("+{text}%"), Tone::Up)
    }
}

pub(super) fn digits(value: Decimal) -> String {
    let mut out = Vec::with_capacity(32);
    write_decimal(value, &mut out);
    String::from_utf8(out).expect("digits are ASCII")
}
