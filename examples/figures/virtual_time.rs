//! What takes hours, or hundreds of tries: in virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tickwire::engine::{Request, Subscription};
use tickwire::exchange::LiveOptions;
use tickwire::feed::{Provider, ProviderError};
use tickwire::model::{Event, Origin, StatusState, Stream};
use tickwire::net::{AnyDial, BoxStream, ConnectError, Dial};
use tickwire::sim::{Cut, Proxy, Sim, SimConfig, SimDial, Venue};
use tokio::time::{Instant, sleep};

use super::stage::{START_NS, VENUES, listings, live, paused, piped, piped_engine, quote};
use super::{Figure, broken, play};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn sim(venue: Venue, seed: u64) -> Sim {
    Sim::new(SimConfig {
        seed,
        start_ns: Some(START_NS),
        ..SimConfig::new(venue)
    })
}

/// A4: one symbol of 200 falls silent; and 50 symbols with nothing to tell for a day.
pub fn stall(cases: u64) -> Figure {
    let all: Vec<Stall> = (0..cases)
        .map(|case| paused(case, one_stall(case)))
        .collect();
    let worst = |of: fn(&Stall) -> Option<Duration>| {
        let seconds = all.iter().filter_map(of).map(|after| after.as_secs_f64());
        seconds.fold(0.0, f64::max)
    };
    let count = |of: fn(&Stall) -> u64| all.iter().map(of).sum::<u64>();
    let cured = count(|stall| u64::from(stall.cured.is_some()));
    let (lost, others, lines) = (
        count(|stall| stall.missing),
        count(|stall| stall.others_touched),
        count(|stall| stall.lines_lost),
    );
    let restarts = paused(0, quiet_day());
    Figure {
        measured: json!({
            "cases": cases, "cured": cured, "worst_found_s": worst(|stall| stall.found),
            "worst_cured_s": worst(|stall| stall.cured), "trades_missing": lost, "others_touched": others,
            "lines_lost": lines, "false_restarts_in_24_h": restarts,
        }),
        limit: "every one cured with every trade, no other symbol or line touched for it, no false restart",
        pass: cured == cases && lost + others + lines + restarts == 0,
    }
}

/// What became of a symbol that fell silent, and of the others.
#[derive(Default)]
struct Stall {
    /// Until it was told.
    found: Option<Duration>,
    /// Until its trades came again.
    cured: Option<Duration>,
    /// Its trades that stay missing.
    missing: u64,
    /// States and holes that were told of others, and subscriptions beyond its own.
    others_touched: u64,
    lines_lost: u64,
}

async fn one_stall(case: u64) -> Stall {
    const SYMBOLS: usize = 200;
    let venue = VENUES[(case % 3) as usize];
    let sim = Sim::new(SimConfig {
        seed: case,
        start_ns: Some(START_NS),
        listings: listings(venue, SYMBOLS),
        history: 5,
        ..SimConfig::new(venue)
    });
    let engine = piped_engine(venue, piped(&sim, &Proxy::new(case)));
    let symbols: Vec<_> = (0..SYMBOLS)
        .map(|n| format!("T{n:03}/{}", quote(venue)))
        .collect();
    let request = Request::new(symbols.clone()).streams([Stream::Trades]);
    let mut events = engine.subscribe(request).await.expect("a list of symbols");
    let stalled = &symbols[fastrand::usize(0..SYMBOLS)];
    let (mut stall, mut since, mut asked) = (Stall::default(), Instant::now(), 0);
    for second in 0..600 {
        if second == 120 {
            sim.faults().stall_symbols.insert(stalled.clone());
            drain(&mut events);
            (since, asked) = (Instant::now(), sim.counters().subscribes);
        }
        for symbol in &symbols {
            sim.trade(symbol, 1);
        }
        sleep(seconds(1)).await;
        for event in drain(&mut events) {
            let is_it = event.market().is_some_and(|m| m.symbol() == stalled);
            match event {
                Event::Trade(trade) if second > 121 && is_it && trade.origin == Origin::Stream => {
                    stall.cured.get_or_insert(since.elapsed());
                }
                Event::Status(status) if is_it && status.state == StatusState::Stale => {
                    stall.found.get_or_insert(since.elapsed());
                }
                Event::Gap(gap) if is_it => {
                    stall.missing += gap.missing.unwrap_or(1).saturating_sub(gap.recovered);
                }
                Event::Gap(_) | Event::Status(_) if !is_it => stall.others_touched += 1,
                _ => {}
            }
        }
        // a while longer, for what else it may have broken
        let is_over = |cured: Duration| since.elapsed() > cured + seconds(60);
        if second > 121 && stall.cured.is_some_and(is_over) {
            break;
        }
    }
    stall.others_touched += (sim.counters().subscribes - asked).saturating_sub(1);
    stall.lines_lost = engine.stats().disconnects;
    stall
}

