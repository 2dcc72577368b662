use std::path::Path;
use std::sync::Mutex;

use tempfile::TempDir;

use super::super::support::{WAIT, ask, config, ctx, exchange, print, until};
use super::*;
use crate::sim::Sim;
use crate::store::AlertStore;

const HIGH: &str = r#"
[[alert]]
name = "high"
symbols = ["BTC"]
condition = "price > 68000"
"#;

/// A firing, and where it was.
type Told = (Option<Market>, serde_json::Value);

/// What was told, and what is asked.
struct Desk {
    requests: mpsc::Sender<AlertRequest>,
    told: Arc<Mutex<Vec<Told>>>,
    config: watch::Sender<Arc<Config>>,
    cancel: CancellationToken,
}

impl Desk {
    async fn list(&self) -> Vec<AlertView> {
        ask(&self.requests, AlertRequest::List).await.unwrap()
    }

    async fn create(&self, new: NewAlert) -> Result<AlertView, ApiError> {
        ask(&self.requests, |reply| AlertRequest::Create(new, reply)).await
    }

    async fn delete(&self, name: &str) -> Result<(), ApiError> {
        ask(&self.requests, |reply| {
            AlertRequest::Delete(name.into(), reply)
        })
        .await
    }

    /// The rule once it is in this state.
    async fn is(&self, name: &str, state: &str) -> AlertView {
        let of = async || {
            let views = self.list().await;
            views.into_iter().find(|view| view.name == name)
        };
        let is_so = |view: &Option<AlertView>| view.as_ref().is_some_and(|v| v.state == state);
        let found = until(&format!("{name} is {state}"), of, is_so).await;
        found.expect("it was looked at")
    }

    /// Names and prices of the firings, once there are so many.
    async fn fired(&self, count: usize) -> Vec<(String, String)> {
        let look = async || {
            let told = self.told.lock().unwrap();
            let text = |event: &serde_json::Value, key| match &event[key] {
                serde_json::Value::String(text) => text.clone(),
                // As many digits as the exchange likes.
                other => other.to_string().trim_end_matches(".0").to_owned(),
            };
            let told = told.iter();
            told.map(|(_, event)| (text(event, "name"), text(event, "price")))
                .collect::<Vec<_>>()
        };
        until("it fires", look, |told| told.len() >= count).await
    }
}

/// Runs the alerts of a configuration while a test looks at them.
async fn with(
    sim: &Sim,
    first: Arc<Config>,
    directory: Option<&Path>,
    limit: usize,
    look: impl AsyncFnOnce(&Desk),
) {
    let ctx = ctx(sim, &first);
    let (requests, receiver) = mpsc::channel(8);
    let (sender, changes) = watch::channel(first);
    let desk = Desk {
        requests,
        told: Arc::default(),
        config: sender,
        cancel: CancellationToken::new(),
    };
    let told = desk.told.clone();
    let tell = move |market, event: String| {
        let event = serde_json::from_str(&event).unwrap();
        told.lock().unwrap().push((market, event));
    };
    let directory = directory.map(Path::to_owned);
    let cancel = desk.cancel.clone();
    let kept = keep(&ctx, directory, tell, limit, receiver, changes, cancel);
    let looked = async {
        look(&desk).await;
        desk.cancel.cancel();
    };
    let both = async { tokio::join!(kept, looked) };
    tokio::time::timeout(WAIT * 2, both).await.expect("it ends");
    ctx.engine.shutdown().await;
}

fn new(condition: &str) -> NewAlert {
    NewAlert {
        name: None,
        symbol: Some("BTC".into()),
        condition: condition.into(),
        message: None,
        cooldown: None,
        hysteresis: None,
        hold: None,
        actions: Vec::new(),
    }
}

fn named(name: &str, condition: &str) -> NewAlert {
    NewAlert {
        name: Some(name.into()),
        ..new(condition)
    }
}

fn owned(told: &[(&str, &str)]) -> Vec<(String, String)> {
    let one = |(name, price): &(&str, &str)| (name.to_string(), price.to_string());
    told.iter().map(one).collect()
}

#[tokio::test]
async fn a_rule_of_the_configuration_fires_and_is_remembered() {
    let (sim, home) = (exchange("67000").await, TempDir::new().unwrap());
    with(&sim, config(HIGH), Some(home.path()), 1, async |desk| {
        let view = desk.is("high", "armed").await;
        assert_eq!((view.provider.as_str(), view.origin), ("kraken", "config"));
        assert_eq!(view.symbols, ["BTC/USD"]);
        assert_eq!((view.fired, view.last_fired), (0, None));
        print(&sim, &["69000"]);
        assert_eq!(desk.fired(1).await, owned(&[("high", "69000")]));
        let view = desk.is("high", "fired").await;
        assert_eq!((view.fired, view.last_fired.is_some()), (1, true));
        print(&sim, &["67000", "69001"]);
        desk.fired(2).await;
        let (market, event) = desk.told.lock().unwrap()[0].clone();
        assert_eq!(
            market.map(|m| m.to_string()).as_deref(),
            Some("kraken:BTC/USD")
        );
        assert_eq!(event["type"], "alert");
    })
    .await;
    // The command goes on from there.
    let store = AlertStore::new(home.path().join("alerts"));
    let state = store.read("high").unwrap().expect("a memory");
    let fired = state.history.iter().filter(|past| past.outcome == "fired");
    assert_eq!(fired.count(), 2);
    assert!(state.outbox.is_empty(), "all of it was told");
    with(&sim, config(HIGH), Some(home.path()), 1, async |desk| {
        desk.is("high", "fired").await;
        assert!(desk.told.lock().unwrap().is_empty(), "it is still so");
    })
    .await;
}

