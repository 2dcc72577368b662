use std::cell::Cell;

use super::super::support::{WAIT, ask, config, ctx, exchange, until};
use super::*;
use crate::model::SignalSide;
use crate::sim::Sim;

const MINUTE: i64 = 60_000_000_000;
const TREND: &str = "[strategies.trend]\nbuy = \"close > 68000\"\nsell = \"close < 66000\"\n";

/// What was published, and what is asked.
struct Desk {
    requests: mpsc::Sender<StrategyRequest>,
    told: Rc<RefCell<Vec<Event>>>,
    config: watch::Sender<Arc<Config>>,
    cancel: CancellationToken,
    /// The minute that the exchange is in.
    minute: Cell<i64>,
}

impl Desk {
    async fn list(&self) -> Vec<StrategyView> {
        ask(&self.requests, StrategyRequest::List).await.unwrap()
    }

    async fn start(&self, name: &str) -> Result<StrategyView, ApiError> {
        ask(&self.requests, |reply| {
            StrategyRequest::Start(name.into(), reply)
        })
        .await
    }

    async fn stop(&self, name: &str) -> Result<StrategyView, ApiError> {
        ask(&self.requests, |reply| {
            StrategyRequest::Stop(name.into(), reply)
        })
        .await
    }

    /// The strategy once it is in this state.
    async fn is(&self, name: &str, state: &str) -> StrategyView {
        let of = async || {
            let views = self.list().await;
            views.into_iter().find(|view| view.name == name)
        };
        let is_so = |view: &Option<StrategyView>| view.as_ref().is_some_and(|v| v.state == state);
        let found = until(&format!("{name} is {state}"), of, is_so).await;
        found.expect("it was looked at")
    }

    /// One trade in the next minute, which closes the candle of this one.
    fn play(&self, sim: &Sim, price: &str) {
        self.minute.set(self.minute.get() + 1);
        let at = (self.minute.get() * 60 + 1) * 1_000_000_000;
        sim.trade_at("BTC/USD", at, price).expect("it is traded");
    }

    /// Plays minutes at this price until these are the signals.
    async fn signals(&self, sim: &Sim, price: &str, wanted: &[(&str, SignalSide)]) {
        let deadline = tokio::time::Instant::now() + WAIT;
        while self.told() != owned(wanted) {
            let told = self.told();
            assert!(
                tokio::time::Instant::now() < deadline,
                "never: {wanted:?}: {told:?}"
            );
            self.play(sim, price);
            sleep(Duration::from_millis(200)).await;
        }
    }

    fn told(&self) -> Vec<(String, SignalSide)> {
        let told = self.told.borrow();
        let signals = told.iter().map(|event| match event {
            Event::Signal(signal) => (signal.strategy.clone(), signal.side),
            other => panic!("{other:?} is no signal"),
        });
        signals.collect()
    }
}

fn owned(signals: &[(&str, SignalSide)]) -> Vec<(String, SignalSide)> {
    let one = |(name, side): &(&str, SignalSide)| ((*name).to_owned(), *side);
    signals.iter().map(one).collect()
}

/// Runs the strategies of a configuration over BTC while a test looks at them.
async fn with(sim: &Sim, first: Arc<Config>, symbols: &[&str], look: impl AsyncFnOnce(&Desk)) {
    let ctx = ctx(sim, &first);
    let manager = ctx.engine.symbols("kraken").unwrap();
    let mut instruments = Vec::new();
    for symbol in symbols {
        instruments.push(manager.resolve(symbol).await.unwrap());
    }
    let (requests, receiver) = mpsc::channel(8);
    let (sender, changes) = watch::channel(first);
    let desk = Desk {
        requests,
        told: Rc::default(),
        config: sender,
        cancel: CancellationToken::new(),
        minute: Cell::new(sim.now_ns() / MINUTE),
    };
    let publish = |signals: &[Event]| desk.told.borrow_mut().extend_from_slice(signals);
    let cancel = desk.cancel.clone();
    let kept = keep(&ctx, &publish, &instruments, receiver, changes, cancel);
    let looked = async {
        look(&desk).await;
        desk.cancel.cancel();
    };
    let both = async { tokio::join!(kept, looked) };
    tokio::time::timeout(WAIT * 2, both).await.expect("it ends");
    ctx.engine.shutdown().await;
}

