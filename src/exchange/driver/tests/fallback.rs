//! Data by other means while there is no WebSocket.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use super::support::*;
use crate::exchange::driver::{ConnectionOptions, Fallback, Obstacle, Working};
use crate::feed::Topic;
use crate::model::StatusState::{self, Connected, Failed, Reconnecting};
use crate::net::ConnectError;
use crate::sim::{Cut, Venue};

const VENUE: Venue = Venue::Kraken;

/// A fallback that says what the test wants it to say.
struct Scripted {
    says: watch::Receiver<Option<Working>>,
    starts: Mutex<Vec<(Instant, usize)>>,
    running: AtomicUsize,
}

impl Scripted {
    fn saying(first: Option<Working>) -> (Arc<Self>, watch::Sender<Option<Working>>) {
        let (sender, says) = watch::channel(first);
        let scripted = Self {
            says,
            starts: Mutex::default(),
            running: AtomicUsize::new(0),
        };
        (Arc::new(scripted), sender)
    }

    fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    fn starts(&self) -> usize {
        self.starts.lock().unwrap().len()
    }
}

struct Running(Arc<Scripted>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Fallback for Scripted {
    fn run(
        self: Arc<Self>,
        topics: Vec<Topic>,
        working: watch::Sender<Option<Working>>,
    ) -> BoxFuture<'static, ()> {
        self.starts
            .lock()
            .unwrap()
            .push((Instant::now(), topics.len()));
        self.running.fetch_add(1, Ordering::Relaxed);
        let mut says = self.says.clone();
        let running = Running(self);
        Box::pin(async move {
            let _running = running;
            loop {
                let said = says.borrow_and_update().clone();
                if said.is_some() {
                    let _ = working.send(said);
                }
                if says.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        })
    }
}

fn start(dial: &PipeDial, fallback: &Arc<Scripted>, bases: &[&str]) -> Feed {
    let tune = |options: &mut ConnectionOptions| options.fallback = Some(fallback.clone());
    Feed::tuned(VENUE, dial, trades(VENUE, bases), 64, tune)
}

fn works() -> Option<Working> {
    Some(Ok(()))
}

fn obstacle(is_final: bool) -> Option<Working> {
    let why = "no answer".into();
    Some(Err(Obstacle { why, is_final }))
}

fn fails() -> Option<Working> {
    obstacle(true)
}

fn refusing() -> PipeDial {
    PipeDial::new(|_| {
        let host = "exchange.test:443".into();
        Some(Err(ConnectError::Refused { host }))
    })
}

#[tokio::test(start_paused = true)]
async fn a_refused_upgrade_is_no_end_where_rest_answers() {
    let sim = sim(VENUE);
    sim.faults().handshake_status = Some(403);
    let dial = PipeDial::to(&sim);
    let (fallback, _says) = Scripted::saying(works());
    let mut feed = start(&dial, &fallback, &["BTC"]);
    let reason = feed.expect(StatusState::Fallback, 0).await;
    assert!(reason.contains("HTTP 403"), "{reason}");
    // tried again every five minutes, without a word
    assert_eq!(feed.states(secs(3_599)).await, []);
    assert_eq!(dial.times().len(), 12);
    assert!(fallback.is_running());
    sim.faults().handshake_status = None;
    feed.expect(Connected, 0).await;
    assert!(!fallback.is_running());
    assert_eq!(fallback.starts(), 1);
    feed.expect_trades(&sim.trade("BTC/USD", 1)).await;
}

#[tokio::test(start_paused = true)]
async fn where_neither_works_at_the_beginning_it_is_the_end() {
    for is_final in [true, false] {
        let sim = sim(VENUE);
        sim.faults().handshake_status = Some(451);
        let dial = PipeDial::to(&sim);
        let (fallback, says) = Scripted::saying(None);
        let mut feed = start(&dial, &fallback, &["BTC"]);
        assert_eq!(feed.states(secs(20)).await, []);
        says.send(obstacle(is_final)).unwrap();
        let reason = feed.expect(Failed, 1).await;
        assert!(reason.contains("HTTP 451"), "{reason}");
        assert!(!fallback.is_running());
        assert_eq!(feed.states(secs(3_600)).await, []);
        assert_eq!(dial.times().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_rest_could_not_while_the_exchange_was_away_does_not_count_at_a_refusal() {
    let sim = sim(VENUE);
    sim.faults().handshake_status = Some(503);
    let dial = PipeDial::to(&sim);
    let (fallback, says) = Scripted::saying(fails());
    let mut feed = start(&dial, &fallback, &["BTC"]);
    feed.during(secs(30)).await;
    assert!(fallback.is_running());
    sim.faults().handshake_status = Some(403);
    says.send(works()).unwrap();
    let told = feed.states(secs(60)).await;
    assert!(!told.contains(&Failed), "{told:?}");
    assert!(fallback.is_running());
}

#[tokio::test(start_paused = true)]
async fn a_refused_upgrade_is_no_end_of_what_worked_where_rest_may_answer_later() {
    let sim = sim(VENUE);
    let dial = PipeDial::to(&sim);
    let (fallback, says) = Scripted::saying(obstacle(false));
    let mut feed = start(&dial, &fallback, &["BTC"]);
    feed.during(secs(3)).await;
    sim.faults().handshake_status = Some(451);
    sim.cut_all(Cut::Reset);
    feed.expect(Reconnecting, 1).await;
    let reason = feed.expect(Reconnecting, 1).await;
    assert!(reason.contains("HTTP 451"), "{reason}");
    assert!(reason.ends_with("over REST: no answer"), "{reason}");
    assert_eq!(feed.states(secs(200)).await, []);
    says.send(works()).unwrap();
    let told = feed.states(secs(10)).await;
    assert_eq!(told, [StatusState::Fallback]);
}

#[tokio::test(start_paused = true)]
async fn without_a_line_for_two_seconds_and_two_attempts_rest_is_polled() {
    let dial = refusing();
    let (fallback, says) = Scripted::saying(None);
    let mut feed = start(&dial, &fallback, &["BTC"]);
    feed.expect(Reconnecting, 1).await;
    feed.expect(Reconnecting, 2).await;
    assert!(!fallback.is_running());
    let states = feed.states(secs(2) - feed.started.elapsed()).await;
    assert!(states.iter().all(|state| *state == Reconnecting));
    assert!(!fallback.is_running());
    // until it is known to work, attempts are told as ever
    assert_eq!(feed.status().await.state, Reconnecting);
    let (at, _) = fallback.starts.lock().unwrap()[0];
    assert_eq!(at - feed.started, secs(2));
    feed.during(secs(0)).await;
    says.send(works()).unwrap();
    let told = feed.status().await;
    assert_eq!(told.state, StatusState::Fallback);
    let why = "exchange.test:443: connection refused";
    assert_eq!(told.reason.as_deref(), Some(why));
    let before = dial.times().len();
    assert_eq!(feed.states(secs(600)).await, []);
    assert!(dial.times().len() > before + 10);
    says.send(fails()).unwrap();
    let told = feed.status().await;
    assert_eq!(told.state, Reconnecting);
    let why = format!("{why}, and over REST: no answer");
    assert_eq!(told.reason.as_deref(), Some(why.as_str()));
    says.send(works()).unwrap();
    while feed.status().await.state != StatusState::Fallback {}
    assert_eq!(feed.states(secs(600)).await, []);
    assert_eq!(fallback.starts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_only_opens_is_no_line() {
    for venue in VENUES {
        let sim = sim(venue);
        sim.faults().flap = true;
        let (fallback, _says) = Scripted::saying(works());
        let topics = trades(venue, &["BTC"]);
        let mut feed = Feed::tuned(venue, &PipeDial::to(&sim), topics, 64, |options| {
            options.fallback = Some(fallback.clone());
        });
        while feed.status().await.state != StatusState::Fallback {}
        assert!(feed.started.elapsed() < secs(10), "{venue:?}");
        assert_eq!(feed.states(secs(600)).await, [], "{venue:?}");
        sim.faults().flap = false;
        while feed.status().await.state != Connected {}
        assert!(!fallback.is_running());
    }
}

#[tokio::test(start_paused = true)]
async fn polling_follows_what_is_wanted() {
    let sim = sim(VENUE);
    sim.faults().handshake_status = Some(403);
    let (fallback, _says) = Scripted::saying(works());
    let mut feed = start(&PipeDial::to(&sim), &fallback, &["BTC"]);
    feed.expect(StatusState::Fallback, 0).await;
    feed.subscribe(trades(VENUE, &["ETH"]));
    // told to those that are new
    feed.expect(StatusState::Fallback, 0).await;
    feed.unsubscribe(trades(VENUE, &["BTC"]));
    assert_eq!(feed.states(secs(60)).await, []);
    let topics = |fallback: &Scripted| -> Vec<usize> {
        let starts = fallback.starts.lock().unwrap();
        starts.iter().map(|(_, topics)| *topics).collect()
    };
    assert_eq!(topics(&fallback), [1, 2, 1]);
    assert_eq!(fallback.running.load(Ordering::Relaxed), 1);
    feed.unsubscribe(trades(VENUE, &["ETH"]));
    assert_eq!(feed.states(secs(600)).await, []);
    assert!(!fallback.is_running());
}

#[tokio::test(start_paused = true)]
async fn spent_attempts_are_no_end_either() {
    let dial = refusing();
    let (fallback, _says) = Scripted::saying(works());
    let mut feed = Feed::tuned(VENUE, &dial, trades(VENUE, &["BTC"]), 64, |options| {
        options.fallback = Some(fallback.clone());
        options.attempts = 1;
    });
    feed.expect(Reconnecting, 1).await;
    feed.expect(StatusState::Fallback, 1).await;
    assert_eq!(feed.states(secs(1_000)).await, []);
    assert_eq!(dial.times().len(), 2 + 3);
}
