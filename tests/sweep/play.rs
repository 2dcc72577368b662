//! One seed, played.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tickwire::engine::{Engine, Request, Subscription};
use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::{Live, LiveOptions};
use tickwire::model::{Event, Stream};
use tickwire::net::AnyDial;
use tickwire::sim::{
    LedgerTrade, Proxy, Repair, Script, ScriptLimits, Sim, SimConfig, SimDial, TokioClock, Told,
    Venue, Verdict, verify,
};
use tokio::time::Instant;

const START_NS: i64 = 1_790_000_000_000_000_000;
/// In which things go wrong.
const TROUBLED: Duration = Duration::from_secs(60);
/// In which nothing happens and nothing is wrong: whatever is missing by then has to be found in it.
const QUIET: Duration = Duration::from_secs(120);
/// What hindered REST so long before a gap was told can be why it was not repaired.
const REPAIR: Duration = Duration::from_secs(20);
/// For the last trades to arrive.
const LAST: Duration = Duration::from_secs(20);

/// What became of a seed.
pub struct Played {
    pub seed: u64,
    venue: Venue,
    script: Script,
    /// Everything that was told, in words.
    pub events: Vec<String>,
    /// What was promised and not kept.
    pub breaches: Vec<String>,
    pub disconnects: u64,
    pub trades: u64,
    pub gaps: u64,
    pub missing: u64,
    /// What the breaches were looked for in.
    pub markets: Vec<MarketTold>,
}

/// What was told of one market, and what is true.
#[derive(Clone)]
pub struct MarketTold {
    pub ledger: Vec<LedgerTrade>,
    pub told: Vec<Told>,
    /// The last trade, made when everything had been well for long. It would show what is missing before it.
    pub last: u64,
    /// How much was told when it was made.
    pub told_before: usize,
}

impl MarketTold {
    pub fn verify(&self) -> Result<Verdict, Vec<String>> {
        let verdict = verify(&self.ledger, &self.told, self.last)?;
        let in_time = &self.told[..self.told_before.min(self.told.len())];
        let late = |breach| format!("until a trade showed it: {breach}");
        match verify(&self.ledger, in_time, self.last - 1) {
            Ok(_) => Ok(verdict),
            Err(breaches) => Err(breaches.into_iter().map(late).collect()),
        }
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            venue,
            script,
            breaches,
            ..
        } = self;
        writeln!(f, "seed {seed}, {venue:?}, with this script:\n{script}")?;
        for breach in breaches {
            writeln!(f, "- {breach}")?;
        }
        write!(
            f,
            "to see it again: TICKWIRE_SEED={seed} cargo test --test sweep -- --nocapture"
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
    let sim = Sim::new(SimConfig {
        seed,
        history: 60,
        start_ns: Some(START_NS),
        ..SimConfig::new(venue)
    });
    let proxy = Proxy::new(seed);
    let engine = engine(venue, &sim, &proxy);
    let request = Request::new(["BTC", "ETH"]).streams(Stream::PLAIN);
    let subscription = engine.subscribe(request).await.expect("a list of symbols");
    let reader = tokio::spawn(read(subscription));

    let quote = match venue {
        Venue::Binance => "USDT",
        Venue::Coinbase | Venue::Kraken => "USD",
    };
    let symbols = ["BTC", "ETH"].map(|base| format!("{base}/{quote}"));
    let script = Script::random(
        seed,
        &ScriptLimits {
            symbols: symbols.to_vec(),
            length: TROUBLED,
            troubles: 14,
        },
    );
    let began = Instant::now();
    script.run(&sim, &proxy).await;
    tokio::time::sleep(QUIET).await;
    let shown_at = Instant::now();
    let last = symbols.clone().map(|symbol| sim.trade(&symbol, 1)[0].id);
    tokio::time::sleep(LAST).await;
    engine.shutdown().await;
    let events = reader.await.expect("the reader ends with the engine");

    let in_words = |(at, event): &(Instant, Event)| {
        let at = at.saturating_duration_since(began);
        format!("{:8.3} {event:?}", at.as_secs_f64())
    };
    let mut played = Played {
        seed,
        venue,
        events: events.iter().map(in_words).collect(),
        breaches: losses(&events, &script, began),
        script,
        disconnects: engine.stats().disconnects,
        trades: 0,
        gaps: 0,
        missing: 0,
        markets: Vec::new(),
    };
    for (symbol, last) in symbols.iter().zip(last) {
        let of_symbol = events.iter().filter(|(_, event)| {
            event
                .market()
                .is_some_and(|market| market.symbol() == *symbol)
        });
        let told: Vec<(Instant, Told)> = of_symbol
            .filter_map(|(at, event)| Some((*at, Told::of(event)?)))
            .collect();
        let market = MarketTold {
            ledger: sim.ledger(symbol),
            told_before: told.iter().filter(|(at, _)| *at < shown_at).count(),
            told: told.into_iter().map(|(_, told)| told).collect(),
            last,
        };
        match market.verify() {
            Ok(verdict) => {
                played.trades += verdict.trades;
                played.gaps += verdict.gaps;
                played.missing += verdict.missing;
            }
            Err(breaches) => {
                let of = |breach| format!("{symbol}: {breach}");
                played.breaches.extend(breaches.into_iter().map(of));
            }
        }
        played.markets.push(market);
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

fn engine(venue: Venue, sim: &Sim, proxy: &Proxy) -> Engine {
    let clock = Arc::new(TokioClock::starting_at(START_NS));
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
async fn read(mut subscription: Subscription) -> Vec<(Instant, Event)> {
    let (mut events, mut batch) = (Vec::new(), Vec::new());
    while subscription.next_batch(&mut batch).await.is_ok() {
        let now = Instant::now();
        events.extend(batch.drain(..).map(|event| (now, event)));
    }
    events
}

/// Gaps that were not repaired, though nothing hindered REST.
fn losses(events: &[(Instant, Event)], script: &Script, began: Instant) -> Vec<String> {
    let loss = |(at, event): &(Instant, Event)| {
        let told = Told::of(event)?;
        let is_loss = matches!(told, Told::Gap { state, .. } if state != Repair::Repaired);
        let at = at.saturating_duration_since(began);
        let is_excused = script.hinders_rest(at.saturating_sub(REPAIR), at);
        (is_loss && !is_excused).then(|| format!("at {at:?}, with REST in order: {event:?}"))
    };
    events.iter().filter_map(loss).collect()
}
