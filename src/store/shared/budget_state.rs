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
mod tests;