fn drain(events: &mut Subscription) -> Vec<Event> {
    let (mut all, mut batch) = (Vec::new(), Vec::new());
    while events.try_next_batch(&mut batch) == Ok(true) {
        all.append(&mut batch);
    }
    all
}

/// Subscriptions and connections beyond the first in a day without a trade.
async fn quiet_day() -> u64 {
    let venue = Venue::Kraken;
    let sim = Sim::new(SimConfig {
        start_ns: Some(START_NS),
        listings: listings(venue, 50),
        history: 5,
        ..SimConfig::new(venue)
    });
    let engine = piped_engine(venue, piped(&sim, &Proxy::new(1)));
    let symbols = (0..50).map(|n| format!("T{n:03}/USD"));
    let request = Request::new(symbols).streams([Stream::Trades]);
    let _events = engine.subscribe(request).await.expect("a list of symbols");
    sleep(seconds(60)).await;
    let before = sim.counters();
    sleep(seconds(24 * 3_600)).await;
    let after = sim.counters();
    (after.subscribes - before.subscribes) + (after.upgrades - before.upgrades)
}

/// A5: the seeds of the sweep.
pub fn seeds(n: u64) -> Figure {
    let failed: Vec<u64> = (0..n)
        .filter(|&seed| !play::play(seed).breaches.is_empty())
        .collect();
    Figure {
        pass: failed.is_empty(),
        measured: json!({"seeds": n, "failed": failed}),
        limit: "every trade once, in order, or in a gap: no seed fails",
    }
}

/// A6: broken frames among good ones.
pub fn malformed(frames: usize) -> Figure {
    let (mut exact, mut counted) = (true, 0);
    // The first run fills what is filled once.
    paused(0, broken::run(Venue::Kraken, frames));
    let before = super::process::resident(std::process::id());
    for venue in VENUES {
        let outcome = paused(0, broken::run(venue, frames));
        exact &= outcome.exact && (outcome.connects, outcome.disconnects) == (1, 0);
        counted += outcome.bad_frames;
    }
    let grown = super::process::resident(std::process::id()).saturating_sub(before);
    let expected = 3 * frames as u64;
    Figure {
        measured: json!({
            "broken": expected, "counted": counted, "good_exact": exact, "grown_kib": grown / 1_024,
        }),
        limit: "all counted, all good ones delivered, memory grown < 8 MiB",
        pass: exact && counted == expected && grown < 8 << 20,
    }
}

/// A11: an exchange that takes every connection and drops it at once, for ten minutes.
pub fn flap(clients: u64) -> Figure {
    const MINUTES: u64 = 10;
    let (mut most, mut moments) = (0, Vec::new());
    for client in 0..clients {
        let mut connects = paused(client, flapped(VENUES[(client % 3) as usize], MINUTES));
        let in_window = |at: &Duration| {
            let later = connects
                .iter()
                .filter(|t| **t >= *at && **t < *at + seconds(300));
            later.count()
        };
        most = most.max(connects.iter().map(in_window).max().unwrap_or(0));
        // The first minute is the same for all: they began together.
        connects.retain(|at| *at > seconds(60));
        moments.extend(connects.into_iter().map(|at| (client, at)));
    }
    let (near, by_chance) = crowding(&moments, seconds((MINUTES - 1) * 60));
    let ratio = near / by_chance.max(1.0);
    Figure {
        measured: json!({
            "clients": clients, "most_connects_in_5_min": most, "connects": moments.len(),
            "pairs_within_10_ms": near, "by_chance": by_chance,
        }),
        limit: "at most 60 connects in 5 min; no more pairs within 10 ms than twice what chance gives",
        pass: most <= 60 && ratio <= 2.0,
    }
}

