//! Simulated exchanges on loopback, for testing programs that read market data.
//!
//! A [`Sim`] speaks the public REST and WebSocket protocols of one venue on one port. Its trades
//! come from a seeded ledger, and its candles from the same: a test compares them with what its program printed. The
//! simulation shares no code with the rest of the crate, so both cannot be wrong in the same
//! way. Minutes need not be waited for: [`Sim::trade_at`] takes the venue's clock along. [`Faults`] make it misbehave; [`Counters`] tell whether the client kept the rules.
//!
//! A [`Proxy`] between client and exchange makes the line misbehave. Both work on loopback and over pipes in
//! memory: with [`SimDial`] and [`TokioClock`] a whole client runs in virtual time.
//!
//! It listens on 127.0.0.1 only, and connects to nothing but itself.
//!
//! ```
//! use tickwire::sim::{Sim, SimConfig, Venue};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let sim = Sim::start(SimConfig::new(Venue::Kraken)).await?;
//! // point the program at sim.rest_url() and sim.ws_url(), then make something happen
//! let made = sim.trade("BTC/USD", 3);
//! assert!(sim.ledger("BTC/USD").ends_with(&made));
//! sim.faults().ack_delay = Some(std::time::Duration::from_millis(50));
//! assert!(sim.counters().rule_violations.is_empty());
//! # Ok(())
//! # }
//! ```
mod bars;
mod binance;
mod clock;
mod coinbase;
mod config;
mod core;
mod dec;
mod faults;
mod http;
mod json;
mod kraken;
mod market;
mod outbox;
mod past;
mod proxy;
mod script;
mod seam;
mod session;
mod socket;
mod tally;
#[cfg(test)]
mod tests;
mod time;
mod verify;

pub use bars::LedgerCandle;
pub use config::{Listing, SimConfig, Status, Venue};
pub use faults::{Cut, Faults, Stream};
pub use market::{LedgerTrade, Side};
pub use proxy::{LineFaults, Pipe, Proxy, ProxyListener};
pub use script::{Script, ScriptError, ScriptLimits};
pub use seam::{SimDial, TokioClock};
pub use tally::Counters;
pub use verify::{Repair, Told, Verdict, verify};

use self::core::{Core, Order, lock};
use bytes::Bytes;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A running simulated exchange. Clones share it; dropping the last one stops everything.
#[derive(Clone)]
pub struct Sim {
    core: Arc<Core>,
    server: Arc<Server>,
}

/// What ends with the last [`Sim`].
struct Server {
    stop: watch::Sender<bool>,
    address: Option<SocketAddr>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // connection tasks and the generator listen to this
        self.stop.send_replace(true);
    }
}

impl Sim {
    /// An exchange without a listener, for in-memory pipes given to [`Sim::serve`].
    ///
    /// # Panics
    /// When a listing's price is not a plain decimal.
    pub fn new(config: SimConfig) -> Self {
        Self::build(&config, None)
    }

