use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000_000;
const NOW: i64 = 1_790_000_000 * SECOND;
const WAY: u64 = 0xfeed;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// One a second, three at once.
fn bucket() -> Bucket {
    Bucket::requests(seconds(1), 3)
}

fn paused(state: &State, now: i64) -> Option<(u64, Option<u16>)> {
    let pause = state.pause(now, Lane::Requests, WAY)?;
    Some((pause.left.as_secs(), pause.status))
}

#[test]
fn a_burst_is_granted_at_once_and_then_one_an_interval() {
    let mut state = State::default().seen_at(NOW);
    for _ in 0..3 {
        assert_eq!(state.take(NOW, &bucket(), 1), Ok(()));
    }
    assert_eq!(state.take(NOW, &bucket(), 1), Err(seconds(1)));
    assert_eq!(state.take(NOW + SECOND, &bucket(), 1), Ok(()));
    let half = NOW + SECOND * 3 / 2;
    let wait = Duration::from_millis(500);
    assert_eq!(state.take(half, &bucket(), 1), Err(wait));
}

#[test]
fn connections_are_counted_apart_from_requests() {
    let mut state = State::default().seen_at(NOW);
    let connections = Bucket::connections(seconds(60), 1);
    assert_eq!(state.take(NOW, &bucket(), 3), Ok(()));
    assert_eq!(state.take(NOW, &connections, 1), Ok(()));
    assert_eq!(state.take(NOW, &connections, 1), Err(seconds(60)));
    assert_eq!(state.take(NOW, &bucket(), 1), Err(seconds(1)));
}

#[test]
fn a_cost_above_the_burst_is_paid_off_by_those_that_follow() {
    let mut state = State::default().seen_at(NOW);
    assert_eq!(state.take(NOW, &bucket(), 10), Ok(()));
    assert_eq!(state.take(NOW, &bucket(), 10), Err(seconds(10)));
    assert_eq!(state.take(NOW, &bucket(), 1), Err(seconds(8)));
}

#[test]
fn what_the_host_says_is_left_is_all_that_is_granted() {
    let mut state = State::default().seen_at(NOW);
    state.hold(NOW, &bucket(), 1, Duration::ZERO);
    assert_eq!(state.take(NOW, &bucket(), 1), Ok(()));
    assert_eq!(state.take(NOW, &bucket(), 1), Err(seconds(1)));
    state.hold(NOW, &bucket(), 0, seconds(60));
    assert_eq!(state.take(NOW, &bucket(), 1), Err(seconds(61)));
    // and it never gives anything back
    state.hold(NOW, &bucket(), 3, Duration::ZERO);
    assert_eq!(state.take(NOW, &bucket(), 1), Err(seconds(61)));
    assert_eq!(state.take(NOW + 61 * SECOND, &bucket(), 1), Ok(()));
}

#[test]
fn a_pause_is_for_all_and_is_never_shortened() {
    let mut state = State::default().seen_at(NOW);
    assert_eq!(paused(&state, NOW), None);
    state.pause_for(NOW, seconds(600), Some(418));
    state.pause_for(NOW, seconds(5), Some(429));
    assert_eq!(paused(&state, NOW), Some((600, Some(418))));
    assert!(state.pause(NOW, Lane::Connections, 7).is_some());
    state.pause_for(NOW, seconds(700), None);
    assert_eq!(paused(&state, NOW), Some((700, None)));
    assert_eq!(paused(&state, NOW + 700 * SECOND), None);
    // three days are the most
    state.pause_for(NOW, seconds(u64::MAX), Some(418));
    assert_eq!(paused(&state, NOW), Some((3 * 86_400, Some(418))));
}

#[test]
fn a_refusal_is_for_one_way_out_and_one_kind_of_line() {
    let mut state = State::default().seen_at(NOW);
    state.refuse(NOW, Lane::Requests, WAY, seconds(300), 451);
    assert_eq!(paused(&state, NOW), Some((300, Some(451))));
    assert_eq!(paused(&state, NOW + 300 * SECOND), None);
    assert_eq!(state.pause(NOW, Lane::Requests, WAY + 1), None);
    assert_eq!(state.pause(NOW, Lane::Connections, WAY), None);
    state.pause_for(NOW, seconds(60), Some(429));
    assert_eq!(paused(&state, NOW), Some((300, Some(451))));
    let text = state.to_text(NOW);
    assert_eq!(State::parse(text.as_bytes()).unwrap().seen_at(NOW), state);
    // many ways do not grow it without end
    for way in 0..50 {
        state.refuse(NOW, Lane::Requests, way, seconds(300), 403);
    }
    let text = state.to_text(i64::MAX);
    assert!(text.len() < 600, "{text}");
    assert_eq!(
        State::parse(text.as_bytes())
            .unwrap()
            .seen_at(NOW)
            .refusals
            .len(),
        8
    );
}

