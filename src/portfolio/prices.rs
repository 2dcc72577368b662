//! The newest prices, and whether they are those of now.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Event, Exchange, Market, Price, Status, StatusState, Ticker, Timestamp};

use super::value::{Rate, Unpriced};

/// The newest believed ticker of each market, as events tell it, and which of them are stale.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    tickers: HashMap<Market, (Arc<Ticker>, Timestamp)>,
    /// Markets in trouble, and whole connections.
    troubled: HashMap<Market, StatusState>,
    lost: HashMap<Exchange, StatusState>,
    /// Who speaks for a market now.
    stand_ins: HashMap<Market, Market>,
}

impl Prices {
    /// Takes an event that comes at this moment.
    pub fn on_event(&mut self, event: &Event, now: Timestamp) {
        match event {
            // One that cannot be believed is followed by one that can.
            Event::Ticker(ticker) if !ticker.suspect && ticker.price.is_some() => {
                self.tickers.insert(ticker.market, (ticker.clone(), now));
            }
            Event::Status(status) => self.on_status(status),
            _ => {}
        }
    }

    fn on_status(&mut self, status: &Status) {
        let is_trouble = status.state.is_trouble();
        let Some(market) = status.market else {
            let all = status.exchange;
            if is_trouble {
                self.lost.insert(all, status.state);
            } else {
                self.lost.remove(&all);
                // What a lost connection did to its symbols ended with it; a refused symbol stays refused.
                self.troubled
                    .retain(|m, state| m.exchange() != all || *state == StatusState::Failed);
            }
            return;
        };
        if let Some(speaker) = status.stand_in {
            // Itself, once it is back.
            self.stand_ins.insert(market, speaker);
        }
        if is_trouble {
            self.troubled.insert(market, status.state);
        } else {
            self.troubled.remove(&market);
        }
    }

    /// Whether anything was told of the price of this market, or of whoever stands in for it.
    pub fn has(&self, market: Market) -> bool {
        self.tickers.contains_key(&self.speaker(market))
    }

    /// Whether no price of this market is to be expected: it was refused or given up.
    pub fn has_failed(&self, market: Market) -> bool {
        let market = self.speaker(market);
        let states = [
            self.troubled.get(&market),
            self.lost.get(&market.exchange()),
        ];
        states
            .into_iter()
            .flatten()
            .any(|state| *state == StatusState::Failed)
    }

    /// What a market is priced at now. `is_fresh` judges the newest ticker, from when it came.
    pub fn rate(
        &self,
        market: Market,
        is_fresh: impl FnOnce(&Ticker, Timestamp) -> bool,
    ) -> Result<Rate, Unpriced> {
        let market = self.speaker(market);
        let (ticker, at) = self.tickers.get(&market).ok_or(Unpriced::NoPrice)?;
        let price = ticker.price.ok_or(Unpriced::NoPrice)?;
        let is_troubled =
            self.troubled.contains_key(&market) || self.lost.contains_key(&market.exchange());
        if is_troubled || !is_fresh(ticker, *at) {
            return Err(Unpriced::Stale);
        }
        Ok(Rate {
            price: price.decimal(),
            open: ticker.open_24h.map(Price::decimal),
        })
    }

    fn speaker(&self, market: Market) -> Market {
        self.stand_ins.get(&market).copied().unwrap_or(market)
    }
}
