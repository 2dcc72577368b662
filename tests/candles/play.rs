//! One seed, played.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tickwire::engine::{Engine, Request, Subscription};
use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::{Live, LiveOptions};
use tickwire::model::{Event, Interval, Stream, Timestamp};
use tickwire::net::AnyDial;
use tickwire::sim::{
    self, Cut, LedgerCandle, Proxy, Script, ScriptLimits, Sim, SimConfig, SimDial, TokioClock,
    Venue,
};
use tokio::time::{Instant, sleep, sleep_until};

use super::judge::{Lane, Verdict};

/// The beginning of an hour.
const HOUR_NS: i64 = 1_790_002_800_000_000_000;
/// In which things go wrong.
const TROUBLED: Duration = Duration::from_secs(420);
/// In which nothing happens and nothing is wrong: whatever is missing by then has to be found in it.
const QUIET: Duration = Duration::from_secs(240);
/// What ended so long before the end of it has to be told by then.
const TELLING: Duration = Duration::from_secs(90);
/// What hindered REST so long before a candle was told can be why it is not complete.
const REPAIR: Duration = Duration::from_secs(60);
/// For the last trades to arrive, and for the last questions.
const LAST: Duration = Duration::from_secs(60);

/// Native ones, and ones that are built, on every exchange.
const INTERVALS: [Interval; 5] = [
    Interval::S15,
    Interval::M1,
    Interval::M3,
    Interval::M5,
    Interval::H1,
];
/// The last one trades seldom.
const BASES: [&str; 3] = ["BTC", "ETH", "ADA"];

/// What became of a seed.
pub struct Played {
    pub seed: u64,
    venue: Venue,
    script: Script,
    faults: Vec<Fault>,
    /// Everything that was told of candles but the forming ones, in words.
    pub events: Vec<String>,
    /// What was promised and not kept.
    pub breaches: Vec<String>,
    pub disconnects: u64,
    pub verdict: Verdict,
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            venue,
            script,
            ..
        } = self;
        writeln!(f, "seed {seed}, {venue:?}, with this script:\n{script}")?;
        for Fault { from, to, what } in &self.faults {
            writeln!(f, "from {from:?} to {to:?}: {what:?}")?;
        }
        for breach in self.breaches.iter().take(12) {
            writeln!(f, "- {breach}")?;
        }
        writeln!(f, "{} breaches", self.breaches.len())?;
        write!(
            f,
            "to see it again: TICKWIRE_SEED={seed} cargo test --test candles -- --nocapture"
        )
    }
}

pub fn play(seed: u64) -> Played {
    // the backoff's jitter comes from here, too
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let limit = Duration::from_secs(3_600);
        tokio::time::timeout(limit, on_stage(seed))
            .await
            .unwrap_or_else(|_| panic!("seed {seed} does not end"))
    })
}

