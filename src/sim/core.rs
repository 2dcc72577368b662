//! The state all connections share: markets, faults, counts, open sockets.
use super::{
    bars::{Bar, Grid, LedgerCandle, Source, seconds},
    clock::Clock,
    config::{Listing, SimConfig, Status, Venue},
    faults::{Cut, Faults},
    market::{LedgerTrade, Market, Tick, Trade, View},
    past::mix,
    tally::{Bucket, Counters, Weight, Window},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

/// What a socket's task is told.
#[derive(Clone, Debug)]
pub(super) enum Order {
    Event(Arc<Event>),
    Text(String),
    Binary(Bytes),
    Shutdown,
    System,
    /// The clock was moved.
    Clock,
    Cut(Cut),
}

/// Something that happened in one market; without ticks only the quote moved.
#[derive(Debug)]
pub(super) struct Event {
    pub view: View,
    pub ticks: Vec<Tick>,
}

pub(super) struct Core {
    pub venue: Venue,
    pub second: Duration,
    pub rate: f64,
    seed: u64,
    first_trade_id: u64,
    past_minutes: u64,
    markets: Mutex<Vec<Market>>,
    faults: Mutex<Faults>,
    counters: Mutex<Counters>,
    /// What Kraken's status channel says.
    pub system: Mutex<String>,
    sockets: Mutex<Sockets>,
    pub weight: Mutex<Weight>,
    pub bucket: Mutex<Bucket>,
    connects: Mutex<Window>,
    generating: AtomicBool,
    clock: Mutex<Clock>,
    pub stop: watch::Receiver<bool>,
}

#[derive(Default)]
struct Sockets {
    last_id: u64,
    open: BTreeMap<u64, mpsc::UnboundedSender<Order>>,
}

impl Core {
    pub fn new(config: &SimConfig, stop: watch::Receiver<bool>) -> Self {
        // the documented Coinbase limit; for Kraken the budget well-behaved clients adopt, doubled
        let bucket = match config.venue {
            Venue::Kraken => Bucket::new(1.0, 6.0),
            Venue::Binance | Venue::Coinbase => Bucket::new(10.0, 15.0),
        };
        let core = Self {
            venue: config.venue,
            second: config.second.max(Duration::from_millis(1)),
            rate: config.rate,
            seed: config.seed,
            first_trade_id: config.first_trade_id,
            past_minutes: config.candle_history,
            markets: Mutex::default(),
            faults: Mutex::default(),
            counters: Mutex::default(),
            system: Mutex::new("online".to_owned()),
            sockets: Mutex::default(),
            weight: Mutex::new(Weight::new()),
            bucket: Mutex::new(bucket),
            connects: Mutex::default(),
            generating: AtomicBool::new(false),
            clock: Mutex::new(Clock::new(config.start_ns, config.clock_rate)),
            stop,
        };
        for listing in &config.listings {
            core.add_listing(listing, config.history);
        }
        core
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub fn counters(&self) -> MutexGuard<'_, Counters> {
        lock(&self.counters)
    }

    pub fn violation(&self, text: impl Into<String>) {
        self.counters().rule_violations.push(text.into());
    }

    /// The venue's clock, with the faults asked for.
    pub fn now_ns(&self) -> i64 {
        let (frozen, skew_ms) = {
            let faults = self.faults();
            (faults.freeze_clock, faults.clock_skew_ms)
        };
        let now = lock(&self.clock).now_ns(frozen);
        now.saturating_add(skew_ms * 1_000_000)
    }

    /// Moves the venue's clock on to this time, unless it is later already.
    pub fn advance_to(&self, time_ns: i64) {
        let ahead = time_ns.saturating_sub(self.now_ns());
        if ahead > 0 {
            lock(&self.clock).advance(ahead);
            self.broadcast(&Order::Clock);
        }
    }

    /// How long it takes until the venue's clock shows this time.
    pub fn until(&self, time_ns: i64) -> Duration {
        let ahead = time_ns.saturating_sub(self.now_ns());
        lock(&self.clock).real(ahead)
    }

    /// Lists a pair with `history` trades spread over the time before now.
    pub fn add_listing(&self, listing: &Listing, history: usize) {
        let mut market = Market::new(self.venue, listing, self.seed, self.first_trade_id);
        let now = self.now_ns();
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let mut ago = i64::try_from(history).unwrap_or(0) * 731_000_000;
        market.begin(seconds(now - ago), self.past_minutes, self.seed);
        for _ in 0..history {
            // one in four shares its time with the trade before
            if rng.u8(0..4) > 0 {
                ago -= 731_000_000;
            }
            market.trade(now - ago.max(1_000_000_000), false);
        }
        lock(&self.markets).push(market);
    }

    pub fn set_status(&self, symbol: &str, status: Status) {
        for market in lock(&self.markets).iter_mut() {
            if market.info.canonical == symbol {
                market.status = status;
            }
        }
    }

    /// So many trades of a pair.
    pub fn trade(&self, symbol: &str, n: usize) -> Vec<LedgerTrade> {
        let edge_cases = self.faults().number_edge_cases;
        self.make(symbol, |market, now| {
            (0..n).map(|_| market.trade(now, edge_cases)).collect()
        })
    }

    /// Trades of a pair at these prices.
    pub fn print(&self, symbol: &str, prices: &[&str]) -> Vec<LedgerTrade> {
        self.make(symbol, |market, now| {
            let prices = prices
                .iter()
                .map(|text| market.price(text).expect("a plain decimal"));
            let prices: Vec<_> = prices.collect();
            prices
                .into_iter()
                .map(|price| market.trade_at(price, now))
                .collect()
        })
    }

    /// A trade of a pair at this time and price; the clock goes with it.
    pub fn trade_at(&self, symbol: &str, time_ns: i64, price: &str) -> Option<LedgerTrade> {
        self.advance_to(time_ns);
        let made = self.make(symbol, |market, _| {
            let price = market.price(price).expect("a plain decimal");
            vec![market.trade_then(price, time_ns)]
        });
        made.into_iter().next()
    }

    /// Makes trades and hands them to the sockets; nothing unless the pair is trading.
    fn make(
        &self,
        symbol: &str,
        make: impl FnOnce(&mut Market, i64) -> Vec<Tick>,
    ) -> Vec<LedgerTrade> {
        let mut markets = lock(&self.markets);
        // under the lock: whoever holds it knows all trades before its own reading of the clock
        let now = self.now_ns();
        let Some(market) = markets.iter_mut().find(|m| m.info.canonical == symbol) else {
            return Vec::new();
        };
        if market.status != Status::Trading {
            return Vec::new();
        }
        let ticks = make(market, now);
        if ticks.is_empty() {
            return Vec::new();
        }
        let made = ticks
            .iter()
            .map(|tick| market.ledger_trade(&tick.trade))
            .collect();
        // still under the lock, so that sockets hear of trades in ledger order
        self.broadcast(&Order::Event(Arc::new(Event {
            view: market.view(),
            ticks,
        })));
        made
    }

    /// Moves the best bid and ask of a pair without a trade.
    pub fn move_quote(&self, symbol: &str) {
        let mut markets = lock(&self.markets);
        if let Some(market) = markets.iter_mut().find(|m| m.info.canonical == symbol) {
            market.move_quote();
            let event = Event {
                view: market.view(),
                ticks: Vec::new(),
            };
            self.broadcast(&Order::Event(Arc::new(event)));
        }
    }

    pub fn ledger(&self, symbol: &str) -> Vec<LedgerTrade> {
        self.with_ledger(
            |market| market.info.canonical == symbol,
            |market, trades| {
                trades
                    .iter()
                    .map(|trade| market.ledger_trade(trade))
                    .collect()
            },
        )
        .unwrap_or_default()
    }

    /// All pairs, in listing order.
    pub fn views(&self) -> Vec<View> {
        lock(&self.markets).iter().map(Market::view).collect()
    }

    /// The pair that sockets call `native`.
    pub fn view(&self, native: &str) -> Option<View> {
        let markets = lock(&self.markets);
        let market = markets.iter().find(|market| market.info.native == native)?;
        Some(market.view())
    }

    /// The pair as REST tells it.
    pub fn rest_view(&self, mut view: View) -> View {
        let last = &mut view.stats.last;
        last.units += last.units * i128::from(self.faults().rest_price_percent) / 100;
        view
    }

    /// The trades of the pair with this native name, oldest first.
    pub fn trades(&self, native: &str) -> Vec<Trade> {
        self.with_ledger(
            |market| market.info.native == native,
            |_, trades| trades.to_vec(),
        )
        .unwrap_or_default()
    }

    /// Those of them that REST gives.
    pub fn rest_trades(&self, native: &str) -> Vec<Trade> {
        let (reach, lag) = {
            let faults = self.faults();
            (faults.rest_trades_reach, faults.rest_trades_lag)
        };
        let reach = reach.unwrap_or(usize::MAX);
        let mut trades = self.trades(native);
        trades.truncate(trades.len().saturating_sub(lag));
        trades.drain(..trades.len().saturating_sub(reach));
        trades
    }

    /// Reads a pair, and the time after which all its trades to come will be.
    pub fn read<T>(&self, native: &str, read: impl FnOnce(&Market, i64) -> T) -> Option<T> {
        let markets = lock(&self.markets);
        let market = markets.iter().find(|market| market.info.native == native)?;
        Some(read(market, self.now_ns()))
    }

    /// Reads the candles of a pair as REST knows them, and until when it shows any.
    pub fn rest_bars(
        &self,
        native: &str,
        grid: Grid,
        choose: impl FnOnce(&Source<'_>, i64) -> Vec<Bar>,
    ) -> Vec<Bar> {
        let (lag, late) = {
            let faults = self.faults();
            (faults.rest_candles_lag, faults.rest_candles_late)
        };
        let late = i64::try_from(late).unwrap_or(i64::MAX / grid.step);
        let bars = self.read(native, |market, now| {
            let mut source = market.source();
            let shown = source.ledger.len().saturating_sub(lag);
            source.ledger = &source.ledger[..shown];
            let running = grid.open_of(seconds(now));
            choose(&source, running.saturating_add((1 - late) * grid.step))
        });
        bars.unwrap_or_default()
    }

    /// The candles of a pair that begin from a second until another; `None`: all of the ledger.
    pub fn candles(&self, symbol: &str, step: i64, of: Option<(i64, i64)>) -> Vec<LedgerCandle> {
        let grid = Grid::of_calendar(step.max(1));
        let markets = lock(&self.markets);
        let Some(market) = markets.iter().find(|m| m.info.canonical == symbol) else {
            return Vec::new();
        };
        let source = market.source();
        let ends = source.ledger.first().zip(source.ledger.last());
        let ledger = ends.map(|(first, last)| {
            let from = grid.open_of(seconds(first.time_ns));
            (from, seconds(last.time_ns) + 1)
        });
        let (from, until) = of.or(ledger).unwrap_or((0, 0));
        let first = source.first().map_or(until, |first| grid.open_of(first));
        let bars = source.bars(grid, from.max(first), until);
        let candle = |bar: &Bar| bar.ledger_candle(&market.info, grid);
        bars.iter().map(candle).collect()
    }

    /// Whether a fault of this probability hits the candle of a pair that begins at this second.
    pub fn hits(&self, percent: u8, native: &str, grid: Grid, time: i64) -> bool {
        let name = native
            .bytes()
            .fold(self.seed, |hash, byte| mix(hash ^ u64::from(byte)));
        let place = mix(name ^ grid.step.cast_unsigned()) ^ time.cast_unsigned();
        mix(place) % 100 < u64::from(percent)
    }

    fn with_ledger<T>(
        &self,
        matches: impl Fn(&Market) -> bool,
        read: impl Fn(&Market, &[Trade]) -> T,
    ) -> Option<T> {
        let markets = lock(&self.markets);
        let market = markets.iter().find(|market| matches(market))?;
        Some(read(market, &market.ledger))
    }

    /// Registers a socket; the number to give to [`Core::unregister`].
    pub fn register(&self) -> (u64, mpsc::UnboundedReceiver<Order>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut sockets = lock(&self.sockets);
        sockets.last_id += 1;
        let id = sockets.last_id;
        sockets.open.insert(id, sender);
        (id, receiver)
    }

    pub fn unregister(&self, id: u64) {
        lock(&self.sockets).open.remove(&id);
    }

    pub fn open_sockets(&self) -> usize {
        lock(&self.sockets).open.len()
    }

    pub fn broadcast(&self, order: &Order) {
        for sender in lock(&self.sockets).open.values() {
            // a vanished or ending socket no longer listens
            let _ = sender.send(order.clone());
        }
    }

    /// Counts an upgrade against the venue's connection budget.
    pub fn note_upgrade(&self) {
        self.counters().upgrades += 1;
        let (limit, seconds) = match self.venue {
            Venue::Binance => (300, 300),
            Venue::Kraken => (150, 600),
            Venue::Coinbase => (20, 1),
        };
        let recent = lock(&self.connects).note(self.second * seconds);
        if recent > limit {
            self.violation(format!("{recent} connections within {seconds} s"));
        }
    }

    /// Starts the trade generator, once; needs a runtime.
    pub fn ensure_generator(self: &Arc<Self>) {
        if self.rate > 0.0 && !self.generating.swap(true, Ordering::Relaxed) {
            tokio::spawn(generate(Arc::clone(self)));
        }
    }
}

/// Makes `rate` trades per second in every trading pair until the exchange stops.
async fn generate(core: Arc<Core>) {
    let mut stop = core.stop.clone();
    let mut rng = fastrand::Rng::with_seed(core.seed);
    let mut owed: BTreeMap<String, f64> = BTreeMap::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let mut last = Instant::now();
    loop {
        tokio::select! {
            biased;
            _ = stop.changed() => return,
            now = ticks.tick() => {
                let step = (now - last).as_secs_f64() * core.rate;
                last = now;
                for view in core.views() {
                    let symbol = &view.info.canonical;
                    // pairs start at different points of their period
                    let owed = owed.entry(symbol.clone()).or_insert_with(|| rng.f64());
                    *owed += step;
                    let whole = owed.floor();
                    *owed -= whole;
                    core.trade(symbol, whole as usize);
                    if whole > 0.0 && rng.bool() {
                        core.move_quote(symbol);
                    }
                }
            }
        }
    }
}

/// A lock that survives a panicking test thread: the data is plain counts and lists.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
