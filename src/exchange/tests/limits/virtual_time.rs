//! The same over minutes and hours, in virtual time.

use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::secs;
use crate::exchange::LiveOptions;
use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::driver::Connects;
use crate::exchange::gate::{Allowance, Gate};
use crate::exchange::kraken::Kraken;
use crate::exchange::protocol::{Adapter, UsedWeight};
use crate::exchange::tests::support::TokioClock;
use crate::net::{ConnectError, Pacer};

/// A gate and a budget of connections as a process has them that was just started.
fn connects(adapter: &dyn Adapter, directory: &Path, clock: &Arc<TokioClock>) -> Connects {
    let limits = adapter.profile().limits;
    let options = LiveOptions {
        shared_directory: Some(directory.to_owned()),
        clock: clock.clone(),
        ..LiveOptions::default()
    };
    let allowance = Allowance::Connections(limits.connect_interval, limits.connect_burst);
    let url = "wss://exchange.test/ws".parse().unwrap();
    let gate = Gate::new(&url, allowance, &options, None);
    Connects::through(limits.connects, gate)
}

#[tokio::test(start_paused = true)]
async fn many_processes_open_no_more_connections_than_the_exchange_allows() {
    let documented: [(&dyn Adapter, usize, std::time::Duration); 3] = [
        (&Binance, 300, secs(300)),
        (&Coinbase, 20, secs(1)),
        (&Kraken, 150, secs(600)),
    ];
    for (adapter, most, window) in documented {
        let folder = tempfile::tempdir().unwrap();
        let clock = TokioClock::start();
        let times = Arc::new(Mutex::new(Vec::new()));
        let started = Instant::now();
        let mut processes = JoinSet::new();
        for _ in 0..12 {
            let connects = connects(adapter, folder.path(), &clock);
            let times = times.clone();
            processes.spawn(async move {
                while started.elapsed() < secs(900) {
                    connects.ready().await.unwrap();
                    times.lock().unwrap().push(Instant::now());
                }
            });
        }
        processes.join_all().await;
        let mut times = std::mem::take(&mut *times.lock().unwrap());
        times.sort();
        let exchange = adapter.exchange();
        for run in times.windows(most + 1) {
            assert!(run[most] - run[0] >= window, "{exchange}");
        }
        // and what is allowed is used
        assert!(times.len() > 150, "{exchange}: {}", times.len());
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_without_a_way_to_the_host_make_no_other_process_wait() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TokioClock::start();
    let refused = ConnectError::Refused {
        host: "exchange.test:443".into(),
    };
    for _ in 0..100 {
        let connects = connects(&Kraken, folder.path(), &clock);
        connects.ready().await.unwrap();
        connects.failed(&refused).await;
    }
    assert!(Instant::now() - clock.started() < secs(1));
}

/// What happens to one of several processes.
#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Attempt,
    Answer(u16, Option<u64>),
    Close(u64),
    Restart,
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        3 => (0u64..90).prop_map(Step::Pass),
        4 => Just(Step::Attempt),
        2 => (prop::sample::select(vec![429u16, 418, 503, 403, 451, 500]), prop::option::of(0u64..200))
            .prop_map(|(status, seconds)| Step::Answer(status, seconds)),
        1 => (0u64..60).prop_map(Step::Close),
        1 => Just(Step::Restart),
    ];
    (0usize..3, step)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_ever_sent_in_a_forbidden_window(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let clock = TokioClock::start();
            let new = || connects(&Kraken, folder.path(), &clock);
            let mut processes = [new(), new(), new()];
            let mut forbidden_until = Instant::now();
            for (who, step) in steps {
                match step {
                    Step::Pass(seconds) => sleep(secs(seconds)).await,
                    Step::Restart => processes[who] = new(),
                    Step::Close(seconds) => {
                        processes[who].pause(secs(seconds)).await;
                        forbidden_until = forbidden_until.max(Instant::now() + secs(seconds));
                    }
                    Step::Answer(status, retry_after) => {
                        let error = ConnectError::Http {
                            host: "exchange.test".into(),
                            status,
                            retry_after: retry_after.map(secs),
                        };
                        processes[who].failed(&error).await;
                        let pause = match (status, retry_after) {
                            (429 | 418 | 503, Some(seconds)) => seconds.max(1),
                            (429, None) => 60,
                            (418 | 403 | 451, _) => 300,
                            _ => 0,
                        };
                        forbidden_until = forbidden_until.max(Instant::now() + secs(pause));
                    }
                    Step::Attempt => match processes[who].ready().await {
                        Ok(()) => assert!(Instant::now() >= forbidden_until, "sent too early"),
                        // and nobody stays away for longer
                        Err(error) => {
                            assert!(Instant::now() < forbidden_until, "{error}");
                        }
                    },
                }
            }
        });
    }

    #[test]
    fn the_weight_that_others_use_is_left_to_them(
        others in prop::collection::vec((1u64..20_000, 0u32..1_500), 0..40),
    ) {
        const LIMIT: u32 = 6_000;
        const COST: u32 = 25;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let limits = Binance.profile().limits;
            let pacer = Pacer::new(limits.rest_interval, limits.rest_burst);
            let start = Instant::now();
            let mut at = start;
            let mut others = others.into_iter().map(|(millis, weight)| {
                at += std::time::Duration::from_millis(millis);
                (at, weight)
            }).peekable();
            // what the exchange has counted, by whomever
            let mut spent: Vec<(Instant, u32)> = Vec::new();
            let (mut held_until, mut unseen) = (start, 0);
            while start.elapsed() < secs(240) {
                pacer.ready(COST).await;
                let now = Instant::now();
                while let Some(other) = others.next_if(|(at, _)| *at <= now) {
                    unseen += other.1;
                    spent.push(other);
                }
                assert!(now >= held_until, "asked in a window that is spent");
                spent.push((now, COST));
                spent.retain(|(at, _)| now - *at < secs(60));
                let used: u32 = spent.iter().map(|(_, weight)| weight).sum();
                // beyond the limit only where others went so far since the last answer
                assert!(used <= LIMIT / 5 * 4 + COST + unseen, "{used}");
                unseen = 0;
                let left = UsedWeight { used, limit: LIMIT, window: secs(60) }.left();
                if left.0 == 0 {
                    held_until = now + secs(60);
                }
                pacer.hold(left.0, left.1);
                // the answer takes a while
                sleep(std::time::Duration::from_millis(20)).await;
            }
        });
    }
}
