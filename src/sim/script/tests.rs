use super::*;
use crate::sim::{LineFaults, SimConfig, Stream, Venue};
use proptest::prelude::*;

fn limits() -> ScriptLimits {
    ScriptLimits {
        symbols: vec!["BTC/USD".to_owned(), "ETH/USD".to_owned()],
        length: Duration::from_secs(40),
        troubles: 12,
    }
}

fn why(text: &str) -> String {
    text.parse::<Script>().unwrap_err().to_string()
}

const EVERYTHING: &str = "\
at 0s trade BTC/USD 3
at 1s quote BTC/USD
at 1500ms reset
at 2s fin
at 3s close 1001
at 4s vanish
at 5s shutdown
at 6s stop-listening
at 7s listen
from 8s to 9s blackhole up
from 8s to 9s blackhole down
from 8s to 9s blackhole both
at 10s blackhole off
from 1s to 2m delay 200ms
from 1s to 2s slice 16 5ms
at 3s slice off
from 1s to 2s drop 10%
from 1s to 2s duplicate 5%
from 1s to 2s reorder 100%
from 1s to 2s mute BTC/USD
at 3s unmute BTC/USD
from 1s to 2s mute BTC/USD trades
from 1s to 2s mute ETH/USD ticker
from 1s to 2s mute ETH/USD candles
from 1s to 2s rest 429 retry-after 2
at 3s rest 503
at 3s rest ok
from 1s to 2s rest-delay 2s
from 1s to 2s rest-lag 20
from 1s to 2s handshake 451
at 3s handshake ok
from 1s to 2s ack-delay 2s
from 1s to 2s drop-acks
at 3s drop-acks off
from 1s to 2s freeze-clock
at 3s freeze-clock off
every 2s from 10s to 20s close 1012
every 10s reset
at 3m heal
";

#[test]
fn every_word_is_read_and_written_alike() {
    let script: Script = EVERYTHING.parse().unwrap();
    assert_eq!(script.to_string(), EVERYTHING);
    assert_eq!(script.length(), Duration::from_secs(180));
    let spaced = "\n  # a comment\n at  3s   reset # why\n".parse::<Script>();
    assert_eq!(spaced.unwrap().to_string(), "at 3s reset\n");
}

#[test]
fn errors_name_the_line_the_word_and_what_would_be_right() {
    for (text, told) in [
        (
            "reset",
            "line 1: a line begins with `at`, `from` or `every`, not `reset`",
        ),
        (
            "\nat 3",
            "line 2: `at` wants a time: `200ms`, `3s`, `2m`, not `3`",
        ),
        ("at", "line 1: `at` wants a time: `200ms`, `3s`, `2m`"),
        (
            "at 3s",
            "line 1: nothing is to happen: name it, as `reset` or `drop 10%`",
        ),
        (
            "at 3s resett",
            "line 1: nothing is called `resett`; did you mean `reset`?",
        ),
        ("at 3s reset now", "line 1: `now` is one word too many"),
        (
            "at 3s drop 101%",
            "line 1: `drop` wants a percentage: `drop 10%`, not `101%`",
        ),
        (
            "at 3s mute BTC",
            "line 1: `mute` wants a symbol: `BTC/USD`, not `BTC`",
        ),
        (
            "from 3s reset",
            "line 1: `from` wants an end: `from 3s to 9s`",
        ),
        (
            "from 3s to 2s drop 1%",
            "line 1: the end lies before the beginning",
        ),
        (
            "from 3s to 4s reset",
            "line 1: `reset` only happens, and cannot be undone: use `at` or `every`",
        ),
        ("every 0s reset", "line 1: `every` wants a time above zero"),
        (
            "every 1s reset",
            "line 1: `every` needs an end: name the last moment in another line, as `at 60s heal`",
        ),
        (
            "at 1s rest 200",
            "line 1: `rest` wants a status, or `ok`: `rest 429 retry-after 2`, not `200`",
        ),
    ] {
        assert_eq!(why(text), told);
    }
    assert!(why("at 3s xyz").contains("there are trade, quote, reset"));
}

#[tokio::test(start_paused = true)]
async fn things_happen_in_their_time_and_are_undone() {
    let (sim, proxy) = (Sim::new(SimConfig::new(Venue::Kraken)), Proxy::new(1));
    let script: Script = "\
from 2s to 4s drop 10%
from 2s to 4s mute BTC/USD trades
from 2s to 4s rest 429 retry-after 7
at 3s trade BTC/USD 5
every 1s from 5s to 7s trade ETH/USD 1
at 6s freeze-clock
at 8s delay 20ms
"
    .parse()
    .unwrap();
    let running = script.run(&sim, &proxy);
    let watching = async {
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        let line = proxy.faults();
        assert_eq!(line.drop_percent, 10);
        assert!(
            line.mute
                .contains(&("BTC/USD".to_owned(), Some(Stream::Trades)))
        );
        assert_eq!(sim.faults().retry_after, Some(7));
        assert_eq!(sim.ledger("BTC/USD").len(), 205);
    };
    let started = Instant::now();
    tokio::join!(running, watching);
    assert_eq!(started.elapsed().as_secs(), 8);
    assert_eq!(sim.ledger("ETH/USD").len(), 203);
    let delay = Duration::from_millis(20);
    assert_eq!(
        proxy.faults(),
        LineFaults {
            delay,
            ..LineFaults::default()
        }
    );
    assert_eq!(sim.faults().rest_status, None);
    assert!(sim.faults().freeze_clock);
    "at 0s heal"
        .parse::<Script>()
        .unwrap()
        .run(&sim, &proxy)
        .await;
    assert_eq!(proxy.faults(), LineFaults::default());
    assert!(!sim.faults().freeze_clock);
}

#[test]
fn a_script_knows_when_it_leaves_rest_alone() {
    let script: Script = "from 10s to 20s rest 429 retry-after 5\nat 30s reset\nat 40s heal"
        .parse()
        .unwrap();
    let hinders =
        |from, to| script.hinders_rest(Duration::from_secs(from), Duration::from_secs(to));
    assert!(!hinders(0, 9) && hinders(0, 10) && hinders(15, 16) && hinders(24, 30));
    assert!(!hinders(31, 40));
}

proptest! {
    #[test]
    fn a_random_script_can_be_read_from_its_text_and_heals_last(seed: u64) {
        let script = Script::random(seed, &limits());
        prop_assert_eq!(&script, &Script::random(seed, &limits()));
        let text = script.to_string();
        prop_assert_eq!(&text.parse::<Script>().unwrap(), &script);
        let timeline = script.timeline();
        let (last, _) = timeline.last().unwrap();
        prop_assert_eq!(*last, Duration::from_secs(40));
        let heals = timeline.iter().position(|(_, action)| *action == Action::Heal).unwrap();
        // at that very moment nothing bad begins any more
        prop_assert_eq!(heals, timeline.len() - 1);
    }
}
