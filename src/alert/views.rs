//! The newest that is known of each market, and since when it is confirmed.

use std::sync::Arc;
use std::time::Duration;

use crate::expression::{Function, Operand, Reference, What};
use crate::model::{
    Candle, Decimal, Event, Field, Interval, Market, Price, Stream, Ticker, Timestamp, Trade, Value,
};
use crate::series::Series;

/// Where the value of one operand comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Of which market.
    pub market: Market,
    /// What of it.
    pub what: What,
    /// Which of its streams has it, or what it is computed from; `None`: it is known without any data.
    pub stream: Option<Stream>,
}

impl Slot {
    /// The slots of these operands. `own` is the market that an unqualified field belongs to, `other` finds
    /// the market of a reference; `None` where it cannot be found.
    pub fn of(
        operands: &[Operand],
        own: Market,
        other: &dyn Fn(&Reference) -> Option<Market>,
    ) -> Option<Vec<Slot>> {
        let markets: Vec<Market> = operands
            .iter()
            .map(|operand| match &operand.of {
                Reference::Own => Some(own),
                reference => other(reference),
            })
            .collect::<Option<_>>()?;
        let of_trades = |market: Market| {
            let mut pairs = operands.iter().zip(&markets);
            pairs.any(|(operand, m)| {
                *m == market && operand.field().and_then(stream_of) == Some(Stream::Trades)
            })
        };
        let slot = |(operand, &market): (&Operand, &Market)| Slot {
            market,
            what: operand.what,
            stream: match operand.field() {
                None => operand
                    .function()
                    .map(|function| Stream::Candles(function.interval(DEFAULT_INTERVAL))),
                // Times and ages are those of what else the rule reads.
                Some(Field::Timestamp | Field::ReceivedAt | Field::Age) if of_trades(market) => {
                    Some(Stream::Trades)
                }
                field => field.and_then(stream_of),
            },
        };
        Some(operands.iter().zip(&markets).map(slot).collect())
    }

    /// Whether it is this field.
    pub fn is(&self, field: Field) -> bool {
        self.what == What::Field(field)
    }
}

/// Of functions that name no interval, and of the fields of candles.
pub const DEFAULT_INTERVAL: Interval = Interval::M1;

/// The stream that says most about a field.
fn stream_of(field: Field) -> Option<Stream> {
    match field {
        Field::Type | Field::Exchange | Field::Symbol => None,
        // Every trade counts; a ticker may leave some out.
        Field::Price | Field::Id | Field::Size | Field::Side | Field::Origin => {
            Some(Stream::Trades)
        }
        field if field.exists_in(Stream::Ticker) => Some(Stream::Ticker),
        _ => Some(Stream::Candles(DEFAULT_INTERVAL)),
    }
}

/// Whether a field of a candle is wrong as long as a trade in it is not counted.
fn is_of_all(field: Field) -> bool {
    matches!(
        field,
        Field::Open | Field::High | Field::Low | Field::Volume | Field::QuoteVolume | Field::Trades
    )
}

/// One event and when it was last confirmed to be the newest, by our clock.
#[derive(Debug, Clone)]
struct Seen {
    event: Event,
    confirmed: Timestamp,
}

/// The newest that is known of one market.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    ticker: Option<Seen>,
    trade: Option<Seen>,
    /// Of the default length.
    candle: Option<Seen>,
    /// When a candle was confirmed to be the newest.
    computed: Option<Timestamp>,
    /// The newest candle that has closed, of whatever length.
    closed: Option<Arc<Candle>>,
    /// Where the price is that of a candle: how long it is.
    resolution: Option<Interval>,
}

/// All markets of a set of rules.
#[derive(Debug)]
pub struct Views {
    /// By [`Market::index`].
    markets: Vec<View>,
    /// What is computed from candles.
    pub series: Series,
    /// What was confirmed longer ago is not known any more; `None`: it stays known.
    pub max_age: Option<Duration>,
}

impl Default for Views {
    fn default() -> Self {
        Self {
            markets: Vec::new(),
            series: Series::new(DEFAULT_INTERVAL),
            max_age: None,
        }
    }
}

impl Views {
    /// Takes a ticker, a trade or a candle, and of gaps that candles are lost.
    pub fn update(&mut self, event: &Event, confirmed: Timestamp) {
        self.series.on_event(event);
        let (Some(market), Some(stream)) = (event.market(), event.stream()) else {
            return;
        };
        let seen = Some(Seen {
            event: event.clone(),
            confirmed,
        });
        match stream {
            Stream::Ticker => self.view_mut(market).ticker = seen,
            Stream::Trades => self.view_mut(market).trade = seen,
            Stream::Candles(interval) => {
                // Those of other lengths confirm it, too: they say nothing of its fields.
                let view = self.view_mut(market);
                let ends = |known: &Arc<Candle>| known.close_time();
                if let Event::Candle(candle) = event
                    && candle.closed
                    && view.closed.as_ref().map(ends) < Some(candle.close_time())
                {
                    view.closed = Some(candle.clone());
                }
                match (&mut view.candle, interval) {
                    (_, DEFAULT_INTERVAL) => view.candle = seen,
                    (Some(known), _) => known.confirmed = known.confirmed.max(confirmed),
                    (None, _) => {}
                }
                view.computed = view.computed.max(Some(confirmed));
                return;
            }
        }
        self.view_mut(market).resolution = None;
    }

    /// Where trades are replayed: the price before the first of them.
    pub fn seed_price(&mut self, market: Market, price: Price, at: Timestamp) {
        let ticker = Ticker {
            price: Some(price),
            timestamp: Some(at),
            ..Ticker::empty(market, at)
        };
        self.update(&Event::Ticker(Arc::new(ticker)), at);
    }

