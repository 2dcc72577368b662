//! What an exchange has to tell us to be connected: two small traits, both without I/O.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::feed::{ProviderError, Sign, Span, Topic};
use crate::model::{
    Candle, DecimalError, Event, Exchange, Field, Instrument, Interval, Ticker, Timestamp, Trade,
};

/// One exchange: its addresses and limits, its REST questions, and a [`Protocol`] per connection.
///
/// `examples/custom_exchange.rs` adds one from outside of this crate.
pub trait Adapter: Send + Sync + 'static {
    /// Its name.
    fn exchange(&self) -> Exchange;

    /// Addresses, habits and limits.
    fn profile(&self) -> Profile;

    /// The protocol of one new connection.
    fn protocol(&self) -> Box<dyn Protocol>;

    /// Whether its data is made up, which has to be said wherever it is shown.
    fn is_invented(&self) -> bool {
        false
    }

    /// Whether its times come from a clock of its own, not from this machine's.
    fn has_own_clock(&self) -> bool {
        false
    }

    /// Asks for everything that is traded.
    fn ask_instruments(&self) -> Ask;

    /// Reads the answer. A row that cannot be read is left out (and told with `tracing`): one bad symbol
    /// must not take the others down.
    fn read_instruments(&self, body: &str) -> Result<Vec<Instrument>, ProviderError>;

    /// Asks for tickers: requests, each with the instruments that its answer covers.
    fn ask_tickers(&self, of: &[Arc<Instrument>]) -> Vec<(Ask, Vec<Arc<Instrument>>)>;

    /// Reads the answer to one of them.
    fn read_tickers(
        &self,
        body: &str,
        of: &[Arc<Instrument>],
        received_at: Timestamp,
    ) -> Result<Vec<Ticker>, ProviderError>;

    /// Asks for the newest trades.
    fn ask_trades(&self, of: &Instrument, limit: usize) -> Ask;

    /// Reads the answer, oldest first.
    fn read_trades(
        &self,
        body: &str,
        of: &Instrument,
        received_at: Timestamp,
    ) -> Result<Vec<Trade>, ProviderError>;

    /// Whether pages of trades go back to the first one ever. Else the oldest that can be had has some before it, which
    /// nobody knows.
    fn keeps_all_trades(&self) -> bool {
        true
    }

    /// Which trades are known to be missing in an answer that [`Adapter::read_trades`] has read: the first and the last
    /// id of each part. The default is an exchange itself, which has all that it ever had.
    fn read_lost_trades(&self, body: &str) -> Vec<(u64, u64)> {
        let _ = body;
        Vec::new()
    }

    /// Asks for trades that the newest page does not reach; [`Adapter::read_trades`] reads the answer. An
    /// exchange has one of the two ways of turning pages, and answers `None` for the other; the default is
    /// an exchange that has neither.
    fn ask_trades_page(&self, of: &Instrument, page: TradePage) -> Option<Ask> {
        let _ = (of, page);
        None
    }

    /// Asks for the candles that begin within a span, of one of the lengths in [`Candles::history`], at most
    /// [`Candles::page`] of them. Where that many are asked for, an answer may go on beyond the span, without a hole:
    /// an exchange that can be asked for the first rows from a moment on so shows where its data begins. `None`, the
    /// default: the exchange has none.
    fn ask_candles(&self, of: &Instrument, interval: Interval, span: Span) -> Option<Ask> {
        let _ = (of, interval, span);
        None
    }

    /// Reads the answer. A row that cannot be read is left out (and told with `tracing`): one bad row must not take
    /// the others down. Errors: no row at all can be read.
    fn read_candles(
        &self,
        body: &str,
        of: &Instrument,
        interval: Interval,
        received_at: Timestamp,
    ) -> Result<CandleRows, ProviderError> {
        let _ = (body, interval, received_at);
        let why = format!("{}: no candles are known", of.market);
        Err(ProviderError::Malformed(why))
    }

    /// Asks for aggregates, which stand in where a page of trades cannot be had. `None`, the default: the
    /// exchange has none.
    fn ask_aggregates(&self, of: &Instrument, page: AggregatePage) -> Option<Ask> {
        let _ = (of, page);
        None
    }

    /// Reads the answer, oldest first.
    fn read_aggregates(
        &self,
        body: &str,
        of: &Instrument,
        received_at: Timestamp,
    ) -> Result<Vec<AggregateTrade>, ProviderError> {
        let _ = (body, received_at);
        let why = format!("{}: no aggregates are known", of.market);
        Err(ProviderError::Malformed(why))
    }

    /// What the body of an answer with an HTTP error status says, as a short text.
    fn read_error(&self, body: &str) -> Option<String>;

    /// Asks for the exchange's time. `None`, the default: it tells none.
    fn ask_time(&self) -> Option<Ask> {
        None
    }

    /// Reads the answer, in the exchange's own precision, which may be whole seconds.
    fn read_time(&self, body: &str) -> Result<Timestamp, ProviderError> {
        let _ = body;
        Err(ProviderError::Malformed(format!(
            "{}: the time cannot be read",
            self.exchange()
        )))
    }

    /// Until when an answer that is a [`ProviderError::RateLimited`] asks to be left alone, where it names the
    /// moment.
    fn retry_at(&self, body: &str) -> Option<Timestamp> {
        let _ = body;
        None
    }

    /// What the exchange counts against the limit of its REST API, told in the headers of every answer;
    /// `header` looks one up by its name. `None`, the default: it does not tell.
    fn used_weight<'a>(&self, header: &dyn Fn(&str) -> Option<&'a str>) -> Option<UsedWeight> {
        let _ = header;
        None
    }
}