async fn on_stage(seed: u64) -> Played {
    let venue = [Venue::Binance, Venue::Coinbase, Venue::Kraken][(seed % 3) as usize];
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x00CA_4D1E);
    // The hour ends within.
    let start_ns = HOUR_NS - rng.i64(30_000..400_000) * 1_000_000;
    let sim = Sim::new(SimConfig {
        seed,
        history: 60,
        start_ns: Some(start_ns),
        ..SimConfig::new(venue)
    });
    let proxy = Proxy::new(seed);
    let engine = engine(venue, &sim, &proxy, start_ns);
    // Candles that are made of trades share them with who wants these.
    let trades = rng.bool().then_some(Stream::Trades);
    let streams = INTERVALS.map(Stream::Candles);
    let request = Request::new(BASES).streams(streams.into_iter().chain(trades));
    let began = Instant::now();
    let subscription = engine.subscribe(request).await.expect("a list of symbols");
    let reader = tokio::spawn(read(subscription));

    let quote = match venue {
        Venue::Binance => "USDT",
        Venue::Coinbase | Venue::Kraken => "USD",
    };
    let symbols = BASES.map(|base| format!("{base}/{quote}"));
    let limits = ScriptLimits {
        symbols: symbols[..2].to_vec(),
        length: TROUBLED,
        troubles: 24,
    };
    let script = possible(&Script::random(seed, &limits), venue);
    let faults = faults(&mut rng, venue, &symbols);
    let lies = lies(&faults, venue, start_ns);
    let harm = harm(faults.clone(), sim.clone(), proxy.clone());
    let seldom = trade_seldom(symbols[2].clone(), sim.clone(), rng);
    tokio::join!(script.run(&sim, &proxy), harm, seldom);
    *sim.faults() = sim::Faults::default();
    proxy.change(|line| *line = sim::LineFaults::default());
    sleep(QUIET).await;
    let shown_at = Instant::now();
    let ended_by = sim.now_ns();
    for symbol in &symbols {
        sim.trade(symbol, 1);
    }
    sleep(LAST).await;
    let disconnects = engine.stats().disconnects;
    engine.shutdown().await;
    let events = reader.await.expect("the reader ends with the engine");

    let mut played = Played {
        seed,
        venue,
        events: Vec::new(),
        breaches: Vec::new(),
        script,
        faults,
        disconnects,
        verdict: Verdict::default(),
    };
    played.tell(&events, began);
    let end = shown_at + LAST;
    played.losses(&events, began, end);
    let early: Vec<_> = events
        .iter()
        .filter(|(at, _)| *at < shown_at)
        .cloned()
        .collect();
    let early_by = ended_by - TELLING.as_nanos() as i64;
    // Kraken confirms nothing of a quiet market, and has no rows so short: the next trade ends them.
    let is_told_in_time = |interval| venue != Venue::Kraken || interval >= Interval::M1;
    for symbol in &symbols {
        for interval in INTERVALS {
            let of = format!("{symbol} {}", interval.name());
            let of_lane = (symbol.as_str(), interval, lies.as_slice());
            played.judge(&of, &sim, of_lane, (&events, ended_by));
            if !is_told_in_time(interval) {
                continue;
            }
            let late = format!("{of}, until a trade showed it");
            let sum = played.verdict;
            played.judge(&late, &sim, of_lane, (&early, early_by));
            played.verdict = sum;
        }
    }
    // A line that holds back what was sent makes kept rules look broken.
    let text = played.script.to_string();
    let holds_back = [" delay ", " blackhole ", " slice "];
    if !holds_back.iter().any(|word| text.contains(word)) {
        let violations = sim.counters().rule_violations;
        let of = |violation| format!("against the rules: {violation}");
        played.breaches.extend(violations.into_iter().map(of));
    }
    played
}

type Told = Vec<(Instant, Event)>;

impl Played {
    fn tell(&mut self, events: &Told, began: Instant) {
        for (at, event) in events {
            let is_forming = matches!(event, Event::Candle(candle) if !candle.closed);
            if !is_forming && !matches!(event, Event::Trade(_)) {
                let at = at.saturating_duration_since(began);
                self.events
                    .push(format!("{:8.3} {event:?}", at.as_secs_f64()));
            }
        }
    }

    fn judge(
        &mut self,
        of: &str,
        sim: &Sim,
        (symbol, interval, lies): (&str, Interval, &[(i64, i64)]),
        (events, ended_by): (&Told, i64),
    ) {
        let stream = Stream::Candles(interval);
        let is_of_lane = |event: &&Event| {
            let is_of_stream = match event {
                Event::Gap(gap) => gap.stream == stream,
                event => event.stream() == Some(stream),
            };
            is_of_stream
                && event
                    .market()
                    .is_some_and(|market| market.symbol() == symbol)
        };
        let told: Vec<Event> = events
            .iter()
            .map(|(_, event)| event)
            .filter(is_of_lane)
            .cloned()
            .collect();
        let lane = Lane {
            interval,
            ledger: &candles(sim, symbol, interval),
            told: &told,
            has_empty: self.venue == Venue::Binance,
            ended_by,
            lies,
        };
        match lane.verify() {
            Ok(verdict) => self.verdict += verdict,
            Err(breaches) => {
                let of = |breach| format!("{of}: {breach}");
                self.breaches.extend(breaches.into_iter().map(of));
            }
        }
    }

