//! The seam between the engine and whatever feeds it.
//!
//! A [`Provider`] knows an exchange's instruments, answers single questions, and runs a live feed:
//! batches of events one way, subscriptions the other. Every exchange, `mock` and what library users
//! bring sit behind it. Owns no state and does no I/O.
//!
//! What the engine does with a provider, by hand:
//!
//! ```
//! use std::sync::Arc;
//!
//! use tickwire::exchange::mock::Mock;
//! use tickwire::feed::{Command, FeedIo, FeedStats, Provider, Topic};
//! use tickwire::model::Stream;
//! use tokio::sync::mpsc;
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = Arc::new(Mock::default());
//! let instrument = Arc::new(provider.instruments().await?.remove(0));
//!
//! let (ask, commands) = mpsc::channel(1);
//! let (events, mut told) = mpsc::channel(1);
//! let cancel = CancellationToken::new();
//! let stats = Arc::new(FeedStats::default());
//! let feed = tokio::spawn(provider.run(FeedIo { commands, events, cancel: cancel.clone(), stats }));
//!
//! let topic = Topic { instrument: instrument.clone(), stream: Stream::Ticker };
//! ask.send(Command::Subscribe(vec![topic])).await?;
//! let batch = told.recv().await.expect("the feed runs");
//! assert_eq!(batch.events[0].market(), Some(instrument.market));
//!
//! cancel.cancel();
//! feed.await?;
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::model::{
    Candle, Event, Exchange, Field, Instrument, Interval, Market, Stream, Ticker, Timestamp, Trade,
};

/// One stream of one instrument.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Of what.
    pub instrument: Arc<Instrument>,
    /// Which data.
    pub stream: Stream,
}

impl PartialEq for Topic {
    fn eq(&self, other: &Self) -> bool {
        self.stream == other.stream && self.instrument.market == other.instrument.market
    }
}

/// What the engine asks of a running feed.
#[derive(Debug, Clone)]
pub enum Command {
    /// Start these.
    Subscribe(Vec<Topic>),
    /// Stop these.
    Unsubscribe(Vec<Topic>),
    /// These are silent where they should not be: stop and start them anew, on the line on which they are,
    /// without harm to the others.
    Resubscribe(Vec<Topic>),
    /// That did not help: give these a line of their own, and the others stay where they are.
    Move(Vec<Topic>),
    /// Every line may be dead, since this machine slept: find out now.
    Check,
    /// Cut every line, as if the network had: for tests of the recovery.
    Cut,
}

/// What a feed hands over at once: what came in, then what it means for the subscriptions.
#[derive(Debug, Default)]
pub struct Batch {
    /// In the order in which they came.
    pub events: Vec<Event>,
    /// Taken after the events.
    pub signs: Vec<Sign>,
}

impl From<Vec<Event>> for Batch {
    fn from(events: Vec<Event>) -> Self {
        let signs = Vec::new();
        Self { events, signs }
    }
}

/// What a feed knows of its subscriptions beside their data. The engine looks for holes by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// These were subscribed, and no line has them any more, or they are being stopped and started anew: what
    /// is traded from now on is missed, until they are subscribed again.
    Lost(Vec<(Market, Stream)>),
    /// These are subscribed: told each time that the exchange confirmed it, so also after a reconnect.
    Subscribed(Vec<(Market, Stream)>),
    /// A heartbeat names the newest trade of this market.
    Newest {
        /// Whose.
        market: Market,
        /// Its id.
        id: u64,
        /// The exchange's time of the heartbeat, where it says so: by then there was no later one.
        time: Option<Timestamp>,
    },
}

/// The engine's ends of a running feed, handed to [`Provider::run`].
pub struct FeedIo {
    /// What to feed. Closed when nobody wants anything any more.
    pub commands: mpsc::Receiver<Command>,
    /// Where events go, in the order in which they came. Bounded: a full one means waiting, and through
    /// that pressure reaches the socket.
    pub events: mpsc::Sender<Batch>,
    /// Ends the feed.
    pub cancel: CancellationToken,
    /// Counters to keep.
    pub stats: Arc<FeedStats>,
}

/// What a feed counts. All are totals since the start.
#[derive(Debug, Default)]
pub struct FeedStats {
    /// Frames from the exchange, of any kind.
    pub messages: AtomicU64,
    /// Bytes of the text in them.
    pub bytes: AtomicU64,
    /// Frames that could not be understood; they are skipped.
    pub bad_frames: AtomicU64,
    /// Frames that were understood and are of no interest.
    pub ignored: AtomicU64,
    /// Connections that were opened.
    pub connects: AtomicU64,
    /// Connections that ended or could not be made.
    pub disconnects: AtomicU64,
    /// From the first request on the newest line to the answer to the last subscription, in microseconds;
    /// 0 before the first.
    pub settled_micros: AtomicU64,
}

