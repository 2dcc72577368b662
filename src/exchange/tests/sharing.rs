//! Many at once, each like a process of its own, with one folder and one exchange.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::kraken::Kraken;
use crate::exchange::{Live, LiveOptions};
use crate::feed::{Provider, ProviderError};
use crate::model::{Instrument, Market, SystemClock, Ticker};
use crate::sim::{Listing, Sim, SimConfig, Venue};
use crate::store::shared::{Permit, Shared};

/// Longer than anything takes that works.
const WAIT: Duration = Duration::from_secs(60);
const TICKERS: [(Venue, &str); 2] = [
    (Venue::Kraken, "/0/public/Ticker"),
    (Venue::Binance, "/api/v3/ticker/24hr"),
];

/// Ten pairs whose prices tell them apart.
async fn start(venue: Venue) -> Sim {
    let mut config = SimConfig::new(venue);
    let prices = [
        "10.00", "20.00", "30.00", "40.00", "50.00", "60.00", "70.00", "80.00", "90.00", "100.00",
    ];
    let listing = |(n, price)| Listing::new(&format!("C{n}X"), "USD", price, 2, 4);
    config.listings = prices.into_iter().enumerate().map(listing).collect();
    config.history = 5;
    Sim::start(config).await.unwrap()
}

fn options(sim: &Sim, directory: &Path) -> LiveOptions {
    LiveOptions {
        rest_url: Some(sim.rest_url()),
        ws_url: Some(sim.ws_url()),
        shared_directory: Some(directory.join("shared")),
        ..LiveOptions::default()
    }
}

fn process(venue: Venue, options: LiveOptions) -> Live {
    match venue {
        Venue::Binance => Live::new(Binance, options),
        Venue::Coinbase => Live::new(Coinbase, options),
        Venue::Kraken => Live::new(Kraken, options),
    }
    .unwrap()
}

/// What is listed, asked for without any sharing.
async fn listed(venue: Venue, sim: &Sim) -> Vec<Arc<Instrument>> {
    let mut options = options(sim, Path::new("/"));
    options.shared_directory = None;
    let listed = process(venue, options).instruments().await.unwrap();
    listed.into_iter().map(Arc::new).collect()
}

fn requests(sim: &Sim, path: &str) -> u64 {
    sim.counters().rest.get(path).copied().unwrap_or(0)
}

async fn ticker(live: &Live, of: &Arc<Instrument>) -> Result<Ticker, ProviderError> {
    let mut answers = live.tickers(vec![of.clone()]);
    let (instrument, answer) = timeout(WAIT, answers.next()).await.unwrap().unwrap();
    assert_eq!(instrument.market, of.market);
    answer
}

fn price(sim: &Sim, of: &Instrument) -> String {
    sim.ledger(of.market.symbol()).pop().unwrap().price
}

fn is_price(ticker: &Ticker, price: &str) -> bool {
    ticker.price == Some(price.parse().unwrap())
}

#[tokio::test]
async fn fifty_checks_over_ten_symbols_need_a_handful_of_requests() {
    for (venue, path) in TICKERS {
        let folder = tempfile::tempdir().unwrap();
        let sim = start(venue).await;
        let listed = listed(venue, &sim).await;
        let started = Instant::now();
        let mut checks = JoinSet::new();
        for n in 0..50 {
            let live = process(venue, options(&sim, folder.path()));
            let (of, sim) = (listed[n % 10].clone(), sim.clone());
            checks.spawn(async move {
                sleep(Duration::from_millis(20) * n as u32).await;
                let answer = ticker(&live, &of).await.unwrap();
                assert!(is_price(&answer, &price(&sim, &of)), "{}", of.market);
            });
        }
        timeout(WAIT, checks.join_all())
            .await
            .expect("all answered");
        let seconds = started.elapsed().as_secs();
        if venue == Venue::Kraken {
            // three at once, and one a second
            let asked = requests(&sim, path);
            assert!(asked <= 4 + seconds, "{asked} in {seconds} s");
        }
        assert_eq!(sim.counters().rule_violations, [""; 0]);
    }
}

#[tokio::test]
async fn those_that_ask_together_share_two_requests() {
    for (venue, path) in TICKERS {
        let folder = tempfile::tempdir().unwrap();
        let sim = start(venue).await;
        let listed = listed(venue, &sim).await;
        sim.faults().rest_delay = Some(Duration::from_millis(200));
        let processes: Vec<_> = (0..20)
            .map(|_| process(venue, options(&sim, folder.path())))
            .collect();
        let checks = processes.iter().zip(listed.iter().cycle());
        let answers = join_all(checks.map(|(live, of)| ticker(live, of))).await;
        assert!(answers.iter().all(Result::is_ok), "{venue:?} {answers:?}");
        // the first asks before the others want anything, the second for all of them
        assert_eq!(requests(&sim, path), 2, "{venue:?}");
    }
}

