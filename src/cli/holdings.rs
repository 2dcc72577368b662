//! What is held, followed live: for `monitor --portfolio` and for the server.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::config::PortfolioSettings;
use crate::engine::{End, Engine, EngineError, Request, Subscription};
use crate::feed::Topic;
use crate::model::{Clock, Event, Instrument, Market, Stream, SystemClock, Ticker, Timestamp};
use crate::portfolio::{Leg, Pairs, Portfolio, Prices, Rate, Route, Unpriced, Valuation};
use crate::symbols::Catalogue;

use super::stand_ins::StandIns;

/// Where prices come from.
pub struct Source {
    /// The engine.
    pub engine: Engine,
    /// The provider whose markets price the holdings.
    pub provider: String,
    /// Who stands in for it.
    pub stand_ins: StandIns,
    /// Older prices are no prices of now.
    pub max_age: Option<Duration>,
}

/// A portfolio with the prices that it is valued by.
pub struct Holdings {
    source: Source,
    portfolio: Portfolio,
    routes: Vec<Result<Route, Unpriced>>,
    prices: Prices,
    subscription: Subscription,
    /// What is subscribed.
    markets: HashSet<Market>,
    batch: Vec<Event>,
}

impl Holdings {
    /// Nothing is held yet.
    ///
    /// Errors: the engine has stopped.
    pub async fn open(source: Source) -> Result<Self, EngineError> {
        let subscription = source.engine.subscribe(Request::default()).await?;
        let mut holdings = Self {
            portfolio: Portfolio {
                quote: String::new(),
                holdings: Vec::new(),
            },
            routes: Vec::new(),
            prices: Prices::default(),
            subscription,
            markets: HashSet::new(),
            batch: Vec::new(),
            source,
        };
        holdings.hold(&PortfolioSettings::default(), None).await?;
        Ok(holdings)
    }

    /// Holds this from now on, and subscribes to what prices it. Without a list nothing of it can be priced yet. What
    /// was subscribed before stays so: see [`Holdings::unused`].
    ///
    /// Errors: the engine has stopped, or a feed is too busy.
    pub async fn hold(
        &mut self,
        settings: &PortfolioSettings,
        list: Option<&Catalogue>,
    ) -> Result<(), EngineError> {
        let quote = settings.quote.clone();
        let quote = quote.unwrap_or_else(|| self.first_quote());
        let name = |text: &str| {
            let known = list.and_then(|list| list.asset(text));
            known.map_or_else(|| text.to_owned(), str::to_owned)
        };
        let holdings = settings.holdings.iter();
        self.portfolio = Portfolio {
            quote: name(&quote),
            holdings: holdings
                .map(|(asset, holding)| (name(asset), *holding))
                .collect(),
        };
        self.routes = match list {
            Some(list) => self.portfolio.routes(&Pairs::new(list.instruments())),
            None => vec![Err(Unpriced::NoPrice); self.portfolio.holdings.len()],
        };
        let mut new = self.instruments();
        new.retain(|instrument| !self.markets.contains(&instrument.market));
        if new.is_empty() {
            return Ok(());
        }
        let topic = |instrument: &Arc<Instrument>| Topic {
            instrument: instrument.clone(),
            stream: Stream::Ticker,
        };
        let topics = new.iter().map(topic).collect();
        self.subscription.link().add(topics).await?;
        let markets = || new.iter().map(|instrument| instrument.market);
        self.markets.extend(markets());
        let written = markets().map(|market| (market, market.symbol().to_owned()));
        let stand_ins = &self.source.stand_ins;
        stand_ins.provide(&self.subscription, written.collect());
        Ok(())
    }

    /// The quote of a portfolio that names none.
    fn first_quote(&self) -> String {
        let provider = self.source.engine.provider(&self.source.provider);
        let quotes = provider.map(|provider| provider.traits().quotes);
        let first = quotes.ok().and_then(|quotes| quotes.into_iter().next());
        first.unwrap_or_else(|| "USD".into())
    }

