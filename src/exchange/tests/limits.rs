//! What an exchange allows, and what it forbids: kept by all processes together, and after a restart.

mod virtual_time;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::support::topics;
use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::kraken::Kraken;
use crate::exchange::{Live, LiveOptions};
use crate::feed::{Command, FeedIo, FeedStats, Provider, ProviderError};
use crate::model::{Event, Instrument, Status, StatusState};
use crate::sim::{Sim, SimConfig, Venue};

/// Longer than anything takes that works.
const WAIT: Duration = Duration::from_secs(60);
/// What is forbidden for a minute does not happen in this.
const SHORT: Duration = Duration::from_millis(300);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
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

async fn listed(live: &Live) -> Result<Vec<Instrument>, ProviderError> {
    timeout(WAIT, live.instruments()).await.unwrap()
}

fn connections(sim: &Sim) -> u64 {
    sim.counters().connections
}

fn requests(sim: &Sim) -> u64 {
    sim.counters().rest.values().sum()
}

/// Runs a feed of everything until its first status.
async fn first_status(live: Live, of: &[Arc<Instrument>]) -> Status {
    let (commands, commanded) = mpsc::channel(8);
    let (sender, mut events) = mpsc::channel(64);
    let cancel = CancellationToken::new();
    let io = FeedIo {
        commands: commanded,
        events: sender,
        cancel: cancel.clone(),
        stats: Arc::new(FeedStats::default()),
    };
    let running = tokio::spawn(Arc::new(live).run(io));
    let subscribe = Command::Subscribe(topics(of));
    commands.send(subscribe).await.unwrap();
    let status = async {
        loop {
            for event in events.recv().await.unwrap().events {
                if let Event::Status(status) = event {
                    return Status::clone(&status);
                }
            }
        }
    };
    let status = timeout(WAIT, status).await.expect("a status");
    cancel.cancel();
    timeout(WAIT, running).await.expect("ends").unwrap();
    status
}

async fn instruments(venue: Venue, sim: &Sim) -> Vec<Arc<Instrument>> {
    let mut alone = options(sim, Path::new("/"));
    alone.shared_directory = None;
    let listed = listed(&process(venue, alone)).await.unwrap();
    listed.into_iter().take(1).map(Arc::new).collect()
}

