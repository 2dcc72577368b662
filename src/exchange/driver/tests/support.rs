//! A connection on a bench: its dialler hands out pipes, its events are read by hand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::driver::{Connection, ConnectionOptions, Connects};
use crate::exchange::kraken::Kraken;
use crate::exchange::protocol::Adapter;
use crate::feed::{Batch, Command, FeedStats, Sign, Topic};
use crate::model::{Event, Instrument, Market, Status, StatusState, Stream, SystemClock, Trade};
use crate::net::{ConnectError, Dial};
use crate::sim::{LedgerTrade, Sim, SimConfig, Venue};

/// Longer than anything takes; it is not waited for in real time.
const LONG: Duration = Duration::from_secs(7_200);
const PIPE: usize = 64 << 10;

pub const VENUES: [Venue; 3] = [Venue::Binance, Venue::Coinbase, Venue::Kraken];

pub fn adapter(venue: Venue) -> Arc<dyn Adapter> {
    match venue {
        Venue::Binance => Arc::new(Binance),
        Venue::Coinbase => Arc::new(Coinbase),
        Venue::Kraken => Arc::new(Kraken),
    }
}

/// What happens to the nth attempt, counted from 0; `None` never gets an answer.
type Serve = dyn Fn(usize) -> Option<Result<DuplexStream, ConnectError>> + Send + Sync;

/// Hands out pipes, and remembers when it was asked.
#[derive(Clone)]
pub struct PipeDial {
    serve: Arc<Serve>,
    dials: Arc<Mutex<Vec<Instant>>>,
}

impl PipeDial {
    pub fn new(
        serve: impl Fn(usize) -> Option<Result<DuplexStream, ConnectError>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            serve: Arc::new(serve),
            dials: Arc::default(),
        }
    }

    /// Every attempt reaches this exchange.
    pub fn to(sim: &Sim) -> Self {
        let sim = sim.clone();
        Self::new(move |_| Some(Ok(to_sim(&sim))))
    }

    /// Every attempt reaches a server of the test's own.
    pub fn scripted<F>(serve: impl Fn(DuplexStream, usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::new(move |n| {
            let (client, server) = tokio::io::duplex(PIPE);
            tokio::spawn(serve(server, n));
            Some(Ok(client))
        })
    }

    pub fn times(&self) -> Vec<Instant> {
        self.dials.lock().unwrap().clone()
    }
}

pub fn to_sim(sim: &Sim) -> DuplexStream {
    let (client, server) = tokio::io::duplex(PIPE);
    let sim = sim.clone();
    tokio::spawn(async move { sim.serve(server).await });
    client
}

impl Dial for PipeDial {
    type Stream = DuplexStream;

    async fn dial(&self, _url: &http::Uri) -> Result<DuplexStream, ConnectError> {
        let n = {
            let mut dials = self.dials.lock().unwrap();
            dials.push(Instant::now());
            dials.len() - 1
        };
        match (self.serve)(n) {
            Some(result) => result,
            None => std::future::pending().await,
        }
    }
}

/// A topic of a symbol that the simulated exchange lists, `BTC` being `BTC/USD` or what stands for it.
pub fn topic(venue: Venue, base: &str, stream: Stream) -> Topic {
    let (exchange, quote) = (adapter(venue).exchange(), quote(venue));
    let mut instrument = match venue {
        Venue::Binance => Instrument::new(exchange, base, quote, format!("{base}{quote}")),
        Venue::Coinbase => Instrument::new(exchange, base, quote, format!("{base}-{quote}")),
        Venue::Kraken => Instrument::new(exchange, base, quote, format!("X{base}ZUSD")),
    };
    instrument.ws = match venue {
        Venue::Binance => instrument.native.to_lowercase(),
        Venue::Coinbase => instrument.native.clone(),
        Venue::Kraken => format!("{base}/{quote}"),
    };
    Topic {
        instrument: Arc::new(instrument),
        stream,
    }
}

/// How the engine names the trades of these.
pub fn trades_of(venue: Venue, bases: &[&str]) -> Vec<(Market, Stream)> {
    let topics = trades(venue, bases).into_iter();
    topics.map(|t| (t.instrument.market, t.stream)).collect()
}

pub fn trades(venue: Venue, bases: &[&str]) -> Vec<Topic> {
    bases
        .iter()
        .map(|base| topic(venue, base, Stream::Trades))
        .collect()
}

fn quote(venue: Venue) -> &'static str {
    match venue {
        Venue::Binance => "USDT",
        Venue::Coinbase | Venue::Kraken => "USD",
    }
}

pub fn symbol(venue: Venue, base: &str) -> String {
    format!("{base}/{}", quote(venue))
}

pub fn sim(venue: Venue) -> Sim {
    Sim::new(SimConfig::new(venue))
}

/// A running connection.
pub struct Feed {
    pub commands: Option<mpsc::Sender<Command>>,
    events: mpsc::Receiver<Batch>,
    ready: VecDeque<Event>,
    /// Everything that was told of the subscriptions and not looked at yet.
    signs: Vec<Sign>,
    pub stats: Arc<FeedStats>,
    pub cancel: CancellationToken,
    task: JoinHandle<()>,
    pub started: Instant,
}

impl Feed {
    pub fn start(venue: Venue, dial: &PipeDial, topics: Vec<Topic>) -> Self {
        Self::tuned(venue, dial, topics, 1_024, |_| {})
    }

