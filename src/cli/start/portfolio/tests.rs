//! The portfolio of a server, over the mock and in virtual time.

use std::sync::Mutex;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::cli::notices::Notices;
use crate::cli::stand_ins::StandIns;
use crate::exchange::mock::Mock;

/// A keeper at work, with what it has published.
struct Desk {
    requests: mpsc::Sender<PortfolioRequest>,
    settings: watch::Sender<PortfolioSettings>,
    published: Arc<Mutex<Vec<String>>>,
    engine: Engine,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), EngineError>>,
}

fn settings(quote: Option<&str>, holdings: &[(&str, &str)]) -> PortfolioSettings {
    let holding = |(asset, amount): &(&str, &str)| {
        let amount = parse_decimal(amount).unwrap();
        ((*asset).to_owned(), Holding { amount, cost: None })
    };
    PortfolioSettings {
        quote: quote.map(str::to_owned),
        holdings: holdings.iter().map(holding).collect(),
    }
}

fn desk(config: PortfolioSettings) -> Desk {
    let engine = Engine::builder().provider(Mock::default()).build();
    let notices = Notices {
        json: false,
        quiet: true,
    };
    let source = Source {
        stand_ins: StandIns::of_names(engine.clone(), notices, Vec::new()),
        engine: engine.clone(),
        provider: "mock".into(),
        max_age: None,
    };
    let (requests, received) = mpsc::channel(8);
    let (settings, watched) = watch::channel(config);
    let cancel = CancellationToken::new();
    let published = Arc::new(Mutex::new(Vec::new()));
    let told = published.clone();
    let publish = move |json| told.lock().unwrap().push(json);
    let task = tokio::spawn(run(
        source,
        watched,
        received,
        REFRESH,
        publish,
        cancel.clone(),
    ));
    Desk {
        requests,
        settings,
        published,
        engine,
        cancel,
        task,
    }
}

impl Desk {
    async fn put(
        &self,
        quote: Option<&str>,
        holdings: &[(&str, &str)],
    ) -> Result<String, ApiError> {
        let (reply, answer) = oneshot::channel();
        let owned =
            |(asset, amount): &(&str, &str)| ((*asset).to_owned(), (*amount).to_owned(), None);
        let new = NewPortfolio {
            quote: quote.map(str::to_owned),
            holdings: holdings.iter().map(owned).collect(),
        };
        self.ask(PortfolioRequest::Put(new, reply)).await;
        answer.await.unwrap().map(|json| json.get().to_owned())
    }

    async fn get(&self) -> String {
        let (reply, answer) = oneshot::channel();
        self.ask(PortfolioRequest::Get(reply)).await;
        answer.await.unwrap().unwrap().get().to_owned()
    }

    async fn ask(&self, request: PortfolioRequest) {
        assert!(self.requests.send(request).await.is_ok(), "the keeper runs");
    }

    fn published(&self) -> Vec<String> {
        self.published.lock().unwrap().clone()
    }

    async fn end(self) {
        self.cancel.cancel();
        self.task.await.unwrap().unwrap();
        self.engine.shutdown().await;
    }
}

fn member<'a>(json: &'a str, name: &str) -> &'a str {
    let from = json.find(&format!("\"{name}\":")).expect("it is there") + name.len() + 3;
    let rest = &json[from..];
    &rest[..rest.find([',', '}']).unwrap()]
}