/// When it connected, in times since the exchange began to flap.
async fn flapped(venue: Venue, minutes: u64) -> Vec<Duration> {
    let sim = sim(venue, 1);
    let connects = Arc::new(Mutex::new(Vec::new()));
    let noted = Noted {
        dial: SimDial::new(&sim, &Proxy::new(1)),
        connects: connects.clone(),
    };
    let options = LiveOptions {
        dial: Some(AnyDial::new(noted)),
        ..piped(&sim, &Proxy::new(1))
    };
    let engine = piped_engine(venue, options);
    let request = Request::new(["BTC"]).streams([Stream::Trades]);
    let _events = engine.subscribe(request).await.expect("a list of symbols");
    sleep(seconds(40)).await;
    sim.faults().flap = true;
    sim.cut_all(Cut::Reset);
    let start = Instant::now();
    sleep(seconds(60 * minutes)).await;
    let connects = connects.lock().expect("no holder panics");
    let since = connects
        .iter()
        .filter_map(|at: &Instant| at.checked_duration_since(start));
    since.collect()
}

/// Notes when a WebSocket is dialled.
struct Noted {
    dial: SimDial,
    connects: Arc<Mutex<Vec<Instant>>>,
}

impl Dial for Noted {
    type Stream = BoxStream;

    async fn dial(&self, url: &http::Uri) -> Result<BoxStream, ConnectError> {
        if url.scheme_str() == Some("wss") {
            let mut connects = self.connects.lock().expect("no holder panics");
            connects.push(Instant::now());
        }
        self.dial.dial(url).await
    }
}

/// Pairs of connects of two clients within 10 ms, and how many of these there would be by chance.
fn crowding(moments: &[(u64, Duration)], span: Duration) -> (f64, f64) {
    let (mut near, mut pairs) = (0u64, 0u64);
    for (n, (client, at)) in moments.iter().enumerate() {
        for (other, then) in &moments[..n] {
            if other != client {
                pairs += 1;
                near += u64::from(at.abs_diff(*then) < Duration::from_millis(10));
            }
        }
    }
    (near as f64, pairs as f64 * 0.02 / span.as_secs_f64())
}

/// A12: no request while the exchange wants none, not even by a new process.
pub fn obedience() -> Figure {
    let (mut forbidden, mut asked, mut resumed) = (0, 0, 0);
    let answers = [(429, Some(5)), (429, None), (418, Some(30)), (418, None)];
    let cases: Vec<_> = VENUES
        .into_iter()
        .flat_map(|venue| answers.map(|answer| (venue, answer)))
        .collect();
    for &(venue, (status, retry_after)) in &cases {
        let (within, after) = paused(1, pause(venue, status, retry_after));
        asked += 1;
        forbidden += within;
        resumed += u64::from(after);
    }
    Figure {
        measured: json!({"pauses": asked, "requests_within": forbidden, "resumed": resumed}),
        limit: "no request within a pause, and an answer after each",
        pass: forbidden == 0 && resumed == asked,
    }
}

/// Requests within the pause that such an answer asks for, and whether there is an answer after it. Half way a new
/// process takes over.
async fn pause(venue: Venue, status: u16, retry_after: Option<u64>) -> (u64, bool) {
    let directory = tempfile::tempdir().expect("a directory");
    let sim = sim(venue, 1);
    let options = LiveOptions {
        shared_directory: Some(directory.path().to_owned()),
        ..piped(&sim, &Proxy::new(1))
    };
    let length = seconds(retry_after.unwrap_or(match status {
        418 => 300,
        _ => 60,
    }));
    let client = live(venue, options.clone());
    let list = client.instruments().await.expect("a list of symbols");
    let bitcoin = list
        .iter()
        .find(|i| i.market.base() == "BTC")
        .expect("bitcoin is listed");
    {
        let mut faults = sim.faults();
        faults.rest_status = Some((status, "{}".to_owned()));
        faults.retry_after = retry_after;
    }
    let refused = client.trades(bitcoin, 10).await;
    assert!(
        matches!(refused, Err(ProviderError::RateLimited { .. })),
        "{refused:?}"
    );
    sim.faults().rest_status = None;
    let requests = |sim: &Sim| sim.counters().rest.values().sum::<u64>();
    let (before, start) = (requests(&sim), Instant::now());
    // A question may wait for the end of the pause, and be asked then: counted is what was sent before.
    let watched = sim.clone();
    let counted = tokio::spawn(async move {
        sleep(length - Duration::from_millis(1)).await;
        requests(&watched) - before
    });
    let mut client = client;
    let mut is_new = false;
    while start.elapsed() < length {
        if !is_new && start.elapsed() * 2 > length {
            client = live(venue, options.clone());
            is_new = true;
        }
        let _ = client.trades(bitcoin, 10).await;
        sleep(Duration::from_millis(250)).await;
    }
    let within = counted.await.expect("it only counts");
    sleep(seconds(3)).await;
    (within, client.trades(bitcoin, 10).await.is_ok())
}
