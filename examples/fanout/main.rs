//! How many clients the server's WebSocket side carries, and what they can do to it. Each command prints one JSON
//! line; clients run in a process of their own.
//!
//! ```sh
//! cargo build --release --features sim --example fanout
//! taskset -c 0 target/release/examples/fanout rate      # how much at most, on one core; the clients take the other
//! target/release/examples/fanout slow [--full]          # good clients beside some that do not read
//! target/release/examples/fanout hostile [--full]       # half handshakes and floods
//! ```

mod clients;
mod market;
mod measure;
mod stage;

use std::time::Duration;

use serde_json::{Value, json};

use clients::Crowd;
use measure::{cpu_seconds, resident};
use stage::Stage;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let is_full = arguments.iter().any(|argument| argument == "--full");
    let figures = match arguments.first().map(String::as_str) {
        Some("clients") => return clients::run(&arguments[1..]),
        Some("rate") => rate(),
        Some("slow") if is_full => slow(900, 100, 300),
        Some("slow") => slow(180, 20, 60),
        Some("hostile") if is_full => hostile(600),
        Some("hostile") => hostile(20),
        _ => {
            eprintln!("usage: fanout rate | slow [--full] | hostile [--full]");
            std::process::exit(2);
        }
    };
    println!("{figures}");
}

/// 1,000 clients that join every trade, and queues that are never dry.
fn rate() -> Value {
    const CLIENTS: usize = 1_000;
    let stage = Stage::start();
    let crowd = Crowd {
        good: CLIENTS,
        whole: true,
        seconds: 15,
        ..Crowd::default()
    };
    let mut child = crowd.start(stage.port);
    stage.wait_for(CLIENTS, CLIENTS);
    let begin = std::time::Instant::now();
    let (cpu, before) = (cpu_seconds(), stage.hub().totals());
    let mut market = market::Market::new(1);
    while begin.elapsed() < Duration::from_secs(10) {
        stage.hub().publish_events(&market.trades(64));
        // Never dry, never full.
        while stage.hub().totals().queued > 128 * CLIENTS as u64 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let (elapsed, totals) = (begin.elapsed().as_secs_f64(), stage.hub().totals());
    let sent = (totals.sent - before.sent) as f64;
    let cpu = cpu_seconds() - cpu;
    let memory = resident();
    let seen = child.finish();
    json!({
        "name": "rate", "clients": CLIENTS, "messages_per_second": (sent / elapsed).round(),
        "cpu_seconds_per_million": cpu / sent * 1e6, "dropped": totals.dropped,
        "bytes_per_message": market.bytes(), "resident_mib": memory >> 20, "seen": seen,
    })
}

/// 2,000 events a second over 400 symbols, 20 symbols for each good client; some clients read nothing, or 1 kB/s, of
/// all trades.
fn slow(good: usize, slow: usize, seconds: u64) -> Value {
    let stage = Stage::start();
    let empty = resident();
    let crowd = Crowd {
        good,
        slow,
        seconds,
        ..Crowd::default()
    };
    let mut child = crowd.start(stage.port);
    // Two rooms for each symbol of a good one, the trades for a slow one.
    stage.wait_for(good + slow, good * 40 + slow);
    let idle = (resident() - empty) / (good + slow) as u64;
    let run = stage.publish(2_000, seconds, good);
    let seen = child.finish();
    json!({
        "name": "slow", "good": good, "slow": slow, "seconds": seconds, "bytes_per_idle_client": idle,
        "bytes_more_per_slow_client": run.peak.saturating_sub(empty + idle * (good + slow) as u64) / slow as u64,
        "publishing": run.publishing.json(), "slow_gone_after_seconds": run.alone_after,
        "messages_per_second": run.sent / seconds, "dropped": run.dropped, "conflated": run.conflated,
        "seen_by_good_clients": seen,
    })
}

/// 500 half handshakes and 20 clients that send as fast as they can, beside 50 good ones.
fn hostile(seconds: u64) -> Value {
    let stage = Stage::start();
    let good = Crowd {
        good: 50,
        guests: true,
        seconds,
        ..Crowd::default()
    };
    let hostile = Crowd {
        half: 500,
        floods: 20,
        seconds,
        ..Crowd::default()
    };
    let mut child = good.start(stage.port);
    stage.wait_for(50, 50 * 40);
    let before = resident();
    // Processes of their own: else the good ones would wait for the hostile ones, not for the server.
    let mut attackers = hostile.start(stage.port);
    let run = stage.publish(2_000, seconds, 50);
    let seen = child.finish();
    attackers.finish();
    std::thread::sleep(Duration::from_secs(10));
    json!({
        "name": "hostile", "seconds": seconds, "publishing": run.publishing.json(), "seen_by_good_clients": seen,
        "resident_before_mib": before >> 20, "peak_mib": run.peak >> 20, "ten_seconds_after_mib": resident() >> 20,
    })
}