#[tokio::test]
async fn a_strategy_decides_over_what_is_live_until_it_is_stopped() {
    let sim = exchange("67000").await;
    with(&sim, config(TREND), &["BTC"], async |desk| {
        let view = desk.is("trend", "running").await;
        assert_eq!(view.symbols, ["kraken:BTC/USD"]);
        assert_eq!((view.interval.as_str(), view.signals), ("1m", 0));
        let bought = ("trend", SignalSide::Buy);
        desk.signals(&sim, "69000", &[bought]).await;
        let view = desk.is("trend", "running").await;
        assert_eq!((view.signals, view.last_signal.is_some()), (1, true));
        assert_eq!(desk.stop("trend").await.unwrap().state, "stopped");
        for price in ["65000", "65000", "65000"] {
            desk.play(&sim, price);
        }
        assert_eq!(desk.start("trend").await.unwrap().state, "running");
        // Begun anew it has nothing to sell.
        desk.signals(&sim, "69001", &[bought, bought]).await;
        for name in ["other", ""] {
            assert_eq!(desk.start(name).await.unwrap_err().code, "not_found");
            assert_eq!(desk.stop(name).await.unwrap_err().code, "not_found");
        }
    })
    .await;
}

#[tokio::test]
async fn one_that_fails_concerns_no_other() {
    let sim = exchange("67000").await;
    let text = format!(
        "{TREND}[strategies.broken]\nbuy = \"closing > 1\"\nsell = \"close < 1\"\n\
         [strategies.missing]\ncommand = [\"/nowhere/to/be/found\"]\n\
         [strategies.unknown]\nbuy = \"NOPE/USD.close > 1\"\nsell = \"close < 1\"\n"
    );
    with(&sim, config(&text), &["BTC"], async |desk| {
        let broken = desk.is("broken", "failed").await.error.unwrap();
        assert!(broken.contains("closing"), "{broken}");
        let missing = desk.is("missing", "failed").await.error.unwrap();
        assert!(!missing.contains("nowhere"), "{missing}");
        let unknown = desk.is("unknown", "failed").await.error.unwrap();
        assert!(unknown.contains("NOPE"), "{unknown}");
        desk.signals(&sim, "69000", &[("trend", SignalSide::Buy)])
            .await;
        // It stays what it is, and can be let be.
        assert_eq!(desk.start("broken").await.unwrap().state, "failed");
        assert_eq!(desk.stop("broken").await.unwrap().error, None);
    })
    .await;
    with(&sim, config(TREND), &[], async |desk| {
        let why = desk.is("trend", "failed").await.error.unwrap();
        assert!(why.contains("no symbols"), "{why}");
    })
    .await;
}

#[tokio::test]
async fn a_program_decides_and_ends_with_its_strategy() {
    let sim = exchange("67000").await;
    let home = tempfile::TempDir::new().unwrap();
    let end = home.path().join("end");
    let script = format!(
        "while read -r line; do echo '{{\"side\":\"buy\"}}'; done; touch '{}'",
        end.display()
    );
    let text = format!("[strategies.mine]\ncommand = [\"sh\", \"-c\", {script:?}]\n");
    with(&sim, config(&text), &["BTC"], async |desk| {
        desk.is("mine", "running").await;
        let deadline = tokio::time::Instant::now() + WAIT;
        while desk.told().is_empty() {
            assert!(tokio::time::Instant::now() < deadline, "never a signal");
            desk.play(&sim, "67001");
            sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(desk.told()[0], ("mine".to_owned(), SignalSide::Buy));
        desk.stop("mine").await.unwrap();
        until("it ends", async || end.exists(), |ended| *ended).await;
    })
    .await;
}

#[tokio::test]
async fn a_reload_touches_only_what_is_different() {
    let sim = exchange("67000").await;
    let gone = "[strategies.gone]\nbuy = \"close > 90000\"\nsell = \"close < 1\"\n";
    let moved = |price: u32| {
        format!("[strategies.moved]\nbuy = \"close > {price}\"\nsell = \"close < 1\"\n")
    };
    let rests = "[strategies.rests]\nbuy = \"close > 1\"\nsell = \"close < 1\"\n";
    let before = [gone, TREND, rests, &moved(90_000)].concat();
    let after = [TREND, rests, &moved(68_000)].concat();
    with(&sim, config(&before), &["BTC"], async |desk| {
        desk.stop("rests").await.unwrap();
        let bought = ("trend", SignalSide::Buy);
        desk.signals(&sim, "69000", &[bought]).await;
        desk.config.send(config(&after)).unwrap();
        let look = async || desk.list().await.len();
        until("one is gone", look, |count| *count == 3).await;
        desk.is("rests", "stopped").await;
        // The one that goes on has bought already.
        let moved = ("moved", SignalSide::Buy);
        desk.signals(&sim, "69001", &[bought, moved]).await;
        assert_eq!(desk.is("trend", "running").await.signals, 1);
    })
    .await;
}
