//! Streams of one's own: any WebSocket, with a mapping from its messages to events, or without one.
//!
//! The same driver as for exchanges connects, subscribes, pings and connects anew. There is no REST: what was missed
//! cannot be asked for, and is told as a gap where ids or a lost line show it.

mod map;
mod pointer;
mod protocol;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::broadcast;

use crate::feed::{Answer, ConnectTimes, FeedIo, Provider, ProviderError, Topic, Traits};
use crate::model::{Exchange, Field, Instrument, Interval, Ticker, Timestamp, Trade};

use super::live::Live;
use super::options::{LiveOptions, OptionsError};
use super::protocol::{Adapter, Ask, Candles, Limits, Profile, Protocol, Silence};
pub use map::{EventKind, Mapping, TimeUnit};
use protocol::CustomProtocol;

/// Messages of all raw streams that wait for those who read them; whoever is slower misses the oldest.
pub const RAW_MESSAGES: usize = 1_024;

/// A message of a raw stream.
#[derive(Debug, Clone)]
pub struct RawMessage {
    /// Which stream.
    pub stream: Exchange,
    /// The message: JSON as it came, or the text as a JSON string where it is none.
    pub json: Arc<str>,
    /// When it came.
    pub received_at: Timestamp,
}

/// What a stream of one's own says, and what that means.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Its name, as a provider and as the exchange of its events.
    pub exchange: Exchange,
    /// Sent after connecting; `{symbol}` makes a text one for each symbol, by its name there.
    pub subscribe: Vec<String>,
    /// The text of a ping. `None`: a WebSocket ping.
    pub ping: Option<String>,
    /// Without any message for so long it is dead. `None`: only where pings go unanswered.
    pub silence: Option<Duration>,
    /// The name on the stream, base and quote of each symbol. A raw stream may have none.
    pub symbols: Vec<(String, String, String)>,
    /// Messages become events by this. `None`: they are handed on as they are.
    pub mapping: Option<Mapping>,
    /// What must stand where in a message that is meant.
    pub conditions: Vec<(String, String)>,
}

/// A stream of one's own, as the engine takes it.
pub struct Custom {
    live: Arc<Live>,
    definition: Arc<Definition>,
}

impl Custom {
    /// `options`: `ws_url` is the address. Messages of a raw stream go to `raw`.
    ///
    /// Errors: a URL or a header that cannot be used.
    pub fn new(
        definition: Definition,
        options: LiveOptions,
        raw: Option<broadcast::Sender<RawMessage>>,
    ) -> Result<Self, OptionsError> {
        let definition = Arc::new(definition);
        let live = Live::new(
            CustomAdapter {
                definition: definition.clone(),
                raw,
            },
            options,
        )?;
        Ok(Self {
            live: Arc::new(live),
            definition,
        })
    }
}

/// What a raw stream without symbols is listed as: subscribing to it opens the line.
const RAW_SYMBOL: (&str, &str) = ("RAW", "TEXT");

impl Definition {
    fn instruments(&self) -> Vec<Instrument> {
        if self.symbols.is_empty() {
            let (base, quote) = RAW_SYMBOL;
            return vec![Instrument::new(self.exchange, base, quote, "")];
        }
        let instrument = |(native, base, quote): &(String, String, String)| {
            Instrument::new(self.exchange, base, quote, native.as_str())
        };
        self.symbols.iter().map(instrument).collect()
    }

    /// In the order in which symbols have them first.
    fn quotes(&self) -> Vec<String> {
        let mut quotes: Vec<String> = Vec::new();
        for (_, _, quote) in &self.symbols {
            if !quotes.contains(quote) {
                quotes.push(quote.clone());
            }
        }
        quotes
    }

    fn intervals(&self) -> &'static [Interval] {
        match self.mapping.as_ref().map(|mapping| mapping.kind) {
            Some(EventKind::Candle(interval)) => &Interval::ALL[interval as usize..][..1],
            _ => &[],
        }
    }
}

impl Provider for Custom {
    fn exchange(&self) -> Exchange {
        self.definition.exchange
    }

    fn traits(&self) -> Traits {
        Traits {
            quotes: self.definition.quotes(),
            // The line is watched as a whole: of one symbol nobody could be asked.
            silence: None,
            // Built in, as it were.
            list_source: None,
            ..self.live.traits()
        }
    }

    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>> {
        Box::pin(std::future::ready(Ok(self.definition.instruments())))
    }