#[test]
fn a_clock_that_went_back_takes_the_state_with_it() {
    let mut state = State::default().seen_at(NOW);
    while state.take(NOW, &bucket(), 1).is_ok() {}
    state.pause_for(NOW, seconds(60), None);
    state.refuse(NOW, Lane::Requests, WAY, seconds(90), 403);
    let state = State::parse(state.to_text(NOW).as_bytes()).unwrap();
    let earlier = NOW - 3_600 * SECOND;
    let mut back = state.seen_at(earlier);
    assert_eq!(paused(&back, earlier), Some((90, Some(403))));
    let others = back.pause(earlier, Lane::Requests, WAY + 1).unwrap();
    assert_eq!(others.left, seconds(60));
    assert_eq!(back.take(earlier, &bucket(), 1), Err(seconds(1)));
}

#[test]
fn a_state_that_cannot_be_is_not_believed() {
    let far = NOW + 4 * 86_400 * SECOND;
    for (full_at, paused_until) in [(far, 0), (0, far), (i64::MAX, i64::MAX), (0, i64::MIN)] {
        let mut state = State {
            written_at: NOW,
            full_at: [full_at; 2],
            paused_until,
            ..State::default()
        };
        assert_eq!(paused(&state, NOW), None);
        assert_eq!(state.take(NOW, &bucket(), 1), Ok(()));
    }
}

#[test]
fn what_is_no_state_is_none() {
    let mut state = State::default();
    state.refuse(NOW, Lane::Connections, WAY, seconds(300), 403);
    let whole = state.to_text(NOW);
    assert!(State::parse(whole.as_bytes()).is_some());
    for cut in 0..whole.len() {
        assert_eq!(State::parse(&whole.as_bytes()[..cut]), None, "{cut}");
    }
    for text in [
        "tickwire-budget 1 1 1 1\n",
        "tickwire-budget 2 1 1 1 1 70000\n",
        "tickwire-budget 2 1 1 1 1 1 1\n",
        "tickwire-budget 2 1 1 1 1 1 0:f:1:1:1\n",
        "tickwire-budget 2 1 1 1 1 1 2:f:1:1\n",
        "\u{ff}\n",
    ] {
        assert_eq!(State::parse(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_window_of_time_has_more_than_its_share(
        pauses in prop::collection::vec(0..3 * SECOND, 1..60),
    ) {
        let (mut state, mut now) = (State::default().seen_at(NOW), NOW);
        let mut granted = Vec::new();
        for pause in pauses {
            now += pause;
            if state.take(now, &bucket(), 1).is_ok() {
                granted.push(now);
            }
        }
        for (n, first) in granted.iter().enumerate() {
            for (m, last) in granted.iter().enumerate().skip(n) {
                let share = 3 + (last - first) / SECOND;
                prop_assert!((m - n + 1) as i64 <= share);
            }
        }
    }

    #[test]
    fn nothing_is_granted_in_any_pause_that_was_asked_for(
        steps in prop::collection::vec((0..5 * SECOND, 0u64..20, 0u8..4), 1..80),
    ) {
        let (mut state, mut now, mut closed_until) = (State::default().seen_at(NOW), NOW, NOW);
        for (step, pause, what) in steps {
            now += step;
            let until = now + nanos(seconds(pause));
            match what {
                0 => state.pause_for(now, seconds(pause), Some(429)),
                1 => state.refuse(now, Lane::Requests, WAY, seconds(pause), 403),
                _ => {
                    // written and read by another process in between
                    state = State::parse(state.to_text(now).as_bytes()).unwrap().seen_at(now);
                    let is_open = state.pause(now, Lane::Requests, WAY).is_none();
                    prop_assert_eq!(is_open, now >= closed_until);
                    continue;
                }
            }
            closed_until = closed_until.max(until);
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>, numbers: [i64; 4], now: i64, cost: u32) {
        let [written_at, requests, connections, paused_until] = numbers;
        let state = State {
            written_at,
            full_at: [requests, connections],
            paused_until,
            ..State::default()
        };
        for state in [State::parse(&bytes).unwrap_or_default(), state] {
            let mut state = state.seen_at(now);
            let _ = state.pause(now, Lane::Requests, WAY);
            let _ = state.take(now, &bucket(), cost);
            state.hold(now, &bucket(), cost, seconds(60));
            state.give_back(&bucket(), cost);
            state.refuse(now, Lane::Requests, WAY, seconds(60), 403);
            state.pause_for(now, seconds(60), None);
        }
    }
}