#[tokio::test]
async fn an_answer_is_never_older_than_the_question() {
    for (venue, _) in TICKERS {
        let folder = tempfile::tempdir().unwrap();
        let sim = start(venue).await;
        let listed = listed(venue, &sim).await;
        let one = process(venue, options(&sim, folder.path()));
        let other = process(venue, options(&sim, folder.path()));
        for live in [&one, &other, &one, &other] {
            let expected = sim.trade(listed[0].market.symbol(), 1).remove(0).price;
            let answer = ticker(live, &listed[0]).await.unwrap();
            assert!(is_price(&answer, &expected), "{venue:?} {answer:?}");
        }
    }
}

#[tokio::test]
async fn lists_single_products_and_newest_trades_are_shared_too() {
    for (venue, asked) in [
        (Venue::Coinbase, "/products/C0X-USD/ticker"),
        (Venue::Coinbase, "/products/C0X-USD/trades"),
        (Venue::Coinbase, "/products"),
        (Venue::Binance, "/api/v3/trades"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let sim = start(venue).await;
        let of = listed(venue, &sim).await.remove(0);
        let before = requests(&sim, asked);
        sim.faults().rest_delay = Some(Duration::from_millis(200));
        let processes: Vec<_> = (0..10)
            .map(|_| process(venue, options(&sim, folder.path())))
            .collect();
        join_all(processes.iter().map(async |live| match asked {
            "/products" => assert_eq!(live.instruments().await.unwrap().len(), 10),
            path if path.ends_with("trades") => {
                assert_eq!(live.trades(&of, 3).await.unwrap().len(), 3);
            }
            _ => assert!(ticker(live, &of).await.is_ok()),
        }))
        .await;
        assert_eq!(requests(&sim, asked) - before, 2, "{asked}");
    }
}

#[tokio::test]
async fn somebody_else_s_bad_symbol_costs_nobody_an_answer() {
    for (venue, _) in TICKERS {
        let folder = tempfile::tempdir().unwrap();
        let sim = start(venue).await;
        let mut listed = listed(venue, &sim).await;
        let mut stranger = Instrument::clone(&listed[0]);
        stranger.market = Market::new(stranger.market.exchange(), "NOSUCH", "USD");
        stranger.native = "NOSUCHUSD".into();
        (stranger.ws, stranger.aliases) = ("NOSUCH/USD".into(), Vec::new());
        listed.truncate(3);
        listed.insert(2, Arc::new(stranger));
        let processes: Vec<_> = (0..4)
            .map(|_| process(venue, options(&sim, folder.path())))
            .collect();
        let checks = processes.iter().zip(&listed);
        let answers = join_all(checks.map(|(live, of)| ticker(live, of))).await;
        for (of, answer) in listed.iter().zip(answers) {
            if of.market.base() == "NOSUCH" {
                let error = answer.unwrap_err();
                assert!(matches!(error, ProviderError::Refused(_)), "{error:?}");
            } else {
                assert!(is_price(&answer.unwrap(), &price(&sim, of)), "{venue:?}");
            }
        }
        // and of one that asks for several only the bad one fails
        let live = process(venue, options(&sim, folder.path()));
        let answers: BTreeMap<_, _> = live
            .tickers(listed.clone())
            .map(|(of, answer)| (of.market.base(), answer.is_ok()))
            .collect()
            .await;
        let good = answers.values().filter(|is_good| **is_good).count();
        assert_eq!((answers.len(), good, answers["NOSUCH"]), (4, 3, false));
    }
}

#[tokio::test]
async fn a_failure_is_not_shared_and_the_others_still_get_their_answer() {
    let folder = tempfile::tempdir().unwrap();
    let sim = start(Venue::Binance).await;
    let listed = listed(Venue::Binance, &sim).await;
    sim.faults().rest_status = Some((500, "{}".into()));
    let processes: Vec<_> = (0..6)
        .map(|_| process(Venue::Binance, options(&sim, folder.path())))
        .collect();
    let checks = processes.iter().zip(&listed);
    let answers = join_all(checks.map(|(live, of)| ticker(live, of)));
    let mended = async {
        while requests(&sim, "/api/v3/ticker/24hr") == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        sim.faults().rest_status = None;
    };
    let (answers, ()) = futures_util::future::join(answers, mended).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn a_pause_that_one_was_told_of_is_kept_by_all_and_by_those_that_come_later() {
    let is_limited = |error: &ProviderError| matches!(error, ProviderError::RateLimited { retry_after: Some(left), .. } if *left > Duration::from_secs(5));
    for (venue, status, body) in [
        (Venue::Binance, 429, "{}"),
        (
            Venue::Kraken,
            200,
            r#"{"error":["EAPI:Rate limit exceeded"]}"#,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let sim = start(venue).await;
        let of = listed(venue, &sim).await.remove(0);
        let before: u64 = sim.counters().rest.values().sum();
        sim.faults().rest_status = Some((status, body.into()));
        sim.faults().retry_after = Some(600);
        for _ in 0..3 {
            let live = process(venue, options(&sim, folder.path()));
            let error = ticker(&live, &of).await.unwrap_err();
            assert!(is_limited(&error), "{error:?}");
            let error = live.instruments().await.unwrap_err();
            assert!(is_limited(&error), "{error:?}");
        }
        let asked = sim.counters().rest.values().sum::<u64>() - before;
        assert_eq!(asked, 1, "{venue:?}");
    }
}

#[tokio::test]
async fn two_exchanges_in_one_folder_have_nothing_in_common() {
    let folder = tempfile::tempdir().unwrap();
    let sims = [start(Venue::Kraken).await, start(Venue::Kraken).await];
    let of = listed(Venue::Kraken, &sims[0]).await.remove(0);
    sims[1].trade(of.market.symbol(), 50);
    assert_ne!(price(&sims[0], &of), price(&sims[1], &of));
    let lives = sims
        .each_ref()
        .map(|sim| process(Venue::Kraken, options(sim, folder.path())));
    for _ in 0..3 {
        let answers = join_all(lives.iter().map(|live| ticker(live, &of))).await;
        for (sim, answer) in sims.iter().zip(answers) {
            assert!(is_price(&answer.unwrap(), &price(sim, &of)));
        }
    }
    // nor have two that ask with different keys
    let mut keyed = options(&sims[0], folder.path());
    keyed.params = vec![("key".into(), "1".into())];
    let keyed = process(Venue::Kraken, keyed);
    sims[0].faults().rest_delay = Some(Duration::from_millis(100));
    let before = requests(&sims[0], "/0/public/Ticker");
    let answers = join_all([&keyed, &lives[0]].map(|live| ticker(live, &of))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(requests(&sims[0], "/0/public/Ticker") - before, 2);
}

#[tokio::test]
async fn without_a_usable_folder_everybody_asks_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shared"), "a file").unwrap();
    for venue in [Venue::Binance, Venue::Coinbase, Venue::Kraken] {
        let sim = start(venue).await;
        let live = process(venue, options(&sim, folder.path()));
        let listed = live.instruments().await.unwrap();
        let of = Arc::new(listed[0].clone());
        assert!(ticker(&live, &of).await.is_ok(), "{venue:?}");
    }
}

#[tokio::test]
async fn an_exchange_that_cannot_be_reached_makes_nobody_wait() {
    let folder = tempfile::tempdir().unwrap();
    let sim = start(Venue::Kraken).await;
    let of = listed(Venue::Kraken, &sim).await.remove(0);
    sim.stop_listening().await;
    let processes: Vec<_> = (0..8)
        .map(|_| process(Venue::Kraken, options(&sim, folder.path())))
        .collect();
    for answer in join_all(processes.iter().map(|live| ticker(live, &of))).await {
        assert_eq!(answer.unwrap_err().code(), "unreachable");
    }
    // nothing of the budget is gone
    let shared = Shared::new(folder.path().join("shared"), Arc::new(SystemClock));
    let host = sim.rest_url().replace("http://", "");
    let budget = shared.budget(&host, Duration::from_secs(1), 3);
    assert_eq!(budget.take(3).await, Permit::Granted);
    budget.give_back(3).await;
    sim.resume_listening().await.unwrap();
    sim.faults().rest_delay = Some(Duration::from_millis(100));
    let answers = join_all(processes.iter().map(|live| ticker(live, &of))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(requests(&sim, "/0/public/Ticker"), 2);
}

#[tokio::test]
async fn no_secret_is_written_down() {
    const SECRET: &str = "hush-hush";
    for venue in [Venue::Binance, Venue::Coinbase, Venue::Kraken] {
        let folder = tempfile::tempdir().unwrap();
        let sim = start(venue).await;
        let mut options = options(&sim, folder.path());
        options.rest_url = Some(sim.rest_url().replace("://", &format!("://user:{SECRET}@")));
        options.headers = vec![("x-key".into(), SECRET.into())];
        options.params = vec![("key".into(), SECRET.into())];
        let live = process(venue, options);
        let of = Arc::new(live.instruments().await.unwrap().remove(0));
        ticker(&live, &of).await.unwrap();
        let shared = folder.path().join("shared");
        let files: Vec<_> = std::fs::read_dir(shared).unwrap().collect();
        assert!(files.len() >= 3, "{venue:?}: {files:?}");
        for file in files {
            let path = file.unwrap().path();
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            let all = format!("{} {text}", path.file_name().unwrap().display());
            assert!(!all.contains(SECRET) && !all.contains("127.0.0.1"), "{all}");
        }
    }
}
