//! Downloads, by the built program.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use serde_json::json;
use tickwire::model::{Interval, Timestamp};
use tickwire::sim::{Sim, SimConfig, Venue};

use super::Figure;
use super::process::{binary, peak};

/// H1: a year of minutes, as csv. Nothing but loopback and the client's own politeness slows it down.
pub async fn year() -> Figure {
    const MINUTES: u64 = 525_600;
    let home = tempfile::tempdir().expect("a directory");
    let sim = Sim::start(SimConfig {
        candle_history: MINUTES + 1_000,
        ..SimConfig::new(Venue::Binance)
    });
    let sim = sim.await.expect("a port");
    let nanos = Interval::M1.nanos();
    let until = Interval::M1.open_of(Timestamp::from_nanos(sim.now_ns() - 10 * nanos));
    let since = until.plus_nanos(-(MINUTES as i64) * nanos);
    let mut command = std::process::Command::new(binary());
    command
        .env_clear()
        .env("HOME", home.path())
        .env("TICKWIRE_PROVIDERS__BINANCE__REST_URL", sim.rest_url())
        .env("TICKWIRE_PROVIDERS__BINANCE__WS_URL", sim.ws_url())
        .args("monitor BTC -p binance --stream candles -o csv".split(' '))
        .args(["--since", &since.to_string(), "--until", &until.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let read = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        let mut child = command.spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (mut count, mut in_order, mut next, mut most) = (0_u64, true, since, 0);
        for line in lines.map_while(Result::ok).skip(1) {
            let open_time = line.split(',').nth(4).and_then(Timestamp::parse);
            in_order &= open_time == Some(next);
            next = next.plus_nanos(nanos);
            count += 1;
            if count.is_multiple_of(5_000) {
                most = peak(child.id()).max(most);
            }
        }
        let code = child.wait().ok().and_then(|status| status.code());
        (count, in_order, most, code, start.elapsed().as_secs_f64())
    });
    let (count, in_order, most, code, seconds) = read.await.expect("it only reads");
    Figure {
        measured: json!({
            "candles": count, "in_order": in_order, "seconds": seconds,
            "per_second": count as f64 / seconds, "peak_kib": most, "exit_code": code,
            "rule_violations": sim.counters().rule_violations,
        }),
        limit: "525600 candles in order, peak < 65536 KiB, the exchange's limits kept",
        pass: (count, in_order, code) == (MINUTES, true, Some(0))
            && 0 < most
            && most < 65_536
            && sim.counters().rule_violations.is_empty(),
    }
}