#[tokio::test(start_paused = true)]
async fn a_value_is_told_when_it_changes_and_once_every_refresh_at_most() {
    let desk = desk(settings(None, &[("BTC", "2.0"), ("USD", "100")]));
    tokio::time::sleep(REFRESH * 10).await;
    let told = desk.published();
    // The mock moves ten times a second.
    assert!((5..=11).contains(&told.len()), "{}", told.len());
    assert!(told.windows(2).all(|pair| pair[0] != pair[1]));
    for json in &told {
        assert_eq!(
            (member(json, "quote"), member(json, "partial")),
            ("\"USD\"", "false")
        );
        assert_ne!(member(json, "total_value"), "null");
    }
    desk.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_change_is_told_once() {
    let desk = desk(settings(None, &[("USD", "100.50")]));
    tokio::time::sleep(REFRESH * 10).await;
    let told = desk.published();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(member(&told[0], "total_value"), "100.50");
    desk.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_puts_other_holdings_and_is_answered_with_their_value() {
    let desk = desk(settings(None, &[("BTC", "1")]));
    let answer = desk
        .put(None, &[("eth", "10.50"), ("NOSUCH", "5")])
        .await
        .unwrap();
    assert_eq!(member(&answer, "partial"), "true");
    assert!(
        answer.contains(r#""symbol":"ETH","amount":10.50,"pair":"ETH/USD""#),
        "{answer}"
    );
    assert!(
        answer.contains(r#""symbol":"NOSUCH","amount":5,"pair":null"#),
        "{answer}"
    );
    assert!(
        answer.contains(r#""unpriced":"no_pair""#) && !answer.contains("no_price"),
        "{answer}"
    );
    assert_ne!(member(&answer, "total_value"), "null");
    assert!(!desk.get().await.contains("\"BTC\""));
    desk.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_quote_can_be_another_asset_and_stays_where_none_is_named() {
    let desk = desk(settings(None, &[("BTC", "1")]));
    let answer = desk.put(Some("btc"), &[("ETH", "10")]).await.unwrap();
    assert!(
        answer.contains(r#""pair":"ETH/USD","via":"USD""#),
        "{answer}"
    );
    let answer = desk.put(None, &[("USD", "100")]).await.unwrap();
    assert_eq!(member(&answer, "quote"), "\"BTC\"");
    desk.end().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_can_be_held_too() {
    let desk = desk(settings(None, &[]));
    assert_eq!(member(&desk.get().await, "total_value"), "0");
    desk.put(None, &[("BTC", "1")]).await.unwrap();
    let answer = desk.put(None, &[]).await.unwrap();
    assert!(
        answer.ends_with(r#""partial":false,"holdings":[]}"#),
        "{answer}"
    );
    // What is not wanted any more is left after a while, and can be had again.
    tokio::time::sleep(LINGER * 2).await;
    let before = desk.engine.stats().published;
    tokio::time::sleep(REFRESH * 5).await;
    assert_eq!(desk.engine.stats().published, before);
    let answer = desk.put(None, &[("BTC", "1")]).await.unwrap();
    assert_eq!(member(&answer, "partial"), "false");
    desk.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_held_is_refused_and_changes_nothing() {
    let desk = desk(settings(None, &[("BTC", "1")]));
    let long = "A".repeat(MOST_LETTERS + 1);
    let long_shown = format!("`{long}` is not an asset such as `BTC`");
    for (holding, why) in [
        (("B/C", "1"), "`B/C` is not an asset such as `BTC`"),
        (("", "1"), "`` is not an asset such as `BTC`"),
        (("é\u{1b}", "1"), "`é\\u{1b}` is not an asset such as `BTC`"),
        ((long.as_str(), "1"), long_shown.as_str()),
        (("BTC", "-1"), "the amount of BTC, `-1`: it is negative"),
        (("BTC", "0.00"), "the amount of BTC is 0: leave it out"),
        (
            ("BTC", "NaN"),
            "the amount of BTC, `NaN`: not a decimal number",
        ),
        (
            ("BTC", "1e400"),
            "the amount of BTC, `1e400`: too many digits to be held exactly",
        ),
    ] {
        let error = desk.put(None, &[("ETH", "5"), holding]).await.unwrap_err();
        assert_eq!((error.status.as_u16(), error.code), (422, "bad_holding"));
        assert_eq!(error.message, why);
    }
    let error = desk
        .put(None, &[("BTC", "1"), ("btc", "1")])
        .await
        .unwrap_err();
    assert_eq!(error.message, "BTC is there twice");
    let error = desk.put(Some("US D"), &[]).await.unwrap_err();
    assert_eq!(error.code, "bad_holding");
    let names: Vec<String> = (0..=MOST_HOLDINGS).map(|n| format!("A{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert!(desk.put(None, &many).await.is_err());
    assert!(desk.get().await.contains("\"BTC\""));
    desk.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_configuration_replaces_what_a_client_has_put_and_an_equal_one_does_not() {
    let config = settings(None, &[("BTC", "1")]);
    let desk = desk(config.clone());
    desk.put(None, &[("ETH", "1")]).await.unwrap();
    desk.settings.send(config).unwrap();
    tokio::time::sleep(REFRESH).await;
    assert!(desk.get().await.contains("\"ETH\""));
    desk.settings.send(settings(None, &[("SOL", "1")])).unwrap();
    tokio::time::sleep(REFRESH * 5).await;
    assert!(desk.published().last().unwrap().contains("\"SOL/USD\""));
    desk.end().await;
}