#[tokio::test]
async fn a_ban_is_kept_by_every_later_process_and_says_until_when() {
    for (status, retry_after, text) in [
        (418, Some(7_200), "HTTP 418 I'm a teapot: banned until 20"),
        (418, None, "HTTP 418 I'm a teapot: banned until 20"),
        (
            429,
            None,
            "HTTP 429 Too Many Requests: asked to be left alone until 20",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let sim = Sim::start(SimConfig::new(Venue::Binance)).await.unwrap();
        let of = instruments(Venue::Binance, &sim).await;
        sim.faults().rest_status = Some((status, "{}".into()));
        sim.faults().retry_after = retry_after;
        let live = || process(Venue::Binance, options(&sim, folder.path()));
        let error = listed(&live()).await.unwrap_err();
        assert!(error.to_string().contains(&format!("HTTP {status}")));
        let (asked, met) = (requests(&sim), connections(&sim));
        *sim.faults() = crate::sim::Faults::default();
        for _ in 0..3 {
            let error = listed(&live()).await.unwrap_err();
            assert_eq!(error.code(), "rate_limited");
            assert!(error.to_string().contains(text), "{error}");
        }
        // the socket has the same host
        let told = first_status(live(), &of).await;
        assert_eq!(told.state, StatusState::Reconnecting);
        assert!(told.reason.as_ref().unwrap().contains(text), "{told:?}");
        assert_eq!((requests(&sim), connections(&sim)), (asked, met));
    }
}

#[tokio::test]
async fn a_refused_place_is_not_asked_again_after_a_restart_unless_in_another_way() {
    for status in [403, 451] {
        let folder = tempfile::tempdir().unwrap();
        let sim = Sim::start(SimConfig::new(Venue::Coinbase)).await.unwrap();
        let of = instruments(Venue::Coinbase, &sim).await;
        sim.faults().rest_status = Some((status, "<html>".into()));
        let live = || process(Venue::Coinbase, options(&sim, folder.path()));
        assert_eq!(listed(&live()).await.unwrap_err().code(), "blocked");
        let asked = requests(&sim);
        sim.faults().rest_status = None;
        for _ in 0..3 {
            let error = listed(&live()).await.unwrap_err();
            assert_eq!(error.code(), "blocked");
            let text = error.to_string();
            assert!(text.contains(&format!("HTTP {status} ")), "{text}");
            assert!(text.contains(": not asked again before 20"), "{text}");
        }
        assert_eq!(requests(&sim), asked);
        // who goes out another way is heard at once
        let mut other = options(&sim, folder.path());
        other.headers = vec![("x-place".into(), "elsewhere".into())];
        assert!(listed(&process(Venue::Coinbase, other)).await.is_ok());
        let mut proxied = options(&sim, folder.path());
        proxied.proxies = crate::net::ProxyRules::new(Some("http://127.0.0.1:1")).unwrap();
        let error = listed(&process(Venue::Coinbase, proxied)).await;
        assert_eq!(error.unwrap_err().code(), "unreachable");
        // and that REST is refused says nothing of the socket
        let met = sim.counters().upgrades;
        sim.faults().flap = true;
        first_status(live(), &of).await;
        assert!(sim.counters().upgrades > met, "{status}");
    }
}

#[tokio::test]
async fn what_the_upgrade_was_answered_is_kept_after_a_restart() {
    for (status, retry_after, state) in [
        (429, Some(600), StatusState::Reconnecting),
        (418, None, StatusState::Reconnecting),
        (503, Some(600), StatusState::Reconnecting),
        // REST answers, and is polled.
        (403, None, StatusState::Fallback),
        (451, None, StatusState::Fallback),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let sim = Sim::start(SimConfig::new(Venue::Kraken)).await.unwrap();
        let of = instruments(Venue::Kraken, &sim).await;
        let live = || process(Venue::Kraken, options(&sim, folder.path()));
        sim.faults().handshake_status = Some(status);
        sim.faults().retry_after = retry_after;
        let told = first_status(live(), &of).await;
        assert_eq!(told.state, state, "{told:?}");
        let met = connections(&sim);
        sim.faults().handshake_status = None;
        for _ in 0..2 {
            let told = first_status(live(), &of).await;
            assert_eq!(told.state, state, "{told:?}");
            let reason = told.reason.unwrap();
            assert!(reason.contains(&format!("HTTP {status} ")), "{reason}");
        }
        // Polling has connections, but none of them is upgraded.
        let is_polled = state == StatusState::Fallback;
        assert!(is_polled || connections(&sim) == met, "{status}");
        assert_eq!(sim.counters().upgrades, 0, "{status}");
        // a pause is for REST, too; a refusal of the upgrade is not
        let answer = listed(&live()).await;
        assert_eq!(answer.is_ok(), matches!(status, 403 | 451), "{status}");
    }
}

#[tokio::test]
async fn a_wish_to_come_back_later_is_kept_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let sim = Sim::start(SimConfig::new(Venue::Kraken)).await.unwrap();
    let of = instruments(Venue::Kraken, &sim).await;
    let live = || process(Venue::Kraken, options(&sim, folder.path()));
    let cut = async {
        while sim.counters().open_sockets == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        sim.cut_all(crate::sim::Cut::Close(1013));
    };
    let (told, ()) = futures_util::future::join(first_status(live(), &of), cut).await;
    assert!(told.reason.unwrap().contains("1013"));
    let met = connections(&sim);
    let told = first_status(live(), &of).await;
    let reason = told.reason.unwrap();
    assert!(
        reason.contains("asked to be left alone until 20"),
        "{reason}"
    );
    assert_eq!(connections(&sim), met);
}