    pub fn tuned(
        venue: Venue,
        dial: &PipeDial,
        topics: Vec<Topic>,
        room: usize,
        tune: impl FnOnce(&mut ConnectionOptions),
    ) -> Self {
        let adapter = adapter(venue);
        let limits = adapter.profile().limits;
        let connects = Connects::new(limits.connects);
        let path = match venue {
            Venue::Binance => "/stream",
            Venue::Coinbase => "/",
            Venue::Kraken => "/v2",
        };
        let mut options = ConnectionOptions {
            url: format!("ws://exchange.test{path}").parse().unwrap(),
            headers: Vec::new(),
            attempts: 0,
            delay: Duration::from_millis(250),
            max_delay: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
            limits,
            siblings: Arc::new(std::sync::atomic::AtomicUsize::new(1)),
            troubled: Arc::default(),
            fallback: None,
        };
        tune(&mut options);
        let (commands, commanded) = mpsc::channel(1_024);
        let (sender, events) = mpsc::channel(room);
        let (stats, cancel) = (Arc::new(FeedStats::default()), CancellationToken::new());
        let connection = Connection::new(
            adapter,
            options,
            dial.clone(),
            Arc::new(SystemClock),
            fastrand::Rng::with_seed(7),
            connects,
            sender,
            stats.clone(),
            cancel.clone(),
        );
        commands.try_send(Command::Subscribe(topics)).unwrap();
        Self {
            commands: Some(commands),
            events,
            ready: VecDeque::new(),
            signs: Vec::new(),
            stats,
            cancel,
            task: tokio::spawn(connection.run(commanded)),
            started: Instant::now(),
        }
    }

    pub fn subscribe(&self, topics: Vec<Topic>) {
        self.command(Command::Subscribe(topics));
    }

    pub fn unsubscribe(&self, topics: Vec<Topic>) {
        self.command(Command::Unsubscribe(topics));
    }

    pub fn command(&self, command: Command) {
        self.commands.as_ref().unwrap().try_send(command).unwrap();
    }

    pub async fn next(&mut self) -> Event {
        while self.ready.is_empty() {
            let batch = timeout(LONG, self.events.recv()).await;
            let batch = batch.expect("an event").expect("a running feed");
            self.ready.extend(batch.events);
            self.signs.extend(batch.signs);
        }
        self.ready.pop_front().unwrap()
    }

    /// The next status; what is no status is passed over.
    pub async fn status(&mut self) -> Status {
        loop {
            if let Event::Status(status) = self.next().await {
                return Status::clone(&status);
            }
        }
    }

    /// The next status, which must be this one.
    pub async fn expect(&mut self, state: StatusState, attempt: u32) -> String {
        let status = self.status().await;
        assert_eq!(
            (status.state, status.attempt),
            (state, attempt),
            "{status:?}"
        );
        status.reason.unwrap_or_default()
    }

    /// The next trade that is news; tickers are passed over, a status is a failure.
    pub async fn trade(&mut self) -> Trade {
        loop {
            match self.next().await {
                Event::Trade(trade) if !trade.replayed => return trade,
                Event::Status(status) => panic!("{status:?}"),
                _ => {}
            }
        }
    }

    /// The next trades are exactly these.
    pub async fn expect_trades(&mut self, made: &[LedgerTrade]) {
        for made in made {
            let trade = self.trade().await;
            assert_eq!(
                (trade.id, trade.price.to_string(), trade.size.to_string()),
                (made.id, made.price.clone(), made.size.clone())
            );
        }
    }

    /// The next batch as it was handed over.
    pub async fn batch(&mut self) -> Batch {
        assert!(self.ready.is_empty(), "events were taken one by one before");
        let batch = timeout(LONG, self.events.recv()).await;
        batch.expect("a batch").expect("a running feed")
    }

    /// Everything that comes in so long.
    pub async fn during(&mut self, long: Duration) -> Vec<Event> {
        let mut events: Vec<Event> = self.ready.drain(..).collect();
        let end = Instant::now() + long;
        while let Ok(batch) = tokio::time::timeout_at(end, self.events.recv()).await {
            let batch = batch.expect("a running feed");
            events.extend(batch.events);
            self.signs.extend(batch.signs);
        }
        events
    }

    /// What was told of the subscriptions since the last call, other than by heartbeats.
    pub fn signs(&mut self) -> Vec<Sign> {
        let signs = std::mem::take(&mut self.signs);
        let is_heartbeat = |sign: &Sign| matches!(sign, Sign::Newest { .. });
        signs.into_iter().filter(|s| !is_heartbeat(s)).collect()
    }

    /// The newest trades that heartbeats told of since the last call.
    pub fn newest(&mut self) -> Vec<(Market, u64)> {
        let newest = |sign: &Sign| match sign {
            Sign::Newest { market, id, .. } => Some((*market, *id)),
            _ => None,
        };
        let told = self.signs.iter().filter_map(newest).collect();
        self.signs.retain(|sign| newest(sign).is_none());
        told
    }

    /// The states told in so long.
    pub async fn states(&mut self, long: Duration) -> Vec<StatusState> {
        let events = self.during(long).await;
        let state = |event: &Event| match event {
            Event::Status(status) => Some(status.state),
            _ => None,
        };
        events.iter().filter_map(state).collect()
    }

    /// How long it takes to end.
    pub async fn end(self) -> Duration {
        let asked = Instant::now();
        timeout(LONG, self.task).await.expect("ends").unwrap();
        asked.elapsed()
    }
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Waits until the connection is up and subscribed.
pub async fn settle() {
    tokio::time::sleep(secs(3)).await;
}
