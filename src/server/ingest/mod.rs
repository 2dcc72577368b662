//! Events that programs push: read from JSON Lines, checked, handed to the engine.
//!
//! Whoever pushes names an exchange of its own, which becomes a provider with its first event: what is pushed is
//! ordered, watched and delivered like everything else. Names are kept for ever, so they are checked and counted
//! before anything is made of them.

mod line;
mod source;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use crate::engine::Engine;
use crate::feed::{Provider, Topic};
use crate::model::{Exchange, Instrument, Interval, Market, Stream};

use line::Pushed;
use source::Source;

/// Exchanges that can be pushed to.
pub const EXCHANGES: usize = 16;
/// Symbols, of all of them together.
pub const SYMBOLS: usize = 1_000;
/// Names that mean something else, or will.
const RESERVED: &[&str] = &[
    "binance", "coinbase", "kraken", "mock", "server", "replay", "redis",
];

/// Has the topics served before their first event is handed over: whoever comes later would miss it.
///
/// Errors: why they cannot be served, for the program that pushes.
pub type Serve = Arc<dyn Fn(Vec<Topic>) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Where pushed events go.
pub struct Ingest {
    engine: Engine,
    serve: Serve,
    /// One body at a time: what is registered for one is there for the next.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    sources: HashMap<String, Pusher>,
    symbols: usize,
}

/// An exchange that is pushed to.
struct Pusher {
    source: Arc<Source>,
    markets: HashMap<String, Arc<Instrument>>,
    served: Vec<(Market, Stream)>,
}

/// What became of a body.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// How many events were handed over.
    pub accepted: usize,
    /// Lines that were not, counted from 1, each with why.
    pub rejected: Vec<(usize, String)>,
}

impl Ingest {
    /// Hands what is pushed to this engine. `serve`: asked for each new topic before its first event.
    pub fn new(engine: Engine, serve: Serve) -> Self {
        Self {
            engine,
            serve,
            known: Mutex::default(),
        }
    }

    /// Takes JSON Lines, each an event as it is told elsewhere. Empty lines are nothing.
    pub async fn accept_lines(&self, body: &[u8]) -> Accepted {
        let mut result = Accepted::default();
        let mut known = self.known.lock().await;
        for (place, line) in body.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            match self.accept(line, &mut known).await {
                Ok(()) => result.accepted += 1,
                Err(why) => result.rejected.push((place + 1, why)),
            }
        }
        result
    }

    /// Whether a provider of this name is one that is pushed to.
    pub async fn is_source(&self, name: &str) -> bool {
        self.known.lock().await.sources.contains_key(name)
    }

    async fn accept(&self, line: &[u8], known: &mut Known) -> Result<(), String> {
        let now = self.engine.clock().now();
        let pushed = line::read(line, now)?;
        if !known.sources.contains_key(&pushed.exchange) {
            self.register(&pushed, known).await?;
        }
        let Known { sources, symbols } = known;
        let pusher = sources
            .get_mut(&pushed.exchange)
            .expect("it was registered just now");
        let (instrument, is_new) = pusher.instrument(&pushed, symbols)?;
        if is_new && let Ok(manager) = self.engine.symbols(&pushed.exchange) {
            // It is there, and not empty, so that this cannot fail.
            let _ = manager.refresh().await;
        }
        let stream = pushed.stream();
        if let Stream::Candles(interval) = stream {
            self.bring_candles(pusher, interval).await?;
        }
        let key = (instrument.market, stream);
        if !pusher.served.contains(&key) {
            let topic = Topic {
                instrument: instrument.clone(),
                stream,
            };
            (self.serve)(vec![topic]).await?;
            pusher.served.push(key);
        }
        pusher.source.push(pushed.event(instrument.market, now))
    }

    /// A name that was never pushed to becomes a provider.
    async fn register(&self, pushed: &Pushed, known: &mut Known) -> Result<(), String> {
        let name = &pushed.exchange;
        if RESERVED.contains(&name.as_str()) || self.engine.provider(name).is_ok() {
            return Err(format!(
                "`{name}` is a source of this server: push under another name"
            ));
        }
        if known.sources.len() >= EXCHANGES {
            return Err(format!(
                "`{name}` is one exchange too many: {EXCHANGES} can be pushed to"
            ));
        }
        if known.symbols >= SYMBOLS {
            return Err(too_many_symbols(&pushed.symbol()));
        }
        let clock = self.engine.clock().clone();
        let source = Arc::new(Source::new(Exchange::named(name), clock));
        let stopped = |_| "the server is stopping".to_owned();
        self.engine
            .register(source.clone() as Arc<dyn Provider>)
            .await
            .map_err(stopped)?;
        let pusher = Pusher {
            source,
            markets: HashMap::new(),
            served: Vec::new(),
        };
        known.sources.insert(name.clone(), pusher);
        Ok(())
    }

    /// Candles of a length that was not pushed before are taken as they come from now on, and no more made of trades.
    async fn bring_candles(&self, pusher: &mut Pusher, interval: Interval) -> Result<(), String> {
        let Some(source) = pusher.source.with_candles(interval) else {
            return Ok(());
        };
        pusher.source = Arc::new(source);
        let stopped = |_| "the server is stopping".to_owned();
        self.engine
            .register(pusher.source.clone() as Arc<dyn Provider>)
            .await
            .map_err(stopped)
    }
}

impl Pusher {
    /// The instrument, and whether it was not known before.
    fn instrument(
        &mut self,
        pushed: &Pushed,
        symbols: &mut usize,
    ) -> Result<(Arc<Instrument>, bool), String> {
        let symbol = pushed.symbol();
        if let Some(known) = self.markets.get(&symbol) {
            return Ok((known.clone(), false));
        }
        if *symbols >= SYMBOLS {
            return Err(too_many_symbols(&symbol));
        }
        *symbols += 1;
        let instrument = self.source.list(&pushed.base, &pushed.quote);
        self.markets.insert(symbol, instrument.clone());
        Ok((instrument, true))
    }
}

fn too_many_symbols(symbol: &str) -> String {
    format!("`{symbol}` is one symbol too many: {SYMBOLS} can be pushed")
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ingest")
    }
}