    /// Where candles are judged: a price out of one of them, and of no trade that is known.
    pub fn put_price(&mut self, market: Market, price: Price, at: Timestamp, of: Interval) {
        self.view_mut(market).trade = None;
        self.seed_price(market, price, at);
        self.view_mut(market).resolution = Some(of);
    }

    /// What is known of a market, which is forgotten.
    pub(super) fn take(&mut self, market: Market) -> View {
        std::mem::take(self.view_mut(market))
    }

    /// What was taken.
    pub(super) fn put(&mut self, market: Market, view: View) {
        *self.view_mut(market) = view;
    }

    /// As [`Views::put_price`], for as long as `look` takes.
    pub(super) fn with_price<T>(
        &mut self,
        market: Market,
        price: Price,
        at: Timestamp,
        of: Interval,
        look: impl FnOnce(&Views) -> T,
    ) -> T {
        let before = self.take(market);
        self.put_price(market, price, at, of);
        let seen = look(self);
        self.put(market, before);
        seen
    }

    /// How long the candle is that the price comes from; `None`: it does not come from one.
    pub fn resolution(&self, market: Market) -> Option<Interval> {
        self.markets.get(market.index())?.resolution
    }

    /// The exchange has confirmed that there is nothing newer.
    pub fn confirm(&mut self, market: Market, at: Timestamp) {
        let view = self.view_mut(market);
        let View {
            ticker,
            trade,
            candle,
            computed,
            ..
        } = view;
        for seen in [ticker, trade, candle].into_iter().flatten() {
            seen.confirmed = seen.confirmed.max(at);
        }
        *computed = computed.map(|known| known.max(at));
    }

    /// When the newest of this stream was confirmed.
    pub fn confirmed(&self, market: Market, stream: Stream) -> Option<Timestamp> {
        match stream {
            Stream::Candles(_) => self.markets.get(market.index())?.computed,
            _ => self.seen(market, stream).map(|seen| seen.confirmed),
        }
    }

    /// The newest candle of a market that has closed, of whatever length.
    pub fn last_closed(&self, market: Market) -> Option<&Candle> {
        self.markets.get(market.index())?.closed.as_deref()
    }

    /// The last price, whatever its age.
    pub fn price(&self, market: Market) -> Option<Price> {
        match self.seen(market, Stream::Trades).map(|seen| &seen.event) {
            Some(Event::Trade(trade)) => Some(trade.price),
            Some(Event::Ticker(ticker)) => ticker.price,
            _ => None,
        }
    }

    /// The exchange's time of the newest that is known of a market.
    pub fn time_of(&self, market: Market) -> Option<Timestamp> {
        let seen = self.seen(market, Stream::Trades)?;
        Some(super::time_of(&seen.event))
    }

    /// The last trade, where trades are read.
    pub fn last_trade(&self, market: Market) -> Option<Trade> {
        match self.markets.get(market.index())?.trade.as_ref()?.event {
            Event::Trade(trade) => Some(trade),
            _ => None,
        }
    }

    /// The value of a slot at `now`, unknown where it is missing or too old.
    pub fn value(&self, slot: &Slot, now: Timestamp) -> Value {
        let field = match slot.what {
            What::Field(field) => field,
            What::Function(function) => return self.computed(slot.market, &function, now),
        };
        let Some(stream) = slot.stream else {
            return match field {
                Field::Exchange => Value::Text(slot.market.exchange().name().into()),
                Field::Symbol => Value::Text(slot.market.symbol().into()),
                _ => Value::Null,
            };
        };
        let Some(seen) = self.seen(slot.market, stream) else {
            return Value::Null;
        };
        let age = now.nanos().saturating_sub(seen.confirmed.nanos()).max(0);
        if field == Field::Age {
            return Value::Number(Decimal::new(age / 1_000_000, 3));
        }
        let too_old = |most: Duration| age as u128 > most.as_nanos();
        if self.max_age.is_some_and(too_old) {
            return Value::Null;
        }
        match (field, &seen.event) {
            // A number in expressions, and nothing is allocated.
            (Field::Id, Event::Trade(trade)) => Value::Number(trade.id.into()),
            (field, Event::Candle(candle)) if !candle.complete && is_of_all(field) => Value::Null,
            (field, event) => field.value(event, now),
        }
    }

    /// The newest of a stream. A ticker knows the last price, too: it stands in until the first trade.
    fn seen(&self, market: Market, stream: Stream) -> Option<&Seen> {
        let view = self.markets.get(market.index())?;
        match stream {
            Stream::Ticker => view.ticker.as_ref(),
            Stream::Trades => view.trade.as_ref().or(view.ticker.as_ref()),
            Stream::Candles(_) => view.candle.as_ref(),
        }
    }

    /// Unknown where it is warming up, or nothing has confirmed the market for too long.
    fn computed(&self, market: Market, function: &Function, now: Timestamp) -> Value {
        let view = self.markets.get(market.index());
        let confirmed = view.and_then(|view| {
            let seen = [&view.ticker, &view.trade].into_iter().flatten();
            let seen = seen.map(|seen| seen.confirmed);
            seen.chain(view.computed).max()
        });
        let age = confirmed.map(|at| now.nanos().saturating_sub(at.nanos()).max(0));
        let too_old = |most: Duration| age.is_none_or(|age| age as u128 > most.as_nanos());
        match self.max_age.is_some_and(too_old) {
            true => Value::Null,
            false => self.series.value(market, function, now),
        }
    }

    fn view_mut(&mut self, market: Market) -> &mut View {
        if self.markets.len() <= market.index() {
            self.markets.resize_with(market.index() + 1, View::default);
        }
        &mut self.markets[market.index()]
    }
}
