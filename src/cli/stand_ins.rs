//! `--fallback`: what other providers call the symbols that were asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::engine::{Engine, Subscription};
use crate::model::{Instrument, Market};
use crate::symbols::Catalogue;

use super::Ctx;
use super::notices::Notices;

/// A provider whose list does not come in this time is no help in an emergency.
const LIST_PATIENCE: Duration = Duration::from_secs(10);
/// The engine hands over within this time, once it knows to whom.
const HAND_OVER: Duration = Duration::from_secs(5);

/// Finds those who can stand in.
#[derive(Clone)]
pub struct StandIns {
    engine: Engine,
    notices: Notices,
    names: Vec<String>,
    is_invention_told: Arc<AtomicBool>,
}

impl StandIns {
    /// By the flag or the configuration.
    pub fn new(ctx: &Ctx) -> Self {
        Self::of_names(ctx.engine.clone(), ctx.notices, ctx.fallback.clone())
    }

    /// Providers of these names, most wanted first.
    pub fn of_names(engine: Engine, notices: Notices, names: Vec<String>) -> Self {
        Self {
            engine,
            notices,
            names,
            is_invention_told: Arc::default(),
        }
    }

    /// Whether there can be none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How long it may take until one of them stands in for what has failed.
    pub fn patience(&self) -> Duration {
        match self.is_empty() {
            true => Duration::ZERO,
            false => LIST_PATIENCE + HAND_OVER,
        }
    }

    /// Those for a symbol as it was written, most wanted first; none for one that named its provider.
    /// `primary`: what it means at its own provider, where that is known.
    pub async fn of(&self, text: &str, primary: Option<Market>) -> Vec<Arc<Instrument>> {
        let mut found = Vec::new();
        if text.contains(':') {
            return found;
        }
        let own = primary.map(|market| market.exchange().name());
        let is_bare = self.is_bare(text, primary).await;
        for name in self.names.iter().filter(|name| Some(name.as_str()) != own) {
            let Ok(manager) = self.engine.symbols(name) else {
                continue;
            };
            let list = tokio::time::timeout(LIST_PATIENCE, manager.catalogue()).await;
            let why = match list {
                Ok(Ok(catalogue)) => match same(&catalogue, text, primary, is_bare) {
                    Some(instrument) => {
                        found.push(instrument);
                        continue;
                    }
                    None => "it is not traded there".to_owned(),
                },
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no list of symbols in time".to_owned(),
            };
            let message = format!("{name} cannot stand in for {text}: {why}");
            self.notices.warn("fallback", &message);
        }
        found
    }

    /// Whether the text leaves the quote open, as its own provider spells assets.
    async fn is_bare(&self, text: &str, primary: Option<Market>) -> bool {
        let Some(market) = primary else {
            return false;
        };
        let base = text.trim().to_uppercase();
        if base == market.base() {
            return true;
        }
        let Ok(manager) = self.engine.symbols(market.exchange().name()) else {
            return false;
        };
        let list = tokio::time::timeout(LIST_PATIENCE, manager.catalogue()).await;
        matches!(list, Ok(Ok(catalogue)) if catalogue.is_asset(&base, market.base()))
    }

    /// Says once where one of these is no market at all.
    pub fn announce<'a>(&self, used: impl IntoIterator<Item = &'a Arc<Instrument>>) {
        for instrument in used {
            let exchange = instrument.market.exchange();
            let provider = self.engine.provider(exchange.name());
            let is_invented = provider.is_ok_and(|provider| provider.traits().invented);
            if is_invented && !self.is_invention_told.swap(true, Ordering::Relaxed) {
                let message = format!("{exchange} data, not a market");
                self.notices.warn(exchange.name(), &message);
            }
        }
    }

    /// Tells a running subscription who stands in for whom, as soon as that is known; nothing waits for it.
    /// `asked`: the symbols, and how each was written.
    pub fn provide(&self, subscription: &Subscription, asked: Vec<(Market, String)>) {
        if self.is_empty() {
            return;
        }
        let (finder, link) = (self.clone(), subscription.link());
        tokio::spawn(async move {
            for (market, text) in asked {
                let found = finder.of(&text, Some(market)).await;
                finder.announce(&found);
                if !found.is_empty() {
                    link.stand_in(market, found).await;
                }
            }
        });
    }
}

/// The very same symbol; where the text leaves the quote open and that one is not traded, what it means
/// there. Otherwise US dollars and their look-alikes are not taken for each other.
fn same(
    catalogue: &Catalogue,
    text: &str,
    primary: Option<Market>,
    is_bare: bool,
) -> Option<Arc<Instrument>> {
    let Some(market) = primary else {
        return catalogue.resolve(text).ok();
    };
    let mut listed = catalogue.instruments().iter();
    if let Some(exact) = listed.find(|other| other.market.symbol() == market.symbol()) {
        return Some(exact.clone());
    }
    is_bare.then(|| catalogue.resolve(market.base()).ok())?
}
