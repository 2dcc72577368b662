//! The engine's public face.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::feed::{FeedStats, Provider};
use crate::model::{Clock, Event, Exchange, Instrument, Stream, SystemClock};
use crate::symbols::{Cache, Manager, ResolveError};

use super::confirmed::Confirmed;
use super::mailbox::{Delivery, Mailbox};
use super::stats::{Counters, Stats};
use super::subscription::{Request, Subscription, topics};
use super::task::{Control, Task};

/// How long [`Engine::shutdown`] waits for feeds to close their sockets.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Why the engine could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No provider of that name is registered.
    #[error("no provider `{0}`")]
    UnknownProvider(String),
    /// The symbol is not known, or the list of symbols is not to be had.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Trades are a flow: [`Delivery::Latest`] would lose some.
    #[error("trades cannot be conflated: use Delivery::Every")]
    LatestTrades,
    /// The feed has not yet taken a thousand earlier changes.
    #[error("{0} has too many subscription changes waiting")]
    Busy(Exchange),
    /// The engine was shut down.
    #[error("the engine has stopped")]
    Stopped,
}

/// Builds an [`Engine`]. Must be used inside of a tokio runtime.
pub struct EngineBuilder {
    providers: Vec<Arc<dyn Provider>>,
    cache: Option<Cache>,
    clock: Arc<dyn Clock>,
}

impl EngineBuilder {
    /// Registers a source of market data. The first one is the default for symbols without a prefix.
    pub fn provider(self, provider: impl Provider) -> Self {
        self.shared_provider(Arc::new(provider))
    }

    /// The same for one that is shared already.
    pub fn shared_provider(mut self, provider: Arc<dyn Provider>) -> Self {
        self.providers.push(provider);
        self
    }

    /// Keeps lists of symbols in this folder.
    pub fn symbol_cache(mut self, directory: impl Into<std::path::PathBuf>) -> Self {
        self.cache = Some(Cache::new(directory));
        self
    }

    /// Another wall clock than the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the engine's task.
    pub fn build(self) -> Engine {
        let (sender, control) = mpsc::channel(256);
        let (cancel, tracker) = (CancellationToken::new(), TaskTracker::new());
        let default = self.providers.first().map(|p| p.exchange());
        let providers: HashMap<Exchange, _> = self
            .providers
            .into_iter()
            .map(|p| (p.exchange(), p))
            .collect();
        let managers = providers
            .iter()
            .map(|(&exchange, p)| {
                let manager = Manager::new(p.clone(), self.cache.clone(), self.clock.clone());
                (exchange, Arc::new(manager))
            })
            .collect();
        let task = Task::new(
            providers.clone(),
            control,
            cancel.clone(),
            tracker.clone(),
            self.clock.clone(),
        );
        let inner = Inner {
            clock: self.clock,
            registry: RwLock::new(Registry {
                providers,
                managers,
                default,
            }),
            cache: self.cache,
            control: sender,
            cancel,
            feed_stats: task.feed_stats.clone(),
            confirmed: task.confirmed.clone(),
            counters: task.counters.clone(),
            tracker: tracker.clone(),
            next_id: AtomicU64::new(0),
            started: Instant::now(),
        };
        tracker.spawn(task.run());
        Engine(Arc::new(inner))
    }
}

/// A handle on the running engine; clones share it. See the [module](crate::engine) for an example.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    registry: RwLock<Registry>,
    cache: Option<Cache>,
    control: mpsc::Sender<Control>,
    cancel: CancellationToken,
    tracker: TaskTracker,
    feed_stats: Arc<Mutex<HashMap<Exchange, Arc<FeedStats>>>>,
    confirmed: Confirmed,
    counters: Arc<Counters>,
    next_id: AtomicU64,
    started: Instant,
}

/// Who can be asked. Never locked while anything is waited for.
struct Registry {
    providers: HashMap<Exchange, Arc<dyn Provider>>,
    managers: HashMap<Exchange, Arc<Manager>>,
    default: Option<Exchange>,
}