    /// What is held.
    pub fn portfolio(&self) -> &Portfolio {
        &self.portfolio
    }

    /// The instruments on all routes, each once.
    pub fn instruments(&self) -> Vec<Arc<Instrument>> {
        let mut seen = HashSet::new();
        let legs = self.legs().map(|leg| leg.instrument.clone());
        legs.filter(|instrument| seen.insert(instrument.market))
            .collect()
    }

    fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.routes.iter().flatten().flat_map(|route| &route.legs)
    }

    /// How many markets are subscribed.
    pub fn subscribed(&self) -> usize {
        self.markets.len()
    }

    /// What is subscribed and prices nothing that is held.
    pub fn unused(&self) -> Vec<Market> {
        let used: HashSet<_> = self.legs().map(Leg::market).collect();
        self.markets.difference(&used).copied().collect()
    }

    /// Unsubscribes from those of these that still price nothing.
    ///
    /// Errors: the engine has stopped.
    pub async fn leave(&mut self, markets: &[Market]) -> Result<(), EngineError> {
        let mut unused = self.unused();
        unused.retain(|market| markets.contains(market));
        self.markets.retain(|market| !unused.contains(market));
        let topics = unused.iter().map(|market| (*market, Stream::Ticker));
        self.subscription.link().remove(topics.collect()).await
    }

    /// Waits for prices and takes them. Cancel safe.
    pub async fn next(&mut self) -> Result<(), End> {
        self.subscription.next_batch(&mut self.batch).await?;
        let now = SystemClock.now();
        for event in &self.batch {
            self.prices.on_event(event, now);
        }
        Ok(())
    }

    /// The events that were taken last.
    pub fn events(&self) -> &[Event] {
        &self.batch
    }

    /// Takes an answer that was asked for, where it knows more than what has come.
    pub fn offer(&mut self, ticker: Ticker) {
        let is_better = match self.rate(ticker.market) {
            Ok(known) => known.open.is_none() && ticker.open_24h.is_some(),
            Err(_) => true,
        };
        if is_better {
            let event = Event::Ticker(Arc::new(ticker));
            self.prices.on_event(&event, SystemClock.now());
        }
    }

    /// Whether no more can be known for now: every market has told a price, or never will. `with_opens`: and the price
    /// of a day ago.
    pub fn is_settled(&self, with_opens: bool) -> bool {
        self.legs().map(Leg::market).all(|market| {
            let has_open = || self.rate(market).is_ok_and(|rate| rate.open.is_some());
            let is_told = self.prices.has(market) && (!with_opens || has_open());
            is_told || self.prices.has_failed(market)
        })
    }

    /// Whether there are markets, and each of them was refused or given up.
    pub fn have_failed(&self) -> bool {
        let mut legs = self.legs().peekable();
        legs.peek().is_some() && legs.all(|leg| self.prices.has_failed(leg.market()))
    }

    /// Markets that have told nothing yet.
    pub fn awaited(&self) -> Vec<Market> {
        let instruments = self.instruments();
        let markets = instruments.iter().map(|instrument| instrument.market);
        markets.filter(|market| !self.prices.has(*market)).collect()
    }

    /// What it is worth now.
    pub fn value(&self) -> Valuation {
        Valuation::new(&self.portfolio, &self.routes, &|market| self.rate(market))
    }

    fn rate(&self, market: Market) -> Result<Rate, Unpriced> {
        let (confirmed, now) = (self.source.engine.confirmed(), SystemClock.now());
        self.prices
            .rate(market, |ticker: &Ticker, came: Timestamp| {
                let confirmed = confirmed.get(ticker.market, Stream::Ticker);
                let known = confirmed.map_or(came, |at| at.max(came));
                let most = self.source.max_age;
                most.is_none_or(|most| now.seconds_since(known) <= most.as_secs_f64())
            })
    }
}
