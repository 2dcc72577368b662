//! How often one host may be asked, by all processes together.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::time::Duration;

use crate::model::Timestamp;

use super::{SHORTLY, Shared, key};

/// No exchange bans for longer: Binance's longest is three days.
const PAUSE_MAX: Duration = Duration::from_secs(3 * 86_400);
/// More than a state has.
const FILE_MAX: u64 = 256;

/// The budget of one host: the same rate limit as [`crate::net::Pacer`], kept in a file.
#[derive(Clone)]
pub struct Budget {
    shared: Shared,
    name: String,
    interval: i64,
    burst: u32,
}

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It may, and is counted.
    Granted,
    /// Not now: ask again after this.
    Wait(Duration),
    /// The host has asked to be left alone for so long.
    Paused(Duration),
    /// There is no shared budget to be had.
    Unknown,
}

impl Shared {
    /// The budget of `host` (with its port). `interval`: time per unit of cost; `burst`: at least 1.
    pub fn budget(&self, host: &str, interval: Duration, burst: u32) -> Budget {
        Budget {
            shared: self.clone(),
            name: format!("budget-{:016x}", key([host])),
            interval: nanos(interval),
            burst: burst.max(1),
        }
    }
}

impl Budget {
    /// Takes `cost` units if they are there.
    pub async fn take(&self, cost: u32) -> Permit {
        let take = |state: &mut State, now| state.take(now, self.interval, self.burst, cost);
        self.change(take).await.unwrap_or(Permit::Unknown)
    }

    /// Takes back what was granted for a request that never reached the host: where there is no way to it,
    /// those who try must not make each other wait.
    pub async fn give_back(&self, cost: u32) {
        let price = self.interval.saturating_mul(i64::from(cost));
        let give_back = |state: &mut State, _| state.full_at = state.full_at.saturating_sub(price);
        self.change(give_back).await;
    }

    /// Nothing is sent to the host for so long. Never shortens a pause.
    pub async fn pause(&self, pause: Duration) {
        let pause = |state: &mut State, now: i64| {
            let until = now.saturating_add(nanos(pause.min(PAUSE_MAX)));
            state.paused_until = state.paused_until.max(until);
        };
        self.change(pause).await;
    }

    /// Reads, changes and writes the state; the lock is held no longer than that takes.
    async fn change<T>(&self, change: impl FnOnce(&mut State, i64) -> T) -> Option<T> {
        let mut file = self.shared.locked(&self.name, SHORTLY).await?;
        // After the lock was had: else another's state may look as if it came from the future.
        let now = self.shared.clock.now();
        let changed = change_file(&mut file, now, change);
        if let Err(error) = &changed {
            tracing::debug!(name = self.name, %error, "a budget cannot be kept");
        }
        changed.ok()
    }
}

fn change_file<T>(
    file: &mut File,
    now: Timestamp,
    change: impl FnOnce(&mut State, i64) -> T,
) -> io::Result<T> {
    let now = now.nanos();
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes)?;
    let mut state = State::parse(&bytes).unwrap_or_default().seen_at(now);
    let changed = change(&mut state, now);
    let text = state.to_text(now);
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    Ok(changed)
}

/// Nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    written_at: i64,
    /// When the bucket will be full again.
    full_at: i64,
    paused_until: i64,
}

impl State {
    const HEAD: &'static str = "tickwire-budget 1";

    fn parse(bytes: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
        let mut numbers = line.strip_prefix(Self::HEAD)?.split_ascii_whitespace();
        let mut number = || numbers.next()?.parse().ok();
        let state = Self {
            written_at: number()?,
            full_at: number()?,
            paused_until: number()?,
        };
        numbers.next().is_none().then_some(state)
    }

    fn to_text(self, now: i64) -> String {
        let (full_at, paused_until) = (self.full_at, self.paused_until);
        format!("{} {now} {full_at} {paused_until}\n", Self::HEAD)
    }

    /// Where the clock went back since it was written, the state goes back with it.
    fn seen_at(self, now: i64) -> Self {
        let back = self.written_at.saturating_sub(now).max(0);
        Self {
            written_at: now,
            full_at: self.full_at.saturating_sub(back),
            paused_until: self.paused_until.saturating_sub(back),
        }
    }