impl Registry {
    fn named(&self, name: &str) -> Result<Exchange, EngineError> {
        let mut names = self.providers.keys().copied();
        names
            .find(|exchange| exchange.name() == name)
            .ok_or_else(|| EngineError::UnknownProvider(name.into()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Engine {
    /// An engine without providers.
    pub fn builder() -> EngineBuilder {
        EngineBuilder {
            providers: Vec::new(),
            cache: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// The registered provider of this name.
    pub fn provider(&self, name: &str) -> Result<Arc<dyn Provider>, EngineError> {
        let registry = self.registry();
        let exchange = registry.named(name)?;
        Ok(registry.providers[&exchange].clone())
    }

    /// Registers a provider while the engine runs.
    ///
    /// One of the same name is replaced: its feed ends, a new one starts with the same topics, and what was missed
    /// meanwhile is looked after as after a reconnect. Subscribers stay, and are told; other feeds are not touched. So
    /// it is with topics of a provider that was withdrawn.
    ///
    /// Errors: the engine has stopped.
    pub async fn register(&self, provider: Arc<dyn Provider>) -> Result<(), EngineError> {
        let exchange = provider.exchange();
        let (cache, clock) = (self.0.cache.clone(), self.0.clock.clone());
        let manager = Arc::new(Manager::new(provider.clone(), cache, clock));
        let (done, answer) = oneshot::channel();
        // First the task: whoever finds the provider can subscribe to what it has.
        self.control(Control::Register {
            provider: provider.clone(),
            done,
        })
        .await?;
        answer.await.map_err(|_| EngineError::Stopped)?;
        let mut registry = self.registry_mut();
        registry.providers.insert(exchange, provider);
        registry.managers.insert(exchange, manager);
        registry.default.get_or_insert(exchange);
        Ok(())
    }

    /// Takes a provider away. Its feed ends, and its subscribers are told a [`crate::model::Status`] `stopped`; they
    /// keep their subscription, which brings nothing until a provider of this name is registered again.
    ///
    /// Errors: no such provider, or the engine has stopped.
    pub async fn withdraw(&self, name: &str) -> Result<(), EngineError> {
        let exchange = {
            let mut registry = self.registry_mut();
            let exchange = registry.named(name)?;
            registry.providers.remove(&exchange);
            registry.managers.remove(&exchange);
            exchange
        };
        let (done, answer) = oneshot::channel();
        self.control(Control::Withdraw { exchange, done }).await?;
        answer.await.map_err(|_| EngineError::Stopped)
    }

    /// All registered providers, by name.
    pub fn providers(&self) -> Vec<Exchange> {
        let mut names: Vec<_> = self.registry().providers.keys().copied().collect();
        names.sort_unstable();
        names
    }

    fn registry(&self) -> std::sync::RwLockReadGuard<'_, Registry> {
        let registry = self.0.registry.read();
        registry.expect("no holder of this lock panics")
    }

    fn registry_mut(&self) -> std::sync::RwLockWriteGuard<'_, Registry> {
        let registry = self.0.registry.write();
        registry.expect("no holder of this lock panics")
    }

    /// The wall clock that it goes by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// The symbol manager of this provider.
    pub fn symbols(&self, name: &str) -> Result<Arc<Manager>, EngineError> {
        let registry = self.registry();
        let exchange = registry.named(name)?;
        Ok(registry.managers[&exchange].clone())
    }

    /// The instrument that a text means: `BTC`, `btc-usd`, `kraken:XBT/USD`, … (see
    /// [`crate::symbols::Catalogue::resolve`]); without a prefix at the first registered provider.
    pub async fn resolve(&self, text: &str) -> Result<Arc<Instrument>, EngineError> {
        if let Some((name, symbol)) = text.split_once(':') {
            return Ok(self
                .symbols(&name.trim().to_lowercase())?
                .resolve(symbol)
                .await?);
        }
        let default = self.registry().default.map_or("", Exchange::name);
        Ok(self.symbols(default)?.resolve(text).await?)
    }

    /// Subscribes. Events begin with the first one after now.
    ///
    /// Errors: a symbol that cannot be resolved (then nothing is subscribed), or trades over
    /// [`Delivery::Latest`].
    pub async fn subscribe(&self, request: Request) -> Result<Subscription, EngineError> {
        let also = request.also.iter().map(|topic| topic.stream);
        let mut streams = request.streams.iter().copied().chain(also);
        if request.delivery == Delivery::Latest && streams.any(|stream| stream == Stream::Trades) {
            return Err(EngineError::LatestTrades);
        }
        let mut instruments = request.instruments;
        for symbol in &request.symbols {
            instruments.push(self.resolve(symbol).await?);
        }
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let mailbox = Arc::new(Mailbox::new(request.delivery));
        let mut topics = topics(&instruments, &request.streams);
        for topic in request.also {
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        // Made before anything is asked: dropped on an error, or when the caller does not wait for the
        // answer, it takes back what was asked.
        let subscription = Subscription::new(id, self.clone(), mailbox.clone(), request.streams);
        let (done, answer) = oneshot::channel();
        let filter = request.filter;
        self.control(Control::Open {
            id,
            mailbox,
            filter,
            topics,
            done,
        })
        .await?;
        let answer = answer.await.map_err(|_| EngineError::Stopped)?;
        answer.map_err(|busy| EngineError::Busy(busy.0))?;
        Ok(subscription)
    }

    /// Subscribes with callbacks instead of a stream: `on_data` gets tickers, trades and candles, `on_trouble` gets
    /// gaps and states. The task ends with the engine, or when its handle is aborted.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tickwire::{engine::{Engine, Request}, exchange::mock::Mock};
    /// # let engine = Engine::builder().provider(Mock::default()).build();
    /// let (sender, mut receiver) = tokio::sync::mpsc::channel(10);
    /// engine
    ///     .on_event(Request::new(["BTC"]), move |event| { sender.try_send(event.kind()).ok(); }, |trouble| eprintln!("{trouble:?}"))
    ///     .await?;
    /// assert_eq!(receiver.recv().await, Some("ticker"));
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn on_event(
        &self,
        request: Request,
        mut on_data: impl FnMut(&Event) + Send + 'static,
        mut on_trouble: impl FnMut(&Event) + Send + 'static,
    ) -> Result<tokio::task::JoinHandle<()>, EngineError> {
        let mut subscription = self.subscribe(request).await?;
        Ok(tokio::spawn(async move {
            while let Some(event) = subscription.next().await {
                match event {
                    Event::Ticker(_) | Event::Trade(_) | Event::Candle(_) => on_data(&event),
                    Event::Gap(_) | Event::Status(_) | Event::Signal(_) => on_trouble(&event),
                }
            }
        }))
    }

    /// When the exchanges last confirmed what was told.
    pub fn confirmed(&self) -> Confirmed {
        self.0.confirmed.clone()
    }

    /// Cuts every line of this provider, as if the network had: for tests of the recovery. A source without
    /// lines goes on.
    ///
    /// Errors: no such provider, or the engine has stopped.
    pub async fn cut(&self, name: &str) -> Result<(), EngineError> {
        let exchange = self.provider(name)?.exchange();
        self.control(Control::Cut { exchange }).await
    }

    /// What the engine has done so far.
    pub fn stats(&self) -> Stats {
        let mut stats = self.0.counters.snapshot(self.0.started.elapsed());
        for feed in self
            .0
            .feed_stats
            .lock()
            .expect("no holder of this lock panics")
            .values()
        {
            stats.messages += feed.messages.load(Ordering::Relaxed);
            stats.bad_frames += feed.bad_frames.load(Ordering::Relaxed);
            stats.ignored += feed.ignored.load(Ordering::Relaxed);
            stats.connects += feed.connects.load(Ordering::Relaxed);
            stats.disconnects += feed.disconnects.load(Ordering::Relaxed);
            let settled = Duration::from_micros(feed.settled_micros.load(Ordering::Relaxed));
            stats.settled = stats.settled.max(settled);
        }
        stats
    }

    /// What each feed that was started has counted so far.
    pub fn feeds(&self) -> Vec<(Exchange, Arc<FeedStats>)> {
        let stats = self.0.feed_stats.lock();
        let stats = stats.expect("no holder of this lock panics");
        stats.iter().map(|(e, stats)| (*e, stats.clone())).collect()
    }

    /// Closes every connection, delivers what is on its way, ends every subscription. Returns once all
    /// tasks have ended, or after 5 s.
    pub async fn shutdown(&self) {
        self.0.cancel.cancel();
        self.0.tracker.close();
        if tokio::time::timeout(SHUTDOWN, self.0.tracker.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                tasks = self.0.tracker.len(),
                "some connections did not close in time"
            );
        }
    }

    pub(crate) async fn control(&self, control: Control) -> Result<(), EngineError> {
        self.0
            .control
            .send(control)
            .await
            .map_err(|_| EngineError::Stopped)
    }

    pub(crate) fn control_now(&self, control: Control) {
        let _ = self.0.control.try_send(control);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("providers", &self.providers())
            .finish()
    }
}