    /// An exchange on an ephemeral port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    ///
    /// # Panics
    /// When a listing's price is not a plain decimal.
    pub async fn start(config: SimConfig) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let sim = Self::build(&config, Some(listener.local_addr()?));
        sim.accept_from(listener);
        sim.core.ensure_generator();
        Ok(sim)
    }

    fn build(config: &SimConfig, address: Option<SocketAddr>) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self {
            core: Arc::new(Core::new(config, stopped)),
            server: Arc::new(Server {
                stop,
                address,
                accepting: Mutex::default(),
            }),
        }
    }

    /// Serves one connection, HTTP with keep-alive or WebSocket, until it ends.
    pub async fn serve<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        http::serve(Arc::clone(&self.core), stream, |_| {}).await;
    }

    /// `http://127.0.0.1:PORT`. Port 0 when there is no listener.
    pub fn rest_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// The WebSocket base URL: without a path for Binance (clients append `/stream` or `/ws`),
    /// complete for Coinbase and Kraken.
    pub fn ws_url(&self) -> String {
        let path = match self.core.venue {
            Venue::Binance => "",
            Venue::Coinbase => "/",
            Venue::Kraken => "/v2",
        };
        format!("ws://127.0.0.1:{}{path}", self.port())
    }

    fn port(&self) -> u16 {
        self.server.address.map_or(0, |address| address.port())
    }

    /// Makes `n` trades now: in the ledger, and sent to subscribers.
    ///
    /// `symbol` is canonical (`BTC/USD`). No trades when it is unknown or not trading.
    pub fn trade(&self, symbol: &str, n: usize) -> Vec<LedgerTrade> {
        self.core.trade(symbol, n)
    }

    /// Makes one trade at each of these prices, in this order, now.
    ///
    /// # Panics
    /// When a price is not a plain decimal.
    pub fn print(&self, symbol: &str, prices: &[&str]) -> Vec<LedgerTrade> {
        self.core.print(symbol, prices)
    }

    /// Makes one trade at this time (ns UTC, in the venue's resolution) and price. The venue's clock is moved on to
    /// it where it is behind, so that minutes can be played without waiting for them.
    ///
    /// A time in the past is for filling a ledger: candles that were told as closed do not change anymore. `None` when
    /// the symbol is unknown or not trading.
    ///
    /// # Panics
    /// When the time is before the newest trade, or the price is not a plain decimal.
    pub fn trade_at(&self, symbol: &str, time_ns: i64, price: &str) -> Option<LedgerTrade> {
        self.core.trade_at(symbol, time_ns, price)
    }

    /// Moves the venue's clock on to this time (ns UTC), unless it is later already: candles end that end by then.
    pub fn advance_to(&self, time_ns: i64) {
        self.core.advance_to(time_ns);
    }

    /// The venue's time, ns UTC.
    pub fn now_ns(&self) -> i64 {
        self.core.now_ns()
    }

    /// The candles of all trades of a pair so far, oldest first: one per interval from that of the first trade to that
    /// of the newest, with 0 trades where there were none. The last may still be running.
    ///
    /// They begin at multiples of their length in UTC, weeks on Mondays.
    pub fn candles(&self, symbol: &str, seconds: i64) -> Vec<LedgerCandle> {
        self.core.candles(symbol, seconds, None)
    }

    /// The same for those that begin from one moment (ns UTC) until another, also before the ledger where there is a
    /// [`candle_history`](SimConfig::candle_history).
    pub fn candles_between(
        &self,
        symbol: &str,
        seconds: i64,
        from_ns: i64,
        until_ns: i64,
    ) -> Vec<LedgerCandle> {
        let second = 1_000_000_000;
        let [from, until] = [from_ns, until_ns].map(|ns| -(-ns).div_euclid(second));
        self.core.candles(symbol, seconds, Some((from, until)))
    }

    /// Moves the best bid and ask without a trade.
    pub fn move_quote(&self, symbol: &str) {
        self.core.move_quote(symbol);
    }

    /// All trades of a pair so far, oldest first.
    pub fn ledger(&self, symbol: &str) -> Vec<LedgerTrade> {
        self.core.ledger(symbol)
    }

    /// The knobs.
    ///
    /// Set them in one statement (`sim.faults().flap = true`): sockets wait for the guard, and
    /// calling another method of `Sim` while holding it deadlocks.
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.core.faults()
    }

    /// What clients did so far.
    pub fn counters(&self) -> Counters {
        let open_sockets = self.core.open_sockets();
        Counters {
            open_sockets,
            ..self.core.counters().clone()
        }
    }

    /// Ends every open socket.
    pub fn cut_all(&self, how: Cut) {
        self.core.broadcast(&Order::Cut(how));
    }

    /// Sends a text frame on every open socket, untouched by faults.
    pub fn send_raw(&self, text: &str) {
        self.core.broadcast(&Order::Text(text.to_owned()));
    }

    /// Sends a binary frame on every open socket.
    pub fn send_binary(&self, bytes: &[u8]) {
        self.core
            .broadcast(&Order::Binary(Bytes::copy_from_slice(bytes)));
    }

    /// Sends Binance's `serverShutdown` notice on every open socket, and closes nothing.
    pub fn announce_shutdown(&self) {
        self.core.broadcast(&Order::Shutdown);
    }

    /// Changes the state of Kraken's system (`online`, `maintenance`), and tells it on every open socket.
    pub fn set_system(&self, system: &str) {
        system.clone_into(&mut lock(&self.core.system));
        self.core.broadcast(&Order::System);
    }

    /// Changes the trading status of a canonical symbol.
    pub fn set_status(&self, symbol: &str, status: Status) {
        self.core.set_status(symbol, status);
    }

    /// Lists another pair, with no trades yet.
    ///
    /// # Panics
    /// When the listing's price is not a plain decimal.
    pub fn add_listing(&self, listing: Listing) {
        self.core.add_listing(&listing, 0);
    }

    /// Stops accepting connections: the port refuses them. Open connections stay.
    pub async fn stop_listening(&self) {
        let accepting = lock(&self.server.accepting).take();
        if let Some(task) = accepting {
            task.abort();
            // the listener is dropped when the task is; its error says only that it was aborted
            let _ = task.await;
        }
    }

    /// Accepts connections again, on the same port.
    ///
    /// # Errors
    /// When the port was taken meanwhile, or there never was one.
    pub async fn resume_listening(&self) -> io::Result<()> {
        let address = self.server.address.ok_or(io::ErrorKind::AddrNotAvailable)?;
        if lock(&self.server.accepting).is_none() {
            let listener = TcpListener::bind(address).await?;
            self.accept_from(listener);
        }
        Ok(())
    }

    fn accept_from(&self, listener: TcpListener) {
        let task = tokio::spawn(accept(Arc::clone(&self.core), listener));
        *lock(&self.server.accepting) = Some(task);
    }
}

/// Accepts connections until the exchange stops.
async fn accept(core: Arc<Core>, listener: TcpListener) {
    let mut stop = core.stop.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.changed() => return,
            accepted = listener.accept() => accepted,
        };
        // a client that gave up while queued is no reason to stop
        let Ok((stream, _)) = accepted else { continue };
        if core.faults().refuse_connect {
            reset(&stream);
            continue;
        }
        // small frames must not wait for each other
        let _ = stream.set_nodelay(true);
        tokio::spawn(http::serve(Arc::clone(&core), stream, reset));
    }
}

/// Makes the coming close of a TCP stream a reset.
fn reset(stream: &TcpStream) {
    // an already broken stream needs none
    let _ = stream.set_zero_linger();
}
