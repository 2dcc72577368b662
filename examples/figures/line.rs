//! Lines that break, in real time on loopback.

use std::time::{Duration, Instant};

use serde_json::json;
use tickwire::model::{Event, StatusState};
use tickwire::sim::Cut;

use super::Figure;
use super::stage::{Loopback, VENUES, percentile};

const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);

fn is(event: &Event, state: StatusState) -> bool {
    matches!(event, Event::Status(status) if status.state == state)
}

/// A2: after a reset or an end of the line, until every subscription is answered again.
pub async fn recovery(drops: usize) -> Figure {
    let (mut millis, mut missing, mut broken) = (Vec::new(), 0, 0);
    for n in 0..drops {
        let mut client = Loopback::start(VENUES[n % 3], DEFAULT_HEARTBEAT).await;
        let cut = Instant::now();
        match n % 2 {
            0 => client.proxy.reset(),
            _ => client.proxy.finish(),
        }
        client
            .until(|event| is(event, StatusState::Connected))
            .await;
        millis.push(cut.elapsed().as_secs_f64() * 1_000.0);
        match client.missing().await {
            Some(lost) => missing += lost,
            None => broken += 1,
        }
    }
    let (p50, p99) = (percentile(&mut millis, 50), percentile(&mut millis, 99));
    Figure {
        measured: json!({"drops": drops, "p50_ms": p50, "p99_ms": p99, "missing": missing, "broken_promises": broken}),
        limit: "p50 < 250 ms, p99 < 1500 ms, every id after repair",
        pass: p50 < 250.0 && p99 < 1_500.0 && missing + broken == 0,
    }
}

/// A3: a line that is open and dead, until that is noticed.
pub async fn half_open(times: usize) -> Figure {
    let (mut worst, mut missing, mut broken) = ([0.0f64; 2], 0, 0);
    for (which, heartbeat) in [DEFAULT_HEARTBEAT, Duration::from_secs(1)]
        .into_iter()
        .enumerate()
    {
        let one = |n: usize| async move {
            let mut client = Loopback::start(VENUES[n % 3], heartbeat).await;
            let dead = Instant::now();
            client.sim.cut_all(Cut::Vanish);
            client
                .until(|event| is(event, StatusState::Reconnecting))
                .await;
            let seconds = dead.elapsed().as_secs_f64();
            client
                .until(|event| is(event, StatusState::Connected))
                .await;
            (seconds, client.missing().await)
        };
        for (seconds, lost) in futures_util::future::join_all((0..times).map(one)).await {
            worst[which] = worst[which].max(seconds);
            match lost {
                Some(lost) => missing += lost,
                None => broken += 1,
            }
        }
    }
    let [by_default, fast] = worst;
    Figure {
        measured: json!({
            "times": 2 * times, "worst_default_s": by_default, "worst_heartbeat_1s_s": fast,
            "missing": missing, "broken_promises": broken,
        }),
        limit: "noticed within 25 s by default and 2 s with a heartbeat of 1 s, every id after repair",
        pass: by_default <= 25.0 && fast <= 2.0 && missing + broken == 0,
    }
}