    fn take(&mut self, now: i64, interval: i64, burst: u32, cost: u32) -> Permit {
        let paused = self.paused_until.saturating_sub(now);
        // No honest state pauses for longer, nor owes more than one burst.
        if 0 < paused && paused <= nanos(PAUSE_MAX) {
            return Permit::Paused(Duration::from_nanos(paused.unsigned_abs()));
        }
        let most = interval.saturating_mul(i64::from(burst.max(cost)));
        let owed = self.full_at.saturating_sub(now);
        let owed = if owed <= most { owed.max(0) } else { 0 };
        let spare = interval.saturating_mul(i64::from(burst - cost.min(burst)));
        let wait = owed.saturating_sub(spare);
        if wait > 0 {
            return Permit::Wait(Duration::from_nanos(wait.unsigned_abs()));
        }
        let price = interval.saturating_mul(i64::from(cost));
        self.full_at = now.saturating_add(owed).saturating_add(price);
        Permit::Granted
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

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_burst_is_granted_at_once_and_then_one_an_interval() {
        let mut state = State::default().seen_at(NOW);
        for _ in 0..3 {
            assert_eq!(state.take(NOW, SECOND, 3, 1), Permit::Granted);
        }
        assert_eq!(state.take(NOW, SECOND, 3, 1), Permit::Wait(seconds(1)));
        assert_eq!(state.take(NOW + SECOND, SECOND, 3, 1), Permit::Granted);
        let half = NOW + SECOND * 3 / 2;
        let wait = Permit::Wait(Duration::from_millis(500));
        assert_eq!(state.take(half, SECOND, 3, 1), wait);
    }

    #[test]
    fn a_cost_above_the_burst_is_paid_off_by_those_that_follow() {
        let mut state = State::default().seen_at(NOW);
        assert_eq!(state.take(NOW, SECOND, 3, 10), Permit::Granted);
        assert_eq!(state.take(NOW, SECOND, 3, 10), Permit::Wait(seconds(10)));
    }

    #[test]
    fn a_clock_that_went_back_takes_the_state_with_it() {
        let mut state = State::default().seen_at(NOW);
        while state.take(NOW, SECOND, 3, 1) == Permit::Granted {}
        state.paused_until = NOW + 60 * SECOND;
        let state = State::parse(state.to_text(NOW).as_bytes()).unwrap();
        let earlier = NOW - 3_600 * SECOND;
        let mut back = state.seen_at(earlier);
        assert_eq!(
            back.take(earlier, SECOND, 3, 1),
            Permit::Paused(seconds(60))
        );
        back.paused_until = 0;
        assert_eq!(back.take(earlier, SECOND, 3, 1), Permit::Wait(seconds(1)));
    }

    #[test]
    fn a_state_that_cannot_be_is_not_believed() {
        let far = NOW + 4 * 86_400 * SECOND;
        for (full_at, paused_until) in [(far, 0), (0, far), (i64::MAX, i64::MAX), (0, i64::MIN)] {
            let mut state = State {
                written_at: NOW,
                full_at,
                paused_until,
            };
            assert_eq!(state.take(NOW, SECOND, 3, 1), Permit::Granted);
        }
    }

    #[test]
    fn what_is_no_state_is_none() {
        let whole = State::default().to_text(NOW);
        assert!(State::parse(whole.as_bytes()).is_some());
        for cut in 0..whole.len() {
            assert_eq!(State::parse(&whole.as_bytes()[..cut]), None, "{cut}");
        }
        for text in [
            "tickwire-budget 2 1 1 1\n",
            "tickwire-budget 1 1 1 1 1\n",
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
                if state.take(now, SECOND, 3, 1) == Permit::Granted {
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
        fn any_bytes_are_survived(bytes: Vec<u8>, numbers: [i64; 3], now: i64, cost: u32) {
            let [written_at, full_at, paused_until] = numbers;
            let state = State { written_at, full_at, paused_until };
            for state in [State::parse(&bytes).unwrap_or_default(), state] {
                state.seen_at(now).take(now, SECOND, 3, cost);
            }
        }
    }
}
