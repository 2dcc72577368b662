//! Made-up events of many symbols, and the provider that lists them.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use tickwire::feed::{Answer, FeedIo, Provider, ProviderError, Traits};
use tickwire::model::{
    Clock, Event, Exchange, Field, Instrument, JsonWriter, Market as Name, Origin, Side,
    SystemClock, Ticker, Trade,
};

/// How many symbols there are, at most.
pub const SYMBOLS: usize = 400;

const EXCHANGE: Exchange = Exchange::new("made-up");

fn name(symbol: usize) -> Name {
    Name::new(EXCHANGE, &format!("S{symbol:03}"), "USD")
}

/// Lists symbols and tells nothing: events go to the hub directly.
pub struct Listed;

impl Provider for Listed {
    fn exchange(&self) -> Exchange {
        EXCHANGE
    }

    fn traits(&self) -> Traits {
        Traits {
            quotes: vec!["USD".into()],
            asset_aliases: &[],
            contiguous_ids: true,
            can_wait: false,
            own_clock: false,
            invented: true,
            stream_fields: Field::TICKER_NUMBERS,
            rest_fields: Field::TICKER_NUMBERS,
            silence: None,
            candles: &[],
            empty_candles: false,
            list_source: None,
        }
    }

    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>> {
        let instrument =
            |n| Instrument::new(EXCHANGE, &format!("S{n:03}"), "USD", format!("S{n:03}USD"));
        Box::pin(async move { Ok((0..SYMBOLS).map(instrument).collect()) })
    }

    fn tickers(&self, _of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        futures_util::stream::empty().boxed()
    }

    fn trades<'a>(
        &'a self,
        _of: &'a Instrument,
        _limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn run(self: Arc<Self>, _io: FeedIo) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Trades and tickers of so many symbols in turn.
pub struct Market {
    names: Vec<Name>,
    ids: Vec<u64>,
    next: usize,
}

impl Market {
    pub fn new(symbols: usize) -> Self {
        Self {
            names: (0..symbols).map(name).collect(),
            ids: vec![0; symbols],
            next: 0,
        }
    }

    pub fn trades(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.trade()).collect()
    }

    /// Trades and tickers in equal parts.
    pub fn events(&mut self, count: usize) -> Vec<Event> {
        let pairs = (0..count / 2).map(|_| (self.trade(), self.ticker()));
        pairs.flat_map(|(trade, ticker)| [trade, ticker]).collect()
    }

    /// How long the data of a trade is.
    pub fn bytes(&mut self) -> usize {
        let mut out = Vec::new();
        JsonWriter::default().write(&self.trade(), &mut out);
        out.len()
    }

    fn trade(&mut self) -> Event {
        let now = SystemClock.now();
        self.next = (self.next + 1) % self.names.len();
        self.ids[self.next] += 1;
        Event::Trade(Trade {
            market: self.names[self.next],
            id: self.ids[self.next],
            price: "67321.5".parse().expect("a price"),
            size: "0.01847000".parse().expect("a size"),
            side: Side::Buy,
            timestamp: now,
            received_at: now,
            origin: Origin::Stream,
            replayed: false,
            suspect: false,
        })
    }

    /// Of the market that traded last.
    fn ticker(&self) -> Event {
        let mut ticker = Ticker::empty(self.names[self.next], SystemClock.now());
        ticker.price = "67321.5".parse().ok();
        ticker.bid = "67321.4".parse().ok();
        ticker.ask = "67321.6".parse().ok();
        Event::Ticker(Arc::new(ticker))
    }
}