#[tokio::test]
async fn without_a_shared_folder_a_process_keeps_to_it_alone() {
    let sim = Sim::start(SimConfig::new(Venue::Binance)).await.unwrap();
    let of = instruments(Venue::Binance, &sim).await;
    let mut alone = options(&sim, Path::new("/"));
    alone.shared_directory = None;
    let live = process(Venue::Binance, alone);
    sim.faults().rest_status = Some((418, "{}".into()));
    listed(&live).await.unwrap_err();
    let met = connections(&sim);
    sim.faults().rest_status = None;
    assert_eq!(listed(&live).await.unwrap_err().code(), "rate_limited");
    let told = first_status(live, &of).await;
    assert!(told.reason.unwrap().contains("banned until"));
    assert_eq!(connections(&sim), met);
}

/// Answers every request with 200, this body and these headers; the base URL, and how many there were.
async fn scripted(headers: &'static str, body: &'static str) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            counted.fetch_add(1, Ordering::SeqCst);
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, count)
}

fn at(url: &str, directory: &Path) -> LiveOptions {
    LiveOptions {
        rest_url: Some(url.to_owned()),
        ws_url: Some("ws://127.0.0.1:1".into()),
        shared_directory: Some(directory.join("shared")),
        ..LiveOptions::default()
    }
}

#[tokio::test]
async fn what_others_spent_of_the_limit_makes_every_process_wait() {
    for (headers, waits) in [
        ("x-mbx-used-weight-1m: 4800\r\n", true),
        ("X-MBX-USED-WEIGHT-1M: 5999\r\n", true),
        ("x-mbx-used-weight-1m: 4000\r\n", false),
        ("x-mbx-used-weight-1m: many\r\n", false),
        ("", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (url, count) = scripted(headers, r#"{"symbols":[]}"#).await;
        let live = process(Venue::Binance, at(&url, folder.path()));
        listed(&live).await.unwrap();
        let later = process(Venue::Binance, at(&url, folder.path()));
        for live in [&live, &later] {
            let asked = timeout(if waits { SHORT } else { WAIT }, live.instruments()).await;
            assert_eq!(asked.is_err(), waits, "{headers}");
        }
        let expected = if waits { 1 } else { 3 };
        assert_eq!(count.load(Ordering::SeqCst), expected, "{headers}");
    }
}

#[tokio::test]
async fn kraken_s_moment_is_waited_for_by_all() {
    let folder = tempfile::tempdir().unwrap();
    // in the year 2100: three days are believed
    let body = r#"{"error":["EService: Throttled: 4102444800"]}"#;
    let (url, count) = scripted("", body).await;
    for _ in 0..2 {
        let live = process(Venue::Kraken, at(&url, folder.path()));
        let ProviderError::RateLimited { retry_after, .. } = listed(&live).await.unwrap_err()
        else {
            panic!("not limited");
        };
        assert!(retry_after > Some(secs(2 * 86_400)), "{retry_after:?}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_exchange_s_clock_is_asked_once() {
    for venue in [Venue::Binance, Venue::Coinbase, Venue::Kraken] {
        let sim = Sim::start(SimConfig::new(venue)).await.unwrap();
        sim.faults().clock_skew_ms = 5_000;
        let live = process(venue, options(&sim, tempfile::tempdir().unwrap().path()));
        let told = timeout(WAIT, live.server_time()).await.unwrap().unwrap();
        let ahead = told.time.seconds_since(told.sent_at);
        // Kraken tells whole seconds
        let least = if venue == Venue::Kraken { 4.0 } else { 4.99 };
        let most = told.received_at.seconds_since(told.sent_at) + 5.0;
        assert!((least..=most).contains(&ahead), "{venue:?} {ahead}");
        sim.faults().rest_status = Some((500, "{}".into()));
        let before = requests(&sim);
        let error = timeout(WAIT, live.server_time()).await.unwrap();
        assert_eq!(error.unwrap_err().code(), "unreachable");
        assert_eq!(requests(&sim) - before, 1, "{venue:?}");
    }
}