#[tokio::test]
async fn a_rule_of_a_client_fires_under_its_name_until_it_is_deleted() {
    let (sim, home) = (exchange("67000").await, TempDir::new().unwrap());
    with(&sim, config(""), Some(home.path()), 9, async |desk| {
        let view = desk.create(new("price > 68000")).await.unwrap();
        assert_eq!((view.name.as_str(), view.origin), ("alert-1", "api"));
        assert_eq!(view.symbols, ["BTC/USD"]);
        desk.is("alert-1", "armed").await;
        print(&sim, &["69000", "67000", "69001"]);
        let wanted = owned(&[("alert-1", "69000"), ("alert-1", "69001")]);
        assert_eq!(desk.fired(2).await, wanted);
        desk.create(named("low", "price < 66000")).await.unwrap();
        desk.is("low", "armed").await;
        desk.delete("alert-1").await.unwrap();
        let names: Vec<_> = desk.list().await.into_iter().map(|v| v.name).collect();
        assert_eq!(names, ["low"]);
        print(&sim, &["67000", "69002", "65000"]);
        desk.is("low", "fired").await;
        let told = desk.fired(3).await;
        assert_eq!(told[2..], owned(&[("low", "65000")]));
        assert_eq!(desk.delete("alert-1").await.unwrap_err().code, "not_found");
    })
    .await;
    assert!(!home.path().join("alerts").exists(), "nothing is written");
}

#[tokio::test]
async fn what_a_client_asks_for_in_vain_is_told_and_makes_no_rule() {
    let sim = exchange("67000").await;
    let text = format!("{HIGH}[actions.phone]\nexec = [\"true\"]\n");
    let home = TempDir::new().unwrap();
    with(&sim, config(&text), Some(home.path()), 2, async |desk| {
        let with = |change: fn(&mut NewAlert)| {
            let mut new = new("price > 1");
            change(&mut new);
            new
        };
        for (new, status, code, message) in [
            (new("price >"), 422, "bad_expression", "column 8"),
            (new("price"), 422, "bad_expression", "not a yes/no"),
            (new("NOPE/USD.price > 1"), 422, "unknown_symbol", "NOPE"),
            (
                with(|new| new.symbol = Some("NOPE".into())),
                422,
                "unknown_symbol",
                "NOPE",
            ),
            (
                with(|new| new.symbol = Some("nowhere:BTC".into())),
                422,
                "unknown_provider",
                "nowhere",
            ),
            (
                with(|new| new.symbol = Some("x".repeat(60_000))),
                422,
                "unknown_symbol",
                "xxx",
            ),
            (
                with(|new| new.symbol = None),
                400,
                "bad_request",
                "no symbol",
            ),
            (
                with(|new| new.hysteresis = Some("much".into())),
                400,
                "bad_request",
                "hysteresis",
            ),
            (
                with(|new| new.actions = vec!["fax".into()]),
                422,
                "unknown_action",
                "fax",
            ),
            (named("a b", "price > 1"), 400, "bad_request", "name"),
            (named("", "price > 1"), 400, "bad_request", "name"),
            (
                named(&"x".repeat(65), "price > 1"),
                400,
                "bad_request",
                "name",
            ),
            (named("../x", "price > 1"), 400, "bad_request", "name"),
            (named("high", "price > 1"), 409, "conflict", "high"),
        ] {
            let shown = format!("{new:?}");
            let error = desk.create(new).await.unwrap_err();
            assert_eq!(
                (error.status.as_u16(), error.code),
                (status, code),
                "{shown}"
            );
            assert!(
                error.message.contains(message),
                "{shown}: {}",
                error.message
            );
        }
        let names: Vec<_> = desk.list().await.into_iter().map(|v| v.name).collect();
        assert_eq!(names, ["high"]);
        assert_eq!(desk.delete("high").await.unwrap_err().code, "conflict");
        let phone = with(|new| new.actions = vec!["phone".into()]);
        assert_eq!(desk.create(phone).await.unwrap().actions, ["phone"]);
        // Two of one name at once, beyond the first of which there is room for none.
        let (one, other) = tokio::join!(
            desk.create(named("twin", "price > 1")),
            desk.create(named("twin", "price > 1"))
        );
        assert_eq!(
            [&one, &other].map(|r| r.is_ok()),
            [true, false],
            "{one:?} {other:?}"
        );
        let error = desk.create(new("price > 1")).await.unwrap_err();
        assert_eq!((error.status.as_u16(), error.code), (422, "limit_reached"));
    })
    .await;
}