    /// Candles that are not complete or stay missing, though nothing hindered REST.
    fn losses(&mut self, events: &Told, began: Instant, end: Instant) {
        for (at, event) in events {
            let is_loss = match event {
                Event::Candle(candle) => candle.closed && !candle.complete,
                Event::Gap(gap) => gap.stream.interval().is_some() && gap.is_loss(),
                _ => false,
            };
            let since = at.saturating_duration_since(began);
            let from = since.saturating_sub(REPAIR);
            let fault =
                |fault: &Fault| fault.hinders_rest() && fault.from <= since && from <= fault.to;
            // What is told because everything ends could not be asked about.
            let is_excused = self.script.hinders_rest(from, since)
                || self.faults.iter().any(fault)
                || *at >= end;
            if is_loss && !is_excused {
                self.breaches
                    .push(format!("at {since:?}, with REST in order: {event:?}"));
            }
        }
    }
}

/// Those of the whole ledger, up to now.
fn candles(sim: &Sim, symbol: &str, interval: Interval) -> Vec<LedgerCandle> {
    let first = sim.ledger(symbol)[0].time_ns;
    let begin = interval.open_of(Timestamp::from_nanos(first));
    let seconds = interval.nanos() / 1_000_000_000;
    sim.candles_between(symbol, seconds, begin.nanos(), sim.now_ns())
}

/// What goes wrong with candles only.
#[derive(Clone, Debug)]
enum What {
    Lag(usize),
    Late(usize),
    Refused,
    /// The lines break, and REST is down until the end of it.
    Down,
    Unclosed(u8),
    Mute(String),
}

#[derive(Clone, Debug)]
struct Fault {
    from: Duration,
    to: Duration,
    what: What,
}

impl Fault {
    fn hinders_rest(&self) -> bool {
        matches!(
            self.what,
            What::Lag(_) | What::Late(_) | What::Refused | What::Down
        )
    }
}

/// When REST told candles as they had been before.
fn lies(faults: &[Fault], venue: Venue, start_ns: i64) -> Vec<(i64, i64)> {
    let nanos = |since: Duration| start_ns + since.as_nanos() as i64;
    let is_lie = |fault: &&Fault| match fault.what {
        What::Lag(_) => true,
        // Where quiet candles have no rows, one that is late looks like one of these.
        What::Late(_) => venue == Venue::Coinbase,
        _ => false,
    };
    let lies = faults.iter().filter(is_lie);
    lies.map(|fault| (nanos(fault.from), nanos(fault.to)))
        .collect()
}

/// The script without what no client could know from. Trades of a clock that stands still belong to candles that are
/// over; and where Kraken's states of a candle are lost out of an unbroken line, nothing shows it.
fn possible(script: &Script, venue: Venue) -> Script {
    let is_unknowable = |line: &&str| {
        let loses = [" drop ", " reorder "]
            .iter()
            .any(|word| line.contains(word));
        let mutes =
            line.contains(" mute ") && !line.ends_with("ticker") && !line.ends_with("trades");
        line.contains("freeze-clock") || venue == Venue::Kraken && (loses || mutes)
    };
    let text = script.to_string();
    let lines: Vec<_> = text.lines().filter(|line| !is_unknowable(line)).collect();
    lines.join("\n").parse().expect("lines of a script")
}

