//! Who takes over where a symbol of the default provider is in trouble.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::model::{Instrument, Market};

use super::Inner;

/// A provider whose list does not come in this time is no help in an emergency.
const LIST_PATIENCE: Duration = Duration::from_secs(10);

/// `fallback` of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StandIns {
    /// Whose symbols are stood in for: the default provider. Symbols of another one were asked for by its name.
    pub of: String,
    /// Who may stand in, most wanted first.
    pub names: Vec<String>,
}

impl Inner {
    /// Tells the engine anew who can stand in for what is read of this market now. Nothing waits for it.
    pub(super) fn renew_stand_ins(self: &Arc<Self>, market: Market) {
        let is_of_default = market.exchange().name() == self.stand_ins.of;
        let (is_running, text) = {
            let state = self.state();
            let mut of = state.entries.iter().filter(|((of, _), _)| *of == market);
            let is_running = of.any(|(_, entry)| entry.running.is_some());
            (is_running, state.written.get(&market).cloned())
        };
        if !is_of_default || !is_running || self.stand_ins.names.is_empty() {
            return;
        }
        let (engine, link) = (self.engine.clone(), self.link.clone());
        let names = self.stand_ins.names.clone();
        tokio::spawn(async move {
            let others = find(&engine, &names, market, text.as_deref()).await;
            if !others.is_empty() {
                link.stand_in(market, others).await;
            }
        });
    }
}

/// The very same symbol; where the configuration leaves the quote open and that one is not traded, what it means
/// there. Otherwise US dollars and their look-alikes are not taken for each other.
async fn find(
    engine: &Engine,
    names: &[String],
    market: Market,
    text: Option<&str>,
) -> Vec<Arc<Instrument>> {
    let is_bare = text.is_some_and(|text| text.trim().eq_ignore_ascii_case(market.base()));
    let mut found = Vec::new();
    for name in names {
        let Ok(manager) = engine.symbols(name) else {
            continue;
        };
        if *name == market.exchange().name() {
            continue;
        }
        let list = tokio::time::timeout(LIST_PATIENCE, manager.catalogue()).await;
        let Ok(Ok(catalogue)) = list else {
            tracing::warn!(%market, provider = %name, "cannot stand in: no list of symbols");
            continue;
        };
        let mut listed = catalogue.instruments().iter();
        let exact = listed.find(|other| other.market.symbol() == market.symbol());
        let other = exact.cloned();
        let bare = || is_bare.then(|| catalogue.resolve(market.base()).ok())?;
        match other.or_else(bare) {
            Some(instrument) => found.push(instrument),
            None => tracing::warn!(%market, provider = %name, "cannot stand in: not traded there"),
        }
    }
    found
}