impl FeedStats {
    /// Adds to a counter; the order among counters does not matter.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// Why a provider could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// No connection, or it broke, or took too long.
    #[error("{0}")]
    Unreachable(String),
    /// The exchange asks for patience.
    #[error("{message}")]
    RateLimited {
        /// What it said.
        message: String,
        /// How long to stay away.
        retry_after: Option<Duration>,
    },
    /// The exchange does not serve this place or this program (403, 451).
    #[error("{0}")]
    Blocked(String),
    /// Something on our side stands in the way: a certificate, a proxy, an address.
    #[error("{0}")]
    Setup(String),
    /// The exchange does not know the symbol, or refuses it.
    #[error("{0}")]
    Refused(String),
    /// An answer that cannot be read.
    #[error("{0}")]
    Malformed(String),
}

impl ProviderError {
    /// Whether asking again later may help.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::RateLimited { .. } | Self::Malformed(_)
        )
    }

    /// A stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::RateLimited { .. } => "rate_limited",
            Self::Blocked(_) => "blocked",
            Self::Setup(_) => "setup",
            Self::Refused(_) => "refused",
            Self::Malformed(_) => "malformed_answer",
        }
    }
}

/// What the symbol manager and the commands need to know of a provider without asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traits {
    /// Quote currencies that a bare base takes, in this order.
    pub quotes: Vec<String>,
    /// This exchange's own names for assets, and what everybody else calls them (`XBT` is `BTC`).
    pub asset_aliases: &'static [(&'static str, &'static str)],
    /// Whether trade ids rise by one, so that a jump is a hole. Else they only rise.
    pub contiguous_ids: bool,
    /// Whether the source can be slowed down, so that a slow reader loses nothing.
    pub can_wait: bool,
    /// Whether its times come from a clock of its own, not from this machine's: ages are not measured
    /// against them then.
    pub own_clock: bool,
    /// Whether the data is made up, which has to be said wherever it is shown.
    pub invented: bool,
    /// Ticker fields that the live stream fills.
    pub stream_fields: &'static [Field],
    /// Ticker fields that a single REST answer fills.
    pub rest_fields: &'static [Field],
    /// For how long a stream may be silent before it is asked about over REST; `None`: it never is, or there is
    /// nobody to ask.
    pub silence: Option<Duration>,
    /// Lengths of candles that the live stream has, each with the boundaries of [`Interval`]. The engine builds the
    /// others from these or from trades.
    pub candles: &'static [Interval],
    /// Whether that stream has candles without trades, too: else one that is missing there was none.
    pub empty_candles: bool,
    /// What sets this source's list of instruments apart from another's of the same name: its address.
    /// `None`: the list is built in and needs no cache.
    pub list_source: Option<String>,
}

/// A place in one market's trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradeMark {
    /// The last trade that counts as known. `None`: everything up to `time` does.
    pub id: Option<u64>,
    /// The time of that trade, or the moment.
    pub time: Timestamp,
}

/// What was traded after a [`TradeMark`].
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// Oldest first, ids strictly rising.
    pub trades: Vec<Trade>,
    /// Parts that could not be had, as (after this moment, before this moment), in order; trades at these
    /// two moments may be missing, too. Empty: nothing is missing up to the moment of asking.
    pub uncovered: Vec<(Timestamp, Timestamp)>,
    /// The same by ids, as (first, last), in order, as far as they are known: not before the first trade that
    /// was found where the mark has no id, and not where ids have begun anew. An id between the mark and the
    /// newest trade that is neither here nor among the trades does not exist at the exchange.
    pub missing: Vec<(u64, u64)>,
    /// The newest trade that the exchange has, even where it is not after the mark.
    pub newest: Option<Trade>,
}

/// A part of the past: from one moment, included, until another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first moment of it.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

/// A part of what happened within a [`Span`], candles or trades.
///
/// Pages follow each other: each begins where the one before ended, or later, and then the part between cannot be
/// had. In the same way the first may begin after the asked span, and the last end before its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What it answers for: what is not among the items has not happened. For candles: from an open time until a
    /// close time.
    pub covers: Span,
    /// Oldest first, each once. Candles are closed, trades have rising ids; both have [`Origin::History`].
    ///
    /// [`Origin::History`]: crate::model::Origin::History
    pub items: Vec<T>,
    /// The candle after them, where the span reaches into it and the answer has it: what was traded in it so far.
    pub forming: Option<T>,
}

/// How far behind the exchange's clock an answer over REST may be.
pub(crate) const REST_LAG_NANOS: i64 = 5_000_000_000;

