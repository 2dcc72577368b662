//! The knobs that make a simulated exchange misbehave.
use std::{collections::HashSet, time::Duration};

/// What goes wrong; the default is nothing. All may be changed while connections are open.
///
/// The `*_trades_every`, `duplicate_every` and `swap_every` knobs look at the trade *id* (a
/// trade whose id is a multiple of n), so a test can say which trades were hit; 0 means never.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// New TCP connections are reset at once.
    pub refuse_connect: bool,
    /// WebSocket handshakes are read and never answered.
    pub accept_then_silence: bool,
    /// WebSocket handshakes are answered with this status instead of 101.
    pub handshake_status: Option<u16>,
    /// Seconds in `Retry-After`, sent with `handshake_status` and `rest_status`.
    pub retry_after: Option<u64>,
    /// Every REST request is answered with this status and body.
    pub rest_status: Option<(u16, String)>,
    /// Waited before each REST answer.
    pub rest_delay: Option<Duration>,
    /// Waited in the middle of each REST body.
    pub rest_slow_body: Option<Duration>,
    /// REST bodies stop half way and the connection closes.
    pub rest_truncate: bool,
    /// REST tickers tell last prices that are so many per cent too high.
    pub rest_price_percent: i64,
    /// REST gives only so many of a pair's newest trades, as if it had forgotten those before.
    pub rest_trades_reach: Option<usize>,
    /// REST does not show so many of a pair's newest trades yet: it lags behind the sockets.
    pub rest_trades_lag: usize,
    /// So many more REST requests for trades are answered, and those after them with status 503.
    pub rest_trades_answers: Option<u64>,
    /// What `rest_trades_answers` ends is not answered at all.
    pub rest_trades_then_silence: bool,
    /// REST tells candles as if so many of a pair's newest trades had not happened yet.
    pub rest_candles_lag: usize,
    /// REST does not show so many of the newest candles yet, the running one included.
    pub rest_candles_late: usize,
    /// So many more REST requests for candles are answered, and those after them with `rest_candles_status`.
    pub rest_candles_answers: Option<u64>,
    /// What `rest_candles_answers` ends is answered with: 503 where nothing is said. `retry_after` goes with it.
    pub rest_candles_status: Option<u16>,
    /// So many of a hundred closed candles (`x:true`) are not sent on Binance's sockets, always the same ones.
    pub drop_closed_percent: u8,
    /// Replies to subscribe messages wait this long; data does not.
    pub ack_delay: Option<Duration>,
    /// Replies to subscribe messages are never sent.
    pub drop_acks: bool,
    /// Replies are collected for half a venue second, then sent newest first.
    pub acks_out_of_order: bool,
    /// Symbols (canonical or native) whose subscription fails though they are listed.
    pub refuse_symbols: HashSet<String>,
    /// Symbols (canonical or native) that are acknowledged and then silent.
    pub mute_symbols: HashSet<String>,
    /// Symbols (canonical or native) that are silent until a client subscribes to them anew.
    pub stall_symbols: HashSet<String>,
    /// Streams of a symbol (canonical or native) that fall silent while its other stream flows.
    pub mute_streams: HashSet<(String, Stream)>,
    /// Such trades are not sent on sockets; they are in the ledger and in REST.
    pub drop_trades_every: u64,
    /// Such trades are sent twice.
    pub duplicate_every: u64,
    /// Such trades are sent after the next one.
    pub swap_every: u64,
    /// A bad frame before every nth data frame of a socket, each of another kind.
    pub garbage_every: u64,
    /// One 2 MiB frame of junk before the next data frame; resets itself.
    pub big_frame: bool,
    /// Unknown keys in every data message.
    pub extra_keys: bool,
    /// Some new trades have odd sizes: exponents (where the wire type is a number), zero,
    /// 18 decimals, integers without a point.
    pub number_edge_cases: bool,
    /// Nothing at all is written to open sockets; what would have been sent is lost.
    pub silence: bool,
    /// WebSocket pings every venue second, on any venue.
    pub server_ping: bool,
    /// Pings as with `server_ping`; sockets without a pong for 3 venue seconds are dropped.
    pub require_pong: bool,
    /// Sockets are closed right after the upgrade.
    pub flap: bool,
    /// The venue's clock stands still, while frames still come.
    pub freeze_clock: bool,
    /// Sockets are closed after so many venue seconds.
    pub lifetime: Option<u64>,
    /// The venue's clock is this far ahead of the computer's.
    pub clock_skew_ms: i64,
    /// Every Kraken REST request is answered with status 200 and this error.
    pub kraken_http200_error: Option<String>,
}

/// A kind of market data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Single trades.
    Trades,
    /// Best bid and ask, last price, 24 hours.
    Ticker,
    /// Candles.
    Candles,
}

impl Stream {
    /// `trades` or `ticker`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trades => "trades",
            Self::Ticker => "ticker",
            Self::Candles => "candles",
        }
    }
}

/// How [`Sim::cut_all`](super::Sim::cut_all) ends the open sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A close frame with this code.
    Close(u16),
    /// A TCP reset without a close frame (an in-memory pipe just ends).
    Reset,
    /// Half-open: no more reading or writing, the socket stays.
    Vanish,
}