/// The protocol of one connection: builds control messages, decodes frames. Owns what it needs to match
/// answers to requests; a new one is made for every connection.
pub trait Protocol: Send {
    /// Messages that subscribe to these.
    fn subscribe(&mut self, topics: &[Topic]) -> Vec<Message>;

    /// Messages that unsubscribe from these.
    fn unsubscribe(&mut self, topics: &[Topic]) -> Vec<Message>;

    /// Decodes one text frame into `out`, in wire order.
    ///
    /// Errors: the frame makes no sense. It is counted and skipped as a whole: events and replies that
    /// were put into `out` before the error was found are dropped by the caller.
    fn decode(&mut self, frame: Frame<'_>, out: &mut Output) -> Result<(), DecodeError>;

    /// The text of a ping, for exchanges that have their own. Else a WebSocket ping is sent.
    fn ping(&mut self) -> Option<String> {
        None
    }
}

/// One text frame.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Its text.
    pub text: &'a str,
    /// When it reached us.
    pub received_at: Timestamp,
}

/// What frames were decoded into. Buffers are reused.
#[derive(Debug, Default)]
pub struct Output {
    /// Market data, in wire order.
    pub events: Vec<Event>,
    /// Answers to control messages and notices of the exchange.
    pub replies: Vec<Reply>,
    /// What else the frames say about the trades: [`Sign::Newest`].
    pub signs: Vec<Sign>,
    /// Frames that were understood and are of no interest.
    pub ignored: u64,
    /// Rows that made no sense in frames whose other rows did.
    pub bad_rows: u64,
    /// The frame was the answer to a [`Protocol::ping`]: the line is open, but that says nothing of the feed.
    pub pong: bool,
}

/// What the exchange said about subscriptions or about the connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// These are subscribed.
    Subscribed(Vec<Topic>),
    /// These were refused. One alone is final; of several it is not known which one is meant, and each is
    /// asked for anew, alone.
    Refused {
        /// What was refused.
        topics: Vec<Topic>,
        /// In the exchange's words.
        reason: String,
    },
    /// These were not subscribed through no fault of their own: ask again.
    Again(Vec<Topic>),
    /// The exchange is about to close the connection: make a new one first.
    Leave {
        /// Why, in words.
        reason: String,
        /// The shortest pause between attempts to make it, and all later ones until one has proved itself.
        pace: Duration,
    },
}

/// One control message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What is sent.
    pub text: String,
    /// The topics for which an answer is awaited. Empty for an unsubscription.
    pub topics: Vec<Topic>,
}

/// A frame that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not of the shape that its type has.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A number that is none, or too long to be held exactly.
    #[error("{0}")]
    Number(#[from] DecimalError),
    /// A value outside of what it can be.
    #[error("{0}")]
    Value(&'static str),
}

/// One REST request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Path and query, appended to the base URL.
    pub path: String,
    /// What it costs in the exchange's own units.
    pub weight: u32,
}

/// How much of its limit an exchange has counted, in the unit of [`Ask::weight`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedWeight {
    /// In the running window, by everybody at this address.
    pub used: u32,
    /// The most that a window may have.
    pub limit: u32,
    /// How long a window is.
    pub window: Duration,
}

