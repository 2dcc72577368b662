//! One seed, played.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tickwire::engine::{Engine, Request, Subscription};
use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::{Live, LiveOptions};
use tickwire::model::{self, Event, GapState, Stream};
use tickwire::net::AnyDial;
use tickwire::sim::{
    LedgerTrade, Proxy, Repair, Script, ScriptLimits, Side, Sim, SimConfig, SimDial, TokioClock,
    Told, Venue, Verdict, verify,
};

const START_NS: i64 = 1_790_000_000_000_000_000;
/// In which things go wrong.
const TROUBLED: Duration = Duration::from_secs(60);
/// In which nothing happens and nothing is wrong: longer than any backoff, pause or deadline.
const QUIET: Duration = Duration::from_secs(100);
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
    /// What the breaches were looked for in.
    pub markets: Vec<MarketTold>,
}

/// What was told of one market, and what is true.
#[derive(Clone)]
pub struct MarketTold {
    pub ledger: Vec<LedgerTrade>,
    pub told: Vec<Told>,
    /// The last trade, made when everything was well again.
    pub last: u64,
}

impl MarketTold {
    pub fn verify(&self) -> Result<Verdict, Vec<String>> {
        verify(&self.ledger, &self.told, self.last)
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
    let request = Request::new(["BTC", "ETH"]).streams(Stream::ALL);
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
    script.run(&sim, &proxy).await;
    tokio::time::sleep(QUIET).await;
    let last = symbols.clone().map(|symbol| sim.trade(&symbol, 1)[0].id);
    tokio::time::sleep(LAST).await;
    engine.shutdown().await;
    let events = reader.await.expect("the reader ends with the engine");

    let mut played = Played {
        seed,
        venue,
        script,
        events: events.iter().map(|event| format!("{event:?}")).collect(),
        breaches: Vec::new(),
        disconnects: engine.stats().disconnects,
        trades: 0,
        gaps: 0,
        markets: Vec::new(),
    };
    for (symbol, last) in symbols.iter().zip(last) {
        let told: Vec<Told> = events
            .iter()
            .filter_map(|event| told(event, symbol))
            .collect();
        let market = MarketTold {
            ledger: sim.ledger(symbol),
            told,
            last,
        };
        match market.verify() {
            Ok(verdict) => {
                played.trades += verdict.trades;
                played.gaps += verdict.gaps;
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

async fn read(mut subscription: Subscription) -> Vec<Event> {
    let (mut events, mut batch) = (Vec::new(), Vec::new());
    while subscription.next_batch(&mut batch).await.is_ok() {
        events.append(&mut batch);
    }
    events
}

/// What an event says of the trades of a symbol.
fn told(event: &Event, symbol: &str) -> Option<Told> {
    if event.market()?.symbol() != symbol {
        return None;
    }
    match event {
        Event::Trade(trade) => Some(Told::Trade {
            id: trade.id,
            price: trade.price.to_string(),
            size: trade.size.to_string(),
            side: match trade.side {
                model::Side::Buy => Side::Buy,
                model::Side::Sell => Side::Sell,
            },
        }),
        Event::Gap(gap) if gap.stream == Stream::Trades => Some(Told::Gap {
            ids: gap.from_id.zip(gap.to_id),
            missing: gap.missing,
            recovered: gap.recovered,
            state: match gap.state {
                GapState::Repaired => Repair::Repaired,
                GapState::Partial => Repair::Partial,
                GapState::Unrepairable => Repair::Unrepairable,
            },
        }),
        _ => None,
    }
}