/// The pages of one question, oldest first. After an error nothing more comes; asking again for the rest is the
/// caller's choice.
pub type Pages<'a, T> = BoxStream<'a, Result<Page<T>, ProviderError>>;

/// How long each step of opening one live connection took. `None`: there was no such step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectTimes {
    /// Resolving the name; behind a proxy the proxy's.
    pub dns: Option<Duration>,
    /// The TCP handshake; behind a proxy that with the proxy.
    pub tcp: Option<Duration>,
    /// What a proxy took to connect us.
    pub proxy: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// The WebSocket upgrade, from the request to the answer.
    pub upgrade: Option<Duration>,
}

/// An exchange's clock, read over REST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerTime {
    /// What it said.
    pub time: Timestamp,
    /// When we asked.
    pub sent_at: Timestamp,
    /// When the answer had come.
    pub received_at: Timestamp,
}

/// A named source of market data.
///
/// Implement [`crate::exchange::Adapter`] instead for anything that speaks WebSocket and REST, and wrap
/// it in [`crate::exchange::Live`]: sockets, timers and reconnects then come for free.
pub trait Provider: Send + Sync + 'static {
    /// Its name, which is the `exchange` of its events.
    fn exchange(&self) -> Exchange;

    /// What is fixed about it.
    fn traits(&self) -> Traits;

    /// Everything it trades.
    fn instruments(&self) -> BoxFuture<'_, Result<Vec<Instrument>, ProviderError>>;

    /// The tickers of these now, one answer each, by as few requests as can be: each answer as soon as it
    /// is there, in any order.
    fn tickers(&self, of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>>;

    /// The newest trades, oldest first, `limit` at most.
    fn trades<'a>(
        &'a self,
        of: &'a Instrument,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Trade>, ProviderError>>;

    /// The trades after a mark, by as few requests as can be: one where one page reaches back to it.
    ///
    /// What is not there at the deadline, or exceeds what can be asked for politely, is told as uncovered.
    /// Errors: the first question was not answered; or there is no history, which is what this default says.
    fn trades_since<'a>(
        &'a self,
        of: &'a Instrument,
        after: TradeMark,
        deadline: tokio::time::Instant,
    ) -> BoxFuture<'a, Result<Replay, ProviderError>> {
        let _ = (after, deadline);
        let why = format!("{} has no history", of.market);
        Box::pin(std::future::ready(Err(ProviderError::Refused(why))))
    }

    /// The candles that begin within a span, by as few requests as can be, one after another as they are wanted.
    /// A length that the exchange does not serve, or with other boundaries, is built from a finer one, or from
    /// trades.
    ///
    /// `closed_before`: what ends then or before is over by the exchange's clock. Since REST can lag behind that, a
    /// candle counts as closed, and one that is absent as never traded in, only where the answer shows a later one,
    /// or where it ended 5 s before that; where it is not known whether one is, it is `forming`.
    ///
    /// Errors: a question was not answered; or there is no history, which is what this default says.
    fn candle_history(
        &self,
        of: Arc<Instrument>,
        interval: Interval,
        span: Span,
        closed_before: Timestamp,
    ) -> Pages<'_, Candle> {
        let _ = (interval, span, closed_before);
        no_history(&of)
    }

    /// The trades within a span, in the same way.
    ///
    /// Errors: a question was not answered; or there is no history, which is what this default says.
    fn trade_history(&self, of: Arc<Instrument>, span: Span) -> Pages<'_, Trade> {
        let _ = span;
        no_history(&of)
    }

    /// The exchange's clock. Errors: no answer, or it has none, which is what this default says.
    fn server_time(&self) -> BoxFuture<'_, Result<ServerTime, ProviderError>> {
        let why = format!("{} tells no time", self.exchange());
        Box::pin(std::future::ready(Err(ProviderError::Refused(why))))
    }

    /// Opens one live connection within the budget, measures each step, and closes it.
    ///
    /// Errors: it cannot be opened; or there are no connections, which is what this default says.
    fn connect_times(&self) -> BoxFuture<'_, Result<ConnectTimes, ProviderError>> {
        let why = format!("{} has no connections", self.exchange());
        Box::pin(std::future::ready(Err(ProviderError::Refused(why))))
    }

    /// Feeds until cancelled or until the engine is gone.
    fn run(self: Arc<Self>, io: FeedIo) -> BoxFuture<'static, ()>;
}

fn no_history<T: Send + 'static>(of: &Instrument) -> Pages<'static, T> {
    let why = format!("{} has no history", of.market);
    Box::pin(futures_util::stream::once(std::future::ready(Err(
        ProviderError::Refused(why),
    ))))
}

/// One instrument's answer to a question over several.
pub type Answer<T> = (Arc<Instrument>, Result<T, ProviderError>);