impl UsedWeight {
    /// What may still be spent at once, and how long to wait before that: above four fifths of the limit
    /// nothing, until what was counted cannot be in the window any more.
    pub(super) fn left(&self) -> (u32, Duration) {
        match (self.limit / 5 * 4).saturating_sub(self.used) {
            0 => (0, self.window),
            free => (free, Duration::ZERO),
        }
    }
}

/// A page of one market's trades other than the newest: as many as the exchange gives at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TradePage {
    /// The last ones with an id below this one, without a hole between them and it.
    Before(u64),
    /// The first ones after this moment. Those at the moment itself may be among them.
    After(Timestamp),
}

/// A page of one market's aggregates: as many as the exchange gives at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AggregatePage {
    /// The first ones at this moment or after it.
    Since(Timestamp),
    /// The first ones after the aggregate with this id.
    After(u64),
}

/// Trades with consecutive ids that an exchange tells as one.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateTrade {
    /// The aggregate's own id, which rises by one.
    pub id: u64,
    /// The id of its first trade.
    pub first: u64,
    /// The id of its last trade.
    pub last: u64,
    /// When all of them happened.
    pub timestamp: Timestamp,
    /// The trade, where it is only one. Of several the sizes are not known.
    pub trade: Option<Trade>,
}

/// Addresses, habits and limits of an exchange.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Base of the REST API. Empty: there is none, and nothing stands in for a stream that cannot be had.
    pub rest_url: Cow<'static, str>,
    /// Base for [`Adapter::ask_trades_page`], where old trades are served elsewhere.
    pub history_url: Option<Cow<'static, str>>,
    /// Base of the WebSocket.
    pub ws_url: Cow<'static, str>,
    /// The path under that base, where it has one.
    pub ws_path: &'static str,
    /// Quotes that a bare base takes, in this order.
    pub quotes: &'static [&'static str],
    /// The exchange's own names for assets: `(own, common)`.
    pub asset_aliases: &'static [(&'static str, &'static str)],
    /// Whether trade ids rise by one.
    pub contiguous_ids: bool,
    /// Ticker fields that the stream fills.
    pub stream_fields: &'static [Field],
    /// Ticker fields that one REST answer fills.
    pub rest_fields: &'static [Field],
    /// Which candles it has.
    pub candles: Candles,
    /// What the exchange allows.
    pub limits: Limits,
}

/// The candles of one answer over REST.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CandleRows {
    /// Oldest first, each once. Those that the answer itself shows to be over are closed, and all are complete.
    pub items: Vec<Candle>,
    /// One for each row that could not be read: from the row before it to the row after it, so that its own time
    /// is not needed.
    pub unread: Vec<Span>,
}

/// Which candles an exchange has, all with the boundaries of [`Interval`]; others of its own are no use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Candles {
    /// Lengths on the socket.
    pub streams: &'static [Interval],
    /// Whether candles without trades are told on the socket, too.
    pub empty: bool,
    /// Lengths over REST.
    pub history: &'static [Interval],
    /// Rows that one answer has at most.
    pub page: usize,
    /// How many of the newest rows can be had, where older ones cannot, whatever is asked.
    pub reach: Option<usize>,
}

/// What an exchange allows, as used (mostly below what it documents).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Topics on one connection; more are spread over several.
    pub topics_per_connection: usize,
    /// Pause between two control messages on a connection.
    pub message_interval: Duration,
    /// Connections that may be opened: at most so many in so long, each of them.
    pub connects: &'static [(usize, Duration)],
    /// Time per connection of all processes of the user together.
    pub connect_interval: Duration,
    /// Connections that all processes of the user may open at once.
    pub connect_burst: u32,
    /// When a silent connection is dead.
    pub silence: Silence,
    /// How long the exchange lets a connection live, where it ends them by age.
    pub lifetime: Option<Duration>,
    /// Time per unit of weight over REST.
    pub rest_interval: Duration,
    /// Weight that may be spent at once.
    pub rest_burst: u32,
}

/// When a connection with subscriptions counts as dead.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    /// Without frames for so long.
    pub limit: Duration,
    /// Whether only text frames count. True where the exchange sends heartbeats as text: pongs from a
    /// feed that sends no data prove nothing.
    pub text_only: bool,
}