    fn tickers(&self, of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        let refused = |instrument: Arc<Instrument>| {
            let why = no_rest(&instrument);
            (instrument, Err(why))
        };
        stream::iter(of).map(refused).boxed()
    }

    fn trades<'a>(
        &'a self,
        of: &'a Instrument,
        _limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>> {
        Box::pin(std::future::ready(Err(no_rest(of))))
    }

    fn connect_times(&self) -> BoxFuture<'_, Result<ConnectTimes, ProviderError>> {
        self.live.connect_times()
    }

    fn run(self: Arc<Self>, io: FeedIo) -> BoxFuture<'static, ()> {
        Provider::run(self.live.clone(), io)
    }
}

fn no_rest(of: &Instrument) -> ProviderError {
    ProviderError::Refused(format!("{}: a stream cannot be asked", of.market))
}

struct CustomAdapter {
    definition: Arc<Definition>,
    raw: Option<broadcast::Sender<RawMessage>>,
}

/// As careful as with the strictest exchange.
const LIMITS: Limits = Limits {
    topics_per_connection: 1_000,
    message_interval: Duration::from_millis(100),
    connects: &[(5, Duration::from_secs(5)), (60, Duration::from_secs(600))],
    connect_interval: Duration::from_secs(6),
    connect_burst: 20,
    silence: Silence {
        // Pings find a dead line long before.
        limit: Duration::from_secs(600),
        text_only: false,
    },
    lifetime: None,
    rest_interval: Duration::from_secs(1),
    rest_burst: 1,
};

impl Adapter for CustomAdapter {
    fn exchange(&self) -> Exchange {
        self.definition.exchange
    }

    fn profile(&self) -> Profile {
        let silence = self.definition.silence.map(|limit| Silence {
            limit,
            text_only: true,
        });
        Profile {
            rest_url: "".into(),
            history_url: None,
            // The options have it.
            ws_url: "".into(),
            ws_path: "",
            quotes: &[],
            asset_aliases: &[],
            contiguous_ids: false,
            stream_fields: match &self.definition.mapping {
                Some(mapping) if mapping.kind == EventKind::Ticker => Field::TICKER_NUMBERS,
                _ => &[],
            },
            rest_fields: &[],
            candles: Candles {
                streams: self.definition.intervals(),
                ..Candles::default()
            },
            limits: Limits {
                silence: silence.unwrap_or(LIMITS.silence),
                ..LIMITS
            },
        }
    }

    fn protocol(&self) -> Box<dyn Protocol> {
        Box::new(CustomProtocol::new(
            self.definition.clone(),
            self.raw.clone(),
        ))
    }

    fn ask_instruments(&self) -> Ask {
        nothing_to_ask()
    }

    fn read_instruments(&self, _: &str) -> Result<Vec<Instrument>, ProviderError> {
        Ok(self.definition.instruments())
    }

    fn ask_tickers(&self, _: &[Arc<Instrument>]) -> Vec<(Ask, Vec<Arc<Instrument>>)> {
        Vec::new()
    }

    fn read_tickers(
        &self,
        _: &str,
        _: &[Arc<Instrument>],
        _: Timestamp,
    ) -> Result<Vec<Ticker>, ProviderError> {
        Ok(Vec::new())
    }

    fn ask_trades(&self, _: &Instrument, _: usize) -> Ask {
        nothing_to_ask()
    }

    fn read_trades(
        &self,
        _: &str,
        of: &Instrument,
        _: Timestamp,
    ) -> Result<Vec<Trade>, ProviderError> {
        Err(no_rest(of))
    }

    fn read_error(&self, _: &str) -> Option<String> {
        None
    }
}

/// Never sent: [`Custom`] answers these questions itself.
fn nothing_to_ask() -> Ask {
    Ask {
        path: String::new(),
        weight: 1,
    }
}

/// Whether this topic is what the stream brings.
fn is_brought(definition: &Definition, topic: &Topic) -> bool {
    let stream = definition.mapping.as_ref().map(|mapping| mapping.kind);
    stream.is_none_or(|kind| kind.stream() == topic.stream)
}
