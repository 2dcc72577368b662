//! What a budget's file says, and the arithmetic on it.

use std::time::Duration;

use super::Pause;

/// No exchange bans for longer: Binance's longest is three days.
const PAUSE_MAX: Duration = Duration::from_secs(3 * 86_400);
/// No host's window of requests that is heeded is longer.
const HOLD_MAX: Duration = Duration::from_secs(300);
/// Ways out that are remembered: who has more of them asks once more.
const REFUSALS_MAX: usize = 8;

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Requests = 0,
    Connections = 1,
}

/// A rate limit: `interval` nanoseconds per unit, `burst` units at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    pub lane: Lane,
    interval: i64,
    burst: u32,
}

impl Bucket {
    pub fn requests(interval: Duration, burst: u32) -> Self {
        Self::new(Lane::Requests, interval, burst)
    }

    pub fn connections(interval: Duration, burst: u32) -> Self {
        Self::new(Lane::Connections, interval, burst)
    }

    fn new(lane: Lane, interval: Duration, burst: u32) -> Self {
        Self {
            lane,
            interval: nanos(interval),
            burst: burst.max(1),
        }
    }

    fn price(&self, cost: u32) -> i64 {
        self.interval.saturating_mul(i64::from(cost))
    }
}

/// Times are nanoseconds since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    written_at: i64,
    /// When the bucket of each lane will be full again.
    full_at: [i64; 2],
    paused_until: i64,
    /// The HTTP status of the pause; 0: none.
    paused_by: u16,
    refusals: Vec<Refusal>,
}

/// Those who go one way out are not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refusal {
    lane: Lane,
    way: u64,
    until: i64,
    status: u16,
}

impl State {
    const HEAD: &'static str = "tickwire-budget 2";

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
        let mut words = line.strip_prefix(Self::HEAD)?.split_ascii_whitespace();
        let mut number = || words.next()?.parse::<i64>().ok();
        let state = Self {
            written_at: number()?,
            full_at: [number()?, number()?],
            paused_until: number()?,
            paused_by: number()?.try_into().ok()?,
            refusals: Vec::new(),
        };
        let refusals = words.map(Refusal::parse).collect::<Option<Vec<_>>>()?;
        (refusals.len() <= REFUSALS_MAX).then_some(Self { refusals, ..state })
    }

    pub fn to_text(&self, now: i64) -> String {
        let [requests, connections] = self.full_at;
        let (until, status) = (self.paused_until, self.paused_by);
        let head = Self::HEAD;
        let mut text = format!("{head} {now} {requests} {connections} {until} {status}");
        for refusal in &self.refusals {
            text.push_str(&refusal.to_text());
        }
        text + "\n"
    }

    /// Where the clock went back since it was written, the state goes back with it.
    pub fn seen_at(mut self, now: i64) -> Self {
        let back = self.written_at.saturating_sub(now).max(0);
        self.written_at = now;
        let refused = self.refusals.iter_mut().map(|refusal| &mut refusal.until);
        for time in self
            .full_at
            .iter_mut()
            .chain([&mut self.paused_until])
            .chain(refused)
        {
            *time = time.saturating_sub(back);
        }
        self
    }

    /// Whether the host wants to be left alone by those who go this way.
    pub fn pause(&self, now: i64, lane: Lane, way: u64) -> Option<Pause> {
        let refused = self
            .refusals
            .iter()
            .filter(|refusal| (refusal.lane, refusal.way) == (lane, way))
            .map(|refusal| (refusal.until, refusal.status));
        refused
            .chain([(self.paused_until, self.paused_by)])
            .filter_map(|(until, status)| {
                let left = until.saturating_sub(now);
                // No honest state pauses for longer.
                (0 < left && left <= nanos(PAUSE_MAX)).then(|| Pause {
                    left: Duration::from_nanos(left.unsigned_abs()),
                    status: Some(status).filter(|status| *status > 0),
                })
            })
            .max_by_key(|pause| pause.left)
    }

    pub fn pause_for(&mut self, now: i64, pause: Duration, status: Option<u16>) {
        let until = now.saturating_add(nanos(pause.min(PAUSE_MAX)));
        if until > self.paused_until {
            self.paused_until = until;
            self.paused_by = status.unwrap_or(0);
        }
    }

    pub fn refuse(&mut self, now: i64, lane: Lane, way: u64, pause: Duration, status: u16) {
        let mut until = now.saturating_add(nanos(pause.min(PAUSE_MAX)));
        self.refusals.retain(|refusal| {
            let is_same = (refusal.lane, refusal.way) == (lane, way);
            if is_same {
                until = until.max(refusal.until);
            }
            refusal.until > now && !is_same
        });
        if self.refusals.len() >= REFUSALS_MAX {
            self.refusals.remove(0);
        }
        self.refusals.push(Refusal {
            lane,
            way,
            until,
            status,
        });
    }

    /// Takes `cost` units. Errors: how long to wait until they are there.
    pub fn take(&mut self, now: i64, bucket: &Bucket, cost: u32) -> Result<(), Duration> {
        let full_at = &mut self.full_at[bucket.lane as usize];
        let most = bucket
            .price(bucket.burst.max(cost))
            .saturating_add(nanos(HOLD_MAX));
        let owed = full_at.saturating_sub(now);
        // No honest state owes more.
        let owed = if owed <= most { owed.max(0) } else { 0 };
        let spare = bucket.price(bucket.burst - cost.min(bucket.burst));
        let wait = owed.saturating_sub(spare);
        if wait > 0 {
            return Err(Duration::from_nanos(wait.unsigned_abs()));
        }
        *full_at = now.saturating_add(owed).saturating_add(bucket.price(cost));
        Ok(())
    }

    pub fn give_back(&mut self, bucket: &Bucket, cost: u32) {
        let full_at = &mut self.full_at[bucket.lane as usize];
        *full_at = full_at.saturating_sub(bucket.price(cost));
    }

    pub fn hold(&mut self, now: i64, bucket: &Bucket, free: u32, wait: Duration) {
        let owed = bucket.price(bucket.burst.saturating_sub(free));
        let until = now
            .saturating_add(nanos(wait.min(HOLD_MAX)))
            .saturating_add(owed);
        let full_at = &mut self.full_at[bucket.lane as usize];
        *full_at = (*full_at).max(until);
    }
}

impl Refusal {
    fn parse(word: &str) -> Option<Self> {
        let mut parts = word.split(':');
        let lane = match parts.next()? {
            "0" => Lane::Requests,
            "1" => Lane::Connections,
            _ => return None,
        };
        let refusal = Self {
            lane,
            way: u64::from_str_radix(parts.next()?, 16).ok()?,
            until: parts.next()?.parse().ok()?,
            status: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(refusal)
    }

    fn to_text(self) -> String {
        let Self {
            lane,
            way,
            until,
            status,
        } = self;
        format!(" {}:{way:x}:{until}:{status}", lane as u8)
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
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
}