fn faults(rng: &mut fastrand::Rng, venue: Venue, symbols: &[String]) -> Vec<Fault> {
    let length = TROUBLED.as_millis() as u64;
    let mut faults: Vec<Fault> = (0..rng.usize(0..7))
        .map(|_| {
            let from = rng.u64(0..length);
            let to = (from + rng.u64(1..60_000)).min(length);
            let what = match rng.u8(0..6) {
                0 => What::Lag(rng.usize(1..40)),
                1 => What::Late(rng.usize(1..3)),
                2 => What::Refused,
                5 => What::Down,
                _ if venue == Venue::Kraken => What::Late(3),
                3 => What::Unclosed(rng.u8(1..100)),
                _ => What::Mute(symbols[rng.usize(..symbols.len())].clone()),
            };
            let [from, to] = [from, to].map(Duration::from_millis);
            Fault { from, to, what }
        })
        .collect();
    faults.sort_by_key(|fault| fault.from);
    faults
}

async fn harm(faults: Vec<Fault>, sim: Sim, proxy: Proxy) {
    let start = Instant::now();
    let each = faults.into_iter().map(|fault| {
        let (sim, proxy) = (&sim, &proxy);
        async move {
            sleep_until(start + fault.from).await;
            fault.what.apply(true, sim, proxy);
            sleep_until(start + fault.to).await;
            fault.what.apply(false, sim, proxy);
        }
    });
    futures_util::future::join_all(each).await;
}

impl What {
    fn apply(&self, on: bool, sim: &Sim, proxy: &Proxy) {
        match self {
            Self::Lag(n) => sim.faults().rest_candles_lag = if on { *n } else { 0 },
            Self::Late(n) => sim.faults().rest_candles_late = if on { *n } else { 0 },
            Self::Refused => sim.faults().rest_candles_answers = on.then_some(0),
            Self::Down => {
                sim.faults().rest_status = on.then(|| (503, "{}".to_owned()));
                if on {
                    sim.cut_all(Cut::Reset);
                }
            }
            Self::Unclosed(percent) => {
                sim.faults().drop_closed_percent = if on { *percent } else { 0 };
            }
            Self::Mute(symbol) => proxy.change(|line| {
                let stream = (symbol.clone(), Some(sim::Stream::Candles));
                match on {
                    true => line.mute.insert(stream),
                    false => line.mute.remove(&stream),
                };
            }),
        }
    }
}

/// A few trades now and then, at the ends of minutes too, with minutes without any between them.
async fn trade_seldom(symbol: String, sim: Sim, mut rng: fastrand::Rng) {
    let end = Instant::now() + TROUBLED;
    loop {
        let pause = match rng.u8(0..4) {
            0 => rng.u64(60_000..200_000),
            1 => rng.u64(1..1_000),
            2 => {
                // so that it falls on the last or first moments of a minute
                let left = 60_000 - (sim.now_ns() / 1_000_000).rem_euclid(60_000) as u64;
                left.saturating_add(rng.u64(0..10)).saturating_sub(5).max(1)
            }
            _ => rng.u64(1_000..40_000),
        };
        let next = Instant::now() + Duration::from_millis(pause);
        if next >= end {
            return;
        }
        sleep_until(next).await;
        sim.trade(&symbol, rng.usize(1..4));
    }
}

fn engine(venue: Venue, sim: &Sim, proxy: &Proxy, start_ns: i64) -> Engine {
    let clock = Arc::new(TokioClock::starting_at(start_ns));
    let options = LiveOptions {
        dial: Some(AnyDial::new(SimDial::new(sim, proxy))),
        clock: clock.clone(),
        ..LiveOptions::default()
    };
    let live = match venue {
        Venue::Binance => Live::new(Binance, options),
        Venue::Coinbase => Live::new(Coinbase, options),
        Venue::Kraken => Live::new(Kraken, options),
    };
    let live = live.expect("good options");
    Engine::builder().provider(live).clock(clock).build()
}

/// Everything that is told, and when.
async fn read(mut subscription: Subscription) -> Told {
    let (mut events, mut batch) = (Vec::new(), Vec::new());
    while subscription.next_batch(&mut batch).await.is_ok() {
        let now = Instant::now();
        events.extend(batch.drain(..).map(|event| (now, event)));
    }
    events
}