#[tokio::test]
async fn a_rule_that_cannot_be_set_up_is_told_and_concerns_no_other() {
    let sim = exchange("67000").await;
    let rules = r#"
        [[alert]]
        name = "unknown"
        symbols = ["NOPE"]
        condition = "price > 1"
        [[alert]]
        name = "wrong"
        symbols = ["BTC"]
        condition = "prise > 1"
    "#;
    // Without a place for memories no rule of the configuration can be watched.
    with(
        &sim,
        config(&format!("{rules}{HIGH}")),
        None,
        9,
        async |desk| {
            let wrong = desk.is("wrong", "failed").await.error.unwrap();
            assert!(wrong.contains("no field `prise`"), "{wrong}");
            let memory = desk.is("high", "failed").await.error.unwrap();
            assert!(memory.contains("memory"), "{memory}");
            desk.create(new("price > 68000")).await.unwrap();
            desk.is("alert-1", "armed").await;
            print(&sim, &["69000"]);
            assert_eq!(desk.fired(1).await, owned(&[("alert-1", "69000")]));
        },
    )
    .await;
    let home = TempDir::new().unwrap();
    with(
        &sim,
        config(&format!("{rules}{HIGH}")),
        Some(home.path()),
        9,
        async |desk| {
            let unknown = desk.is("unknown", "failed").await.error.unwrap();
            assert!(
                unknown.contains("NOPE") && !unknown.contains("unknown: "),
                "{unknown}"
            );
            desk.is("high", "fired").await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_rule_is_set_up_again_until_its_provider_answers() {
    let (sim, home) = (exchange("69000").await, TempDir::new().unwrap());
    sim.faults().rest_status = Some((503, "{}".into()));
    with(&sim, config(HIGH), Some(home.path()), 9, async |desk| {
        let why = desk.is("high", "failed").await.error.unwrap();
        assert!(why.contains("kraken"), "{why}");
        let error = desk.create(new("price > 1")).await.unwrap_err();
        assert_eq!((error.status.as_u16(), error.code), (503, "unavailable"));
        sim.faults().rest_status = None;
        assert_eq!(desk.fired(1).await, owned(&[("high", "69000")]));
    })
    .await;
}

#[tokio::test]
async fn a_reload_touches_only_what_is_different() {
    let (sim, home) = (exchange("67000").await, TempDir::new().unwrap());
    let rule = |name: &str, condition: &str| {
        format!("[[alert]]\nname = \"{name}\"\nsymbols = [\"BTC\"]\ncondition = \"{condition}\"\n")
    };
    let actions = "[actions.phone]\nexec = [\"true\"]\n";
    let before = [
        &rule("gone", "price > 1"),
        HIGH,
        &rule("moved", "price > 90000"),
        actions,
    ];
    let after = [
        &rule("new", "price < 1"),
        &rule("moved", "price > 80000"),
        HIGH,
        actions,
    ];
    with(
        &sim,
        config(&before.concat()),
        Some(home.path()),
        9,
        async |desk| {
            let phone = NewAlert {
                actions: vec!["phone".into()],
                ..new("price > 68000")
            };
            desk.create(phone).await.unwrap();
            for name in ["high", "moved", "alert-1"] {
                desk.is(name, "armed").await;
            }
            print(&sim, &["69000"]);
            // One more that holds from the start.
            desk.fired(3).await;
            desk.config.send(config(&after.concat())).unwrap();
            desk.is("new", "armed").await;
            desk.is("moved", "armed").await;
            let names: Vec<_> = desk.list().await.into_iter().map(|v| v.name).collect();
            assert_eq!(names, ["new", "moved", "high", "alert-1"]);
            // Set up anew, a client's rule would fire for what it has told already.
            print(&sim, &["69001", "81000"]);
            let told = desk.fired(4).await;
            assert_eq!(told[3..], owned(&[("moved", "81000")]));
            assert_eq!(desk.is("high", "fired").await.fired, 1);
            // Without the action it wants, a rule cannot be.
            desk.config.send(config(HIGH)).unwrap();
            let why = desk.is("alert-1", "failed").await.error.unwrap();
            assert!(why.contains("phone"), "{why}");
            let names: Vec<_> = desk.list().await.into_iter().map(|v| v.name).collect();
            assert_eq!(names, ["high", "alert-1"]);
        },
    )
    .await;
}

#[tokio::test]
async fn a_rule_of_the_configuration_takes_the_place_of_a_clients() {
    let (sim, home) = (exchange("67000").await, TempDir::new().unwrap());
    with(&sim, config(""), Some(home.path()), 9, async |desk| {
        desk.create(named("high", "price > 1")).await.unwrap();
        desk.is("high", "fired").await;
        desk.config.send(config(HIGH)).unwrap();
        let view = desk.is("high", "armed").await;
        assert_eq!(
            (view.origin, view.condition.as_str()),
            ("config", "price > 68000")
        );
        assert_eq!(desk.list().await.len(), 1);
    })
    .await;
}
